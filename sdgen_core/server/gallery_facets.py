"""Live counts over HTTP: how many of the images that a query finds have each value, model, session, mark and tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..catalog.naming import sort_key
from ..errors import SDGenError, nearest_names
from .gallery_pages import question, version
from .model_facets import FacetCount, FacetGroups, FacetPlaceholder, Facets, FacetValue
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog


def facets(engine: Engine, call: Call) -> Facets:
    """Live counts. Raises ``bad-query``, and ``unknown-item`` for a placeholder that there is not."""
    from ..catalog.resolve import resolve

    asked, catalog = call.query, engine.library.catalog
    query, now = question(asked.q), version(engine)
    snapshot, store = catalog.snapshot, catalog.index.store
    groups: FacetGroups | None = None
    with snapshot.still():
        snapshot.refresh()
        names = dict(store.rows("SELECT id, name FROM placeholder"))
        resolved = resolve(store, query)
        if asked.placeholder is None:
            found = snapshot.facets(resolved)
            total, tables = found.total, found.tables
            slugs, shown = snapshot.names.sessions["session"], snapshot.names.sessions_shown
            labels = {slug: shown[number] for number, slug in slugs.items() if slug}
            groups = _groups(found.fields, labels, asked.limit)
        else:
            names = _only(names, asked.placeholder)
            total, tables = snapshot.counts(resolved)
    placeholders = _placeholders(catalog, names, tables, asked.limit)
    remarks = list(resolved.remarks)
    return Facets(total=total, placeholders=placeholders, groups=groups, remarks=remarks, version=now)


def _only(names: Mapping[int, str], wanted: str) -> dict[int, str]:
    found = {number: name for number, name in names.items() if name == wanted}
    if not found:
        near = nearest_names(wanted, names.values())
        raise SDGenError("unknown-item", f"there is no placeholder {wanted!r}", nearest=near, hint="")
    return found


def _placeholders(
    catalog: Catalog, names: Mapping[int, str], tables: Mapping[int, tuple[Any, Any]], limit: int
) -> list[FacetPlaceholder]:
    import numpy as np

    from ..catalog.sql import as_list

    shown: dict[int, tuple[list[int], list[int], list[list[int]]]] = {}
    for number in names:
        if number in tables:
            known, table = tables[number]
            images = table.sum(axis=1)
            first = np.lexsort((known, -images))[:limit]
            shown[number] = known[first].tolist(), images[first].tolist(), table[first].tolist()
    ids = [value for values, _, _ in shown.values() for value in values]
    sql = "SELECT id, key, text FROM value WHERE id IN (SELECT value FROM json_each(?))"
    words = {row[0]: row[1:] for row in catalog.index.store.rows(sql, (as_list(ids),))}
    return [
        FacetPlaceholder(
            name=names[number],
            known=len(tables[number][0]),
            values=sorted(
                (_value(words[value], n, row) for value, n, row in zip(*columns, strict=True) if value in words),
                key=lambda one: (-one.images, sort_key(one.text or one.key)),
            ),
        )
        for number, columns in sorted(shown.items(), key=lambda one: sort_key(names[one[0]]))
    ]


def _value(words: tuple[Any, ...], images: int, row: list[int]) -> FacetValue:
    key, text = words
    _, ok, partial, ko, no_effect, unintended = row
    return FacetValue(
        key=key, text=text, images=images, ok=ok, partial=partial, ko=ko, no_effect=no_effect, unintended=unintended
    )


def _groups(fields: Mapping[str, Mapping[str, int]], sessions: Mapping[str, str], limit: int) -> FacetGroups:
    def first(counts: Iterable[tuple[str, int]], labels: Mapping[str, str]) -> list[FacetCount]:
        ordered = sorted(counts, key=lambda one: (-one[1], sort_key(labels.get(one[0], one[0]))))[:limit]
        return [FacetCount(name=name, label=labels.get(name, name), images=n) for name, n in ordered]

    named = {
        field: first(fields[field].items(), sessions if field == "session" else {})
        for field in ("model", "sampler", "scheduler", "theme", "style", "template", "session", "tag")
    }
    rating, classes, flag = (
        [FacetCount(name=name, label=name, images=n) for name, n in fields[field].items()]
        for field in ("rating", "class", "is")
    )
    return FacetGroups(**named, rating=rating, classes=classes, flag=flag)
