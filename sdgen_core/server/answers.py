"""What goes out: an answer's headers and bytes, packed or not, a file from its place, an error as JSON. Made in worker threads."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from pydantic import BaseModel

from ..catalog.store import Damaged
from ..errors import SDGenError
from .route import Engine, File

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("sdgen")

#: HTTP status of the errors that are no mistake in what was asked (400).
STATUS = {
    **dict.fromkeys(
        ("unknown-session", "unknown-template", "unknown-item", "unknown-run", "unknown-route", "needs-comfyui"), 404
    ),
    "token-needed": 401,
    **dict.fromkeys(("foreign-origin", "foreign-host", "write-refused", "wrong-token"), 403),
    "wrong-method": 405,
    "body-too-large": 413,
    **dict.fromkeys(("ledger-unusable", "ledger-locked", "bad-settings", "disk-full", "unwritable-folder"), 500),
    **dict.fromkeys(("catalog-unusable", "catalog-damaged", "internal-error"), 500),
    "catalog-locked": 503,
}

#: Bytes of a file that are read and sent at a time.
PIECE = 256 << 10

_PACKED = 32 << 10  # bytes from which an answer is worth packing
_SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp")
_TEXTS = ("application/json", "text/plain")
_FOREVER = "public, max-age=31536000, immutable"
_RUN = secrets.token_hex(4)  # versions may begin anew with the process


@dataclass
class Answer:
    """An answer as a worker made it; of a larger ``file``, ``body`` is the beginning."""

    headers: dict[str, str]
    body: bytes = b""
    status: int = 200
    file: BinaryIO | None = None

    def next_piece(self) -> bytes:
        return self.file.read(PIECE) if self.file else b""

    def close(self) -> None:
        if self.file:
            self.file.close()


def etag(version: str) -> str:
    """The ETag of a version: weak, for the same answer goes out packed and plain."""
    return f'W/"{hashlib.blake2b(f"{_RUN} {version}".encode(), digest_size=12).hexdigest()}"'


def error_answer(error: SDGenError, report: dict[str, Any], status: int | None = None) -> Answer:
    """An error as JSON, with its code's status or another."""
    status = status or STATUS.get(error.code, 400)
    headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "2"
    if status == 405:
        headers["Allow"] = ", ".join(error.nearest)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="SDGen"'
    return Answer(headers, json.dumps(report).encode("utf-8"), status)


def failed(error: Exception, method: str, path: str, engine: Callable[[], Engine]) -> Answer:
    """What a client is told of an exception; one that nobody foresaw is told to the log only."""
    if isinstance(error, Damaged):
        error = SDGenError("catalog-damaged", f"the catalog's index is damaged: {error}")
    elif not isinstance(error, SDGenError):
        log.error("SDGen: %s %s failed", method, path, exc_info=error)
        error = SDGenError("internal-error", f"{method} {path} failed; the log says why")
    gone = error.code == "missing-file" and method in ("GET", "HEAD")
    return error_answer(error, _reported(error, engine), 404 if gone else None)


def made(answer: BaseModel | dict[str, Any] | File, known: str, packs: bool) -> Answer:
    """What a handler gave, as it goes out to a client that has the ETags ``known``, and unpacks gzip or not."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    if not isinstance(answer, File):
        if isinstance(answer, BaseModel):
            body = answer.model_dump_json(by_alias=True).encode("utf-8")
        else:
            body = json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("utf-8")
        headers["Content-Type"] = "application/json"
        return _packed(Answer(headers, body), packs)
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
        return _packed(Answer(headers, answer.content), packs and not answer.type.startswith("image/"))
    return _opened(answer.content, headers, known)


def _opened(path: Path, headers: dict[str, str], known: str) -> Answer:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        state = os.fstat(file.fileno())
        headers["ETag"] = f'W/"{state.st_mtime_ns:x}-{state.st_size:x}"'
        if names_tag(known, headers["ETag"]):
            return unchanged({name: headers[name] for name in ("ETag", "Cache-Control")})
        body = file.read(PIECE)
        if len(body) >= state.st_size:
            return Answer(headers, body)
        stack.pop_all()  # it stays open until all of it is sent
        return Answer({**headers, "Content-Length": str(state.st_size)}, body, file=file)


def names_tag(known: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names an ETag."""
    return tag in (part.strip() for part in known.split(","))


def unchanged(headers: dict[str, str]) -> Answer:
    """What a client has is still right."""
    return Answer(headers, status=304)


def _packed(ready: Answer, packs: bool) -> Answer:
    if len(ready.body) >= _PACKED:
        ready.headers["Vary"] = "Accept-Encoding"
        if packs:
            packer = zlib.compressobj(level=3, wbits=31)
            ready.body = packer.compress(ready.body) + packer.flush()
            ready.headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(ready.body))}
    return ready


def takes_gzip(request: web.Request) -> bool:
    """Whether ``Accept-Encoding`` names gzip, and not with a weight of 0."""
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


def _reported(error: SDGenError, engine: Callable[[], Engine]) -> dict[str, Any]:
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
