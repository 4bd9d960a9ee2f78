"""Makes the sheet of the other styles: `python -m reelwright_generators.builtin.styles.build`.

Fetches two npm packages at pinned versions with `npm pack` and writes sheet.webp and styles.json
beside this file; the same input gives the same files. Needs npm and resvg-py.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from resvg_py import svg_to_bytes

from reelwright_generators.builtin.styles import HOME, SHEET
from reelwright_generators.builtin.words import MANY_NOUNS
from reelwright_simulators import cutouts

PACKAGES = {
    "flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "noto": "@iconify-json/noto@1.2.9",
}
SIDE, COLUMNS = 128, 16


def main() -> None:
    """Builds the sheet anew and says how large it is."""
    made: list[dict[str, Any]] = []
    pictures: list[Image.Image] = []
    for style, package in PACKAGES.items():
        icons, named = _package(package)
        for noun in MANY_NOUNS:
            icon = named[_emoji(noun)]
            pictures.append(_trimmed(_drawn(icons, icon)))
            made.append({"style": style, "noun": noun, "source": f"{package} {icon}"})
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * SIDE, rows * SIDE))
    for i, picture in enumerate(pictures):
        left, top = i % COLUMNS * SIDE, i // COLUMNS * SIDE
        sheet.paste(picture, (left, top))
        made[i]["box"] = [left, top, *picture.size]
    sheet.save(SHEET, quality=88, method=6)
    lines = ",\n".join(json.dumps(entry) for entry in made)
    (HOME / "styles.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{len(made)} pictures, {SHEET.stat().st_size / 1e6:.1f} MB")


def _emoji(noun: str) -> str:
    """The emoji that the cut-out of `noun` was made from, as hexadecimal numbers."""
    found = re.search(r"([0-9a-f-]+)\.webp", cutouts.all_cutouts()[noun].source)
    if found is None:
        raise SystemExit(f"the cut-out of {noun!r} is not made from one Fluent emoji: leave it out")
    return found[1].replace("-fe0f", "")


def _package(package: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A package's icons, and the name of each emoji's."""
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            ["npm", "pack", package, "--silent"],
            cwd=folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
        with tarfile.open(Path(folder) / told.stdout.strip().splitlines()[-1]) as tar:
            icons, emoji = (
                json.load(file)
                for name in ("icons", "chars")
                if (file := tar.extractfile(f"package/{name}.json")) is not None
            )
    return icons, {code.replace("-fe0f", ""): icon for code, icon in emoji.items()}


def _drawn(icons: dict[str, Any], icon: str) -> Image.Image:
    entry = icons["icons"][icon]
    wide, high = (entry.get(side, icons.get(side, 16)) for side in ("width", "height"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {wide} {high}" width="512" height="512">{entry["body"]}</svg>'
    )
    return Image.open(io.BytesIO(bytes(svg_to_bytes(svg_string=svg)))).convert("RGBA")


def _trimmed(picture: Image.Image) -> Image.Image:
    """What is drawn, its longest side as long as a cut-out's."""
    seen = np.asarray(picture)[..., 3] > 8
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    cut = picture.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    scale = SIDE / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    return cut.resize(size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
