"""The columns of a snapshot, and how they are read: each as one text of all numbers, which is five times as quick as rows.

Row ``i`` of a column is image ``i`` of ``index.db``; ``alive`` says whether there is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Ids = NDArray[np.int32]

#: Column -> numpy type; NULL is the number behind it.
NUMBERS: dict[str, tuple[str, float]] = {
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
    "phash": ("i8", 0),
}
#: Columns that are no column of the table.
_MADE = {"seeded": "seed IS NOT NULL", "noted": "note IS NOT NULL", "looked_at": "phash IS NOT NULL"}
_ALL: dict[str, tuple[str, float]] = {**NUMBERS, **dict.fromkeys((*_MADE, "tagged", "alive"), ("?", 0))}
#: Columns of few bits, which are read as one number: the bits of each, the first one has the lowest.
_SMALL = {
    "mark": 2,
    "failed": 1,
    "rating": 3,
    "missing": 1,
    "broken": 1,
    "seeded": 1,
    "noted": 1,
    "looked_at": 1,
    "judged": 15,
}
_SHIFTS = dict(zip(_SMALL, itertools.accumulate(_SMALL.values(), initial=0), strict=False))
_READ = {
    name: f"CASE WHEN {name} IS NULL THEN 'nan' ELSE printf('%!.17g', {name}) END"
    if kind == "f8"
    else f"coalesce({name}, {missing:g})"
    for name, (kind, missing) in NUMBERS.items()
    if name not in _SMALL
}
_SELECT = (
    "SELECT group_concat(id), "
    + f"group_concat({' | '.join(f'(({_MADE.get(name, name)}) << {shift})' for name, shift in _SHIFTS.items())}), "
    + ", ".join(f"group_concat({term})" for term in _READ.values())
    + " FROM image"
)
#: Rows read by one statement; a text of SQLite's holds 10**9 bytes.
_SPAN = 1_000_000


def numbers(text: str | None, kind: str = "i8") -> Any:
    """The numbers of a ``group_concat``."""
    import numpy as np

    return np.fromstring(text or "", kind, sep=",")


def spans(top: int) -> Iterator[tuple[int, int]]:
    """Ids from 0 to ``top`` in ranges, both ends included, of as many as one statement reads."""
    for low in range(0, top + 1, _SPAN):
        yield low, min(low + _SPAN - 1, top)


def blank(size: int) -> dict[str, Any]:
    """Columns for ``size`` ids of which no image is there."""
    import numpy as np

    return {name: np.full(size, missing, kind) for name, (kind, missing) in _ALL.items()}


def fill(columns: dict[str, Any], store: Store, where: str, values: Sequence[Any]) -> None:
    """Write the images for which ``where`` holds into ``columns``; ``tagged`` is not known here."""
    texts = store.rows(f"{_SELECT} WHERE {where}", values)[0]
    ids, small = map(numbers, texts[:2])
    columns["alive"][ids] = True
    for name, bits in _SMALL.items():
        columns[name][ids] = small >> _SHIFTS[name] & (1 << bits) - 1
    for name, text in zip(_READ, texts[2:], strict=True):
        column = columns[name]
        column[ids] = numbers(text, "f8" if column.dtype.kind == "f" else "i8")


FLAGS: dict[str, Callable[[dict[str, Any]], Any]] = {
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
