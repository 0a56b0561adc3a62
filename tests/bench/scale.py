"""Whether 40,000 images cost what 40 cost: planning, the first image, every image, and the server's memory.

    python3 dev.py bench scale [--items 40000] [--made 3000] [--clients 200] [--no-server]

One JSON line a figure, each with its bar. ``planned`` is the order itself: ledger, session file, manifest. ``item`` compares images
at the beginning and at the end of such a session, in alternating portions, in processor time, with a stand-in for ComfyUI that makes
a flat image of whatever it is sent; the snapshots of the manifest, which are rationed by time and have a benchmark of their own
(``manifest``), are left out. The rest runs on a real ComfyUI with the stub nodes of the tests: ``first image`` is the time from
POST /prompt to the first file, ``memory`` what the server grows by, ``status`` how fast a running session answers many clients.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from sdgen_core.comfy.client import ComfyClient
from sdgen_core.comfy.feeder import Feeder
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.sessions import manifest as manifest_module
from sdgen_core.sessions.items import Host
from sdgen_core.sessions.ledger import Ledger
from sdgen_core.sessions.manifest import image_entry
from sdgen_core.sessions.ordering import SessionRequest
from sdgen_core.sessions.parameters import Parameters
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.service import Sessions
from sdgen_core.templates import load_text

ROOT = Path(__file__).resolve().parents[2]
PORTION = 24  # images measured in a row at one end of the session


def say(**figures: Any) -> None:
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}), flush=True)


def template(items: int) -> str:
    """``items`` combinations of two placeholders of some 200 values each."""
    values = "\n".join(f"    v{n}: value {n} with some detail, soft light" for n in range(200))
    return (
        f"name: scale\nprompt: 'a {{First}} and {{Second}}, best quality'\nnegative_prompt: blurry\n"
        f"imports:\n  First:\n{values}\n  Second:\n{values}\n"
        f"generation: {{mode: combinatorial, seed: 7, seed_mode: progressive, max_images: {items}}}\n"
        "parameters: {width: 64, height: 64}\n"
    )


def stub_graph(text: str, wait: float = 0.0) -> dict[str, Any]:
    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    planner = {"name": "", "on_existing": "new", "count": 0, "width": 16, "height": 16, "steps": 1, "cfg": 1.0,
               "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "item": ""}  # fmt: skip
    widgets = {"file": "(the text below)", "theme": "", "style": "", "mode": "as written", "limit": 0}
    return {
        "1": node("SDGenTemplate", text=text, **widgets),
        "2": node("SDGenSessionPlan", template=["1", 0], **planner),
        "4": node("StubImage", seed=["2", 2], text=["2", 0], fail_at="", wait=wait, batch=1),
        "5": node("SDGenSessionSave", images=["4", 0], file_name=["2", 10], item=""),
    }


# ---- in this process -----------------------------------------------------------------------------------------------------


class StandIn:
    """Stands for a ComfyUI: takes prompts, and makes a flat image of each when it is told to."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._queue: list[dict[str, Any]] = []
        self._history: set[str] = set()

    def queue_prompt(self, body: dict[str, Any]) -> str:
        self._queue.append(json.loads(json.dumps(body)))
        return str(body["prompt_id"])

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        return {"status": {"status_str": "success"}} if prompt_id in self._history else None

    def queued_ids(self) -> list[str]:
        return [body["prompt_id"] for body in self._queue]

    def forget(self, prompt_ids: list[str]) -> None:
        self._history.difference_update(prompt_ids)

    def unqueue(self, prompt_ids: list[str]) -> None:
        self._queue = [body for body in self._queue if body["prompt_id"] not in prompt_ids]

    def make_all(self) -> int:
        made = len(self._queue)
        for body in self._queue:
            prompt = body["prompt"]
            token = next(n["inputs"]["item"] for n in prompt.values() if n["class_type"] == "SDGenSessionSave")
            image = Image.new("RGB", (16, 16), (1, 2, 3))
            self._sessions.save(token, [image], prompt, body["extra_data"]["extra_pnginfo"])
            self._history.add(body["prompt_id"])
        self._queue = []
        return made


class Run:
    """One session of ``items`` images in this process, of which the first ``done`` are made already."""

    def __init__(self, folder: Path, items: int) -> None:
        host = Host(lambda: ["euler"], lambda: ["normal"], lambda name: None)
        self.sessions = Sessions(Ledger(folder / "ledger.db"), folder / "out", host, user_dir=folder)
        text = template(items)
        plan = Plan.build(load_text(text))
        request = SessionRequest(plan=plan, graph=stub_graph(text), planner="2", defaults=Parameters())
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        self.id = self.sessions.submit(request).session.id
        self.planned = time.perf_counter() - wall, time.process_time() - cpu
        self.comfyui = StandIn(self.sessions)
        self.feeder = Feeder(self.sessions, lambda: self.comfyui)  # type: ignore[arg-type,return-value]

    def fill(self, done: int) -> None:
        """Write down the first ``done`` images as made, without making them: their files are empty."""
        loaded = self.sessions.load(self.id)
        names = loaded.parts[0].names
        rows = []
        for item in loaded.parts[0].plan.items(0, done):
            name = names(item, item.index)
            loaded.manifest.image(
                image_entry(filename=name, seed=item.seed, prompt=item.prompt, negative=item.negative,
                            values=item.values, index=item.index, keys=item.keys, sha256=f"{item.index:064x}", seconds=1.0)
            )  # fmt: skip
            (loaded.folder / name).touch()
            rows.append((name, f"{item.index:064x}", self.id, item.index))
        with self.sessions.ledger._transaction() as db:
            db.executemany("UPDATE item SET state='done', file=?, sha256=? WHERE session=? AND idx=?", rows)

    def portion(self, images: int) -> tuple[list[float], list[float]]:
        """Make ``images``; milliseconds of CPU an image in the feeder (its child prompt included) and in the save, by round."""
        feeding, saving = [], []
        while images > 0:
            begin = time.thread_time()
            self.feeder._step()
            between = time.thread_time()
            made = self.comfyui.make_all()
            end = time.thread_time()
            assert made, f"the feeder sent nothing: {self.sessions.status(self.sessions.ledger.session(self.id))}"
            feeding.append((between - begin) / made * 1000)
            saving.append((end - between) / made * 1000)
            images -= made
        return feeding, saving


@contextmanager
def without_snapshots() -> Iterator[None]:
    gap = manifest_module.SNAPSHOT_GAP
    manifest_module.SNAPSHOT_GAP = 1e9
    try:
        yield
    finally:
        manifest_module.SNAPSHOT_GAP = gap


def items(count: int, portions: int) -> None:
    folders = [Path(tempfile.mkdtemp(prefix="sdgen-scale-")) for _ in range(2)]
    try:
        with without_snapshots():
            early, late = (Run(folder, count) for folder in folders)
            wall = min(run.planned[0] for run in (early, late))
            say(bench="planned", items=count, wall_s=wall, cpu_s=min(r.planned[1] for r in (early, late)), bar_s=5)
            # 100 images before the early ones; the late ones are the session's last
            early.portion(100)
            late.fill(count - portions * PORTION - 100)
            late.portion(100)
            gc.collect()
            spent: dict[str, list[list[float]]] = {"early": [[], []], "late": [[], []]}
            for _ in range(portions):
                for name, run in (("early", early), ("late", late)):
                    for kept, new in zip(spent[name], run.portion(PORTION), strict=True):
                        kept += new
        found = {name: [statistics.median(values) for values in both] for name, both in spent.items()}
        total = {name: sum(both) for name, both in found.items()}
        say(
            bench="cost of an item", at=[100, count - portions * PORTION], feeder_cpu_ms=[found["early"][0], found["late"][0]],
            save_cpu_ms=[found["early"][1], found["late"][1]], cpu_ms=[total["early"], total["late"]],
            ratio=total["late"] / total["early"], bar=1.1,
        )  # fmt: skip
        for run in (early, late):
            run.sessions.ledger.close()
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


# ---- on a real ComfyUI ---------------------------------------------------------------------------------------------------


def press(client: ComfyClient, graph: dict[str, Any]) -> tuple[dict[str, Any], float, float]:
    """Order a session; its report, the seconds until it was there, and until the first image was."""
    begin = time.perf_counter()
    prompt_id = client.queue_prompt({"prompt": graph})
    while (entry := client.history(prompt_id)) is None:
        time.sleep(0.005)
    planned = time.perf_counter() - begin
    report: dict[str, Any] = entry["outputs"]["2"]["sdgen"][0]
    while not client.get(f"/sdgen/sessions/{report['id']}")["done"]:
        time.sleep(0.005)
    return report, planned, time.perf_counter() - begin


def first_image(server: ComfyServer, count: int) -> None:
    client = server.client
    press(client, stub_graph(template(4)))  # warms up
    for size in (100, count):
        took = []
        for _ in range(3):
            report, planned, first = press(client, stub_graph(template(size)))
            took.append((first, planned))
            client.post(f"/sdgen/sessions/{report['id']}/stop", {})
        first, planned = min(took)
        say(bench="first image after the press", items=size, planned_s=planned, first_s=first, bar_s=1)


def memory(server: ComfyServer, made: int, clients: int) -> None:
    """The server's memory over ``made`` images of one session, and what many clients get meanwhile."""
    client, process = server.client, psutil.Process(server.pid)
    report, _, _ = press(client, stub_graph(template(40_000)))
    session = f"/sdgen/sessions/{report['id']}"

    def until(done: int) -> float:
        begin = time.perf_counter()
        while client.get(session)["done"] < done:
            time.sleep(0.2)
        return time.perf_counter() - begin

    until(500)
    time.sleep(1)
    sizes = [(client.get(session)["done"], process.memory_info().rss)]
    begin, at = time.perf_counter(), sizes[0][0]
    while sizes[-1][0] < at + made:
        time.sleep(2)
        sizes.append((client.get(session)["done"], process.memory_info().rss))
    rate = (sizes[-1][0] - at) / (time.perf_counter() - begin)
    say(
        bench="server memory", images=sizes[-1][0] - at, images_per_s=rate,
        grown_mb_per_10000=_slope(sizes) * 10_000 / 1e6, bar_mb_per_10000=50,
    )  # fmt: skip
    took, begin = _crowd(server, session, clients, seconds=15), time.perf_counter() - 15
    status = client.get(session)
    took.sort()
    say(
        bench="status for many clients", clients=clients, answers=len(took), answers_per_s=len(took) / 15,
        median_ms=statistics.median(took) * 1000, p99_ms=took[int(len(took) * 0.99)] * 1000, slowest_ms=took[-1] * 1000,
        images_per_s_before=rate, images_per_s_meanwhile=(status["images_per_minute"] or 0) / 60,
    )  # fmt: skip
    client.post(f"{session}/stop", {})


def _slope(points: list[tuple[int, int]]) -> float:
    """Least squares: bytes an image."""
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope


def _crowd(server: ComfyServer, path: str, clients: int, seconds: float) -> list[float]:
    """``clients`` that ask once a second each, as panels and scripts do; the time of every answer."""
    took: list[float] = []
    over = threading.Event()

    def ask(number: int) -> None:
        client = ComfyClient(server.url)
        over.wait(number / clients)
        while not over.is_set():
            begin = time.perf_counter()
            client.get(path)
            took.append(time.perf_counter() - begin)
            over.wait(max(0.0, 1.0 - took[-1]))
        client.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=40_000, help="images that are planned")
    parser.add_argument("--portions", type=int, default=12, help="portions of 24 images measured at each end")
    parser.add_argument("--made", type=int, default=3_000, help="images that are made while the memory is watched")
    parser.add_argument("--clients", type=int, default=200, help="clients that ask for the status once a second each")
    parser.add_argument("--no-server", action="store_true", help="only what needs no ComfyUI")
    options = parser.parse_args()
    items(options.items, options.portions)
    if options.no_server:
        return
    base = Path(tempfile.mkdtemp(prefix="sdgen-scale-"))
    comfyui = Path(os.environ.get("SDGEN_TEST_COMFYUI") or ROOT / ".comfyui")
    packages = os.environ.get("SDGEN_TEST_PACKAGES")
    shutil.copytree(ROOT / "tests" / "comfy" / "stub_nodes", base / "custom_nodes" / "stub_nodes")
    try:
        with ComfyServer(comfyui, base, pack=ROOT, packages=Path(packages) if packages else None) as server:
            first_image(server, options.items)
            memory(server, options.made, options.clients)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
