"""A model of which the truth is known: texts are sums of their words' directions, images of what they show, and some noise."""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from sdgen_core.scoring.estimates.values import Values, describe, normalised, score

WIDTH, SCALE = 256, 100.0
#: Words that say nothing about an image here.
_EMPTY = frozenset(
    {"a", "an", "of", "in", "the", "with", "and", "at", "is", "this", "that", "by", "to"}
    | {"someone", "somebody", "something", "person", "photo", "picture", "portrait", "image", "object", "scene"}
)


@functools.cache
def word(text):
    """The direction of a word."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return normalised(np.random.default_rng(seed).normal(size=WIDTH))


@functools.cache
def meaning(text):
    """The direction of a text's words together, of length 1; nothing for one that says nothing."""
    return normalised(
        sum((word(each) for each in text.replace(",", "").split() if each not in _EMPTY), np.zeros(WIDTH))
    )


def encode(texts):
    """(m, WIDTH): what all texts have in common, and what each says."""
    return normalised(np.array([3 * word(".") + meaning(text) for text in texts])).astype(np.float32)


def session(seed, placeholders, images, right=0.75, fails=None, noise=1.2, shows=0.5, instead=None):
    """Embeddings of images, ``Values`` and truths by placeholder: whether an image shows what it was asked for, else another value.

    ``placeholders``: name -> texts, which are the keys as well; ``fails``: text -> how often it is right in place of ``right``;
    ``instead``: text -> the text whose value is shown where it is not right.
    """
    rng = np.random.default_rng(seed)
    embeddings = 2 * word("image") + 0.8 * word(".") + rng.normal(0, noise / WIDTH**0.5, (images, WIDTH))
    values, truths = [], {}
    for name, texts in placeholders.items():
        k = len(texts)
        asked = rng.permutation(np.arange(images) % k)
        share = np.array([(fails or {}).get(text, right) for text in texts]) if k > 1 else np.ones(1)
        truth = rng.random(images) < share[asked]
        shown = np.where(truth, asked, (asked + rng.integers(1, max(k, 2), images)) % k)
        for text, other in (instead or {}).items():
            shown[~truth & (asked == texts.index(text))] = texts.index(other)
        embeddings += shows * np.array([meaning(text) for text in texts])[shown]
        values.append(Values(name, {text: text for text in texts}, asked))
        truths[name] = truth.astype(float)
    return normalised(embeddings).astype(np.float32), values, truths


def scored(embeddings, values, calibrations=None, wording=None):
    """What is said, by placeholder."""
    said = score(embeddings, describe(values, encode, wording), SCALE, calibrations)
    return {one.name: one for one in said}
