"""Pairs of values that fail together although each is fine alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .formulas import KO, OK, PARTIAL, wilson
from .view import View, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: So many images in which both fail make a pair worth telling.
LEAST_SUPPORT = 3

_SHIFT = 32  # a pair of values as one number: the first times 2**32, plus the second


@dataclass(slots=True)
class FailingPair:
    """Two values of different placeholders, the first placeholder by name first.

    Counted are images in which both values were judged ok, partial or ko: ``images``, of which ``both_ko`` with ko for both,
    ``first_ko`` and ``second_ko`` with ko for that one. ``first_elsewhere`` and ``second_elsewhere`` are the images in which the value
    was judged so and the other was not, ``first_alone`` and ``second_alone`` the shares of ko among them.

    ``lift`` compares how often both fail in one image with how often they would by chance, each failing as it does without the other:
    ``(both_ko / images) / (first_alone * second_alone)``; None when one never fails alone.
    (With the shares among all images, a pair that fails a lot would make its values look bad by themselves.) ``lift_low`` is what is
    sure of it: the lower end of the 95 % Wilson interval of ``both_ko / images`` by the upper ends of those of the other two. Few
    images do not lead with it.
    """

    first_placeholder: str
    first_key: str
    first_text: str
    second_placeholder: str
    second_key: str
    second_text: str
    images: int
    both_ko: int
    first_ko: int
    second_ko: int
    first_elsewhere: int
    second_elsewhere: int
    first_alone: float
    second_alone: float
    lift: float | None
    lift_low: float


def failing_pairs(of: View, most: int = 10, support: int = LEAST_SUPPORT) -> list[FailingPair]:
    """Pairs that fail together in at least ``support`` images, and more often than chance; the surest, by ``lift_low``, first.

    Nothing can be said of a value that was never judged without the other: such pairs are left out. Only pairs that did fail together
    are kept track of: they are found among the values with ko in one image, and counted among the judged ones then. Memory is a few
    numbers a verdict, however many values there are.
    """
    judged = _Judged.of(of)
    pairs, both_ko = judged.only(judged.ko).pairs()
    pairs, both_ko = pairs[both_ko >= max(1, support)], both_ko[both_ko >= max(1, support)]
    if not len(pairs):
        return []
    images, first_ko, second_ko = judged.counts(pairs)
    n_judged, n_ko = judged.alone()
    names = of.values()
    out = []
    for pair, *counts in zip(
        *(column.tolist() for column in (pairs, images, both_ko, first_ko, second_ko)), strict=True
    ):
        first, second = divmod(pair, 1 << _SHIFT)
        n, both, ko_1, ko_2 = counts
        if names[second].placeholder < names[first].placeholder:
            first, second, ko_1, ko_2 = second, first, ko_2, ko_1
        others = n_judged[first] - n, n_judged[second] - n
        ko_others = n_ko[first] - ko_1, n_ko[second] - ko_2
        if 0 in others:
            continue
        alone = ko_others[0] / others[0], ko_others[1] / others[1]
        chance, most_chance = alone[0] * alone[1], math.prod(map(_upper, ko_others, others))
        if both / n > chance:
            lift, low = both / n / chance if chance else None, wilson(both, n)[0] / most_chance
            out.append(FailingPair(*names[first], *names[second], n, both, ko_1, ko_2, *others, *alone, lift, low))
    out.sort(key=lambda row: (-row.lift_low, -row.both_ko, *_names(row)))
    return out[:most]


def _upper(ko: int, n: int) -> float:
    return wilson(ko, n)[1]


def _names(row: FailingPair) -> tuple[str, str, str, str]:
    return row.first_placeholder, row.first_key, row.second_placeholder, row.second_key


@dataclass
class _Judged:
    """Verdicts by image, rising: about which value, and whether it is ko. An image has one value of a placeholder."""

    images: Ints
    values: Ints
    ko: NDArray[np.bool_]

    @classmethod
    def of(cls, of: View) -> _Judged:
        import numpy as np

        found = list(of.judged((OK, PARTIAL, KO)))
        if not found:
            none = np.zeros(0, "i8")
            return cls(none, none, none.astype(bool))
        images = np.concatenate([entries.images for entries in found])
        values = np.concatenate([entries.values for entries in found]).astype("i8")
        ko = np.concatenate([entries.verdicts == KO for entries in found])
        order = np.argsort(images, kind="stable")
        return cls(images[order], values[order], ko[order])

    def only(self, holds: NDArray[np.bool_]) -> _Judged:
        return _Judged(self.images[holds], self.values[holds], self.ko[holds])

    def together(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Pairs of verdicts about one image: a number for the two values, the places of the one with the lower id and of the other."""
        import numpy as np

        for step in range(1, len(self.images)):
            one = np.flatnonzero(self.images[step:] == self.images[:-step])
            if not len(one):
                return  # no image has more than ``step`` verdicts
            other = one + step
            turned = self.values[one] > self.values[other]
            one, other = np.where(turned, other, one), np.where(turned, one, other)
            yield (self.values[one] << _SHIFT) + self.values[other], one, other

    def pairs(self) -> tuple[Ints, Ints]:
        """All pairs, rising, and in how many images they are."""
        import numpy as np

        parts = [counted(numbers) for numbers, _, _ in self.together()]
        if not parts:
            return np.zeros(0, "i8"), np.zeros(0, "i8")
        pairs, place = np.unique(np.concatenate([numbers for numbers, _ in parts]), return_inverse=True)
        return pairs, np.bincount(place, np.concatenate([n for _, n in parts]), len(pairs)).astype("i8")

    def counts(self, pairs: Ints) -> tuple[Ints, Ints, Ints]:
        """For each of ``pairs``: the images with both, with ko for the first, with ko for the second."""
        import numpy as np

        out = np.zeros((3, len(pairs)), "i8")
        for numbers, one, other in self.together():
            place = np.searchsorted(pairs, numbers).clip(max=len(pairs) - 1)
            wanted = pairs[place] == numbers
            place, one, other = place[wanted], one[wanted], other[wanted]
            for row, some in zip(out, (place, place[self.ko[one]], place[self.ko[other]]), strict=True):
                row += np.bincount(some, minlength=len(pairs))
        return out[0], out[1], out[2]

    def alone(self) -> tuple[dict[int, int], dict[int, int]]:
        """Value -> in how many images it was judged; and was ko."""
        judged, ko = ([column.tolist() for column in counted(some)] for some in (self.values, self.values[self.ko]))
        return dict(zip(*judged, strict=True)), dict(zip(*ko, strict=True))
