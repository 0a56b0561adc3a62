"""Session records from before ``manifest.json``, as it would say them.

Three forms (2025-09 and 2025-10): ``<session>_manifest.json``, ``metadata.json`` and the texts ``session_config.txt`` (French) and
``session_config_legacy.txt`` (English). Each function gives what it finds and never raises over content.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..parsers.facts import as_int, as_map, as_text

_MORE = re.compile(r"\.\.\. and \d+ more\Z")
_RULE = re.compile(r"\s*[-=_*#]{3,}\s*\Z")
_LABEL = re.compile(r"\s*([^\W\d_][^:=\n]{0,60}?)\s*:(?:\s+(.*)|\s*)\Z")


@dataclass
class Written:
    """What a session's record says, in the form of ``manifest.json``: its ``snapshot`` and its ``images`` as ``entries``.

    ``source`` is journal, manifest, v1, v0, text or images; ``status`` is as written; ``problems`` say in words what is broken.
    An entry may have ``parameters`` of its own. ``removed`` are the entries of images that were thrown away.
    """

    source: str
    snapshot: dict[str, Any] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    status: str | None = None
    name: str | None = None
    template: str | None = None
    problems: list[str] = field(default_factory=list)


def _snapshot(
    *,
    timestamp: object,
    prompt: object,
    negative: object,
    generation: Mapping[str, Any],
    parameters: Mapping[str, Any],
    variations: Mapping[str, Any],
    model: object = None,
) -> dict[str, Any]:
    return {
        "timestamp": as_text(timestamp) or "",
        "runtime_info": {"sd_model_checkpoint": as_text(model) or "unknown"},
        "resolved_template": {"prompt": as_text(prompt) or "", "negative": as_text(negative) or ""},
        "generation_params": {name: value for name, value in generation.items() if value is not None},
        "api_params": dict(parameters),
        "variations": dict(variations),
    }


def read_v1(data: Mapping[str, Any], session: str) -> Written:
    """``<session>_manifest.json``; ``session`` is from its name, for files that do not say it."""
    name = as_text(data.get("session_name")) or session
    listed = data.get("variations")
    entries: list[dict[str, Any]] = []
    used: dict[str, list[Any]] = {}
    for position, item in enumerate(listed if isinstance(listed, list) else ()):
        item = as_map(item)
        index = as_int(item.get("index"), 0, 10**9)
        number = position if index is None else index
        values = as_map(item.get("variations"))
        for placeholder, value in values.items():
            if value not in (seen := used.setdefault(placeholder, [])):
                seen.append(value)
        entries.append(
            {
                "filename": f"{name}_{number:04d}.png",
                "seed": item.get("seed"),
                "prompt": item.get("prompt"),
                "negative_prompt": item.get("negative_prompt"),
                "applied_variations": values,
                "parameters": as_map(item.get("parameters")),
            }
        )
    snapshot = _snapshot(
        timestamp=data.get("generated_at"),
        prompt="",
        negative="",
        generation={"num_images": len(entries) or as_int(data.get("total_variations"), 0, 2**53)},
        parameters=entries[0]["parameters"] if entries else {},
        variations={placeholder: {"available": values, "used": values} for placeholder, values in used.items()},
    )
    problems = [] if isinstance(listed, list) else ["the manifest of version 1 has no list of variations"]
    return Written("v1", snapshot, entries, name=name, template=as_text(data.get("template_source")), problems=problems)


def read_v0(data: Mapping[str, Any]) -> Written:
    """``metadata.json``, version 1.0: settings, no list of images."""
    info, generation = as_map(data.get("generation_info")), as_map(data.get("generation"))
    prompt = as_map(data.get("prompt"))
    variations: dict[str, Any] = {}
    for name, value in as_map(data.get("variations")).items():
        listed = as_map(value).get("values")
        values = [v for v in listed if not (isinstance(v, str) and _MORE.match(v))] if isinstance(listed, list) else []
        count = as_int(as_map(value).get("count"), 0, 2**53)
        variations[name] = {"available": values, "used": values, "count": len(values) if count is None else count}
    snapshot = _snapshot(
        timestamp=info.get("timestamp") if isinstance(info.get("timestamp"), str) else info.get("date"),
        prompt=prompt.get("template"),
        negative=prompt.get("negative"),
        generation={
            "mode": info.get("generation_mode"),
            "seed_mode": info.get("seed_mode"),
            "base_seed": info.get("seed"),
            "num_images": as_int(info.get("total_images"), 0, 2**53),
            "total_combinations": info.get("total_combinations"),
        },
        parameters={**as_map(data.get("parameters"))},
        variations=variations,
        model=as_map(data.get("model")).get("checkpoint") or generation.get("model"),
    )
    return Written("v0", snapshot, name=as_text(info.get("session_name")))


def values_in_name(stem: str, pools: Mapping[str, Iterable[Any]]) -> dict[str, str]:
    """The values that a file name of that time shows, ``…_Name_value_Name_value`` or ``…_Name-camelCase``, as far as exactly one of
    the known values (``pools``: placeholder -> values) is written or begins so."""
    names = "|".join(re.escape(name) for name in sorted(pools, key=len, reverse=True) if name)
    found: dict[str, str] = {}
    for match in re.finditer(rf"(?:\A|_)({names})[_-](.+?)(?=_(?:{names})[_-]|\Z)", stem) if names else ():
        shown = _letters(match[2])
        known = {value: _letters(value) for value in pools[match[1]] if isinstance(value, str)}
        like = [v for v, text in known.items() if text == shown] or [
            v for v, text in known.items() if text.startswith(shown)
        ]
        if shown and len(like) == 1:
            found[match[1]] = like[0]
    return found


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _plain(label: str) -> str:
    """A label without accents and capitals, its words joined by ``_``."""
    letters = unicodedata.normalize("NFKD", label.casefold())
    return "_".join(re.findall(r"[a-z0-9]+", "".join(c for c in letters if not unicodedata.combining(c))))


_BLOCKS = {
    "prompt": ("prompt_template", "prompt_de_base", "base_prompt", "template_de_prompt", "prompt"),
    "negative": ("prompt_negatif", "negative_prompt", "prompt_negatif_de_base"),
}
_NAMES = ("nom_de_session", "nom_de_la_session", "session_name", "session")
_DATES = ("date", "date_de_generation", "generated_at", "generated", "date_generation", "generation_date")
_COUNTS = ("nombre_images_demandees", "images_requested", "nombre_d_images", "total_images", "number_of_images")
_SEEDS = ("seed_principal", "main_seed", "seed")
_FRENCH_DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4})\s+(\d\d:\d\d(?::\d\d)?)")


def read_text(text: str) -> Written:
    """``session_config.txt``: lines ``label: value`` and texts below a label that stands alone, in French or English."""
    found, blocks = _labels(text.lstrip("\ufeff").splitlines())

    def first(names: Iterable[str]) -> str | None:
        return next((found[name] for name in names if found.get(name)), None)

    prompts = {
        kind: next((blocks.get(name) or found.get(name) for name in names if blocks.get(name) or found.get(name)), "")
        for kind, names in _BLOCKS.items()
    }
    parameters = {name: value for name, value in found.items() if name not in ("prompt", "negative_prompt")}
    date = first(_DATES) or ""
    if match := _FRENCH_DATE.search(date):
        date = f"{match[3]}-{match[2]}-{match[1]}T{match[4]}"
    snapshot = _snapshot(
        timestamp=date,
        prompt=prompts["prompt"],
        negative=prompts["negative"],
        generation={
            "mode": first(("mode_de_generation", "generation_mode")),
            "seed_mode": first(("mode_seed", "seed_mode", "mode_de_seed")),
            "base_seed": as_int(first(_SEEDS)),
            "num_images": as_int(first(_COUNTS), 0, 2**53),
        },
        parameters=parameters,
        variations={name: {"available": [], "used": []} for name in _variation_files(found)},
        model=first(("sd_model_checkpoint", "modele", "model", "checkpoint")),
    )
    return Written("text", snapshot, name=first(_NAMES))


def _labels(lines: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Labels with a value on their line, and labels with a text below them, which ends at a rule or the next known label."""
    known = {name for names in (*_BLOCKS.values(), _NAMES, _DATES, _COUNTS, _SEEDS) for name in names}
    found: dict[str, str] = {}
    blocks: dict[str, list[str]] = {}
    block: list[str] | None = None
    for line in lines:
        match = _LABEL.match(line)
        name = _plain(match[1]) if match else ""
        if block is not None and not _RULE.match(line) and name not in known:
            block.append(line)
        elif match and match[2]:
            block = None
            found.setdefault(name, match[2].strip())
        elif match and any(name in names for names in _BLOCKS.values()):
            block = blocks.setdefault(name, [])
        elif _RULE.match(line) and (block is None or any(block)):
            block = None  # but a rule right below a heading only underlines it
    return found, {name: "\n".join(texts).strip() for name, texts in blocks.items()}


def _variation_files(found: Mapping[str, str]) -> list[str]:
    """The placeholders of ``fichiers_variations``, which is a map as Python prints it."""
    text = found.get("fichiers_variations") or found.get("variation_files") or ""
    try:
        value = ast.literal_eval(text) if len(text) < 100_000 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [name for name in value if isinstance(name, str)] if isinstance(value, dict) else []
