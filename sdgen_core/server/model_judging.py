"""Judging, taking back, saved queries, and judgements as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .model import MOST_NAMED, Answer, Asked, Body, ImageId, QueryText, Slug

FieldName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="mark (favourite, interesting, trash), failed (yes), rating (1 to 5), note (a text), tag/NAME (yes) or"
        " value/PLACEHOLDER (ok, partial, ko, no-effect, unintended).",
    ),
]
FieldValue = Annotated[str | None, Field(max_length=20_000, description="null clears it.")]


class JudgeBody(Body):
    """What is said about which images: those with `ids`, or all that the query `q` finds."""

    ids: list[ImageId] | None = Field(default=None, min_length=1, max_length=MOST_NAMED)
    q: QueryText | None = None
    field: FieldName
    value: FieldValue

    @model_validator(mode="after")
    def _one_of_both(self) -> JudgeBody:
        if (self.ids is None) == (self.q is None):
            raise ValueError("either ids or q says which images are meant")
        return self


class JudgeSessionsBody(Body):
    """What is said about which sessions."""

    sessions: list[Slug] = Field(min_length=1, max_length=10_000)
    field: Annotated[
        str,
        Field(
            min_length=1,
            max_length=300,
            description="favourite (yes), rating (like, dislike), test (yes), complete (yes, no), note, name (texts) or tag/NAME (yes).",
        ),
    ]
    value: FieldValue


class Steps(Answer):
    """What can be taken back and done again, by its name."""

    undo: str | None
    redo: str | None


class Judged(Steps):
    """A step that was done."""

    label: str = Field(description="What the step is called.")
    changed: int = Field(description="How many images are different now.")


class Turned(Steps):
    """What undoing or redoing did."""

    label: str | None = Field(description="The step; null when there was none.")
    changed: int


class HistoryAsked(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = 50


class HistoryStep(Answer):
    """A step of the past."""

    label: str
    state: Literal["done", "undone"] = Field(description="undone: it can be done again.")
    at: float = Field(description="Unix time in seconds.")


class History(Answer):
    """The last steps that can be taken back or done again, the newest first."""

    steps: list[HistoryStep]


class SavedQuery(Answer):
    """A query kept under a name."""

    name: str
    q: str


class SavedQueries(Answer):
    """The saved queries by name."""

    queries: list[SavedQuery]


class SaveQueryBody(Body):
    """Keep a query under a name, or forget it."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    q: Annotated[str | None, Field(max_length=4_000, description="null forgets it.")]


#: The largest file of judgements that is taken, in bytes: of some 150,000 judgements.
JUDGEMENTS_LIMIT = 32 << 20


class ImportJudgementsBody(Body):
    """A file of judgements, as `/sdgen/judgements` gives it."""

    text: Annotated[str, Field(min_length=1, max_length=JUDGEMENTS_LIMIT, description="Its lines.")]


class JudgementsImported(Steps):
    """What was taken over. Of two judgements about the same the newer one counts."""

    lines: int
    newer: int = Field(description="How many said something newer than what was known.")
    changed: int = Field(description="How many images are different now.")
    problems: list[str] = Field(description="Lines that could not be used, and why; the first hundred.")
