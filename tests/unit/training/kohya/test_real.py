"""The real sd-scripts, on a tiny model and the CPU, where ``SDGEN_KOHYA_DIR`` and ``SDGEN_KOHYA_PYTHON`` name a checkout and its Python."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from sdgen_core.training.kohya import tokenizers
from sdgen_core.training.kohya.families import FAMILIES
from sdgen_core.training.kohya.options import OURS
from sdgen_core.training.kohya.probe import probe
from sdgen_core.training.runs import events
from sdgen_core.training.runs.service import Runs

from . import real
from .recorded_options import COUNTS
from .test_causes import EXPECTED

pytestmark = [
    pytest.mark.skipif(
        not (real.CHECKOUT and real.PYTHON), reason="SDGEN_KOHYA_DIR and SDGEN_KOHYA_PYTHON are not set"
    ),
    pytest.mark.timeout(600),
]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_failure_ends_with_its_cause(tmp_path: Path, name: str) -> None:
    ran = real.fail(name, tmp_path)
    found = real.trainer().cause(ran.log, ran.exit_code)
    code, says = EXPECTED[name]
    assert found is not None and found.code == code
    assert says.replace("/run/", f"{tmp_path}/") in found.sentence


def test_a_job_is_checked_and_trains_what_was_asked(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat --w 64 --h 64 --s 2 --d 1", encoding="utf-8")
    sampling = {"sample_prompts": str(prompts), "sample_every_n_steps": 2, "sample_sampler": "euler"}
    job = real.job(tmp_path, 3, {"save_every_n_steps": 2, **sampling}, name="é x")
    trainer = real.trainer()
    assert [one.code for one in trainer.check(job) if one.fatal] == []
    launch = trainer.launch(job, None)
    ran = real.run(launch)
    assert ran.exit_code == 0 and trainer.cause(ran.log, 0) is None
    data = launch.output.read_bytes()
    said = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert (said["ss_steps"], said["ss_training_comment"], said["ss_output_name"]) == ("3", "SDGen run run1", "é x")
    assert [state.step for state in trainer.states(job)] == [2, 3]
    assert [path.suffix for path in job.samples.iterdir()] == [".png"]


def test_three_stops_and_resumes_train_exactly_the_steps_asked(tmp_path: Path) -> None:
    """As a user would: a run is stopped at a saved state and resumed, three times; its cosine goes on where it was."""
    steps, rate = 30, 1e-3
    options = {"save_every_n_steps": 2, "lr_scheduler": "cosine", "learning_rate": rate}
    job = real.job(tmp_path, steps, options)
    trainer = real.trainer()
    runs = Runs(tmp_path / "training", lambda name: trainer)
    made = runs.job("smoke", "kohya", base=job.base, dataset=job.dataset, steps=steps, options={**job.options})
    key = runs.start(made)
    held = [0]
    for _ in range(3):
        begin = held[-1]
        runs.wait(key, lambda status: status["step"] < begin + 3)  # noqa: B023
        runs.stop(key, save=True)
        status = runs.wait(key)
        assert status["state"] == "stopped", runs.logs(key, tail=30)
        held.append(max(state.step for state in trainer.states(made)))
        assert begin < held[-1] < steps
        runs.resume(key)
    status = runs.wait(key)
    assert (status["state"], status["step"]) == ("done", steps), runs.logs(key, tail=30)
    assert [segment["start"] for segment in status["segments"]] == held
    # what TensorBoard counted: each process trained up to its last state or beyond it, the last one exactly the rest
    rates: dict[int, float] = {}
    for begin, end in zip(held, [*held[1:], steps], strict=True):
        found = events.read_folder(made.events / f"from_{begin:08d}")
        counted = sorted({one.step for one in found if one.tag == "loss/current"})
        assert counted == list(range(1, len(counted) + 1)) and len(counted) >= end - begin
        rates |= {begin + one.step: one.value for one in found if one.tag == "lr/unet" and one.step <= end - begin}
    assert len(counted) == steps - held[-1] and sorted(rates) == list(range(1, steps + 1))
    for step, value in rates.items():
        assert value == pytest.approx(rate * (1 + math.cos(math.pi * step / steps)) / 2, abs=rate / 1000), step
    runs.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seeded_tokenizers_are_found_without_a_network(tmp_path: Path, family: str) -> None:
    """The classes with which each script reads captions, given the folder: lengths as the models have them."""
    tokenizers.seed(FAMILIES[family], real.COMFYUI, tmp_path)
    made = {
        "sd15": "strategy_sd.SdTokenizeStrategy(False, None, folder)",
        "sdxl": "strategy_sdxl.SdxlTokenizeStrategy(None, folder)",
        "flux": "strategy_flux.FluxTokenizeStrategy(512, folder)",
        "sd3": "strategy_sd3.Sd3TokenizeStrategy(256, folder)",
    }[family]
    code = (
        f"import sys; folder = sys.argv[1]; from library import {made.split('.')[0]}\n"
        f"print([one.shape[-1] for one in {made}.tokenize('a cat')])"
    )
    environment = real.surroundings({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONPATH": real.CHECKOUT})
    command = [real.PYTHON, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, cwd=real.CHECKOUT, env=environment, capture_output=True, text=True, timeout=200)
    lengths = {"sd15": [77], "sdxl": [77, 77], "flux": [77, 512, 512], "sd3": [77, 77, 256] * 2}[family]
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout.splitlines()[-1]) == lengths


@pytest.mark.parametrize("script", COUNTS)
def test_all_options_of_the_launcher_are_the_scripts(script: str) -> None:
    assert set(OURS) <= set(probe(Path(real.CHECKOUT), script).options)
