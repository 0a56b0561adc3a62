"""What a template offers and what it would make, before anything runs: themes, values, counts, total, the first prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..sessions.estimate import foretold
from ..sessions.mix import Mix, plan_of
from ..sessions.parameters import Parameters
from ..templates import parse_seed_spec
from ..templates.library import TemplateLibrary, TemplateQuery
from ..templates.space import left_out, written_selectors
from ..templates.syntax import parse_selector

if TYPE_CHECKING:
    from ..sessions.service import Sessions

_TEXTS = ("file", "text", "theme", "style", "mode", "choices", "distribution")
_FIRST = 3


def preview(library: TemplateLibrary, body: dict[str, Any], sessions: Callable[[], Sessions]) -> dict[str, Any]:
    """The plan's summary and its first prompts. Raises the template's own errors and ``bad-request``.

    With ``planner`` (the planner node's ``width``, ``height``, ``steps`` and ``checkpoint``, and the ``graph_checkpoint`` that its
    graph loads) also the estimate of an order: model loads, seconds, and the session it is judged by; then ``bad-parameter``, too.
    """
    chosen = library.choose(_query(body, limit=_number(body, "limit")))
    seeds = parse_seed_spec(str(body["seeds"])) if body.get("seeds") else None
    plan = plan_of(chosen, seeds=seeds, count=_number(body, "count") or None)
    first = [plan.item(n) for n in range(min(plan.count, _FIRST))]
    return {
        "name": chosen.resolved.name,
        **plan.summary(),
        "warnings": [library.named(warning) for warning in plan.warnings],
        "left_out": sorted(frozenset.intersection(*(left_out(t) & set(t.values) for t in chosen.templates))),
        **(_cost(sessions(), plan, body["planner"]) if "planner" in body else {}),
        "first": [
            {"prompt": i.prompt, "negative": i.negative, "seed": i.requested_seed, "keys": i.keys} for i in first
        ],
    }


def _cost(sessions: Sessions, plan: Mix, planner: object) -> dict[str, Any]:
    if not isinstance(planner, dict):
        raise SDGenError("bad-request", "planner must be a map of the planner's values")
    usual = Parameters()
    defaults = Parameters(
        width=_number(planner, "width") or usual.width,
        height=_number(planner, "height") or usual.height,
        steps=_number(planner, "steps") or usual.steps,
        checkpoint=str(planner.get("checkpoint") or ""),
    )
    return foretold(sessions, plan, defaults, str(planner.get("graph_checkpoint") or "") or None).to_json()


def choices(library: TemplateLibrary, body: dict[str, Any]) -> dict[str, Any]:
    """Every placeholder of the template under its theme, in order of appearance: ``values`` (key and text, or key and
    part: text), the ``selector`` written in the template and its loop ``weight``. What was chosen beside the template
    is left out of account, so that a choice of what is no longer there can be repaired.
    """
    resolved = library.choose(_query({**body, "choices": ""})).resolved
    written = written_selectors(resolved)
    placeholders = []
    for name, pool in resolved.values.items():
        selector = written.get(name, "")
        weight = parse_selector(selector).weight
        placeholders.append(
            {
                "name": name,
                "values": list(pool.items()),
                "selector": selector,
                "weight": resolved.weights.get(name, 1) if weight is None else weight,
            }
        )
    return {"name": resolved.name, "placeholders": placeholders}


def themes(library: TemplateLibrary, body: dict[str, Any]) -> dict[str, Any]:
    """The themes that the template can be given, each with its styles; the first, without a name, is none."""
    return {"themes": [offer.to_json() for offer in library.themes(_query(body))]}


def _query(body: dict[str, Any], limit: int = 0) -> TemplateQuery:
    return TemplateQuery(**{name: str(body[name]) for name in _TEXTS if name in body}, limit=limit)


def _number(body: dict[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SDGenError("bad-request", f"{name} must be a whole number, not {value!r}")
    return value
