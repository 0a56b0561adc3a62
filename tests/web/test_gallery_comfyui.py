"""The panel inside the real ComfyUI: sidebar, gallery over the canvas, keys that stay there, and a session that arrives live."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery
from .test_session import small_session


def ran(page: Page, server: ComfyServer, name: str, images: int) -> None:
    """Run a small session to its end."""
    canvas.load(page, small_session(name, images))
    canvas.shows(page, "plan", f"Run makes {images} images")
    canvas.press_run(page)
    deadline = time.monotonic() + canvas.SESSION_MS / 1000
    while not any(
        one["name"] == name and one["state"] == "completed" for one in server.client.get("/sdgen/sessions")["sessions"]
    ):
        assert time.monotonic() < deadline
        page.wait_for_timeout(300)


def nodes(page: Page) -> int:
    return int(page.evaluate("app.graph.nodes.length"))


def marks(server: ComfyServer, name: str) -> list[Any]:
    """The marks of a session's images."""
    [session] = [one for one in server.client.get("/sdgen/library/sessions")["sessions"] if one["name"] == name]
    page = server.client.get(f"/sdgen/images?q=session:{session['slug']}")
    return [card["mark"] for card in page["images"]]


def test_a_day_with_the_panel(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"panel_{frontend}"
    ran(page, web_comfy, name, 3)

    # the sidebar: the newest image is there and is marked by one press
    page.locator(".sdgen-tab-button, .side-bar-button").filter(has=page.locator(".pi-images")).first.click()
    tab = page.locator(".sdgen-tab")
    expect(tab.get_by_text(name).first).to_be_visible(timeout=canvas.PATIENCE_MS)
    newest = tab.locator(".sdgen-newest")
    newest.get_by_role("button", name="Favourite").click(timeout=canvas.PATIENCE_MS)
    expect(newest.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")

    # the gallery over the canvas, and the session in it
    tab.get_by_role("button", name="Open the gallery").click()
    full = page.locator(".sdgen-full")
    full.get_by_role("button", name=f"Open the images of {name}").first.click(timeout=canvas.PATIENCE_MS)
    gallery.found(page, 3)
    assert "sdgen=" in page.url

    # keys judge the image that is looked at, and are taken back
    gallery.cells(page).first.dblclick()
    viewer = page.locator(".sdgen-viewer")
    expect(viewer.locator(".sdgen-stage")).to_have_attribute("data-shown", "original", timeout=canvas.PATIENCE_MS)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("i")
    interesting = viewer.get_by_role("button", name="Interesting")
    expect(interesting).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("z")
    expect(interesting).to_have_attribute("aria-pressed", "false")

    # Delete is the trash here, and never reaches the canvas, where all nodes are selected
    before = nodes(page)
    assert before > 3
    page.evaluate(
        "app.canvas.selectItems ? app.canvas.selectItems(app.graph.nodes) : app.canvas.selectNodes(app.graph.nodes)"
    )
    page.keyboard.press("Delete")
    expect(viewer.get_by_role("button", name="Trash")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("z")
    expect(viewer.get_by_role("button", name="Trash")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Backspace")
    assert nodes(page) == before
    canvas.wait(lambda: sorted(marks(web_comfy, name), key=str) == [None, None, "favourite"], page)

    # a reload is where one was; Escape leads out, level by level
    canvas.reload(page)
    expect(viewer).to_be_visible(timeout=canvas.PATIENCE_MS)
    for selector in (".sdgen-viewer", ".sdgen-results", ".sdgen-full"):
        expect(page.locator(selector)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(selector)).to_have_count(0)
    assert "sdgen=" not in page.url

    # the workflow of an image comes onto the canvas
    page.evaluate("app.graph.clear()")
    page.keyboard.press("Alt+l")
    full.get_by_role("button", name=f"Open the images of {name}").first.click(timeout=canvas.PATIENCE_MS)
    gallery.cells(page).first.dblclick()
    viewer.locator(".sdgen-viewer-bar").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Open the workflow on the canvas").click()
    expect(full).to_have_count(0)
    canvas.wait(lambda: nodes(page) == before, page)


def test_a_session_that_runs_arrives_live(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"live_{frontend}"
    canvas.load(page, small_session(name, 12))
    canvas.shows(page, "plan", "Run makes 12 images")
    canvas.press_run(page)
    page.keyboard.press("Alt+l")
    full = page.locator(".sdgen-full")
    full.get_by_role("button", name=f"Open the images of {name}").first.click(timeout=canvas.PATIENCE_MS)
    expect(page.locator(".sdgen-images-count")).to_have_text("12 images", timeout=canvas.SESSION_MS)
    canvas.wait(lambda: len(gallery.ids(page)) >= 12, page)  # a cell is there before what it shows
    seen = gallery.ids(page)
    assert len(seen) == len(set(seen)) == 12
    full.get_by_role("button", name="Sessions", exact=True).click()
    expect(gallery.card(page, name)).to_contain_text("12 of 12 images", timeout=canvas.PATIENCE_MS)
    expect(gallery.card(page, name)).to_contain_text("completed", timeout=canvas.PATIENCE_MS)
