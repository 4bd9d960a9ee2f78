"""`reelwright bench --graphs`: the same scripts filmed by several graphs, takes being equal."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from reelwright_core.errors import InputError, ReelwrightError
from reelwright_core.files import locked, write_json, write_text
from reelwright_core.records import digest
from reelwright_core.settings import load_settings
from reelwright_core.takes import Film, Question, Take
from reelwright_core.video import Frames, read_video
from reelwright_graphs.graph_file import GraphFile, load_graph
from reelwright_metrics.bench.folder import own
from reelwright_metrics.bench.graphs import (
    Comparison,
    FilmSeen,
    GraphSeen,
    comparison_page,
    standings,
)
from reelwright_metrics.suites import scripts
from reelwright_metrics.suites.scripts import Scripted

MANIFEST = "comparison.json"
"""What a folder's films depend on; another comparison may not go on in it."""


def compare_graphs(
    suite: str,
    *,
    graphs: Sequence[str],
    takes: int,
    prompts: int | None,
    out: Path | None,
    settings: Mapping[str, Any],
    seed: int,
    workers: int,
    on_line: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Films every script by every graph into `out`, and says which films show what they should.

    A graph without a loop is run with other seeds until `takes` are made, and what its own critic
    likes best counts. Goes on where it was stopped. Returns what it found as data; writes
    results.json and table.md.
    """
    say = on_line or _say
    chosen = scripts.load(suite)
    if prompts is not None:
        if not 1 <= prompts <= len(chosen):
            raise InputError(
                f"of the suite {suite} 1 to {len(chosen)} scripts can be taken, got {prompts}"
            )
        chosen = scripts.first(chosen, prompts)
    files = {name: load_graph(name) for name in graphs}
    if len(files) != len(graphs):
        raise InputError(f"--graphs names a graph twice: {', '.join(graphs)}")
    for name, file in files.items():
        if file.level != "story":
            raise InputError(f"--graphs takes graphs of stories; `{name}` is of a {file.level}")
    told = {**settings, "takes.max": takes}
    load_settings(told)
    folder = out or Path("runs") / f"bench-{suite}"
    _own(folder, suite=suite, seed=seed, takes=takes, settings=told)
    jobs = [
        _Job(folder, name, one, told, seed + extra)
        for name in graphs
        for one in chosen
        for extra in range(1 if loops(files[name]) else takes)
    ]
    with locked(folder):
        failed = _film(jobs, workers, say)
        found = Comparison(
            suite=suite,
            takes=takes,
            seed=seed,
            scripts=chosen,
            settings=dict(told),
            graphs=list(_seen(files, chosen, jobs, failed)),
        )
        write_json(folder / "results.json", found.data())
        write_text(folder / "table.md", comparison_page(found))
    return {
        "out": str(folder),
        "results": str(folder / "results.json"),
        "table": str(folder / "table.md"),
        "suite": suite,
        "prompts": len(chosen),
        "standings": [row.data() for row in standings(found)],
    }


def loops(graph: GraphFile) -> bool:
    """Whether some node of `graph`, or of the graph of its shots, may run again."""
    ways: dict[str, set[str]] = {}
    for edge in graph.edges:
        ways.setdefault(edge.source, set()).add(edge.target)

    def comes_back(name: str) -> bool:
        seen: set[str] = set()
        todo = [name]
        while todo:
            for target in ways.get(todo.pop(), ()):
                if target == name:
                    return True
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return False

    inner = [node.each for node in graph.nodes.values() if node.each is not None]
    return any(map(comes_back, graph.nodes)) or any(map(loops, inner))


class _Job:
    """One script by one graph from one seed."""

    def __init__(
        self, out: Path, graph: str, script: Scripted, settings: Mapping[str, Any], seed: int
    ) -> None:
        self.graph, self.script, self.settings, self.seed = graph, script, settings, seed
        self.folder = out / "runs" / Path(graph).stem / f"{script.id}-{seed}"

    @property
    def done(self) -> Path:
        """What is there once the film is made and watched."""
        return self.folder.with_suffix(".json")


def _film(jobs: Sequence[_Job], workers: int, say: Callable[[str], None]) -> dict[str, str]:
    """Makes the films that are missing; why the others could not be made, by folder."""
    missing = [job for job in jobs if not job.done.exists()]
    say(f"{len(jobs) - len(missing)} of {len(jobs)} films are there")
    failed: dict[str, str] = {}
    began = said = time.monotonic()
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        for number, (job, why) in enumerate(zip(missing, pool.map(_make, missing), strict=True), 1):
            if why is not None:
                failed[str(job.folder)] = why
                say(f"{job.graph}, {job.script.id}: {why}")
            if time.monotonic() - said > 15 or number == len(missing):
                said = time.monotonic()
                each = (said - began) / number
                say(
                    f"{number} of {len(missing)} films, {each:.1f} s each, "
                    f"{each * (len(missing) - number) / 60:.0f} min left"
                )
    return failed


def _end_with_parent() -> None:
    """Lets a worker end when the process that started it is killed: it would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _make(job: _Job) -> str | None:
    from reelwright_graphs import run
    from reelwright_metrics.learned import REPORTS
    from reelwright_metrics.learned.cells import CellCritic
    from reelwright_metrics.learned.critic import LearnedCritic

    began = time.monotonic()
    try:
        film = run.film(
            job.script.text, graph=job.graph, out=job.folder, seed=job.seed, settings=job.settings
        )
    except ReelwrightError as error:
        return str(error)
    assert isinstance(film, Film)
    critic = CellCritic(LearnedCritic.load(REPORTS))
    chosen = [shot.take for shot in film.shots]
    first = [shot.takes[0] for shot in film.shots]
    kept = FilmSeen(
        script=job.script.id,
        questions=critic.watch(job.script.graph, _picture(film, chosen)),
        first=critic.watch(job.script.graph, _picture(film, first)),
        takes=max(len(shot.takes) for shot in film.shots),
        steered=_steered(chosen),
        seconds=round(time.monotonic() - began, 1),
    )
    write_json(job.done, kept.data())
    return None


def _picture(film: Film, takes: Sequence[Take]) -> list[Frames]:
    return [read_video(film.run / take.clip.video.path) for take in takes]


def _steered(takes: Sequence[Take]) -> float | None:
    scores = [take.critique.score for take in takes if take.critique is not None]
    return round(float(np.mean(scores)), 4) if scores else None


def _seen(
    files: Mapping[str, GraphFile],
    chosen: Sequence[Scripted],
    jobs: Sequence[_Job],
    failed: Mapping[str, str],
) -> Iterator[GraphSeen]:
    for name, file in files.items():
        films: list[FilmSeen] = []
        why: dict[str, str] = {}
        for one in chosen:
            own = [job for job in jobs if job.graph == name and job.script.id == one.id]
            made = [
                FilmSeen.model_validate_json(job.done.read_text("utf-8"))
                for job in own
                if job.done.exists()
            ]
            if not made:
                why[one.id] = failed[str(own[0].folder)]
                continue
            best = max(made, key=lambda film: -1.0 if film.steered is None else film.steered)
            first: list[Question] = made[0].first
            total = sum(film.takes for film in made)
            films.append(best.model_copy(update={"first": first, "takes": total}))
        yield GraphSeen(graph=name, loops=loops(file), films=films, failed=why)


def _own(out: Path, *, suite: str, seed: int, takes: int, settings: Mapping[str, Any]) -> None:
    due = {
        "suite": suite,
        "suite_sha256": digest([one.data() for one in scripts.load(suite)]),
        "seed": seed,
        "takes": takes,
        "settings": {name: str(value) for name, value in settings.items()},
    }
    own(
        out, MANIFEST, due, whose="comparison's folder",
        holds=lambda part, found: f"a comparison with another {part.removesuffix('_sha256')}",
    )  # fmt: skip


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
