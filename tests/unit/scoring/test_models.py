"""Scorers in folders: which there are, which is meant, and that one of them is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.scoring import models

from .test_backends import TINY, put, tiny_state

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_kept", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scorers as people have it: files, a published folder, and what is none."""
    out = tmp_path_factory.mktemp("scorers")
    put(out, tiny_state(1), "one.safetensors")
    (out / "more" / "published").mkdir(parents=True)
    put(out / "more", tiny_state(2), "two.bin")
    put(out / "more" / "published", tiny_state(3), "open_clip_model.safetensors", None)
    config = out / "more" / "published" / "open_clip_config.json"
    config.write_text(json.dumps({"model_cfg": TINY}), encoding="utf-8")
    put(out, {"vision_model.embeddings.class_embedding": torch.zeros(4)}, "clip_vision_h.safetensors", None)
    (out / "torn.safetensors").write_bytes(b"x")
    (out / "notes.txt").write_text("no weights", encoding="utf-8")
    return out


def test_what_is_there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, tiny_state(9), "one.safetensors")
    monkeypatch.setattr(models, "DEMO_WEIGHTS", folder / "one.safetensors")
    found = {model.name: model for model in models.available([folder, tmp_path, tmp_path / "none"])}
    good = ["demo", "more/published", "more/two.bin", "one.safetensors"]
    assert sorted(found) == sorted([*good, "clip_vision_h.safetensors", "torn.safetensors"])
    assert [name for name in found if not found[name].problem] == [
        "demo",
        "more/published",
        "more/two.bin",
        "one.safetensors",
    ]
    assert "image half" in found["clip_vision_h.safetensors"].problem and "torn" in found["torn.safetensors"].problem
    assert found["one.safetensors"].path.parent == folder
    monkeypatch.setattr(models, "DEMO_WEIGHTS", folder / "none.safetensors")
    assert "demo" not in {model.name for model in models.available([folder])}


def test_links_to_folders_that_are_looked_into_already_end(tmp_path: Path) -> None:
    put(tmp_path, tiny_state(1), "one.safetensors")
    (tmp_path / "more").mkdir()
    put(tmp_path / "more", tiny_state(1), "two.safetensors")
    try:
        for name in ("loop", "more/again"):
            (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "also").symlink_to(tmp_path / "more", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    names = {model.name for model in models.available([tmp_path])} - {"demo"}
    assert names == {"one.safetensors", "more/two.safetensors", "also/two.safetensors"}


def test_looking_for_scorers_imports_nothing_heavy(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sdgen_core.scoring import models;"
        f"models.available([Path({str(folder)!r})]);"
        "print(sorted({'torch', 'numpy', 'open_clip', 'PIL', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_one_is_kept_until_another_is_asked_for(folder: Path) -> None:
    first = models.load("one.safetensors", [folder], device="cpu")
    assert models.load("one", [folder], device="cpu") is first
    other = models.load("two", [folder], device="cpu")
    assert other is not first and other.identity != first.identity
    again = models.load("one", [folder], device="cpu")
    assert again is not first and again.identity == first.identity
    pixels = np.zeros((1, 3, 32, 32), np.float32)
    np.testing.assert_array_equal(first.encode_images(pixels), again.encode_images(pixels))  # who holds one may go on


def test_a_changed_file_is_loaded_anew(tmp_path: Path) -> None:
    put(tmp_path, tiny_state(1))
    first = models.load("tiny", [tmp_path], device="cpu")
    put(tmp_path, tiny_state(2))
    assert models.load("tiny", [tmp_path], device="cpu").identity != first.identity


def test_an_unknown_name_says_which_there_are_and_where_to_put_it(folder: Path) -> None:
    with pytest.raises(SDGenError) as caught:
        models.load("oen.safetensors", [folder])
    assert caught.value.code == "scorer-missing" and "one.safetensors" in caught.value.nearest
    with pytest.raises(SDGenError) as caught:
        models.load("ViT-B-32 laion2b_s34b_b79k", [folder])
    assert caught.value.code == "scorer-missing" and str(folder.as_posix()) in caught.value.hint
    for name in ("../one.safetensors", "/etc/passwd", str(folder / "one.safetensors")):
        with pytest.raises(SDGenError):
            models.load(name, [folder / "more"])


def test_an_open_clip_name_finds_its_file(tmp_path: Path) -> None:
    # in its own hub's way of naming a folder: architecture and tag
    (tmp_path / "CLIP-ViT-B-32-laion2B-s34B-b79K").mkdir()
    put(tmp_path / "CLIP-ViT-B-32-laion2B-s34B-b79K", tiny_state(1))
    assert models.load("ViT-B-32 laion2b_s34b_b79k", [tmp_path], device="cpu").width == 12


def test_downloads_happen_only_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def no_network(config: dict[str, Any], **_: Any) -> str:
        asked.append(config["hf_hub"])
        raise OSError("no network")

    monkeypatch.setattr(open_clip, "download_pretrained", no_network)
    with pytest.raises(SDGenError):
        models.load("ViT-B-32 laion2b_s34b_b79k", [tmp_path])
    assert not asked
    with pytest.raises(SDGenError, match="could not be fetched: no network") as caught:
        models.load("ViT-B-32:laion2b_s34b_b79k", [tmp_path], download=True)
    assert caught.value.code == "scorer-missing" and len(asked) == 1
