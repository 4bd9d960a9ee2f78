"""Makes the cut-out set from nouns.txt: `python -m reelwright_simulators.cutouts.build`.

Fetches two npm packages at pinned versions with `npm pack`: the art, and the emoji's English
names. Writes art/*.webp and cutouts.json beside this file; the same input gives the same files.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reelwright_simulators.cutouts import ART, HOME, CutOut, slug
from reelwright_simulators.cutouts.plurals import plural

PICTURES = "@lobehub/fluent-emoji-3d@1.1.0"
NAMES = "emojibase-data@17.0.0"
LONGEST_SIDE = 128
LICENCE = "MIT"


def main() -> None:
    """Builds the set anew and says what it did."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = _fetched(PICTURES, Path(folder))
        names = _fetched(NAMES, Path(folder))
        codes = {
            entry["label"].lower(): entry["hexcode"].lower()
            for entry in json.loads(names.read("package/en/data.json"))
        }
        lines = list(_lines((HOME / "nouns.txt").read_text(encoding="utf-8")))
        shutil.rmtree(ART, ignore_errors=True)
        ART.mkdir()
        made: list[dict[str, Any]] = []
        for cut_out, label in lines:
            code = codes.get(label.lower().replace("\u2019", "’"))
            if code is None:
                raise SystemExit(f"no emoji is called {label!r} (for {cut_out.noun!r})")
            content = pictures.find(code)
            if content is None:
                raise SystemExit(f"{PICTURES} has no picture of {label!r} ({code})")
            _write(content, ART / f"{slug(cut_out.noun)}.webp")
            made.append({**asdict(cut_out), "source": f"{PICTURES} assets/{code}.webp"})
    made.sort(key=lambda entry: entry["noun"])
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    (HOME / "cutouts.json").write_text(text, encoding="utf-8")
    size = sum(path.stat().st_size for path in ART.iterdir())
    print(f"{len(made)} cut-outs, {size / 1e6:.1f} MB, from {PICTURES}")


class _Package:
    """The files of an npm package."""

    def __init__(self, path: Path):
        with tarfile.open(path) as tar:
            self._files = {
                member.name: file.read()
                for member in tar.getmembers()
                if (file := tar.extractfile(member)) is not None
            }

    def read(self, name: str) -> bytes:
        return self._files[name]

    def find(self, code: str) -> bytes | None:
        """The picture of an emoji; names differ in whether they say `fe0f`."""
        bare = code.replace("-fe0f", "")
        for name, content in self._files.items():
            if Path(name).stem.replace("-fe0f", "") == bare and name.endswith(".webp"):
                return content
        return None


def _fetched(package: str, folder: Path) -> _Package:
    told = subprocess.run(
        ["npm", "pack", package, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    )
    return _Package(folder / told.stdout.strip().splitlines()[-1])


def _lines(text: str) -> Iterator[tuple[CutOut, str]]:
    kind, faces, height, flags = "", "front", 0.5, ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            kind, faces, number, flags = line[1:].split()
            height = float(number)
            continue
        words, _, rest = line.partition("=")
        label, *options = [part.strip() for part in rest.split(";")]
        noun, *synonyms = [word.strip() for word in words.split(",")]
        own: dict[str, Any] = {"faces": faces, "height": height, "plural": plural(noun)}
        marks = flags
        for option in options:
            if option in ("left", "right", "front"):
                own["faces"] = option
            elif option.startswith("plural:"):
                own["plural"] = option.removeprefix("plural:")
            elif option.replace(".", "").isdigit():
                own["height"] = float(option)
            else:
                marks = option
        yield (
            CutOut(
                noun=noun,
                synonyms=tuple(synonyms),
                kind=kind,
                rolls="r" in marks,
                flies="f" in marks,
                swims="s" in marks,
                fixed="x" in marks,
                recolours="c" in marks,
                source="",
                licence=LICENCE,
                **own,
            ),
            label,
        )


def _write(content: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    alpha = np.asarray(picture)[..., 3] > 8
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    picture = picture.crop(box)
    scale = LONGEST_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture.resize(size, Image.Resampling.LANCZOS).save(path, quality=85, method=6)


if __name__ == "__main__":
    main()
