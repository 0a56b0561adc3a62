"""The routes on a real port, over a small library of real images, and ways to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.server import routes
from sdgen_core.server.app import Alone, create_app, listen
from sdgen_core.server.events import Hub
from sdgen_core.training.desk import Desk
from sdgen_core.training.native.installation import Installation
from sdgen_core.training.runs.service import Runs
from sdgen_core.training.runs.trainers import trainers

from ..catalog.folders import own_session

WRITING = {"Content-Type": "application/json", "X-SDGen": "1"}


class Reply:
    """An answer: ``status``, ``headers``, ``body``."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of an error."""
        return self.status, self.json["error"]


def _nowhere() -> Installation:
    raise SDGenError("comfyui-not-found", "there is no ComfyUI")


class Running:
    """A server in a thread of its own, and its library with the sessions ``one`` and ``two``; with ``comfyui`` the rules are those of
    routes inside ComfyUI."""

    def __init__(
        self,
        folder: Path,
        *,
        token: str | None = None,
        host: str = "127.0.0.1",
        images: int = 3,
        comfyui: bool = False,
        origins: Collection[str] = (),
    ) -> None:
        self.root = folder / "out"
        for name, session in (("one", "abcdefghjk"), ("two", "bcdefghjkm")):
            own_session(self.root / name, images, session=session)
        self.library = Library(folder / "catalog", [self.root])
        self.hub = Hub(heartbeat=0.2)
        self._listener = listen(host, 0)
        self.host, self.port = self._listener.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._token, self._comfyui, self._origins = token, comfyui, origins
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Running:
        self.scan()
        self._thread.start()
        assert self._began.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.library.stop()

    def stop(self) -> None:
        """End the server as Ctrl+C does."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def scan(self) -> None:
        """Read what is in the folders."""
        Importer(self.library.catalog.index).run([self.root])

    @property
    def images(self) -> list[int]:
        return [row[0] for row in self.library.catalog.index.store.rows("SELECT id FROM image ORDER BY id")]

    def _run(self) -> None:
        async def work() -> None:
            self._ended, self._loop = asyncio.Event(), asyncio.get_running_loop()
            runner = web.AppRunner(self._app(), access_log=None)
            await runner.setup()
            site = web.SockSite(runner, self._listener)
            await site.start()
            self._began.set()
            await self._ended.wait()
            await runner.cleanup()

        asyncio.run(work())

    def _app(self) -> web.Application:
        if not self._comfyui:
            return create_app(self.library, self._token, hub=self.hub, training=self._desk)
        table, engine = web.RouteTableDef(), Alone(self.library, self._token, training=self._desk)
        routes.register(table, lambda: engine, origins=self._origins)
        app = web.Application()
        app.add_routes(table)
        return app

    def _desk(self, library: Library) -> Desk:
        """Training where nothing can be trained, and nothing was."""
        runs = Runs(library.folder.parent / "training", trainers(_nowhere), starts=False)
        return Desk(library, runs, problem="there is no ComfyUI", follows=True)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        source: str | None = None,
        **more: str,
    ) -> Reply:
        """One request; ``body`` is bytes, or what becomes JSON. A writing one says that it is, unless ``headers`` say what is said.

        ``source``: the address of this machine to ask from."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        said = headers if headers is not None else WRITING if method not in ("GET", "HEAD") else {}
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=20, source_address=(source, 0) if source else None
        )
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if "Host" not in said:
                connection.putheader("Host", f"{self.host}:{self.port}")
            for name, value in {**said, **more}.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in said:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def raw(self, *pieces: bytes, timeout: float = 5.0) -> bytes:
        """What the server says to these bytes, which come one after the other, until it closes or says nothing more."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as connection:
            for piece in pieces:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(piece)
                time.sleep(0.1)
            said = b""
            try:
                while piece := connection.recv(65536):
                    said += piece
            except (TimeoutError, ConnectionResetError):  # reset: it had closed before the last piece came
                pass
            return said
