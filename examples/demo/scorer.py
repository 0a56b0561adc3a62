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
    """One thing to ask of a picture: which `attributes` of a scene, their `values`, and sentences with `{}` for a value."""

    attributes: tuple[str, ...]
    values: tuple[str, ...]
    templates: tuple[str, ...]

    def texts(self, template: str, articles: bool = True) -> list[str]:
        """The sentence with each value; with `articles` "an orange", else "a orange", as templates of prompts say it."""
        return [with_article(template, value) if articles else template.format(value) for value in self.values]

    def value(self, scene: shapes.Scene) -> str:
        """What is true of a scene; it need not be among the values."""
        return " ".join(getattr(scene, attribute) for attribute in self.attributes)


def with_article(template: str, value: str) -> str:
    return (template.replace("a {}", "an {}") if value[0] in "aeiou" else template).format(value)


_ONLY_GROUNDS = tuple(b for b in shapes.BACKGROUNDS if b not in shapes.COLOURS)
"""Colours that no object has: named alone, they can only mean the background."""

QUESTIONS: dict[str, Question] = {
    "colour": Question(
        ("colour",),
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
            "the colour {}",
        ),
    ),
    "shape": Question(
        ("shape",),
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
        ("background",),
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
            "something in front of a {} background",
            "behind it a {} background",
        ),
    ),
    "ground": Question(
        ("background",),
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
        ("size",),
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
            "a photo, {}",
            "a picture, {}",
            "an image that shows {}",
        ),
    ),
    "thing": Question(
        ("colour", "shape"),
        tuple(f"{colour} {shape}" for colour in shapes.COLOURS for shape in shapes.SHAPES),
        (
            "{}",
            "a {}",
            "the {}",
            "one {}",
            "a photo of a {}",
            "a picture of a {}",
            "an image of a {}",
            "a drawing of a {}",
            "a photo, {}",
            "a picture, {}",
            "an image that shows {}",
            "there is a {}",
        ),
    ),
}


@dataclass(frozen=True)
class Claim:
    """A sentence, and what it says of a scene (attribute to value)."""

    text: str
    says: tuple[tuple[str, str], ...]

    def holds(self, scene: shapes.Scene) -> bool:
        return all(getattr(scene, attribute) == value for attribute, value in self.says)


def caption(scene: shapes.Scene, rng: np.random.Generator) -> Claim:
    """A true sentence about one, two or more things that a picture shows."""
    if rng.random() < 0.5:
        name = ("colour", "shape", "background", "size", "thing", "thing", "thing", "thing")[int(rng.integers(8))]
        question = QUESTIONS[name]
        says = tuple((attribute, getattr(scene, attribute)) for attribute in question.attributes)
        return Claim(with_article(_one(question.templates, rng), question.value(scene)), says)
    named = {name: bool(rng.random() < 0.5) for name in ("background", "size", "position")}
    text = shapes.caption(scene, rng, **named)
    told = ["colour", "shape", *(name for name, said in named.items() if said)]
    return Claim(text, tuple((name, getattr(scene, name)) for name in told))


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
