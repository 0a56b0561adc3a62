"""The catalog at 100,000 images (or as many thousands as ``SDGEN_BENCH_THOUSANDS`` says): one JSON line a measurement.

    python3 dev.py bench catalog

The library is made straight into the databases: sessions of 500 images, 8 placeholders of 60 values, prompts that share their first
words and draw the others as people do, few of them often. Times are of the wall, for that is what a person waits for; ``p50_ms`` and
``p95_ms`` of many different questions; of what is done once, the best of several. ``cpu_ms`` is the time of this thread, which other
work on the machine lengthens less. Peers in the same run: paging by OFFSET, searching by LIKE, looking through folders, GROUP BY over
all values, comparing all pairs of hashes. Lines with ``bars`` say what a figure has to be, and ``met`` whether it is.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from _report import Reporter

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.pictures.duplicates import distances
from sdgen_core.catalog.query import DUPLICATE, SORTS, parse
from sdgen_core.catalog.records import ImageRecord, SessionRecord, generation_key
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.snapshot import Snapshot

N = int(os.environ.get("SDGEN_BENCH_THOUSANDS", "100")) * 1000
LARGE = N > 200_000
SESSION, PLACEHOLDERS, VALUES = 500, 8, 60
RNG = random.Random(1)
FIRST = "masterpiece, best quality, highly detailed, photo of a woman"
#: Words that look like words, the first ones often and the last ones hardly ever (Zipf).
WORDS = ["".join(RNG.choice(("st", "br", "m", "l", "p", "r", "c", "w", "s")) + RNG.choice("aeiou") for _ in range(RNG.randint(1, 4)))
         for _ in range(3000)]  # fmt: skip
SHARES = [1 / (n + 2) for n in range(len(WORDS))]

report = Reporter("catalog", images=N)


def timed(name: str, work: Callable[[Any], Any], questions: Iterable[Any], p95: float | None = None) -> None:
    """Report how long ``work`` takes for each of ``questions``."""
    times = []
    for question in questions:
        started = time.perf_counter()
        work(question)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    figures = {"p50_ms": statistics.median(times), "p95_ms": times[int(len(times) * 0.95)]}
    report(name, at_most=None if p95 is None else {"p95_ms": p95}, **figures)


def best(name: str, works: Iterable[Callable[[], Any]], at_most: float | None = None) -> None:
    """Report the quickest of several runs of one thing."""
    wall, cpu = [], []
    for work in works:
        started, used = time.perf_counter(), time.thread_time()
        work()
        wall.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.thread_time() - used) * 1e3)
    report(
        name, at_most=None if at_most is None else {"ms": at_most}, ms=min(wall), cpu_ms=min(cpu), worst_ms=max(wall)
    )


def library(folder: Path) -> Catalog:
    """N images in the databases; reports how fast they came in."""
    catalog = Catalog(folder)
    hashes = np.random.default_rng(1).integers(0, 1 << 64, N, dtype=np.uint64)
    copies = N // 10  # one in ten looks like another one
    flipped = np.random.default_rng(2).integers(0, 64, copies).astype("u8")
    hashes[:copies] = hashes[copies : 2 * copies] ^ (np.uint64(1) << flipped)
    wal = 0
    started, used = time.perf_counter(), time.thread_time()
    for at in range(0, N, SESSION):
        name = f"s{at}"
        record = SessionRecord(
            slug=name,
            keys=(f"i:{name}",),
            folder=folder / name,
            root=folder,
            stamp="",
            name=name,
            started=at,
            status="completed",
            theme=f"theme{at // SESSION % 50}",
        )
        session = catalog.index.put_session(record)
        catalog.index.put_images(session, [image(name, at, n, int(hashes[at + n])) for n in range(SESSION)])
        wal = max(wal, (folder / "index.db-wal").stat().st_size)
    seconds, cpu = time.perf_counter() - started, time.thread_time() - used
    mib = {"wal_mib": wal / 2**20, "file_mib": (folder / "index.db").stat().st_size / 2**20}
    figures = {"images_per_s": N / seconds, "cpu_images_per_s": N / cpu}
    report("writing the library", at_least={"cpu_images_per_s": 2000}, at_most={"wal_mib": 64}, **figures, **mib)
    return catalog


def image(session: str, at: int, n: int, phash: int) -> ImageRecord:
    values = {f"P{k}": (f"k{v}", f"thing{v} of{k}") for k in range(PLACEHOLDERS) for v in [RNG.randrange(VALUES)]}
    words = RNG.choices(WORDS, SHARES, k=12)
    return ImageRecord(
        file=f"{session}_{n:04}.png",
        number=n,
        keys=(generation_key(session, n), f"s:{at + n:032x}"),
        thumb=f"{at + n:032x}",
        created=(at + n) * 1000,
        seed=RNG.randrange(1 << 32),
        width=832,
        height=1216,
        bytes=RNG.randrange(900_000, 1_500_000),
        model=f"model{RNG.randrange(5)}",
        sampler="euler",
        scheduler="karras",
        steps=RNG.choice((20, 28, 30)),
        cfg=RNG.choice((4.5, 6.0, 7.0)),
        prompt=", ".join([FIRST, *(text for _, text in values.values()), *words]),
        negative="blurry, text, watermark",
        phash=phash,
        values=values,
    )


def questions(count: int) -> list[str]:
    """Filters as people click them together: one to three placeholders, of which each has one to five values."""
    out = []
    for _ in range(count):
        names = RNG.sample(range(PLACEHOLDERS), RNG.randint(0, 3))
        parts = [f"P{k}:" + ",".join(f"k{v}" for v in RNG.sample(range(VALUES), RNG.randint(1, 5))) for k in names]
        more = ["-is:trash", "model:model1", "seed:..2000000000", "is:marked", "theme:theme7,theme8"]
        out.append(" ".join([*parts, *RNG.sample(more, RNG.randint(0, 2))]))
    return out


def main() -> None:
    machine = {
        "machine": platform.processor() or platform.machine(),
        "cpus": psutil.cpu_count(),
        "load": psutil.getloadavg()[0],
    }
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "numpy": np.__version__}
    print(json.dumps({"bench": "catalog", **machine, **versions}), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        catalog = library(Path(temporary))
        ids = [number for (number,) in catalog.index.store.rows("SELECT id FROM image")]
        pages(catalog, ids)
        load(catalog)
        pages_from_memory(catalog, ids)
        counts(catalog)
        search(catalog)
        judge(catalog, ids)
        alike(catalog, ids)
        catalog.close()
        if not LARGE:
            folders(Path(temporary) / "folders")


def pages(catalog: Catalog, ids: list[int]) -> None:
    """Pages of 200 anywhere in the list of the newest, before anything is in memory; and by OFFSET."""
    store = catalog.index.store
    places = [RNG.choice(ids) for _ in range(100)]
    bar = 25.0 if LARGE else 10.0
    timed("page anywhere, by the index", lambda at: catalog.page("", at), places, bar)
    offset = "SELECT id FROM image ORDER BY created DESC, id DESC LIMIT 200 OFFSET ?"
    timed("page anywhere by OFFSET (peer)", lambda at: store.rows(offset, (at,)), places)
    assert not catalog.snapshot.loaded


def load(catalog: Catalog) -> None:
    """The columns, read by a process that has just begun, and once more."""
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    catalog.snapshot.refresh()
    first = time.perf_counter() - started
    mib = (process.memory_info().rss - before) / 2**20
    started = time.perf_counter()
    Snapshot(catalog.index.store).refresh()
    report("reading the columns into memory", s=time.perf_counter() - started, first_s=first, memory_mib=mib)


def pages_from_memory(catalog: Catalog, ids: list[int]) -> None:
    bar = 25.0 if LARGE else 10.0
    keys = [*SORTS, "random:7", "value:P1", "score:P1", f"like:{ids[7]}"]
    best("the order of all by names of files, made once", [lambda: catalog.page("sort:file")])
    first = [f"{text} sort:{sign}{key}" for key in keys for sign in ("", "-") for text in ("", "P1:k3")]
    timed("page anywhere, an order for the first time", lambda text: catalog.page(text, RNG.choice(ids)), first, bar)
    questions = [f"{text} sort:-{key}" for key in keys for text in ("", "is:marked", "model:model1 P1:k3")] * 3
    timed("page anywhere, every order", lambda text: catalog.page(text, RNG.choice(ids)), questions, bar)


def counts(catalog: Catalog) -> None:
    bar = None if LARGE else 15.0
    store, snapshot = catalog.index.store, catalog.snapshot
    asked = [*questions(200), *[""] * 20]
    RNG.shuffle(asked)
    timed("filter with all live counts", lambda text: snapshot.facets(resolve(store, parse(text))), asked, bar)
    timed("ids of a filter, in order", lambda text: catalog.find(text), asked)
    by_hand = "SELECT value, count(*) FROM image_value JOIN image_and_said ON id = image WHERE mark = 0 GROUP BY value"
    timed("live counts of values by GROUP BY (peer)", lambda text: store.rows(text), [by_hand] * 3)


def search(catalog: Catalog) -> None:
    """As somebody types: one letter, two, three, of common words and of rare ones."""
    store = catalog.index.store
    bar = None if LARGE else 30.0
    for letters in (1, 2, 3):
        words = [word[:letters] for word in ("masterpiece", "best", "highly", "photo", "woman", "of", "thing", "a")]
        words += [word[:letters] for word in RNG.choices(WORDS, k=72)]
        timed(f"search as you type, {letters} letters, all ids", lambda word: catalog.find(word), words, bar)
    words = [word[: RNG.randint(1, 4)] for word in RNG.choices(WORDS, k=20)]
    timed("LIKE (peer), first page", lambda word: store.rows(_LIKE, (f"%{word}%",)), words)
    phrases = [f'"thing{v} of{k}"' for k in range(PLACEHOLDERS) for v in range(0, VALUES, 6)]
    timed("a phrase of a value", lambda text: catalog.find(text), phrases, bar)
    everywhere = ['"best quality"', '"photo of a wo"*', '"of a" -sta']
    timed("a phrase that all prompts have", lambda text: catalog.find(text), everywhere)


_LIKE = (
    "SELECT image.id FROM image JOIN prompt ON prompt.id = image.prompt WHERE positive LIKE ?"
    " ORDER BY created DESC, image.id DESC LIMIT 200"
)
_SESSIONS = (
    "SELECT slug, name, started, images, favourites, trash, judged, found_planned FROM session ORDER BY {} LIMIT 2000"
)


def judge(catalog: Catalog, ids: list[int]) -> None:
    """Verdicts one by one and in bulk."""
    sample = RNG.sample(ids, 25_200)
    timed("one verdict", lambda one: catalog.judge([one], "value/P1", "ko"), sample[:200], 5.0)

    def look(one: int) -> None:
        catalog.judge([one], "mark", "trash")
        catalog.snapshot.refresh()

    timed("a verdict, taken over by the columns", look, sample[:100])
    some = [sample[at : at + 5_000] for at in range(200, 25_200, 5_000)]
    for field, value in (("mark", "favourite"), ("value/P2", "ok"), ("tag/poster", "yes"), ("rating", "4")):
        best(f"5,000 in bulk: {field}", [lambda o=one, f=field, v=value: catalog.judge(o, f, v) for one in some], 250)
    best("undo of 5,000", [catalog.undo] * 5)
    store = catalog.index.store
    orders = ["started DESC", "name", "judged"] * 20
    timed("session list with counters", lambda key: store.rows(_SESSIONS.format(key)), orders, 10.0)
    by_table = "SELECT value, verdict, images FROM value_verdict"
    by_hand = "SELECT value, verdict, count(*) FROM image_value WHERE verdict > 0 GROUP BY value, verdict"
    timed("success rates of all values", lambda text: store.rows(text), [by_table] * 50, 10.0)
    timed("success rates by GROUP BY (peer)", lambda text: store.rows(text), [by_hand] * 5)


def alike(catalog: Catalog, ids: list[int]) -> None:
    bar = None if LARGE else 5_000.0

    def anew(work: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> None:
            catalog.snapshot.alike.forget()
            work()

        return run

    best("is:duplicate among all", [anew(lambda: catalog.find("is:duplicate"))] * 3, bar)
    best("near-duplicates of all in groups", [lambda: catalog.duplicates("")] * 3, bar)
    best("the same within 8 bits", [lambda: catalog.duplicates("", 8)], bar)
    timed("images like this one", lambda one: catalog.similar(one), RNG.sample(ids, 100), None if LARGE else 5.0)
    hashes = catalog.snapshot.columns["phash"].view("u8")
    rows = 500
    started = time.perf_counter()
    for n in range(rows):
        np.count_nonzero(distances(hashes[n:], int(hashes[n])) <= DUPLICATE)
    seconds = (time.perf_counter() - started) * len(hashes) / rows / 2
    report(
        "comparing all pairs of hashes (peer)", s=seconds, how=f"{rows} rows measured, all of them counted from that"
    )


def folders(root: Path) -> None:
    """The peer of a list: looking through the folders for the newest 200 images. The disk's cache is warm."""
    for at in range(0, N, SESSION):
        (root / f"s{at}").mkdir(parents=True)
        for n in range(SESSION):
            (root / f"s{at}" / f"s{at}_{n:04}.png").touch()

    def newest(_: int) -> list[tuple[int, str]]:
        found = []
        for folder in os.scandir(root):
            found += [(entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(folder)]
        return sorted(found, reverse=True)[:200]

    timed("page by looking through folders (peer)", newest, range(3))


if __name__ == "__main__":
    sys.exit(main())
