"""From a canvas workflow, as ComfyUI saves it, to the API format that its server runs.

What the browser does when Run is pressed, for a command line without a browser: widget values get their names, links
are followed through reroutes, primitives and bypassed nodes, muted nodes are dropped, subgraphs are laid open under
ids ``outer:inner``. Both canvas formats are read: 0.4 (links are lists) and 1.0 (links are objects). The order of
widget values and of inputs comes from the server's ``/object_info`` (see ``workflow_widgets``). Widgets that a pack's
own script makes in the browser only cannot be known here; such a node gets the values that its definition names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import SDGenError, nearest_names
from ..sessions.compile import Prompt, check_prompt
from .workflow_widgets import input_specs, plain_text, widget_values

Node = Mapping[str, Any]

NEVER, BYPASS = 2, 4
"""Modes of a node: muted, bypassed."""

#: Nodes that exist on the canvas only: what they pass on is found behind them.
PASSING = frozenset({"Reroute", "Reroute (rgthree)"})
CANVAS_ONLY = PASSING | {"PrimitiveNode", "Note", "MarkdownNote", "GetNode", "SetNode"}

#: Ids of the boxes inside a subgraph that stand for its own inputs and outputs.
_SUBGRAPH_INPUT, _SUBGRAPH_OUTPUT = "-10", "-20"
_MAX_NESTING = 50


def to_api(workflow: object, object_info: Mapping[str, Any]) -> Prompt:
    """The API prompt of a workflow of either format; one that is an API prompt already is checked and returned.

    ``object_info`` is the server's answer to GET /object_info. Raises ``bad-graph``: no workflow at all, a node of a
    kind that the server does not have (with the nearest names), links that run in a circle, subgraphs without
    definition.
    """
    if not isinstance(workflow, dict) or not isinstance(workflow.get("nodes"), list):
        return check_prompt(workflow)
    definitions = (workflow.get("definitions") or {}).get("subgraphs") or ()
    converter = _Converter(object_info, {str(d.get("id")): d for d in definitions if isinstance(d, dict)})
    prompt = converter.convert(_Scope.of(workflow))
    if not prompt:
        raise SDGenError("bad-graph", "the workflow has no node that could run")
    return prompt


class Link(NamedTuple):
    """A connection of one graph level; ids as text."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Wire:
    """Where an input's data comes from: output ``slot`` of the node ``node_id`` of the prompt."""

    node_id: str
    slot: int


@dataclass(frozen=True)
class Literal:
    """A value that takes the place of a link: that of a primitive, or of a widget of a subgraph's box."""

    value: Any


@dataclass(frozen=True)
class _Scope:
    """One graph level: the canvas, or the inside of one subgraph box (``host``, which lies in ``outer``)."""

    nodes: Mapping[str, Node]
    links: Mapping[Any, Link]
    path: str = ""
    outer: _Scope | None = None
    host: Node | None = None
    definition: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, graph: Mapping[str, Any], **inside: Any) -> _Scope:
        nodes = {str(n["id"]): n for n in graph.get("nodes") or () if isinstance(n, dict) and "id" in n and "type" in n}
        return cls(nodes, dict(_links(graph.get("links") or ())), **inside)

    def node_id(self, node: Node) -> str:
        return f"{self.path}{node['id']}"

    @property
    def depth(self) -> int:
        return self.path.count(":")


def _links(raw: Iterable[Any]) -> Iterator[tuple[Any, Link]]:
    for link in raw.values() if isinstance(raw, Mapping) else raw:
        if isinstance(link, Mapping):
            link = [link.get(k) for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int | str):
            try:
                yield link[0], Link(str(link[1]), int(link[2]), str(link[3]), int(link[4]))
            except (TypeError, ValueError):
                continue


class _Converter:
    def __init__(self, object_info: Mapping[str, Any], subgraphs: Mapping[str, Mapping[str, Any]]) -> None:
        self._info = object_info
        self._subgraphs = subgraphs
        self._insides: dict[str, _Scope] = {}

    # ---- nodes ------------------------------------------------------------------------------------------------------

    def convert(self, root: _Scope) -> Prompt:
        prompt: Prompt = {}
        for scope, node in self._all_nodes(root):
            if self._definition(scope, node) is not None:
                prompt[scope.node_id(node)] = self._converted(scope, node)
        for node in prompt.values():
            # A link to a node that was left out is no link; the server then says which input lacks one.
            node["inputs"] = {
                name: value
                for name, value in node["inputs"].items()
                if not (isinstance(value, list) and len(value) == 2 and value[0] not in prompt)
            }
        return prompt

    def _all_nodes(self, scope: _Scope) -> Iterator[tuple[_Scope, Node]]:
        for node in sorted(scope.nodes.values(), key=_order):
            if node.get("mode") in (NEVER, BYPASS):
                continue
            if str(node["type"]) in self._subgraphs:
                yield from self._all_nodes(self._inside(scope, node))
            else:
                yield scope, node

    def _inside(self, scope: _Scope, host: Node) -> _Scope:
        node_id = scope.node_id(host)
        if node_id not in self._insides:
            if scope.depth >= _MAX_NESTING:
                raise SDGenError("bad-graph", f"{_named(scope, host)} is a subgraph that contains itself")
            definition = self._subgraphs[str(host["type"])]
            inside = {"path": f"{node_id}:", "outer": scope, "host": host, "definition": definition}
            self._insides[node_id] = _Scope.of(definition, **inside)
        return self._insides[node_id]

    def _definition(self, scope: _Scope, node: Node) -> Mapping[str, Any] | None:
        """The server's definition of a node; None for what exists on the canvas only. Raises for unknown kinds."""
        kind = str(node["type"])
        known = self._info.get(kind)
        if known is not None:
            return known if isinstance(known, Mapping) else {}
        linked = any(i.get("link") is not None for i in node.get("inputs") or ())
        linked = linked or any(o.get("links") for o in node.get("outputs") or ())
        if kind in CANVAS_ONLY or not linked:
            return None  # a note, a label, a muter: nothing is taken from it
        if kind.startswith(("workflow>", "workflow/")):
            hint = "Open the workflow in ComfyUI, convert the group node to a subgraph, and save it again."
            message = f"{_named(scope, node)} is a group node, the predecessor of subgraphs"
            raise SDGenError("bad-graph", message, hint=hint)
        if len(kind) == 36 and kind.count("-") == 4:
            raise SDGenError("bad-graph", f"{_named(scope, node)} is a subgraph whose definition is not in the file")
        pack = (node.get("properties") or {}).get("cnr_id") or (node.get("properties") or {}).get("aux_id")
        hint = f"Install the node pack {pack!r}" if pack else "Install the node pack that brings it"
        raise SDGenError(
            "bad-graph",
            f"{_named(scope, node)} is of the kind {kind!r}, which this ComfyUI does not have",
            nearest=nearest_names(kind, self._info),
            hint=f"{hint}, or remove the node.",
        )

    def _converted(self, scope: _Scope, node: Node) -> dict[str, Any]:
        definition = self._info[str(node["type"])]
        specs = {spec.name: spec for spec in input_specs(definition)}
        inputs: dict[str, Any] = {}
        for name, value in widget_values(definition, node.get("widgets_values")).items():
            if isinstance(value, str) and name in specs and specs[name].options.get("dynamicPrompts"):
                value = plain_text(value)
            inputs[name] = _literal(value)
        for at, slot in enumerate(self._inputs(node)):
            source = self._input_source(scope, node, at, slot, str(slot.get("type", "*")), set())
            if isinstance(source, Wire):
                inputs[str(slot["name"])] = [source.node_id, source.slot]
            elif source is not None:
                inputs[str(slot["name"])] = _literal(source.value)
        title = node.get("title") or definition.get("display_name") or node["type"]
        return {"inputs": inputs, "class_type": str(node["type"]), "_meta": {"title": str(title)}}

    def _inputs(self, node: Node) -> list[Mapping[str, Any]]:
        """A node's input slots as on the canvas: those of its definition in order (files omit unlinked widgets)."""
        saved = {str(i.get("name")): i for i in node.get("inputs") or () if isinstance(i, dict)}
        definition = self._info.get(str(node["type"]))
        if not isinstance(definition, Mapping):
            return list(saved.values())
        slots = [saved.get(s.name) or {"name": s.name, "type": s.type, "link": None} for s in input_specs(definition)]
        names = {slot["name"] for slot in slots}
        return [*slots, *(slot for name, slot in saved.items() if name not in names)]

    # ---- links ------------------------------------------------------------------------------------------------------

    def _input_source(
        self, scope: _Scope, node: Node, at: int, slot: Mapping[str, Any], wanted: str, seen: set[str]
    ) -> Wire | Literal | None:
        """What input ``slot`` (number ``at``) of ``node`` is fed with, seen by a consumer of the type ``wanted``."""
        mark = f"{scope.node_id(node)} input {at}"
        if mark in seen:
            raise SDGenError("bad-graph", f"the links run in a circle through {_named(scope, node)}")
        seen.add(mark)
        link = scope.links.get(slot.get("link"))
        return None if link is None else self._link_source(scope, link, wanted, seen)

    def _link_source(self, scope: _Scope, link: Link, wanted: str, seen: set[str]) -> Wire | Literal | None:
        if link.origin == _SUBGRAPH_INPUT and scope.outer is not None and scope.host is not None:
            return self._from_outside(scope, scope.outer, scope.host, link.origin_slot, wanted, seen)
        origin = scope.nodes.get(link.origin)
        return None if origin is None else self._output_source(scope, origin, link.origin_slot, wanted, seen)

    def _from_outside(
        self, scope: _Scope, outer: _Scope, host: Node, slot: int, wanted: str, seen: set[str]
    ) -> Wire | Literal | None:
        """What reaches a subgraph through its own input: the link at its box, else the value of the box's widget."""
        names = [str(i.get("name")) for i in (scope.definition or {}).get("inputs") or ()]
        if slot >= len(names):
            return None
        for at, outside in enumerate(host.get("inputs") or ()):
            if outside.get("name") == names[slot] and outside.get("link") in outer.links:
                return self._input_source(outer, host, at, outside, wanted, seen)
        value = _host_values(scope, host).get(names[slot])
        return None if value is None else Literal(value)

    def _output_source(
        self, scope: _Scope, node: Node, slot: int, wanted: str, seen: set[str]
    ) -> Wire | Literal | None:
        """What output ``slot`` of ``node`` gives: the node's own, or that of what lies behind it."""
        kind = str(node["type"])
        if node.get("mode") == NEVER:
            return None
        if node.get("mode") == BYPASS:
            at = self._bypass(node, slot, wanted)
            slots = self._inputs(node)
            return None if at is None else self._input_source(scope, node, at, slots[at], wanted, seen)
        if kind in self._subgraphs:
            inside = self._inside(scope, node)
            for link in inside.links.values():
                if link.target == _SUBGRAPH_OUTPUT and link.target_slot == slot:
                    return self._link_source(inside, link, wanted, seen)
            return None
        if kind in self._info or kind not in CANVAS_ONLY:
            return Wire(scope.node_id(node), slot)
        if kind == "PrimitiveNode":
            values = node.get("widgets_values")
            return Literal(values[0]) if isinstance(values, list) and values else None
        if kind == "GetNode":
            name = _first_value(node)
            node = next((n for n in scope.nodes.values() if n["type"] == "SetNode" and _first_value(n) == name), node)
        slots = self._inputs(node)
        return self._input_source(scope, node, 0, slots[0], wanted, seen) if slots else None

    def _bypass(self, node: Node, slot: int, wanted: str) -> int | None:
        """The input that a bypassed node passes on to output ``slot``: at the same place, of the same type, fitting."""
        inputs = [str(i.get("type", "*")) for i in self._inputs(node)]
        outputs = node.get("outputs") or ()
        given = str(outputs[slot].get("type", "*")) if slot < len(outputs) else "*"
        if wanted in ("*", ""):
            return (slot if slot < len(inputs) else 0) if inputs else None
        fitting = [at for at, kind in enumerate(inputs) if _fits(kind, given) and _fits(kind, wanted)]
        if slot in fitting:
            return slot
        return next((at for at, kind in enumerate(inputs) if kind == wanted), fitting[0] if fitting else None)


def _host_values(inside: _Scope, host: Node) -> dict[str, Any]:
    """Values of the widgets that a subgraph's box shows, by the subgraph's input; others are left to the inner nodes.

    ``properties.proxyWidgets`` names the box's widgets in order as [inner node id or "-1", name]; files without it have
    the values in the order of the inputs that end in a widget.
    """
    values = host.get("widgets_values")
    if isinstance(values, Mapping):
        return dict(values)
    if not isinstance(values, list):
        return {}
    listed = (host.get("properties") or {}).get("proxyWidgets")
    if isinstance(listed, list) and listed:
        entries = [entry for entry in listed if isinstance(entry, list) and len(entry) > 1]
        names = [str(entry[1]) if entry[0] == "-1" else "" for entry in entries]
    else:
        inputs = enumerate((inside.definition or {}).get("inputs") or ())
        names = [str(i.get("name")) for at, i in inputs if _ends_in_widget(inside, at)]
    return {name: value for name, value in zip(names, values, strict=False) if name and value is not None}


def _ends_in_widget(inside: _Scope, at: int) -> bool:
    for link in inside.links.values():
        if link.origin == _SUBGRAPH_INPUT and link.origin_slot == at and link.target in inside.nodes:
            slots = inside.nodes[link.target].get("inputs") or ()
            if link.target_slot < len(slots) and slots[link.target_slot].get("widget"):
                return True
    return False


def _literal(value: Any) -> Any:
    """A widget's value as an input; a list is wrapped, since a bare one would be a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _first_value(node: Node) -> Any:
    values = node.get("widgets_values")
    return values[0] if isinstance(values, list) and values else None


def _order(node: Node) -> int:
    order = node.get("order")
    return order if isinstance(order, int) else 0


def _fits(one: str, other: str) -> bool:
    """Whether two slot types connect: the same, one of a list ``A,B``, or any (``*``)."""
    if one in ("*", "", "0") or other in ("*", "", "0"):
        return True
    return bool(set(one.lower().split(",")) & set(other.lower().split(",")))


def _named(scope: _Scope, node: Node) -> str:
    """A node as an error names it: id and title."""
    title = node.get("title") or (node.get("properties") or {}).get("Node name for S&R") or node["type"]
    return f"node {scope.node_id(node)} ({title})"
