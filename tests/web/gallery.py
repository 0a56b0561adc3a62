"""The panel's application alone: a small library of coloured shapes, a server of it, and what a person does on its page."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect
from playwright.sync_api import Error as PageError

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.server import page as served_page
from sdgen_core.server.app import create_app, listen
from sdgen_core.sessions.metadata import encode_png, sdgen_chunk, sdgen_record
from sdgen_core.training.desk import Desk

PATIENCE_MS = 20_000
#: What a scorer needs at most: it is loaded first.
SCORED_MS = 120_000

COLOURS = {"Red": "#d33", "Green": "#3a3", "Blue": "#36d"}
SHAPES = ("Circle", "Square", "Triangle")
SEEDS = (11, 12, 13)
#: The combination that was never made.
MISSING = ("Green", "Triangle", 13)

#: Sessions of the library: name -> images whose files are there.
SHAPED, WIDE, HTML, ACCENTS = "Shapes", "Landscapes", "<b>Bold & <img src=x onerror=alert(1)>", "Épreuves d'été à l'Île"
#: What somebody put into a prompt; nothing of it may become part of the page.
HTML_PROMPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> & a red circle"


def picture(colour: str, shape: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """A shape in a colour, at a place that the seed says."""
    width, height = size
    image = Image.new("RGB", size, "#eee" if seed % 2 else "#222")
    pen, reach = ImageDraw.Draw(image), min(size) // 3
    x, y = width // 2 + (seed % 5 - 2) * width // 16, height // 2 + (seed % 3 - 1) * height // 8
    box = (x - reach, y - reach, x + reach, y + reach)
    if shape == "Circle":
        pen.ellipse(box, fill=colour)
    elif shape == "Square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(x, y - reach), (x + reach, y + reach), (x - reach, y + reach)], fill=colour)
    return image


class Writer:
    """A session's folder: its pictures with their records, and the journal that names them."""

    def __init__(
        self, root: Path, name: str, *, session: str, day: int = 2, planned: int = 0, model: str = "shapes_v1"
    ) -> None:
        self.folder = root / f"2026010{day}_030405-{name}"
        self.folder.mkdir(parents=True)
        self.name, self.session, self.model, self.count = name, session, model, 0
        values = {"Colour": [*COLOURS], "Shape": [*SHAPES]}
        snapshot = {
            "version": "2.0",
            "timestamp": f"2026-01-0{day}T03:04:05.000006",
            "runtime_info": {"sd_model_checkpoint": f"{model}.safetensors"},
            "resolved_template": {"prompt": "a {Colour} {Shape}", "negative": "blurry"},
            "generation_params": {"mode": "combinatorial", "seed_mode": "progressive", "base_seed": 11, "num_images": planned},
            "api_params": {},
            "variations": {k: {"available": [f"{v.lower()} one" for v in vs], "used": [], "count": len(vs)} for k, vs in values.items()},
            "theme_name": None,
            "style": "default",
            "sdgen": {"session": session, "template": {"name": "shapes"}, "name": name},
        }  # fmt: skip
        self._note({"type": "start", "snapshot": snapshot})

    def add(
        self,
        colour: str,
        shape: str,
        seed: int,
        *,
        size: tuple[int, int] = (128, 192),
        prompt: str | None = None,
        broken: bool = False,
        drawn: Image.Image | None = None,
        more: Mapping[str, str] | None = None,
        parts: Mapping[str, Mapping[str, str]] | None = None,
        plain: bool = False,
    ) -> Path:
        """One more image, as a session that runs saves it: a picture of the shape, or the one ``drawn``; ``more`` values
        than these two, and ``parts``: values of several, by the key "Both"; ``plain``: of a template without placeholders."""
        keys = {"Colour": colour, "Shape": shape, **(more or {})}
        values: dict[str, Any] = {name: f"{key.lower()} one" for name, key in keys.items()}
        keys |= dict.fromkeys(parts or {}, "Both")
        values |= parts or {}
        said = prompt or f"a {values['Colour']}, {values['Shape']}, on a table"
        if plain:
            keys, values = {}, {}
        record = sdgen_record(
            session=self.session,
            session_name=self.name,
            index=self.count,
            keys=keys,
            values=values,
            seed=seed,
            requested_seed=seed,
            prompt=said,
            negative="blurry",
            checkpoint_name=f"{self.model}.safetensors",
            checkpoint_hash=None,
            extra={
                "parameters": {
                    "steps": 9,
                    "cfg": 5.5,
                    "sampler_name": "euler",
                    "scheduler": "karras",
                    "width": size[0],
                    "height": size[1],
                }
            },
        )
        path = self.folder / f"{self.session}_{self.count:04d}.png"
        data = encode_png(
            drawn or picture(COLOURS[colour], shape, seed, size),
            {"sdgen": sdgen_chunk(record), "prompt": "{}", "workflow": "{}"},
        )
        new = path.with_suffix(".part")
        new.write_bytes(data[: len(data) // 2] if broken else data)
        new.rename(path)
        entry = {
            "filename": path.name,
            "seed": seed,
            "prompt": said,
            "negative_prompt": "blurry",
            "applied_variations": values,
            "sdgen": {"index": self.count, "keys": keys},
        }
        self._note({"type": "image", "entry": entry})
        self.count += 1
        return path

    def end(self, status: str = "completed") -> None:
        self._note({"type": "status", "status": status})

    def _note(self, line: Mapping[str, Any]) -> None:
        with (self.folder / "manifest.jsonl").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")


def shapes(root: Path) -> Writer:
    """Every colour with every shape and seed, but for one: 26 images of 27."""
    writer = Writer(root, SHAPED, session="abcdefghjk", day=5, planned=27)
    for colour, shape, seed in product(COLOURS, SHAPES, SEEDS):
        if (colour, shape, seed) != MISSING:
            writer.add(colour, shape, seed)
    writer.end("aborted")
    return writer


def small_library(root: Path) -> None:
    """Four sessions: the shapes; wide pictures of which one is broken; one with HTML in its name and prompt; one with accents."""
    shapes(root)
    wide = Writer(root, WIDE, session="bcdefghjkm", day=4, planned=4, model="wide_v2")
    for seed in SEEDS:
        wide.add("Blue", "Square", seed, size=(256, 128))
    wide.add("Red", "Square", 14, size=(256, 128), broken=True)
    wide.end()
    html = Writer(root, HTML, session="cdefghjkmn", day=3, planned=1)
    html.add("Red", "Circle", 21, prompt=HTML_PROMPT)
    html.end()
    accents = Writer(root, ACCENTS, session="defghjkmnp", day=2, planned=2)
    for seed in SEEDS[:2]:
        accents.add("Green", "Circle", seed)
    accents.end()


def large_session(root: Path, count: int) -> None:
    """A session of so many images, of which each is the same small file."""
    writer = Writer(root, "Thousand", session="efghjkmnpq", day=1, planned=count)
    first = writer.add("Red", "Circle", 0, size=(16, 24))
    for seed in range(1, count):
        os.link(first, first.with_name(f"copy_{seed:05d}.png"))
    writer.end()


DEMO = Path(__file__).parents[2] / "examples" / "demo" / "pictures.png"
DEMO_COLOURS = ("Red", "Green", "Blue", "Yellow", "Purple", "Orange", "Cyan", "Pink")
DEMO_SHAPES = ("Circle", "Square", "Triangle", "Star", "Cross", "Ring")
DEMO_BACKGROUNDS = ("White", "Black", "Gray")


def demo_session(root: Path, count: int) -> None:
    """A session of ``count`` of the 144 pictures that the demo model made, drawn by lot: colours by rows, shapes on each background."""
    writer = Writer(root, "Demo shapes", session="fghjkmnpqr", day=6, planned=count, model="sdgen-demo")
    with Image.open(DEMO) as file:
        sheet = file.convert("RGB")
    every = list(product(range(len(DEMO_COLOURS)), range(len(DEMO_SHAPES)), range(len(DEMO_BACKGROUNDS))))
    for n, (colour, shape, background) in enumerate(random.Random(7).sample(every, count)):
        x, y = 66 * (shape * len(DEMO_BACKGROUNDS) + background) + 1, 66 * colour + 1
        writer.add(
            DEMO_COLOURS[colour],
            DEMO_SHAPES[shape],
            1000 + n,
            size=(64, 64),
            drawn=sheet.crop((x, y, x + 64, y + 64)),
            more={"Background": DEMO_BACKGROUNDS[background]},
        )
    writer.end()


class Served:
    """The server of a library, as ``sdgen gallery`` runs it."""

    def __init__(
        self,
        folder: Path,
        *,
        watch: bool = False,
        scorers: Sequence[Path] = (),
        training: Callable[[Library], Desk] | None = None,
    ) -> None:
        self.root = folder / "sessions"
        self.root.mkdir()
        self.library = Library(folder / "catalog", [self.root])
        self.watch, self.scorers, self.training = watch, scorers, training
        self._began = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))

    def __enter__(self) -> Served:
        self.scan()
        if self.watch:
            self.library.start()
        self._thread.start()
        assert self._began.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)
        self.library.stop()

    def scan(self) -> None:
        Importer(self.library.catalog.index).run([self.root])

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What is in the index."""
        return self.library.catalog.index.store.rows(sql, values)

    def count(self, session: str) -> int:
        """Images of the session with this name."""
        [(images,)] = self.rows("SELECT count(*) FROM image JOIN session ON session.id = session WHERE name=?", session)
        return int(images)

    async def _work(self) -> None:
        self._ended, self._loop = asyncio.Event(), asyncio.get_running_loop()
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(self.library, scorers=self.scorers, training=self.training)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._began.set()
        await self._ended.wait()
        await runner.cleanup()


def ask(server: Served, path: str, body: Any = None) -> Any:
    """What a route of the server answers."""
    headers = {"Content-Type": "application/json", "X-SDGen": "1"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(server.url + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def score(server: Served, session: str) -> None:
    """Have the demo's scorer look at a session."""
    ask(server, "/sdgen/scoring", {"sessions": [session], "scorer": "demo"})
    deadline = time.monotonic() + SCORED_MS / 1000
    while (state := ask(server, "/sdgen/scoring"))["running"] or state["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not state["failed"]


@contextmanager
def built_page() -> Iterator[None]:
    """The page as it is built in ``web/dist``, or in the folder that SDGEN_WEB_DIST names."""
    before, other = served_page.DIST, os.environ.get("SDGEN_WEB_DIST")
    served_page._files.cache_clear()
    served_page._content.cache_clear()
    served_page.DIST = Path(other) if other else before
    try:
        yield
    finally:
        served_page.DIST = before
        served_page._files.cache_clear()
        served_page._content.cache_clear()


# ---- pages --------------------------------------------------------------------------------------------------------------


class Watched:
    """Everything that a page should never do: print errors, throw, or ask another host."""

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        self._url = url
        page.on("pageerror", self._thrown)
        page.on("console", self._printed)
        page.on("request", self._asked)

    def _thrown(self, error: PageError) -> None:
        self.wrong.append(f"uncaught: {error.message}\n{error.stack}")

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.wrong.append(f"asked another host: {request.url}")

    def forgive(self, text: str) -> None:
        """The browser itself prints a line for each answer that is an error: a test that wants one forgives it."""
        self.wrong[:] = [said for said in self.wrong if text not in said]


@contextmanager
def opened(browser: Browser, url: str, address: str = "", **options: Any) -> Iterator[Page]:
    """A page in a fresh profile, which must not do anything wrong until it is closed; ``page.watched`` knows what it did."""
    settings = {"viewport": {"width": 1400, "height": 900}, "locale": "en-GB", "accept_downloads": True, **options}
    context = browser.new_context(base_url=url, **settings)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    watched = page.watched = Watched(page, url)  # type: ignore[attr-defined]
    try:
        page.goto(f"/#{address}" if address else "/")
        expect(page.locator(".sdgen-app")).to_be_visible(timeout=PATIENCE_MS)
        yield page
    finally:
        context.close()
    assert not watched.wrong, "\n".join(watched.wrong)


def address(page: Page) -> str:
    """The part of the page's address that is the application's."""
    return str(page.evaluate("decodeURIComponent(location.hash.slice(1).replaceAll('+', ' '))"))


# ---- the list of sessions -----------------------------------------------------------------------------------------------


def cards(page: Page) -> Locator:
    return page.locator(".sdgen-card[data-slug]")


def card(page: Page, name: str) -> Locator:
    """The card of the session with this name."""
    return cards(page).filter(has=page.locator("b", has_text=name))


def names(page: Page) -> list[str]:
    """The names in the list, in its order."""
    return cards(page).locator(".sdgen-card-name b").all_inner_texts()


def lists(page: Page, *wanted: str) -> None:
    """Wait until the list shows these sessions, in this order."""
    expect(cards(page).locator(".sdgen-card-name b")).to_have_text(list(wanted), timeout=PATIENCE_MS)


def open_session(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Open the images of {name}").click()
    expect(cells(page).first).to_be_visible()


# ---- images -------------------------------------------------------------------------------------------------------------


def cells(page: Page) -> Locator:
    return page.locator(".sdgen-cell[data-id]")


def found(page: Page, count: int) -> None:
    """Wait until so many images are found."""
    text = "1 image" if count == 1 else f"{count:,} images"
    expect(page.locator(".sdgen-images-count")).to_have_text(text, timeout=PATIENCE_MS)


def facet(page: Page, group: str, value: str) -> Locator:
    """A value in the pane of filters."""
    return (
        page.locator(".sdgen-facets-group")
        .filter(has=page.get_by_role("button", name=group, exact=True))
        .locator(".sdgen-facet")
        .filter(has=page.locator(".sdgen-facet-label", has_text=value))
    )


def type_query(page: Page, text: str) -> None:
    box = page.get_by_role("combobox", name="Search")
    box.fill(text)
    box.press("Escape")
    box.press("Enter")


def ids(page: Page) -> list[int]:
    """The images on the screen, in their order."""
    return [int(one) for one in cells(page).evaluate_all("cells => cells.map(c => c.dataset.id)")]


def shown_image(page: Page) -> int:
    """The image that the address names."""
    said = page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('image')")
    return int(said or 0)


def press(page: Page, keys: str | Sequence[str]) -> None:
    for key in [keys] if isinstance(keys, str) else keys:
        page.keyboard.press(key)
