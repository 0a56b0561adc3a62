"""The index in memory, column by column: every filter with the live counts of every facet in a few milliseconds.

Row ``i`` of a column is image ``i`` of ``index.db``. Values stand per placeholder as two columns, which image and which value, sorted by
image: a count of all values under any filter is one look at each entry. What changes in the database is read again row by row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from . import columns, entries, orders
from .alike import Alike
from .entries import Entries
from .facets import Counts, Facets, Tables
from .masks import holds
from .names import Names
from .pictures.duplicates import near_groups, nearest
from .query import Query
from .resolve import Condition, Resolved, resolve
from .schema import TRASH
from .sql import as_list
from .store import Store

if TYPE_CHECKING:
    from .columns import Ids, Mask

#: More changed rows than this, and than a quarter of all, are not patched: everything is read anew.
_PATCH = 5_000
#: Orders kept: ids in all of them together, at least for as many.
_ORDERED, _ORDERS = 16_000_000, 8


class Snapshot:
    """The images of ``store`` in memory. Safe for many threads; ``refresh`` takes over what changed.

    ``columns`` by name (see ``columns.py``), ``entries`` by placeholder's id, ``owner`` value -> placeholder, ``tagged`` images and
    their tags, all for ids below ``size``.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._seq = -1
        self.epoch = 0
        self._orders: dict[tuple[str, ...], Ids] = {}
        self.names = Names(store)
        self.alike = Alike()
        self.columns: dict[str, Any] = {}
        self.entries: dict[int, Entries] = {}
        self.owner: Any = None
        self.tagged: tuple[Any, Any] = (None, None)
        self.size = 0

    @property
    def loaded(self) -> bool:
        """Whether the columns were read once: until then an answer takes as long as that."""
        return self._seq >= 0

    def still(self) -> AbstractContextManager[object]:
        """While this is held nothing is taken over: what is looked at in several steps is of one moment."""
        return self._lock

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Take over what was changed since the last time; gives the number of this state, which grows with each change."""
        with self._lock, self.store.moment():
            seq = self.store.value("SELECT seq FROM sqlite_sequence WHERE name='changed'") or 0
            if seq != self._seq:
                changed = self._changed_until(seq)
                if changed is None:
                    self._read_all()
                elif changed:
                    self._patch(changed)
                self._seq = seq
                self.epoch += 1
            return self.epoch

    def _changed_until(self, seq: int) -> list[int] | None:
        """Images that changed since the last time; None when they are too many, or no longer known."""
        oldest = self.store.value("SELECT min(seq) FROM changed")
        if self._seq < 0 or oldest is None or oldest > self._seq + 1:
            return None
        most = max(_PATCH, self.size // 4)
        sql = "SELECT DISTINCT image FROM changed WHERE seq > ? AND seq <= ? LIMIT ?"
        rows = self.store.rows(sql, (self._seq, seq, most + 1))
        return [row[0] for row in rows] if len(rows) <= most else None

    def _read_all(self) -> None:
        top = self.store.value("SELECT max(id) FROM image") or 0
        self.size = top + 1
        self.columns = columns.blank(self.size)
        for span in columns.spans(top):
            columns.fill(self.columns, self.store, "BETWEEN ? AND ?", span)
        self.owner = entries.owners(self.store)
        parts = [("image BETWEEN ? AND ?", span) for span in columns.spans(top)]
        self.entries = entries.read(self.store, parts, self.owner)
        self.tagged = self._tags("1", ())
        self.columns["tagged"][self.tagged[0]] = True
        self._orders.clear()
        self.alike.forget()

    def _tags(self, where: str, values: Sequence[Any]) -> tuple[Any, Any]:
        sql = f"SELECT group_concat(image), group_concat(tag) FROM image_tag WHERE {where}"
        images, tags = map(columns.numbers, self.store.rows(sql, values)[0])
        return images, tags

    def _patch(self, images: Sequence[int]) -> None:
        import numpy as np

        top = max(images) + 1
        if top > self.size:  # grow by more than is needed, for images come one after another
            more = columns.blank(max(top - self.size, self.size // 8))
            self.columns = {name: np.concatenate([column, more[name]]) for name, column in self.columns.items()}
            self.size = len(self.columns["alive"])
        asked, among = (as_list(images),), "IN (SELECT value FROM json_each(?))"
        ids = np.array(images, "i8")
        before = {name: column[ids] for name, column in self.columns.items()}
        self.columns["alive"][ids] = False
        columns.fill(self.columns, self.store, among, asked)
        gone = np.zeros(self.size, bool)
        gone[ids] = True
        old, new = self.tagged, self._tags(f"image {among}", asked)
        remain = ~gone[old[0]]
        self.tagged = np.append(old[0][remain], new[0]), np.append(old[1][remain], new[1])
        self.columns["tagged"][ids] = False
        self.columns["tagged"][new[0]] = True
        changed = {
            name
            for name, was in before.items()
            if not np.array_equal(was, self.columns[name][ids], equal_nan=was.dtype.kind == "f")
        }
        self.alike.take_over(ids, before, self.columns)
        if self._patch_entries(ids, gone, (f"image {among}", asked)):
            changed.add("value")
        self._drop_orders(lambda sort: not orders.stays(sort, changed))

    def _patch_entries(self, ids: Any, gone: Mask, part: tuple[str, Sequence[Any]]) -> bool:
        """Take the values of the images ``ids``, whose mask is ``gone``, as they are now; whether some have other ones than before."""
        if (self.store.value("SELECT max(id) FROM value") or 0) >= len(self.owner):
            self.owner = entries.owners(self.store)
        fresh = entries.read(self.store, [part], self.owner)
        different = False
        for placeholder in {*fresh, *self.entries}:
            old, new = self.entries.get(placeholder), fresh.get(placeholder)
            count = 0 if old is None else old.count(ids)
            if (
                old is not None
                and count == (0 if new is None else len(new.images))
                and (new is None or old.take_over(new))
            ):
                continue
            different = True
            self.entries[placeholder] = entries.merge(old, new, gone)
        return different

    def _refresh_names(self) -> None:
        if self.names.refresh():  # a session is renamed without a change of its images
            self._drop_orders(lambda sort: any(name.lstrip("-") == "session" for name in sort))

    def _drop_orders(self, wrong: Any) -> None:
        for sort in [sort for sort in self._orders if wrong(sort)]:
            del self._orders[sort]

    # ---- answering -------------------------------------------------------------------------------------------------------

    def mask(self, conditions: Iterable[Condition]) -> Mask:
        """Which images all of ``conditions`` hold for: one truth per row."""
        with self._lock:
            out: Mask = self.columns["alive"].copy()
            for condition in conditions:
                out &= holds(self, condition)
        return out

    def duplicates(self) -> Mask:
        """Which images have a near-duplicate in the library."""
        with self._lock:
            return self.alike.duplicates(self.columns)

    def ordered(self, sort: Sequence[str]) -> Ids:
        """The ids of all images in the order of these sort keys."""
        key = tuple(sort)
        with self._lock:
            if any(name.lstrip("-") in ("session", "model", "sampler") for name in key):
                self._refresh_names()
            known = self._orders.pop(key, None)
            if known is None:
                known = orders.ordered(self, key)
                while len(self._orders) >= max(_ORDERS, _ORDERED // self.size):
                    self._orders.pop(next(iter(self._orders)))
            self._orders[key] = known  # behind those that were asked for longer ago
        return known

    def find(self, query: Query) -> tuple[Ids, Resolved]:
        """The ids of what ``query`` finds, in its order."""
        with self._lock:
            self.refresh()
            resolved = resolve(self.store, query)
            mask = self.mask(resolved.conditions)
            order = self.ordered(query.sort)
        found: Ids = order[mask[order]]
        return found, resolved

    def page(self, query: Query, limit: int, after: int | None = None) -> tuple[list[int], int, Resolved]:
        """Up to ``limit`` ids of what ``query`` finds, in order, behind the image ``after``, which need not be found itself; how many
        are found in all."""
        import numpy as np

        with self._lock:
            found, resolved = self.find(query)
            begin = 0
            if after is not None:
                order = self.ordered(query.sort)
                place = np.flatnonzero(order == after)
                if len(place):
                    later = np.zeros(self.size, bool)
                    later[order[place[0] + 1 :]] = True
                    begin = len(found) - int(np.count_nonzero(later[found]))
        return found[begin : begin + max(0, limit)].tolist(), len(found), resolved

    def groups(self, query: Query, distance: int) -> list[list[int]]:
        """The images that ``query`` finds and that look alike, in groups."""
        with self._lock:
            found, _ = self.find(query)
            found = found[self.columns["looked_at"][found]]
            found.sort()
            hashes = self.columns["phash"][found].view("u8")
        return [found[group].tolist() for group in near_groups(hashes, distance)]

    def similar(self, image: int, limit: int) -> list[tuple[int, int]]:
        """The nearest images to one, and how near they are: of those that are there and not in the trash."""
        with self._lock:
            self.refresh()
            known = self.columns
            among = known["alive"] & known["looked_at"] & (known["missing"] == 0) & (known["mark"] != TRASH)
            if image >= self.size or not known["looked_at"][image]:
                return []
            among[image] = False
            ids = among.nonzero()[0]
            found, distances = nearest(
                known["phash"][ids].view("u8"), int(known["phash"][image]) & (1 << 64) - 1, limit
            )
        return list(zip(ids[found].tolist(), distances.tolist(), strict=True))

    def counts(self, resolved: Resolved) -> tuple[int, Tables]:
        """How many images are found; and per placeholder its values, and an array [value, verdict] of how many images have them.

        The clauses about a placeholder's own values do not narrow its counts: they say what choosing another of its values would
        find as well.
        """
        with self._lock:
            self.refresh()
            counts = Counts(self, resolved)
            return counts.total(), counts.tables()

    def facets(self, resolved: Resolved) -> Facets:
        """``counts``, and the same of everything else that can be chosen from a list."""
        with self._lock:
            self.refresh()
            self._refresh_names()
            counts = Counts(self, resolved)
            return Facets(counts.total(), counts.tables(), counts.fields())
