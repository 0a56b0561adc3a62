"""Where a model server may be: on this machine or in the house, anywhere else only when the settings say so.

Images go to that address, so the rule is kept where the connection is made: a name is looked up once, what it stands for is looked at,
and only these addresses are connected to. A name that means something else a second later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import SDGenError

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

# RFC 1918, RFC 4193, loopback and link-local (RFC 3927, RFC 4291). Not Python's ``is_private``, which counts addresses for
# documentation and other purposes too.
_NEAR = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def base_url(text: str) -> str:
    """The address of the API, as ``http://host:port/v1``: without a path ``/v1`` is added, ``/chat/completions`` is taken off.

    Raises ``bad-option`` when it is no address, or has a password in it.
    """
    whole = text.strip()
    try:
        parts = urlsplit(whole if "//" in whole else f"http://{whole}")
        port = parts.port
    except ValueError as error:
        raise SDGenError("bad-option", f"the address of the model server cannot be read: {error}") from error
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in whole):
        raise SDGenError(
            "bad-option", f"{text!r} is no address of a model server; it looks like http://127.0.0.1:11434/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise SDGenError(
            "bad-option",
            "the address of the model server has a name or a password in it",
            hint="Put the key into an environment variable, and that variable's name into api_key_env.",
        )
    # What looks like numbers is never looked up, so it must be an address in its usual form: "8.526344" is one too.
    if (":" in host or host.replace(".", "").isdigit()) and _address(host) is None:
        raise SDGenError("bad-option", f"{host!r} is no address of a machine; write it like 192.168.0.5")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/") or "/v1"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{path}"


def is_near(address: str) -> bool:
    """Whether a numeric address is this machine's or one of a private network."""
    found = _address(address)
    return found is not None and any(found.version == net.version and found in net for net in _NEAR)


def check_literal(url: str) -> None:
    """Raise ``vlm-remote`` when the URL's host is a number elsewhere; a name is judged when it is looked up."""
    host = urlsplit(url).hostname or ""
    if _address(host) is not None and not is_near(host):
        raise elsewhere(host)


def elsewhere(host: str) -> SDGenError:
    """The error for a server that is neither here nor in a private network."""
    return SDGenError("vlm-remote", f"{host} is not on this machine or in a private network; no image was sent")


def near_resolver() -> AbstractResolver:
    """A resolver for aiohttp that knows only addresses that are near; it raises ``vlm-remote`` for a name without any."""
    from aiohttp.abc import AbstractResolver
    from aiohttp.resolver import ThreadedResolver

    class NearResolver(AbstractResolver):
        def __init__(self) -> None:
            self._all = ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
            found = await self._all.resolve(host, port, family)
            near = [entry for entry in found if is_near(entry["host"])]
            if not near:
                raise elsewhere(host)
            return near

        async def close(self) -> None:
            await self._all.close()

    return NearResolver()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found
