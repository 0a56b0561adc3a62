"""How a command reaches the sessions: a running ComfyUI by HTTP, or the ledger file when none runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ..comfy.client import ComfyClient, ServerAnswer
from ..errors import SDGenError, shown

DEFAULT_SERVER = "http://127.0.0.1:8188"


class Access(Protocol):
    """What the `sdgen sessions` commands need; answers are those of the HTTP routes."""

    def list(self, state: str | None) -> list[dict[str, Any]]: ...
    def show(self, session: str) -> dict[str, Any]: ...
    def act(self, session: str, action: str, **body: Any) -> dict[str, Any]: ...
    def take_in(self, folder: str) -> dict[str, Any]: ...


def server_url(option: str | None) -> str:
    """The address to use: the option, else the environment variable SDGEN_SERVER, else ComfyUI's default."""
    return option or os.environ.get("SDGEN_SERVER") or DEFAULT_SERVER


class Remote:
    """Sessions of a running ComfyUI."""

    def __init__(self, client: ComfyClient) -> None:
        self._client = client

    def list(self, state: str | None) -> list[dict[str, Any]]:
        query = f"?state={quote(state)}" if state else ""
        sessions: list[dict[str, Any]] = self._call("GET", f"/sdgen/sessions{query}")["sessions"]
        return sessions

    def show(self, session: str) -> dict[str, Any]:
        return self._call("GET", _path(session))

    def act(self, session: str, action: str, **body: Any) -> dict[str, Any]:
        # Reading or moving every file of a large session takes its time.
        patient = Remote(ComfyClient(self._client.url, timeout=24 * 3600.0)) if action in ("verify", "move") else self
        return patient._call("POST", f"{_path(session)}/{action}", body)

    def take_in(self, folder: str) -> dict[str, Any]:
        return self._call("POST", "/sdgen/sessions", {"folder": folder})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._client.get(path) if method == "GET" else self._client.post(path, body or {})
        except ServerAnswer as error:
            if error.status in (404, 405) and error.code == "server-error":
                raise SDGenError("no-pack", f"the ComfyUI at {self._client.url} has no SDGen") from error
            raise
        if not isinstance(answer, dict):
            raise SDGenError("no-pack", f"{self._client.url} does not answer as a ComfyUI with SDGen does")
        return answer


def _path(session: str) -> str:
    return f"/sdgen/sessions/{quote(session, safe='')}"


class _Everything(list[str]):
    """The samplers and schedulers of a ComfyUI that does not run: an order's names were checked when it was made."""

    def __contains__(self, name: object) -> bool:
        return True


class Offline:
    """Sessions of a ledger whose ComfyUI does not run. A resumed session starts when ComfyUI does."""

    def __init__(self, user_dir: Path) -> None:
        from ..sessions.items import Host
        from ..sessions.ledger import Ledger
        from ..sessions.service import Sessions

        ledger = next((p for p in (user_dir / "sdgen" / "ledger.db", user_dir / "ledger.db") if p.is_file()), None)
        if ledger is None:
            raise SDGenError(
                "missing-file", f"there is no SDGen ledger in {shown(user_dir)}", hint="Name ComfyUI's user folder."
            )
        host = Host(samplers=_Everything, schedulers=_Everything, checkpoint_path=lambda name: None)
        self._sessions = Sessions(Ledger(ledger), ledger.parent, host, user_dir=ledger.parent)

    def list(self, state: str | None) -> list[dict[str, Any]]:
        return [self._sessions.status(row) for row in self._sessions.ledger.sessions(state)]

    def show(self, session: str) -> dict[str, Any]:
        return self._sessions.details(session)

    def act(self, session: str, action: str, **body: Any) -> dict[str, Any]:
        from ..sessions.actions import ACTIONS
        from ..sessions.upkeep import move

        if action == "move":  # the user's own shell may name any folder
            return self._sessions.status(move(self._sessions, session, Path(str(body["to"]))))
        return ACTIONS[action](self._sessions, session, body)

    def take_in(self, folder: str) -> dict[str, Any]:
        from ..sessions.upkeep import take_in

        return self._sessions.status(take_in(self._sessions, Path(folder).resolve()))


def access(server: str | None, user_dir: Path | None) -> Access:
    """Sessions by ``--user-dir`` (no ComfyUI needed) or ``--server``."""
    return Offline(user_dir) if user_dir else Remote(ComfyClient(server_url(server)))
