"""Answers of the further tiers, kept: a cascade that is killed goes on where it was, and the next one asks only what is new.

One SQLite file in the scoring folder, keyed by the image's content: it may be deleted at any time, and then everything is asked anew.
So it is never an error: a damaged file is put aside, and where nothing can be written the answers are simply not kept.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    image TEXT, question TEXT, model TEXT, probability REAL, basis TEXT NOT NULL, reason TEXT NOT NULL, said TEXT NOT NULL,
    PRIMARY KEY (image, question, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crops (
    image TEXT, kind TEXT, maker TEXT, region TEXT NOT NULL, vector BLOB, PRIMARY KEY (image, kind, maker)
) WITHOUT ROWID;
"""
_PATIENCE = 10.0  # s to wait for another program
_AT_ONCE = 500  # names in one query


@dataclass(frozen=True)
class Said:
    """What a model said about an image: ``probability`` None when it would not say (``reason``). ``basis``: see ``vlm_answers``."""

    probability: float | None
    basis: str
    reason: str
    said: str


@dataclass(frozen=True)
class Crop:
    """The ``region`` that serves a kind of placeholder in an image, and its ``vector`` (width,); "" and None when there is none."""

    region: str
    vector: NDArray[np.float32] | None


class CascadeStore:
    """The file at ``path``; None keeps nothing. Any thread may use it. ``trouble`` says why answers are not kept, when they are not."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self.trouble = ""
        if path is None:
            return
        try:
            self._db = _opened(path)
        except (sqlite3.Error, OSError) as error:
            self.trouble = f"answers are not kept: {path.name}: {error}"

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def said(self, images: Iterable[str], model: str) -> dict[tuple[str, str], Said]:
        """What a model has said about images: (image, question) -> answer."""
        rows = self._rows(
            "SELECT image, question, probability, basis, reason, said FROM answers WHERE model = ?", model, images
        )
        return {(image, question): Said(*rest) for image, question, *rest in rows}

    def say(self, image: str, question: str, model: str, said: Said) -> None:
        """Keep an answer, at once."""
        row = (image, question, model, said.probability, said.basis, said.reason, said.said)
        self._write("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", [row])

    def crops(self, images: Iterable[str], maker: str) -> dict[tuple[str, str], Crop]:
        """What was cut out of images: (image, kind) -> crop. ``maker``: the detector's and the model's identity."""
        import numpy as np

        rows = self._rows("SELECT image, kind, region, vector FROM crops WHERE maker = ?", maker, images)
        return {
            (image, kind): Crop(region, None if vector is None else np.frombuffer(vector, "<f2").astype(np.float32))
            for image, kind, region, vector in rows
        }

    def keep_crops(self, maker: str, crops: Mapping[tuple[str, str], Crop]) -> None:
        """Keep (image, kind) -> crop, all in one write."""
        rows = [
            (image, kind, maker, crop.region, None if crop.vector is None else crop.vector.astype("<f2").tobytes())
            for (image, kind), crop in crops.items()
        ]
        self._write("INSERT OR REPLACE INTO crops VALUES (?, ?, ?, ?, ?)", rows)

    def _rows(self, query: str, first: str, images: Iterable[str]) -> list[Any]:
        out = []
        names = list(dict.fromkeys(images))
        with self._lock:
            for at in range(0, len(names), _AT_ONCE):
                some = names[at : at + _AT_ONCE]
                if self._db is None:
                    break
                try:
                    out += self._db.execute(
                        f"{query} AND image IN ({','.join('?' * len(some))})", (first, *some)
                    ).fetchall()
                except sqlite3.Error as error:
                    self._gone(error)
        return out

    def _write(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._lock:
            if self._db is not None and rows:
                try:
                    with self._db:
                        self._db.executemany(query, rows)
                except sqlite3.Error as error:
                    self._gone(error)

    def _gone(self, error: sqlite3.Error) -> None:
        """Go on without the file."""
        self.trouble = f"answers are not kept: {error}"
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2):
        db = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
        try:
            # The answers of a second are worth little: no waiting for the disk after each of them.
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
            return db
        except sqlite3.Error as error:
            db.close()
            if attempt == 2 or isinstance(
                error, sqlite3.OperationalError
            ):  # that is "locked", "disk full", "read-only"
                raise
            path.replace(path.with_name(f"{path.name}.damaged"))
    raise AssertionError("unreachable")
