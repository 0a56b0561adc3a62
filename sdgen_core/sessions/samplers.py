"""Names of samplers and schedulers in both worlds: ComfyUI's own, and A1111's labels that templates and PNG readers use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SDGenError, nearest_names

#: ComfyUI's sampler → A1111's label. Of two with one label the first is what the label means.
SAMPLERS: Mapping[str, str] = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_gpu": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_2m_sde_heun_gpu": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
    "ddim": "DDIM",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
    "lcm": "LCM",
    "ddpm": "DDPM",
}
#: ComfyUI's scheduler → A1111's label.
SCHEDULERS: Mapping[str, str] = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "kl_optimal": "KL Optimal",
}

#: Samplers whose result is a function of model, noise and conditioning alone, image by image: read off ComfyUI's
#: ``comfy/k_diffusion/sampling.py`` and ``comfy/extra_samplers/uni_pc.py``, where these neither draw noise on the way (directly or
#: through ``noise_sampler``; ``dpm_fast`` and the ``eta=0`` ones draw it and multiply it by 0) nor look at the batch as a whole (as
#: ``dpm_adaptive`` does, whose step size follows the error of all images). ``ddim`` is ``euler`` there, save under a mask, which it
#: fills with noise of its own.
DETERMINISTIC = frozenset(
    {
        "euler", "euler_cfg_pp", "heun", "heunpp2", "dpm_2", "lms", "dpm_fast", "dpmpp_2m", "dpmpp_2m_cfg_pp", "ipndm", "ipndm_v",
        "deis", "res_multistep", "res_multistep_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp", "ddim", "uni_pc",
        "uni_pc_bh2",
    }
)  # fmt: skip
#: Names of ComfyUI (0.3.75) that A1111 has no label for.
_COMFY_ONLY = (
    "euler_cfg_pp", "euler_ancestral_cfg_pp", "heunpp2", "dpmpp_2s_ancestral_cfg_pp", "dpmpp_2m_cfg_pp", "ipndm", "ipndm_v",
    "deis", "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp",
    "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece",
)  # fmt: skip
_COMFY_ONLY_SCHEDULERS = ("linear_quadratic",)

#: The schedule that A1111's "Automatic" means for a sampler, where it is not the plain one (its ``sd_samplers_kdiffusion`` table).
_AUTOMATIC: Mapping[str, str] = {
    "dpm_2": "karras",
    "dpm_2_ancestral": "karras",
    "dpmpp_2s_ancestral": "karras",
    "dpmpp_2m": "karras",
    "dpmpp_sde": "karras",
    "dpmpp_2m_sde": "exponential",
    "dpmpp_2m_sde_heun": "exponential",
    "dpmpp_3m_sde": "exponential",
    "ddim": "ddim_uniform",
    "lcm": "sgm_uniform",
}


def _folded(text: str) -> str:
    return "".join(text.lower().split())


_SAMPLER_OF = {_folded(label): name for name, label in list(SAMPLERS.items())[::-1]}
_SCHEDULER_OF = {_folded(label): name for name, label in SCHEDULERS.items()} | {
    "uniform": "normal",
    "polyexponential": "exponential",  # A1111's default rho of 1 makes it the exponential schedule
}


def automatic_scheduler(sampler: str) -> str:
    """What A1111's schedule type "Automatic" means for a sampler, both under ComfyUI's names."""
    return _AUTOMATIC.get(sampler.removesuffix("_gpu"), "normal")


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
            folded, implied = folded[: -len(word)], _SCHEDULER_OF[word]
    sampler = _SAMPLER_OF.get(folded, "")
    if sampler not in samplers:
        known = [*samplers, *SAMPLERS.values()]
        raise SDGenError("bad-parameter", f"there is no sampler {name!r}", nearest=nearest_names(name, known))
    return sampler, implied or automatic_scheduler(sampler)


def comfy_scheduler(name: str, schedulers: Sequence[str]) -> str | None:
    """A scheduler name in either spelling → ComfyUI's; None for A1111's "Automatic". Raises ``bad-parameter``."""
    if name in schedulers:
        return name
    folded = _folded(name)
    if folded == "automatic":
        return None
    scheduler = _SCHEDULER_OF.get(folded, folded)
    if scheduler not in schedulers:
        known = [*schedulers, *SCHEDULERS.values()]
        raise SDGenError("bad-parameter", f"there is no scheduler {name!r}", nearest=nearest_names(name, known))
    return scheduler


def strange_names(parameters: Mapping[str, Any]) -> list[str]:
    """Remarks on samplers and schedulers that ComfyUI by itself has not: a server with more nodes may have them."""
    out: list[str] = []
    for key, value in parameters.items():
        if not isinstance(value, str) or "{" in value:
            continue
        try:
            if key in ("sampler", "sampler_name"):
                comfy_sampler(value, [*SAMPLERS, *_COMFY_ONLY])
            elif key in ("scheduler", "schedule_type"):
                comfy_scheduler(value, [*SCHEDULERS, *_COMFY_ONLY_SCHEDULERS])
        except SDGenError as error:
            out.append(f"parameters.{key}: in ComfyUI itself {error.text}")
    return out
