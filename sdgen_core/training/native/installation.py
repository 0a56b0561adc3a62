"""The ComfyUI that trains: the one that SDGen is loaded in, or one that is named; and what its training node takes, read from its source.

The source is read, never run: importing it takes seconds and a graphics card, and the options are wanted while a form is filled in. What
depends on a computation is left open; ComfyUI checks it when the training is posted to it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown

NODE = "TrainLoraNode"
OLDEST = "0.3.52"

#: Flags of ComfyUI's that say on which device and how a model runs, and how many words follow them at most.
_FLAGS = {
    "--cpu": 0, "--gpu-only": 0, "--highvram": 0, "--normalvram": 0, "--lowvram": 0, "--novram": 0, "--reserve-vram": 1,
    "--cuda-device": 1, "--default-device": 1, "--directml": 1, "--oneapi-device-selector": 1, "--disable-ipex-optimize": 0,
    "--cuda-malloc": 0, "--disable-cuda-malloc": 0, "--disable-smart-memory": 0, "--deterministic": 0,
    "--force-fp32": 0, "--force-fp16": 0, "--fp32-unet": 0, "--fp64-unet": 0, "--bf16-unet": 0, "--fp16-unet": 0,
    "--fp16-vae": 0, "--fp32-vae": 0, "--bf16-vae": 0, "--cpu-vae": 0, "--disable-xformers": 0,
    "--use-split-cross-attention": 0, "--use-quad-cross-attention": 0, "--use-pytorch-cross-attention": 0,
    "--force-upcast-attention": 0, "--dont-upcast-attention": 0, "--disable-async-offload": 0, "--disable-pinned-memory": 0,
    "--mmap-torch-files": 0, "--disable-mmap": 0,
}  # fmt: skip

_KINDS = {
    "Int": "int",
    "Float": "float",
    "Combo": "choice",
    "Boolean": "bool",
    "INT": "int",
    "FLOAT": "float",
    "BOOLEAN": "bool",
}


@dataclass(frozen=True)
class Option:
    """An input of the training node. ``kind``: int, float, bool or choice; ``choices`` is empty when they are not known before."""

    name: str
    kind: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    def wrong(self, value: Any) -> str:
        """Why this is no value for it; empty when it is one."""
        if self.kind == "bool":
            return "" if isinstance(value, bool) else f"{value!r} is not true or false"
        if self.kind == "choice":
            if not isinstance(value, str):
                return f"{value!r} is no text"
            return (
                f"{value!r} is none of {', '.join(self.choices)}" if self.choices and value not in self.choices else ""
            )
        number = isinstance(value, int) or (self.kind == "float" and isinstance(value, float))
        if not number or isinstance(value, bool):
            return f"{value!r} is no {'whole number' if self.kind == 'int' else 'number'}"
        least, most = self.least, self.most
        if (least is not None and not value >= least) or (most is not None and not value <= most):
            return f"{value!r} is not within {least} to {most}"
        return ""


@dataclass(frozen=True)
class Installation:
    """A ComfyUI folder, the Python that runs it, and its flags for the device; ``packages``: a folder of packages that goes first."""

    comfyui: Path
    python: Path = Path(sys.executable)
    flags: tuple[str, ...] = ()
    packages: Path | None = None

    @property
    def main(self) -> Path:
        """Its program."""
        return self.comfyui / "main.py"

    @property
    def version(self) -> str:
        """As its file says; "" when it has none."""
        try:
            text = (self.comfyui / "comfyui_version.py").read_text(encoding="utf-8")
        except OSError:
            return ""
        found = re.search(r"__version__\s*=\s*[\"']([^\"']+)", text)
        return found[1] if found else ""

    def options(self) -> dict[str, Option]:
        """What the training node takes besides model, images and captions. Raises ``comfyui-not-found`` and ``comfyui-too-old``."""
        if not self.main.is_file():
            raise SDGenError("comfyui-not-found", f"there is no ComfyUI in {shown(self.comfyui)}: main.py is missing")
        source = self.comfyui / "comfy_extras" / "nodes_train.py"
        try:
            found = _options(source, source.stat().st_mtime_ns)
        except (OSError, SyntaxError, UnicodeDecodeError):
            found = {}
        if not found:
            version = self.version or "of unknown version"
            raise SDGenError(
                "comfyui-too-old", f"ComfyUI {version} has no training node; {OLDEST} is the oldest that has"
            )
        return found


def device_flags(arguments: Sequence[str]) -> tuple[str, ...]:
    """Of a ComfyUI's command line, what says on which device and how a model runs."""
    out: list[str] = []
    left = 0
    for word in arguments:
        name, _, _ = word.partition("=")
        if word.startswith("--"):
            left = _FLAGS.get(name, 0) if "=" not in word else 0
            if name in _FLAGS:
                out.append(word)
        elif left:
            out.append(word)
            left -= 1
    return tuple(out)


# ---- reading the source ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _options(source: Path, _changed: int) -> dict[str, Option]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == NODE:
            found = {option.name: option for option in (*_of_schema(node), *_of_table(node))}
            if "algorithm" in found and not found["algorithm"].choices:
                choices = _algorithms(source.parents[1] / "comfy" / "weight_adapter" / "__init__.py")
                default = choices[0] if choices else None
                found["algorithm"] = Option(
                    "algorithm", "choice", default, choices=choices, help=found["algorithm"].help
                )
            return found
    return {}


def _of_schema(node: ast.ClassDef) -> Iterator[Option]:
    """``io.Int.Input("rank", default=8, …)``, the form since 0.3.6x."""
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "Input"):
            continue
        kind = _KINDS.get(call.func.value.attr if isinstance(call.func.value, ast.Attribute) else "")
        name = _plain(call.args[0]) if call.args else None
        if kind and isinstance(name, str):
            yield _option(name, kind, {word.arg: word.value for word in call.keywords if word.arg})


def _of_table(node: ast.ClassDef) -> Iterator[Option]:
    """``"rank": (IO.INT, {"default": 8, …})`` in ``INPUT_TYPES``, the older form."""
    for table in ast.walk(node):
        if not isinstance(table, ast.Dict):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            name = _plain(key)
            if not (isinstance(name, str) and isinstance(value, ast.Tuple) and len(value.elts) == 2):
                continue
            kind_node, words = value.elts
            if not isinstance(words, ast.Dict):
                continue
            kind = _KINDS.get(kind_node.attr, "") if isinstance(kind_node, ast.Attribute) else "choice"
            if isinstance(kind_node, ast.Constant):
                kind = _KINDS.get(str(kind_node.value), "")
            if kind:
                named = {str(_plain(k)): v for k, v in zip(words.keys, words.values, strict=True)}
                yield _option(name, kind, {"options": kind_node, **named} if kind == "choice" else named)


def _option(name: str, kind: str, words: dict[str, ast.expr]) -> Option:
    told = {key: _plain(value) for key, value in words.items()}
    choices = told.get("options")
    return Option(
        name,
        kind,
        told.get("default"),
        told.get("min"),
        told.get("max"),
        tuple(map(str, choices)) if isinstance(choices, list) else (),
        str(told.get("tooltip") or ""),
    )


def _plain(node: ast.expr | None) -> Any:
    """The value of a literal; None for anything that would have to be computed."""
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        return None


def _algorithms(source: Path) -> tuple[str, ...]:
    """The keys of ``adapter_maps``."""
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Dict):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and target.id == "adapter_maps":
            return tuple(str(_plain(key)) for key in node.value.keys)
    return ()
