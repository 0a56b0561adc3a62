"""Generation parameters: from what a template says (A1111's words or ComfyUI's) to the literals of ComfyUI's nodes.

A template's ``parameters`` block wins over the planner's widgets. Sampler and scheduler names are accepted in both spellings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import SDGenError, nearest_names
from .samplers import automatic_scheduler, comfy_sampler, comfy_scheduler

_SYNONYMS = {
    "cfg_scale": "cfg",
    "guidance": "cfg",
    "sampler": "sampler_name",
    "schedule_type": "scheduler",
    "denoising_strength": "denoise",
}

#: Known to the predecessor and kept in the manifest, but not a literal of the planner.
_RECORDED_ONLY = frozenset(
    {
        "batch_size", "n_iter", "batch_count", "enable_hr", "hr_scale", "hr_upscaler", "hr_second_pass_steps", "adetailer",
        "controlnet", "clip_skip", "seed", "restore_faces", "alwayson_scripts", "override_settings",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Parameters:
    """One image's parameters as ComfyUI's nodes take them. ``width`` and ``height`` in pixels, ``denoise`` in 0…1."""

    width: int = 512
    height: int = 512
    steps: int = 20
    cfg: float = 7.0
    sampler_name: str = "euler"
    scheduler: str = "normal"
    denoise: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SDGenError("bad-parameter", f"parameter {name!r} must be a number, not {value!r}")
    return value


_NUMBERS: dict[str, Callable[[str, object], int | float]] = {
    "width": _whole(16, 16384),
    "height": _whole(16, 16384),
    "steps": _whole(1, 10000),
    "cfg": _real(0.0, 100.0),
    "denoise": _real(0.0, 1.0),
}


def _offered(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise SDGenError("bad-parameter", f"there is no {kind} {name!r}", nearest=nearest_names(name, known))
    return name


@dataclass(frozen=True)
class ParameterRules:
    """What the server offers, and the planner's widget values for what a template leaves open."""

    defaults: Parameters
    samplers: Sequence[str]
    schedulers: Sequence[str]

    def resolve(self, written: Mapping[str, Any]) -> Parameters:
        """The parameters of one image from a template's ``parameters`` block. Raises ``bad-parameter``."""
        values: dict[str, Any] = self.defaults.to_dict()
        given = {_SYNONYMS.get(name, name): (name, value) for name, value in written.items() if value is not None}
        for name, check in _NUMBERS.items():
            if name in given:
                values[name] = check(*given[name])
        implied = None
        if "sampler_name" in given:
            values["sampler_name"], implied = comfy_sampler(str(given["sampler_name"][1]), self.samplers)
        scheduler = comfy_scheduler(str(given["scheduler"][1]), self.schedulers) if "scheduler" in given else None
        if "scheduler" in given or implied:
            values["scheduler"] = scheduler or implied or automatic_scheduler(values["sampler_name"])
        # The widgets' values are checked too: ComfyUI before 0.8 accepts any text for a node's choice.
        values["sampler_name"] = _offered("sampler", values["sampler_name"], self.samplers)
        values["scheduler"] = _offered("scheduler", values["scheduler"], self.schedulers)
        return Parameters(**values)
