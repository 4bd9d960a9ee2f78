"""The offline planner: simple English to a storyboard, with no model, key or network."""

from reelwright_agents.offline.coverage import coverage
from reelwright_agents.offline.planner import OfflinePlanner
from reelwright_agents.offline.prompts import prompt_of

__all__ = ["OfflinePlanner", "coverage", "prompt_of"]
