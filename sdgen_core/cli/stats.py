"""`sdgen catalog stats`: what was judged, in tables."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from .output import print_json, reporting, visible

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", help="Folder of the catalog's two databases; see `sdgen catalog status`.")
]


class TableName(str, Enum):
    """``stats.report.TABLES`` for the command line, which is read before anything of the catalog is imported."""

    totals = "totals"
    sessions = "sessions"
    values = "values"
    groups = "groups"
    failing = "failing"
    stability = "stability"
    impact = "impact"
    impact_values = "impact-values"
    dead = "dead"
    pairs = "pairs"


class Grouping(str, Enum):
    """``stats.view.GROUPINGS``."""

    model = "model"
    session = "session"
    day = "day"
    week = "week"
    month = "month"


_LEFT_OUT = ("key", "first_key", "second_key")  # on a screen the texts say which value it is
_LONGEST = 40
#: Columns that are shares of one, and shown in hundredths.
_SHARES = ("rate", "low", "high", "share", "distance", "first_alone", "second_alone")


@reporting
def stats(
    table: Annotated[
        TableName,
        typer.Argument(
            help="totals; sessions: the sums of each; values: success rate of each value; groups: of each model, session or"
            " period; failing: values that most surely fail; stability: over seeds; impact: how much placeholders change"
            " the image; impact-values: the same of values; dead: values without a visible effect; pairs: values that fail"
            " together."
        ),
    ] = TableName.totals,
    query: Annotated[
        str, typer.Option("--query", help='Only of images that this finds, such as "Hair:Red -is:trash model:dream*".')
    ] = "",
    by: Annotated[Grouping | None, typer.Option("--by", help="Groups for the tables values, groups, failing.")] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="At most so many rows.")] = None,
    width: Annotated[
        float, typer.Option("--width", min=0.01, max=1, help="An interval of this width tells (column needs).")
    ] = 0.2,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="So does one on one side of this rate."),
    ] = None,
    catalog: CatalogOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV (RFC 4180, UTF-8).")] = False,
) -> None:
    """What was judged, in tables: success rates with 95 % intervals, stability, impact, pairs that fail together, sums.

    ok counts 1, partial a half, ko 0; "needs" is how many more judged images would make the interval narrow enough. Images in the
    trash count too unless the query says -is:trash.
    """
    from ..catalog.query import parse
    from ..catalog.stats.report import Asked, rows_of
    from ..catalog.stats.report import table as named
    from ..catalog.stats.success import Telling
    from ..catalog.stats.table import as_csv, as_dict, columns
    from .catalog import opened

    asked = Asked(by.value if by else None, top, Telling(width, threshold))
    with opened(catalog) as whole:
        rows, remarks = rows_of(table.value, whole.index.store, whole.snapshot, parse(query), asked)
    kind = named(table.value).kind
    if json:
        print_json({"table": table.value, "query": query, "remarks": remarks, "rows": [as_dict(row) for row in rows]})
        return
    for remark in remarks:
        print(visible(f"note: {remark}"), file=sys.stderr)
    if csv:
        sys.stdout.buffer.write(as_csv(kind, rows).encode("utf-8"))
        sys.stdout.flush()
    elif table is TableName.totals:
        sums = as_dict(rows[0])
        width_ = max(map(len, sums))
        for name, value in sums.items():
            print(f"{_heading(name):<{width_}}  {visible(_shown(name, value))}")
    else:
        names = [name for name in columns(kind) if name not in _LEFT_OUT]
        names = [name for name in names if any(getattr(row, name) is not None for row in rows)]
        _print(
            [_heading(name) for name in names], [[_cell(name, getattr(row, name)) for name in names] for row in rows]
        )


def _print(headings: list[str], rows: list[list[str]]) -> None:
    """A table that is as wide as it has to be: squeezed into a terminal's width its figures could not be read."""
    if not rows:
        print("nothing")
        return
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _heading(name: str) -> str:
    return name.replace("_", " ")


def _cell(name: str, value: Any) -> str:
    text = visible(_shown(name, value)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _SHARES:
        return f"{100 * value:.0f} %"
    if name == "started":
        from datetime import datetime

        return f"{datetime.fromtimestamp(value / 1000):%Y-%m-%d %H:%M}"
    if isinstance(value, dict):
        return ", ".join(f"{key or 'unknown'} {n:,}" for key, n in value.items() if n) or "-"
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
