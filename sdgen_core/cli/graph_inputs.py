"""What the choice of a graph asks: the running ComfyUI what it has, and a template's parameters for their one value."""

from __future__ import annotations

from typing import Any, Protocol

from ..comfy.workflow_widgets import InputSpec, input_specs
from ..errors import SDGenError
from ..templates import ResolvedTemplate
from ..templates.parameters import loose_names, parameter_names


class Server(Protocol):
    """What is asked of a ComfyUI client."""

    def get(self, path: str) -> Any: ...


class Offers:
    """What a running ComfyUI has: its nodes, and the names in their lists."""

    def __init__(self, client: Server) -> None:
        self._client = client
        self._known: dict[str, dict[str, InputSpec]] = {}

    def inputs(self, node: str) -> dict[str, InputSpec]:
        """The inputs of a node; empty when the server does not have it."""
        if node not in self._known:
            answer = self._client.get(f"/object_info/{node}")
            definition = answer.get(node) if isinstance(answer, dict) else None
            self._known[node] = {spec.name: spec for spec in input_specs(definition)} if definition else {}
        return self._known[node]

    def names(self, node: str, name: str) -> list[str]:
        """The names that the list ``name`` of a node offers."""
        spec = self.inputs(node).get(name)
        return [str(option) for option in spec.options.get("options") or ()] if spec else []


class Reader:
    """Values that are one for the whole session."""

    def __init__(self, resolved: ResolvedTemplate) -> None:
        self._names = {*resolved.values, *resolved.removed}
        self.images = resolved.images

    def varies(self, value: Any) -> bool:
        return any(
            name in self._names for name in (*parameter_names({"x": value}), *loose_names({"controlnet": value}))
        )

    def one(self, name: str, value: Any) -> Any:
        if self.varies(value):
            raise SDGenError(
                "bad-parameter",
                f"parameter {name!r} varies from image to image, and the graph has one value for the session",
                hint="Write one value, or give a workflow of your own with --workflow.",
            )
        return value

    def number(self, name: str, value: Any) -> float:
        try:
            if isinstance(self.one(name, value), bool):
                raise ValueError
            return float(value)
        except (TypeError, ValueError):
            raise SDGenError("bad-parameter", f"parameter {name!r} must be a number, not {value!r}") from None

    def whole(self, name: str, value: Any) -> int:
        return round(self.number(name, value))

    def switch(self, name: str, value: Any) -> bool:
        text = str(self.one(name, value)).strip().lower()
        if text not in ("true", "false", "yes", "no", "on", "off", "1", "0", ""):
            raise SDGenError("bad-parameter", f"parameter {name!r} must be true or false, not {value!r}")
        return text in ("true", "yes", "on", "1")
