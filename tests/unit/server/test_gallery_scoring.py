"""Scoring over HTTP: ordered, watched, cancelled, reported, and what failed marked as trash."""

from __future__ import annotations

import time

import pytest

from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring.jobs import Jobs

from ..scoring.colours import SeesColours, session
from .gallery import Gallery


@pytest.fixture
def gallery(tmp_path):
    made = Gallery(tmp_path)
    made.engine.scoring = Jobs(
        made.library, tmp_path / "scoring", [tmp_path / "models"], loaded=lambda _: SeesColours()
    )
    session(made.root / "20251120_100000-coats", ["Red"] * 4 + ["Blue"] * 5, ["Red"] * 4 + ["Blue"] * 4 + ["Red"])
    Importer(made.catalog.index).run([made.root])
    yield made
    made.engine.close()
    made.close()


@pytest.fixture
def slug(gallery):
    [(slug,)] = gallery.catalog.index.store.rows("SELECT slug FROM session")
    return slug


def scored(gallery, slug):
    gallery.ask("POST", "/sdgen/scoring", {"sessions": [slug], "scorer": "demo"})
    deadline = time.monotonic() + 30
    while (state := gallery.ask("GET", "/sdgen/scoring"))["running"] or state["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return state


def refused(gallery, *asked, **more):
    with pytest.raises(SDGenError) as caught:
        gallery.ask(*asked, **more)
    return caught.value


def test_a_session_is_scored_and_reported(gallery, slug):
    assert refused(gallery, "GET", f"/sdgen/library/sessions/{slug}/scores").code == "not-scored"
    assert scored(gallery, slug)["failed"] == []
    report = gallery.ask("GET", f"/sdgen/library/sessions/{slug}/scores")
    assert report["classes"] == {"success": 8, "partial": 0, "failed": 1, "none": 0}
    assert [one["placeholder"] for one in report["placeholders"]] == ["Colour", "Quality"]
    assert {kind for kind, _ in gallery.told} >= {"scoring", "images"}
    assert gallery.ask("GET", "/sdgen/images", q="class:failed")["total"] == 1


def test_where_files_are_is_nobodys_business(gallery, slug):
    (gallery.root / "20251120_100000-coats" / "image_0002.png").write_bytes(b"broken")
    scored(gallery, slug)
    [failure] = gallery.ask("GET", f"/sdgen/library/sessions/{slug}/scores")["failures"]
    assert str(gallery.root) not in str(failure) and "image_0002.png" in failure["file"]


def test_what_is_not_there_is_refused(gallery, slug):
    body = {"sessions": [slug, "nobody"], "scorer": "demo"}
    assert refused(gallery, "POST", "/sdgen/scoring", body).code == "unknown-session"
    assert gallery.ask("GET", "/sdgen/scoring")["waiting"] == []
    assert gallery.ask("POST", "/sdgen/scoring/cancel", {})["running"] is None
    assert all(one["problem"] == "" for one in gallery.ask("GET", "/sdgen/scorers")["scorers"])


def test_people_against_the_machine(gallery, slug):
    scored(gallery, slug)
    ids = gallery.catalog.find("sort:number")[0]
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:3], "field": "value/Colour", "value": "ok"})
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[8:], "field": "value/Colour", "value": "ko"})
    [overall, colour] = gallery.ask("GET", "/sdgen/scoring/agreement")["rows"]
    assert (overall["placeholder"], colour["placeholder"], colour["labels"]) == (None, "Colour", 4)
    assert colour["agree"] == 1 and colour["kappa"] == 1
    assert refused(gallery, "GET", "/sdgen/scoring/agreement", q="nothing:").code == "bad-query"


def test_what_failed_is_shown_and_then_marked_as_one_step(gallery, slug):
    scored(gallery, slug)
    preview = gallery.ask("GET", "/sdgen/scoring/failed")
    assert len(preview["ids"]) == 1 and preview["bytes"] > 0
    assert [value["images"] for value in preview["values"]] == [1, 1]
    assert gallery.ask("POST", "/sdgen/scoring/failed", {"ids": []})["changed"] == 0
    done = gallery.ask("POST", "/sdgen/scoring/failed", {"ids": preview["ids"]})
    assert done["changed"] == 1 and gallery.catalog.find("is:trash")[0] == preview["ids"]
    gallery.ask("POST", "/sdgen/undo")
    assert gallery.catalog.find("is:trash")[0] == []
