"""The lines that the worker prints for its supervisor and for people, and what ComfyUI's training bar says.

Everything else in the log is ComfyUI's. Names of files and sentences stand as JSON's strings: they may have any characters, and a line is
a line.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..runs.model import Cause, Seen

_SAID = "SDGen training: "
_STEP = re.compile(r"step (\d+) of (\d+)(?:, loss (\S+))?")
_PHASE = re.compile(r"\w+")
_FILE = re.compile(r"(state|LoRA) after step (\d+): (\".*\")")
_FAILED = re.compile(r"failed \[([\w-]+)\]: (\".*\")")

#: tqdm's bar of the node: passes that are over, all passes, and the loss of the one that has just been made.
_BAR = re.compile(r"Training LoRA:\s*\d+%\|[^|]*\|\s*(\d+)/(\d+)\s*\[.*?\bloss=(nan|-?inf|[-+.\deE]+)")


def phase(name: str) -> str:
    """What the worker does now, a word."""
    return f"{_SAID}{name}"


def step(at: int, steps: int, loss: float | None) -> str:
    """A step is over; a loss that is no number is not said."""
    return f"{_SAID}step {at} of {steps}" + (f", loss {loss!r}" if loss is not None and math.isfinite(loss) else "")


def state(folder: Path, at: int) -> str:
    """A state was saved."""
    return f"{_SAID}state after step {at}: {_quoted(str(folder))}"


def saved(file: Path, at: int) -> str:
    """The LoRA was saved."""
    return f"{_SAID}LoRA after step {at}: {_quoted(str(file))}"


def failed(cause: Cause) -> str:
    """The training ends for this reason."""
    return f"{_SAID}failed [{cause.code}]: {_quoted(cause.sentence)}, {_quoted(cause.hint)}"


def seen(piece: str) -> Seen | None:
    """What a piece of the log tells of the progress."""
    text = _words(piece)
    if text is None:
        return None
    if found := _STEP.fullmatch(text):
        return Seen(step=int(found[1]), steps=int(found[2]), loss=_number(found[3]), phase="training")
    if found := _FILE.fullmatch(text):
        names = _unquoted(found[3])
        if len(names) != 1:
            return None
        if found[1] == "state":
            return Seen(step=int(found[2]), state=Path(names[0]))
        return Seen(step=int(found[2]), saved=Path(names[0]))
    return Seen(phase=text) if _PHASE.fullmatch(text) else None


def failure(piece: str) -> Cause | None:
    """The cause that a line names, where it is one of failure."""
    found = _FAILED.fullmatch(_words(piece) or "")
    said = _unquoted(found[2]) if found else []
    return Cause(found[1], *said) if found and len(said) == 2 else None


def _words(piece: str) -> str | None:
    """What a line of the worker's says; None for any other text."""
    piece = piece.strip()
    return piece[len(_SAID) :] if piece.startswith(_SAID) else None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _unquoted(text: str) -> list[str]:
    """The strings of a list; none where it is something else."""
    try:
        said = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return []
    return said if all(isinstance(one, str) for one in said) else []


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


@dataclass
class Bar:
    """Follows the training bar of one prompt and gives the mean loss of every optimizer step that is over.

    tqdm draws the bar when a pass has its loss, and, now and then, when it has counted passes; a bar with another count than the one
    before is of the second kind, and tells how many passes were missed. ``passes`` are those of a step. ``scale`` is 1, or ``passes``
    where the node has divided the loss already (images of several sizes).
    """

    passes: int
    scale: float = 1.0
    _drawn: int = 0
    _made: int = 0
    _losses: list[float] = field(default_factory=list)

    def read(self, piece: str) -> list[tuple[int, float]]:
        """Steps that are over with this piece of the log, counted from 1, and their losses."""
        match = _BAR.search(piece)
        if match is None:
            return []
        at, total, loss = int(match[1]), int(match[2]), float(match[3])
        made = min(total, self._made + 1 if at == self._drawn else max(self._made, at))
        self._drawn = at
        over = []
        while self._made < made:
            self._made += 1
            self._losses.append(loss)
            if self._made % self.passes == 0:
                over.append((self._made // self.passes, self.scale * math.fsum(self._losses) / len(self._losses)))
                self._losses = []
        return over
