"""A data set's folder: what is in it, whole or not at all, and never in the gallery."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import time
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.choose import choose
from sdgen_core.training.datasets.folder import DataSet, bucket_bounds, folder_name, records
from sdgen_core.training.datasets.recipe import Recipe
from sdgen_core.training.datasets.write import folder_of, unused, write

from .made import Shot, shots

writing = importlib.import_module("sdgen_core.training.datasets.write")


@pytest.fixture
def coats(made):
    made.add("coats", [*shots(6, Colour="red", Mood="sad"), *shots(2, Colour="blue", Mood="sad")])
    made.judge("coats", range(8), "value/Colour", "ok")
    return made


def chosen(made, **more):
    return choose(
        made.library, Recipe.of({"name": "Red coats", "best": 1.0, "duplicates": None, "apart": {"share": 0.0}, **more})
    )


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def files(root):
    """Names, content and times of everything below a folder."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(root.rglob("*"))
    }


def test_what_is_written(coats, tmp_path):
    before = files(coats.root)
    selection = chosen(coats, value="Colour=red", repeats=10, captions={"trigger": "sks", "learned": "replace"})
    told = []
    folder = folder_of(tmp_path / "training", "Red coats")
    made = write(coats.library, selection, folder, lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]
    images = folder / "images" / "10_Red coats"
    names = [f"{n:06}_{image.key[:8]}" for n, image in enumerate(selection.images, 1)]
    assert tree(images) == sorted(f"{name}{ending}" for name in names for ending in (".png", ".txt"))
    assert {path.name for path in folder.iterdir()} == {"dataset.json", "dataset.toml", "held_out.json", "images"}
    for name, image in zip(names, selection.images, strict=True):
        assert (images / f"{name}.png").samefile(coats.library.file(image.id))
        assert (images / f"{name}.txt").read_bytes() == b"sks, sad"
    assert DataSet.read(folder) == made
    assert made.counts == {"images": 6, "considered": 8, "other-value": 2}
    assert [one.values["Colour"]["text"] for one in made.images] == ["red"] * 6
    assert made.resolution == (64, 64) and made.bounds == (64, 1024)
    assert made.held_out == selection.held_out
    assert files(coats.root) == before
    assert records(tmp_path / "training") == [folder / "dataset.json"]


def test_the_config_is_for_the_folder_where_it_lies(coats, tmp_path):
    folder = tmp_path / 'a "quoted" é' if os.name != "nt" else tmp_path / "é"
    write(coats.library, chosen(coats, even=True, balance=["Colour"], factor=10), folder)
    text = (folder / "dataset.toml").read_text(encoding="utf-8")
    toml = pytest.importorskip("tomllib" if os.sys.version_info >= (3, 11) else "tomli")
    config = toml.loads(text)
    assert config["general"] == {"caption_extension": ".txt", "shuffle_caption": False}
    [dataset] = config["datasets"]
    found = {Path(one["image_dir"]).name: one["num_repeats"] for one in dataset["subsets"]}
    assert all(
        Path(one["image_dir"]).is_dir() and folder in Path(one["image_dir"]).parents for one in dataset["subsets"]
    )
    assert found == {"1_red": 1, "3_blue": 3}  # two blue ones against six red ones


def test_copies_where_links_do_not_work_or_are_not_wanted(coats, tmp_path, monkeypatch):
    def none(*names, **more):
        raise OSError(errno.EXDEV, "another drive")

    selection = chosen(coats)
    write(coats.library, selection, tmp_path / "linked")
    monkeypatch.setattr(os, "link", none)
    write(coats.library, selection, tmp_path / "copied")
    for n, image in enumerate(selection.images):
        original = coats.library.file(image.id)
        for name, links in (("linked", True), ("copied", False)):
            path = tmp_path / name / DataSet.read(tmp_path / name).images[n].file
            assert path.samefile(original) == links and path.read_bytes() == original.read_bytes()
    with pytest.raises(SDGenError) as error:
        write(coats.library, chosen(coats, files="link"), tmp_path / "must")
    assert error.value.code == "no-links" and not (tmp_path / "must").exists()
    monkeypatch.undo()
    asked = write(coats.library, chosen(coats, files="copy"), tmp_path / "asked")
    assert not (tmp_path / "asked" / asked.images[0].file).samefile(coats.library.file(selection.images[0].id))


def test_other_formats_stay_as_they_are(made, tmp_path):
    made.add("coats", [Shot({"Colour": "red"}, ending=ending) for ending in (".png", ".JPG", ".webp", ".jpeg")])
    made.judge("coats", range(4), "value/Colour", "ok")
    found = write(made.library, chosen(made), tmp_path / "set")
    assert [Path(one.file).suffix for one in found.images] == [".png", ".jpg", ".webp", ".jpeg"]


def test_never_into_the_gallery(coats, tmp_path):
    selection, before = chosen(coats), files(coats.root)
    link = tmp_path / "link"
    targets = [coats.root, coats.root / "new", next(coats.root.iterdir()) / "deep" / "er"]
    try:
        link.symlink_to(coats.root, target_is_directory=True)
        targets.append(link / "new")
    except OSError:
        pass  # Windows lets only some people make links
    for target in targets:
        with pytest.raises(SDGenError) as error:
            write(coats.library, selection, target)
        assert error.value.code == "inside-gallery"
    assert files(coats.root) == before


def test_what_is_there_is_never_overwritten(coats, tmp_path):
    folder = tmp_path / "set"
    first = chosen(coats, limit=3)
    write(coats.library, first, folder)
    before = files(folder)
    write(coats.library, first, folder)  # just this is there
    assert files(folder) == before
    assert unused(first, folder) == folder and unused(chosen(coats, limit=4), folder) == tmp_path / "set-2"
    with pytest.raises(SDGenError, match="another recipe"):
        write(coats.library, chosen(coats, limit=4), folder)
    coats.judge("coats", [first.images[0].number], "value/Colour", "ko")
    with pytest.raises(SDGenError, match="of other images"):
        write(coats.library, chosen(coats, limit=3), folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for name in ("mine", "file"):
        with pytest.raises(SDGenError, match="is no data set"):
            write(coats.library, first, tmp_path / name)
    assert files(folder) == before
    (tmp_path / "empty").mkdir()
    assert write(coats.library, chosen(coats), tmp_path / "empty").images


def test_a_write_that_fails_leaves_nothing(coats, tmp_path, monkeypatch):
    selection = chosen(coats, files="copy")
    copied = []

    def full(source, target):
        copied.append(target)
        if len(copied) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(SDGenError) as error:
        write(coats.library, selection, tmp_path / "sets" / "set")
    assert error.value.code == "disk-full" and tree(tmp_path / "sets") == []
    assert error.value.hint.startswith("Choose fewer images")

    def stopped(done, total):
        raise KeyboardInterrupt

    monkeypatch.undo()
    with pytest.raises(KeyboardInterrupt):
        write(coats.library, selection, tmp_path / "sets" / "set", stopped)
    assert tree(tmp_path / "sets") == []


def test_a_virus_scanner_that_looks_at_a_new_image_is_waited_for(coats, tmp_path, monkeypatch):
    tries, replace = [], os.replace

    def busy(source, target):
        tries.append(source)
        if len(tries) < 4:
            error = PermissionError(errno.EACCES, "Access is denied")
            error.winerror = 5
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    assert write(coats.library, chosen(coats), tmp_path / "set").images and len(tries) == 4
    assert tree(tmp_path / "set")


def test_what_a_killed_write_left_goes_with_the_next(coats, tmp_path):
    old, new = tmp_path / "set [a].1-2.tmp", tmp_path / "set [a].3-4.tmp"
    for folder in (old, new):
        (folder / "images").mkdir(parents=True)
    os.utime(old, (time.time() - 7200,) * 2)
    write(coats.library, chosen(coats), tmp_path / "set [a]")
    assert not old.exists() and new.exists()  # the younger one may be somebody's who writes just now


def test_what_is_being_written_is_not_listed(coats, tmp_path):
    write(coats.library, chosen(coats), folder_of(tmp_path, "one"))
    write(coats.library, chosen(coats), folder_of(tmp_path, "two")).folder.rename(
        folder_of(tmp_path, "two").with_name("two.1-2.tmp")
    )
    (tmp_path / "datasets" / "three").mkdir()
    (tmp_path / "datasets" / "three" / "dataset.json").write_text("{", encoding="utf-8")
    assert [path.parent.name for path in records(tmp_path)] == ["one", "three"]


def test_a_disk_with_no_room_is_told_before_anything_is_copied(coats, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=writing._SPARE))
    monkeypatch.setattr(shutil, "copyfile", lambda *names: pytest.fail("copied"))
    with pytest.raises(SDGenError) as error:
        write(coats.library, chosen(coats, files="copy"), tmp_path / "set")
    assert error.value.code == "disk-full" and not (tmp_path / "set").exists()


def test_nothing_to_write_is_an_error(coats, tmp_path):
    with pytest.raises(SDGenError) as error:
        write(coats.library, chosen(coats, query="rating:5"), tmp_path / "set")
    assert error.value.code == "no-images"


def test_an_image_that_went_meanwhile(coats, tmp_path):
    selection = chosen(coats)
    coats.library.file(selection.images[4].id).unlink()
    with pytest.raises(SDGenError) as error:
        write(coats.library, selection, tmp_path / "set")
    assert error.value.code == "missing-file" and not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Colour red", "Colour red"),
        ("a/b:c?", "a_b_c_"),
        ("CON", "_CON"),
        ("v1.5 end.", "v1_5 end_"),
        ("é" * 99, "é" * 30),
    ],
)
def test_names_of_folders_suit_every_system(text, name):
    assert folder_name(text) == name


def test_paths_stay_short_enough_for_windows(made, tmp_path):
    values = [f"{colour} " + "very " * 40 + "long" for colour in ("red", "blue")]
    made.add("coats", [Shot({"Colour": value}) for value in values for _ in range(2)])
    made.judge("coats", range(4), "value/Colour", "ok")
    selection = chosen(made, name="N" * 120, even=True, balance=["Colour"])
    folder = write(made.library, selection, folder_of(tmp_path, "N" * 120)).folder
    longest = max(tree(folder), key=len)
    names = {path.name for path in (folder / "images").iterdir()}
    assert len(names) == 2 and {name[:5] for name in names} == {"1_red", "1_blu"}
    # a ComfyUI in 60 characters, and 30 of a temporary name, or what kohya writes beside an image
    assert 60 + len("sdgen/training/datasets/") + len(folder.name) + 30 + len(longest) < 260


@pytest.mark.parametrize(
    ("resolution", "sizes", "bounds"),
    [
        ((512, 512), [(512, 512)], (256, 1024)),
        ((64, 64), [(64, 64)], (64, 1024)),
        ((832, 1216), [(832, 1216)], (256, 1216)),
        ((100, 100), [(100, 100)], (64, 1024)),
        ((512, 512), [(200, 900)], (192, 1024)),
    ],
)
def test_buckets_lie_around_the_resolution(resolution, sizes, bounds):
    assert bucket_bounds(resolution, sizes) == bounds


def test_the_resolution_is_that_of_most_images(made, tmp_path):
    made.add("coats", [Shot({"Colour": "red"}, size=size) for size in ((96, 128), (100, 140), (96, 128))])
    made.judge("coats", range(3), "value/Colour", "ok")
    assert write(made.library, chosen(made), tmp_path / "one").resolution == (64, 128)
    assert write(made.library, chosen(made, resolution=512), tmp_path / "two").resolution == (512, 512)
    assert write(made.library, chosen(made, resolution=[128, 192]), tmp_path / "three").resolution == (128, 192)
