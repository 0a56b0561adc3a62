"""Whether a LoRA changed something: the formulas, on plain numbers.

Images come in pairs, made of the same seed and prompt without and with the LoRA, so what differs is the LoRA's doing. A value's success is
1 or 0 in each image of a pair, and the change is the mean of the differences. Its interval is a bootstrap over seeds: images of one seed
have their noise in common, and are drawn together or not at all.

Two pairs that never were, one better and one worse, are among those drawn from: without them twenty pairs without a difference would
prove that there never is one. D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions
based on paired data", Journal of Educational and Behavioral Statistics 37 (2012), 479-488, add them for the same reason. Sums of ones and
noughts come in steps, and an end of the interval may lie anywhere in one: it is moved out by half a step, the usual correction for
continuity. The tests simulate how often the interval then holds the truth.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: A change that chance alone makes less often than this is taken for real.
LEVEL = 0.05
#: What is wished for is to be found in 80 of 100 tries.
POWER = 0.8
RESAMPLES = 4000
#: Resamples of the diversity, each of which looks at all pairs.
_DRAWN = 1000
#: Seeds below which nothing is said: so few say too little of how seeds differ.
LEAST_SEEDS = 8
#: Images from which on the distances between them say something.
LEAST_DIVERSE = 8
HOLDS, FELL, UNDECIDED = "holds", "fell", "undecided"


@dataclass(frozen=True)
class Change:
    """A value in ``pairs`` of images of ``seeds`` different seeds: its success ``before`` and ``after``, 0 to 1 (NaN: no pairs), the
    ``difference`` with its interval ``low`` to ``high``; all but ``level`` of such intervals hold the true difference. ``deviation``: of
    one pair's difference, so that ``deviation / sqrt(pairs)`` is the standard error.
    """

    pairs: int
    seeds: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    level: float
    deviation: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not a number is None."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Guard:
    """Whether a value ``holds``: it falls by less than the margin (its change is surely above -margin), ``fell`` (surely below), or is
    ``undecided``; then ``needs`` is about how many more images would tell, None when no number would as things are."""

    change: Change
    state: str
    needs: int | None

    def to_dict(self) -> dict[str, Any]:
        return {**self.change.to_dict(), "state": self.state, "needs": self.needs}


@dataclass(frozen=True)
class Diversity:
    """Mean distance between images of one value with the LoRA, in parts of that without, with the interval of this ``ratio``.

    ``state``: it ``holds`` when the ratio is surely above the limit, ``fell`` when surely below, else ``undecided``. ``values`` were
    compared; None of them: nothing is known, and the ratio NaN."""

    ratio: float
    low: float
    high: float
    values: int
    state: str

    def to_dict(self) -> dict[str, Any]:
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


def change(
    before: Sequence[float], after: Sequence[float], seeds: Sequence[Hashable], *, level: float = LEVEL, rng: int = 0
) -> Change:
    """What became of a value, from the success (1 or 0, or a share) of each pair without and with the LoRA, and the pair's seed.

    The interval is B. Efron's percentile bootstrap (Annals of Statistics 7, 1979) of the mean, over clusters of pairs with one seed
    (C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69, 2007, 369-390), with two
    pairs more (see the module's text). The same ``rng`` gives the same interval. Without pairs it is -1 to 1.
    """
    import numpy as np

    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    n = len(first)
    if not n == len(second) == len(seeds):
        raise ValueError(f"{n} images before, {len(second)} after, {len(seeds)} seeds")
    if not n:
        return Change(0, 0, math.nan, math.nan, math.nan, -1.0, 1.0, level, math.nan)
    place = {seed: number for number, seed in enumerate(dict.fromkeys(seeds))}
    groups = np.array([place[seed] for seed in seeds])
    differences = second - first
    sums = np.concatenate([np.bincount(groups, differences), [1.0, -1.0]])
    sizes = np.concatenate([np.bincount(groups), [1, 1]]).astype(np.float64)
    draw = np.random.default_rng(rng)
    at_once = max(1, 2_000_000 // len(sums))
    means = []
    for done in range(0, RESAMPLES, at_once):
        some = draw.integers(0, len(sums), (min(at_once, RESAMPLES - done), len(sums)))
        means.append(sums[some].sum(1) / sizes[some].sum(1))
    drawn = np.concatenate(means)
    low, high = (float(q) for q in np.quantile(drawn, (level / 2, 1 - level / 2)))
    half = 1 / (2 * (n + 2))
    return Change(
        n,
        len(place),
        float(first.mean()),
        float(second.mean()),
        float(differences.mean()),
        max(-1.0, low - half),
        min(1.0, high + half),
        level,
        float(drawn.std() * math.sqrt(n)),
    )


def guard(
    before: Sequence[float],
    after: Sequence[float],
    seeds: Sequence[Hashable],
    margin: float,
    *,
    level: float = LEVEL,
    rng: int = 0,
) -> Guard:
    """Whether a value that nobody wanted to change falls by more than ``margin``: a one-sided test at ``level`` to each side.

    To promote, every value has to hold; so each is tested at the whole level and nothing is corrected for their number: R. L. Berger,
    "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982), 295-300 (intersection-union tests).
    """
    found = change(before, after, seeds, level=2 * level, rng=rng)
    if found.seeds < LEAST_SEEDS:
        return Guard(found, UNDECIDED, max(1, LEAST_SEEDS - found.seeds))
    if found.low > -margin:
        return Guard(found, HOLDS, 0)
    if found.high < -margin:
        return Guard(found, FELL, 0)
    return Guard(found, UNDECIDED, more_images(found, margin, level))


def more_images(found: Change, margin: float, level: float = LEVEL) -> int | None:
    """About how many more pairs would show that a value holds, in 80 of 100 tries, if it goes on as so far. None when it then does not.

    n = ((z_level + z_power) * deviation / (difference + margin))²: the usual size of a test that something is not worse by a margin
    (S.-C. Chow, J. Shao and H. Wang, "Sample size calculations in clinical research", 2nd edition 2008, 3.1).
    """
    if math.isnan(found.difference) or found.difference <= -margin:
        return None
    z = NormalDist()
    wanted = ((z.inv_cdf(1 - level) + z.inv_cdf(POWER)) * found.deviation / (found.difference + margin)) ** 2
    return max(1, math.ceil(wanted) - found.pairs)


def diversity(
    before: Sequence[Floats],
    after: Sequence[Floats],
    limit: float,
    *,
    paired: bool = True,
    level: float = LEVEL,
    rng: int = 0,
) -> Diversity:
    """How different images of one value still are. ``before`` and ``after``: for each value the unit vectors (n, width) of its images;
    ``paired``: the same values and seeds on both sides.

    The distance of two images is 1 minus the cosine of their vectors. Of each value the mean over all pairs of its images is taken, of
    these the mean over values, and of that the ratio. The interval is the percentile bootstrap over images; two copies of one image are
    no pair. Values with fewer than ``LEAST_DIVERSE`` images are left out.
    """
    import numpy as np

    sides = [[vectors for vectors in side if len(vectors) >= LEAST_DIVERSE] for side in (before, after)]
    if paired and [len(one) for one in before] != [len(one) for one in after]:
        raise ValueError("pairs have as many images before as after")
    unknown = Diversity(math.nan, 0.0, math.inf, 0, UNDECIDED)
    if not all(sides):
        return unknown
    draws = [np.random.default_rng(rng), np.random.default_rng(rng if paired else rng + 1)]  # pairs are drawn as pairs
    first, second = (_distances(side, draw) for side, draw in zip(sides, draws, strict=True))
    if not first[0] > 0:
        return unknown  # all images were the same before
    ratios = second[1:] / np.maximum(first[1:], 1e-12)
    low, high = (float(q) for q in np.quantile(ratios, (level / 2, 1 - level / 2)))
    state = HOLDS if low > limit else FELL if high < limit else UNDECIDED
    return Diversity(float(second[0] / first[0]), low, high, len(sides[0]), state)


def _distances(values: Sequence[Floats], draw: np.random.Generator) -> Floats:
    """The mean distance of images of one value, as they are and in so many resamples: (1 + n,)."""
    import numpy as np

    out = np.zeros(1 + _DRAWN)
    for vectors in values:
        n = len(vectors)
        away = np.maximum(0.0, 1 - vectors @ vectors.T)
        np.fill_diagonal(away, 0.0)
        counts = np.vstack([np.ones(n), draw.multinomial(n, np.full(n, 1 / n), _DRAWN)])
        different = n * n - (counts**2).sum(1)  # pairs of different images, if an image is not drawn n times
        out += ((counts @ away) * counts).sum(1) / np.maximum(different, 1.0)
    return out / len(values)
