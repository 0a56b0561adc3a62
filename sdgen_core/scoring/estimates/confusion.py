"""Values of a placeholder that a model cannot tell apart: they are judged together, for "red" that looks "crimson" is no failure.

That images of two values look alike has two causes: the model does not tell the words apart, or the generator makes one of them where
the other was asked for. In the first case the images of each look like *both* words, more than images of other values do; in the second
they do not look like the one that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calibration import auc, told_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Images of each of two values from which on images decide, and the area under the ROC curve below which they are not told apart.
LEAST_IMAGES, TOLD = 15, 0.7
#: Images of a value that are looked at.
_MOST = 200
#: Images of a value must stand out as their own by so many standard errors, and as the other word at least so much of that.
_AS_OWN, _AS_OTHER = 2.0, 0.7
#: Texts that are this near, and not farther than half the usual distance between texts of the placeholder, mean the same.
_SAME, _NEARER = 0.98, 0.5
#: Of texts that are farther apart than this share of the usual distance a model can say that images look like one and not like the other.
_FAR = 1 / 3
#: And these are the same, whatever images look like.
_EQUAL = 0.9999


@dataclass(frozen=True)
class Alike:
    """Values (by number) that are not told apart; ``auc``: how well the best told pair of them is, None when only texts were compared."""

    members: tuple[int, ...]
    auc: float | None


def alike(similarities: Floats, asked: Ints, texts: Floats, names: Sequence[str]) -> list[Alike]:
    """Groups of two values or more; in a group no value is told from any other.

    ``similarities``: (n, k); ``asked``: (n,); ``texts``: (k, width), normalised; ``names``: k different ones, which settle ties, so that
    the order of the values does not matter.
    """
    import numpy as np

    k = len(names)
    some = _some(similarities, asked, k)
    similarities, asked = similarities[some], asked[some]
    images = np.bincount(asked, minlength=k)
    near = texts @ texts.T
    pairs: dict[tuple[int, int], float | None] = {}
    usual = float(np.median(1 - near[np.triu_indices(k, 1)])) if k > 2 else 0.0
    same = _same_texts(near, usual)
    as_other = _seen_as(similarities, asked, k) if k > 2 else None
    often = images >= LEAST_IMAGES
    told = np.triu((near >= _EQUAL) | same | (often[:, None] & often), 1)
    for a, b in np.argwhere(told).tolist():  # of the others nothing can be said
        if near[a, b] >= _EQUAL or (same[a, b] and min(images[a], images[b]) < LEAST_IMAGES):
            pairs[a, b] = None
        elif min(images[a], images[b]) < LEAST_IMAGES:
            continue
        elif as_other[a, b] and as_other[b, a] if as_other is not None else same[a, b]:
            apart = told_apart(similarities, asked, (a, b))
            if apart < TOLD and not (1 - near[a, b] > _FAR * usual and _leaning(similarities, asked, (a, b))):
                pairs[a, b] = apart
    order = sorted(pairs, key=lambda pair: (-near[pair], *sorted(names[n] for n in pair)))
    return [_group(members, pairs) for members in _merged(order, k) if len(members) > 1]


def _some(similarities: Floats, asked: Ints, k: int) -> Ints:
    """So many images of each value at most, evenly over their similarity."""
    import numpy as np

    rows = []
    for value in range(k):
        own = np.flatnonzero(asked == value)
        if len(own) > _MOST:
            order = own[np.argsort(similarities[own, value], kind="stable")]
            own = order[np.linspace(0, len(own) - 1, _MOST).astype(np.int64)]
        rows.append(own)
    return np.concatenate(rows)


def _same_texts(near: Floats, usual: float) -> NDArray[np.bool_]:
    """(k, k): which texts are as good as the same. ``usual``: the median of their distances."""
    same: NDArray[np.bool_] = near >= _SAME
    if len(near) > 2:
        same &= 1 - near <= max(_NEARER * usual, 1e-6)
    return same


def _seen_as(similarities: Floats, asked: Ints, k: int) -> NDArray[np.bool_]:
    """(k, k): whether images asked for the first stand out as the second nearly as much as they do as the first.

    How they stand out is the area under the ROC curve against all other images, from the mean of their ranks (Mann and Whitney).
    """
    import numpy as np

    n = len(asked)
    around = similarities - similarities.mean(1, keepdims=True)
    ranks = np.empty((n, k))
    np.put_along_axis(ranks, around.argsort(0), np.arange(1.0, n + 1)[:, None], 0)
    out, error = np.full((k, k), 0.5), np.ones((k, 1))
    for value in range(k):
        own = asked == value
        count = int(own.sum())
        if 0 < count < n:
            out[value] = (ranks[own].mean(0) - (count + 1) / 2) / (n - count)
            error[value] = ((n + 1) / (12 * count * (n - count))) ** 0.5
    stands = out.diagonal()[:, None] - 0.5
    found: NDArray[np.bool_] = (stands > _AS_OWN * error) & (out - 0.5 >= _AS_OTHER * stands)
    return found


def _leaning(similarities: Floats, asked: Ints, pair: tuple[int, int]) -> bool:
    """Whether images of both values together look more like one of them than like the other, by what other images say of the two: then
    the model does tell them apart, and one of them is made where the other was asked for."""
    import numpy as np

    one, other = pair
    own = (asked == one) | (asked == other)
    if own.all():
        return False
    to_one = auc(similarities[:, one] - similarities[:, other], own.astype(np.float64))
    return max(to_one, 1 - to_one) >= TOLD


def _merged(order: Sequence[tuple[int, int]], k: int) -> list[list[int]]:
    """Groups of values of which every two are a pair; pairs that come first are together first."""
    paired = set(order)
    group = {n: [n] for n in range(k)}
    for a, b in order:
        one, other = group[a], group[b]
        if one is not other and all((min(x, y), max(x, y)) in paired for x in one for y in other):
            one += other
            group.update(dict.fromkeys(other, one))
    return [members for n, members in group.items() if members[0] == n]


def _group(members: list[int], pairs: dict[tuple[int, int], float | None]) -> Alike:
    known = [auc for pair, auc in pairs.items() if set(pair) <= set(members) and auc is not None]
    return Alike(tuple(sorted(members)), max(known, default=None))
