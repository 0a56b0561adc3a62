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
    "class": ("i1", 0),
    "flagged": ("i1", 0),
    "match": ("f8", float("nan")),
    "promptscore": ("f8", float("nan")),
    "aesthetic": ("f8", float("nan")),
    "missing": ("i1", 0),
    "broken": ("i1", 0),
    "phash": ("i8", 0),
}
#: Columns that are no column of a table.
_MADE = {"seeded": "seed IS NOT NULL", "noted": "note IS NOT NULL", "looked_at": "phash IS NOT NULL"}
_TERMS = {**_MADE, "judged": "verdicts", "scored": "1"}
_ALL: dict[str, tuple[str, float]] = {**NUMBERS, **dict.fromkeys((*_MADE, "tagged", "scored", "alive"), ("?", 0))}


#: Stands for NULL among millionths.
_NONE = -(1 << 62)


def millionths(term: str) -> str:
    """A number that a machine measured, as SQL of a whole one: it has no more digits (``score_columns``), and whole ones are read five
    times as quickly."""
    return f"coalesce(CAST(round({term} * 1000000) AS INTEGER), {_NONE})"


def from_millionths(found: Any) -> Any:
    """The numbers of ``millionths`` as they were, NaN for NULL."""
    import numpy as np

    return np.where(found == _NONE, np.nan, found / 1e6)


class _Packed:
    """Columns of few bits, which are read as one number: the bits of each, the first one has the lowest."""

    def __init__(self, **bits: int) -> None:
        shifts = itertools.accumulate(bits.values(), initial=0)
        self.parts = [
            (name, shift, (1 << count) - 1) for (name, count), shift in zip(bits.items(), shifts, strict=False)
        ]
        self.sql = " | ".join(f"(({_TERMS.get(name, name)}) << {shift})" for name, shift, _ in self.parts)

    def write(self, columns: dict[str, Any], ids: Any, packed: Any) -> None:
        """Take the numbers apart into ``columns``."""
        for name, shift, mask in self.parts:
            columns[name][ids] = packed >> shift & mask


_SMALL = _Packed(missing=1, broken=1, seeded=1, looked_at=1)
#: Of ``image_said``, which has no row for an image about which nobody said anything.
_SAID = _Packed(mark=2, failed=1, rating=3, noted=1, judged=15)
#: Of ``image_machine``, which has no row for an image that no machine has looked at.
_MACHINE = _Packed(**{"class": 2, "flagged": 1, "scored": 1})
_MEASURED = {"match": "score", "promptscore": "prompt_score", "aesthetic": "aesthetic"}
_ELSEWHERE = {name for packed in (_SMALL, _SAID, _MACHINE) for name, _, _ in packed.parts} | {*_MEASURED}
_READ = {
    name: f"CASE WHEN {name} IS NULL THEN 'nan' ELSE printf('%!.17g', {name}) END"
    if kind == "f8"
    else f"coalesce({name}, {missing:g})"
    for name, (kind, missing) in NUMBERS.items()
    if name not in _ELSEWHERE
}
_SELECT = (
    f"SELECT group_concat(id), group_concat({_SMALL.sql}), "
    + ", ".join(f"group_concat({term})" for term in _READ.values())
    + " FROM image"
)
_SELECT_MACHINE = (
    f"SELECT group_concat(image), group_concat({_MACHINE.sql}), "
    + ", ".join(f"group_concat({millionths(term)})" for term in _MEASURED.values())
    + " FROM image_machine"
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


def fill(columns: dict[str, Any], store: Store, which: str, values: Sequence[Any]) -> None:
    """Write the images whose ids are ``which``, the end of a condition such as ``BETWEEN ? AND ?``, into ``columns``.

    ``tagged`` is not known here.
    """
    texts = store.rows(f"{_SELECT} WHERE id {which}", values)[0]
    ids, small = map(numbers, texts[:2])
    columns["alive"][ids] = True
    _SMALL.write(columns, ids, small)
    for name, text in zip(_READ, texts[2:], strict=True):
        column = columns[name]
        column[ids] = numbers(text, "f8" if column.dtype.kind == "f" else "i8")
    for name, _, _ in _SAID.parts:
        columns[name][ids] = 0
    said = f"SELECT group_concat(image), group_concat({_SAID.sql}) FROM image_said WHERE image {which}"
    _SAID.write(columns, *map(numbers, store.rows(said, values)[0]))
    texts = store.rows(f"{_SELECT_MACHINE} WHERE image {which}", values)[0]
    for name in (*(name for name, _, _ in _MACHINE.parts), *_MEASURED):
        columns[name][ids] = _ALL[name][1]
    scored, packed = map(numbers, texts[:2])
    _MACHINE.write(columns, scored, packed)
    for name, text in zip(_MEASURED, texts[2:], strict=True):
        columns[name][scored] = from_millionths(numbers(text))


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
    "scored": lambda c: c["scored"],
    "flagged": lambda c: c["flagged"] == 1,
    "landscape": lambda c: (c["width"] > c["height"]) & (c["height"] >= 0),
    "portrait": lambda c: (c["width"] < c["height"]) & (c["width"] >= 0),
    "square": lambda c: (c["width"] == c["height"]) & (c["height"] >= 0),
}
