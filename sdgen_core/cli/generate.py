"""`sdgen generate`: a template becomes a session in a running ComfyUI, followed to its end.

The template is resolved here and sent whole, so the server needs none of its files. The session belongs to the server: it goes on
when this command is killed, and Ctrl-C pauses it.
"""

from __future__ import annotations

import json as jsonlib
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..comfy.client import ComfyClient, failure
from ..errors import SDGenError, shown
from ..sessions.compile import PLANNER, SEED_SWEEP, TEMPLATE, Prompt, check_prompt, compile_graph, nodes_of
from ..sessions.plan import Plan
from ..sessions.service import ON_EXISTING
from ..templates import (
    Options,
    ResolvedTemplate,
    load_template,
    parse_choice_spec,
    parse_fixed_spec,
    parse_seed_spec,
)
from ..templates.library import TEXT_BELOW
from .choosing import chosen
from .connection import Remote, server_url
from .output import counted, fail, print_json, reporting, session_table

#: The graph used when none is named: text to image.
DEFAULT_WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "api" / "txt2img_session.json"

_POLL = 0.5  # s between looks at a session


@reporting
def generate(
    file: Annotated[
        Path | None, typer.Argument(help="A *.prompt.yaml file; on a terminal it can be chosen from a list.")
    ] = None,
    workflow: Annotated[
        Path | None, typer.Option("--workflow", help="Workflow with an SDGen Session Plan; canvas or API form.")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="Address of ComfyUI, else SDGEN_SERVER, else port 8188 here.")
    ] = None,
    session_name: Annotated[str, typer.Option("--session-name", help="Name of the session and its files.")] = "",
    count: Annotated[int | None, typer.Option("--count", min=1, help="Make only the first N images.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=-1, help="Images at most, in place of max_images; -1: all.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Every combination with each seed: 1-4, 7,42 or 20#1000.")
    ] = None,
    use_fixed: Annotated[
        str | None, typer.Option("--use-fixed", help="Placeholders set to one value: Name:key|Name2:key.")
    ] = None,
    choose: Annotated[
        str, typer.Option("--choose", help='Values to take, in place of the selectors: "Name[Key,Key]; Other[#0-2]".')
    ] = "",
    theme: Annotated[str | None, typer.Option("--theme", help="Theme of the template.")] = None,
    theme_file: Annotated[Path | None, typer.Option("--theme-file", help="Theme file to use.")] = None,
    style: Annotated[str | None, typer.Option("--style", help="Style within the theme.")] = None,
    variation_seed: Annotated[
        int | None, typer.Option("--variation-seed", min=0, help="Seed of the random choices.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Checkpoint to use in place of the workflow's.")
    ] = None,
    on_existing: Annotated[
        str, typer.Option("--on-existing", help=f"When the same order exists: {', '.join(ON_EXISTING)}.")
    ] = "resume",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only: show what would be made.")] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Choose theme, style and values from lists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the session as JSON at the end.")] = False,
) -> None:
    """Make a session of a template in a running ComfyUI."""
    fixed = parse_fixed_spec(use_fixed) if use_fixed else {}
    options = Options(theme=theme, theme_file=theme_file, style=style, fixed=fixed, choices=parse_choice_spec(choose))
    limit = limit or None  # 0 is "as written", here as in the node
    sweep = parse_seed_spec(seeds) if seeds else None

    def planned(resolved: ResolvedTemplate) -> Plan:
        return Plan.build(resolved, seeds=sweep, count=count, limit=limit, variation_seed=variation_seed)

    file, options = chosen(file, options, interactive, planned)
    resolved = load_template(file, options)
    plan = planned(resolved)
    if not plan.count:
        raise SDGenError("empty-plan", f"the plan of {resolved.name!r} is empty: 0 images")
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if dry_run:
        _show_plan(plan, json)
        return
    client = ComfyClient(server_url(server))
    graph = _load_workflow(workflow or DEFAULT_WORKFLOW, client)
    document = resolved.to_json()
    if variation_seed is not None:
        document["generation"]["variation_seed"] = variation_seed
    planner = nodes_of(graph, PLANNER)[0]
    graph = _order(graph, planner, document, limit=limit or 0, seeds=seeds)
    graph[planner]["inputs"] |= {"name": session_name, "on_existing": on_existing, "count": count or 0, "item": ""}
    if checkpoint:
        _set_checkpoint(graph, checkpoint)
    session = submit(client, graph, planner)
    for warning in session["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    status = follow(Remote(client), session, quiet=json)
    if json:
        print_json(status)
    else:
        session_table(status)
    if status["state"] != "completed":
        fail(1)


def _show_plan(plan: Plan, json: bool) -> None:
    items = [plan.item(n) for n in range(min(3, plan.count))]
    if json:
        first = [
            {"index": i.index, "prompt": i.prompt, "negative": i.negative, "seed": i.requested_seed} for i in items
        ]
        print_json({"name": plan.resolved.name, **plan.summary(), "first": first})
        return
    print(f"{plan.resolved.name}: {counted(plan.count, 'image')}")
    for placeholder in plan.summary()["placeholders"]:
        print(f"  {placeholder['name']}: {placeholder['selected']} of {placeholder['available']}")
    for item in items:
        print(f"{item.index:04d}  seed {item.requested_seed}  {' '.join(item.prompt.split())}")


def _load_workflow(path: Path, client: ComfyClient) -> Prompt:
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


def _order(graph: Prompt, planner: str, document: dict[str, Any], *, limit: int, seeds: str | None) -> Prompt:
    """The graph with the template (and seeds) of this order in place of those it was saved with."""
    out = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in graph.items()}
    inputs = out[planner]["inputs"]
    text = jsonlib.dumps(document)
    template = {"file": TEXT_BELOW, "text": text, "theme": "", "style": "", "mode": "as written", "limit": limit}
    out["sdgen_template"] = {"class_type": TEMPLATE, "inputs": template}
    inputs["template"] = ["sdgen_template", 0]
    inputs.pop("sweep", None)
    if seeds:
        out["sdgen_seeds"] = {"class_type": SEED_SWEEP, "inputs": {"seeds": seeds}}
        inputs["sweep"] = ["sdgen_seeds", 0]
    return out


def _set_checkpoint(graph: Prompt, checkpoint: str) -> None:
    loaders = [node for node in graph.values() if isinstance(node["inputs"].get("ckpt_name"), str)]
    if not loaders:
        raise SDGenError("bad-graph", "the workflow has no checkpoint loader to set --checkpoint in")
    for node in loaders:
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


def follow(sessions: Remote, session: dict[str, Any], *, quiet: bool = False) -> dict[str, Any]:
    """Show a session's progress until it no longer runs; gives its last status. Ctrl-C pauses it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, quiet=quiet)
    status = session
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(session["name"], total=session["planned"], completed=session["done"], more="")
            while True:
                status = sessions.show(session["id"])
                more = f"{status['failed']} failed" if status["failed"] else ""
                progress.update(
                    task,
                    completed=status["done"] + status["failed"] + status["skipped"],
                    total=status["planned"],
                    more=more,
                )
                if status["state"] != "running":
                    break
                time.sleep(_POLL)
    except KeyboardInterrupt:
        try:
            sessions.act(session["id"], "pause")
            print(f"paused; go on with: sdgen sessions resume {session['id']}", file=sys.stderr)
        except SDGenError as error:  # it ended in this moment, or the server is gone
            print(f"not paused: {error}", file=sys.stderr)
        fail(130)
    if status["state"] == "paused":
        print(f"paused: {status['reason']}; go on with: sdgen sessions resume {status['id']}", file=sys.stderr)
    return status
