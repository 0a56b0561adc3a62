"""The model behind a sampler, and the LoRAs on the way to it, traced through ComfyUI's graph."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .a1111 import tag_loras
from .facts import as_int, as_number, file_title
from .graph import Graph, Node

Loras = list[tuple[str, float | None]]

#: Inputs that name the model's file; some packs write a map with the name in ``content``.
_FILES = ("ckpt_name", "unet_name", "base_ckpt_name", "model_name", "model_path", "checkpoint")
_MODELS = ("model", "model1", "model_a", "unet", "MODEL", "pipe", "basic_pipe", "context", "base_ctx", "any")
_STRENGTHS = ("strength_model", "lora_model_strength", "model_strength", "strength", "lora_strength", "weight")
_NUMBERED = re.compile(r"(?:lora|lora_name)_?(\d{1,2})")
_NUMBERED_STRENGTHS = ("strength_", "model_weight_", "model_str_", "lora_wt_", "strength_model_", "lora_strength_")
_STEPS = 80


def trace_model(graph: Graph, value: object) -> tuple[str | None, tuple[tuple[str, float | None], ...]]:
    """(title of the model's file, LoRAs in the order applied) behind a model link; of merged models the first."""
    loras: Loras = []
    for _ in range(_STEPS):
        link = graph.link(value)
        if link is None:
            return None, tuple(loras)
        node = link.node
        loras = [*_loras(graph, node), *loras]
        for name in _FILES:
            entry = node.inputs.get(name)
            title = file_title(entry.get("content") if isinstance(entry, dict) else graph.text(entry))
            if title:
                return title, tuple(loras)
        value = graph.chosen(node) or graph.onward(node, _MODELS)
    return None, tuple(loras)


def _loras(graph: Graph, node: Node) -> Iterator[tuple[str, float | None]]:
    """The LoRAs that one node applies, also those of a stack that is linked to it."""
    for _ in range(_STEPS):
        yield from _own_loras(graph, node)
        link = graph.link(node.inputs.get("lora_stack", node.inputs.get("optional_lora_stack")))
        if link is None:
            return
        node = link.node


def _own_loras(graph: Graph, node: Node) -> Iterator[tuple[str, float | None]]:
    inputs = node.inputs
    count = as_int(inputs.get("lora_count"), 0, 99)
    for name, value in inputs.items():
        strength: float | None
        if name == "lora_name":
            title, strength = file_title(graph.text(value)), graph.number(node, *_STRENGTHS)
        elif isinstance(value, dict):  # a row of rgthree's Power Lora Loader
            title = file_title(value.get("lora")) if value.get("on", True) else None
            strength = as_number(value.get("strength"))
        elif match := _NUMBERED.fullmatch(name):
            number = match[1]
            off = inputs.get(f"switch_{number}") == "Off" or (count is not None and int(number) > count)
            title = None if off else file_title(graph.text(value))
            strength = graph.number(node, *(prefix + number for prefix in _NUMBERED_STRENGTHS))
        else:
            continue
        if title and strength != 0:
            yield title, strength
    if "model" in inputs and "clip" in inputs and inputs.get("loras") != "leave out":  # an encoder that reads LoRA tags
        text = graph.text(inputs.get("populated_text", inputs.get("text")))
        if text and "<lora:" in text:
            yield from tag_loras(text)
