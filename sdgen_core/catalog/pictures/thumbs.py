"""Thumbnails: two WebP files an image, named by the image's key, so that their URLs never change what they show.

Pillow makes them, not pyvips. Measured on 832×1216 PNG files of 1.4 MB, a shared Xeon, best CPU ms an image for both sizes
(Pillow 13.0, libvips 8.18, both WebP at quality 80 and the least effort): from the decoded image, as at save, 20 against 15;
from the file 58 against 39, of which 37 and 25 are the PNG decoder. Pillow is quick enough at save, where it counts; a third
off a background job that is done once does not pay for 18 MB of further native libraries in ComfyUI's process.
``tests/bench/imaging.py`` measures both.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError
from ...sessions.files import make_folder, raise_write_error, remove_leftovers, write_atomic
from .reading import MAX_PIXELS, opened
from .shrink import LARGE, SIZES, SMALL, fitted, placeholder, thumbnails, webp

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{16,64}")
_NAME = re.compile(r"([0-9a-f]{14,62})-(?:512|256)\.webp")


class Thumbs:
    """A folder of thumbnails, by key; it can be deleted at any time.

    The same key is the same picture for ever (a content hash), so it does not matter which of two makers writes last.
    Writing raises ``disk-full`` or ``unwritable-folder``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str, size: int) -> Path:
        """Where the thumbnail is, or would be. Raises ``ValueError`` for a key that is not 16 to 64 lower-case hex
        digits (so that no key leads out of the folder), and for a size that is none of ``SIZES``."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a thumbnail")
        if size not in SIZES:
            raise ValueError(f"thumbnails have {SIZES} pixels, not {size}")
        return self.folder / key[:2] / f"{key[2:]}-{size}.webp"

    placeholder = staticmethod(placeholder)

    def has(self, key: str) -> bool:
        """Whether both sizes are there; files without content, as a power cut may leave them, do not count."""
        return all(_whole(self.path(key, size)) for size in SIZES)

    def make(self, image: Image, key: str) -> tuple[int, int]:
        """Write both sizes of a decoded image; gives the image's own width and height as it is seen."""
        return self._write(key, *thumbnails(image))[0]

    def make_from_file(self, path: Path, key: str, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
        """The same for a file. Raises ``missing-file``, ``unreadable-file``, and ``broken-image`` for a file that is no
        image, is damaged or cut off, or has more than ``max_pixels`` pixels (of which none is decoded then).
        """
        return self._from_file(path, key, max_pixels)[0]

    def made(self, source: Image | Path, key: str) -> Made:
        """Make the thumbnails of a decoded image or a file, and hash the picture on the way. Raises what they raise."""
        from .phash import phash

        if isinstance(source, Path):
            (width, height), small = self._from_file(source, key, MAX_PIXELS)
        else:
            (width, height), small = self._write(key, *thumbnails(source))
        return Made(key, width, height, phash(small))

    def _from_file(self, path: Path, key: str, max_pixels: int) -> tuple[tuple[int, int], Image]:
        with opened(path, max_pixels) as image:
            own = image.size
            image.draft(None, fitted(own, 2 * LARGE))  # JPEG decodes a half, a quarter or an eighth for less
            made = thumbnails(image, own if image.size != own else None)
        return self._write(key, *made)

    def _write(self, key: str, own: tuple[int, int], made: dict[int, Image]) -> tuple[tuple[int, int], Image]:
        large = self.path(key, LARGE)
        make_folder(large.parent)
        data = webp(made[LARGE])
        _write(large, data)
        _write(self.path(key, SMALL), data if made[SMALL] is made[LARGE] else webp(made[SMALL]))
        return own, made[SMALL]

    def remove(self, key: str) -> None:
        """Delete both sizes, where they are."""
        for size in SIZES:
            path = self.path(key, size)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise_write_error(error, path, "delete")

    def size_bytes(self) -> int:
        """What all thumbnails take; walks over the folder (a second for some 100,000 files)."""
        return sum(used for used, _ in self._used().values())

    def prune(self, max_bytes: int, keep: Container[str] = ()) -> list[str]:
        """Delete thumbnails until ``max_bytes`` are left, those first that nobody has looked at for longest, and none of
        ``keep``; gives their keys. Where the system notes no access times, the time of making counts.
        """
        for shard in self._shards():
            remove_leftovers(shard)
        used = self._used()
        left = sum(size for size, _ in used.values())
        gone: list[str] = []
        for key, (size, _) in sorted(used.items(), key=lambda item: (item[1][1], item[0])):
            if left <= max_bytes:
                break
            if key in keep:
                continue
            try:
                self.remove(key)
            except SDGenError as error:
                log.warning("SDGen: %s", error)  # open in a viewer on Windows: so it is no old one
                continue
            left -= size
            gone.append(key)
        return gone

    def _shards(self) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if re.fullmatch(r"[0-9a-f]{2}", p.name) and p.is_dir())
        except FileNotFoundError:
            return []

    def _used(self) -> dict[str, tuple[int, float]]:
        """Key → bytes of its files, and when one of them was last read or written (seconds)."""
        out: dict[str, tuple[int, float]] = {}
        for shard in self._shards():
            with os.scandir(shard) as entries:
                for entry in entries:
                    if name := _NAME.fullmatch(entry.name):
                        with contextlib.suppress(FileNotFoundError):  # another process prunes as well
                            stat = entry.stat()
                            size, at = out.get(key := shard.name + name[1], (0, 0.0))
                            out[key] = (size + stat.st_size, max(at, stat.st_atime, stat.st_mtime))
        return out


def _whole(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data, durable=False)
    except SDGenError:
        if not _whole(path):  # what is there shows the same: on Windows it cannot be replaced while somebody reads it
            raise


@dataclass(frozen=True)
class Made:
    """What became of one image: its own width and height as it is seen and its perceptual hash, or an error."""

    key: str
    width: int = 0
    height: int = 0
    phash: int | None = None
    error: SDGenError | None = None


@dataclass
class _Job:
    source: Image | Path
    done: list[Callable[[Made], None]]


class ThumbQueue:
    """Makes thumbnails in threads of its own (Pillow lets other threads run meanwhile).

    Urgent work is what somebody waits for: cells on the screen, and images just saved. It never waits for a place, goes
    before everything else and also runs while paused. The rest is background work: at most ``limit`` images wait (a decoded
    one holds 4 MB and more), and none is begun between :meth:`pause` and :meth:`resume`.
    """

    def __init__(self, thumbs: Thumbs, workers: int = 1, *, limit: int = 64) -> None:
        self._thumbs = thumbs
        self._workers = workers
        self._limit = limit
        self._urgent: OrderedDict[str, _Job] = OrderedDict()
        self._background: OrderedDict[str, _Job] = OrderedDict()
        self._running: dict[str, _Job] = {}
        self._changed = threading.Condition()
        self._paused = self._closed = False
        self._threads: list[threading.Thread] = []

    def submit(
        self,
        source: Image | Path,
        key: str,
        done: Callable[[Made], None],
        *,
        urgent: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Make the thumbnails of ``source`` soon; ``done`` is then called in a worker's thread, also after an error.

        A key that waits already is made once, for all who asked; background work that becomes urgent moves up. False,
        and nothing done: the queue is closed, or background work found no place within ``timeout`` seconds (None: waits
        as long as it takes). An image must not be changed after it was given here. Raises ``ValueError`` for a bad key.
        """
        self._thumbs.path(key, SMALL)
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                job = self._running.get(key) or self._urgent.get(key) or self._background.get(key)
                if job or urgent or len(self._background) < self._limit:
                    break
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            if self._closed:
                return False
            if job:
                job.done.append(done)
                if urgent and key in self._background:
                    del self._background[key]
                    self._urgent[key] = job
            else:
                (self._urgent if urgent else self._background)[key] = _Job(source, [done])
            while len(self._threads) < self._workers:
                thread = threading.Thread(target=self._run, name="sdgen-thumbs", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()
            return True

    def pause(self) -> None:
        """Begin no background work, as while ComfyUI renders."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def drained(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until no work is left; whether none is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._urgent or self._background or self._running) or self._closed, timeout
            )

    def close(self, *, finish: bool = False, timeout: float = 60.0) -> None:
        """Accept nothing more, finish what is urgent (``finish``: everything), and wait for it at most ``timeout`` seconds.

        Background work that had not begun is forgotten without a call of its ``done``: a later scan finds it again.
        """
        with self._changed:
            self._closed = True
            self._paused = False
            if not finish:
                self._background.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _next(self) -> tuple[str, _Job] | None:
        if self._urgent:
            return self._urgent.popitem(last=False)
        if self._background and not self._paused:
            return self._background.popitem(last=False)
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                while (found := self._next()) is None:
                    if self._closed:
                        return
                    self._changed.wait()
                key, job = found
                self._running[key] = job
                self._changed.notify_all()  # there is a place again
            made = self._make(key, job)
            with self._changed:
                del self._running[key]  # from here on nobody adds to job.done
            for done in job.done:
                try:
                    done(made)
                except Exception:
                    log.exception("SDGen: what follows on the thumbnail of %s failed", key)
            with self._changed:
                self._changed.notify_all()

    def _make(self, key: str, job: _Job) -> Made:
        try:
            return self._thumbs.made(job.source, key)
        except SDGenError as error:
            return Made(key, error=error)
        except Exception as error:
            log.exception("SDGen: no thumbnail of %s", key)
            return Made(key, error=SDGenError("internal-error", f"No thumbnail of {key}: {error}"))
