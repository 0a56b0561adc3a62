"""What batching gains: images a second of the same order one by one and in batches.

    python3 dev.py bench batching [--images 200] [--batch 8] [--rounds 2] [--sizes 64]

Both halves run on one server, in alternating portions of the same texts and seeds, so that a machine that slows down slows both. The
seconds of processor time beside it do not depend on what else the machine does. One JSON line for each size of the images.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil
from sessions import GRAPH, ROOT, TEMPLATE, say, session

from sdgen_core.comfy.runtime import ComfyServer

#: A round makes so many images each way.
TEXTS = 25


def compare(server: ComfyServer, images: int, batch: int, rounds: int, size: int) -> None:
    graph = json.loads(GRAPH.read_text(encoding="utf-8"))
    text = TEMPLATE.replace("64", str(size))
    seeds = max(1, images // rounds // TEXTS)
    ways, worked = {1: 0.0, batch: 0.0}, {1: 0.0, batch: 0.0}
    process = psutil.Process(server.pid)
    for way in ways:
        session(server, graph, text % 1, f"warm{way}", seeds="2#1", batch=way)
    loads = server.log_text().count("model weight dtype")
    for n in range(rounds):
        for way in ways if n % 2 == 0 else reversed(ways):
            begin, before = time.perf_counter(), sum(process.cpu_times()[:2])
            status = session(server, graph, text % n, f"b{way}", seeds=f"{seeds}#{1000 * (n + 1)}", batch=way)
            ways[way] += time.perf_counter() - begin
            worked[way] += sum(process.cpu_times()[:2]) - before
            assert status["done"] == seeds * TEXTS
    made = rounds * seeds * TEXTS
    say(
        bench="batching", size=size, batch=batch, images_each_way=made, cores=os.cpu_count(),
        images_per_s_one_by_one=round(made / ways[1], 2), images_per_s_in_batches=round(made / ways[batch], 2),
        gain=round(ways[1] / ways[batch], 2),
        cpu_s_one_by_one=round(worked[1] / made, 3), cpu_s_in_batches=round(worked[batch] / made, 3),
        cpu_gain=round(worked[1] / worked[batch], 2),
        checkpoint_loads=server.log_text().count("model weight dtype") - loads,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64])
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="sdgen-bench-"))
    comfyui = Path(os.environ.get("SDGEN_TEST_COMFYUI") or ROOT / ".comfyui")
    packages = os.environ.get("SDGEN_TEST_PACKAGES")
    try:
        with ComfyServer(
            comfyui,
            base,
            pack=ROOT,
            models=[ROOT / ".cache" / "demo" / "models"],
            packages=Path(packages) if packages else None,
        ) as server:
            for size in options.sizes:
                compare(server, options.images, options.batch, options.rounds, size)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
