"""From the user's graph to one plain API prompt per item.

The graph is compiled once: the planner and what only feeds it go, and every input that was linked to one of the planner's
outputs becomes a *slot*. A child prompt is then a shallow copy with literals in the slots. So core nodes work unmodified, the
cache keeps everything that does not change from item to item, and the prompt stored in the PNG makes the image again where SDGen
is not installed. Node ids are kept: the browser shows progress on the user's own nodes.

Format: ComfyUI's API prompt, ``{node_id: {"class_type", "inputs": {name: literal | [node_id, output_index]}, "_meta"}}``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError
from ..templates.parameters import filled_text

Prompt = dict[str, dict[str, Any]]

PLANNER = "SDGenSessionPlan"
SAVER = "SDGenSessionSave"
TEMPLATE = "SDGenTemplate"
SEED_SWEEP = "SDGenSeedSweep"
LOAD_SCORER = "SDGenLoadScorer"
SCORE_IMAGE = "SDGenScoreImage"

#: The planner's outputs in slot order; the node's schema and the slots of compiled graphs both follow it.
PLAN_OUTPUTS = (
    "positive", "negative", "seed", "width", "height", "steps", "cfg", "sampler_name", "scheduler", "denoise", "file_name",
    "checkpoint", "vae", "lora", "lora_strength", "image",
)  # fmt: skip

#: Outputs that came later, and what they give to items of images made before.
_LATER_OUTPUTS: Mapping[str, Any] = {"checkpoint": "", "vae": "", "lora": "", "lora_strength": 1.0, "image": ""}
_FIRST_OUTPUTS = tuple(name for name in PLAN_OUTPUTS if name not in _LATER_OUTPUTS)

#: Texts of our own nodes in which a graph may name placeholders of the template: class → input.
_FILLED: Mapping[str, str] = {"SDGenEncodePrompt": "text"}

#: Inputs of loaders that name the model file: what PNG readers call the model.
_CHECKPOINT_INPUTS = ("ckpt_name", "unet_name")


def is_link(value: object) -> bool:
    """Whether an input's value is a link ``[node_id, output_index]``, by ComfyUI's own rule."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
        and not isinstance(value[1], bool)
    )


def check_prompt(prompt: object) -> Prompt:
    """The prompt as such, when it has the API format. Raises ``bad-graph`` (also for canvas-format files)."""
    if isinstance(prompt, dict) and isinstance(prompt.get("nodes"), list):
        raise SDGenError("bad-graph", "this is a workflow in canvas format, not an API prompt")
    if not isinstance(prompt, dict) or not prompt:
        raise SDGenError("bad-graph", "the graph is empty or no API prompt")
    for node_id, node in prompt.items():
        if (
            not isinstance(node, dict)
            or not isinstance(node.get("class_type"), str)
            or not isinstance(node.get("inputs"), dict)
        ):
            raise SDGenError("bad-graph", f"node {node_id!r} has no class_type or no inputs")
    return prompt


def nodes_of(prompt: Prompt, class_type: str) -> list[str]:
    """Ids of the nodes of a class, in the prompt's order."""
    return [node_id for node_id, node in prompt.items() if node["class_type"] == class_type]


def descendants(prompt: Prompt, start: str) -> set[str]:
    """Everything that depends on ``start``, without it."""
    readers: dict[str, list[str]] = {}
    for node_id, node in prompt.items():
        for value in node["inputs"].values():
            if is_link(value):
                readers.setdefault(value[0], []).append(node_id)
    seen: set[str] = set()
    todo = list(readers.get(start, ()))
    while todo:
        node_id = todo.pop()
        if node_id not in seen:
            seen.add(node_id)
            todo += readers.get(node_id, ())
    return seen


@dataclass(frozen=True)
class CompiledGraph:
    """A graph ready for filling: ``nodes`` without planner, ``slots`` (node, input, planner output), save node, the
    checkpoint written in it (None: there is none, or the planner gives it), ``texts`` (node, input, text) that are written
    in it with placeholders, and the nodes that score the item's image."""

    nodes: Prompt
    slots: tuple[tuple[str, str, str], ...]
    saver: str
    checkpoint: str | None
    texts: tuple[tuple[str, str, str], ...] = ()
    scorers: tuple[str, ...] = ()

    @property
    def outputs(self) -> frozenset[str]:
        """The planner's outputs that the graph reads."""
        return frozenset(output for _, _, output in self.slots)

    def child(self, literals: Mapping[str, Any], token: str = "", *, shown: str = "") -> Prompt:
        """The API prompt of one item. ``literals``: planner output → value, and ``values``, name → text, for ``texts``;
        ``token`` names the attempt to the save node, and to those that score; ``shown`` the item to the latter alone, when it is only
        to be looked at.

        Only nodes with a slot are copied; the others are shared between children and must not be changed.
        """
        out = dict(self.nodes)
        fresh: set[str] = set()
        given = ((node_id, name, literals[output]) for node_id, name, output in self.slots)
        told = [(self.saver, "item", token), *((node_id, "item", token or shown) for node_id in self.scorers)]
        for node_id, name, value in (*given, *self.filled(literals), *told):
            if node_id not in fresh:
                fresh.add(node_id)
                node = out[node_id]
                out[node_id] = {**node, "inputs": dict(node["inputs"])}
            out[node_id]["inputs"][name] = value
        return out

    def filled(self, literals: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """``texts`` for one item; what is no placeholder stays."""
        values = literals.get("values", {})
        return [(node_id, name, filled_text(text, values)) for node_id, name, text in self.texts]


def compile_graph(prompt: Prompt, planner: str) -> CompiledGraph:
    """Compile ``prompt`` around its planner node. Raises ``no-planner``, ``no-save-node``, ``two-planners``, ``bad-graph``."""
    check_prompt(prompt)
    if planner not in prompt or prompt[planner]["class_type"] != PLANNER:
        raise SDGenError("no-planner", "the graph has no SDGen Session Plan node")
    downstream = descendants(prompt, planner)
    if planner in downstream:
        raise SDGenError("bad-graph", "the graph runs in a circle through the SDGen Session Plan node")
    savers = [n for n in nodes_of(prompt, SAVER) if n in downstream]
    if not savers:
        raise SDGenError("no-save-node", "no SDGen Session Save node depends on the SDGen Session Plan node")
    if len(savers) > 1:
        raise SDGenError("two-save-nodes", f"nodes {' and '.join(savers)} would both write the image of an item")
    # What the planner reads (template, seeds, a text node for the name) stays only where the image needs it too.
    kept: set[str] = set()
    nodes: Prompt = {}
    slots: list[tuple[str, str, str]] = []
    todo = list(downstream)
    while todo:
        node_id = todo.pop()
        if node_id in kept:
            continue
        kept.add(node_id)
        for name, value in prompt[node_id]["inputs"].items():
            if not is_link(value):
                continue
            source, slot = value
            if source == planner:
                if not 0 <= int(slot) < len(PLAN_OUTPUTS):
                    raise SDGenError(
                        "bad-graph", f"input {name!r} of node {node_id} reads output {slot} of the planner"
                    )
                slots.append((node_id, name, PLAN_OUTPUTS[int(slot)]))
            elif source not in prompt:
                raise SDGenError(
                    "bad-graph", f"input {name!r} of node {node_id} is linked to node {source}, which is not there"
                )
            elif prompt[source]["class_type"] == PLANNER:
                raise SDGenError("two-planners", f"node {node_id} depends on two SDGen Session Plan nodes")
            else:
                todo.append(source)
    for node_id, node in prompt.items():
        if node_id in kept:
            # `is_changed` is the executor's note to itself; it may hold NaN, which is no JSON.
            nodes[node_id] = {key: value for key, value in node.items() if key != "is_changed"}
    found = (
        (n, _FILLED[k], nodes[n]["inputs"].get(_FILLED[k])) for n in nodes if (k := nodes[n]["class_type"]) in _FILLED
    )
    texts = tuple(sorted((n, name, text) for n, name, text in found if isinstance(text, str) and "{" in text))
    checkpoint = checkpoint_name(nodes, savers[0])
    return CompiledGraph(nodes, tuple(sorted(slots)), savers[0], checkpoint, texts, tuple(nodes_of(nodes, SCORE_IMAGE)))


def checkpoint_name(prompt: Prompt, saver: str) -> str | None:
    """The model file that the saved image comes from: of the first sampler above the save node, else of the node itself, the
    nearest loader. Later passes may have models of their own, and detectors are loaded like checkpoints.
    """
    seen: set[str] = set()
    level = [first_sampler(prompt, saver)]
    while level:
        following: list[str] = []
        for node_id in level:
            if node_id in seen or node_id not in prompt:
                continue
            seen.add(node_id)
            inputs = prompt[node_id]["inputs"]
            for name in _CHECKPOINT_INPUTS:
                value = inputs.get(name)
                if isinstance(value, str):
                    return value
            following += [v[0] for v in inputs.values() if is_link(v)]
        level = following
    return None


def first_sampler(prompt: Prompt, saver: str) -> str:
    """The sampler above ``saver`` that no other one is above; ``saver`` when there is none."""
    found, seen, todo = saver, {saver}, [saver]
    while todo:
        node_id = todo.pop(0)
        inputs = prompt[node_id]["inputs"]
        if is_link(inputs.get("latent_image")):
            found, todo = node_id, []
        for value in inputs.values():
            if is_link(value) and value[0] in prompt and value[0] not in seen:
                seen.add(value[0])
                todo.append(value[0])
    return found


def standalone(prompt: Mapping[str, Mapping[str, Any]]) -> Prompt:
    """A child prompt as it is stored in the PNG: save nodes replaced by core SaveImage, nodes that score left out, so that it runs
    without SDGen."""
    out: Prompt = {}
    for node_id, node in _unscored(prompt).items():
        node = {key: value for key, value in node.items() if key != "is_changed"}
        if node["class_type"] == SAVER:
            inputs = node["inputs"]
            name = inputs.get("file_name") or "sdgen"
            prefix = name if is_link(name) else str(name).removesuffix(".png")
            node = {"class_type": "SaveImage", "inputs": {"images": inputs["images"], "filename_prefix": prefix}}
        out[node_id] = node
    return out


def _unscored(prompt: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """A prompt without the nodes that score, and without what only reads scores. What the saved image depends on stays."""
    scoring = {node_id for node_id, node in prompt.items() if node["class_type"] == SCORE_IMAGE}
    if not scoring:
        return prompt

    def passed(value: Any) -> Any:
        while is_link(value) and value[0] in scoring and value[1] == 0:
            value = prompt[value[0]]["inputs"].get("image")
        return value

    out: Prompt = {
        node_id: {**node, "inputs": {name: passed(value) for name, value in node["inputs"].items()}}
        for node_id, node in prompt.items()
    }
    needed, todo = set[str](), nodes_of(out, SAVER)
    while todo:
        node_id = todo.pop()
        if node_id in out and node_id not in needed:
            needed.add(node_id)
            todo += [value[0] for value in out[node_id]["inputs"].values() if is_link(value)]
    gone = {reader for node_id in scoring for reader in (node_id, *descendants(out, node_id))} - needed
    out = {node_id: node for node_id, node in out.items() if node_id not in gone}
    unread = [node_id for node_id in nodes_of(out, LOAD_SCORER) if not descendants(out, node_id)]
    return {node_id: node for node_id, node in out.items() if node_id not in unread}


def pinned_literals(item: object) -> dict[str, Any] | None:
    """The literals of a planner that is set to one item (see ``WorkflowPin``), None when it plans a whole session.

    Raises ``bad-item`` for a text that is neither.
    """
    if not isinstance(item, str) or not item.strip():
        return None
    try:
        literals = json.loads(item)
    except ValueError as error:
        raise SDGenError("bad-item", f"the planner's item is no JSON: {error}") from error
    missing = [name for name in _FIRST_OUTPUTS if not isinstance(literals, dict) or name not in literals]
    if missing:
        raise SDGenError("bad-item", f"the planner's item lacks {', '.join(missing)}")
    return {**_LATER_OUTPUTS, **literals}


class WorkflowPin:
    """Sets the planner of a canvas workflow to one item, so that dragging the PNG back makes exactly this image.

    ``planner`` is the node id of the API prompt (``outer:inner`` inside subgraphs), ``position`` the place of the planner's
    ``item`` widget among its widget values. The planner is looked up once; a copy for an item shares everything but the way down
    to it. When it cannot be found the workflow stays as it is: an image with an unpinned workflow is better than no image.
    """

    def __init__(self, workflow: dict[str, Any], planner: str, position: int) -> None:
        self._workflow = workflow
        self._position = position
        self._path = _node_path(workflow, planner)

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The workflow with ``item`` (the literals of the planner's outputs, and what else identifies it) set."""
        if self._path is None:
            return self._workflow
        out = dict(self._workflow)
        parent: Any = out
        for key in self._path:
            parent[key] = copy.copy(parent[key])
            parent = parent[key]
        values = parent.get("widgets_values")
        if isinstance(values, dict):
            parent["widgets_values"] = {**values, "item": json.dumps(item)}
        else:
            values = list(values or ())
            values += [""] * (self._position + 1 - len(values))
            values[self._position] = json.dumps(item)
            parent["widgets_values"] = values
        return out


def _node_path(workflow: Mapping[str, Any], node_id: str) -> list[str | int] | None:
    """Keys that lead to a node of a canvas workflow; inside subgraphs the node lies in the subgraph's definition."""
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    prefix: list[str | int] = []
    scope: Any = workflow
    path: list[str | int] | None = None
    for part in node_id.split(":"):
        nodes = scope.get("nodes") if isinstance(scope, dict) else None
        if not isinstance(nodes, list):
            return None
        at = next((i for i, n in enumerate(nodes) if isinstance(n, dict) and str(n.get("id")) == part), None)
        if at is None:
            return None
        path = [*prefix, "nodes", at]
        inner = next((i for i, d in enumerate(subgraphs) if d.get("id") == nodes[at].get("type")), None)
        prefix = ["definitions", "subgraphs", inner] if inner is not None else []
        scope = subgraphs[inner] if inner is not None else None
    return path
