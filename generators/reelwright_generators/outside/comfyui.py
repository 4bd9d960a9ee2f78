"""A ComfyUI server films a workflow: it is filled in, queued, awaited, and its clip fetched."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from PIL import Image

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.video import Frames, write_video
from reelwright_generators.generator import Facts, Made, OnStep, Request
from reelwright_generators.outside.clips import Fitted, fitted, fitted_pictures
from reelwright_generators.outside.profile import (
    checked,
    facts_of,
    first_frame_of,
    open_profile,
    provenance,
    values,
)
from reelwright_generators.outside.server import Server
from reelwright_generators.outside.watch import Watch
from reelwright_generators.outside.workflow import CLIP, FILES, open_workflow

_URL = "http://127.0.0.1:8188"
"""Where ComfyUI is unless told otherwise."""

_SUBFOLDER = "reelwright"
"""Of the server's input folder, for what is uploaded."""

_FILMS = (".mp4", ".mov", ".m4v")
_PICTURES = (".png",)
_GREY = 128


def comfyui(told: Told) -> ComfyGenerator:
    """The generator of the workflow in the settings."""
    return ComfyGenerator(told)


class ComfyGenerator:
    """Films with one workflow of a ComfyUI server."""

    def __init__(self, told: Told, *, poll: float = 1.0):
        """Raises `ModelError` or `SettingsError` for settings that cannot work.

        `poll` is the seconds between two looks at a job.
        """
        outside = told.outside
        if not outside.workflow:
            raise ModelError(
                "the generator `comfyui` films the workflow in `generator.outside.workflow`: set "
                "it to a JSON file in API format (ComfyUI's menu File, Export (API))"
            )
        self._told = told
        self._poll = poll
        self._profile = open_profile(told)
        self._path = Path(outside.workflow).expanduser()
        self._workflow = open_workflow(self._path)
        self._server = Server(
            outside, url=outside.url or _URL, what="the ComfyUI server", poll=poll
        )

    def facts(self) -> Facts:
        """What this workflow is; size, frames and rate as they stand in it."""
        flow, profile = self._workflow, self._profile
        width, height = flow.number("width"), flow.number("height")
        stands = {
            "size": (int(width), int(height)) if width and height else None,
            "frames": int(flow.number("frames") or 0) or None,
            "fps": Fraction(flow.number("fps") or 0).limit_denominator(1001) or None,
            "noise_level": flow.number("noise_level"),
        }
        own = {name: value for name, value in stands.items() if getattr(profile, name) is None}
        return facts_of(
            profile.model_copy(update=own),
            self._told,
            family="comfyui",
            name=self._path.stem,
            can=flow.can(),
            controls=flow.controls(),
            needs=[able for able in flow.can() if able in ("control", "first_frame")],
            decides={"server": self._server.address, "workflow": flow.sha256},
        )

    def check(self, request: Request) -> list[str]:
        """Warns of what the workflow is not told; `ModelError` for what it cannot film."""
        warnings = checked(request, self.facts())
        places, kinds = self._workflow.places, self._workflow.controls()
        if "last_frame" in places and request.last_frame is None:
            raise ModelError(f"the workflow {self._path} needs a last frame, and the shot has none")
        if len(kinds) > 1:
            raise ModelError(
                f"the workflow {self._path} marks control videos of {' and '.join(kinds)}; a shot "
                "has one"
            )
        for name in ("width", "height", "frames"):
            if name not in places:
                warnings.append(
                    f"the workflow {self._path.name} marks no `reelwright:{name}`; its clip is "
                    "fitted to what is asked"
                )
        return warnings

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`; a job that is not awaited to its end is taken from the server."""
        self.check(request)
        facts = self.facts()
        watch = Watch(on_step, what="the ComfyUI job", seconds=self._told.outside.timeout, steps=1)
        with self._server.http(watch) as http:
            nodes = self._workflow.filled(self._found(http, request, facts, watch))
            job = self._queue(http, nodes, watch)
            try:
                done = self._await(http, job, watch)
            except BaseException:
                self._cancel(job)
                raise
            fit = self._fetch(http, self._outputs(done), request, watch)
        steps = watch.finish()
        return Made(
            frames=fit.frames,
            provenance={**provenance(facts, request, steps=steps), "clip": fit.said},
            seconds=watch.spent,
        )

    def _found(self, http: Any, request: Request, facts: Facts, watch: Watch) -> dict[str, Any]:
        """What goes into the workflow's places; files are uploaded and go in by name."""
        places = self._workflow.places
        found: dict[str, Any] = dict(values(request, self._profile, self._told))
        sketch = request.sketch
        if sketch is None or request.noise.level == 1:
            # Nothing of it will be seen, but the node must have a file.
            width, height = request.size
            sketch = np.full((request.frames, height, width, 3), _GREY, np.uint8)
        pictures: dict[str, Frames | None] = {
            "sketch": sketch, "first_frame": first_frame_of(request, facts),
            "last_frame": request.last_frame,
        }  # fmt: skip
        for role in FILES:
            frames = pictures[role]
            if role in places and frames is not None:
                content = _mp4(frames, request.fps) if role == "sketch" else _png(frames)
                found[role] = self._upload(http, content, watch)
        if request.control is not None:
            content = _mp4(request.control.frames, request.fps)
            found[f"control_{request.control.kind}"] = self._upload(http, content, watch)
        return found

    def _upload(self, http: Any, content: tuple[bytes, str], watch: Watch) -> str:
        """Puts a file beside the server's inputs; named by what is in it, so it is kept once."""
        data, kind = content
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}"
        response = self._server.ask(
            lambda: http.post(
                "/upload/image",
                files={"image": (name, data)},
                data={"type": "input", "subfolder": _SUBFOLDER, "overwrite": "true"},
            ),
            watch,
        )
        told = self._json(response)
        name, folder = str(told.get("name", name)), str(told.get("subfolder", ""))
        return f"{folder}/{name}" if folder else name

    def _queue(self, http: Any, nodes: dict[str, Any], watch: Watch) -> str:
        """Hands in the workflow: the job's id."""
        response = self._server.ask(
            lambda: http.post("/prompt", json={"prompt": nodes}),
            watch,
            begins=True,
            accept=frozenset([400]),
        )
        told = self._json(response)
        job = told.get("prompt_id")
        faults = list(_node_faults(told, nodes))
        if response.status_code == 400 or faults or not isinstance(job, str):
            if isinstance(job, str):
                self._cancel(job)  # some outputs were sound, and would be made for nothing
            raise self._server.problem(
                f"does not take the workflow {self._path.name}", words="; ".join(faults)
            )
        return job

    def _await(self, http: Any, job: str, watch: Watch) -> Mapping[str, Any]:
        """The job's record when it has ended; `GeneratorError` if it failed or is gone."""
        missed = 0
        while True:
            told = self._json(self._server.ask(lambda: http.get(f"/history/{quote(job)}"), watch))
            record = told.get(job)
            if isinstance(record, dict):
                ended = cast(dict[str, Any], record)
                self._refuse_failed(ended)
                return ended
            queue = self._json(self._server.ask(lambda: http.get("/queue"), watch))
            # A job that ends between both questions is in neither.
            missed = 0 if any(job in ids for ids in _queued(queue)) else missed + 1
            if missed > 2:
                raise self._server.problem("no longer knows the job: was it restarted or cleared?")
            watch.sleep(self._poll)

    def _refuse_failed(self, record: Mapping[str, Any]) -> None:
        status = record.get("status") or {}
        if status.get("status_str", "success") == "success" and status.get("completed", True):
            return
        for message in reversed(status.get("messages") or []):
            name, told = (*message, {}, {})[:2]
            if name == "execution_interrupted":
                raise self._server.problem("was told by someone to interrupt the job")
            if name == "execution_error":
                where = f"node {told.get('node_id')} ({told.get('node_type')})"
                kind = str(told.get("exception_type", ""))
                words = f"{kind}: {told.get('exception_message', '')}"
                cure = "; ask for a smaller or shorter shot" if "OutOfMemory" in kind else ""
                raise self._server.problem(f"failed in {where}{cure}", words=words)
        raise self._server.problem("failed in the job and does not say why")

    def _outputs(self, record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The files of the clip: one video, or pictures in their order."""
        outputs = cast(Mapping[str, Any], record.get("outputs") or {})
        clip = [node for node, _ in self._workflow.places.get(CLIP, ())]
        nodes = clip or list(outputs)
        films: list[Mapping[str, Any]] = []
        pictures: dict[str, list[Mapping[str, Any]]] = {}
        others: list[str] = []
        for node in nodes:
            for file in _files(outputs.get(node)):
                name = str(file["filename"]).lower()
                if file.get("type") == "temp" and not clip:
                    continue
                if name.endswith(_FILMS):
                    films.append(file)
                elif name.endswith(_PICTURES):
                    pictures.setdefault(node, []).append(file)
                else:
                    others.append(name)
        if len(films) == 1:
            return films
        if films or len(pictures) > 1:
            raise self._server.problem(
                "made more than one clip; give the node that saves the right one the title "
                "`reelwright:clip`"
            )
        if pictures:
            return next(iter(pictures.values()))
        made = f"only {', '.join(others[:3])}" if others else "no file"
        raise self._server.problem(
            f"made {made}; let the workflow save an mp4 (Save Video) or PNG frames (Save Image)"
        )

    def _fetch(
        self, http: Any, files: Sequence[Mapping[str, Any]], request: Request, watch: Watch
    ) -> Fitted:
        what = "the ComfyUI server's clip"
        with tempfile.TemporaryDirectory(prefix="reelwright-") as folder:
            paths: list[Path] = []
            for index, file in enumerate(files):
                at = {name: str(file.get(name, "")) for name in ("filename", "subfolder", "type")}
                response = self._server.ask(lambda at=at: http.get("/view", params=at), watch)
                suffix = ".png" if at["filename"].lower().endswith(_PICTURES) else ".mp4"
                paths.append(Path(folder) / f"{index:06}{suffix}")
                paths[-1].write_bytes(response.content)
            if paths[0].suffix == ".mp4":
                return fitted(paths[0], request, what=what)
            return fitted_pictures(paths, request, what=what)

    def _cancel(self, job: str) -> None:
        """Takes the job from the queue, or interrupts it, without touching those of others."""
        with contextlib.suppress(Exception), self._server.http(None) as http:
            running, waiting = _queued(http.get("/queue").json())
            if job in waiting:
                http.post("/queue", json={"delete": [job]})
                running, _ = _queued(http.get("/queue").json())  # it may have begun meanwhile
            if job in running:
                http.post("/interrupt", json={"prompt_id": job})

    def _json(self, response: Any) -> dict[str, Any]:
        with contextlib.suppress(ValueError, RecursionError):
            told: Any = response.json()
            if isinstance(told, dict):
                return cast(dict[str, Any], told)
        raise self._server.problem(
            "answers with something that is not ComfyUI's; check `generator.outside.url`",
            words=response.text,
        )


def _node_faults(told: Mapping[str, Any], nodes: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a workflow, node by node, as the server says it."""
    faults: Any = told.get("node_errors")
    for key, found in cast(Any, faults).items() if isinstance(faults, dict) else ():
        for fault in found.get("errors") or [{}]:
            kind = found.get("class_type") or nodes.get(key, {}).get("class_type", "")
            said = f"{fault.get('message', '')} {fault.get('details', '')}".strip()
            yield f"node {key} ({kind}): {said}"
    error: Any = told.get("error")
    if not faults and error:
        whole = cast(dict[str, Any], error) if isinstance(error, dict) else {"message": error}
        yield f"{whole.get('message', '')} {whole.get('details', '')}".strip()


def _queued(told: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The ids of the jobs that run, and of those that wait."""

    def ids(name: str) -> list[str]:
        return [str(entry[1]) for entry in told.get(name) or [] if len(entry) > 1]

    return ids("queue_running"), ids("queue_pending")


def _files(output: Any) -> Iterator[Mapping[str, Any]]:
    """The files in a node's output, whatever its kinds are called (`images`, `gifs`, ...)."""
    for listed in cast(dict[str, Any], output or {}).values():
        for file in cast(list[Any], listed) if isinstance(listed, list) else ():
            if isinstance(file, dict) and "filename" in file:
                yield cast(dict[str, Any], file)


def _mp4(frames: Frames, fps: Fraction) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory(prefix="reelwright-") as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, frames, fps=fps, lossless=True)
        return path.read_bytes(), "mp4"


def _png(frames: Frames) -> tuple[bytes, str]:
    held = io.BytesIO()
    Image.fromarray(frames[0]).save(held, "PNG")
    return held.getvalue(), "png"
