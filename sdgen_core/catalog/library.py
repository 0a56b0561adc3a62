"""The user's library of images: the catalog with its folders, the thumbnails, and the work that goes on behind.

One ``Library`` serves a process: ComfyUI, or ``sdgen gallery``. Nodes hand in what they save, routes ask and judge, one thread reads
folders and makes what is missing. Nothing here knows ComfyUI.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import SDGenError
from .catalog import Catalog
from .pictures.thumbs import ThumbQueue, Thumbs

log = logging.getLogger("sdgen")

#: What listeners are told: a kind ("images", "sessions", "import") and what belongs to it, as JSON.
Listener = Callable[[str, dict[str, Any]], None]


class Library:
    """The library whose catalog is in ``folder``. ``roots`` gives the folders that hold sessions; ``busy`` whether ComfyUI renders.

    ``heard`` are the listeners, called in whatever thread something happened in:

    - ``images`` ``{"added": [id], "changed": [id]}``
    - ``sessions`` ``{"sessions": [slug]}``
    - ``import`` as :meth:`progress`

    Raises what ``Catalog`` raises.
    """

    def __init__(
        self, folder: Path, roots: Callable[[], Sequence[Path]], *, busy: Callable[[], bool] = lambda: False
    ) -> None:
        self.catalog = Catalog(folder)
        self.thumbs = Thumbs(folder / "thumbs")
        self.heard: list[Listener] = []
        self._roots, self._busy = roots, busy
        self._queue = ThumbQueue(self.thumbs)

    def start(self) -> None:
        """Begin the work behind."""

    def stop(self) -> None:
        """End it and close the catalog. Nothing depends on it; a kill loses nothing."""
        self._queue.close()
        self.catalog.close()

    def tell(self, kind: str, **data: Any) -> None:
        """Tell all listeners."""
        for listener in self.heard:
            listener(kind, data)

    # ---- files -----------------------------------------------------------------------------------------------------------

    def file(self, image: int) -> Path:
        """An image's file: a real one inside one of the roots, wherever links lead. Raises ``unknown-item``, ``missing-file``."""
        rows = self.catalog.index.store.rows(
            "SELECT folder, file FROM image JOIN session ON session.id = session WHERE image.id=?", (image,)
        )
        if not rows:
            raise SDGenError("unknown-item", f"there is no image {image}")
        folder, name = rows[0]
        path = Path(os.path.realpath(Path(folder) / name))
        if not path.is_file() or not any(path.is_relative_to(os.path.realpath(root)) for root in self._roots()):
            raise SDGenError("missing-file", f"the file of image {image} is not there: {name}")
        return path

    def thumbnail(self, key: str, size: int) -> Path | bytes:
        """The WebP file of a thumbnail (``image.thumb``), made now if it has to be; a placeholder's bytes for a file that cannot be
        shown. Raises ``unknown-item`` for a key that no image has, ``ValueError`` for a size that is none."""
        raise NotImplementedError

    # ---- import ----------------------------------------------------------------------------------------------------------

    def import_now(self, *, every: bool = False) -> dict[str, Any]:
        """Look through all folders as soon as possible; gives :meth:`progress`. ``every``: look at every image's size and time."""
        raise NotImplementedError

    def cancel_import(self) -> dict[str, Any]:
        """End the import that runs; what was read stays. Gives :meth:`progress`."""
        raise NotImplementedError

    def progress(self) -> dict[str, Any]:
        """``{"running", "roots", "total", "sessions", "unchanged", "images", "written", "seconds", "images_per_second", "folder",
        "missing", "cancelled", "errors"}`` of the import that runs, or that ended last."""
        raise NotImplementedError
