"""The tokenizers that sd-scripts would fetch from a hub, put where it looks first, from the files that ComfyUI brings.

``--tokenizer_cache_dir DIR`` is searched for the hub's name with ``/`` as ``_``. ComfyUI's CLIP tokenizer says a length of 8192 tokens,
which sd-scripts takes for the model's and fails with at its first step: the copy says 77.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ...errors import SDGenError, shown
from .families import Family

_CLIP_TOKENS = 77
_CLIP_FILES = ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json")


def missing(family: Family, comfyui: Path) -> Path | None:
    """The first file that seeding needs and that is not in the folder of ComfyUI."""
    needed = [comfyui / "comfy" / "sd1_tokenizer" / name for name in _CLIP_FILES]
    if any("t5" in name for name in family.tokenizers):
        needed.append(_t5(comfyui) / "tokenizer_config.json")
    return next((path for path in needed if not path.is_file()), None)


def seed(family: Family, comfyui: Path, cache: Path) -> None:
    """Fill ``cache`` with the family's tokenizers; what is there is written anew. Raises ``no-tokenizer``."""
    for name in family.tokenizers:
        source = _t5(comfyui) if "t5" in name else comfyui / "comfy" / "sd1_tokenizer"
        target = cache / name.replace("/", "_")
        try:
            target.mkdir(parents=True, exist_ok=True)
            for path in source.iterdir():
                if path.is_file():
                    shutil.copyfile(path, target / path.name)
            if "t5" not in name:
                config = target / "tokenizer_config.json"
                values = json.loads(config.read_text(encoding="utf-8"))
                text = json.dumps({**values, "model_max_length": _CLIP_TOKENS}, indent=2)
                config.write_text(text, encoding="utf-8")
        except (OSError, ValueError) as error:
            raise SDGenError("no-tokenizer", f"no tokenizer can be copied from {shown(source)}: {error}") from error


def _t5(comfyui: Path) -> Path:
    return comfyui / "comfy" / "text_encoders" / "t5_tokenizer"
