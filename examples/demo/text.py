"""What the demo checkpoint's text encoder says of a prompt, without running it.

The encoder adds a token's embedding to its position's and does nothing else (see `build.py`), and positions from 16
on are zero, so all padding after the 16th token is one and the same vector. A prompt is therefore 17 rows: the first
16 tokens, and one row that stands for the 61 others. Attention over the 77 rows equals attention over the 17 with ln
61 added to the last one's score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import build

ROWS = build.USED_POSITIONS + 1
PADDING_BIAS = math.log(build.POSITIONS - build.USED_POSITIONS)

Ids = npt.NDArray[np.int64]


class Prompts:
    """Tokenizes prompts with ComfyUI's CLIP-L tokenizer and knows the vectors of the tokens it has met."""

    def __init__(self) -> None:
        from comfy.sd1_clip import SDTokenizer  # type: ignore[import-not-found,unused-ignore]

        self._tokenizer = SDTokenizer()
        self._row_of_token: dict[int, int] = {}
        self._cache: dict[str, list[int]] = {}
        self._tokens, self._positions = build.clip_tables()

    def rows(self, prompts: Iterable[str]) -> Ids:
        """[N, ROWS] indexes into `table`, for prompts of up to 14 tokens. Raises ValueError for longer ones."""
        out = []
        for prompt in prompts:
            if prompt not in self._cache:
                tokens = [int(token) for token, _ in self._tokenizer.tokenize_with_weights(prompt)[0]]
                if len(set(tokens[build.USED_POSITIONS :])) != 1:
                    raise ValueError(f"longer than {build.USED_POSITIONS - 2} tokens: {prompt!r}")
                row = self._row_of_token
                self._cache[prompt] = [row.setdefault(token, len(row)) for token in tokens[:ROWS]]
            out.append(self._cache[prompt])
        return np.array(out, np.int64)

    def table(self) -> Tensor:
        """[met tokens, 768] float32."""
        return torch.from_numpy(self._tokens[list(self._row_of_token)].astype(np.float32))

    def positions(self) -> Tensor:
        """[ROWS, 768] float32."""
        return torch.from_numpy(self._positions[:ROWS].astype(np.float32))
