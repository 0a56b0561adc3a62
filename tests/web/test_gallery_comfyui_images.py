"""Images of a running ComfyUI in the gallery: they arrive, are made again, go to the canvas, and leave gaps that are filled."""

from __future__ import annotations

import sys
from typing import Any

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery, orders
from .conftest import PageErrors

#: Looks at every frame where an image is in the grid, and whether one is there twice.
EVERY_FRAME = """id => {
    const frames = window.frames = []
    const look = () => {
        const cells = [...document.querySelectorAll('.sdgen-cell[data-id]')]
        const cell = cells.find(one => one.dataset.id === String(id))
        const twice = cells.length - new Set(cells.map(one => one.dataset.id)).size
        frames.push([cell ? Math.round(cell.getBoundingClientRect().top) : null, twice])
        requestAnimationFrame(look)
    }
    look()
}"""


def test_new_images_arrive_without_a_jump(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"arriving_{frontend}"
    page.set_viewport_size({"width": 1000, "height": 520})
    session = orders.order(web_comfy, name, [f"value {n}" for n in range(26)], wait=0.6)
    orders.until(lambda: len(orders.images(web_comfy, session)) >= 10, page)
    full = orders.open_gallery(page)
    gallery.card(page, name).get_by_role("button", name=f"Open the images of {name}").click(timeout=canvas.PATIENCE_MS)
    page.get_by_label("Size of the images").fill("400")
    grid = page.get_by_role("listbox", name="Images")
    grid.evaluate("e => { e.scrollTop = e.scrollHeight / 2 }")
    looked = """grid => {
        const top = grid.getBoundingClientRect().top + 1
        return [...grid.querySelectorAll('.sdgen-cell[data-id]')].find(c => c.getBoundingClientRect().bottom > top).dataset.id
    }"""
    before = len(orders.images(web_comfy, session))
    page.evaluate(EVERY_FRAME, grid.evaluate(looked))
    orders.until(lambda: len(orders.images(web_comfy, session)) >= min(26, before + 6), page)
    expect(page.locator(".sdgen-images-count")).to_have_text("26 images", timeout=canvas.SESSION_MS)
    page.wait_for_timeout(500)
    frames = page.evaluate("window.frames")
    tops = {top for top, _ in frames}
    assert None not in tops and max(tops) - min(tops) <= 1, sorted(tops, key=str)
    assert not any(twice for _, twice in frames)

    # at the top they are seen coming, the newest first; each once
    grid.evaluate("e => { e.scrollTop = 0 }")
    newest = [image["id"] for image in orders.images(web_comfy, session)]
    canvas.wait(lambda: gallery.ids(page)[:4] == newest[:4], page)
    expect(full.locator(".sdgen-images-count")).to_have_text("26 images")


def more(page: Page, entry: str) -> None:
    """Choose from the viewer's menu."""
    page.locator(".sdgen-viewer-bar").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=entry).click()


def again(page: Page, count: int) -> None:
    """Have the image in the viewer made again, with seeds as small as the node that makes flat images takes them."""
    page.evaluate("window.random ??= Math.random; Math.random = () => window.random() / 2 ** 25")
    more(page, "Queue again with new seeds")
    window = page.get_by_role("dialog", name="Queue again with new seeds")
    window.get_by_label("How many").fill(str(count))
    window.get_by_role("button", name="Queue").click()
    queued = "One image is queued" if count == 1 else f"{count} images are queued"
    expect(canvas.toast(page, queued)).to_be_visible(timeout=canvas.PATIENCE_MS)


def test_an_image_is_made_again_with_new_seeds(
    page: Page, web_comfy: ComfyServer, frontend: str, page_errors: list[PageErrors]
) -> None:
    name = f"again_{frontend}"
    session = orders.order(web_comfy, name, ["cat", "dog", "owl"])
    orders.reaches(web_comfy, session, "completed", page)
    orders.open_images(page, name, 3)
    [dog] = orders.images(web_comfy, session, " dog")
    gallery.cells(page).nth(gallery.ids(page).index(dog["id"])).dblclick()
    again(page, 2)
    place = page.locator(".sdgen-viewer-place")
    expect(place).to_have_text("4 of 5", timeout=canvas.PATIENCE_MS)  # two newer ones are before it
    page.keyboard.press("Escape")
    gallery.found(page, 5)
    canvas.wait(lambda: len(gallery.ids(page)) == 5, page)
    assert len(set(gallery.ids(page))) == 5
    dogs = orders.images(web_comfy, session, " dog")
    assert len(dogs) == len({image["seed"] for image in dogs}) == 3
    orders.reaches(web_comfy, session, "completed", page)

    # a session that waits for somebody is left alone: the image is saved beside it, and found there
    waiting = orders.order(web_comfy, f"{name}_waiting", ["cat", "dog", "owl"], wait=1.5)
    orders.until(lambda: orders.images(web_comfy, waiting), page)
    web_comfy.client.post(f"/sdgen/sessions/{waiting}/pause", {})
    orders.reaches(web_comfy, waiting, "paused", page)
    page.get_by_role("button", name="Sessions", exact=True).first.click()
    made = len(orders.images(web_comfy, waiting))
    gallery.card(page, f"{name}_waiting").get_by_role("button", name=f"Open the images of {name}_waiting").click()
    gallery.found(page, made)
    gallery.cells(page).first.dblclick()
    again(page, 1)
    beside = web_comfy.base / "output" / "sdgen"
    [image] = orders.until(lambda: list(beside.glob(f"{name}_waiting_*.png")), page)
    assert "seed-3368" not in image.name
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sessions", exact=True).first.click()
    expect(gallery.cards(page).filter(has=page.get_by_text("sdgen", exact=True))).to_be_visible(
        timeout=canvas.PATIENCE_MS
    )
    assert orders.status(web_comfy, waiting)["planned"] == 3
    [refused] = page_errors[0].ours  # the browser writes down that the session took no more
    assert "/compare/queue" in refused
    page_errors[0].ours.clear()


def loaders(page: Page) -> list[str]:
    """What the nodes that load images have."""
    found: list[str] = page.evaluate(
        "app.graph.nodes.filter(n => n.comfyClass === 'LoadImage').map(n => n.widgets.find(w => w.name === 'image').value)"
    )
    return found


def test_images_and_their_workflow_go_to_the_canvas(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"sent_{frontend}"
    session = orders.order(web_comfy, name, ["cat", "dog"])
    orders.reaches(web_comfy, session, "completed", page)
    page.evaluate("app.graph.clear()")
    full = orders.open_images(page, name, 2)
    shown = {image["id"]: image["file"] for image in orders.images(web_comfy, session)}
    first, second = (shown[image] for image in gallery.ids(page))

    # a node is made for it
    gallery.cells(page).first.dblclick()
    more(page, "Send to a Load Image node")
    expect(canvas.toast(page, f"“{first}” is in the node")).to_be_visible(timeout=canvas.PATIENCE_MS)
    assert loaders(page) == [first]
    assert (web_comfy.base / "input" / first).is_file()
    page.keyboard.press("Escape")

    # the node that is selected takes the next one
    page.evaluate(
        "app.canvas.selectItems ? app.canvas.selectItems(app.graph.nodes) : app.canvas.selectNodes(app.graph.nodes)"
    )
    gallery.cells(page).nth(1).click()
    page.get_by_role("button", name="Send to a Load Image node").click()
    canvas.wait(lambda: loaders(page) == [second], page)
    offered = page.evaluate("app.graph.nodes[0].widgets.find(w => w.name === 'image').options.values")
    assert second in offered

    # the graph that made it comes onto the canvas, and the gallery makes room
    page.get_by_role("button", name="Open its workflow on the canvas").click()
    expect(full).to_have_count(0)
    canvas.wait(lambda: "StubImage" in page.evaluate("app.graph.nodes.map(n => n.comfyClass)"), page)
    assert "sdgen=" not in page.url


def test_the_trash_is_emptied_and_a_gap_is_filled(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"thrown_{frontend}"
    session = orders.order(web_comfy, name, ["cat", "dog"], sizes="small, large", count=3, fixed=True)
    orders.reaches(web_comfy, session, "completed", page)
    kept = [path.name for path in orders.files(web_comfy, session)]

    # one is thrown away by its key
    orders.open_images(page, name, 3)
    gallery.cells(page).first.dblclick()
    expect(page.locator(".sdgen-viewer")).to_be_visible()
    thrown = next(i["file"] for i in orders.images(web_comfy, session) if i["id"] == orders.shown_image(page))
    page.keyboard.press("Delete")
    expect(page.locator(".sdgen-viewer").get_by_role("button", name="Trash")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")

    # what emptying would do is shown, and done
    gallery.type_query(page, "is:trash")
    gallery.found(page, 1)
    page.get_by_role("button", name="Empty trash …").click()
    window = page.get_by_role("dialog", name="Empty the trash")
    # other tests throw images of other sessions away in the same ComfyUI: the list names each session
    expect(window.locator("li").filter(has_text=name)).to_contain_text("1 image,")
    window.get_by_role("button", name="Empty it").click()
    expect(window).to_have_count(0, timeout=canvas.PATIENCE_MS)
    gallery.found(page, 0)
    kept.remove(thrown)
    status = orders.status(web_comfy, session)
    assert [path.name for path in orders.files(web_comfy, session)] == kept
    assert status["skipped"] == 1 and status["done"] == 2
    manifest: dict[str, Any] = orders.manifest(web_comfy, session)
    assert sorted(entry["filename"] for entry in manifest["images"]) == kept
    if sys.platform.startswith("linux"):
        assert (web_comfy.base / "home" / "data" / "Trash" / "files" / thrown).is_file()
    page.keyboard.press("Escape")
    expect(gallery.card(page, name)).to_contain_text("2", timeout=canvas.PATIENCE_MS)

    # compared: what was never planned and what was thrown away are buttons, each of which makes that image
    gallery.card(page, name).get_by_role("button", name=f"Open the images of {name}").click()
    page.get_by_role("navigation", name="Parts of the gallery").get_by_role(
        "button", name="Compare", exact=True
    ).click()
    page.get_by_label("Across").select_option("Value")
    page.get_by_label("Down").select_option("Size")
    gaps = page.get_by_role("gridcell").filter(has=page.locator(".sdgen-make"))
    expect(gaps).to_have_count(2, timeout=canvas.PATIENCE_MS)
    for left in (1, 0):
        gaps.first.locator(".sdgen-make").click()
        expect(gaps).to_have_count(left, timeout=canvas.PATIENCE_MS)
    expect(page.get_by_role("gridcell").locator("img")).to_have_count(4)
    orders.reaches(web_comfy, session, "completed", page)
    assert len(orders.files(web_comfy, session)) == 4
