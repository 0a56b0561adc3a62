"""The trainers there are, by name; each is imported when it is asked for."""

from __future__ import annotations

import functools
import subprocess
import sys
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
    installation: Callable[[], Installation],
    starting: Callable[[], Installation] | None = None,
    *,
    kohya_folder: str = "",
    kohya_python: str = "",
) -> Callable[[str], Trainer]:
    """What gives a trainer by its name, or raises ``unknown-trainer``. ``installation`` is the ComfyUI that trains or lends its files,
    ``starting`` the same for a training that starts now, see ``installation_at``; the others are the settings of these names.
    """

    def made(name: str) -> Trainer:
        if name == "native":
            from ..native.trainer import NativeTrainer

            return NativeTrainer(installation, starting)
        if name == "kohya":
            from ..kohya.trainer import KohyaTrainer

            return KohyaTrainer(kohya_folder, kohya_python, lambda: Path(installation().comfyui))
        raise SDGenError("unknown-trainer", f"there is no trainer {name!r}", nearest=nearest_names(name, NAMES))

    return made


@functools.cache
def installation_at(comfyui: Path) -> Installation:
    """A ComfyUI that does not run, for a training that starts now: on the CPU where torch finds nothing else, which ComfyUI itself has to
    be told. Takes the seconds that torch takes to be loaded, in another process."""
    from ..native.installation import Installation

    asked = (
        "import torch; a = getattr(torch, 'accelerator', torch.cuda); raise SystemExit(0 if a.is_available() else 3)"
    )
    code = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=False).returncode
    return Installation(comfyui, flags=("--cpu",) if code == 3 else ())


def steps_for(base: Path) -> int:
    """How many optimizer steps a small data set takes on this checkpoint, when nobody says."""
    from ..native.options import STEPS, size_of

    return STEPS[size_of(base)]
