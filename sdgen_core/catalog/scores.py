"""``scores.db``: what machines think of images. It can be made again, but that takes hours of a model's time.

It stands beside ``user.db``, whose steps people undo, and ``index.db``, which is deleted and made anew. An image is known by its content
key (``image.thumb`` of the index), which moves with the file and changes with it, and by the values that it was asked for: two files of
the same content may have been asked to show different things. Each holds what was said last; saying it again makes a new row with a
higher number, so that whoever has read up to a number needs only the later rows. Forgetting leaves an empty row.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..sessions.ledger_schema import split_statements
from .score_columns import ImageScores, Scorer, ValueScores, image_rows, probabilities
from .store import Damaged, Steps, Store, insert, put_aside

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("sdgen-scores")

_TABLES = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);  -- placeholders, keys of values, methods
CREATE TABLE scorer(id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE image(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key BLOB NOT NULL UNIQUE,
  scorer INTEGER,                    -- NULL: what was said is forgotten
  at INTEGER NOT NULL,               -- Unix milliseconds
  class INTEGER NOT NULL DEFAULT 0, score REAL, flagged INTEGER NOT NULL DEFAULT 0, prompt_score REAL, aesthetic REAL
);
CREATE TABLE value(
  image INTEGER NOT NULL, placeholder INTEGER NOT NULL, value INTEGER NOT NULL,
  probability REAL,                  -- NULL: it cannot be said
  calibrated INTEGER NOT NULL, method INTEGER NOT NULL,
  PRIMARY KEY(image, placeholder)
) WITHOUT ROWID;
CREATE TABLE calibration(
  scorer INTEGER NOT NULL, placeholder INTEGER NOT NULL, at INTEGER NOT NULL, said TEXT NOT NULL,  -- JSON
  PRIMARY KEY(scorer, placeholder)
) WITHOUT ROWID;
"""


@migrations()
def m001_images_values_and_calibrations(db: Database) -> None:
    for statement in split_statements(_TABLES):
        db.conn.execute(statement)
    db.conn.execute("INSERT INTO meta VALUES('id', ?)", (secrets.token_hex(8),))


_IMAGES = """
CREATE TABLE image_anew(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key BLOB NOT NULL,
  asked BLOB NOT NULL,               -- see ``asked_for``
  scorer INTEGER,                    -- NULL: what was said is forgotten
  at INTEGER NOT NULL,               -- Unix milliseconds
  class INTEGER NOT NULL DEFAULT 0, score REAL, flagged INTEGER NOT NULL DEFAULT 0, prompt_score REAL, aesthetic REAL,
  UNIQUE(key, asked)
);
INSERT INTO image_anew SELECT id, key, asked_of(id), scorer, at, class, score, flagged, prompt_score, aesthetic FROM image;
DROP TABLE image;
ALTER TABLE image_anew RENAME TO image;
"""


@migrations()
def m002_one_content_asked_for_different_values(db: Database) -> None:
    last = db.conn.execute("SELECT seq FROM sqlite_sequence WHERE name='image'").fetchone()
    values: dict[int, dict[str, str]] = {}
    for image, name, key in db.conn.execute(
        "SELECT image, p.text, v.text FROM value JOIN word AS p ON p.id = placeholder JOIN word AS v ON v.id = value"
    ):
        values.setdefault(image, {})[name] = key
    db.conn.create_function("asked_of", 1, lambda image: asked_for(values.get(image, {})))
    for statement in split_statements(_IMAGES):
        db.conn.execute(statement)
    if last is not None:  # numbers are never given twice
        db.conn.execute("DELETE FROM sqlite_sequence WHERE name='image'")
        db.conn.execute("INSERT INTO sqlite_sequence(name, seq) VALUES('image', ?)", last)


def asked_for(values: Mapping[str, str]) -> bytes:
    """What tells images of the same content apart: a hash of placeholder -> key of the value; nothing for no values."""
    if not values:
        return b""
    text = "\0".join(f"{name}\0{key}" for name, key in sorted(values.items()))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class Row(NamedTuple):
    """A row of ``image``; ``scorer`` is None when what was said is forgotten, ``at`` in Unix milliseconds; ``asked``: see ``asked_for``."""

    id: int
    key: str
    asked: bytes
    scorer: int | None
    at: int
    class_: int
    score: float | None
    flagged: int
    prompt_score: float | None
    aesthetic: float | None


_ROW = "SELECT id, lower(hex(key)), asked, scorer, at, class, score, flagged, prompt_score, aesthetic FROM image"
_THESE = "IN (SELECT value FROM json_each(?))"


class ScoreStore:
    """The scores in ``path``.

    A file that is damaged is put aside and an empty one takes its place; ``lost`` says so in words. Raises what
    ``store.clear_errors`` raises.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost: str | None = None
        try:
            self.store = self._open()
        except Damaged as error:
            aside = put_aside(path)
            self.lost = f"{path.name} was damaged ({error}) and is kept as {aside.name}; images have to be scored again"
            self.store = self._open()
        self.id: str = self.store.value("SELECT value FROM meta WHERE name='id'")

    def _open(self) -> Store:
        store = Store(self.path, migrations, durable=True)
        try:
            store.check("SELECT count(*) FROM scorer")
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    # ---- writing ---------------------------------------------------------------------------------------------------------

    def put(self, scorer: Scorer, said: ImageScores, among: Iterable[str] | None = None) -> int:
        """Write what is ``said`` down in one transaction, in place of what was known; gives of how many images.

        ``among``: keys; what is said about others is left out. Raises ``ValueError`` for columns that do not fit, and for a class or
        a number that is none.
        """
        images = image_rows(said)
        wanted = None if among is None else set(among)
        asked = [
            {name: key for name, one in said.values.items() if (key := one.values[n]) is not None}
            for n in range(len(said.keys))
        ]
        places = {(key, asked_for(asked[n])): n for n, key in enumerate(said.keys) if wanted is None or key in wanted}
        with self.store.write() as db:
            number = self._scorer(db, scorer)
            first = self._replace(db, self._same(db, {image: asked[n] for image, n in places.items()}))
            ids = {n: first + at for at, n in enumerate(places.values())}
            now = time.time_ns() // 1_000_000
            rows = ((ids[n], bytes.fromhex(key), of, number, now, *images[n]) for (key, of), n in places.items())
            into = "INTO image(id, key, asked, scorer, at, class, score, flagged, prompt_score, aesthetic)"
            insert(db, into, rows)
            self._put_values(db, said.values, ids)
        return len(places)

    def forget(self, keys: Iterable[str]) -> int:
        """Forget what was said about images; gives about how many something was."""
        with self.store.write() as db:
            known = [key for key, some in self._rows(db, keys).items() if any(row.scorer is not None for row in some)]
            those = [row.id for some in self._rows(db, known).values() for row in some]
            first, now = self._replace(db, those), time.time_ns() // 1_000_000
            rows = ((first + n, bytes.fromhex(key), b"", now) for n, key in enumerate(known))
            insert(db, "INTO image(id, key, asked, at)", rows)
        return len(known)

    def _same(self, db: sqlite3.Connection, images: Mapping[tuple[str, bytes], Mapping[str, str]]) -> list[int]:
        """The rows that are about these images, (key, ``asked_for``) -> values: asked for the same, or for some of it, or for more."""
        mine: dict[str, list[Mapping[str, str]]] = {}
        for (key, _), values in images.items():
            mine.setdefault(key, []).append(values)
        rows = [row for some in self._rows(db, mine).values() for row in some]
        out = [row.id for row in rows if row.scorer is None or (row.key, row.asked) in images]
        clear = set(out)
        others = {row.id: row.key for row in rows if row.id not in clear}
        told: dict[int, set[tuple[str, str]]] = {}
        for row_id, name, key, *_ in self.values(others) if others else ():
            told.setdefault(row_id, set()).add((name, key))
        for row_id, known in told.items():
            for own in (set(one.items()) for one in mine[others[row_id]]):
                if own and (own <= known or known <= own):
                    out.append(row_id)
                    break
        return out

    @staticmethod
    def _replace(db: sqlite3.Connection, rows: Iterable[int]) -> int:
        """Take rows away; gives the number for the first of the new ones, above all that ever were."""
        gone = (json.dumps(list(rows)),)
        db.execute(f"DELETE FROM value WHERE image {_THESE}", gone)
        db.execute(f"DELETE FROM image WHERE id {_THESE}", gone)
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='image'").fetchone()
        return 1 + (int(row[0]) if row else 0)

    @staticmethod
    def _scorer(db: sqlite3.Connection, scorer: Scorer) -> int:
        put = "INSERT INTO scorer(identity, name) VALUES(?,?) ON CONFLICT DO UPDATE SET name=excluded.name"
        db.execute(put, scorer)
        (number,) = db.execute("SELECT id FROM scorer WHERE identity=?", (scorer.identity,)).fetchone()
        return int(number)

    @staticmethod
    def _numbered(db: sqlite3.Connection, texts: Iterable[str]) -> dict[str, int]:
        """Text -> its number; those that are new get one."""
        asked = (json.dumps(list(dict.fromkeys(texts))),)
        db.execute("INSERT OR IGNORE INTO word(text) SELECT value FROM json_each(?)", asked)
        return dict(db.execute(f"SELECT text, id FROM word WHERE text {_THESE}", asked).fetchall())

    def _put_values(self, db: sqlite3.Connection, values: Mapping[str, ValueScores], ids: Mapping[int, int]) -> None:
        """``ids``: place in the columns -> number of the image's row."""
        texts = {*values}
        for one in values.values():
            texts.update(key for key in one.values if key is not None)
            texts.update([one.methods] if isinstance(one.methods, str) else one.methods)
        words = self._numbered(db, texts)
        rows: list[tuple[int, int, int, float | None, bool, int]] = []
        for name, one in values.items():
            every = (
                repeat(words[name]),
                [-1 if key is None else words[key] for key in one.values],
                probabilities(one.probabilities),
            )
            sure = repeat(one.calibrated) if isinstance(one.calibrated, bool) else map(bool, one.calibrated)
            how = repeat(words[one.methods]) if isinstance(one.methods, str) else [words[text] for text in one.methods]
            images = map(ids.get, range(len(one.values)))
            rows += [row for row in zip(images, *every, sure, how, strict=False) if row[0] is not None and row[2] != -1]
        rows.sort()  # as they stand in the file
        insert(db, "INTO value(image, placeholder, value, probability, calibrated, method)", rows)

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def last(self) -> int:
        """The number of the last row that was ever written; 0 when there was none."""
        return int(self.store.value("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='image'") or 0)

    def after(self, number: int, limit: int) -> list[Row]:
        """The rows with higher numbers, the lowest first."""
        return [Row(*row) for row in self.store.rows(f"{_ROW} WHERE id > ? ORDER BY id LIMIT ?", (number, limit))]

    def rows(self, keys: Iterable[str]) -> dict[str, list[Row]]:
        """Key -> rows, the newest last, of those that there are."""
        return self._rows(self.store.reader(), keys)

    @staticmethod
    def _rows(db: sqlite3.Connection, keys: Iterable[str]) -> dict[str, list[Row]]:
        out: dict[str, list[Row]] = {}
        wanted = [bytes.fromhex(key) for key in keys]
        for at in range(0, len(wanted), 500):
            some = wanted[at : at + 500]
            sql = f"{_ROW} WHERE key IN ({','.join('?' * len(some))}) ORDER BY id"
            for row in db.execute(sql, some):
                out.setdefault(row[1], []).append(Row(*row))
        return out

    def values(self, images: Iterable[int]) -> list[tuple[int, str, str, float | None, bool, str]]:
        """(row of the image, placeholder, key of the value, probability, calibrated, method) of what is said about values."""
        sql = f"SELECT image, placeholder, value, probability, calibrated, method FROM value WHERE image {_THESE}"
        found = self.store.rows(sql, (json.dumps(list(images)),))
        asked = json.dumps(sorted({number for row in found for number in (row[1], row[2], row[5])}))
        words = dict(self.store.rows(f"SELECT id, text FROM word WHERE id {_THESE}", (asked,)))
        return [(i, words[p], words[v], told, bool(sure), words[how]) for i, p, v, told, sure, how in found]

    def told(self, images: Iterable[int]) -> list[tuple[int, int, int, float]]:
        """(row of the image, placeholder, key of the value, probability) where there is one; texts as the numbers of ``words``."""
        sql = (
            f"SELECT image, placeholder, value, probability FROM value WHERE image {_THESE} AND probability IS NOT NULL"
        )
        return self.store.rows(sql, (json.dumps(list(images)),))

    def words(self, texts: Iterable[str]) -> dict[str, int]:
        """Text -> its number, of those that there are."""
        return dict(self.store.rows(f"SELECT text, id FROM word WHERE text {_THESE}", (json.dumps(list(texts)),)))

    def scorers(self) -> dict[int, Scorer]:
        """Number -> scorer."""
        return {number: Scorer(*who) for number, *who in self.store.rows("SELECT id, identity, name FROM scorer")}

    # ---- calibrations ----------------------------------------------------------------------------------------------------

    def calibrations(self, identity: str) -> dict[str, dict[str, Any]]:
        """Placeholder -> its calibration, as it was kept for the scorer with this identity."""
        sql = (
            "SELECT text, said FROM calibration JOIN scorer ON scorer.id = scorer JOIN word ON word.id = placeholder"
            " WHERE identity=? ORDER BY text"
        )
        return {name: json.loads(said) for name, said in self.store.rows(sql, (identity,))}

    def save_calibration(self, scorer: Scorer, placeholder: str, said: Mapping[str, Any] | None) -> None:
        """Keep a calibration (anything that JSON can hold) in place of the one before; None forgets it."""
        text = None if said is None else json.dumps(said, ensure_ascii=False, allow_nan=False)
        with self.store.write() as db:
            where = (self._scorer(db, scorer), self._numbered(db, [placeholder])[placeholder])
            db.execute("DELETE FROM calibration WHERE scorer=? AND placeholder=?", where)
            if text is not None:
                now = time.time_ns() // 1_000_000
                db.execute("INSERT INTO calibration VALUES(?,?,?,?)", (*where, now, text))
