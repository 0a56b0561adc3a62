"""`sdgen generate`: a template becomes a session in a running ComfyUI, followed to its end.

The template is resolved here and sent whole, so the server needs none of its files. The session belongs to the server: it goes on
when this command is killed, and Ctrl-C pauses it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..comfy.client import ComfyClient
from ..comfy.press import Order, place
from ..errors import SDGenError
from ..sessions.mix import Mix
from ..sessions.ordering import ON_EXISTING
from ..sessions.plan import Plan
from ..sessions.service import duration
from ..templates import (
    Options,
    ResolvedTemplate,
    parse_choice_spec,
    parse_fixed_spec,
    parse_seed_spec,
)
from ..templates.library import DISTRIBUTIONS
from .choosing import chosen
from .connection import Remote, server_url
from .graph_choice import described
from .images import with_images
from .order import attend, chosen_template, graph_for, load_workflow, plan_order
from .output import counted, fail, print_json, reporting, session_table


@reporting
def generate(
    file: Annotated[
        Path | None, typer.Argument(help="A *.prompt.yaml file; on a terminal it can be chosen from a list.")
    ] = None,
    workflow: Annotated[
        Path | None,
        typer.Option(
            "--workflow",
            help="Workflow with an SDGen Session Plan; canvas or API form. Else the parameters choose one.",
        ),
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
    themes: Annotated[
        str,
        typer.Option(
            "--themes", help="Several themes that share the images: gala:2,cyberpunk:1; a style as gala/dark."
        ),
    ] = "",
    distribution: Annotated[
        str, typer.Option("--distribution", help=f"How they share: {', '.join(DISTRIBUTIONS)}.")
    ] = DISTRIBUTIONS[0],
    style: Annotated[str | None, typer.Option("--style", help="Style within the theme.")] = None,
    variation_seed: Annotated[
        int | None, typer.Option("--variation-seed", min=0, help="Seed of the random choices.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Checkpoint to use in place of the workflow's.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, max=64, help="Images that go through the sampler at once.")
    ] = None,
    on_existing: Annotated[
        str, typer.Option("--on-existing", help=f"When the same order exists: {', '.join(ON_EXISTING)}.")
    ] = "resume",
    extend: Annotated[
        str, typer.Option("--extend", help="Add what this session (id, name or folder name) lacks of the order.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only: show what would be made.")] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Choose theme, style and values from lists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the session as JSON at the end.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print the session as a JSON line at every change.")] = False,
) -> None:
    """Make a session of a template in a running ComfyUI."""
    if themes and (theme or theme_file):
        raise SDGenError("bad-option", "--themes excludes --theme and --theme-file")
    fixed = parse_fixed_spec(use_fixed) if use_fixed else {}
    options = Options(theme=theme, theme_file=theme_file, style=style, fixed=fixed, choices=parse_choice_spec(choose))
    limit = limit or None  # 0 is "as written", here as in the node
    sweep = parse_seed_spec(seeds) if seeds else None

    def planned(resolved: ResolvedTemplate) -> Plan:
        return Plan.build(resolved, seeds=sweep, count=count, limit=limit, variation_seed=variation_seed)

    file, options = chosen(file, options, interactive, planned)
    order = chosen_template(
        file, options, themes=themes, distribution=distribution, limit=limit, variation_seed=variation_seed
    )
    plan = plan_order(order, seeds, count)
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if dry_run:
        _show_plan(plan, json)
        return
    client = ComfyClient(server_url(server))
    order = with_images(order, file.parent, client)
    if workflow:
        graph = load_workflow(workflow, client)
    else:
        graph, choice = graph_for(order, client)
        for warning in choice.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        if not (json or jsonl):
            print(f"graph: {described(choice.recipe)}", file=sys.stderr)
    if extend:
        session_name, on_existing = Remote(client).show(extend)["id"], "extend"
    wanted = Order(order, session_name, on_existing, count, seeds, checkpoint, batch)
    session = place(client, graph, wanted)
    for warning in session["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    if not (json or jsonl) and session.get("seconds"):
        print(f"about {duration(session['seconds'])}, as session {session['like']} went", file=sys.stderr)
    status = attend(Remote(client), session, quiet=json, lines=jsonl)
    if json:
        print_json(status)
    elif not jsonl:
        session_table(status)
    if status["state"] != "completed":
        fail(1)


def _show_plan(plan: Mix, json: bool) -> None:
    items = [(n, plan.item(n)) for n in range(min(3, plan.count))]
    if json:
        first = [{"index": n, "prompt": i.prompt, "negative": i.negative, "seed": i.requested_seed} for n, i in items]
        print_json({**plan.summary(), "first": first})
        return
    print(f"{plan.summary()['name']}: {counted(plan.count, 'image')}")
    for placeholder in plan.summary()["placeholders"]:
        print(f"  {placeholder['name']}: {placeholder['selected']} of {placeholder['available']}")
    for theme in plan.summary().get("themes", ()):
        print(f"  theme {theme['theme']}: {counted(theme['images'], 'image')}")
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for n, item in items:
        print(f"{n:04d}  seed {item.requested_seed}  {' '.join(item.prompt.split())}")
