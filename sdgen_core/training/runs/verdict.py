"""Was a LoRA really trained? Never the exit code: trainers end with 0 when they found no images, and when the loss was no number.

The file has to be there and to be new, to open as safetensors, with weights that are finite and not zero, and the steps have to be those
that were asked for. Weights are read in pieces, as bits where numpy lacks their type, so that neither torch nor much memory is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import shown
from ...sessions.safetensors_file import SIZES, Entry, Header, read_header
from .model import Cause

if TYPE_CHECKING:
    import numpy

#: Types of numbers with a fraction, and the bits that are all set in infinities and what is no number, the exponent.
#: F8_E4M3 has no infinities, and only all ones are no number (Micikevicius et al. 2022, arXiv:2209.05433, table 1).
_FLOATS = {
    "F64": 0x7FF0000000000000, "F32": 0x7F800000, "F16": 0x7C00, "BF16": 0x7F80, "F8_E5M2": 0x7C, "F8_E4M3": 0x7F,
}  # fmt: skip
_PIECE = 1 << 22  # bytes

#: Tensors that are multiplied with each other, and what they belong to: LoRA (kohya, PEFT), LoHa and LoKr. One begins at zero, which
#: one differs from trainer to trainer; while it is zero, the whole changes nothing. Any other tensor stands for itself.
_FACTOR = re.compile(r"(.*?)[._](?:lora_(?:up|down|mid|A|B)|(?:hada|lokr)_[wt]\d(?:_[ab])?)(?:\.\w+)*\Z")
_SCALE = re.compile(r"(?:\A|[._])(?:alpha|dora_scale|rank)\Z")


def stamp(path: Path) -> tuple[int, int] | None:
    """Size and time (ns) of a file: another one after the start means that it was written."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def judge(output: Path, before: tuple[int, int] | None, asked: int, made: int) -> Cause | None:
    """What is wrong with a process's result; None when all is well.

    ``before`` is the stamp of ``output`` before the start, ``asked`` are the optimizer steps of the process, ``made`` those that were
    seen in its log. kohya notes its own count in the file; where both are known the file's is the better witness.
    """
    name = shown(output.name)
    now = stamp(output)
    if now is None:
        return Cause("no-output", f"no LoRA was written: {name} is not there")
    if now == before:
        return Cause("old-output", f"{name} is the one that was there before: this run has not written it")
    try:
        header = read_header(output)
        cause = _weights(header)
    except ValueError as error:
        return Cause("broken-output", f"{name} is no whole safetensors file: {error}")
    except OSError as error:
        return Cause("broken-output", f"{name} cannot be read: {error.strerror or error}")
    if cause is not None:
        return cause
    noted = header.metadata.get("ss_steps", "")
    steps = int(noted) if noted.isdecimal() else made
    if steps != asked:
        return Cause("wrong-steps", f"{steps:,} of {asked:,} steps were trained")
    return None


def _weights(header: Header) -> Cause | None:
    name = shown(header.path.name)
    weights = {tensor: entry for tensor, entry in header.tensors.items() if entry.dtype in _FLOATS}
    if not weights:
        return Cause("no-weights", f"{name} holds no weights")
    changes: dict[str, bool] = {}  # what belongs together: whether no factor of it is all zero
    bad = []
    with header.path.open("rb") as file:
        for tensor, entry in weights.items():
            finite, some = _look(file, entry, header.begin)
            if not finite:
                bad.append(tensor)
            if not _SCALE.search(tensor):
                factor = _FACTOR.match(tensor)
                whole = factor[1] if factor else tensor
                changes[whole] = changes.get(whole, True) and some
    if bad:
        hint = "Lower the learning rate, or train in bf16 or without mixed precision."
        more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
        return Cause("not-finite", f"weights of {name} are no numbers: {bad[0]}{more}", hint)
    if not any(changes.values()):
        hint = "Raise the learning rate, and check that the images are found and that some part is trained."
        return Cause("all-zero", f"{name} changes nothing: all that was trained is zero", hint)
    return None


def _look(file: BinaryIO, entry: Entry, base: int) -> tuple[bool, bool]:
    """Whether all numbers of a tensor are finite, and whether one is not zero. ``base``: where the file's tensors begin."""
    import numpy

    finite, some = True, False
    for bits in _pieces(file, entry, base):
        full: Any = numpy.array(_FLOATS[entry.dtype], bits.dtype)
        finite = finite and not bool(((bits & full) == full).any())
        some = some or bool((bits << numpy.array(1, bits.dtype)).any())  # without the sign
    return finite, some


def _pieces(file: BinaryIO, entry: Entry, base: int) -> Iterator[numpy.ndarray[Any, Any]]:
    """The numbers of a tensor as unsigned ones of the same bits, some megabytes at a time."""
    import numpy

    kind = numpy.dtype(f"<u{SIZES[entry.dtype]}")
    file.seek(base + entry.start)
    left = entry.end - entry.start
    while left:
        data = file.read(min(_PIECE, left))
        if not data:
            raise ValueError("it is cut off")
        left -= len(data)
        yield numpy.frombuffer(data, kind)
