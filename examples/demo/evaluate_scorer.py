"""Measures the demo's scorer, loaded by stock open_clip, against the truth and against the pixel reader.

    python -m examples.demo.evaluate_scorer [--comfyui DIR [--each N]] [--weights FILE] [--out FILE]

Prints JSON. `held_out`: drawn pictures of every colour, shape, background and size, with colours jittered from a seed that
training never used; each question asked as scoring asks it, by the mean of several phrasings, against the question's other
values (`thing`: colour and shape together, one of 48). With --comfyui also `generated`: the demo model makes pictures of
every colour, shape and background, and for each value asked for, the scorer's verdict (probability of at least a half) is
compared with the pixel reader's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import build, comfyui, evaluate, reader, scorer, shapes

Floats = npt.NDArray[np.float32]

PHRASINGS: dict[str, tuple[str, ...]] = {
    "colour": ("a {} object", "something {}", "the colour {}", "{}"),
    "shape": ("a photo of a {}", "a picture of a {}", "a {}", "{}"),
    "background": (
        "a picture with a {} background",
        "something in front of a {} background",
        "behind it a {} background",
        "{} background",
    ),
    "size": ("a {} object", "a photo, {}", "an image that shows {}", "{}"),
    "thing": ("a photo of a {}", "a picture of a {}", "a {}", "{}"),
}
"""As scoring asks."""


class Scorer:
    """The scorer as anyone would load it: open_clip's own functions and nothing else."""

    def __init__(self, weights: Path) -> None:
        import open_clip
        import torch

        self._torch = torch
        open_clip.add_model_config(scorer.CONFIG)
        began = time.perf_counter()
        self.model, _, self._prepare = open_clip.create_model_and_transforms(
            scorer.NAME, pretrained=str(weights), require_pretrained=True
        )
        self._tokenize = open_clip.get_tokenizer(scorer.NAME)
        self.seconds_to_load = time.perf_counter() - began
        self.model.eval()
        self.scale = float(self.model.logit_scale.detach().exp())

    def images(self, pictures: npt.NDArray[np.uint8]) -> Floats:
        """Unit vectors [N, width] of pictures [N, 64, 64, 3]."""
        from PIL import Image

        rows = []
        with self._torch.inference_mode():
            for start in range(0, len(pictures), 64):
                batch = [self._prepare(Image.fromarray(picture)) for picture in pictures[start : start + 64]]
                rows.append(self.model.encode_image(self._torch.stack(batch), normalize=True).numpy())
        return np.concatenate(rows)

    def texts(self, texts: Sequence[str]) -> Floats:
        with self._torch.inference_mode():
            out: Floats = self.model.encode_text(self._tokenize(list(texts)), normalize=True).numpy()
        return out

    def probabilities(self, seen: Floats, values: Sequence[str], phrasings: Sequence[str]) -> Floats:
        """[N, values]: softmax over the values, each the mean of its phrasings."""
        texts = [[scorer.with_article(phrasing, value) for value in values] for phrasing in phrasings]
        said = np.mean([self.texts(some) for some in texts], axis=0)
        said /= np.linalg.norm(said, axis=1, keepdims=True)
        logits = self.scale * seen @ said.T
        odds = np.exp(logits - logits.max(1, keepdims=True))
        out: Floats = odds / odds.sum(1, keepdims=True)
        return out


def measure_held_out(judge: Scorer, seed: int = 99) -> dict[str, Any]:
    """Share of pictures whose likeliest value is the true one: by question, with every phrasing alone the worst."""
    scenes = [
        shapes.Scene(colour, shape, size, ground)
        for colour in shapes.COLOURS
        for shape in shapes.SHAPES
        for ground in shapes.BACKGROUNDS
        for size in shapes.SIZES
        if ground != colour
    ]
    seen = judge.images(shapes.render(scenes, np.random.default_rng(seed), jitter=0.04))
    out: dict[str, Any] = {"pictures": len(scenes)}
    every = np.ones(len(scenes), bool)
    for name, phrasings in PHRASINGS.items():
        question = scorer.QUESTIONS[name]
        values = question.values
        truth = np.array([values.index(question.value(scene)) for scene in scenes])
        hits = judge.probabilities(seen, values, phrasings).argmax(1) == truth
        alone = {p: float((judge.probabilities(seen, values, [p]).argmax(1) == truth).mean()) for p in phrasings}
        worst = min(alone, key=lambda p: alone[p])
        out[name] = {"right": round(float(hits.mean()), 4), "worst_phrasing": [worst, round(alone[worst], 4)]}
        if name in ("colour", "shape"):
            every &= hits
    out["colour_and_shape"] = round(float(every.mean()), 4)
    return out


def measure_generated(judge: Scorer, each: int) -> dict[str, Any]:
    """Agreement of verdicts with the pixel reader's on pictures that the demo model makes in ComfyUI's nodes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        checkpoint = build.build_checkpoint(Path(temporary) / "sdgen-demo.safetensors")
        comfy = evaluate.Comfy(checkpoint, evaluate.Settings())
        pictures, asked = [], []
        for number, (colour, shape, ground) in enumerate(
            (c, s, g) for c in shapes.COLOURS for s in shapes.SHAPES for g in evaluate.GROUNDS
        ):
            made = comfy.text2img(evaluate.phrase(colour, shape, ground), each, 5000 + number)
            pictures += list(made)
            asked += [{"colour": colour, "shape": shape, "background": ground}] * each
        del comfy
    return agreement(judge, np.array(pictures), asked)


def agreement(judge: Scorer, pictures: npt.NDArray[np.uint8], asked: Sequence[dict[str, str]]) -> dict[str, Any]:
    """How often scorer and reader say the same of a value that was asked for, and of what the reader sees."""
    readings = [reader.read(picture) for picture in pictures]
    seen = judge.images(pictures)
    out: dict[str, Any] = {"pictures": len(pictures)}
    same = total = 0
    domains = {"colour": shapes.COLOURS, "shape": shapes.SHAPES, "background": evaluate.GROUNDS}
    for name, values in domains.items():
        chances = judge.probabilities(seen, values, PHRASINGS[name])
        wanted = np.array([values.index(some[name]) for some in asked])
        yes = chances[np.arange(len(asked)), wanted] >= 0.5
        truth = np.array([getattr(got, name) == some[name] for got, some in zip(readings, asked, strict=True)])
        alike = [
            values[best] == getattr(got, name)
            for best, got in zip(chances.argmax(1), readings, strict=True)
            if getattr(got, name) in values
        ]
        same, total = same + int((yes == truth).sum()), total + len(asked)
        out[name] = {
            "verdicts_agree": round(float((yes == truth).mean()), 4),
            "same_value": round(float(np.mean(alike)), 4),
            "reader_says_no": int((~truth).sum()),
            "of_them_scorer_too": int((~truth & ~yes).sum()),
        }
    out["verdicts_agree"] = round(same / total, 4)
    return out


def measure_speed(judge: Scorer, seconds: float = 2.0) -> dict[str, float]:
    """Images a second, preparation and model, in batches of 64."""
    pictures = shapes.render(shapes.sample_scenes(256, np.random.default_rng(3)))
    judge.images(pictures[:64])
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        judge.images(pictures)
        count += len(pictures)
    return {
        "images_a_second": round(count / (time.perf_counter() - began)),
        "seconds_to_load": round(judge.seconds_to_load, 2),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure the demo's scorer.")
    parser.add_argument("--comfyui", type=Path, help="folder of a ComfyUI, to judge generated pictures too")
    parser.add_argument("--weights", type=Path, default=scorer.WEIGHTS)
    parser.add_argument("--out", type=Path, help="file for the report")
    parser.add_argument("--each", type=int, default=4, help="generated pictures per colour, shape and background")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args(arguments)
    if options.comfyui:
        comfyui.use(options.comfyui, cpu=True)
    import torch

    torch.set_num_threads(options.threads)
    judge = Scorer(options.weights)
    report: dict[str, Any] = {"held_out": measure_held_out(judge), "speed": measure_speed(judge)}
    if options.comfyui:
        with torch.inference_mode():
            report["generated"] = measure_generated(judge, options.each)
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
