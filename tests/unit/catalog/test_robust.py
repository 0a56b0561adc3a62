"""What happens to a catalog in the world: several programs, kills at any moment, damaged files, locks, full disks. No judgement is lost."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdgen_core.catalog import store
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.check import verify
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.user import Change
from sdgen_core.errors import SDGenError

from .folders import own_session
from .library import image, judged, session

TOP = Path(__file__).parents[3]
#: A program of its own: argv are the catalog's folder, a number that tells it from others, and how many rounds it works.
PROGRAM = """
import random, sys
from pathlib import Path
sys.path[:0] = ["TOP"]
from sdgen_core.catalog.catalog import Catalog
from tests.unit.catalog.library import image, session
folder, me, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
catalog = Catalog(folder)
draw = random.Random(me)
print("open", flush=True)
"""
JUDGING = (
    PROGRAM
    + """
sys.stdin.readline()
ids = [n for (n,) in catalog.index.store.rows("SELECT id FROM image ORDER BY id")]
for n in range(rounds):
    some = draw.sample(ids, len(ids) // 2)
    field, value = f"tag/{me}-{n}", "yes"
    if n % 3 == 2:
        field, value = "value/Hair", draw.choice(["ok", "ko", "partial"])
    catalog.judge(some, field, value)
    print(n, *some, flush=True)
catalog.close()
"""
)
ADDING = (
    PROGRAM
    + """
sys.stdin.readline()
for n in range(rounds):
    number = catalog.index.put_session(session(folder, f"p{me}-{n}", planned=20))
    records = [image(f"p{me}-{n}", k, {"Hair": ("Red", "Blue")[k % 2]}) for k in range(20)]
    catalog.index.put_images(number, records)
    print(n, flush=True)
catalog.close()
"""
)


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs ``text`` and has opened its catalog; it begins when something is written to it."""
    command = [sys.executable, "-c", text.replace("TOP", TOP.as_posix()), *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    return process


def begin(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def said_by(process: subprocess.Popen[str], me: object) -> dict[str, set[int]]:
    """Tag -> images, of what a judging process has told to be done."""
    assert process.stdout is not None
    rows = [list(map(int, line.split())) for line in process.stdout if line.endswith("\n")]
    return {f"{me}-{row[0]}": set(row[1:]) for row in rows if row and row[0] % 3 != 2}


def tags(catalog: Catalog) -> dict[str, set[int]]:
    out: dict[str, set[int]] = {}
    for name, number in catalog.index.store.rows("SELECT name, image FROM image_tag JOIN tag ON tag.id = tag"):
        out.setdefault(name, set()).add(number)
    return out


def filled(folder: Path, images: int = 60) -> Catalog:
    catalog = Catalog(folder)
    number = catalog.index.put_session(session(folder, "one"))
    values = [{"Hair": ("Red", "Blue")[n % 2], "Coat": f"c{n % 7}"} for n in range(images)]
    catalog.index.put_images(number, [image("one", n, v) for n, v in enumerate(values)])
    return catalog


def same_as_anew(catalog: Catalog) -> bool:
    """Whether the index says of every image what it would say if everything were mirrored anew."""
    before = judged(catalog.index)
    catalog.index._mirror_all()
    return judged(catalog.index) == before


def test_several_programs_judge_and_add_at_once(tmp_path):
    filled(tmp_path).close()
    judging = [program(JUDGING, tmp_path, n, 6) for n in (1, 2)]
    adding = [program(ADDING, tmp_path, n, 6) for n in (3, 4)]
    begin(*judging, *adding)
    said = {}
    for n, process in enumerate(judging, 1):
        said |= said_by(process, n)
    for process in (*judging, *adding):
        process.communicate(timeout=120)
        assert process.returncode == 0
    catalog = Catalog(tmp_path)
    try:
        assert len(said) == 8
        assert tags(catalog) == said
        assert catalog.index.store.value("SELECT count(*) FROM image") == 60 + 2 * 6 * 20
        assert recount(catalog.index, repair=False) == []
        assert verify(catalog.index, repair=False) == []
        assert same_as_anew(catalog)
        for _ in range(12):  # every step is one that can be undone
            assert catalog.undo() is not None
        assert catalog.undo() is None
        assert tags(catalog) == {}
        assert catalog.index.store.value("SELECT count(*) FROM image_value WHERE verdict > 0") == 0
    finally:
        catalog.close()


@pytest.mark.parametrize("moment", range(6))
def test_killed_while_judging_in_bulk(tmp_path, moment):
    """What was told to be done is there, nothing is half done, and the index knows all of it."""
    filled(tmp_path, 400).close()
    process = program(JUDGING, tmp_path, 1, 10_000)
    begin(process)
    time.sleep(random.Random(moment).uniform(0.02, 0.6))
    process.kill()
    process.wait(timeout=60)
    said = said_by(process, 1)
    process.communicate()
    catalog = Catalog(tmp_path)
    try:
        known = tags(catalog)
        assert said.items() <= known.items()
        assert all(len(images) == 200 for images in known.values())
        assert len(known) <= len(said) + 1  # the one that was done and not told any more
        assert recount(catalog.index, repair=False) == []
        assert same_as_anew(catalog)
    finally:
        catalog.close()


def test_judging_goes_on_beside_a_program_that_was_killed(tmp_path):
    """The killed one has written what it judged down and not told the index: the next judgement about anything does."""
    catalog = filled(tmp_path)
    keys = [("g:one/0/0", "f:one-0"), ("g:one/1/0", "f:one-1")]
    catalog.user.change([Change("image", some, "rating", "5") for some in keys], "killed here")
    catalog.judge([2], "mark", "trash")
    catalog.judge([1], "mark", "favourite")
    assert judged(catalog.index)[:2] == [("one_0000.png", 1, 0, 5, None, 0), ("one_0001.png", 3, 0, 5, None, 0)]
    assert same_as_anew(catalog)
    catalog.close()


@pytest.mark.parametrize("moment", range(3))
def test_killed_while_adding(tmp_path, moment):
    filled(tmp_path, 10).close()
    process = program(ADDING, tmp_path, 1, 10_000)
    begin(process)
    time.sleep(random.Random(moment).uniform(0.05, 0.6))
    process.kill()
    out, _ = process.communicate(timeout=60)
    catalog = Catalog(tmp_path)
    try:
        added = catalog.index.store.value("SELECT count(*) FROM image") - 10
        assert added % 20 == 0
        assert added >= 20 * len(out.splitlines())
        assert verify(catalog.index, repair=False) == []
    finally:
        catalog.close()


# ---- damaged files ---------------------------------------------------------------------------------------------------


def imported(folder: Path, roots: Path) -> Catalog:
    catalog = Catalog(folder)
    assert Importer(catalog.index).run([roots]).errors == []
    return catalog


@pytest.fixture
def roots(tmp_path):
    """Folders with images in them: what an index can be made of."""
    for n in range(4):
        own_session(tmp_path / "roots" / f"2026010{n + 1}_030405-mine", 6, session=f"abcdefghj{n}")
    return tmp_path / "roots"


@pytest.fixture
def said(tmp_path, roots):
    """A catalog of them in which something was said, and what; closed."""
    catalog = imported(tmp_path / "catalog", roots)
    ids = catalog.find("sort:file")[0]
    catalog.judge(ids[:5], "mark", "favourite")
    catalog.judge(ids[3:9], "value/Hair", "ko")
    catalog.judge_sessions([slug for (slug,) in catalog.index.store.rows("SELECT slug FROM session")], "note", "kept")
    known = judged(catalog.index)
    catalog.index.store.checkpoint()
    catalog.close()
    return known


@pytest.mark.parametrize("how", ["truncated", "first page", "emptied", "a page in the middle"])
def test_a_damaged_index_is_made_anew(tmp_path, roots, said, how):
    """At once when it does not open; at the next start when the damage is met only later. No judgement is lost."""
    folder = tmp_path / "catalog"
    path = folder / "index.db"
    data = bytearray(path.read_bytes())
    noise = random.Random(5).randbytes(4096)
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "emptied":
        data = bytearray(b"\1" * 5000)
    elif how == "first page":
        data[:4096] = noise
    else:
        with sqlite3.connect(path) as db:
            (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='image'").fetchone()
        db.close()
        data[(page - 1) * 4096 : page * 4096] = noise
    path.write_bytes(data)
    if how == "a page in the middle":
        catalog = Catalog(folder)
        assert catalog.remarks == []  # nothing is known of it yet
        with pytest.raises(SDGenError) as caught:
            catalog.find("")
        assert caught.value.code == "catalog-damaged"
        catalog.close()
    catalog = imported(folder, roots)
    try:
        assert "index.db was damaged" in catalog.remarks[0]
        assert len(list(folder.glob("index.db.damaged-*"))) == 1
        assert judged(catalog.index) == said
        assert catalog.index.store.rows("SELECT DISTINCT note FROM session") == [("kept",)]
        assert verify(catalog.index, repair=False) == []
    finally:
        catalog.close()
    catalog = Catalog(folder)
    assert catalog.remarks == []
    catalog.close()


@pytest.mark.parametrize("how", ["truncated", "a page in the middle"])
def test_damaged_judgements_are_those_of_the_copy(tmp_path, roots, said, how):
    folder = tmp_path / "catalog"
    Catalog(folder).close()  # makes the day's copy
    path = folder / "user.db"
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    else:
        with sqlite3.connect(path) as db:
            (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='fact'").fetchone()
        db.close()
        data[(page - 1) * 4096 : page * 4096] = random.Random(6).randbytes(4096)
    path.write_bytes(data)
    catalog = Catalog(folder)
    try:
        assert "user.db was damaged" in catalog.remarks[0]
        assert "took its place" in catalog.remarks[0]
        assert judged(catalog.index) == said
        assert catalog.undo() is not None
    finally:
        catalog.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_said_since_the_copy_comes_from_the_index(tmp_path, seed):
    """Marks, tags, notes, verdicts, also those that were taken back; about images and sessions. Only undoing ends with the copy."""
    rng = random.Random(seed)
    catalog = filled(tmp_path)
    fields = {
        "mark": ("favourite", "trash", None), "rating": ("2", "5", None), "failed": ("yes", None), "note": ("seen", None),
        "tag/sea": ("yes", None), "value/Hair": ("ok", "ko", None), "value/Coat": ("partial", None),
    }  # fmt: skip
    of_sessions = {"favourite": ("yes", None), "rating": ("like", None), "name": ("Sea", None), "tag/x": ("yes", None)}

    def say() -> None:
        for _ in range(40):
            field = rng.choice(list(fields))
            catalog.judge(rng.sample(range(1, 61), rng.randint(1, 9)), field, rng.choice(fields[field]))
        for field, values in of_sessions.items():
            catalog.judge_sessions(["one"], field, rng.choice(values))

    sessions = "SELECT favourite, rating, title, (SELECT count(*) FROM session_tag) FROM session"
    say()
    catalog.close()
    Catalog(tmp_path).close()  # makes the day's copy
    catalog = Catalog(tmp_path)
    say()
    said, of_session = judged(catalog.index), catalog.index.store.rows(sessions)
    catalog.close()
    path = tmp_path / "user.db"
    path.write_bytes(path.read_bytes()[:5000])
    catalog = Catalog(tmp_path)
    try:
        assert "took its place" in catalog.remarks[0]
        assert "were taken from index.db" in catalog.remarks[1]
        assert (judged(catalog.index), catalog.index.store.rows(sessions)) == (said, of_session)
        assert same_as_anew(catalog)
        assert "recovered" not in str(catalog.user.can()[0])
        assert verify(catalog.index, repair=False) == []
    finally:
        catalog.close()
    again = Catalog(tmp_path)
    assert again.remarks == []
    assert judged(again.index) == said
    again.close()


# ---- files that cannot be written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["user.db", "index.db"])
def test_a_locked_database_is_told_in_time(tmp_path, monkeypatch, name):
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    catalog = filled(tmp_path)
    other = sqlite3.connect(tmp_path / name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(SDGenError) as caught:
        catalog.judge([1, 2], "mark", "trash")
    assert caught.value.code == "catalog-locked"
    assert "0.2 seconds" in str(caught.value)
    assert 0.1 < time.monotonic() - began < 10
    assert len(catalog.find("")[0]) == 60  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    catalog.close()
    catalog = Catalog(tmp_path)  # what was said before the index could be written is mirrored now
    expected = [] if name == "user.db" else [1, 2]
    assert sorted(catalog.find("is:trash")[0]) == expected
    assert same_as_anew(catalog)
    catalog.close()


@pytest.mark.parametrize("name", ["user", "index"])
def test_no_more_pages(tmp_path, name):
    """A stand-in for a full disk that works everywhere: SQLite's own limit of pages, which fails in the same way."""
    catalog = filled(tmp_path, 300)
    ids = catalog.find("")[0]
    writer = (catalog.user._store if name == "user" else catalog.index.store)._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={pages}")
    catalog.judge(ids[:1], "failed", "yes")
    with pytest.raises(SDGenError) as caught:
        for n in range(400):
            catalog.judge(ids, "note", str(n) * 60)
    assert caught.value.code == "disk-full"
    assert recount(catalog.index, repair=False) == []
    writer.execute("PRAGMA max_page_count=1073741823")
    catalog.judge(ids, "note", "there is room again")
    assert catalog.find("is:failed")[0] == ids[:1]
    assert same_as_anew(catalog)
    catalog.close()


LIMITED = """
import resource, signal
from sdgen_core.errors import SDGenError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.stdin.readline()
limit = max(path.stat().st_size for path in folder.glob("*.db*")) + 200_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
ids = [n for (n,) in catalog.index.store.rows("SELECT id FROM image ORDER BY id")]
try:
    for n in range(rounds):
        catalog.judge(ids, "tag/" + str(n) * 20, "yes")
        print(n, flush=True)
except SDGenError as error:
    print(error.code, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_files_that_cannot_grow(tmp_path):
    """A real failure of the operating system to write, in the middle of judging: a limit on the size of files."""
    filled(tmp_path, 300).close()
    process = program(PROGRAM + LIMITED, tmp_path, 1, 500)
    begin(process)
    out, _ = process.communicate(timeout=120)
    *done, code = out.split()
    assert code == "disk-full"
    assert done
    catalog = Catalog(tmp_path)
    try:
        known = tags(catalog)
        assert {n * 20 for n in done} <= known.keys()
        assert all(len(images) == 300 for images in known.values())
        assert recount(catalog.index, repair=False) == []
        assert same_as_anew(catalog)
    finally:
        catalog.close()


@pytest.mark.parametrize("name", ["user.db", "index.db"])
def test_files_of_a_newer_version_are_left_alone(tmp_path, name):
    filled(tmp_path).close()
    with sqlite3.connect(tmp_path / name) as db:
        newest = "(SELECT max(name) FROM _sqlite_migrations)"
        db.execute(f"UPDATE _sqlite_migrations SET name='m999_of_the_future' WHERE name={newest}")
    db.close()
    before = (tmp_path / name).read_bytes()
    with pytest.raises(SDGenError) as caught:
        Catalog(tmp_path)
    assert caught.value.code == "catalog-unusable"
    assert "newer" in str(caught.value)
    assert (tmp_path / name).read_bytes() == before
