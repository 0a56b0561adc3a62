"""What happens when a prompt is posted: a press of Run makes ComfyUI execute the planner only.

Without this handler everything still works (the planner blocks what is behind it), but the checkpoint would be loaded for
nothing. A prompt without a planner, such as a session's own items, is never touched.
"""

from __future__ import annotations

import logging
from typing import Any

from ..errors import SDGenError
from ..sessions.compile import PLANNER, compile_graph, descendants, nodes_of, pinned_literals
from ..sessions.theme_loras import pinned_loras, with_loras

log = logging.getLogger("sdgen")


def on_prompt(data: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's on-prompt hook: ``data`` is the posted JSON. Errors are left for the planner node, which can show them."""
    prompt = data.get("prompt")
    if not isinstance(prompt, dict):
        return data
    try:
        planners = nodes_of(prompt, PLANNER)
    except (KeyError, TypeError):
        return data  # ComfyUI's own validation says what is wrong with it
    if not planners:
        return data
    try:
        literals = pinned_literals(prompt[planners[0]]["inputs"].get("item")) if len(planners) == 1 else None
        if literals is not None:
            shown = f"{literals.get('session', '')}/{literals.get('index', '')}"
            graph = with_loras(compile_graph(prompt, planners[0]), pinned_loras(literals))
            return {**data, "prompt": graph.child(literals, shown=shown)}
    except SDGenError as error:
        log.warning("SDGen: %s", error)
    behind = {p: descendants(prompt, p) for p in planners}
    # What does not wait for a session runs as ever; of "run this node" only what needs a planner is turned into its session.
    wanted = set(data.get("partial_execution_targets") or prompt)
    planners = [p for p in planners if not (behind[p] | {p}).isdisjoint(wanted)]
    others = wanted.difference(planners, *behind.values())
    return {**data, "partial_execution_targets": [n for n in prompt if n in others or n in planners]}
