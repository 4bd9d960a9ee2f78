"""What loading and running any diffusers model needs: device, weights, quiet, clear failures."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator
from typing import Any

import diffusers
import torch
import transformers

from reelwright_core.errors import GeneratorError, ModelError
from reelwright_generators.families.family import Family
from reelwright_generators.folder import IP_ADAPTER, ModelFolder
from reelwright_generators.saving import OutOfMemory, Saving, ran_out
from reelwright_generators.schedules import kind_of

_SMALL = 100_000_000
"""Parameters below which a model films on one thread."""


def device_of(asked: str) -> torch.device:
    """The device of the setting `generator.device`; `auto` is CUDA where there is one."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"the device {asked!r} cannot be used: {_first_line(error)}; use `auto` or `cpu`"
        ) from None
    return device


def dtype_of(asked: str, device: torch.device) -> torch.dtype:
    """The number type of the setting `generator.dtype`; `auto` is bfloat16 on CUDA."""
    if asked == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return getattr(torch, asked)


def loaded(family: Family, saving: Saving, dtype: torch.dtype) -> Any:
    """The family's pipeline with its weights, where `saving` wants them.

    `ModelError` for weights that lack.
    """
    folder = family.folder
    dtypes: Any = {"default": dtype}
    if family.vae_float32:
        dtypes["vae"] = torch.float32
    with quiet(), failures_told(folder):
        encoders = {
            name: _encoder(folder, name, kind, dtype)
            for name, kind in folder.parts.items()
            if _is_encoder(kind)
        }
        apart = {
            name: _part(folder, name, dtypes.get(name, dtype))
            for name in folder.parts
            if name not in encoders and folder.is_apart(name) and folder.parts[name] != IP_ADAPTER
        }
        pipe = family.pipeline_class().from_pretrained(
            folder.path,
            dtype=dtypes,
            variant=folder.variant,
            use_safetensors=True,
            local_files_only=True,
            **encoders,
            **apart,
        )
        family.prepare(pipe)
        refuse_scheduler(family, pipe.scheduler)
        for part in folder.parts:
            refuse_unfilled(part, getattr(pipe, part, None))
        pipe.set_progress_bar_config(disable=True)
        saving.place(pipe)
        return pipe


def _is_encoder(kind: str) -> bool:
    found = getattr(transformers, kind, None)
    return isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)


def _of_encoder(kind: str, dtype: torch.dtype) -> torch.dtype:
    """`dtype`, or float32 for T5 and language models where it is float16: they overflow in it.

    CLIP does not, and its pipelines hand what it says to the model as it is.
    """
    narrow = dtype is torch.float16 and not kind.startswith("CLIP")
    return torch.float32 if narrow else dtype


def _encoder(folder: ModelFolder, name: str, kind: str, dtype: torch.dtype) -> Any:
    """Loaded on its own, since only so transformers tells what it would make up."""
    own = _of_encoder(kind, dtype)
    encoder, told = getattr(transformers, kind).from_pretrained(
        folder.folder(name), dtype=own, output_loading_info=True, **folder.loads(name)
    )
    if told["missing_keys"]:
        raise ModelError(f"the weights of `{name}` lack {min(told['missing_keys'])!r}")
    if own is not dtype:
        _speak_in(dtype, encoder)
    return encoder


def _speak_in(dtype: torch.dtype, encoder: Any) -> None:
    """Has an encoder that computes in another type be taken for one of `dtype`, and answer in it.

    Most pipelines pass what it says on to the model in the encoder's type, not in the model's.
    """
    plain: Any = type(encoder)
    seeming = {"dtype": property(lambda self: dtype), "__module__": plain.__module__}
    encoder.__class__ = type(plain.__name__, (plain,), seeming)

    def narrowed(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value.to(dtype)
        return tuple(narrowed(each) for each in value) if isinstance(value, tuple) else value

    def answer(module: Any, args: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return narrowed(out)
        for name, value in list(out.items()):
            out[name] = narrowed(value)
        return out

    encoder.register_forward_hook(answer)


def _part(folder: ModelFolder, name: str, dtype: torch.dtype) -> Any:
    """A part from elsewhere, or one whose pickled weights were allowed; no other is unpickled."""
    kind: Any = getattr(diffusers, folder.parts[name])
    if name not in folder.weights:
        return kind.from_pretrained(folder.folder(name), local_files_only=True)
    return kind.from_pretrained(folder.folder(name), torch_dtype=dtype, **folder.loads(name))


def refuse_scheduler(family: Family, scheduler: Any) -> None:
    """`ModelError` for a scheduler that the family's pipelines cannot step."""
    kind = kind_of(scheduler)
    if kind not in family.kinds:
        raise ModelError(
            f"the scheduler {type(scheduler).__name__} is one of {kind}; "
            f"`{family.name}` models take one of {' or '.join(family.kinds)}"
        )


def refuse_unfilled(name: str, part: Any) -> None:
    """Diffusers leaves what a weight file lacks without any value; it would fail later."""
    if isinstance(part, torch.nn.Module):
        for tensor, value in part.named_parameters():
            if value.is_meta:
                raise ModelError(f"the weights of `{name}` lack {tensor!r}")


def threads_for(model: torch.nn.Module) -> int:
    """CPU threads to film with: all of torch's, or one for a small model.

    A small model gains little from more, and its many short waits for them cost ten times the
    whole clip as soon as something else runs on the machine (measured with the built-in model).
    """
    if sum(parameter.numel() for parameter in model.parameters()) < _SMALL:
        return 1
    return torch.get_num_threads()


@contextlib.contextmanager
def pinned(threads: int) -> Generator[None]:
    """Fixes what could make the same clip come out differently.

    That is: the thread count, cuDNN's choices, and what pipelines draw without saying from where
    (a picture's latents in I2VGen-XL and SparseCtrl).
    """
    before = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    torch.set_num_threads(threads)
    try:
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
            torch.random.fork_rng(devices=devices),
        ):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Keeps the libraries' bars and remarks off the terminal, and leaves them as they were."""
    logs: list[Any] = [diffusers.utils.logging, transformers.utils.logging]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # Mochi asks for float32 on a CPU, which is what it has there anyway.
            warnings.filterwarnings("ignore", "In CPU autocast", UserWarning)
            yield
    finally:
        for log, (verbosity, bars) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


@contextlib.contextmanager
def failures_told(folder: ModelFolder) -> Generator[None]:
    """Turns what libraries raise over a broken model into one `ModelError`."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"the model {folder.name} cannot be loaded: {error}") from None
    except Exception as error:  # there are many libraries, and many ways to be broken
        if ran_out(error):
            raise OutOfMemory(
                f"the memory does not suffice for the model {folder.name}; use a smaller one, or "
                "set `generator.dtype=bfloat16`, or on a GPU `generator.offload=sequential`"
            ) from error
        raise ModelError(
            f"the model {folder.name} in {folder.path} cannot be loaded: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error


@contextlib.contextmanager
def filming_told() -> Generator[None]:
    """Turns what torch raises in the middle of a clip into a `GeneratorError`."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, MemoryError) as error:
        if ran_out(error):
            raise OutOfMemory("the memory did not suffice for this clip") from error
        raise GeneratorError(
            f"the model failed: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
