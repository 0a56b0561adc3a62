"""Changing what a session makes: more images, more seeds, fewer images. What is made already is never touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SDGenError
from ..templates.seeds import seeds_to_json
from .items import PartOptions
from .ledger import ItemRow, Part, SessionRow
from .manifest import manifest_may_wait
from .mix import single
from .ordering import SessionRequest, add, replanned
from .plan import Plan
from .session_file import write_session_file
from .upkeep import settle_removed

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
    last = max((part for _, part, _ in numbers if part == 0 or not _is_one_image(parts[part])), default=0)
    now = plans[last].cut(max(n for _, part, n in numbers if part == last) + 1)
    plan = now.on_seeds(seeds) if seeds is not None else now.longer(more)
    if seeds is None and plan.count <= now.count:
        raise SDGenError(
            "empty-plan",
            f"session {row.name} has every combination of its template already",
            hint="Give further seeds, or extend it from a template that has more values.",
        )
    request = _like(parts[last], plan, row)
    key = hashlib.sha256(f"{row.key}\0{json.dumps(plan.to_json(), sort_keys=True)}".encode()).hexdigest()
    return add(sessions, row, request, single(plan), plans, key, [])


def _like(part: Part, plan: Plan, row: SessionRow) -> SessionRequest:
    """An order of ``plan`` that is made as ``part`` was."""
    defaults, options = PartOptions.read(part)
    return SessionRequest(
        plan=plan,
        graph=part.graph,
        planner=part.planner,
        options=options,
        defaults=defaults,
        workflow=part.workflow,
        client=row.client,
        name=row.name,
    )


# ---- one image -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """One image of a session: the key of each placeholder, and the seed. More keys than the session chooses are no matter."""

    keys: Mapping[str, str]
    seed: int


def planned(sessions: Sessions, session_id: str, wanted: Sequence[Wanted]) -> list[str | None]:
    """What the ledger knows of images: the state of the item that makes each, "possible" where the session can be extended by it, None
    where it cannot. Raises ``unknown-session``."""
    row = sessions.ledger.session(session_id)
    parts = sessions.ledger.parts(row.id)
    plans = [Plan.from_json(part.plan) for part in parts]
    found = _items(sessions, row, plans, wanted)
    return [
        item.state if item is not None else "possible" if _plan_of(parts, plans, one) is not None else None
        for item, one in zip(found, wanted, strict=True)
    ]


def make_one(sessions: Sessions, session_id: str, wanted: Wanted) -> tuple[SessionRow, ItemRow]:
    """Have exactly one image made, and nothing else: its item is put back when it failed, was left out or its file is gone; else the
    session is extended by it. An item that waits already is left as it is, and a session that is paused or stopped with more to do is
    not resumed: the image waits with the others.

    Raises ``unknown-session``, ``empty-plan`` when the template has no such combination, and ``bad-state`` when a session that is
    paused or stopped would have to be extended.
    """
    row = sessions.ledger.session(session_id)
    settle_removed(sessions, row)
    parts = sessions.ledger.parts(row.id)
    plans = [Plan.from_json(part.plan) for part in parts]
    item = _items(sessions, row, plans, [wanted])[0]
    if item is None:
        return _add_one(sessions, row, parts, plans, wanted)
    gone = item.state == "done" and not (row.folder / str(item.file)).is_file()
    if item.state in ("failed", "skipped") or gone:
        sessions.ledger.put_back(row.id, [item.idx], state=item.state)
        sessions.notify(row.id)
    row = sessions.ledger.session(row.id)
    if row.left == 1 and row.state not in ("planned", "running"):
        row = sessions.resume(row.id)
    return row, sessions.ledger.item(row.id, item.idx)


def _items(
    sessions: Sessions, row: SessionRow, plans: Sequence[Plan], wanted: Sequence[Wanted]
) -> list[ItemRow | None]:
    """The item that makes each image; of several the first. Choices are looked at for the seeds that are wanted only."""
    seeds, names = {one.seed for one in wanted}, {name for plan in plans for name in plan.names}
    by_seed: dict[int, list[tuple[int, dict[str, str]]]] = {}
    for idx, part, n in sessions.ledger.numbers(row.id):
        seed = plans[part].seed_pair(n)[1]
        if seed in seeds:
            by_seed.setdefault(seed, []).append((idx, plans[part].choice(n)))
    found = []
    for one in wanted:
        chosen = {name: key for name, key in one.keys.items() if name in names}
        found.append(next((idx for idx, choice in by_seed.get(one.seed, ()) if choice == chosen), None))
    return [None if idx is None else sessions.ledger.item(row.id, idx) for idx in found]


def _plan_of(parts: Sequence[Part], plans: Sequence[Plan], wanted: Wanted) -> int | None:
    """The last part whose template has the combination."""
    for number in reversed(range(len(plans))):
        plan = plans[number]
        has_all = all(wanted.keys.get(name) in plan.resolved.values[name] for name in plan.names)
        if has_all and (number == 0 or not _is_one_image(parts[number])):
            return number
    return None


def _is_one_image(part: Part) -> bool:
    """Whether the part was added by ``make_one``."""
    return part.plan["count"] == 1 and part.plan["limit"] == 1 and part.plan["seeds"] is not None


def _add_one(
    sessions: Sessions, row: SessionRow, parts: Sequence[Part], plans: list[Plan], wanted: Wanted
) -> tuple[SessionRow, ItemRow]:
    number = _plan_of(parts, plans, wanted)
    if number is None:
        raise SDGenError(
            "empty-plan",
            f"the template of session {row.name} has no such combination",
            hint="The session was made of a template that has not all of these values.",
        )
    if row.left and row.state not in ("planned", "running"):
        raise SDGenError(
            "bad-state",
            f"session {row.name} is {row.state} with {row.left:,} images to make: adding one would start them all",
            hint="Let the session go on first, or leave the others out.",
        )
    plan = plans[number]
    one = Plan.from_json({**plan.to_json(), **_only(plan, wanted)})
    # The session stays what was ordered, so that pressing Run again still means it.
    request = _like(parts[number], one, row)
    add(sessions, row, request, single(one), plans, row.key, [])
    item = _items(sessions, row, [*plans, one], [wanted])[0]
    assert item is not None
    return sessions.ledger.session(row.id), item


def _only(plan: Plan, wanted: Wanted) -> dict[str, object]:
    """What of a plan's JSON makes it one of this combination on this seed: every placeholder's selector names its one value, by its
    place, which says any key."""
    values = plan.resolved.values
    choices = {name: f"#{list(values[name]).index(wanted.keys[name])}" for name in plan.names}
    resolved = plan.resolved.to_json()
    return {
        "resolved": {**resolved, "choices": {**plan.resolved.choices, **choices}},
        "seeds": seeds_to_json([wanted.seed]),
        "count": 1,
        "limit": 1,
    }


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
