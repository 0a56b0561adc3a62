"""What a session costs beside a plain script that posts prepared prompts, and what it leaves in the server's memory.

    python3 dev.py bench sessions [--images 300] [--items 2000]

Both halves run on one server with the same graph, model and seeds, in alternating portions, so that a machine that slows down
slows both. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.sessions.compile import PLANNER, nodes_of

ROOT = Path(__file__).resolve().parents[2]
GRAPH = ROOT / "workflows" / "api" / "txt2img_session.json"
TEMPLATE = """
name: bench
prompt: "a {Colour} {Shape}"
imports: {Colour: [red, green, blue, yellow, orange], Shape: [circle, square, triangle, cross, ring]}
generation: {mode: combinatorial, seed: %d, seed_mode: progressive, max_images: -1}
parameters: {width: 64, height: 64, steps: 12, cfg_scale: 2, sampler: euler, scheduler: simple}
"""


def say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


LOOK = 0.2  # s between looks at whether it is over: the same for both halves, since looking costs the server time too


class Watch(threading.Thread):
    """Looks at the queue's length and the server's memory while something runs."""

    def __init__(self, server: ComfyServer) -> None:
        super().__init__(daemon=True)
        self._client = type(server.client)(server.url)
        self._process = psutil.Process(server.pid)
        self._over = threading.Event()
        self.longest, self.peak = 0, 0
        self.start()

    def run(self) -> None:
        while not self._over.wait(LOOK):
            self.longest = max(self.longest, len(self._client.queued_ids()))
            self.peak = max(self.peak, self._process.memory_info().rss)

    def stop(self) -> None:
        self._over.set()
        self.join()


def session(
    server: ComfyServer, graph: dict[str, Any], text: str, name: str, seeds: str | None = None, batch: int = 1
) -> dict[str, Any]:
    """Order a session by one POST and wait for its end."""
    graph = json.loads(json.dumps(graph))
    planner = nodes_of(graph, PLANNER)[0]
    template = graph[graph[planner]["inputs"]["template"][0]]["inputs"]
    template |= {"file": "(the text below)", "text": text, "mode": "as written", "limit": 0, "theme": "", "style": ""}
    graph[planner]["inputs"] |= {"name": name, "on_existing": "new", "count": 0, "item": "", "batch": batch}
    if seeds:
        graph["sweep"] = {"class_type": "SDGenSeedSweep", "inputs": {"seeds": seeds}}
        graph[planner]["inputs"]["sweep"] = ["sweep", 0]
    prompt_id = server.client.queue_prompt({"prompt": graph})
    while (entry := server.client.history(prompt_id)) is None:
        time.sleep(0.01)
    report: dict[str, Any] = entry["outputs"][planner]["sdgen"][0]
    while (status := server.client.get(f"/sdgen/sessions/{report['id']}"))["state"] == "running":
        time.sleep(LOOK)
    assert status["state"] == "completed", status
    return status


def prepared(graph: dict[str, Any], count: int, first_seed: int, per_text: int = 1) -> list[dict[str, Any]]:
    """The prompts a person's own script would post: the same graph with literals and core's Save Image, in the same order
    (``per_text`` seeds for each text, since ComfyUI encodes a text once as long as it does not change)."""
    out = []
    colours, shapes = ("red", "green", "blue", "yellow", "orange"), ("circle", "square", "triangle", "cross", "ring")
    values = {
        "width": 64,
        "height": 64,
        "steps": 12,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    names = (
        "positive",
        "negative",
        "seed",
        "width",
        "height",
        "steps",
        "cfg",
        "sampler_name",
        "scheduler",
        "denoise",
        "file_name",
    )
    planner = nodes_of(graph, PLANNER)[0]
    dropped = {planner, graph[planner]["inputs"]["template"][0]}
    for n in range(count):
        literals = {
            **values,
            "positive": f"a {colours[n // per_text // 5 % 5]} {shapes[n // per_text % 5]}",
            "negative": "",
            "seed": first_seed + n,
        }
        prompt: dict[str, Any] = {}
        for node_id, node in graph.items():
            if node_id in dropped:
                continue
            inputs = {
                k: literals.get(names[v[1]], "") if isinstance(v, list) and v[0] == planner else v
                for k, v in node["inputs"].items()
            }
            if node["class_type"] == "SDGenSessionSave":
                node = {"class_type": "SaveImage"}
                inputs = {"images": inputs["images"], "filename_prefix": "peer/peer"}
            prompt[node_id] = {"class_type": node["class_type"], "inputs": inputs}
        out.append(prompt)
    return out


def peer(server: ComfyServer, prompts: list[dict[str, Any]]) -> None:
    """Post all, then wait for the last: the whole plain script."""
    ids = [server.client.queue_prompt({"prompt": prompt}) for prompt in prompts]
    while server.client.history(ids[-1]) is None:
        time.sleep(LOOK)


def compare(server: ComfyServer, images: int) -> None:
    graph = json.loads(GRAPH.read_text(encoding="utf-8"))
    portions, size = 4, images // 4 // 25 * 25
    session(server, graph, TEMPLATE % 1, "warm")
    peer(server, prepared(graph, 5, 10))
    seconds = {"session": 0.0, "peer": 0.0}
    loads = server.log_text().count("model weight dtype")
    for portion in range(portions):
        begin = time.perf_counter()
        peer(server, prepared(graph, size, 10_000 * portion, size // 25))
        seconds["peer"] += time.perf_counter() - begin
        seeds = f"{size // 25}#{777 + 100_000 * portion}"
        begin = time.perf_counter()
        session(server, graph, TEMPLATE % (500 + portion), f"bench{portion}", seeds=seeds)
        seconds["session"] += time.perf_counter() - begin
    made = portions * size
    say(
        bench="session against plain script", images=made,
        session_s_per_image=round(seconds["session"] / made, 4), peer_s_per_image=round(seconds["peer"] / made, 4),
        ratio=round(seconds["session"] / seconds["peer"], 3),
        checkpoint_loads_during_sessions=server.log_text().count("model weight dtype") - loads,
    )  # fmt: skip


def memory(server: ComfyServer, items: int) -> None:
    """Server memory over a session of flat images, after a first one has warmed everything up."""
    graph = {
        "1": {"class_type": "SDGenTemplate", "inputs": {}},
        "2": {"class_type": "SDGenSessionPlan", "inputs": {
            "template": ["1", 0], "width": 64, "height": 64, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal",
            "denoise": 1.0}},
        "3": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": ["2", 2]}},
        "4": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10], "item": ""}},
    }  # fmt: skip
    process = psutil.Process(server.pid)
    session(server, graph, TEMPLATE % 1, "warm-flat", seeds="8#1")
    time.sleep(12)  # ComfyUI collects garbage every ten seconds
    before = process.memory_info().rss
    watch = Watch(server)
    begin = time.perf_counter()
    status = session(server, graph, TEMPLATE % 2, "flat", seeds=f"{items // 25}#1000")
    took = time.perf_counter() - begin
    watch.stop()
    time.sleep(12)
    after = process.memory_info().rss
    say(
        bench="server memory over a session", items=status["done"], grown_mb=round((after - before) / 1e6, 1),
        peak_grown_mb=round((watch.peak - before) / 1e6, 1), ms_per_item=round(1000 * took / status["done"], 2),
        longest_queue=watch.longest,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--items", type=int, default=2000)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="sdgen-bench-"))
    comfyui = Path(os.environ.get("SDGEN_TEST_COMFYUI") or ROOT / ".comfyui")
    packages = os.environ.get("SDGEN_TEST_PACKAGES")
    models = ROOT / ".cache" / "demo" / "models"
    try:
        with ComfyServer(
            comfyui, base, pack=ROOT, models=[models], packages=Path(packages) if packages else None
        ) as server:
            compare(server, options.images)
            memory(server, options.items)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
