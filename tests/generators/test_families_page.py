"""The table of families says what the adapters declare, of Wan, VACE, SkyReels and LTX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.caches import plan_of
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import load
from reelwright_generators.tiny import ltx, ltx2, skyreels, vace, wan

PAGE = Path(__file__).parents[2] / "docs" / "families.md"

ROWS: dict[tuple[str, str], Callable[[Path], Path]] = {
    ("WanPipeline", "Wan 2.1 T2V"): wan.build,
    ("WanPipeline", "Wan 2.2 T2V-A14B"): wan.build_experts,
    ("WanPipeline", "Wan 2.2 TI2V-5B"): wan.build_tokens,
    ("WanImageToVideoPipeline", "Wan 2.1 I2V"): wan.build_pictures,
    ("WanImageToVideoPipeline", "Wan 2.1 FLF2V"): lambda to: wan.build_pictures(to, last=True),
    ("WanImageToVideoPipeline", "Wan 2.2 I2V-A14B"): (
        lambda to: wan.build_experts(to, pictures=True)
    ),
    ("WanImageToVideoPipeline", "Wan 2.2 TI2V-5B"): lambda to: wan.build_tokens(to, pictures=True),
    ("WanVACEPipeline", "Wan 2.1 VACE"): vace.build,
    ("SkyReelsV2Pipeline", "SkyReels-V2 T2V"): skyreels.build,
    ("SkyReelsV2DiffusionForcingPipeline", "SkyReels-V2 DF"): (
        lambda to: skyreels.build(to, forcing=True)
    ),
    ("LTXPipeline", "LTX-Video 0.9"): ltx.build,
    ("LTXConditionPipeline", "LTX-Video 0.9.5"): lambda to: ltx.build(to, condition=True),
    ("LTX2Pipeline", "LTX-2"): ltx2.build,
}


def _row(pipeline: str, model: str) -> list[str]:
    lines = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {pipeline} |")
    ]
    (found,) = [cells for cells in lines if cells[1].startswith(model)]
    return found


@pytest.mark.parametrize(("pipeline", "model"), ROWS)
def test_a_row_says_what_the_adapter_declares(tmp_path: Path, pipeline: str, model: str) -> None:
    folder = ROWS[pipeline, model](tmp_path / "m")
    told = Told(model=str(folder), device="cpu")
    facts, family = load(told).facts(), family_of(open_folder(folder, name="tiny"))
    assert family.folder.pipeline == pipeline
    cells = _row(pipeline, model)
    grid, (steps, frames) = family.grid, cells[2].split(", ")
    assert grid.steps == (int(steps), int(steps))
    assert f"{grid.temporal}k+1" == frames
    assert cells[3] == "exact"
    assert set(family.kinds) == {"flow"}
    yes = {"yes": True, "–": False}
    assert yes[cells[4]] == ("regions" in facts.can)
    assert ("–" if not facts.controls else ", ".join(facts.controls)) == cells[5]
    for frame, said in (("first_frame", "first"), ("last_frame", "last")):
        assert (said in cells[6]) == (frame in facts.can), said
    if "last_frame" in facts.needs:
        assert cells[6] == "first and last, needed"
    else:
        assert ("first, needed" in cells[6]) == ("first_frame" in facts.needs)
    assert (cells[7] != "–") == ("references" in facts.can)
    assert yes[cells[8]] == ("loras" in facts.can)
    assert yes[cells[9]] == ("audio" in facts.can)
    plan_of(Told(model=str(folder), cache="pyramid"), family)
    stacks = Told(model=str(folder), cache="first-block")
    if cells[10] == "all":
        plan_of(stacks, family)
    else:
        assert cells[10] == "pyramid, taylor"
        with pytest.raises(ModelError, match=r"films wrongly|cannot leave out"):
            plan_of(stacks, family)
