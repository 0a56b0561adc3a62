"""What a form of a training script shows: its options in groups with labels, kinds and defaults, and presets to begin with."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from .families import Family
from .options import OURS, completed
from .presets import presets
from .probe import Option, Script, english


def form(script: Script, family: Family, device: str = "cuda") -> dict[str, Any]:
    """What a form needs: groups of options with label, kind, default and choices, ours left out; and the presets of the family.

    ``kind``: flag, int, float, choice, list or text. ``default`` is what a training of ours takes when nothing is said.
    """
    ours = completed(script, family, {}, device)
    groups: dict[str, list[dict[str, Any]]] = {}
    for option in script.options.values():
        if option.name not in OURS:
            default = ours.get(option.name, option.default)
            groups.setdefault(option.group, []).append(_field(option, default))
    return {
        "script": script.path.name,
        "family": family.name,
        "title": family.title,
        "groups": [{"name": name, "options": groups[name]} for name in sorted(groups, key=_rank)],
        "presets": [
            {"name": one.name, "memory_gb": one.memory, "title": one.title, "note": one.note, "options": one.options}
            for one in presets().values()
            if one.family == family.name
        ],
    }


def _rank(group: str) -> int:
    """What people set most comes first, then what the family has of its own."""
    return _FIRST.index(group) if group in _FIRST else len(_FIRST) + (group in _LAST)


_FIRST = ("network", "optimizer", "training", "dataset")
_LAST = ("custom", "masked loss", "sd models", "model spec")


def _field(option: Option, default: Any) -> dict[str, Any]:
    kind = option.type if option.type in ("int", "float") else "text"
    if option.is_flag or option.action == "BooleanOptionalAction":
        kind = "flag"
    elif option.choices is not None:
        kind = "choice"
    elif option.nargs is not None:
        kind = "list"
    return {
        "name": option.name,
        "label": _label(option),
        "help": english(option.help),
        "kind": kind,
        "default": default,
        "choices": list(option.choices) if option.choices is not None else None,
    }


def _label(option: Option) -> str:
    """The help text up to its first stop, bracket or line's end; the name where there is none."""
    first = re.split(r"[.:;]\s|\s?\(|\n", english(option.help), maxsplit=1)[0].strip().rstrip(".")
    first = first or option.name.replace("_", " ")
    return textwrap.shorten(first[0].upper() + first[1:], 80, placeholder=" …")
