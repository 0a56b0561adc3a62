"""The last tier of the cascade: a model that the user has trained on own verdicts, where it is the best."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..estimates.calibration import LEAST_LABELS
from .rules import Answer, Claim, Run, TierName

_ONE_SIDED = 1.645  # standard errors: 5 % of chance
_LEAST_GAIN = 0.005  # of the mean squared error: less is not worth another judge
_BATCH = 64  # claims between two looks at whether to stop


class Classifier(Protocol):
    """A model that a user has trained on own verdicts."""

    def held_out(self, placeholder: str) -> Mapping[str, float]:
        """Image key -> probability, of judged images that it had not learnt from when it said so; empty when it knows none."""
        ...

    def knows(self, claim: Claim) -> bool:
        """Whether it has learnt such a value, and has seen the image."""
        ...

    def probabilities(self, claims: Sequence[Claim]) -> Sequence[float | None]:
        """How probable each claim is; None where it cannot say."""
        ...


class ClassifierTier:
    """The user's classifier, for the placeholders where it is better than the other tiers on images it had not learnt from.

    It is asked about all of them: where another model is sure and wrong, nobody would ask it else.
    ``others``: (image, placeholder) -> what they say; ``truth``: what people said, 0 to 1.
    """

    name: TierName = "classifier"
    every = True

    def __init__(
        self,
        classifier: Classifier,
        others: Mapping[tuple[str, str], float],
        truth: Mapping[tuple[str, str], float],
    ) -> None:
        self._classifier, self._others, self._truth = classifier, others, truth
        self._better: dict[str, bool] = {}

    def serves(self, claim: Claim) -> bool:
        if claim.placeholder not in self._better:
            self._better[claim.placeholder] = self._beats(claim.placeholder)
        return self._better[claim.placeholder] and self._classifier.knows(claim)

    def answer(self, claims: Sequence[Claim], run: Run) -> None:
        for at in range(0, len(claims), _BATCH):
            if run.stopped():
                return
            some = claims[at : at + _BATCH]
            for claim, probability in zip(some, self._classifier.probabilities(some), strict=True):
                if probability is None or not 0 <= probability <= 1:
                    run.fail(claim, "tier-failed", f"image {claim.image}: the classifier has no answer")
                else:
                    run.answer(claim, Answer(probability, "classifier", calibrated=True))

    def _beats(self, placeholder: str) -> bool:
        own = self._classifier.held_out(placeholder)
        keys = [(image, placeholder) for image in own]
        both = [key for key in keys if key in self._truth and key in self._others]
        return beats(
            [own[image] for image, _ in both], [self._others[key] for key in both], [self._truth[key] for key in both]
        )


def beats(
    ours: Sequence[float], theirs: Sequence[float], truth: Sequence[float], groups: Sequence[int] | None = None
) -> bool:
    """Whether one set of probabilities is better than the other on the same images, and not by chance.

    By the squared error (Brier, "Verification of forecasts expressed in terms of probability", 1950), paired by image, one-sided at 5 %.
    Too few images never show it, and a gain that nobody would see is none. ``groups``: images of one, such as those of a seed, are right
    or wrong together (the variance of a mean of clusters: Cameron and Miller, "A practitioner's guide to cluster-robust inference",
    Journal of Human Resources 50 (2015)); without them each image is a group.
    """
    gains = [(b - t) ** 2 - (a - t) ** 2 for a, b, t in zip(ours, theirs, truth, strict=True)]
    if len(gains) < LEAST_LABELS:
        return False
    mean = sum(gains) / len(gains)
    sums: defaultdict[int, float] = defaultdict(float)
    for at, gain in enumerate(gains):
        sums[at if groups is None else groups[at]] += gain - mean
    if len(sums) < 2:
        return False
    error = math.sqrt(sum(part**2 for part in sums.values()) * len(sums) / (len(sums) - 1)) / len(gains)
    return mean > _ONE_SIDED * error and mean >= _LEAST_GAIN
