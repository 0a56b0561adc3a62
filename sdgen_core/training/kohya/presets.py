"""Settings for each family of models and size of graphics memory, from the data files in ``presets/``, which say where they are from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ...errors import SDGenError, nearest_names
from .families import FAMILIES


@dataclass(frozen=True)
class Preset:
    """``options`` of the ``family``'s script for a card with ``memory`` GB; ``name`` is as in ``sdxl-12``."""

    name: str
    family: str
    memory: int
    title: str
    note: str
    options: dict[str, Any]


@cache
def presets() -> dict[str, Preset]:
    """Name → preset, by family and memory."""
    found = {}
    for path in sorted((Path(__file__).parent / "presets").glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        family = data["family"]
        for memory, own in data["memory"].items():
            name = f"{family}-{memory}"
            title = f"{FAMILIES[family].title}, {memory} GB"
            found[name] = Preset(name, family, memory, title, own["note"], {**data["common"], **own["options"]})
    return found


def preset(name: str) -> Preset:
    """The preset of that name. Raises ``bad-training-option``."""
    found = presets().get(name)
    if found is None:
        near = nearest_names(name, presets()) or list(presets())
        raise SDGenError("bad-training-option", f"there is no preset {name!r}", nearest=near)
    return found
