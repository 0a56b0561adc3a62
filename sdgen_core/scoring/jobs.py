"""Sessions that wait to be scored, and the thread that scores them while nobody renders.

What is ordered is written down: a program that ends goes on where it was when it starts again. While ComfyUI renders, the model gives
back the accelerator's memory and waits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, shown
from ..sessions.files import write_atomic
from . import QUEUE
from .instead import USUAL_SCALE, looks_like
from .models import ScorerModel, available, find, load
from .service import Scoring
from .settings import ScoringSettings

if TYPE_CHECKING:
    from ..catalog.library import Library
    from .backends.interface import Backend
    from .classes import Thresholds
    from .embedding.pipeline import Progress

log = logging.getLogger("sdgen")

#: Seconds between two looks whether ComfyUI still renders, and between two words about how far it is.
_LOOK, _TELL_EVERY = 0.5, 0.25
#: And between two looks of somebody who waits for it.
_ATTEND = 0.1
#: What has gone wrong is kept of so many sessions.
_KEPT = 50


@dataclass(frozen=True)
class Job:
    """A session, by its slug, that is to be scored by the scorer of this name."""

    session: str
    scorer: str


@dataclass(frozen=True)
class Failed:
    """A session that could not be scored."""

    session: str
    name: str
    error: str
    message: str
    hint: str


class Jobs:
    """The queue of a library. ``busy`` says whether ComfyUI renders, ``folders`` are those with scorers, ``folder`` is where embeddings,
    reports and the queue, the file ``queue``, are kept. ``make_room`` frees what other programs' models take of the accelerator's
    memory; it is called when a scorer does not fit. Told is the kind "scoring" with what ``state`` gives, without the slugs that wait:
    they are many, and it is told often; and "images" for those that have other scores.
    """

    def __init__(
        self,
        library: Library,
        folder: Path,
        folders: Sequence[Path],
        *,
        queue: str = QUEUE,
        busy: Callable[[], bool] = lambda: False,
        make_room: Callable[[], None] | None = None,
        settings: Callable[[], ScoringSettings] | None = None,
        loaded: Callable[[str], Backend] | None = None,
    ) -> None:
        self._settings = settings or ScoringSettings
        self._library, self._folder, self._folders, self._busy = library, folder, tuple(folders), busy
        self._make_room = make_room
        self._loaded = loaded or (lambda name: load(name, self._folders, memory=folder / "models.json"))
        self._wake = threading.Condition()
        self._file = folder / queue
        self._taken_up = False
        self._waiting: dict[Job, None] = {}  # in their order
        self._now: Job | None = None
        self._name = ""  # of the session that is scored now
        self._progress: Progress | None = None
        self._failed: list[Failed] = []
        self._cancelled = self._stopping = self._held = self._put_back = False
        self._attended: tuple[frozenset[Job], Backend | None] = frozenset(), None
        self._attended_failed: dict[str, Failed] = {}  # by session; ``_failed`` keeps the last ones only
        self._warm: Backend | None = None  # that may have its weights in the accelerator's memory
        self._told = 0.0
        self._thread: threading.Thread | None = None

    # ---- asked from anywhere -------------------------------------------------------------------------------------------------

    def scorers(self) -> list[ScorerModel]:
        """The scorers that are there, the demo's first."""
        return available(self._folders)

    def start(self) -> None:
        """Go on with what was waiting when the program ended. What else adds to the queue does so too."""
        self._add(())

    def order(self, sessions: Iterable[str], scorer: str) -> dict[str, Any]:
        """Have sessions scored, behind those that wait already; gives ``state``. Raises ``unknown-session`` and ``scorer-missing`` before
        anything is ordered."""
        self._check(scorer)
        self._add(self._wanted(sessions, scorer))
        return self.state()

    def attend(
        self,
        sessions: Iterable[str],
        scorer: str,
        backend: Backend,
        look: Callable[[dict[str, Any], int], bool],
    ) -> dict[str, dict[str, Any] | Failed | None]:
        """Have sessions scored by ``backend`` before all others, and wait for it: for somebody in a prompt that ComfyUI executes, which
        the work does not wait for then. Gives their reports by slug, or why there is none; None for what was cancelled.

        ``look(state, left)`` is called some times a second with how many sessions are left, in the caller's thread; it ends the work by
        giving False, or by raising. When this returns nobody uses ``backend`` any more. Raises ``unknown-session``.
        """
        jobs = self._wanted(sessions, scorer)
        wanted = frozenset(jobs)
        begun = int(time.time() * 1000)
        with self._wake:
            self._take_up()
            self._attended, self._attended_failed = (wanted, backend), {}
            others = [job for job in self._waiting if job not in wanted]
            if self._now is not None and self._now not in wanted and not self._cancelled:
                others.insert(0, self._now)
                self._put_back = True
            self._waiting = dict.fromkeys([*(job for job in jobs if job != self._now), *others])
            self._failed = [one for one in self._failed if Job(one.session, scorer) not in wanted]
            self._add(())
        try:
            while (left := self._left(wanted)) and look(self.state(), left):
                with self._wake:
                    self._wake.wait(_ATTEND)
        finally:
            with self._wake:
                self._waiting = {job: None for job in self._waiting if job not in wanted}
                self._cancelled = self._cancelled or self._now in wanted
                self._add(())
                while self._now in wanted and not self._stopping:
                    self._wake.wait(_ATTEND)
                self._attended = frozenset(), None
        return {job.session: self._outcome(job, begun) for job in jobs}

    def cancel(self, session: str | None = None) -> dict[str, Any]:
        """Leave out a session, also while it is scored; without one, all. What was seen of it is kept."""
        with self._wake:
            self._take_up()
            self._waiting = {job: None for job in self._waiting if session is not None and job.session != session}
            if self._now and session in (None, self._now.session):
                self._cancelled = True
            self._add(())
        return self.state()

    def state(self) -> dict[str, Any]:
        """``running`` (slug or None) and its ``name``, ``scorer``, ``done`` of ``total`` images, ``per_second``, ``left`` (s), ``held``
        (ComfyUI renders), how many sessions wait (``waits``) and which (``waiting`` slugs), ``failed`` sessions of late."""
        with self._wake:
            return {**self._told_state(), "waiting": [job.session for job in self._waiting]}

    def _told_state(self) -> dict[str, Any]:
        """``state`` without the slugs that wait."""
        with self._wake:
            now, progress = self._now, self._progress
            return {
                "running": now.session if now else None,
                "name": self._name if now else None,
                "scorer": now.scorer if now else None,
                "done": progress.done if progress else 0,
                "total": progress.total if progress else 0,
                "per_second": progress.per_second if progress else 0.0,
                "left": progress.left if progress else None,
                "held": self._held,
                "waits": len(self._waiting),
                "waiting": [],
                "failed": [asdict(one) for one in self._failed],
            }

    @property
    def thresholds(self) -> Thresholds:
        """From where on a value is seen, an image a success, and so on. Raises ``bad-settings``."""
        return self._settings().thresholds

    def looks_like(self, session: str) -> dict[int, dict[str, str]]:
        """See ``instead.looks_like``, of the model that scored the session last. Raises ``not-scored``."""
        said = self.report(session)
        where = self._library.catalog, self._folder, str(said["identity"]), session
        return looks_like(*where, float(said.get("scale", USUAL_SCALE)), self._settings().wording)

    def report(self, session: str) -> dict[str, Any]:
        """See ``Scoring.report``."""
        return self._scoring().report(session)

    def against(self, first: str, second: str) -> dict[str, Any]:
        """See ``Scoring.against``."""
        return self._scoring().against(first, second)

    def stop(self, timeout: float = 10.0) -> None:
        """End soon. What waits is written down."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    # ---- the queue -----------------------------------------------------------------------------------------------------------

    def _wanted(self, sessions: Iterable[str], scorer: str) -> list[Job]:
        from .material import session_of

        wanted = [Job(slug, scorer) for slug in dict.fromkeys(sessions)]
        for job in wanted:
            session_of(self._library.catalog, job.session)
        return wanted

    def _left(self, jobs: Iterable[Job]) -> int:
        with self._wake:
            at_work = self._thread is not None and not self._stopping
            there = {*self._waiting, self._now} if at_work else set()
            return sum(job in there for job in jobs)

    def _outcome(self, job: Job, begun: int) -> dict[str, Any] | Failed | None:
        with contextlib.suppress(SDGenError):
            report = self.report(job.session)
            if report["at"] >= begun:
                return report
        return self._attended_failed.get(job.session)

    def _scoring(self) -> Scoring:
        return Scoring(self._library.catalog, self._library.file, self._folder, self._settings())

    def _check(self, scorer: str) -> None:
        try:
            path, _ = find(scorer, self._folders)
        except SDGenError as error:
            said = self._without_folders(error.message), self._without_folders(error.hint)
            raise SDGenError(error.code, said[0], nearest=error.nearest, hint=said[1]) from error
        problem = next((one.problem for one in self.scorers() if one.path == path), "")
        if problem:
            raise SDGenError("scorer-missing", f"{scorer}: {self._without_folders(problem)}")

    def _take_up(self) -> None:
        """Put what was waiting when the program ended before all else, once: the first writing would forget it."""
        if self._taken_up:
            return
        self._taken_up = True
        with contextlib.suppress(OSError, ValueError, TypeError):
            written = json.loads(self._file.read_text(encoding="utf-8"))
            self._waiting = dict.fromkeys([*(Job(**one) for one in written), *self._waiting])

    def _add(self, jobs: Iterable[Job]) -> None:
        with self._wake:
            self._take_up()
            for job in jobs:
                # also that which is scored now: it may have images that were not there when that began; what is known costs no time
                if job not in self._waiting:
                    self._waiting[job] = None
                    self._failed = [one for one in self._failed if one.session != job.session]
            self._write()
            if self._waiting and self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="sdgen-scoring", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _write(self) -> None:
        """Write the queue down, that which is being done first. A queue that cannot be written is still worked off."""
        jobs = [*([self._now] if self._now and not self._cancelled else []), *self._waiting]
        with contextlib.suppress(SDGenError, OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, json.dumps([asdict(job) for job in jobs]).encode("utf-8"), durable=False)

    # ---- in the thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                try:
                    self._score(job)
                except SDGenError as error:
                    self._fail(job, error)
                except Exception as error:  # the other sessions are waiting
                    log.exception("SDGen: session %s was not scored", job.session)
                    self._fail(job, SDGenError("scorer-failed", f"{type(error).__name__}: {error}"))
        finally:
            with self._wake:  # whatever ended it: what is ordered next begins anew, and nobody waits in vain
                self._thread = self._now = self._progress = None
                self._wake.notify_all()

    def _next(self) -> Job | None:
        with self._wake:
            if self._now is not None and not self._stopping:
                self._now, self._progress = None, None
                self._write()
                self._tell()
            self._wake.wait_for(lambda: self._stopping or self._waiting)
            if self._stopping:
                return None
            self._now, self._cancelled, self._put_back = next(iter(self._waiting)), False, False
            del self._waiting[self._now]
            self._name = self._name_of(self._now.session)
            self._tell()
            return self._now

    def _score(self, job: Job) -> None:
        self._hold(self._warm)
        if self._over():
            return
        attended, lent = self._attended
        backend = lent if lent is not None and job in attended else self._loaded(job.scorer)
        if self._warm is not None and self._warm is not backend:
            self._warm.release()  # both may not fit
        self._warm = backend
        try:
            try:
                self._score_by(job, backend)
            except SDGenError as error:
                # one that is lent is brought by those who look after the memory
                if error.code != "scorer-out-of-memory" or self._make_room is None or backend is lent:
                    raise
                log.info("SDGen: the scorer does not fit beside the models that are loaded: they are unloaded")
                self._make_room()
                self._score_by(job, backend)
        finally:
            if self._put_back or not self._waiting:
                backend.release()
                self._warm = None

    def _score_by(self, job: Job, backend: Backend) -> None:
        self._scoring().score(
            job.session,
            backend,
            cancelled=self._over,
            progress=self._advance,
            wait=lambda: self._hold(backend),
            written=lambda ids: self._library.tell("images", added=[], changed=ids, session=job.session),
        )

    def _over(self) -> bool:
        return self._cancelled or self._stopping or self._put_back

    def _rendering(self) -> bool:
        """Whether ComfyUI does something that the work has to wait for."""
        return self._busy() and self._now not in self._attended[0]

    def _hold(self, backend: Backend | None) -> None:
        """Come back when nobody renders, or when it is over."""
        if not self._rendering() or self._over():
            return
        if backend is not None:
            backend.release()
        with self._wake:
            self._held = True
            self._tell()
            while self._rendering() and not self._over():
                self._wake.wait(_LOOK)
            self._held = False
            self._tell()

    def _advance(self, progress: Progress) -> None:
        with self._wake:
            self._progress = progress
            if time.monotonic() - self._told >= _TELL_EVERY:
                self._tell()

    def _fail(self, job: Job, error: SDGenError) -> None:
        with self._wake:
            said = error.code, self._without_folders(str(error)), self._without_folders(error.hint)
            one = Failed(job.session, self._name_of(job.session), *said)
            self._failed = [*self._failed, one][-_KEPT:]
            if job in self._attended[0]:
                self._attended_failed[job.session] = one

    def _name_of(self, slug: str) -> str:
        """What people call a session; its slug where it is gone."""
        from .material import session_of

        with contextlib.suppress(Exception):  # a name is no reason to end the work
            return session_of(self._library.catalog, slug)[1] or slug
        return slug

    def _without_folders(self, text: str) -> str:
        """A message with files as names in their folders, and folders as their names: all who see the gallery read it, and where folders
        are is nobody's business."""
        roots: Sequence[Path] = ()
        with contextlib.suppress(Exception):  # the catalog may be what has failed
            roots = self._library.roots()
        folders = {path for path in (*self._folders, self._folder, *roots) if path.name}
        for folder in sorted(folders, key=lambda path: len(str(path)), reverse=True):
            for way in {str(folder), shown(folder)}:
                text = text.replace(way + "/", "").replace(way + "\\", "").replace(way, folder.name)
        return text

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._library.tell("scoring", **self._told_state())
