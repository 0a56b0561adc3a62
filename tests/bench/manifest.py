"""What an image costs in the manifest as the session grows: journal and snapshots against rewriting the whole file.

    python3 dev.py bench manifest [--sizes 10000,40000] [--rewrites 5] [--pace 0.1]

Prints one JSON line per measurement, in milliseconds of wall and of CPU time. ``journal`` appends a line per image;
``writer`` is what a running session uses, snapshots included, as if an image took ``--pace`` seconds to make;
``snapshot`` writes the whole ``manifest.json`` once; ``rewrite`` is the predecessor's way (read, append, write all, not
synced), measured at that size only. ``image`` sets the last two side by side, with the bar: 5 ms of CPU an image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sdgen_core.sessions import manifest as manifest_module
from sdgen_core.sessions.manifest import (
    Journal,
    JournalIndex,
    ManifestWriter,
    image_entry,
    load_manifest,
    write_manifest,
)

VALUES = {
    name: f"a value of {name}, with some detail, soft light" for name in ("Coat", "Pose", "Place", "Light", "Style")
}
SNAPSHOT = {
    "version": "2.0",
    "generation_params": {"num_images": 40_000},
    "variations": {n: {"available": [v] * 50, "used": [v] * 50, "count": 50} for n, v in VALUES.items()},
}


def entry(index: int) -> dict[str, Any]:
    """An entry of the usual size: about 1.1 kB on a line."""
    return image_entry(
        filename=f"session_{index:04d}_seed-{index}.png",
        seed=index,
        prompt="masterpiece, best quality,\n" + ", ".join(VALUES.values()),
        negative="lowres, blurry, bad anatomy",
        values=VALUES,
        index=index,
        keys={name: f"{name}_key" for name in VALUES},
        sha256=hashlib.sha256(str(index).encode()).hexdigest(),
        seconds=4.2,
    )


def show(**line: Any) -> None:
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}), flush=True)


class Stopwatch:
    def __enter__(self) -> Stopwatch:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = (time.perf_counter() - self.wall) * 1000
        self.cpu = (time.process_time() - self.cpu) * 1000


class PacedClock:
    """The real clock plus the time that images would have taken to make."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.perf_counter() + self.ahead


def measure_journal(folder: Path, size: int, *, fsync: bool) -> None:
    journal = Journal(folder, fsync=fsync)
    journal.start(SNAPSHOT)
    last: list[float] = []
    window = min(1000, size // 10)
    with Stopwatch() as first:
        for index in range(window):
            journal.image(entry(index))
    for index in range(window, size - window):
        journal.image(entry(index))
    with Stopwatch() as final:
        for index in range(size - window, size):
            begun = time.perf_counter()
            journal.image(entry(index))
            last.append(time.perf_counter() - begun)
    last.sort()
    show(
        what="journal",
        images=size,
        fsync=fsync,
        first_ms=first.wall / window,
        last_ms=final.wall / window,
        last_cpu_ms=final.cpu / window,
        last_p99_ms=last[int(len(last) * 0.99)] * 1000,
        journal_mb=journal.path.stat().st_size / 1e6,
    )


def measure_writer(folder: Path, size: int, pace: float) -> float:
    clock = PacedClock()
    manifest_module.time = clock  # type: ignore[attr-defined,assignment]  # the session's pace, without waiting for it
    try:
        writer = ManifestWriter(folder)
        writer.start(SNAPSHOT)
        snapshots, before = 0, (folder / "manifest.json").stat().st_mtime_ns
        wall = cpu = 0.0
        for index in range(size):
            clock.ahead += pace
            made = entry(index)
            with Stopwatch() as spent:
                writer.image(made)
            wall, cpu = wall + spent.wall, cpu + spent.cpu
            if index % 10 == 0:
                now = (folder / "manifest.json").stat().st_mtime_ns
                snapshots += now != before
                before = now
        writer.status("completed")
    finally:
        manifest_module.time = time
    show(
        what="writer",
        images=size,
        pace_s=pace,
        ms=wall / size,
        cpu_ms=cpu / size,
        snapshots=snapshots,
        share_of_wall=wall / 1000 / (size * pace + wall / 1000),
    )
    return cpu / size


def measure_snapshot(folder: Path, size: int) -> None:
    with Stopwatch() as cold:
        write_manifest(folder)
    index = JournalIndex(folder)
    index.update()
    with Stopwatch() as warm:
        write_manifest(folder, index=index)
    with Stopwatch() as loading:
        images = len(load_manifest(folder).images)
    assert images == size
    tracemalloc.start()
    fresh = JournalIndex(folder)
    fresh.update()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    write_manifest(folder, index=fresh)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    show(
        what="snapshot",
        images=size,
        cold_ms=cold.wall,
        warm_ms=warm.wall,
        load_ms=loading.wall,
        index_bytes_per_image=held / size,
        extra_peak_mb=(peak - held) / 1e6,
        manifest_mb=(folder / "manifest.json").stat().st_size / 1e6,
    )


def measure_rewrite(folder: Path, size: int, rewrites: int) -> float:
    """The predecessor's way for some images at this size, on a copy of the manifest."""
    path = folder / "rewrite.json"
    path.write_bytes((folder / "manifest.json").read_bytes())
    with Stopwatch() as spent:
        for index in range(size, size + rewrites):
            with path.open(encoding="utf-8") as source:
                value = json.load(source)
            value["images"].append(entry(index))
            with path.open("w", encoding="utf-8") as target:
                json.dump(value, target, indent=2, ensure_ascii=False)
    show(what="rewrite", images=size, ms=spent.wall / rewrites, cpu_ms=spent.cpu / rewrites)
    return spent.cpu / rewrites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="1000,10000,40000")
    parser.add_argument("--rewrites", type=int, default=5)
    parser.add_argument("--pace", type=float, default=0.1, help="seconds an image takes to make, for `writer`")
    options = parser.parse_args()
    show(what="machine", system=platform.platform(), python=platform.python_version())
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            measure_journal(Path(one), size, fsync=False)
            measure_snapshot(Path(one), size)
            peer = measure_rewrite(Path(one), size, options.rewrites)
            ours = measure_writer(Path(two), size, options.pace)
            show(what="image", images=size, journal_and_snapshot_cpu_ms=ours, rewrite_cpu_ms=peer, bar_cpu_ms=5)
    with tempfile.TemporaryDirectory() as folder:
        measure_journal(Path(folder), 1000, fsync=True)


if __name__ == "__main__":
    main()
