"""Scores the shape of a path against the plan: bouncing, jumping, circling, coming, leaving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reelwright_metrics import paths
from reelwright_metrics.assign import Path, Thing, Watched


def half(measured: float, need: float) -> float:
    """0 at nothing or the wrong sign, 0.5 at `need`, 1 at twice that."""
    return float(np.clip(0.5 * measured / max(need, 1e-6), 0, 1))


def slide_of(watched: Watched) -> Path:
    """How the planned backdrop slides: [pictures, 3], the last column nought."""
    part = watched.frames / max(watched.layout.frames - 1, 1)
    across, down = watched.layout.background_shift
    return np.stack([part * across, part * down, part * 0], axis=1)


def moved(move: Sequence[float]) -> str:
    """`moved 43 % to the left`, by the larger part of the movement."""
    x, y = move[0], move[1]
    if max(abs(x), abs(y)) < 0.03:
        return "hardly moved"
    if abs(x) >= abs(y):
        return f"moved {abs(x):.0%} to the {'right' if x > 0 else 'left'}".replace("%", " %")
    return f"moved {abs(y):.0%} {'down' if y > 0 else 'up'}".replace("%", " %")


def _bounces(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    # The fall that it bounces from may be told as an event of its own, just before.
    during = during.copy()
    first = int(during.argmax())
    during[max(0, first - max(2, len(during) // 3)) : first] = True
    planned, seen = paths.rebound(thing.planned[during]), paths.rebound(thing.seen[during])
    need = float(np.clip(0.35 * planned, 0.03, 0.1))
    return half(seen, need), f"came back up by {seen:.0%} of the height".replace("%", " %")


def _jumps(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    planned, seen = paths.hop(thing.planned[during]), paths.hop(thing.seen[during])
    need = float(np.clip(0.35 * planned, 0.03, 0.1))
    return half(seen, need), f"rose and came down by {seen:.0%} of the height".replace("%", " %")


def _circles(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    width, height = watched.shot.size
    planned, seen = (
        paths.swept(path[during], stretch=width / height) for path in (thing.planned, thing.seen)
    )
    need = 0.6 * (planned if planned > 1 else 2 * np.pi)
    return half(seen, need), f"went {seen / (2 * np.pi):.0%} of the way round".replace("%", " %")


def _approaches(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    planned, seen = paths.growth(thing.planned[during]), paths.growth(thing.seen[during])
    need = max(0.4 * planned, 0.1)
    return half(seen, need), f"became {np.exp(seen):.1f} times as large"


def _leaves(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    planned, seen = paths.growth(thing.planned[during]), paths.growth(thing.seen[during])
    shrunk = half(-seen, max(-0.4 * planned, 0.1))
    last = np.flatnonzero(during)[-1]
    ever = np.flatnonzero(np.isfinite(thing.seen[:, 0]))
    if len(ever) >= 3 and ever[-1] < last:
        return 1.0, "went out of sight"
    return shrunk, f"became {np.exp(seen):.1f} times as large"


def _moves(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    slide = slide_of(watched)[during]
    planned = paths.range_of(thing.planned[during])
    against = slide if planned < 0.1 else slide * 0
    seen = paths.range_of(thing.seen[during] - against)
    return half(seen, 0.1), moved(paths.going(thing.seen[during] - against))


def _topples(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    planned, seen = paths.range_of(thing.planned[during]), paths.range_of(thing.seen[during])
    need = float(np.clip(0.4 * planned, 0.02, 0.1))
    return half(seen, need), moved(paths.going(thing.seen[during]))


def _swings(thing: Thing, during: NDArray[np.bool_], watched: Watched) -> tuple[float, str]:
    planned, seen = paths.sway(thing.planned[during]), paths.sway(thing.seen[during])
    need = float(np.clip(0.4 * planned, 0.02, 0.1))
    return half(seen, need), f"swung by {seen:.0%} of the width".replace("%", " %")


SHAPES: Mapping[str, Callable[[Thing, NDArray[np.bool_], Watched], tuple[float, str]]] = (
    MappingProxyType(
        {
            "bounces": _bounces,
            "jumps": _jumps,
            "circles": _circles,
            "approaches": _approaches,
            "leaves": _leaves,
            "moves": _moves,
            "rolls": _moves,
            "falls": _moves,
            "rises": _moves,
            "topples": _topples,
            "collides": _topples,
            "swings": _swings,
        }
    )
)
