"""The demo's scorer, as stock open_clip and SDGen load it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sdgen_core.scoring import models

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

DEMO = models.DEMO_WEIGHTS.parent


def test_the_demo_scorer_loads_through_stock_open_clip() -> None:
    open_clip.add_model_config(DEMO / "sdgen-demo-scorer.json")
    model = open_clip.create_model("sdgen-demo-scorer", pretrained=str(models.DEMO_WEIGHTS), require_pretrained=True)
    assert models.DEMO_WEIGHTS.stat().st_size <= 8_000_000
    table = model.token_embedding.weight
    assert 50 < int((table != 0).any(1).sum()) < 200
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def test_the_demo_scorer_sees_colour_and_shape() -> None:
    backend = models.load("demo", [], device="cpu")
    images = {}
    for name, colour in {"red": (220, 30, 30), "blue": (40, 70, 220)}.items():
        square = Image.new("RGB", (128, 128), "white")
        square.paste(colour, (36, 36, 92, 92))
        images[name] = square
    seen = backend.encode_images(np.stack([backend.prepare(image) for image in images.values()]))
    for template in ("a photo of a {} object", "{}", "a wonderful {} thing of beauty"):
        said = backend.encode_texts([template.format(name) for name in images])
        assert (seen @ said.T).argmax(1).tolist() == [0, 1], template
    shapes = ["circle", "square", "triangle", "star", "cross", "ring"]
    assert (seen @ backend.encode_texts([f"a photo of a {s}" for s in shapes]).T).argmax(1).tolist() == [1, 1]
