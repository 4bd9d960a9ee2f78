"""Video files hold exactly the frames, times and colours that were given."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_httpserver import HTTPServer

from reelwright_core.errors import InputError, StorageError
from reelwright_core.video import Frames, read_video, ticks, video_facts, write_video

CHROMIUM = "/usr/bin/chromium"
COLOURS = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128),
    (200, 120, 40), (30, 90, 200), (250, 200, 10), (90, 20, 140),
]  # fmt: skip
RATES = [Fraction(8), Fraction(24), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(7)]


def flat(colour: tuple[int, int, int], frames: int = 3, size: tuple[int, int] = (64, 48)) -> Frames:
    return np.full((frames, size[1], size[0], 3), colour, np.uint8)


def noisy(frames: int, size: tuple[int, int] = (64, 48)) -> Frames:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (frames, size[1], size[0], 3), np.uint8)


def packets(path: Path) -> list[tuple[int | None, int | None, int | None, bool]]:
    with av.open(str(path)) as file:
        return [
            (packet.pts, packet.dts, packet.duration, packet.is_keyframe)
            for packet in file.demux(video=0)
            if packet.size
        ]


@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("frames", [1, 2, 17, 100])
def test_frames_and_times_are_exact(tmp_path: Path, fps: Fraction, frames: int) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, noisy(frames), fps=fps)
    assert video_facts(path) == (frames, fps, (64, 48))
    step = ticks(fps) / fps
    assert step.denominator == 1
    expected = [(index * step, index * step, step) for index in range(frames)]
    assert [packet[:3] for packet in packets(path)] == expected
    assert packets(path)[0][3]
    assert read_video(path).shape == (frames, 48, 64, 3)


def test_every_group_of_pictures_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, noisy(100), fps=Fraction(24))
    keys = [index for index, packet in enumerate(packets(path)) if packet[3]]
    assert keys[0] == 0
    assert all(b - a <= 48 for a, b in zip(keys, [*keys[1:], 100], strict=True))
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        assert (context.pix_fmt, context.has_b_frames) == ("yuv420p", False)


@pytest.mark.parametrize("lossless", [False, True])
def test_equal_frames_give_equal_bytes(tmp_path: Path, lossless: bool) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, noisy(9), fps=Fraction(8), lossless=lossless)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.long
def test_a_thousand_files_of_one_clip_have_the_same_bytes(tmp_path: Path) -> None:
    """With x264's macroblock tree one of a hundred differed, now and then, on a busy machine."""
    rng = np.random.default_rng(5)
    frames = np.repeat(np.repeat(rng.integers(60, 200, (17, 24, 40, 3), np.uint8), 4, 1), 4, 2)
    frames[1:] = frames[0]
    for index in range(17):
        frames[index, 30:60, index * 6 : index * 6 + 40] = (210, 30, 30)
    files: set[bytes] = set()
    between: list[NDArray[np.uint8]] = []
    for turn in range(1000):
        # What lies in the memory that the encoder is given differs from turn to turn.
        between = [rng.integers(0, 255, int(rng.integers(1, 300_000)), np.uint8) for _ in range(5)]
        write_video(tmp_path / "clip.mp4", frames, fps=Fraction(8))
        files.add((tmp_path / "clip.mp4").read_bytes())
        assert len(files) == 1, f"differs at turn {turn}"
    assert between


def test_lossless_is_lossless_in_any_size(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for size in ((64, 48), (63, 47)):
        write_video(path, noisy(5, size), fps=Fraction(8), lossless=True)
        assert np.array_equal(read_video(path), noisy(5, size))


@pytest.mark.parametrize("colour", COLOURS, ids=str)
def test_colours_come_back_and_the_file_says_which_they_are(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, flat(colour), fps=Fraction(8))
    assert np.abs(read_video(path).astype(int) - colour).max() <= 1
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        tags = (
            context.color_primaries, context.color_trc, context.colorspace, context.color_range,
        )  # fmt: skip
    assert tags == (1, 13, 6, 1)


def test_small_pictures_keep_their_look(tmp_path: Path) -> None:
    frames = flat((120, 180, 235), 9, (160, 96))
    frames[:, 60:] = (214, 190, 120)
    for index in range(9):
        frames[index, 40:60, index * 12 : index * 12 + 20] = (210, 30, 30)
    path = tmp_path / "clip.mp4"
    write_video(path, frames, fps=Fraction(8))
    # Brightness alone: colours are kept for 2x2 pixels, which no setting of the encoder changes.
    weights = np.array([0.2126, 0.7152, 0.0722])
    error = np.mean(((read_video(path).astype(float) - frames) @ weights) ** 2)
    assert 10 * np.log10(255**2 / error) > 44


@pytest.mark.parametrize("size", [(63, 48), (64, 47)])
def test_odd_sizes_are_refused_with_the_next_even_one(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]}; use 64x48"):
        write_video(tmp_path / "clip.mp4", flat((1, 2, 3), size=size), fps=Fraction(8))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind_and_the_old_file_alone(tmp_path: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from noisy(5)
        raise RuntimeError("the model stopped")

    path = tmp_path / "clip.mp4"
    with pytest.raises(RuntimeError, match="the model stopped"):
        write_video(path, frames(), fps=Fraction(8))
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"the old one")
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(path, [], fps=Fraction(8))
    with pytest.raises(ValueError, match="frame 1 is"):
        write_video(path, [noisy(1)[0], noisy(1, (32, 32))[0]], fps=Fraction(8))
    with pytest.raises(InputError, match="fps"):
        write_video(path, noisy(1), fps=Fraction(0))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"the old one"]


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import sys, resource, numpy as np\n"
        "from fractions import Fraction\n"
        "from pathlib import Path\n"
        "from reelwright_core.errors import StorageError\n"
        "from reelwright_core.video import write_video\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "frames = np.random.default_rng(0).integers(0, 256, (40, 96, 160, 3), np.uint8)\n"
        "try: write_video(Path(sys.argv[1]), frames, fps=Fraction(8))\n"
        "except StorageError as error: print(error)\n"
    )
    path = tmp_path / "clip.mp4"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert str(path) in done.stdout
    assert "could not be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"clip\.mp4"):
        write_video(tmp_path / "file" / "clip.mp4", noisy(1), fps=Fraction(8))


def test_names_with_colons_and_percents_are_plain_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("take:1 %03d.mp4")
    write_video(path, noisy(3), fps=Fraction(8))
    assert video_facts(path)[0] == 3


@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
def test_a_file_that_was_cut_short_is_refused_by_name(tmp_path: Path, part: float) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, noisy(17), fps=Fraction(8))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    for read in (read_video, video_facts):
        with pytest.raises(InputError, match=r"clip\.mp4"):
            read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ffconcat version 1.0\nfile secret.mp4\n",
        b"#EXTM3U\n#EXTINF:1,\nsecret.mp4\n",
        b"GIF89a\x01\x00\x01\x00",
    ],
    ids=["empty", "ffconcat", "hls", "gif"],
)
def test_what_is_no_mp4_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    write_video(tmp_path / "secret.mp4", noisy(3), fps=Fraction(8))
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    for read in (read_video, video_facts):
        with pytest.raises(InputError, match=r"clip\.mp4"):
            read(path)
    with pytest.raises(InputError, match=r"none\.mp4"):
        read_video(tmp_path / "none.mp4")


PAGE = """<!doctype html><link rel="icon" href="data:,"><script>
async function seen(url) {
  const video = document.createElement('video');
  video.muted = true;
  await new Promise((done, failed) => {
    video.onseeked = done; video.onerror = failed;
    video.onloadeddata = () => { video.currentTime = 0.3 };
    video.src = url;
  });
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  return [canvas.width, canvas.height, ...context.getImageData(32, 24, 1, 1).data];
}
(async () => {
  const told = [];
  for (const url of URLS) try { told.push(await seen(url)) } catch (error) { told.push([]) }
  await fetch('/told', {method: 'POST', body: JSON.stringify(told)});
})()
</script>"""


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"{CHROMIUM} is not installed")
@pytest.mark.long
def test_a_browser_plays_it_in_its_true_colours(tmp_path: Path, httpserver: HTTPServer) -> None:
    urls: list[str] = []
    for colour in COLOURS:
        write_video(tmp_path / "clip.mp4", flat(colour, 9), fps=Fraction(8))
        content = base64.b64encode((tmp_path / "clip.mp4").read_bytes()).decode()
        urls.append(f"data:video/mp4;base64,{content}")
    page = PAGE.replace("URLS", json.dumps(urls))
    httpserver.expect_request("/", method="GET").respond_with_data(page, content_type="text/html")
    httpserver.expect_oneshot_request("/told", method="POST").respond_with_data("")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}", httpserver.url_for("/"),
    ]  # fmt: skip
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as browser:
        try:
            with httpserver.wait(timeout=60, stop_on_nohandler=False):
                pass
        finally:
            browser.terminate()
    seen: list[list[int]] = json.loads(httpserver.log[-1][0].data)
    for colour, (width, height, *rgb, _) in zip(COLOURS, seen, strict=True):
        assert (width, height) == (64, 48)
        assert np.abs(np.array(rgb) - colour).max() <= 3, (colour, rgb)
