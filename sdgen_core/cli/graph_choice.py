"""Which graph a template's parameters ask for, when no workflow is named.

The parameters are those of the predecessor, by A1111's names; ``graphs`` puts the graph together. What the graph's nodes have
no means for is said in a warning, what would make other images than meant is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError
from ..sessions.parameters import canonical_name, find_file, item_image
from ..templates import ResolvedTemplate
from .detail_choice import chosen_details
from .graph_inputs import Offers, Reader
from .graphs import ALPHA, FROM_PLANNER, Control, Recipe, SecondPass


@dataclass(frozen=True)
class Choice:
    """The recipe of a graph, and what it leaves out."""

    recipe: Recipe
    warnings: tuple[str, ...] = ()


def choose(resolved: ResolvedTemplate, offers: Offers) -> Choice:
    """The graph that a template's parameters ask for. Raises ``bad-parameter``, ``no-detector``."""
    written = resolved.parameters
    given = {canonical_name(name): value for name, value in written.items() if value is not None}
    reader = Reader(resolved)
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
        details=tuple(chosen_details(reader, given, offers, warnings)),
    )
    return Choice(recipe, tuple(warnings))


_TAGS = re.compile(r"<(?:lora|lyco):|\bBREAK\b")


def _prompt_texts(resolved: ResolvedTemplate) -> Iterator[str]:
    yield resolved.prompt
    yield resolved.negative
    for pool in resolved.values.values():
        for value in pool.values():
            yield from (value,) if isinstance(value, str) else value.values()


def _mask(reader: Reader, given: Mapping[str, Any]) -> str:
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


def _second_pass(reader: Reader, given: Mapping[str, Any], offers: Offers) -> SecondPass | None:
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
    reader: Reader, written: Mapping[str, Any], image: bool, offers: Offers, warnings: list[str]
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


def _unit_image(reader: Reader, label: str, name: Any, from_planner: Any, image: bool) -> str | None:
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
