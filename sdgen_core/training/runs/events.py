"""TensorBoard's events, read without TensorBoard: the exact loss and learning rates of every step.

The file is a row of TFRecords: length (uint64, little-endian), its masked CRC-32C, the data, and its masked CRC-32C
(https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details). The data are protobuf messages: of an Event
(tensorflow/core/util/event.proto) field 1 is the wall time (double), 2 the step (int64) and 5 the Summary; of a Summary
(tensorflow/core/framework/summary.proto) field 1 is a Value, repeated; of a Value 1 is the tag and 2 simple_value (float), which is how
torch's SummaryWriter writes scalars. The end may be cut off: the file is read while it is written.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: What is shown of a curve: more points than a screen has columns are of no use.
POINTS = 400
_AROUND = 16  # bytes of a record besides its data
_LONGEST = 1 << 28  # bytes of a record; ours have some hundred, an image some million


@dataclass(frozen=True)
class Scalar:
    """One number of one step; ``at`` is in Unix time (s)."""

    tag: str
    step: int
    value: float
    at: float


def read_folder(folder: Path) -> list[Scalar]:
    """All scalars of the event files in a folder and those below, as they were written. What cannot be read is left out."""
    found = [scalar for path in folder.rglob("*tfevents*") for scalar in read_scalars(path)]
    return sorted(found, key=lambda one: one.at)


def read_scalars(path: Path) -> list[Scalar]:
    """The scalars of an event file, up to its end or to where it is damaged. Of one that has grown only what is new is read."""
    with _lock:
        at, found = _known.pop(path, (0, []))
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < at:  # another file of this name
                    at, found = 0, []
                file.seek(at)
                data = file.read()
        except OSError:
            return []
        for record in records(data):
            at += len(record) + _AROUND
            with contextlib.suppress(ValueError, struct.error):  # another message than an Event
                found.extend(_event(record))
        _known[path] = at, found
        while len(_known) > _FILES:
            del _known[next(iter(_known))]
        return list(found)


#: What was read of the last files, and up to which byte: a page asks for the curve of a run that trains time and again.
_known: dict[Path, tuple[int, list[Scalar]]] = {}
_lock = threading.Lock()
_FILES = 8


def records(data: bytes) -> Iterator[memoryview]:
    """The records of a file's bytes; the first one that is cut off or whose length is wrong is the end."""
    view = memoryview(data)
    at = 0
    while at + 12 <= len(view):
        (length, mark) = struct.unpack_from("<QI", view, at)
        end = at + 12 + length
        if length > _LONGEST or end + 4 > len(view) or mark != masked_crc(view[at : at + 8]):
            return
        yield view[at + 12 : end]
        at = end + 4


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # Castagnoli's polynomial, reflected
        table.append(value)
    return table


_TABLE = _crc_table()


def masked_crc(data: bytes | memoryview) -> int:
    """TFRecord's checksum: CRC-32C, turned by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in bytes(data):
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def _event(record: memoryview) -> Iterator[Scalar]:
    at, step, summaries = 0.0, 0, []
    for field, wire, value in _fields(record):
        if (field, wire) == (1, 1):
            (at,) = struct.unpack("<d", value)
        elif (field, wire) == (2, 0):
            step = _signed(value)
        elif (field, wire) == (5, 2):
            summaries.append(value)
    for summary in summaries:
        for field, wire, value in _fields(summary):
            if (field, wire) == (1, 2):
                tag, number = _value(value)
                if tag and number is not None:
                    yield Scalar(tag, step, number, at)


def _value(message: memoryview) -> tuple[str, float | None]:
    tag, number = "", None
    for field, wire, value in _fields(message):
        if (field, wire) == (1, 2):
            tag = bytes(value).decode("utf-8", "replace")
        elif (field, wire) == (2, 5):
            (number,) = struct.unpack("<f", value)
    return tag, number


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(number, wire type, bytes) of a message's fields (https://protobuf.dev/programming-guides/encoding); of a varint the bytes that
    hold it. Raises ``ValueError`` where it is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        begin = at
        if wire == 0:
            _, at = _varint(message, at)
        elif wire == 1:
            at += 8
        elif wire == 5:
            at += 4
        elif wire == 2:
            length, begin = _varint(message, at)
            at = begin + length
        else:
            raise ValueError(f"no wire type: {wire}")
        if at > len(message):
            raise ValueError("a field is cut off")
        yield key >> 3, wire, message[begin:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= len(message):
            raise ValueError("a number is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("a number is too long")


def _signed(varint: memoryview) -> int:
    value, _ = _varint(varint, 0)
    return value - (1 << 64) if value >> 63 else value


def downsampled(points: Sequence[tuple[int, float]], most: int = POINTS) -> list[tuple[int, float]]:
    """At most ``most`` points of a curve: means over stretches of equally many points, each at its last step, so that the end is there."""
    if len(points) <= most:
        return list(points)
    out = []
    for n in range(most):
        some = points[n * len(points) // most : (n + 1) * len(points) // most]
        out.append((some[-1][0], sum(value for _, value in some) / len(some)))
    return out
