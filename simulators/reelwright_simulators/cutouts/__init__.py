"""The cut-out set."""
from __future__ import annotations
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

@dataclass(frozen=True, kw_only=True, slots=True)
class CutOut:
    noun: str; plural: str; synonyms: tuple[str, ...]; kind: str; faces: str; height: float
    rolls: bool; flies: bool; swims: bool; fixed: bool; recolours: bool; source: str; licence: str

@cache
def all_cutouts() -> Mapping[str, CutOut]:
    data = json.loads((Path(__file__).parent / "cutouts.json").read_text())
    return {d["noun"]: CutOut(**{**d, "synonyms": tuple(d["synonyms"])}) for d in data}

@cache
def words() -> Mapping[str, tuple[str, bool]]:
    out: dict[str, tuple[str, bool]] = {}
    for c in all_cutouts().values():
        out[c.noun] = (c.noun, False); out[c.plural] = (c.noun, True)
        for s in c.synonyms: out[s] = (c.noun, False); out[s + "s"] = (c.noun, True)
    return out

def find(word: str) -> CutOut | None:
    got = words().get(" ".join(word.lower().replace("-", " ").split()))
    return all_cutouts()[got[0]] if got else None

@cache
def picture(noun: str, *, colour: str | None = None) -> Any:
    import cv2, numpy as np
    from PIL import Image
    from reelwright_simulators.cutouts.colours import COLOURS
    if noun not in all_cutouts(): raise ValueError(f"no cut-out {noun!r}")
    im = np.asarray(Image.open(Path(__file__).parent / "art" / f"{noun.replace(' ', '-')}.webp").convert("RGBA")).copy()
    if colour:
        rgb = im[..., :3]; hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32)
        t = cv2.cvtColor(np.uint8([[COLOURS[colour]]]), cv2.COLOR_RGB2HSV)[0, 0].astype(np.float32)
        sat = hsv[..., 1] / 255; op = im[..., 3] > 40
        if (sat[op] > .35).mean() < .3: w = np.clip((hsv[..., 2] / 255 - .45) / .3, 0, 1)
        else: w = np.clip((sat - .2) / .25, 0, 1)
        v = hsv[..., 2]; m = float(np.median(v[(w > .5) & op])) if ((w > .5) & op).any() else 200.
        new = hsv.copy(); new[..., 0] = t[0]; new[..., 1] = np.clip(t[1] * (.6 + .4 * np.clip(sat, 0, 1)), 0, 255)
        new[..., 2] = np.clip(v / max(m, 1) * t[2], 0, 255)
        c = cv2.cvtColor(new.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
        im[..., :3] = (rgb + (c - rgb) * w[..., None]).round().astype(np.uint8)
    im.setflags(write=False)
    return im
