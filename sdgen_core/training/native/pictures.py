"""The images of a data set, laid out for ComfyUI's loader.

The loader takes the first dot of a path's ending wherever it stands (``replace``), reads an absent caption as an empty one, and wants two
images at least (see the package). So images get plain names in a folder of the run, as hard links where these work.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import SDGenError, shown
from ..datasets.folder import CAPTION_ENDING, ENDINGS, IMAGES, repeats_of


@dataclass(frozen=True)
class Picture:
    """An image, its caption, and how often it is given; ``folder`` is the one it lies in."""

    path: Path
    caption: str
    repeats: int

    @property
    def folder(self) -> str:
        return self.path.parent.name


def pictures(dataset: Path) -> list[Picture]:
    """The images in ``dataset``, which has folders like 10_name or ``images`` with such. Raises ``not-a-dataset``."""
    root = dataset / IMAGES if (dataset / IMAGES).is_dir() else dataset
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        repeats = repeats_of(folder.name) if folder.is_dir() else None
        if repeats is None:
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in ENDINGS and path.is_file():
                found.append(Picture(path, _caption(path), repeats[0]))
    if not found:
        raise SDGenError("not-a-dataset", f"{shown(dataset)} has no images")
    return found


def _caption(image: Path) -> str:
    file = image.with_suffix(CAPTION_ENDING)
    try:
        return file.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SDGenError("not-a-dataset", f"the caption {shown(file)} cannot be read: {error}") from error


def lay_out(found: Sequence[Picture], folder: Path) -> int:
    """Put images and captions into ``folder``, which is made anew. Gives how many images the loader finds there, repeats and all.

    Images are drawn by lot, so that only the ratio of their repeats matters: the smallest numbers with it are used, for each repeat
    is read and encoded again. Raises ``OSError``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    common = math.gcd(*(one.repeats for one in found))
    count = 0
    for number, one in enumerate(found, 1):
        repeats = 2 if len(found) == 1 else one.repeats // common
        place = folder / f"{repeats}_images"
        place.mkdir(parents=True, exist_ok=True)
        target = place / f"{number:06d}{one.path.suffix.lower()}"
        try:
            os.link(one.path, target)
        except OSError:
            shutil.copyfile(one.path, target)
        target.with_suffix(CAPTION_ENDING).write_text(one.caption, encoding="utf-8", newline="\n")
        count += repeats
    return count
