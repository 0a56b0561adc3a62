"""What an image that does not show a value looks like instead: another value of the same placeholder.

It comes from what is kept of a session, and needs neither the model nor an image: the embeddings of its images and of the texts that
they were compared with.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError
from ..sessions.naming import safe_name
from .embedding.files import EmbeddingStore
from .embedding.texts import TEXTS, keys_of
from .estimates.levels import estimate
from .estimates.values import Described, describe
from .material import read
from .texts.wording import Wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..catalog.catalog import Catalog

    Vectors = NDArray[np.float32]

#: The temperature of most models, where a report of before does not say it.
USUAL_SCALE = 100.0
#: Where the width of its vectors stands in a file of embeddings (see ``embedding.files``).
_WIDTH = struct.Struct("<I")
_WIDTH_AT = 12


class _Unknown(Exception):
    """A text that the model was never asked about: the words of a value have changed."""


def looks_like(
    catalog: Catalog, folder: Path, identity: str, slug: str, scale: float, wording: Wording | None = None
) -> dict[int, dict[str, str]]:
    """Image -> placeholder -> key of the value that it looks most like, where it was asked for another one.

    ``folder`` with embeddings, ``identity`` of the model, ``scale``: its temperature. Nothing where nothing is kept, or values have
    other words now. Raises ``unknown-session``, and what the files of embeddings raise.
    """
    material, store = read(catalog, slug), EmbeddingStore(folder)
    width = _width(folder / identity / f"{safe_name(slug)}.emb")
    if not width:
        return {}
    words = store.file(identity, width, TEXTS)

    def encode(texts: Sequence[str]) -> Vectors:
        vectors, known = words.vectors(keys_of(texts))
        if not known.all():
            raise _Unknown
        return vectors

    vectors, there = store.file(identity, width, slug).vectors([bytes.fromhex(key) for key in material.keys])
    out: dict[int, dict[str, str]] = {}
    for each in material.placeholders:
        try:
            [described] = describe([each], encode, wording)
        except _Unknown:
            continue
        for row, key in _nearest(vectors, there, described, scale).items():
            out.setdefault(material.ids[row], {})[each.name] = key
    return out


def _nearest(vectors: Vectors, there: NDArray[np.bool_], of: Described, scale: float) -> Mapping[int, str]:
    """Row of an image -> the value it looks most like, where that is not the one it was asked for.

    A text that stands high by itself would be what all images look like: that is taken away as for the scores.
    """
    import numpy as np

    keys = list(of.values.texts)
    real = [n for n, key in enumerate(keys) if of.words.values[key].phrases]
    rows = np.flatnonzero(there & np.isin(of.values.asked, real))
    if len(real) < 2 or not len(rows):
        return {}
    texts = of.vectors[real].astype(np.float64)
    asked = np.searchsorted(real, of.values.asked[rows])
    similarities = vectors[rows].astype(np.float64) @ texts.T
    levels = estimate(similarities, asked, scale, near=texts @ texts.T)
    nearest = levels.corrected(similarities).argmax(1)
    return {
        int(row): keys[real[best]]
        for row, best, own in zip(rows, nearest.tolist(), asked.tolist(), strict=True)
        if best != own
    }


def _width(path: Path) -> int:
    """Numbers in a vector of this file; 0 where there is none."""
    try:
        with path.open("rb") as file:
            header = file.read(_WIDTH_AT + _WIDTH.size)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise SDGenError("unreadable-file", f"{path.name}: {error.strerror or error}") from error
    return int(_WIDTH.unpack_from(header, _WIDTH_AT)[0]) if len(header) == _WIDTH_AT + _WIDTH.size else 0
