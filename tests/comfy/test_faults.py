"""Faults of the machine and careless hands: full disk, read-only folder, two ComfyUIs on one user folder, files deleted or cut
off in the middle, a clock that goes back, another ComfyUI than before. Nothing is lost, and each says what to do."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

SESSION_1 = Path(__file__).parents[1] / "data" / "ledgers" / "session1"


def settings(server, **values):
    folder = server.base / "user" / "sdgen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(values), encoding="utf-8")


def mount(*options):
    return subprocess.run(["mount", *options], capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 160 kB; ``grow()`` makes it larger."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root on Linux only")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = mount("-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder))
    if done.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr}")
    yield folder, lambda: mount("-o", "remount,size=20m", str(folder))
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_pauses_the_session_and_nothing_is_lost(small_disk, stub_server, stub_of):
    folder, grow = small_disk
    server = stub_server()
    settings(server, output_folder=str(folder))
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(120, name="full"))
        status = stub.wait(report["id"], "paused")
        assert 0 < status["done"] < 120 and status["failed"] == 0
        assert "full" in status["reason"].lower() or "space" in status["reason"].lower()
        assert not list(Path(status["folder"]).glob("*.tmp*"))
        grow()
        stub.act(report["id"], "resume")
        status = stub.wait(report["id"])
        assert (status["done"], status["failed"]) == (120, 0)
        verified = stub.client.post(f"/sdgen/sessions/{report['id']}/verify", {"hashes": True})
        assert verified["verify"]["ok"], verified
        assert len(list(Path(status["folder"]).glob("*.png"))) == 120


def test_an_unwritable_folder_refuses_the_order(stub_server, stub_of, tmp_path):
    (tmp_path / "file").write_text("no folder")
    server = stub_server()
    settings(server, output_folder=str(tmp_path / "file" / "below"))
    with server:
        stub = stub_of(server)
        assert "[unwritable-folder]" in stub.refused(stub.graph(2))
        assert stub.client.get("/sdgen/sessions") == {"sessions": []}


def test_a_second_comfyui_on_the_same_user_folder_refuses_to_feed(stub_server, stub_of):
    first = stub_server()
    second = stub_server(extra_args=["--user-directory", str(first.base / "user")])
    with first, second:
        text = stub_of(second).refused(stub_of(second).graph(2))
        assert "[ledger-locked]" in text
        stub = stub_of(first)
        stub.wait(stub.press(stub.graph(2))["id"])


def test_unusable_settings_are_told_and_do_not_break_comfyui(stub_server, stub_of):
    server = stub_server()
    settings(server, window=99)
    with server:
        stub = stub_of(server)
        text = stub.refused(stub.graph(2))
        assert "[bad-settings]" in text and "window" in text
        assert "KSampler" in server.client.get("/object_info/KSampler")


@pytest.mark.parametrize("mode", ["auto", "ask", "off"])
def test_unfinished_sessions_after_a_start(stub_server, stub_of, mode):
    server = stub_server()
    settings(server, resume_on_start=mode)
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(40, name="later", wait=0.1))
    with server:
        stub = stub_of(server)
        if mode == "auto":
            assert stub.wait(report["id"])["done"] == 40
        else:
            status = stub.wait(report["id"], "paused")
            assert status["done"] < 40 and "restarted" in status["reason"]
            stub.act(report["id"], "resume")
            assert stub.wait(report["id"])["done"] == 40


def done(stub, session, count):
    """Wait until ``count`` images are made."""
    deadline = time.monotonic() + 60
    while (status := stub.status(session))["done"] < count:
        assert time.monotonic() < deadline and status["state"] == "running", status
        time.sleep(0.02)
    return status


def whole(stub, session, count):
    """Every image of the plan is there once, whole, in manifest and ledger."""
    status = stub.status(session)
    assert (status["state"], status["done"], status["failed"]) == ("completed", count, 0), status
    verified = stub.act(session, "verify", hashes=True)["verify"]
    assert verified["ok"], verified
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(p.name for p in Path(status["folder"]).glob("*.png"))
    assert [i["filename"] for i in manifest["images"]] == files and len(files) == count
    assert [i["sdgen"]["index"] for i in manifest["images"]] == list(range(count))
    for n, name in enumerate(files):
        red, green, blue = Image.open(Path(status["folder"]) / name).convert("RGB").getpixel((0, 0))
        assert red << 16 | green << 8 | blue == 1000 + n
    assert not list(Path(status["folder"]).glob("*.tmp*"))


@pytest.fixture
def lockable(tmp_path):
    """A folder, and what makes it read-only (True) and writable again (False)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform == "win32":
        pytest.skip("a folder's read-only mark does not keep Windows from writing into it")
    if os.geteuid() != 0:

        def mark(lock):
            for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
                path.chmod(0o555 if lock else 0o755)

        yield folder, mark
        mark(False)
        return
    finished = mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder))
    if finished.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {finished.stderr}")

    def remount(lock):
        for _ in range(200):  # refused while a file is open for writing
            if not mount("-o", f"remount,{'ro' if lock else 'rw'}", str(folder)).returncode:
                return
            time.sleep(0.02)
        pytest.fail("the folder could not be made read-only")

    yield folder, remount
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_folder_made_read_only_in_the_middle_pauses_the_session(lockable, stub_server, stub_of):
    folder, lock = lockable
    server = stub_server()
    settings(server, output_folder=str(folder))
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(30, name="locked", wait=0.05))
        done(stub, report["id"], 4)
        lock(True)
        status = stub.wait(report["id"], "paused")
        assert "unwritable-folder" in status["reason"] and "hint" not in status, status
        assert str(status["folder"]) in status["reason"]
        assert status["failed"] == 0 and 4 <= status["done"] < 30
        # what can be asked of it still answers, and resuming too early pauses it again
        stub.act(report["id"], "resume")
        assert stub.wait(report["id"], "paused")["failed"] == 0
        lock(False)
        stub.act(report["id"], "resume")
        stub.wait(report["id"])
        whole(stub, report["id"], 30)


def test_files_deleted_and_cut_off_while_the_session_runs(stub):
    report = stub.press(stub.graph(24, name="careless", wait=0.15))
    folder = Path(report["folder"])
    done(stub, report["id"], 5)
    (folder / "careless_0002_seed-1002.png").unlink()
    journal = (folder / "manifest.jsonl").read_bytes()
    (folder / "manifest.jsonl").write_bytes(journal[: len(journal) // 2])
    (folder / "manifest.json").write_text('{"snapshot": {}, "images": [', encoding="utf-8")
    (folder / "sdgen-session.json").write_bytes(b"{")
    status = stub.wait(report["id"])
    assert (status["done"], status["failed"]) == (24, 0)
    verified = stub.act(report["id"], "verify", hashes=True)["verify"]
    assert verified["done_without_file"] == [2] and not verified["ok"]
    assert not (verified["extra"] or verified["torn"] or verified["mismatched"] or verified["problems"]), verified
    assert any("sdgen sessions retry" in text for text in verified["advice"])
    assert stub.act(report["id"], "retry")["retried"] == 1
    stub.wait(report["id"])
    whole(stub, report["id"], 24)


CLOCK = """
import time
real, calls = time.time, [0]
def back():
    calls[0] += 1
    return real() - 60 * calls[0]
time.time = back
NODE_CLASS_MAPPINGS = {}
"""


def test_a_clock_that_goes_backwards(stub_server, stub_of):
    server = stub_server()
    clock = server.base / "custom_nodes" / "aaa_clock"  # every look at it is a minute earlier than the one before
    clock.mkdir(parents=True)
    (clock / "__init__.py").write_text(CLOCK, encoding="utf-8")
    with server:
        stub = stub_of(server)
        first = stub.press(stub.graph(20, name="first", wait=0.05))
        second = stub.press(stub.graph(4, name="second"))
        assert second["state"] == "planned"
        status = done(stub, first["id"], 3)
        assert (status["images_per_minute"] or 1) > 0 and (status["eta_seconds"] or 0) >= 0
        assert stub.status(second["id"])["done"] == 0
        done(stub, first["id"], 6)
    with server:  # in the middle, and with the true time again
        shutil.rmtree(clock)
        stub = stub_of(server)
        stub.wait(first["id"])
        stub.wait(second["id"])
        whole(stub, first["id"], 20)
        whole(stub, second["id"], 4)
        assert [s["id"] for s in stub.client.get("/sdgen/sessions")["sessions"]] == [second["id"], first["id"]]


def test_a_session_of_the_first_schema_goes_on(stub_server, stub_of):
    """Killed in the middle under SDGen 1 of the ledger: four images in ComfyUI's queue, no ``sdgen-session.json``."""
    server = stub_server()
    folder = server.base / "output" / "sdgen" / "20261122_222011-older"
    shutil.copytree(SESSION_1 / "session", folder)
    made = {p.name: p.read_bytes() for p in folder.glob("*.png")}
    (server.base / "user" / "sdgen").mkdir(parents=True)
    database = sqlite3.connect(server.base / "user" / "sdgen" / "ledger.db")
    script = (SESSION_1 / "ledger.sql").read_text(encoding="utf-8")
    database.executescript(script.replace("'FOLDER'", f"'{folder}'"))
    database.close()
    with server:
        stub = stub_of(server)
        stub.wait("older")
        whole(stub, "older", 8)
        assert len(made) == 3 and all((folder / name).read_bytes() == data for name, data in made.items())
        # and it can be taken up again without its ledger, extended, renamed
        assert (folder / "sdgen-session.json").is_file()
        assert stub.act("older", "extend", seeds="5")["added"] == 8
        stub.wait("older")
        assert stub.act("older", "rename", name="renewed")["name"] == "renewed"
        assert stub.act("renewed", "verify", hashes=True)["verify"]["ok"]


def test_a_node_that_vanished_pauses_the_session_until_it_is_back(stub_server, stub_of, tmp_path):
    server = stub_server()
    nodes = server.base / "custom_nodes" / "stub_nodes"
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(24, name="update", wait=0.1))
        done(stub, report["id"], 3)
        stub.act(report["id"], "pause")
    nodes.rename(tmp_path / "aside")
    with server:
        stub = stub_of(server)
        stub.act(report["id"], "resume")
        status = stub.wait(report["id"], "paused")
        assert "8 images in a row" in status["reason"] and "StubImage" in status["reason"], status["reason"]
        assert status["failed"] == 8 and status["failures"][0]["error"] == "rejected-prompt"
    (tmp_path / "aside").rename(nodes)
    with server:
        stub = stub_of(server)
        assert stub.act(report["id"], "retry")["retried"] == 8
        stub.wait(report["id"])
        whole(stub, report["id"], 24)
