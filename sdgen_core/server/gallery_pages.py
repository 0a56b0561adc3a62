"""What a query finds, kept for a while: pages and id vectors of one moment, however much is judged meanwhile.

A cursor names what was found, a place in it and the image before that place. As long as this process remembers what was found, the
pages are cut from it; later, or after a restart, the next page begins behind that image in the order of now, by its sort keys.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ..catalog.query import Query, check, parse
from ..errors import SDGenError

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from .route import Call, Engine

#: What is remembered: so many results, of so many bytes together.
_MOST, _BYTES = 64, 32 << 20
#: Of the query, of what it found at some moment, the place in it, the image before that.
_CURSOR = struct.Struct(">8s8sII")
_NOBODY = bytes(8)
#: With more images the first pages do not wait until the columns are read.
_LARGE = 20_000


def version(engine: Engine, call: Call | None = None) -> str:
    """What every answer about the catalog depends on: both files, and the day, by which dates such as ``7d`` are counted."""
    catalog = engine.library.catalog
    return f"{catalog.user.version()}.{catalog.index.store.version()}.{date.today():%y%j}"


def page_version(engine: Engine, call: Call) -> str:
    """The same, and whether the columns are read: until then nobody counts what is found."""
    return f"{version(engine)}.{engine.library.catalog.snapshot.loaded:d}"


def parsed(text: str) -> Query:
    """The query of a request. Raises ``bad-query``."""
    with _told():
        return parse(text)


def question(text: str, sort: str | None = None) -> Query:
    """The query as people mean it, see ``Query.with_defaults``; ``sort`` in place of its own order. Raises ``bad-query``."""
    query = parsed(text)
    if sort:
        ordered = parsed(f"sort:{sort}")
        if ordered.clauses:
            raise SDGenError("bad-query", f"{sort!r} are no sort keys")
        query = query.model_copy(update={"sort": ordered.sort})
    return query.with_defaults()


def checked(query: Query) -> Query:
    """The same for a query that came as JSON."""
    with _told():
        check(query)
    return query.with_defaults()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError):  # of the models of queries, and of numbers beyond 10**308
        raise SDGenError("bad-query", "a value of the query is too long, or a number too large") from None


@dataclass(frozen=True)
class Result:
    """What a query found: ``ids`` in order (int32), what of it is not in this library, and the ``name`` of it in cursors."""

    ids: Any
    remarks: tuple[str, ...]
    name: bytes


@dataclass(frozen=True)
class Page:
    """A page of what a query finds. ``total``: None where nobody counted; ``next`` the cursor of the next page, None at the end."""

    ids: list[int]
    total: int | None
    remarks: tuple[str, ...]
    next: str | None


class Memory:
    """Results by their names, the latest ones. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Result] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, name: bytes) -> Result | None:
        """What was found under this name, if it is remembered."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def keep(self, result: Result) -> Result:
        """Remember a result, and forget what was not asked for longest. Gives what is remembered: of two that looked at once and found
        something different the first one stays, for somebody may have a cursor into it."""
        with self._lock:
            kept = self._kept.setdefault(result.name, result)
            while len(self._kept) > _MOST or sum(one.ids.nbytes for one in self._kept.values()) > _BYTES:
                self._kept.popitem(last=False)
            return kept


_memories: weakref.WeakKeyDictionary[Catalog, Memory] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def memory(catalog: Catalog) -> Memory:
    """What was found lately in a catalog."""
    with _making:
        return _memories.setdefault(catalog, Memory())


def find(catalog: Catalog, query: Query) -> Result:
    """What ``query`` finds now."""
    # before it is looked for: what is found may be newer than its name, never older
    name = _digest(f"{catalog.index.store.version()}/{date.today()}/{_asked(query).hex()}")
    result = memory(catalog).known(name)
    if result is None:
        ids, resolved = catalog.snapshot.find(query)
        result = memory(catalog).keep(Result(ids.astype("<i4"), resolved.remarks, name))
    return result


def page(catalog: Catalog, query: Query, after: str | None, limit: int) -> Page:
    """Up to ``limit`` ids behind the cursor ``after``. Raises ``bad-request`` for what is no cursor, or one of another query."""
    asked, name, place, last = _asked(query), b"", 0, None
    if after is not None:
        name, place, last = _read(catalog, asked, after)
    result = memory(catalog).known(name)
    if result is None and not catalog.snapshot.loaded and _is_large(catalog):
        found = catalog.page(query, last, limit)  # by an index, if there is one: nobody waits for the columns
        following = _cursor(asked, _NOBODY, 0, found.ids[-1]) if len(found.ids) == limit else None
        return Page(found.ids, found.total, found.remarks, following)
    if result is None:
        result, place = (find(catalog, query), 0) if last is None else _resumed(catalog, query, last)
    elif not 0 < place <= len(result.ids) or result.ids[place - 1] != last:
        raise SDGenError("bad-request", f"{after!r} is no cursor")
    ids = result.ids[place : place + limit].tolist()
    end = place + len(ids)
    following = _cursor(asked, result.name, end, ids[-1]) if end < len(result.ids) else None
    return Page(ids, len(result.ids), result.remarks, following)


def _is_large(catalog: Catalog) -> bool:
    return (catalog.index.store.value("SELECT max(id) FROM image") or 0) > _LARGE


def _resumed(catalog: Catalog, query: Query, last: int) -> tuple[Result, int]:
    """What ``query`` finds now, and the place behind the image ``last``, which need not be found any more."""
    import numpy as np

    with catalog.snapshot.still():
        result = find(catalog, query)
        following, _, _ = catalog.snapshot.page(query, 1, last)
    found = np.flatnonzero(np.isin(result.ids, following))
    return result, int(found[0]) if len(found) else len(result.ids)


def _asked(query: Query) -> bytes:
    return _digest(json.dumps(query.model_dump(mode="json")))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _cursor(asked: bytes, name: bytes, place: int, last: int) -> str:
    packed = _CURSOR.pack(asked, name, place, last)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _read(catalog: Catalog, asked: bytes, cursor: str) -> tuple[bytes, int, int]:
    """The name, place and image of a cursor. Raises ``bad-request``."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        of, name, place, last = _CURSOR.unpack(packed)
    except (ValueError, struct.error):
        raise SDGenError("bad-request", f"{cursor!r} is no cursor: take `next` of the page before") from None
    if of != asked:
        raise SDGenError("bad-request", "this cursor belongs to another query")
    if not catalog.index.store.value("SELECT 1 FROM image WHERE id=?", (last,)):
        raise SDGenError("bad-request", f"there is no image {last} that this cursor could be behind")
    return name, place, last
