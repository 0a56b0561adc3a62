"""Importing libraries: images a second, the size of the write-ahead log, what a rescan costs; one JSON line a measurement.

    python3 dev.py bench importing

The images are real PNG files of 8×8 pixels with A1111's text, in sessions of 80 (and one of 3,576 and one of 40,000), of SDGen and of
the predecessor; and the same without any manifest. The disk's cache is warm: the files were just written. ``cpu`` is the rate by this
process's CPU time, which other work on the machine does not change. Lines with ``bars`` say what a figure has to be, ``met`` whether.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import sqlite3
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.scan.importer import Importer, Progress
from sdgen_core.catalog.user import UserStore

IMAGES = int(os.environ.get("SDGEN_BENCH_IMAGES", "20000"))
LARGE = int(os.environ.get("SDGEN_BENCH_LARGE", "100000"))
RATE, WAL = 2000.0, 64.0


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(text: str, number: int) -> bytes:
    """An image of 8×8 pixels of its own colour."""
    pixels = b"".join(b"\0" + bytes([number % 256, number // 256 % 256, number // 65536 % 256]) * 8 for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"tEXt", b"parameters\0" + text.encode()),
        (b"IDAT", zlib.compress(pixels)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def entries(number: int, count: int, pools: dict[str, list[str]], own: bool, folder: Path) -> Iterator[dict[str, Any]]:
    """Write the images of a session; gives their entries."""
    draw = random.Random(number)
    for i in range(count):
        values = {name: draw.choice(pool) for name, pool in pools.items()}
        prompt = "masterpiece, " + ", ".join(values.values())
        tail = f"Steps: 12, Sampler: Euler a, Schedule type: Karras, CFG scale: 6, Seed: {7 + i}, Size: 8x8, Model: model{number % 6}"
        data = png(f"{prompt}\nNegative prompt: lowres\n{tail}", number * 50_000 + i)
        name = f"session_{i:04d}_seed-{7 + i}.png"
        (folder / name).write_bytes(data)
        entry = {
            "filename": name,
            "seed": 7 + i,
            "prompt": prompt,
            "negative_prompt": "lowres",
            "applied_variations": values,
        }
        if own:
            keys = {n: f"k{pools[n].index(v)}" for n, v in values.items()}
            entry["sdgen"] = {"index": i, "keys": keys, "sha256": hashlib.sha256(data).hexdigest(), "seconds": 3.2}
        yield entry


def session(root: Path, number: int, count: int, kind: str) -> None:
    """A session folder; ``kind`` is own (journal and manifest), old (the predecessor's manifest) or bare (images only)."""
    when = datetime(2026, 1, 1) + timedelta(minutes=7 * number)
    folder = root / f"{when:%Y%m%d_%H%M%S}-session"
    folder.mkdir(parents=True)
    words = random.Random(number % 40)
    pools = {f"Place{j}": [f"value {j} {k} word{words.randrange(3000)}" for k in range(12)] for j in range(5)}
    snapshot: dict[str, Any] = {
        "version": "2.0",
        "timestamp": when.isoformat(timespec="microseconds"),
        "runtime_info": {"sd_model_checkpoint": f"model{number % 6}.safetensors [0123456789]"},
        "resolved_template": {
            "prompt": "masterpiece, " + ", ".join(f"{{{name}}}" for name in pools),
            "negative": "lowres",
        },
        "generation_params": {"mode": "random", "seed_mode": "progressive", "base_seed": 7, "num_images": count},
        "api_params": {
            "width": 8,
            "height": 8,
            "steps": 12,
            "cfg_scale": 6,
            "sampler": "Euler a",
            "scheduler": "Karras",
        },
        "variations": {name: {"available": pool, "used": pool, "count": 12} for name, pool in pools.items()},
        "theme_name": None,
        "style": "default",
    }
    if kind == "own":
        snapshot["sdgen"] = {"session": f"s{number:09d}", "template": {"name": "bench"}}
    listed = list(entries(number, count, pools, kind == "own", folder))
    if kind == "own":
        lines = [{"type": "start", "snapshot": snapshot}, *({"type": "image", "entry": entry} for entry in listed)]
        text = "".join(json.dumps(line) + "\n" for line in [*lines, {"type": "status", "status": "completed"}])
        (folder / "manifest.jsonl").write_text(text, encoding="utf-8")
    if kind != "bare":
        data = {"snapshot": snapshot, "images": listed, "status": "completed"}
        (folder / "manifest.json").write_text(json.dumps(data, indent=2), encoding="utf-8")


def measure(name: str, root: Path) -> None:
    """Import a library into a new catalog, then look at it again; prints a line."""
    with tempfile.TemporaryDirectory(prefix="sdgen-bench-") as place:
        user = UserStore(Path(place) / "user.db")
        index = Index(Path(place) / "index.db", user)
        log = Path(place) / "index.db-wal"
        largest = 0

        def look(_: Progress) -> None:
            nonlocal largest
            largest = max(largest, log.stat().st_size if log.exists() else 0)

        begun, cpu = time.perf_counter(), time.process_time()
        done = Importer(index, progress=look).run([root]).progress
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        again = Importer(index).run([root]).progress
        figures = {
            "images": done.images,
            "sessions": done.sessions,
            "seconds": round(seconds, 2),
            "images_per_second": round(done.images / seconds, 1),
            "cpu_images_per_second": round(done.images / cpu, 1),
            "wal_mib": round(largest / (1 << 20), 1),
            "index_mib": round((Path(place) / "index.db").stat().st_size / (1 << 20), 1),
            "rescan_seconds": round(time.perf_counter() - begun, 3),
            "read_again": again.images,
        }
        met = done.images / cpu >= RATE and largest <= WAL * (1 << 20) and again.images == 0
        bars = {"cpu_images_per_second": f">= {RATE:g}", "wal_mib": f"<= {WAL:g}", "read_again": "<= 0"}
        print(json.dumps({"bench": "importing", "name": name, **figures, "bars": bars, "met": met}), flush=True)
        index.close()
        user.close()


def main() -> None:
    machine = {
        "machine": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
    print(json.dumps({"bench": "importing", **machine, "sqlite": sqlite3.sqlite_version}), flush=True)
    with tempfile.TemporaryDirectory(prefix="sdgen-bench-") as place:
        for kind in ("own", "old", "bare") if IMAGES else ():
            root = Path(place) / kind
            for number in range(IMAGES // 80):
                session(root, number, 80, kind)
            measure(f"sessions of 80, {kind}", root)
        root = Path(place) / "large"
        biggest = LARGE * 2 // 5
        for number, count in enumerate([biggest, 3576, *[80] * ((LARGE - biggest - 3576) // 80)]):
            session(root, number, count, ("own", "old")[number % 2])
        measure("large", root)


if __name__ == "__main__":
    main()
