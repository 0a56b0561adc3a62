"""Was a LoRA really trained? Never the exit code: trainers end with 0 when they found no images, and when the loss was no number.

The file has to be there and to be new, to open as safetensors, with weights that are finite and not zero, and the steps have to be those
that were asked for. Weights are read in pieces, as bits where numpy lacks their type, so that neither torch nor much memory is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import shown
from .model import Cause

if TYPE_CHECKING:
    import numpy

#: safetensors' types of numbers with a fraction: bytes, and the bits that are all set in infinities and what is no number, the exponent.
#: F8_E4M3 has no infinities, and only all ones are no number (Micikevicius et al. 2022, arXiv:2209.05433, table 1).
_FLOATS = {
    "F64": (8, 0x7FF0000000000000),
    "F32": (4, 0x7F800000),
    "F16": (2, 0x7C00),
    "BF16": (2, 0x7F80),
    "F8_E5M2": (1, 0x7C),
    "F8_E4M3": (1, 0x7F),
}
_OTHERS = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8}
_LONGEST_HEADER = 100_000_000  # bytes, as in safetensors itself
_PIECE = 1 << 22  # bytes

#: Tensors that are multiplied with each other, and what they belong to: LoRA (kohya, PEFT), LoHa and LoKr. One begins at zero, which
#: one differs from trainer to trainer; while it is zero, the whole changes nothing. Any other tensor stands for itself.
_FACTOR = re.compile(r"(.*?)[._](?:lora_(?:up|down|mid|A|B)|(?:hada|lokr)_[wt]\d(?:_[ab])?)(?:\.\w+)*\Z")
_SCALE = re.compile(r"(?:\A|[._])(?:alpha|dora_scale|rank)\Z")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file: its type, and where its bytes begin and end in the file."""

    name: str
    dtype: str
    begin: int
    end: int


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
        tensors, metadata = read_header(output)
        cause = _weights(output, tensors)
    except ValueError as error:
        return Cause("broken-output", f"{name} is no whole safetensors file: {error}")
    except OSError as error:
        return Cause("broken-output", f"{name} cannot be read: {error.strerror or error}")
    if cause is not None:
        return cause
    noted = str(metadata.get("ss_steps", ""))
    steps = int(noted) if noted.isdecimal() else made
    if steps != asked:
        return Cause("wrong-steps", f"{steps:,} of {asked:,} steps were trained")
    return None


def _weights(path: Path, tensors: list[Tensor]) -> Cause | None:
    name = shown(path.name)
    weights = [tensor for tensor in tensors if tensor.dtype in _FLOATS]
    if not weights:
        return Cause("no-weights", f"{name} holds no weights")
    changes: dict[str, bool] = {}  # what belongs together: whether no factor of it is all zero
    bad = []
    with path.open("rb") as file:
        for tensor in weights:
            finite, some = _look(file, tensor)
            if not finite:
                bad.append(tensor.name)
            if not _SCALE.search(tensor.name):
                factor = _FACTOR.match(tensor.name)
                whole = factor[1] if factor else tensor.name
                changes[whole] = changes.get(whole, True) and some
    if bad:
        hint = "Lower the learning rate, or train in bf16 or without mixed precision."
        more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
        return Cause("not-finite", f"weights of {name} are no numbers: {bad[0]}{more}", hint)
    if not any(changes.values()):
        hint = "Raise the learning rate, and check that the images are found and that some part is trained."
        return Cause("all-zero", f"{name} changes nothing: all that was trained is zero", hint)
    return None


def read_header(path: Path) -> tuple[list[Tensor], dict[str, Any]]:
    """The tensors of a safetensors file, and its metadata. Raises ``ValueError`` for anything that is none, and ``OSError``.

    The format: 8 bytes with the header's length, little-endian, the header as JSON, then the tensors' bytes without gaps
    (https://github.com/huggingface/safetensors#format).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise ValueError("it is cut off in its header")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise ValueError("its header cannot be read") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    metadata = header.pop("__metadata__", {})
    tensors = sorted((_tensor(name, entry, 8 + length) for name, entry in header.items()), key=lambda one: one.begin)
    at = 8 + length
    for tensor in tensors:
        if tensor.begin != at:
            raise ValueError(f"{tensor.name} is not where the one before ends")
        at = tensor.end
    if at != size:
        raise ValueError("it is cut off" if at > size else "it is longer than its header says")
    return tensors, metadata if isinstance(metadata, dict) else {}


def _tensor(name: str, entry: Any, base: int) -> Tensor:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        count = 1
        for length in shape:
            if not isinstance(length, int) or length < 0:
                raise TypeError
            count *= length
        width = _FLOATS[dtype][0] if dtype in _FLOATS else _OTHERS.get(dtype)
        if not 0 <= begin <= end or (width is not None and end - begin != count * width):
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its header is wrong about {name!r}") from error
    return Tensor(name, str(dtype), base + begin, base + end)


def _look(file: BinaryIO, tensor: Tensor) -> tuple[bool, bool]:
    """Whether all numbers of a tensor are finite, and whether one is not zero."""
    import numpy

    _, exponent = _FLOATS[tensor.dtype]
    finite, some = True, False
    for bits in _pieces(file, tensor):
        full: Any = numpy.array(exponent, bits.dtype)
        finite = finite and not bool(((bits & full) == full).any())
        some = some or bool((bits << numpy.array(1, bits.dtype)).any())  # without the sign
    return finite, some


def _pieces(file: BinaryIO, tensor: Tensor) -> Iterator[numpy.ndarray[Any, Any]]:
    """The numbers of a tensor as unsigned ones of the same bits, some megabytes at a time."""
    import numpy

    kind = numpy.dtype(f"<u{_FLOATS[tensor.dtype][0]}")
    file.seek(tensor.begin)
    left = tensor.end - tensor.begin
    while left:
        data = file.read(min(_PIECE, left))
        if not data:
            raise ValueError("it is cut off")
        left -= len(data)
        yield numpy.frombuffer(data, kind)
