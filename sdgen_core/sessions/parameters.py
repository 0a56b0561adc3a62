"""Generation parameters: from what a template says (A1111's words or ComfyUI's) to the literals of ComfyUI's nodes.

A template's ``parameters`` block wins over the planner's widgets. Sampler and scheduler names are accepted in both spellings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError, nearest_names
from .samplers import automatic_scheduler, comfy_sampler, comfy_scheduler

_SYNONYMS = {
    "cfg_scale": "cfg",
    "guidance": "cfg",
    "sampler": "sampler_name",
    "schedule_type": "scheduler",
    "denoising_strength": "denoise",
    "model": "checkpoint",
    "sd_model": "checkpoint",
    "sd_model_checkpoint": "checkpoint",
    "sd_vae": "vae",
    "lora_weight": "lora_strength",
    "init_image": "image",
}

#: Parameter → the kind of file it names, by ComfyUI's folder names; ``input`` are the images of the input folder.
FILES: Mapping[str, str] = {"checkpoint": "checkpoints", "vae": "vae", "lora": "loras", "image": "input"}


@dataclass(frozen=True)
class Parameters:
    """One image's parameters as ComfyUI's nodes take them. ``width`` and ``height`` in pixels, ``denoise`` in 0…1; of the
    files an empty name means that nobody named one.
    """

    width: int = 512
    height: int = 512
    steps: int = 20
    cfg: float = 7.0
    sampler_name: str = "euler"
    scheduler: str = "normal"
    denoise: float = 1.0
    checkpoint: str = ""
    vae: str = ""
    lora: str = ""
    lora_strength: float = 1.0
    image: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def _whole(low: int, high: int) -> Callable[[str, object], int]:
    def check(name: str, value: object) -> int:
        number = _number(name, value)
        if number != int(number) or not low <= number <= high:
            raise SDGenError(
                "bad-parameter", f"parameter {name!r} must be a whole number from {low} to {high}, not {value!r}"
            )
        return int(number)

    return check


def _real(low: float, high: float) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        number = _number(name, value)
        if not low <= number <= high:
            raise SDGenError(
                "bad-parameter", f"parameter {name!r} must be a number from {low:g} to {high:g}, not {value!r}"
            )
        return number

    return check


def _number(name: str, value: object) -> float:
    found = value
    if isinstance(value, str):
        try:
            found = float(value)
        except ValueError:
            found = math.nan
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise SDGenError("bad-parameter", f"parameter {name!r} must be a number, not {value!r}")
    return found


_NUMBERS: dict[str, Callable[[str, object], int | float]] = {
    "width": _whole(16, 16384),
    "height": _whole(16, 16384),
    "steps": _whole(1, 10000),
    "cfg": _real(0.0, 100.0),
    "denoise": _real(0.0, 1.0),
    "lora_strength": _real(-100.0, 100.0),
}


def files_called(name: str, known: Iterable[str]) -> list[str]:
    """The files a model's name as users write it may mean: without folder, ending or A1111's ``[hash]``, upper case or lower.
    What is written counts as far as it goes, so that ``detail_v1.5`` is not ``detail_v1.safetensors``; only a folder or an
    ending that no file has is passed over, as of a model that was moved or converted. Several mean that it is ambiguous.
    """
    written = re.sub(r"\s*\[[0-9a-fA-F]+\]\s*$", "", name.strip()).replace("\\", "/").casefold()
    paths = [(k, k.replace("\\", "/").casefold()) for k in known]
    base = _base_name(written)
    for wanted in dict.fromkeys((written, base, _MODEL_ENDING.sub("", base))):
        for form in (str, _without_ending, _base_name, _stem):
            found = [k for k, path in paths if form(path) == wanted]
            if found:
                return found
    return []


def find_file(kind: str, name: str, known: Sequence[str]) -> str:
    """The one file of :func:`files_called`. Raises ``bad-parameter`` when there is none or may be several."""
    found = files_called(name, known)
    if not found:
        # compared as people write them: a long ending would make every name look unlike
        stems: dict[str, str] = {}
        for path in known:
            stems.setdefault(_stem(path.replace("\\", "/")), path)
        nearest = [stems[stem] for stem in nearest_names(_stem(name.replace("\\", "/")), stems)]
        folder = "input" if kind == "input" else f"models/{kind}"
        hint = f"Put the file into ComfyUI's {folder}, or correct its name in the template's `parameters` or in the planner."
        raise SDGenError("bad-parameter", f"there is no {_KIND_WORDS[kind]} {name!r}", nearest=nearest, hint=hint)
    if len(found) > 1:
        raise SDGenError(
            "bad-parameter", f"{name!r} may be any of {', '.join(found)}", hint="Write it with its folder."
        )
    return found[0]


_KIND_WORDS = {
    "checkpoints": "checkpoint", "vae": "VAE", "loras": "LoRA", "input": "image in ComfyUI's input folder",
    "controlnet": "ControlNet", "upscale_models": "upscale model", "ultralytics": "detection model",
}  # fmt: skip


_MODEL_ENDING = re.compile(r"\.(?:safetensors|sft|ckpt|pth?|bin|gguf)\Z")


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]


def _without_ending(path: str) -> str:
    folder, slash, base = path.rpartition("/")
    return folder + slash + _stem(base)


def _stem(path: str) -> str:
    base = _base_name(path)
    return base.rpartition(".")[0] or base


def _offered(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise SDGenError("bad-parameter", f"there is no {kind} {name!r}", nearest=nearest_names(name, known))
    return name


@dataclass(frozen=True)
class ParameterRules:
    """What the server offers, and the planner's widget values for what a template leaves open. ``files`` gives the names of a
    kind of ``FILES``; without it names are taken as they are.
    """

    defaults: Parameters
    samplers: Sequence[str]
    schedulers: Sequence[str]
    files: Callable[[str], Sequence[str]] | None = None

    def resolve(self, written: Mapping[str, Any]) -> Parameters:
        """The parameters of one image from a template's ``parameters`` block. Raises ``bad-parameter``."""
        values: dict[str, Any] = self.defaults.to_dict()
        given = {canonical_name(name): (name, value) for name, value in written.items() if value is not None}
        for name, check in _NUMBERS.items():
            if name in given:
                values[name] = check(*given[name])
        implied = None
        if "sampler_name" in given:
            values["sampler_name"], implied = comfy_sampler(str(given["sampler_name"][1]), self.samplers)
        scheduler = comfy_scheduler(str(given["scheduler"][1]), self.schedulers) if "scheduler" in given else None
        if "scheduler" in given or implied:
            values["scheduler"] = scheduler or implied or automatic_scheduler(values["sampler_name"])
        for name, kind in FILES.items():
            text = str(given[name][1]).strip() if name in given else str(values[name])
            values[name] = find_file(kind, text, self.files(kind)) if text and self.files is not None else text
        if "image" not in given and (image := item_image(written)) is not None:
            # Not every graph has a ControlNet: one that has it says itself that an image is missing.
            found = files_called(str(image), self.files("input")) if self.files is not None else ()
            values["image"] = found[0] if len(found) == 1 else str(image)
        # The widgets' values are checked too: ComfyUI before 0.8 accepts any text for a node's choice.
        values["sampler_name"] = _offered("sampler", values["sampler_name"], self.samplers)
        values["scheduler"] = _offered("scheduler", values["scheduler"], self.schedulers)
        return Parameters(**values)


def item_image(written: Mapping[str, Any]) -> Any:
    """The image of an item as the template names it: the parameter, else that of the first ControlNet unit that has one."""
    for name, value in written.items():
        if canonical_name(name) == "image" and value is not None:
            return value
    units = (written.get("controlnet") or {}).get("units") or ()
    return next((unit["image"] for unit in units if unit.get("image")), None)


def canonical_name(name: str) -> str:
    """A parameter under its one name: ``cfg_scale`` → ``cfg``."""
    return _SYNONYMS.get(name, name)
