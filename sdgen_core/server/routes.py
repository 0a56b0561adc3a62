"""The table of all routes, and how a server gets them.

Reading needs nothing; writing needs a JSON body and the header ``X-SDGen: 1``, which a foreign web page cannot send to this
server without asking it first; ``guard`` says who else may do what. Handlers run in worker threads: no SQLite and no file walk on
ComfyUI's event loop. What each route takes and gives is in the OpenAPI document at ``/sdgen/openapi.json``, made from this table.

An error is ``{"error": code, "message", "hint", …}``, with ``errors`` when a template's files hold several, and a status of
``answers.STATUS``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from . import gallery, preview, sessions
from .endpoint import Endpoints
from .events import STREAM
from .guard import Guard
from .openapi import LOGIN, document
from .route import Call, Engine, File, Route

if TYPE_CHECKING:
    from aiohttp import web


def _document(engine: Engine, call: Call) -> File:
    return File(document_bytes(), "application/json")


TABLE: tuple[Route, ...] = (
    *sessions.ROUTES,
    *preview.ROUTES,
    *gallery.ROUTES,
    Route(
        "GET",
        "/sdgen/openapi.json",
        _document,
        "This document",
        types=("application/json",),
        version=lambda engine, call: "1",  # the ETag names the process already
    ),
)


def whole_document() -> dict[str, Any]:
    """The OpenAPI document of everything that a server may answer."""
    return document(TABLE, more={**LOGIN, **STREAM})


@functools.cache
def document_bytes() -> bytes:
    """The same as JSON, made once."""
    return json.dumps(whole_document(), ensure_ascii=False).encode("utf-8")


def register(table: web.RouteTableDef, engine: Callable[[], Engine], *, origins: Collection[str] = ()) -> None:
    """Add the routes to ComfyUI's table; ``engine`` raises when the engine could not start. Pages of ``origins`` may ask, too."""
    add(table, Endpoints(engine, Guard(origins=origins)))


def add(table: web.RouteTableDef, endpoints: Endpoints) -> None:
    """Add the routes to a server's table."""
    for route in TABLE:
        table.route(route.method, route.path)(endpoints.endpoint(route))
    table.get("/sdgen/login")(endpoints.login)
