"""Scoring over HTTP. Models and folders are the server's setting, never the client's."""

from __future__ import annotations

from typing import Any

from .gallery_judging import judged
from .gallery_library import without_paths
from .gallery_pages import parsed, version
from .model import NAMED_LIMIT, Found
from .model_judging import Judged
from .model_scoring import (
    AgreementAsked,
    AgreementRow,
    AgreementTable,
    FailedPreview,
    ScoreBody,
    ScoreCancelBody,
    ScorerEntry,
    ScoreReport,
    Scorers,
    ScoringState,
    StageBody,
    StagedValueRow,
)
from .route import Call, Engine, Route


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
    return ScoreReport(**{**found, "failures": failures})


def agreement(engine: Engine, call: Call) -> AgreementTable:
    """People against machines, in what a query finds. Raises ``bad-query``."""
    from ..catalog.machine import Machine

    now = version(engine, call)
    found = Machine(engine.library.catalog).agreement(parsed(call.query.q), call.query.match)
    return AgreementTable(rows=[AgreementRow(**one.to_dict()) for one in found], version=now)


def failed(engine: Engine, call: Call) -> FailedPreview:
    """What staging would mark. Raises ``bad-query``."""
    from ..catalog.machine import Machine

    found = Machine(engine.library.catalog).preview(parsed(call.query.q))
    return FailedPreview(
        ids=found.ids,
        bytes=found.bytes,
        spared=found.spared,
        values=[StagedValueRow(**vars(one)) for one in found.values],
        remarks=list(found.remarks),
    )


def stage(engine: Engine, call: Call) -> Judged:
    """Mark failed images as trash, as one step that can be undone. Raises ``bad-query``."""
    from ..catalog.machine import Machine

    done = Machine(engine.library.catalog).stage(parsed(call.body.q), call.body.ids)
    return judged(engine.library, done)


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
        query=Found,
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
