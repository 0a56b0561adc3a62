"""Images on their way from the save node into the index: visible at once, without a look into the folder."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError

if TYPE_CHECKING:
    from PIL.Image import Image

    from .index import Index
    from .scan.facts import SessionFacts

log = logging.getLogger("sdgen")

#: Sessions whose facts are kept, so that an image of theirs costs no look at the others.
_FOLLOWED = 8


@dataclass(frozen=True)
class _Saved:
    """Entries of a session's journal and their decoded images; without any: the session itself has changed."""

    folder: Path
    entries: Sequence[Mapping[str, Any]] = ()
    images: Sequence[Image] = ()
    over: bool = False


@dataclass(frozen=True)
class Arrived:
    """What is in the index now: images of the session ``slug`` in ``folder``, as (content key, entry of the manifest). ``over``: nothing
    more comes for now."""

    slug: str
    folder: Path
    images: Sequence[tuple[str, Mapping[str, Any]]] = ()
    over: bool = False


@dataclass
class _Followed:
    session: int
    slug: str
    facts: SessionFacts = field(repr=False)


class Arrivals:
    """Takes in what is saved, in a thread of its own. ``root_of`` gives the root that a folder is in.

    ``tell`` as of ``Library``; ``pictured(key, image)`` is called with each image that came, ``arrived`` when the index has it, and when
    a session is over. What fails is left to the next scan.
    """

    def __init__(
        self,
        index: Callable[[], Index],
        root_of: Callable[[Path], Path],
        pictured: Callable[[str, Image], None],
        tell: Callable[..., None],
        arrived: Callable[[Arrived], None] = lambda _: None,
    ) -> None:
        self._index, self._root_of, self._pictured, self._tell = index, root_of, pictured, tell
        self._arrived = arrived
        self._waiting: queue.SimpleQueue[_Saved | None] = queue.SimpleQueue()
        self._followed: OrderedDict[Path, _Followed] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._told: set[str] = set()

    def saved(self, folder: Path, entries: Sequence[Mapping[str, Any]], images: Sequence[Image]) -> None:
        """Images of the session in ``folder`` were saved. Returns at once; the images must not change any more."""
        self._put(_Saved(folder, entries, images))

    def session(self, folder: Path, *, over: bool) -> None:
        """What is ordered of a session, its name, place or state has changed; ``over``: nothing more comes for now."""
        self._put(_Saved(folder, over=over))

    def _put(self, what: _Saved) -> None:
        self._waiting.put(what)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sdgen-arrivals", daemon=True)
            self._thread.start()

    def folders(self) -> set[Path]:
        """The sessions that arrive here: nobody else has to look at them."""
        return set(self._followed)

    def close(self, timeout: float = 10.0) -> None:
        """Take in what waits, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(timeout)

    # ---- in the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (what := self._waiting.get()) is not None:
            try:
                self._take(what)
            except SDGenError as error:
                self._failed(what.folder, str(error))
            except Exception as error:  # the thread has to live on: the scan takes in what it could not
                log.exception("SDGen: an image was not taken into the catalog")
                self._failed(what.folder, f"{type(error).__name__}: {error}")

    def _failed(self, folder: Path, said: str) -> None:
        self._followed.pop(folder, None)
        if said not in self._told:
            self._told.add(said)
            log.warning("SDGen: the catalog takes in what was saved later: %s", said)

    def _take(self, what: _Saved) -> None:
        followed = self._followed.get(what.folder)
        if followed is None or not followed.facts.sampled or not what.entries:
            if not what.folder.is_dir():
                self._followed.pop(what.folder, None)
                return
            followed = self._follow(what.folder)
            if followed is None:
                return
            self._tell("sessions", sessions=[followed.slug])
        if what.over:
            del self._followed[what.folder]
            self._arrived(Arrived(followed.slug, what.folder, over=True))
        if not what.entries:
            return
        records = [followed.facts.entered(entry) for entry in what.entries]
        ids = self._index().put_images(followed.session, records)
        self._tell("images", added=ids, changed=[], session=followed.slug)
        for record, image in zip(records, what.images, strict=True):
            self._pictured(record.thumb, image)
        keys = [record.thumb for record in records]
        self._arrived(Arrived(followed.slug, what.folder, list(zip(keys, what.entries, strict=True))))

    def _follow(self, folder: Path) -> _Followed | None:
        """Read the session as a whole, once; what comes later is added."""
        from .scan.facts import SessionFacts
        from .scan.folder import Walk
        from .scan.importer import Importer

        index, root = self._index(), self._root_of(folder)
        report = Importer(index).run_folders([folder], root)
        for error in report.errors:
            log.warning("SDGen: %s: %s", error["folder"], error["message"])
        found = Walk(root).one(folder)
        if found is None:
            return None
        facts = SessionFacts(found, root)
        session = index.find_session(facts.record)
        if session is None:
            return None
        slug = index.store.value("SELECT slug FROM session WHERE id=?", (session,))
        self._followed[folder] = followed = _Followed(session, slug, facts)
        while len(self._followed) > _FOLLOWED:
            self._followed.popitem(last=False)
        return followed
