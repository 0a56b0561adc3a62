"""Two formulations on the same seeds: the test, the interval, and how many more pairs would tell."""

from __future__ import annotations

from itertools import product
from math import comb, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.scoring.formulations import bootstrap, compare, holm, mcnemar, more_pairs


def pairs(rng, n, first, second):
    """Outcomes of n seeds, each formulation a success as often as is said."""
    return tuple({seed: 0.9 if rng.random() < share else 0.1 for seed in range(n)} for share in (first, second))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_uneven_pairs(one, other):
    n = one + other
    as_uneven = [k for k in range(n + 1) if comb(n, k) <= comb(n, one)]
    assert mcnemar(one, other) == pytest.approx(sum(comb(n, k) for k in as_uneven) / 2**n)


def test_mcnemar_of_very_many_pairs():
    assert mcnemar(9000, 9000) == 1.0
    assert mcnemar(8800, 9200) == pytest.approx(2 * NormalDist().cdf(-399 / sqrt(18000)), rel=0.01)
    assert mcnemar(0, 5000) == 0.0


def test_by_hand():
    first = {1: 0.9, 2: 0.9, 3: 0.1, 4: 0.1, 5: 0.2, 6: 0.1, 7: 0.1, 8: 0.3, 99: 0.0}
    second = {1: 0.9, 2: 0.1, 3: 0.9, 4: 0.9, 5: 0.9, 6: 0.9, 7: 0.9, 8: 0.8, 77: 0.0}
    found = compare(first, second)
    assert (found.pairs, found.only_first, found.only_second) == (8, 1, 6)
    assert (found.first_rate, found.second_rate) == (0.25, 0.875)
    assert found.p == pytest.approx(2 * (1 + 7) / 2**7)
    assert found.better is None and found.needs >= 1
    assert found.difference == pytest.approx((-0.8 + 0.8 + 0.8 + 0.7 + 0.8 + 0.8 + 0.5) / 8)
    assert found.low < found.difference < found.high
    assert compare(first, second, match=0.95).needs is None  # none is a success
    assert compare(second, first).only_first == 6


def test_what_differs_is_found_and_what_does_not_is_not():
    rng = np.random.default_rng(0)
    better = [compare(*pairs(rng, 80, 0.5, 0.8)) for _ in range(20)]
    assert sum(found.better == "second" for found in better) > 16
    assert not any(found.better == "first" for found in better)
    same = [compare(*pairs(rng, 80, 0.6, 0.6)) for _ in range(50)]
    assert sum(found.better is not None for found in same) <= 5
    assert sum(found.low <= 0 <= found.high for found in same) >= 43
    assert all(found.needs is None or found.needs >= 1 for found in same if not found.better)


def test_so_many_more_pairs_tell():
    """With as many pairs as are asked for, four in five tries decide."""
    rng = np.random.default_rng(1)
    n = 40 + more_pairs(40, 6, 14)
    assert 60 < n < 120
    tries = []
    for _ in range(200):
        kind = rng.choice(3, n, p=[6 / 40, 14 / 40, 20 / 40])
        tries.append(mcnemar(int((kind == 0).sum()), int((kind == 1).sum())) < 0.05)
    assert 0.65 < np.mean(tries) < 0.93
    assert more_pairs(40, 10, 10) is None and more_pairs(0, 0, 0) is None


def test_the_bootstrap_is_the_same_each_time_and_as_wide_as_it_should_be():
    values = np.random.default_rng(2).normal(0.1, 0.3, 400)
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert bootstrap([]) == (-1.0, 1.0)
    assert bootstrap([0.25]) == (0.25, 0.25)
    assert bootstrap(np.tile(values, 95))[0] == pytest.approx(
        values.mean() - 1.96 * values.std() / 38000**0.5, abs=2e-3
    )


def test_no_pairs():
    found = compare({1: 0.5}, {2: 0.5})
    assert (
        found.pairs == 0
        and found.difference is None
        and found.better is None
        and found.needs is None
        and found.p == 1.0
    )


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusted_probabilities_are_no_smaller_and_in_the_same_order(p):
    found = holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, found, strict=True))
    assert sorted(range(len(p)), key=lambda n: (p[n], n)) == sorted(range(len(p)), key=lambda n: (found[n], p[n], n))
    if p:
        assert min(found) == min(1.0, len(p) * min(p))


def test_adjusted_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(400):  # of 20 tests of nothing, about one in twenty times one is taken for something
        wrong += min(holm(rng.random(20).tolist())) < 0.05
    assert 8 <= wrong <= 34


def test_the_order_of_pairs_does_not_matter():
    keys = list(product(range(20), ("x", "y")))
    rng = np.random.default_rng(3)
    first, second = ({key: float(p) for key, p in zip(keys, rng.random(40), strict=True)} for _ in range(2))
    turned = {key: first[key] for key in reversed(keys)}
    assert compare(first, second) == compare(turned, second)
