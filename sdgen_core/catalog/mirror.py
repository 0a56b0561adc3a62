"""What people said, in the index: judgements of ``user.db`` written into the rows of the images and sessions that they are about.

Everything here is called inside a transaction of the index, and can be done again without harm.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .fields import TAG, VALUE
from .records import KEYS_OF, surest
from .schema import MARK_NUMBER, VERDICT_NUMBER
from .store import chunks, marks
from .user import Event, UserStore

#: Columns of ``image_said`` that are mirrored.
_SAID = ("subject", "mark", "failed", "rating", "note")


class Mirror:
    """Writes what ``user`` says into the index's connection ``db``."""

    def __init__(self, user: UserStore) -> None:
        self._user = user

    def all(self, db: sqlite3.Connection) -> int:
        """Everything anew; gives how many images and sessions something was said about."""
        for statement in _UNSAID:
            db.execute(statement)
        done = 0
        for table, attach in (("image", self.attach_images), ("session", self.attach_sessions)):
            rows = [row for (row,) in db.execute(f"SELECT id FROM {table}")]
            for some in chunks(rows, 5_000):
                keys: dict[int, list[str]] = {row: [] for row in some}
                for row, key in db.execute(
                    f"SELECT {table}, key FROM {table}_key WHERE {table} IN (SELECT value FROM json_each(?))",
                    (json.dumps(some),),
                ):
                    keys[row].append(key)
                done += attach(db, keys)
        return done

    def events(
        self,
        db: sqlite3.Connection,
        events: Sequence[Event],
        subjects: Sequence[int],
        keys: Mapping[int, Sequence[str]],
    ) -> list[int]:
        """Events about ``subjects``, of which those in ``keys`` are looked for by their keys; gives the images."""
        met = self._by_key(db, "image", keys)
        images = {**self._by_subject(db, "image", subjects), **met}
        sessions = {**self._by_subject(db, "session", subjects), **self._by_key(db, "session", keys)}
        fields = {event.field for event in events}
        judged = [field[len(VALUE) :] for field in fields if field.startswith(VALUE)]
        tagged = any(field.startswith(TAG) for field in fields)
        self._mirror_images(db, images, None if fields & _OWN else met, tagged, judged)
        self._mirror_sessions(db, sessions)
        return list(images)

    def keys(self, db: sqlite3.Connection, keys: Mapping[int, Sequence[str]]) -> list[int]:
        """Everything about the images that have one of ``keys`` (subject -> keys); gives them."""
        images = self._by_key(db, "image", keys)
        self._mirror_images(db, images)
        return list(images)

    def unsay(self, db: sqlite3.Connection, images: Sequence[int]) -> None:
        """Take from rows what was said about a file that was there before: the new one has no key of that subject."""
        for some in chunks(images):
            said = f"SELECT image FROM image_said WHERE subject IS NOT NULL AND image IN ({marks(some)})"
            keys: dict[int, list[str]] = {image: [] for (image,) in db.execute(said, some)}
            for image, key in db.execute(f"SELECT image, key FROM image_key WHERE image IN ({marks(some)})", some):
                if image in keys:
                    keys[image].append(key)
            known = self._subjects(keys) if keys else {}
            for image in (image for image in keys if image not in known):
                db.execute("UPDATE image_value SET verdict=0 WHERE image=? AND verdict > 0", (image,))
                db.execute("DELETE FROM image_tag WHERE image=?", (image,))
                db.execute("DELETE FROM image_said WHERE image=?", (image,))

    @staticmethod
    def _by_subject(db: sqlite3.Connection, table: str, subjects: Sequence[int]) -> dict[int, int]:
        """Row of ``table`` -> subject, for rows that are known as one of ``subjects``."""
        known = "SELECT image, subject FROM image_said" if table == "image" else "SELECT id, subject FROM session"
        out: dict[int, int] = {}
        for some in chunks(subjects):
            out.update(db.execute(f"{known} WHERE subject IN ({marks(some)})", some).fetchall())
        return out

    @staticmethod
    def _by_key(db: sqlite3.Connection, table: str, keys: Mapping[int, Sequence[str]]) -> dict[int, int]:
        """Row of ``table`` -> subject, for rows with one of a subject's keys."""
        owner = {key: subject for subject, some in keys.items() for key in some if key[:1] in KEYS_OF[table]}
        sql = f"SELECT key, {table} FROM {table}_key WHERE key IN (SELECT value FROM json_each(?))"
        return {row: owner[key] for key, row in db.execute(sql, (json.dumps(list(owner)),))} if owner else {}

    def attach_images(self, db: sqlite3.Connection, keys: Mapping[int, Sequence[str]]) -> int:
        """Give images what was said about them before they were known, or known by this key. ``keys``: image -> keys."""
        subjects = self._subjects(keys)
        self._mirror_images(db, subjects)
        return len(subjects)

    def attach_sessions(self, db: sqlite3.Connection, keys: Mapping[int, Sequence[str]]) -> int:
        subjects = self._subjects(keys)
        self._mirror_sessions(db, subjects)
        return len(subjects)

    def _subjects(self, keys: Mapping[int, Sequence[str]]) -> dict[int, int]:
        known = self._user.subjects({key for some in keys.values() for key in some})
        out: dict[int, int] = {}
        for row, some in keys.items():
            found = next((known[key] for key in sorted(some, key=surest) if key in known), None)
            if found is not None:
                out[row] = found
        return out

    def _mirror_images(
        self,
        db: sqlite3.Connection,
        subjects: Mapping[int, int],
        own: Collection[int] | None = None,
        tags: bool = True,
        judged: Sequence[str] | None = None,
    ) -> None:
        """Write what ``user.db`` says about images (image -> subject): of ``image_said`` the rows of ``own``, by default all; and of
        verdicts those about the placeholders ``judged``, by default all.
        """
        facts = self._user.facts(set(subjects.values()))
        rows = {}
        for image in sorted(subjects if own is None else own):  # beside each other in the file
            subject = subjects[image]
            said = facts.get(subject, {})
            mark = MARK_NUMBER.get(said.get("mark"), 0)
            rows[image] = (subject, mark, int("failed" in said), int(said.get("rating", 0)), said.get("note"))
        self._write_said(db, rows)
        if tags:
            self._mirror_tags(db, "image", subjects, facts)
        if judged is None or judged:
            self._mirror_verdicts(db, subjects, facts, judged)

    @staticmethod
    def _write_said(db: sqlite3.Connection, rows: Mapping[int, Sequence[Any]]) -> None:
        """Have ``image_said`` say this (image -> ``_SAID``). Of a row that is there only the columns are written that change: indexes and
        triggers cost more than the row.
        """
        known: dict[int, tuple[Any, ...]] = {}
        for some in chunks(rows):
            sql = f"SELECT image, {', '.join(_SAID)} FROM image_said WHERE image IN ({marks(some)})"
            known.update((image, tuple(said)) for image, *said in db.execute(sql, some))
        changes: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for image, said in rows.items():
            if image in known:
                differs = [n for n, (now, before) in enumerate(zip(said, known[image], strict=True)) if now != before]
                if differs:
                    columns = tuple(_SAID[n] for n in differs)
                    changes.setdefault(columns, []).append((*(said[n] for n in differs), image))
        for columns, some_rows in changes.items():
            db.executemany(f"UPDATE image_said SET {'=?, '.join(columns)}=? WHERE image=?", some_rows)
        db.executemany(
            f"INSERT INTO image_said({', '.join(_SAID)}, image, session) SELECT ?1, ?2, ?3, ?4, ?5, id, session FROM image WHERE id=?6",
            [(*said, image) for image, said in rows.items() if image not in known],
        )

    @staticmethod
    def _mirror_verdicts(
        db: sqlite3.Connection,
        subjects: Mapping[int, int],
        facts: Mapping[int, Mapping[str, str]],
        judged: Sequence[str] | None,
    ) -> None:
        rows = db.execute(
            "SELECT value.id, name FROM value JOIN placeholder ON placeholder.id = placeholder"
        ).fetchall()
        fields = {value: VALUE + name for value, name in rows if judged is None or name in judged}
        among = "" if judged is None else f" AND +value IN (SELECT value FROM json_each('{json.dumps(list(fields))}'))"
        changes = []
        for some in chunks(subjects):
            sql = f"SELECT image, value, verdict FROM image_value WHERE image IN ({marks(some)}){among}"
            for image, value, verdict in db.execute(sql, some):
                said = VERDICT_NUMBER.get(facts.get(subjects[image], {}).get(fields[value]), 0)
                if said != verdict:
                    changes.append((said, image, value))
        changes.sort(key=lambda change: change[1:])
        db.executemany("UPDATE image_value SET verdict=? WHERE image=? AND value=?", changes)

    @staticmethod
    def _mirror_tags(
        db: sqlite3.Connection, table: str, subjects: Mapping[int, int], facts: Mapping[int, Mapping[str, str]]
    ) -> None:
        db.executemany(f"DELETE FROM {table}_tag WHERE {table}=?", [(row,) for row in subjects])
        rows = [
            (field[len(TAG) :], row)
            for row, subject in subjects.items()
            for field in facts.get(subject, {})
            if field.startswith(TAG)
        ]
        db.executemany("INSERT OR IGNORE INTO tag(name) VALUES(?)", {(name,) for name, _ in rows})
        db.executemany(f"INSERT OR IGNORE INTO {table}_tag(tag, {table}) SELECT id, ?2 FROM tag WHERE name=?1", rows)

    def _mirror_sessions(self, db: sqlite3.Connection, subjects: Mapping[int, int]) -> None:
        if not subjects:
            return
        facts = self._user.facts(set(subjects.values()))
        rows = []
        for session, subject in subjects.items():
            own = facts.get(subject, {})
            said = (own.get("rating"), "test" in own, own.get("complete"), own.get("note"), own.get("name"))
            rows.append((subject, "favourite" in own, *said, session))
        db.executemany(
            "UPDATE session SET subject=?, favourite=?, rating=?, test=?, complete=?, note=?, title=? WHERE id=?", rows
        )
        self._mirror_tags(db, "session", subjects, facts)


#: The fields that are columns of ``image_said``.
_OWN = {"mark", "failed", "rating", "note"}
#: Forget what another ``user.db`` said.
_UNSAID = (
    "UPDATE image_value SET verdict=0 WHERE verdict > 0",
    "DELETE FROM image_said",
    "UPDATE session SET subject=NULL, favourite=0, rating=NULL, test=0, complete=NULL, note=NULL, title=NULL"
    " WHERE subject IS NOT NULL",
    "DELETE FROM image_tag",
    "DELETE FROM session_tag",
)
