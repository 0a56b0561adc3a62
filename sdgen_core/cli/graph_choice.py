"""Which graph a template's parameters ask for, when no workflow is named.

The parameters are those of the predecessor, by A1111's names; ``graphs`` puts the graph together. What the graph's nodes have
no means for is said in a warning, what would make other images than meant is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..comfy.workflow_widgets import InputSpec, input_specs
from ..errors import SDGenError
from ..sessions.parameters import canonical_name, find_file, item_image
from ..sessions.samplers import comfy_sampler, comfy_scheduler
from ..templates import ResolvedTemplate
from ..templates.parameters import loose_names, parameter_names
from .graphs import ALPHA, FROM_PLANNER, Control, Detail, Recipe, SecondPass


class Server(Protocol):
    """What is asked of a ComfyUI client."""

    def get(self, path: str) -> Any: ...


class Offers:
    """What a running ComfyUI has: its nodes, and the names in their lists."""

    def __init__(self, client: Server) -> None:
        self._client = client
        self._known: dict[str, dict[str, InputSpec]] = {}

    def inputs(self, node: str) -> dict[str, InputSpec]:
        """The inputs of a node; empty when the server does not have it."""
        if node not in self._known:
            answer = self._client.get(f"/object_info/{node}")
            definition = answer.get(node) if isinstance(answer, dict) else None
            self._known[node] = {spec.name: spec for spec in input_specs(definition)} if definition else {}
        return self._known[node]

    def names(self, node: str, name: str) -> list[str]:
        """The names that the list ``name`` of a node offers."""
        spec = self.inputs(node).get(name)
        return [str(option) for option in spec.options.get("options") or ()] if spec else []


@dataclass(frozen=True)
class Choice:
    """The recipe of a graph, and what it leaves out."""

    recipe: Recipe
    warnings: tuple[str, ...] = ()


def choose(resolved: ResolvedTemplate, offers: Offers) -> Choice:
    """The graph that a template's parameters ask for. Raises ``bad-parameter``, ``no-detector``."""
    written = resolved.parameters
    given = {canonical_name(name): value for name, value in written.items() if value is not None}
    reader = _Reader(resolved)
    warnings: list[str] = []
    image = "image" in given
    mask = _mask(reader, given)
    if mask and not image:
        raise SDGenError("bad-parameter", "parameter 'mask' needs an image to paint in", hint="Write image: beside it.")
    recipe = Recipe(
        checkpoint="checkpoint" in given,
        vae="vae" in given,
        lora="lora" in given,
        tags=any(_TAGS.search(text) for text in _prompt_texts(resolved)),
        image=image,
        mask=mask,
        mask_blur=reader.whole("mask_blur", given.get("mask_blur", 0)),
        controls=tuple(_controls(reader, written, image, offers, warnings)),
        second=_second_pass(reader, given, offers),
        details=tuple(_details(reader, given, offers, warnings)),
    )
    return Choice(recipe, tuple(warnings))


_TAGS = re.compile(r"<(?:lora|lyco):|\bBREAK\b")


def _prompt_texts(resolved: ResolvedTemplate) -> Iterator[str]:
    yield resolved.prompt
    yield resolved.negative
    for pool in resolved.values.values():
        for value in pool.values():
            yield from (value,) if isinstance(value, str) else value.values()


class _Reader:
    """Values that are one for the whole session."""

    def __init__(self, resolved: ResolvedTemplate) -> None:
        self._names = {*resolved.values, *resolved.removed}
        self.images = resolved.images

    def varies(self, value: Any) -> bool:
        return any(
            name in self._names for name in (*parameter_names({"x": value}), *loose_names({"controlnet": value}))
        )

    def one(self, name: str, value: Any) -> Any:
        if self.varies(value):
            raise SDGenError(
                "bad-parameter",
                f"parameter {name!r} varies from image to image, and the graph has one value for the session",
                hint="Write one value, or give a workflow of your own with --workflow.",
            )
        return value

    def number(self, name: str, value: Any) -> float:
        try:
            if isinstance(self.one(name, value), bool):
                raise ValueError
            return float(value)
        except (TypeError, ValueError):
            raise SDGenError("bad-parameter", f"parameter {name!r} must be a number, not {value!r}") from None

    def whole(self, name: str, value: Any) -> int:
        return round(self.number(name, value))

    def switch(self, name: str, value: Any) -> bool:
        text = str(self.one(name, value)).strip().lower()
        if text not in ("true", "false", "yes", "no", "on", "off", "1", "0", ""):
            raise SDGenError("bad-parameter", f"parameter {name!r} must be true or false, not {value!r}")
        return text in ("true", "yes", "on", "1")


def _mask(reader: _Reader, given: Mapping[str, Any]) -> str:
    text = str(reader.one("mask", given.get("mask", ""))).strip()
    return ALPHA if text.lower() == ALPHA else reader.images.get(text, text)


# ---- second pass ----------------------------------------------------------------------------------------------------

_LATENT = {
    "latent": "bilinear",
    "latent (antialiased)": "bilinear",
    "latent (bicubic)": "bicubic",
    "latent (bicubic antialiased)": "bicubic",
    "latent (nearest)": "nearest-exact",
    "latent (nearest-exact)": "nearest-exact",
}
_PIXELS = {"none": "lanczos", "lanczos": "lanczos", "nearest": "nearest-exact"}
#: A1111's own names of upscale models → the files that these are.
_UPSCALERS = {
    "r-esrgan 4x+": "RealESRGAN_x4plus",
    "r-esrgan 4x+ anime6b": "RealESRGAN_x4plus_anime_6B",
    "r-esrgan 2x+": "RealESRGAN_x2plus",
}


def _second_pass(reader: _Reader, given: Mapping[str, Any], offers: Offers) -> SecondPass | None:
    if not reader.switch("enable_hr", given.get("enable_hr", False)):
        return None
    scale = reader.number("hr_scale", given.get("hr_scale", 2.0))
    if not 0.01 <= scale <= 8:  # what ComfyUI's nodes take
        raise SDGenError("bad-parameter", f"parameter 'hr_scale' must be from 0.01 to 8, not {scale:g}")
    steps = reader.whole("hr_second_pass_steps", given.get("hr_second_pass_steps", 0))
    if not 0 <= steps <= 10000:
        raise SDGenError("bad-parameter", f"parameter 'hr_second_pass_steps' must be from 0 to 10000, not {steps}")
    name = str(reader.one("hr_upscaler", given.get("hr_upscaler", "Latent"))).strip()
    folded = name.lower()
    if folded in _LATENT:
        return SecondPass(scale, latent=_LATENT[folded], steps=steps)
    if folded in _PIXELS:
        return SecondPass(scale, pixels=_PIXELS[folded], steps=steps)
    models = offers.names("UpscaleModelLoader", "model_name")
    return SecondPass(scale, model=find_file("upscale_models", _UPSCALERS.get(folded, name), models), steps=steps)


# ---- ControlNet -----------------------------------------------------------------------------------------------------

#: Preprocessors of A1111's extension that stock nodes do; others want images that are maps already.
_PREPROCESSORS = {
    "none": "none",
    "": "none",
    "canny": "canny",
    "invert": "invert",
    "invert (from white bg & black line)": "invert",
}


def _controls(
    reader: _Reader, written: Mapping[str, Any], image: bool, offers: Offers, warnings: list[str]
) -> Iterator[Control]:
    units = (written.get("controlnet") or {}).get("units") or ()
    from_planner = item_image(written)
    models = offers.names("ControlNetLoader", "control_net_name") if units else []
    for number, unit in enumerate(units):
        label = f"controlnet unit {number}"
        module = str(reader.one(f"{label}: module", unit["module"])).strip().lower()
        if module not in _PREPROCESSORS:
            raise SDGenError(
                "bad-parameter",
                f"{label}: ComfyUI's own nodes have no preprocessor {unit['module']!r}",
                hint="Name images that are maps already with module: none, or give a workflow with a preprocessor's node.",
            )
        if str(unit["control_mode"]).strip().lower() not in ("balanced", "0") or unit["guess_mode"]:
            warnings.append(f"{label}: control_mode and guess_mode have no effect: ComfyUI has no such setting")
        resize = str(unit["resize_mode"]).strip().lower()
        if resize in ("resize and fill", "2"):
            warnings.append(f"{label}: resize_mode {unit['resize_mode']!r} is done as Crop and Resize")
        low, high = (reader.number(f"{label}: threshold_{x}", unit[f"threshold_{x}"]) / 255 for x in "ab")
        yield Control(
            model=find_file("controlnet", str(reader.one(f"{label}: model", unit["model"])), models),
            image=_unit_image(reader, label, unit["image"], from_planner, image),
            preprocessor=_PREPROCESSORS[module],
            strength=reader.number(f"{label}: weight", unit["weight"]),
            start=reader.number(f"{label}: guidance_start", unit["guidance_start"]),
            end=reader.number(f"{label}: guidance_end", unit["guidance_end"]),
            low=min(0.99, max(0.01, low)),
            high=min(0.99, max(0.01, high)),
            stretch=resize in ("just resize", "0"),
        )


def _unit_image(reader: _Reader, label: str, name: Any, from_planner: Any, image: bool) -> str | None:
    if name is None or name == "":
        if not image:
            raise SDGenError("bad-parameter", f"{label} names no image", hint="Write image: in the unit.")
        return None
    if name == from_planner:
        return FROM_PLANNER
    if reader.varies(name):
        raise SDGenError(
            "bad-parameter",
            f"{label}: image {name!r} varies from image to image, and so may one image of a graph only: {from_planner!r}",
            hint="Give the other one a fixed image, or use a workflow of your own with --workflow.",
        )
    return reader.images.get(str(name), str(name))


# ---- detail passes --------------------------------------------------------------------------------------------------

_PACKS = (
    "Install the node packs ComfyUI-Impact-Pack and ComfyUI-Impact-Subpack and restart ComfyUI, or remove adetailer."
)

#: Fields of a detector → what they are of the FaceDetailer node. ``ad_use_…`` fields decide over those below them.
DETAIL_INPUTS = {
    "ad_confidence": "bbox_threshold",
    "ad_dilate_erode": "bbox_dilation",
    "ad_denoising_strength": "denoise",
    "ad_mask_blur": "feather",
    "ad_steps": "steps",
    "ad_cfg_scale": "cfg",
    "ad_sampler": "sampler_name",
    "ad_scheduler": "scheduler",
    "ad_inpaint_width": "guide_size",
    "ad_inpaint_height": "guide_size",
    "ad_inpaint_only_masked": "noise_mask",
}
#: Fields that the node has nothing for, with the values at which that makes no difference.
DETAIL_WITHOUT_EFFECT: Mapping[str, Sequence[Any]] = {
    "ad_model_classes": ("",),
    "ad_mask_k_largest": (0,),
    "ad_mask_min_ratio": (0.0,),
    "ad_mask_max_ratio": (1.0,),
    "ad_x_offset": (0,),
    "ad_y_offset": (0,),
    "ad_mask_merge_invert": ("None",),
    "ad_inpaint_only_masked_padding": (32,),
    "ad_use_checkpoint": (False,),
    "ad_use_vae": (False,),
    "ad_use_noise_multiplier": (False,),
    "ad_use_clip_skip": (False,),
    "ad_restore_face": (False,),
    "ad_controlnet_model": ("None",),
}


def _details(reader: _Reader, given: Mapping[str, Any], offers: Offers, warnings: list[str]) -> Iterator[Detail]:
    detectors = [d for d in (given.get("adetailer") or {}).get("detectors") or () if d["ad_tab_enable"]]
    if not detectors:
        return
    if not offers.inputs("UltralyticsDetectorProvider") or not offers.inputs("FaceDetailer"):
        raise SDGenError(
            "no-detector", "adetailer needs nodes that find things, and this ComfyUI has none", hint=_PACKS
        )
    models = offers.names("UltralyticsDetectorProvider", "model_name")
    for number, detector in enumerate(detectors):
        label = f"adetailer detector {number}"
        values = {name: reader.one(f"{label}: {name}", value) for name, value in detector.items()}
        idle = [name for name, plain in DETAIL_WITHOUT_EFFECT.items() if values[name] not in plain]
        if idle:
            warnings.append(f"{label}: the FaceDetailer node has nothing for {', '.join(idle)}")
        try:
            model = find_file("ultralytics", str(values["ad_model"]), models)
        except SDGenError as error:
            hint = (
                "Put the detector's model into ComfyUI's models/ultralytics/bbox or /segm, or choose another ad_model."
            )
            raise SDGenError("no-detector", f"{label}: {error.message}", nearest=error.nearest, hint=hint) from error
        yield Detail(
            model,
            _detail_settings(values, offers),
            str(values["ad_prompt"] or ""),
            str(values["ad_negative_prompt"] or ""),
        )


def _detail_settings(values: Mapping[str, Any], offers: Offers) -> dict[str, Any]:
    inputs = offers.inputs("FaceDetailer")
    # What the node's definition has a default for and nobody links or sets is taken from there.
    settings = {name: spec.default for name, spec in inputs.items() if spec.has_widget and name not in _PLANNED}
    settings |= {
        "bbox_threshold": values["ad_confidence"],
        "bbox_dilation": values["ad_dilate_erode"],
        "denoise": max(0.0001, values["ad_denoising_strength"]),
        "feather": min(100, values["ad_mask_blur"]),
        "noise_mask": values["ad_inpaint_only_masked"],
        "guide_size_for": False,  # the crop, as in A1111, not the box in it
    }
    if values["ad_use_inpaint_width_height"]:
        settings["guide_size"] = float(min(values["ad_inpaint_width"], values["ad_inpaint_height"]))
        settings["max_size"] = float(max(values["ad_inpaint_width"], values["ad_inpaint_height"]))
    if values["ad_use_steps"]:
        settings["steps"] = values["ad_steps"]
    if values["ad_use_cfg_scale"]:
        settings["cfg"] = values["ad_cfg_scale"]
    if values["ad_use_sampler"]:
        sampler, implied = comfy_sampler(str(values["ad_sampler"]), offers.names("KSampler", "sampler_name"))
        named = str(values["ad_scheduler"])
        if named.lower() != "use same scheduler":
            implied = comfy_scheduler(named, offers.names("KSampler", "scheduler")) or implied
        settings["sampler_name"] = sampler
        if implied:
            settings["scheduler"] = implied
    return settings


_PLANNED = ("seed", "steps", "cfg", "sampler_name", "scheduler")


def described(recipe: Recipe) -> str:
    """The graph in words."""
    return ", ".join(_words(recipe))


def _words(recipe: Recipe) -> Iterable[str]:
    yield ("inpainting" if recipe.mask else "image to image") if recipe.image else "text to image"
    if recipe.lora or recipe.tags:
        yield "LoRA"
    if recipe.controls:
        yield f"{len(recipe.controls)} ControlNet" + ("s" if len(recipe.controls) > 1 else "")
    if recipe.second:
        by = recipe.second.model or (f"latent {recipe.second.latent}" if recipe.second.latent else recipe.second.pixels)
        yield f"second pass at {recipe.second.scale:g}× ({by})"
    if recipe.details:
        yield f"{len(recipe.details)} detail pass" + ("es" if len(recipe.details) > 1 else "")
