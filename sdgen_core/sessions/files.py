"""Writing files so that a crash, a full disk or an open viewer never leaves half a file under its final name.

Everything a session writes goes through :func:`atomic_file`: a temporary file in the *same* folder (so that the
rename cannot cross a file system), flushed to the disk, then renamed over the target. What the operating system
refuses becomes an :class:`SDGenError`, so that the caller shows one kind of error whatever the system said.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn

from ..errors import SDGenError, shown

# A Windows viewer or virus scanner holds a file for a moment; how long (seconds) a rename waits for it.
SHARING_WAIT = 2.0
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_SHARING_WINERRORS = frozenset({5, 32, 33})
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_LEFTOVER = re.compile(r".+\.[0-9a-f]+-[0-9a-f]+\.tmp\Z")


def raise_write_error(error: OSError, path: Path, what: str = "write") -> NoReturn:
    """Raise the :class:`SDGenError` for an ``OSError`` met while writing ``path``.

    ``disk-full`` when no space or quota is left, else ``unwritable-folder``; both name the path and the system's
    reason.
    """
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        raise SDGenError("disk-full", f"Cannot {what} {shown(path)}: {reason}.") from error
    raise SDGenError("unwritable-folder", f"Cannot {what} {shown(path)}: {reason}.") from error


def temporary_name(path: Path) -> Path:
    """The temporary file beside ``path``; unique per process and thread, always ending in ``.tmp``."""
    mark = f".{os.getpid():x}-{threading.get_ident():x}.tmp"
    # A file name may have 255 bytes; the mark must not push a long but legal name over that.
    stem = path.name.encode("utf-8", "surrogatepass")[: 250 - len(mark)].decode("utf-8", "ignore")
    return path.with_name(stem + mark)


def _is_sharing_violation(error: OSError) -> bool:
    return getattr(error, "winerror", None) in _SHARING_WINERRORS


def replace(source: Path, target: Path) -> None:
    """``os.replace`` that waits for a program on Windows which has ``target`` open, or a file in a folder ``source``."""
    deadline = time.monotonic() + SHARING_WAIT
    pause = 0.01
    while True:
        try:
            os.replace(source, target)  # noqa: PTH105 - one call that tests can stand in for
            return
        except PermissionError as error:
            if not _is_sharing_violation(error) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 0.25)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut; file systems that cannot do it are left as they are."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def atomic_file(
    path: Path, *, durable: bool = True, ready: Callable[[Path], None] = lambda _: None
) -> Iterator[IO[bytes]]:
    """A binary file that appears under ``path`` when the block ends, and not at all when the block fails.

    ``durable`` waits until data and rename are on the disk. ``ready`` is called with the whole file under its temporary name, just
    before it gets ``path``; what it raises keeps the old file. Raises ``disk-full`` or ``unwritable-folder``; an
    ``OSError`` that the caller's own block raises counts as met while writing.
    """
    temporary = temporary_name(path)
    try:
        try:
            with temporary.open("wb") as handle:
                yield handle
                handle.flush()
                if durable:
                    os.fsync(handle.fileno())
            ready(temporary)
            replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise_write_error(error, path)
    if durable:
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents if need be. Raises ``disk-full`` or ``unwritable-folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_write_error(error, folder, "create the folder")


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to ``path`` as a whole or not at all (see :func:`atomic_file` for the errors)."""
    with atomic_file(path, durable=durable) as handle:
        handle.write(data)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that a killed process left in ``folder``; a running process may own the youngest of them."""
    try:
        return sorted(p for p in folder.iterdir() if _LEFTOVER.match(p.name))
    except OSError:
        return []


def remove_leftovers(folder: Path, *, min_age: float = 600.0) -> list[Path]:
    """Delete leftovers not touched for ``min_age`` seconds, so that a file being written now is never hit."""
    removed = []
    for path in leftovers(folder):
        with contextlib.suppress(OSError):
            if min_age <= 0 or time.time() - path.stat().st_mtime >= min_age:  # a clock may have gone back
                path.unlink()
                removed.append(path)
    return removed


def sha256_file(path: Path, look: Callable[[], object] = lambda: None) -> str:
    """Hex SHA-256 of a file's bytes, read in 1 MiB pieces; ``look`` is called for each, and what it raises ends the reading.

    Raises ``missing-file`` or ``unreadable-file``.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while piece := handle.read(1 << 20):
                look()
                digest.update(piece)
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"There is no file {shown(path)}.") from error
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error
    return digest.hexdigest()


_model_hashes: dict[tuple[str, int, int], str] = {}


def short_model_hash(path: Path) -> str:
    """A1111's "Model hash" of a checkpoint: the first 10 hex digits of its SHA-256.

    A checkpoint has gigabytes, so the answer is kept for the process as long as the file's size and time do not change.
    """
    try:
        stat = path.stat()
    except OSError:
        return sha256_file(path)[:10]  # raises the fitting error
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    found = _model_hashes.get(key)
    if found is None:
        found = _model_hashes[key] = sha256_file(path)[:10]
    return found
