"""The grid of images in a real browser, over a library of 100,000 (or as many thousands as ``SDGEN_BENCH_THOUSANDS`` says): one JSON line
a measurement.

    python3 dev.py bench gallery

The library is that of the benchmark ``catalog``, each of whose images has a thumbnail that is one of a few real ones. The application is
the build in ``web/dist``, or in the folder that ``SDGEN_BENCH_DIST`` names, served as ``sdgen gallery`` serves it. ``cold`` is a browser
that has nothing of it, ``warm`` the same page again. Frames are measured while the wheel turns, and while the scrollbar is drawn from
one end to the other. Without a graphics card a browser draws by the processor: the frames while nothing happens say what is the machine's.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _report import Reporter
from catalog import SESSION, N, library
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

WINDOW = {"width": 1400, "height": 900}
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = 32
#: How often the grid is opened, cold and warm; the median counts, since the first time is the browser's own first time, too.
OPENED = 5

SERVER = """
import sys
from pathlib import Path
from sdgen_core.catalog.library import Library
from sdgen_core.server import page
from sdgen_core.server.app import create_app, listen, serve
if sys.argv[2]:
    page.DIST = Path(sys.argv[2])
listener = listen("127.0.0.1", 0)
library = Library(Path(sys.argv[1]), [])
library.catalog.snapshot.refresh()
print(listener.getsockname()[1], flush=True)
serve(create_app(library), listener)
"""

#: Frames and long tasks from now on, until ``stop``.
WATCH = """() => {
  const state = (window.watched = { frames: [], tasks: [], cells: 0, going: true });
  new PerformanceObserver((list) => list.getEntries().forEach((e) => state.tasks.push(e.duration))).observe({ entryTypes: ['longtask'] });
  let last = performance.now();
  const frame = (now) => {
    state.frames.push(now - last);
    last = now;
    state.cells = Math.max(state.cells, document.querySelectorAll('.sdgen-cell').length);
    if (state.going) requestAnimationFrame(frame);
  };
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
}"""
STOP = (
    "() => { const s = window.watched; s.going = false; return { frames: s.frames, tasks: s.tasks, cells: s.cells } }"
)
#: When (ms since the page was asked for) the first thumbnail was there, and when all in view were.
ARRIVED = """{
  const arrived = (window.arrived = { first: 0, all: 0 });
  document.addEventListener('load', ({ target }) => {
    if (!target.matches?.('.sdgen-cell img') || arrived.all) return;
    arrived.first ||= performance.now();
    if (SHOWN()) arrived.all = performance.now();
  }, true);
}"""
#: Whether every cell in view shows its thumbnail.
SHOWN = """() => {
  const grid = document.querySelector('.sdgen-grid'), box = grid && grid.getBoundingClientRect();
  if (!box) return false;
  const cells = [...grid.querySelectorAll('.sdgen-cell')].filter((cell) => {
    const { top, bottom } = cell.getBoundingClientRect();
    return bottom > box.top && top < box.bottom;
  });
  const shows = (image) => image && image.complete && image.naturalWidth > 0;
  return cells.length > 5 && cells.every((cell) => shows(cell.querySelector('img')));
}"""
#: A key in the review, until the frame that follows it is painted in which ``done`` holds: milliseconds.
PRESS = """async ([key, code, done]) => {
  const holds = new Function('before', `return ${done}`), image = () => document.querySelector('.sdgen-stage-frame img')?.src;
  const before = { image: image() }, began = performance.now();
  document.querySelector('.sdgen-review').dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true }));
  do await new Promise((painted) => requestAnimationFrame(painted));
  while (!holds({ ...before, now: image() }) && performance.now() - began < 5000);
  await new Promise((painted) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = painted; port2.postMessage(0); });
  return performance.now() - began;
}"""
NEXT = "before.now && before.now !== before.image && document.querySelector('.sdgen-stage-frame img').complete"
SAID = "[...document.querySelectorAll('.sdgen-verdicts button')].some((button) => button.ariaPressed === 'true')"

report = Reporter("gallery", images=N)


def thumbnails(folder: Path) -> None:
    """A few real thumbnails under the keys of all images, by hard links; and the files of the first session."""
    from sdgen_core.catalog.pictures.thumbs import Thumbs

    thumbs, pick = Thumbs(folder / "thumbs"), random.Random(2)
    made: list[dict[int, Path]] = []
    images: list[Image.Image] = []
    for number in range(PICTURES):
        image = Image.effect_noise((208, 304), 60).convert("RGB").resize((832, 1216))
        draw = ImageDraw.Draw(image)
        for _ in range(40):
            x, y = pick.randrange(832), pick.randrange(1216)
            draw.ellipse([x, y, x + 160, y + 160], fill=tuple(pick.randrange(256) for _ in range(3)))
        images.append(image)
        key = f"{number + N:032x}"
        thumbs.make(image, key)
        made.append({size: thumbs.path(key, size) for size in (256, 512)})
    for n in range(N):
        for size, source in made[n % PICTURES].items():
            target = thumbs.path(f"{n:032x}", size)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
    (folder / "s0").mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png", compress_level=1)
    for n in range(SESSION):
        os.link(folder / f"{n % PICTURES}.png", folder / "s0" / f"s0_{n:04}.png")


def figures(page: Page) -> dict[str, Any]:
    """Stop watching; p50 and p95 of the frames in ms, the longest task, the most cells."""
    seen = page.evaluate(STOP)
    frames = sorted(seen["frames"]) or [0.0]
    return {
        "p50_ms": statistics.median(frames),
        "p95_ms": frames[int(len(frames) * 0.95)],
        "longest_task_ms": max(seen["tasks"], default=0.0),
        "cells": seen["cells"],
        "frames": len(frames),
    }


def heap(page: Page) -> float:
    """MiB of the page's heap after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used / 2**20


def opened(browser: Browser, url: str) -> Page:
    """Open the grid, five times in a browser that has nothing of it, then five times again in the last of these."""
    times: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    for name in ["cold"] * OPENED + ["warm"] * OPENED:
        if name == "cold":
            page = browser.new_context(viewport=WINDOW).new_page()  # type: ignore[arg-type]
            page.add_init_script(f"{{ const SHOWN = {SHOWN};\n{ARRIVED} }}")
        page.goto("about:blank")
        page.wait_for_timeout(500)  # the page before is gone for good
        page.goto(f"{url}#/images", wait_until="commit")
        page.wait_for_function("() => window.arrived?.all", timeout=60_000)
        came = page.evaluate("window.arrived")
        times[name].append((came["first"], came["all"]))
        if name == "cold" and len(times[name]) < OPENED:
            page.context.close()
    for name, bar in (("cold", 400.0), ("warm", 150.0)):
        first, every = zip(*times[name], strict=True)
        figures = {"ms": statistics.median(first), "worst_ms": max(first), "all_ms": statistics.median(every)}
        report(f"first thumbnails, {name}", at_most={"ms": bar}, **figures)
    return page


def scrolls(page: Page) -> None:
    """The wheel, there and back: frames, and what is asked for again."""
    grid = page.locator(".sdgen-grid")
    grid.hover()
    asked: list[str] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")

    def came(event: dict[str, Any]) -> None:
        """What the browser takes out of its own cache asks nobody."""
        if not event["response"].get("fromDiskCache"):
            asked.append(event["response"]["url"])

    session.on("Network.responseReceived", came)
    for name, way in (("down", 1), ("back over the same", -1)):
        asked.clear()
        page.evaluate(WATCH)
        for _ in range(150):
            page.mouse.wheel(0, way * 120)
            page.wait_for_timeout(16)
        seen = figures(page)
        thumbs = sum("/thumbs/" in url for url in asked)
        bars = {"p95_ms": 20.0, "longest_task_ms": 50.0, "cells": 200.0} | ({"thumbs_asked": 0.0} if way < 0 else {})
        report(f"scrolling by the wheel, {name}", at_most=bars, **seen, thumbs_asked=thumbs, requests=len(asked))
        page.wait_for_timeout(600)
    session.detach()


def sweeps(page: Page) -> None:
    """The scrollbar from the first image to the last: frames, requests, and what the heap grows by."""
    before, asked = heap(page), [0]

    def count(_: Any) -> None:
        asked[0] += 1

    page.on("request", count)
    page.evaluate(WATCH)
    page.evaluate(
        """async () => {
          const grid = document.querySelector('.sdgen-grid'), end = grid.scrollHeight - grid.clientHeight;
          for (let n = 0; n <= 600; n++) {
            grid.scrollTop = (end * n) / 600;
            await new Promise((done) => requestAnimationFrame(done));
          }
        }"""
    )
    seen = figures(page)
    page.wait_for_function(SHOWN, timeout=60_000, polling=20)
    grown = heap(page) - before
    page.remove_listener("request", count)
    bars = {"p95_ms": 20.0, "longest_task_ms": 50.0, "cells": 200.0, "heap_grown_mib": 30.0}
    report("a sweep over everything", at_most=bars, **seen, heap_grown_mib=grown, requests=asked[0])


def jumps(page: Page) -> None:
    """From anywhere to anywhere: until the cards are there, and until the thumbnails are."""
    cards, thumbs, pick = [], [], random.Random(3)
    for _ in range(12):
        share = pick.random()
        began = page.evaluate(
            """(share) => {
              const grid = document.querySelector('.sdgen-grid');
              grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * share;
              return performance.now();
            }""",
            share,
        )
        page.wait_for_timeout(1)
        page.wait_for_function(
            "() => [...document.querySelectorAll('.sdgen-cell')].every((cell) => cell.dataset.id)", polling=5
        )
        cards.append(page.evaluate("performance.now()") - began)
        page.wait_for_function(SHOWN, polling=5)
        thumbs.append(page.evaluate("performance.now()") - began)
    report(
        "jumping",
        at_most={"p50_ms": 100.0},
        p50_ms=statistics.median(cards),
        worst_ms=max(cards),
        thumbs_p50_ms=statistics.median(thumbs),
    )


def reviews(page: Page, url: str) -> None:
    """A hundred images by keys: the next image, a verdict, and both; images of a megapixel whose files are there."""
    page.goto("about:blank")
    page.goto(f"{url}#/images?q=session%3As0&review=1")
    page.wait_for_selector(".sdgen-review .sdgen-verdicts")
    page.wait_for_timeout(2000)

    def press(key: str, code: str, done: str, count: int) -> list[float]:
        times = []
        for _ in range(count):
            times.append(page.evaluate(PRESS, [key, code, done]))
            page.wait_for_timeout(300)  # nobody is quicker
        return times

    def told(name: str, times: list[float], bar: float | None) -> None:
        bars = None if bar is None else {"p50_ms": bar}
        report(name, at_most=bars, p50_ms=statistics.median(times), p95_ms=sorted(times)[int(len(times) * 0.95)])

    told("review: the next image is painted", press("ArrowRight", "ArrowRight", NEXT, 40), 30.0)
    told("review: a verdict and the next image", press("o", "KeyO", NEXT, 40), None)
    page.get_by_label("Next image by itself").uncheck()
    page.locator(".sdgen-review").focus()
    times = []
    for _ in range(20):
        times += press("o", "KeyO", SAID, 1)
        press("u", "KeyU", "true", 1)
        press("ArrowRight", "ArrowRight", NEXT, 1)
    told("review: a verdict is painted", times, 16.0)


def nothing(page: Page) -> None:
    """What the machine does by itself."""
    page.evaluate(WATCH)
    page.wait_for_timeout(2000)
    report("frames while nothing happens", **figures(page))


def main() -> None:
    chromium = os.environ.get("SDGEN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("no Chromium here: set SDGEN_CHROMIUM")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library(folder).close()
        thumbnails(folder)
        if hasattr(os, "sync"):
            os.sync()  # or the system, which writes 200,000 names behind, is measured too
        command = [sys.executable, "-c", SERVER, name, os.environ.get("SDGEN_BENCH_DIST", "")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
            threading.Thread(target=server.stdout.read, daemon=True).start()
            time.sleep(0.5)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                page = opened(browser, url)
                nothing(page)
                scrolls(page)
                jumps(page)
                sweeps(page)
                reviews(page, url)
                browser.close()
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
