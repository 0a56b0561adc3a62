"""What to judge next, over HTTP."""

from __future__ import annotations

from ..errors import SDGenError, nearest_names
from .gallery_pages import question, version
from .model_review import Review, ReviewValue
from .route import Call, Engine

#: Values that are told of.
_MOST = 500


def review(engine: Engine, call: Call) -> Review:
    """The images that tell most about the least known values. Raises ``bad-query``, and ``unknown-item`` for a placeholder that there is
    not."""
    from ..catalog.review import review as next_images
    from ..catalog.sql import as_list

    asked, catalog = call.query, engine.library.catalog
    query, now, store = question(asked.q), version(engine), catalog.index.store
    names = {name: number for number, name in store.rows("SELECT id, name FROM placeholder")}
    if asked.placeholder is not None and asked.placeholder not in names:
        near = nearest_names(asked.placeholder, names)
        raise SDGenError("unknown-item", f"there is no placeholder {asked.placeholder!r}", nearest=near, hint="")
    among = None if asked.placeholder is None else [names[asked.placeholder]]
    found = next_images(catalog.snapshot, query, among, asked.limit)
    first = found.values[:_MOST]
    sql = (
        "SELECT value.id, name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE value.id IN (SELECT value FROM json_each(?))"
    )
    words = {row[0]: row[1:] for row in store.rows(sql, (as_list([one.value for one in first]),))}
    return Review(
        ids=found.images,
        open=found.open,
        values=[
            ReviewValue(
                placeholder=words[one.value][0],
                key=words[one.value][1],
                text=words[one.value][2],
                judged=one.judged,
                width=one.width,
                narrow=one.narrow,
                open=one.open,
            )
            for one in first
            if one.value in words
        ],
        known=len(found.values),
        narrow=sum(one.narrow for one in found.values),
        remarks=list(found.remarks),
        version=now,
    )
