"""Who may ask for what: programs and people of this machine, those who have the token, and web pages of our own only.

Three kinds of askers are kept apart. A *local* one connects from this machine: it may read and write. Another one may read what
ComfyUI shows everybody who reaches it, and write with the token only. A *web page of somebody else*, which a browser of one of them
has open, may nothing: it is told by ``Origin`` and ``Sec-Fetch-Site``, and when its name was made to lead here (DNS rebinding) by
``Host``. That writing needs JSON and a header of ours keeps out pages in browsers that send neither of the two.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import SDGenError

if TYPE_CHECKING:
    from aiohttp import web

COOKIE = "sdgen_token"
_PORTS = {"http": 80, "https": 443}
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


@dataclass(frozen=True)
class Guard:
    """The rules of a server. ``alone``: without ComfyUI, where a token, if there is one, is needed by everybody and for everything.

    ``origins``: addresses of other pages that may ask, such as ``http://localhost:5173``; ``*`` lets all of them read.
    """

    alone: bool = False
    origins: Collection[str] = ()

    def check(self, request: web.Request, token: str | None) -> None:
        """Raises ``foreign-origin``, ``foreign-host``, ``token-needed``; ``bad-request`` for a request with a body that a form or a link
        of another page could have sent."""
        self._check_page(request)
        if not has_token(request, token):
            if self.alone and token is not None:
                raise SDGenError("token-needed", "this server answers those who have its token")
            if is_local(request) and not _names_this_machine(_host(request)):
                raise SDGenError("foreign-host", f"this machine's SDGen is not known as {_host(request)!r}")
        if _writes(request) and (request.headers.get("X-SDGen") != "1" or request.content_type != "application/json"):
            raise SDGenError("bad-request", "a writing request needs a JSON body and the header X-SDGen: 1")

    @staticmethod
    def check_change(request: web.Request, token: str | None) -> None:
        """Whether the one who asks may change something. Raises ``write-refused``."""
        if not has_token(request, token) and not is_local(request):
            where = "needs its token" if token else "is off as long as no token is set"
            raise SDGenError("write-refused", f"changing something from another machine {where}")

    def _check_page(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        if origin is not None:
            if origin in self.origins or ("*" in self.origins and not _writes(request)):
                return
            if not _same(origin, _host(request)):
                raise SDGenError(
                    "foreign-origin", f"a page of {origin[:200]!r} asked for something of {_host(request)!r}"
                )
        site, mode = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Mode")
        if site == "cross-site" and (mode != "navigate" or request.method != "GET"):
            raise SDGenError("foreign-origin", "a page of another site asked")


def has_token(request: web.Request, token: str | None) -> bool:
    """Whether the request carries the token: as ``Authorization: Bearer``, or in the cookie that :func:`cookie_value` makes."""
    if not token:
        return False
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and same_token(given.strip(), token):
        return True
    return same_token(request.cookies.get(COOKIE, ""), cookie_value(token))


def same_token(given: str, token: str) -> bool:
    """Compared in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode("utf-8"))


def cookie_value(token: str) -> str:
    """What a browser keeps instead of the token: it opens this server, and does not say what the token is."""
    return hmac.new(token.encode("utf-8"), b"sdgen cookie", hashlib.sha256).hexdigest()


def _writes(request: web.Request) -> bool:
    return request.method not in ("GET", "HEAD")


def _host(request: web.Request) -> str:
    return request.headers.get("Host", "")  # ``request.host`` would ask the network for the machine's name


def is_local(request: web.Request) -> bool:
    """Whether a program of this machine asks, and for itself: a proxy says for whom it asks."""
    if request.transport is None or any(name in request.headers for name in _FORWARDED):
        return False
    peer, here = (_address(request.transport.get_extra_info(name)) for name in ("peername", "sockname"))
    return peer is not None and (peer.is_loopback or peer == here)


def is_loopback(host: str) -> bool:
    """Whether a server that listens at ``host`` is reached from this machine only."""
    address = _ip(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _address(name: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of one end of a connection; None when it has none (a Unix socket)."""
    return _ip(str(name[0])) if isinstance(name, tuple) and name else None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _names_this_machine(host: str) -> bool:
    """Whether nobody else can have a name lead here: an address, ``localhost``, or the machine's own name without a domain."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if _ip(name) is not None or name == "localhost" or name.endswith(".localhost"):
        return True
    own = socket.gethostname().lower()
    return bool(name) and "." not in name and name == own.partition(".")[0]


def _same(origin: str, host: str) -> bool:
    """Whether a page of ``origin`` came from ``host``, as its ``Host`` header says it."""
    try:
        page = urlsplit(origin)
        here = urlsplit(f"//{host}")
        usual = _PORTS.get(page.scheme)
        return (
            usual is not None
            and bool(page.hostname)
            and (page.hostname, page.port or usual)
            == (
                here.hostname,
                here.port or usual,
            )
        )
    except ValueError:
        return False
