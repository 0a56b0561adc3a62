"""The routes of templates: what one offers and what it would make, before anything runs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from ..sessions.estimate import foretold
from ..sessions.mix import Mix, plan_of
from ..sessions.parameters import Parameters
from ..templates import parse_seed_spec
from ..templates.library import DISTRIBUTIONS, MODES, TEXT_BELOW, TemplateQuery
from ..templates.space import left_out, written_selectors
from ..templates.syntax import parse_selector
from .route import Call, Engine, Route

_FIRST = 3


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ListingQuery(_Asked):
    since: str = Field("", description="A `version`: names that have not changed since then are left out.")


class Names(BaseModel):
    """The templates that can be chosen, and a version that changes with any of their files."""

    version: str
    templates: list[str] = Field([], description="Not there when the version is that of `since`.")


class TemplateBody(_Asked):
    """A template as the node's widgets say it."""

    file: str = Field(TEXT_BELOW, description="A name of the list, or that of the typed text.")
    text: str = ""
    theme: str = Field("", description="A theme, or several with their shares: gala:2, cyberpunk:1.")
    style: str = ""
    mode: str = Field(MODES[0], description=f"One of {', '.join(MODES)}.")
    limit: StrictInt = Field(0, description="The most images; 0: as written.")
    choices: str = Field("", description="Values chosen beside the template: Name[Key,Key]; Other[#0-2].")
    distribution: str = Field(DISTRIBUTIONS[0], description=f"One of {', '.join(DISTRIBUTIONS)}.")


class PlannerBody(_Asked):
    """The planner node's widgets, and the checkpoint that its graph loads."""

    width: StrictInt = 0
    height: StrictInt = 0
    steps: StrictInt = 0
    checkpoint: str = ""
    graph_checkpoint: str = ""


class PreviewBody(TemplateBody):
    seeds: str | StrictInt = Field("", description="A list of seeds as people write it: 42, or 1,5,9, or 100-120.")
    count: StrictInt = Field(0, description="The most images of the order; 0: all.")
    planner: PlannerBody | None = Field(None, description="With it the answer has the order's estimate, too.")


class Slot(BaseModel):
    """A placeholder: how many values it has and how many are chosen. Of several themes, ``least`` is the fewest that one gives it."""

    name: str
    available: int
    selected: int
    weight: float
    least: int = 0


class Share(BaseModel):
    """How many images a theme makes."""

    theme: str | None
    style: str | None
    images: int


class Item(BaseModel):
    """An image that would be made."""

    prompt: str
    negative: str
    seed: int
    keys: dict[str, Any]


class Preview(BaseModel):
    """What a template would make. ``model_loads``, ``seconds`` and ``like``, the order they are judged by, are an estimate's."""

    name: str
    session_name: str | None
    mode: str
    placeholders: list[Slot]
    removed: list[str]
    left_out: list[str]
    combinations: int
    total_combinations: int
    seeds: int | None
    seed_mode: str
    images: int
    warnings: list[str]
    themes: list[Share] = []
    model_loads: int = 0
    seconds: float | None = None
    like: str | None = None
    first: list[Item]


class Values(BaseModel):
    """A placeholder with its values (key and text, or key and part: text), the selector written in the template, and its weight."""

    name: str
    values: list[tuple[str, Any]]
    selector: str
    weight: float


class Choices(BaseModel):
    """Every placeholder of a template, in order of appearance."""

    name: str
    placeholders: list[Values]


class Theme(BaseModel):
    """A theme with its styles; that without a name is none. ``problem``: why its file cannot be read."""

    name: str
    title: str
    tags: list[str]
    styles: list[str]
    problem: str


class Themes(BaseModel):
    """The themes that a template can be given."""

    themes: list[Theme]


def _names(engine: Engine, call: Call) -> dict[str, Any]:
    listing = engine.templates.current()
    names = {} if call.query.since == listing.version else {"templates": listing.names}
    return {"version": listing.version, **names}


def _preview(engine: Engine, call: Call) -> dict[str, Any]:
    """The plan's summary and its first prompts. Raises the template's own errors; with a planner ``bad-parameter``, too."""
    library, body = engine.templates.library, call.body
    chosen = library.choose(_query(body))
    plan = plan_of(chosen, seeds=parse_seed_spec(str(body.seeds)) if body.seeds else None, count=body.count or None)
    first = [plan.item(n) for n in range(min(plan.count, _FIRST))]
    return {
        "name": chosen.resolved.name,
        **plan.summary(),
        "warnings": [library.named(warning) for warning in plan.warnings],
        "left_out": sorted(frozenset.intersection(*(left_out(t) & set(t.values) for t in chosen.templates))),
        **(_cost(engine, plan, body.planner) if body.planner else {}),
        "first": [
            {"prompt": i.prompt, "negative": i.negative, "seed": i.requested_seed, "keys": i.keys} for i in first
        ],
    }


def _cost(engine: Engine, plan: Mix, planner: PlannerBody) -> dict[str, Any]:
    usual = Parameters()
    defaults = Parameters(
        width=planner.width or usual.width,
        height=planner.height or usual.height,
        steps=planner.steps or usual.steps,
        checkpoint=planner.checkpoint,
    )
    return foretold(engine.sessions, plan, defaults, planner.graph_checkpoint or None).to_json()


def _choices(engine: Engine, call: Call) -> dict[str, Any]:
    """What was chosen beside the template is left out of account, so that a choice of what is no longer there can be repaired."""
    body = call.body.model_copy(update={"choices": "", "limit": 0})
    resolved = engine.templates.library.choose(_query(body)).resolved
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


def _themes(engine: Engine, call: Call) -> dict[str, Any]:
    return {"themes": [offer.to_json() for offer in engine.templates.library.themes(_query(call.body))]}


def _query(body: TemplateBody) -> TemplateQuery:
    return TemplateQuery(**body.model_dump(include=set(TemplateBody.model_fields)))


_T = "/sdgen/templates"

ROUTES: tuple[Route, ...] = (
    Route("GET", _T, _names, "The templates that can be chosen", query=ListingQuery, answer=Names, slow=True),
    Route(
        "POST", f"{_T}/preview", _preview, "What one would make", body=PreviewBody, answer=Preview, asks=True, slow=True
    ),
    Route(
        "POST",
        f"{_T}/choices",
        _choices,
        "Its placeholders with their values",
        body=TemplateBody,
        answer=Choices,
        asks=True,
        slow=True,
    ),
    Route(
        "POST",
        f"{_T}/themes",
        _themes,
        "Its themes with their styles",
        body=TemplateBody,
        answer=Themes,
        asks=True,
        slow=True,
    ),
)
