"""What happens, told to browsers as server-sent events, where there is no ComfyUI whose websocket does it.

Events have numbers; a browser that was away says the last one it heard and gets those since, or is told to ``reload`` when they
are too many. The same is told to one that reads too slowly: nobody waits for it.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

#: Events that are remembered for those who come back.
KEPT = 1000
#: Kinds that say how things are now: of those only the last is remembered.
LAST_COUNTS = frozenset({"scoring"})
#: Events that wait for a reader at most.
WAITING = 256
#: Seconds of silence after which a line says that the connection lives.
HEARTBEAT = 15.0
#: Streams at a time; a browser has up to six a server.
MOST = 100

_LOOK = 1.0  # s between two looks whether a silent reader is still there
_STUCK = 60.0  # s for which one may take nothing


class _Reader:
    """A stream, and the events that it has not sent yet. Used on its event loop only."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = transport
        self.waiting: deque[bytes] = deque()
        self.came = asyncio.Event()
        self.writing = False

    async def write(self, response: web.StreamResponse, message: bytes) -> None:
        """Send, for as long as one waits for somebody. Raises ``ConnectionError``."""
        self.writing = True
        try:
            await asyncio.wait_for(response.write(message), _STUCK)
        except asyncio.TimeoutError as error:
            self.end()
            raise ConnectionAbortedError("nothing was read for too long") from error
        finally:
            self.writing = False

    def end(self) -> None:
        """Have the stream end; one that cannot send ends at once."""
        self.came.set()
        if self.writing and isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def put(self, message: bytes, reload: bytes) -> None:
        if len(self.waiting) >= WAITING:
            self.waiting.clear()
            message = reload
        self.waiting.append(message)
        self.came.set()


class Hub:
    """Tells everybody who listens. ``send`` may be called in any thread and never waits."""

    def __init__(self, *, heartbeat: float = HEARTBEAT) -> None:
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._run = secrets.token_hex(4)  # numbers begin anew with the process
        self._number = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._last: dict[str, int] = {}  # of the kinds of which only the last counts
        self._forgotten = 0  # the highest number that those who come back may have missed
        self._readers: set[_Reader] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Tell of an event."""
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        with self._lock:
            if self._closed:
                return
            self._number += 1
            message = self._message(kind, text)
            if kind in LAST_COUNTS:
                self._kept.pop(self._last.get(kind, 0), None)
                self._last[kind] = self._number
            self._kept[self._number] = message
            if len(self._kept) > KEPT:
                self._forgotten, _ = self._kept.popitem(last=False)
            reload = self._message("reload", "{}")
            for reader in self._readers:
                with contextlib.suppress(RuntimeError):  # its loop has ended
                    reader.loop.call_soon_threadsafe(reader.put, message, reload)

    def close(self) -> None:
        """End all streams at once, and begin no more."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                with contextlib.suppress(RuntimeError):
                    reader.loop.call_soon_threadsafe(reader.end)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """A stream of events until one side ends it; the answer 503 when there are too many."""
        from aiohttp import web

        transport = request.transport
        if len(self._readers) >= MOST or self._closed or transport is None:
            return web.Response(status=503, headers={"Retry-After": "30"})
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # asks a proxy to hand every event on at once
                "X-Content-Type-Options": "nosniff",
            }
        )
        reader = _Reader(transport)
        with self._lock:
            missed = self._since(request.headers.get("Last-Event-ID", ""))
            hello = f"retry: 2000\nid: {self._run}-{self._number}\n\n".encode()
            self._readers.add(reader)
        try:
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                await reader.write(response, b"".join([*missed, hello]))
                await self._serve(response, reader)
        finally:
            with self._lock:
                self._readers.discard(reader)
        return response

    async def _serve(self, response: web.StreamResponse, reader: _Reader) -> None:
        spoke = time.monotonic()
        while not self._closed and not reader.transport.is_closing():
            if reader.waiting:
                await reader.write(response, reader.waiting.popleft())
                spoke = time.monotonic()
                continue
            reader.came.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reader.came.wait(), min(_LOOK, self._heartbeat))
            if not reader.waiting and time.monotonic() - spoke >= self._heartbeat:
                await reader.write(response, b": still here\n\n")
                spoke = time.monotonic()

    def _message(self, kind: str, text: str) -> bytes:
        return f"id: {self._run}-{self._number}\nevent: {kind}\ndata: {text}\n\n".encode()

    def _since(self, last: str) -> list[bytes]:
        """What was told after the event ``last``; that all is to be read anew when it is not known any more."""
        if not last:
            return []
        run, _, number = last.partition("-")
        if run != self._run or not number.isdecimal() or not self._forgotten <= int(number) <= self._number:
            return [self._message("reload", "{}")]
        return [message for n, message in self._kept.items() if n > int(number)]


#: The stream in the OpenAPI document.
STREAM: dict[str, Any] = {
    "/sdgen/events": {
        "get": {
            "operationId": "get_events",
            "summary": "What happens, as server-sent events: images, sessions, import, scoring, training; reload."
            " In ComfyUI, its websocket tells it",
            "tags": ["events"],
            "parameters": [
                {
                    "name": "Last-Event-ID",
                    "in": "header",
                    "schema": {"type": "string"},
                    "description": "The last event that was heard: those since come first.",
                }
            ],
            "responses": {
                "200": {"description": "A stream without an end", "content": {"text/event-stream": {}}},
                "503": {"description": "Too many streams"},
            },
        }
    }
}
