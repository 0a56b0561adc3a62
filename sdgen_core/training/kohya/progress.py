"""What the pieces of sd-scripts' log say: its bars, saves and phases. Read with ``--console_log_simple``, which wraps no line.

Bars are separated by ``\\r``, the rest by ``\\n``; steps are those of the process. ``steps:`` is the training's bar, and the only one with
this name; unlabelled bars count images while sizes are read and latents cached.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..runs.model import Seen

_BAR = re.compile(r"^steps:\s{0,8}\d{1,3}%\|[^|]*\|\s*(?P<step>\d+)/(?P<steps>\d+) \[(?P<rest>.*)")
_LOSS = re.compile(r"\bavr_loss=(?P<loss>[-+.\w]+)")
_SAVING = re.compile(r"^\s*saving checkpoint: (?P<path>.+)$")
_STATE = re.compile(r"^\s*Random states saved in (?P<path>.+)$")
_STATE_STEP = re.compile(r"-step(?P<step>\d{8,})-state$")
_TOTAL = re.compile(r"^\s*total optimization steps\b.*:\s*(?P<steps>\d+)\s*$")
_PHASES = tuple(
    (re.compile(rf"^\s*(?:{pattern})"), phase)
    for pattern, phase in (
        (r"caching (?:latents|[Tt]ext [Ee]ncoder)|cache Text Encoder", "caching"),
        (r"running training|epoch \d+/\d+\s*$|epoch is incremented", "training"),
        (r"generating sample images", "sampling"),
        (r"saving state at|saving last state|Saving current state|model saved", "saving"),
        (r"loading |load |prepar|accelerator device|Using |Building |import network", "loading"),
    )
)


def read(piece: str) -> Seen | None:
    """What one piece says, or None.

    A checkpoint is named when it begins to be written, a state when its last file is there.
    """
    bar = _BAR.match(piece.strip())
    if bar:
        loss = _LOSS.search(bar["rest"])
        return Seen(int(bar["step"]), int(bar["steps"]), _number(loss["loss"]) if loss else None, "training")
    if found := _STATE.match(piece):
        folder = Path(found["path"].strip()).parent
        step = _STATE_STEP.search(folder.name)
        return Seen(step=int(step["step"]) if step else None, phase="saving", state=folder)
    if found := _SAVING.match(piece):
        return Seen(phase="saving", saved=Path(found["path"].strip()))
    if found := _TOTAL.match(piece):
        return Seen(steps=int(found["steps"]), phase="training")
    for pattern, phase in _PHASES:
        if pattern.match(piece):
            return Seen(phase=phase)
    return None


def _number(text: str) -> float | None:
    """A loss; ``nan`` and ``inf`` are numbers too."""
    try:
        return float(text)
    except ValueError:
        return None
