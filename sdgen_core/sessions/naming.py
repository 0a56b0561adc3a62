"""Names of session folders and images: pure functions of the session and the item, valid on every system.

An image's name must be computable without looking at the folder, because a run that is repeated after a crash has to
overwrite exactly the file it was making. The formats are those users' older sessions have (folder format since
2025-10-29).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import SDGenError, shown
from .files import raise_write_error

# Bytes of UTF-8 that a session's name may take in a folder or file name. The name stands in a path twice, and many
# Windows programs stop at 260 characters for the whole path.
NAME_LIMIT = 80
THEME_LIMIT = 40

_MAX_TRIES = 10_000
_FORBIDDEN = frozenset('<>:"/\\|?*')
# Reading order marks can make a name show as another one.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [device + number for device in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3"]
)
# The stem of an image name; a session's own name may contain anything, so the number nearest to the end counts.
_IMAGE_NAME = re.compile(r"(.+)_(\d{4,})(?:_seed-(-?\d+))?(?:-(\d+))?\Z")
_FOLDER_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)_(\d\d)(\d\d)(\d\d)")
_SPACES_AND_DOTS = re.compile(r"[\s.]+\Z")


def _allowed(char: str) -> str:
    if char in _FORBIDDEN or char in _REORDERING:
        return "_"
    if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
        return "_"
    code = ord(char)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:  # noncharacters: macOS refuses them
        return "_"
    return char


def _cut(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` bytes of UTF-8, never inside a character, without trailing spaces and dots."""
    cut = text.encode("utf-8")[:limit].decode("utf-8", "ignore")
    return _SPACES_AND_DOTS.sub("", cut)


def safe_name(text: str, limit: int = 120) -> str:
    """``text`` as a part of a file name that Windows, macOS and Linux all accept, at most ``limit`` bytes of UTF-8.

    Letters of any script, spaces, dashes and underscores stay as they are. Characters that some system forbids become
    ``_``; trailing dots and spaces, which Windows drops silently, go; a device name such as ``CON`` or ``nul.txt``
    gets a leading ``_``; nothing at all becomes ``_``. Applying it twice changes nothing.
    """
    if limit < 8:
        raise ValueError("limit must be at least 8 bytes")
    name = _cut("".join(map(_allowed, text)), limit)
    if name.split(".")[0].rstrip().upper() in _RESERVED:
        name = _cut("_" + name, limit)
    return name or "_"


def session_folder_name(when: datetime, name: str, theme: str | None, style: str | None) -> str:
    """``YYYYMMDD_HHMMSS-<name>[-<theme>-<style>]``, with ``-<style>`` alone when there is no theme.

    ``when`` is the local time of the start. With a theme the style always follows (``default`` included); without
    one, only a style other than ``default`` shows.
    """
    stamp = f"{when.year:04d}{when.month:02d}{when.day:02d}_{when.hour:02d}{when.minute:02d}{when.second:02d}"
    parts = [stamp, safe_name(name, NAME_LIMIT)]
    if theme:
        parts += [safe_name(theme, THEME_LIMIT), safe_name(style or "default", THEME_LIMIT)]
    elif style and style != "default":
        parts.append(safe_name(style, THEME_LIMIT))
    return "-".join(parts)


def create_session_folder(root: Path, folder_name: str) -> Path:
    """Make a new folder ``root/folder_name`` and return it; ``-2``, ``-3`` … is appended when the name is taken.

    The folder is created exclusively, so two sessions started in the same second never share one. ``root`` is made
    when it does not exist. Raises ``unwritable-folder`` (path and reason in the message) or ``disk-full``.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_write_error(error, root, "create the folder")
    for number in range(1, _MAX_TRIES):
        folder = root / (folder_name if number == 1 else f"{folder_name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise_write_error(error, folder, "create the folder")
        return folder
    raise SDGenError("unwritable-folder", f"{shown(root)} already has {_MAX_TRIES - 1} folders {folder_name!r}.")


def image_name(session_name: str, index: int, requested_seed: int, batch_index: int = 0) -> str:
    """The file name of item ``index`` (from 0): ``<session>_0007_seed-42.png``.

    A requested seed of -1 (the sampler picks) leaves the seed part out, so that the name is known before the image is
    made. In a batch the first image has the plain name, the second ends in ``-2``, the third in ``-3``.
    """
    if index < 0 or batch_index < 0:
        raise ValueError("index and batch_index count from 0")
    seed = "" if requested_seed == -1 else f"_seed-{requested_seed}"
    batch = f"-{batch_index + 1}" if batch_index else ""
    return f"{safe_name(session_name, NAME_LIMIT)}_{index:04d}{seed}{batch}.png"


@dataclass(frozen=True)
class ImageName:
    """The parts of an image's file name; ``seed`` is None when the name has none (requested seed -1)."""

    session: str
    index: int
    seed: int | None
    batch_index: int


def parse_image_name(file_name: str) -> ImageName | None:
    """Take a name of :func:`image_name` (with any ending) apart; None for other names, annotated copies included."""
    match = _IMAGE_NAME.match(file_name.rpartition(".")[0])
    if match is None:
        return None
    session, index, seed, batch = match.groups()
    return ImageName(session, int(index), None if seed is None else int(seed), int(batch) - 1 if batch else 0)


def folder_time(folder_name: str) -> datetime | None:
    """The local time a session folder's name begins with, in any of the formats used since 2025-09."""
    match = _FOLDER_TIME.match(folder_name)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
