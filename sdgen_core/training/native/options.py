"""Which options a run may have, what they are when nobody says, and what is wrong with those given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import SDGenError, nearest_names, shown
from ...sessions.safetensors_file import read_header
from ..runs.model import Problem
from .installation import Installation, Option

#: Inputs of the node that the run itself fills.
_OWN = ("steps", "batch_size", "existing_lora")

SAVE_EVERY = Option(
    "save_every",
    "int",
    0,
    0,
    100_000,
    help="Steps after which the run saves a state from which it can go on; 0: only the end. The node keeps nothing of its optimizer, which "
    "begins anew after each.",
)

#: A model of a few million numbers, such as the demo's: it has to learn in a minute on a CPU.
SMALL = {
    "rank": 8, "learning_rate": 0.002, "grad_accumulation_steps": 4, "optimizer": "AdamW", "loss_function": "MSE", "seed": 0,
    "training_dtype": "bf16", "lora_dtype": "fp32", "algorithm": "LoRA", "gradient_checkpointing": False,
}  # fmt: skip
#: SD 1.5, SDXL and larger. The node scales by 1/rank (alpha 1), so its rate is above kohya's usual 1e-4. Such a run takes long enough
#: to be stopped on the way.
LARGE = {
    **SMALL, "rank": 16, "learning_rate": 0.0005, "grad_accumulation_steps": 1, "gradient_checkpointing": True, "save_every": 200,
}  # fmt: skip
#: Steps that a value of the demo takes, and that a small data set takes on a larger model.
STEPS = {"small": 100, "large": 800}

_SMALL_BYTES = 100 << 20  # of a diffusion model's weights
_MODEL = "model.diffusion_model."
_ENCODERS = ("cond_stage_model.", "conditioner.", "text_encoders.")
_VAES = ("first_stage_model.", "vae.")


def known(installation: Installation) -> list[Option]:
    """The options that a run may have. Raises ``comfyui-not-found`` and ``comfyui-too-old``."""
    return [*(one for one in installation.options().values() if one.name not in _OWN), SAVE_EVERY]


_GROUPS = {
    "training": ("learning_rate", "grad_accumulation_steps", "optimizer", "loss_function", "seed", SAVE_EVERY.name),
    "network": ("rank", "algorithm"),
}

#: In place of what the node says of itself, which is not so.
_HELP = {"seed": "Of noise, levels and which image comes when. The first weights are drawn at random all the same."}


def form(installation: Installation, base: Path) -> dict[str, Any]:
    """See ``Trainer.form``; what a later ComfyUI adds comes with precision and memory. Raises as ``known``."""
    ours = chosen(installation, base, {})
    groups: dict[str, list[dict[str, Any]]] = {**{name: [] for name in _GROUPS}, "precision and memory": []}
    for one in known(installation):
        group = next((name for name, names in _GROUPS.items() if one.name in names), "precision and memory")
        kind = "flag" if one.kind == "bool" else "text" if one.kind == "choice" and not one.choices else one.kind
        label = one.name.replace("_", " ")
        groups[group].append(
            {
                "name": one.name,
                "label": label[:1].upper() + label[1:],
                "help": _HELP.get(one.name, one.help),
                "kind": kind,
                "default": ours[one.name],
                "choices": list(one.choices) if kind == "choice" else None,
            }
        )
    return {"groups": [{"name": name, "options": options} for name, options in groups.items()], "presets": []}


def defaults(base: Path) -> dict[str, Any]:
    """What options are when nobody says, by the size of the model in a checkpoint."""
    return dict(SMALL if size_of(base) == "small" else LARGE)


def size_of(base: Path) -> str:
    """ "small" or "large", by the bytes of the diffusion model; large when that cannot be told."""
    try:
        tensors = read_header(base).tensors
    except (OSError, ValueError):
        return "large"
    weights = sum(one.end - one.start for name, one in tensors.items() if name.startswith(_MODEL))
    return "small" if 0 < weights <= _SMALL_BYTES else "large"


def chosen(installation: Installation, base: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a run: those given, else ours, else the node's own; only such as this ComfyUI has."""
    ours = defaults(base)
    return {one.name: given.get(one.name, ours.get(one.name, one.default)) for one in known(installation)}


def problems_of(installation: Installation, given: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the options of a run. Raises as ``known``."""
    there = {one.name: one for one in known(installation)}
    out = []
    for name, value in given.items():
        if name == "batch_size":
            if value != 1:
                said = "the node mixes up the captions of a batch: use grad_accumulation_steps instead"
                out.append(Problem("bad-training-option", f"batch_size {value!r} cannot be had", said, option=name))
        elif name not in there:
            near = nearest_names(name, there)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(there)}."
            said = f"{name} is no option of the training node of ComfyUI {installation.version}"
            out.append(Problem("bad-training-option", said, hint, option=name))
        elif wrong := there[name].wrong(value):
            near = nearest_names(value, there[name].choices) if isinstance(value, str) else []
            hint = f"Did you mean {' or '.join(near)}?" if near else ""
            out.append(Problem("bad-training-option", f"{name}: {wrong}", hint, option=name))
    return out


def problem_of_base(base: Path) -> Problem | None:
    """Why a file cannot be trained upon, as far as its header tells."""
    name = shown(base)
    hint = "Choose a checkpoint that Load Checkpoint loads: model, text encoder and VAE in one file."
    if not base.is_file():
        return Problem("bad-base-model", f"there is no checkpoint {name}", hint, file=name)
    if base.suffix.lower() != ".safetensors":
        return None  # an older form, which only ComfyUI itself can open
    try:
        names = list(read_header(base).tensors)
    except (OSError, ValueError) as error:
        return Problem("bad-base-model", f"{name} is no whole safetensors file: {error}", hint, file=name)
    parts = {
        "diffusion model": any(one.startswith(_MODEL) for one in names),
        "text encoder": any(one.startswith(_ENCODERS) for one in names),
        "VAE": any(one.startswith(_VAES) for one in names),
    }
    missing = [part for part, there in parts.items() if not there]
    if len(missing) == len(parts):
        return Problem("bad-base-model", f"{name} is no checkpoint: it holds none of what one has", hint, file=name)
    if missing:
        return Problem("bad-base-model", f"{name} has no {' and no '.join(missing)}", hint, file=name)
    return None


def needed(problems: list[Problem]) -> None:
    """Raise the first problem that is fatal."""
    for one in problems:
        if one.fatal:
            raise SDGenError(one.code, one.message, hint=one.hint or None)
