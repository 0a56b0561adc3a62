"""Handing an order to a running ComfyUI, as a press of Run on its workflow."""

from __future__ import annotations

import json as jsonlib
import time
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError
from ..sessions.compile import PLANNER, SEED_SWEEP, TEMPLATE, Prompt, compile_graph, is_link, nodes_of
from ..templates.library import TEXT_BELOW, ChosenTemplate
from .client import ComfyClient, failure


@dataclass(frozen=True)
class Order:
    """What one session is to be made of. ``seeds`` as in ``parse_seed_spec``; ``name`` may be an older session's id, ``batch`` how
    many images go through the sampler at once (None: as the workflow says)."""

    chosen: ChosenTemplate
    name: str = ""
    on_existing: str = "resume"
    count: int | None = None
    seeds: str | None = None
    checkpoint: str | None = None
    batch: int | None = None


def place(client: ComfyClient, graph: Prompt, order: Order) -> dict[str, Any]:
    """Press Run on ``graph`` with this order in place of the one it was saved with; gives the planner's report.

    Raises what the server has against graph or template.
    """
    planner = nodes_of(graph, PLANNER)[0]
    out = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in graph.items()}
    inputs = out[planner]["inputs"]
    text = jsonlib.dumps(order.chosen.to_json())
    template = {"file": TEXT_BELOW, "text": text, "theme": "", "style": "", "mode": "as written"}
    out["sdgen_template"] = {"class_type": TEMPLATE, "inputs": {**template, "limit": order.chosen.limit or 0}}
    inputs["template"] = ["sdgen_template", 0]
    inputs.pop("sweep", None)
    if order.seeds:
        out["sdgen_seeds"] = {"class_type": SEED_SWEEP, "inputs": {"seeds": order.seeds}}
        inputs["sweep"] = ["sdgen_seeds", 0]
    inputs |= {"name": order.name, "on_existing": order.on_existing, "count": order.count or 0, "item": ""}
    if order.batch is not None:
        inputs["batch"] = order.batch
    if order.checkpoint:
        _set_checkpoint(out, order.checkpoint)
    return submit(client, out, planner)


def _set_checkpoint(graph: Prompt, checkpoint: str) -> None:
    planners = [graph[node_id] for node_id in nodes_of(graph, PLANNER)]
    for node in planners:
        node["inputs"]["checkpoint"] = checkpoint
    if any(is_link(node["inputs"].get("ckpt_name")) for node in graph.values()):
        return  # the planner gives it
    main = compile_graph(graph, nodes_of(graph, PLANNER)[0]).checkpoint
    loaders = [node for node in graph.values() if node["inputs"].get("ckpt_name") == main]
    if main is None or not loaders:
        raise SDGenError("bad-graph", "the workflow has no checkpoint loader to set --checkpoint in")
    for node in loaders:  # others, of detectors and later passes, keep theirs
        node["inputs"]["ckpt_name"] = checkpoint


def submit(client: ComfyClient, graph: Prompt, planner: str) -> dict[str, Any]:
    """Press Run: queue the graph once and wait for the planner's word."""
    try:
        prompt_id = client.queue_prompt({"prompt": graph, "client_id": "sdgen-cli"})
    except SDGenError as error:
        if error.code == "rejected-prompt" and "SDGen" in str(error) and "does not exist" in str(error):
            raise SDGenError("no-pack", f"the ComfyUI at {client.url} has no SDGen nodes") from error
        raise
    entry = _entry(client, prompt_id)
    fate = failure(entry)
    if fate is not None:
        raise SDGenError("node-error", fate[1])
    try:
        report: dict[str, Any] = entry["outputs"][planner]["sdgen"][0]
    except (KeyError, IndexError) as error:
        raise SDGenError("not-saved", "ComfyUI ran the workflow without running the SDGen Session Plan node") from error
    client.forget([prompt_id])
    return report


def _entry(client: ComfyClient, prompt_id: str) -> dict[str, Any]:
    """The history of the press, once it has ended. Raises ``node-error`` when somebody took it out of the queue."""
    pause = 0.05
    while True:
        there = prompt_id in client.queued_ids()  # asked first: what ends in between is found in the history
        entry = client.history(prompt_id)
        if entry is not None:
            return entry
        if not there:
            raise SDGenError("node-error", "the order was taken out of ComfyUI's queue before it was planned")
        time.sleep(pause)
        pause = min(1.2 * pause, 1.0)  # behind others' prompts it may stand for hours
