"""The shipped workflows, served where ComfyUI's template browser looks for them.

ComfyUI serves every folder of a pack that is called ``examples`` or ``workflows`` (and some more) below one and the
same address, and the first of them answers for all: this pack has both, so its ``workflows`` would be listed and
never found. A route of the full address goes before a static folder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_ENDINGS = (".json", ".jpg")


def register(table: web.RouteTableDef, pack: Path) -> None:
    """Add a route for each file of ``pack/workflows``; ``pack`` is the folder that ComfyUI loaded, under its name
    there."""
    for file in sorted((pack / "workflows").iterdir()):
        if file.suffix in _ENDINGS:
            table.get(f"/workflow_templates/{pack.name}/{file.name}")(_sending(file))


def _sending(file: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def send(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        return web.FileResponse(file)

    return send
