"""From an API prompt to a canvas workflow (format 0.4) that a person can read: columns, links, a note, groups.

The other way round is ``workflow.to_api``; both use the definitions of ``/object_info``, so what is laid out here converts back
to the same prompt.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..sessions.compile import LOAD_SCORER, PLANNER, SAVER, SCORE_IMAGE, TEMPLATE, Prompt, is_link
from .workflow_widgets import InputSpec, followers, input_specs

#: Sizes of nodes that show more than their widgets, in pixels; the others are computed.
_SIZES = {TEMPLATE: (420, 530), PLANNER: (340, 680), SAVER: (330, 280), "LoadImage": (330, 340)}
_SIZES[SCORE_IMAGE], _SIZES[LOAD_SCORER] = (330, 320), (330, 170)
_SIZES["ImpactSEGSToMaskList"] = (330, 80)  # shows the pack that it comes from
_TEXTS = ("CLIPTextEncode",)
#: Nodes that the frontend makes as high as the image in them.
_GROWING = ("LoadImage",)
_WIDTH, _GAP, _TOP, _BETWEEN = 330, 60, 80, 60
_COLOURS = {"Positive prompt": ("#232", "#353"), "Negative prompt": ("#322", "#533")}
_NOTE = "#222", "#000"


def to_canvas(
    prompt: Prompt, stages: Mapping[str, int], object_info: Mapping[str, Any], *, name: str, note: str
) -> dict[str, Any]:
    """The workflow of ``prompt``. ``stages`` gives each node's column (-2 the template's, -1 the planner's, others from 0),
    ``note`` the Markdown text beside it, ``name`` what the workflow's id is made of.
    """
    links = _Links(prompt, object_info)
    nodes: list[dict[str, Any]] = []
    left: dict[int, int] = {-2: 40, -1: 520}
    bottom: dict[int, int] = {}
    for stage in sorted({s for s in stages.values() if s >= 0}):
        left[stage] = max(left.values()) + (_WIDTH if stage else 340) + _GAP
    for order, node_id in enumerate(sorted(prompt, key=lambda n: (stages[n], *_rank(prompt, n)))):
        stage = stages[node_id]
        node = _node(node_id, prompt[node_id], object_info[prompt[node_id]["class_type"]], links)
        node["order"] = order
        node["pos"] = [left[stage], bottom.get(stage, _TOP)]
        bottom[stage] = node["pos"][1] + node["size"][1] + _BETWEEN
        nodes.append(node)
    note_id = max(int(n) for n in prompt) + 1 if "10" in prompt else 10
    nodes.append(_note(note_id, note, bottom[-2], len(nodes)))
    bottom[-2] = nodes[-1]["pos"][1] + nodes[-1]["size"][1] + _BETWEEN
    height = max(bottom.values()) - _BETWEEN + 20
    right = max(left.values()) + _WIDTH + 20
    groups = [
        ("1 · What to make", 20, 480, "#3f789e"),
        ("2 · The session", 500, 880, "#8A8"),
        ("3 · Your model, your nodes", 900, right, "#b58b2a"),
    ]
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"sdgen/workflows/{name}")),
        "revision": 0,
        "last_node_id": max(int(n["id"]) for n in nodes),
        "last_link_id": len(links.rows),
        "nodes": nodes,
        "links": links.rows,
        "groups": [
            {"id": n, "title": t, "bounding": [a, 0, b - a, height], "color": c, "font_size": 22, "flags": {}}
            for n, (t, a, b, c) in enumerate(groups, 1)
        ],
        "config": {},
        "extra": {"ds": {"scale": 0.7, "offset": [90, 110]}},
        "version": 0.4,
    }


def _rank(prompt: Prompt, node_id: str) -> tuple[bool, int, int]:
    """A node's place in its column: behind what it reads, and one that grows below all others."""
    return prompt[node_id]["class_type"] in _GROWING, _depth(prompt, node_id, {}), int(node_id)


def _depth(prompt: Prompt, node_id: str, known: dict[str, int]) -> int:
    if node_id not in known:
        above = (_depth(prompt, v[0], known) for v in prompt[node_id]["inputs"].values() if is_link(v))
        known[node_id] = 1 + max(above, default=0)
    return known[node_id]


class _Links:
    """The rows of a workflow's links: [id, origin, output, target, input, type]."""

    def __init__(self, prompt: Prompt, object_info: Mapping[str, Any]) -> None:
        self.rows: list[list[Any]] = []
        self.into: dict[tuple[str, str], int] = {}
        self.out: dict[tuple[str, int], list[int]] = {}
        for node_id, node in sorted(prompt.items(), key=lambda item: int(item[0])):
            names = [spec.name for spec in _shown(object_info[node["class_type"]])]
            for name, value in node["inputs"].items():
                if not is_link(value):
                    continue
                origin, slot = value
                kind = _output_type(object_info[prompt[origin]["class_type"]]["output"][slot])
                row = [len(self.rows) + 1, int(origin), slot, int(node_id), names.index(name), kind]
                self.rows.append(row)
                self.into[node_id, name] = row[0]
                self.out.setdefault((origin, slot), []).append(row[0])


def _output_type(kind: Any) -> str:
    return "COMBO" if isinstance(kind, list) else str(kind)


def _shown(definition: Mapping[str, Any]) -> list[InputSpec]:
    """Inputs in the order of the canvas: sockets, then widgets."""
    specs = input_specs(definition)
    return [s for s in specs if not s.has_widget] + [s for s in specs if s.has_widget]


def _node(node_id: str, node: Mapping[str, Any], definition: Mapping[str, Any], links: _Links) -> dict[str, Any]:
    kind = node["class_type"]
    optional = definition["input"].get("optional") or {}
    inputs: list[dict[str, Any]] = []
    for spec in _shown(definition):
        slot: dict[str, Any] = {"name": spec.name, "type": spec.type, "link": links.into.get((node_id, spec.name))}
        if spec.name in optional:
            slot["shape"] = 7
        if spec.has_widget:
            slot["widget"] = {"name": spec.name}
        inputs.append(slot)
    outputs = [
        {"name": name, "type": _output_type(type_), "links": links.out.get((node_id, n))}
        for n, (name, type_) in enumerate(zip(definition["output_name"], definition["output"], strict=True))
    ]
    widgets = [spec for spec in input_specs(definition) if spec.has_widget]
    values: list[Any] = []
    for spec in widgets:
        given = node["inputs"].get(spec.name)
        values.append(_behind_link(spec) if given is None or is_link(given) else given)
        values += ["image"] if spec.options.get("image_upload") else ["fixed"] * followers(spec)
    rows = max(len(inputs) - len(widgets), len(outputs))
    computed = 20 * rows + (24 * len(values) + 14 if values else 6)
    computed += 80 * sum(bool(spec.options.get("multiline")) for spec in widgets)
    size = _SIZES.get(kind, (_WIDTH, 100 if kind in _TEXTS else computed))
    out: dict[str, Any] = {
        "id": int(node_id), "type": kind, "pos": [0, 0], "size": list(size), "flags": {}, "order": 0, "mode": 0,
        "inputs": inputs, "outputs": outputs,
    }  # fmt: skip
    title = (node.get("_meta") or {}).get("title")
    if title:
        out["title"] = title
    out |= {"properties": {"Node name for S&R": kind}, "widgets_values": values}
    if title in _COLOURS:
        out["color"], out["bgcolor"] = _COLOURS[title]
    return out


def _behind_link(spec: InputSpec) -> Any:
    """What a widget holds that a link overrides; of a list of files nothing, for everybody has others."""
    return _PLAIN.get(spec.name, "") if spec.type == "COMBO" else spec.default


_PLAIN = {"sampler_name": "euler", "scheduler": "normal"}


def _note(node_id: int, text: str, top: int, order: int) -> dict[str, Any]:
    lines = sum(1 + len(line) // 52 for line in text.splitlines())
    return {
        "id": node_id, "type": "MarkdownNote", "pos": [40, top], "size": [420, 50 + 21 * lines], "flags": {}, "order": order,
        "mode": 0, "inputs": [], "outputs": [], "title": "Read me", "properties": {}, "widgets_values": [text],
        "color": _NOTE[0], "bgcolor": _NOTE[1],
    }  # fmt: skip
