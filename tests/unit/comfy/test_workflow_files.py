"""The shipped workflows are found although ComfyUI serves the pack's ``examples`` under the same address."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sdgen_core.comfy.workflow_files import register


def test_a_workflow_is_found_beside_an_examples_folder(tmp_path: Path) -> None:
    pack = tmp_path / "my-sdgen"
    for folder, files in (("examples", ["a.json"]), ("workflows", ["b.json", "b.jpg", "notes.txt"])):
        (pack / folder).mkdir(parents=True)
        for name in files:
            (pack / folder / name).write_text(f"{folder}/{name}", encoding="utf-8")

    async def answers() -> dict[str, tuple[int, str]]:
        table = web.RouteTableDef()
        register(table, pack)
        app = web.Application()
        for folder in ("examples", "workflows"):  # as ComfyUI's custom_node_manager does, before the packs' own routes
            app.router.add_static("/workflow_templates/my-sdgen", pack / folder)
        app.add_routes(table)
        out = {}
        async with TestClient(TestServer(app)) as client:
            for name in ("a.json", "b.json", "b.jpg", "notes.txt"):
                response = await client.get(f"/workflow_templates/my-sdgen/{name}")
                out[name] = (response.status, await response.text())
        return out

    got = asyncio.run(answers())
    assert got["b.json"] == (200, "workflows/b.json")
    assert got["b.jpg"] == (200, "workflows/b.jpg")
    assert got["a.json"] == (200, "examples/a.json")
    assert got["notes.txt"][0] == 404
