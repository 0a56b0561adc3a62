"""The route that says what to judge next."""

from __future__ import annotations

import pytest

from sdgen_core.errors import SDGenError

from .gallery import HAIR, Gallery


@pytest.fixture
def gallery(tmp_path):
    made = Gallery(tmp_path)
    yield made
    made.close()


def test_the_queue_and_what_is_known(gallery):
    ids = gallery.put(30)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:15], "field": "value/Hair", "value": "ok"})
    found = gallery.ask("GET", "/sdgen/review", q="session:one", limit=5)
    assert len(found["ids"]) == 5 and set(found["ids"]) <= set(ids[15:])
    assert (found["open"], found["known"], found["narrow"]) == (15, 10, 0)
    hair = {value["key"]: value for value in found["values"] if value["placeholder"] == "Hair"}
    assert set(hair) == set(HAIR)
    assert hair["Red"]["judged"] == 5 and hair["Red"]["open"] == 5 and hair["Red"]["text"] == "a Red"
    widths = [value["width"] for value in found["values"]]
    assert widths == sorted(widths, reverse=True)


def test_one_placeholder(gallery):
    ids = gallery.put(6)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:2], "field": "value/Hair", "value": "ko"})
    assert set(gallery.ask("GET", "/sdgen/review", placeholder="Hair")["ids"]) == set(ids[2:])
    assert set(gallery.ask("GET", "/sdgen/review", placeholder="Coat")["ids"]) == set(ids)
    with pytest.raises(SDGenError) as caught:
        gallery.ask("GET", "/sdgen/review", placeholder="Hiar")
    assert caught.value.code == "unknown-item" and "Hair" in str(caught.value)


def test_enough_is_known(gallery):
    ids = gallery.put(300)
    for name in ("Hair", "Coat"):
        gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": f"value/{name}", "value": "ok"})
    found = gallery.ask("GET", "/sdgen/review")
    assert found["ids"] == [] and found["open"] == 0 and found["known"] == found["narrow"] == 10


def test_what_is_not_there_is_remarked_and_what_is_no_query_refused(gallery):
    gallery.put(3)
    found = gallery.ask("GET", "/sdgen/review", q="Hair:Rde")
    assert found["ids"] == [] and "Red" in found["remarks"][0]
    with pytest.raises(SDGenError):
        gallery.ask("GET", "/sdgen/review", q="seed:x")


def test_the_version_changes_with_what_is_said(gallery):
    ids = gallery.put(3)
    before = gallery.version("/sdgen/review")
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:1], "field": "mark", "value": "trash"})
    assert gallery.version("/sdgen/review") != before
