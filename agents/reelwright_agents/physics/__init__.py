"""From a shot to the physics scene that is simulated before it is filmed."""

from reelwright_agents.physics.offline import Planned, is_physical, physics_scene, plan_physics

__all__ = ["Planned", "is_physical", "physics_scene", "plan_physics"]
