"""What a model read: the vectors of texts, kept beside those of images, so that each text goes through the model once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .files import KEY_BYTES, EmbeddingFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..backends.interface import Backend

    Vectors = NDArray[np.float32]
    Mask = NDArray[np.bool_]

#: Where the embeddings of texts are, among those of sessions.
TEXTS = "_texts"
#: Texts that go through the model between two looks whether it is to end: these at first, and so many where they take no time.
_TEXTS, _MOST_TEXTS = 32, 256
_NO_TIME = 0.1  # s


class Cancelled(Exception):
    """Somebody does not want to wait any longer."""


class TextVectors:
    """The texts of one model. ``wait`` is called before the model works and comes back when it may; it ends when ``cancelled`` says so,
    with ``Cancelled``: what was read until then is kept."""

    def __init__(
        self,
        file: EmbeddingFile,
        backend: Backend,
        cancelled: Callable[[], bool] = lambda: False,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._file, self._backend, self._cancelled, self._wait = file, backend, cancelled, wait
        self._last = 0.0

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """(m, width) of m texts; through the model go only those that it never read."""
        self.read(texts)
        return self._file.vectors(keys_of(texts))[0]

    def known(self, texts: Sequence[str]) -> tuple[Vectors, Mask]:
        """The vectors of m texts, (m, width), and which of them were read before, (m,); the rows of the others are noughts."""
        return self._file.vectors(keys_of(texts))

    @property
    def seconds_a_text(self) -> float | None:
        """How long the model took for a text of late; None when it has read none."""
        return self._last or None

    def read(self, texts: Sequence[str], seconds: float | None = None) -> None:
        """Have those read that never were. With ``seconds``: no more of them once it shows that all would take longer."""
        keys = keys_of(texts)
        there = self._file.vectors(keys)[1].tolist()
        todo = list({key: text for key, text, known in zip(keys, texts, there, strict=True) if not known}.items())
        at, size, spent = 0, _TEXTS, 0.0
        try:
            while at < len(todo):
                self._wait()
                if self._cancelled():
                    raise Cancelled
                some = todo[at : at + size]
                begun = time.monotonic()
                self._file.append([key for key, _ in some], self._backend.encode_texts([text for _, text in some]))
                took = time.monotonic() - begun
                # The first ones may have waited for a model that wakes: they tell how long the rest takes only when nothing else does.
                self._last = took / len(some)
                at, spent = at + len(some), spent + took
                if seconds is not None and at > _TEXTS and spent + self._last * (len(todo) - at) > seconds:
                    return
                if took < _NO_TIME:
                    size = min(2 * size, _MOST_TEXTS)
        finally:
            if at:
                self._file.sync()


def keys_of(texts: Sequence[str]) -> list[bytes]:
    """What texts are called in a file of embeddings."""
    return [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=KEY_BYTES).digest() for text in texts]
