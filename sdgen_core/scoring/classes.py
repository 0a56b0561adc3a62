"""Classes of images and sessions, and the values that fail, from the probabilities that images show their values.

An image's score is the mean of the probabilities of its values; what could not be judged does not count, and an image of which nothing
could has no class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..catalog.fields import CLASSES, NO_CLASS
from ..catalog.stats.formulas import wilson
from .estimates.values import PlaceholderScores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_Share = Annotated[float, Field(ge=0, le=1)]
#: Digits to which means are compared with thresholds: 0.8 three times must not be more than 0.8.
_DIGITS = 9


class Thresholds(BaseModel):
    """An image is a success above ``success``, failed below ``partial``, else partial. A value matches from ``match`` on; an image is
    flagged when the share of its values that match is below ``flag_below``. A session is complete when the mean of its images is above
    ``session_complete``. All from 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    success: _Share = 0.8
    partial: _Share = 0.5
    match: _Share = 0.5
    flag_below: _Share = 0.7
    session_complete: _Share = 0.75

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if self.partial > self.success:
            raise ValueError(f"`partial` ({self.partial:g}) is above `success` ({self.success:g})")
        return self


@dataclass(frozen=True, eq=False)
class Classes:
    """n images: ``scores`` 0 to 1, NaN where nothing could be judged; ``classes``: one of ``catalog.fields.CLASSES``, or ``none``;
    ``matching``: which share of the judged values match, NaN as well; ``flagged``.

    Of the session: ``mean`` of the scores (None: there are none), ``complete``, and how many images are in each class."""

    scores: Floats
    classes: NDArray[np.str_]
    matching: Floats
    flagged: NDArray[np.bool_]
    mean: float | None
    complete: bool
    counts: dict[str, int]


def classify(placeholders: Iterable[PlaceholderScores], images: int, thresholds: Thresholds | None = None) -> Classes:
    """Classes of so many images by what is said about their placeholders."""
    import numpy as np

    limits = thresholds or Thresholds()
    total, judged, match = np.zeros(images), np.zeros(images), np.zeros(images)
    for said in placeholders:
        known = np.isfinite(said.probabilities)
        total[known] += said.probabilities[known]
        judged += known
        match[known] += said.probabilities[known] >= limits.match
    some = judged > 0
    scores, matching = np.full(images, np.nan), np.full(images, np.nan)
    scores[some] = np.round(total[some] / judged[some], _DIGITS)
    matching[some] = np.round(match[some] / judged[some], _DIGITS)
    success, partial, failed = CLASSES
    classes = np.full(images, NO_CLASS, dtype=f"<U{max(map(len, (*CLASSES, NO_CLASS)))}")
    classes[some] = partial
    classes[scores > limits.success] = success
    classes[scores < limits.partial] = failed
    mean = float(scores[some].mean()) if some.any() else None
    return Classes(
        scores,
        classes,
        matching,
        matching < limits.flag_below,
        mean,
        mean is not None and round(mean, _DIGITS) > limits.session_complete,
        {name: int((classes == name).sum()) for name in (*CLASSES, NO_CLASS)},
    )


def class_of(score: float | None, thresholds: Thresholds | None = None) -> str:
    """The class of one image by its score; ``none`` where there is none."""
    limits = thresholds or Thresholds()
    success, partial, failed = CLASSES
    if score is None:
        return NO_CLASS
    return success if score > limits.success else failed if score < limits.partial else partial


@dataclass(frozen=True)
class ValueRate:
    """How a value came out: in ``matching`` of ``images`` it is there; ``rate`` with its 95 % Wilson interval ``low`` to ``high``;
    ``mean`` of the probabilities."""

    placeholder: str
    key: str
    images: int
    matching: int
    rate: float
    low: float
    high: float
    mean: float


def value_rates(placeholders: Iterable[PlaceholderScores], thresholds: Thresholds | None = None) -> list[ValueRate]:
    """Every value that was judged in an image, in the order of the placeholders and of their values."""
    import numpy as np

    limits = thresholds or Thresholds()
    out = []
    for said in placeholders:
        known = np.isfinite(said.probabilities)
        asked, found = said.asked[known], said.probabilities[known]
        k = len(said.keys)
        images = np.bincount(asked, minlength=k).tolist()
        matching = np.bincount(asked, found >= limits.match, k).astype(np.int64).tolist()
        sums = np.bincount(asked, found, k).tolist()
        for key, n, good, total in zip(said.keys, images, matching, sums, strict=True):
            if n:
                out.append(ValueRate(said.name, key, n, good, good / n, *wilson(good, n), total / n))
    return out


def failing(rates: Sequence[ValueRate], most: int = 10) -> list[ValueRate]:
    """The values that most surely fail: of those that are missing somewhere, those with the lowest upper end of their interval."""
    some = [rate for rate in rates if rate.matching < rate.images]
    return sorted(some, key=lambda rate: (rate.high, rate.mean, -rate.images))[:most]
