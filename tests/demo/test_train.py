"""The training goes on where it was stopped, and its short cut through the model is exact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import demo_module


@pytest.fixture(scope="module")
def vae() -> ModuleType:
    pytest.importorskip("torch")
    return demo_module("vae")


def test_a_stopped_autoencoder_training_goes_on_alike(vae: ModuleType, tmp_path: Path) -> None:
    import torch

    class Stopped(Exception):
        pass

    class Fragile(vae.Trainer):  # type: ignore[misc,name-defined]
        def _update(self, pictures: Any, rng: Any) -> None:
            if self.step == 3:
                raise Stopped
            super()._update(pictures, rng)

    recipe = vae.Recipe(steps=5, batch=3, whole_batch=2, crop_until=0.6, save_every=2)
    device = torch.device("cpu")
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole = vae.Trainer(recipe, tmp_path / "whole", device)
    start = {name: weight.clone() for name, weight in whole.nets.state_dict().items()}
    whole.run()
    with pytest.raises(Stopped):
        Fragile(recipe, tmp_path / "stopped", device).run()
    resumed = vae.Trainer(recipe, tmp_path / "stopped", device)
    assert resumed.step == 2
    resumed.run()
    assert resumed.step == whole.step == 5
    for name, weight in whole.nets.state_dict().items():
        assert torch.equal(weight, resumed.nets.state_dict()[name]), name
    assert any(not torch.equal(weight, start[name]) for name, weight in whole.nets.state_dict().items())


def _run(comfyui_folder: Path, demo_folder: Path, *command: str) -> str:
    paths = [path for path in (os.environ.get("SDGEN_TEST_PACKAGES"), os.environ.get("PYTHONPATH")) if path]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=demo_folder.parents[1],
        env={
            **os.environ,
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": os.pathsep.join(paths),
            "SDGEN_TEST_COMFYUI": str(comfyui_folder),
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=540,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_script_runs_and_its_weights_build(
    comfyui_folder: Path, demo_folder: Path, build: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / "weights.safetensors"
    command = ["-m", "examples.demo.train", "--comfyui", str(comfyui_folder), "--trial"]
    command += ["--work", str(tmp_path / "work"), "--out", str(out)]
    assert "mmdit" not in _run(comfyui_folder, demo_folder, *command)  # four steps are too few for a line of progress
    first = out.read_bytes()
    _run(comfyui_folder, demo_folder, *command)
    assert out.read_bytes() == first
    from safetensors.torch import load_file

    shipped, made = load_file(build.WEIGHTS), load_file(out)
    assert {name: weight.shape for name, weight in made.items()} == {n: w.shape for n, w in shipped.items()}
    checkpoint = build.build_checkpoint(tmp_path / "demo.safetensors", out)
    assert build.recorded_hash(checkpoint) == build.source_hash(out)


def test_the_short_forward_equals_the_stock_forward(comfyui_folder: Path, demo_folder: Path) -> None:
    """17 rows of text with a biased last one, against ComfyUI's forward with all 77 and 4,096 columns."""
    code = """
import os
from pathlib import Path
import numpy as np, torch
from examples.demo import build, comfyui
comfyui.use(Path(os.environ["SDGEN_TEST_COMFYUI"]), cpu=True)
from examples.demo import mmdit, text
from comfy.sd1_clip import SDTokenizer
prompts = ["a red circle on a blue background", "", "purple star"]
torch.manual_seed(1)
model = mmdit.create(3)
with torch.no_grad():
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight) * 0.05)
    rows = text.Prompts()
    chosen = torch.from_numpy(rows.rows(prompts))
    short = model.context_embedder(rows.table()[chosen] + rows.positions())
    x, sigma = torch.randn(3, 16, 8, 8), torch.tensor([0.2, 0.6, 0.95])
    got = mmdit.velocity(model, x, sigma, short)
    tokens, positions = build.clip_tables()
    ids = [[t for t, _ in SDTokenizer().tokenize_with_weights(p)[0]] for p in prompts]
    full = torch.from_numpy(tokens[np.array(ids)].astype(np.float32) + positions.astype(np.float32))
    want = model(x, sigma * 1000, context=full)
print(float((got - want).abs().max() / want.abs().mean()))
"""
    assert float(_run(comfyui_folder, demo_folder, "-c", code).split()[-1]) < 1e-4
