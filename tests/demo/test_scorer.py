"""The demo's scorer: right on pictures it never saw, of one mind with the pixel reader, and made again by its script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .conftest import demo_module


@pytest.fixture(scope="module")
def scorer() -> ModuleType:
    return demo_module("scorer")


@pytest.fixture(scope="module")
def report(comfyui_folder: Path, demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run of the evaluation with one generated picture a value and background, in a process of its own."""
    out = tmp_path_factory.mktemp("scorer") / "report.json"
    command = [
        "-m",
        "examples.demo.evaluate_scorer",
        "--comfyui",
        str(comfyui_folder),
        "--each",
        "1",
        "--out",
        str(out),
    ]
    _run(demo_folder, *command)
    return json.loads(out.read_text(encoding="utf-8"))


def _run(demo_folder: Path, *command: str) -> None:
    paths = [path for path in (os.environ.get("SDGEN_TEST_PACKAGES"), os.environ.get("PYTHONPATH")) if path]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=demo_folder.parents[1],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=540,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_held_out_pictures_are_judged_right(report: dict[str, Any]) -> None:
    held_out = report["held_out"]
    assert held_out["pictures"] > 1000
    for question in ("colour", "shape", "background", "thing"):
        assert held_out[question]["right"] >= 0.97, question
    assert held_out["colour_and_shape"] >= 0.97


def test_generated_pictures_are_judged_as_the_pixel_reader_does(report: dict[str, Any]) -> None:
    generated = report["generated"]
    assert generated["pictures"] == 144
    assert generated["verdicts_agree"] >= 0.95
    # the planted defects are there, and are seen by both
    assert generated["shape"]["reader_says_no"] >= 1
    assert generated["shape"]["of_them_scorer_too"] >= 0.8 * generated["shape"]["reader_says_no"]


def test_captions_are_true_of_their_pictures_and_of_no_others(scorer: ModuleType, shapes: ModuleType) -> None:
    rng = np.random.default_rng(8)
    scenes = shapes.sample_scenes(300, rng, sizes={"small": 1.0, "medium": 1.0})
    for scene in scenes:
        claim = scorer.caption(scene, rng)
        assert claim.holds(scene) and claim.says
        for attribute, value in claim.says:
            assert value in claim.text or (attribute, value) in (("position", "center"), ("size", "medium")), claim
    other = shapes.Scene("red", "ring", "large", "brown", "left")
    assert not scorer.Claim("a red star", (("colour", "red"), ("shape", "star"))).holds(other)


def test_colours_that_can_only_be_grounds(scorer: ModuleType) -> None:
    assert set(scorer.QUESTIONS["ground"].values) == {"white", "black", "gray", "brown"}
    for question in scorer.QUESTIONS.values():
        assert all(template.count("{}") == 1 for template in question.templates)
        assert len(set(question.templates)) == len(question.templates)


def test_training_that_was_stopped_ends_as_if_it_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = demo_module("train_scorer")
    recipe = train.Recipe(steps=6, pictures=60, batch=16)
    pictures = train.draw(recipe)
    whole = train.Trainer(recipe, pictures)
    start = {name: weight.clone() for name, weight in whole.model.state_dict().items()}
    whole.run()
    stopped = train.Trainer(recipe, pictures)
    with monkeypatch.context() as patched:
        good = stopped._loss
        patched.setattr(stopped, "_loss", lambda rng: good(rng) if stopped.step < 5 else pytest.exit("stopped"))
        with pytest.raises(pytest.exit.Exception):
            stopped.run(tmp_path / "state.pt", every=2)
    again = train.Trainer(recipe, pictures)
    again.run(tmp_path / "state.pt", every=2)
    assert again.step == whole.step == 6
    for name, weight in whole.model.state_dict().items():
        assert weight.equal(again.model.state_dict()[name]), name
    assert any(not weight.equal(start[name]) for name, weight in whole.model.state_dict().items())
    with pytest.raises(SystemExit):
        train.Trainer(train.Recipe(steps=7, pictures=60, batch=16), pictures).run(tmp_path / "state.pt")


def test_the_training_script_runs_and_repeats_itself(demo_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    results = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.safetensors"
        options = ["--steps", "3", "--pictures", "60", "--threads", "1", "--out", str(out)]
        _run(demo_folder, "-m", "examples.demo.train_scorer", *options)
        results.append(load_file(out))
    shipped = load_file(demo_folder / "sdgen-demo-scorer.safetensors")
    assert {name: weight.shape for name, weight in results[0].items()} == {n: w.shape for n, w in shipped.items()}
    assert all(weight.equal(results[1][name]) for name, weight in results[0].items())
    assert not results[0]["token_embedding.weight"][40000:49000].any()
