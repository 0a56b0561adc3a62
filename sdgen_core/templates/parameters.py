"""Placeholders inside the ``parameters`` block: detector prompts, ControlNet images, and any value that varies per
image.

A text may hold ``{Name}`` or ``{Name:part}``; a value that is nothing but one placeholder may be written without
quotes (YAML then reads ``{Name: null}``), and its filled text becomes a number where it reads as one. Names in
``adetailer`` and ``controlnet`` are
*loose*: they follow the prompt's choice, and when the prompt does not use them they are drawn per image instead of
looped over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .resolved import Value
from .syntax import PLACEHOLDER, Placeholder, tokens

LOOSE = ("adetailer", "controlnet")

#: What ``preset_model.ParametersBlock`` has, without waiting for the model.
KNOWN = frozenset(
    {
        "width", "height", "steps", "cfg_scale", "cfg", "guidance", "sampler", "sampler_name", "scheduler", "schedule_type",
        "denoise", "denoising_strength", "checkpoint", "model", "sd_model", "sd_model_checkpoint", "vae", "sd_vae", "lora",
        "lora_strength", "lora_weight", "image", "init_image", *LOOSE, "batch_size", "n_iter", "batch_count", "enable_hr", "hr_scale",
        "hr_upscaler", "hr_second_pass_steps", "mask", "mask_blur", "clip_skip", "seed", "restore_faces", "alwayson_scripts",
        "override_settings",
    }
)  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "{" in value:
            yield value
    elif isinstance(value, Mapping):
        single = unquoted(value)
        if single is not None:
            yield single
        else:
            for v in value.values():
                yield from _texts(v)
    elif isinstance(value, list):
        for v in value:
            yield from _texts(v)


def unquoted(value: Mapping[str, Any]) -> str | None:
    """``{Name: None}``, which is how YAML reads an unquoted ``{Name}``, as the text "{Name}"; None for any other
    map.
    """
    if len(value) == 1:
        (key, inner), *_ = value.items()
        if inner is None and PLACEHOLDER.fullmatch("{" + str(key) + "}"):
            return "{" + str(key) + "}"
    return None


def _names(value: Any) -> dict[str, None]:
    return dict.fromkeys(t.name for text in _texts(value) for t in tokens(text) if isinstance(t, Placeholder))


def parameter_names(parameters: Mapping[str, Any]) -> list[str]:
    """Names that ordinary parameters use, in order: they are looped over like names of the prompt."""
    return list(_names({k: v for k, v in parameters.items() if k not in LOOSE}))


#: Parameters that name images, as users write them.
IMAGES = ("image", "init_image", "mask")

#: Parameters whose change makes the backend load a model, as users write them, the dearest first.
DEAR = ("checkpoint", "model", "sd_model", "sd_model_checkpoint", "vae", "sd_vae", "lora")


def dear_names(parameters: Mapping[str, Any]) -> list[str]:
    """Placeholders that name models, the dearest first: their loops are the outermost ones."""
    return list(_names([parameters[name] for name in DEAR if name in parameters]))


def loose_names(parameters: Mapping[str, Any]) -> list[str]:
    """Names that ADetailer and ControlNet settings use."""
    return list(_names({k: v for k, v in parameters.items() if k in LOOSE}))


def image_texts(parameters: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a parameters block names images, and how."""
    for name in IMAGES:
        if text := _image_text(parameters.get(name)):
            yield (name,), text
    block = parameters.get("controlnet")
    units = block.get("units") if isinstance(block, Mapping) else None
    for number, unit in enumerate(units or ()):
        if text := _image_text(unit.get("image")):
            yield ("controlnet", "units", number, "image"), text


def _image_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return unquoted(value) or ""
    return "" if value is None else str(value).strip()


#: Longer ones are images written as base64.
_LONGEST_PATH = 1024


def image_paths(parameters: Mapping[str, Any]) -> dict[str, str]:
    """``ControlNetImage_<index of the unit>`` -> the path of its image as written: what manifests have always recorded among
    the variations of an image. Placeholders are recorded under their own names, images written as base64 not at all.
    """
    return {
        f"ControlNetImage_{path[2]}": text
        for path, text in image_texts(parameters)
        if len(path) == 4
        and len(text) <= _LONGEST_PATH
        and not text.startswith("data:")
        and not any(isinstance(t, Placeholder) for t in tokens(text))
    }


def part_of(value: Value, part: str | None) -> str:
    """What ``{X}`` or ``{X:part}`` becomes: ``main``, or the alphabetically first part; a plain text is its own
    ``main``.
    """
    if isinstance(value, str):
        return value if part is None or part == "main" else ""
    if part is not None:
        return value.get(part, "")
    if "main" in value:
        return value["main"]
    return value[min(value)] if value else ""


def filled_text(text: str, values: Mapping[str, Value]) -> str:
    """``text`` with what its placeholders mean in ``values``; other names stay as they are."""
    return "".join(
        part_of(values[t.name], t.part)
        if isinstance(t, Placeholder) and t.name in values
        else t
        if isinstance(t, str)
        else t.raw
        for t in tokens(text)
    )


class ParameterFiller:
    """Fills a parameters block per image; without placeholders it returns the same mapping every time (do not change
    it). ``names`` are the placeholders that the result depends on; ``empty`` ones are filled with nothing. ``images`` are
    other names of images.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        values: Mapping[str, Mapping[str, Value]],
        empty: frozenset[str],
        images: Mapping[str, str] | None = None,
    ) -> None:
        self._images = images or {}
        self._plain: dict[str, Any] = self._renamed(dict(parameters))
        self._values = values
        self._empty = empty
        self._known = {n for n in _names(parameters) if n in values or n in empty}
        self.names = tuple(sorted(n for n in self._known if n in values))

    @property
    def varies(self) -> bool:
        return bool(self._known)

    def __call__(self, choice: Mapping[str, str]) -> dict[str, Any]:
        if not self.varies:
            return self._plain
        return self._renamed({k: self._fill(v, choice, k not in LOOSE) for k, v in self._plain.items()})

    def _renamed(self, parameters: dict[str, Any]) -> dict[str, Any]:
        for path, text in image_texts(parameters) if self._images else ():
            if text in self._images:
                parent: Any = parameters
                for step in path[:-1]:
                    parent[step] = parent[step].copy()
                    parent = parent[step]
                parent[path[-1]] = self._images[text]
        return parameters

    def _fill(self, value: Any, choice: Mapping[str, str], number: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, choice, number) if "{" in value else value
        if isinstance(value, Mapping):
            single = unquoted(value)
            if single is not None and single[1:-1].split(":")[0] in self._known:
                return self._text(single, choice, number)
            return {k: self._fill(v, choice, number) for k, v in value.items()}
        if isinstance(value, list):
            return [self._fill(v, choice, number) for v in value]
        return value

    def _text(self, text: str, choice: Mapping[str, str], number: bool) -> Any:
        parts: list[str] = []
        found = tokens(text)
        for t in found:
            if isinstance(t, str):
                parts.append(t)
            elif t.name in choice and t.name in self._values:
                parts.append(part_of(self._values[t.name][choice[t.name]], t.part))
            elif t.name not in self._empty:
                parts.append(t.raw)
        filled = "".join(parts)
        if number and len(found) == 1 and not isinstance(found[0], str):
            return _number(filled)
        return filled


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            value = kind(text.strip())
        except ValueError:
            continue
        return value if value == value and abs(value) != float("inf") else text
    return text
