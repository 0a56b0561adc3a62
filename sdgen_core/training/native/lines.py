"""The lines that the worker prints for its supervisor, one JSON object each, and what ComfyUI's training bar says.

Everything else in the log is ComfyUI's, for people.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..runs.model import Cause, Seen

_KEY = "sdgen"

#: tqdm's bar of the node: passes that are over, all passes, and the loss of the one that has just been made.
_BAR = re.compile(r"Training LoRA:\s*\d+%\|[^|]*\|\s*(\d+)/(\d+)\s*\[.*?\bloss=(nan|-?inf|[-+.\deE]+)")


def line(kind: str, **said: Any) -> str:
    """A line of the worker's. Numbers that are none are left out: JSON has no word for them."""
    values = {key: str(value) if isinstance(value, Path) else value for key, value in said.items()}
    sound = {key: value for key, value in values.items() if not (isinstance(value, float) and not math.isfinite(value))}
    return json.dumps({_KEY: kind, **sound}, ensure_ascii=False)


def parsed(piece: str) -> dict[str, Any] | None:
    """What ``line`` made; None for any other text."""
    piece = piece.strip()
    if not piece.startswith('{"' + _KEY + '"'):
        return None
    try:
        said = json.loads(piece)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get(_KEY), str) else None


def seen(piece: str) -> Seen | None:
    """What a piece of the log tells of the progress."""
    said = parsed(piece)
    if said is None:
        return None
    kind = said[_KEY]
    if kind == "phase":
        return Seen(phase=str(said.get("phase", "")))
    if kind == "step":
        loss = said.get("loss")
        return Seen(
            step=_whole(said.get("step")),
            steps=_whole(said.get("steps")),
            loss=float(loss) if isinstance(loss, int | float) else None,
            phase="training",
        )
    if kind == "state":
        return Seen(step=_whole(said.get("step")), state=Path(str(said.get("state", ""))))
    if kind == "saved":
        return Seen(step=_whole(said.get("step")), saved=Path(str(said.get("file", ""))))
    return None


def failure(piece: str) -> Cause | None:
    """The cause that a line names, where it is one of failure."""
    said = parsed(piece)
    if said is None or said[_KEY] != "failed":
        return None
    return Cause(str(said.get("code", "")), str(said.get("sentence", "")), str(said.get("hint", "")))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


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
