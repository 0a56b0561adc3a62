"""What stands at the head of an image file: its size and its texts, without decoding a pixel.

An import reads this of every file, so it is made of a few reads and seeks: a usual PNG takes about 0.02 ms. No length in a file is
believed beyond the file's end, and all texts of a file together stay under ``MAX_TEXT``, packed or not.

Layouts: PNG (W3C, section 5 and 11.3.4), JPEG (ITU-T T.81, annex B), WebP (RIFF container, RFC 9649), EXIF (CIPA DC-008).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from ...errors import SDGenError, shown
from ...sessions.metadata import TEXT_CHUNKS, TornImage, text_of_chunk, walk_png

#: The most text taken from one file, in bytes: a large canvas has 2 MiB, the largest texts that were seen 8 MiB.
MAX_TEXT = 16 << 20
#: The name of an XMP packet in ``Header.chunks``, after PNG's keyword for it.
XMP = "XML:com.adobe.xmp"

#: Texts that say how an image was made. A PNG that has one before its pixels is not searched for more behind them.
_TELLING = frozenset({"sdgen", "prompt", "workflow", "parameters", "invokeai_metadata", "sd-metadata", "Dream"})
#: PNG chunks that are read: ``comf`` is ComfyUI's for animations, laid out as tEXt.
_PNG_READ = TEXT_CHUNKS | {b"IHDR", b"eXIf", b"comf"}
_PNG_END = b"IEND\xaeB`\x82"

_USER_COMMENT, _EXIF_IFD = 0x9286, 0x8769
#: ComfyUI's texts in EXIF: ``prompt:{…}`` under Model, others under Make and the tags below it, each with its name before it.
_NAMED_JSON = re.compile(r"(\w[\w -]{0,40}):\s*(?=[{\[])")
_ADOBE_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Header:
    """The head of an image: ``format`` is png, jpeg or webp, ``width`` and ``height`` are pixels as stored (before any EXIF
    rotation), ``chunks`` the texts under the names that PNG has for them: ``parameters`` (A1111; EXIF's UserComment), ``prompt``
    and ``workflow`` (ComfyUI), ``comment`` (JPEG's), ``XML:com.adobe.xmp`` and any other keyword that a PNG has.
    """

    format: str
    width: int
    height: int
    chunks: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The head of an image file; the format is told by the content, not by the name.

    Texts that cannot be decoded, or that are too long, are left out. Raises ``broken-image`` for what is no PNG, JPEG or WebP, has
    no size or ends too early, ``missing-file`` and ``unreadable-file``.
    """
    try:
        with path.open("rb") as handle:
            start = handle.read(12)
            handle.seek(0)
            texts = _Texts()
            if start.startswith(b"\x89PNG"):
                kind, (width, height) = "png", _png(handle, texts)
            elif start.startswith(b"\xff\xd8\xff"):
                kind, (width, height) = "jpeg", _jpeg(handle, texts)
            elif start.startswith(b"RIFF") and start[8:] == b"WEBP":
                kind, (width, height) = "webp", _webp(handle, texts)
            else:
                raise TornImage("it is no PNG, JPEG or WebP file" if start else "it is empty")
    except TornImage as error:
        raise SDGenError("broken-image", f"{shown(path)} cannot be used: {error}.") from error
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"There is no file {shown(path)}.") from error
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    return Header(kind, width, height, MappingProxyType(texts.found))


class _Texts:
    """Texts as they are found, within ``MAX_TEXT`` together; the first of a name stays."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.left = MAX_TEXT

    def add(self, name: str, text: str) -> None:
        if len(text) <= self.left:
            self.left -= len(text)
            self.found.setdefault(name, text)

    def add_xmp(self, packet: bytes) -> None:
        self.add(XMP, packet.decode("utf-8", "replace"))

    def add_exif(self, data: bytes) -> None:
        if len(data) <= self.left:
            for name, text in _exif_texts(data):
                self.add(name, text)

    @property
    def telling(self) -> bool:
        return not _TELLING.isdisjoint(self.found)


# --- PNG --------------------------------------------------------------------------------------------------------------


def _png(handle: IO[bytes], texts: _Texts) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    for kind, data in walk_png(handle, _PNG_READ):
        if kind == b"IHDR":
            if len(data) != 13:
                raise TornImage("its header is damaged")
            size = _checked(*struct.unpack(">II", data[:8]))
        elif kind == b"IDAT":
            # The way through the pixels' chunks would be most of the work: the end mark says as well that nothing is missing.
            if texts.telling:
                position = handle.tell()
                handle.seek(-8, io.SEEK_END)
                if handle.read() == _PNG_END:
                    break
                handle.seek(position)
        elif kind == b"eXIf":
            texts.add_exif(data)
        elif 0 < len(data) <= texts.left:
            try:
                texts.add(*text_of_chunk(b"tEXt" if kind == b"comf" else kind, data, texts.left))
            except (ValueError, zlib.error):
                texts.left -= 1 << 20  # unpacking it was work, and a file may have thousands of such
    if size is None:
        raise TornImage("its header is missing")
    return size


# --- JPEG -------------------------------------------------------------------------------------------------------------


def _jpeg(handle: IO[bytes], texts: _Texts) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    handle.seek(2)
    while True:
        marker = _jpeg_marker(handle)
        if marker in (0xDA, 0xD9):  # the pixels, or the end
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without content
            continue
        length = int.from_bytes(_exactly(handle, 2), "big") - 2
        if length < 0:
            raise TornImage("a segment's length is wrong")
        if marker in (0xE1, 0xFE):
            data = _exactly(handle, length)
            if marker == 0xFE:
                texts.add("comment", _utf8_or_latin1(data).rstrip("\0"))
            elif data.startswith(b"Exif\0\0"):
                texts.add_exif(data)
            elif data.startswith(_ADOBE_XMP):
                texts.add_xmp(data[len(_ADOBE_XMP) :])
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame; the others are tables
            data = _exactly(handle, length)
            if length < 5:
                raise TornImage("its header is damaged")
            height, width = struct.unpack(">HH", data[1:5])
            size = _checked(width, height)
        else:
            handle.seek(length, io.SEEK_CUR)
    if size is None:
        raise TornImage("its size is missing")
    return size


def _jpeg_marker(handle: IO[bytes]) -> int:
    """The next marker; any number of fill bytes may stand before it."""
    if _exactly(handle, 1) != b"\xff":
        raise TornImage("it goes wrong between two segments")
    while (byte := _exactly(handle, 1)) == b"\xff":
        pass
    return byte[0]


# --- WebP -------------------------------------------------------------------------------------------------------------


def _webp(handle: IO[bytes], texts: _Texts) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    for kind, length in _riff_chunks(handle):
        if kind in (b"VP8X", b"VP8L", b"VP8 "):
            if size is None:  # VP8X, the canvas, comes before the pixels
                size = _checked(*_webp_size(kind, _exactly(handle, min(length, 10))))
        elif kind in (b"EXIF", b"XMP ") and length <= texts.left:
            data = _exactly(handle, length)
            if kind == b"EXIF":
                texts.add_exif(data)
            else:
                texts.add_xmp(data)
    if size is None:
        raise TornImage("its size is missing")
    return size


def _riff_chunks(handle: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """(type, length) of every chunk; the handle stands at its data."""
    end = handle.seek(0, io.SEEK_END)
    handle.seek(4)
    stated = 8 + int.from_bytes(handle.read(4), "little")
    if stated > end + 1:  # some writers leave the last pad byte out
        raise TornImage(f"it ends after {end} bytes, in the middle")
    position = 12
    while position + 8 <= min(stated, end):
        handle.seek(position)
        kind, length = struct.unpack("<4sI", _exactly(handle, 8))
        if position + 8 + length > end:
            raise TornImage(f"it ends after {end} bytes, in the middle")
        yield kind, length
        position += 8 + length + length % 2


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int]:
    if kind == b"VP8X" and len(data) == 10:
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    if kind == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) == 10 and data[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise TornImage("its header is damaged")


# --- EXIF -------------------------------------------------------------------------------------------------------------


def _exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of what image generators write into EXIF; nothing when it is malformed."""
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(data)
        values = list(exif.items())
        comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    # What Pillow's reader raises over damaged offsets, types and counts.
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, OSError, struct.error):
        return
    for _tag, value in values:
        if isinstance(value, str) and (match := _NAMED_JSON.match(value)):
            yield match[1], _as_utf8(value[match.end() :])
    if isinstance(comment, bytes):
        comment = _user_comment(comment)
    if isinstance(comment, str) and comment.strip():
        yield "parameters", comment


def _user_comment(data: bytes) -> str:
    """The text of a UserComment, which begins with the name of its character set in 8 bytes."""
    charset, text = data[:8], data[8:]
    if charset.startswith(b"UNICODE"):
        # Of no said byte order: A1111 writes the high byte first, others the low one. Where most characters are of the first
        # 256, as in all these texts, the zeros tell.
        low_first = text[1::2].count(0) > text[0::2].count(0)
        return text.decode("utf-16-le" if low_first else "utf-16-be", "replace").lstrip("\ufeff").rstrip("\0")
    if charset not in (b"ASCII\0\0\0", bytes(8)):
        text = data
    return _utf8_or_latin1(text).rstrip("\0")


def _utf8_or_latin1(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _as_utf8(text: str) -> str:
    """Text that was taken for Latin-1 and is UTF-8, as most programs write."""
    try:
        return _utf8_or_latin1(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text


# --- all --------------------------------------------------------------------------------------------------------------


def _exactly(handle: IO[bytes], count: int) -> bytes:
    data = handle.read(count)
    if len(data) < count:
        raise TornImage("it ends in the middle")
    return data


def _checked(width: int, height: int) -> tuple[int, int]:
    if not width or not height:
        raise TornImage("its size is zero")
    return width, height
