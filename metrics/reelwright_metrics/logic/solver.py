"""How probable it is that a clip satisfies a formula, and what is to blame if it is not.

What is known of a clip is a table: for each proposition the probability, 0..1, that it is true in
each frame (or window of frames). They are taken to be independent, between propositions and between
frames. Then the probability of the formula's monitor being in the state q after the frame t is

    P_0(q0) = 1,   P_{t+1}(q') = sum over q and labels of P_t(q) * Pr_t(label) * [d(q, label) = q'],

and that of the formula is the sum over accepting states after the last frame: exact, no sampling.
Parts of a conjunction or disjunction that share no proposition are independent, and are solved one
by one: P(a & b) = P(a) P(b), P(a | b) = 1 - (1 - P(a)) (1 - P(b)).

The measure is that of NeuS-V (Sharan et al., Neuro-Symbolic Evaluation of Text-to-Video Models
using Formal Verification, CVPR 2025, arXiv 2411.16718), there computed by a model checker and with
`G` and `U` weakened to `F`; the blame is that of NeuS-E (arXiv 2504.17180).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import FormulaError
from reelwright_metrics.logic.formula import Formula
from reelwright_metrics.logic.monitor import Monitor, Tree

Table = Mapping[str, Sequence[float]]
"""For each proposition its probability in each frame, all of the same length of 1 or more."""
Series = NDArray[np.float64]

MOST = 8
"""Propositions in one part of a formula that cannot be split into independent ones."""
SOFT = 1e-9
"""Blame is found on probabilities this far from 0 and 1, so that each of many failures counts."""
SHARE = 0.5
"""A frame is to blame if mending it helps this share as much as the best one, in logarithms,"""
DOUBLES = float(np.log(2))
"""or makes the formula twice as probable."""
HELPS = 0.01
"""What mending must multiply the probability by, less 1, for anything to be to blame."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Verdict:
    """How probable a formula is, and where it goes wrong; frames are those of the table."""

    formula: Formula
    probability: float
    failed: Series
    """[frames]: the probability that after this frame it is false whatever is still to come."""
    succeeded: Series
    """[frames]: the probability that after this frame it is true whatever is still to come."""
    mended: dict[str, float]
    """For each proposition the probability of the formula if that proposition could be chosen
    freely in every frame: an upper bound on what mending it can bring."""
    weakest: str | None
    """The proposition that mending helps most; None if none helps by 1 % or more."""
    gains: Series
    """[frames]: the natural logarithm of how many times more probable the formula is if the
    weakest proposition can be chosen in this frame alone; nought without one."""
    spans: list[tuple[int, int]]
    """First and last frames of where mending the weakest proposition helps the most."""
    first_failing: int | None
    """The frame after which the formula is more likely lost for good than not; None if never."""


def probability(formula: Formula, table: Table) -> float:
    """The probability, 0..1, that a trace drawn from `table` satisfies `formula`.

    Raises `FormulaError` for a proposition that is not in the table, values outside 0..1, series of
    different lengths, and more than 8 propositions that depend on each other.
    """
    checked = _checked(formula, table)
    return _Solved(formula, _frames(checked)).value(checked)


def verdict(formula: Formula, table: Table) -> Verdict:
    """The probability of `formula` and its blame; errors as of `probability`.

    The frames of a table are windows where windows were looked at.
    """
    checked = _checked(formula, table)
    soft = {name: np.clip(series, SOFT, 1 - SOFT) for name, series in checked.items()}
    solved = _Solved(formula, _frames(checked))
    failed, succeeded = solved.settled(checked)
    base = solved.value(soft)
    mended = {name: solved.value(soft, free=name) for name in formula.propositions()}
    weakest = max(mended, key=lambda name: mended[name], default=None)
    if weakest is None or mended[weakest] <= base * (1 + HELPS):
        weakest = None
    frames = len(failed)
    gains = np.zeros(frames)
    if weakest is not None:
        for frame in range(frames):
            there = solved.value(soft, free=weakest, at=frame)
            gains[frame] = max(0.0, float(np.log(there / base)))
    lost = np.flatnonzero(failed >= 0.5)
    return Verdict(
        formula=formula,
        probability=solved.value(checked),
        failed=failed,
        succeeded=succeeded,
        mended=mended,
        weakest=weakest,
        gains=gains,
        spans=_spans(gains),
        first_failing=int(lost[0]) if len(lost) else None,
    )


def _spans(gains: Series) -> list[tuple[int, int]]:
    if not len(gains) or gains.max() <= 0:
        return []
    spans: list[tuple[int, int]] = []
    least = min(SHARE * float(gains.max()), DOUBLES)
    for frame in np.flatnonzero(gains >= least).tolist():
        if spans and spans[-1][1] == frame - 1:
            spans[-1] = (spans[-1][0], frame)
        else:
            spans.append((frame, frame))
    return spans


def independent(formula: Formula) -> list[Formula]:
    """The parts of a conjunction or disjunction that share no proposition; else itself alone."""
    if formula.op not in ("&", "|"):
        return [formula]
    groups: list[tuple[set[str], list[Formula]]] = []
    for part in formula.parts:
        names, members = set(part.propositions()), [part]
        apart: list[tuple[set[str], list[Formula]]] = []
        for group in groups:
            if group[0] & names:
                names, members = names | group[0], [*group[1], *members]
            else:
                apart.append(group)
        groups = [*apart, (names, members)]
    if len(groups) == 1:
        return [formula]
    op = formula.op
    return [each[0] if len(each) == 1 else Formula(op, tuple(each)) for _, each in groups]


_Checked = Mapping[str, Series]


def _frames(table: _Checked) -> int:
    return len(next(iter(table.values())))


class _Solved:
    """A formula made ready for tables of so many frames: split into its independent parts."""

    def __init__(self, formula: Formula, frames: int):
        parts = independent(formula)
        self.all_needed = formula.op == "&"
        self.names = frozenset(formula.propositions())
        self.parts = [_Solved(part, frames) for part in parts] if len(parts) > 1 else []
        self.chain = None if self.parts else _Chain(formula, frames)

    def value(self, table: _Checked, *, free: str | None = None, at: int | None = None) -> float:
        """The probability; that of the best choice of `free` in the frame `at`, or in all."""
        if self.chain is not None:
            return self.chain.value(table, free=free if free in self.names else None, at=at)
        values = np.array([part.value(table, free=free, at=at) for part in self.parts])
        return float(values.prod() if self.all_needed else 1 - (1 - values).prod())

    def settled(self, table: _Checked) -> tuple[Series, Series]:
        """[frames] each: how probably it is false, and true, whatever is still to come."""
        if self.chain is not None:
            return self.chain.settled(table)
        settled = [part.settled(table) for part in self.parts]
        failed = np.array([each[0] for each in settled])
        succeeded = np.array([each[1] for each in settled])
        if self.all_needed:
            return 1 - (1 - failed).prod(0), succeeded.prod(0)
        return failed.prod(0), 1 - (1 - succeeded).prod(0)


class _Chain:
    """The Markov chain of a monitor's states over the frames of a table."""

    def __init__(self, formula: Formula, frames: int):
        names = formula.propositions()
        if len(names) > MOST:
            raise FormulaError(
                f"at most {MOST} propositions may depend on each other, got {len(names)}: "
                f"{', '.join(names)}; split the formula into parts joined by `&` that share none"
            )
        self.frames = frames
        self.monitor = Monitor(formula)
        self.layers: list[list[int]] = [[0]]
        """The states that can be reached before each frame, and after the last."""
        for _ in range(frames):
            leaves = {
                leaf for state in self.layers[-1] for leaf in _leaves(self.monitor.tree(state))
            }
            self.layers.append(sorted(leaves))

    def value(self, table: _Checked, *, free: str | None, at: int | None) -> float:
        ahead = {state: float(self.monitor.accepts(state)) for state in self.layers[-1]}
        for frame in reversed(range(self.frames)):
            true = {name: float(series[frame]) for name, series in table.items()}
            chosen = free if at is None or at == frame else None
            ahead = {
                state: _best(self.monitor.tree(state), true, ahead, chosen)
                for state in self.layers[frame]
            }
        return ahead[0]

    def settled(self, table: _Checked) -> tuple[Series, Series]:
        can = {state: self.monitor.accepts(state) for state in self.layers[-1]}
        must = dict(can)
        ends = [(can, must)]
        for frame in reversed(range(1, self.frames)):
            leaves = {s: _leaves(self.monitor.tree(s)) for s in self.layers[frame]}
            can, must = (
                {s: any(can[leaf] for leaf in leaves[s]) for s in leaves},
                {s: all(must[leaf] for leaf in leaves[s]) for s in leaves},
            )
            ends.append((can, must))
        failed, succeeded = np.zeros(self.frames), np.zeros(self.frames)
        now = {0: 1.0}
        for frame, (can, must) in enumerate(reversed(ends)):
            true = {name: float(series[frame]) for name, series in table.items()}
            after = dict.fromkeys(self.layers[frame + 1], 0.0)
            for state, weight in now.items():
                _spread(self.monitor.tree(state), true, weight, after)
            now = after
            failed[frame] = sum(weight for state, weight in now.items() if not can[state])
            succeeded[frame] = sum(weight for state, weight in now.items() if must[state])
        return failed, succeeded


def _best(
    tree: Tree, true: Mapping[str, float], ahead: Mapping[int, float], free: str | None
) -> float:
    """The mean of `ahead` over what may be true in a frame, at the best choice of `free`."""
    if free is None:
        return _mean(tree, true, ahead)
    return max(_mean(tree, {**true, free: value}, ahead) for value in (0.0, 1.0))


def _mean(tree: Tree, true: Mapping[str, float], ahead: Mapping[int, float]) -> float:
    if isinstance(tree, int):
        return ahead[tree]
    chance = true[tree.name]
    if chance in (0.0, 1.0):
        return _mean(tree.high if chance else tree.low, true, ahead)
    return (1 - chance) * _mean(tree.low, true, ahead) + chance * _mean(tree.high, true, ahead)


def _spread(tree: Tree, true: Mapping[str, float], weight: float, after: dict[int, float]) -> None:
    if isinstance(tree, int):
        after[tree] += weight
        return
    chance = true[tree.name]
    _spread(tree.low, true, weight * (1 - chance), after)
    _spread(tree.high, true, weight * chance, after)


def _leaves(tree: Tree) -> set[int]:
    return {tree} if isinstance(tree, int) else _leaves(tree.low) | _leaves(tree.high)


def _checked(formula: Formula, table: Table) -> dict[str, Series]:
    """The table as arrays, if it fits the formula."""
    lengths = {name: len(series) for name, series in table.items()}
    if not lengths or min(lengths.values()) < 1 or len(set(lengths.values())) > 1:
        raise FormulaError(
            "a table has series of one length, 1 or more, for at least one proposition, "
            f"got lengths {lengths}"
        )
    for name in formula.propositions():
        if name not in table:
            raise FormulaError(
                f"nothing is known of the proposition {name!r}; there are: {', '.join(table)}"
            )
    checked = {name: np.asarray(series, np.float64) for name, series in table.items()}
    for name, series in checked.items():
        if not ((series >= 0) & (series <= 1)).all():
            raise FormulaError(f"probabilities are between 0 and 1, got {name!r}: {list(series)}")
    return checked
