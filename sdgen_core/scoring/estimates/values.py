"""From stored embeddings to what a session's images show: a probability for every image and placeholder.

An image is compared with the texts of all values of a placeholder. Verdicts of people about images of any session make probabilities of
that (``calibration``, by the placeholder's name, for one model); without them the images themselves have to do (``levels``), and the
result is marked as not calibrated. Values that are not told apart are judged together; a value that can be compared with nothing is
compared with texts that say no value.

Shapes: n images, k values, ``width`` of an embedding. Nothing here reads images or files, or runs a model but for texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...catalog.stats.formulas import POINTS
from ..texts.wording import Texts, Wording, in_words
from .calibration import Calibration, background, features, fit
from .confusion import Alike, alike
from .levels import MOST_IMAGES, Levels, estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Vectors = NDArray[np.float32]
    Ints = NDArray[np.int64]

    Encode = Callable[[Sequence[str]], Vectors]

#: What ``method`` says of a probability that was found here.
METHOD = "clip"


@dataclass(frozen=True, eq=False)
class Values:
    """A placeholder of a session: its values by key, and for each image which one (by number) it was asked for, -1 for none.

    ``avoided``: the template names it in the negative prompt alone, so that images are not to show its values."""

    name: str
    texts: Mapping[str, str]
    asked: Ints
    avoided: bool = False

    @classmethod
    def of(cls, name: str, texts: Mapping[str, str], asked: Sequence[str | None], avoided: bool = False) -> Values:
        """``texts``: key -> text of all values there are; ``asked``: a key for each image. Raises ``KeyError`` for an unknown one."""
        import numpy as np

        numbers: dict[str | None, int] = {None: -1, **{key: n for n, key in enumerate(texts)}}
        return cls(name, texts, np.array([numbers[key] for key in asked], np.int64), avoided)


@dataclass(frozen=True, eq=False)
class Described:
    """A placeholder with its texts: ``vectors`` (k, width) in the order of its values, normalised, 0 for a value without phrases;
    ``neutral`` (width,), the same of phrases that say no value."""

    values: Values
    words: Texts
    vectors: Vectors
    neutral: Vectors


@dataclass(frozen=True, eq=False)
class PlaceholderScores:
    """What is said about a placeholder in n images.

    ``asked``: (n,), which of ``keys``, -1 for none; ``probabilities``: (n,), 0 to 1 that an image shows that, NaN where it cannot be said;
    ``reason``: why nothing is said at all (``cleaning.REASONS``, "setting", "nothing-asked", "alike": no two values are told apart,
    "unseen": no value stands out in these images), else None; ``reasons``: key -> why a value is not judged; ``contrast``: whether a
    value was compared with other "values" or with "neutral" texts; ``separation``: how often an image asked for a value looks more like
    it than one asked for another (0.5 is chance), None when nothing was compared; ``calibration``: what made the probabilities, None:
    nobody's verdicts; ``groups``: keys that are not told apart, with the area under the ROC curve (None: their texts are the same to the
    model); ``features``: (n, 3), what a calibration is fitted to, NaN where there is none.
    """

    name: str
    kind: str
    keys: tuple[str, ...]
    asked: Ints
    probabilities: Floats
    reason: str | None
    reasons: Mapping[str, str]
    contrast: str = "values"
    separation: float | None = None
    calibration: Calibration | None = None
    groups: tuple[tuple[tuple[str, ...], float | None], ...] = ()
    features: Floats | None = None
    method: str = METHOD

    @property
    def calibrated(self) -> bool:
        """Whether people's verdicts made the probabilities."""
        return self.calibration is not None

    def summary(self) -> dict[str, Any]:
        """All but the columns, for JSON."""
        fitted = self.calibration
        return {
            "placeholder": self.name,
            "kind": self.kind,
            "reason": self.reason,
            "values": [{"key": key, "reason": self.reasons.get(key)} for key in self.keys],
            "contrast": self.contrast,
            "separation": self.separation,
            "calibrated": self.calibrated,
            "labels": fitted.labels if fitted else 0,
            "error": fitted.error if fitted else None,
            "auc": fitted.auc if fitted else None,
            "alike": [{"keys": list(keys), "auc": auc} for keys, auc in self.groups],
        }


def describe(placeholders: Sequence[Values], encode: Encode, wording: Wording | None = None) -> list[Described]:
    """Put all values in words and the words through the model, each phrase once. ``encode``: texts -> (m, width)."""
    import numpy as np

    words = [in_words(each.name, each.texts, wording, each.avoided) for each in placeholders]
    phrases = {phrase: None for each in words for value in each.values.values() for phrase in value.phrases}
    phrases.update({phrase: None for each in words for phrase in each.neutral})
    vectors = normalised(encode(list(phrases))) if phrases else np.zeros((0, 1), np.float32)
    row = {phrase: n for n, phrase in enumerate(phrases)}

    def mean(some: Sequence[str]) -> Vectors:
        return normalised(vectors[[row[phrase] for phrase in some]].sum(0))

    out = []
    for each, said in zip(placeholders, words, strict=True):
        rows = [mean(said.values[key].phrases) for key in each.texts]
        out.append(Described(each, said, np.array(rows).reshape(len(rows), vectors.shape[1]), mean(said.neutral)))
    return out


def normalised(vectors: Vectors) -> Vectors:
    """Of length 1 along the last axis; a vector of nothing stays so."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float32), axis=-1, keepdims=True)
    out: Vectors = vectors / np.maximum(lengths, 1e-12)
    return out


def score(
    images: Vectors,
    placeholders: Sequence[Described],
    scale: float,
    calibrations: Mapping[str, Calibration] | None = None,
) -> tuple[PlaceholderScores, ...]:
    """What n images, as (n, width) normalised embeddings, show of each placeholder.

    ``scale``: the model's temperature; ``calibrations`` by the placeholders' names, of the same model. ``ValueError`` for embeddings of
    another width than the texts'.
    """
    return tuple(_placeholder(images, each, scale, (calibrations or {}).get(each.values.name)) for each in placeholders)


def prompt_scores(images: Vectors, prompts: Vectors) -> Floats:
    """How well whole prompts fit: CLIPScore, 2.5 * max(cos, 0), of (n, width) images with (n, width) prompts, both normalised.

    Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning" (EMNLP 2021). It is no probability.
    """
    import numpy as np

    cosines: Floats = np.einsum("nw,nw->n", images, prompts, dtype=np.float64)
    return 2.5 * np.maximum(cosines, 0.0)


def truths(verdicts: Iterable[str | None]) -> Floats:
    """Verdicts as numbers: ok 1, partial a half, ko 0; NaN for others, which do not say whether the value is there."""
    import numpy as np

    return np.array([POINTS.get(verdict or "", np.nan) for verdict in verdicts])


def calibrate(judged: Iterable[tuple[PlaceholderScores, Floats]]) -> dict[str, Calibration]:
    """Calibrations by placeholder name, from what was said about sessions' images (any number of sessions, one model) and (n,)
    ``truths`` about the same images. A placeholder with too few verdicts has none."""
    import numpy as np

    found: dict[str, list[tuple[Floats, Floats]]] = {}
    for said, truth in judged:
        if said.features is not None:
            known = np.isfinite(truth) & np.isfinite(said.features).all(1)
            found.setdefault(said.name, []).append((said.features[known], truth[known]))
    fits = {
        name: fit(*(np.concatenate(columns) for columns in zip(*parts, strict=True))) for name, parts in found.items()
    }
    return {name: fitted for name, fitted in fits.items() if fitted}


# ---- one placeholder ---------------------------------------------------------------------------------------------------


def _placeholder(images: Vectors, of: Described, scale: float, calibration: Calibration | None) -> PlaceholderScores:
    import numpy as np

    keys = tuple(of.values.texts)
    reasons = {key: value.reason for key, value in of.words.values.items() if value.reason}
    real = [n for n, key in enumerate(keys) if key not in reasons]
    empty = [n for n, key in enumerate(keys) if reasons.get(key) == "empty"] if real else []
    asked = of.values.asked
    rows = np.flatnonzero(np.isin(asked, real + empty))
    nothing = np.full(len(images), np.nan)

    def unsaid(reason: str, **more: Any) -> PlaceholderScores:
        return PlaceholderScores(of.values.name, of.words.kind, keys, asked, nothing, reason, reasons, **more)

    if not len(rows):
        counts = Counter(reasons.get(keys[n], "nothing-asked") for n in asked[asked >= 0].tolist())
        return unsaid(min(counts, key=lambda reason: (-counts[reason], reason)) if counts else "nothing-asked")
    if images.shape[1] != of.vectors.shape[1]:
        raise ValueError(f"images have embeddings of {images.shape[1]} numbers, texts of {of.vectors.shape[1]}")
    reasons = {
        key: reason for key, reason in reasons.items() if reason != "empty"
    }  # judged by the absence of the others
    k = len(real)
    column = np.full(len(keys), k)
    column[real] = np.arange(k)
    column = column[asked[rows]]
    texts = np.concatenate([of.vectors[real], of.neutral[None]])
    similarities = (images @ texts.T)[rows].astype(np.float64)
    texts = texts.astype(np.float64)
    some = column < k
    names = [keys[n] for n in real]
    groups = alike(similarities[some, :k], column[some], texts[:k], names)
    said = tuple((tuple(names[n] for n in group.members), group.auc) for group in groups)
    similarities, column, texts = _together(similarities, column, texts, groups, scale)
    absent = similarities.shape[1] - 1
    if not empty and k > 1:
        similarities, texts = similarities[:, :absent], texts[:absent]
    if similarities.shape[1] < 2:
        return unsaid("alike", groups=said)
    levels = estimate(similarities, column, scale, absent if empty or k == 1 else None, texts @ texts.T)
    separation = _separation(levels, similarities, column) if levels.fitted else None
    found = np.full((len(images), 3), np.nan)
    if levels.fitted:
        found[rows] = features(levels.corrected(similarities), column, scale)
    # A calibration was made with levels that images told: without them it says nothing.
    fits = calibration if levels.fitted else None
    if levels.unseen and not fits:
        return unsaid("unseen", groups=said, separation=separation, features=found)
    probabilities = nothing.copy()
    probabilities[rows] = fits.probabilities(found[rows]) if fits else levels.probabilities(similarities, column)
    return PlaceholderScores(
        of.values.name,
        of.words.kind,
        keys,
        asked,
        probabilities,
        None,
        reasons,
        "neutral" if k == 1 else "values",
        separation,
        fits,
        said,
        found if levels.fitted else None,
    )


def _together(
    similarities: Floats, asked: Ints, texts: Floats, groups: Sequence[Alike], scale: float
) -> tuple[Floats, Ints, Floats]:
    """The same with one column, and one text, for each group: the mean of what its values' similarities stand for,
    exp(scale * similarity), and the middle of their texts."""
    import numpy as np

    if not groups:
        return similarities, asked, texts
    k = similarities.shape[1]
    first = np.arange(k)
    for group in groups:
        first[list(group.members)] = group.members[0]
    kept, place = np.unique(first, return_inverse=True)
    columns, middle = np.empty((len(similarities), len(kept))), np.empty((len(kept), texts.shape[1]))
    for n in range(len(kept)):
        middle[n] = texts[place == n].mean(0)
        some = similarities[:, place == n]
        top = some.max(1)
        columns[:, n] = top + np.log(np.exp((some - top[:, None]) * scale).mean(1)) / scale
    lengths = np.linalg.norm(middle, axis=1, keepdims=True)
    return columns, place[asked].astype(np.int64), middle / np.maximum(lengths, 1e-12)


def _separation(levels: Levels, similarities: Floats, asked: Ints) -> float:
    """How often an image looks more like what it was asked for than one that was asked for another value does."""
    import numpy as np

    around = levels.corrected(similarities)
    around = around - around.mean(1, keepdims=True)
    n = len(asked)
    if n > MOST_IMAGES:
        order = np.argsort(around[np.arange(n), asked], kind="stable")
        some = order[np.linspace(0, n - 1, MOST_IMAGES).astype(np.int64)]
        around, asked, n = around[some], asked[some], MOST_IMAGES
    return float(background(around, np.arange(n), asked).mean())
