"""The list of 2,000 sessions with 100 images each: one JSON line a measurement.

    python3 dev.py bench sessions_list

Sessions differ in everything that they are sorted and filtered by; a tenth was judged. ``p50_ms`` and ``p95_ms`` are of the wall, for a
page of 100 cards with counters, thumbnails, and what the filters can be set to; ``cpu_p95_ms`` is the processor's time, which other
programs do not change. In the same run as a peer: the counters by GROUP BY over
all images.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
from _report import Reporter

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.records import ImageRecord, SessionRecord, generation_key
from sdgen_core.catalog.session_facts import session_facts
from sdgen_core.catalog.sessions import SORTS, SessionQuery, list_sessions

SESSIONS = int(os.environ.get("SDGEN_BENCH_SESSIONS", "2000"))
IMAGES, LARGE = 100, 4000
RNG = random.Random(1)
BAR = 10.0 if SESSIONS <= 2000 else None

report = Reporter("sessions_list", sessions=SESSIONS)


def timed(name: str, work: Callable[[Any], Any], questions: Iterable[Any], bar: float | None = BAR) -> None:
    """Report how long ``work`` takes for each of ``questions``."""
    times, own = [], []
    for question in questions:
        started, busy = time.perf_counter(), time.process_time()
        work(question)
        times.append((time.perf_counter() - started) * 1e3)
        own.append((time.process_time() - busy) * 1e3)
    times.sort()
    at = int(len(times) * 0.95)
    figures = {"p50_ms": statistics.median(times), "p95_ms": times[at], "cpu_p95_ms": sorted(own)[at]}
    report(name, at_most=None if bar is None else {"p95_ms": bar}, **figures)


def fill(catalog: Catalog, folder: Path) -> None:
    """The sessions, the last of which is a large one."""
    for number in range(SESSIONS):
        name = f"s{number}"
        session = catalog.index.put_session(
            SessionRecord(
                slug=name,
                keys=(f"i:{name}",),
                folder=folder / name,
                root=folder,
                stamp="1",
                name=f"portrait of café {RNG.randrange(500)} at night {number}",
                started=1_700_000_000_000 + RNG.randrange(10**10),
                status=RNG.choice(["completed", "ongoing", "aborted"]),
                planned=RNG.choice([None, IMAGES, 2 * IMAGES]),
                theme=RNG.choice([None, *(f"theme {n}" for n in range(50))]),
                style=RNG.choice(["default", "cartoon", "photo"]),
                template=f"template {RNG.randrange(80)}",
                model=f"model_{RNG.randrange(12)}",
                sampler=RNG.choice(["euler", "dpmpp_2m"]),
                placeholders=[{"name": f"P{n}", "available": 60, "used": 20} for n in range(8)],
                problems=["something is broken"] if number % 20 == 0 else [],
            )
        )
        count = LARGE if number == SESSIONS - 1 else IMAGES
        catalog.index.put_images(session, [image(name, n, count) for n in range(count)])
        catalog.index.note_seeds(session)
    slugs = [f"s{n}" for n in range(0, SESSIONS, 10)]
    catalog.judge_sessions(slugs, "rating", "like")
    catalog.judge_sessions(slugs, "tag/keep", "yes")
    catalog.judge_sessions(slugs[::2], "note", "a note of some length, as people write them: " * 5)


def image(session: str, number: int, count: int) -> ImageRecord:
    values = {f"P{k}": (f"k{v}", f"thing {v}") for k in range(8) for v in [RNG.randrange(20)]} if count == LARGE else {}
    return ImageRecord(
        file=f"{session}_{number:04}.png",
        number=number,
        keys=(generation_key(session, number),),
        thumb=f"{session}-{number}",
        created=1_700_000_000_000 + number,
        seed=RNG.randrange(2**64),
        bytes=1_200_000,
        model="model_1",
        values=values,
    )


_PEER = (
    "SELECT image.session, sum(1 - missing), sum(bytes), sum(mark = 1), sum(mark = 3), sum(verdicts > 0), count(DISTINCT number)"
    " FROM image LEFT JOIN image_said ON image_said.image = image.id GROUP BY image.session"
)


def main() -> None:
    report("machine", cores=psutil.cpu_count(), load=psutil.getloadavg()[0])
    with tempfile.TemporaryDirectory() as temporary:
        catalog = Catalog(Path(temporary))
        fill(catalog, Path(temporary))
        sorts = [sign + key for key in SORTS for sign in ("", "-")]
        timed("first page, any sort", lambda sort: list_sessions(catalog, SessionQuery(sort=sort)), sorts * 4)
        lists = [SessionQuery(sort=sort, after=f"s{RNG.randrange(SESSIONS)}") for sort in sorts]
        timed("a page anywhere, any sort", lambda query: list_sessions(catalog, query), lists * 4)
        filters = [
            {"text": "caf night"},
            {"text": "portr", "theme": ("theme 3", "theme 4")},
            {"model": ("model_1", "model_2"), "style": ("photo",), "sampler": ("euler",)},
            {"tags": ("keep",), "rating": ("like",)},
            {"images_min": 50, "images_max": 500, "status": ("completed",), "problems": False},
        ]
        lists = [SessionQuery(sort=sort, **some) for some in filters for sort in sorts]
        timed("filtered, any sort", lambda query: list_sessions(catalog, query), lists)

        def judged(number: int) -> None:
            catalog.judge_sessions([f"s{number}"], "favourite", "yes" if number % 2 else None)
            started = time.perf_counter()
            list_sessions(catalog, SessionQuery(text="caf"))
            after.append((time.perf_counter() - started) * 1e3)

        after: list[float] = []
        timed("a judgement of a session and the search after it", judged, range(100), None)
        after.sort()
        report("the search after it alone", p50_ms=statistics.median(after), p95_ms=after[95])
        timed("facts of a session", lambda slug: session_facts(catalog, slug), [f"s{n}" for n in range(100)])
        timed(
            f"facts of a session of {LARGE} images",
            lambda slug: session_facts(catalog, slug),
            [f"s{SESSIONS - 1}"] * 20,
            None,
        )
        timed("counters by GROUP BY (peer)", lambda sql: catalog.index.store.rows(sql), [_PEER] * 5, None)
        catalog.close()


if __name__ == "__main__":
    main()
