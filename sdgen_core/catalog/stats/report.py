"""Every table of the statistics by its name: the one list that the command line and the routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, nearest_names
from ..query import Query
from ..resolve import resolve
from ..snapshot import Snapshot
from ..store import Store
from .impact import PlaceholderImpact, ValueImpact, dead_values, impacts
from .pairs import FailingPair, failing_pairs
from .stability import Stability, stabilities
from .success import Success, Telling, success, success_by, success_of_all, top_failing
from .totals import SessionTotals, Totals, totals
from .view import View, view

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TOP = 10


@dataclass(frozen=True)
class Asked:
    """What is wanted of a table: the grouping (``stats.view.GROUPINGS``), the number of rows (None: ``TOP`` of what is a list of
    the worst, else all) and when a rate is known well enough."""

    by: str | None = None
    top: int | None = None
    telling: Telling = field(default_factory=Telling)


@dataclass(frozen=True)
class Table:
    """A table: its rows' type, what it says, and what makes it; ``grouped`` when it can be had by group."""

    kind: type[DataclassInstance]
    doc: str
    rows: Callable[[View, Asked], list[Any]]
    grouped: bool = False


def _by(asked: Asked) -> str:
    if asked.by is None:
        raise SDGenError("bad-query", "the table of groups needs to know what images are grouped by")
    return asked.by


TABLES: dict[str, Table] = {
    "totals": Table(Totals, "all sums", lambda of, asked: [totals(of)[0]]),
    "sessions": Table(SessionTotals, "the sums of each session, the newest first", lambda of, asked: totals(of)[1]),
    "values": Table(
        Success,
        "the success rate of each value",
        lambda of, asked: success(of, asked.by, asked.telling),
        True,
    ),
    "groups": Table(
        Success,
        "the success rate of each model, session or period",
        lambda of, asked: success_by(of, _by(asked), asked.telling),
        True,
    ),
    "failing": Table(
        Success,
        "the values that most surely fail",
        lambda of, asked: top_failing(success(of, asked.by, asked.telling), asked.top or TOP),
        True,
    ),
    "stability": Table(Stability, "whether a value works with any seed", lambda of, asked: stabilities(of)),
    "impact": Table(PlaceholderImpact, "how much placeholders change the image", lambda of, asked: impacts(of)[0]),
    "impact-values": Table(ValueImpact, "how much values change the image", lambda of, asked: impacts(of)[1]),
    "dead": Table(ValueImpact, "values without a visible effect", lambda of, asked: dead_values(impacts(of)[1])),
    "pairs": Table(
        FailingPair,
        "pairs of values that fail together",
        lambda of, asked: failing_pairs(of, asked.top or TOP),
    ),
}


def table(name: str) -> Table:
    """The table called so. Raises ``bad-query``."""
    if name not in TABLES:
        near = nearest_names(name, TABLES)
        raise SDGenError("bad-query", f"there is no table {name!r} of statistics", nearest=near)
    return TABLES[name]


def rows_of(
    name: str, store: Store, snapshot: Snapshot, query: Query, asked: Asked = Asked()
) -> tuple[list[Any], tuple[str, ...]]:
    """The rows of a table about what ``query`` finds, and what of the query is not in this library.

    Images in the trash and files that are gone count like others unless the query leaves them out: what fails is what people throw
    away. Raises ``bad-query`` for a table or grouping that there is not.
    """
    wanted = table(name)
    if asked.by is not None and not wanted.grouped:
        raise SDGenError("bad-query", f"the table of {name} has no groups")
    if name in ("values", "failing") and not query.clauses and asked.by is None:  # the counters know
        rows: list[Any] = success_of_all(store, asked.telling)
        if name == "failing":
            rows = top_failing(rows, asked.top or TOP)
        return rows[: asked.top], ()
    resolved = resolve(store, query)
    return wanted.rows(view(store, snapshot, resolved), asked)[: asked.top], resolved.remarks
