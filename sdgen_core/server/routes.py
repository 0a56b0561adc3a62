"""How a server gets the routes.

Reading needs nothing; writing needs a JSON body and the header ``X-SDGen: 1``, which a foreign web page cannot send to this
server without asking it first; ``guard`` says who else may do what. Handlers run in worker threads: no SQLite and no file walk on
ComfyUI's event loop. What each route takes and gives is in the OpenAPI document at ``/sdgen/openapi.json``, made from ``table``.

An error is ``{"error": code, "message", "hint", …}``, with ``errors`` when a template's files hold several, and a status of
``answers.STATUS``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoints
from .guard import Guard
from .route import Engine

if TYPE_CHECKING:
    from aiohttp import web


def register(table: web.RouteTableDef, engine: Callable[[], Engine], *, origins: Collection[str] = ()) -> None:
    """Add the routes to ComfyUI's table; ``engine`` raises when the engine could not start. Pages of ``origins`` may ask, too."""
    add(table, Endpoints(engine, Guard(origins=origins)))


def add(table: web.RouteTableDef, endpoints: Endpoints) -> None:
    """Add the routes to a server's table."""
    table.get("/sdgen/login")(endpoints.login)
    for method in ("GET", "POST"):
        table.route(method, "/sdgen/{route:.+}")(endpoints.answer)


def whole_document() -> dict[str, Any]:
    """The OpenAPI document of everything that a server may answer."""
    from .table import whole_document as made

    return made()
