"""A diffusers model as a generator: judged from its configs; torch comes in when it films."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from reelwright_core.errors import ModelError
from reelwright_core.records import digest
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import KvSharing
from reelwright_core.story import Box
from reelwright_core.video import Frames
from reelwright_generators import loras, prompt_tokens, saving
from reelwright_generators.caches import plan_of
from reelwright_generators.families.family import Family
from reelwright_generators.generator import (
    Boxed,
    Capability,
    Control,
    Facts,
    InItsWords,
    Made,
    OnStep,
    Request,
    Sound,
    Wording,
    refuse_unable,
    sound,
)


class DiffusionGenerator:
    """Films with a model of any family, one clip at a time.

    A size or a frame count that the model cannot film is filmed in the next larger one that it
    can, the sketch held at its edges and its end, and cut to what was asked.
    """

    def __init__(
        self, family: Family, told: Told, *, in_its_words: InItsWords | None = None
    ) -> None:
        self._family = family
        self._told = told
        self._in_its_words = in_its_words
        self._loras = loras.of_settings(told.loras)
        loras.check(self._loras)
        # Now rather than with the first clip: by then a script is planned.
        plan_of(told, family)
        saving.check(told, family)
        self._lock = threading.Lock()
        self._film: Any = None

    def facts(self) -> Facts:
        """What this model is; the settings' steps and guidance win over its own."""
        folder, told, published = self._family.folder, self._told, self._family.published()
        profile, able = folder.profile, self._family.can()
        # Who can be given latents with a sketch in them can be given any.
        shared: list[Capability] = ["shared_noise"] if "sketch" in able else []
        if self._family.guide() is not None:
            shared.append("boxes")
        return Facts(
            name=profile.name or folder.name,
            family=self._family.name,
            sha256=self._sha256(),
            revision=folder.revision,
            size=profile.size or published.size,
            frames=profile.frames or published.frames,
            frames_per_latent=self._family.grid.temporal,
            fps=profile.fps or published.fps,
            steps=told.steps or profile.steps or published.steps,
            guidance=_first(told.guidance, profile.guidance, published.guidance),
            noise_level=profile.noise_level or published.noise_level,
            licence=profile.licence or "unknown",
            prompt_tokens=prompt_tokens.limit(folder),
            own_words=self._in_its_words is not None,
            can=[*able, *shared, *loras.can(folder.pipeline)],
            controls=self._family.controls(),
            needs=self._family.needs(),
        )

    def count_tokens(self, prompt: str) -> int | None:
        """Tokens of `prompt` by the model's own tokenizer, its end included; None without one."""
        return prompt_tokens.count(self._family.folder, prompt)

    def _sha256(self) -> str:
        own = self._family.folder.sha256()
        return digest([own, loras.record(self._loras)]) if self._loras else own

    def check(self, request: Request) -> list[str]:
        """Warns of what the model was not made for; `ModelError` for what it cannot film."""
        sound(request)
        facts, grid = self.facts(), self._family.grid
        refuse_unable(replace(request, loras=(*self._loras, *request.loras)), facts)
        loras.check(request.loras)
        if request.guide is not None and self._told.offload in ("group", "sequential"):
            raise ModelError(
                f"guidance by boxes asks the model which way is better, and "
                f"`generator.offload={self._told.offload}` has put its layers away by then; "
                "set `generator.offload=model`, or `guide: {by: none}`"
            )
        if request.noise.low_frequencies and request.noise.level < 1:
            raise ModelError(
                "`low_frequencies` starts from pure noise: the noise plan's level must be 1, "
                f"got {request.noise.level}"
            )
        size, frames = grid.size(request.size), grid.frames(request.frames)
        grid.refuse_beyond(size, frames)
        if request.last_frame is not None and frames != request.frames:
            raise ModelError(
                f"{facts.name} ends with a given frame only after {frames} frames or another "
                f"count that it films, got {request.frames}: ask for {frames}, or leave it out"
            )
        warnings: list[str] = []
        if self._in_its_words is not None:
            wording = self._in_its_words(request.prompt)
            if wording.unknown:
                warnings.append(f"{facts.name} was never taught: {_unknown(wording, request)}")
            if wording.weakened:
                instead = ", ".join(
                    f"{said} (it is told {told})" for said, told in wording.weakened
                )
                warnings.append(f"{facts.name} has no word of its own for: {instead}")
        if size != request.size:
            wide, high = grid.steps
            warnings.append(
                f"{facts.name} films sizes in steps of {wide}x{high}: {_by(request.size)} is "
                f"filmed as {_by(size)} and cut"
            )
        if frames != request.frames:
            warnings.append(
                f"{facts.name} films {frames} frames, of which the first {request.frames} are kept"
            )
        if request.size != facts.size:
            warnings.append(f"{facts.name} was made for {_by(facts.size)}, not {_by(request.size)}")
        if request.frames > facts.frames:
            warnings.append(
                f"{facts.name} was made for {facts.frames} frames; {request.frames} may fall apart"
            )
        if request.fps != facts.fps and not self._family.told_rate:
            warnings.append(
                f"{facts.name} films {facts.fps} frames per second: "
                f"at {request.fps}, motion looks {float(request.fps / facts.fps):.2g} times as fast"
            )
        return warnings + self._family.check(request)

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`; the same request gives the same bytes on one machine."""
        self.check(request)
        with self._lock:
            made: Made = self.loaded().film(
                self._ours(request), facts=self.facts(), on_step=on_step
            )
        return self._theirs(made, request)

    def refuse_joined(
        self,
        requests: Sequence[Request],
        overlaps: Sequence[int],
        sharing: KvSharing | None = None,
    ) -> None:
        """`ModelError` for clips that cannot be denoised together, or share keys and values."""
        facts, grid = self.facts(), self._family.grid
        if sharing is not None and not self._family.shares_attention:
            raise ModelError(
                f"{facts.name} ({facts.family}) cannot share keys and values between clips: "
                "that is known for Wan, SkyReels, LTX and CogVideoX models; "
                "set `generator.long.kv_sharing.layers=0`"
            )
        for request in requests:
            self.check(request)
        saved = {"cache": self._told.cache, "offload": self._told.offload}
        for name, value in saved.items():
            if value is not None:
                raise ModelError(
                    f"`generator.{name}={value}` keeps one clip's state in the model, and a change "
                    "of prompt denoises several together; leave it out, or set "
                    "`generator.long.blend=false`"
                )
        for request in requests:
            why = self._family.alone(request)
            if request.guide is not None:
                why = "each is guided by its boxes, and what they share would be moved twice"
            if why is not None:
                raise ModelError(
                    f"{facts.name} cannot denoise this clip together with others: {why}; "
                    "set `generator.long.blend=false`"
                )
            if grid.frames(request.frames) != request.frames:
                raise ModelError(
                    f"{facts.name} films {grid.frames(request.frames)} frames, not "
                    f"{request.frames}: clips that are denoised together have lengths that it "
                    "films; set `generator.long.window` to one"
                )
        for overlap, pair in zip(overlaps, pairwise(requests), strict=True):
            fits = (overlap - 1) % grid.temporal == 0
            if not (fits and 0 < overlap < min(request.frames for request in pair)):
                raise ModelError(
                    f"clips of {pair[0].frames} and {pair[1].frames} frames cannot share "
                    f"{overlap}: ask for fewer, 1 more than a multiple of {grid.temporal}"
                )

    def generate_joined(
        self,
        requests: Sequence[Request],
        overlaps: Sequence[int],
        on_step: OnStep | None = None,
        *,
        sharing: KvSharing | None = None,
    ) -> list[Made]:
        """Films clips together: `overlaps[i]` frames at the end of one begin the next one too.

        With `sharing`, each attends to the one before; see the module `sharing`.
        """
        self.refuse_joined(requests, overlaps, sharing)
        with self._lock:
            made: list[Made] = self.loaded().film_joined(
                [self._ours(request) for request in requests],
                [self._family.grid.latent_frames(overlap) for overlap in overlaps],
                facts=self.facts(),
                on_step=on_step,
                told=sharing,
            )
        return [self._theirs(one, asked) for one, asked in zip(made, requests, strict=True)]

    def loaded(self) -> Any:
        """The `DiffusionFilm` behind it; the first call takes as long as loading does."""
        if self._film is None:
            # Only here: torch takes seconds to import, and facts and checks do without.
            from reelwright_generators.diffusion_film import DiffusionFilm

            self._film = DiffusionFilm(self._family, self._told)
        return self._film

    def _ours(self, request: Request) -> Request:
        """The request as the model can film it: in its words, its sizes and its frame counts."""
        grid = self._family.grid
        request = replace(request, loras=(*self._loras, *request.loras))
        if self._in_its_words is not None:
            request = replace(request, prompt=self._in_its_words(request.prompt).told)
        if self._begun(request) and request.sketch is not None:
            request = replace(request, first_frame=request.sketch[:1])
        return _widened(request, grid.size(request.size), grid.frames(request.frames))

    def _begun(self, request: Request) -> bool:
        """Whether the clip must begin with a frame, and that is the sketch's."""
        return "first_frame" in self._family.needs() and request.first_frame is None

    def _theirs(self, made: Made, asked: Request) -> Made:
        """The clip as it was asked for."""
        provenance, ours = dict(made.provenance), made.frames.shape
        if self._in_its_words is not None:
            wording = self._in_its_words(asked.prompt)
            if wording.mapped or wording.unknown:
                provenance["wording"] = wording.data()
        if self._begun(asked):
            provenance["first_frame"] = "of the sketch"
        if (ours[2], ours[1], ours[0]) != (*asked.size, asked.frames):
            provenance["filmed"] = {"size": [ours[2], ours[1]], "frames": ours[0]}
        frames = _cut(made.frames, asked.size, asked.frames)
        heard = _heard(made.sound, asked)
        return replace(made, frames=frames, sound=heard, provenance=provenance)


def _widened(request: Request, size: tuple[int, int], frames: int) -> Request:
    """The request in a size and length that the model films; pictures are held at their edges."""
    if size == request.size and frames == request.frames:
        return request

    def held(video: Frames | None, count: int) -> Frames | None:
        if video is None:
            return None
        (left, right), (top, bottom) = (
            ((new - old) // 2, new - old - (new - old) // 2)
            for new, old in zip(size, request.size, strict=True)
        )
        rest = [(0, 0)] * (video.ndim - 3)
        edges = [(0, count - len(video)), (top, bottom), (left, right), *rest]
        return np.pad(video, edges, mode="edge")

    noise = request.noise
    if noise.drift is not None:  # stays as many pixels
        (across, down), (wide, high) = noise.drift, request.size
        drift = (across * wide / size[0], down * high / size[1])
        noise = noise.model_copy(update={"drift": drift})
    guide = request.guide
    if guide is not None:
        things = tuple(_moved(thing, request, size, frames) for thing in guide.things)
        guide = replace(guide, things=things)
    control = request.control
    if control is not None:
        shown = held(control.frames, frames)
        assert shown is not None
        control = Control(kind=control.kind, frames=shown, scale=control.scale)
    return replace(
        request,
        size=size,
        frames=frames,
        noise=noise,
        sketch=held(request.sketch, frames),
        labels=held(request.labels, frames),
        first_frame=held(request.first_frame, 1),
        last_frame=held(request.last_frame, 1),
        control=control,
        guide=guide,
    )


def _moved(thing: Boxed, request: Request, size: tuple[int, int], frames: int) -> Boxed:
    """Boxes in the larger picture of `size`, in whose middle the request's is."""
    (wide, high), (width, height) = request.size, size
    left, top = (width - wide) // 2, (height - high) // 2

    def placed(box: Box) -> Box:
        x0, y0, x1, y1 = box
        return (
            (x0 * wide + left) / width, (y0 * high + top) / height,
            (x1 * wide + left) / width, (y1 * high + top) / height,
        )  # fmt: skip

    each = [tuple(placed(box) for box in boxes) for boxes in thing.boxes]
    return replace(thing, boxes=(*each, *each[-1:] * (frames - len(each))))


def _cut(frames: Frames, size: tuple[int, int], count: int) -> Frames:
    height, width = frames.shape[1:3]
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    return np.ascontiguousarray(frames[:count, top : top + size[1], left : left + size[0]])


def _heard(whole: Sound | None, asked: Request) -> Sound | None:
    """What is heard while the asked frames are seen."""
    if whole is None:
        return None
    samples = round(asked.frames / asked.fps * whole.rate)
    return replace(whole, samples=np.ascontiguousarray(whole.samples[:, :samples]))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unknown(wording: Wording, request: Request) -> str:
    """The unknown words; of those that have a picture, what becomes of it."""
    guided = request.noise.level < 1
    told = "filmed from the sketch alone" if guided else "pure noise starts without its picture"
    return ", ".join(
        f"{word} ({told})" if word in wording.pictured else word for word in wording.unknown
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
