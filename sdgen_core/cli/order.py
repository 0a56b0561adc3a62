"""What an order is made of, and following it: what `generate`, `batch` and `demo` share."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..comfy.client import ComfyClient
from ..errors import SDGenError, shown
from ..sessions.compile import PLANNER, Prompt, check_prompt, compile_graph, nodes_of
from ..sessions.mix import Mix, plan_of
from ..templates import Options, load_template, parse_seed_spec, parse_theme_spec
from ..templates.library import DISTRIBUTIONS, ChosenTemplate
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
