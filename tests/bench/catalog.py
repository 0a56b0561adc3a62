"""The catalog at 100,000 images (or as many thousands as ``SDGEN_BENCH_THOUSANDS`` says): one JSON line a measurement.

    python3 dev.py bench catalog

The library is made straight into the databases: sessions of 500 images, 8 placeholders of 60 values, prompts of their own. Times are
of the wall, for that is what a person waits for; ``p50_ms`` and ``p95_ms`` of many different questions. Peers in the same run: paging
by OFFSET, searching by LIKE, GROUP BY over all values. Lines with ``bars`` say what a figure has to be, and ``met`` whether it is.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
from _report import Reporter

from sdgen_core.catalog import sql
from sdgen_core.catalog.index import Index
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.records import ImageRecord, SessionRecord, generation_key
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.snapshot import Snapshot
from sdgen_core.catalog.user import Change, UserStore

N = int(os.environ.get("SDGEN_BENCH_THOUSANDS", "100")) * 1000
LARGE = N > 200_000
SESSION, PLACEHOLDERS, VALUES = 500, 8, 60
RNG = random.Random(1)


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


def library(folder: Path) -> tuple[UserStore, Index, list[int]]:
    """N images in the databases; reports how fast they came in."""
    user = UserStore(folder / "user.db")
    index = Index(folder / "index.db", user)
    ids: list[int] = []
    wal = 0
    started = time.perf_counter()
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
        )
        session = index.put_session(record)
        images = [image(name, at, n) for n in range(SESSION)]
        ids += index.put_images(session, images)
        wal = max(wal, (folder / "index.db-wal").stat().st_size)
    seconds = time.perf_counter() - started
    mib = {"wal_mib": wal / 2**20, "file_mib": (folder / "index.db").stat().st_size / 2**20}
    report(
        "writing the library", at_least={"images_per_s": 2000}, at_most={"wal_mib": 64}, images_per_s=N / seconds, **mib
    )
    return user, index, ids


def image(session: str, at: int, n: int) -> ImageRecord:
    values = {f"P{k}": (f"k{v}", f"thing{v} of{k}") for k in range(PLACEHOLDERS) for v in [RNG.randrange(VALUES)]}
    words = " ".join(f"w{RNG.randrange(2000)}" for _ in range(10))
    return ImageRecord(
        file=f"{session}_{n:04}.png",
        number=n,
        keys=(generation_key(session, n), f"s:{at + n:032x}"),
        thumb=f"{at + n:032x}",
        created=(at + n) * 1000,
        seed=RNG.randrange(10_000),
        width=832,
        height=1216,
        bytes=1_200_000,
        model=f"model{RNG.randrange(5)}",
        sampler="euler",
        prompt=", ".join(text for _, text in values.values()) + ", " + words,
        negative="blurry, text",
        values=values,
    )


def questions(count: int) -> list[str]:
    """Filters as people click them together: one to three placeholders, of which each has one to five values."""
    out = []
    for _ in range(count):
        names = RNG.sample(range(PLACEHOLDERS), RNG.randint(1, 3))
        parts = [f"P{k}:" + ",".join(f"k{v}" for v in RNG.sample(range(VALUES), RNG.randint(1, 5))) for k in names]
        out.append(" ".join([*parts, *RNG.sample(["-is:trash", "model:model1", "seed:..5000"], RNG.randint(0, 2))]))
    return out


def main() -> None:
    print(
        json.dumps({"bench": "catalog", "machine": f"{psutil.cpu_count()} cores", "load": psutil.getloadavg()[0]}),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as temporary:
        user, index, ids = library(Path(temporary))
        store = index.store
        judged = judge(user, index, ids)
        pages(index, ids)
        snapshot = Snapshot(store)
        started = time.perf_counter()
        snapshot.refresh()
        report("reading the columns into memory", s=time.perf_counter() - started)
        bar = None if LARGE else 15.0
        timed(
            "filter with all live counts",
            lambda text: snapshot.counts(resolve(store, parse(text))),
            questions(200),
            bar,
        )
        timed("ids of a filter, in order", lambda text: snapshot.find(parse(text)), questions(200))
        words = [f"w{RNG.randrange(2000)}"[: RNG.randint(2, 5)] for _ in range(200)]
        timed("search as you type, all ids", lambda word: snapshot.find(parse(word)), words, None if LARGE else 30.0)
        timed("search as you type, first page", lambda word: sql.page(store, resolve(store, parse(word)), 200), words)
        timed("LIKE (peer), first page", lambda word: store.rows(_LIKE, (f"%{word}%",)), words[:20])
        timed("a verdict taken over by the columns", lambda n: one(user, index, snapshot, judged[n]), range(100))
        index.close()
        user.close()


_LIKE = (
    "SELECT image.id FROM image JOIN prompt ON prompt.id = image.prompt WHERE positive LIKE ?"
    " ORDER BY created DESC, image.id DESC LIMIT 200"
)
_SESSIONS = (
    "SELECT slug, name, started, images, favourites, trash, judged, found_planned FROM session ORDER BY {} LIMIT 2000"
)


def judge(user: UserStore, index: Index, ids: list[int]) -> list[tuple[str, ...]]:
    """Verdicts one by one and in bulk; gives the keys of the images judged."""
    sample = RNG.sample(ids, 5_200)
    keys: dict[int, tuple[str, ...]] = {}
    for row, key in index.store.rows(f"SELECT image, key FROM image_key WHERE image IN ({','.join(map(str, sample))})"):
        keys[row] = (*keys.get(row, ()), key)
    known = [keys[row] for row in sample]

    def say(some: list[tuple[str, ...]], field: str, value: str) -> None:
        step = user.change([Change("image", key, field, value) for key in some], field)
        assert step is not None
        index.apply(step.events)

    timed("one verdict", lambda key: say([key], "value/P1", "ko"), known[:200], 5.0)
    for field, value in (("mark", "favourite"), ("value/P2", "ok")):
        started = time.perf_counter()
        say(known[200:], field, value)
        report(f"5000 in bulk: {field}", at_most={"ms": 250}, ms=(time.perf_counter() - started) * 1e3)
    started = time.perf_counter()
    step = user.undo()
    assert step is not None
    index.apply(step.events)
    report("undo of 5000", ms=(time.perf_counter() - started) * 1e3)
    timed(
        "session list with counters",
        lambda key: index.store.rows(_SESSIONS.format(key)),
        ["started DESC", "name", "judged"] * 20,
        10.0,
    )
    by_table = "SELECT value, verdict, images FROM value_verdict"
    by_hand = "SELECT value, verdict, count(*) FROM image_value WHERE verdict > 0 GROUP BY value, verdict"
    timed("success rates of all values", lambda sql: index.store.rows(sql), [by_table] * 50, 10.0)
    timed("success rates by GROUP BY (peer)", lambda sql: index.store.rows(sql), [by_hand] * 5)
    return known


def one(user: UserStore, index: Index, snapshot: Snapshot, keys: tuple[str, ...]) -> None:
    step = user.change([Change("image", keys, "mark", "trash")], "x")
    if step:
        index.apply(step.events)
    snapshot.refresh()


def pages(index: Index, ids: list[int]) -> None:
    """Pages of 200 anywhere in the list, by keyset and by OFFSET."""
    store = index.store
    places = [RNG.choice(ids) for _ in range(100)]
    bar = 25.0 if LARGE else 10.0
    for text in ("", "-is:trash", "is:favourite", "model:model1", "P1:k3"):
        resolved = resolve(store, parse(text))
        timed(
            f"page anywhere by keyset: {text or 'all'}",
            lambda at, r=resolved: sql.page(store, r, 200, after=at),
            places,
            bar,
        )
    for key in ("-seed", "random:7", "-bytes"):
        resolved = resolve(store, parse(f"sort:{key}"))
        timed(
            f"page anywhere by keyset, sort {key}",
            lambda at, r=resolved: sql.page(store, r, 200, after=at),
            places[:20],
        )
    offset = "SELECT id FROM image ORDER BY created DESC, id DESC LIMIT 200 OFFSET ?"
    timed("page anywhere by OFFSET (peer)", lambda at: store.rows(offset, (at,)), places)


if __name__ == "__main__":
    sys.exit(main())
