"""Images that were thrown away on purpose: the session's records say so, so that they are neither missing nor made again.

A session of ours notes it in its journal, and ``manifest.json`` then lists the entries in ``removed`` and no more in ``images``.
What was ordered (``num_images``) stays. A session without a journal has only ``manifest.json``, which belongs to other tools too: its
entries move from ``images`` to ``removed``, everything else stays as it stands, and the file as it was is kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from .edits import is_there
from .files import write_atomic
from .journal import JOURNAL_NAME, Journal, JournalIndex, entry_index, folder_lock
from .manifest import write_manifest
from .reading import MANIFEST_NAME, load_manifest
from .recovery import take_in_edits

#: Ending of the manifest as it was before anything was thrown away, of a session without a journal.
BEFORE = ".before-trash"


def note_removed(folder: Path, names: Collection[str]) -> None:
    """Note that these files of a session (paths in its folder, with /) were thrown away. Doing it again changes nothing.

    Raises ``disk-full``, ``unwritable-folder``, ``unreadable-file``.
    """
    with folder_lock(folder):
        if (folder / JOURNAL_NAME).exists():
            take_in_edits(folder)
            index = JournalIndex(folder)
            index.update()
            Journal(folder).removed([name for name in names if name in index.images])
        else:
            _move(folder, set(names), "images", "removed")


def write_removed(folder: Path) -> None:
    """Bring ``manifest.json`` up to what ``note_removed`` noted in the journal. Raises as ``write_manifest``."""
    if (folder / JOURNAL_NAME).exists():
        write_manifest(folder)


def take_back(folder: Path) -> list[dict[str, Any]]:
    """Images that were thrown away and are there again (taken out of the system's trash) belong to the session again.

    Gives their entries. Raises as ``note_removed``.
    """
    with folder_lock(folder):
        if not (folder / JOURNAL_NAME).exists():
            return _move(folder, None, "removed", "images")
        index = JournalIndex(folder)
        index.update()
        back = [entry for entry in index.removed_entries() if is_there(folder, entry["filename"])]
        journal = Journal(folder)
        for entry in back:
            journal.image(entry)
        if back:
            write_manifest(folder)
        return back


def removed_files(folder: Path) -> set[str]:
    """Names of the files of a session that were thrown away. Raises ``unreadable-file``."""
    try:
        return {entry["filename"] for entry in load_manifest(folder).removed}
    except SDGenError as error:
        if error.code != "no-manifest":
            raise
        return set()


def removed_items(folder: Path) -> set[int]:
    """The items of a session of which every image was thrown away. Raises ``no-manifest``, ``unreadable-file``."""
    data = load_manifest(folder)
    there = {entry_index(entry, -1) for entry in data.images}
    return {entry_index(entry, -1) for entry in data.removed} - there - {-1}


def _move(folder: Path, names: set[str] | None, source: str, target: str) -> list[dict[str, Any]]:
    """Move entries of ``manifest.json`` from one of its lists to the other: those called ``names``, else those whose file is there."""
    path = folder / MANIFEST_NAME
    try:
        text = path.read_bytes()
        data = json.loads(text.decode("utf-8-sig"))
    except (FileNotFoundError, ValueError, RecursionError):
        return []  # the image's file was all that spoke of it
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    if not isinstance(data, dict) or not isinstance(data.get(source), list):
        return []
    moved = [e for e in data[source] if _named(e) and _meant(folder, e["filename"], names)]
    if not moved:
        return []
    kept = path.with_name(path.name + BEFORE)
    if not kept.exists():
        write_atomic(kept, text)
    data[source] = [entry for entry in data[source] if entry not in moved]
    _insert(data.setdefault(target, []), moved)
    if not data["removed"]:
        del data["removed"]
    write_atomic(path, _text(data))
    return moved


def _named(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("filename"), str)


def _meant(folder: Path, name: str, names: set[str] | None) -> bool:
    return is_there(folder, name) if names is None else name.replace("\\", "/") in names


def _insert(entries: list[Any], more: list[dict[str, Any]]) -> None:
    """Put entries back where they stand by their numbers; the others keep their order."""
    for entry in more:
        number = entry_index(entry, -1)
        later = (at for at, other in enumerate(entries) if _named(other) and entry_index(other, -1) > number >= 0)
        entries.insert(next(later, len(entries)), entry)


def _text(data: dict[str, Any]) -> bytes:
    """JSON as the predecessor writes it; not a number stays what it was."""
    try:
        return json.dumps(data, indent=2, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair cannot be written but escaped
        return json.dumps(data, indent=2).encode("ascii")
