"""What was said, in numbers: each is right, opens the images behind it, reads as the language writes it, and can be taken away."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from . import gallery
from .gallery import SHAPED, Served, found, opened


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A library in which red fails with triangles, and everything else comes out; of green nothing is said."""
    with gallery.built_page():
        server = Served(tmp_path_factory.mktemp("judged"))
        gallery.shapes(server.root)
        other = gallery.Writer(server.root, "Other", session="bcdefghjkm", day=4, planned=6, model="other_v2")
        for colour, seed in product(("Red", "Blue"), gallery.SEEDS):
            other.add(colour, "Circle", seed)
        other.end()
        with server:
            rows = server.rows(
                "SELECT image, placeholder.name, key FROM image_value JOIN value ON value.id = value"
                " JOIN placeholder ON placeholder.id = placeholder"
            )
            values: dict[int, dict[str, str]] = {}
            for image, name, key in rows:
                values.setdefault(image, {})[name] = key
            for name in ("Colour", "Shape"):
                fails = [i for i, v in values.items() if v["Colour"] == "Red" and v["Shape"] == "Triangle"]
                comes = [i for i, v in values.items() if i not in fails and (name != "Colour" or v[name] != "Green")]
                server.library.catalog.judge(fails, f"value/{name}", "ko")
                server.library.catalog.judge(comes, f"value/{name}", "ok")
            yield server


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A library in which the mood changes nothing that can be seen, and the shape everything; its pictures were looked at."""
    with gallery.built_page():
        server = Served(tmp_path_factory.mktemp("compared"))
        writer = gallery.Writer(server.root, "Moods", session="abcdefghjk", planned=18)
        for mood, shape, seed in product(("Calm", "Wild"), gallery.SHAPES, gallery.SEEDS):
            writer.add("Red", shape, seed, more={"Mood": mood})
        writer.end()
        with server:
            while server.library.pictures.fill(20, lambda: False):
                pass
            yield server


@pytest.fixture
def page(browser: Browser, judged: Served) -> Iterator[Page]:
    with opened(browser, judged.url, "/statistics") as page:
        expect(page.locator(".sdgen-tiles")).to_be_visible()
        yield page


def table(page: Page, name: str) -> Locator:
    page.locator(".sdgen-tables").get_by_role("button", name=name, exact=True).click()
    found = page.get_by_role("table", name=name, exact=True)
    expect(found).to_be_visible()
    return found


def row(table: Locator, text: str) -> Locator:
    return table.get_by_role("row").filter(has_text=text)


def column(row: Locator, name: str) -> Locator:
    return row.locator(f"[data-column='{name}']")


def test_each_number_of_the_values_opens_as_many_images(page: Page) -> None:
    red = row(table(page, "Values"), "red one")
    for name, count in (("Judged", 12), ("Ok", 9), ("Failed", 3), ("Images", 12)):
        expect(column(red, name)).to_have_text(str(count))
        column(red, name).get_by_role("button").click()
        found(page, count)
        page.go_back()
        expect(red).to_be_visible()
    column(red, "Success rate").get_by_role("button").click()
    found(page, 12)
    page.go_back()
    column(red, "Value").get_by_role("button", name="red one").click()
    found(page, 12)
    page.go_back()
    needs = column(row(table(page, "Values"), "green one"), "Needs")
    expect(needs).to_have_text(re.compile(r"^\d+ more$"))
    needs.get_by_role("button").click()  # those that nothing is said of yet
    found(page, 8)


def test_a_rate_has_its_interval(page: Page) -> None:
    red = column(row(table(page, "Values"), "red one"), "Success rate")
    expect(red.locator("b")).to_have_text("75%")
    expect(red.locator("small")).to_have_text("47% – 91%")  # Wilson's of 9 in 12, at 95%
    expect(red.get_by_role("img")).to_have_accessible_name("75%, surely between 47% and 91%; 12 judged")
    expect(red.locator("path.sdgen-ratebar-sure")).to_have_attribute("d", re.compile(r"^M65\.\d+ 8H127\.\d+"))
    expect(column(row(page.get_by_role("table", name="Values"), "green one"), "Success rate")).to_contain_text("–")


def test_numbers_are_written_as_the_language_writes_them(browser: Browser, judged: Served) -> None:
    with opened(browser, judged.url, "/statistics?table=values", locale="fr-FR") as page:
        rate = row(page.get_by_role("table", name="Valeurs"), "red one").locator("[data-column='Taux de réussite']")
        expect(rate.locator("b")).to_have_text(re.compile("^75[\u00a0\u202f ]%$"))
        expect(rate.locator("small")).to_have_text(re.compile("^47[\u00a0\u202f ]% – 91[\u00a0\u202f ]%$"))
        page.locator(".sdgen-tables").get_by_role("button", name="Ensemble").click()
        expect(page.locator(".sdgen-tiles")).to_contain_text(re.compile(r"\d+(,\d)?\s[kM]o"))


def test_values_that_fail_come_first_and_pairs_that_fail_together_are_found(page: Page) -> None:
    worst = table(page, "Top failing")
    expect(worst.get_by_role("row").nth(1)).to_contain_text("triangle one")
    expect(worst).not_to_contain_text("green one")  # of which nothing is known
    pairs = table(page, "Failing pairs")
    pair = pairs.get_by_role("row").nth(1)
    expect(pair).to_contain_text("red one")
    expect(pair).to_contain_text("triangle one")
    column(pair, "Both failed").get_by_role("button", name="3").click()
    found(page, 3)
    page.go_back()
    page.get_by_role("table", name="Map of failing pairs").get_by_role("button", name=re.compile("3 of 3")).click()
    found(page, 3)


def test_stability_and_models_open_their_images(page: Page) -> None:
    over = table(page, "Over seeds")
    red = row(over, "red one")
    expect(column(red, "Seeds")).to_have_text("3")
    column(red, "Seeds").get_by_role("button").click()
    found(page, 12)
    page.go_back()
    models = table(page, "Models")
    other = row(models, "other_v2")
    expect(column(other, "Images")).to_have_text("6")
    expect(column(other, "Judged")).to_have_text("12")  # verdicts: two about each image
    for name in ("Images", "Judged", "Ok", "Success rate"):
        column(other, name).get_by_role("button").click()
        found(page, 6)
        page.go_back()
        expect(other).to_be_visible()
    expect(row(models, "shapes_v1")).to_be_visible()  # one model stands against the other
    column(row(models, "shapes_v1"), "Failed").get_by_role("button").click()
    found(page, 3)


def test_placeholders_and_values_that_change_nothing_are_found(browser: Browser, compared: Served) -> None:
    with opened(browser, compared.url, "/statistics") as page:
        impact = table(page, "Impact")
        expect(impact.get_by_role("row")).to_have_count(3)  # of the colour there is one value only: nothing to compare
        mood, shape = impact.get_by_role("row").nth(1), impact.get_by_role("row").nth(2)
        for name, text in {
            "Placeholder": "Mood",
            "Change": "0%",
            "Values": "2",
            "Without effect": "2",
            "Compared": "9",
        }.items():
            expect(column(mood, name)).to_have_text(text)
        for name, text in {"Placeholder": "Shape", "Values": "3", "Without effect": "0", "Compared": "18"}.items():
            expect(column(shape, name)).to_have_text(text)
        expect(column(shape, "Change")).to_have_text(re.compile(r"^[1-9]\d%$"))
        column(mood, "Change").get_by_role("button").click()
        found(page, 18)
        page.go_back()

        values = table(page, "Impact of values")
        calm, circle = row(values, "calm one"), row(values, "circle one")
        for name, text in {"Change": "0%", "Without effect": "yes", "Images": "9", "Compared": "9"}.items():
            expect(column(calm, name)).to_have_text(text)
        expect(column(circle, "Without effect")).to_have_text("no")
        column(calm, "Images").get_by_role("button").click()
        found(page, 9)
        page.go_back()

        dead = table(page, "Without effect")
        expect(dead.locator("tbody [data-column=Value]")).to_have_text(["calm one", "wild one"])
        row(dead, "wild one").get_by_role("button", name="wild one").click()
        found(page, 9)


def test_where_nothing_can_be_compared_or_all_has_an_effect_it_says_so(browser: Browser, compared: Served) -> None:
    with opened(browser, compared.url, "/statistics?q=Shape:Circle Mood:Calm&table=impact") as page:
        expect(page.get_by_text("No two images could be compared")).to_be_visible()
        expect(page.get_by_role("table")).to_have_count(0)
    with opened(browser, compared.url, "/statistics?q=Mood:Calm&table=dead") as page:
        expect(page.get_by_text("Every value that could be compared changes the image.")).to_be_visible()


def test_of_a_session_or_of_the_whole_library(browser: Browser, judged: Served) -> None:
    [(slug,)] = judged.rows("SELECT slug FROM session WHERE name=?", SHAPED)
    with opened(browser, judged.url, f"/statistics?session={slug}&table=values") as page:
        values = page.get_by_role("table", name="Values")
        expect(column(row(values, "red one"), "Judged")).to_have_text("9")
        page.get_by_role("button", name="Whole library", exact=True).last.click()
        expect(column(row(values, "red one"), "Judged")).to_have_text("12")
        page.go_back()
        expect(column(row(values, "red one"), "Judged")).to_have_text("9")
        column(row(values, "red one"), "Failed").get_by_role("button").click()
        found(page, 3)  # of this session


def test_a_table_is_sorted_by_any_column_and_keeps_its_order(page: Page) -> None:
    values = table(page, "Values")
    values.get_by_role("button", name="Failed").click()
    expect(values.get_by_role("columnheader", name="Failed")).to_have_attribute("aria-sort", "descending")
    expect(column(values.get_by_role("row").nth(1), "Failed")).to_have_text("3")
    page.reload()
    expect(values.get_by_role("columnheader", name="Failed")).to_have_attribute("aria-sort", "descending")


def test_tables_are_taken_away_as_csv_and_json(page: Page, tmp_path: Path) -> None:
    table(page, "Values")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "values.csv")
    rows = list(csv.DictReader((tmp_path / "values.csv").read_text(encoding="utf-8-sig").splitlines()))
    [red] = [one for one in rows if one["key"] == "Red"]
    assert (red["judged"], red["ok"], red["ko"]) == ("12", "9", "3")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    assert download.value.suggested_filename == "sdgen-values.json"
    download.value.save_as(tmp_path / "values.json")
    made = json.loads((tmp_path / "values.json").read_text(encoding="utf-8"))
    assert made["table"] == "values"
    [red] = [one for one in made["rows"] if one["key"] == "Red"]
    assert (red["judged"], red["ok"], red["ko"], red["rate"]) == (12, 9, 3, 0.75)


def test_the_columns_over_time_open_their_images(page: Page) -> None:
    page.get_by_label("Images over time", exact=True).first.select_option(label="by month")
    chart = page.locator(".sdgen-time")
    expect(chart.get_by_role("button")).to_have_count(1)
    expect(chart.get_by_role("button")).to_have_accessible_name(re.compile("^2026-01: 32 images|: 32 images"))
    chart.get_by_role("button").focus()
    page.keyboard.press("Enter")
    found(page, 32)


def test_very_wide_screens_have_a_second_table_beside(browser: Browser, judged: Served) -> None:
    with opened(browser, judged.url, "/statistics", viewport={"width": 3440, "height": 1440}) as page:
        worst = page.get_by_role("table", name="Top failing")
        expect(worst).to_be_visible()
        expect(page.locator(".sdgen-tiles")).to_be_visible()
        worst.get_by_role("button", name="Ok", exact=True).click()  # its order is its own
        expect(worst.get_by_role("columnheader", name="Ok")).to_have_attribute("aria-sort", "descending")
        expect(page.locator(".sdgen-tables").get_by_role("button", name="Overview")).to_have_attribute(
            "aria-current", "page"
        )
        values = table(page, "Values")
        expect(page.locator(".sdgen-tiles")).to_be_visible()
        left, right = values.bounding_box(), page.locator(".sdgen-statistics-beside").bounding_box()
        assert left and right and left["x"] + left["width"] <= right["x"]
        assert right["x"] + right["width"] > 3400
        width = page.locator(".sdgen-meaning").first.evaluate("p => p.getBoundingClientRect().width")
        assert width < 900  # lines that can be read
