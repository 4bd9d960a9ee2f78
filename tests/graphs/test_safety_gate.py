"""The safety gate in a run: what is refused is not begun, not filmed, not in the film."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from reelwright import plan, run_story
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint, answer
from reelwright_core.errors import ReelwrightError, RefusedError, ShotError
from reelwright_core.story import Shot, Storyboard
from reelwright_graphs.events import Event
from reelwright_graphs.run import read_run, resume

QUICK = {"generator.model": "still", "takes.max": 1, "film.size": (96, 64), "film.frames": 9}
STAB = "A man stabs a woman."


def test_a_refused_script_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match='violence: "stabs … woman" in line 1'):
        run_story(STAB, out=tmp_path / "run", settings=QUICK)
    assert not (tmp_path / "run").exists()
    with pytest.raises(RefusedError):
        plan(STAB)


def test_a_refused_storyboard_is_not_begun(tmp_path: Path) -> None:
    board = Storyboard(shots=[Shot(id="s01", prompt="a man stabs a woman")])
    with pytest.raises(RefusedError, match="in shot s01"):
        run_story(board, out=tmp_path / "run", settings=QUICK)
    assert not (tmp_path / "run").exists()


def test_an_edited_storyboard_passes_the_gate_again(tmp_path: Path) -> None:
    run_story("A red ball rolls to the right.", out=tmp_path, settings=QUICK)
    file = tmp_path / "storyboard.yaml"
    text = file.read_text(encoding="utf-8")
    line = next(each for each in text.splitlines() if each.strip().startswith("prompt:"))
    file.write_text(text.replace(line, f"{line.split('prompt:')[0]}prompt: a man stabs a woman"))
    with pytest.raises(RefusedError, match="the storyboard is refused"):
        resume(tmp_path)


def test_what_is_let_through_is_recorded_everywhere(tmp_path: Path) -> None:
    told: list[Event] = []
    settings = QUICK | {"safety.allow": "violence"}
    made = run_story(STAB, out=tmp_path, settings=settings, on_event=told.append)
    note = 'let through by `safety.allow`: violence: "stabs … woman"'
    assert any(event.kind == "warning" and note in event.text for event in told)
    assert read_run(tmp_path).settings["safety"]["allow"] == ["violence"]
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "let through by `safety.allow`: violence" in report
    provenance = json.loads((tmp_path / "shots/s01/take-1/provenance.json").read_bytes())
    assert provenance["safety"] == {"gate": "on", "allow": ["violence"]}
    assert "let through: violence" in comment(made.video)


def test_a_gate_that_is_off_is_recorded_everywhere(tmp_path: Path) -> None:
    made = run_story(STAB, out=tmp_path, settings=QUICK | {"safety.gate": "off"})
    assert read_run(tmp_path).settings["safety"]["gate"] == "off"
    assert "The safety gate was off" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert made.shots[0].take.provenance["safety"] == {"gate": "off"}
    assert "gate off" in comment(made.video)


def test_a_film_says_that_it_is_made_by_ai(tmp_path: Path) -> None:
    made = run_story("A red ball rolls to the right.", out=tmp_path, settings=QUICK)
    assert comment(made.video) == read_run(tmp_path).made_by
    assert "trainedAlgorithmicMedia" in comment(made.video)


def comment(video: Path) -> str:
    with av.open(str(video)) as file:
        return file.metadata["comment"]


@pytest.fixture(scope="module")
def prude(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real classifier, of random weights, that calls everything `nsfw`."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier")
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=16, patch_size=8, id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    model = ViTForImageClassification(config)
    with torch.no_grad():
        last_layer: Any = model.classifier
        last_layer.bias[:] = torch.tensor([0.0, 20.0])
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def test_refused_takes_are_tried_again_and_never_in_the_film(tmp_path: Path, prude: Path) -> None:
    told: list[Event] = []
    settings: dict[str, Any] = {**QUICK, "takes.max": 2, "safety.frames": str(prude)}
    with pytest.raises(ShotError, match=r"refuses all its takes: pornography: in frame \d"):
        run_story("A dog.", out=tmp_path, settings=settings, on_event=told.append)
    assert not (tmp_path / "film.mp4").exists()
    takes = sorted((tmp_path / "shots/s01").glob("take-*/provenance.json"))
    assert len(takes) == 2
    assert all(json.loads(take.read_bytes())["refused"] for take in takes)
    refused = [event for event in told if event.kind == "refused"]
    assert refused[0].take == 1, "equal clips are looked at once"
    critique = json.loads((tmp_path / "shots/s01/take-2/critique.json").read_bytes())
    assert critique["score"] == 0
    assert critique["questions"][-1]["text"] == "Does the safety gate let it through?"


@pytest.mark.parametrize("graph", ["story", "best-of"])
def test_a_refused_take_does_not_pass_where_every_score_does(
    tmp_path: Path, prude: Path, graph: str
) -> None:
    settings: dict[str, Any] = {
        **QUICK, "takes.max": 2, "critic.threshold": 0.0, "safety.frames": str(prude),
    }  # fmt: skip
    with pytest.raises(ShotError, match="refuses all its takes"):
        run_story("A dog.", graph=graph, out=tmp_path, settings=settings)
    assert len(list((tmp_path / "shots/s01").glob("take-*/provenance.json"))) >= 2


def test_a_prompt_that_a_language_model_wrote_passes_the_gate(tmp_path: Path) -> None:
    def play(asked: Request) -> Scripted:
        return answer({"prompt": "A brown dog sits by a naked woman on a bed, seen from afar."})

    board = Storyboard(shots=[Shot(id="s01", prompt="a dog", size=(96, 64), frames=9)])
    with ScriptedEndpoint(play) as server:
        settings = {
            "generator.model": "still", "takes.max": 1, "planner.brain": "openai",
            "endpoint.base_url": server.base_url, "endpoint.retries": 0,
        }  # fmt: skip
        with pytest.raises(RefusedError, match="a prompt of shot s01 is refused"):
            run_story(board, graph="recaption", out=tmp_path, settings=settings)
    assert not list((tmp_path / "shots").rglob("clip.mp4"))


def test_a_classifier_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReelwrightError, match="image classifier"):
        run_story("A dog.", out=tmp_path / "run", settings=QUICK | {"safety.frames": str(tmp_path)})
