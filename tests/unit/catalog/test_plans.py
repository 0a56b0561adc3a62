"""What SQLite's planner says of every statement behind a question: it never reads the whole table of images."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog import sql
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.query import FIELDS, FLAGS, SORTS, Clause, Query
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.score_columns import ImageScores, Scorer, ValueScores
from sdgen_core.catalog.snapshot import Snapshot

from .library import image, session

#: Reading an index in its order is what a page of the newest images is; reading the table is not.
WHOLE_TABLE = re.compile(r"SCAN image\b(?! USING (COVERING )?INDEX)")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Some hundred images, judged in part, of which the planner knows nothing in particular, as of any real library."""
    folder = tmp_path_factory.mktemp("plans")
    made = Catalog(folder)
    for name in ("one", "two", "three"):
        number = made.index.put_session(session(folder, name))
        values = [{"Hair": ("Red", "Blue")[n % 2], "Coat": f"c{n % 9}"} for n in range(100)]
        records = [image(name, n, v, model="dream", phash=n % 50) for n, v in enumerate(values)]
        made.index.put_images(number, records)
    made.judge(range(1, 40), "mark", "favourite")
    made.judge(range(20, 60), "value/Hair", "ko")
    made.judge(range(5, 9), "tag/cat", "yes")
    yield made
    made.close()


def plan(catalog: Catalog, statement: str) -> list[str]:
    readable = re.sub(r"\bInf\b", "9e999", statement)  # as the trace writes infinity
    return [row[3] for row in catalog.index.store.reader().execute(f"EXPLAIN QUERY PLAN {readable}")]


@contextmanager
def statements(*connections: sqlite3.Connection) -> Iterator[list[str]]:
    """What is asked of connections meanwhile, with its values in it."""
    asked: list[str] = []
    for db in connections:
        db.set_trace_callback(asked.append)
    try:
        yield asked
    finally:
        for db in connections:
            db.set_trace_callback(None)


def whole_tables(catalog: Catalog, asked: list[str]) -> list[tuple[str, str]]:
    """Statements, with the line of the plan, that read all of the table."""
    return [
        (statement, line)
        for statement in asked
        if re.match(r"(?i)\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", statement)
        for line in plan(catalog, statement)
        if WHOLE_TABLE.search(line)
    ]


clauses = st.lists(
    st.one_of(
        st.builds(
            Clause, field=st.just("value"), name=st.just("Hair"), any=st.just(("Red", "Blu*")), negate=st.booleans()
        ),
        st.builds(Clause, field=st.just("is"), any=st.tuples(*[st.sampled_from(FLAGS)] * 2), negate=st.booleans()),
        st.builds(Clause, field=st.just("verdict"), name=st.sampled_from([None, "Hair"]), any=st.just(("ko", "none"))),
        st.builds(
            Clause,
            field=st.just("class"),
            any=st.sampled_from([("failed",), ("none", "success")]),
            negate=st.booleans(),
        ),
        st.builds(
            Clause,
            field=st.sampled_from(["score", "contradicts"]),
            name=st.sampled_from([None, "Hair"]),
            any=st.just(("<0.5",)),
        ),
        st.builds(Clause, field=st.just("like"), any=st.just(("3/4",)), negate=st.booleans()),
        st.builds(
            Clause, field=st.sampled_from(["text", "negative"]), any=st.just(("red*", "a blue")), negate=st.booleans()
        ),
        st.builds(
            Clause,
            field=st.sampled_from([name for name, spec in FIELDS.items() if spec.kind == "words"]),
            any=st.just(("o*", "cat", "dream")),
            negate=st.booleans(),
        ),
        st.builds(
            Clause,
            field=st.sampled_from([name for name, spec in FIELDS.items() if spec.kind == "number"]),
            any=st.sampled_from([("1..5",), (">=3", "1"), ("7",)]),
            negate=st.booleans(),
        ),
        st.builds(Clause, field=st.just("date"), any=st.sampled_from([("7d",), ("1970..2020",)]), negate=st.booleans()),
    ),
    max_size=3,
).map(tuple)
sorts = st.one_of(
    st.sampled_from([f"{sign}{key}" for key in SORTS for sign in ("", "-")]),
    st.sampled_from(["random:3", "value:Hair", "-score:Coat", "like:4"]),
)


def test_every_field_is_asked_about():
    kinds = {"values", "text", "flags", "verdict", "score", "class", "like", "words", "number", "date"}
    assert {spec.kind for spec in FIELDS.values()} == kinds


@given(clauses, st.sampled_from(["created", "-created"]), st.one_of(st.none(), st.integers(1, 300)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_by_sql(catalog, asked, sort, after):
    """In the orders that an index gives, and about anything but likeness: only so it is asked by ``Catalog.page``."""
    resolved = resolve(catalog.index.store, Query(clauses=asked, sort=(sort,)))
    assume(sql.by_index(resolved))
    with statements(catalog.index.store.reader()) as made:
        sql.page(catalog.index.store, resolved, 20, after)
    assert made
    assert whole_tables(catalog, made) == []


@given(clauses, st.lists(sorts, min_size=1, max_size=2), st.one_of(st.none(), st.integers(1, 300)), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_catalog_asks(catalog, asked, sort, after, loaded):
    """Before the columns are in memory and after, in every order: pages, counts, near-duplicates."""
    query = Query(clauses=asked, sort=tuple(sort))
    catalog.snapshot = Snapshot(catalog.index.store)
    if loaded:
        catalog.snapshot.refresh()
    with statements(catalog.index.store.reader()) as made:
        page = catalog.page(query, after, 20)
        assert catalog.page(query, after, 20).ids == page.ids
        catalog.snapshot.facets(resolve(catalog.index.store, query))
        catalog.duplicates(query)
        catalog.similar(5)
    assert made
    assert whole_tables(catalog, made) == []


def test_judging_and_undoing(catalog):
    writer = catalog.index.store._writer
    with statements(writer, catalog.index.store.reader()) as made:
        catalog.judge(range(1, 50), "mark", "interesting")
        catalog.judge(range(1, 50), "value/Coat", "ok")
        catalog.judge(range(1, 50), "tag/dog", "yes")
        catalog.judge_sessions(["one"], "note", "seen")
        for _ in range(4):
            catalog.undo()
    assert any(statement.startswith("UPDATE image_said") for statement in made)
    assert whole_tables(catalog, made) == []


def test_what_machines_say(catalog):
    """Not even the whole session is read for a batch of it."""
    image_key = catalog.index.store.value("SELECT thumb FROM image WHERE id=7")
    said = ImageScores([image_key], ["failed"], [0.25], [True], values={"Hair": ValueScores(["Red"], [0.25])})
    with statements(catalog.index.store._writer, catalog.index.store.reader()) as made:
        assert 7 in catalog.machine.write("one", Scorer("f" * 16, "x"), said)
        catalog.machine.details([7])
        catalog.machine.preview()
        catalog.machine.agreement()
    by_key = [line for statement in made if "thumb IN" in statement for line in plan(catalog, statement)]
    assert any("image_thumb" in line for line in by_key)
    assert not any("image_session" in line for line in by_key)
    assert whole_tables(catalog, made) == []
    catalog.machine.clear("one")


def test_the_test_sees_a_whole_table(catalog):
    found = whole_tables(catalog, ["SELECT id FROM image ORDER BY steps", "SELECT count(*) FROM image WHERE cfg > 3"])
    assert len(found) == 2
