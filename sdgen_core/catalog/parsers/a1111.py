"""A1111's ``parameters`` text, which its forks, this project and many savers for ComfyUI write as well."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from ...errors import SDGenError
from ...sessions.parameters_text import parse_parameters_text
from ...sessions.prompt_text import parse_prompt_text
from .facts import (
    ImageFacts,
    as_int,
    as_number,
    as_pixels,
    as_steps,
    file_title,
    guided,
    json_map,
    sampler_names,
    short_hash,
)

_TAG = re.compile(r"<(?:lora|lyco):[^<>]{1,300}>")
_MAX_TEXT = 1 << 20
#: The longest line that may hold the pairs: looking for their keys takes time by its square.
_MAX_LINE = 1 << 14
_MAX_LORAS = 100


def parse_a1111(chunks: Mapping[str, str]) -> ImageFacts | None:
    """The facts of a ``parameters`` text; without one, of a comment if it has that form. None when there is neither."""
    text = chunks.get("parameters")
    certain = text is not None
    if text is None:
        text = chunks.get("comment") or chunks.get("Comment")
    if not text or len(text) > _MAX_TEXT or json_map(text) or _endless(text):
        return None
    found = parse_parameters_text(text)
    pairs = found["pairs"]
    if not certain and not pairs:
        return None
    sampler, scheduler = sampler_names(found["sampler"], found["scheduler"])
    return ImageFacts(
        source="a1111",
        prompt=found["prompt"],
        negative=found["negative_prompt"],
        seed=as_int(found["seed"]),
        steps=as_steps(found["steps"]),
        sampler=sampler,
        scheduler=scheduler,
        cfg=guided(as_number(found["cfg"]), as_number(pairs.get("Distilled CFG Scale"))),
        denoise=as_number(found["denoise"]),
        width=as_pixels(found["width"]),
        height=as_pixels(found["height"]),
        model=file_title(found["model"]),
        model_hash=short_hash(found["model_hash"]),
        vae=file_title(pairs.get("VAE")),
        loras=_loras(found["prompt"], pairs.get("Lora hashes", "")),
        clip_skip=as_int(found["clip_skip"], 1, 1000),
    )


def _endless(text: str) -> bool:
    lines = text.strip().splitlines()
    return any(len(line) > _MAX_LINE for line in lines if line is lines[-1] or line.startswith("Steps:"))


def _loras(prompt: str, hashes: str) -> tuple[tuple[str, float | None], ...]:
    """The LoRAs of the prompt's tags, and those that only the list of hashes has, whose strength is not said."""
    found: dict[str, float | None] = dict(tag_loras(prompt))
    for pair in hashes.split(","):
        name = file_title(pair.partition(":")[0].strip())
        if name and len(found) < _MAX_LORAS:
            found.setdefault(name, None)
    return tuple(found.items())


def tag_loras(prompt: str) -> list[tuple[str, float]]:
    """(name, strength of the diffusion model) of each ``<lora:…>`` tag that does anything."""
    out: list[tuple[str, float]] = []
    for tag in _TAG.findall(prompt)[:_MAX_LORAS]:
        with contextlib.suppress(SDGenError):  # one that A1111 could not read either
            for lora in parse_prompt_text(tag.replace("<lyco:", "<lora:")).loras:
                name, strength = file_title(lora.name), as_number(lora.model)
                if name and strength:
                    out.append((name, strength))
    return out
