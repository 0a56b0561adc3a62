"""What people say about images: nothing of it is ever lost, and every step can be taken back."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.index import Index
from sdgen_core.catalog.records import value_key
from sdgen_core.catalog.user import Change, UserStore
from sdgen_core.errors import SDGenError

from .library import image, judge, judged, keys_of, session


class Catalog:
    """Both databases in a folder, and two sessions of four images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        self.user = UserStore(self.folder / "user.db")
        self.index = Index(self.folder / "index.db", self.user)

    def close(self) -> None:
        self.index.close()
        self.user.close()

    def fill(self) -> list[int]:
        ids = []
        for name in ("one", "two"):
            number = self.index.put_session(session(self.folder, name, planned=4))
            values = [{"Hair": ("Red", "Blue")[n % 2], "Coat": f"c{n}"} for n in range(4)]
            ids += self.index.put_images(number, [image(name, n, v) for n, v in enumerate(values)])
        return ids

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.index.store.rows(sql)


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path)
    yield made
    made.close()


def test_marks_are_counted_and_taken_back(catalog):
    ids = catalog.fill()
    user, index = catalog.user, catalog.index
    judge(user, index, ids[0], "mark", "favourite")
    judge(user, index, ids[1], "mark", "trash")
    judge(user, index, ids[0], "value/Hair", "ko")
    assert catalog.rows("SELECT slug, images, favourites, trash, judged FROM session ORDER BY 1") == [
        ("one", 4, 1, 1, 1),
        ("two", 4, 0, 0, 0),
    ]
    assert catalog.rows(
        "SELECT value.key, verdict, value_verdict.images FROM value_verdict JOIN value ON value.id = value"
    ) == [("Red", 3, 1)]
    assert user.can() == ("value/Hair", None)
    before = judged(index)
    index.apply(user.undo().events)
    assert user.can() == ("mark", "value/Hair")
    assert catalog.rows("SELECT sum(images) FROM value_verdict") == [(0,)]
    index.apply(user.redo().events)
    assert judged(index) == before
    assert user.redo() is None


def test_a_step_of_many_is_one(catalog):
    ids = catalog.fill()
    changes = [Change("image", keys_of(catalog.index, i), "mark", "interesting") for i in ids]
    changed = catalog.index.apply(catalog.user.change(changes, "8 images").events)
    assert sorted(changed) == ids
    assert catalog.user.change(changes, "again") is None
    assert len(catalog.user.undo().events) == 8
    assert catalog.user.undo() is None


def test_what_was_undone_is_gone_after_another_change(catalog):
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "mark", "trash")
    catalog.index.apply(catalog.user.undo().events)
    judge(catalog.user, catalog.index, ids[1], "mark", "trash")
    assert catalog.user.redo() is None
    assert catalog.user.can() == ("mark", None)


@pytest.mark.parametrize(
    ("kind", "field", "value", "nearest"),
    [
        ("image", "mark", "favorite", "favourite"),
        ("image", "marks", "trash", "mark"),
        ("image", "value/Hair", "KO", "ko"),
        ("image", "value/", "ko", None),
        ("image", "tag/", "yes", None),
        ("image", "tag/a,b", "yes", None),
        ("image", "note", "", None),
        ("session", "mark", "trash", None),
        ("picture", "mark", "trash", None),
    ],
)
def test_unknown_words_change_nothing(catalog, kind, field, value, nearest):
    good = Change("image", ("g:a/1/0",), "mark", "trash")
    with pytest.raises(SDGenError) as caught:
        catalog.user.change([good, Change(kind, ("g:a/2/0",), field, value)], "x")
    assert caught.value.code == "bad-judgement"
    assert nearest is None or nearest in caught.value.nearest
    assert catalog.user.last_event() == 0


# ---- files that move, and databases that are lost --------------------------------------------------------------------


def test_a_new_index_has_every_judgement(catalog):
    ids = catalog.fill()
    for n, (field, value) in enumerate(
        [("mark", "trash"), ("tag/cats & dogs", "yes"), ("value/Coat", "ok"), ("note", "why?")]
    ):
        judge(catalog.user, catalog.index, ids[n], field, value)
    before = judged(catalog.index)
    catalog.close()
    (catalog.folder / "index.db").unlink()
    catalog.open()
    assert catalog.rows("SELECT count(*) FROM image") == [(0,)]
    catalog.fill()
    assert judged(catalog.index) == before
    assert recount(catalog.index, repair=False) == []


def test_a_crash_between_the_two_files_loses_nothing(catalog):
    ids = catalog.fill()
    catalog.user.change([Change("image", keys_of(catalog.index, ids[2]), "mark", "favourite")], "killed here")
    catalog.close()
    catalog.open()
    assert catalog.rows("SELECT mark FROM image_and_said WHERE mark > 0") == [(1,)]
    assert catalog.index.catch_up() == 0


def test_a_crash_of_one_of_two_programs_loses_nothing(catalog):
    """The one that was killed had written its judgement before the other did, and had not mirrored it."""
    ids = catalog.fill()
    killed, other = (Change("image", keys_of(catalog.index, ids[n]), "mark", "trash") for n in (0, 1))
    catalog.user.change([killed], "killed here")
    catalog.index.apply(catalog.user.change([other], "x").events)
    assert catalog.rows("SELECT id FROM image_and_said WHERE mark = 3") == [(ids[0],), (ids[1],)]
    catalog.close()
    catalog.open()
    assert catalog.rows("SELECT id FROM image_and_said WHERE mark = 3") == [(ids[0],), (ids[1],)]


def test_another_user_db_is_mirrored_as_a_whole(catalog):
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "mark", "trash")
    keys = keys_of(catalog.index, ids[5])
    catalog.close()
    for name in ("user.db", "user.db-wal", "user.db-shm"):
        (catalog.folder / name).unlink(missing_ok=True)
    other = UserStore(catalog.folder / "user.db")
    other.change([Change("image", keys, "mark", "favourite")], "x")
    other.close()
    catalog.open()
    assert catalog.rows("SELECT id, mark FROM image_and_said WHERE mark > 0") == [(ids[5], 1)]


def test_renamed_copied_and_encoded_anew(catalog):
    """The place in the session is believed before the file's hash, that before its ends."""
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "mark", "favourite")
    other = catalog.index.put_session(session(catalog.folder, "copies"))
    encoded = image("one", 0, file="small.webp", keys=("g:one/0/0", "f:other"))
    same_file = image("x", 1, file="without chunks.png", keys=("f:one-0",))
    stranger = image("x", 2, keys=("f:x",))
    catalog.index.put_images(other, [encoded, same_file, stranger])
    found = catalog.rows("SELECT file FROM image_and_said WHERE mark = 1 ORDER BY 1")
    assert found == [("one_0000.png",), ("small.webp",), ("without chunks.png",)]
    judge(catalog.user, catalog.index, ids[0], "mark", None)
    assert catalog.rows("SELECT file FROM image_and_said WHERE mark = 1") == []


def test_the_hash_of_the_file_is_learnt(catalog):
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "mark", "trash")
    catalog.user.learn([("g:one/0/0", "s:abc"), ("g:unknown/0/0", "s:def")])
    other = catalog.index.put_session(session(catalog.folder, "later"))
    catalog.index.put_images(other, [image("l", 0, keys=("s:abc",)), image("l", 1, keys=("s:def",))])
    assert catalog.rows("SELECT mark FROM image_and_said WHERE file LIKE 'l!_%' ESCAPE '!' ORDER BY file") == [
        (3,),
        (0,),
    ]


def test_a_session_that_moved_keeps_what_was_said(catalog, tmp_path):
    catalog.fill()
    step = catalog.user.change(
        [
            Change("session", ("i:one", "d:one"), field, value)
            for field, value in [("favourite", "yes"), ("tag/new", "yes")]
        ],
        "x",
    )
    catalog.index.apply(step.events)
    record = session(tmp_path / "elsewhere", "one")
    moved = catalog.index.put_session(record)
    assert catalog.rows("SELECT id, favourite, folder FROM session WHERE slug='one'") == [
        (moved, 1, str(record.folder))
    ]
    assert catalog.rows("SELECT name FROM session_tag JOIN tag ON tag.id = tag") == [("new",)]


def test_a_copied_session_is_another(catalog, tmp_path):
    record = session(tmp_path, "one")
    record.folder.mkdir()
    first = catalog.index.put_session(record)
    copy = session(tmp_path / "copy", "one")
    second = catalog.index.put_session(copy)
    assert first != second
    assert catalog.rows("SELECT slug FROM session ORDER BY 1") == [("one",), ("one-2",)]


def test_damaged_files(catalog):
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "mark", "trash")
    catalog.close()
    catalog.open()  # makes the day's copy
    assert len(catalog.user.backups()) == 1
    catalog.close()
    for name in ("user.db", "index.db"):
        (catalog.folder / name).write_bytes(b"this was a database once" * 1000)
    catalog.open()
    assert "index.db was damaged" in catalog.index.rebuilt
    assert "user.db was damaged" in catalog.user.restored
    assert len(list(catalog.folder.glob("*.damaged-*"))) == 2
    catalog.fill()
    assert catalog.rows("SELECT file FROM image_and_said WHERE mark = 3") == [("one_0000.png",)]


def test_a_damaged_user_db_without_a_copy_stays_as_it_is(tmp_path):
    (tmp_path / "user.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SDGenError) as caught:
        UserStore(tmp_path / "user.db")
    assert caught.value.code == "catalog-damaged"
    assert (tmp_path / "user.db").read_bytes() == b"no database" * 1000


def test_a_newer_file_is_left_alone(catalog):
    catalog.close()
    with sqlite3.connect(catalog.folder / "user.db") as db:
        db.execute("UPDATE _sqlite_migrations SET name='m999_of_the_future' WHERE name LIKE 'm001%'")
    db.close()
    with pytest.raises(SDGenError) as caught:
        catalog.open()
    assert caught.value.code == "catalog-unusable"
    assert "newer" in str(caught.value)


def test_a_locked_file_is_told(catalog, monkeypatch):
    catalog.fill()
    other = sqlite3.connect(catalog.folder / "user.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    catalog.user._store._writer.execute("PRAGMA busy_timeout=50")
    with pytest.raises(SDGenError) as caught:
        catalog.user.change([Change("image", ("g:one/0/0",), "mark", "trash")], "x")
    assert caught.value.code == "catalog-locked"
    other.execute("ROLLBACK")
    other.close()
    assert catalog.user.change([Change("image", ("g:one/0/0",), "mark", "trash")], "x") is not None


def test_two_writers(tmp_path):
    one, two = Catalog(tmp_path), Catalog(tmp_path)
    ids = one.fill()
    judge(one.user, one.index, ids[0], "mark", "trash")
    judge(two.user, two.index, ids[1], "mark", "favourite")
    assert one.rows("SELECT mark FROM image_and_said WHERE mark > 0 ORDER BY 1") == [(1,), (3,)]
    two.index.put_images(1, [image("one", 9)])
    assert one.rows("SELECT images FROM session WHERE slug='one'") == [(5,)]
    one.close()
    two.close()


# ---- random work -----------------------------------------------------------------------------------------------------

said = st.one_of(
    st.tuples(st.just("mark"), st.sampled_from([None, "favourite", "interesting", "trash"])),
    st.tuples(
        st.sampled_from(["value/Hair", "value/Coat"]), st.sampled_from([None, "ok", "partial", "ko", "no-effect"])
    ),
    st.tuples(st.sampled_from(["tag/a", "tag/b", "failed"]), st.sampled_from([None, "yes"])),
    st.tuples(st.just("note"), st.sampled_from([None, "x", "y"])),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), st.lists(st.tuples(st.integers(0, 7), said), min_size=1, max_size=4)),
        st.tuples(st.sampled_from(["undo", "redo"]), st.just([])),
        st.tuples(st.just("missing"), st.lists(st.integers(0, 7), min_size=1, max_size=3)),
        st.tuples(st.just("put"), st.lists(st.integers(0, 7), min_size=1, max_size=3)),
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=40, deadline=None)
def test_counters_and_undo_after_random_work(tmp_path_factory, work):
    catalog = Catalog(tmp_path_factory.mktemp("random"))
    ids = catalog.fill()
    files = [file for (file,) in catalog.rows("SELECT file FROM image ORDER BY id")]
    history = [judged(catalog.index)]  # as it was after each step that can be undone
    at = 0
    for what, items in work:
        if what == "judge":
            changes = [Change("image", keys_of(catalog.index, ids[n]), field, value) for n, (field, value) in items]
            step = catalog.user.change(changes, "x")
            if step:
                catalog.index.apply(step.events)
                history[at + 1 :] = [judged(catalog.index)]
                at += 1
        elif what in ("undo", "redo"):
            step = getattr(catalog.user, what)()
            assert (step is None) == (at == 0 if what == "undo" else at == len(history) - 1)
            if step:
                at += 1 if what == "redo" else -1
                if step.events:
                    catalog.index.apply(step.events)
        elif what == "missing":
            catalog.index.set_missing([ids[n] for n in items], missing=sum(items) % 2 == 0)
        else:
            for n in items:
                name, number = files[n][:3], int(files[n][4:8])
                values = {"Hair": ("Red", "Blue")[number % 2], "Coat": f"c{number}"}
                catalog.index.put_images(1 if name == "one" else 2, [image(name, number, values, bytes=2_000 + n)])
        assert judged(catalog.index) == history[at]
        assert recount(catalog.index, repair=False) == []
    while step := catalog.user.undo():
        if step.events:
            catalog.index.apply(step.events)
    assert judged(catalog.index) == history[0]
    catalog.close()


def test_wrong_counters_are_found_and_mended(catalog):
    ids = catalog.fill()
    judge(catalog.user, catalog.index, ids[0], "value/Hair", "ok")
    with catalog.index.store.write() as db:
        db.execute("UPDATE session SET images = 77 WHERE slug='two'")
        db.execute("UPDATE value SET images = images + 1 WHERE key='Red'")
        db.execute("UPDATE value_verdict SET images = 5")
        db.execute("UPDATE image_said SET verdicts = 3 WHERE image=?", (ids[0],))
    found = recount(catalog.index, repair=True)
    assert {text.rpartition(" ")[0] for text in found} >= {
        "verdicts of image",
        "images of value",
        "verdicts of value",
        "counters of session",
    }
    assert recount(catalog.index, repair=False) == []


# ---- values ----------------------------------------------------------------------------------------------------------


def test_a_value_is_told_by_its_key_and_by_its_text_where_there_is_none(catalog):
    old = catalog.index.put_session(session(catalog.folder, "old"))
    texts = ["a Red", "bald"]
    catalog.index.put_images(
        old, [replace(image("old", n), values={"Hair": (None, text)}) for n, text in enumerate(texts)]
    )
    catalog.fill()
    values = "SELECT key, text, images FROM value WHERE placeholder=(SELECT id FROM placeholder WHERE name='Hair') ORDER BY text"
    assert catalog.rows(values) == [("Blue", "a Blue", 4), ("Red", "a Red", 5), (value_key("bald"), "bald", 1)]
    later = catalog.index.put_session(session(catalog.folder, "later"))
    catalog.index.put_images(later, [replace(image("later", 0), values={"Hair": ("Red", "bright red")})])
    assert catalog.rows("SELECT text, images FROM value WHERE key='Red'") == [("bright red", 6)]
