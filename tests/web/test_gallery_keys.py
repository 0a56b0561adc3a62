"""The grid of images by keys alone: moved in, chosen, marked, judged value by value, and taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from . import gallery
from .gallery import SHAPED, Served, cells, facet, found, ids, press


@pytest.fixture
def grid(own: Page) -> Iterator[Page]:
    """The images of the shapes, the keys at the first one."""
    gallery.open_session(own, SHAPED)
    found(own, 26)
    own.get_by_role("listbox", name="Images").focus()
    own.keyboard.press("Home")
    yield own


def value(page: Page, name: str) -> Locator:
    """A placeholder in the line below the images."""
    return page.locator(".sdgen-focus-value").filter(has=page.locator("small", has_text=name))


def said(fresh: Served, image: int) -> dict[str, int]:
    """Placeholder -> number of its verdict, where there is one."""
    sql = (
        "SELECT placeholder.name, verdict FROM image_value JOIN value ON value.id = value JOIN placeholder"
        " ON placeholder.id = placeholder WHERE image=? AND verdict > 0"
    )
    return dict(fresh.rows(sql, image))  # type: ignore[arg-type]


def until(page: Page, fresh: Served, image: int, wanted: dict[str, int]) -> None:
    for _ in range(100):
        if said(fresh, image) == wanted:
            break
        page.wait_for_timeout(50)
    assert said(fresh, image) == wanted


def test_values_are_judged_by_the_keys_of_the_review(fresh: Served, grid: Page) -> None:
    first, second = ids(grid)[:2]
    expect(value(grid, "Colour").get_by_role("button")).to_have_attribute("aria-pressed", "true")
    grid.keyboard.press("k")
    expect(value(grid, "Colour").get_by_role("img", name="KO")).to_be_visible()
    # the next value that nothing is said of is asked for
    expect(value(grid, "Shape").get_by_role("button")).to_have_attribute("aria-pressed", "true")
    grid.keyboard.press("p")
    until(grid, fresh, first, {"Colour": 3, "Shape": 2})
    # a number holds on to one placeholder from image to image
    press(grid, ["ArrowRight", "2", "o"])
    until(grid, fresh, second, {"Shape": 1})
    expect(value(grid, "Shape").get_by_role("img", name="OK")).to_be_visible()
    grid.keyboard.press("o")
    until(grid, fresh, second, {})
    for _ in range(4):
        grid.keyboard.press("z")
    until(grid, fresh, first, {})
    expect(grid.locator(".sdgen-focus [role=img]")).to_have_count(0)


def test_a_verdict_is_about_all_that_are_chosen(fresh: Served, grid: Page) -> None:
    facet(grid, "Shape", "circle one").get_by_role("button").first.click()
    found(grid, 9)
    cells(grid).first.click()
    press(grid, ["Control+a", "2", "o"])
    expect(facet(grid, "Shape", "circle one").get_by_role("img", name="100% OK of 9 judged")).to_be_visible()
    press(grid, ["z"])
    expect(facet(grid, "Shape", "circle one").get_by_role("img", name="Not judged yet")).to_be_visible()


def test_marks_by_keys_on_the_image_that_they_are_at(grid: Page) -> None:
    press(grid, ["ArrowRight", "f", "ArrowRight", "i", "ArrowRight", "x"])
    expect(cells(grid).nth(1).locator(".sdgen-mark-favourite")).to_be_visible()
    expect(cells(grid).nth(2).locator(".sdgen-mark-interesting")).to_be_visible()
    expect(cells(grid).nth(3).locator(".sdgen-cell-failed")).to_be_visible()
    press(grid, ["ArrowLeft", "u"])
    expect(grid.locator(".sdgen-mark-interesting")).to_have_count(0)
    press(grid, ["z"])
    expect(cells(grid).nth(2).locator(".sdgen-mark-interesting")).to_be_visible()
    press(grid, ["Shift+4"])
    expect(cells(grid).nth(2).locator(".sdgen-stars")).to_have_text("★★★★")


def test_the_keys_stay_where_an_image_was_thrown_away(grid: Page) -> None:
    before = ids(grid)
    press(grid, ["ArrowRight", "ArrowRight", "t"])
    found(grid, 25)
    expect(grid.locator(".sdgen-cell-focused")).to_have_attribute("data-id", str(before[3]))
    press(grid, ["t"])
    found(grid, 24)
    press(grid, ["ArrowRight"])
    expect(grid.locator(".sdgen-cell-focused")).to_have_attribute("data-id", str(before[5]))
    press(grid, ["z", "z"])
    found(grid, 26)
    assert ids(grid) == before


def test_what_is_not_on_the_screen_is_not_judged(fresh: Served, grid: Page) -> None:
    """Keys are at no image of another session, and in a field they are letters."""
    grid.keyboard.press("ArrowRight")
    pane = grid.get_by_role("navigation", name="Sessions")
    pane.get_by_role("button", name=f"Open the images of {gallery.WIDE}").click()
    found(grid, 4)
    expect(grid.locator(".sdgen-focus")).to_have_count(0)
    press(grid, ["t", "k", "f"])
    grid.get_by_role("combobox", name="Search").click()
    press(grid, ["f", "t", "k"])
    expect(grid.get_by_role("combobox", name="Search")).to_have_value("ftk")
    assert fresh.rows("SELECT count(*) FROM session WHERE favourites + trash + judged > 0") == [(0,)]


def test_images_are_chosen_by_keys(grid: Page) -> None:
    chosen = grid.locator(".sdgen-selection").get_by_role("status")
    press(grid, ["ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"])
    expect(chosen).to_have_text("3 selected")
    press(grid, ["End"])
    expect(chosen).to_have_text("3 selected")
    press(grid, ["Space"])
    expect(chosen).to_have_text("4 selected")
    press(grid, ["Control+i"])
    expect(chosen).to_have_text("22 selected")
    press(grid, ["Escape"])
    expect(grid.locator(".sdgen-selection")).to_have_count(0)
    press(grid, ["Home", "Enter"])
    expect(grid.locator(".sdgen-viewer-place")).to_have_text("1 of 26")
