"""The panel in French: its own words, and those that the server says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .gallery import SHAPED, Served, cells, opened, press


@pytest.fixture
def french(browser: Browser, fresh: Served) -> Iterator[Page]:
    with opened(browser, fresh.url, locale="fr-FR") as page:
        yield page


def test_what_is_undone_is_said_in_french(french: Page) -> None:
    french.get_by_role("button", name=f"Ouvrir les images de {SHAPED}").click()
    expect(cells(french).first).to_be_visible()
    cells(french).first.click()
    press(french, "t")
    undo = french.locator(".sdgen-shell-bar").get_by_role("button", name="Annuler : 1 image : marque « corbeille »")
    expect(undo).to_be_enabled()
    undo.click()
    expect(french.locator(".sdgen-toast")).to_contain_text("Annulé : 1 image : marque « corbeille »")
    redo = french.locator(".sdgen-shell-bar").get_by_role("button", name="Rétablir : 1 image : marque « corbeille »")
    expect(redo).to_be_enabled()


def test_numbers_are_written_the_french_way(french: Page) -> None:
    french.get_by_role("button", name=f"Ouvrir les images de {SHAPED}").click()
    cells(french).first.dblclick()
    viewer = french.locator(".sdgen-viewer")
    expect(viewer.locator(".sdgen-viewer-percent")).to_have_text(re.compile(r"^\d[\d\s]*\s%$"))
    expect(viewer.locator(".sdgen-image-facts")).to_contain_text(re.compile(r"\d(,\d)?\s(ko|octets)"))


def test_problems_of_the_server_are_said_in_french(browser: Browser, fresh: Served) -> None:
    with opened(browser, fresh.url, "/images?image=4711", locale="fr-FR") as page:
        expect(page.get_by_role("alert")).to_contain_text("Cette image n'est plus là")
        expect(page.get_by_role("alert")).not_to_contain_text("there is no image")
        page.watched.forgive("404 (Not Found)")  # type: ignore[attr-defined]
