"""How many images every choice of a list would find, under a query: values of placeholders, models, sessions, marks, tags, …"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .columns import FLAGS
from .fields import MARKS, NO_CLASS
from .masks import holds
from .names import SESSION_FIELDS, TERMS
from .resolve import Condition, Resolved
from .schema import CLASS_NUMBER

if TYPE_CHECKING:
    from .columns import Mask
    from .snapshot import Snapshot

#: Flags of which an image has one at most: choosing another one is choosing instead.
_GROUPS = ({*MARKS, "marked"}, {"landscape", "portrait", "square"})
#: Placeholder -> its values, and an array [value, verdict] of how many images have them.
Tables = dict[int, tuple[Any, Any]]


@dataclass(frozen=True)
class Facets:
    """What a query finds, counted. ``total``: images; ``tables``: by placeholder's id its values (ids), and images [value, verdict].

    ``fields``: field of a query -> its value there (a name, a rating, a flag) -> images; everything that the library has is in it, and
    ``is:duplicate`` once somebody has asked for near-duplicates.
    """

    total: int
    tables: Tables
    fields: dict[str, dict[str, int]]


class Counts:
    """Masks of a query's conditions over a snapshot, which is held still meanwhile."""

    def __init__(self, snapshot: Snapshot, resolved: Resolved) -> None:
        self._snapshot = snapshot
        self._conditions = resolved.conditions
        self._masks = [holds(snapshot, condition) for condition in resolved.conditions]
        self._known: dict[frozenset[int], tuple[Mask, Any]] = {}
        self._counted: dict[tuple[str, frozenset[int]], Any] = {}

    def _without(self, own: Iterable[int]) -> tuple[Mask, Any]:
        """The images that all conditions but ``own`` hold for: as a mask, and their ids."""
        import numpy as np

        left_out = frozenset(own)
        found = self._known.get(left_out)
        if found is None:
            mask = self._snapshot.columns["alive"].copy()
            for n, other in enumerate(self._masks):
                if n not in left_out:
                    mask &= other
            found = self._known[left_out] = mask, np.flatnonzero(mask)
        return found

    def total(self) -> int:
        """How many images are found."""
        return len(self._without(())[1])

    def tables(self) -> Tables:
        """Values and verdicts by placeholder."""
        owner = self._snapshot.owner
        own = [_placeholder(condition, owner) for condition in self._conditions]
        return {
            placeholder: (
                entries.known,
                entries.table(*self._without(n for n, other in enumerate(own) if other == placeholder)),
            )
            for placeholder, entries in self._snapshot.entries.items()
        }

    def fields(self) -> dict[str, dict[str, int]]:
        """Everything else, by the name that it has in a query."""
        names = self._snapshot.names
        out = {kind: _named(self._by(kind, kind), names.terms[kind]) for kind in TERMS}
        for field in SESSION_FIELDS:
            out[field] = _named(self._by("session", field), names.sessions[field])
        out["rating"] = _named(self._by("rating", "rating"), {n: str(n) for n in range(6)})
        out["class"] = _named(self._by("class", "class"), {n: name or NO_CLASS for name, n in CLASS_NUMBER.items()})
        out["tag"] = _named(self._tags(), names.tags)
        out["is"] = {flag: self._flagged(flag, made(self._snapshot.columns)) for flag, made in FLAGS.items()}
        if self._snapshot.alike.known:  # to find them takes longer than an answer may
            out["is"]["duplicate"] = self._flagged("duplicate", self._snapshot.duplicates())
        return out

    def _own(self, field: str) -> list[int]:
        """The conditions that choose something of ``field``. One that is impossible to fulfil chooses nothing."""
        return [
            n
            for n, condition in enumerate(self._conditions)
            if condition.clause.field == field and not condition.negate and (condition.ids or condition.ranges)
        ]

    def _by(self, column: str, field: str) -> Any:
        """How many images have each number in ``column``."""
        import numpy as np

        own = frozenset(self._own(field))
        if (column, own) not in self._counted:
            chosen = self._snapshot.columns[column][self._without(own)[1]]
            self._counted[column, own] = np.bincount(chosen + 1)[1:]  # -1 is none
        return self._counted[column, own]

    def _tags(self) -> Any:
        import numpy as np

        images, tags = self._snapshot.tagged
        return np.bincount(tags[self._without(self._own("tag"))[0][images]])

    def _flagged(self, flag: str, there: Mask) -> int:
        import numpy as np

        own = []
        group = next((group for group in _GROUPS if flag in group), {flag})
        for n, condition in enumerate(self._conditions):
            if condition.kind == "flags" and {*condition.flags} <= ({flag} if condition.negate else group):
                own.append(n)
        return int(np.count_nonzero(there & self._without(own)[0]))


def _placeholder(condition: Condition, owner: Any) -> int | None:
    """The placeholder that a clause chooses values of."""
    if condition.column != "value" or condition.negate or not condition.ids:
        return None
    value = next(iter(condition.ids))
    return int(owner[value]) if value < len(owner) else None


def _named(counts: Any, names: Mapping[int, str | None]) -> dict[str, int]:
    """Name -> count, the sum where several numbers have one name."""
    listed = counts.tolist()
    out: dict[str, int] = {}
    for number, name in names.items():
        if name is not None:
            out[name] = out.get(name, 0) + (listed[number] if number < len(listed) else 0)
    return out
