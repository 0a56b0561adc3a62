"""Named streams of random numbers that are the same on every Python version and system.

``random.Random``'s shuffle and sample may change between versions, so shuffles and permutations are built here on
BLAKE2b (RFC 7693) and SHAKE128 (FIPS 202) alone. A stream is keyed by (seed, purpose, name): what one placeholder draws
never depends on another.
"""

from __future__ import annotations

import hashlib
import math
import struct
import sys
from array import array
from functools import lru_cache

from .columns import type_code

#: Raise when any draw of an existing plan would change, and keep the older ones: stored plans go on with theirs.
#: 1: every shuffle of a deck is made of random words. 2: a few are, and the others are products of two of them.
ALGORITHM = 2
ALGORITHMS = (1, 2)
_SHORT = 4096  # up to so many values, a shuffle sorts words of 32 bits
_SIDE = 16
_TABLE = 256  # what ``bytes.translate`` looks up


@lru_cache(maxsize=256)
def _struct(n: int, code: str) -> struct.Struct:
    return struct.Struct(f"<{n}{code}")


def stream_key(seed: int, purpose: str, name: str = "") -> bytes:
    """The 32-byte key of a stream."""
    return hashlib.blake2b(f"{seed}\0{purpose}\0{name}".encode("utf-8", "surrogatepass"), digest_size=32).digest()


def word(key: bytes, *index: int) -> int:
    """One 64-bit word addressed by any integers."""
    data = (b"%d" + b",%d" * (len(index) - 1)) % index
    return int.from_bytes(hashlib.blake2b(data, key=key, digest_size=8).digest(), "little")


def below(word64: int, n: int) -> int:
    """A number 0 <= r < n from a 64-bit word (multiply and shift; the bias is under n / 2**64)."""
    return (word64 * n) >> 64


@lru_cache(maxsize=256)
def shuffled(key: bytes, epoch: int, n: int) -> tuple[int, ...]:
    """0..n-1 in the order of shuffle number ``epoch`` of the stream: sorted by one random word each.

    The outcome depends on the words alone, not on the sorting algorithm. Up to ``_SHORT`` values get 32-bit words, more get
    64-bit ones, so that equal words (which keep the order) are rare.
    """
    data = hashlib.shake_128(key + b"%d" % epoch)
    supply = _struct(n, "I").unpack(data.digest(4 * n)) if n <= _SHORT else _struct(n, "Q").unpack(data.digest(8 * n))
    return tuple(sorted(range(n), key=supply.__getitem__))


def pick(key: bytes, index: int, n: int, algorithm: int) -> int:
    """Draw ``index`` from ``n`` values: shuffles one after another, so every value comes once per ``n`` draws."""
    if n == 1:
        return 0
    epoch, at = divmod(index, n)
    if algorithm > 1 and n <= _TABLE:
        block, epoch = divmod(epoch, _SIDE**2)
        return _products(key, block, n)[epoch * n + at]
    return shuffled(key, epoch, n)[at]


def picks(key: bytes, start: int, stop: int, n: int, algorithm: int) -> array[int]:
    """Draws ``start`` to ``stop`` from ``n`` values: what ``pick`` gives, several times faster."""
    if n == 1:
        return array("B", bytes(stop - start))
    each = n
    if algorithm > 1 and n <= _TABLE:
        each = n * _SIDE**2
        first, last = start // each, (stop - 1) // each + 1
        out = array("B", b"".join([_products(key, block, n) for block in range(first, last)]))
    elif n <= _SHORT:
        out = _shuffles(key, start // n, (stop - 1) // n + 1, n)
    else:
        out = array(type_code(n))
        for epoch in range(start // n, (stop - 1) // n + 1):
            out.extend(shuffled(key, epoch, n))
    return out[start % each : start % each + stop - start]


@lru_cache(maxsize=128)
def _products(key: bytes, block: int, n: int) -> bytes:
    """The next ``_SIDE**2`` shuffles of up to ``_TABLE`` values: each of ``_SIDE`` shuffles after each of as many others.

    Sorting is what a shuffle costs; a product of two is a look-up in a table. Any three shuffles of the block are independent of
    each other (four are not, where two first ones meet two second ones), and blocks are independent.
    """
    made = _shuffles(key, 2 * _SIDE * block, 2 * _SIDE * (block + 1), n).tobytes()
    shuffles = [made[at : at + n] for at in range(0, len(made), n)]
    unused = bytes(_TABLE - n)
    tables = [one + unused for one in shuffles[:_SIDE]]
    return b"".join([one.translate(table) for table in tables for one in shuffles[_SIDE:]])


def _shuffles(key: bytes, first: int, last: int, n: int) -> array[int]:
    """Shuffles ``first`` to ``last`` of up to ``_SHORT`` values, one after another.

    What is sorted are floating point numbers between 1 and 2, made of a random word and below it the value's place: no
    function is called per value, and equal words keep the order.
    """
    words = b"".join([hashlib.shake_128(key + b"%d" % epoch).digest(4 * n) for epoch in range(first, last)])
    items = bytearray(b"\0\0\0\0\0\0\xf0\x3f" * (len(words) // 4))
    places = struct.pack(f"<{n}H", *range(n)) * (last - first)
    items[0::8], items[1::8] = places[0::2], places[1::2]
    for byte in range(4):
        items[2 + byte :: 8] = words[byte::4]
    ordered: list[float] = []
    for row in _struct(n, "d").iter_unpack(items):
        ordered += sorted(row)
    items = bytearray(struct.pack(f"<{len(ordered)}d", *ordered))
    out = array(type_code(n))
    if out.itemsize == 1:
        out.frombytes(items[0::8])
    else:
        sorted_places = bytearray(len(places))
        sorted_places[0::2], sorted_places[1::2] = items[0::8], items[1::8]
        out.frombytes(sorted_places)
        if sys.byteorder == "big":
            out.byteswap()
    return out


class Permutation:
    """A keyed bijection of 0..size-1, ``size`` of any magnitude.

    An index is split into two digits of bases near the square root of ``size``, which alternately get a keyed
    function of the other added (an unbalanced Feistel network); results beyond ``size`` are walked on. Source: Black
    and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002 (generalised Feistel and cycle walking). Small
    spaces are simply shuffled.
    """

    __slots__ = ("_bases", "_deck", "_key", "_known", "_widths", "size")

    ROUNDS = 6
    _DECK = 4096
    _REMEMBER = 1 << 11

    def __init__(self, key: bytes, size: int) -> None:
        self.size = size
        self._key = key
        self._deck = shuffled(key, 0, size) if size <= self._DECK else None
        low = math.isqrt(max(0, size - 1)) + 1
        self._bases = (low, -(-size // low))
        self._widths = tuple((base.bit_length() + 7) // 8 + 8 for base in self._bases)
        self._known: list[dict[int, int]] = [{} for _ in range(self.ROUNDS)]

    def _round(self, number: int, value: int) -> int:
        """The keyed function of round ``number``; the eight spare bytes keep the bias under 2**-64."""
        width = self._widths[number & 1]
        data = f"{number},{value:x}".encode()
        if width <= 64:
            digest = hashlib.blake2b(data, key=self._key, digest_size=width).digest()
        else:
            digest = hashlib.shake_256(self._key + data).digest(width)
        out = int.from_bytes(digest, "little") % self._bases[number & 1]
        known = self._known[number]
        if len(known) < self._REMEMBER:
            known[value] = out
        return out

    def __call__(self, index: int) -> int:
        if self._deck is not None:
            return self._deck[index]
        low_base, high_base = self._bases
        high, low = divmod(index, low_base)
        while True:
            for number in range(0, self.ROUNDS, 2):
                step = self._known[number].get(high)
                low = (low + (self._round(number, high) if step is None else step)) % low_base
                step = self._known[number + 1].get(low)
                high = (high + (self._round(number + 1, low) if step is None else step)) % high_base
            value = high * low_base + low
            if value < self.size:
                return value
