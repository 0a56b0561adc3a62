"""Values files of the drafts: lists of ``key:``/``value:``/``weight:``, and values of several fields."""

from __future__ import annotations

from typing import Any

from ..documents import Node
from .draft_texts import placeholder_name
from .editor import Editor
from .plan import Plan
from .texts import scalar

FIELDS = {"key", "value", "weight", "fields"}


def edit_values(editor: Editor, plan: Plan) -> None:
    """``- key: a`` / ``value: b`` becomes ``- a: b``, ``fields:`` become the parts of a value."""
    block = editor.root.get("variations")
    if block is None or block.kind == "scalar":
        return
    if block.kind == "list":
        for position, item in enumerate(block.value):
            if (
                item.kind == "map"
                and {k for k, _, _ in item.pairs()} & {"value", "fields"}
                and item.get("key") is not None
            ):
                _item(editor, position, item, plan)
    else:
        for key, _, node in block.pairs():
            if node.kind == "map" and {k for k, _, _ in node.pairs()} <= {"value", "weight"} and node.get("value"):
                _weighted(editor, key, node, plan)
    kind = editor.root.get("type")
    if kind is not None and kind.value in ("multi_field", "multi-field"):
        editor.set(("type",), "variations", "variations")


def _item(editor: Editor, position: int, item: Node, plan: Plan) -> None:
    path = ("variations", position)
    nodes = {k: (key_node, value) for k, key_node, value in item.pairs()}
    name = "fields" if "fields" in nodes else "value"
    key = nodes["key"][1].key_text()
    key_node, value = nodes[name]
    editor.node((*path, name))  # refuses aliases
    odd = set(nodes) - FIELDS
    if odd or ("fields" in nodes and "value" in nodes):
        raise editor.unsafe(
            f"the value {key!r} has fields that no value has: {', '.join(sorted(odd or {'value'}))}", item
        )
    if name == "fields" and value.kind != "map":
        raise editor.unsafe(f"the fields of the value {key!r} are not written as name: text", item)
    first, _ = item.value[0]
    pieces: list[str] = []
    if name == "fields":
        data: Any = {placeholder_name(k): v for k, v in value.python().items()}
        for part, part_key, _ in value.pairs():
            if placeholder_name(part) != part:
                editor.replace(part_key.start.index, editor.end(part_key), scalar(placeholder_name(part)))
        stop = editor.end(key_node)
    else:
        data, stop = value.python(), value.start.index
        pieces.append(": ")
    column = " " * (first.start.index - editor.line_start(first.start.index))
    told = editor.comments(first.start.index, key_node.start.index)
    lead = "".join(f"{t}\n{column}" for t in told)
    editor.replace(first.start.index, stop, lead + scalar(key) + "".join(pieces))
    _weight(editor, nodes["weight"][1] if "weight" in nodes else None, key, plan)
    after = [(k, v) for k, v in item.value if k.start.index > key_node.start.index]
    if after:
        begin = editor.end(value)
        if not editor.flow(item) and editor.trailing_comment(begin):
            begin = editor.line_end(begin)
        told = editor.comments(begin, after[-1][0].start.index)
        editor.replace(begin, editor.end(after[-1][1]), "".join(f"\n{column}{t}" for t in told))
    editor.mean(path, {key: data})


def _weighted(editor: Editor, key: str, node: Node, plan: Plan) -> None:
    value = node.get("value")
    assert value is not None
    path = ("variations", key)
    editor.node((*path, "value"))
    _weight(editor, node.get("weight"), key, plan)
    start, end = node.start.index, editor.end(node)
    if editor.flow(node):
        editor.replace(start, end, editor.source(value))
    else:  # the value comes up to the line of its key, the comments go above it
        line = editor.line_start(editor.node_key(path).start.index)
        column = " " * (editor.node_key(path).start.index - line)
        colon = editor.text.index(":", editor.end(editor.node_key(path))) + 1
        told = editor.comments(colon, value.start.index) + editor.comments(editor.end(value), end)
        editor.replace(line, line, "".join(f"{column}{t}\n" for t in told))
        editor.replace(colon, end, " " + editor.source(value))
    editor.mean(path, value.python())


def _weight(editor: Editor, weight: Node | None, key: str, plan: Plan) -> None:
    if weight is not None and weight.kind == "scalar" and weight.value not in ("1", "1.0", ""):
        text = f"the weight {weight.value} of {key!r} is left out; weights of values never had an effect"
        plan.remark(text, editor.document.place(weight))
