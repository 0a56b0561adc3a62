"""LoRAs merged into a checkpoint: the same file with other numbers, written tensor by tensor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, shown
from ...sessions.files import sha256_file, short_model_hash
from ...templates.run import few
from .arithmetic import Applied
from .info import lora_info
from .weights import WeightFile, check_room, check_target, raw_of, read_header, write_weights

if TYPE_CHECKING:
    from .patches import Fit

#: Called with (tensors written, tensors of the file); what it raises ends the merge and leaves no file.
Progress = Callable[[int, int], None]
#: What a checkpoint was made of: a list, one entry a merge.
_SAID = "sdgen.merged"
#: Metadata about the tensors that were.
_OLD_HASHES = ("modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash")


@dataclass(frozen=True)
class Merged:
    """A checkpoint that was made: ``changed`` of ``tensors`` tensors differ from the one it was made from; ``modules`` of the LoRAs are in
    it, ``left_out`` found no place."""

    path: Path
    size: int
    family: str
    tensors: int
    changed: int
    modules: int
    left_out: int

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "path": shown(self.path)}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Merged:
        return cls(**{**said, "path": Path(said["path"])})


def check_merge(checkpoint: Path, loras: Sequence[Applied], output: Path, *, replace: bool = False) -> None:
    """What can be known without ComfyUI. Raises ``bad-option``, ``missing-file``, ``bad-weights``, ``not-a-lora``, ``file-exists``,
    ``disk-full``, ``unwritable-folder``."""
    if not loras:
        raise SDGenError("bad-option", "no LoRA was named")
    size = read_header(checkpoint).size
    for applied in loras:
        lora_info(applied.path)
    check_target(output, replace=replace, sources=[checkpoint, *(applied.path for applied in loras)])
    check_room(output, size)


def merge(
    checkpoint: Path,
    loras: Sequence[Applied],
    output: Path,
    *,
    replace: bool = False,
    partly: bool = False,
    progress: Progress = lambda done, total: None,
) -> Merged:
    """Write ``checkpoint`` with ``loras`` in it, as ComfyUI would apply them, to ``output``. Runs where ComfyUI can be imported.

    Every tensor keeps its kind of numbers; metadata is kept, and says what was merged. ``partly``: modules that find no place are left
    out, as ComfyUI does at run time. Raises what :func:`check_merge` raises, ``lora-does-not-fit``, ``not-mergeable``.
    """
    from .patches import patched

    check_merge(checkpoint, loras, output, replace=replace)
    file = WeightFile(checkpoint)
    plan = patched(file, loras)
    for fit in plan.fits:
        _check(fit, plan.family, checkpoint, partly=partly)
    tensors = sorted(file.header.tensors.items(), key=lambda entry: entry[1].start)
    done = 0

    def content(name: str) -> memoryview:
        nonlocal done
        progress(done, len(tensors))
        done += 1
        return raw_of(plan.tensor(name)) if name in plan.pieces else file.raw(name)

    kinds = {name: (entry.dtype, entry.shape) for name, entry in tensors}
    left_out = sum(len(fit.misses) for fit in plan.fits)
    metadata = _metadata(file, loras, left_out, _seldom(lambda: progress(0, len(tensors))))
    write_weights(output, kinds, metadata, content, replace=replace)
    progress(len(tensors), len(tensors))
    return Merged(
        output,
        output.stat().st_size,
        plan.family,
        len(tensors),
        len(plan.pieces),
        sum(fit.matched for fit in plan.fits),
        left_out,
    )


def holds(output: Path, checkpoint: Path, loras: Sequence[Applied], *, partly: bool = False) -> bool:
    """Whether ``output`` is what :func:`merge` would make again, by its own metadata. Raises ``missing-file``, ``unreadable-file`` and
    ``bad-weights`` for the sources."""
    before = read_header(checkpoint)
    try:
        there = read_header(output)
        *_, last = json.loads(there.metadata[_SAID])
        base = last["checkpoint"]
        said = (base["name"], str(base["sha256"])[:10], last["loras"])
        left_out = bool(last.get("left_out"))
    except (SDGenError, KeyError, TypeError, ValueError, AttributeError):
        return False
    if (left_out and not partly) or {n: (e.dtype, e.shape) for n, e in there.tensors.items()} != {
        n: (e.dtype, e.shape) for n, e in before.tensors.items()
    }:
        return False
    return said == (checkpoint.name, short_model_hash(checkpoint), [applied.to_json() for applied in loras])


def _check(fit: Fit, family: str, checkpoint: Path, *, partly: bool) -> None:
    if not fit.misses or (partly and fit.matched):
        return
    some = f"{fit.matched} of its {fit.modules} modules match; not {few(fit.misses, 3)}"
    found = some if fit.matched else f"none of its {fit.modules} modules match"
    of = "" if fit.family == "unknown" else f", a LoRA for {fit.family},"
    message = f"{shown(fit.path)}{of} does not fit {shown(checkpoint)}, a model of the family {family}: {found}"
    # a few that match by chance, as of an SDXL LoRA in a model of SD 1, make no sense of the rest
    most = 2 * fit.matched > fit.modules
    hint = "With --partly the others are merged, as ComfyUI applies them at run time." if most else None
    raise SDGenError("lora-does-not-fit", message, hint=hint)


def _seldom(call: Callable[[], None]) -> Callable[[], None]:
    """``call``, twice a second at most: reading a checkpoint takes a minute, and Cancel counts meanwhile."""
    last = 0.0

    def now_and_then() -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            call()

    return now_and_then


def _metadata(file: WeightFile, loras: Iterable[Applied], left_out: int, look: Callable[[], None]) -> dict[str, str]:
    """The checkpoint's own, and what is in it now. ``modelspec.merged_from`` is ModelSpec's list of names; ours has hashes and strengths.
    https://github.com/Stability-AI/ModelSpec"""
    out = {key: text for key, text in file.header.metadata.items() if key not in _OLD_HASHES}
    said = [applied.to_json() for applied in loras]
    before = json.loads(out[_SAID]) if _is_list(out.get(_SAID, "")) else []
    base = {"name": file.path.name, "sha256": sha256_file(file.path, look)}
    entry = {"checkpoint": base, "loras": said, **({"left_out": left_out} if left_out else {})}
    out[_SAID] = json.dumps([*before, entry], ensure_ascii=False)
    names = [out["modelspec.merged_from"]] if "modelspec.merged_from" in out else [file.path.name]
    out["modelspec.merged_from"] = ", ".join([*names, *(one["name"] for one in said)])
    return out


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
