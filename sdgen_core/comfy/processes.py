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


def birth(pid: int) -> str:
    """When the process with this id was born, in the system's own form; empty when none lives. One that has ended and waits for its
    parent to ask for its status does not live."""
    if sys.platform == "win32":
        return _windows_birth(pid)
    if Path("/proc/self/stat").is_file():
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]
        return ""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    state, _, born = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    return "" if state.startswith("Z") else born.strip()


def _windows_birth(pid: int) -> str:
    """The creation time (100 ns since 1601) from GetProcessTimes; a process that has ended has a status (not 259, STILL_ACTIVE)."""
    if sys.platform != "win32":
        return ""
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return ""
    try:
        status, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
        pointers = [ctypes.byref(one) for one in times]
        known = kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(status))
        if not known or status.value != 259 or not kernel.GetProcessTimes(wintypes.HANDLE(handle), *pointers):
            return ""
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))


def boot_id() -> str:
    """What names the time since the machine was started; empty where times of birth are dates (macOS, Windows)."""
    with contextlib.suppress(OSError):  # random(4); proc(5) counts births from the boot
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


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
    kill_those(below)


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
    kill_those(below)


def kill_those(processes: dict[int, str]) -> None:
    """Kill those of ``processes`` (from ``descendants``) that still live and are still themselves."""
    if sys.platform == "win32" or not processes:
        return
    table = _process_table()
    for pid, birth in processes.items():
        if table.get(pid, (0, ""))[1] == birth:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
