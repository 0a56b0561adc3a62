"""What a LoRA file is, from its header: kind, ranks, alphas, family, training, trigger words. Numbers are looked at only when asked."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ...sessions.safetensors_file import Header
from .modules import Module, family_of, form_of, modules_of
from .weights import WeightFile, read_header

#: Words shown of a training's captions: those that nearly every caption has come first.
_TRIGGERS = 10


@dataclass(frozen=True)
class LoraInfo:
    """``ranks`` and ``alphas`` by module; ``kinds`` counts modules; ``triggers`` are (word, captions that have it). ``checked`` is None
    until the numbers were looked at, then what is wrong with them."""

    header: Header
    modules: Mapping[str, Module]
    unknown: tuple[str, ...]
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    family: str
    form: str
    triggers: tuple[tuple[str, int], ...] = ()
    checked: tuple[str, ...] | None = None

    @property
    def kinds(self) -> dict[str, int]:
        return dict(Counter(module.kind for module in self.modules.values()).most_common())

    @property
    def dtypes(self) -> dict[str, int]:
        """Kind of numbers → how many."""
        counted: Counter[str] = Counter()
        for entry in self.header.tensors.values():
            counted[entry.dtype] += entry.count
        return dict(counted.most_common())

    def to_json(self) -> dict[str, Any]:
        return {
            "file": shown(self.header.path),
            "size": self.header.size,
            "form": self.form,
            "kinds": self.kinds,
            "family": self.family,
            "modules": {
                name: {"kind": module.kind, "rank": self.ranks.get(name), "alpha": self.alphas.get(name)}
                for name, module in self.modules.items()
            },
            "text_encoder": sum(module.text_encoder for module in self.modules.values()),
            "unknown_tensors": list(self.unknown),
            "dtypes": self.dtypes,
            "triggers": [{"word": word, "captions": count} for word, count in self.triggers],
            "metadata": dict(self.header.metadata),
            **({} if self.checked is None else {"problems": list(self.checked)}),
        }


def lora_info(path: Path, *, check: bool = False) -> LoraInfo:
    """Read a LoRA file. ``check`` also looks at every number (needs torch).

    Raises ``missing-file``, ``unreadable-file``, ``bad-weights``, and ``not-a-lora`` for other safetensors files.
    """
    header = read_header(path)
    modules, unknown = modules_of(header.tensors)
    if not modules:
        raise SDGenError("not-a-lora", f"{shown(path)} holds {len(header.tensors):,} tensors, and none of a LoRA")
    ranks = {name: rank for name, module in modules.items() if (rank := module.rank(header.tensors))}
    return LoraInfo(
        header,
        modules,
        tuple(unknown),
        ranks,
        _alphas(header, modules),
        family_of(header.metadata, modules, header.tensors),
        form_of(modules),
        _triggers(header.metadata),
        tuple(_problems(path)) if check else None,
    )


def _alphas(header: Header, modules: Mapping[str, Module]) -> dict[str, float]:
    """The alphas: one number each, read where it lies."""
    forms = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i"}
    out: dict[str, float] = {}
    try:
        with header.path.open("rb") as file:
            for name, module in modules.items():
                if "alpha" not in module.parts:
                    continue
                entry = header.tensors[module.parts["alpha"]]
                if entry.count != 1 or (entry.dtype not in forms and entry.dtype != "BF16"):
                    continue
                file.seek(header.begin + entry.start)
                raw = file.read(entry.end - entry.start)
                # bfloat16 is the upper half of a float32
                (value,) = (
                    struct.unpack("<f", b"\0\0" + raw)
                    if entry.dtype == "BF16"
                    else struct.unpack(forms[entry.dtype], raw)
                )
                out[name] = float(value) if math.isfinite(value) else 0.0
    except OSError as error:
        raise SDGenError("unreadable-file", f"cannot read {shown(header.path)}: {error.strerror or error}") from error
    return out


def _triggers(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """The commonest words of the captions, by kohya's ``ss_tag_frequency`` ({folder: {tag: count}}), behind a noted trigger phrase."""
    counted: Counter[str] = Counter()
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "{}"))
        for tags in folders.values():
            for tag, count in tags.items():
                counted[str(tag).strip()] += int(count)
    except (ValueError, TypeError, AttributeError):
        counted.clear()
    most = counted.most_common(_TRIGGERS)
    phrase = metadata.get("modelspec.trigger_phrase", "").strip()
    if phrase:
        most = [(phrase, counted.get(phrase, 0)), *((word, count) for word, count in most if word != phrase)]
    return tuple(most[:_TRIGGERS])


def _problems(path: Path) -> Iterator[str]:
    """What is wrong with the numbers: not finite, or so that the LoRA changes nothing."""
    import torch

    file = WeightFile(path)
    modules, _ = modules_of(file.header.tensors)
    acting = 0
    for name, module in modules.items():
        values = {role: file.get(tensor) for role, tensor in module.parts.items() if role != "alpha"}
        for role, tensor in values.items():
            if not bool(torch.isfinite(tensor.float()).all()):
                yield f"{module.parts[role]} holds numbers that are not finite"
        zero = {role for role, tensor in values.items() if not bool(torch.any(tensor.float() != 0))}
        if module.kind in ("lora", "loha", "lokr") and zero:
            yield f"{name} changes nothing: its {' and '.join(sorted(zero))} is zero"
        acting += not zero
    if not acting:
        yield "the whole LoRA changes nothing"
