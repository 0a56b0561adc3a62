"""What people wrote into ``manifest.json`` by hand.

The file is a snapshot of the journal and is replaced again and again, so what somebody noted in it (tags, a corrected prompt, keys
of a tool of their own) has to come into the journal first. An entry that is like none of the journal's lines for its file was
written by hand; one that is like an older line only comes from an older snapshot. An entry that is not there, although the snapshot
was written after its line, was deleted by hand: with its file gone too, that image was thrown away.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import shown
from .files import raise_write_error
from .journal import journal_records

log = logging.getLogger("sdgen")

#: The top-level keys of ``manifest.json`` that are SDGen's own.
KNOWN_TOP = frozenset({"snapshot", "images", "status", "failed", "removed"})

#: Endings of what is kept beside ``manifest.json``: a file that is no JSON, and one whose changes could not all be taken over.
BROKEN, EDITED = ".broken", ".edited"

_ours: dict[str, tuple[int, ...]] = {}


@dataclass
class Edits:
    """``images`` that were changed or added, ``top`` with changed top-level keys; ``snapshot`` says that the settings were changed,
    which are SDGen's record of what was ordered and are not taken over. ``removed`` are names of files that are gone, and whose
    entries were deleted."""

    images: list[dict[str, Any]] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    snapshot: bool = False
    removed: list[str] = field(default_factory=list)


def find_edits(journal: Path, written: Mapping[str, Any], entries: Iterable[dict[str, Any]]) -> Edits:
    """What of ``written``, a manifest with these ``entries``, does not come from the ``journal``.

    SDGen's own notes on an image (``sdgen``: its place, keys, hash) stay the journal's, and an entry that notes another hash is about
    an older file of this name.
    """
    left = {entry["filename"]: entry for entry in entries}
    latest: dict[str, dict[str, Any]] = {}
    top = {key: value for key, value in written.items() if key not in KNOWN_TOP}
    known_top: dict[str, Any] = {}
    strange = isinstance(written.get("snapshot"), dict)
    age = _Age(written, set(left))
    for number, record in enumerate(journal_records(journal)):
        kind = record["type"]
        age.take(number, record)
        if kind == "image" and isinstance(entry := record.get("entry"), dict):
            name = str(entry.get("filename"))
            if name in left:
                if left[name] == entry:
                    del left[name]
                    latest.pop(name, None)
                else:
                    latest[name] = entry
        elif kind in ("start", "extended"):
            strange = strange and record.get("snapshot") != written["snapshot"]
        elif kind == "top" and isinstance(record.get("values"), dict):
            known_top.update(record["values"])
            for key, value in record["values"].items():
                if key in top and top[key] == value:
                    del top[key]
    images = []
    for name, entry in left.items():
        ours = latest.get(name)
        if name in age.removed and not is_there(journal.parent, name):
            continue  # from a snapshot of before it was thrown away
        if ours is None:
            images.append(entry)
        elif _hash(entry) in (None, _hash(ours)):
            edited = {**entry, "sdgen": ours["sdgen"]} if "sdgen" in ours else entry
            if edited != ours:
                images.append(edited)
    return Edits(images, top, strange, [name for name in age.deleted() if not is_there(journal.parent, name)])


def is_there(folder: Path, name: str) -> bool:
    """Whether a folder has this file; a name that no file can have is none."""
    return os.path.lexists(folder / name)


class _Age:
    """After which line of the journal a manifest was written, at least, told by what it has: that entries are not there which are older
    is somebody's doing. ``removed`` are the images that the journal says were thrown away."""

    def __init__(self, written: Mapping[str, Any], names: set[str]) -> None:
        self.removed: set[str] = set()
        self._names, self._snapshot, self._status = names, written.get("snapshot"), written.get("status")
        self._whole = isinstance(written.get("images"), list)
        self._unmet = set(names)
        self._after = -1
        self._lacking: dict[str, int] = {}  # the last line of each entry that it does not have
        self._statuses: list[tuple[int, str]] = []

    def take(self, number: int, record: Mapping[str, Any]) -> None:
        """Line ``number`` of the journal."""
        kind = record["type"]
        if kind == "image" and isinstance(entry := record.get("entry"), dict):
            name = entry.get("filename")
            if not isinstance(name, str):
                return
            self.removed.discard(name)
            if name not in self._names:
                self._lacking[name] = number
            elif name in self._unmet:
                self._unmet.discard(name)
                self._after = number
        elif kind == "removed" and isinstance(record.get("filenames"), list):
            for name in map(str, record["filenames"]):
                self._lacking.pop(name, None)
                self.removed.add(name)
        elif kind in ("start", "extended"):
            self._statuses.append((number, "ongoing"))
            if self._snapshot is not None and record.get("snapshot") == self._snapshot:
                self._after = number
                self._snapshot = None
        elif kind == "status" and isinstance(record.get("status"), str):
            self._statuses.append((number, record["status"]))

    def deleted(self) -> list[str]:
        """Names of the entries that it had once."""
        if not self._whole:
            return []
        before = [status for number, status in self._statuses if number <= self._after]
        if not before or before[-1] != self._status:
            later = (number for number, status in self._statuses if number > self._after and status == self._status)
            self._after = next(later, self._after)
        return [name for name, number in self._lacking.items() if number < self._after]


def _hash(entry: Mapping[str, Any]) -> Any:
    own = entry.get("sdgen")
    return own.get("sha256") if isinstance(own, Mapping) else None


# ---- whose file it is ----------------------------------------------------------------------------------------------------


def mark(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written; None when it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def remember(path: Path, made: Path) -> None:
    """This process is about to give ``made`` the name ``path``; that changes neither its size, time nor number."""
    found = mark(made)
    if found is not None:
        _ours[_key(path)] = found


def is_ours(path: Path) -> bool:
    """Whether ``path`` is as this process last wrote it, or not there."""
    found = mark(path)
    return found is None or _ours.get(_key(path)) == found


def _key(path: Path) -> str:
    return os.path.normcase(path.absolute())


def put_aside(path: Path, ending: str) -> Path:
    """Keep a file under a free name beside the old one. Raises ``unwritable-folder``."""
    target, number = path.with_name(path.name + ending), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{ending}-{number}")
    try:
        path.replace(target)
    except OSError as error:
        raise_write_error(error, path, "rename")
    log.warning("SDGen: %s is kept as %s", shown(path), target.name)
    return target


def kept_aside(path: Path) -> list[str]:
    """Names of the files that were put aside for ``path``."""
    return sorted(p.name for ending in (BROKEN, EDITED) for p in path.parent.glob(f"{path.name}{ending}*"))
