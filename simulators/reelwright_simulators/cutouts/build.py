"""Makes the cut-out set from nouns.txt: `python -m reelwright_simulators.cutouts.build`.

Fetches three npm packages at pinned versions with `npm pack`: two sets of art, and the emoji's
English names. Writes art/*.webp and cutouts.json beside this file; the same input gives the same
files. Pictures are swapped in only when all are made, so a run beside this one always finds them.
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
from resvg_py import svg_to_bytes

from reelwright_simulators.cutouts import ART, HOME, CutOut, slug
from reelwright_simulators.cutouts.composed import BEASTS, BODY, figure, standing
from reelwright_simulators.cutouts.plurals import plural

FLUENT = "@lobehub/fluent-emoji-3d@1.1.0"
NOTO = "@iconify-json/noto@1.2.9"
NAMES = "emojibase-data@17.0.0"
LONGEST_SIDE = 128
LICENCES = {FLUENT: "MIT", NOTO: "Apache-2.0"}


def main() -> None:
    """Builds the set anew and says what it did."""
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        art = _Art(Path(folder))
        made: list[dict[str, Any]] = []
        new = Path(folder) / "art"
        new.mkdir()
        for cut_out, label in _lines((HOME / "nouns.txt").read_text(encoding="utf-8")):
            art.used.clear()
            try:
                picture = art.drawn(label)
            except KeyError as error:
                raise SystemExit(f"there is no art {error} (for {cut_out.noun!r})") from None
            _write(picture, new / f"{slug(cut_out.noun)}.webp")
            package = NOTO if label.startswith("noto:") else FLUENT
            source = " + ".join([f"{package} {art.used[0]}", *art.used[1:]])
            made.append({**asdict(cut_out), "source": source, "licence": LICENCES[package]})
        shutil.rmtree(ART, ignore_errors=True)
        new.rename(ART)
    made.sort(key=lambda entry: entry["noun"])
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    (HOME / "cutouts.json").write_text(text, encoding="utf-8")
    size = sum(path.stat().st_size for path in ART.iterdir())
    shares = ", ".join(
        f"{sum(entry['source'].startswith(package) for entry in made)} from {package}"
        for package in LICENCES
    )
    print(f"{len(made)} cut-outs, {size / 1e6:.1f} MB: {shares}")


class _Art:
    """The emoji that pictures are made of; `used` lists the files that were asked for."""

    def __init__(self, folder: Path):
        names = _files(NAMES, folder)
        self._codes = {
            entry["label"].lower(): entry["hexcode"].lower().replace("-fe0f", "")
            for entry in json.loads(names["package/en/data.json"])
        }
        # File names differ in whether they say `fe0f`.
        self._fluent = {
            Path(name).stem.replace("-fe0f", ""): (name.removeprefix("package/"), content)
            for name, content in _files(FLUENT, folder).items()
            if name.endswith(".webp")
        }
        self._noto: dict[str, Any] = json.loads(_files(NOTO, folder)["package/icons.json"])
        self.used: list[str] = []

    def drawn(self, label: str) -> Image.Image:
        """The picture that a line of nouns.txt asks for; RGBA."""
        match label.split(":"):
            case ["noto", icon]:
                return self.noto(icon)
            case ["legs", name, trousers]:
                return figure(self.fluent, name, trousers=trousers)
            case ["body", name, build, shirt, trousers, *skin]:
                return standing(
                    self.fluent, name, build=build, shirt=shirt, trousers=trousers,
                    skin=skin[0] if skin else None,
                )  # fmt: skip
            case ["made", name]:
                return BEASTS[name](self.fluent)
            case _:
                return self.fluent(label)

    def fluent(self, name: str) -> Image.Image:
        file, content = self._fluent[self._codes[name.lower()]]
        self.used.insert(0 if name != BODY else len(self.used), file)
        return Image.open(io.BytesIO(content)).convert("RGBA")

    def noto(self, icon: str) -> Image.Image:
        entry = self._noto["icons"][icon]
        wide, high = (entry.get(side, self._noto.get(side, 16)) for side in ("width", "height"))
        self.used.append(f"icons.json#{icon}")
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {wide} {high}" width="256" height="256">{entry["body"]}</svg>'
        )
        return Image.open(io.BytesIO(bytes(svg_to_bytes(svg_string=svg)))).convert("RGBA")


def _files(package: str, folder: Path) -> dict[str, bytes]:
    """The files of an npm package."""
    told = subprocess.run(
        ["npm", "pack", package, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    )
    with tarfile.open(folder / told.stdout.strip().splitlines()[-1]) as tar:
        return {
            member.name: file.read()
            for member in tar.getmembers()
            if (file := tar.extractfile(member)) is not None
        }


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
                licence="",
                **own,
            ),
            label,
        )


def _write(picture: Image.Image, path: Path) -> None:
    alpha = np.asarray(picture)[..., 3] > 8
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    picture = picture.crop(box)
    scale = LONGEST_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture.resize(size, Image.Resampling.LANCZOS).save(path, quality=85, method=6)


if __name__ == "__main__":
    main()
