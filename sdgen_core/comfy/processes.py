"""End a child process with all its descendants, on Linux, macOS and Windows, with the standard library only.

A ComfyUI server starts processes of its own (a training run, a Windows virtual environment's real interpreter). A
process that is merely terminated leaves them behind, holding ports, files and memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def process_options() -> dict[str, Any]:
    """The options of ``subprocess.Popen`` that make the child the head of a group of its own.

    Ctrl-C in the terminal then reaches only the parent, which decides what becomes of the child.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def descendants(pid: int) -> dict[int, str]:
    """All processes below ``pid``, parents before children: id and time of birth. Empty on Windows.

    An id may be given to another process once its owner has ended; id and birth together name one process for good.
    """
    table = _process_table()
    out: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        above = waiting.pop(0)
        for child, (parent, birth) in table.items():
            if parent == above and child not in out:
                out[child] = birth
                waiting.append(child)
    return out


def _process_table() -> dict[int, tuple[int, str]]:
    """Every process of the machine: id to (id of the parent, time of birth in the system's own form)."""
    out: dict[int, tuple[int, str]] = {}
    if sys.platform == "win32":
        return out
    proc = Path("/proc")
    if (proc / "self" / "stat").is_file():
        for entry in proc.iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    # proc(5): "pid (name, which may hold anything) state ppid ...", the start time is field 22
                    fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                    out[int(entry.name)] = (int(fields[1]), fields[19])
        return out
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        with contextlib.suppress(ValueError):
            pid, parent, birth = line.split(None, 2)
            out[int(pid)] = (int(parent), birth)
    return out


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill ``process`` and every descendant at once and wait for it; quiet when it has ended already."""
    if sys.platform == "win32":
        if process.poll() is None:
            subprocess.run(["taskkill", "/PID", str(process.pid), "/T", "/F"], capture_output=True, check=False)
        process.wait()
        return
    below = descendants(process.pid) if process.poll() is None else {}
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _kill(below)


def terminate_tree(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Ask ``process`` to end, wait up to ``timeout`` seconds, then kill what is left of it and of its descendants."""
    if sys.platform == "win32":
        kill_tree(process)  # a process without a window cannot be asked from outside of its console
        return
    below: dict[int, str] = {}
    if process.poll() is None:
        below = descendants(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
    kill_tree(process)
    _kill(below)


def _kill(processes: dict[int, str]) -> None:
    """Kill those of ``processes`` (from ``descendants``) that still live and are still themselves."""
    if sys.platform == "win32" or not processes:
        return
    table = _process_table()
    for pid, birth in processes.items():
        if table.get(pid, (0, ""))[1] == birth:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
