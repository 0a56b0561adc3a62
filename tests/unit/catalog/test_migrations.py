"""An index of an older version is brought to this one with what it held."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

from sdgen_core.catalog import schema, user
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.score_columns import ImageScores, Scorer, ValueScores
from sdgen_core.catalog.scores import ScoreStore
from sdgen_core.catalog.user import Change, UserStore

from .library import image, judge, judged, session
from .test_judgements import catalog  # noqa: F401 - a fixture


def test_what_people_said_is_moved_beside_the_images(catalog):  # noqa: F811
    ids = catalog.fill()
    for n, (field, value) in enumerate(
        [
            ("mark", "trash"),
            ("rating", "4"),
            ("note", "kept"),
            ("failed", "yes"),
            ("value/Hair", "ko"),
            ("tag/x", "yes"),
        ]
    ):
        judge(catalog.user, catalog.index, ids[n], field, value)
    sessions = "SELECT slug, images, trash, failed, judged, bytes FROM session ORDER BY 1"
    before, counted = judged(catalog.index), catalog.rows(sessions)
    catalog.close()
    older(catalog.folder / "index.db", "m004")
    with sqlite3.connect(catalog.folder / "index.db") as check:
        assert "mark" in {row[1] for row in check.execute("PRAGMA table_info(image)")}
    check.close()
    catalog.open()
    assert (judged(catalog.index), catalog.rows(sessions)) == (before, counted)
    judge(catalog.user, catalog.index, ids[0], "mark", None)
    catalog.index.put_images(
        catalog.index.put_session(session(catalog.folder, "later")), [image("later", 0), image("later", 1)]
    )
    assert recount(catalog.index, repair=False) == []


def test_what_a_machine_said_gets_a_place(tmp_path):
    """An index from before machines had one: scores that were written meanwhile are in it, and counted."""
    made = Catalog(tmp_path)
    made.index.put_images(
        made.index.put_session(session(tmp_path, "one", planned=2)),
        [image("one", n, {"Hair": "Red"}, thumb=f"{n:032x}") for n in range(2)],
    )
    made.judge([1], "value/Hair", "ko")
    before = judged(made.index)
    made.close()
    older(tmp_path / "index.db", "m005")
    scores = ScoreStore(tmp_path / "scores.db")
    hair = ValueScores(["Red", "Red"], [0.25, 0.875])
    keys = [f"{n:032x}" for n in range(2)]
    scores.put(
        Scorer("f" * 16, "x"),
        ImageScores(keys, ["failed", "success"], [0.25, 0.875], [True, False], values={"Hair": hair}),
    )
    scores.close()
    made = Catalog(tmp_path)
    assert judged(made.index) == before
    assert made.find("class:failed") == ([1], ())
    assert made.find("score:Hair>0.5") == ([2], ())
    assert made.machine.classes("one").to_dict() == {
        "scored": 2, "success": 1, "partial": 0, "failed": 1, "none": 0, "flagged": 1, "mean": 0.5625,
    }  # fmt: skip
    assert recount(made.index, repair=False) == []
    made.close()


def test_judgements_of_before_are_of_people(tmp_path):
    """A user.db from before it was noted who said something."""
    steps = user.migrations.migrations()
    steps._migrations.pop()
    db = Database(tmp_path / "user.db")
    steps.apply(db)
    db.conn.execute("INSERT INTO subject(id, kind) VALUES(1, 'image')")
    db.conn.execute("INSERT INTO alias VALUES('g:one/0/0', 1)")
    db.conn.execute("INSERT INTO batch VALUES(1, 'change', 'done', 'old', 1.0)")
    db.conn.execute("INSERT INTO event VALUES(1, 1, 1, 'mark', NULL, 'trash', 1.0)")
    db.conn.execute("INSERT INTO fact VALUES(1, 'mark', 'trash', 1)")
    db.conn.commit()
    db.close()
    store = UserStore(tmp_path / "user.db")
    assert store.who_said([1], "mark") == {}
    store.change([Change("image", ("g:one/1/0",), "mark", "trash")], "x", who="machine")
    assert store.who_said([1, 2], "mark") == {2: "machine"}
    store.undo()
    assert store.who_said([1, 2], "mark") == {}
    store.redo()
    assert store.who_said([1, 2], "mark") == {2: "machine"}
    store.undo()
    assert [event.field for event in store.undo().events] == ["mark"]
    store.close()


def older(path, before):
    """Make an index what it was before a step: with all that its tables had then, where they had it."""
    new = path.with_suffix(".new")
    path.rename(new)
    steps = schema.migrations.migrations()
    names = [step.name[:4] for step in steps._migrations]
    del steps._migrations[names.index(before) :]
    db = Database(path)
    steps.apply(db)
    db.conn.execute("ATTACH ? AS new", (str(new),))
    tables = [name for (name,) in db.conn.execute("SELECT name FROM new.sqlite_master WHERE type='table'")]
    known = {name for (name,) in db.conn.execute("SELECT name FROM main.sqlite_master WHERE type='table'")}
    triggers = db.conn.execute("SELECT name, sql FROM main.sqlite_master WHERE type='trigger'").fetchall()
    for name, _ in triggers:
        db.conn.execute(f"DROP TRIGGER {name}")
    for table in tables:
        if table not in known or table.startswith(("sqlite_", "prompt_text", "_sqlite")):
            continue
        own = [row[1] for row in db.conn.execute(f"PRAGMA main.table_info({table})")]
        source = "image_and_said" if table == "image" and "mark" in own else table
        names = ", ".join(own)
        db.conn.execute(f"INSERT INTO main.{table}({names}) SELECT {names} FROM new.{source}")
    for _, sql in triggers:
        db.conn.execute(sql)
    db.conn.execute("INSERT INTO prompt_text(prompt_text) VALUES('rebuild')")
    db.conn.commit()
    db.conn.execute("DETACH new")
    assert not any(row["name"].startswith(before) for row in db["_sqlite_migrations"].rows)
    db.close()
