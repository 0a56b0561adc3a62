"""The library as a whole over HTTP: totals, sessions, statistics, duplicates, import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names, shown
from .gallery_pages import parsed, version
from .model_judging import SavedQuery, Steps
from .model_library import (
    TABLES,
    CatalogState,
    CatalogTotals,
    ImportProgress,
    LibraryRoot,
    Statistics,
)
from .route import Call, Engine, File

if TYPE_CHECKING:
    from ..catalog.library import Library


def catalog(engine: Engine, call: Call) -> CatalogState:
    """What there is, in numbers."""
    from ..catalog.check import status

    library, now = engine.library, version(engine)
    of = library.catalog
    sums = status(of.index)
    rows = of.index.store.rows("SELECT root, count(*), sum(images) FROM session GROUP BY root ORDER BY root")
    back, again = of.user.can()
    return CatalogState(
        version=now,
        totals=CatalogTotals(**{name: sums[name] for name in CatalogTotals.model_fields}),
        roots=[
            LibraryRoot(number=n, name=Path(root).name or root, sessions=sessions, images=images)
            for n, (root, sessions, images) in enumerate(rows)
        ],
        queries=[SavedQuery(name=name, q=text) for name, text in of.queries().items()],
        importing=progress(engine, call),
        steps=Steps(undo=back, redo=again),
        remarks=of.remarks,
    )


def statistics(engine: Engine, call: Call) -> Statistics | File:
    """A table of the statistics. Raises ``unknown-item`` for a table that there is not, and ``bad-query``."""
    from ..catalog.stats.report import Asked, rows_of, table
    from ..catalog.stats.table import as_csv, as_dict

    name, asked, of = call.path["table"], call.query, engine.library.catalog
    if name not in TABLES:
        near = nearest_names(name, TABLES)
        hint = f"Tables: {', '.join(TABLES)}."
        raise SDGenError("unknown-item", f"there is no table {name!r} of statistics", nearest=near, hint=hint)
    now = version(engine)
    rows, remarks = rows_of(name, of.index.store, of.snapshot, parsed(asked.q), Asked(asked.by, asked.limit))
    if asked.form == "csv":
        return File(as_csv(table(name).kind, rows).encode("utf-8"), "text/csv", name=f"sdgen-{name}.csv")
    made = TABLES[name](table=name, rows=[as_dict(row) for row in rows], remarks=list(remarks), version=now)
    return Statistics(made)


# ---- import ----------------------------------------------------------------------------------------------------------------


def import_now(engine: Engine, call: Call) -> ImportProgress:
    """Look through the folders as soon as possible. Which ones is the server's setting, never the client's."""
    return _progress(engine.library, engine.library.import_now(every=call.body.every))


def cancel_import(engine: Engine, call: Call) -> ImportProgress:
    """End the import that runs."""
    return _progress(engine.library, engine.library.cancel_import())


def progress(engine: Engine, call: Call) -> ImportProgress:
    """How far the import is."""
    return _progress(engine.library, engine.library.progress())


def _progress(of: Library, said: dict[str, Any]) -> ImportProgress:
    errors = [{name: without_paths(of, text) for name, text in error.items()} for error in said["errors"]]
    return ImportProgress(**{**said, "errors": errors})


def without_paths(of: Library, text: str) -> str:
    """A message with the paths in the library's folders as names inside them: where those are is nobody's business."""
    for root in sorted(map(str, [*of.roots(), of.folder]), key=len, reverse=True):
        for way in {root, shown(root)}:
            for end in ("/", "\\", ""):
                text = text.replace(way + end, "")
    return text
