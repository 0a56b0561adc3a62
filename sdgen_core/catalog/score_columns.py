"""What a machine says about images, as columns: the form in which it is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .fields import CLASSES, NO_CLASS
from .schema import CLASS_NUMBER

#: Numbers are kept with so many digits behind the point: they are no better known, and read as they were written.
DIGITS = 6


class Scorer(NamedTuple):
    """Who says so: ``identity`` tells models with their weights apart, ``name`` is for people."""

    identity: str
    name: str


@dataclass(frozen=True)
class ValueScores:
    """What is said about one placeholder's values in n images, as columns of n. Arrays of numpy will do.

    ``values``: keys of the values, None where an image has none; ``probabilities``: 0 to 1, NaN where it cannot be said;
    ``methods``: how each was found out ("clip", "crop:face", "vlm", "classifier"), or why it was not; one text for all will do, as
    one truth for ``calibrated``.
    """

    values: Sequence[str | None]
    probabilities: Sequence[float]
    methods: str | Sequence[str] = "clip"
    calibrated: bool | Sequence[bool] = False


@dataclass(frozen=True)
class ImageScores:
    """What is said about n images, as columns of n. Arrays of numpy will do.

    ``keys``: ``image.thumb`` of the index; ``classes``: one of ``fields.CLASSES``, or ``none``; ``scores``: 0 to 1, NaN for those of no
    class; ``prompt_scores`` and ``aesthetic``: NaN where not measured; ``values``: by placeholder.
    """

    keys: Sequence[str]
    classes: Sequence[str]
    scores: Sequence[float]
    flagged: Sequence[bool]
    prompt_scores: Sequence[float] | None = None
    aesthetic: Sequence[float] | None = None
    values: Mapping[str, ValueScores] = field(default_factory=dict)


def numbers(column: Sequence[float]) -> list[float | None]:
    """Rounded; what is no finite number as None."""
    import numpy as np

    listed = np.round(np.asarray(column, "f8"), DIGITS)
    known: list[float | None] = listed.tolist()
    for n in np.flatnonzero(~np.isfinite(listed)).tolist():
        known[n] = None
    return known


def probabilities(column: Sequence[float]) -> list[float | None]:
    """``numbers`` from 0 to 1. Raises ``ValueError`` for another one."""
    known = numbers(column)
    wrong = next((p for p in known if p is not None and not 0 <= p <= 1), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is no probability")
    return known


def image_rows(said: ImageScores) -> list[tuple[int, float | None, bool, float | None, float | None]]:
    """Class, score, flagged, score of the prompt, aesthetic. Raises ``ValueError`` for what does not fit, of values too."""
    n = len(said.keys)
    scores = probabilities(said.scores)
    prompts, aesthetic = (
        [None] * n if column is None else numbers(column) for column in (said.prompt_scores, said.aesthetic)
    )
    columns: list[Sequence[Any]] = [scores, prompts, aesthetic, said.classes, said.flagged]
    for one in said.values.values():
        columns += [one.values, one.probabilities]
        columns += [c for c in (one.methods, one.calibrated) if not isinstance(c, (str, bool))]
    if any(len(column) != n for column in columns):
        raise ValueError(f"columns of different lengths for {n} images")
    for name, score in zip(said.classes, scores, strict=True):
        if name not in (*CLASSES, NO_CLASS) or (score is None) != (name == NO_CLASS):
            raise ValueError(f"the class {name!r} with the score {score}")
    classes = [CLASS_NUMBER.get(name, 0) for name in said.classes]
    return list(zip(classes, scores, map(bool, said.flagged), prompts, aesthetic, strict=True))
