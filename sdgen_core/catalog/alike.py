"""Which images of the library have a near-duplicate in it: found at once, and kept right while images come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .columns import numbers
from .pictures.duplicates import distances, has_near
from .query import DUPLICATE
from .store import Store

if TYPE_CHECKING:
    from .columns import Mask

#: With more images changed, or near to them, everything is found anew.
_FEW = 32


class Alike:
    """The near-duplicates among the images of a snapshot's columns whose files are there."""

    def __init__(self) -> None:
        self._mask: Mask | None = None

    @property
    def known(self) -> bool:
        """Whether they were found before, so that they are at hand."""
        return self._mask is not None

    def forget(self) -> None:
        """Nothing is known of the columns any more."""
        self._mask = None

    def duplicates(self, columns: Mapping[str, Any]) -> Mask:
        """Which images have another one within ``DUPLICATE`` bits."""
        import numpy as np

        if self._mask is None:
            ids = np.flatnonzero(_there(columns))
            self._mask = np.zeros(len(columns["alive"]), bool)
            self._mask[ids] = has_near(columns["phash"][ids].view("u8"), DUPLICATE)
        return self._mask

    def take_over(self, ids: Any, before: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """The images ``ids`` had the columns ``before``, which are now as in ``columns``."""
        import numpy as np

        if self._mask is None:
            return
        there = _there(columns)
        was, now = _there(before), there[ids]
        different = (was != now) | (now & (before["phash"] != columns["phash"][ids]))
        if np.count_nonzero(different) > _FEW:
            return self.forget()
        self._mask = np.append(self._mask, np.zeros(len(there) - len(self._mask), bool))
        hashes = columns["phash"].view("u8")
        touched = {int(image) for image in ids[different]}
        for hash in {*before["phash"][different & was].tolist(), *columns["phash"][ids[different & now]].tolist()}:
            touched.update(np.flatnonzero(there & (distances(hashes, hash & (1 << 64) - 1) <= DUPLICATE)).tolist())
            if len(touched) > 2 * _FEW:
                return self.forget()
        for image in touched:
            near = there & (distances(hashes, int(hashes[image])) <= DUPLICATE)
            self._mask[image] = there[image] and np.count_nonzero(near) > 1


def _there(columns: Mapping[str, Any]) -> Mask:
    there: Mask = columns["alive"] & columns["looked_at"] & (columns["missing"] == 0)
    return there


def duplicate_ids(store: Store) -> list[int]:
    """The ids of ``Alike.duplicates``, read from the database."""
    sql = "SELECT group_concat(id), group_concat(phash) FROM image WHERE phash IS NOT NULL AND missing = 0"
    ids, hashes = map(numbers, store.rows(sql)[0])
    found: list[int] = ids[has_near(hashes.view("u8"), DUPLICATE)].tolist()
    return found
