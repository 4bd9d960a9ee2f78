"""Physical events as the built-in model films them: plain, from a layout, from a simulation.

    python benchmarks/physics_proof.py [--levels 0.7,0.5,0.3] [--seeds 3]
        [--out runs/physics] [--pictures FOLDER]

Each of the suite's 40 prompts is planned once by the offline planner, and filmed with some seeds:
from pure noise, from the planner's painted layout, and from the same cut-outs painted where a
simulation of the shot has them. Every clip takes the same number of steps. The learned critic that
never steers a loop says what it sees in each; the trajectory checks judge from the pixels whether
falls get faster, bounces lower, collisions pass momentum on, and so on. The sketches themselves
are judged as well: they are the most that a clip made from them can be granted. Goes on where it
was stopped; the same folder, seed and machine give the same clips.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.physics import plan_physics, retimed
from reelwright_agents.planner import Picture, Script
from reelwright_core.files import locked, sweep, write_json, write_text, written_whole
from reelwright_core.physics import Simulation
from reelwright_core.records import digest
from reelwright_core.settings import Generator as Told
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_editing.lettering import Lettering
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.generator import Generator, Request, load
from reelwright_generators.schedules import levels_of, respaced
from reelwright_metrics import suites, trajectories
from reelwright_metrics.bench.filming import Maker, Reel
from reelwright_metrics.bench.results import Figure, Seen
from reelwright_metrics.bench.scoring import Judge, Plan, score, seed_of
from reelwright_metrics.learned import REPORTS
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_metrics.measure import watch_pixels
from reelwright_metrics.suites import EVENTS, Prompt
from reelwright_metrics.trajectories import Finding
from reelwright_simulators import planar, scene_check
from reelwright_simulators.layouts import to_layout
from reelwright_simulators.painter import Painting, paint

SUITE = "physics"
JUDGED = ("noun", "colour", "count", "place", "motion")
RESAMPLES = 4000
SHEET = ("bounce-002", "fall-005", "collision-003", "collision-007", "topple-003", "swing-001")
"""The prompts whose clips are shown."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sketched(Plan):
    """A prompt with one way to stage it, painted with the planner's own entities."""

    simulation: Simulation | None = None

    def painted(self) -> Painting:
        """The sketch."""
        return paint(
            self.layout,
            entities=self.shot.scene_graph.entities,
            place=self.shot.place,
            size=self.shot.size,
            seed=self.prompt.scene.seed,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """All prompts' clips that were made in one way."""

    name: str
    plans: Sequence[Sketched]
    reels: Sequence[Reel]
    """One for each seed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """What was seen in one clip."""

    seen: Seen
    found: list[Finding]
    off: float | None
    """How far its things are off the simulated way, in parts of the picture's height."""
    own: float | None
    """The same for the way that it was staged."""
    met: tuple[int, int, int]
    """Contacts that were found in their frame or the next, that were due, and that are too many."""

    @property
    def plausible(self) -> bool:
        return trajectories.plausible(self.found)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """What was seen in a row's clips: of each prompt, in their order, one for each seed."""

    row: Row
    clips: Sequence[Sequence[Clip]]

    @property
    def plausible(self) -> NDArray[np.float64]:
        """The share of each prompt's clips that break no law."""
        return self.means(lambda clip: clip.plausible)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The mean score of each prompt's clips."""
        return self.means(lambda clip: trajectories.score(clip.found))

    def means(self, value: Callable[[Clip], float | None]) -> NDArray[np.float64]:
        """The mean of each prompt's clips; prompts of which nothing is known are left out."""
        known = [[v for clip in clips if (v := value(clip)) is not None] for clips in self.clips]
        return np.array([np.mean(values) for values in known if values], np.float64)

    def every(self) -> Iterator[tuple[Sketched, Clip]]:
        for plan, clips in zip(self.row.plans, self.clips, strict=True):
            for clip in clips:
                yield plan, clip


def main() -> None:
    """Films all prompts in every way, and writes table, sheet and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", default="0.7,0.5,0.3")
    parser.add_argument("--out", type=Path, default=Path("runs/physics"))
    parser.add_argument("--pictures", type=Path, help="where sheet and plot go, instead of --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="clips of each prompt and way")
    parser.add_argument("--prompts", type=int)
    told = parser.parse_args()
    levels = [float(level) for level in told.levels.split(",")]

    prompts = suites.load(SUITE)
    if told.prompts:
        prompts = suites.first(prompts, told.prompts)
    _own(told.out, seed=told.seed)
    with locked(told.out):
        sweep(told.out)
        seeds = range(told.seed, told.seed + told.seeds)
        judged = _run(prompts, levels, out=told.out, seeds=seeds)
    write_json(told.out / "results.json", [_data(row) for row in judged])
    page = _page(judged, seeds=seeds)
    write_text(told.out / "table.md", page)
    pictures = told.pictures or told.out
    _sheet(judged, pictures / "physics-clips.jpg")
    _plot(judged, pictures / "physics-laws.png")
    print(page)


def _own(out: Path, *, seed: int) -> None:
    """Makes `out` the folder of these prompts and this seed, or finds that it is."""
    due = {"suite": digest([p.data() for p in suites.load(SUITE)]), "seed": seed,
           "model": load(Told()).facts().data()}  # fmt: skip
    manifest = out / "proof.json"
    if manifest.exists():
        if json.loads(manifest.read_text("utf-8")) != due:
            raise SystemExit(f"{out} holds another suite, seed or model; name another with --out")
    else:
        write_json(manifest, due)


# Filming


def _run(
    prompts: Sequence[Prompt], levels: Sequence[float], *, out: Path, seeds: Sequence[int]
) -> list[Judged]:
    facts = load(Told()).facts()
    picture = Picture(size=facts.size, fps=facts.fps, frames=facts.frames)
    laid = [_laid(prompt, picture) for prompt in prompts]
    simulated = [_simulated(plan) for plan in laid]
    # Another version of a planner stages other clips.
    clips = {name: out / "clips" / f"{name}-{digest([p.layout.data() for p in plans])[:8]}"
             for name, plans in (("layout", laid), ("simulation", simulated))}  # fmt: skip

    def filmed(name: str, plans: Sequence[Sketched], folder: Path, level: float) -> Row:
        reels = [
            Reel(f"{name}, seed {seed}", folder / f"seed-{seed}", _filmed(level, seed=seed))
            for seed in seeds
        ]
        return Row(name=name, plans=plans, reels=reels)

    rows = [
        Row(name="the layout itself", plans=laid,
            reels=[Reel("layout", clips["layout"] / "sketch", _drawn)]),
        Row(name="the simulation itself", plans=simulated,
            reels=[Reel("simulation", clips["simulation"] / "sketch", _drawn)]),
        filmed("plain", laid, out / "clips" / "plain", 1.0),
    ]  # fmt: skip
    for level in levels:
        for name, plans in (("layout", laid), ("simulation", simulated)):
            folder = clips[name] / f"level-{level:g}"
            rows.append(filmed(f"{name} sketch, σ {level:g}", plans, folder, level))
    critic = LearnedCritic.load(REPORTS)
    judged: list[Judged] = []
    for row in rows:
        for reel in row.reels:
            reel.film(row.plans, print)
        judged.append(_judge(row, simulated, critic))
        print(f"{row.name}: {judged[-1].plausible.mean():.2f} plausible", flush=True)
    return judged


def _laid(prompt: Prompt, picture: Picture) -> Sketched:
    """As the planner stages the prompt; the shot is what it read in the words alone."""
    planner = OfflinePlanner()
    script = Script(kind="prompts", text=prompt.text)
    (shot,) = planner.storyboard(script, picture=picture).shots
    return Sketched(prompt=prompt, shot=shot, layout=planner.layout(shot))


def _simulated(plan: Sketched) -> Sketched:
    """As a simulation of the shot stages it; the planner's own layout where there is none."""
    planned = plan_physics(plan.shot, seed=0, painted=True)
    why, scene = planned.why, planned.scene
    if scene is not None:
        simulation = planar.simulate(scene, digest=scene.digest())
        faults = scene_check.faults(scene)
        if not faults and not isinstance(simulation, str):
            shot = retimed(plan.shot, scene, simulation)
            return Sketched(
                prompt=plan.prompt,
                shot=shot.model_copy(update={"physics": scene}),
                layout=to_layout(simulation, scene, shot),
                simulation=simulation,
            )
        why = "; ".join(faults) or str(simulation)
    print(f"{plan.prompt.text}: not simulated, {why}")
    return plan


def _drawn(plan: Plan) -> tuple[Frames, Mapping[str, Any]]:
    return plan.painted().frames, {}


def _filmed(level: float, *, seed: int) -> Maker:
    """Clips from a noise level, in as many steps as from pure noise."""
    generator: list[Generator] = []

    def make(plan: Plan) -> tuple[Frames, Mapping[str, Any]]:
        if not generator:
            generator.append(load(Told(steps=_steps(level))))
        shot = plan.shot
        noise = NoisePlan(level=level, seed=seed_of(seed, plan.prompt.id))
        made = generator[0].generate(
            Request(
                prompt=shot.prompt, size=shot.size, frames=shot.frames, fps=shot.fps, noise=noise,
                sketch=plan.painted().frames if level < 1 else None,
            )
        )  # fmt: skip
        return made.frames, {"seconds": round(made.seconds, 3), "provenance": made.provenance}

    return make


def _steps(level: float) -> int:
    """Steps of a whole run of which as many as the model's own are taken from `level`."""
    generator = load(Told())
    assert isinstance(generator, DiffusionGenerator)
    due, scheduler = generator.facts().steps, generator.loaded().pipe.scheduler
    if level == 1:
        return due
    for steps in range(due, 200):
        scheduler.set_timesteps(steps)
        if len(respaced(levels_of(scheduler), level)) == due:
            return steps
    raise SystemExit(f"no run takes {due} steps from level {level:g}")


# Judging


def _judge(row: Row, simulated: Sequence[Sketched], critic: Judge) -> Judged:
    seen = [score(row.plans, reel.clip, critic)[0] for reel in row.reels]
    judged: list[list[Clip]] = []
    for at, (plan, due) in enumerate(zip(row.plans, simulated, strict=True)):
        empty = plan.painted().background
        judged.append([])
        for reel, told in zip(row.reels, seen, strict=True):
            frames = reel.clip(plan)
            watched = watch_pixels(plan.shot, plan.layout, frames, background=empty)
            ways = trajectories.ways(watched)
            clip = Clip(
                seen=told[at], found=trajectories.findings(watched), off=_error(ways, due),
                own=_error(ways, plan), met=_contacts(ways, due),
            )  # fmt: skip
            judged[-1].append(clip)
    return Judged(row=row, clips=judged)


def _centres(layout: Layout, shot: Shot, entity: str, instance: int) -> NDArray[np.float64]:
    track = layout.track(entity, instance)
    boxes = np.array([track.at(frame).box for frame in range(layout.frames)])
    stretch = shot.size[0] / shot.size[1]
    return np.stack(
        [(boxes[:, 0] + boxes[:, 2]) / 2 * stretch, (boxes[:, 1] + boxes[:, 3]) / 2], axis=1
    )


def _error(ways: Sequence[trajectories.Way], plan: Sketched) -> float | None:
    told = [
        trajectories.followed(
            way, _centres(plan.layout, plan.shot, way.entity, way.instance), []
        ).error
        for way in ways
    ]
    known = [error for error in told if error is not None]
    return float(np.mean(known)) if known else None


def _contacts(ways: Sequence[trajectories.Way], plan: Sketched) -> tuple[int, int, int]:
    """Of what falls or bounces: contacts found, due and too many, against the simulation's own.

    Those count after which it visibly comes back up, or the first.
    """
    if plan.prompt.kind not in ("fall", "bounce") or plan.simulation is None:
        return 0, 0, 0
    met = due = extra = 0
    for way in ways:
        told = _touches(plan, way.entity, way.instance)
        followed = trajectories.followed(way, np.full((plan.layout.frames, 2), np.nan), told)
        met, due, extra = met + followed.met, due + len(told), extra + followed.extra
    return met, due, extra


def _touches(plan: Sketched, entity: str, instance: int) -> list[int]:
    assert plan.simulation is not None
    assert plan.shot.physics is not None
    bodies = plan.shot.physics.bodies
    (body,) = [b.id for b in bodies if (b.entity, b.instance) == (entity, instance)]
    frames = trajectories.touches(plan.simulation.contacts, body, frames=plan.layout.frames)
    high = _centres(plan.layout, plan.shot, entity, instance)[:, 1]
    lows = [at for at, low in trajectories.turns(high) if low]
    return [f for f in frames if any(abs(f - low) <= 1 for low in lows)] or frames[:1]


# What is told


def _wins(one: Sequence[float] | NDArray[Any], other: Sequence[float] | NDArray[Any]) -> Figure:
    """How much more `one` has than `other` on average: the bootstrap's interval over prompts."""
    more = np.asarray(one, float) - np.asarray(other, float)
    return _boot(more)


def _boot(values: NDArray[np.float64]) -> Figure:
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Figure(value=round(float(values.mean()), 4), low=round(float(low), 4),
                  high=round(float(high), 4), n=len(values))  # fmt: skip


def _page(rows: Sequence[Judged], *, seeds: Sequence[int]) -> str:
    """All figures as Markdown."""
    kinds = [kind for kind in EVENTS if any(p.prompt.kind == kind for p in rows[0].row.plans)]
    lines = [
        f"| clips | break no law | laws' score | {' | '.join(kinds)} |",
        f"| --- | --- | --- |{' --- |' * len(kinds)}",
    ]
    for row in rows:
        cells = [_part(row, kind) for kind in kinds]
        kept = f"{_said(_boot(row.plausible))} | {_said(_boot(row.scores))}"
        lines.append(f"| {row.row.name} | {kept} | {' | '.join(cells)} |")
    lines += ["", "| more from a simulation than | break no law | laws' score |",
              "| --- | --- | --- |"]  # fmt: skip
    by = {row.row.name: row for row in rows}
    own = f"layout sketch, σ {load(Told()).facts().noise_level:g}"
    for name, row in by.items():
        if name.startswith("simulation sketch"):
            same = name.replace("simulation", "layout")
            for rival in dict.fromkeys(("plain", same, own if own in by else same)):
                other = by[rival]
                lines.append(
                    f"| {name}, over {rival} | {_gain(_wins(row.plausible, other.plausible))} | "
                    f"{_gain(_wins(row.scores, other.scores))} |"
                )
    lines += ["", "| clips | off the simulated way | off its own plan | contacts found | "
              "too many | seconds a clip |", "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in rows:
        met, due, extra = (sum(clip.met[i] for _, clip in row.every()) for i in range(3))
        took = [reel.notes(plan).get("seconds") for reel in row.row.reels for plan in row.row.plans]
        known = [second for second in took if second is not None]
        off, own = row.means(lambda clip: clip.off), row.means(lambda clip: clip.own)
        lines.append(
            f"| {row.row.name} | {_far(off)} | {_far(own)} | {met}/{due} | {extra} | "
            f"{f'{np.median(known):.1f}' if known else ''} |"
        )
    lines += ["", f"| clips | {' | '.join(JUDGED)} |", f"| --- |{' --- |' * len(JUDGED)}"]
    for row in rows:
        right = [row.means(_right(name)) for name in JUDGED]
        cells = [_said(_boot(known)) if len(known) else "" for known in right]
        lines.append(f"| {row.row.name} | {' | '.join(cells)} |")
    facts = load(Told()).facts()
    lines += [
        "",
        f"{len(rows[0].row.plans)} prompts, model {facts.name} ({facts.sha256[:12]}), "
        f"{facts.steps} steps each, guidance {facts.guidance:g}, {facts.size[0]}x{facts.size[1]}, "
        f"{facts.frames} frames, seeds {seeds[0]} to {seeds[-1]}; "
        f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}, "
        f"diffusers {version('diffusers')}. Means and differences with the 95 % bootstrap "
        "interval over prompts, the seeds of a prompt as one; ways in parts of the picture's "
        "height.",
        "",
        "Broken laws of the clips from a simulation:",
        "",
        *_broken(by),
    ]
    return "\n".join(lines) + "\n"


def _part(row: Judged, kind: str) -> str:
    right = [clip.plausible for plan, clip in row.every() if plan.prompt.kind == kind]
    return f"{sum(right)}/{len(right)}"


def _said(figure: Figure) -> str:
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _gain(figure: Figure) -> str:
    return f"{figure.value:+.2f} [{figure.low:+.2f}, {figure.high:+.2f}]"


def _far(known: NDArray[np.float64]) -> str:
    return f"{_said(_boot(known))}, n {len(known)}" if len(known) else ""


def _right(name: str) -> Callable[[Clip], float | None]:
    """Whether the critic's answer was right, where it was asked."""

    def told(clip: Clip) -> float | None:
        return float(clip.seen.marks[name].right) if name in clip.seen.marks else None

    return told


def _broken(by: Mapping[str, Judged]) -> list[str]:
    told: list[str] = []
    for name, row in by.items():
        if "simulation" not in name:
            continue
        for plan, clip in row.every():
            told += [
                f"- {name}, {plan.prompt.text}: {each.name} of {each.thing}, {each.seen}"
                for each in clip.found if not each.passed
            ]  # fmt: skip
    return told


def _data(row: Judged) -> dict[str, Any]:
    return {
        "name": row.row.name,
        "prompts": {
            plan.prompt.id: {
                "text": plan.prompt.text,
                "clips": [
                    {
                        "findings": [each.data() for each in clip.found],
                        "marks": {name: mark.data() for name, mark in clip.seen.marks.items()},
                        "off simulated": clip.off,
                        "off own": clip.own,
                        "contacts": list(clip.met),
                    }
                    for clip in clips
                ],
            }
            for plan, clips in zip(row.row.plans, row.clips, strict=True)
        },
    }


# Pictures

_INK, _MUTED, _GRID, _PAPER = (35, 41, 50), (110, 120, 135), (226, 229, 234), (255, 255, 255)
_BLUE, _ORANGE, _GREY = (24, 106, 180), (200, 88, 20), (120, 128, 140)


def _sheet(rows: Sequence[Judged], out: Path) -> None:
    """Some prompts' clips: plain, from the layout, from the simulation."""
    names = [row.row.name for row in rows]
    level = f"{load(Told()).facts().noise_level:g}"
    sketched = [name for name in names if name.startswith("layout sketch")]
    first = next((name for name in sketched if name.endswith(level)), sketched[0])
    shown = ["the simulation itself", "plain", first, first.replace("layout", "simulation")]
    chosen = [row for row in rows if row.row.name in shown]
    chosen.sort(key=lambda row: shown.index(row.row.name))
    plans = rows[0].row.plans
    at = [i for i, plan in enumerate(plans) if plan.prompt.id in SHEET] or list(range(len(plans)))[
        :6
    ]
    wide, count, left, gap = 120, 8, 172, 3
    high = round(wide * plans[0].shot.size[1] / plans[0].shot.size[0])
    block = 34 + len(chosen) * (high + gap)
    size = (left + count * (wide + gap) + 16, 16 + len(at) * block)
    sheet = Image.new("RGB", size, _PAPER)
    write = Lettering(ImageDraw.Draw(sheet))
    for place, index in enumerate(at):
        top = 12 + place * block
        write.text((14, top + 16), plans[index].prompt.text, size=15, colour=_INK)
        for line, row in enumerate(chosen):
            y = top + 26 + line * (high + gap)
            clip = row.clips[index][0]
            write.text((14, y + high // 2), row.row.name, size=12, colour=_INK)
            broken = [each.name for each in clip.found if not each.passed]
            said = f"breaks: {broken[0]}" if broken else "breaks no law"
            write.text((14, y + high // 2 + 16), said, size=11, colour=_ORANGE if broken else _BLUE)
            frames = row.row.reels[0].clip(row.row.plans[index])
            for column, f in enumerate(np.linspace(0, len(frames) - 1, count).round().astype(int)):
                small = Image.fromarray(frames[f]).resize((wide, high), Image.Resampling.LANCZOS)
                sheet.paste(small, (left + column * (wide + gap), y))
    with written_whole(out) as aside:
        sheet.save(aside, format="JPEG", quality=88)


def _plot(rows: Sequence[Judged], out: Path) -> None:
    """How many clips break no law, row by row, with the intervals."""
    fine, left, wide, line = 3, 210, 720, 30
    high = 60 + line * len(rows)
    picture = Image.new("RGB", (wide * fine, high * fine), _PAPER)
    draw = ImageDraw.Draw(picture)

    def x(part: float) -> float:
        return (left + part * (wide - left - 30)) * fine

    for part in range(6):
        draw.line((x(part / 5), 20 * fine, x(part / 5), (high - 34) * fine), _GRID, 3)
    for place, row in enumerate(rows):
        figure = _boot(row.plausible)
        y = (36 + place * line) * fine
        name = row.row.name
        colour = _BLUE if "simulation" in name else _ORANGE if "layout" in name else _GREY
        draw.line((x(figure.low), y, x(figure.high), y), colour, 8)
        draw.ellipse((x(figure.value) - 14, y - 14, x(figure.value) + 14, y + 14), colour)
    picture = picture.reduce(fine)
    write = Lettering(ImageDraw.Draw(picture))
    for place, row in enumerate(rows):
        write.text((14, 40 + place * line), row.row.name, size=13, colour=_INK)
    for part in range(6):
        said = f"{part / 5:.1f}"
        middle = round(x(part / 5) / fine) - write.width(said, 12) // 2
        write.text((middle, high - 16), said, size=12, colour=_MUTED)
    write.text((14, high - 16), "share of clips that break no law", size=12, colour=_MUTED)
    with written_whole(out) as aside:
        picture.save(aside, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
