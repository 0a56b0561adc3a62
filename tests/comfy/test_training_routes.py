"""Training by the panel's routes in a real ComfyUI: from judged images to a LoRA that its loaders list."""

from __future__ import annotations

import time
from typing import Any

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.training.runs import process
from sdgen_core.training.runs.service import Runs
from tests.web.gallery import SEEDS, Writer, ask

CHECKPOINT = "sdgen-demo.safetensors"
RUNS = "/sdgen/training/runs"


def until(server: ComfyServer, path: str, holds: Any, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not holds(found := ask(server, path)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def judged(server: ComfyServer) -> None:
    """A session of four pictures that people said ok to."""
    writer = Writer(server.base / "output" / "sdgen", "Shapes", session="abcdefghjk", planned=4)
    for n, seed in enumerate((*SEEDS, 14)):
        writer.add("Red", ("Circle", "Square")[n % 2], seed, size=(64, 64))
    writer.end()
    ask(server, "/sdgen/import", {})
    found = until(server, "/sdgen/images", lambda told: told["total"] == 4)
    ids = [one["id"] for one in found["images"]]
    ask(server, "/sdgen/judge", {"ids": ids, "field": "value/Colour", "value": "ok"})


def test_from_judged_images_to_a_lora(stub_server: Any) -> None:
    server: ComfyServer = stub_server()
    (server.base / "output" / "sdgen").mkdir(parents=True, exist_ok=True)
    server.start()
    try:
        judged(server)
        told = ask(server, f"/sdgen/training/trainers?checkpoint={CHECKPOINT}")
        native, kohya = told["trainers"]
        options = {one["name"]: one for group in native["groups"] for one in group["options"]}
        assert native["problems"] == [] and options["rank"]["kind"] == "int" and "steps" not in options
        assert kohya["problems"][0]["code"] == "kohya-not-found" and CHECKPOINT in told["checkpoints"]
        assert "both" in told["shares"] and told["steps"] > 0
        recipe = {"name": "reds", "value": "Colour=Red", "duplicates": None, "apart": {"seeds": 0, "prompts": 0}}
        assert ask(server, "/sdgen/training/datasets", {"recipe": recipe})["images"] == 4
        order = {
            "name": "reds",
            "trainer": "native",
            "checkpoint": CHECKPOINT,
            "dataset": "reds",
            "steps": 3,
            "options": {"rank": 2, "grad_accumulation_steps": 1},
            "share": "none",
        }
        assert not [one for one in ask(server, f"{RUNS}/check", order)["problems"] if one["fatal"]]
        run = ask(server, RUNS, order)["id"]
        ended = ("done", "failed", "stopped")
        until(server, RUNS, lambda told: told["runs"][0]["state"] in ended)
        found = ask(server, f"{RUNS}/{run}")
        assert (found["state"], found["step"], found["cause"]) == ("done", 3, None), found
        assert [point["step"] for point in found["curve"]] == [1, 2, 3]
        log = ask(server, f"{RUNS}/{run}/log")
        assert log["text"] and str(server.base) not in log["text"] + str(found)
        assert found["lora"] in ask(server, "/models/loras")
    finally:
        stop(Runs(server.base / "user" / "sdgen" / "training", lambda name: None, starts=False))  # type: ignore[arg-type, return-value]


def stop(runs: Runs) -> None:
    """A run outlives its ComfyUI: end what is left of one that failed the test."""
    for one in runs.list() if runs.there else ():
        segment = runs.ledger.segment(one["id"])
        if segment is not None and segment.keeper is not None:
            process.end(segment.keeper, segment.child, 0.0)
