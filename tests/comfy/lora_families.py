# ruff: noqa: E402 - ComfyUI is told of the CPU before anything of it is imported
"""Run by test_training_lora.py in a process with ComfyUI's code: LoRAs of kohya's names for checkpoints of real shapes.

The checkpoints' numbers are holes in sparse files, so SDXL's 7 GB take no room. Prints what was found as JSON.

    python lora_families.py COMFYUI FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])
import comfy.cli_args

comfy.cli_args.args.cpu = True
import comfy.lora
import comfy.supported_models as known
import torch

from sdgen_core.training.lora.arithmetic import Applied
from sdgen_core.training.lora.patches import Patched, patched
from sdgen_core.training.lora.weights import WeightFile, save_tensors

META = torch.device("meta")
COMMON = {
    "image_size": 32, "out_channels": 4, "use_spatial_transformer": True, "legacy": False, "dtype": torch.float32,
    "in_channels": 4, "model_channels": 320, "use_temporal_attention": False, "use_temporal_resblock": False,
}  # fmt: skip
UNETS = {
    "SD15": {
        **COMMON, "adm_in_channels": None, "num_res_blocks": [2] * 4, "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
        "channel_mult": [1, 2, 4, 4], "transformer_depth_middle": 1, "use_linear_in_transformer": False,
        "context_dim": 768, "num_heads": 8, "transformer_depth_output": [1] * 9 + [0] * 3,
    },
    "SDXL": {
        **COMMON, "num_classes": "sequential", "adm_in_channels": 2816, "num_res_blocks": [2] * 3,
        "transformer_depth": [0, 0, 2, 2, 10, 10], "channel_mult": [1, 2, 4], "transformer_depth_middle": 10,
        "use_linear_in_transformer": True, "context_dim": 2048, "num_head_channels": 64,
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    },
}  # fmt: skip
#: Family → module as kohya names it → (tensor of the checkpoint, first row and rows of it; None: all).
PLACES: dict[str, dict[str, tuple[str, tuple[int, int] | None]]] = {
    "SD15": {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": (
            "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", None),
        "lora_unet_mid_block_resnets_0_conv1": ("model.diffusion_model.middle_block.0.in_layers.2.weight", None),
        "lora_te_text_model_encoder_layers_3_mlp_fc1": (
            "cond_stage_model.transformer.text_model.encoder.layers.3.mlp.fc1.weight", None),
    },
    "SDXL": {
        "lora_unet_up_blocks_1_attentions_2_transformer_blocks_1_ff_net_2": (
            "model.diffusion_model.output_blocks.5.1.transformer_blocks.1.ff.net.2.weight", None),
        "lora_te1_text_model_encoder_layers_3_self_attn_q_proj": (
            "conditioner.embedders.0.transformer.text_model.encoder.layers.3.self_attn.q_proj.weight", None),
        # OpenCLIP keeps query, key and value in one matrix
        "lora_te2_text_model_encoder_layers_3_self_attn_k_proj": (
            "conditioner.embedders.1.model.transformer.resblocks.3.attn.in_proj_weight", (1280, 1280)),
        "lora_te2_text_model_encoder_layers_3_mlp_fc2": (
            "conditioner.embedders.1.model.transformer.resblocks.3.mlp.c_proj.weight", None),
    },
}  # fmt: skip

FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": 768, "context_in_dim": 4096, "hidden_size": 3072,
    "mlp_ratio": 4.0, "num_heads": 24, "depth": 19, "depth_single_blocks": 38, "axes_dim": [16, 56, 56], "theta": 10000,
    "patch_size": 2, "qkv_bias": True, "guidance_embed": True,
}  # fmt: skip
FLUX_PLACES: dict[str, tuple[str, tuple[int, int] | None]] = {
    "lora_unet_double_blocks_3_img_attn_qkv": ("double_blocks.3.img_attn.qkv.weight", None),
    "lora_unet_single_blocks_7_linear2": ("single_blocks.7.linear2.weight", None),
    # diffusers keeps apart what the original has in one matrix
    "transformer.transformer_blocks.0.attn.add_k_proj": ("double_blocks.0.txt_attn.qkv.weight", (3072, 3072)),
    "transformer.single_transformer_blocks.0.attn.to_v": ("single_blocks.0.linear1.weight", (6144, 3072)),
    "transformer.single_transformer_blocks.1.proj_mlp": ("single_blocks.1.linear1.weight", (9216, 12288)),
    "transformer.single_transformer_blocks.0.proj_out": ("single_blocks.0.linear2.weight", None),
}


def sparse(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """A checkpoint of zeros in half precision that takes no room on the disk."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)


def holds(plan: Patched, lora: dict[str, torch.Tensor], module: str, name: str, rows: tuple[int, int] | None) -> bool:
    """Whether a tensor (of zeros) of the checkpoint gets a module's difference, in these rows."""
    up, down = (lora[f"{module}.lora_{side}.weight"] for side in ("up", "down"))
    shape = (up.shape[0], *down.shape[1:])
    delta = (0.25 * up.flatten(1) @ down.flatten(1)).reshape(shape).half()  # strength · alpha / rank
    found = plan.tensor(name)
    part = found if rows is None else found[rows[0] : rows[0] + rows[1]]
    return part.shape == delta.shape and torch.allclose(part, delta, rtol=1e-3, atol=1e-4)


def flux(folder: Path) -> dict[str, Any]:
    """FLUX.1, a diffusion model alone of 24 GB, with a LoRA whose modules kohya's and diffusers' names are for."""
    config = known.Flux(dict(FLUX))
    config.set_inference_dtype(torch.float32, None)
    shapes = {k: tuple(v.shape) for k, v in config.get_model({}, "", device=META).diffusion_model.state_dict().items()}
    checkpoint, path = folder / "FLUX.safetensors", folder / "FLUX-lora.safetensors"
    sparse(checkpoint, shapes)
    random = torch.Generator().manual_seed(1)
    lora: dict[str, torch.Tensor] = {}
    for module, (name, rows) in FLUX_PLACES.items():
        out, width = shapes[name]
        lora[f"{module}.lora_down.weight"] = torch.randn(2, width, generator=random)
        lora[f"{module}.lora_up.weight"] = torch.randn(rows[1] if rows else out, 2, generator=random)
        lora[f"{module}.alpha"] = torch.tensor(1.0)
    save_tensors(path, lora, {})
    plan = patched(WeightFile(checkpoint), [Applied(path, 0.5)])
    [fit] = plan.fits
    right = {module: holds(plan, lora, module, *place) for module, place in FLUX_PLACES.items()}
    return {
        "family": plan.family, "lora": fit.family, "modules": fit.modules, "misses": list(fit.misses), "right": right,
        "size": checkpoint.stat().st_size, "kilobytes": most_memory(),
    }  # fmt: skip


def most_memory() -> int:
    """What this process had in memory at most, in KB; 0 where only Linux tells."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for family, unet_config in UNETS.items():
        config = getattr(known, family)(dict(unet_config))
        config.set_inference_dtype(torch.float32, None)
        model = config.get_model({}, "", device=META)
        target = config.clip_target({})
        clip = target.clip(**target.params, dtype=torch.float32, device=META, model_options={})
        shapes = {k: tuple(v.shape) for k, v in (model.state_dict() | clip.state_dict()).items()}
        unet = {
            k.removeprefix("diffusion_model."): v for k, v in model.state_dict().items() if "model_sampling" not in k
        }
        parts = config.process_unet_state_dict_for_saving(unet) | config.process_clip_state_dict_for_saving(
            clip.state_dict()
        )
        checkpoint = folder / f"{family}.safetensors"
        sparse(checkpoint, {k: tuple(v.shape) for k, v in parts.items()})
        names = comfy.lora.model_lora_keys_clip(clip, comfy.lora.model_lora_keys_unet(model, {}))
        random = torch.Generator().manual_seed(1)
        lora: dict[str, torch.Tensor] = {}
        done = set()
        for name, key in names.items():
            shape = shapes.get(key, ())  # ComfyUI also names what other models of the family have
            kohya = name.startswith(("lora_unet_down_", "lora_unet_mid_", "lora_unet_up_", "lora_te"))
            if not kohya or key in done or len(shape) < 2 or "text_projection" in name:
                continue
            done.add(key)
            wanted = next((n for n in PLACES[family] if names.get(n) == key), name)
            lora[f"{wanted}.lora_down.weight"] = torch.randn(2, *shape[1:], generator=random)
            lora[f"{wanted}.lora_up.weight"] = torch.randn(shape[0], 2, *(1,) * (len(shape) - 2), generator=random)
            lora[f"{wanted}.alpha"] = torch.tensor(1.0)
        path = folder / f"{family}-lora.safetensors"
        save_tensors(path, lora, {})
        plan = patched(WeightFile(checkpoint), [Applied(path, 0.5)])
        [fit] = plan.fits
        right = {module: holds(plan, lora, module, *place) for module, place in PLACES[family].items()}
        said[family] = {
            "family": plan.family, "lora": fit.family, "modules": fit.modules, "misses": list(fit.misses), "right": right,
            "tensors": len(plan.pieces),
        }  # fmt: skip
    said["FLUX"] = flux(folder)
    # the wrong way round: an SDXL LoRA and a checkpoint of SD 1
    [fit] = patched(WeightFile(folder / "SD15.safetensors"), [Applied(folder / "SDXL-lora.safetensors")]).fits
    return {**said, "crossed": {"family": fit.family, "matched": fit.matched, "modules": fit.modules}}


if __name__ == "__main__":
    found = main(Path(sys.argv[2]))
    print(json.dumps(found))
