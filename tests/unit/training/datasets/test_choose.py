"""Which images make a data set, and why the others do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.choose import REASONS, Learned, balanced, choose, quality_of
from sdgen_core.training.datasets.recipe import Recipe

from .made import Made, Shot, shots

#: Every image that is good enough, nothing set aside.
ALL = {"name": "set", "best": 1.0, "duplicates": None, "apart": {"share": 0.0}}


def numbers(selection):
    return [image.number for image in selection.images]


def reasons(made, name, selection):
    """Number -> reason of a session's images."""
    return {n: selection.left_out.get(image, "in") for n, image in enumerate(made.ids(name))}


# ---- verdicts and scores ---------------------------------------------------------------------------------------------------


def test_a_verdict_goes_before_any_score(made):
    made.add("coats", shots(8, Colour="red"))
    made.score(
        "coats", {0: {"Colour": 0.99}, 1: {"Colour": 0.98}, 2: {"Colour": 0.1}, 3: {"Colour": 0.99}, 4: {"Colour": 0.4}}
    )
    made.judge("coats", [2], "value/Colour", "ok")  # a machine thinks little of it
    made.judge("coats", [3], "value/Colour", "ko")  # and much of this
    made.judge("coats", [5], "value/Colour", "ok")  # never scored
    made.judge("coats", [6], "value/Colour", "partial")
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red"}))
    assert reasons(made, "coats", selection) == {
        0: "in", 1: "in", 2: "in", 3: "rejected", 4: "low", 5: "in", 6: "in", 7: "unknown",
    }  # fmt: skip
    few = choose(made.library, Recipe.of({**ALL, "value": "Colour=red", "limit": 3}))
    assert numbers(few) == [0, 2, 5]  # both that somebody said ok to, then the best of the others
    assert [(image.sure, image.quality) for image in few.images] == [(False, 0.99), (True, 1.0), (True, 1.0)]
    assert few.counts == {"rejected": 1, "unknown": 1, "low": 1, "limit": 2} and few.considered == 8


def test_what_somebody_said_ok_to_is_first_whatever_machines_say_of_its_other_values(made):
    made.add("coats", shots(2, Colour="red", Mood="sad"))
    made.score("coats", {0: {"Colour": 0.99, "Mood": 0.99}, 1: {"Colour": 0.2, "Mood": 0.1}})
    made.judge("coats", [1], "value/Colour", "ok")
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red", "limit": 1}))
    assert numbers(selection) == [1] and selection.images[0].quality < 0.8


@pytest.mark.parametrize("verdict", ["ko", "no-effect", "unintended"])
def test_what_people_said_no_to_is_never_in(made, verdict):
    made.add("coats", shots(2, Colour="red", Mood="sad"))
    made.judge("coats", [0, 1], "value/Colour", "ok")
    made.judge("coats", [0], "value/Mood", verdict)  # a caption would say it all the same
    assert numbers(choose(made.library, Recipe.of({**ALL, "value": "Colour=red"}))) == [1]


def test_trash_gone_broken_and_disliked_images_are_never_in(made):
    made.add("coats", shots(7, Colour="red"))
    made.judge("coats", range(7), "value/Colour", "ok")
    made.judge("coats", [0], "mark", "trash")
    made.judge("coats", [1], "failed", "yes")
    made.judge("coats", [2], "rating", "2")
    paths = [made.library.file(image) for image in made.ids("coats")]
    paths[3].write_bytes(b"no image")
    paths[4].write_bytes(paths[4].read_bytes()[:-300])  # whole in its head
    paths[5].unlink()
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red"}))
    found = reasons(made, "coats", selection)
    assert found == {0: "trash", 1: "rejected", 2: "rejected", 3: "broken", 4: "broken", 5: "broken", 6: "in"}
    assert set(found.values()) - {"in"} <= set(REASONS)


def test_a_damaged_file_gives_its_place_to_the_next_best(made):
    made.add("coats", shots(6, Colour="red"))
    made.score("coats", {n: {"Colour": 0.9 - n / 100} for n in range(6)})
    made.library.file(made.ids("coats")[0]).write_bytes(b"no image")
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red", "limit": 2}))
    assert numbers(selection) == [1, 2] and selection.counts == {"broken": 1, "limit": 3}


def test_half_a_file_is_damaged_also_where_another_node_lets_pillow_read_it(made, monkeypatch):
    made.add("coats", shots(3, Colour="red"))
    made.judge("coats", range(3), "value/Colour", "ok")
    path = made.library.file(made.ids("coats")[1])
    path.write_bytes(path.read_bytes()[:-200])
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red"}))
    assert numbers(selection) == [0, 2] and selection.counts == {"broken": 1}


def test_other_values_tell_between_images_of_the_learned_one(made):
    made.add("coats", shots(3, Colour="red", Mood="sad"))
    made.score(
        "coats", {0: {"Colour": 0.9, "Mood": 0.1}, 1: {"Colour": 0.9, "Mood": 0.9}, 2: {"Colour": 0.4, "Mood": 1.0}}
    )
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red", "limit": 1}))
    assert numbers(selection) == [1]
    assert reasons(made, "coats", selection) == {0: "limit", 1: "in", 2: "low"}  # the learned value decides


def test_without_a_learned_value_all_values_count(made):
    made.add("coats", [*shots(2, Colour="red", Mood="sad"), *shots(2, Colour="blue", Mood="sad"), Shot()])
    made.score("coats", {0: {"Colour": 0.9, "Mood": 0.2}, 1: {"Colour": 0.3, "Mood": 0.4}})
    made.judge("coats", [2], "mark", "favourite")
    made.judge("coats", [4], "rating", "5")  # nothing is known of it but that somebody likes it: and it has no caption
    selection = choose(made.library, Recipe.of(ALL))
    assert reasons(made, "coats", selection) == {0: "in", 1: "low", 2: "in", 3: "unknown", 4: "no-caption"}


def row(mark=None, rating=None, **values):
    known = {name: {"key": "k", "verdict": verdict, "score": score} for name, (verdict, score) in values.items()}
    return {"mark": mark, "rating": rating, "values": known}


@given(
    st.lists(st.tuples(st.sampled_from([None, "ok", "partial"]), st.none() | st.floats(0, 1)), min_size=1, max_size=4),
    st.booleans(),
)
def test_quality_is_a_share_and_ok_is_sure(values, learned):
    named = {f"P{n}": value for n, value in enumerate(values)}
    sure, quality, decisive = quality_of(row(**named), Learned("P0", ("k",), "t") if learned else None)
    assert 0 <= quality <= 1 and (decisive is None or 0 <= decisive <= 1)
    if learned:
        assert sure == (values[0][0] == "ok")
        assert (decisive is None) == (values[0] == (None, None))
    else:
        assert (decisive is None) == all(value == (None, None) for value in values)
    # what a person says counts in the machine's place
    other = {name: (verdict, 0.5 if verdict else score) for name, (verdict, score) in named.items()}
    assert quality_of(row(**other), Learned("P0", ("k",), "t") if learned else None) == (sure, quality, decisive)


# ---- how many --------------------------------------------------------------------------------------------------------------


def test_the_best_share_is_of_what_was_made(made):
    made.add("coats", shots(40, Colour="red"))
    made.score("coats", {n: {"Colour": 1 - n / 50} for n in range(40)})
    take = {**ALL, "value": "Colour=red", "best": 0.2, "at_least": 3}
    assert numbers(choose(made.library, Recipe.of(take))) == list(range(8))
    assert numbers(choose(made.library, Recipe.of({**take, "best": 0.05}))) == [0, 1, 2]  # not fewer than three
    assert len(choose(made.library, Recipe.of({**take, "best": 1.0})).images) == 26  # as many as are good enough
    made.judge("coats", range(20, 40), "mark", "trash")
    assert len(choose(made.library, Recipe.of(take)).images) == 4  # a fifth of those that are there


def test_the_share_is_taken_of_each_value_that_is_balanced(made):
    made.add("coats", [*shots(20, Colour="red"), *shots(10, Colour="blue")])
    made.score("coats", {n: {"Colour": 0.99 if n < 20 else 0.6} for n in range(30)})
    whole = Recipe.of({**ALL, "best": 0.5, "at_least": 0})
    assert {image.values["Colour"]["text"] for image in choose(made.library, whole).images} == {"red"}
    each = whole.model_copy(update={"balance": ["Colour"], "factor": 100.0})
    counts = Counter(image.values["Colour"]["text"] for image in choose(made.library, each).images)
    assert counts == {"red": 10, "blue": 5}
    even = each.model_copy(update={"factor": 1.0})
    selection = choose(made.library, even)
    assert Counter(image.values["Colour"]["text"] for image in selection.images) == {"red": 5, "blue": 5}
    assert selection.counts == {"share": 15, "balance": 5}


def test_a_limit_leaves_balanced_what_was_balanced(made):
    made.add("coats", [*shots(10, Colour="red"), *shots(10, Colour="blue"), *shots(3, Colour="green")])
    made.score("coats", {n: {"Colour": (0.99 if n < 10 else 0.6) - n / 1000} for n in range(23)})
    recipe = Recipe.of({**ALL, "balance": ["Colour"], "factor": 10.0, "limit": 11})
    selection = choose(made.library, recipe)
    assert Counter(image.values["Colour"]["text"] for image in selection.images) == {"red": 4, "blue": 4, "green": 3}
    assert numbers(selection) == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22]  # the best of each
    assert selection.counts == {"limit": 12}


@dataclass(frozen=True)
class Numbered:
    n: int


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=40), st.floats(1, 5))
def test_no_value_is_there_more_often_than_allowed(groups, factor):
    images = [Numbered(n) for n in range(len(groups))]
    kept = [image.n for image in balanced(images, groups, factor)]
    assert kept == sorted(kept)  # the best stay first
    for column in (0, 1):
        before = Counter(group[column] for group in groups)
        after = Counter(groups[n][column] for n in kept)
        assert all(count <= factor * min(before.values()) + 1e-6 for count in after.values())
    if groups:
        assert kept and kept[0] == 0
    columns = [[group[:1]] for group in groups]
    for value, count in Counter(
        group[0] for group in groups
    ).items():  # one placeholder alone: no more are left out than must be
        alone = [image.n for image in balanced(images, [one[0] for one in columns], factor)]
        cap = int(factor * min(Counter(group[0] for group in groups).values()) + 1e-9)
        assert sum(groups[n][0] == value for n in alone) == min(count, cap)


def test_of_near_duplicates_the_best_stays_unless_its_caption_is_another(made):
    same = [Shot({"Colour": "red"}, looks=7, size=(side, side)) for side in (64, 72, 80)]
    made.add("coats", [*same, Shot({"Colour": "blue"}, looks=7), *shots(2, Colour="red")])
    made.score("coats", {n: {"Colour": 0.6 + n / 100} for n in range(6)})
    selection = choose(made.library, Recipe.of({**ALL, "duplicates": 4}))
    assert reasons(made, "coats", selection) == {0: "duplicate", 1: "duplicate", 2: "in", 3: "in", 4: "in", 5: "in"}
    assert len(choose(made.library, Recipe.of(ALL)).images) == 6
    # the same when the catalog has looked at them before
    made.library.pictures.fill(10.0, lambda: False)
    again = choose(made.library, Recipe.of({**ALL, "duplicates": 4}))
    assert again.left_out == selection.left_out


# ---- the same everywhere ---------------------------------------------------------------------------------------------------


def test_another_catalog_of_the_same_images_gives_the_same(made, tmp_path):
    pool = [*shots(12, Colour="red"), *shots(12, Colour="blue")]
    made.add("coats", pool)
    made.add("hats", pool)
    made.score("coats", {n: {"Colour": 0.8} for n in range(24)})
    made.score("hats", {n: {"Colour": 0.8} for n in range(24)})
    recipe = Recipe.of({"name": "set", "best": 0.3, "at_least": 2, "balance": ["Colour"]})
    first = choose(made.library, recipe)
    other = Made(tmp_path / "other")
    try:
        other.root.rmdir()
        (tmp_path / "gallery").rename(other.root)  # elsewhere, found in another order, so that images have other ids
        for folder in sorted(other.root.iterdir(), reverse=True):
            Importer(other.library.catalog.index).run([folder])
        other.score("coats", {n: {"Colour": 0.8} for n in range(24)})
        other.score("hats", {n: {"Colour": 0.8} for n in range(24)})
        second = choose(other.library, recipe)
        assert [image.key for image in first.images] == [image.key for image in second.images] and len(first.images) > 4
        assert first.counts == second.counts
        assert [(one.seed, one.caption) for one in first.images] == [(one.seed, one.caption) for one in second.images]
        assert first.held_out == second.held_out
        assert [image.id for image in first.images] != [image.id for image in second.images]
    finally:
        other.close()


# ---- names -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["Colour=red coat", "colour=RED COAT", " Colour = red coat "])
def test_a_value_is_meant_by_key_or_text_in_any_case(made, value):
    made.add("coats", [*shots(2, Colour="red coat"), *shots(1, Colour="blue coat")])
    made.judge("coats", range(3), "value/Colour", "ok")
    selection = choose(made.library, Recipe.of({**ALL, "value": value}))
    assert numbers(selection) == [0, 1] and selection.counts == {"other-value": 1}
    key = selection.learned.keys[0]
    assert numbers(choose(made.library, Recipe.of({**ALL, "value": f"Colour={key}"}))) == [0, 1]


@pytest.mark.parametrize(
    ("part", "code", "near"),
    [
        ({"value": "Color=red"}, "unknown-placeholder", "Colour"),
        ({"value": "Colour=rad coat"}, "unknown-value", "red coat"),
        ({"value": "Colour=coat"}, "unknown-value", "blue coat"),
        ({"sessions": ["cots"]}, "unknown-session", "coats"),
        ({"theme": "gaala"}, "unknown-theme", "gala"),
        ({"balance": ["colour"]}, "unknown-placeholder", "Colour"),
        ({"captions": {"drop": ["Colours"]}}, "unknown-placeholder", "Colour"),
        ({"query": "rating:"}, "bad-query", None),
        ({"query": "seed:1 " * 100, "sessions": ["coats"]}, "bad-query", None),
    ],
)
def test_names_that_are_not_there_are_told_with_the_nearest(made, part, code, near):
    made.add("coats", [*shots(1, Colour="red coat"), *shots(1, Colour="blue coat")], theme="gala")
    with pytest.raises(SDGenError) as error:
        choose(made.library, Recipe.of({**ALL, **part}))
    assert error.value.code == code
    assert near is None or near in error.value.nearest


def test_where_no_name_is_near_those_that_are_there_are_listed(made):
    made.add("coats", [Shot({"Colour": f"shade {n}"}) for n in range(20)])
    with pytest.raises(SDGenError) as error:
        choose(made.library, Recipe.of({**ALL, "value": "Vehicle=car"}))
    assert not error.value.nearest and error.value.hint == "There are Colour."
    with pytest.raises(SDGenError) as error:
        choose(made.library, Recipe.of({**ALL, "value": "Colour=car"}))
    assert error.value.hint.startswith("There are shade ") and error.value.hint.endswith(" and 8 more.")


def test_sessions_themes_and_queries_narrow_together(made):
    made.add("coats", shots(3, Colour="red"), theme="gala")
    made.add("hats", shots(3, Colour="red"), theme="gala")
    made.add("boots", shots(3, Colour="red"))
    for name in ("coats", "hats", "boots"):
        made.judge(name, range(3), "value/Colour", "ok")
    made.judge("coats", [1], "mark", "trash")

    def found(**part):
        return [(image.session_name, image.number) for image in choose(made.library, Recipe.of({**ALL, **part})).images]

    assert len(found()) == 8
    assert {name for name, _ in found(theme="Gala")} == {"coats", "hats"}
    assert found(theme="gala", sessions=["coats"], query="number:0..1") == [("coats", 0)]
    assert sorted(name for name, _ in found(sessions=["coats", "boots"], query="number:0")) == ["boots", "coats"]


# ---- nothing ---------------------------------------------------------------------------------------------------------------


def test_where_nothing_passes_it_is_said_at_which_step_and_what_helps(made):
    made.add("coats", [*shots(5, Colour="red"), *shots(3, Colour="blue")])
    made.score("coats", {n: {"Colour": 0.1} for n in range(4)})
    made.judge("coats", [4], "value/Colour", "ko")
    selection = choose(made.library, Recipe.of({**ALL, "value": "Colour=red"}))
    assert not selection.images
    with pytest.raises(SDGenError) as error:
        selection.needed()
    assert error.value.code == "no-images"
    assert "none of 8 images" in str(error.value)
    assert "3 without the value, 1 that people said no to, 4 with a score below the minimum" in str(error.value)
    assert "rephrase the value" in error.value.hint
    empty = choose(made.library, Recipe.of({**ALL, "query": "session:cots"}))
    with pytest.raises(SDGenError, match="nearest: coats"):
        empty.needed()
