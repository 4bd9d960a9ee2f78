"""A small learned critic of the built-in model's world."""

from reelwright_metrics.learned.critic import REPORTS, STEERS, LearnedCritic

__all__ = ["REPORTS", "STEERS", "LearnedCritic"]
