"""A data set looked at before training, in the way kohya would."""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.audit import audit, bucket_of, bucket_sizes
from sdgen_core.training.datasets.choose import choose
from sdgen_core.training.datasets.folder import STEP, bucket_bounds
from sdgen_core.training.datasets.recipe import Recipe
from sdgen_core.training.datasets.write import write

from .made import Shot, picture

CHECKOUT = os.environ.get("SDGEN_KOHYA_DIR", "")
PYTHON = os.environ.get("SDGEN_KOHYA_PYTHON", "") or sys.executable
with_kohya = pytest.mark.skipif(not CHECKOUT, reason="SDGEN_KOHYA_DIR names no sd-scripts checkout")


def kohya(code, *arguments):
    """What a program prints that can import kohya's library, as JSON."""
    environment = {**os.environ, "PYTHONPATH": CHECKOUT, "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [PYTHON, "-c", code, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def folder_of(tmp_path, images, repeats=2):
    """A folder as other people make it: name -> (size, caption or None)."""
    place = tmp_path / "set" / f"{repeats}_cat"
    place.mkdir(parents=True)
    for n, (name, (size, caption)) in enumerate(images.items()):
        picture(n, size).save(place / name)
        if caption is not None:
            (place / name).with_suffix(".txt").write_text(caption, encoding="utf-8")
    return tmp_path / "set"


def codes(found, fatal=None):
    return sorted({one.code for one in found.problems if fatal is None or one.fatal == fatal})


MANY = {f"{n:02}.png": ((64, 64), f"a cat, {n}") for n in range(12)}


def test_a_good_folder_has_no_problems(tmp_path):
    found = audit(folder_of(tmp_path, MANY), epochs=3, batch=5, seconds_per_step=2.0)
    assert found.problems == [] and found.images == 12 and found.captions == {"there": 12, "empty": 0, "missing": 0}
    assert [vars(one) for one in found.folders] == [{"name": "2_cat", "images": 12, "repeats": 2}]
    assert [vars(one) for one in found.buckets] == [{"width": 64, "height": 64, "images": 12, "repeated": 24}]
    assert (found.steps, found.seconds) == (15, 30.0)  # five batches of 24, thrice
    assert audit(found.folder, epochs=3, batch=5, accumulation=2).steps == 9
    assert "3 epochs with a batch of 5: 15 steps, about 30 s" in found.text()
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "code", "fatal", "file"),
    [
        (lambda p: (p / "00.png").write_bytes(b"no image"), "broken-image", True, "2_cat/00.png"),
        (lambda p: (p / "00.png").write_bytes((p / "00.png").read_bytes()[:-200]), "broken-image", True, "2_cat/00.png"),
        (lambda p: (p / "00.txt").unlink(), "no-caption", False, "2_cat/00.png"),
        (lambda p: (p / "00.txt").write_bytes(b""), "empty-caption", True, "2_cat/00.txt"),
        (lambda p: (p / "00.txt").write_text("\n"), "empty-caption", False, "2_cat/00.png"),
        (lambda p: (p / "00.txt").write_text("\na cat"), "empty-caption", False, "2_cat/00.png"),
        (lambda p: (p / "00.txt").write_bytes(b"\xff\xfe\x00"), "bad-caption", True, "2_cat/00.txt"),
        (lambda p: (p / "00.txt").write_text("a\nb"), "many-lines", False, "2_cat/00.txt"),
        (lambda p: (p / "00.txt").write_text("word " * 76), "long-caption", False, "2_cat/00.png"),
        (lambda p: picture(5, (64, 128)).save(p / "00.png"), "mixed-sizes", False, ""),
        (lambda p: picture(5, (32, 32)).save(p / "00.png"), "too-small", False, "2_cat/00.png"),
        (lambda p: picture(5, (64, 64)).save(p / "00.webp"), "same-name", False, "2_cat/00.png"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_file(tmp_path, change, code, fatal, file):
    folder = folder_of(tmp_path, MANY)
    change(folder / "2_cat")
    found = audit(folder)
    assert [(one.fatal, one.file) for one in found.problems if one.code == code][:1] == [(fatal, file)]
    assert sum(one.code == code for one in found.problems) == (2 if code == "same-name" else 1)
    assert bool(found.errors) == fatal
    line = next(line for line in found.text().splitlines() if line.startswith("error" if fatal else "warning"))
    assert file in line or code != found.problems[0].code


def test_few_images_and_none(tmp_path):
    one = audit(folder_of(tmp_path / "a", {"a.png": ((64, 64), "a cat")}))
    assert codes(one) == ["few-images"] and "1 image is few" in one.text()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SDGenError) as error:
            audit(folder)
        assert error.value.code == "not-a-dataset"
    bad = folder_of(tmp_path / "b", {"a.png": ((64, 64), "a cat")})
    (bad / "2_cat" / "a.png").write_bytes(b"")
    assert codes(audit(bad), fatal=True) == ["broken-image", "no-images"]


def test_many_problems_of_a_kind_are_told_once(tmp_path):
    folder = folder_of(tmp_path, {f"{n:02}.png": ((64, 64), None) for n in range(30)})
    told = [one for one in audit(folder).problems if one.code == "no-caption"]
    assert len(told) == 6 and "25 more files" in told[-1].message


def test_small_buckets_are_told(tmp_path):
    images = {**MANY, "wide.png": ((256, 64), "a wide cat")}
    folder = folder_of(tmp_path, images, repeats=1)
    found = audit(folder, batch=4, resolution=(128, 128))
    assert "small-bucket" in codes(found) and found.steps == 3 + 1


@pytest.fixture
def written(made, tmp_path):
    made.add("coats", [Shot({"Colour": "red", "Mood": f"mood {n}"}) for n in range(12)])
    made.judge("coats", range(12), "value/Colour", "ok")
    recipe = {"name": "reds", "best": 1.0, "apart": {"share": 0.0}, "captions": {"trigger": "sks"}}
    return write(made.library, choose(made.library, Recipe.of(recipe)), tmp_path / "reds")


def test_what_sdgen_wrote_is_good_and_counts_its_values(written):
    found = audit(written.folder)
    assert found.problems == []
    assert found.values["Colour"] == {"red": 12} and len(found.values["Mood"]) == 12


def test_many_near_duplicates_are_told(made, tmp_path):
    made.add("coats", [Shot({"Colour": "red"}, looks=n // 3, seed=n) for n in range(36)])
    made.judge("coats", range(36), "value/Colour", "ok")
    recipe = {"name": "reds", "best": 1.0, "apart": {"share": 0.0}}
    found = audit(write(made.library, choose(made.library, Recipe.of(recipe)), tmp_path / "reds").folder)
    assert codes(found) == ["many-duplicates"] and "24 good images more" in found.text() and found.errors == []
    made.add("hats", [Shot({"Hat": "wide"}, looks=max(n, 2) + 100, seed=n) for n in range(12)])
    made.judge("hats", range(12), "value/Hat", "ok")
    few = choose(made.library, Recipe.of({**recipe, "value": "Hat=wide", "limit": 2}))
    assert few.counts == {"other-value": 36, "duplicate": 2, "limit": 8}  # it is the limit that makes it small
    assert codes(audit(write(made.library, few, tmp_path / "few").folder)) == ["few-images"]
    all_of_them = choose(made.library, Recipe.of({**recipe, "value": "Colour=red", "duplicates": None}))
    assert codes(audit(write(made.library, all_of_them, tmp_path / "all").folder)) == []


def test_what_was_changed_since_is_told(written):
    first = written.folder / written.images[0].file
    first.unlink()
    picture(99, (64, 64)).save(first.with_name("mine.png"))
    first.with_name("mine.txt").write_text("a coat", encoding="utf-8")
    found = audit(written.folder)
    assert codes(found) == ["changed", "no-trigger"]
    assert {one.file for one in found.problems if one.code == "changed"} == {
        written.images[0].file,
        "images/1_reds/mine.png",
    }
    moved = written.folder.rename(written.folder.with_name("elsewhere"))
    assert "moved" in codes(audit(moved))
    assert "moved" not in codes(found)


# ---- buckets ---------------------------------------------------------------------------------------------------------------

SIDES = st.integers(16, 2048)
RESOLUTIONS = st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda pair: (pair[0] * STEP, pair[1] * STEP))


@given(st.tuples(SIDES, SIDES), RESOLUTIONS)
def test_a_bucket_is_in_steps_and_as_near_in_shape_as_any(size, resolution):
    bounds = bucket_bounds(resolution, [size])
    sizes = bucket_sizes(resolution, bounds)
    found = bucket_of(size, resolution, bounds)
    assert found in sizes and not [side for one in sizes for side in one if side % STEP]
    assert all(w * h <= resolution[0] * resolution[1] for w, h in sizes)
    ratio = size[0] / size[1]
    if size not in sizes:
        nearest = min(abs(w / h - ratio) for w, h in sizes)
        assert math.isclose(abs(found[0] / found[1] - ratio), nearest)
    assert bounds[0] <= min(resolution) and max(resolution) <= bounds[1]  # as kohya asserts


@functools.cache
def _cases():
    """Sizes of images and resolutions, and what is worked out here."""
    cases = []
    for resolution in ((512, 512), (832, 1216), (1024, 1024), (64, 64), (128, 64), (192, 320)):
        for size in (
            (512, 512),
            (1, 1),
            (1920, 1080),
            (64, 96),
            (333, 777),
            (832, 1216),
            (100, 2000),
            (67, 65),
            (1023, 1025),
        ):
            bounds = bucket_bounds(resolution, [size])
            cases.append((resolution, size, bounds, list(bucket_of(size, resolution, bounds))))
    return cases


@with_kohya
def test_buckets_are_kohyas():
    code = (
        "import json, sys\n"
        "from library.train_util import BucketManager\n"
        "out = []\n"
        "for resolution, size, bounds, _ in json.loads(sys.argv[1]):\n"
        "    manager = BucketManager(False, tuple(resolution), *bounds, 64)\n"
        "    manager.make_buckets()\n"
        "    out.append(list(map(int, manager.select_bucket(*size)[0])))\n"
        "print(json.dumps(out))\n"
    )
    assert kohya(code, json.dumps(_cases())) == [case[3] for case in _cases()]


@with_kohya
def test_kohya_accepts_the_config_and_counts_as_we_do(made, tmp_path):
    """The real parser of --dataset_config, and the data set that the real code builds of it."""
    pool = [Shot({"Colour": "red"}, size=(64, 64)) for _ in range(7)] + [
        Shot({"Colour": "blue"}, size=(64, 128), ending=".webp") for _ in range(3)
    ]
    made.add("coats", pool)
    made.judge("coats", range(10), "value/Colour", "ok")
    recipe = {
        "name": "my é set",
        "best": 1.0,
        "apart": {"share": 0.0},
        "balance": ["Colour"],
        "factor": 9.0,
        "even": True,
        "repeats": 2,
        "resolution": 128,
    }
    done = write(made.library, choose(made.library, Recipe.of(recipe)), tmp_path / "my é set")
    code = (
        "import argparse, json, sys\n"
        "from library import config_util as c, train_util as t\n"
        "parser = argparse.ArgumentParser()\n"
        "t.add_dataset_arguments(parser, True, False, True)\n"
        "t.add_training_arguments(parser, True)\n"
        "arguments = parser.parse_args([])\n"
        "sanitizer = c.ConfigSanitizer(True, False, False, True)\n"
        "config = c.load_user_config(sys.argv[1])\n"
        "group, _ = c.generate_dataset_group_by_blueprint(c.BlueprintGenerator(sanitizer).generate(config, arguments).dataset_group)\n"
        "data = group.datasets[0]\n"
        "found = {'steps': len(data), 'images': data.num_train_images, 'captions': sorted({i.caption for i in data.image_data.values()}),\n"
        "  'buckets': sorted([*map(int, reso), len(b)] for reso, b in zip(data.bucket_manager.resos, data.bucket_manager.buckets) if b)}\n"
        "print(json.dumps(found))\n"
    )
    found = audit(done.folder)
    assert kohya(code, done.folder / "dataset.toml") == {
        "steps": found.steps,
        "images": sum(one.repeated for one in found.buckets),
        "captions": ["blue", "red"],
        "buckets": [[one.width, one.height, one.repeated] for one in found.buckets],
    }
    assert len(found.buckets) == 2 and found.steps == 7 * 2 + 3 * 4
