"""How a loaded model works for one clip: with less memory, with another attention, with FreeU.

When memory runs out, the clip is filmed again with the next measure that helps where it ran out:
the autoencoder's in tiles, which changes pixels a little where tiles meet; on a GPU then, or if it
was the model's, whole parts and after them layers that wait in main memory, which changes none. A
CPU has no such place; there the type of the numbers is left to whoever sets it.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

from reelwright_core.errors import GeneratorError, ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.families.family import TRANSFORMERS, Family
from reelwright_generators.generator import Request

if TYPE_CHECKING:
    import torch

Offload = Literal["model", "group", "sequential"]
At = Literal["autoencoder", "model"]
"""Where memory ran out."""


TILES = "the autoencoder in tiles"
WAITING: dict[Offload, str] = {
    "model": "the model's parts waiting in main memory",
    "group": "the model's layers waiting in main memory",
    "sequential": "the model's layers waiting in main memory",
}


class OutOfMemory(GeneratorError):
    """The memory did not suffice; perhaps it does with less."""


def check(told: Told, family: Family) -> None:
    """`ModelError` for what the settings ask of a model that cannot do it."""
    if told.freeu and family.denoiser() != "unet":
        raise ModelError(
            f"FreeU changes how a U-Net joins its halves, and {family.folder.name} films with a "
            "transformer, which has none; leave `generator.freeu` out"
        )


class Saving:
    """The measures in force on one loaded pipeline."""

    def __init__(self, told: Told, device: torch.device) -> None:
        if told.offload and device.type == "cpu":
            raise ModelError(
                f"`generator.offload={told.offload}` lets parts of a model wait in main memory "
                "until a GPU needs them, and this model films on the CPU; "
                "set `generator.offload=none`"
            )
        self._told, self._device = told, device
        self.offload: Offload | None = told.offload
        self._tiled_from: int | None = 0 if told.tiling == "on" else None
        """Pixels of the smallest clip whose autoencoder works in tiles."""

    def place(self, pipe: Any) -> None:
        """Brings a loaded pipeline to its device, or to where its parts wait."""
        if self.offload is not None:
            put_off(pipe, self.offload, self._device)
            return
        try:
            pipe.to(self._device)
        except Exception as error:
            if self._device.type == "cpu" or not ran_out(error):
                raise
            self.offload = "model"
        else:
            return
        self.free(pipe)
        put_off(pipe, self.offload, self._device)

    def tiles(self, request: Request) -> bool:
        """Whether the autoencoder works in tiles for this clip."""
        return self._tiled_from is not None and _pixels(request) >= self._tiled_from

    @contextlib.contextmanager
    def at_work(self, pipe: Any, request: Request) -> Generator[None]:
        """Films the clip in the block with the measures in force."""
        with tiled(pipe) if self.tiles(request) else contextlib.nullcontext():
            yield

    def next(self, pipe: Any, request: Request, at: At) -> str | None:
        """Takes the next measure for a clip that ran out of memory; what it is, or none is left."""
        self.free(pipe)
        may_tile = self._told.tiling == "auto" and hasattr(pipe.vae, "enable_tiling")
        if at == "autoencoder" and may_tile and not self.tiles(request):
            self._tiled_from = _pixels(request)
            return TILES
        if self._device.type == "cpu" or self.offload in ("group", "sequential"):
            return None
        self.offload = "model" if self.offload is None else "group"
        put_off(pipe, self.offload, self._device)
        return WAITING[self.offload]

    def in_force(self, request: Request) -> list[str]:
        """The measures with which this clip is filmed."""
        waiting = [WAITING[self.offload]] if self.offload else []
        return [TILES, *waiting] if self.tiles(request) else waiting

    def free(self, pipe: Any) -> None:
        """Lets go of what a clip that failed has left behind."""
        if hasattr(pipe.vae, "clear_cache"):
            pipe.vae.clear_cache()
        pipe.maybe_free_model_hooks()
        gc.collect()
        if self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def cure(self) -> str:
        """What a user can do when no measure is left."""
        cures = ["film fewer frames or a smaller size", "use a smaller model"]
        if self._told.tiling == "off":
            cures.insert(0, "set `generator.tiling=on`")
        if self._device.type == "cuda" and self.offload != "sequential":
            cures.append("set `generator.offload=sequential`")
        if self._told.dtype in ("auto", "float32") and self._device.type == "cpu":
            cures.append("set `generator.dtype=bfloat16`")
        return ", or ".join(cures)

    def data(self, request: Request) -> dict[str, Any]:
        """For the provenance of a clip."""
        told = {"offload": self.offload, "tiling": self.tiles(request)}
        return {name: value for name, value in told.items() if value}


def _pixels(request: Request) -> int:
    return request.size[0] * request.size[1] * request.frames


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory did not suffice."""
    signs = ("out of memory", "can't allocate memory", "bad_alloc", "nable to allocate")
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


def put_off(pipe: Any, how: Offload, device: torch.device) -> None:
    """Lets parts of a pipeline wait in main memory until `device` needs them.

    `model` moves whole parts, `group` their layers ahead of use, `sequential` each layer when it is
    used. Pixels stay as they are.
    """
    import torch

    pipe.remove_all_hooks()
    try:
        if how == "model":
            pipe.enable_model_cpu_offload(device=device)
        elif how == "sequential":
            pipe.enable_sequential_cpu_offload(device=device)
        else:
            pipe.to("cpu")
            pipe.enable_group_offload(
                onload_device=device,
                offload_device=torch.device("cpu"),
                offload_type="leaf_level",
            )
    except (ValueError, NotImplementedError) as error:
        raise ModelError(
            f"`generator.offload={how}` does not work with {type(pipe).__name__}: {error}; "
            "take another of model, group and sequential"
        ) from error


@contextlib.contextmanager
def tiled(pipe: Any) -> Generator[None]:
    """Lets the autoencoder work tile by tile, and clip by clip, while the block lasts."""
    vae = pipe.vae
    if not hasattr(vae, "enable_tiling"):
        raise ModelError(f"{type(vae).__name__} cannot work in tiles; set `generator.tiling=off`")
    was = (getattr(vae, "use_tiling", False), getattr(vae, "use_slicing", False))
    vae.enable_tiling()
    if hasattr(vae, "enable_slicing"):
        vae.enable_slicing()
    try:
        yield
    finally:
        vae.use_tiling, vae.use_slicing = was


@contextlib.contextmanager
def attending(pipe: Any, name: str | None) -> Generator[None]:
    """Computes attention by the named backend while the block lasts."""
    if name is None:
        yield
        return
    from diffusers.models.attention_dispatch import attention_backend

    models = [part for each in TRANSFORMERS if (part := getattr(pipe, each, None)) is not None]
    if not any(
        hasattr(getattr(module, "processor", None), "_attention_backend")
        for model in models
        for module in model.modules()
    ):
        raise ModelError(
            f"{type(models[0]).__name__} computes attention in its own way only; "
            "leave `generator.attention` out"
        )
    with attention_backend(name):
        yield


def refuse_attention(name: str | None) -> None:
    """`ModelError` with the names that work here for one that does not."""
    if name is None:
        return
    from diffusers.models.attention_dispatch import AttentionBackendName

    reason = _attention_fails(name)
    if reason is None:
        return
    names = sorted(each.value for each in AttentionBackendName if "hub" not in each.value)
    usable = [each for each in names if _attention_fails(each) is None]
    raise ModelError(
        f"the attention {name!r} cannot be used: {reason}; here work: {', '.join(usable)}"
    )


def _attention_fails(name: str) -> str | None:
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    if name not in {each.value for each in AttentionBackendName}:
        return "there is none of this name"
    try:
        with attention_backend(AttentionBackendName(name)):
            return None
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        return " ".join(str(error).split())[:200]


@contextlib.contextmanager
def freed(pipe: Any, freeu: tuple[float, ...]) -> Generator[None]:
    """Films the block with FreeU (arXiv 2309.11497): b1, b2, s1, s2."""
    if not freeu:
        yield
        return
    if not hasattr(pipe, "enable_freeu"):
        raise ModelError(f"{type(pipe).__name__} has no FreeU; leave `generator.freeu` out")
    b1, b2, s1, s2 = freeu
    pipe.enable_freeu(s1=s1, s2=s2, b1=b1, b2=b2)
    try:
        yield
    finally:
        pipe.disable_freeu()
