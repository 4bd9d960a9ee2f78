"""A run: a script, a graph and a folder become a film, and go on where they stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import ValidationError

from reelwright_agents.planner import Script
from reelwright_agents.reading import read_script
from reelwright_core.errors import GraphError, RunFolderError, StorageError, StoryboardError
from reelwright_core.files import locked, storage_errors, sweep, write_json, write_text
from reelwright_core.records import Stored, digest
from reelwright_core.safety import AI_MADE
from reelwright_core.settings import Settings, by_name, load_settings
from reelwright_core.store import Store, artifacts
from reelwright_core.story import Story, Storyboard
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.takes import Artifact, Film
from reelwright_core.yaml_file import parse_yaml, write_yaml
from reelwright_generators.folder import Fetching
from reelwright_graphs import identities
from reelwright_graphs.board_file import STORYBOARD
from reelwright_graphs.build import Limits, build, load_results, load_storyboard
from reelwright_graphs.checkpoints import checkpoints
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event
from reelwright_graphs.graph_file import GraphFile, load_graph
from reelwright_graphs.nodes import Context

RUN, EVENTS, CHECKPOINTS, GRAPHS = "run.yaml", "events.jsonl", "checkpoints.sqlite", "graphs"

Source = str | Path | Story | Storyboard
OnEvent = Callable[[Event], None]


class RunRecord(Stored):
    """run.yaml: enough to make the film again."""

    SCHEMA: ClassVar[str] = "Run.1"

    seed: int
    graph: str
    """File name of the story graph in the run's `graphs` folder."""
    settings: dict[str, Any] = {}
    """The settings in force, without keys."""
    script: Script | None = None
    """None if the run began with a storyboard."""
    storyboard: str | None = None
    """Digest of the storyboard that the run began with, if it did."""
    versions: dict[str, str] = {}
    models: dict[str, str] = {}
    commits: dict[str, str] = {}
    """The commit of each hub id in the settings, by `org/name@revision`."""
    made_by: str = AI_MADE
    """What the film says of itself too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewing:
    """The run waits: its storyboard is to be looked at, then it is resumed."""

    run: Path
    storyboard: Path


def film(
    source: Source,
    *,
    graph: str | Path = "story",
    out: Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    crew: Crew | None = None,
    on_event: OnEvent | None = None,
    review: bool = False,
) -> Film | Reviewing:
    """Films `source` into the folder `out`; goes on there if it holds the same run unfinished.

    `settings` go before those of the graph; a `crew` brings its own. Raises an `InputError`
    before anything is written if the source, graph, settings or folder are unfit, `ShotError` if
    a shot could not be filmed, `LockedError` if the folder is in use.
    """
    checked = load_graph(graph)
    if checked.level != "story":
        raise GraphError(f"{checked.name} is a graph for each shot; film with a graph that uses it")
    if crew is None:
        crew = Crew(load_settings({**by_name(checked.settings), **by_name(settings or {})}))
        crew.commits = read_run(out).commits if out and (out / RUN).is_file() else {}
    _tell_fetching(crew, on_event)
    script, storyboard = _read(source)
    beside = _folder_of(source)
    if storyboard is not None:
        identities.check(storyboard, beside)
    if script is not None:
        crew.gate().script(script.text, name=script.name)
    if storyboard is not None:
        crew.gate().storyboard(storyboard)
    record = RunRecord(
        seed=seed,
        graph=next(iter(checked.texts())),
        settings=crew.settings.data(),
        script=script,
        storyboard=storyboard.digest() if storyboard else None,
        versions=_versions(),
        models={"generator": crew.generator().facts().sha256},
        commits=_commits(crew.settings),
    )
    folder = _folder(out, record, checked, title=_title(source, script, storyboard))
    if script is not None and not (folder / RUN).exists():
        storyboard = _planned_offline(script, crew)
    with locked(folder):
        if not (folder / RUN).exists():
            _begin(folder, record, checked, storyboard, beside)
        return _go(folder, record, checked, crew, on_event=on_event, review=review)


def resume(
    run: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    crew: Crew | None = None,
    on_event: OnEvent | None = None,
) -> Film:
    """Goes on with the run in the folder `run`; what is finished and unchanged is not made again.

    `settings` override those that the run was made with.
    """
    record = read_run(run)
    # What was not set then is open now: an endpoint may be named by the environment since.
    before = {name: value for name, value in by_name(record.settings).items() if value is not None}
    in_force = load_settings({**before, **(settings or {})})
    checked = load_graph(run / GRAPHS / record.graph)
    if crew is None:
        crew = Crew(in_force, cache=run / "store" / "calls")
        crew.commits = record.commits
    _tell_fetching(crew, on_event)
    with locked(run):
        done = _go(run, record, checked, crew, on_event=on_event, review=False)
    assert isinstance(done, Film)
    return done


def read_run(run: Path) -> RunRecord:
    """What run.yaml in `run` says; `RunFolderError` if it is no run folder."""
    path = run / RUN
    if not path.is_file():
        raise RunFolderError(f"{run} is no run folder: it has no {RUN}")
    try:
        yaml = parse_yaml(path.read_bytes(), name=str(path), error=StoryboardError)
        return RunRecord.from_data(json.loads(json.dumps(yaml.data)))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RunFolderError(f"{path} does not fit: `{where}`: {fault['msg']}") from None
    except (OSError, TypeError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def _tell_fetching(crew: Crew, on_event: OnEvent | None) -> None:
    """Hands on how far a model's files have come; the run's own folder may not be there yet."""
    if on_event is None:
        return

    def tell(fetching: Fetching) -> None:
        done, total = fetching.done, fetching.total
        on_event(
            Event(
                kind="fetch",
                text=f"{fetching.model}: {done / 1e9:.2f} of {total / 1e9:.2f} GB are here",
                details=dataclasses.asdict(fetching),
            )
        )

    crew.on_fetch = tell


def _commits(settings: Settings) -> dict[str, str]:
    told = settings.generator
    if "/" not in told.model and not told.parts:
        return {}
    from reelwright_generators.hub import commits

    return commits(told)


def _read(source: Source) -> tuple[Script | None, Storyboard | None]:
    if isinstance(source, Storyboard):
        return None, source
    if isinstance(source, Story):
        return Script(kind="prose", text=source.script, name=source.title), None
    path = Path(source) if isinstance(source, Path) or _names_yaml(source) else None
    if path is not None and path.suffix in (".yaml", ".yml"):
        return None, read_storyboard(path)
    return read_script(source), None


def _names_yaml(text: str) -> bool:
    return "\n" not in text and text.endswith((".yaml", ".yml")) and len(text) < 4096


def _folder_of(source: Source) -> Path:
    """Where the files that a storyboard names are."""
    if isinstance(source, Path) or (isinstance(source, str) and _names_yaml(source)):
        return Path(source).parent
    return Path()


def _title(source: Source, script: Script | None, storyboard: Storyboard | None) -> str:
    if isinstance(source, Path):
        return source.stem
    if storyboard is not None:
        return storyboard.story.title
    assert script is not None
    return Path(script.name).stem if script.name != "script" else script.text[:40]


def _folder(out: Path | None, record: RunRecord, graph: GraphFile, *, title: str) -> Path:
    if out is not None:
        _refuse_other(out, record, graph)
        return out
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "film"
    number = 1
    while True:
        folder = Path("runs") / (slug if number == 1 else f"{slug}-{number}")
        try:
            _refuse_other(folder, record, graph)
        except RunFolderError:
            number += 1
            continue
        return folder


def _refuse_other(folder: Path, record: RunRecord, graph: GraphFile) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; name a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / RUN).exists():
        if {path.name for path in folder.iterdir()} <= {"run.lock", "store", GRAPHS, STORYBOARD}:
            return
        raise RunFolderError(f"{folder} is not empty and no run folder; choose another")
    there = read_run(folder)
    graphs = {path.name: path.read_text(encoding="utf-8") for path in (folder / GRAPHS).iterdir()}
    of_the_day: dict[str, Any] = {"versions": {}, "models": {}, "commits": {}}
    same = there.model_copy(update=of_the_day) == record.model_copy(update=of_the_day)
    if not same or graphs != graph.texts():
        raise RunFolderError(
            f"{folder} holds a run of another script, seed, graph or settings; "
            f"go on with it by `reelwright resume {folder}`, or choose another folder"
        )


def _planned_offline(script: Script, crew: Crew) -> Storyboard | None:
    """The plan where it costs nothing: a script that cannot be filmed is then told at once.

    So is an endpoint that cannot be asked, such as one without a key.
    """
    if crew.settings.critic.brain.endswith("openai"):
        crew.critic()
    if crew.settings.planner.brain != "offline":
        crew.planner()
        return None
    return crew.planner().storyboard(script, picture=crew.picture())


def _begin(
    folder: Path,
    record: RunRecord,
    graph: GraphFile,
    storyboard: Storyboard | None,
    beside: Path,
) -> None:
    """Lays out the folder; run.yaml comes last, so a folder with it is whole."""
    for name, text in graph.texts().items():
        write_text(folder / GRAPHS / name, text)
    if storyboard is not None:
        identities.bring(storyboard, beside, folder)
        write_storyboard(folder / STORYBOARD, storyboard)
    write_yaml(folder / RUN, record.data())


def _go(
    folder: Path,
    record: RunRecord,
    graph: GraphFile,
    crew: Crew,
    *,
    on_event: OnEvent | None,
    review: bool,
) -> Film | Reviewing:
    sweep(folder)
    crew.cache = crew.cache or folder / "store" / "calls"
    context = Context(
        run=folder,
        store=Store(folder),
        settings=crew.settings,
        seed=record.seed,
        crew=crew,
        say=_teller(folder / EVENTS, on_event),
    )
    crew.on_call = lambda call: context.say(Event(kind="call", details=call.data()))
    context.say(Event(kind="run started", text=str(folder)))
    crew.generator()
    for event in crew.introductions():
        context.say(event)
    values = _wait(_invoke(graph, context, record, review=review), context)
    if values is None:
        context.say(Event(kind="review", text=str(folder / STORYBOARD)))
        return Reviewing(run=folder, storyboard=folder / STORYBOARD)
    done = _film(context, values)
    context.say(Event(kind="film finished", text=str(done.video)))
    return done


def _wait(work: Any, context: Context) -> dict[str, Any] | None:
    """Runs `work` in a loop of its own, in another thread where one is running already."""

    def run() -> dict[str, Any] | None:
        try:
            return asyncio.run(work)
        finally:
            context.stopping.set()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    answer: list[Any] = []
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            answer.append(run())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]


async def _invoke(
    graph: GraphFile, context: Context, record: RunRecord, *, review: bool
) -> dict[str, Any] | None:
    """The last values of the graph; None if it stopped for review."""
    limits = Limits(calls=context.settings.endpoint.calls_at_once)
    start: dict[str, Any] = {"script": None, "runs": {}, "results": {}, "failed": {}}
    if record.script is not None:
        aside = context.store.aside("script.json")
        write_json(aside, record.script.data())
        start["script"] = context.store.add(aside, "store/script.json").data()
    thread = digest(
        [graph.texts(), record.seed, start["script"], context.crew.identity(), _versions()]
    )
    config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": 1000}
    try:
        async with checkpoints(context.run / CHECKPOINTS) as saver:
            compiled = build(graph, context, limits).compile(
                checkpointer=saver, interrupt_after=_planners(graph) if review else None
            )
            state = await compiled.aget_state(config)
            if not _goes_on(context, cast(dict[str, Any], state.values), state.next):
                await saver.adelete_thread(thread)
                state = None
            values = await compiled.ainvoke(
                cast(Any, None if state else start), config, durability="sync"
            )
            waits = bool((await compiled.aget_state(config)).next)
            return None if waits else cast(dict[str, Any], values)
    except asyncio.CancelledError:
        context.stopping.set()
        raise
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{context.run / CHECKPOINTS} could not be written: {error}; "
            "see to the disk and resume, nothing that was finished is lost"
        ) from error


def _planners(graph: GraphFile) -> list[str]:
    """The nodes after which the storyboard is filmed for the first time."""
    maps = [node.name for node in graph.nodes.values() if node.each is not None]
    later = set(maps)
    while more := {e.target for e in graph.edges if e.source in later} - later:
        later |= more
    last = [edge.source for edge in graph.edges if edge.target in maps]
    return [name for name in dict.fromkeys(last) if name not in later and name in graph.nodes]


def _goes_on(context: Context, values: dict[str, Any], next_nodes: tuple[str, ...]) -> bool:
    """Whether the checkpoint still fits the files: else the run starts over from the store."""
    if not next_nodes or values.get("failed"):
        return False
    if not all(context.store.has(artifact) for artifact in artifacts(values)):
        return False
    if "board" not in values:
        return True
    file = context.run / STORYBOARD
    return file.exists() and read_storyboard(file).digest() == values["board"]


def _film(context: Context, values: dict[str, Any]) -> Film:
    def path(name: str) -> Path | None:
        given = values.get(name)
        return context.run / Artifact.model_validate(given).path if given else None

    storyboard = load_storyboard(context, values["storyboard"])
    results = {shot: Artifact.model_validate(result) for shot, result in values["results"].items()}
    video = path("film")
    if video is None:
        raise RunFolderError("the graph ended without a film; add a `cut` node to it")
    return Film(
        run=context.run,
        video=video,
        subtitles=path("subtitles"),
        contact_sheet=path("contact_sheet"),
        report=path("report"),
        frames=values["frames"],
        fps=storyboard.shots[0].fps,
        storyboard=storyboard,
        shots=load_results(context, storyboard, results),
    )


def _teller(
    path: Path, on_event: OnEvent | None, clock: Callable[[], float] = time.time
) -> OnEvent:
    """Writes each event as a line of events.jsonl, and hands it on."""
    lock = threading.Lock()

    def say(event: Event) -> None:
        with lock:
            if event.kind != "step":
                line = {
                    "at": round(clock(), 3),
                    **event.model_dump(mode="json", exclude_defaults=True),
                }
                with storage_errors(path), path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if on_event is not None:
                on_event(event)

    return say


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in ("reelwright", "torch", "diffusers", "transformers", "langgraph", "av"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
