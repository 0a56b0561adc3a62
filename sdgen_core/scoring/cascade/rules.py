"""From the cheap answer to the dear one: only what is unsure is looked at again, more closely, by the next tier.

Tier 1 is the model that saw the whole image; its probabilities are given. What lies in the unsure band, or is nearly as like another
value, goes on to tier 2 (crops), what is still unsure to tier 3 (a vision-language model). Tier 4, the user's own classifier, is asked
about all values of the placeholders where it is better than the others.
``method`` says which tier a probability is from. A tier that fails, for one image or as a whole, leaves the result of the one before;
the report counts and names its failures. Tiers themselves are in ``tiers``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...errors import SDGenError
from ..vlm.settings import VlmSettings
from .detectors import DetectorSettings

TierName = Literal["crops", "vlm", "classifier"]
#: The method of tier 1.
FIRST = "clip"


class CascadeSettings(BaseModel):
    """``low`` to ``high`` is the unsure band, both included: 0 to 1 asks about everything. A value whose ``margin`` to the next best is
    below ``tie`` (logits) is unsure too.

    ``tiers``: which are asked, in this order. ``images`` and ``seconds``: the most images and the longest time of a tier; without an
    entry there is no limit. Crops need a ``detector``, the vision-language model ``vlm``.
    """

    model_config = ConfigDict(extra="forbid")

    low: float = Field(default=0.25, ge=0, le=1)
    high: float = Field(default=0.75, ge=0, le=1)
    tie: float = Field(default=0.5, ge=0)
    tiers: list[TierName] = ["crops", "vlm", "classifier"]
    images: dict[TierName, int] = {}
    seconds: dict[TierName, float] = {}
    detector: DetectorSettings | None = None
    vlm: VlmSettings | None = None

    @model_validator(mode="after")
    def _in_order(self) -> CascadeSettings:
        if self.low > self.high:
            raise ValueError("low is above high")
        if len(set(self.tiers)) < len(self.tiers):
            raise ValueError("a tier is named twice")
        if any(limit <= 0 for limit in (*self.images.values(), *self.seconds.values())):
            raise ValueError(
                "a limit of images or seconds is not above 0; leave a tier out of 'tiers' to switch it off"
            )
        return self


@dataclass(frozen=True)
class Claim:
    """An image was asked to show a value, and tier 1 says how probable it is that it does.

    ``image``: its key (``image.thumb`` of index.db); ``value``: the value's key; ``words``: the value for people and models, as
    ``kinds.named`` gives it, empty for an absence; ``kind``: one of ``kinds.KINDS``; ``probability``: 0 to 1, ``calibrated`` or not;
    ``margin``: the third of ``calibration.features``, None when unknown.
    """

    image: str
    placeholder: str
    value: str
    words: str
    kind: str
    probability: float
    calibrated: bool
    margin: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a tier says. ``method``: "clip", "crop:face", "vlm:<model>", "classifier"; "vlm:<model> (text)" is without token
    probabilities."""

    probability: float
    method: str
    calibrated: bool


@dataclass
class TierReport:
    """What became of a tier. ``asked`` = ``answered`` + all ``failures`` + ``not_reached``.

    ``kept``: answers that were known already; ``failures``: code -> [count, first message]; ``left_out``: unsure ones beyond the limit
    of images; ``not_reached``: stopped or out of time before them; ``gave_up``: why the tier could not go on.
    """

    name: str
    asked: int = 0
    answered: int = 0
    kept: int = 0
    left_out: int = 0
    not_reached: int = 0
    seconds: float = 0.0
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)
    gave_up: SDGenError | None = None
    remarks: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        failures = [{"error": code, "count": n, "message": text} for code, (n, text) in sorted(self.failures.items())]
        plain = {key: value for key, value in vars(self).items() if key not in ("failures", "gave_up")}
        gave_up = self.gave_up.to_dict() if self.gave_up else None
        return {**plain, "seconds": round(self.seconds, 3), "failures": failures, "gave_up": gave_up}


@dataclass
class CascadeReport:
    """``answers``: the last answer for every claim; ``tiers``: what became of each that was tried; ``cancelled``: stopped by the user."""

    answers: dict[Claim, Answer]
    tiers: list[TierReport]
    cancelled: bool = False


class Run:
    """What a tier works with: it says here what it found, and asks here whether to go on. For one thread at a time."""

    def __init__(
        self,
        claims: Sequence[Claim],
        report: TierReport,
        stop: Callable[[], bool],
        seconds: float | None,
        progress: Callable[[str, int, int], None],
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.found: dict[Claim, Answer] = {}
        self._open = set(claims)
        self._reached: set[Claim] = set()
        self._report, self._stop, self._progress, self._wait = report, stop, progress, wait
        self._end = None if seconds is None else time.monotonic() + seconds

    def wait(self) -> None:
        """Come back when the models may work. The time of that does not count."""
        begun = time.monotonic()
        self._wait()
        if self._end is not None:
            self._end += time.monotonic() - begun

    def stopped(self) -> bool:
        """Whether the user or the clock says to stop."""
        return self._stop() or (self._end is not None and time.monotonic() >= self._end)

    def answer(self, claim: Claim, answer: Answer, *, kept: bool = False) -> None:
        """The tier's answer; ``kept``: it was known already."""
        self._report.answered += 1
        self._report.kept += kept
        self.found[claim] = answer
        self._done(claim)

    def fail(self, claim: Claim, code: str, message: str) -> None:
        """No answer, and why: ``code`` is one of ``errors.CODES``."""
        count, first = self._report.failures.get(code, (0, message))
        self._report.failures[code] = (count + 1, first)
        self._done(claim)

    def reached(self, claim: Claim) -> None:
        """The costly part of a claim is done; its answer may come later."""
        if claim not in self._reached:
            self._reached.add(claim)
            self._progress(self._report.name, len(self._reached), self._report.asked)

    def remark(self, text: str) -> None:
        """Something odd that changes no result."""
        self._report.remarks.append(text)

    def close(self) -> None:
        """Whatever nobody spoke of was not reached."""
        self._report.not_reached = len(self._open)

    def _done(self, claim: Claim) -> None:
        self._open.discard(claim)
        self.reached(claim)


class Tier(Protocol):
    """A way to look again. ``name`` is what the settings call it; ``every``: it is asked about all that it serves, not only about what is
    unsure."""

    name: TierName
    every: bool

    def serves(self, claim: Claim) -> bool:
        """Whether it can say anything about such a claim."""
        ...

    def answer(self, claims: Sequence[Claim], run: Run) -> None:
        """Say in ``run`` what there is to say of each claim; look at ``run.stopped()`` between two pieces of work, after ``run.wait()``
        where a model of this machine does it.

        An ``SDGenError`` that is raised ends the tier, not the cascade.
        """
        ...


def cascade(
    claims: Iterable[Claim],
    settings: CascadeSettings,
    tiers: Iterable[Tier],
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str, int, int], None] = lambda tier, done, of: None,
    wait: Callable[[], None] = lambda: None,
) -> CascadeReport:
    """Ask the tiers, each what the ones before have left unsure.

    ``progress(tier, done, of)`` is called after each claim, ``wait`` by a tier before each image that it looks at on this machine. What
    cannot go on is in the report; nothing is raised for it.
    """
    answers = {claim: Answer(claim.probability, FIRST, claim.calibrated) for claim in claims}
    by_name = {tier.name: tier for tier in tiers}
    out = CascadeReport(answers, [])
    for name in settings.tiers:
        tier = by_name.get(name)
        if tier is None:
            continue
        if stop():
            break
        unsure = [
            claim
            for claim, answer in answers.items()
            if (tier.every or is_unsure(claim, answer, settings)) and tier.serves(claim)
        ]
        chosen = _most_unsure(unsure, answers, settings.images.get(name))
        report = TierReport(name, asked=len(chosen), left_out=len(unsure) - len(chosen))
        out.tiers.append(report)
        run = Run(chosen, report, stop, settings.seconds.get(name), progress, wait)
        if chosen:
            _ask(tier, chosen, run, report)
        answers.update(run.found)
    out.cancelled = stop()
    return out


def is_unsure(claim: Claim, answer: Answer, settings: CascadeSettings) -> bool:
    """Whether an answer leaves the question open. A tie is one of the whole image: a closer look decides it."""
    tie = answer.method == FIRST and claim.margin is not None and abs(claim.margin) < settings.tie
    return tie or settings.low <= answer.probability <= settings.high


def _ask(tier: Tier, claims: Sequence[Claim], run: Run, report: TierReport) -> None:
    begun = time.monotonic()
    try:
        tier.answer(claims, run)
    except SDGenError as error:
        report.gave_up = error
    except Exception as error:  # a model's library raises anything, and the results before it are good
        logging.getLogger(__name__).exception("tier %s failed", tier.name)
        report.gave_up = SDGenError("tier-failed", f"tier {tier.name} failed: {type(error).__name__}: {error}")
    run.close()
    report.seconds = time.monotonic() - begun


def _most_unsure(claims: list[Claim], answers: dict[Claim, Answer], limit: int | None) -> list[Claim]:
    """The claims image by image, first the image of which most is to be learnt: that with the claim nearest to a half."""
    distance: dict[str, float] = {}
    for claim in claims:
        far = abs(answers[claim].probability - 0.5)
        distance[claim.image] = min(far, distance.get(claim.image, 1.0))
    images = sorted(distance, key=lambda image: (distance[image], image))[:limit]
    place = {image: at for at, image in enumerate(images)}
    return sorted((claim for claim in claims if claim.image in place), key=lambda claim: place[claim.image])
