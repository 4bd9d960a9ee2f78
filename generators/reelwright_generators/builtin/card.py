"""What is told of the weights: the model card and the picture of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

Row = tuple[int, float, int, float, float]
"""Step, seconds, clips, loss, rate."""


def curve(log: Sequence[Row]) -> bytes:
    """The loss against the clips seen, as a PNG."""
    picture = np.full((360, 640, 3), 255, np.uint8)
    left, right, top, bottom = 60, 620, 30, 320
    cv2.putText(
        picture, "loss against clips seen", (left, 20), 0, 0.5, (40, 40, 40), 1, cv2.LINE_AA
    )
    if len(log) > 1:
        clips = np.array([row[2] for row in log], float)
        loss = np.array([row[3] for row in log], float)
        high, low = float(np.percentile(loss, 98)), float(loss.min())
        low, high = low - 0.05 * (high - low), high + 1e-6
        for part in np.linspace(0, 1, 5):
            y, x = round(bottom - part * (bottom - top)), round(left + part * (right - left))
            cv2.line(picture, (left, y), (right, y), (225, 225, 225), 1)
            value, count = low + part * (high - low), clips[-1] * part
            cv2.putText(picture, f"{value:.2f}", (12, y + 4), 0, 0.42, (90, 90, 90), 1, cv2.LINE_AA)
            cv2.putText(
                picture,
                f"{count / 1000:.1f}k",
                (x - 16, 342),
                0,
                0.42,
                (90, 90, 90),
                1,
                cv2.LINE_AA,
            )
        across = left + clips / clips[-1] * (right - left)
        up = bottom - np.clip((loss - low) / (high - low), 0, 1) * (bottom - top)
        points = np.stack([across, up], 1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, (190, 110, 40), 1, cv2.LINE_AA)
    return cv2.imencode(".png", picture)[1].tobytes()


def text(
    *,
    recipe: Mapping[str, Any],
    profile: Mapping[str, Any],
    figures: Mapping[str, float],
    log: Sequence[Row],
    sizes: Mapping[str, int],
) -> str:
    """The model card."""
    _, seconds, clips, *_ = log[-1] if log else (0, 0.0, 0, 0.0, 0.0)
    width, height = profile["size"]
    losses = ", ".join(
        f"{row[3]:.3f} at {row[2] / 1000:.0f} k"
        for row in [log[round(i * (len(log) - 1) / 7)] for i in range(8)]
        if log
    )
    phases = ", then ".join(
        f"{phase['frames']} frames in batches of {phase['batch']}" for phase in recipe["phases"]
    )
    shape = recipe["shape"]
    wide, deep, patch = shape["width"], shape["layers"], tuple(shape["patch"])
    parts = {
        "transformer": f"WanTransformer3DModel, {wide} wide, {deep} layers, patch {patch}",
        "encoder": f"UMT5EncoderModel, {shape['text_layers']} layers, one token a word",
        "vae": f"AutoencoderKLWan, {shape['channels']} channels for {shape['codec_patch']} "
        f"x {shape['codec_patch']} pixels, set in closed form",
    }
    table = "\n".join(
        f"| {name} | {said} | {sizes[name] / 1e6:.2f} M |" for name, said in parts.items()
    )
    sketched = recipe["phases"][-1]["sketched"] or recipe["sketched"]
    machine = "one GPU" if recipe["device"] == "cuda" else "two shared CPU cores"
    drawings, pages = "one drawing of each noun, in one style", "(see `NOTICE.md` of"
    if recipe["styles"]:
        drawings = f"{len(recipe['styles'])} drawings of each noun, one in each style"
        pages = (
            "and other drawings of\nthe same emoji (Noto Emoji by Google, Apache-2.0; see "
            "`NOTICE.md` of `builtin/styles`, and that of"
        )
    return f"""---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# Reelwright built-in model {profile["version"]}

A very small text-to-video model for short, flat-art clips: {profile["frames"]} frames of
{width}x{height} at {profile["fps"]} a second. It exists so that Reelwright runs, is tested and can
be understood on a laptop without a download. It is a miniature: for films to show to others use
a real model through the same code.

## Use

It is an ordinary diffusers folder, loaded without any code of ours:

```python
import torch
from diffusers import DiffusionPipeline
from reelwright_generators.builtin import folder

pipe = DiffusionPipeline.from_pretrained(folder())
clip = pipe(
    "a red car moves from left to right on a beach",
    width={width},
    height={height},
    num_frames={profile["frames"] - 1},
    num_inference_steps={profile["steps"]},
    guidance_scale={profile["guidance"]},
    max_sequence_length={profile["max_sequence_length"]},
    generator=torch.Generator().manual_seed(0),
).frames[0]
```

`num_frames` is one fewer than wanted: WanPipeline makes one more where the autoencoder does not
shorten time. `max_sequence_length` must be {profile["max_sequence_length"]}, as in training. Width
is a multiple of {profile["multiple_of"][0]}, height of {profile["multiple_of"][1]}.
`reelwright.json` holds these facts for programs.

It is made to start from structured noise: the latents of a sketch (cut-outs pasted along planned
tracks) mixed with noise at level σ, `(1 - σ) sketch + σ noise`, σ about {profile["noise_level"]}.
From pure noise it draws places and coloured things, but nouns and motions far less surely.

## What it is

| part | class | parameters |
|---|---|---|
{table}

The autoencoder was not trained: principal components of patches, and a ridge regression back. It
keeps {figures["all"]:.1f} dB of fresh clips, {figures["moving"]:.1f} dB where something moves.

## Training

Clips drawn by Reelwright's own layout painter, never twice the same: one to three things, their
colours, {len(profile["places"])} places, {len(profile["actions"])} motions, relations and camera
moves, with captions from a grammar. {clips} clips in {seconds / 60:.0f} minutes on {machine}
({phases}); loss (weighted, velocity) {losses} clips, see `loss.csv` and `loss.png`.

Rectified flow; Muon for the matrices inside blocks and AdamW for the rest; errors on things count
five times; one caption in ten left out, one in ten with words made unknown; a running mean of the
weights is what is kept. {sketched:.0%} of the clips start from a noised sketch whose
things are slightly off and whose background is often missing, with the clean clip as the goal, so
that the model repairs sketches. `recipe.json` has every number;
`python -m reelwright_generators.builtin.train --preset {recipe["name"]}` makes the model again
(the clips are the same for the same step, but a clock ends the run, so weights differ a little).

## What it knows

Nouns: {", ".join(profile["nouns"])}.
Colours: {", ".join(profile["colours"])}.
Places: {", ".join(profile["places"])}.
Motions: {", ".join(profile["actions"])}.
Relations: {", ".join(profile["relations"])}. Counts: one to three.
Other words are `<unk>` to it: `reelwright_generators.builtin.unknown_words(prompt)` names them.

## Limits

- From pure noise, places are right, but things are patches of about the right colour; what they
  are, how many, and how they move is mostly not to be seen. Use a sketch.
- From a sketch, things keep their shape and way, with grain around what moves: more of it the
  higher σ is, and at σ 0.8 the shape begins to go.
- Fine detail is lost: eyes, wheels' spokes, thin lines.
- It knows {drawings}, and no person, brand, text or photograph.
- Things smaller than a quarter of the picture's height are smeared.

## Art and licence

The pictures it learnt from are Reelwright's cut-outs {pages}
`reelwright_simulators/cutouts`: Fluent Emoji by Microsoft, MIT) and backgrounds drawn by code.
The weights are under the Apache License 2.0.
"""
