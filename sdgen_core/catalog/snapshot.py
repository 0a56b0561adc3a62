"""The index in memory, column by column: every filter with the live counts of every facet in a few milliseconds.

Row ``i`` of a column is image ``i`` of ``index.db``. Values stand per placeholder as two columns, which image and which value, sorted by
image: a count of all values under any filter is one look at each entry. What changes in the database is read again row by row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
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
#: Columns that are no column of the table.
_MADE = {
    "seeded": "seed IS NOT NULL",
    "noted": "note IS NOT NULL",
    "tagged": "EXISTS(SELECT 1 FROM image_tag WHERE image_tag.image = image.id)",
}
_ALL: dict[str, tuple[str, float]] = {**_COLUMNS, **dict.fromkeys(_MADE, ("?", 0)), "alive": ("?", 0)}
_SELECT = ", ".join(
    [
        f"coalesce({name}, {missing:g})" if missing == missing else f"coalesce({name}, 9e999)"
        for name, (_, missing) in _COLUMNS.items()
    ]
    + list(_MADE.values())
)
_ENTRIES = "SELECT image, value, verdict, coalesce(score, 9e999) FROM image_value"
#: What judging changes.
_OFTEN = {"mark", "failed", "rating", "judged", "missing", "broken", "noted", "tagged"}
_VERDICTS = max(VERDICT_NUMBER.values()) + 1
#: More changed rows than this are not patched: everything is read anew.
_PATCH = 5_000
_ORDERS = 12


class Entries:
    """The values of one placeholder: ``images`` in rising order, and for each the value, the verdict, the score (NaN: none).

    ``cells`` are value and verdict as one number, counted from the value ``first``; ``known`` are the values that occur.
    """

    def __init__(self, images: Any, values: Any, verdicts: Any, scores: Any) -> None:
        import numpy as np

        self.images, self.values, self.verdicts, self.scores = images, values, verdicts, scores
        self.first = int(values.min(initial=2**31 - 1))
        self.range = int(values.max(initial=self.first - 1)) - self.first + 1
        self.cells = (values - self.first) * _VERDICTS + verdicts
        self.known = np.flatnonzero(np.bincount(values - self.first)) + self.first

    def among(self, wanted: Any) -> Mask:
        """Which entries have one of the values ``wanted``."""
        import numpy as np

        here = wanted[(wanted >= self.first) & (wanted < self.first + self.range)]
        table = np.zeros(self.range, bool)
        table[here - self.first] = True
        found: Mask = table[self.values - self.first]
        return found

    def table(self, mask: Mask) -> Any:
        """How many of the images in ``mask`` have each value (rows as ``known``) with each verdict."""
        import numpy as np

        counts = np.bincount(self.cells[mask[self.images]], minlength=self.range * _VERDICTS)
        return counts.reshape(-1, _VERDICTS)[self.known - self.first]

    def take_over(self, other: Entries) -> bool:
        """Take the verdicts and scores of ``other``, if these are the same values of the same images."""
        import numpy as np

        at = np.minimum(np.searchsorted(self.images, other.images), len(self.images) - 1)
        if (self.images[at] != other.images).any() or (self.values[at] != other.values).any():
            return False
        self.verdicts[at], self.scores[at] = other.verdicts, other.scores
        self.cells[at] = (other.values - self.first) * _VERDICTS + other.verdicts
        return True


class Snapshot:
    """The images of ``store`` in memory. Safe for many threads; ``refresh`` takes over what changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._seq = -1
        self.epoch = 0
        self._orders: dict[tuple[str, ...], Any] = {}
        self._owner: Any = None  # value -> placeholder
        self.columns: dict[str, Any] = {}
        self.entries: dict[int, Entries] = {}
        self.tags: dict[int, Any] = {}
        self.size = 0

    def still(self) -> AbstractContextManager[object]:
        """While this is held nothing is taken over: what is looked at in several steps is of one moment."""
        return self._lock

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Take over what was changed since the last time; gives the number of this state, which grows with each change."""
        with self._lock:
            seq = self._store.value("SELECT seq FROM sqlite_sequence WHERE name='changed'") or 0
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
        oldest = self._store.value("SELECT min(seq) FROM changed")
        if self._seq < 0 or oldest is None or oldest > self._seq + 1:
            return None
        sql_ = "SELECT DISTINCT image FROM changed WHERE seq > ? AND seq <= ? LIMIT ?"
        rows = self._store.rows(sql_, (self._seq, seq, _PATCH + 1))
        return [row[0] for row in rows] if len(rows) <= _PATCH else None

    def _read_all(self) -> None:
        import numpy as np

        rows = self._store.rows(f"SELECT id, {_SELECT} FROM image ORDER BY id")
        self.size = (rows[-1][0] if rows else 0) + 1
        self.columns = {name: np.full(self.size, missing, kind) for name, (kind, missing) in _ALL.items()}
        self._fill(rows)
        placeholders = dict(self._store.rows("SELECT id, placeholder FROM value"))
        self._owner = _owners(placeholders)
        self.entries = _group(self._store.rows(f"{_ENTRIES} ORDER BY image"), self._owner)
        tags: dict[int, list[int]] = {}
        for tag, image in self._store.rows("SELECT tag, image FROM image_tag"):
            tags.setdefault(tag, []).append(image)
        self.tags = {tag: np.array(images, "i4") for tag, images in tags.items()}
        self._orders.clear()

    def _fill(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows of ``_SELECT``, with the id before it, into the columns."""
        import numpy as np

        ids = np.fromiter((row[0] for row in rows), "i8", len(rows))
        for at, name in enumerate(_ALL, 1):
            column = self.columns[name]
            if name == "alive":
                column[ids] = True
            else:
                column[ids] = np.fromiter((row[at] for row in rows), column.dtype, len(rows))
        cfg = self.columns["cfg"]
        cfg[np.isinf(cfg)] = np.nan

    def _patch(self, images: Sequence[int]) -> None:
        import numpy as np

        top = max(images) + 1
        if top > self.size:  # grow by more than is needed, for images come one after another
            more = max(top - self.size, self.size // 8)
            for name, (kind, missing) in _ALL.items():
                self.columns[name] = np.concatenate([self.columns[name], np.full(more, missing, kind)])
            self.size += more
        asked = (sql.as_list(images),)
        among = "IN (SELECT value FROM json_each(?))"
        ids = np.array(images, "i8")
        before = {name: column[ids] for name, column in self.columns.items()}
        self.columns["alive"][ids] = False
        self._fill(self._store.rows(f"SELECT id, {_SELECT} FROM image WHERE id {among}", asked))
        changed = {
            name
            for name, old in before.items()
            if not np.array_equal(old, self.columns[name][ids], equal_nan=old.dtype.kind == "f")
        }
        gone = np.zeros(self.size, bool)
        gone[ids] = True
        self._owner = _owners(dict(self._store.rows("SELECT id, placeholder FROM value")))
        fresh = _group(self._store.rows(f"{_ENTRIES} WHERE image {among} ORDER BY image", asked), self._owner)
        for placeholder in {*fresh, *self.entries}:
            old_, new = self.entries.get(placeholder), fresh.get(placeholder)
            count = 0 if old_ is None else int(gone[old_.images].sum())
            if (
                old_ is not None
                and count == (0 if new is None else len(new.images))
                and (new is None or old_.take_over(new))
            ):
                continue
            changed.add("value")
            self.entries[placeholder] = _merge(old_, new, gone)
        self.tags = {tag: some[~gone[some]] for tag, some in self.tags.items()}
        for tag, image in self._store.rows(f"SELECT tag, image FROM image_tag WHERE image {among}", asked):
            self.tags[tag] = np.append(self.tags.get(tag, np.empty(0, "i4")), np.int32(image))
        for sort in [sort for sort in self._orders if not _stays(sort, changed)]:
            del self._orders[sort]

    # ---- answering -------------------------------------------------------------------------------------------------------

    def mask(self, conditions: Iterable[Condition]) -> Mask:
        """Which images all of ``conditions`` hold for: one truth per row."""
        with self._lock:
            return _all(self.columns["alive"], (self._holds(c) ^ c.negate for c in conditions))

    def _holds(self, condition: Condition) -> Mask:
        import numpy as np

        columns = self.columns
        if condition.kind == "flags":
            out: Mask = np.zeros(self.size, bool)
            for flag in condition.flags:
                out |= _FLAGS[flag](columns)
            return out
        if condition.kind == "text":
            return self._with_text(condition.match)
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

    def _with_text(self, match: str) -> Mask:
        import numpy as np

        # One text of all numbers: four times as fast as a row for each.
        asked = "SELECT group_concat(rowid) FROM prompt_text WHERE prompt_text MATCH ?"
        found = self._store.value(asked, (match,)) if match else None
        prompts = np.fromstring(found or "", "i8", sep=",")
        column = self.columns["prompt"]
        wanted = np.zeros(max(int(column.max(initial=0)), int(prompts.max(initial=0))) + 2, bool)
        wanted[prompts] = True
        out: Mask = wanted[column]  # -1, no prompt, leads to the last one
        return out

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

    def _of_values(self, values: Iterable[int]) -> list[tuple[Entries, Any]]:
        """The entries in which some of ``values`` are, and those values."""
        import numpy as np

        wanted = np.array(sorted(values), "i4")
        wanted = wanted[wanted < len(self._owner)]
        owners = self._owner[wanted]
        return [(self.entries[p], wanted[owners == p]) for p in np.unique(owners).tolist() if p in self.entries]

    def _with_values(self, values: Iterable[int]) -> Mask:
        import numpy as np

        out: Mask = np.zeros(self.size, bool)
        for entries, wanted in self._of_values(values):
            out[entries.images[entries.among(wanted)]] = True
        return out

    def _by_entries(self, condition: Condition) -> Mask:
        import numpy as np

        out: Mask = np.zeros(self.size, bool)
        some: list[tuple[Entries, Any]] = [(entries, None) for entries in self.entries.values()]
        for entries, wanted in some if condition.ids is None else self._of_values(condition.ids):
            if condition.kind == "verdict":
                asked = np.zeros(_VERDICTS, bool)
                asked[list(condition.numbers)] = True
                holds = asked[entries.verdicts]
            else:
                holds = np.zeros(len(entries.images), bool)
                for one in condition.ranges:
                    low = -np.inf if one.low is None else one.low
                    high = np.inf if one.high is None else one.high
                    holds |= (entries.scores >= low) & (entries.scores <= high)
            if wanted is not None:
                holds &= entries.among(wanted)
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
        columns = [
            key if not down else ~key if key.dtype.kind == "u" else -key.astype("f8" if key.dtype.kind == "f" else "i8")
            for key, down in keys
        ]
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
            return [(~columns["seeded"][alive], False), (columns["seed"][alive].view("u8"), down)]
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

    def counts(self, resolved: Resolved) -> tuple[int, dict[int, tuple[Any, Any]]]:
        """How many images are found; and per placeholder its values, and an array [value, verdict] of how many images have them.

        The clauses about a placeholder's own values do not narrow its counts: they say what choosing another of its values would
        find as well.
        """
        with self._lock:
            self.refresh()
            alive = self.columns["alive"]
            masks = [self._holds(c) ^ c.negate for c in resolved.conditions]
            own = [self._placeholder_of(c) for c in resolved.conditions]
            whole = _all(alive, masks)
            out = {}
            for placeholder, entries in self.entries.items():
                mask = whole
                if placeholder in own:
                    mask = _all(alive, (m for m, p in zip(masks, own, strict=True) if p != placeholder))
                out[placeholder] = (entries.known, entries.table(mask))
        return int(whole.sum()), out

    def _placeholder_of(self, condition: Condition) -> int | None:
        """The placeholder that a clause chooses values of."""
        if condition.column != "value" or condition.negate or not condition.ids:
            return None
        value = next(iter(condition.ids))
        return int(self._owner[value]) if value < len(self._owner) else None


def _all(alive: Mask, masks: Iterable[Mask]) -> Mask:
    out: Mask = alive.copy()
    for mask in masks:
        out &= mask
    return out


def _stays(sort: Sequence[str], changed: set[str]) -> bool:
    """Whether an order is still right when only these columns changed. (A score changes without a column.)"""
    kinds = {name.lstrip("-").partition(":")[0] for name in sort}
    return not kinds & {"score"} and changed <= _OFTEN - kinds


def _mixed(ids: Ids, seed: int) -> Any:
    """``store.mix`` for many."""
    import numpy as np

    h = (ids.astype("u8") * np.uint64(0x9E3779B1) + np.uint64(seed * 0x85EBCA77 & 0xFFFFFFFF)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(16))).astype("i8")


def _owners(placeholders: dict[int, int]) -> Any:
    """Value -> placeholder, as an array."""
    import numpy as np

    owner = np.full(max(placeholders, default=0) + 1, -1, "i4")
    owner[list(placeholders)] = list(placeholders.values())
    return owner


def _group(rows: Sequence[tuple[int, int, int, float]], owner: Any) -> dict[int, Entries]:
    """Placeholder -> entries, of rows of ``_ENTRIES``."""
    import numpy as np

    if not rows:
        return {}
    images, values, verdicts, scores = (
        np.fromiter((row[at] for row in rows), kind, len(rows)) for at, kind in enumerate(("i4", "i4", "i1", "f8"))
    )
    scores[np.isinf(scores)] = np.nan
    of = owner[values]
    order = np.argsort(of, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(of[order])) + 1)
    return {int(of[part[0]]): Entries(images[part], values[part], verdicts[part], scores[part]) for part in parts}


def _merge(old: Entries | None, new: Entries | None, gone: Mask) -> Entries:
    """``old`` without the images in ``gone``, and ``new``; one of them is there."""
    import numpy as np

    stays = slice(None) if old is None else ~gone[old.images]
    columns = []
    for name in ("images", "values", "verdicts", "scores"):
        parts = [] if old is None else [getattr(old, name)[stays]]
        columns.append(np.concatenate(parts + ([] if new is None else [getattr(new, name)])))
    order = np.argsort(columns[0], kind="stable")  # quick where new images came behind the others
    return Entries(*(column[order] for column in columns))


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
