"""A job becomes a command line that sd-scripts' own parser takes, or is refused with everything that is wrong."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.errors import CODES, SDGenError
from sdgen_core.training.kohya import preflight, trainer
from sdgen_core.training.kohya.preflight import Facts
from sdgen_core.training.kohya.trainer import KohyaTrainer
from sdgen_core.training.runs.model import Job, Problem, Seen, State
from sdgen_core.training.runs.trainers import trainers

from .conftest import PACKAGES
from .test_families import FLUX, SD2, SDXL


def _with(job: Job, **options: Any) -> Job:
    return dataclasses.replace(job, options=options)


def _fatal(kohya: KohyaTrainer, job: Job) -> list[Problem]:
    found = kohya.check(job)
    assert all(one.code in CODES for one in found if one.fatal and not one.file.endswith((".png", ".txt")))
    return [one for one in found if one.fatal]


def _read(kohya: KohyaTrainer, job: Job, resume: State | None = None) -> dict[str, Any]:
    """The command line as the script's parser reads it."""
    launch = kohya.launch(job, resume)
    assert Path(launch.argv[0]).name == "python" and all(isinstance(one, str) for one in launch.argv)
    spec = importlib.util.spec_from_file_location("train_network", launch.cwd / "train_network.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module.setup_parser().parse_args(launch.argv[2:]))


def test_a_good_job_has_nothing_fatal_and_its_command_line_is_read_as_meant(kohya: KohyaTrainer, job: Job) -> None:
    assert _fatal(kohya, job) == []
    read = _read(kohya, _with(job, network_dim=8, metadata_title="-- x"))
    said = {
        "pretrained_model_name_or_path": str(job.base),
        "output_dir": str(job.output),
        "output_name": "my cat",
        "network_module": "networks.lora",
        "network_dim": 8,
        "metadata_title": "-- x",
        "max_train_steps": 100,
        "save_every_n_steps": 10,
        "save_state": True,
        "caption_extension": ".txt",
        "console_log_simple": True,
        "training_comment": "SDGen run id7",
        "resume": None,
        "initial_step": None,
        "resolution": "512,512",
        "learning_rate": 1e-4,
        "max_data_loader_n_workers": 0,
        "log_with": "tensorboard",
    }
    assert {name: read[name] for name in said} == said
    config = Path(read["dataset_config"]).read_text(encoding="utf-8")
    assert "num_repeats = 3" in config and json.dumps(str(job.dataset / "3_cat"), ensure_ascii=False) in config
    assert (Path(read["tokenizer_cache_dir"]) / "openai_clip-vit-large-patch14" / "vocab.json").is_file()


def test_the_process_speaks_utf8_and_asks_no_network(kohya: KohyaTrainer, job: Job) -> None:
    launch = kohya.launch(job, None)
    wanted = {"PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    assert wanted.items() <= launch.env.items()
    assert launch.output == job.output / "my cat.safetensors" and launch.saves and launch.steps == 100
    assert launch.events == job.events / "from_00000000" and "accelerate" not in " ".join(launch.argv)


def test_what_goes_on_trains_the_rest_in_a_folder_of_its_own(kohya: KohyaTrainer, job: Job, tmp_path: Path) -> None:
    state = State(tmp_path / "a-state", 40)
    launch, read = kohya.launch(job, state), _read(kohya, job, state)
    assert (read["resume"], read["initial_step"], read["max_train_steps"]) == (str(state.folder), 0, 60)
    assert launch.steps == 60 and launch.output == job.output / "from_00000040" / "my cat.safetensors"
    assert launch.events == job.events / "from_00000040" and read["save_every_n_steps"] == 10
    with pytest.raises(SDGenError, match="all its 100 steps"):
        kohya.launch(job, State(tmp_path / "a-state", 100))


def test_a_schedule_that_cannot_go_on_saves_no_states_and_says_so(kohya: KohyaTrainer, job: Job) -> None:
    curved = _with(job, lr_scheduler="cosine", lr_warmup_steps=10)
    assert any("cannot go on exactly" in one.message for one in kohya.check(curved))
    assert not kohya.launch(curved, None).saves and not _read(kohya, curved)["save_state"]
    plain = _read(kohya, _with(job, lr_scheduler="cosine"))
    assert (plain["lr_scheduler_type"], plain["lr_scheduler_args"]) == ("CosineAnnealingLR", ["T_max=100"])


def _state(folder: Path, step: int, *, whole: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": step}), encoding="utf-8")
    for name in ("model.safetensors", "optimizer.bin", "scheduler.bin"):
        (folder / name).write_bytes(b"x")
    if whole:
        with zipfile.ZipFile(folder / "random_states_0.pkl", "w") as file:
            file.writestr("a", "b")
    else:
        (folder / "random_states_0.pkl").write_bytes(b"PK\x03\x04 cut")
    return folder


def test_states_have_absolute_steps_over_all_processes(kohya: KohyaTrainer, job: Job) -> None:
    assert kohya.states(job) == []
    first = _state(job.output / "my cat-step00000040-state", 40)
    second = _state(job.output / "from_00000040" / "my cat-step00000030-state", 30)
    last = _state(job.output / "from_00000040" / "my cat-state", 60)
    _state(job.output / "from_00000040" / "my cat-step00000050-state", 50, whole=False)
    (job.output / "from_odd").mkdir()
    (job.output / "unfinished-state").mkdir()
    assert kohya.states(job) == [State(first, 40), State(second, 70), State(last, 100)]


def test_a_presets_options_yield_to_those_given(kohya: KohyaTrainer, job: Job) -> None:
    read = _read(kohya, _with(job, preset="sd15-16", train_batch_size=1))
    assert (read["train_batch_size"], read["optimizer_type"], read["lr_warmup_steps"]) == (1, "AdamW", 5)
    (problem,) = _fatal(kohya, _with(job, preset="sd15-61"))
    assert "there is no preset 'sd15-61'. Did you mean 'sd15-16'" in problem.message


@pytest.mark.parametrize(("size", "taken"), [(256, "256,256"), (1024, "512")])
def test_images_of_a_data_set_are_not_enlarged_to_the_presets_size(
    kohya: KohyaTrainer, job: Job, size: int, taken: str
) -> None:
    record = {
        "form": 1,
        "name": "cat",
        "recipe": {},
        "counts": {},
        "images": [],
        "resolution": [size] * 2,
        "bounds": [64, 2048],
    }
    (job.dataset / "dataset.json").write_text(json.dumps(record), encoding="utf-8")
    assert _read(kohya, _with(job, preset="sd15-8"))["resolution"] == taken


def test_all_that_is_wrong_is_said_at_once(kohya: KohyaTrainer, job: Job) -> None:
    found = _fatal(kohya, dataclasses.replace(_with(job, bogus=1, network_dim="x", resume="y"), name="a/b"))
    assert [one.option for one in found] == ["bogus", "network_dim", "resume", "name"]
    with pytest.raises(SDGenError, match="no option 'bogus'"):
        kohya.launch(_with(job, bogus=1), None)


def test_a_checkpoint_of_another_architecture_is_named_with_the_one_wanted(
    kohya: KohyaTrainer, job: Job, model
) -> None:
    other = dataclasses.replace(job, base=model(SDXL, "sdxl.safetensors"), options={"preset": "sd15-8"})
    (problem,) = _fatal(kohya, other)
    assert problem.code == "bad-base-model" and "preset sd15-8 is for Stable Diffusion 1.5" in problem.message
    assert problem.message.endswith("is SDXL")
    (problem,) = _fatal(kohya, dataclasses.replace(job, base=model(SD2, "sd2.safetensors")))
    assert "is Stable Diffusion 2; sd-scripts trains Stable Diffusion 1.5, SDXL, FLUX" in problem.message
    (problem,) = _fatal(kohya, dataclasses.replace(job, base=job.base.with_suffix(".ckpt")))
    assert "no safetensors file" in problem.message


def test_flux_names_the_files_that_it_needs(kohya: KohyaTrainer, job: Job, model) -> None:
    found = _fatal(kohya, dataclasses.replace(job, base=model(FLUX, "flux.safetensors")))
    assert [one.option for one in found] == ["clip_l", "t5xxl", "ae"]


def test_images_that_would_end_the_training_are_named(kohya: KohyaTrainer, job: Job) -> None:
    (job.dataset / "3_cat" / "4.png").write_bytes(b"no image")
    (job.dataset / "3_cat" / "5.txt").write_text("", encoding="utf-8")
    assert {one.file for one in _fatal(kohya, job)} == {"3_cat/4.png", "3_cat/5.txt"}
    shutil.rmtree(job.dataset / "3_cat")
    assert any(str(job.dataset) in one.message for one in _fatal(kohya, job))


def test_a_card_and_packages_that_do_not_do(kohya: KohyaTrainer, job: Job, facts: Callable[..., None]) -> None:
    facts(device="cpu", card="", errors={"bitsandbytes": "ModuleNotFoundError: No module named 'bitsandbytes'"})
    found = _fatal(kohya, _with(job, optimizer_type="AdamW8bit"))
    assert [one.option for one in found] == ["optimizer_type", "optimizer_type"]
    assert "lacks the package bitsandbytes" in found[0].message and "sees none" in found[1].message
    facts(memory=12 << 30)
    said = [one.message for one in kohya.check(_with(job, preset="sd15-16")) if one.option == "preset"]
    assert said == ["preset sd15-16 is for 16 GB; Card has 12.0 GB"]
    assert not [one for one in kohya.check(_with(job, preset="sd15-12")) if one.option == "preset"]
    facts(bf16=False)
    assert _read(kohya, job)["mixed_precision"] == "fp16"
    assert [one.option for one in _fatal(kohya, _with(job, mixed_precision="bf16"))] == ["mixed_precision"]


def test_a_full_disk_and_missing_tokenizers(
    kohya: KohyaTrainer, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(trainer.shutil, "disk_usage", lambda path: usage._replace(free=10 << 20))
    (problem,) = _fatal(kohya, job)
    assert problem.code == "disk-full" and "10 MB free" in problem.message
    monkeypatch.undo()
    monkeypatch.setattr(preflight, "ask", lambda where, wanted: Facts((3, 11), PACKAGES))
    (tmp_path / "comfyui" / "comfy" / "sd1_tokenizer" / "vocab.json").unlink()
    assert [one.code for one in _fatal(kohya, job)] == ["no-tokenizer"]


def test_settings_that_name_no_checkout_are_a_problem_of_the_job(job: Job, tmp_path: Path) -> None:
    found = _fatal(KohyaTrainer("", "", lambda: tmp_path), job)
    assert [one.code for one in found] == ["kohya-not-found"]


def test_a_log_is_read_and_states_are_found_without_a_comfyui(job: Job) -> None:
    def gone() -> Any:
        raise SDGenError("comfyui-not-found", "there is none")

    made = trainers(gone, kohya_folder="/nowhere")("kohya")
    assert made.read("steps:  50%|#####     | 1/2 [00:01<00:01,  1.0s/it, avr_loss=0.5]") == Seen(1, 2, 0.5, "training")
    assert made.states(job) == []


def test_the_form_is_of_the_checkpoints_own_script(kohya: KohyaTrainer, job: Job, model) -> None:
    assert kohya.form(job.base)["script"] == "train_network.py"
    assert kohya.form(model(FLUX, "flux.safetensors"))["family"] == "flux"
