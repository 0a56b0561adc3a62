"""Safetensors files, tensor by tensor: a checkpoint of many gigabytes is never in memory as a whole."""

from __future__ import annotations

import math
import mmap
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError, shown
from ...sessions import safetensors_file
from ...sessions.files import atomic_file, make_folder
from ...sessions.safetensors_file import ENDINGS, SIZES, Header, header_bytes

if TYPE_CHECKING:
    import torch

#: Kinds of numbers that torch has; others are read as bytes and only copied.
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
#: Those that a sum can be rounded to, widest first.
FLOATS = ("F64", "F32", "BF16", "F16", "F8_E4M3", "F8_E5M2")

_SPARE = 64 << 20  # bytes that stay free on the disk


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's size. Raises ``missing-file``, ``unreadable-file``,
    ``bad-weights``."""
    if not path.is_file():
        raise SDGenError("missing-file", f"there is no file {shown(path)}", hint="Check the path.")
    if path.suffix.lower() not in ENDINGS:
        message = f"{shown(path)} is no safetensors file"
        raise SDGenError("bad-weights", message, hint="Convert it to .safetensors first; other forms may run code.")
    try:
        return safetensors_file.read_header(path)
    except OSError as error:
        raise SDGenError("unreadable-file", f"cannot read {shown(path)}: {error.strerror or error}") from error
    except safetensors_file.BrokenFileError as error:
        raise SDGenError("bad-weights", f"{shown(path)} is no whole safetensors file: {error}") from error


class WeightFile:
    """The tensors of a file, mapped into memory: pages are read when numbers are used, and given up when memory is short.

    The mapping is for reading alone, since a private one counts as memory in use on Windows. Tensors keep it open; nothing has to be
    closed.
    """

    def __init__(self, path: Path) -> None:
        """Raises what :func:`read_header` raises."""
        self.header = read_header(path)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def path(self) -> Path:
        return self.header.path

    def get(self, name: str) -> torch.Tensor:
        """A tensor of the file, over the mapping: writing into it ends the process. Raises ``bad-weights`` for unknown kinds of numbers."""
        import torch

        entry = self.header.tensors[name]
        if entry.dtype not in _TORCH:
            raise SDGenError(
                "bad-weights", f"{name} in {shown(self.path)} has numbers of the unknown kind {entry.dtype}"
            )
        dtype = getattr(torch, _TORCH[entry.dtype])
        if entry.count == 0:
            return torch.empty(entry.shape, dtype=dtype)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given buffer is not writable")
            flat = torch.frombuffer(self._map, dtype=dtype, count=entry.count, offset=self.header.begin + entry.start)
        return flat.reshape(entry.shape)

    def all(self) -> dict[str, torch.Tensor]:
        """Every tensor by its name, over the mapping."""
        return {name: self.get(name) for name in self.header.tensors}

    def raw(self, name: str) -> memoryview:
        """A tensor's bytes as the file has them."""
        entry = self.header.tensors[name]
        return memoryview(self._map)[self.header.begin + entry.start : self.header.begin + entry.end]


def dtype_of(tensor: torch.Tensor) -> str:
    """The format's word for a tensor's kind of numbers."""
    word = str(tensor.dtype).removeprefix("torch.")
    return next(name for name, torch_name in _TORCH.items() if torch_name == word)


def raw_of(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor on the CPU, in the order that the format wants."""
    import torch

    return memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())


def write_weights(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    content: Callable[[str], memoryview],
    *,
    replace: bool = False,
) -> None:
    """Write a safetensors file as a whole or not at all. ``tensors``: name → (dtype, shape), in the order of their bytes; ``content``
    gives the bytes of each when its turn comes.

    Raises ``file-exists`` unless ``replace``, ``disk-full`` before anything is written, ``unwritable-folder``.
    """
    check_target(path, replace=replace)
    kinds = {name: (dtype, shape, math.prod(shape) * SIZES[dtype]) for name, (dtype, shape) in tensors.items()}
    beginning, size = header_bytes(kinds, metadata)
    check_room(path, len(beginning) + size)
    with atomic_file(path) as file:
        file.write(beginning)
        for name in tensors:
            file.write(content(name))


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, replace: bool = False
) -> None:
    """Write tensors of a moderate size. Raises what :func:`write_weights` raises."""
    kinds = {name: (dtype_of(tensor), tuple(tensor.shape)) for name, tensor in tensors.items()}
    write_weights(path, kinds, metadata, lambda name: raw_of(tensors[name]), replace=replace)


def check_target(path: Path, *, replace: bool, sources: Iterable[Path] = ()) -> None:
    """Whether a file may be written. Raises ``file-exists``, ``bad-option``, ``unwritable-folder``."""
    if path.suffix.lower() not in ENDINGS:
        raise SDGenError("bad-option", f"the output {shown(path)} does not end in .safetensors")
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise SDGenError("file-exists", f"the output {shown(path)} is one of the files that are read")
    if path.exists() and not replace:
        raise SDGenError("file-exists", f"{shown(path)} is there already")
    make_folder(path.parent)


def check_room(path: Path, size: int) -> None:
    """Raises ``disk-full`` when a file of ``size`` bytes has no room beside ``path``."""
    free = shutil.disk_usage(path.parent).free
    if free < size + _SPARE:
        message = f"{shown(path)} takes {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free"
        raise SDGenError("disk-full", message, hint="Free some space, or choose another folder; nothing was written.")
