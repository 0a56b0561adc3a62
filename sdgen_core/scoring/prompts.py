"""Images held against their whole prompts. Each prompt is a text for the model, and there are as many as images: where that takes long it
is done only when somebody wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .embedding.texts import TextVectors
from .estimates.values import prompt_scores
from .settings import PromptScores
from .texts.wording import cleaned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prompts:
    """``scores``: (n,), see ``values.prompt_scores``; NaN where there is no prompt, or it was not read. Of ``distinct`` prompts ``read``
    were, now or before; reading the others would take about ``seconds``, None when that is not known."""

    scores: Floats
    distinct: int
    read: int
    seconds: float | None

    @property
    def mean(self) -> float | None:
        """Of the images whose prompt was read."""
        known = self.scores[self.scores == self.scores]
        return float(known.mean()) if len(known) else None

    def summary(self) -> dict[str, Any]:
        """All but the column, for JSON."""
        return {"distinct": self.distinct, "read": self.read, "seconds": self.seconds}


def hold(images: Vectors, prompts: Sequence[str], texts: TextVectors, wanted: PromptScores, seconds: float) -> Prompts:
    """Scores of n images, (n, width) of length 1, with a prompt each. ``seconds``: the longest that "auto" takes.

    Prompts that were read before are always used: that costs nothing. Raises ``Cancelled``.
    """
    import numpy as np

    words = [cleaned(prompt) for prompt in prompts]
    distinct = list(dict.fromkeys(text for text in words if text))
    if wanted != "off":
        texts.read(distinct, None if wanted == "on" else seconds)
    vectors, known = texts.known(distinct)
    row = {text: n for n, text in enumerate(distinct) if known[n]}
    some = [n for n, text in enumerate(words) if text in row]
    scores = np.full(len(words), np.nan)
    scores[some] = prompt_scores(images[some], vectors[[row[words[n]] for n in some]])
    left, rate = len(distinct) - len(row), texts.seconds_a_text
    return Prompts(scores, len(distinct), len(row), left * rate if left and rate else None)
