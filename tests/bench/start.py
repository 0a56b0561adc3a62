"""What the pack adds to ComfyUI's start: one JSON line a measurement.

    python3 dev.py bench start

Two ComfyUIs, one with the pack and one without, and a browser that opens the page of one and the other in turn, each time in a profile
of its own that has fetched it once before: until ComfyUI's application is there. What a machine does meanwhile meets both; the figure
is the median of the differences of pairs. ``import`` is what ComfyUI itself writes in its log about the pack.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from _report import Reporter
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from sdgen_core.comfy.runtime import ComfyServer  # noqa: E402

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
#: In the page: when ComfyUI's application was there, in ms since the page was asked for.
READY = """{
  const look = () => {
    if (window.app?.graph && window.app.extensionManager && document.querySelector('canvas')) window.ready = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}"""

report = Reporter("start")


def opened(browser: Browser, url: str) -> float:
    """Milliseconds until the application is there; the browser has fetched the page once before."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(READY)
    took = 0.0
    for _ in range(2):
        page.goto("about:blank")
        page.goto(url, wait_until="commit")
        page.wait_for_function("() => window.ready", timeout=90_000)
        took = page.evaluate("window.ready")
    context.close()
    return took


def server(base: Path, pack: Path | None) -> ComfyServer:
    settings = base / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"Comfy.TutorialCompleted": True}), encoding="utf-8")
    (base / "custom_nodes").mkdir()
    comfyui = Path(os.environ.get("SDGEN_TEST_COMFYUI") or ROOT / ".comfyui")
    packages = os.environ.get("SDGEN_TEST_PACKAGES")
    frontend = os.environ.get("SDGEN_TEST_FRONTEND")
    more: dict[str, Any] = {"frontend": Path(frontend)} if frontend else {}
    return ComfyServer(comfyui, base, pack=pack, packages=Path(packages) if packages else None, **more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    chromium = os.environ.get("SDGEN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("no Chromium here: set SDGEN_CHROMIUM")
    base = Path(tempfile.mkdtemp(prefix="sdgen-start-"))
    try:
        with server(base / "with", ROOT) as ours, server(base / "without", None) as plain, sync_playwright() as player:
            browser = player.chromium.launch(executable_path=chromium, args=FLAGS)
            urls = (ours.url, plain.url)
            for url in urls:
                opened(browser, url)
            pairs = []
            for n in range(options.pairs):  # now the one first, now the other
                took = {url: opened(browser, url) for url in urls[:: 1 if n % 2 else -1]}
                pairs.append((took[ours.url], took[plain.url]))
            browser.close()
            log = ours.log.read_text(encoding="utf-8", errors="replace")
        added = statistics.median(one - other for one, other in pairs)
        without = statistics.median(other for _, other in pairs)
        report("the page", at_most={"added_ms": 50.0}, added_ms=added, without_ms=without, pairs=len(pairs))
        found = re.search(r"([\d.]+) seconds:? .*sdgen", log, re.IGNORECASE)
        report("importing the pack", s=float(found[1]) if found else None)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
