"""The catalog's routes that count: facets, completion, statistics, the state of the whole."""

from __future__ import annotations

import csv
import io
import json
import random
import threading
import time
from dataclasses import fields
from typing import get_args

import pytest

from sdgen_core.catalog.fields import MARKS, VERDICTS
from sdgen_core.catalog.query import FIELDS, parse
from sdgen_core.catalog.stats.report import TABLES as REPORTS
from sdgen_core.catalog.stats.view import GROUPINGS
from sdgen_core.errors import SDGenError
from sdgen_core.server import model_library
from sdgen_core.server.model import Mark, Verdict

from ..catalog.folders import own_session
from ..catalog.library import image, session
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


def judged_at_random(gallery, ids, steps=60):
    say = random.Random(1)
    for _ in range(steps):
        field, value = say.choice(
            [
                *(("value/Hair", verdict) for verdict in VERDICTS),
                ("value/Coat", "ko"),
                ("value/Hair", None),
                ("mark", "favourite"),
                ("mark", "trash"),
                ("rating", "4"),
                ("tag/poster", "yes"),
            ]
        )
        gallery.ask("POST", "/sdgen/judge", {"ids": say.sample(ids, 4), "field": field, "value": value})


# ---- facets ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "q", ["", "Hair:Red", "Hair:Red,Blue Coat:Coat1,Coat2 -seed:5..9", "is:favourite", "-Hair:Green tag:poster"]
)
def test_live_counts_are_those_of_a_plain_loop(gallery, q):
    ids = [*gallery.put(60), *gallery.put(30, "two")]
    judged_at_random(gallery, ids)
    facets = gallery.ask("GET", "/sdgen/facets", q=q)

    def everything(text):
        found = gallery.ask("GET", "/sdgen/images/ids", q=text, form="json")["ids"]
        return [gallery.ask("GET", f"/sdgen/images/{image}") for image in found]

    def without(field, name=None):
        """The query without the clauses that choose values of this field."""
        own = [c for c in parse(q).clauses if not (c.field == field and c.name == name and not c.negate)]
        body = {"query": {"clauses": [c.model_dump() for c in own]}, "limit": 500}
        found = gallery.ask("POST", "/sdgen/images/find", body)["images"]
        return [gallery.ask("GET", f"/sdgen/images/{card['id']}") for card in found]

    assert facets["total"] == len(everything(q))
    for placeholder in facets["placeholders"]:
        name = placeholder["name"]
        images = without("value", name)
        assert placeholder["known"] == len(placeholder["values"]) == {"Hair": 3, "Coat": 7}[name]
        for value in placeholder["values"]:
            have = [one["values"][name]["verdict"] for one in images if one["values"][name]["key"] == value["key"]]
            counted = {verdict: value[verdict.replace("-", "_")] for verdict in VERDICTS}
            assert counted == {verdict: have.count(verdict) for verdict in VERDICTS}
            assert (value["images"], value["text"]) == (len(have), f"a {value['key']}")
        counts = [value["images"] for value in placeholder["values"]]
        assert counts == sorted(counts, reverse=True)
    for field in ("model", "sampler", "session"):
        images = without(field)
        assert {one["name"]: one["images"] for one in facets["groups"][field]} == {
            name: sum(one[field] == name for one in images)
            for name in {"model": ("model0", "model1"), "sampler": ("euler",)}.get(field, ("one", "two"))
        }
    tags = {one["name"]: one["images"] for one in facets["groups"]["tag"]}
    assert tags == {"poster": sum("poster" in one["tags"] for one in without("tag"))}


def test_one_placeholder_can_be_counted_alone(gallery):
    gallery.put(20)
    found = gallery.ask("GET", "/sdgen/facets", placeholder="Coat", limit=2)
    assert ([one["name"] for one in found["placeholders"]], found["groups"]) == (["Coat"], None)
    assert [value["key"] for value in found["placeholders"][0]["values"]] == ["Coat0", "Coat1"]
    assert found["placeholders"][0]["known"] == 7
    error = refused(gallery, "GET", "/sdgen/facets", placeholder="Coats")
    assert (error.code, error.nearest) == ("unknown-item", ["Coat"])
    assert gallery.ask("GET", "/sdgen/facets", q="Haar:Red")["remarks"] == [
        "there is no placeholder 'Haar'; nearest: Hair"
    ]


def test_flags_count_what_choosing_them_would_find(gallery):
    ids = gallery.put(9)
    gallery.catalog.judge(ids[:4], "mark", "trash")
    gallery.catalog.judge(ids[4:6], "mark", "favourite")
    flags = {one["name"]: one["images"] for one in gallery.ask("GET", "/sdgen/facets")["groups"]["flag"]}
    assert (flags["trash"], flags["favourite"], flags["failed"], flags["portrait"]) == (4, 2, 0, 5)
    ratings = gallery.ask("GET", "/sdgen/facets")["groups"]["rating"]
    assert [(one["name"], one["images"]) for one in ratings] == [("0", 5), *((str(n), 0) for n in range(1, 6))]


# ---- completion ------------------------------------------------------------------------------------------------------------


def texts(found):
    return [one["text"] for one in found["suggestions"]]


def test_completion_goes_on_with_what_is_there(gallery):
    ids = gallery.put(10)
    gallery.catalog.judge(ids[:2], "tag/wet street", "yes")
    assert texts(gallery.ask("GET", "/sdgen/complete", text="Ha")) == ["Hair:"]
    assert texts(gallery.ask("GET", "/sdgen/complete", text="se")) == ["seed:", "session:"]
    hair = gallery.ask("GET", "/sdgen/complete", field="hair")["suggestions"]
    assert [(one["text"], one["images"]) for one in hair] == [("Hair:Red", 4), ("Hair:Blue", 3), ("Hair:Green", 3)]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="Hair", text="e")) == [
        "Hair:Red",
        "Hair:Blue",
        "Hair:Green",
    ]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="Hair", text="gr", limit=1)) == ["Hair:Green"]
    assert gallery.ask("GET", "/sdgen/complete", field="tag", text="WET")["suggestions"] == [
        {"text": 'tag:"wet street"', "label": "wet street", "kind": "word", "images": 2}
    ]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="model", text="l1")) == ["model:model1"]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="is", text="fav")) == ["is:favourite"]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="verdict", text="k")) == ["verdict:ko", "verdict:ok"]
    assert texts(gallery.ask("GET", "/sdgen/complete", field="sort", text="-ra")) == ["sort:-rating"]
    assert gallery.ask("GET", "/sdgen/complete", field="seed", text="1") == {"suggestions": []}
    error = refused(gallery, "GET", "/sdgen/complete", field="Hare")
    assert (error.code, error.nearest) == ("bad-query", ["Hair"])


def test_what_completion_suggests_is_a_query(gallery):
    number = gallery.catalog.index.put_session(session(gallery.root, 'a "b" c\\, d'))
    values = {"Hair": 'x "y", z', "seed": "odd", "Out Fit": "a", "Größe": "-minus", "Star": "a*"}
    (one,) = gallery.catalog.index.put_images(number, [image("s", 0, values, model="-m, n=1", sampler="<x")])
    gallery.catalog.judge([one], "tag/it's >5", "yes")
    asked = 0
    for field in ["Hair", "@seed", "@Out Fit", "Größe", "Star", "model", "sampler", "session", "tag"]:
        for suggestion in gallery.ask("GET", "/sdgen/complete", field=field)["suggestions"]:
            found = gallery.ask("GET", "/sdgen/images", q=suggestion["text"])
            assert [card["id"] for card in found["images"]] == [one], suggestion
            asked += 1
    assert asked == 9
    names = texts(gallery.ask("GET", "/sdgen/complete", limit=200))
    assert {"@seed:", "Größe:", "Hair:", '@"Out Fit":'} <= set(names)
    for typed in ("out", '@"Out F'):
        assert texts(gallery.ask("GET", "/sdgen/complete", text=typed)) == ['@"Out Fit":']
    assert {f"{name}:" for name in FIELDS if name != "value"} <= set(names)


# ---- statistics ------------------------------------------------------------------------------------------------------------


def test_every_table_of_the_statistics_is_answered_as_json_and_as_csv(gallery):
    judged_at_random(gallery, gallery.put(40))
    for name, report in REPORTS.items():
        by = "model" if name == "groups" else None
        found = gallery.ask("GET", f"/sdgen/statistics/{name}", **({"by": by} if by else {}))
        assert found["table"] == name
        names = {one.name for one in fields(report.kind)}
        assert all(set(row) == names for row in found["rows"])
        model = model_library.TABLES[name].model_fields["rows"].annotation.__args__[0]
        assert set(model.model_fields) == names
        file = gallery.ask("GET", f"/sdgen/statistics/{name}", form="csv", **({"by": by} if by else {}))
        assert (file.type, file.name) == ("text/csv", f"sdgen-{name}.csv")
        assert len(list(csv.reader(io.StringIO(file.content.decode("utf-8"))))) == len(found["rows"]) + 1
    assert set(model_library.TABLES) == set(REPORTS)
    values = gallery.ask("GET", "/sdgen/statistics/values", q="Hair:Red", limit=3)["rows"]
    assert len(values) == 3


def test_what_no_table_is_made_of_is_refused(gallery):
    gallery.put(2)
    error = refused(gallery, "GET", "/sdgen/statistics/value")
    assert (error.code, error.nearest[0]) == ("unknown-item", "values")
    assert refused(gallery, "GET", "/sdgen/statistics/totals", by="model").code == "bad-query"
    assert refused(gallery, "GET", "/sdgen/statistics/groups").code == "bad-query"
    assert refused(gallery, "GET", "/sdgen/statistics/values", q="is:x").code == "bad-query"
    assert gallery.ask("GET", "/sdgen/statistics/values", q="Hair:Rad")["remarks"]
    assert gallery.ask("GET", "/sdgen/statistics/values", q="seed:" + "1" * 30)["rows"] == []
    assert refused(gallery, "GET", "/sdgen/statistics/values", q="cfg:" + "1" * 400).code == "bad-query"


def test_models_have_the_words_of_the_catalog():
    assert get_args(Verdict) == VERDICTS
    assert get_args(Mark) == MARKS
    by = model_library.StatisticsAsked.model_fields["by"].annotation
    assert get_args(get_args(by)[0]) == GROUPINGS


# ---- the whole -------------------------------------------------------------------------------------------------------------


def test_the_state_of_the_library_names_no_folder(gallery, tmp_path):
    ids = gallery.imported(3)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:2], "field": "mark", "value": "trash"})
    gallery.ask("POST", "/sdgen/queries", {"name": "mine", "q": "is:failed"})
    state = gallery.ask("GET", "/sdgen/catalog")
    assert (state["totals"]["images"], state["totals"]["trash"], state["totals"]["sessions"]) == (3, 2, 1)
    assert state["roots"] == [{"number": 0, "name": "sessions", "sessions": 1, "images": 3}]
    assert state["queries"] == [{"name": "mine", "q": "is:failed"}]
    assert state["steps"] == {"undo": "query mine", "redo": None}
    assert state["importing"]["errors"] == []
    assert str(tmp_path) not in json.dumps(state)


def test_an_import_can_be_asked_for_and_ended(gallery, tmp_path):
    own_session(gallery.root / "mine", 2)
    (gallery.root / "broken").mkdir()
    (gallery.root / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    asked = gallery.ask("POST", "/sdgen/import")
    assert asked["running"] or asked["images"] == 2  # that quickly
    gallery.library.start()
    deadline = time.monotonic() + 30
    while (said := gallery.ask("GET", "/sdgen/import"))["running"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not said["running"]
    assert len(gallery.ask("GET", "/sdgen/images")["images"]) == 2
    assert str(tmp_path) not in json.dumps(said)
    assert gallery.ask("POST", "/sdgen/import/cancel")["running"] is False


# ---- all at once -----------------------------------------------------------------------------------------------------------


def test_readers_are_answered_whole_while_others_judge_and_save(gallery):
    ids = gallery.put(60)
    over = threading.Event()
    walks, wrong = [], []

    def read(number):
        say = random.Random(number)
        try:
            while not over.is_set():
                sort = say.choice(["-created", "rating", "-mark", f"random:{number}", "value:Hair"])
                found, after = [], None
                while after or not found:
                    page = gallery.ask(
                        "GET", "/sdgen/images", sort=sort, limit=9, **({"after": after} if after else {})
                    )
                    found += [card["id"] for card in page["images"]]
                    after = page["next"]
                    if after is None:
                        break
                assert len(found) == len(set(found)) == page["total"]
                facets = gallery.ask("GET", "/sdgen/facets")
                for placeholder in facets["placeholders"]:
                    assert sum(value["images"] for value in placeholder["values"]) == facets["total"]
                walks.append(len(found))
        except BaseException as error:
            wrong.append(error)

    readers = [threading.Thread(target=read, args=(n,)) for n in range(3)]
    for reader in readers:
        reader.start()
    say = random.Random(9)
    for n in range(40):
        fields = [("rating", "3"), ("mark", "favourite"), ("value/Hair", "ko"), ("mark", None), ("mark", "trash")]
        field, value = say.choice(fields)
        gallery.ask("POST", "/sdgen/judge", {"ids": say.sample(ids, 5), "field": field, "value": value})
        if n % 5 == 0:
            ids += gallery.put(3, f"more{n}")
            gallery.ask("POST", "/sdgen/undo")
    over.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []
    assert walks
