"""What users of the predecessor said about their sessions is taken over once, and never over what they say here."""

from __future__ import annotations

import json
import sqlite3

import pytest

from sdgen_core.catalog.scan.predecessor_db import find_databases, import_judgements
from sdgen_core.catalog.user import Change
from sdgen_core.errors import SDGenError

from .folders import Catalog, old_session, tree_hash

STOPPED, PLAIN, NAMED = "20261122_142144-stopped", "20261122_142121-Plain_Run_One", "20261122_142127-named_run"
TABLE = """
CREATE TABLE session_metadata(session_id TEXT PRIMARY KEY, session_path TEXT NOT NULL, is_test INTEGER DEFAULT 0,
 is_complete INTEGER DEFAULT 1, is_favorite INTEGER DEFAULT 0, user_rating TEXT, user_note TEXT, tags TEXT, auto_metadata TEXT,
 created_at TEXT NOT NULL DEFAULT '', updated_at TEXT NOT NULL DEFAULT '')
"""


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    yield made
    made.close()


@pytest.fixture
def database(tmp_path):
    """Three sessions' data, one of a session that nobody has any more."""
    path = tmp_path / "metadata" / "sessions.db"
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute(TABLE)
    names = "session_id, session_path, is_test, is_complete, is_favorite, user_rating, user_note, tags"
    rows = [
        (STOPPED, "x", 1, 0, 1, "like", "good\nlight", json.dumps(["Best", "two words", "a,b", "best", 5, ""])),
        (PLAIN, "x", 0, 1, 0, "dislike", "", "[]"),
        ("20200101_000000-gone", "x", 0, 1, 1, "meh", None, "no json, really"),
        (NAMED, "x", 0, 1, 0, None, None, None),
    ]
    db.executemany(f"INSERT INTO session_metadata({names}) VALUES(?,?,?,?,?,?,?,?)", rows)
    db.commit()
    db.close()
    return path


def said(catalog, folder):
    found = catalog.session("favourite, rating, test, complete, note, id", folder)
    tags = catalog.rows("SELECT name FROM session_tag JOIN tag ON tag.id=tag WHERE session=? ORDER BY 1", found[-1])
    return (*found[:-1], [name for (name,) in tags])


def test_everything_is_taken_over_as_one_step(catalog, tmp_path, database):
    for name in (STOPPED, PLAIN, NAMED):
        old_session(tmp_path / "output", name)
    catalog.run(tmp_path / "output")
    assert find_databases([tmp_path / "output"]) == [database]
    before = tree_hash(database.parent)
    done = import_judgements(catalog.index, database)
    assert (done.sessions, done.problems) == (4, ["20200101_000000-gone: 'meh' is no rating"])
    expected = (1, "like", 1, "no", "good\nlight", ["a", "b", "Best", "two words"])
    assert said(catalog, STOPPED) == expected
    assert said(catalog, PLAIN) == (0, "dislike", 0, None, None, [])
    assert said(catalog, NAMED) == (0, None, 0, None, None, [])
    assert tree_hash(database.parent) == before
    assert import_judgements(catalog.index, database).step is None
    catalog.index.apply(catalog.user.undo().events)
    assert said(catalog, STOPPED) == (0, None, 0, None, None, [])
    catalog.index.apply(catalog.user.redo().events)
    assert said(catalog, STOPPED) == expected


def test_sessions_may_be_imported_later(catalog, tmp_path, database):
    import_judgements(catalog.index, database)
    old_session(tmp_path / "output", STOPPED)
    catalog.run(tmp_path / "output")
    assert said(catalog, STOPPED)[:2] == (1, "like")
    (tmp_path / "output" / STOPPED).rename(tmp_path / "output" / "renamed")
    catalog.run(tmp_path / "output")
    assert catalog.session("favourite, rating", "renamed") == (1, "like")


def test_what_is_said_here_stays(catalog, tmp_path, database):
    old_session(tmp_path / "output", STOPPED)
    catalog.run(tmp_path / "output")
    keys = [key for (key,) in catalog.rows("SELECT key FROM session_key ORDER BY key DESC")]
    changes = [("rating", "dislike"), ("note", "mine"), ("favourite", "yes")]
    step = catalog.user.change([Change("session", tuple(keys), *change) for change in changes], "by hand")
    catalog.index.apply(step.events)
    step = catalog.user.change([Change("session", tuple(keys), "favourite", None)], "by hand")  # and taken away again
    catalog.index.apply(step.events)
    import_judgements(catalog.index, database)
    assert said(catalog, STOPPED) == (0, "dislike", 1, "no", "mine", ["a", "b", "Best", "two words"])


def test_of_two_folders_with_one_name_the_path_tells(catalog, tmp_path, database):
    first = old_session(tmp_path / "output", STOPPED)
    second = old_session(tmp_path / "output" / "copies", STOPPED)
    (second / "manifest.json").write_text(
        (second / "manifest.json").read_text("utf-8").replace("14:21:44", "14:21:45"), "utf-8"
    )
    catalog.run(tmp_path / "output")
    db = sqlite3.connect(database)
    db.execute("UPDATE session_metadata SET session_path=? WHERE session_id=?", (str(second), STOPPED))
    db.commit()
    db.close()
    import_judgements(catalog.index, database)
    assert catalog.rows("SELECT rating FROM session WHERE folder=?", str(second)) == [("like",)]
    assert first.is_dir()


def test_a_database_in_use_is_read_without_touching_it(catalog, tmp_path, database):
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("UPDATE session_metadata SET user_rating='like' WHERE session_id=?", (PLAIN,))
    db.execute("BEGIN EXCLUSIVE")
    try:
        before = tree_hash(database.parent)
        done = import_judgements(catalog.index, database)
        assert tree_hash(database.parent) == before
    finally:
        db.close()
    assert ("rating", "like") in {(event.field, event.new) for event in done.step.events}
    assert "dislike" not in {event.new for event in done.step.events}


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, None])
def test_files_that_are_something_else(catalog, tmp_path, content):
    path = tmp_path / "sessions.db"
    if content is None:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE session_metadata(name TEXT)")
        db.close()
    else:
        path.write_bytes(content)
    with pytest.raises(SDGenError) as caught:
        import_judgements(catalog.index, path)
    assert caught.value.code == "not-a-predecessor-db"
    with pytest.raises(SDGenError) as caught:
        import_judgements(catalog.index, tmp_path / "none.db")
    assert caught.value.code == "missing-file"


def test_older_schemas_are_read_as_far_as_they_go(catalog, tmp_path):
    path = tmp_path / "sessions.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE session_metadata(session_id, is_favorite, user_note, tags)")
    rows = [
        ("a", 1, b"\xff", "[[1]]"),
        (None, 1, "x", None),
        (7, 1, None, None),
        ("b", "yes", "n" * 30_000, '["' + "t" * 90 + '"]'),
    ]
    db.executemany("INSERT INTO session_metadata VALUES(?,?,?,?)", rows)
    db.commit()
    db.close()
    done = import_judgements(catalog.index, path)
    assert sorted((event.field, len(event.new)) for event in done.step.events) == [("favourite", 3), ("note", 20_000)]
    assert done.sessions == 2 and len(done.problems) == 4 and "no column session_path" in done.problems[0]
