"""The front door for people: `reelwright plan|film|resume|batch|bench|graph|simulate|eval|doctor`.

Only the command line itself is imported here; each command brings in what it needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reelwright_core.takes import Film
    from reelwright_graphs.batch import Outcome
    from reelwright_graphs.events import Event

app = typer.Typer(
    name="reelwright",
    help="Turns a script into a film.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
graphs = typer.Typer(
    help="The agent graphs: list, show, check, draw.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(graphs, name="graph")

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as takes.max=1."),
]
GraphOption = Annotated[str, typer.Option("--graph", help="A graph's name or file.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same film.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")]


def main() -> None:
    """Runs the command line; a fault is one message and an exit code, never a traceback."""
    # Waiting threads would else burn the cores that the video model needs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with _faults():
        app()


@contextlib.contextmanager
def _faults() -> Generator[None]:
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as stop:
        # typer turns Ctrl-C into an exit with 130 and says nothing.
        if isinstance(stop, KeyboardInterrupt) or stop.code == 130:
            _say_error("stopped; what was finished stays, the same command goes on")
            sys.exit(130)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from reelwright_core.errors import ReelwrightError

        if os.environ.get("REELWRIGHT_DEBUG"):
            raise
        if isinstance(error, ReelwrightError):
            _say_error(str(error))
            sys.exit(error.exit_code)
        _say_error(
            f"this should not have happened: {type(error).__name__}: {error}\n"
            "Run it again with REELWRIGHT_DEBUG=1 in the environment to see where."
        )
        sys.exit(1)


def _say_error(text: str) -> None:
    print(f"reelwright: {text}", file=sys.stderr)


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Turns a script into a film."""
    if version:
        from reelwright import __version__

        print(f"reelwright {__version__}")
        raise typer.Exit


@app.command()
def plan(
    script: Annotated[Path, typer.Argument(help="A .txt, .md, .fountain or .fdx file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The storyboard to write.")] = Path(
        "storyboard.yaml"
    ),
    set_: Set = None,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    enrich: Annotated[
        bool, typer.Option("--enrich", help="Imagine what else holds in each step (Dysen).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Makes an editable storyboard and a contact sheet of it; films nothing."""
    from reelwright.planning import plan_script

    plan_script(
        script, out=out, settings=_settings(set_), seed=seed, force=force, enrich=enrich,
        as_json=as_json,
    )  # fmt: skip


@app.command()
def film(
    script: Annotated[Path, typer.Argument(help="A script, or a storyboard .yaml file.")],
    graph: GraphOption = "story",
    out: Annotated[Path | None, typer.Option("--out", help="The run folder to make.")] = None,
    seed: Seed = 0,
    set_: Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made.")] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Stop when the storyboard is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Films a script or storyboard."""
    from reelwright_graphs.run import Reviewing
    from reelwright_graphs.run import film as make

    if dry_run:
        from reelwright.planning import dry_run as show

        show(script, graph=graph, settings=_settings(set_), as_json=as_json)
        return
    with _progress(quiet=as_json) as on_event:
        done = make(
            script,
            graph=graph,
            out=out,
            seed=seed,
            settings=_settings(set_),
            on_event=on_event,
            review=review,
        )
    if isinstance(done, Reviewing):
        _print(
            as_json,
            {"run": str(done.run), "storyboard": str(done.storyboard)},
            f"{done.storyboard}\nedit it if you like, then: reelwright resume {done.run}",
        )
    else:
        _show_film(done, as_json)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Goes on where a run stopped, and remakes what was edited in its storyboard."""
    from reelwright_graphs.run import resume as go_on

    with _progress(quiet=as_json) as on_event:
        done = go_on(run, settings=_settings(set_), on_event=on_event)
    _show_film(done, as_json)


@app.command()
def batch(
    file: Annotated[Path, typer.Argument(help="A .txt, .csv or .jsonl file of scripts.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for all runs.")],
    graph: GraphOption = "story",
    seed: Seed = 0,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Films every script of a file; goes on where it stopped."""
    from reelwright_core.settings import load_settings
    from reelwright_graphs.batch import batch as make
    from reelwright_graphs.graph_file import load_graph

    settings = load_settings({**load_graph(graph).settings, **_settings(set_)})

    def on_row(outcome: Outcome, found: bool) -> None:
        if not as_json:
            what = "already done" if found else outcome.status
            print(f"{outcome.id}: {what}" + (f": {outcome.error}" if outcome.error else ""))

    with _progress(quiet=as_json) as on_event:
        outcomes = make(
            file, out=out, graph=graph, seed=seed, settings=settings,
            on_event=on_event, on_row=on_row,
        )  # fmt: skip
    done = sum(outcome.status == "done" for outcome in outcomes)
    _print(
        as_json,
        {"rows": [outcome.data() for outcome in outcomes]},
        f"{done} of {len(outcomes)} films are in {out}",
    )
    if done < len(outcomes):
        raise typer.Exit(1)


@app.command()
def bench(
    suite: Annotated[
        str, typer.Option("--suite", help="builtin or builtin-smoke; with --graphs: story.")
    ],
    graphs_: Annotated[
        str | None,
        typer.Option("--graphs", metavar="A,B,...", help="Compares these graphs on scripts."),
    ] = None,
    takes: Annotated[
        int, typer.Option("--takes", min=1, max=20, help="With --graphs: takes of a shot.")
    ] = 3,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="With --graphs: films made side by side.")
    ] = 1,
    model: Annotated[
        str | None, typer.Option("--model", help="What films: builtin, a folder, or a hub id.")
    ] = None,
    levels: Annotated[
        str, typer.Option("--levels", help="Noise levels: 1.0 is pure noise, less keeps a sketch.")
    ] = "1.0,0.5",
    prompts: Annotated[
        int | None, typer.Option("--prompts", help="Only so many, the first of each kind.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The bench's folder.")] = None,
    set_: Set = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Films a suite of prompts and says how often they come true; goes on where it stopped."""
    from reelwright.bench import bench as make

    settings = _settings(set_)
    if model is not None:
        settings["generator.model"] = model
    if graphs_ is not None:
        from reelwright.comparing import compare_graphs

        data = compare_graphs(
            suite, graphs=[name.strip() for name in graphs_.split(",")], takes=takes,
            prompts=prompts, out=out, settings=settings, seed=seed, workers=workers,
        )  # fmt: skip
        _print(as_json, data, str(data["table"]))
        return
    data = make(suite, levels=levels, prompts=prompts, out=out, settings=settings, seed=seed)
    _print(as_json, data, "\n".join(str(data[name]) for name in ("table", "page")))


@graphs.command("list")
def graph_list() -> None:
    """Names the graphs that come with Reelwright, what each is, and what it needs."""
    from reelwright_graphs.graph_file import library, load_graph

    every = {name: load_graph(name) for name in library()}
    for name, graph in sorted(every.items(), key=lambda item: item[1].level == "shot"):
        of = "for each shot: " if graph.level == "shot" else ""
        print(f"{name:22}{of}{graph.gist}" + (f"; {graph.needs}" if graph.needs else ""))


@graphs.command("show")
def graph_show(graph: str) -> None:
    """Prints a graph's file, to be saved and edited."""
    from reelwright_graphs.graph_file import load_graph

    print(load_graph(graph).text, end="")


@graphs.command("check")
def graph_check(graph: str) -> None:
    """Says what is wrong with a graph, with file and line."""
    from reelwright_graphs.graph_file import load_graph

    found = load_graph(graph)
    print(f"{found.file}: {len(found.nodes)} nodes and {len(found.edges)} edges, no fault")


@graphs.command("draw")
def graph_draw(graph: str) -> None:
    """Prints a graph as a Mermaid diagram."""
    from reelwright_graphs.draw import mermaid
    from reelwright_graphs.graph_file import load_graph

    print(mermaid(load_graph(graph)), end="")


@app.command()
def simulate(
    scene: Annotated[Path, typer.Argument(help="A physics scene's .yaml file.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to make.")],
    camera: Annotated[
        list[str] | None, typer.Option("--camera", help="Only this camera; may be said again.")
    ] = None,
    quality: Annotated[str, typer.Option("--quality", help="draft, preview or final.")] = "final",
    preview: Annotated[
        bool, typer.Option("--preview", help="The same as --quality preview.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="A broken law of physics is an error.")
    ] = False,
    nerf: Annotated[
        bool, typer.Option("--nerf", help="Also PNGs and transforms.json for radiance fields.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulates a physics scene alone: pictures, masks, depth, flow, and a table of checks."""
    from reelwright.simulating import simulate_file

    data = simulate_file(
        scene, out=out, cameras=camera or [], quality="preview" if preview else quality,
        strict=strict, nerf=nerf, quiet=as_json,
    )  # fmt: skip
    paths = [data[name] for name in ("simulation", "video", "sheet", "transforms") if name in data]
    _print(as_json, data, "\n".join(paths))


@app.command("eval")
def evaluate(
    clip: Annotated[Path, typer.Argument(help="An .mp4 file.")],
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="What the clip is to show, in one sentence.")
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option("--spec", metavar="FORMULA", help="A temporal formula, as in docs/logic.md."),
    ] = None,
    shot: Annotated[
        str | None,
        typer.Option("--shot", metavar="FILE[#ID]", help="The storyboard that has its shot."),
    ] = None,
    automaton: Annotated[
        Path | None, typer.Option("--automaton", help="A .dot or .json file to write.")
    ] = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Says how probable it is that a clip shows what it should, and when what fails."""
    from reelwright.evaluating import evaluate as examine
    from reelwright_metrics.logic.telling import as_text

    data = examine(
        clip, prompt=prompt, spec=spec, shot=shot, automaton_file=automaton,
        settings=_settings(set_),
    )  # fmt: skip
    _print(as_json, data, as_text(data))


@app.command()
def doctor(
    model: Annotated[
        str | None, typer.Option("--model", help="Estimate a clip of this folder or hub id.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Of the clip, such as 832x480.")
    ] = None,
    frames: Annotated[int | None, typer.Option("--frames", min=1, help="Of the clip.")] = None,
    install: Annotated[
        str | None, typer.Option("--install", metavar="NAME", help="Install this: blender.")
    ] = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Says what is installed and reachable; with a model, what a clip of it would take."""
    if install is not None:
        from reelwright.doctor import install as make

        make(install, lambda line: print(line, flush=True))
        return
    if model is not None or size is not None or frames is not None:
        _estimate(model, size, frames, _settings(set_), as_json)
        return
    from reelwright.doctor import examine

    findings = examine(_settings(set_))
    if as_json:
        print(json.dumps([finding.data() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark = "ok" if finding.ok else ("MISSING" if finding.needed else "--")
            print(f"{mark:8}{finding.name:22}{finding.says}")
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _estimate(
    model: str | None, size: str | None, frames: int | None, given: dict[str, Any], as_json: bool
) -> None:
    from reelwright.doctor import estimate_clip, estimate_text
    from reelwright_core.settings import load_settings

    if model is not None:
        given["generator.model"] = model
    # The setting's own rules say what a size is.
    clip = load_settings({"film.size": size}).film.size if size else None
    made, seen = estimate_clip(given, size=clip, frames=frames)
    fitting = made.fitting
    data = {
        **made.data(),
        "fits": fitting.name if fitting else None,
        "licence": seen.folder.profile.licence,
        "revision": seen.folder.revision,
        "fetches": seen.fetches,
        "free": seen.free,
    }
    _print(as_json, data, estimate_text(made, seen))


def _settings(given: list[str] | None) -> dict[str, Any]:
    from reelwright_core.errors import SettingsError

    settings: dict[str, Any] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set is written NAME=VALUE, such as takes.max=1, got {each!r}")
        settings[name.strip()] = value.strip()
    return settings


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[Event], None] | None]:
    if quiet:
        yield None
        return
    from reelwright.progress import progress

    with progress() as on_event:
        yield on_event


def _show_film(done: Film, as_json: bool) -> None:
    data = {
        "run": str(done.run),
        "video": str(done.video),
        "frames": done.frames,
        "fps": str(done.fps),
        "shots": [
            {
                "id": shot.shot,
                "takes": len(shot.takes),
                "chosen": shot.chosen,
                "score": shot.take.critique.score if shot.take.critique else None,
            }
            for shot in done.shots
        ],
    }
    _print(as_json, data, str(done.video))


def _print(as_json: bool, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data, ensure_ascii=False) if as_json else text)
