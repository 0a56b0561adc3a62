"""Which of two formulations of a value works better: on the same seeds, with the same other values, so that only the words differ."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ..catalog.stats.formulas import wilson

#: A difference that chance alone makes less often than this is taken for real; the sample size is for finding it in 80 of 100 tries.
LEVEL = 0.05
_Z_LEVEL, _Z_POWER = 1.959964, 0.841621
#: Resamples of a bootstrap; fewer of many pairs, where each tells little.
_RESAMPLES, _LEAST_RESAMPLES, _NUMBERS = 10_000, 1_000, 20_000_000


@dataclass(frozen=True)
class Comparison:
    """``pairs`` of images, one of each formulation. A success is a probability from ``match`` on.

    ``first_rate`` and ``second_rate`` with their 95 % Wilson intervals; ``only_first`` and ``only_second``: pairs in which just that one
    is a success; ``p``: McNemar's exact two-sided test of these. ``difference``: mean of second minus first probability, with its 95 %
    bootstrap interval ``low`` to ``high``. ``better``: "first" or "second" if the test says so, None while undecided; then ``needs`` is
    about how many more pairs would decide if all goes on like this, None when nothing so far points either way.
    """

    pairs: int
    first_rate: float | None
    first_interval: tuple[float, float]
    second_rate: float | None
    second_interval: tuple[float, float]
    only_first: int
    only_second: int
    p: float
    difference: float | None
    low: float
    high: float
    better: str | None
    needs: int | None


def compare(
    first: Mapping[Hashable, float], second: Mapping[Hashable, float], match: float = 0.5, seed: int = 0
) -> Comparison:
    """Compare two formulations by the probabilities of each, by what makes a pair; only pairs that both have count. ``seed``: of the
    bootstrap.

    The test is Q. McNemar's (Psychometrika 12, 1947) with exact binomial probabilities; the interval is B. Efron's percentile bootstrap
    (Annals of Statistics 7, 1979) over pairs.
    """
    import numpy as np

    pairs = sorted(first.keys() & second.keys(), key=repr)  # the same order, so the same interval, in every run
    one = np.array([first[pair] for pair in pairs])
    other = np.array([second[pair] for pair in pairs])
    n = len(pairs)
    good, better = one >= match, other >= match
    only_first, only_second = int((good & ~better).sum()), int((better & ~good).sum())
    p = mcnemar(only_first, only_second)
    decided = ("first" if only_first > only_second else "second") if p < LEVEL else None
    wins, gains = int(good.sum()), int(better.sum())
    low, high = bootstrap(other - one, seed)
    return Comparison(
        pairs=n,
        first_rate=wins / n if n else None,
        first_interval=wilson(wins, n),
        second_rate=gains / n if n else None,
        second_interval=wilson(gains, n),
        only_first=only_first,
        only_second=only_second,
        p=p,
        difference=float((other - one).mean()) if n else None,
        low=low,
        high=high,
        better=decided,
        needs=0 if decided else more_pairs(n, only_first, only_second),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """How often chance alone makes pairs that differ so unevenly, or more so: twice the tail of a fair coin, at most 1."""
    n, least = only_first + only_second, min(only_first, only_second)
    largest = math.lgamma(n + 1) - math.lgamma(least + 1) - math.lgamma(n - least + 1) - n * math.log(2)
    tail, term = 1.0, 1.0  # in parts of the largest term
    for k in range(least, 0, -1):
        term *= k / (n - k + 1)
        tail += term
        if term < 1e-17 * tail:
            break
    return min(1.0, 2 * tail * math.exp(largest))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of many tests, adjusted so that chance alone makes any of them small no more often than one: where 100 values are compared,
    some look better by chance. S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979), 65-70; the tests need not be independent.
    """
    out, highest = [0.0] * len(p), 0.0
    for rank, n in enumerate(sorted(range(len(p)), key=lambda n: p[n])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[n]))
        out[n] = highest
    return out


def more_pairs(pairs: int, only_first: int, only_second: int) -> int | None:
    """About how many more pairs McNemar's test needs, at the shares seen so far; None when they are even.

    R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43 (1987), 207-211.
    """
    if only_first == only_second:
        return None
    uneven, apart = (only_first + only_second) / pairs, abs(only_first - only_second) / pairs
    wanted = ((_Z_LEVEL * math.sqrt(uneven) + _Z_POWER * math.sqrt(uneven - apart**2)) / apart) ** 2
    return max(1, math.ceil(wanted) - pairs)


def bootstrap(differences: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of ``differences``, the same for the same seed; (-1, 1) when there are none."""
    import numpy as np

    values = np.asarray(differences, np.float64)
    n = len(values)
    if not n:
        return -1.0, 1.0
    rng = np.random.default_rng(seed)
    count = min(_RESAMPLES, max(_LEAST_RESAMPLES, _NUMBERS // n))
    at_once = max(1, 1_000_000 // n)
    means = [values[rng.integers(0, n, (min(at_once, count - done), n))].mean(1) for done in range(0, count, at_once)]
    low, high = np.quantile(np.concatenate(means), (LEVEL / 2, 1 - LEVEL / 2))
    return float(low), float(high)
