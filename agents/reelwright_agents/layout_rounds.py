"""Self-refinement of a layout: made, verified, mended by who made it, and the best one kept.

Source: FlowZero, arXiv 2311.15813, whose model is shown its own layout and what is wrong in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from reelwright_agents.keyframes import Interpolation, interpolated
from reelwright_agents.layout_check import check_layout
from reelwright_agents.planner import Planner
from reelwright_core.story import Layout, LayoutFault, LayoutRound, Shot


def layout_rounds(
    planner: Planner,
    shot: Shot,
    *,
    by: str,
    rounds: int,
    faults: Sequence[str] = (),
    earlier: Layout | None = None,
    keyframes: int | None = None,
    interpolation: Interpolation = "linear",
) -> list[LayoutRound]:
    """The layouts that `planner` made of `shot`, each with what the verifier found; `best` chooses.

    After the first come at most `rounds` more, as long as there are faults and the answer changes.
    `faults` and `earlier` are of a layout that is there already, such as a critic's of a take; they
    are told in every round. `by` is what to call the planner; `keyframes` and `interpolation` are
    of each track.
    """

    def made(faults: Sequence[str], earlier: Layout | None) -> Layout:
        layout = planner.layout(shot, faults=faults, earlier=earlier, keyframes=keyframes)
        return interpolated(layout, interpolation)

    layout = made(faults, earlier)
    found = [_round(by, layout, shot)]
    while found[-1].faults and len(found) <= rounds:
        told = [*faults, *(told_fault(fault) for fault in found[-1].faults)]
        layout = made(told, found[-1].layout)
        if any(layout == one.layout for one in found):
            break  # it would go round in circles
        found.append(_round(by, layout, shot))
    return found


def best(rounds: Sequence[LayoutRound]) -> LayoutRound:
    """The round with the fewest faults, of equals the earliest."""
    return min(rounds, key=lambda each: len(each.faults))


def told_fault(fault: LayoutFault) -> str:
    """A fault in words, with its frames."""
    if fault.frames is None or fault.frames.first == fault.frames.last:
        return fault.text
    return f"{fault.text} (frames {fault.frames.first} to {fault.frames.last})"


def _round(by: str, layout: Layout, shot: Shot) -> LayoutRound:
    return LayoutRound(by=by, layout=layout, faults=check_layout(layout, shot))
