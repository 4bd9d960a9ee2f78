"""`reelwright eval`: how probably a clip satisfies a temporal formula, what fails when, CLIP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from reelwright.spec_words import prompt_of, shot_of, specified
from reelwright_agents.planner import Picture
from reelwright_core.errors import InputError
from reelwright_core.files import storage_errors, write_text
from reelwright_core.settings import load_settings
from reelwright_core.story import Layout, SceneGraph, Shot
from reelwright_core.storyboards import read_storyboard
from reelwright_core.video import Frames, read_video, video_facts
from reelwright_graphs.crew import Crew
from reelwright_metrics.logic.critic import LogicCritic
from reelwright_metrics.logic.formula import parse
from reelwright_metrics.logic.monitor import automaton
from reelwright_metrics.logic.telling import told


def evaluate(
    clip: Path,
    *,
    prompt: str | None = None,
    spec: str | None = None,
    shot: str | None = None,
    automaton_file: Path | None = None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What the logic says of `clip`, and CLIP where `critic.clip` names one, as JSON-ready data.

    What is to be seen is said by one of `prompt`, a sentence that the offline planner reads, and
    `shot`, a storyboard file, with `#id` if it has several shots; else by the plan beside the clip,
    where it lies in a take's folder; else by the propositions of `spec` themselves. Raises
    `InputError` for what cannot be read.
    """
    if prompt is not None and shot is not None:
        raise InputError("say what is in the clip with --prompt or with --shot, not with both")
    if automaton_file is not None and automaton_file.suffix not in (".dot", ".json"):
        raise InputError(f"--automaton is a .dot or .json file, got {automaton_file}")
    formula = None if spec is None else parse(spec)
    picture = _picture(clip)
    if formula is not None and prompt is None and shot is None and not _in_take(clip):
        prompt = prompt_of(formula)
    planned, layout = _planned(clip, prompt=prompt, shot=shot, picture=picture)
    asked = None
    if formula is not None:
        planned, asked = specified(formula, planned, layout)
    crew = Crew(load_settings(settings))
    seeing = crew.settings.critic.brain == "logic-openai"
    critic = crew.critic("logic-openai" if seeing else "logic")
    assert isinstance(critic, LogicCritic)
    frames = read_video(clip)
    found = critic.examine(planned, layout, frames, background=_background(clip), asked=asked)
    data = {"clip": str(clip), **told(found)}
    data["scores"] = _scores(frames, prompt or planned.prompt, crew.settings.critic.clip)
    if automaton_file is not None:
        made = automaton(found.specification.formula)
        text = made.dot() if automaton_file.suffix == ".dot" else json.dumps(made.data(), indent=1)
        with storage_errors(automaton_file):
            write_text(automaton_file, text)
        data["automaton"] = str(automaton_file)
        data["states"] = len(made.says)
    return data


def _scores(frames: Frames, text: str, folder: str | None) -> dict[str, Any] | None:
    """What CLIP says of the clip; None without one."""
    if folder is None:
        return None
    from reelwright_metrics.clip_scores import clip_model

    return clip_model(Path(folder).expanduser()).scores(frames, text).data()


def _picture(clip: Path) -> Picture:
    frames, fps, (width, height) = video_facts(clip)
    # A shot's size is even both ways; the clip is stretched over it.
    size = (max(16, width + width % 2), max(16, height + height % 2))
    return Picture(size=size, fps=min(max(fps, Fraction(1)), Fraction(240)), frames=frames)


def _in_take(clip: Path) -> bool:
    return all(clip.with_name(name).exists() for name in ("scene.json", "layout.json"))


def _planned(
    clip: Path, *, prompt: str | None, shot: str | None, picture: Picture
) -> tuple[Shot, Layout]:
    """The shot that the clip is to show, and its layout."""
    from reelwright_agents.offline import OfflinePlanner

    if prompt is not None:
        planned = shot_of(prompt, picture)
    elif shot is not None:
        planned = _from_storyboard(shot)
    elif _in_take(clip):
        return _from_take(clip, picture)
    else:
        raise InputError(
            "say what is in the clip: --prompt with a sentence, --shot with a storyboard's file, "
            "or --spec with a formula of sentences"
        )
    return planned, planned.layout or OfflinePlanner().layout(planned)


def _from_storyboard(given: str) -> Shot:
    file, _, id = given.partition("#")
    shots = read_storyboard(Path(file)).shots
    named = [shot for shot in shots if shot.id == id]
    if named:
        return named[0]
    ids = ", ".join(shot.id for shot in shots)
    if id:
        raise InputError(f"{file} has no shot {id!r}; there are: {ids}")
    if len(shots) > 1:
        raise InputError(f"{file} has {len(shots)} shots: say which, as in {file}#{shots[0].id}")
    return shots[0]


def _from_take(clip: Path, picture: Picture) -> tuple[Shot, Layout]:
    scene, layout = (
        json.loads(clip.with_name(name).read_text(encoding="utf-8"))
        for name in ("scene.json", "layout.json")
    )
    laid = Layout.from_data(layout)
    shot = Shot(
        id="clip", prompt=clip.stem, size=picture.size, frames=laid.frames, fps=picture.fps,
        scene_graph=SceneGraph.from_data(scene),
    )  # fmt: skip
    return shot, laid


def _background(clip: Path) -> Frames | None:
    """The painted empty place, where it lies beside the clip, as in a take's folder."""
    from PIL import Image

    file = clip.with_name("background.png")
    if not file.exists():
        return None
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))
