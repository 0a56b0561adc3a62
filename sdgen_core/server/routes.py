"""The routes: one table, thin handlers, JSON in and out.

Reading needs nothing; writing needs a JSON body and the header ``X-SDGen: 1``, which a foreign web page cannot send to this
server without asking it first. Handlers run in a worker thread: no SQLite and no file walk on ComfyUI's event loop.

| method | path | answer |
|---|---|---|
| GET | /sdgen/sessions?state= | ``{"sessions": [status, …]}``, newest first |
| GET | /sdgen/sessions/{id} | status (see ``Sessions.status``) with ``failures`` |
| GET | /sdgen/sessions/{id}/axes | ``{"axes": {name: [value, …]}}``: what its images can be compared by |
| GET | /sdgen/sessions/{id}/sheet?x=&y=&form=&size= | a comparison sheet: a PNG, or with ``form=html`` a page |
| POST | /sdgen/sessions ``{"folder": name}`` | status of the session taken in from its folder |
| POST | /sdgen/sessions/{id}/ and one of ``sessions.actions.ACTIONS`` | status, and what the action adds |
| GET | /sdgen/templates?since= | ``{"version", "templates": [name, …]}``; without the names when the version is ``since`` |
| POST | /sdgen/templates/preview ``TemplateQuery`` fields, ``seeds``, ``count``, ``planner`` | summary and first prompts |
| POST | /sdgen/templates/choices ``TemplateQuery`` fields | every placeholder with its values |
| POST | /sdgen/templates/themes ``file``, ``text`` | the themes of the template with their styles; the first is none |

An error is ``{"error": code, "message", "hint", …}``, with ``errors`` when a template's files hold several, and status 400, 404
(unknown id or name) or 500 (the machine's fault).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import SDGenError
from ..sessions.actions import ACTIONS, axes, compared, take_in
from .preview import choices, preview, themes

if TYPE_CHECKING:
    from aiohttp import web

    from ..sessions.service import Sessions
    from ..templates.library import Listings

_NOT_FOUND = frozenset({"unknown-session", "unknown-template", "unknown-item"})
_OURS = frozenset({"ledger-unusable", "ledger-locked", "bad-settings", "disk-full", "unwritable-folder"})

Body = dict[str, Any]


@dataclass(frozen=True)
class File:
    """An answer that is a file. A page of ours may run its script, and reaches nothing of ComfyUI's."""

    content: bytes
    type: str


Handler = Callable[["Engine", str, Body], "Body | File"]


class Engine(Protocol):
    """What the routes serve: ComfyUI's engine, or a program that shows sessions alone."""

    @property
    def sessions(self) -> Sessions: ...

    @property
    def templates(self) -> Listings: ...


def _list(engine: Engine, name: str, body: Body) -> Body:
    sessions = engine.sessions
    return {"sessions": [sessions.status(row) for row in sessions.ledger.sessions(body.get("state") or None)]}


def _show(engine: Engine, name: str, body: Body) -> Body:
    return engine.sessions.details(name)


def _axes(engine: Engine, name: str, body: Body) -> Body:
    return {"axes": axes(engine.sessions, name)}


def _sheet(engine: Engine, name: str, body: Body) -> File:
    return File(*compared(engine.sessions, name, body))


def _take_in(engine: Engine, name: str, body: Body) -> Body:
    return take_in(engine.sessions, str(body.get("folder") or ""))


def _action(action: str) -> Handler:
    return lambda engine, name, body: ACTIONS[action](engine.sessions, name, body)


def _templates(engine: Engine, name: str, body: Body) -> Body:
    listing = engine.templates.current()
    names: Body = {} if body.get("since") == listing.version else {"templates": listing.names}
    return {"version": listing.version, **names}


def _preview(engine: Engine, name: str, body: Body) -> Body:
    return preview(engine.templates.library, body, lambda: engine.sessions)


def _choices(engine: Engine, name: str, body: Body) -> Body:
    return choices(engine.templates.library, body)


def _themes(engine: Engine, name: str, body: Body) -> Body:
    return themes(engine.templates.library, body)


TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/sdgen/sessions", _list),
    ("GET", "/sdgen/sessions/{name}", _show),
    ("GET", "/sdgen/sessions/{name}/axes", _axes),
    ("GET", "/sdgen/sessions/{name}/sheet", _sheet),
    ("POST", "/sdgen/sessions", _take_in),
    *(("POST", f"/sdgen/sessions/{{name}}/{action}", _action(action)) for action in ACTIONS),
    ("GET", "/sdgen/templates", _templates),
    ("POST", "/sdgen/templates/preview", _preview),
    ("POST", "/sdgen/templates/choices", _choices),
    ("POST", "/sdgen/templates/themes", _themes),
)


def register(table: web.RouteTableDef, engine: Callable[[], Engine]) -> None:
    """Add the routes to ComfyUI's table; ``engine`` raises when the engine could not start."""
    for method, path, handler in TABLE:
        table.route(method, path)(_endpoint(method, handler, engine))


def _endpoint(
    method: str, handler: Handler, engine: Callable[[], Engine]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        try:
            body = dict(request.query) if method == "GET" else await _json(request)
            name = request.match_info.get("name", "")
            answer = await asyncio.to_thread(lambda: handler(engine(), name, body))
            if isinstance(answer, File):
                headers = {
                    "Content-Security-Policy": "sandbox allow-scripts allow-forms",
                    "X-Content-Type-Options": "nosniff",
                }
                return web.Response(body=answer.content, content_type=answer.type, headers=headers)
            return web.json_response(answer)
        except SDGenError as error:
            status = 404 if error.code in _NOT_FOUND else 500 if error.code in _OURS else 400
            return web.json_response(_report(error, engine), status=status)

    return endpoint


def _report(error: SDGenError, engine: Callable[[], Engine]) -> Body:
    """The error as JSON. Template files have the names that a client knows them by."""
    report = error.to_dict()
    try:
        named = engine().templates.library.named
    except SDGenError:
        return report

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return named(value)
        if isinstance(value, dict):
            return {key: renamed(inner) for key, inner in value.items()}
        return [renamed(inner) for inner in value] if isinstance(value, list) else value

    return {key: renamed(value) for key, value in report.items()}


async def _json(request: web.Request) -> Body:
    """The body of a writing request. Raises ``bad-request``."""
    if request.headers.get("X-SDGen") != "1" or request.content_type != "application/json":
        raise SDGenError("bad-request", "a writing request needs a JSON body and the header X-SDGen: 1")
    text = await request.text()
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise SDGenError("bad-request", f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise SDGenError("bad-request", "the body must be a JSON object")
    return body
