"""The LoRAs that an image was made with, as A1111 lists them in the ``parameters`` text.

Sites find a LoRA by the first 12 digits of a hash: for safetensors the SHA-256 of the tensors without the header, which a trainer may
have noted as ``sshs_model_hash``; for other files that of the whole file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import SDGenError
from .parameters_text import model_title
from .prompt_text import parse_prompt_text
from .safetensors_file import ENDINGS, BrokenFileError, read_metadata

_DIGITS = 12
_LOADERS = {"LoraLoader": ("strength_model", "strength_clip"), "LoraLoaderModelOnly": ("strength_model",)}

# File, size and time → the hash: a session asks for every image.
_known: dict[tuple[str, int, int], str] = {}


def loras_used(prompt: Mapping[str, Any]) -> list[str]:
    """The names of the LoRAs that a prompt applies, each once: files of loader nodes, and tags as the prompts write them."""
    return list(dict.fromkeys(name for node in prompt.values() for name in _of_node(node)))


def _of_node(node: Mapping[str, Any]) -> Iterator[str]:
    inputs = node["inputs"]
    name, text = inputs.get("lora_name"), inputs.get("text")
    strengths = _LOADERS.get(node["class_type"], ())
    if isinstance(name, str) and any(inputs.get(strength) for strength in strengths):
        yield name
    reads_tags = node["class_type"] == "SDGenEncodePrompt" and inputs.get("loras") != "leave out"
    if reads_tags and isinstance(text, str):
        with contextlib.suppress(SDGenError):
            yield from (tag.name for tag in parse_prompt_text(text).loras if tag.model or tag.text_encoder)


def lora_hashes(files: Mapping[str, Path | None]) -> str:
    """A1111's ``Lora hashes`` for names and their files: ``name: hash, name: hash``. Files that cannot be read are left out."""
    pairs = []
    for name, path in files.items():
        with contextlib.suppress(OSError):
            if path is not None and (digest := short_hash(path)):
                title = model_title(name) if name.replace("\\", "/").endswith(path.name) else name
                pairs.append(f"{title.replace(':', '').replace(',', '')}: {digest}")
    return ", ".join(pairs)


def short_hash(path: Path) -> str:
    """The hash that sites know a LoRA file by, empty for a damaged one; remembered until the file changes. Raises ``OSError``."""
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key not in _known:
        _known[key] = _read(path)[:_DIGITS]
    return _known[key]


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if path.suffix.lower() in ENDINGS:
            try:
                metadata, begin = read_metadata(path)
            except BrokenFileError:
                return ""
            if noted := metadata.get("sshs_model_hash"):
                return noted
            file.seek(begin)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
