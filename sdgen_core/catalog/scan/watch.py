"""Seeing what other programs do in the folders, by looking again and again.

Looking, not being notified: in WSL and on network drives, where many libraries lie, the system reports no changes of other machines,
and a hundred thousand folders are more than most systems report on. Each look costs one listing of the folders that hold sessions
and one stamp for each of the newest sessions; everything is looked through from time to time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from .folder import Walk
from .importer import Importer
from .report import Report

#: Seconds between two looks, and between two looks through everything.
PERIOD, FULL = 2.0, 600.0
#: A session rests this many times as long as it took to read it.
REST = 9
#: So many of the newest sessions are looked at each time: the running one is among them.
NEWEST = 20


class Watch:
    """Keeps an index up to date with ``roots``; begin with ``Importer.run``. ``clock`` in seconds.

    ``leave`` gives sessions that come into the index in another way. A session is not read again before ``REST`` times as long as
    reading it took: a running one of thousands of images changes every second.
    """

    def __init__(
        self,
        importer: Importer,
        roots: Sequence[Path],
        *,
        leave: Callable[[], Collection[Path]] = lambda: (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._importer = importer
        self._roots = [Path(os.path.realpath(root)) for root in roots]
        self._leave = leave
        self._clock = clock
        self._rests: dict[Path, float] = {}
        self._full = clock() + FULL
        self._names: dict[Path, set[str]] = {}
        #: Folders that are new, and when they were first seen: they become sessions when something is in them.
        self._fresh: dict[Path, float] = {}
        self._told: set[tuple[str, str]] = set()

    def look(self) -> list[Report]:
        """Look once, and import what has changed. A report for each root with new images or errors that were not told before."""
        now = self._clock()
        if now >= self._full:
            self._full = now + FULL
            return [self._importer.run(self._roots)]
        for place in self._places():
            names = _folders(place)
            if place in self._names:
                self._fresh.update((place / name, now) for name in names - self._names[place])
            else:  # something may have come since the import: what it did not find is looked at once more
                unknown = {place / name for name in names} - self._known()
                self._fresh.update((path, now - FULL + PERIOD) for path in unknown)
            self._names[place] = names
        self._fresh = {path: seen for path, seen in self._fresh.items() if now - seen < FULL}
        reports = []
        self._rests = {path: until for path, until in self._rests.items() if until > now}
        left = {*self._leave(), *self._rests}
        for root in self._roots:
            changed = [path for path in self._fresh if path.is_relative_to(root)]
            changed += [path for path in self._changed(root) if path not in self._fresh]
            if root not in changed and self._has_loose(root):
                changed.append(root)
            changed = [path for path in changed if path not in left]
            if changed:
                begun = self._clock()
                report = self._importer.run_folders(changed, root)
                if report.progress.sessions:
                    spent = self._clock() - begun
                    self._rests.update(dict.fromkeys(changed, begun + spent + REST * spent / len(changed)))
                told = {(error["folder"], error["message"]) for error in report.errors}
                report.errors = [e for e in report.errors if (e["folder"], e["message"]) not in self._told]
                self._told |= told
                if report.progress.written or report.errors:
                    reports.append(report)
        return reports

    def _places(self) -> list[Path]:
        """The roots, and the folders in them that hold the newest sessions."""
        rows = self._importer.index.store.rows(
            "SELECT folder FROM session WHERE missing=0 ORDER BY started DESC LIMIT 200"
        )
        parents = [Path(folder).parent for (folder,) in rows]
        inside = [path for path in parents if any(path.is_relative_to(root) for root in self._roots)]
        return list(dict.fromkeys([*self._roots, *inside]))

    def _known(self) -> set[Path]:
        """The folders of all sessions, and those above them."""
        found: set[Path] = set()
        for (folder,) in self._importer.index.store.rows("SELECT folder FROM session WHERE missing=0"):
            path = Path(folder)
            while path not in found:
                found.add(path)
                path = path.parent
        return found

    def _has_loose(self, root: Path) -> bool:
        """Whether images lie in the root itself that were not there before: a graph that belongs to no session saves beside them."""
        found = Walk(root).one(root)
        if found is None:
            return False
        known = self._importer.index.store.rows("SELECT stamp FROM session WHERE folder=? AND missing=0", (str(root),))
        return known != [(found.stamp,)]

    def _changed(self, root: Path) -> list[Path]:
        rows = self._importer.index.store.rows(
            "SELECT folder, stamp FROM session WHERE missing=0 ORDER BY started DESC LIMIT ?", (NEWEST,)
        )
        walk = Walk(root)
        out = []
        for path, stamp in ((Path(folder), stamp) for folder, stamp in rows):
            if path.is_relative_to(root) and (found := walk.one(path)) is not None and found.stamp != stamp:
                out.append(path)
        return out


def _folders(place: Path) -> set[str]:
    """The names in a folder; none when it is gone for the moment."""
    try:
        with os.scandir(place) as entries:
            return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    except OSError:
        return set()
