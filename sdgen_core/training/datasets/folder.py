"""A data set on the disk: what its files are called, and reading it back.

dataset.json    form, recipe, counts, every image with what it was made of
dataset.toml    the same for kohya's --dataset_config
held_out.json   seeds and prompts that no image has, for the benchmark
images/10_name/000001_1a2b3c4d.png and .txt, its caption
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from ...sessions.naming import safe_name
from .held_out import FILE, HeldOut

FORM = 1
SETS, RECORD, CONFIG, IMAGES = "datasets", "dataset.json", "dataset.toml", "images"
CAPTION_ENDING = ".txt"
#: What trainers and ComfyUI's loader read; kohya reads BMP too.
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
#: kohya's buckets: sides are multiples of this many pixels.
STEP = 64
#: Bytes that a name takes in a path, in which it stands twice: on Windows a whole path has 260 characters.
_NAME_BYTES, _GROUP_BYTES = 60, 40
_REPEATS = re.compile(r"(\d{1,5})_(.*)", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """An image of a data set. ``file`` is below the data set's folder, with /; ``values``: placeholder -> ``{"key", "text"}``."""

    file: str
    caption: str
    key: str
    session: str
    session_name: str
    original: str
    seed: int | None
    values: Mapping[str, Mapping[str, str]]
    sure: bool
    quality: float
    width: int
    height: int


@dataclass(frozen=True)
class DataSet:
    """A data set that was written. ``resolution``: width and height of most images; ``bounds``: the least and longest side of buckets."""

    folder: Path
    name: str
    recipe: Mapping[str, Any]
    counts: Mapping[str, int]
    resolution: tuple[int, int]
    bounds: tuple[int, int]
    images: Sequence[Entry]

    @classmethod
    def read(cls, folder: Path) -> DataSet:
        """Raises ``not-a-dataset``."""
        path = folder / RECORD
        place = Place(shown(path))
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["form"] != FORM:
                raise SDGenError(
                    "not-a-dataset", f"form {value['form']!r} is not known: another version wrote it", place=place
                )
            images = [Entry(**one) for one in value["images"]]
            resolution, bounds = ((int(a), int(b)) for a, b in (value["resolution"], value["bounds"]))
            return cls(folder, value["name"], value["recipe"], value["counts"], resolution, bounds, images)
        except FileNotFoundError as error:
            raise SDGenError("not-a-dataset", f"{shown(folder)} has no {RECORD}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SDGenError("not-a-dataset", f"it is no {RECORD}: {error}", place=place) from error

    @property
    def held_out(self) -> HeldOut:
        """Raises ``missing-file``, ``bad-structure``."""
        return HeldOut.read(self.folder / FILE)

    def to_json(self) -> dict[str, Any]:
        """What stands in the record."""
        images = [vars(one) for one in self.images]
        head = {"form": FORM, "name": self.name, "recipe": self.recipe, "counts": self.counts}
        return head | {"resolution": self.resolution, "bounds": self.bounds, "held_out": FILE, "images": images}


def records(training: Path) -> list[Path]:
    """The records of the data sets in a training folder, by folder; damaged ones too."""
    found = (training / SETS).glob(f"*/{RECORD}")
    # what is being written, or goes, has this ending, and keeps it when the program is killed
    return sorted(path for path in found if path.parent.suffix != ".tmp")


def folder_name(text: str) -> str:
    """A name for a data set's folder. Without dots: ComfyUI's loader takes one for the beginning of an ending."""
    return safe_name(text.replace(".", "_"), _NAME_BYTES)


def group_name(text: str) -> str:
    """The same for a folder of images in it, without their repeats."""
    return safe_name(text.replace(".", "_"), _GROUP_BYTES)


def repeats_of(folder: str) -> tuple[int, str] | None:
    """Repeats and name of a folder of images, 10_name; None for any other."""
    found = _REPEATS.fullmatch(folder)
    return (int(found[1]), found[2]) if found and int(found[1]) else None


def bucket_bounds(resolution: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """kohya's ``min_bucket_reso`` and ``max_bucket_reso``, its own 256 and 1024 where these do: multiples of 64 within which the
    resolution lies, as kohya asserts, and the images do too."""
    sides = [side for size in (resolution, *sizes) for side in size]
    least = max(STEP, min(256, *sides) // STEP * STEP)
    longest = -(-max(1024, *resolution) // STEP) * STEP
    return min(least, min(resolution) // STEP * STEP or STEP), longest


def config(dataset: DataSet, *, batch: int = 1, resolution: tuple[int, int] | None = None) -> str:
    """TOML for kohya's --dataset_config, for the folder where it is now. Keys as in ``library/config_util.py`` of sd-scripts."""
    width, height = resolution or dataset.resolution
    sizes = [(one.width, one.height) for one in dataset.images]
    least, longest = bucket_bounds((width, height), sizes)
    lines = [
        "[general]",
        f"caption_extension = {_text(CAPTION_ENDING)}",
        "shuffle_caption = false",
        "",
        "[[datasets]]",
        f"resolution = [{width}, {height}]",
        f"batch_size = {batch}",
        "enable_bucket = true",
        f"min_bucket_reso = {least}",
        f"max_bucket_reso = {longest}",
        f"bucket_reso_steps = {STEP}",
        "bucket_no_upscale = false",
    ]
    for name in sorted({one.file.split("/")[1] for one in dataset.images}):
        found = repeats_of(name)
        path = dataset.folder.absolute() / IMAGES / name
        lines += [
            "",
            "  [[datasets.subsets]]",
            f"  image_dir = {_text(shown(path))}",
            f"  num_repeats = {found[0] if found else 1}",
        ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """A basic string of TOML: JSON's is one, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
