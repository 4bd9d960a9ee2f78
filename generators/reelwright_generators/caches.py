"""Which cache may film with which model: judged from configs, before anything is loaded.

A cache keeps from one denoising step to the next what hardly changes. `cache_hooks` puts it on a
loaded model. What is known to film wrongly, or to do nothing, is refused with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.families.family import Family

Cache = Literal["first-block", "mag", "pyramid", "taylor", "tea"]

THRESHOLDS: dict[Cache, float] = {"first-block": 0.05, "mag": 0.06, "tea": 0.1}
"""Where the settings give none: diffusers' own, and what the built-in model bears."""

INTERVALS: dict[Cache, int] = {"pyramid": 2, "taylor": 3}
"""Where the settings give none."""

TEA: dict[str, tuple[float, ...]] = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": (
        -5.21862437e04, 9.23041404e03, -5.28275948e02, 1.36987616e01, -4.99875664e-02,
    ),
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": (
        -3.03318725e05, 4.90537029e04, -2.65530556e03, 5.87365115e01, -3.15583525e-01,
    ),
}  # fmt: skip
"""Published polynomials of TeaCache over the change of what the time embedding gives to the blocks
(arXiv 2411.19108, its `e0` variant), highest power first."""

TEA_FITTED = 0.08
"""The threshold with a fitted polynomial; without one the numbers mean something else."""

_FITTED = ("mag", "tea")
"""Caches that take numbers fitted to the model."""

_STACKS = ("first-block", "mag", "tea")
"""Caches that leave out the stack of blocks; the others leave out parts of every block."""

_HINTED = ("WanVACETransformer3DModel", "WanAnimateTransformer3DModel", "WanAnimate2")
"""Models that add the control between the blocks."""

_UNREGISTERED = (
    "AllegroTransformer3DModel", "HunyuanVideo15Transformer3DModel",
    "Kandinsky5Transformer3DModel", "LTX2VideoTransformer3DModel", "LatteTransformer3DModel",
    "SkyReelsV2Transformer3DModel",
)  # fmt: skip
"""Models whose blocks diffusers does not know how to leave out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A cache, and how bold it is."""

    cache: Cache
    threshold: float = 0.0
    """How much may change before the stack is computed again; of `first-block`, `mag`, `tea`."""
    interval: int = 1
    """Computed at every so many steps; of `pyramid` and `taylor`."""
    fit: tuple[float, ...] = ()
    """The ratios of `mag`, or the polynomial of `tea`, highest power first."""

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        how = {"interval": self.interval} if self.cache in INTERVALS else {
            "threshold": self.threshold, "fitted": bool(self.fit)
        }  # fmt: skip
        return {"name": self.cache, **how}


def plan_of(told: Told, family: Family) -> Plan | None:
    """The cache that the settings ask for; `ModelError` if it does not work with this model."""
    cache = told.cache
    if cache is None:
        for name in ("cache_threshold", "cache_interval", "cache_fit"):
            if getattr(told, name) not in (None, ()):
                raise ModelError(
                    f"`generator.{name}` says how a cache works and none is in force; "
                    "set `generator.cache` as well, or leave it out"
                )
        return None
    _refuse(cache, family)
    if told.cache_fit and cache not in _FITTED:
        raise ModelError(
            f"the cache {cache!r} takes no fitted numbers; leave `generator.cache_fit` out, "
            f"or take one of {', '.join(_FITTED)}"
        )
    if cache in INTERVALS:
        if told.cache_threshold is not None:
            raise ModelError(
                f"the cache {cache!r} has no threshold: it goes by steps; "
                "set `generator.cache_interval` instead"
            )
        return Plan(cache=cache, interval=told.cache_interval or INTERVALS[cache])
    if told.cache_interval is not None:
        raise ModelError(
            f"the cache {cache!r} has no interval: it goes by what changes; "
            "set `generator.cache_threshold` instead"
        )
    fit = told.cache_fit or (TEA.get(family.folder.name, ()) if cache == "tea" else ())
    if cache == "mag" and len(fit) < 2:
        raise ModelError(
            "the cache 'mag' needs the ratios of this model in `generator.cache_fit`, one a step; "
            f"`python -m reelwright_generators.magnitudes {family.folder.name}` measures them"
        )
    threshold = told.cache_threshold
    if threshold is None:
        threshold = TEA_FITTED if cache == "tea" and fit else THRESHOLDS[cache]
    return Plan(cache=cache, threshold=threshold, fit=fit)


def _refuse(cache: Cache, family: Family) -> None:
    part = family.denoiser()
    model = family.folder.parts[part]
    if part == "unet":
        raise ModelError(
            f"the cache {cache!r} works on transformers, and {family.folder.name} films with a "
            "U-Net; set `generator.cache=none`"
        )
    if cache not in _STACKS:
        return
    cure = "take `pyramid` or `taylor`, or set `generator.cache=none`"
    if model.startswith(_HINTED):
        raise ModelError(
            f"the cache {cache!r} films wrongly with {model}: the control is added between the "
            f"blocks, and would count twice at every step that is left out; {cure}"
        )
    if model in _UNREGISTERED:
        raise ModelError(
            f"the cache {cache!r} cannot leave out the blocks of {model}: "
            f"diffusers does not know what they return; {cure}"
        )
