"""The compatibility shim between our node definitions and the V3 API of different ComfyUI versions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from comfy_api.latest import io

from ..sdgen_core.errors import SDGenError

CATEGORY = "SDGen"

#: Nodes that only the prompts of sessions hold.
INTERNAL = "SDGen/internal"

#: A template chosen in a Template node, on its way to the planner.
TemplateType = io.Custom("SDGEN_TEMPLATE")
#: Seeds of a Seed Sweep node, on their way to the planner.
SeedsType = io.Custom("SDGEN_SEEDS")
#: A model that scores, on its way to the score nodes.
ScorerType = io.Custom("SDGEN_SCORER")
#: A training run, on its way to the node that waits for it.
RunType = io.Custom("SDGEN_RUN")


class _Choice(str):
    """The type of an output that goes into choices. Older nodes have the list of their choices as their type, so for ComfyUI, which asks
    whether two types are unequal, it is not unequal to any list."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) or str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


#: A choice as an output: before 0.3.60 or so ``io.Combo`` has inputs only.
ComboType = io.Custom("COMBO")
ComboType.io_type = _Choice("COMBO")

F = TypeVar("F", bound=Callable[..., Any])


def schema(**definition: Any) -> io.Schema:
    """``io.Schema`` without the fields this ComfyUI does not know yet: an unknown one would take the whole pack down."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return io.Schema(**{name: value for name, value in definition.items() if name in known})


def reporting(execute: F) -> F:
    """Show a user's error with its code and what to do about it; ComfyUI shows only an exception's text."""

    @functools.wraps(execute)
    def run(*args: Any, **inputs: Any) -> Any:
        try:
            return execute(*args, **inputs)
        except SDGenError as error:
            raise NodeFailed(f"{error} {error.hint} [{error.code}]") from error

    return run  # type: ignore[return-value]


class NodeFailed(Exception):
    """An error as ComfyUI's dialog shows it: message, what to do, [code]."""
