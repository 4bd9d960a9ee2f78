"""Caches on a loaded model, for one clip: put on when its schedule is known, taken off after it.

Three leave out the stack of blocks and add what it added last time: `first-block` when the first
block's own change is small, `mag` while the fitted magnitudes say so (MagCache, arXiv 2506.09045),
`tea` while the time embedding has changed little (TeaCache, arXiv 2411.19108). Two leave out parts
of all blocks at set steps: `pyramid` repeats attention (PAB, arXiv 2408.12588), `taylor`
extrapolates attention and feed-forward (TaylorSeer, arXiv 2503.06923).

`tea` and `pyramid` are hooks of our own: diffusers has no TeaCache, and its pyramid keeps one state
for both guidance branches, so that a model which is called once for each gives both the same
attention. The other three are diffusers' own.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.hooks._helpers import TransformerBlockRegistry
from diffusers.hooks.first_block_cache import FirstBlockCacheConfig, apply_first_block_cache
from diffusers.hooks.hooks import BaseState, HookRegistry, ModelHook, StateManager
from diffusers.hooks.mag_cache import MagCacheConfig, apply_mag_cache
from diffusers.hooks.taylorseer_cache import TaylorSeerCacheConfig, apply_taylorseer_cache
from diffusers.models.attention import AttentionModuleMixin, FeedForward
from diffusers.models.attention_processor import Attention, MochiAttention

from reelwright_core.errors import ModelError
from reelwright_generators.caches import Plan
from reelwright_generators.schedules import Course

_HOOKS = (
    "fbc_leader_block_hook", "fbc_block_hook", "mag_cache_leader_block_hook",
    "mag_cache_block_hook", "taylorseer_cache", "reelwright_tea", "reelwright_pyramid",
)  # fmt: skip
_BROADCAST = (0.1, 0.8)
"""Levels between which `pyramid` repeats attention: the paper's, in the middle of the way."""

_ATTENTION = (Attention, MochiAttention, AttentionModuleMixin)


class Calls:
    """How often the parts that a cache may leave out were asked for, and were computed."""

    def __init__(self, what: str) -> None:
        self.what, self.asked, self.made = what, 0, 0

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        return {"of": self.what, "asked": self.asked, "saved": self.asked - self.made}


def refuse_unnamed(pipeline: Any, plan: Plan) -> None:
    """`ModelError` for a pipeline class that does not name its calls of the model.

    With guidance the model answers twice a step; a cache that cannot tell one call from the other
    would answer one with what it kept of the other.
    """
    if "cache_context" not in inspect.getsource(pipeline.__call__):
        raise ModelError(
            f"the cache {plan.cache!r} does not work with {pipeline.__name__}: it does not tell "
            "its calls with the prompt from those without; set `generator.cache=none`"
        )


@contextlib.contextmanager
def cached(plan: Plan | None, pipe: Any, course: Course) -> Generator[Calls | None]:
    """Films the block's one call of `pipe` with a cache; the model is as it was before after it."""
    if plan is None:
        yield None
        return
    calls = Calls("blocks" if plan.cache not in ("pyramid", "taylor") else "parts of blocks")
    undo: list[Callable[[], None]] = []

    def put_on() -> None:
        for model, levels in _experts(pipe, course):
            parts = _parts(plan, model)
            for part in parts:
                undo.append(_counted(part, calls))
            undo.append(lambda model=model: _take_off(model))
            _PUT_ON[plan.cache](plan, model, levels, course, parts)
            HookRegistry.check_if_exists_or_initialize(model).invalidate_child_registries_cache()

    course.when_set = put_on
    try:
        yield calls
    finally:
        course.when_set = None
        for back in reversed(undo):
            back()


def _experts(pipe: Any, course: Course) -> list[tuple[Any, list[float]]]:
    """Each model that denoises, with the levels of its own steps."""
    levels, second = course.levels, getattr(pipe, "transformer_2", None)
    boundary = pipe.config.get("boundary_ratio")
    if second is None or boundary is None:
        return [(pipe.transformer, levels)]
    scheduler = pipe.scheduler
    end = boundary * scheduler.config.num_train_timesteps
    high = sum(float(time) >= end for time in scheduler.timesteps)
    both = [(pipe.transformer, levels[:high]), (second, levels[high:])]
    return [(model, own) for model, own in both if model is not None and own]


def blocks_of(model: Any) -> list[Any]:
    """The stack of blocks of a transformer, in the order in which they run."""
    return [
        block
        for name, part in model.named_children()
        if isinstance(part, torch.nn.ModuleList) and name.endswith(("blocks", "layers"))
        for block in part
    ]


def _parts(plan: Plan, model: Any) -> list[Any]:
    """What the cache may leave out; `ModelError` if there is nothing, or it cannot be."""
    blocks = blocks_of(model)
    name = type(model).__name__
    cure = "set `generator.cache=none`"
    if plan.cache in ("first-block", "mag", "tea"):
        for block in blocks:
            try:
                TransformerBlockRegistry.get(type(block))
            except ValueError:
                raise ModelError(
                    f"the cache {plan.cache!r} cannot leave out the blocks of {name}: diffusers "
                    f"does not know what they return; take `pyramid` or `taylor`, or {cure}"
                ) from None
        if len(blocks) < 2:
            raise ModelError(
                f"the cache {plan.cache!r} needs a model of two blocks or more, and {name} has "
                f"{len(blocks)}; {cure}"
            )
        return blocks
    kinds = (*_ATTENTION, FeedForward) if plan.cache == "taylor" else _ATTENTION
    found = [part for block in blocks for part in block.modules() if isinstance(part, kinds)]
    if not found:
        raise ModelError(f"the cache {plan.cache!r} finds no attention in {name}; {cure}")
    return found


def _counted(part: Any, calls: Calls) -> Callable[[], None]:
    """Counts calls of a part from outside, and those that a cache lets through; how to undo it."""
    before = vars(part).get("forward")
    forward = part.forward

    def made(*args: Any, **kwargs: Any) -> Any:
        calls.made += 1
        return forward(*args, **kwargs)

    def asked(module: Any, args: Any) -> None:
        calls.asked += 1

    part.forward = made
    handle = part.register_forward_pre_hook(asked)

    def back() -> None:
        handle.remove()
        del part.forward
        if before is not None:
            part.forward = before

    return back


def _take_off(model: Any) -> None:
    registry = HookRegistry.check_if_exists_or_initialize(model)
    for name in _HOOKS:
        registry.remove_hook(name, recurse=True)
    registry.invalidate_child_registries_cache()


def _first_block(
    plan: Plan, model: Any, levels: Sequence[float], course: Course, parts: list[Any]
) -> None:
    apply_first_block_cache(model, FirstBlockCacheConfig(threshold=_strictly(plan.threshold)))


def _mag(plan: Plan, model: Any, levels: Sequence[float], course: Course, parts: list[Any]) -> None:
    ratios = magnitude_ratios(plan.fit, stock=course.stock, levels=levels)
    config = MagCacheConfig(
        threshold=_strictly(plan.threshold),
        num_inference_steps=len(levels),
        mag_ratios=torch.tensor(ratios),
    )
    apply_mag_cache(model, config)


def _strictly(threshold: float) -> float:
    """0 lets nothing through, not even what does not change at all."""
    return threshold or -1.0


def magnitude_ratios(
    fit: Sequence[float], *, stock: Sequence[float], levels: Sequence[float]
) -> list[float]:
    """How much longer what the blocks add is at each step than at the one before; first 1.

    `fit` are the ratios of a whole run of `len(fit)` steps. Their product up to a step is laid
    over the whole run's levels `stock`, and read off at `levels`: so a run of another number of
    steps, or one that starts late, has its own ratios.
    """
    lengths = np.cumsum(np.log(np.maximum(np.asarray(fit, np.float64), 1e-6)))
    along = np.interp(np.linspace(0, 1, len(stock)), np.linspace(0, 1, len(fit)), lengths)
    falling = np.asarray(stock, np.float64)
    there = np.interp(np.asarray(levels, np.float64), falling[::-1], along[::-1])
    return [1.0, *np.exp(np.diff(there)).tolist()]


@contextlib.contextmanager
def lengthening(pipe: Any) -> Generator[Callable[[int], list[float]]]:
    """Watches one clip of `pipe`; what it gives then tells the `fit` of `mag` for so many steps."""
    entered: list[Any] = []
    lengths: list[torch.Tensor] = []
    handles: list[Any] = []

    def enter(block: Any, args: Any, kwargs: Any) -> None:
        known: Any = TransformerBlockRegistry.get(type(block))
        name = known.hidden_states_argument_name
        entered[:] = [known._get_parameter_from_args_kwargs(name, args, kwargs)]

    def leave(block: Any, args: Any, made: Any) -> None:
        known: Any = TransformerBlockRegistry.get(type(block))
        tokens = made[known.return_hidden_states_index] if isinstance(made, tuple) else made
        lengths.append((tokens - entered.pop()).float().norm(dim=-1))

    def ratios(steps: int) -> list[float]:
        calls = len(lengths) // steps  # one for each guidance branch
        grown = [
            float((now / before.clamp(min=1e-8)).mean())
            for before, now in zip(lengths, lengths[calls:], strict=False)
        ]
        each = [grown[i : i + calls] for i in range(0, len(grown), calls)]
        return [1.0, *(sum(step) / len(step) for step in each)]

    plan = Plan(cache="mag")
    for name in ("transformer", "transformer_2"):
        model = getattr(pipe, name, None)
        if model is not None:
            blocks = _parts(plan, model)
            handles.append(blocks[0].register_forward_pre_hook(enter, with_kwargs=True))
            handles.append(blocks[-1].register_forward_hook(leave))
    try:
        yield ratios
    finally:
        for handle in handles:
            handle.remove()


def _taylor(
    plan: Plan, model: Any, levels: Sequence[float], course: Course, parts: list[Any]
) -> None:
    # Named one by one: diffusers' own patterns end in `attn` and miss every `attn1` and `attn2`.
    own = {id(part) for part in parts}
    names = [name for name, part in model.named_modules() if id(part) in own]
    full = next(model.parameters()).dtype is torch.float32
    config = TaylorSeerCacheConfig(
        cache_interval=plan.interval,
        disable_cache_after_step=len(levels) - 1,
        taylor_factors_dtype=torch.float32 if full else torch.bfloat16,
        cache_identifiers=[name.replace(".", r"\.") for name in names],
    )
    apply_taylorseer_cache(model, config)


def _pyramid(
    plan: Plan, model: Any, levels: Sequence[float], course: Course, parts: list[Any]
) -> None:
    for part in parts:
        hook = _Broadcast(plan.interval, course)
        HookRegistry.check_if_exists_or_initialize(part).register_hook(hook, "reelwright_pyramid")


def _states(kind: Any) -> StateManager:
    """One state for each guidance branch."""
    return StateManager(kind)


def _original(hook: ModelHook) -> Any:
    reference: Any = hook.fn_ref
    return reference.original_forward


class _Attended(BaseState):
    """What one attention gave last, in one guidance branch."""

    def __init__(self) -> None:
        self.given: Any = None
        self.age = 0

    def reset(self, *args: Any, **kwargs: Any) -> None:
        self.given, self.age = None, 0


class _Broadcast(ModelHook):
    """Repeats what an attention gave, for `interval - 1` steps after each one that computes it."""

    _is_stateful = True

    def __init__(self, interval: int, course: Course) -> None:
        super().__init__()
        self.interval, self.course = interval, course
        self.states = _states(_Attended)

    def new_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        state: Any = self.states.get_state()
        low, high = _BROADCAST
        between = low < self.course.levels[self.course.done] < high
        if state.given is None or not between or state.age + 1 >= self.interval:
            state.given, state.age = _original(self)(*args, **kwargs), 0
        else:
            state.age += 1
        return state.given

    def reset_state(self, module: Any) -> Any:
        self.states.reset()
        return module


def _tea(plan: Plan, model: Any, levels: Sequence[float], course: Course, parts: list[Any]) -> None:
    states = _states(_Stack)
    for i, block in enumerate(parts):
        hook = _Tea(plan, states, steps=len(levels), first=i == 0, last=i == len(parts) - 1)
        HookRegistry.check_if_exists_or_initialize(block).register_hook(hook, "reelwright_tea")


class _Stack(BaseState):
    """One guidance branch's way through the stack."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, *args: Any, **kwargs: Any) -> None:
        self.step = -1
        self.moved = 0.0
        """How far the time embedding has moved since the stack was computed."""
        self.time: Any = None
        self.entered: tuple[Any, ...] = ()
        self.added: tuple[Any, ...] = ()
        """What the stack added to the tokens, and to those of the text where it changes them."""
        self.skips = False


class _Tea(ModelHook):
    """On each block: the first decides whether the stack is computed, the last keeps what it adds.

    d = p(|t - t'| / |t'|), t what the time embedding gives the blocks, t' the same one step before,
    |.| the sum of absolute values, p the fitted polynomial or, without one, d as it is. While the
    sum of d stays below the threshold the stack is left out. The first tenth of the steps and the
    last one are always computed.
    """

    _is_stateful = True

    def __init__(
        self, plan: Plan, states: StateManager, *, steps: int, first: bool, last: bool
    ) -> None:
        super().__init__()
        self.plan, self.states, self.steps = plan, states, steps
        self.first, self.last = first, last

    def initialize_hook(self, module: Any) -> Any:
        self.known: Any = TransformerBlockRegistry.get(type(module))
        return module

    def new_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        state: Any = self.states.get_state()
        tokens = self._tokens(args, kwargs)
        if self.first:
            self._decide(state, self.known._get_parameter_from_args_kwargs("temb", args, kwargs))
            state.entered = tokens
            if state.skips:
                tokens = tuple(a + b for a, b in zip(tokens, state.added, strict=True))
        if state.skips:
            return self._returned(tokens)
        made = _original(self)(*args, **kwargs)
        if self.last:
            state.added = tuple(
                after - before
                for after, before in zip(self._given(made), state.entered, strict=True)
            )
            state.entered = ()
        return made

    def _decide(self, state: Any, time: torch.Tensor) -> None:
        state.step += 1
        if state.time is not None:
            change = (time - state.time).abs().mean() / state.time.abs().mean()
            state.moved += self._rescaled(float(change))
        state.time = time
        ends = not max(1, round(0.1 * self.steps)) <= state.step < self.steps - 1
        state.skips = not ends and state.moved < self.plan.threshold
        if not state.skips:
            state.moved = 0.0

    def _rescaled(self, change: float) -> float:
        return float(np.polyval(self.plan.fit, change)) if self.plan.fit else change

    def _tokens(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        read = self.known._get_parameter_from_args_kwargs
        names = [self.known.hidden_states_argument_name]
        if self.known.return_encoder_hidden_states_index is not None:
            names.append(self.known.encoder_hidden_states_argument_name)
        return tuple(read(name, args, kwargs) for name in names)

    def _given(self, made: Any) -> tuple[Any, ...]:
        text = self.known.return_encoder_hidden_states_index
        if text is None:
            return (made,)
        return made[self.known.return_hidden_states_index], made[text]

    def _returned(self, tokens: tuple[Any, ...]) -> Any:
        text = self.known.return_encoder_hidden_states_index
        if text is None:
            return tokens[0]
        return tokens if text == 1 else tokens[::-1]

    def reset_state(self, module: Any) -> Any:
        self.states.reset()
        return module


_PUT_ON: dict[str, Callable[[Plan, Any, Sequence[float], Course, list[Any]], None]] = {
    "first-block": _first_block,
    "mag": _mag,
    "pyramid": _pyramid,
    "taylor": _taylor,
    "tea": _tea,
}
