"""An image's file without what it says of how it was made: the same pixels, not decoded and not encoded again.

What remains is what a program needs to show the picture: pixels, palette, transparency, colour profile, animation, and which way up it
is. Layouts: PNG (W3C, section 11), JPEG (ITU-T T.81, annex B), WebP (RFC 9649), EXIF (CIPA DC-008).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO

PIECE = 1 << 20

_PNG_START, _PNG_LONGEST = b"\x89PNG\r\n\x1a\n", (1 << 31) - 1
#: Chunks that say how pixels look; any other one, of texts, times or programs of their own, stays behind.
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT cICP mDCV cLLI bKGD pHYs acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_ORIENTATION = 0x0112


class NotCleaned(Exception):
    """The file is of no kind that can be cleaned without decoding it, or it is damaged; the message says which."""


def clean_copy(handle: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a clean copy, in pieces. Raises :class:`NotCleaned`, also after some pieces."""
    start = handle.read(12)
    handle.seek(0)
    if start.startswith(_PNG_START):
        return _png(handle)
    if start.startswith(b"\xff\xd8\xff"):
        return _jpeg(handle.read())
    if start.startswith(b"RIFF") and start[8:] == b"WEBP":
        return iter((_webp(handle.read()),))
    raise NotCleaned("it is no PNG, JPEG or WebP file")


def _png(handle: IO[bytes]) -> Iterator[bytes]:
    handle.seek(8)
    yield _PNG_START
    while True:
        head = handle.read(8)
        if len(head) < 8:
            raise NotCleaned("it ends in the middle")
        length, kind = struct.unpack(">I4s", head)
        if length > _PNG_LONGEST:
            raise NotCleaned("a chunk's length is wrong")
        if kind in _PNG_KEPT:
            yield head
            yield from _exactly(handle, length + 4)
        elif kind == b"eXIf" and length < PIECE:
            turned = orientation(handle.read(length))
            handle.seek(4, io.SEEK_CUR)
            if turned > 1:
                data = _exif(turned)
                yield struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))
        else:
            handle.seek(length + 4, io.SEEK_CUR)
        if kind == b"IEND":
            return


def _exactly(handle: IO[bytes], length: int) -> Iterator[bytes]:
    while length:
        piece = handle.read(min(length, PIECE))
        if not piece:
            raise NotCleaned("it ends in the middle")
        length -= len(piece)
        yield piece


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while True:
        found = _MARKER.match(data, at)
        if found is None:
            raise NotCleaned("it goes wrong between two segments")
        marker, at = found[0][-1], found.end()
        if marker == 0xD9:
            yield b"\xff\xd9"
            return
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at : at + length]
        if length < 2 or len(segment) < length:
            raise NotCleaned("it ends in the middle")
        at += length
        if marker == 0xE1 and segment[2:8] == b"Exif\0\0":
            turned = orientation(segment[8:])
            segment = b"" if turned < 2 else _sized(b"Exif\0\0" + _exif(turned))
        elif not _kept(marker, segment[2:]):
            segment = b""
        if segment:
            yield bytes((0xFF, marker)) + segment
        if marker == 0xDA:  # up to the next marker, the pixels
            after = _MARKER.search(data, at)
            if after is None:
                raise NotCleaned("its end is missing")
            yield data[at : after.start()]
            at = after.start()


def _sized(content: bytes) -> bytes:
    return (len(content) + 2).to_bytes(2, "big") + content


def _kept(marker: int, content: bytes) -> bool:
    """Of the segments of programs, those that say how to read pixels: JFIF's, colour profiles, Adobe's. Comments go."""
    if marker == 0xE2:
        return content.startswith(b"ICC_PROFILE\0")
    return marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _webp(data: bytes) -> bytes:
    out, turned, at = [], 1, 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        content = data[at + 8 : at + 8 + length]
        if len(content) < length:
            raise NotCleaned("it ends in the middle")
        at += 8 + length + length % 2
        if kind == b"EXIF":
            turned = orientation(content.removeprefix(b"Exif\0\0"))
        elif kind in _WEBP_KEPT:
            out.append((kind, content))
    if turned > 1:
        out.append((b"EXIF", _exif(turned)))
    body = b"".join(
        struct.pack("<4sI", kind, len(content)) + _flagged(kind, content, turned) + b"\0" * (len(content) % 2)
        for kind, content in out
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _flagged(kind: bytes, content: bytes, turned: int) -> bytes:
    """VP8X says which chunks there are."""
    if kind != b"VP8X" or not content:
        return content
    flags = content[0] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if turned > 1 else 0)
    return bytes((flags,)) + content[1:]


# ---- which way up ----------------------------------------------------------------------------------------------------------


def orientation(exif: bytes) -> int:
    """How an image lies, 1 to 8 as EXIF counts; 1, which is upright, where nothing says so."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    first = struct.unpack_from(order + "I", exif, 4)[0]
    if first + 2 > len(exif):
        return 1
    for entry in range(struct.unpack_from(order + "H", exif, first)[0]):
        at = first + 2 + 12 * entry
        if at + 12 > len(exif):
            break
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        if (tag, kind) == (_ORIENTATION, 3):
            value = int(struct.unpack_from(order + "H", exif, at + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1


def _exif(turned: int) -> bytes:
    """EXIF that says nothing but which way up an image is."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, turned, 0, 0)
