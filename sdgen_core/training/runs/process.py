"""The process of a run: started apart from this one, known again by whoever comes later, and ended with all its descendants.

A small keeper (see ``keeper``) stands between: it outlives the program that wanted the run, and writes down the exit code. A run's
process is the keeper; id, time of birth and boot together name it for good.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ...comfy.processes import birth, boot_id, descendants, kill_those, process_options
from .model import Launch

KEEPER = Path(__file__).with_name("keeper.py")

#: Seconds that a trainer has to end by itself when it is asked to.
GRACE = 5.0
_LOOK = 0.05


@dataclass(frozen=True)
class Process:
    """A process of this machine, living or not."""

    pid: int
    birth: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with this id."""
        born = birth(pid)
        return cls(pid, born, boot_id()) if born else None

    @property
    def alive(self) -> bool:
        """Whether it still runs; another one with its id is not it."""
        return bool(self.birth) and self.boot == boot_id() and birth(self.pid) == self.birth


@dataclass(frozen=True)
class Record:
    """What the keeper wrote down. ``ended`` (Unix time, s) is 0 while the trainer runs; ``exit`` is negative for a signal."""

    keeper: int = 0
    pid: int = 0
    exit: int | None = None
    error: str = ""
    ended: float = 0.0


def read_record(folder: Path, number: int) -> Record:
    """The keeper's record of a run's process; empty while there is none."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Record(**json.loads((folder / f"process-{number}.json").read_text(encoding="utf-8")))
    return Record()


def start(launch: Launch, folder: Path, number: int) -> tuple[Process, subprocess.Popen[bytes]]:
    """Start the process ``number`` of the run in ``folder``. Raises ``OSError`` when this Python cannot be started.

    The handle is for ``poll`` alone: while this program lives, an ended child of it has to be asked for its status.
    """
    command = [sys.executable, "-I", "-S", str(KEEPER), str(folder), str(number), str(launch.cwd), *launch.argv]
    options = process_options()
    if sys.platform == "win32":  # a console of its own that nobody sees: closing ours would end it
        options["creationflags"] |= subprocess.CREATE_NO_WINDOW
    with (folder / "log.txt").open("ab") as log:
        handle = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment(), **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **options,
        )
    return Process(handle.pid, birth(handle.pid), boot_id()), handle


def environment() -> dict[str, str]:
    """Trainers print names of files and texts in many languages, which Windows' pipes refuse by default; and what they print has to be
    seen when it is printed."""
    return {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}


def end(keeper: Process, child: Process | None, grace: float = GRACE) -> None:
    """End the trainer and all its descendants, asking first; returns when none is left. Quiet when it has ended already."""
    if sys.platform == "win32":
        for one in (keeper, child):
            if one is not None and one.alive:
                command = ["taskkill", "/PID", str(one.pid), "/T", "/F"]
                subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
        return
    below = descendants(keeper.pid) if keeper.alive else {}
    if child is not None and child.alive:
        below = {**below, child.pid: child.birth, **descendants(child.pid)}
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGTERM)
        _wait(child, grace)
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)  # the group lives on while a member does
    kill_those(below)
    _wait(keeper, grace)  # it writes down how it went
    if keeper.alive:
        kill_those({**descendants(keeper.pid), keeper.pid: keeper.birth})


def _wait(process: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.alive and time.monotonic() < deadline:
        time.sleep(_LOOK)
