"""The images of a session side by side: columns are the values of one placeholder, rows its seeds or the values of another one.

Everything else in which images of the session differ is an axis of its own. It is locked to one value, or *any*: then a cell may hold
several images. What is the same in all images is no axis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from .fields import VERDICTS
from .records import unsigned
from .schema import VERDICT_NUMBER
from .sql import as_list
from .store import Store

if TYPE_CHECKING:
    from .columns import Mask
    from .snapshot import Snapshot

#: The axis of seeds. A placeholder of this name cannot be told from it, and is left out.
SEED = "seed"
#: The key of images that have no value of a placeholder.
NONE = ""
#: The most columns; a screen of more is no comparison.
MOST_COLUMNS = 200
#: The most values of an axis that are listed, around the one that it is locked to: an image may have a seed of its own.
MOST_VALUES = 1_000
#: The most images of a cell that are named.
MOST_IMAGES = 24

_NAMES = "SELECT id, key, text FROM value WHERE id IN (SELECT value FROM json_each(?))"
_PLACEHOLDERS = "SELECT id, name FROM placeholder WHERE id IN (SELECT value FROM json_each(?))"
#: What images are made with, besides values and seeds.
_PARAMETERS = ("model", "sampler", "scheduler", "steps", "cfg", "width", "height")
_VERDICTS = max(VERDICT_NUMBER.values()) + 1


@dataclass(frozen=True)
class AxisValue:
    """A value of an axis: in how many images of the session, and of these ok, partial and ko."""

    key: str
    text: str
    images: int
    ok: int = 0
    partial: int = 0
    ko: int = 0


@dataclass(frozen=True)
class Axis:
    """Something in which images of the session differ: a placeholder, or ``SEED``. ``values``: at most ``MOST_VALUES``."""

    name: str
    values: list[AxisValue]


@dataclass(frozen=True)
class CellImage:
    """An image in a cell, with the verdict about its value of the pivot. ``missing``: its file is gone."""

    id: int
    verdict: str | None
    missing: bool


@dataclass(frozen=True)
class Cell:
    """How many images are in a cell, and the first ``MOST_IMAGES``: in the session's order, those whose file is gone behind the others."""

    count: int
    images: list[CellImage]


@dataclass(frozen=True)
class Row:
    """A row: each column's cell."""

    key: str
    text: str
    cells: list[Cell]


@dataclass(frozen=True)
class Comparison:
    """A page of the matrix, from row ``at`` of ``total``. ``locks``: key of every axis that is neither pivot nor rows, None for any.

    ``constants`` are the values that all images share. ``differs`` names the parameters in which the images of this page differ.
    """

    axes: list[Axis]
    pivot: str
    rows_by: str
    locks: dict[str, str | None]
    columns: list[AxisValue]
    rows: list[Row]
    at: int
    total: int
    constants: dict[str, str]
    differs: list[str]


class _Axis:
    """One axis of a session of n images: ``codes`` (n) is which of its values each image has, ``verdicts`` (n) what was said of it.

    ``numbers`` are the values by code: ids of values, or seeds as they are in the database; at ``none`` that of images without one, if
    there are any.
    """

    def __init__(self, name: str, codes: Any, numbers: Any, none: int | None, verdicts: Any) -> None:
        self.name, self.codes, self.numbers, self.none, self.verdicts = name, codes, numbers, none, verdicts
        self.names: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def hashes(self) -> Any:
        """A random number of 64 bits for the value of each image: sums of them tell combinations apart."""
        import numpy as np

        drawn = np.random.default_rng(list(self.name.encode("utf-8", "surrogatepass"))).integers(
            0, 1 << 64, len(self), dtype=np.uint64, endpoint=False
        )
        return drawn[self.codes]

    @cached_property
    def counts(self) -> Any:
        """How many images have each value (rows) with each verdict."""
        import numpy as np

        cells = np.bincount(self.codes * _VERDICTS + self.verdicts, minlength=len(self) * _VERDICTS)
        return cells.reshape(-1, _VERDICTS)

    def key(self, code: int) -> str:
        if code == self.none:
            return NONE
        number = int(self.numbers[code])
        return str(unsigned(number)) if self.name == SEED else self.names[number][0]

    @cached_property
    def codes_of(self) -> dict[str, int]:
        """Key -> code."""
        return {self.key(code): code for code in range(len(self))}

    def value(self, code: int) -> AxisValue:
        key, counts = self.key(code), self.counts[code]
        text = key if self.name == SEED or code == self.none else self.names[int(self.numbers[code])][1]
        said = (int(counts[VERDICT_NUMBER[verdict]]) for verdict in ("ok", "partial", "ko"))
        return AxisValue(key, text, int(counts.sum()), *said)

    def around(self, key: str | None) -> Axis:
        """The axis with the values around a key."""
        at = self.codes_of.get(key, 0) if key is not None and len(self) > MOST_VALUES else 0
        first = max(0, min(at - MOST_VALUES // 2, len(self) - MOST_VALUES))
        return Axis(self.name, [self.value(code) for code in range(first, min(len(self), first + MOST_VALUES))])


@dataclass(frozen=True)
class _Session:
    """The images of a session in its order: their ids, the axes in which they differ, their columns, and what they share."""

    ids: Any
    axes: dict[str, _Axis]
    columns: dict[str, Any]
    constants: dict[str, str]


def session_of(store: Store, slug: str) -> int:
    """The session called so. Raises ``unknown-session``."""
    found = store.value("SELECT id FROM session WHERE slug = ?", (slug,))
    if found is None:
        known = [name for (name,) in store.rows("SELECT slug FROM session")]
        raise SDGenError("unknown-session", f"there is no session {slug!r}", nearest=nearest_names(slug, known))
    return int(found)


def compare(
    snapshot: Snapshot,
    slug: str,
    *,
    pivot: str | None = None,
    rows_by: str | None = None,
    locks: Mapping[str, str | None] | None = None,
    at: int = 0,
    limit: int = 20,
) -> Comparison:
    """The matrix of the session ``slug``. What is not said is chosen: the pivot with the most images that differ in nothing else, the
    seeds as rows where images of other values share them, and the locks that fill most cells.

    Axes that there are not are left out of ``locks``, so that an address outlives a session that got longer. Raises
    ``unknown-session``, ``nothing-to-compare``, and ``unknown-item`` for a pivot or rows that there are not.
    """
    import numpy as np

    session = _read(snapshot, session_of(snapshot.store, slug))
    axes = session.axes
    placeholders = [name for name in axes if name != SEED]
    if not placeholders:
        raise SDGenError(
            "nothing-to-compare",
            "the images of this session differ in no placeholder",
            hint="Compare needs a session whose template has a placeholder with two values or more.",
        )
    column = _named(pivot, placeholders) or _best_pivot(axes, placeholders)
    shared = _shares_seeds(axes[SEED], axes[column])
    others = [name for name in axes if name != column]
    row = _named(rows_by, others) or _usual_rows(axes, others, shared)
    free = [name for name in others if name != row]
    asked = {name: key for name, key in (locks or {}).items() if name in free}
    if not shared and SEED in free:
        asked.setdefault(SEED, None)
    chosen = _fullest(axes, column, row, asked, [name for name in free if name not in asked])
    found = {name: {**asked, **chosen}[name] for name in free}
    mask = _locked(axes, found)
    across, down = axes[column], axes[row]
    there = np.flatnonzero(np.bincount(down.codes[mask], minlength=len(down)))
    if not len(there):
        there = np.arange(len(down))
    page = there[at : at + limit].tolist()
    columns = [across.value(code) for code in range(min(len(across), MOST_COLUMNS))]
    here = np.flatnonzero(mask & np.isin(down.codes, page) & (across.codes < len(columns)))
    cells = _cells(session, across, down, here)
    empty = Cell(0, [])
    made = [(down.value(y), [cells.get((y, x), empty) for x in range(len(columns))]) for y in page]
    return Comparison(
        axes=[axis.around(found.get(axis.name)) for axis in axes.values()],
        pivot=column,
        rows_by=row,
        locks=found,
        columns=columns,
        rows=[Row(value.key, value.text, own) for value, own in made],
        at=at,
        total=len(there),
        constants=session.constants,
        differs=[name for name in _PARAMETERS if len(np.unique(session.columns[name][here])) > 1],
    )


def constants_of(snapshot: Snapshot, slug: str) -> dict[str, str]:
    """Placeholder -> key of what all images of a session share. Raises ``unknown-session``."""
    return _read(snapshot, session_of(snapshot.store, slug)).constants


def _read(snapshot: Snapshot, number: int) -> _Session:
    """The images of a session; its axes: placeholders by name, seeds last."""
    import numpy as np

    own: dict[int, tuple[Any, Any]] = {}
    with snapshot.still():
        snapshot.refresh()
        columns = snapshot.columns
        ids = np.flatnonzero(columns["alive"] & (columns["session"] == number))
        ids = ids[np.lexsort((ids, columns["batch"][ids], columns["number"][ids]))]
        columns = {name: columns[name][ids] for name in ("seed", "seeded", "missing", *_PARAMETERS)}
        first, last = (int(ids.min()), int(ids.max())) if len(ids) else (0, -1)
        place = np.full(last - first + 1, -1, "i4")
        place[ids - first] = np.arange(len(ids))
        for placeholder, entries in snapshot.entries.items():
            part = slice(*np.searchsorted(entries.images, (first, last + 1)))
            at = place[entries.images[part] - first]
            if (here := at >= 0).any():
                values, verdicts = np.full(len(ids), -1, "i4"), np.zeros(len(ids), "i4")
                values[at[here]], verdicts[at[here]] = entries.values[part][here], entries.verdicts[part][here]
                own[placeholder] = values, verdicts
    known = dict(snapshot.store.rows(_PLACEHOLDERS, (as_list(own),)))
    axes, constants = {}, {}
    for name, placeholder in sorted(
        ((known[one], one) for one in own if known.get(one, SEED) != SEED), key=lambda one: one[0].casefold()
    ):
        values, verdicts = own[placeholder]
        codes, numbers = _in_order(values)
        without = np.flatnonzero(numbers < 0)
        axis = _Axis(name, codes, numbers, int(without[0]) if len(without) else None, verdicts)
        rows = snapshot.store.rows(_NAMES, (as_list(numbers.tolist()),))
        axis.names = {value: (key, text) for value, key, text in rows}
        if len(axis) < 2:
            constants[name] = axis.key(0)
        else:
            axes[name] = axis
    if len(ids):
        axes[SEED] = _seeds(columns["seed"], columns["seeded"])
    return _Session(ids, axes, columns, constants)


def _in_order(values: Any) -> tuple[Any, Any]:
    """Values as codes, counted as they come first, and the value of each code."""
    import numpy as np

    distinct, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), "i8")
    rank[order] = np.arange(len(order))
    return rank[codes], distinct[order]


def _seeds(seeds: Any, seeded: Mask) -> _Axis:
    """The axis of seeds, the least first, and behind them none."""
    import numpy as np

    distinct, places = np.unique(seeds[seeded].view("u8"), return_inverse=True)
    codes = np.full(len(seeds), len(distinct), "i8")
    codes[seeded] = places
    none = None if seeded.all() else len(distinct)
    numbers = distinct.view("i8") if none is None else np.append(distinct.view("i8"), 0)
    return _Axis(SEED, codes, numbers, none, np.zeros(len(seeds), "i4"))


def _named(name: str | None, known: Collection[str]) -> str | None:
    if name and name not in known:
        near = nearest_names(name, known)
        raise SDGenError("unknown-item", f"the images do not differ in {name!r}", nearest=near, hint="")
    return name


def _best_pivot(axes: Mapping[str, _Axis], names: Sequence[str]) -> str:
    """The placeholder in which alone the most combinations differ from another one; of equal ones that with the fewest values."""
    import numpy as np

    total = sum((axis.hashes for axis in axes.values()), np.uint64(0))
    _, distinct = np.unique(total, return_index=True)

    def worth(name: str) -> tuple[int, int]:
        groups = np.unique((total - axes[name].hashes)[distinct], return_counts=True)[1]
        return int(groups[groups > 1].sum()), -len(axes[name])

    return max(names, key=worth)


def _shares_seeds(seeds: _Axis, pivot: _Axis) -> bool:
    """Whether images of other values of the pivot share a seed."""
    import numpy as np

    some = np.zeros(len(seeds), "i8")
    some[seeds.codes] = pivot.codes
    differs = some[seeds.codes] != pivot.codes
    return bool(differs.any() if seeds.none is None else differs[seeds.codes != seeds.none].any())


def _usual_rows(axes: Mapping[str, _Axis], others: Sequence[str], shared: bool) -> str:
    more = [name for name in others if name != SEED]
    if shared or not more:
        return SEED
    return min(more, key=lambda name: len(axes[name]))


def _locked(axes: Mapping[str, _Axis], locks: Mapping[str, str | None]) -> Mask:
    """Which images have these keys."""
    import numpy as np

    out: Mask = np.ones(len(axes[SEED].codes), bool)
    for name, key in locks.items():
        if key is not None:
            out &= axes[name].codes == axes[name].codes_of.get(key, -1)
    return out


def _fullest(
    axes: Mapping[str, _Axis], column: str, row: str, asked: Mapping[str, str | None], free: Sequence[str]
) -> dict[str, str | None]:
    """The values of the ``free`` axes that fill most cells, those that come first in the session on a tie. Where no two cells can be
    filled so, as in a session of drawn combinations, they are any."""
    import numpy as np

    here = np.flatnonzero(_locked(axes, asked))
    if not free or not len(here):
        return dict.fromkeys(free)
    combinations = sum((axes[name].hashes[here] for name in free), np.uint64(0))
    _, first, which = np.unique(combinations, return_index=True, return_inverse=True)
    cell = axes[column].codes[here] * len(axes[row]) + axes[row].codes[here]
    filled = np.unique(which * (len(axes[column]) * len(axes[row])) + cell) // (len(axes[column]) * len(axes[row]))
    cells = np.bincount(filled)
    best = min(np.flatnonzero(cells == cells.max()).tolist(), key=lambda one: int(first[one]))
    if cells[best] < 2:
        return dict.fromkeys(free)
    return {name: axes[name].key(int(axes[name].codes[here[first[best]]])) for name in free}


def _cells(session: _Session, across: _Axis, down: _Axis, here: Any) -> dict[tuple[int, int], Cell]:
    """(row, column) -> cell, of the images at the places ``here``."""
    import numpy as np

    missing = session.columns["missing"][here]
    order = here[np.lexsort((missing, across.codes[here], down.codes[here]))]
    of = down.codes[order] * len(across) + across.codes[order]
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    ends = [*starts[1:].tolist(), len(order)][: len(starts)]
    out: dict[tuple[int, int], Cell] = {}
    for start, end in zip(starts.tolist(), ends, strict=True):
        some = order[start : min(end, start + MOST_IMAGES)]
        images = [
            CellImage(image, VERDICTS[said - 1] if said else None, gone)
            for image, said, gone in zip(
                session.ids[some].tolist(),
                across.verdicts[some].tolist(),
                (session.columns["missing"][some] > 0).tolist(),
                strict=True,
            )
        ]
        out[divmod(int(of[start]), len(across))] = Cell(end - start, images)
    return out


def ledger_id(store: Store, slug: str) -> str | None:
    """The id that the session's own record gives it: that of the ledger it was made by. Raises ``unknown-session``."""
    sql = "SELECT key FROM session_key WHERE session = ? AND key LIKE 'i:%'"
    found = store.value(sql, (session_of(store, slug),))
    return None if found is None else str(found)[2:]
