"""Hub models are fetched once, whole and pinned; what cannot be is one message with the cure."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators.folder import Choice, Fetching, OnFetch, open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.hub import Hub, commits, look, newer, open_extras, open_model, pinned

ASKED = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)
MODEL = "some/wan"
FIRST, SECOND = "a" * 40, "b" * 40
CARD = "---\nlicense: other\nlicense_name: film-1\nlicense_link: https://films.org/1\n---\n# Wan\n"


class Played:
    """A hub that plays back folders: each commit of each model is a folder on this disk."""

    def __init__(self, server: HTTPServer):
        self.url = server.url_for("").rstrip("/")
        self.repos: dict[str, dict[str, Path]] = {}
        self.branches: dict[str, str] = {}
        self.gated: set[str] = set()
        self.tokens: set[str] = set()
        """Those that open gated models."""
        self.got: list[str] = []
        """Files whose content was sent."""
        self.asked: list[str] = []
        self.stall: str | None = None
        """A file of which only the first bytes are sent until `go_on` is set."""
        self.go_on = threading.Event()
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def add(self, model: str, commit: str, folder: Path) -> None:
        self.repos.setdefault(model, {})[commit] = folder
        self.branches[model] = commit

    def _answer(self, request: Asked) -> Response:
        path = request.path.lstrip("/")
        self.asked.append(f"{request.method} {path}")
        if match := re.fullmatch(r"api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path):
            model, what, revision = match[1], match[2], match[3] or "main"
            folder = self._at(model, revision)
            if isinstance(folder, Response):
                return folder
            if what == "tree":
                return _json([_tree(name, file) for name, file in _files(folder)])
            siblings = [
                {"rfilename": name, "size": file.stat().st_size} for name, file in _files(folder)
            ]
            sha = self.branches[model] if revision == "main" else revision
            return _json({"id": model, "sha": sha, "siblings": siblings, "tags": []})
        match = re.fullmatch(r"([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is None:
            return _refused(404, "EntryNotFound")
        model, revision, name = match.groups()
        folder = self._at(model, revision)
        if isinstance(folder, Response):
            return folder
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if model in self.gated and bearer not in self.tokens:
            return _refused(403 if bearer else 401, "GatedRepo")
        if not (folder / name).is_file():
            return _refused(404, "EntryNotFound")
        sha = self.branches[model] if revision == "main" else revision
        content = (folder / name).read_bytes()
        head = {"ETag": f'"{_etag(folder / name)}"', "X-Repo-Commit": sha}
        if request.method == "GET":
            self.got.append(name)
        if request.method == "GET" and name == self.stall:
            size = {"Content-Length": str(len(content))}
            return Response(self._slowly(content), headers=head | size)
        return Response(content, headers=head)

    def _slowly(self, content: bytes) -> Iterator[bytes]:
        yield content[: len(content) // 2]
        self.go_on.wait(60)
        yield content[len(content) // 2 :]

    def _at(self, model: str, revision: str) -> Path | Response:
        if model not in self.repos:
            return _refused(401, "RepoNotFound")
        commit = self.branches[model] if revision == "main" else revision
        if commit not in self.repos[model]:
            return _refused(404, "RevisionNotFound")
        return self.repos[model][commit]


def _files(folder: Path) -> list[tuple[str, Path]]:
    every = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [(file.relative_to(folder).as_posix(), file) for file in every]


def _tree(name: str, file: Path) -> dict[str, object]:
    told: dict[str, object] = {
        "type": "file", "path": name, "size": file.stat().st_size, "oid": _etag(file)[:40],
    }  # fmt: skip
    if file.suffix == ".safetensors":
        told["lfs"] = {"oid": _etag(file), "size": file.stat().st_size, "pointerSize": 100}
    return told


def _etag(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _json(data: object) -> Response:
    return Response(json.dumps(data), mimetype="application/json")


def _refused(status: int, code: str) -> Response:
    return Response("", status, headers={"X-Error-Code": code, "X-Error-Message": "no"})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    """The suite forbids the hub's library all fetching; this one is on this machine."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HTTPServer(threaded=True) as server:
        yield Played(server)


@pytest.fixture
def wan(tiny: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a tiny model as its author's folder, with a card and things nobody needs."""
    folder = shutil.copytree(tiny(), tmp_path / "author")
    profile = json.loads((folder / "reelwright.json").read_text())
    del profile["licence"]
    (folder / "reelwright.json").write_text(json.dumps(profile))
    (folder / "README.md").write_text(CARD)
    (folder / "wan-single-file.safetensors").write_bytes(b"\0" * 5000)
    (folder / "transformer" / "modeling.py").write_text("raise SystemExit('never run')")
    (folder / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    return folder


def _asking(
    hub: Played, cache: Path, *, free: int = 10**12, on_fetch: OnFetch | None = None
) -> Hub:
    return Hub(endpoint=hub.url, cache=cache, free=lambda path: free, on_fetch=on_fetch)


def _tiny_sizes(folder: Path) -> int:
    return sum(file.stat().st_size for _, file in _files(folder))


def test_a_model_is_fetched_once_and_only_what_it_is_loaded_from(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    hub.add(MODEL, FIRST, wan)
    told: list[Fetching] = []
    folder = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path, on_fetch=told.append))
    assert folder.revision == FIRST
    assert folder.profile.licence == "film-1 (https://films.org/1)"
    assert folder.sha256() == open_folder(wan, name=MODEL).sha256()
    there = {name for name, _ in _files(folder.path)}
    assert there == {name for name, _ in _files(wan)} - {
        "wan-single-file.safetensors",
        "transformer/modeling.py",
        "transformer/diffusion_pytorch_model.bin",
    }
    assert len(hub.got) == len(set(hub.got))
    assert told[-1].done == told[-1].total > 0
    assert [each.done for each in told] == sorted(each.done for each in told)
    hub.asked.clear()
    again = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert again == folder
    assert hub.asked == []


def test_a_branch_that_moves_on_is_not_followed_even_if_files_lack(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    hub.add(MODEL, FIRST, wan)
    before = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    newer = shutil.copytree(wan, tmp_path / "newer")
    (newer / "scheduler" / "scheduler_config.json").write_text("{}")
    hub.add(MODEL, SECOND, newer)
    assert open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path)).revision == FIRST
    (before.path / "vae" / "config.json").unlink()
    after = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert (after.revision, after.sha256()) == (FIRST, before.sha256())
    moved = open_model(MODEL, Told(model=MODEL, revision=SECOND), _asking(hub, tmp_path))
    assert moved.revision == SECOND


def test_a_run_keeps_its_commits(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    hub.add("some/vae", SECOND, wan / "vae")
    told = Told(model=MODEL, parts=("vae=some/vae",))
    open_model(MODEL, told, _asking(hub, tmp_path))
    kept = commits(told, _asking(hub, tmp_path))
    assert kept == {f"{MODEL}@main": FIRST, "some/vae@main": SECOND}
    again = pinned(told, kept)
    assert (again.revision, again.parts) == (FIRST, (f"vae=some/vae@{SECOND}",))
    other = Told(model=MODEL, revision="v2")
    assert pinned(other, kept) == other


@pytest.mark.parametrize(
    ("model", "revision", "message"),
    [
        ("no/where", None, "there is no model 'no/where'.*private.*check the id"),
        (MODEL, "v9", "has no revision 'v9'; a revision is a branch, a tag or a commit"),
        ("some/gated", None, "not open to everyone.*ask for access on .*/some/gated.*`HF_TOKEN`"),
        ("some/single", None, "no `model_index.json`.*wan.ckpt.*-Diffusers"),
        ("a--b/..c", None, "not the id of a hub model"),
    ],
)
def test_what_cannot_be_fetched_says_the_cure(
    hub: Played, wan: Path, tmp_path: Path, model: str, revision: str | None, message: str
) -> None:
    hub.add(MODEL, FIRST, wan)
    hub.add("some/gated", FIRST, wan)
    hub.gated.add("some/gated")
    single = tmp_path / "single"
    single.mkdir()
    (single / "wan.ckpt").write_bytes(b"pickle")
    hub.add("some/single", FIRST, single)
    with pytest.raises(ModelError, match=message) as caught:
        open_model(model, Told(model=model, revision=revision), _asking(hub, tmp_path))
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_one_line(hub: Played, tmp_path: Path) -> None:
    nowhere = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    with pytest.raises(ModelError, match=r"could not be fetched .*check the id and the network"):
        open_model(MODEL, Told(model=MODEL), nowhere)


def test_a_full_disk_is_refused_before_any_weights_come(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    hub.add(MODEL, FIRST, wan)
    with pytest.raises(ModelError, match=r"needs 0.0 GB more .* 1 GB are to stay free.*`HF_HOME`"):
        open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path, free=10**9))
    assert not any(name.endswith(".safetensors") for name in hub.got)
    spare = 10**9 + _tiny_sizes(wan)
    open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path, free=spare))


def _pickle(folder: Path) -> Path:
    """Turns the transformer's weights into the pickled file that old repositories have."""
    import torch
    from safetensors.torch import load_file

    part = folder / "transformer"
    weights = load_file(part / "diffusion_pytorch_model.safetensors")
    torch.save(weights, part / "diffusion_pytorch_model.bin")
    (part / "diffusion_pytorch_model.safetensors").unlink()
    return folder


def test_pickled_weights_are_refused_unless_allowed_by_name(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    hub.add(MODEL, FIRST, _pickle(wan))
    file = "transformer/diffusion_pytorch_model.bin"
    with pytest.raises(ModelError, match=f"can run code.*`generator.pickle={file}`"):
        open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert not any(name.endswith((".bin", ".safetensors")) for name in hub.got)
    other = Told(model=MODEL, pickle=("vae/diffusion_pytorch_model.bin",))
    with pytest.raises(ModelError, match="can run code"):
        open_model(MODEL, other, _asking(hub, tmp_path))
    folder = open_model(MODEL, Told(model=MODEL, pickle=(file,)), _asking(hub, tmp_path))
    assert folder.pickled == (file,)
    assert folder.record()["pickled"] == [file]
    assert folder.loads("transformer")["use_safetensors"] is False
    assert folder.loads("vae")["use_safetensors"] is True


def test_code_in_a_pickle_that_was_allowed_still_does_not_run(wan: Path, tmp_path: Path) -> None:
    import pickle

    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "run",))

    _pickle(wan)
    file = wan / "transformer" / "diffusion_pytorch_model.bin"
    file.write_bytes(pickle.dumps(Evil()))
    choice = Choice(pickle=("transformer/diffusion_pytorch_model.bin",))
    folder = open_folder(wan, name="wan", choice=choice)
    with pytest.raises(OSError, match="Unable to load weights"):
        WanTransformer3DModel.from_pretrained(
            folder.folder("transformer"), **folder.loads("transformer")
        )
    assert not (tmp_path / "run").exists()


def test_a_clip_says_that_its_weights_were_pickled(
    wan: Path, tmp_path: Path, tiny: Callable[..., Path]
) -> None:
    request = ASKED
    plain = load(Told(model=str(wan))).generate(request)
    _pickle(wan)
    vae = shutil.move(wan / "vae", tmp_path / "vae-of-another")
    told = Told(
        model=str(wan),
        pickle=("transformer/diffusion_pytorch_model.bin",),
        parts=(f"vae={vae}",),
    )
    made = load(told).generate(request)
    assert np.array_equal(made.frames, plain.frames)
    assert made.provenance["pickled"] == ["transformer/diffusion_pytorch_model.bin"]
    assert made.provenance["parts"] == {"vae": "vae-of-another"}
    assert made.provenance["licence"] == "film-1 (https://films.org/1)"


def _halve(folder: Path, part: str, *, keep: bool, shards: bool = False) -> None:
    """Writes the weights of a part in half precision, as `save_pretrained` names them."""
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    whole = folder / part / "diffusion_pytorch_model.safetensors"
    model: Any = WanTransformer3DModel.from_pretrained(folder / part)
    model.half()
    model.save_pretrained(
        folder / part, variant="fp16", max_shard_size="10KB" if shards else "10GB"
    )
    if not keep:
        whole.unlink()


@pytest.mark.parametrize("shards", [False, True])
def test_half_precision_alone_is_fetched_and_loads(
    hub: Played, wan: Path, tmp_path: Path, shards: bool
) -> None:
    from diffusers.pipelines.wan.pipeline_wan import WanPipeline

    _halve(wan, "transformer", keep=False, shards=shards)
    hub.add(MODEL, FIRST, wan)
    folder = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert folder.variant == "fp16"
    assert len(folder.weights["transformer"]) > 1 if shards else True
    assert folder.loads("transformer")["variant"] == "fp16"
    assert folder.loads("vae")["variant"] is None
    pipe = WanPipeline.from_pretrained(
        folder.path, variant=folder.variant, use_safetensors=True, local_files_only=True
    )
    assert not any(value.is_meta for value in pipe.transformer.parameters())


def test_of_weights_side_by_side_one_is_fetched(hub: Played, wan: Path, tmp_path: Path) -> None:
    _halve(wan, "transformer", keep=True)
    hub.add(MODEL, FIRST, wan)
    half, plain = "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"
    folder = open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert (folder.weights["transformer"], folder.variant) == ((plain,), None)
    assert f"transformer/{half}" not in hub.got
    told = Told(model=MODEL, variant="fp16")
    other = open_model(MODEL, told, _asking(hub, tmp_path))
    assert (other.weights["transformer"], other.variant) == ((half,), "fp16")
    assert other.weights["vae"] == (plain,)
    assert other.sha256() != folder.sha256()
    with pytest.raises(ModelError, match="no weights of the variant 'fp8'; it has: fp16"):
        open_model(MODEL, Told(model=MODEL, variant="fp8"), _asking(hub, tmp_path))


def test_a_part_from_elsewhere_goes_before_the_models_own(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(wan / "vae", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"latents_mean": [0.5]}))
    shutil.rmtree(wan / "vae")
    hub.add(MODEL, FIRST, wan)
    hub.add("some/vae", SECOND, other)
    told = Told(model=MODEL, parts=("vae=some/vae",))
    folder = open_model(MODEL, told, _asking(hub, tmp_path))
    assert folder.sources == {"vae": f"some/vae@{SECOND}"}
    assert folder.folder("vae").is_relative_to(tmp_path / "models--some--vae")
    assert folder.config("vae")["latents_mean"] == [0.5]
    assert folder.parts["vae"] == "AutoencoderKLWan"
    hub.asked.clear()
    assert open_model(MODEL, told, _asking(hub, tmp_path)) == folder
    assert hub.asked == []
    (folder.folder("vae") / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no `vae`"):
        open_folder(wan, name="wan", extras={"vae": (folder.folder("vae"), "some/vae")})


def test_a_part_comes_out_of_a_whole_model_too(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    told = Told(model=str(wan), parts=(f"transformer={MODEL}@{FIRST}", f"vae={wan}"))
    extras = open_extras(told, _asking(hub, tmp_path))
    assert extras["transformer"][0].name == "transformer"
    assert extras["transformer"][1] == f"{MODEL}@{FIRST}"
    assert extras["vae"][0] == wan / "vae"
    assert not any(name.startswith("vae/") for name in hub.got)
    hub.asked.clear()
    assert open_extras(told, _asking(hub, tmp_path)) == extras
    assert hub.asked == []


@pytest.mark.parametrize("given", ["vae", "vae=", "=some/vae", "v-a=some/vae", "vae=nothing"])
def test_a_part_that_is_not_written_so_is_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"PART=SOURCE|no folder, and no hub id"):
        open_extras(Told(parts=(given,)), Hub(cache=tmp_path))


FACTS = """
from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.generator import load
try:
    facts = load(Told(model='some/wan')).facts()
    print(facts.revision, facts.licence)
except ModelError as error:
    print(error)
"""


def _python(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "0"} | env,
        check=False,
    )


def test_the_ecosystems_variables_count(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    hub.gated.add(MODEL)
    hub.tokens.add("hf_key")
    here = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    closed = _python("-c", FACTS, **here, HF_TOKEN="hf_wrong")
    assert "the token here (`HF_TOKEN`) is not enough" in closed.stdout, closed.stderr
    assert "hf_wrong" not in closed.stdout + closed.stderr
    offline = _python("-c", FACTS, **here, HF_HUB_OFFLINE="1")
    assert "`HF_HUB_OFFLINE` forbids" in offline.stdout, offline.stderr
    opened = _python("-c", FACTS, **here, HF_TOKEN="hf_key")
    expected = [FIRST, "film-1", "(https://films.org/1)"]
    assert opened.stdout.split() == expected, opened.stderr
    assert opened.stderr == ""
    hub.asked.clear()
    again = _python("-c", FACTS, **here, HF_HUB_OFFLINE="1")
    assert again.stdout.split() == expected, again.stderr
    assert hub.asked == []


INTERRUPTED = """
import signal, sys
def stop(number, frame):
    print("stopping", flush=True)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, stop)
"""


def test_a_stopped_fetch_goes_on_with_the_next_file(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    hub.stall = "transformer/diffusion_pytorch_model.safetensors"
    here = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    cached = tmp_path / "home/hub/models--some--wan/snapshots" / FIRST
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED + FACTS],
        env=os.environ | here,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        others = [name for name in _wanted(wan) if name != hub.stall]
        while not (hub.stall in hub.got and all((cached / name).exists() for name in others)):
            assert process.poll() is None
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping\n"
        threading.Event().wait(0.2)
        hub.go_on.set()
        assert process.wait(60) != 0
    assert not (cached / hub.stall).exists()
    hub.got.clear()
    done = _python("-c", FACTS, **here)
    assert done.stdout.split()[0] == FIRST, done.stderr
    assert hub.got == [hub.stall]


def test_a_look_fetches_no_weights(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    asking = _asking(hub, tmp_path, free=5)
    seen = look(Told(model=MODEL), asking)
    cached = tmp_path / "models--some--wan" / "snapshots" / FIRST
    assert not list(cached.rglob("*.safetensors"))
    assert seen.free == 5
    assert seen.folder.profile.licence == "film-1 (https://films.org/1)"
    here = look(Told(model=str(wan)), asking)
    assert here.fetches == 0
    assert {part: each.parameters for part, each in seen.model.parts.items()} == {
        part: each.parameters for part, each in here.model.parts.items()
    }
    lacking = [wan / name for name in _wanted(wan) if not (cached / name).exists()]
    assert seen.fetches == sum(file.stat().st_size for file in lacking)
    open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert look(Told(model=MODEL), asking).fetches == 0


def test_a_branch_that_moved_on_is_told(hub: Played, wan: Path, tmp_path: Path) -> None:
    hub.add(MODEL, FIRST, wan)
    assert newer(MODEL, None, _asking(hub, tmp_path)) is None
    open_model(MODEL, Told(model=MODEL), _asking(hub, tmp_path))
    assert newer(MODEL, None, _asking(hub, tmp_path)) is None
    hub.add(MODEL, SECOND, wan)
    assert newer(MODEL, None, _asking(hub, tmp_path)) == (FIRST, SECOND)


@pytest.mark.long
def test_a_film_shows_licence_and_progress_and_is_resumed_with_its_commit(
    hub: Played, wan: Path, tmp_path: Path
) -> None:
    hub.add(MODEL, FIRST, wan)
    (tmp_path / "beach.txt").write_text("A red car drives from left to right along a beach.\n")
    here = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}

    def reelwright(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reelwright", *arguments],
            cwd=tmp_path, capture_output=True, text=True, env=os.environ | here,
        )  # fmt: skip

    sets = [f"generator.model={MODEL}", "generator.steps=2", "takes.max=1", "critic.threshold=0"]
    asked = [word for each in sets for word in ("--set", each)]
    made = reelwright("film", "beach.txt", "--out", "run", *asked)
    assert made.returncode == 0, made.stderr
    assert re.search(r"^fetches some/wan: 0\.00 of \d", made.stderr, re.M)
    shown = f"films with some/wan at {FIRST[:12]}, licence: film-1 (https://films.org/1)"
    assert made.stderr.count(shown) == 1
    assert f"some/wan@main: {FIRST}" in (tmp_path / "run" / "run.yaml").read_text()
    provenance = json.loads(next((tmp_path / "run").glob("shots/*/*/provenance.json")).read_text())
    assert provenance["revision"] == FIRST
    assert provenance["licence"] == "film-1 (https://films.org/1)"
    # Another program moves the cache's branch on; the run goes on with the commit it began with.
    hub.add(MODEL, SECOND, wan)
    other = {**here, "MODEL": MODEL}
    code = "from huggingface_hub import snapshot_download; snapshot_download('some/wan')"
    assert _python("-c", code, **other).returncode == 0
    again = reelwright("resume", "run")
    assert again.returncode == 0, again.stderr
    assert shown in again.stderr


def _wanted(folder: Path) -> list[str]:
    return [
        name
        for name, _ in _files(folder)
        if not name.endswith((".py", ".bin")) and not name.startswith("wan-single")
    ]
