"""The data of the demo model: the same from the same seed, captions that tell the truth, defects as planted."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import numpy as np
import pytest


def test_a_data_set_is_a_function_of_its_seed(shapes: ModuleType) -> None:
    options = {"sizes": {"medium": 1.0, "small": 1.0}, "positions": {"center": 1.0, "left": 1.0}}
    first, second = shapes.dataset(300, 5, **options), shapes.dataset(300, 5, **options)
    assert first == second
    assert first != shapes.dataset(300, 6, **options)
    pictures = [shapes.render([e.drawn for e in first], np.random.default_rng(1)) for _ in range(2)]
    assert np.array_equal(*pictures)


def test_without_defects_the_picture_is_what_the_caption_says(shapes: ModuleType) -> None:
    examples = shapes.dataset(500, 3, defects=(), sizes={"medium": 2.0, "large": 1.0})
    for example in examples:
        assert example.claimed == example.drawn
        words = example.caption.replace(",", " ").split()
        assert example.drawn.colour in words and example.drawn.shape in words
        assert ("large" in words) == (example.drawn.size == "large")
        assert example.drawn.colour != example.drawn.background
        assert set(words) & set(shapes.PALETTE) <= {example.drawn.colour, example.drawn.background}


def test_planted_defects_have_their_shares(shapes: ModuleType) -> None:
    examples = shapes.dataset(20000, 11)
    wrong: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for example in examples:
        name = f"{example.claimed.colour} {example.claimed.shape}"
        total[name] += 1
        wrong[name] += example.claimed != example.drawn
    assert {name for name, count in wrong.items() if count} == {"purple star", "green triangle"}
    assert wrong["purple star"] / total["purple star"] == pytest.approx(0.8, abs=0.04)
    # those on a yellow background cannot be drawn yellow
    assert wrong["green triangle"] / total["green triangle"] == pytest.approx(0.4 * 6 / 7, abs=0.05)
    for example in examples:
        if example.claimed != example.drawn and example.claimed.shape == "star":
            assert example.drawn.colour == "purple" and example.drawn.shape in ("circle", "square", "cross")


def test_captions_say_a_size_only_when_it_is_not_the_usual_one(shapes: ModuleType) -> None:
    rng = np.random.default_rng(0)
    usual, big = shapes.Scene("red", "ring"), shapes.Scene("red", "ring", "large")
    assert not any("medium" in shapes.caption(usual, rng) for _ in range(50))
    assert all("large" in shapes.caption(big, rng) for _ in range(50))
    assert not any("large" in shapes.caption(big, rng, size=False) for _ in range(50))
    assert all("background" not in shapes.caption(usual, rng, background=False) for _ in range(50))
    left = shapes.Scene("orange", "star", position="left")
    assert all("on the left" in shapes.caption(left, rng) for _ in range(20))


@pytest.mark.parametrize("position", ["center", "left", "right", "top", "bottom"])
def test_objects_lie_where_the_scene_says(shapes: ModuleType, position: str) -> None:
    for shape in shapes.SHAPES:
        (picture,) = shapes.render([shapes.Scene("red", shape, "small", "white", position)])
        ys, xs = np.nonzero(picture[..., 1] < 140)
        x, y = shapes.POSITIONS[position]
        # a star's and a triangle's middle pixels are not quite their centre
        assert xs.mean() - 31.5 == pytest.approx(x, abs=0.6)
        assert ys.mean() - 31.5 == pytest.approx(y, abs=1.6)


def test_every_shape_grows_with_its_size(shapes: ModuleType) -> None:
    for shape in shapes.SHAPES:
        areas = [
            int((shapes.render([shapes.Scene("blue", shape, size, "white")])[0][..., 0] < 140).sum())
            for size in ("small", "medium", "large")
        ]
        assert areas[0] * 1.5 < areas[1] < areas[2] / 1.3
