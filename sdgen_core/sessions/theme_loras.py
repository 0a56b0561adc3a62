"""A theme's LoRAs in a graph: core's own loaders, put right behind whatever gives the model and the text encoder.

So they act in any graph, also in those that know nothing of themes, and the prompt stored in the PNG makes the image again. Nothing is
asked of a node's class: a model's source is where following the inputs called ``model`` upwards from the sampler ends, a text encoder's
where following ``clip`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import SDGenError
from ..templates.resolved import Lora
from .compile import CompiledGraph, Prompt, first_sampler, is_link
from .parameters import files_called, find_file

_HINT = "Put the file into ComfyUI's models/loras, or correct its name in theme.yaml."


def checked_loras(theme: str | None, loras: Iterable[Lora], known: Sequence[str] | None) -> tuple[Lora, ...]:
    """The LoRAs by the names that ComfyUI's loaders have for them. ``known`` None: names are taken as they are.

    Raises ``missing-lora``, with the nearest names, and ``ambiguous-file``.
    """
    return tuple(replace(lora, name=_file(theme, lora.name, known)) for lora in loras)


def _file(theme: str | None, name: str, known: Sequence[str] | None) -> str:
    if known is None:
        return name
    try:
        return find_file("loras", name, known)
    except SDGenError as error:
        code = "ambiguous-file" if files_called(name, known) else "missing-lora"
        of = f"of the theme {theme!r}" if theme else "of the theme"
        hint = error.hint if code == "ambiguous-file" else _HINT
        message = f"the LoRA {of}: {error.message}"
        raise SDGenError(code, message, nearest=error.nearest, hint=hint) from error


def found_loras(loras: Iterable[Lora], known: Sequence[str] | None) -> tuple[Lora, ...]:
    """As :func:`checked_loras`, but a file that is gone keeps its name: ComfyUI says so of the item that needs it."""
    out = []
    for lora in loras:
        files = files_called(lora.name, known) if known is not None else []
        out.append(replace(lora, name=files[0]) if len(files) == 1 else lora)
    return tuple(out)


def pinned_loras(literals: Mapping[str, Any]) -> tuple[Lora, ...]:
    """The LoRAs of a planner that is set to one item. Raises ``bad-item`` for what is no list of them."""
    try:
        return tuple(Lora(str(entry["name"]), float(entry["strength"])) for entry in literals.get("loras", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise SDGenError("bad-item", "the planner's item has LoRAs without name or strength") from error


def with_loras(graph: CompiledGraph, loras: Sequence[Lora]) -> CompiledGraph:
    """``graph`` with ``loras`` applied to the model and text encoder of the saved image's first sampler, wherever these go.

    Raises ``bad-graph`` when no model can be found.
    """
    if not loras:
        return graph
    models, clips = _sources(graph.nodes, graph.saver)
    if not models:
        raise SDGenError(
            "bad-graph",
            "the theme's LoRA cannot be applied: no input called 'model' leads from the image's sampler to a loader",
            hint="Load the LoRA in the graph itself, or use a theme without one.",
        )
    added: Prompt = {}
    moved: dict[tuple[str, int], list[Any]] = {}
    for number, model in enumerate(models):
        clip = clips if number == 0 else []  # a text encoder serves all models; it is patched once
        heads = [list(model), *(list(one) for one in clip[:1])]
        for lora in loras:
            node_id = _free(graph.nodes, added)
            added[node_id] = _loader(lora, heads)
            heads = [[node_id, slot] for slot in range(len(heads))]
        moved[model] = heads[0]
        if clip:
            moved[clip[0]] = heads[1]
    nodes = {node_id: _relinked(node, moved) for node_id, node in graph.nodes.items()}
    return replace(graph, nodes={**nodes, **added})


def _sources(nodes: Prompt, saver: str) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The outputs that models and text encoders of the first sampler come from, each once."""
    models: dict[tuple[str, int], None] = {}
    clips: dict[tuple[str, int], None] = {}
    sampler = first_sampler(nodes, saver)
    seen, todo = {sampler}, [sampler]
    while todo:
        inputs = nodes[todo.pop(0)]["inputs"]
        for name, value in inputs.items():
            if not is_link(value) or value[0] not in nodes:
                continue
            for wanted, found in (("model", models), ("clip", clips)):
                if name == wanted and not is_link(nodes[value[0]]["inputs"].get(wanted)):
                    found[value[0], int(value[1])] = None
            if value[0] not in seen:
                seen.add(value[0])
                todo.append(value[0])
    return list(models), list(clips)


def _loader(lora: Lora, heads: Sequence[Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = {"lora_name": lora.name, "strength_model": lora.strength, "model": heads[0]}
    if len(heads) > 1:
        inputs |= {"strength_clip": lora.strength, "clip": heads[1]}
    kind = "LoraLoader" if len(heads) > 1 else "LoraLoaderModelOnly"
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": "LoRA of the theme"}}


def _free(nodes: Prompt, added: Prompt) -> str:
    """A node id that nobody has, neither here nor on the canvas, where ids are numbers: no other node shows this one's progress."""
    number = len(added) + 1
    while (node_id := f"theme-lora-{number}") in nodes or node_id in added:
        number += 1
    return node_id


def _relinked(node: dict[str, Any], moved: dict[tuple[str, int], list[Any]]) -> dict[str, Any]:
    inputs = node["inputs"]
    changed = {
        name: moved[value[0], int(value[1])]
        for name, value in inputs.items()
        if is_link(value) and (value[0], int(value[1])) in moved
    }
    return {**node, "inputs": {**inputs, **changed}} if changed else node
