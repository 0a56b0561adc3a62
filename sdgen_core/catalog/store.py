"""One SQLite file of the catalog: opened safely, brought to its schema, written by one thread at a time, read by many.

Other processes (a second ComfyUI, `sdgen gallery`, `sdgen catalog import`) may use the file at the same time: writers wait for each
other, readers never wait (WAL).
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import SDGenError, shown
from .naming import sort_key

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

T = TypeVar("T")

#: How long a writer waits for another process, in seconds; a bulk import commits many times a second.
PATIENCE = 20.0
#: What the write-ahead log is cut back to at a checkpoint, in bytes.
WAL_LIMIT = 16 << 20
#: Changed rows after which a thread writes the log back into the file, so that no commit has to; and the size of the log, in pages of
#: 4 KiB, from which on a commit does it all the same.
_CHECKPOINT_ROWS = 2_000
_CHECKPOINT_PAGES = 4_000

_FULL = (13, 10)  # SQLITE_FULL and SQLITE_IOERR, which Python names from 3.11 on only
_UNUSABLE = ("unable to open", "readonly", "read-only", "authoriz", "too big")
_DAMAGED = ("malformed", "not a database", "disk image")


def mix(number: int, seed: int) -> int:
    """A place between 0 and 2**32 for ``number`` in the random order ``seed``: the finaliser of MurmurHash3 (public domain)."""
    h = (number * 0x9E3779B1 + seed * 0x85EBCA77) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return h ^ (h >> 16)


def apart(one: int | None, other: int | None) -> int | None:
    """In how many bits two perceptual hashes differ, signed or not."""
    return None if one is None or other is None else ((one ^ other) & (1 << 64) - 1).bit_count()


def _sort_key(text: object) -> str | None:
    return None if text is None else sort_key(str(text))


def chunks(items: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """``items`` in lists of up to ``size``: as many as one statement takes."""
    whole = list(items)
    for at in range(0, len(whole), size):
        yield whole[at : at + size]


def marks(items: Sequence[object]) -> str:
    """As many question marks as a statement needs for ``items``."""
    return ",".join("?" * len(items))


def insert(db: sqlite3.Connection, into: str, rows: Iterable[Sequence[object]]) -> None:
    """Run ``INSERT {into} VALUES …`` for ``rows``, many at a time: half the time of ``executemany``."""
    for some in chunks(rows, 100):
        values = ",".join((f"({marks(some[0])})",) * len(some))
        db.execute(f"INSERT {into} VALUES{values}", [value for row in some for value in row])


def put_aside(path: Path) -> Path:
    """Keep a damaged database under another name, which is given back. Raises ``catalog-unusable``."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}")
    with clear_errors(path):
        path.replace(aside)
        for ending in ("-wal", "-shm", ".damaged"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    return aside


class Steps:
    """The steps of a schema, in order, as ``sqlite_utils.migrations`` has them; that loads numpy, so it is left until a file is opened."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: list[Callable[[Database], None]] = []

    def __call__(self) -> Callable[[Callable[[Database], None]], None]:
        """Decorates the next step; its name is the function's."""
        return self._steps.append

    def migrations(self) -> Migrations:
        """The steps for sqlite-utils."""
        from sqlite_utils.migrations import Migrations

        made = Migrations(self._name)
        for step in self._steps:
            made()(step)
        return made


class Damaged(Exception):
    """The file is no database any more, found at opening; what to do about that is its owner's decision."""


def damage_mark(path: Path) -> Path:
    """The empty file that says that the database ``path`` was found damaged while it was open: to be seen to when it is opened again."""
    return path.with_name(path.name + ".damaged")


@contextlib.contextmanager
def clear_errors(path: Path, *, opened: bool = True) -> Iterator[None]:
    """Tell of a failing database in words. Raises ``catalog-locked``, ``disk-full``, ``catalog-unusable``, ``catalog-damaged``.

    While it is not ``opened`` yet, ``Damaged`` instead of the last.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        name = shown(path)
        if any(word in text for word in _DAMAGED):
            if not opened:
                raise Damaged(text) from error
            damage_mark(path).touch()
            hint = "Start again: index.db is then made anew from the folders, user.db replaced by its last copy, scores.db begun again."
            raise SDGenError("catalog-damaged", f"{name} is damaged: {text}", hint=hint) from error
        if "locked" in text or "busy" in text:
            message = f"another program has been writing into {name} for more than {PATIENCE:g} seconds"
            raise SDGenError("catalog-locked", message) from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL or "full" in text or "disk I/O" in text:
            raise SDGenError("disk-full", f"{name} cannot be written: {text}") from error
        if any(word in text for word in _UNUSABLE):
            raise SDGenError("catalog-unusable", f"{name} cannot be used: {text}") from error
        raise
    except OSError as error:
        raise SDGenError("catalog-unusable", f"{shown(path)} cannot be used: {error.strerror or error}") from error


class Store:
    """The database in ``path``, of the newest of ``steps``. Raises what ``clear_errors`` raises.

    ``durable``: a commit survives a power cut. Without it the last commits may be lost then, never the file.
    """

    def __init__(self, path: Path, steps: Steps, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        self._opened = secrets.token_hex(4)
        self._written = 0  # rows, until the last checkpoint was begun
        self._checkpointer: threading.Thread | None = None
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        with clear_errors(path, opened=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            if damage_mark(path).exists():
                raise Damaged("as was found when it was open")
            self._writer = self._connect()
            try:
                self._prepare(steps.migrations())
            except BaseException:
                self._writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA cache_size=-65536")
        db.execute("PRAGMA temp_store=MEMORY")
        db.create_function("sdgen_mix", 2, mix, deterministic=True)
        db.create_function("sdgen_apart", 2, apart, deterministic=True)
        db.create_function("sdgen_sort_key", 1, _sort_key, deterministic=True)
        return db

    def _prepare(self, migrations: Migrations) -> None:
        from sqlite_utils import Database

        deadline = time.monotonic() + PATIENCE
        while True:  # SQLite does not wait by itself for another process that switches at this moment
            try:
                self._writer.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)
        self._writer.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        self._writer.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._writer.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        known = {step.name for step in migrations._migrations}
        db = Database(self._writer, execute_plugins=False)
        newer = {step.name for step in migrations.applied(db)} - known
        if newer:
            message = f"{shown(self.path)} was written by a newer SDGen ({', '.join(sorted(newer))})"
            raise SDGenError("catalog-unusable", message)
        if migrations.pending(db):
            # Another process may be at it too: whoever has the lock looks again what is left to do.
            with self.write() as writer:
                for step in migrations.pending(db):
                    step.fn(db)
                    migrations.ensure_migrations_table(db)
                    migrations._record_applied(db, step.name)
                del writer

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end, or rolled back as a whole. One thread at a time; may be nested."""
        with self._lock, clear_errors(self.path):
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
                self._checkpoint_behind()
            except BaseException:
                if self._writer.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._writer.execute("ROLLBACK")
                raise

    def _checkpoint_behind(self) -> None:
        """Begin to write the log back, if much was written and nobody is at it."""
        if self._writer.total_changes - self._written < _CHECKPOINT_ROWS:
            return
        if self._checkpointer is None or not self._checkpointer.is_alive():
            self._written = self._writer.total_changes
            self._checkpointer = threading.Thread(target=self._checkpoint_now, name="sdgen-checkpoint", daemon=True)
            self._checkpointer.start()

    def _checkpoint_now(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the writer's next commit meets the same and tells it
            db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            try:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                db.close()

    def reader(self) -> sqlite3.Connection:
        """This thread's connection for reading."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            with self._lock, clear_errors(self.path):
                if self._closed:
                    raise SDGenError("catalog-unusable", f"{shown(self.path)} is closed")
                db = self._connect()
                db.execute("PRAGMA query_only=ON")
                self._readers.append(db)
            self._local.db = db
        return db

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with clear_errors(self.path):
            return self.reader().execute(sql, values).fetchall()

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first column of the first row of a query; None when there is none."""
        with clear_errors(self.path):
            row = self.reader().execute(sql, values).fetchone()
        return row[0] if row else None

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """What this thread reads inside is of one moment, whatever is written meanwhile. May be nested."""
        db = self.reader()
        if db.in_transaction:
            yield
            return
        with clear_errors(self.path):
            db.execute("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(
                sqlite3.Error
            ):  # nothing was written; of a file that fails the reader has told already
                db.execute("ROLLBACK")

    def version(self) -> str:
        """A text that is another one after every commit, of this process or another: what is unchanged need not be read again."""
        with self._watching, clear_errors(self.path):  # never behind a writer
            if self._watcher is None:
                self._watcher = self._connect()
                self._readers.append(self._watcher)
            (number,) = self._watcher.execute("PRAGMA data_version").fetchone()
        return f"{self._opened}-{number}"

    def checkpoint(self) -> None:
        """Write the log into the file and cut it, as far as no reader is in the way."""
        with self._lock, clear_errors(self.path):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def check(self, sql: str) -> Any:
        """``value``, before the owner has accepted the file: raises ``Damaged``."""
        with clear_errors(self.path, opened=False):
            row = self._writer.execute(sql).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Close every connection; what was committed stays."""
        with self._lock:
            self._closed = True
            if self._checkpointer is not None:
                self._checkpointer.join()
            for db in (*self._readers, self._writer):
                with contextlib.suppress(sqlite3.Error):
                    db.close()
            self._readers.clear()
