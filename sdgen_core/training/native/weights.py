"""What goes from one part of a run to the next, and the finished file.

``existing_lora`` reads the low-rank matrices back and begins biases and norms at zero again. So those are kept apart: the next part trains
on a model that has them already (Load LoRA), and what it learns of them is added. The optimizer begins anew with each part: the node keeps
nothing of it. AdamW's first steps are then as large as its rate allows, which a run in a few parts does not notice and one in many does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runs.model import State

if TYPE_CHECKING:
    from torch import Tensor

    Weights = dict[str, Tensor]

_DIFFERENCES = (".diff", ".diff_b")
LORA, RECORD = "lora.safetensors", "state.json"


def read(path: Path) -> Weights:
    """The tensors of a file, copied: on Windows one that is mapped could not be removed."""
    from safetensors.torch import load

    return load(path.read_bytes())


def write(path: Path, weights: Weights, metadata: Mapping[str, str] | None = None) -> None:
    """Written whole or not at all."""
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(save(weights, dict(metadata or {})))
    temporary.replace(path)


def split(weights: Weights) -> tuple[Weights, Weights]:
    """What ``existing_lora`` reads back, and the differences of biases and norms that it does not."""
    differences = {name: value for name, value in weights.items() if name.endswith(_DIFFERENCES)}
    return {name: value for name, value in weights.items() if name not in differences}, differences


def added(before: Weights, part: Weights) -> Weights:
    """The whole LoRA after a part that began with ``before``: matrices as trained on, differences summed (in single precision)."""
    out = dict(part)
    _, differences = split(before)
    for name, value in differences.items():
        new = part.get(name)
        out[name] = value if new is None else (value.float() + new.float()).to(new.dtype)
    return out


def nothing_learned(weights: Weights) -> bool:
    """Whether all is as it began: this node begins ``lora_down`` at zero, not ``lora_up``. Of the other algorithms: always False."""
    begun = [value for name, value in weights.items() if name.endswith(("lora_down.weight", *_DIFFERENCES))]
    return bool(begun) and not any(bool(value.any()) for value in begun)


def not_finite(weights: Weights) -> str:
    """The first tensor with a number that is none; empty when all are sound."""
    return next((name for name, value in weights.items() if not bool(value.isfinite().all())), "")


def save_state(folder: Path, step: int, weights: Weights, record: Mapping[str, Any]) -> State:
    """Keep the LoRA as it is after ``step`` steps; the record is written last, and a folder without one counts for nothing."""
    place = folder / f"{step:08d}"
    write(place / LORA, weights)
    (place / RECORD).write_text(json.dumps({"step": step, **record}), encoding="utf-8")
    return State(place, step)


def states(folder: Path) -> list[State]:
    """All states below a folder, by their steps."""
    out = []
    for record in folder.glob(f"*/{RECORD}"):
        try:
            step = json.loads(record.read_text(encoding="utf-8"))["step"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(step, int) and step > 0 and (record.parent / LORA).is_file():
            out.append(State(record.parent, step))
    return sorted(out, key=lambda one: one.step)
