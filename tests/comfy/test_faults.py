"""The machine's faults: full disk, unwritable folder, two ComfyUIs on one user folder. Nothing is lost, and each has its code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


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
