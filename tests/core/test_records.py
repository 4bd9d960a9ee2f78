from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelwright_core.errors import InputError
from reelwright_core.records import Rate, Record, Stored, canonical_json, digest, file_digest
from reelwright_core.story import Shot, Storyboard


class Reel(Record):
    fps: Rate


class Can(Stored):
    """A record in its third version: `feet` became `metres`, then `length` in millimetres."""

    SCHEMA: ClassVar[str] = "Can.3"
    UPGRADES: ClassVar[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
        "Can.1": lambda old: {"schema": "Can.2", "metres": old["feet"] * 0.3048},
        "Can.2": lambda old: {"schema": "Can.3", "length": round(old["metres"] * 1000)},
    }

    length: int


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"b": 1, "a": [True, None, (1, 2)]}, '{"a":[true,null,[1,2]],"b":1}'),
        ([0.1, 1.0, 1e-7, 1e22, -0.0, 1 / 3], "[0.1,1.0,1e-07,1e+22,-0.0,0.3333333333333333]"),
        ({"é": "名前 🎬 \u2028\n"}, '{"é":"名前 🎬 \u2028\\n"}'),
    ],
)
def test_canonical_json_is_written_in_one_way_only(data: object, text: str) -> None:
    assert canonical_json(data) == text.encode()


def test_digests_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({"prompt": "a red car, é", "σ": 0.7, "seed": 2**62}) == (
        "815ec64330cd0103519a37178aeb25f82b97b4bbf904cedc47a97bd43348e5b6"
    )
    board = Storyboard(shots=[Shot(id="s01", prompt="a ball", fps=Fraction(24000, 1001))])
    assert board.digest() == "8fe25c109b0b702ff80a412059bf09ef4c55e98d301adbb5596728acfa44e821"


@given(plain)
def test_a_digest_does_not_change_on_the_way_through_a_file(data: object) -> None:
    assert digest(json.loads(json.dumps(data))) == digest(data)


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_a_digest_does_not_depend_on_the_order_of_keys(data: dict[str, int]) -> None:
    assert digest(dict(reversed(data.items()))) == digest(data)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_has_no_digest(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"score": [number]})


@pytest.mark.parametrize("value", [Path("a"), {1, 2}, b"x", object(), Fraction(1)])
def test_what_is_no_plain_data_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        digest({"value": value})


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\0film" * 100_000)
    assert file_digest(tmp_path / "film.mp4") == hashlib.sha256(b"\0film" * 100_000).hexdigest()


@pytest.mark.parametrize(
    ("given", "rate", "written"),
    [
        (8, Fraction(8), 8),
        ("25", Fraction(25), 25),
        ("24000/1001", Fraction(24000, 1001), "24000/1001"),
        ("50/2", Fraction(25), 25),
        (Fraction(30000, 1001), Fraction(30000, 1001), "30000/1001"),
        (1, Fraction(1), 1),
        (240, Fraction(240), 240),
    ],
)
def test_a_rate_is_an_exact_fraction(given: object, rate: Fraction, written: int | str) -> None:
    reel = Reel.model_validate({"fps": given})
    assert reel.fps == rate
    assert reel.data() == {"fps": written}
    assert Reel.model_validate_json(json.dumps(reel.data())) == reel


@pytest.mark.parametrize(
    "given",
    [0, -8, 241, 23.976, "23.976", True, None, "", "8/0", "0/8", "1/2", "a", "1e999999999", "٨",
     " 8", "8\n", "8 fps", "9" * 5000, 10**4000, [8], Fraction(1, 2)],
)  # fmt: skip
def test_what_is_no_rate_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="fps"):
        Reel.model_validate({"fps": given})


def test_a_record_is_frozen_and_takes_no_unknown_key() -> None:
    reel = Reel(fps=Fraction(8))
    with pytest.raises(ValidationError, match="frozen"):
        reel.fps = Fraction(9)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Reel.model_validate({"fps": 8, "gps": 8})


def test_stored_data_comes_back_with_its_schema_first() -> None:
    can = Can(length=300)
    assert list(can.data()) == ["schema", "length"]
    assert Can.from_data(can.data()) == can
    assert Can.from_data({"length": 300}) == can


def test_old_data_is_brought_up_through_every_version() -> None:
    old = {"schema": "Can.1", "feet": 10}
    assert Can.from_data(old) == Can(length=3048)
    assert Can.from_data({"schema": "Can.2", "metres": 2}) == Can(length=2000)
    assert old == {"schema": "Can.1", "feet": 10}


@pytest.mark.parametrize("schema", ["Can.4", "Reel.1", "", None, 3, ["Can.3"], {"a": 1}])
def test_data_of_an_unknown_schema_is_refused(schema: object) -> None:
    with pytest.raises(InputError, match=r"reads `schema: Can\.3`, got"):
        Can.from_data({"schema": schema, "length": 300})
