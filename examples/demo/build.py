"""Assemble the demo checkpoint that stock ComfyUI loads, from the learned weights shipped beside this file.

    python build.py TARGET

Only 1.8 million numbers of the demo model are learned; the rest of the 255 MB is zero or made here from a fixed seed:

- the diffusion model is SD3's MMDiT, two blocks deep; its text input takes 4,096 columns, of which 768 are learned;
- the autoencoder is TAESD with 16 latent channels, trained narrow and padded with zeros to TAESD's 64 channels;
- the text encoder is a CLIP-L that adds nothing to its embeddings: every layer's weights are zero, so a token's
  vector is its embedding plus its position's. The embeddings are raw bits of Philox (a counter-based generator with a
  published definition), scaled: the same on every platform and with every version of NumPy and torch. Positions from
  16 on are zero.

Needs NumPy, torch and safetensors; no ComfyUI.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

Half = npt.NDArray[np.float16]

WEIGHTS = Path(__file__).resolve().parent / "sdgen-demo.safetensors"
RECIPE = "sdgen-demo checkpoint 1"
"""Changes whenever this file would make another checkpoint from the same weights."""

CLIP_SEED = 20260
VOCABULARY, POSITIONS, WIDTH, LAYERS, HIDDEN = 49408, 77, 768, 12, 3072
"""CLIP-L's sizes."""
USED_POSITIONS = 16
"""Positions from here on are zero vectors, so all later padding tokens are alike."""

CONTEXT = 4096
"""Columns of SD3's text input: CLIP-L takes the first 768 of them when it is the only encoder."""
LATENT_SCALE, LATENT_SHIFT = 1.5305, 0.0609
"""What ComfyUI divides and shifts SD3 latents by on their way to the autoencoder."""
CHANNELS, LATENTS = 64, 16
"""Width of TAESD and its latent channels."""


def clip_tables() -> tuple[Half, Half]:
    """Token embeddings [49408, 768] and position embeddings [77, 768]: uniform with variance 1."""
    count = (VOCABULARY + USED_POSITIONS) * WIDTH
    raw = np.random.Philox(key=CLIP_SEED).random_raw(count // 4).astype("<u8").view("<u2")
    values = (raw.astype(np.float32) - np.float32(32767.5)) * np.float32(math.sqrt(3) / 32768)
    table = values.astype(np.float16).reshape(-1, WIDTH)
    positions = np.zeros((POSITIONS, WIDTH), np.float16)
    positions[:USED_POSITIONS] = table[VOCABULARY:]
    return table[:VOCABULARY], positions


def source_hash(weights: Path = WEIGHTS) -> str:
    """Identifies what a checkpoint is made from: the learned weights and this recipe."""
    return hashlib.sha256(RECIPE.encode() + weights.read_bytes()).hexdigest()


def recorded_hash(checkpoint: Path) -> str | None:
    """The `source_hash` written into a built checkpoint; None if there is no such file or it is something else."""
    try:
        with checkpoint.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length < 1 << 24:
                return None
            header = json.loads(file.read(length))
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        if checkpoint.stat().st_size != 8 + length + end:
            return None
        value = header.get("__metadata__", {}).get("sdgen_demo_source")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return value if isinstance(value, str) else None


def build_checkpoint(target: Path, weights: Path = WEIGHTS) -> Path:
    """Write the checkpoint to `target` unless it is there already and made from the same weights; returns `target`.

    The file appears whole or not at all (written beside it, then renamed). Raises FileNotFoundError without weights.
    """
    source = source_hash(weights)
    if recorded_hash(target) == source:
        return target
    import torch
    from safetensors.torch import load_file, save_file

    learned = load_file(weights)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in learned.items():
        if name.startswith("mmdit."):
            tensors["model.diffusion_model." + name.removeprefix("mmdit.")] = tensor.half()
    embedder = "model.diffusion_model.context_embedder.weight"
    narrow = tensors[embedder]
    tensors[embedder] = torch.zeros(narrow.shape[0], CONTEXT, dtype=torch.float16)
    tensors[embedder][:, : narrow.shape[1]] = narrow
    for name, shape in _taesd_shapes().items():
        padded = torch.zeros(shape, dtype=torch.float16)
        part = learned.get("vae." + name)
        if part is not None:
            padded[tuple(slice(0, size) for size in part.shape)] = part.half()
        tensors["first_stage_model.taesd_" + name] = padded
    tensors["first_stage_model.vae_scale"] = learned["latent_std"].float() * LATENT_SCALE
    tensors["first_stage_model.vae_shift"] = torch.tensor(LATENT_SHIFT)
    for name, array in _clip_tensors().items():
        tensors["text_encoders.clip_l.transformer." + name] = torch.from_numpy(array)

    target.parent.mkdir(parents=True, exist_ok=True)
    part_file = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        title = "SDGen demo: coloured shapes"
        save_file(tensors, part_file, metadata={"sdgen_demo_source": source, "modelspec.title": title})
        part_file.replace(target)
    finally:
        part_file.unlink(missing_ok=True)
    return target


def _taesd_shapes() -> dict[str, tuple[int, ...]]:
    """Every weight of TAESD with 16 latent channels: `encoder.N...` and `decoder.N...`, N counted as in its source."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, inputs: int, outputs: int, bias: bool = True) -> None:
        shapes[name + ".weight"] = (outputs, inputs, 3, 3)
        if bias:
            shapes[name + ".bias"] = (outputs,)

    def blocks(side: str, *numbers: int) -> None:
        for number in numbers:
            for layer in (0, 2, 4):
                conv(f"{side}.{number}.conv.{layer}", CHANNELS, CHANNELS)

    conv("encoder.0", 3, CHANNELS)
    blocks("encoder", 1, 3, 4, 5, 7, 8, 9, 11, 12, 13)
    for number in (2, 6, 10):
        conv(f"encoder.{number}", CHANNELS, CHANNELS, bias=False)
    conv("encoder.14", CHANNELS, LATENTS)
    conv("decoder.1", LATENTS, CHANNELS)
    blocks("decoder", 3, 4, 5, 8, 9, 10, 13, 14, 15, 18)
    for number in (7, 12, 17):
        conv(f"decoder.{number}", CHANNELS, CHANNELS, bias=False)
    conv("decoder.19", CHANNELS, 3)
    return shapes


def _clip_tensors() -> dict[str, Half]:
    """The text encoder: seeded embeddings, neutral norms, every other weight zero (a layer passes its input on)."""

    def zeros(*shape: int) -> Half:
        return np.zeros(shape, np.float16)

    tokens, positions = clip_tables()
    text = "text_model."
    out = {text + "embeddings.token_embedding.weight": tokens, text + "embeddings.position_embedding.weight": positions}
    for layer in range(LAYERS):
        at = f"{text}encoder.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            out[f"{at}self_attn.{name}.weight"], out[f"{at}self_attn.{name}.bias"] = zeros(WIDTH, WIDTH), zeros(WIDTH)
        out[at + "mlp.fc1.weight"], out[at + "mlp.fc1.bias"] = zeros(HIDDEN, WIDTH), zeros(HIDDEN)
        out[at + "mlp.fc2.weight"], out[at + "mlp.fc2.bias"] = zeros(WIDTH, HIDDEN), zeros(WIDTH)
        for name in ("layer_norm1", "layer_norm2"):
            out[f"{at}{name}.weight"], out[f"{at}{name}.bias"] = np.ones(WIDTH, np.float16), zeros(WIDTH)
    out[text + "final_layer_norm.weight"] = np.ones(WIDTH, np.float16)
    out[text + "final_layer_norm.bias"] = zeros(WIDTH)
    out["text_projection.weight"] = np.eye(WIDTH, dtype=np.float16)
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Assemble the SDGen demo checkpoint for ComfyUI.")
    parser.add_argument("target", type=Path, help="file to write, e.g. models/checkpoints/sdgen-demo.safetensors")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="learned weights (default: those shipped)")
    options = parser.parse_args(arguments)
    print(build_checkpoint(options.target, options.weights))
    return 0


if __name__ == "__main__":
    sys.exit(main())
