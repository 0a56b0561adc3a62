"""The demo's judgement: which pictures count, and what becomes of values that are wrong on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from sdgen_core.cli.demo import Picture, judge, main, saved_pictures


def draw(path: Path, colour: tuple[int, int, int]) -> Path:
    image = Image.new("RGB", (64, 64), (245, 245, 245))
    ImageDraw.Draw(image).ellipse((14, 14, 50, 50), fill=colour)
    image.save(path)
    return path


def test_right_wrong_and_wrong_on_purpose_are_counted_apart(root: Path, tmp_path: Path) -> None:
    red, blue = draw(tmp_path / "red.png", (220, 30, 30)), draw(tmp_path / "blue.png", (40, 70, 220))
    pictures = [
        Picture(red, {"Colour": "red", "Shape": "circle"}),
        Picture(blue, {"Colour": "blue", "Shape": "circle"}),
        Picture(blue, {"Colour": "red", "Shape": "circle"}),
        Picture(blue, {"Colour": "blue", "Shape": "square"}),
        Picture(red, {"Colour": "purple", "Shape": "star"}),
    ]
    verdict = judge(root / "examples" / "demo", pictures)
    assert "2 of 4 right (50 %)" in verdict
    assert "purple star" in verdict
    assert verdict.endswith("0 of 1 right.")


def test_pictures_come_from_the_manifest(tmp_path: Path) -> None:
    images = [{"filename": "a_0000.png", "applied_variations": {"Colour": "red"}, "seed": 1}]
    (tmp_path / "manifest.json").write_text(json.dumps({"images": images}), encoding="utf-8")
    assert saved_pictures(tmp_path) == [Picture(tmp_path / "a_0000.png", {"Colour": "red"})]


def test_a_comfyui_that_is_not_there_is_an_error_with_a_way_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--root", str(root), "--comfyui", str(tmp_path), "--base", str(tmp_path / "base")]
    assert main(["demo", *places]) == 1
    assert "comfyui-not-found" in capsys.readouterr().err


def test_unknown_options_of_the_demo_are_a_usage_error(tmp_path: Path) -> None:
    places = ["--root", ".", "--comfyui", str(tmp_path), "--base", str(tmp_path / "base")]
    with pytest.raises(SystemExit) as error:
        main(["demo", *places, "--no-such-option"])
    assert error.value.code == 2
