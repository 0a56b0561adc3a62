"""Which images to judge next: those that say most about what is least known.

What is known of a value is how narrow the Wilson interval of its success rate is (E. B. Wilson 1927; see ``stats.formulas.wilson``).
*No effect* and *unintended* count as tried without success here: a sweep's value that does nothing is known, too.

The queue is made greedily. Each step takes an image of the value with the widest interval, and of those images the one whose other open
values are the least known together; then each of its values counts as judged once more at its present rate, a half where nothing is
known. So a value's turn comes again when the others have caught up, and one image tells of several values at once.

Knowledge is counted over all images that the query finds without its clauses about judgements: what was thrown away was still seen. The
same question about the same library gets the same queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from .query import Query
from .resolve import Condition, resolve
from .snapshot import Snapshot
from .stats.formulas import OK, PARTIAL, WIDTH, successes, wilson

if TYPE_CHECKING:
    from .columns import Ids, Mask
    from .entries import Entries

#: Flags that people gave, or that came of it; ``missing``: a file that is gone was seen before.
_SAID = {"favourite", "interesting", "trash", "marked", "failed", "judged", "tagged", "noted", "missing"}
_FIELDS = {"verdict", "rating", "tag"}
#: Images that are looked at; of so many every value that is not rare has some.
_SAMPLE = 768
#: Images of a rare value that are looked at besides.
_RARE = 8


@dataclass(frozen=True)
class ValueKnown:
    """What is known of a value (its id): verdicts, their points, the width of the interval, and how many images could still tell."""

    value: int
    judged: int
    points: float
    width: float
    open: int

    @property
    def narrow(self) -> bool:
        """Whether more verdicts would change little."""
        return self.width <= WIDTH


@dataclass(frozen=True)
class Review:
    """``images``: ids in the order to judge them; ``open``: how many there would be; ``values``: the least known first."""

    images: list[int]
    open: int
    values: list[ValueKnown]
    remarks: tuple[str, ...]


def review(snapshot: Snapshot, query: Query, placeholders: Sequence[int] | None, limit: int) -> Review:
    """The next ``limit`` images to judge of what ``query`` finds. With ``placeholders`` (ids) those whose values have no verdict there;
    without, those of which nothing was said at all. Images said to have failed tell nothing of values and are left out."""
    import numpy as np

    with snapshot.still():
        snapshot.refresh()
        resolved = resolve(snapshot.store, query)
        found = snapshot.mask(resolved.conditions)
        seen = snapshot.mask([one for one in resolved.conditions if not _is_said(one)])
        among = [
            entries
            for number, entries in sorted(snapshot.entries.items())
            if placeholders is None or number in placeholders
        ]
        candidates = _unjudged(snapshot.columns, found, among, placeholders is not None)
        valued = np.zeros(snapshot.size, bool)
        for entries in among:
            valued[entries.images] = True
        valued &= candidates
        known = _known(among, seen & ~valued, valued)
        images = _greedy(_pool(among, known, valued, limit), among, known, limit)
        if placeholders is None and len(images) < limit:  # images without values, in the order of the list
            order = snapshot.ordered(query.sort)
            images += order[(candidates & ~valued)[order]][: limit - len(images)].tolist()
    count = np.count_nonzero(candidates if placeholders is None else valued)
    return Review(images, int(count), known, resolved.remarks)


def _is_said(condition: Condition) -> bool:
    return condition.clause.field in _FIELDS or (condition.kind == "flags" and {*condition.flags} <= _SAID)


def _unjudged(columns: dict[str, Any], found: Mask, among: Sequence[Entries], chosen: bool) -> Mask:
    out: Mask = found & (columns["failed"] == 0)
    if chosen:
        for entries in among:
            out[entries.images[entries.verdicts > 0]] = False
    else:
        for said in ("judged", "mark", "rating"):
            out &= columns[said] == 0
    return out


def _known(among: Sequence[Entries], closed: Mask, opened: Mask) -> list[ValueKnown]:
    """The values that occur in images ``opened`` to judgement and others, the least known first; of those equally known the one that
    could tell most."""
    import numpy as np

    out: list[ValueKnown] = []
    closed_ids, opened_ids = np.flatnonzero(closed), np.flatnonzero(opened)
    for entries in among:
        table, still = entries.table(closed, closed_ids), entries.table(opened, opened_ids)
        # a verdict is in both: those given to images that can still be asked about another placeholder
        table[:, 1:] += still[:, 1:]
        images = still.sum(axis=1)
        there = np.flatnonzero(images + table.sum(axis=1))
        rows = zip(entries.known[there].tolist(), table[there].tolist(), images[there].tolist(), strict=True)
        for value, row, n in rows:
            judged, points = sum(row[1:]), successes(row[OK], row[PARTIAL])
            out.append(ValueKnown(value, judged, points, _width(points, judged), n))
    return sorted(out, key=lambda one: (-one.width, -one.open, one.value))


@lru_cache(maxsize=65_536)
def _width(points: float, judged: int) -> float:
    low, high = wilson(points, judged)
    return high - low


def _after(one: ValueKnown, more: int) -> float:
    """How wide the interval will be when ``more`` images are judged, at the rate of now."""
    rate = one.points / one.judged if one.judged else 0.5
    total = one.judged + more
    return _width(min(rate * total, total), total)


def _pool(among: Sequence[Entries], known: Sequence[ValueKnown], valued: Mask, limit: int) -> Ids:
    """The images among which to choose: some of all, and some of each value that is little known and so rare that it may be missing
    among them."""
    import numpy as np

    ids = np.flatnonzero(valued)
    sample = ids
    if len(ids) > _SAMPLE + limit:
        chosen = np.random.default_rng(len(ids)).integers(0, len(ids), _SAMPLE + limit)
        sample = ids[chosen]
    parts = [sample]
    rare = len(ids) * _RARE // _SAMPLE
    wanted = nsmallest(limit, (one for one in known if 0 < one.open <= rare), key=lambda one: (-one.width, one.value))
    values = np.array([one.value for one in wanted], "i4")
    if len(values) and len(sample) < len(ids):
        for entries in among:
            there = np.flatnonzero(entries.among(values))
            there = there[valued[entries.images[there]]]
            order = np.argsort(entries.values[there], kind="stable")
            there, sorted_values = entries.images[there][order], entries.values[there][order]
            place = np.arange(len(there)) - np.searchsorted(sorted_values, sorted_values)
            parts.append(there[place < _RARE])
    return np.unique(np.concatenate(parts)).astype("i4")


def _greedy(pool: Ids, among: Sequence[Entries], known: Sequence[ValueKnown], limit: int) -> list[int]:
    import numpy as np

    # One row a placeholder, one column an image: the place of its value in ``known``, or behind the last where it has none.
    top = max((one.value for one in known), default=-1)
    place = np.full(top + 1, len(known), "i4")
    place[[one.value for one in known]] = np.arange(len(known))
    cells = np.full((len(among), len(pool)), len(known), "i4")
    for row, entries in zip(cells, among, strict=True):
        at = np.minimum(np.searchsorted(entries.images, pool), len(entries.images) - 1)
        there = entries.images[at] == pool
        row[there] = place[entries.values[at[there]]]
    # Of images that tell as much, one after another would be of the same minute: their numbers are mixed.
    mixed = np.argsort(pool.astype("u4") * np.uint32(2_654_435_761), kind="stable")
    pool, cells = pool[mixed], np.ascontiguousarray(cells[:, mixed])
    wide = np.array([*(one.width for one in known), 0.0])[cells]
    together = wide.sum(axis=0)
    picked: dict[int, int] = {}
    out: list[int] = []
    for _ in range(min(limit, len(pool))):
        most = wide.max(axis=0)
        best = int(np.argmax(np.where(most >= most.max(), together, -1.0)))
        out.append(int(pool[best]))
        for n, cell in enumerate(cells[:, best].tolist()):
            if cell < len(known):
                picked[cell] = picked.get(cell, 0) + 1
                same, width = cells[n] == cell, _after(known[cell], picked[cell])
                together[same] += width - wide[n, best]
                wide[n, same] = width
        wide[:, best], cells[:, best] = -1.0, len(known)  # never again
    return out
