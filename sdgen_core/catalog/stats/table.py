"""Rows of the statistics as JSON and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: A cell of a text that begins so would be taken for a formula by spreadsheets.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_dict(row: DataclassInstance) -> dict[str, Any]:
    """A row as JSON has it: names of fields and their values."""
    return {one.name: getattr(row, one.name) for one in dataclasses.fields(row)}


def columns(kind: type[DataclassInstance]) -> list[str]:
    """The headings of a table of such rows."""
    return [one.name for one in dataclasses.fields(kind)]


def as_csv(kind: type[DataclassInstance], rows: Iterable[DataclassInstance]) -> str:
    """The table as RFC 4180 has it: a line of headings, lines ended by CR LF, quotes where they are needed; nothing is an empty cell.

    A text that begins with one of ``FORMULA`` has an apostrophe before it, so that no spreadsheet takes what somebody wrote into a
    prompt for a formula; the apostrophe is part of the cell's text. Numbers are left alone. What is no text and no number is a cell
    of JSON.
    """
    out = io.StringIO(newline="")
    write = csv.writer(out, lineterminator="\r\n")
    names = columns(kind)
    write.writerow(names)
    write.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, (int, float)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text
