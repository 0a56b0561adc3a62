"""Safetensors files, tensor by tensor: a checkpoint of many gigabytes is never in memory as a whole.

Form of the file: 8 bytes with the header's length, little-endian; the header, JSON, ``{name: {dtype, shape, data_offsets}}`` with texts
under ``__metadata__``; then the tensors' bytes, offsets counting from the header's end. https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import math
import mmap
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, shown
from ...sessions.files import atomic_file, make_folder

if TYPE_CHECKING:
    import torch

#: What a tensor's numbers take, in bytes. Kinds that torch does not have are read as bytes and only copied.
SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
#: Those that a sum can be rounded to, widest first.
FLOATS = ("F64", "F32", "BF16", "F16", "F8_E4M3", "F8_E5M2")
ENDINGS = (".safetensors", ".sft")

_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_SPARE = 64 << 20  # bytes that stay free on the disk


@dataclass(frozen=True)
class Entry:
    """A tensor of a file: ``start`` and ``end`` in bytes from the header's end."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What a file says of itself. ``begin`` is where the tensors begin, in bytes; ``size`` the file's."""

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, Entry]
    begin: int
    size: int


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's size. Raises ``missing-file``, ``unreadable-file``,
    ``bad-weights``."""
    if not path.is_file():
        raise SDGenError("missing-file", f"there is no file {shown(path)}", hint="Check the path.")
    if path.suffix.lower() not in ENDINGS:
        message = f"{shown(path)} is no safetensors file"
        raise SDGenError("bad-weights", message, hint="Convert it to .safetensors first; other forms may run code.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
                raise SDGenError("bad-weights", f"{shown(path)} is no safetensors file, or is cut off")
            raw = file.read(length)
    except OSError as error:
        raise SDGenError("unreadable-file", f"cannot read {shown(path)}: {error.strerror or error}") from error
    try:
        content = json.loads(raw)
        metadata = content.pop("__metadata__", {}) or {}
        tensors = {str(name): _entry(said) for name, said in content.items()}
        texts = {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SDGenError("bad-weights", f"the header of {shown(path)} cannot be read: {error}") from error
    needed = max((entry.end for entry in tensors.values()), default=0)
    if needed > size - 8 - length:
        missing = needed - (size - 8 - length)
        raise SDGenError("bad-weights", f"{shown(path)} is cut off: {missing:,} bytes of its tensors are missing")
    return Header(path, texts, tensors, 8 + length, size)


def _entry(said: Mapping[str, Any]) -> Entry:
    shape = tuple(int(n) for n in said["shape"])
    start, end = (int(n) for n in said["data_offsets"])
    dtype = str(said["dtype"])
    entry = Entry(dtype, shape, start, end)
    if start < 0 or end < start or any(n < 0 for n in shape):
        raise ValueError(f"a tensor from {start} to {end} of shape {shape}")
    if dtype in SIZES and end - start != entry.count * SIZES[dtype]:
        raise ValueError(f"{entry.count} numbers of {dtype} in {end - start} bytes")
    return entry


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
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    check_room(path, len(text) + at)
    with atomic_file(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
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
