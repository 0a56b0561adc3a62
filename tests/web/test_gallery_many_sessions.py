"""A list of hundreds of sessions in a browser: scrolled to its end, reached by address, sorted as people read names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from . import gallery
from .gallery import Served, cards, names

MANY = 260
ODD = ("Été 9", "ete 10", "Zebra", "Œuvre", "apple", "Apple 2")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """More sessions than a page of the list has."""
    with gallery.built_page():
        server = Served(tmp_path_factory.mktemp("many"))
        for number in range(MANY):
            name = ODD[number] if number < len(ODD) else f"Night {number}"
            writer = gallery.Writer(server.root, name, session=f"s{number:09}", day=1 + number % 9)
            if number % 50 == 0:
                writer.add("Red", "Circle", number, size=(16, 24))
            writer.end()
        with server:
            yield server


def test_the_list_goes_on_to_its_end_without_a_gap_or_a_double(browser: Browser, many: Served) -> None:
    """Known bug: a thousand sessions were drawn at once, and then no link worked any more."""
    with gallery.opened(browser, many.url, "/sessions?sessions=sort%3Dname") as page:
        expect(page.locator(".sdgen-library")).to_contain_text(f"{MANY} sessions")
        page.locator(".sdgen-cards").hover()
        seen: list[str] = []
        for _ in range(400):
            expect(page.locator(".sdgen-card:not([data-slug])")).to_have_count(0)
            seen += [name for name in names(page) if name not in seen]
            assert cards(page).count() < 80  # only what is near the screen exists
            if len(seen) >= MANY:
                break
            page.mouse.wheel(0, 400)
            page.wait_for_timeout(30)
        assert len(seen) == MANY
        assert seen[:5] == ["apple", "Apple 2", "Été 9", "ete 10", "Night 6"]
        assert seen[-3:] == [f"Night {MANY - 1}", "Œuvre", "Zebra"]
        nights = [int(name.split()[1]) for name in seen if name.startswith("Night")]
        assert nights == sorted(nights)
        # and every link works still
        page.get_by_role("button", name="Open the images of Zebra").click()
        expect(page.locator(".sdgen-screen-images")).to_be_visible()
        page.go_back()
        expect(gallery.card(page, "Zebra")).to_be_visible()


def test_a_session_far_down_the_list_opens_by_its_address(browser: Browser, many: Served) -> None:
    """Known bug: the session of an address was found only when it was on the first page of the list."""
    [(slug,)] = many.rows("SELECT slug FROM session WHERE name='Été 9'")
    with gallery.opened(browser, many.url, f"/images?session={slug}") as page:
        gallery.found(page, 1)
        expect(page.locator(".sdgen-shell-name")).to_have_text("Été 9")
        page.reload()
        gallery.found(page, 1)


def test_what_is_set_finds_sessions_that_nobody_scrolled_to(browser: Browser, many: Served) -> None:
    """Known bug: filters saw only the pages that were loaded."""
    with gallery.opened(browser, many.url) as page:
        page.get_by_role("searchbox", name="Search sessions").fill("oeuvre")
        expect(page.get_by_text("No session matches").or_(cards(page).first)).to_be_visible()
        page.get_by_role("searchbox", name="Search sessions").fill("ete")
        page.get_by_label("Sort by").select_option("name")
        gallery.lists(page, "Été 9", "ete 10")
