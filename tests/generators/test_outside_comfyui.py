"""A ComfyUI server films a workflow: a real server plays back its API, good and bad."""

from __future__ import annotations

import io
import json
import traceback
from collections.abc import Callable
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
from reelwright_core.video import Frames, read_video, write_video
from reelwright_generators import conformance
from reelwright_generators.generator import Control, OnStep, Request, load
from reelwright_generators.outside.comfyui import ComfyGenerator

SECRET = "canary-0123456789"
JOB = "8c2d1f"
ASKED = Request(
    prompt="a red car", size=(32, 16), frames=5, fps=Fraction(8), noise=NoisePlan(level=1, seed=7)
)


def node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


def workflow() -> dict[str, Any]:
    """A video-to-video workflow as ComfyUI exports it."""
    return {
        "1": node("UNETLoader", unet_name="wan2.1.safetensors", weight_dtype="default"),
        "2": node("LoadVideo", "reelwright:sketch", file="draft.mp4"),
        "3": node("CLIPTextEncode", "reelwright:prompt", text="a cat", clip=["1", 0]),
        "4": node("CLIPTextEncode", "reelwright:negative_prompt", text="bad", clip=["1", 0]),
        "5": node("EmptyHunyuanLatentVideo", "size reelwright:width reelwright:height "
                  "reelwright:frames", width=32, height=16, length=5, batch_size=1),
        "6": node("KSampler", "reelwright:seed reelwright:steps reelwright:noise_level",
                  seed=1, steps=20, cfg=6.0, denoise=0.6, model=["1", 0], positive=["3", 0]),
        "7": node("CreateVideo", "reelwright:fps", fps=8.0, images=["6", 0]),
        "8": node("SaveVideo", "reelwright:clip", filename_prefix="video/x", video=["7", 0]),
    }  # fmt: skip


@dataclass
class Comfy:
    """A server that films a workflow of the shape above, and notes what it is asked."""

    server: HTTPServer
    folder: Path
    prompts: list[dict[str, Any]] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    cancels: list[tuple[str, Any]] = field(default_factory=list)
    waits: int = 2
    """How often a job is looked at before it has ended."""
    state: str = "running"
    """Where a job is meanwhile: `running`, `pending`, or nowhere."""
    record: dict[str, Any] = field(default_factory=dict)
    """What replaces parts of a job's history."""
    answers: dict[str, list[Response]] = field(default_factory=dict)
    """Answers that come first, by path."""
    looks: int = 0

    def start(self) -> None:
        self.server.expect_request("/upload/image", method="POST").respond_with_handler(self.upload)
        self.server.expect_request("/prompt", method="POST").respond_with_handler(self.prompt)
        self.server.expect_request(f"/history/{JOB}").respond_with_handler(self.history)
        self.server.expect_request("/queue").respond_with_handler(self.queue)
        self.server.expect_request("/interrupt", method="POST").respond_with_handler(self.interrupt)
        self.server.expect_request("/view").respond_with_handler(self.view)

    def early(self, asked: Asked) -> Response | None:
        self.headers.append(dict(asked.headers))
        waiting = self.answers.get(asked.path)
        return waiting.pop(0) if waiting else None

    def upload(self, asked: Asked) -> Response:
        file = asked.files["image"]
        assert asked.form.to_dict() == {
            "type": "input", "subfolder": "reelwright", "overwrite": "true",
        }  # fmt: skip
        name = str(file.filename)
        self.uploads[f"reelwright/{name}"] = file.read()
        return self.early(asked) or told({"name": name, "subfolder": "reelwright", "type": "input"})

    def prompt(self, asked: Asked) -> Response:
        if early := self.early(asked):
            return early
        self.prompts.append(json.loads(asked.data)["prompt"])
        self.looks = 0
        return told({"prompt_id": JOB, "number": 1, "node_errors": {}})

    def history(self, asked: Asked) -> Response:
        if early := self.early(asked):
            return early
        self.looks += 1
        if self.looks <= self.waits:
            return told({})
        files = [{"filename": "x_00001_.mp4", "subfolder": "video", "type": "output"}]
        record = {
            "prompt": [1, JOB, {}, {}, ["8"]],
            "outputs": {"8": {"images": files, "animated": [True]}},
            "status": {"status_str": "success", "completed": True, "messages": []},
        }
        return told({JOB: record | self.record})

    def queue(self, asked: Asked) -> Response:
        if asked.method == "POST":
            self.cancels.append(("queue", json.loads(asked.data)))
            self.state = ""
            return Response()
        if early := self.early(asked):
            return early
        listed = {f"queue_{state}": [[0, "other", {}, {}, []]] for state in ("running", "pending")}
        if self.state:
            listed[f"queue_{self.state}"].append([1, JOB, {}, {}, ["8"]])
        return told(listed)

    def interrupt(self, asked: Asked) -> Response:
        self.cancels.append(("interrupt", json.loads(asked.data)))
        return Response()

    def film(self) -> Frames:
        """Noise by the seed, mixed with the sketch as the sampler is told."""
        nodes = {key: node["inputs"] for key, node in self.prompts[-1].items()}
        width, height, frames = (nodes["5"][name] for name in ("width", "height", "length"))
        rng = np.random.default_rng([nodes["6"]["seed"], len(nodes["3"]["text"])])
        video = rng.integers(0, 256, (frames, height, width, 3)).astype(np.float32)
        if (kept := 1 - nodes["6"]["denoise"]) > 0:
            path = self.folder / "sketch.mp4"
            path.write_bytes(self.uploads[nodes["2"]["file"]])
            video += (read_video(path) - video) * kept
        return video.astype(np.uint8)

    def view(self, asked: Asked) -> Response:
        if early := self.early(asked):
            return early
        name, film = asked.args["filename"], self.film()
        if name.endswith(".png"):
            held = io.BytesIO()
            Image.fromarray(film[int(name.split("_")[1]) - 1]).save(held, "PNG")
            return Response(held.getvalue(), content_type="image/png")
        assert asked.args["subfolder"] == "video"
        assert asked.args["type"] == "output"
        path = self.folder / "made.mp4"
        fps = Fraction(self.prompts[-1]["7"]["inputs"]["fps"])
        write_video(path, film, fps=fps, lossless=True)
        return Response(path.read_bytes(), content_type="video/mp4")


def told(data: object, status: int = 200) -> Response:
    return Response(json.dumps(data), status=status, content_type="application/json")


@pytest.fixture
def comfy(httpserver: HTTPServer, tmp_path_factory: pytest.TempPathFactory) -> Comfy:
    comfy = Comfy(httpserver, tmp_path_factory.mktemp("comfy"))
    comfy.start()
    return comfy


def generator(comfy: Comfy, flow: object = None, **more: Any) -> ComfyGenerator:
    Path("flow.json").write_text(json.dumps(workflow() if flow is None else flow))
    outside = {"url": comfy.server.url_for("/"), "workflow": "flow.json", **more}
    options = Told.model_validate({"model": "comfyui", "outside": outside})
    assert type(load(options)) is ComfyGenerator
    return ComfyGenerator(options, poll=0.01)


def refused(films: ComfyGenerator, on_step: OnStep | None = None) -> str:
    with pytest.raises(GeneratorError) as caught:
        films.generate(ASKED, on_step)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_a_workflow_conforms(comfy: Comfy) -> None:
    assert conformance.check(generator(comfy)) == []


def test_the_workflow_says_what_it_was_made_for_and_can(comfy: Comfy) -> None:
    facts = generator(comfy).facts()
    assert (facts.name, facts.family) == ("flow", "comfyui")
    assert (facts.size, facts.frames, facts.fps, facts.noise_level) == ((32, 16), 5, 8, 0.6)
    assert facts.can == ["text", "negative_prompt", "sketch", "seeds"]
    bare = {"1": node("X", "reelwright:prompt", text="")}
    assert generator(comfy, bare).facts().can == ["text"]
    assert "marks no `reelwright:width`" in generator(comfy, bare).check(ASKED)[0]


def test_a_request_goes_to_the_places_that_are_marked(
    comfy: Comfy, scene: Callable[..., Frames]
) -> None:
    sketch = scene(seed=2, frames=9, size=(64, 32))
    request = replace(
        ASKED, size=(64, 32), frames=9, fps=Fraction(12), sketch=sketch, negative_prompt="rain",
        noise=NoisePlan(level=0.5, seed=2**35 + 9),
    )  # fmt: skip
    films = generator(comfy, api_key=SECRET)
    made = films.generate(request)
    expected = workflow()
    name = next(iter(comfy.uploads))
    for key, inputs in {
        "2": {"file": name}, "3": {"text": "a red car"}, "4": {"text": "rain"},
        "5": {"width": 64, "height": 32, "length": 9}, "6": {"seed": 9, "denoise": 0.5},
        "7": {"fps": 12.0},
    }.items():  # fmt: skip
        expected[key]["inputs"] |= inputs
    assert comfy.prompts == [expected]
    path = Path("uploaded.mp4")
    path.write_bytes(comfy.uploads[name])
    assert np.array_equal(read_video(path), sketch)
    assert made.frames.shape == (9, 32, 64, 3)
    assert made.provenance["noise"] == {"asked": 0.5, "reached": 0.5}
    assert made.provenance["clip"] == {"frames": 9, "fps": "12", "size": [64, 32]}
    assert {headers.get("Authorization") for headers in comfy.headers} == {f"Bearer {SECRET}"}
    assert SECRET not in json.dumps(made.provenance)
    assert comfy.cancels == []


def test_pictures_first_and_control_are_uploaded(
    comfy: Comfy, scene: Callable[..., Frames]
) -> None:
    flow = workflow()
    flow["2"]["_meta"]["title"] = "reelwright:control_depth=file"
    flow["9"] = node("LoadImage", "reelwright:first_frame", image="x.png")
    films = generator(comfy, flow)
    assert films.facts().needs == ["first_frame", "control"]
    frames = scene(seed=2, frames=5, size=(32, 16))
    control = Control(kind="depth", frames=frames)
    request = replace(ASKED, control=control, first_frame=frames[:1])
    assert films.check(request) == []
    films.generate(request)
    assert comfy.prompts[0]["2"]["inputs"]["file"] in comfy.uploads
    picture = comfy.uploads[comfy.prompts[0]["9"]["inputs"]["image"]]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture))), frames[0])
    with pytest.raises(ModelError, match="along a control video"):
        films.check(replace(request, control=None))
    with pytest.raises(ModelError, match="follows control videos of depth"):
        films.check(replace(request, control=replace(control, kind="edges")))


def test_pictures_in_a_row_are_a_clip(comfy: Comfy) -> None:
    files = [
        {"filename": f"frame_{number:05}_.png", "subfolder": "", "type": "output"}
        for number in range(1, 6)
    ]
    comfy.record = {"outputs": {"8": {"images": files}}}
    made = generator(comfy).generate(ASKED)
    assert np.array_equal(made.frames, comfy.film())


def test_the_only_clip_is_found_without_a_mark(comfy: Comfy) -> None:
    flow = workflow()
    flow["8"]["_meta"]["title"] = "Save"
    preview = {"filename": "p.mp4", "subfolder": "", "type": "temp"}
    clip = {"filename": "x.MP4", "subfolder": "video", "type": "output"}
    comfy.record = {"outputs": {"7": {"images": [preview]}, "8": {"gifs": [clip], "text": ["hi"]}}}
    assert generator(comfy, flow).generate(ASKED).frames.shape == (5, 16, 32, 3)
    comfy.record = {"outputs": {"7": {"images": [clip]}, "8": {"images": [clip]}}}
    assert "more than one clip; give the node" in refused(generator(comfy, flow))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "made no file; let the workflow save an mp4"),
        ([{"filename": "x.webm", "type": "output"}], "made only x.webm; let the workflow save"),
    ],
)
def test_a_job_without_a_clip_is_told(comfy: Comfy, files: list[object], said: str) -> None:
    comfy.record = {"outputs": {"8": {"images": files}}}
    assert said in refused(generator(comfy))


INVALID = {
    "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed "
              "validation", "details": "", "extra_info": {}},
    "node_errors": {"1": {"errors": [{"type": "value_not_in_list", "message": "Value not in list",
                                      "details": "unet_name: 'wan2.1.safetensors' not in []"}],
                          "dependent_outputs": ["8"], "class_type": "UNETLoader"},
                    "5": {"errors": [{"message": "Value too big", "details": "width"}],
                          "class_type": "EmptyHunyuanLatentVideo"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/prompt", told(INVALID, 400), "does not take the workflow flow.json: node 1 "
         "(UNETLoader): Value not in list unet_name: 'wan2.1.safetensors' not in []; node 5 "
         "(EmptyHunyuanLatentVideo): Value too big width"),
        ("/prompt", told({"error": {"type": "missing_node_type", "message": "Node 'X' not found.",
                                    "details": "Node ID '#2'"}, "node_errors": {}}, 400),
         "does not take the workflow flow.json: Node 'X' not found. Node ID '#2'"),
        ("/prompt", told({"error": "no prompt", "node_errors": []}, 400), "flow.json: no prompt"),
        ("/prompt", told({"prompt_id": JOB, "node_errors": INVALID["node_errors"]}),
         "does not take the workflow flow.json: node 1"),
        ("/prompt", Response(f"bad {SECRET}", status=401), "does not accept the key (401): set "
         "REELWRIGHT_GENERATOR__OUTSIDE__API_KEY to a valid one: bad [key]"),
        ("/prompt", Response("<html>hello"), "something that is not ComfyUI's; check"),
        ("/upload/image", Response(status=413), "does not accept files of this size (413)"),
        ("/view", Response(status=404), "does not accept the address or model (404)"),
        ("/view", Response(b"no clip"), "the ComfyUI server's clip cannot be read"),
    ],
)  # fmt: skip
def test_every_refusal_is_one_message(comfy: Comfy, path: str, answer: Response, said: str) -> None:
    comfy.answers = {path: [answer]}
    message = refused(generator(comfy, api_key=SECRET))
    assert said in message
    assert "\n" not in message


def status(name: str, **more: Any) -> dict[str, Any]:
    messages = [["execution_start", {"prompt_id": JOB}], [name, more]]
    return {"outputs": {}, "status": {"status_str": "error", "completed": False,
                                      "messages": messages}}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (status("execution_error", node_id="6", node_type="KSampler",
                exception_type="torch.OutOfMemoryError", exception_message="CUDA out\nof memory"),
         "failed in node 6 (KSampler); ask for a smaller or shorter shot: torch.OutOfMemoryError: "
         "CUDA out of memory"),
        (status("execution_interrupted", node_id="6"), "was told by someone to interrupt the job"),
        (status("execution_cached"), "failed in the job and does not say why"),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_told(comfy: Comfy, record: dict[str, Any], said: str) -> None:
    comfy.record = record
    assert said in refused(generator(comfy))


def test_a_job_that_the_server_has_forgotten_is_told(comfy: Comfy) -> None:
    comfy.waits, comfy.state = 1000, ""
    assert "no longer knows the job" in refused(generator(comfy))


def test_a_server_that_is_busy_is_asked_again(comfy: Comfy) -> None:
    comfy.answers = {
        "/prompt": [told({}, 503)], f"/history/{JOB}": [told({}, 500), told({}, 502)],
        "/view": [told({}, 500)], "/upload/image": [told({}, 500)],
    }  # fmt: skip
    assert generator(comfy).generate(ASKED).frames.shape == (5, 16, 32, 3)
    assert len(comfy.prompts) == 1


class Stop(Exception):
    """What a run raises in `on_step` to stop."""


@pytest.mark.parametrize(
    ("state", "cancels"),
    [
        ("running", [("interrupt", {"prompt_id": JOB})]),
        ("pending", [("queue", {"delete": [JOB]})]),
        ("", []),  # it has just ended: nobody else's job may be interrupted
    ],
)
def test_a_stop_is_passed_on_and_takes_the_job_away(
    comfy: Comfy, state: str, cancels: list[object]
) -> None:
    comfy.waits, comfy.state = 1000, state

    def stop(done: int, steps: int) -> None:
        if comfy.looks > 1:
            raise Stop

    with pytest.raises(Stop):
        generator(comfy).generate(ASKED, stop)
    assert comfy.cancels == cancels


def test_a_job_that_takes_too_long_is_interrupted(comfy: Comfy) -> None:
    comfy.waits = 1000
    assert "the ComfyUI job took longer than 0.5 s" in refused(generator(comfy, timeout=0.5))
    assert comfy.cancels == [("interrupt", {"prompt_id": JOB})]


def test_a_server_that_is_not_there_is_told(comfy: Comfy) -> None:
    said = refused(generator(comfy, url="http://127.0.0.1:9"))
    assert "the ComfyUI server at http://127.0.0.1:9 does not answer: is it running" in said


SAVED = {"nodes": [], "links": [], "version": 0.4}


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "must hold a JSON object of nodes"),
        (json.dumps(SAVED), r"as ComfyUI saves it; export it in API format.*Export \(API\)"),
        (json.dumps({"a": 1}), r"entry 'a' has no `inputs`"),
        (json.dumps({"3": node("X", text="")}), "no node .* gets the prompt.*reelwright:prompt"),
        (json.dumps({"3": node("X", "reelwright:promt", text="")}), "no mark `reelwright:promt`"),
        (json.dumps({"3": node("X", "reelwright:prompt", words="", text=["1", 0])}),
         r"node 3: none of its inputs \(words, text\) is known to take the prompt.*=input"),
        (json.dumps({"3": node("X", "reelwright:prompt=said", words="")}),
         "no input 'said': words"),
        (json.dumps({"3": node("X", "reelwright:prompt=words reelwright:sketch=words", words="")}),
         "nothing says how much of the sketch survives"),
        (json.dumps({"3": node("X", "reelwright:prompt reelwright:clip", text=""),
                     "4": node("X", "reelwright:clip")}),
         "more than one node as `reelwright:clip`"),
    ],
)  # fmt: skip
def test_a_workflow_that_cannot_be_used_is_told(flow: str | None, said: str) -> None:
    if flow is not None:
        Path("flow.json").write_text(flow)
    options = {"model": "comfyui", "outside": {"workflow": "flow.json"}}
    with pytest.raises(ModelError, match=said):
        load(Told.model_validate(options))


def test_settings_that_cannot_work_are_told(comfy: Comfy) -> None:
    with pytest.raises(ModelError, match=r"set it to a JSON file in API format"):
        load(Told.model_validate({"model": "comfyui"}))
    with pytest.raises(SettingsError, match=r"`generator\.outside\.url` is an address"):
        generator(comfy, url="ftp://somewhere")


def test_a_last_frame_or_two_controls_that_cannot_be_given_are_told(comfy: Comfy) -> None:
    flow = {"1": node("X", "reelwright:prompt reelwright:last_frame", text="", image="")}
    with pytest.raises(ModelError, match="needs a last frame, and the shot has none"):
        generator(comfy, flow).check(ASKED)
    marks = "reelwright:prompt reelwright:control_depth=a reelwright:control_edges=b"
    flow = {"1": node("X", marks, text="", a="", b="")}
    control = Control(kind="depth", frames=np.zeros((5, 16, 32, 3), np.uint8))
    with pytest.raises(ModelError, match="depth and edges; a shot has one"):
        generator(comfy, flow).check(replace(ASKED, control=control))


def test_the_identity_follows_workflow_server_and_profile(comfy: Comfy) -> None:
    first = generator(comfy).facts()
    assert generator(comfy, timeout=3, api_key=SECRET).facts() == first
    flow = workflow()
    flow["6"]["inputs"]["cfg"] = 7.0
    Path("profile.json").write_text('{"fps": 24}')
    others = {
        generator(comfy, flow).facts().sha256,
        generator(comfy, url="http://elsewhere:8188").facts().sha256,
        generator(comfy, profile="profile.json").facts().sha256,
    }
    assert len(others | {first.sha256}) == 4
