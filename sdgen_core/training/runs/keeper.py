"""Starts a trainer, waits for it, and writes down how it ended: a process of its own, so that this is known even when the program that
wanted the run has died or was started again meanwhile.

It is run by its path, ``python keeper.py RUN_FOLDER NUMBER CWD PROGRAM ARGUMENT…``, and needs nothing but the standard library. What the
trainer prints goes into ``log.txt`` of the run's folder, byte by byte; ``process-NUMBER.json`` says ``keeper`` and ``pid`` while it
runs, then ``exit`` and ``ended`` (Unix time, s), or ``error`` when it could not be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_TRIES, _PAUSE = 20, 0.1  # s


def main(folder: Path, number: str, cwd: str, argv: list[str]) -> int:
    """Gives the trainer's exit code; 127 when it could not be started."""
    _adopt()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # who ends the trainer waits for what is written here
        if hasattr(signal, name):  # a handler, not SIG_IGN: that the trainer would inherit
            signal.signal(getattr(signal, name), lambda *_: None)
    record = folder / f"process-{number}.json"
    said: dict[str, Any] = {"keeper": os.getpid()}
    options: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
    with (folder / "log.txt").open("ab", buffering=0) as log:
        try:
            child = subprocess.Popen(
                argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options
            )
        except (OSError, ValueError) as error:
            _write(record, {**said, "error": f"{argv[0]}: {error}", "ended": time.time()})
            return 127
    said["pid"] = child.pid
    _write(record, said)
    code = child.wait()
    _end_the_rest(child.pid)
    _write(record, {**said, "exit": code, "ended": time.time()})
    return code & 0xFF


def _adopt() -> None:
    """On Linux, have descendants whose parents die become children of this process, wherever they put themselves."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_the_rest(group: int) -> None:
    """Kill what the trainer has left behind: it would hold the graphics card for nobody."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(OSError):  # other systems; and no child is left
        while pids := children.read_text(encoding="ascii").split():
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)


def _write(path: Path, value: dict[str, Any]) -> None:
    """As a whole or not at all; a full disk is no reason to leave the trainer alone. Windows refuses while somebody reads the file."""
    temporary = path.with_name(path.name + ".tmp")
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(value), encoding="utf-8")
            temporary.replace(path)
            return
        time.sleep(_PAUSE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
