"""What images of a benchmark show: all arms, without and with the LoRA, are held against the same texts at once.

A session scored by itself is judged by its own images (``scoring.estimates.levels``); of two sessions that would be two yardsticks. Here
one look goes over all images, so that only the images differ. What the model sees in an image is kept, and read once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError
from ...scoring.embedding.files import KEY_BYTES, EmbeddingStore
from ...scoring.embedding.pipeline import embed
from ...scoring.embedding.texts import TEXTS, TextVectors
from ...scoring.estimates.values import Values, describe, score
from ...scoring.material import unused
from ...scoring.texts.wording import Wording, not_shown
from ...templates.resolved import ResolvedTemplate
from .making import Shot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...scoring.backends.interface import Backend
    from ...scoring.estimates.calibration import Calibration

    Floats = NDArray[np.float64]
    Vectors = NDArray[np.float32]

#: The file of embeddings that all images of benchmarks are in.
_IMAGES = "benchmarks"


@dataclass(frozen=True, eq=False)
class Judged:
    """Images of one arm: ``success``: placeholder -> (n,) 1 or 0, NaN where nothing can be said; ``vectors`` (n, width), of length 1."""

    shots: Sequence[Shot]
    success: Mapping[str, Floats]
    vectors: Vectors


@dataclass(frozen=True, eq=False)
class Judge:
    """A scorer that judges. A value is there from the probability ``match`` on. ``calibrations``: what people's verdicts have taught of
    this scorer, by placeholder. ``folder``: where embeddings are kept."""

    backend: Backend
    folder: Path
    match: float = 0.5
    wording: Wording | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def identity(self) -> str:
        return self.backend.identity

    def __call__(
        self,
        arms: Mapping[str, Sequence[Shot]],
        texts: Mapping[str, Mapping[str, str]],
        template: ResolvedTemplate,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> dict[str, Judged]:
        """Judge the images of all arms. ``texts``: placeholder -> key -> text of the values there are.

        Raises ``broken-image`` and what the model and the store raise: a benchmark with holes is none.
        """
        import numpy as np

        shots = [shot for arm in arms.values() for shot in arm]
        keys = [bytes.fromhex(shot.key) if len(shot.key) == 2 * KEY_BYTES else _key_of(shot.file) for shot in shots]
        store = EmbeddingStore(self.folder)
        file = store.file(self.backend.identity, self.backend.width, _IMAGES)
        made = embed(
            list(zip(keys, (shot.file for shot in shots), strict=True)),
            self.backend,
            file,
            progress=lambda now: progress(now.done, now.total),
        )
        if made.failures:
            first = made.failures[0]
            raise SDGenError(first.error.code, f"a benchmark needs all of its images: {first.error}")
        vectors, _ = file.vectors(keys)
        asked = [
            Values.of(
                name,
                _known(known, [shot.values.get(name) for shot in shots]),
                [shot.values.get(name) for shot in shots],
                not_shown(name, template.prompt, template.negative),
            )
            for name, known in texts.items()
        ]
        words = TextVectors(store.file(self.backend.identity, self.backend.width, TEXTS), self.backend)
        described = describe(asked, words, self.wording)
        said = score(vectors, described, self.backend.scale, self.calibrations)
        success = {
            one.name: np.where(np.isfinite(one.probabilities), (one.probabilities >= self.match) * 1.0, np.nan)
            for one in said
        }
        out, at = {}, 0
        for arm, some in arms.items():
            rows = slice(at, at + len(some))
            out[arm] = Judged(some, {name: column[rows] for name, column in success.items()}, vectors[rows])
            at += len(some)
        return out


def _known(texts: Mapping[str, str], asked: Sequence[str | None]) -> dict[str, str]:
    """The values that images were asked for, and of the others as many as scoring looks for."""
    used = {key: texts.get(key, key) for key in dict.fromkeys(asked) if key is not None}
    return {**used, **unused(texts, used)}


def _key_of(file: Path) -> bytes:
    from ...sessions.files import sha256_file

    return bytes.fromhex(sha256_file(file)[: 2 * KEY_BYTES])
