"""What people do to a session, by name: one table for the HTTP routes, the command line and the panel.

| action | body | adds to the answer |
|---|---|---|
| pause, resume, stop | | |
| retry | ``skipped``: also those left out | ``retried`` |
| skip | ``items``: "5,7-9", a list, or "failed" | ``skipped_now`` |
| extend | ``more``: images, or ``seeds``: a seed list | ``added`` |
| shrink | ``count``: images to keep planned | ``removed`` |
| rename | ``name`` | |
| move | ``to``: the name of a place | |
| verify | ``hashes``, ``repair`` | ``verify`` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from ..templates import parse_seed_spec
from . import changes, upkeep
from .upkeep import found_folder

if TYPE_CHECKING:
    from .service import Sessions

Body = Mapping[str, Any]
Answer = dict[str, Any]


def item_list(value: object) -> list[int]:
    """``"5,7-9"`` or ``[5, 7]`` as item numbers. Raises ``bad-request``."""
    if isinstance(value, list) and all(isinstance(i, int) and not isinstance(i, bool) for i in value):
        return list(value)
    out: list[int] = []
    for part in str(value or "").split(","):
        first, dash, last = (p.strip() for p in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SDGenError("bad-request", f"{value!r} is no list of items such as 5,7-9")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers or len(numbers) > 1_000_000:
            raise SDGenError("bad-request", f"{part.strip()!r} is no range of items")
        out += numbers
    return out


def _pause(sessions: Sessions, session: str, body: Body) -> Answer:
    return sessions.status(sessions.pause(session, "paused by the user"))


def _resume(sessions: Sessions, session: str, body: Body) -> Answer:
    return sessions.status(sessions.resume(session))


def _stop(sessions: Sessions, session: str, body: Body) -> Answer:
    return sessions.status(sessions.stop(session))


def _retry(sessions: Sessions, session: str, body: Body) -> Answer:
    row, again = sessions.retry(session, skipped=body.get("skipped") is True)
    return {**sessions.status(row), "retried": again}


def _skip(sessions: Sessions, session: str, body: Body) -> Answer:
    items = body.get("items")
    if items == "failed":
        row = sessions.ledger.session(session)
        items = [item.idx for item in sessions.ledger.items(row.id, "failed")]
    row, count = sessions.skip(session, item_list(items))
    return {**sessions.status(row), "skipped_now": count}


def _extend(sessions: Sessions, session: str, body: Body) -> Answer:
    seeds = parse_seed_spec(str(body["seeds"])) if body.get("seeds") else None
    done = changes.extend(sessions, session, more=number(body, "more"), seeds=seeds)
    return {**sessions.status(done.session), "added": done.added}


def _shrink(sessions: Sessions, session: str, body: Body) -> Answer:
    row, removed = changes.shrink(sessions, session, number(body, "count"))
    return {**sessions.status(row), "removed": removed}


def _rename(sessions: Sessions, session: str, body: Body) -> Answer:
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise SDGenError("bad-request", "name must be a text")
    return sessions.status(upkeep.rename(sessions, session, name))


def _move(sessions: Sessions, session: str, body: Body) -> Answer:
    to = str(body.get("to") or "")
    places: Mapping[str, Path] = sessions.places
    if to not in places:
        listed = ", ".join(places) or "none"
        raise SDGenError(
            "bad-request", f"{to!r} is no place for sessions (places: {listed})", nearest=nearest_names(to, places)
        )
    return sessions.status(upkeep.move(sessions, session, places[to]))


def _verify(sessions: Sessions, session: str, body: Body) -> Answer:
    return upkeep.check(sessions, session, hashes=body.get("hashes") is True, repair=body.get("repair") is True)


def number(body: Body, name: str) -> int:
    """A whole number of a request; 0 when it is not there. Raises ``bad-request``."""
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SDGenError("bad-request", f"{name} must be a whole number, not {value!r}")
    return value


ACTIONS: Mapping[str, Callable[[Sessions, str, Body], Answer]] = {
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "retry": _retry,
    "skip": _skip,
    "extend": _extend,
    "shrink": _shrink,
    "rename": _rename,
    "move": _move,
    "verify": _verify,
}


def take_in(sessions: Sessions, name: str) -> Answer:
    """Take up the session in the folder ``name`` of one of the places. Raises ``no-manifest``."""
    if not name or set(name) & set("/\\:\0") or name.startswith("."):
        raise SDGenError("bad-request", f"{name!r} is no name of a session folder")
    for root in sessions.places.values():
        if (root / name).is_dir():
            return sessions.status(upkeep.take_in(sessions, root / name))
    raise SDGenError("no-manifest", f"there is no session folder {name!r} in {', '.join(map(str, sessions.places))}")


#: Images of a sheet that a server draws while others wait; the command line draws larger ones.
MOST_COMPARED = 2000


def axes(sessions: Sessions, session: str) -> Mapping[str, list[str]]:
    """What a session's images can be compared by: axis → its values, those with the most first. Raises as ``read_sheet``."""
    from .sheet import read_sheet

    sheet = read_sheet(found_folder(sessions, sessions.ledger.session(session)).folder)
    return {name: sheet.values[name] for name in sheet.axes}


def compared(sessions: Sessions, session: str, body: Body) -> tuple[bytes, str]:
    """A comparison sheet as ``(content, media type)``: ``x`` and ``y`` are axes, ``form`` png or html, ``size`` pixels a cell.

    Raises ``bad-request``, ``bad-option`` and as ``read_sheet``.
    """
    from .sheet import png_bytes, read_sheet, sheet_image, sheet_page

    form, size = str(body.get("form") or "png"), str(body.get("size") or "192")
    if form not in ("png", "html") or not size.isdecimal() or not 16 <= int(size) <= 1024:
        raise SDGenError("bad-request", "form is png or html, size 16 to 1024")
    sheet = read_sheet(found_folder(sessions, sessions.ledger.session(session)).folder)
    named = [sheet.axis(str(body[name])) for name in ("x", "y") if body.get(name)]
    x, y, *_ = [*dict.fromkeys([*named, *sheet.axes]), "seed", "seed"]
    if len(named) == 2:
        x, y = named
    shown = len(sheet.cells) if form == "html" else len(sheet.pivot(x, y, {})[0])
    if shown > MOST_COMPARED:
        raise SDGenError(
            "bad-request",
            f"the sheet would show {shown:,} images, more than {MOST_COMPARED:,}",
            hint="`sdgen sessions sheet` draws sheets of any size; its --fix takes a part.",
        )
    if form == "html":
        return sheet_page(sheet, x=x, y=y, size=int(size)).encode("utf-8"), "text/html"
    return png_bytes(sheet_image(sheet, x, y, size=int(size))), "image/png"
