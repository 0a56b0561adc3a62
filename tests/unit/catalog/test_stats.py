"""The formulas of the statistics, against published figures and against slow ways to the same number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.stats.formulas import needs_more, stability, successes, wilson

rates = st.tuples(st.integers(1, 400), st.floats(0, 1)).map(lambda pair: (round(pair[0] * pair[1] * 2) / 2, pair[0]))


@pytest.mark.parametrize(
    ("ok", "n", "low", "high"),
    [  # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_figures(ok, n, low, high):
    assert wilson(ok, n) == pytest.approx((low, high), abs=6e-5)
    assert wilson(n - ok, n) == pytest.approx((1 - high, 1 - low), abs=6e-5)


def test_wilson_at_the_ends():
    assert wilson(0, 0) == (0, 1)
    low, high = wilson(0, 7)
    assert low == 0 < high < 1
    low, high = wilson(7, 7)
    assert 0 < low < 1 == high
    for wrong in ((-1, 3), (4, 3), (0.5, 0)):
        with pytest.raises(ValueError):
            wilson(*wrong)
        with pytest.raises(ValueError):
            needs_more(*wrong)
    with pytest.raises(ValueError):
        needs_more(1, 2, width=0)


def inverted(points: float, n: int, z: float, upwards: bool) -> float:
    """An end of the interval by bisection: the last rate that the score test does not reject."""
    inside, outside = points / n, float(upwards)
    for _ in range(60):
        rate = (inside + outside) / 2
        if abs(points / n - rate) <= z * math.sqrt(rate * (1 - rate) / n):
            inside = rate
        else:
            outside = rate
    return inside


@given(rates, st.floats(0.5, 4))
@settings(deadline=None)
def test_wilson_is_the_score_test_turned_round(rate, z):
    points, n = rate
    low, high = wilson(points, n, z)
    assert 0 <= low <= points / n <= high <= 1
    assert low == pytest.approx(inverted(points, n, z, False), abs=1e-7)
    assert high == pytest.approx(inverted(points, n, z, True), abs=1e-7)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=50))
def test_halves_never_vary_more_than_the_formula_assumes(points):
    mean = sum(points) / len(points)
    assert sum((one - mean) ** 2 for one in points) / len(points) <= mean * (1 - mean) + 1e-12


def counted_up(points: float, n: int, width: float, threshold: float | None) -> int:
    """``needs_more`` by adding one image after the other."""
    more = 0
    while True:
        total = n + more
        now = points if not more else min(points / n * total, total) if n else total / 2
        low, high = wilson(now, total)
        if high - low <= width or (n and threshold is not None and (low >= threshold or high < threshold)):
            return more
        more += 1


@given(rates, st.floats(0.05, 1.2), st.none() | st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_the_number_that_is_needed_is_the_least(rate, width, threshold):
    assert needs_more(*rate, width, threshold) == counted_up(*rate, width, threshold)


def test_what_is_needed():
    assert needs_more(0, 0) == counted_up(0, 0, 0.2, None) == 93
    assert needs_more(0, 0, threshold=0.9) == 93  # nothing judged: no side to be on
    assert needs_more(10, 10) == 6
    assert needs_more(10, 10, threshold=0.5) == 0
    assert needs_more(0, 10, threshold=0.5) == 0
    assert needs_more(5, 10, threshold=0.5) == needs_more(5, 10) == 83
    assert needs_more(0, 3, threshold=0) == 0  # no rate is below 0
    assert needs_more(60, 100, width=1) == 0


def test_points():
    assert (successes(3, 0), successes(0, 3), successes(2, 1)) == (3, 1.5, 2.5)


@pytest.mark.parametrize(
    ("share", "seeds", "works"),
    [
        (None, 0, "unknown"),
        (1.0, 4, "unknown"),
        (1.0, 5, "always"),
        (0.9, 10, "always"),
        (0.89, 10, "sometimes"),
        (0.5, 5, "sometimes"),
        (0.11, 9, "sometimes"),
        (0.1, 10, "never"),
        (0.0, 5, "never"),
    ],
)
def test_stability(share, seeds, works):
    assert stability(share, seeds) == works
