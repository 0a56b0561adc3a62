"""A data set's folder, written whole or not at all: it gets its name when everything is in it.

Images are hard links where these work: they take no room, and nothing here or in a trainer writes into an image. Never is anything
written into a folder with sessions.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError, shown
from ...sessions.files import make_folder, raise_write_error, replace, sync_folder, temporary_name
from .captions import main_part
from .choose import Image, Selection
from .folder import (
    CAPTION_ENDING,
    CONFIG,
    IMAGES,
    RECORD,
    SETS,
    STEP,
    DataSet,
    Entry,
    bucket_bounds,
    config,
    folder_name,
    group_name,
)
from .held_out import FILE
from .recipe import Recipe

if TYPE_CHECKING:
    from ...catalog.library import Library

_SPARE = 256 << 20  # bytes that a disk keeps free
_AROUND = 16 << 10  # bytes of captions and records that an image takes, generously
_MOST_REPEATS = 50  # of a folder of few images, times the recipe's own
_ROOM = "Choose fewer images, free some space, or choose a folder on another drive."
_STALE = 3600.0  # s after which what an interrupted write left is nobody's any more

#: Told how many images of how many are there.
Progress = Callable[[int, int], None]


def folder_of(training: Path, name: str) -> Path:
    """Where the data set ``name`` lies in the training folder."""
    return training / SETS / folder_name(name)


def write(
    library: Library, selection: Selection, folder: Path, progress: Progress = lambda done, total: None
) -> DataSet:
    """Write a selection to ``folder``; one that holds it already is left as it is.

    Raises ``no-images``, ``inside-gallery``, ``dataset-exists`` (of another recipe, or of other images), ``disk-full``, ``no-links``,
    ``missing-file`` and ``unwritable-folder``; then nothing of it is left.
    """
    selection.needed()
    check_target(library, folder)
    if (there := _same(selection, folder)) is not None:
        return there
    sources = [library.file(image.id) for image in selection.images]
    make_folder(folder.parent)
    _clear(folder)
    temporary = temporary_name(folder)
    try:
        (temporary / IMAGES).mkdir(parents=True)
        place = _placing(selection.recipe.files, sources, temporary)
        dataset = _fill(selection, sources, temporary, folder, place, progress)
        if folder.is_dir():
            folder.rmdir()  # an empty one; a rename onto it fails on Windows
        replace(temporary, folder)
        sync_folder(folder.parent)
    except OSError as error:
        with _hinting():
            raise_write_error(error, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dataset


@contextlib.contextmanager
def _hinting() -> Iterator[None]:
    """The advice about a full disk is elsewhere about sessions."""
    try:
        yield
    except SDGenError as error:
        if error.code == "disk-full":
            error.hint = _ROOM
        raise


def unused(selection: Selection, folder: Path) -> Path:
    """``folder``, or with a number behind its name the first that nothing else is in: for those who write again and again."""
    number, found = 1, folder
    while True:
        try:
            _same(selection, found)
            return found
        except SDGenError:
            number += 1
            found = folder.with_name(f"{folder.name}-{number}")


def check_target(library: Library, folder: Path) -> None:
    """Raises ``inside-gallery`` for a folder in which sessions lie, or could."""
    real = Path(os.path.realpath(folder))
    for root in library.roots():
        inside = Path(os.path.realpath(root))
        if real == inside or real.is_relative_to(inside):
            raise SDGenError("inside-gallery", f"{shown(folder)} is in {shown(root)}, whose images are in the library")


def check_there(recipe: Recipe, folder: Path) -> DataSet | None:
    """What is there, when it is of this recipe; None when nothing is. Raises ``dataset-exists`` for anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        there = DataSet.read(folder)
    except SDGenError:
        raise SDGenError("dataset-exists", f"{shown(folder)} is there, and is no data set") from None
    if there.recipe != json.loads(recipe.text()):
        raise SDGenError("dataset-exists", f"{shown(folder)} is a data set of another recipe")
    return there


def _same(selection: Selection, folder: Path) -> DataSet | None:
    """What is there, when it is just this; None when nothing is."""
    there = check_there(selection.recipe, folder)
    if there is None:
        return None
    if [(one.key, one.caption) for one in there.images] != [(one.key, one.caption) for one in selection.images]:
        message = f"{shown(folder)} is of the same recipe, but of other images: the library has changed since"
        raise SDGenError("dataset-exists", message)
    return there


def _clear(folder: Path) -> None:
    """What a write to this folder left that was killed."""
    with contextlib.suppress(OSError):
        for path in folder.parent.glob(f"{glob.escape(folder.name)}.*-*.tmp"):
            if path.is_dir() and time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path, ignore_errors=True)


# ---- files -----------------------------------------------------------------------------------------------------------------


def _placing(how: str, sources: Sequence[Path], folder: Path) -> Callable[[Path, Path], None]:
    """What brings an image into ``folder``. Raises ``no-links``, ``disk-full``."""
    drives: dict[int, list[Path]] = defaultdict(list)
    for path in sources:
        drives[path.stat().st_dev].append(path)
    linked = {drive: how != "copy" and _can_link(paths[0], folder) for drive, paths in drives.items()}
    if how == "link" and not all(linked.values()):
        path = next(drives[drive][0] for drive, works in linked.items() if not works)
        raise SDGenError("no-links", f"no hard link of {shown(path)} can be made in {shown(folder.parent)}")
    copied = [path for drive, paths in drives.items() if not linked[drive] for path in paths]
    needed = sum(path.stat().st_size for path in copied) + len(sources) * _AROUND
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        message = f"the data set takes {needed >> 20:,} MiB, and {free >> 20:,} MiB are free in {shown(folder.parent)}"
        raise SDGenError("disk-full", message, hint=_ROOM)

    def place(source: Path, target: Path) -> None:
        if linked[source.stat().st_dev]:
            # a file system allows so many links of one file: then it is copied after all
            with contextlib.suppress(OSError):
                os.link(source, target)
                return
            if how == "link":
                raise SDGenError("no-links", f"no hard link of {shown(source)} can be made")
        shutil.copyfile(source, target)

    return place


def _can_link(source: Path, folder: Path) -> bool:
    probe = folder / "link"
    try:
        os.link(source, probe)
        probe.unlink()
    except OSError:
        return False
    return True


def _fill(
    selection: Selection,
    sources: Sequence[Path],
    temporary: Path,
    folder: Path,
    place: Callable[[Path, Path], None],
    progress: Progress,
) -> DataSet:
    recipe = selection.recipe
    folders = _folders(recipe, selection.images)
    entries = []
    for n, (image, source) in enumerate(zip(selection.images, sources, strict=True), 1):
        name = f"{IMAGES}/{folders[image.group]}/{n:06}_{folder_name(image.key[:8])}"
        file = name + source.suffix.lower()
        target = temporary / file
        target.parent.mkdir(exist_ok=True)
        place(source, target)
        (temporary / (name + CAPTION_ENDING)).write_text(image.caption, encoding="utf-8", newline="\n")
        entries.append(_entry(image, file))
        progress(n, len(sources))
    resolution = _resolution(recipe, entries)
    bounds = bucket_bounds(resolution, [(one.width, one.height) for one in entries])
    counts = {"images": len(entries), "considered": selection.considered, **selection.counts}
    dataset = DataSet(folder, recipe.name, json.loads(recipe.text()), counts, resolution, bounds, entries)
    for file, text in (
        (RECORD, _json(dataset.to_json())),
        (FILE, _json(selection.held_out.to_json())),
        (CONFIG, config(dataset)),
    ):
        (temporary / file).write_text(text, encoding="utf-8", newline="\n")
    return dataset


def _entry(image: Image, file: str) -> Entry:
    same = ("caption", "key", "session", "session_name", "seed", "values", "sure", "width", "height")
    more = {name: getattr(image, name) for name in same}
    return Entry(file=file, original=image.file, quality=round(image.quality, 6), **more)


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _folders(recipe: Recipe, images: Sequence[Image]) -> Mapping[tuple[str, ...], str]:
    """Group -> folder of its images, with its repeats in its name."""
    name = group_name(recipe.name)
    sizes = Counter(image.group for image in images)
    if not recipe.even:
        return dict.fromkeys(sizes, f"{recipe.repeats}_{name}")
    largest = max(sizes.values())
    out: dict[tuple[str, ...], str] = {}
    taken: set[str] = set()
    first = {image.group: image for image in reversed(images)}
    for group in sorted(sizes):
        times = recipe.repeats * min(_MOST_REPEATS, round(largest / sizes[group]))
        texts = [main_part(value["text"]) for one in recipe.balance if (value := first[group].values.get(one))]
        said = group_name(" ".join("-".join(texts).split()) or name)
        number = 1
        while (made := f"{times}_{said}" + (f"-{number}" if number > 1 else "")).casefold() in taken:
            number += 1
        taken.add(made.casefold())
        out[group] = made
    return out


def _resolution(recipe: Recipe, images: Sequence[Entry]) -> tuple[int, int]:
    """The recipe's, or that of most images: both sides multiples of 64, so that images of this size are not resized."""
    if isinstance(recipe.resolution, int):
        return recipe.resolution, recipe.resolution
    if recipe.resolution is not None:
        return recipe.resolution[0], recipe.resolution[1]
    sizes = Counter((one.width, one.height) for one in images)
    width, height = min(sizes, key=lambda size: (-sizes[size], size))
    return max(STEP, width // STEP * STEP), max(STEP, height // STEP * STEP)
