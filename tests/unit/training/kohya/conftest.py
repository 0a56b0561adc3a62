from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdgen_core.sessions.safetensors_file import header_bytes
from sdgen_core.training.kohya import preflight
from sdgen_core.training.kohya.preflight import Facts
from sdgen_core.training.kohya.trainer import KohyaTrainer
from sdgen_core.training.runs.model import Job

from .recorded_options import write_checkout
from .test_families import SD15

PACKAGES = dict.fromkeys(preflight.PACKAGES, "1.0")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with scripts that declare the options of sd-scripts v0.10.1."""
    return write_checkout(tmp_path / "sd-scripts")


@pytest.fixture
def model(tmp_path: Path):
    """Makes a file with the header of a model: name -> shape. Its tensors are a hole in the file, which takes no room."""

    def make(shapes: dict[str, list[int]], name: str = "model.safetensors") -> Path:
        kinds = {key: ("F16", tuple(shape), 2 * math.prod(shape)) for key, shape in shapes.items()}
        header, size = header_bytes(kinds, {})
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(header)
            file.truncate(len(header) + size)
        return path

    return make


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the checkout's Python says of itself; asking a real one is tested in test_preflight.py."""

    def say(**changes: Any) -> None:
        said = Facts(**{"version": (3, 11, 0), "packages": PACKAGES, "device": "cuda", "card": "Card", **changes})
        monkeypatch.setattr(preflight, "ask", lambda where, wanted: said)

    say()
    return say


@pytest.fixture
def kohya(checkout: Path, tmp_path: Path, facts: Callable[..., None]) -> KohyaTrainer:
    python = checkout / "venv" / "python"
    python.parent.mkdir()
    python.write_text("", encoding="utf-8")
    comfyui = tmp_path / "comfyui"
    for name in ("sd1_tokenizer", "text_encoders/t5_tokenizer"):
        place = comfyui / "comfy" / name
        place.mkdir(parents=True)
        for file in ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"):
            (place / file).write_text("{}", encoding="utf-8")
    return KohyaTrainer(str(checkout), str(python), lambda: comfyui)


@pytest.fixture
def job(tmp_path: Path, model) -> Job:
    data = tmp_path / "data é" / "3_cat"
    data.mkdir(parents=True)
    for number in range(10):
        Image.new("RGB", (512, 512), (number, 0, 0)).save(data / f"{number}.png")
        (data / f"{number}.txt").write_text("a cat", encoding="utf-8")
    return Job("id7", "my cat", "kohya", model(SD15), data.parent, tmp_path / "run", 100)
