"""Training runs, for the node, the command line, the routes and other rooms: start, look, stop, go on.

What is asked for is written into the ledger; whoever follows the runs does it (see ``supervisor``). In ComfyUI that is a thread of this
process, elsewhere whoever waits for a run.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import CODES, Place, SDGenError, shown
from ...sessions.files import make_folder, write_atomic
from ...sessions.naming import safe_name
from . import events, sharing, supervisor, trail
from .ledger import Ledger, Run, Segment, new_id
from .model import ENDED, Job, Problem, State, Trainer

log = logging.getLogger("sdgen")

#: Bytes that have to be free: a small LoRA with its states and samples.
ROOM = 256 << 20
_LOOK = 0.2
#: What a run waits for that no program would start.
NOBODY = "waits for a program that starts it: ComfyUI with SDGen, or `sdgen train follow`"

Problems = list[Problem]
Lines = list[str]
Curves = dict[str, list[tuple[int, float]]]
Found = list[dict[str, Any]]


class Refused(SDGenError):
    """A run that would fail, with all that is wrong (``errors``)."""

    def __init__(self, errors: list[SDGenError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.message, place=first.place, hint=first.hint)
        self.errors = errors

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "errors": [error.to_dict() for error in self.errors]}


class Runs:
    """The runs of a training folder. ``trainer_of`` gives a trainer by its name, or raises ``unknown-trainer``; ``host`` is the ComfyUI
    that shares the machine. With ``first``, other programs leave following to this one while it does (see ``follow``). Without ``starts``
    it looks after runs that live, and leaves it to others to start those that wait.

    Nothing is written before something is asked for. Raises ``ledger-unusable`` then.
    """

    def __init__(
        self,
        folder: Path,
        trainer_of: Callable[[str], Trainer],
        *,
        host: sharing.Host | None = None,
        first: bool = False,
        starts: bool = True,
    ) -> None:
        self.folder = folder
        self._trainer_of, self._host = trainer_of, host or sharing.Host()
        self._first, self._starts = first, starts
        self._made = threading.Lock()
        self._ledger: Ledger | None = None
        self._supervisor: supervisor.Supervisor | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        #: Called with a run's id when something about it is new, in the thread that follows.
        self.changed: list[Callable[[str], None]] = []

    @property
    def there(self) -> bool:
        """Whether there is a ledger yet."""
        return (self.folder / "runs.db").is_file()

    @property
    def ledger(self) -> Ledger:
        """The ledger, made when it is first needed."""
        with self._made:
            if self._ledger is None:
                self._ledger = Ledger(self.folder / "runs.db")
            return self._ledger

    # ---- what people ask for -----------------------------------------------------------------------------------------------

    def job(
        self,
        name: str,
        trainer: str,
        *,
        base: Path,
        dataset: Path,
        steps: int,
        options: Mapping[str, Any] | None = None,
    ) -> Job:
        """A job of its own id and folder; nothing is written. Raises ``bad-option`` for a name that no file can have."""
        if not name.strip():
            raise SDGenError("bad-option", f"{name!r} is no name for a LoRA's file")
        key = new_id()
        folder = self.folder / "runs" / key
        where = base.expanduser().absolute(), dataset.expanduser().absolute(), folder.absolute()
        return Job(key, safe_name(name), trainer, *where, steps, dict(options or {}), time.time())

    def trainer(self, name: str) -> Trainer:
        """The trainer of this name. Raises ``unknown-trainer``."""
        return self._trainer_of(name)

    def check(self, job: Job) -> Problems:
        """What is wrong with a job before it starts. Raises ``unknown-trainer``."""
        trainer = self._trainer_of(job.trainer)
        found: Problems = []
        if job.steps < 1:
            found.append(Problem("bad-training", "a run needs at least one step", option="steps"))
        if not job.base.is_file():
            found.append(Problem("missing-file", f"there is no checkpoint {shown(job.base)}", file=shown(job.base)))
        if not job.dataset.is_dir():
            hint = "Make one with `sdgen dataset`."
            found.append(
                Problem("missing-file", f"there is no data set {shown(job.dataset)}", hint, file=shown(job.dataset))
            )
        if any(one.fatal for one in found):
            return found  # trainers read both
        found += trainer.check(job)
        with contextlib.suppress(OSError):
            above = next(folder for folder in (job.folder, *job.folder.parents) if folder.is_dir())
            free = shutil.disk_usage(above).free
            if free < ROOM:
                said = f"only {free >> 20:,} MiB are free in {shown(above)}, at least {ROOM >> 20:,} are needed"
                found.append(Problem("disk-full", said, "Free some space, or choose another training folder."))
        return found

    def start(self, job: Job, *, share: str = "none", checked: bool = False) -> str:
        """Put a job in line and give its id; it starts when no other run trains and the machine is shared as wanted. ``checked``: what is
        wrong with it has been looked for already.

        Raises ``Refused`` with everything that is wrong, ``unknown-trainer``, ``bad-option`` and ``unwritable-folder``.
        """
        sharing.checked(share)
        if not checked:
            refuse(self.check(job))
        make_folder(job.folder)
        write_atomic(job.folder / "job.json", json.dumps(job.to_json(), indent=2, ensure_ascii=False).encode("utf-8"))
        self.ledger.add(job, share)
        return job.id

    def stop(self, named: str, *, save: bool = False) -> Run:
        """Have a run stopped, with all its processes; with ``save`` at its next saved state. Gives its row as it is now.

        Raises ``unknown-run``, ``bad-run-state`` when it has ended, and ``nothing-saved`` when its trainer saves no states.
        """
        run = self.find(named)
        if self.ledger.update(run.id, ("waiting",), state="stopped", reason="", ended=time.time()):
            return self.ledger.run(run.id)
        segment = self.ledger.segment(run.id)
        if save and segment is not None and not segment.saves and run.state not in ENDED:
            message = f"{run.name} saves no state before its end: it can be stopped at once only, and what it has trained is lost"
            if segment.start:
                message += f" since step {segment.start:,}"
            raise SDGenError("nothing-saved", message, hint="Let it finish, or stop it without saving.")
        if not self.ledger.wish(run.id, "save" if save else "stop") and self.ledger.run(run.id).state in ENDED:
            raise SDGenError("bad-run-state", f"{run.name} is {run.state}: there is nothing to stop")
        return self.ledger.run(run.id)

    def resume(self, named: str, *, share: str | None = None) -> Run:
        """Put a run in line again, to train exactly the steps that are left after its last saved state.

        Raises ``unknown-run``, ``bad-run-state``, ``nothing-saved``, and what ``start`` raises.
        """
        run = self.find(named)
        if run.state not in ENDED or run.state == "done":
            raise SDGenError("bad-run-state", f"{run.name} is {run.state}: it cannot go on")
        if run.spoiled:
            hint = "Start it anew with a lower learning rate, or without mixed precision."
            raise SDGenError("nothing-saved", f"{run.name} cannot go on: what it has saved are no numbers", hint=hint)
        state = self._last_state(run)
        if state is None:
            raise SDGenError("nothing-saved", f"{run.name} has saved no state from which it can go on")
        refuse(self.check(run.job))
        if not self.ledger.line_up(run.id, state, sharing.checked(share or run.share)):
            raise SDGenError("bad-run-state", f"{run.name} goes on already")
        return self.ledger.run(run.id)

    def _last_state(self, run: Run) -> State | None:
        states = [one for one in self._trainer_of(run.job.trainer).states(run.job) if 0 < one.step < run.steps]
        return max(states, key=lambda one: one.step, default=None)

    def forget(self, named: str) -> Run:
        """Take a run that has ended out of the ledger, and delete its folder with everything in it.

        Raises ``unknown-run``, ``bad-run-state``, and ``unwritable-folder`` when something of it cannot be deleted.
        """
        run = self.find(named)
        if not self.ledger.remove(run.id):
            raise SDGenError("bad-run-state", f"{run.name} is {run.state}: stop it first")
        folder = self.folder / "runs" / run.id  # never another one, whatever a job says
        try:
            if folder.is_dir():
                shutil.rmtree(folder)
        except OSError as error:
            raise SDGenError("unwritable-folder", f"{shown(folder)} cannot be deleted: {error}") from error
        return run

    def find(self, named: str) -> Run:
        """The run with this id, else the newest with this name. Raises ``unknown-run``; nothing is written for that."""
        if not self.there:
            raise SDGenError("unknown-run", f"there are no runs in {shown(self.folder)}")
        return self.ledger.run(named)

    # ---- what people look at -----------------------------------------------------------------------------------------------

    def list(self) -> Found:
        """All runs, newest first, as ``status`` gives them without their segments."""
        return [self._status(run) for run in self.ledger.runs()] if self.there else []

    def status(self, named: str) -> dict[str, Any]:
        """A run: ``state``, ``reason`` (what it waits for), ``step`` of ``steps``, ``loss``, ``pace`` (s a step), ``eta`` (s), ``cause`` of
        a failure, ``saved`` states, ``saves`` (it can be stopped at its next saved state), ``resumable`` (the step that it can go on from),
        ``segments`` and so on. Raises ``unknown-run``."""
        run = self.find(named)
        return {**self._status(run), "segments": [_segment(one) for one in self.ledger.segments(run.id)]}

    def _status(self, run: Run) -> dict[str, Any]:
        found = _status(run)
        if run.state == "waiting":
            who = supervisor.follower(self.folder)
            if who is None:
                found["reason"] = NOBODY
            elif not run.reason:
                found["reason"] = f"waits for process {who.pid}, which starts it"
        return found

    def logs(self, named: str, *, tail: int = 0) -> Lines:
        """The last ``tail`` lines of what the trainer printed, as a terminal shows them; 0: all. Raises ``unknown-run``."""
        return trail.shown_lines(self.find(named).job.log, tail)

    def follow_log(self, named: str) -> Iterator[str]:
        """What the trainer prints from now on, until the run has ended: lines, and each state of a bar. Raises ``unknown-run``."""
        run = self.find(named)
        size = run.job.log.stat().st_size if run.job.log.exists() else 0
        pieces = trail.Trail(run.job.log, size)
        ended = False
        while not ended:
            ended = self.ledger.run(run.id).state in ENDED
            yield from pieces.all() if ended else pieces.read()
            if not ended:
                time.sleep(_LOOK)

    def curves(self, named: str, *, most: int = events.POINTS) -> Curves:
        """Loss and learning rates over absolute steps, at most ``most`` points each: from TensorBoard's events where the trainer writes
        them (``loss/current``, ``loss/average``, ``lr/…``), else ``loss`` from its log. Raises ``unknown-run``."""
        run = self.find(named)
        found: dict[str, dict[int, float]] = {}
        segments = self.ledger.segments(run.id)
        ends = [*(one.started for one in segments[1:]), float("inf")]
        for segment, end in zip(segments, ends, strict=False):  # none was begun: no segment, and no curve
            for scalar in events.read_folder(segment.events) if segment.events else ():
                wanted = scalar.tag.split("/")[0] in ("loss", "lr") and "epoch" not in scalar.tag  # those count epochs
                if wanted and math.isfinite(scalar.value) and segment.started <= scalar.at < end:
                    found.setdefault(scalar.tag, {})[segment.start + scalar.step] = scalar.value
        if not found:
            found = self._logged(run, segments)
        return {tag: events.downsampled(sorted(curve.items()), most) for tag, curve in sorted(found.items())}

    def _logged(self, run: Run, segments: Sequence[Segment]) -> dict[str, dict[int, float]]:
        curve: dict[int, float] = {}
        for segment in segments:
            progress = trail.Progress(self._trainer_of(run.job.trainer))
            stop = next((one.log for one in segments if one.no == segment.no + 1), None)
            progress.take(trail.Trail(run.job.log, segment.log, stop).all(), None)
            curve.update((segment.start + step, loss) for step, loss in progress.curve)
        return {"loss": curve} if curve else {}

    # ---- following ---------------------------------------------------------------------------------------------------------

    def round(self) -> bool | None:
        """Look after all runs once, unless another program does. See ``Supervisor.round``."""
        if not self.there:
            return False
        return self._follower().round(begin=self._starts)

    def wait(self, named: str, look: Callable[[dict[str, Any]], bool] = lambda status: True) -> dict[str, Any]:
        """Come back when a run has ended, with its status; looks after the runs meanwhile if nobody else does. ``look(status)`` is called
        some times a second and ends the waiting, not the run, by giving False or by raising."""
        key = self.find(named).id
        try:
            while True:
                if self._thread is None:
                    self.round()
                status = self.status(key)
                if not look(status) or status["state"] in ENDED:
                    return status
                time.sleep(_LOOK)
        finally:
            if self._thread is None and self._supervisor is not None:  # others may be looked after by others
                self._supervisor.release()

    def follow(self) -> None:
        """Look after the runs in a thread of this process, until ``close``."""
        with self._made:
            if self._thread is None:
                self._ending.clear()
                self._thread = threading.Thread(target=self._run, name="sdgen-training", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread and let other programs follow; runs go on."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        if self._supervisor is not None:
            self._supervisor.release()

    def _run(self) -> None:
        said = ""
        while not self._ending.is_set():
            busy: bool | None = False
            try:
                busy, said = self.round(), ""
            except SDGenError as error:  # the disk is full, say: the ledger holds, so waiting costs nothing
                if str(error) != said:
                    said = str(error)
                    log.warning("SDGen: %s", error)
            except Exception:
                log.exception("SDGen: training runs could not be looked after; this is tried again")
            self._ending.wait(supervisor.BUSY if busy else supervisor.IDLE)
        if self._supervisor is not None:
            self._supervisor.release()

    def _follower(self) -> supervisor.Supervisor:
        ledger = self.ledger
        with self._made:
            if self._supervisor is None:
                made = supervisor.Supervisor(
                    self.folder, ledger, self._trainer_of, self._host, os.getpid(), first=self._first
                )
                made.changed = self.changed
                self._supervisor = made
            return self._supervisor


def refuse(problems: list[Problem]) -> None:
    """Raise ``Refused`` when something is wrong that would make the run fail; the rest are its remarks."""
    errors = [as_error(one) for one in problems if one.fatal]
    if errors:
        refused = Refused(errors)
        refused.remarks = [as_error(one) for one in problems if not one.fatal]
        raise refused


def as_error(problem: Problem) -> SDGenError:
    """A problem as the error that users see."""
    code = problem.code if problem.code in CODES else "bad-training"
    named = problem.option and problem.option not in problem.message
    message = f"{problem.option}: {problem.message}" if named else problem.message
    place = Place(problem.file) if problem.file and problem.file not in message else None
    return SDGenError(code, message, place=place, hint=problem.hint or None)


def status_text(status: Mapping[str, Any]) -> str:
    """A run in a line: ``red: step 12 of 100, loss 0.0931, about 4 min left``."""
    from ...sessions.service import duration

    name, state = status["name"], status["state"]
    if state == "waiting":
        return f"{name}: {status['reason']}"
    if state == "starting":
        return f"{name}: {status['phase'] or 'starting'}"
    parts = [f"step {status['step']:,} of {status['steps']:,}"]
    if status["loss"] is not None:
        parts.append(f"loss {status['loss']:.4g}")
    if status["eta"] is not None and state in ("running", "saving"):
        parts.append(f"about {duration(status['eta'])} left")
    if state not in ("running", "done"):
        parts.insert(0, state)
    if status["reason"]:
        parts.append(status["reason"])
    if status["cause"]:
        parts.append(status["cause"]["sentence"])
    return f"{name}: {', '.join(parts)}"


def _status(run: Run) -> dict[str, Any]:
    left = run.steps - run.step
    return {
        "id": run.id,
        "name": run.name,
        "trainer": run.job.trainer,
        "state": run.state,
        "reason": run.reason or _WISHED[run.wish],
        "phase": run.phase,
        "step": run.step,
        "steps": run.steps,
        "loss": run.loss,
        "pace": run.pace,
        "eta": None if run.pace is None else left * run.pace,
        "share": run.share,
        "output": run.output,
        "verdict": run.verdict,
        "cause": None if run.cause is None else vars(run.cause),
        "saves": run.saves,
        "resumable": run.resumable,
        "saved": [{"folder": str(one.folder), "step": one.step} for one in run.saved],
        "samples": list(run.samples),
        "base": str(run.job.base),
        "dataset": str(run.job.dataset),
        "options": run.job.options,
        "folder": str(run.job.folder),
        "created": run.created,
        "updated": run.updated,
        "ended": run.ended,
    }


_WISHED = {"": "", "save": "stops at the next saved state", "stop": "is to be stopped"}


def _segment(one: Segment) -> dict[str, Any]:
    return {
        "start": one.start,
        "steps": one.steps,
        "reached": one.reached,
        "pid": one.child.pid if one.child else None,
        "started": one.started,
        "ended": one.ended,
        "exit": one.exit,
    }
