"""Scores in the gallery: of images that the demo's scorer has really looked at, some of which show something else than they were to."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from sdgen_core.scoring.jobs import Jobs

from . import gallery
from .gallery import (
    DEMO,
    DEMO_BACKGROUNDS,
    DEMO_COLOURS,
    DEMO_SHAPES,
    SCORED_MS,
    Served,
    ask,
    card,
    found,
    opened,
    press,
)

MIXED = "Mixture"
#: Of 12 images that show something else six show nothing that was asked for.
IMAGES, FLAGGED, FAILED = 72, 12, 6


def mixed_session(root: Path, name: str = MIXED, session: str = "ghjkmnpqrs", day: int = 7) -> None:
    """72 pictures of the demo model, of 4 colours, 6 shapes and 3 backgrounds. Each sixth image shows the next colour, and every other
    one of these the next shape, too."""
    writer = gallery.Writer(root, name, session=session, day=day, planned=IMAGES, model="sdgen-demo")
    with Image.open(DEMO) as file:
        sheet = file.convert("RGB")
    for n in range(IMAGES):
        colour, shape, background = n % 4, n // 4 % 6, n // 24
        shown = (colour + 1) % 4 if n % 6 == 0 else colour, (shape + 1) % 6 if n % 12 == 0 else shape
        x, y = 66 * (shown[1] * len(DEMO_BACKGROUNDS) + background) + 1, 66 * shown[0] + 1
        writer.add(
            DEMO_COLOURS[colour],
            DEMO_SHAPES[shape],
            2000 + n,
            size=(64, 64),
            drawn=sheet.crop((x, y, x + 64, y + 64)),
            more={"Background": DEMO_BACKGROUNDS[background]},
        )
    writer.end()


def number(server: Served, n: int) -> int:
    """The id of the image at this place in its session."""
    [(image,)] = server.rows(
        "SELECT image.id FROM image JOIN session ON session.id = session WHERE number=? AND name=?", n, MIXED
    )
    return int(image)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A library of which one session is scored by the demo's scorer, and another is not."""
    with gallery.built_page():
        server = Served(tmp_path_factory.mktemp("scored"))
        mixed_session(server.root)
        gallery.shapes(server.root)
        with server:
            [(slug,)] = server.rows("SELECT slug FROM session WHERE name=?", MIXED)
            gallery.score(server, slug)
            server.slug = slug  # type: ignore[attr-defined]
            yield server
            assert not ask(server, "/sdgen/images?q=is:judged")["total"], "a test has left verdicts behind"


@pytest.fixture
def page(browser: Browser, scored: Served) -> Iterator[Page]:
    with opened(browser, scored.url) as page:
        expect(card(page, MIXED)).to_be_visible()
        yield page


def menu(page: Page, name: str, entry: str) -> None:
    """Choose in the menu of a session."""
    card(page, name).get_by_role("button", name=f"More about {name}").click()
    page.get_by_role("menuitem", name=entry).click()


def machine(page: Page, place: str) -> Locator:
    """What the model says of a placeholder of the image in the viewer."""
    return page.get_by_role("region", name="What the model sees").locator("li").filter(has_text=place)


def undone(page: Page, server: Served, steps: int = 1) -> None:
    for _ in range(steps):
        ask(server, "/sdgen/undo", {})


# ---- looking at them ----------------------------------------------------------------------------------------------------


def test_the_viewer_says_of_each_value_whether_it_is_there_and_what_else_is(browser: Browser, scored: Served) -> None:
    with opened(browser, scored.url, f"/images?image={number(scored, 0)}") as page:
        whole = page.get_by_role("region", name="What the model sees")
        expect(whole.locator(".sdgen-class")).to_have_text("Failed")
        expect(whole.locator(".sdgen-machine-flagged")).to_be_visible()
        expect(whole).to_contain_text("demo")
        colour = machine(page, "Colour")
        expect(colour).to_contain_text("not there")
        expect(colour).to_contain_text("looks more like green one")
        expect(colour).to_contain_text("whole image")
        share = int((colour.locator("b").inner_text()).rstrip("%"))
        assert share < 50
        expect(machine(page, "Background")).not_to_contain_text("not there")
        expect(machine(page, "Background").locator("b")).to_have_text(re.compile(r"^(9\d|100)%$"))
        badge = colour.get_by_role("button", name="uncalibrated")
        badge.focus()
        press(page, "Enter")
        expect(colour.get_by_role("note")).to_contain_text(
            "Judge 20 more images of it (at least 4 OK and 4 KO), then score again."
        )


def test_what_a_person_says_stands_above_it_and_a_contradiction_is_marked(browser: Browser, scored: Served) -> None:
    with opened(browser, scored.url, f"/images?image={number(scored, 0)}") as page:
        colour = machine(page, "Colour")
        expect(colour).to_be_visible()
        expect(colour.locator(".sdgen-machine-against")).to_have_count(0)
        page.get_by_role("group", name="Colour").get_by_role("button", name="OK").click()
        expect(colour.locator(".sdgen-machine-against")).to_have_text("≠ you said OK")
        expect(colour.get_by_role("button", name="uncalibrated")).to_have_attribute(
            "title", re.compile("Judge 19 more")
        )
        values = page.locator(".sdgen-image-values").bounding_box()
        said = page.get_by_role("region", name="What the model sees").bounding_box()
        assert values and said and values["y"] < said["y"]
        undone(page, scored)
        expect(colour.locator(".sdgen-machine-against")).to_have_count(0)


def test_an_image_that_nobody_scored_says_nothing(browser: Browser, scored: Served) -> None:
    [(image,)] = scored.rows(
        "SELECT min(image.id) FROM image JOIN session ON session.id = session WHERE name=?", gallery.SHAPED
    )
    with opened(browser, scored.url, f"/images?image={image}") as page:
        with page.expect_response(re.compile(r"/images/\d+/scores")):
            pass
        expect(page.locator(".sdgen-details")).to_be_visible()
        expect(page.get_by_role("region", name="What the model sees")).to_have_count(0)


def test_an_image_without_values_has_what_is_said_of_its_prompt(
    browser: Browser, tmp_path: Path, scored: Served
) -> None:
    server = Served(tmp_path)
    writer = gallery.Writer(server.root, "Plain", session="hjkmnpqrst")
    for n in range(2):
        writer.add("Red", "Circle", n, prompt="a red circle", plain=True)
    writer.end()
    with server:
        [(slug,)] = server.rows("SELECT slug FROM session")
        gallery.score(server, slug)
        [(image,)] = server.rows("SELECT min(id) FROM image")
        with opened(browser, server.url, f"/images?image={image}") as page:
            whole = page.get_by_role("region", name="What the model sees")
            expect(whole).to_contain_text(re.compile(r"Fits the prompt -?\d"))
            expect(whole.get_by_role("listitem")).to_have_count(0)


def test_a_card_has_the_classes_and_the_facts_open_just_the_images_that_were_counted(page: Page) -> None:
    said = "72 of 72 images scored by a model: 60 success, 6 partial, 6 failed"
    expect(card(page, MIXED).get_by_role("img", name=said)).to_be_visible()
    expect(card(page, gallery.SHAPED).locator(".sdgen-card-scores")).to_have_count(0)
    for label, count in (("Success", 60), ("Partial", 6), ("Failed", 6)):
        menu(page, MIXED, "Everything about it")
        scores = page.get_by_role("region", name="Scores of the model")
        expect(scores).to_contain_text("72 of 72 images scored")
        expect(scores).to_contain_text(re.compile(r"Complete: 9\d% on average"))
        scores.get_by_role("button", name=f"{label} {count}").click()
        found(page, count)
        page.go_back()
    menu(page, MIXED, "Everything about it")
    failing = page.get_by_role("region", name="Scores of the model").locator(".sdgen-facts-values button").first
    expect(failing).to_contain_text(re.compile(r"not seen in \d+ of \d+"))
    missed = int(re.search(r"not seen in (\d+) of", failing.inner_text()).group(1))  # type: ignore[union-attr]
    assert missed > 1
    failing.click()
    found(page, missed)


def test_images_are_filtered_by_what_a_model_says(browser: Browser, scored: Served) -> None:
    with opened(browser, scored.url, f"/images?session={scored.slug}") as page:  # type: ignore[attr-defined]
        found(page, IMAGES)
        page.get_by_role("group", name="Shows its values").get_by_role("button", name=f"No {FAILED}").click()
        found(page, FAILED)
        gallery.type_query(page, "is:flagged")
        found(page, FLAGGED)
        box = page.get_by_role("combobox", name="Search")
        box.fill("class:")
        offered = page.get_by_role("option")
        expect(offered.filter(has_text="success")).to_contain_text("60")
        offered.filter(has_text="partial").click()
        box.press("Enter")
        found(page, FLAGGED - FAILED)


# ---- people and model ---------------------------------------------------------------------------------------------------


def test_people_and_model_beside_each_other_in_the_statistics(browser: Browser, scored: Served) -> None:
    # the model says of 0 that it is not there; of 1 to 3 it sees it
    for n, verdict in ((0, "ok"), (1, "ok"), (2, "ok"), (3, "ko")):
        ask(scored, "/sdgen/judge", {"ids": [number(scored, n)], "field": "value/Colour", "value": verdict})
    try:
        with opened(browser, scored.url, "/statistics") as page:
            page.locator(".sdgen-tables").get_by_role("button", name="People and model").click()
            people = page.get_by_role("table", name="People and model")
            row = people.get_by_role("row").filter(has_text="Colour")
            expect(row.locator("[data-column='Agree']")).to_have_text("50%")
            expect(row.locator("[data-column='Verdicts']")).to_have_text("4")
            row.get_by_role("button", name="uncalibrated").click()
            expect(row.get_by_role("note")).to_contain_text("Judge 16 more")
            values = page.get_by_role("table", name="Values: model and people")
            red = values.get_by_role("row").filter(has_text="red one")
            expect(red.locator("[data-column='Images']")).to_have_text("18")
            expect(red.locator("[data-column='Not seen']")).to_have_text("6")
            expect(red.locator("[data-column='People']")).to_have_text("100%")
            expect(values.get_by_role("row").nth(1)).to_contain_text("67%")
            values.get_by_role("button", name="Value", exact=True).click()
            expect(values.get_by_role("row").nth(1)).to_contain_text("black one")
            red.locator("[data-column='Not seen'] button").click()
            found(page, 6)
            page.go_back()
            row.locator("[data-column='KO, but seen'] button").click()
            found(page, 1)
            page.go_back()
            row.get_by_role("button", name="Show them").click()
            found(page, 2)
    finally:
        for _ in range(4):
            ask(scored, "/sdgen/undo", {})


# ---- the trash ----------------------------------------------------------------------------------------------------------


def stage(page: Page) -> Locator:
    page.get_by_role("button", name="Scores of a model").click()
    page.get_by_role("menuitem", name="Failed images to the trash").click()
    return page.get_by_role("dialog", name="Failed images to the trash")


def test_the_failed_go_to_the_trash_as_one_step_that_undo_takes_back(browser: Browser, scored: Served) -> None:
    favourite, fine = number(scored, 0), number(scored, 12)
    ask(scored, "/sdgen/judge", {"ids": [favourite], "field": "mark", "value": "favourite"})
    ask(scored, "/sdgen/judge", {"ids": [fine], "field": "value/Shape", "value": "ok"})
    try:
        with opened(browser, scored.url, f"/images?session={scored.slug}") as page:  # type: ignore[attr-defined]
            found(page, IMAGES)
            dialog = stage(page)
            expect(dialog.get_by_role("radio", name="Failed 4 images")).to_be_checked()
            expect(dialog.get_by_role("radio", name="Failed or partial 10 images")).to_be_visible()
            expect(dialog).to_contain_text("2 are left out")
            expect(dialog.locator(".sdgen-staged img")).to_have_count(4)
            dialog.get_by_role("checkbox").uncheck()
            expect(dialog.get_by_role("button", name="Mark 6 images as trash")).to_be_enabled()
            dialog.get_by_role("checkbox").check()
            dialog.get_by_role("radio", name="Flagged").check()
            expect(dialog.get_by_role("button", name="Mark 10 images as trash")).to_be_enabled()
            dialog.get_by_role("radio", name="Failed 4 images").check()
            press(page, "Enter")
            expect(page.locator(".sdgen-toast").filter(has_text="4 images marked as trash")).to_be_visible()
            expect(dialog).to_have_count(0)
            found(page, IMAGES - 4)
            undo = page.locator(".sdgen-shell-bar").get_by_role("button", name="Undo: 4 images: marked as trash")
            expect(undo).to_be_enabled()
            undo.click()
            found(page, IMAGES)
            assert ask(scored, "/sdgen/images?q=is:trash")["total"] == 0
            expect(stage(page)).to_be_visible()
            press(page, "Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
    finally:
        for _ in range(2):
            ask(scored, "/sdgen/undo", {})


# ---- scoring ------------------------------------------------------------------------------------------------------------


def test_a_session_is_scored_from_its_menu_and_what_cannot_be_done_is_said(
    browser: Browser, tmp_path: Path, scored: Served
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.safetensors").write_bytes(b"nothing")
    (models / "nothing.pt").write_bytes(b"nothing")
    server = Served(tmp_path, scorers=[models])
    mixed_session(server.root)
    with server, opened(browser, server.url) as page:
        menu(page, MIXED, "Score …")
        dialog = page.get_by_role("dialog", name="Score images with a model")
        expect(dialog.get_by_role("radio", name="broken.safetensors")).to_be_disabled()
        dialog.get_by_role("radio", name="nothing.pt").check()
        dialog.get_by_role("button", name="Score", exact=True).click()
        bar = page.locator(".sdgen-scoring")
        expect(bar).to_contain_text("1 session could not be scored", timeout=SCORED_MS)
        expect(bar.get_by_role("listitem")).to_contain_text(MIXED)
        expect(bar.locator("code")).to_have_text("scorer-bad-file")
        expect(bar.get_by_role("listitem")).not_to_contain_text(str(tmp_path))
        menu(page, MIXED, "Score …")
        expect(dialog.get_by_role("radio", name="nothing.pt")).to_be_checked()  # as the last time
        dialog.get_by_text("+ Model").click()
        expect(dialog).to_contain_text("models/clip_vision")
        dialog.get_by_role("radio", name="demo").check()
        page.evaluate(
            "new MutationObserver(() => (window.said ??= []).push(document.querySelector('.sdgen-scoring')?.innerText))"
            ".observe(document.body, { subtree: true, childList: true, characterData: true })"
        )
        press(page, "Enter")
        expect(bar).to_have_text("Scored.", timeout=SCORED_MS)
        said = "\n".join(filter(None, page.evaluate("window.said")))
        assert f"Scoring {MIXED}: " in said and "End it" in said
        expect(card(page, MIXED).get_by_role("img", name="72 of 72 images scored")).to_be_visible()
        bar.get_by_role("button", name="Close").click()
        expect(bar).to_have_count(0)


def test_many_sessions_wait_their_turn_and_can_be_left_out(browser: Browser, tmp_path: Path, scored: Served) -> None:
    server = Served(tmp_path)
    for n, session in enumerate(("ghjkmnpqrs", "hjkmnpqrst", "jkmnpqrstv")):
        mixed_session(server.root, f"Session {n}", session, n + 1)
    with server, opened(browser, server.url) as page:
        for n in range(3):
            card(page, f"Session {n}").get_by_role("checkbox").check()
        page.get_by_role("button", name="Score …").click()
        dialog = page.get_by_role("dialog", name="Score images with a model")
        expect(dialog).to_contain_text("3 sessions are looked at")
        dialog.get_by_role("button", name="Score", exact=True).click()
        bar = page.locator(".sdgen-scoring")
        expect(bar).to_contain_text("more session")
        bar.get_by_role("button", name="End it").click()
        expect(bar.get_by_role("button", name="End it")).to_have_count(0, timeout=SCORED_MS)
        assert not ask(server, "/sdgen/scoring")["waiting"]


def ordered(server: Served, slug: str, scorer: str, become: str) -> None:
    """Order a session, and wait until the server says this of it."""
    ask(server, "/sdgen/scoring", {"sessions": [slug], "scorer": scorer})
    deadline = time.monotonic() + SCORED_MS / 1000
    while not ask(server, "/sdgen/scoring")[become]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_who_comes_while_it_waits_sees_it_and_when_it_is_over_nothing_is_left(
    browser: Browser, tmp_path: Path, scored: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While ComfyUI renders, for a whole night perhaps, the server tells nothing: a page has to ask."""
    rendering = threading.Event()
    rendering.set()
    monkeypatch.setattr(Jobs, "_rendering", lambda jobs: rendering.is_set())
    server = Served(tmp_path)
    mixed_session(server.root)
    with server:
        [(slug,)] = server.rows("SELECT slug FROM session")
        try:
            ordered(server, slug, "demo", "held")
            with opened(browser, server.url) as page:
                bar = page.locator(".sdgen-scoring")
                for _ in range(2):
                    expect(bar).to_contain_text("Scoring waits while ComfyUI renders")
                    expect(bar.get_by_role("progressbar", name="Scoring")).to_be_visible()
                    expect(bar.get_by_role("status")).to_have_text("")
                    page.reload()
                expect(bar).to_contain_text("Scoring waits while ComfyUI renders")
                rendering.clear()
                expect(bar.get_by_role("status")).to_have_text("Scored.", timeout=SCORED_MS)
                files: list[str] = []
                page.on("request", lambda request: files.append(request.url))
                with page.expect_response("**/sdgen/scoring"):
                    page.reload()
                expect(card(page, MIXED).get_by_role("img", name="72 of 72 images scored")).to_be_visible()
                expect(bar).to_have_count(0)
                assert not [url for url in files if "Scoring" in url], "loaded without anything to show"
        finally:
            rendering.clear()


def test_what_could_not_be_scored_is_said_by_its_name_to_a_page_that_is_opened_later(
    browser: Browser, tmp_path: Path, scored: Served
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "nothing.pt").write_bytes(b"nothing")
    server = Served(tmp_path, scorers=[models])
    mixed_session(server.root)
    with server:
        [(slug,)] = server.rows("SELECT slug FROM session")
        ordered(server, slug, "nothing.pt", "failed")
        with opened(browser, server.url, "/images", viewport={"width": 500, "height": 800}) as page:
            bar = page.locator(".sdgen-scoring")
            expect(bar.locator("b")).to_have_text(MIXED)
            expect(bar.locator("code")).to_have_text("scorer-bad-file")
            bar.get_by_role("button", name="Close").click()
            expect(bar).to_have_count(0)


def test_a_scorer_that_is_gone_is_said_and_looked_for_again(browser: Browser, tmp_path: Path, scored: Served) -> None:
    models = tmp_path / "models"
    models.mkdir()
    file = models / "nothing.pt"
    file.write_bytes(b"nothing")
    server = Served(tmp_path, scorers=[models])
    mixed_session(server.root)
    with server, opened(browser, server.url) as page:
        page.route("**/sdgen/scorers", lambda route: route.abort(), times=1)
        menu(page, MIXED, "Score …")
        dialog = page.get_by_role("dialog", name="Score images with a model")
        expect(dialog.get_by_role("alert")).to_contain_text("(no-answer)")
        dialog.get_by_role("button", name="Look again").click()
        expect(dialog.get_by_role("alert")).to_have_count(0)
        dialog.get_by_role("radio", name="nothing.pt").check()
        file.rename(models / "nothings.pt")
        dialog.get_by_role("button", name="Score", exact=True).click()
        alert = dialog.get_by_role("alert")
        expect(alert).to_contain_text("Did you mean 'nothings.pt'?")
        expect(alert).to_contain_text("(scorer-missing)")
        alert.get_by_role("button", name="Look again").click()
        expect(dialog.get_by_role("radio", name="nothings.pt")).to_be_enabled()
        expect(alert).to_have_count(0)
        page.watched.forgive("Failed to load resource")  # type: ignore[attr-defined]


# ---- other languages and widths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 1400])
def test_all_of_it_is_there_in_french_and_on_a_narrow_panel(browser: Browser, scored: Served, width: int) -> None:
    size = {"viewport": {"width": width, "height": 800}}

    def fits(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        parts = page.locator(".sdgen-machine, .sdgen-layer, .sdgen-session-scores")
        wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)"
        assert parts.evaluate_all(wide) == []

    with opened(browser, scored.url, f"/images?image={number(scored, 0)}", locale="fr-FR", **size) as page:
        if width < 700 and not page.locator(".sdgen-details").is_visible():
            page.get_by_role("button", name="Détails").click()
        colour = page.get_by_role("region", name="Ce que voit le modèle").locator("li").filter(has_text="Colour")
        expect(colour).to_contain_text("ressemble plutôt à green one")
        colour.get_by_role("button", name="non calibré").click()
        expect(colour.get_by_role("note")).to_contain_text("Jugez-en encore 20 images")
        fits(page)
    with opened(browser, scored.url, f"/images?session={scored.slug}", locale="fr-FR", **size) as page:  # type: ignore[attr-defined]
        page.get_by_role("button", name="Scores d’un modèle").click()
        page.get_by_role("menuitem", name="Images ratées à la corbeille").click()
        expect(page.get_by_role("button", name="Mettre 6 images à la corbeille")).to_be_enabled()
        fits(page)
        press(page, "Escape")
        page.get_by_role("button", name="Scores d’un modèle").click()
        page.get_by_role("menuitem", name="Évaluer").click()
        expect(page.get_by_role("dialog")).to_contain_text("Le modèle de démonstration")
        fits(page)
    with opened(browser, scored.url, "/statistics?table=machine", locale="fr-FR", **size) as page:
        expect(page.get_by_role("table", name="Valeurs : modèle et humains")).to_be_visible()
        fits(page)
