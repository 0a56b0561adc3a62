"""What to judge next: the least known values first, each image once, the same queue every time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.fields import VERDICTS
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.review import Review, review
from sdgen_core.catalog.stats.formulas import successes, wilson

from .library import image, session

HAIR = ("Red", "Blue", "Green")


@pytest.fixture
def library(tmp_path):
    """``library(values of each image, …)``: a catalog and its images."""
    made = []

    def make(rows):
        folder = tmp_path / f"library{len(made)}"
        catalog = Catalog(folder)
        made.append(catalog)
        number = catalog.index.put_session(session(folder, "one", planned=len(rows)))
        ids = list(catalog.index.put_images(number, [image("one", n, row) for n, row in enumerate(rows)]))
        return SimpleNamespace(catalog=catalog, ids=ids)

    yield make
    for catalog in made:
        catalog.close()


def ask(catalog: Catalog, q: str = "", *placeholders: str, limit: int = 100) -> Review:
    names = dict(catalog.index.store.rows("SELECT name, id FROM placeholder"))
    among = [names[name] for name in placeholders] or None
    return review(catalog.snapshot, parse(q).with_defaults(), among, limit)


def by_key(catalog: Catalog, found: Review):
    keys = dict(catalog.index.store.rows("SELECT id, key FROM value"))
    return {keys[one.value]: one for one in found.values}


def hair(n: int) -> dict[str, str]:
    return {"Hair": HAIR[n % 3], "Coat": f"Coat{n % 2}"}


def test_an_empty_library_has_nothing_to_judge(library):
    made = library([])
    assert ask(made.catalog) == Review([], 0, [], ())


def test_the_least_known_value_comes_first_and_others_take_turns(library):
    made = library([{"Hair": HAIR[n % 3]} for n in range(30)])
    made.catalog.judge([i for n, i in enumerate(made.ids) if n % 3 != 1][:12], "value/Hair", "ok")
    found = ask(made.catalog)
    assert found.open == 18
    blue = {i for n, i in enumerate(made.ids) if n % 3 == 1}
    assert set(found.images[:4]) <= blue  # nobody has said anything of Blue
    told = by_key(made.catalog, found)
    assert told["Blue"].judged == 0 and told["Blue"].width == 1 and told["Red"].judged == 6
    kinds = [(i - made.ids[0]) % 3 for i in found.images]
    assert {0, 1, 2} == set(kinds)


def test_turns_are_even_while_nothing_is_known(library):
    made = library([hair(n) for n in range(60)])
    first = [HAIR[(i - made.ids[0]) % 3] for i in ask(made.catalog, limit=12).images]
    assert [first.count(name) for name in HAIR] == [4, 4, 4]


def test_one_image_tells_of_several_values(library):
    rows = [{"Hair": "Red"}, {"Coat": "Blue"}, {"Hair": "Red", "Coat": "Blue"}]
    made = library(rows)
    assert ask(made.catalog).images[0] == made.ids[2]


def test_a_rare_value_is_not_forgotten(library):
    made = library([{"Hair": "Usual"}] * 3_000 + [{"Hair": "Rare"}])
    found = ask(made.catalog, limit=2)
    assert made.ids[-1] in found.images


def test_what_was_said_is_no_question_any_more(library):
    made = library([hair(n) for n in range(9)])
    catalog, ids = made.catalog, made.ids
    catalog.judge(ids[:1], "value/Hair", "ok")
    catalog.judge(ids[1:2], "mark", "favourite")
    catalog.judge(ids[2:3], "mark", "trash")
    catalog.judge(ids[3:4], "failed", "yes")
    catalog.judge(ids[4:5], "rating", "3")
    assert sorted(ask(catalog).images) == ids[5:]
    # about the coat everything is open but what failed, and what is in the trash
    assert sorted(ask(catalog, "", "Coat").images) == [*ids[:2], *ids[4:]]
    assert sorted(ask(catalog, "", "Hair").images) == [ids[1], *ids[4:]]


def test_what_was_thrown_away_is_still_known(library):
    made = library([hair(n) for n in range(9)])
    made.catalog.judge(made.ids[:3], "value/Hair", "ko")
    made.catalog.judge(made.ids[:3], "mark", "trash")
    for q in ("", "is:trash", "-is:judged", "verdict:Hair=none"):
        assert by_key(made.catalog, ask(made.catalog, q))["Red"].judged == 1, q
    assert "Red" not in by_key(made.catalog, ask(made.catalog, "Hair:Blue"))


def test_a_value_without_effect_is_known_too(library):
    made = library([{"Hair": HAIR[n % 2]} for n in range(80)])
    made.catalog.judge(made.ids[:60:2], "value/Hair", "no-effect")
    found = ask(made.catalog)
    assert by_key(made.catalog, found)["Red"].narrow
    assert all((i - made.ids[0]) % 2 for i in found.images[:10])


def test_images_without_values_come_in_the_order_of_the_list(library):
    made = library([{}, {"Hair": "Red"}, {}, {}])
    assert ask(made.catalog, "sort:number").images == [made.ids[1], made.ids[0], *made.ids[2:]]
    assert ask(made.catalog, "sort:-number", limit=2).images == [made.ids[1], made.ids[3]]
    assert ask(made.catalog, "", "Hair").images == [made.ids[1]]


row = st.dictionaries(st.sampled_from(["Hair", "Coat", "Pose"]), st.sampled_from("abcdef"), max_size=3)
verdict = st.tuples(st.integers(0, 39), st.sampled_from(["Hair", "Coat", "Pose"]), st.sampled_from(VERDICTS))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(row, min_size=1, max_size=40),
    said=st.lists(verdict, max_size=25),
    only=st.sampled_from([None, "Hair"]),
    limit=st.integers(1, 50),
)
def test_any_library_has_a_right_queue(rows, said, only, limit):
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        try:
            number = catalog.index.put_session(session(Path(folder), "one"))
            ids = list(catalog.index.put_images(number, [image("one", n, row) for n, row in enumerate(rows)]))
            verdicts = {}
            for n, name, what in said:
                if n < len(rows) and name in rows[n]:
                    catalog.judge([ids[n]], f"value/{name}", what)
                    verdicts[n, name] = what
            known_names = {name for row in rows for name in row}
            if only is not None and only not in known_names:
                return
            found = ask(catalog, "", *([only] if only else []), limit=limit)
            again = ask(catalog, "", *([only] if only else []), limit=limit)
            check(rows, ids, verdicts, only, limit, found, by_key_and_name(catalog, found))
            assert again == found
        finally:
            catalog.close()


def by_key_and_name(catalog, found):
    sql = "SELECT value.id, name, key FROM value JOIN placeholder ON placeholder.id = placeholder"
    words = {number: (name, key) for number, name, key in catalog.index.store.rows(sql)}
    return {words[one.value]: one for one in found.values}


def check(rows, ids, verdicts, only, limit, found, told):
    if only is None:
        open_rows = [n for n in range(len(rows)) if not any(at == n for at, _ in verdicts)]
    else:
        open_rows = [n for n, row in enumerate(rows) if only in row and (n, only) not in verdicts]
    assert len(set(found.images)) == len(found.images) == min(limit, len(open_rows))
    assert set(found.images) <= {ids[n] for n in open_rows}
    assert found.open == len(open_rows)
    names = {only} if only else {"Hair", "Coat", "Pose"}
    assert set(told) == {(name, key) for row in rows for name, key in row.items() if name in names}
    for (name, key), one in told.items():
        given_ = [what for (n, of), what in verdicts.items() if of == name and rows[n][name] == key]
        points = successes(given_.count("ok"), given_.count("partial"))
        low, high = wilson(points, len(given_))
        assert (one.judged, one.points, one.width) == (len(given_), points, high - low)
        assert one.open == sum(rows[n].get(name) == key for n in open_rows)
    assert [one.width for one in found.values] == sorted((one.width for one in found.values), reverse=True)
    if found.images and any(one.open for one in found.values):
        widest = max(one.width for one in found.values if one.open)
        first = rows[ids.index(found.images[0])]
        assert any(told[name, key].width == widest for name, key in first.items() if name in names)
