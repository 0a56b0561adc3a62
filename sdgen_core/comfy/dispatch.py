"""What happens when a prompt is posted: a press of Run makes ComfyUI execute the planner only.

Without this handler everything still works (the planner blocks what is behind it), but the checkpoint would be loaded for
nothing. A prompt without a planner, such as a session's own items, is never touched.
"""

from __future__ import annotations

import logging
from typing import Any

from ..errors import SDGenError
from ..sessions.compile import PLANNER, compile_graph, descendants, nodes_of, pinned_literals

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
            return {**data, "prompt": compile_graph(prompt, planners[0]).child(literals)}
    except SDGenError as error:
        log.warning("SDGen: %s", error)
    targets = data.get("partial_execution_targets")
    if targets:
        # "Run this node": ours only when the node chosen is a planner or needs one.
        planners = [p for p in planners if not descendants(prompt, p).union({p}).isdisjoint(targets)]
        if not planners:
            return data
    return {**data, "partial_execution_targets": planners}
