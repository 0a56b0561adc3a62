"""The ledger of training runs: one SQLite file that several programs read and change, such as ComfyUI and the command line.

A run is a row; each process that worked on it is a segment. Every change of state is one transaction that names the states it may start
from, so that of two programs only one makes it. Who follows the runs (see ``supervisor``) writes everything; others only put runs in line
and leave a wish. Journal mode is WAL with ``synchronous=FULL``: what was committed survives a power cut.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SDGenError, nearest_names
from ...sessions.ledger_file import LedgerFile
from ...sessions.ledger_schema import split_statements, write_ahead
from .model import ACTIVE, STATES, Cause, Job, State
from .process import Process

SCHEMA_VERSION = 1

_HINT = "Check the rights and free space of the training folder (setting `training_folder`)."


def _quoted(words: Sequence[str]) -> str:
    return ",".join(f"'{word}'" for word in words)


_TABLES = f"""
CREATE TABLE run(
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  job TEXT NOT NULL,             -- Job, as JSON
  state TEXT NOT NULL CHECK(state IN ({_quoted(STATES)})),
  reason TEXT NOT NULL DEFAULT '',     -- what it waits for, for people
  wish TEXT NOT NULL DEFAULT '' CHECK(wish IN ('','stop','save')),   -- save: stop at the next saved state
  wished INTEGER NOT NULL DEFAULT 0,   -- the step when that was wished
  share TEXT NOT NULL DEFAULT 'none',  -- how it shares the machine with generation, see sharing
  line INTEGER NOT NULL,         -- runs start in this order
  step INTEGER NOT NULL DEFAULT 0,     -- absolute
  steps INTEGER NOT NULL,        -- asked, over all segments
  loss REAL,
  pace REAL,                     -- seconds a step, of late
  phase TEXT NOT NULL DEFAULT '',
  resume TEXT,                   -- the saved state that the next process goes on from: folder and step, as JSON
  saved TEXT NOT NULL DEFAULT '[]',    -- saved states that are there
  samples TEXT NOT NULL DEFAULT '[]',
  output TEXT,                   -- the file, when the verdict is good
  verdict TEXT NOT NULL DEFAULT '',    -- 'good', or the code of what is wrong
  cause TEXT,                    -- Cause of the failure, as JSON
  paused TEXT NOT NULL DEFAULT '[]',   -- sessions that wait for its end
  created REAL NOT NULL,
  updated REAL NOT NULL,
  ended REAL
);
CREATE INDEX run_state ON run(state, line);
CREATE TABLE segment(            -- one process
  run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
  no INTEGER NOT NULL,
  start INTEGER NOT NULL,        -- absolute step that it begins after
  steps INTEGER NOT NULL,        -- asked of this process
  reached INTEGER NOT NULL DEFAULT 0,  -- steps that it made
  output TEXT NOT NULL,
  before TEXT NOT NULL,          -- size and time of a file that was there already, as JSON
  saves INTEGER NOT NULL,
  events TEXT,
  log INTEGER NOT NULL,          -- where its part of the log begins, in bytes
  pid INTEGER, birth TEXT, boot TEXT,              -- the keeper
  child INTEGER, child_birth TEXT,                 -- the trainer
  started REAL NOT NULL,
  ended REAL,
  exit INTEGER,
  PRIMARY KEY(run, no)
) WITHOUT ROWID;
CREATE TABLE claim(pid INTEGER PRIMARY KEY, at REAL NOT NULL);   -- programs that want to follow before others
"""


@dataclass(frozen=True)
class Run:
    """A run's row; see ``_TABLES`` for what the fields mean."""

    id: str
    name: str
    job: Job
    state: str
    reason: str
    wish: str
    wished: int
    share: str
    line: int
    step: int
    steps: int
    loss: float | None
    pace: float | None
    phase: str
    resume: State | None
    saved: tuple[State, ...]
    samples: tuple[str, ...]
    output: str | None
    verdict: str
    cause: Cause | None
    paused: tuple[str, ...]
    created: float
    updated: float
    ended: float | None
    saves: bool  # its process saves states before its end; False while there is none

    @property
    def resumable(self) -> int | None:
        """The step of the saved state from which it can go on; None when it has none, lives, is done or is spoiled."""
        steps = [one.step for one in self.saved if 0 < one.step < self.steps]
        return max(steps, default=None) if self.state in ("stopped", "failed") and not self.spoiled else None

    @property
    def spoiled(self) -> bool:
        """Whether its weights have become no numbers, and so have those of its states."""
        return self.verdict == "not-finite"


@dataclass(frozen=True)
class Segment:
    """One process of a run. ``start`` and ``start + reached`` are absolute steps."""

    run: str
    no: int
    start: int
    steps: int
    reached: int
    output: Path
    before: tuple[int, int] | None
    saves: bool
    events: Path | None
    log: int
    keeper: Process | None
    child: Process | None
    started: float
    ended: float | None
    exit: int | None


_RUN = (
    "id, name, job, state, reason, wish, wished, share, line, step, steps, loss, pace, phase, resume, saved, samples, output, verdict,"
    " cause, paused, created, updated, ended,"
    f" state IN ({_quoted(ACTIVE)})"
    " AND coalesce((SELECT saves FROM segment WHERE segment.run=run.id ORDER BY no DESC LIMIT 1), 0)"
)
_SEGMENT = "run, no, start, steps, reached, output, before, saves, events, log, pid, birth, boot, child, child_birth, started, ended, exit"


def _run(row: Sequence[Any]) -> Run:
    values = list(row)
    values[2] = Job.from_json(json.loads(row[2]))
    values[14] = _state(json.loads(row[14])) if row[14] else None
    values[15] = tuple(map(_state, json.loads(row[15])))
    values[16] = tuple(json.loads(row[16]))
    values[19] = Cause(**json.loads(row[19])) if row[19] else None
    values[20] = tuple(json.loads(row[20]))
    values[24] = bool(row[24])
    return Run(*values)


def _state(value: Sequence[Any]) -> State:
    return State(Path(value[0]), int(value[1]))


def _segment(row: Sequence[Any]) -> Segment:
    run, no, start, steps, reached, output, before, saves, events, log, pid, birth, boot, child, child_birth, *times = (
        row
    )
    stamp = json.loads(before)
    return Segment(
        *(run, no, start, steps, reached, Path(output)),
        before=(int(stamp[0]), int(stamp[1])) if stamp else None,
        saves=bool(saves),
        events=Path(events) if events else None,
        log=log,
        keeper=Process(pid, birth, boot) if pid else None,
        child=Process(child, child_birth, boot) if child else None,
        started=times[0],
        ended=times[1],
        exit=times[2],
    )


def _stored(value: Any) -> Any:
    """A field as SQLite keeps it."""
    if isinstance(value, State):
        return json.dumps([str(value.folder), value.step])
    if isinstance(value, Cause):
        return json.dumps(vars(value))
    if isinstance(value, (list, tuple)):
        return json.dumps([[str(one.folder), one.step] if isinstance(one, State) else str(one) for one in value])
    return str(value) if isinstance(value, Path) else value


def new_id() -> str:
    """A short id that is safe in URLs and file names: 40 random bits."""
    return "".join(secrets.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(8))


class Ledger(LedgerFile):
    """The ledger in ``path``. Safe for many threads and many programs.

    Raises ``SDGenError`` ``ledger-unusable`` when the file cannot be opened, is no ledger or comes from a newer SDGen.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _prepare, _HINT)

    # ---- runs ------------------------------------------------------------------------------------------------------------

    def add(self, job: Job, share: str) -> None:
        """A new run, in line behind all others."""
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO run(id,name,job,state,share,line,steps,created,updated)"
                " VALUES(?,?,?,'waiting',?,(SELECT coalesce(max(line),0)+1 FROM run),?,?,?)",
                (job.id, job.name, json.dumps(job.to_json()), share, job.steps, now, now),
            )

    def run(self, named: str) -> Run:
        """The run with this id, else the newest with this name. Raises ``unknown-run`` with the nearest names."""
        sql = f"SELECT {_RUN} FROM run WHERE id=?1 OR name=?1 ORDER BY id=?1 DESC, created DESC LIMIT 1"
        rows = self._rows(sql, named)
        if not rows:
            known = [text for row in self._rows("SELECT id, name FROM run ORDER BY created DESC") for text in row]
            raise SDGenError("unknown-run", f"there is no run {named!r}", nearest=nearest_names(named, known))
        return _run(rows[0])

    def runs(self, *states: str) -> list[Run]:
        """Those in one of ``states`` (all when none is given), newest first."""
        where = f"WHERE state IN ({','.join('?' * len(states))})" if states else ""
        return [_run(row) for row in self._rows(f"SELECT {_RUN} FROM run {where} ORDER BY created DESC, id", *states)]

    def waiting(self) -> list[Run]:
        """Those in line, in the order in which they start."""
        return [_run(row) for row in self._rows(f"SELECT {_RUN} FROM run WHERE state='waiting' ORDER BY line")]

    def owing(self) -> list[Run]:
        """Ended runs that sessions still wait for."""
        sql = f"SELECT {_RUN} FROM run WHERE paused <> '[]' AND state IN ('stopped','failed','done')"
        return [_run(row) for row in self._rows(sql)]

    def update(self, run: str, only_from: Sequence[str] = (), **fields: Any) -> bool:
        """Set fields of a run; with ``only_from``, only while it is in one of those states. True when it was."""
        with self._transaction() as db:
            return self._update(db, run, only_from, fields)

    def _update(self, db: sqlite3.Connection, run: str, only_from: Sequence[str], fields: Mapping[str, Any]) -> bool:
        names = ", ".join(f"{name}=?" for name in fields)
        where = f" AND state IN ({','.join('?' * len(only_from))})" if only_from else ""
        sql = f"UPDATE run SET {names}, updated=? WHERE id=?{where}"
        values = [_stored(value) for value in fields.values()]
        return db.execute(sql, (*values, time.time(), run, *only_from)).rowcount > 0

    def line_up(self, run: str, resume: State, share: str) -> bool:
        """Put a run that has ended in line again, to go on from a saved state. False when it has not ended."""
        line = "(SELECT coalesce(max(line),0)+1 FROM run)"
        sql = (
            f"UPDATE run SET state='waiting', line={line}, resume=?, step=?, share=?, reason='', wish='', verdict='', cause=NULL,"
            " phase='', ended=NULL, updated=? WHERE id=? AND state IN ('stopped','failed','done')"
        )
        with self._transaction() as db:
            return db.execute(sql, (_stored(resume), resume.step, share, time.time(), run)).rowcount > 0

    def wish(self, run: str, wish: str) -> bool:
        """Ask whoever follows it to stop a run: at once (``stop``) or at its next saved state (``save``). False when it has ended."""
        sql = "UPDATE run SET wish=?, wished=step, updated=? WHERE id=? AND state NOT IN ('stopped','failed','done') AND wish<>'stop'"
        with self._transaction() as db:
            return db.execute(sql, (wish, time.time(), run)).rowcount > 0

    def remove(self, run: str) -> bool:
        """Take a run that has ended out. False when it has not ended."""
        with self._transaction() as db:
            sql = "DELETE FROM run WHERE id=? AND state IN ('stopped','failed','done')"
            return db.execute(sql, (run,)).rowcount > 0

    # ---- segments --------------------------------------------------------------------------------------------------------

    def begin(
        self,
        run: Run,
        *,
        steps: int,
        output: Path,
        before: tuple[int, int] | None,
        saves: bool,
        events: Path | None,
        log: int,
    ) -> Segment | None:
        """A process is about to be started: the run and its new segment change at once. None when the run does not wait any more."""
        start = run.resume.step if run.resume else 0
        with self._transaction() as db:
            fields = {"state": "starting", "reason": "", "phase": "", "step": start, "loss": None, "pace": None}
            if not self._update(db, run.id, ("waiting",), fields):
                return None
            no = db.execute("SELECT coalesce(max(no)+1,0) FROM segment WHERE run=?", (run.id,)).fetchone()[0]
            db.execute(
                "INSERT INTO segment(run,no,start,steps,output,before,saves,events,log,started) VALUES(?,?,?,?,?,?,?,?,?,?)",
                (
                    *(run.id, no, start, steps, str(output), json.dumps(before), int(saves)),
                    *(_stored(events), log, time.time()),
                ),
            )
        return self.segment(run.id)

    def segment(self, run: str) -> Segment | None:
        """The last process of a run."""
        rows = self._rows(f"SELECT {_SEGMENT} FROM segment WHERE run=? ORDER BY no DESC LIMIT 1", run)
        return _segment(rows[0]) if rows else None

    def segments(self, run: str) -> list[Segment]:
        """The processes of a run, in their order."""
        return [_segment(row) for row in self._rows(f"SELECT {_SEGMENT} FROM segment WHERE run=? ORDER BY no", run)]

    def kept_by(self, segment: Segment, keeper: Process) -> None:
        """The segment's process was started."""
        with self._transaction() as db:
            sql = "UPDATE segment SET pid=?, birth=?, boot=? WHERE run=? AND no=?"
            db.execute(sql, (keeper.pid, keeper.birth, keeper.boot, segment.run, segment.no))

    def trained_by(self, segment: Segment, child: Process) -> None:
        """The trainer itself is known."""
        with self._transaction() as db:
            sql = "UPDATE segment SET child=?, child_birth=? WHERE run=? AND no=?"
            db.execute(sql, (child.pid, child.birth, segment.run, segment.no))

    def advance(self, segment: Segment, reached: int, state: str, **fields: Any) -> None:
        """How far it is. A run that is being stopped stays so."""
        with self._transaction() as db:
            db.execute("UPDATE segment SET reached=? WHERE run=? AND no=?", (reached, segment.run, segment.no))
            self._update(db, segment.run, ("starting", "running", "saving", "stopping"), fields)
            self._update(db, segment.run, ("starting", "running", "saving"), {"state": state})

    def finish(self, segment: Segment, reached: int, exit_code: int | None, ended: float, **fields: Any) -> None:
        """The process has ended, and with it the run, in the state that ``fields`` give."""
        with self._transaction() as db:
            sql = "UPDATE segment SET reached=?, exit=?, ended=? WHERE run=? AND no=?"
            db.execute(sql, (reached, exit_code, ended, segment.run, segment.no))
            self._update(
                db, segment.run, (), {"reason": "", "wish": "", "phase": "", "pace": None, "ended": ended, **fields}
            )

    # ---- who follows -----------------------------------------------------------------------------------------------------

    def claim(self, pid: int) -> None:
        """A program that goes before others wants to follow the runs."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO claim(pid, at) VALUES(?,?)", (pid, time.time()))

    def unclaim(self, pid: int) -> None:
        """It does not any more, or does it now."""
        with self._transaction() as db:
            db.execute("DELETE FROM claim WHERE pid=?", (pid,))

    def claimed(self, seconds: float) -> bool:
        """Whether a program has claimed that within the last ``seconds``."""
        return bool(self._rows("SELECT 1 FROM claim WHERE at BETWEEN ?1 - ?2 AND ?1 + ?2", time.time(), seconds))


def _prepare(db: sqlite3.Connection, name: str) -> None:
    """Set up a connection that was just opened, and make the tables. Raises ``ledger-unusable`` and ``sqlite3.Error``."""
    write_ahead(db)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA foreign_keys=ON")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another program may have made the tables while this one waited for the write lock.
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            newer = f"schema {version}, this one knows {SCHEMA_VERSION}"
            raise SDGenError("ledger-unusable", f"the ledger {name} was written by a newer SDGen ({newer})")
        if version == 0:
            for statement in split_statements(_TABLES):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
