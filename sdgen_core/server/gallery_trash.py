"""The trash over HTTP: looked at, and emptied. Emptying takes ids, so that nothing goes that nobody has seen listed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .gallery_judging import tell
from .gallery_library import without_paths
from .gallery_pages import parsed
from .model_trash import TrashPreview, TrashRefused, TrashReport, TrashSession
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.query import Query
    from ..catalog.trash import Refused


def show(engine: Engine, call: Call) -> TrashPreview:
    """What is in the trash."""
    return _preview(engine, None)


def preview(engine: Engine, call: Call) -> TrashPreview:
    """What emptying would remove of what a query finds. Raises ``bad-query``."""
    return _preview(engine, None if call.body.q is None else parsed(call.body.q))


def empty(engine: Engine, call: Call) -> TrashReport:
    """Remove files of images in the trash. Raises ``catalog-locked`` and ``disk-full``."""
    report = engine.library.trash.empty(call.body.ids, call.body.permanently)
    tell(engine.library, report.removed, report.sessions)
    return TrashReport(
        removed=report.removed,
        bytes=report.bytes,
        files=report.files,
        sessions=report.sessions,
        refused=_refused(engine, report.refused),
        problems=[without_paths(engine.library, problem) for problem in report.problems],
    )


def _preview(engine: Engine, query: Query | None) -> TrashPreview:
    found = engine.library.trash.preview(query)
    return TrashPreview(
        images=found.images,
        bytes=found.bytes,
        ids=found.ids,
        sessions=[TrashSession(**vars(session)) for session in found.sessions],
        refused=_refused(engine, found.refused),
    )


def _refused(engine: Engine, refused: Iterable[Refused]) -> list[TrashRefused]:
    return [
        TrashRefused(image=one.image, code=one.code, reason=without_paths(engine.library, one.reason))
        for one in refused
    ]
