"""Reading sessions back: ours, the predecessor's, and what a crash or a person left of them.

Three sources say what a session contains: the journal (freshest), ``manifest.json`` (all an older session has) and
the images' own ``sdgen`` chunks. Reading takes the best there is and adds what the others know. It writes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from .edits import KNOWN_TOP, find_edits, is_there
from .journal import JournalIndex, entry_index, parse_json
from .metadata import read_png_chunks
from .naming import folder_time, is_shard, parse_image_name
from .parameters_text import parse_parameters_text

IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
MANIFEST_NAME = "manifest.json"


@dataclass
class ManifestData:
    """A session as read. ``snapshot`` and ``images`` have the form of ``manifest.json``, unknown keys included.

    ``removed`` are the entries of images that were thrown away on purpose: they are no images of it any more, and not missing either.
    ``status`` is None when nothing says it; ``top`` has the unknown top-level keys; ``sources`` names what was read
    (``journal``, ``manifest``, ``images``); ``problems`` says in words what was broken;
    ``unreadable_lines`` counts journal lines that a crash tore.
    """

    folder: Path
    snapshot: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    status: str | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unreadable_lines: int = 0

    def _generation(self, *names: str) -> Any:
        params = self.snapshot.get("generation_params")
        if isinstance(params, Mapping):
            for name in names:
                if params.get(name) is not None:
                    return params[name]
        return None

    @property
    def num_images(self) -> int | None:
        """How many images were asked for; None when unknown. (``max_images`` in migrated manifests.)"""
        value = self._generation("num_images", "max_images")
        return value if isinstance(value, int) and value >= 0 else None

    @property
    def base_seed(self) -> int | None:
        """The seed asked for. (``seed_base`` in migrated manifests.)"""
        value = self._generation("base_seed", "seed_base")
        return value if isinstance(value, int) else None

    @property
    def seed_list(self) -> list[int] | None:
        """The seeds of a seed sweep; None for any other session."""
        value = self._generation("seed_list")
        return value if isinstance(value, list) else None

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: it says so, or all images are there.

        The second is for manifests without a status (before 2025-11-11) and for runs that were killed after their
        last image and so stayed ``ongoing``.
        """
        if self.status in ("completed", "aborted"):
            return self.status == "completed"
        return bool(self.num_images) and len(self.images) + len(self.removed) >= (self.num_images or 0)

    @property
    def started(self) -> datetime | None:
        """Local time of the start, from the folder's name, else from the snapshot."""
        if found := folder_time(self.folder.name):
            return found
        try:
            return datetime.fromisoformat(str(self.snapshot.get("timestamp", "")).rstrip("Z"))
        except ValueError:
            return None

    @property
    def variations(self) -> dict[str, dict[str, Any]]:
        """Placeholder → ``{available, used, count}``, whichever of the older forms the file has."""
        found: dict[str, dict[str, Any]] = {}
        written = self.snapshot.get("variations")
        for name, value in written.items() if isinstance(written, Mapping) else ():
            if isinstance(value, Mapping):
                available = _values(value.get("available"))
                used = _values(value.get("used"))
                count = value.get("count")
                found[name] = {
                    "available": available or used,
                    "used": used,
                    "count": count if isinstance(count, int) else len(available or used),
                }
            else:
                values = _values(value)
                found[name] = {"available": values, "used": list(values), "count": len(values)}
        return found


def _values(written: Any) -> list[Any]:
    """Values of an old file, without the byte order mark that some of them begin with."""
    if not isinstance(written, list):
        return []
    return [value.lstrip("\ufeff") if isinstance(value, str) else value for value in written]


def image_files(folder: Path, entries: Iterable[Mapping[str, Any]] = ()) -> dict[str, Path]:
    """Image files of a session, relative name → path: those in the folder, and in sub-folders that an entry names or that
    hold a slice of the session."""
    folders = {""} | {str(entry["filename"]).rpartition("/")[0] for entry in entries}
    with contextlib.suppress(OSError):
        folders |= {path.name for path in folder.iterdir() if is_shard(path.name)}
    found: dict[str, Path] = {}
    for sub in sorted(folders):
        if sub and not (folder / sub).resolve().is_relative_to(folder.resolve()):
            continue  # an entry must not lead out of the session
        try:
            with os.scandir(folder / sub if sub else folder) as scan:
                names = sorted(e.name for e in scan if Path(e.name).suffix.lower() in IMAGE_ENDINGS and e.is_file())
        except OSError:
            continue
        for name in names:
            relative = f"{sub}/{name}" if sub else name
            found[relative] = folder / relative
    return found


def entries_of(value: Any, problems: list[str]) -> list[dict[str, Any]]:
    listed = value if isinstance(value, list) else []
    entries = [e for e in listed if isinstance(e, dict) and isinstance(e.get("filename"), str)]
    if isinstance(value, list) and len(entries) < len(value):
        problems.append(f"{len(value) - len(entries)} entries of {MANIFEST_NAME} have no file name")
    return entries


def read_manifest(data: ManifestData) -> dict[str, Any] | None:
    """The map in ``manifest.json``; None when there is none to read. A broken file goes into ``problems``."""
    path = data.folder / MANIFEST_NAME
    try:
        written = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    except ValueError as error:
        data.problems.append(f"{MANIFEST_NAME} is broken: {error}")
        return None
    if not isinstance(written, dict) or not isinstance(written.get("images", []), list):
        data.problems.append(f"{MANIFEST_NAME} is no manifest of version 2")
        return None
    return written


def merge_entries(known: list[dict[str, Any]], more: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """``known`` and the entries of ``more`` for other files, in index order; the last of two with one file name."""
    by_name = {entry["filename"]: entry for entry in known}
    for entry in more:
        by_name.setdefault(entry["filename"], entry)
    numbered = [(entry_index(entry, number), number, entry) for number, entry in enumerate(by_name.values())]
    return [entry for _index, _number, entry in sorted(numbered, key=lambda item: item[:2])]


def load_manifest(folder: Path) -> ManifestData:
    """Read a session folder; writes nothing.

    The journal counts most; what somebody added to ``manifest.json`` or changed in it is taken over. With neither, the session is put
    together from the images (their ``sdgen`` chunks, else A1111's text) and its snapshot is marked as inferred.
    Raises ``no-manifest`` when there is nothing at all, ``unreadable-file``.
    """
    data = ManifestData(folder)
    index = JournalIndex(folder)
    index.update()
    data.unreadable_lines = index.unreadable + index.torn
    written = read_manifest(data)
    if index.snapshot is not None or index.images or index.status is not None:
        data.sources.append("journal")
        data.snapshot = index.snapshot or {}
        data.status = index.status
        data.images = list(index.entries())
        data.removed = list(index.removed_entries())
        data.failed = index.failed
        data.top = dict(index.top)
    if written is not None:
        data.sources.append("manifest")
        snapshot = written.get("snapshot")
        if not data.snapshot and isinstance(snapshot, dict):
            data.snapshot = snapshot
        if "journal" not in data.sources:
            data.status = written["status"] if isinstance(written.get("status"), str) else None
            data.failed = [f for f in written.get("failed") or [] if isinstance(f, dict)]
        entries = entries_of(written.get("images"), data.problems)
        if "journal" in data.sources:
            edits = find_edits(index.path, written, entries)
            data.removed += [entry for entry in data.images if entry["filename"] in edits.removed]
            kept = [entry for entry in data.images if entry["filename"] not in edits.removed]
            data.images = merge_entries([*kept, *edits.images], ())
            data.top.update(edits.top)
        else:
            data.images = merge_entries(entries, ())
            data.removed = entries_of(written.get("removed"), [])
            data.top = {key: value for key, value in written.items() if key not in KNOWN_TOP}
    if back := [entry for entry in data.removed if is_there(folder, entry["filename"])]:
        data.images = merge_entries(data.images, back)  # somebody took them out of the trash
        data.removed = [entry for entry in data.removed if entry not in back]
    if not data.sources:
        data.images = merge_entries([], entries_from_images(folder, {}, data.problems, foreign=True))
        if not data.images:
            raise SDGenError(
                "no-manifest", f"{shown(folder)} has no manifest and no images that tell about themselves."
            )
        data.sources.append("images")
    if not data.snapshot:
        data.snapshot = _inferred_snapshot(data)
    return data


def entries_from_images(
    folder: Path, files: Mapping[str, Path], problems: list[str], *, foreign: bool, session: str | None = None
) -> list[dict[str, Any]]:
    """Manifest entries from the images' own chunks, without their hashes; ``foreign`` accepts A1111's text as well.

    ``session``: only images of this session. Copies under a name that is not the item's are left to be reported as
    extra.
    """
    from .manifest import image_entry

    entries = []
    for name, path in (files or image_files(folder)).items():
        if path.suffix.lower() != ".png":
            continue
        try:
            chunks = read_png_chunks(path)
        except SDGenError as error:
            problems.append(str(error))
            continue
        parsed = parse_image_name(Path(name).name)
        record: Any = None
        if "sdgen" in chunks:
            try:
                record = parse_json(chunks["sdgen"])
            except ValueError:
                problems.append(f"the sdgen chunk of {name} is broken")
        if isinstance(record, dict) and isinstance(record.get("index"), int):
            own_name = record.get("filename") == name or (parsed is not None and parsed.index == record["index"])
            if not own_name or (session is not None and record.get("session") != session):
                continue
            extra = {name: record[name] for name in ("batch_index", "scores") if record.get(name)}
            entries.append(
                image_entry(
                    filename=name,
                    seed=record.get("seed", -1),
                    prompt=str(record.get("prompt", "")),
                    negative=str(record.get("negative", "")),
                    values=record.get("values") or {},
                    index=record["index"],
                    keys=record.get("keys") or {},
                    seconds=record.get("seconds"),
                    extra=extra,
                )
            )
        elif foreign and parsed is not None and "parameters" in chunks:
            text = parse_parameters_text(chunks["parameters"])
            seed = text["seed"] if text["seed"] is not None else parsed.seed
            entries.append(
                {
                    "filename": name,
                    "seed": -1 if seed is None else seed,
                    "prompt": text["prompt"],
                    "negative_prompt": text["negative_prompt"],
                    "applied_variations": {},
                }
            )
    return entries


def _inferred_snapshot(data: ManifestData) -> dict[str, Any]:
    """A snapshot for a session whose own is lost: what the images agree on, marked as inferred like migrated ones."""
    used: dict[str, list[Any]] = {}
    for entry in data.images:
        for name, value in (entry.get("applied_variations") or {}).items():
            values = used.setdefault(name, [])
            if value not in values:
                values.append(value)
    total = 1
    for values in used.values():
        total *= len(values)
    checkpoint = "unknown"
    for entry in data.images[:1]:
        try:
            chunks = read_png_chunks(data.folder / entry["filename"])
            if "sdgen" in chunks:
                checkpoint = (parse_json(chunks["sdgen"]).get("checkpoint") or {}).get("name") or checkpoint
            else:
                checkpoint = parse_parameters_text(chunks.get("parameters", ""))["model"] or checkpoint
        except (SDGenError, ValueError, AttributeError):
            pass
    started = data.started
    last = max((entry_index(entry, n) for n, entry in enumerate(data.images)), default=-1)
    return {
        "version": "2.0",
        "timestamp": "" if started is None else started.isoformat(timespec="microseconds"),
        "runtime_info": {"sd_model_checkpoint": checkpoint},
        "resolved_template": {"prompt": "", "negative": ""},
        "generation_params": {
            "mode": "unknown",
            "seed_mode": "unknown",
            "base_seed": None,
            "num_images": last + 1,
            "total_combinations": total,
        },
        "api_params": {},
        "variations": {n: {"available": v, "used": list(v), "count": len(v)} for n, v in used.items()},
        "fixed_placeholders": {},
        "theme_name": None,
        "style": "default",
        "inference_info": {"source": "images", "confidence": "low", "errors": list(data.problems)},
    }
