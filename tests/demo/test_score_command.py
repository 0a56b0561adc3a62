"""``sdgen score`` and ``sdgen report`` with the demo's scorer, as a person at a terminal uses them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

COLOURS, SHAPES, GROUNDS = ("red", "blue", "yellow"), ("circle", "star", "cross"), ("white", "black", "gray")
#: What is drawn instead of what was asked for.
WRONG = {("yellow", "star", "black"): ("yellow", "circle"), ("blue", "cross", "white"): ("red", "cross")}


@pytest.fixture(scope="module")
def session(shapes: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every combination once; two pictures show something else, and one file is broken."""
    folder = tmp_path_factory.mktemp("library") / "20251120_100000-drawn"
    folder.mkdir()
    entries = []
    for n, asked in enumerate(itertools.product(COLOURS, SHAPES, GROUNDS)):
        colour, shape = WRONG.get(asked, asked[:2])
        [pixels] = shapes.render([shapes.Scene(colour, shape, "medium", asked[2], "center")], np.random.default_rng(n))
        Image.fromarray(pixels).save(folder / f"drawn_{n:04}.png")
        values = dict(
            zip(("Colour", "Shape", "Background"), (asked[0], asked[1], f"{asked[2]} background"), strict=True)
        )
        prompt = f"a {asked[0]} {asked[1]} on a {asked[2]} background"
        entries.append({"filename": f"drawn_{n:04}.png", "prompt": prompt, "seed": n, "applied_variations": values})
    (folder / "drawn_0000.png").write_bytes(b"broken")
    snapshot = {
        "version": "2.0",
        "timestamp": "2025-11-20T10:00:00",
        "generation_params": {"num_images": len(entries)},
        "resolved_template": {"prompt": "a {Colour} {Shape} on a {Background}", "negative": ""},
        "variations": {},
    }
    manifest = {"snapshot": snapshot, "images": entries, "status": "completed"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def sdgen(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "sdgen_core.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=300)


def events(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {event["event"]: event for event in map(json.loads, done.stdout.splitlines())}


def test_a_session_is_scored_reported_and_shown(session: Path, tmp_path: Path) -> None:
    catalog = ("--catalog", tmp_path / "catalog")
    done = sdgen("score", session, "--json", *catalog)
    assert done.returncode == 1, done.stderr  # for one file is broken
    report = events(done)["done"]
    [failure] = report["failures"]
    assert failure["error"] == "broken-image" and failure["file"].endswith("drawn_0000.png")
    assert (report["images"], report["embedded"]) == (27, 26)
    weak = {(rate["placeholder"], rate["key"]): rate for rate in report["rates"] if rate["matching"] < rate["images"]}
    assert {placeholder for placeholder, _ in weak} == {"Colour", "Shape"}
    assert [rate["images"] - rate["matching"] for rate in weak.values()] == [1, 1]
    assert report["flagged"] == 2

    # again: nothing is read anew, and a person's terminal shows the same
    done = sdgen("score", report["session"], *catalog)
    assert "27 images, 0 new" in done.stdout and "2 flagged" in done.stdout and "broken-image" in done.stderr
    page = tmp_path / "report.html"
    done = sdgen("report", report["name"], "--html", page, *catalog)
    assert done.returncode == 0 and "weakest values" in done.stdout
    assert page.read_text(encoding="utf-8").count("data:image/webp;base64,") == 2


def test_settings_an_aesthetic_head_and_a_second_session(session: Path, tmp_path: Path) -> None:
    """With the settings beside the catalog and single ones over them; the second session is the first with all pictures right."""
    catalog = ("--catalog", tmp_path / "catalog")
    said = {"scoring": {"thresholds": {"success": 0.9}, "wording": {"Background": "not assessable"}}}
    (tmp_path / "settings.json").write_text(json.dumps(said), encoding="utf-8")
    head = tmp_path / "head.safetensors"
    save_file({"weight": np.ones((1, 64), np.float32), "bias": np.full(1, 5, np.float32)}, head)
    again = tmp_path / "20251121_100000-again"
    shutil.copytree(session, again)
    done = sdgen("score", session, again, "--aesthetic", head, "--set", "thresholds.partial=0.4", "--json", *catalog)
    assert done.returncode == 1, done.stderr
    report = events(done)["done"]
    assert (report["thresholds"]["success"], report["thresholds"]["partial"]) == (0.9, 0.4)
    assert report["placeholders"][2]["reason"] == "setting" and report["aesthetic"]["head"] == "head.safetensors"
    page = tmp_path / "against.html"
    done = sdgen("report", again, "--against", session, "--html", page, *catalog)
    assert done.returncode == 0, done.stderr
    assert "26 pairs by seed, Colour, Shape, Background" in done.stdout and "McNemar" in page.read_text(
        encoding="utf-8"
    )
    for words, code, near in (
        (("score", again, "--set", "thresholds.sucess=1"), "bad-option", "success"),
        (("score", again, "--aesthetic", again / "manifest.json"), "bad-aesthetic-head", "manifest.json"),
        (("score", again, "--settings", tmp_path / "none.json"), "missing-file", "none.json"),
        (("report", again, "--against", again), "not-comparable", "itself"),
    ):
        done = sdgen(*words, "--json", *catalog)
        said = json.loads(done.stderr or done.stdout)
        assert done.returncode == 1 and said["error"] == code and near in json.dumps(said), said
    (tmp_path / "settings.json").write_text('{"scoring": {"wordin": {}}}', encoding="utf-8")
    done = sdgen("score", again, "--json", *catalog)
    assert json.loads(done.stderr or done.stdout)["error"] == "bad-settings" and "wording" in done.stderr + done.stdout


def test_a_session_that_fails_does_not_keep_the_others_from_being_scored(session: Path, tmp_path: Path) -> None:
    catalog = ("--catalog", tmp_path / "catalog")
    empty = tmp_path / "20251119_100000-empty"
    shutil.copytree(session, empty, ignore=shutil.ignore_patterns("*.png"))
    whole = tmp_path / "20251121_100000-whole"
    shutil.copytree(session, whole)
    shutil.copy(whole / "drawn_0001.png", whole / "drawn_0000.png")  # the broken one
    done = sdgen("score", empty, whole, "--json", *catalog)
    said = events(done)
    assert done.returncode == 1 and said["failed"]["error"] == "nothing-to-score", done.stderr
    assert said["done"]["name"] == "whole" and said["done"]["failures"] == []
    done = sdgen("score", empty, whole, *catalog)
    assert done.returncode == 1 and "error[nothing-to-score]" in done.stderr and "27 images, 0 new" in done.stdout
    # what is wrong with the model is wrong for all
    done = sdgen("score", empty, whole, "--scorer", "none", "--json", *catalog)
    assert done.returncode == 1 and json.loads(done.stdout or done.stderr)["error"] == "scorer-missing"


def test_what_cannot_be_done_is_said(session: Path, tmp_path: Path) -> None:
    catalog = ("--catalog", tmp_path / "catalog")
    for words, code, near in (
        (("report", session), "not-scored", "sdgen score"),
        (("report", "drown"), "unknown-session", "drawn"),
        (("score", "drawn", "--scorer", "dem"), "scorer-missing", "demo"),
    ):
        done = sdgen(*words, "--json", *catalog)
        assert done.returncode == 1
        said = json.loads(done.stderr or done.stdout)
        assert said["error"] == code and near in json.dumps(said), said
