"""What the predecessor's parameters meant, made by the demo model through the graphs that ``sdgen generate`` chooses."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdgen_core.cli.graphs import SHIPPED
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.loras import short_hash
from sdgen_core.sessions.samplers import SAMPLERS, SCHEDULERS, comfy_sampler, comfy_scheduler

CONTROLNET, UPSCALER, LORA = "control_v11p_sd15_canny.safetensors", "RealESRGAN_x4plus.pth", "tiny.safetensors"


@pytest.fixture(scope="module")
def server(
    _new_server: Callable[..., ComfyServer], demo_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyServer]:
    """A server with tiny models of every kind. They are real files of real architectures; nobody taught them anything."""
    base = tmp_path_factory.mktemp("graphs")
    for kind in ("controlnet", "upscale_models", "loras"):
        (base / "models" / kind).mkdir(parents=True)
    write_models(base / "models", demo_models / "checkpoints" / "sdgen-demo.safetensors")
    (base / "input").mkdir(exist_ok=True)
    drawn("green", (32, 32)).save(base / "input" / "example.png")
    with _new_server(base) as running:
        yield running


def write_models(models: Path, checkpoint: Path) -> None:
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int, scale: float = 0.05) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    # A LoRA on one matrix of the demo model.
    key = "diffusion_model.joint_blocks.0.x_block.attn.proj"
    save_file(
        {f"{key}.lora_up.weight": noise(128, 4, scale=0.4), f"{key}.lora_down.weight": noise(4, 128, scale=0.4)},
        models / "loras" / LORA,
    )
    # An upscale model (Real-ESRGAN's compact form) with weights of zero: it gives its input four times as large, unchanged.
    shapes = {"0.weight": (8, 3, 3, 3), "0.bias": (8,), "1.weight": (8,), "2.weight": (8, 8, 3, 3), "2.bias": (8,)}
    shapes |= {"3.weight": (8,), "4.weight": (48, 8, 3, 3), "4.bias": (48,)}
    torch.save({f"body.{k}": torch.zeros(v) for k, v in shapes.items()}, models / "upscale_models" / UPSCALER)
    # A ControlNet as SD3 has them: the demo model's own first block, an embedding of the hint, and a way out.
    prefix = "model.diffusion_model."
    with safe_open(checkpoint, framework="pt") as file:
        names = [n for n in file.keys() if n.startswith(prefix)]  # noqa: SIM118
        wanted = ("joint_blocks.0.", "x_embedder.", "t_embedder.", "context_embedder.", "y_embedder.", "pos_embed")
        net = {
            n.removeprefix(prefix): file.get_tensor(n).float()
            for n in names
            if n.removeprefix(prefix).startswith(wanted)
        }
    size, channels = net["x_embedder.proj.weight"].shape[:2]
    net |= {
        "controlnet_blocks.0.weight": torch.eye(size) * 0.5,
        "controlnet_blocks.0.bias": torch.zeros(size),
        "pos_embed_input.proj.weight": noise(size, channels, 2, 2, scale=0.3),
        "pos_embed_input.proj.bias": torch.zeros(size),
        # these two tell ComfyUI what it is
        "transformer_blocks.0.attn.add_q_proj.weight": torch.zeros(size, size),
        "pos_embed.proj.weight": net["x_embedder.proj.weight"].clone(),
    }
    save_file({k: v.contiguous() for k, v in net.items()}, models / "controlnet" / CONTROLNET)


def drawn(colour: str, at: tuple[int, int], radius: int = 9, size: int = 64, ground: str = "white") -> Image.Image:
    """A disc on a ground."""
    image = Image.new("RGB", (size, size), ground)
    x, y = at
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


@pytest.fixture(scope="module")
def reader(root: Path) -> ModuleType:
    """The pixel reader of the demo: what colour and shape a picture shows."""
    for name in ("shapes", "reader"):
        spec = importlib.util.spec_from_file_location(
            f"sdgen_example_{name}", root / "examples" / "demo" / f"{name}.py"
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


def sdgen(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdgen_core.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


class Maker:
    """Orders sessions on the command line and gives their pictures in order."""

    def __init__(self, server: ComfyServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.errors = ""
        self._number = 0

    def template(
        self, parameters: str, prompt: str = "a red circle on a white background", imports: str = "{}"
    ) -> Path:
        self._number += 1
        file = self.folder / f"{self.folder.name}{self._number}.prompt.yaml"
        file.write_text(
            f"""
name: {file.name.partition(".")[0]}
prompt: "{prompt}"
imports: {imports}
generation: {{mode: combinatorial, seed: 1000, seed_mode: fixed, max_images: -1}}
parameters:
  {{width: 64, height: 64, steps: 8, cfg_scale: 2, sampler: Euler, scheduler: SGM Uniform, {parameters}}}
""",
            encoding="utf-8",
        )
        return file

    def run(self, file: Path, *options: object) -> dict[str, Any]:
        done = sdgen("generate", file, "--server", self.server.url, "--json", *options)
        self.errors = done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        answer["returncode"] = done.returncode
        return answer

    def __call__(self, parameters: str, *options: object, **template: str) -> list[Image.Image]:
        status = self.run(self.template(parameters, **template), *options)
        assert status["returncode"] == 0, (status, self.errors)
        assert "no effect" not in self.errors
        return [Image.open(p).convert("RGB") for p in sorted(Path(status["folder"]).glob("*.png"))]

    def refused(self, parameters: str, **template: str) -> dict[str, Any]:
        answer = self.run(self.template(parameters, **template))
        assert answer["returncode"] == 1, answer
        return answer


@pytest.fixture
def make(server: ComfyServer, tmp_path: Path) -> Maker:
    return Maker(server, tmp_path)


def far(a: Image.Image, b: Image.Image) -> float:
    """Mean distance of two pictures, 0…255."""
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean())


def test_text_to_image_is_what_plain_parameters_mean(make: Maker, reader: ModuleType) -> None:
    [image] = make("restore_faces: true, n_iter: 2")
    seen = reader.read(np.asarray(image))
    assert (seen.colour, seen.shape) == ("red", "circle")


def test_image_to_image_keeps_the_colours_of_its_image(make: Maker) -> None:
    """One image per value; the paths lie beside the template and in no input folder. The prompt names no background."""
    grounds = {"a.png": "yellow", "b.png": "blue"}
    for name, ground in grounds.items():
        drawn("red", (32, 32), ground=ground).save(make.folder / name)
    pictures = "{Pic: {a: {main: circle, file: a.png}, b: {main: square, file: b.png}}}"
    options = {"prompt": "a red {Pic}", "imports": pictures}
    plain = make("seed: 1", **options)
    near = make("image: '{Pic:file}', denoising_strength: 0.3", **options)
    assert len(plain) == len(near) == 2
    for name, before, after in zip(grounds, plain, near, strict=True):
        source = border(Image.open(make.folder / name))
        kept, made = (float(np.abs(border(image) - source).mean()) for image in (after, before))
        assert kept < 30 and kept < made / 2, (name, kept, made)
    whole = make("init_image: '{Pic:file}', denoise: 1", **options)
    assert all(far(a, b) > 8 for a, b in zip(near, whole, strict=True))


def border(image: Image.Image) -> Any:
    """The mean colour along the edge."""
    pixels = np.asarray(image.convert("RGB"), np.float64)
    return np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)]).mean(0)


def test_pictures_of_other_sizes_are_fitted(make: Maker) -> None:
    drawn("red", (100, 50), 30, 200).crop((0, 0, 200, 100)).save(make.folder / "wide.jpg", quality=95)
    [image] = make("image: wide.jpg, denoising_strength: 0.02")
    assert image.size == (64, 64)
    middle = Image.open(make.folder / "wide.jpg").crop((50, 0, 150, 100)).resize((64, 64), Image.Resampling.LANCZOS)
    assert far(image, middle) < 15  # the demo's autoencoder blurs


def test_inpainting_leaves_the_rest_untouched(make: Maker, reader: ModuleType) -> None:
    source = drawn("red", (32, 32), 14)
    mask = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(mask).rectangle((12, 12, 51, 51), fill=255)
    mask.save(make.folder / "mask.png")
    holed = source.convert("RGBA")
    holed.putalpha(Image.eval(mask, lambda v: 255 - v))
    holed.save(make.folder / "holed.png")
    source.save(make.folder / "whole.png")
    outside = np.asarray(mask) == 0
    for parameters in ("image: holed.png, mask: alpha", "image: whole.png, mask: mask.png"):
        [image] = make(f"{parameters}, denoising_strength: 1, steps: 12", prompt="a blue square on a white background")
        assert np.array_equal(np.asarray(image)[outside], np.asarray(source)[outside]), parameters
        seen = reader.read(np.asarray(image))
        assert seen.colour == "blue", parameters
    [blurred] = make("image: whole.png, mask: mask.png, mask_blur: 3, denoising_strength: 1", prompt="a blue square")
    assert blurred.size == (64, 64)


@pytest.mark.parametrize(
    ("upscaler", "scale", "size"),
    [("Latent", 2, 128), ("Latent (bicubic)", 1.5, 96), ("Lanczos", 2, 128), ("R-ESRGAN 4x+", 1.5, 96)],
)
def test_the_second_pass_enlarges(make: Maker, upscaler: str, scale: float, size: int) -> None:
    strength = 0.5 if upscaler.startswith("Latent") else 0.01
    [image] = make(
        f"enable_hr: true, hr_scale: {scale}, hr_upscaler: {upscaler}, denoising_strength: {strength},"
        " hr_second_pass_steps: 6"
    )
    assert image.size == (size, size)
    if strength < 0.1:  # the demo model knows 64 pixels only; little noise leaves its picture as it was
        [plain] = make("seed: 1")
        assert far(image.resize((64, 64), Image.Resampling.LANCZOS), plain) < 10


def test_a_controlnet_follows_one_image_per_item(make: Maker) -> None:
    drawn("black", (16, 16)).save(make.folder / "a.png")
    drawn("black", (48, 48)).save(make.folder / "b.png")
    imports = "{Pose: {a: a.png, b: b.png}}"
    unit = f"model: '{CONTROLNET.partition('.')[0]} [d14c016b]', image: '{{Pose}}'"
    plain = make("seed: 1", prompt="a red circle on a white background {Pose}", imports=imports)
    hints = {"prompt": "a red circle on a white background {Pose}", "imports": imports}
    off = make(f"controlnet: {{{unit}, weight: 0}}", **hints)
    assert [far(a, b) for a, b in zip(plain, off, strict=True)] == [0, 0]
    first, second = make(f"controlnet: {{{unit}, weight: 1}}", **hints)
    assert far(first, plain[0]) > 1 and far(second, plain[1]) > 1
    [other] = make(
        f"controlnet: {{{unit.replace('{Pose}', 'b.png')}}}", prompt="a red circle on a white background a.png"
    )
    assert far(other, first) > 1, "the hint of another image is another image"
    [edges, _] = make(f"controlnet: {{{unit}, module: canny, threshold_a: 50, threshold_b: 100}}", **hints)
    assert far(edges, first) > 1


def test_a_lora_of_strength_0_is_none(make: Maker) -> None:
    [plain] = make("seed: 1")
    off, on = make(
        f"lora: {LORA}, lora_strength: '{{Strength}}', checkpoint: sdgen-demo",
        prompt="a red circle on a white background",
        imports="{Strength: {off: '0', on: '1'}}",
    )
    assert far(plain, off) == 0
    assert far(plain, on) > 1


def test_lora_tags_in_the_prompt_are_applied_and_listed_with_their_hashes(make: Maker) -> None:
    [plain] = make("seed: 1")
    status = make.run(
        make.template(
            "seed: 1",
            prompt="a red circle on a white background <lora:tiny:{Strength}>",
            imports="{Strength: {off: '0', on: '1'}}",
        )
    )
    off, on = (Image.open(path) for path in sorted(Path(status["folder"]).glob("*.png")))
    digest = short_hash(make.server.base / "models" / "loras" / LORA)
    assert "Lora hashes" not in off.info["parameters"]
    assert f'Lora hashes: "tiny: {digest}"' in on.info["parameters"]
    assert far(plain, off) == 0
    assert far(plain, on) > 1


def test_everything_at_once(make: Maker) -> None:
    drawn("red", (32, 32)).save(make.folder / "a.png")
    [image] = make(
        f"image: a.png, denoising_strength: 0.5, enable_hr: true, hr_upscaler: R-ESRGAN 4x+, lora: {LORA},"
        f" lora_strength: 0.1, controlnet: {{model: {CONTROLNET}, image: a.png, weight: 0.1}}"
    )
    assert image.size == (128, 128)


def test_what_is_missing_is_named_before_anything_runs(make: Maker) -> None:
    missing = make.refused("image: '{Pose}'", imports="{Pose: {a: nowhere.png}}")
    assert missing["error"] == "missing-file" and "Pose[a]" in missing["message"]
    upscaler = make.refused("enable_hr: true, hr_upscaler: RealESRGAN_x4plos")
    assert upscaler["error"] == "bad-parameter" and UPSCALER in str(upscaler)
    detector = make.refused("adetailer: {ad_model: face_yolov8n.pt}")
    assert detector["error"] == "no-detector" and "Impact" in str(detector)
    sampler = make.refused("sampler_name: DPM++ 2N Karras")
    assert sampler["error"] == "node-error" and "DPM++ 2M" in str(sampler)


def test_a_batch_chooses_for_each_run(make: Maker) -> None:
    drawn("red", (16, 16)).save(make.folder / "corner.png")
    files = [make.template("image: corner.png, denoise: 0.2"), make.template("enable_hr: true")]
    lines = make.folder / "order.txt"
    lines.write_text("\n".join(f.name for f in files), encoding="utf-8")
    done = sdgen("batch", lines, "--server", make.server.url, "--json")
    assert done.returncode == 0, done.stderr
    sizes = []
    for run in json.loads(done.stdout)["runs"]:
        [picture] = Path(run["folder"]).glob("*.png")
        sizes.append(Image.open(picture).size)
    assert sizes == [(64, 64), (128, 128)]


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "detail_session"])  # see test_detail
def test_a_shipped_workflow_runs(make: Maker, root: Path, name: str) -> None:
    file = make.template("denoise: 0.7" if name == "hires_session" else "seed: 1")
    status = make.run(file, "--workflow", root / "workflows" / f"{name}.json", "--session-name", name, "--checkpoint",
                      "sdgen-demo.safetensors")  # fmt: skip
    assert status["returncode"] == 0 and status["state"] == "completed", (status, make.errors)


# ---- names of samplers ----------------------------------------------------------------------------------------------


def test_every_a1111_name_is_one_of_the_server(server: ComfyServer) -> None:
    inputs = server.client.get("/object_info/KSampler")["KSampler"]["input"]["required"]
    samplers, schedulers = inputs["sampler_name"][0], inputs["scheduler"][0]
    assert set(SAMPLERS) <= set(samplers) and set(SCHEDULERS) <= set(schedulers)
    for label in SAMPLERS.values():
        name, implied = comfy_sampler(label, samplers)
        assert SAMPLERS[name] == label and name in samplers and implied in schedulers
        for schedule in ("Karras", "Exponential", "SGM Uniform"):
            assert comfy_sampler(f"{label} {schedule}", samplers) == (name, SCHEDULE[schedule])
    for label in SCHEDULERS.values():
        found = comfy_scheduler(label, schedulers)
        assert found in schedulers and SCHEDULERS[found] == label
    for name in samplers:
        assert comfy_sampler(name, samplers) == (name, None)
    for wrong, near in (("DPM++ 2N", "DPM++ 2M"), ("eular", "euler")):
        with pytest.raises(SDGenError) as caught:
            comfy_sampler(wrong, samplers)
        assert caught.value.code == "bad-parameter" and near in caught.value.nearest
    with pytest.raises(SDGenError) as caught:
        comfy_scheduler("Karas", schedulers)
    assert "Karras" in caught.value.nearest or "karras" in caught.value.nearest


SCHEDULE = {"Karras": "karras", "Exponential": "exponential", "SGM Uniform": "sgm_uniform"}
