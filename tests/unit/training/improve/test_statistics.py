"""Intervals of changes: what must be so for any numbers, and how often they hold the truth when it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.improve import statistics
from sdgen_core.training.improve.benchmark import IMAGES, LOOKS
from sdgen_core.training.improve.decide import MARGIN
from sdgen_core.training.improve.statistics import (
    FELL,
    HOLDS,
    LEAST_SEEDS,
    LEVEL,
    UNDECIDED,
    change,
    diversity,
    guard,
    more_images,
)

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=60)


def split(pairs: list[tuple[bool, bool, int]]) -> tuple[list[float], list[float], list[int]]:
    return [float(a) for a, _, _ in pairs], [float(b) for _, b, _ in pairs], [seed for _, _, seed in pairs]


@given(PAIRS)
def test_the_difference_is_between_its_ends_and_swapping_sides_turns_it_round(
    pairs: list[tuple[bool, bool, int]],
) -> None:
    before, after, seeds = split(pairs)
    found, back = change(before, after, seeds), change(after, before, seeds)
    assert found.difference == pytest.approx(found.after - found.before)
    assert found.difference == pytest.approx(-back.difference)
    assert -1 <= found.low <= found.high <= 1
    assert found == change(before, after, seeds)
    if len(set(seeds)) == len(seeds):
        assert found.low - 1e-9 <= found.difference * len(pairs) / (len(pairs) + 2) <= found.high + 1e-9


@given(PAIRS, st.floats(0.001, 0.5))
def test_a_guard_says_what_its_interval_says(pairs: list[tuple[bool, bool, int]], margin: float) -> None:
    found = guard(*split(pairs), margin)
    if found.change.seeds < LEAST_SEEDS:
        assert found.state == UNDECIDED
    elif found.state == HOLDS:
        assert found.change.low > -margin and found.needs == 0
    elif found.state == FELL:
        assert found.change.high < -margin
    else:
        assert found.change.low <= -margin <= found.change.high
        assert found.needs is None or found.needs >= 1


@given(st.integers(LEAST_SEEDS, 300))
def test_few_pairs_without_a_difference_prove_nothing_and_many_do(n: int) -> None:
    found = guard([1.0] * n, [1.0] * n, range(n), 0.05)
    assert found.change.low < 0 < found.change.high
    if n <= 25:
        assert found.state == UNDECIDED and found.needs
    if n >= 70:
        assert found.state == HOLDS


@pytest.mark.parametrize("each", [1, 3])
def test_the_first_look_can_show_that_a_value_does_not_fall(each: int) -> None:
    seeds = [n // each for n in range(IMAGES)]
    for rng in range(5):
        found = guard([1.0] * IMAGES, [1.0] * IMAGES, seeds, MARGIN, level=LEVEL / LOOKS, rng=rng)
        assert found.state == HOLDS, found


def test_no_pairs_say_nothing() -> None:
    found = guard([], [], [], 0.05)
    assert (found.state, found.change.pairs, math.isnan(found.change.difference)) == (UNDECIDED, 0, True)
    assert found.to_dict()["difference"] is None
    with pytest.raises(ValueError, match="2 images before, 1 after"):
        change([0, 1], [1], [1, 2])


def _coverage(share_before: float, share_after: float, seeds: int, each: int, spread: float) -> tuple[float, float]:
    """How often the 95 % interval holds the true change, and how often it is above 0, in simulated benchmarks: ``each`` images of
    every seed, whose chances lie ``spread`` around the mean."""
    rng = np.random.default_rng(1)
    rounds, inside, above = 400, 0, 0
    truth = share_after - share_before
    for n in range(rounds):
        shift = rng.uniform(-spread, spread, seeds)
        names = np.repeat(np.arange(seeds), each)
        before = rng.random(seeds * each) < np.clip(share_before + shift, 0, 1)[names]
        after = rng.random(seeds * each) < np.clip(share_after - shift, 0, 1)[names]
        found = change(before.astype(float), after.astype(float), names.tolist(), rng=n)
        inside += found.low <= truth <= found.high
        above += found.low > 0
    return inside / rounds, above / rounds


@pytest.mark.parametrize(
    ("before", "after", "seeds", "each", "spread"),
    [
        (0.5, 0.5, 48, 1, 0.0),
        (0.3, 0.6, 24, 1, 0.0),
        (0.5, 0.5, 16, 3, 0.4),
        (0.95, 0.93, 48, 1, 0.05),
        (0.97, 0.97, 72, 1, 0.03),
    ],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch, before: float, after: float, seeds: int, each: int, spread: float
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 800)
    inside, above = _coverage(before, after, seeds, each, spread)
    assert inside >= 0.91
    if before == after:
        assert above <= 0.05


def test_a_fall_as_large_as_the_margin_is_seldom_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 800)
    rng = np.random.default_rng(2)
    held, rounds, n = 0, 400, 120
    for number in range(rounds):
        before = rng.random(n) < 0.95
        after = before & (rng.random(n) < 0.90 / 0.95)
        held += guard(before.astype(float), after.astype(float), range(n), 0.05, rng=number).state == HOLDS
    assert held / rounds <= 0.08


def test_as_many_images_as_are_said_to_be_needed_mostly_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 800)
    rng = np.random.default_rng(3)

    def drawn(n: int) -> tuple[list[float], list[float], range]:
        before, after = rng.random(n) < 0.95, rng.random(n) < 0.95
        return before.astype(float).tolist(), after.astype(float).tolist(), range(n)

    first = guard(*drawn(40), 0.1)
    while first.state != UNDECIDED or abs(first.change.difference) > 0.03:
        first = guard(*drawn(40), 0.1)
    assert first.needs is not None
    told = [guard(*drawn(40 + first.needs), 0.1, rng=n).state == HOLDS for n in range(200)]
    assert np.mean(told) >= 0.7


def test_more_images_help_only_where_it_does_not_fall() -> None:
    sunk = change([1.0] * 40, [1.0] * 34 + [0.0] * 6, range(40))
    assert more_images(sunk, 0.05) is None
    needed = more_images(sunk, 0.3)
    assert needed is not None and needed >= 1


def _turned(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    vectors = np.array([1.0, 0, 0, 0]) + rng.normal(0, spread, (n, 4))
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def test_diversity_is_kept_lost_or_not_known() -> None:
    rng = np.random.default_rng(4)
    wide, wider = ([_turned(rng, 40, 0.3) for _ in range(5)] for _ in range(2))
    narrow = [_turned(rng, 40, 0.05) for _ in range(5)]
    kept, lost = diversity(wide, wider, 0.7), diversity(wide, narrow, 0.7)
    assert (kept.state, lost.state) == (HOLDS, FELL)
    assert kept.low < kept.ratio < kept.high and kept.ratio == pytest.approx(1, abs=0.3) and lost.ratio < 0.2
    same = diversity(wide, wide, 0.7)
    assert (same.ratio, same.state) == (1.0, HOLDS)
    assert diversity([wide[0][:3]], [wide[0][:3]], 0.7).state == UNDECIDED
    assert diversity([np.ones((20, 1))], [np.ones((20, 1))], 0.7).state == UNDECIDED
