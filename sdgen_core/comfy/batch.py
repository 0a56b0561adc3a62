"""What the internal batch nodes do: encodings joined to one batch, a latent for each item, noise from each item's own seed.

Everything else is ComfyUI's. What cannot be put together raises ``not-batchable``; the feeder then has the items made one by one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ..errors import SDGenError
from . import host
from .encode import Conditioning

#: Values of a conditioning with one row for each image, by ComfyUI's names; all others must be equal.
_ROWS = frozenset({"pooled_output", "attention_mask", "conditioning_llama3"})

#: Marks a conditioning whose shorter texts were repeated to a common length.
_REPEATED = "sdgen_repeated"

#: Repeated texts cost attention; ComfyUI itself stops at the same factor.
_MOST_REPEATED = 4


def listed(text: str) -> list[Any]:
    """A list that came as JSON, since a list in a prompt would be a link."""
    values = json.loads(text)
    assert isinstance(values, list)
    return values


def joined(encoded: Sequence[Conditioning], *, same_length: bool = False) -> Conditioning:
    """The conditioning of a batch, row ``n`` that of item ``n``; one for all when they are the same.

    Texts of different lengths are repeated to their least common multiple, as ComfyUI does when it joins positive and negative:
    attention over a text that stands there twice gives what it gives over the text. That holds for cross-attention only, so with
    ``same_length`` such texts raise ``not-batchable``, and ``checked`` looks at the model.
    """
    first = encoded[0]
    if all(conditioning is first for conditioning in encoded):
        return first
    if any(len(conditioning) != len(first) for conditioning in encoded):
        raise SDGenError("not-batchable", "the prompts have different numbers of parts")
    return [_entry([conditioning[n] for conditioning in encoded], same_length) for n in range(len(first))]


def _entry(entries: Sequence[list[Any]], same_length: bool) -> list[Any]:
    lengths = [entry[0].shape[1] for entry in entries]
    common = math.lcm(*lengths)
    if common != min(lengths) and (same_length or common > _MOST_REPEATED * min(lengths)):
        raise SDGenError(
            "not-batchable", f"the prompts have different lengths: {min(lengths)} to {max(lengths)} tokens"
        )
    tokens = host.stacked(
        [entry[0].repeat(1, common // length, 1) for entry, length in zip(entries, lengths, strict=True)]
    )
    values: dict[str, Any] = {}
    names = entries[0][1].keys()
    if any(entry[1].keys() != names for entry in entries):
        raise SDGenError("not-batchable", "the prompts' encodings hold different things")
    for name in names:
        every = [entry[1][name] for entry in entries]
        if name == "attention_mask" and every[0] is not None:
            every = [mask.repeat(1, common // length) for mask, length in zip(every, lengths, strict=True)]
        if name in _ROWS and every[0] is not None:
            values[name] = host.stacked(every)
        elif all(_same(value, every[0]) for value in every):
            values[name] = every[0]
        else:
            raise SDGenError("not-batchable", f"the prompts' encodings have a {name} each")
    if common != min(lengths):
        values[_REPEATED] = True
    return [tokens, values]


def _same(one: Any, other: Any) -> bool:
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return host.equal(one, other)
    return bool(one == other)


def checked(model: Any, conditioning: Conditioning) -> None:
    """Raise ``not-batchable`` for texts of different lengths with a model that they change."""
    if any(values.get(_REPEATED) for _, values in conditioning) and not host.has_cross_attention(model):
        raise SDGenError(
            "not-batchable", "the prompts have different lengths, and this model takes only equal ones together"
        )


def latent_of_each(latent: dict[str, Any], count: int, of_batch: bool) -> dict[str, Any]:
    """A latent for each of ``count`` items: the one there is, ``count`` times, or as it is when it came from a batch.

    Raises ``not-batchable`` when there are more or fewer: several images of one item cannot be told from those of the next.
    """
    samples = latent["samples"]
    wanted = count if of_batch else 1
    if getattr(samples, "is_nested", False) or samples.shape[0] != wanted:
        raise SDGenError("not-batchable", f"the latent has {len(samples)} images where {wanted} would be right")
    if of_batch:
        return latent
    # A mask of one image is spread over the batch by ComfyUI; the numbers of `batch_index` are those of the single latent.
    return {**latent, "samples": samples.repeat(count, *[1] * (samples.ndim - 1))}


class NoiseOfEach:
    """Noise whose row ``n`` is what ComfyUI draws for a prompt of item ``n`` alone. As ComfyUI's NOISE it has ``seed`` and
    ``generate_noise``; ``of_batch`` as for ``latent_of_each``.
    """

    def __init__(self, seeds: Sequence[int], of_batch: bool) -> None:
        self.seed = seeds[0]
        self._seeds = seeds
        self._of_batch = of_batch

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        """Noise for a latent that is one for all, or one for each."""
        each = latent_of_each(latent, len(self._seeds), self._of_batch)
        return self.rows(each["samples"], latent.get("batch_index"))

    def rows(self, samples: Any, batch_index: Sequence[int] | None) -> Any:
        """Noise for ``samples`` [items, …]. ``batch_index`` is ComfyUI's: which draw of its seed an image's noise is."""
        rows = []
        for n, seed in enumerate(self._seeds):
            own = None if batch_index is None else [batch_index[n if len(batch_index) == len(self._seeds) else 0]]
            rows.append(host.noise(samples[n : n + 1], seed, own))
        return host.stacked(rows)
