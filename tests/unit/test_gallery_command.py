"""`sdgen gallery` as a process: what it says, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from .catalog.folders import own_session


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """The command over ``folder/out``."""
    (folder / "out").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "sdgen_core.cli", "gallery", "--root", str(folder / "out")]
    places = ["--catalog", str(folder / "catalog"), "--port", "0", "--json", *options]
    environment = {name: value for name, value in os.environ.items() if name != "SDGEN_GALLERY_TOKEN"}
    return subprocess.Popen(
        [*command, *places], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def told(process: subprocess.Popen[str]) -> dict[str, str]:
    """The JSON that it prints when it listens."""
    assert process.stdout
    lines = ""
    for line in process.stdout:
        lines += line
        if line.startswith("}"):
            said: dict[str, str] = json.loads(lines)
            return said
    raise AssertionError(process.stderr.read() if process.stderr else "")


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl+C; exit code and what stands in the error stream."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    return process.returncode, errors


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot press Ctrl+C in another one there")
def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    own_session(tmp_path / "out" / "one", 3)
    process = start(tmp_path, "--token", "long-and-secret")
    try:
        said = told(process)
        assert said["link"] == f"{said['url']}?token=long-and-secret"
        asked = urllib.request.Request(
            f"{said['url']}sdgen/catalog", headers={"Authorization": "Bearer long-and-secret"}
        )
        for _ in range(100):  # the folders are read while it serves
            with urllib.request.urlopen(asked) as answer:
                images = json.load(answer)["totals"]["images"]
            if images == 3:
                break
        assert images == 3
        events = urllib.request.Request(
            f"{said['url']}sdgen/events", headers={"Authorization": "Bearer long-and-secret"}
        )
        with urllib.request.urlopen(events):  # a stream does not keep it
            assert end(process) == (0, "")
    finally:
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot press Ctrl+C in another one there")
def test_without_a_scan_it_shows_what_is_known(tmp_path: Path) -> None:
    own_session(tmp_path / "out" / "one", 3)
    process = start(tmp_path, "--no-scan")
    try:
        said = told(process)
        assert said["link"] == said["url"]
        with urllib.request.urlopen(f"{said['url']}sdgen/catalog") as answer:
            assert json.load(answer)["totals"]["images"] == 0
        assert end(process) == (0, "")
    finally:
        process.kill()


def refused(process: subprocess.Popen[str]) -> dict[str, str]:
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    said: dict[str, str] = json.loads(out)
    return said


def test_what_it_refuses(tmp_path: Path) -> None:
    said = refused(start(tmp_path, "--host", "0.0.0.0"))
    assert said["error"] == "bad-option" and "--token" in said["message"]
    assert refused(start(tmp_path, "--token", "short"))["error"] == "bad-option"
    assert refused(start(tmp_path, "--host", "no.such.host.invalid", "--token", "x" * 20))["error"] == "bad-option"
    assert refused(start(tmp_path, "--root", str(tmp_path / "nothing")))["error"] == "missing-file"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused(start(tmp_path, "--port", port))
    assert said["error"] == "port-in-use" and port in said["message"]
