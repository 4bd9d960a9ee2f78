"""Temporal logic over a clip: formulas, monitors, exact probabilities, propositions, a critic."""
