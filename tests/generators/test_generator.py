"""Generators are found, refuse what they cannot do before any work, and film the same each time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators import builtin, conformance
from reelwright_generators.generator import Facts, Generator, Made, OnStep, Request, load, names

ASKED = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)


def _told(folder: Path, **told: object) -> Generator:
    return load(Told.model_validate({"model": str(folder), **told}))


def _python(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, env=os.environ | env, check=False
    )


@pytest.fixture
def sketched(scene: Callable[..., Frames]) -> Request:
    """A request that starts from a sketch."""
    return replace(ASKED, noise=NoisePlan(level=0.6, seed=1), sketch=scene(seed=3))


@pytest.fixture
def broken(tiny: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a tiny model, to be broken."""
    return shutil.copytree(tiny(), tmp_path / "model")


def test_our_own_generators_are_installed() -> None:
    assert {"builtin", "diffusers", "still"} <= set(names())


def test_still_conforms() -> None:
    assert conformance.check(load(Told(model="still"))) == []


@pytest.mark.parametrize("geometry", ["real", "flat"])
@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
def test_a_wan_folder_conforms(tiny: Callable[..., Path], geometry: str, scheduler: str) -> None:
    assert conformance.check(_told(tiny(geometry, scheduler))) == []


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_the_builtin_model_conforms() -> None:
    assert conformance.check(load(Told(model="builtin", steps=4))) == []


def test_conformance_finds_faults() -> None:
    class Careless:
        """A generator that breaks every promise it can."""

        def __init__(self) -> None:
            self._still = load(Told(model="still"))
            self._count = 0

        def facts(self) -> Facts:
            return self._still.facts().model_copy(
                update={"can": ["text", "sketch", "seeds"], "sha256": ""}
            )

        def check(self, request: Request) -> list[str]:
            return []

        def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
            self._count += 1
            sketch = request.sketch if request.noise.level == 1 else None
            made = self._still.generate(replace(request, noise=ASKED.noise, sketch=sketch))
            frames = made.frames[:-1] + np.uint8(self._count)
            return replace(made, frames=frames, provenance={"steps": 3, "bad": {1, 2}})

    faults = "\n".join(conformance.check(Careless()))
    for expected in ("sha256", "does not refuse", "second time", "on_step", "a clip must be",
                     "plain JSON", "provenance['noise']"):  # fmt: skip
        assert expected in faults


def test_the_interface_and_the_judging_of_a_folder_need_no_torch(tiny: Callable[..., Path]) -> None:
    code = (
        "import sys; from reelwright_generators.generator import load;"
        "from reelwright_core.settings import Generator as Told;"
        f"load(Told(model={str(tiny())!r})).facts();"
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    ran = _python("-c", code)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(ModelError, match=r"'buildin'.*builtin.*still.*no folder, and no hub id"):
        load(Told(model="buildin"))
    with pytest.raises(ModelError, match="not the id of a hub model"):
        load(Told(model="a--b/..c"))


def test_a_broken_plug_in_is_an_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cameras-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cameras\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[reelwright.generators]\ncrane = cameras_gone:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "crane" in names()
    with pytest.raises(ModelError, match=r"'crane' \(cameras_gone:make\) cannot be loaded.*still"):
        load(Told(model="crane"))


def _break_index(folder: Path, **changed: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "no `model_index.json`"),
    "broken index": (lambda f: (f / "model_index.json").write_text("{"), "not JSON"),
    "index is a list": (lambda f: (f / "model_index.json").write_text("[]"), "JSON object"),
    "nameless": (lambda f: _break_index(f, _class_name=None), "_class_name"),
    "no vae": (lambda f: shutil.rmtree(f / "vae"), "`vae` is missing"),
    "no config": (lambda f: (f / "vae/config.json").unlink(), "config.json is missing"),
    "no weights": (
        lambda f: (f / "transformer/diffusion_pytorch_model.safetensors").unlink(),
        "`transformer` has no .safetensors weights",
    ),
    "pickled weights": (
        lambda f: (f / "transformer/diffusion_pytorch_model.safetensors").rename(
            f / "transformer/diffusion_pytorch_model.bin"
        ),
        "diffusion_pytorch_model.bin is not loaded",
    ),
    "missing shard": (
        lambda f: (f / "vae/diffusion_pytorch_model.safetensors.index.json").write_text(
            '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
        ),
        "`vae/model-00001-of-00002.safetensors` is missing",
    ),
    "odd configs": (
        lambda f: (f / "transformer/config.json").write_text('{"patch_size": "large"}'),
        "do not fit the family `wan`",
    ),
    "code of its own": (lambda f: _break_index(f, vae=["mine", "Vae"]), "never a model's own code"),
    "no transformer": (lambda f: _break_index(f, transformer=[None, None]), "no `transformer`"),
    "odd profile": (
        lambda f: (f / "reelwright.json").write_text('{"fps": "fast"}'), "`fps`.*'fast'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_folder_says_what_is_wrong(broken: Path, what: str) -> None:
    spoil, message = BREAKS[what]
    spoil(broken)
    with pytest.raises(ModelError, match=message):
        _told(broken)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vae/diffusion_pytorch_model.safetensors", b"no weights"),
        ("tokenizer/tokenizer.json", b"{}"),
        ("scheduler/scheduler_config.json", b'{"_class_name": "DDIMScheduler"}'),
    ],
)
def test_what_shows_only_when_loading_is_one_clear_error(
    broken: Path, file: str, content: bytes
) -> None:
    if file.startswith("scheduler"):
        _break_index(broken, scheduler=["diffusers", "DDIMScheduler"])
    (broken / file).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        _told(broken).generate(ASKED)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_weights_that_lack_a_tensor_are_never_made_up(broken: Path, part: str) -> None:
    (path,) = (broken / part).glob("*.safetensors")
    weights = load_file(path)
    del weights[sorted(weights)[-1]]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"the weights of `{part}` lack "):
        _told(broken).generate(ASKED)


def test_a_missing_hub_model_is_one_line(tmp_path: Path) -> None:
    ran = _python(
        "-m", "reelwright_generators.conformance", "nobody/no-model",
        HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path),
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stdout.startswith("the model 'nobody/no-model' is not on this machine")
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stderr == ""


def test_a_hub_model_is_taken_from_the_cache(tiny: Callable[..., Path], tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub" / "models--some--wan"
    shutil.copytree(tiny(), cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    code = (
        "from reelwright_generators.generator import load;"
        "from reelwright_core.settings import Generator as Told;"
        "facts = load(Told(model='some/wan')).facts(); print(facts.name, facts.revision)"
    )
    ran = _python("-c", code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert ran.stdout.split() == ["some/wan", commit], ran.stderr


def test_facts_come_from_the_profile_and_settings_win(tiny: Callable[..., Path]) -> None:
    facts = _told(tiny()).facts()
    assert (facts.size, facts.frames, facts.fps, facts.steps) == ((64, 32), 9, 8, 8)
    assert (facts.guidance, facts.noise_level, facts.licence) == (2.0, 0.7, "Apache-2.0")
    told = _told(tiny(), steps=5, guidance=0).facts()
    assert (told.steps, told.guidance) == (5, 0)


def test_a_model_without_a_profile_is_taken_for_a_published_wan(broken: Path) -> None:
    (broken / "reelwright.json").unlink()
    facts = _told(broken).facts()
    assert (facts.size, facts.frames, facts.fps, facts.steps) == ((832, 480), 81, 16, 50)


def test_the_sha256_follows_the_weights(broken: Path) -> None:
    before = _told(broken).facts().sha256
    (broken / "README.md").write_text("not part of the model")
    assert _told(broken).facts().sha256 == before
    weights = broken / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert _told(broken).facts().sha256 != before


@pytest.mark.parametrize(
    ("frames", "patch", "filmed"), [(8, (1, 2, 2), 9), (6, (1, 2, 2), 9), (9, (2, 2, 2), 13)]
)
def test_an_unfit_frame_count_is_filmed_longer_and_cut(
    tiny: Callable[..., Path],
    scene: Callable[..., Frames],
    sketched: Request,
    frames: int,
    patch: tuple[int, int, int],
    filmed: int,
) -> None:
    generator = _told(tiny("real", patch=patch))
    request = replace(sketched, frames=frames, sketch=scene(seed=3, frames=frames))
    (warning, *_) = generator.check(request)
    assert f"films {filmed} frames, of which the first {frames} are kept" in warning
    made = generator.generate(request)
    assert made.frames.shape == (frames, 32, 64, 3)
    assert made.provenance["filmed"] == {"size": [64, 32], "frames": filmed}


def test_an_unfit_size_is_filmed_larger_and_cut(
    tiny: Callable[..., Path], scene: Callable[..., Frames], sketched: Request
) -> None:
    generator = _told(tiny())
    request = replace(sketched, size=(60, 26), sketch=scene(seed=3, size=(60, 26)))
    (warning, *_) = generator.check(request)
    assert "sizes in steps of 16x16: 60x26 is filmed as 64x32 and cut" in warning
    made = generator.generate(request)
    assert made.frames.shape == (9, 26, 60, 3)
    assert made.provenance["filmed"] == {"size": [64, 32], "frames": 9}


def test_what_the_model_cannot_reach_is_refused(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="125 frames at most, got 64x32 and 129 frames"):
        _told(tiny("real")).check(replace(ASKED, frames=129))


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 10])
def test_a_flat_model_films_any_frame_count(
    tiny: Callable[..., Path], sketched: Request, scene: Callable[..., Frames], frames: int
) -> None:
    request = replace(sketched, frames=frames, sketch=scene(seed=1, frames=frames))
    assert _told(tiny("flat")).generate(request).frames.shape == (frames, 32, 64, 3)


def test_patches_over_time_fit_the_frames(
    tiny: Callable[..., Path], sketched: Request, scene: Callable[..., Frames]
) -> None:
    generator = _told(tiny("flat", patch=(4, 2, 2)))
    request = replace(sketched, frames=8, sketch=scene(seed=1, frames=8))
    assert generator.generate(request).frames.shape == (8, 32, 64, 3)
    assert "films 12 frames, of which the first 9 are kept" in generator.check(ASKED)[0]


def test_what_a_model_was_not_made_for_is_a_warning(tiny: Callable[..., Path]) -> None:
    generator = _told(tiny())
    assert generator.check(ASKED) == []
    odd = replace(ASKED, size=(96, 32), fps=Fraction(24))
    size, rate = generator.check(odd)
    assert "made for 64x32, not 96x32" in size
    (long,) = generator.check(replace(ASKED, frames=17))
    assert "made for 9 frames; 17 may fall apart" in long
    assert "motion looks 3 times as fast" in rate


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_the_builtin_model_names_words_it_was_never_taught() -> None:
    generator = load(Told(model="builtin"))
    facts = generator.facts()
    request = replace(ASKED, size=facts.size, frames=facts.frames, fps=facts.fps)
    assert generator.check(request) == []
    (warning,) = generator.check(replace(request, prompt="a red qwertzu and a blue asdf"))
    assert warning.endswith("qwertzu, asdf")


def _sha256(generator: Generator, request: Request) -> str:
    return hashlib.sha256(generator.generate(request).frames.tobytes()).hexdigest()


def test_another_process_makes_the_same_bytes(
    tiny: Callable[..., Path], sketched: Request, scene: Callable[..., Frames], tmp_path: Path
) -> None:
    np.save(tmp_path / "sketch.npy", scene(seed=3))
    code = f"""
import hashlib, numpy as np
from fractions import Fraction
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators.generator import Request, load
made = load(Told(model={str(tiny())!r})).generate(Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8),
    noise=NoisePlan(level=0.6, seed=1), sketch=np.load({str(tmp_path / "sketch.npy")!r})))
print(hashlib.sha256(made.frames.tobytes()).hexdigest())
"""
    ran = _python("-c", code)
    assert ran.stdout.strip() == _sha256(_told(tiny()), sketched), ran.stderr
    assert ran.stderr == ""


def test_threads_film_one_after_the_other_with_the_same_bytes(
    tiny: Callable[..., Path], sketched: Request
) -> None:
    generator = _told(tiny())
    requests = [replace(sketched, noise=NoisePlan(level=0.6, seed=seed)) for seed in range(4)]
    alone = [_sha256(generator, request) for request in requests]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(_sha256, [generator] * 4, requests))
    assert together == alone


def test_a_stopped_clip_leaves_the_generator_as_it_was(
    tiny: Callable[..., Path], sketched: Request
) -> None:
    generator = _told(tiny())
    before = _sha256(generator, sketched)

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        generator.generate(sketched, stop)
    assert _sha256(generator, sketched) == before


def test_prompt_guidance_and_negative_prompt_reach_the_model(tiny: Callable[..., Path]) -> None:
    generator = _told(tiny())
    plain = generator.generate(ASKED).frames
    for other in (replace(ASKED, prompt="the beach"), replace(ASKED, negative_prompt="the beach")):
        assert not np.array_equal(generator.generate(other).frames, plain)
    assert not np.array_equal(_told(tiny(), guidance=9).generate(ASKED).frames, plain)


def test_half_precision_films_on_a_cpu(tiny: Callable[..., Path], sketched: Request) -> None:
    made = _told(tiny(), dtype="bfloat16").generate(sketched)
    assert made.provenance["dtype"] == "bfloat16"
    assert made.frames.shape == (9, 32, 64, 3)


def test_a_device_that_is_not_there_is_a_clear_error(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"'cudda' cannot be used"):
        _told(tiny(), device="cudda").generate(ASKED)


def test_nothing_is_printed_or_logged(
    tiny: Callable[..., Path], sketched: Request, capfd: pytest.CaptureFixture[str]
) -> None:
    _told(tiny()).generate(sketched)
    assert capfd.readouterr() == ("", "")
