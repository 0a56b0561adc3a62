"""The index in memory, column by column: every filter with the live counts of every facet in a few milliseconds.

Row ``i`` of a column is image ``i`` of ``index.db``. Values stand per placeholder as two columns, which image and which value, sorted by
image: a count of all values under any filter is one look at each entry. What changes in the database is read again row by row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import sql
from .query import Query, Range
from .resolve import Condition, Resolved, resolve
from .schema import VERDICT_NUMBER
from .store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Ids = NDArray[np.int32]

#: Column -> numpy type; NULL is the number behind it.
_COLUMNS: dict[str, tuple[str, float]] = {
    "session": ("i4", 0),
    "created": ("i8", 0),
    "number": ("i4", 0),
    "batch": ("i4", 0),
    "seed": ("i8", 0),
    "width": ("i4", -1),
    "height": ("i4", -1),
    "bytes": ("i8", 0),
    "model": ("i4", -1),
    "sampler": ("i4", -1),
    "scheduler": ("i4", -1),
    "steps": ("i4", -1),
    "cfg": ("f8", float("nan")),
    "prompt": ("i4", -1),
    "mark": ("i1", 0),
    "failed": ("i1", 0),
    "rating": ("i1", 0),
    "judged": ("i2", 0),
    "missing": ("i1", 0),
    "broken": ("i1", 0),
}
_EXTRA = ("seed IS NOT NULL", "note IS NOT NULL", "EXISTS(SELECT 1 FROM image_tag WHERE image_tag.image = image.id)")
_EXTRA_NAMES = ("seeded", "noted", "tagged")
_SELECT = ", ".join(
    [
        f"coalesce({name}, {missing:g})" if missing == missing else f"coalesce({name}, 9e999)"
        for name, (_, missing) in _COLUMNS.items()
    ]
    + list(_EXTRA)
)
_VERDICTS = max(VERDICT_NUMBER.values()) + 1
#: More changed rows than this are not patched: everything is read anew.
_PATCH = 5_000
_ORDERS = 12


@dataclass
class Entries:
    """The values of one placeholder: ``images`` in rising order, and for each the value, the verdict, the score (NaN: none)."""

    images: Any
    values: Any
    verdicts: Any
    scores: Any


class Snapshot:
    """The images of ``store`` in memory. Safe for many threads; ``refresh`` takes over what changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._seq = -1
        self.epoch = 0
        self._orders: dict[tuple[str, ...], Any] = {}
        self.columns: dict[str, Any] = {}
        self.entries: dict[int, Entries] = {}
        self.tags: dict[int, Any] = {}
        self.size = 0

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Take over what was changed since the last time; gives the number of this state, which grows with each change."""
        with self._lock:
            seq = self._store.value("SELECT seq FROM sqlite_sequence WHERE name='changed'") or 0
            if seq == self._seq:
                return self.epoch
            changed: list[int] | None = None
            if self._seq >= 0:
                oldest = self._store.value("SELECT min(seq) FROM changed")
                if oldest is not None and oldest <= self._seq + 1:
                    rows = self._store.rows(
                        "SELECT DISTINCT image FROM changed WHERE seq > ? AND seq <= ? LIMIT ?",
                        (self._seq, seq, _PATCH + 1),
                    )
                    changed = [row[0] for row in rows] if len(rows) <= _PATCH else None
            if changed is None:
                self._read_all()
            else:
                self._patch(changed)
            self._seq = seq
            self.epoch += 1
            self._orders.clear()
            return self.epoch

    def _read_all(self) -> None:
        import numpy as np

        rows = self._store.rows(f"SELECT id, {_SELECT} FROM image ORDER BY id")
        self.size = (rows[-1][0] if rows else 0) + 1
        ids = np.fromiter((row[0] for row in rows), "i8", len(rows))
        names = [*_COLUMNS, *_EXTRA_NAMES]
        columns: dict[str, Any] = {}
        for at, name in enumerate(names, 1):
            kind, missing = _COLUMNS.get(name, ("?", 0))
            column = np.full(self.size, missing, kind)
            column[ids] = np.fromiter((row[at] for row in rows), kind, len(rows))
            columns[name] = column
        columns["cfg"][np.isinf(columns["cfg"])] = np.nan
        columns["alive"] = np.zeros(self.size, bool)
        columns["alive"][ids] = True
        self.columns = columns
        placeholders = dict(self._store.rows("SELECT id, placeholder FROM value"))
        found = self._store.rows("SELECT image, value, verdict, score FROM image_value ORDER BY image")
        self.entries = _group(found, placeholders)
        self.tags = {}
        for tag, image in self._store.rows("SELECT tag, image FROM image_tag ORDER BY image"):
            self.tags.setdefault(tag, []).append(image)
        self.tags = {tag: np.array(images, "i4") for tag, images in self.tags.items()}

    def _patch(self, images: Sequence[int]) -> None:
        import numpy as np

        if not images:
            return
        top = max(images) + 1
        if top > self.size:  # grow by more than is needed, for images come one after another
            room = max(top, self.size + self.size // 8)
            for name, column in self.columns.items():
                missing = _COLUMNS.get(name, ("?", 0))[1]
                longer = np.full(room, missing, column.dtype)
                longer[: len(column)] = column
                self.columns[name] = longer
            self.size = room
        columns = {
            name: column.copy() for name, column in self.columns.items()
        }  # whoever reads now goes on with the old
        gone = np.zeros(self.size, bool)
        gone[list(images)] = True
        columns["alive"][gone] = False
        asked = sql.as_list(images)
        for row in self._store.rows(
            f"SELECT id, {_SELECT} FROM image WHERE id IN (SELECT value FROM json_each(?))", (asked,)
        ):
            for name, value in zip([*_COLUMNS, *_EXTRA_NAMES], row[1:], strict=True):
                columns[name][row[0]] = float("nan") if value == float("inf") else value
            columns["alive"][row[0]] = True
        placeholders = dict(self._store.rows("SELECT id, placeholder FROM value"))
        found = self._store.rows(
            "SELECT image, value, verdict, score FROM image_value WHERE image IN (SELECT value FROM json_each(?)) ORDER BY image",
            (asked,),
        )
        fresh = _group(found, placeholders)
        entries = dict(self.entries)
        for placeholder in {*fresh, *entries}:
            merged = _merge(entries.get(placeholder), fresh.get(placeholder), gone)
            if merged is not None:
                entries[placeholder] = merged
        tags = {tag: some[~gone[some]] for tag, some in self.tags.items()}
        for tag, image in self._store.rows(
            "SELECT tag, image FROM image_tag WHERE image IN (SELECT value FROM json_each(?))", (asked,)
        ):
            tags[tag] = np.append(tags.get(tag, np.empty(0, "i4")), np.int32(image))
        self.columns, self.entries, self.tags = columns, entries, tags

    # ---- answering -------------------------------------------------------------------------------------------------------

    def mask(self, conditions: Iterable[Condition]) -> Mask:
        """Which images all of ``conditions`` hold for: one truth per row."""
        with self._lock:
            out: Mask = self.columns["alive"].copy()
            for condition in conditions:
                found = self._holds(condition)
                out &= ~found if condition.negate else found
        return out

    def _holds(self, condition: Condition) -> Mask:
        import numpy as np

        columns = self.columns
        if condition.kind == "flags":
            out: Mask = np.zeros(self.size, bool)
            for flag in condition.flags:
                out |= _FLAGS[flag](columns)
            return out
        if condition.kind == "range":
            return self._in_ranges(condition.column, condition.ranges)
        if condition.kind in ("verdict", "score"):
            return self._by_entries(condition)
        assert condition.ids is not None
        if condition.column == "value":
            return self._with_values(condition.ids)
        out = np.zeros(self.size, bool)
        if condition.column == "tag":
            for tag in condition.ids & self.tags.keys():
                out[self.tags[tag]] = True
            return out
        column = columns[condition.column]
        wanted = np.zeros(max(int(column.max(initial=0)), max(condition.ids, default=0)) + 2, bool)
        wanted[list(condition.ids)] = True
        wanted[-1] = False  # where -1, no value, leads to
        found: Mask = wanted[column]
        return found

    def _in_ranges(self, name: str, ranges: Sequence[Range]) -> Mask:
        import numpy as np

        column = self.columns[name]
        known: Mask = np.ones(self.size, bool)
        if name == "seed":
            column, known = column.view("u8"), self.columns["seeded"]
        elif _COLUMNS[name][1] == -1:
            known = column >= 0
        out: Mask = np.zeros(self.size, bool)
        for one in ranges:
            holds = known.copy()
            if one.low is not None:
                holds &= column >= (max(0, one.low) if name == "seed" else one.low)
            if one.high is not None:
                holds &= (column <= one.high) if name != "seed" or one.high >= 0 else np.False_
            out |= holds
        return out

    def _with_values(self, values: Iterable[int]) -> Mask:
        import numpy as np

        out: Mask = np.zeros(self.size, bool)
        wanted = np.array(sorted(values), "i4")
        for entries in self.entries.values():
            if len(wanted) and len(entries.values):
                here = wanted[(wanted >= entries.values.min()) & (wanted <= entries.values.max())]
                if len(here) == 1:
                    out[entries.images[entries.values == here[0]]] = True
                elif len(here):
                    out[entries.images[np.isin(entries.values, here)]] = True
        return out

    def _by_entries(self, condition: Condition) -> Mask:
        import numpy as np

        out: Mask = np.zeros(self.size, bool)
        wanted = None if condition.ids is None else np.array(sorted(condition.ids), "i4")
        for entries in self.entries.values():
            if condition.kind == "verdict":
                holds = np.isin(entries.verdicts, list(condition.numbers))
            else:
                holds = np.zeros(len(entries.images), bool)
                for one in condition.ranges:
                    low = -np.inf if one.low is None else one.low
                    high = np.inf if one.high is None else one.high
                    holds |= (entries.scores >= low) & (entries.scores <= high)
            if wanted is not None:
                holds &= np.isin(entries.values, wanted)
            out[entries.images[holds]] = True
        return out

    def ordered(self, sort: Sequence[str]) -> Ids:
        """The ids of all images in the order of these sort keys."""
        key = tuple(sort)
        with self._lock:
            known: Ids | None = self._orders.get(key)
            if known is None:
                known = self._sorted(key)
                while len(self._orders) >= _ORDERS:
                    self._orders.pop(next(iter(self._orders)))
                self._orders[key] = known
        return known

    def _sorted(self, sort: Sequence[str]) -> Ids:
        import numpy as np

        alive = np.flatnonzero(self.columns["alive"]).astype("i4")
        keys = [made for name in sort for made in self._sort_keys(name, alive)]
        down = len(sort) == 1 and keys[0][1] and len(keys) == 1
        keys.append((alive, down))
        columns = [-key.astype("i8") if down and key.dtype.kind != "f" else -key if down else key for key, down in keys]
        out: Ids = alive[np.lexsort(columns[::-1])]
        return out

    def _sort_keys(self, name: str, alive: Ids) -> list[tuple[Any, bool]]:
        import numpy as np

        down = name.startswith("-")
        kind, _, of = name.removeprefix("-").partition(":")
        columns = self.columns
        if kind == "random":
            return [(_mixed(alive, int(of)), down)]
        if kind == "number":
            return [(columns["number"][alive].astype("i8") * 64 + columns["batch"][alive], down)]
        if kind in ("created", "judged", "bytes"):
            return [(columns[kind][alive], down)]
        if kind == "seed":
            seeds = columns["seed"][alive]
            return [(~columns["seeded"][alive], False), (seeds < 0, down), (seeds, down)]
        if kind in ("rating", "mark"):
            column = columns[kind][alive]
            return [(column == 0, False), (column, down)]
        if kind == "steps":
            return [(columns["steps"][alive] < 0, False), (columns["steps"][alive], down)]
        if kind == "cfg":
            column = columns["cfg"][alive]
            return [(np.isnan(column), False), (np.nan_to_num(column), down)]
        if kind == "pixels":
            width, height = columns["width"][alive].astype("i8"), columns["height"][alive]
            unknown = (width < 0) | (height < 0)
            return [(unknown, False), (np.where(unknown, 0, width * height), down)]
        # texts: SQLite says which place each image has
        order = sql.order((kind + (f":{of}" if of else ""),))
        keys = ", ".join(key for key, _ in order.keys[:-1])
        rows = self._store.rows(f"SELECT image.id, {keys} FROM image", order.values)
        texts = sorted({row[-1] for row in rows if row[-1] is not None})
        places = {text: n for n, text in enumerate(texts)}
        rank = np.full(self.size, len(texts), "i8")
        for row in rows:
            if row[0] < self.size and row[-1] is not None:
                rank[row[0]] = places[row[-1]]
        unknown = rank[alive] == len(texts)
        return [(unknown, False), (np.where(unknown, 0, rank[alive]), down)]

    def find(self, query: Query) -> tuple[Ids, Resolved]:
        """The ids of what ``query`` finds, in its order."""
        with self._lock:
            self.refresh()
            resolved = resolve(self._store, query)
            mask = self.mask(resolved.conditions)
            order = self.ordered(query.sort)
        found: Ids = order[mask[order]]
        return found, resolved

    # ---- counting --------------------------------------------------------------------------------------------------------

    def counts(self, resolved: Resolved) -> tuple[int, dict[int, Any]]:
        """How many images are found; and per placeholder an array [value, verdict] of how many images have them.

        The clauses about a placeholder's own values do not narrow its counts: they say what choosing another of its values would
        find as well.
        """
        import numpy as np

        with self._lock:
            own: dict[int, list[Condition]] = {}
            for condition in resolved.conditions:
                if condition.column == "value" and not condition.negate and condition.ids:
                    own.setdefault(self._placeholder_of(condition.ids), []).append(condition)
            whole = self.mask(resolved.conditions)
            out: dict[int, Any] = {}
            for placeholder, entries in self.entries.items():
                mask = whole
                if placeholder in own:
                    mask = self.mask(c for c in resolved.conditions if c not in own[placeholder])
                holds = mask[entries.images]
                first = int(entries.values.min(initial=0))
                cells = (entries.values[holds].astype("i8") - first) * _VERDICTS + entries.verdicts[holds]
                last = int(entries.values.max(initial=0))
                table = np.bincount(cells, minlength=(last - first + 1) * _VERDICTS).reshape(-1, _VERDICTS)
                rows = np.flatnonzero(np.bincount(entries.values - first, minlength=last - first + 1))
                out[placeholder] = (rows + first, table[rows])
        return int(whole.sum()), out

    def _placeholder_of(self, values: Iterable[int]) -> int:
        value = next(iter(values))
        found: int = self._store.value("SELECT placeholder FROM value WHERE id=?", (value,))
        return found


def _mixed(ids: Ids, seed: int) -> Any:
    """``store.mix`` for many."""
    import numpy as np

    h = (ids.astype("u8") * np.uint64(0x9E3779B1) + np.uint64(seed * 0x85EBCA77 & 0xFFFFFFFF)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(16))).astype("i8")


def _group(rows: Sequence[tuple[int, int, int, float | None]], placeholders: dict[int, int]) -> dict[int, Entries]:
    import numpy as np

    n = len(rows)
    images = np.fromiter((row[0] for row in rows), "i4", n)
    values = np.fromiter((row[1] for row in rows), "i4", n)
    verdicts = np.fromiter((row[2] for row in rows), "i1", n)
    scores = np.fromiter((float("nan") if row[3] is None else row[3] for row in rows), "f8", n)
    owner = np.zeros(max(placeholders, default=0) + 1, "i4")
    owner[list(placeholders)] = list(placeholders.values())
    of = owner[values] if n else np.empty(0, "i4")
    order = np.argsort(of, kind="stable")
    bounds = np.flatnonzero(np.diff(of[order])) + 1
    out = {}
    for part in np.split(order, bounds) if n else ():
        out[int(of[part[0]])] = Entries(images[part], values[part], verdicts[part], scores[part])
    return out


def _merge(old: Entries | None, new: Entries | None, gone: Mask) -> Entries | None:
    """``old`` without the images in ``gone``, and ``new``; None when nothing is different."""
    import numpy as np

    if old is None:
        return new
    stays = ~gone[old.images]
    if new is None and stays.all():
        return None
    columns = []
    for name in ("images", "values", "verdicts", "scores"):
        kept = getattr(old, name)[stays]
        columns.append(kept if new is None else np.concatenate([kept, getattr(new, name)]))
    if (
        new is not None
        and len(columns[0]) > len(new.images)
        and new.images[0] < columns[0][len(columns[0]) - len(new.images) - 1]
    ):
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] for column in columns]
    return Entries(*columns)


_FLAGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "favourite": lambda c: c["mark"] == 1,
    "interesting": lambda c: c["mark"] == 2,
    "trash": lambda c: c["mark"] == 3,
    "marked": lambda c: c["mark"] > 0,
    "failed": lambda c: c["failed"] == 1,
    "judged": lambda c: c["judged"] > 0,
    "tagged": lambda c: c["tagged"],
    "noted": lambda c: c["noted"],
    "missing": lambda c: c["missing"] == 1,
    "broken": lambda c: c["broken"] == 1,
    "landscape": lambda c: (c["width"] > c["height"]) & (c["height"] >= 0),
    "portrait": lambda c: (c["width"] < c["height"]) & (c["width"] >= 0),
    "square": lambda c: (c["width"] == c["height"]) & (c["height"] >= 0),
}
