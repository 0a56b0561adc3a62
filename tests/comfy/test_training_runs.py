"""Training runs of a real ComfyUI, by its own training node: beside generation, through its death, and by command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdgen_core.comfy.client import failure
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.training.runs import process
from sdgen_core.training.runs.model import ENDED
from sdgen_core.training.runs.service import Runs

CHECKPOINT = "sdgen-demo.safetensors"
ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def data_set(folder: Path) -> Path:
    place = folder / "images" / "1_red"
    place.mkdir(parents=True)
    for n in range(4):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste((200, 20, 20), (10, 10 + 4 * n, 40, 40))
        picture.save(place / f"{n}.png")
        (place / f"{n}.txt").write_text("a red square", encoding="utf-8")
    return folder


def graph(
    dataset: Path, steps: int, name: str = "rouge é", share: str = "start at once", **options: Any
) -> dict[str, Any]:
    lines = "\n".join(f"{key}: {value}" for key, value in {"grad_accumulation_steps": 1, "rank": 2, **options}.items())
    inputs = {
        "ckpt_name": CHECKPOINT, "dataset": str(dataset), "name": name, "trainer": "native", "steps": steps, "share": share,
        "options": lines,
    }  # fmt: skip
    return {"1": {"class_type": "SDGenTrainLoRA", "inputs": inputs}}


def awaited(train: dict[str, Any]) -> dict[str, Any]:
    """The graph of a training that goes on with its LoRA."""
    return {
        **train,
        "2": {"class_type": "SDGenAwaitLoRA", "inputs": {"watcher": ["1", 0]}},
        "3": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "4": {
            "class_type": "LoraLoader",
            "inputs": {
                "model": ["3", 0],
                "clip": ["3", 1],
                "lora_name": ["2", 0],
                "strength_model": 1.0,
                "strength_clip": 1.0,
            },
        },
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["4", 0]}},
    }


class Folder:
    """The training folder of a server, seen from outside."""

    def __init__(self, server: ComfyServer) -> None:
        self.path = server.base / "user" / "sdgen" / "training"

        def nobody(name: str) -> Any:
            raise AssertionError("ComfyUI trains")

        self.runs = Runs(self.path, nobody, starts=False)

    def status(self) -> dict[str, Any]:
        """Of the newest run."""
        return self.runs.status(self.runs.list()[0]["id"])

    def until(self, *states: str, step: int = 0, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            found = self.status() if self.runs.list() else None
            if found and found["state"] in states and found["step"] >= step:
                return found
            assert time.monotonic() < deadline, found
            assert not found or found["state"] not in ENDED, found
            time.sleep(0.05)

    def command(self, *words: str) -> tuple[int, dict[str, Any]]:
        """`sdgen train …` in another process: exit code and answer."""
        done = subprocess.run(
            [sys.executable, "-m", "sdgen_core", "train", *words, "--training", str(self.path), "--json"],
            capture_output=True, cwd=ROOT, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout.decode("utf-8"))


@pytest.fixture
def server(stub_server: Any) -> Iterator[ComfyServer]:
    made: ComfyServer = stub_server()
    yield made
    folder = Folder(made)
    if folder.runs.there:
        for one in folder.runs.list():  # a run outlives its ComfyUI
            segment = folder.runs.ledger.segment(one["id"])
            if segment is not None and segment.keeper is not None:
                process.end(segment.keeper, segment.child, 0.0)


@posix
def test_a_run_outlives_comfyui(server: ComfyServer, stub_server: Any, tmp_path: Path, run_prompt: Any) -> None:
    folder = Folder(server)
    server.start()
    entry = run_prompt(server, graph(data_set(tmp_path / "set"), 60))
    assert entry["status"]["status_str"] == "success"
    said = entry["outputs"]["1"]["text"][0]
    before = folder.until("running", "saving", step=3)
    assert before["id"] in said and before["steps"] == 60
    segment = folder.runs.ledger.segment(before["id"])
    os.kill(segment.child.pid, signal.SIGSTOP)  # a machine may take its time to start ComfyUI again
    os.kill(server.pid, signal.SIGKILL)  # ComfyUI alone, not its process tree
    while server.running:
        time.sleep(0.05)
    frozen = folder.status()
    time.sleep(1.5)
    assert folder.status() == frozen and frozen["state"] in ("running", "saving")  # nobody looks
    assert segment.keeper.alive and folder.runs.ledger.segment(before["id"]).child.alive

    again = stub_server(server.base)
    again.start()
    assert folder.status()["state"] not in ENDED
    os.kill(segment.child.pid, signal.SIGCONT)
    after = folder.until("done", step=60)
    assert after["step"] == 60 and after["verdict"] == "good"
    assert [(one["start"], one["reached"], one["exit"]) for one in after["segments"]] == [(0, 60, 0)]
    lora = Path(after["output"])
    assert lora.name == "rouge é.safetensors" and lora.parent == folder.path / "loras"
    names = again.client.get("/object_info/LoraLoader")["LoraLoader"]["input"]["required"]["lora_name"][0]
    assert lora.name in names
    code, told = folder.command("status")
    assert code == 0 and told["state"] == "done"
    steps = [step for step, _ in told["curves"]["loss"]]
    assert steps == list(range(1, 61))
    code, told = folder.command("logs", "--tail", "0")
    assert any("step 60 of " in line for line in told["lines"])


def test_a_graph_waits_for_its_lora(server: ComfyServer, tmp_path: Path, run_prompt: Any) -> None:
    # a LoRA of this name in a folder that goes before the training's own: loaders would take that one
    (server.base / "models" / "loras").mkdir(parents=True, exist_ok=True)
    (server.base / "models" / "loras" / "rouge é.safetensors").write_bytes(b"another")
    server.start()
    entry = run_prompt(
        server, awaited(graph(data_set(tmp_path / "set"), 4, share="wait until nothing renders")), timeout=200
    )
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert "step 4 of 4" in entry["outputs"]["2"]["text"][0]
    assert (server.base / "user" / "sdgen" / "training" / "loras" / "rouge é_2.safetensors").is_file()
    assert "5" in entry["outputs"]  # core's loader took the LoRA by its name


def test_cancel_leaves_the_run_alone_and_a_command_stops_it(
    server: ComfyServer, tmp_path: Path, post_prompt: Any, wait_for_prompt: Any
) -> None:
    folder = Folder(server)
    server.start()
    prompt = post_prompt(server, awaited(graph(data_set(tmp_path / "set"), 5000, save_every=1000)))
    found = folder.until("starting", "running")
    server.client.post("/interrupt", {})
    fate = failure(wait_for_prompt(server, prompt))
    assert fate is not None and fate[0] == "interrupted"
    folder.until("running", step=2)
    segment = folder.runs.ledger.segment(found["id"])
    code, told = folder.command("stop", found["id"])
    assert (code, told["state"]) == (0, "stopped")
    assert not segment.keeper.alive and not folder.runs.ledger.segment(found["id"]).child.alive
    if sys.platform.startswith("linux"):
        assert not [pid for pid in Path("/proc").glob("[0-9]*") if mentions(pid, found["id"])]
    code, told = folder.command("resume", found["id"])
    assert (code, told["error"]) == (1, "nothing-saved")


def mentions(entry: Path, text: str) -> bool:
    with contextlib.suppress(OSError):
        return text.encode() in (entry / "cmdline").read_bytes()
    return False


def test_sessions_pause_for_a_run(
    server: ComfyServer, stub_of: Any, tmp_path: Path, run_prompt: Any, wait_until: Any
) -> None:
    (server.base / "models" / "checkpoints").mkdir(parents=True, exist_ok=True)
    (server.base / "models" / "checkpoints" / "stub_a.safetensors").write_bytes(b"stub")
    folder = Folder(server)
    server.start()
    stub = stub_of(server)
    session = stub.press(stub.graph(400, wait=0.2, name="many"))["id"]
    entry = run_prompt(server, graph(data_set(tmp_path / "set"), 20, share="pause sessions, then wait"))
    assert entry["status"]["status_str"] == "success", entry["status"]
    folder.until("starting", "running")
    held = stub.status(session)
    assert (held["state"], held["reason"]) == ("paused", "paused while rouge é is trained")
    assert 0 < held["done"] < 400
    folder.until("done")
    stub.wait(session, "running", "completed")
    wait_until(lambda: not folder.runs.ledger.owing(), "the debt to be forgotten")


def test_what_is_wrong_is_told_by_the_node(server: ComfyServer, tmp_path: Path, run_prompt: Any) -> None:
    (server.base / "models" / "diffusion_models").mkdir(parents=True, exist_ok=True)
    (server.base / "models" / "diffusion_models" / "flux é.safetensors").write_bytes(b"none")
    server.start()
    good = data_set(tmp_path / "set")

    def told(inputs: dict[str, Any]) -> str:
        asked = graph(good, 5)
        asked["1"]["inputs"] |= inputs
        fate = failure(run_prompt(server, asked))
        assert fate is not None
        return fate[1]

    assert "[missing-file]" in told({"dataset": "nowhere"})
    assert "rnk" in told({"options": "rnk: 3"}) and "rank" in told({"options": "rnk: 3"})
    assert "[bad-option]" in told({"options": "rank: [3"})
    # diffusion models alone can be chosen, too, as kohya trains FLUX; what is not there is named
    offered = server.client.get("/object_info/SDGenTrainLoRA")["SDGenTrainLoRA"]["input"]["required"]["ckpt_name"]
    assert {CHECKPOINT, "flux é.safetensors"} <= set(offered[1]["options"])
    assert "flux é.safetensors is no whole safetensors file" in told({"ckpt_name": "flux é.safetensors"})
    assert "flux é.safetensors" in told({"ckpt_name": "flx é.safetensors"})
    assert "pause sessions" in told({"share": "pause session"})
    # the shipped workflow, where no sd-scripts is set up
    shipped = json.loads((ROOT / "workflows" / "api" / "train_lora_kohya.json").read_text(encoding="utf-8"))
    assert (shipped["4"]["inputs"]["watcher"], shipped["3"]["inputs"]["dataset"]) == (["3", 0], ["1", 0])
    kohya = {**shipped["3"]["inputs"], "dataset": str(good)}
    assert "[kohya-not-found]" in told(kohya) and "`kohya_folder` is empty" in told(kohya)
    # who fills the setting in need not start ComfyUI again
    settings = server.base / "user" / "sdgen" / "settings.json"
    settings.write_text(json.dumps({"kohya_folder": str(tmp_path)}), encoding="utf-8")
    assert "there is no train_network.py in" in told(kohya)
    assert not (server.base / "user" / "sdgen" / "training" / "runs.db").exists()
