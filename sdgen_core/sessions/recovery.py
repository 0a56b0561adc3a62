"""Holding a session against its files, and repairing its records. Nothing here drops an entry."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from .edits import BROKEN, EDITED, find_edits, is_ours, put_aside
from .files import leftovers, sha256_file
from .journal import JOURNAL_NAME, STATUSES, Journal, entry_index, folder_lock, write_journal
from .metadata import is_whole_png
from .naming import parse_image_name
from .reading import (
    MANIFEST_NAME,
    ManifestData,
    entries_from_images,
    entries_of,
    image_files,
    load_manifest,
    merge_entries,
    read_manifest,
)

log = logging.getLogger("sdgen")


@dataclass
class Report:
    """What ``verify`` or ``rebuild`` found; file names are relative to the folder.

    ``planned``: images asked for (None if unknown). ``listed``: entries. ``done``: items with at least one listed
    image, or one that was thrown away. ``removed``: thrown away on purpose. ``missing``: listed, no file. ``extra``:
    image file, no entry. ``torn``: PNG that ends too early. ``mismatched``: bytes do not have the recorded SHA-256.
    ``duplicates``: one item or one content under two names. ``added``: entries that ``rebuild`` made from images.
    ``leftovers``: temporary files of a killed process. ``unreadable_lines``: torn lines of the journal, harmless when
    nothing else is wrong.
    """

    folder: str
    status: str | None = None
    planned: int | None = None
    listed: int = 0
    done: int = 0
    removed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unreadable_lines: int = 0

    @property
    def ok(self) -> bool:
        """Files and manifest agree and no file is damaged."""
        return not (self.missing or self.extra or self.torn or self.mismatched or self.duplicates or self.problems)

    @property
    def complete(self) -> bool:
        """Every image asked for is listed."""
        return self.planned is not None and self.done >= self.planned

    def to_dict(self) -> dict[str, Any]:
        """For JSON output."""
        return {**asdict(self), "ok": self.ok, "complete": self.complete}


def _session_id(data: ManifestData) -> str | None:
    own = data.snapshot.get("sdgen")
    value = own.get("session") if isinstance(own, Mapping) else None
    return value if isinstance(value, str) else None


def _recorded_hash(entry: Mapping[str, Any]) -> str | None:
    own = entry.get("sdgen")
    value = own.get("sha256") if isinstance(own, Mapping) else None
    return value if isinstance(value, str) else None


def _duplicates(images: Iterable[dict[str, Any]]) -> list[str]:
    """Names that stand for an item, or have a content, that an earlier name already has."""
    items: set[tuple[int, int]] = set()
    contents: set[str] = set()
    found = []
    for number, entry in enumerate(images):
        own = entry.get("sdgen")
        batch = own.get("batch_index") if isinstance(own, Mapping) else None
        if batch is None:
            parsed = parse_image_name(Path(entry["filename"]).name)
            batch = parsed.batch_index if parsed else 0
        item = (entry_index(entry, -1 - number), batch)  # an entry that stands for no item meets none
        content = _recorded_hash(entry)
        if item in items or content in contents:
            found.append(entry["filename"])
        items.add(item)
        if content is not None:
            contents.add(content)
    return found


def _is_annotated_copy(name: str, listed: set[str]) -> bool:
    stem, dot, ending = name.rpartition(".")
    return stem.endswith("_annotated") and stem.removesuffix("_annotated") + dot + ending in listed


def verify(folder: Path, *, hashes: bool = False) -> Report:
    """Hold a session's manifest against its files; writes nothing. ``hashes`` reads every image and compares its
    SHA-256.

    Raises as :func:`load_manifest`.
    """
    return _report(load_manifest(folder), hashes=hashes)


def _report(data: ManifestData, *, hashes: bool) -> Report:
    folder = data.folder
    files = image_files(folder, data.images)
    listed = {entry["filename"] for entry in data.images}
    report = Report(
        folder=shown(folder),
        status=data.status,
        planned=data.num_images,
        listed=len(data.images),
        done=len({entry_index(entry, -1 - n) for n, entry in enumerate([*data.images, *data.removed])}),
        removed=[entry["filename"] for entry in data.removed],
        missing=[entry["filename"] for entry in data.images if entry["filename"] not in files],
        extra=[name for name in files if name not in listed and not _is_annotated_copy(name, listed)],
        torn=[name for name, path in files.items() if path.suffix.lower() == ".png" and not is_whole_png(path)],
        duplicates=_duplicates(data.images),
        failed=[failure["index"] for failure in data.failed if isinstance(failure.get("index"), int)],
        leftovers=[path.name for path in leftovers(folder)],
        problems=list(data.problems),
        unreadable_lines=data.unreadable_lines,
    )
    if hashes:
        for entry in data.images:
            expected = _recorded_hash(entry)
            path = files.get(entry["filename"])
            if expected and path and entry["filename"] not in report.torn and sha256_file(path) != expected:
                report.mismatched.append(entry["filename"])
    return report


def rebuild(folder: Path) -> Report:
    """Write journal and ``manifest.json`` anew from everything there is, and say what was found.

    No entry is lost: those of journal and manifest stay, also when their file is gone (reported as missing); whole
    images of this session without an entry get one from their ``sdgen`` chunk. A ``manifest.json`` that cannot be
    read is kept as ``manifest.json.broken`` when there is no journal to replace it from. Raises as
    :func:`load_manifest`, ``disk-full`` and ``unwritable-folder``.
    """
    from .manifest import write_manifest

    with folder_lock(folder):
        data = load_manifest(folder)
        files = image_files(folder, data.images)
        listed = {entry["filename"] for entry in data.images}
        unlisted = {name: path for name, path in files.items() if name not in listed}
        added = []
        if data.sources != ["images"] and unlisted:
            # Torn ones are found again, and reported, when the result is held against the files.
            added = entries_from_images(folder, unlisted, [], foreign=False, session=_session_id(data))
        elif data.sources == ["images"]:
            added = data.images
        for entry in added:
            if isinstance(entry.get("sdgen"), dict):
                entry["sdgen"]["sha256"] = sha256_file(folder / entry["filename"])
        data.images = merge_entries(data.images, added)
        done = {entry_index(entry, number) for number, entry in enumerate(added)}
        data.failed = [failure for failure in data.failed if failure.get("index") not in done]
        if data.status not in STATUSES:
            data.status = "completed" if data.finished else ("ongoing" if "journal" in data.sources else "aborted")
        manifest = folder / MANIFEST_NAME
        if "journal" not in data.sources and "manifest" not in data.sources and manifest.exists():
            put_aside(manifest, BROKEN)
        write_journal(
            folder,
            snapshot=data.snapshot,
            top=data.top,
            images=data.images,
            removed=data.removed,
            failed=data.failed,
            status=data.status,
        )
        write_manifest(folder)
        data.problems.clear()
        data.unreadable_lines = 0
        report = _report(data, hashes=False)
        report.added = [entry["filename"] for entry in added]
        return report


def take_in_edits(folder: Path) -> None:
    """Before ``manifest.json`` is replaced by a newer one: what was written into it by hand goes into the journal.

    A file that is no manifest any more is kept as ``manifest.json.broken``, one with changes of the snapshot, which is the record
    of what was ordered and stays as it is, as ``manifest.json.edited``. Raises as ``Journal`` and ``load_manifest``.
    """
    path = folder / MANIFEST_NAME
    if is_ours(path):
        return
    data = ManifestData(folder)
    written = read_manifest(data)
    if written is None:
        if data.problems:
            log.warning(
                "SDGen: %s It is written anew; take over by hand what you had changed.", ". ".join(data.problems)
            )
            put_aside(path, BROKEN)
        return
    edits = find_edits(folder / JOURNAL_NAME, written, entries_of(written.get("images"), data.problems))
    journal = Journal(folder)
    for entry in edits.images:
        journal.image(entry)
    if edits.top:
        journal.top(edits.top)
    if edits.removed:
        journal.removed(edits.removed)
        log.info(
            "SDGen: %d images deleted in %s and on the disk are taken as thrown away", len(edits.removed), shown(path)
        )
    if edits.images or edits.top:
        log.info("SDGen: %d changed entries of %s are taken over", len(edits.images) + len(edits.top), shown(path))
    if edits.snapshot or data.problems:
        log.warning("SDGen: not all changes in %s are taken over: its snapshot stays what was ordered", shown(path))
        put_aside(path, EDITED)


def adopt(folder: Path) -> bool:
    """Give an older session in ``folder`` a journal; False when the folder has none.

    A ``manifest.json`` that tells nothing is put aside as ``manifest.json.broken``.
    """
    manifest = folder / MANIFEST_NAME
    if not manifest.exists() and not image_files(folder):
        return False
    try:
        rebuild(folder)
    except SDGenError as error:
        if error.code != "no-manifest":
            raise
        if manifest.exists():
            put_aside(manifest, BROKEN)
        return False
    return True
