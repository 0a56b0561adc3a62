"""The catalog's routes about sessions of the library."""

from __future__ import annotations

import json

import pytest

from sdgen_core.errors import SDGenError

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


def test_the_list_pages_through_all_sessions_once_in_every_order(gallery):
    for n in range(7):
        gallery.put(n + 1, f"s{n}")
    gallery.ask("POST", "/sdgen/judge/sessions", {"sessions": ["s2", "s5"], "field": "rating", "value": "like"})
    for sort in ("-started", "name", "-images", "rating", "-rating", "seed", "completion"):
        found, after = [], None
        while True:
            page = gallery.ask(
                "GET", "/sdgen/library/sessions", sort=sort, limit=3, **({"after": after} if after else {})
            )
            found += [card["slug"] for card in page["sessions"]]
            after = page["next"]
            if after is None:
                break
        assert (sorted(found), page["total"]) == ([f"s{n}" for n in range(7)], 7), sort
    liked = gallery.ask("GET", "/sdgen/library/sessions", rating=["like"])
    assert {card["slug"] for card in liked["sessions"]} == {"s2", "s5"}
    assert liked["bounds"]["counts"]["rating"] == {"": 5, "like": 2}
    assert refused(gallery, "GET", "/sdgen/library/sessions", sort="imges").nearest == ["images"]
    assert refused(gallery, "GET", "/sdgen/library/sessions", after="none").code == "unknown-session"
    assert refused(gallery, "GET", "/sdgen/library/sessions", date="maybe").code == "bad-query"


def test_a_card_has_its_counters_and_thumbnails(gallery):
    ids = gallery.put(6)
    gallery.catalog.judge(ids[:2], "mark", "favourite")
    gallery.catalog.judge(ids[:1], "value/Hair", "ok")
    gallery.catalog.judge_sessions(["one"], "tag/keep", "yes")
    gallery.catalog.index.set_missing(ids[5:], True)
    (card,) = gallery.ask("GET", "/sdgen/library/sessions")["sessions"]
    assert (card["images"], card["missing"], card["favourites"], card["judged"], card["tags"]) == (5, 1, 2, 1, ["keep"])
    assert (card["planned"], card["found_planned"], card["completion"]) == (6, 5, 5 / 6)
    assert len(card["thumbs"]) == 4
    assert card["thumbs"][0]["small"] == f"/sdgen/thumbs/{4:016x}-256.webp"


def test_facts_of_a_session_name_gaps_and_no_folder(gallery, tmp_path):
    ids = gallery.imported(5)
    gallery.catalog.index.set_missing([ids[1], ids[2], ids[4]], True)
    gallery.catalog.judge(ids[:1], "value/Hair", "ko")
    (card,) = gallery.ask("GET", "/sdgen/library/sessions")["sessions"]
    facts = gallery.ask("GET", f"/sdgen/library/sessions/{card['slug']}")
    assert {name: facts[name] for name in card} == card
    assert facts["gaps"] == [{"first": 1, "last": 2}, {"first": 4, "last": 4}]
    assert (facts["gap_count"], facts["gap_images"], facts["folder"]) == (2, 3, "mine")
    (hair,) = facts["placeholders"]
    assert (hair["name"], hair["available"]) == ("Hair", 2)
    assert (hair["values"][0]["key"], hair["values"][0]["images"], hair["values"][0]["verdicts"]["ko"]) == ("Red", 2, 1)
    assert facts["seed_counts"] == [{"seed": "40", "images": 1}, {"seed": "43", "images": 1}]
    assert facts["seeds"]["least"] == facts["base_seed"] == "40"
    assert str(tmp_path) not in json.dumps(facts)
    error = refused(gallery, "GET", "/sdgen/library/sessions/" + card["slug"][:-1])
    assert (error.code, error.nearest) == ("unknown-session", [card["slug"]])
