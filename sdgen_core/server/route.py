"""What a route is: an entry of the table from which both the server and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from ..catalog.library import Library
    from ..scoring.jobs import Jobs
    from ..sessions.service import Sessions
    from ..templates.library import Listings
    from ..training.desk import Desk

#: Bytes of a body that a route takes unless it says otherwise.
BODY_LIMIT = 1 << 20


class Engine(Protocol):
    """What the routes serve: ComfyUI's engine, or a program that shows sessions alone. A part that cannot work raises why."""

    @property
    def sessions(self) -> Sessions: ...

    @property
    def templates(self) -> Listings: ...

    @property
    def library(self) -> Library: ...

    @property
    def scoring(self) -> Jobs: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def token(self) -> str | None:
        """What others than this machine's own programs have to send before they may write; None: they may not."""
        ...


@dataclass(frozen=True)
class Call:
    """A request as its handler gets it: the parts of its path, and its query and body as instances of the route's models."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None


@dataclass(frozen=True)
class File:
    """An answer that is a file: its bytes, or where they are. ``immutable``: what is at this address never changes.

    ``name``: offered for keeping under this name. ``page``: a page of ours, which a browser shows and may run the script of, without
    anything of the server's; any other file that is no image, text or JSON is only ever kept.
    """

    content: bytes | Path
    type: str
    immutable: bool = False
    name: str | None = None
    page: bool = False


Handler = Callable[[Engine, Call], "BaseModel | dict[str, Any] | File"]


@dataclass(frozen=True)
class Route:
    """``method`` and ``path`` of a route; ``handler`` runs in a worker thread. ``query``, ``body`` and ``answer`` are its models
    (``answer`` None: a file of one of ``types``). ``version``, if given, says cheaply what the answer depends on: it becomes the
    ETag, and a client that has this version is answered without a call of ``handler``.

    ``asks``: its body is a question, so that whoever may read may send it.

    ``slow`` handlers, which may take seconds, have threads of their own, so that nobody waits behind them who asks for little.
    ``limit``: bytes that the body may have.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    types: tuple[str, ...] = ()
    version: Callable[[Engine, Call], str] | None = None
    asks: bool = False
    slow: bool = False
    limit: int = BODY_LIMIT

    @property
    def writes(self) -> bool:
        """Whether it takes a body."""
        return self.method != "GET"

    @property
    def changes(self) -> bool:
        """Whether asking may change something."""
        return self.writes and not self.asks
