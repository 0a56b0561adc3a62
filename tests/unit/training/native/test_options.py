"""What the training node of a ComfyUI takes, read from its source, and what is wrong with options and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from sdgen_core.errors import SDGenError
from sdgen_core.training.native import options
from sdgen_core.training.native.installation import Installation, device_flags

#: As ComfyUI 0.3.52 has them.
OLD = """
class TrainLoraNode:
    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {
                "model": (IO.MODEL, {"tooltip": "The model to train the LoRA on."}),
                "latents": ("LATENT", {"tooltip": "The Latents."}),
                "steps": (IO.INT, {"default": 16, "min": 1, "max": 100000}),
                "learning_rate": (IO.FLOAT, {"default": 0.0005, "min": 0.0000001, "max": 1.0, "tooltip": "The rate."}),
                "rank": (IO.INT, {"default": 8, "min": 1, "max": 128}),
                "optimizer": (["AdamW", "Adam", "SGD", "RMSprop"], {"default": "AdamW"}),
                "algorithm": (list(adapter_maps.keys()), {"default": list(adapter_maps.keys())[0]}),
                "gradient_checkpointing": (IO.BOOLEAN, {"default": True}),
                "existing_lora": (folder_paths.get_filename_list("loras") + ["[None]"], {"default": "[None]"}),
            },
        }
"""


def comfyui(folder: Path, source: str | None) -> Installation:
    (folder / "comfy_extras").mkdir(parents=True)
    (folder / "main.py").write_text("", encoding="utf-8")
    (folder / "comfyui_version.py").write_text('__version__ = "0.3.52"\n', encoding="utf-8")
    if source is not None:
        (folder / "comfy_extras" / "nodes_train.py").write_text(source, encoding="utf-8")
    adapters = folder / "comfy" / "weight_adapter"
    adapters.mkdir(parents=True)
    (adapters / "__init__.py").write_text('adapter_maps: dict[str, type] = {"LoRA": A, "LoHa": B}\n', encoding="utf-8")
    return Installation(folder)


def test_all_inputs_of_the_real_node_are_found(comfyui_folder: Path) -> None:
    found = Installation(comfyui_folder).options()
    assert list(found) == [
        "batch_size", "grad_accumulation_steps", "steps", "learning_rate", "rank", "optimizer", "loss_function", "seed", "training_dtype",
        "lora_dtype", "algorithm", "gradient_checkpointing", "existing_lora",
    ]  # fmt: skip
    assert found["optimizer"].choices == ("AdamW", "Adam", "SGD", "RMSprop")
    assert found["algorithm"].choices == ("LoRA", "LoHa", "LoKr", "OFT")
    rank = found["rank"]
    assert (rank.kind, rank.default, rank.least, rank.most) == ("int", 8, 1, 128)
    assert found["learning_rate"].kind == "float"
    assert found["learning_rate"].help


def test_the_older_form_is_read_too(tmp_path: Path) -> None:
    found = comfyui(tmp_path, OLD).options()
    assert list(found) == [
        "steps", "learning_rate", "rank", "optimizer", "algorithm", "gradient_checkpointing", "existing_lora",
    ]  # fmt: skip
    assert found["optimizer"].choices == ("AdamW", "Adam", "SGD", "RMSprop")
    assert found["algorithm"].choices == ("LoHa", "LoRA")[::-1]
    assert (found["learning_rate"].least, found["learning_rate"].most) == (1e-7, 1.0)
    assert found["gradient_checkpointing"].kind == "bool"


@pytest.mark.parametrize("source", [None, "", "class TrainLoraNode: pass", "class ("])
def test_a_comfyui_without_the_node_is_too_old(tmp_path: Path, source: str | None) -> None:
    with pytest.raises(SDGenError) as caught:
        comfyui(tmp_path, source).options()
    assert caught.value.code == "comfyui-too-old"
    assert "0.3.52" in caught.value.message


def test_a_folder_without_comfyui_is_told(tmp_path: Path) -> None:
    with pytest.raises(SDGenError) as caught:
        Installation(tmp_path).options()
    assert caught.value.code == "comfyui-not-found"


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"learning_rat": 0.1}, "learning_rate"),
        ({"Rank": 8}, "rank"),
        ({"rank": 0}, "not within 1 to 128"),
        ({"rank": 8.5}, "no whole number"),
        ({"rank": True}, "no whole number"),
        ({"learning_rate": float("nan")}, "not within"),
        ({"learning_rate": "fast"}, "no number"),
        ({"optimizer": "adamw"}, "AdamW"),
        ({"optimizer": 3}, "no text"),
        ({"gradient_checkpointing": 1}, "not true or false"),
        ({"batch_size": 4}, "grad_accumulation_steps"),
        ({"save_every": -1}, "not within"),
        ({"existing_lora": "x"}, "no option"),
        ({"steps": 3}, "no option"),
    ],
)
def test_what_the_node_does_not_take_is_refused(comfyui_folder: Path, given_: dict[str, Any], words: str) -> None:
    [problem] = options.problems_of(Installation(comfyui_folder), given_)
    assert (problem.code, problem.option, problem.fatal) == ("bad-training-option", next(iter(given_)), True)
    assert words in f"{problem.message} {problem.hint}"


def test_our_own_defaults_are_taken_by_the_node(comfyui_folder: Path) -> None:
    where = Installation(comfyui_folder)
    for given_ in (options.SMALL, options.LARGE, {"batch_size": 1, "save_every": 10}):
        assert options.problems_of(where, given_) == []


def test_a_run_says_every_input_of_the_node(comfyui_folder: Path, tmp_path: Path) -> None:
    where = Installation(comfyui_folder)
    said = options.chosen(where, tmp_path / "none.safetensors", {"rank": 3})
    assert said["rank"] == 3
    assert said["learning_rate"] == options.LARGE["learning_rate"]
    assert set(said) == set(where.options()) - {"steps", "batch_size", "existing_lora"} | {"save_every"}
    assert None not in said.values()


def test_the_form_shows_every_option_with_its_default(comfyui_folder: Path, tmp_path: Path) -> None:
    where = Installation(comfyui_folder)
    form = options.form(where, checkpoint(tmp_path / "small.safetensors", UNET, CLIP, VAE))
    fields = {one["name"]: one for group in form["groups"] for one in group["options"]}
    assert set(fields) == {one.name for one in options.known(where)}
    assert {name: one["default"] for name, one in fields.items()} == {**options.SMALL, "save_every": 0}
    assert {one["kind"] for one in fields.values()} == {"int", "float", "choice", "flag"}
    assert fields["optimizer"]["choices"] == ["AdamW", "Adam", "SGD", "RMSprop"]
    assert fields["learning_rate"]["label"] == "Learning rate"


# ---- checkpoints -----------------------------------------------------------------------------------------------------------


def checkpoint(path: Path, *names: str) -> Path:
    save_file({name: np.zeros(4, np.float16) for name in names}, path)
    return path


UNET, CLIP, VAE = "model.diffusion_model.out.weight", "cond_stage_model.a.weight", "first_stage_model.b.weight"


def test_a_whole_checkpoint_is_fine(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "whole.safetensors", UNET, CLIP, VAE)
    assert options.problem_of_base(path) is None
    assert options.size_of(path) == "small"
    assert options.defaults(path) == options.SMALL


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((UNET, VAE), "no text encoder"),
        ((UNET,), "no text encoder and no VAE"),
        (("lora_unet_x.lora_up.weight",), "is no checkpoint"),
    ],
)
def test_half_a_checkpoint_is_refused(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    problem = options.problem_of_base(checkpoint(tmp_path / "half.safetensors", *names))
    assert problem is not None
    assert words in problem.message


def test_what_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x" * 100)
    for path in (broken, tmp_path / "none.safetensors"):
        problem = options.problem_of_base(path)
        assert problem is not None
        assert problem.code == "bad-base-model"
    old = tmp_path / "old.ckpt"  # only ComfyUI can look into it
    old.write_bytes(b"x")
    assert options.problem_of_base(old) is None
    assert options.defaults(old) == options.LARGE


# ---- flags -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["main.py", "--listen", "0.0.0.0", "--cpu", "--port", "8188"], ("--cpu",)),
        (["main.py", "--cuda-device", "1", "extra", "--lowvram"], ("--cuda-device", "1", "--lowvram")),
        (["main.py", "--reserve-vram=2.5", "word", "--base-directory", "/x"], ("--reserve-vram=2.5",)),
        (["main.py", "--directml", "--cpu-vae"], ("--directml", "--cpu-vae")),
    ],
)
def test_only_what_says_how_models_run_is_kept(argv: list[str], kept: tuple[str, ...]) -> None:
    assert device_flags(argv) == kept


@given(st.lists(st.sampled_from(["--cpu", "--port", "8188", "--lowvram", "--cuda-device", "0", "--fast", "--verbose"])))
def test_flags_that_were_kept_are_kept_again(argv: list[str]) -> None:
    once = device_flags(argv)
    assert device_flags(once) == once
    assert "--port" not in once
