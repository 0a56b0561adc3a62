"""Puts a LoRA that was trained where ComfyUI's loaders list it: the folder ``loras`` of the training folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

FOLDER = "loras"


def publish(output: Path, training: Path, elsewhere: Callable[[str], bool] = lambda name: False) -> Path:
    """Give a file a second name in the training folder's ``loras``, or copy it where that cannot be. A name that is taken gets a number:
    nothing is overwritten, and none is given by which ComfyUI's loaders find another file, ``elsewhere``. Raises ``OSError``.
    """
    folder = training / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        target = folder / (output.name if number == 1 else f"{output.stem}_{number}{output.suffix}")
        if elsewhere(target.name):
            continue
        with contextlib.suppress(FileExistsError):
            _add(output, target)
            return target
        if target.samefile(output):  # a verdict that was lost in a crash is given again
            return target
    raise AssertionError("unreachable")


def _add(output: Path, target: Path) -> None:
    try:
        os.link(output, target)
        return
    except FileExistsError:
        raise
    except OSError:  # another disk, or one that has no links
        pass
    partial = target.with_name(target.name + ".part")
    with target.open("xb"):  # the name is ours now
        pass
    shutil.copy2(output, partial)
    partial.replace(target)
