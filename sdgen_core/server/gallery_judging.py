"""Judging over HTTP. Every change is told to all listeners from here, once.

Verdicts are one user's: a ComfyUI with several users (``--multi-user``) has one catalog, and all of them judge together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.fields import VALUE
from ..errors import SDGenError, nearest_names
from .gallery_pages import find, parsed, question
from .model import MOST_IMAGES
from .model_judging import (
    History,
    HistoryStep,
    ImportJudgementsBody,
    Judged,
    JudgementsImported,
    SavedQueries,
    SavedQuery,
    Turned,
)
from .route import Call, Engine, File

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog, Done
    from ..catalog.library import Library

_PROBLEMS = 100
#: More than a step has.
_EVENTS = 10 * MOST_IMAGES


def judge(engine: Engine, call: Call) -> Judged:
    """Say something about images, as one step. Raises ``bad-judgement``, ``unknown-item``, ``bad-query``, ``bad-request``."""
    body, library = call.body, engine.library
    catalog = library.catalog
    _check_placeholder(catalog, body.field)
    if body.ids is not None:
        images = body.ids
    else:
        found = find(catalog, question(body.q)).ids
        if len(found) > MOST_IMAGES:
            raise SDGenError("bad-request", f"{len(found):,} images are found; a step is about {MOST_IMAGES:,} at most")
        images = found.tolist()
    return judged(library, catalog.judge(images, body.field, body.value))


def judge_sessions(engine: Engine, call: Call) -> Judged:
    """Say something about sessions, as one step. Raises ``bad-judgement`` and ``unknown-session``."""
    body, library = call.body, engine.library
    done = library.catalog.judge_sessions(body.sessions, body.field, body.value)
    return judged(library, done, body.sessions)


def undo(engine: Engine, call: Call) -> Turned:
    """Take the last step back."""
    return _turned(engine.library, engine.library.catalog.undo)


def redo(engine: Engine, call: Call) -> Turned:
    """Do again what was taken back last."""
    return _turned(engine.library, engine.library.catalog.redo)


def history(engine: Engine, call: Call) -> History:
    """The last steps."""
    rows = engine.library.catalog.user.history(call.query.limit)
    return History(steps=[HistoryStep(label=label, state=state, at=at) for label, state, at in rows])


def queries(engine: Engine, call: Call) -> SavedQueries:
    """The saved queries."""
    saved = engine.library.catalog.queries()
    return SavedQueries(queries=[SavedQuery(name=name, q=text) for name, text in saved.items()])


def save_query(engine: Engine, call: Call) -> SavedQueries:
    """Keep or forget a query; a step like any other. Raises ``bad-query``."""
    if call.body.q is not None:
        parsed(call.body.q)
    engine.library.catalog.save_query(call.body.name, call.body.q)
    return queries(engine, call)


def export(engine: Engine, call: Call) -> File:
    """Everything that was said, as JSON lines (see ``catalog.exchange``)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "judgements.jsonl"
        engine.library.catalog.export_judgements(path)
        return File(path.read_bytes(), "application/x-ndjson", name="sdgen-judgements.jsonl")


def take_in(engine: Engine, call: Call) -> JudgementsImported:
    """Take over judgements that are newer than what is known. Raises ``bad-judgement`` for a text that is no export."""
    body: ImportJudgementsBody = call.body
    library = engine.library
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "judgements.jsonl"
        path.write_bytes(body.text.encode("utf-8"))
        try:
            done = library.catalog.import_judgements(path)
        except SDGenError as error:
            if error.code != "bad-judgement":
                raise
            raise SDGenError("bad-judgement", "this is no export of judgements") from error
    subjects = {event.subject for event in done.step.events} if done.step else set()
    images = _of_subjects(library.catalog, "image", "image_said", subjects)
    tell(library, images, _of_subjects(library.catalog, "slug", "session", subjects))
    return JudgementsImported(
        lines=done.lines,
        newer=done.newer,
        changed=len(images),
        problems=done.problems[:_PROBLEMS],
        **_steps(library.catalog),
    )


def _check_placeholder(catalog: Catalog, field: str) -> None:
    """Raises ``bad-judgement`` for a verdict about a placeholder that no image has."""
    if field.startswith(VALUE):
        name = field[len(VALUE) :]
        names = [row[0] for row in catalog.index.store.rows("SELECT name FROM placeholder")]
        if name not in names:
            near = nearest_names(name, names)
            raise SDGenError("bad-judgement", f"there is no placeholder {name!r}", nearest=near, hint="")


def judged(library: Library, done: Done, sessions: Collection[str] = ()) -> Judged:
    tell(library, done.images, sessions)
    return Judged(label=done.label, changed=len(done.images), **_steps(library.catalog))


def _turned(library: Library, turn: Callable[[], Done | None]) -> Turned:
    before = library.catalog.user.last_event()
    done = turn()
    if done is None:
        return Turned(label=None, changed=0, **_steps(library.catalog))
    subjects = {event.subject for event in library.catalog.user.events_after(before, _EVENTS)}
    tell(library, done.images, _of_subjects(library.catalog, "slug", "session", subjects))
    return Turned(label=done.label, changed=len(done.images), **_steps(library.catalog))


def _of_subjects(catalog: Catalog, column: str, table: str, subjects: Collection[int]) -> list[Any]:
    """A column of the images or sessions that these subjects are."""
    from ..catalog.sql import as_list

    sql = f"SELECT {column} FROM {table} WHERE subject IN (SELECT value FROM json_each(?))"
    return [row[0] for row in catalog.index.store.rows(sql, (as_list(subjects),))]


def tell(library: Library, images: Sequence[int], sessions: Collection[str]) -> None:
    """Tell all listeners which images changed, and which sessions: these, and those whose counters the images change."""
    from ..catalog.sql import as_list

    counted = "SELECT session FROM image WHERE id IN (SELECT value FROM json_each(?))"
    rows = library.catalog.index.store.rows(f"SELECT slug FROM session WHERE id IN ({counted})", (as_list(images),))
    if images:
        library.tell("images", added=[], changed=list(images), session=None)
    if slugs := sorted({*sessions, *(slug for (slug,) in rows)}):
        library.tell("sessions", sessions=slugs)


def _steps(catalog: Catalog) -> dict[str, str | None]:
    back, again = catalog.user.can()
    return {"undo": back, "redo": again}
