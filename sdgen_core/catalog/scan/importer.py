"""From folders to the index: finds sessions below the roots, reads what is new or has changed, flags what is gone.

Nothing in a user's folder is written, nothing in the index is deleted. A session's stamp is written with its last images, so that an
import that was killed reads that session again and no other; up to ``SLICE`` images are one transaction.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ..index import Index
from ..records import ImageRecord, SessionRecord
from .facts import SessionFacts
from .folder import Folder, Walk
from .known import differs, known_images
from .report import Progress, Report

log = logging.getLogger("sdgen")

#: Images a transaction: long ones keep other writers (judgements) waiting.
SLICE = 2000
#: Images after which the write-ahead log is written back; 20,000 make some 20 MB of it.
CHECKPOINT = 10_000
#: While ComfyUI renders, work and then wait this many times as long, at most so many seconds, and in smaller steps.
_WAIT_TIMES, _WAIT_MOST, _BUSY_SLICE = 9, 5.0, 100
#: Errors of the catalog itself: going on with other folders would only repeat them.
_FATAL = frozenset({"catalog-unusable", "catalog-locked", "catalog-damaged", "disk-full"})


def default_catalog() -> Path:
    """The catalog's folder for a command without a ComfyUI: ``sdgen/catalog`` among the user's application data."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "sdgen" / "catalog"


class Importer:
    """Brings ``index`` up to date with folders.

    ``busy`` says whether ComfyUI renders: then the import takes a tenth of the time. ``progress`` is called after every slice and
    session, ``cancelled`` asked as often.
    """

    def __init__(
        self,
        index: Index,
        *,
        busy: Callable[[], bool] = lambda: False,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.index = index
        self._busy, self._tell, self._cancelled, self._sleep = busy, progress, cancelled, sleep
        self._begun = self._step = time.monotonic()
        self._since_checkpoint = 0

    def run(self, roots: Sequence[Path], *, every: bool = False) -> Report:
        """Look through all of ``roots``. Raises the errors of the catalog's own files (``catalog-locked``, ``disk-full`` …) only.

        ``every``: look at every image's size and time. Without it, an image that was overwritten in place in a folder where nothing
        else has changed is not noticed, because that would take one question to the disk for each image.
        """
        report = Report()
        self._begun = self._step = time.monotonic()
        known = {Path(folder): (stamp, bool(gone)) for folder, stamp, gone in self._sessions("folder, stamp, missing")}
        changed: list[tuple[Path, Walk]] = []
        seen: set[Path] = set()
        walks = []
        for root in _outermost(roots):
            if not root.is_dir():
                report.add(SDGenError("missing-file", f"There is no folder {shown(root)}."), root)
                self._root_gone(root)
                continue
            walk = Walk(root, self._cancelled)
            walks.append(walk)
            for folder in walk:
                seen.add(folder.path)
                if known.get(folder.path) == (folder.stamp, False) and not every:
                    report.progress.unchanged += 1
                else:
                    changed.append((folder.path, walk))
                    report.progress.total += 1
                self._told(report.progress)
        # By name, which begins with the date: what people look for first is there first.
        for path, walk in sorted(changed, key=lambda found: found[0].name, reverse=True):
            if self._cancelled():
                break
            if now := walk.one(path):  # the first look may be long ago
                self._import(now, walk.root, report)
        for walk in walks:
            for error in walk.errors:
                report.add(error, walk.root)
        report.cancelled = self._cancelled()
        for walk in walks if not report.cancelled else ():
            report.missing += self._flag_missing(walk, seen)
        self.index.store.checkpoint()
        self._told(report.progress)
        return report

    def run_folders(self, folders: Iterable[Path], root: Path) -> Report:
        """Look at these session folders below ``root`` only, and at what is in them; of ``root`` itself at the images that lie in it."""
        report = Report()
        self._begun = self._step = time.monotonic()
        known = {Path(folder): (stamp, bool(gone)) for folder, stamp, gone in self._sessions("folder, stamp, missing")}
        for path in folders:
            walk = Walk(path, self._cancelled)
            for folder in walk if path != root else filter(None, [walk.one(path)]):
                if self._cancelled():
                    break
                if known.get(folder.path) != (folder.stamp, False):
                    report.progress.total += 1
                    self._import(folder, root, report)
            for error in walk.errors:
                report.add(error, path)
        return report

    def _sessions(self, columns: str) -> list[tuple[Any, ...]]:
        return self.index.store.rows(f"SELECT {columns} FROM session")

    # ---- one session -----------------------------------------------------------------------------------------------------

    def _import(self, folder: Folder, root: Path, report: Report) -> None:
        """Read a session and write it. What is wrong with it goes into the report."""
        report.progress.folder = shown(folder.path)
        try:
            self._write(SessionFacts(folder, root), report.progress)
        except SDGenError as error:
            if error.code in _FATAL:
                raise
            report.add(error, folder.path)
        except OSError as error:
            report.add(SDGenError("unreadable-file", f"{shown(folder.path)}: {error.strerror or error}"), folder.path)
        report.progress.sessions += 1
        self._told(report.progress)

    def _write(self, facts: SessionFacts, progress: Progress) -> None:
        record, stamp = facts.record, facts.folder.stamp
        session = self.index.find_session(record)
        known = known_images(self.index, session) if session is not None else {}
        left = {file: before.id for file, before in known.items() if not before.record.missing}
        part: list[ImageRecord] = []
        learnt: list[tuple[str, str]] = []
        read = 0
        for image, before in facts.images(known):
            left.pop(image.file, None)
            read += 1
            if differs(image, before):
                part.append(image)
                same = image.file in facts.listed or (before and before.unchanged((image.bytes, image.mtime)))
                if before is not None and before.record.keys and same:
                    first = before.record.keys[0]
                    learnt += [(first, key) for key in image.keys if key not in before.record.keys]
            if read >= (_BUSY_SLICE if self._busy() else SLICE):
                self._learn(learnt)
                self._put(record, "", part)
                progress.images += read
                progress.written += len(part)
                part, learnt, read = [], [], 0
                self._told(progress)
                if self._cancelled():
                    return
        self._learn(learnt)
        with self.index.transaction():
            session = self._put(record, stamp, part)
            # Images that were saved while this one was read have arrived in another way, and are no loss.
            gone = [image for file, image in left.items() if not (facts.folder.path / file).exists()]
            if gone:
                self.index.set_missing(gone, True)
            self.index.note_seeds(session)
        progress.images += read
        progress.written += len(part)

    def _learn(self, keys: Sequence[tuple[str, str]]) -> None:
        """Images that are known have new keys, and a new index will not have the old ones. A file that was redrawn or packed anew, in
        the place where a record names it, is the same image; where nothing names it, it is another one.
        """
        if keys and self.index.user.has_judgements():
            self.index.user.learn(keys)

    def _put(self, record: SessionRecord, stamp: str, images: Sequence[ImageRecord]) -> int:
        record.stamp = stamp
        with self.index.transaction():
            session = self.index.put_session(record)
            self.index.put_images(session, images)
        self._since_checkpoint += len(images)
        return session

    def _told(self, progress: Progress) -> None:
        """Between two transactions: tell how far it is, keep the log short, leave ComfyUI the machine while it renders."""
        if self._since_checkpoint >= CHECKPOINT:
            self._since_checkpoint = 0
            self.index.store.checkpoint()
        now = time.monotonic()
        progress.seconds = now - self._begun
        self._tell(progress)
        if self._busy():
            self._sleep(min((now - self._step) * _WAIT_TIMES, _WAIT_MOST))
        self._step = time.monotonic()

    # ---- what is gone ----------------------------------------------------------------------------------------------------

    def _root_gone(self, root: Path) -> None:
        """The disk is not there: its sessions are not either, but nothing is known about their images."""
        rows = self._sessions("id, folder")
        self.index.set_session_missing([i for i, folder in rows if Path(folder).is_relative_to(root)], True)

    def _flag_missing(self, walk: Walk, seen: set[Path]) -> int:
        """Flag the sessions of a root that were not met. An empty root is a disk that is not mounted."""
        if walk.empty:
            self._root_gone(walk.root)
            return 0
        gone = [
            session
            for session, folder in self._sessions("id, folder")
            if (path := Path(folder)).is_relative_to(walk.root)
            and path not in seen
            and not any(path.is_relative_to(unread) for unread in walk.unread)
        ]
        fresh = [s for s in gone if not self.index.store.value("SELECT missing FROM session WHERE id=?", (s,))]
        for session in fresh:
            images = self.index.store.rows("SELECT id FROM image WHERE session=? AND missing=0", (session,))
            with self.index.transaction():
                self.index.set_session_missing([session], True)
                self.index.set_missing([image for (image,) in images], True)
        return len(fresh)


def _outermost(roots: Sequence[Path]) -> list[Path]:
    """The roots without those inside of others, as they really are."""
    found = list(dict.fromkeys(Path(os.path.realpath(root)) for root in roots))
    return [root for root in found if not any(root != other and root.is_relative_to(other) for other in found)]
