"""Named streams of random numbers that are the same on every Python version and system.

``random.Random``'s shuffle and sample may change between versions, so shuffles and permutations are built here on
BLAKE2b (RFC 7693) and SHAKE128 (FIPS 202) alone. A stream is keyed by (seed, purpose, name): what one placeholder draws
never depends on another.
"""

from __future__ import annotations

import hashlib
import math
import struct
from functools import lru_cache

ALGORITHM = 1  # raise when any draw of an existing plan would change


@lru_cache(maxsize=256)
def _struct(n: int, code: str) -> struct.Struct:
    return struct.Struct(f"<{n}{code}")


def stream_key(seed: int, purpose: str, name: str = "") -> bytes:
    """The 32-byte key of a stream."""
    return hashlib.blake2b(f"{seed}\0{purpose}\0{name}".encode("utf-8", "surrogatepass"), digest_size=32).digest()


def word(key: bytes, *index: int) -> int:
    """One 64-bit word addressed by any integers."""
    data = ",".join(map(str, index)).encode()
    return int.from_bytes(hashlib.blake2b(data, key=key, digest_size=8).digest(), "little")


def below(word64: int, n: int) -> int:
    """A number 0 <= r < n from a 64-bit word (multiply and shift; the bias is under n / 2**64)."""
    return (word64 * n) >> 64


@lru_cache(maxsize=256)
def shuffled(key: bytes, epoch: int, n: int) -> tuple[int, ...]:
    """0..n-1 in the order of shuffle number ``epoch`` of the stream: sorted by one random word each.

    The outcome depends on the words alone, not on the sorting algorithm. Up to 4,096 values get 32-bit words, more get
    64-bit ones, so that equal words (which keep the order) are rare.
    """
    data = hashlib.shake_128(key + b"%d" % epoch)
    supply = _struct(n, "I").unpack(data.digest(4 * n)) if n <= 4096 else _struct(n, "Q").unpack(data.digest(8 * n))
    return tuple(sorted(range(n), key=supply.__getitem__))


def pick(key: bytes, index: int, n: int) -> int:
    """Draw ``index`` from ``n`` values: shuffles one after another, so every value comes once per ``n`` draws."""
    return shuffled(key, index // n, n)[index % n] if n > 1 else 0


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
