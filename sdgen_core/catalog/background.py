"""The work behind: reading folders that have changed, and making what is missing while nobody renders."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..sessions.files import sha256_file
from .pictures.maker import Pictures
from .records import file_key
from .scan.report import Progress, Report

if TYPE_CHECKING:
    from .catalog import Catalog
    from .scan.watch import Watch

log = logging.getLogger("sdgen")

#: Seconds between two looks, between those while ComfyUI renders, between two words about an import, and before another try after an error.
_PERIOD, _BUSY_PERIOD, _TELL_EVERY, _AFTER_ERROR = 2.0, 10.0, 0.25, 30.0


class Background:
    """One thread. ``catalog`` gives the catalog, ``roots`` the folders, ``arriving`` the sessions that come by themselves.

    ``busy`` says whether ComfyUI renders: then nothing is made, and folders are read at a tenth of the speed. ``settle`` ends what a
    killed process had begun in the trash, and takes back what was taken out of it; it is called after each import.
    """

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        pictures: Pictures,
        roots: Callable[[], Sequence[Path]],
        *,
        file: Callable[[int], Path],
        arriving: Callable[[], Collection[Path]],
        busy: Callable[[], bool],
        tell: Callable[..., None],
        settle: Callable[[], object],
    ) -> None:
        self._catalog, self._pictures, self._roots, self._file = catalog, pictures, roots, file
        self._arriving, self._busy, self._tell, self._settle, self._delay = arriving, busy, tell, settle, 0.0
        self._wake = threading.Condition()
        self._stopping = False
        self._asked: bool | None = False  # an import is wanted; True: of every image
        self._cancelled = False
        self._running = False
        self._progress = Progress()
        self._report = Report()
        self._told = 0.0
        self._below: int | None = None
        self._complaints: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="sdgen-catalog", daemon=True)

    def start(self, delay: float = 0.0) -> None:
        """Begin, with the first look after so many seconds."""
        with self._wake:
            self._delay = delay
            self._begin()

    def _begin(self) -> None:
        if self._thread.ident is None and not self._stopping:
            self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """End soon; what was read stays."""
        with self._wake:
            self._stopping = self._cancelled = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def ask(self, *, every: bool) -> None:
        """Look through all folders as soon as possible, also where nothing was to be looked at until somebody asks."""
        with self._wake:
            self._asked = bool(self._asked) or every
            self._delay = 0.0
            self._wake.notify_all()
            self._begin()

    def cancel(self) -> None:
        """End the import that runs, or that is wanted."""
        with self._wake:
            self._asked = None
            self._cancelled = self._running

    def progress(self) -> dict[str, Any]:
        """See ``Library.progress``."""
        with self._wake:
            running = self._running or (self._asked is not None and self._thread.ident is not None)
            report, progress = self._report, self._progress
        said = {**report.to_dict(), **progress.to_dict(), "running": running}
        return {**said, "folder": Path(progress.folder).name if running else ""}

    # ---- in the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        watch: Watch | None = None
        left = self._delay
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or (self._asked is not None and self._delay == 0.0), left)
                if self._stopping:
                    return
                asked, self._asked = self._asked, None
                self._delay = 0.0
                if asked is not None:  # at once: nobody who asked is told in between that it is over
                    self._running, self._cancelled = True, False
                    self._progress, self._report = Progress(), Report()
            left = _BUSY_PERIOD if self._busy() else _PERIOD
            try:
                if asked is not None:
                    watch = None
                    self._import(every=asked)
                    self._settle()
                    self._catalog().snapshot.refresh()  # so that nobody waits for it who opens the gallery
                if watch is None:
                    from .scan.importer import Importer
                    from .scan.watch import Watch

                    importer = Importer(self._catalog().index, busy=self._busy, cancelled=lambda: self._stopping)
                    watch = Watch(importer, self._roots(), leave=self._arriving)
                else:
                    for report in watch.look():
                        self._looked(report)
                if not self._busy() and self._fill(_PERIOD):
                    left = 0.0
            except SDGenError as error:
                self._complain(str(error))
                left = _AFTER_ERROR
            except Exception as error:  # the thread has to live on
                if str(error) not in self._complaints:
                    log.exception("SDGen: the catalog's work behind failed")
                self._complain(f"{type(error).__name__}: {error}")
                left = _AFTER_ERROR

    def _complain(self, said: str) -> None:
        if said not in self._complaints:
            self._complaints.add(said)
            log.warning("SDGen: the catalog is not up to date: %s", said)

    def _import(self, *, every: bool) -> None:
        try:
            from .scan.importer import Importer

            importer = Importer(
                self._catalog().index, busy=self._busy, progress=self._note, cancelled=lambda: self._cancelled
            )
            report = importer.run(self._roots(), every=every)
            self._report = report
            if report.progress.written or report.errors or report.missing:
                done = report.progress
                log.info(
                    "SDGen: %d images of %d sessions were read in %.1f s", done.images, done.sessions, done.seconds
                )
            for error in report.errors:
                log.warning("SDGen: %s: %s", error["folder"], error["message"])
        finally:
            with self._wake:
                self._running = False
            self._again()
            self._tell("import", **self.progress())

    def _note(self, progress: Progress) -> None:
        self._progress = progress
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY:
            self._told = now
            self._tell("import", **self.progress())

    def _looked(self, report: Report) -> None:
        for error in report.errors:
            log.warning("SDGen: %s: %s", error["folder"], error["message"])
        if report.progress.written or report.missing:
            self._report, self._progress = report, report.progress
            self._tell("import", **self.progress())
            self._again()

    def _again(self) -> None:
        self._pictures.again()
        self._below = None

    def _stop_filling(self) -> bool:
        return self._stopping or self._asked is not None or self._busy()

    def _fill(self, seconds: float) -> bool:
        """Make what is missing for so many seconds; False when nothing was left to do."""
        return self._pictures.fill(seconds, self._stop_filling) or self._hash(seconds)

    def _hash(self, seconds: float) -> bool:
        """Hashes of whole files, by which a judgement finds its image however the file is called."""
        catalog = self._catalog()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stop_filling():
            row = catalog.index.store.rows(
                "SELECT id, bytes, mtime FROM image WHERE hashed=0 AND missing=0 AND id < ? ORDER BY id DESC LIMIT 1",
                (self._below or 1 << 62,),
            )
            if not row:
                return False
            self._below, size, mtime = row[0]
            try:
                path = self._file(self._below)
                digest = sha256_file(path)
                now = path.stat()
            except (SDGenError, OSError):
                continue  # the next scan will say what became of it
            if (now.st_size, now.st_mtime_ns) == (size, mtime):
                catalog.add_key(self._below, file_key(digest))
        return True
