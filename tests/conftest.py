"""Every test is alone: no network, no settings from outside, an empty folder, one thread."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

NO_NETWORK = Path(__file__).with_name("no_network")
SETTINGS = ("REELWRIGHT_", "OPENAI_")
KEPT = ("REELWRIGHT_BLENDER",)  # a fact of the machine, as is what is installed
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

# Set while the tests are collected: torch and the Hugging Face libraries read these on import,
# and fixtures of a whole session start before any of one test.
for variable in list(os.environ):
    if (variable.startswith(SETTINGS) and variable not in KEPT) or variable.upper() in PROXIES:
        del os.environ[variable]
os.environ.update(
    HF_HUB_OFFLINE="1",
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="PASSIVE",
    PYTHONPATH=os.pathsep.join(filter(None, [str(NO_NETWORK), os.environ.get("PYTHONPATH")])),
)
runpy.run_path(str(NO_NETWORK / "sitecustomize.py"))

# The same examples each time, on a machine that may be slow, with no files left behind.
settings.register_profile(
    "tests",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in an empty folder; settings that another one has left are gone."""
    for variable in list(os.environ):
        if variable.startswith(SETTINGS) and variable not in KEPT:
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
