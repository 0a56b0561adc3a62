"""`dev.py demo` and `dev.py serve` as a person meets them: a process, its output, its exit code, and what it leaves
behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdgen_core.comfy.client import ComfyClient
from sdgen_core.comfy.runtime import free_port
from sdgen_core.errors import SDGenError


@pytest.fixture
def arguments(root: Path, comfyui_folder: Path, demo_models: Path, tmp_path: Path) -> list[str]:
    places = {"--root": root, "--comfyui": comfyui_folder, "--base": tmp_path / "base", "--models": demo_models}
    if os.environ.get("SDGEN_TEST_PACKAGES"):
        places["--packages"] = Path(os.environ["SDGEN_TEST_PACKAGES"])
    return [word for option, path in places.items() for word in (option, str(path))]


def command(name: str, arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "sdgen_core.cli.demo", name, *arguments]


def test_the_demo_makes_every_image_and_says_where(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(command("demo", arguments), capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(re.findall(r"^(\S[\w ]+?)  +(\S.*)$", done.stdout, re.MULTILINE))
    planned = int(table["planned"])
    assert planned >= 48
    assert (table["state"], int(table["done"]), int(table["failed"])) == ("completed", planned, 0)
    folder = Path(table["folder"])
    assert tmp_path in folder.parents
    assert len(list(folder.glob("*.png"))) == planned
    assert len(json.loads(Path(table["manifest"]).read_text(encoding="utf-8"))["images"]) == planned
    assert Path(table["first pictures"]).is_file()
    right, judged = map(int, re.search(r"Read from the pixels: (\d+) of (\d+) right", done.stdout).groups())
    assert judged >= planned - 2
    assert right >= 0.9 * judged, done.stdout


@pytest.fixture
def serving(arguments: list[str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    words = [*arguments, "--port", str(port), "--cpu", "--", "--preview-method", "none"]
    with (
        (tmp_path / "out.txt").open("wb") as out,
        subprocess.Popen(command("serve", words), stdout=out, stderr=out) as serve,
    ):
        yield serve, f"http://127.0.0.1:{port}"
        serve.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process are a POSIX notion")
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_serve_runs_until_it_is_told_to_end(
    serving: tuple[subprocess.Popen[bytes], str], tmp_path: Path, how: signal.Signals, status: int
) -> None:
    process, url = serving
    client = ComfyClient(url)
    deadline = time.monotonic() + 180
    while True:
        output = (tmp_path / "out.txt").read_text(encoding="utf-8")
        if "Ctrl-C stops it" in output:
            break
        assert process.poll() is None and time.monotonic() < deadline, output
        time.sleep(0.1)
    assert url in output
    argv = client.get("/system_stats")["system"]["argv"]
    assert argv[-2:] == ["--preview-method", "none"]
    assert client.get("/sdgen/sessions") == {"sessions": []}
    process.send_signal(how)
    assert process.wait(30) == status
    client.close()
    with pytest.raises(SDGenError) as gone:
        client.get("/system_stats")
    assert gone.value.code == "no-server"
