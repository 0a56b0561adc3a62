"""Sessions of flat images for the tests of the panel inside ComfyUI: quick to make, and as slow as a test wants them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery


def order(
    server: ComfyServer,
    name: str,
    values: Sequence[str],
    *,
    sizes: str = "",
    count: int = 0,
    fixed: bool = False,
    wait: float = 0.0,
    fail_at: str = "",
) -> str:
    """Order a session with an image for each value (and each of ``sizes``), at most ``count`` of them, all with one seed when it is
    ``fixed``; gives its id."""
    more = f", Size: [{sizes}]" if sizes else ""
    text = (
        f"name: {name}\nprompt: 'a {{Value}}{', {Size}' if sizes else ''}'\n"
        f"imports: {{Value: [{', '.join(values)}]{more}}}\n"
        f"generation: {{seed: 3368601, seed_mode: {'fixed' if fixed else 'progressive'}, mode: combinatorial}}\n"
    )
    template = {"file": "(the text below)", "text": text, "theme": "", "style": "", "mode": "as written", "limit": 0}
    image = {"seed": ["2", 2], "text": ["2", 0], "fail_at": fail_at, "wait": wait, "batch": 1, "loads": ["4", 0]}
    settings = {
        "width": 16,
        "height": 16,
        "steps": 1,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    planner = {"template": ["1", 0], "name": name, "on_existing": "resume", "count": count, "item": "", **settings}
    graph = {
        "1": {"class_type": "SDGenTemplate", "inputs": template},
        "2": {"class_type": "SDGenSessionPlan", "inputs": planner},
        "3": {"class_type": "StubImage", "inputs": image},
        "4": {"class_type": "StubLoader", "inputs": {"ckpt_name": "stub"}},
        "5": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10]}},
    }
    server.client.queue_prompt({"prompt": graph, "client_id": uuid.uuid4().hex})
    return str(until(lambda: next((one["id"] for one in orders(server) if one["name"] == name), None)))


def until(found: Any, page: Page | None = None, timeout: float = 60.0) -> Any:
    """What ``found()`` gives, as soon as it is true. With a ``page`` its requests go on meanwhile: this thread lets them through."""
    deadline = time.monotonic() + timeout
    while not (value := found()):
        assert time.monotonic() < deadline, "waited in vain"
        if page is None:
            time.sleep(0.1)
        else:
            page.wait_for_timeout(100)
    return value


def orders(server: ComfyServer) -> list[dict[str, Any]]:
    """What the ledger has."""
    found: list[dict[str, Any]] = server.client.get("/sdgen/sessions")["sessions"]
    return found


def status(server: ComfyServer, order: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get(f"/sdgen/sessions/{order}")
    return found


def reaches(server: ComfyServer, order: str, state: str, page: Page) -> dict[str, Any]:
    """Wait until a session is in a state."""
    until(lambda: status(server, order)["state"] == state, page, 120)
    return status(server, order)


def files(server: ComfyServer, order: str) -> list[Path]:
    """The images in a session's folder."""
    folder: str = status(server, order)["folder"]
    return sorted(Path(folder).glob("*.png"))


def manifest(server: ComfyServer, order: str) -> dict[str, Any]:
    """The manifest in a session's folder."""
    found: dict[str, Any] = json.loads(
        (Path(status(server, order)["folder"]) / "manifest.json").read_text(encoding="utf-8")
    )
    return found


def images(server: ComfyServer, order: str, more: str = "") -> list[dict[str, Any]]:
    """What the catalog has of a session."""
    query = urlencode({"q": f"session:{order}{more}"})
    found: list[dict[str, Any]] = server.client.get(f"/sdgen/images?{query}")["images"]
    return found


def names(server: ComfyServer) -> list[str]:
    """What the sessions of the catalog were made as."""
    found: list[dict[str, Any]] = server.client.get("/sdgen/library/sessions?limit=200")["sessions"]
    return [session["original_name"] for session in found]


# ---- the panel ----------------------------------------------------------------------------------------------------------


def open_tab(page: Page) -> Locator:
    """SDGen's tab in ComfyUI's sidebar."""
    page.locator(".sdgen-tab-button, .side-bar-button").filter(has=page.locator(".pi-images")).first.click()
    tab = page.locator(".sdgen-tab")
    expect(tab).to_be_visible(timeout=canvas.PATIENCE_MS)
    return tab


def open_gallery(page: Page) -> Locator:
    """The gallery over the canvas, at the list of sessions."""
    page.keyboard.press("Alt+l")
    full = page.locator(".sdgen-full")
    expect(full).to_be_visible(timeout=canvas.PATIENCE_MS)
    return full


def open_images(page: Page, name: str, count: int) -> Locator:
    """The images of a session."""
    full = open_gallery(page)
    gallery.card(page, name).get_by_role("button", name=f"Open the images of {name}").click(timeout=canvas.PATIENCE_MS)
    gallery.found(page, count)
    expect(gallery.cells(page).first).to_be_visible()
    return full


def choose(page: Page, name: str, entry: str) -> None:
    """Choose from a card's menu."""
    gallery.card(page, name).get_by_role("button", name=f"More about {name}").click(timeout=canvas.PATIENCE_MS)
    page.get_by_role("menuitem", name=entry, exact=True).click()


def shown_image(page: Page) -> int:
    """The image that the address names."""
    said = page.evaluate(
        "new URLSearchParams(new URLSearchParams(location.search).get('sdgen').split('?')[1]).get('image')"
    )
    return int(said or 0)
