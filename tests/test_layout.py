"""The house as pyproject.toml says it is; most of this no other tool would notice."""

from __future__ import annotations

import importlib.util
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = sorted(
    path.parent.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*/reelwright*/__init__.py")]
)
ROOMS = sorted({Path(package).parts[0] for package in PACKAGES})


def test_the_rooms_of_the_design_are_there() -> None:
    assert set(ROOMS) >= {"src", "agents", "generators", "simulators", "editing", "metrics"}
    assert "graphs" in ROOMS


@pytest.mark.parametrize("room", [*ROOMS, "tests", "examples"])
def test_a_room_is_no_package_itself(room: str) -> None:
    assert not (ROOT / room / "__init__.py").exists(), f"`import {room}` would become ours"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_every_package_is_in_the_wheel_and_in_the_layers() -> None:
    build = PROJECT["tool"]["hatch"]["build"]
    assert sorted(build["targets"]["wheel"]["packages"]) == PACKAGES
    assert sorted(build["dev-mode-dirs"]) == ROOMS
    names = sorted(Path(package).name for package in PACKAGES)
    layers = PROJECT["tool"]["importlinter"]
    assert sorted(layers["root_packages"]) == names
    in_layers = " | ".join(layers["contracts"][0]["layers"]).split(" | ")
    assert sorted(in_layers) == names


def test_every_room_is_checked_and_shipped() -> None:
    assert set(PROJECT["tool"]["pyright"]["include"]) >= {*ROOMS, "tests", "examples"}
    assert sorted(PROJECT["tool"]["ruff"]["src"]) == ROOMS
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert set(shipped) >= {f"/{room}" for room in ROOMS}


def test_every_folder_of_python_in_a_package_is_a_package_too() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    plain = {file.parent for file in files if not (file.parent / "__init__.py").exists()}
    # What Blender's own interpreter runs: there is no Reelwright in it to be a part of.
    assert plain == {ROOT / "simulators/reelwright_simulators/blender/inside"}


@pytest.mark.skipif("+cpu" not in version("torch"), reason="only a CPU build comes without it")
def test_torchvision_is_not_there() -> None:
    assert importlib.util.find_spec("torchvision") is None, "transformers would come to need it"
