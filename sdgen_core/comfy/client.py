"""A small client for a ComfyUI server: JSON over one kept-alive HTTP connection.

Used by the feeder (from a thread, against its own server) and by the command line. The standard library's client is used as it
is: no proxy from the environment may stand between a feeder and its own server, and nothing here needs to be asynchronous.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import SDGenError

_KEEP = 10.0  # s an idle connection is trusted; aiohttp's server keeps it for 75


class ComfyClient:
    """Talks to the server at ``url`` (``http://host:port[/prefix]``). One connection; safe for many threads, one call at a time.

    Every method raises ``no-server`` when nobody answers and ``server-error`` for an answer that is no success.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, verify: bool = True) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SDGenError("bad-option", f"{url!r} is no address of a server; it looks like http://127.0.0.1:8188")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._prefix = parts.path.rstrip("/")
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context()
            if not verify:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def get(self, path: str) -> Any:
        """GET ``path``; the JSON of the answer."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST ``body`` as JSON; the JSON of the answer, None when it has none. Never sent twice."""
        return self._call("POST", path, body)

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        with self._lock:
            self._drop()

    # ---- ComfyUI's own routes ----------------------------------------------------------------------------------------------

    def queue_prompt(self, body: Mapping[str, Any]) -> str:
        """POST /prompt; gives the prompt id. Raises ``rejected-prompt`` with ComfyUI's node errors in one sentence."""
        try:
            return str(self.post("/prompt", body)["prompt_id"])
        except ServerAnswer as answer:
            if answer.status == 400 and isinstance(answer.body, dict):
                raise SDGenError("rejected-prompt", rejection(answer.body)) from answer
            raise

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """What became of a prompt: its history entry, None while it waits or runs (or when nobody knows it)."""
        entry = self.get(f"/history/{quote(prompt_id)}").get(prompt_id)
        return entry if isinstance(entry, dict) else None

    def forget(self, prompt_ids: list[str]) -> None:
        """Remove prompts from the history: ComfyUI keeps each one's graph in memory."""
        self.post("/history", {"delete": prompt_ids})

    def queued_ids(self) -> list[str]:
        """Ids of the prompts that run or wait."""
        queue = self.get("/queue")
        return [str(entry[1]) for part in ("queue_running", "queue_pending") for entry in queue[part]]

    def unqueue(self, prompt_ids: list[str]) -> None:
        """Take waiting prompts out of the queue; a running one goes on."""
        self.post("/queue", {"delete": prompt_ids})

    def has_input(self, name: str) -> bool:
        """Whether the input folder has this file, named with forward slashes."""
        folder, _, base = name.rpartition("/")
        query = f"filename={quote(base, safe='')}&subfolder={quote(folder, safe='')}&type=input"
        with self._lock:
            status, _ = self._send("HEAD", f"/view?{query}", None, {})
        return status == 200

    def upload_image(self, name: str, data: bytes) -> str:
        """Put an image into the input folder as ``name``; gives the name that it has there (another, where a different file has
        this one)."""
        folder, _, base = name.rpartition("/")
        mark = f"sdgen-{hashlib.sha256(data).hexdigest()}"
        body = b"".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
            for field, value in (("type", "input"), ("subfolder", folder))
        )
        head = f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{base}"\r\n'
        body += (
            head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + f"\r\n--{mark}--\r\n".encode()
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}", "Accept": "application/json"}
        with self._lock:
            status, text = self._send("POST", "/upload/image", body, headers)
        if status != 200:
            raise ServerAnswer(
                f"{self.url} answered {status} to the upload of an image", status, text.decode("utf-8", "replace")
            )
        answer = json.loads(text)
        return "/".join(part for part in (answer.get("subfolder", ""), answer["name"]) if part)

    # ---- inside ------------------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            headers |= {"Content-Type": "application/json", "X-SDGen": "1"}
        with self._lock:
            status, text = self._send(method, path, data, headers)
        try:
            answer = json.loads(text) if text else None
        except ValueError:
            answer = text.decode("utf-8", "replace")
        if status >= 300:
            raise ServerAnswer(f"{self.url} answered {status} to {method} {path}", status, answer)
        return answer

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """One exchange, for holders of the lock."""
        try:
            return self._exchange(method, path, data, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise SDGenError("no-server", f"no ComfyUI answers at {self.url}: {_reason(error)}") from error
        except BaseException:  # Ctrl-C in the middle of an exchange: the connection cannot be used again
            self._drop()
            raise

    def _exchange(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        # The server may have closed a connection that was idle; a request on it would be lost without a word. Asking again
        # is only safe for a GET: a POST may have been read, and a prompt posted twice under one id kills ComfyUI's worker.
        if time.monotonic() - self._used > _KEEP:
            self._drop()
        fresh = self._connection is None
        for attempt in (1, 2):
            connection = self._open()
            try:
                connection.request(method, self._prefix + path, data, headers)
                response = connection.getresponse()
                text = response.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                if fresh or method != "GET" or attempt == 2:
                    raise
                self._drop()
            else:
                self._used = time.monotonic()
                return response.status, text
        raise AssertionError("unreachable")

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._tls is not None:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout, context=self._tls
                )
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ServerAnswer(SDGenError):
    """An HTTP answer that is no success: ``status`` and the JSON (or text) ``body``.

    An error that SDGen's own routes report keeps its code, message and hint.
    """

    def __init__(self, message: str, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        code, hint, nearest = "server-error", None, ()
        if isinstance(body, dict) and isinstance(body.get("error"), str) and "message" in body:
            from ..errors import CODES

            if body["error"] in CODES:
                code, message, hint = body["error"], str(body["message"]), body.get("hint")
        elif body:
            message += f": {str(body)[:300]}"
        super().__init__(code, message, hint=hint, nearest=nearest)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def rejection(body: Mapping[str, Any]) -> str:
    """ComfyUI's 400 answer to a prompt as one sentence: which input of which node, and why."""
    error = body.get("error")
    head = error.get("message", "") if isinstance(error, dict) else str(error)
    details = []
    for node_id, report in (body.get("node_errors") or {}).items():
        for reason in report.get("errors", ()):
            detail = f"node {node_id} ({report.get('class_type')}): {reason.get('message')}"
            if reason.get("details"):
                detail += f": {reason['details']}"
            details.append(detail)
    if not details and isinstance(error, dict) and error.get("details"):
        details = [str(error["details"])]
    return "; ".join([head, *details[:5]]) if head else "; ".join(details[:5])


def failure(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a history entry says of a prompt that did not succeed: (kind, message), kind ``interrupted`` or ``error``."""
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return None
    for event, data in status.get("messages", ()):
        if event == "execution_interrupted":
            return "interrupted", "cancelled"
        if event == "execution_error":
            text = " ".join(str(data.get("exception_message", "")).split())
            kind = str(data.get("exception_type", "")).rsplit(".", 1)[-1]
            return "error", f"node {data.get('node_id')} ({data.get('node_type')}): {kind}: {text}"
    return "error", "ComfyUI reported an error without a message"
