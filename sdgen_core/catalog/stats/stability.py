"""Whether a value works with any seed, with some or with none."""

from __future__ import annotations

from dataclasses import dataclass

from .formulas import KO, OK, PARTIAL, POINTS, stability, wilson
from .view import View


@dataclass(slots=True)
class Stability:
    """A value over different seeds: ``share`` is the mean of what the seeds came to, so that a seed counts once however often it was
    judged; ``low`` to ``high`` its 95 % Wilson interval, ``works`` what ``stats.stability`` says of it. ``judged`` images."""

    placeholder: str
    key: str
    text: str
    seeds: int
    judged: int
    share: float
    low: float
    high: float
    works: str


def stabilities(of: View) -> list[Stability]:
    """Every value that was judged ok, partial or ko in an image whose seed is known, by placeholder and key."""
    import numpy as np

    worth = np.zeros(max(OK, PARTIAL, KO) + 1)
    worth[[OK, PARTIAL, KO]] = [POINTS[verdict] for verdict in ("ok", "partial", "ko")]
    values = of.values()
    out = []
    for found in of.judged((OK, PARTIAL, KO)):
        seeded = of.columns["seeded"][found.images].astype(bool)
        _, seed = np.unique(of.columns["seed"][found.images[seeded]], return_inverse=True)
        if not len(seed):
            continue
        several = int(seed.max()) + 1
        pairs, which = np.unique(found.values[seeded].astype("i8") * several + seed, return_inverse=True)
        judged = np.bincount(which)
        share = np.bincount(which, weights=worth[found.verdicts[seeded]]) / judged
        ids, first, seeds = np.unique(pairs // several, return_index=True, return_counts=True)
        sums = np.add.reduceat(share, first)
        numbers = np.add.reduceat(judged, first)
        for value, n, total, images in zip(*(c.tolist() for c in (ids, seeds, sums, numbers)), strict=True):
            total = min(total, n)
            row = Stability(*values[value], n, images, total / n, *wilson(total, n), stability(total / n, n))
            out.append(row)
    return sorted(out, key=lambda row: (row.placeholder, row.key))
