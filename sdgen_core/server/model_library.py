"""The library as a whole: totals, import, statistics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from .model import Answer, Asked, Body, QueryText, Remarks, Version
from .model_judging import SavedQuery, Steps


class LibraryRoot(Answer):
    """A folder that holds sessions."""

    number: int
    name: str = Field(description="The last part of its path.")
    sessions: int
    images: int


class CatalogTotals(Answer):
    """Sums over all sessions."""

    sessions: int
    missing_sessions: int = Field(description="Sessions whose folder is gone.")
    images: int = Field(description="Images whose file is there.")
    missing_images: int
    bytes: int
    favourites: int
    interesting: int
    trash: int
    judged: int = Field(description="Images with a verdict about any of their values.")
    values: int = Field(description="Values of placeholders.")
    sessions_with_problems: int


class ImportError_(Answer):
    """A folder that could not be read."""

    code: str
    message: str
    folder: str = Field(description="Its name.")


class ImportProgress(Answer):
    """The import that runs, or that ended last."""

    running: bool
    total: int = Field(description="Sessions that have to be read.")
    sessions: int = Field(description="How many of them were.")
    unchanged: int = Field(description="Sessions that need not be read.")
    images: int
    written: int
    seconds: float
    images_per_second: float
    folder: str = Field(description="Name of the folder that is being read.")
    missing: int = Field(description="Sessions whose folder is gone.")
    cancelled: bool
    errors: list[ImportError_]


class CatalogState(Answer):
    """What there is, in numbers."""

    version: Version
    totals: CatalogTotals
    roots: list[LibraryRoot]
    queries: list[SavedQuery]
    importing: ImportProgress
    steps: Steps
    remarks: list[str] = Field(description="What was repaired when the catalog was opened, in words.")


class ImportBody(Body):
    """How thoroughly to look."""

    every: bool = Field(
        default=False, description="Look at every image's size and time, also in folders that look unchanged."
    )


# ---- statistics ------------------------------------------------------------------------------------------------------------


class StatisticsAsked(Asked):
    """Which images, in which groups, how many rows."""

    q: QueryText = ""
    by: Literal["model", "session", "day", "week", "month"] | None = Field(
        default=None, description="Groups, for the tables values, groups and failing."
    )
    limit: Annotated[int | None, Field(ge=1, le=100_000)] = None
    form: Literal["json", "csv"] = "json"


class Sums(Answer):
    """Sums over images; see `/sdgen/statistics/totals`."""

    images: int = Field(description="Images whose file is there.")
    gone: int = Field(description="Images whose file is not.")
    bytes: int
    favourites: int
    interesting: int
    trash: int
    failed: int
    judged: int
    rated: int = Field(description="Images with a rating.")
    rating: float | None = Field(description="The mean of the ratings.")
    verdicts: dict[str, int] = Field(description="How many values of images have each verdict.")


class TotalsRow(Sums):
    """Everything together."""

    sessions: int
    statuses: dict[str, int]
    models: dict[str, int]


class SessionRow(Sums):
    """One session."""

    slug: str
    name: str
    status: str
    theme: str | None
    model: str | None
    started: int
    planned: int | None
    found_planned: int


class SuccessRow(Answer):
    """How a value came out: `rate` counts ok as 1, partial as a half; `low` to `high` is its 95 % Wilson interval; `needs` is how
    many more judged images would tell."""

    group: str | None
    placeholder: str | None
    key: str | None
    text: str | None
    images: int
    judged: int
    ok: int
    partial: int
    ko: int
    no_effect: int
    unintended: int
    rate: float | None
    low: float
    high: float
    needs: int


class StabilityRow(Answer):
    """Whether a value works with any seed."""

    placeholder: str
    key: str
    text: str
    seeds: int
    judged: int
    share: float
    low: float
    high: float
    works: str


class ImpactRow(Answer):
    """How much it changes an image which value of the placeholder it has, 0 to 1."""

    placeholder: str
    values: int
    pairs: int
    distance: float
    dead: int


class ValueImpactRow(Answer):
    """How much one value changes an image, 0 to 1; `dead`: nothing that can be seen."""

    placeholder: str
    key: str
    text: str
    images: int
    pairs: int
    distance: float
    dead: bool


class PairRow(Answer):
    """Two values that fail together; see the statistics' documentation for `lift`."""

    first_placeholder: str
    first_key: str
    first_text: str
    second_placeholder: str
    second_key: str
    second_text: str
    images: int
    both_ko: int
    first_ko: int
    second_ko: int
    first_elsewhere: int
    second_elsewhere: int
    first_alone: float
    second_alone: float
    lift: float | None
    lift_low: float


class _Table(Answer):
    remarks: Remarks
    version: Version


class TotalsTable(_Table):
    """All sums."""

    table: Literal["totals"]
    rows: list[TotalsRow]


class SessionsTable(_Table):
    """The sums of each session."""

    table: Literal["sessions"]
    rows: list[SessionRow]


class SuccessTable(_Table):
    """Success rates of values, of groups, and of what most surely fails."""

    table: Literal["values", "groups", "failing"]
    rows: list[SuccessRow]


class StabilityTable(_Table):
    """Values over seeds."""

    table: Literal["stability"]
    rows: list[StabilityRow]


class ImpactTable(_Table):
    """Placeholders by how much they change images."""

    table: Literal["impact"]
    rows: list[ImpactRow]


class ValueImpactTable(_Table):
    """Values by how much they change images, and those without a visible effect."""

    table: Literal["impact-values", "dead"]
    rows: list[ValueImpactRow]


class PairsTable(_Table):
    """Values that fail together."""

    table: Literal["pairs"]
    rows: list[PairRow]


class Statistics(RootModel[Any]):
    """A table of the statistics."""

    model_config = ConfigDict(defer_build=True)

    root: Annotated[
        TotalsTable | SessionsTable | SuccessTable | StabilityTable | ImpactTable | ValueImpactTable | PairsTable,
        Field(discriminator="table"),
    ]


#: Name of a table -> its model.
TABLES: dict[str, Any] = {
    "totals": TotalsTable,
    "sessions": SessionsTable,
    **dict.fromkeys(("values", "groups", "failing"), SuccessTable),
    "stability": StabilityTable,
    "impact": ImpactTable,
    **dict.fromkeys(("impact-values", "dead"), ValueImpactTable),
    "pairs": PairsTable,
}
