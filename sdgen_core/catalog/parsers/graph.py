"""ComfyUI's API graph as it is found in files: links, texts and numbers, followed as far as they can be known.

``{node id: {"class_type": …, "inputs": {name: literal | [node id, output]}}}``. Anything may be wrong in it: a link to nowhere or in a
circle, other types, nodes of unknown packs. What cannot be known is None; nothing here raises. Every walk is bounded: by the
nodes it has seen, by its depth, or by the texts it has looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...sessions.compile import PLANNER
from .facts import as_int, as_number

#: The most texts looked up in one graph: texts may be joined with themselves again and again.
_MOST_TEXTS = 2000
_DEPTH = 80
_MAX_TEXT = 1 << 18

#: Inputs that hold a text node's text, the surest first; ``populated_text`` is a wildcard text with its wildcards drawn.
_TEXTS = ("populated_text", "text", "string", "value", "prompt", "String", "Text", "content", "positive", "user_prompt")
_TEXT_PARTS = re.compile(r"(?:text|string|prompt|str|input|value)_?(?:[a-z]|\d{1,2})")
_NUMBERS = ("value", "seed", "int", "float", "number", "Number", "Value", "noise_seed")


class Node(NamedTuple):
    """A node of the graph."""

    kind: str
    inputs: Mapping[str, Any]


class Link(NamedTuple):
    """Where an input's value comes from: the node's id, the node, which of its outputs."""

    id: str
    node: Node
    slot: int


class Graph:
    """The nodes of an API graph, and what their inputs come to. SDGen's planner is none of them: what it gave to an image is not in
    its widgets, and stands as literals in the graph of every image."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = {node_id: node for node_id, node in nodes.items() if node.kind != PLANNER}
        self._texts_left = _MOST_TEXTS

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Graph:
        """The nodes of a ``prompt`` chunk; what is no node is passed over."""
        nodes: dict[str, Node] = {}
        for node_id, node in data.items():
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
                nodes[node_id] = Node(str(node.get("class_type", "")), node["inputs"])
        return cls(nodes)

    def link(self, value: object) -> Link | None:
        """The node behind an input's value; None when it is no link, or one to nowhere."""
        if not isinstance(value, list) or len(value) != 2:
            return None
        node_id, slot = value
        node_id = str(node_id) if isinstance(node_id, int) else node_id
        if not isinstance(node_id, str) or not isinstance(slot, int) or node_id not in self.nodes:
            return None
        return Link(node_id, self.nodes[node_id], slot)

    def links(self, node: Node) -> dict[str, list[Any]]:
        """The inputs of a node that are links."""
        return {k: v for k, v in node.inputs.items() if isinstance(v, list) and len(v) == 2 and self.link(v)}

    def chosen(self, node: Node) -> Any:
        """What a switch passes on, None when the node is no switch: by truth (``on_true``/``on_false``) or by number (``input2``)."""
        inputs = node.inputs
        if "on_true" in inputs or "on_false" in inputs:
            switch = inputs.get("switch", inputs.get("boolean"))
            return inputs.get("on_true" if switch else "on_false") if isinstance(switch, bool) else None
        number = as_int(inputs.get("select", inputs.get("Input", inputs.get("index"))), 0, 99)
        if number is not None:
            for name in inputs:
                if self.link(inputs[name]) and re.fullmatch(rf"[A-Za-z]+_?0?{number}", name):
                    return inputs[name]
        return None

    def text(self, value: object, depth: int = 0) -> str | None:
        """The text that an input has, through nodes that hold or join texts."""
        if isinstance(value, str):
            return value
        link = self.link(value)
        if link is None or depth > _DEPTH or not self._texts_left:
            return None
        self._texts_left -= 1
        node, inputs = link.node, link.node.inputs
        if (chosen := self.chosen(node)) is not None:
            return self.text(chosen, depth + 1)
        if node.kind == "StringConcatenate":
            return self._joined([inputs.get("string_a"), inputs.get("string_b")], inputs.get("delimiter", ""), depth)
        if node.kind == "StringReplace":
            text, old, new = (self.text(inputs.get(name), depth + 1) for name in ("string", "find", "replace"))
            if text is None or not old or new is None:
                return text
            length = len(text) + text.count(old) * (len(new) - len(old))
            return text.replace(old, new) if length <= _MAX_TEXT else None
        return self._own_text(node, depth)

    def _own_text(self, node: Node, depth: int) -> str | None:
        """The text that a node of any kind gives, by the names of its inputs."""
        for name in _TEXTS:
            if (text := self.text(node.inputs.get(name), depth + 1)) is not None:
                return text
        parts = [value for name, value in node.inputs.items() if _TEXT_PARTS.fullmatch(name)]
        if parts:
            return self._joined(parts, node.inputs.get("delimiter", node.inputs.get("separator", " ")), depth)
        links = self.links(node)
        return self.text(next(iter(links.values())), depth + 1) if len(links) == 1 else None

    def _joined(self, parts: Iterable[object], delimiter: object, depth: int) -> str | None:
        between = self.text(delimiter, depth + 1) or ""
        texts = [text for part in parts if (text := self.text(part, depth + 1)) is not None]
        if not texts or sum(map(len, texts)) + len(texts) * len(between) > _MAX_TEXT:
            return None
        return between.join(texts)

    def value(self, value: object, *names: str) -> Any:
        """A number or text that an input has; where it is a link, what the node behind it has under one of ``names``, or what it
        holds anyway."""
        for _ in range(_DEPTH):
            link = self.link(value)
            if link is None:
                return None if isinstance(value, list | dict) else value
            inputs = link.node.inputs
            value = self.chosen(link.node)
            if value is None:
                value = next((inputs[name] for name in (*names, *_NUMBERS) if name in inputs), None)
            if value is None:
                links = self.links(link.node)
                value = next(iter(links.values())) if len(links) == 1 else None
        return None

    def number(self, node: Node, *names: str) -> float | None:
        """The number under the first of ``names`` that the node has."""
        return next((as_number(self.value(node.inputs[n], *names)) for n in names if n in node.inputs), None)

    def find(self, value: object, along: Iterable[str], *names: str) -> Node | None:
        """The first node that has one of the inputs ``names``, going from a link through the inputs ``along``."""
        along = tuple(along)
        for _ in range(_DEPTH):
            link = self.link(value)
            if link is None:
                return None
            if any(name in link.node.inputs for name in names):
                return link.node
            value = self.chosen(link.node) or self.onward(link.node, along)
        return None

    def onward(self, node: Node, along: Iterable[str]) -> Any:
        """The link to follow through a node: of the first input of these names, or the only one that it has."""
        for name in along:
            if self.link(node.inputs.get(name)):
                return node.inputs[name]
        links = self.links(node)
        return next(iter(links.values())) if len(links) == 1 else None
