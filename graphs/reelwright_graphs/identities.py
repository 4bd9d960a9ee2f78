"""What entities and places look like in every shot: pictures and LoRA files beside a storyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reelwright_core.errors import InputError
from reelwright_core.files import storage_errors, written_whole
from reelwright_core.records import known_digest
from reelwright_core.story import Identity, Shot, Storyboard

if TYPE_CHECKING:
    from PIL.Image import Image

    from reelwright_generators.generator import Facts, Lora, Reference

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def check(storyboard: Storyboard, folder: Path) -> None:
    """`InputError` for a file that is not there, inside `folder`, or is no picture."""
    for identity, path in _files(storyboard):
        whole = folder / path
        where = f"`identities` of {identity.of!r}: {path}"
        if not whole.is_file():
            raise InputError(f"{where} is not there; it is looked for in {folder}")
        if not whole.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{where} leads out of the storyboard's folder; copy it there")
        if path in identity.references:
            _picture(whole)


def bring(storyboard: Storyboard, source: Path, run: Path) -> None:
    """Gives the run files of its own, so that it can be made again without the others."""
    for _, path in _files(storyboard):
        if (run / path).exists() and (run / path).samefile(source / path):
            continue
        with storage_errors(run / path), written_whole(run / path) as aside:
            shutil.copyfile(source / path, aside)


def of_shot(storyboard: Storyboard, shot: Shot) -> list[Identity]:
    """Those of the shot's entities and of its place that it shares, in the storyboard's order."""
    seen = {entity.id for entity in shot.scene_graph.entities} | {shot.place}
    return [
        identity
        for identity in storyboard.story.identities
        if identity.of in seen and (not identity.shots or shot.id in identity.shots)
    ]


def painted(identities: Sequence[Identity], shot: Shot, run: Path) -> dict[str, Path]:
    """The pictures that a sketch can be painted from, by whose they are: the first that fits.

    Of an entity that is a picture with transparent parts, a cut-out; of the place any picture.
    """
    found: dict[str, Path] = {}
    for identity in identities:
        for path in identity.references:
            if identity.of == shot.place or _is_cut_out(run / path):
                found.setdefault(identity.of, run / path)
    return found


def cut_out(path: Path) -> Pixels:
    """uint8 RGBA [height, width, 4]."""
    return np.asarray(_opened(path, "RGBA"))


def scenery(path: Path, size: tuple[int, int]) -> Pixels:
    """uint8 RGB [height, width, 3] of `size`, cut to its shape around the middle."""
    from PIL import ImageOps

    return np.asarray(ImageOps.fit(_opened(path, "RGB"), size))


def _is_cut_out(path: Path) -> bool:
    alpha = cut_out(path)[..., 3]
    return bool((alpha < 128).any() and (alpha > 127).any())


def usable(
    identities: Sequence[Identity], facts: Facts, *, sketched: Collection[str] = ()
) -> tuple[list[Identity], list[str]]:
    """What of them a model can be shown, and warnings of what it cannot.

    `sketched` are those whose picture the sketch has that the model starts from.
    """
    fit: list[Identity] = []
    warnings: list[str] = []
    for identity in identities:
        unable = {
            name: [] for name in ("references", "loras")
            if getattr(identity, name) and name not in facts.can
        }  # fmt: skip
        for name in unable:
            if name == "references" and identity.of in sketched:
                continue
            what = "reference pictures" if name == "references" else "LoRA files"
            warnings.append(
                f"{facts.name} cannot use the {what} of {identity.of!r}: they are left out"
            )
        left = identity.model_copy(update=unable)
        if left.references or left.loras:
            fit.append(left)
    return fit, warnings


def digests(identities: Sequence[Identity], run: Path) -> list[object]:
    """What a clip depends on."""
    return [
        {
            "of": identity.of,
            "references": [known_digest(run / path) for path in identity.references],
            "loras": [[known_digest(run / lora.path), lora.weight] for lora in identity.loras],
        }
        for identity in identities
    ]


def references(identities: Sequence[Identity], run: Path) -> tuple[Reference, ...]:
    """The pictures, in order."""
    from reelwright_generators.generator import Reference

    return tuple(
        Reference(entity=identity.of, picture=_picture(run / path))
        for identity in identities
        for path in identity.references
    )


def loras(identities: Sequence[Identity], run: Path) -> tuple[Lora, ...]:
    """The LoRA files, in order."""
    from reelwright_generators.generator import Lora

    return tuple(
        Lora(path=os.fspath(run / lora.path), weight=lora.weight, entity=identity.of)
        for identity in identities
        for lora in identity.loras
    )


def _files(storyboard: Storyboard) -> Iterator[tuple[Identity, str]]:
    for identity in storyboard.story.identities:
        for path in (*identity.references, *(lora.path for lora in identity.loras)):
            yield identity, path


def _picture(path: Path) -> Pixels:
    """uint8 RGB [1, height, width, 3]; what is transparent is white, as models know cut-outs."""
    from PIL import Image

    picture = _opened(path, "RGBA")
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))[None]


def _opened(path: Path, mode: str) -> Image:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
            return picture.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        said = str(error).split("\n")[0].replace(os.fspath(path), path.name)
        raise InputError(f"{path} is not a PNG, JPEG or WebP that can be read: {said}") from None
