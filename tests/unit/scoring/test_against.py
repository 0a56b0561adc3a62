"""Two sessions held against each other: what is a pair, what is found, and when they cannot be compared."""

from __future__ import annotations

import json

import pytest

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring.page import against_page
from sdgen_core.scoring.service import Scoring

from .colours import SeesColours, session

ASKED = ["Red", "Green", "Blue"] * 20
#: Of 20 images of red ones 12 are blue.
HALF = ["Blue" if n % 3 == 0 and n < 36 else colour for n, colour in enumerate(ASKED)]


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "catalog", [tmp_path / "library"])
    yield library
    library.stop()


@pytest.fixture
def made(library, tmp_path):
    """Makes and scores a session; gives its slug."""

    def make(name, shown, asked=ASKED, backend=None, change=lambda n, entry: None, **more):
        folder = session(tmp_path / "library" / f"20251120_100000-{name}", shown, asked, **more)
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for n, entry in enumerate(manifest["images"]):
            change(n, entry)
        path.write_text(json.dumps(manifest), encoding="utf-8")
        Importer(library.catalog.index).run([tmp_path / "library"])
        [(slug,)] = library.catalog.index.store.rows("SELECT slug FROM session WHERE folder LIKE ?", (f"%-{name}",))
        scoring(library).score(slug, backend or SeesColours())
        return slug

    return make


def scoring(library):
    return Scoring(library.catalog, library.file, library.folder / "scoring")


def refused(library, *slugs):
    with pytest.raises(SDGenError) as caught:
        scoring(library).against(*slugs)
    assert caught.value.code == "not-comparable" and caught.value.hint
    return caught.value


def test_what_got_better_is_found_and_nothing_else(library, made):
    first, second = made("plain", HALF), made("praised", ASKED)
    found = scoring(library).against(first, second)
    assert (found["paired_by"], found["differs"], found["remarks"]) == (["Colour", "Quality"], [], [])
    overall = found["overall"]
    assert (overall["pairs"], overall["only_first"], overall["only_second"]) == (60, 0, 12)
    assert overall["change"] == "better" and overall["p"] == pytest.approx(2 / 2**12)
    assert overall["low"] < overall["difference"] < overall["high"] and overall["low"] > 0
    assert [(row["first_text"], row["pairs"], row["change"]) for row in found["values"]] == [
        ("red coat", 20, "better"),
        ("blue coat", 20, None),
        ("green coat", 20, None),
    ]
    assert found["values"][0]["p_adjusted"] == pytest.approx(3 * 2 / 2**12)
    turned = scoring(library).against(second, first)
    assert turned["overall"]["change"] == turned["values"][0]["change"] == "worse"
    html = against_page(found)
    assert "red coat" in html and "better" in html and "<script" not in html


def test_nothing_is_found_where_nothing_differs(library, made):
    found = scoring(library).against(made("one", HALF), made("other", HALF))
    assert found["overall"]["change"] is None and found["overall"]["p"] == 1.0
    assert [row["change"] for row in found["values"]] == [None] * 3


def test_other_words_for_all_values_are_compared_as_a_whole(library, made):
    def german(n, entry):
        entry["applied_variations"]["Quality"] = "best quality"
        entry["applied_variations"]["Colour"] = ASKED[n].lower() + " overcoat"

    found = scoring(library).against(made("coats", HALF, ASKED), made("overcoats", ASKED, change=german))
    # a seed is one image here, so that it makes a pair by itself
    assert (found["paired_by"], found["differs"]) == ([], ["Colour", "Quality"])
    [row] = found["values"]
    assert (row["placeholder"], row["key"], row["pairs"], row["change"]) == ("Colour", None, 60, "better")


def test_images_of_one_seed_with_other_values_are_no_pair(library, made):
    def one_seed(n, entry):
        entry["seed"] = 7

    # of the same seed and value the mean counts
    found = scoring(library).against(made("one", HALF, change=one_seed), made("other", ASKED, change=one_seed))
    assert found["overall"]["pairs"] == 3 and found["first"]["images"] == 60


def test_sessions_that_cannot_be_compared(library, made):
    one = made("one", ASKED)
    assert "itself" in refused(library, one, one).message
    other = made("other", ASKED, backend=SeesColours("d" * 16))
    assert "two models called" in refused(library, one, other).message
    away = made("away", ASKED, change=lambda n, entry: entry.update(seed=1000 + n))
    assert "no seed in common" in refused(library, one, away).message
    turned = made("turned", ASKED[::-1], ASKED[::-1])
    assert scoring(library).against(one, turned)["overall"]["pairs"] == 20  # green ones are in the same places
    unknown = made("unknown", ASKED[:3], ASKED[:3])
    with library.catalog.index.store.write() as db:
        db.execute("UPDATE image SET seed=NULL WHERE session=(SELECT id FROM session WHERE slug=?)", (unknown,))
        db.execute("INSERT INTO term(kind, text) VALUES('model', 'one.safetensors'), ('model', 'two.safetensors')")
        for slug, name in ((one, "one.safetensors"), (turned, "two.safetensors")):
            db.execute(
                "UPDATE image SET model=(SELECT id FROM term WHERE text=?), steps=?"
                " WHERE session=(SELECT id FROM session WHERE slug=?)",
                (name, len(slug), slug),
            )
    assert "known seed" in refused(library, one, unknown).message
    assert "two.safetensors" in refused(library, one, turned).message
    with pytest.raises(SDGenError) as caught:
        scoring(library).against(one, "nobody")
    assert caught.value.code == "not-scored"


def test_what_else_differs_is_said(library, made):
    one, other = made("one", ASKED), made("other", ASKED)
    for slug, steps in ((one, 20), (other, 30)):
        with library.catalog.index.store.write() as db:
            db.execute("UPDATE image SET steps=? WHERE session=(SELECT id FROM session WHERE slug=?)", (steps, slug))
    assert scoring(library).against(one, other)["remarks"] == ["steps differs: 20 and 30"]
