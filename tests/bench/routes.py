"""Whether any route holds up ComfyUI's event loop, over a library of 100,000 images (or as many thousands as
``SDGEN_BENCH_THOUSANDS`` says): two JSON lines a route.

    python3 dev.py bench routes

A client in a process of its own asks a route again and again, each time another question, while a task of the server's loop wakes
every millisecond; then four clients do at once, and every machine with few cores is late. ``late_p99_ms`` and ``late_max_ms`` say how
much later than it should have: what sampling progress and all websockets of a ComfyUI would wait. Python's garbage collection is in
the second: a whole one takes some 40 ms. ``step_ms`` is the longest single step of the loop, ``step_cpu_ms`` its longest by the
processor's time. The line ``nobody asks`` says what the machine does by itself; what is less than that tells nothing. ``p50_ms`` and
``p95_ms`` are what a client waits.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from _report import Reporter
from aiohttp import web
from catalog import RNG, N, library, questions
from PIL import Image

from sdgen_core.catalog.library import Library
from sdgen_core.server import table
from sdgen_core.server.app import create_app, listen

SECONDS, REAL = 2.0, 24
PICTURE = (832, 1216)

CLIENT = """
import http.client, json, sys, threading, time
port = int(sys.argv[1])
headers = {"Content-Type": "application/json", "X-SDGen": "1", "Accept-Encoding": "gzip"}

def ask(questions, end, times, statuses):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.perf_counter() < end:
        for method, path, body in questions:
            began = time.perf_counter()
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - began) * 1e3)
            statuses.add(answer.status)
            if time.perf_counter() >= end:
                break

for line in sys.stdin:
    clients, seconds, path = line.split()
    clients, seconds, questions = int(clients), float(seconds), json.load(open(path))
    times, statuses, end = [], set(), time.perf_counter() + seconds
    shares = [questions[n::clients] or questions for n in range(clients)]
    threads = [threading.Thread(target=ask, args=(share, end, times, statuses)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"times": times, "statuses": sorted(statuses)}), flush=True)
"""

report = Reporter("routes", images=N)


class Steps:
    """The longest steps of the event loop since they were last asked for, in ms by the clock and by the processor."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        run: Callable[[Any], Any] = asyncio.Handle._run

        def measured(handle: Any) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            run(handle)
            self.wall = max(self.wall, (time.perf_counter() - wall) * 1e3)
            self.cpu = max(self.cpu, (time.thread_time() - cpu) * 1e3)

        asyncio.Handle._run = measured  # type: ignore[method-assign]

    def take(self) -> dict[str, float]:
        taken = {"step_ms": self.wall, "step_cpu_ms": self.cpu}
        self.wall = self.cpu = 0.0
        return taken


async def beat(late: list[float]) -> None:
    """Wake every millisecond, and write down how late."""
    while True:
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - due) * 1e3)


async def measure(shown: Library, folder: Path) -> None:
    listener = listen("127.0.0.1", 0)
    table.document_bytes()
    gc.freeze()  # as ``sdgen gallery`` does
    runner = web.AppRunner(create_app(shown), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    steps, late = Steps(), []
    heart = asyncio.create_task(beat(late))
    port = str(listener.getsockname()[1])
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, port,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    assert client.stdin and client.stdout

    questions = folder / "questions.json"

    async def asked(clients: int, seconds: float) -> bytes:
        client.stdin.write(f"{clients} {seconds} {questions}\n".encode())
        return bytes(await client.stdout.readline())

    def figures() -> dict[str, float]:
        found = sorted(late) or [0.0]
        late.clear()
        return {"late_p99_ms": found[int(len(found) * 0.99)], "late_max_ms": found[-1], **steps.take()}

    await asyncio.sleep(1)
    figures()
    await asyncio.sleep(SECONDS)
    report("nobody asks", **figures())
    for name, several in routes(shown):
        questions.write_text(json.dumps(several), encoding="utf-8")
        await asked(1, 0.01)  # what is made at the first question, such as columns in memory, is made once
        for clients in (1, 4):
            figures()
            line = await asked(clients, SECONDS)
            found = figures()
            said = json.loads(line)
            times = sorted(said["times"])
            waited = {"p50_ms": statistics.median(times), "p95_ms": times[int(len(times) * 0.95)], "asked": len(times)}
            bars = {"step_cpu_ms": 5.0, **({"late_p99_ms": 5.0} if clients == 1 else {})}
            report(name, at_most=bars, clients=clients, **found, **waited, statuses=said["statuses"])
    client.stdin.close()
    await client.wait()
    heart.cancel()
    await runner.cleanup()


def routes(shown: Library) -> Iterator[tuple[str, list[Any]]]:
    """Every kind of route with questions about it."""
    from urllib.parse import quote

    filters = ["", *questions(40)]
    words = [f"w{RNG.randrange(2000)}" for _ in range(40)]
    store = shown.catalog.index.store
    real = [row[0] for row in store.rows("SELECT id FROM image ORDER BY id LIMIT ?", (REAL,))]
    keys = [row[0] for row in store.rows("SELECT thumb FROM image ORDER BY id LIMIT ?", (REAL,))]
    anywhere = [row[0] for row in store.rows("SELECT id FROM image ORDER BY random() LIMIT 500")]

    def gets(path: str, values: list[Any]) -> list[Any]:
        return [("GET", path.format(quote(str(value))), None) for value in values]

    yield "GET /sdgen/catalog", gets("/sdgen/catalog", [0])
    yield "GET /sdgen/images, filters", gets("/sdgen/images?limit=200&q={}", filters)
    yield "GET /sdgen/images, words", gets("/sdgen/images?limit=200&q={}", words)
    yield "GET /sdgen/images/ids of everything, binary", gets("/sdgen/images/ids?form=binary&q={}", ["", "sort:seed"])
    yield "GET /sdgen/images/ids of everything, JSON", gets("/sdgen/images/ids?form=json&q={}", ["", "sort:seed"])
    yield "GET /sdgen/images/{id}", gets("/sdgen/images/{}", anywhere)
    yield "GET /sdgen/images/{id}/file, 3 MB", gets("/sdgen/images/{}/file", real)
    yield "GET /sdgen/images/{id}/metadata", gets("/sdgen/images/{}/metadata", real)
    yield "GET /sdgen/images/{id}/similar", gets("/sdgen/images/{}/similar", real)
    yield "GET /sdgen/thumbs, made", gets("/sdgen/thumbs/{}-256.webp", keys)
    yield "GET /sdgen/thumbs, kept", gets("/sdgen/thumbs/{}-256.webp", keys)
    yield "GET /sdgen/facets", gets("/sdgen/facets?q={}", filters)
    yield "GET /sdgen/complete", gets("/sdgen/complete?field=P1&text={}", ["", "k", "k1", "thing1", "x"])
    yield "GET /sdgen/library/sessions", gets("/sdgen/library/sessions?limit={}", [50, 100])
    yield (
        "GET /sdgen/library/sessions/{slug}",
        gets("/sdgen/library/sessions/{}", [f"s{n * 500}" for n in range(N // 500)]),
    )
    yield "GET /sdgen/duplicates", gets("/sdgen/duplicates?q={}", filters)
    for kind in ("totals", "sessions", "values", "groups", "failing", "pairs", "stability", "impact"):
        by = {"groups": "&by=model"}.get(kind, "")
        yield f"GET /sdgen/statistics/{kind}", gets(f"/sdgen/statistics/{kind}?q={{}}{by}", filters[:8])
    yield "GET /sdgen/history", gets("/sdgen/history", [0])
    yield "GET /sdgen/judgements", gets("/sdgen/judgements", [0])
    yield "GET /sdgen/openapi.json", gets("/sdgen/openapi.json", [0])
    yield "GET /", gets("/", [0])
    judge = "/sdgen/judge"
    one = [("POST", judge, {"ids": [n], "field": "rating", "value": str(n % 5 + 1)}) for n in anywhere]
    yield "POST /sdgen/judge, one image", one
    many = [{"ids": anywhere, "field": "mark", "value": value} for value in ("favourite", "interesting", "trash", None)]
    yield "POST /sdgen/judge, 500 images", [("POST", judge, body) for body in many]
    yield "POST /sdgen/undo and redo", [("POST", f"/sdgen/{what}", {}) for what in ("undo", "redo")]
    cards = [("POST", "/sdgen/images/cards", {"ids": sorted(RNG.sample(anywhere, 400))}) for _ in range(20)]
    yield "POST /sdgen/images/cards, 400", cards
    yield "POST, a body of 2 MiB that is refused", [("POST", judge, {"ids": list(range(1, 260_000))})]
    yield (
        "POST, 30,000 ids of which one is none",
        [("POST", judge, {"ids": [*range(1, 30_000), 10**9], "field": "failed", "value": "yes"})],
    )


def pictures(folder: Path) -> None:
    """Real files for the first images: noise, which packs badly, as photographs do."""
    noise = np.random.default_rng(1).integers(0, 255, (*PICTURE[::-1], 3), np.uint8)
    (folder / "s0").mkdir()
    for n in range(REAL):
        Image.fromarray(np.roll(noise, n, 0)).save(folder / "s0" / f"s0_{n:04}.png", compress_level=1)


def main() -> None:
    machine = {"machine": f"{psutil.cpu_count()} cores", "load": psutil.getloadavg()[0]}
    print(json.dumps({"bench": "routes", **machine}), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library(folder).close()
        pictures(folder)
        shown = Library(folder, [folder])
        try:
            asyncio.run(measure(shown, folder))
        finally:
            shown.stop()


if __name__ == "__main__":
    main()
