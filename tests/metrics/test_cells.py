"""The critic that reports sees what painted clips show, and not what they do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import InputError
from reelwright_core.story import Entity, Event, FrameSpan, SceneGraph
from reelwright_metrics.learned import REPORTS
from reelwright_metrics.learned.cells import (
    FRAMES,
    CellCritic,
    _Seen,  # pyright: ignore[reportPrivateUsage]
    when,
)
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_metrics.suites import scripts
from reelwright_metrics.suites.scripts import SCRIPTED, Scripted
from reelwright_metrics.suites.scripts.make import scripts as made
from reelwright_simulators.painter import paint


def painted(script: Scripted) -> list[NDArray[np.uint8]]:
    """What a film of the script shows where the video model adds nothing."""
    planner = OfflinePlanner()
    board = planner.storyboard(Script(kind="prose", text=script.text), picture=Picture())
    return [
        paint(
            planner.layout(shot), entities=shot.scene_graph.entities, place=shot.place,
            size=shot.size, seed=3,
        ).frames
        for shot in board.shots
    ]  # fmt: skip


@pytest.fixture(scope="module")
def critic() -> CellCritic:
    return CellCritic(LearnedCritic.load(REPORTS))


def right(critic: CellCritic, script: Scripted, film: list[NDArray[np.uint8]]) -> float:
    return float(np.mean([one.passed for one in critic.watch(script.graph, film)]))


def test_the_suite_is_what_its_maker_makes() -> None:
    assert [one.data() for one in scripts.load("story")] == [one.data() for one in made()]
    assert len(scripts.load("story")) == 60
    assert {one.kind for one in scripts.first(scripts.load("story"), 5)} == set(SCRIPTED)
    with pytest.raises(InputError, match="did you mean `story`"):
        scripts.load("storys")


def test_painted_films_of_the_suite_are_nearly_always_right_and_those_of_others_seldom(
    critic: CellCritic,
) -> None:
    chosen = scripts.first(scripts.load("story"), 15)
    films = [painted(one) for one in chosen]
    own = [right(critic, one, film) for one, film in zip(chosen, films, strict=True)]
    other = [
        right(critic, one, film) for one, film in zip(chosen, [*films[5:], *films[:5]], strict=True)
    ]
    assert np.mean(own) >= 0.9, own
    assert np.mean(other) <= 0.25, other


def test_time_is_told_backwards(critic: CellCritic) -> None:
    script = next(one for one in scripts.load("story") if one.id == "order-01")
    film = painted(script)
    turned = [shot[::-1] for shot in film[::-1]]
    forwards = {q.kind: q.passed for q in critic.watch(script.graph, film)}
    backwards = {q.kind: q.passed for q in critic.watch(script.graph, turned)}
    assert forwards["order"]
    assert not backwards["order"]
    assert forwards["direction"]
    assert not backwards["direction"]


def test_what_the_network_was_not_taught_is_not_asked(critic: CellCritic) -> None:
    graph = SceneGraph(
        entities=[Entity(id="x", noun="samovar", colour="red")],
        events=[Event(actor="x", action="falls", frames=FrameSpan(first=0, last=7))],
    )
    assert critic.watch(graph, [np.zeros((9, 96, 160, 3), np.uint8)]) == []


def test_an_event_is_when_it_is_seen_most() -> None:
    """What rolls wobbles a little: that is no jump, where a later shot shows one."""
    times, rows, columns = FRAMES, 24, 40
    heat = np.zeros((2 * times, rows, columns))
    for at in range(2 * times):
        part = (at % times) / (times - 1)
        hop = np.sin(np.pi * part)
        row, column = (18 - 2 * hop, 5 + 25 * part) if at < times else (18 - 9 * hop, 20)
        heat[at, round(row) - 2 : round(row) + 3, round(column) - 2 : round(column) + 3] = 1
    apple = Entity(id="e0", noun="apple")
    one = _Seen(
        entity=apple, heat=heat, colours=np.zeros(11), motions=np.zeros((2, 3))
    )  # fmt: skip
    span = FrameSpan(first=0, last=16)
    rolled = when(Event(actor="e0", action="rolls", direction="right", frames=span), one)
    jumped = when(Event(actor="e0", action="jumps", frames=span), one)
    assert rolled is not None
    assert jumped is not None
    assert rolled == pytest.approx(0.25, abs=0.05)
    assert jumped == pytest.approx(0.75, abs=0.05)
