"""LoRA tools and theme LoRAs against the real ComfyUI: the pictures are the same, whichever way a LoRA comes to the model."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from sdgen_core.comfy.client import failure
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.training.lora.arithmetic import Applied
from sdgen_core.training.lora.child import find_comfyui, merge_beside

Graph = dict[str, Any]
DEMO = "sdgen-demo.safetensors"
SEEDS = (1000, 1023, 1047)
#: Of 0 to 1. What merging and stacking may change, and what LoRAs must have changed for that to say anything.
SAME, OTHER = 1 / 255, 12 / 255


def make_lora(checkpoint: Path, target: Path, seed: int, size: float = 1.0, form: str = "kohya") -> None:
    """A LoRA of rank 4 for every matrix of the demo's diffusion model, and in kohya's form for two of its text encoder. Each difference
    has ``size`` times half of the weights' own standard deviation."""
    random = torch.Generator().manual_seed(seed)
    out: dict[str, torch.Tensor] = {}
    with safe_open(checkpoint, "pt") as file:
        for name in file.keys():  # noqa: SIM118 - no map
            model, te = "model.diffusion_model.", "text_encoders.clip_l.transformer."
            if name.startswith(model) and name.endswith(".weight"):
                module = name.removeprefix(model).removesuffix(".weight")
                key = f"lora_unet_{module.replace('.', '_')}" if form == "kohya" else f"diffusion_model.{module}"
            elif form == "kohya" and name.startswith(te) and ".layers.0.mlp.fc" in name and name.endswith(".weight"):
                key = f"lora_te1_{name.removeprefix(te).removesuffix('.weight').replace('.', '_')}"
            else:
                continue
            weight = file.get_tensor(name).float()
            if weight.dim() < 2:
                continue
            deviation = float(weight.std()) or 0.01
            down = torch.randn(4, *weight.shape[1:], generator=random)
            up = torch.randn(weight.shape[0], 4, *(1,) * (weight.dim() - 2), generator=random) * deviation * size / 4
            low, high = ("lora_down", "lora_up") if form == "kohya" else ("lora_A", "lora_B")
            out |= {f"{key}.{high}.weight": up.half(), f"{key}.{low}.weight": down.half()}
            if form == "kohya":  # without an alpha the factor is 1
                out[f"{key}.alpha"] = torch.tensor(4.0)
    save_file(out, target, {"ss_base_model_version": "sd3"})


@pytest.fixture(scope="module")
def places(comfy: ComfyServer, demo_models: Path) -> Iterator[tuple[Path, Path, Path]]:
    """(checkpoint, folder of checkpoints, folder of LoRAs) of the running ComfyUI, with LoRAs ``one`` and ``two``."""
    checkpoint = demo_models / "checkpoints" / DEMO
    checkpoints, loras = comfy.base / "models" / "checkpoints", comfy.base / "models" / "loras"
    before = {folder: set(folder.iterdir()) for folder in (checkpoints, loras)}
    (loras / "t").mkdir()
    make_lora(checkpoint, loras / "t" / "one.safetensors", 1)
    make_lora(checkpoint, loras / "t" / "two.safetensors", 2, form="ComfyUI")
    yield checkpoint, checkpoints, loras
    for folder, those in before.items():
        for path in set(folder.iterdir()) - those:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def graph(checkpoint: str, loras: list[tuple[str, float]], seed: int) -> Graph:
    """Core nodes alone, with the demo's settings."""
    nodes: Graph = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}}}
    model, clip = ["1", 0], ["1", 1]
    for number, (name, strength) in enumerate(loras):
        inputs = {
            "model": model,
            "clip": clip,
            "lora_name": name,
            "strength_model": strength,
            "strength_clip": strength,
        }
        nodes[f"l{number}"] = {"class_type": "LoraLoader", "inputs": inputs}
        model, clip = [f"l{number}", 0], [f"l{number}", 1]
    sampler = {
        "model": model, "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": seed, "steps": 12,
        "cfg": 2, "sampler_name": "euler", "scheduler": "sgm_uniform", "denoise": 1,
    }  # fmt: skip
    return {
        **nodes,
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": clip, "text": "a red circle on a blue background"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": clip, "text": ""}},
        "4": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": sampler},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "lora/p"}},
    }


@pytest.fixture(scope="module")
def pictures(
    comfy: ComfyServer, post_prompt: Callable[..., str], wait_for_prompt: Callable[..., dict[str, Any]]
) -> Callable[..., np.ndarray]:
    """``pictures(checkpoint, loras)`` → [seeds, h, w, 3] of 0 to 1."""

    def make(checkpoint: str = DEMO, loras: list[tuple[str, float]] | None = None) -> np.ndarray:
        out = []
        for seed in SEEDS:
            entry = wait_for_prompt(comfy, post_prompt(comfy, graph(checkpoint, loras or [], seed)))
            assert entry["status"]["status_str"] == "success", failure(entry)
            [image] = entry["outputs"]["7"]["images"]
            path = comfy.base / "output" / image["subfolder"] / image["filename"]
            out.append(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255)
        return np.stack(out)

    return make


def cached_nodes(entry: dict[str, Any]) -> list[str]:
    """The nodes of a prompt that ComfyUI did not run."""
    assert entry["status"]["status_str"] == "success", failure(entry)
    return [node for kind, said in entry["status"]["messages"] if kind == "execution_cached" for node in said["nodes"]]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The mean over all pixels and colours, 0 to 1."""
    out = float(np.abs(one - other).mean())
    print(f"{out * 255:.4f}/255")
    return out


def sdgen(*arguments: object, expect: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "sdgen_core.cli", "lora", *map(str, arguments), "--json"],
        capture_output=True, text=True, encoding="utf-8", timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_merged_and_stacked_make_the_pictures_of_loras_at_run_time(
    places: tuple[Path, Path, Path], pictures: Callable[..., np.ndarray], comfyui_folder: Path
) -> None:
    checkpoint, checkpoints, loras = places
    one, two = (loras / "t" / f"{name}.safetensors" for name in ("one", "two"))
    base = pictures()
    at_run_time = pictures(loras=[("t/one.safetensors", 0.8), ("t/two.safetensors", -0.5)])
    assert difference(base, at_run_time) > OTHER, "LoRAs that change nothing would prove nothing"

    made = sdgen(
        "merge", checkpoint, f"{one}=0.8", f"{two}=-0.5", "-o", checkpoints / "merged.safetensors",
        "--comfyui", comfyui_folder,
    )  # fmt: skip
    assert made["modules"] == 50 - 2 and made["left_out"] == 0 and made["changed"] == 25 and made["family"] == "SD 3"
    merged = pictures("merged.safetensors")
    assert difference(merged, at_run_time) < SAME
    assert difference(merged, base) > OTHER

    sdgen("stack", f"{one}=0.8", f"{two}=-0.5", "-o", loras / "t" / "both.safetensors")
    stacked = pictures(loras=[("t/both.safetensors", 1.0)])
    assert difference(stacked, at_run_time) < SAME
    # a rank that holds all of it is the same LoRA; one that holds a part is nearer to it than none at all
    sdgen("resize", loras / "t" / "both.safetensors", "--rank", 8, "-o", loras / "t" / "same.safetensors")
    assert difference(pictures(loras=[("t/same.safetensors", 1.0)]), at_run_time) < SAME

    # the file: the same tensors and metadata, and what is in it now
    with safe_open(checkpoint, "pt") as before, safe_open(checkpoints / "merged.safetensors", "pt") as after:
        assert list(after.keys()) == list(before.keys())
        metadata = after.metadata()
        assert before.metadata().items() <= metadata.items()
        assert metadata["modelspec.merged_from"] == f"{DEMO}, one.safetensors, two.safetensors"
        [said] = json.loads(metadata["sdgen.merged"])
        assert [lora["strength"] for lora in said["loras"]] == [0.8, -0.5] and len(said["checkpoint"]["sha256"]) == 64
        unchanged = 0
        for name in before.keys():  # noqa: SIM118
            old, new = before.get_tensor(name), after.get_tensor(name)
            assert old.dtype == new.dtype and old.shape == new.shape
            unchanged += bool(torch.equal(old, new))
        assert unchanged == 387 - 25


def test_strengths_of_model_and_text_encoder_are_kept_apart(
    places: tuple[Path, Path, Path], pictures: Callable[..., np.ndarray], comfyui_folder: Path
) -> None:
    checkpoint, checkpoints, loras = places
    sdgen(
        "merge", checkpoint, f"{loras / 't' / 'one.safetensors'}=0,1", "-o", checkpoints / "texts.safetensors",
        "--comfyui", comfyui_folder,
    )  # fmt: skip
    with safe_open(checkpoint, "pt") as before, safe_open(checkpoints / "texts.safetensors", "pt") as after:
        names = before.keys()
        changed = [name for name in names if not torch.equal(before.get_tensor(name), after.get_tensor(name))]
    assert len(changed) == 2 and all(name.startswith("text_encoders.") for name in changed)


def test_a_lora_of_another_model_is_refused_with_both_families(
    places: tuple[Path, Path, Path], comfyui_folder: Path, tmp_path: Path
) -> None:
    checkpoint, _, loras = places
    foreign = {
        f"lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.{part}.weight": torch.ones(shape)
        for part, shape in (("lora_up", (320, 4)), ("lora_down", (4, 768)))
    }
    save_file(foreign, tmp_path / "sd1.safetensors")
    options = ("-o", tmp_path / "out.safetensors", "--comfyui", comfyui_folder)
    said = sdgen("merge", checkpoint, tmp_path / "sd1.safetensors", *options, expect=1)
    assert said["error"] == "lora-does-not-fit"
    for words in ("a LoRA for SD 1", "the family SD 3", "none of its 1 modules"):
        assert words in said["message"]
    # one module more than the model has, and one of another shape
    with safe_open(loras / "t" / "one.safetensors", "pt") as file:
        mixed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wide = "lora_unet_context_embedder.lora_down.weight"
    save_file({**mixed, **foreign, wide: torch.ones(4, 4095).half()}, tmp_path / "mixed.safetensors")
    said = sdgen("merge", checkpoint, tmp_path / "mixed.safetensors", *options, expect=1)
    assert said["error"] == "lora-does-not-fit" and "24 of its 26 modules" in said["message"]
    assert "--partly" in said["hint"] and not (tmp_path / "out.safetensors").exists()
    made = sdgen("merge", checkpoint, tmp_path / "mixed.safetensors", "--partly", *options)
    assert (made["modules"], made["left_out"], made["changed"]) == (24, 2, 24)
    said = sdgen("merge", checkpoint, loras / "t" / "one.safetensors", *options, expect=1)
    assert said["error"] == "file-exists" and list(tmp_path.glob("*.tmp")) == []


def test_a_merge_that_is_broken_off_leaves_nothing(
    places: tuple[Path, Path, Path], comfyui_folder: Path, tmp_path: Path
) -> None:
    checkpoint, _, loras = places

    def interrupt(at: int, done: int, total: int) -> None:
        assert total == 387 and done <= at
        if done == at:
            assert not done or list(tmp_path.glob("*.tmp")), "it is being written"
            raise KeyboardInterrupt

    wanted = [Applied(loras / "t" / "one.safetensors")]
    for at in (0, 1):  # while the checkpoint is hashed, and while the new one is written
        stop = functools.partial(interrupt, at)
        with pytest.raises(KeyboardInterrupt):
            merge_beside(comfyui_folder, checkpoint, wanted, tmp_path / "out.safetensors", progress=stop)
        assert list(tmp_path.iterdir()) == []
    # a folder that is no ComfyUI, and one whose code does not run
    with pytest.raises(SDGenError) as caught:
        find_comfyui(tmp_path)
    assert caught.value.code == "comfyui-not-found"
    (tmp_path / "comfy").mkdir()
    (tmp_path / "comfy" / "cli_args.py").write_text("raise ImportError('no torch here')", encoding="utf-8")
    with pytest.raises(SDGenError, match="no torch here") as caught:
        merge_beside(tmp_path, checkpoint, wanted, tmp_path / "out.safetensors")
    assert caught.value.code == "comfyui-not-usable"


def test_a_diffusion_model_alone_and_a_quantised_one(
    places: tuple[Path, Path, Path], comfyui_folder: Path, tmp_path: Path
) -> None:
    checkpoint, _, loras = places
    prefix = "model.diffusion_model."
    with safe_open(checkpoint, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        alone = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    save_file(alone, tmp_path / "unet.safetensors")
    two, options = loras / "t" / "two.safetensors", ("--comfyui", comfyui_folder)
    made = sdgen("merge", tmp_path / "unet.safetensors", two, "-o", tmp_path / "a.safetensors", *options)
    assert made["changed"] == 23 and made["left_out"] == 0
    one = loras / "t" / "one.safetensors"  # it changes the text encoder, too
    said = sdgen("merge", tmp_path / "unet.safetensors", one, "-o", tmp_path / "b.safetensors", *options, expect=1)
    assert said["error"] == "lora-does-not-fit" and "23 of its 25 modules" in said["message"]
    save_file({**alone, "scaled_fp8": torch.zeros(2)}, tmp_path / "scaled.safetensors")
    said = sdgen("merge", tmp_path / "scaled.safetensors", two, "-o", tmp_path / "b.safetensors", *options, expect=1)
    assert said["error"] == "not-mergeable" and "quantised" in said["message"]


def test_names_and_places_of_the_great_families(comfyui_folder: Path, tmp_path: Path, root: Path) -> None:
    """SD 1 and SDXL by their real shapes, kohya's names, and where the checkpoint keeps what ComfyUI cuts apart."""
    done = subprocess.run(
        [sys.executable, root / "tests" / "comfy" / "lora_families.py", comfyui_folder, tmp_path],
        capture_output=True, text=True, timeout=180, check=False, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for family, shown in (("SD15", "SD 1"), ("SDXL", "SDXL"), ("FLUX", "FLUX")):
        assert said[family]["misses"] == [] and all(said[family]["right"].values()), said[family]
        assert said[family]["family"] == said[family]["lora"] == shown
    # fewer tensors than modules: OpenCLIP's query, key and value lie in one
    assert said["SDXL"]["modules"] - said["SDXL"]["tensors"] == 2 * 32
    assert said["SD15"]["modules"] == said["SD15"]["tensors"] > 250
    assert said["FLUX"]["size"] > 23e9 and said["FLUX"]["kilobytes"] < 6e6, "a checkpoint is never in memory as a whole"
    crossed = said["crossed"]
    assert crossed["family"] == "SDXL" and crossed["matched"] < crossed["modules"] / 2


def test_every_kind_of_adapter_merges_as_comfyui_applies_it(
    places: tuple[Path, Path, Path], pictures: Callable[..., np.ndarray], comfyui_folder: Path
) -> None:
    checkpoint, checkpoints, loras = places
    random = torch.Generator().manual_seed(7)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random) * 0.15

    mlp, qkv = (f"diffusion_model.joint_blocks.0.x_block.{name}" for name in ("mlp.fc1", "attn.qkv"))
    other, proj = (f"diffusion_model.joint_blocks.1.x_block.{name}" for name in ("mlp.fc1", "attn.proj"))
    kinds = {
        f"{mlp}.hada_w1_a": numbers(512, 4), f"{mlp}.hada_w1_b": numbers(4, 128),
        f"{mlp}.hada_w2_a": numbers(512, 4), f"{mlp}.hada_w2_b": numbers(4, 128), f"{mlp}.alpha": torch.tensor(4.0),
        f"{qkv}.lokr_w1": numbers(12, 8), f"{qkv}.lokr_w2": numbers(32, 16),
        f"{other}.lora_up.weight": numbers(512, 2), f"{other}.lora_down.weight": numbers(2, 128),
        f"{other}.dora_scale": torch.full((512, 1), 1.5), f"{other}.alpha": torch.tensor(2.0),
        f"{proj}.diff": numbers(128, 128), f"{proj}.diff_b": numbers(128),
    }  # fmt: skip
    save_file(kinds, loras / "t" / "kinds.safetensors")
    said = sdgen("info", loras / "t" / "kinds.safetensors")[0]
    assert said["kinds"] == {"loha": 1, "lokr": 1, "dora": 1, "diff": 1} and said["form"] == "ComfyUI"
    at_run_time = pictures(loras=[("t/kinds.safetensors", 1.0)])
    assert difference(pictures(), at_run_time) > OTHER
    file = checkpoints / "kinds.safetensors"
    made = sdgen("merge", checkpoint, loras / "t" / "kinds.safetensors", "-o", file, "--comfyui", comfyui_folder)
    assert made["changed"] == 5  # the difference has a bias, too
    assert difference(pictures("kinds.safetensors"), at_run_time) < SAME


def test_the_node_merges_what_a_graph_can_load_at_once(
    comfy: ComfyServer,
    places: tuple[Path, Path, Path],
    pictures: Callable[..., np.ndarray],
    run_prompt: Callable[..., dict[str, Any]],
) -> None:
    _, checkpoints, _ = places
    inputs = {"checkpoint": DEMO, "lora": "t/one.safetensors", "strength": 0.6, "name": "by-node", "more": "two = 0.4"}
    node = {"1": {"class_type": "SDGenMergeLoRA", "inputs": inputs}}
    entry = run_prompt(comfy, node)
    assert entry["status"]["status_str"] == "success", failure(entry)
    [said] = entry["outputs"]["1"]["text"]
    assert "by-node.safetensors" in said and "48 modules" in said
    at_run_time = pictures(loras=[("t/one.safetensors", 0.6), ("t/two.safetensors", 0.4)])
    assert difference(pictures("by-node.safetensors"), at_run_time) < SAME
    # queued again: nothing is made, and what goes on with it keeps its loaded model; a file that is gone is made again
    file = checkpoints / "by-node.safetensors"
    before = file.stat()
    loads = {"2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ["1", 0]}}}
    shown = {"3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}}
    first, again = (run_prompt(comfy, {**node, **loads, **shown}) for _ in range(2))
    assert "is there already, made of the same" in first["outputs"]["1"]["text"][0]
    assert set(cached_nodes(again)) >= {"1", "2"}
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    file.unlink()
    assert "48 modules" in run_prompt(comfy, node)["outputs"]["1"]["text"][0] and file.is_file()
    # another merge overwrites nothing; a name cannot lead elsewhere
    entry = run_prompt(comfy, {"1": {**node["1"], "inputs": {**inputs, "more": "two = 0.3"}}})
    assert "file-exists" in str(failure(entry))
    entry = run_prompt(comfy, {"1": {**node["1"], "inputs": {**inputs, "name": "../../x"}}})
    assert "leads out of" in str(failure(entry))
    assert not (checkpoints.parents[1] / "x.safetensors").exists()


def test_a_theme_s_lora_is_in_its_pictures(
    comfy: ComfyServer, places: tuple[Path, Path, Path], pictures: Callable[..., np.ndarray], tmp_path: Path, root: Path
) -> None:
    """``sdgen generate --theme`` on the demo's own graph, which knows nothing of LoRAs."""
    theme = tmp_path / "sea" / "theme.yaml"
    theme.parent.mkdir()
    words = "type: theme_config\nimports: {Shape: {c: circle}}\n"
    theme.write_text(words + "lora: {name: one, strength: 0.8}\n", encoding="utf-8")
    prompt = tmp_path / "p.prompt.yaml"
    prompt.write_text(
        "name: p\nprompt: a red {Shape} on a blue background\nthemes: {explicit: {sea: sea/theme.yaml}}\n"
        f"generation: {{mode: combinatorial, seed: {SEEDS[0]}, seed_mode: fixed}}\n"
        "parameters: {width: 64, height: 64, steps: 12, cfg_scale: 2, sampler: euler, scheduler: sgm_uniform}\n",
        encoding="utf-8",
    )

    def generate(name: str, *more: str) -> subprocess.CompletedProcess[str]:
        workflow = root / "workflows" / "api" / "txt2img_session.json"
        command = ["generate", prompt, "--workflow", workflow, "--theme", "sea", "--server", comfy.url]
        return subprocess.run(
            [sys.executable, "-m", "sdgen_core.cli", *map(str, command), "--session-name", name, "--json", *more],
            capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip

    done = generate("with-lora")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    [file] = folder.glob("*.png")
    picture = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255
    assert difference(picture, pictures(loras=[("t/one.safetensors", 0.8)])[0]) < SAME
    assert difference(picture, pictures()[0]) > OTHER
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    said = [{"name": "t/one.safetensors", "strength": 0.8}]
    assert manifest["snapshot"]["sdgen"]["loras"] == said and manifest["images"][0]["sdgen"]["loras"] == said
    assert "one:" in Image.open(file).info["parameters"], "A1111's list of LoRA hashes"

    theme.write_text(words + "lora: {name: oen, strength: 0.8}\n", encoding="utf-8")
    done = generate("without")
    assert done.returncode == 1 and "[missing-lora]" in done.stdout, done.stdout
    assert "Did you mean 't/one.safetensors'?" in done.stdout and not list(folder.parent.glob("*without*"))
