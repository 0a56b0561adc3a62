"""Which folders are sessions, and what is in them: names and stamps only. Nothing here opens an image or writes a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import SDGenError, shown
from ...sessions.journal import JOURNAL_NAME
from ...sessions.naming import folder_time
from ...sessions.reading import IMAGE_ENDINGS, MANIFEST_NAME

#: Changes whenever facts are read differently, so that what older versions read is read again.
READER = 2

TEXT_CONFIGS = ("session_config.txt", "session_config_legacy.txt")
V0_METADATA = "metadata.json"
V1_ENDING = "_manifest.json"

#: Folders of other programs' copies; hidden ones are passed over as well.
_PASSED_OVER = frozenset({"thumbnails", "thumbs", ".thumbnails", "@eadir", "__pycache__", "$recycle.bin"})
_MOUNT_POINT = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


@dataclass(frozen=True)
class Folder:
    """A session folder as it was looked at. ``images`` are paths in it with /, sorted; ``records`` the names of files that describe the
    session; ``payloads`` JSON files beside (a dry run has them in place of images); ``stamp`` changes when anything of this does, or
    a record's size or time.
    """

    path: Path
    stamp: str
    images: tuple[str, ...]
    records: tuple[str, ...]
    payloads: frozenset[str]

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Image -> (bytes, modification time in ns). Images that are gone meanwhile are left out."""
        out: dict[str, tuple[int, int]] = {}
        wanted = set(self.images)
        for sub in {name.rpartition("/")[0] for name in self.images}:
            try:
                with os.scandir(self.path / sub if sub else self.path) as entries:
                    for entry in entries:
                        name = f"{sub}/{entry.name}" if sub else entry.name
                        if name in wanted:
                            found = entry.stat()
                            out[name] = (found.st_size, found.st_mtime_ns)
            except OSError:
                continue  # the whole sub-folder is gone: its images are missing
        return out


@dataclass
class _Listed:
    """One folder's own entries."""

    time: int
    images: list[str] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    records: list[tuple[str, int, int]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


class Walk:
    """Looks for session folders in ``root``. ``errors`` has what could not be looked at, ``unread`` those folders.

    Links to folders are not followed: what they lead to inside the root is met anyway, and outside it was not asked for.
    """

    def __init__(self, root: Path, cancelled: Callable[[], bool] = lambda: False) -> None:
        self.root = root
        self.errors: list[SDGenError] = []
        self.unread: list[Path] = []
        self.empty = False
        self._cancelled = cancelled

    def __iter__(self) -> Iterator[Folder]:
        pending = [self.root]
        while pending and not self._cancelled():
            path = pending.pop()
            listed = self._list(path)
            if listed is None:
                continue
            if path == self.root:
                self.empty = not (listed.images or listed.records or listed.folders or listed.payloads)
            own, other = self._parts(path, listed)
            if folder := _folder(path, listed, own):
                yield folder
            pending += sorted(other, reverse=True)

    def one(self, path: Path) -> Folder | None:
        """The session in a folder itself, as it is now; None when it is none."""
        listed = self._list(path)
        return None if listed is None else _folder(path, listed, self._parts(path, listed)[0])

    def _parts(self, path: Path, listed: _Listed) -> tuple[dict[str, _Listed], list[Path]]:
        """The sub-folders that hold images of the session in ``path`` (relative name -> entries), and those to look at by themselves.

        A session that has a record may be spread over sub-folders; they have no record and no date of their own.
        """
        own: dict[str, _Listed] = {}
        other: list[Path] = []
        if not listed.records:
            return own, [path / name for name in listed.folders]
        pending = list(listed.folders)
        while pending:
            name = pending.pop()
            inner = None if folder_time(name.rpartition("/")[2]) else self._list(path / name)
            if inner is None or inner.records:
                other.append(path / name)
                continue
            if inner.images:
                own[name] = inner
                pending += [f"{name}/{sub}" for sub in inner.folders]
            else:
                other += [path / name / sub for sub in inner.folders]
        return own, other

    def _list(self, path: Path) -> _Listed | None:
        try:
            listed = _Listed(path.stat().st_mtime_ns)
            with os.scandir(path) as entries:
                for entry in entries:
                    self._take(entry, listed)
        except OSError as error:
            self.unread.append(path)
            message = f"Cannot look into {shown(path)}: {error.strerror or error}."
            self.errors.append(SDGenError("unreadable-file", message))
            return None
        return listed

    def _take(self, entry: os.DirEntry[str], listed: _Listed) -> None:
        name = entry.name
        if name.startswith(".") or not _is_text(name):
            return
        if entry.is_dir(follow_symlinks=False):
            junction = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == _MOUNT_POINT
            if name.lower() not in _PASSED_OVER and not junction:
                listed.folders.append(name)
            return
        ending = name[name.rfind(".") :].lower() if "." in name else ""
        record = name in (JOURNAL_NAME, MANIFEST_NAME, *TEXT_CONFIGS, V0_METADATA) or name.endswith(V1_ENDING)
        if not (record or ending in IMAGE_ENDINGS or ending == ".json") or not self._is_own_file(entry):
            return
        if record:
            found = entry.stat()
            listed.records.append((name, found.st_mtime_ns, found.st_size))
        elif ending == ".json":
            listed.payloads.append(name)
        else:
            listed.images.append(name)

    def _is_own_file(self, entry: os.DirEntry[str]) -> bool:
        """A file, or a link to one inside the root."""
        if not entry.is_symlink():
            return entry.is_file()
        target = Path(os.path.realpath(entry.path))
        return target.is_relative_to(self.root) and target.is_file()


def _folder(path: Path, listed: _Listed, own: dict[str, _Listed]) -> Folder | None:
    images = sorted(listed.images) + [f"{sub}/{name}" for sub in sorted(own) for name in sorted(own[sub].images)]
    payloads = [*listed.payloads, *(f"{sub}/{name}" for sub in own for name in own[sub].payloads)]
    telling = [name for name, _, _ in listed.records if name != V0_METADATA]  # so is called what other programs write
    if not images and not telling:
        return None
    digest = hashlib.blake2b(digest_size=12)
    times = [listed.time, *(own[sub].time for sub in sorted(own))]
    digest.update(repr((READER, times, len(images), len(payloads), sorted(listed.records))).encode())
    return Folder(
        path, digest.hexdigest(), tuple(images), tuple(sorted(r[0] for r in listed.records)), frozenset(payloads)
    )


def _is_text(name: str) -> bool:
    """Names that are no Unicode (of old disks) cannot be written into a database or an address."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
