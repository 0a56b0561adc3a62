"""The routes served alone, without ComfyUI: a library's sessions and images, its judgements, and what happens as events."""

from __future__ import annotations

import asyncio
import functools
import gc
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import SDGenError
from ..scoring import GALLERY_QUEUE, waits
from .answers import Answer, error_answer, takes_gzip
from .endpoint import Endpoints
from .events import Hub
from .guard import Guard
from .page import page_file
from .routes import add

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

    from ..catalog.library import Library
    from ..scoring.jobs import Jobs
    from ..scoring.settings import ScoringSettings
    from ..sessions.service import Sessions
    from ..templates.library import Listings
    from ..training.desk import Desk

#: Characters of an address: enough for the longest query, percent-encoded.
LINE_LIMIT = 64 << 10

_LISTED = 500
_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>SDGen</title>
<style>body{{font:16px system-ui,sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}</style>
<h1>SDGen</h1>
<p>{sessions:,} sessions, {images:,} images. What can be asked: <a href="sdgen/openapi.json">openapi.json</a></p>
<table>{rows}</table>
"""
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Alone:
    """What is served where there is no ComfyUI: the library."""

    def __init__(
        self,
        library: Library,
        token: str | None,
        scorers: Sequence[Path] = (),
        scoring: Callable[[], ScoringSettings] | None = None,
        training: Callable[[Library], Desk] | None = None,
    ) -> None:
        self.library = library
        self.token = token
        self._scorers, self._scoring, self._training = scorers, scoring, training
        self._making = threading.Lock()
        self._desk: Desk | None = None

    @functools.cached_property
    def scoring(self) -> Jobs:
        from ..scoring.jobs import Jobs

        folder = self.library.folder / "scoring"
        return Jobs(self.library, folder, self._scorers, queue=GALLERY_QUEUE, settings=self._scoring)

    @property
    def desk(self) -> Desk:
        """Training; raises ``needs-comfyui`` where nobody said in which folder it is."""
        with self._making:
            if self._desk is None:
                if self._training is None:
                    _needs_comfyui("training runs")
                self._desk = self._training(self.library)
            return self._desk

    def begin(self) -> None:
        """Go on with the scoring that was not ended the last time."""
        if waits(self.library.folder / "scoring" / GALLERY_QUEUE):
            self.scoring.start()

    def close(self) -> None:
        """End the work behind that was begun here."""
        if "scoring" in vars(self):
            self.scoring.stop()
        if self._desk is not None:
            self._desk.close()

    @property
    def sessions(self) -> Sessions:
        _needs_comfyui("orders")

    @property
    def templates(self) -> Listings:
        _needs_comfyui("templates")


def _needs_comfyui(what: str) -> NoReturn:
    raise SDGenError("needs-comfyui", f"{what} are ComfyUI's, and this server shows what is there")


def create_app(
    library: Library,
    token: str | None = None,
    *,
    hub: Hub | None = None,
    scorers: Sequence[Path] = (),
    scoring: Callable[[], ScoringSettings] | None = None,
    training: Callable[[Library], Desk] | None = None,
) -> web.Application:
    """The server of a library, whose work behind is its owner's. With a token only those who have it are answered. ``scorers`` are
    folders with models for scoring, ``scoring`` gives the settings of it; ``training`` makes what the routes of training serve."""
    from aiohttp import web

    engine = Alone(library, token, scorers, scoring, training)
    endpoints = Endpoints(lambda: engine, Guard(alone=True))
    events = hub or Hub()
    library.heard.append(events.send)

    async def stream(request: web.Request) -> web.StreamResponse:
        try:
            endpoints.check(request)
        except SDGenError as error:
            return await endpoints.failed(request, error)
        return await events.stream(request)

    async def start_page(request: web.Request) -> web.StreamResponse:
        if "token" in request.query:
            return await endpoints.login(request, home="./")
        packs = takes_gzip(request)
        return await endpoints.answered(request, lambda: page_file("", packs) or _start_page(library))

    async def web_file(request: web.Request) -> web.StreamResponse:
        name, packs = request.match_info["name"], takes_gzip(request)
        return await endpoints.answered(request, lambda: _found(page_file(name, packs) if name else None, request.path))

    async def begin(app: web.Application) -> None:
        await asyncio.get_running_loop().run_in_executor(None, engine.begin)

    async def shut_down(app: web.Application) -> None:
        events.close()

    async def clean_up(app: web.Application) -> None:
        library.heard.remove(events.send)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, engine.close)
        await loop.run_in_executor(None, endpoints.close)

    app = web.Application(middlewares=[_unknown()], handler_args={"max_line_size": LINE_LIMIT})
    table = web.RouteTableDef()
    table.get("/")(start_page)
    table.get("/web/{name:.*}")(web_file)
    table.get("/sdgen/events", allow_head=False)(stream)
    add(table, endpoints)
    app.add_routes(table)
    app.on_startup.append(begin)
    app.on_shutdown.append(shut_down)
    app.on_cleanup.append(clean_up)
    return app


def _unknown() -> Middleware:
    """Answers where there is no route as routes answer."""
    from aiohttp import web

    @web.middleware
    async def unknown(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status not in (404, 405):
                raise
            where = request.path[:200]
            said = SDGenError("unknown-route", f"{request.method} {where} is no route")
            if isinstance(error, web.HTTPMethodNotAllowed):
                known = sorted(error.allowed_methods - {"HEAD"})
                said = SDGenError("wrong-method", f"{where} has no {request.method}", nearest=known)
            answer = error_answer(said, said.to_dict())
            return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    return unknown


def _found(answer: Answer | None, path: str) -> Answer:
    if answer is None:
        raise SDGenError("unknown-route", f"GET {path[:200]} is no route")
    return answer


def _start_page(library: Library) -> Answer:
    """What there is, where this package was installed without the panel's application. Everything in it is escaped."""
    store = library.catalog.index.store
    sessions, images = store.rows("SELECT count(*), total(images) FROM session WHERE missing=0")[0]
    rows = store.rows(
        "SELECT slug, name, images, started FROM session WHERE missing=0 ORDER BY started DESC LIMIT ?", (_LISTED,)
    )
    lines = [
        f"<tr><td>{escape(name or slug)}<td>{count:,} images<td>{_day(started)}" for slug, name, count, started in rows
    ]
    text = _PAGE.format(sessions=sessions, images=int(images), rows="\n".join(lines))
    return Answer(dict(_PAGE_HEADERS), text.encode("utf-8"))


def _day(milliseconds: int | None) -> str:
    return "" if not milliseconds else f"{datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M}"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises ``port-in-use`` and ``bad-option``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise SDGenError("bad-option", f"{host!r} is no address of this machine: {error}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":  # there, another program could take the address over
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SDGenError("port-in-use", f"nothing can listen at {host}:{port}: {error.strerror or error}") from error
    return listener


def serve(app: web.Application, listener: socket.socket) -> None:
    """Serve until Ctrl+C."""
    from aiohttp import web

    from . import table

    table.document_bytes()
    gc.freeze()  # what is loaded stays, and need not be looked through for rubbish, which everybody would wait for
    web.run_app(app, sock=listener, print=None, access_log=None, shutdown_timeout=2.0)
