"""One image, large: opened whatever its thumbnail does, moved by mouse, keys and fingers, and what is copied from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, expect

from sdgen_core.sessions.metadata import encode_png

from . import gallery
from .gallery import SHAPED, Served, cells, found, ids, opened, shown_image, type_query

PARAMETERS = "a red one\nNegative prompt: blurry\nSteps: 9, Sampler: Euler, CFG scale: 5.5, Seed: 5, Size: 128x192"
#: Where the picture's upper left corner is, and how large it is drawn.
FRAME = """() => {
    const box = document.querySelector('.sdgen-stage-frame').getBoundingClientRect()
    return [Math.round(box.x), Math.round(box.y), Math.round(box.width)]
}"""


@pytest.fixture
def viewer(alone: Page) -> Iterator[Page]:
    """The fourth image of the shapes."""
    gallery.open_session(alone, SHAPED)
    found(alone, 26)
    cells(alone).nth(3).dblclick()
    ready(alone)
    yield alone


def ready(page: Page) -> None:
    expect(page.locator(".sdgen-stage")).to_have_attribute("data-shown", "original")


def moved(page: Page, before: list[int], *, x: int = 0, y: int = 0) -> list[int]:
    """Wait until the picture is elsewhere: to the left for a negative ``x``, above for a negative ``y``."""
    page.wait_for_function(
        f"([was, x, y]) => {{ const now = ({FRAME})(); return Math.sign(now[0] - was[0]) === x && Math.sign(now[1] - was[1]) === y }}",
        arg=[before, x, y],
    )
    return list(page.evaluate(FRAME))


def percent(page: Page) -> int:
    return int(re.sub(r"\D", "", page.locator(".sdgen-viewer-percent").inner_text()))


@pytest.mark.parametrize("how", ["double click", "Enter"])
def test_an_image_opens_although_no_thumbnail_can_be_had(browser: Browser, served: Served, how: str) -> None:
    """Known bug: what had no thumbnail could not be opened."""
    with opened(browser, served.url) as page:
        page.route("**/sdgen/thumbs/**", lambda route: route.abort())
        gallery.open_session(page, SHAPED)
        if how == "Enter":
            page.get_by_role("listbox", name="Images").focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
        else:
            cells(page).first.dblclick()
        ready(page)
        expect(page.locator(".sdgen-details")).to_contain_text("shapes_v1")
        page.keyboard.press("ArrowRight")
        ready(page)
        page.goto("about:blank")
        page.watched.forgive("Failed to load resource")  # type: ignore[attr-defined]


def test_the_wheel_zooms_where_it_points_and_the_mouse_drags(viewer: Page) -> None:
    whole, fitted = viewer.evaluate(FRAME), percent(viewer)
    box = viewer.locator(".sdgen-stage").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    viewer.mouse.move(x, y)
    for _ in range(4):
        viewer.mouse.wheel(0, -240)
    viewer.wait_for_function(f"was => ({FRAME})()[2] > was * 1.5", arg=whole[2])
    assert percent(viewer) > fitted
    before = viewer.evaluate(FRAME)
    viewer.mouse.down()
    viewer.mouse.move(x - 60, y - 40, steps=3)
    viewer.mouse.up()
    after = moved(viewer, before, x=-1, y=-1)
    assert after[2] == before[2]
    image = shown_image(viewer)
    viewer.mouse.dblclick(x, y)  # as it fits again
    viewer.wait_for_function(f"was => ({FRAME})()[2] === was", arg=whole[2])
    assert shown_image(viewer) == image


def test_keys_zoom_and_look_elsewhere(viewer: Page) -> None:
    fitted, image = viewer.evaluate(FRAME), shown_image(viewer)
    viewer.keyboard.press("Shift+ArrowRight")  # all of it is in view
    assert viewer.evaluate(FRAME) == fitted
    for _ in range(5):
        viewer.keyboard.press("+")
    viewer.wait_for_function(f"was => ({FRAME})()[2] > was * 3", arg=fitted[2])
    at = viewer.evaluate(FRAME)
    for key, x, y in (("Right", -1, 0), ("Down", 0, -1), ("Left", 1, 0), ("Up", 0, 1)):
        viewer.keyboard.press(f"Shift+Arrow{key}")
        at = moved(viewer, at, x=x, y=y)
    assert shown_image(viewer) == image
    viewer.keyboard.press("Shift+0")
    expect(viewer.locator(".sdgen-viewer-percent")).to_have_text(re.compile("100"))
    viewer.keyboard.press("0")
    viewer.wait_for_function(f"was => String(({FRAME})()) === String(was)", arg=fitted)


def test_fingers_pinch_drag_and_swipe(browser: Browser, served: Served) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, served.url, **phone) as page:
        page.get_by_role("button", name=f"Open the images of {SHAPED}").tap()
        found(page, 26)
        wanted = ids(page)[:3]
        cells(page).first.tap()
        ready(page)
        send = page.context.new_cdp_session(page).send

        def touch(kind: str, *points: tuple[float, float]) -> None:
            fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": fingers})

        def swipe(from_: int, to: int) -> None:
            touch("Start", (from_, 400))
            for n in range(1, 5):
                touch("Move", (from_ + (to - from_) * n / 4, 400))
            touch("End")

        swipe(300, 60)
        page.wait_for_function(f"location.hash.includes('image={wanted[1]}')")
        swipe(60, 300)
        page.wait_for_function(f"location.hash.includes('image={wanted[0]}')")
        ready(page)
        fitted = page.evaluate(FRAME)
        touch("Start", (170, 400), (220, 400))
        for by in (20, 50, 90):
            touch("Move", (170 - by, 400), (220 + by, 400))
        touch("End")
        page.wait_for_function(f"was => ({FRAME})()[2] > was * 2", arg=fitted[2])
        before = page.evaluate(FRAME)
        swipe(250, 150)  # now it drags
        after = moved(page, before, x=-1)
        assert after[2] == before[2] and shown_image(page) == wanted[0]
        for _ in range(2):
            touch("Start", (200, 400))
            touch("End")
        page.wait_for_function(f"was => ({FRAME})()[2] === was", arg=fitted[2])


def test_neighbours_inside_the_filter_are_loaded_before_they_are_wanted(alone: Page) -> None:
    gallery.open_session(alone, SHAPED)
    type_query(alone, "Colour:Blue")
    found(alone, 9)
    wanted = ids(alone)
    asked: list[int] = []

    def note(request: Request) -> None:
        if match := re.search(r"/sdgen/images/(\d+)/file", request.url):
            asked.append(int(match[1]))

    alone.on("request", note)
    with alone.expect_request(re.compile(f"/sdgen/images/{wanted[3]}/file")):
        cells(alone).first.dblclick()
    ready(alone)
    assert asked == wanted[:4]  # itself, then the next three
    with alone.expect_request(re.compile(f"/sdgen/images/{wanted[4]}/file")):
        alone.keyboard.press("ArrowRight")
        ready(alone)  # at once: it was there
    assert shown_image(alone) == wanted[1]
    for _ in range(7):
        alone.keyboard.press("ArrowRight")
        ready(alone)
    assert shown_image(alone) == wanted[-1]
    assert set(asked) == set(wanted) and len(asked) == len(wanted)  # none twice, none outside of the filter


def test_prompt_parameters_seed_and_workflow_are_copied(browser: Browser, tmp_path: Path) -> None:
    workflow = {"nodes": [{"id": 7, "type": "KSampler"}], "links": [], "version": 0.4}
    with gallery.built_page():
        server = Served(tmp_path)
        path = gallery.Writer(server.root, "One", session="abcdefghjk").add("Red", "Circle", 2**63 + 5)
        with Image.open(path) as image:
            chunks = {**image.text, "workflow": json.dumps(workflow), "parameters": PARAMETERS}  # type: ignore[attr-defined]
            path.write_bytes(encode_png(image.convert("RGB"), chunks))
        with server, opened(browser, server.url) as page:
            gallery.open_session(page, "One")
            cells(page).first.dblclick()
            ready(page)
            for name, wanted in (
                ("Copy the prompt", "a red one, circle one, on a table"),
                ("Copy the negative prompt", "blurry"),
                ("Copy the seed", str(2**63 + 5)),
            ):
                copy(page, name)
                clipboard(page, lambda said, wanted=wanted: said == wanted)  # type: ignore[misc]
            copy(page, "Copy the workflow")
            assert json.loads(clipboard(page, lambda said: "KSampler" in said)) == workflow
            copy(page, "Copy the parameters")
            clipboard(page, lambda said: said == PARAMETERS)


def clipboard(page: Page, wanted: Callable[[str], bool]) -> str:
    """What was copied, when it is what is wanted."""
    for _ in range(200):
        if wanted(said := page.evaluate("navigator.clipboard.readText()")):
            return str(said)
        page.wait_for_timeout(50)
    raise AssertionError(f"copied was {said!r}")


def copy(page: Page, name: str) -> None:
    page.locator(".sdgen-viewer-bar").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=name, exact=True).click()
    expect(page.get_by_role("menuitem")).to_have_count(0)


def test_the_prompt_shows_which_words_are_whose(viewer: Page) -> None:
    details = viewer.locator(".sdgen-details")
    marks = details.locator(".sdgen-image-prompt mark")
    expect(marks).to_have_count(2)
    assert {mark.get_attribute("title") for mark in marks.all()} == {"Colour", "Shape"}
    for name, value in (
        ("Seed", None),
        ("Model", "shapes_v1"),
        ("Sampler", "euler · karras"),
        ("Steps", "9"),
        ("CFG", "5.5"),
    ):
        row = details.locator("dt", has_text=re.compile(f"^{name}$"))
        expect(row).to_be_visible()
        if value:
            expect(row.locator("xpath=following-sibling::dd[1]")).to_have_text(value)


def test_first_and_last_are_a_key_away(viewer: Page) -> None:
    place = viewer.locator(".sdgen-viewer-place")
    expect(place).to_have_text("4 of 26")
    viewer.keyboard.press("End")
    expect(place).to_have_text("26 of 26")
    viewer.keyboard.press("Home")
    expect(place).to_have_text("1 of 26")
    viewer.keyboard.press("ArrowLeft")
    expect(viewer.get_by_text("This is the first image.")).to_be_visible()
    viewer.keyboard.press("d")
    expect(viewer.locator(".sdgen-details")).to_have_count(0)
    viewer.keyboard.press("d")
    expect(viewer.locator(".sdgen-details")).to_be_visible()
