"""The search for images in a browser: completed, saved, wrong, half typed, and with placeholders of any name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from . import gallery
from .gallery import SHAPED, Served, address, facet, found, type_query


@pytest.fixture
def shaped(alone: Page) -> Page:
    """The images of the shapes."""
    gallery.open_session(alone, SHAPED)
    found(alone, 26)
    return alone


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A session whose placeholders and values have names that are no plain words, and a value of several parts."""
    with gallery.built_page():
        server = Served(tmp_path_factory.mktemp("odd"))
        writer = gallery.Writer(server.root, "Odd names", session="abcdefghjk")
        for number, (hair, look) in enumerate([("Red, dark", "calm"), ("Red, dark", "wild"), ("007", "calm")]):
            names = {"wet hair": hair, "v1.2-look": look, 'say "hi": é': "yes", "seed": f"s{number}", "Épée": "courte"}
            parts = {"Style": {"main": f"{look} style", "negatives": "blurry"}}
            writer.add("Red", "Circle", number, more=names, parts=parts)
        with server:
            yield server


def chosen(page: Page, group: str, value: str, count: int) -> None:
    """Choose a value in the pane, and see that it stays chosen through reload and back."""
    button = facet(page, group, value).get_by_role("button").first
    button.click()
    found(page, count)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.reload()
    found(page, count)
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    found(page, 3)
    page.go_back()
    found(page, count)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Clear all filters").first.click()
    found(page, 3)


def test_placeholders_of_any_name_are_chosen_saved_and_typed(browser: Browser, odd: Served) -> None:
    with gallery.opened(browser, odd.url) as page:
        gallery.open_session(page, "Odd names")
        found(page, 3)
        chosen(page, "wet hair", "red, dark one", 2)
        chosen(page, "v1.2-look", "wild one", 1)
        chosen(page, "seed", "s1 one", 1)
        chosen(page, "Épée", "courte one", 3)
        page.get_by_role("button", name="Exclude 007 one").click()
        found(page, 2)
        assert '-@"wet hair":007' in address(page)
        box = page.get_by_role("combobox", name="Search")
        box.fill("wet")
        page.get_by_role("option", name="wet hair").click()
        expect(box).to_have_value('@"wet hair":')
        box.press_sequentially("00")
        page.get_by_role("option", name="007 one").click()
        found(page, 1)
        page.get_by_role("button", name="Saved searches").click()
        page.get_by_label("Name", exact=True).fill("Odd ones")
        page.get_by_role("button", name="Save this search").click()
        page.get_by_role("button", name="Odd ones").first.click()
        found(page, 1)


def test_a_value_of_several_parts_has_a_name_that_people_can_read(browser: Browser, odd: Served) -> None:
    """Known bug: values that are maps were shown as [object Object]."""
    with gallery.opened(browser, odd.url) as page:
        gallery.open_session(page, "Odd names")
        found(page, 3)
        expect(page.locator(".sdgen-app")).not_to_contain_text("[object")
        group = page.locator(".sdgen-facets-group").filter(
            has=page.get_by_role("button", name="Style", exact=True).first
        )
        expect(group.locator(".sdgen-facet-label").first).to_be_visible()
        gallery.cells(page).first.dblclick()
        expect(page.locator(".sdgen-viewer")).to_contain_text("style")
        expect(page.locator(".sdgen-app")).not_to_contain_text("[object")


def test_the_query_completes_and_says_once_what_is_wrong_with_it(shaped: Page) -> None:
    box = shaped.get_by_role("combobox", name="Search")
    box.fill("Colour:gr")
    shaped.get_by_role("option", name="Green").click()
    found(shaped, 8)
    box.fill("Colour:Green seed:abc")
    box.press("Enter")
    alert = shaped.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("seed:abc is no number")
    expect(alert).not_to_contain_text("sdgen catalog")
    expect(box).to_have_value("Colour:Green seed:abc")
    # also where nothing was counted before
    shaped.reload()
    expect(alert).to_have_count(1)
    expect(shaped.get_by_text("Values are counted once the search can be read.")).to_be_visible()
    shaped.get_by_role("button", name="Clear the search").click()
    found(shaped, 26)
    expect(alert).to_have_count(0)
    shaped.watched.forgive("400 (Bad Request)")  # type: ignore[attr-defined]


def test_the_name_that_was_meant_is_clicked(shaped: Page) -> None:
    type_query(shaped, "Colour:Green is:portrate")
    shaped.get_by_role("alert").get_by_role("button", name="portrait").click()
    found(shaped, 8)
    expect(shaped.get_by_role("combobox", name="Search")).to_have_value("Colour:Green is:portrait")
    expect(shaped.get_by_role("alert")).to_have_count(0)
    shaped.watched.forgive("400 (Bad Request)")  # type: ignore[attr-defined]


def test_what_is_only_begun_is_not_looked_for(shaped: Page) -> None:
    """While a field has no value nothing is lost from the screen; who asks for it all the same is told."""
    type_query(shaped, "Colour:Green")
    found(shaped, 8)
    box = shaped.get_by_role("combobox", name="Search")
    box.press("End")
    box.press_sequentially(" seed:", delay=30)
    shaped.wait_for_timeout(600)  # as long as somebody thinks
    found(shaped, 8)
    expect(shaped.get_by_role("alert")).to_have_count(0)
    expect(box).to_have_value("Colour:Green seed:")
    box.press("Escape")
    box.press("Enter")
    expect(shaped.get_by_role("alert")).to_contain_text("seed: has no value yet")
    expect(shaped.get_by_role("alert")).to_contain_text("seed:100..199")
    found(shaped, 8)
    box.press("End")
    box.press_sequentially("12")
    found(shaped, 3)
    expect(shaped.get_by_role("alert")).to_have_count(0)
    shaped.watched.forgive("400 (Bad Request)")  # type: ignore[attr-defined]


def test_a_query_of_seeds_and_words(shaped: Page) -> None:
    type_query(shaped, "seed:12..13 triangle")
    found(shaped, 5)
    type_query(shaped, "seed:99")
    expect(shaped.get_by_text("No image is found.")).to_be_visible()
    shaped.locator(".sdgen-empty").get_by_role("button", name="Clear all filters").click()
    found(shaped, 26)


def test_a_search_is_saved_and_opened_again(own: Page) -> None:
    page = own
    gallery.open_session(page, SHAPED)
    type_query(page, "Colour:Blue Shape:Square")
    found(page, 3)
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_label("Name").fill("Blue squares")
    page.get_by_role("button", name="Save this search").click()
    expect(page.get_by_role("button", name="Blue squares").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear the search").click()
    found(page, 26)
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Blue squares").first.click()
    found(page, 3)


def test_values_with_commas_and_numbers_survive_the_address(browser: Browser, tmp_path: Path) -> None:
    """Known bug: an address joined values with commas, and made numbers of texts that look like one."""
    with gallery.built_page():
        server = Served(tmp_path)
        writer = gallery.Writer(server.root, "Odd values", session="abcdefghjk")
        gallery.COLOURS |= {"Red, dark": "#911", "007": "#123"}
        try:
            for colour in ("Red", "Red, dark", "007"):
                writer.add(colour, "Circle", 1)
        finally:
            del gallery.COLOURS["Red, dark"], gallery.COLOURS["007"]
        with server, gallery.opened(browser, server.url) as page:
            gallery.open_session(page, "Odd values")
            for label in ("red, dark one", "007 one"):
                facet(page, "Colour", label).get_by_role("button").first.click()
                found(page, 1)
                page.reload()
                found(page, 1)
                expect(facet(page, "Colour", label).get_by_role("button").first).to_have_attribute(
                    "aria-pressed", "true"
                )
                page.go_back()
                found(page, 3)
