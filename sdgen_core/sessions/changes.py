"""Changing what a session makes: more images, more seeds, fewer images. What is made already is never touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import SDGenError
from .items import PartOptions
from .ledger import SessionRow
from .manifest import manifest_may_wait
from .mix import single
from .ordering import SessionRequest, add, replanned
from .plan import Plan
from .session_file import write_session_file

if TYPE_CHECKING:
    from .ordering import Submitted
    from .service import Sessions


def extend(sessions: Sessions, session_id: str, *, more: int = 0, seeds: Sequence[int] | None = None) -> Submitted:
    """Add ``more`` images of the session's own plan, or all its combinations on further ``seeds``.

    The template is the stored one, so its files need not be there. Raises ``bad-option``, and ``empty-plan`` when every
    combination is there already.
    """
    if (more <= 0) == (seeds is None):
        raise SDGenError("bad-option", "say either how many more images, or which further seeds")
    row = sessions.ledger.session(session_id)
    parts = sessions.ledger.parts(row.id)
    plans = [Plan.from_json(part.plan) for part in parts]
    # What was taken out of the plan does not come back by itself: it goes on where the session ends now.
    numbers = sessions.ledger.numbers(row.id)
    last = max(part for _, part, _ in numbers)
    now = plans[last].cut(max(n for _, part, n in numbers if part == last) + 1)
    plan = now.on_seeds(seeds) if seeds is not None else now.longer(more)
    if seeds is None and plan.count <= now.count:
        raise SDGenError(
            "empty-plan",
            f"session {row.name} has every combination of its template already",
            hint="Give further seeds, or extend it from a template that has more values.",
        )
    part = parts[last]
    defaults, options = PartOptions.read(part)
    request = SessionRequest(
        plan=plan,
        graph=part.graph,
        planner=part.planner,
        options=options,
        defaults=defaults,
        workflow=part.workflow,
        client=row.client,
        name=row.name,
    )
    key = hashlib.sha256(f"{row.key}\0{json.dumps(plan.to_json(), sort_keys=True)}".encode()).hexdigest()
    return add(sessions, row, request, single(plan), plans, key, [])


def shrink(sessions: Sessions, session_id: str, count: int) -> tuple[SessionRow, int]:
    """Plan only the first ``count`` images. Images that are made stay, items in the queue are still made.

    Gives the session and how many items left the plan. Raises ``bad-option``.
    """
    if count < 1:
        raise SDGenError("bad-option", f"a session keeps at least one image, not {count}")
    row = sessions.ledger.session(session_id)
    removed = sessions.ledger.shrink(row.id, count)
    if removed:
        with manifest_may_wait(row.folder):
            write_session_file(sessions.ledger, row.id)
        replanned(sessions, row.id)
    return sessions.finish_if_done(row.id), removed
