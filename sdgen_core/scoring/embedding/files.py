"""What a model saw in images, kept: one file for each model and session, so that asking for other texts needs no image.

A file is a header of 64 bytes and records of one size, all little-endian:

* header: ``SDGenEmb``, u16 version, u16 nought, u32 width, the model's identity (16 characters), 8 random bytes that tell this file
  from one that took its place, noughts, u32 CRC-32 of the 60 bytes before;
* record: the image's key (16 bytes), ``width`` × float16, a vector of length 1. Of several records of a key the last one counts.

A batch is one write, under a lock of its folder that all programs share, always at the end of the last whole record: what a killed
program left of a record is written over, and never moves what comes behind it. The system is asked to put a file on the disk at the
end of the work (``sync``), not at each batch: a program that is killed loses nothing that was written, and noughts that a power cut
leaves behind have not the length 1. Such records do not count, and their images are simply embedded again. A file that begins with
noughts is an empty one, and one with another damage is put aside by the ``EmbeddingStore``: all is made again from images and texts.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, shown
from ...sessions.files import make_folder, raise_write_error
from ...sessions.naming import safe_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

log = logging.getLogger("sdgen")

#: Bytes of an image's key: ``bytes.fromhex(image.thumb)`` of index.db, which changes with the file and survives moving it.
KEY_BYTES = 16
_MAGIC, _VERSION = b"SDGenEmb", 1
_HEADER = struct.Struct("<8sHHI16s8s20xI")
_IDENTITY = re.compile(r"[0-9a-f]{16}")
#: How far the square of a vector's length may be from 1. Rounding to float16 changes it by less than a thousandth.
_OFF = 0.02
#: Records worked on at once: some MB.
_BLOCK = 4096
#: Seconds to wait for another program that writes.
_PATIENCE = 60.0
_TAKEN = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
#: What a damaged file is called from then on, behind its own name.
ASIDE = ".damaged"


class _Damaged(SDGenError):
    """``bad-embeddings`` of a file that nobody can use: nothing is lost with it that is not made again."""


class EmbeddingFile:
    """The embeddings of a session's images by one model. Any thread may use it, and other programs beside this one.

    ``identity``: 16 hex digits, the model's; ``width``: numbers in a vector. A file that is not there is an empty one. Reading raises
    ``bad-embeddings`` (not such a file, of a newer version, of another model, or with a damaged header: it is never written to) and
    ``unreadable-file``; writing also ``disk-full``, ``unwritable-folder`` and ``embeddings-locked``.
    """

    def __init__(self, path: Path, identity: str, width: int) -> None:
        if not _IDENTITY.fullmatch(identity) or width < 1:
            raise ValueError(f"{identity!r} with a width of {width} is no model's identity")
        self.path, self.identity, self.width = path, identity, width
        self._record_bytes = KEY_BYTES + 2 * width
        self._mutex = threading.Lock()
        self._rows: dict[bytes, int] = {}  # which record of a key counts
        self._seen, self._nonce = 0, b""  # so many records of the file with this nonce are in _rows

    def keys(self) -> set[bytes]:
        """The keys of all images with an embedding."""
        with self._mutex, self._records():
            return set(self._rows)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever something was added; of a file that is not there it is noughts."""
        try:
            stat = self.path.stat()
        except OSError:
            return 0, 0
        return stat.st_size, stat.st_mtime_ns

    def vectors(self, keys: Sequence[bytes]) -> tuple[Floats, Mask]:
        """The vectors of n images, float32 (n, width), and which of them there are, (n,); the rows of the others are noughts."""
        import numpy as np

        with self._mutex, self._records() as records:
            rows, found = self._find(keys)
            out = np.zeros((len(keys), self.width), np.float32)
            out[found] = records["vector"][rows[found]]
        return out, found

    def similarities(self, keys: Sequence[bytes], texts: Floats) -> tuple[Floats, Mask]:
        """Cosines of n images with m texts, float32 (n, m), and which of the images there are, (n,); the rows of the others are noughts.

        ``texts``: (m, width), vectors of length 1. Reads a few thousand records at a time.
        """
        import numpy as np

        turned = np.ascontiguousarray(texts.T, dtype=np.float32)
        with self._mutex, self._records() as records:
            rows, found = self._find(keys)
            out = np.zeros((len(keys), len(texts)), np.float32)
            places = np.flatnonzero(found)
            for begin in range(0, len(places), _BLOCK):
                block = places[begin : begin + _BLOCK]
                out[block] = records["vector"][rows[block]].astype(np.float32) @ turned
        return out, found

    def append(self, keys: Sequence[bytes], vectors: NDArray[np.floating[Any]]) -> None:
        """Add a batch: n keys and their vectors, (n, width), which are brought to length 1.

        Raises ``ValueError`` for other shapes, and for vectors with numbers that are not finite or with nothing but noughts.
        """
        data = self._packed(keys, vectors)
        if not data:
            return
        make_folder(self.path.parent)
        with _exclusive(self.path.parent):
            try:
                self._write(data)
            except OSError as error:
                raise_write_error(error, self.path)

    def sync(self) -> None:
        """Wait until all that was added is on the disk."""
        with contextlib.suppress(FileNotFoundError):
            try:
                handle = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise_write_error(error, self.path)

    # ---- reading ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _records(self) -> Iterator[NDArray[np.void]]:
        """All whole records as they are in the file, mapped; ``_rows`` is up to date with them."""
        import numpy as np

        form = np.dtype([("key", f"V{KEY_BYTES}"), ("vector", "<f2", (self.width,))])
        records: NDArray[np.void] = np.empty(0, form)
        nonce = b""
        try:
            with self.path.open("rb") as file:
                nonce = self._checked(file.read(_HEADER.size))
                whole = max(0, os.fstat(file.fileno()).st_size - _HEADER.size) // self._record_bytes
                if whole and nonce:
                    records = np.memmap(file, form, "r", _HEADER.size, (whole,))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unreadable(error) from error
        if nonce != self._nonce or len(records) < self._seen:
            self._rows, self._seen, self._nonce = {}, 0, nonce
        while self._seen < len(records):
            self._index(records[self._seen : self._seen + _BLOCK])
        yield records

    def _index(self, records: NDArray[np.void]) -> None:
        import numpy as np

        vectors = records["vector"].astype(np.float32)
        good = np.abs(np.einsum("ij,ij->i", vectors, vectors) - 1) < _OFF  # false for NaN
        keys = records["key"].tobytes()
        for n in np.flatnonzero(good).tolist():
            self._rows[keys[n * KEY_BYTES : (n + 1) * KEY_BYTES]] = self._seen + n
        self._seen += len(records)

    def _find(self, keys: Sequence[bytes]) -> tuple[NDArray[np.int64], Mask]:
        import numpy as np

        rows = np.fromiter((self._rows.get(key, -1) for key in keys), np.int64, len(keys))
        return rows, rows >= 0

    def _checked(self, header: bytes) -> bytes:
        """The nonce of a header; none for one that its writer, or the system before a power cut, had not finished. Raises
        ``bad-embeddings``."""
        if not header.strip(b"\0"):
            return b""
        if not header.startswith(_MAGIC[: len(header)]):
            self._refuse("it is no file of embeddings", _Damaged)
        if len(header) < _HEADER.size:
            return b""
        _, version, _, width, identity, nonce, crc = _HEADER.unpack(header)
        if crc != zlib.crc32(header[:-4]):
            self._refuse("its beginning is damaged", _Damaged)
        if version > _VERSION:
            self._refuse("a newer version of SDGen has written it")
        if (identity.decode("ascii"), width) != (self.identity, self.width):
            self._refuse("it is another model's")
        return bytes(nonce)

    def _refuse(self, why: str, kind: type[SDGenError] = SDGenError) -> None:
        raise kind("bad-embeddings", f"Cannot use {shown(self.path)}: {why}.")

    def put_aside(self) -> bool:
        """Give the file another name (``ASIDE``) where it is damaged, so that a new one is begun; whether it was.

        Raises what reading and writing raise, but for the damage itself.
        """
        try:
            self._check()
            return False
        except _Damaged:
            pass
        with _exclusive(self.path.parent):
            try:
                self._check()  # another program may have been quicker
                return False
            except _Damaged as error:
                aside = self.path.with_name(self.path.name + ASIDE)
                try:
                    self.path.replace(aside)
                except OSError as failed:
                    raise_write_error(failed, self.path)
                log.warning("SDGen: %s It is called %s now, and what was in it is made again.", error, aside.name)
        return True

    def _check(self) -> None:
        try:
            with self.path.open("rb") as file:
                self._checked(file.read(_HEADER.size))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> SDGenError:
        return SDGenError("unreadable-file", f"Cannot read {shown(self.path)}: {error.strerror or error}.")

    # ---- writing ---------------------------------------------------------------------------------------------------------

    def _header(self) -> bytes:
        given = (_MAGIC, _VERSION, 0, self.width, self.identity.encode("ascii"), os.urandom(8))
        return _HEADER.pack(*given, zlib.crc32(_HEADER.pack(*given, 0)[:-4]))

    def _packed(self, keys: Sequence[bytes], vectors: NDArray[np.floating[Any]]) -> bytes:
        import numpy as np

        if vectors.shape != (len(keys), self.width) or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"{len(keys)} keys of {KEY_BYTES} bytes need as many vectors of {self.width} numbers")
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ValueError("a vector has numbers that are not finite, or no direction")
        out = np.empty((len(keys), self._record_bytes), np.uint8)
        out[:, :KEY_BYTES] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
        out[:, KEY_BYTES:] = (vectors / lengths).astype("<f2").view(np.uint8)
        return out.tobytes()

    def _write(self, data: bytes) -> None:
        """Add whole records; the lock is held."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            place = 0
            if self._checked(os.read(handle, _HEADER.size)):
                size = os.fstat(handle).st_size - _HEADER.size
                place = _HEADER.size + size // self._record_bytes * self._record_bytes
            else:
                data = self._header() + data
            os.lseek(handle, place, os.SEEK_SET)
            written = 0
            while written < len(data):  # a full disk takes a piece, then refuses
                written += os.write(handle, data[written:])
        finally:
            os.close(handle)


class EmbeddingStore:
    """A folder of embeddings: ``IDENTITY/SESSION.emb``. It can be deleted at any time: all is made again from the images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, identity: str, width: int, session: str) -> EmbeddingFile:
        """The embeddings of a session, by its slug; empty as long as nothing was added, and when it was damaged: then it is put aside,
        with a word in the log. Raises what ``EmbeddingFile.put_aside`` raises."""
        file = EmbeddingFile(self.folder / identity / f"{safe_name(session)}.emb", identity, width)
        file.put_aside()
        return file


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Keeps all other threads and programs from writing to the files of ``folder``; the system ends it when a program dies.

    Where the file system has no locks, nothing is kept away: then of two programs that write at once one may lose a batch, which is
    embedded again.
    """
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise_write_error(error, folder / ".lock")
    try:
        deadline, pause = time.monotonic() + _PATIENCE, 0.001
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise SDGenError("embeddings-locked", f"Another program writes to {shown(folder)} and does not end.")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        yield
    finally:
        os.close(handle)  # and with it the lock


def _try_lock(handle: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
