"""The folder of tokenizers is filled from ComfyUI's own files, with the length that the models have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.kohya.families import FAMILIES
from sdgen_core.training.kohya.tokenizers import missing, seed


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """The files as ComfyUI has them."""
    clip, t5 = tmp_path / "comfy" / "sd1_tokenizer", tmp_path / "comfy" / "text_encoders" / "t5_tokenizer"
    clip.mkdir(parents=True)
    t5.mkdir(parents=True)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (clip / name).write_text("{}", encoding="utf-8")
    (clip / "tokenizer_config.json").write_text('{"model_max_length": 8192, "pad_token": "é"}', encoding="utf-8")
    (t5 / "tokenizer_config.json").write_text('{"model_max_length": 512}', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("family", "clip", "t5"),
    [
        ("sd15", ["openai_clip-vit-large-patch14"], []),
        ("sdxl", ["openai_clip-vit-large-patch14", "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k"], []),
        ("flux", ["openai_clip-vit-large-patch14"], ["google_t5-v1_1-xxl"]),
        ("sd3", ["openai_clip-vit-large-patch14", "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k"], ["google_t5-v1_1-xxl"]),
    ],
)
def test_each_family_has_its_own(comfyui: Path, tmp_path: Path, family: str, clip: list[str], t5: list[str]) -> None:
    cache = tmp_path / "cache"
    assert missing(FAMILIES[family], comfyui) is None
    for _ in range(2):  # a second run writes over the first
        seed(FAMILIES[family], comfyui, cache)
    assert sorted(path.name for path in cache.iterdir()) == sorted(clip + t5)
    for name in clip:
        said = json.loads((cache / name / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert said == {"model_max_length": 77, "pad_token": "é"}
    for name in t5:
        assert '"model_max_length": 512' in (cache / name / "tokenizer_config.json").read_text(encoding="utf-8")


def test_files_that_are_missing_are_named(comfyui: Path, tmp_path: Path) -> None:
    (comfyui / "comfy" / "sd1_tokenizer" / "merges.txt").unlink()
    assert missing(FAMILIES["sd15"], comfyui) == comfyui / "comfy" / "sd1_tokenizer" / "merges.txt"
    with pytest.raises(SDGenError) as caught:
        seed(FAMILIES["flux"], tmp_path / "nowhere", tmp_path / "cache")
    assert caught.value.code == "no-tokenizer"


def test_a_damaged_file_is_named(comfyui: Path, tmp_path: Path) -> None:
    (comfyui / "comfy" / "sd1_tokenizer" / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(SDGenError, match="sd1_tokenizer"):
        seed(FAMILIES["sd15"], comfyui, tmp_path / "cache")
