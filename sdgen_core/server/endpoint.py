"""How a route is answered over HTTP: what is asked is checked on the event loop, everything else happens in worker threads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from ..catalog.store import Damaged
from ..errors import SDGenError
from .guard import COOKIE, Guard, cookie_value, same_token
from .parse import parse_body, parse_path, parse_query
from .route import Call, Engine, File, Route

if TYPE_CHECKING:
    from aiohttp import web

T = TypeVar("T")

log = logging.getLogger("sdgen")

#: HTTP status of the errors that are no mistake in what was asked (400).
STATUS = {
    **dict.fromkeys(("unknown-session", "unknown-template", "unknown-item", "needs-comfyui"), 404),
    "token-needed": 401,
    **dict.fromkeys(("foreign-origin", "foreign-host", "write-refused", "wrong-token"), 403),
    "body-too-large": 413,
    **dict.fromkeys(("ledger-unusable", "ledger-locked", "bad-settings", "disk-full", "unwritable-folder"), 500),
    **dict.fromkeys(("catalog-unusable", "catalog-damaged", "internal-error"), 500),
    "catalog-locked": 503,
}

_THREADS = 4
_PACKED = 32 << 10  # bytes from which an answer is worth packing
_PIECE = 256 << 10  # bytes of a file that are read and sent at a time
_SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp")
_TEXTS = ("application/json", "text/plain")
_FOREVER = "public, max-age=31536000, immutable"
_RUN = secrets.token_hex(4)  # versions may begin anew with the process


@dataclass
class _Ready:
    """An answer as a worker made it; of a larger ``file``, ``body`` is the beginning."""

    headers: dict[str, str]
    body: bytes = b""
    status: int = 200
    file: BinaryIO | None = None

    def next_piece(self) -> bytes:
        return self.file.read(_PIECE) if self.file else b""

    def close(self) -> None:
        if self.file:
            self.file.close()


class Endpoints:
    """Answers the routes of ``engine``, which raises when it could not start.

    Handlers run in threads of our own: asyncio's are ComfyUI's, and those of quick routes wait for no slow one.
    """

    def __init__(self, engine: Callable[[], Engine], guard: Guard) -> None:
        self._engine, self._guard = engine, guard
        self._quick = ThreadPoolExecutor(_THREADS, "sdgen-route")
        self._slow = ThreadPoolExecutor(_THREADS, "sdgen-slow-route")

    def close(self) -> None:
        """Begin nothing new, and wait for what runs."""
        for pool in (self._quick, self._slow):
            pool.shutdown(cancel_futures=True)

    async def run(self, work: Callable[[], T], *, slow: bool = False) -> T:
        """What ``work`` gives, from a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._slow if slow else self._quick, work)

    def endpoint(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """aiohttp's handler of a route."""

        async def endpoint(request: web.Request) -> web.StreamResponse:
            try:
                self.check(request)
                ready = await self._worked(route, request)
            except Exception as error:
                return await self.failed(request, error)
            return await self._sent(request, ready)

        return endpoint

    def check(self, request: web.Request) -> None:
        """Raises what the guard has against a request."""
        self._guard.check(request, self._engine().token)

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

    async def failed(self, request: web.Request, error: Exception) -> web.Response:
        """What a client is told of an exception; one that nobody foresaw is told to the log only."""
        if isinstance(error, Damaged):
            error = SDGenError("catalog-damaged", f"the catalog's index is damaged: {error}")
        elif not isinstance(error, SDGenError):
            log.error("SDGen: %s %s failed", request.method, request.path, exc_info=error)
            error = SDGenError("internal-error", f"{request.method} {request.path} failed; the log says why")
        told = error
        gone = told.code == "missing-file" and request.method in ("GET", "HEAD")
        return error_response(told.code, await self.run(lambda: _report(told, self._engine)), 404 if gone else None)

    async def _worked(self, route: Route, request: web.Request) -> _Ready:
        body = await _read(request, route.limit) if route.writes else b""
        known, packs = request.headers.get("If-None-Match", ""), _takes_gzip(request)
        parts, query = dict(request.match_info), list(request.query.items())

        def work() -> _Ready:
            asked = parse_body(route.body, body) if route.writes else None
            call = Call(parse_path(parts), parse_query(route.query, query), asked)
            engine = self._engine()
            tag = etag(route.version(engine, call)) if route.version else None
            if tag and _has(known, tag):
                return _unchanged({"ETag": tag, "Cache-Control": "no-cache"})
            ready = _ready(route.handler(engine, call), known, packs)
            if tag:
                ready.headers["ETag"] = tag
            return ready

        return await self.run(work, slow=route.slow)

    async def _sent(self, request: web.Request, ready: _Ready) -> web.StreamResponse:
        from aiohttp import web

        if ready.file is None and "Content-Encoding" not in ready.headers:
            return web.Response(body=ready.body or None, status=ready.status, headers=ready.headers)
        # A stream, for ComfyUI's option to pack answers packs every plain one, those that are packed already too.
        response = web.StreamResponse(status=ready.status, headers=ready.headers)
        try:
            await response.prepare(request)
            piece = ready.body if request.method != "HEAD" else b""
            while piece:
                await response.write(piece)
                piece = await self.run(ready.next_piece)
            await response.write_eof()
        finally:
            ready.close()
        return response


def etag(version: str) -> str:
    """The ETag of a version: weak, for the same answer goes out packed and plain."""
    return f'W/"{hashlib.blake2b(f"{_RUN} {version}".encode(), digest_size=12).hexdigest()}"'


def error_response(code: str, report: dict[str, Any], status: int | None = None) -> web.Response:
    """An error as JSON, with its code's status or another."""
    from aiohttp import web

    status = status or STATUS.get(code, 400)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "2"
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="SDGen"'
    return web.json_response(report, status=status, headers=headers)


def _ready(answer: BaseModel | dict[str, Any] | File, known: str, packs: bool) -> _Ready:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    if not isinstance(answer, File):
        if isinstance(answer, BaseModel):
            body = answer.model_dump_json(by_alias=True).encode("utf-8")
        else:
            body = json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("utf-8")
        headers["Content-Type"] = "application/json"
        return _packed(_Ready(headers, body), packs)
    headers["Content-Type"] = f"{answer.type}; charset=utf-8" if answer.type.startswith("text/") else answer.type
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Content-Security-Policy"] = (
        "sandbox allow-scripts allow-forms" if answer.page else "default-src 'none'; sandbox"
    )
    if answer.immutable:
        headers["Cache-Control"] = _FOREVER
    if answer.name or not (answer.page or answer.type in _SHOWN or answer.type in _TEXTS):
        shown = answer.page or answer.type in _SHOWN
        headers["Content-Disposition"] = _disposition("inline" if shown else "attachment", answer.name)
    if isinstance(answer.content, bytes):
        return _packed(_Ready(headers, answer.content), packs and not answer.type.startswith("image/"))
    return _opened(answer.content, headers, known)


def _opened(path: Path, headers: dict[str, str], known: str) -> _Ready:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        state = os.fstat(file.fileno())
        headers["ETag"] = f'W/"{state.st_mtime_ns:x}-{state.st_size:x}"'
        if _has(known, headers["ETag"]):
            return _unchanged({name: headers[name] for name in ("ETag", "Cache-Control")})
        body = file.read(_PIECE)
        if len(body) >= state.st_size:
            return _Ready(headers, body)
        stack.pop_all()  # it stays open until all of it is sent
        return _Ready({**headers, "Content-Length": str(state.st_size)}, body, file=file)


def _has(known: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names an ETag."""
    return tag in (part.strip() for part in known.split(","))


def _unchanged(headers: dict[str, str]) -> _Ready:
    return _Ready(headers, status=304)


def _packed(ready: _Ready, packs: bool) -> _Ready:
    if len(ready.body) >= _PACKED:
        ready.headers["Vary"] = "Accept-Encoding"
        if packs:
            packer = zlib.compressobj(level=3, wbits=31)
            ready.body = packer.compress(ready.body) + packer.flush()
            ready.headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(ready.body))}
    return ready


def _takes_gzip(request: web.Request) -> bool:
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _disposition(kind: str, name: str | None) -> str:
    """RFC 6266: the name in ASCII for all, and whole in UTF-8 for those that know it."""
    if not name:
        return kind
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()+") else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _read(request: web.Request, limit: int) -> bytes:
    """The body, which is not read further than ``limit`` bytes. Raises ``body-too-large`` and ``bad-request``."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise SDGenError("bad-request", "the body must not be packed")
    too_large = SDGenError("body-too-large", f"a body may have {limit:,} bytes here")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > limit:
            raise too_large
    return bytes(body)


def _report(error: SDGenError, engine: Callable[[], Engine]) -> dict[str, Any]:
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
