"""The same probability by the model checker Storm, to compare with: needs `pip install stormpy`.

The table becomes a Markov chain with a state for each frame and labelling, as NeuS-V has it, and an
absorbing end; the formula becomes one of infinite traces, in which `alive` is true up to the end
(De Giacomo and Vardi 2013). Storm is GPL-3.0, and so no dependency of ours.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import stormpy  # pyright: ignore[reportMissingImports]

from reelwright_metrics.logic.formula import Formula
from reelwright_metrics.logic.solver import Table


def storm_probability(formula: Formula, table: Table) -> float:
    """What Storm says of `formula` on `table`; exponential in the table's propositions."""
    words = {name: f"p{i}" for i, name in enumerate(table)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.prism"
        file.write_text(_chain(table), encoding="utf-8")
        program = stormpy.parse_prism_program(str(file))
    asked = f"P=? [ X ({_infinite(formula, words)}) ]"
    properties = stormpy.parse_properties(asked, program)
    model = stormpy.build_model(program, properties)
    result = stormpy.model_checking(model, properties[0])
    (start,) = model.initial_states
    value = result.get_value(start) if hasattr(result, "get_value") else result.at(start)
    return float(value)


def _chain(table: Table) -> str:
    """The table in the language of PRISM; `t` counts frames from 1, and is 0 before the first."""
    frames = len(next(iter(table.values())))
    count = len(table)
    lines = ["dtmc", "module clip", f"  t : [0..{frames + 1}] init 0;"]
    lines += [f"  v{i} : bool init false;" for i in range(count)]
    for frame in range(frames):
        steps: list[str] = []
        for label in itertools.product((True, False), repeat=count):
            chances = [
                series[frame] if true else 1 - series[frame]
                for series, true in zip(table.values(), label, strict=True)
            ]
            product = 1.0
            for chance in chances:
                product *= chance
            if product:
                sets = " & ".join(f"(v{i}'={str(true).lower()})" for i, true in enumerate(label))
                steps.append(f"{product!r} : (t'={frame + 1}) & {sets}")
        lines.append(f"  [] t={frame} -> {' + '.join(steps)};")
    lines += [
        f"  [] t={frames} -> (t'={frames + 1});",
        f"  [] t={frames + 1} -> true;",
        "endmodule",
    ]
    lines += [f'label "p{i}" = v{i};' for i in range(count)]
    lines.append(f'label "alive" = t>=1 & t<={frames};')
    return "\n".join(lines) + "\n"


def _infinite(formula: Formula, words: Mapping[str, str]) -> str:
    op = formula.op
    parts = [_infinite(part, words) for part in formula.parts]
    match op:
        case "true" | "false":
            return op
        case "prop":
            return f'"{words[formula.name]}"'
        case "!":
            return f"(!{parts[0]})"
        case "&" | "|":
            return "(" + f" {op} ".join(parts) + ")"
        case "->":
            return f"(!{parts[0]} | {parts[1]})"
        case "X" | "F":
            return f'({op} ("alive" & {parts[0]}))'
        case "G":
            return f'(G (!"alive" | {parts[0]}))'
        case "U" | "W":
            until = f'({parts[0]} U ("alive" & {parts[1]}))'
            return until if op == "U" else f'({until} | (G (!"alive" | {parts[0]})))'
