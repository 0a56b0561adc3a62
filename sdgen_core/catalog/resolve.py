"""From the names in a query to the ids and numbers that stand for them: the part that both ways of answering share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import nearest_names
from .fields import NO_CLASS, VERDICTS
from .query import FIELDS, NO_VERDICT, Clause, Query, Range, date_range, likeness, number_range
from .records import unsigned
from .schema import CLASS_NUMBER, VERDICT_NUMBER
from .store import Store

_TERMS = ("model", "sampler", "scheduler")
_SESSION_WORDS = {
    "theme": ("theme",),
    "style": ("style",),
    "template": ("template",),
    "session": ("slug", "title", "name"),
}
_LETTERS = re.compile(r"[^\W_]")
VERDICT_NUMBERS = {NO_VERDICT: 0, **{verdict: VERDICT_NUMBER[verdict] for verdict in VERDICTS}}

_CLASS_NUMBERS = {NO_CLASS if name is None else name: number for name, number in CLASS_NUMBER.items()}


@dataclass(frozen=True)
class Condition:
    """What a clause comes to. ``kind``:

    - ``ids``: the image's ``column`` (session, model, sampler, scheduler, class, value or tag) is one of ``ids``
    - ``text``: the image's prompt has what FTS5's query ``match`` asks for; nothing has when it is empty
    - ``range``: the image's ``column`` is in one of ``ranges``
    - ``flags``: one of ``flags`` holds
    - ``verdict``: one of ``ids`` (values; None: any) has one of the verdicts ``numbers``
    - ``score``: one of ``ids`` has a score, or by ``column`` contradicts its verdict by a number, in one of ``ranges``
    - ``like``: the image's perceptual hash (unsigned) is as near as that to one of ``near``
    """

    clause: Clause
    kind: str
    column: str = ""
    ids: frozenset[int] | None = None
    ranges: tuple[Range, ...] = ()
    flags: tuple[str, ...] = ()
    numbers: frozenset[int] = frozenset()
    match: str = ""
    near: tuple[tuple[int, int], ...] = ()

    @property
    def negate(self) -> bool:
        return self.clause.negate


@dataclass(frozen=True)
class Resolved:
    """A query that can be answered. ``remarks`` says in words what of it is not in this library."""

    query: Query
    conditions: tuple[Condition, ...]
    remarks: tuple[str, ...]


def matches(pattern: str) -> Callable[[str], bool]:
    """Whether a name is meant by ``pattern``: the same but for case, or with ``*`` at an end the beginning, end or middle of it."""
    wanted = pattern.casefold()
    inner = wanted.strip("*")
    before, behind = wanted.startswith("*"), wanted.endswith("*")
    if before and behind:
        return lambda name: inner in name.casefold()
    if behind:
        return lambda name: name.casefold().startswith(inner)
    if before:
        return lambda name: name.casefold().endswith(inner)
    return lambda name: name.casefold() == wanted


def full_text(word: str) -> str | None:
    """A word or phrase of a query in FTS5's language; None when there is nothing in it that could be found.

    It is always one quoted string, so that nothing in it is ever an operator.
    """
    star = " *" if word.endswith("*") else ""
    inner = word.removesuffix("*").replace('"', " ").replace("\0", " ")
    return f'"{inner}"{star}' if _LETTERS.search(unicodedata.normalize("NFKD", inner)) else None


def resolve(store: Store, query: Query) -> Resolved:
    """Look up the names of a query. What is not there matches nothing, and is remarked upon."""
    remarks: list[str] = []
    conditions = tuple(_condition(store, clause, remarks) for clause in query.clauses)
    return Resolved(query, conditions, tuple(remarks))


def _condition(store: Store, clause: Clause, remarks: list[str]) -> Condition:
    field = clause.field
    kind = FIELDS[field].kind
    if kind == "flags":
        return Condition(clause, "flags", flags=clause.any)
    if kind == "date":
        return Condition(clause, "range", "created", ranges=tuple(map(date_range, clause.any)))
    if kind == "number":
        return Condition(clause, "range", field, ranges=tuple(number_range(field, text) for text in clause.any))
    if kind == "verdict":
        numbers = frozenset(VERDICT_NUMBERS[word] for word in clause.any)
        return Condition(clause, "verdict", ids=_of_placeholder(store, clause, remarks), numbers=numbers)
    if kind == "score":
        ranges = tuple(number_range(field, text) for text in clause.any)
        return Condition(clause, "score", field, ids=_of_placeholder(store, clause, remarks), ranges=ranges)
    if kind == "class":
        return Condition(clause, "ids", "class", ids=frozenset(_CLASS_NUMBERS[word] for word in clause.any))
    if kind == "values":
        return Condition(clause, "ids", "value", ids=_values(store, clause, remarks))
    if kind == "like":
        return Condition(clause, "like", near=_near(store, clause, remarks))
    if kind == "text":
        return Condition(clause, "text", match=_match(clause, remarks))
    if field in _TERMS:
        rows = store.rows("SELECT id, text FROM term WHERE kind=?", (field,))
        return Condition(clause, "ids", field, ids=_named(clause, ((i, (text,)) for i, text in rows), remarks))
    if field == "tag":
        rows = store.rows("SELECT id, name FROM tag")
        return Condition(clause, "ids", "tag", ids=_named(clause, ((i, (name,)) for i, name in rows), remarks))
    columns = _SESSION_WORDS[field]
    rows = store.rows(f"SELECT id, {', '.join(columns)} FROM session")
    return Condition(clause, "ids", "session", ids=_named(clause, ((row[0], row[1:]) for row in rows), remarks))


def _named(clause: Clause, rows: Iterable[tuple[int, tuple[str | None, ...]]], remarks: list[str]) -> frozenset[int]:
    known = [(number, [name for name in names if name]) for number, names in rows]
    found: set[int] = set()
    for pattern in clause.any:
        meant = matches(pattern)
        some = {number for number, names in known if any(map(meant, names))}
        if not some:
            near = nearest_names(pattern, {name for _, names in known for name in names})
            remarks.append(_nothing(f"{clause.field} {pattern!r}", near))
        found |= some
    return frozenset(found)


def _nothing(what: str, near: Iterable[str]) -> str:
    names = ", ".join(near)
    return f"there is no {what}" + (f"; nearest: {names}" if names else "")


def _placeholders(store: Store, name: str, remarks: list[str]) -> str:
    """The ids of the placeholder ``name``, as a list in SQL; of those that differ in case only, when none is called just that."""
    known = store.rows("SELECT id, name FROM placeholder")
    exact = [number for number, other in known if other == name]
    found = exact or [number for number, other in known if other.casefold() == name.casefold()]
    if not found:
        remarks.append(_nothing(f"placeholder {name!r}", nearest_names(name, [other for _, other in known])))
    return ", ".join(map(str, found))


def _of_placeholder(store: Store, clause: Clause, remarks: list[str]) -> frozenset[int] | None:
    if clause.name is None:
        return None
    among = _placeholders(store, clause.name, remarks)
    return frozenset(row[0] for row in store.rows(f"SELECT id FROM value WHERE placeholder IN ({among})"))


def _values(store: Store, clause: Clause, remarks: list[str]) -> frozenset[int]:
    assert clause.name is not None
    among = _placeholders(store, clause.name, remarks)
    if not among:
        return frozenset()
    rows = store.rows(f"SELECT id, key, text FROM value WHERE placeholder IN ({among})")
    keys = {key for _, key, _ in rows}
    found: set[int] = set()
    for pattern in clause.any:
        if pattern in keys:  # a key is meant before a text that reads the same
            found.update(number for number, key, _ in rows if key == pattern)
            continue
        meant = matches(pattern)
        some = {number for number, key, text in rows if meant(key) or meant(text)}
        if not some:
            remarks.append(_nothing(f"value {pattern!r} of {clause.name}", nearest_names(pattern, keys)))
        found |= some
    return frozenset(found)


def _near(store: Store, clause: Clause, remarks: list[str]) -> tuple[tuple[int, int], ...]:
    """Hash and distance of the images that are asked for."""
    out = []
    for image, distance in map(likeness, clause.any):
        rows = store.rows("SELECT phash FROM image WHERE id=?", (image,))
        if not rows or rows[0][0] is None:
            remarks.append(f"image {image} was not looked at yet" if rows else _nothing(f"image {image}", ()))
        else:
            out.append((unsigned(rows[0][0]), distance))
    return tuple(out)


def _match(clause: Clause, remarks: list[str]) -> str:
    column = "positive" if clause.field == "text" else "negative"
    words = [text for word in clause.any if (text := full_text(word)) is not None]
    if not words:
        remarks.append(f"there is nothing to look for in {', '.join(map(repr, clause.any))}")
        return ""
    return f"{column} : ({' OR '.join(words)})"
