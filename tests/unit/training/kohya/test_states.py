"""Each recorded failure, said again by a script in sd-scripts' place, ends a run in the right state with the right sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sdgen_core.training.kohya import preflight
from sdgen_core.training.kohya.trainer import KohyaTrainer
from sdgen_core.training.runs.model import Job
from sdgen_core.training.runs.service import Runs

from .test_causes import EXPECTED, RECORDED

REPLAY = """
if __name__ == "__main__":
    import os, sys, time
    setup_parser().parse_args()
    first, log = open(os.environ["SDGEN_REPLAY"], "rb").read().split(b"\\n", 1)
    for begin in range(0, len(log), 700):
        sys.stdout.buffer.write(log[begin : begin + 700])
        sys.stdout.buffer.flush()
    code = int(first.split()[1])
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
"""


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_that_fails_says_why(
    name: str,
    kohya: KohyaTrainer,
    job: Job,
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = RECORDED / f"{name}.txt"
    if os.name == "nt" and recorded.read_bytes().startswith(b"exit -"):
        pytest.skip("there are no signals")
    script = checkout / "train_network.py"
    script.write_text(script.read_text(encoding="utf-8") + REPLAY, encoding="utf-8")
    monkeypatch.setenv("SDGEN_REPLAY", str(recorded))
    trainer = KohyaTrainer(str(checkout), sys.executable, lambda: tmp_path / "comfyui")
    runs = Runs(tmp_path / "training", lambda wanted: trainer)
    made = runs.job("cat", "kohya", base=job.base, dataset=job.dataset, steps=job.steps)
    status = runs.wait(runs.start(dataclasses.replace(made, options=job.options)))
    code, says = EXPECTED[name]
    assert status["state"] == "failed" and status["cause"]["code"] == code
    assert says in status["cause"]["sentence"] and status["cause"]["hint"]
    runs.close()


PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then echo '{said}'; else exec {python} "$@"; fi
"""


@pytest.mark.skipif(os.name == "nt", reason="a script in Python's place")
@pytest.mark.parametrize("wait", [True, False])
def test_a_command_has_its_run_started(
    job: Job, checkout: Path, kohya: KohyaTrainer, tmp_path: Path, wait: bool
) -> None:
    """As a user types it, without a ComfyUI that runs: the command itself only looks, and leaves the start to another program."""
    script = checkout / "train_network.py"
    script.write_text(script.read_text(encoding="utf-8") + REPLAY, encoding="utf-8")
    packages = dict.fromkeys(preflight.PACKAGES, "1.0")
    said = preflight._MARK + json.dumps({"version": [3, 11, 0], "packages": packages, "errors": {}, "device": "cpu"})
    python = checkout / "venv" / "python"
    python.write_text(PYTHON.format(said=said, python=sys.executable), encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"kohya_folder": str(checkout), "kohya_python": str(python)}), encoding="utf-8")
    (tmp_path / "comfyui" / "comfy" / "lora.py").write_text("", encoding="utf-8")
    training = tmp_path / "training"
    words = ["--trainer", "kohya", "--steps", "4", "--settings", str(settings), "--comfyui", str(tmp_path / "comfyui")]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "sdgen_core", "train", "start", str(job.base), str(job.dataset), *words),
            *("--name", "cat", "--training", str(training), *(["--wait"] if wait else [])),
        ],
        cwd=Path(__file__).parents[4],
        env={**os.environ, "SDGEN_REPLAY": str(RECORDED / "no_images.txt"), "XDG_DATA_HOME": str(tmp_path / "home")},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    runs = Runs(training, lambda name: kohya, starts=False)
    status = runs.wait("cat")
    assert (status["state"], status["cause"]["code"]) == ("failed", "no-images")
    assert ran.returncode == (1 if wait else 0), ran.stderr
    assert ("No image was found" in ran.stderr) == wait
    told = ran.stderr.splitlines() if wait else ran.stdout.splitlines()
    assert any("which starts it" in line for line in told), told
    runs.close()
