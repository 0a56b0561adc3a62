"""A session folder as the catalog stores it: one ``SessionRecord``, and an ``ImageRecord`` for each of its images.

The session's record says most, and then few files are opened: of SDGen's own images none but the first and the last, of which the
settings are taken that no manifest has (if the two differ, every image is asked). The predecessor's images are opened once each,
because their fingerprint is their key. Where there is no record, all comes from the images.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import SDGenError, shown
from ...sessions.annotate import ENDING as ANNOTATED
from ...sessions.naming import THEME_LIMIT, folder_time, safe_name
from ...sessions.reading import ManifestData
from ..parsers import ImageFacts
from ..parsers.facts import as_int, as_map, as_text
from ..records import ImageRecord, SessionRecord
from .folder import Folder
from .images import Item, Known, Shared, inside, place, read_image
from .legacy import values_in_name
from .read import read_record
from .settings import Sample, Settings, found_settings, model_of, plain, sample, written_settings

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{4,64}")
_DATED = re.compile(r"\d{4}-?\d\d-?\d\d_\d{6}[-_]?")
_MOST_PROBLEMS = 20
_STATUS = {"completed": "completed", "aborted": "aborted", "ongoing": "ongoing", "in_progress": "ongoing"}


class SessionFacts:
    """What a session folder says. ``record`` is complete but for the problems that ``images`` meets, which are added to it;
    ``listed`` are the images that the session's own record names.

    Raises ``no-manifest`` (nothing there is a session), ``unreadable-file``.
    """

    def __init__(self, folder: Folder, root: Path) -> None:
        self.folder = folder
        self._written = read_record(folder)
        self.problems = self._written.problems
        self._sizes = folder.sizes()
        self._snapshot = self._written.snapshot
        self._own = as_map(self._snapshot.get("sdgen"))
        items, self._dry = self._items()
        self._items_in_order = sorted(items, key=lambda i: (i.number, i.batch, i.file))
        self.listed = frozenset(item.file for item in items if item.entry is not None)
        self._samples = self._first_and_last()
        self._id = self._session_id()
        written, varying = self._written_settings()
        first = self._samples[0] if self._samples else Sample(None, None, ImageFacts())
        settings = written.over(found_settings(first.facts)).over(Settings(width=first.width, height=first.height))
        each = varying or len({found.like for found in self._samples}) > 1
        self.record = self._session(root, settings)
        shared = (folder.path, self._id, self.record.started)
        self._shared = Shared(*shared, written if each else settings, each, first.width, first.height)

    @property
    def sampled(self) -> bool:
        """Whether an image was there to take the settings from that no record has."""
        return bool(self._samples)

    # ---- which images there are ------------------------------------------------------------------------------------------

    def _items(self) -> tuple[list[Item], bool]:
        """The images, and whether this was a dry run, whose record names images that were never made."""
        by_stem: dict[str, str] = {}
        for name in self._sizes:
            by_stem.setdefault(name.rpartition(".")[0], name)
        items: dict[str, Item] = {}
        strange = dry = 0
        entries = [(entry, False) for entry in self._written.entries] + [
            (entry, True) for entry in self._written.removed
        ]
        for position, (entry, removed) in enumerate(entries):
            listed = inside(entry["filename"])
            if listed is None:
                strange += 1
                continue
            stem = listed.rpartition(".")[0]
            name = (
                listed if listed in self._sizes or removed else by_stem.get(stem, listed)
            )  # another format since, say
            if removed and name in items:
                continue
            if name not in self._sizes and not removed and f"{stem}.json" in self.folder.payloads:
                dry += 1
                continue
            number, batch = place(entry, name, position)
            items[name] = Item(name, number, batch, entry, self._sizes.get(name), removed=removed)
        if strange:
            self.problems.append(f"{strange} entries name files outside of the session's folder")
        stems = by_stem.keys() | {name.rpartition(".")[0] for name in items}
        pools = {}
        if self._written.source == "v0":  # it has no list of images
            known = ManifestData(self.folder.path, self._snapshot).variations
            pools = {placeholder: found["available"] for placeholder, found in known.items()}
        for name in self.folder.images:
            if name in items or name not in self._sizes:
                continue
            stem = name.rpartition(".")[0]
            if stem.endswith(ANNOTATED) and stem.removesuffix(ANNOTATED) in stems:
                continue
            number, batch = place({}, name, len(items))
            shown = values_in_name(PurePosixPath(name).stem, pools) if pools else {}
            items[name] = Item(name, number, batch, None, self._sizes[name], shown)
        return list(items.values()), dry > 0 and not items

    # ---- what they have in common ----------------------------------------------------------------------------------------

    def _first_and_last(self) -> list[Sample]:
        there = [item for item in self._items_in_order if item.size and item.entry is not None]
        there = there or [item for item in self._items_in_order if item.size]
        found = [sample(self.folder.path / item.file) for item in (there[:1] + there[1:][-1:])]
        return [one for one in found if not one.broken] or found[:1]

    def _agreed(self, fact: str) -> str | None:
        """What the first and the last image say alike."""
        said = {as_text(getattr(found.facts, fact)) for found in self._samples}
        return said.pop() if len(said) == 1 else None

    def _written_settings(self) -> tuple[Settings, bool]:
        """What the record says, and whether images may differ in it."""
        settings, varying = written_settings(as_map(self._snapshot.get("api_params")))
        model = model_of(as_map(self._snapshot.get("runtime_info")).get("sd_model_checkpoint"))
        several = bool(self._own.get("themes")) or any(entry.get("parameters") for entry in self._written.entries)
        return settings.over(Settings(model=model)), varying or several

    def _session_id(self) -> str | None:
        """Our own id of the session, from its record, else from its images when they agree."""
        said = as_text(self._own.get("session"))
        if said is None and self._written.source == "images":
            said = self._agreed("session")
        return said if said and _SESSION_ID.fullmatch(said) else None

    def _session(self, root: Path, settings: Settings) -> SessionRecord:
        snapshot, folder = self._snapshot, self.folder.path
        data = ManifestData(folder, snapshot)
        generation = as_map(snapshot.get("generation_params"))
        prompts = as_map(snapshot.get("resolved_template"))
        if self._written.source == "images":
            prompts = {"prompt": self._agreed("prompt"), "negative": self._agreed("negative")}
        prompt = plain(prompts.get("prompt"))
        theme, style = _word(snapshot.get("theme_name")), _word(snapshot.get("style"))
        planned = next(
            (n for name in ("num_images", "max_images") if (n := _count(generation.get(name))) is not None), None
        )
        base_seed = next(
            (s for name in ("base_seed", "seed_base") if (s := as_int(generation.get(name))) is not None), None
        )
        combinations = as_int(generation.get("total_combinations"), 0, 10**300)
        keys = self._keys(plain(snapshot.get("timestamp")), prompt)
        return SessionRecord(
            slug=self._id or hashlib.blake2b(keys[0].encode(), digest_size=6).hexdigest(),
            keys=keys,
            folder=folder,
            root=root,
            stamp=self.folder.stamp,
            name=self._name(theme, style),
            started=self._started(data),
            status=self._status(planned),
            planned=planned,
            theme=theme,
            style=style,
            template=_word(as_map(self._own.get("template")).get("name")) or _word(self._written.template),
            mode="dry-run" if self._dry else _word(generation.get("mode")),
            seed_mode=_word(generation.get("seed_mode")),
            base_seed=base_seed,
            sweep=bool(data.seed_list),
            combinations=None if combinations is None else str(combinations),
            **vars(settings),
            prompt=prompt,
            negative=plain(prompts.get("negative")),
            placeholders=[
                {"name": plain(name), "available": max(int(found["count"]), 0), "used": len(found["used"])}
                for name, found in data.variations.items()
            ],
            problems=self.problems[:_MOST_PROBLEMS],
        )

    def _keys(self, timestamp: str, prompt: str) -> tuple[str, ...]:
        keys = [f"d:{self.folder.path.name}"]
        if self._id:
            keys.insert(0, f"i:{self._id}")
        elif timestamp:
            text = f"{timestamp}\0{prompt}".encode("utf-8", "replace")
            keys.insert(0, "m:" + hashlib.blake2b(text, digest_size=16).hexdigest())
        return tuple(keys)

    def _name(self, theme: str | None, style: str | None) -> str:
        if name := _word(self._written.name):
            return name
        folder = self.folder.path.name
        name = _DATED.sub("", folder, count=1) or folder
        shown = [safe_name(theme, THEME_LIMIT), safe_name(style or "default", THEME_LIMIT)] if theme else []
        if not theme and style and style != "default":
            shown = [safe_name(style, THEME_LIMIT)]
        ending = "".join(f"-{part}" for part in shown)
        name = name.removesuffix(ending) or name
        return name.removesuffix(".prompt") or name

    def _started(self, data: ManifestData) -> int:
        """Unix milliseconds: from the folder's name, the manifest, the oldest image, the folder."""
        for moment in (folder_time(self.folder.path.name), data.started):
            if (found := _milliseconds(moment)) is not None:
                return found
        oldest = min((mtime for _, mtime in self._sizes.values()), default=None)
        return (self.folder.path.stat().st_mtime_ns if oldest is None else oldest) // 1_000_000

    def _status(self, planned: int | None) -> str:
        """One status. A run that was killed after its last image stays ``ongoing`` in its manifest: it is completed."""
        said = _STATUS.get(self._written.status or "", "unknown")
        made = len({item.number for item in self._items_in_order if item.entry is not None or item.size})
        return "completed" if said in ("ongoing", "unknown") and planned and made >= planned else said

    # ---- images ----------------------------------------------------------------------------------------------------------

    def images(self, known: Mapping[str, Known]) -> Iterator[tuple[ImageRecord, Known | None]]:
        """The images in order, each with what the index has of it. ``known``: file -> that; what has not changed is not read again."""
        broken = 0
        for item in self._items_in_order:
            before = known.get(item.file)
            if before is not None and item.entry is None and before.unchanged(item.size):
                record = replace(before.record, missing=False)
            else:
                record = read_image(item, self._shared, before, self.problems)
            broken += record.broken
            yield record, before
        if broken:
            self.problems.append(f"{broken} image files are broken")
        self.record.problems = self.problems[:_MOST_PROBLEMS]

    def entered(self, entry: Mapping[str, Any]) -> ImageRecord:
        """The image of an entry that has been added to the session's record since. Raises ``unreadable-file``."""
        name = inside(entry["filename"])
        try:
            found = None if name is None else (self.folder.path / name).stat()
        except OSError as error:
            message = f"{shown(self.folder.path / entry['filename'])}: {error.strerror or error}"
            raise SDGenError("unreadable-file", message) from error
        if name is None or found is None:
            raise SDGenError("unreadable-file", f"{entry['filename']} is not in the session's folder")
        number, batch = place(entry, name, 0)
        item = Item(name, number, batch, entry, (found.st_size, found.st_mtime_ns))
        return read_image(item, self._shared, None, self.problems)


def _word(value: object) -> str | None:
    return plain(value).strip() or None


def _count(value: object) -> int | None:
    return as_int(value, 0, 2**53)


def _milliseconds(moment: datetime | None) -> int | None:
    try:
        return None if moment is None else int(moment.timestamp() * 1000)
    except (OverflowError, OSError, ValueError):  # a year that the system does not have
        return None
