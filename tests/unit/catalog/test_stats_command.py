"""`sdgen catalog stats`, and the list of tables behind it."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from typer.testing import CliRunner

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.snapshot import Snapshot
from sdgen_core.catalog.stats.report import TABLES, TOP, Asked, rows_of, table
from sdgen_core.catalog.stats.table import as_dict, columns
from sdgen_core.catalog.stats.view import GROUPINGS
from sdgen_core.catalog.user import Change, UserStore
from sdgen_core.cli.catalog import app
from sdgen_core.cli.stats import Grouping, TableName
from sdgen_core.errors import SDGenError

from .library import image, keys_of, session


def fill(folder) -> tuple[UserStore, Index]:
    """Twelve images: red hair with a trench coat always fails, and so do both values in these images."""
    user = UserStore(folder / "user.db")
    index = Index(folder / "index.db", user)
    number = index.put_session(session(folder, "one"))
    values = [{"Hair": hair, "Coat": coat} for hair in ("Red", "[b]") for coat in ("=Trench", "Wool") for _ in range(3)]
    ids = index.put_images(number, [image("one", n, v, seed=n % 3, phash=n % 3) for n, v in enumerate(values)])
    verdicts = [("ko" if v == {"Hair": "Red", "Coat": "=Trench"} else "ok") for v in values]
    changes = [
        Change("image", keys_of(index, i), f"value/{name}", verdict)
        for i, verdict in zip(ids, verdicts, strict=True)
        for name in ("Hair", "Coat")
    ]
    step = user.change(changes, "x")
    assert step is not None
    index.apply(step.events)
    return user, index


@pytest.fixture
def library(tmp_path):
    user, index = fill(tmp_path / "catalog")
    yield index
    index.close()
    user.close()


@pytest.fixture
def command(library, tmp_path):
    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["stats", *arguments, "--catalog", str(tmp_path / "catalog")])
        assert result.exit_code == code, result.output
        return result.stdout

    return run


def test_names_are_the_same_everywhere():
    assert [name.value for name in TableName] == list(TABLES)
    assert [name.value for name in Grouping] == list(GROUPINGS)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_in_every_form(command, name):
    by = ("--by", "model") if name == "groups" else ()
    found = json.loads(command(name, *by, "--json"))
    assert found["table"] == name and found["remarks"] == []
    headings, *rows = csv.reader(io.StringIO(command(name, *by, "--csv"), newline=""))
    assert headings == columns(table(name).kind)
    assert len(rows) == len(found["rows"]) and found["rows"]
    for row, cells in zip(found["rows"], rows, strict=True):
        assert list(row) == headings
        assert all((cell == "") == (row[heading] in (None, "")) for heading, cell in zip(headings, cells, strict=True))
    shown = command(name, *by)
    assert len(shown.splitlines()) == (len(columns(table(name).kind)) if name == "totals" else len(rows) + 1)


def test_what_the_tables_say(command):
    rows = {row["key"]: row for row in json.loads(command("values", "--json"))["rows"]}
    assert [rows["Red"][name] for name in ("images", "judged", "ok", "ko", "rate")] == [6, 6, 3, 3, 0.5]
    assert rows["[b]"]["rate"] == 1
    lines = command("values").splitlines()
    assert any("a [b]" in line and "100 %" in line for line in lines)  # nothing of a user's is markup
    assert "'=Trench" in command("values", "--csv")
    names = ("first_key", "second_key", "images", "both_ko", "first_elsewhere", "first_alone", "lift")
    (pair,) = json.loads(command("pairs", "--json"))["rows"]
    assert [pair[name] for name in names] == ["=Trench", "Red", 3, 3, 3, 0, None]
    assert {row["key"] for row in json.loads(command("dead", "--json"))["rows"]} == {"Red", "[b]", "=Trench", "Wool"}
    assert [row["key"] for row in json.loads(command("failing", "--top", "1", "--json"))["rows"]] == ["=Trench"]
    assert "images       12" in command("totals")
    assert "images       3\n" in command("totals", "--query", "Hair:Red Coat:Wool")


def test_how_sure_it_has_to_be(command):
    def needs(*more: str) -> int:
        return {row["key"]: row["needs"] for row in json.loads(command("values", "--json", *more))["rows"]}["Red"]

    assert needs("--width", "0.1") > needs() > needs("--width", "0.4") > 0
    assert needs("--threshold", "0.95") == 0


def test_mistakes(command, library):
    assert "bad-query" in command("values", "--query", "is:favorite", "--json", code=1)
    assert "bad-query" in command("stability", "--by", "model", "--json", code=1)
    assert "bad-query" in command("groups", "--json", code=1)
    command("nothing", code=2)
    assert json.loads(command("values", "--query", "Hair:Rad", "--json")) == {
        "table": "values",
        "query": "Hair:Rad",
        "remarks": ["there is no value 'Rad' of Hair; nearest: Red"],
        "rows": [],
    }
    with pytest.raises(SDGenError) as caught:
        rows_of("vlaues", library.store, Snapshot(library.store), parse(""))
    assert caught.value.nearest == ["values"] or "values" in caught.value.nearest


def test_counters_and_columns_give_the_same_tables(library):
    snapshot = Snapshot(library.store)
    for name in ("values", "failing"):
        for top in (None, 1, 3):
            of_all, _ = rows_of(name, library.store, snapshot, parse(""), Asked(top=top))
            filtered, _ = rows_of(name, library.store, snapshot, parse("session:one"), Asked(top=top))
            assert list(map(as_dict, of_all)) == list(map(as_dict, filtered))
            assert len(of_all) <= (top or max(TOP, 4))


@pytest.mark.parametrize("name", TABLES)
def test_no_table_scans_the_images(library, name):
    """What is asked of the index when the columns are in memory already."""
    snapshot = Snapshot(library.store)
    snapshot.refresh()
    db = library.store.reader()
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    rows, _ = rows_of(name, library.store, snapshot, parse(""), Asked(by="session" if name == "groups" else None))
    db.set_trace_callback(None)
    assert rows and asked
    for statement in asked:
        plan = "; ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}"))
        assert not re.search(r"SCAN (image|image_value)\b", plan), (statement, plan)
