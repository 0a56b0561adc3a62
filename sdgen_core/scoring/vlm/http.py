"""One exchange with a model server, and in plain words what can be wrong with it.

aiohttp is used without the proxies of the environment, without following redirects, and with an answer's size bounded: images go to the
address in the settings and nowhere else, and whatever listens there cannot fill the memory.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import SDGenError
from .address import check_literal, near_resolver

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

LARGEST_ANSWER = 4 << 20  # bytes; an answer with 2,048 thinking tokens and 20 candidates each has 2.5 MB

_NO_SUCH_MODEL = re.compile(
    r"model\b.*(?:not found|not exist|does ?n[o']t exist|unknown|not loaded)|no models? (?:is )?loaded|unknown model",
    re.I | re.S,
)
_NO_IMAGES = re.compile(
    r"image input|mmproj|not a multi-?modal|(?:support|accept|process)\w* (?:images?|vision)|unsupported content.*image_url",
    re.I | re.S,
)
_NO_SUCH_OPTION = re.compile(r"logprob|max_tokens|max_completion_tokens|temperature", re.I)
_FILTERED = re.compile(r"content[ _](?:filter|management|policy)|safety system", re.I)


class VlmError(SDGenError):
    """An error of the model server. ``fatal``: it will be the same for every other question. ``again``: it may pass, at the earliest
    after ``wait`` seconds. ``reason``: what the server said, in full.
    """

    def __init__(
        self, code: str, message: str, *, fatal: bool = False, again: bool = False, wait: float = 0.0, reason: str = ""
    ) -> None:
        super().__init__(code, message)
        self.fatal, self.again, self.wait, self.reason = fatal, again, wait, reason


@dataclass(frozen=True)
class Wire:
    """How to reach the server: base ``url``, ``remote`` allowed or not, API ``key`` (never shown), ``timeout`` in seconds."""

    url: str
    remote: bool
    key: str = field(repr=False)
    timeout: float
    connections: int

    def session(self) -> aiohttp.ClientSession:
        """A session that connects only where it may. Raises ``vlm-remote`` for an address elsewhere."""
        import aiohttp

        if not self.remote:
            check_literal(self.url)
        headers = {"Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.connections, resolver=None if self.remote else near_resolver()),
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=min(10.0, self.timeout)),
            headers=headers,
            trust_env=False,
        )

    def said(self, text: str) -> str:
        """What a server said, short, on one line, and without the key, which some servers repeat."""
        line = " ".join((text.replace(self.key, "***") if self.key else text).split())
        return line if len(line) <= 200 else f"{line[:199]}…"


async def exchange(
    session: aiohttp.ClientSession, wire: Wire, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One request; the JSON object of the answer. Raises ``VlmError`` for everything else, and ``vlm-remote``."""
    import aiohttp

    try:
        async with session.request(method, wire.url + path, json=body, allow_redirects=False) as response:
            text = await _text(response)
            return _judged(wire, path, response.status, response.headers, text)
    except asyncio.TimeoutError as error:
        raise VlmError("vlm-timeout", f"{wire.url} did not answer within {wire.timeout:g} s", again=True) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        message = f"the answer of {wire.url} broke off or is no HTTP: {wire.said(str(error))}"
        raise VlmError("vlm-nonsense", message, again=True) from error
    except (aiohttp.ClientError, OSError) as error:
        message = f"no model server answers at {wire.url}: {wire.said(str(error) or type(error).__name__)}"
        raise VlmError("vlm-unreachable", message, fatal=True, again=True) from error


async def _text(response: aiohttp.ClientResponse) -> str:
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise VlmError(
                "vlm-nonsense", f"the answer of {response.url.host} is larger than {LARGEST_ANSWER >> 20} MB"
            )
    return b"".join(parts).decode("utf-8", "replace")


def _judged(wire: Wire, path: str, status: int, headers: Mapping[str, str], text: str) -> dict[str, Any]:
    if status == 200:
        return _object(wire, path, text)
    if 300 <= status < 400:
        target = urlsplit(headers.get("Location", ""))
        where = f"{target.scheme}://{target.hostname}" if target.hostname else "another path"
        raise VlmError(
            "vlm-redirected", f"{wire.url} sends on to {wire.said(where)}; nothing was sent there", fatal=True
        )
    reason = _reason(text)
    answer = f"{wire.url} answered {status}" + (f": {wire.said(reason)}" if reason else "")
    if status in (401, 403, 407):
        raise VlmError("vlm-key-refused", answer, fatal=True)
    if _NO_SUCH_MODEL.search(reason):
        raise VlmError("vlm-unknown-model", answer, fatal=True)
    if _FILTERED.search(reason):
        raise VlmError("vlm-filtered", answer)
    if status in (400, 422) and _NO_SUCH_OPTION.search(reason):
        raise VlmError("vlm-bad-request", answer, reason=reason)
    if _NO_IMAGES.search(reason):
        raise VlmError("vlm-no-images", answer, fatal=True)
    if status in (404, 405):
        raise VlmError("vlm-no-api", answer, fatal=True)
    if status == 413:
        raise VlmError("vlm-too-large", answer)
    if status in (408, 425, 429):
        raise VlmError("vlm-busy", answer, again=True, wait=_seconds(headers.get("Retry-After", "")))
    if status >= 500:
        raise VlmError("vlm-failed", answer, again=True, wait=_seconds(headers.get("Retry-After", "")))
    raise VlmError("vlm-bad-request", answer, reason=reason)


def _object(wire: Wire, path: str, text: str) -> dict[str, Any]:
    try:
        out = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "<":
            message = f"{wire.url}{path} answers with a web page: this is no OpenAI-compatible API"
            raise VlmError("vlm-no-api", message, fatal=True) from error
        message = f"the answer of {wire.url} is no JSON: {wire.said(text[:80])!r}"
        raise VlmError("vlm-nonsense", message) from error
    if not isinstance(out, dict):
        raise VlmError("vlm-nonsense", f"the answer of {wire.url} is no JSON object: {wire.said(text[:80])!r}")
    if out.get("error") and "choices" not in out and "data" not in out:  # some servers say so with status 200
        raise VlmError("vlm-failed", f"{wire.url} answered: {wire.said(_reason(text))}")
    return out


def _reason(text: str) -> str:
    """The sentence in an error's body: OpenAI's form, a bare text in ``error``, ``detail`` or ``message``; nothing of a web page."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip()[:1] == "<" else text[:400]
    if not isinstance(body, dict):
        return text[:400]
    error = body.get("error") or body.get("detail") or body
    if isinstance(error, dict):
        words = [error.get("message"), error.get("code") if isinstance(error.get("code"), str) else ""]
        return " ".join(str(word) for word in words if word)
    return str(error)[:400]


def _seconds(text: str) -> float:
    """``Retry-After`` in seconds; its other form, a date, counts as nought."""
    return float(text) if text.strip().isdecimal() and len(text) < 8 else 0.0
