"""Completion for the query box: names of fields, placeholders and everything that stands behind a colon, with counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from ..catalog.fields import VERDICTS
from ..catalog.query import FIELDS, FLAGS, NO_VERDICT, SORTS, Clause, Query, write
from ..errors import SDGenError, nearest_names
from .model_facets import Completion, Suggestion
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog

_NAME = re.compile(r"\w+")
#: Values without a key of their own are named by their text up to this length, and longer ones by its hash.
_READABLE = 60

Kind = Literal["field", "placeholder", "value", "word", "flag", "verdict", "sort"]
#: Fields whose values are names that the snapshot counts.
_NAMED = ("model", "sampler", "scheduler", "session", "theme", "style", "template", "tag")


def complete(engine: Engine, call: Call) -> Completion:
    """How the query can go on. Raises ``bad-query`` for a field or placeholder that there is not."""
    asked, catalog = call.query, engine.library.catalog
    found = _matching(_all(catalog, asked.field, asked.text), asked.text)
    return Completion(suggestions=found[: asked.limit])


def _matching(known: Iterable[Suggestion], text: str) -> list[Suggestion]:
    """What begins with ``text``, then what has it inside; each by images, then by name."""
    wanted = text.strip('"*').casefold()

    def rank(one: Suggestion) -> int:
        if not wanted or one.label.casefold().startswith(wanted):
            return 0
        words = one.text.rpartition(":")[2].strip('"').casefold()
        return 0 if words.startswith(wanted) else 1 if wanted in one.label.casefold() or wanted in words else 2

    ranked = [(rank(one), -(one.images or 0), one.label.casefold(), n, one) for n, one in enumerate(known)]
    return [one for place, _, _, _, one in sorted(ranked) if place < 2]


def _all(catalog: Catalog, field: str, text: str) -> Iterator[Suggestion]:
    if not field:
        yield from _names(catalog)
    elif field == "sort":
        for key in SORTS:
            for sign in ("", "-") if not text.startswith("-") else ("-",):
                yield _said(f"sort:{sign}{key}", sign + key, "sort")
    elif field.startswith("@") or field not in FIELDS:
        yield from _values(catalog, field.removeprefix("@"))
    elif field == "is":
        counts = _counted(catalog)["is"]
        for flag in FLAGS:
            yield _said(f"is:{flag}", flag, "flag", counts.get(flag))
    elif field == "verdict":
        for verdict in (*VERDICTS, NO_VERDICT):
            yield _said(f"verdict:{verdict}", verdict, "verdict")
    elif field in _NAMED:
        shown = (
            dict(catalog.index.store.rows("SELECT slug, coalesce(title, name) FROM session"))
            if field == "session"
            else {}
        )
        for name, images in _counted(catalog)[field].items():
            if name:
                yield _said(_clause(field, name), shown.get(name, name), "word", images)


def _names(catalog: Catalog) -> Iterator[Suggestion]:
    for name in FIELDS:
        if name != "value":  # placeholders are written by their own names
            yield _said(f"{name}:", name, "field")
    yield _said("sort:", "sort", "field")
    for (name,) in catalog.index.store.rows("SELECT name FROM placeholder ORDER BY name"):
        if _NAME.fullmatch(name):  # others can be asked for in the query's JSON form only
            yield _said(f"{_written(name)}:", name, "placeholder")


def _values(catalog: Catalog, placeholder: str) -> Iterator[Suggestion]:
    from ..catalog.records import value_key

    store = catalog.index.store
    names = {name.casefold(): name for (name,) in store.rows("SELECT name FROM placeholder")}
    names |= {name: name for name in names.values()}
    name = names.get(placeholder) or names.get(placeholder.casefold())
    if name is None:
        near = nearest_names(placeholder, [*names.values(), *FIELDS])
        raise SDGenError("bad-query", f"{placeholder!r} is no field and no placeholder", nearest=near)
    sql = "SELECT key, text, images FROM value WHERE placeholder=(SELECT id FROM placeholder WHERE name=?)"
    for key, text, images in store.rows(sql, (name,)):
        said = text if key == value_key(text) and len(text) <= _READABLE else key
        yield _said(f"{_written(name)}:{_clause('tag', said).partition(':')[2]}", text, "value", images)


def _counted(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Field -> name -> images in the whole library."""
    from ..catalog.resolve import resolve

    return catalog.snapshot.facets(resolve(catalog.index.store, Query())).fields


def _written(placeholder: str) -> str:
    """A placeholder's name as the query has it."""
    return f"@{placeholder}" if placeholder in FIELDS or placeholder == "sort" else placeholder


def _clause(field: str, value: str) -> str:
    return write(Query(clauses=(Clause.model_construct(field=field, any=(value,)),)))


def _said(text: str, label: str, kind: Kind, images: int | None = None) -> Suggestion:
    return Suggestion(text=text, label=label, kind=kind, images=images)
