"""Scoring over HTTP: ordered, watched, cancelled, reported, and what failed marked as trash."""

from __future__ import annotations

import json
import time

import pytest

from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring import GALLERY_QUEUE, QUEUE
from sdgen_core.scoring.cascade.detectors import DetectorSettings, load
from sdgen_core.scoring.cascade.rules import TierReport
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


def test_two_sessions_are_held_against_each_other(gallery, slug):
    session(gallery.root / "20251121_100000-better", ["Red"] * 4 + ["Blue"] * 4 + ["Red"])
    Importer(gallery.catalog.index).run([gallery.root])
    [(other,)] = gallery.catalog.index.store.rows("SELECT slug FROM session WHERE slug<>?", (slug,))
    asked = ("GET", f"/sdgen/library/sessions/{other}/scores/against/{slug}")
    assert refused(gallery, *asked).code == "not-scored"
    scored(gallery, slug)
    scored(gallery, other)
    found = gallery.ask(*asked)
    assert (found["first"]["session"], found["second"]["session"]) == (slug, other)
    assert (found["overall"]["pairs"], found["overall"]["only_second"]) == (9, 1)
    assert refused(gallery, "GET", f"/sdgen/library/sessions/{slug}/scores/against/{slug}").code == "not-comparable"


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


def test_what_was_said_of_an_image_with_what_it_looks_like_instead(gallery, slug):
    ids = gallery.catalog.find("sort:number")[0]
    nothing = gallery.ask("GET", f"/sdgen/images/{ids[8]}/scores")
    assert nothing["machine"] is None
    scored(gallery, slug)
    told = gallery.ask("GET", f"/sdgen/images/{ids[8]}/scores")["machine"]
    colour, quality = told["values"]["Colour"], told["values"]["Quality"]
    assert told["image_class"] == "failed" and told["flagged"] and not told["staged"]
    assert colour["probability"] < 0.5 and colour["seen"] is False and colour["method"] == "clip"
    assert colour["instead"] == "blue coat" and colour["reason"] is None
    assert (quality["probability"], quality["seen"], quality["reason"]) == (None, None, "quality")
    assert (
        colour["basis"] | {"calibrated": False, "labels": 0, "more": 20, "more_ok": 4, "more_ko": 4} == colour["basis"]
    )
    good = gallery.ask("GET", f"/sdgen/images/{ids[0]}/scores")["machine"]
    assert good["image_class"] == "success" and good["values"]["Colour"]["instead"] is None
    assert refused(gallery, "GET", "/sdgen/images/4711/scores").code == "unknown-item"


def test_values_of_machines_beside_those_of_people(gallery, slug):
    scored(gallery, slug)
    ids = gallery.catalog.find("sort:number")[0]
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:3], "field": "value/Colour", "value": "ok"})
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[8:], "field": "value/Colour", "value": "partial"})
    answer = gallery.ask("GET", "/sdgen/scoring/values")
    rows = {one["text"]: one for one in answer["rows"]}
    assert set(rows) == {"red coat", "blue coat"} and answer["match"] == 0.5
    red = rows["red coat"]
    assert (red["images"], red["matching"], red["judged"]) == (5, 4, 4)
    assert red["rate"] == 0.8 and red["people"] == 3.5 / 4 and red["low"] < 0.8 < red["high"]
    assert rows["blue coat"]["people"] is None
    missed = gallery.ask("GET", "/sdgen/images", q=f'@Colour:"{red["key"]}" score:Colour<{answer["match"]:g}')
    assert missed["total"] == red["images"] - red["matching"]
    assert answer["bases"]["Colour"]["labels"] == 4 and answer["bases"]["Colour"]["more"] == 16
    assert refused(gallery, "GET", "/sdgen/scoring/values", q="nothing:").code == "bad-query"


def test_enough_verdicts_make_a_calibration_when_it_is_scored_again(gallery):
    wanted = ["Red", "Green", "Blue"] * 10
    shown = [("Red", "Green", "Blue")[(n + (n % 5 == 0)) % 3] for n in range(30)]
    session(gallery.root / "20251121_100000-many", shown, wanted)
    Importer(gallery.catalog.index).run([gallery.root])
    [(many,)] = gallery.catalog.index.store.rows("SELECT slug FROM session WHERE name LIKE '%many%'")
    scored(gallery, many)
    ids = gallery.catalog.find(f'session:"{many}" sort:number')[0]
    for verdict, some in (("ko", ids[::5]), ("ok", [one for n, one in enumerate(ids) if n % 5])):
        gallery.ask("POST", "/sdgen/judge", {"ids": some, "field": "value/Colour", "value": verdict})
    basis = gallery.ask("GET", "/sdgen/scoring/agreement")["rows"][1]["basis"]
    assert (basis["labels"], basis["more"], basis["calibrated"], basis["error"]) == (30, 0, False, None)
    scored(gallery, many)
    overall, colour = gallery.ask("GET", "/sdgen/scoring/agreement")["rows"]
    assert overall["basis"] is None and colour["basis"]["calibrated"] and 0 <= colour["basis"]["error"] < 0.2


def test_what_is_staged_is_chosen_and_what_people_spoke_for_stays_unless_it_is_wanted(gallery, slug):
    scored(gallery, slug)
    [failing] = gallery.catalog.find("class:failed")[0]
    gallery.ask("POST", "/sdgen/judge", {"ids": [failing], "field": "mark", "value": "favourite"})
    spared = gallery.ask("GET", "/sdgen/scoring/failed", which="flagged")
    assert (spared["ids"], spared["spared"]) == ([], 1)
    every = gallery.ask("GET", "/sdgen/scoring/failed", which="partial", spare="false")
    assert (every["ids"], every["spared"]) == ([failing], 0)
    body = {"ids": every["ids"], "which": "flagged", "spare": False}
    done = gallery.ask("POST", "/sdgen/scoring/failed", body)
    assert (done["label"], done["changed"]) == ("machine: mark: trash, 1 image flagged", 1)
    gallery.ask("POST", "/sdgen/undo")
    assert gallery.catalog.find("is:favourite")[0] == [failing]


def test_cards_of_sessions_say_what_was_scored(gallery, slug):
    assert gallery.ask("GET", "/sdgen/library/sessions")["sessions"][0]["scores"] is None
    scored(gallery, slug)
    told = gallery.ask("GET", "/sdgen/library/sessions")["sessions"][0]["scores"]
    assert told.pop("mean") > 0.75
    assert told == {"scored": 9, "success": 8, "partial": 0, "failed": 1, "flagged": 1}


def test_classes_are_offered_behind_their_field(gallery, slug):
    scored(gallery, slug)
    offered = gallery.ask("GET", "/sdgen/complete", field="class")["suggestions"]
    assert {one["text"]: one["images"] for one in offered} == {
        "class:success": 8, "class:failed": 1, "class:none": 0, "class:partial": 0,
    }  # fmt: skip


def test_a_scorer_that_will_not_do_is_named_without_its_folder(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "torn.pt").write_bytes(b"nothing")
    made = Gallery(tmp_path)
    made.engine.scoring = Jobs(made.library, tmp_path / "scoring", [models])
    try:
        session(made.root / "20251120_100000-coats", ["Red", "Blue"])
        Importer(made.catalog.index).run([made.root])
        [(slug,)] = made.catalog.index.store.rows("SELECT slug FROM session")
        made.ask("POST", "/sdgen/scoring", {"sessions": [slug], "scorer": "torn.pt"})
        deadline = time.monotonic() + 60
        while not (state := made.ask("GET", "/sdgen/scoring"))["failed"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [failure] = state["failed"]
        assert failure["error"] == "scorer-bad-file" and failure["message"].startswith("torn.pt: ")
        assert failure["hint"] == "Copy or download the file again."
        assert str(tmp_path) not in str([state, made.told])
    finally:
        made.engine.close()
        made.close()


def test_the_gallerys_own_server_goes_on_with_its_queue_and_leaves_comfyuis_alone(tmp_path):
    made = Gallery(tmp_path)
    try:
        session(made.root / "20251120_100000-coats", ["Red", "Blue"])
        Importer(made.catalog.index).run([made.root])
        [(slug,)] = made.catalog.index.store.rows("SELECT slug FROM session")
        folder = made.library.folder / "scoring"
        folder.mkdir()
        (folder / QUEUE).write_text('[{"session": "of comfyui", "scorer": "demo"}]', encoding="utf-8")
        made.engine.begin()
        assert "scoring" not in vars(made.engine)  # nothing is loaded where nothing waits
        (folder / GALLERY_QUEUE).write_text(json.dumps([{"session": slug, "scorer": "none"}]), encoding="utf-8")
        made.engine.begin()
        deadline = time.monotonic() + 60
        while not (state := made.ask("GET", "/sdgen/scoring"))["failed"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [one["session"] for one in state["failed"]] == [slug]
        assert json.loads((folder / QUEUE).read_text()) == [{"session": "of comfyui", "scorer": "demo"}]
    finally:
        made.engine.close()
        made.close()


def test_where_models_of_the_cascade_are_is_nobodys_business(gallery, slug, tmp_path, monkeypatch):
    scored(gallery, slug)
    with pytest.raises(SDGenError) as caught:
        load(DetectorSettings(path=str(tmp_path / "elsewhere" / "faces.onnx")))
    tier = TierReport("crops", failures={"no-region": (1, f"{gallery.root}/a.png: none")}, gave_up=caught.value)
    report = {**gallery.engine.scoring.report(slug), "cascade": [tier.to_dict()]}
    monkeypatch.setattr(gallery.engine.scoring, "report", lambda session: report)
    [told] = gallery.ask("GET", f"/sdgen/library/sessions/{slug}/scores")["cascade"]
    error = told["gave_up"]
    assert (error["error"], error["file"]) == ("detector-missing", "faces.onnx")
    assert "faces.onnx" in error["message"] and told["failures"][0]["message"] == "a.png: none"
    assert str(tmp_path) not in str(told)


def test_of_a_session_without_a_report_it_is_said_what_cannot_be_seen(gallery, slug, monkeypatch):
    """As while it is being made: its images are scored one by one."""
    scored(gallery, slug)

    def no_report(session):
        raise SDGenError("not-scored", session)

    monkeypatch.setattr(gallery.engine.scoring, "report", no_report)
    [first, *_] = gallery.catalog.find("sort:number")[0]
    values = gallery.ask("GET", f"/sdgen/images/{first}/scores")["machine"]["values"]
    assert values["Quality"]["reason"] == "quality"
