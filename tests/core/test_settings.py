from __future__ import annotations

import json
import traceback
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.errors import SettingsError
from reelwright_core.settings import Generator, Settings, check_names, load_settings, names

SECRET = "sk-canary-0123456789"


def in_file(text: str) -> None:
    Path("reelwright.toml").write_text(text, encoding="utf-8")


def test_without_anything_the_film_is_made_offline() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.planner.brain, settings.critic.brain) == ("offline", "offline")
    assert settings.generator.model == "builtin"


def test_arguments_go_before_environment_before_file_before_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().takes.max == 3
    in_file("[takes]\nmax = 4\n")
    assert load_settings().takes.max == 4
    monkeypatch.setenv("REELWRIGHT_TAKES__MAX", "5")
    assert load_settings().takes.max == 5
    assert load_settings({"takes.max": 6}).takes.max == 6
    assert load_settings({"takes": {"max": 6}}).takes.max == 6


def test_each_source_may_give_a_part_of_one_section(monkeypatch: pytest.MonkeyPatch) -> None:
    in_file('[generator]\nmodel = "folder"\nguidance = 3\n[generator.noise]\nlevel = 0.4\n')
    monkeypatch.setenv("REELWRIGHT_GENERATOR__STEPS", "7")
    monkeypatch.setenv("REELWRIGHT_GENERATOR__NOISE__LEVEL", "0.5")
    generator = load_settings({"generator.guidance": "4"}).generator
    assert (generator.model, generator.steps, generator.guidance) == ("folder", 7, 4.0)
    assert generator.noise.level == 0.5
    untouched = {"steps": None, "guidance": None, "model": "builtin", "noise": {"level": None}}
    assert generator.model_dump() | untouched == Generator().model_dump()


def test_every_setting_has_a_name() -> None:
    assert {"planner.brain", "critic.threshold", "generator.noise.level", "takes.max"} <= {*names()}


def test_an_unknown_argument_is_told_with_the_nearest_name() -> None:
    said = r"no setting `takes\.mx`; did you mean `takes\.max`"
    with pytest.raises(SettingsError, match=said):
        load_settings({"takes.mx": 3})
    with pytest.raises(SettingsError, match=said):
        check_names({"takes": {"mx": 3}})
    with pytest.raises(SettingsError, match=r"`qqqqqqq`; settings are: planner\.brain"):
        load_settings({"qqqqqqq": 3})


@pytest.mark.parametrize("variable", ["REELWRIGHT_TAKES__MX", "reelwright_takes__mx"])
def test_an_unknown_variable_is_told_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(SettingsError, match=rf"`takes\.mx` \({variable}\); did you mean"):
        load_settings()


@pytest.mark.parametrize("text", ["[takes]\nmx = 3\n", "takes.mx = 3\n", "[takes.mx]\n"])
def test_an_unknown_name_in_the_file_is_told_with_the_nearest_name(text: str) -> None:
    in_file(text)
    with pytest.raises(SettingsError, match=r"`takes\.mx` \(reelwright\.toml\); did you mean"):
        load_settings()


@pytest.mark.parametrize(
    "name", ["takes", "takes.max.more", "generator.noise", "", ".", "TAKES.MAX"]
)
def test_what_is_only_a_part_of_a_name_or_more_than_one_is_unknown(name: str) -> None:
    with pytest.raises(SettingsError, match="there is no setting"):
        load_settings({name: 3})


def test_empty_sections_are_fine_if_there_are_such() -> None:
    in_file("[takes]\n[generator.noise]\n")
    assert load_settings({"film": {}}) == Settings()
    in_file("[tales]\n")
    with pytest.raises(SettingsError, match="`tales`"):
        load_settings()


def test_a_file_that_is_no_toml_is_told() -> None:
    for content in (b"takes = ", b"\xff\xfe", b"a = " + b"[" * 5000):
        Path("reelwright.toml").write_bytes(content)
        with pytest.raises(SettingsError, match=r"reelwright\.toml is not TOML"):
            load_settings()


def test_variables_that_are_no_settings_are_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_DEBUG", "1")
    monkeypatch.setenv("REELWRIGHT_BLENDER", "/opt/blender/blender")
    assert load_settings() == Settings()


def from_every_source(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> list[dict[str, Any]]:
    """The settings that `name` gives as an argument, as a variable and in the file."""
    section, _, key = name.rpartition(".")
    variable = "REELWRIGHT_" + name.upper().replace(".", "__")
    found = [load_settings({name: text}).data()]
    monkeypatch.setenv(variable, text)
    found.append(load_settings().data())
    monkeypatch.delenv(variable)
    in_file(f"[{section}]\n{key} = {json.dumps(text)}\n")
    found.append(load_settings().data())
    Path("reelwright.toml").unlink()
    return found


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("takes.max", "5", 5),
        ("critic.threshold", "0.75", 0.75),
        ("film.size", "320x192", [320, 192]),
        ("film.fps", "24000/1001", "24000/1001"),
        ("film.fps", "12", 12),
        ("film.fps", "none", None),
        ("generator.noise.level", "None", None),
        ("planner.temperature", "null", None),
        ("endpoint.max_tokens", "none", None),
        ("generator.model", "640x480", "640x480"),
        ("planner.brain", "openai", "openai"),
    ],
)
def test_text_is_read_in_the_same_way_from_every_source(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    for data in from_every_source(monkeypatch, name, text):
        for part in name.split("."):
            data = data[part]
        assert data == value


def test_a_variable_may_hold_a_list() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELWRIGHT_FILM__SIZE", "[320, 192]")
        assert load_settings().film.size == (320, 192)
    assert load_settings({"film.size": [320, 192], "film.fps": Fraction(25)}).film.fps == 25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("takes.max", "0"), ("takes.max", "many"), ("takes.max", "none"), ("film.size", "0x96"),
        ("film.size", "160"), ("film.size", "160x96x3"), ("film.size", "9999x96"),
        ("film.size", "161x96"),
        ("film.size", "[160"), ("film.fps", "23.976"), ("film.fps", "0"), ("film.frames", "10001"),
        ("critic.threshold", "nan"), ("critic.threshold", "1.1"), ("planner.brain", "human"),
        ("generator.noise.level", "0"), ("endpoint.timeout", "inf"), ("endpoint.timeout", ""),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = rf"the setting `{name}[^`]*` does not fit: .*, got"
    with pytest.raises(SettingsError, match=said):
        load_settings({name: value})
    monkeypatch.setenv("REELWRIGHT_" + name.upper().replace(".", "__"), value)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_the_variables_of_openai_are_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    endpoint = load_settings().endpoint
    assert endpoint.base_url == "http://localhost:1/v1"
    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == SECRET
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert load_settings().endpoint.base_url is None


@pytest.mark.parametrize("source", ["argument", "variable", "file"])
def test_our_own_names_go_before_those_of_openai(
    monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://other/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    given = {"base_url": "http://own/v1", "api_key": SECRET}
    if source == "variable":
        monkeypatch.setenv("REELWRIGHT_ENDPOINT__BASE_URL", given["base_url"])
        monkeypatch.setenv("REELWRIGHT_ENDPOINT__API_KEY", given["api_key"])
    elif source == "file":
        in_file("[endpoint]\n" + "".join(f"{key} = '{value}'\n" for key, value in given.items()))
    endpoint = load_settings({"endpoint": given} if source == "argument" else None).endpoint
    assert endpoint.base_url == "http://own/v1"
    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == SECRET


def test_a_key_is_in_no_data_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_ENDPOINT__API_KEY", SECRET)
    settings = load_settings()
    seen = [json.dumps(settings.data()), repr(settings), str(settings), repr(settings.endpoint)]
    seen += [settings.model_dump_json(), str(settings.model_dump())]
    assert SECRET not in "".join(seen)
    assert "api_key" not in settings.data()["endpoint"]


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint.api_key": [SECRET]},
        {"endpoint.api_key": {"key": SECRET}},
        {"endpoint.timeout": -1, "endpoint.api_key": SECRET},
        {"endpoint.apikey": SECRET},
        {"endpoint": SECRET},
    ],
)
def test_a_key_is_in_no_error(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as fault:
        load_settings(given)
    assert SECRET not in "".join(traceback.format_exception(fault.value))


def test_settings_come_back_from_their_data() -> None:
    given = {"film.size": "320x192", "film.fps": "24000/1001", "generator.noise.level": 0.5}
    settings = load_settings(given)
    assert load_settings(json.loads(json.dumps(settings.data()))) == settings


def test_the_key_of_an_outside_server_is_in_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_GENERATOR__OUTSIDE__API_KEY", SECRET)
    settings = load_settings({"generator.outside.url": "http://localhost:8188"})
    key = settings.generator.outside.api_key
    assert key is not None
    assert key.get_secret_value() == SECRET
    assert settings.data()["generator"]["outside"]["url"] == "http://localhost:8188"
    dumped = settings.generator.model_dump(), settings.generator.model_dump_json()
    for told in (json.dumps(settings.data()), str(settings), repr(settings), *map(str, dumped)):
        assert SECRET not in told


def test_a_login_in_an_outside_address_is_refused_unseen() -> None:
    with pytest.raises(SettingsError, match=r"outside\.url.*api_key") as caught:
        load_settings({"generator.outside.url": f"http://me:{SECRET}@localhost:8188"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
