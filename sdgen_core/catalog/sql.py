"""A query as SQL: pages by keyset, for any filter and order, without reading the whole table into memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .alike import duplicate_ids
from .query import Range
from .records import signed
from .resolve import Condition, Resolved
from .schema import KO, OK
from .store import Store

#: Flags as conditions on a row of ``image``; none of them is ever NULL.
_FLAGS = {
    "favourite": "image.id IN (SELECT image FROM image_said WHERE mark = 1)",
    "interesting": "image.id IN (SELECT image FROM image_said WHERE mark = 2)",
    "trash": "image.id IN (SELECT image FROM image_said WHERE mark = 3)",
    "marked": "image.id IN (SELECT image FROM image_said WHERE mark > 0)",
    "failed": "image.failed = 1",
    "judged": "image.judged > 0",
    "tagged": "image.id IN (SELECT image FROM image_tag)",
    "noted": "image.note IS NOT NULL",
    "missing": "image.missing = 1",
    "broken": "image.broken = 1",
    "landscape": "coalesce(image.width > image.height, 0)",
    "portrait": "coalesce(image.width < image.height, 0)",
    "square": "coalesce(image.width = image.height, 0)",
    "duplicate": "image.id IN (SELECT value FROM json_each(?))",
    "scored": "image.scored = 1",
    "flagged": "image.flagged = 1",
}
#: A number of a row of ``image_value``: its score, and how surely that contradicts its verdict.
_OF_VALUE = {
    "score": "score",
    "contradicts": f"CASE verdict WHEN {OK} THEN 1 - score WHEN {KO} THEN score END",
}

#: Sort keys as expressions; a row without a value comes last either way.
_SORTS = {
    "created": "image.created",
    "number": "(image.number * 64 + image.batch)",
    "file": "image.file",
    "rating": "nullif(image.rating, 0)",
    "mark": "nullif(image.mark, 0)",
    "judged": "image.judged",
    "bytes": "image.bytes",
    "pixels": "(image.width * image.height)",
    "steps": "image.steps",
    "cfg": "image.cfg",
    "model": "sdgen_sort_key((SELECT text FROM term WHERE id = image.model))",
    "sampler": "sdgen_sort_key((SELECT text FROM term WHERE id = image.sampler))",
    "session": "sdgen_sort_key((SELECT coalesce(title, name) FROM session WHERE id = image.session))",
    "match": "image.match",
    "promptscore": "image.promptscore",
    "aesthetic": "image.aesthetic",
    "contradicts": f"(SELECT max({_OF_VALUE['contradicts']}) FROM image_value WHERE image_value.image = image.id)",
}


@dataclass(frozen=True)
class Where:
    """A condition and its values."""

    sql: str
    values: tuple[Any, ...]


def where(store: Store, conditions: Iterable[Condition]) -> Where:
    """All of ``conditions`` as one; never NULL."""
    parts = [_where(store, condition) for condition in conditions]
    return Where(" AND ".join(part.sql for part in parts) or "1", tuple(v for part in parts for v in part.values))


def _where(store: Store, condition: Condition) -> Where:
    made = _plain(store, condition)
    return Where(f"NOT ({made.sql})" if condition.negate else f"({made.sql})", made.values)


def as_list(ids: Iterable[int]) -> str:
    """Ids as one value of a statement, for ``json_each``."""
    return json.dumps(sorted(ids))


def _plain(store: Store, condition: Condition) -> Where:
    ids = condition.ids
    if condition.kind == "flags":
        values = tuple(as_list(duplicate_ids(store)) for flag in condition.flags if flag == "duplicate")
        return Where(" OR ".join(_FLAGS[flag] for flag in condition.flags), values)
    if condition.kind == "like":
        near = [f"sdgen_apart(image.phash, {signed(hash)}) <= {distance}" for hash, distance in condition.near]
        return Where(f"coalesce({' OR '.join(near) or '0'}, 0)", ())
    if condition.kind == "text":
        found = "SELECT rowid FROM prompt_text WHERE prompt_text MATCH ?"
        return (
            Where(f"coalesce(image.prompt IN ({found}), 0)", (condition.match,)) if condition.match else Where("0", ())
        )
    if condition.kind == "range":
        return _ranges(f"image.{condition.column}", condition.ranges, unsigned=condition.column == "seed")
    if condition.kind in ("verdict", "score"):
        which, values = ("1", ()) if ids is None else ("value IN (SELECT value FROM json_each(?))", (as_list(ids),))
        if condition.kind == "verdict":
            said = Where(f"verdict IN ({', '.join(map(str, sorted(condition.numbers)))})", ())
        else:
            said = _ranges(_OF_VALUE[condition.column], condition.ranges)
        return Where(
            f"image.id IN (SELECT image FROM image_value WHERE {which} AND ({said.sql}))", (*values, *said.values)
        )
    assert ids is not None
    if condition.column in ("value", "tag"):
        table = f"image_{condition.column}"
        inner = f"SELECT image FROM {table} WHERE {condition.column} IN (SELECT value FROM json_each(?))"
        return Where(f"image.id IN ({inner})", (as_list(ids),))
    return Where(f"coalesce(image.{condition.column} IN (SELECT value FROM json_each(?)), 0)", (as_list(ids),))


def _ranges(column: str, ranges: Sequence[Range], unsigned: bool = False) -> Where:
    parts: list[str] = []
    values: list[Any] = []
    for one in ranges:
        for low, high in _signed_parts(one) if unsigned else ((one.low, one.high),):
            parts.append(f"{column} BETWEEN ? AND ?")
            values += (_bound(low, -9e999), _bound(high, 9e999))
    return Where(f"coalesce({' OR '.join(parts) or '0'}, 0)", tuple(values))


def _bound(number: float | None, unbound: float) -> float:
    """A number that SQLite takes: whole ones beyond 64 bits as floating point."""
    if number is None:
        return unbound
    return number if -(1 << 63) <= number < 1 << 63 else float(number)


def _signed_parts(one: Range) -> list[tuple[int, int]]:
    """A range of unsigned 64-bit numbers as SQLite stores them: below and above 2**63."""
    half, top = 1 << 63, (1 << 64) - 1
    low = max(0, int(one.low) if one.low is not None else 0)
    high = min(top, int(one.high) if one.high is not None else top)
    out = []
    if low < half and low <= high:
        out.append((low, min(high, half - 1)))
    if high >= half and low <= high:
        out.append((signed(max(low, half)), signed(high)))
    return out


@dataclass(frozen=True)
class Order:
    """Expressions to sort by, each with its direction; the last is the id, which makes the order total."""

    keys: tuple[tuple[str, bool], ...]  # expression, descending
    values: tuple[Any, ...]  # of the expressions' question marks, in order

    @property
    def sql(self) -> str:
        return ", ".join(f"{key} DESC" if down else key for key, down in self.keys)


def order(sort: Sequence[str]) -> Order:
    """The order of the sort keys of a query."""
    keys: list[tuple[str, bool]] = []
    values: list[Any] = []
    for name in sort:
        down = name.startswith("-")
        kind, _, of = name.removeprefix("-").partition(":")
        if kind == "random":
            keys.append((f"sdgen_mix(image.id, {int(of)})", down))
            continue
        if kind in ("value", "score"):
            column = "sdgen_sort_key(value.text)" if kind == "value" else "image_value.score"
            expression = (
                f"(SELECT {column} FROM image_value JOIN value ON value.id = image_value.value JOIN placeholder"
                " ON placeholder.id = value.placeholder WHERE image_value.image = image.id AND placeholder.name = ?)"
            )
            keys += [(f"({expression} IS NULL)", False), (expression, down)]
            values += [of, of]
            continue
        if kind == "like":
            apart = f"sdgen_apart(image.phash, (SELECT phash FROM image AS liked WHERE id = {int(of)}))"
            keys += [(f"({apart} IS NULL)", False), (apart, down)]
            continue
        if kind == "seed":  # those from 2**63 on are stored as negative numbers
            keys += [("(image.seed IS NULL)", False), ("(image.seed < 0)", down), ("image.seed", down)]
            continue
        expression = _SORTS[kind]
        if kind in ("created", "number", "file", "judged", "bytes"):
            keys.append((expression, down))
        else:
            keys += [(f"({expression} IS NULL)", False), (expression, down)]
    keys.append(("image.id", keys[0][1] if len(keys) == 1 else False))
    return Order(tuple(keys), tuple(values))


def by_index(resolved: Resolved) -> bool:
    """Whether an index gives the order, and every condition can be looked up row by row: then ``page`` reads no more than it has to."""
    likeness = any(c.kind == "like" or "duplicate" in c.flags for c in resolved.conditions)
    return resolved.query.sort in (("created",), ("-created",)) and not likeness


def page(store: Store, resolved: Resolved, limit: int, after: int | None = None) -> list[int]:
    """Up to ``limit`` ids of images that are found, in order, behind the image ``after`` (which need not be found itself)."""
    condition = where(store, resolved.conditions)
    sorting = order(resolved.query.sort)
    sql, values = f"SELECT image.id FROM image_and_said AS image WHERE {condition.sql}", list(condition.values)
    if after is not None:
        place = store.rows(
            f"SELECT {', '.join(key for key, _ in sorting.keys)} FROM image_and_said AS image WHERE id = ?",
            (*sorting.values, after),
        )
        if place:
            later, more = behind(sorting, place[0])
            sql += f" AND ({later})"
            values += more
    rows = store.rows(f"{sql} ORDER BY {sorting.sql} LIMIT ?", (*values, *sorting.values, max(0, limit)))
    return [row[0] for row in rows]


def behind(sorting: Order, place: Sequence[Any]) -> tuple[str, list[Any]]:
    """The condition that a row comes later than the one whose sort keys are ``place``."""
    marks: list[list[Any]] = []
    supply = iter(sorting.values)
    for key, _ in sorting.keys:
        marks.append([next(supply) for _ in range(key.count("?"))])
    if len({down for _, down in sorting.keys}) == 1 and not any(marks) and None not in place:
        sign = "<" if sorting.keys[0][1] else ">"  # one comparison of rows: this is what an index can answer
        names = ", ".join(key for key, _ in sorting.keys)
        return f"({names}) {sign} ({', '.join('?' * len(place))})", list(place)
    parts: list[str] = []
    values: list[Any] = []
    for depth, (key, down) in enumerate(sorting.keys):
        if place[depth] is None:
            continue  # all rows that are equal so far have no value here either
        equal = [f"{sorting.keys[n][0]} IS ?" for n in range(depth)]
        parts.append(" AND ".join([*equal, f"{key} {'<' if down else '>'} ?"]))
        for n in range(depth):
            values += [*marks[n], place[n]]
        values += [*marks[depth], place[depth]]
    return " OR ".join(f"({part})" for part in parts), values


def count(store: Store, resolved: Resolved) -> int:
    """How many images are found."""
    condition = where(store, resolved.conditions)
    return int(store.value(f"SELECT count(*) FROM image_and_said AS image WHERE {condition.sql}", condition.values))
