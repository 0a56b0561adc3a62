"""Following sessions until they no longer run."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..errors import SDGenError
from .connection import Access
from .output import ACTIVE

_POLL = 0.5  # s between looks at a session


def follow(
    sessions: Access, statuses: list[dict[str, Any]], *, quiet: bool = False, lines: bool = False
) -> list[dict[str, Any]]:
    """Show the progress of ``statuses`` until each has ended or waits for its user; gives the last ones.

    ``lines`` prints a JSON line at every change to standard output in place of the bars. Ctrl-C passes through.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ..sessions.service import duration

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"))
    last = {status["id"]: status for status in statuses}
    said: dict[str, dict[str, Any]] = {}
    with Progress(*columns, console=Console(stderr=True, quiet=quiet or lines)) as progress:
        tasks = {
            i: progress.add_task(s["name"], total=s["planned"], completed=s["done"], more="") for i, s in last.items()
        }
        total = (
            progress.add_task("all", total=sum(s["planned"] for s in last.values()), more="") if len(last) > 1 else None
        )
        while True:
            for session in [i for i, s in last.items() if s["state"] in ACTIVE or i not in said]:
                status = last[session] = _look(sessions, session)
                ended = status["done"] + status["failed"] + status["skipped"]
                progress.update(tasks[session], completed=ended, total=status["planned"], more=more(status))
                if lines and said.get(session) != status:
                    sys.stdout.write(json.dumps(status, ensure_ascii=False) + "\n")
                    sys.stdout.flush()
                said[session] = status
            if total is not None:
                every = list(last.values())
                left = seconds_left(every)
                progress.update(
                    total,
                    completed=sum(s["planned"] - s["left"] for s in every),
                    total=sum(s["planned"] for s in every),
                    more=f"{duration(left)} left" if left else "",
                )
            if not any(s["state"] in ACTIVE for s in last.values()):
                return [last[status["id"]] for status in statuses]
            time.sleep(_POLL)


def _look(sessions: Access, session: str) -> dict[str, Any]:
    try:
        return sessions.show(session)
    except SDGenError as error:
        if error.code != "no-server":
            raise
        hint = f"Nothing finished is lost. Start ComfyUI again; `sdgen sessions resume {session}` or the same command goes on."
        raise SDGenError("no-server", error.message, hint=hint) from error


def seconds_left(statuses: list[dict[str, Any]]) -> float:
    """Time that all of these sessions still take; those that have no rate of their own go by the mean of the others."""
    rates = {
        s["id"]: s["eta_seconds"] / s["left"] if s["eta_seconds"] and s["left"] else s["seconds_per_image"]
        for s in statuses
    }
    known = [rate for rate in rates.values() if rate]
    mean = sum(known) / len(known) if known else 0.0
    return float(sum((rates[s["id"]] or mean) * s["left"] for s in statuses if s["state"] in ACTIVE))


def more(status: dict[str, Any]) -> str:
    """What stands behind the bar: failures, rate, time left."""
    from ..sessions.service import duration

    parts = []
    if status["failed"]:
        parts.append(f"{status['failed']:,} failed")
    if status["images_per_minute"]:
        parts.append(f"{status['images_per_minute']:g} a minute")
    if status["eta_seconds"]:
        parts.append(f"{duration(status['eta_seconds'])} left")
    elif status["state"] not in ("running", "completed"):
        parts.append(status["state"])
    return " · ".join(parts)
