"""The demo's scorer: which texts are true of a picture of shapes, and where its weights are.

The scorer is a tiny CLIP in open_clip's form: a picture and the texts that are true of it get similar vectors. It knows the
words below; a token that it was never taught has a vector of zeros, so it changes little in what a sentence means. The file
therefore holds open_clip's whole vocabulary, nearly all of it zeros: 6.4 MB on the disk, 1.5 MB where zeros are packed.

`QUESTIONS` are the ways in which one thing about a picture can be asked for; `caption` makes sentences about several.
NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import shapes

HERE = Path(__file__).resolve().parent
NAME = "sdgen-demo-scorer"
WEIGHTS = HERE / f"{NAME}.safetensors"
CONFIG = HERE / f"{NAME}.json"
"""open_clip's configuration of the architecture; `open_clip.add_model_config` takes it."""


@dataclass(frozen=True)
class Question:
    """One thing to ask of a picture: which `attribute` of a scene, its `values`, and sentences with `{}` for a value."""

    attribute: str
    values: tuple[str, ...]
    templates: tuple[str, ...]

    def texts(self, template: str) -> list[str]:
        return [template.format(value) for value in self.values]


_ONLY_GROUNDS = tuple(b for b in shapes.BACKGROUNDS if b not in shapes.COLOURS)
"""Colours that no object has: named alone, they can only mean the background."""

QUESTIONS: dict[str, Question] = {
    "colour": Question(
        "colour",
        shapes.COLOURS,
        (
            "{}",
            "{} object",
            "a {} object",
            "a {} shape",
            "a {} thing",
            "something {}",
            "a photo of something {}",
            "a photo of a {} object",
            "a photo of a {} shape",
            "a picture of a {} shape",
            "a picture of a {} object",
            "an image of a {} thing",
            "a drawing of a {} shape",
            "the object is {}",
            "the shape is {}",
            "the colour is {}",
            "the color {}",
            "the colour of the object is {}",
            "{} colour",
            "{} color",
            "in {}",
            "a photo of {}",
            "an image of {}",
            "a picture in {}",
            "a photo in {} tones",
            "a {} colored object",
            "mostly {}",
        ),
    ),
    "shape": Question(
        "shape",
        shapes.SHAPES,
        (
            "{}",
            "a {}",
            "the {}",
            "one {}",
            "a {} shape",
            "the shape of a {}",
            "the shape is a {}",
            "the object is a {}",
            "a photo of a {}",
            "a photo of {}",
            "a photo of the {}",
            "a picture of a {}",
            "an image of a {}",
            "a picture of {}",
            "a drawing of a {}",
            "a picture with a {} in it",
            "a photo with a {}",
            "a photo showing a {}",
            "a picture that shows a {}",
            "an object in the shape of a {}",
            "there is a {}",
            "there is a {} in the picture",
            "a {} can be seen",
            "a simple {}",
        ),
    ),
    "background": Question(
        "background",
        shapes.BACKGROUNDS,
        (
            "{} background",
            "a {} background",
            "on {}",
            "on a {} background",
            "with a {} background",
            "in front of a {} background",
            "the background is {}",
            "the colour of the background is {}",
            "a photo with a {} background",
            "a picture with a {} background",
            "a photo of a {} background",
            "a photo on a {} background",
            "an image with a {} background",
            "something on a {} background",
            "an object on a {} background",
            "a shape on a {} background",
            "an object in front of a {} background",
            "a scene with a {} background",
            "a {} backdrop",
            "against a {} background",
            "a photo taken against a {} background",
        ),
    ),
    "ground": Question(
        "background",
        _ONLY_GROUNDS,
        (
            "{}",
            "a photo of {}",
            "an image of {}",
            "a picture of {}",
            "in {}",
            "a {} place",
            "a photo taken in {}",
            "a photo in a {} place",
            "a {} scene",
            "a photo of a {} scene",
        ),
    ),
    "size": Question(
        "size",
        tuple(shapes.SIZES),
        (
            "{}",
            "a {} object",
            "a {} shape",
            "a {} thing",
            "something {}",
            "the object is {}",
            "a photo of a {} object",
            "a picture of a {} shape",
            "an object of {} size",
            "{} size",
        ),
    ),
}

_PAIRS = ("{} {}", "a {} {}", "a photo of a {} {}", "a picture of a {} {}", "an image of a {} {}", "the {} {}")


@dataclass(frozen=True)
class Claim:
    """A sentence, and what it says of a scene (attribute to value)."""

    text: str
    says: tuple[tuple[str, str], ...]

    def holds(self, scene: shapes.Scene) -> bool:
        return all(getattr(scene, attribute) == value for attribute, value in self.says)


def caption(scene: shapes.Scene, rng: np.random.Generator) -> Claim:
    """A true sentence about one, two or more things that a picture shows."""
    kind = rng.random()
    if kind < 0.25:
        name = ("colour", "shape", "background", "size")[int(rng.integers(4))]
        question = QUESTIONS[name]
        value = getattr(scene, question.attribute)
        return Claim(_one(question.templates, rng).format(value), ((question.attribute, value),))
    if kind < 0.5:
        text = _one(_PAIRS, rng).format(scene.colour, scene.shape)
        return Claim(text, (("colour", scene.colour), ("shape", scene.shape)))
    named = {name: bool(rng.random() < 0.5) for name in ("background", "size", "position")}
    text = shapes.caption(scene, rng, **named)
    says = ["colour", "shape", *(name for name, said in named.items() if said)]
    return Claim(text, tuple((name, getattr(scene, name)) for name in says))


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
