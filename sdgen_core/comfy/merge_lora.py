"""LoRAs merged into a checkpoint by the ComfyUI this process is, for the node SDGen Merge LoRA."""

from __future__ import annotations

from pathlib import Path

from ..errors import SDGenError
from ..sessions.parameters import find_file
from ..training.lora.arithmetic import Applied
from ..training.lora.merge import merge
from . import host


def merge_named(
    node: str, checkpoint: str, loras: list[str], name: str, *, partly: bool = False, overwrite: bool = False
) -> tuple[str, Path, str]:
    """Merge LoRAs (``NAME``, ``NAME=0.8``, ``NAME=0.8,0.5``) into a checkpoint, all by ComfyUI's names, and show how far it is on
    ``node``. Gives the new file's name among the checkpoints, its path, and what is to be said.

    The file goes into ComfyUI's first folder of checkpoints; ``name`` empty: it is called after what it is made of. Raises
    ``bad-parameter`` for unknown names, and what :func:`~..training.lora.merge.merge` raises.
    """
    if not checkpoint or not loras:
        raise SDGenError("bad-parameter", f"no {'LoRA' if checkpoint else 'checkpoint'} was chosen", hint="Choose one.")
    source = _file("checkpoints", checkpoint)
    wanted = [Applied.read(text, lambda written: _file("loras", written)) for text in loras]
    folder = host.model_folder("checkpoints")
    title = name.strip() or "-".join([source.stem, *(applied.path.stem for applied in wanted)])
    file = f"{title.removesuffix('.safetensors')}.safetensors"
    target = Path(folder, file)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise SDGenError("bad-option", f"the name {name!r} leads out of ComfyUI's folder of checkpoints")
    bar = host.Progress(node)

    def progress(done: int, total: int) -> None:
        host.check_cancelled()
        bar.show(done / max(1, total), f"{done:,} of {total:,} tensors")

    made = merge(source, wanted, target, replace=overwrite, partly=partly, progress=progress)
    left = f"; {made.left_out:,} left out" if made.left_out else ""
    text = f"{file}: {made.modules:,} modules in {made.changed:,} of {made.tensors:,} tensors{left}"
    host.tell_for_good(node, text)
    return target.relative_to(folder).as_posix(), target, text


def _file(kind: str, name: str) -> Path:
    path = host.model_path(kind, find_file(kind, name, host.model_files(kind)))
    if path is None:
        raise SDGenError("missing-file", f"the file of {name!r} is gone")
    return path
