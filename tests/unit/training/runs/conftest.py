"""Runs with a trainer that is a real process (``fake_trainer.py``); nothing of them is left when a test ends."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.training.runs.service import Runs

from .fakes import trainer_of


class Room:
    """A training folder with what a job needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "training"
        self.base, self.dataset = folder / "base model é.safetensors", folder / "data"
        self.base.write_bytes(b"checkpoint")
        self.dataset.mkdir()
        self.opened: list[Runs] = []

    def runs(self, **options: Any) -> Runs:
        """Another program's view of the folder."""
        made = Runs(self.folder, trainer_of, **options)
        self.opened.append(made)
        return made

    def start(self, runs: Runs, steps: int = 6, *, name: str = "red", share: str = "none", **options: Any) -> str:
        job = runs.job(name, "fake", base=self.base, dataset=self.dataset, steps=steps, options=options)
        return runs.start(job, share=share)

    def trained(self, run: str) -> list[int]:
        """Every step that was really made, in this order."""
        file = self.folder / "runs" / run / "trained.txt"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def processes(self) -> list[int]:
        """Living processes of the folder's runs (Linux)."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                marked = b"PYTEST_MARK=" + str(self.folder).encode() in (entry / "environ").read_bytes()
                if marked and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        return found


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    made = Room(tmp_path)
    monkeypatch.setenv("PYTEST_MARK", str(made.folder))  # by which processes of this test are known
    yield made
    for runs in made.opened:
        runs.close()
    for pid in made.processes():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
