"""What is in a file of weights, found without building a model: its tensors' names and shapes, what kind of model they are, and a
hash of its content.

Files other than safetensors are read by ``torch.load`` with ``weights_only=True``, so that no code in them is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from ...sessions.safetensors_file import BrokenFileError, read_header

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
"""Endings of files that may hold weights."""

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class WeightsFile:
    """A file's tensors by name, without the prefix that parallel training puts before all of them."""

    path: Path
    shapes: Shapes
    archive: bool = False
    """Whether it is a TorchScript archive, the form in which OpenAI gave its models out."""


def read_table(path: Path) -> WeightsFile:
    """Names and shapes of a file's tensors.

    Raises ``SDGenError``: "scorer-missing" when there is no such file, "scorer-bad-file" when it is torn, no file of weights, or
    would run code.
    """
    try:
        if path.suffix == ".safetensors":
            return WeightsFile(path, _stripped(_safetensors_shapes(path)))
        archive = _is_torchscript(path)
        return WeightsFile(path, _stripped(_archive_shapes(path) if archive else _pickled_shapes(path)), archive)
    except FileNotFoundError as error:
        raise SDGenError("scorer-missing", "there is no such file of weights", place=Place(shown(path))) from error
    except OSError as error:
        raise _bad(path, f"the file cannot be read: {error.strerror or error}") from error


def _bad(path: Path, message: str) -> SDGenError:
    return SDGenError("scorer-bad-file", message, place=Place(shown(path)))


def _stripped(shapes: Shapes) -> Shapes:
    prefix = "module."
    if shapes and all(name.startswith(prefix) for name in shapes):
        return {name[len(prefix) :]: shape for name, shape in shapes.items()}
    return shapes


def _safetensors_shapes(path: Path) -> Shapes:
    try:
        return {name: entry.shape for name, entry in read_header(path).tensors.items()}
    except BrokenFileError as error:
        raise _bad(path, f"the file is torn or damaged: {error}") from error


def _is_torchscript(path: Path) -> bool:
    """Whether code lies in the archive; ``torch.save`` writes data alone."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/", 1)[-1] == "constants.pkl" for name in archive.namelist())


def _archive_shapes(path: Path) -> Shapes:
    import torch

    try:
        state: dict[str, Any] = torch.jit.load(str(path), map_location="cpu").state_dict()
    except Exception as error:  # torch names many causes by many types
        raise _bad(path, f"this TorchScript archive cannot be read: {_first_line(error)}") from error
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _pickled_shapes(path: Path) -> Shapes:
    import torch

    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        # mmap: only the table is read, not the gigabytes
        state = torch.load(str(path), **options, mmap=zipfile.is_zipfile(path))
    except OSError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise _bad(path, f"no file of weights, or a torn one: {_first_line(error)}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise _bad(path, f"it holds a {type(state).__name__} and no named tensors")
    return {str(name): tuple(value.shape) for name, value in state.items() if hasattr(value, "shape")}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


# ---- what kind of model -------------------------------------------------------------------------------------------------------

_VISION_ONLY = (
    "the image half of a CLIP, as ComfyUI's Load CLIP Vision takes it; the text half that scoring needs is not in it"
)
_FOREIGN_FORM = "a CLIP in the form of the transformers library, not in open_clip's"

_KINDS: tuple[tuple[str, str], ...] = (
    ("model.diffusion_model.", "a checkpoint of a diffusion model, such as Load Checkpoint takes"),
    ("control_model.", "a ControlNet"),
    ("controlnet_", "a ControlNet"),
    ("input_hint_block.", "a ControlNet"),
    ("first_stage_model.", "an autoencoder (VAE)"),
    ("decoder.conv_in.", "an autoencoder (VAE)"),
    ("double_blocks.", "a diffusion model"),
    ("joint_blocks.", "a diffusion model"),
    ("input_blocks.", "a diffusion model"),
    ("text_model.", "the text half of a CLIP, such as Load CLIP takes"),
    ("encoder.block.", "a T5 text encoder"),
)
_LORA = ("lora_down", "lora_up", "lora_a", "lora_b", "lokr_", "hada_w", "lora.down", "lora.up")


def foreign_kind(shapes: Shapes) -> str | None:
    """What a file is whose tensors are not those of an open_clip model; None when they may be."""
    if not shapes:
        return "a file without tensors"
    if any(mark in name.lower() for name in shapes for mark in _LORA):
        return "a LoRA"
    if any(name.startswith("vision_model.") for name in shapes):
        return _FOREIGN_FORM if any(name.startswith("text_model.") for name in shapes) else _VISION_ONLY
    for prefix, kind in _KINDS:
        if any(name.startswith(prefix) for name in shapes):
            return kind
    seeing = any(name.startswith(("visual.", "image_encoder.")) for name in shapes)
    reading = any(name.startswith(("token_embedding.", "text.", "text_encoder.")) for name in shapes)
    if seeing and not reading:
        return _VISION_ONLY
    if not seeing or not reading:
        return f"no CLIP: its first tensors are {', '.join(sorted(shapes)[:3])}"
    return None


# ---- the content's hash -------------------------------------------------------------------------------------------------------

_hashes: dict[tuple[str, int, int], str] = {}


def content_hash(path: Path, memory: Path | None = None) -> str:
    """SHA-256 of a file's content, in hexadecimal digits; not computed again while size and time of change stay.

    ``memory`` is a JSON file in which hashes outlive the process (reading 4 GB takes seconds). It is only a cache: a missing,
    damaged or read-only one does no harm.
    """
    stat = path.stat()
    key = (shown(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        known = _remembered(memory)
        found = known.get(key[0])
        if not found or found[:2] != [stat.st_size, stat.st_mtime_ns]:
            found = [stat.st_size, stat.st_mtime_ns, _sha256(path)]
            if memory is not None:
                _remember(memory, {**known, key[0]: found})
        _hashes[key] = str(found[2])
    return _hashes[key]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _remembered(memory: Path | None) -> dict[str, list[Any]]:
    if memory is None:
        return {}
    try:
        read = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = read.items() if isinstance(read, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, list) and len(entry) == 3}


def _remember(memory: Path, known: dict[str, list[Any]]) -> None:
    part = memory.with_name(f"{memory.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.replace(memory)
