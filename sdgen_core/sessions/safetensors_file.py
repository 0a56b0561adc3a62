"""Safetensors files without a library: what they say of themselves, and copies of them that say something more.

Form of the file: 8 bytes with the header's length, little-endian; the header, JSON, ``{name: {dtype, shape, data_offsets}}`` with texts
under ``__metadata__``; then the tensors' bytes without gaps, offsets counting from the header's end.
https://github.com/huggingface/safetensors#format

Files come from strangers. So nothing is believed that the file's size does not bear out, and no header is read that is longer than the
format allows.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .files import atomic_file

#: The endings that such files have.
ENDINGS = (".safetensors", ".sft")
#: What a tensor's numbers take, in bytes; other kinds are only copied.
SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip

_LENGTH = 8  # bytes of the header's length
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_METADATA = "__metadata__"


class BrokenFileError(ValueError):
    """A file is no whole safetensors file. The message says why, as a sentence about "it"."""


@dataclass(frozen=True)
class Entry:
    """A tensor of a file: ``start`` and ``end`` in bytes from the header's end."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What a file says of itself. ``tensors`` are in the header's order; ``begin`` is where they begin, in bytes; ``size`` the file's."""

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, Entry]
    begin: int
    size: int


def read_header(path: Path) -> Header:
    """The header, checked against the file's size: every tensor is there, and none lies in another. Raises ``BrokenFileError`` and
    ``OSError``."""
    size = path.stat().st_size
    with path.open("rb") as file:
        content, begin = _content(file, size)
    metadata = _texts(content)
    tensors = {name: _entry(name, said) for name, said in content.items()}
    at = 0
    for name, entry in sorted(tensors.items(), key=lambda one: (one[1].start, one[1].end)):
        if entry.start != at:
            raise BrokenFileError(f"{name!r} in it does not begin where the tensor before ends")
        at = entry.end
    if at > size - begin:
        raise BrokenFileError(f"it is cut off: {at - (size - begin):,} bytes of its tensors are missing")
    if at < size - begin:
        raise BrokenFileError(f"it is {size - begin - at:,} bytes longer than its header says")
    return Header(path, metadata, tensors, begin, size)


def read_metadata(path: Path) -> tuple[dict[str, str], int]:
    """The texts in a header, and where the tensors begin (bytes); of these nothing is checked, which is quicker with thousands of files.

    Raises ``BrokenFileError`` and ``OSError``.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        content, begin = _content(file, size)
    return _texts(content), begin


def header_bytes(
    tensors: Mapping[str, tuple[str, tuple[int, ...], int]], metadata: Mapping[str, str]
) -> tuple[bytes, int]:
    """What a file begins with, and how many bytes of tensors follow. ``tensors``: name → (dtype, shape, bytes), in the order in which
    they will lie."""
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)  # so that tensors lie at multiples of 8
    return len(text).to_bytes(_LENGTH, "little") + text, at


def copy_with_metadata(source: Path, target: Path, more: Mapping[str, str]) -> None:
    """Copy a file, whole or not at all, with ``more`` texts in its header; the tensors are the same bytes.

    Raises ``BrokenFileError``, and what ``atomic_file`` raises; an ``OSError`` is of ``source``.
    """
    header = read_header(source)
    lying = sorted(header.tensors.items(), key=lambda one: (one[1].start, one[1].end))
    kinds = {name: (entry.dtype, entry.shape, entry.end - entry.start) for name, entry in lying}
    beginning, _ = header_bytes(kinds, {**header.metadata, **more})
    with source.open("rb") as file:
        file.seek(header.begin)
        with atomic_file(target) as out:
            out.write(beginning)
            shutil.copyfileobj(file, out, 1 << 20)


# ---- reading ---------------------------------------------------------------------------------------------------------------


def _content(file: IO[bytes], size: int) -> tuple[dict[str, Any], int]:
    """The header as it stands there, and where it ends."""
    length = int.from_bytes(file.read(_LENGTH), "little")
    if not 2 <= length <= min(_LONGEST_HEADER, size - _LENGTH):
        raise BrokenFileError("it is no safetensors file, or cut off in its header")
    try:
        content = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_table)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"its header cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BrokenFileError("its header is no table")
    return content, _LENGTH + length


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a name stands in it twice")
    "".join(out).encode("utf-8")  # halves of characters, which JSON can write, are no names
    return out


def _texts(content: dict[str, Any]) -> dict[str, str]:
    """Take the metadata out of a header. Numbers, which the format does not allow, are taken for texts."""
    metadata = content.pop(_METADATA, None)
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise BrokenFileError("its metadata is no table")
    texts = {key: str(value) for key, value in metadata.items()}
    try:
        "".join(texts.values()).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BrokenFileError(f"its metadata is no text: {error}") from error
    return texts


def _entry(name: str, said: Any) -> Entry:
    try:
        dtype, shape, (start, end) = said["dtype"], tuple(said["shape"]), said["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFileError(f"its header says nothing of use about {name!r}") from error
    numbers = (*shape, start, end)
    if not isinstance(dtype, str) or any(type(n) is not int or n < 0 for n in numbers) or start > end:
        raise BrokenFileError(f"its header is wrong about {name!r}")
    entry = Entry(dtype, shape, start, end)
    if dtype in SIZES and end - start != entry.count * SIZES[dtype]:
        raise BrokenFileError(f"{name!r} in it has {entry.count:,} numbers of {dtype} in {end - start:,} bytes")
    return entry
