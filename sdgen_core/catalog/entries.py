"""The values of placeholders in memory: per placeholder which image has which value, with what verdict and score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .columns import from_millionths, millionths, numbers
from .schema import KO, OK, VERDICT_NUMBER
from .store import Store

if TYPE_CHECKING:
    from .columns import Mask

VERDICTS = max(VERDICT_NUMBER.values()) + 1
# An entry as one number: 30 bits of the image, 30 of the value, 3 of the verdict.
_IMAGE, _VALUE = 33, 3
_PACKED = f"(image << {_IMAGE}) | (value << {_VALUE})"


class Entries:
    """The values of one placeholder: ``images`` in rising order, and for each the value, the verdict, the score (NaN: none).

    ``scores`` is None where there is none at all. ``cells`` are value and verdict as one number, counted from the value ``first``;
    ``known`` are the values that occur.
    """

    def __init__(self, images: Any, values: Any, verdicts: Any, scores: Any | None) -> None:
        import numpy as np

        self.images, self.values, self.verdicts = images, values, verdicts
        self.scores = None if scores is None or np.isnan(scores).all() else scores
        self.first = int(values.min(initial=2**31 - 1))
        self.range = int(values.max(initial=self.first - 1)) - self.first + 1
        self.cells = (values - self.first) * VERDICTS + verdicts
        self.known = np.flatnonzero(np.bincount(values - self.first)) + self.first
        self._by_image: Any = None

    def among(self, wanted: Any) -> Mask:
        """Which entries have one of the values ``wanted``."""
        import numpy as np

        here = wanted[(wanted >= self.first) & (wanted < self.first + self.range)]
        table = np.zeros(self.range, bool)
        table[here - self.first] = True
        found: Mask = table[self.values - self.first]
        return found

    def table(self, mask: Mask, found: Any) -> Any:
        """How many of the images in ``mask``, whose ids are ``found``, have each value (rows as ``known``) with each verdict."""
        import numpy as np

        cells = self.range * VERDICTS
        if (
            len(self.images) > len(mask) // 2
        ):  # most have one: looking at those that are found is quicker than at all entries
            if self._by_image is None or len(self._by_image) < len(mask):
                self._by_image = np.full(len(mask), cells, np.min_scalar_type(cells))
                self._by_image[self.images] = self.cells
            counts = np.bincount(self._by_image[found], minlength=cells)[:cells]
        else:
            counts = np.bincount(self.cells[mask[self.images]], minlength=cells)
        return counts.reshape(-1, VERDICTS)[self.known - self.first]

    def all_scores(self) -> Any:
        """The score of each entry, NaN where there is none."""
        import numpy as np

        return np.full(len(self.images), np.nan) if self.scores is None else self.scores

    def contradicts(self) -> Any:
        """How surely each entry's score contradicts its verdict, 0 to 1; NaN without a score, or where neither ok nor ko was said."""
        import numpy as np

        scores = self.all_scores()
        return np.where(self.verdicts == OK, 1 - scores, np.where(self.verdicts == KO, scores, np.nan))

    def count(self, images: Any) -> int:
        """How many entries are of ``images``."""
        import numpy as np

        sides = (np.searchsorted(self.images, images, side=side) for side in ("left", "right"))
        low, high = (int(places.sum()) for places in sides)
        return high - low

    def take_over(self, other: Entries) -> bool:
        """Take the verdicts and scores of ``other``, if these are the same values of the same images."""
        import numpy as np

        at = np.minimum(np.searchsorted(self.images, other.images), len(self.images) - 1)
        if (self.images[at] != other.images).any() or (self.values[at] != other.values).any():
            return False
        self.verdicts[at] = other.verdicts
        if self.scores is not None or other.scores is not None:
            self.scores = self.all_scores()
            self.scores[at] = other.all_scores()
        self.cells[at] = (other.values - self.first) * VERDICTS + other.verdicts
        if self._by_image is not None:
            self._by_image[other.images] = self.cells[at]
        return True


def owners(store: Store) -> Any:
    """Value -> placeholder, as an array; -1 for a value that there is not."""
    import numpy as np

    texts = store.rows("SELECT group_concat(id), group_concat(placeholder) FROM value")[0]
    values, placeholders = map(numbers, texts)
    owner = np.full(int(values.max(initial=0)) + 1, -1, "i4")
    owner[values] = placeholders
    return owner


def read(store: Store, parts: Sequence[tuple[str, Sequence[Any]]], owner: Any) -> dict[int, Entries]:
    """Placeholder -> entries, of the rows of ``image_value`` for which one of the conditions ``parts`` (with their values) holds."""
    import numpy as np

    packed, scored = [], []
    for where, asked in parts:
        has_scores = store.value(f"SELECT 1 FROM image_value WHERE score IS NOT NULL AND {where} LIMIT 1", asked)
        column = f", group_concat({millionths('score')})" if has_scores else ""
        texts = store.rows(f"SELECT group_concat({_PACKED} | verdict){column} FROM image_value WHERE {where}", asked)[0]
        packed.append(numbers(texts[0]))
        scored.append(from_millionths(numbers(texts[1])) if has_scores else np.full(len(packed[-1]), np.nan))
    whole, all_scores = np.concatenate(packed), np.concatenate(scored)
    if not len(whole):
        return {}
    if (whole[1:] < whole[:-1]).any():  # mostly they are sorted
        order = np.argsort(whole, kind="stable")
        whole, all_scores = whole[order], all_scores[order]
    images = (whole >> _IMAGE).astype("i4")
    values = (whole >> _VALUE & (1 << _IMAGE - _VALUE) - 1).astype("i4")
    verdicts = (whole & (1 << _VALUE) - 1).astype("i1")
    of = owner[values]
    order = np.argsort(
        of.astype("i2") if of.max() < 1 << 15 else of, kind="stable"
    )  # of two bytes: as many steps as entries
    groups = np.split(order, np.flatnonzero(np.diff(of[order])) + 1)
    return {int(of[some[0]]): Entries(images[some], values[some], verdicts[some], all_scores[some]) for some in groups}


def merge(old: Entries | None, new: Entries | None, gone: Mask) -> Entries:
    """``old`` without the images in ``gone``, and ``new``; one of them is there."""
    import numpy as np

    parts = [] if old is None else [(old, ~gone[old.images])]
    parts += [] if new is None else [(new, np.ones(len(new.images), bool))]
    images, values, verdicts, scores = (
        np.concatenate(
            [(some.all_scores() if name == "scores" else getattr(some, name))[stays] for some, stays in parts]
        )
        for name in ("images", "values", "verdicts", "scores")
    )
    order = np.argsort(images, kind="stable")  # quick where new images came behind the others
    return Entries(images[order], values[order], verdicts[order], scores[order])
