"""Each recorded failure, said again by a script in sd-scripts' place, ends a run in the right state with the right sentence."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

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
    trainer = KohyaTrainer(str(checkout), sys.executable, tmp_path / "comfyui")
    runs = Runs(tmp_path / "training", lambda wanted: trainer)
    made = runs.job("cat", "kohya", base=job.base, dataset=job.dataset, steps=job.steps)
    status = runs.wait(runs.start(dataclasses.replace(made, options=job.options)))
    code, says = EXPECTED[name]
    assert status["state"] == "failed" and status["cause"]["code"] == code
    assert says in status["cause"]["sentence"] and status["cause"]["hint"]
    runs.close()
