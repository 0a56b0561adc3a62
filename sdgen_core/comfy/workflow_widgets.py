"""The widgets of a node as ComfyUI's frontend makes them: which inputs have one, in which order their values are saved.

A canvas workflow saves widget values as a bare list. What stands at which place follows from the node's definition in
``/object_info`` by the frontend's rules, which are written down here: sockets have no value; a seed is followed by
its "control after generate"; a dynamic combo brings the widgets of the chosen option. Widgets that only the browser
knows, such as the button of an upload, come last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

#: Input types for which the frontend has a widget. Any other type is a socket.
WIDGET_TYPES = frozenset(
    {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "MARKDOWN", "COLOR", "BOUNDING_BOX", "CURVE", "IMAGECOMPARE"}
    | {"AUDIO_RECORD", "WEBCAM", "LOAD_3D", "LOAD_3D_ANIMATION", "PREVIEW_3D"}
)
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"

_SEEDS = ("seed", "noise_seed")
_MAX_DEPTH = 16

Definition = Mapping[str, Any]


class InputSpec(NamedTuple):
    """An input of a node's definition: ``type`` is ``COMBO`` for every kind of choice."""

    name: str
    type: str
    options: Mapping[str, Any]

    @property
    def has_widget(self) -> bool:
        """Whether the input shows as a widget, linked or not."""
        kind = self.options.get("widgetType") or self.type
        return not self.options.get("forceInput") and (kind in WIDGET_TYPES or kind == DYNAMIC_COMBO)

    @property
    def default(self) -> Any:
        """The value of an untouched widget."""
        if "default" in self.options:
            return self.options["default"]
        choices = self.options.get("options")
        if self.type in ("COMBO", DYNAMIC_COMBO) and isinstance(choices, list) and choices:
            return choices[0].get("key") if isinstance(choices[0], dict) else choices[0]
        return {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}.get(self.type)


def input_specs(definition: Definition) -> list[InputSpec]:
    """A node's inputs, required ones first, in the order in which the frontend shows them."""
    return _specs(definition.get("input") or {}, definition.get("input_order") or {})


def _specs(groups: Mapping[str, Any], order: Mapping[str, Any], prefix: str = "") -> list[InputSpec]:
    known = {name: raw for group in ("required", "optional") for name, raw in (groups.get(group) or {}).items()}
    names = [name for group in ("required", "optional") for name in order.get(group) or () if name in known]
    return [_spec(prefix + name, known[name]) for name in dict.fromkeys([*names, *known])]


def _spec(name: str, raw: Any) -> InputSpec:
    kind = raw[0] if isinstance(raw, list | tuple) and raw else raw
    options = raw[1] if isinstance(raw, list | tuple) and len(raw) > 1 and isinstance(raw[1], Mapping) else {}
    if isinstance(kind, list):
        return InputSpec(name, "COMBO", {**options, "options": kind})
    return InputSpec(name, str(kind), options)


def widget_values(definition: Definition, saved: Any) -> dict[str, Any]:
    """The values of a node's widgets by input name; ``saved`` is its ``widgets_values``: a list, or a map by name.

    Widgets beyond the end of the list have their defaults; what is in the list beyond the last widget is ignored.
    """
    specs = input_specs(definition)
    if isinstance(saved, Mapping):
        by_name: Mapping[str, Any] = saved
        return dict(_values(specs, lambda spec: by_name.get(spec.name, spec.default)))
    values: Iterator[Any] = iter(saved if isinstance(saved, list) else ())

    def take(spec: InputSpec) -> Any:
        value = next(values, None)
        for _ in range(followers(spec)):
            next(values, None)
        return spec.default if value is None else value  # nothing: past the end, or a hole that the frontend left

    return dict(_values(specs, take))


def _values(specs: list[InputSpec], take: Callable[[InputSpec], Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every widget with its value, in order; behind a dynamic combo those of the chosen option."""
    for spec in specs:
        if not spec.has_widget:
            continue
        value = take(spec)
        yield spec.name, value
        if spec.type == DYNAMIC_COMBO and depth < _MAX_DEPTH:
            for option in spec.options.get("options") or ():
                if isinstance(option, Mapping) and option.get("key") == value:
                    yield from _values(_specs(option.get("inputs") or {}, {}, f"{spec.name}."), take, depth + 1)


def followers(spec: InputSpec) -> int:
    """How many values without an input of their own follow this one."""
    control = spec.options.get("control_after_generate")
    if spec.type == "INT":
        return 1 if control or (control is None and spec.name.rpartition(".")[2] in _SEEDS) else 0
    if spec.type == "COMBO" and control:
        return 2  # the control and its filter
    return 0


_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_GROUP = re.compile(r"(?<!\\)\{([^{}]*)(?<!\\)\}")


def plain_text(text: str) -> str:
    """A text with ``dynamicPrompts`` as the server gets it: no comments, and the first alternative of each ``{a|b}``.

    The browser draws one alternative at each press of Run. Without a browser there is no press to draw for, and a graph
    has to mean the same every time.
    """
    text = _COMMENT.sub("", text)
    for _ in range(1000):
        replaced = _GROUP.sub(lambda group: re.split(r"(?<!\\)\|", group[1])[0], text)
        if replaced == text:
            break
        text = replaced
    return re.sub(r"\\([{}|])", r"\1", text)
