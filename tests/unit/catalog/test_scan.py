"""Imports again and again: only what changed is read, nothing that people said is lost, nothing in the folders changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sdgen_core.catalog.check import status, verify
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.scan import folder, importer
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.scan.watch import FULL, Watch
from sdgen_core.catalog.user import Change
from sdgen_core.errors import SDGenError

from .folders import SESSIONS, Catalog, edit_manifest, old_session, own_session, png, tree_hash
from .library import judge, judged


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    yield made
    made.close()


def library(root: Path) -> Path:
    """The predecessor's sessions, and one of ours."""
    shutil.copytree(SESSIONS, root, ignore=shutil.ignore_patterns("input", "README.md"))
    own_session(root / "sdgen" / "20260102_030405-mine", 4)
    return root


def say_something(catalog: Catalog) -> list[tuple[object, ...]]:
    """Judgements about an image of each kind of session and about a session; gives all that the index has of them."""
    for file in ("Plain_Run_One_0001_seed-8.png", "mine_0002_seed-42.png"):
        for (image,) in catalog.rows("SELECT id FROM image WHERE file=?", file):
            judge(catalog.user, catalog.index, image, "mark", "favourite")
            judge(catalog.user, catalog.index, image, "tag/keep", "yes")
    (image,) = catalog.rows("SELECT id FROM image WHERE file='Plain_Run_One_0001_seed-8.png' LIMIT 1")[0]
    judge(catalog.user, catalog.index, image, "value/Coat", "ko")
    for name in ("mine", "stopped"):
        (session,) = catalog.rows("SELECT id FROM session WHERE name=?", name)[0]
        found = [key for (key,) in catalog.rows("SELECT key FROM session_key WHERE session=?", session)]
        keys = tuple(sorted(found, key=lambda key: "imd".find(key[0])))
        step = catalog.user.change(
            [Change("session", keys, "tag/best", "yes"), Change("session", keys, "note", "good")], "s"
        )
        catalog.index.apply(step.events)
    return said(catalog)


def said(catalog: Catalog) -> list[tuple[object, ...]]:
    sessions = "SELECT session.name, note, tag.name FROM session LEFT JOIN session_tag ON session=session.id LEFT JOIN tag ON tag.id=tag"
    return judged(catalog.index) + sorted(catalog.rows(sessions), key=repr)


def test_nothing_in_the_folders_changes(catalog, tmp_path):
    root = library(tmp_path / "root")
    before = tree_hash(root)
    for _ in range(2):
        assert catalog.run(root).errors == []
    assert tree_hash(root) == before


def test_a_rescan_opens_nothing(catalog, tmp_path, opened):
    root = library(tmp_path / "root")
    assert catalog.run(root).progress.images == 17
    with opened(root) as names:
        report = catalog.run(root)
    assert (report.progress.total, report.progress.unchanged, report.progress.images, names) == (0, 9, 0, [])


def test_a_rescan_reads_only_what_has_changed(catalog, tmp_path, opened):
    root = library(tmp_path / "root")
    catalog.run(root)
    folder = root / "20261122_142121-Plain_Run_One"
    shutil.copy(folder / "Plain_Run_One_0000_seed-7.png", folder / "Plain_Run_One_0003_seed-10.png")
    with opened(root) as names:
        report = catalog.run(root)
    assert (report.progress.total, report.progress.images, report.progress.written) == (1, 4, 1)
    # the manifest, the heads of the first and last image that it names, the new image's head and fingerprint
    assert sorted(names) == [
        "Plain_Run_One_0000_seed-7.png", "Plain_Run_One_0002_seed-9.png", *["Plain_Run_One_0003_seed-10.png"] * 2, "manifest.json",
    ]  # fmt: skip
    assert catalog.session("images", folder.name) == (4,)


@pytest.mark.parametrize("in_place", [False, True])
def test_an_image_that_was_redrawn_keeps_what_was_said(tmp_path, in_place):
    """Tools that burn texts into images or pack them anew do so; its place in its session tells that it is the same."""
    root = tmp_path / "root"
    folder = old_session(root)
    catalog = Catalog(tmp_path / "catalog")
    catalog.run(root)
    judge(catalog.user, catalog.index, 2, "note", "mine")
    before = catalog.images("thumb, bytes")
    image = folder / "Plain_Run_One_0001_seed-8.png"
    new = image if in_place else folder / "new.tmp"
    png(new, colour=99, size=(64, 96))
    new.replace(image)
    catalog.run(root, every=in_place)
    after = catalog.images("thumb, bytes")
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, True]
    assert catalog.rows("SELECT count(*) FROM image_key") == [(3,)]
    for _ in range(2):
        assert catalog.images("number, note") == [(0, None), (1, "mine"), (2, None)]
        catalog.close()
        for path in (tmp_path / "catalog").glob("index.db*"):
            path.unlink()
        catalog = Catalog(tmp_path / "catalog")
        catalog.run(root)
    catalog.close()


def test_another_image_under_a_used_name_has_nothing_said(catalog, tmp_path):
    """ComfyUI counts anew when its output folder was emptied."""
    image = tmp_path / "root" / "ComfyUI_00001_.png"
    png(image, colour=1)
    catalog.run(tmp_path / "root")
    judge(catalog.user, catalog.index, 1, "mark", "favourite")
    judge(catalog.user, catalog.index, 1, "tag/x", "yes")
    image.unlink()
    png(image, colour=10)
    catalog.run(tmp_path / "root")
    assert catalog.images("mark, subject") == [(0, None)]
    assert catalog.rows("SELECT image FROM image_tag") == []
    assert recount(catalog.index, repair=False) == []


def test_images_that_changed_names_keep_what_was_said(catalog, tmp_path):
    root = tmp_path / "root"
    folder = old_session(root)
    catalog.run(root)
    judge(catalog.user, catalog.index, 1, "note", "first")
    judge(catalog.user, catalog.index, 2, "note", "second")
    one, two = folder / "Plain_Run_One_0000_seed-7.png", folder / "Plain_Run_One_0001_seed-8.png"
    png(one, colour=7)  # the two are not like each other
    catalog.run(root, every=True)
    one.rename(folder / "x")
    two.rename(one)
    (folder / "x").rename(two)
    catalog.run(root)
    assert catalog.images("number, note") == [(0, "second"), (1, "first"), (2, None)]


def test_a_prompt_corrected_in_the_manifest_keeps_the_rest(catalog, tmp_path):
    root = tmp_path / "root"
    folder = old_session(root)
    catalog.run(root)
    catalog.index.store._writer.execute("UPDATE image SET phash=5, hashed=1 WHERE id=2")
    catalog.index.store._writer.execute("INSERT INTO image_key VALUES('s:known', 2)")
    keys = catalog.rows("SELECT * FROM image_key ORDER BY 1")
    edit_manifest(folder, lambda data: data["images"][1].update(prompt="corrected"))
    assert catalog.run(root).progress.written == 1
    assert catalog.images("positive, phash, hashed")[1] == ("corrected", 5, 1)
    assert catalog.rows("SELECT * FROM image_key ORDER BY 1") == keys


def test_a_new_index_has_every_judgement(tmp_path):
    root = library(tmp_path / "root")
    catalog = Catalog(tmp_path / "catalog")
    catalog.run(root)
    before = say_something(catalog)
    assert ("Plain_Run_One_0001_seed-8.png", "Coat", 3) in before and ("mine", "good", "best") in before
    catalog.close()
    for path in (tmp_path / "catalog").glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path / "catalog")
    assert said(catalog) == []
    catalog.run(root)
    assert said(catalog) == before
    catalog.close()


def test_a_session_that_was_moved_keeps_what_was_said(catalog, tmp_path):
    root = library(tmp_path / "root")
    catalog.run(root)
    before = say_something(catalog)
    (root / "best").mkdir()
    (root / "sdgen" / "20260102_030405-mine").rename(root / "best" / "renamed")
    (root / "20261122_142144-stopped").rename(root / "best" / "20261122_142144-stopped")
    report = catalog.run(root)
    assert (report.missing, catalog.rows("SELECT count(*) FROM session WHERE missing=1")) == (0, [(0,)])
    assert catalog.session("slug, images, gone", "renamed") == ("abcdefghjk", 4, 0)
    assert [row for row in said(catalog) if row[0] != "renamed" and row[0] != "mine"] == [
        row for row in before if row[0] != "mine"
    ]
    assert ("renamed", "good", "best") in said(catalog)


def test_an_image_that_was_moved_to_another_session_keeps_its_marks(catalog, tmp_path):
    root = library(tmp_path / "root")
    png(
        root / "20261122_142144-stopped" / "stopped_0000_seed-7.png", colour=999
    )  # elsewhere are images with the same pixels
    catalog.run(root)
    (image,) = catalog.rows("SELECT id FROM image WHERE file='stopped_0000_seed-7.png'")[0]
    judge(catalog.user, catalog.index, image, "rating", "5")
    (root / "picked").mkdir()
    (root / "20261122_142144-stopped" / "stopped_0000_seed-7.png").rename(root / "picked" / "nice.png")
    catalog.run(root)
    assert catalog.rows("SELECT file, missing, rating FROM image_and_said WHERE rating > 0 ORDER BY 1") == [
        ("nice.png", 0, 5), ("stopped_0000_seed-7.png", 1, 5),
    ]  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_what_was_said_before_a_session_had_hashes_is_kept(tmp_path, own):
    """An older session gets a journal with hashes; one of ours, of images without texts, gets its record back."""
    root = tmp_path / "root"
    folder = root / "20260102_030405-mine"
    own_session(folder, 3, session="abcdefghjk" if own else "?")
    journal = (folder / "manifest.jsonl").read_text(encoding="utf-8")
    (folder / "manifest.jsonl").unlink()
    for n in range(3):
        path = folder / f"mine_{n:04d}_seed-{40 + n}.png"
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        journal = journal.replace(before, png(path, colour=n))
    catalog = Catalog(tmp_path / "catalog")
    catalog.run(root)
    judge(catalog.user, catalog.index, 2, "mark", "favourite")
    (folder / "manifest.jsonl").write_text(journal, encoding="utf-8")
    if own:  # seen once with both
        catalog.run(root)
    catalog.close()
    for path in (tmp_path / "catalog").glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path / "catalog")
    catalog.run(root)
    assert catalog.images("number, mark, hashed") == [(0, 0, 1), (1, 1, 1), (2, 0, 1)]
    catalog.close()


def test_what_is_gone_is_flagged_and_comes_back(catalog, tmp_path):
    root = library(tmp_path / "root")
    catalog.run(root)
    before = say_something(catalog)
    folder = root / "20261122_142121-Plain_Run_One"
    folder.rename(tmp_path / "away")
    assert catalog.run(root).missing == 1
    assert catalog.session("missing, images, gone", folder.name) == (1, 0, 3)
    assert catalog.run(root).missing == 0  # told once
    (tmp_path / "away").rename(folder)
    catalog.run(root)
    assert catalog.session("missing, images, gone, found_planned", folder.name) == (0, 3, 0, 3)
    (folder / "Plain_Run_One_0001_seed-8.png").rename(tmp_path / "kept.png")
    catalog.run(root)
    assert catalog.session("images, gone", folder.name) == (2, 1)
    assert said(catalog) == before
    (tmp_path / "kept.png").rename(folder / "Plain_Run_One_0001_seed-8.png")
    catalog.run(root)
    assert catalog.session("images, gone", folder.name) == (3, 0)
    assert said(catalog) == before


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_disk_that_is_not_there_flags_sessions_only(catalog, tmp_path, how):
    root = library(tmp_path / "root")
    catalog.run(root)
    root.rename(tmp_path / "away")
    if how == "empty":
        root.mkdir()
    report = catalog.run(root)
    assert [e["code"] for e in report.errors] == (["missing-file"] if how == "gone" else [])
    assert catalog.rows("SELECT DISTINCT missing, gone FROM session") == [(1, 0)]
    shutil.rmtree(root, ignore_errors=True)
    (tmp_path / "away").rename(root)
    catalog.run(root)
    assert catalog.rows("SELECT DISTINCT missing, gone FROM session") == [(0, 0)]


def test_folders_that_cannot_be_read_are_told_and_not_flagged(catalog, tmp_path, monkeypatch):
    root = library(tmp_path / "root")
    catalog.run(root)
    really = os.scandir

    def refused(path):
        if Path(path).name == "sdgen":
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(folder.os, "scandir", refused)
    report = catalog.run(root)
    assert [e["code"] for e in report.errors] == ["unreadable-file"] and "Permission denied" in report.errors[0][
        "message"
    ]
    assert report.missing == 0 and report.progress.unchanged == 8


def test_roots_inside_of_roots_are_looked_at_once(catalog, tmp_path):
    root = library(tmp_path / "root")
    assert catalog.run(root / "sdgen", root, root).progress.total == 9
    assert catalog.rows("SELECT DISTINCT root FROM session") == [(str(root),)]


def test_a_large_session_is_written_in_slices(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(importer, "SLICE", 3)
    root = tmp_path / "root"
    own_session(root / "20260102_030405-mine", 8)
    seen = []
    catalog.run(
        root,
        progress=lambda p: seen.append(
            (p.sessions, p.images, catalog.session("stamp='', images") if p.images else None)
        ),
    )
    assert [s for s in seen if s[1]] == [
        (0, 3, (1, 3)), (0, 6, (1, 6)), (1, 8, (0, 8)), (1, 8, (0, 8)),
    ]  # fmt: skip


def test_an_import_that_is_cancelled_goes_on_later(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(importer, "SLICE", 3)
    root = tmp_path / "root"
    own_session(root / "20260102_030405-mine", 8)
    old_session(root)
    done = []
    report = catalog.run(root, progress=lambda p: done.append(p.images), cancelled=lambda: max(done, default=0) >= 6)
    assert report.cancelled and report.missing == 0
    assert catalog.rows("SELECT name, stamp = '', images FROM session ORDER BY name") == [
        ("Plain_Run_One", 0, 3),
        ("mine", 1, 3),
    ]
    report = catalog.run(root)
    assert (report.progress.total, report.progress.unchanged, report.progress.written) == (1, 1, 5)
    assert catalog.session("stamp = '', images", "20260102_030405-mine") == (0, 8)


def test_while_comfyui_renders_the_import_waits(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(importer, "_BUSY_SLICE", 2)
    root = tmp_path / "root"
    own_session(root / "20260102_030405-mine", 8)
    waits = []
    clock = iter(range(10_000))
    monkeypatch.setattr(importer.time, "monotonic", lambda: next(clock) / 10)
    catalog.run(root, busy=lambda: True, sleep=waits.append)
    assert len(waits) >= 5 and all(0.1 < wait <= 5.0 for wait in waits)
    assert catalog.session("images") == (8,)
    waits.clear()
    own_session(root / "20260102_030406-mine", 2, session="bcdefghjkm")
    catalog.run(root, busy=lambda: False, sleep=waits.append)
    assert waits == []


KILLED = """
import sys, os
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from sdgen_core.catalog.scan import folder, importer
from sdgen_core.catalog.index import Index
from sdgen_core.catalog.user import UserStore
importer.SLICE = 2
here = Path(sys.argv[1])
index = Index(here / "index.db", UserStore(here / "user.db"))
def tell(progress):
    if progress.images >= int(sys.argv[4]):
        print("now", flush=True)
        sys.stdin.read()
importer.Importer(index, progress=tell).run([Path(sys.argv[2])])
"""


@pytest.mark.parametrize("after", [2, 7])
def test_an_import_that_is_killed_goes_on(tmp_path, after):
    root = library(tmp_path / "root")
    for n in range(3):
        own_session(root / f"2026010{n}_030405-more", 5, session=f"abcdefghj{n}")
    place = tmp_path / "catalog"
    place.mkdir()
    command = [sys.executable, "-c", KILLED, str(place), str(root), str(Path(__file__).parents[3]), str(after)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"now\n"
    finally:
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.communicate()
    catalog = Catalog(place)
    fresh = Catalog(tmp_path / "fresh")
    try:
        assert verify(catalog.index, repair=False) == []
        (there,) = catalog.rows("SELECT count(*) FROM image")[0]
        assert 0 < there < 32
        assert catalog.run(root).errors == []
        fresh.run(root)
        for sql in (
            "SELECT slug, stamp, images, found_planned, seed_min, seed_max FROM session ORDER BY slug",
            "SELECT file, number, thumb, seed, bytes, created FROM image ORDER BY file, thumb",
            "SELECT key FROM image_key ORDER BY key",
            "SELECT name, key, text, images FROM value JOIN placeholder ON placeholder.id=placeholder ORDER BY 1, 2",
        ):
            assert catalog.rows(sql) == fresh.rows(sql)
        assert verify(catalog.index, repair=False) == []
    finally:
        catalog.close()
        fresh.close()


def test_a_catalog_that_cannot_be_written_ends_the_import(catalog, tmp_path, monkeypatch):
    root = library(tmp_path / "root")

    def full(*_: object) -> int:
        raise SDGenError("disk-full", "no room")

    monkeypatch.setattr(catalog.index, "put_images", full)
    with pytest.raises(SDGenError) as caught:
        catalog.run(root)
    assert caught.value.code == "disk-full"


def test_verify_finds_and_mends(catalog, tmp_path):
    root = library(tmp_path / "root")
    catalog.run(root)
    assert verify(catalog.index, repair=False) == []
    with catalog.index.store.write() as db:
        db.execute("UPDATE session SET images = 99 WHERE name='mine'")
        db.execute("DELETE FROM prompt_text WHERE rowid=1")
    found = verify(catalog.index, repair=True)
    assert any("counters of session" in problem for problem in found) and any(
        "search table" in problem for problem in found
    )
    assert verify(catalog.index, repair=False) == []
    with catalog.index.store.write() as db:  # same number, other words
        db.execute("DROP TRIGGER prompt_added")
        db.execute("UPDATE prompt SET positive='changed' WHERE id=1")
    assert any("search table" in problem for problem in verify(catalog.index, repair=True))
    assert verify(catalog.index, repair=False) == []
    numbers = status(catalog.index)
    assert (numbers["sessions"], numbers["images"], numbers["roots"]) == (9, 17, [str(root)])


def test_watching_sees_images_that_lie_beside_the_sessions(catalog, tmp_path):
    root = library(tmp_path / "root")
    catalog.run(root)
    now = [0.0]
    watch = Watch(Importer(catalog.index), [root], clock=lambda: now[0])
    for count in (1, 2):
        png(root / f"beside_{count:05d}_.png")
        (report,) = watch.look()
        assert (report.progress.sessions, report.progress.written) == (1, 1)  # and nothing else was read again
        assert watch.look() == []
        now[0] += 100


def test_watching_sees_new_and_changed_sessions(catalog, tmp_path):
    root = library(tmp_path / "root")
    catalog.run(root)
    now = [0.0]
    watch = Watch(Importer(catalog.index), [root], clock=lambda: now[0])
    own_session(root / "20270101_030405-between", 1, session="betweenimp")
    (report,) = watch.look()
    assert report.progress.written == 1
    assert watch.look() == []
    own_session(root / "sdgen" / "20270102_030405-new", 2, session="newnewnewn")
    (report,) = watch.look()
    assert (report.progress.sessions, report.progress.written) == (1, 2)
    assert watch.look() == []
    (root / "20270103_030405-empty").mkdir()
    assert watch.look() == []
    png(root / "20270103_030405-empty" / "x_0000.png")
    (report,) = watch.look()
    assert report.progress.written == 1
    folder = root / "20261122_142121-Plain_Run_One"
    shutil.copy(folder / "Plain_Run_One_0000_seed-7.png", folder / "Plain_Run_One_0003_seed-10.png")
    (report,) = watch.look()
    assert report.progress.written == 1
    (root / "broken").mkdir()
    (root / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    (report,) = watch.look()
    assert [e["code"] for e in report.errors] == ["no-manifest"]
    assert watch.look() == []  # told once
    shutil.rmtree(folder)
    now[0] += FULL
    (report,) = watch.look()
    assert report.missing == 1
