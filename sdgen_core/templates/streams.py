"""Named streams of random numbers that are the same on every Python version and system.

``random.Random``'s shuffle and sample may change between versions, so shuffles and permutations are built here on BLAKE2b
(RFC 7693) alone. A stream is keyed by (seed, purpose, name): what one placeholder draws never depends on another.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache

ALGORITHM = 1  # raise when any draw of an existing plan would change

_EIGHT = struct.Struct("<8Q")


def stream_key(seed: int, purpose: str, name: str = "") -> bytes:
    """The 32-byte key of a stream."""
    return hashlib.blake2b(f"{seed}\0{purpose}\0{name}".encode("utf-8", "surrogatepass"), digest_size=32).digest()


def words(key: bytes, block: int) -> tuple[int, ...]:
    """Eight 64-bit words: block number ``block`` (0 <= block < 2**64) of the stream."""
    return _EIGHT.unpack(hashlib.blake2b(block.to_bytes(8, "little"), key=key).digest())


def word(key: bytes, *index: int) -> int:
    """One 64-bit word addressed by any integers."""
    data = ",".join(map(str, index)).encode()
    return int.from_bytes(hashlib.blake2b(data, key=key, digest_size=8).digest(), "little")


def below(word64: int, n: int) -> int:
    """A number 0 <= r < n from a 64-bit word (multiply and shift; the bias is under n / 2**64)."""
    return (word64 * n) >> 64


@lru_cache(maxsize=256)
def shuffled(key: bytes, epoch: int, n: int) -> tuple[int, ...]:
    """0..n-1 in the order of shuffle number ``epoch`` of the stream (Fisher-Yates, Durstenfeld's form)."""
    order = list(range(n))
    block = epoch << 32  # an epoch owns 2**32 blocks
    supply: tuple[int, ...] = ()
    used = 8
    for i in range(n - 1, 0, -1):
        if used == 8:
            supply = words(key, block & 0xFFFFFFFFFFFFFFFF) if epoch < 1 << 32 else _far_words(key, block)
            block += 1
            used = 0
        j = (supply[used] * (i + 1)) >> 64
        used += 1
        order[i], order[j] = order[j], order[i]
    return tuple(order)


def _far_words(key: bytes, block: int) -> tuple[int, ...]:
    return _EIGHT.unpack(hashlib.blake2b(str(block).encode(), key=key).digest())


def pick(key: bytes, index: int, n: int) -> int:
    """Draw ``index`` from ``n`` values: shuffles one after another, so every value comes once per ``n`` draws."""
    return shuffled(key, index // n, n)[index % n] if n > 1 else 0


class Permutation:
    """A keyed bijection of 0..size-1, ``size`` of any magnitude: a Feistel network with cycle walking.

    Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002 (generalised Feistel and cycle walking).
    """

    __slots__ = ("_bytes", "_half", "_key", "_mask", "size")

    ROUNDS = 6

    def __init__(self, key: bytes, size: int) -> None:
        self.size = size
        self._key = key
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half) - 1
        self._bytes = (self._half + 7) // 8

    def _round(self, number: int, value: int) -> int:
        data = number.to_bytes(1, "little") + value.to_bytes(self._bytes, "little")
        if self._bytes <= 64:
            digest = hashlib.blake2b(data, key=self._key, digest_size=self._bytes).digest()
        else:
            digest = hashlib.shake_256(self._key + data).digest(self._bytes)
        return int.from_bytes(digest, "little") & self._mask

    def __call__(self, index: int) -> int:
        if self.size <= 1:
            return 0
        value = index
        while True:
            left, right = value >> self._half, value & self._mask
            for number in range(self.ROUNDS):
                left, right = right, left ^ self._round(number, right)
            value = (left << self._half) | right
            if value < self.size:
                return value
