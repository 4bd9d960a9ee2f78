"""A videos endpoint films: a real server plays back what the API documents, good and bad."""

from __future__ import annotations

import io
import json
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from reelwright_core.errors import GeneratorError, ModelError, SettingsError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames, write_video
from reelwright_generators import conformance
from reelwright_generators.generator import Made, OnStep, Request, load
from reelwright_generators.outside.videos import VideosGenerator

SECRET = "sk-canary-0123456789"
ASKED = Request(
    prompt="a red car", size=(32, 16), frames=8, fps=Fraction(8), noise=NoisePlan(level=1, seed=7)
)
PROFILE: dict[str, Any] = {
    "size": [32, 16], "frames": 8, "fps": 8, "can": ["text", "negative_prompt", "seeds"],
    "fields": {"seed": "{seed}", "negative_prompt": "{negative_prompt}", "num_frames": "{frames}",
               "fps": "{fps}", "num_inference_steps": 30},
}  # fmt: skip


@dataclass
class Endpoint:
    """A server that films noise at 12 frames a second, and notes what it is asked."""

    server: HTTPServer
    folder: Path
    jobs: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    looks: int = 0
    deleted: list[str] = field(default_factory=list)
    states: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"status": "in_progress", "progress": 40}, {"status": "completed", "progress": 100},
        ]
    )  # fmt: skip
    """What each look at a job says; the last one stays."""
    fails: dict[str, list[Response]] = field(default_factory=dict)
    """Answers that come first, by method and place: `POST`, `GET` or `content`."""

    def start(self) -> None:
        self.server.expect_request("/v1/videos", method="POST").respond_with_handler(self.create)
        self.server.expect_request("/v1/videos/video_1").respond_with_handler(self.job)
        self.server.expect_request("/v1/videos/video_1/content").respond_with_handler(self.content)

    def create(self, asked: Asked) -> Response:
        self.headers.append(dict(asked.headers))
        if early := self.fails.get("POST"):
            return early.pop(0)
        self.jobs.append(dict(asked.form))
        self.files.append({name: file.read() for name, file in asked.files.items()})
        self.looks = 0
        return self.told({"status": "queued", "progress": 0})

    def job(self, asked: Asked) -> Response:
        if asked.method == "DELETE":
            self.deleted.append("video_1")
            return self.told({"deleted": True})
        if early := self.fails.get("GET"):
            return early.pop(0)
        self.looks += 1
        return self.told(self.states[min(self.looks, len(self.states)) - 1])

    def content(self, asked: Asked) -> Response:
        if early := self.fails.get("content"):
            return early.pop(0)
        job = self.jobs[-1]
        width, height = (int(side) for side in job["size"].split("x"))
        rng = np.random.default_rng([int(job.get("seed", 0)), len(job["prompt"])])
        video = rng.integers(0, 256, (int(job["seconds"]) * 12, height, width, 3), np.uint8)
        path = self.folder / "made.mp4"
        write_video(path, video, fps=Fraction(12), lossless=True)
        return Response(path.read_bytes(), content_type="video/mp4")

    def told(self, state: dict[str, Any]) -> Response:
        job = {"id": "video_1", "object": "video", "created_at": 1, "model": "sora-2",
               "seconds": "4", "size": "1280x720", **state}  # fmt: skip
        return Response(json.dumps(job), content_type="application/json")


@pytest.fixture
def endpoint(httpserver: HTTPServer, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    endpoint = Endpoint(httpserver, tmp_path_factory.mktemp("endpoint"))
    endpoint.start()
    return endpoint


def videos(endpoint: Endpoint, *, profile: object = None, **more: Any) -> VideosGenerator:
    if profile is not None:
        Path("profile.json").write_text(json.dumps(profile))
        more["profile"] = "profile.json"
    outside = {"url": endpoint.server.url_for("/v1"), "model": "wan-2.2", **more}
    told = Told.model_validate({"model": "videos", "outside": outside})
    assert type(load(told)) is VideosGenerator
    return VideosGenerator(told, poll=0.01)


def error(status: int, code: str = "", message: str = "no", **headers: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message, "type": "x", "param": None}})
    return Response(body, status=status, headers=headers, content_type="application/json")


def refused(generator: VideosGenerator, on_step: OnStep | None = None) -> str:
    """The message of the filming that fails; no key is in it, nor in what led to it."""
    with pytest.raises(GeneratorError) as caught:
        generator.generate(ASKED, on_step)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_an_endpoint_that_takes_seeds_conforms(endpoint: Endpoint) -> None:
    assert conformance.check(videos(endpoint, profile=PROFILE)) == []


def test_an_endpoint_that_takes_none_conforms(endpoint: Endpoint) -> None:
    generator = videos(endpoint, profile={"size": [32, 16], "seconds": [1, 2], "fps": 6})
    assert generator.facts().can == ["text"]
    assert generator.facts().frames == 6
    assert conformance.check(generator) == []


def test_a_job_is_ordered_awaited_and_its_clip_fitted(endpoint: Endpoint) -> None:
    told: list[tuple[int, int]] = []
    generator = videos(endpoint, profile=PROFILE, api_key=SECRET)
    request = replace(ASKED, frames=13, negative_prompt="rain")
    made = generator.generate(request, lambda done, of: told.append((done, of)))
    assert made.frames.shape == (13, 16, 32, 3)
    assert endpoint.jobs == [{
        "prompt": "a red car", "model": "wan-2.2", "seconds": "2", "size": "32x16", "seed": "7",
        "negative_prompt": "rain", "num_frames": "13", "fps": "8", "num_inference_steps": "30",
    }]  # fmt: skip
    assert endpoint.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert [step for step in dict.fromkeys(told) if step[0]] == [(n, 100) for n in range(1, 101)]
    assert made.provenance["clip"] == {"frames": 24, "fps": "12", "size": [32, 16], "cut": 0.375}
    assert made.provenance["ordered"] == {"model": "wan-2.2", "seconds": 2, "size": [32, 16]}
    assert made.provenance["noise"] == {"asked": 1.0, "reached": 1.0}
    assert endpoint.deleted == []
    assert SECRET not in json.dumps(made.provenance) + str(generator.facts())


def test_the_nearest_of_the_sizes_and_lengths_on_offer_is_ordered(endpoint: Endpoint) -> None:
    offer = {"sizes": [[36, 64], [64, 36], [80, 36], [128, 72]], "seconds": [8, 4, 12]}
    generator = videos(endpoint, profile=offer)
    assert (
        "makes 64x36; the clip is scaled to 32x18"
        in generator.check(replace(ASKED, size=(32, 18)))[0]
    )
    made = generator.generate(replace(ASKED, size=(32, 16)))
    assert (endpoint.jobs[0]["size"], endpoint.jobs[0]["seconds"]) == ("80x36", "4")
    assert made.frames.shape == (8, 16, 32, 3)
    assert made.provenance["clip"]["cropped"] == 0.1
    assert generator.check(replace(ASKED, size=(100, 56)))
    with pytest.raises(ModelError, match=r"12 s at most, and 12\.1 s were asked.*film\.frames"):
        generator.check(replace(ASKED, frames=97))
    with pytest.raises(ModelError, match=r"36x64.*16x16.*44%"):
        generator.check(replace(ASKED, size=(16, 16)))


def test_a_first_frame_goes_along_in_the_size_that_is_ordered(endpoint: Endpoint) -> None:
    generator = videos(
        endpoint, profile={"can": ["text", "first_frame"], "sizes": [[64, 32]], "seconds": [1]}
    )
    first: Frames = np.full((1, 16, 32, 3), 200, np.uint8)
    generator.generate(replace(ASKED, first_frame=first))
    with Image.open(io.BytesIO(endpoint.files[0]["input_reference"])) as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((3, 3)) == (200, 200, 200)


def test_a_model_that_films_on_from_a_picture_gets_the_sketch_s_first_frame(
    endpoint: Endpoint,
) -> None:
    generator = videos(endpoint, profile={"can": ["text", "first_frame"], "needs": ["first_frame"]})
    with pytest.raises(ModelError, match="give a first frame or a sketch"):
        generator.check(ASKED)
    sketch: Frames = np.full((8, 16, 32, 3), 90, np.uint8)
    request = replace(ASKED, sketch=sketch, noise=NoisePlan(level=0.5, seed=7))
    made = generator.generate(request)
    assert made.provenance["noise"] == {"asked": 0.5, "reached": 1.0}
    assert made.provenance["first_frame"] == "of the sketch"
    with Image.open(io.BytesIO(endpoint.files[0]["input_reference"])) as picture:
        assert picture.getpixel((3, 3)) == (90, 90, 90)


def test_a_server_that_is_busy_is_asked_again(endpoint: Endpoint) -> None:
    endpoint.fails = {
        "POST": [error(429, **{"Retry-After": "0"}), error(503)],
        "GET": [error(500), error(502), Response("proxy", status=504)],
        "content": [error(503)],
    }
    assert videos(endpoint).generate(ASKED).frames.shape == (8, 16, 32, 3)
    assert len(endpoint.jobs) == 1


def test_what_may_have_begun_a_job_is_not_sent_again(endpoint: Endpoint) -> None:
    endpoint.fails = {"POST": [error(500, message="disk on fire")]}
    said = refused(videos(endpoint))
    assert "failed with 500: disk on fire" in said
    assert len(endpoint.headers) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error(401, "invalid_api_key", f"bad key {SECRET}"),
         "does not accept the key (401): set REELWRIGHT_GENERATOR__OUTSIDE__API_KEY to a valid one "
         "(invalid_api_key): bad key [key]"),
        (error(403), "does not accept this for the key (403): no"),
        (error(404, message="no such model"), "check `generator.outside.url` and "
         "`generator.outside.model`: no such model"),
        (error(400, "invalid_value", "seconds must be 4, 8 or 12"),
         "does not accept the request (400) (invalid_value): seconds must be 4, 8 or 12"),
        (error(400, "moderation_blocked", "blocked by our system"),
         "refuses the prompt or its pictures; reword the shot (moderation_blocked): blocked"),
        (Response('{"detail": "model is loading"}', status=400), "(400): model is loading"),
        (Response("<html>hello</html>", status=200), "no video job; check `generator.outside.url`"),
        (error(429, "insufficient_quota", "all spent"), "(429) (insufficient_quota): all spent"),
    ],
)  # fmt: skip
def test_every_refusal_is_one_message(endpoint: Endpoint, answer: Response, said: str) -> None:
    endpoint.fails = {"POST": [answer]}
    told = refused(videos(endpoint, api_key=SECRET))
    assert told.startswith(f"the videos endpoint at {endpoint.server.url_for('/v1')} ")
    assert said in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"status": "failed", "error": {"code": "moderation_blocked", "message": "not this"}},
         "refuses the prompt or its pictures; reword the shot (moderation_blocked): not this"),
        ({"status": "failed", "error": {"code": "server_error", "message": "out of memory"}},
         "could not film the clip (server_error): out of memory"),
        ({"status": "failed", "error": "worker died"}, "ended the job as 'failed': worker died"),
        ({"status": "cancelled"}, "ended the job as 'cancelled'"),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_told(endpoint: Endpoint, state: dict[str, Any], said: str) -> None:
    endpoint.states = [{"status": "in_progress"}, state]
    assert said in refused(videos(endpoint))
    assert endpoint.deleted == []  # it has ended by itself


def test_a_clip_that_is_none_is_told(endpoint: Endpoint) -> None:
    endpoint.fails = {"content": [Response(b"\0" * 100, content_type="video/mp4")]}
    assert "the videos endpoint's clip cannot be read" in refused(videos(endpoint))


def test_a_job_that_takes_too_long_is_deleted(endpoint: Endpoint) -> None:
    endpoint.states = [{"status": "in_progress", "progress": 3}]
    said = refused(videos(endpoint, timeout=0.3))
    assert "took longer than 0.3 s and was stopped; raise `generator.outside.timeout`" in said
    assert endpoint.deleted == ["video_1"]


class Stop(Exception):
    """What a run raises in `on_step` to stop."""


def test_a_stop_is_passed_on_and_deletes_the_job(endpoint: Endpoint) -> None:
    endpoint.states = [{"status": "queued"}, {"status": "in_progress", "progress": 30}]

    def stop(done: int, steps: int) -> None:
        if done == 30:
            raise Stop

    with pytest.raises(Stop):
        videos(endpoint).generate(ASKED, stop)
    assert endpoint.deleted == ["video_1"]


def test_a_stop_is_heard_while_the_clip_comes_in(
    endpoint: Endpoint, httpserver: HTTPServer
) -> None:
    half, more = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"\0" * 1000
        half.set()
        more.wait(30)
        yield b"\0" * 1000

    endpoint.fails = {"content": [Response(slowly(), content_type="video/mp4")]}

    def stop(done: int, steps: int) -> None:
        if half.is_set():
            more.set()
            raise Stop

    # The server sends the first part, so `stop` is asked with it; then only the end comes.
    threading.Timer(0.5, more.set).start()
    with pytest.raises(Stop):
        videos(endpoint).generate(ASKED, stop)
    more.set()
    assert endpoint.deleted == []  # the job is done and paid for


def test_a_job_that_cannot_be_deleted_hides_no_stop(endpoint: Endpoint) -> None:
    endpoint.states = [{"status": "in_progress", "progress": 30}]

    def stop(done: int, steps: int) -> None:
        if done:
            endpoint.server.clear()  # it knows nothing any more: even a delete is an error
            raise Stop

    with pytest.raises(Stop):
        videos(endpoint).generate(ASKED, stop)
    endpoint.server.clear_assertions()


def test_a_server_that_is_not_there_is_told() -> None:
    told = Told.model_validate({"model": "videos", "outside": {"url": "http://127.0.0.1:9/v1"}})
    said = refused(VideosGenerator(told, poll=0.001))
    assert said == (
        "the videos endpoint at http://127.0.0.1:9/v1 does not answer: is it running, and "
        "`generator.outside.url` right"
    )


@pytest.mark.parametrize(
    ("outside", "said"),
    [
        ({}, r"set it, such as --set generator\.outside\.url="),
        ({"url": "localhost:8000"}, r"`generator\.outside\.url` is an address such as"),
        ({"url": "http://h/v1", "api_key": "two words"}, "blanks or signs that no key has"),
    ],
)
def test_settings_that_cannot_work_are_told(outside: dict[str, str], said: str) -> None:
    with pytest.raises((ModelError, SettingsError), match=said):
        load(Told.model_validate({"model": "videos", "outside": outside}))


def test_the_identity_follows_address_model_and_profile(endpoint: Endpoint) -> None:
    first = videos(endpoint).facts()
    assert videos(endpoint, api_key=SECRET, timeout=3).facts() == first
    others = {
        videos(endpoint, url="http://elsewhere:8000/v1").facts().sha256,
        videos(endpoint, model="wan-2.1").facts().sha256,
        videos(endpoint, profile={"fields": {"guidance_scale": 4}}).facts().sha256,
    }
    assert len(others | {first.sha256}) == 4


def _made(generator: VideosGenerator, out: list[Made]) -> Callable[[], None]:
    return lambda: out.append(generator.generate(ASKED))


def test_one_generator_films_in_several_threads(endpoint: Endpoint) -> None:
    generator, out = videos(endpoint), list[Made]()
    threads = [threading.Thread(target=_made(generator, out)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made.frames.shape for made in out] == [(8, 16, 32, 3)] * 3
