"""The predecessor's ``metadata/sessions.db``: what its users said about sessions becomes judgements here, once and as one step.

Only its table ``session_metadata`` is of interest (the rest is a cache): ``session_id`` (the folder's name), ``session_path``, ``is_test``,
``is_complete`` (1 unless somebody said otherwise), ``is_favorite``, ``user_rating`` (like, dislike), ``user_note``, ``tags`` (JSON list).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ..fields import MOST_TEXT, SESSION_RATINGS, check, tag_field
from ..index import Index
from ..user import Change, Step
from .settings import clean

PLACE = Path("metadata") / "sessions.db"
_COLUMNS = ("session_id", "session_path", "is_test", "is_complete", "is_favorite", "user_rating", "user_note", "tags")
_TRIES = 3


@dataclass
class Imported:
    """``step`` can be undone; None when there was nothing new. ``sessions`` rows were read; ``problems`` in words."""

    step: Step | None = None
    sessions: int = 0
    problems: list[str] = field(default_factory=list)


def find_databases(roots: Sequence[Path]) -> list[Path]:
    """The files of this kind beside the roots, or in them."""
    places = [place / PLACE for root in roots for place in (root.resolve().parent, root.resolve())]
    return list(dict.fromkeys(path for path in places if path.is_file()))


def import_judgements(index: Index, path: Path) -> Imported:
    """Take over what is said in ``path``. Whatever was ever said here about the same, and be it that it was cleared, stays.

    The file is copied before it is read: opening it, even for reading, would leave files beside it. Raises ``missing-file``,
    ``unreadable-file``, ``not-a-predecessor-db``.
    """
    done = Imported()
    changes: list[Change] = []
    for row in _rows(path, done.problems):
        folder = clean(row["session_id"]) if isinstance(row["session_id"], str) else None
        if not folder:
            done.problems.append("a row without a session's name is left out")
            continue
        done.sessions += 1
        keys = _keys(index, folder, row["session_path"])
        for name, value in _facts(row, folder, done.problems):
            check("session", name, value)
            changes.append(Change("session", keys, name, value))
    wanted = _unsaid(index, changes)
    if wanted:
        done.step = index.user.change(wanted, f"Judgements of {path.name}")
    if done.step is not None:
        index.apply(done.step.events)
    return done


# ---- reading the file ----------------------------------------------------------------------------------------------------


def _rows(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    try:
        with _copied(path) as db:
            have = {row[1] for row in db.execute("PRAGMA table_info(session_metadata)")}
            if "session_id" not in have:
                raise SDGenError("not-a-predecessor-db", f"{shown(path)} has no table of what was said about sessions")
            if lacking := [name for name in _COLUMNS if name not in have]:
                problems.append(f"{path.name} has no column {', '.join(lacking)}")
            names = [name for name in _COLUMNS if name in have]
            rows = db.execute(f"SELECT {', '.join(names)} FROM session_metadata ORDER BY session_id").fetchall()
    except sqlite3.Error as error:
        raise SDGenError("not-a-predecessor-db", f"{shown(path)} cannot be read: {error}") from error
    return [{**dict.fromkeys(_COLUMNS), **dict(zip(names, row, strict=True))} for row in rows]


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of the file and its log. A copy taken in the middle of a change is taken again."""
    with tempfile.TemporaryDirectory(prefix="sdgen-") as folder:
        copy = Path(folder) / "copy.db"
        for tried in range(1, _TRIES + 1):
            try:
                shutil.copyfile(path, copy)
                for ending in ("-wal", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
            except FileNotFoundError as error:
                raise SDGenError("missing-file", f"There is no file {shown(path)}.") from error
            except OSError as error:
                message = f"Cannot read {shown(path)}: {error.strerror or error}."
                raise SDGenError("unreadable-file", message) from error
            db = sqlite3.connect(copy)
            try:
                db.text_factory = lambda data: data.decode("utf-8", "replace")
                if tried == _TRIES or _is_whole(db):
                    yield db
                    return
            finally:
                db.close()


def _is_whole(db: sqlite3.Connection) -> bool:
    try:
        return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False


# ---- what it says --------------------------------------------------------------------------------------------------------


def _facts(row: dict[str, Any], folder: str, problems: list[str]) -> Iterator[tuple[str, str]]:
    if row["is_favorite"] in (1, True):
        yield "favourite", "yes"
    if row["is_test"] in (1, True):
        yield "test", "yes"
    if row["is_complete"] == 0:
        yield "complete", "no"
    rating = row["user_rating"]
    if rating in SESSION_RATINGS:
        yield "rating", rating
    elif rating not in (None, ""):
        problems.append(f"{folder}: {rating!r} is no rating")
    note = clean(row["user_note"]) if isinstance(row["user_note"], str) else None
    if note and note.strip():
        yield "note", note[:MOST_TEXT]
    for tag in _tags(row["tags"], folder, problems):
        yield tag, "yes"


def _tags(text: object, folder: str, problems: list[str]) -> list[str]:
    """The fields of the tags: a JSON list, or by hand words with commas."""
    if not isinstance(text, str) or not text.strip():
        return []
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = text.split(",")
    fields: dict[str, str] = {}
    for tag in listed if isinstance(listed, list) else ():
        if not isinstance(tag, str) or not tag.strip():
            continue
        for part in filter(str.strip, (clean(tag) or "").split(",")):  # a comma separates tags here
            try:
                fields.setdefault(tag_field(part).casefold(), tag_field(part))
            except SDGenError:
                problems.append(f"{folder}: {part!r} is no tag")
    return list(fields.values())


def _keys(index: Index, folder: str, path: object) -> tuple[str, ...]:
    """The keys of the session, the surest first: all of them when it was imported, else its folder's name."""
    name = f"d:{folder}"
    rows = index.store.rows(
        "SELECT session.id, folder FROM session_key JOIN session ON session.id = session WHERE key=?", (name,)
    )
    told = [row for row in rows if isinstance(path, str) and shown(row[1]) == shown(path)]
    for session, _ in told or rows[:1]:
        keys = [key for (key,) in index.store.rows("SELECT key FROM session_key WHERE session=?", (session,))]
        return tuple(sorted(keys, key=lambda key: ("imd".find(key[0]), key != name)))
    return (name,)


def _unsaid(index: Index, changes: Sequence[Change]) -> list[Change]:
    """The changes of fields about which nothing was ever said here."""
    subjects = index.user.subjects({key for change in changes for key in change.keys})
    wanted = set(subjects.values())
    said: set[tuple[int, str]] = set()
    last = 0
    while wanted and (events := index.user.events_after(last)):
        said.update((event.subject, event.field) for event in events if event.subject in wanted)
        last = events[-1].id
    return [
        change
        for change in changes
        if not any((subjects[key], change.field) in said for key in change.keys if key in subjects)
    ]
