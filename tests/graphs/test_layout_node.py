"""The node `layout`: made, verified, mended in rounds, and every round kept and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    LayoutRound,
    SceneGraph,
    Shot,
    Track,
)
from reelwright_graphs import run
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event as Told
from reelwright_graphs.layout_node import LayoutNode, against
from reelwright_graphs.nodes import Context


def car_and_dog(**more: Any) -> Shot:
    things = [Entity(id="car", noun="car"), Entity(id="dog", noun="dog")]
    whole = FrameSpan(first=0, last=16)
    events = [
        Event(actor="car", action="moves", direction="right", frames=whole),
        Event(actor="dog", action="stays", frames=whole),
    ]
    graph = SceneGraph(entities=things, events=events)
    return Shot(id="s01", prompt="A car passes a dog.", place="road", scene_graph=graph, **more)


def keys(*boxes: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """Six keyframes, the boxes one after the other and the last one again."""
    at = (0, 3, 6, 10, 13, 16)
    shown = [*boxes, *([boxes[-1]] * 6)][:6]
    names = ("left", "top", "right", "bottom")
    return [
        {"frame": frame, **dict(zip(names, box, strict=True)), "angle": 0.0}
        for frame, box in zip(at, shown, strict=True)
    ]


def answer(car: list[dict[str, Any]], dog: list[dict[str, Any]], **more: Any) -> Scripted:
    def track(entity: str, depth: float, keyframes: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "entity": entity, "instance": 0, "depth": depth, "faces": None, "keyframes": keyframes,
        }  # fmt: skip

    return scripted.answer({"tracks": [track("car", 1.0, car), track("dog", 0.0, dog)], **more})


def ride(first: float, last: float, foot: float = 0.8) -> list[dict[str, Any]]:
    xs = [first + (last - first) * frame / 16 for frame in (0, 3, 6, 10, 13, 16)]
    return keys(*((x, foot - 0.3, x + 0.22, foot) for x in xs))


REST = keys((0.7, 0.5, 0.9, 0.8))
OVER = keys((0.1, 0.5, 0.3, 0.8))
GOOD = answer(ride(0.03, 0.4), REST)
WRONG_WAY = answer(ride(0.4, 0.03), REST)
OVERLAPPING = answer(ride(0.05, 0.4), OVER)


def node(folder: Path, server: ScriptedEndpoint | None, **options: Any) -> tuple[LayoutNode, Any]:
    settings: dict[str, Any] = {"generator.model": "still"}
    if server is not None:
        settings |= {
            "planner.brain": "openai",
            "planner.model": "tiny",
            "endpoint.base_url": server.base_url,
        }
    told = load_settings(settings)
    events: list[Told] = []
    context = Context(
        run=folder, store=Store(folder), settings=told, seed=0, crew=Crew(told), say=events.append
    )
    return LayoutNode(LayoutNode.Options.model_validate(options), context), events


def made(of: LayoutNode, shot: Shot) -> tuple[Layout, list[LayoutRound]]:
    out = of.run(LayoutNode.Inputs(shot=shot, take=1))
    if out.layout_rounds is None:
        return out.layout, []
    file = of.context.run / "shots/s01/take-1/layout-rounds.json"
    return out.layout, [LayoutRound.model_validate(each) for each in json.loads(file.read_bytes())]


def test_a_layout_is_refined_until_the_verifier_finds_nothing(tmp_path: Path) -> None:
    answers = iter([WRONG_WAY, OVERLAPPING, GOOD])
    with ScriptedEndpoint(lambda request: next(answers)) as server:
        of, events = node(tmp_path, server, rounds=3)
        layout, rounds = made(of, car_and_dog())
        asked = [request.text for request in server.requests]
    assert [[fault.kind for fault in each.faults] for each in rounds] == [
        ["direction"], ["overlap"], [],
    ]  # fmt: skip
    assert layout == rounds[-1].layout
    assert {each.by for each in rounds} == {"tiny"}
    # It is shown what was wrong, and its own layout.
    assert "earlier layout" not in asked[0]
    assert "car moves, but goes only -0.37 to the right" in asked[1]
    assert "car 0, depth 1" in asked[1]
    assert "[0.4, 0.5, 0.62, 0.8]" in asked[1].replace("\\n", "\n")
    assert "overlap in frame 0" in asked[2]
    told = [event for event in events if event.kind == "layout"]
    assert [event.details["round"] for event in told] == [1, 2, 3]
    assert (
        told[1].text == "round 2 by tiny: car and dog overlap in frame 0: place them further apart"
    )
    assert told[2].text == "round 3 by tiny: no fault"


def test_the_best_round_is_kept_where_none_is_without_faults(tmp_path: Path) -> None:
    twice = answer(ride(0.4, 0.03), OVER)
    answers = iter([twice, WRONG_WAY, twice])
    with ScriptedEndpoint(lambda request: next(answers)) as server:
        of, _ = node(tmp_path, server, rounds=2)
        layout, rounds = made(of, car_and_dog())
    assert [len(each.faults) for each in rounds] == [2, 1]
    assert layout == rounds[1].layout, "the third answer was the first again"


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_rounds_are_bounded(tmp_path: Path, rounds: int) -> None:
    calls = 0

    def worse(request: Request) -> Scripted:
        nonlocal calls
        calls += 1
        return answer(ride(0.4, 0.03 * calls), REST)

    with ScriptedEndpoint(worse) as server:
        of, _ = node(tmp_path, server, rounds=rounds)
        _, made_rounds = made(of, car_and_dog())
    assert calls == len(made_rounds) == rounds + 1


def test_no_question_is_asked_again_where_nothing_is_wrong(tmp_path: Path) -> None:
    with ScriptedEndpoint([GOOD]) as server:
        of, _ = node(tmp_path, server, rounds=8)
        _, rounds = made(of, car_and_dog())
        assert len(server.requests) == 1
    assert [each.faults for each in rounds] == [[]]


def test_background_motion_and_camera_come_from_the_model(tmp_path: Path) -> None:
    moving = answer(
        ride(0.03, 0.4), REST, background={"direction": "down left", "speed": 0.4}, camera="zoom in"
    )
    with ScriptedEndpoint([moving]) as server:
        of, _ = node(tmp_path, server)
        layout, _ = made(of, car_and_dog())
    assert layout.background_shift == pytest.approx((-0.4 * 0.5**0.5, 0.4 * 0.5**0.5), abs=1e-5)
    assert layout.background_zoom == 1.35


def test_the_cameras_move_is_the_storyboards_where_it_has_one(tmp_path: Path) -> None:
    wrong = answer(ride(0.03, 0.4), REST, camera="zoom out")
    right = answer(ride(0.03, 0.4), REST, camera="pan left")
    answers = iter([wrong, right])
    with ScriptedEndpoint(lambda request: next(answers)) as server:
        of, _ = node(tmp_path, server)
        layout, _ = made(of, car_and_dog(camera="pan left"))
        assert "`camera` must be 'pan left'" in server.requests[1].text
    assert layout.background_shift == (0.3, 0.0)


def test_as_many_keyframes_are_asked_for_as_the_graph_says(tmp_path: Path) -> None:
    many = [{**ride(0.03, 0.4)[0], "frame": frame} for frame in range(9)]
    answers = iter([answer(many, REST), GOOD])
    with ScriptedEndpoint(lambda request: next(answers)) as server:
        of, _ = node(tmp_path, server, keyframes=6)
        layout, _ = made(of, car_and_dog())
        assert "has 9 keyframes; 6 are needed" in server.requests[1].text
    assert [len(track.keyframes) for track in layout.tracks] == [6, 6]


def test_monotone_ways_pass_through_the_models_keyframes_without_corners(tmp_path: Path) -> None:
    with ScriptedEndpoint([GOOD] * 2) as server:
        lines, _ = made(node(tmp_path / "a", server)[0], car_and_dog())
        curves, _ = made(node(tmp_path / "b", server, interpolation="monotone")[0], car_and_dog())
    for frame in (0, 3, 6, 10, 13, 16):
        for one, two in zip(lines.tracks, curves.tracks, strict=True):
            assert one.at(frame).box == pytest.approx(two.at(frame).box, abs=1e-4)


def test_a_layout_made_by_hand_stays(tmp_path: Path) -> None:
    box = (0.4, 0.4, 0.6, 0.6)
    mine = Layout(frames=17, tracks=[Track(entity="car", keyframes=[Keyframe(frame=0, box=box)])])
    layout, rounds = made(node(tmp_path, None, background="against")[0], car_and_dog(layout=mine))
    assert (layout, rounds) == (mine, [])


def test_a_background_goes_against_what_goes_over_it(tmp_path: Path) -> None:
    offline, _ = node(tmp_path, None, background="against")
    layout, rounds = made(offline, car_and_dog())
    assert layout.background_shift == (-0.3, 0.0)
    assert [each.by for each in rounds] == ["offline"]
    turned = [
        track.model_copy(update={"keyframes": [
            key.model_copy(update={"frame": 16 - key.frame}) for key in reversed(track.keyframes)
        ]})
        for track in layout.tracks
    ]  # fmt: skip
    still = layout.model_copy(update={"background_shift": (0.0, 0.0), "tracks": turned})
    assert against(still).background_shift == (0.3, 0.0)
    both = layout.model_copy(update={"background_shift": (0.0, 0.0), "tracks": [
        layout.tracks[0], turned[0].model_copy(update={"instance": 1}),
    ]})  # fmt: skip
    assert against(both).background_shift == (0.0, 0.0)
    panned = layout.model_copy(update={"background_shift": (0.1, 0.0)})
    assert against(panned) == panned


def test_rounds_are_in_the_report(tmp_path: Path) -> None:
    from reelwright_core.story import Storyboard

    answers = iter([WRONG_WAY, GOOD])
    with ScriptedEndpoint(lambda request: next(answers)) as server:
        run.film(
            Storyboard(shots=[car_and_dog()]),
            out=tmp_path / "run",
            graph="flowzero",
            settings={
                "generator.model": "still", "critic.threshold": 0.0, "planner.brain": "openai",
                "planner.model": "tiny", "endpoint.base_url": server.base_url,
            },
        )  # fmt: skip
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "Layout: 2 rounds, no faults in the best" in page
    assert "direction: car moves, but goes only -0.37 to the right" in page
