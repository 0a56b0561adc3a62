"""The process of a run: starts ComfyUI, has it train part by part, and prints how far it is (see ``lines``).

It is started by ``start.py``, with the JSON of a ``Plan``. ComfyUI runs on a free port of this machine, with
folders of its own within the run's, without other nodes, and ends with this process, however that ends (see ``guard``). The exit code is
0 when the LoRA was written.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...comfy.client import ComfyClient, failure
from ...comfy.runtime import free_port
from ...errors import SDGenError, shown
from ...sessions.files import sha256_file
from ..runs.model import Cause, Job
from . import lines, weights
from .causes import KILLED, NAN, cause_of, told
from .graph import Part, parts, training
from .installation import Installation
from .lines import Bar
from .pictures import Picture, lay_out, pictures

GUARD = Path(__file__).with_name("guard.py")
_START_SECONDS = 300.0
_LOOK_SECONDS = 0.2
_BAR_SECONDS = 5.0  # for what is printed to be read
_TAIL = 60  # lines of ComfyUI's that are looked at for a cause
_SIZES = re.compile(r"Latent shapes: \{(.*)\}")


class Failed(Exception):
    """The run cannot go on."""

    def __init__(self, cause: Cause) -> None:
        self.cause = cause
        super().__init__(cause.sentence)


@dataclass(frozen=True)
class Plan:
    """What the worker is told. ``options`` are all that the node takes; ``state`` is the folder to go on from, ``begin`` its step."""

    job: Job
    installation: Installation
    options: Mapping[str, Any]
    save_every: int
    output: Path
    state: Path | None = None
    begin: int = 0

    def to_json(self) -> dict[str, Any]:
        where = self.installation
        return {
            "job": self.job.to_json(),
            "comfyui": str(where.comfyui),
            "python": str(where.python),
            "flags": list(where.flags),
            "packages": str(where.packages) if where.packages else None,
            "options": dict(self.options),
            "save_every": self.save_every,
            "output": str(self.output),
            "state": str(self.state) if self.state else None,
            "begin": self.begin,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Plan:
        packages = Path(said["packages"]) if said["packages"] else None
        where = Installation(Path(said["comfyui"]), Path(said["python"]), tuple(said["flags"]), packages)
        state = Path(said["state"]) if said["state"] else None
        job, output = Job.from_json(said["job"]), Path(said["output"])
        return cls(job, where, said["options"], said["save_every"], output, state, said["begin"])


def say(line: str) -> None:
    """To the log at once: the supervisor reads it."""
    print(line, flush=True)


# ---- ComfyUI ---------------------------------------------------------------------------------------------------------------


class Comfy:
    """A ComfyUI of the run's own. What it prints is handed on, but for the bars of its training, which go to ``bar``."""

    def __init__(self, plan: Plan, base: Path) -> None:
        self._where, self.base = plan.installation, base
        self._models = plan.job.base.parent
        self.bar: Bar | None = None
        self.steps: queue.Queue[tuple[int, float]] = queue.Queue()
        self.tail: list[str] = []
        port = free_port()
        self.client = ComfyClient(f"http://127.0.0.1:{port}")
        self._process = self._started(port)
        self._reader = threading.Thread(target=self._read, name="comfyui", daemon=True)
        self._reader.start()

    def _started(self, port: int) -> subprocess.Popen[bytes]:
        for name in ("input", "output", "temp", "user", "custom_nodes", "models/loras", "page"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        models = self.base / "models.yaml"  # JSON is YAML too
        # before the folders of ComfyUI's own extra_model_paths.yaml, which may have a checkpoint of the same name
        places = {"sdgen": {"is_default": True, "checkpoints": str(self._models)}}
        models.write_text(json.dumps(places), encoding="utf-8")
        (
            self.base / "page" / "index.html"
        ).touch()  # ComfyUI ends where it has none, and not every installation has one
        command = [
            str(self._where.python),
            str(GUARD),
            str(self._where.main),
            "--listen",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--base-directory", str(self.base), "--extra-model-paths-config", str(models)]
        command += ["--database-url", f"sqlite:///{(self.base / 'user' / 'comfyui.db').as_posix()}"]
        command += [
            "--front-end-root",
            str(self.base / "page"),
            "--disable-auto-launch",
            "--disable-api-nodes",
            "--disable-all-custom-nodes",
            *self._where.flags,
        ]
        try:
            return subprocess.Popen(
                command,
                cwd=self._where.comfyui,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise Failed(Cause("server-start-failed", f"{shown(self._where.python)} cannot be run: {error}")) from error

    def _environment(self) -> dict[str, str]:
        out = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:replace"}
        # tqdm is to draw every pass, and not to cut the bar at the width of a terminal: the loss stands at its end
        out |= {"TQDM_MININTERVAL": "0", "TQDM_MINITERS": "1", "COLUMNS": "300", "LINES": "50"}
        if "--cpu" in self._where.flags:
            out.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in comfy.runtime
        if self._where.packages is not None:
            out["PYTHONPATH"] = os.pathsep.join(filter(None, [str(self._where.packages), out.get("PYTHONPATH", "")]))
        return out

    def _read(self) -> None:
        """Read what it prints: bars come between carriage returns, so not by lines."""
        assert self._process.stdout is not None
        left = b""
        while data := os.read(self._process.stdout.fileno(), 65536):
            *whole, left = re.split(rb"[\r\n]", left + data)
            for piece in whole:
                self._heard(piece.decode("utf-8", "replace"))
        self._heard(left.decode("utf-8", "replace"))

    def _heard(self, piece: str) -> None:
        if not piece.strip():
            return
        if "Training LoRA:" in piece:
            if self.bar is not None:
                for step in self.bar.read(piece):
                    self.steps.put(step)
            return
        if (sizes := _SIZES.search(piece)) and self.bar is not None:
            # of images of several sizes, the node divides the loss that it shows by the passes of a step
            self.bar.scale = float(self.bar.passes) if sizes[1].count("torch.Size") > 1 else 1.0
        self.tail = [*self.tail[1 - _TAIL :], piece]
        print(piece, flush=True)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check_alive("while it started")
            with contextlib.suppress(SDGenError, KeyError, TypeError):
                if str(self.base) in self.client.get("/system_stats")["system"]["argv"]:  # nobody else on this port
                    return
            if time.monotonic() > deadline:
                raise Failed(Cause("server-start-failed", f"ComfyUI did not answer within {_START_SECONDS:.0f} s"))
            time.sleep(_LOOK_SECONDS)

    def check_alive(self, when: str) -> None:
        """Raise ``Failed`` when it has ended."""
        code = self._process.poll()
        if code is None:
            return
        self._reader.join(5)
        known = told("\n".join(self.tail))
        if known is None and code == -9:
            known = KILLED
        raise Failed(
            known
            or Cause("server-start-failed", f"ComfyUI ended {when} with code {code}", "The log has its last words.")
        )

    def end(self) -> None:
        """At once: nothing of it is kept."""
        self.client.close()
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._reader.join(5)


# ---- the run ---------------------------------------------------------------------------------------------------------------


def run(plan: Plan) -> None:
    """Train all that is left, and write the LoRA. Raises ``Failed`` and ``SDGenError``."""
    began = time.time()
    base = plan.job.folder / "comfyui"
    shutil.rmtree(base, ignore_errors=True)
    found = pictures(plan.job.dataset)
    say(lines.phase("loading"))
    lay_out(found, base / "input" / "images")
    learned = weights.read(plan.state / weights.LORA) if plan.state else {}
    comfy = Comfy(plan, base)
    try:
        comfy.wait_until_up()
        kinds = comfy.client.get("/object_info")
        for begin, end in parts(plan.begin, plan.job.steps, plan.save_every):
            learned = _train(plan, comfy, kinds, begin, end, learned)
            if end < plan.job.steps:
                state = weights.save_state(plan.job.states, end, learned, {"options": dict(plan.options)})
                say(lines.state(state.folder, end - plan.begin))
    finally:
        comfy.end()
        shutil.rmtree(base, ignore_errors=True)
    say(lines.phase("saving"))
    weights.write(plan.output, learned, metadata(plan, found, began))
    say(lines.saved(plan.output, plan.job.steps - plan.begin))


def _train(
    plan: Plan, comfy: Comfy, kinds: Mapping[str, Any], begin: int, end: int, before: weights.Weights
) -> weights.Weights:
    """Train one part upon what was learned before; the whole LoRA afterwards."""
    part = Part(begin, end)
    if before:
        matrices, differences = weights.split(before)
        # the node takes the steps that it has from the name
        part = Part(
            begin, end, f"sdgen_{begin}_steps_.safetensors", f"differences_{begin}.safetensors" if differences else ""
        )
        loras = comfy.base / "models" / "loras"
        weights.write(loras / part.existing, matrices)
        if differences:
            weights.write(loras / part.differences, differences)
    passes = int(plan.options["grad_accumulation_steps"])
    say(lines.phase("caching"))
    comfy.bar = Bar(passes)
    graph = training(kinds, plan.job.base.name, "images", part, plan.options)
    prompt = comfy.client.queue_prompt({"prompt": graph, "client_id": "sdgen"})
    _follow(plan, comfy, prompt, part)
    saved = list((comfy.base / "output" / part.folder).glob("*.safetensors"))
    if len(saved) != 1:
        raise Failed(Cause("no-output", f"ComfyUI wrote {len(saved)} LoRAs instead of one"))
    trained = weights.read(saved[0])
    if name := weights.not_finite(trained):
        raise Failed(Cause("not-finite", f"weights became no numbers, {name} first", NAN.hint))
    if weights.nothing_learned(trained):
        raise Failed(Cause("all-zero", "nothing was learned: all weights are as they began", "Raise learning_rate."))
    return weights.added(before, trained)


def _follow(plan: Plan, comfy: Comfy, prompt: str, part: Part) -> None:
    """Wait for a prompt's end and tell its steps. Raises ``Failed``."""
    told, over = part.begin, 0.0
    while True:
        comfy.check_alive("in the middle of the training")
        entry = None
        with contextlib.suppress(SDGenError):  # busy, or dying: the next look tells
            entry = comfy.client.history(prompt)
        if entry is not None and (ended := failure(entry)) is not None:
            raise Failed(cause_of(ended[1]))
        while not comfy.steps.empty():
            step, loss = comfy.steps.get()
            told = part.begin + step
            _tell(plan, told, loss)
        if entry is not None:
            over = over or time.monotonic()
            if told < part.end and time.monotonic() - over > _BAR_SECONDS:  # bars that were never drawn
                told = part.end
                _tell(plan, told, None)
            if told == part.end:
                return
        time.sleep(_LOOK_SECONDS)


def _tell(plan: Plan, step: int, loss: float | None) -> None:
    """Say that a step of the run is over. Raises ``Failed`` when its loss is no number."""
    rounded = None if loss is None else round(loss, 6)
    say(lines.step(step - plan.begin, plan.job.steps - plan.begin, rounded))
    if loss is not None and not math.isfinite(loss):
        raise Failed(Cause(NAN.code, f"{NAN.sentence} at step {step:,}", NAN.hint))


def metadata(plan: Plan, found: list[Picture], began: float) -> dict[str, str]:
    """What the file says of itself, under kohya's names where they mean the same.

    ``ss_steps`` are those of this process, as kohya counts, ``ss_max_train_steps`` those of the whole run.
    """
    job, options = plan.job, plan.options
    folders: dict[str, dict[str, int]] = {}
    tags: dict[str, dict[str, int]] = {}
    for one in found:
        folder = folders.setdefault(one.folder, {"n_repeats": one.repeats, "img_count": 0})
        folder["img_count"] += 1
        counts = tags.setdefault(one.folder, {})
        for tag in filter(None, (tag.strip() for tag in one.caption.split(","))):
            counts[tag] = counts.get(tag, 0) + 1
    said = {
        "ss_output_name": plan.output.stem,
        "ss_steps": job.steps - plan.begin,
        "ss_max_train_steps": job.steps,
        "ss_network_module": "comfyui.TrainLoraNode",
        "ss_network_dim": options.get("rank"),
        "ss_network_alpha": 1.0,
        "ss_network_args": json.dumps({"algo": options.get("algorithm")}),
        "ss_learning_rate": options.get("learning_rate"),
        "ss_unet_lr": options.get("learning_rate"),
        "ss_optimizer": options.get("optimizer"),
        "ss_loss_type": options.get("loss_function"),
        "ss_lr_scheduler": "constant",
        "ss_gradient_accumulation_steps": options.get("grad_accumulation_steps"),
        "ss_gradient_checkpointing": options.get("gradient_checkpointing"),
        "ss_mixed_precision": options.get("training_dtype"),
        "ss_batch_size_per_device": 1,
        "ss_seed": options.get("seed"),
        "ss_sd_model_name": job.base.name,
        "ss_new_sd_model_hash": sha256_file(job.base),
        "ss_num_train_images": sum(one.repeats for one in found),
        "ss_dataset_dirs": json.dumps(folders),
        "ss_tag_frequency": json.dumps(tags, ensure_ascii=False),
        "ss_training_started_at": began,
        "ss_training_finished_at": time.time(),
        "ss_session_id": job.id,
        "ss_training_comment": f"SDGen run {job.id}",
        "modelspec.title": job.name,
        "modelspec.date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _plan(path: Path) -> Plan:
    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise Failed(Cause("broken-plan", f"{shown(path)} is no plan of a run: {error!r}", "Start it anew.")) from error


def main(arguments: list[str]) -> int:
    """Gives the exit code."""
    try:
        run(_plan(Path(arguments[0])))
    except Failed as error:
        cause = error.cause
    except SDGenError as error:
        cause = told(error.text) or Cause(error.code, error.text, error.hint)
    except (OSError, MemoryError) as error:
        cause = cause_of(f"{type(error).__name__}: {error}")
    else:
        return 0
    say(lines.failed(cause))
    return 1
