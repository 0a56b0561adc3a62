"""What people wrote into ``manifest.json`` by hand.

The file is a snapshot of the journal and is replaced again and again, so what somebody noted in it (tags, a corrected prompt, keys
of a tool of their own) has to come into the journal first. An entry that is like none of the journal's lines for its file was
written by hand; one that is like an older line only comes from an older snapshot.
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
KNOWN_TOP = frozenset({"snapshot", "images", "status", "failed"})

#: Endings of what is kept beside ``manifest.json``: a file that is no JSON, and one whose changes could not all be taken over.
BROKEN, EDITED = ".broken", ".edited"

_ours: dict[str, tuple[int, ...]] = {}


@dataclass
class Edits:
    """``images`` that were changed or added, ``top`` with changed top-level keys; ``snapshot`` says that the settings were changed,
    which are SDGen's record of what was ordered and are not taken over."""

    images: list[dict[str, Any]] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    snapshot: bool = False


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
    for record in journal_records(journal):
        kind = record["type"]
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
        if ours is None:
            images.append(entry)
        elif _hash(entry) in (None, _hash(ours)):
            edited = {**entry, "sdgen": ours["sdgen"]} if "sdgen" in ours else entry
            if edited != ours:
                images.append(edited)
    return Edits(images, top, strange)


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


def remember(path: Path) -> None:
    """This process has just written ``path``."""
    found = mark(path)
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
