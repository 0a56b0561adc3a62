"""Judging by keys: a scripted person reviews everything, the statistics say what was entered, and undo takes it back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from . import gallery
from .gallery import SHAPED, Served, address, cells, found, shown_image


def begin(page: Page, *, all_values: bool = False) -> None:
    """Open the shapes and their review."""
    gallery.open_session(page, SHAPED)
    found(page, 26)
    page.keyboard.press("r")
    expect(page.locator(".sdgen-review .sdgen-image-value").first).to_be_visible()
    if all_values:
        page.get_by_label("Ask about every value").check()
        page.locator(".sdgen-review").focus()


def verdicts(server: Served) -> Counter[tuple[str, str, int]]:
    """What the index holds: placeholder, key and verdict -> images."""
    rows = server.rows(
        "SELECT placeholder.name, key, verdict FROM image_value JOIN value ON value.id = value"
        " JOIN placeholder ON placeholder.id = placeholder WHERE verdict != 0"
    )
    return Counter((name, key, verdict) for name, key, verdict in rows)


def until(condition: Callable[[], bool], page: Page) -> None:
    """Wait until a condition is true."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("waited in vain")


def test_a_person_judges_everything_and_the_statistics_say_it_and_undo_takes_it_back(fresh: Served, own: Page) -> None:
    begin(own, all_values=True)
    texts = dict(
        fresh.rows(
            "SELECT image_value.image || ' ' || placeholder.name, key FROM image_value"
            " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        )
    )
    good = Counter[tuple[str, str]]()
    said = 0
    for _ in range(26):
        image = shown_image(own)
        for _ in range(2):
            asked = own.locator(".sdgen-value-asked .sdgen-value-name").get_attribute("title") or ""
            key = texts[f"{image} {asked}"]
            is_good = key not in ("Red", "Triangle")  # what this person thinks
            good[asked, key] += is_good
            own.keyboard.press("o" if is_good else "k")
            said += 1
            expect(own.locator(".sdgen-review-verdicts")).to_have_text(
                f"{said} {'verdict' if said == 1 else 'verdicts'}"
            )
    expect(own.locator(".sdgen-summary")).to_be_visible()
    expect(own.locator(".sdgen-summary")).to_contain_text("26")
    until(lambda: sum(verdicts(fresh).values()) == 52, own)

    own.get_by_role("button", name="Back to the list").click()
    own.get_by_role("button", name="Statistics", exact=True).click()
    own.get_by_role("button", name="Values", exact=True).click()
    table = own.get_by_role("table", name="Values")
    for placeholder, key, images in (
        ("Colour", "Red", 9),
        ("Colour", "Green", 8),
        ("Colour", "Blue", 9),
        ("Shape", "Circle", 9),
        ("Shape", "Square", 9),
        ("Shape", "Triangle", 8),
    ):
        row = table.get_by_role("row").filter(has_text=f"{key.lower()} one")
        expect(row.locator("[data-column=Judged]")).to_have_text(str(images))
        expect(row.locator("[data-column=Ok]")).to_have_text(str(good[placeholder, key]))
        expect(row.locator("[data-column=Failed]")).to_have_text(str(images - good[placeholder, key]))

    # a number opens exactly its images
    own.get_by_role("row").filter(has_text="green one").locator("[data-column=Ok]").get_by_role("button").click()
    found(own, 8)
    own.go_back()

    own.get_by_role("button", name="Images", exact=True).first.click()
    found(own, 26)
    undo = own.locator(".sdgen-shell-bar").get_by_role("button", name="Undo: ")
    own.locator(".sdgen-app").focus()
    for left in range(51, -1, -1):
        own.keyboard.press("z")
        if left % 10 == 0:
            until(lambda left=left: sum(verdicts(fresh).values()) == left, own)  # type: ignore[misc]
    expect(undo).to_have_count(0)
    own.get_by_role("button", name="Statistics", exact=True).click()
    expect(own.get_by_text("Nothing has been judged here yet.")).to_be_visible()


def test_a_hundred_demo_images_are_reviewed_by_keys(browser: Browser, tmp_path: Path) -> None:
    """A person sees the demo model's own pictures and says what came out; screen, statistics and index say the same. All is undone
    after a reload."""
    with gallery.built_page():
        server = Served(tmp_path)
        gallery.demo_session(server.root, 100)
        with server, gallery.opened(browser, server.url) as page:
            gallery.open_session(page, "Demo shapes")
            found(page, 100)
            page.keyboard.press("r")
            entered: Counter[tuple[str, str, str]] = Counter()
            seen = set()
            for n in range(100):
                pane = page.locator(".sdgen-review-pane")
                expect(pane.locator(".sdgen-value-asked")).to_be_visible()
                expect(page.locator(".sdgen-stage")).to_have_attribute("data-shown", "original")
                seen.add(shown_image(page))
                prompt = pane.locator(".sdgen-review-prompt").inner_text()
                fails = "purple one, star one" in prompt or "green one, triangle one" in prompt
                page.keyboard.press("k" if fails else "p" if "gray one" in prompt and n % 2 else "o")
                expect(page.locator(".sdgen-review-count b")).to_have_text("1 image" if n == 0 else f"{n + 1} images")
                if n < 99:  # what was said is read from the screen: which value was asked about is the queue's choice
                    said = pane.locator(".sdgen-review-last").inner_text().removeprefix("Said last:").strip()
                    name, key, verdict = re.fullmatch(r"(\w+) (\w+) one: (OK|Partial|KO)", said).groups()  # type: ignore[union-attr]
                    entered[name, key.capitalize(), verdict] += 1
            assert len(seen) == 100
            expect(page.locator(".sdgen-review-count")).to_have_text(re.compile(r"100 images · \d+:\d\d"))
            expect(page.locator(".sdgen-review-speed")).to_have_text(re.compile(r"\d+:\d\d per hundred"))
            summary = page.locator(".sdgen-summary")
            expect(summary.locator("dl div").filter(has_text="Images").locator("dd").first).to_have_text("100")
            expect(summary.locator("dl div").filter(has_text="Time").first).to_contain_text(re.compile(r"\d+:\d\d"))

            until(lambda: sum(verdicts(server).values()) == 100, page)
            numbers = {"OK": 1, "Partial": 2, "KO": 3}
            kept = verdicts(server)
            last = kept - Counter({(name, key, numbers[said]): n for (name, key, said), n in entered.items()})
            assert sum(last.values()) == 1  # of the last image the screen did not say it any more
            assert not Counter({(name, key, numbers[said]): n for (name, key, said), n in entered.items()}) - kept

            summary.get_by_role("button", name="Back to the list").click()
            page.get_by_role("button", name="Statistics", exact=True).click()
            page.get_by_role("button", name="Values", exact=True).click()
            table = page.get_by_role("table", name="Values")
            for name, keys in (
                ("Colour", gallery.DEMO_COLOURS),
                ("Shape", gallery.DEMO_SHAPES),
                ("Background", gallery.DEMO_BACKGROUNDS),
            ):
                for key in keys:
                    row = table.get_by_role("row").filter(has_text=f"{key.lower()} one")
                    for column, number in (("Ok", 1), ("Partial", 2), ("Failed", 3)):
                        expect(row.locator(f"[data-column={column}]")).to_have_text(str(kept[name, key, number]))

            page.get_by_role("button", name="Images", exact=True).first.click()
            page.reload()
            found(page, 100)
            page.locator(".sdgen-app").focus()
            for left in range(99, -1, -1):
                page.keyboard.press("z")
                if left % 20 == 0:
                    until(lambda left=left: sum(verdicts(server).values()) == left, page)  # type: ignore[misc]
            page.get_by_role("button", name="Statistics", exact=True).click()
            expect(page.get_by_text("Nothing has been judged here yet.")).to_be_visible()


def test_the_queue_begins_with_what_is_least_known(fresh: Served, own: Page) -> None:
    """Red and blue are judged often, green never: green comes first, and the bar says how much is known."""
    catalog = fresh.library.catalog
    said = catalog.find(f'session:"{SHAPED}" Colour:Red,Blue')[0]
    catalog.judge(said[:-2], "value/Colour", "ok")
    begin(own)
    for _ in range(4):
        pane = own.locator(".sdgen-review-pane")
        expect(pane.locator(".sdgen-review-prompt")).to_contain_text("green one")
        expect(pane.locator(".sdgen-value-asked")).to_be_visible()
        expect(own.locator(".sdgen-review-known")).to_contain_text(re.compile(r"\d of 6 values known well"))
        own.keyboard.press("ArrowRight")
        expect(own.locator(".sdgen-review-count b")).to_have_text("0 images")  # to look is not to judge


def test_marks_by_keys_and_undo_brings_the_image_back(fresh: Served, own: Page) -> None:
    begin(own)
    images = []
    for key in ("f", "i", "t"):
        images.append(shown_image(own))
        own.keyboard.press(key)
        expect(own.locator(".sdgen-review-count b")).to_have_text(
            "1 image" if len(images) == 1 else f"{len(images)} images"
        )
    assert len(set(images)) == 3
    marks = "SELECT mark FROM image_and_said WHERE id IN (?, ?, ?) AND mark > 0"
    until(lambda: len(fresh.rows(marks, *images)) == 3, own)
    own.keyboard.press("z")
    until(lambda: shown_image(own) == images[2], own)
    until(lambda: len(fresh.rows(marks, *images)) == 2, own)
    own.keyboard.press("f")
    own.keyboard.press("Escape")
    summary = own.locator(".sdgen-summary")
    expect(summary).to_contain_text("Favourite")
    summary.get_by_role("button", name="Undo all").click()
    expect(summary).to_contain_text("All of it is undone.")
    until(lambda: not fresh.rows(marks, *images), own)


def test_the_sheet_of_keys_remaps_and_remembers(own: Page) -> None:
    gallery.open_session(own, SHAPED)
    own.locator(".sdgen-app").focus()
    own.keyboard.press("?")
    sheet = own.get_by_role("dialog", name="Keys")
    sheet.get_by_role("button", name="F – Change the key of Favourite").click()
    own.keyboard.press("w")
    expect(sheet.get_by_role("button", name="W – Change the key of Favourite")).to_be_visible()
    own.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    own.reload()
    cells(own).first.dblclick()
    heart = own.locator(".sdgen-viewer").get_by_role("button", name="Favourite")
    expect(heart).to_have_attribute("aria-pressed", "false")
    own.keyboard.press("f")
    own.wait_for_timeout(200)
    expect(heart).to_have_attribute("aria-pressed", "false")
    own.keyboard.press("w")
    expect(heart).to_have_attribute("aria-pressed", "true")


def test_blind_hides_what_was_asked_for(own: Page) -> None:
    begin(own)
    own.keyboard.press("b")
    pane = own.locator(".sdgen-review-pane")
    expect(pane.get_by_text("hidden").first).to_be_visible()
    for word in (" one", "on a table", "Colour", "Shape"):
        expect(pane).not_to_contain_text(word)
    own.keyboard.press("b")
    expect(pane).to_contain_text("on a table")


def test_one_placeholder_only(own: Page) -> None:
    begin(own)
    for _ in range(4):  # the same number is the same placeholder in every image
        expect(own.locator(".sdgen-review .sdgen-value-name")).to_have_text(["Colour", "Shape"])
        own.keyboard.press("ArrowRight")
    own.keyboard.press("2")
    expect(own.get_by_role("button", name="Only Shape")).to_be_visible()
    for _ in range(3):
        expect(own.locator(".sdgen-value-asked .sdgen-value-name")).to_have_attribute("title", "Shape")
        own.keyboard.press("p")


def test_letters_typed_into_a_field_are_no_keys(own: Page) -> None:
    gallery.open_session(own, SHAPED)
    cells(own).first.dblclick()
    own.locator(".sdgen-details textarea").press_sequentially("fit or rot")
    assert shown_image(own)
    expect(own.locator(".sdgen-viewer [aria-pressed=true].sdgen-mark-button")).to_have_count(0)


# ---- compare and statistics ---------------------------------------------------------------------------------------------


def test_compare_puts_values_across_and_seeds_down(alone: Page) -> None:
    gallery.open_session(alone, SHAPED)
    alone.get_by_role("button", name="Compare", exact=True).click()
    grid = alone.get_by_role("grid")
    alone.get_by_label("Across").select_option("Colour")
    expect(grid.get_by_role("columnheader")).to_contain_text(["Colour", "red one", "green one", "blue one"])
    expect(grid.get_by_role("rowheader")).to_have_count(3)
    lock = alone.get_by_label("Value of Shape", exact=True)
    lock.select_option(label="triangle one")
    expect(grid.get_by_role("gridcell").locator("img")).to_have_count(8)
    # the missing one says why it cannot be made here
    expect(alone.get_by_text("Missing images can be made where the gallery is open in ComfyUI")).to_be_visible()
    expect(grid.locator(".sdgen-make")).to_have_count(1)
    expect(grid.locator(".sdgen-make")).to_be_disabled()
    assert "Colour" in address(alone)
    alone.reload()
    expect(alone.get_by_label("Value of Shape", exact=True).locator("option:checked")).to_have_text("triangle one")
    alone.get_by_role("button", name="Next value of Shape").click()
    expect(alone.get_by_label("Value of Shape", exact=True).locator("option:checked")).not_to_have_text("triangle one")


def test_side_by_side_zooms_together_and_says_what_differs(own: Page) -> None:
    gallery.open_session(own, SHAPED)
    own.get_by_role("button", name="Compare", exact=True).click()
    own.get_by_label("Across").select_option("Colour")
    own.get_by_label("Value of Shape", exact=True).select_option(label="circle one")
    own.get_by_role("button", name="Side by side: 11").click()
    beside = own.get_by_role("dialog", name="Side by side")
    panes = beside.locator(".sdgen-beside-one")
    expect(panes).to_have_count(3)
    transforms = (
        "all => new Set(all.map(p => getComputedStyle(p).transform)).size + ' ' + getComputedStyle(all[0]).transform"
    )
    before = beside.locator(".sdgen-look-in").evaluate_all(transforms)
    beside.get_by_role("button", name="Zoom in").click()
    own.wait_for_timeout(300)
    after = beside.locator(".sdgen-look-in").evaluate_all(transforms)
    assert before != after and after.startswith("1 ")
    expect(beside).to_contain_text("red one")
    panes.first.get_by_role("button", name="OK").click()
    expect(panes.first.get_by_role("button", name="OK")).to_have_attribute("aria-pressed", "true")
    own.keyboard.press("ArrowDown")
    expect(beside.locator(".sdgen-beside-row")).to_contain_text("12")
    own.keyboard.press("Escape")
    expect(own.get_by_role("grid")).to_be_visible()


def test_the_overview_counts_the_library_and_opens_what_it_counts(alone: Page) -> None:
    alone.get_by_role("button", name="Statistics", exact=True).click()
    tiles = alone.locator(".sdgen-tiles")
    expect(tiles.get_by_role("button", name=re.compile("^4 ?Sessions"))).to_be_visible()
    tiles.get_by_role("button", name=re.compile("^33 ?Images")).click()
    found(alone, 33)
    alone.go_back()
    alone.locator(".sdgen-lines").get_by_role("button", name="wide_v2").click()
    found(alone, 4)
    alone.go_back()
    alone.locator(".sdgen-lines").get_by_role("button", name="stopped").click()
    gallery.lists(alone, SHAPED)


@pytest.mark.parametrize(
    "table", ["Values", "Top failing", "Over seeds", "Impact", "Failing pairs", "Models", "Over time", "Sessions"]
)
def test_every_table_says_something(alone: Page, table: str) -> None:
    """Known bug: statistics came late and without a word; nothing may stay empty without an explanation."""
    gallery.open_session(alone, SHAPED)
    alone.get_by_role("button", name="Statistics", exact=True).click()
    alone.locator(".sdgen-tables").get_by_role("button", name=table, exact=True).click()
    expect(alone.locator(".sdgen-statistics-body .sdgen-empty, .sdgen-statistics-body table").first).to_be_visible()


def test_a_session_of_images_of_one_kind_says_that_nothing_can_be_compared(browser: Browser, served: Served) -> None:
    with gallery.opened(browser, served.url) as page:
        gallery.open_session(page, gallery.HTML)
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("differ in no placeholder")
        page.watched.forgive("Failed to load resource")  # type: ignore[attr-defined]
