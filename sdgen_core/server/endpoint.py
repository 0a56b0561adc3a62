"""How a route is answered over HTTP: what is asked is checked on the event loop, everything else happens in worker threads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import SDGenError
from .answers import Answer, etag, failed, made, names_tag, takes_gzip, unchanged
from .guard import COOKIE, Guard, cookie_value, same_token
from .parse import parse_body, parse_path, parse_query
from .route import Call, Engine
from .workers import Workers

if TYPE_CHECKING:
    from aiohttp import web

    from .table import Finder


class Endpoints:
    """Answers the routes of ``engine``, which raises when it could not start."""

    def __init__(self, engine: Callable[[], Engine], guard: Guard) -> None:
        self._engine, self._guard = engine, guard
        self._workers = Workers()
        self._finder: Finder | None = None

    def close(self) -> None:
        """Begin nothing new, and wait for what runs."""
        self._workers.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """aiohttp's handler of all routes."""
        method = "GET" if request.method == "HEAD" else request.method
        path = request.rel_url.raw_path
        path = path[path.index("/sdgen/") :]  # each route has a twin below /api
        try:
            self.check(request)
            if self._finder is None:
                self._finder = await self._workers.run(_finder)
            route, parts = self._finder.find(method, path)
            if route.changes:
                self._guard.check_change(request, self._engine().token)
            body = await _read(request, route.limit) if route.writes else b""
        except SDGenError as error:
            return await self.failed(request, error)
        known, packs, query = request.headers.get("If-None-Match", ""), takes_gzip(request), list(request.query.items())

        def work() -> Answer:
            asked = parse_body(route.body, body) if route.writes else None
            call = Call(parse_path(parts), parse_query(route.query, query), asked)
            engine = self._engine()
            tag = etag(route.version(engine, call)) if route.version else None
            if tag and names_tag(known, tag):
                return unchanged({"ETag": tag, "Cache-Control": "no-cache"})
            answer = made(route.handler(engine, call), known, packs)
            if tag:
                answer.headers["ETag"] = tag
            if self._guard.alone and engine.token:  # a proxy's cache would show it to those who have no token
                answer.headers["Cache-Control"] = answer.headers["Cache-Control"].replace("public", "private")
            return answer

        return await self._sent(request, await self._worked(request, work, slow=route.slow))

    def check(self, request: web.Request) -> None:
        """Raises what the guard has against a request."""
        self._guard.check(request, self._engine().token)

    async def answered(self, request: web.Request, work: Callable[[], Answer]) -> web.StreamResponse:
        """What ``work`` gives, asked by those whom the guard lets; else its error."""
        try:
            self.check(request)
        except SDGenError as error:
            return await self.failed(request, error)
        return await self._sent(request, await self._worked(request, work))

    async def failed(self, request: web.Request, error: SDGenError) -> web.StreamResponse:
        """The error as JSON."""

        def work() -> Answer:
            raise error

        return await self._sent(request, await self._worked(request, work))

    async def login(self, request: web.Request, home: str = "../") -> web.StreamResponse:
        """Have a browser keep the token that the address says, and go to ``home``, whose address does not say it."""
        from aiohttp import web

        token = self._engine().token
        if not token or not same_token(request.query.get("token", ""), token):
            return await self.failed(request, SDGenError("wrong-token", "this is not the server's token"))
        response = web.Response(status=303, headers={"Location": home, "Cache-Control": "no-store"})
        secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
        year = 365 * 24 * 3600
        response.set_cookie(
            COOKIE, cookie_value(token), max_age=year, httponly=True, samesite="Strict", secure=secure, path="/"
        )
        return response

    async def _worked(self, request: web.Request, work: Callable[[], Answer], *, slow: bool = False) -> Answer:
        """What ``work`` gives in a worker thread, or its error. The error ends there too: what hangs on it may be large."""
        method, path = request.method, request.path

        def attempt() -> Answer:
            try:
                return work()
            except Exception as error:
                return failed(error, method, path, self._engine)

        return await self._workers.run(attempt, slow=slow)

    async def _sent(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        from aiohttp import web

        if answer.file is None and "Content-Encoding" not in answer.headers:
            return web.Response(body=answer.body or None, status=answer.status, headers=answer.headers)
        # A stream, for ComfyUI's option to pack answers packs every plain one, those that are packed already too.
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        try:
            with suppress(ConnectionError):  # who scrolls on leaves many an image half loaded
                await response.prepare(request)
                piece = answer.body if request.method != "HEAD" else b""
                while piece:
                    await response.write(piece)
                    piece = await self._workers.run(answer.next_piece)
                await response.write_eof()
        finally:
            answer.close()
        return response


def _finder() -> Finder:
    from .table import Finder

    return Finder()


async def _read(request: web.Request, limit: int) -> bytes:
    """The body, which is not read further than ``limit`` bytes. Raises ``body-too-large`` and ``bad-request``."""
    from aiohttp import ClientPayloadError, web
    from aiohttp.http_exceptions import HttpProcessingError

    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise SDGenError("bad-request", "the body must not be packed")
    too_large = SDGenError("body-too-large", f"a body may have {limit:,} bytes here")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    try:
        while piece := await request.content.readany():
            body += piece
            if len(body) > limit:
                raise too_large
    except (ConnectionError, HttpProcessingError, ClientPayloadError, web.RequestPayloadError) as error:
        raise SDGenError("bad-request", f"the body did not come whole: {type(error).__name__}") from error
    return bytes(body)
