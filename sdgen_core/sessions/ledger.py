"""The ledger: one SQLite file that knows every session and the state of each of its items.

ComfyUI's queue lives in memory and forgets everything at a restart, so it never decides what is done; the ledger does. An item
is *done* only when its file is in place (see ``service``), and unknown is never done.

States of an item: ``todo`` → ``queued`` (posted, or about to be) → ``done`` | ``failed`` | ``skipped``; a done one whose image was
thrown away is skipped. States of a session:
``planned`` (in line behind another), ``running`` (the feeder works on it), ``paused``, ``completed``, ``failed`` (ended with failed items),
``stopped`` (ended by the user before its end).

Journal mode is WAL with ``synchronous=FULL``: a committed "done" survives a power cut. Counters in ``session`` are kept by
triggers, so that a status costs the same at item 100 and at item 40,000. The tables are in ``ledger_schema``.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SDGenError, nearest_names
from .ledger_file import LedgerFile
from .ledger_schema import prepare

STATES = ("planned", "running", "paused", "completed", "failed", "stopped")


@dataclass(frozen=True)
class SessionRow:
    """A session's row. ``seconds`` is the sum of the times between its saves; ``created`` is in Unix time."""

    id: str
    key: str
    name: str
    prefix: str
    folder: Path
    state: str
    reason: str
    created: float
    updated: float
    planner: str
    client: str | None
    total: int
    queued: int
    done: int
    failed: int
    skipped: int
    seconds: float

    @property
    def left(self) -> int:
        """Items that still have to be made."""
        return self.total - self.done - self.failed - self.skipped


@dataclass(frozen=True)
class Part:
    """What was ordered at once: the plan, the API graph with its planner, the canvas workflow, the planner's parameters."""

    plan: dict[str, Any]
    graph: dict[str, Any]
    planner: str
    workflow: dict[str, Any] | None
    defaults: dict[str, Any]


@dataclass(frozen=True)
class ItemRow:
    """An item's row: ``idx`` in the session, ``n`` in the plan of its ``part``."""

    session: str
    idx: int
    part: int
    n: int
    state: str
    prompt_id: str | None
    attempts: int
    file: str | None
    sha256: str | None
    error: str | None
    started: float | None
    finished: float | None


_SESSION_COLUMNS = (
    "id, key, name, prefix, folder, state, reason, created, updated, planner, client,"
    " total, queued, done, failed, skipped, seconds"
)
_ITEM_COLUMNS = "session, idx, part, n, state, prompt_id, attempts, file, sha256, error, started, finished"


_IN_LINE = "SELECT CASE WHEN EXISTS(SELECT 1 FROM session WHERE state IN ('planned','running')) THEN 'planned' ELSE 'running' END"


def _session(row: Sequence[Any]) -> SessionRow:
    return SessionRow(row[0], row[1], row[2], row[3], Path(row[4]), *row[5:])


def new_session_id() -> str:
    """A short id that is safe in URLs and file names: 50 random bits, so that ids of merged ledgers do not meet."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(secrets.choice(alphabet) for _ in range(10))


class Ledger(LedgerFile):
    """The ledger in ``path``. Safe for many threads of one process; other processes may read and change states.

    Raises ``SDGenError`` ``ledger-unusable`` when the file cannot be opened, is no ledger or comes from a newer SDGen.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, prepare)

    # ---- sessions --------------------------------------------------------------------------------------------------------

    def create(
        self,
        *,
        session_id: str,
        key: str,
        name: str,
        folder: Path,
        parts: Sequence[Part],
        items: Iterable[tuple[int, int]],
        client: str | None,
    ) -> None:
        """Write a session and all its items in one transaction: after a crash it is there whole or not at all.

        ``items`` are (place in ``parts``, item of that part's plan), in the order of the session's indexes.
        """
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO session(id,key,name,prefix,folder,state,created,updated,order_no,planner,client)"
                f" VALUES(?,?,?,?,?,({_IN_LINE}),?,?,(SELECT coalesce(max(order_no),0)+1 FROM session),?,?)",
                (session_id, key, name, name, str(folder), now, now, parts[-1].planner, client),
            )
            self._add_parts(db, session_id, parts, items)

    def restore(
        self,
        *,
        session_id: str,
        key: str,
        name: str,
        prefix: str,
        folder: Path,
        parts: Sequence[Part],
        items: Iterable[tuple[int, int, int]],
        created: float,
    ) -> None:
        """Write a session that another ledger knew, paused, with no item done. ``items`` are (idx, part, n)."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO session(id,key,name,prefix,folder,state,reason,created,updated,order_no,planner)"
                " VALUES(?,?,?,?,?,'paused','taken in from its folder',?,?,"
                "(SELECT coalesce(max(order_no),0)+1 FROM session),?)",
                (session_id, key, name, prefix, str(folder), created, time.time(), parts[-1].planner),
            )
            self._add_parts(db, session_id, parts, ())
            before = db.total_changes
            db.executemany("INSERT INTO item(session,idx,part,n) VALUES(?,?,?,?)", ((session_id, *i) for i in items))
            db.execute("UPDATE session SET total=? WHERE id=?", (db.total_changes - before, session_id))

    def extend(self, session_id: str, *, key: str, parts: Sequence[Part], items: Iterable[tuple[int, int]]) -> int:
        """Append ``parts`` with the chosen ``items`` of their plans, and put the session in line. Gives how many items."""
        with self._transaction() as db:
            added = self._add_parts(db, session_id, parts, items)
            db.execute(
                "UPDATE session SET key=?, planner=?, updated=? WHERE id=?",
                (key, parts[-1].planner, time.time(), session_id),
            )
            self._line_up(db, session_id)
            return added

    def _add_parts(
        self, db: sqlite3.Connection, session_id: str, parts: Sequence[Part], items: Iterable[tuple[int, int]]
    ) -> int:
        first = db.execute("SELECT count(*) FROM part WHERE session=?", (session_id,)).fetchone()[0]
        start = db.execute("SELECT coalesce(max(idx)+1,0) FROM item WHERE session=?", (session_id,)).fetchone()[0]
        for no, part in enumerate(parts, first):
            workflow = None if part.workflow is None else json.dumps(part.workflow)
            texts = (json.dumps(part.plan), json.dumps(part.graph), part.planner, workflow, json.dumps(part.defaults))
            sql = "INSERT INTO part(session,no,plan,graph,planner,workflow,defaults) VALUES(?,?,?,?,?,?,?)"
            db.execute(sql, (session_id, no, *texts))
        before = db.total_changes
        db.executemany(
            "INSERT INTO item(session,idx,part,n) VALUES(?,?,?,?)",
            ((session_id, start + i, first + part, n) for i, (part, n) in enumerate(items)),
        )
        added = db.total_changes - before
        db.execute("UPDATE session SET total=total+? WHERE id=?", (added, session_id))
        return added

    def session(self, session_id: str) -> SessionRow:
        """The session with this id, else the newest with this name or folder name. Raises ``unknown-session``."""
        rows = self._rows(f"SELECT {_SESSION_COLUMNS} FROM session WHERE id=?", session_id)
        if not rows:
            every = self._rows(f"SELECT {_SESSION_COLUMNS} FROM session ORDER BY order_no DESC")
            rows = [r for r in every if session_id in (r[2], Path(r[4]).name)]
            if not rows:
                known = [text for r in every for text in (r[0], r[2])]
                raise SDGenError(
                    "unknown-session", f"there is no session {session_id!r}", nearest=nearest_names(session_id, known)
                )
        return _session(rows[0])

    def sessions(self, state: str | None = None, limit: int = -1) -> list[SessionRow]:
        """All sessions, newest first, or those in one ``state``."""
        where = "WHERE state=?" if state else "WHERE ?1 IS NULL"
        sql = f"SELECT {_SESSION_COLUMNS} FROM session {where} ORDER BY order_no DESC LIMIT {int(limit)}"
        return [_session(r) for r in self._rows(sql, state)]

    def next_in_line(self) -> SessionRow | None:
        """The session the feeder works on next: the oldest running or planned one."""
        sql = f"SELECT {_SESSION_COLUMNS} FROM session WHERE state IN ('running','planned') ORDER BY order_no LIMIT 1"
        rows = self._rows(sql)
        return _session(rows[0]) if rows else None

    def find(self, *, key: str | None = None, named: str | None = None) -> SessionRow | None:
        """The newest session with this key (what was asked for), or the one with this id, name or folder name."""
        if named is not None:
            try:
                return self.session(named)
            except SDGenError as error:
                if error.code != "unknown-session":
                    raise
                return None
        rows = self._rows(f"SELECT {_SESSION_COLUMNS} FROM session WHERE key=? ORDER BY order_no DESC LIMIT 1", key)
        return _session(rows[0]) if rows else None

    def parts(self, session_id: str) -> list[Part]:
        """The session's parts; ``ItemRow.part`` counts in this list."""
        rows = self._rows(
            "SELECT plan, graph, planner, workflow, defaults FROM part WHERE session=? ORDER BY no", session_id
        )
        return [
            Part(
                json.loads(plan),
                json.loads(graph),
                planner,
                json.loads(workflow) if workflow else None,
                json.loads(defaults),
            )
            for plan, graph, planner, workflow, defaults in rows
        ]

    def line_up(self, session_id: str) -> None:
        """Put a session in line: it runs at once when no other one does."""
        with self._transaction() as db:
            self._line_up(db, session_id)

    def _line_up(self, db: sqlite3.Connection, session_id: str) -> None:
        db.execute(
            f"UPDATE session SET state=({_IN_LINE}), reason='', updated=? WHERE id=? AND state NOT IN ('planned','running')",
            (time.time(), session_id),
        )

    def set_state(self, session_id: str, state: str, reason: str = "", *, only_from: Sequence[str] = ()) -> bool:
        """Set a session's state; with ``only_from``, only when it is in one of those. True when it changed."""
        with self._transaction() as db:
            sql = "UPDATE session SET state=?, reason=?, updated=? WHERE id=? AND (state<>? OR reason<>?)"
            args: list[Any] = [state, reason, time.time(), session_id, state, reason]
            if only_from:
                sql += f" AND state IN ({','.join('?' * len(only_from))})"
                args += only_from
            return db.execute(sql, args).rowcount > 0

    def close_session(self, session_id: str, state: str, reason: str) -> bool:
        """End a session that has nothing left to do. False when it has got new work meanwhile, or has ended so already."""
        with self._transaction() as db:
            sql = (
                "UPDATE session SET state=?, reason=?, updated=? WHERE id=? AND state != 'completed' AND NOT (state=? AND reason=?)"
                " AND total = done + failed + skipped"
            )
            return db.execute(sql, (state, reason, time.time(), session_id, state, reason)).rowcount > 0

    def relocate(self, session_id: str, folder: Path, name: str) -> None:
        """The session has a new folder or name; the names of its files keep their beginning."""
        with self._transaction() as db:
            sql = "UPDATE session SET folder=?, name=?, updated=? WHERE id=?"
            db.execute(sql, (str(folder), name, time.time(), session_id))

    def set_client(self, session_id: str, client: str | None) -> None:
        """Remember the browser tab that last asked for the session: progress goes there."""
        with self._transaction() as db:
            db.execute("UPDATE session SET client=? WHERE id=?", (client, session_id))

    def set_options(self, session_id: str, options: dict[str, Any]) -> bool:
        """Change options that the session's parts keep beside their parameters. True when one of them was another."""
        with self._transaction() as db:
            changed = False
            for no, text in db.execute("SELECT no, defaults FROM part WHERE session=?", (session_id,)).fetchall():
                defaults = json.loads(text)
                if any(defaults.get(name) != value for name, value in options.items()):
                    sql = "UPDATE part SET defaults=? WHERE session=? AND no=?"
                    db.execute(sql, (json.dumps({**defaults, **options}), session_id, no))
                    changed = True
            return changed

    # ---- items -----------------------------------------------------------------------------------------------------------

    def item(self, session_id: str, idx: int) -> ItemRow:
        """One item's row. Raises ``unknown-item``."""
        rows = self._rows(f"SELECT {_ITEM_COLUMNS} FROM item WHERE session=? AND idx=?", session_id, idx)
        if not rows:
            raise SDGenError("unknown-item", f"session {session_id} has no item {idx}")
        return ItemRow(*rows[0])

    def items(self, session_id: str, *states: str, limit: int = -1) -> list[ItemRow]:
        """Items in the given states (all when none is given), in the order of their index."""
        if not states:
            sql, args = f"SELECT {_ITEM_COLUMNS} FROM item WHERE session=? ORDER BY idx", (session_id,)
            return [ItemRow(*r) for r in self._rows(f"{sql} LIMIT {int(limit)}", *args)]
        out: list[ItemRow] = []
        # One look-up in the index a state: a single IN would sort the whole session, and left to itself SQLite reads it from its
        # beginning, past everything done, to find the next few items.
        for state in states:
            where = "INDEXED BY item_state WHERE session=? AND state=?"
            sql = f"SELECT {_ITEM_COLUMNS} FROM item {where} ORDER BY idx LIMIT {int(limit)}"
            out += [ItemRow(*r) for r in self._rows(sql, session_id, state)]
        out.sort(key=lambda r: r.idx)
        return out if limit < 0 else out[:limit]

    def numbers(self, session_id: str) -> list[tuple[int, int, int]]:
        """(index, part, item of the part's plan) of every item, in the order of the index: what was ordered, in a tenth of the
        time that whole rows take."""
        return [
            (i, p, n)
            for i, p, n in self._rows("SELECT idx, part, n FROM item WHERE session=? ORDER BY idx", session_id)
        ]

    def end(self, session_id: str) -> int:
        """The index after the session's last item."""
        rows = self._rows("SELECT coalesce(max(idx)+1,0) FROM item WHERE session=?", session_id)
        return int(rows[0][0])

    def mark_queued(self, session_id: str, prompt_ids: dict[int, str]) -> dict[int, int]:
        """Mark ``{idx: prompt_id}`` as queued, before they are posted. Gives ``{idx: attempt}``, attempts from 1."""
        with self._transaction() as db:
            out = {}
            for idx, prompt_id in prompt_ids.items():
                row = db.execute(
                    "UPDATE item SET state='queued', prompt_id=?, attempts=attempts+1, error=NULL, started=?, finished=NULL"
                    " WHERE session=? AND idx=? AND state='todo' RETURNING attempts",
                    (prompt_id, time.time(), session_id, idx),
                ).fetchone()
                if row:
                    out[idx] = row[0]
            return out

    def mark_done(self, session_id: str, idx: int, *, file: str, sha256: str, seconds: float = 0.0) -> bool:
        """The item's file is in place. False when it was done already (a repeated attempt)."""
        now = time.time()
        with self._transaction() as db:
            old = db.execute("SELECT state FROM item WHERE session=? AND idx=?", (session_id, idx)).fetchone()
            db.execute(
                "UPDATE item SET state='done', file=?, sha256=?, error=NULL, finished=? WHERE session=? AND idx=?",
                (file, sha256, now, session_id, idx),
            )
            fresh = old is not None and old[0] != "done"
            if fresh:
                db.execute("UPDATE session SET seconds=seconds+?, updated=? WHERE id=?", (seconds, now, session_id))
            return fresh

    def mark_failed(self, session_id: str, idx: int, error: dict[str, Any]) -> bool:
        """The item failed with ``error`` (a code and ComfyUI's message); a done item stays done."""
        with self._transaction() as db:
            return (
                db.execute(
                    "UPDATE item SET state='failed', error=?, finished=? WHERE session=? AND idx=? AND state='queued'",
                    (json.dumps(error), time.time(), session_id, idx),
                ).rowcount
                > 0
            )

    def put_back(self, session_id: str, indexes: Iterable[int] | None = None, *, state: str = "queued") -> int:
        """Items in ``state`` become ``todo`` again: all of them, or those with these indexes. Gives how many."""
        with self._transaction() as db:
            sql = "UPDATE item INDEXED BY item_state SET state='todo', prompt_id=NULL WHERE session=? AND state=?"
            if indexes is None:
                return db.execute(sql, (session_id, state)).rowcount
            changed = 0
            for idx in indexes:
                changed += db.execute(sql + " AND idx=?", (session_id, state, idx)).rowcount
            return changed

    def skip(self, session_id: str, indexes: Iterable[int]) -> int:
        """Items that wait or failed are not to be made. Gives how many; others stay what they are."""
        sql = "UPDATE item SET state='skipped' WHERE session=? AND idx=? AND state IN ('todo','failed')"
        with self._transaction() as db:
            return sum(db.execute(sql, (session_id, idx)).rowcount for idx in indexes)

    def discard(self, session_id: str, files: Mapping[int, str]) -> int:
        """Done items whose files (index -> name) were thrown away on purpose are skipped: only a retry that asks for skipped ones makes
        them again. Gives how many."""
        sql = "UPDATE item SET state='skipped' WHERE session=? AND idx=? AND state='done' AND file=?"
        with self._transaction() as db:
            return sum(db.execute(sql, (session_id, idx, file)).rowcount for idx, file in files.items())

    def reclaim(self, session_id: str, files: Mapping[int, str]) -> int:
        """Skipped items whose files (index -> name) are there again are done. Gives how many."""
        sql = "UPDATE item SET state='done', file=?3 WHERE session=?1 AND idx=?2 AND state='skipped' AND coalesce(file, ?3)=?3"
        with self._transaction() as db:
            return sum(db.execute(sql, (session_id, idx, file)).rowcount for idx, file in files.items())

    def shrink(self, session_id: str, count: int) -> int:
        """Take items from index ``count`` on out of the plan, save those done or in the queue. Gives how many."""
        sql = "DELETE FROM item WHERE session=? AND idx>=? AND state IN ('todo','failed','skipped')"
        with self._transaction() as db:
            return db.execute(sql, (session_id, count)).rowcount
