"""Contradictions in a storyboard are found, and the director settles them by the stated rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reelwright_agents import roles
from reelwright_agents.casting import contradictions
from reelwright_agents.director import decide, settled, styled
from reelwright_agents.llm import LanguageModel
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.talk import UnfitChange, changed, differences, value_at
from reelwright_agents.testing import ScriptedEndpoint, answer
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint
from reelwright_core.story import Scene, Storyboard
from reelwright_metrics.sayings import contradictions as words_that_differ

STORY = (
    "A girl and two dogs run on a beach. The girl jumps. The dogs run to the left. "
    "A red car drives to the right on a road. The red car stops."
)
BOARD = OfflinePlanner().storyboard(Script(kind="prose", text=STORY), picture=Picture())
SHOTS = {shot.id: shot for shot in BOARD.shots}


def shot_with(entity: str, number: int = 0) -> str:
    """The id of the shot that shows the entity, counted from 0."""
    seen = [s.id for s in BOARD.shots if entity in {e.id for e in s.scene_graph.entities}]
    return seen[number]


CAR, CAR_AGAIN = shot_with("red-car"), shot_with("red-car", 1)
GIRL, GIRL_AGAIN = shot_with("girl"), shot_with("girl", 1)
DOGS, DOGS_AGAIN = shot_with("dog"), shot_with("dog", 1)


def entity(shot: str, id: str) -> str:
    return f"shots/{shot}/scene_graph/entities/{id}"


def test_a_sound_storyboard_has_no_contradiction_and_nothing_is_said() -> None:
    assert contradictions(BOARD) == []
    spoken = settled(BOARD, author="director")
    assert (spoken.board, spoken.messages) == (BOARD, ())


HAIR = {
    "story/cast/girl/attributes": ["long blonde hair"],
    f"{entity(GIRL, 'girl')}/attributes": ["long blonde hair"],
    f"{entity(GIRL_AGAIN, 'girl')}/attributes": ["long black hair"],
    f"shots/{GIRL_AGAIN}/prompt": "a girl with long black hair jumps on a beach",
}
SEEDED: list[tuple[dict[str, Any], str, Any, str]] = [
    (HAIR, f"{entity(GIRL_AGAIN, 'girl')}/attributes", ["long blonde hair"], "cast sheet"),
    ({f"{entity(CAR_AGAIN, 'red-car')}/colour": "blue",
      f"shots/{CAR_AGAIN}/prompt": "a blue car stands on a road"},
     f"shots/{CAR_AGAIN}/prompt", "a red car stands on a road", "cast sheet"),
    ({f"shots/{DOGS_AGAIN}/prompt": "three dogs run on a beach",
      f"{entity(DOGS_AGAIN, 'dog')}/count": 3},
     f"{entity(DOGS_AGAIN, 'dog')}/count", 2, "cast sheet"),
    ({"story/cast/red-car/colour": None, f"{entity(CAR_AGAIN, 'red-car')}/colour": "green"},
     f"{entity(CAR_AGAIN, 'red-car')}/colour", "red", "first said"),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "path", "value", "rule"), SEEDED)
def test_a_seeded_contradiction_is_found_and_settled_by_the_rule(
    seed: dict[str, Any], path: str, value: Any, rule: str
) -> None:
    board = changed(BOARD, seed)
    found = contradictions(board)
    assert len(found) == 1
    assert rule in decide(found[0])[1]
    spoken = settled(board, author="director")
    assert value_at(spoken.board, path) == value
    assert contradictions(spoken.board) == []
    assert [fault for fault in words_that_differ(spoken.board) if fault] == []
    [message] = spoken.messages
    assert message.kind == "decision"
    assert rule in message.text
    assert set(message.outputs) == set(differences(board, spoken.board))


def test_prompts_are_reworded_by_the_decision() -> None:
    board = settled(changed(BOARD, HAIR), author="director").board
    assert value_at(board, f"shots/{GIRL_AGAIN}/prompt") == (
        "a girl with long blonde hair jumps on a beach"
    )


def test_without_a_sheet_the_majority_holds() -> None:
    shots = [SHOTS[CAR].model_copy(update={"id": f"c{n}"}) for n in range(3)]
    board = Storyboard(shots=shots)
    board = changed(board, {f"{entity('c0', 'red-car')}/colour": "blue"})
    [found] = contradictions(board)
    value, why = decide(found)
    assert (value, why) == ("red", "as in most shots (2 of 3)")
    prompt = settled(board, author="director").board.shots[0].prompt
    assert prompt == SHOTS[CAR].prompt


def test_a_scene_is_in_one_place() -> None:
    story = BOARD.story.model_copy(update={"scenes": [Scene(id="9", place="beach")]})
    shots = [shot.model_copy(update={"scene": "9"}) for shot in BOARD.shots[:2]]
    board = changed(
        Storyboard(story=story, shots=shots),
        {"shots/s02/place": "snow", "shots/s02/prompt": "a girl jumps in the snow"},
    )
    [found] = contradictions(board, ["place"])
    assert found.text == "the place of scene 9 is beach in the sheet, s01 but snow in s02"
    after = settled(board, author="director").board
    assert (after.shots[1].place, after.shots[1].prompt) == ("beach", "a girl jumps on a beach")


def test_what_goes_right_does_not_go_left_in_the_next_shot_unless_the_script_turns_it() -> None:
    text = "A red car drives to the left on a road. A dog stands on a road. The red car drives."
    board = OfflinePlanner().storyboard(Script(kind="prose", text=text), picture=Picture())
    kept = [s for s in board.shots if "red-car" in {e.id for e in s.scene_graph.entities}]
    two = board.model_copy(update={"shots": kept})
    [found] = contradictions(two, ["direction"])
    assert found.of == "red-car"
    after = settled(two, author="director").board
    assert after.shots[1].scene_graph.events[0].direction == "left"
    assert "from right to left" in after.shots[1].prompt
    turned = changed(two, {f"shots/{kept[1].id}/text": "The red car turns round."})
    assert contradictions(turned, ["direction"]) == []


@pytest.mark.parametrize(
    "text", ["She dyes her hair black.", "The girl becomes dark.", "She wears a wig."]
)
def test_a_look_that_the_script_itself_changes_is_none(text: str) -> None:
    board = changed(BOARD, {**HAIR, f"shots/{GIRL_AGAIN}/text": text})
    assert contradictions(board) == []


def test_a_count_that_the_script_gives_is_none() -> None:
    board = changed(
        BOARD,
        {f"{entity(DOGS_AGAIN, 'dog')}/count": 1, f"shots/{DOGS_AGAIN}/text": "One dog runs.",
         f"shots/{DOGS_AGAIN}/prompt": "a dog runs on a beach"},
    )  # fmt: skip
    assert contradictions(board) == []


def test_what_the_user_wrote_stands_and_that_is_said() -> None:
    board = changed(BOARD, HAIR)
    users = [f"{entity(GIRL_AGAIN, 'girl')}/attributes"]
    spoken = settled(board, author="director", users=users)
    assert spoken.board == board
    [message] = spoken.messages
    assert message.kind == "note"
    assert "stands, as the user wrote it" in message.text


def test_within_a_shot_the_words_follow_what_the_user_wrote() -> None:
    path = f"{entity(CAR_AGAIN, 'red-car')}/colour"
    board = changed(BOARD, {path: "blue"})
    spoken = settled(board, author="director", users=[path])
    assert value_at(spoken.board, path) == "blue"
    assert "blue car" in value_at(spoken.board, f"shots/{CAR_AGAIN}/prompt")
    assert "red car" in value_at(spoken.board, f"shots/{CAR}/prompt")


def test_the_user_s_cast_sheet_reaches_every_shot() -> None:
    board = changed(BOARD, {"story/cast/red-car/colour": "blue"})
    after = settled(board, author="director", users=["story/cast/red-car/colour"]).board
    for shot in (CAR, CAR_AGAIN):
        assert value_at(after, f"{entity(shot, 'red-car')}/colour") == "blue"
        assert "blue car" in value_at(after, f"shots/{shot}/prompt")


def test_the_style_bible_is_in_every_prompt_once() -> None:
    board = changed(BOARD, {"story/style": "Soft light, pastel colours."})
    once = styled(board, author="director").board
    assert all(shot.prompt.endswith(", Soft light, pastel colours") for shot in once.shots)
    assert styled(once, author="director").board == once


def test_settling_again_changes_nothing() -> None:
    once = settled(changed(BOARD, HAIR), author="director").board
    assert settled(once, author="director").board == once


def test_paths_that_do_not_exist_and_values_that_do_not_fit_are_told() -> None:
    with pytest.raises(UnfitChange, match="there is no 'promt'"):
        changed(BOARD, {"shots/s01/promt": "x"})
    with pytest.raises(UnfitChange, match="'s99' is none of s01"):
        changed(BOARD, {"shots/s99/prompt": "x"})
    with pytest.raises(UnfitChange, match="place = 'moon'"):
        changed(BOARD, {"shots/s01/place": "moon"})


def test_the_screenwriter_cuts_and_times_as_vlogger_does() -> None:
    text = "A red ball falls on a beach. Then it bounces and then it rolls to the right."
    board = OfflinePlanner().storyboard(Script(kind="prose", text=text), picture=Picture())
    spoken = roles.screenwriter(board, author="screenwriter", seconds=(2, 10), actions=1)
    for shot in spoken.board.shots:
        acts = {e.frames.first for e in shot.scene_graph.events if e.action != "stays"}
        assert len(acts) <= 1
        assert shot.seconds.denominator == 1
        assert 2 <= shot.seconds <= 10
        assert all(e.frames.last < shot.frames for e in shot.scene_graph.events)
    assert len(spoken.board.shots) > len(board.shots)
    done = {e.action for s in board.shots for e in s.scene_graph.events}
    assert {e.action for s in spoken.board.shots for e in s.scene_graph.events} == done
    again = roles.screenwriter(spoken.board, author="screenwriter", seconds=(2, 10), actions=1)
    assert again.board == spoken.board


def test_each_scene_has_one_camera_move() -> None:
    text = "A red car drives to the right on a road. The car drives on."
    board = OfflinePlanner().storyboard(Script(kind="prose", text=text), picture=Picture())
    shots = [shot.model_copy(update={"scene": "1"}) for shot in board.shots]
    spoken = roles.cinematographer(
        board.model_copy(update={"shots": shots}), author="cinematographer"
    )
    assert {shot.camera for shot in spoken.board.shots} == {"pan right"}
    assert all("the camera pans right" in shot.prompt for shot in spoken.board.shots)


# A language model as a role.


def talk(*messages: dict[str, Any]) -> dict[str, Any]:
    whole = {"about": [], "changes": [], "to": "all", "kind": "decision"}
    return {"messages": [{**whole, **message} for message in messages]}


def change(path: str, value: Any) -> dict[str, Any]:
    return {"path": path, "value": value}


def asked(server: ScriptedEndpoint, **more: Any) -> roles.Spoken:
    endpoint = Endpoint(base_url=server.base_url, repairs=2, retries=0)
    model = LanguageModel(endpoint, model="scripted")
    told: dict[str, Any] = {"kind": "director", "author": "director", **more}
    return roles.ask(model, BOARD, **told)


COLOUR = f"{entity(CAR, 'red-car')}/colour"


def test_a_model_s_decision_against_the_cast_sheet_is_sent_back() -> None:
    wrong = talk({"text": "Blue is nicer.", "changes": [change(COLOUR, "blue")]})
    right = talk({"text": "The car stays red.", "about": [CAR]})
    with ScriptedEndpoint([answer(wrong), answer(right)]) as server:
        spoken = asked(server)
        assert "the cast sheet says red" in server.requests[1].text
    assert spoken.board == BOARD
    assert [message.text for message in spoken.messages] == ["The car stays red."]


def test_a_model_changes_only_what_its_role_may() -> None:
    prompt = f"shots/{CAR}/prompt"
    wrong = talk({"text": "Shorter.", "kind": "proposal", "changes": [change(prompt, "a car")]})
    with ScriptedEndpoint([answer(wrong)] * 3) as server:
        with pytest.raises(EndpointError, match="a casting cannot change"):
            asked(server, kind="casting", author="casting")
        assert len(server.requests) == 3
    with ScriptedEndpoint([answer(wrong)]) as server:
        spoken = asked(server, kind="screenwriter", author="screenwriter")
    assert value_at(spoken.board, prompt) == "a car"
    assert spoken.messages[0].outputs == [prompt]


def test_a_model_leaves_what_the_user_wrote() -> None:
    prompt = f"shots/{CAR}/prompt"
    wrong = talk({"text": "Shorter.", "changes": [change(prompt, "a car")]})
    with ScriptedEndpoint([answer(wrong), answer(talk())]) as server:
        spoken = asked(server, users=[prompt])
        assert "was written by the user" in server.requests[1].text
    assert spoken.board == BOARD


def test_a_reviewer_of_its_own_duty_objects() -> None:
    said = talk({"text": "A dog has no shoes.", "kind": "objection", "to": "director"})
    with ScriptedEndpoint([answer(said)]) as server:
        spoken = asked(server, kind="reviewer", author="cobbler", duty="You look at shoes.")
        assert "You are the cobbler" in server.requests[0].text
        assert "You look at shoes." in server.requests[0].text
        json.dumps(server.requests[0].body)
    assert spoken.messages[0].author == "cobbler"
    assert spoken.board == BOARD
