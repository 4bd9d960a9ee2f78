"""Roles talk a storyboard over, the director settles it, and shots that do not fit come again."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_agents.talk import changed, value_at
from reelwright_agents.testing import ScriptedEndpoint, answer
from reelwright_core.records import file_digest
from reelwright_core.story import Entity, Event, FrameSpan, SceneGraph, Shot, Story, Storyboard
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.takes import Film, Message
from reelwright_core.video import read_video
from reelwright_graphs import run
from reelwright_graphs.events import Event as RunEvent
from reelwright_graphs.graph_file import load_graph
from reelwright_graphs.message_log import read_messages

GIRL = Entity(id="girl", noun="girl", attributes=["long blonde hair"])
CAR = Entity(id="red-car", noun="car", colour="red")
STILL = {"generator.model": "still", "critic.threshold": 0.0, "physics.engine": "off"}


def shot(id: str, entity: Entity, prompt: str, **more: Any) -> Shot:
    stays = Event(actor=entity.id, action="stays", frames=FrameSpan(first=0, last=8))
    return Shot(
        id=id, prompt=prompt, place="beach", frames=9, size=(96, 64),
        scene_graph=SceneGraph(entities=[entity], events=[stays]), **more,
    )  # fmt: skip


BLACK = GIRL.model_copy(update={"attributes": ["long black hair"]})
SEEDED = Storyboard(
    story=Story(title="Beach", cast=[GIRL, CAR]),
    shots=[
        shot("s01", GIRL, "a girl with long blonde hair stands on a beach"),
        shot("s02", BLACK, "a girl with long black hair stands on a beach"),
        shot("s03", CAR, "a red car stands on a beach"),
    ],
)
HAIR = "shots/s02/scene_graph/entities/girl/attributes"


def film(source: Any, out: Path, graph: Any = "cocreation", **more: Any) -> Film:
    settings = {**STILL, **more.pop("settings", {})}
    done = run.film(source, out=out, graph=graph, settings=settings, **more)
    assert isinstance(done, Film)
    return done


def said(out: Path, kind: str | None = None) -> list[Message]:
    return [message for message in read_messages(out) if kind in (None, message.kind)]


def edited_graph(tmp_path: Path, change: Callable[[str], str]) -> Path:
    folder = tmp_path / "graphs"
    folder.mkdir()
    for name, text in load_graph("cocreation").texts().items():
        (folder / name).write_text(change(text) if name == "cocreation.yaml" else text)
    return folder / "cocreation.yaml"


def test_a_seeded_contradiction_of_hair_is_found_and_settled_by_the_director(
    tmp_path: Path,
) -> None:
    events: list[RunEvent] = []
    out = tmp_path / "run"
    done = film(SEEDED, out, on_event=events.append)
    [objection], decisions = said(out, "objection"), said(out, "decision")
    assert objection.author == "casting"
    assert objection.text == (
        "the hair colour of girl is blonde in the sheet, s01 but black in s02."
    )
    assert HAIR in decisions[0].outputs
    assert "it is blonde, by the cast sheet" in decisions[0].text
    board = read_storyboard(out / "storyboard.yaml")
    assert value_at(board, HAIR) == ["long blonde hair"]
    assert board.shots[1].prompt.startswith("a girl with long blonde hair stands on a beach")
    assert done.shots[1].take.prompt == board.shots[1].prompt
    told = [event for event in events if event.kind == "message"]
    assert [event.details["text"] for event in told] == [m.text for m in said(out)]
    report = (out / "report.html").read_text(encoding="utf-8")
    assert objection.text in report
    assert decisions[0].text in report


def test_every_message_in_the_log_has_its_author_what_it_was_made_from_and_what_it_changed(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    film(SEEDED, out)
    messages = said(out)
    assert {message.author for message in messages} >= {"screenwriter", "casting", "director"}
    assert all(message.inputs and message.text and message.to for message in messages)
    board = read_storyboard(out / "storyboard.yaml")
    for message in messages:
        # An objection changes nothing by itself; what the others say they changed is there.
        assert bool(message.outputs) == (message.kind != "objection")
        assert all(value_at(board, path) for path in message.outputs)


def test_the_style_bible_is_in_every_shot_prompt(tmp_path: Path) -> None:
    out = tmp_path / "run"
    style = "soft light, storybook colours"
    done = film(SEEDED, out)
    assert done.storyboard.story.style == style
    for one in done.shots:
        text = (out / f"shots/{one.shot}/take-1/prompt.txt").read_text(encoding="utf-8")
        assert style in text


def test_removing_a_role_is_an_edit_of_the_file(tmp_path: Path) -> None:
    def without(text: str) -> str:
        lines = [line for line in text.splitlines() if "casting: {" not in line]
        text = "\n".join(line for line in lines if "- casting ->" not in line) + "\n"
        return text.replace("screenwriter -> casting", "screenwriter -> places")

    out = tmp_path / "run"
    film(SEEDED, out, edited_graph(tmp_path, without))
    authors = {message.author for message in said(out)}
    assert "casting" not in authors
    assert "director" in authors
    assert value_at(read_storyboard(out / "storyboard.yaml"), HAIR) == ["long blonde hair"]


def test_adding_a_role_is_an_edit_of_the_file(tmp_path: Path) -> None:
    def more(text: str) -> str:
        text = text.replace(
            "  director: {use: director}",
            "  hair: {use: reviewer, options: {role: hairdresser, watches: [look]}}\n"
            "  director: {use: director}",
        )
        text = text.replace("script-supervisor -> director", "script-supervisor -> hair")
        return text.replace("  - director -> shots", "  - hair -> director\n  - director -> shots")

    out = tmp_path / "run"
    film(SEEDED, out, edited_graph(tmp_path, more))
    assert {m.author for m in said(out, "objection")} == {"casting", "hairdresser"}


def test_a_user_s_own_edit_is_never_overruled_silently(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(SEEDED, out)
    board = read_storyboard(out / "storyboard.yaml")
    write_storyboard(out / "storyboard.yaml", changed(board, {HAIR: ["long red hair"]}))
    run.resume(out)
    after = read_storyboard(out / "storyboard.yaml")
    assert value_at(after, HAIR) == ["long red hair"]
    assert "long red hair" in after.shots[1].prompt
    assert "long blonde hair" in after.shots[0].prompt
    mine = [message for message in said(out) if "the user wrote" in message.text]
    assert mine
    assert mine[0].author == "director"
    # Nor later, when nothing was edited since.
    before = (out / "storyboard.yaml").read_bytes(), (out / "messages.jsonl").read_bytes()
    run.resume(out)
    assert before == (
        (out / "storyboard.yaml").read_bytes(), (out / "messages.jsonl").read_bytes()
    )  # fmt: skip


def test_review_shows_what_the_roles_agreed_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    waiting = run.film(SEEDED, out=out, graph="cocreation", settings=STILL, review=True)
    assert isinstance(waiting, run.Reviewing)
    assert value_at(read_storyboard(waiting.storyboard), HAIR) == ["long blonde hair"]
    assert not (out / "shots").exists()
    assert len(run.resume(out).shots) == 3


def test_the_same_talk_and_film_twice(tmp_path: Path) -> None:
    one, two = film(SEEDED, tmp_path / "a"), film(SEEDED, tmp_path / "b")
    assert file_digest(one.video) == file_digest(two.video)
    assert (one.run / "messages.jsonl").read_bytes() == (two.run / "messages.jsonl").read_bytes()
    before = (one.run / "messages.jsonl").read_bytes()
    run.resume(one.run)
    assert (one.run / "messages.jsonl").read_bytes() == before


def test_roles_by_a_language_model_say_their_own_and_the_rules_have_the_last_word(
    tmp_path: Path,
) -> None:
    spoken = {"messages": [{"to": "director", "kind": "objection", "text": "Too few dogs.",
                            "about": [], "changes": []}]}  # fmt: skip
    with ScriptedEndpoint([answer(spoken)], repeat=True) as server:
        settings = {
            "planner.brain": "openai", "endpoint.base_url": server.base_url,
            "endpoint.api_key": "sk-canary",
        }  # fmt: skip
        layouts = [one.model_copy(update={"layout": _still_layout(one)}) for one in SEEDED.shots]
        board = SEEDED.model_copy(update={"shots": layouts})
        film(board, tmp_path / "run", settings=settings)
        roles = {json.loads(line)["details"]["role"] for line in _calls(tmp_path / "run")}
    assert {"screenwriter", "casting", "script supervisor", "director"} <= roles
    assert {m.author for m in said(tmp_path / "run") if m.text == "Too few dogs."} >= {
        "casting", "location scout"
    }  # fmt: skip
    board = read_storyboard(tmp_path / "run/storyboard.yaml")
    assert value_at(board, HAIR) == ["long blonde hair"]
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path


def _calls(out: Path) -> list[str]:
    return [line for line in (out / "events.jsonl").read_text().splitlines() if '"call"' in line]


def _still_layout(one: Shot) -> Any:
    from reelwright_agents.layout_artist import make_layout

    return make_layout(one)


# The loop over filmed shots.

WRONG = """
import json, sys
from fractions import Fraction
import av, numpy as np

told = json.load(open(sys.argv[1]))
frames = [f.to_ndarray(format="rgb24") for f in av.open(told["sketch"]).decode(video=0)]
bad = STUBBORN or told["noise_level"] > 0.45
with av.open(told["clip"], "w", format="mp4") as clip:
    stream = clip.add_stream("libx264", rate=Fraction(*told["fps_exact"]), options={"crf": "8"})
    stream.width, stream.height, stream.pix_fmt = told["width"], told["height"], "yuv420p"
    for frame in frames:
        if bad and "near" in told["prompt"]:
            red = (frame[..., 0].astype(int) - frame[..., 2]) > 60
            frame = frame.copy()
            frame[red] = frame[red][:, ::-1]
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    clip.mux(stream.encode(None))
"""
CARS = Storyboard(
    story=Story(title="Cars", cast=[CAR]),
    shots=[
        shot("s01", CAR, "a red car stands on a beach"),
        shot("s02", CAR, "a red car stands near on a beach"),
        shot("s03", CAR, "a red car stands on a beach"),
    ],
)


def filmed_wrong(tmp_path: Path, *, stubborn: bool, **more: Any) -> Film:
    """The film by a program that paints the car of the second shot blue at a high noise level."""
    program = tmp_path / "film.py"
    program.write_text(WRONG.replace("STUBBORN", str(stubborn)))
    (tmp_path / "profile.json").write_text(
        json.dumps({"size": [96, 64], "frames": 9, "fps": 8, "can": ["text", "sketch", "seeds"]})
    )
    return film(CARS, tmp_path / "run", settings=wrong_settings(tmp_path), **more)


def wrong_settings(tmp_path: Path) -> dict[str, Any]:
    return STILL | {
        "generator.model": "command",
        "generator.outside.command": shlex.join([sys.executable, str(tmp_path / "film.py")]),
        "generator.outside.profile": str(tmp_path / "profile.json"),
        "generator.noise.level": 0.5,
        "takes.max": 1,
    }


def test_a_loop_killed_again_and_again_ends_with_the_same_film(tmp_path: Path) -> None:
    whole = filmed_wrong(tmp_path, stubborn=False)
    write_storyboard(tmp_path / "board.yaml", CARS)
    arguments = ["film", "board.yaml", "--graph", "cocreation", "--out", "again"]
    for name, value in wrong_settings(tmp_path).items():
        arguments += ["--set", f"{name}={value}"]
    events = tmp_path / "again" / "events.jsonl"
    for lines in (6, 14, 24, 34):
        process = subprocess.Popen(
            [sys.executable, "-m", "reelwright", *arguments],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        while process.poll() is None:
            if events.exists() and len(events.read_bytes().splitlines()) >= lines:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.002)
    run.resume(tmp_path / "again")
    for name in ("film.mp4", "messages.jsonl"):
        assert file_digest(tmp_path / "again" / name) == file_digest(whole.run / name), name


def redness(path: Path) -> float:
    frames = read_video(path).astype(int)
    blue = frames[..., 2] - frames[..., 0] > 60
    return float((frames[..., 0] - frames[..., 2] > 60).mean() - blue[:, 24:].mean())


def test_only_the_blamed_shot_is_filmed_again_and_fits_then(tmp_path: Path) -> None:
    events: list[RunEvent] = []
    done = filmed_wrong(tmp_path, stubborn=False, on_event=events.append)
    filmed = [e.shot for e in events if (e.kind, e.stage) == ("stage started", "film")]
    assert set(filmed[:3]) == {"s01", "s02", "s03"}
    assert filmed[3:] == ["s02"]
    kinds = [event.details["faults"] for event in events if event.kind == "continuity"]
    assert [[fault["blame"] for fault in faults] for faults in kinds] == [["s02"], []]
    assert [take.number for take in done.shots[1].takes] == [1, 2]
    assert done.shots[1].chosen == 2
    assert done.shots[1].take.noise.level == pytest.approx(0.4)
    assert [len(one.takes) for one in done.shots] == [1, 2, 1]
    assert redness(done.run / "shots/s02/take-1/clip.mp4") < 0
    assert redness(done.run / "shots/s02/take-2/clip.mp4") > 0
    cut = read_video(done.video)
    assert (cut[9:18] == read_video(done.run / "shots/s02/take-2/clip.mp4")).all()
    [asked] = [m for m in said(done.run) if m.to == "the crew of s02"]
    assert "shots/s02/noise_level" in asked.outputs
    assert "but red in s01. Film it again" in asked.text
    # The storyboard that the user sees is not touched by it.
    assert read_storyboard(done.run / "storyboard.yaml").shots[1].noise_level is None


def test_a_finished_loop_is_found_again_and_films_nothing(tmp_path: Path) -> None:
    done = filmed_wrong(tmp_path, stubborn=False)
    before = file_digest(done.video), (done.run / "messages.jsonl").read_bytes()
    events: list[RunEvent] = []
    run.resume(done.run, on_event=events.append)
    assert not [e for e in events if (e.kind, e.stage) == ("stage started", "film")]
    assert before == (file_digest(done.video), (done.run / "messages.jsonl").read_bytes())


def test_a_loop_that_does_not_help_is_bounded_and_taken_back(tmp_path: Path) -> None:
    events: list[RunEvent] = []
    done = filmed_wrong(tmp_path, stubborn=True, on_event=events.append)
    filmed = [e.shot for e in events if (e.kind, e.stage) == ("stage started", "film")]
    assert filmed[3:] == ["s02", "s02"]
    assert done.shots[1].chosen == 1
    assert [take.number for take in done.shots[1].takes] == [1, 2, 3]
    assert "fitted the other shots no better" in done.shots[1].why
    assert "in s02, but red in s01." in (done.run / "report.html").read_text(encoding="utf-8")
    assert np.isclose(done.shots[1].take.noise.level, 0.5)


def test_at_most_of_a_map_over_shots_holds(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    text = load_graph("cocreation").text.replace("at_most: 3", "at_most: 1")
    for name, other in load_graph("cocreation").texts().items():
        (folder / name).write_text(text if name == "cocreation.yaml" else other)
    from reelwright_core.errors import GraphError

    with pytest.raises(GraphError, match="`shots` would run more than `at_most: 1`"):
        filmed_wrong(tmp_path, stubborn=True, graph=folder / "cocreation.yaml")
