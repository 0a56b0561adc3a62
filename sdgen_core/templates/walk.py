"""The table of a random run without repeats."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

from . import streams
from .columns import numbers, type_code

LIMIT = 2**20  # runs up to this many combinations keep their table; larger ones are permutations
ATTEMPTS = 7
_STEP = 4096
_BLOCK = 32


class Walk:
    """The combinations of a random run, grown as far as they are asked for; growing never changes what is there.

    Combination *n* is pick *n* of every name's deck. If that combination was there, up to seven independent redraws
    keyed by *n* follow while less than half of the space is used, then the next unused element of the joint
    permutation.
    """

    def __init__(
        self, sizes: Sequence[int], keys: Sequence[bytes], permutation: Callable[[int], int], algorithm: int
    ) -> None:
        self._sizes = sizes
        self._keys = keys
        self._size = math.prod(sizes)
        self._permutation = permutation
        self._algorithm = algorithm
        self._seen: set[int] = set()
        self.columns = [array(type_code(n)) for n in sizes]
        self._pointer = 0

    @property
    def grown(self) -> int:
        return len(self.columns[0])

    def grow(self, count: int) -> None:
        """Make the first ``count`` combinations known, and some more where the run goes on."""
        have = self.grown
        if count > have:
            count = min(self._size, max(count, min(2 * have, have + _STEP)))
            for at in range(have, count, _STEP):
                self._extend(at, min(count, at + _STEP))

    def _extend(self, start: int, stop: int) -> None:
        seen = self._seen
        decks = zip(self._keys, self._sizes, strict=True)
        columns = [streams.picks(key, start, stop, n, self._algorithm) for key, n in decks]
        joints = numbers(columns, self._sizes)
        for begin in range(0, stop - start, _BLOCK):
            block = joints[begin : begin + _BLOCK]
            if seen.isdisjoint(block):  # nothing repeats: the usual case, at C speed
                before = len(seen)
                seen.update(block)
                if len(seen) == before + len(block):
                    continue
                seen.difference_update(block)
            for at, joint in enumerate(block, begin):
                if joint in seen:
                    joint = self._redraw(start + at)
                    for column, d in zip(columns, digits(joint, self._sizes), strict=True):
                        column[at] = d
                seen.add(joint)
        for known, column in zip(self.columns, columns, strict=True):
            known.extend(column)

    def _redraw(self, index: int) -> int:
        # in a half-used space most redraws would fail as well: go to the permutation at once
        attempts = ATTEMPTS if 2 * index < self._size else 0
        for attempt in range(1, attempts + 1):
            joint = 0
            for key, n in zip(self._keys, self._sizes, strict=True):
                joint = joint * n + streams.below(streams.word(key, index, attempt), n)
            if joint not in self._seen:
                return joint
        while True:
            joint = self._permutation(self._pointer)
            self._pointer += 1
            if joint not in self._seen:
                return joint


def digits(number: int, sizes: Sequence[int]) -> list[int]:
    """The digits of ``number`` in the mixed radix ``sizes``, the last one changing fastest."""
    out = [0] * len(sizes)
    for k in range(len(sizes) - 1, -1, -1):
        number, out[k] = divmod(number, sizes[k])
    return out
