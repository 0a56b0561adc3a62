"""From image files to stored embeddings: threads decode while the model works on the batch before.

A single thread would gain nothing where the model has the processor's cores, and cost: its threads wait for each other without sleeping,
and one that the decoder keeps from its core holds up all. Then the caller's thread decodes too, between two batches.

Nobody waits for a certain image: what is decoded first is in the next batch. Each batch is added to the file of embeddings before the
next one is begun, so that whatever ends the work costs a batch at most, and who begins again goes on where it ended.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ...errors import SDGenError, shown
from .decoding import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..backends.interface import Backend
    from .files import EmbeddingFile

    Floats = NDArray[np.float32]
    # key, name, and what the model is to see, or why there is nothing
    _Prepared = tuple[bytes, str, Floats | SDGenError]

BATCH = 32
#: Batches that are prepared while the model works on another: of 32 images with 224 pixels they take 40 MB.
_AHEAD = 2
#: Threads that decode; more of them wait for each other.
_MOST_THREADS = 16
#: Seconds between two looks whether it is to end, while nothing is decoded.
_LOOK = 0.1
#: Batches that the speed is taken from.
_RECENT = 20
#: What a back-end raises when the vector of any image of a batch has numbers that are not finite.
_NOT_FINITE = "scorer-not-finite"


@dataclass(frozen=True)
class Failure:
    """An image without an embedding, and why. ``name``: its path."""

    key: bytes
    name: str
    error: SDGenError


@dataclass
class Report:
    """What became of ``images`` different images: ``known`` had an embedding, ``made`` have one now; the rest is in ``failures``, or was
    not reached because it was ``cancelled``. Times in seconds: in all, of the model, and until ComfyUI had ended.
    """

    images: int = 0
    known: int = 0
    made: int = 0
    failures: list[Failure] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0
    model_seconds: float = 0.0
    waited: float = 0.0


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` images, ``failed`` among them. ``per_second`` of late, the waiting not counted; ``left``: seconds."""

    done: int
    total: int
    failed: int
    per_second: float
    left: float | None


def embed(
    images: Iterable[tuple[bytes, Path]],
    backend: Backend,
    store_file: EmbeddingFile,
    *,
    batch: int = BATCH,
    threads: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
    wait: Callable[[], None] = lambda: None,
) -> Report:
    """Embed the images of files, by key, that have no embedding yet.

    ``threads`` decode, as many as there are cores if it is not said; with one, nothing is done beside the model's work. ``wait`` is
    called before each batch and comes back when the model may work (ComfyUI renders nothing); ``cancelled`` is asked at least as often.
    An image that cannot be embedded is among the failures of the report. Raises what the model and the file of embeddings raise; batches
    before that are stored.
    """
    work = _Work(backend, store_file)
    return work.run(images, batch, threads, cancelled, progress, wait)


class _Work:
    """One call of ``embed``: threads that prepare items, and the caller's own, which encodes and stores them."""

    def __init__(self, backend: Backend, store: EmbeddingFile) -> None:
        self._backend, self._store = backend, store
        self._report = Report()
        self._todo: deque[tuple[bytes, Path]] = deque()
        self._ready: SimpleQueue[_Prepared] = SimpleQueue()
        self._stopping = False
        self._alone = False

    def run(
        self,
        items: Iterable[tuple[bytes, Path]],
        batch: int,
        threads: int | None,
        cancelled: Callable[[], bool],
        progress: Callable[[Progress], None],
        wait: Callable[[], None],
    ) -> Report:
        begun = time.monotonic()
        self._list(items)
        left = len(self._todo)
        self._room = threading.Semaphore(_AHEAD * batch)
        count = min(threads or _cores(), left)
        self._alone = count == 1
        count -= self._alone
        workers = [threading.Thread(target=self._prepare, name="sdgen-decode", daemon=True) for _ in range(count)]
        recent = deque([(0.0, left)], _RECENT)
        try:
            for worker in workers:
                worker.start()
            progress(self._progress(recent))
            while left:
                taken = self._take(min(batch, left), cancelled)
                if taken is None:
                    self._report.cancelled = True
                    break
                self._wait(wait)
                self._encode(taken)
                left -= len(taken)
                recent.append((time.monotonic() - begun - self._report.waited, left))
                progress(self._progress(recent))
        finally:
            self._stopping = True
            self._room.release(count + 1)
            for worker in workers:
                worker.join()
        if self._report.made:
            self._store.sync()
        self._report.seconds = time.monotonic() - begun
        return self._report

    def _list(self, items: Iterable[tuple[bytes, Path]]) -> None:
        wanted, known = dict(items), self._store.keys()
        self._todo.extend((key, item) for key, item in wanted.items() if key not in known)
        self._report.images = len(wanted)
        self._report.known = len(wanted) - len(self._todo)

    def _prepare(self) -> None:
        """In a thread: prepare one item after the other, as long as there is room."""
        while True:
            self._room.acquire()
            try:
                if self._stopping:
                    return
                key, item = self._todo.popleft()
            except IndexError:
                return
            self._ready.put(self._prepared(key, item))

    def _prepared(self, key: bytes, path: Path) -> _Prepared:
        name = shown(path)
        try:
            return key, name, self._backend.prepare(decode(path))
        except SDGenError as error:
            return key, name, error
        except Exception as error:  # whatever an image does to a decoder, the others go on
            message = f"{name} cannot be prepared: {type(error).__name__}: {error}"
            return key, name, SDGenError("broken-image", message)

    def _take(self, most: int, cancelled: Callable[[], bool]) -> list[_Prepared] | None:
        """The next ``most`` items, in the order in which they were prepared; None when the work is to end."""
        out: list[_Prepared] = []
        if cancelled():
            return None
        while len(out) < most:
            if self._alone:
                out.append(self._prepared(*self._todo.popleft()))
                continue
            try:
                out.append(self._ready.get(timeout=_LOOK))
                self._room.release()
            except Empty:
                if cancelled():
                    return None
        return out

    def _wait(self, wait: Callable[[], None]) -> None:
        begun = time.monotonic()
        wait()
        self._report.waited += time.monotonic() - begun

    def _encode(self, taken: Sequence[_Prepared]) -> None:
        """Embed and store a batch; failures are noted."""
        report = self._report
        good = []
        for key, name, out in taken:
            if isinstance(out, SDGenError):
                report.failures.append(Failure(key, name, out))
            else:
                good.append((key, name, out))
        if not good:
            return
        begun = time.monotonic()
        vectors = self._vectors(good)
        report.model_seconds += time.monotonic() - begun
        self._store.append(*vectors)
        report.made += len(vectors[0])

    def _vectors(self, good: Sequence[tuple[bytes, str, Floats]]) -> tuple[list[bytes], Floats]:
        """Keys and vectors of a batch, without images that the model gives no numbers for (in half precision some are too much)."""
        import numpy as np

        pixels = np.stack([out for _, _, out in good])
        try:
            return [key for key, _, _ in good], self._backend.encode_images(pixels)
        except SDGenError as error:
            if error.code != _NOT_FINITE:
                raise
            first = error
        keys, rows = [], [np.empty((0, self._backend.width), np.float32)]
        for n, (key, name, _) in enumerate(good):
            try:
                rows.append(self._backend.encode_images(pixels[n : n + 1]))
                keys.append(key)
            except SDGenError as error:
                if error.code != _NOT_FINITE:
                    raise
                self._report.failures.append(Failure(key, name, error))
        if not keys and not self._report.made:  # so far it had none for any image: that is not the images' fault
            raise first
        return keys, np.concatenate(rows)

    def _progress(self, recent: Sequence[tuple[float, int]]) -> Progress:
        report = self._report
        (begun, most), (now, left) = recent[0], recent[-1]
        speed = (most - left) / (now - begun) if now > begun else 0.0
        return Progress(
            done=report.images - left,
            total=report.images,
            failed=len(report.failures),
            per_second=speed,
            left=left / speed if speed else None,
        )


def _cores() -> int:
    """Cores that this process may use, up to what decoding is made faster by."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST_THREADS)
