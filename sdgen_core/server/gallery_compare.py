"""A session's images side by side over HTTP, and the way to what is missing between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .gallery_cards import cards
from .gallery_pages import version
from .model_compare import Compared, CompareQueued
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.compare import Comparison
    from ..sessions.changes import Wanted
    from ..sessions.service import Sessions


def compare(engine: Engine, call: Call) -> Compared:
    """A page of the matrix. Raises ``unknown-session``, ``unknown-item``, ``nothing-to-compare`` and ``bad-request``."""
    from ..catalog.compare import compare as compared

    asked, now, catalog = call.query, version(engine), engine.library.catalog
    locks: dict[str, str | None] = dict.fromkeys(asked.any)
    for text in asked.lock:
        name, colon, key = text.partition(":")
        if not colon:
            raise SDGenError("bad-request", f"lock {text!r} is not of the form Name:key")
        locks[name] = key
    made = compared(
        catalog.snapshot,
        asked.session,
        pivot=asked.pivot,
        rows_by=asked.rows,
        locks=locks,
        at=asked.at,
        limit=asked.limit,
    )
    makes, sessions, order = _maker(engine, made, asked.session)
    plans = _plans(sessions, order, made) if makes == "yes" and sessions is not None else {}
    rows = [
        {
            "key": row.key,
            "text": row.text,
            "cells": [
                {"count": cell.count, "images": _maps(cell.images), "plan": plans.get((y, x))}
                for x, cell in enumerate(row.cells)
            ],
        }
        for y, row in enumerate(made.rows)
    ]
    shown = [cell.images[0].id for row in made.rows for cell in row.cells if cell.images]
    return Compared(
        axes=[{"name": axis.name, "values": _maps(axis.values)} for axis in made.axes],
        columns=_maps(made.columns),
        **{name: getattr(made, name) for name in ("pivot", "rows_by", "at", "total", "differs")},
        locks=[{"name": name, "key": key} for name, key in made.locks.items()],
        rows=rows,
        cards=cards(catalog.index.store, shown),
        makes=makes,
        version=now,
    )


def _maps(rows: list[Any]) -> list[dict[str, Any]]:
    return [{**vars(row)} for row in rows]


def _maker(engine: Engine, made: Comparison, slug: str) -> tuple[str, Sessions | None, str]:
    """Whether missing images can be queued (see ``Compared.makes``), by which orders, and the order's id."""
    from ..catalog.compare import ledger_id

    try:
        sessions = engine.sessions
    except SDGenError:
        return "needs-comfyui", None, ""
    order = ledger_id(engine.library.catalog.index.store, slug)
    if order is None or not _known(sessions, order):
        return "not-ours", sessions, ""
    return "any" if None in made.locks.values() else "yes", sessions, order


def _known(sessions: Sessions, order: str) -> bool:
    found = sessions.ledger.find(named=order)
    return found is not None and found.id == order


def _plans(sessions: Sessions, order: str, made: Comparison) -> dict[tuple[int, int], str | None]:
    """(row, column) of cells without a file -> what can be done."""
    from ..sessions.changes import planned

    wanted: dict[tuple[int, int], Wanted] = {}
    for y, row in enumerate(made.rows):
        for x, cell in enumerate(row.cells):
            if any(not image.missing for image in cell.images):
                continue
            keys = {**made.constants, **made.locks, made.pivot: made.columns[x].key, made.rows_by: row.key}
            if (one := _wanted(keys)) is not None:
                wanted[y, x] = one
    return dict(zip(wanted, planned(sessions, order, list(wanted.values())), strict=True))


def _wanted(keys: dict[str, str | None]) -> Wanted | None:
    """The image of these keys, one of them the seed; None without a seed."""
    from ..catalog.compare import SEED
    from ..sessions.changes import Wanted

    seed = keys.pop(SEED, None)
    return Wanted({name: key for name, key in keys.items() if key}, int(seed)) if seed else None


def queue(engine: Engine, call: Call) -> CompareQueued:
    """Have one image made. Raises ``needs-comfyui``, ``unknown-session`` for one that this ComfyUI's ledger does not know, and what
    ``changes.make_one`` raises."""
    from ..catalog.compare import SEED, constants_of, ledger_id
    from ..sessions.changes import make_one

    body, sessions, store = call.body, engine.sessions, engine.library.catalog.index.store
    order = ledger_id(store, body.session)
    if order is None or not _known(sessions, order):
        raise SDGenError(
            "unknown-session",
            f"session {body.session!r} was not made by this ComfyUI, which cannot add to it",
            hint="`sdgen sessions take-in` takes up a session that another one made.",
        )
    wanted = _wanted({**constants_of(engine.library.catalog.snapshot, body.session), **body.values, SEED: body.seed})
    if wanted is None:
        raise SDGenError("bad-request", "the image needs a seed")
    row, item = make_one(sessions, order, wanted)
    waiting = item.state == "todo" and row.state in ("paused", "stopped")
    return CompareQueued(index=item.idx, item=item.state, session=row.state, waiting=waiting)
