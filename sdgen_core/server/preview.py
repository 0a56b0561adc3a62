"""What a template would make, before anything runs: names, counts, total and the first prompts."""

from __future__ import annotations

from typing import Any

from ..errors import SDGenError
from ..sessions.plan import Plan
from ..templates import parse_seed_spec
from ..templates.library import TemplateLibrary, TemplateQuery

_TEXTS = ("file", "text", "theme", "style", "mode", "choices")
_FIRST = 3


def preview(library: TemplateLibrary, body: dict[str, Any]) -> dict[str, Any]:
    """The plan's summary and its first prompts. Raises the template's own errors and ``bad-request``."""
    values: dict[str, Any] = {name: str(body[name]) for name in _TEXTS if name in body}
    chosen = library.choose(TemplateQuery(**values, limit=_number(body, "limit")))
    seeds = parse_seed_spec(str(body["seeds"])) if body.get("seeds") else None
    plan = Plan.build(chosen.resolved, seeds=seeds, count=_number(body, "count") or None, limit=chosen.limit)
    first = [plan.item(n) for n in range(min(plan.count, _FIRST))]
    return {
        "name": chosen.resolved.name,
        **plan.summary(),
        "first": [
            {"prompt": i.prompt, "negative": i.negative, "seed": i.requested_seed, "keys": i.keys} for i in first
        ],
    }


def _number(body: dict[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SDGenError("bad-request", f"{name} must be a whole number, not {value!r}")
    return value
