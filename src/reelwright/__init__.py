"""Reelwright turns a script into a film."""
