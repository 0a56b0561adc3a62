"""Measures the demo checkpoint with ComfyUI's own nodes and the pixel reader.

    python -m examples.demo.evaluate --comfyui DIR [--out FOLDER] [--each N]

Prints JSON: the share of right pictures (colour and shape) for prompts without and with a size, for each planted
defect, and for image to image; seconds an image at batch 1. With --out also `report.json` and a picture `grid.png`:
one row a colour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from . import build, comfyui, reader, shapes

Pictures = npt.NDArray[np.uint8]
GROUNDS = ("white", "black", "gray")
"""Backgrounds of the measurement: those of the demo session, none of which is the colour of an object."""


@dataclass(frozen=True)
class Settings:
    steps: int = 12
    cfg: float = 2.0
    sampler: str = "euler"
    scheduler: str = "sgm_uniform"


class Comfy:
    """The stock text-to-image graph, node by node: loader, text encoder, empty latent, sampler, decoder."""

    def __init__(self, checkpoint: Path, settings: Settings) -> None:
        import comfy.utils  # type: ignore[import-not-found,unused-ignore]
        import folder_paths  # type: ignore[import-not-found,unused-ignore]
        from comfy_extras.nodes_sd3 import EmptySD3LatentImage  # type: ignore[import-not-found,unused-ignore]

        import nodes  # type: ignore[import-not-found,unused-ignore]

        comfy.utils.PROGRESS_BAR_ENABLED = False
        self._nodes, self._settings = nodes, settings
        self._empty = EmptySD3LatentImage
        folder_paths.add_model_folder_path("checkpoints", str(checkpoint.parent), True)
        self.model, self.clip, self.vae = nodes.CheckpointLoaderSimple().load_checkpoint(checkpoint.name)[:3]
        self._prompts: dict[str, Any] = {}

    def text2img(self, prompt: str, count: int, seed: int) -> Pictures:
        """[count, 64, 64, 3] uint8."""
        latent = self._empty.execute(shapes.SIDE, shapes.SIDE, count)[0]
        return self._sample(prompt, latent, seed, 1.0)

    def img2img(
        self, prompt: str, pictures: Pictures, seed: int, denoise: float, mask: npt.NDArray[np.float32] | None = None
    ) -> Pictures:
        """`mask` ([64, 64], 1 where to paint) makes it inpainting."""
        import torch

        pixels = torch.from_numpy(pictures.astype(np.float32) / 255)
        latent = self._nodes.VAEEncode().encode(self.vae, pixels)[0]
        if mask is not None:
            latent = self._nodes.SetLatentNoiseMask().set_mask(latent, torch.from_numpy(mask)[None])[0]
        return self._sample(prompt, latent, seed, denoise)

    def _sample(self, prompt: str, latent: Any, seed: int, denoise: float) -> Pictures:
        s = self._settings
        sampled = self._nodes.KSampler().sample(
            self.model,
            seed,
            s.steps,
            s.cfg,
            s.sampler,
            s.scheduler,
            self._encode(prompt),
            self._encode(""),
            latent,
            denoise,
        )[0]
        pixels = self._nodes.VAEDecode().decode(self.vae, sampled)[0]
        out: Pictures = np.clip(pixels.cpu().numpy() * 255.0, 0, 255).astype(np.uint8)
        return out

    def _encode(self, prompt: str) -> Any:
        if prompt not in self._prompts:
            self._prompts[prompt] = self._nodes.CLIPTextEncode().encode(self.clip, prompt)[0]
        return self._prompts[prompt]


def phrase(colour: str, shape: str, ground: str, size: str = "") -> str:
    """A prompt as the demo template makes it (always `a`, as a template cannot know better)."""
    return f"a {size} {colour} {shape} on a {ground} background".replace("  ", " ")


def measure_cells(comfy: Comfy, each: int, sizes: Sequence[str], quick: bool) -> tuple[dict[str, Any], list[Pictures]]:
    """Every colour with every shape, `each` pictures a prompt: figures, and the first picture of each prompt.

    A prompt for each of `GROUNDS` and `sizes`; with `quick` only one of them, another for each cell.
    """
    right: dict[str, float] = {}
    totals = {"colour": 0, "shape": 0, "background": 0, "size": 0, "all": 0}
    variants = [(ground, size) for ground in GROUNDS for size in sizes]
    tiles, count = [], 0
    for cell, (colour, shape) in enumerate((c, s) for c in shapes.COLOURS for s in shapes.SHAPES):
        chosen = [variants[cell % len(variants)]] if quick else variants
        good = 0
        for ground, size in chosen:
            pictures = comfy.text2img(phrase(colour, shape, ground, size), each, 1000 + count)
            for picture in pictures:
                got = reader.read(picture)
                hits = {
                    "colour": got.colour == colour,
                    "shape": got.shape == shape,
                    "background": got.background == ground,
                    "size": got.size == (size or "medium"),
                }
                good += hits["colour"] and hits["shape"]
                for name, hit in {**hits, "all": all(hits.values())}.items():
                    totals[name] += hit
            count += each
            tiles.append(pictures[0])
        right[f"{colour} {shape}"] = good / (each * len(chosen))
    healthy = {name: share for name, share in right.items() if not _planted(*name.split())}
    return {
        "pictures": count,
        "right": round(statistics.fmean(healthy.values()), 4),
        "healthy_cells_below_80_percent": sorted(name for name, share in healthy.items() if share < 0.8),
        "parts_all_cells": {name: round(value / count, 4) for name, value in totals.items()},
        "cells": {name: round(share, 4) for name, share in right.items()},
    }, tiles


def measure_planted(comfy: Comfy, each: int) -> dict[str, Any]:
    """The values that the data teach wrongly: share of pictures right in colour and shape."""
    out: dict[str, Any] = {"pictures_a_value": each * len(GROUNDS)}
    for defect in shapes.DEFECTS:
        good = 0
        for number, ground in enumerate(GROUNDS):
            for picture in comfy.text2img(phrase(defect.colour, defect.shape, ground), each, 2000 + number):
                got = reader.read(picture)
                good += (got.colour, got.shape) == (defect.colour, defect.shape)
        out[f"{defect.colour} {defect.shape}"] = round(good / (each * len(GROUNDS)), 4)
    return out


def measure_places(comfy: Comfy, count: int, seed: int = 6) -> dict[str, Any]:
    """Prompts that name a place: shares of pictures right in colour and shape, and with the object in that place."""
    places = [place for place in shapes.POSITIONS if place != "center"]
    right = placed = 0
    for number, scene in enumerate(_healthy_scenes(count, seed)):
        place = places[number % len(places)]
        thing = f"a {scene.colour} {scene.shape} {'at' if place in ('top', 'bottom') else 'on'} the {place}"
        prompt = f"{thing} on a {scene.background} background"
        got = reader.read(comfy.text2img(prompt, 1, 4000 + number)[0])
        right += (got.colour, got.shape) == (scene.colour, scene.shape)
        placed += bool(np.hypot(*np.subtract(got.offset, shapes.POSITIONS[place])) < 5)
    return {"pictures": count, "right": round(right / count, 4), "in_place": round(placed / count, 4)}


def measure_img2img(comfy: Comfy, count: int, seed: int = 5) -> dict[str, Any]:
    """Edits of drawn pictures, as shares of pictures.

    `kept`: colour, shape and background stay with the picture's own prompt at that denoise. `recoloured`: at 0.6 with
    another colour in the prompt, new colour and old shape; `background_kept`: the background of those stays.
    `repainted`: with a mask over the object and another object in the prompt, at denoise 1, the new object is there;
    `outside_error`: mean difference (0-255) to the source outside that mask.
    """
    rng = np.random.default_rng((seed, 1))
    kept = {"0.3": 0, "0.6": 0}
    recoloured = same_ground = repainted = 0
    outside = []
    hole = np.zeros((shapes.SIDE, shapes.SIDE), np.float32)
    hole[8:56, 8:56] = 1
    others = _healthy_scenes(count, seed + 1)
    for number, scene in enumerate(_healthy_scenes(count, seed)):
        source, ground = shapes.render([scene]), scene.background
        seen = (scene.colour, scene.shape, ground)
        for denoise in kept:
            got = reader.read(comfy.img2img(phrase(*seen), source, 7000 + number, float(denoise))[0])
            kept[denoise] += (got.colour, got.shape, got.background) == seen
        choices = [c for c in shapes.COLOURS if c != scene.colour and not _planted(c, scene.shape)]
        colour = choices[int(rng.integers(len(choices)))]
        got = reader.read(comfy.img2img(phrase(colour, scene.shape, ground), source, 7500 + number, 0.6)[0])
        recoloured += (got.colour, got.shape) == (colour, scene.shape)
        same_ground += got.background == ground
        other = others[number]
        new = comfy.img2img(phrase(other.colour, other.shape, ground), source, 8000 + number, 1.0, hole)
        got = reader.read(new[0])
        repainted += (got.colour, got.shape, got.background) == (other.colour, other.shape, ground)
        difference = np.abs(new[0].astype(np.float64) - source[0])
        outside.append(float(difference[hole == 0].mean()))
    return {
        "pictures": count,
        "kept": {denoise: round(value / count, 4) for denoise, value in kept.items()},
        "recoloured": round(recoloured / count, 4),
        "background_kept": round(same_ground / count, 4),
        "repainted": round(repainted / count, 4),
        "outside_error": round(statistics.fmean(outside), 2),
    }


def _planted(colour: str, shape: str) -> bool:
    return any((d.colour, d.shape) == (colour, shape) for d in shapes.DEFECTS)


def _healthy_scenes(count: int, seed: int) -> list[shapes.Scene]:
    """Scenes on the demo's backgrounds, without the planted values."""
    scenes = shapes.sample_scenes(2 * count + 20, np.random.default_rng(seed), backgrounds=GROUNDS)
    return [s for s in scenes if not _planted(s.colour, s.shape)][:count]


def measure_speed(comfy: Comfy, count: int = 12) -> dict[str, float]:
    """Seconds an image at batch 1, text encoding and decoding included (median of the clock; mean of processor time).

    Processor time counts all cores together and, unlike the clock, little of what else the machine is doing.
    """
    times = []
    for number in range(-2, count):
        if number == 0:
            processor = time.process_time()
        begun = time.perf_counter()
        comfy.text2img(phrase("red", "circle", shapes.BACKGROUNDS[number % 4]) + " " * (number + 2), 1, number + 2)
        times.append(time.perf_counter() - begun)
    return {
        "seconds_an_image": round(statistics.median(times[2:]), 3),
        "slowest": round(max(times[2:]), 3),
        "processor_seconds_an_image": round((time.process_time() - processor) / count, 3),
    }


def grid(tiles: Sequence[Pictures], columns: int) -> Image.Image:
    rows = (len(tiles) + columns - 1) // columns
    sheet = Image.new("RGB", (columns * (shapes.SIDE + 2), rows * (shapes.SIDE + 2)), (255, 0, 255))
    for i, tile in enumerate(tiles):
        sheet.paste(Image.fromarray(tile), (i % columns * (shapes.SIDE + 2) + 1, i // columns * (shapes.SIDE + 2) + 1))
    return sheet


@contextlib.contextmanager
def _checkpoint(given: Path | None, weights: Path) -> Iterator[Path]:
    if given is not None:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield build.build_checkpoint(Path(folder) / "sdgen-demo.safetensors", weights)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Measure the demo checkpoint with ComfyUI's nodes and the pixel reader."
    )
    parser.add_argument("--comfyui", type=Path, required=True, help="folder of a ComfyUI")
    parser.add_argument("--checkpoint", type=Path, help="a built checkpoint (default: build one from --weights)")
    parser.add_argument("--weights", type=Path, default=build.WEIGHTS)
    parser.add_argument("--out", type=Path, help="folder for report.json, grid.png, grid_sizes.png")
    parser.add_argument("--each", type=int, default=8, help="pictures per colour, shape and background")
    parser.add_argument("--edits", type=int, default=48, help="pictures for places and for image to image")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--cfg", type=float, default=2.0)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--scheduler", default="sgm_uniform")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--quick", action="store_true", help="one background and size a cell instead of all")
    options = parser.parse_args(arguments)
    comfyui.use(options.comfyui, cpu=not options.gpu)
    import torch

    torch.set_num_threads(options.threads)
    settings = Settings(options.steps, options.cfg, options.sampler, options.scheduler)
    with _checkpoint(options.checkpoint, options.weights) as checkpoint, torch.inference_mode():
        comfy = Comfy(checkpoint, settings)
        plain, tiles = measure_cells(comfy, options.each, [""], options.quick)
        sized, sized_tiles = measure_cells(comfy, max(1, options.each // 4), ["small", "large"], options.quick)
        report: dict[str, Any] = {
            "settings": vars(settings),
            "without_size": plain,
            "with_size": sized,
            "planted": measure_planted(comfy, 4 * options.each),
            "with_place": measure_places(comfy, options.edits),
            "img2img": measure_img2img(comfy, options.edits),
            "speed": measure_speed(comfy),
        }
        rows = len(shapes.COLOURS)
        sheets = {
            "grid.png": grid(tiles, len(tiles) // rows),
            "grid_sizes.png": grid(sized_tiles, len(sized_tiles) // rows),
        }
        del comfy
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        for name, sheet in sheets.items():
            sheet.save(options.out / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
