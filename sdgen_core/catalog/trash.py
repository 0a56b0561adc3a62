"""Emptying the trash: the files of images that are marked ``trash`` go into the system's trash, and every record says so.

What will be removed is written down first; then file by file goes, with its annotated copy and sidecars; then the session's own records
(``sessions.removal``), the index and the ledger say that it was thrown away. Whatever moment the process dies in, ``recover`` ends what
was begun: a file that is gone is noted, one that is still there stays. Judgements stay in ``user.db``, verdicts still count, and what
was ordered stays ordered: a removed image is no gap, and no retry makes it again unless it asks for skipped ones.

Somebody who takes a file out of the system's trash has it back: the next import sees it, and ``recover`` revokes its removal.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from ..sessions.edits import BROKEN, is_there, put_aside
from ..sessions.files import write_atomic
from ..sessions.ledger import Ledger, SessionRow
from ..sessions.removal import note_removed, take_back, write_removed
from .catalog import Catalog
from .query import Clause, Query, parse
from .schema import TRASH
from .sql import as_list
from .trash_files import companions, throw_away

log = logging.getLogger("sdgen")

PLAN = "trash-plan.json"
#: Files after which the records are brought up to date.
SLICE = 1000

_ROWS = (
    "SELECT image.id, slug, coalesce(title, name), folder, file, number, image.bytes, mtime, mark"
    " FROM image_and_said AS image JOIN session ON session.id = image.session WHERE {}"
    " ORDER BY started DESC, session.id, number, batch, image.id"
)
_MARKED = (
    f"image.id IN (SELECT image FROM image_said WHERE mark = {TRASH}) AND NOT (image.missing = 1 AND image.removed = 1)"
)
_THESE = "image.id IN (SELECT value FROM json_each(?))"
_FOLDER = "SELECT folder FROM session WHERE slug = ?"
_BY_FILE = (
    "SELECT image.id FROM session JOIN image ON image.session = session.id"
    " WHERE slug = ? AND file IN (SELECT value FROM json_each(?))"
)
_BACK = (
    "SELECT image.id, slug, folder, number, file FROM image INDEXED BY image_thrown_away JOIN session ON session.id = image.session"
    " WHERE image.removed = 1 AND image.missing = 0"
)


@dataclass(frozen=True)
class Refused:
    """An image that is not removed: ``code`` of the error registry, and why in words."""

    image: int
    path: str
    code: str
    reason: str


@dataclass(frozen=True)
class TrashSession:
    """What of one session can be removed; ``bytes`` are those of the images alone."""

    slug: str
    name: str
    images: int
    bytes: int


@dataclass(frozen=True)
class TrashPreview:
    """What emptying would remove: ``ids`` in the order of ``sessions``, the newest first; ``refused`` is what it would not."""

    images: int
    bytes: int
    ids: list[int]
    sessions: list[TrashSession]
    refused: list[Refused]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class TrashReport:
    """What was removed: ``removed`` are the images' ids, ``bytes`` theirs, ``files`` how many files went, sidecars too.

    ``refused`` are images that were not removed; ``problems`` say in words what else went wrong.
    """

    removed: list[int] = field(default_factory=list)
    bytes: int = 0
    files: int = 0
    sessions: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    cancelled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Recovered:
    """Ids of the images whose removal was completed, and of those that somebody took out of the system's trash."""

    removed: list[int]
    back: list[int]


@dataclass(frozen=True)
class _Row:
    """An image as the index has it."""

    id: int
    slug: str
    name: str
    folder: Path
    file: str
    number: int
    bytes: int
    mtime: int
    mark: int

    @property
    def path(self) -> Path:
        return self.folder / self.file

    def refused(self, code: str, reason: str) -> Refused:
        return Refused(self.id, str(self.path), code, reason)


class Trash:
    """The trash of ``catalog``. ``roots`` gives the folders in which files may be removed, ``ledger`` knows which sessions run.

    Without the ledger a session that another process makes images for may be touched too: records are only added to, so that nothing
    is lost by it.
    """

    def __init__(self, catalog: Catalog, roots: Callable[[], Sequence[Path]], ledger: Ledger | None = None) -> None:
        self._catalog, self._roots, self._ledger = catalog, roots, ledger
        self._index = catalog.index
        self._plan = catalog.folder / PLAN

    def preview(self, query: str | Query | None = None) -> TrashPreview:
        """What would be removed, of all images in the trash or of those that ``query`` finds. Raises ``bad-query``."""
        good, refused = self._sorted(self._asked(query))
        sessions: dict[str, TrashSession] = {}
        for row in good:
            known = sessions.get(row.slug, TrashSession(row.slug, row.name, 0, 0))
            sessions[row.slug] = TrashSession(row.slug, row.name, known.images + 1, known.bytes + row.bytes)
        size = sum(row.bytes for row in good)
        return TrashPreview(len(good), size, [row.id for row in good], list(sessions.values()), refused)

    def empty(
        self,
        ids: Iterable[int],
        permanently: bool = False,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> TrashReport:
        """Remove the files of these images, which must be marked ``trash``; ``permanently``: delete them, there is no way back then.

        ``progress`` is told how many of how many are done. Raises ``catalog-locked`` while another process empties the trash, and
        ``disk-full`` when not even the plan can be written; then nothing was removed.
        """
        report = TrashReport()
        with self._alone():
            self._finish()
            good, report.refused = self._sorted(self._rows(_THESE, as_list(set(ids))))
            if not good:
                return report
            files = [(row, companions(row.path)) for row in good]
            plan = [
                {"session": row.slug, "folder": str(row.folder), "file": row.file, "with": [p.name for p in others]}
                for row, others in files
            ]
            self._write_plan(plan, permanently)
            self._carry_out(files, permanently, report, progress, cancelled)
            if not report.problems:
                self._plan.unlink()
        return report

    def recover(self) -> Recovered:
        """At the start: end what a killed process had begun, and take back what was taken out of the system's trash.

        Raises ``catalog-locked`` while another process empties the trash.
        """
        with self._alone():
            return Recovered(self._finish(), self._take_back())

    # ---- what can be removed ---------------------------------------------------------------------------------------------

    def _asked(self, query: str | Query | None) -> list[_Row]:
        if query is None:
            return self._rows(_MARKED)
        asked = parse(query) if isinstance(query, str) else query
        asked = asked.model_copy(update={"clauses": (*asked.clauses, Clause(field="is", any=("trash",)))})
        found, _ = self._catalog.snapshot.find(asked)
        return self._rows(f"{_THESE} AND {_MARKED}", as_list(found.tolist()))

    def _rows(self, where: str, *values: object) -> list[_Row]:
        rows = self._index.store.rows(_ROWS.format(where), values)
        return [_Row(i, slug, name, Path(folder), *rest) for i, slug, name, folder, *rest in rows]

    def _sorted(self, rows: Iterable[_Row]) -> tuple[list[_Row], list[Refused]]:
        """Those that can be removed, and those that cannot."""
        roots = [os.path.realpath(root) for root in self._roots()]
        good: list[_Row] = []
        refused: list[Refused] = []
        running: dict[str, str | None] = {}
        for row in rows:
            if row.slug not in running:
                running[row.slug] = self._running(row)
            why = self._refusal(row, roots, running[row.slug])
            if why is None:
                good.append(row)
            else:
                refused.append(row.refused(*why))
        return good, refused

    def _refusal(self, row: _Row, roots: Sequence[str], running: str | None) -> tuple[str, str] | None:
        if row.mark != TRASH:
            return "not-in-trash", "it is not marked as trash"
        if running is not None:
            return "bad-state", running
        try:
            found = row.path.stat()
        except OSError as error:
            return "missing-file", f"its file is not there ({error.strerror or error})"
        real = Path(os.path.realpath(row.path))
        if not any(real.is_relative_to(root) for root in roots):
            return "outside-roots", "its file is in none of the folders of this library"
        if (found.st_size, found.st_mtime_ns) != (row.bytes, row.mtime):
            return "file-changed", "its file is another one than the one that was marked"
        if not os.access(row.path.parent, os.W_OK) or not os.access(row.path, os.W_OK):
            return "unwritable-folder", "its file or folder is read-only"
        return None

    def _running(self, row: _Row) -> str | None:
        """Why nothing of this session may be removed now; None when it may."""
        found = self._in_ledger(row.slug, row.folder)
        if found is None or not (found.queued or found.state in ("planned", "running")):
            return None
        return f"session {found.name} is {found.state}; pause it before its trash is emptied"

    def _in_ledger(self, slug: str, folder: Path) -> SessionRow | None:
        """The ledger's row of the session in this folder; a copy of it elsewhere is not the ledger's."""
        if self._ledger is None:
            return None
        keys = self._index.store.rows(
            "SELECT key FROM session_key JOIN session ON session.id = session WHERE slug = ?", (slug,)
        )
        for (key,) in keys:
            found = self._ledger.find(named=key[2:]) if key.startswith("i:") else None
            if found is not None and found.id == key[2:] and found.folder.resolve() == folder.resolve():
                return found
        return None

    # ---- removing --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time, and none after a kill: SQLite's lock on a file ends with its process, on every system."""
        db = sqlite3.connect(self._catalog.folder / "trash.lock", timeout=0, isolation_level=None)
        try:
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise SDGenError(
                    "catalog-locked", f"the trash is being emptied by another program ({error})"
                ) from error
            yield
        finally:
            db.close()

    def _write_plan(self, files: Sequence[dict[str, Any]], permanently: bool) -> None:
        text = json.dumps({"permanently": permanently, "files": files}, ensure_ascii=False)
        write_atomic(self._plan, text.encode("utf-8"))

    def _carry_out(
        self,
        files: Sequence[tuple[_Row, list[Path]]],
        permanently: bool,
        report: TrashReport,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        by_session: dict[tuple[str, Path], list[tuple[_Row, list[Path]]]] = {}
        for row, others in files:
            by_session.setdefault((row.slug, row.folder), []).append((row, others))
        done = 0
        for (slug, folder), own in by_session.items():
            gone: list[_Row] = []
            fresh: list[_Row] = []
            try:
                for row, others in own:
                    if cancelled():
                        report.cancelled = True
                        break
                    if self._remove(row, others, permanently, report):
                        fresh.append(row)
                        gone.append(row)
                    if len(fresh) >= SLICE:
                        self._note(slug, folder, [row.file for row in fresh])
                        fresh = []
                    done += 1
                    progress(done, len(files))
                if gone:
                    self._note(slug, folder, [row.file for row in fresh])
                    self._close(slug, folder, {row.number: row.file for row in gone})
            except SDGenError as error:
                message = f"{shown(folder)}: files were removed, but it cannot be written down: {error.advice}"
                report.problems.append(f"{message} It is tried again at the next start.")
                log.warning("SDGen: %s", report.problems[-1])
            if gone:
                report.sessions.append(slug)
            if report.cancelled:
                break

    @staticmethod
    def _remove(row: _Row, others: Sequence[Path], permanently: bool, report: TrashReport) -> bool:
        try:
            throw_away(row.path, permanently=permanently)
        except SDGenError as error:
            report.refused.append(row.refused(error.code, error.message))
            return False
        report.removed.append(row.id)
        report.bytes += row.bytes
        report.files += 1
        for path in others:
            try:
                throw_away(path, permanently=permanently)
                report.files += 1
            except SDGenError as error:  # the image is gone all the same; this file can be deleted by hand
                log.warning("SDGen: %s", error)
        return True

    def _note(self, slug: str, folder: Path, files: Sequence[str]) -> list[int]:
        """The session's record, then the index, say that these files were thrown away; gives the images."""
        note_removed(folder, files)
        rows = self._index.store.rows(_BY_FILE, (slug, json.dumps(files)))
        images = [image for (image,) in rows]
        self._index.set_missing(images, True, removed=True)
        return images

    def _close(self, slug: str, folder: Path, files: dict[int, str]) -> None:
        """The manifest and the ledger say so too."""
        write_removed(folder)
        row = self._in_ledger(slug, folder)
        if row is not None and self._ledger is not None:
            self._ledger.discard(row.id, files)

    # ---- after a kill ----------------------------------------------------------------------------------------------------

    def _finish(self) -> list[int]:
        """End what the plan says was begun: what is gone is written down, with what belongs to it; what is there stays."""
        try:
            plan = json.loads(self._plan.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError:
            put_aside(self._plan, BROKEN)
            return []
        by_session: dict[str, list[dict[str, Any]]] = {}
        for one in plan["files"]:
            by_session.setdefault(one["session"], []).append(one)
        images: list[int] = []
        left: list[dict[str, Any]] = []
        for slug, files in by_session.items():
            folder = Path(self._index.store.value(_FOLDER, (slug,)) or files[0]["folder"])
            if not folder.is_dir():  # its disk is not there: whether the files are is not known
                left += files
                continue
            gone = [one for one in files if not is_there(folder, one["file"])]
            for path in ((folder / one["file"]).with_name(name) for one in gone for name in one["with"]):
                if path.exists():
                    with contextlib.suppress(SDGenError):
                        throw_away(path, permanently=plan["permanently"])
            names = [one["file"] for one in gone]
            if names:
                images += self._note(slug, folder, names)
                self._close(slug, folder, self._numbers(slug, names))
        if left:
            self._write_plan(left, plan["permanently"])
        else:
            self._plan.unlink()
        return images

    def _numbers(self, slug: str, files: Sequence[str]) -> dict[int, str]:
        sql = _BY_FILE.replace("SELECT image.id", "SELECT number, file")
        return dict(self._index.store.rows(sql, (slug, json.dumps(files))))

    def _take_back(self) -> list[int]:
        by_session: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for image, slug, folder, number, file in self._index.store.rows(_BACK):
            by_session.setdefault((slug, folder), []).append((image, number, file))
        images: list[int] = []
        for (slug, folder), own in by_session.items():
            row = self._in_ledger(slug, Path(folder))
            if (
                row is not None and self._ledger is not None
            ):  # first: as long as the record says removed, this is done again
                self._ledger.reclaim(row.id, {number: file for _, number, file in own})
            take_back(Path(folder))
            self._index.set_missing([image for image, _, _ in own], False, removed=False)
            images += [image for image, _, _ in own]
        return images
