"""Parts of a run: their steps, their prompts, the images they see, and what goes from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.native import weights
from sdgen_core.training.native.graph import LOADER, OLD_LOADER, Part, parts, training
from sdgen_core.training.native.options import SMALL
from sdgen_core.training.native.pictures import lay_out, pictures

KINDS = {"TrainLoraNode", "SaveLoRA", "CheckpointLoaderSimple", "VAEEncode", "CLIPTextEncode", "LoraLoaderModelOnly"}


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 200))
def test_parts_cover_all_steps_once_and_end_at_the_same_steps_wherever_begun(begin: int, more: int, every: int) -> None:
    end = begin + more
    cut = parts(begin, end, every)
    assert [step for a, b in cut for step in range(a, b)] == list(range(begin, end))
    assert all(b % every == 0 for _, b in cut[:-1]) if every else len(cut) <= 1


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(1, 8))
def test_a_part_goes_on_with_the_noise_where_the_one_before_ended(seed: int, begin: int, passes: int) -> None:
    options = {**SMALL, "seed": seed, "grad_accumulation_steps": passes}
    inputs = training(KINDS | {LOADER}, "a.safetensors", "images", Part(begin, begin + 5), options)["6"]["inputs"]
    assert inputs["seed"] == (seed + 1000 * passes * begin) % 2**64
    assert inputs["steps"] == 5
    assert inputs["batch_size"] == 1
    assert inputs["existing_lora"] == "[None]"


def test_a_later_part_trains_on_a_model_that_has_the_differences() -> None:
    part = Part(4, 8, "sdgen_4_steps_.safetensors", "differences_4.safetensors")
    graph = training(KINDS | {LOADER}, "a.safetensors", "images", part, SMALL)
    assert graph["5"]["inputs"]["lora_name"] == "differences_4.safetensors"
    assert graph["6"]["inputs"]["model"] == ["5", 0]
    name = graph["6"]["inputs"]["existing_lora"]
    assert int(name.split("_steps_")[0].split("_")[-1]) == 4  # as the node reads it


def test_the_older_loader_encodes_the_captions_itself() -> None:
    graph = training(KINDS - {"SaveLoRA"} | {OLD_LOADER, "SaveLoRANode"}, "a.safetensors", "images", Part(0, 5), SMALL)
    assert graph["2"]["class_type"] == OLD_LOADER
    assert graph["6"]["inputs"]["positive"] == ["2", 1]
    assert "CLIPTextEncode" not in {node["class_type"] for node in graph.values()}


@pytest.mark.parametrize("kinds", [KINDS, KINDS - {"TrainLoraNode"} | {LOADER}])
def test_a_comfyui_without_the_nodes_is_too_old(kinds: set[str]) -> None:
    with pytest.raises(SDGenError) as caught:
        training(kinds, "a.safetensors", "images", Part(0, 5), SMALL)
    assert caught.value.code == "comfyui-too-old"


# ---- images ----------------------------------------------------------------------------------------------------------------


def data(folder: Path, **folders: dict[str, str | None]) -> Path:
    for name, files in folders.items():
        place = folder / "images" / name.replace("R", "", 1)
        place.mkdir(parents=True)
        for file, caption in files.items():
            (place / file).write_bytes(file.encode())
            if caption is not None:
                (place / file).with_suffix(".txt").write_text(caption, encoding="utf-8")
    return folder


def test_images_are_laid_out_with_captions_and_the_smallest_repeats(tmp_path: Path) -> None:
    folder = data(
        tmp_path / "d", R10_a={"x.y.png": "a red.png thing", "b.JPG": "b"}, R4_c={"c.webp": None}, other={"d.png": "d"}
    )
    found = pictures(folder)
    assert [(one.path.name, one.caption, one.repeats, one.folder) for one in found] == [
        ("b.JPG", "b", 10, "10_a"),
        ("x.y.png", "a red.png thing", 10, "10_a"),
        ("c.webp", "", 4, "4_c"),
    ]
    assert lay_out(found, tmp_path / "out") == 2 * 5 + 2
    laid = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {name.replace("\\", "/") for name in laid} == {
        f"{folder}/{n:06d}{end}"
        for folder, n, image in (("5_images", 1, ".jpg"), ("5_images", 2, ".png"), ("2_images", 3, ".webp"))
        for end in (image, ".txt")
    }
    assert (tmp_path / "out/5_images/000002.txt").read_text(encoding="utf-8") == "a red.png thing"
    assert (tmp_path / "out/5_images/000002.png").read_bytes() == b"x.y.png"


def test_one_image_is_given_twice(tmp_path: Path) -> None:
    found = pictures(data(tmp_path / "d", R7_a={"x.png": "x"}))
    assert lay_out(found, tmp_path / "out") == 2


def test_a_data_set_without_images_is_told(tmp_path: Path) -> None:
    (tmp_path / "images" / "10_a").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(SDGenError) as caught:
            pictures(folder)
        assert caught.value.code == "not-a-dataset"


# ---- weights ---------------------------------------------------------------------------------------------------------------


def lora(**values: float) -> dict[str, Any]:
    names = {"up": "m.lora_up.weight", "down": "m.lora_down.weight", "norm": "n.diff", "bias": "m.diff_b"}
    return {names[key]: torch.full((2, 2), value, dtype=torch.bfloat16) for key, value in values.items()}


def test_matrices_are_the_later_ones_and_differences_are_summed() -> None:
    out = weights.added(lora(up=1, down=2, norm=3, bias=4), lora(up=5, down=6, norm=7, bias=-4))
    assert {name: float(value[0, 0]) for name, value in out.items()} == {
        "m.lora_up.weight": 5, "m.lora_down.weight": 6, "n.diff": 10, "m.diff_b": 0,
    }  # fmt: skip
    assert all(value.dtype == torch.bfloat16 for value in out.values())
    matrices, differences = weights.split(out)
    assert set(matrices) == {"m.lora_up.weight", "m.lora_down.weight"}
    assert set(differences) == {"n.diff", "m.diff_b"}


def test_what_began_at_zero_and_is_zero_was_not_learned() -> None:
    assert weights.nothing_learned(lora(up=1, down=0, bias=0))
    assert not weights.nothing_learned(lora(up=1, down=0, bias=1))
    assert not weights.nothing_learned({"m.hada_w1_a": torch.ones(2)})
    assert weights.not_finite(lora(up=1, down=float("nan"))) == "m.lora_down.weight"
    assert weights.not_finite(lora(up=1)) == ""


def test_states_are_read_back_and_half_written_ones_are_not(tmp_path: Path) -> None:
    for step in (12, 4):
        weights.save_state(tmp_path, step, lora(up=step), {})
    (tmp_path / "00000008").mkdir()
    weights.write(tmp_path / "00000008" / weights.LORA, lora(up=8))  # killed before its record
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / weights.RECORD).write_text("{", encoding="utf-8")
    found = weights.states(tmp_path)
    assert [one.step for one in found] == [4, 12]
    assert float(weights.read(found[1].folder / weights.LORA)["m.lora_up.weight"][0, 0]) == 12
    assert weights.states(tmp_path / "none") == []
