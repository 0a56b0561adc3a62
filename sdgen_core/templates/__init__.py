"""The template language: files or typed text -> ``ResolvedTemplate`` -> choices -> prompts.

The loader (with pydantic and PyYAML) is imported on first use, so that programs which only run stored plans start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .normalise import normalise, one_line
from .render import Rendered, Renderer
from .resolved import Generation, OutputSettings, ResolvedTemplate, Value
from .seeds import parse_choice_spec, parse_fixed_spec, parse_seed_spec, parse_theme_spec
from .space import Space

if TYPE_CHECKING:
    from .load import Options, load_template, load_text

__all__ = [
    "Generation",
    "Options",
    "OutputSettings",
    "Rendered",
    "Renderer",
    "ResolvedTemplate",
    "Space",
    "Value",
    "load_template",
    "load_text",
    "normalise",
    "one_line",
    "parse_choice_spec",
    "parse_fixed_spec",
    "parse_seed_spec",
    "parse_theme_spec",
]


def __getattr__(name: str) -> Any:
    if name in ("Options", "load_template", "load_text"):
        from . import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
