"""`reelwright plan` and `film --dry-run`: what would be filmed, and what it would take."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelwright_agents.planner import Picture
from reelwright_core.errors import InputError
from reelwright_core.files import storage_errors
from reelwright_core.settings import load_settings
from reelwright_core.story import Shot, Storyboard
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.video import Frames
from reelwright_graphs.crew import Crew
from reelwright_graphs.graph_file import GraphFile, load_graph


def plan_script(
    script: Path,
    *,
    out: Path,
    settings: Mapping[str, Any],
    seed: int,
    force: bool,
    enrich: bool = False,
    as_json: bool = False,
) -> None:
    """Writes the storyboard of `script` to `out` and a contact sheet of its sketches beside it.

    Prints its shots, and a table of what became of every line of the script; or all of that as
    one JSON object. With `enrich` the scene graphs are enriched, and each is printed by its time
    steps, with a `+` before what was imagined.
    """
    from reelwright_agents import enrichment
    from reelwright_agents.account import table, tally
    from reelwright_agents.reading import read_script
    from reelwright_editing.contact_sheet import contact_sheet

    if out.suffix not in (".yaml", ".yml"):
        raise InputError(f"a storyboard is a .yaml file, and {out} would be filmed as a script")
    if out.exists() and not force:
        raise InputError(f"{out} exists; name another file with -o, or use --force")
    crew = Crew(load_settings(settings))
    read = read_script(script)
    crew.gate().script(read.text, name=read.name)
    storyboard = crew.planner().storyboard(read, picture=crew.picture())
    found: dict[str, enrichment.Enrichment] = {}
    if enrich:
        found = {shot.id: enrichment.enrich(shot, crew.imagination()) for shot in storyboard.shots}
        shots = [enrichment.enriched(shot, found[shot.id]) for shot in storyboard.shots]
        storyboard = Storyboard(story=storyboard.story, shots=shots)
    crew.gate().storyboard(storyboard)
    sheet = out.with_name(f"{out.stem}-sheet.png")
    with storage_errors(out):
        write_storyboard(out, storyboard)
        contact_sheet(
            storyboard,
            sheet,
            pictures={shot.id: sketched(crew, shot, seed=seed) for shot in storyboard.shots},
        )
    coverage = storyboard.story.coverage
    if as_json:
        told = {
            "storyboard": str(out),
            "sheet": str(sheet),
            "shots": [shot.data() for shot in storyboard.shots],
            "scenes": [scene.data() for scene in storyboard.story.scenes],
            "coverage": [line.data() for line in coverage],
            **({"steps": {id: each.data() for id, each in found.items()}} if enrich else {}),
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    for shot in storyboard.shots:
        print(f"{shot.id}  {float(shot.seconds):.1f} s  {shot.prompt}")
        if enrich:
            print(enrichment.diff(found[shot.id]))
    print(f"\n{table(coverage)}\n{tally(coverage)}\n")
    for left in storyboard.left_out():
        print(f"not filmed: {left.word}: {left.why}", file=sys.stderr)
    print(out)
    print(sheet)


def sketched(crew: Crew, shot: Shot, *, seed: int) -> list[Frames]:
    """The first, middle and last frame of a shot's sketch."""
    from reelwright_simulators.painter import paint

    painted = paint(
        shot.layout or crew.planner().layout(shot),
        entities=shot.scene_graph.entities,
        place=shot.place,
        size=shot.size,
        seed=seed,
    )
    return [painted.frames[index] for index in (0, shot.frames // 2, shot.frames - 1)]


def dry_run(script: Path, *, graph: str, settings: Mapping[str, Any], as_json: bool) -> None:
    """Prints shots, model calls, and estimated time, memory and cost; makes nothing."""
    checked = load_graph(graph)
    crew = Crew(load_settings({**checked.settings, **settings}))
    storyboard, said = _planned(script, crew)
    takes = _takes(checked, crew)
    facts = crew.generator().facts()
    shots: list[dict[str, Any]] = [
        {
            "id": shot.id,
            "prompt": shot.prompt,
            "frames": shot.frames,
            "fps": str(shot.fps),
            "size": list(shot.size),
        }
        for shot in storyboard.shots
    ]
    language = crew.settings.planner.brain == "openai"
    vision = crew.settings.critic.brain in ("openai", "logic-openai")
    # The logic asks once for each window of a take.
    asks = crew.settings.critic.frames if crew.settings.critic.brain == "logic-openai" else 1
    estimate: dict[str, Any] = {
        "shots": shots,
        "model": facts.name,
        "takes": [len(shots), len(shots) * takes],
        "language model calls": [2 * len(shots) + 1, 4 * len(shots) + 3] if language else [0, 0],
        "vision model calls": [asks * n for n in (len(shots), len(shots) * takes)]
        if vision
        else [0, 0],
        "seconds": _seconds(crew, storyboard, takes),
        "notes": said,
    }
    if as_json:
        print(json.dumps(estimate, ensure_ascii=False))
        return
    for shot in storyboard.shots:
        print(f"{shot.id}  {float(shot.seconds):.1f} s  {shot.prompt}")
    print(f"takes: {estimate['takes'][0]} to {estimate['takes'][1]} with {facts.name}")
    for kind in ("language model calls", "vision model calls"):
        print(f"{kind}: {estimate[kind][0]} to {estimate[kind][1]}")
    low, high = estimate["seconds"] or (None, None)
    print("time: unknown for this model" if low is None else f"time: about {low} to {high} s")
    paid = language or vision or facts.family == "videos"
    print("cost: as your endpoint charges" if paid else "cost: nothing")
    for note in said:
        print(note)


def _planned(script: Path, crew: Crew) -> tuple[Storyboard, list[str]]:
    from reelwright_agents.offline import OfflinePlanner
    from reelwright_agents.reading import read_script

    if script.suffix in (".yaml", ".yml"):
        storyboard = read_storyboard(script)
        crew.gate().storyboard(storyboard)
        return storyboard, []
    picture: Picture = crew.picture()
    read = read_script(script)
    crew.gate().script(read.text, name=read.name)
    storyboard = OfflinePlanner().storyboard(read, picture=picture)
    notes: list[str] = []
    if crew.settings.planner.brain != "offline":
        notes.append("the shots are the offline planner's guess; a language model may plan others")
    return storyboard, notes


def _takes(graph: GraphFile, crew: Crew) -> int:
    """How many takes a shot may have at most in `graph`."""
    for node in graph.nodes.values():
        inner = node.each
        if inner is not None:
            for repair in inner.nodes.values():
                if repair.use in ("repair", "verify"):
                    return int(repair.options.get("takes") or crew.settings.takes.max)
    return 1


def _seconds(crew: Crew, storyboard: Storyboard, takes: int) -> list[int] | None:
    """Fewest and most seconds, from what the model's profile says of one clip on two cores."""
    if crew.settings.generator.model != "builtin":
        return None
    from reelwright_generators.builtin import profile

    native = profile()
    each = native.get("seconds_per_clip")
    if not each:
        return None
    width, height = native["size"]
    clips = sum(
        shot.frames * shot.size[0] * shot.size[1] / (native["frames"] * width * height)
        for shot in storyboard.shots
    )
    return [round(10 + clips * each), round(10 + clips * each * takes)]
