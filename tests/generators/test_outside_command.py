"""A command films: what it is given, what it may do wrong, and that nothing of it outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.errors import GeneratorError, ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames, read_video
from reelwright_generators import conformance
from reelwright_generators.generator import Control, Lora, Reference, Request, load
from reelwright_generators.outside import command as module
from reelwright_generators.outside.command import last_words

SECRET = "canary-0123456789"
ASKED = Request(
    prompt="a red car", size=(32, 16), frames=5, fps=Fraction(8), noise=NoisePlan(level=1, seed=7)
)

START = """
import json, os, signal, subprocess, sys, time
from fractions import Fraction
from pathlib import Path
import numpy as np
from reelwright_core.video import read_video, write_video

request = json.loads(Path(sys.argv[1]).read_text())
size = request["width"], request["height"]

def film(frames=request["frames"], size=size, fps=Fraction(*request["fps_exact"])):
    rng = np.random.default_rng([request["seed"], len(request["prompt"])])
    video = rng.integers(0, 256, (frames, size[1], size[0], 3)).astype(np.float32)
    if request["sketch"]:
        sketch = read_video(Path(request["sketch"]))
        video += (sketch - video) * (1 - request["noise_level"])
    write_video(Path(request["clip"]), video.astype(np.uint8), fps=fps, lossless=True)
"""
GOOD = """
for step in range(1, 5):
    print(f"denoising step {step}/4", flush=True)
film()
"""
PROFILE: dict[str, Any] = {
    "name": "filmer", "size": [32, 16], "frames": 5, "fps": 8, "noise_level": 0.6,
    "can": ["text", "sketch", "negative_prompt", "seeds"], "licence": "MIT",
}  # fmt: skip


def told(
    script: str = GOOD, *, words: str = "{request}", profile: object = None, **more: Any
) -> Told:
    """Settings for a real script in the test's own folder."""
    Path("film.py").write_text(START + script)
    if profile is not None:
        Path("profile.json").write_text(json.dumps(profile))
        more["profile"] = "profile.json"
    line = f"{shlex.quote(sys.executable)} film.py {words}"
    return Told.model_validate({"model": "command", "outside": {"command": line, **more}})


def alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Waits until a process that was killed is gone."""
    for _ in range(500):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def written(path: str) -> int:
    """The number in a file, once a script has written it."""
    for _ in range(1000):
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(Path(path).read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def test_a_command_conforms() -> None:
    assert conformance.check(load(told(profile=PROFILE))) == []


def test_a_command_that_promises_nothing_conforms() -> None:
    """Its clips differ each time, and it never looks at a sketch."""
    profile = {"size": [32, 16], "frames": 5, "fps": 8}
    generator = load(told("request['seed'] = time.time_ns()\nfilm()\n", profile=profile))
    assert generator.facts().can == ["text"]
    assert conformance.check(generator) == []


def test_the_request_says_everything(scene: Callable[..., Frames]) -> None:
    keep = "import shutil; shutil.copytree(Path(sys.argv[1]).parent, 'kept'); film()\n"
    can = ["text", "sketch", "negative_prompt", "first_frame", "last_frame", "control",
           "references", "loras"]  # fmt: skip
    generator = load(told(keep, profile={"can": can, "controls": ["depth"], "steps": 30}))
    sketch = scene(seed=1, frames=5, size=(32, 16))
    made = generator.generate(
        replace(
            ASKED, sketch=sketch, noise=NoisePlan(level=0.7, seed=2**40 + 5),
            fps=Fraction(24000, 1001), negative_prompt="rain",
            first_frame=sketch[:1], last_frame=sketch[-1:],
            control=Control(kind="depth", frames=sketch, scale=0.5),
            references=(Reference(entity="car", picture=sketch[:1]),),
            loras=(Lora(path="style.safetensors", weight=0.8),),
        )
    )  # fmt: skip
    request = json.loads(Path("kept/request.json").read_text())
    folder = Path(request["clip"]).parent
    assert not folder.exists()
    assert request == {
        "schema": "CommandRequest.1", "prompt": "a red car", "negative_prompt": "rain",
        "width": 32, "height": 16, "frames": 5, "fps": 23.976024, "fps_exact": [24000, 1001],
        "seed": 5, "noise_level": 0.7, "steps": 30, "guidance": None,
        "clip": str(folder / "clip.mp4"), "sketch": str(folder / "sketch.mp4"),
        "first_frame": str(folder / "first_frame.png"),
        "last_frame": str(folder / "last_frame.png"),
        "control": str(folder / "control.mp4"), "control_kind": "depth", "control_scale": 0.5,
        "references": [{"entity": "car", "picture": str(folder / "reference-0.png")}],
        "loras": [{"path": "style.safetensors", "weight": 0.8, "entity": None}],
    }  # fmt: skip
    assert np.array_equal(read_video(Path("kept/sketch.mp4")), sketch)
    assert {path.name for path in Path("kept").iterdir()} == {
        "request.json", "sketch.mp4", "control.mp4", "first_frame.png", "last_frame.png",
        "reference-0.png",
    }  # fmt: skip
    assert made.provenance["noise"] == {"asked": 0.7, "reached": 0.7}
    assert made.provenance["seed"] == 2**40 + 5


def test_a_sketch_is_not_used_by_those_who_do_not_say_so(scene: Callable[..., Frames]) -> None:
    generator = load(told("assert request['sketch'] is None\nfilm()\n"))
    request = replace(
        ASKED, sketch=scene(seed=1, frames=5, size=(32, 16)), noise=NoisePlan(level=0.7, seed=7),
        negative_prompt="rain",
    )  # fmt: skip
    warnings = generator.check(request)
    assert "does not start from sketches" in warnings[0]
    assert "not told what must not be seen" in warnings[1]
    made = generator.generate(request)
    assert made.provenance["noise"] == {"asked": 0.7, "reached": 1.0}
    assert generator.facts().noise_level == 1.0
    with pytest.raises(ModelError, match="cannot begin with a given frame"):
        generator.check(replace(ASKED, first_frame=request.sketch[:1]))  # type: ignore[index]


def test_a_command_line_of_public_code_is_filled_word_by_word() -> None:
    show = """
import argparse
parser = argparse.ArgumentParser()
for name in ("prompt", "negative", "size", "frames", "fps", "seed", "steps", "sketch", "out"):
    parser.add_argument(f"--{name}")
told = vars(parser.parse_args())
Path("told.json").write_text(json.dumps(told))
request = {"seed": 1, "prompt": "", "sketch": "", "clip": told["out"]}
film(int(told["frames"]), (32, 16), Fraction(8))
"""
    words = (
        "--prompt={prompt} --negative={negative_prompt} --size {width}*{height} --frames {frames}"
        " --fps {fps} --seed {seed} --steps {steps} --sketch {sketch} --out {clip}"
    )
    script = show + "\n"
    options = told(words=words)
    Path("film.py").write_text(
        START.replace("request = json", "0 and json").replace(
            'size = request["width"], request["height"]',
            "request = {'frames': 0, 'fps_exact': (8, 1)}; size = 0",
        )
        + script
    )
    generator = load(options.model_copy(update={"steps": 12}))
    assert generator.facts().can == ["text", "negative_prompt", "sketch"]
    nasty = "--help; $(touch pwned) `id` \"quoted\" 'it' {seed}\nand more"
    generator.generate(replace(ASKED, prompt=nasty, negative_prompt="-x"))
    found = json.loads(Path("told.json").read_text())
    assert found.pop("out").endswith("/clip.mp4")
    assert found == {
        "prompt": nasty, "negative": "-x", "size": "32*16", "frames": "5", "fps": "8", "seed": "7",
        "steps": "12", "sketch": "",
    }  # fmt: skip
    assert not Path("pwned").exists()
    with pytest.raises(ModelError, match=r"names \{steps\}.*generator\.steps"):
        load(options).check(ASKED)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (None, "set it, such as --set 'generator.outside.command="),
        ("  ", "names no program"),
        ("film 'unclosed", "cannot be split"),
        ("sh -c 'film \"{prompt}\"'", r"stand alone or after an option"),
        ("film --prompt='{prompt} in 4K'", r"stand alone or after an option"),
        ("film --size {widht}x{height}", r"no place \{widht\}; did you mean \{width\}\?"),
    ],
)
def test_a_command_line_that_cannot_be_run_is_told(line: str | None, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(Told.model_validate({"model": "command", "outside": {"command": line}}))


def test_a_program_that_is_not_there_is_told_before_any_work() -> None:
    generator = load(
        Told.model_validate({"model": "command", "outside": {"command": "filmx {clip}"}})
    )
    assert generator.facts().name == "filmx"
    with pytest.raises(ModelError, match=r"'filmx' of `generator\.outside\.command` is not there"):
        generator.generate(ASKED)


def test_a_shell_runs_only_where_the_words_say_so() -> None:
    plain = load(told(words="{request} && touch pwned $HOME ; touch pwned"))
    plain.generate(ASKED)
    assert not Path("pwned").exists()
    line = f"sh -c '{sys.executable} film.py $1 && touch asked-for' sh {{request}}"
    load(Told.model_validate({"model": "command", "outside": {"command": line}})).generate(ASKED)
    assert Path("asked-for").exists()


def test_the_identity_follows_line_files_profile_and_revision() -> None:
    def identity(options: Told) -> str:
        return load(options).facts().sha256

    first = identity(told())
    assert identity(told()) == first
    assert identity(told(timeout=5)) == first
    others = {
        identity(told("film()\n")),
        identity(told(words="{request} --fast")),
        identity(told(profile={"steps": 4})),
        identity(told().model_copy(update={"revision": "main"})),
    }
    assert len(others | {first}) == 5
    Path("config.yaml").write_text("a: 1")
    before = identity(told(words="--config=config.yaml {request}"))
    Path("config.yaml").write_text("a: 2")
    assert identity(told(words="--config=config.yaml {request}")) != before


def test_steps_are_told_once_in_order_and_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    script = "print('step 2/6\\rstep 4/6', end='', flush=True)\ntime.sleep(0.3)\nprint()\nfilm()\n"
    made = load(told(script)).generate(ASKED, lambda done, of: seen.append((done, of)))
    assert [step for step in dict.fromkeys(seen) if step[0]] == [(n, 6) for n in range(1, 7)]
    assert made.provenance["steps"] == 6


def test_what_fails_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRET)
    script = f"""
for line in range(100): print("line", line)
token = os.environ["MY_SERVICE_TOKEN"]
print("\\x1b[31mkey", token, "and sk-abcdefgh12345678 \\x07", file=sys.stderr)
print("at http://me:hunter22@host/x", "{SECRET}2", file=sys.stderr)
sys.exit(3)
"""
    options = told(script, api_key=f"{SECRET}2")
    with pytest.raises(GeneratorError) as caught:
        load(options).generate(ASKED)
    said = str(caught.value)
    assert said.startswith("the command film.py failed with exit code 3. It said last:\nline 94\n")
    assert said.endswith("key [key] and [key]\nat http://[key]@host/x [key]")


def test_no_word_of_a_key_is_left_however_it_is_said() -> None:
    environment = {"HF_TOKEN": "hf_abcdefghijkl", "HOME": "/home/somebody", "KEYMAP": "us"}
    said = last_words(
        b"hf_abcdefghijkl hf_otherother Bearer abc.def key=secret-one us", "secret-one", environment
    )
    assert said == "It said last:\n[key] [key] Bearer [key] key=[key] us"
    assert last_words(b"", "", environment) == "It said nothing"
    assert len(last_words(b"x" * 100_000, "", environment)) < 1300


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", r"wrote no clip.*It said nothing"),
        ("Path(request['clip']).mkdir()\n", r"wrote no clip"),
        ("Path(request['clip']).write_text('hello')\n", r"command film\.py.*not an mp4"),
        ("os.mkfifo(request['clip'])\n", r"wrote no clip"),
        ("os.kill(os.getpid(), signal.SIGSEGV)\n", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)\n", "SIGKILL; it may have run out of memory"),
        ("film(frames=2, fps=Fraction(8))\n", "too few to slow it"),
        ("film(size=(64, 8))\n", "lose 75% of its picture"),
        ("raise ValueError('no weights')\n", "exit code 1.*ValueError: no weights"),
    ],
)  # fmt: skip
def test_every_failure_is_one_message(script: str, said: str) -> None:
    with pytest.raises(GeneratorError, match=f"(?s){said}"):
        load(told(script)).generate(ASKED)


def test_a_clip_of_other_shape_and_rate_is_fitted_and_that_is_said() -> None:
    made = load(told("film(16, (40, 16), Fraction(24))\n")).generate(ASKED)
    assert made.frames.shape == (5, 16, 32, 3)
    assert made.provenance["clip"] == {
        "frames": 16, "fps": "24", "size": [40, 16], "cropped": 0.2, "cut": 0.0417,
    }  # fmt: skip


def test_a_command_that_hangs_is_ended_with_all_it_started() -> None:
    script = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("child").write_text(str(child.pid))
print("loading weights", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
    with pytest.raises(GeneratorError, match=r"(?s)longer than 4 s.*timeout.*loading weights"):
        load(told(script, timeout=4)).generate(ASKED)
    assert gone(written("child"))


def test_a_stop_is_passed_on_and_ends_the_command() -> None:
    class Stop(Exception):
        pass

    def stop(done: int, steps: int) -> None:
        if Path("pid").exists():
            raise Stop

    script = "Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    with pytest.raises(Stop):
        load(told(script)).generate(ASKED, stop)
    assert gone(written("pid"))


def test_what_a_command_leaves_running_is_ended() -> None:
    script = """
film()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("child").write_text(str(child.pid))
"""
    assert load(told(script)).generate(ASKED).frames.shape == (5, 16, 32, 3)
    assert gone(written("child"))


def test_a_child_that_left_the_group_and_holds_the_output_holds_up_nothing() -> None:
    script = """
film()
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
Path("child").write_text(str(child.pid))
"""
    load(told(script)).generate(ASKED)
    os.kill(written("child"), signal.SIGKILL)


def test_a_flood_of_words_is_not_kept() -> None:
    script = "sys.stdout.write('x' * 1000 + '\\n')\n" * 3
    flood = "for _ in range(20_000): sys.stdout.write('y' * 1023 + '\\n')\nfilm()\n"
    assert load(told(script + flood)).generate(ASKED).provenance["steps"] == 1


def test_a_command_may_close_its_output_and_work_on() -> None:
    script = "os.close(1); os.close(2)\ntime.sleep(0.3)\nfilm()\n"
    assert load(told(script)).generate(ASKED).frames.shape == (5, 16, 32, 3)


def test_a_clip_that_grows_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_AT_MOST", 1024)
    script = "Path(request['clip']).write_bytes(bytes(5000))\ntime.sleep(600)\n"
    with pytest.raises(GeneratorError, match="its clip grew over"):
        load(told(script)).generate(ASKED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ('{"fps": 0}', r"`fps`: .*between 1 and 240"),
        ('{"sise": [1, 2]}', "`sise`: Extra inputs"),
        ('{"can": ["fly"]}', "`can.0`"),
        (None, "cannot be read"),
    ],
)
def test_a_profile_that_does_not_fit_is_told(content: str | None, said: str) -> None:
    if content is not None:
        Path("mine.json").write_text(content)
    options = {"command": "film", "profile": "mine.json"}
    with pytest.raises(ModelError, match=rf"mine\.json.*{said}"):
        load(Told.model_validate({"model": "command", "outside": options}))


def test_a_film_is_made_by_a_command_and_no_key_is_in_its_run() -> None:
    Path("script.txt").write_text("A red car drives from left to right on a beach.\n")
    options = told(profile={**PROFILE, "size": [64, 32], "frames": 9})
    assert options.outside.command is not None
    done = subprocess.run(
        [sys.executable, "-m", "reelwright", "film", "script.txt", "--out", "run", "--json",
         "--set", "generator.model=command", "--set", "takes.max=2",
         "--set", f"generator.outside.command={options.outside.command}",
         "--set", "generator.outside.profile=profile.json"],
        capture_output=True, text=True, timeout=240,
        env=os.environ | {"REELWRIGHT_GENERATOR__OUTSIDE__API_KEY": SECRET},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    film = json.loads(done.stdout)
    frames = read_video(Path(film["video"]))
    assert frames.shape[1:] == (32, 64, 3)
    provenance = json.loads(Path("run/shots/s01/take-1/provenance.json").read_text())
    assert provenance["model"] == "filmer"
    assert provenance["noise"] == {"asked": 0.6, "reached": 0.6}
    assert provenance["clip"]["frames"] == 9
    for path in Path("run").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in done.stdout + done.stderr


def test_ctrl_c_ends_the_run_and_the_command() -> None:
    Path("script.txt").write_text("A red car drives from left to right on a beach.\n")
    script = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nPath('pid').write_text(str(os.getpid()))"
    )
    line = told(f"{script}\ntime.sleep(600)\n", profile=PROFILE).outside.command
    run = subprocess.Popen(
        [sys.executable, "-m", "reelwright", "film", "script.txt", "--out", "run",
         "--set", "generator.model=command", "--set", f"generator.outside.command={line}",
         "--set", "generator.outside.profile=profile.json"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        # A shell's background job ignores Ctrl-C, and its children do as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        filming = written("pid")
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == 130
    assert gone(filming), said


def test_the_example_conforms() -> None:
    folder = Path(__file__).parents[2] / "examples" / "outside"
    options = {
        "command": shlex.join([sys.executable, str(folder / "film.py"), "{request}"]),
        "profile": str(folder / "profile.json"),
    }
    generator = load(Told.model_validate({"model": "command", "outside": options}))
    assert generator.facts().name == "stripes"
    assert conformance.check(generator) == []


def test_the_page_about_outside_generators_names_what_there_is() -> None:
    from reelwright_generators.outside import profile, workflow

    page = (Path(__file__).parents[2] / "docs" / "outside.md").read_text()
    blocks = re.findall(r"```(json|toml)\n(.*?)```", page, re.DOTALL)
    for kind, text in blocks:
        if kind == "json":
            profile.Profile.model_validate_json(text)
        else:
            told = tomllib.loads(text)
            line = told["command"] if "command" in told else told["generator"]["outside"]["command"]
            load(Told.model_validate({"model": "command", "outside": {"command": line}}))
    assert {kind for kind, _ in blocks} == {"json", "toml"}
    for place in module.PLACES:
        assert f"`{{{place}}}`" in page, place
    for role in workflow.ROLES:
        assert f"reelwright:{role}" in page or role.removeprefix("control") in page, role
    for key in profile.Profile.model_fields:
        assert f"`{key}`" in page, key
