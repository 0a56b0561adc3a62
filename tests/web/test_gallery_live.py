"""What happens to folders while the gallery is open in a browser: images come, become whole, and sessions move."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from . import gallery
from .gallery import SHAPED, WIDE, Served, card, cells, found, ids, lists

EVERYTHING = (SHAPED, WIDE, gallery.HTML, gallery.ACCENTS)


def test_a_new_image_arrives_once_and_nothing_jumps(fresh: Served, browser: Browser) -> None:
    """Known bug: images that arrived were there twice, and the list began anew."""
    with gallery.opened(browser, fresh.url, viewport={"width": 900, "height": 500}) as page:
        running = gallery.Writer(fresh.root, "Running", session="hjkmnpqrst", day=8, planned=60)
        for seed in range(40):
            running.add("Red", "Circle", seed, size=(64, 96))
        gallery.lists(page, "Running", *gallery.names(page)[-4:])
        gallery.open_session(page, "Running")
        found(page, 40)
        page.get_by_role("listbox", name="Images").hover()
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(500)
        middle = cells(page).nth(len(ids(page)) // 2)
        seen, place = middle.get_attribute("data-id"), middle.bounding_box()
        for seed in range(40, 43):
            running.add("Blue", "Square", seed, size=(64, 96))
        found(page, 43)
        page.wait_for_timeout(500)
        now = page.locator(f'.sdgen-cell[data-id="{seen}"]').bounding_box()
        assert now and place and abs(now["y"] - place["y"]) < 2
        assert len(set(ids(page))) == len(ids(page))
        assert fresh.count("Running") == 43


def test_new_sessions_arrive_by_themselves_older_ones_too(fresh: Served, own: Page) -> None:
    """Known bugs: new folders were never noticed while the server ran, and of older ones none that came after the first known; a
    refresh took the counts away."""
    lists(own, *EVERYTHING)
    gallery.Writer(fresh.root, "Just begun", session="ghjkmnpqrs", day=9).add("Red", "Circle", 1)
    lists(own, "Just begun", *EVERYTHING)
    gallery.Writer(fresh.root, "Long ago", session="hjkmnpqrst", day=1).add("Red", "Circle", 1)
    lists(own, "Just begun", *EVERYTHING, "Long ago")
    expect(card(own, SHAPED)).to_contain_text("26 of 27 images")
    expect(card(own, SHAPED)).to_contain_text("stopped short · 96")


def test_a_picture_that_was_half_written_becomes_whole_on_the_screen(fresh: Served, own: Page) -> None:
    """Known bug: of a picture that was read while it was written there was never a thumbnail."""
    writer = gallery.Writer(fresh.root, "Slow disk", session="ghjkmnpqrs", day=9, planned=2)
    whole = writer.add("Blue", "Circle", 2)
    half = writer.add("Red", "Circle", 1, broken=True)
    lists(own, "Slow disk", *EVERYTHING)
    gallery.open_session(own, "Slow disk")
    found(own, 2)
    number = fresh.rows("SELECT id FROM image WHERE file LIKE ?", f"%{half.name}")[0][0]
    cell = own.locator(f'.sdgen-cell[data-id="{number}"]')
    expect(cell).to_contain_text("The file cannot be shown")
    new = half.with_suffix(".part")
    new.write_bytes(whole.read_bytes())
    new.replace(half)
    expect(cell.locator("img")).to_be_visible(timeout=gallery.PATIENCE_MS)
    expect(cell).not_to_contain_text("The file cannot be shown", timeout=gallery.PATIENCE_MS)
    found(own, 2)
    own.watched.forgive("Failed to load resource")  # type: ignore[attr-defined]


def test_a_session_whose_folder_moved_is_the_same_session(fresh: Served, own: Page) -> None:
    """What was said of it and of its images stays, and nothing is there twice."""
    card(own, WIDE).get_by_role("button", name="Favourite", exact=True).click()
    gallery.open_session(own, WIDE)
    found(own, 4)
    cells(own).last.click()
    own.keyboard.press("f")
    expect(own.locator(".sdgen-mark-favourite")).to_have_count(1)
    own.get_by_role("button", name="Sessions", exact=True).first.click()
    [folder] = [one for one in fresh.root.iterdir() if one.name.endswith(WIDE)]
    (fresh.root / "archive").mkdir()
    folder.rename(fresh.root / "archive" / folder.name)
    own.get_by_role("button", name="Import new sessions").first.click()
    place = "SELECT count(*) FROM session WHERE name=? AND missing=0 AND folder LIKE '%archive%'"
    for _ in range(100):
        if fresh.rows(place, WIDE) == [(1,)]:
            break
        own.wait_for_timeout(100)
    own.reload()
    lists(own, *EVERYTHING)
    expect(card(own, WIDE)).to_contain_text("4 images")
    expect(card(own, WIDE).get_by_role("button", name="Favourite", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    gallery.open_session(own, WIDE)
    found(own, 4)
    expect(own.locator(".sdgen-mark-favourite")).to_have_count(1)
    expect(cells(own).last.locator("img")).to_be_visible()
