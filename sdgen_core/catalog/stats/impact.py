"""Does it matter which value a placeholder has? Images that differ in nothing else are compared by their perceptual hashes.

Two images are compared when they come from the same session (one template, one setting of everything that is not stored per image),
with the same seed, place in the batch, model, sampler, scheduler, steps, cfg and size, and the same values of all placeholders but
one. Their distance is the share of the 64 bits of the hash that differ: 0 for what looks the same, about 0.5 for images that have
nothing to do with each other. The hash looks at light and dark only (``phash``): what changes nothing but a colour has no distance,
so a dead value is one to look at, not one to delete unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..pictures.duplicates import bit_counts
from ..sql import as_list
from ..store import Store
from .view import Entries, Value, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bits = NDArray[np.uint64]

#: So many bits may differ between images that look the same: saving and scaling turn one or two.
DEAD_BITS = 2
#: Less images than this tell nothing about a value.
LEAST_IMAGES = 3
#: An image is compared with so many of those that differ in one placeholder to each side, in a mixed order: with all of them
#: where there are up to twice as many others.
NEIGHBOURS = 32

_BITS = 64
_SAME = ("session", "batch", "seed", "model", "sampler", "scheduler", "steps", "cfg", "width", "height")


@dataclass(slots=True)
class ValueImpact:
    """How much it changes an image that it has this value and not another of the placeholder: the median ``distance``, 0 to 1, of
    ``pairs`` of images, in which ``images`` with this value took part. ``dead``: no visible effect (``DEAD_BITS``), seen in at
    least ``LEAST_IMAGES``."""

    placeholder: str
    key: str
    text: str
    images: int
    pairs: int
    distance: float
    dead: bool


@dataclass(slots=True)
class PlaceholderImpact:
    """How much it changes an image which of its values a placeholder has: the median ``distance`` of ``pairs`` of images. ``values``
    were compared, of which ``dead`` have no visible effect."""

    placeholder: str
    values: int
    pairs: int
    distance: float
    dead: int


def impacts(of: View) -> tuple[list[PlaceholderImpact], list[ValueImpact]]:
    """Placeholders and values that could be compared in the images that are found, those that change least first.

    Time and memory grow with the number of images times ``NEIGHBOURS``, never with its square.
    """
    import numpy as np

    usable = of.mask & of.columns["seeded"].astype(bool)
    hashes, known = _hashes(of.store, usable)
    usable &= known
    rest = np.zeros(len(of.mask), "u8")
    for name in _SAME:
        rest = _mixed(rest ^ of.columns[name].astype("f8" if name == "cfg" else "i8").view("u8"))
    for entries in of.entries.values():
        rest[entries.images] += _mixed(entries.values.astype("u8"))
    names = of.values()
    placeholders, values = [], []
    for entries in of.entries.values():
        rows = _compared(_where_usable(entries, usable), rest, hashes, names)
        if rows is not None:
            placeholders.append(rows[0])
            values += rows[1]
    placeholders.sort(key=lambda row: (row.distance, row.placeholder))
    values.sort(key=lambda row: (row.distance, row.placeholder, row.key))
    return placeholders, values


def dead_values(values: list[ValueImpact]) -> list[ValueImpact]:
    """Those without a visible effect, the surest first."""
    return sorted((row for row in values if row.dead), key=lambda row: (-row.images, row.placeholder, row.key))


def _hashes(store: Store, wanted: NDArray[np.bool_]) -> tuple[Bits, NDArray[np.bool_]]:
    """The perceptual hash of every image in ``wanted``, and whether there is one."""
    import numpy as np

    hashes, known = np.zeros(len(wanted), "i8"), np.zeros(len(wanted), bool)
    asked = as_list(np.flatnonzero(wanted).tolist())
    among = "IN (SELECT value FROM json_each(?))"
    rows = store.rows(f"SELECT id, phash FROM image WHERE id {among} AND phash IS NOT NULL", (asked,))
    if rows:
        ids, bits = (np.fromiter(column, "i8", len(rows)) for column in zip(*rows, strict=True))
        hashes[ids], known[ids] = bits, True
    return hashes.view("u8"), known


def _mixed(numbers: Bits) -> Bits:
    """Numbers that have nothing to do with each other for numbers that are close: the finaliser of SplitMix64 (G. L. Steele, D. Lea
    and C. H. Flood, "Fast splittable pseudorandom number generators", 2014). Two different choices of half a million
    are taken for the same with a probability under one in 100 million."""
    import numpy as np

    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Bits = z ^ (z >> np.uint64(31))
    return out


def _where_usable(entries: Entries, usable: Any) -> tuple[Ints, Ints]:
    holds = usable[entries.images]
    return entries.images[holds].astype("i8"), entries.values[holds].astype("i8")


def _compared(
    found: tuple[Ints, Ints], rest: Bits, hashes: Bits, names: dict[int, Value]
) -> tuple[PlaceholderImpact, list[ValueImpact]] | None:
    """One placeholder; None when there is nothing to compare."""
    import numpy as np

    images, values = found
    others = rest[images] - _mixed(values.view("u8"))  # everything but this placeholder
    order = np.lexsort((_mixed(images.view("u8")), others))
    images, values, others = images[order], values[order], others[order]
    distinct, value = np.unique(values, return_inverse=True)
    table = np.zeros(len(distinct) * (_BITS + 1), "i8")
    whole = np.zeros(_BITS + 1, "i8")
    took_part = np.zeros(len(images), bool)
    bits = hashes[images]
    for one, other in around(others):
        differ = value[one] != value[other]
        one, other = one[differ], other[differ]
        apart = bit_counts(bits[one] ^ bits[other]).astype("i8")
        whole += np.bincount(apart, minlength=_BITS + 1)
        for side in (one, other):
            table += np.bincount(value[side] * (_BITS + 1) + apart, minlength=len(table))
            took_part[side] = True
    if not whole.any():
        return None
    each = table.reshape(-1, _BITS + 1)
    there = np.flatnonzero(each.any(axis=1))
    medians = _medians(each[there])
    n_images = np.bincount(value[took_part], minlength=len(distinct))[there]
    columns = (distinct[there], n_images, each[there].sum(axis=1), medians)
    rows = []
    for number, n, pairs, median in zip(*(column.tolist() for column in columns), strict=True):
        dead = n >= LEAST_IMAGES and median <= DEAD_BITS
        rows.append(ValueImpact(*names[number], n, pairs, median / _BITS, dead))
    median = float(_medians(whole[None])[0]) / _BITS
    of_all = PlaceholderImpact(rows[0].placeholder, len(rows), int(whole.sum()), median, sum(row.dead for row in rows))
    return of_all, rows


def around(keys: Bits, most: int = NEIGHBOURS) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of places with the same key in ``keys``, which is sorted: each with the next ``most`` of its key, as if they stood in a
    circle. No pair comes twice; of up to ``2 * most + 1`` with the same key all pairs come."""
    import numpy as np

    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, "i8")
    sizes = np.diff(np.r_[starts, len(keys)])
    several = sizes > 1
    starts, sizes = starts[several], sizes[several]
    begin, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    at = np.arange(len(size)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # in its circle
    for step in range(1, most + 1):
        # from half the circle on, the same pairs would come from the other side
        wanted = (2 * step < size) | ((2 * step == size) & (2 * at < size))
        if not wanted.any():
            return
        begin, size, at = begin[wanted], size[wanted], at[wanted]
        yield begin + at, begin + (at + step) % size


def _medians(histograms: Ints) -> NDArray[np.float64]:
    """The median of each row, which says how often 0, 1, 2, … were counted; at least once."""
    sums = histograms.cumsum(axis=1)
    n = sums[:, -1:]
    lower, upper = (sums >= (n + 1) // 2).argmax(axis=1), (sums >= n // 2 + 1).argmax(axis=1)
    out: NDArray[np.float64] = (lower + upper) / 2
    return out
