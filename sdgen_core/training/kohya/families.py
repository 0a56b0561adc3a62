"""Which kind of model a file holds, told from the names and shapes in its safetensors header, and what sd-scripts trains it with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import SDGenError, shown
from ...sessions.safetensors_file import BrokenFileError, read_header


@dataclass(frozen=True)
class Family:
    """A family of models: its ``title``, the ``script`` and the module of its LoRAs, the size that its images have, and the options that
    name further ``files`` it needs (those of ``files_within`` only when the checkpoint lacks them).

    ``mb_per_rank``: about what a LoRA takes a rank, in MB at 16 bits, all layers that the module trains (from the layers' widths).
    """

    name: str
    title: str
    script: str
    network_module: str
    resolution: int
    mb_per_rank: float
    tokenizers: tuple[str, ...]
    files: tuple[str, ...] = ()
    files_within: tuple[str, ...] = ()


_CLIP_L = "openai/clip-vit-large-patch14"
_CLIP_G = "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"
_T5 = "google/t5-v1_1-xxl"

FAMILIES: dict[str, Family] = {
    one.name: one
    for one in (
        Family("sd15", "Stable Diffusion 1.5", "train_network.py", "networks.lora", 512, 1.2, (_CLIP_L,)),
        Family("sdxl", "SDXL", "sdxl_train_network.py", "networks.lora", 1024, 7.0, (_CLIP_L, _CLIP_G)),
        Family(
            "flux",
            "FLUX",
            "flux_train_network.py",
            "networks.lora_flux",
            1024,
            19.0,
            (_CLIP_L, _T5),
            ("clip_l", "t5xxl", "ae"),
        ),
        Family(
            "sd3",
            "Stable Diffusion 3",
            "sd3_train_network.py",
            "networks.lora_sd3",
            1024,
            10.0,
            (_CLIP_L, _CLIP_G, _T5),
            files_within=("clip_l", "clip_g", "t5xxl"),
        ),
    )
}


@dataclass(frozen=True)
class Base:
    """A model file: the ``family`` that it is of ("" for none that can be trained), in words, and the names of its tensors."""

    family: str
    title: str
    keys: frozenset[str]

    def holds(self, encoder: str) -> bool:
        """Whether the checkpoint brings a text encoder of SD 3 with it: ``clip_l``, ``clip_g``, ``t5xxl``."""
        return any(key.startswith(f"text_encoders.{encoder}.") for key in self.keys)


def read_base(path: Path) -> Base:
    """What the file is. Raises ``bad-base-model`` when it cannot be read as safetensors."""
    shapes = _shapes(path)
    family, title = _told(shapes)
    return Base(family, title, frozenset(shapes))


def _shapes(path: Path) -> dict[str, list[int]]:
    """Name → shape of every tensor."""
    try:
        return {name: list(entry.shape) for name, entry in read_header(path).tensors.items()}
    except (OSError, BrokenFileError) as error:
        raise SDGenError("bad-base-model", f"{shown(path)} is no whole safetensors file: {error}") from error


def _told(shapes: Mapping[str, list[int]]) -> tuple[str, str]:
    """The family ("" when it is none of ours) and its name in words.

    The names are those of the original checkpoints; diffusion models alone come with and without ``model.diffusion_model.``.
    """
    bare = {name.removeprefix("model.diffusion_model."): shape for name, shape in shapes.items()}

    def some(pattern: str) -> bool:
        return any(re.search(pattern, name) for name in shapes)

    if some(r"\.lora_(down|up|A|B)\.|^lora_"):
        return "", "a LoRA"
    if "distilled_guidance_layer.norms.0.scale" in bare:
        return "", "Chroma"
    if "double_blocks.0.img_attn.qkv.weight" in bare and "single_blocks.0.linear1.weight" in bare:
        return ("flux", "FLUX") if bare.get("img_in.weight", [0, 64])[1:] == [64] else ("", "a relative of FLUX")
    if "joint_blocks.0.x_block.attn.qkv.weight" in bare:
        if some(r"^first_stage_model\.taesd_"):
            return "", "a small Stable Diffusion 3 with TAESD, such as SDGen's demo model"
        return "sd3", "Stable Diffusion 3"
    entry = bare.get("input_blocks.0.0.weight")
    if entry is not None and len(entry) == 4:
        family, title = _unet(bare, shapes)
        return ("", f"{title} for inpainting") if entry[1] not in (4, 0) else (family, title)
    for pattern, title in (
        (r"^(model\.diffusion_model\.)?(cap_embedder|noise_refiner)\.", "Lumina 2"),
        (r"transformer_blocks\.0\.img_mod", "Qwen-Image"),
        (r"blocks\.0\.cross_attn\.norm_k", "Wan"),
        (r"^(down_blocks|conv_in|time_embedding)\.", "a U-Net in diffusers' form"),
        (r"^(first_stage_model\.)?(encoder|decoder)\.(conv_in|mid)", "a VAE"),
        (r"^(text_model|encoder\.block|shared)\b", "a text encoder"),
    ):
        if some(pattern):
            return "", title
    return "", "an unknown kind of model"


def _unet(bare: Mapping[str, list[int]], shapes: Mapping[str, list[int]]) -> tuple[str, str]:
    """The family of a U-Net in the form of the original checkpoints."""
    names = tuple(shapes)
    if "label_emb.0.0.weight" in bare or any(name.startswith("conditioner.embedders.") for name in names):
        if names and not any(name.startswith("conditioner.embedders.1.") for name in names):
            width = bare.get("label_emb.0.0.weight", [0, 2816])[1]
            return ("", "SDXL's refiner") if width == 2560 else ("", "SDXL's U-Net without its text encoders")
        return "sdxl", "SDXL"
    if any(name.startswith("cond_stage_model.model.") for name in names):
        return (
            "",
            "Stable Diffusion 2",
        )  # sd-scripts asks a hub for its tokenizer in a way that no folder of files can answer
    if any(name.startswith("cond_stage_model.transformer.") for name in names):
        return "sd15", "Stable Diffusion 1.5"
    return "", "a U-Net without its text encoder"
