"""How well every value comes out: success rates with their intervals, alone or by model, session and time, and what fails most."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..schema import VERDICT_NUMBER
from ..store import Store
from .formulas import KO, NO_EFFECT, OK, PARTIAL, UNINTENDED, WIDTH, needs_more, successes, wilson
from .view import Groups, Value, View, counted, groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERDICTS = max(VERDICT_NUMBER.values()) + 1
_VALUES_LIMIT = 1 << 32  # of ids, so that a group and a value fit in 64 bits


@dataclass(slots=True)
class Success:
    """What was said about a value, in the images of ``group`` (None: no groups, or what they go by is not known).

    ``judged`` is ok + partial + ko; ``rate`` the mean of their points (None: none judged), ``low`` to ``high`` its 95 % Wilson
    interval, ``needs`` how many more judged images would tell (``stats.needs_more``). ``images`` have the value, judged or not.
    Without a placeholder it is about all values together; ``images`` then are those with any.
    """

    group: str | None
    placeholder: str | None
    key: str | None
    text: str | None
    images: int
    judged: int
    ok: int
    partial: int
    ko: int
    no_effect: int
    unintended: int
    rate: float | None
    low: float
    high: float
    needs: int


@dataclass(frozen=True)
class Telling:
    """When a rate is known well enough: see ``stats.needs_more``."""

    width: float = WIDTH
    threshold: float | None = None


def _success(group: str | None, value: Value | None, images: int, counts: Sequence[int], telling: Telling) -> Success:
    """A row of ``counts`` per verdict's number."""
    ok, partial, ko, apart, unintended = (counts[n] for n in (OK, PARTIAL, KO, NO_EFFECT, UNINTENDED))
    rate, low, high, needs = _told(ok, partial, ko, telling.width, telling.threshold)
    placeholder, key, text = value or (None, None, None)
    judged = ok + partial + ko
    return Success(
        group, placeholder, key, text, images, judged, ok, partial, ko, apart, unintended, rate, low, high, needs
    )


@functools.lru_cache(maxsize=1 << 16)  # of many rows the counts are the same, and most stay so between two looks
def _told(
    ok: int, partial: int, ko: int, width: float, threshold: float | None
) -> tuple[float | None, float, float, int]:
    """The rate, the ends of its interval, and how many more images are needed."""
    judged, points = ok + partial + ko, successes(ok, partial)
    more = needs_more(points, judged, width, threshold)
    return points / judged if judged else None, *wilson(points, judged), more


def success_of_all(store: Store, telling: Telling = Telling()) -> list[Success]:
    """Every value that images have, by placeholder and key, from the counters: the same time for any number of images."""
    counts = ", ".join(
        f"(SELECT images FROM value_verdict WHERE value_verdict.value = value.id AND verdict = {number})"
        for number in range(1, _VERDICTS)
    )
    rows = store.rows(
        f"SELECT name, key, text, images, {counts} FROM value JOIN placeholder ON placeholder.id = placeholder WHERE images > 0"
    )
    out = [_success(None, Value(*row[:3]), row[3], (0, *(n or 0 for n in row[4:])), telling) for row in rows]
    return sorted(out, key=lambda row: (row.placeholder or "", row.key or ""))


def success(of: View, by: str | None = None, telling: Telling = Telling()) -> list[Success]:
    """Every value in the images that are found, by group, placeholder and key; ``by`` as of ``stats.view.groups``."""
    values = of.values()
    grouped = groups(of, by) if by else None
    out: list[tuple[int, Success]] = []
    for found in of.found():
        key = found.values.astype("i8")
        if grouped:
            key += grouped.of[found.images] * _VALUES_LIMIT
        for cell, counts in _by_verdict(key, found.verdicts).items():
            group, value = divmod(cell, _VALUES_LIMIT)
            name = grouped.names[group] if grouped else None
            out.append((group, _success(name, values[value], sum(counts), counts, telling)))
    out.sort(key=lambda row: (row[0], row[1].placeholder or "", row[1].key or ""))
    return [row for _, row in out]


def success_by(of: View, by: str, telling: Telling = Telling()) -> list[Success]:
    """All values together, for every group of images: how a model, a session or a month did."""
    import numpy as np

    grouped: Groups = groups(of, by)
    counts = [[0] * _VERDICTS for _ in grouped.names]
    with_values = np.zeros(len(of.mask), bool)
    for found in of.found():
        with_values[found.images] = True
        for group, some in _by_verdict(grouped.of[found.images], found.verdicts).items():
            counts[group] = [a + b for a, b in zip(counts[group], some, strict=True)]
    images = np.bincount(grouped.of[with_values], minlength=len(grouped.names)).tolist()
    rows = zip(grouped.names, images, counts, strict=True)
    return [_success(name, None, n, some, telling) for name, n, some in rows if n]


def _by_verdict(keys: NDArray[np.int64], verdicts: NDArray[np.int8]) -> dict[int, list[int]]:
    """Key -> how often it has each verdict, by number."""
    out: dict[int, list[int]] = {}
    for cell, count in zip(*(column.tolist() for column in counted(keys * _VERDICTS + verdicts)), strict=True):
        key, verdict = divmod(cell, _VERDICTS)
        out.setdefault(key, [0] * _VERDICTS)[verdict] = count
    return out


def top_failing(rows: Iterable[Success], most: int = 10) -> list[Success]:
    """The values that most surely fail: those with the lowest upper end of the interval.

    One bad image of one leaves much open, so that few images do not lead; only values with a failure are listed.
    """
    failing = [row for row in rows if row.ko or row.partial]
    return sorted(failing, key=lambda row: (row.high, row.rate, -row.judged))[:most]
