"""A head on frozen features: a multinomial logistic regression that learns from what images show, and from what they do not.

Classes are the values of a placeholder and one more, that an image shows none of them. An image that was asked for value v and judged ok
says v, one that was judged ko says any class but v: its likelihood is 1 - p(v), the sum over the others (Cour, Sapp and Taskar,
"Learning from partial labels", JMLR 2011). A partial success is half of each. So p(v) is what is asked in the end: how probable it is
that the image shows what it was asked for.

Shapes: n labels, k values, ``width`` of the features. All arrays are float64 unless said otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...catalog.pictures.duplicates import near_groups
from ...catalog.query import DUPLICATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FOLDS = 5
#: Weights of a coefficient's square against the log-likelihood, in labels, of features whose mean square is 1: what is chosen from.
STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
#: The same of a class's bias: it stays finite where all labels say one thing.
_BIAS = 0.01
#: Of the search: steps, and those that it goes by; and how flat it is where it ends, in labels.
_STEPS, _KEPT, _FLAT = 100, 10, 1e-2
#: Of n labels no group may hold more than this share, and there have to be so many groups for each fold: else folds cannot be made of them.
_LARGEST, _LEAST_GROUPS = 1 / 3, 2
#: Directions in which images differ most that a head goes by: more cost time, and are noise.
_DIRECTIONS = 256
_NEVER = 1e-9


@dataclass(frozen=True, eq=False)
class Fitted:
    """``weights`` (k + 1, width) and ``bias`` (k + 1,) of the logits of all values and of none of them; ``strength`` of the penalty;
    ``held_out`` (n,): the probability of what each label's image was asked for, by heads that had not learnt from its group."""

    weights: Floats
    bias: Floats
    strength: float
    held_out: Floats


def fit(features: Floats, asked: Ints, truth: Floats, k: int, folds: Ints) -> Fitted:
    """A head for n images with (n, width) ``features``, ``asked`` for values (n,), with (n,) ``truth`` from 0 to 1.

    ``folds``: (n,), which of them each label is held out in. The strength of the penalty is the one with the least log loss on labels
    that were held out; for what is said of a fold it is chosen by the others alone, so that nothing of its labels is in that.
    """
    import numpy as np

    x, turned, mean, scale = _turned(features)
    held_out = np.empty(len(truth))
    for fold in np.unique(folds):
        out = folds == fold
        rest = x[~out], asked[~out], truth[~out], k
        found = _solve(*rest, _strength(*rest, folds[~out]), None)
        held_out[out] = probabilities(x[out], *found)[np.arange(out.sum()), asked[out]]
    strength = _strength(x, asked, truth, k, folds)
    weights, bias = _solve(x, asked, truth, k, strength, None)
    weights = weights @ turned.T / scale
    return Fitted(weights, bias - weights @ mean, strength, held_out)


def _strength(x: Floats, asked: Ints, truth: Floats, k: int, folds: Ints) -> float:
    """The strength of the penalty with the least log loss on folds that are held out in turn."""
    import numpy as np

    losses = np.zeros(len(STRENGTHS))
    for fold in np.unique(folds):
        out = folds == fold
        found = None
        for at in range(len(STRENGTHS)):
            found = _solve(x[~out], asked[~out], truth[~out], k, STRENGTHS[at], found)
            p = probabilities(x[out], *found)[np.arange(out.sum()), asked[out]]
            losses[at] -= (truth[out] * np.log(p) + (1 - truth[out]) * np.log1p(-p)).sum()
    return STRENGTHS[int(losses.argmin())]


def probabilities(features: Floats, weights: Floats, bias: Floats) -> Floats:
    """(n, k + 1): softmax over the values and none of them, never quite 0 or 1."""
    import numpy as np

    logits = features @ weights.T + bias
    raised = np.exp(logits - logits.max(1, keepdims=True))
    out: Floats = np.clip(raised / raised.sum(1, keepdims=True), _NEVER, 1 - _NEVER)
    return out


def _turned(features: Floats) -> tuple[Floats, Floats, Floats, float]:
    """(n, r) features with r <= n, of mean 0 and mean square length 1, the (width, r) turn that made them, their mean and their scale.

    What is perpendicular to all images gets no weight from a penalty of squares: leaving it out changes nothing and saves the time. So
    nothing is lost with up to ``_DIRECTIONS`` labels.
    """
    import numpy as np

    mean = features.mean(0)
    centred = features - mean
    scale = float(np.sqrt((centred**2).sum(1).mean())) or 1.0
    _, size, turn = np.linalg.svd(centred / scale, full_matrices=False)
    turned = turn[size > 1e-9 * max(float(size.max(initial=0)), 1e-300)][:_DIRECTIONS].T
    return centred / scale @ turned, turned, mean, scale


def _solve(
    x: Floats, asked: Ints, truth: Floats, k: int, strength: float, start: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """The most likely weights (k + 1, r) and bias (k + 1,), searched from ``start``, or else from nought."""
    import numpy as np

    rows = np.concatenate([x, np.ones((len(x), 1))], 1)
    penalty = np.full(rows.shape[1], strength)
    penalty[-1] = _BIAS
    every, said = np.arange(len(x)), truth[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        """What is to be as low as can be, and its slope."""
        weights = flat.reshape(k + 1, -1)
        logits = rows @ weights.T
        logits -= logits.max(1, keepdims=True)
        all_of, all_but = logits.copy(), logits.copy()
        all_but[every, asked] = -np.inf
        top = all_but.max(1, keepdims=True)
        whole = np.log(np.exp(all_of).sum(1, keepdims=True))
        rest = top + np.log(np.exp(all_but - top).sum(1, keepdims=True))
        own = logits[every, asked][:, None]
        out = -(said * (own - whole) + (1 - said) * (rest - whole)).sum() + (weights**2 * penalty).sum() / 2
        slope = np.exp(logits - whole) - (1 - said) * np.exp(all_but - rest)
        slope[every, asked] -= truth
        return float(out), (slope.T @ rows + weights * penalty).ravel()

    begin = np.zeros((k + 1, rows.shape[1])) if start is None else np.concatenate([start[0], start[1][:, None]], 1)
    found = _lowest(loss, begin.ravel()).reshape(k + 1, -1)
    return found[:, :-1], found[:, -1]


def _lowest(loss: Callable[[Floats], tuple[float, Floats]], at: Floats) -> Floats:
    """Where a smooth function is lowest, by L-BFGS: Nocedal and Wright, "Numerical optimization" (2006), algorithms 7.4 and 3.1."""
    import numpy as np

    value, slope = loss(at)
    kept: deque[tuple[Floats, Floats, float]] = deque(maxlen=_KEPT)  # step, change of the slope, 1 / their product
    for _ in range(_STEPS):
        if np.abs(slope).max() < _FLAT:
            break
        way, shares = slope.copy(), []
        for step, change, inverse in reversed(kept):
            shares.append(inverse * (step @ way))
            way -= shares[-1] * change
        way *= 1 / (kept[-1][2] * (kept[-1][1] @ kept[-1][1])) if kept else 1 / max(1.0, float(np.abs(slope).sum()))
        for (step, change, inverse), share in zip(kept, reversed(shares), strict=True):
            way += (share - inverse * (change @ way)) * step
        fall, length = float(slope @ way), 1.0
        while (found := loss(at - length * way))[0] > value - 1e-4 * length * fall and length > 1e-10:
            length /= 2
        if length <= 1e-10:
            break
        step, change = -length * way, found[1] - slope
        if (product := float(step @ change)) > 1e-12:  # else the curve is not one that it can go by
            kept.append((step, change, 1 / product))
        at, (value, slope) = at + step, found
    return at


# ---- folds -----------------------------------------------------------------------------------------------------------------------


def groups_of(keys: Sequence[str], seeds: Sequence[int | None], hashes: Sequence[int | None]) -> tuple[Ints, str]:
    """Which group each of n labels is in, (n,), and a remark where not all twins could be kept together ("" where they are).

    Twins are images of one seed, which share their composition, near-duplicates (``hashes``: perceptual ones, 64 bits) and one content
    under two names. Where nearly all images are twins of each other, as when a session has one seed, fewer kinds of them count.
    """
    near = _near(hashes)
    same_seed = list(seeds)
    ways: list[tuple[list[Sequence[Any]], str]] = [
        ([keys, same_seed, near], ""),
        ([keys, same_seed], "images that look alike are not kept apart from each other: nearly all of them do"),
        ([keys, near], "images of one seed are not kept apart from each other: there are too few seeds"),
        ([keys], "images of one seed and those that look alike are not kept apart from each other: nearly all are so"),
    ]
    found = [(_joined(columns), said) for columns, said in ways]
    return next(((groups, said) for groups, said in found if will_do(groups)), found[-1])


def will_do(groups: Ints) -> bool:
    """Whether folds can be made of groups."""
    import numpy as np

    sizes = np.bincount(groups)
    return len(sizes) >= FOLDS * _LEAST_GROUPS and int(sizes.max()) <= _LARGEST * len(groups)


def folds_of(groups: Ints, asked: Ints, truth: Floats) -> Ints:
    """Which of ``FOLDS`` folds each label is in, (n,): groups whole, and of each value's successes and failures as even as that allows.

    The largest groups first, each to the fold that has the least of what it holds. The same for the same labels.
    """
    import numpy as np

    kinds = np.unique(asked * 2 + (truth >= 0.5), return_inverse=True)[1].reshape(-1)
    share = 1 / np.bincount(kinds)
    counts = np.zeros((groups.max() + 1, kinds.max() + 1))
    np.add.at(counts, (groups, kinds), 1)
    have = np.zeros((FOLDS, counts.shape[1]))
    fold = np.empty(len(counts), np.int64)
    for group in np.argsort(-counts.sum(1), kind="stable"):
        cost = (have * counts[group] * share).sum(1) + 1e-3 * have.sum(1)
        fold[group] = cost.argmin()
        have[fold[group]] += counts[group]
    return fold[groups]


def _near(hashes: Sequence[int | None]) -> list[int | None]:
    import numpy as np

    known = [at for at, value in enumerate(hashes) if value is not None]
    bits = np.array([int(hashes[at] or 0) & (1 << 64) - 1 for at in known], np.uint64)
    out: list[int | None] = [None] * len(hashes)
    for number, members in enumerate(near_groups(bits, DUPLICATE)):
        for member in members:
            out[known[member]] = number
    return out


def _joined(columns: Sequence[Sequence[Any]]) -> Ints:
    """Groups, (n,), of all rows that have a value in common in any column; None is no value."""
    import numpy as np

    parent = list(range(len(columns[0])))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = at = parent[parent[at]]
        return at

    for column in columns:
        first: dict[Any, int] = {}
        for at, value in enumerate(column):
            if value is not None:
                parent[root(at)] = root(first.setdefault(value, at))
    found: Ints = (
        np.unique([root(at) for at in range(len(parent))], return_inverse=True)[1].reshape(-1).astype(np.int64)
    )
    return found
