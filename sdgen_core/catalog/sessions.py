"""The list of sessions: found, sorted and paged, with the numbers that each card shows and what the filters can be set to.

Counters come from the session's own row, where triggers keep them; no statement here reads the table of images but through its index
of sessions, a few rows a card.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import SDGenError, nearest_names
from .naming import sort_key
from .query import date_range
from .session_cards import SessionCard, session_cards
from .session_words import Words, words_of
from .sql import Order, Where, as_list, behind
from .store import Store

if TYPE_CHECKING:
    from .catalog import Catalog

MOST = 500

Name = Annotated[str, Field(max_length=500)]
Names = Annotated[tuple[Name, ...], Field(max_length=200)]
Rating = Literal["like", "dislike", "none"]
Complete = Literal["yes", "no", "none"]

#: Sort keys as expressions; a session without a value comes last either way.
_SORTS: Mapping[str, str] = {
    "started": "started",
    "name": "sdgen_sort_key(coalesce(title, name))",
    "status": "status",
    "images": "images",
    "planned": "planned",
    "completion": "CAST(found_planned AS REAL) / nullif(planned, 0)",
    "missing": "gone - removed",
    "removed": "removed",
    "bytes": "bytes",
    "favourite": "favourite",
    "favourites": "favourites",
    "interesting": "interesting",
    "trash": "trash",
    "failed": "failed",
    "judged": "judged",
    "rating": "CASE rating WHEN 'like' THEN 2 WHEN 'dislike' THEN 1 END",
    "complete": "CASE complete WHEN 'yes' THEN 2 WHEN 'no' THEN 1 END",
    "test": "test",
    "theme": "sdgen_sort_key(theme)",
    "style": "sdgen_sort_key(style)",
    "template": "sdgen_sort_key(template)",
    "model": "sdgen_sort_key(model)",
    "sampler": "sdgen_sort_key(sampler)",
    "problems": "json_array_length(problems)",
}
SORTS = (*_SORTS, "seed")
#: What can be filtered by name, which is what the filters' bounds count.
NAMED = ("theme", "style", "template", "model", "sampler", "status", "rating", "complete")


class SessionQuery(BaseModel):
    """Which sessions, in which order, and which page of them. Everything must hold; of several names in one field one.

    ``text``: every word begins a word of the session's name, title, note, template, theme or tags; accents and case do not count.
    ``date`` as in queries of images. In ``theme``, ``style``, ``template``, ``model`` and ``sampler`` an empty name means that there is
    none; ``rating`` and ``complete`` have ``none`` for that. ``missing``: its folder or files of it are gone. ``sort`` is one of
    ``SORTS``, turned round by a minus. ``after`` is the slug of the last card of the page before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(max_length=500)] = ""
    date: Annotated[str, Field(max_length=50)] | None = None
    tags: Names = ()
    any_tags: Names = ()
    no_tags: Names = ()
    favourite: bool | None = None
    rating: Annotated[tuple[Rating, ...], Field(max_length=3)] = ()
    complete: Annotated[tuple[Complete, ...], Field(max_length=3)] = ()
    test: bool | None = None
    status: Names = ()
    images_min: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    images_max: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    theme: Names = ()
    style: Names = ()
    template: Names = ()
    model: Names = ()
    sampler: Names = ()
    sweep: bool | None = None
    problems: bool | None = None
    missing: bool | None = None
    sort: Annotated[str, Field(max_length=50)] = "-started"
    after: Annotated[str, Field(max_length=300)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 100

    @field_validator("sort")
    @classmethod
    def _known(cls, sort: str) -> str:
        if sort.removeprefix("-") not in SORTS:
            near = nearest_names(sort.removeprefix("-"), SORTS)
            raise SDGenError("bad-query", f"sessions cannot be sorted by {sort!r}", nearest=near)
        return sort


@dataclass(frozen=True)
class SessionBounds:
    """What the filters can be set to. ``images`` is the greatest number of images of a session; ``counts`` is, for each of ``NAMED`` and
    ``tags``, name -> number of sessions, most first; each under the other filters, as if its own were not set. "" is none.
    """

    images: int
    counts: dict[str, dict[str, int]]


@dataclass(frozen=True)
class SessionPage:
    """A page. ``total`` is how many sessions are found, ``next`` the ``after`` of the next page, None at the end."""

    sessions: list[SessionCard]
    total: int
    next: str | None
    bounds: SessionBounds

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "sessions": [card.to_dict() for card in self.sessions], "bounds": vars(self.bounds)}


def list_sessions(catalog: Catalog, query: SessionQuery) -> SessionPage:
    """A page of the sessions that ``query`` finds. Raises ``bad-query``, and ``unknown-session`` when ``after`` is none."""
    store = catalog.index.store
    filters = _filters(store, query)
    total, bounds = _bounds(store, filters)
    ids = _page(store, query, _all(filters))
    more = ids[query.limit :]
    cards = session_cards(store, ids[: query.limit])
    return SessionPage(cards, total, cards[-1].slug if more else None, bounds)


# ---- finding -------------------------------------------------------------------------------------------------------------

_words = Words()


def _filters(store: Store, query: SessionQuery) -> dict[str, Where]:
    """Name of a filter -> its condition; only of those that are set."""
    out: dict[str, Where] = {}

    def add(name: str, sql: str, *values: Any) -> None:
        out[name] = Where(sql, values)

    if wanted := words_of(query.text):
        add("text", "session.id IN (SELECT value FROM json_each(?))", as_list(_words.find(store, wanted)))
    if query.date:
        span = date_range(query.date)
        low, high = (None if end is None else int(end) for end in (span.low, span.high))
        add("date", "started BETWEEN coalesce(?, -9e99) AND coalesce(?, 9e99)", low, high)
    tags = [_tagged(query.any_tags)] if query.any_tags else []
    tags += [_tagged((tag,)) for tag in query.tags]
    tags += [Where(f"NOT {one.sql}", one.values) for one in (_tagged((tag,)) for tag in query.no_tags)]
    if tags:
        add("tags", " AND ".join(one.sql for one in tags), *(value for one in tags for value in one.values))
    for name in ("favourite", "test", "sweep"):
        if (flag := getattr(query, name)) is not None:
            add(name, f"{name} = ?", flag)
    for name in NAMED:
        if names := getattr(query, name):
            none = "none" if name in ("rating", "complete") else ""
            given = [one for one in names if one != none]
            empty = f" OR {name} IS NULL" if none in names else ""
            add(name, f"(coalesce({name} IN (SELECT value FROM json_each(?)), 0){empty})", json.dumps(given))
    if query.images_min is not None or query.images_max is not None:
        add(
            "images",
            "images BETWEEN ? AND ?",
            query.images_min or 0,
            2**53 if query.images_max is None else query.images_max,
        )
    if query.problems is not None:
        add("problems", "(problems <> '[]') = ?", query.problems)
    if query.missing is not None:
        add("missing", "(missing OR gone > removed) = ?", query.missing)
    return out


def _tagged(names: Sequence[str]) -> Where:
    sql = "session.id IN (SELECT session FROM session_tag JOIN tag ON tag.id = tag WHERE name IN (SELECT value FROM json_each(?)))"
    return Where(sql, (json.dumps(list(names)),))


def _all(filters: Mapping[str, Where], but: str = "") -> Where:
    """All conditions, or all but one filter's."""
    some = [where for name, where in filters.items() if name != but]
    return Where(" AND ".join(one.sql for one in some) or "1", tuple(value for one in some for value in one.values))


def _order(sort: str) -> Order:
    down, name = sort.startswith("-"), sort.removeprefix("-")
    if name == "seed":  # those from 2**63 on are stored as negative numbers
        keys = [("(seed_min IS NULL)", False), ("(seed_min < 0)", down), ("seed_min", down)]
    else:
        keys = [(f"({_SORTS[name]} IS NULL)", False), (f"({_SORTS[name]})", down)]
    return Order((*keys, ("session.id", down)), ())


def _page(store: Store, query: SessionQuery, where: Where) -> list[int]:
    """One id more than the page has, if there is one."""
    order = _order(query.sort)
    sql, values = f"SELECT id FROM session WHERE {where.sql}", list(where.values)
    if query.after is not None:
        names = ", ".join(key for key, _ in order.keys)
        place = store.rows(f"SELECT {names} FROM session WHERE slug = ?", (query.after,))
        if not place:
            raise SDGenError("unknown-session", f"there is no session {query.after!r}")
        later, more = behind(order, place[0])
        sql += f" AND ({later})"
        values += more
    return [row[0] for row in store.rows(f"{sql} ORDER BY {order.sql} LIMIT ?", (*values, query.limit + 1))]


# ---- bounds --------------------------------------------------------------------------------------------------------------


class _Bounds:
    """Totals and bounds of the filters asked for last, kept as long as nothing is written: pages and orders of one list share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Store, tuple[str, dict[object, tuple[int, SessionBounds]]]] = (
            weakref.WeakKeyDictionary()
        )

    def __call__(self, store: Store, filters: Mapping[str, Where]) -> tuple[int, SessionBounds]:
        version, asked = store.version(), tuple(filters.items())
        with self._lock:
            before, known = self._known.get(store, ("", {}))
            if before == version and asked in known:
                return known[asked]
        found = _counted(store, filters)
        with self._lock:
            before, known = self._known.get(store, ("", {}))
            if before != version or len(known) >= _KEEP:
                known = {}
            known[asked] = found
            self._known[store] = (version, known)
        return found


_KEEP = 50
_bounds = _Bounds()


def _counted(store: Store, filters: Mapping[str, Where]) -> tuple[int, SessionBounds]:
    where = _all(filters)
    found = store.rows(f"SELECT {', '.join(NAMED)}, images FROM session WHERE {where.sql}", where.values)
    counts: dict[str, dict[str, int]] = {}
    for at, name in enumerate(NAMED):
        values: Iterable[str | None] = (row[at] for row in found)
        if name in filters:
            where = _all(filters, but=name)
            values = (text for (text,) in store.rows(f"SELECT {name} FROM session WHERE {where.sql}", where.values))
        counts[name] = dict(_most_first(Counter(text or "" for text in values)))
    where = _all(filters, but="tags")
    sql = (
        "SELECT tag.name, count(*) FROM session_tag JOIN tag ON tag.id = session_tag.tag"
        f" WHERE session IN (SELECT id FROM session WHERE {where.sql}) GROUP BY tag.id"
    )
    counts["tags"] = dict(_most_first(dict(store.rows(sql, where.values))))
    most = max((row[len(NAMED)] for row in found), default=0)
    if "images" in filters:
        where = _all(filters, but="images")
        most = store.value(f"SELECT coalesce(max(images), 0) FROM session WHERE {where.sql}", where.values)
    return len(found), SessionBounds(most, counts)


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], sort_key(one[0])))
