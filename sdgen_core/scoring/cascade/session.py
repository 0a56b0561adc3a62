"""The cascade over a session: from what tier 1 says to claims, and from their answers to what is said in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..texts.kinds import named
from ..texts.wording import cleaned
from .rules import FIRST, CascadeReport, CascadeSettings, Claim, Tier, cascade
from .store import CascadeStore
from .tiers import Contrast, CropTier, VlmTier

if TYPE_CHECKING:
    from PIL import Image

    from ..backends.interface import Backend
    from ..estimates.values import Described, PlaceholderScores


#: Reasons why tier 1 says nothing of a placeholder that a closer look may answer.
_OPEN = ("unseen", "alike")


@dataclass(frozen=True, eq=False)
class LookedAgain:
    """A placeholder in n images after the cascade: ``scores`` with the last probabilities; of each image ``methods`` (how it was found
    out, or the reason why it was not) and ``calibrated``."""

    scores: PlaceholderScores
    methods: list[str]
    calibrated: list[bool]


def look_again(
    scores: Sequence[PlaceholderScores],
    described: Sequence[Described],
    images: Sequence[str],
    settings: CascadeSettings,
    backend: Backend,
    open_image: Callable[[str], Image.Image],
    store: CascadeStore,
    *,
    more: Sequence[Tier] = (),
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str, int, int], None] = lambda tier, done, of: None,
    wait: Callable[[], None] = lambda: None,
) -> tuple[list[LookedAgain], CascadeReport]:
    """Ask the tiers that the settings name about what is unsure in a session of n ``images`` (keys, in the order of ``scores``).

    ``open_image``: key -> RGB image, from any thread; ``more``: further tiers, such as the classifier's. ``wait`` is called
    before each image is looked at here, and comes back when the models may work. What a tier cannot say is in the
    report; nothing is raised for it.
    """
    claims = [claims_of(said, of, images) for said, of in zip(scores, described, strict=True)]
    tiers = list(more)
    if settings.detector is not None:
        contrasts = {said.name: contrast_of(said, of) for said, of in zip(scores, described, strict=True)}
        tiers.append(CropTier(settings.detector, backend, contrasts, open_image, store))
    if settings.vlm is not None:
        tiers.append(VlmTier(settings.vlm, open_image, store))
    asked = (claim for column in claims for claim in column if claim is not None)
    report = cascade(asked, settings, tiers, stop=stop, progress=progress, wait=wait)
    return [_settled(said, column, report) for said, column in zip(scores, claims, strict=True)], report


def claims_of(scores: PlaceholderScores, described: Described, images: Sequence[str]) -> list[Claim | None]:
    """A claim for each of the n ``images``, None where there is nothing to judge.

    Where the whole image does not tell the values, the claim is as open as can be: a half.
    """
    words = {key: named(scores.name, scores.kind, cleaned(text)) for key, text in described.values.texts.items()}
    out: list[Claim | None] = []
    for at, image in enumerate(images):
        probability = float(scores.probabilities[at])
        key = scores.keys[int(scores.asked[at])] if scores.asked[at] >= 0 else None
        if key is not None and key not in scores.reasons and scores.reason in _OPEN:
            out.append(Claim(image, scores.name, key, words[key], scores.kind, 0.5, False))
        elif key is None or math.isnan(probability):
            out.append(None)
        else:
            margin = None if scores.features is None else float(scores.features[at, 2])
            out.append(Claim(image, scores.name, key, words[key], scores.kind, probability, scores.calibrated, margin))
    return out


def contrast_of(scores: PlaceholderScores, described: Described) -> Contrast:
    """What crops are compared with: the same texts as whole images, values that are not told apart as one."""
    import numpy as np

    judged = [n for n, key in enumerate(scores.keys) if described.words.values[key].phrases]
    first = {key: group[0] for group, _ in scores.groups for key in group}
    rows: dict[str, list[int]] = {}
    for n in judged:
        rows.setdefault(first.get(scores.keys[n], scores.keys[n]), []).append(n)
    place = {key: at for at, key in enumerate(rows)}
    column = {scores.keys[n]: place[first.get(scores.keys[n], scores.keys[n])] for n in judged}
    vectors = [described.vectors[some].mean(0) for some in rows.values()]
    if scores.contrast == "neutral":
        vectors.append(described.neutral)
    stacked = np.array(vectors, np.float32).reshape(len(vectors), described.vectors.shape[1])
    return Contrast(column, stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9))


def _settled(scores: PlaceholderScores, claims: Sequence[Claim | None], report: CascadeReport) -> LookedAgain:
    probabilities = scores.probabilities.copy()
    methods = [scores.reason or scores.method] * len(claims)
    calibrated = [scores.calibrated] * len(claims)
    for at, claim in enumerate(claims):
        if claim is not None and (answer := report.answers[claim]).method != FIRST:
            probabilities[at], methods[at], calibrated[at] = answer.probability, answer.method, answer.calibrated
    told = any(method != scores.reason for method in methods)
    return LookedAgain(
        replace(scores, probabilities=probabilities, reason=None if told else scores.reason), methods, calibrated
    )
