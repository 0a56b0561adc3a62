"""What an image file says about itself: PNG text chunks, written and read without touching the pixels.

Four chunks: ``prompt`` (ComfyUI's API graph with literals, so the image re-runs with SDGen uninstalled), ``workflow``
(ComfyUI's canvas), ``parameters`` (A1111's text, which most other programs read) and ``sdgen`` (this project's
record: enough to rebuild the image's manifest entry). All JSON is strict: a NaN in a chunk makes readers in browsers
fail on the whole file.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import SDGenError, shown
from .files import sha256_file, short_model_hash, write_atomic
from .parameters_text import parameters_text, parse_parameters_text

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MAX_TEXT",
    "TEXT_CHUNKS",
    "TornImage",
    "encode_png",
    "is_whole_png",
    "parameters_text",
    "parse_parameters_text",
    "read_png_chunks",
    "read_sdgen_chunk",
    "sdgen_chunk",
    "sdgen_record",
    "sha256_file",
    "short_model_hash",
    "strict_json",
    "strict_value",
    "text_of_chunk",
    "walk_png",
    "write_atomic",
]

CHUNK_VERSION = 1
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# The largest text read from one chunk, after unpacking: far above any workflow, far below what would hurt.
MAX_TEXT = 64 << 20


# --- strict JSON ------------------------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """``text`` that every encoder accepts: halves of a surrogate pair are joined, lone ones become U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return clean_text(key)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return clean_text(str(key))


def strict_value(value: Any) -> Any:
    """``value`` in JSON's own types: NaN and infinities are None, keys are texts, anything unknown is its text.

    Numbers of numeric libraries (anything scalar with ``item()``) become plain numbers. Two keys with one text: the
    last wins.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return clean_text(str.__str__(value))
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (dict, Mapping)):  # a plain dict is told at once, an abstract Mapping takes a microsecond
        return {_key_text(k): strict_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_value(v) for v in value]
    if isinstance(value, Set):
        return sorted((strict_value(v) for v in value), key=lambda v: (type(v).__name__, str(v)))
    if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)):
        return strict_value(value.item())
    return clean_text(str(value))


def strict_json(value: Any) -> str:
    """Compact ASCII JSON that every strict reader accepts (see :func:`strict_value` for what is changed)."""
    return json.dumps(strict_value(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


# --- writing ----------------------------------------------------------------------------------------------------------


def encode_png(image: Image, chunks: Mapping[str, str], compress_level: int = 4) -> bytes:
    """``image`` as PNG bytes with one text chunk per entry of ``chunks``, in that order, before the pixels.

    A text goes into ``tEXt`` when Latin-1 can hold it, else into ``iTXt`` (UTF-8, not compressed: ComfyUI's canvas
    and most readers cannot unpack). NUL, which the format forbids in a text, is dropped. ``compress_level`` is zlib's
    0–9.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in chunks.items():
        text = clean_text(text).replace("\0", "")
        try:
            info.add_text(key, text.encode("latin-1"))
        except UnicodeEncodeError:
            info.add_itxt(key, text)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info, compress_level=compress_level)
    return out.getvalue()


def sdgen_record(
    *,
    session: str,
    session_name: str,
    index: int,
    keys: Mapping[str, str],
    values: Mapping[str, Any],
    seed: int,
    requested_seed: int,
    prompt: str,
    negative: str,
    checkpoint_name: str | None,
    checkpoint_hash: str | None,
    filename: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``sdgen`` chunk as a map in JSON's own types, enough to rebuild the image's manifest entry.

    ``keys`` and ``values`` are placeholder → key and placeholder → value (text, or a map for a multi-part value);
    ``prompt`` and ``negative`` have the line breaks of the manifest; ``filename`` is the item's own. ``extra`` adds
    keys and never replaces one.
    """
    record: dict[str, Any] = {
        "version": CHUNK_VERSION,
        "session": session,
        "session_name": session_name,
        "index": index,
        "keys": keys,
        "values": values,
        "seed": seed,
        "requested_seed": requested_seed,
        "prompt": prompt,
        "negative": negative,
        "checkpoint": {"name": checkpoint_name, "hash": checkpoint_hash},
    }
    if filename is not None:
        record["filename"] = filename
    for key, value in (extra or {}).items():
        record.setdefault(key, value)
    strict: dict[str, Any] = strict_value(record)
    return strict


def sdgen_chunk(record: Mapping[str, Any]) -> str:
    """The text of the ``sdgen`` chunk for a map of :func:`sdgen_record`."""
    return strict_json(record)


# --- reading ----------------------------------------------------------------------------------------------------------


class TornImage(Exception):
    """The file ends, or goes wrong, before its last chunk; the message says how, as the end of a sentence."""


def walk_png(handle: IO[bytes], wanted: Set[bytes], *, crc: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, data) of every chunk up to IEND. Data is empty for types not ``wanted`` and for chunks of more than 64 MiB, whose
    bytes are skipped; ``crc`` reads everything. Raises :class:`TornImage`.
    """
    size = handle.seek(0, io.SEEK_END)
    handle.seek(0)
    if handle.read(8) != _SIGNATURE:
        raise TornImage("it is not a PNG file" if size else "it is empty")
    position = 8
    while True:
        head = handle.read(8)
        if len(head) < 8:
            raise TornImage(f"it ends after {size} bytes, in the middle")
        length, kind = struct.unpack(">I4s", head)
        position += 12 + length
        if position > size:
            raise TornImage(f"it ends after {size} bytes, in the middle")
        data = b""
        if crc:
            data = handle.read(length)
            if zlib.crc32(kind + data) != int.from_bytes(handle.read(4), "big"):
                raise TornImage(f"the checksum of chunk {kind.decode('latin-1')!r} is wrong")
        elif kind in wanted and length <= MAX_TEXT:
            data = handle.read(length)
            handle.seek(4, io.SEEK_CUR)
        else:
            handle.seek(position)
        yield kind, data if kind in wanted else b""
        if kind == b"IEND":
            return


def _inflate(data: bytes, limit: int) -> bytes:
    unpack = zlib.decompressobj()
    out = unpack.decompress(data, limit)
    if unpack.unconsumed_tail:
        raise ValueError("packed text is too long")
    return out


def text_of_chunk(kind: bytes, data: bytes, limit: int = MAX_TEXT) -> tuple[str, str]:
    """Keyword and text of a text chunk. Raises ValueError or zlib.error when it is malformed or unpacks to more than ``limit``
    bytes (at least 1)."""
    keyword, separator, rest = data.partition(b"\0")
    if not separator:
        raise ValueError("no keyword")
    key = keyword.decode("latin-1")
    if kind == b"tEXt":
        return key, rest.decode("latin-1")
    if kind == b"zTXt":
        return key, _inflate(rest[1:], limit).decode("latin-1")
    packed = rest[:1] == b"\1"
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    return key, (_inflate(text, limit) if packed else text).decode("utf-8")


def read_png_chunks(path: Path) -> dict[str, str]:
    """Keyword → text of a PNG's ``tEXt``, ``zTXt`` and ``iTXt`` chunks, before and after the pixels, which are skipped.

    A chunk whose text cannot be decoded is left out. Raises ``broken-image`` for a file that is no PNG or ends too
    early, ``missing-file`` and ``unreadable-file``.
    """
    found: dict[str, str] = {}
    try:
        with path.open("rb") as handle:
            for kind, data in walk_png(handle, TEXT_CHUNKS):
                if kind in TEXT_CHUNKS:
                    try:
                        key, text = text_of_chunk(kind, data)
                    except (ValueError, zlib.error):
                        continue
                    found[key] = text
    except TornImage as error:
        raise SDGenError("broken-image", f"{shown(path)} cannot be used: {error}.") from error
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"There is no file {shown(path)}.") from error
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    return found


def read_sdgen_chunk(path: Path) -> dict[str, Any] | None:
    """The ``sdgen`` record of an image, or None when it has none to read. Raises as :func:`read_png_chunks`."""
    text = read_png_chunks(path).get("sdgen")
    if text is None:
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("version"), int) else None


def is_whole_png(path: Path, *, crc: bool = False) -> bool:
    """Whether ``path`` is a PNG that reaches its end mark. False when there is no such file.

    Cheap: only chunk heads are read. ``crc`` reads everything and checks each chunk's checksum as well. Raises
    ``unreadable-file`` when the system refuses to let it look.
    """
    kinds: list[bytes] = []
    try:
        with path.open("rb") as handle:
            for kind, _ in walk_png(handle, frozenset(), crc=crc):
                if not kinds and kind != b"IHDR":
                    return False
                kinds.append(kind)
    except (TornImage, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    return b"IDAT" in kinds
