"""The trainers there are, by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError, nearest_names
from .model import Trainer

if TYPE_CHECKING:
    from ..native.installation import Installation

#: The first is the one that needs nothing else.
NAMES = ("native", "kohya")


def trainers(
    installation: Callable[[], Installation], *, kohya_folder: str = "", kohya_python: str = ""
) -> Callable[[str], Trainer]:
    """What gives a trainer by its name, or raises ``unknown-trainer``. ``installation`` is the ComfyUI that trains or lends its files; the
    others are the settings of these names.
    """

    def made(name: str) -> Trainer:
        if name == "native":
            from ..native.trainer import NativeTrainer

            return NativeTrainer(installation)
        if name == "kohya":
            from ..kohya.trainer import KohyaTrainer

            return KohyaTrainer(kohya_folder, kohya_python, Path(installation().comfyui))
        raise SDGenError("unknown-trainer", f"there is no trainer {name!r}", nearest=nearest_names(name, NAMES))

    return made


def steps_for(base: Path) -> int:
    """How many optimizer steps a small data set takes on this checkpoint, when nobody says."""
    from ..native.options import STEPS, size_of

    return STEPS[size_of(base)]
