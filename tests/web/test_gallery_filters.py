"""The filters of the list of sessions in a browser: each of them finds what it says, and is in the address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from . import gallery
from .gallery import ACCENTS, HTML, SHAPED, WIDE, Served, address, card, lists

EVERYTHING = (SHAPED, WIDE, HTML, ACCENTS)


def flag(name: str, value: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.locator(".sdgen-flags label").filter(has_text=name).get_by_role("combobox").select_option(label=value)

    return choose


def group(name: str, choice: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.locator("details", has=page.locator("summary", has_text=name)).get_by_label(choice).first.check()

    return choose


def own_dates(page: Page) -> None:
    page.get_by_label("Date").select_option("own")
    page.get_by_label("From", exact=True).fill("2026-01-03")
    page.get_by_label("To", exact=True).fill("2026-01-04")


@pytest.mark.parametrize(
    ("choose", "wanted", "said"),
    [
        (group("Status", "stopped short"), [SHAPED], "status=aborted"),
        (group("Model", "wide_v2"), [WIDE], "model=wide_v2"),
        (group("Template", "shapes"), [*EVERYTHING], "template=shapes"),
        (group("Style", "default"), [*EVERYTHING], "style=default"),
        (own_dates, [WIDE, HTML], "date=2026-01-03..2026-01-04"),
        (flag("Sweep", "no"), [*EVERYTHING], "sweep=false"),
        (flag("Favourite", "yes"), [], "favourite=true"),
        (flag("Test", "no"), [*EVERYTHING], "test=false"),
    ],
    ids=["status", "model", "template", "style", "dates", "sweep", "favourite", "test"],
)
def test_a_filter_finds_and_is_in_the_address(
    alone: Page, choose: Callable[[Page], None], wanted: list[str], said: str
) -> None:
    lists(alone, *EVERYTHING)
    choose(alone)
    lists(alone, *wanted)
    for part in ("address", "after a reload"):
        found = gallery.address(alone)
        assert said in found.replace("%3D", "=").replace("%26", "&"), part
        alone.reload()
        lists(alone, *wanted)
    alone.get_by_role("button", name="Clear all").first.click()
    lists(alone, *EVERYTHING)


def test_what_is_said_of_sessions_is_filtered_by(own: Page) -> None:
    for name, button in ((WIDE, "Favourite"), (HTML, "Dislike"), (ACCENTS, "Test")):
        pressed = card(own, name).get_by_role("button", name=button, exact=True)
        pressed.click()
        expect(pressed).to_have_attribute("aria-pressed", "true")
    for choose, wanted in (
        (flag("Favourite", "yes"), [WIDE]),
        (flag("Favourite", "no"), [SHAPED, HTML, ACCENTS]),
        (flag("Test", "yes"), [ACCENTS]),
        (group("Rating", "disliked"), [HTML]),
    ):
        choose(own)
        lists(own, *wanted)
        own.reload()
        lists(own, *wanted)
        own.get_by_role("button", name="Clear all").first.click()
        lists(own, *EVERYTHING)


def test_tags_are_wanted_all_one_of_them_or_not(own: Page) -> None:
    for name, tags in ((SHAPED, ["poster", "Été"]), (WIDE, ["poster"])):
        card(own, name).get_by_role("button", name="Add a tag").click()
        for tag in tags:
            own.get_by_role("textbox", name="Add a tag").fill(tag)
            own.keyboard.press("Enter")
            expect(own.get_by_role("button", name=f"Take the tag {tag} away")).to_be_visible()
        own.keyboard.press("Escape")
    own.reload()
    tags_pane = own.locator("details", has=own.locator("summary", has_text="Tags"))
    tags_pane.get_by_role("checkbox", name="poster").check()
    lists(own, SHAPED, WIDE)
    tags_pane.get_by_role("checkbox", name="Été").check()
    lists(own, SHAPED, WIDE)
    tags_pane.get_by_role("combobox").select_option("all")
    lists(own, SHAPED)
    own.reload()
    lists(own, SHAPED)
    own.get_by_role("button", name="Clear all").first.click()
    tags_pane.get_by_role("button", name="Without the tag Été").click()
    lists(own, WIDE, HTML, ACCENTS)


def test_filters_go_together_and_a_bookmark_has_them_all(browser: Browser, served: Served, alone: Page) -> None:
    group("Model", "shapes_v1")(alone)
    lists(alone, SHAPED, HTML, ACCENTS)
    alone.get_by_label("at most").fill("2")
    alone.keyboard.press("Tab")
    lists(alone, HTML, ACCENTS)
    alone.get_by_label("Sort by").select_option("name")
    lists(alone, HTML, ACCENTS)
    alone.get_by_role("searchbox", name="Search sessions").fill("ile")
    lists(alone, ACCENTS)
    assert "images_max" in address(alone)
    with gallery.opened(browser, served.url, alone.url.split("#")[1]) as other:
        lists(other, ACCENTS)
        expect(other.get_by_role("searchbox", name="Search sessions")).to_have_value("ile")
        other.get_by_role("button", name="Take the filter away: Text: ile").click()
        lists(other, HTML, ACCENTS)
