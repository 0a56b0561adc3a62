"""What machines say about images: kept through everything that happens to files, never mixed with what people say."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdgen_core.catalog.agreement import Agreement
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.check import verify
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.details import details
from sdgen_core.catalog.records import ImageRecord, value_key
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.score_columns import ImageScores, Scorer, ValueScores
from sdgen_core.errors import SDGenError

from .folders import own_session
from .library import image, session

DEMO = Scorer("0123456789abcdef", "demo")
OTHER = Scorer("fedcba9876543210", "another")


def key(name: str, number: int) -> str:
    """A content key of its own for every image."""
    return f"{name.encode().hex():0>20}{number:012x}"


def records(name: str, count: int) -> list[ImageRecord]:
    values = [{"Hair": ("Red", "Blue")[n % 2], "Coat": f"c{n % 3}"} for n in range(count)]
    return [image(name, n, v, thumb=key(name, n)) for n, v in enumerate(values)]


def filled(folder: Path, count: int = 6) -> Catalog:
    catalog = Catalog(folder)
    for name in ("one", "two"):
        catalog.index.put_images(catalog.index.put_session(session(folder, name)), records(name, count))
    return catalog


@pytest.fixture
def catalog(tmp_path):
    made = filled(tmp_path)
    yield made
    made.close()


def valued(name: str, number: int, values: Mapping[str, tuple[str | None, str]], thumb: str = "") -> ImageRecord:
    """An image with these values, as keys and texts."""
    record = image(name, number, thumb=thumb or key(name, number))
    record.values = values
    return record


def class_of(score: float) -> str:
    return "failed" if score < 0.5 else "partial" if score <= 0.8 else "success"


def said(name: str, scores: list[float], first: int = 0, **values: ValueScores) -> ImageScores:
    """What is said of the first images of a session; of no values but those given."""
    keys = [key(name, first + n) for n in range(len(scores))]
    classes = ["none" if math.isnan(score) else class_of(score) for score in scores]
    return ImageScores(keys, classes, scores, [score < 0.3 for score in scores], values=values)


def hair(*probabilities: float, **more: Any) -> ValueScores:
    return ValueScores([("Red", "Blue")[n % 2] for n in range(len(probabilities))], probabilities, **more)


def told(catalog: Catalog) -> list[tuple[Any, ...]]:
    """Everything that machines said, as the index has it, by file."""
    images = (
        "SELECT file, class, match, flagged, promptscore, aesthetic FROM image_and_said WHERE scored = 1 ORDER BY file"
    )
    values = (
        "SELECT file, name, score FROM image_value JOIN image ON image.id = image JOIN value ON value.id = value"
        " JOIN placeholder ON placeholder.id = placeholder WHERE score IS NOT NULL ORDER BY 1, 2"
    )
    return [*catalog.index.store.rows(images), *catalog.index.store.rows(values)]


def same_as_anew(catalog: Catalog) -> bool:
    """Whether the index says what it would say if all scores were mirrored anew."""
    before = told(catalog)
    with catalog.index.store.write() as db:
        db.execute("UPDATE meta SET value='other' WHERE name='scores'")
    catalog.index.take_scores()
    return told(catalog) == before and recount(catalog.index, repair=False) == []


def test_what_is_written_is_found_and_counted(catalog):
    scores = [0.1, 0.5, 0.9, math.nan]
    whole = said(
        "one",
        scores,
        Hair=hair(0.1, 0.5, 0.9, math.nan, methods=["clip", "clip", "crop:face", "not assessable: quality"]),
    )
    changed = catalog.machine.write("one", DEMO, whole)
    assert changed == [1, 2, 3, 4]
    assert catalog.find("class:failed,success sort:match")[0] == [1, 3]
    assert catalog.find("is:flagged")[0] == [1]
    assert catalog.find("match:0.5..0.9 sort:-match")[0] == [3, 2]
    assert catalog.find("score:Hair<0.5")[0] == [1]
    assert catalog.find("class:none is:scored")[0] == [4]
    assert len(catalog.find("class:none")[0]) == 9
    assert catalog.machine.classes("one").to_dict() == {
        "scored": 4, "success": 1, "partial": 1, "failed": 1, "none": 1, "flagged": 1, "mean": 0.5,
    }  # fmt: skip
    assert catalog.machine.classes("two").mean is None
    assert catalog.machine.scored("one") == {key("one", n): DEMO.identity for n in range(4)}
    assert catalog.machine.scored("two") == {}
    assert recount(catalog.index, repair=False) == []


def test_the_viewer_is_told(catalog):
    columns = hair(0.25, methods="crop:face", calibrated=True)
    whole = ImageScores(
        [key("one", 0)],
        ["failed"],
        [0.25],
        [True],
        [0.31],
        [5.5],
        {"Hair": columns, "Coat": ValueScores([None], [0.0])},
    )
    catalog.machine.write("one", DEMO, whole)
    shown, other = details(catalog.index.store, [1, 2], catalog.machine)
    at = shown["machine"].pop("at")
    assert shown["machine"] == {
        "scorer": "demo",
        "identity": DEMO.identity,
        "class": "failed",
        "score": 0.25,
        "flagged": True,
        "prompt_score": 0.31,
        "aesthetic": 5.5,
        "values": {"Hair": {"probability": 0.25, "calibrated": True, "method": "crop:face"}},
        "staged": False,
    }
    assert at > 1_700_000_000_000
    assert shown["values"]["Hair"]["score"] == 0.25
    assert shown["values"]["Coat"]["score"] is None
    assert other["machine"] is None
    assert "machine" not in details(catalog.index.store, [1])[0]


def test_columns_of_numpy_will_do(catalog):
    p = np.array([0.2, 0.9], "f4")
    values = ValueScores(np.array(["Red", "Blue"]), p, np.array(["clip", "vlm"]), p > 0.5)
    catalog.machine.write(
        "one",
        DEMO,
        ImageScores([key("one", 0), key("one", 1)], ["failed", "success"], p, p < 0.3, values={"Hair": values}),
    )
    assert catalog.find("score:Hair=0.2")[0] == [1]
    assert catalog.machine.details([2])[2]["values"] == {
        "Hair": {"probability": 0.9, "calibrated": True, "method": "vlm"}
    }


def test_what_is_said_again_takes_the_place_of_the_old(catalog):
    catalog.machine.write(
        "one", DEMO, said("one", [0.1, 0.2], Hair=hair(0.1, 0.2), Coat=ValueScores(["c0", "c1"], [0.1, 0.1]))
    )
    catalog.machine.write("one", OTHER, said("one", [0.9], Hair=hair(0.9)))
    assert catalog.machine.scored("one") == {key("one", 0): OTHER.identity, key("one", 1): DEMO.identity}
    assert catalog.find("score:Coat>=0")[0] == [2]
    assert catalog.find("score:Hair>0.5")[0] == [1]
    assert catalog.machine.classes("one").mean == pytest.approx(0.55)
    assert catalog.scores.store.value("SELECT count(*) FROM value") == 3
    assert same_as_anew(catalog)


def test_what_is_cleared_is_gone(catalog):
    for name in ("one", "two"):
        catalog.machine.write(name, DEMO, said(name, [0.1, 0.9], Hair=hair(0.1, 0.9)))
    assert catalog.machine.clear("one") == [1, 2]
    assert catalog.machine.clear("one") == []
    assert catalog.machine.scored("one") == {}
    assert catalog.find("is:scored sort:number")[0] == [7, 8]
    assert catalog.find("score:>=0 sort:number")[0] == [7, 8]
    assert catalog.machine.classes("one").scored == 0
    assert same_as_anew(catalog)


def test_mistakes_change_nothing(catalog):
    good = said("one", [0.1, 0.2])
    for bad in (
        ImageScores(good.keys, ["failed"], good.scores, good.flagged),
        ImageScores(good.keys, ["failed", "perfect"], good.scores, good.flagged),
        ImageScores(good.keys, ["failed", "none"], good.scores, good.flagged),
        ImageScores(good.keys, good.classes, [0.1, 1.5], good.flagged),
        ImageScores(good.keys, good.classes, good.scores, good.flagged, values={"Hair": hair(0.1, -0.5)}),
        ImageScores(good.keys, good.classes, good.scores, good.flagged, values={"Hair": hair(0.1)}),
    ):
        with pytest.raises(ValueError):
            catalog.machine.write("one", DEMO, bad)
    with pytest.raises(SDGenError) as caught:
        catalog.machine.write("oen", DEMO, good)
    assert (caught.value.code, caught.value.nearest[0]) == ("unknown-session", "one")
    assert catalog.scores.last() == 0
    assert catalog.machine.write("two", DEMO, good) == []  # files that the session has no more
    assert catalog.scores.last() == 0


# ---- files that change and databases that are lost -------------------------------------------------------------------


def test_a_new_index_has_every_score(tmp_path):
    catalog = filled(tmp_path)
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.9], Hair=hair(0.1, 0.9)))
    before, counted = told(catalog), catalog.machine.classes("one")
    assert len(before) == 4
    catalog.close()
    for path in tmp_path.glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path)
    assert told(catalog) == []
    catalog.close()
    catalog = filled(tmp_path)
    assert (told(catalog), catalog.machine.classes("one")) == (before, counted)
    assert verify(catalog.index, repair=False) == []
    catalog.close()


def test_a_changed_file_has_none(catalog):
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.9], Hair=hair(0.1, 0.9)))
    changed, same = records("one", 2)
    changed.thumb = key("new", 0)
    number = catalog.index.put_session(session(catalog.folder, "one"))
    catalog.index.put_images(number, [changed, same])
    assert catalog.find("is:scored")[0] == catalog.find("score:>=0")[0] == [2]
    assert catalog.machine.classes("one").scored == 1
    changed.thumb = key("one", 0)  # the old file is back
    catalog.index.put_images(number, [changed])
    assert catalog.find("score:Hair<0.5")[0] == [1]
    assert same_as_anew(catalog)


def test_a_value_that_the_image_has_no_more_has_no_score(catalog):
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.9], Hair=hair(0.1, 0.9)))
    record = image("one", 0, {"Hair": "Green"}, thumb=key("one", 0))
    catalog.index.put_images(catalog.index.put_session(session(catalog.folder, "one")), [record])
    assert catalog.find("score:Hair>=0")[0] == [2]
    assert catalog.find("is:scored sort:number")[0] == [1, 2]
    assert same_as_anew(catalog)


def test_a_value_whose_key_is_learnt_keeps_its_score(tmp_path):
    """Scored when only its text was known; a new index knows its key."""
    catalog = Catalog(tmp_path)
    number = catalog.index.put_session(session(tmp_path, "one"))
    catalog.index.put_images(number, [valued("one", 0, {"Hair": (None, "long red")})])
    values = {"Hair": ValueScores([value_key("long red")], [0.75])}
    catalog.machine.write("one", DEMO, ImageScores([key("one", 0)], ["partial"], [0.75], [False], values=values))
    assert catalog.find("score:Hair=0.75")[0] == [1]
    catalog.close()
    for path in tmp_path.glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path)
    number = catalog.index.put_session(session(tmp_path, "one"))
    catalog.index.put_images(number, [valued("one", 0, {"Hair": ("Red", "long red")})])
    assert catalog.find("score:Hair=0.75")[0] == [1]
    catalog.close()


def test_folders_that_move_keep_their_scores(tmp_path):
    """Real files: moved, then all imported into a new index."""
    roots = tmp_path / "roots"
    folder = roots / "20260101_030405-mine"
    own_session(folder, 4, session="abcdefghj0")
    catalog = Catalog(tmp_path / "catalog")
    Importer(catalog.index).run([roots])
    [(slug,)] = catalog.index.store.rows("SELECT slug FROM session")
    keys = [k for (k,) in catalog.index.store.rows("SELECT thumb FROM image ORDER BY id")]
    whole = ImageScores(keys, ["failed", "partial", "success", "none"], [0.1, 0.6, 0.9, math.nan], [True] * 4)
    assert len(catalog.machine.write(slug, DEMO, whole)) == 4
    before = told(catalog)
    shutil.move(folder, roots / "elsewhere")
    Importer(catalog.index).run([roots])
    assert told(catalog) == before
    catalog.close()
    for path in (tmp_path / "catalog").glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path / "catalog")
    Importer(catalog.index).run([roots])
    assert told(catalog) == before
    assert verify(catalog.index, repair=False) == []
    catalog.close()


def test_a_crash_between_the_two_files_loses_nothing(tmp_path):
    catalog = filled(tmp_path)
    catalog.scores.put(DEMO, said("one", [0.1, 0.9], Hair=hair(0.1, 0.9)))
    assert told(catalog) == []
    catalog.close()
    catalog = Catalog(tmp_path)
    assert catalog.find("class:failed")[0] == [1]
    assert same_as_anew(catalog)
    catalog.close()


def test_two_programs(tmp_path):
    """One is killed before it told the index: the other one's next batch does. Each sees what the other wrote."""
    one, two = filled(tmp_path), Catalog(tmp_path)
    assert two.find("is:scored")[0] == []
    one.scores.put(DEMO, said("one", [0.1]))
    assert two.machine.write("two", DEMO, said("two", [0.9])) == [1, 7]
    assert one.find("is:scored sort:-match")[0] == two.find("is:scored sort:-match")[0] == [7, 1]
    one.close()
    two.close()


@pytest.mark.parametrize("how", ["noise", "an older copy", "another one", "deleted"])
def test_another_file_of_scores(tmp_path, how):
    """The index has what the file has; images are scored again where it was lost."""
    catalog = filled(tmp_path)
    catalog.machine.write("one", DEMO, said("one", [0.1]))
    catalog.scores.store.checkpoint()
    kept = (tmp_path / "scores.db").read_bytes()
    catalog.machine.write("two", DEMO, said("two", [0.9]))
    catalog.close()
    for path in tmp_path.glob("scores.db*"):
        path.unlink()
    if how == "noise":
        (tmp_path / "scores.db").write_bytes(b"no database" * 1000)
    elif how == "an older copy":
        (tmp_path / "scores.db").write_bytes(kept)
    catalog = Catalog(tmp_path)
    if how == "noise":
        assert "scores.db was damaged" in catalog.remarks[0]
        assert "scored again" in catalog.remarks[0]
        assert len(list(tmp_path.glob("scores.db.damaged-*"))) == 1
    else:
        assert catalog.remarks == []
    assert catalog.find("is:scored")[0] == ([1] if how == "an older copy" else [])
    assert catalog.machine.classes("two").scored == 0
    catalog.machine.write("two", DEMO, said("two", [0.9]))
    assert catalog.find("class:success")[0] == [7]
    assert same_as_anew(catalog)
    catalog.close()


def test_a_file_found_damaged_while_open_is_begun_again(tmp_path):
    catalog = filled(tmp_path, 400)
    values = {name: ValueScores(["x"] * 400, [0.5] * 400) for name in ("Hair", "Coat")}
    catalog.machine.write("one", DEMO, said("one", [0.1] * 400, **values))
    catalog.scores.store.checkpoint()
    catalog.close()
    path = tmp_path / "scores.db"
    with sqlite3.connect(path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='value'").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\x55" * 4096
    path.write_bytes(data)
    catalog = Catalog(tmp_path)
    with pytest.raises(SDGenError) as caught:
        catalog.machine.details([1])
    assert caught.value.code == "catalog-damaged"
    catalog.close()
    catalog = Catalog(tmp_path)
    assert "scores.db was damaged" in catalog.remarks[0]
    assert catalog.find("is:scored")[0] == []
    catalog.close()


def test_a_newer_file_is_left_alone(tmp_path):
    filled(tmp_path).close()
    with sqlite3.connect(tmp_path / "scores.db") as db:
        db.execute("UPDATE _sqlite_migrations SET name='m999_of_the_future' WHERE name LIKE 'm001%'")
    db.close()
    with pytest.raises(SDGenError) as caught:
        Catalog(tmp_path)
    assert caught.value.code == "catalog-unusable"
    assert "newer" in str(caught.value)


def test_a_locked_file_is_told(catalog):
    other = sqlite3.connect(catalog.folder / "scores.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    catalog.scores.store._writer.execute("PRAGMA busy_timeout=50")
    with pytest.raises(SDGenError) as caught:
        catalog.machine.write("one", DEMO, said("one", [0.1]))
    assert caught.value.code == "catalog-locked"
    other.execute("ROLLBACK")
    other.close()
    assert catalog.machine.write("one", DEMO, said("one", [0.1])) == [1]


# ---- calibrations ----------------------------------------------------------------------------------------------------


def test_calibrations_are_kept_per_scorer(catalog):
    machine = catalog.machine
    machine.save_calibration(DEMO, "Hair", {"labels": 120, "error": 0.03, "weights": [1.5, -0.25]})
    machine.save_calibration(DEMO, "Höhe", {"labels": 20})
    machine.save_calibration(OTHER, "Hair", {"labels": 1})
    machine.save_calibration(DEMO, "Hair", {"labels": 130, "error": 0.02, "weights": [1.5, -0.25]})
    assert machine.calibrations(DEMO.identity) == {
        "Hair": {"labels": 130, "error": 0.02, "weights": [1.5, -0.25]},
        "Höhe": {"labels": 20},
    }
    machine.save_calibration(DEMO, "Hair", None)
    assert machine.calibrations(DEMO.identity) == {"Höhe": {"labels": 20}}
    assert machine.calibrations(OTHER.identity) == {"Hair": {"labels": 1}}
    assert machine.calibrations("nobody") == {}
    with pytest.raises(ValueError):
        machine.save_calibration(DEMO, "Hair", {"error": math.nan})


# ---- people and machines ---------------------------------------------------------------------------------------------


def test_agreement(catalog):
    catalog.machine.write("one", DEMO, said("one", [0.5] * 6, Hair=hair(0.9, 0.8, 0.2, 0.5, 0.1, 0.3)))
    catalog.judge([1, 2, 3], "value/Hair", "ok")
    catalog.judge([4, 5], "value/Hair", "ko")
    catalog.judge([6], "value/Hair", "partial")
    catalog.judge([1, 2], "value/Coat", "ok")  # no machine looked at those
    catalog.judge([5], "mark", "trash")
    everything, of_hair = catalog.machine.agreement()
    assert of_hair == Agreement("Hair", ok_seen=2, ok_unseen=1, ko_seen=1, ko_unseen=1)
    assert everything.to_dict() == {**of_hair.to_dict(), "placeholder": None}
    assert (of_hair.labels, of_hair.agree) == (5, 0.6)
    assert catalog.machine.agreement("", match=0.6)[1] == Agreement("Hair", 2, 1, 0, 2)
    assert catalog.machine.agreement("session:two") == [Agreement(None, 0, 0, 0, 0)]
    assert catalog.machine.agreement("session:two")[0].kappa is None
    asked = "session:one contradicts:>0.5 sort:-contradicts"
    assert catalog.find(asked)[0] == [3]
    catalog.judge([6], "value/Hair", "ok")
    assert catalog.find(asked)[0] == [3, 6]
    catalog.machine.write("one", DEMO, said("one", [0.5] * 6, Hair=hair(0.9, 0.3, 0.2, 0.7, 0.1, 0.1)))
    assert catalog.find(asked)[0] == [6, 3, 2, 4]


def test_kappa_of_a_known_table():
    """Cohen's measure for 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, expected 0.5."""
    one = Agreement("x", 20, 5, 10, 15)
    assert one.agree == 0.7
    assert one.kappa == pytest.approx(0.4)
    assert Agreement("x", 9, 0, 0, 0).kappa is None
    assert Agreement("x", 0, 5, 5, 0).kappa == -1
    assert Agreement("x", 4, 0, 0, 4).kappa == 1
    assert Agreement("x", 4, 4, 4, 4).kappa == 0


# ---- what failed, into the trash -------------------------------------------------------------------------------------


def test_the_failed_are_staged_as_one_step(catalog):
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.2, 0.3, 0.4, 0.45, 0.9], Hair=hair(*[0.1] * 6)))
    catalog.machine.write("two", DEMO, said("two", [0.1]))
    catalog.judge([1], "mark", "favourite")
    catalog.judge([2], "rating", "4")
    catalog.judge([3], "value/Coat", "ok")
    catalog.judge([4], "value/Coat", "ko")
    seen = catalog.machine.preview("session:one sort:number")
    assert (seen.ids, seen.bytes, seen.spared) == ([4, 5], 2_000, 3)
    assert [(v.placeholder, v.key, v.images) for v in seen.values] == [
        ("Hair", "Red", 1), ("Hair", "Blue", 1), ("Coat", "c0", 1), ("Coat", "c1", 1),
    ]  # fmt: skip
    assert catalog.find("is:trash")[0] == []
    done = catalog.machine.stage("session:one")
    assert done.images == [4, 5]
    assert done.label == catalog.user.can()[0] == "machine: mark: trash, 2 images of class failed"
    assert catalog.find("is:trash sort:number")[0] == [4, 5]
    assert [one["staged"] for one in catalog.machine.details([1, 4, 5, 6]).values()] == [False, True, True, False]
    catalog.judge([4], "mark", None)
    catalog.judge([4], "mark", "trash")  # a person says so herself
    assert [one["staged"] for one in catalog.machine.details([4, 5]).values()] == [False, True]
    for _ in range(3):
        catalog.undo()
    assert catalog.find("is:trash")[0] == []
    assert catalog.machine.preview("session:one sort:number").ids == [4, 5]
    catalog.redo()
    assert [one["staged"] for one in catalog.machine.details([4, 5]).values()] == [True, True]
    again = catalog.machine.preview()
    assert (again.ids, again.spared) == ([7], 3)


def test_the_same_content_asked_for_other_values_has_scores_of_its_own(catalog):
    """Two sessions have the same file, as from a generator that does not heed a value; a third is a copy of the first."""
    same = key("same", 0)
    for name, colour in (("red", "Red"), ("blue", "Blue"), ("copy", "Red")):
        record = valued(name, 0, {"Hair": (colour, f"{colour} hair")}, same)
        catalog.index.put_images(catalog.index.put_session(session(catalog.index.path.parent, name)), [record])
    for name, colour, score in (("red", "Red", 0.9), ("blue", "Blue", 0.1)):
        of = ValueScores([colour], [score])
        catalog.machine.write(
            name, DEMO, ImageScores([same], [class_of(score)], [score], [score < 0.3], values={"Hair": of})
        )
    rows = [row for row in told(catalog) if row[0].startswith(("red", "blue", "copy"))]
    assert [row[:3] for row in rows if len(row) > 3] == [
        ("blue_0000.png", 3, 0.1), ("copy_0000.png", 1, 0.9), ("red_0000.png", 1, 0.9),
    ]  # fmt: skip
    assert [row[2] for row in rows if len(row) == 3] == [0.1, 0.9, 0.9]
    assert same_as_anew(catalog)
    ids = catalog.find("is:scored")[0]
    found = {row["score"]: row["values"]["Hair"]["probability"] for row in catalog.machine.details(ids).values()}
    assert len(ids) == 3 and found == {0.9: 0.9, 0.1: 0.1}
    # both at once, as images of one session; and what is said again takes its own place only
    columns = ImageScores(
        [same, same],
        ["failed", "success"],
        [0.2, 0.95],
        [True, False],
        values={"Hair": ValueScores(["Red", "Blue"], [0.2, 0.95])},
    )
    catalog.machine.write("red", DEMO, columns)
    assert [row[2] for row in told(catalog) if len(row) == 3] == [0.95, 0.2, 0.2]
    catalog.machine.clear("blue")
    assert told(catalog) == []


def test_scores_of_an_older_version_are_kept(tmp_path):
    catalog = filled(tmp_path)
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.5, 0.9], Hair=hair(0.1, 0.5, 0.9)))
    catalog.machine.write("one", OTHER, said("one", [0.2], Hair=hair(0.2)))
    catalog.machine.write("two", OTHER, said("two", [0.6]))
    before, last = told(catalog), catalog.scores.last()
    catalog.scores.store.close()
    catalog.close()
    path = tmp_path / "scores.db"
    columns = "id, key, scorer, at, class, score, flagged, prompt_score, aesthetic"
    with sqlite3.connect(path) as db:  # as it was: a content had one row
        db.executescript(
            "CREATE TABLE old(id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, scorer INTEGER, at INTEGER NOT NULL,"
            " class INTEGER NOT NULL DEFAULT 0, score REAL, flagged INTEGER NOT NULL DEFAULT 0, prompt_score REAL, aesthetic REAL);"
            f"INSERT INTO old({columns}) SELECT {columns} FROM image; DROP TABLE image; ALTER TABLE old RENAME TO image;"
            f"UPDATE sqlite_sequence SET seq={last + 7} WHERE name='image';"
            "DELETE FROM _sqlite_migrations WHERE name='m002_one_content_asked_for_different_values';"
        )
    db.close()
    catalog = Catalog(tmp_path)
    assert catalog.scores.lost is None and told(catalog) == before and catalog.scores.last() == last + 7
    with catalog.scores.store.write() as writing:
        asked = writing.execute("SELECT asked FROM image").fetchall()
    assert {len(of) for (of,) in asked} == {0, 8}
    catalog.machine.write("one", DEMO, said("one", [0.7], Hair=hair(0.7)))  # in the place of the old row
    assert catalog.scores.store.value("SELECT count(*) FROM image") == 4
    assert catalog.find("match:0.7")[0] == [1] and same_as_anew(catalog)
    catalog.close()


def test_no_more_is_staged_than_was_seen(catalog):
    catalog.machine.write("one", DEMO, said("one", [0.1, 0.1]))
    seen = catalog.machine.preview()
    catalog.machine.write("one", DEMO, said("one", [0.9, 0.1, 0.1]))
    assert catalog.machine.stage(only=seen.ids).images == [2]
    assert catalog.machine.stage("class:success").images == []
