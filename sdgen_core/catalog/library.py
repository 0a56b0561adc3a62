"""The user's library of images: the catalog with its folders, the thumbnails, and the work that goes on behind.

One ``Library`` serves a process: ComfyUI, or ``sdgen gallery``. Nodes hand in what they save, routes ask and judge, one thread reads
folders and makes what is missing. Nothing here knows ComfyUI.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .arrivals import Arrivals, Arrived
from .background import Background
from .pictures.maker import Pictures
from .pictures.thumbs import Thumbs
from .records import NO_IMAGE

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..sessions.ledger import Ledger
    from ..sessions.service import Sessions
    from .catalog import Catalog
    from .index import Index
    from .trash import Trash

#: What listeners are told: a kind ("images", "sessions", "import", "scoring", "training") and what belongs to it, as JSON.
Listener = Callable[[str, dict[str, Any]], None]

#: What all thumbnails may take, in bytes: some 300,000 images.
MAX_THUMBS = 10 << 30


class Library:
    """The library whose catalog is in ``folder``. ``roots`` are folders that hold sessions, beside those that the catalog knows;
    ``busy`` says whether ComfyUI renders; ``max_thumbs`` what all thumbnails may take, in bytes.

    The catalog is opened when it is first needed. ``heard`` are the listeners, called in whatever thread something happened in:

    - ``images`` ``{"added": [id], "changed": [id], "session": slug or None}``
    - ``sessions`` ``{"sessions": [slug]}``
    - ``import`` as :meth:`progress`
    - ``scoring`` as ``scoring.jobs.Jobs.state``, without the slugs that wait
    - ``training`` as ``training.desk.Desk`` says
    """

    def __init__(
        self,
        folder: Path,
        roots: Sequence[Path],
        *,
        busy: Callable[[], bool] = lambda: False,
        max_thumbs: int = MAX_THUMBS,
    ) -> None:
        self.folder = folder
        self.heard: list[Listener] = []
        #: Called, in a thread of its own, with what has been saved and is in the index now.
        self.arrived: list[Callable[[Arrived], None]] = []
        self._given = [Path(os.path.realpath(root)) for root in roots]
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._ledger: Ledger | None = None
        self._states: dict[str, tuple[object, ...]] = {}
        self.pictures = Pictures(self._index, Thumbs(folder / "thumbs"), self.file, max_bytes=max_thumbs)
        self._arrivals = Arrivals(self._index, self._root_of, self.pictures.saved, self.tell, self._has_arrived)
        self._background = Background(
            lambda: self.catalog,
            self.pictures,
            self.roots,
            file=self.file,
            arriving=self._arrivals.folders,
            busy=busy,
            tell=self.tell,
            settle=lambda: self.trash.recover(),
        )

    @property
    def catalog(self) -> Catalog:
        """The catalog. Raises what ``Catalog`` raises, anew each time: what is in the way may go."""
        with self._lock:
            if self._catalog is None:
                from .catalog import Catalog  # late: ComfyUI's start does not wait for it

                self._catalog = Catalog(self.folder)
            return self._catalog

    @property
    def trash(self) -> Trash:
        """The trash, which leaves sessions alone that are being made."""
        from .trash import Trash

        return Trash(self.catalog, self.roots, self._ledger)

    def _index(self) -> Index:
        return self.catalog.index

    def start(self, delay: float = 0.0) -> None:
        """Begin the work behind, after so many seconds."""
        self._background.start(delay)

    def stop(self) -> None:
        """End it and close the catalog. Nothing depends on it; a kill loses nothing."""
        self._arrivals.close()
        self._background.close()
        if self._catalog is not None:
            self.pictures.close()
            self._catalog.close()

    def tell(self, kind: str, **data: Any) -> None:
        """Tell all listeners."""
        for listener in self.heard:
            listener(kind, data)

    def _has_arrived(self, what: Arrived) -> None:
        for listener in self.arrived:
            listener(what)

    # ---- files -----------------------------------------------------------------------------------------------------------

    def roots(self) -> list[Path]:
        """The folders with sessions: those that were given, and those that were imported into this catalog by command."""
        known = self.catalog.index.store.rows("SELECT DISTINCT root FROM session")
        return list(dict.fromkeys([*self._given, *(Path(root) for (root,) in known)]))

    def _root_of(self, folder: Path) -> Path:
        return next((root for root in self.roots() if folder.is_relative_to(root)), folder.parent)

    def file(self, image: int) -> Path:
        """An image's file: a real one inside one of the roots, wherever links lead. Raises ``unknown-item``, ``missing-file``."""
        rows = self.catalog.index.store.rows(
            "SELECT folder, file FROM image JOIN session ON session.id = session WHERE image.id=?", (image,)
        )
        if not rows:
            raise SDGenError("unknown-item", f"there is no image {image}", hint=NO_IMAGE)
        folder, name = rows[0]
        path = Path(os.path.realpath(Path(folder) / name))
        if not path.is_file() or not any(path.is_relative_to(root) for root in self.roots()):
            raise SDGenError("missing-file", f"the file of image {image} is not there: {name}")
        return path

    def thumbnail(self, key: str, size: int) -> Path | bytes:
        """The WebP file of a thumbnail (``image.thumb``), made now if it has to be; a placeholder's bytes for a file that cannot be
        shown. Raises ``unknown-item`` for a key that no image has, ``ValueError`` for what is no key or no size."""
        return self.pictures.thumbnail(key, size)

    # ---- what is being made ----------------------------------------------------------------------------------------------

    def follow(self, sessions: Sessions) -> None:
        """Take in what these sessions save, at once."""
        self._ledger = sessions.ledger
        sessions.saved.append(self.saved)
        sessions.changed.append(lambda session: self._session_changed(sessions, session))

    def saved(self, folder: Path, entries: Sequence[Mapping[str, Any]], images: Sequence[Image]) -> None:
        """Images of the session in ``folder`` were saved, with these entries in its manifest. Returns at once."""
        self._arrivals.saved(Path(os.path.realpath(folder)), entries, images)

    def _session_changed(self, sessions: Sessions, session: str) -> None:
        row = sessions.ledger.session(session)
        state = (row.state, row.total, row.name, row.folder)
        if self._states.get(session) != state:
            self._states[session] = state
            over = row.state not in ("planned", "running")
            self._arrivals.session(Path(os.path.realpath(row.folder)), over=over)

    # ---- import ----------------------------------------------------------------------------------------------------------

    def import_now(self, *, every: bool = False) -> dict[str, Any]:
        """Look through all folders as soon as possible; gives :meth:`progress`. ``every``: look at every image's size and time."""
        self._background.ask(every=every)
        return self.progress()

    def cancel_import(self) -> dict[str, Any]:
        """End the import that runs; what was read stays. Gives :meth:`progress`."""
        self._background.cancel()
        return self.progress()

    def progress(self) -> dict[str, Any]:
        """``{"running", "total", "sessions", "unchanged", "images", "written", "seconds", "images_per_second", "folder" (its name),
        "missing", "cancelled", "errors": [{"code", "message", "folder"}]}`` of the import that runs, or that ended last."""
        return self._background.progress()
