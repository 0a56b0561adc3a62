"""Handing an order to a running ComfyUI and following it: what `generate`, `batch` and `demo` share."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..comfy.client import ComfyClient, failure
from ..errors import SDGenError, shown
from ..sessions.compile import PLANNER, SEED_SWEEP, TEMPLATE, Prompt, check_prompt, compile_graph, is_link, nodes_of
from ..sessions.mix import Mix, plan_of
from ..templates import Options, load_template, parse_seed_spec, parse_theme_spec
from ..templates.library import DISTRIBUTIONS, TEXT_BELOW, ChosenTemplate
from .connection import Remote
from .graph_choice import Choice, choose
from .graph_inputs import Offers
from .graphs import build
from .output import fail
from .progress import follow


def load_workflow(path: Path, client: ComfyClient) -> Prompt:
    """The workflow in API form with exactly one planner that leads to a save node. Canvas files are converted."""
    try:
        graph = jsonlib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"there is no workflow {shown(path)}") from error
    except (OSError, ValueError) as error:
        raise SDGenError("bad-graph", f"{shown(path)} is no workflow: {error}") from error
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        from ..comfy.workflow import to_api

        graph = to_api(graph, client.get("/object_info"))
    graph = check_prompt(graph)
    planners = nodes_of(graph, PLANNER)
    if len(planners) != 1:
        found = "no" if not planners else str(len(planners))
        raise SDGenError("no-planner", f"{shown(path)} has {found} SDGen Session Plan nodes; it needs one")
    compile_graph(graph, planners[0])
    return graph


def graph_for(chosen: ChosenTemplate, client: ComfyClient) -> tuple[Prompt, Choice]:
    """The graph that the template's parameters ask for, and in words what it is. Raises what ``choose`` raises."""
    choice = choose(chosen.resolved, Offers(client))
    return build(choice.recipe).prompt, choice


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
    while True:
        there = prompt_id in client.queued_ids()  # asked first: what ends in between is found in the history
        entry = client.history(prompt_id)
        if entry is not None:
            return entry
        if not there:
            raise SDGenError("node-error", "the order was taken out of ComfyUI's queue before it was planned")
        time.sleep(0.05)


def attend(sessions: Remote, session: dict[str, Any], *, quiet: bool = False, lines: bool = False) -> dict[str, Any]:
    """Follow a session of one's own; Ctrl-C pauses it. Gives its last status."""
    try:
        (status,) = follow(sessions, [session], quiet=quiet, lines=lines)
    except KeyboardInterrupt:
        try:
            sessions.act(session["id"], "pause")
            print(f"paused; go on with: sdgen sessions resume {session['id']}", file=sys.stderr)
        except SDGenError as error:  # it ended in this moment, or the server is gone
            print(f"not paused: {error}", file=sys.stderr)
        fail(130)
    if status["state"] == "paused":
        again = "retry" if status["failed"] else "resume"
        print(f"paused: {status['reason']}\n  sdgen sessions {again} {status['id']}", file=sys.stderr)
    return status


def chosen_template(
    file: Path,
    options: Options,
    *,
    themes: str = "",
    distribution: str = DISTRIBUTIONS[0],
    limit: int | None = None,
    variation_seed: int | None = None,
) -> ChosenTemplate:
    """The template, once for each of ``themes`` (as in ``parse_theme_spec``). Raises what loading raises."""
    shares = parse_theme_spec(themes)
    every = [replace(options, theme=t.theme, style=t.style or options.style) for t in shares] or [options]
    templates = [load_template(file, each) for each in every]
    if variation_seed is not None:
        templates = [replace(t, generation=replace(t.generation, variation_seed=variation_seed)) for t in templates]
    return ChosenTemplate(tuple(templates), limit, tuple(t.share for t in shares) or (1,), distribution)


def plan_order(chosen: ChosenTemplate, seeds: str | None, count: int | None) -> Mix:
    """The plan of an order. Raises ``empty-plan`` when nothing is left to make."""
    plan = plan_of(chosen, seeds=parse_seed_spec(seeds) if seeds else None, count=count)
    if not plan.count:
        raise SDGenError("empty-plan", f"the plan of {chosen.resolved.name!r} is empty: 0 images")
    return plan
