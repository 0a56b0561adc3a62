"""What the importer finds out about a session and its images, and the keys by which judgements find them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ENDS = 64 * 1024  # of a file's first and last bytes, so many tell it from others


def generation_key(session: str, index: int, batch: int = 0) -> str:
    """The key of an image that SDGen made: its session's id and its place in it. Survives renaming and re-encoding."""
    return f"g:{session}/{index}/{batch}"


def file_key(sha256: str) -> str:
    """The key of a file by the SHA-256 of all of it, in hex: half of the digits are enough to tell files apart."""
    return f"s:{sha256[:32]}"


def fingerprint(path: Path, size: int) -> str:
    """Thirty-two hex digits of a file's size, first and last 64 KiB: what a whole PNG can be told by without reading it.

    Raises ``OSError``.
    """
    digest = hashlib.blake2b(b"%d" % size, digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        if size > 2 * _ENDS:
            file.seek(-_ENDS, 2)
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


#: What to do when an image is asked for that there is not.
NO_IMAGE = "Images have new numbers when index.db was made anew: look for it once more."
#: What the keys of images and of sessions begin with, the surest first: what made it, the whole file, its ends; the id, the manifest,
#: the folder.
KEYS_OF = {"image": "gsf", "session": "imd"}
_SUREST = "".join(KEYS_OF.values())


def surest(key: str) -> int:
    """Keys in the order in which they are believed."""
    return _SUREST.find(key[:1])


def value_key(text: str) -> str:
    """The key of a value that has none of its own: as templates name it, eight hex digits of its text's hash."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]


def value_text(value: Any) -> str:
    """A placeholder's value as one text: parts of a value with several as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, (dict, list)) else str(value)


def signed(number: int) -> int:
    """An unsigned 64-bit number as SQLite stores it."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def unsigned(number: int) -> int:
    """``signed``'s inverse."""
    return number & (1 << 64) - 1


@dataclass
class ImageRecord:
    """One image of a session. ``values`` is placeholder -> (key, or None when only the text is known; text).

    ``created`` in Unix milliseconds, ``mtime`` in nanoseconds, ``seed`` unsigned, ``phash`` unsigned 64 bits; ``removed``: the
    session's record says that it was thrown away.
    """

    file: str
    number: int
    keys: tuple[str, ...]
    thumb: str
    created: int
    batch: int = 0
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    bytes: int = 0
    mtime: int = 0
    model: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    prompt: str = ""
    negative: str = ""
    phash: int | None = None
    missing: bool = False
    removed: bool = False
    broken: bool = False
    hashed: bool = False
    values: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)


@dataclass
class SessionRecord:
    """One session folder. ``keys`` as of images; ``placeholders`` as ``{"name", "available", "used"}`` with counts."""

    slug: str
    keys: tuple[str, ...]
    folder: Path
    root: Path
    stamp: str
    name: str
    started: int
    status: str
    planned: int | None = None
    theme: str | None = None
    style: str | None = None
    template: str | None = None
    mode: str | None = None
    seed_mode: str | None = None
    base_seed: int | None = None
    sweep: bool = False
    combinations: str | None = None
    model: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    vae: str | None = None
    cfg: float | None = None
    steps: int | None = None
    width: int | None = None
    height: int | None = None
    prompt: str = ""
    negative: str = ""
    placeholders: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
