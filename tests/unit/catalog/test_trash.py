"""Emptying the trash with real files: what goes, what stays, what every record says then, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.check import verify as check_catalog
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.trash import PLAN, Trash
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.ledger import Ledger, Part
from sdgen_core.sessions.manifest import load_manifest, verify

from .folders import old_session, own_session

PACK = Path(__file__).parents[3]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into the trash of freedesktop.org")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user's folder of the test's own, with an empty trash in it."""
    made = tmp_path / "home"
    made.mkdir()
    if sys.platform.startswith("linux"):
        from send2trash import plat_other

        monkeypatch.setenv("HOME", str(made))
        monkeypatch.setattr(plat_other, "XDG_DATA_HOME", os.fsencode(made / "data"))
        monkeypatch.setattr(plat_other, "HOMETRASH_B", os.fsencode(made / "data" / "Trash"))
    return made


class Made:
    """A root with a session of ours and one of the predecessor's, and their catalog."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.own = self.root / "20260102_030405-mine"
        if not self.root.exists():
            own_session(self.own, 5)
            old_session(self.root)
        self.old = next(path for path in self.root.iterdir() if path != self.own)
        self.catalog = Catalog(folder / "catalog")
        self.trash = Trash(self.catalog, lambda: [self.root])
        self.scan()

    def scan(self) -> None:
        assert Importer(self.catalog.index).run([self.root]).errors == []

    def ids(self, sql: str = "1") -> list[int]:
        return [
            i
            for (i,) in self.rows(
                f"SELECT image.id FROM image_and_said AS image JOIN session ON session.id=session WHERE {sql} ORDER BY 1"
            )
        ]

    def of(self, folder: Path) -> list[int]:
        return self.ids(f"folder = '{folder}'")

    def rows(self, sql: str) -> list[tuple]:
        return self.catalog.index.store.rows(sql)

    def file(self, image: int) -> Path:
        ((folder, file),) = self.rows(
            f"SELECT folder, file FROM image JOIN session ON session.id=session WHERE image.id={image}"
        )
        return Path(folder) / file

    def throw(self, images: list[int]) -> None:
        self.catalog.judge(images, "mark", "trash")

    def again(self) -> Made:
        """Another process, later."""
        self.catalog.close()
        return Made(self.folder)

    def sound(self) -> None:
        """Counters, search and rescans agree, and a new index has the same."""
        assert check_catalog(self.catalog.index, repair=False) == []
        sql = "SELECT slug, file, i.missing, i.removed, mark FROM image_and_said AS i JOIN session ON session.id=session ORDER BY 1, 2"
        sums = "SELECT slug, images, gone, removed, trash, planned, found_planned, bytes FROM session ORDER BY 1"
        before = self.rows(sql), self.rows(sums)
        self.scan()
        assert (self.rows(sql), self.rows(sums)) == before
        self.catalog.user._store.checkpoint()
        fresh = Catalog(_copy_of(self.catalog.folder))
        try:
            Importer(fresh.index).run([self.root])
            rows = fresh.index.store.rows
            assert [row[:4] for row in rows(sql)] == [row[:4] for row in before[0]]
            assert [row[:4] + row[5:7] for row in rows(sums)] == [row[:4] + row[5:7] for row in before[1]]
        finally:
            fresh.close()


def _copy_of(folder: Path) -> Path:
    """A catalog with the same judgements and no index."""
    target = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    target.mkdir()
    shutil.copy(folder / "user.db", target)
    return target


@pytest.fixture
def made(tmp_path):
    found = Made(tmp_path)
    yield found
    found.catalog.close()


def test_files_go_and_every_record_says_so(made, home):
    own, old = made.of(made.own), made.of(made.old)
    made.catalog.judge(own[:3], "value/Hair", "ko")
    made.throw([*own[1:3], old[0]])
    paths = [made.file(image) for image in (*own[1:3], old[0])]
    sizes = [path.stat().st_size for path in paths]
    preview = made.trash.preview()
    assert (preview.images, preview.bytes, preview.refused) == (3, sum(sizes), [])
    assert {(s.slug, s.images) for s in preview.sessions} == {
        ("abcdefghjk", 2),
        (made.rows("SELECT slug FROM session WHERE slug <> 'abcdefghjk'")[0][0], 1),
    }
    assert all(path.exists() for path in paths) and not (home / "data").exists()
    told = []
    report = made.trash.empty(preview.ids, progress=lambda done, total: told.append((done, total)))
    assert (sorted(report.removed), report.bytes, report.refused, report.problems) == (
        sorted(preview.ids),
        sum(sizes),
        [],
        [],
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not any(path.exists() for path in paths)
    if sys.platform.startswith("linux"):
        assert {p.name for p in (home / "data" / "Trash" / "files").iterdir()} == {path.name for path in paths}
    data = load_manifest(made.own)
    assert [entry["filename"] for entry in data.removed] == [path.name for path in paths[:2]]
    assert verify(made.own).missing == [] and verify(made.old).missing == []
    assert (made.old / "manifest.json.before-trash").exists()
    assert made.rows("SELECT images, gone, removed, found_planned, trash FROM session WHERE slug='abcdefghjk'") == [
        (3, 2, 2, 5, 2)
    ]
    # verdicts about them still count, and the trash is empty
    assert made.rows("SELECT sum(images) FROM value_verdict") == [(3,)]
    assert made.trash.preview().images == 0 and made.trash.preview().refused == []
    assert not (made.catalog.folder / PLAN).exists()
    made.sound()


def test_what_belongs_to_an_image_goes_with_it(made):
    image = made.of(made.own)[0]
    path = made.file(image)
    with_it = [
        path.with_name(f"{path.stem}_annotated.png"),
        path.with_name(path.name + ".xmp"),
        *(path.with_suffix(e) for e in (".txt", ".xmp", ".json")),
    ]
    others = [path.with_name("other.txt"), path.with_name(made.file(made.of(made.own)[1]).stem + ".txt")]
    for one in (*with_it, *others):
        one.write_bytes(b"x")
    made.throw([image])
    report = made.trash.empty([image])
    assert report.files == 6
    assert not any(one.exists() for one in with_it) and all(one.exists() for one in others)
    assert (made.own / "manifest.jsonl").exists()


def test_a_sidecar_of_two_images_stays(made):
    image = made.of(made.own)[0]
    path = made.file(image)
    shutil.copy(path, path.with_suffix(".jpg"))
    path.with_suffix(".txt").write_bytes(b"x")
    made.throw([image])
    made.trash.empty([image])
    assert path.with_suffix(".txt").exists() and path.with_suffix(".jpg").exists()


@pytest.mark.parametrize("name", ["manifest.png", "metadata.png", "session_config.png"])
def test_an_image_with_the_name_of_a_record_takes_no_record_along(made, name):
    shutil.copy(made.file(made.of(made.own)[0]), made.old / name)
    for other in ("metadata.json", "session_config.txt"):
        (made.old / other).write_text("{}", encoding="utf-8")
    made.scan()
    (image,) = made.ids(f"file = '{name}'")
    made.throw([image])
    assert made.trash.empty([image]).files == 1
    assert all((made.old / n).exists() for n in ("manifest.json", "metadata.json", "session_config.txt"))


def test_what_is_not_removed_and_why(made, tmp_path):
    own = made.of(made.own)
    outside = tmp_path / "outside.png"
    shutil.copy(made.file(own[1]), outside)
    made.file(own[1]).unlink()
    made.file(own[1]).symlink_to(outside)
    made.throw(own[:3])
    made.file(own[0]).unlink()
    preview = made.trash.preview()
    assert preview.ids == [own[2]]
    assert {(r.image, r.code) for r in preview.refused} == {(own[0], "missing-file"), (own[1], "outside-roots")}
    report = made.trash.empty(own)
    assert report.removed == [own[2]]
    assert {(r.image, r.code) for r in report.refused} == {
        (own[0], "missing-file"), (own[1], "outside-roots"), (own[3], "not-in-trash"), (own[4], "not-in-trash"),
    }  # fmt: skip
    assert outside.exists()
    other = Trash(made.catalog, lambda: [tmp_path / "root" / "20260102_030405-min"])  # a prefix of the folder's name
    made.throw(own[3:4])
    assert [r.code for r in other.preview().refused if r.image == own[3]] == ["outside-roots"]


def test_another_file_than_the_one_that_was_marked_stays(made):
    own = made.of(made.own)
    made.throw(own[:1])
    path = made.file(own[0])
    path.write_bytes(made.file(own[1]).read_bytes() + b"more")
    assert [r.code for r in made.trash.preview().refused] == ["file-changed"]
    assert made.trash.empty(own[:1]).removed == [] and path.exists()
    Importer(made.catalog.index).run([made.root], every=True)
    assert made.trash.empty(own[:1]).removed == own[:1]


def test_a_query_narrows_it(made):
    own = made.of(made.own)
    made.throw(made.ids())
    assert made.trash.preview("session:abcdefghjk number:0..1").ids == own[:2]
    assert made.trash.preview("is:favourite").ids == []
    with pytest.raises(SDGenError, match="known"):
        made.trash.preview("is:nothing")


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_a_read_only_folder(made):
    own = made.of(made.own)
    made.throw(own[:1])
    made.own.chmod(0o500)
    try:
        assert [r.code for r in made.trash.preview().refused] == ["unwritable-folder"]
    finally:
        made.own.chmod(0o700)


@linux
def test_a_file_that_the_system_does_not_take_stays_and_others_go(made, monkeypatch, home):
    """The trash of freedesktop.org has a file's place taken by a folder that cannot be written."""
    own = made.of(made.own)
    made.throw(own[:3])
    import send2trash

    plain = send2trash.send2trash

    def refusing(path):
        if path.endswith(made.file(own[1]).name):
            raise PermissionError(13, "Permission denied", path)
        plain(path)

    monkeypatch.setattr(send2trash, "send2trash", refusing)
    report = made.trash.empty(own[:3])
    assert report.removed == [own[0], own[2]]
    assert [(r.image, r.code) for r in report.refused] == [(own[1], "not-removed")]
    assert "Permission denied" in report.refused[0].reason
    assert made.file(own[1]).exists()
    assert len(load_manifest(made.own).removed) == 2
    assert made.trash.empty(own[1:2], permanently=True).removed == [own[1]]
    assert len(list((home / "data" / "Trash" / "files").iterdir())) == 2
    made.sound()


def test_a_windows_drive_without_a_recycle_bin(made, monkeypatch):
    from sdgen_core.catalog import trash_files

    own = made.of(made.own)
    made.throw(own[:1])
    monkeypatch.setattr(trash_files.sys, "platform", "win32")
    monkeypatch.setattr(trash_files, "_has_recycle_bin", lambda path: False)
    report = made.trash.empty(own[:1])
    assert [r.code for r in report.refused] == ["not-removed"] and "recycle bin" in report.refused[0].reason
    assert made.file(own[0]).exists()


def test_it_can_be_cancelled(made):
    own = made.of(made.own)
    made.throw(own)
    seen: list[int] = []
    report = made.trash.empty(own, progress=lambda done, _: seen.append(done), cancelled=lambda: len(seen) >= 2)
    assert report.cancelled and report.removed == own[:2]
    assert len(load_manifest(made.own).removed) == 2
    assert not (made.catalog.folder / PLAN).exists()
    made.sound()


@linux
def test_a_file_taken_out_of_the_systems_trash_is_back(made, home):
    own, old = made.of(made.own), made.of(made.old)
    made.throw([own[0], own[1], old[0]])
    paths = [made.file(image) for image in (own[0], own[1], old[0])]
    made.trash.empty([own[0], own[1], old[0]])
    for path in (paths[0], paths[2]):
        shutil.move(home / "data" / "Trash" / "files" / path.name, path)
    made.scan()
    assert made.rows(f"SELECT missing, removed FROM image WHERE id IN ({own[0]}, {old[0]})") == [(0, 1), (0, 1)]
    assert made.rows("SELECT sum(removed) FROM session") == [(1,)]
    done = made.trash.recover()
    assert sorted(done.back) == sorted([own[0], old[0]]) and done.removed == []
    assert [e["filename"] for e in load_manifest(made.own).removed] == [paths[1].name]
    assert len(json.loads((made.own / "manifest.json").read_text(encoding="utf-8"))["images"]) == 4
    assert "removed" not in json.loads((made.old / "manifest.json").read_text(encoding="utf-8"))
    assert made.trash.recover().back == []
    made.sound()
    assert made.trash.preview().ids and set(made.trash.preview().ids) == {own[0], old[0]}  # still marked


def test_two_at_once(made):
    own = made.of(made.own)
    made.throw(own[:2])
    other = Trash(made.catalog, lambda: [made.root])
    codes = []

    def meanwhile(*_):
        with pytest.raises(SDGenError) as caught:
            other.empty(own[1:2])
        codes.append(caught.value.code)

    made.trash.empty(own[:1], progress=meanwhile)
    assert codes == ["catalog-locked"]
    assert other.empty(own[1:2]).removed == own[1:2]


# ---- the ledger ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(made, tmp_path):
    """A ledger that knows the session of ours, all of it done."""
    found = Ledger(tmp_path / "ledger.db")
    part = Part({}, {}, "2", None, {})
    found.restore(
        session_id="abcdefghjk", key="k", name="mine", prefix="mine", folder=made.own, parts=[part],
        items=[(n, 0, n) for n in range(5)], created=0.0,
    )  # fmt: skip
    for n, image in enumerate(made.of(made.own)):
        found.mark_done("abcdefghjk", n, file=made.file(image).name, sha256="0")
    found.set_state("abcdefghjk", "completed")
    yield found
    found.close()


def test_the_ledger_says_skipped_and_done_again(made, ledger):
    trash = Trash(made.catalog, lambda: [made.root], ledger)
    own = made.of(made.own)
    made.throw(own[:2])
    content = made.file(own[0]).read_bytes()
    trash.empty(own[:2])
    row = ledger.session("abcdefghjk")
    assert (row.done, row.skipped, row.left, row.state) == (3, 2, 0, "completed")
    made.file(own[0]).write_bytes(content)
    made.scan()
    trash.recover()
    assert (ledger.session("abcdefghjk").done, ledger.item("abcdefghjk", 0).state) == (4, "done")


@pytest.mark.parametrize(
    "dies_in", ["sdgen_core.catalog.trash.take_back", "sdgen_core.catalog.index.Index.set_missing"]
)
def test_taking_back_is_ended_after_a_death(made, ledger, monkeypatch, dies_in):
    trash = Trash(made.catalog, lambda: [made.root], ledger)
    (image,) = made.of(made.own)[:1]
    made.throw([image])
    content = made.file(image).read_bytes()
    trash.empty([image])
    made.file(image).write_bytes(content)
    made.scan()

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dies_in, die)
        trash.recover()
    made.scan()
    trash.recover()
    assert ledger.item("abcdefghjk", 0).state == "done"
    assert load_manifest(made.own).removed == [] and made.trash.recover().back == []
    assert made.rows(f"SELECT missing, removed FROM image WHERE id={image}") == [(0, 0)]
    made.sound()


@pytest.mark.parametrize("state", ["running", "planned"])
def test_a_session_that_runs_is_left_alone(made, ledger, state):
    trash = Trash(made.catalog, lambda: [made.root], ledger)
    own, old = made.of(made.own), made.of(made.old)
    made.throw([own[0], old[0]])
    ledger.set_state("abcdefghjk", state)
    assert [(r.image, r.code) for r in trash.preview().refused] == [(own[0], "bad-state")]
    assert trash.empty([own[0], old[0]]).removed == [old[0]]
    ledger.set_state("abcdefghjk", "paused")
    assert trash.empty(own[:1]).removed == own[:1]


def test_a_copy_of_a_session_is_not_the_ledgers(made, ledger):
    copy = made.root / "20260102_030405-copy"
    shutil.copytree(made.own, copy)
    made.scan()
    trash = Trash(made.catalog, lambda: [made.root], ledger)
    ledger.set_state("abcdefghjk", "running")
    first = made.of(copy)[0]
    made.throw([first])  # the original is marked too: it is the same image
    assert trash.empty(made.ids("mark = 3")).removed == [first]
    assert ledger.session("abcdefghjk").skipped == 0


# ---- kills ---------------------------------------------------------------------------------------------------------------

_POINTS = [
    "sdgen_core.catalog.trash:Trash._write_plan",
    "sdgen_core.catalog.trash:Trash._carry_out",
    "sdgen_core.catalog.trash:throw_away",
    "sdgen_core.sessions.journal:Journal.removed",
    "sdgen_core.catalog.trash:note_removed",
    "sdgen_core.catalog.index:Index.set_missing",
    "sdgen_core.catalog.trash:write_removed",
    "sdgen_core.sessions.ledger:Ledger.discard",
    "sdgen_core.sessions.removal:write_atomic",
]

_CHILD = """
import importlib, os, signal, sys
from pathlib import Path
from sdgen_core.catalog import trash as module
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.sessions.ledger import Ledger

point, when, count, folder, root, ledger = sys.argv[1:]
name, path = point.split(":")
owner = importlib.import_module(name)
*parts, last = path.split(".")
for part in parts:
    owner = getattr(owner, part)
plain, left = getattr(owner, last), [int(count)]

def die():
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)

def wrapped(*args, **options):
    left[0] -= 1
    if left[0] == 0 and when == "before":
        die()
    done = plain(*args, **options)
    if left[0] == 0:
        die()
    return done

setattr(owner, last, wrapped)
module.SLICE = 2
trash = module.Trash(Catalog(Path(folder)), lambda: [Path(root)], Ledger(Path(ledger)))
trash.empty(trash.preview().ids)
print("whole")
"""


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", _POINTS)
def test_a_kill_leaves_nothing_half_said(made, ledger, tmp_path, home, point, when, count):
    own, old = made.of(made.own), made.of(made.old)
    thrown = [*own[:3], *old]
    made.throw(thrown)
    sidecar = made.file(own[1]).with_suffix(".txt")
    sidecar.write_bytes(b"x")
    before = {path: path.read_bytes() for path in (made.own / "manifest.jsonl", made.old / "manifest.json")}
    environment = {**os.environ, "PYTHONPATH": str(PACK), "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, point, when, str(count), str(made.catalog.folder), str(made.root), str(ledger.path)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ("whole" in ran.stdout) == (ran.returncode == 0), ran.stderr
    assert count > 1 or ran.returncode, "it was not killed"
    later = made.again()
    try:
        Trash(later.catalog, lambda: [later.root], ledger).recover()
        gone = [image for image in thrown if not later.file(image).exists()]
        if not gone:
            assert {path: path.read_bytes() for path in before} == before
        assert sidecar.exists() == (own[1] not in gone)
        assert later.ids("image.removed = 1 AND image.missing = 1") == sorted(gone)
        names = [later.file(image).name for image in gone]
        removed = [e["filename"] for folder in (later.own, later.old) for e in load_manifest(folder).removed]
        assert sorted(removed) == sorted(names)
        for folder in (later.own, later.old):
            written = folder / "manifest.json"
            if written.exists():
                listed = {e["filename"] for e in json.loads(written.read_text(encoding="utf-8"))["images"]}
                assert listed.isdisjoint(names)
            assert verify(folder).missing == []
        assert [item.idx for item in ledger.items("abcdefghjk", "skipped")] == [own.index(i) for i in gone if i in own]
        assert not (later.catalog.folder / PLAN).exists()
        later.sound()
        # what is left can be emptied
        Trash(later.catalog, lambda: [later.root], ledger).empty([image for image in thrown if image not in gone])
        assert later.ids("image.removed = 1 AND image.missing = 1") == sorted(thrown)
    finally:
        later.catalog.close()


def test_a_session_whose_disk_is_not_there_after_a_kill(made, tmp_path):
    own = made.of(made.own)
    made.throw(own[:1])
    plan = {
        "permanently": False,
        "files": [{"session": "abcdefghjk", "folder": str(made.own), "file": made.file(own[0]).name, "with": []}],
    }
    (made.catalog.folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
    away = tmp_path / "away"
    made.own.rename(away)
    assert made.trash.recover().removed == []
    away.rename(made.own)
    made.file(own[0]).unlink()
    assert made.trash.recover().removed == own[:1]
    assert not (made.catalog.folder / PLAN).exists()


def test_no_statement_reads_the_whole_table_of_images(made):
    from sdgen_core.catalog import trash

    db = made.catalog.index.store.reader()
    for sql in (trash._ROWS.format(trash._MARKED), trash._ROWS.format(trash._THESE), trash._BY_FILE, trash._BACK):
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", ["[]"] * sql.count("?"))]
        assert not [line for line in plan if line.startswith("SCAN image") and "INDEX" not in line], plan
