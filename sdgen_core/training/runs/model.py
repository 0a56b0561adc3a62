"""What a run, its trainer and its supervisor say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

#: States of a run. The last three are its ends; a stopped or failed one can go on when a state was saved.
STATES = ("waiting", "starting", "running", "saving", "stopping", "stopped", "failed", "done")
#: States in which a process of it lives, or is about to.
ACTIVE = ("starting", "running", "saving", "stopping")
ENDED = ("stopped", "failed", "done")


@dataclass(frozen=True)
class Job:
    """What is to be trained. ``base`` is a checkpoint, ``dataset`` a folder as ``training.datasets`` writes it, ``folder`` the run's own;
    ``steps`` are all optimizer steps, over all its processes; ``options`` are the trainer's; ``created_at`` is in Unix time (s).
    """

    id: str
    name: str
    trainer: str
    base: Path
    dataset: Path
    folder: Path
    steps: int
    options: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0

    @property
    def log(self) -> Path:
        """What the trainer prints, stdout and stderr as they come; a resumed run goes on in it."""
        return self.folder / "log.txt"

    @property
    def output(self) -> Path:
        """Where the LoRA comes to lie, and those saved before the end."""
        return self.folder / "output"

    @property
    def states(self) -> Path:
        """Where states lie, from which training goes on exactly."""
        return self.folder / "states"

    @property
    def events(self) -> Path:
        """Where TensorBoard events lie."""
        return self.folder / "events"

    @property
    def samples(self) -> Path:
        """Where images lie that the trainer makes meanwhile."""
        return self.folder / "samples"

    def to_json(self) -> dict[str, Any]:
        """The job with its paths as text."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Job:
        """What ``to_json`` gave. Raises ``KeyError``, ``TypeError`` and ``ValueError`` for anything else."""
        return cls(
            id=str(value["id"]),
            name=str(value["name"]),
            trainer=str(value["trainer"]),
            base=Path(value["base"]),
            dataset=Path(value["dataset"]),
            folder=Path(value["folder"]),
            steps=int(value["steps"]),
            options=dict(value["options"]),
            created_at=float(value["created_at"]),
        )


@dataclass(frozen=True)
class State:
    """A saved state: the folder to resume from, and the absolute step that it holds."""

    folder: Path
    step: int


@dataclass(frozen=True)
class Problem:
    """Something that is wrong before the start: with an ``option`` or in a ``file`` (either may be empty). ``fatal``: it would fail."""

    code: str
    message: str
    hint: str = ""
    option: str = ""
    file: str = ""
    fatal: bool = True


@dataclass(frozen=True)
class Cause:
    """Why a run failed: a stable code, one sentence that names the file or option, and what to do."""

    code: str
    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class Launch:
    """What a trainer gives: one process."""

    argv: tuple[str, ...]  # never a shell; argv[0] is an interpreter or program that exists
    cwd: Path
    env: Mapping[str, str]  # added to the environment (PYTHONUTF8=1, HF_HUB_OFFLINE=1, …)
    output: Path  # the LoRA file that must be there at the end
    steps: int  # optimizer steps of this process (what is left, when resumed)
    saves: bool = True  # whether states are written from which it can go on exactly
    events: Path | None = None  # folder of TensorBoard events


@dataclass(frozen=True)
class Seen:
    """What one piece of the log says; all of it is optional. Steps are those of the process, not of the run.

    ``phase``: loading, caching, training, saving, sampling. ``saved``: a checkpoint file that was written; ``state``: a folder to resume
    from; ``step`` is the step it holds.
    """

    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    phase: str = ""
    saved: Path | None = None
    state: Path | None = None
    sample: Path | None = None


class Trainer(Protocol):
    """A program that trains. ``name``: "kohya", "native"."""

    name: str

    def form(self, base: Path) -> dict[str, Any]:
        """The options that a run on this checkpoint can have: ``groups`` of them and ``presets``, as ``kohya.options.form`` gives them."""
        ...

    def check(self, job: Job) -> list[Problem]:
        """Before anything starts: errors and warnings with the option or file named."""
        ...

    def launch(self, job: Job, resume: State | None) -> Launch:
        """The process that trains, or goes on from ``resume``."""
        ...

    def read(self, piece: str) -> Seen | None:
        """What one piece of the log says, split at \\r or \\n."""
        ...

    def states(self, job: Job) -> list[State]:
        """Saved states on disk, with their absolute steps; whole ones only, never one that is being written."""
        ...

    def cause(self, tail: str, exit_code: int | None) -> Cause | None:
        """Why it failed, from the end of its log: one sentence, and what to do."""
        ...
