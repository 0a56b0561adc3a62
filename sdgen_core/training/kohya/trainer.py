"""The trainer "kohya": a job becomes a process of the user's own sd-scripts, and its log is understood.

The script runs as ``python script …``, without ``accelerate launch``. For one process that adds nothing (sd-scripts makes its Accelerator
from its own options), and it would put a parent between us and the training: a SIGTERM to that parent leaves the training behind as an
orphan that holds the card, a killed training shows as exit code 1, and a file of settings in the user's home has a say.

A run that goes on starts a new process for the steps that are left: ``--resume STATE --initial_step 0 --max_train_steps REST`` restores
optimizer, schedule and random numbers and trains exactly these (measured; the other ways count wrongly). Its steps count from 1 again, so
every process has a folder of its own that names the step it begins at: the first ``output``, later ones ``output/from_00000120``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ...sessions.files import make_folder, write_atomic
from ..datasets.audit import audit
from ..datasets.folder import CAPTION_ENDING, IMAGES, RECORD, DataSet, bucket_bounds, repeats_of
from ..runs.model import Cause, Job, Launch, Problem, Seen, State
from . import causes, options, preflight, progress, tokenizers
from .families import FAMILIES, Base, Family, read_base
from .form import form as form_of
from .presets import preset, presets
from .probe import Script, probe

_FROM = "from_"
_STATE = re.compile(r"-state\Z")
#: Files of a state; the last is written last, and as a zip archive, so that it tells whether the state is whole.
_STATE_FILES = ("train_state.json", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
_SAVES = 10  # states a run, when nobody says how often
_BETWEEN = 500  # steps between two at most
_MB = 2**20
_SPARE = 512  # MB that stay free: logs, latents, samples


@dataclass(frozen=True)
class _Plan:
    """A job thought through: with which script, values and device it is trained. ``exact``: whether it can go on after a stop."""

    where: preflight.Installation
    script: Script
    family: Family
    base: Base
    values: dict[str, Any]
    exact: bool
    facts: preflight.Facts


class KohyaTrainer:
    """Trains with the sd-scripts checkout in ``folder`` and its ``python`` (see ``preflight.installation``); the tokenizers come from the
    files in the ``comfyui`` folder, asked for before a start alone.
    """

    name = "kohya"

    def __init__(self, folder: str, python: str, comfyui: Callable[[], Path]) -> None:
        self._folder, self._python, self._comfyui = folder, python, comfyui

    def form(self, base: Path) -> dict[str, Any]:
        """The form for a checkpoint (see ``form``). Raises ``kohya-not-found``, ``kohya-python`` and ``bad-base-model``."""
        where = preflight.installation(self._folder, self._python)
        family, _ = _family(base)
        return form_of(probe(where.folder, family.script), family)

    def check(self, job: Job) -> list[Problem]:
        """Everything that would make the run fail, and what may. Takes some seconds: the Python is started, all images are decoded."""
        found: list[Problem] = []
        plan = self._plan(job, found, preflight.PACKAGES)
        try:
            found += audit(job.dataset).problems
        except SDGenError as error:
            found.append(_problem(error, file=shown(job.dataset)))
        if plan is None:
            return found
        found += preflight.problems(plan.where, plan.facts, options.packages(plan.values))
        found += _card(job, plan)
        if not plan.exact:
            text = (
                f"lr_scheduler {plan.values.get('lr_scheduler')} cannot go on exactly after a stop: no states are saved"
            )
            hint = "constant_with_warmup, or cosine, linear or polynomial without warm-up, can."
            found.append(Problem("bad-training-option", text, hint, option="lr_scheduler", fatal=False))
        try:
            absent = tokenizers.missing(plan.family, self._comfyui())
        except SDGenError as error:
            found.append(_problem(error))
            absent = None
        if absent is not None:
            text = f"the tokenizer of {plan.family.title} is not there: {shown(absent)}"
            found.append(Problem("no-tokenizer", text, file=shown(absent)))
        found += _room(job, plan)
        return found

    def launch(self, job: Job, resume: State | None) -> Launch:
        """The process. Writes the tokenizers and the data set's description into the run's folder.

        Raises what ``check`` calls fatal, the first of it.
        """
        found: list[Problem] = []
        plan = self._plan(job, found, ("torch",))
        wrong = next((one for one in found if one.fatal), None)
        if wrong is not None:
            raise SDGenError(wrong.code, wrong.message, hint=wrong.hint or None)
        assert plan is not None
        begin = resume.step if resume else 0
        left = job.steps - begin
        if left < 1:
            raise SDGenError("bad-training-option", f"{job.name} has trained all its {job.steps} steps")
        output = job.output / _own(begin) if begin else job.output
        events = job.events / _own(begin)
        for folder in (output, events):
            make_folder(folder)
        make_folder(job.samples)
        with suppress(OSError):  # a disk without links: then samples stay where sd-scripts puts them
            _link(output / "sample", job.samples)
        tokenizers.seed(plan.family, self._comfyui(), job.folder / "tokenizers")
        config = job.folder / "kohya_dataset.toml"
        write_atomic(config, _dataset_toml(job.dataset).encode("utf-8"))
        values: dict[str, Any] = {
            **plan.values,
            "pretrained_model_name_or_path": job.base,
            "dataset_config": config,
            "caption_extension": CAPTION_ENDING,
            "tokenizer_cache_dir": job.folder / "tokenizers",
            "output_dir": output,
            "output_name": job.name,
            "save_model_as": "safetensors",
            "logging_dir": events,
            "log_with": "tensorboard",
            "training_comment": f"SDGen run {job.id}",
            "console_log_simple": True,
            "max_train_steps": left,
            "save_state": plan.exact,
        }
        if resume:
            values |= {"resume": resume.folder, "initial_step": 0}
        known = {name: value for name, value in values.items() if name in plan.script.options}
        # it prints Japanese, which the code pages of Windows cannot; lines are as wide as COLUMNS says
        environment = {**preflight.SURROUNDINGS, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        if plan.facts.device != "cpu":
            environment["OMP_NUM_THREADS"] = "1"  # as its documentation's --num_cpu_threads_per_process
        return Launch(
            argv=(str(plan.where.python), str(plan.script.path), *options.arguments(plan.script, known)),
            cwd=plan.where.folder,
            env=environment,
            output=output / f"{job.name}.safetensors",
            steps=left,
            saves=plan.exact and plan.values["save_every_n_steps"] < left,
            events=events,
        )

    def read(self, piece: str) -> Seen | None:
        """See ``progress``."""
        return progress.read(piece)

    def states(self, job: Job) -> list[State]:
        """The whole states on the disk, by absolute step."""
        found = {}
        for begin, folder in _processes(job.output):
            for state in folder.iterdir():
                if _STATE.search(state.name) and (step := _state_step(state)) is not None:
                    found[begin + step] = State(state, begin + step)
        return [found[step] for step in sorted(found)]

    def cause(self, tail: str, exit_code: int | None) -> Cause | None:
        """See ``causes``."""
        return causes.cause(tail, exit_code)

    def _plan(self, job: Job, found: list[Problem], packages: Sequence[str]) -> _Plan | None:
        """The job thought through; None when what is wrong leaves nothing to think of. What is wrong goes to ``found``; ``packages`` are
        those that the Python is asked for besides what the options need.
        """
        try:
            where = preflight.installation(self._folder, self._python)
            family, base = _family(job.base)
            script = probe(where.folder, family.script)
            given = _given(job, family)
        except SDGenError as error:
            found.append(_problem(error))
            return None
        right, wrong = options.checked(script, given)
        found += wrong
        if re.search(r'[<>:"/\\|?*\x00-\x1f]|^[ .-]|[ .]$', job.name) or not job.name:
            found.append(Problem("bad-training-option", f"{job.name!r} cannot be a file's name", option="name"))
        try:
            sizes = _sizes(job.dataset, family, right)
            facts = preflight.ask(where, [*packages, *options.packages(right)])
        except SDGenError as error:
            found.append(_problem(error))
            return None
        values = options.completed(script, family, {**sizes, **right}, facts.device, bf16=facts.bf16)
        values, exact = options.scheduled(values, job.steps)
        exact = exact and {"initial_step", "save_state", "resume", "save_every_n_steps"} <= script.options.keys()
        if exact:
            every = values.setdefault("save_every_n_steps", min(_BETWEEN, max(1, -(-job.steps // _SAVES))))
            if "save_last_n_steps_state" in script.options:
                values.setdefault("save_last_n_steps_state", 2 * every)
        found += options.rules(script, values, family, base)
        return _Plan(where, script, family, base, values, exact, facts)


def _family(path: Path) -> tuple[Family, Base]:
    """What the checkpoint is. Raises ``bad-base-model`` for what is not trained."""
    if path.suffix.lower() not in (".safetensors", ".sft"):
        hint = "Save it as safetensors first, for example with ComfyUI's node Save Checkpoint."
        raise SDGenError("bad-base-model", f"{shown(path)} is no safetensors file", hint=hint)
    base = read_base(path)
    if not base.family:
        names = ", ".join(one.title for one in FAMILIES.values())
        hint = "Choose another checkpoint, or the trainer native, which trains what ComfyUI loads."
        raise SDGenError("bad-base-model", f"{shown(path)} is {base.title}; sd-scripts trains {names}", hint=hint)
    return FAMILIES[base.family], base


def _given(job: Job, family: Family) -> dict[str, Any]:
    """The job's options over those of its preset, if it names one. Raises ``bad-training-option`` and ``bad-base-model``."""
    given = dict(job.options)
    name = given.pop("preset", None)
    if not name:
        return given
    chosen = preset(str(name))
    if chosen.family != family.name:
        wanted = FAMILIES[chosen.family].title
        hint = f"Choose one of {', '.join(one.name for one in presets().values() if one.family == family.name)}."
        text = f"preset {name} is for {wanted}, but {shown(job.base)} is {family.title}"
        raise SDGenError("bad-base-model", text, hint=hint)
    under = dict(chosen.options)
    own = _record(job.dataset)
    if own is not None and own.resolution[0] * own.resolution[1] <= int(under["resolution"]) ** 2:
        del under["resolution"]  # the preset's is what the memory bears; images are not enlarged to it
    return {**under, **given}


def _record(dataset: Path) -> DataSet | None:
    """What SDGen wrote of a data set; None for a folder of other people."""
    return DataSet.read(dataset) if (dataset / RECORD).is_file() else None


def _sizes(dataset: Path, family: Family, given: Mapping[str, Any]) -> dict[str, Any]:
    """Resolution and buckets that suit the images, as far as nobody says other ones."""
    own = _record(dataset)
    said = str(given.get("resolution") or "")
    if said:
        sides = [int(part) for part in said.split(",")]
        resolution = (sides[0], sides[-1])
    else:
        resolution = own.resolution if own is not None else (family.resolution, family.resolution)
    images = [(one.width, one.height) for one in own.images] if own is not None else []
    least, longest = bucket_bounds(resolution, images)
    return {
        "resolution": f"{resolution[0]},{resolution[1]}",
        "enable_bucket": True,
        "min_bucket_reso": least,
        "max_bucket_reso": longest,
    }


def _dataset_toml(dataset: Path) -> str:
    """The folders of images for ``--dataset_config``; all else is said by options, which count where this says nothing.

    Raises ``not-a-dataset``.
    """
    above = dataset / IMAGES if (dataset / IMAGES).is_dir() else dataset
    lines = ["[[datasets]]"]
    for folder in sorted(above.iterdir()) if above.is_dir() else []:
        found = repeats_of(folder.name) if folder.is_dir() else None
        if found is not None:
            place = json.dumps(shown(folder.absolute()), ensure_ascii=False).replace("\x7f", "\\u007f")
            lines += ["[[datasets.subsets]]", f"image_dir = {place}", f"num_repeats = {found[0]}"]
    if len(lines) == 1:
        raise SDGenError("not-a-dataset", f"{shown(dataset)} has no folder of images such as 10_name")
    return "\n".join(lines) + "\n"


def _card(job: Job, plan: _Plan) -> list[Problem]:
    """What the graphics card cannot do."""
    facts, found = plan.facts, []

    def wrong(option: str, message: str, hint: str, *, fatal: bool = True) -> None:
        found.append(Problem("bad-training-option", message, hint, option=option, fatal=fatal))

    eight_bit = options.packages(plan.values).get("bitsandbytes")
    if facts.device == "cpu" and eight_bit:
        text = f"{eight_bit} needs a graphics card, and {shown(plan.where.python)} sees none"
        wrong("optimizer_type", text, "Choose AdamW.")
    if facts.device == "cuda" and not facts.bf16 and plan.values.get("mixed_precision") == "bf16":
        wrong("mixed_precision", f"the card ({facts.card}) has no bf16", "Set mixed_precision to fp16.")
    name = str(job.options.get("preset") or "")
    if name and facts.memory and preset(name).memory > facts.memory / 2**30 + 1:
        text = f"preset {name} is for {preset(name).memory} GB; {facts.card} has {facts.memory / 2**30:.1f} GB"
        wrong("preset", text, "Choose one for less.", fatal=False)
    return found


def _room(job: Job, plan: _Plan) -> list[Problem]:
    """Whether the disk holds what the run saves: LoRAs at 16 bits, and states with weights and two moments at 32 bits each."""
    rank = plan.values.get("network_dim") or 16
    lora = plan.family.mb_per_rank * rank
    every = plan.values.get("save_every_n_steps") or job.steps
    saves = job.steps // every
    kept = min(saves, (plan.values.get("save_last_n_steps_state") or job.steps) // every + 1) if plan.exact else 0
    needed = (saves + 1) * lora + (kept + plan.exact) * 6 * lora + _SPARE
    above = next(folder for folder in (job.folder, *job.folder.parents) if folder.is_dir())
    free = shutil.disk_usage(above).free / _MB
    if free >= needed:
        return []
    text = f"the run saves about {needed:,.0f} MB, and {shown(above)} has {free:,.0f} MB free"
    hint = "Free some space, save less often (save_every_n_steps), or take a lower network_dim."
    return [Problem("disk-full", text, hint, file=shown(above))]


def _problem(error: SDGenError, file: str = "") -> Problem:
    return Problem(error.code, str(error), error.hint, file=file)


def _link(link: Path, folder: Path) -> None:
    """A second name for a folder. Raises ``OSError``."""
    if sys.platform == "win32":  # a junction needs no right, as a symbolic link does
        import _winapi

        _winapi.CreateJunction(str(folder), str(link))
    else:
        link.symlink_to(folder, target_is_directory=True)


def _own(begin: int) -> str:
    """The name of the folder of the process that begins at that step."""
    return f"{_FROM}{begin:08d}"


def _processes(output: Path) -> list[tuple[int, Path]]:
    """Beginning → folder of every process of a run so far."""
    found = [(0, output)] if output.is_dir() else []
    for folder in sorted(output.glob(f"{_FROM}*")) if output.is_dir() else []:
        with suppress(ValueError):
            found.append((int(folder.name.removeprefix(_FROM)), folder))
    return found


def _state_step(folder: Path) -> int | None:
    """The step of its process that a state holds; None when it is not whole (yet)."""
    try:
        whole = all((folder / name).is_file() for name in _STATE_FILES) and any(folder.glob("model*"))
        if not whole or not zipfile.is_zipfile(folder / _STATE_FILES[-1]):
            return None
        return int(json.loads((folder / _STATE_FILES[0]).read_text(encoding="utf-8"))["current_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
