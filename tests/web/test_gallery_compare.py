"""Images side by side: what goes across and down, what is locked, verdicts on the cells, zoom and blink, and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from . import gallery
from .gallery import SHAPED, Served, address, found, opened
from .test_gallery_review import until, verdicts


def matrix(page: Page, *, shape: str = "circle one") -> Page:
    """The shapes: colours across, seeds down, of one shape."""
    gallery.open_session(page, SHAPED)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_label("Across").select_option("Colour")
    page.get_by_label("Value of Shape", exact=True).select_option(label=shape)
    expect(cell(page, "red one", 11).locator("img")).to_be_visible()
    return page


@pytest.fixture
def compared(alone: Page) -> Iterator[Page]:
    yield matrix(alone)


@pytest.fixture
def judged(own: Page) -> Iterator[Page]:
    yield matrix(own)


def cell(page: Page, column: str, row: object) -> Locator:
    return page.get_by_role("gridcell", name=re.compile(f"^{column}, {row}(:|$)"))


def head(page: Page, column: str) -> Locator:
    return page.get_by_role("columnheader").filter(has_text=column)


def beside(page: Page, row: object = 11) -> Locator:
    """A row, side by side."""
    page.get_by_role("button", name=f"Side by side: {row}").click()
    dialog = page.get_by_role("dialog", name="Side by side")
    expect(dialog.locator(".sdgen-beside-one")).to_have_count(3)
    return dialog


def test_any_placeholder_goes_down_and_seeds_are_stepped_through(compared: Page) -> None:
    compared.get_by_label("Down").select_option("Shape")
    expect(compared.get_by_role("rowheader")).to_contain_text(["circle one", "square one", "triangle one"])
    seed = compared.get_by_label("Value of seed", exact=True)
    expect(seed.locator("option:checked")).to_have_text("11")
    compared.get_by_role("button", name="Next value of seed").click()
    expect(seed.locator("option:checked")).to_have_text("12")
    expect(compared.get_by_role("gridcell").locator("img")).to_have_count(9)
    compared.get_by_role("button", name="Previous value of seed").click()
    expect(seed.locator("option:checked")).to_have_text("11")
    compared.reload()
    expect(compared.get_by_role("rowheader")).to_contain_text(["circle one", "square one", "triangle one"])


def test_a_lock_that_is_open_shows_how_many_there_are_and_opens_them(compared: Page) -> None:
    compared.get_by_label("Value of Shape", exact=True).select_option(label="any")
    several = cell(compared, "green one", 13).get_by_role("button", name="2 images")
    expect(several).to_be_visible()
    expect(cell(compared, "red one", 11)).to_contain_text("3 images")
    several.click()
    found(compared, 2)
    compared.go_back()
    expect(several).to_be_visible()


def test_arrows_and_keys_judge_the_cells_and_the_columns_count_it(fresh: Served, judged: Page) -> None:
    first = cell(judged, "red one", 11)
    first.focus()
    judged.keyboard.press("o")
    expect(head(judged, "red one")).to_contain_text("✓1")
    judged.keyboard.press("ArrowDown")
    judged.keyboard.press("k")
    expect(head(judged, "red one")).to_contain_text("50%")
    expect(head(judged, "red one")).to_contain_text("✕1")
    judged.keyboard.press("ArrowRight")
    expect(cell(judged, "green one", 12)).to_be_focused()
    judged.keyboard.press("p")
    judged.keyboard.press("f")
    expect(cell(judged, "green one", 12).locator(".sdgen-mark-favourite")).to_be_visible()
    said = {("Colour", "Red", 1): 1, ("Colour", "Red", 3): 1, ("Colour", "Green", 2): 1}
    until(lambda: dict(verdicts(fresh)) == said, judged)
    for _ in range(2):
        judged.keyboard.press("z")
    expect(head(judged, "green one")).not_to_contain_text("½1")
    until(lambda: dict(verdicts(fresh)) == {("Colour", "Red", 1): 1, ("Colour", "Red", 3): 1}, judged)


def test_the_mouse_judges_on_the_cell_and_a_second_press_takes_it_back(fresh: Served, judged: Page) -> None:
    one = cell(judged, "blue one", 12)
    one.hover()
    one.get_by_role("button", name="ok: blue one").click()
    expect(one.get_by_role("button", name="ok: blue one")).to_have_attribute("aria-pressed", "true")
    expect(one).to_have_attribute("aria-selected", "false")  # a verdict chooses nothing
    until(lambda: dict(verdicts(fresh)) == {("Colour", "Blue", 1): 1}, judged)
    one.get_by_role("button", name="ok: blue one").click()
    expect(head(judged, "blue one")).not_to_contain_text("✓1")
    until(lambda: not verdicts(fresh), judged)


def test_two_to_four_chosen_cells_are_seen_side_by_side(compared: Page) -> None:
    go = compared.get_by_role("button", name="Side by side", exact=True)
    expect(go).to_be_disabled()
    cell(compared, "red one", 11).click()
    expect(go).to_be_disabled()
    cell(compared, "blue one", 12).click()
    compared.keyboard.press("ArrowLeft")
    compared.keyboard.press("Space")
    expect(compared.get_by_text("3 chosen")).to_be_visible()
    go.click()
    panes = compared.get_by_role("dialog", name="Side by side").locator(".sdgen-beside-one")
    expect(panes).to_have_count(3)
    expect(panes.locator("header b")).to_have_text(["red one", "blue one", "green one"])
    compared.reload()  # what is looked at is in the address
    expect(panes).to_have_count(3)
    compared.keyboard.press("Escape")
    compared.get_by_role("button", name="Choose none").click()
    expect(go).to_be_disabled()
    assert "column" not in address(compared)


def test_a_seed_of_very_many_is_typed(browser: Browser, tmp_path: Path) -> None:
    with gallery.built_page():
        server = Served(tmp_path)
        writer = gallery.Writer(server.root, "Many seeds", session="abcdefghjk")
        for seed in range(400, 710):
            writer.add("Red", "Circle", seed, size=(16, 24))
        for colour, shape in (("Red", "Square"), ("Blue", "Circle"), ("Blue", "Square")):
            writer.add(colour, shape, 555, size=(16, 24))
        with server, opened(browser, server.url) as page:
            gallery.open_session(page, "Many seeds")
            page.get_by_role("button", name="Compare", exact=True).click()
            page.get_by_label("Across").select_option("Colour")
            page.get_by_label("Down").select_option("Shape")
            seed = page.get_by_role("textbox", name="Value of seed")
            seed.fill("555")
            seed.press("Enter")
            expect(page.get_by_role("gridcell").locator("img")).to_have_count(4)
            page.get_by_role("button", name="Next value of seed").click()
            expect(seed).to_have_value("556")
            expect(page.get_by_role("gridcell").locator("img")).to_have_count(1)


#: How each picture is enlarged and moved, in tenths: the panes are not quite of one size.
TRANSFORMS = """all => all.map(one => {
    const { a, e, f } = new DOMMatrix(getComputedStyle(one).transform)
    return [a, e, f].map(number => Math.round(number * 10)).join()
})"""


def until_other(page: Page, looks: Locator, before: list[str]) -> list[str]:
    """How they all are now that they are otherwise."""
    until(lambda: looks.evaluate_all(TRANSFORMS) != before, page)
    now: list[str] = looks.evaluate_all(TRANSFORMS)
    assert len(set(now)) == 1
    return now


def test_zoom_and_pan_go_for_all_of_them(compared: Page) -> None:
    dialog = beside(compared)
    looks = dialog.locator(".sdgen-look-in")
    box = dialog.locator(".sdgen-beside-box").nth(1)
    place = box.bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    compared.mouse.move(x, y)
    compared.mouse.wheel(0, -600)
    expect(dialog.locator(".sdgen-zoomed")).to_have_count(3)
    zoomed = looks.evaluate_all(TRANSFORMS)
    assert len(set(zoomed)) == 1 and not zoomed[0].startswith("10,")
    compared.mouse.down()
    compared.mouse.move(x + 80, y + 30, steps=3)
    compared.mouse.up()
    dragged = until_other(compared, looks, zoomed)
    compared.keyboard.press("Shift+ArrowRight")
    until_other(compared, looks, dragged)
    compared.keyboard.press("0")
    expect(dialog.locator(".sdgen-zoomed")).to_have_count(0)


def test_blink_shows_the_next_one_in_the_same_place(compared: Page) -> None:
    dialog = beside(compared)
    flipped = dialog.locator(".sdgen-look-on")
    expect(flipped).to_have_count(0)
    compared.keyboard.down("b")
    expect(flipped).to_have_count(3)
    under, over = (
        dialog.locator(".sdgen-look-in").first.locator("img").evaluate_all("all => all.slice(-2).map(i => i.src)")
    )
    assert under != over
    compared.keyboard.up("b")
    expect(flipped).to_have_count(0)
    button = dialog.get_by_role("button", name="Flip")
    button.hover()
    compared.mouse.down()
    expect(flipped).to_have_count(3)
    compared.mouse.up()
    expect(flipped).to_have_count(0)


def test_the_next_seed_and_only_what_differs(compared: Page) -> None:
    dialog = beside(compared)
    differs = dialog.get_by_role("table", name="What differs")
    expect(differs.get_by_role("rowheader")).to_have_text(["Colour"])  # neither seed, shape, steps nor model
    expect(differs.get_by_role("cell")).to_have_text(["red one", "green one", "blue one"])
    row = dialog.locator(".sdgen-beside-row")
    expect(row).to_have_text("seed 11")
    expect(dialog.get_by_role("button", name="Previous row")).to_be_disabled()
    dialog.get_by_role("button", name="Next row").click()
    expect(row).to_have_text("seed 12")
    compared.keyboard.press("ArrowDown")
    expect(row).to_have_text("seed 13")
    compared.keyboard.press("ArrowDown")  # there are no more
    expect(row).to_have_text("seed 13")
    compared.keyboard.press("ArrowUp")
    expect(row).to_have_text("seed 12")


def test_verdicts_and_marks_side_by_side(fresh: Served, judged: Page) -> None:
    dialog = beside(judged)
    panes = dialog.locator(".sdgen-beside-one")
    judged.keyboard.press("ArrowRight")
    expect(panes.nth(1)).to_have_class(re.compile("sdgen-beside-now"))
    judged.keyboard.press("k")
    expect(panes.nth(1).get_by_role("button", name="failed: green one")).to_have_attribute("aria-pressed", "true")
    panes.nth(2).get_by_role("button", name="Interesting").click()
    expect(panes.nth(2).get_by_role("button", name="Interesting")).to_have_attribute("aria-pressed", "true")
    until(lambda: dict(verdicts(fresh)) == {("Colour", "Green", 3): 1}, judged)
    judged.keyboard.press("Escape")
    expect(head(judged, "green one")).to_contain_text("✕1")
    expect(cell(judged, "blue one", 11).locator(".sdgen-mark-interesting")).to_be_visible()


def test_a_mark_is_at_the_picture_s_corner(judged: Page) -> None:
    one = cell(judged, "red one", 11)
    one.focus()
    judged.keyboard.press("f")
    mark = one.locator(".sdgen-mark-favourite")
    expect(mark).to_be_visible()
    inside, picture = mark.bounding_box(), one.locator("img").bounding_box()
    assert inside and picture
    assert abs(picture["x"] + picture["width"] - inside["x"] - inside["width"]) < 12
    assert abs(picture["width"] / picture["height"] - 128 / 192) < 0.05  # the picture's own shape, without bars


def test_very_wide_screens_show_the_cell_that_has_the_focus(browser: Browser, served: Served) -> None:
    with opened(browser, served.url, viewport={"width": 3440, "height": 1440}) as page:
        matrix(page)
        large = page.get_by_role("complementary", name="The chosen cell")
        expect(large.locator("header")).to_contain_text("red one")
        cell(page, "red one", 11).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        expect(large.locator("header b")).to_have_text("green one")
        expect(large.locator("header small")).to_have_text("12")
        expect(large.get_by_role("table", name="What differs").get_by_role("rowheader")).to_have_text(["Colour"])
        left, right = page.get_by_role("grid").bounding_box(), large.bounding_box()
        assert left and right and left["x"] + left["width"] <= right["x"] + 1
        assert right["x"] + right["width"] > 3400  # nothing is left empty
