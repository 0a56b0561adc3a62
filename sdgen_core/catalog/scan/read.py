"""The record of a session, of whichever version, as one form (``legacy.Written``). Anything may be wrong in it; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ...sessions.edits import find_edits, is_there
from ...sessions.journal import JOURNAL_NAME, JournalIndex, entry_index, parse_json
from ...sessions.reading import MANIFEST_NAME
from ..parsers.facts import as_map, as_text
from .folder import TEXT_CONFIGS, V0_METADATA, V1_ENDING, Folder
from .legacy import Written, read_text, read_v0, read_v1

#: A record longer than this is none: the largest known, of 40,000 images, has 60 MB.
MOST_BYTES = 1 << 30


def read_record(folder: Folder) -> Written:
    """The best record there is: the journal, the manifest, the older forms; with none, an empty one whose source is ``images``.

    Raises ``no-manifest`` when there is nothing to read and no image either, ``unreadable-file`` when the system refuses.
    """
    problems: list[str] = []
    found: Written | None = None
    for wanted, read in _READERS:
        for name in folder.records:
            if wanted(name):
                found = read(folder.path, name, problems)
            if found is not None:
                break
        if found is not None:
            break
    if found is None:
        if not folder.images:
            what = "; ".join(problems) or "its files say nothing about images"
            raise SDGenError("no-manifest", f"{shown(folder.path)} is no session: {what}.")
        found = Written("images")
    found.problems = problems + found.problems
    return found


def _json(path: Path, name: str, problems: list[str]) -> dict[str, Any] | None:
    """The map in a JSON file; None, and a problem, when it is none."""
    try:
        if (path / name).stat().st_size > MOST_BYTES:
            problems.append(f"{name} is too large to be read")
            return None
        data = parse_json((path / name).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"Cannot read {shown(path / name)}: {error.strerror or error}."
        raise SDGenError("unreadable-file", message) from error
    except ValueError as error:
        problems.append(f"{name} is broken: {error}")
        return None
    if not isinstance(data, dict):
        problems.append(f"{name} is no map")
        return None
    return data


def _journal(path: Path, name: str, problems: list[str]) -> Written | None:
    index = JournalIndex(path)
    index.update()
    if index.snapshot is None and not index.images and index.status is None:
        problems.append(f"{name} says nothing")
        return None
    lost = index.unreadable + index.torn
    found = Written(
        "journal", as_map(index.snapshot), list(index.entries()), list(index.removed_entries()), index.status
    )
    if lost:
        found.problems.append(f"{lost} lines of {name} cannot be read")
    written = _json(path, MANIFEST_NAME, found.problems)
    if written is not None:
        entries = _entries(written.get("images"), found.problems)
        latest = {entry["filename"]: entry for entry in found.entries}
        lacking = latest.keys() - {entry["filename"] for entry in entries}
        if any(latest.get(entry["filename"]) != entry for entry in entries) or any(
            not is_there(path, name) for name in lacking
        ):  # written by a person, or just older
            edits = find_edits(index.path, written, entries)
            edited = {entry["filename"]: entry for entry in edits.images}
            found.removed += [
                latest[name] for name in edits.removed if name in latest
            ]  # the journal may grow meanwhile
            kept = [entry for entry in found.entries if entry["filename"] not in edits.removed]
            found.entries = [edited.pop(entry["filename"], entry) for entry in kept] + list(edited.values())
    return found


def _manifest(path: Path, name: str, problems: list[str]) -> Written | None:
    data = _json(path, name, problems)
    if data is None:
        return None
    if not isinstance(data.get("snapshot"), dict) and not isinstance(data.get("images"), list):
        if isinstance(data.get("variations"), list):
            return read_v1(data, "")
        problems.append(f"{name} is no manifest of a session")
        return None
    found = Written("manifest", as_map(data.get("snapshot")), status=as_text(data.get("status")))
    if not found.snapshot:
        found.problems.append(f"{name} has no snapshot of the settings")
    found.entries = _entries(data.get("images"), found.problems)
    found.removed = _entries(data.get("removed", []), found.problems)
    return found


def _entries(value: object, problems: list[str]) -> list[dict[str, Any]]:
    """The entries that name a file, of two for one file the last."""
    if not isinstance(value, list):
        problems.append(f"{MANIFEST_NAME} has no list of images")
        return []
    good = {e["filename"]: e for e in value if isinstance(e, dict) and isinstance(e.get("filename"), str)}
    bad = sum(not (isinstance(e, dict) and isinstance(e.get("filename"), str)) for e in value)
    if bad:
        problems.append(f"{bad} entries of {MANIFEST_NAME} have no file name")
    return sorted(good.values(), key=lambda entry: entry_index(entry, len(good)))


def _version_1(path: Path, name: str, problems: list[str]) -> Written | None:
    data = _json(path, name, problems)
    return None if data is None else read_v1(data, name[: -len(V1_ENDING)])


def _version_0(path: Path, name: str, problems: list[str]) -> Written | None:
    data = _json(path, name, problems)
    if data is None:
        return None
    if not isinstance(data.get("generation_info"), dict):  # other programs have a metadata.json as well
        return None
    return read_v0(data)


def _text(path: Path, name: str, problems: list[str]) -> Written | None:
    try:
        data = (path / name).read_bytes()[:1_000_000]
    except OSError as error:
        message = f"Cannot read {shown(path / name)}: {error.strerror or error}."
        raise SDGenError("unreadable-file", message) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return read_text(text)


_Reader = Callable[[Path, str, list[str]], Written | None]
#: Which files are read, the best first.
_READERS: tuple[tuple[Callable[[str], bool], _Reader], ...] = (
    (JOURNAL_NAME.__eq__, _journal),
    (MANIFEST_NAME.__eq__, _manifest),
    (lambda name: name.endswith(V1_ENDING), _version_1),
    (V0_METADATA.__eq__, _version_0),
    (TEXT_CONFIGS.__contains__, _text),
)
