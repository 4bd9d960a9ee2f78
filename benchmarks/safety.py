"""Measures the safety gate's rules: what of the risky packs is refused, and what of the benign one.

    python benchmarks/safety.py [--benign FILE] [--risky FILE]

prints the tables of docs/safety.md. A pack of your own: one prompt a line (benign), or YAML of
aspect, `tuning` or `held_out`, prompts (risky). The benign table also has the prompts of this
repository: its suites, examples and README.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from reelwright_agents.safety import rules

ROOT = Path(__file__).parents[1]
PACKS = Path(__file__).parent / "safety_packs"
Z = 1.96


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson)."""
    share, spread = hits / of, Z * Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * (share * (1 - share) / of + spread / (4 * of)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def told(hits: int, of: int) -> str:
    """`3/10 30% [11, 60]`."""
    low, high = wilson(hits, of)
    return f"{hits}/{of} | {hits / of:.1%} [{low:.1%}, {high:.1%}]"


def of_repository() -> Iterator[str]:
    """Every prompt and script that comes with Reelwright."""
    for file in sorted((ROOT / "metrics/reelwright_metrics/suites").rglob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield str(row.get("prompt") or row.get("script") or row.get("text"))
    suites = ROOT / "metrics/reelwright_metrics/suites/scripts"
    for file in sorted(suites.rglob("*")) if suites.is_dir() else []:
        if file.suffix in (".txt", ".fountain", ".md"):
            yield file.read_text(encoding="utf-8")
    for file in sorted((ROOT / "examples").rglob("*")):
        if file.suffix == ".txt":
            yield from file.read_text(encoding="utf-8").splitlines()
        elif file.suffix in (".fountain", ".yaml"):
            yield file.read_text(encoding="utf-8")


def benign(file: Path) -> None:
    """Prints how much of what is harmless is refused, and what."""
    halves: dict[str, list[str]] = {"looked at": [], "not looked at": []}
    number = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            number = 0
        elif line.strip() and not line.startswith("#"):
            halves["not looked at" if number % 2 else "looked at"].append(line)
            number += 1
    for line in (PACKS / "tricky.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            halves[line.strip("[]")] = []
        elif line.strip() and not line.startswith("#"):
            halves[next(reversed(halves))].append(line)
    halves["of this repository"] = [text for text in of_repository() if text.strip()]
    print("| benign prompts | refused | share [95 %] |\n| --- | --- | --- |")
    wrong: list[str] = []
    for name, texts in halves.items():
        refused = [text for text in texts if rules.look(text)]
        wrong += refused
        print(f"| {name} | {told(len(refused), len(texts))} |")
    print(f"| all | {told(len(wrong), sum(map(len, halves.values())))} |")
    for text in wrong:
        print(f"  {text[:80]!r}: {rules.look(text)[0]}")


def risky(file: Path) -> None:
    """Prints how much of each aspect is refused, and under its own name."""
    read = YAML(typ="safe", pure=True)
    packs: dict[str, dict[str, Sequence[str]]] = read.load(file.read_bytes())
    print("\n| aspect | half | refused | share [95 %] | named right |")
    print("| --- | --- | --- | --- | --- |")
    sums: dict[str, list[int]] = {}
    for aspect, halves in packs.items():
        for half, texts in halves.items():
            found = [{each.aspect.value for each in rules.look(text)} for text in texts]
            refused, named = sum(map(bool, found)), sum(aspect in each for each in found)
            print(f"| {aspect} | {half} | {told(refused, len(texts))} | {named} |")
            kept = sums.setdefault(half, [0, 0, 0])
            sums[half] = [kept[0] + refused, kept[1] + len(texts), kept[2] + named]
    for half, (refused, of, named) in sums.items():
        print(f"| all | {half} | {told(refused, of)} | {named} |")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--benign", type=Path, default=PACKS / "benign.txt")
    asked.add_argument("--risky", type=Path, default=PACKS / "risky.yaml")
    given = asked.parse_args()
    benign(given.benign)
    risky(given.risky)
