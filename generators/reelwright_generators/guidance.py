"""Guidance by boxes: before a step the latents are moved so that words look at their boxes (LVD).

LLM-grounded Video Diffusion (arXiv 2309.17444). A U-Net's cross-attention says for each place how
much it looks at each word. The energy of a clip is low where a thing's words are looked at inside
its boxes and nowhere else:

    E = Σ w_fg·β·(1 - mean(topk(A·M))) + w_bg·mean(topk(A·(1 - M)))

summed over frames and heads, which the published thresholds are for, averaged over the words of a
thing, and divided by the number of things and of layers. A is the map of a word, M is 1 in the
boxes, k is a part of their area, or of what is left. β is a thing's own strength (GenMAC, arXiv
2412.04440). The latents go against the gradient, `z ← z - √(1-ᾱ)·scale·∇E`, until the energy is
below the threshold or the tries are used up.

Diffusers' callbacks come after a step; here the model is called once more just before it answers,
from a hook, and the step then starts from where the latents were moved to.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

import torch

from reelwright_core.takes import Guide
from reelwright_generators.families.family import Family
from reelwright_generators.generator import Boxed, Request
from reelwright_generators.schedules import Course

LAYERS = {
    ("down", 1, 0), ("down", 2, 0), ("down", 2, 1), ("up", 1, 0), ("up", 1, 1), ("up", 2, 2),
}  # fmt: skip
"""(half, block, attention) that LVD reads; a U-Net that has none of them is read everywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """The numbers of a `Guide`, each one known."""

    scale: float
    threshold: float
    iterations: int
    steps: float
    top: tuple[float, float]
    weights: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Thing:
    """What is to be where."""

    boxed: Boxed
    tokens: list[int]
    """Where its words stand in the prompt."""


class Guidance:
    """One clip's guidance: makes its request's prompt name every thing, then guides its steps."""

    def __init__(self, request: Request, *, family: Family, pipe: Any) -> None:
        preset = family.guide()
        assert request.guide is not None
        assert preset is not None
        self._family, self._pipe = family, pipe
        self._told = filled(request.guide.told, preset)
        prompt, self._things, self.warnings = _named(
            request.prompt, request.guide.things, pipe.tokenizer
        )
        self.request = replace(request, prompt=prompt)
        """The request whose prompt names every thing."""
        self._read: list[tuple[Any, dict[str, torch.Tensor]]] = []
        """Each attention that is read, with its last queries and keys."""
        self._reading = False
        self._moved: torch.Tensor | None = None
        self.energies: list[dict[str, float]] = []
        """Of each guided step: before, and once the latents are moved."""

    @contextlib.contextmanager
    def worn(self, course: Course) -> Generator[None]:
        """Guides the one call of the pipeline in the block."""
        unet = self._pipe.unet
        self._course = course
        learned = [p for p in unet.parameters() if p.requires_grad]
        handles: list[Any] = []
        try:
            for parameter in learned:
                parameter.requires_grad_(False)
            for attention in attentions(unet):
                kept: dict[str, torch.Tensor] = {}
                self._read.append((attention, kept))
                for name in ("to_q", "to_k"):
                    part = getattr(attention, name)
                    handles.append(part.register_forward_hook(self._keeping(kept, name)))
            handles.append(unet.register_forward_pre_hook(self._before, with_kwargs=True))
            handles.append(unet.register_forward_hook(self._after))
            course.lead = self._lead
            yield
        finally:
            course.lead = None
            for handle in handles:
                handle.remove()
            for parameter in learned:
                parameter.requires_grad_(True)
            self._read.clear()

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        return {
            "by": "boxes",
            **asdict(self._told),
            "things": [
                {
                    "entity": thing.boxed.entity,
                    "phrase": thing.boxed.phrase,
                    "tokens": thing.tokens,
                    "strength": thing.boxed.strength,
                }
                for thing in self._things
            ],
            "prompt": self.request.prompt,
            "energy": self.energies,
        }

    @property
    def _guides(self) -> bool:
        steps = len(self._course.levels)
        return bool(self._things) and self._course.done < math.ceil(self._told.steps * steps)

    def _keeping(self, kept: dict[str, torch.Tensor], name: str) -> Any:
        def keep(module: Any, args: Any, made: torch.Tensor) -> None:
            if self._reading:
                kept[name] = made

        return keep

    def _before(self, unet: Any, args: Any, kwargs: Any) -> Any:
        """Moves the latents that the model is about to be asked about."""
        self._moved = None
        if not self._guides:
            return None
        told, course = self._told, self._course
        given: torch.Tensor = args[0] if args else kwargs["sample"]
        both, frames = len(given), given.shape[2]
        rest, named = _prompted((args[1:], kwargs), both, frames)
        named.pop("sample", None)
        own = given[-1:].detach()
        moved = own.float()
        share = course.levels[course.done]
        noise = share / math.hypot(share, 1 - share)  # √(1 - ᾱ)
        first: float | None = None
        for _ in range(told.iterations):
            with torch.enable_grad():
                at = moved.to(own.dtype).requires_grad_()
                self._reading = True
                try:
                    # Not the module itself: its hooks are these.
                    unet.forward(at, *rest, **named)
                finally:
                    self._reading = False
                energy = self._energy(frames, given.shape[-2:])
                first = float(energy.detach()) if first is None else first
                if not told.scale or float(energy.detach()) <= told.threshold:
                    break
                (slope,) = torch.autograd.grad(energy, at)
            moved = moved - noise * told.scale * slope.float()
        assert first is not None
        self.energies.append({"before": round(first, 4)})
        self._reading = True
        if torch.equal(moved, own.float()):
            return None
        # What the model sees is scaled in some schedules; the step is taken from what is not.
        scheduler = self._pipe.scheduler
        time = rest[0] if rest else named["timestep"]
        unit = float(scheduler.scale_model_input(torch.ones(1, device=given.device), time))
        self._moved = (moved - own.float()) / unit
        shown = torch.cat([moved.to(own.dtype)] * both)
        return ((shown, *args[1:]), kwargs) if args else (args, {**kwargs, "sample": shown})

    def _after(self, unet: Any, args: Any, made: Any) -> None:
        if not self._reading:
            return
        self._reading = False
        self.energies[-1]["after"] = round(float(self._energy(*self._shape)), 4)

    def _lead(self, sample: torch.Tensor) -> torch.Tensor:
        """The latents that a step starts from, in the scheduler's layout."""
        if self._moved is None:
            return sample
        moved = self._family.at_scheduler(self._pipe, self._moved)
        return (sample.float() + moved.to(sample.device)).to(sample.dtype)

    def _energy(self, frames: int, size: Sequence[int]) -> torch.Tensor:
        """Of what was read last, over latents of `size` (height, width)."""
        self._shape = frames, size
        layers: list[torch.Tensor] = []
        for attention, kept in self._read:
            maps = _maps(attention, kept["to_q"], kept["to_k"], frames)
            rows, columns = grid_of(maps.shape[2], size)
            layers += [self._of(thing, maps, rows, columns) for thing in self._things]
            kept.clear()
        return torch.stack(layers).sum() / (len(self._things) * len(self._read))

    def _of(self, thing: _Thing, maps: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """The energy of one thing in one layer."""
        told = self._told
        inside = masks(thing.boxed, rows, columns)
        weights = (told.weights[0] * thing.boxed.strength, told.weights[1])
        each = [
            energy(maps[..., token], inside, weights=weights, top=told.top)
            for token in thing.tokens
        ]
        return torch.stack(each).mean()


def energy(
    maps: torch.Tensor, inside: torch.Tensor, *, weights: tuple[float, float],
    top: tuple[float, float],
) -> torch.Tensor:  # fmt: skip
    """How little is looked at inside, and how much outside; summed over frames and heads.

    `maps` is [frames, heads, places] in 0..1, `inside` [frames, places], 1 in the boxes; `weights`
    and `top` are those of inside and outside. A frame without a box has only an outside.
    """
    total = maps.new_zeros(())
    for seen, mask in zip(maps, inside.to(maps.device), strict=True):
        for part, weight, share in ((mask, weights[0], top[0]), (~mask, weights[1], top[1])):
            area = int(part.sum())
            if area == 0:
                continue
            most = (seen * part).topk(max(1, int(area * share)), dim=-1).values.mean(-1)
            total = total + weight * (1 - most if part is mask else most).sum()
    return total


def masks(boxed: Boxed, rows: int, columns: int) -> torch.Tensor:
    """[frames, places], true in the boxes: the cells whose middle is inside, at least one."""
    found = torch.zeros(len(boxed.boxes), rows, columns, dtype=torch.bool)
    for frame, boxes in enumerate(boxed.boxes):
        for left, top, right, bottom in boxes:
            if right <= 0 or bottom <= 0 or left >= 1 or top >= 1:
                continue  # out of the picture
            x0, x1 = _cells(left, right, columns)
            y0, y1 = _cells(top, bottom, rows)
            found[frame, y0:y1, x0:x1] = True
    return found.flatten(1)


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    first = min(max(round(low * count), 0), count - 1)
    return first, max(first + 1, min(round(high * count), count))


def grid_of(places: int, size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of an attention map over latents of `size` (height, width)."""
    rows, columns = size
    while rows * columns > places:
        rows, columns = -(-rows // 2), -(-columns // 2)
    if rows * columns != places:
        raise ValueError(f"an attention over {places} places is none of latents {list(size)}")
    return rows, columns


def attentions(unet: Any) -> list[Any]:
    """The cross-attentions that are read, in the order in which they are called."""
    found: list[tuple[tuple[str, int, int], Any]] = []
    for half, blocks in (("down", unet.down_blocks), ("up", unet.up_blocks)):
        for i, block in enumerate(blocks):
            of_block: Sequence[Any] = getattr(block, "attentions", [])
            for j, each in enumerate(of_block):
                found += [((half, i, j), part.attn2) for part in each.transformer_blocks]
    named = [attention for place, attention in found if place in LAYERS]
    return named or [attention for _, attention in found]


def _maps(attention: Any, query: torch.Tensor, key: torch.Tensor, frames: int) -> torch.Tensor:
    """[frames, heads, places, tokens]: of the half that was given the prompt."""
    query, key = (
        each[-frames:].unflatten(-1, (attention.heads, -1)).transpose(1, 2).float()
        for each in (query, key)
    )
    return (query @ key.transpose(-1, -2) * attention.scale).softmax(-1)


def _prompted(given: Any, both: int, frames: int) -> Any:
    """Arguments of the model for the half with the prompt alone, which comes last."""
    if isinstance(given, torch.Tensor):
        halved = both == 2 and given.ndim > 0 and given.shape[0] in (2, 2 * frames)
        return given.chunk(2)[1] if halved else given
    if isinstance(given, list):
        return [_prompted(part, both, frames) for part in cast(list[Any], given)]
    if isinstance(given, tuple):
        parts = cast(tuple[Any, ...], given)
        return tuple(_prompted(part, both, frames) for part in parts)
    if isinstance(given, dict):
        named = cast(Mapping[str, Any], given)
        return {name: _prompted(part, both, frames) for name, part in named.items()}
    return given


def _named(
    prompt: str, things: Sequence[Boxed], tokenizer: Any
) -> tuple[str, list[_Thing], list[str]]:
    """The prompt with every thing in it, where each stands, and what could not be said."""
    found: list[_Thing] = []
    warnings: list[str] = []
    for thing in things:
        if find_words(tokenizer, prompt, thing.phrase) is None:
            prompt = f"{prompt}, {thing.phrase}"
    for thing in things:
        tokens = find_words(tokenizer, prompt, thing.phrase)
        if tokens is None:
            warnings.append(
                f"{thing.phrase!r} is not guided by its boxes: the prompt is too long to name it"
            )
        else:
            found.append(_Thing(boxed=thing, tokens=tokens))
    return prompt, found, warnings


def find_words(tokenizer: Any, prompt: str, phrase: str) -> list[int] | None:
    """Which tokens of the prompt are those of the phrase; none if it is not in it.

    A phrase may stand there in the plural, and by its last word alone.
    """
    whole = tokenizer(prompt, truncation=True, max_length=tokenizer.model_max_length).input_ids
    last = phrase.split()[-1]
    for said in dict.fromkeys((phrase, f"{phrase}s", last, f"{last}s")):
        words = tokenizer(said, add_special_tokens=False).input_ids
        if tokenizer.unk_token_id in words and tokenizer.unk_token != tokenizer.eos_token:
            continue
        for at in range(len(whole) - len(words) + 1):
            if whole[at : at + len(words)] == words:
                return list(range(at, at + len(words)))
    return None


def filled(told: Guide, preset: Guide) -> Energy:
    """The numbers of `told`; where it names none, the preset's."""
    numbers = preset.model_dump() | told.model_dump(exclude_none=True)
    return Energy(**{field.name: numbers[field.name] for field in fields(Energy)})
