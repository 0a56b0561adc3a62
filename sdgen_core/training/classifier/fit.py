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
STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
#: The same of a class's bias: it stays finite where all labels say one thing.
_BIAS = 0.01
#: Labels that the strength of the penalty is chosen by: how far weights are from nought is no question of how many labels there are.
_ENOUGH = 200
#: Of the search: steps, those that it goes by, how flat it is where it ends, and what a step gains there, in log loss of all labels.
_STEPS, _KEPT, _FLAT, _GAIN = 100, 10, 1e-2, 1e-3
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


def fit(features: Floats, asked: Ints, truth: Floats, k: int, folds: Ints, texts: Floats | None = None) -> Fitted:
    """A head for n images with (n, width) ``features``, ``asked`` for values (n,), with (n,) ``truth`` from 0 to 1.

    ``folds``: (n,), which of them each label is held out in. The strength of the penalty is the one with the least log loss on labels
    that were held out; for what is said of a fold it is chosen by the others alone, so that nothing of its labels is in that.
    ``texts``: (k, width), vectors of the values' texts in the same space. Then the penalty draws the weights to a multiple of them and
    not to nought: few labels change what the texts tell where that is wrong, and need not learn all of it (Silva-Rodriguez et al., "A
    closer look at the few-shot adaptation of large vision-language models", CVPR 2024).
    """
    import numpy as np

    x, turned, mean, scale = _turned(features)
    known = np.zeros((k, features.shape[1])) if texts is None else texts
    said = np.concatenate([(features - mean) @ known.T, np.zeros((len(x), 1))], 1)
    spread = float(said.std()) or 1.0
    rows = _Rows(x, said / spread, asked, truth)
    held_out = np.empty(len(truth))
    for fold in np.unique(folds):
        out = folds == fold
        rest = rows.some(~out)
        held_out[out] = rows.some(out).own(_solve(rest, _strength(rest, folds[~out]), None))
    strength = _strength(rows, folds)
    found = _solve(rows, strength, None)
    weights = found.weights @ turned.T / scale
    weights[:k] += found.share / spread * known
    return Fitted(weights, found.bias - weights @ mean, strength, held_out)


@dataclass(frozen=True, eq=False)
class _Head:
    """``weights`` (k + 1, r) and ``bias`` (k + 1,) on turned features, and the ``share`` that texts have in what is said."""

    weights: Floats
    bias: Floats
    share: float


@dataclass(frozen=True, eq=False)
class _Rows:
    """Labels: turned features ``x`` (n, r), what ``texts`` say (n, k + 1), ``asked`` and ``truth`` (n,)."""

    x: Floats
    texts: Floats
    asked: Ints
    truth: Floats

    def some(self, which: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.x[which], self.texts[which], self.asked[which], self.truth[which])

    def own(self, head: _Head) -> Floats:
        """(n,): how probable it is that each shows what it was asked for."""
        import numpy as np

        found = _softmax(self.x @ head.weights.T + head.bias + head.share * self.texts)
        return found[np.arange(len(found)), self.asked]


def _strength(rows: _Rows, folds: Ints) -> float:
    """The strength of the penalty with the least log loss on folds that are held out in turn; of many labels, some tell it."""
    import numpy as np

    if len(folds) > _ENOUGH:
        chosen = np.zeros(len(folds), bool)
        chosen[np.random.default_rng(len(folds)).permutation(len(folds))[:_ENOUGH]] = True
        rows, folds = rows.some(chosen), folds[chosen]
    losses = np.zeros(len(STRENGTHS))
    for fold in np.unique(folds):
        rest, out = rows.some(folds != fold), rows.some(folds == fold)
        found = None
        for at in range(len(STRENGTHS)):
            found = _solve(rest, STRENGTHS[at], found)
            p = out.own(found)
            losses[at] -= (out.truth * np.log(p) + (1 - out.truth) * np.log1p(-p)).sum()
    return STRENGTHS[int(losses.argmin())]


def probabilities(features: Floats, weights: Floats, bias: Floats) -> Floats:
    """(n, k + 1): softmax over the values and none of them, never quite 0 or 1."""
    return _softmax(features @ weights.T + bias)


def _softmax(logits: Floats) -> Floats:
    import numpy as np

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


def _solve(rows: _Rows, strength: float, start: _Head | None) -> _Head:
    """The most likely head, searched from ``start``, or else from nought."""
    import numpy as np

    kinds = rows.texts.shape[1]
    design = np.concatenate([rows.x, np.ones((len(rows.x), 1))], 1)
    penalty = np.full(design.shape[1], strength)
    penalty[-1] = _BIAS
    every, asked, truth = np.arange(len(design)), rows.asked, rows.truth
    said = truth[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        """What is to be as low as can be, and its slope."""
        weights, share = flat[:-1].reshape(kinds, -1), flat[-1]
        logits = design @ weights.T + share * rows.texts
        logits -= logits.max(1, keepdims=True)
        all_but = logits.copy()
        all_but[every, asked] = -np.inf
        top = all_but.max(1, keepdims=True)
        whole = np.log(np.exp(logits).sum(1, keepdims=True))
        rest = top + np.log(np.exp(all_but - top).sum(1, keepdims=True))
        own = logits[every, asked][:, None]
        out = -(said * (own - whole) + (1 - said) * (rest - whole)).sum()
        out += ((weights**2 * penalty).sum() + _BIAS * share**2) / 2
        slope = np.exp(logits - whole) - (1 - said) * np.exp(all_but - rest)
        slope[every, asked] -= truth
        parts = (slope.T @ design + weights * penalty).ravel(), [(slope * rows.texts).sum() + _BIAS * share]
        return float(out), np.concatenate(parts)

    begin = np.zeros(kinds * design.shape[1] + 1)
    if start is not None:
        begin = np.concatenate([np.concatenate([start.weights, start.bias[:, None]], 1).ravel(), [start.share]])
    found = _lowest(loss, begin)
    weights = found[:-1].reshape(kinds, -1)
    return _Head(weights[:, :-1], weights[:, -1], float(found[-1]))


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
        gain = value - found[0]
        step, change = -length * way, found[1] - slope
        if (product := float(step @ change)) > 1e-12:  # else the curve is not one that it can go by
            kept.append((step, change, 1 / product))
        at, (value, slope) = at + step, found
        if gain < _GAIN:
            break
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
