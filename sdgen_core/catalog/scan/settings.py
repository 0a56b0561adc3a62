"""Model, sampler and numbers of a session or an image, whichever words they were written in; ComfyUI's names come out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import SDGenError
from ...sessions.metadata import clean_text
from ...sessions.parameters import canonical_name
from ..parsers import ImageFacts, parse
from ..parsers.facts import as_number, as_pixels, as_steps, file_title, sampler_names
from ..records import ImageRecord
from .headers import read_header

_HASH = re.compile(r"\s*\[[0-9a-fA-F]{4,64}\]\s*\Z")
_WANTED = ("checkpoint", "vae", "sampler_name", "scheduler", "cfg", "steps", "width", "height")


@dataclass(frozen=True)
class Settings:
    """None is what nobody says. ``width`` and ``height`` in pixels."""

    model: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    vae: str | None = None
    cfg: float | None = None
    steps: int | None = None
    width: int | None = None
    height: int | None = None

    def over(self, other: Settings) -> Settings:
        """These, and ``other``'s where these say nothing."""
        return replace(other, **{name: value for name, value in vars(self).items() if value is not None})


def model_of(value: object) -> str | None:
    """A model's name without folder, ending and A1111's ``[hash]``."""
    return clean(file_title(_HASH.sub("", value))) if isinstance(value, str) else None


def written_settings(parameters: Mapping[str, Any]) -> tuple[Settings, bool]:
    """What a template's ``parameters`` say under any of their names, and whether some of it differs from image to image."""
    known: dict[str, Any] = {}
    for name, value in parameters.items():
        if value is not None and canonical_name(name) in _WANTED:
            known.setdefault(canonical_name(name), value)
    varying = [name for name, value in known.items() if isinstance(value, str) and "{" in value]
    for name in varying:
        del known[name]
    sampler, scheduler = sampler_names(_word(known.get("sampler_name")), _word(known.get("scheduler")))
    settings = Settings(
        model=model_of(known.get("checkpoint")),
        sampler=sampler,
        scheduler=scheduler,
        vae=model_of(known.get("vae")),
        cfg=as_number(known.get("cfg")),
        steps=as_steps(known.get("steps")),
        width=as_pixels(known.get("width")),
        height=as_pixels(known.get("height")),
    )
    return settings, bool(varying)


def found_settings(facts: ImageFacts) -> Settings:
    """What a file says about itself."""
    return Settings(
        model=clean(facts.model),
        sampler=clean(facts.sampler),
        scheduler=clean(facts.scheduler),
        vae=clean(facts.vae),
        cfg=facts.cfg,
        steps=facts.steps,
        width=facts.width,
        height=facts.height,
    )


def settings_of(image: ImageRecord) -> Settings:
    """What the index has of an image."""
    return Settings(
        model=image.model,
        sampler=image.sampler,
        scheduler=image.scheduler,
        cfg=image.cfg,
        steps=image.steps,
        width=image.width,
        height=image.height,
    )


@dataclass(frozen=True)
class Sample:
    """What the head of an image file says: its own size, its facts, and why it is ``broken`` if it is."""

    width: int | None
    height: int | None
    facts: ImageFacts
    broken: str | None = None

    @property
    def like(self) -> tuple[object, ...]:
        """What images of one session usually have in common."""
        return (self.width, self.height, found_settings(self.facts))


def sample(path: Path) -> Sample:
    """Read the head of an image. A file that is broken or gone is said to be so; nothing is raised."""
    try:
        header = read_header(path)
    except SDGenError as error:
        return Sample(None, None, ImageFacts(), str(error))
    return Sample(header.width, header.height, parse(header.chunks))


def clean(text: str | None) -> str | None:
    """A text that SQLite takes: no lone halves of surrogate pairs, no NUL, no byte order mark at its beginning."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return clean_text(text).replace("\0", "").lstrip("\ufeff")


def plain(value: object) -> str:
    """A text that SQLite takes; empty for anything else."""
    return clean(value) or "" if isinstance(value, str) else ""


def _word(value: object) -> str | None:
    return clean(value.strip()) or None if isinstance(value, str) else None
