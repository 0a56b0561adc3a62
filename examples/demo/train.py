"""Train the demo model from nothing: autoencoder, then diffusion model, then the file of learned weights.

    python -m examples.demo.train --comfyui DIR [--work FOLDER] [--device cpu|cuda] [--threads N]

Seeded; a run that was stopped goes on where it was saved (`--work` holds the states). On two CPU cores the
autoencoder takes about 8 minutes and the diffusion model about 25. Afterwards `python -m examples.demo.evaluate
--comfyui DIR` measures the result.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import torch

from . import build, comfyui


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the SDGen demo model.")
    parser.add_argument("--comfyui", type=Path, required=True, help="folder of a ComfyUI (its model code is used)")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "demo-training", help="states of the run")
    parser.add_argument("--out", type=Path, default=build.WEIGHTS, help="learned weights to write")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile the diffusion model: about twice as fast")
    parser.add_argument("--trial", action="store_true", help="a few steps only, to see that everything runs")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    comfyui.use(options.comfyui, cpu=device.type == "cpu")
    from . import mmdit, vae

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    options.work.mkdir(parents=True, exist_ok=True)
    picture_recipe, recipe = vae.Recipe(), mmdit.Recipe()
    if options.trial:
        picture_recipe = vae.Recipe(steps=4, batch=4, whole_batch=2, crop_until=0.5, save_every=2)
        recipe = mmdit.Recipe(steps=4, batch=4, examples=40, save_every=2)
    picture = vae.Trainer(picture_recipe, options.work, device)
    picture.run()
    data = mmdit.prepare(recipe, picture.nets["encoder"], device)
    print(f"{len(data.latents)} examples, latent deviation {data.scale:.4f}", flush=True)
    diffusion = mmdit.Trainer(recipe, data, options.work, device, options.compile)
    diffusion.run()
    save(options.out, picture, diffusion)
    return 0


def save(out: Path, picture: object, diffusion: object) -> None:
    """Write the learned weights as fp16 safetensors in the form that `build.py` reads."""
    from safetensors.torch import save_file

    from . import mmdit, vae

    assert isinstance(picture, vae.Trainer) and isinstance(diffusion, mmdit.Trainer)
    tensors = {f"vae.{name}": weight.half().contiguous() for name, weight in picture.nets.state_dict().items()}
    for name, weight in diffusion.state_dict().items():
        tensors[f"mmdit.{name}"] = weight.half().cpu().contiguous()
    tensors["latent_std"] = torch.tensor(diffusion.data.scale)
    facts = {
        "vae": {**dataclasses.asdict(picture.recipe), "mse": picture.error},
        "mmdit": {**dataclasses.asdict(diffusion.recipe), "loss": diffusion.loss},
    }
    part = out.with_suffix(".part")
    save_file({name: tensor.cpu() for name, tensor in tensors.items()}, part, metadata={"training": json.dumps(facts)})
    part.replace(out)
    print(f"{out} ({out.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    sys.exit(main())
