"""ComfyUI's canvas (the ``workflow`` chunk) as far as it can be read without the definitions of its nodes.

Only for files that have lost their ``prompt`` chunk. Links are all there; the values of widgets are a bare list, whose names newer
canvases say with the inputs (``widget``) and for older ones this table has for core's most used nodes. Muted nodes are left out,
bypassed ones and reroutes are seen through. Subgraphs are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .facts import as_map
from .graph import Graph, Node

_NEVER, _BYPASS = 2, 4
_AFTER_SEED = frozenset({"fixed", "increment", "decrement", "randomize"})
_DEPTH = 50

#: Core's widgets in their order, without the one that the browser puts behind a seed.
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
        "return_with_leftover_noise",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "FluxGuidance": ("guidance",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "StringConcatenate": ("string_a", "string_b", "delimiter"),
}  # fmt: skip


def canvas_graph(workflow: Mapping[str, Any]) -> Graph:
    """The graph of a canvas of either format (links as lists or as maps); empty when it is none."""
    found = workflow.get("nodes")
    boxes = {str(n.get("id")): n for n in found if isinstance(n, dict)} if isinstance(found, list) else {}
    links = dict(_links(workflow.get("links")))
    nodes: dict[str, Node] = {}
    for node_id, box in boxes.items():
        if box.get("mode") in (_NEVER, _BYPASS) or box.get("type") in (
            "Reroute",
            "PrimitiveNode",
            "Note",
            "MarkdownNote",
        ):
            continue
        inputs = _widget_values(box)
        for port in _ports(box):
            origin = _origin(boxes, links, port.get("link"))
            if origin is not None and isinstance(port.get("name"), str):
                inputs[port["name"]] = origin
        nodes[node_id] = Node(str(box.get("type", "")), inputs)
    return Graph(nodes)


def _links(links: object) -> Iterator[tuple[str, tuple[str, int]]]:
    """Link id → (node, output) that it comes from."""
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if isinstance(link, list) and len(link) >= 3 and isinstance(link[2], int):
            yield str(link[0]), (str(link[1]), link[2])


def _ports(box: Mapping[str, Any]) -> list[dict[str, Any]]:
    ports = box.get("inputs")
    return [as_map(port) for port in ports] if isinstance(ports, list) else []


def _origin(boxes: Mapping[str, Any], links: Mapping[str, tuple[str, int]], link: object) -> list[Any] | None:
    """``[node, output]`` behind a link. A primitive's is None: its value stands in the widget that it drives."""
    for _ in range(_DEPTH):
        node_id, slot = links.get(str(link), ("", 0))
        box = boxes.get(node_id)
        if box is None or box.get("type") == "PrimitiveNode" or box.get("mode") == _NEVER:
            return None
        if box.get("mode") != _BYPASS and box.get("type") != "Reroute":
            return [node_id, slot]
        outputs = box.get("outputs")
        kind = as_map(outputs[slot]).get("type") if isinstance(outputs, list) and 0 <= slot < len(outputs) else None
        ports = _ports(box)
        through = ports if box.get("type") == "Reroute" else [p for p in ports if p.get("type") == kind]
        link = through[0].get("link") if through else None
    return None


def _widget_values(box: Mapping[str, Any]) -> dict[str, Any]:
    values = box.get("widgets_values")
    if isinstance(values, dict):
        return dict(values)
    if not isinstance(values, list):
        return {}
    names = _WIDGETS.get(str(box.get("type"))) or tuple(
        name for port in _ports(box) if isinstance(name := as_map(port.get("widget")).get("name"), str)
    )
    out: dict[str, Any] = {}
    rest = list(values)
    for name in names:
        if not rest:
            break
        out[name] = rest.pop(0)
        if name in ("seed", "noise_seed") and rest and isinstance(rest[0], str) and rest[0] in _AFTER_SEED:
            rest.pop(0)
    return out
