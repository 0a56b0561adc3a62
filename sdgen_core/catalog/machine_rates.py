"""How values come out for people and for machines side by side, and what a machine would need to be calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .query import Query
from .resolve import resolve
from .sql import as_list
from .stats.formulas import KO, OK, PARTIAL, wilson

if TYPE_CHECKING:
    from .snapshot import Snapshot


@dataclass(frozen=True)
class MachineRate:
    """A value in the images that a query finds.

    A machine gave ``images`` a probability, and sees it in ``matching``: ``rate`` with its 95 % Wilson interval ``low`` to ``high``;
    ``mean`` of the probabilities. People ``judged`` it (ok, partial, ko) in so many images, scored or not, with ``people`` of success
    (partial is a half), ``people_low`` to ``people_high``; None where nobody did.
    """

    placeholder: str
    key: str
    text: str
    images: int
    matching: int
    rate: float
    low: float
    high: float
    mean: float
    judged: int
    people: float | None
    people_low: float
    people_high: float


@dataclass(frozen=True)
class Labels:
    """What people said of a placeholder's values in images that a machine has looked at: ``labels`` verdicts, ``points`` of success."""

    labels: int
    points: float


def machine_rates(snapshot: Snapshot, query: Query, match: float) -> list[MachineRate]:
    """Every value that a machine gave a probability in what ``query`` finds, trash too, by placeholder and key.

    It is seen from the probability ``match`` on.
    """
    import numpy as np

    found = []
    with snapshot.still():
        snapshot.refresh()
        mask = snapshot.mask(resolve(snapshot.store, query).conditions)
        for entries in snapshot.entries.values():
            if entries.scores is None:
                continue
            here = mask[entries.images]
            values, verdicts, scores = (
                column[here] - first
                for column, first in ((entries.values, entries.first), (entries.verdicts, 0), (entries.scores, 0.0))
            )
            known = scores == scores
            columns = (
                np.bincount(values[known], minlength=entries.range),
                np.bincount(values[known], scores[known] >= match, entries.range).astype("i8"),
                np.bincount(values[known], scores[known], entries.range),
                *(np.bincount(values[verdicts == verdict], minlength=entries.range) for verdict in (OK, PARTIAL, KO)),
            )
            for value in np.flatnonzero(columns[0]).tolist():
                found.append((value + entries.first, *(column[value].item() for column in columns)))
        words = _words(snapshot, [value for value, *_ in found])
    rates = [_rate(words[value], *counts) for value, *counts in found if value in words]
    return sorted(rates, key=lambda one: (one.placeholder, one.key))


def _rate(
    words: tuple[str, str, str], images: int, matching: int, total: float, ok: int, partial: int, ko: int
) -> MachineRate:
    judged, points = ok + partial + ko, ok + partial / 2
    machine, people = wilson(matching, images), wilson(points, judged)
    return MachineRate(
        *words,
        images,
        matching,
        matching / images,
        *machine,
        total / images,
        judged,
        points / judged if judged else None,
        *people,
    )


def _words(snapshot: Snapshot, values: list[int]) -> dict[int, tuple[str, str, str]]:
    rows = snapshot.store.rows(
        "SELECT value.id, name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE value.id IN (SELECT value FROM json_each(?))",
        (as_list(values),),
    )
    return {value: (name, key, text) for value, name, key, text in rows}


def labels(snapshot: Snapshot) -> dict[str, Labels]:
    """Placeholder -> what people said about it in all images of the library that a machine has looked at."""
    out = {}
    with snapshot.still():
        snapshot.refresh()
        scored = snapshot.columns["scored"] > 0
        names = dict(snapshot.store.rows("SELECT id, name FROM placeholder"))
        for number, entries in snapshot.entries.items():
            said = entries.verdicts[scored[entries.images]]
            ok, partial, ko = (int((said == verdict).sum()) for verdict in (OK, PARTIAL, KO))
            out[names[number]] = Labels(ok + partial + ko, ok + partial / 2)
    return out
