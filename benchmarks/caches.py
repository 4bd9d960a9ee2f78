"""What each cache saves of the built-in model's work, and what it costs of its clips.

    python benchmarks/caches.py [--prompts 4] [--out docs/speed.md]

Every row is the same clips, one a prompt, filmed with one setting. Calls saved are those of the
blocks, or of the parts of blocks, that were left out. CPU seconds are a clip's on one thread
(`time.process_time`, the median over prompts; they hardly depend on what else the machine does).
Closeness is the PSNR to the clip filmed without a cache in all its steps, the mean over prompts;
rows of fewer steps without a cache say what the same time buys otherwise. The ratios of `mag` are
measured beforehand, on another prompt. The text between the page's two marks is written anew.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shots import request_of

SEED = 1
PROMPTS = (
    "A red car drives from left to right on a beach.",
    "A yellow ball falls on a road.",
    "Two dogs stand in a meadow.",
    "A red balloon rises in the sky.",
)
RUNS: tuple[tuple[int, float, tuple[int, ...]], ...] = (
    (12, 1.0, (9, 8, 6)), (24, 1.0, (16, 12, 8)), (24, 0.5, (16, 12, 8)),
)  # fmt: skip
"""Steps of the whole run, noise level, and the fewer steps to compare with."""
CACHES: tuple[dict[str, Any], ...] = (
    *({"cache": "first-block", "cache_threshold": each} for each in (0.05, 0.1, 0.2, 0.3)),
    *({"cache": "mag", "cache_threshold": each} for each in (0.06, 0.12, 0.24)),
    *({"cache": "tea", "cache_threshold": each} for each in (0.1, 0.2, 0.3, 0.4)),
    *({"cache": "pyramid", "cache_interval": each} for each in (2, 3, 4)),
    *({"cache": "taylor", "cache_interval": each} for each in (2, 3, 4)),
)
MARKS = ("<!-- measured by benchmarks/caches.py -->", "<!-- end of what was measured -->")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting's clips."""

    name: str
    saved: float
    """Share of the calls."""
    seconds: float
    psnr: float
    worst: float


def main() -> None:
    """Measures everything, prints it, and writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/speed.md"))
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    told = parser.parse_args()
    text = "\n".join(_page(PROMPTS[: told.prompts]))
    print(text)
    page = told.out.read_text(encoding="utf-8")
    begin, end = (re.escape(mark) for mark in MARKS)
    fresh = re.sub(f"{begin}.*{end}", lambda _: f"{MARKS[0]}\n{text}\n{MARKS[1]}", page, flags=re.S)
    told.out.write_text(fresh, encoding="utf-8")


def _page(prompts: Sequence[str]) -> list[str]:
    facts = _generator(steps=2).facts()
    lines = [
        "",
        f"Model {facts.name} ({facts.sha256[:12]}), {facts.frames} frames of {facts.size[0]}x"
        f"{facts.size[1]}, guidance {facts.guidance}, {len(prompts)} prompts, one thread of "
        f"{_processor()}.",
    ]
    for steps, level, fewer in RUNS:
        start = "pure noise" if level == 1 else f"a sketch at noise level {level}"
        lines += [
            "",
            f"**{steps} steps, from {start}**",
            "",
            "| setting | calls saved | CPU s | speed-up | PSNR (worst) |",
            "| --- | --: | --: | --: | --: |",
        ]
        rows = _rows(prompts, steps, level, fewer)
        for row in rows:
            lines.append(
                f"| {row.name} | {row.saved:.0%} | {row.seconds:.2f} | "
                f"{rows[0].seconds / row.seconds:.2f} | {_decibels(row)} |"
            )
    return [*lines, ""]


def _decibels(row: Row) -> str:
    return "the same" if math.isinf(row.worst) else f"{row.psnr:.1f} ({row.worst:.1f})"


def _rows(prompts: Sequence[str], steps: int, level: float, fewer: Sequence[int]) -> list[Row]:
    from reelwright_generators import magnitudes

    plain = _generator(steps=steps)
    requests = [request_of(plain.facts(), prompt, seed=SEED, level=level) for prompt in prompts]
    plain.generate(requests[0])  # loads
    reference: list[Any] = []
    rows = [_row("no cache", plain, requests, reference)]
    fit = magnitudes.measure(plain)
    rows += [
        _row(f"no cache, {count} steps", _generator(steps=count), requests, reference)
        for count in fewer
    ]
    for told in CACHES:
        value = next(told[name] for name in ("cache_threshold", "cache_interval") if name in told)
        name = f"`{told['cache']}`, {value}"
        more = {"cache_fit": tuple(fit)} if told["cache"] == "mag" else {}
        rows.append(_row(name, _generator(steps=steps, **told, **more), requests, reference))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _row(name: str, generator: Any, requests: Sequence[Any], reference: list[Any]) -> Row:
    """Films the requests; fills `reference` if that is empty."""
    generator.generate(requests[0])
    seconds: list[float] = []
    psnr: list[float] = []
    calls: Mapping[str, Any] = {"asked": 1, "saved": 0}
    asked = saved = 0
    whole = not reference
    for i, request in enumerate(requests):
        before = time.process_time()
        made = generator.generate(request)
        seconds.append(time.process_time() - before)
        if whole:
            reference.append(made.frames)
        apart = reference[i].astype(np.float64) - made.frames
        error = float(np.mean(apart**2))
        psnr.append(10 * math.log10(255**2 / error) if error else math.inf)
        calls = made.provenance.get("cache", {}).get("calls", calls)
        asked, saved = asked + calls["asked"], saved + calls["saved"]
    finite = [each for each in psnr if not math.isinf(each)] or [math.inf]
    return Row(
        name=name,
        saved=saved / asked,
        seconds=statistics.median(seconds),
        psnr=statistics.mean(finite),
        worst=min(psnr),
    )


def _generator(**told: Any) -> Any:
    from reelwright_core.settings import Generator as Told
    from reelwright_generators.generator import load

    return load(Told.model_validate({"model": "builtin", "device": "cpu", **told}))


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "an unnamed processor"


if __name__ == "__main__":
    main()
