"""The checkout and its Python, looked at before anything long starts: are they there, do they fit, what do they bring?"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import SDGenError, shown
from ..runs.model import Problem

OLDEST = (3, 10)
#: What the training scripts import; a package of each is named as pip knows it where that differs.
PACKAGES = (
    "torch",
    "torchvision",
    "accelerate",
    "diffusers",
    "transformers",
    "huggingface_hub",
    "safetensors",
    "numpy",
    "PIL",
    "cv2",
    "einops",
    "imagesize",
    "toml",
    "voluptuous",
    "tqdm",
    "tensorboard",
)
_PIP = {"PIL": "pillow", "cv2": "opencv-python", "huggingface_hub": "huggingface-hub", "lion_pytorch": "lion-pytorch"}
#: What its Python is told besides. It may be another one than ours, which could not use our packages; an empty word counts as none.
SURROUNDINGS = {
    "PYTHONPATH": "",
    "PYTHONHOME": "",
    "PYTHONUTF8": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
_TIMEOUT = 180.0  # s; cold imports from a slow disk take a minute
_MARK = "SDGEN-FACTS "
_ASK = f"""
import importlib, json, sys
said = {{"version": list(sys.version_info[:3]), "packages": {{}}, "errors": {{}}, "device": "cpu", "card": "", "memory": 0}}
for name in sys.argv[1:]:
    try:
        said["packages"][name] = str(getattr(importlib.import_module(name), "__version__", ""))
    except BaseException as error:
        said["errors"][name] = f"{{type(error).__name__}}: {{error}}"
if "torch" in said["packages"]:
    import torch
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        said.update(device="cuda", card=card.name, memory=card.total_memory, bf16=torch.cuda.is_bf16_supported())
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        said["device"] = "mps"
print("\\n" + {_MARK!r} + json.dumps(said))
"""


@dataclass(frozen=True)
class Installation:
    """A checkout of sd-scripts and the Python that runs it."""

    folder: Path
    python: Path


@dataclass(frozen=True)
class Facts:
    """What a Python says of itself: its version, package → version, package → why it cannot be imported, the device that it trains on
    ("cuda", "mps", "cpu"), the card's name and its memory in bytes (0 for none).
    """

    version: tuple[int, ...]
    packages: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    card: str = ""
    memory: int = 0
    bf16: bool = True


def installation(folder: str, python: str = "") -> Installation:
    """What the settings ``kohya_folder`` and ``kohya_python`` mean; the Python is looked for in the checkout when it is not named.

    Raises ``kohya-not-found`` and ``kohya-python``.
    """
    if not folder.strip():
        raise SDGenError("kohya-not-found", "the setting `kohya_folder` is empty: no sd-scripts checkout is known")
    root = Path(folder).expanduser().absolute()
    if not (root / "train_network.py").is_file():
        inner = next((one for one in (root / "sd-scripts", root / "kohya_ss" / "sd-scripts") if one.is_dir()), None)
        hint = f"Set `kohya_folder` to {shown(inner)}." if inner else None
        raise SDGenError("kohya-not-found", f"there is no train_network.py in {shown(root)}", hint=hint)
    if python.strip():
        path = Path(python).expanduser().absolute()
        if not path.is_file():
            raise SDGenError("kohya-python", f"there is no Python {shown(path)} (setting `kohya_python`)")
        return Installation(root, path)
    tail = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    places = [root / name for name in ("venv", ".venv")] + [root.parent / name for name in ("venv", ".venv")]
    for place in places:
        path = place.joinpath(*tail)
        if path.is_file():
            return Installation(root, path)
    raise SDGenError("kohya-python", f"{shown(root)} has no venv or .venv with a Python in it")


_known: dict[tuple[Path, float], Facts] = {}


def ask(where: Installation, wanted: Sequence[str] = PACKAGES) -> Facts:
    """Run the Python once and have it import these packages, which takes seconds; remembered while all goes well.

    Raises ``kohya-python`` when it cannot be run or says nothing.
    """
    key = (where.python, where.python.stat().st_mtime)
    if key in _known and set(wanted) <= _known[key].packages.keys():
        return _known[key]
    name = shown(where.python)
    environment = {**os.environ, **SURROUNDINGS}
    try:
        made = subprocess.run(
            [str(where.python), "-c", _ASK, *wanted],
            cwd=where.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise SDGenError("kohya-python", f"{name} did not answer within {_TIMEOUT:.0f} s") from error
    except OSError as error:
        raise SDGenError("kohya-python", f"{name} cannot be run: {error.strerror or error}") from error
    line = next((one for one in reversed(made.stdout.splitlines()) if one.startswith(_MARK)), "")
    if not line:
        last = next((one for one in reversed(made.stderr.splitlines()) if one.strip()), "it said nothing")
        raise SDGenError("kohya-python", f"{name} ended with exit code {made.returncode}: {last.strip()}")
    said = json.loads(line.removeprefix(_MARK))
    facts = Facts(**{**said, "version": tuple(said["version"])})
    if not facts.errors:
        _known[key] = facts
    return facts


def problems(where: Installation, facts: Facts, wanted: dict[str, str]) -> list[Problem]:
    """What is wrong with the Python. ``wanted``: package → the option that needs it."""
    python = shown(where.python)
    found = []
    if facts.version < OLDEST:
        text = f"{python} is Python {_dotted(facts.version)}; sd-scripts needs {_dotted(OLDEST)} or newer"
        found.append(Problem("kohya-python", text, file=python))
    for name, why in facts.errors.items():
        package = _PIP.get(name, name)
        absent = why.startswith("ModuleNotFoundError") and f"'{name}'" in why
        what = f"lacks the package {package}" if absent else f"cannot import {package} ({why[:200]})"
        needs = f", which {wanted[name]} needs" if name in wanted else ""
        hint = f"Install it there: {python} -m pip install {package}" if absent else "Repair that installation."
        option = wanted.get(name, "").split(" ")[0]
        found.append(Problem("kohya-python", f"{python} {what}{needs}", hint, option=option, file=python))
    for name, pinned in _pins(where.folder).items():
        there = facts.packages.get(name, "")
        if there and there.split(".")[:2] != pinned.split(".")[:2]:
            text = f"{python} has {name} {there}; this checkout was written for {pinned}"
            hint = f"If it fails: {python} -m pip install {name}=={pinned}"
            found.append(Problem("kohya-python", text, hint, file=python, fatal=False))
    return found


def _pins(folder: Path) -> dict[str, str]:
    """The versions that the checkout's requirements.txt names for the packages that break most easily."""
    try:
        text = (folder / "requirements.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found = re.findall(r"^(accelerate|diffusers|transformers)(?:\[[^\]]*\])?==([\w.]+)", text, re.MULTILINE)
    return dict(found)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)
