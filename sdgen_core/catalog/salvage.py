"""After ``user.db`` was damaged and a copy took its place: what was said since the copy, taken from the index, which mirrored it.

Saved queries and the steps that could be undone are in ``user.db`` alone: of them the copy has what there was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .fields import MARKS, TAG, VALUE, VERDICTS
from .records import surest
from .sql import as_list
from .store import Store, chunks
from .user import Change, UserStore

_SAID = {
    "image": "SELECT image, mark, failed, rating, note FROM image_said WHERE image IN (SELECT value FROM json_each(?))",
    "session": "SELECT id, favourite, rating, test, complete, note, title FROM session WHERE id IN (SELECT value FROM json_each(?))",
}
_JUDGED = {
    "image": "SELECT image FROM image_said WHERE subject IS NOT NULL",
    "session": "SELECT id FROM session WHERE subject IS NOT NULL",
}
_VALUES = (
    "SELECT image, name, verdict FROM image_value JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
    " WHERE image IN (SELECT value FROM json_each(?))"
)


def salvage(store: Store, user: UserStore) -> int:
    """Say again in ``user`` what the index ``store`` says otherwise; gives how many judgements that were. None of them can be undone."""
    done = 0
    for kind, judged in _JUDGED.items():
        for some in chunks((row for (row,) in store.rows(judged)), 5_000):
            step = user.change(_changes(store, user, kind, some), "recovered from index.db", undoable=False)
            done += 0 if step is None else len(step.events)
    return done


def _changes(store: Store, user: UserStore, kind: str, rows: Sequence[int]) -> Iterator[Change]:
    asked = (as_list(rows),)
    keys: dict[int, list[str]] = {}
    for row, key in store.rows(
        f"SELECT {kind}, key FROM {kind}_key WHERE {kind} IN (SELECT value FROM json_each(?))", asked
    ):
        keys.setdefault(row, []).append(key)
    said: dict[int, dict[str, str | None]] = {row: _own(kind, rest) for row, *rest in store.rows(_SAID[kind], asked)}
    for row, name in store.rows(
        f"SELECT {kind}, name FROM {kind}_tag JOIN tag ON tag.id = tag WHERE {kind} IN (SELECT value FROM json_each(?))",
        asked,
    ):
        said[row][TAG + name] = "yes"
    if kind == "image":
        for row, name, verdict in store.rows(_VALUES, asked):
            said[row][VALUE + name] = VERDICTS[verdict - 1] if verdict else None
    known = user.subjects({key for some in keys.values() for key in some})
    facts = user.facts(known.values())
    for row, some in keys.items():
        some.sort(key=surest)
        before = next((facts.get(known[key], {}) for key in some if key in known), {})
        for field in _taken_back(before, said[row]):
            said[row][field] = None
        for field, value in said[row].items():
            yield Change(kind, tuple(some), field, value)


def _own(kind: str, row: Sequence[int | str | None]) -> dict[str, str | None]:
    """The fields that are columns."""
    if kind == "image":
        mark, failed, rating, note = row
        return {
            "mark": MARKS[int(mark) - 1] if mark else None,
            "failed": "yes" if failed else None,
            "rating": str(rating) if rating else None,
            "note": None if note is None else str(note),
        }
    favourite, rating, test, complete, note, title = row
    yes = {"favourite": "yes" if favourite else None, "test": "yes" if test else None}
    texts = {"rating": rating, "complete": complete, "note": note, "name": title}
    return {**yes, **{field: None if text is None else str(text) for field, text in texts.items()}}


def _taken_back(before: Mapping[str, str], said: Mapping[str, str | None]) -> list[str]:
    """Tags of the copy that the index has no more. Verdicts about values that an image has not are not in the index, and stay."""
    return [field for field in before if field.startswith(TAG) and field not in said]
