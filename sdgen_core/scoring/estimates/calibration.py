"""From similarities to probabilities that an image shows a value.

A softmax over the values of a placeholder shrinks as there are more of them, and the similarity of one text says little by itself: no
fixed threshold serves all placeholders. So what a model says about an image is three numbers (``features``), which a logistic
regression (Platt, "Probabilistic outputs for support vector machines", 1999) maps to what people said of such images. As long as
nobody said anything, an image is compared with images that were asked for other values (``background``).

Shapes: n images, k values of the placeholder. All arrays are float64 unless said otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Labels of a placeholder from which on a regression is fitted, and of the rarer kind among them.
LEAST_LABELS, LEAST_OF_EACH = 20, 4
#: Weight of a coefficient's square against the log-likelihood, in labels: of what is told apart without mistakes the odds stay finite.
_RIDGE = 1.0
_FOLDS = 5
_STEPS = 50


def features(similarities: Floats, asked: Ints, scale: float) -> Floats:
    """What a model says of images about the values that were asked for, as (n, 3).

    ``similarities``: (n, k), cosines of images with values; ``asked``: (n,), which value each image was asked for; ``scale``: the
    model's temperature. The logit of the softmax over the values, the distance from the mean of the others, and from the next best of
    them. Raises ``ValueError`` for fewer than two values.
    """
    import numpy as np

    n, k = similarities.shape
    if k < 2:
        raise ValueError("a value is told from the others of its placeholder, and there are none")
    rows = np.arange(n)
    own = similarities[rows, asked]
    others = similarities.astype(np.float64, copy=True)
    others[rows, asked] = -np.inf
    best = others.max(1)
    rest = best + np.log(np.exp((others - best[:, None]) * scale).sum(1)) / scale
    mean = (similarities.sum(1) - own) / (k - 1)
    return np.stack([(own - rest) * scale, (own - mean) * scale, (own - best) * scale], 1)


def background(said: Floats, images: Ints, asked: Ints) -> Floats:
    """Probability-like numbers without any verdict: the share of images that were asked for another value and look less like this one.

    ``said``: (n, k), what a model says of every image about every value (the first of ``features`` with that value as the one asked
    for); ``images``: which rows are wanted; ``asked``: (n,), what each of the n was asked for. A value that every image was asked for
    has no background: a half.
    """
    import numpy as np

    out = np.full(len(images), 0.5)
    wanted = asked[images]
    for value in np.unique(wanted):
        column = said[:, value]
        others = np.sort(column[asked != value])
        if len(others):
            here = wanted == value
            below = np.searchsorted(others, column[images[here]], "left")
            same = np.searchsorted(others, column[images[here]], "right") - below
            out[here] = (below + same / 2 + 0.5) / (len(others) + 1)
    return out


@dataclass(frozen=True)
class Calibration:
    """A fitted regression: probability = logistic(``bias`` + ``weights`` · (features - ``mean``) / ``spread``).

    ``labels`` it was fitted to; ``error`` the expected calibration error and ``auc`` the area under the ROC curve, both on labels that
    were held out in turn.
    """

    bias: float
    weights: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    labels: int
    error: float
    auc: float

    def probabilities(self, found: Floats) -> Floats:
        """(n, 3) features -> (n,) probabilities."""
        import numpy as np

        scaled = (found - np.array(self.mean)) / np.array(self.spread)
        return _logistic(self.bias + scaled @ np.array(self.weights))

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``Calibration(**…)`` reads it."""
        return asdict(self)


def fit(found: Floats, truth: Floats) -> Calibration | None:
    """A calibration from (n, 3) features and (n,) truths from 0 to 1 (a partial success is a half).

    None when there are too few labels, or hardly any of one kind: then nothing can be said.
    """
    import numpy as np

    rarer = min(truth.sum(), len(truth) - truth.sum())
    if len(truth) < LEAST_LABELS or rarer < LEAST_OF_EACH:
        return None
    mean, spread = found.mean(0), found.std(0)
    spread[spread < 1e-9] = 1.0
    scaled = (found - mean) / spread
    held_out = np.empty(len(truth))
    folds = _folds(truth)
    for fold in range(_FOLDS):
        rest = folds != fold
        held_out[~rest] = _logistic(_design(scaled[~rest]) @ _rising(scaled[rest], truth[rest], spread))
    coefficients = _rising(scaled, truth, spread)
    return Calibration(
        bias=float(coefficients[0]),
        weights=tuple(map(float, coefficients[1:])),
        mean=tuple(map(float, mean)),
        spread=tuple(map(float, spread)),
        labels=len(truth),
        error=calibration_error(held_out, truth),
        auc=auc(held_out, truth),
    )


def calibration_error(probabilities: Floats, truth: Floats) -> float:
    """The expected calibration error: how far probabilities are from shares, in bins of equally many, weighted by their sizes.

    Few labels make few bins (one for every 20, up to 15), for chance alone moves the share of a small bin. After Naeini et al.,
    "Obtaining well calibrated probabilities using Bayesian binning" (2015), with bins of equal mass.
    """
    import numpy as np

    if not len(truth):
        return 0.0
    order = np.argsort(probabilities, kind="stable")
    bins = np.array_split(order, min(15, max(1, len(truth) // 20)))
    return float(sum(abs(probabilities[b].mean() - truth[b].mean()) * len(b) for b in bins) / len(truth))


def auc(scores: Floats, truth: Floats) -> float:
    """How often a success has a higher score than a failure, a tie being a half (Mann and Whitney). Partial successes do not count.

    A half when there are no successes, or no failures.
    """
    import numpy as np

    good, bad = scores[truth > 0.5], np.sort(scores[truth < 0.5])
    if not len(good) or not len(bad):
        return 0.5
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / 2 / len(bad))


def told_apart(similarities: Floats, asked: Ints, pair: tuple[int, int]) -> float:
    """How well images of one value are told from those of another: 0.5 not at all, 1 always.

    The area under the ROC curve of the difference of both similarities. Values that a model cannot tell apart ("red" and "crimson")
    are no failures of the images.
    """
    import numpy as np

    one, other = pair
    rows = (asked == one) | (asked == other)
    return auc(similarities[rows, one] - similarities[rows, other], (asked[rows] == one).astype(np.float64))


def _logistic(x: Floats) -> Floats:
    import numpy as np

    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def _design(scaled: Floats) -> Floats:
    import numpy as np

    return np.concatenate([np.ones((len(scaled), 1)), scaled], 1)


def _rising(scaled: Floats, truth: Floats, spread: Floats) -> Floats:
    """The regression, unless a higher similarity would make a lower probability: then the share of successes is all that is said.

    A higher similarity with the value asked for raises all features alike, so that the sum of what they weigh tells.
    """
    out = _regression(scaled, truth)
    return out if (out[1:] / spread).sum() >= 0 else _regression(scaled * 0, truth)


def _regression(scaled: Floats, truth: Floats) -> Floats:
    """Coefficients of the logistic regression, the bias first, by Newton's method. The bias is not drawn to nought."""
    import numpy as np

    x = _design(scaled)
    ridge = np.diag([0.0] + [_RIDGE] * scaled.shape[1])
    out = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = _logistic(x @ out)
        curve = x.T @ (x * (p * (1 - p))[:, None]) + ridge + 1e-9 * np.eye(len(out))
        step = np.linalg.solve(curve, x.T @ (truth - p) - ridge @ out)
        out += step * min(1.0, 10 / max(1e-12, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-8:
            break
    return out


def _folds(truth: Floats) -> Ints:
    """Which fold each label is in: successes and failures spread evenly, the same for the same labels."""
    import numpy as np

    order = np.random.default_rng(len(truth)).permutation(len(truth))
    by_kind = order[np.argsort(truth[order], kind="stable")]
    out = np.empty(len(truth), np.int64)
    out[by_kind] = np.arange(len(truth)) % _FOLDS
    return out
