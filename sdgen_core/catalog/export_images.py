"""Images in one zip: their files or clean copies of them, under names of our own making, and a table of what is known of them.

The zip is written to a file image by image; it is stored, not packed, for images are packed already.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from ..errors import SDGenError
from ..sessions.naming import safe_name
from .clean_copies import PIECE, NotCleaned, clean_copy
from .details import details
from .sql import as_list
from .store import Store

#: Ways of naming files: as they are called, by their place in the order, by their values and seed.
Names = Literal["file", "number", "values"]
#: The most images in one zip.
MOST = 20_000

_TOGETHER = 200
_NAME = 120  # bytes of a name in UTF-8, ending included
_SPARE = 256 << 20  # bytes that a disk keeps free
_RECORD = 2_000  # bytes of the zip's own and of the table that an image takes
_ENDINGS = {b"\x89PN": ".png", b"\xff\xd8\xff": ".jpg", b"RIF": ".webp"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "session", "original", "seed", "model", "sampler", "scheduler", "steps", "cfg", "width", "height", "mark", "rating", "failed",
    "tags", "note",
)  # fmt: skip


class Stopped(Exception):
    """Somebody does not want it any more."""


@dataclass
class Progress:
    """How far an export is. ``remarks``: what is not in it, and why."""

    total: int
    done: int = 0
    bytes: int = 0
    remarks: list[str] = field(default_factory=list)
    stopped: bool = False


def check_room(store: Store, images: Sequence[int], folder: Path) -> None:
    """Raises ``disk-full`` where a zip of ``images`` in ``folder`` would leave too little."""
    sql = "SELECT total(bytes) FROM image WHERE id IN (SELECT value FROM json_each(?))"
    needed = int(store.rows(sql, (as_list(images),))[0][0]) + len(images) * _RECORD
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        message = f"the zip takes {needed >> 20:,} MiB, and {free >> 20:,} MiB are free"
        raise SDGenError("disk-full", message, hint="Choose fewer images, or free some space where the catalog is.")


def write_zip(
    target: Path,
    store: Store,
    images: Sequence[int],
    file: Callable[[int], Path],
    progress: Progress,
    *,
    clean: bool = False,
    names: Names = "file",
) -> None:
    """Write ``images`` in their order; ``file`` says where each is. An image that cannot be had is left out with a remark.

    Raises :class:`Stopped`, ``disk-full`` and ``unwritable-folder``; then nothing is left.
    """
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive, _spooled() as rows:
            _write(archive, rows, store, images, file, progress, clean=clean, names=names)
    except OSError as error:
        target.unlink(missing_ok=True)
        code = "disk-full" if error.errno == 28 else "unwritable-folder"
        raise SDGenError(code, f"the zip cannot be written: {error.strerror or error}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    progress.bytes = target.stat().st_size


def _spooled() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=4 << 20)


def _write(
    archive: zipfile.ZipFile,
    rows: IO[bytes],
    store: Store,
    images: Sequence[int],
    file: Callable[[int], Path],
    progress: Progress,
    *,
    clean: bool,
    names: Names,
) -> None:
    table = _Table(rows, _placeholders(store, images))
    taken = {"manifest.csv", "remarks.txt"}
    for at in range(0, len(images), _TOGETHER):
        for one in details(store, images[at : at + _TOGETHER]):
            if progress.stopped:
                raise Stopped
            progress.done += 1
            try:
                path = file(one["id"])
                name = _unique(_stem(one, names, progress), path, taken)
                _add(archive, name, path, clean=clean)
            except (NotCleaned, OSError, SDGenError) as error:
                if getattr(error, "errno", None) == 28:
                    raise
                progress.remarks.append(f"{one['session_name']}, {one['file']}: left out; {_why(error)}")
                continue
            table.add(name, one)
    if missing := len(images) - progress.done:
        progress.remarks.append(f"{missing:,} images are not in the library any more")
        progress.done = len(images)
    archive.writestr(_info("manifest.csv", time.time()), table.text())
    if progress.remarks:
        archive.writestr(_info("remarks.txt", time.time()), "\n".join(progress.remarks) + "\n")


def _why(error: Exception) -> str:
    if isinstance(error, SDGenError):
        return "its file is not there" if error.code == "missing-file" else error.message
    if isinstance(error, OSError):
        return f"its file cannot be read: {error.strerror or type(error).__name__}"
    return f"no clean copy can be made: {error}"


def _add(archive: zipfile.ZipFile, name: str, path: Path, *, clean: bool) -> None:
    with path.open("rb") as source:
        state = os.fstat(source.fileno())
        info = _info(name, state.st_mtime)
        if not clean:
            info.file_size = state.st_size
            with archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry, PIECE)
            return
        # Whole before it is begun: what turns out to be damaged must leave no half of itself.
        with tempfile.SpooledTemporaryFile(max_size=64 << 20) as copy:
            for piece in clean_copy(source):
                copy.write(piece)
            info.file_size = copy.tell()
            copy.seek(0)
            with archive.open(info, "w") as entry:
                shutil.copyfileobj(copy, entry, PIECE)


def _info(name: str, modified: float) -> zipfile.ZipInfo:
    year, *rest = time.localtime(modified)[:6]
    moment = (year, *rest) if 1980 <= year <= 2107 else (1980, 1, 1, 0, 0, 0)
    info = zipfile.ZipInfo(name, moment)  # type: ignore[arg-type]
    info.external_attr = 0o644 << 16
    return info


# ---- names -----------------------------------------------------------------------------------------------------------------


def _stem(one: Mapping[str, Any], names: Names, progress: Progress) -> str:
    if names == "number":
        return f"{progress.done:0{len(str(progress.total))}}"
    if names == "values" and one["values"]:
        parts = [
            f"{name}-{value['text'] if len(value['text']) <= 40 else value['key']}"
            for name, value in one["values"].items()
        ]
        seed = [] if one["seed"] is None else [f"seed-{one['seed']}"]
        return "_".join([*parts, *seed])
    return Path(one["file"]).stem


def _unique(stem: str, path: Path, taken: set[str]) -> str:
    """A name that no other file of the zip has on any system; it is noted in ``taken``."""
    with path.open("rb") as handle:
        ending = _ENDINGS.get(handle.read(3), ".bin")
    for number in _numbers():
        more = f" ({number})" if number > 1 else ""
        name = safe_name(stem, _NAME - len(more + ending)) + more + ending
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded not in taken:
            taken.add(folded)
            return name
    raise AssertionError


def _numbers() -> Iterator[int]:
    number = 1
    while True:
        yield number
        number += 1


# ---- the table -------------------------------------------------------------------------------------------------------------


def _placeholders(store: Store, images: Sequence[int]) -> list[str]:
    sql = (
        "SELECT DISTINCT placeholder.name FROM image_value JOIN value ON value.id = image_value.value JOIN placeholder"
        " ON placeholder.id = value.placeholder WHERE image IN (SELECT value FROM json_each(?)) ORDER BY 1"
    )
    return [name for (name,) in store.rows(sql, (as_list(images),))]


class _Table:
    """manifest.csv: a row an image, as spreadsheets read it."""

    def __init__(self, target: IO[bytes], placeholders: Sequence[str]) -> None:
        self._target, self._placeholders = target, placeholders
        self._text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        more = [column for name in placeholders for column in (name, f"{name} (verdict)")]
        self._rows.writerow(_plain(text) for text in ("file", *_COLUMNS, *more))

    def add(self, name: str, one: Mapping[str, Any]) -> None:
        known = {**one, "session": one["session_name"], "original": one["file"], "tags": ", ".join(one["tags"])}
        known["failed"] = "yes" if one["failed"] else None
        cells = [name, *(known[column] for column in _COLUMNS)]
        for placeholder in self._placeholders:
            value = one["values"].get(placeholder)
            cells += [value["text"], value["verdict"]] if value else [None, None]
        self._rows.writerow(_plain(cell) for cell in cells)

    def text(self) -> bytes:
        self._text.flush()
        self._text.detach()
        self._target.seek(0)
        return self._target.read()


def _plain(cell: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
