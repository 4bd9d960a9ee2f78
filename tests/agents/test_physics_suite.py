"""The prompts of the physics suite are understood, and their scenes can be simulated."""

from __future__ import annotations

import pytest

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.physics import plan_physics
from reelwright_agents.planner import Picture, Script
from reelwright_core.story import Shot
from reelwright_metrics.suites import EVENTS, Prompt, load
from reelwright_simulators import scene_check

PROMPTS = load("physics")


def read(prompt: Prompt) -> Shot:
    (shot,) = (
        OfflinePlanner()
        .storyboard(Script(kind="prompts", text=prompt.text), picture=Picture())
        .shots
    )
    return shot


@pytest.mark.parametrize("prompt", PROMPTS, ids=[prompt.id for prompt in PROMPTS])
def test_a_prompt_is_read_as_it_is_meant(prompt: Prompt) -> None:
    shot, actors = read(prompt), prompt.scene.actors
    graph = shot.scene_graph
    assert [entity.count for entity in graph.entities] == [actor.count for actor in actors]
    assert [entity.noun.split()[-1] for entity in graph.entities] == [a.noun for a in actors]
    assert [event.action for event in graph.events] == [actor.action for actor in actors]
    assert [event.direction for event in graph.events] == [actor.direction for actor in actors]
    assert [relation.kind for relation in graph.relations] == ["meets"] * (len(actors) - 1)
    assert shot.place == prompt.scene.place
    assert shot.left_out == []


@pytest.mark.parametrize("kind", EVENTS)
def test_every_kind_of_event_is_staged_without_faults(kind: str) -> None:
    for prompt in [prompt for prompt in PROMPTS if prompt.kind == kind][:2]:
        planned = plan_physics(read(prompt), seed=0)
        assert planned.scene is not None, (prompt.text, planned.why)
        assert scene_check.faults(planned.scene) == [], prompt.text
        things = {(body.entity, body.instance) for body in planned.scene.bodies}
        assert len(things) == sum(actor.count for actor in prompt.scene.actors)
