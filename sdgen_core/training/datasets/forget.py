"""Deleting a data set: never one that a run needs now, and nothing of the sessions that its images come from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError, shown
from ...sessions.files import raise_write_error, replace, temporary_name
from ..runs.model import ENDED
from .folder import CONFIG, IMAGES, RECORD
from .held_out import FILE

if TYPE_CHECKING:
    from ..runs.ledger import Run

_OURS = frozenset({RECORD, CONFIG, FILE, IMAGES})


def forget(folder: Path, runs: Iterable[Run]) -> None:
    """Delete the data set in ``folder`` with everything in it. Images that are hard links stay where they were taken from.

    Raises ``not-a-dataset``, ``bad-run-state`` while one of the ``runs`` learns from it or is about to, and ``unwritable-folder``.
    """
    if not (folder / RECORD).is_file():
        raise SDGenError("not-a-dataset", f"{shown(folder)} has no {RECORD}")
    if Path(os.path.realpath(folder)) != Path(os.path.realpath(folder.parent)) / folder.name:
        raise SDGenError(
            "unwritable-folder", f"{shown(folder)} is a link to another folder", hint="Delete it yourself."
        )
    for run in needing(folder, runs):
        if run.state not in ENDED:
            message = f"the run {run.name} [{run.id}] is {run.state}, and learns from {folder.name}"
            raise SDGenError("bad-run-state", message, hint="Wait for its end, or stop it first.")
    gone = temporary_name(folder)
    try:
        replace(folder, gone)  # whole or not at all: Windows refuses while a program has a file of it open
        shutil.rmtree(gone)
    except OSError as error:
        raise_write_error(error, folder, "delete")


def needing(folder: Path, runs: Iterable[Run]) -> list[Run]:
    """Those of the ``runs`` that learn from a data set, are about to, or could go on with it."""
    real = os.path.realpath(folder)
    return [run for run in runs if _open(run) and os.path.realpath(run.job.dataset) == real]


def _open(run: Run) -> bool:
    return run.state not in ENDED or (run.state != "done" and any(0 < one.step < run.steps for one in run.saved))


def foreign(folder: Path) -> list[str]:
    """What lies in a data set's folder beside what SDGen writes there."""
    return sorted(path.name for path in folder.iterdir() if path.name not in _OURS)
