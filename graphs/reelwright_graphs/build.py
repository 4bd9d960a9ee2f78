"""Graphs become LangGraph state graphs; every node's finished work is kept in the store.

Two LangGraph facts shape this room. Its own `max_concurrency` lets a finished node's record wait
behind queued ones, so a kill loses it: resources are guarded by semaphores of our own. And a
checkpointed graph inside a node costs twelve commits a shot: a shot's graph runs without
checkpoints over the store, which knows each finished stage.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
from collections.abc import Callable, Hashable, Mapping
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import ValidationError

from reelwright_core.errors import (
    GraphError,
    InputError,
    ReelwrightError,
    ShotError,
    StorageError,
)  # fmt: skip
from reelwright_core.files import write_json
from reelwright_core.records import Record, digest
from reelwright_core.story import Shot, Storyboard
from reelwright_core.takes import Artifact, ShotResult
from reelwright_graphs import conditions
from reelwright_graphs.events import Event
from reelwright_graphs.filmed_together import with_scene
from reelwright_graphs.graph_file import END as LAST
from reelwright_graphs.graph_file import GIVEN, GraphFile, NodeLine
from reelwright_graphs.graph_file import START as FIRST
from reelwright_graphs.identities import of_shot
from reelwright_graphs.nodes import Context, Resource, Stopped

State = dict[str, Any]


class Limits:
    """How many nodes may use each resource at once; made inside the loop that uses it."""

    def __init__(self, *, calls: int):
        self._semaphores: dict[Resource, asyncio.Semaphore] = {
            "gpu": asyncio.Semaphore(1),
            "core": asyncio.Semaphore(os.cpu_count() or 1),
            "call": asyncio.Semaphore(calls),
        }

    def of(self, resource: Resource) -> asyncio.Semaphore:
        """The semaphore of `resource`."""
        return self._semaphores[resource]


def build(graph: GraphFile, context: Context, limits: Limits) -> StateGraph[Any, Any, Any, Any]:
    """`graph` as a LangGraph `StateGraph`, not yet compiled."""
    built: Any = StateGraph(_state_type(graph))
    for name, node in graph.nodes.items():
        built.add_node(name, _shot_runner(node, context, limits) if node.each else
                       _stage_runner(node, context, limits))  # fmt: skip
    for source in [FIRST, *graph.nodes]:
        _add_edges(built, graph, source, context)
    return built


def _newest(old: object, new: object) -> object:
    return new


def _merged(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    return {**(old or {}), **new}


def _state_type(graph: GraphFile) -> Any:
    fields: dict[str, Any] = dict.fromkeys(GIVEN[graph.level], Annotated[Any, _newest])
    fields["runs"] = Annotated[dict[str, Any], _merged]
    # Those of the shots first: a node that gives `results` gives some of them.
    for node in sorted(graph.nodes.values(), key=lambda node: node.kind is not None):
        if node.kind is None:
            fields["results"] = Annotated[dict[str, Any], _merged]
            fields["failed"] = Annotated[dict[str, Any], _merged]
        else:
            for name in node.kind.Outputs.model_fields:
                fields.setdefault(name, Annotated[Any, _newest])
    return TypedDict("State", fields, total=False)  # pyright: ignore[reportArgumentType]


def _add_edges(built: Any, graph: GraphFile, source: str, context: Context) -> None:
    leaving = graph.leaving(source)
    start = START if source == FIRST else source

    def goes_to(target: str, state: State) -> Hashable | list[Send]:
        if target == LAST:
            return END
        line = graph.nodes[target]
        if line.each is None:
            return target
        times = _times(line, state)
        retakes: dict[str, Any] = state.get("retakes") or {}
        board = load_storyboard(context, state["storyboard"])
        given = {"storyboard": state["storyboard"], "retakes": retakes, "times": times}
        again = _to_film(board, retakes) if times > 1 and retakes else [s.id for s in board.shots]
        return [Send(target, {"id": id, **given}) for id in again]

    def choose(state: State) -> Any:
        for edge in sorted(leaving, key=lambda edge: edge.when is None):
            if edge.when is None or conditions.holds(edge.when, _scalars(state)):
                return goes_to(edge.target, state)
        raise AssertionError("a checked graph has an edge without a condition")

    maps = any(edge.target != LAST and graph.nodes[edge.target].each for edge in leaving)
    if maps or any(edge.when is not None for edge in leaving):
        built.add_conditional_edges(
            start, choose, [END if edge.target == LAST else edge.target for edge in leaving]
        )
    else:
        for edge in leaving:
            built.add_edge(start, END if edge.target == LAST else edge.target)


def _times(line: NodeLine, state: Mapping[str, Any]) -> int:
    """Which time it is that the node runs; `GraphError` if it is one too many."""
    times = state.get("runs", {}).get(line.name, 0) + 1
    if line.at_most is not None and times > line.at_most:
        raise GraphError(
            f"the node `{line.name}` would run more than `at_most: {line.at_most}` times"
        )
    return times


def _to_film(board: Storyboard, retakes: Mapping[str, Any]) -> list[str]:
    """The shots that are filmed again, and those that begin with a picture of theirs."""
    again: list[str] = []
    for shot in board.shots:  # a shot continues an earlier one
        if shot.id in retakes or shot.continues in again:
            again.append(shot.id)
    return again


def _scalars(state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in state.items() if isinstance(value, bool | int | float | str)
    }


def _stage_runner(line: NodeLine, context: Context, limits: Limits) -> Callable[[State], Any]:
    assert line.kind is not None
    kind = line.kind
    options = kind.Options.model_validate(dict(line.options))
    node = kind(options, context)

    async def run(state: State) -> State:
        runs = _times(line, state)
        if context.stopping.is_set():
            raise Stopped
        inputs = _inputs(kind.Inputs, state, line.name)
        shot, take = _shot_of(state), state.get("take")

        def say(what: Any, text: str = "") -> None:
            context.say(Event(kind=what, text=text, shot=shot, take=take, stage=line.name))

        key = await asyncio.to_thread(_key, line, node, options, inputs)
        kept = await asyncio.to_thread(context.store.find, key) if key else None
        if kept is not None:
            say("stage found")
            return {**kept, "runs": {line.name: runs}}
        async with limits.of(node.resource):
            say("stage started")
            outputs = await asyncio.to_thread(node.run, inputs)
        plain = kind.Outputs.model_validate(outputs).model_dump(mode="json")
        if key:
            await asyncio.to_thread(context.store.keep, key, line.use, plain)
        say("stage finished")
        return {**plain, "runs": {line.name: runs}}

    return run


def _key(line: NodeLine, node: Any, options: Record, inputs: Record) -> str | None:
    depends = node.depends(inputs)
    if depends is None:
        return None
    return digest(
        {
            "node": line.use,
            "version": type(node).version,
            "options": options.data(),
            "depends": depends,
        }
    )


def _inputs(kind: type[Record], state: State, name: str) -> Record:
    given = {field: state[field] for field in kind.model_fields if state.get(field) is not None}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise GraphError(f"the node `{name}` was given a wrong `{where}`: {fault['msg']}") from None


def _shot_of(state: State) -> str | None:
    shot = state.get("shot")
    return None if shot is None else str(shot["id"])


def _shot_runner(line: NodeLine, context: Context, limits: Limits) -> Callable[[State], Any]:
    assert line.each is not None
    graph = line.each
    compiled = build(graph, context, limits).compile()
    bound = 10 + sum(node.at_most or 1 for node in graph.nodes.values()) * len(graph.nodes)

    begun: dict[tuple[str, str], asyncio.Task[ShotResult]] = {}
    """The work on each shot of a storyboard, by its digest: one that continues another waits for
    it, and begins it where a resumed run has it behind itself; then all of it is found."""

    def result_of(board: Storyboard, state: State, shot: Shot) -> asyncio.Task[ShotResult]:
        key = (Artifact.model_validate(state["storyboard"]).sha256, shot.id)
        if key not in begun:
            # A context of its own: a graph run inside a node would else inherit its checkpoints.
            begun[key] = asyncio.create_task(
                filmed(board, state, shot), context=contextvars.Context()
            )
        return begun[key]

    async def filmed(board: Storyboard, state: State, shot: Shot) -> ShotResult:
        retakes: dict[str, Any] = state.get("retakes") or {}
        before = await asyncio.to_thread(_load_result, context, retakes.get(shot.id))
        shared = await asyncio.to_thread(with_scene, board, shot, context)
        start: State = {
            "shot": shared.model_dump(mode="json"),
            "take": before.takes[-1].number + 1 if before else 1,
            "prompt": shot.prompt,
            "takes": [],
            "style": board.story.style,
            "identities": [each.model_dump(mode="json") for each in of_shot(board, shot)],
            "runs": {},
        }
        if shot.continues is not None:
            earlier = next(one for one in board.shots if one.id == shot.continues)
            try:
                result = await asyncio.shield(result_of(board, state, earlier))
            except (StorageError, InputError, Stopped):
                raise
            except ReelwrightError:
                why = f"it continues {shot.continues}, which could not be filmed"
                raise ShotError(shot.id, why) from None
            start["before"] = result.take.clip.video.data()
        done = await compiled.ainvoke(start, {"recursion_limit": bound})
        result = ShotResult.model_validate(done["result"])
        # The takes that did not fit the other shots are kept, and not chosen from.
        return (
            result
            if before is None
            else result.model_copy(update={"takes": [*before.takes, *result.takes]})
        )

    async def film(state: State) -> State:
        board = await asyncio.to_thread(load_storyboard, context, state["storyboard"])
        shot = next(shot for shot in board.shots if shot.id == state["id"])
        try:
            result = await result_of(board, state, shot)
            kept = await asyncio.to_thread(keep_result, context, result)
        except (StorageError, InputError, Stopped):
            raise
        except ReelwrightError as error:
            why = error.why if isinstance(error, ShotError) else str(error)
            runs = {line.name: state["times"]}
            if shot.id in (state.get("retakes") or {}):
                context.say(
                    Event(kind="warning", shot=shot.id, text=f"the take before stays: {why}")
                )
                return {"runs": runs}
            context.say(Event(kind="shot failed", shot=shot.id, text=why))
            return {"failed": {shot.id: why}, "runs": runs}
        context.say(
            Event(
                kind="shot finished", shot=shot.id, take=result.chosen,
                text=result.why, details={"takes": len(result.takes)},
            )
        )  # fmt: skip
        return {"results": {shot.id: kept.data()}, "runs": {line.name: state["times"]}}

    return film


def _load_result(context: Context, artifact: object) -> ShotResult | None:
    if artifact is None:
        return None
    path = context.store.path(Artifact.model_validate(artifact))
    return ShotResult.from_data(json.loads(path.read_bytes()))


def keep_result(context: Context, result: ShotResult) -> Artifact:
    """Takes the result into the store, and shows it in the shot's folder."""
    aside = context.store.aside(f"{result.shot}-result.json")
    write_json(aside, result.data())
    return context.store.add(aside, f"shots/{result.shot}/result.json")


def keep_storyboard(context: Context, storyboard: Storyboard) -> Artifact:
    """Takes the storyboard into the store, for the nodes that follow, past the safety gate."""
    context.crew.gate().storyboard(storyboard)
    aside = context.store.aside("storyboard.json")
    write_json(aside, storyboard.data())
    return context.store.add(aside, "store/storyboard.json")


def load_storyboard(context: Context, artifact: object) -> Storyboard:
    """The storyboard kept as `artifact`."""
    path = context.store.path(Artifact.model_validate(artifact))
    return Storyboard.from_data(json.loads(path.read_bytes()))


def load_results(
    context: Context, storyboard: Storyboard, results: Mapping[str, Artifact]
) -> list[ShotResult]:
    """The shots' results in the storyboard's order, read back from the store."""
    return [load_result(context, results[shot.id]) for shot in storyboard.shots]


def load_result(context: Context, kept: Artifact) -> ShotResult:
    """One shot's result, read back from the store."""
    return ShotResult.from_data(json.loads(context.store.path(kept).read_bytes()))
