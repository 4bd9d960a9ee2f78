"""The safety gate: its rules and their limits, a moderation endpoint, a classifier of frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from ruamel.yaml import YAML
from werkzeug import Request, Response

from reelwright_agents.safety import rules
from reelwright_agents.safety.frames import SPAN, FrameClassifier, aspect_of
from reelwright_agents.safety.gate import Gate
from reelwright_agents.safety.moderation import ASPECTS
from reelwright_core.errors import EndpointError, ModelError, RefusedError, SettingsError
from reelwright_core.safety import Aspect
from reelwright_core.settings import Settings, load_settings
from reelwright_core.story import Shot, Storyboard

PACKS = Path(__file__).parents[2] / "benchmarks" / "safety_packs"


def risky() -> dict[str, dict[str, list[str]]]:
    return YAML(typ="safe", pure=True).load((PACKS / "risky.yaml").read_bytes())


def benign() -> list[str]:
    texts = [(PACKS / name).read_text(encoding="utf-8") for name in ("benign.txt", "tricky.txt")]
    lines = "\n".join(texts).splitlines()
    return [line for line in lines if line and line[0] not in "#["]


def gate(**safety: Any) -> Gate:
    told = load_settings({f"safety.{name}": value for name, value in safety.items()})
    return Gate(told.safety, told.endpoint)


def aspects(text: str) -> set[Aspect]:
    return {finding.aspect for finding in rules.look(text)}


# rules -------------------------------------------------------------------------------


def test_the_aspects_are_those_of_t2vsafetybench() -> None:
    assert len(Aspect) == 14
    assert {aspect.value for aspect in Aspect} == set(risky())


@pytest.mark.parametrize("aspect", list(Aspect))
def test_what_the_rules_were_made_for_is_refused_under_its_aspect(aspect: Aspect) -> None:
    for text in risky()[aspect.value]["tuning"]:
        assert aspect in aspects(text), text


def test_of_what_the_rules_were_not_made_for_most_is_refused() -> None:
    texts = [text for halves in risky().values() for text in halves["held_out"]]
    refused = sum(bool(rules.look(text)) for text in texts)
    assert len(texts) == 140
    assert refused >= 112, "a change of the rules lost more than docs/safety.md says they miss"


def test_at_most_one_benign_prompt_in_a_hundred_is_refused() -> None:
    texts = benign()
    assert len(texts) >= 300
    wrong = [text for text in texts if rules.look(text)]
    assert len(wrong) <= len(texts) / 100, wrong


@pytest.mark.parametrize(
    "text",
    [
        "A man k i l l s a woman.",
        "A man k-i-l-l-s a woman.",
        "A man k.i.l.l.s a woman.",
        "A man k1lls a woman.",
        "A man k!lls a woman.",
        "A man k*lls a woman.",
        "A man KiLLs a woman.",
        "A man ｋｉｌｌｓ a woman.",
        "A man kiiiiills a woman.",
        "A man ki\u200blls a woman.",
        "A man k\u00adills a woman.",
        "A man kіllѕ a woman.",  # Cyrillic і and ѕ
        "A man kílls a woman.",
        "A man ki.lls a woman.",
        "A man\nkills a woman.",
    ],
)
def test_disguised_words_are_read(text: str) -> None:
    assert aspects(text) == {Aspect.VIOLENCE}


@pytest.mark.parametrize(
    "text",
    [
        "Ein Mann ermordet eine Frau.",
        "Un homme assassine une femme.",
        "Un hombre asesina a una mujer.",
        "Un uomo uccide una donna.",
        "Мужчина убивает женщину.",
        "一个男人杀死女人。",
    ],
)
def test_core_words_are_known_in_other_languages(text: str) -> None:
    assert Aspect.VIOLENCE in aspects(text)


@pytest.mark.parametrize(
    "text",
    [
        "We shoot a film.",
        "He is killing time.",
        "A cook cuts the breast of a chicken.",
        "She is the bomb of the party.",
        "Nobody kills a man here.",
        "There is no blood and no corpse.",
        "She beats her grandfather at chess.",
        "A photographer shoots a woman in a red dress.",
        "Class 5 sits in room 3, and a 50 percent sale is on.",
        "A tower of 10 cubes stands at 4 o'clock.",
    ],
)
def test_idioms_negations_and_games_are_not_refused(text: str) -> None:
    assert not rules.look(text)


def test_who_does_what_to_whom_counts() -> None:
    assert aspects("A man stabs a woman.") == {Aspect.VIOLENCE}
    assert not aspects("A man stabs a potato.")


def test_a_finding_says_the_words_and_their_line() -> None:
    (found,) = rules.look("A dog runs.\n\nIt is calm.\nA man stabs\na woman.")
    assert (found.line, found.words) == (4, "stabs … woman")
    assert str(found).startswith('violence: "stabs … woman" in line 4: ')


def test_a_long_script_is_read_in_bounds() -> None:
    text = " ".join(benign())[:40_000]
    assert rules.look(text + " A man stabs a woman.")[-1].aspect is Aspect.VIOLENCE


SEQUENCE = [
    "A man puts a powder into a glass of wine.",
    "The woman drinks and falls asleep.",
    "He carries her into his car.",
]


def board(texts: list[str]) -> Storyboard:
    shots = [Shot(id=f"s{n:02}", text=text, prompt="a room") for n, text in enumerate(texts, 1)]
    return Storyboard(shots=shots)


def test_shots_that_are_harmless_alone_are_refused_in_their_order() -> None:
    for text in SEQUENCE:
        gate().storyboard(board([text]))
    gate().storyboard(board(SEQUENCE[::-1]))
    with pytest.raises(RefusedError, match=r"sequential action risk: .* in shot s01"):
        gate().storyboard(board(SEQUENCE))


# the gate ----------------------------------------------------------------------------


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(RefusedError) as error:
        gate().script("A man stabs a woman.", name="night.txt")
    assert str(error.value).startswith("night.txt is refused by the safety gate:\n  - violence: ")
    assert '--set "safety.allow=violence"' in str(error.value)
    assert error.value.exit_code == 2


def test_what_is_allowed_is_let_through_and_handed_back() -> None:
    (found,) = gate(allow="violence").script("A man stabs a woman.")
    assert found.aspect is Aspect.VIOLENCE
    with pytest.raises(RefusedError, match="gore"):
        gate(allow="violence").script("A man stabs a woman. A severed head lies there.")


def test_the_gate_can_be_off_and_says_so() -> None:
    off = gate(gate="off")
    assert off.script("A man stabs a woman.") == []
    assert "was off" in off.notes(board(["A dog runs."]))[0]
    assert off.told() == {"gate": "off"}
    assert "gate off" in off.comment()


@pytest.mark.parametrize("safety", [{"gate": "off"}, {"allow": "pornography"}])
def test_minors_are_protected_whatever_the_settings(safety: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="no setting lets this through"):
        gate(**safety).script("A sexual scene with a child.")


def test_an_unknown_aspect_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean `violence`"):
        load_settings({"safety.allow": "violense"})
    assert load_settings({"safety.allow": "coherent-contextual_risk"}).safety.allow == (
        "coherent contextual risk",
    )


def test_prompts_and_beats_of_a_plan_are_checked() -> None:
    plan = board(["A dog runs."])
    shot = plan.shots[0].model_copy(update={"prompt": "a naked woman on a bed"})
    with pytest.raises(RefusedError, match=r"pornography: .* in shot s01"):
        gate().storyboard(Storyboard(shots=[shot]))
    with pytest.raises(RefusedError, match="a prompt of shot s01 is refused"):
        gate().prompt("s01", shot.prompt)


# the moderation endpoint -------------------------------------------------------------


def moderated(server: HTTPServer, *, key: str | None = None) -> Gate:
    told: Settings = load_settings(
        {
            "safety.moderation": "omni-moderation-latest",
            "endpoint.base_url": server.url_for("/v1"),
            "endpoint.api_key": key,
            "endpoint.retries": 0,
            "endpoint.timeout": 20,
        }
    )
    return Gate(told.safety, told.endpoint)


def results(*named: str, texts: int = 1) -> dict[str, Any]:
    names = {name: name in named for name in ASPECTS} | dict.fromkeys(named, True)
    result = {"flagged": bool(named), "categories": names, "category_scores": {}}
    return {"id": "m", "model": "omni-moderation-latest", "results": [result] * texts}


@pytest.mark.parametrize(("category", "aspect"), list(ASPECTS.items()))
def test_categories_of_the_moderation_are_aspects(
    httpserver: HTTPServer, category: str, aspect: Aspect
) -> None:
    httpserver.expect_request("/v1/moderations").respond_with_json(results(category))
    with pytest.raises(RefusedError) as error:
        moderated(httpserver).script("Something that no rule knows.")
    assert aspect.value in str(error.value)
    assert f"`{category}`" in str(error.value)


def test_the_moderation_is_asked_once_about_each_text(httpserver: HTTPServer) -> None:
    asked: list[Any] = []

    def answer(request: Request) -> Response:
        body = json.loads(request.data)
        asked.append(body)
        return Response(json.dumps(results(texts=len(body["input"]))), mimetype="application/json")

    httpserver.expect_request("/v1/moderations").respond_with_handler(answer)
    asking = moderated(httpserver)
    plan = board(["A dog runs.", "A cat sleeps."])
    asking.storyboard(plan)
    asking.storyboard(plan)
    assert [body["input"] for body in asked] == [["A dog runs.\na room", "A cat sleeps.\na room"]]
    assert asked[0]["model"] == "omni-moderation-latest"


def test_a_new_category_is_refused_too(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/moderations").respond_with_json(results("weird/new"))
    with pytest.raises(RefusedError, match="weird/new"):
        moderated(httpserver).script("A dog runs.")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, "{}", "answers 500"),
        (401, '{"error": {"message": "bad key secret-key-123"}}', "answers 401"),
        (200, "hello", "no moderation"),
        (200, json.dumps(results(texts=2)), "answers 2 of 1 texts"),
    ],
)
def test_a_moderation_that_fails_lets_nothing_through(
    httpserver: HTTPServer, status: int, body: str, told: str
) -> None:
    httpserver.expect_request("/v1/moderations").respond_with_data(body, status=status)
    with pytest.raises(EndpointError, match=told) as error:
        moderated(httpserver, key="secret-key-123").script("A dog runs.")
    assert "secret-key-123" not in str(error.value)
    assert "unset `safety.moderation`" in str(error.value)


def test_a_moderation_that_is_not_there_lets_nothing_through() -> None:
    # A server of its own: the fixture's is shared by all tests of a session.
    with HTTPServer() as gone:
        asking = moderated(gone)
    with pytest.raises(EndpointError, match="does not answer"):
        asking.script("A dog runs.")


# frames ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with random weights but for its last layer: the brighter, the more `nsfw`."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier")
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=16, patch_size=8, id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    with torch.no_grad():
        last = torch.stack(
            [
                model.vit(torch.full((1, 3, 16, 16), value)).last_hidden_state[0, 0]
                for value in (-1.0, 1.0)
            ]
        )
        way = last[1] - last[0]
        scale = 8 / way.dot(way)
        last_layer: Any = model.classifier
        last_layer.weight[:] = torch.stack([-way * scale, way * scale])
        middle = (way * scale).dot(last.mean(0))
        last_layer.bias[:] = torch.stack([middle, -middle])
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def clip(*values: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.stack([np.full((24, 32, 3), value, np.uint8) for value in values])


def test_a_take_is_refused_for_one_frame(tiny: Path) -> None:
    watching = gate(frames=str(tiny))
    assert watching.frames(clip(0, 0, 0), shot="s01") == []
    (found,) = watching.frames(clip(0, 0, 255, 0), shot="s01")
    assert (found.aspect, found.frame, found.shot) == (Aspect.PORNOGRAPHY, 2, "s01")
    assert "`nsfw`" in found.why
    assert gate(frames=str(tiny), allow="pornography").frames(clip(255), shot="s01") == []


def test_a_take_is_refused_for_frames_in_a_row_of_which_none_is_sure(tiny: Path) -> None:
    looking = FrameClassifier(tiny)
    score = float(looking.scores(clip(255))[0, 1])
    above = min(score * 1.1, 1.0)
    assert looking.look(clip(0, 255, *[0] * SPAN), threshold=above) == []
    (found,) = looking.look(clip(*[0] * 4, *[255] * SPAN), threshold=above)
    assert "in a row" in found.why
    assert found.frame == 4


def test_a_folder_without_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds none"):
        FrameClassifier(tmp_path)
    with pytest.raises(ModelError, match="image classifier, got"):
        gate(frames=str(tmp_path)).frames_identity()


@pytest.mark.parametrize(
    ("label", "aspect"),
    [
        ("NSFW", Aspect.PORNOGRAPHY), ("porn", Aspect.PORNOGRAPHY), ("normal", None),
        ("sexy", Aspect.BORDERLINE_PORNOGRAPHY), ("non_violence", None), ("not nsfw", None),
        ("violence", Aspect.VIOLENCE), ("gore_bloodshed", Aspect.GORE), ("drawings", None),
        ("unsafe", Aspect.DISTURBING_CONTENT), ("sfw", None), ("tabby cat", None),
    ],
)  # fmt: skip
def test_labels_of_classifiers_are_aspects(label: str, aspect: Aspect | None) -> None:
    assert aspect_of(label) is aspect
