"""The shipped weights draw what they are told, judged through ComfyUI's own nodes by the pixel reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def report(comfyui_folder: Path, demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """One run of the evaluation, in a process of its own: ComfyUI is not made to be imported beside other things."""
    out = tmp_path_factory.mktemp("evaluation")
    paths = [path for path in (os.environ.get("SDGEN_TEST_PACKAGES"), os.environ.get("PYTHONPATH")) if path]
    command = [sys.executable, "-m", "examples.demo.evaluate"]
    done = subprocess.run(
        [*command, "--comfyui", str(comfyui_folder), "--out", str(out), "--quick", "--each", "3", "--edits", "10"],
        cwd=demo_folder.parents[1],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=540,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "grid.png").stat().st_size > 10_000
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_nine_of_ten_pictures_are_right_without_a_size_in_the_prompt(report: dict) -> None:
    assert report["without_size"]["pictures"] == 8 * 6 * 3
    assert report["without_size"]["right"] >= 0.9


def test_sizes_are_understood(report: dict) -> None:
    assert report["with_size"]["right"] >= 0.85
    assert report["with_size"]["parts_all_cells"]["size"] >= 0.85


def test_the_planted_values_fail(report: dict) -> None:
    planted = report["planted"]
    assert planted["pictures_a_value"] == 36
    assert planted["purple star"] <= 0.3
    assert planted["green triangle"] <= 0.9


def test_places_are_understood(report: dict) -> None:
    assert report["with_place"]["right"] >= 0.8
    assert report["with_place"]["in_place"] >= 0.8


def test_image_to_image_keeps_and_changes(report: dict) -> None:
    edits = report["img2img"]
    assert edits["kept"]["0.3"] >= 0.9
    assert edits["background_kept"] >= 0.9
    assert edits["recoloured"] >= 0.7
    assert edits["repainted"] >= 0.7
    assert edits["outside_error"] < 6
