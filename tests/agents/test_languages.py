"""A story in another language is planned alike by a language model; offline it is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.account import missing
from reelwright_agents.language import language_of
from reelwright_agents.llm import LanguageModel
from reelwright_agents.llm_planner import LlmPlanner
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture
from reelwright_agents.reading import read_script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import EndpointError, ScriptError
from reelwright_core.settings import Endpoint
from reelwright_core.story import Storyboard
from reelwright_editing.subtitles import write_subtitles

STORIES: dict[str, tuple[str, str, str, str, str]] = {
    "en": ("The beach", "A red car drives along the beach.", "ANNA", "Wait for me, please!",
           "Then two dogs jump."),
    "de": ("Der Strand", "Ein rotes Auto fährt am Strand entlang.", "ÄNNE", "Wartet doch auf mich!",
           "Dann springen zwei Hunde."),
    "es": ("La playa", "Un coche rojo va por la playa.", "ANA", "¡Esperadme, por favor!",
           "Luego saltan dos perros."),
    "ja": ("浜辺", "赤い車が浜辺を走る。", "アンナ", "待って、お願い！", "それから犬が二匹跳ぶ。"),
}  # fmt: skip
"""Title, what happens, who speaks, what is said, and what happens then."""


def script_in(language: str) -> str:
    title, first, who, said, then = STORIES[language]
    return f"Title: {title}\n\n.1\n\n{first}\n\n@{who}\n{said}\n\n{then}\n"


def play(request: Request) -> Scripted:
    """Plans what stands in the numbered lines, whatever their language."""
    if "Write the scene graph" in request.text:
        dogs = "two dogs" in request.text.rsplit("<<<shot", 1)[1].lower()
        actor = "dog" if dogs else "red-car"
        event = {"actor": actor, "action": "jumps" if dogs else "moves", "first": 0, "last": 16,
                 "direction": None if dogs else "right"}  # fmt: skip
        return scripted.answer(
            {"things": [{"id": actor, "count": 2 if dogs else 1}], "events": [event]}
        )
    lines = dict(re.findall(r"^\d+ ([a-z ]+)\| (.*)$", request.text, re.MULTILINE)[::-1])
    first, then = re.findall(r"^\d+ action\| (.*)$", request.text, re.MULTILINE)
    spoken = {"speaker": lines["character"].lstrip("@"), "text": lines["dialogue"]}
    shot = {"scene": "1", "lines": [], "place": "beach"}
    plan: dict[str, Any] = {
        "title": lines["title page"].removeprefix("Title: "), "style": "bright",
        "language": next(code for code, told in STORIES.items() if told[1] == first),
        "cast": [{"name": "red car", "noun": "car", "colour": "red"},
                 {"name": "dog", "noun": "dog"}],
        "shots": [
            {**shot, "text": first, "picture": "A red car drives along the beach.",
             "dialogue": [spoken]},
            {**shot, "text": then, "picture": "Two dogs jump on the beach.", "dialogue": []},
        ],
    }  # fmt: skip
    return scripted.answer(plan)


def planned(text: str, answer: Any = play) -> Storyboard:
    with ScriptedEndpoint(answer, repeat=isinstance(answer, list)) as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=20, retries=0, repairs=1)
        planner = LlmPlanner(LanguageModel(endpoint, model="tiny"))
        return planner.storyboard(read_script(text, kind="fountain"), picture=Picture())


def structure(board: Storyboard) -> object:
    story = board.story
    return (
        [entity.data() for entity in story.cast],
        [(scene.id, scene.place) for scene in story.scenes],
        [
            (
                shot.id, shot.scene, shot.prompt, shot.place, shot.frames, shot.camera, shot.lens,
                shot.scene_graph.data(), len(shot.dialogue),
            )
            for shot in board.shots
        ],
        [(line.line, line.kind, line.shots, line.why) for line in story.coverage],
    )  # fmt: skip


@pytest.mark.parametrize("language", STORIES)
def test_one_story_in_four_languages_is_planned_alike(language: str, tmp_path: Path) -> None:
    title, _, who, said, _ = STORIES[language]
    board = planned(script_in(language))
    assert structure(board) == structure(planned(script_in("en")))
    assert board.story.language == language
    assert board.story.title == title
    assert [(line.speaker, line.text) for line in board.shots[0].dialogue] == [(who, said)]
    assert missing(board.story.coverage) == []
    assert Storyboard.from_data(board.data()) == board
    file = tmp_path / "film.srt"
    write_subtitles(board, file)
    shown = file.read_bytes().decode("utf-8")
    assert said in "".join(shown.split("\n")) or said in " ".join(shown.split("\n"))


def test_a_line_lost_in_japanese_is_found() -> None:
    def lossy(request: Request) -> Scripted:
        reply = play(request)
        body = reply.body.replace(b"\\u72ac\\u304c\\u4e8c\\u5339", b"")
        body = body.replace(b"\\\\u72ac\\\\u304c\\\\u4e8c\\\\u5339", b"")
        return Scripted(body=body)

    with pytest.raises(EndpointError, match=r"line 10 .* in no shot: 'それから犬が二匹跳ぶ。'"):
        planned(script_in("ja"), lossy)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a noun in Japanese": ({"cast": [{"name": "car", "noun": "車"}]}, "is an English noun"),
    "a picture in German": (
        {"shots": [{"scene": "1", "lines": [], "place": "beach", "text": "A dog jumps.",
                    "picture": "Ein Hund springt auf dem Strand und ist rot."}]},
        "seems to be in German",
    ),
    "a language that is none": ({"language": "Deutsch!"}, "is a code such as"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_video_model_reads_is_english(wrong: str) -> None:
    change, says = WRONG[wrong]
    shots = [{"scene": "1", "lines": [], "place": "beach", "text": "A dog jumps.",
              "picture": "A dog jumps."}]  # fmt: skip
    plan = {"title": "x", "style": "", "cast": [], "shots": shots, **change}
    with pytest.raises(EndpointError, match=says):
        planned("A dog jumps.", [scripted.answer(plan)])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ein rotes Auto fährt am Strand entlang. Dann fällt ein Ball.", "German"),
        ("Un coche rojo va por la playa. Luego cae una pelota.", "Spanish"),
        ("Une voiture rouge roule sur la plage. Puis un ballon tombe.", "French"),
        ("赤い車が浜辺を走る。", "Japanese"), ("一辆红色的汽车在海滩上行驶。", "Chinese"),
        ("Красная машина едет по пляжу.", "Russian"), ("빨간 차가 해변을 달린다.", "Korean"),
    ],
)  # fmt: skip
def test_offline_another_language_is_refused_in_one_clear_message(text: str, name: str) -> None:
    with pytest.raises(ScriptError, match=f"seems to be in {name}.*planner.brain=openai"):
        OfflinePlanner().storyboard(read_script(text), picture=Picture())


def test_english_is_english_whatever_is_said_in_it() -> None:
    for text in (
        "A red car drives.", "Car. Dog. Beach.", "El Capitan stands in a meadow.",
        "Über the café, a naïve cat flies; l'homme arrives.", "An auto drives along the Rhein.",
        "Zork flurbs.", "!!!", "Anna & Otto run; the dog is on a road.",
    ):  # fmt: skip
        assert language_of(text) == "en", text
    spoken = "EXT. MEADOW - DAY\n\nA dog jumps.\n\nHANS\nWo ist der Hund? Ich bin nicht da!"
    board = OfflinePlanner().storyboard(read_script(spoken), picture=Picture())
    assert board.shots[0].dialogue[0].text.startswith("Wo ist der Hund?")
