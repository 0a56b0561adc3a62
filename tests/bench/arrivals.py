"""How soon a saved image is in the catalog, in a real ComfyUI, and how soon its thumbnail is there.

    python3 dev.py bench arrivals [--images 200]

``event_ms``: from the file's own time (it is written, then gets its name) to the event at a browser's websocket, which is sent when the
index has the image. ``thumb_ms``: from there to its thumbnail's file. Images are drawn by a stub node, so that nothing but SDGen and
ComfyUI takes time: this is the worst case, images as fast as they can be saved.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from _report import Reporter

from sdgen_core.catalog.pictures.thumbs import Thumbs
from sdgen_core.comfy.runtime import ComfyServer

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = """
name: arrivals
prompt: "picture {N}"
imports: {N: [%s]}
generation: {mode: combinatorial, seed: 1, seed_mode: progressive, max_images: -1}
"""


def graph(images: int, size: int) -> dict[str, Any]:
    text = TEMPLATE % ", ".join(f"v{n}" for n in range(images))
    planner = {
        "template": ["1", 0],
        "name": "",
        "on_existing": "new",
        "count": 0,
        "width": size,
        "height": size,
        "item": "",
    }
    planner |= {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    template = {"file": "(the text below)", "text": text, "theme": "", "style": "", "mode": "as written", "limit": 0}
    image = {"seed": ["2", 2], "text": ["2", 0], "fail_at": "", "wait": 0.0, "batch": 1, "loads": ["3", 0]}
    return {
        "1": {"class_type": "SDGenTemplate", "inputs": template},
        "2": {"class_type": "SDGenSessionPlan", "inputs": planner},
        "3": {"class_type": "StubLoader", "inputs": {"ckpt_name": "stub"}},
        "4": {"class_type": "StubImage", "inputs": image},
        "5": {"class_type": "SDGenSessionSave", "inputs": {"images": ["4", 0], "file_name": ["2", 10], "item": ""}},
    }  # fmt: skip


async def watched(server: ComfyServer, images: int) -> list[tuple[int, float]]:
    """(id, Unix time of its event) of so many images."""
    came: dict[int, float] = {}
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{server.url}/ws?clientId=bench") as socket:
        prompt = {"prompt": graph(images, 64)}
        await asyncio.get_running_loop().run_in_executor(None, lambda: server.client.queue_prompt(prompt))
        async for message in socket:
            now = time.time()
            event = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
            if event.get("type") == "sdgen.images":
                for image in event["data"]["added"]:
                    came.setdefault(image, now)
                if len(came) >= images:
                    break
    return list(came.items())


def milliseconds(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50_ms": statistics.median(ordered) * 1000,
        "p95_ms": ordered[int(len(ordered) * 0.95)] * 1000,
        "max_ms": ordered[-1] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=200)
    count = parser.parse_args().images
    say = Reporter("arrivals", images=count)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        stubs = ROOT / "tests" / "comfy" / "stub_nodes"
        shutil.copytree(stubs, base / "custom_nodes" / "stub_nodes")
        with ComfyServer(ROOT / ".comfyui", base, pack=ROOT) as server:
            while not (
                base / "user" / "sdgen" / "catalog" / "index.db"
            ).is_file():  # opened some seconds after the start
                time.sleep(0.2)
            time.sleep(2)
            came = asyncio.run(asyncio.wait_for(watched(server, count), 600))
            catalog = base / "user" / "sdgen" / "catalog"
            thumbs = Thumbs(catalog / "thumbs")
            with sqlite3.connect(catalog / "index.db") as db:
                files = {image: (mtime, key) for image, mtime, key in db.execute("SELECT id, mtime, thumb FROM image")}
            say("event", at_most={"p95_ms": 250}, **milliseconds([at - files[i][0] / 1e9 for i, at in came]))
            deadline = time.monotonic() + 60
            while not all(thumbs.has(files[i][1]) for i, _ in came) and time.monotonic() < deadline:
                time.sleep(0.05)
            made = [(thumbs.path(files[i][1], 256).stat().st_mtime_ns - files[i][0]) / 1e9 for i, _ in came]
            say("thumbnail", **milliseconds(made))


if __name__ == "__main__":
    main()
