"""Near-duplicates: exactly what comparing all pairs finds, without comparing all pairs."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sdgen_core.catalog.pictures import duplicates
from sdgen_core.catalog.pictures.duplicates import groups, near, near_groups, near_pairs, nearest

Hashes = NDArray[np.uint64]
TOP = (1 << 64) - 1


def flips(most: int) -> st.SearchStrategy[int]:
    return st.sets(st.integers(0, 63), max_size=most).map(lambda bits: sum(1 << b for b in bits))


@st.composite
def libraries(draw: st.DrawFn) -> Hashes:
    """Few originals, and copies of them that differ in up to ten bits: close and not quite close pairs, and equal ones."""
    originals = draw(st.lists(st.integers(0, TOP), min_size=1, max_size=4))
    copies = draw(st.lists(st.tuples(st.sampled_from(originals), flips(10)), max_size=40))
    return np.array([original ^ flipped for original, flipped in copies], np.uint64)


def apart(hashes: Hashes, a: int, b: int) -> int:
    return (int(hashes[a]) ^ int(hashes[b])).bit_count()


def all_pairs(hashes: Hashes, distance: int) -> list[tuple[int, int]]:
    return [(a, b) for a, b in itertools.combinations(range(len(hashes)), 2) if apart(hashes, a, b) <= distance]


def expected_pairs(hashes: Hashes, distance: int) -> list[tuple[int, int]]:
    """Equal hashes hang on the first of them."""
    first: dict[int, int] = {}
    own = [first.setdefault(int(h), i) for i, h in enumerate(hashes)]
    return [(a, b) for a, b in all_pairs(hashes, distance) if own[a] == a and (own[b] == b or own[b] == a)]


def walked(pairs: list[tuple[int, int]], n: int) -> list[list[int]]:
    """Groups by walking from each image to whatever it is paired with."""
    beside: dict[int, set[int]] = {i: set() for i in range(n)}
    for a, b in pairs:
        beside[a].add(b)
        beside[b].add(a)
    seen: set[int] = set()
    out = []
    for start in range(n):
        if start not in seen:
            group, todo = {start}, [start]
            while todo:
                new = beside[todo.pop()] - group
                group |= new
                todo += new
            seen |= group
            if len(group) > 1:
                out.append(sorted(group))
    return out


@given(libraries(), st.integers(0, 8))
def test_pairs_as_by_comparing_all(hashes: Hashes, distance: int) -> None:
    pairs = near_pairs(hashes, distance)
    assert pairs.shape == (len(pairs), 2)
    assert [tuple(pair) for pair in pairs.tolist()] == expected_pairs(hashes, distance)


@given(libraries(), st.integers(0, 8))
def test_groups_as_by_walking(hashes: Hashes, distance: int) -> None:
    expected = walked(all_pairs(hashes, distance), len(hashes))
    assert groups(near_pairs(hashes, distance), len(hashes)) == expected
    assert near_groups(hashes, distance) == expected


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_of_any_pairs(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = case
    assert groups(np.array(pairs, np.int64).reshape(-1, 2), n) == walked(pairs, n)


@pytest.mark.parametrize("distance", range(9))
def test_every_way_to_spread_the_bits_over_the_blocks(distance: int) -> None:
    """For each share of the differing bits among the four blocks, a pair; just too far ones are not found."""
    rng = np.random.default_rng(distance)
    for shares in itertools.product(range(distance + 2), repeat=4):
        if distance <= sum(shares) <= distance + 1:
            flipped = 0
            for block, share in enumerate(shares):
                for bit in rng.choice(16, share, replace=False):
                    flipped |= 1 << (16 * block + int(bit))
            start = int(rng.integers(0, TOP, dtype=np.uint64))
            found = near_pairs(np.array([start, start ^ flipped], np.uint64), distance)
            assert len(found) == (sum(shares) == distance), shares


def test_more_candidates_than_one_chunk_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 1 << 7, 300, dtype=np.uint64) << np.uint64(30)
    whole = near_pairs(hashes, 6)
    for size in (1, 50, 1000):
        monkeypatch.setattr(duplicates, "_CHUNK", size)
        np.testing.assert_array_equal(near_pairs(hashes, 6), whole)
    assert [tuple(p) for p in whole.tolist()] == expected_pairs(hashes, 6)


@given(libraries(), st.integers(0, TOP), st.integers(0, 64), st.integers(0, 50))
def test_one_against_all(hashes: Hashes, query: int, distance: int, k: int) -> None:
    ordered = sorted(((int(h) ^ query).bit_count(), i) for i, h in enumerate(hashes))
    found, distances = near(hashes, query, distance)
    assert list(zip(distances.tolist(), found.tolist(), strict=True)) == [x for x in ordered if x[0] <= distance]
    found, distances = nearest(hashes, query, k)
    assert list(zip(distances.tolist(), found.tolist(), strict=True)) == ordered[:k]


def test_counting_bits_by_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What numpy before 2.0 is given."""
    values = np.random.default_rng(1).integers(0, TOP, 1000, dtype=np.uint64, endpoint=True)
    values[:2] = 0, TOP
    expected = [int(v).bit_count() for v in values]
    assert duplicates.bit_counts(values).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert duplicates.bit_counts(values).tolist() == expected
    assert duplicates.bit_counts(values[:0]).tolist() == []
    assert duplicates.bit_counts(values[::3]).tolist() == expected[::3]


def test_ten_thousand_black_images() -> None:
    hashes = np.zeros(10_000, np.uint64)
    hashes[::100] = np.random.default_rng(1).integers(0, TOP, 100, dtype=np.uint64)
    began = time.process_time()
    pairs = near_pairs(hashes, 8)
    assert len(pairs) == 9_899
    [group] = groups(pairs, len(hashes))
    assert group == [i for i in range(10_000) if i % 100]
    assert time.process_time() - began < 5  # 50 million pairs take far longer


def test_nothing_to_compare() -> None:
    for n in (0, 1):
        hashes = np.zeros(n, np.uint64)
        assert near_pairs(hashes, 8).shape == (0, 2)
        assert near_groups(hashes, 8) == []
        assert groups(near_pairs(hashes, 8), n) == []
    assert near(np.zeros(0, np.uint64), 5, 64)[0].tolist() == []
    assert nearest(np.zeros(0, np.uint64), 5, 3)[0].tolist() == []


@pytest.mark.parametrize("distance", [-1, 9])
def test_distances_it_is_not_made_for(distance: int) -> None:
    with pytest.raises(ValueError, match="0 to 8"):
        near_pairs(np.zeros(3, np.uint64), distance)
