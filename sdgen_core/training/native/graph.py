"""The training as a prompt of ComfyUI's own nodes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import SDGenError
from .installation import NODE

#: Of ComfyUI since some 0.3.60s, and before that: loaders of images with captions, and what saves a LoRA.
LOADER, OLD_LOADER = "LoadImageTextDataSetFromFolder", "LoadImageTextSetFromFolderNode"
SAVERS = ("SaveLoRA", "SaveLoRANode")
_NEEDED = (NODE, "CheckpointLoaderSimple", "VAEEncode", "CLIPTextEncode", "LoraLoaderModelOnly")
NONE = "[None]"


@dataclass(frozen=True)
class Part:
    """A piece of a run: optimizer steps ``begin`` to ``end`` of it. ``existing``: the LoRA to go on with, ``differences``: that of what
    the node does not read again (files in a LoRA folder; empty at the beginning)."""

    begin: int
    end: int
    existing: str = ""
    differences: str = ""

    @property
    def folder(self) -> str:
        """Where the node saves it, below the output folder: of its own, since SaveLoRA's counter is misled by other files."""
        return f"part_{self.begin}_{self.end}"


def parts(begin: int, end: int, every: int) -> list[tuple[int, int]]:
    """Steps ``begin`` to ``end`` cut after each multiple of ``every``; in one piece for 0."""
    if begin >= end:
        return []
    cuts = range(begin + every - begin % every, end, every) if every > 0 else ()
    edges = [begin, *cuts, end]
    return list(itertools.pairwise(edges))


def training(
    kinds: Collection[str], checkpoint: str, folder: str, part: Part, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The prompt that trains one part. ``kinds`` are the node types of that ComfyUI, ``folder`` is one of its input folder.

    Noise and levels go on where the part before ended, as the node would have gone on itself (``seed + 1000`` a pass).
    Raises ``comfyui-too-old``.
    """
    for name in _NEEDED:
        _one_of((name,), kinds)
    loader, saver = _one_of((LOADER, OLD_LOADER), kinds), _one_of(SAVERS, kinds)
    passes = part.begin * int(options["grad_accumulation_steps"])
    seed = (int(options["seed"]) + 1000 * passes) % 2**64
    graph: dict[str, Any] = {"1": _node("CheckpointLoaderSimple", ckpt_name=checkpoint)}
    if loader == LOADER:
        graph["2"] = _node(LOADER, folder=folder)
        graph["4"] = _node("CLIPTextEncode", text=["2", 1], clip=["1", 1])
        captions = ["4", 0]
    else:
        graph["2"] = _node(OLD_LOADER, folder=folder, clip=["1", 1], resize_method="None", width=-1, height=-1)
        captions = ["2", 1]
    graph["3"] = _node("VAEEncode", pixels=["2", 0], vae=["1", 2])
    model = ["1", 0]
    if part.differences:
        graph["5"] = _node("LoraLoaderModelOnly", model=model, lora_name=part.differences, strength_model=1.0)
        model = ["5", 0]
    own = {"batch_size": 1, "steps": part.end - part.begin, "existing_lora": part.existing or NONE, "seed": seed}
    graph["6"] = _node(NODE, model=model, latents=["3", 0], positive=captions, **{**options, **own})
    graph["7"] = _node(saver, lora=["6", 1], prefix=f"{part.folder}/lora", steps=part.end)
    return graph


def _one_of(names: Sequence[str], kinds: Collection[str]) -> str:
    for name in names:
        if name in kinds:
            return name
    raise SDGenError("comfyui-too-old", f"this ComfyUI has no node {names[0]}")


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}
