"""Generation parameters: from what a template says (A1111's words or ComfyUI's) to the literals of ComfyUI's nodes.

A template's ``parameters`` block wins over the planner's widgets. Sampler names are accepted in both spellings; A1111's scheduler
"Automatic" means the scheduler that A1111 gives that sampler by default (its ``sd_samplers_kdiffusion`` table).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import SDGenError, nearest_names

#: A1111 sampler label (folded: lower case, no spaces) → (ComfyUI sampler, scheduler that "Automatic" stands for).
_A1111_SAMPLERS: dict[str, tuple[str, str]] = {
    "eulera": ("euler_ancestral", "normal"),
    "euler": ("euler", "normal"),
    "lms": ("lms", "normal"),
    "heun": ("heun", "normal"),
    "dpm2": ("dpm_2", "karras"),
    "dpm2a": ("dpm_2_ancestral", "karras"),
    "dpm++2sa": ("dpmpp_2s_ancestral", "karras"),
    "dpm++2m": ("dpmpp_2m", "karras"),
    "dpm++sde": ("dpmpp_sde", "karras"),
    "dpm++2msde": ("dpmpp_2m_sde", "exponential"),
    "dpm++2msdeheun": ("dpmpp_2m_sde_heun", "exponential"),
    "dpm++3msde": ("dpmpp_3m_sde", "exponential"),
    "dpmfast": ("dpm_fast", "normal"),
    "dpmadaptive": ("dpm_adaptive", "normal"),
    "ddim": ("ddim", "ddim_uniform"),
    "ddpm": ("ddpm", "normal"),
    "lcm": ("lcm", "sgm_uniform"),
    "unipc": ("uni_pc", "normal"),
}

#: ComfyUI sampler → the scheduler that "Automatic" stands for.
_AUTOMATIC = dict(_A1111_SAMPLERS.values())

#: A1111 schedule type (folded) → ComfyUI scheduler.
_A1111_SCHEDULERS: dict[str, str] = {
    "uniform": "normal",
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "exponential",  # A1111's default rho of 1 makes it the exponential schedule
    "sgmuniform": "sgm_uniform",
    "kloptimal": "kl_optimal",
    "simple": "simple",
    "normal": "normal",
    "ddim": "ddim_uniform",
    "beta": "beta",
}

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


def _folded(text: str) -> str:
    return "".join(text.lower().split())


def comfy_sampler(name: str, samplers: Sequence[str]) -> tuple[str, str | None]:
    """A sampler name in either spelling → (ComfyUI's sampler, the scheduler that A1111 implies by this name or None).

    Before A1111 had schedule types, samplers carried them in their names ("DPM++ 2M Karras"); a plain label means the sampler's
    default schedule. ComfyUI's own names imply nothing. ``samplers`` are the server's. Raises ``bad-parameter``.
    """
    if name in samplers:
        return name, None
    folded = _folded(name)
    implied = None
    for word in ("karras", "exponential", "sgmuniform"):
        if folded.endswith(word) and folded != word:
            folded, implied = folded[: -len(word)], _A1111_SCHEDULERS[word]
    sampler, automatic = _A1111_SAMPLERS.get(folded, ("", ""))
    if sampler not in samplers:
        known = [*samplers, *_A1111_SAMPLERS]
        raise SDGenError("bad-parameter", f"there is no sampler {name!r}", nearest=nearest_names(name, known))
    return sampler, implied or automatic


def comfy_scheduler(name: str, schedulers: Sequence[str]) -> str | None:
    """A scheduler name in either spelling → ComfyUI's; None for A1111's "Automatic". Raises ``bad-parameter``."""
    if name in schedulers:
        return name
    folded = _folded(name)
    if folded == "automatic":
        return None
    scheduler = _A1111_SCHEDULERS.get(folded, folded)
    if scheduler not in schedulers:
        known = [*schedulers, *_A1111_SCHEDULERS]
        raise SDGenError("bad-parameter", f"there is no scheduler {name!r}", nearest=nearest_names(name, known))
    return scheduler


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
            values["scheduler"] = scheduler or implied or _AUTOMATIC.get(values["sampler_name"], "normal")
        # The widgets' values are checked too: ComfyUI before 0.8 accepts any text for a node's choice.
        values["sampler_name"] = _offered("sampler", values["sampler_name"], self.samplers)
        values["scheduler"] = _offered("scheduler", values["scheduler"], self.schedulers)
        return Parameters(**values)


def ineffective_parameters(written: Iterable[str]) -> list[str]:
    """Keys of a ``parameters`` block that nobody knows: most likely misspelled, so worth a warning."""
    known = {*Parameters().to_dict(), *_SYNONYMS, *_RECORDED_ONLY}
    return [key for key in written if key not in known]
