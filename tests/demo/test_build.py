"""The checkpoint made from the shipped weights: complete, the same everywhere, made once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def checkpoint(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "new folder" / "demo.safetensors"
    assert build.build_checkpoint(target) == target
    return target


def test_shipped_weights_are_small(demo_folder: Path) -> None:
    assert (demo_folder / "sdgen-demo.safetensors").stat().st_size <= 8_000_000


def test_seeded_embeddings_are_the_same_everywhere(build: ModuleType) -> None:
    tokens, positions = build.clip_tables()
    assert tokens.shape == (49408, 768) and positions.shape == (77, 768)
    digest = hashlib.sha256(tokens.astype("<f2").tobytes() + positions.astype("<f2").tobytes()).hexdigest()
    assert digest == "2d124c9ea564c4373ec05f167a7035d6f3cec488085c54c9dfca265ad2c304fa"
    assert not positions[16:].any() and positions[:16].any(axis=1).all()
    # told apart easily: any two tokens are nearly at right angles
    some = tokens[[736, 1901, 1746, 4481, 5496]].astype(np.float64)
    cosines = some @ some.T / np.sqrt(np.outer((some**2).sum(1), (some**2).sum(1)))
    assert np.abs(cosines - np.eye(5)).max() < 0.15


def test_checkpoint_has_every_weight_and_the_learned_ones_unchanged(build: ModuleType, checkpoint: Path) -> None:
    from safetensors.torch import load_file

    tensors, learned = load_file(checkpoint), load_file(build.WEIGHTS)
    assert sum(name.startswith("text_encoders.clip_l.transformer.") for name in tensors) == 2 + 12 * 16 + 2 + 1
    blocks, convs = 20 * 3 * 2, 3 + 3 + 2 * 4
    assert sum(name.startswith("first_stage_model.taesd_") for name in tensors) == blocks + convs
    embedder = tensors.pop("model.diffusion_model.context_embedder.weight")
    assert embedder.shape[1] == 4096 and not embedder[:, 768:].any()
    assert embedder[:, :768].equal(learned["mmdit.context_embedder.weight"])
    for name, weight in learned.items():
        if name.startswith("mmdit.") and name != "mmdit.context_embedder.weight":
            assert tensors["model.diffusion_model." + name.removeprefix("mmdit.")].equal(weight), name
        if name.startswith("vae."):
            padded = tensors["first_stage_model.taesd_" + name.removeprefix("vae.")]
            part = tuple(slice(0, size) for size in weight.shape)
            assert padded[part].equal(weight), name
            assert padded.count_nonzero() == weight.count_nonzero(), name
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_building_again_does_nothing(build: ModuleType, checkpoint: Path) -> None:
    os.utime(checkpoint, ns=(10**18, 10**18))
    build.build_checkpoint(checkpoint)
    assert checkpoint.stat().st_mtime_ns == 10**18
    assert [p.name for p in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_other_or_damaged_files_are_replaced(build: ModuleType, checkpoint: Path, tmp_path: Path) -> None:
    good = build.source_hash()
    assert build.recorded_hash(checkpoint) == good
    whole = checkpoint.read_bytes()
    for number, content in enumerate((b"", b"junk", b"\x02\0\0\0\0\0\0\0[]", whole[: len(whole) // 2])):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(content)
        assert build.recorded_hash(file) is None
        if number == 3:
            build.build_checkpoint(file)
            # the weights, not the header: safetensors writes its metadata in no fixed order
            again = file.read_bytes()
            start = 8 + int.from_bytes(whole[:8], "little")
            same = len(again) == len(whole) and again[start:] == whole[start:]
            assert same and build.recorded_hash(file) == good
    assert build.recorded_hash(tmp_path / "none.safetensors") is None


def test_other_weights_give_another_hash(build: ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "weights.safetensors"
    data = bytearray(build.WEIGHTS.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    assert build.source_hash(other) != build.source_hash()


def test_missing_weights_leave_no_file(build: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build.build_checkpoint(tmp_path / "out.safetensors", tmp_path / "missing.safetensors")
    assert list(tmp_path.iterdir()) == []
