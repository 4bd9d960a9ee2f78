"""Several shots film one simulated action: each gets the same scene, with the cameras of all."""

from __future__ import annotations

from reelwright_core.errors import ShotError
from reelwright_core.story import Shot, Storyboard
from reelwright_graphs.nodes import Context


def with_scene(board: Storyboard, shot: Shot, context: Context) -> Shot:
    """`shot` with the physics scene that it shares with others; itself where it shares none.

    The scene is that of the earlier shot: its own, or planned as if that were filmed alone. It has
    the cameras that any of the shots sees by, so that one simulation serves them all. Raises
    `ShotError` where there is no scene, or no such camera in it.
    """
    first = next((one for one in board.shots if one.id == shot.films), shot)
    sharing = [one for one in board.shots if one.films == first.id]
    if not sharing:
        if shot.physics is None:
            return shot
        from reelwright_graphs.simulate_node import seen_by

        return shot.model_copy(update={"physics": seen_by(shot.physics, shot.view)})
    if context.settings.physics.engine == "off":
        return shot.model_copy(update={"films": None, "view": None, "physics": None})
    scene = first.physics
    if scene is None:
        from reelwright_graphs.simulate_node import physics_seed

        planned = context.crew.physics(first, seed=physics_seed(context, first))
        scene = planned.scene
        if scene is None:
            if shot is first:
                return shot
            why = planned.why or "nothing physical happens in it"
            raise ShotError(shot.id, f"it films {first.id}, which cannot be simulated: {why}")
    there = [camera.id for camera in scene.cameras]
    views = [one.view or there[0] for one in (first, *sharing)]
    if shot.view is not None and shot.view not in there:
        raise ShotError(
            shot.id,
            f"`view` is a camera of {first.id}'s scene: {', '.join(there)}; got {shot.view!r}",
        )
    used = [camera for camera in scene.cameras if camera.id in views]
    return shot.model_copy(
        update={
            "physics": scene.model_copy(update={"cameras": used}),
            "films": None,
            "view": shot.view or there[0],
        }
    )
