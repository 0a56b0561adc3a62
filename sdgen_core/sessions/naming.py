"""Names of session folders and images: pure functions of the session and the item, valid on every system.

An image's name must be computable without looking at the folder, because a run that is repeated after a crash has to
overwrite exactly the file it was making. The formats are those users' older sessions have (folder format since
2025-10-29).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError, nearest_names, shown
from ..templates.parameters import part_of
from ..templates.resolved import Value
from .files import make_folder, raise_write_error

if TYPE_CHECKING:
    from .plan import PlanItem

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
_IMAGE_NAME = re.compile(r"(.+)_(\d{4,})((?:_\w+-[^\W_]*)*?)(?:_seed-(-?\d+))?(?:-(\d+))?\Z")
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
    make_folder(root)
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


#: A file's name when nothing else is asked for: what the predecessor's users and tools know.
DEFAULT_FORMAT = "{session}_{index}{keys}{seed}"

VALUE_LIMIT = 40  # bytes of UTF-8 that one value may take in a file name
PART_LIMIT = 180  # bytes of UTF-8 of a name or folder, ending included; a whole path on Windows has 260 characters

_FIELD = re.compile(r"\{([^{}]*)\}")
_SHARD = re.compile(r"\d{5,}-\d{5,}\Z")


class FileNames:
    """The file names of a session: a pure function of the item, so that a repeated item meets its own file.

    ``format`` may hold ``{session}``, ``{index}`` (four digits; ``{index:6}`` six), ``{seed}``, ``{theme}``, ``{style}``,
    ``{Placeholder}`` (its value, words run together) and ``{Placeholder:key}``; ``/`` begins a sub-folder. Without
    ``{index}`` the index is appended, so no two items ever share a name. ``keys`` are placeholders whose values the default
    format shows. ``per_folder`` > 0 spreads the images over sub-folders of so many. Raises ``bad-file-name``.
    """

    def __init__(
        self,
        session: str,
        *,
        format: str | None = None,
        keys: Sequence[str] = (),
        per_folder: int = 0,
        theme: str | None = None,
        style: str = "default",
        known: Collection[str] = (),
    ) -> None:
        self._session = safe_name(session, NAME_LIMIT)
        self._keys = tuple(k for k in keys if k in known)
        self._per_folder = per_folder
        self._fixed = {
            "session": self._session,
            "theme": safe_name(theme or "", THEME_LIMIT) if theme else "",
            "style": style,
        }
        self._default = not format
        self._parts: list[list[str | tuple[str, str]]] = []
        for part in (format or DEFAULT_FORMAT).replace("\\", "/").strip("/").split("/"):
            pieces: list[str | tuple[str, str]] = []
            at = 0
            for m in _FIELD.finditer(part):
                pieces += [part[at : m.start()], self._field(m[1], known)]
                at = m.end()
            pieces.append(part[at:])
            self._parts.append([p for p in pieces if p])
        if not any(isinstance(p, tuple) and p[0] == "index" for p in self._parts[-1]):
            self._parts[-1] += ["_", ("index", "4")]

    def _field(self, text: str, known: Collection[str]) -> tuple[str, str]:
        name, _, detail = text.partition(":")
        digits = detail.removesuffix("d").lstrip("0")
        if name == "index" and (not digits or (digits.isdecimal() and len(digits) == 1)):
            return name, digits or "4"
        if name in ("session", "seed", "theme", "style") and not detail:
            return name, ""
        if name == "keys" and self._default:
            return name, ""
        if name in known and detail in ("", "key"):
            return name, detail or "value"
        fields = ["index", "seed", "session", "theme", "style", *known]
        raise SDGenError("bad-file-name", f"{{{text}}} is no part of a file name", nearest=nearest_names(name, fields))

    def __call__(self, item: PlanItem, index: int, batch_index: int = 0) -> str:
        """The file of image ``batch_index`` of an item, relative to the session's folder, with forward slashes."""
        folders = [safe_name(self._part(part, item, index), PART_LIMIT) for part in self._parts[:-1]]
        batch = f"-{batch_index + 1}" if batch_index else ""
        name = self._part(self._parts[-1], item, index)
        if len(name.encode("utf-8", "replace")) > PART_LIMIT - 20:
            name = f"{_cut(name, PART_LIMIT - 40)}_{index:04d}"
        if self._per_folder > 0:
            first = index // self._per_folder * self._per_folder
            folders.append(f"{first:05d}-{first + self._per_folder - 1:05d}")
        return "/".join([*folders, safe_name(f"{name}{batch}", PART_LIMIT) + ".png"])

    def _part(self, part: list[str | tuple[str, str]], item: PlanItem, index: int) -> str:
        limit = VALUE_LIMIT
        while True:
            text = "".join(p if isinstance(p, str) else self._text(p, item, index, limit) for p in part)
            # Long values give way, never the index: two names must not become one by cutting.
            if len(text.encode("utf-8", "replace")) <= PART_LIMIT - 20 or limit <= 4:
                return text
            limit //= 2

    def _text(self, field: tuple[str, str], item: PlanItem, index: int, limit: int) -> str:
        name, detail = field
        if name == "index":
            return f"{index:0{detail}d}"
        if name == "seed":
            if not self._default:
                return str(item.seed)
            # -1 lets the sampler pick: the name must not depend on what it picks
            return "" if item.requested_seed == -1 else f"_seed-{item.requested_seed}"
        if name == "keys":
            return "".join(f"_{n}-{_cut(run_together(item.values[n]), limit)}" for n in self._keys if n in item.values)
        if name in self._fixed:
            return self._fixed[name]
        if name not in item.keys:
            return ""
        return _cut(item.keys[name] if detail == "key" else run_together(item.values[name]), limit)


def run_together(value: Value) -> str:
    """A value as one word: ``red coat, wool`` → ``redCoatWool``. Of a multi-part value its main text."""
    words = re.findall(r"[^\W_]+", re.sub(r"<[^<>]*>", " ", part_of(value, None)))
    return "".join(w if i == 0 else w[:1].upper() + w[1:] for i, w in enumerate(words))


def is_shard(folder: str) -> bool:
    """Whether a sub-folder holds a slice of a session's images (see ``per_folder``)."""
    return _SHARD.match(folder) is not None


@dataclass(frozen=True)
class ImageName:
    """The parts of an image's file name; ``seed`` is None when the name has none (requested seed -1)."""

    session: str
    index: int
    seed: int | None
    batch_index: int


def parse_image_name(file_name: str) -> ImageName | None:
    """Take a name of the default format (with any ending) apart; None for other names, annotated copies included."""
    match = _IMAGE_NAME.match(file_name.rpartition(".")[0])
    if match is None:
        return None
    session, index, _, seed, batch = match.groups()
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
