"""Which kind of model a file is, told from its header alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.kohya.families import read_base

UNET = "model.diffusion_model.input_blocks.0.0.weight"
CROSS = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
SD15 = {UNET: [320, 4, 3, 3], CROSS: [320, 768], "cond_stage_model.transformer.text_model.x": [1]}
SD2 = {UNET: [320, 4, 3, 3], CROSS: [320, 1024], "cond_stage_model.model.transformer.x": [1]}
SDXL = {
    UNET: [320, 4, 3, 3],
    "model.diffusion_model.label_emb.0.0.weight": [1280, 2816],
    "conditioner.embedders.0.transformer.x": [1],
    "conditioner.embedders.1.model.x": [1],
}
REFINER = {
    UNET: [384, 4, 3, 3],
    "model.diffusion_model.label_emb.0.0.weight": [1536, 2560],
    "conditioner.embedders.0.model.x": [1],
}
FLUX = {
    "double_blocks.0.img_attn.qkv.weight": [9216, 3072],
    "single_blocks.0.linear1.weight": [1, 1],
    "img_in.weight": [3072, 64],
}
SD3 = {
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": [4608, 1536],
    "first_stage_model.decoder.conv_in.weight": [1],
}


@pytest.mark.parametrize(
    ("shapes", "family", "title"),
    [
        (SD15, "sd15", "Stable Diffusion 1.5"),
        (SD2, "", "Stable Diffusion 2"),
        (SDXL, "sdxl", "SDXL"),
        (FLUX, "flux", "FLUX"),
        ({f"model.diffusion_model.{name}": shape for name, shape in FLUX.items()}, "flux", "FLUX"),
        (SD3, "sd3", "Stable Diffusion 3"),
        ({**SD15, UNET: [320, 9, 3, 3]}, "", "Stable Diffusion 1.5 for inpainting"),
        (REFINER, "", "SDXL's refiner"),
        ({**FLUX, "distilled_guidance_layer.norms.0.scale": [1]}, "", "Chroma"),
        ({**FLUX, "img_in.weight": [3072, 384]}, "", "a relative of FLUX"),
        (
            {**SD3, "first_stage_model.taesd_decoder.1.weight": [1]},
            "",
            "a small Stable Diffusion 3 with TAESD, such as SDGen's demo model",
        ),
        ({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": [4, 320]}, "", "a LoRA"),
        ({UNET: [320, 4, 3, 3], CROSS: [320, 768]}, "", "a U-Net without its text encoder"),
        ({"decoder.conv_in.weight": [1], "encoder.conv_in.weight": [1]}, "", "a VAE"),
        ({"text_model.encoder.layers.0.x": [1]}, "", "a text encoder"),
        ({"something": [1]}, "", "an unknown kind of model"),
        ({}, "", "an unknown kind of model"),
    ],
)
def test_a_model_is_told_by_its_names_and_shapes(model, shapes: dict[str, list[int]], family: str, title: str) -> None:
    base = read_base(model(shapes))
    assert (base.family, base.title) == (family, title)


def test_the_text_encoders_that_a_checkpoint_brings(model) -> None:
    base = read_base(model({**SD3, "text_encoders.clip_l.transformer.x": [1]}))
    assert base.holds("clip_l") and not base.holds("t5xxl")


@given(data=st.binary(max_size=300))
def test_any_other_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(SDGenError) as caught:
        read_base(path)
    assert caught.value.code == "bad-base-model"


@pytest.mark.parametrize(
    "header", [b"[]", b'{"a": 1}', b'{"a": {"shape": "x"}}', b'{"a": {"shape": ["x"]}}', b"\xff\xff"]
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(SDGenError):
        read_base(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SDGenError):
        read_base(tmp_path / "gone.safetensors")
