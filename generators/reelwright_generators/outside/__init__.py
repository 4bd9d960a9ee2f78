"""Generators that let others film: a command, a videos endpoint, a ComfyUI workflow."""
