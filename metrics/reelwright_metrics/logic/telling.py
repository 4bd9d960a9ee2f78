"""What the logic found in a clip, as data and as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelwright_metrics.logic.critic import Examination


def told(found: Examination) -> dict[str, Any]:
    """An examination as JSON-ready data: formula, table, probability and blame."""
    spec, observed, whole = found.specification, found.observed, found.verdict
    return {
        "formula": str(spec.formula),
        "probability": whole.probability,
        "windows": [[span.first, span.last] for span in observed.windows],
        "propositions": [
            {
                "name": each.name,
                "kind": each.kind,
                "entity": each.entity,
                "probabilities": observed.table[each.name],
                "if_right": whole.mended.get(each.name),
            }
            for each in spec.propositions
        ],
        "parts": [
            {"formula": str(each.formula), "probability": each.probability} for each in found.parts
        ],
        "failed": whole.failed.round(6).tolist(),
        "succeeded": whole.succeeded.round(6).tolist(),
        "weakest": whole.weakest,
        "weakest_frames": [[span.first, span.last] for span in found.spans],
        "first_failing": None
        if found.first_failing is None
        else [found.first_failing.first, found.first_failing.last],
        "keep_until": found.keep_until,
    }


def as_text(data: Mapping[str, Any]) -> str:
    """The same for people; of `automaton`, `states` and `scores` where they are in it too."""
    lines = [f"formula: {data['formula']}", ""]
    heads = [_span(span) for span in data["windows"]]
    names = [each["name"] for each in data["propositions"]]
    wide = max([len("probability in frames"), *map(len, names)])
    lines.append(f"{'probability in frames':{wide}}  " + " ".join(f"{h:>7}" for h in heads))
    for each in data["propositions"]:
        cells = " ".join(f"{p:7.3f}" for p in each["probabilities"])
        lines.append(f"{each['name']:{wide}}  {cells}")
    for name in ("failed", "succeeded"):
        cells = " ".join(f"{p:7.3f}" for p in data[name])
        lines.append(f"{name + ' for good':{wide}}  {cells}")
    lines.append("")
    lines += [f"{each['probability']:7.4f}  {each['formula']}" for each in data["parts"]]
    lines += ["", f"probability: {data['probability']:.4f}"]
    if data["weakest"] is not None:
        right = next(p["if_right"] for p in data["propositions"] if p["name"] == data["weakest"])
        spans = " and ".join(_span(span) for span in data["weakest_frames"])
        lines.append(f"weakest: {data['weakest']}, frames {spans}; were it right: {right:.4f}")
        if data["first_failing"] is not None:
            lines.append(f"lost in frames {_span(data['first_failing'])}")
    if "automaton" in data:
        lines.append(f"automaton: {data['automaton']}, {data['states']} states")
    if "scores" in data:
        lines += ["", *_scores(data["scores"])]
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any] | None) -> list[str]:
    """CLIP's, or that they were not computed, and what to do about it."""
    names = {"clip_score": "CLIP score", "fcs": "FCS", "cscv": "CSCV"}
    if scores is None:
        every = ", ".join(names.values())
        return [f"{every}: not computed; name a folder with a CLIP model: --set critic.clip=FOLDER"]
    told = [
        f"{said}: {'not computed' if scores[name] is None else format(scores[name], '.4f')}"
        for name, said in names.items()
    ]
    if scores["cut_short"]:
        told[0] += ", of the part of the text that the model reads"
    return told


def _span(span: list[int]) -> str:
    return f"{span[0]}-{span[1]}"
