"""Probabilities before anybody has judged an image: how high each text stands by itself, and how far the value that is shown stands out.

The percentile of an image among those that were asked for other values (``calibration.background``) orders images well, but it is no
probability: images that all show something else are spread evenly over it, with a half in the middle. So what is around an image is
described: the similarity of image i and value v is a_i + b_v + noise, and ``effect`` more if v is what the image shows. Texts that are
alike rise and fall together, with what is shown and with the noise: an image of a red circle looks like "red star" too. So the effect on
value v of showing u is ``effect`` * S_uv, and the covariance of the noise is ``noise``^2 * S, with S from the cosines of the texts: as if
what an image shows, and what else is in it, were directions in the space of the embeddings (then Fisher's discriminant between two values
is the difference of their similarities times effect / noise^2). An image shows the value it was asked for, one of the others, or none of
them, in shares that are found together with the rest, by expectation maximisation (Dempster, Laird and Rubin, 1977). A column may stand
for texts that name no value: it stands out in no image, and images that were asked for it are to show none. Few images move these numbers
little from where a model's own temperature puts them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Images of which the numbers are found; more would change nothing.
MOST_IMAGES = 2000
#: As many images as these count what is believed before: how many show what was asked for, another value, none.
_BEFORE = (20.0, 9.0, 1.0)
#: And these: for the effect, the noise, and the level of a text.
_EFFECT_WEIGHT, _NOISE_WEIGHT, _LEVEL_WEIGHT = 3.0, 20.0, 1.0
#: The square of the effect in noises that is believed before.
_CLEAR = 6.0
_STEPS, _ENOUGH = 50, 1e-6
#: How much of the noise is each value's own, whatever its text: texts that are nearly the same do not make a direction of their own.
_OWN = 0.1
#: Bytes of inverses that are kept: one takes more time than all else, and the next image of a session needs the same.
_KEPT_BYTES = 1 << 26
_kept: OrderedDict[bytes, Floats] = OrderedDict()
_keeping = threading.Lock()
#: An effect of less noise than this is none; so many images are needed to say so.
UNSEEN, LEAST_IMAGES = 0.75, 20


@dataclass(frozen=True, eq=False)
class Levels:
    """``texts``: (k,), the b of each value, 0 on average; ``effect`` and ``noise`` in similarities; ``shares`` of images that show the
    value asked for, another one, none; ``instead``: (k,), how often each value is that other one, 1 in all. ``fitted``: whether images
    said so; otherwise it is what is believed before. ``absent``: the column of texts that name no value, None for no such column.
    ``together``: (k, k), S above."""

    texts: Floats
    effect: float
    noise: float
    shares: tuple[float, float, float]
    instead: Floats
    fitted: bool
    together: Floats
    absent: int | None = None

    @property
    def unseen(self) -> bool:
        """Whether no value stands out in the images that were looked at."""
        return self.fitted and self.effect < UNSEEN * self.noise

    def corrected(self, similarities: Floats) -> Floats:
        """(n, k) similarities without what belongs to the texts. No value at all stands between those that are shown and the others."""
        out = similarities - self.texts
        if self.absent is not None:
            out[:, self.absent] += self.effect / 2
        return out

    def probabilities(self, similarities: Floats, asked: Ints) -> Floats:
        """(n,) probabilities that images show what they were asked for. Never lower for a higher similarity with that."""
        import numpy as np

        return _shown(self, similarities - self.texts, asked)[1][np.arange(len(asked)), asked]


def believed(values: int, scale: float, absent: int | None = None, near: Floats | None = None) -> Levels:
    """What is believed before any image: a value stands out so that ``scale``, the model's temperature, is right. ``near``: (k, k)
    cosines of the texts, None where all are as far apart."""
    import numpy as np

    effect = _CLEAR / scale
    shares = tuple(part / sum(_BEFORE) for part in _BEFORE)
    return Levels(
        np.zeros(values),
        effect,
        (effect / scale) ** 0.5,
        (shares[0], shares[1], shares[2]),
        np.full(values, 1 / values),
        False,
        _alikeness(values, near),
        absent,
    )


def estimate(
    similarities: Floats, asked: Ints, scale: float, absent: int | None = None, near: Floats | None = None
) -> Levels:
    """From (n, k) similarities and what (n,) images were asked for; ``near`` as for ``believed``.

    With one value asked for in all of them nothing can be said: that all show it, or that its text stands high, looks the same.
    """
    import numpy as np

    n, k = similarities.shape
    before = now = believed(k, scale, absent, near)
    if n < 2 or (asked == asked[0]).all():
        return now
    if n > MOST_IMAGES:  # evenly over how much they look like what was asked for, so that their order does not matter
        order = np.argsort(similarities[np.arange(n), asked] - similarities.mean(1), kind="stable")
        some = order[np.linspace(0, n - 1, MOST_IMAGES).astype(np.int64)]
        similarities, asked = similarities[some], asked[some]
    around = similarities - similarities.mean(1, keepdims=True)
    apart = _inverse(before.together)
    leaning = around.sum(0) @ apart
    spread = float(((around @ apart) * around).sum())
    for _ in range(_STEPS):
        new = _better(now, before, around, asked, (apart, leaning, spread))
        done = abs(new.effect - now.effect) < _ENOUGH * now.noise and abs(new.shares[0] - now.shares[0]) < _ENOUGH
        now = new
        if done:
            break
    if len(asked) < LEAST_IMAGES and now.unseen:  # too few to say that
        return replace(now, effect=UNSEEN * now.noise)
    return now


def _inverse(together: Floats) -> Floats:
    """The pseudo-inverse of S."""
    import numpy as np

    key = hashlib.blake2b(together.tobytes(), digest_size=16).digest()
    with _keeping:
        if (known := _kept.get(key)) is not None:
            _kept.move_to_end(key)
            return known
    found: Floats = np.linalg.pinv(together, rcond=1e-9, hermitian=True).astype(np.float64)
    with _keeping:
        _kept[key] = found
        while sum(one.nbytes for one in _kept.values()) > _KEPT_BYTES:
            _kept.popitem(last=False)
    return found


def _alikeness(values: int, near: Floats | None) -> Floats:
    """S: the cosines around their means, as a mean of a similarity is taken away from each image, with 1 - 1/k as the mean of the
    diagonal; and what is each value's own."""
    import numpy as np

    own: Floats = np.eye(values) - 1 / values
    if near is None or values < 3:  # of two values one is as far from the mean as the other
        return own
    around = near - near.mean(0) - near.mean(1, keepdims=True) + near.mean()
    size = float(np.trace(around)) / (values - 1)
    return own if size < 1e-9 else (1 - _OWN) * around / size + _OWN * own


def _shown(levels: Levels, corrected: Floats, asked: Ints) -> tuple[Floats, Floats]:
    """Similarities around the mean of their image, and (n, k) probabilities that each value is what the image shows."""
    import numpy as np

    around = corrected - corrected.mean(1, keepdims=True)
    rows = np.arange(len(asked))
    own, none = np.log(levels.shares[0]), np.log(levels.shares[2])
    other = np.log(levels.shares[1] * levels.instead / (1 - levels.instead[asked])[:, None])
    logs = (levels.effect * around - levels.effect**2 * levels.together.diagonal() / 2) / levels.noise**2
    if levels.absent is not None:
        logs[:, levels.absent] = 0.0  # as for none: nothing stands out
    logs += other
    logs[rows, asked] += own - other[rows, asked]
    top = np.maximum(logs.max(1), none)
    weights = np.exp(logs - top[:, None])
    return around, weights / (weights.sum(1) + np.exp(none - top))[:, None]


def _better(now: Levels, before: Levels, around: Floats, asked: Ints, whitened: tuple[Floats, Floats, float]) -> Levels:
    """One step: numbers that make the images likelier. ``around``: (n, k), each row 0 on average; ``whitened``: the inverse of S, the sum
    of the rows times that, (k,), and the sum of all x'S⁻¹x, so that a step takes n·k and k² operations, not n·k²."""
    import numpy as np

    n, k = around.shape
    corrected, shown = _shown(now, around - now.texts, asked)
    rows = np.arange(n)
    own, other = float(shown[rows, asked].sum()), float(shown.sum())
    instead = shown.sum(0) - np.bincount(asked, shown[rows, asked], k) + _BEFORE[1] / k
    if now.absent is not None:
        shown[:, now.absent] = 0.0
    part = float(shown.sum(0) @ now.together.diagonal())  # an effect of 1, of all that is shown
    seen = float((shown * corrected).sum())
    usual = 1 - 1 / k
    effect = (seen + before.effect * _EFFECT_WEIGHT * usual) / (part + _EFFECT_WEIGHT * usual)
    apart, leaning, spread = whitened
    size = spread - 2 * float(leaning @ now.texts) + n * float(now.texts @ apart @ now.texts)
    rest = size - 2 * effect * seen + effect**2 * part
    noise = (max(0.0, rest) + before.noise**2 * _NOISE_WEIGHT) / (n * (k - 1) + _NOISE_WEIGHT)
    texts = (around.sum(0) - effect * (shown.sum(0) @ now.together)) / (n + _LEVEL_WEIGHT)
    counts = np.array([own, other - own, n - other]) + _BEFORE
    shares = (counts / counts.sum()).tolist()
    return replace(
        now,
        texts=texts - texts.mean(),
        effect=max(effect, 1e-9),
        noise=noise**0.5,
        shares=(shares[0], shares[1], shares[2]),
        instead=instead / instead.sum(),
        fitted=True,
    )
