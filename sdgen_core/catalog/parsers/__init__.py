"""How an image was made, from the texts in its file: one small pure function a program, ``chunks → ImageFacts | None``.

``chunks`` are the texts under their PNG keywords, as ``catalog.headers.read_header`` gives them. No function here raises for anything
that stands in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .a1111 import parse_a1111
from .comfyui import parse_comfyui, read_graph, trace
from .facts import ImageFacts
from .graph import Graph
from .invokeai import parse_invokeai
from .sdgen import parse_sdgen

__all__ = ["ImageFacts", "parse", "parse_a1111", "parse_comfyui", "parse_invokeai", "parse_sdgen"]

#: Settings that SDGen's planner offers, and the inputs of nodes that take them.
_OFFERED: Mapping[str, str] = {
    "steps": "steps",
    "sampler": "sampler_name",
    "scheduler": "scheduler",
    "cfg": "cfg",
    "denoise": "denoise",
    "width": "width",
    "height": "height",
}


def parse(chunks: Mapping[str, str]) -> ImageFacts:
    """All facts of an image, from every record that its file has.

    The record that says most about its own image leads, the next ones complete it: SDGen's (it alone knows the session and the values
    of placeholders), InvokeAI's (it writes no other), ComfyUI's graph (what really ran), A1111's text last: in a file of ComfyUI a save
    node wrote it from whatever was wired to it, but it alone has hashes, and is read where the graph's nodes are unknown.
    """
    graph = read_graph(chunks)
    traced = trace(graph)
    record = parse_sdgen(chunks)
    if record is not None:  # the text beside it was written from it, and has nothing more
        return _as_run(record, traced, graph).completed(traced) if traced is not None else record
    facts = ImageFacts()
    for found in (parse_invokeai(chunks), traced, parse_a1111(chunks)):
        if found is not None:
            facts = facts.completed(found) if facts.source else found
    return facts


def _as_run(record: ImageFacts, traced: ImageFacts, graph: Graph) -> ImageFacts:
    """SDGen's record with what ran. The record has what the planner offered, and a graph need not take it: its sampler may have
    steps of its own, its LoRAs be others. What some node did take stands, be it of a later pass: a sweep over it shows there.
    """
    ran: dict[str, Any] = {"loras": traced.loras, "vae": traced.vae or record.vae}
    for name, taken_as in _OFFERED.items():
        offered, found = getattr(record, name), getattr(traced, name)
        if found is not None and not any(node.inputs.get(taken_as) == offered for node in graph.nodes.values()):
            ran[name] = found
    return replace(record, **ran)
