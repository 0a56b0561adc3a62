"""`sdgen catalog sessions`, `session`, `judge`, `undo`, `redo`, `empty-trash`, `sidecars`: what they print, do and refuse."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.cli.catalog import app
from sdgen_core.sessions.ledger import Ledger, Part

from .folders import old_session, own_session


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A library of two sessions; the system's trash is the test's own."""
    if sys.platform.startswith("linux"):
        from send2trash import plat_other

        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(plat_other, "XDG_DATA_HOME", os.fsencode(tmp_path / "data"))
        monkeypatch.setattr(plat_other, "HOMETRASH_B", os.fsencode(tmp_path / "data" / "Trash"))
    own_session(tmp_path / "root" / "20260102_030405-mine", 3)
    old_session(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def command(tmp_path, root):
    def run(*arguments: object, code: int = 0, typed: str | None = None) -> str:
        words = [*map(str, arguments), "--catalog", str(tmp_path / "user" / "catalog")]
        result = CliRunner().invoke(app, words, input=typed)
        assert result.exit_code == code, result.output
        return result.stdout

    run("import", root)
    return run


def test_sessions(command):
    assert "mine" in command("sessions") and "2 sessions" in command("sessions")
    page = json.loads(command("sessions", "min", "--sort", "-images", "--json"))
    assert (page["total"], page["sessions"][0]["slug"], page["next"]) == (1, "abcdefghjk", None)
    first = json.loads(command("sessions", "--limit", 1, "--sort", "name", "--json"))
    assert "go on with --after" in command("sessions", "--limit", 1, "--sort", "name")
    second = json.loads(command("sessions", "--sort", "name", "--after", first["next"], "--json"))
    assert len({first["sessions"][0]["slug"], second["sessions"][0]["slug"]}) == 2
    assert "0 sessions" in command("sessions", "--theme", "none of these", "--rating", "like", "--no-test")
    assert "error" not in command("sessions", "--complete", "none", "--date", "2026", "--images-min", 1)
    assert json.loads(command("sessions", "--sort", "startd", "--json", code=1))["error"]


def test_one_session(command):
    (command("judge", "number:0 session:abcdefghjk", "--field", "value/Hair", "--value", "ko"))
    text = command("session", "abcdefghjk")
    for part in (
        "mine  [abcdefghjk]",
        "3 of 3 planned",
        "3 from 40 to 42",
        "mine_v1 3",
        "Hair (1 of 2 values)",
        "red hair  [ko 1]",
    ):
        assert part in text
    assert json.loads(command("session", "abcdefghjk", "--json"))["seeds"] == [[40, 1], [41, 1], [42, 1]]
    command("session", "abcdefghj", code=1)


def test_judging_and_taking_back(command):
    said = json.loads(command("judge", "session:abcdefghjk", "--value", "trash", "--json"))
    assert (said["found"], said["changed"], said["label"]) == (3, 3, "mark: trash, 3 images")
    assert len(command("find", "is:trash").splitlines()) == 3
    assert command("undo") == "taken back: mark: trash, 3 images\n"
    assert command("find", "is:trash") == ""
    assert command("redo") == "done again: mark: trash, 3 images\n"
    assert json.loads(command("redo", "--json")) == {"label": None, "changed": 0}
    assert command("judge", "is:trash", "--clear") == "mark: cleared, 3 images, 3 images changed\n"
    command("judge", "--session", "abcdefghjk", "--field", "name", "--value", "Better")
    assert "Better" in command("sessions")
    command("judge", "--session", "abcdefghjk", "--field", "name", "--clear")
    both = ["x", "--session", "a", "--value", "5"]
    for wrong in (["--value", "trash"], ["x"], ["x", "--value", "trash", "--clear"], both, ["", "--value", "bin"]):
        command("judge", *wrong, code=1)


def test_emptying_the_trash(command, root, tmp_path):
    assert command("empty-trash") == "the trash is empty\n"
    assert json.loads(command("empty-trash", "--json"))["removed"] == []
    command("judge", "session:abcdefghjk number:0..1", "--value", "trash")
    files = sorted((root / "20260102_030405-mine").glob("*.png"))
    preview = json.loads(command("empty-trash", "--dry-run", "--json"))
    assert (preview["images"], len(preview["ids"]), preview["sessions"][0]["images"]) == (2, 2, 2)
    command("empty-trash", code=1, typed="n\n")
    assert json.loads(command("empty-trash", "--json", code=1))["error"]
    assert all(file.exists() for file in files)
    assert "1 image removed, 1 file" in command("empty-trash", "number:0", typed="y\n")
    assert [file.exists() for file in files] == [False, True, True]
    ledger = Ledger(tmp_path / "user" / "ledger.db")
    ledger.restore(
        session_id="abcdefghjk", key="k", name="mine", prefix="mine", folder=root / "20260102_030405-mine",
        parts=[Part({}, {}, "2", None, {})], items=[(n, 0, n) for n in range(3)], created=0.0,
    )  # fmt: skip
    ledger.set_state("abcdefghjk", "running")
    found = json.loads(command("empty-trash", "--yes", "--json"))
    assert found["removed"] == []
    assert json.loads(command("empty-trash", "--dry-run", "--json"))["refused"][0]["code"] == "bad-state"
    ledger.set_state("abcdefghjk", "stopped")
    ledger.close()
    assert len(json.loads(command("empty-trash", "--yes", "--permanently", "--json"))["removed"]) == 1
    assert "removed" in command("session", "abcdefghjk")
    assert command("verify") == "nothing is wrong\n"


def test_sidecars(command, root, tmp_path):
    command("judge", "session:abcdefghjk number:0", "--field", "rating", "--value", "4")
    command("judge", "session:abcdefghjk number:1", "--value", "trash")
    assert command("sidecars", "write", "--into", tmp_path / "side") == "2 written, 0 unchanged\n"
    assert not list(root.rglob("*.xmp"))
    assert json.loads(command("sidecars", "write", "number:0", "--json")) == {
        "changed": 1,
        "unchanged": 0,
        "kept": [],
        "problems": [],
    }
    (made,) = root.rglob("*.xmp")
    assert Path(made).name == "mine_0000_seed-40.png.xmp"
    made.write_bytes(b"<")
    assert "0 taken over" in command("sidecars", "read", code=1)
    assert command("sidecars", "read", "--from", tmp_path / "side") == "0 taken over, 2 unchanged\n"
