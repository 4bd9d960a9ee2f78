"""A server with OpenAI's videos API: a job is created, looked at, and its clip is fetched."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from reelwright_core.errors import GeneratorError, ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.video import Frames
from reelwright_generators.generator import Capability, Facts, Made, OnStep, Request
from reelwright_generators.outside.clips import crop, fitted, refuse_crop
from reelwright_generators.outside.profile import (
    Value,
    checked,
    facts_of,
    filled,
    first_frame_of,
    open_profile,
    places,
    provenance,
    values,
)
from reelwright_generators.outside.server import Server
from reelwright_generators.outside.watch import Watch

_SIZE = (1280, 720)
_FPS = Fraction(24)
_SECONDS = 4
_STEPS = 100
"""A job tells how far it is in hundredths."""

_DONE = ("completed", "succeeded")
_FAILED = ("failed", "cancelled", "canceled", "expired", "error")


class _Problem(BaseModel):
    code: str | int | None = None
    message: str | None = None


class _Job(BaseModel):
    """What of a job is looked at; the rest is the server's own."""

    model_config = ConfigDict(extra="ignore")

    id: str
    status: str = "queued"
    progress: float | None = None
    error: _Problem | str | None = None


def videos(told: Told) -> VideosGenerator:
    """The generator of the videos endpoint in the settings."""
    return VideosGenerator(told)


class VideosGenerator:
    """Films by jobs of a videos endpoint, one for each clip."""

    def __init__(self, told: Told, *, poll: float = 2.0):
        """Raises `ModelError` or `SettingsError` for settings that cannot work.

        `poll` is the seconds between two looks at a job.
        """
        outside = told.outside
        if not outside.url:
            raise ModelError(
                "the generator `videos` films at `generator.outside.url`: set it, such as "
                "--set generator.outside.url=http://localhost:8000/v1"
            )
        self._told = told
        self._poll = poll
        self._profile = open_profile(told)
        self._server = Server(outside, url=outside.url, what="the videos endpoint", poll=poll)

    def facts(self) -> Facts:
        """What this endpoint is, by its address, model and profile."""
        profile, model = self._profile, self._told.outside.model
        named = {name for field in profile.fields.values() for name in places(str(field))}
        also: list[Capability] = ["negative_prompt"] if "negative_prompt" in named else []
        fps = profile.fps or _FPS
        seconds = profile.seconds[0] if profile.seconds else _SECONDS
        size = profile.size or (profile.sizes[0] if profile.sizes else _SIZE)
        frames = profile.frames or math.floor(seconds * fps)
        return facts_of(
            profile.model_copy(update={"size": size, "fps": fps, "frames": frames}),
            self._told,
            family="videos",
            name=model or "videos",
            can=["text", *also],
            decides={"endpoint": self._server.address, "model": model},
            steps=_STEPS,
        )

    def check(self, request: Request) -> list[str]:
        """Warns of what the endpoint is not told; `ModelError` for what it cannot film."""
        warnings = checked(request, self.facts())
        self._seconds(request)
        size = self._size(request)
        refuse_crop(size, request.size, what="what the videos endpoint makes")
        if size != request.size:
            warnings.append(
                f"the videos endpoint makes {size[0]}x{size[1]}; the clip is scaled to "
                f"{request.size[0]}x{request.size[1]}"
            )
        return warnings

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`; a job that is not awaited to its end is deleted at the server."""
        self.check(request)
        facts = self.facts()
        watch = Watch(
            on_step, what="the videos endpoint's job", seconds=self._told.outside.timeout,
            steps=_STEPS,
        )  # fmt: skip
        with self._server.http(watch) as http, self._client(http) as client:
            job = self._job(
                self._server.ask(lambda: self._create(client, request, facts), watch, begins=True)
            )
            try:
                job = self._await(client, job, watch)
            except BaseException:
                self._delete(job)
                raise
            if job.status in _FAILED:
                raise self._failed(job)
            path = f"/videos/{quote(job.id, safe='')}/content"
            content = self._server.ask(lambda: _get(client, path), watch).content
        with tempfile.TemporaryDirectory(prefix="reelwright-") as folder:
            clip = Path(folder) / "clip.mp4"
            clip.write_bytes(content)
            fit = fitted(clip, request, what="the videos endpoint's clip")
        steps = watch.finish()
        width, height = self._size(request)
        asked = {"model": self._told.outside.model, "seconds": self._seconds(request),
                 "size": [width, height]}  # fmt: skip
        return Made(
            frames=fit.frames,
            provenance={
                **provenance(facts, request, steps=steps), "ordered": asked, "clip": fit.said,
            },
            seconds=watch.spent,
        )  # fmt: skip

    def _client(self, http: Any) -> Any:
        import openai

        return openai.OpenAI(
            base_url=self._server.url,
            api_key=self._server.key or "none",
            max_retries=0,
            http_client=http,
        )

    def _create(self, client: Any, request: Request, facts: Facts) -> Any:
        # By the path, since `client.videos` knows only OpenAI's own sizes and lengths, and
        # warns with every call that OpenAI's own service ends.
        import httpx2

        found = values(request, self._profile, self._told)
        width, height = self._size(request)
        body: dict[str, Value] = {
            "prompt": request.prompt,
            "seconds": str(self._seconds(request)),
            "size": f"{width}x{height}",
        }
        if self._told.outside.model:
            body["model"] = self._told.outside.model
        for name, value in self._profile.fields.items():
            body[name] = filled(value, found) if isinstance(value, str) else value
        files = {}
        if (first := first_frame_of(request, facts)) is not None:
            files["input_reference"] = (
                "first_frame.png",
                _png(first, (width, height)),
            )
        return client.post(
            "/videos",
            cast_to=httpx2.Response,
            body=body,
            files=files or None,
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )

    def _await(self, client: Any, job: _Job, watch: Watch) -> _Job:
        """The job when it has ended, well or not."""
        path = f"/videos/{quote(job.id, safe='')}"
        while job.status not in (*_DONE, *_FAILED):
            watch.reach(min(int(job.progress or 0), _STEPS - 1))
            watch.sleep(self._poll)
            job = self._job(self._server.ask(lambda: _get(client, path), watch))
        return job

    def _failed(self, job: _Job) -> GeneratorError:
        error = job.error
        if isinstance(error, _Problem):
            return self._server.problem(
                "could not film the clip", code=str(error.code or ""), words=error.message or ""
            )
        return self._server.problem(f"ended the job as {job.status!r}", words=error or "")

    def _delete(self, job: _Job) -> None:
        """Asks once to end the job; there is nobody to tell if it cannot be."""
        with contextlib.suppress(Exception), self._server.http(None) as http:
            http.delete(f"/videos/{quote(job.id, safe='')}")

    def _job(self, response: Any) -> _Job:
        try:
            return _Job.model_validate_json(response.content)
        except ValidationError:
            raise self._server.problem(
                "answers with something that is no video job; check `generator.outside.url`, "
                "which usually ends in /v1", words=response.text
            ) from None  # fmt: skip

    def _seconds(self, request: Request) -> int:
        """The length to order: the shortest that the endpoint offers and that is enough."""
        needed = request.frames / request.fps
        if not self._profile.seconds:
            return max(1, math.ceil(needed))
        enough = [seconds for seconds in sorted(self._profile.seconds) if seconds >= needed]
        if not enough:
            raise ModelError(
                f"the videos endpoint makes clips of {max(self._profile.seconds)} s at most, and "
                f"{float(needed):.3g} s were asked; set `film.frames` to fewer frames"
            )
        return enough[0]

    def _size(self, request: Request) -> tuple[int, int]:
        """The size to order: the one nearest in shape that is large enough."""
        asked = request.size

        def fit(size: tuple[int, int]) -> tuple[Fraction, bool, int]:
            area = size[0] * size[1]
            small = area < asked[0] * asked[1]
            return crop(size, asked), small, -area if small else area

        return min(self._profile.sizes, key=fit, default=asked)


def _get(client: Any, path: str) -> Any:
    import httpx2

    return client.get(path, cast_to=httpx2.Response, options={"headers": {"Accept": "*/*"}})


def _png(frames: Frames, size: tuple[int, int]) -> bytes:
    """A first frame as the endpoint wants it: in the size of the video that is ordered."""
    picture = Image.fromarray(frames[0])
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()
