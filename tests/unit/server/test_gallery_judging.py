"""The catalog's routes that judge, take back and keep: what they change, what they refuse, whom they tell."""

from __future__ import annotations

import json

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.server import gallery_judging

from ..catalog.library import judged
from .gallery import Gallery


@pytest.fixture
def gallery(tmp_path):
    made = Gallery(tmp_path)
    yield made
    made.close()


def refused(gallery, *asked, **more):
    with pytest.raises(SDGenError) as caught:
        gallery.ask(*asked, **more)
    return caught.value


def marked(gallery, flag="favourite"):
    return gallery.catalog.find(f"is:{flag} sort:number")[0]


def test_images_are_judged_by_ids_or_by_a_query_as_one_step(gallery):
    ids = gallery.put(9)
    one = gallery.ask("POST", "/sdgen/judge", {"ids": ids[:2], "field": "mark", "value": "favourite"})
    assert one == {
        "label": "mark: favourite, 2 images",
        "changed": 2,
        "undo": "mark: favourite, 2 images",
        "redo": None,
    }
    gallery.ask("POST", "/sdgen/judge", {"q": "Hair:Red", "field": "mark", "value": "favourite"})
    assert marked(gallery) == [ids[0], ids[1], ids[3], ids[6]]
    gallery.ask("POST", "/sdgen/undo")
    assert marked(gallery) == ids[:2]
    cleared = gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": "mark", "value": None})
    assert (cleared["label"], cleared["changed"], marked(gallery)) == ("mark: cleared, 9 images", 2, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mark", "interesting"),
        ("failed", "yes"),
        ("rating", "5"),
        ("note", "<b>mine</b>"),
        ("tag/wet street", "yes"),
        ("value/Hair", "no-effect"),
    ],
)
def test_undo_restores_and_redo_does_again(gallery, field, value):
    ids = gallery.put(6)
    before = judged(gallery.catalog.index)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": field, "value": value})
    after = judged(gallery.catalog.index)
    assert after != before
    undone = gallery.ask("POST", "/sdgen/undo")
    assert (undone["changed"], undone["undo"], undone["redo"]) == (6, None, undone["label"])
    assert judged(gallery.catalog.index) == before
    assert gallery.ask("POST", "/sdgen/redo")["changed"] == 6
    assert judged(gallery.catalog.index) == after
    assert gallery.ask("POST", "/sdgen/redo")["label"] is None


def test_what_cannot_be_said_changes_nothing(gallery):
    ids = gallery.put(3)
    before = gallery.version("/sdgen/images")
    for field, value, near in (
        ("mark", "favorite", ["favourite"]),
        ("ratng", "3", ["rating"]),
        ("rating", "6", []),
        ("value/Hair", "k", []),
        ("value/Haar", "ko", ["Hair"]),
        ("value/Hat", None, []),
        ("tag/a,b", "yes", []),
    ):
        error = refused(gallery, "POST", "/sdgen/judge", {"ids": ids, "field": field, "value": value})
        assert error.code == "bad-judgement", field
        assert set(near) <= set(error.nearest), field
    unknown = refused(gallery, "POST", "/sdgen/judge", {"ids": [*ids, 99], "field": "mark", "value": "trash"})
    assert unknown.code == "unknown-item"
    assert refused(gallery, "POST", "/sdgen/judge", {"q": "is:x", "field": "mark", "value": None}).code == "bad-query"
    for body in (
        {"field": "mark", "value": "trash"},
        {"ids": ids, "q": "", "field": "mark", "value": "trash"},
        {"ids": [], "field": "mark", "value": "trash"},
        {"ids": ids, "field": "mark"},
        {"ids": ids, "field": "mark", "value": 1},
    ):
        with pytest.raises(ValueError):
            gallery.ask("POST", "/sdgen/judge", body)
    assert gallery.version("/sdgen/images") == before
    assert gallery.told == []


def test_a_step_is_about_so_many_images_at_most(gallery, monkeypatch):
    gallery.put(4)
    monkeypatch.setattr(gallery_judging, "MOST_IMAGES", 3)
    error = refused(gallery, "POST", "/sdgen/judge", {"q": "", "field": "mark", "value": "trash"})
    assert (error.code, "4 images" in error.message, marked(gallery, "trash")) == ("bad-request", True, [])


def test_sessions_are_judged_too(gallery):
    gallery.put(2)
    gallery.put(2, "two")
    gallery.ask("POST", "/sdgen/judge/sessions", {"sessions": ["one", "two"], "field": "rating", "value": "like"})
    assert gallery.told == [("sessions", {"sessions": ["one", "two"]})]
    ratings = gallery.catalog.index.store.rows("SELECT rating FROM session")
    assert ratings == [("like",), ("like",)]
    gallery.told.clear()
    gallery.ask("POST", "/sdgen/undo")
    assert gallery.told == [("sessions", {"sessions": ["one", "two"]})]
    error = refused(gallery, "POST", "/sdgen/judge/sessions", {"sessions": ["on"], "field": "rating", "value": "like"})
    assert (error.code, error.nearest) == ("unknown-session", ["one"])


def test_every_change_is_told_once_to_all(gallery):
    ids, others = gallery.put(3), gallery.put(2, "two")

    def told(method, path, body=None):
        gallery.told.clear()
        gallery.ask(method, path, body)
        return gallery.told

    both = [ids[0], others[1]]
    expected = [
        ("images", {"added": [], "changed": both, "session": None}),
        ("sessions", {"sessions": ["one", "two"]}),
    ]
    assert told("POST", "/sdgen/judge", {"ids": both, "field": "mark", "value": "trash"}) == expected
    assert told("POST", "/sdgen/undo") == expected
    assert told("POST", "/sdgen/redo") == expected
    assert told("POST", "/sdgen/redo") == []
    assert told("POST", "/sdgen/judge", {"ids": both, "field": "mark", "value": "trash"}) == []
    assert told("GET", "/sdgen/images") == []
    assert json.loads(json.dumps(expected[0][1])) == expected[0][1]


def test_the_history_is_what_can_be_taken_back(gallery):
    ids = gallery.put(2)
    for value in ("1", "2", "3"):
        gallery.ask("POST", "/sdgen/judge", {"ids": ids[:1], "field": "rating", "value": value})
    gallery.ask("POST", "/sdgen/undo")
    steps = gallery.ask("GET", "/sdgen/history")["steps"]
    assert [(step["label"], step["state"]) for step in steps] == [
        ("rating: 3, 1 image", "undone"),
        ("rating: 2, 1 image", "done"),
        ("rating: 1, 1 image", "done"),
    ]
    assert len(gallery.ask("GET", "/sdgen/history", limit=2)["steps"]) == 2
    gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": "failed", "value": "yes"})
    labels = [step["label"] for step in gallery.ask("GET", "/sdgen/history")["steps"]]
    assert labels == ["failed: yes, 2 images", "rating: 2, 1 image", "rating: 1, 1 image"]


def test_queries_are_kept_under_names(gallery):
    gallery.put(1)
    saved = gallery.ask("POST", "/sdgen/queries", {"name": "mine", "q": "hair:Red   is:failed"})
    assert saved == {"queries": [{"name": "mine", "q": "@hair:Red is:failed"}]}
    assert gallery.ask("GET", "/sdgen/queries") == saved
    assert refused(gallery, "POST", "/sdgen/queries", {"name": "x", "q": "is:nothing"}).code == "bad-query"
    assert refused(gallery, "POST", "/sdgen/queries", {"name": " ", "q": ""}).code == "bad-query"
    assert gallery.ask("POST", "/sdgen/queries", {"name": "mine", "q": None}) == {"queries": []}
    gallery.ask("POST", "/sdgen/undo")
    assert gallery.ask("GET", "/sdgen/queries") == saved


def test_judgements_travel_as_a_file(gallery, tmp_path):
    ids = gallery.put(4)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:2], "field": "note", "value": "größer 🙂"})
    gallery.ask("POST", "/sdgen/judge/sessions", {"sessions": ["one"], "field": "favourite", "value": "yes"})
    file = gallery.ask("GET", "/sdgen/judgements")
    assert (file.type, file.name) == ("application/x-ndjson", "sdgen-judgements.jsonl")
    before = judged(gallery.catalog.index)
    (tmp_path / "other").mkdir()
    other = Gallery(tmp_path / "other")
    try:
        other.put(4)
        text = file.content.decode("utf-8")
        body = {"text": text + '{"kind": "image"}\nnonsense\n'}
        done = other.ask("POST", "/sdgen/judgements", body)
        assert (done["lines"], done["newer"], done["changed"], len(done["problems"])) == (5, 3, 2, 2)
        assert judged(other.catalog.index) == before
        assert other.told == [
            ("images", {"added": [], "changed": ids[:2], "session": None}),
            ("sessions", {"sessions": ["one"]}),
        ]
        again = other.ask("POST", "/sdgen/judgements", {"text": text})
        assert (again["newer"], again["changed"]) == (0, 0)
        assert other.ask("POST", "/sdgen/undo")["changed"] == 2
        error = refused(other, "POST", "/sdgen/judgements", {"text": "{}\n"})
        assert (error.code, error.message) == ("bad-judgement", "this is no export of judgements")
    finally:
        other.close()


# ---- the trash -------------------------------------------------------------------------------------------------------------


def test_the_trash_is_shown_and_emptied_by_ids(gallery, tmp_path, monkeypatch):
    ids = gallery.imported(4)
    thrown = []
    monkeypatch.setattr(
        "sdgen_core.catalog.trash_files._to_trash", lambda path: (thrown.append(path.name), path.unlink())
    )
    assert gallery.ask("GET", "/sdgen/trash")["images"] == 0
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:3], "field": "mark", "value": "trash"})
    gallery.library.file(ids[2]).unlink()
    shown = gallery.ask("GET", "/sdgen/trash")
    assert (shown["ids"], shown["images"], len(shown["sessions"])) == (ids[:2], 2, 1)
    assert [(one["image"], one["code"]) for one in shown["refused"]] == [(ids[2], "missing-file")]
    assert gallery.ask("POST", "/sdgen/trash/preview", {"q": "number:0"})["ids"] == ids[:1]
    gallery.told.clear()
    report = gallery.ask("POST", "/sdgen/trash/empty", {"ids": [ids[0], ids[3]]})
    assert (report["removed"], thrown) == (ids[:1], ["mine_0000_seed-40.png"])
    assert [(one["image"], one["code"]) for one in report["refused"]] == [(ids[3], "not-in-trash")]
    assert str(tmp_path) not in json.dumps([shown, report])
    (slug,) = report["sessions"]
    assert gallery.told == [
        ("images", {"added": [], "changed": ids[:1], "session": None}),
        ("sessions", {"sessions": [slug]}),
    ]
    assert gallery.ask("GET", f"/sdgen/images/{ids[0]}")["missing"]


def test_an_error_of_the_trash_names_no_folder(gallery, tmp_path, monkeypatch):
    ids = gallery.imported(1)

    def fails(path):
        raise OSError(1, f"{path} is in use")

    monkeypatch.setattr("sdgen_core.catalog.trash_files._to_trash", fails)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": "mark", "value": "trash"})
    report = gallery.ask("POST", "/sdgen/trash/empty", {"ids": ids})
    assert (report["removed"], report["refused"][0]["code"]) == ([], "not-removed")
    assert "mine_0000_seed-40.png" in report["refused"][0]["reason"]
    assert str(tmp_path) not in json.dumps(report)
