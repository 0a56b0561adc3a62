"""Faults of the disk and careless hands: full disk, read-only folder, files deleted, cut off or edited in the middle, two
ComfyUIs on one user folder. Nothing is lost, and each says what to do."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest


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


def test_a_full_disk_pauses_the_session_and_nothing_is_lost(small_disk, stub_server, stub_of, settings, whole):
    folder, grow = small_disk
    server = stub_server()
    settings(server, output_folder=str(folder))
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(120, name="full"))
        status = stub.wait(report["id"], "paused")
        assert 0 < status["done"] < 120 and status["failed"] == 0
        assert "Free some space, then resume the session" in status["reason"]
        assert not list(Path(status["folder"]).glob("*.tmp*"))
        grow()
        stub.act(report["id"], "resume")
        stub.wait(report["id"])
        whole(stub, report["id"], 120)


def test_an_unwritable_folder_refuses_the_order(stub_server, stub_of, settings, tmp_path):
    (tmp_path / "file").write_text("no folder")
    server = stub_server()
    settings(server, output_folder=str(tmp_path / "file" / "below"))
    with server:
        stub = stub_of(server)
        assert "[unwritable-folder]" in stub.refused(stub.graph(2))
        assert stub.client.get("/sdgen/sessions") == {"sessions": []}


def test_a_manifest_edited_by_hand_in_the_middle(stub, done, whole):
    report = stub.press(stub.graph(40, name="noted", wait=0.15))
    path = Path(report["folder"]) / "manifest.json"
    deadline = time.monotonic() + 30
    while not (manifest := json.loads(path.read_text(encoding="utf-8")))["images"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first = manifest["images"][0]["filename"]
    manifest["images"][0] |= {"tags": ["keep"], "prompt": "what I meant"}
    manifest["rating"] = 5
    path.write_text(json.dumps(manifest), encoding="utf-8")
    stub.act(report["id"], "pause")
    # and once more in the pause, with a slip of the pen
    edited = path.read_text(encoding="utf-8").replace('"keep"', '"keep", "mine",')
    path.write_text(edited, encoding="utf-8")
    stub.act(report["id"], "resume")
    stub.wait(report["id"])
    whole(stub, report["id"], 40)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    entry = manifest["images"][0]
    assert (entry["filename"], entry["tags"], entry["prompt"]) == (first, ["keep"], "what I meant")
    assert manifest["rating"] == 5 and "tags" not in manifest["images"][1]
    # what could not be read is kept, and somebody is told
    assert '"mine",' in path.with_name("manifest.json.broken").read_text(encoding="utf-8")
    (advice,) = stub.act(report["id"], "verify")["verify"]["advice"]
    assert "manifest.json.broken" in advice


def test_a_second_comfyui_on_the_same_user_folder_refuses_to_feed(stub_server, stub_of):
    first = stub_server()
    second = stub_server(extra_args=["--user-directory", str(first.base / "user")])
    with first, second:
        text = stub_of(second).refused(stub_of(second).graph(2))
        assert "[ledger-locked]" in text and "Close the other ComfyUI" in text
        stub = stub_of(first)
        stub.wait(stub.press(stub.graph(2))["id"])


def test_unusable_settings_are_told_and_do_not_break_comfyui(stub_server, stub_of, settings):
    server = stub_server()
    settings(server, window=99)
    with server:
        stub = stub_of(server)
        text = stub.refused(stub.graph(2))
        assert "[bad-settings]" in text and "window" in text
        assert "KSampler" in server.client.get("/object_info/KSampler")


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


def test_a_folder_made_read_only_in_the_middle_pauses_the_session(
    lockable, stub_server, stub_of, settings, done, whole
):
    folder, lock = lockable
    server = stub_server()
    settings(server, output_folder=str(folder))
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(30, name="locked", wait=0.05))
        done(stub, report["id"], 4)
        lock(True)
        status = stub.wait(report["id"], "paused")
        assert str(status["folder"]) in status["reason"] and "you may write there" in status["reason"], status
        assert status["failed"] == 0 and 4 <= status["done"] < 30
        # what can be asked of it still answers, and resuming too early pauses it again
        stub.act(report["id"], "resume")
        assert stub.wait(report["id"], "paused")["failed"] == 0
        lock(False)
        stub.act(report["id"], "resume")
        stub.wait(report["id"])
        whole(stub, report["id"], 30)


def test_files_deleted_and_cut_off_while_the_session_runs(stub, done, whole):
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
