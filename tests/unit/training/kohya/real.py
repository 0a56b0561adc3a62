"""A real sd-scripts checkout, as ``SDGEN_KOHYA_DIR`` and ``SDGEN_KOHYA_PYTHON`` name it, with Stable Diffusion made tiny.

``python -m tests.unit.training.kohya.real`` runs every failure anew and writes the recorded outputs that the other tests read.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from sdgen_core.training.kohya.trainer import KohyaTrainer
from sdgen_core.training.runs.model import Job, Launch, State

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
COMFYUI = Path(os.environ.get("SDGEN_COMFYUI") or HERE.parents[3] / ".comfyui")
CHECKOUT = os.environ.get("SDGEN_KOHYA_DIR", "")
PYTHON = os.environ.get("SDGEN_KOHYA_PYTHON", "")
_TAIL = 8000  # characters of a log that are recorded


class Tiny(KohyaTrainer):
    """The trainer, but the models are tiny (see ``tiny/``) and on the CPU."""

    def launch(self, job: Job, resume: State | None) -> Launch:
        made = super().launch(job, resume)
        return replace(made, env={**made.env, **_TINY})


_TINY = {"PYTHONPATH": str(HERE / "tiny"), "CUDA_VISIBLE_DEVICES": ""}


def trainer() -> KohyaTrainer:
    return Tiny(CHECKOUT, PYTHON, lambda: COMFYUI)


@functools.cache
def checkpoint() -> Path:
    """The tiny checkpoint, made once a process."""
    path = Path(tempfile.mkdtemp(prefix="sdgen-tiny-")) / "tiny.safetensors"
    environment = surroundings({"PYTHONPATH": f"{HERE / 'tiny'}{os.pathsep}{CHECKOUT}"})
    command = [PYTHON, str(HERE / "tiny" / "build.py"), str(path)]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, timeout=300)
    return path


def images(folder: Path, count: int = 4, size: int = 64) -> Path:
    """A data set of ``count`` images with captions, as other people lay them out."""
    place = folder / "images" / "2_cat"
    place.mkdir(parents=True)
    for number in range(count):
        Image.effect_noise((size, size), 40 + 10 * number).convert("RGB").save(place / f"{number:06d}.png")
        (place / f"{number:06d}.txt").write_text(f"a cat, number {number}", encoding="utf-8")
    return folder


def job(folder: Path, steps: int = 2, options: Mapping[str, Any] | None = None, *, name: str = "smoke") -> Job:
    """A job that trains the tiny checkpoint on four images."""
    data = folder / "data"
    if not data.is_dir():
        images(data)
    own = {"network_dim": 4, "resolution": "64", **(options or {})}
    return Job("run1", name, "kohya", checkpoint(), data, folder / "run", steps, own)


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **_TINY, **more}


@dataclass(frozen=True)
class Ran:
    exit_code: int
    log: str


def run(
    launch: Launch,
    *,
    environment: Mapping[str, str] | None = None,
    limit: int = 0,
    until: str = "",
    send: int = signal.SIGKILL,
) -> Ran:
    """The process, as the supervisor starts it. ``limit``: bytes of memory that it may have; ``until``: a text in the log at which ``send``
    is sent to it."""

    def bound() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            launch.argv,
            cwd=launch.cwd,
            env=surroundings({**launch.env, **(environment or {})}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=bound if limit else None,
        )
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < 240:
            time.sleep(0.02)
            if until and until in _read(log):
                process.send_signal(send)
                until = ""
        if process.poll() is None:
            process.kill()
        return Ran(process.wait(), _read(log))


def _read(log: Any) -> str:
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), size, 0).decode("utf-8", errors="replace")


# ---- every failure of the table --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """A way to fail: options that a job has besides, what is done to the launch, what to the data set, and how the process is run."""

    options: Mapping[str, Any] | None = None
    launch: Callable[[list[str]], Sequence[str]] = lambda argv: argv
    data: Callable[[Path], Any] = lambda folder: None
    environment: Mapping[str, str] | None = None
    limit: int = 0
    until: str = ""
    send: int = signal.SIGKILL
    steps: int = 2


def _with(name: str, value: str) -> Callable[[list[str]], list[str]]:
    """The command line with another value of an option."""
    return lambda argv: [one for one in argv if not one.startswith(f"--{name}=")] + [f"--{name}={value}"]


def _damaged(folder: Path) -> None:
    (folder / "000001.png").write_bytes(b"this is no image")


def _cut(folder: Path) -> None:
    data = (folder / "000001.png").read_bytes()
    (folder / "000001.png").write_bytes(data[: len(data) // 2])


def _config(text: str) -> Callable[[list[str]], list[str]]:
    """The command line, after the data set's description has got one line more."""

    def change(argv: list[str]) -> list[str]:
        path = Path(next(one for one in argv if one.startswith("--dataset_config=")).split("=", 1)[1])
        path.write_text(path.read_text(encoding="utf-8").replace("[[datasets]]\n", f"[[datasets]]\n{text}\n"), "utf-8")
        return argv

    return change


def _without_tokenizers(argv: list[str]) -> list[str]:
    return [one for one in argv if not one.startswith("--tokenizer_cache_dir=")]


def _long_tokenizer(argv: list[str]) -> list[str]:
    cache = Path(next(one for one in argv if one.startswith("--tokenizer_cache_dir=")).split("=", 1)[1])
    for path in cache.glob("*/tokenizer_config.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace('"model_max_length": 77', '"model_max_length": 8192'), "utf-8"
        )
    return argv


def _other_model(argv: list[str]) -> list[str]:
    path = checkpoint().with_name("other.safetensors")
    path.write_bytes((8).to_bytes(8, "little") + b"{}      ")
    return _with("pretrained_model_name_or_path", str(path))(argv)


def _broken_model(argv: list[str]) -> list[str]:
    path = checkpoint().with_name("broken.safetensors")
    path.write_bytes(checkpoint().read_bytes()[:5000])
    return _with("pretrained_model_name_or_path", str(path))(argv)


def _full_disk(argv: list[str]) -> list[str]:
    """The LoRA goes to Linux's device that is always full."""
    output = Path(next(one for one in argv if one.startswith("--output_dir=")).split("=", 1)[1])
    (output / "smoke.safetensors").symlink_to("/dev/full")
    return argv


FAILURES: dict[str, Failure] = {
    "good": Failure({"save_every_n_steps": 2}, steps=6),  # the one that does not fail
    "unknown_flag": Failure(launch=lambda argv: [*argv, "--bogus"]),
    "bad_choice": Failure(launch=_with("mixed_precision", "fp99")),
    "no_checkpoint": Failure(launch=_with("pretrained_model_name_or_path", "/models/gone.safetensors")),
    "no_images": Failure(data=lambda folder: [path.unlink() for path in folder.glob("*.png")]),
    "damaged_image": Failure(data=_damaged),
    "cut_image": Failure(data=_cut),
    "empty_caption": Failure(data=lambda folder: (folder / "000001.txt").write_text("")),
    "caption_no_utf8": Failure(data=lambda folder: (folder / "000001.txt").write_bytes("caf\xe9".encode("latin-1"))),
    "bad_config_key": Failure(launch=_config("bogus = 1")),
    "bad_config_value": Failure(launch=_config('batch_size = "many"')),
    "nan_loss": Failure({"learning_rate": 1e20}, steps=6),
    "out_of_memory": Failure({"train_batch_size": 4, "resolution": "1024"}, limit=4 << 30),
    "killed": Failure(until="steps:", send=signal.SIGKILL, steps=8),
    "interrupted": Failure(until="avr_loss", send=signal.SIGINT, steps=8),
    "terminated": Failure(until="avr_loss", send=signal.SIGTERM, steps=8),
    "code_page": Failure(environment={"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}),
    "no_state": Failure(launch=lambda argv: [*argv, "--resume=/runs/gone-state", "--initial_step=0"]),
    "no_tokenizer": Failure(launch=_without_tokenizers),
    "long_tokenizer": Failure(launch=_long_tokenizer),
    "no_package": Failure(launch=lambda argv: [*argv, "--optimizer_type=Lion"]),
    "other_model": Failure(launch=_other_model),
    "broken_model": Failure(launch=_broken_model),
    "full_disk": Failure(launch=_full_disk),
}


def fail(name: str, folder: Path) -> Ran:
    """Run into a failure."""
    how = FAILURES[name]
    wanted = job(folder, how.steps, how.options)
    launch = trainer().launch(wanted, None)
    how.data(wanted.dataset / "images" / "2_cat")
    changed = replace(launch, argv=tuple(how.launch(list(launch.argv))))
    return run(changed, environment=how.environment, limit=how.limit, until=how.until, send=how.send)


def _record(names: Sequence[str]) -> None:
    for name in names:
        folder = Path(tempfile.mkdtemp(prefix="sdgen-fail-"))
        try:
            ran = fail(name, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        text = ran.log
        for path, word in ((folder, "/run"), (checkpoint().parent, "/models"), (CHECKOUT, "/sd-scripts")):
            text = text.replace(str(path), word)
        text = re.sub(r"/[^\s\"']*/lib/python3\.\d+/", "/lib/python3/", text)
        text = re.sub(r"/[^\s\"']*/(?=bin/python)", "/venv/", text)
        RECORDED.mkdir(exist_ok=True)
        (RECORDED / f"{name}.txt").write_text(f"exit {ran.exit_code}\n{text[-_TAIL:]}", encoding="utf-8", newline="")
        print(name, ran.exit_code, trainer().cause(ran.log, ran.exit_code), flush=True)


if __name__ == "__main__":
    _record(sys.argv[1:] or list(FAILURES))
