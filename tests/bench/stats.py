"""The statistics of a library of 100,000 images (or as many thousands as ``SDGEN_BENCH_THOUSANDS`` says): one JSON line a measurement.

    python3 dev.py bench stats

The library is made straight into the index: sessions of 500 images with 8 placeholders of 60 values. Every other session is a sweep:
seeds and choices of values, of each of which every value of one placeholder was made; the others are drawn. A fifth of the values
is judged. Hashes are noise of the choice and the seed, but for the last placeholder, which changes nothing. Times are of the wall,
the median and the 95th percentile of some rounds. Peers in the same run: GROUP BY over all values of all images, and a join of all failures
with each other, as SQL people would write. Lines with ``bars`` say what a figure has to be, and ``met`` whether it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from _report import Reporter

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.records import ImageRecord, SessionRecord, generation_key
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.schema import VERDICT_NUMBER
from sdgen_core.catalog.snapshot import Snapshot
from sdgen_core.catalog.stats.impact import dead_values, impacts
from sdgen_core.catalog.stats.pairs import failing_pairs
from sdgen_core.catalog.stats.stability import stabilities
from sdgen_core.catalog.stats.success import _told, success, success_by, success_of_all, top_failing
from sdgen_core.catalog.stats.table import as_csv
from sdgen_core.catalog.stats.totals import totals
from sdgen_core.catalog.stats.view import View, view
from sdgen_core.catalog.user import UserStore

N = int(os.environ.get("SDGEN_BENCH_THOUSANDS", "100")) * 1000
SESSION, PLACEHOLDERS, VALUES = 500, 8, 60
JUDGED = 0.2
BAD = (3, 7)  # a value of the first and one of the second placeholder that fail whenever they meet
DAY = 86_400_000
RNG = random.Random(1)


report = Reporter("stats", images=N)


def timed(work: Callable[[], Any], rounds: int = 5) -> tuple[dict[str, float], Any]:
    """How long ``work`` takes: the median and what 95 in 100 rounds keep to; and what it gave."""
    times, found = [], None
    for _ in range(rounds):
        started = time.perf_counter()
        found = work()
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    return {"ms": statistics.median(times), "p95_ms": times[int(len(times) * 0.95)]}, found


def choices(sweep: bool) -> Iterator[tuple[int, list[int]]]:
    """Seeds and choices of the images of a session."""
    while True:
        choice = [RNG.randrange(VALUES) for _ in range(PLACEHOLDERS)]
        seed, place = RNG.randrange(10_000), RNG.randrange(PLACEHOLDERS)
        if not sweep:
            if RNG.random() < 0.01:
                choice[:2] = BAD
            yield seed, choice
            continue
        for value in range(VALUES):
            yield seed, [value if n == place else other for n, other in enumerate(choice)]


def library(folder: Path) -> tuple[UserStore, Index]:
    """The databases with N images."""
    user = UserStore(folder / "user.db")
    index = Index(folder / "index.db", user)
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
        made = zip(range(SESSION), choices(at // SESSION % 2 == 1), strict=False)
        index.put_images(session, [image(name, at, n, *one) for n, one in made])
    judge(index)
    return user, index


def image(session: str, at: int, n: int, seed: int, choice: list[int]) -> ImageRecord:
    looks = hashlib.blake2b(repr((seed, choice[:-1])).encode(), digest_size=8).digest()
    return ImageRecord(
        file=f"{session}_{n:04}.png",
        number=n,
        keys=(generation_key(session, n),),
        thumb=f"{at + n:032x}",
        created=1_700_000_000_000 + (at + n) * DAY // 300,
        seed=seed,
        width=832,
        height=1216,
        bytes=1_200_000,
        model=f"model{at // SESSION % 5}",
        phash=int.from_bytes(looks, "big"),
        values={f"P{k}": (f"k{value}", f"thing{value} of {k}") for k, value in enumerate(choice)},
    )


def judge(index: Index) -> None:
    """Verdicts straight into the index, whose triggers count them."""
    rows = index.store.rows(
        "SELECT image, value, placeholder.name, key FROM image_value JOIN value ON value.id = value JOIN placeholder"
        " ON placeholder.id = placeholder ORDER BY image"
    )
    values: dict[int, dict[str, tuple[int, str]]] = {}
    for image, value, name, key in rows:
        values.setdefault(image, {})[name] = (value, key)
    verdicts = []
    for image, own in values.items():
        bad = own["P0"][1] == f"k{BAD[0]}" and own["P1"][1] == f"k{BAD[1]}"
        for name, (value, _) in own.items():
            if bad and name in ("P0", "P1"):
                verdicts.append((VERDICT_NUMBER["ko"], image, value))
            elif RNG.random() < JUDGED:
                said = RNG.choices(list(VERDICT_NUMBER.values())[1:], [60, 10, 20, 5, 5])[0]
                verdicts.append((said, image, value))
    with index.store.write() as db:
        db.executemany("UPDATE image_value SET verdict=? WHERE image=? AND value=?", verdicts)


def main() -> None:
    machine = {"machine": f"{psutil.cpu_count()} cores", "load": psutil.getloadavg()[0]}
    print(json.dumps({"bench": "stats", **machine}), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        user, index = library(Path(temporary))
        rates(index)
        deeper(index)
        index.close()
        user.close()


def rates(index: Index) -> None:
    store = index.store
    verdicts = "value_verdict.images"

    def unremembered() -> Any:
        _told.cache_clear()
        return success_of_all(store)

    cold, table = timed(unremembered, 40)
    report("success of all values, from the counters", at_most={"p95_ms": 10}, rows=len(table), **cold)
    report("the same, formulas remembered", rows=len(table), **timed(lambda: success_of_all(store), 40)[0])
    naive = "SELECT value, verdict, count(*) FROM image_value GROUP BY value, verdict"
    peer, rows = timed(lambda: store.rows(naive), 3)
    report("peer: GROUP BY over all values", times_slower=peer["ms"] / cold["ms"], **peer)
    counted = {(value, verdict): n for value, verdict, n in rows if verdict}
    assert counted == {
        tuple(row[:2]): row[2] for row in store.rows(f"SELECT value, verdict, {verdicts} FROM value_verdict")
    }
    snapshot = Snapshot(store)
    snapshot.refresh()

    def seen(query: str) -> View:
        return view(store, snapshot, resolve(store, parse(query)))

    report("what a query finds, to count", **timed(lambda: seen("-is:trash model:model1,model2"))[0])
    for query in ("-is:trash", "P2:k1,k2,k3 model:model1"):
        report(f"success of all values under {query}", **timed(lambda query=query: success(seen(query)))[0])
    for by in ("model", "session", "day", "month"):
        figures, rows = timed(lambda by=by: success(seen(""), by), 3)
        report(f"success of all values by {by}", rows=len(rows), **figures)
        report(f"all values together by {by}", **timed(lambda by=by: success_by(seen(""), by), 3)[0])
    joined = "JOIN image ON image.id = image_value.image GROUP BY image.model, value, verdict"
    peer, _ = timed(lambda: store.rows(f"SELECT image.model, value, verdict, count(*) FROM image_value {joined}"), 1)
    report("peer: GROUP BY model over all values", **peer)
    report("top failing values", **timed(lambda: top_failing(success_of_all(store)))[0])
    report("table of values as CSV", **timed(lambda: as_csv(type(table[0]), table))[0])
    figures, found = timed(lambda: totals(seen("")))
    assert found[0].images == N
    report("totals, and of each session", sessions=len(found[1]), **figures)


def deeper(index: Index) -> None:
    store = index.store
    snapshot = Snapshot(store)
    of = view(store, snapshot, resolve(store, parse("")))
    report("stability of all values", **timed(lambda: stabilities(of), 3)[0])
    figures, (placeholders, values) = timed(lambda: impacts(of), 3)
    dead = dead_values(values)
    assert {row.placeholder for row in dead} == {f"P{PLACEHOLDERS - 1}"} and len(dead) == VALUES
    report("impact of all values", pairs=sum(row.pairs for row in placeholders), dead=len(dead), **figures)
    figures, pairs = timed(lambda: failing_pairs(of), 3)
    assert (pairs[0].first_key, pairs[0].second_key) == tuple(f"k{value}" for value in BAD)
    report("pairs that fail together", **figures)
    ko = VERDICT_NUMBER["ko"]
    peer, rows = timed(
        lambda: store.rows(
            "SELECT a.value, b.value, count(*) FROM image_value a JOIN image_value b ON b.image = a.image AND b.value > a.value"
            " WHERE a.verdict = ?1 AND b.verdict = ?1 GROUP BY 1, 2 HAVING count(*) >= 3",
            (ko,),
        ),
        1,
    )
    report("peer: join of all failures, without what they are compared with", pairs=len(rows), **peer)


if __name__ == "__main__":
    main()
