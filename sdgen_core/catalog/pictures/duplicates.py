"""Images that look alike, by the Hamming distance of their 64-bit perceptual hashes.

One against all is XOR and a count of bits. All against all is not done pair by pair: the hashes are cut into four blocks of
16 bits, and only hashes that agree, or nearly, in some block are compared (multi-index hashing: Norouzi, Punjani and Fleet,
"Fast Search in Hamming Space with Multi-Index Hashing", 2012). Nothing is missed: if block b differs in more than ``t[b]``
bits for each of the four, the distance is at least ``sum(t[b] + 1)``; so radii with ``sum(t[b] + 1) > distance`` find all.

Hashes are ``uint64[n]``; images are named by their index in it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Indices = NDArray[np.int64]

MAX_DISTANCE = 8
"""The largest distance of :func:`near_pairs`; above it, different images begin to meet by chance."""
BLOCKS, BITS = 4, 16
_CHUNK = 1 << 21  # candidates compared at a time: some 100 MB


def bit_counts(values: Hashes) -> NDArray[np.uint8]:
    """How many bits of each number are set."""
    import numpy as np

    if hasattr(np, "bitwise_count"):  # from numpy 2.0
        counts: NDArray[np.uint8] = np.bitwise_count(values)
        return counts
    return _table_counts(values)


def _table_counts(values: Hashes) -> NDArray[np.uint8]:
    import numpy as np

    parts = _table()[np.ascontiguousarray(values).view(np.uint16)]
    counts: NDArray[np.uint8] = parts.reshape(len(values), 4).sum(axis=1, dtype=np.uint8)
    return counts


@functools.cache
def _table() -> NDArray[np.uint8]:
    """The number of bits set in each 16-bit number."""
    import numpy as np

    counts = np.zeros(1, np.uint8)
    while len(counts) < 1 << BITS:
        counts = np.concatenate([counts, counts + np.uint8(1)])
    return counts


def distances(hashes: Hashes, query: int) -> NDArray[np.uint8]:
    """The distance of each hash from ``query``: 0 (looks the same) to 64."""
    import numpy as np

    return bit_counts(hashes ^ np.uint64(query))


def near(hashes: Hashes, query: int, max_distance: int) -> tuple[Indices, NDArray[np.uint8]]:
    """The images within ``max_distance`` of ``query``, nearest first (of equals, the earliest), with their distances."""
    import numpy as np

    all_distances = distances(hashes, query)
    found = np.flatnonzero(all_distances <= max_distance)
    found = found[np.argsort(all_distances[found], kind="stable")]
    return found, all_distances[found]


def nearest(hashes: Hashes, query: int, k: int) -> tuple[Indices, NDArray[np.uint8]]:
    """The ``k`` images nearest to ``query``, in the order of :func:`near`; all where there are fewer."""
    import numpy as np

    all_distances = distances(hashes, query)
    found = np.argsort(all_distances, kind="stable")[: max(0, k)]  # stable on bytes is a radix sort: linear
    return found, all_distances[found]


def near_pairs(hashes: Hashes, max_distance: int) -> Indices:
    """Pairs of images within ``max_distance`` bits of each other: ``int64[m, 2]``, the smaller index first, sorted.

    Images of the very same hash are one to this: each is paired with the first of them only, and only that one with
    others. So ten thousand black images are 9,999 pairs instead of 50 million, and :func:`groups` comes to the same.
    Raises ``ValueError`` for a distance below 0 or above ``MAX_DISTANCE``.
    """
    import numpy as np

    unique, first, same = _unique(hashes)
    rest = np.flatnonzero(first[same] != np.arange(len(hashes)))
    found = [np.stack([first[same[rest]], rest], axis=1)]
    for a, b in _unique_pairs(unique, max_distance):
        found.append(np.sort(np.stack([first[a], first[b]], axis=1), axis=1))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def near_groups(hashes: Hashes, max_distance: int) -> list[list[int]]:
    """``groups(near_pairs(hashes, max_distance), len(hashes))`` without keeping the pairs: a session of 3,000 images that
    all look alike has 4 million of them.
    """
    import numpy as np

    unique, _, same = _unique(hashes)
    parent = np.arange(len(unique))
    for a, b in _unique_pairs(unique, max_distance):
        parent = _join(parent, a, b)
    return _listed(parent[same])


def has_near(hashes: Hashes, max_distance: int) -> NDArray[np.bool_]:
    """Which images have another one within ``max_distance``."""
    import numpy as np

    unique, _, same = _unique(hashes)
    found = np.bincount(same, minlength=len(unique)) > 1
    for a, b in _unique_pairs(unique, max_distance):
        found[a] = found[b] = True
    near: NDArray[np.bool_] = found[same]
    return near


def groups(pairs: Indices, n: int) -> list[list[int]]:
    """Images 0 to n - 1 that hang together through pairs: groups of two and more, each sorted, in the order of their
    first image. Two images of a group may be further apart than any pair is.
    """
    import numpy as np

    return _listed(_join(np.arange(n), pairs[:, 0], pairs[:, 1]))


def _unique(hashes: Hashes) -> tuple[Hashes, Indices, Indices]:
    """The different hashes, the first image that has each, and for each image which of them is its own."""
    import numpy as np

    unique, first, same = np.unique(hashes, return_index=True, return_inverse=True)
    return unique, first, same.reshape(-1)


def _radii(max_distance: int) -> list[int]:
    """How many bits each block may differ: the smallest radii with ``sum(t + 1) > max_distance``; -1: no need to look."""
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance is 0 to {MAX_DISTANCE}, not {max_distance}")
    steps, more = divmod(max_distance + 1, BLOCKS)
    return [steps - 1 + (block < more) for block in range(BLOCKS)]


def _unique_pairs(unique: Hashes, max_distance: int) -> Iterator[tuple[Indices, Indices]]:
    """All pairs of different hashes within ``max_distance``, each once, in pieces: indices into ``unique``."""
    import numpy as np

    radii = _radii(max_distance)
    for block, radius in enumerate(radii):
        if radius < 0:
            continue
        values = _block(unique, block)
        order = np.argsort(values, kind="stable")
        ordered = unique[order]
        for a, b in _candidates(values[order], radius):
            differ = ordered[a] ^ ordered[b]
            close = np.flatnonzero(bit_counts(differ) <= max_distance)
            a, b, differ = a[close], b[close], differ[close]
            for before in range(block):  # what an earlier block has found already
                new = bit_counts(_block(differ, before)) > radii[before]
                a, b, differ = a[new], b[new], differ[new]
            if len(a):
                yield order[a], order[b]


def _block(hashes: Hashes, block: int) -> Hashes:
    import numpy as np

    values: Hashes = (hashes >> np.uint64(block * BITS)) & np.uint64(0xFFFF)
    return values


def _candidates(values: Hashes, radius: int) -> Iterator[tuple[Indices, Indices]]:
    """Positions in the sorted ``values`` (of 16 bits) whose values differ in at most ``radius`` bits, each pair once."""
    import numpy as np

    keys = values.astype(np.int64)
    places = np.arange(len(keys))
    begins = np.searchsorted(keys, np.arange((1 << BITS) + 1))
    for count in range(radius + 1):
        for bits in itertools.combinations(range(BITS), count):
            mask = sum(1 << bit for bit in bits)
            if mask:
                mine = places[keys < keys ^ mask]  # of two values, the smaller one looks for the larger
                other = keys[mine] ^ mask
                start, stop = begins[other], begins[other + 1]
            else:
                mine = places
                start, stop = places + 1, begins[keys + 1]
            some = np.flatnonzero(stop > start)
            yield from _spread(mine[some], start[some], (stop - start)[some])


def _spread(mine: Indices, start: Indices, sizes: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Each of ``mine`` with each position of its range of ``sizes`` from ``start``, in chunks."""
    import numpy as np

    ends = np.cumsum(sizes)
    done = 0
    while done < len(mine):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        part, total = sizes[done:stop], int(ends[stop - 1]) - before
        shift = start[done:stop] - (ends[done:stop] - part - before)
        yield np.repeat(mine[done:stop], part), np.arange(total) + np.repeat(shift, part)
        done = stop


def _join(parent: Indices, a: Indices, b: Indices) -> Indices:
    """Unite the sets of ``a[i]`` and ``b[i]``; each element of ``parent`` (changed here) is the smallest of its set."""
    import numpy as np

    a, b = parent[a], parent[b]
    while len(apart := np.flatnonzero(a != b)):
        low, high = np.minimum(a[apart], b[apart]), np.maximum(a[apart], b[apart])
        np.minimum.at(parent, high, low)
        while not np.array_equal(parent, above := parent[parent]):
            parent = above
        a, b = parent[low], parent[high]
    return parent


def _listed(parent: Indices) -> list[list[int]]:
    import numpy as np

    order = np.argsort(parent, kind="stable")
    _, begins, sizes = np.unique(parent[order], return_index=True, return_counts=True)
    several = sizes > 1
    found = [order[b : b + n].tolist() for b, n in zip(begins[several], sizes[several], strict=True)]
    return sorted(found)
