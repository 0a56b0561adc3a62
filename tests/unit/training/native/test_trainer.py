"""The trainer before and after its process: problems, the launch, causes; and ComfyUI's end with its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from sdgen_core.errors import SDGenError
from sdgen_core.training.native import worker
from sdgen_core.training.native.causes import cause_of, told
from sdgen_core.training.native.installation import Installation
from sdgen_core.training.native.lines import failed
from sdgen_core.training.native.options import SMALL
from sdgen_core.training.native.trainer import NativeTrainer
from sdgen_core.training.native.worker import Plan
from sdgen_core.training.runs.model import Cause, Job, State

#: Ends with 7 where ComfyUI is given a page of its own (Desktop has none that is installed), and the run's checkpoint goes before any
#: of the same name in the user's other folders.
WITHOUT_OTHERS = """
import json, sys
from pathlib import Path
told = dict(zip(sys.argv, sys.argv[1:]))
[models] = json.loads(Path(told["--extra-model-paths-config"]).read_text(encoding="utf-8")).values()
sys.exit(7 if (Path(told["--front-end-root"]) / "index.html").is_file() and models["is_default"] is True else 8)
"""


@pytest.fixture
def trainer(comfyui_folder: Path) -> NativeTrainer:
    return NativeTrainer(lambda: Installation(comfyui_folder, Path(sys.executable), ("--cpu",)))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    base = tmp_path / "base.safetensors"
    names = ("model.diffusion_model.a", "cond_stage_model.b", "first_stage_model.c")
    save_file({name: np.zeros(4, np.float16) for name in names}, base)
    images = tmp_path / "set" / "images" / "3_thing"
    images.mkdir(parents=True)
    for n in range(12):
        Image.new("RGB", (64, 64), (20 * n, 0, 0)).save(images / f"{n}.png")
        (images / f"{n}.txt").write_text(f"thing {n}", encoding="utf-8")
    folder = tmp_path / "été run"
    return Job("r1", "my: star", "native", base, tmp_path / "set", folder, 20, {"rank": 4}, 1.0)


def test_a_sound_job_has_no_problems(trainer: NativeTrainer, job: Job) -> None:
    assert [one for one in trainer.check(job) if one.fatal] == []


def test_every_problem_is_told_at_once(trainer: NativeTrainer, job: Job) -> None:
    (job.dataset / "images" / "3_thing" / "3.png").write_bytes(b"nothing")
    wrong = Job("r1", "x", "native", job.base.with_name("no.safetensors"), job.dataset, job.folder, 0, {"rang": 4})
    problems = [one for one in trainer.check(wrong) if one.fatal]
    assert {"rang", "steps"} <= {one.option for one in problems}
    assert any(one.code == "bad-base-model" for one in problems)
    assert any("3.png" in one.file for one in problems)


def test_a_missing_data_set_and_a_folder_that_misleads_the_loader_are_told(trainer: NativeTrainer, job: Job) -> None:
    wrong = Job("r1", "x", "native", job.base, job.dataset / "no", job.folder / "a.png b", 5)
    assert {one.code for one in trainer.check(wrong) if one.fatal} >= {"not-a-dataset", "unwritable-folder"}


def test_the_launch_is_one_process_of_comfyuis_python(trainer: NativeTrainer, job: Job) -> None:
    launch = trainer.launch(job, None)
    assert launch.argv[0] == sys.executable
    assert all(Path(one).is_file() for one in launch.argv[1:])
    assert launch.cwd == job.folder
    assert (launch.steps, launch.saves) == (20, False)
    assert launch.output.parent == job.output
    assert launch.output.name == "my_ star.safetensors"
    plan = Plan.from_json(json.loads(Path(launch.argv[2]).read_text(encoding="utf-8")))
    assert (plan.job, plan.begin, plan.state, plan.save_every) == (job, 0, None, 0)
    assert plan.options["rank"] == 4
    assert "save_every" not in plan.options
    assert Plan.from_json(plan.to_json()) == plan


def test_a_resumed_launch_has_the_steps_that_are_left(trainer: NativeTrainer, job: Job, tmp_path: Path) -> None:
    job.options["save_every"] = 5
    launch = trainer.launch(job, State(tmp_path / "state", 15))
    plan = Plan.from_json(json.loads(Path(launch.argv[2]).read_text(encoding="utf-8")))
    assert (launch.steps, launch.saves) == (5, False)  # none is saved before its end
    assert trainer.launch(job, State(tmp_path / "state", 10)).saves
    assert (plan.begin, plan.state, plan.save_every) == (15, tmp_path / "state", 5)
    with pytest.raises(SDGenError) as caught:
        trainer.launch(job, State(tmp_path / "state", 20))
    assert caught.value.code == "nothing-saved"


def test_a_launch_with_a_wrong_option_is_refused(trainer: NativeTrainer, job: Job) -> None:
    job.options["optimizer"] = "Adam W"
    with pytest.raises(SDGenError) as caught:
        trainer.launch(job, None)
    assert caught.value.code == "bad-training-option"
    assert "AdamW" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("node 6 (TrainLoraNode): OutOfMemoryError: Allocation on device 0 would exceed allowed memory.", "out-of-memory", "memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "out-of-memory", "memory"),
        ("node 1 (CheckpointLoaderSimple): RuntimeError: ERROR: Could not detect model type of: /m/x", "bad-base-model", "cannot load"),
        (
            "node 6 (TrainLoraNode): ValueError: Number of positive conditions (25) does not match number of images (24).",
            "images-and-captions",
            "24 images and 25 captions",
        ),
        ("node 2 (LoadImageTextDataSetFromFolder): ValueError: No valid images found in input", "not-a-dataset", "no images"),
        ("node 6: RuntimeError: mat1 and mat2 must have the same dtype, but got Float and Half", "training-dtype", "precision"),
        ("node 6: RuntimeError: Inference tensors cannot be saved for backward. Please", "training-dtype", "precision"),
        ("OSError: [Errno 28] No space left on device: '/x'", "disk-full", "disk"),
        ("OSError: [WinError 112] Espace insuffisant sur le disque: 'x'", "disk-full", "disk"),
        ("OSError: [WinError 1455] Le fichier de pagination est insuffisant", "out-of-memory", "paging file"),
        ("SafetensorError: The paging file is too small for this operation to complete. (os error 1455)", "out-of-memory", "paging"),
        ("node 6 (TrainLoraNode): KeyError: 'surprise'", "training-failed", "surprise"),
        ("", "training-failed", "without a word"),
    ],
)  # fmt: skip
def test_what_comfyui_says_becomes_one_sentence(text: str, code: str, words: str) -> None:
    cause = cause_of(text)
    assert cause.code == code
    assert words in cause.sentence
    assert "\n" not in cause.sentence


def test_the_workers_own_word_goes_before_guesses(trainer: NativeTrainer) -> None:
    tail = "\n".join(["CUDA out of memory", failed(Cause("loss-nan", "no number")), "Traceback"])
    cause = trainer.cause(tail, 1)
    assert cause is not None
    assert cause.code == "loss-nan"
    assert told("all is well") is None
    assert trainer.cause("all is well", 1) is None
    killed = trainer.cause("all is well", -9)
    assert killed is not None
    assert killed.code == "killed"


def test_the_worker_says_why_it_cannot_begin(
    trainer: NativeTrainer, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    launch = trainer.launch(job, None)
    for file in job.dataset.rglob("*.png"):
        file.unlink()
    assert worker.main([launch.argv[2]]) == 1
    cause = trainer.cause(capsys.readouterr().out, 1)
    assert cause is not None
    assert cause.code == "not-a-dataset"


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("raise MemoryError", "out-of-memory", "memory"),
        ("print('odd'); raise SystemExit(3)", "server-start-failed", "ended while it started with code 3"),
        (WITHOUT_OTHERS, "server-start-failed", "ended while it started with code 7"),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)",
            "killed",
            "main memory",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="has no such signal"),
        ),
    ],
)
def test_a_comfyui_that_ends_is_told_in_one_sentence(
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trainer: NativeTrainer,
    program: str,
    code: str,
    words: str,
) -> None:
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "main.py").write_text(program, encoding="utf-8")
    plan = Plan(job, Installation(tmp_path / "comfyui"), {**SMALL}, 0, tmp_path / "out.safetensors")
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    assert worker.main([str(tmp_path / "plan.json")]) == 1
    said = capsys.readouterr().out
    cause = trainer.cause(said, 1)
    assert cause is not None
    assert cause.code == code
    assert words in cause.sentence
    assert list(job.folder.iterdir()) == []  # nothing of its ComfyUI is left


def test_the_worker_starts_where_python_looks_for_modules_in_its_own_folders_only(
    trainer: NativeTrainer, job: Job
) -> None:
    launch = trainer.launch(job, None)
    (job.folder / "native.json").write_text("{}", encoding="utf-8")
    command = [launch.argv[0], "-I", *launch.argv[1:]]  # as ComfyUI's portable Python
    ended = subprocess.run(command, cwd=launch.cwd, capture_output=True, text=True, check=False)
    cause = trainer.cause(ended.stdout, ended.returncode)
    assert cause is not None, ended.stderr
    assert cause.code == "broken-plan"


def test_comfyui_ends_with_its_parent(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text(
        "import sys, time\nprint(sys.argv[1:], __name__, flush=True)\ntime.sleep(60)\n", encoding="utf-8"
    )
    process = subprocess.Popen(
        [sys.executable, str(worker.GUARD), str(program), "--cpu"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().decode().strip() == "['--cpu'] __main__"
        time.sleep(0.3)
        assert process.poll() is None
        process.stdin.close()  # what the system does when the parent dies
        assert process.wait(10) == 1
    finally:
        process.kill()
        process.wait()
