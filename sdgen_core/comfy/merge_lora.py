"""LoRAs merged into a checkpoint by the ComfyUI this process is, for the node SDGen Merge LoRA."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..errors import SDGenError
from ..sessions.parameters import find_file
from ..training.lora.arithmetic import Applied
from ..training.lora.merge import holds, merge
from . import host

#: What a node was asked for → the file that it made, and its size and time then.
_made: dict[tuple[Any, ...], tuple[Path, tuple[int, int]]] = {}


def named(lora: str, strength: float, more: str) -> list[str]:
    """The LoRAs of the node's inputs, each as ``NAME=0.8``."""
    lines = [line.strip() for line in more.splitlines() if line.strip()]
    return [*([f"{lora}={strength}"] if lora else []), *lines]


def state(
    checkpoint: str, lora: str, strength: float, name: str, more: str, partly: bool, overwrite: bool
) -> str | int:
    """What tells ComfyUI whether a merge has to be made again: another value when a source is another file now, or when what was made
    is gone. Never raises; for inputs that come by a link, which are None, always another value."""
    try:
        loras = named(lora, strength, more)
        sources = [_file("checkpoints", checkpoint), *(_applied(text).path for text in loras)]
        stamps = [(str(path), *_stamp(path)) for path in sources]
        made = _made.get((checkpoint, *loras, name, partly, overwrite))
        if made is None or _stamp(made[0]) == made[1]:
            return repr(stamps)
    except (SDGenError, OSError, TypeError, AttributeError):
        pass
    return time.time_ns()


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _applied(text: str) -> Applied:
    return Applied.read(text, lambda written: _file("loras", written))


def merge_named(
    node: str, checkpoint: str, loras: list[str], name: str, *, partly: bool = False, overwrite: bool = False
) -> tuple[str, Path, str]:
    """Merge LoRAs (``NAME``, ``NAME=0.8``, ``NAME=0.8,0.5``) into a checkpoint, all by ComfyUI's names, and show how far it is on
    ``node``. Gives the new file's name among the checkpoints, its path, and what is to be said.

    The file goes into ComfyUI's first folder of checkpoints; ``name`` empty: it is called after what it is made of. One that is there
    already and was made of just these stays as it is: graphs that go on with it can be queued again. Raises ``bad-parameter`` for unknown
    names, and what :func:`~..training.lora.merge.merge` raises.
    """
    if not checkpoint or not loras:
        raise SDGenError("bad-parameter", f"no {'LoRA' if checkpoint else 'checkpoint'} was chosen", hint="Choose one.")
    source = _file("checkpoints", checkpoint)
    wanted = [_applied(text) for text in loras]
    folder = host.model_folder("checkpoints")
    title = name.strip() or "-".join([source.stem, *(applied.path.stem for applied in wanted)])
    file = f"{title.removesuffix('.safetensors')}.safetensors"
    target = Path(folder, file)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise SDGenError("bad-option", f"the name {name!r} leads out of ComfyUI's folder of checkpoints")
    asked = (checkpoint, *loras, name, partly, overwrite)
    relative = target.relative_to(folder).as_posix()
    if target.is_file() and holds(target, source, wanted, partly=partly):
        text = f"{file}: is there already, made of the same"
        host.tell_for_good(node, text)
        _made[asked] = target, _stamp(target)
        return relative, target, text
    bar = host.Progress(node)

    def progress(done: int, total: int) -> None:
        host.check_cancelled()
        bar.show(done / max(1, total), f"{done:,} of {total:,} tensors")

    made = merge(source, wanted, target, replace=overwrite, partly=partly, progress=progress)
    left = f"; {made.left_out:,} left out" if made.left_out else ""
    text = f"{file}: {made.modules:,} modules in {made.changed:,} of {made.tensors:,} tensors{left}"
    host.tell_for_good(node, text)
    _made[asked] = target, _stamp(target)
    return relative, target, text


def _file(kind: str, name: str) -> Path:
    path = host.model_path(kind, find_file(kind, name, host.model_files(kind)))
    if path is None:
        raise SDGenError("missing-file", f"the file of {name!r} is gone")
    return path
