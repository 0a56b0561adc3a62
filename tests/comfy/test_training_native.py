"""Real trainings by ComfyUI's own node, as the supervisor would start them: short ones of the demo model on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.training.native import weights
from sdgen_core.training.native.installation import Installation
from sdgen_core.training.native.trainer import NativeTrainer
from sdgen_core.training.runs.model import Job, Launch, Seen, State
from sdgen_core.training.runs.verdict import judge

PURPLE = (143, 41, 168)


@pytest.fixture(scope="module")
def trainer(comfyui_folder: Path) -> NativeTrainer:
    packages = os.environ.get("SDGEN_TEST_PACKAGES")
    where = Installation(comfyui_folder, Path(sys.executable), ("--cpu",), Path(packages) if packages else None)
    return NativeTrainer(lambda: where)


def dataset(folder: Path, images: int) -> Path:
    place = folder / "images" / "2_star"
    place.mkdir(parents=True)
    for n in range(images):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(PURPLE, (16, 16 + n, 48, 48))
        picture.save(place / f"{n}.png")
        (place / f"{n}.txt").write_text("a purple star on a white background", encoding="utf-8")
    return folder


@pytest.fixture
def job(tmp_path: Path, demo_models: Path) -> Callable[..., Job]:
    base = demo_models / "checkpoints" / "sdgen-demo.safetensors"

    def make(steps: int, images: int = 3, base: Path = base, name: str = "étoile", **options: Any) -> Job:
        folder = tmp_path / f"run of {name}"
        folder.mkdir()
        data = dataset(tmp_path / f"set of {name}", images)
        return Job("run-1", name, "native", base, data, folder, steps, options, time.time())

    return make


class Run:
    """A process of a run, and what its log has told so far."""

    def __init__(self, trainer: NativeTrainer, launch: Launch) -> None:
        self.trainer, self.launch = trainer, launch
        self.text: list[str] = []
        self.told: list[Seen] = []
        self.process = subprocess.Popen(
            launch.argv, cwd=launch.cwd, env={**os.environ, **launch.env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for piece in self.process.stdout:
            self.text.append(piece.decode("utf-8"))
            if (seen := self.trainer.read(self.text[-1])) is not None:
                self.told.append(seen)

    def end(self, timeout: float = 120.0) -> Run:
        """Wait for its end; all output is read then, so no process that prints into it lives."""
        self.process.wait(timeout)
        self._reader.join(10)
        assert not self._reader.is_alive(), "something of it still runs"
        return self

    @property
    def steps(self) -> list[int | None]:
        return [one.step for one in self.told if one.phase == "training"]

    @property
    def log(self) -> str:
        return "".join(self.text)


@pytest.fixture
def start(trainer: NativeTrainer) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def begin(job: Job, resume: State | None = None) -> Run:
        assert [one for one in trainer.check(job) if one.fatal] == []
        made.append(Run(trainer, trainer.launch(job, resume)))
        return made[-1]

    yield begin
    for run in made:
        run.process.kill()
        run.process.wait()


def test_a_lora_is_trained_and_says_what_it_is(start: Callable[..., Run], job: Callable[..., Job]) -> None:
    asked = job(5, grad_accumulation_steps=2, rank=4, seed=7)
    run = start(asked).end()
    assert run.process.returncode == 0, run.log
    assert run.steps == [1, 2, 3, 4, 5]
    assert all(one.steps == 5 and one.loss and 0 < one.loss < 5 for one in run.told if one.phase == "training")
    phases = [one.phase for one in run.told if one.phase]
    assert list(dict.fromkeys(phases)) == ["loading", "caching", "training", "saving"]
    output = run.launch.output
    assert [one.saved for one in run.told if one.saved] == [output]
    assert judge(output, None, 5, 5) is None
    with safe_open(output, "pt") as file:
        said = file.metadata()
    assert (said["ss_steps"], said["ss_network_dim"], said["ss_seed"]) == ("5", "4", "7")
    assert said["ss_training_comment"] == "SDGen run run-1"
    assert json.loads(said["ss_dataset_dirs"]) == {"2_star": {"n_repeats": 2, "img_count": 3}}
    assert len(said["ss_new_sd_model_hash"]) == 64
    up = [value for name, value in load_file(output).items() if name.endswith("lora_up.weight")]
    assert up and all(value.shape[1] == 4 and value.dtype == torch.float32 for value in up)
    assert sorted(path.name for path in asked.folder.iterdir()) == ["native.json", "output"]


def test_a_run_that_was_killed_goes_on_exactly(
    start: Callable[..., Run], job: Callable[..., Job], trainer: NativeTrainer
) -> None:
    """Three processes train six steps; a run in parts learns what one in a single piece does. One image, and an optimizer without a
    memory, leave nothing to chance but the first weights, which both have from the state."""
    options = {"grad_accumulation_steps": 1, "optimizer": "SGD", "learning_rate": 1.0}
    asked = job(6, images=1, save_every=2, **options)
    first = start(asked)
    deadline = time.monotonic() + 120
    while not trainer.states(asked):
        assert time.monotonic() < deadline and first.process.poll() is None, first.log
        time.sleep(0.01)
    first.process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    first.end()  # ComfyUI, which prints into the same pipe, is gone too
    state = trainer.states(asked)[0]
    assert state.step == 2
    assert not first.launch.output.exists()

    run = start(asked, state).end()
    assert run.process.returncode == 0, run.log
    assert run.steps == [1, 2, 3, 4]
    assert [(one.step, one.state) for one in run.told if one.state] == [(2, asked.states / "00000004")]
    assert [one.step for one in trainer.states(asked)] == [2, 4]
    assert judge(run.launch.output, None, 4, 4) is None
    parts = load_file(run.launch.output)

    whole = start(Job(**{**vars(asked), "name": "whole", "options": options}), state).end()
    assert whole.steps == [1, 2, 3, 4], whole.log
    before = load_file(state.folder / weights.LORA)
    single = load_file(whole.launch.output)
    assert parts.keys() == single.keys() == before.keys()
    for kind in (".lora_up.weight", ".lora_down.weight", ".diff_b"):
        moved, apart = distance(single, before, kind), distance(single, parts, kind)
        assert moved > 0, kind
        assert apart < 0.1 * moved, (kind, apart, moved)


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], kind: str) -> float:
    """Between all weights of a kind, as one vector."""
    return float(torch.cat([(one[name] - other[name]).flatten() for name in one if name.endswith(kind)]).norm())


def test_a_checkpoint_that_comfyui_does_not_know_is_told_in_one_sentence(
    start: Callable[..., Run], job: Callable[..., Job], trainer: NativeTrainer, tmp_path: Path
) -> None:
    names = ("model.diffusion_model.out.weight", "cond_stage_model.a.weight", "first_stage_model.b.weight")
    save_file({name: torch.zeros(4) for name in names}, tmp_path / "odd.safetensors")
    run = start(job(2, base=tmp_path / "odd.safetensors")).end()
    assert run.process.returncode == 1
    cause = trainer.cause(run.log, 1)
    assert cause is not None
    assert (cause.code, cause.sentence) == ("bad-base-model", "ComfyUI cannot load the checkpoint")


def test_a_loss_that_is_no_number_ends_the_run_at_once(
    start: Callable[..., Run], job: Callable[..., Job], trainer: NativeTrainer
) -> None:
    run = start(job(500, optimizer="RMSprop", learning_rate=1.0)).end()
    assert run.process.returncode == 1
    cause = trainer.cause(run.log, 1)
    assert cause is not None
    assert cause.code == "loss-nan"
    assert cause.sentence == f"the loss became no number at step {run.steps[-1]}"
    assert len(run.steps) < 50
    assert not run.launch.output.exists()


def test_the_workflow_for_the_canvas_trains_a_lora(
    comfy: ComfyServer, run_prompt: Callable[..., dict[str, Any]], root: Path, tmp_path: Path
) -> None:
    """With the data set that SDGen Export Dataset would have written."""
    graph = json.loads((root / "workflows" / "api" / "train_lora_native.json").read_text(encoding="utf-8"))
    assert graph["4"]["inputs"]["folder"] == ["1", 3]
    if graph["4"]["class_type"] not in comfy.client.get("/object_info"):
        pytest.skip("this ComfyUI has no loader of data sets yet")
    data = dataset(comfy.base / "input" / "stars", 3)
    del graph["1"], graph["2"]
    graph["4"]["inputs"]["folder"] = f"stars/{(data / 'images').name}"
    graph["7"]["inputs"]["steps"] = 3
    entry = run_prompt(comfy, graph, timeout=120)
    assert entry["status"]["status_str"] == "success", entry["status"]
    [lora] = (comfy.base / "output" / "loras").glob("sdgen_3_steps_*.safetensors")
    assert judge(lora, None, 3, 3) is None
    assert entry["outputs"]["9"]["images"]
    lora.unlink()
