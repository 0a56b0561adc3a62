"""`sdgen train …` on runs that are there, and what it says of wrong ones; that it trains is seen in tests/comfy."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from sdgen_core.cli.train import Starter, app, sparkline
from sdgen_core.comfy.client import ComfyClient
from sdgen_core.errors import SDGenError
from sdgen_core.training.runs.asked import dataset_folder, options_given, options_of
from sdgen_core.training.runs.sharing import make_room, remote

from .conftest import Room, until
from .fakes import trainer_of


class Command:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, code: int = 0, **more: Any) -> Any:
        found = CliRunner().invoke(app, [*words, "--training", str(self.folder)], **more)
        assert found.exit_code == code, found.output
        return json.loads(found.stdout) if "--json" in words else found.output


@pytest.fixture
def train(room: Room, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("XDG_DATA_HOME", str(room.folder / "home"))
    return Command(room.folder)


def test_a_run_is_shown(room: Room, train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdgen_core.training.runs.trainers.trainers", lambda *_, **__: trainer_of)
    runs = room.runs()
    done = room.start(runs, 6, name="red [x]")
    runs.wait(done)
    bad = room.start(runs, 6, mode="no-data")
    runs.wait(bad)
    assert [(one["id"], one["state"]) for one in train("list", "--json")["runs"]] == [(bad, "failed"), (done, "done")]
    assert "red [x]" in train("list")
    told = train("status", done)
    assert re.search(r"step +6 of 6", told) and "red [x].safetensors" in told and "█" in told
    newest = train("status")
    assert "failed" in newest and "no images were found" in newest
    found = train("status", done, "--json")
    assert len(found["curves"]["loss/current"]) == 6 and found["segments"][0]["reached"] == 6
    assert train("logs", done, "--tail", "1").strip() == "model saved."
    assert train("logs", done, "--json")["lines"][-1] == "model saved."
    assert "[nothing-saved]" in train("resume", bad, code=1)
    assert "[bad-run-state]" in train("stop", bad, code=1)
    assert train("forget", bad, code=1, input="n\n") and (room.folder / "runs" / bad).is_dir()
    assert "is deleted" in train("forget", bad, "--yes") and not (room.folder / "runs" / bad).exists()
    lora = Path(found["output"])
    train("forget", done, "--yes")
    assert lora.is_file() and lora.parent == room.folder / "loras"


def test_what_is_not_there(room: Room, train: Command) -> None:
    assert "no runs in" in train("list")
    assert "[unknown-run]" in train("status", code=1)
    assert train("status", "x", "--json", code=1)["error"] == "unknown-run"
    assert "[missing-file]" in train("start", "no.safetensors", str(room.dataset), code=1)
    assert "[missing-file]" in train("start", str(room.base), "no set", code=1)
    assert "[unknown-trainer]" in train("start", str(room.base), str(room.dataset), "--trainer", "kohia", code=1)
    assert "[bad-option]" in train("start", str(room.base), str(room.dataset), "--set", "rank", code=1)
    assert not (room.folder / "runs.db").exists()


def test_two_loras_of_one_name(room: Room) -> None:
    runs = room.runs()
    outputs = [Path(runs.wait(room.start(runs, 2))["output"]).name for _ in range(2)]
    assert outputs == ["red.safetensors", "red_2.safetensors"]


def test_options_as_text() -> None:
    assert options_given(["rank=16", "lr=1e-4", "name=a=b", "on=true", "none="]) == {
        "rank": 16, "lr": 1e-4, "name": "a=b", "on": True, "none": None,
    }  # fmt: skip
    assert options_of("rank: 16\nlr: 1e-4\n") == {"rank": 16, "lr": 1e-4} and options_of(" ") == {}
    for text in ("- a", "a: [", "1: 2", "x"):
        with pytest.raises(SDGenError) as refused:
            options_of(text)
        assert refused.value.code == "bad-option"


def test_a_data_set_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "datasets" / "red coats").mkdir(parents=True)
    assert dataset_folder(tmp_path, " red coats ") == tmp_path / "datasets" / "red coats"
    assert dataset_folder(tmp_path, str(tmp_path)) == tmp_path
    with pytest.raises(SDGenError) as unknown:
        dataset_folder(tmp_path, "red coat")
    assert unknown.value.nearest == ["red coats"]


def test_a_curve_in_a_line() -> None:
    assert sparkline([1, 2, 3]) == "▁▅█" and sparkline([2, 2]) == "▁▁"
    assert len(sparkline([float(n) for n in range(1000)])) == 48


# ---- a ComfyUI at an address ------------------------------------------------------------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """What ComfyUI and SDGen answer of a queue and of sessions; ``asked`` are the posts."""

    busy = True
    state = "running"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        whole = {"id": "s1", "state": type(self).state}
        found = {
            "/queue": {"queue_running": [[0, "p"]] if type(self).busy else [], "queue_pending": []},
            "/sdgen/sessions": {"sessions": [whole, {"id": "s2", "state": "completed"}]},
            "/sdgen/sessions/s1": whole,
        }
        self._say(found[self.path])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append(self.path)
        type(self).state = {"/sdgen/sessions/s1/pause": "paused", "/sdgen/sessions/s1/resume": "running"}.get(
            self.path, type(self).state
        )
        self._say({})

    def _say(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Answers.busy, Answers.state, Answers.asked = True, "running", []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_comfyui_is_shared_by_its_address(address: str) -> None:
    host, remembered = remote(ComfyClient(address)), []
    assert make_room(host, "wait", "red", remembered.extend) == "waits until no session makes images"
    assert make_room(host, "both", "red", remembered.extend) == "waits until ComfyUI has nothing to do"
    assert remembered == ["s1"] and Answers.state == "paused"
    Answers.busy = False
    assert make_room(host, "both", "red", remembered.extend) == ""
    assert Answers.asked == ["/sdgen/sessions/s1/pause", "/free"]
    host.resume("s1", "")
    host.resume("s1", "")
    assert Answers.asked[2:] == ["/sdgen/sessions/s1/resume"]


def test_a_comfyui_that_does_not_run_has_nothing_to_do() -> None:
    host = remote(ComfyClient("http://127.0.0.1:9", timeout=1))
    assert make_room(host, "both", "red", lambda _: None) == "" and host.making() == []


def test_a_comfyui_that_runs_and_does_not_answer_may_be_busy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = remote(ComfyClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2))
        for asked in (host.busy, host.making):
            with pytest.raises(SDGenError) as unsure:
                asked()
            assert unsure.value.code == "no-server"


class Ends:
    """A place whose programs end at once, without having started anything."""

    def __init__(self, folder: Path) -> None:
        self.log, self.begun = folder / "follow.log", 0
        self.log.write_text("first\nImportError: é\n", encoding="utf-8")

    def follow(self) -> subprocess.Popen[bytes]:
        self.begun += 1
        ended = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
        ended.wait()
        return ended


def test_a_command_does_not_wait_for_ever_for_a_program_that_ends(room: Room, tmp_path: Path) -> None:
    runs, place = room.runs(starts=False), Ends(tmp_path)
    run = room.start(runs, 4)
    starter = Starter(place, runs)  # type: ignore[arg-type]
    with pytest.raises(SDGenError) as ended:
        runs.wait(run, lambda status: starter.look(status) is None)
    assert place.begun == 3 and "ImportError: é" in ended.value.message
    assert runs.status(run)["state"] == "waiting"


def test_a_stop_that_nobody_does_is_told(room: Room, train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks after the run hangs: in ComfyUI's place this test, which does nothing."""
    monkeypatch.setattr("sdgen_core.training.runs.trainers.trainers", lambda *_, **__: trainer_of)
    monkeypatch.setattr("sdgen_core.cli.train._PATIENCE", 0.3)
    runs = room.runs()
    run, second = room.start(runs, 200, pace=0.05), room.start(runs, 2)
    until(lambda: runs.round() and runs.status(run)["step"])
    assert "[nothing-saved]" in train("stop", run, "--save", code=1)
    told = train("stop", run, code=1)
    assert f"process {os.getpid()}, which looks after it, does not do it" in told
    assert "is to be stopped" in train("status", run) and "none before its end" in train("status", run)
    assert "waits for the end of red" in train("status", second)
    assert runs.wait(run)["state"] == "stopped"
    assert "[nothing-saved]" in train("resume", run, code=1)
