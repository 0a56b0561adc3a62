"""Thumbnails and perceptual hashes of the library: made when an image is saved, when somebody looks at it, and in the background."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError
from ..records import NO_IMAGE
from .thumbs import Made, ThumbQueue, Thumbs

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..index import Index

log = logging.getLogger("sdgen")

#: Seconds that somebody waits for a thumbnail; a network drive may be asleep.
PATIENCE = 30.0
#: Results that are written at once, and images asked for at once.
_TOGETHER = 64
#: Thumbnails made between two looks at how much room all of them take.
_LOOK = 2000
#: What says about a file itself that it cannot be shown; other errors (no permission, a drive that is away) may pass.
_BROKEN = "broken-image"


class Pictures:
    """Makes what is missing. ``index`` gives the index, ``file`` an image's file by its id (see ``Library.file``).

    ``max_bytes`` is what all thumbnails may take: beyond that those go that nobody has looked at for longest.
    """

    def __init__(
        self, index: Callable[[], Index], thumbs: Thumbs, file: Callable[[int], Path], *, max_bytes: int
    ) -> None:
        self._index, self._file, self.thumbs, self._max_bytes = index, file, thumbs, max_bytes
        self._queue = ThumbQueue(thumbs, workers=max(1, min(4, (os.cpu_count() or 2) // 2)))
        self._lock = threading.Lock()
        self._made: list[Made] = []
        self._since_look = _LOOK
        self._below: int | None = None

    def saved(self, key: str, image: Image) -> None:
        """An image was saved: its pixels are there, so this costs no decoding. ``image`` must not change any more."""
        self._queue.submit(image, key, lambda made: self._done(made, at_once=True), urgent=True)

    def thumbnail(self, key: str, size: int) -> Path | bytes:
        """See ``Library.thumbnail``."""
        path = self.thumbs.path(key, size)
        if self.thumbs.has(key):
            return path
        images = self._index().store.rows("SELECT id FROM image WHERE thumb=? ORDER BY missing, id LIMIT 1", (key,))
        if not images:
            raise SDGenError("unknown-item", f"there is no image with the thumbnail {key}", hint=NO_IMAGE)
        try:
            source = self._file(images[0][0])
        except SDGenError as error:
            if error.code != "missing-file":
                raise
            return self.thumbs.placeholder(size)
        finished = threading.Event()
        found: list[Made] = []

        def done(made: Made) -> None:
            found.append(made)
            self._done(made, at_once=True)
            finished.set()

        if self._queue.submit(source, key, done, urgent=True) and finished.wait(PATIENCE) and found[0].error is None:
            return path
        return self.thumbs.placeholder(size)

    def fill(self, seconds: float, stop: Callable[[], bool]) -> bool:
        """Make what is missing for so many seconds, newest images first; False when nothing was left to do."""
        self._queue.resume()
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline and not stop():
                rows = self._index().store.rows(
                    "SELECT id, thumb FROM image WHERE phash IS NULL AND missing=0 AND broken=0 AND id < ?"
                    " ORDER BY id DESC LIMIT ?",
                    (self._below or 1 << 62, _TOGETHER),
                )
                if not rows:
                    return not self._queue.drained(max(0.0, deadline - time.monotonic()))
                for image, key in rows:
                    left = deadline - time.monotonic()
                    if left <= 0 or stop() or not self._submit(image, key, left):
                        return True
                    self._below = image
            return True
        finally:
            self._queue.pause()  # what waits goes on the next time
            self.write()
            self._keep_small()

    def _submit(self, image: int, key: str, timeout: float) -> bool:
        try:
            source = self._file(image)
        except SDGenError:
            return True  # the next scan will say what became of it
        return self._queue.submit(source, key, self._done, timeout=timeout)

    def again(self) -> None:
        """Begin with the newest image again: there may be new ones, and files that could not be read may be readable now."""
        self._below = None

    def _done(self, made: Made, at_once: bool = False) -> None:
        if made.error is not None and made.error.code != _BROKEN:
            if made.error.code != "missing-file":  # the next scan will say so
                log.warning("SDGen: %s", made.error)
            return
        with self._lock:
            self._made.append(made)
            full = len(self._made) >= _TOGETHER
        if full or at_once:
            self.write()

    def write(self) -> None:
        """Write down what was found out about the pictures."""
        with self._lock:
            made, self._made = self._made, []
            self._since_look += len(made)
        if not made:
            return
        index = self._index()
        rows: list[tuple[int, int | None, int | None, int | None, bool]] = []
        for one in made:
            broken = one.error is not None
            size = (None, None) if broken else (one.width, one.height)
            images = index.store.rows("SELECT id FROM image WHERE thumb=?", (one.key,))
            rows += [(image, *size, one.phash, broken) for (image,) in images]
        index.set_pictures(rows)

    def _keep_small(self) -> None:
        if self._since_look >= _LOOK:
            self._since_look = 0
            self.thumbs.prune(self._max_bytes)

    def close(self) -> None:
        """End; what somebody waits for is finished."""
        self._queue.close()
        self.write()
