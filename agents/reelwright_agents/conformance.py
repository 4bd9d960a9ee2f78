"""What must hold for every planner, offline or with a language model."""

from __future__ import annotations

from fractions import Fraction

from reelwright_agents.layout_check import layout_faults
from reelwright_agents.planner import Picture, Planner, Script
from reelwright_agents.reading import read_script
from reelwright_core.story import Shot, Storyboard
from reelwright_simulators import cutouts

SCRIPTS = (
    "A red car drives from left to right on a beach. Then a ball falls and bounces.",
    "Two dogs run left in a meadow while a blue balloon rises. The dogs jump.",
    "EXT. BEACH - DAY\n\nA girl walks to a house.\n\nGIRL\nHello.\n\n"
    "INT. ROOM - NIGHT\n\nA cat sleeps.",
)
"""Short scripts that any planner can film."""
PICTURES = (
    Picture(),
    Picture(size=(256, 160), fps=Fraction(24000, 1001), frames=33),
    Picture(step=4, most=77),
)


def check_planner(planner: Planner) -> None:
    """Plans a few scripts; raises `AssertionError` with what does not hold."""
    for text in SCRIPTS:
        script = read_script(text)
        for picture in PICTURES:
            storyboard = planner.storyboard(script, picture=picture)
            check_storyboard(storyboard, script=script, picture=picture)
            for shot in storyboard.shots:
                layout = shot.layout or planner.layout(shot)
                found = layout_faults(layout, shot)
                assert not found, f"the layout of shot {shot.id}: {'; '.join(found)}"
                mended = planner.layout(shot, faults=["layout: too small"])
                assert mended.frames == shot.frames, (
                    f"the mended layout of {shot.id} has other frames"
                )


def check_storyboard(storyboard: Storyboard, *, script: Script, picture: Picture) -> None:
    """Raises `AssertionError` unless the storyboard films `script` in that picture."""
    assert storyboard.story.script == script.text, "the story does not hold the script's words"
    assert storyboard.story.title.strip(), "the story has no title"
    _check_lines(storyboard, script)
    cast = {entity.id: entity for entity in storyboard.story.cast}
    assert len(cast) == len(storyboard.story.cast), "two of the cast share an id"
    assert any(shot.scene_graph.entities for shot in storyboard.shots), "nobody is in any shot"
    for shot in storyboard.shots:
        where = f"shot {shot.id}"
        assert shot.size == picture.size, f"{where} has the size {shot.size}"
        assert shot.fps == picture.fps, f"{where} has {shot.fps} frames per second"
        _check_frames(shot.frames, picture, where)
        assert shot.prompt.strip(), f"{where} has no prompt"
        for entity in shot.scene_graph.entities:
            assert entity == cast.get(entity.id), f"{where}: {entity.id} differs from the cast's"
            has_picture = cutouts.find(entity.noun) is not None
            assert entity.known == has_picture, f"{where}: {entity.id} has `known` wrong"
        _check_events(shot)


def _check_lines(storyboard: Storyboard, script: Script) -> None:
    """Every line of the script is in the coverage: in shots that there are, or with a reason."""
    ids = {shot.id for shot in storyboard.shots}
    scenes = {scene.id for scene in storyboard.story.scenes}
    told = storyboard.story.coverage
    lines = [n for n, line in enumerate(script.text.split("\n"), 1) if line.strip()]
    assert [line.line for line in told] == lines, "the coverage has not every line, once"
    for line in told:
        assert line.shots or line.why, f"line {line.line} is in no shot, and nothing says why"
        assert ids.issuperset(line.shots), f"line {line.line} is in shots that there are not"
    for shot in storyboard.shots:
        assert shot.scene in scenes, f"shot {shot.id} is of the scene {shot.scene!r}, unknown"


def _check_frames(frames: int, picture: Picture, where: str) -> None:
    if picture.step is None:
        assert frames == picture.frames, f"{where} has {frames} frames"
        return
    most = frames if picture.most is None else max(picture.most, picture.frames)
    assert picture.frames <= frames <= most, f"{where} has {frames} frames"
    assert (frames - picture.frames) % picture.step == 0, f"{where} has {frames} frames"


def _check_events(shot: Shot) -> None:
    """Every entity has something to do, and the events leave no frame of the shot out."""
    graph = shot.scene_graph
    acting = {event.actor for event in graph.events}
    for entity in graph.entities:
        assert entity.id in acting, f"shot {shot.id}: {entity.id} has no event"
    covered = {
        frame
        for event in graph.events
        for frame in range(event.frames.first, event.frames.last + 1)
    }
    if graph.events:
        missing = sorted(set(range(shot.frames)) - covered)
        assert not missing, f"shot {shot.id}: nothing happens in frame {missing[0]}"
