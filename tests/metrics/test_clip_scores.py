"""CLIP score, FCS and CSCV, by a tiny CLIP model that is real but for its random weights."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright import cli
from reelwright_core.errors import ModelError
from reelwright_core.video import Frames, write_video
from reelwright_metrics.clip_scores import ClipModel, frame_consistency

TEXT = "a red car drives from left to right"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    from reelwright_generators.tiny.parts import tokenizer

    made = tmp_path_factory.mktemp("clip")
    part = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2}  # fmt: skip
    torch.manual_seed(3)
    words = tokenizer()
    model = CLIPModel(
        CLIPConfig(
            text_config={**part, "vocab_size": len(words), "max_position_embeddings": 12,
                         "eos_token_id": words.eos_token_id},
            vision_config={**part, "image_size": 32, "patch_size": 8},
            projection_dim=8,
        )
    )  # fmt: skip
    model.save_pretrained(made)
    words.save_pretrained(made)
    CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(made)
    return made


def moving(count: int = 9) -> Frames:
    frames = np.full((count, 48, 80, 3), 200, np.uint8)
    for at in range(count):
        frames[at, 16:32, 6 * at : 6 * at + 16] = (220, 30, 40)
    return frames


def cut(frames: Frames) -> Frames:
    """With another picture from its middle on."""
    return np.concatenate([frames[: len(frames) // 2], 255 - frames[len(frames) // 2 :] // 2])


def test_a_still_is_wholly_consistent(folder: Path) -> None:
    still = np.repeat(moving(1), 6, axis=0)
    scores = ClipModel(folder).scores(still, TEXT)
    assert scores.fcs == 1.0
    assert scores.cscv == 1.0


def test_a_hard_cut_lowers_fcs_and_cscv(folder: Path) -> None:
    model = ClipModel(folder)
    whole, broken = model.scores(moving(), None), model.scores(cut(moving()), None)
    assert whole.clip_score is None
    assert whole.fcs is not None
    assert broken.fcs is not None
    assert whole.cscv is not None
    assert broken.cscv is not None
    assert broken.fcs < whole.fcs
    assert broken.cscv < whole.cscv


def test_the_clip_score_is_the_mean_of_the_models_own_cosines(folder: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    frames = moving(4)
    pictures = AutoImageProcessor.from_pretrained(folder, use_fast=False)(
        images=list(frames), return_tensors="pt"
    )
    words = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")
    model = CLIPModel.from_pretrained(folder).eval()
    with torch.no_grad():
        out = model(
            input_ids=words["input_ids"], attention_mask=words["attention_mask"], **pictures
        )
    cosines = out.logits_per_image[:, 0] / model.logit_scale.exp()
    due = cosines.clamp(min=0).mean().item()
    assert ClipModel(folder).scores(frames, TEXT).clip_score == pytest.approx(due, abs=1e-4)


def test_every_pair_counts() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    assert frame_consistency(vectors) == pytest.approx((0 + 0.6 + 0.8) / 3)


def test_too_short_a_clip_and_too_long_a_text_are_told(folder: Path) -> None:
    model = ClipModel(folder)
    one = model.scores(moving(1), TEXT)
    assert (one.fcs, one.cscv) == (None, None)
    assert not one.cut_short
    assert model.scores(moving(2), " ".join([TEXT] * 3)).cut_short


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match=r"`critic\.clip` names a folder with a CLIP model"):
            ClipModel(place)


def test_eval_prints_them(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, moving(17), fps=Fraction(8))
    asked = ["eval", str(clip), "--prompt", "A red car drives to the right."]
    cli.app([*asked, "--set", f"critic.clip={folder}"], standalone_mode=False)
    printed = capsys.readouterr()
    for name in ("CLIP score: 0.", "FCS: ", "CSCV: 0."):
        assert name in printed.out
    assert "not computed" not in printed.out
    assert "Loading" not in printed.err
    cli.app(asked, standalone_mode=False)
    assert "CLIP score, FCS, CSCV: not computed; name a folder" in capsys.readouterr().out
    with pytest.raises(ModelError, match="holds none: there is no such folder"):
        cli.app([*asked, "--set", f"critic.clip={tmp_path / 'none'}"], standalone_mode=False)
