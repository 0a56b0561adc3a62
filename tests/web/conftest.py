"""A real browser on a real ComfyUI: every test runs with the frontend that ComfyUI pins and with the newest one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright
from playwright.sync_api import Error as PageError

from sdgen_core.comfy.runtime import ComfyServer

from . import gallery

OURS = "/sdgen/"
"""What stands in the address of every script and every route of ours."""

BROWSER_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_TIMEOUT_MS = 90_000
PACK = Path(__file__).resolve().parents[2]
STUBS = PACK / "tests" / "comfy" / "stub_nodes"

expect.set_options(timeout=gallery.PATIENCE_MS)  # build machines are slow; a page that is right does not wait


@pytest.fixture(scope="session")
def browser(dev) -> Iterator[Browser]:  # type: ignore[no-untyped-def]
    """The system's Chromium, Chrome or Edge; Playwright only drives it and never downloads one of its own."""
    path = os.environ.get("SDGEN_CHROMIUM") or dev.find_browser()
    if not path:
        pytest.fail("no Chromium, Chrome or Edge here: run `python3 dev.py test web`", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["pinned", "newest"])
def frontend(request: pytest.FixtureRequest) -> str:
    """Which build of ComfyUI's frontend: the one that this ComfyUI pins, or the newest known."""
    return str(request.param)


@pytest.fixture(scope="session")
def web_comfy(
    frontend: str,
    request: pytest.FixtureRequest,
    _new_server: Callable[..., ComfyServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ComfyServer]:
    """The running ComfyUI behind ``page``: with nodes that fail when they are told to, and a folder that sessions may move to."""
    root: Path | None = request.getfixturevalue("newest_frontend") if frontend == "newest" else None
    base = tmp_path_factory.mktemp(f"web-{frontend}")
    shutil.copytree(STUBS, base / "custom_nodes" / "stub_nodes", ignore=shutil.ignore_patterns("__pycache__"))
    settings = base / "user" / "sdgen" / "settings.json"
    settings.parent.mkdir(parents=True)
    (base / "archive").mkdir()
    settings.write_text(json.dumps({"session_folders": [str(base / "archive")]}), encoding="utf-8")
    # the system's trash is below the user's folder: what a test throws away does not go to a person's own
    (base / "home").mkdir()
    home = {"HOME": str(base / "home"), "XDG_DATA_HOME": str(base / "home" / "data")}
    server = _new_server(base, frontend=root, env=home)
    if built := os.environ.get("SDGEN_WEB_DIST"):
        server.pack = with_build(Path(built), base / "pack")
    with server:
        yield server


def with_build(built: Path, pack: Path) -> Path:
    """The pack as it is here, but with another build of its web files."""
    (pack / "web").mkdir(parents=True)
    for entry in PACK.iterdir():
        if entry.name != "web":
            (pack / entry.name).symlink_to(entry)
    (pack / "web" / "dist").symlink_to(built.resolve())
    return pack


class PageErrors:
    """The uncaught errors and console errors of a page that come from our scripts or routes."""

    def __init__(self, page: Page) -> None:
        self.ours: list[str] = []
        page.on("pageerror", self._uncaught)
        page.on("console", self._printed)

    def _uncaught(self, error: PageError) -> None:
        if OURS in (error.stack or ""):
            self.ours.append(f"uncaught: {error.message}\n{error.stack}")

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type == "error" and OURS in str(message.location.get("url", "")):
            self.ours.append(f"console: {message.text} ({message.location})")


@pytest.fixture
def page_errors() -> list[PageErrors]:
    """The errors of the test's page; a test that provokes one on purpose empties ``page_errors[0].ours``."""
    return []


@pytest.fixture
def page(browser: Browser, web_comfy: ComfyServer, page_errors: list[PageErrors]) -> Iterator[Page]:
    """ComfyUI's page, loaded and ready, in a fresh browser profile. The test fails when our code logs an error in
    it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=web_comfy.url, locale="en-US")
    context.route("**/*", _only_here)
    page = context.new_page()
    page_errors.append(PageErrors(page))
    page.goto("/", timeout=START_TIMEOUT_MS)
    ready = "() => Boolean(window.app && window.app.graph && window.app.extensionManager && window.LiteGraph)"
    page.wait_for_function(ready, timeout=START_TIMEOUT_MS)
    yield page
    context.close()
    assert not page_errors[0].ours, "errors of ours in the page:\n" + "\n".join(page_errors[0].ours)


def _only_here(route: Route) -> None:
    """Let the page reach its own server only: tests must not depend on the network."""
    if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost", None):
        route.continue_()
    else:
        route.abort()


# ---- the panel's application alone ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gallery.Served]:
    """A server of the small library, which tests of a file look at but do not judge."""
    with gallery.built_page():
        server = gallery.Served(tmp_path_factory.mktemp("gallery"))
        gallery.small_library(server.root)
        with server:
            yield server


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[gallery.Served]:
    """One of the test's own, which it may change; folders are watched."""
    with gallery.built_page():
        server = gallery.Served(tmp_path, watch=True)
        gallery.small_library(server.root)
        with server:
            yield server


@pytest.fixture
def alone(browser: Browser, served: gallery.Served) -> Iterator[Page]:
    """The list of sessions, alone. The test fails when the page prints an error or asks another host."""
    with gallery.opened(browser, served.url) as page:
        yield page


@pytest.fixture
def own(browser: Browser, fresh: gallery.Served) -> Iterator[Page]:
    """The same for a server of the test's own."""
    with gallery.opened(browser, fresh.url) as page:
        yield page
