"""What few judgements say about many images: the formulas of the statistics, on plain numbers.

A verdict is worth points: ok 1, partial a half, ko 0 (``POINTS``). The success rate of a value is the mean of them over the images in
which it was judged so. *No effect* and *unintended* say what became of the image, not how well the value came out: they are counted
apart and are no part of the rate.

Half points in the Wilson interval, which is made for successes and failures: the points are added up and taken as the number of
successes. Something between 0 and 1 with the mean p varies by p(1 - p) at most, and by just that if it is 0 or 1 only. So the interval
is never too narrow because of halves: it is a little wider than it had to be.
"""

from __future__ import annotations

import math

from ..schema import VERDICT_NUMBER

#: The verdicts that make up the success rate, and what they are worth.
POINTS = {"ok": 1.0, "partial": 0.5, "ko": 0.0}
OK, PARTIAL, KO, NO_EFFECT, UNINTENDED = (
    VERDICT_NUMBER[verdict] for verdict in ("ok", "partial", "ko", "no-effect", "unintended")
)
#: 95 in 100 intervals hold the true rate.
Z = 1.96
#: An interval as wide as this tells: ten hundredths to both sides.
WIDTH = 0.2


def successes(ok: int, partial: int) -> float:
    """The points of so many verdicts."""
    return ok + partial * POINTS["partial"]


def wilson(successes: float, n: int, z: float = Z) -> tuple[float, float]:
    """The interval in which the rate lies that gave ``successes`` in ``n`` trials, ``z`` standard errors to both sides.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
    Association 22 (1927), 209-212: all rates p with ``|successes/n - p| <= z * sqrt(p * (1 - p) / n)``. Nothing tried tells nothing:
    (0, 1). Raises ``ValueError`` when ``successes`` is not between 0 and ``n``.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    if n == 0:
        return 0.0, 1.0
    middle = successes + z * z / 2
    half = z * math.sqrt(successes * (n - successes) / n + z * z / 4)
    low = (middle - half) / (n + z * z) if successes > 0 else 0.0
    high = (middle + half) / (n + z * z) if successes < n else 1.0
    return max(0.0, low), min(1.0, high)


def needs_more(successes: float, n: int, width: float = WIDTH, threshold: float | None = None, z: float = Z) -> int:
    """How many more images have to be judged until the Wilson interval tells: the least number, 0 when it does already.

    The rule: as if the rate stays what it is now, the interval of all ``n + m`` images is no wider than ``width``; or, with a
    ``threshold``, it lies on one side of that: all of it below, or none of it. While nothing is judged the rate is taken as a half,
    which needs the most images, and the threshold is not looked at.

    Both conditions stay true when they are so once, because at the same rate the interval only gets narrower. Solving Wilson's
    equation for n gives where to look; rounding is made good by trying. Raises ``ValueError`` for ``successes`` as :func:`wilson`
    does, and unless ``width`` is above 0.
    """
    if width <= 0:
        raise ValueError(f"a width of {width}")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    rate = successes / n if n else 0.5

    def tells(total: int) -> bool:
        low, high = wilson(successes if total == n else min(rate * total, total), total, z)
        sided = n > 0 and threshold is not None and (low >= threshold or high < threshold)
        return sided or high - low <= width

    # The width of n images is 2z * sqrt(n * r * (1 - r) + z²/4) / (n + z²): a quadratic equation in n.
    spread, square = rate * (1 - rate), z * z
    b = square - 2 * square * spread / width**2  # n² + 2bn + c = 0
    c = square * square * (1 - 1 / width**2)
    total = -b + math.sqrt(max(0.0, b * b - c))
    if n and threshold is not None:
        spread, apart = square * threshold * (1 - threshold), (rate - threshold) ** 2
        if spread < total * apart:
            total = spread / apart
    more = max(0, math.floor(total) - n)
    while more > 0 and tells(n + more - 1):
        more -= 1
    while not tells(n + more):
        more += 1
    return more


#: How few seeds tell nothing yet about whether a value works with any.
LEAST_SEEDS = 5
#: The share of seeds from which on a value works "always", and up to which "never".
ALWAYS, NEVER = 0.9, 0.1


def stability(share: float | None, seeds: int) -> str:
    """Whether a value works whatever the seed: ``always``, ``sometimes``, ``never``, or ``unknown``.

    ``share`` is the mean over ``seeds`` different seeds of what each came to (the mean of its points). With less than
    ``LEAST_SEEDS`` of them it is unknown; always from ``ALWAYS`` on, never up to ``NEVER``.
    """
    if share is None or seeds < LEAST_SEEDS:
        return "unknown"
    return "always" if share >= ALWAYS else "never" if share <= NEVER else "sometimes"
