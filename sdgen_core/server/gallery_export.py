"""Images as one zip over HTTP: ordered, written by a thread of its own into the catalog's folder, fetched, and deleted after an hour."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
import weakref
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import SDGenError
from .gallery_pages import find, question
from .model_export import ExportBody, Exported, TicketBody
from .route import Call, Engine, File, Route

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.export_images import Progress
    from ..catalog.library import Library

log = logging.getLogger("sdgen")

#: Seconds for which a zip is kept, and how many are kept or made at a time.
KEPT, MOST_KEPT = 3600.0, 4

_FOLDER = "exports"
_REMARKS = 100
#: Of a body with 20,000 ids.
_LIMIT = 1 << 19


class _Export:
    def __init__(self, folder: Path, total: int) -> None:
        from ..catalog.export_images import Progress

        self.ticket = secrets.token_urlsafe(16)
        self.path = folder / f"{self.ticket}.zip"
        self.progress: Progress = Progress(total)
        self.state: Literal["running", "ready", "failed"] = "running"
        self.problem = ""
        self.made = time.monotonic()

    def told(self) -> Exported:
        progress = self.progress
        return Exported(
            ticket=self.ticket,
            state=self.state,
            done=progress.done,
            total=progress.total,
            bytes=progress.bytes,
            remarks=progress.remarks[:_REMARKS],
            problem=self.problem,
        )


class Exports:
    """The exports of a catalog. What an earlier process left behind is deleted at the beginning, and everything at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._lock = threading.Lock()
        self._known: dict[str, _Export] = {}
        for left in self._folder.glob("*.zip"):
            with contextlib.suppress(OSError):  # one that another process writes at this moment is young
                if time.time() - left.stat().st_mtime > KEPT:
                    left.unlink()
        self.end = weakref.finalize(self, _ended, self._known)

    def begin(self, library: Library, images: list[int], body: ExportBody) -> _Export:
        """Begin an export. Raises ``disk-full``, ``unwritable-folder``, and ``bad-request`` while too many are being made."""
        from ..catalog.export_images import check_room

        with self._lock:
            self._sweep()
            if len(self._known) >= MOST_KEPT:
                self._drop(self._oldest())
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"the catalog's folder cannot be written: {error.strerror or error}"
                raise SDGenError("unwritable-folder", message) from error
            check_room(library.catalog.index.store, images, self._folder)
            export = _Export(self._folder, len(images))
            self._known[export.ticket] = export
        threading.Thread(target=_make, args=(library, images, body, export), name="sdgen-export", daemon=True).start()
        later = threading.Timer(KEPT + 1, self.sweep)
        later.daemon = True
        later.start()
        return export

    def of(self, ticket: str) -> _Export:
        """The export with this ticket. Raises ``unknown-item``."""
        with self._lock:
            export = self._known.get(ticket)
        if export is None:
            raise SDGenError(
                "unknown-item", "there is no such export", hint="A zip is kept for an hour: make it again."
            )
        return export

    def drop(self, ticket: str) -> Exported:
        """Stop an export, and delete what there is of it."""
        export = self.of(ticket)
        with self._lock:
            self._drop(export)
        return export.told()

    def sweep(self) -> None:
        """Delete what was kept long enough."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        for export in list(self._known.values()):
            if export.state != "running" and time.monotonic() - export.made > KEPT:
                self._drop(export)

    def _oldest(self) -> _Export:
        over = [export for export in self._known.values() if export.state != "running"]
        if not over:
            raise SDGenError("bad-request", f"{MOST_KEPT} exports are being made", hint="Wait for one of them.")
        return min(over, key=lambda export: export.made)

    def _drop(self, export: _Export) -> None:
        self._known.pop(export.ticket, None)
        _delete(export)


def _delete(export: _Export) -> None:
    export.progress.stopped = True
    with contextlib.suppress(OSError):  # on Windows, one that is being sent stays until the next start
        export.path.unlink(missing_ok=True)


def _ended(known: dict[str, _Export]) -> None:
    for export in known.values():
        _delete(export)


def _make(library: Library, images: list[int], body: ExportBody, export: _Export) -> None:
    from ..catalog.export_images import Stopped, write_zip

    store = library.catalog.index.store
    state: Literal["ready", "failed"] = "failed"
    try:
        write_zip(export.path, store, images, library.file, export.progress, clean=body.clean, names=body.names)
        state = "ready"
    except Stopped:
        export.problem = "it was stopped"
    except SDGenError as error:
        export.problem = error.message
    except Exception:
        log.exception("SDGen: an export failed")
        export.problem = "it failed; the log says why"
    export.made = time.monotonic()
    export.state = state
    if export.progress.stopped:
        _delete(export)


_exports: weakref.WeakKeyDictionary[Catalog, Exports] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def exports(library: Library) -> Exports:
    """The exports of a library."""
    with _making:
        if library.catalog not in _exports:
            _exports[library.catalog] = Exports(library.folder)
        return _exports[library.catalog]


def begin(engine: Engine, call: Call) -> Exported:
    """Begin an export. Raises ``bad-query``, ``bad-request``, ``disk-full`` and ``unwritable-folder``."""
    from ..catalog.export_images import MOST

    body: ExportBody = call.body
    images = list(dict.fromkeys(body.ids or ()))
    if body.q is not None:
        found = find(engine.library.catalog, question(body.q)).ids
        if not 0 < len(found) <= MOST:
            raise SDGenError("bad-request", f"{len(found):,} images are found; an export has 1 to {MOST:,}", hint="")
        images = found.tolist()
    return exports(engine.library).begin(engine.library, images, body).told()


def state(engine: Engine, call: Call) -> Exported:
    """How far an export is. Raises ``unknown-item``."""
    return exports(engine.library).of(call.path["ticket"]).told()


def archive(engine: Engine, call: Call) -> File:
    """The zip. Raises ``unknown-item``, also while it is being made."""
    export = exports(engine.library).of(call.path["ticket"])
    if export.state != "ready":
        raise SDGenError("unknown-item", "this export is not ready", hint=export.problem or "Ask how far it is.")
    return File(export.path, "application/zip", name=f"sdgen-{datetime.now():%Y%m%d-%H%M%S}.zip")


def cancel(engine: Engine, call: Call) -> Exported:
    """Stop an export, and delete its zip. Raises ``unknown-item``."""
    return exports(engine.library).drop(call.body.ticket)


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/sdgen/export",
        begin,
        "Begin to write images into a zip",
        body=ExportBody,
        answer=Exported,
        limit=_LIMIT,
        slow=True,
    ),
    Route("GET", "/sdgen/export/{ticket}.zip", archive, "The zip of an export", types=("application/zip",)),
    Route("GET", "/sdgen/export/{ticket}", state, "How far an export is", answer=Exported),
    Route(
        "POST", "/sdgen/export/cancel", cancel, "Stop an export, and delete its zip", body=TicketBody, answer=Exported
    ),
)
