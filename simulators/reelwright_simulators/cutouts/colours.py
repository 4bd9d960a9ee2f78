"""Colours by name."""
COLOURS = {"red": (221, 46, 40), "orange": (245, 140, 30), "yellow": (250, 212, 40), "green": (52, 160, 70), "blue": (45, 105, 215), "purple": (135, 70, 185), "pink": (245, 135, 180), "brown": (130, 85, 50), "black": (45, 45, 50), "white": (245, 245, 245), "grey": (145, 148, 155)}
COLOUR_WORDS = {**{c: c for c in COLOURS}, "crimson": "red", "scarlet": "red", "navy": "blue", "azure": "blue", "violet": "purple", "gray": "grey", "silver": "grey", "golden": "yellow"}
