"""Scoring over HTTP: which models there are, what waits to be scored, what was said of sessions, and what failed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .model import MOST_NAMED, Answer, Body, Found, ImageId, Moment, QueryText, Slug, Version

Staged = Literal["failed", "partial", "flagged"]
_STAGED = "Images of class failed, of class failed or partial, or flagged ones."
_SPARE = "Leave out images that people marked or rated, or said ok to a value of."

ScorerName = Annotated[str, Field(min_length=1, max_length=300, description="One of `/sdgen/scorers`.")]


class ScorerEntry(Answer):
    """A model that can score."""

    name: str
    problem: str = Field(description="Why it will not do; empty when nothing speaks against it.")


class Scorers(Answer):
    """The models that are in the folders of scorers, the demo's first."""

    scorers: list[ScorerEntry]


class ScoreBody(Body):
    """What to score."""

    sessions: Annotated[list[Slug], Field(min_length=1, max_length=5_000)]
    scorer: ScorerName


class ScoreCancelBody(Body):
    """What to leave out."""

    session: Slug | None = Field(default=None, description="Null: all.")


class ScoreFailed(Answer):
    """A session that could not be scored."""

    session: str
    name: str = Field(description="What people call it; its slug where it is gone.")
    error: str
    message: str
    hint: str


class ScoringState(Answer):
    """What is being scored, and what waits."""

    running: str | None = Field(description="The session's slug.")
    name: str | None = Field(description="What people call that session.")
    scorer: str | None
    done: int = Field(description="Images of it that were seen, or could not be.")
    total: int
    per_second: float
    left: float | None = Field(description="Seconds.")
    held: bool = Field(description="Whether it waits because ComfyUI renders.")
    waits: int = Field(description="How many sessions wait.")
    waiting: list[str] = Field(description="Their slugs; empty in the events of kind `scoring`.")
    failed: list[ScoreFailed]


class ScoreReport(Answer):
    """What was last said of a session."""

    session: str
    name: str
    scorer: str
    identity: str
    at: int = Field(description="Unix milliseconds.")
    seconds: float
    images: int
    missing: int = Field(description="Further ones whose files are gone, though nobody threw them away.")
    known: int
    embedded: int
    failures: list[dict[str, Any]]
    classes: dict[str, int]
    mean: float | None
    complete: bool
    flagged: int
    prompt_score: float | None
    placeholders: list[dict[str, Any]]
    rates: list[dict[str, Any]]
    failing: list[dict[str, Any]]
    agreement: list[dict[str, Any]]
    cascade: list[dict[str, Any]] = Field(description="What became of the further tiers.")
    thresholds: dict[str, float]
    prompts: dict[str, Any] = Field(
        description="Of `distinct` prompts `read` were, now or before; the others would take `seconds`, null: unknown."
    )
    aesthetic: dict[str, Any] | None = Field(description="`head`, `mean`, `lowest`, `highest`; null without a head.")


class AgainstSession(Answer):
    """One of two sessions that are held against each other."""

    session: str
    name: str
    images: int = Field(description="Scored ones of which the seed is known.")


class ScoresAgainst(Answer):
    """A session held against another, pair by pair: images of the same seed and values."""

    first: AgainstSession = Field(description="The other one: what came before.")
    second: AgainstSession
    scorer: str
    paired_by: list[str] = Field(description="Placeholders whose values are the same in a pair, beside the seed.")
    differs: list[str] = Field(description="Placeholders of both that have no value in common.")
    overall: dict[str, Any] = Field(
        description="`pairs`, rates with intervals, `only_first`, `only_second`, McNemar's `p`, `difference` from `low` to `high`,"
        " `needs` more pairs; `change`: better, worse, null while undecided."
    )
    values: list[dict[str, Any]] = Field(description="The same of each value, with `p_adjusted` after Holm.")
    remarks: list[str]


class Basis(Answer):
    """What a model's probabilities of a placeholder's values rest on: people's verdicts, as soon as there are enough of them."""

    calibrated: bool = Field(description="Whether the model that scored last has a calibration from verdicts.")
    labels: int = Field(description="Verdicts (ok, partial, ko) about images that were scored.")
    more: int = Field(
        description="How many more verdicts it takes before a calibration is made; 0: scoring again makes one."
    )
    more_ok: int = Field(description="How many of them have to be ok, at least.")
    more_ko: int = Field(description="How many of them have to be ko, at least.")
    error: float | None = Field(description="Expected calibration error on verdicts that were held out, 0 to 1.")
    auc: float | None = Field(description="Area under the ROC curve on verdicts that were held out.")


class MachineValue(Answer):
    """What a model says of the value that an image was asked for."""

    probability: float | None = Field(description="That the image shows it; null where that cannot be said.")
    seen: bool | None = Field(description="Whether that is enough to say that it is there.")
    calibrated: bool
    method: str = Field(description="clip, crop:…, vlm, classifier.")
    reason: str | None = Field(description="Why nothing can be said.")
    instead: str | None = Field(description="Text of the value that the image looks more like.")
    alike: list[str] = Field(description="Texts of values that the model does not tell from it.")
    basis: Basis


class ImageMachine(Answer):
    """What a model said of an image."""

    scorer: str
    at: Moment
    image_class: Literal["success", "partial", "failed", "none"]
    score: float | None = Field(description="Mean of the values' probabilities.")
    flagged: bool = Field(description="Too few of its values are there.")
    prompt_score: float | None = Field(description="How well the whole prompt fits: no probability.")
    aesthetic: float | None
    staged: bool = Field(description="It is in the trash because a model said that it failed.")
    values: dict[str, MachineValue] = Field(description="By placeholder.")


class ImageScored(Answer):
    """What was last said of an image by a model."""

    machine: ImageMachine | None = Field(description="null: nothing.")
    version: Version


class ValueRateRow(Answer):
    """How a value comes out for a model, and for people; see also `/sdgen/statistics/values`."""

    placeholder: str
    key: str
    text: str
    images: int = Field(description="Images with a probability.")
    matching: int = Field(description="Images in which the model sees it.")
    rate: float
    low: float = Field(description="The rate's 95 % interval.")
    high: float
    mean: float = Field(description="Of the probabilities.")
    judged: int = Field(description="Verdicts (ok, partial, ko) of people.")
    people: float | None = Field(description="People's success rate; null: nobody judged it.")
    people_low: float
    people_high: float


class ValueRates(Answer):
    """The values that a model judged, in what a query finds."""

    rows: list[ValueRateRow]
    match: float = Field(description="A model sees a value from this probability on.")
    complete_above: float = Field(description="A session is complete when its images' mean score is above this.")
    bases: dict[str, Basis] = Field(description="By placeholder.")
    version: Version


class AgreementRow(Answer):
    """How often people and a machine say the same about a placeholder's values; null: about all."""

    placeholder: str | None
    ok_seen: int
    ok_unseen: int
    ko_seen: int
    ko_unseen: int
    labels: int
    agree: float | None
    kappa: float | None = Field(description="Cohen's; null where chance leaves nothing open.")
    basis: Basis | None = Field(default=None, description="Of a placeholder.")


class AgreementTable(Answer):
    """People against machines."""

    rows: list[AgreementRow]
    match: float
    version: str


class AgreementAsked(Found):
    """Of what is found."""

    match: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A machine sees a value from this probability on; null: as the settings say.",
    )


class FailedAsked(Found):
    """Which images, and what of them."""

    which: Annotated[Staged, Field(description=_STAGED)] = "failed"
    spare: Annotated[bool, Field(description=_SPARE)] = True


class StagedValueRow(Answer):
    """How many of the images that would be staged have a value."""

    placeholder: str
    key: str
    text: str
    images: int


class FailedPreview(Answer):
    """What staging would mark as trash."""

    ids: list[ImageId]
    bytes: int
    spared: int = Field(
        description="Failed ones that stay, because people marked or rated them, or said ok to a value."
    )
    values: list[StagedValueRow]
    remarks: list[str]


class StageBody(Body):
    """Which failed images to mark as trash."""

    q: QueryText = ""
    which: Staged = Field(default="failed", description=_STAGED)
    spare: bool = Field(default=True, description=_SPARE)
    ids: Annotated[list[ImageId], Field(max_length=MOST_NAMED)] | None = Field(
        default=None, description="At most these, as somebody has seen them; null: all that are found."
    )
