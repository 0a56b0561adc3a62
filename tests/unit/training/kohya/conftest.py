from __future__ import annotations

import json
from pathlib import Path

import pytest

from .recorded_options import write_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with scripts that declare the options of sd-scripts v0.10.1."""
    return write_checkout(tmp_path / "sd-scripts")


@pytest.fixture
def model(tmp_path: Path):
    """Makes a file with the header of a model: name -> shape."""

    def make(shapes: dict[str, list[int]], name: str = "model.safetensors") -> Path:
        header = json.dumps(
            {key: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]} for key, shape in shapes.items()}
        )
        data = header.encode()
        path = tmp_path / name
        path.write_bytes(len(data).to_bytes(8, "little") + data)
        return path

    return make
