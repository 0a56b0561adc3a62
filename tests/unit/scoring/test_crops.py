"""Where the regions of an image are, what is cut out, and what detectors say."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.cascade.crops import LEAST_BOX, LEAST_SIDE, REGIONS, Area, Box, cut, find, what_is
from sdgen_core.scoring.cascade.detectors import DetectorSettings, decode, load
from sdgen_core.scoring.texts.kinds import KINDS

FACE = Box("FACE_FEMALE", 0.9, 450, 100, 550, 220)
PERSON = Box("person", 0.8, 350, 40, 650, 1000)


def region(kind, *boxes, size=(1000, 1200)):
    return find(boxes, kind, *size)


# ---- geometry --------------------------------------------------------------------------------------------------------------

sizes = st.integers(LEAST_SIDE, 250) | st.integers(LEAST_SIDE, 3000)
numbers = st.floats(-4000, 4000)
anywhere = st.builds(
    Box, st.sampled_from(["face", "person", "hand"]), st.floats(0, 1), numbers, numbers, numbers, numbers
)
small = st.builds(
    lambda label, x, y, w, h: Box(label, 0.9, x, y, x + w, y + h),
    st.sampled_from(["face", "person"]),
    st.floats(0, 200),
    st.floats(0, 200),
    st.floats(12, 60),
    st.floats(12, 60),
)
boxes = anywhere | small


@given(st.lists(boxes, max_size=5), st.sampled_from(sorted(REGIONS)), sizes, sizes)
def test_every_region_is_inside_the_image_and_large_enough(found, kind, width, height):
    out = find(found, kind, width, height)
    if out is None:
        return
    name, area = out
    assert name in REGIONS[kind]
    assert 0 <= area.x0 < area.x1 <= width
    assert 0 <= area.y0 < area.y1 <= height
    assert area.x1 - area.x0 >= LEAST_SIDE
    assert area.y1 - area.y0 >= LEAST_SIDE
    assert (area.x1 - area.x0) * (area.y1 - area.y0) < 0.86 * width * height


@given(st.floats(0, 700), st.floats(0, 700), st.floats(20, 200), st.floats(20, 200))
def test_the_face_is_in_each_region_made_from_it(x, y, w, h):
    face = Box("face", 0.9, x, y, x + w, y + h)
    for kind in ("face", "hair", "clothing"):
        out = find([face], kind, 2000, 2000)
        assert out is not None
        area = out[1]
        assert area.x0 <= face.x0 and face.x1 <= area.x1
        assert area.y0 <= face.y0 and face.y1 <= area.y1


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_a_crop_is_square_and_nothing_in_it_is_stretched(width, height, data):
    x0 = data.draw(st.integers(0, width - 1))
    y0 = data.draw(st.integers(0, height - 1))
    area = Area(x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    out = np.asarray(cut(Image.fromarray(pixels), area))
    assert out.shape[0] == out.shape[1] >= max(area.x1 - area.x0, area.y1 - area.y0)
    wanted = pixels[area.y0 : area.y1, area.x0 : area.x1]
    h, w = wanted.shape[:2]
    views = np.lib.stride_tricks.sliding_window_view(out, (h, w, 3))[:, :, 0]
    first = np.argwhere((out[: out.shape[0] - h + 1, : out.shape[1] - w + 1] == wanted[0, 0]).all(2))
    assert any((views[y, x] == wanted).all() for y, x in first)


@given(boxes, sizes, sizes)
def test_boxes_are_cut_at_the_edges_or_left_out(box, width, height):
    inside = box.inside(width, height)
    if inside is not None:
        assert 0 <= inside.x0 < inside.x1 <= width
        assert 0 <= inside.y0 < inside.y1 <= height
        assert min(inside.width, inside.height) >= LEAST_BOX


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_no_box(odd):
    assert Box("face", 0.9, odd, 0, 100, 100).inside(200, 200) is None
    assert Box("face", odd, 0, 0, 100, 100).inside(200, 200) is None


def test_which_region_serves_which_kind():
    assert {kind: out[0] for kind in KINDS if (out := region(kind, FACE, PERSON))} == {
        "hair": "hair", "eyes": "face", "face": "face", "person": "face", "clothing": "full body", "pose": "full body",
    }  # fmt: skip
    assert set(REGIONS) <= set(KINDS)


def test_without_a_face_or_a_person_the_next_best_region_is_taken():
    assert region("hair", PERSON) is None
    assert region("person", PERSON)[0] == "upper body"
    assert region("clothing", FACE)[0] == "full body"
    assert region("clothing") is None


def test_a_region_that_is_nearly_the_whole_image_is_none():
    assert region("face", Box("face", 0.9, 5, 5, 195, 195), size=(200, 200)) is None
    # the full body of a portrait is, its upper body is not
    face = Box("face", 0.9, 173, 83, 274, 180)
    assert region("clothing", face, size=(512, 512))[0] == "upper body"


def test_the_hair_is_around_and_above_the_face():
    hair, face = region("hair", FACE)[1], region("eyes", FACE)[1]
    assert hair.y0 < face.y0 < FACE.y0
    assert hair.x0 < face.x0 < FACE.x0
    assert hair.y1 > face.y1


def test_the_upper_body_of_somebody_standing_ends_at_the_hips_of_somebody_sitting_at_the_box():
    sitting = Box("person", 0.8, 300, 300, 700, 800)
    assert region("person", PERSON)[1].y1 < 640
    assert region("person", sitting)[1].y1 >= 800


def test_the_largest_face_counts_and_the_body_it_belongs_to():
    other = Box("person", 0.99, 660, 100, 1000, 1190)
    small = Box("face", 0.99, 800, 150, 830, 190)
    area = region("clothing", FACE, small, PERSON, other)[1]
    assert (area.x0, area.x1) == (335, 665)


def test_a_tiny_face_is_nothing_to_look_at_and_a_small_one_gets_room():
    assert region("face", Box("face", 0.9, 10, 10, 18, 18)) is None
    area = region("face", Box("face", 0.9, 0, 0, 16, 16))[1]
    assert (area.x0, area.y0, area.x1, area.y1) == (0, 0, LEAST_SIDE, LEAST_SIDE)
    area = region("face", Box("face", 0.9, 984, 1184, 1000, 1200))[1]
    assert (area.x0, area.y0, area.x1, area.y1) == (1000 - LEAST_SIDE, 1200 - LEAST_SIDE, 1000, 1200)


def test_a_long_crop_takes_in_a_little_and_is_then_filled_up():
    image = Image.new("RGB", (400, 400), "blue")
    image.paste("red", (150, 0, 250, 400))
    out = cut(image, Area(150, 0, 250, 400))
    assert out.size == (400, 400)
    assert out.getpixel((200, 200)) == (255, 0, 0)
    assert out.getpixel((142, 200)) == (0, 0, 255)  # a quarter more of the surroundings
    assert out.getpixel((5, 5)) not in ((255, 0, 0), (0, 0, 255))  # the mean of both


@pytest.mark.parametrize(
    ("label", "meaning"),
    [("face", "face"), ("FACE_MALE", "face"), ("anime-face", "face"), ("head", "face"), ("person", "person"), ("Woman", "person"),
     ("FEMALE_BREAST_COVERED", ""), ("hand", ""), ("surface", ""), ("", ""), ("body_part", "")],
)  # fmt: skip
def test_labels_of_different_detectors(label, meaning):
    assert what_is(label) == meaning


# ---- detectors -------------------------------------------------------------------------------------------------------------


def yolo(*found, labels=2, boxes=20):
    """An output (1, 4 + labels, boxes): middle x, middle y, width, height, label, score."""
    out = np.zeros((1, 4 + labels, boxes), np.float32)
    for at, (x, y, w, h, label, score) in enumerate(found):
        out[0, :4, at] = x, y, w, h
        out[0, 4 + label, at] = score
    return out


def test_the_output_of_a_yolo_model_is_read():
    found = decode(yolo((50, 60, 20, 40, 1, 0.9), (10, 10, 8, 8, 0, 0.5)), ["face", "person"], 0.3, 2.0)
    assert [(box.label, round(box.score, 3)) for box in found] == [("person", 0.9), ("face", 0.5)]
    assert (found[0].x0, found[0].y0, found[0].x1, found[0].y1) == (80, 80, 120, 160)


def test_the_output_with_corners_is_read():
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = 1, 2, 30, 40, 0.8, 0
    rows[0, 1] = 1, 2, 30, 40, 0.8, 7  # a label that nobody knows
    assert decode(rows, ["face"], 0.3, 1.0) == [Box("face", pytest.approx(0.8), 1, 2, 30, 40)]


def test_boxes_on_top_of_each_other_are_one_unless_they_are_of_different_things():
    found = decode(yolo((50, 50, 20, 20, 0, 0.7), (51, 50, 20, 20, 0, 0.9), (50, 50, 20, 20, 1, 0.6), (90, 90, 20, 20, 0, 0.5)),
                   ["face", "person"], 0.3, 1.0)  # fmt: skip
    assert [(box.label, round(box.score, 2)) for box in found] == [("face", 0.9), ("person", 0.6), ("face", 0.5)]


def test_little_confidence_is_left_out():
    assert decode(yolo((50, 50, 20, 20, 0, 0.29)), ["face", "person"], 0.3, 1.0) == []


@pytest.mark.parametrize(
    ("output", "labels"),
    [(np.zeros((1, 1000)), ["a"]), (np.zeros((2, 6, 100)), ["a", "b"]), (yolo(labels=3), ["a", "b"]), (yolo(labels=3), []),
     (np.zeros((1, 25200, 85)), ["a"] * 80), (np.zeros((1, 3, 100)), [])],
)  # fmt: skip
def test_other_outputs_are_refused(output, labels):
    with pytest.raises(ValueError, match=r"output|labels"):
        decode(output, labels, 0.3, 1.0)


@given(st.integers(1, 64), st.data())
def test_any_numbers_are_read(count, data):
    values = data.draw(st.lists(st.floats(width=32), min_size=6, max_size=6))
    output = np.tile(np.array(values, np.float32)[None, :, None], (1, 1, count + 6))
    with np.errstate(all="ignore"):
        found = decode(output, ["face", "person"], 0.3, 1.0)
    for box in found:
        inside = box.inside(100, 100)
        assume(inside is not None)
        assert inside.width > 0


def fake_runtime(monkeypatch, output, shape=(1, 3, 64, 64), kind="tensor(float)", told=None):
    """A FAKE of the onnxruntime library, which is not one of SDGen's: it gives the same output for every image."""
    seen = []

    class Session:
        def __init__(self, path, providers):
            if Path(path).read_bytes()[:4] != b"ONNX":
                raise RuntimeError("no protobuf")

        def get_inputs(self):
            return [types.SimpleNamespace(name="images", shape=list(shape), type=kind)]

        def get_modelmeta(self):
            return types.SimpleNamespace(
                custom_metadata_map=told if told is not None else {"names": "{0: 'face', 1: 'person'}"}
            )

        def run(self, _, inputs):
            seen.append(inputs["images"])
            return [output]

    library = types.SimpleNamespace(InferenceSession=Session, get_available_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    return seen


@pytest.fixture
def onnx(tmp_path):
    path = tmp_path / "faces.onnx"
    path.write_bytes(b"ONNX and more")
    return path


def test_an_onnx_model_sees_the_whole_image_in_its_shape(monkeypatch, onnx):
    seen = fake_runtime(monkeypatch, yolo((32, 16, 16, 16, 0, 0.9)))
    detector = load(DetectorSettings(path=str(onnx)))
    image = Image.new("RGB", (256, 128), "white")
    found = detector.boxes(image)
    assert seen[0].shape == (1, 3, 64, 64)
    assert seen[0].dtype == np.float32
    assert seen[0][0, :, :32].min() == 1.0
    assert seen[0][0, :, 32:].max() == 0.0
    assert found == [Box("face", pytest.approx(0.9), 96, 32, 160, 96)]
    assert detector.name == "faces.onnx"


def test_a_model_of_any_size_is_given_the_size_it_was_made_for(monkeypatch, onnx):
    told = {"names": "{0: 'face', 1: 'person'}", "imgsz": "[320, 320]"}
    seen = fake_runtime(monkeypatch, yolo(), ("batch", 3, "height", "width"), told=told)
    load(DetectorSettings(path=str(onnx))).boxes(Image.new("RGB", (100, 100)))
    assert seen[0].shape == (1, 3, 320, 320)


def test_labels_that_a_model_does_not_say_come_from_the_settings(monkeypatch, onnx):
    fake_runtime(monkeypatch, yolo((32, 32, 20, 20, 1, 0.9)), told={"names": "__import__('os')"})
    image = Image.new("RGB", (64, 64))
    assert load(DetectorSettings(path=str(onnx), labels=["body", "face"])).boxes(image)[0].label == "face"
    with pytest.raises(SDGenError) as caught:
        load(DetectorSettings(path=str(onnx))).boxes(image)
    assert caught.value.code == "detector-unusable"
    assert "name them in the settings" in str(caught.value)


def test_the_identity_follows_the_file_and_the_settings(monkeypatch, onnx):
    fake_runtime(monkeypatch, yolo())
    first = load(DetectorSettings(path=str(onnx))).identity
    assert len(first) == 16
    assert load(DetectorSettings(path=str(onnx))).identity == first
    assert load(DetectorSettings(path=str(onnx), confidence=0.5)).identity != first
    onnx.write_bytes(b"ONNX and less")
    assert load(DetectorSettings(path=str(onnx))).identity != first


def test_a_missing_or_foreign_file_is_named(tmp_path):
    for name, code in (("none.pt", "detector-missing"), ("x.safetensors", "detector-unusable")):
        path = tmp_path / name
        if code == "detector-unusable":
            path.write_bytes(b"x")
        with pytest.raises(SDGenError) as caught:
            load(DetectorSettings(path=str(path)))
        assert caught.value.code == code
        assert name in str(caught.value)


@pytest.mark.parametrize(("suffix", "library"), [(".onnx", "onnxruntime"), (".pt", "ultralytics")])
def test_a_missing_library_is_named(monkeypatch, tmp_path, suffix, library):
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(SDGenError) as caught:
        load(DetectorSettings(path=str(path)))
    assert caught.value.code == "detector-library"
    assert library in str(caught.value)


def test_a_damaged_model_and_one_that_takes_no_image_are_named(monkeypatch, onnx):
    fake_runtime(monkeypatch, yolo(), shape=(1, 77), kind="tensor(int64)")
    with pytest.raises(SDGenError) as caught:
        load(DetectorSettings(path=str(onnx)))
    assert caught.value.code == "detector-unusable"
    onnx.write_bytes(b"<html>")
    with pytest.raises(SDGenError) as caught:
        load(DetectorSettings(path=str(onnx)))
    assert "no protobuf" in str(caught.value)


class FakeTensor(list):
    def tolist(self):
        return list(self)


def test_a_yolo_model_through_a_fake_ultralytics_that_sends_nothing_home(monkeypatch, tmp_path):
    """ultralytics is a FAKE here: the real one is AGPL-licensed and none of SDGen's."""
    found = types.SimpleNamespace(
        xyxy=FakeTensor([[1.0, 2.0, 30.0, 40.0]]), conf=FakeTensor([0.7]), cls=FakeTensor([0.0])
    )
    results = [types.SimpleNamespace(boxes=found, names={0: "face"}), types.SimpleNamespace(boxes=None, names={})]
    when_loaded = {}

    class YOLO:
        def __init__(self, path):
            when_loaded.update(os.environ)

        def predict(self, image, conf, verbose):
            assert (image.mode, conf, verbose) == ("RGB", 0.3, False)
            return results

    monkeypatch.setitem(sys.modules, "ultralytics", types.SimpleNamespace(YOLO=YOLO))
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)
    path = tmp_path / "face.pt"
    path.write_bytes(b"x")
    assert load(DetectorSettings(path=str(path))).boxes(Image.new("RGBA", (64, 64))) == [Box("face", 0.7, 1, 2, 30, 40)]
    assert when_loaded["YOLO_OFFLINE"] == "true"
    assert "YOLO_OFFLINE" not in os.environ


def test_no_heavy_library_is_imported_by_itself():
    heavy = ("torch", "numpy", "aiohttp", "onnxruntime", "ultralytics")
    code = f"import sys, sdgen_core.scoring.cascade.tiers as _; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
