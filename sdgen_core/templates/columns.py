"""Columns: the positions that one placeholder takes in its pool over a run of combinations, as ``array``s.

Bulk work goes column by column, in the interpreter's C loops; an ``array`` holds a position in one to eight bytes.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache

_PERIOD = 4096


def type_code(n: int) -> str:
    """The smallest type of an ``array`` that holds 0..n-1; ``n`` up to 2**64."""
    return "B" if n <= 1 << 8 else "H" if n <= 1 << 16 else "I" if n <= 1 << 32 else "Q"


def loop(start: int, stop: int, n: int, stride: int) -> array[int]:
    """``i // stride % n`` for ``start <= i < stop``: a digit of a mixed-radix number that counts up."""
    period = n * stride
    if period <= _PERIOD:
        at = start % period
        return (_pattern(n, stride) * ((at + stop - start) // period + 1))[at : at + stop - start]
    out = array(type_code(n))
    while start < stop:
        digit, used = start // stride % n, start % stride
        length = min(stop - start, stride - used)
        out += array(out.typecode, [digit]) * length
        start += length
    return out


@lru_cache(maxsize=64)
def _pattern(n: int, stride: int) -> array[int]:
    return array(type_code(n), [digit for digit in range(n) for _ in range(stride)])


def numbers(columns: Sequence[array[int]], sizes: Sequence[int]) -> list[int]:
    """Row by row the mixed-radix number of the digits in ``columns``, which have types by ``type_code``.

    The rows are lanes of one big integer, so that one multiplication and one addition a column do all rows at once. A
    lane never overflows, for it holds the number of the columns so far.
    """
    size = math.prod(sizes)
    if size > 1 << 64:
        out = columns[0].tolist()
        for column, n in zip(columns[1:], sizes[1:], strict=True):
            out = [number * n + digit for number, digit in zip(out, column, strict=True)]
        return out
    if len(columns) == 1:
        return columns[0].tolist()
    lanes = array(type_code(size))
    total = 0
    for column, n in zip(columns, sizes, strict=True):
        total = total * n + int.from_bytes(_widened(column, lanes.itemsize), sys.byteorder)
    lanes.frombytes(total.to_bytes(lanes.itemsize * len(columns[0]), sys.byteorder))
    return lanes.tolist()


def _widened(column: array[int], width: int) -> bytes | bytearray:
    """The bytes of ``column`` with items of ``width`` bytes."""
    data, narrow = column.tobytes(), column.itemsize
    if narrow == width:
        return data
    out = bytearray(width * len(column))
    first = 0 if sys.byteorder == "little" else width - narrow
    for byte in range(narrow):
        out[first + byte :: width] = data[byte::narrow]
    return out
