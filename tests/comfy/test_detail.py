"""Detail passes: what a detector found is cut out, painted again by the demo model, and put back. The detector is the stub's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.sessions.metadata import read_png_chunks

TEMPLATE = """
name: {name}
prompt: "a red circle on a white background"
generation: {{mode: combinatorial, seed: 1000, seed_mode: fixed, max_images: -1}}
parameters:
  {{width: 64, height: 64, steps: 8, cfg_scale: 2, sampler: Euler, scheduler: SGM Uniform, {parameters}}}
"""
LARGE, SMALL = (8, 8, 32, 32), (44, 44, 56, 56)
BLUE = "ad_prompt: a blue square on a white background, ad_denoising_strength: 1, ad_mask_blur: 0"


@pytest.fixture(scope="module")
def server(_new_server: Callable[..., ComfyServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    base = tmp_path_factory.mktemp("detail")
    shutil.copytree(Path(__file__).parent / "stub_nodes", base / "custom_nodes" / "stub_nodes")
    (base / "input").mkdir(exist_ok=True)
    two_discs().save(base / "input" / "discs.png")
    with _new_server(base) as running:
        yield running


def two_discs() -> Image.Image:
    image = Image.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom in (LARGE, SMALL):
        draw.ellipse((left, top, right - 1, bottom - 1), fill="red")
    return image


class Maker:
    def __init__(self, server: ComfyServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._number = 0

    def run(self, parameters: str, *options: object, more: str = "") -> dict[str, Any]:
        self._number += 1
        name = f"{self.folder.name}{self._number}"
        file = self.folder / f"{name}.prompt.yaml"
        file.write_text(TEMPLATE.format(name=name, parameters=parameters) + more, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "sdgen_core.cli",
            "generate",
            file,
            "--server",
            self.server.url,
            "--json",
            *options,
        ]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == 0, (answer, done.stderr, self.server.log_tail(40))
        return answer

    def __call__(self, parameters: str) -> Any:
        """The pixels of the one image."""
        [picture] = Path(self.run(parameters)["folder"]).glob("*.png")
        return np.asarray(Image.open(picture).convert("RGB"), np.int16)


@pytest.fixture
def make(server: ComfyServer, tmp_path: Path) -> Maker:
    return Maker(server, tmp_path)


def changed(one: Any, other: Any) -> Any:
    return np.abs(one - other).max(-1) > 0


def box(mask: Any) -> tuple[int, int, int, int]:
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_what_was_found_is_painted_again_and_nothing_else(make: Maker) -> None:
    plain = make("seed: 1")
    found = box(plain.min(-1) < 0.6 * 255)
    painted = make(f"adetailer: {{{BLUE}, ad_dilate_erode: 0}}")
    inside = np.zeros((64, 64), bool)
    inside[found[1] : found[3], found[0] : found[2]] = True
    where = changed(plain, painted)
    assert not (where & ~inside).any()
    assert where[inside].mean() > 0.5
    before, after = (image[inside].mean(0) for image in (plain, painted))
    assert before[0] > before[2] and after[2] > after[0], "it was red and is blue"


def test_its_prompt_takes_the_choices_of_the_image(make: Maker) -> None:
    own = BLUE.replace("a blue square on a white background", "'a {Colour} square on a white background'")
    asked = f"adetailer: {{{own}, ad_dilate_erode: 0}}"
    status = make.run(asked, "--use-fixed", "Colour:g", more="imports: {Colour: {b: blue, g: green}}\n")
    [file] = Path(status["folder"]).glob("*.png")
    prompt = json.loads(read_png_chunks(file)["prompt"])
    texts = [node["inputs"]["text"] for node in prompt.values() if node["class_type"] == "SDGenEncodePrompt"]
    assert texts == ["a green square on a white background"]
    pixels = np.asarray(Image.open(file).convert("RGB"), np.int16)
    middle = pixels[28:36, 28:36].mean((0, 1))
    assert middle.argmax() == 1, middle


def test_nothing_found_or_nothing_to_change_leaves_the_image_alone(make: Maker) -> None:
    plain = make("seed: 1")
    for settings in ("ad_confidence: 0.95", "ad_denoising_strength: 0", "ad_mask_max_ratio: 0.01"):
        assert not changed(plain, make(f"adetailer: {{{settings}}}")).any(), settings


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 2 for a, b in zip(one, other, strict=True))


def test_regions_are_chosen_and_each_is_painted(make: Maker) -> None:
    """Image to image with next to no noise keeps the two discs, of which the demo's autoencoder blurs the edge a little."""
    source = "image: discs.png, denoising_strength: 0.02"
    plain = make(source)
    every = changed(plain, make(f"{source}, adetailer: {{{BLUE}, ad_dilate_erode: 0}}"))
    assert near(box(every[:40, :40]), LARGE) and near(box(every[40:, 40:]), tuple(v - 40 for v in SMALL))
    assert not every[40:, :40].any() and not every[:40, 40:].any()
    largest = changed(plain, make(f"{source}, adetailer: {{{BLUE}, ad_dilate_erode: 0, ad_mask_k_largest: 1}}"))
    assert near(box(largest), LARGE)
    sure = changed(plain, make(f"{source}, adetailer: {{{BLUE}, ad_dilate_erode: 0, ad_confidence: 0.85}}"))
    assert near(box(sure), LARGE)
    grown = changed(plain, make(f"{source}, adetailer: {{{BLUE}, ad_dilate_erode: 12, ad_mask_k_largest: 1}}"))
    assert near(box(grown), (LARGE[0] - 6, LARGE[1] - 6, LARGE[2] + 6, LARGE[3] + 6))


def test_a_segmentation_model_paints_shapes_not_boxes(make: Maker) -> None:
    source = "image: discs.png, denoising_strength: 0.02"
    plain = make(source)
    settings = f"{BLUE}, ad_dilate_erode: 0, ad_mask_k_largest: 1"
    disc = changed(plain, make(f"{source}, adetailer: {{ad_model: person_yolov8n-seg, {settings}}}"))
    left, top, right, bottom = box(disc)
    corners = disc[top, left], disc[top, right - 1], disc[bottom - 1, left], disc[bottom - 1, right - 1]
    assert not any(corners) and disc[(top + bottom) // 2, (left + right) // 2]


def test_two_passes_follow_each_other_behind_a_second_pass(make: Maker) -> None:
    image = make(
        "enable_hr: true, hr_upscaler: Lanczos, denoising_strength: 0.01,"
        f" adetailer: [{{ad_model: face_yolov8n.pt, {BLUE}}}, {{ad_model: face_yolov8n.pt, ad_denoising_strength: 0.2}}]"
    )
    assert image.shape == (128, 128, 3)


def test_the_shipped_workflow_runs(make: Maker, root: Path) -> None:
    status = make.run(
        "seed: 1", "--workflow", root / "workflows" / "detail_session.json", "--session-name", "shipped",
        "--checkpoint", "sdgen-demo.safetensors",
    )  # fmt: skip
    assert status["state"] == "completed" and status["done"] == 1
