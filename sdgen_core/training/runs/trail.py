"""What a trainer prints, read as it comes: bars are redrawn with a carriage return, so lines alone would show nothing for minutes."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from .model import Seen, Trainer

_BREAK = re.compile(rb"[\r\n]+")
_BLOCK = 1 << 20
#: Bytes without a break that are kept; no trainer's line is as long.
_LONGEST = 1 << 18
#: Steps over which the pace is the mean.
_PACES = 20


class Trail:
    """The pieces of a log between \\r and \\n, from byte ``at`` on; up to byte ``end`` of one that is over."""

    def __init__(self, path: Path, at: int = 0, end: int | None = None) -> None:
        self._path, self._at, self._end = path, at, end
        self._rest = b""
        self._still = False

    def read(self) -> Iterator[str]:
        """The pieces that are new and whole, without empty ones. Reads a block at a time."""
        self._still = True
        while block := self._block():
            self._still = False
            *whole, self._rest = _BREAK.split(self._rest + block)
            self._rest = self._rest[-_LONGEST:]
            yield from (_text(piece) for piece in whole if piece)

    @property
    def unfinished(self) -> str:
        """The piece at the end that may still grow, once a reading has found nothing new; a bar's end comes with its next state."""
        return _text(self._rest) if self._still else ""

    def all(self) -> Iterator[str]:
        """Everything up to the end, also what has no break behind it."""
        yield from self.read()
        if self._rest:
            yield _text(self._rest)

    def _block(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                block = file.read(_BLOCK if self._end is None else min(_BLOCK, max(0, self._end - self._at)))
        except OSError:
            return b""
        self._at += len(block)
        return block


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")


class Progress:
    """What the pieces of one process's log say together. Steps are those of the process."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._marks: deque[tuple[float, int]] = deque(maxlen=_PACES + 1)
        self.step = 0
        self.loss: float | None = None
        self.phase = ""
        self.no_number_at: int | None = None  # the step at which the loss was first no number
        self.states = 0  # how many were told of
        self.samples: list[str] = []
        self.curve: list[tuple[int, float]] = []

    def take(self, pieces: Iterable[str], now: float | None) -> bool:
        """Take pieces in that came at ``now`` (s, of a clock that does not jump); None for those of a past that nobody watched. True
        when one said something."""
        told = False
        for piece in pieces:
            seen = self._trainer.read(piece)
            if seen is not None:
                told = True
                self._see(seen, now)
        return told

    def _see(self, seen: Seen, now: float | None) -> None:
        if seen.phase:
            self.phase = seen.phase
        # the step of a saved state is that of the state
        if seen.step is not None and seen.state is None and seen.saved is None and seen.step >= self.step:
            if now is not None and (seen.step > self.step or not self._marks):
                self._marks.append((now, seen.step))
            self.step = seen.step
        if seen.loss is not None:
            self._lose(seen.loss)
        self.states += seen.state is not None
        if seen.sample is not None:
            self.samples.append(str(seen.sample))

    def _lose(self, loss: float) -> None:
        if not math.isfinite(loss):
            self.no_number_at = self.no_number_at or self.step
            self.loss = None
            return
        self.loss = loss
        if self.curve and self.curve[-1][0] == self.step:
            self.curve.pop()
        self.curve.append((self.step, loss))

    @property
    def pace(self) -> float | None:
        """Seconds a step, over the last ones that were watched."""
        if len(self._marks) < 2:
            return None
        (first, from_step), (last, to_step) = self._marks[0], self._marks[-1]
        return (last - first) / (to_step - from_step) if to_step > from_step else None


def shown_lines(log: Path, tail: int) -> list[str]:
    """The last ``tail`` lines of a log as a terminal would show them: of a bar that is redrawn its last state."""
    try:
        data = log.read_bytes()
    except OSError:
        return []
    lines = [_shown(line) for line in data.replace(b"\r\n", b"\n").split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines[-tail:] if tail > 0 else lines


def _shown(line: bytes) -> str:
    states = [state for state in line.split(b"\r") if state.strip()]
    return _text(states[-1]).rstrip() if states else ""


def end_of(log: Path, at: int, size: int = 1 << 16) -> str:
    """The end of the part of a log that begins at byte ``at``: at most ``size`` bytes."""
    try:
        with log.open("rb") as file:
            file.seek(max(at, log.stat().st_size - size))
            return _text(file.read())
    except OSError:
        return ""
