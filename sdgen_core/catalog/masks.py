"""Conditions of a query as masks: one truth for each image of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .columns import FLAGS, NUMBERS, numbers
from .entries import VERDICTS, Entries
from .pictures.duplicates import distances
from .query import Range
from .resolve import Condition

if TYPE_CHECKING:
    from .columns import Mask
    from .snapshot import Snapshot


def holds(snapshot: Snapshot, condition: Condition) -> Mask:
    """For which images ``condition`` holds; what it says of ids that no image has is of no account."""
    return _holds(snapshot, condition) ^ condition.negate


def _holds(snapshot: Snapshot, condition: Condition) -> Mask:
    import numpy as np

    out: Mask = np.zeros(snapshot.size, bool)
    if condition.kind == "flags":
        for flag in condition.flags:
            out |= snapshot.duplicates() if flag == "duplicate" else FLAGS[flag](snapshot.columns)
        return out
    if condition.kind == "like":
        for hash, distance in condition.near:
            out |= distances(snapshot.columns["phash"].view("u8"), hash) <= distance
        out &= snapshot.columns["looked_at"]
        return out
    if condition.kind == "text":
        return _with_text(snapshot, condition.match)
    if condition.kind == "range":
        return _in_ranges(snapshot, condition.column, condition.ranges)
    if condition.kind in ("verdict", "score"):
        return _by_entries(snapshot, condition)
    assert condition.ids is not None
    if condition.column == "value":
        for entries, wanted in _of_values(snapshot, condition.ids):
            out[entries.images[entries.among(wanted)]] = True
        return out
    wanted = np.array(sorted(condition.ids), "i4")
    if condition.column == "tag":
        out[snapshot.tagged[0][np.isin(snapshot.tagged[1], wanted)]] = True
        return out
    return _chosen(snapshot.columns[condition.column], wanted)


def _chosen(column: Any, wanted: Any) -> Mask:
    """Where ``column`` is one of the numbers ``wanted``; never where it is -1, no value."""
    import numpy as np

    table = np.zeros(max(int(column.max(initial=0)), int(wanted.max(initial=0))) + 2, bool)
    table[wanted] = True
    table[-1] = False  # where -1 leads to
    found: Mask = table[column]
    return found


def _with_text(snapshot: Snapshot, match: str) -> Mask:
    # One text of all numbers: four times as fast as a row for each.
    asked = "SELECT group_concat(rowid) FROM prompt_text WHERE prompt_text MATCH ?"
    found = snapshot.store.value(asked, (match,)) if match else None
    return _chosen(snapshot.columns["prompt"], numbers(found))


def _in_ranges(snapshot: Snapshot, name: str, ranges: Sequence[Range]) -> Mask:
    import numpy as np

    column = snapshot.columns[name]
    known: Mask = np.ones(snapshot.size, bool)
    if name == "seed":
        column, known = column.view("u8"), snapshot.columns["seeded"]
    elif NUMBERS[name][1] == -1:
        known = column >= 0
    out: Mask = np.zeros(snapshot.size, bool)
    for one in ranges:
        inside = known.copy()
        if one.low is not None:
            inside &= column >= (max(0, one.low) if name == "seed" else one.low)
        if one.high is not None:
            inside &= (column <= one.high) if name != "seed" or one.high >= 0 else np.False_
        out |= inside
    return out


def _of_values(snapshot: Snapshot, values: Iterable[int]) -> list[tuple[Entries, Any]]:
    """The entries in which some of ``values`` are, and those values."""
    import numpy as np

    wanted = np.array(sorted(values), "i4")
    wanted = wanted[wanted < len(snapshot.owner)]
    owners = snapshot.owner[wanted]
    return [(snapshot.entries[p], wanted[owners == p]) for p in np.unique(owners).tolist() if p in snapshot.entries]


def _by_entries(snapshot: Snapshot, condition: Condition) -> Mask:
    import numpy as np

    out: Mask = np.zeros(snapshot.size, bool)
    some: list[tuple[Entries, Any]] = [(entries, None) for entries in snapshot.entries.values()]
    for entries, wanted in some if condition.ids is None else _of_values(snapshot, condition.ids):
        if condition.kind == "verdict":
            asked = np.zeros(VERDICTS, bool)
            asked[list(condition.numbers)] = True
            found = asked[entries.verdicts]
        elif entries.scores is None:
            continue
        else:
            found = np.zeros(len(entries.images), bool)
            scores = entries.contradicts() if condition.column == "contradicts" else entries.scores
            for one in condition.ranges:
                low = -np.inf if one.low is None else one.low
                high = np.inf if one.high is None else one.high
                found |= (scores >= low) & (scores <= high)
        if wanted is not None:
            found &= entries.among(wanted)
        out[entries.images[found]] = True
    return out
