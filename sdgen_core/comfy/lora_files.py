"""LoRA files by the name they were trained under.

A1111 writes this name (its "alias") into prompts by default; downloaded files mostly have another one. Trainers note it as
``ss_output_name`` in the metadata of a safetensors file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..sessions.safetensors_file import ENDINGS, BrokenFileError, read_metadata

# File, size and time → the name; empty when there is none. Reading a thousand headers takes seconds.
_read: dict[tuple[str, int, int], str] = {}


def files_trained_as(name: str, known: Iterable[str], path_of: Callable[[str], Path | None]) -> list[str]:
    """Those of the files ``known`` whose trained name is ``name``, upper case or lower. Unreadable ones have none."""
    wanted = name.casefold()
    return [file for file in known if (path := path_of(file)) and trained_name(path).casefold() == wanted]


def trained_name(path: Path) -> str:
    """The name noted in a safetensors file; empty when there is none, or no such file."""
    if path.suffix.lower() not in ENDINGS:
        return ""
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns)
        if key not in _read:
            _read[key] = read_metadata(path)[0].get("ss_output_name", "")
    except (OSError, BrokenFileError):
        return ""
    return _read[key]
