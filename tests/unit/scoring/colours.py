"""Sessions of flat colours, and a back-end that sees nothing else: quick, and always right about what is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"Red": (220, 20, 20), "Green": (20, 200, 20), "Blue": (20, 20, 220)}


class SeesColours:
    """A fake: an image is its mean colour; a text is the colours it names, or all alike. Counts what it is asked."""

    name, width, scale = "fake that sees colours", 3, 30.0

    def __init__(self, identity: str = "c" * 16) -> None:
        self.identity = identity
        self.images = self.texts = 0

    def prepare(self, image: Image.Image) -> Any:
        return np.asarray(image.resize((4, 4)), np.float32).transpose(2, 0, 1) / 255

    def encode_images(self, batch: Any) -> Any:
        self.images += len(batch)
        means = batch.mean((2, 3))
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]) -> Any:
        self.texts += len(texts)
        rows = [[name.lower() in text.lower() for name in COLOURS] for text in texts]
        out = np.array([row if any(row) else [1, 1, 1] for row in rows], np.float32)
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def release(self) -> None:
        pass


def session(folder: Path, shown: Sequence[str], asked: Sequence[str] | None = None, **more: Any) -> Path:
    """A session whose images are of the colours ``shown``, and were to be of those ``asked``; no two sessions have the same files."""
    folder.mkdir(parents=True)
    entries = []
    for n, (colour, wanted) in enumerate(zip(shown, asked or shown, strict=True)):
        noise = np.random.default_rng([*folder.name.encode(), n]).integers(-15, 16, (16, 16, 3))
        pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"image_{n:04}.png")
        values = {"Colour": f"{wanted.lower()} coat", "Quality": "masterpiece"}
        entries.append(
            {
                "filename": f"image_{n:04}.png",
                "prompt": f"a {wanted.lower()} coat",
                "seed": n,
                "applied_variations": values,
            }
        )
    values = [f"{name.lower()} coat" for name in COLOURS]
    snapshot = {
        "version": "2.0",
        "timestamp": "2025-11-20T10:00:00",
        "generation_params": {"num_images": len(shown)},
        "resolved_template": {"prompt": "a {Colour}, {Quality}", "negative": ""},
        "variations": {
            "Colour": {"available": values, "used": values, "count": len(values)},
            "Quality": {"available": ["masterpiece"], "used": ["masterpiece"], "count": 1},
        },
        **more,
    }
    manifest = {"snapshot": snapshot, "images": entries, "status": "completed"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
