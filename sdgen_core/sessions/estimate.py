"""What a session will cost, said before it starts: model loads, and time by what earlier sessions took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..templates.parameters import DEAR, dear_names
from .items import LoadedPart
from .mix import Mix
from .parameters import ParameterRules, Parameters
from .plan import Plan

if TYPE_CHECKING:
    from .service import Sessions

_LOOKED_AT = 10  # sessions, newest first
_FEW = 3  # images that make a rate worth something


@dataclass(frozen=True)
class Estimate:
    """``model_loads``: how often a checkpoint, VAE or LoRA has to be loaded. ``seconds``: None when no earlier session is like
    this one; ``like`` names the session it was judged by.
    """

    model_loads: int
    seconds: float | None = None
    like: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def model_loads(mix: Mix) -> int:
    """Once for every plan's models, and once at every change of the placeholders that name models."""
    names = [dear_names(plan.resolved.parameters) for plan in mix.plans]
    models = [_models(plan) for plan in mix.plans]
    if not any(names):
        return len(set(models))
    loads = 0
    last: tuple[object, ...] | None = None
    for part, n in mix.order:
        choice = mix.plans[part].choice(n)
        now = (models[part], *(choice.get(name) for name in names[part]))
        loads += now != last
        last = now
    return loads


def _models(plan: Plan) -> str:
    return repr(sorted((n, str(v)) for n, v in plan.resolved.parameters.items() if n in DEAR))


def estimate(sessions: Sessions, mix: Mix, parts: Sequence[LoadedPart]) -> Estimate:
    """Judge ``mix`` (its plans loaded as ``parts``) by the newest session with the same checkpoint, scaled by pixels × steps."""
    counts = Counter(part for part, _ in mix.order)
    work = sum(_work(parts[part].parameters(parts[part].plan.item(0))) * count for part, count in counts.items())
    return _judged(sessions, mix, work, _checkpoint(parts[0]))


def foretold(sessions: Sessions, mix: Mix, defaults: Parameters, checkpoint: str | None) -> Estimate:
    """The same while a session is still being written: ``defaults`` of its planner, ``checkpoint`` of its graph (None: the planner's).

    Raises ``bad-parameter`` for what the order would be refused for.
    """
    host = sessions.host
    rules = ParameterRules(defaults, host.samplers(), host.schedulers(), host.files)
    found = [rules.resolve(plan.item(0).parameters) for plan in mix.plans]
    counts = Counter(part for part, _ in mix.order)
    work = sum(_work(found[part]) * count for part, count in counts.items())
    return _judged(sessions, mix, work, checkpoint or found[0].checkpoint or None)


def _judged(sessions: Sessions, mix: Mix, work: float, checkpoint: str | None) -> Estimate:
    loads = model_loads(mix)
    ledger = sessions.ledger
    for row in ledger.sessions(limit=_LOOKED_AT):
        if row.done < _FEW or not row.seconds:
            continue
        try:
            older = LoadedPart(ledger.parts(row.id)[-1], sessions.host, row.prefix)
            if _checkpoint(older) == checkpoint:
                each = row.seconds / row.done / _work(older.parameters(older.plan.item(0)))
                return Estimate(loads, round(each * work, 1), row.name)
        except SDGenError:  # written by another version, or its models are gone
            continue
    return Estimate(loads)


def _checkpoint(part: LoadedPart) -> str | None:
    return part.checkpoint(part.parameters(part.plan.item(0)))


def _work(parameters: Parameters) -> float:
    """Pixels × steps of an image: what sampling time grows with."""
    return float(parameters.width * parameters.height * parameters.steps)
