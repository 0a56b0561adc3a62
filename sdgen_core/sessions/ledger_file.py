"""A ledger's file: one SQLite database that many threads and programs read and change, in short transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown

#: Seconds that one program waits for another that writes.
_PATIENCE = 30


class LedgerFile:
    """The ledger in ``path``. ``prepare(connection, name)`` sets up a connection that was just opened, in autocommit mode, and makes the
    tables; ``hint`` is for a file that cannot be opened.

    Raises ``SDGenError`` ``ledger-unusable`` then, also when it is no ledger or comes from a newer SDGen.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection, str], None], hint: str | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
            prepare(self._db, shown(path))
        except (sqlite3.Error, OSError) as error:
            message = f"the ledger {shown(path)} cannot be opened: {error}"
            raise SDGenError("ledger-unusable", message, hint=hint) from error

    def close(self) -> None:
        """Close the file; the ledger is not usable afterwards."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = "disk-full" if "full" in str(error) else "ledger-unusable"
            raise SDGenError(code, f"the ledger {shown(self.path)} cannot be used: {error}") from error

    def _rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        with self._lock, self._translated():
            return self._db.execute(sql, args).fetchall()
