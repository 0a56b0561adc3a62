"""What machines said, in the index: rows of ``scores.db`` written beside the images whose content key they have.

Everything here is called inside a transaction of the index, and can be done again without harm.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from .records import value_key
from .scores import Row, ScoreStore

_THESE = "IN (SELECT value FROM json_each(?))"
_VALUES = f"SELECT image, value FROM image_value WHERE image {_THESE}"
_ASKED = (
    "SELECT image, name, key, text FROM image_value JOIN value ON value.id = image_value.value"
    f" JOIN placeholder ON placeholder.id = value.placeholder WHERE image {_THESE}"
)
_NAMED = f"SELECT value.id, name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder WHERE value.id {_THESE}"
_NOTHING = (-1, 0.0)
#: Forget what another ``scores.db`` said.
_UNSAID = ("DELETE FROM image_machine", "UPDATE image_value SET score=NULL WHERE score IS NOT NULL")


class ScoreMirror:
    """Writes what ``scores`` says into the index's connection ``db``."""

    def __init__(self, scores: ScoreStore) -> None:
        self._scores = scores

    @staticmethod
    def clear(db: sqlite3.Connection) -> list[int]:
        """Nothing was said; gives the images of which something was."""
        known = [image for (image,) in db.execute("SELECT image FROM image_machine")]
        for statement in _UNSAID:
            db.execute(statement)
        return known

    def rows(self, db: sqlite3.Connection, rows: Sequence[Row]) -> list[int]:
        """Write these rows; gives the images that they are about."""
        asked = (json.dumps([row.key for row in rows]),)
        found = db.execute(f"SELECT id, thumb FROM image WHERE thumb {_THESE}", asked).fetchall()
        self._write(db, dict(found), self._scores.rows({row.key for row in rows}))
        return [image for image, _ in found]

    def attach(self, db: sqlite3.Connection, images: Mapping[int, str]) -> None:
        """Give images (image -> content key) what is known of them: they are new here, or their files have changed."""
        self._write(db, images, self._scores.rows(set(images.values())))

    def chosen(
        self, db: sqlite3.Connection, images: Mapping[int, str], rows: Mapping[str, Sequence[Row]]
    ) -> dict[int, Row]:
        """Which row is about each image (image -> content key), of those that something was said about. Where the same content was asked
        for different values: the one with most values of the image, and of these the newest."""
        some = {image: [row for row in rows.get(key, ()) if row.scorer] for image, key in images.items()}
        out = {image: known[-1] for image, known in some.items() if known}
        unclear = {image: known for image, known in some.items() if len(known) > 1}
        if unclear:
            own: dict[int, set[tuple[str, str]]] = {}
            for image, name, key, text in db.execute(_ASKED, (json.dumps(sorted(unclear)),)):
                own.setdefault(image, set()).update([(name, key), (name, value_key(text))])
            told: dict[int, set[tuple[str, str]]] = {}
            for row_id, name, key, *_ in self._scores.values({row.id for known in unclear.values() for row in known}):
                told.setdefault(row_id, set()).add((name, key))
            for image, known in unclear.items():
                mine = own.get(image, set())
                out[image] = max(known, key=lambda row: (len(told.get(row.id, set()) & mine), row.id))
        return out

    def _write(self, db: sqlite3.Connection, images: Mapping[int, str], rows: Mapping[str, Sequence[Row]]) -> None:
        asked = (json.dumps(sorted(images)),)
        if db.execute(f"SELECT 1 FROM image_machine WHERE image {_THESE} LIMIT 1", asked).fetchone():
            db.execute(f"UPDATE image_value SET score=NULL WHERE image {_THESE} AND score IS NOT NULL", asked)
        said = self.chosen(db, images, rows)
        unsaid = (json.dumps([image for image in images if image not in said]),)
        db.execute(f"DELETE FROM image_machine WHERE image {_THESE}", unsaid)
        db.executemany(
            "INSERT INTO image_machine(image, session, class, score, flagged, prompt_score, aesthetic)"
            " SELECT id, session, ?2, ?3, ?4, ?5, ?6 FROM image WHERE id = ?1"
            " ON CONFLICT DO UPDATE SET class=?2, score=?3, flagged=?4, prompt_score=?5, aesthetic=?6",
            [(image, *row[5:]) for image, row in sorted(said.items())],
        )
        self._write_values(db, said)

    def _write_values(self, db: sqlite3.Connection, said: Mapping[int, Row]) -> None:
        """The scores of the values that the images still have. A value of which only the text was known is known by its hash."""
        rows = {image: row.id for image, row in said.items()}
        told = {
            (row, name): (key, probability) for row, name, key, probability in self._scores.told(set(rows.values()))
        }
        if not told:
            return
        pairs = db.execute(_VALUES, (json.dumps(sorted(said)),)).fetchall()
        words = self._words(db, {value for _, value in pairs})
        changes = []
        for image, value in pairs:
            name, *known = words[value]
            key, probability = told.get((rows[image], name), _NOTHING)
            if key in known:
                changes.append((probability, image, value))
        db.executemany("UPDATE image_value SET score=? WHERE image=? AND value=?", changes)

    def _words(self, db: sqlite3.Connection, values: Iterable[int]) -> dict[int, tuple[int, int, int]]:
        """Value -> its placeholder, its key, and the key that its text alone has, as numbers of ``ScoreStore.words``; 0 is none."""
        texts = [
            (value, (name, key, value_key(text)))
            for value, name, key, text in db.execute(_NAMED, (json.dumps(sorted(values)),))
        ]
        numbers = self._scores.words({text for _, some in texts for text in some})
        return {value: (numbers.get(a, 0), numbers.get(b, 0), numbers.get(c, 0)) for value, (a, b, c) in texts}
