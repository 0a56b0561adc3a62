"""``manifest.jsonl``: the append-only record of a session, one line of JSON per event.

``manifest.json`` has to be rewritten as a whole to change; done per image, as the predecessor did, that costs more
with every image (0.3 s each at 10,000) and a crash in between truncates it. The journal costs the same for every
image, and a crash can hurt its last line only. Everything in ``manifest.json`` is computed from it.

Lines, each with ``type`` and ``time`` (local ISO time):

* ``start`` and ``extended`` with ``snapshot``: the session begins, or goes on with a bigger plan; both make it
ongoing again; * ``image`` with ``entry``: an image is finished; a later line with the same ``filename`` replaces it;
* ``removed`` with ``filenames``: these images were thrown away on purpose; undone by a later ``image`` with that name;
* ``failed`` with ``index``, ``error``, ``message``, ``attempt``; undone by a later ``image`` with that index; *
``status`` with ``status``: ongoing, completed or aborted; * ``top`` with ``values``: top-level keys of
``manifest.json`` that are not SDGen's, of an older one or written by hand, kept as they are.

A reader skips lines it cannot read and types it does not know.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from ..errors import SDGenError, shown
from .files import atomic_file, raise_write_error
from .metadata import strict_value
from .naming import parse_image_name

JOURNAL_NAME = "manifest.jsonl"
STATUSES = ("ongoing", "completed", "aborted")
# ComfyUI's messages can hold whole tensors; the manifest needs to say what went wrong, not all of it.
MESSAGE_LIMIT = 2_000

_folder_locks: dict[str, threading.RLock] = {}
_folder_locks_guard = threading.Lock()


def folder_lock(folder: Path) -> threading.RLock:
    """The one lock of this process for writing a folder's journal, whoever opened it."""
    key = os.path.normcase(folder.absolute())
    with _folder_locks_guard:
        return _folder_locks.setdefault(key, threading.RLock())


def _null(_: str) -> None:
    """For NaN and infinities, which Python's own writer lets through and JSON does not have."""


def parse_json(text: str | bytes) -> Any:
    """JSON as found in old files: a byte order mark is skipped, NaN is None. Raises ValueError."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        return json.loads(text, parse_constant=_null)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def record_line(record: Mapping[str, Any]) -> bytes:
    """One line of the journal: strict UTF-8 JSON and a line feed."""
    text = json.dumps(strict_value(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def entry_index(entry: Mapping[str, Any], default: int) -> int:
    """The place of an image in its session: recorded, else from the file name, else ``default``."""
    own = entry.get("sdgen")
    if isinstance(own, Mapping) and isinstance(own.get("index"), int):
        return int(own["index"])
    parsed = parse_image_name(str(entry.get("filename", "")))
    return default if parsed is None else parsed.index


def check_status(word: str) -> None:
    if word not in STATUSES:
        raise ValueError(f"a manifest's status is one of {', '.join(STATUSES)}, not {word!r}")


class Journal:
    """Appends to a session's journal. Any thread may use it, and several journals of one folder get along.

    The file is opened for each line and closed again: that costs some 20 µs, keeps Windows users able to move the
    folder, and turns a folder that was deleted meanwhile into an error instead of lines written to nowhere. ``fsync``
    waits for the disk at every line; without it, only the lines other than ``image`` and ``failed`` wait, because
    those two can be had again from the images and the ledger. Every method raises ``disk-full`` or
    ``unwritable-folder``.
    """

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_NAME
        self._fsync = fsync
        self._lock = folder_lock(folder)
        self._size = -1  # bytes after our own last line; anything else there means that somebody else wrote

    def start(self, snapshot: Mapping[str, Any]) -> None:
        """The session begins."""
        self._append({"type": "start", "version": 1, "time": _now(), "snapshot": snapshot}, durable=True)

    def extended(self, snapshot: Mapping[str, Any]) -> None:
        """The session goes on with a later, bigger plan."""
        self._append({"type": "extended", "time": _now(), "snapshot": snapshot}, durable=True)

    def image(self, entry: Mapping[str, Any]) -> None:
        """An image is on the disk (``entry`` from :func:`.manifest.image_entry`)."""
        if not entry.get("filename"):
            raise ValueError("an image entry needs its filename")
        self._append({"type": "image", "time": _now(), "entry": entry})

    def removed(self, filenames: Collection[str]) -> None:
        """Images were thrown away on purpose: they are neither missing nor to be made again."""
        if filenames:
            self._append({"type": "removed", "time": _now(), "filenames": list(filenames)}, durable=True)

    def failed(self, index: int, error_code: str, message: str, attempt: int) -> None:
        """An attempt at item ``index`` failed."""
        text = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"
        self._append(
            {"type": "failed", "time": _now(), "index": index, "error": error_code, "message": text, "attempt": attempt}
        )

    def status(self, word: str) -> None:
        """The session is now ``ongoing``, ``completed`` or ``aborted``. Raises ValueError for another word."""
        check_status(word)
        self._append({"type": "status", "time": _now(), "status": word}, durable=True)

    def top(self, values: Mapping[str, Any]) -> None:
        """Top-level keys of ``manifest.json`` that are somebody else's."""
        self._append({"type": "top", "time": _now(), "values": values}, durable=True)

    def _append(self, record: Mapping[str, Any], *, durable: bool = False) -> None:
        line = record_line(record)
        with self._lock:
            if self._size < 0:
                self._adopt()
            try:
                self._write(line, durable=durable or self._fsync)
            except OSError as error:
                self._size = -1
                raise_write_error(error, self.path)

    def _adopt(self) -> None:
        """Before the first line in a folder with an older session and no journal: make the journal from what it has."""
        from .recovery import adopt

        if not self.path.exists():
            adopt(self.folder)

    def _write(self, line: bytes, *, durable: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, flags, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and size != self._size:
                os.lseek(handle, size - 1, os.SEEK_SET)
                if os.read(handle, 1) != b"\n":
                    line = b"\n" + line  # a torn line ends here; a reader skips it
            written = os.write(handle, line)
            while written < len(line):  # a full disk took a piece: meet the error; the next line ends the torn one
                written += os.write(handle, line[written:])
            if durable:
                os.fsync(handle)
            self._size = size + len(line)
        finally:
            os.close(handle)


def _now() -> str:
    return datetime.now().isoformat(timespec="milliseconds")


class JournalIndex:
    """What a journal says, with one small tuple in memory per image; ``update`` reads on from where it stopped.

    ``images`` maps a file name to (index, offset, bytes) of the line with its entry, ``removed`` the same of those that were
    thrown away. ``unreadable`` counts lines that
    were skipped; ``torn`` says that the file ends in the middle of a line.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self._reset()

    def _reset(self) -> None:
        self._offset = 0
        self._file_id: tuple[int, int] | None = None
        self.snapshot: dict[str, Any] | None = None
        self.status: str | None = None
        self.images: dict[str, tuple[int, int, int]] = {}
        self.removed: dict[str, tuple[int, int, int]] = {}
        self.failures: dict[int, tuple[str, str, int]] = {}
        self.top: dict[str, Any] = {}
        self.unreadable = 0
        self.torn = False

    def update(self) -> None:
        """Read what was appended since the last call. A missing file reads as an empty one.

        Raises ``unreadable-file``.
        """
        try:
            with self.path.open("rb") as handle:
                stat = os.fstat(handle.fileno())
                file_id = (stat.st_dev, stat.st_ino)
                if (self._file_id not in (None, file_id)) or stat.st_size < self._offset:
                    self._reset()  # the journal was rebuilt
                self._file_id = file_id
                handle.seek(self._offset)
                for line in handle:
                    if not self._take(line):
                        break
        except FileNotFoundError:
            self._reset()
        except OSError as error:
            raise SDGenError(
                "unreadable-file", f"Cannot read {shown(self.path)}: {error.strerror or error}."
            ) from error

    def _take(self, line: bytes) -> bool:
        """Take in one line; False for an unfinished one, which is read again next time."""
        record = _record(line)
        if record is None:
            if not line.endswith(b"\n"):
                self.torn = True
                return False
            self.unreadable += bool(line.strip())
        else:
            self._apply(record, len(line))
        self.torn = False
        self._offset += len(line)
        return True

    def _apply(self, record: dict[str, Any], length: int) -> None:
        kind = record["type"]
        if kind == "image":
            entry = record.get("entry")
            if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
                self.unreadable += 1
                return
            known = self.images.get(entry["filename"]) or self.removed.pop(entry["filename"], None)
            index = entry_index(entry, known[0] if known else len(self.images) + len(self.removed))
            self.images[entry["filename"]] = (index, self._offset, length)
            self.failures.pop(index, None)
        elif kind == "removed" and isinstance(record.get("filenames"), list):
            for name in record["filenames"]:
                if isinstance(name, str) and name in self.images:
                    self.removed[name] = self.images.pop(name)
        elif kind == "failed" and isinstance(record.get("index"), int):
            self.failures[record["index"]] = (
                str(record.get("error", "")),
                str(record.get("message", "")),
                int(record.get("attempt") or 0),
            )
        elif kind in ("start", "extended") and isinstance(record.get("snapshot"), dict):
            self.snapshot = record["snapshot"]
            self.status = "ongoing"
        elif kind == "status" and record.get("status") in STATUSES:
            self.status = record["status"]
        elif kind == "top" and isinstance(record.get("values"), dict):
            self.top.update(record["values"])

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The failed items as ``manifest.json`` lists them, in index order."""
        return [
            {"index": index, "error": error, "message": message}
            for index, (error, message, _attempt) in sorted(self.failures.items())
        ]

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries in index order (images of one item as they were made), read one by one from the file."""
        yield from self._entries(self.images)

    def removed_entries(self) -> Iterator[dict[str, Any]]:
        """The entries of the images that were thrown away, in the same way."""
        yield from self._entries(self.removed)

    def _entries(self, lines: Mapping[str, tuple[int, int, int]]) -> Iterator[dict[str, Any]]:
        if lines:
            with self.path.open("rb") as handle:
                yield from self._read(handle, sorted(lines.values()))

    def _read(self, handle: IO[bytes], lines: Iterable[tuple[int, int, int]]) -> Iterator[dict[str, Any]]:
        for _index, offset, length in lines:
            handle.seek(offset)
            record = _record(handle.read(length))
            if record is None or "entry" not in record:
                self._reset()  # somebody else wrote into it: the next time it is read from its beginning
                raise SDGenError("unreadable-file", f"{shown(self.path)} was changed while it was read.")
            yield record["entry"]


def journal_records(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a journal that can be read, one by one. A missing file reads as an empty one. Raises ``unreadable-file``."""
    try:
        with path.open("rb") as handle:
            yield from filter(None, map(_record, handle))
    except FileNotFoundError:
        return
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("type"), str) else None


def write_journal(
    folder: Path,
    *,
    snapshot: Mapping[str, Any] | None,
    top: Mapping[str, Any],
    images: Iterable[Mapping[str, Any]],
    removed: Collection[Mapping[str, Any]],
    failed: Iterable[Mapping[str, Any]],
    status: str | None,
) -> None:
    """Replace a folder's journal by a new one with these contents, as a whole or not at all."""
    with folder_lock(folder), atomic_file(folder / JOURNAL_NAME) as out:
        if snapshot is not None:
            out.write(record_line({"type": "start", "version": 1, "time": _now(), "snapshot": snapshot}))
        if top:
            out.write(record_line({"type": "top", "time": _now(), "values": top}))
        for entry in (*images, *removed):
            out.write(record_line({"type": "image", "entry": entry}))
        if removed:
            names = [entry["filename"] for entry in removed]
            out.write(record_line({"type": "removed", "time": _now(), "filenames": names}))
        for failure in failed:
            out.write(record_line({"type": "failed", "time": _now(), **failure}))
        if status is not None:
            out.write(record_line({"type": "status", "time": _now(), "status": status}))
