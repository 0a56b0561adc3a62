"""A1111's ``parameters`` text: written so that other programs read it, read as tolerantly as it is found.

Layout (the de-facto standard of A1111's ``infotext``): the prompt; a line ``Negative prompt: …``, left out when there
is none; a last line of ``Key: value`` pairs separated by commas, where a value that contains a comma, a colon or a
quote is written as a JSON string. Sampler and scheduler stand under A1111's names, because sites that read the text
know only those; ComfyUI's own names are in the ``prompt`` chunk beside it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from .. import __version__
from .samplers import SAMPLERS, SCHEDULERS

# A line of a prompt that begins like one of the format's own is marked with this invisible character: readers then
# take it as prompt, tokenizers drop it, and our reader takes it off.
_GUARD = "\u200b"
_GUARDED = re.compile(r"\s*(?:Negative prompt:|Steps:)", re.IGNORECASE)
_NEGATIVE = "Negative prompt:"
_NEEDS_QUOTES = re.compile(r'[,:"\s\x00-\x1f\x7f-\x9f\u2028\u2029]')
_MODEL_ENDING = re.compile(r"\.(?:safetensors|sft|ckpt|pth?|bin|gguf)\Z", re.IGNORECASE)
_BAD_IN_KEY = re.compile(r"[^\w \-/]+", re.ASCII)
_PAIR_KEY = re.compile(r"\s*(\w[\w \-/]+):\s*")
_QUOTED = re.compile(r'"(?:[^\\"]|\\.)*"(?=\s*(?:,|$))')
# At least one of these makes a line of pairs the last line of the format, and not a prompt with weights like
# (hair:1.2).
_TELLING = frozenset({"steps", "sampler", "seed", "cfg scale", "size", "model", "model hash", "version"})


class ParsedParameters(TypedDict):
    """What :func:`parse_parameters_text` returns; a field is None when the text does not say it (or not legibly)."""

    prompt: str
    negative_prompt: str
    seed: int | None
    steps: int | None
    sampler: str | None
    scheduler: str | None
    cfg: float | None
    width: int | None
    height: int | None
    model: str | None
    model_hash: str | None
    clip_skip: int | None
    denoise: float | None
    version: str | None
    pairs: dict[str, str]
    raw: str


# --- writing ----------------------------------------------------------------------------------------------------------


def _number(value: float) -> str:
    """7.0 as ``7``, 0.1 as ``0.1``."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _quote(value: str) -> str:
    if not _NEEDS_QUOTES.search(value.replace(" ", "")) and value == value.strip():
        return value
    one_line = all(len(part.splitlines()) < 2 for part in value.split("\n"))
    return json.dumps(value, ensure_ascii=not one_line)


def model_title(name: str) -> str:
    """A checkpoint's name as A1111 shows it: without folder and ending."""
    file_name = name.replace("\\", "/").rpartition("/")[2]
    return _MODEL_ENDING.sub("", file_name) or name


def _prompt_lines(text: str) -> str:
    lines = text.replace("\r", "").split("\n")
    return "\n".join(_GUARD + line if _GUARDED.match(line.lstrip(_GUARD)) else line for line in lines)


def parameters_text(
    prompt: str,
    negative: str,
    *,
    seed: int,
    width: int,
    height: int,
    steps: int | None = None,
    sampler: str | None = None,
    scheduler: str | None = None,
    cfg: float | None = None,
    model: str | None = None,
    model_hash: str | None = None,
    denoise: float | None = None,
    clip_skip: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """The ``parameters`` text of one image.

    ``prompt`` and ``negative`` in their one-line form (line breaks are kept if there are any), ``sampler`` and
    ``scheduler`` under ComfyUI's names, ``model`` without folder and ending, sizes in pixels. What is None is left
    out, ``denoise`` also when it is 1. ``extra`` adds pairs before ``Version``; a key keeps letters, digits, space,
    ``-`` and ``/`` only.
    """
    pairs: dict[str, str] = {}
    if steps is not None:
        pairs["Steps"] = str(steps)
    if sampler:
        pairs["Sampler"] = SAMPLERS.get(sampler, sampler)
    if scheduler:
        pairs["Schedule type"] = SCHEDULERS.get(scheduler, scheduler)
    if cfg is not None:
        pairs["CFG scale"] = _number(cfg)
    pairs["Seed"] = str(seed)
    pairs["Size"] = f"{width}x{height}"
    if model_hash:
        pairs["Model hash"] = model_hash
    if model:
        pairs["Model"] = model_title(model)
    if denoise is not None and denoise < 1:
        pairs["Denoising strength"] = _number(denoise)
    if clip_skip is not None and clip_skip > 1:
        pairs["Clip skip"] = str(clip_skip)
    for key, value in (extra or {}).items():
        name = _BAD_IN_KEY.sub(" ", key).strip(" -/")
        if len(name) > 1 and value not in (None, ""):
            pairs.setdefault(name, _number(value) if isinstance(value, float) else str(value))
    pairs["Version"] = f"SDGen {__version__}"

    lines = [_prompt_lines(prompt)] if prompt.strip() else []
    if negative.strip():
        first, newline, rest = negative.replace("\r", "").partition("\n")
        lines.append(f"{_NEGATIVE} {first}{newline}{_prompt_lines(rest) if rest else ''}")
    lines.append(", ".join(f"{key}: {_quote(value)}" for key, value in pairs.items()))
    return "\n".join(lines)


# --- reading ----------------------------------------------------------------------------------------------------------


def _pairs(line: str) -> Iterator[tuple[str, str, bool]]:
    """(key, value, other text before it?) of each pair; a value is quoted, JSON in brackets, or plain up to a comma."""
    decoder = json.JSONDecoder()
    position = 0
    while match := _PAIR_KEY.search(line, position):
        key, start = match.group(1).strip(), match.end()
        quoted = _QUOTED.match(line, start)
        if quoted:
            text = quoted.group()
            try:
                value = str(json.loads(text, strict=False))
            except ValueError:
                value = text
            end = quoted.end()
        else:
            end = line.find(",", start)
            end = len(line) if end < 0 else end
            if line[start : start + 1] in ("[", "{"):
                with contextlib.suppress(ValueError):
                    end = max(end, decoder.raw_decode(line, start)[1])
            value = line[start:end].strip()
        yield key, value, match.start() > position
        comma = line.find(",", end)
        if comma < 0:
            return
        position = comma + 1


def _last_line(line: str) -> dict[str, str] | None:
    """The pairs of ``line`` if it is the format's last line: two or more, one of them well-known or nothing beside."""
    found = list(_pairs(line))
    if len(found) < 2:
        return None
    pairs = {key: value for key, value, _ in found}
    only_pairs = not any(after_text for _, _, after_text in found)
    return pairs if only_pairs or any(key.lower() in _TELLING for key in pairs) else None


def _as_int(text: str | None) -> int | None:
    try:
        return int(text.strip()) if text else None
    except ValueError:
        return None


def _as_float(text: str | None) -> float | None:
    try:
        return float(text.strip()) if text else None
    except ValueError:
        return None


def parse_parameters_text(text: str) -> ParsedParameters:
    """Read a ``parameters`` text of A1111, its forks, this project or anything alike; never raises.

    Without a recognisable last line everything is prompt. ``pairs`` has all pairs as texts under the names found (the
    last of two equal ones), ``raw`` the whole text; lines that some extensions add after the pairs are in ``raw``
    only.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    pairs: dict[str, str] = {}
    if (last := _last_line(lines[-1])) is not None:
        pairs = last
        lines.pop()
    else:
        for number in range(len(lines) - 1, -1, -1):
            if lines[number].startswith("Steps: ") and (last := _last_line(lines[number])) is not None:
                pairs = last
                del lines[number:]
                break

    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for raw_line in lines:
        line = raw_line.strip()
        if target is prompt and line.startswith(_NEGATIVE):
            target = negative
            line = line[len(_NEGATIVE) :].strip()
        elif line.startswith(_GUARD) and _GUARDED.match(line.lstrip(_GUARD)):
            line = line[len(_GUARD) :].strip()
        target.append(line)

    named = {key.lower(): value for key, value in pairs.items()}
    width, _, height = named.get("size", "").lower().partition("x")
    return {
        "prompt": "\n".join(prompt).strip(),
        "negative_prompt": "\n".join(negative).strip(),
        "seed": _as_int(named.get("seed")),
        "steps": _as_int(named.get("steps")),
        "sampler": named.get("sampler"),
        "scheduler": named.get("schedule type"),
        "cfg": _as_float(named.get("cfg scale")),
        "width": _as_int(width),
        "height": _as_int(height),
        "model": named.get("model"),
        "model_hash": named.get("model hash"),
        "clip_skip": _as_int(named.get("clip skip")),
        "denoise": _as_float(named.get("denoising strength")),
        "version": named.get("version"),
        "pairs": pairs,
        "raw": text,
    }
