"""InvokeAI's records: ``invokeai_metadata`` (version 3 and later), ``sd-metadata`` (2), and the command line in ``Dream`` (1 and 2).

Facts from its ``invocations/metadata.py`` (3 to 6) and ``ldm/invoke/args.py`` (2): in versions 1 and 2 the negative prompt stands in
square brackets inside of the prompt; ``clip_skip`` counts the layers left out; from version 4 on, a model's hash is a BLAKE3 unless
it says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .facts import (
    ImageFacts,
    as_int,
    as_map,
    as_number,
    as_pixels,
    as_steps,
    as_text,
    file_title,
    guided,
    json_map,
    short_hash,
)

#: InvokeAI's scheduler, without ``_k`` for Karras' sigmas → ComfyUI's sampler. What is not here has ComfyUI's name or none.
_SAMPLERS: Mapping[str, str] = {
    "euler_a": "euler_ancestral",
    "kdpm_2": "dpm_2",
    "kdpm_2_a": "dpm_2_ancestral",
    "dpm_2_a": "dpm_2_ancestral",
    "dpmpp_2": "dpmpp_2m",
    "dpmpp_2_a": "dpmpp_2s_ancestral",
    "unipc": "uni_pc",
}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
#: The prompt of a command line, quoted or up to the first switch; switches have their value behind them, with or without a space.
_COMMAND = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|(.*?))(?=\s--?[A-Za-z]|\Z)', re.DOTALL)
_SWITCH = re.compile(r"(?<=\s)-([sSWHCf])\s*(-?\d[\d.]*)(?=\s|\Z)|(?<=\s)-(A)\s*(\w+)")


def parse_invokeai(chunks: Mapping[str, str]) -> ImageFacts | None:
    """The facts of the newest kind of record that is there; None when there is none."""
    if data := json_map(chunks.get("invokeai_metadata")):
        return _version_3(data)
    if data := json_map(chunks.get("sd-metadata")):
        return _version_2(data)
    if command := chunks.get("Dream"):
        return _dream(command)
    return None


def _version_3(data: Mapping[str, Any]) -> ImageFacts:
    sampler, scheduler = _sampler(data.get("scheduler"))
    skipped = as_int(data.get("clip_skip"), 0, 1000)
    loras = []
    for entry in data["loras"] if isinstance(data.get("loras"), list) else ():
        entry = as_map(entry)
        if name := _model_name(entry.get("model", entry.get("lora"))):
            loras.append((name, as_number(entry.get("weight"))))
    return ImageFacts(
        source="invokeai",
        prompt=as_text(data.get("positive_prompt")),
        negative=as_text(data.get("negative_prompt")),
        seed=as_int(data.get("seed")),
        steps=as_steps(data.get("steps")),
        sampler=sampler,
        scheduler=scheduler,
        cfg=guided(as_number(data.get("cfg_scale")), as_number(data.get("guidance"))),
        denoise=as_number(data.get("strength")),
        width=as_pixels(data.get("width")),
        height=as_pixels(data.get("height")),
        model=_model_name(data.get("model")),
        model_hash=short_hash(as_map(data.get("model")).get("hash")),
        vae=_model_name(data.get("vae")),
        loras=tuple(loras),
        clip_skip=None if skipped is None else skipped + 1,
    )


def _version_2(data: Mapping[str, Any]) -> ImageFacts:
    image = data.get("image")
    if image is None and isinstance(data.get("images"), list) and data["images"]:  # a grid
        image = data["images"][0]
    image = as_map(image)
    prompt, negative = _split(_joined(image.get("prompt")))
    sampler, scheduler = _sampler(image.get("sampler"))
    return ImageFacts(
        source="invokeai",
        prompt=prompt,
        negative=negative,
        seed=as_int(image.get("seed")),
        steps=as_steps(image.get("steps")),
        sampler=sampler,
        scheduler=scheduler,
        cfg=as_number(image.get("cfg_scale")),
        denoise=as_number(image.get("strength", image.get("strength_steps"))),
        width=as_pixels(image.get("width")),
        height=as_pixels(image.get("height")),
        model=file_title(data.get("model_weights")) or file_title(data.get("model_id")),
        model_hash=short_hash(data.get("model_hash")),
    )


def _dream(command: str) -> ImageFacts | None:
    command = command[:100_000].strip()
    match = _COMMAND.match(command)
    if match is None:
        return None
    quoted, plain = match.groups()
    prompt, negative = _split(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    switches = {m[1] or m[3]: m[2] or m[4] for m in _SWITCH.finditer(command, match.end())}
    sampler, scheduler = _sampler(switches.get("A"))
    return ImageFacts(
        source="invokeai",
        prompt=prompt,
        negative=negative,
        seed=as_int(switches.get("S")),
        steps=as_steps(switches.get("s")),
        sampler=sampler,
        scheduler=scheduler,
        cfg=as_number(switches.get("C")),
        denoise=as_number(switches.get("f")),
        width=as_pixels(switches.get("W")),
        height=as_pixels(switches.get("H")),
    )


def _sampler(value: object) -> tuple[str | None, str | None]:
    """Sampler and scheduler. The plain schedule of diffusers is none that ComfyUI has, so only Karras' is named."""
    if not isinstance(value, str) or not value:
        return None, None
    name = value.removeprefix("k_")
    base = name.removesuffix("_k")
    return _SAMPLERS.get(base, base), "karras" if base != name else None


def _model_name(value: object) -> str | None:
    """A model: its name, or a map that has it (``model_name`` in version 3, ``name`` later)."""
    if isinstance(value, dict):
        value = value.get("name", value.get("model_name"))
    return file_title(value)


def _joined(prompt: object) -> str | None:
    """A prompt: a text, or parts with weights, which are written ``text:weight`` where there are several."""
    if isinstance(prompt, list):
        parts = [as_map(part) for part in prompt]
        texts = [(as_text(p.get("prompt")) or "", as_number(p.get("weight"))) for p in parts]
        if len(texts) == 1:
            return texts[0][0]
        return ", ".join(t if w is None else f"{t}:{w:g}" for t, w in texts) if texts else None
    return as_text(prompt)


def _split(text: str | None) -> tuple[str | None, str | None]:
    """Prompt and negative prompt of a text that has the latter in brackets."""
    if text is None:
        return None, None
    negative = ", ".join(part.strip() for part in _BRACKETS.findall(text) if part.strip())
    return " ".join(_BRACKETS.sub(" ", text).split()) if negative else text.strip(), negative
