"""What is known of how an image was made, in one vocabulary whatever program made it.

Samplers and schedulers have ComfyUI's names (what has none there keeps its own), models, VAEs and LoRAs A1111's: without folder
and ending, which is the only form that all programs give. ``clip_skip`` counts as A1111 does, 1 is the last layer. Where a model is
guided by a distilled guidance and CFG is off, ``cfg`` is that guidance.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from ...errors import SDGenError
from ...sessions.parameters_text import model_title
from ...sessions.samplers import SAMPLERS, SCHEDULERS, comfy_sampler, comfy_scheduler

#: The largest text that is read as JSON: a longer one is no graph but an attack, or a film.
_MAX_JSON = 16 << 20
_DECODER = json.JSONDecoder(parse_constant=lambda _: None, strict=False)
_HEX_HASH = re.compile(r"(?:sha256:)?([0-9a-fA-F]{8,64})")


@dataclass(frozen=True)
class ImageFacts:
    """How an image was made. None (an empty tuple, an empty map) is what nobody says; an empty text is said to be empty.

    ``source`` is the program whose record leads: sdgen, invokeai, comfyui, a1111, or empty when there is none. ``width`` and
    ``height`` are the size asked for in the first pass, in pixels: the file's own may be larger. Of several passes, all settings are
    the first one's. ``loras`` are (name, strength of the diffusion model or None), in the order applied. The fields from ``session``
    on are of SDGen's own images: ``keys`` and ``values`` by placeholder.
    """

    source: str = ""
    prompt: str | None = None
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    sampler: str | None = None
    scheduler: str | None = None
    cfg: float | None = None
    denoise: float | None = None
    width: int | None = None
    height: int | None = None
    model: str | None = None
    model_hash: str | None = None
    vae: str | None = None
    loras: tuple[tuple[str, float | None], ...] = ()
    clip_skip: int | None = None
    session: str | None = None
    session_name: str | None = None
    index: int | None = None
    batch_index: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def completed(self, other: ImageFacts) -> ImageFacts:
        """These facts, and ``other``'s where these say nothing."""
        missing = {}
        for name in _FIELDS:
            own = getattr(self, name)
            if own is None or own == ():
                missing[name] = getattr(other, name)
        return replace(self, **missing)


#: What :meth:`ImageFacts.completed` completes: all that any program may say.
_FIELDS = tuple(f.name for f in fields(ImageFacts) if f.name not in ("source", "keys", "values"))


# --- from texts and JSON values to fields -----------------------------------------------------------------------------


def json_map(text: str | None) -> dict[str, Any]:
    """The JSON object of a chunk, empty when it is none. NaN and infinities, which old versions of ComfyUI write, become None."""
    if not text or len(text) > _MAX_JSON:
        return {}
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def as_map(value: object) -> dict[str, Any]:
    """``value`` if it is a map of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str | None:
    """``value`` if it is a text."""
    return value if isinstance(value, str) else None


def as_number(value: object) -> float | None:
    """A finite number, also from its text."""
    if isinstance(value, str) and len(value) < 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_int(value: object, low: int = 0, high: int = 2**64 - 1) -> int | None:
    """A whole number of ``low`` … ``high``, also from its text; 20.0 counts. Seeds are exact beyond a float's digits."""
    if isinstance(value, str) and len(value) < 40:
        try:
            value = int(value)
        except ValueError:
            value = as_number(value)
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def as_pixels(value: object) -> int | None:
    """A width or height."""
    return as_int(value, 1, 1_000_000)


def as_steps(value: object) -> int | None:
    """A number of steps."""
    return as_int(value, 0, 1_000_000)


def file_title(value: object) -> str | None:
    """The name of a model, VAE or LoRA as A1111 shows it; None for the words that mean no file."""
    if not isinstance(value, str) or value.strip().lower() in ("", "none", "automatic", "unknown"):
        return None
    return model_title(value.strip())


def short_hash(value: object) -> str | None:
    """A1111's model hash: the first 10 digits of a SHA-256. Older, shorter ones as they are; other algorithms are left out."""
    match = _HEX_HASH.fullmatch(value) if isinstance(value, str) else None
    return match[1][:10].lower() if match else None


@lru_cache(maxsize=4096)
def sampler_names(sampler: str | None, scheduler: str | None = None) -> tuple[str | None, str | None]:
    """Sampler and scheduler in ComfyUI's names, from its own or A1111's labels; "DPM++ 2M Karras" is two names in one.

    What has no name in ComfyUI stays as it is.
    """
    implied = None
    if sampler:
        with contextlib.suppress(SDGenError):
            sampler, implied = comfy_sampler(sampler, tuple(SAMPLERS))
    if scheduler:
        try:
            scheduler = comfy_scheduler(scheduler, tuple(SCHEDULERS))
        except SDGenError:
            return sampler or None, scheduler
    return sampler or None, scheduler or implied


def guided(cfg: float | None, guidance: float | None) -> float | None:
    """The guidance that counts: CFG, or where it is off (or not there) the distilled guidance."""
    return guidance if guidance is not None and cfg in (None, 1.0) else cfg
