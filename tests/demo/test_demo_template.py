"""The demo session's template: at least 48 pictures of values that the demo model knows, and no size in the prompt."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import yaml


def test_template_fits_the_model(demo_folder: Path, shapes: ModuleType) -> None:
    template = yaml.safe_load((demo_folder / "demo.prompt.yaml").read_text(encoding="utf-8"))
    names = re.findall(r"\{(\w+)(?:\[[^]]*\])?\}", template["prompt"])
    assert sorted(names) == sorted(template["imports"]) == ["Background", "Colour", "Shape"]
    values = {}
    for name, file in template["imports"].items():
        loaded = yaml.safe_load((demo_folder / file).read_text(encoding="utf-8"))
        assert loaded["type"] == "variations"
        values[name] = loaded["variations"]
        assert all(key.lower() == value for key, value in values[name].items())
    assert set(values["Colour"].values()) == set(shapes.COLOURS)
    assert set(values["Shape"].values()) == set(shapes.SHAPES)
    assert set(values["Background"].values()) <= set(shapes.BACKGROUNDS) - set(shapes.COLOURS)
    assert len(values["Colour"]) * len(values["Shape"]) >= 48
    assert template["generation"]["mode"] == "combinatorial"
    assert "{Background[$0]}" in template["prompt"]
    text = template["prompt"].split()
    assert not set(text) & set(shapes.SIZES)
    parameters = template["parameters"]
    assert (parameters["width"], parameters["height"]) == (shapes.SIDE, shapes.SIDE)
