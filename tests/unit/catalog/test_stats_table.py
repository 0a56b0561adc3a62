"""Tables of the statistics as files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.catalog.stats.success import Success
from sdgen_core.catalog.stats.table import FORMULA, as_csv, as_dict, columns


@dataclass
class Row:
    text: str | None
    number: float | int | None
    counts: dict[str, int]
    dead: bool


def test_a_table():
    rows = [Row('red, "wet"', -0.5, {"ok": 1}, True), Row("two\nlines", None, {}, False)]
    assert columns(Row) == ["text", "number", "counts", "dead"]
    assert as_csv(Row, rows) == (
        'text,number,counts,dead\r\n"red, ""wet""",-0.5,"{""ok"": 1}",yes\r\n"two\nlines",,{},no\r\n'
    )
    assert json.loads(json.dumps(as_dict(rows[0]))) == {
        "text": 'red, "wet"',
        "number": -0.5,
        "counts": {"ok": 1},
        "dead": True,
    }
    assert as_csv(Row, []) == "text,number,counts,dead\r\n"


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text):
    (_, row) = csv.reader(io.StringIO(as_csv(Row, [Row(text, 1, {}, False)]), newline=""))
    assert row[0] == "'" + text


@given(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers() | st.floats(allow_nan=False) | st.none()))
)
def test_what_is_written_is_read_again(cells):
    rows = [Row(text, number, {}, False) for text, number in cells]
    _, *found = csv.reader(io.StringIO(as_csv(Row, rows), newline=""))
    for (text, number), row in zip(cells, found, strict=True):
        assert row[0] == ("'" + text if text.startswith(FORMULA) else text)
        assert not row[0].startswith(FORMULA)
        assert (float(row[1]) == float(number)) if number is not None else row[1] == ""


def test_success_has_the_columns_of_the_report():
    assert columns(Success)[:6] == ["group", "placeholder", "key", "text", "images", "judged"]
