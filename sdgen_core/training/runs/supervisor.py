"""Follows the runs of a training folder: starts those that wait, reads their logs, ends them, judges them.

One program at a time does it, the one that holds ``follower.lock``; the system lets go of that lock when the program dies. Whoever comes
next finds everything in the ledger, the logs and the keepers' records, and reads the log of a living run again from its beginning. So a
restart loses no step. Who starts runs signs ``follower.json``, so that others can say for whom a run waits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...comfy.processes import birth, boot_id
from ...errors import SDGenError, shown
from ...sessions.files import write_atomic
from . import process, sharing, verdict
from .ledger import Ledger, Run, Segment
from .model import ACTIVE, Cause, State, Trainer
from .publish import publish
from .trail import Progress, Trail, end_of

log = logging.getLogger("sdgen")

#: Seconds between two looks while a run lives, and while none does.
BUSY, IDLE = 0.25, 1.0
#: Seconds between two words in the ledger about how far a run is.
_WRITE_EVERY = 0.5
#: Seconds without a word of its keeper after which a process counts as never started.
_STILLBORN = 10.0
#: Seconds that who leaves waits for a round that is on its way.
_LEAVE = 1.0
_SIGN = "follower.json"
#: Seconds for which a claim to follow first is good.
_CLAIM = 5.0


class Hold:
    """The lock of a training folder. SQLite's is used because every system releases it when a program dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    @property
    def held(self) -> bool:
        """Whether this program has it."""
        return self._db is not None

    def take(self) -> bool:
        """Whether this program follows the runs now. Raises ``ledger-unusable`` when the file cannot be written."""
        if self._db is not None:
            return True
        db = None
        try:
            db = sqlite3.connect(self._path, timeout=0, check_same_thread=False, isolation_level=None)
            db.execute("PRAGMA journal_mode=MEMORY")
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if db is not None:
                db.close()
            if "locked" in str(error):
                return False
            raise SDGenError("ledger-unusable", f"{shown(self._path)} cannot be written: {error}") from error
        self._db = db
        return True

    def release(self) -> None:
        """Let others follow."""
        if self._db is not None:
            self._db.close()
            self._db = None


def follower(folder: Path) -> process.Process | None:
    """The program that starts the runs of a training folder; None when there is none."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = process.Process(**json.loads((folder / _SIGN).read_text(encoding="ascii")))
        return found if found.alive else None
    return None


class Followed:
    """A run's process, as it is followed."""

    def __init__(self, run: Run, segment: Segment, trainer: Trainer) -> None:
        self.trainer, self.segment = trainer, segment
        self.progress = Progress(trainer)
        self.trail = Trail(run.job.log, segment.log)
        self.progress.take(self.trail.read(), None)  # the past
        self.pace = run.pace
        self.written = 0.0
        self.states: tuple[State, ...] = ()
        self.told_states = -1

    def look(self) -> None:
        """Read what is new in the log."""
        now = time.monotonic()
        self.progress.take(self.trail.read(), now)
        if unfinished := self.trail.unfinished:
            self.progress.take([unfinished], now)
        self.pace = self.progress.pace or self.pace


class Supervisor:
    """Works on the runs of ``folder``. ``trainer_of`` gives a trainer by name, ``host`` is the ComfyUI that shares the machine.

    With ``first``, others leave the runs to this program when it comes.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        trainer_of: Callable[[str], Trainer],
        host: sharing.Host,
        pid: int,
        *,
        first: bool = False,
    ) -> None:
        self._folder, self._ledger, self._trainer_of, self._host = folder, ledger, trainer_of, host
        self._pid, self._first = pid, first
        self._hold = Hold(folder / "follower.lock")
        self._followed: dict[str, Followed] = {}
        self._handles: list[subprocess.Popen[bytes]] = []
        self._said: dict[str, str] = {}
        self._one = threading.Lock()
        self._signed = False
        self.changed: list[Callable[[str], None]] = []

    def round(self, *, begin: bool = True) -> bool | None:
        """One look at everything. True when a run lives or waits; None when another program follows the runs. Without ``begin`` nothing is
        started."""
        with self._one:
            if not self._take(begin):
                return None
            self._handles = [one for one in self._handles if one.poll() is None]
            try:
                for run in self._ledger.runs(*ACTIVE):
                    self._guarded(run, self._look_after, "it cannot be looked after")
                waiting = self._ledger.waiting() if begin else []
                self._guide(waiting)
                for run in self._ledger.owing() if begin else ():
                    self._guarded(run, self._give_back)
                return bool(waiting or self._ledger.runs(*ACTIVE))
            finally:
                if not begin:  # who only looks may not keep those away that start what waits
                    self._hold.release()

    def _guide(self, waiting: list[Run]) -> None:
        """Start the first of those that wait, if it may start, and let each of the others say what it waits for."""
        ahead = next(iter(self._ledger.runs(*ACTIVE)), None)
        for run in waiting:
            if ahead is None:
                self._guarded(run, self._begin, "it cannot start yet")
            else:
                self._because(run, f"waits for the end of {ahead.name}")
            ahead = run

    def _because(self, run: Run, reason: str) -> None:
        """What a run waits for, or what is wrong with it; empty: nothing."""
        if reason != run.reason and self._ledger.update(run.id, ("waiting", *ACTIVE), reason=reason):
            self._tell(run.id)

    def release(self) -> None:
        """Let others follow; runs go on. What a start takes its time for is not waited for: it is left to the thread that does it."""
        if self._one.acquire(timeout=_LEAVE):
            try:
                self._let_go()
            finally:
                self._one.release()

    def _let_go(self) -> None:
        if self._first:
            with contextlib.suppress(SDGenError):
                self._ledger.unclaim(self._pid)
        self._followed.clear()
        self._unsign()
        self._hold.release()

    def _take(self, begin: bool) -> bool:
        if not self._first and self._ledger.claimed(_CLAIM):
            self._let_go()
            return False
        held = self._hold.held
        if self._hold.take():
            if self._first and not held:
                self._ledger.unclaim(self._pid)
            if begin and not held:
                self._sign()
            return True
        if self._first:
            self._ledger.claim(self._pid)
        return False

    def _sign(self) -> None:
        """Let others know who starts what waits; only so that they can say it."""
        with contextlib.suppress(SDGenError):
            me = process.Process(self._pid, birth(self._pid), boot_id())
            write_atomic(self._folder / _SIGN, json.dumps(vars(me)).encode("ascii"), durable=False)
            self._signed = True

    def _unsign(self) -> None:
        if self._signed:
            self._signed = False
            with contextlib.suppress(OSError):
                (self._folder / _SIGN).unlink()

    def _guarded(self, run: Run, work: Callable[[Run], Any], trouble: str = "") -> None:
        """One run's trouble is not that of the others; the run says it."""
        try:
            work(run)
            self._said.pop(run.id, None)
        except Exception as error:  # it is tried again, but told once
            if trouble:
                with contextlib.suppress(SDGenError):
                    self._because(run, f"{trouble}: {_told(error)}")
            if self._said.get(run.id) != str(error):
                self._said[run.id] = str(error)
                log.warning("SDGen: run %s: %s", run.name, error, exc_info=not isinstance(error, SDGenError))

    def _tell(self, run: str) -> None:
        for told in self.changed:
            told(run)

    # ---- starting ----------------------------------------------------------------------------------------------------------

    def _begin(self, run: Run) -> None:
        """Start the run that is next in line, if it may start."""
        why = sharing.make_room(self._host, run.share, run.name, lambda ids: self._remember(run, [*run.paused, *ids]))
        self._because(run, why or "is prepared")
        if why:
            return
        try:
            self._start(run)
        except SDGenError as error:
            self._fail(run, Cause(error.code, str(error), error.hint))
        except Exception as error:
            log.exception("SDGen: run %s could not be started", run.name)
            self._fail(run, Cause("internal-error", f"the run could not be started: {type(error).__name__}: {error}"))
        self._tell(run.id)

    def _remember(self, run: Run, sessions: list[str]) -> None:
        self._ledger.update(run.id, paused=list(dict.fromkeys(sessions)))

    def _fail(self, run: Run, cause: Cause) -> None:
        self._ledger.update(
            run.id,
            ("waiting", "starting"),
            state="failed",
            cause=cause,
            verdict=cause.code,
            reason="",
            ended=time.time(),
        )

    def _start(self, run: Run) -> None:
        job = run.job
        launch = self._trainer_of(job.trainer).launch(job, run.resume)
        for folder in (job.output, job.states, job.events, job.samples):
            folder.mkdir(parents=True, exist_ok=True)
        size = job.log.stat().st_size if job.log.exists() else 0
        segment = self._ledger.begin(
            run,
            steps=launch.steps,
            output=launch.output,
            before=verdict.stamp(launch.output),
            saves=launch.saves,
            events=launch.events,
            log=size,
        )
        if segment is None:  # somebody else was faster
            return
        try:
            keeper, handle = process.start(launch, job.folder, segment.no)
        except OSError as error:
            self._ledger.finish(
                *(segment, 0, None, time.time()),
                state="failed",
                verdict="not-started",
                cause=Cause("not-started", f"no process can be started: {error}"),
            )
            return
        self._handles.append(handle)
        self._ledger.kept_by(segment, keeper)
        log.info("SDGen: run %s trains %d steps", run.name, launch.steps)

    # ---- following ---------------------------------------------------------------------------------------------------------

    def _look_after(self, run: Run) -> None:
        self._see(run)
        self._because(run, "")  # what was wrong is over

    def _see(self, run: Run) -> None:
        segment = self._ledger.segment(run.id)
        if segment is None:
            self._fail(run, Cause("not-started", "its process was never started"))
            return
        segment = self._known(run, segment)
        followed = self._followed.get(run.id)
        if followed is None or followed.segment.no != segment.no:
            followed = self._followed[run.id] = Followed(run, segment, self._trainer_of(run.job.trainer))
        if segment.keeper is None:
            if abs(time.time() - segment.started) < _STILLBORN:
                return
            alive = False
        else:
            alive = segment.keeper.alive
        if not alive:
            self._ended(run, segment, followed)
            return
        followed.look()
        self._write(run, segment, followed)
        if run.wish == "stop" or (run.wish == "save" and self._saved(run, segment, followed)):
            self._stop(run, segment, followed)

    def _known(self, run: Run, segment: Segment) -> Segment:
        """The segment with its processes, as far as they can be known: who started it may have died before it could write them down."""
        if segment.keeper is not None and segment.child is not None:
            return segment
        said = process.read_record(run.job.folder, segment.no)
        if segment.keeper is None and said.keeper and (keeper := process.Process.of(said.keeper)):
            self._ledger.kept_by(segment, keeper)
        elif segment.keeper is None and said.ended:  # it has come and gone
            self._ledger.kept_by(segment, process.Process(said.keeper, "", ""))
        if segment.child is None and said.pid and (child := process.Process.of(said.pid)):
            self._ledger.trained_by(segment, child)
        return self._ledger.segment(run.id) or segment

    def _write(self, run: Run, segment: Segment, followed: Followed) -> None:
        progress, now = followed.progress, time.monotonic()
        state = "starting"
        if progress.step or progress.phase in ("training", "saving", "sampling"):
            state = "saving" if progress.phase == "saving" else "running"
        if now - followed.written < _WRITE_EVERY and state == run.state:
            return
        followed.written = now
        if progress.states != followed.told_states:
            followed.told_states = progress.states
            followed.states = tuple(followed.trainer.states(run.job))
        self._ledger.advance(segment, progress.step, state, **self._figures(run, segment, followed))
        self._tell(run.id)

    def _figures(self, run: Run, segment: Segment, followed: Followed) -> dict[str, Any]:
        progress = followed.progress
        return {
            "step": segment.start + progress.step,
            "loss": progress.loss,
            "pace": followed.pace,
            "phase": progress.phase,
            "samples": list(dict.fromkeys((*run.samples, *progress.samples))),
            "saved": followed.states,
        }

    def _saved(self, run: Run, segment: Segment, followed: Followed) -> bool:
        """Whether a state was saved since that was wished for."""
        return any(one.step >= run.wished and one.step > segment.start for one in followed.trainer.states(run.job))

    # ---- ending ------------------------------------------------------------------------------------------------------------

    def _stop(self, run: Run, segment: Segment, followed: Followed) -> None:
        self._ledger.update(run.id, ACTIVE, state="stopping")
        self._tell(run.id)
        assert segment.keeper is not None
        process.end(segment.keeper, segment.child)
        self._ended(run, segment, followed)

    def _ended(self, run: Run, segment: Segment, followed: Followed) -> None:
        """The process lives no more: what became of it?"""
        said = process.read_record(run.job.folder, segment.no)
        if segment.keeper is not None:
            process.end(segment.keeper, segment.child)  # what a keeper that was killed could not end
        followed.look()
        followed.look()  # the last bar has no break behind it
        made = followed.progress.step
        followed.states = tuple(followed.trainer.states(run.job))
        figures = self._figures(run, segment, followed)
        cause = verdict.judge(segment.output, segment.before, segment.steps, made)
        if cause is None:
            fields = {
                "state": "done",
                "verdict": "good",
                "output": self._published(segment.output),
                "step": run.steps,
                "cause": None,
            }
            made = segment.steps
        elif run.wish:
            fields = {"state": "stopped"}
        else:
            fields = {
                "state": "failed",
                "verdict": cause.code,
                "cause": self._explained(run, segment, followed, said, cause),
            }
        ended = said.ended or time.time()
        self._ledger.finish(segment, made, said.exit, ended, **{**figures, "phase": "", "pace": None, **fields})
        self._followed.pop(run.id, None)
        log.info("SDGen: run %s is %s", run.name, fields["state"])
        self._tell(run.id)

    def _published(self, output: Path) -> Path:
        try:
            return publish(output, self._folder, self._host.elsewhere)
        except OSError as error:
            log.warning("SDGen: %s stays where it is: %s", shown(output), error)
            return output

    def _explained(self, run: Run, segment: Segment, followed: Followed, said: process.Record, cause: Cause) -> Cause:
        """Why it failed, by whom knows it best."""
        if said.error:
            return Cause("not-started", f"the trainer cannot be started: {said.error}")
        known = followed.trainer.cause(end_of(run.job.log, segment.log), said.exit)
        if known is not None:
            return known
        lost = followed.progress.no_number_at
        if lost is not None and cause.code in ("not-finite", "all-zero"):
            hint = cause.hint or "Lower the learning rate."
            return Cause("loss-not-finite", f"the loss was no number from step {segment.start + lost:,} on", hint)
        if cause.code in ("no-output", "old-output", "wrong-steps") and (said.exit or said.exit is None):
            return Cause(
                cause.code, f"{_exit_text(said.exit)}{_where(segment, followed)}; {cause.sentence}", cause.hint
            )
        return cause

    def _give_back(self, run: Run) -> None:
        """Sessions that were paused for a run that has ended go on."""
        sharing.give_back(self._host, run.paused, run.name)
        self._ledger.update(run.id, paused=[])


def _told(error: Exception) -> str:
    """What is wrong, in one line."""
    text = error.message if isinstance(error, SDGenError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _exit_text(code: int | None) -> str:
    if code is None:
        return "the trainer was killed, or the machine went down"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the trainer was killed by {signal.Signals(-code).name}"
        return f"the trainer was killed by signal {-code}"
    return f"the trainer ended with exit code {code}"


def _where(segment: Segment, followed: Followed) -> str:
    step = followed.progress.step
    return f" after {step:,} of {segment.steps:,} steps" if step else " before the first step"
