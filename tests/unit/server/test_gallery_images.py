"""The catalog's routes about images: pages, id vectors, cards, everything about one, files and thumbnails."""

from __future__ import annotations

import gc
import json
import random
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdgen_core.catalog.query import SORTS, parse
from sdgen_core.errors import SDGenError
from sdgen_core.server import gallery_pages
from sdgen_core.server.model_images import ImagesPage
from sdgen_core.sessions.metadata import encode_png

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


def walk(gallery, meanwhile=lambda page: None, **asked):
    """The ids of all pages."""
    found, after = [], None
    while True:
        page = gallery.ask("GET", "/sdgen/images", **asked, **({"after": after} if after else {}))
        found += [card["id"] for card in page["images"]]
        after = page["next"]
        if after is None:
            return found
        meanwhile(page)


# ---- pages -----------------------------------------------------------------------------------------------------------------


def test_a_page_shows_cards_in_the_order_of_the_query(gallery):
    ids = gallery.put(7)
    gallery.catalog.judge(ids[:1], "value/Hair", "ok")
    gallery.catalog.judge(ids[:1], "rating", "4")
    gallery.catalog.judge(ids[:1], "mark", "favourite")
    page = gallery.ask("GET", "/sdgen/images", q="Hair:Red sort:number", limit=2)
    assert [card["id"] for card in page["images"]] == [ids[0], ids[3]]
    assert (page["total"], page["remarks"], page["version"]) == (3, [], gallery.version("/sdgen/facets"))
    assert page["images"][0] == {
        "id": ids[0],
        "session": "one",
        "file": "one_0000.png",
        "number": 0,
        "created": 1_000,
        "width": 64,
        "height": 96,
        "seed": "0",
        "mark": "favourite",
        "failed": False,
        "rating": 4,
        "judged": 1,
        "missing": False,
        "broken": False,
        "thumb": f"{0:016x}",
        "thumbs": {
            "small": "/sdgen/thumbs/0000000000000000-256.webp",
            "large": "/sdgen/thumbs/0000000000000000-512.webp",
        },
    }
    last = gallery.ask("GET", "/sdgen/images", q="Hair:Red sort:number", limit=2, after=page["next"])
    assert ([card["id"] for card in last["images"]], last["next"]) == ([ids[6]], None)
    assert gallery.ask("GET", "/sdgen/images", sort="-number", limit=1)["images"][0]["id"] == ids[-1]


def test_seeds_are_whole_beyond_the_numbers_of_javascript(gallery):
    gallery.put(1, seed=2**64 - 1)
    (card,) = gallery.ask("GET", "/sdgen/images")["images"]
    assert card["seed"] == "18446744073709551615"
    assert gallery.ask("GET", f"/sdgen/images/{card['id']}")["seed"] == card["seed"]


def test_trash_and_what_is_gone_are_left_out_unless_asked_for(gallery):
    ids = gallery.put(3)
    gallery.catalog.judge(ids[:1], "mark", "trash")
    gallery.catalog.index.set_missing(ids[1:2], True)
    assert walk(gallery) == ids[2:]
    assert walk(gallery, q="is:trash") == ids[:1]


def test_a_query_as_json_finds_the_same(gallery):
    gallery.put(20)
    text = "Hair:Red,Blue -Coat:Coat1 seed:3..15 sort:seed"
    page = gallery.ask("GET", "/sdgen/images", q=text, limit=3)
    body = {"query": parse(text).model_dump(), "limit": 3}
    found = gallery.ask("POST", "/sdgen/images/find", body)
    assert found == page
    rest = gallery.ask("POST", "/sdgen/images/find", {**body, "limit": 500, "after": found["next"]})
    assert [card["id"] for card in page["images"] + rest["images"]] == walk(gallery, q=text)
    wrong = {"query": {"clauses": [{"field": "colour", "any": ["x"]}]}}
    assert refused(gallery, "POST", "/sdgen/images/find", wrong).code == "bad-query"


ORDERS = [*SORTS, "random:7", "value:Hair", "score:Hair", "like:1"]


@pytest.mark.parametrize("remembered", [True, False])
def test_paging_meets_every_image_once_in_every_order_while_images_are_judged(gallery, monkeypatch, remembered):
    ids = gallery.put(41)
    gallery.catalog.judge(ids[5:9], "rating", "3")
    say = random.Random(4)

    def meanwhile(page):
        """Judge images that were seen, and ones that come later, in all ways that sort and filter."""
        field, value = say.choice(
            [
                ("rating", "5"),
                ("rating", None),
                ("mark", "favourite"),
                ("value/Hair", "ko"),
                ("note", "x"),
                ("mark", None),
            ]
        )
        seen = page["images"][0]["id"]
        # without what was found, an image that moves is met where it is: so only what was met is judged then
        gallery.catalog.judge([seen, *(say.sample(ids, 3) if remembered else ())], field, value)
        if not remembered:
            monkeypatch.setattr(gallery_pages.Memory, "known", lambda self, name: None)

    for sort in ORDERS:
        for sign in ("", "-"):
            found = walk(gallery, meanwhile, sort=sign + sort, limit=4)
            if remembered:
                assert sorted(found) == ids, sign + sort
            else:
                assert set(found) == set(ids), sign + sort
                if sort not in ("rating", "mark", "judged"):
                    assert len(found) == len(ids), sign + sort


def test_pages_stay_what_the_first_one_began(gallery):
    ids = gallery.put(9)

    def judge_the_rest(page):
        gallery.catalog.judge(ids, "failed", "yes")

    assert walk(gallery, judge_the_rest, q="-is:failed", sort="number", limit=2) == ids
    assert walk(gallery, q="-is:failed") == []


def test_after_a_restart_pages_go_on_behind_the_last_image(gallery, tmp_path):
    ids = gallery.put(10)
    first = gallery.ask("GET", "/sdgen/images", q="Hair:Red,Blue", sort="-number", limit=3)
    gallery.catalog.judge([first["images"][-1]["id"]], "mark", "trash")
    gallery.close()
    gallery.library.__init__(tmp_path / "catalog", [gallery.root])
    rest = gallery.ask("GET", "/sdgen/images", q="Hair:Red,Blue", sort="-number", after=first["next"])
    expected = [image for n, image in reversed(list(enumerate(ids))) if n % 3 != 2]
    assert [card["id"] for card in rest["images"]] == expected[3:]
    assert rest["total"] == len(expected) - 1


def test_a_cursor_is_taken_for_what_it_was_given_for(gallery):
    gallery.put(9)
    after = gallery.ask("GET", "/sdgen/images", limit=2)["next"]
    for wrong in ("x", "!!!!", after[:-1], after + "A", after[::-1], "AAAA", after[:-6] + "AAAAAA"):
        error = refused(gallery, "GET", "/sdgen/images", after=wrong)
        assert error.code == "bad-request", wrong
    assert "another query" in refused(gallery, "GET", "/sdgen/images", q="Hair:Red", after=after).message
    assert "another query" in refused(gallery, "GET", "/sdgen/images", sort="seed", after=after).message


def test_a_large_library_shows_its_newest_before_it_is_read(gallery, monkeypatch):
    ids = gallery.put(23)
    monkeypatch.setattr(gallery_pages, "_LARGE", 10)
    found, after = [], None
    while True:
        page = gallery.ask("GET", "/sdgen/images", limit=5, q="Hair:Red,Blue", **({"after": after} if after else {}))
        found += [card["id"] for card in page["images"]]
        after = page["next"]
        if after is None:
            break
        assert (page["total"], gallery.catalog.snapshot.loaded) == ((None, False) if len(found) <= 10 else (16, True))
        if len(found) == 10:
            gallery.catalog.snapshot.refresh()
    assert found == [image for n, image in reversed(list(enumerate(ids))) if n % 3 != 2]
    assert gallery.ask("GET", "/sdgen/images", sort="seed", limit=1)["total"] == 23


def test_what_sessions_are_called_counts_at_once(gallery):
    ids = gallery.put(2)
    assert walk(gallery, q="session:mine") == []
    gallery.catalog.judge_sessions(["one"], "name", "mine")
    assert sorted(walk(gallery, q="session:mine")) == ids


def test_what_is_remembered_is_limited_and_goes_with_its_catalog(gallery):
    gallery.put(5)
    for n in range(3 * gallery_pages._MOST):
        gallery.ask("GET", "/sdgen/images", sort=f"random:{n}")
    assert len(gallery_pages.memory(gallery.catalog)) == gallery_pages._MOST
    remembered = weakref.ref(gallery_pages.memory(gallery.catalog))
    gallery.close()
    gallery.library, gallery.engine = None, None
    gc.collect()
    assert remembered() is None


def test_what_is_wrong_with_a_query_is_said_with_the_nearest_name(gallery):
    gallery.put(3)
    assert refused(gallery, "GET", "/sdgen/images", q="is:favorite").nearest == ["favourite"]
    assert refused(gallery, "GET", "/sdgen/images", q='cat "open').message.startswith("column 4: ")
    assert refused(gallery, "GET", "/sdgen/images", sort="sead").nearest == ["seed"]
    assert refused(gallery, "GET", "/sdgen/images", sort="seed is:failed").code == "bad-query"
    page = gallery.ask("GET", "/sdgen/images", q="Hair:Rad")
    assert (page["total"], page["remarks"]) == (0, ["there is no value 'Rad' of Hair; nearest: Red"])


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"limit": -1}, {"q": "x" * 4_001}, {"page": 2}])
def test_limits_are_the_models_own(query):
    route, _ = Gallery.route("GET", "/sdgen/images")
    with pytest.raises(ValueError):
        route.query.model_validate(query)


@pytest.mark.parametrize(
    "text",
    [
        "seed:" + "9" * 3_990,
        "cfg:" + "9" * 400,
        "rating:>" + "9" * 25,
        "seed:1.." + "9" * 1_500,
        "seed:-" + "9" * 1_500 + "..5",
        "bytes:.." + "9" * 400,
        "cfg:<=" + "9" * 30,
        "created:1",
        "date:99999d",
        "date:9999",
        "score:Hair<1e5",
        "score:Hair>=" + "9" * 400,
        "number:" + "9" * 19,
        "width:1.5",
    ],
)
def test_numbers_of_any_length_are_answered_or_refused(gallery, text):
    gallery.put(3)
    try:
        assert gallery.ask("GET", "/sdgen/images", q=text)["total"] in (0, 2, 3)
    except SDGenError as error:
        assert error.code == "bad-query"


# ---- id vectors and cards --------------------------------------------------------------------------------------------------


def test_the_id_vector_is_the_pages_in_one(gallery):
    gallery.put(30)
    asked = {"q": "Hair:Red,Green", "sort": "random:3"}
    file = gallery.ask("GET", "/sdgen/images/ids", **asked)
    as_json = gallery.ask("GET", "/sdgen/images/ids", form="json", **asked)
    assert file.type == "application/octet-stream"
    assert np.frombuffer(file.content, "<i4").tolist() == as_json["ids"] == walk(gallery, limit=7, **asked)
    assert as_json["total"] == 20
    assert gallery.ask("GET", "/sdgen/images/ids", q="Hair:Nobody").content == b""


def test_cards_come_in_the_order_asked_for(gallery):
    ids = gallery.put(5)
    cards = gallery.ask("POST", "/sdgen/images/cards", {"ids": [ids[3], 999, ids[0], ids[3]]})["images"]
    assert [card["id"] for card in cards] == [ids[3], ids[0], ids[3]]
    for wrong in (
        {"ids": [1] * 501},
        {"ids": ["1"]},
        {"ids": [True]},
        {"ids": [1.5]},
        {"ids": [-1]},
        {"ids": [2**60]},
        {},
    ):
        with pytest.raises(ValueError):
            gallery.ask("POST", "/sdgen/images/cards", wrong)


def test_the_version_changes_with_every_judgement_and_image(gallery):
    ids = gallery.put(2)
    gallery.ask("GET", "/sdgen/images")
    seen = {gallery.version("/sdgen/images")}
    assert {gallery.version("/sdgen/images")} == seen
    for change in (
        lambda: gallery.catalog.judge(ids, "mark", "favourite"),
        gallery.catalog.undo,
        lambda: gallery.catalog.save_query("mine", "is:failed"),
        lambda: gallery.put(1, "two"),
    ):
        change()
        assert gallery.version("/sdgen/images") not in seen
        seen.add(gallery.version("/sdgen/images"))


# ---- one image -------------------------------------------------------------------------------------------------------------


def test_details_say_everything_but_where_the_file_is(gallery, tmp_path):
    image, *_ = gallery.imported()
    gallery.catalog.judge([image], "value/Hair", "partial")
    gallery.catalog.judge([image], "tag/poster", "yes")
    found = gallery.ask("GET", f"/sdgen/images/{image}")
    assert found["values"] == {"Hair": {"key": "Red", "text": "red hair", "verdict": "partial", "score": None}}
    assert (found["seed"], found["model"], found["sampler"], found["cfg"]) == ("40", "mine_v1", "euler", 4.5)
    assert (found["tags"], found["judged"], found["prompt"], found["negative"]) == (["poster"], 1, "red hair", "blurry")
    assert str(tmp_path) not in json.dumps(found)
    card = gallery.ask("POST", "/sdgen/images/cards", {"ids": [image]})["images"][0]
    assert {name: found[name] for name in card} == card
    for wrong in ("999", "x", "-1", "1.5", "9" * 30, "../1"):
        assert refused(gallery, "GET", f"/sdgen/images/{wrong}".replace("../1", "..%2F1")).code == "unknown-item"


def test_the_original_has_the_type_of_its_bytes(gallery):
    ids = gallery.imported()
    for image, kind in zip(ids, ("PNG", "JPEG", "WEBP"), strict=True):
        path = gallery.library.file(image)
        Image.new("RGB", (8, 8)).save(path, kind)
        file = gallery.ask("GET", f"/sdgen/images/{image}/file")
        assert (file.type, file.content, file.name) == (f"image/{kind.lower()}", path, None)
    path.write_bytes(b"<svg onload='alert(1)'>")
    file = gallery.ask("GET", f"/sdgen/images/{ids[-1]}/file")
    assert file.type == "application/octet-stream"
    kept = gallery.ask("GET", f"/sdgen/images/{ids[0]}/file", download=True)
    assert (kept.type, kept.name) == ("application/octet-stream", f"sdgen-{ids[0]}.png")
    path.unlink()
    assert refused(gallery, "GET", f"/sdgen/images/{ids[-1]}/file").code == "missing-file"
    assert refused(gallery, "GET", "/sdgen/images/999/file").code == "unknown-item"


def test_thumbnails_never_change_and_placeholders_may(gallery):
    ids = gallery.imported()
    urls = gallery.ask("GET", "/sdgen/images")["images"][0]["thumbs"]
    for url, size in ((urls["small"], 256), (urls["large"], 512)):
        made = gallery.ask("GET", url)
        assert (made.type, made.immutable) == ("image/webp", True)
        assert made.content.name.endswith(f"-{size}.webp")
        assert Image.open(made.content).size == (8, 16)
    gallery.catalog.index.set_missing(ids, True)
    for image in ids:
        gallery.library.file(image).unlink()
    gone = gallery.ask("GET", gallery.ask("GET", f"/sdgen/images/{ids[0]}")["thumbs"]["large"])
    assert isinstance(gone.content, bytes) and not gone.immutable
    for wrong in ("0" * 16 + "-256", "x-256", "0" * 16 + "-257", "0" * 16 + "-99999", "0" * 16 + "-x"):
        assert refused(gallery, "GET", f"/sdgen/thumbs/{wrong}.webp").code == "unknown-item"


def test_metadata_are_what_the_file_says(gallery, tmp_path):
    image, *_ = gallery.imported()
    path = gallery.library.file(image)
    graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 5, "cfg": float("nan"), "odd": "\ud800"}}}
    deep = '{"a":' * 3_000 + "1" + "}" * 3_000
    chunks = {"prompt": json.dumps(graph), "workflow": deep, "parameters": "a cat\nSteps: 20", "Title": "<b>x</b>"}
    path.write_bytes(encode_png(Image.new("RGB", (8, 16)), chunks))
    found = gallery.ask("GET", f"/sdgen/images/{image}/metadata")
    assert (found["format"], found["width"], found["height"]) == ("png", 8, 16)
    assert found["prompt"]["1"]["inputs"]["seed"] == 5
    assert found["prompt"]["1"]["inputs"]["cfg"] is None
    assert (found["workflow"], found["texts"]) == (None, {"workflow": deep, "Title": "<b>x</b>"})
    assert (found["parameters"], found["sdgen"], found["left_out"]) == ("a cat\nSteps: 20", None, [])
    path.write_bytes(encode_png(Image.new("RGB", (8, 16)), {"parameters": "x" * (9 << 20)}))
    assert gallery.ask("GET", f"/sdgen/images/{image}/metadata")["left_out"] == ["parameters"]
    path.write_bytes(b"\x89PNG no more")
    error = refused(gallery, "GET", f"/sdgen/images/{image}/metadata")
    assert error.code == "broken-image"
    assert str(tmp_path) not in str(error.to_dict())


# ---- what looks alike ------------------------------------------------------------------------------------------------------


def hashed(gallery, *hashes):
    ids = gallery.put(len(hashes) + 1)
    with gallery.catalog.index.store.write() as db:
        db.executemany("UPDATE image SET phash=? WHERE id=?", list(zip(hashes, ids, strict=False)))
    return ids


def test_what_looks_like_an_image_is_nearest_first(gallery):
    ids = hashed(gallery, 0b0, 0b111, 0b1, -1, 0b11)
    found = gallery.ask("GET", f"/sdgen/images/{ids[0]}/similar", limit=3)
    assert [(one["image"]["id"], one["distance"]) for one in found["images"]] == [(ids[2], 1), (ids[4], 2), (ids[1], 3)]
    assert gallery.ask("GET", f"/sdgen/images/{ids[3]}/similar")["images"][0]["distance"] == 61
    assert gallery.ask("GET", f"/sdgen/images/{ids[5]}/similar") | {"version": ""} == {
        "images": [],
        "hashed": False,
        "version": "",
    }
    assert refused(gallery, "GET", "/sdgen/images/999/similar").code == "unknown-item"


def test_duplicates_are_groups_among_what_is_found(gallery):
    far = 0x0F0F0F0F0F0F0F0F
    ids = hashed(gallery, 0b0, far, 0b1, far ^ 0b11, 0b1, -1)
    found = gallery.ask("GET", "/sdgen/duplicates", distance=2)
    assert found["groups"] == [[ids[0], ids[2], ids[4]], [ids[1], ids[3]]]
    assert (found["total"], found["images"], found["unhashed"]) == (2, 5, 1)
    assert gallery.ask("GET", "/sdgen/duplicates", distance=0)["groups"] == [[ids[2], ids[4]]]
    assert gallery.ask("GET", "/sdgen/duplicates", distance=2, limit=1)["groups"] == [[ids[0], ids[2], ids[4]]]
    assert gallery.ask("GET", "/sdgen/duplicates", distance=2, q="number:0..1")["groups"] == []


def test_pages_are_models(gallery):
    gallery.put(1)
    route, _ = Gallery.route("GET", "/sdgen/images")
    assert route.answer is ImagesPage
    assert not Path(gallery.ask("GET", "/sdgen/images")["images"][0]["file"]).is_absolute()
