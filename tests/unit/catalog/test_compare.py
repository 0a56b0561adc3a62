"""The matrix of a session: what is chosen when nothing is said, what locks leave, what cells hold, and what it costs."""

from __future__ import annotations

import itertools
import re

import pytest

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.compare import MOST_IMAGES, MOST_VALUES, SEED, compare
from sdgen_core.errors import SDGenError

from .library import image, session
from .test_plans import statements, whole_tables

HAIR, COAT, HAT = ("Red", "Blue", "Green"), ("Trench", "Fur"), ("Fez", "Cap")


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path)
    yield made
    made.close()


def put(catalog, values, seeds, name="one", **more):
    """A session with an image of each of ``values`` on each of ``seeds``."""
    number = catalog.index.put_session(session(catalog.folder, name))
    pairs = itertools.product(values, seeds)
    records = [image(name, n, choice, seed=seed, **more) for n, (choice, seed) in enumerate(pairs)]
    return list(catalog.index.put_images(number, records))


def sweep(*pools):
    names = ("Hair", "Coat", "Hat")
    return [dict(zip(names, keys, strict=False)) for keys in itertools.product(*pools)]


def look(catalog, **asked):
    return compare(catalog.snapshot, "one", **asked)


def cells(made):
    return [[[image.id for image in cell.images] for cell in row.cells] for row in made.rows]


def test_a_sweep_over_seeds_is_seen_seed_by_seed(catalog):
    ids = put(catalog, sweep(HAIR, COAT), [7, 8, 2**64 - 1])
    made = look(catalog)
    assert (made.pivot, made.rows_by, made.locks) == ("Coat", SEED, {"Hair": "Red"})
    assert [(value.key, value.text, value.images) for value in made.columns] == [
        ("Trench", "a Trench", 9),
        ("Fur", "a Fur", 9),
    ]
    assert [row.key for row in made.rows] == ["7", "8", str(2**64 - 1)]
    assert cells(made) == [[[ids[0]], [ids[3]]], [[ids[1]], [ids[4]]], [[ids[2]], [ids[5]]]]
    made = look(catalog, pivot="Hair", locks={"Coat": "Fur"})
    assert cells(made)[0] == [[ids[3]], [ids[9]], [ids[15]]]
    made = look(catalog, pivot="Hair", rows_by="Coat", locks={SEED: "8"})
    assert cells(made) == [[[ids[1]], [ids[7]], [ids[13]]], [[ids[4]], [ids[10]], [ids[16]]]]


def test_locks_are_those_that_fill_most_cells(catalog):
    values = [{"Hair": hair, "Coat": "Fur"} for hair in HAIR] + [{"Hair": "Red", "Coat": "Trench"}]
    put(catalog, values, [1, 2])
    assert look(catalog, pivot="Hair").locks == {"Coat": "Fur"}


def test_without_common_seeds_rows_are_another_placeholder(catalog):
    number = catalog.index.put_session(session(catalog.folder, "one"))
    catalog.index.put_images(number, [image("one", n, choice) for n, choice in enumerate(sweep(HAIR, COAT, HAT))])
    made = look(catalog, pivot="Hair")
    assert (made.rows_by, made.locks) == ("Coat", {"Hat": "Fez", SEED: None})
    assert all(cell.count == 1 for row in made.rows for cell in row.cells)
    anything = look(catalog, pivot="Hair", rows_by="Coat", locks={"Hat": None})
    assert all(cell.count == 2 for row in anything.rows for cell in row.cells)


def test_drawn_combinations_are_not_locked_to_one_cell(catalog):
    drawn = [{"Hair": f"h{n}", "Coat": f"c{n}", "Hat": f"t{n}"} for n in range(5)]
    number = catalog.index.put_session(session(catalog.folder, "one"))
    catalog.index.put_images(number, [image("one", n, choice) for n, choice in enumerate(drawn)])
    assert set(look(catalog).locks.values()) == {None}


def test_what_is_missing_gone_and_said(catalog):
    ids = put(catalog, sweep(HAIR, ("Fur",)), [1, 2])
    catalog.index.put_images(1, [image("one", 90, {"Hair": "Red", "Coat": "Fur"}, seed=1)])  # made twice
    catalog.judge([ids[2]], "value/Hair", "ko")
    with catalog.index.store.write() as db:
        db.execute("UPDATE image SET missing=1 WHERE id=?", (ids[4],))
        db.execute("DELETE FROM image_value WHERE image=?", (ids[5],))
        db.execute("DELETE FROM image WHERE id=?", (ids[5],))
    made = look(catalog)
    assert made.constants == {"Coat": "Fur"} and list(made.locks) == []
    assert [cell.count for cell in made.rows[0].cells] == [2, 1, 1]
    assert made.rows[1].cells[2].images == []
    assert made.rows[0].cells[1].images[0].verdict == "ko" and made.rows[0].cells[2].images[0].missing
    assert [value.ko for value in made.columns] == [0, 1, 0]


def test_parameters_that_differ(catalog):
    number = catalog.index.put_session(session(catalog.folder, "one"))
    records = [
        image("one", n, {"Hair": hair}, seed=1, steps=20 + n, model="dream", sampler="euler", width=64 + n)
        for n, hair in enumerate(HAIR)
    ]
    catalog.index.put_images(number, records)
    assert look(catalog).differs == ["steps", "width"]


def test_pages(catalog):
    put(catalog, sweep(HAIR), range(25))
    page = look(catalog, at=20, limit=10)
    assert ([row.key for row in page.rows], page.at, page.total) == (["20", "21", "22", "23", "24"], 20, 25)


def test_an_unknown_combination_shows_every_row(catalog):
    """So that its images can be asked for."""
    values = [choice for choice in sweep(HAIR, COAT, HAT) if (choice["Coat"], choice["Hat"]) != ("Fur", "Cap")]
    put(catalog, values, [1, 2])
    made = look(catalog, pivot="Hair", locks={"Coat": "Fur", "Hat": "Cap"})
    assert [row.key for row in made.rows] == ["1", "2"] and not any(
        cell.count for row in made.rows for cell in row.cells
    )


def test_what_there_is_not(catalog):
    put(catalog, [{"Hair": "Red"}], [1, 2])
    for code, asked in (("nothing-to-compare", {}), ("nothing-to-compare", {"pivot": "Hair"})):
        with pytest.raises(SDGenError) as caught:
            look(catalog, **asked)
        assert caught.value.code == code
    put(catalog, sweep(HAIR), [1], name="two")
    with pytest.raises(SDGenError) as caught:
        compare(catalog.snapshot, "two", pivot="Hare")
    assert (caught.value.code, caught.value.nearest) == ("unknown-item", ["Hair"])
    with pytest.raises(SDGenError) as caught:
        compare(catalog.snapshot, "tow")
    assert caught.value.code == "unknown-session"
    compare(catalog.snapshot, "two", locks={"Never": "there"})


def test_images_that_are_in_memory_are_not_read_again(catalog):
    for name in ("one", "two", "three"):
        put(catalog, sweep(HAIR, COAT), range(9), name=name)
    catalog.snapshot.refresh()
    with statements(catalog.index.store.reader()) as asked:
        look(catalog)
    assert whole_tables(catalog, asked) == []
    assert not any(re.search(r"\bimage(_value)?\b", statement) for statement in asked)


def test_a_cell_of_many_images_names_the_first_and_counts_all(catalog):
    ids = put(catalog, [{"Hair": "Red"}] * 40 + [{"Hair": "Blue"}], [5])
    with catalog.index.store.write() as db:
        db.execute("UPDATE image SET missing=1 WHERE id=?", (ids[0],))
    cell = look(catalog).rows[0].cells[0]
    assert (cell.count, [image.id for image in cell.images]) == (40, ids[1 : MOST_IMAGES + 1])


def test_of_thousands_of_seeds_those_around_the_locked_one_are_listed(catalog):
    put(catalog, sweep(HAIR[:2], COAT), range(MOST_VALUES + 200))
    made = look(catalog, pivot="Hair", rows_by="Coat", locks={SEED: "1100"})
    seeds = [value.key for value in made.axes[-1].values]
    assert seeds == [str(seed) for seed in range(200, MOST_VALUES + 200)] and made.axes[-1].name == SEED
    assert [cell.count for cell in made.rows[0].cells] == [1, 1]
    assert [row.key for row in look(catalog, at=1199).rows] == ["1199"]


def test_a_pivot_is_what_alone_tells_most_images_apart(catalog):
    drawn = [{"Hair": f"h{n}", "Coat": f"c{n}", "Hat": f"t{n}"} for n in range(9)]
    alone = [{**drawn[0], "Hat": hat} for hat in HAT] + [{**drawn[1], "Hair": "Red"}]
    put(catalog, drawn + alone, [1])
    assert look(catalog).pivot == "Hat"


def test_images_without_a_value_are_a_column_of_their_own(catalog):
    put(catalog, [{"Hair": "Red", "Coat": "Fur"}, {"Coat": "Fur"}], [1])
    made = look(catalog)
    assert [(value.key, value.text, value.images) for value in made.columns] == [("Red", "a Red", 1), ("", "", 1)]
    assert look(catalog, rows_by=SEED, pivot="Hair", locks={}).constants == {"Coat": "Fur"}
