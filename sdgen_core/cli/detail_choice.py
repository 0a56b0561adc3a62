"""ADetailer's settings as detail passes: which detector the running ComfyUI has for each, and what it is to do.

A detector is a YOLO model, by the packs Impact Pack and Impact Subpack, or words that SAM 3 looks for, in ComfyUI itself. What it finds
is painted by SDGen's own node, by ADetailer's rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..comfy.regions import JUDGE, MERGE
from ..errors import SDGenError
from ..sessions.parameters import files_called, find_file
from ..sessions.samplers import comfy_sampler, comfy_scheduler
from .graph_inputs import Offers, Reader
from .graphs import DETECTORS, Detail

#: Fields of a detector → inputs of the SDGenDetail node. ``ad_use_…`` fields decide over those below them.
DETAIL_INPUTS = {
    "ad_denoising_strength": "denoise",
    "ad_mask_blur": "blur",
    "ad_dilate_erode": "grow",
    "ad_x_offset": "right",
    "ad_inpaint_only_masked": "only_masked",
    "ad_inpaint_only_masked_padding": "padding",
    "ad_mask_k_largest": "largest",
    "ad_mask_min_ratio": "min_ratio",
    "ad_mask_max_ratio": "max_ratio",
}
_SWITCHED = {
    "ad_use_steps": {"ad_steps": "steps"},
    "ad_use_cfg_scale": {"ad_cfg_scale": "cfg"},
    "ad_use_inpaint_width_height": {"ad_inpaint_width": "width", "ad_inpaint_height": "height"},
}
#: Fields that there is nothing for, with the values at which that makes no difference.
DETAIL_WITHOUT_EFFECT: Mapping[str, Sequence[Any]] = {
    "ad_use_noise_multiplier": (False,),
    "ad_restore_face": (False,),
    "ad_controlnet_model": ("None", None),
}
#: Fields that may hold placeholders: SDGen Encode Prompt fills them image by image.
_PROMPTS = ("ad_prompt", "ad_negative_prompt")
_JUDGES = {"area": JUDGE[0], "confidence": JUDGE[1]}
_MERGES = {"none": MERGE[0], "merge": MERGE[1], "merge and invert": MERGE[2]}

_PACKS = "Install the node packs ComfyUI-Impact-Pack and ComfyUI-Impact-Subpack and restart ComfyUI"


def chosen_details(reader: Reader, given: Mapping[str, Any], offers: Offers, warnings: list[str]) -> Iterator[Detail]:
    """The detail passes of the parameter ``adetailer``. Raises ``no-detector``, ``bad-parameter``; what nothing can be done for goes
    into ``warnings``."""
    detectors = [d for d in (given.get("adetailer") or {}).get("detectors") or () if d["ad_tab_enable"]]
    for number, detector in enumerate(detectors):
        label = f"adetailer detector {number}"
        values = {n: v if n in _PROMPTS else reader.one(f"{label}: {n}", v) for n, v in detector.items()}
        idle = [name for name, plain in DETAIL_WITHOUT_EFFECT.items() if values[name] not in plain]
        if idle:
            warnings.append(f"{label}: there is no node for {', '.join(idle)}")
        texts = [str(values[name] or "") for name in _PROMPTS]
        if any(mark in text for text in texts for mark in ("[SEP]", "[SKIP]")):
            warnings.append(f"{label}: [SEP] and [SKIP] have no effect: all regions have one prompt")
        kind, model = _detector(label, values, offers)
        yield Detail(
            model,
            kind,
            find=str(values["ad_model_classes"] or ""),
            confidence=values["ad_confidence"],
            settings=_settings(label, values, offers),
            prompt=texts[0],
            negative=texts[1],
            checkpoint=_file("checkpoints", values, "checkpoint", offers, "CheckpointLoaderSimple", "ckpt_name"),
            vae=_file("vae", values, "vae", offers, "VAELoader", "vae_name"),
            clip_skip=values["ad_clip_skip"] if values["ad_use_clip_skip"] else 0,
        )


def _file(kind: str, values: Mapping[str, Any], name: str, offers: Offers, node: str, slot: str) -> str:
    text = str(values[f"ad_{name}"] or "")
    if not values[f"ad_use_{name}"] or text.lower().startswith("use same"):
        return ""
    return find_file(kind, text, offers.names(node, slot))


def _detector(label: str, values: Mapping[str, Any], offers: Offers) -> tuple[str, str]:
    """The kind of detector and its file, as the server names it."""
    wanted = str(values["ad_model"])
    yolo = [kind for kind in ("boxes", "shapes") if all(offers.inputs(node) for node in DETECTORS[kind])]
    words = all(offers.inputs(node) for node in DETECTORS["words"])
    checkpoints = offers.names("CheckpointLoaderSimple", "ckpt_name") if words else []
    if len(files_called(wanted, checkpoints)) == 1:
        if not values["ad_model_classes"]:
            raise SDGenError(
                "bad-parameter",
                f"{label}: {wanted} looks for what it is told, and ad_model_classes says nothing",
                hint="Write for instance ad_model_classes: face.",
            )
        return "words", find_file("checkpoints", wanted, checkpoints)
    if not yolo:
        also = ", or name a checkpoint of SAM 3 as ad_model" if words else ""
        raise SDGenError(
            "no-detector",
            f"{label}: ad_model {wanted!r} needs nodes that find things, and this ComfyUI has none",
            hint=f"{_PACKS}{also}, or remove adetailer.",
        )
    try:
        model = find_file("ultralytics", wanted, offers.names("UltralyticsDetectorProvider", "model_name"))
    except SDGenError as error:
        raise SDGenError(
            "no-detector",
            f"{label}: {error.message}",
            nearest=error.nearest,
            hint="Put the detector's model into ComfyUI's models/ultralytics/bbox or /segm, or choose another ad_model.",
        ) from error
    return ("shapes" if model.replace("\\", "/").startswith("segm/") else "boxes"), model


def _settings(label: str, values: Mapping[str, Any], offers: Offers) -> dict[str, Any]:
    settings = {slot: values[name] for name, slot in DETAIL_INPUTS.items()}
    settings["down"] = -values["ad_y_offset"]  # ADetailer counts upwards
    for switch, fields in _SWITCHED.items():
        if values[switch]:
            settings |= {slot: values[name] for name, slot in fields.items()}
    settings["largest_by"] = _word(label, "ad_mask_filter_method", values, _JUDGES)
    settings["merge"] = _word(label, "ad_mask_merge_invert", values, _MERGES)
    if values["ad_use_sampler"]:
        sampler, implied = comfy_sampler(str(values["ad_sampler"]), offers.names("KSampler", "sampler_name"))
        named = str(values["ad_scheduler"])
        if named.lower() != "use same scheduler":
            implied = comfy_scheduler(named, offers.names("KSampler", "scheduler")) or implied
        settings["sampler_name"] = sampler
        if implied:
            settings["scheduler"] = implied
    return settings


def _word(label: str, name: str, values: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    text = str(values[name] or "").strip().lower()
    if text not in meanings:
        raise SDGenError("bad-parameter", f"{label}: {name} may be {', '.join(meanings)}, not {values[name]!r}")
    return meanings[text]
