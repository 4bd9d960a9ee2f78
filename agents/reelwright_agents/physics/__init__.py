"""From a shot to the physics scene that is simulated before it is filmed."""

from reelwright_agents.physics.offline import Planned, is_physical, physics_scene, plan_physics
from reelwright_agents.physics.timing import retimed

__all__ = ["Planned", "is_physical", "physics_scene", "plan_physics", "retimed"]
