"""The pixel reader, judged on drawn pictures whose content is known."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

PARTS = ("colour", "shape", "size", "background")


def _blur(pictures: Any) -> Any:
    return np.stack([np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(1.0))) for p in pictures])


def _noise(pictures: Any) -> Any:
    rng = np.random.default_rng(8)
    return np.clip(pictures + rng.normal(0, 14, pictures.shape), 0, 255).astype(np.uint8)


def _jpeg(pictures: Any) -> Any:
    import io

    out = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=70)
        out.append(np.asarray(Image.open(file)))
    return np.stack(out)


@pytest.mark.parametrize(
    "spoil",
    [lambda p: p, _blur, _noise, lambda p: _noise(_blur(p)), _jpeg],
    ids=["clean", "blur", "noise", "both", "jpeg"],
)
def test_at_least_99_of_100_drawn_pictures_are_read_right(shapes: ModuleType, reader: ModuleType, spoil: Any) -> None:
    rng = np.random.default_rng(21)
    scenes = shapes.sample_scenes(300, rng, sizes={"small": 1.0, "medium": 1.0, "large": 1.0})
    pictures = spoil(shapes.render(scenes, rng, jitter=0.03))
    readings = [reader.read(picture) for picture in pictures]
    for part in PARTS:
        right = sum(getattr(r, part) == getattr(s, part) for r, s in zip(readings, scenes, strict=True))
        assert right >= 297, part
    assert np.percentile([r.confidence for r in readings], 5) > 0.3


def test_places_other_than_the_middle_are_read(shapes: ModuleType, reader: ModuleType) -> None:
    rng = np.random.default_rng(4)
    places = {"left": 1.0, "right": 1.0, "top": 1.0, "bottom": 1.0}
    scenes = shapes.sample_scenes(80, rng, sizes={"small": 1.0}, positions=places)
    for scene, picture in zip(scenes, shapes.render(scenes, rng), strict=True):
        reading = reader.read(picture)
        assert (reading.colour, reading.shape, reading.size) == (scene.colour, scene.shape, scene.size)
        assert reading.offset == pytest.approx(shapes.POSITIONS[scene.position], abs=1.2)


@pytest.mark.parametrize("side", [48, 128, 512])
def test_pictures_of_other_sizes_are_read(shapes: ModuleType, reader: ModuleType, side: int) -> None:
    rng = np.random.default_rng(9)
    scenes = shapes.sample_scenes(48, rng, sizes={"medium": 1.0, "large": 1.0})
    right = 0
    for scene, picture in zip(scenes, shapes.render(scenes, rng), strict=True):
        reading = reader.read(np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)))
        right += all(getattr(reading, part) == getattr(scene, part) for part in PARTS)
    assert right == len(scenes)


def test_a_file_reads_like_its_pixels(shapes: ModuleType, reader: ModuleType, tmp_path: Path) -> None:
    (picture,) = shapes.render([shapes.Scene("cyan", "cross", "large", "brown")])
    file = tmp_path / "étoile 1.png"
    Image.fromarray(picture).save(file)
    assert reader.read(file) == reader.read(str(file)) == reader.read(picture)


def test_the_command_prints_one_line_of_json_a_picture(
    shapes: ModuleType, reader: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture,) = shapes.render([shapes.Scene("pink", "ring", "small", "black")])
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert reader.main([str(tmp_path / "a.png"), str(tmp_path / "a.png")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert (lines[0]["colour"], lines[0]["shape"], lines[0]["size"]) == ("pink", "ring", "small")


def test_nothing_is_seen_where_there_is_nothing(reader: ModuleType) -> None:
    rng = np.random.default_rng(2)
    flat = np.full((64, 64, 3), (30, 160, 50), np.uint8)
    assert reader.read(flat).shape is None and reader.read(flat).background == "green"
    static = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    assert all(reader.read(picture).shape is None for picture in static)
    grain = np.clip(flat + rng.normal(0, 14, flat.shape), 0, 255).astype(np.uint8)
    assert reader.read(grain).shape is None


def test_shapeless_objects_have_no_shape(reader: ModuleType) -> None:
    ys, xs = np.mgrid[:64, :64]
    for mask in (abs(ys - 32) < 4, (abs(ys - 32) < 5) & (abs(xs - 32) < 24), (xs > 8) & (xs < 20) & (ys > 8)):
        picture = np.where(mask[..., None], (220, 30, 30), (245, 245, 245)).astype(np.uint8)
        reading = reader.read(picture)
        assert reading.shape is None and reading.confidence == 0


def test_halfway_pictures_are_unsure(shapes: ModuleType, reader: ModuleType) -> None:
    """A blend of two shapes, or of two colours, is never reported with the confidence of a clear picture."""
    scenes = [shapes.Scene("red", "circle"), shapes.Scene("red", "star"), shapes.Scene("orange", "circle")]
    circle, star, orange = shapes.render(scenes).astype(np.float64)
    clear = reader.read(circle.astype(np.uint8))
    assert clear.confidence > 0.7
    assert reader.read(((circle + star) / 2).astype(np.uint8)).shape_confidence < 0.6 * clear.shape_confidence
    assert reader.read(((circle + orange) / 2).astype(np.uint8)).colour_confidence < 0.6 * clear.colour_confidence


def test_other_arrays_are_refused(reader: ModuleType) -> None:
    with pytest.raises(ValueError, match="H x W x 3"):
        reader.read(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(ValueError, match="float"):
        reader.read(np.zeros((64, 64, 3), np.float32))


def test_reader_needs_no_torch_and_no_renderer(demo_folder: Path) -> None:
    import subprocess
    import sys

    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='reader');"
        "assert not {'torch', 'shapes', 'sdgen_demo'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(demo_folder / "reader.py")], check=True)
