"""What statistics are made of: the images that a query finds, the values and verdicts in them, and ways to put them in groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import SDGenError, nearest_names
from ..resolve import Resolved
from ..snapshot import Snapshot
from ..store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: What images can be grouped by. Periods are those of local time; weeks are ISO 8601's, which begin on Monday.
PERIODS = ("day", "week", "month")
GROUPINGS = ("model", "session", *PERIODS)

_DAY_MS = 86_400_000
_LAST_DAY = date.max.toordinal() - date(1970, 1, 1).toordinal() - 40  # no period from here on ends after the year 9999


class Value(NamedTuple):
    """A value of a placeholder: its key, and its text as last seen."""

    placeholder: str
    key: str
    text: str


class Entries(NamedTuple):
    """Values of one placeholder: in which image, which value, with which verdict (a number)."""

    images: NDArray[np.int32]
    values: NDArray[np.int32]
    verdicts: NDArray[np.int8]

    def where(self, holds: NDArray[np.bool_]) -> Entries:
        """Those for which ``holds``."""
        return Entries(self.images[holds], self.values[holds], self.verdicts[holds])


@dataclass
class View:
    """The images that are found, at one moment. ``mask`` and ``columns`` have a row for every image id, see ``Snapshot``; ``entries``
    are by placeholder's id. ``whole``: nothing was asked for, so that it is the whole library."""

    store: Store
    mask: NDArray[np.bool_]
    columns: dict[str, Any]
    entries: dict[int, Entries]
    whole: bool = False

    def values(self) -> dict[int, Value]:
        """All values of the library by id."""
        rows = self.store.rows(
            "SELECT value.id, placeholder.name, value.key, value.text FROM value JOIN placeholder ON placeholder.id = placeholder"
        )
        return {row[0]: Value(*row[1:]) for row in rows}

    def found(self) -> Iterator[Entries]:
        """Per placeholder, its values in the images that are found."""
        for entries in self.entries.values():
            yield entries.where(self.mask[entries.images])

    def judged(self, verdicts: tuple[int, ...]) -> Iterator[Entries]:
        """Per placeholder, its values in the images that are found where their verdict is one of ``verdicts``."""
        import numpy as np

        wanted = np.zeros(1 << 7, bool)
        wanted[list(verdicts)] = True
        for entries in self.entries.values():
            yield entries.where(wanted[entries.verdicts] & self.mask[entries.images])


def view(store: Store, snapshot: Snapshot, resolved: Resolved) -> View:
    """What ``resolved`` finds in ``snapshot``, which has taken over every change; what judging changes later is not seen."""
    with snapshot.still():  # mask, columns and entries of the same moment
        snapshot.refresh()
        mask = snapshot.mask(resolved.conditions).copy()
        columns = {name: column.copy() for name, column in snapshot.columns.items()}
        # the snapshot writes verdicts where they stand; other images or other values are other arrays
        entries = {
            number: Entries(some.images, some.values, some.verdicts.copy()) for number, some in snapshot.entries.items()
        }
    return View(store, mask, columns, entries, whole=not resolved.conditions)


@dataclass
class Groups:
    """The group of every image (a row for every id), as its place in ``names``; -1 where the image is not found.

    ``None`` as a name: not known, such as the model of an image without metadata.
    """

    of: Ints
    names: list[str | None]


def groups(of: View, by: str) -> Groups:
    """Put the images that are found in groups. ``by`` is one of ``GROUPINGS``; raises ``bad-query`` when it is not.

    Groups are named by the model's name, the session's slug, ``2026-11-23``, ``2026-W48`` or ``2026-11``, in this order.
    """
    import numpy as np

    if by not in GROUPINGS:
        raise SDGenError("bad-query", f"images are not grouped by {by!r}", nearest=nearest_names(by, GROUPINGS))
    ids = np.flatnonzero(of.mask)
    names: list[str | None]
    if by in PERIODS:
        starts, names = _periods(of.columns["created"][ids], by)
        which = np.searchsorted(starts, _clipped(of.columns["created"][ids]), side="right") - 1
    else:
        sql = "SELECT id, text FROM term WHERE kind='model'" if by == "model" else "SELECT id, slug FROM session"
        known: dict[int, str] = dict(of.store.rows(sql))
        distinct, which = np.unique(of.columns[by][ids], return_inverse=True)
        named = [known.get(int(number)) for number in distinct]
        order = sorted(range(len(named)), key=lambda n: (named[n] is None, named[n] or ""))
        place = np.empty(len(named), "i8")
        place[order] = np.arange(len(named))
        which, names = place[which], [named[n] for n in order]
    out = np.full(len(of.mask), -1, "i8")
    out[ids] = which
    return Groups(out, names)


def _clipped(created: Any) -> Any:
    return created.clip(0, _LAST_DAY * _DAY_MS)


def _periods(created: Any, by: str) -> tuple[Ints, list[str | None]]:
    """When periods of local time begin (ms), at least all that ``created`` are in, and their names."""
    import numpy as np

    days: set[date] = set()
    for day in np.unique(_clipped(created) // _DAY_MS).tolist():  # a local day is this one, or the one before or after
        days.update(_first(date(1970, 1, 1) + timedelta(days=day + n), by) for n in (-1, 0, 1))
    ordered = sorted(days)
    names: list[str | None] = [_period_name(day, by) for day in ordered]
    return np.array([_midnight(day) for day in ordered], "i8"), names


def _first(day: date, by: str) -> date:
    return day.replace(day=1) if by == "month" else day - timedelta(days=day.weekday()) if by == "week" else day


def _period_name(day: date, by: str) -> str:
    if by == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    return f"{day:%Y-%m}" if by == "month" else f"{day}"


def _midnight(day: date) -> int:
    """When a local day begins, in Unix ms. Windows cannot tell for days before 1970: those begin as in Greenwich."""
    try:
        return int(datetime(day.year, day.month, day.day).timestamp() * 1000)
    except (OSError, OverflowError):
        return (day - date(1970, 1, 1)).days * _DAY_MS


def counted(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct ones of ``keys``, rising, and how often each is there: ``np.unique``, without sorting where they lie close."""
    import numpy as np

    if not len(keys):
        return keys, keys
    low = int(keys.min())
    if int(keys.max()) - low > 4 * len(keys) + 1_000:
        distinct, counts = np.unique(keys, return_counts=True)
        return distinct, counts
    table = np.bincount(keys - low)
    there = np.flatnonzero(table)
    return there + low, table[there]
