"""Scoring over HTTP. Models and folders are the server's setting, never the client's."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .gallery_images import image_id
from .gallery_judging import judged
from .gallery_library import without_paths
from .gallery_pages import parsed, version
from .model import NAMED_LIMIT, Found
from .model_judging import Judged
from .model_scoring import (
    AgreementAsked,
    AgreementRow,
    AgreementTable,
    Basis,
    FailedAsked,
    FailedPreview,
    ImageMachine,
    ImageScored,
    MachineValue,
    ScoreBody,
    ScoreCancelBody,
    ScorerEntry,
    ScoreReport,
    Scorers,
    ScoresAgainst,
    ScoringState,
    StageBody,
    StagedValueRow,
    ValueRateRow,
    ValueRates,
)
from .route import Call, Engine, Route

if TYPE_CHECKING:
    from ..catalog.machine_rates import Labels
    from ..scoring.jobs import Jobs


def scorers(engine: Engine, call: Call) -> Scorers:
    """The models that are there."""
    return Scorers(scorers=[ScorerEntry(name=one.name, problem=one.problem) for one in engine.scoring.scorers()])


def state(engine: Engine, call: Call) -> ScoringState:
    """How far it is."""
    return ScoringState(**engine.scoring.state())


def order(engine: Engine, call: Call) -> ScoringState:
    """Have sessions scored. Raises ``unknown-session`` and ``scorer-missing``."""
    return ScoringState(**engine.scoring.order(call.body.sessions, call.body.scorer))


def cancel(engine: Engine, call: Call) -> ScoringState:
    """Leave a session out, or all."""
    return ScoringState(**engine.scoring.cancel(call.body.session))


def report(engine: Engine, call: Call) -> ScoreReport:
    """What was last said of a session. Raises ``not-scored``."""
    found = engine.scoring.report(call.path["session"])
    failures = [_without_paths(engine, failure) for failure in found["failures"]]
    cascade = [_tier_without_paths(engine, tier) for tier in found["cascade"]]
    return ScoreReport(**{**found, "failures": failures, "cascade": cascade})


# ---- what was said -----------------------------------------------------------------------------------------------------------


def image(engine: Engine, call: Call) -> ImageScored:
    """What was said of an image. Raises ``unknown-item``."""
    from ..catalog.details import details
    from ..catalog.records import NO_IMAGE

    wanted, now, catalog = image_id(call), version(engine), engine.library.catalog
    found = details(catalog.index.store, [wanted], catalog.machine)
    if not found:
        raise SDGenError("unknown-item", f"there is no image {wanted}", hint=NO_IMAGE)
    told = found[0]["machine"]
    if told is None:
        return ImageScored(machine=None, version=now)
    kept = ("scorer", "at", "score", "flagged", "prompt_score", "aesthetic", "staged")
    values = _values(engine, found[0], told)
    return ImageScored(
        machine=ImageMachine(**{name: told[name] for name in kept}, image_class=told["class"], values=values),
        version=now,
    )


def _values(engine: Engine, of: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, MachineValue]:
    """What was said of the values of the image ``of`` (``catalog.details``), those of which nothing can be said as well."""
    from ..scoring.texts.cleaning import not_assessable

    said: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(SDGenError):  # it is a help only: the catalog has what counts
        report = engine.scoring.report(of["session"])
        said = {one["placeholder"]: one for one in report["placeholders"] if report["identity"] == told["identity"]}
    match, bases = engine.scoring.thresholds.match, _bases(engine)
    texts = _texts(engine, of["values"])
    out = {}
    for name, value in of["values"].items():
        one, summary = told["values"].get(name), said.get(name, {})
        probability = one["probability"] if one else None
        reasons = {each["key"]: each["reason"] for each in summary.get("values", [])}
        alike: list[str] = next(
            (group["keys"] for group in summary.get("alike", []) if value["key"] in group["keys"]), []
        )
        reason = instead = None
        if probability is None:  # of a session that is being made, there is no report yet
            reason = (
                reasons.get(value["key"]) or summary.get("reason") or not_assessable(name, value["text"]) or "unseen"
            )
        elif probability < match:
            instead = _instead(engine, of).get(name)
        out[name] = MachineValue(
            probability=probability,
            seen=None if probability is None else probability >= match,
            calibrated=bool(one and one["calibrated"]),
            method=one["method"] if one else "",
            reason=reason,
            instead=None if instead is None or instead in alike else texts(name, instead),
            alike=[texts(name, key) for key in alike if key != value["key"]],
            basis=_basis(name, *bases),
        )
    return out


def _instead(engine: Engine, of: Mapping[str, Any]) -> dict[str, str]:
    """Placeholder -> key of what the image looks more like."""
    with contextlib.suppress(SDGenError):  # nothing is kept of what was seen, or in another form
        return _looks(engine.scoring, of["session"], version(engine)).get(of["id"], {})
    return {}


@functools.lru_cache(maxsize=4)  # people look at one image of a session after another
def _looks(scoring: Jobs, session: str, now: str) -> dict[int, dict[str, str]]:
    return scoring.looks_like(session)


def _texts(engine: Engine, values: Mapping[str, Any]) -> Any:
    """A function from placeholder and key to the text of that value."""
    rows = engine.library.catalog.index.store.rows(
        "SELECT name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder"
        f" WHERE name IN ({','.join('?' * len(values))})",
        tuple(values),
    )
    known = {(name, key): text for name, key, text in rows}
    return lambda name, key: known.get((name, key), key)


def rates(engine: Engine, call: Call) -> ValueRates:
    """How values come out for models and people, in what a query finds. Raises ``bad-query``."""
    from ..catalog.machine_rates import machine_rates

    now, limits = version(engine, call), engine.scoring.thresholds
    found = machine_rates(engine.library.catalog.snapshot, parsed(call.query.q), limits.match)
    bases = _bases(engine)
    return ValueRates(
        rows=[ValueRateRow(**vars(one)) for one in found],
        match=limits.match,
        complete_above=limits.session_complete,
        bases={name: _basis(name, *bases) for name in dict.fromkeys(one.placeholder for one in found)},
        version=now,
    )


def against(engine: Engine, call: Call) -> ScoresAgainst:
    """Two sessions, pair by pair. Raises ``not-scored`` and ``not-comparable``."""
    return ScoresAgainst(**engine.scoring.against(call.path["other"], call.path["session"]))


def agreement(engine: Engine, call: Call) -> AgreementTable:
    """People against machines, in what a query finds. Raises ``bad-query``."""
    now = version(engine, call)
    match = engine.scoring.thresholds.match if call.query.match is None else call.query.match
    found, bases = engine.library.catalog.machine.agreement(parsed(call.query.q), match), _bases(engine)
    rows = [
        AgreementRow(**one.to_dict(), basis=None if one.placeholder is None else _basis(one.placeholder, *bases))
        for one in found
    ]
    return AgreementTable(rows=rows, match=match, version=now)


def _bases(engine: Engine) -> tuple[dict[str, Labels], dict[str, dict[str, Any]]]:
    """By placeholder: what people said of scored images, and the calibrations of the model that scored last."""
    from ..catalog.machine_rates import labels

    catalog = engine.library.catalog
    rows = catalog.scores.store.rows(
        "SELECT identity FROM image JOIN scorer ON scorer.id = scorer ORDER BY image.id DESC LIMIT 1"
    )
    return labels(catalog.snapshot), catalog.machine.calibrations(rows[0][0]) if rows else {}


def _basis(placeholder: str, said: Mapping[str, Labels], calibrations: Mapping[str, dict[str, Any]]) -> Basis:
    from ..catalog.machine_rates import Labels
    from ..scoring.estimates.calibration import LEAST_LABELS, LEAST_OF_EACH

    known, fitted = said.get(placeholder, Labels(0, 0.0)), calibrations.get(placeholder)
    ok, ko = (max(0, math.ceil(LEAST_OF_EACH - n)) for n in (known.points, known.labels - known.points))
    return Basis(
        calibrated=fitted is not None,
        labels=known.labels,
        more=max(0, LEAST_LABELS - known.labels, ok + ko),
        more_ok=ok,
        more_ko=ko,
        error=fitted["error"] if fitted else None,
        auc=fitted["auc"] if fitted else None,
    )


# ---- what failed -------------------------------------------------------------------------------------------------------------


def failed(engine: Engine, call: Call) -> FailedPreview:
    """What staging would mark. Raises ``bad-query``."""
    found = engine.library.catalog.machine.preview(parsed(call.query.q), call.query.which, call.query.spare)
    return FailedPreview(
        ids=found.ids,
        bytes=found.bytes,
        spared=found.spared,
        values=[StagedValueRow(**vars(one)) for one in found.values],
        remarks=list(found.remarks),
    )


def stage(engine: Engine, call: Call) -> Judged:
    """Mark failed images as trash, as one step that can be undone. Raises ``bad-query``."""
    body = call.body
    done = engine.library.catalog.machine.stage(parsed(body.q), body.ids, body.which, body.spare)
    return judged(engine.library, done)


def _tier_without_paths(engine: Engine, tier: dict[str, Any]) -> dict[str, Any]:
    """A tier of the cascade without folders: its models may lie anywhere, and their errors name them."""
    failures = [_without_paths(engine, failure) for failure in tier["failures"]]
    gave_up = tier["gave_up"]
    if gave_up is not None:
        gave_up = _without_paths(engine, gave_up)
        if file := gave_up.get("file"):
            name = PureWindowsPath(file).name  # knows both kinds of slashes
            gave_up = {
                key: each.replace(file, name) if isinstance(each, str) else each for key, each in gave_up.items()
            }
    remarks = [without_paths(engine.library, text) for text in tier["remarks"]]
    return {**tier, "failures": failures, "gave_up": gave_up, "remarks": remarks}


def _without_paths(engine: Engine, failure: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_paths(engine.library, text) if isinstance(text, str) else text for name, text in failure.items()
    }


ROUTES: tuple[Route, ...] = (
    Route("GET", "/sdgen/scorers", scorers, "The models that can score", answer=Scorers, slow=True),
    Route("GET", "/sdgen/scoring", state, "What is being scored, and what waits", answer=ScoringState),
    Route(
        "POST", "/sdgen/scoring", order, "Have sessions scored, behind what waits", body=ScoreBody, answer=ScoringState
    ),
    Route(
        "POST",
        "/sdgen/scoring/cancel",
        cancel,
        "Leave out a session, or all; what was seen is kept",
        body=ScoreCancelBody,
        answer=ScoringState,
    ),
    Route(
        "GET",
        "/sdgen/library/sessions/{session}/scores",
        report,
        "What was last said of a session's images by a model",
        answer=ScoreReport,
    ),
    Route(
        "GET",
        "/sdgen/library/sessions/{session}/scores/against/{other}",
        against,
        "A session's scores against another's, in pairs of images of the same seed and values",
        answer=ScoresAgainst,
        slow=True,
    ),
    Route(
        "GET",
        "/sdgen/images/{id}/scores",
        image,
        "What was last said of an image by a model",
        answer=ImageScored,
        version=version,
        slow=True,
    ),
    Route(
        "GET",
        "/sdgen/scoring/values",
        rates,
        "How values come out for models, and beside it for people",
        query=Found,
        answer=ValueRates,
        version=version,
    ),
    Route(
        "GET",
        "/sdgen/scoring/agreement",
        agreement,
        "How often people and models say the same about values",
        query=AgreementAsked,
        answer=AgreementTable,
        version=version,
    ),
    Route(
        "GET",
        "/sdgen/scoring/failed",
        failed,
        "What of a query's images would go into the trash because a model says that they failed",
        query=FailedAsked,
        answer=FailedPreview,
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/scoring/failed",
        stage,
        "Mark them as trash, as one step that can be undone",
        body=StageBody,
        limit=NAMED_LIMIT,
        answer=Judged,
        slow=True,
    ),
)
