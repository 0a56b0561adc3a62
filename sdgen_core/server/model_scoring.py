"""Scoring over HTTP: which models there are, what waits to be scored, what was said of sessions, and what failed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .model import MOST_NAMED, Answer, Body, Found, ImageId, QueryText, Slug

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
    error: str
    message: str
    hint: str


class ScoringState(Answer):
    """What is being scored, and what waits."""

    running: str | None = Field(description="The session's slug.")
    scorer: str | None
    done: int = Field(description="Images of it that were seen, or could not be.")
    total: int
    per_second: float
    left: float | None = Field(description="Seconds.")
    held: bool = Field(description="Whether it waits because ComfyUI renders.")
    waiting: list[str]
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


class AgreementTable(Answer):
    """People against machines."""

    rows: list[AgreementRow]
    version: str


class AgreementAsked(Found):
    """Of what is found."""

    match: float = Field(default=0.5, ge=0, le=1, description="A machine sees a value from this probability on.")


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
    ids: Annotated[list[ImageId], Field(max_length=MOST_NAMED)] | None = Field(
        default=None, description="At most these, as somebody has seen them; null: all that are found."
    )
