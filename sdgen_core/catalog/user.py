"""``user.db``: what people think of their images and sessions. The one file of the catalog that cannot be made again.

A *subject* is what a judgement is about: an image, a session or a saved query, known by any of its *keys* (see ``keys``), so that
moved, renamed and re-encoded files keep their judgements. A *fact* is one field of a subject, such as ``mark`` = ``favourite``.
Every change is an *event* in a *batch*; undoing appends the opposite events, so that the log is the whole history and whoever has
read it up to an event needs only the later ones.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import SDGenError, shown
from .fields import check
from .store import Damaged, Steps, Store, chunks, clear_errors, insert, marks, put_aside

if TYPE_CHECKING:
    from sqlite_utils import Database

BACKUPS = 7

migrations = Steps("sdgen-user")


@migrations()
def m001_subjects_facts_and_events(db: Database) -> None:
    for statement in (
        "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE subject(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL)",
        "CREATE TABLE alias(key TEXT PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subject(id)) WITHOUT ROWID",
        "CREATE INDEX alias_subject ON alias(subject)",
        "CREATE TABLE fact(subject INTEGER NOT NULL REFERENCES subject(id), field TEXT NOT NULL, value TEXT NOT NULL,"
        " event INTEGER NOT NULL, PRIMARY KEY(subject, field)) WITHOUT ROWID",
        "CREATE TABLE batch(id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " kind TEXT NOT NULL CHECK(kind IN ('change','undo','redo')),"
        " state TEXT NOT NULL CHECK(state IN ('done','undone','dead')), label TEXT NOT NULL, at REAL NOT NULL)",
        "CREATE INDEX batch_undo ON batch(state, id) WHERE kind='change'",
        "CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, batch INTEGER NOT NULL REFERENCES batch(id),"
        " subject INTEGER NOT NULL REFERENCES subject(id), field TEXT NOT NULL, old TEXT, new TEXT, at REAL NOT NULL)",
        "CREATE INDEX event_batch ON event(batch)",
    ):
        db.conn.execute(statement)
    db.conn.execute("INSERT INTO meta VALUES('id', ?)", (secrets.token_hex(8),))


@migrations()
def m002_who_said_so(db: Database) -> None:
    db.conn.execute("ALTER TABLE batch ADD COLUMN who TEXT")  # NULL: a person


class Change(NamedTuple):
    """Set ``field`` of the subject with ``keys`` (the first is the surest) to ``value``; None clears it.

    ``at`` is when somebody said so, in Unix time; now, unless it was said elsewhere.
    """

    kind: str
    keys: tuple[str, ...]
    field: str
    value: str | None
    at: float | None = None


class Event(NamedTuple):
    """One field that changed from ``old`` to ``new`` (None: no such fact), at Unix time ``at``."""

    id: int
    batch: int
    subject: int
    field: str
    old: str | None
    new: str | None
    at: float


@dataclass(frozen=True)
class Step:
    """What an undoable step did: its batch, what it was called, and its events; ``learnt`` are the new keys of subjects."""

    batch: int
    label: str
    events: tuple[Event, ...]
    learnt: Mapping[int, Sequence[str]] = field(default_factory=dict)


class UserStore:
    """The judgements in ``path``.

    A file that is damaged is put aside and the newest backup takes its place; ``restored`` says so in words. Raises
    ``catalog-damaged`` when there is none, and what ``store.clear_errors`` raises.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restored: str | None = None
        try:
            self._store = self._open()
        except Damaged as error:
            self._restore(error)
            self._store = self._open()
        self.id: str = self._store.value("SELECT value FROM meta WHERE name='id'")
        #: The id of the file whose copy this is; None when no file was ever damaged.
        self.before: str | None = self._store.value("SELECT value FROM meta WHERE name='before'")
        self._back_up()

    def _open(self) -> Store:
        store = Store(self.path, migrations, durable=True)
        try:
            found = store.check("PRAGMA quick_check(1)")
            if found != "ok":
                raise Damaged(str(found))
        except BaseException:
            store.close()
            raise
        return store

    # ---- backups ---------------------------------------------------------------------------------------------------------

    def backups(self) -> list[Path]:
        """Copies of the file, newest first."""
        return sorted(self.path.parent.glob(f"{self.path.stem}.????-??-??.backup"), reverse=True)

    def _back_up(self) -> None:
        """One copy a day on which there is something to copy, the last ``BACKUPS`` of them."""
        target = self.path.with_name(f"{self.path.stem}.{datetime.now():%Y-%m-%d}.backup")
        if target.exists() or not self._store.value("SELECT 1 FROM event LIMIT 1"):
            return
        part = target.with_suffix(".part")
        with clear_errors(self.path):
            part.unlink(missing_ok=True)
            copy = sqlite3.connect(part)
            try:
                self._store.reader().backup(copy)
            finally:
                copy.close()
            part.replace(target)
        for old in self.backups()[BACKUPS:]:
            old.unlink(missing_ok=True)

    def _restore(self, error: Exception) -> None:
        copies = self.backups()
        if not copies:
            raise SDGenError("catalog-damaged", f"{shown(self.path)} is damaged: {error}") from error
        aside = put_aside(self.path)
        self.path.write_bytes(copies[0].read_bytes())
        with (
            contextlib.closing(sqlite3.connect(self.path)) as db,
            db,
        ):  # another history: whoever mirrored the old one begins anew
            db.execute("INSERT OR REPLACE INTO meta SELECT 'before', value FROM meta WHERE name='id'")
            db.execute("UPDATE meta SET value=? WHERE name='id'", (secrets.token_hex(8),))
        self.restored = (
            f"{self.path.name} was damaged and is kept as {aside.name}; the copy {copies[0].name} took its place"
        )

    # ---- changing --------------------------------------------------------------------------------------------------------

    def change(
        self, changes: Iterable[Change], label: str, *, undoable: bool = True, who: str | None = None
    ) -> Step | None:
        """Do ``changes`` as one undoable step; None when nothing is different afterwards. What was undone cannot be redone then.

        What is not ``undoable`` stays when earlier steps are undone. ``who`` says so, if it is no person.

        Raises ``bad-judgement`` for an unknown field or value, and then nothing is changed.
        """
        wanted = list(changes)
        for said in dict.fromkeys((change.kind, change.field, change.value) for change in wanted):
            check(*said)
        with self._store.write() as db:
            subjects, made, learnt = self._subjects(db, wanted)
            facts = [(subjects[c.keys[0]], c.field, c.value) for c in wanted]
            times = {(subjects[c.keys[0]], c.field): c.at for c in wanted if c.at is not None}
            different = self._different(db, facts, times)
            # Only what something is said about: whoever mirrors the step would not hear of others, and take them for known later.
            about = {row[0] for row in different}
            learnt = [row for row in learnt if row[1] in about]
            insert(db, "INTO subject(id, kind)", (row for row in made if row[0] in about))
            insert(db, "OR IGNORE INTO alias(key, subject)", sorted(learnt))
            step = self._append(db, "change", label, different, times, who)
            if step is not None:
                db.execute(
                    "UPDATE batch SET state='dead' WHERE kind='change' AND state='undone' AND id < ?", (step.batch,)
                )
                if not undoable:
                    db.execute("UPDATE batch SET state='dead' WHERE id=?", (step.batch,))
        new_keys: dict[int, list[str]] = {}
        for key, subject in learnt:
            new_keys.setdefault(subject, []).append(key)
        return None if step is None else replace(step, learnt=new_keys)

    def undo(self) -> Step | None:
        """Take the last step back that was not; None when there is none."""
        return self._turn("undo", "SELECT max(id) FROM batch WHERE kind='change' AND state='done'", "undone")

    def redo(self) -> Step | None:
        """Do the step again that was taken back last; None when there is none, or something was changed since."""
        return self._turn("redo", "SELECT min(id) FROM batch WHERE kind='change' AND state='undone'", "done")

    def _turn(self, kind: str, which: str, state: str) -> Step | None:
        with self._store.write() as db:
            (batch,) = db.execute(which).fetchone()
            if batch is None:
                return None
            label, who = db.execute("SELECT label, who FROM batch WHERE id=?", (batch,)).fetchone()
            column, order = ("old", "DESC") if kind == "undo" else ("new", "ASC")
            facts = db.execute(
                f"SELECT subject, field, {column} FROM event WHERE batch=? ORDER BY id {order}", (batch,)
            ).fetchall()
            step = self._append(db, kind, label, self._different(db, facts), who=who)
            db.execute("UPDATE batch SET state=? WHERE id=?", (state, batch))
        return step or Step(batch, label, ())

    def can(self) -> tuple[str | None, str | None]:
        """What the next undo and the next redo would be, by their labels."""
        undo = "SELECT label FROM batch WHERE kind='change' AND state='done' ORDER BY id DESC LIMIT 1"
        redo = "SELECT label FROM batch WHERE kind='change' AND state='undone' ORDER BY id LIMIT 1"
        return self._store.value(undo), self._store.value(redo)

    def history(self, limit: int) -> list[tuple[str, str, float]]:
        """The last steps that can be taken back (``done``) or done again (``undone``), the newest first: label, state, Unix time."""
        sql = "SELECT label, state, at FROM batch WHERE kind='change' AND state IN ('done', 'undone') ORDER BY id DESC LIMIT ?"
        return [(label, state, at) for label, state, at in self._store.rows(sql, (limit,))]

    def version(self) -> str:
        """See ``Store.version``."""
        return self._store.version()

    def _different(
        self,
        db: sqlite3.Connection,
        facts: Sequence[tuple[int, str, str | None]],
        said: Collection[tuple[int, str]] = (),
    ) -> list[tuple[int, str, str | None, str | None]]:
        """(subject, field, old, new) of what is not so already; the last of several about one field counts.

        What was ``said`` elsewhere is an event even if it changes nothing: when it was said counts against what comes later.
        """
        wanted = {(subject, field): value for subject, field, value in facts}
        have: dict[tuple[int, str], str] = {}
        for some in chunks(dict.fromkeys(subject for subject, _ in wanted)):
            sql = f"SELECT subject, field, value FROM fact WHERE subject IN ({marks(some)})"
            have.update(((subject, name), value) for subject, name, value in db.execute(sql, some))
        return [(*fact, have.get(fact), new) for fact, new in wanted.items() if have.get(fact) != new or fact in said]

    def _append(
        self,
        db: sqlite3.Connection,
        kind: str,
        label: str,
        changed: Sequence[tuple[int, str, str | None, str | None]],
        times: Mapping[tuple[int, str], float] | None = None,
        who: str | None = None,
    ) -> Step | None:
        if not changed:
            return None
        now = time.time()
        batch = db.execute(
            "INSERT INTO batch(kind, state, label, at, who) VALUES(?,?,?,?,?)", (kind, "done", label, now, who)
        ).lastrowid
        assert batch is not None
        events = tuple(
            Event(n, batch, *row, times.get(row[:2], now) if times else now)
            for n, row in enumerate(changed, _last(db, "event") + 1)
        )
        insert(db, "INTO event(id, batch, subject, field, old, new, at)", events)
        db.executemany(
            "DELETE FROM fact WHERE subject=? AND field=?", [(e.subject, e.field) for e in events if e.new is None]
        )
        facts = ((e.subject, e.field, e.new, e.id) for e in events if e.new is not None)
        insert(db, "OR REPLACE INTO fact(subject, field, value, event)", facts)
        return Step(batch, label, events)

    # ---- subjects --------------------------------------------------------------------------------------------------------

    def _subjects(
        self, db: sqlite3.Connection, changes: Sequence[Change]
    ) -> tuple[dict[str, int], list[tuple[int, str]], list[tuple[str, int]]]:
        """First key -> subject, of every change; the subjects among them that there are not yet, with their kinds; and the keys that are
        new, with their subjects."""
        wanted = {change.keys[0]: change for change in changes}
        known = self._known(db, {key for change in wanted.values() for key in change.keys})
        out: dict[str, int] = {}
        learnt: list[tuple[str, int]] = []
        made: list[tuple[int, str]] = []
        top = _last(db, "subject")
        for first, change in wanted.items():
            subject = next((known[key] for key in change.keys if key in known), None)
            if subject is None:
                subject = top = top + 1
                made.append((subject, change.kind))
            for key in change.keys:
                if key not in known:
                    known[key] = subject
                    learnt.append((key, subject))
            out[first] = subject
        return out, made, learnt

    @staticmethod
    def _known(db: sqlite3.Connection, keys: Iterable[str]) -> dict[str, int]:
        out: dict[str, int] = {}
        for some in chunks(keys):
            out.update(db.execute(f"SELECT key, subject FROM alias WHERE key IN ({marks(some)})", some).fetchall())
        return out

    def learn(self, keys: Sequence[tuple[str, str]]) -> list[int]:
        """Note that what has the first key of a pair has the second one too: a file's hash is known only later.

        Gives the subjects that have a new key.
        """
        with self._store.write() as db:
            known = self._known(db, (key for pair in keys for key in pair))
            rows = [(more, known[key]) for key, more in keys if key in known and more not in known]
            db.executemany("INSERT OR IGNORE INTO alias(key, subject) VALUES(?,?)", rows)
        return [subject for _, subject in rows]

    def named(self, prefix: str, field: str) -> list[tuple[str, str]]:
        """(key without ``prefix``, value of ``field``) of the subjects whose keys begin with ``prefix``."""
        sql = (
            "SELECT substr(key, ?1 + 1), value FROM alias JOIN fact ON fact.subject = alias.subject"
            " WHERE substr(key, 1, ?1) = ?2 AND field = ?3"
        )
        return self._store.rows(sql, (len(prefix), prefix, field))

    def subjects(self, keys: Iterable[str]) -> dict[str, int]:
        """Key -> subject of those keys that are known."""
        with clear_errors(self.path):
            return self._known(self._store.reader(), keys)

    def has_judgements(self) -> bool:
        """Whether anything was ever judged."""
        return bool(self._store.value("SELECT 1 FROM alias LIMIT 1"))

    def keys_of(self, subjects: Iterable[int]) -> dict[int, list[str]]:
        """Subject -> its keys."""
        out: dict[int, list[str]] = {}
        for some in chunks(subjects):
            for key, subject in self._store.rows(
                f"SELECT key, subject FROM alias WHERE subject IN ({marks(some)})", some
            ):
                out.setdefault(subject, []).append(key)
        return out

    def facts(self, subjects: Iterable[int]) -> dict[int, dict[str, str]]:
        """Subject -> field -> value."""
        out: dict[int, dict[str, str]] = {}
        for some in chunks(subjects):
            sql = f"SELECT subject, field, value FROM fact WHERE subject IN ({marks(some)})"
            for subject, name, value in self._store.rows(sql, some):
                out.setdefault(subject, {})[name] = value
        return out

    def who_said(self, subjects: Iterable[int], field: str) -> dict[int, str]:
        """Subject -> who said what it has in ``field``, where that is no person."""
        out: dict[int, str] = {}
        for some in chunks(subjects):
            sql = (
                "SELECT fact.subject, who FROM fact JOIN event ON event.id = fact.event JOIN batch ON batch.id = event.batch"
                f" WHERE who IS NOT NULL AND fact.field = ? AND fact.subject IN ({marks(some)})"
            )
            out.update(self._store.rows(sql, (field, *some)))
        return out

    # ---- reading the log -------------------------------------------------------------------------------------------------

    def events_after(self, event: int, limit: int = 10_000) -> list[Event]:
        """Events later than number ``event``, oldest first, ``limit`` at most."""
        sql = "SELECT id, batch, subject, field, old, new, at FROM event WHERE id > ? ORDER BY id LIMIT ?"
        return [Event(*row) for row in self._store.rows(sql, (event, limit))]

    def last_said(self) -> Iterator[tuple[int, str, str, str | None, float]]:
        """(subject, kind, field, value, when) of what was said last about each field of each subject, also that it was cleared."""
        sql = (
            "SELECT event.subject, kind, field, new, at FROM event JOIN subject ON subject.id = event.subject"
            " WHERE event.id IN (SELECT max(id) FROM event GROUP BY subject, field) ORDER BY event.id"
        )
        yield from self._store.rows(sql)

    def last_event(self) -> int:
        """The number of the last event; 0 when there is none."""
        return int(self._store.value("SELECT coalesce(max(id), 0) FROM event"))

    def close(self) -> None:
        """Close the file."""
        self._store.close()


def _last(db: sqlite3.Connection, table: str) -> int:
    """The highest number that a table ever had."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name=?", (table,)).fetchone()
    return int(row[0]) if row else 0
