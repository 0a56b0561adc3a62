"""Sessions changed by a process that dies, or meets a full disk, at any of its writes: the old state or the new one, whole."""

import contextlib
import json
import shutil
import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import files
from sdgen_core.sessions.changes import extend, shrink
from sdgen_core.sessions.items import Host
from sdgen_core.sessions.journal import Journal
from sdgen_core.sessions.ledger import Ledger
from sdgen_core.sessions.service import Sessions
from sdgen_core.sessions.session_file import SESSION_FILE, read_session_file
from sdgen_core.sessions.upkeep import check, move, recover, rename, take_in

from .conftest import make_item, request


class Killed(BaseException):
    """The process is gone: no handler of the product is for this."""


class Writes:
    """Counts every write to the disk and the ledger, and breaks the one with the number ``at``.

    ``kill``: from there on nothing is written any more. Else that one write meets a full disk and the next ones work.
    """

    def __init__(self, monkeypatch, at, *, kill):
        self.at, self.kill, self.count, self.broken = at, kill, 0, []
        self._alive = True
        path = type(Path())
        for owner, name in (
            (files, "replace"), (Journal, "_write"), (path, "rename"), (path, "replace"), (path, "mkdir"),
            (shutil, "copytree"), (shutil, "rmtree"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name), name))
        transaction = Ledger._transaction

        @contextlib.contextmanager
        def committed(ledger):
            with transaction(ledger) as db:
                yield db
                with ledger._translated():
                    self._step("commit", sqlite3.OperationalError("database or disk is full"))

        monkeypatch.setattr(Ledger, "_transaction", committed)

    def _counted(self, original, name):
        def call(*args, **options):
            try:
                self._step(name, OSError(28, "No space left on device"))
            except OSError:
                if options.get("ignore_errors"):
                    return None
                raise
            return original(*args, **options)

        return call

    def _step(self, name, error):
        if not self._alive:
            raise Killed
        self.count += 1
        if self.count == self.at:
            self.broken.append(name)
            self._alive = not self.kill
            raise Killed if self.kill else error


class World:
    """A user folder, an output folder and an archive on the same disk."""

    def __init__(self, base):
        self.base = base
        (base / "archive").mkdir(parents=True)
        (base / "out").mkdir()
        self.sessions = self.open()

    def open(self):
        host = Host(lambda: ["euler", "euler_ancestral"], lambda: ["normal", "simple"], lambda name: None)
        ledger = Ledger(self.base / "user" / "ledger.db")
        places = {"archive": self.base / "archive"}
        return Sessions(ledger, self.base / "out", host, user_dir=self.base / "user", places=places)

    def restarted(self):
        """Another process: nothing of the old one's memory is written any more."""
        self.sessions.ledger._db.close()
        self.sessions = self.open()
        recover(self.sessions)
        return self.sessions


def told(row):
    """What the session's own folder says of its order, which a lost ledger is made again from."""
    ordered = read_session_file(row.folder)
    return ordered.id, ordered.name, ordered.items


def other_disk(monkeypatch):
    """The session's folder cannot be renamed to where it is to go; what is copied can."""
    path = type(Path())
    original = path.rename

    def refuse(self, target):
        if self.name.endswith(".moving") or self.parent == Path(target).parent:
            return original(self, target)
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(path, "rename", refuse)


OPERATIONS = {
    "extend": (lambda w, s: extend(w.sessions, s, seeds=[99]), {4, 8}, 8),
    "shrink": (lambda w, s: shrink(w.sessions, s, 2), {2, 4}, 2),
    "skip": (lambda w, s: w.sessions.skip(s, [1]), {4}, 4),
    "stop": (lambda w, s: w.sessions.stop(s), {4}, 4),
    "pause": (lambda w, s: w.sessions.pause(s), {4}, 4),
    "resume": (lambda w, s: w.sessions.resume(s), {4}, 4),
    "save": (lambda w, s: make_item(w.sessions, s, 1), {4}, 4),
    "rename": (lambda w, s: rename(w.sessions, s, "dogs"), {4}, 4),
    "move": (lambda w, s: move(w.sessions, s, w.base / "archive"), {4}, 4),
    "move to another disk": (lambda w, s: move(w.sessions, s, w.base / "archive"), {4}, 4),
}
AT_REST = {"resume", "rename", "move", "move to another disk"}


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "disk full"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_at_any_write_leaves_the_old_state_or_the_new_one(operation, kill, tmp_path, monkeypatch):
    do, before, after = OPERATIONS[operation]
    broken = []
    if operation == "move to another disk":
        other_disk(monkeypatch)
    for at in range(1, 100):
        world = World(tmp_path / str(at))
        row = world.sessions.submit(request()).session
        make_item(world.sessions, row.id, 0)
        if operation in AT_REST:
            world.sessions.pause(row.id)
        with monkeypatch.context() as patch:
            writes = Writes(patch, at, kill=kill)
            try:
                do(world, row.id)
            except Killed:
                assert kill
            except SDGenError as error:
                assert not kill and error.code == "disk-full" and error.hint, error
            broken += writes.broken
        where = f"{operation}, write {at}: {writes.broken}"
        sessions = world.restarted() if kill else world.sessions
        found = sessions.ledger.session(row.id)
        assert found.total in before, where
        if (operation, kill) != ("save", False):
            report = check(sessions, row.id, hashes=True)["verify"]
            # nothing worse than a file about the order that is behind, and then it is said what to do
            assert report["ok"] or (SESSION_FILE in report["problems"][0] and report["advice"]), f"{where}: {report}"
            assert not [report[k] for k in ("missing", "extra", "torn", "mismatched", "done_without_file") if report[k]]
            found = sessions.ledger.session(row.id)  # found again where it is
        assert (found.folder / "cats_0000_seed-7.png").is_file(), where
        # the command again
        if operation == "save" and found.state == "paused":
            sessions.resume(row.id)
        if operation != "save" or sessions.ledger.item(row.id, 1).state == "todo":
            do(world, row.id)
        found = sessions.ledger.session(row.id)
        assert found.total == after, where
        if operation == "rename":
            assert (found.name, found.folder.name[-5:]) == ("dogs", "-dogs"), where
        if operation.startswith("move"):
            assert found.folder.parent == world.base / "archive", where
        # to the end
        if found.state in ("paused", "stopped"):
            found = sessions.resume(row.id)
        for item in sessions.ledger.items(row.id, "todo"):
            make_item(sessions, row.id, item.idx)
        found = sessions.finish_if_done(row.id)
        assert found.state == "completed", where
        report = check(sessions, row.id, hashes=True)["verify"]
        assert report["ok"] and report["planned"] == after and report["status"] == "completed", f"{where}: {report}"
        folders = [p for place in ("out", "archive") for p in (world.base / place).iterdir()]
        assert folders == [found.folder], f"{where}: {folders}"
        assert told(found) == (row.id, found.name, sessions.ledger.numbers(row.id)), where
        sessions.close()
        if not writes.broken:
            break
    assert len(broken) == at - 1 >= 1  # every write of the operation was broken once


# ---- the folder in other hands -------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "world")
    yield made
    made.sessions.close()


def to_the_end(sessions, session):
    for item in sessions.ledger.items(session, "todo"):
        make_item(sessions, session, item.idx)
    return sessions.finish_if_done(session)


def listed(row):
    return [e["filename"] for e in json.loads((row.folder / "manifest.json").read_text(encoding="utf-8"))["images"]]


ALL = [f"cats_{n:04d}_seed-{7 + n}.png" for n in range(4)]


@pytest.mark.parametrize("harm", ["emptied", "half", "no JSON", "gone", "entries taken out"])
@pytest.mark.parametrize("which", ["manifest.json", "manifest.jsonl"])
@pytest.mark.parametrize("paused", [True, False], ids=["paused", "running"])
def test_a_manifest_harmed_in_the_middle_is_whole_at_the_end(world, which, harm, paused):
    sessions = world.sessions
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    make_item(sessions, row.id, 1)
    if paused:
        sessions.pause(row.id)
    else:
        sessions.load(row.id).manifest.write()
    path = row.folder / which
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "entries taken out":
        if which == "manifest.json":
            value = json.loads(data)
            value["images"] = value["images"][1:]
            path.write_text(json.dumps(value), encoding="utf-8")
        else:
            path.write_bytes(b"".join(line for line in data.splitlines(True) if b"cats_0000" not in line))
    else:
        path.write_bytes({"emptied": b"", "half": data[: len(data) // 2], "no JSON": b"hello\n"}[harm])
    if paused:
        sessions.resume(row.id)
    row = to_the_end(sessions, row.id)
    assert (row.state, row.done, listed(row)) == ("completed", 4, ALL)
    report = check(sessions, row.id, hashes=True)["verify"]
    assert report["ok"] and report["planned"] == 4 and report["status"] == "completed", report


@pytest.mark.parametrize("harm", [None, b"", b'{"sdgen_session": 1, "id": "', b"[]", b"{}"])
def test_a_session_file_that_is_lost_is_told_and_written_anew(world, harm):
    sessions = world.sessions
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    path = row.folder / SESSION_FILE
    if harm is None:
        path.unlink()
    else:
        path.write_bytes(harm)
    report = check(sessions, row.id)["verify"]
    assert not report["ok"] and SESSION_FILE in report["problems"][0] and "--repair" in report["advice"][0]
    with pytest.raises(SDGenError) as caught:
        take_in(sessions, row.folder)
    assert caught.value.code == "no-manifest" and SESSION_FILE in caught.value.message
    # the session runs all the same, and at its end the file is there again
    row = to_the_end(sessions, row.id)
    assert (row.state, row.done) == ("completed", 4)
    assert told(row) == (row.id, "cats", sessions.ledger.numbers(row.id))
    path.unlink()
    assert check(sessions, row.id, repair=True)["verify"]["ok"]
    assert told(row)[0] == row.id


def test_an_image_deleted_in_the_middle_is_told_and_made_again(world):
    sessions = world.sessions
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    before = (row.folder / ALL[0]).read_bytes()
    (row.folder / ALL[0]).unlink()
    row = to_the_end(sessions, row.id)
    report = check(sessions, row.id)["verify"]
    assert (report["ok"], report["missing"], report["done_without_file"]) == (False, [ALL[0]], [0])
    assert f"sdgen sessions retry {row.id}" in report["advice"][0]
    row, again = sessions.retry(row.id)
    assert (row.state, again) == ("running", 1)
    row = to_the_end(sessions, row.id)
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    assert (row.folder / ALL[0]).read_bytes() == before and listed(row) == ALL


def test_a_folder_renamed_by_hand_is_found_and_a_lost_one_is_told(world):
    sessions = world.sessions
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    sessions.pause(row.id)
    sessions.forget(row.id)
    elsewhere = world.base / "archive" / "my cats"
    row.folder.rename(elsewhere)
    assert sessions.resume(row.id).folder == elsewhere
    sessions.pause(row.id)
    copy = elsewhere.with_name("copy")
    shutil.copytree(elsewhere, copy)
    elsewhere.rename(elsewhere.with_name("original"))
    with pytest.raises(SDGenError) as caught:  # nobody can say which
        sessions.resume(row.id)
    assert caught.value.code == "missing-file" and "copy" in caught.value.message and "rebuild" in caught.value.hint
    shutil.rmtree(copy)
    row = to_the_end(sessions, sessions.resume(row.id).id)
    assert row.state == "completed" and check(sessions, row.id, hashes=True)["verify"]["ok"]


def test_a_folder_that_goes_while_the_session_runs_pauses_it(world):
    sessions = world.sessions
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    row.folder.rename(world.base / "aside")
    with pytest.raises(SDGenError) as caught:
        make_item(sessions, row.id, 1)
    assert caught.value.code == "unwritable-folder"
    assert sessions.ledger.session(row.id).state == "paused" and not row.folder.exists()
    assert sessions.ledger.item(row.id, 1).state == "todo"
    (world.base / "aside").rename(row.folder)
    row = to_the_end(sessions, sessions.resume(row.id).id)
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]


# ---- time, plans, numbers ------------------------------------------------------------------------------------------------


def test_a_clock_that_goes_backwards_changes_nothing(world, monkeypatch):
    real, back = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() - back[0])
    sessions = world.sessions
    row = sessions.submit(request()).session
    for idx in (0, 1, 2):
        make_item(sessions, row.id, idx)
        back[0] += 86_400
        status = sessions.status(sessions.ledger.session(row.id))
        assert (status["state"], status["done"]) == ("running", idx + 1)
        assert status["seconds_per_image"] >= 0 and (status["eta_seconds"] or 0) >= 0
    # a killed process left a half file, which by the clock will be written in three days
    torn = files.temporary_name(row.folder / ALL[3])
    torn.write_bytes(b"half")
    second = sessions.submit(request(name="later")).session
    assert sessions.ledger.next_in_line().id == row.id  # in the order they were asked for
    sessions = world.restarted()
    assert not torn.exists()
    row = to_the_end(sessions, row.id)
    assert (row.state, listed(row), row.seconds >= 0) == ("completed", ALL, True)
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    assert sessions.ledger.next_in_line().id == second.id
    # the wall clock said the same second twice: two sessions, two folders
    fixed = datetime.now() - timedelta(days=9)
    monkeypatch.setattr("sdgen_core.sessions.ordering.datetime", type("D", (), {"now": staticmethod(lambda: fixed)}))
    folders = {sessions.submit(request(on_existing="new")).session.folder for _ in range(3)}
    assert len(folders) == 3


def test_a_plan_of_another_version_pauses_its_session_alone(world):
    sessions = world.sessions
    row = sessions.submit(request()).session
    other = sessions.submit(request(name="other")).session
    make_item(sessions, row.id, 0)
    with sessions.ledger._transaction() as db:
        db.execute(
            "UPDATE part SET plan=replace(plan, '\"sdgen_plan\": ', '\"sdgen_plan\": 9') WHERE session=?", (row.id,)
        )
        db.execute("UPDATE item SET state='queued' WHERE session=? AND idx=1", (row.id,))
    sessions = world.restarted()
    paused = sessions.ledger.session(row.id)
    assert (paused.state == "paused" and "bad-plan" in paused.reason) or "a plan of version 9" in paused.reason
    assert paused.queued == 0 and (row.folder / ALL[0]).is_file()
    assert sessions.ledger.next_in_line().id == other.id
    with pytest.raises(SDGenError) as caught:
        sessions.resume(row.id)
    assert caught.value.code == "bad-plan" and caught.value.hint


def test_leaving_out_what_failed_ends_a_failed_session(world):
    sessions = world.sessions
    row = sessions.submit(request()).session
    for idx in (0, 1, 2):
        make_item(sessions, row.id, idx)
    sessions.ledger.mark_queued(row.id, {3: "p"})
    sessions.item_failed(row.id, 3, "node-error", "no")
    assert sessions.finish_if_done(row.id).state == "failed"
    row, removed = shrink(sessions, row.id, 3)
    assert (row.state, removed, row.failed, row.reason) == ("completed", 1, 0, "")
    report = check(sessions, row.id)["verify"]
    assert report["ok"] and (report["planned"], report["status"]) == (3, "completed")


def test_finding_the_next_items_costs_the_same_at_the_end_of_a_session(world):
    sessions = world.sessions
    values = ", ".join(f"v{n}: value {n}" for n in range(3000))
    text = f"name: long\nprompt: 'a {{A}}'\nimports: {{A: {{{values}}}}}\ngeneration: {{seed: 1, max_images: -1}}\n"
    row = sessions.submit(request(text)).session
    steps = []

    def cost():
        count = [0]
        sessions.ledger._db.set_progress_handler(lambda: count.__setitem__(0, count[0] + 1), 10)
        items = sessions.ledger.items(row.id, "todo", limit=4)
        queued = sessions.ledger.items(row.id, "queued")
        sessions.ledger.put_back(row.id)
        sessions.ledger._db.set_progress_handler(None, 0)
        steps.append(count[0])
        return [i.idx for i in items], queued

    assert cost() == ([0, 1, 2, 3], [])
    with sessions.ledger._transaction() as db:
        db.execute("UPDATE item SET state='done' WHERE session=? AND idx<2990", (row.id,))
    assert cost() == ([2990, 2991, 2992, 2993], [])
    assert steps[1] <= steps[0] + 5, steps
