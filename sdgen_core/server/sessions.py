"""The routes of the orders that this ComfyUI works at: their states, sheets, and what people do to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from ..sessions.actions import ACTIONS, axes, compared, take_in
from .route import Call, Engine, File, Handler, Route


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Status(BaseModel):
    """An order and how far it is. Images a minute and seconds left are known while it runs."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str
    state: str
    reason: str
    planned: int
    done: int
    failed: int
    skipped: int
    left: int
    folder: str
    manifest: str
    created: str
    seconds_per_image: float | None
    images_per_minute: float | None
    eta_seconds: int | None


class Statuses(BaseModel):
    """Orders, newest first."""

    sessions: list[Status]


class Failure(BaseModel):
    """An item that failed, with what ComfyUI said."""

    model_config = ConfigDict(extra="allow")

    index: int


class Details(Status):
    """An order with the first hundred of its failed items, and the places it may be moved to."""

    failures: list[Failure]
    places: list[str]


class Axes(BaseModel):
    """What an order's images can be compared by: name to values, those with the most first."""

    axes: dict[str, list[str]]


class Retried(Status):
    retried: int


class Skipped(Status):
    skipped_now: int


class Extended(Status):
    added: int


class Shrunk(Status):
    removed: int


class Verified(Status):
    """``verify``: what files, manifest and ledger say against each other; ``ok`` when all agree, else ``advice``."""

    verify: dict[str, Any]


class ListQuery(_Asked):
    state: str = Field("", description="Orders in this state only.")


class SheetQuery(_Asked):
    x: str = Field("", description="The axis across; one is chosen without it.")
    y: str = Field("", description="The axis down.")
    form: Literal["png", "html"] = "png"
    size: int = Field(192, ge=16, le=1024, description="Pixels of a cell.")


class FolderBody(_Asked):
    folder: str = Field(description="The name of a session's folder in one of the places.")


class RetryBody(_Asked):
    skipped: StrictBool = Field(False, description="Also those that were left out.")


class SkipBody(_Asked):
    items: str | list[StrictInt] = Field(description='Items: "5,7-9", a list of numbers, or "failed".')


class ExtendBody(_Asked):
    more: StrictInt = Field(0, description="Further images.")
    seeds: str | StrictInt | None = Field(None, description="Or further seeds, as a list.")


class ShrinkBody(_Asked):
    count: StrictInt = Field(description="Images that stay planned.")


class RenameBody(_Asked):
    name: str


class MoveBody(_Asked):
    to: str = Field(description="The name of a place.")


class VerifyBody(_Asked):
    hashes: StrictBool = Field(False, description="Also read every file.")
    repair: StrictBool = Field(False, description="First write the manifest anew from what is there.")


def _said(call: Call) -> dict[str, Any]:
    """The body's fields as they were sent."""
    said: dict[str, Any] = call.body.model_dump(exclude_unset=True) if call.body else {}
    return said


def _list(engine: Engine, call: Call) -> dict[str, Any]:
    sessions = engine.sessions
    return {"sessions": [sessions.status(row) for row in sessions.ledger.sessions(call.query.state or None)]}


def _show(engine: Engine, call: Call) -> dict[str, Any]:
    return engine.sessions.details(call.path["session"])


def _axes(engine: Engine, call: Call) -> dict[str, Any]:
    return {"axes": axes(engine.sessions, call.path["session"])}


def _sheet(engine: Engine, call: Call) -> File:
    content, media_type = compared(engine.sessions, call.path["session"], call.query.model_dump())
    return File(content, media_type, page=media_type == "text/html")


def _take_in(engine: Engine, call: Call) -> dict[str, Any]:
    return take_in(engine.sessions, call.body.folder)


def _action(name: str) -> Handler:
    return lambda engine, call: ACTIONS[name](engine.sessions, call.path["session"], _said(call))


_S = "/sdgen/sessions"

#: action -> (summary, model of the body, model of the answer)
_ACTIONS: dict[str, tuple[str, type[BaseModel] | None, type[BaseModel]]] = {
    "pause": ("Pause an order", None, Status),
    "resume": ("Let it go on", None, Status),
    "stop": ("Stop it", None, Status),
    "retry": ("Make failed images again", RetryBody, Retried),
    "skip": ("Leave images out", SkipBody, Skipped),
    "extend": ("Plan further images", ExtendBody, Extended),
    "shrink": ("Plan fewer images", ShrinkBody, Shrunk),
    "rename": ("Give it another name", RenameBody, Status),
    "move": ("Move its folder to another place", MoveBody, Status),
    "verify": ("Hold files, manifest and ledger against each other", VerifyBody, Verified),
}
_SLOW = ("extend", "move", "verify")

ROUTES: tuple[Route, ...] = (
    Route("GET", _S, _list, "All orders, newest first", query=ListQuery, answer=Statuses),
    Route("GET", f"{_S}/{{session}}", _show, "An order", answer=Details),
    Route("GET", f"{_S}/{{session}}/axes", _axes, "What an order's images can be compared by", answer=Axes, slow=True),
    Route(
        "GET",
        f"{_S}/{{session}}/sheet",
        _sheet,
        "A comparison sheet",
        query=SheetQuery,
        types=("image/png", "text/html"),
        slow=True,
    ),
    Route("POST", _S, _take_in, "Take a session in from its folder", body=FolderBody, answer=Status, slow=True),
    *(
        Route(
            "POST",
            f"{_S}/{{session}}/{name}",
            _action(name),
            summary,
            body=body,
            answer=answer,
            slow=name in _SLOW,
        )
        for name, (summary, body, answer) in _ACTIONS.items()
    ),
)
