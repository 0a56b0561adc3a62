"""One image of a session, from its entry in the session's record, from its file, and from what the index has of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ...sessions.naming import parse_image_name
from ..parsers import ImageFacts
from ..parsers.facts import as_int, as_map, as_text
from ..records import ImageRecord, file_key, fingerprint, generation_key, value_text
from .settings import Sample, Settings, found_settings, plain, sample, settings_of, written_settings

MOST_NUMBER = 2**31
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBERED = re.compile(r"(?:\A|[_ -])(\d{2,9})(?=[_. -]|\Z)")


@dataclass(frozen=True)
class Known:
    """An image as the index has it, with the index's keys: what has not changed since is not read again."""

    id: int
    record: ImageRecord

    def unchanged(self, size: tuple[int, int] | None) -> bool:
        return size == (self.record.bytes, self.record.mtime)


@dataclass(frozen=True)
class Item:
    """An image of a session. ``entry`` is its place in the record, ``size`` that of its file (bytes, mtime in ns); either may be None.

    ``values`` are placeholder -> value, as far as the file's name shows them; ``removed``: the record says that it was thrown away.
    """

    file: str
    number: int
    batch: int
    entry: Mapping[str, Any] | None
    size: tuple[int, int] | None
    values: Mapping[str, str] = field(default_factory=dict)
    removed: bool = False


@dataclass(frozen=True)
class Shared:
    """What a session's images have in common. ``settings`` hold for those that are not asked; with ``each``, all are asked.

    ``started`` in Unix milliseconds; ``width`` and ``height`` are those of the first image's pixels.
    """

    folder: Path
    session_id: str | None
    started: int
    settings: Settings
    each: bool
    width: int | None = None
    height: int | None = None


def read_image(item: Item, shared: Shared, before: Known | None, problems: list[str]) -> ImageRecord:
    """The record of an image. Its file is opened when its fingerprint is needed, or facts that only it has, and it has changed."""
    entry = item.entry or {}
    old = before.record if before is not None and (item.size is None or before.unchanged(item.size)) else None
    found: Sample | None = None
    if item.size and old is None and (item.entry is None or shared.each):
        found = sample(shared.folder / item.file)
    facts = found.facts if found else ImageFacts()
    if item.entry is None:
        settings = found_settings(facts)
    elif not shared.each:
        settings = shared.settings
    else:
        own, _ = written_settings(as_map(entry.get("parameters")))
        settings = own.over(settings_of(old) if old else found_settings(facts)).over(shared.settings)
    width, height = settings.width, settings.height
    if found is not None and found.width:
        width, height = found.width, found.height
    elif item.entry is not None and not shared.each and shared.width:
        width, height = shared.width, shared.height
    size, phash = item.size or (0, 0), None
    broken = bool(found and found.broken) or (item.size is not None and not item.size[0])
    keys, hashed = _recorded_keys(item, shared, facts)
    if old is not None:
        keys = tuple(dict.fromkeys((*keys, *old.keys)))
        size, thumb, phash, hashed = (old.bytes, old.mtime), old.thumb, old.phash, hashed or old.hashed
        width, height, broken = old.width or width, old.height or height, old.broken
    else:
        keys, thumb = _name_of_file(item, shared, keys, hashed, problems)
    return ImageRecord(
        file=item.file,
        number=item.number,
        batch=item.batch,
        keys=keys,
        thumb=thumb,
        created=size[1] // 1_000_000 if size[1] else shared.started + item.number,
        seed=_seed(item, facts),
        width=width,
        height=height,
        bytes=size[0],
        mtime=size[1],
        model=settings.model,
        sampler=settings.sampler,
        scheduler=settings.scheduler,
        steps=settings.steps,
        cfg=settings.cfg,
        prompt=plain(facts.prompt if item.entry is None else entry.get("prompt")),
        negative=plain(facts.negative if item.entry is None else entry.get("negative_prompt")),
        phash=phash,
        missing=item.size is None,
        removed=item.removed,
        broken=broken,
        hashed=hashed,
        values=_values(item, facts),
    )


def _recorded_keys(item: Item, shared: Shared, facts: ImageFacts) -> tuple[tuple[str, ...], bool]:
    """The keys that need no reading of the file, the surest first, and whether one is the hash of the whole file."""
    own = as_map((item.entry or {}).get("sdgen"))
    keys: list[str] = []
    if shared.session_id and as_int(own.get("index"), 0, MOST_NUMBER) is not None:
        keys.append(generation_key(shared.session_id, item.number, item.batch))
    elif facts.session and facts.index is not None and facts.index <= MOST_NUMBER:
        keys.append(generation_key(plain(facts.session), facts.index, facts.batch_index or 0))
    sha256 = as_text(own.get("sha256"))
    if sha256 is None or not _SHA256.fullmatch(sha256):
        return tuple(keys), False
    return (*keys, file_key(sha256)), True


def _name_of_file(
    item: Item, shared: Shared, keys: tuple[str, ...], hashed: bool, problems: list[str]
) -> tuple[tuple[str, ...], str]:
    """All keys, and what the thumbnails are called: the file's fingerprint, else a hash of its surest key, its size and time.

    Of our own sessions the file need not be opened. Older ones that got hashes later were known by their fingerprint before.
    """
    own = hashed and keys[0].startswith("g:")
    if item.size is not None and not own:
        try:
            found = fingerprint(shared.folder / item.file, item.size[0])
        except OSError as error:
            problems.append(f"{item.file} cannot be read: {error.strerror or error}")
        else:
            return (*keys, f"f:{found}"), found
    surest = keys[0] if keys else f"{shared.folder}/{item.file}"
    text = f"{surest}|{item.size}".encode("utf-8", "replace")
    return keys, hashlib.blake2b(text, digest_size=16).hexdigest()


def _seed(item: Item, facts: ImageFacts) -> int | None:
    """The seed recorded, that of the file, that in its name."""
    seed = as_int((item.entry or {}).get("seed"))
    if seed is None:
        seed = facts.seed
    if seed is None and (parsed := parse_image_name(PurePosixPath(item.file).name)) is not None:
        seed = as_int(parsed.seed)
    return seed


def _values(item: Item, facts: ImageFacts) -> dict[str, tuple[str | None, str]]:
    """Placeholder -> (key if known, text): recorded, else those of the file and of its name."""
    values, keys = {**item.values, **facts.values}, facts.keys
    if item.entry is not None:
        own = as_map(item.entry.get("sdgen"))
        values, keys = as_map(item.entry.get("applied_variations")), as_map(own.get("keys"))
    out: dict[str, tuple[str | None, str]] = {}
    for name, value in values.items():
        if value is not None and (label := plain(name)):
            out[label] = (plain(keys.get(name)) or None, plain(value_text(value)))
    return out


def inside(name: str) -> str | None:
    """A file's name in an entry, with /; None for one that leads elsewhere, or that no file can have."""
    windows = PureWindowsPath(name)
    if not name or len(name) > 1000 or "\0" in name or windows.drive or windows.root:
        return None
    name = name.replace("\\", "/")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return None if any(part in ("", ".", "..") for part in name.split("/")) else name


def place(entry: Mapping[str, Any], name: str, position: int) -> tuple[int, int]:
    """Which item of the session an image is, and which image of the item: recorded, else from its name, else as it stands."""
    own = as_map(entry.get("sdgen"))
    index = as_int(own.get("index"), 0, MOST_NUMBER)
    if index is not None:
        return index, as_int(own.get("batch_index"), 0, MOST_NUMBER) or 0
    base = PurePosixPath(name).name
    parsed = parse_image_name(base)
    if parsed is not None and parsed.index <= MOST_NUMBER:
        return parsed.index, min(max(parsed.batch_index, 0), MOST_NUMBER)
    match = _NUMBERED.search(base.rpartition(".")[0])
    return (int(match[1]), 0) if match else (position, 0)
