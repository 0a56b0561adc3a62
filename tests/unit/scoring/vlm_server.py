"""A FAKE model server: real HTTP on a loopback port, but no model behind it. It says what a test tells it to.

No vision-language model can be had here (they are downloaded from a hub), so this stands in for Ollama, LM Studio, vLLM and llama.cpp's
server. It speaks the same chat completions API: ``GET /v1/models``, ``POST /v1/chat/completions`` with token probabilities.
"""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def question(self) -> str:
        return str(self.body["messages"][0]["content"][1]["text"])

    @property
    def image(self) -> Image.Image:
        url = self.body["messages"][0]["content"][0]["image_url"]["url"]
        return Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))


@dataclass
class Reply:
    """What goes out: ``body`` as JSON, or bytes as they are. ``delay`` in seconds before; ``hang_up``: close without an answer."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


def chat(text: str, *tops: dict[str, float], finish: str = "stop", **message: Any) -> Reply:
    """An answer in the API's form. ``tops``: for every token the candidates and their probabilities, the token said first."""
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    if tops:
        choice["logprobs"] = {"content": [_token(top) for top in tops]}
    return Reply({"object": "chat.completion", "choices": [choice]})


def _token(top: dict[str, float]) -> dict[str, Any]:
    entries = [{"token": token, "logprob": math.log(p)} for token, p in top.items()]
    return {**entries[0], "top_logprobs": entries}


def yes(p: float = 0.9) -> Reply:
    """Yes with this probability, spread over two ways to write it."""
    return chat("Yes", {"Yes": 0.8 * p, "No": 0.98 - p, " yes": 0.2 * p, "The": 0.02})


def error(status: int, message: str, **headers: str) -> Reply:
    return Reply(
        {"error": {"message": message, "type": "error"}}, status, {k.replace("_", "-"): v for k, v in headers.items()}
    )


class FakeVlmServer:
    """``answer(request)`` decides what is said to a question. ``requests`` holds all that came in, ``busiest`` how many at once."""

    def __init__(self, answer: Callable[[Request], Reply], models: tuple[str, ...] = ("tiny-vlm",)) -> None:
        self.answer, self.models = answer, models
        self.requests: list[Request] = []
        self.busiest = self._now = 0
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                fake._serve(self, "GET")

            def do_POST(self) -> None:
                fake._serve(self, "POST")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> FakeVlmServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def _serve(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(method, handler.path, dict(handler.headers), json.loads(raw) if raw else None)
        with self._lock:
            self.requests.append(request)
            self._now += 1
            self.busiest = max(self.busiest, self._now)
        try:
            self._reply(handler, self._answer(request))
        except (ConnectionError, TimeoutError):
            pass
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/models"):
            return Reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        return self.answer(request)

    def _reply(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.delay)
        if reply.hang_up:
            handler.close_connection = True
            return
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **reply.headers,
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)
