"""The options of sd-scripts v0.10.1, as its own parsers gave them, and a checkout that declares the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
BASE = "train_network.py"
#: Script -> how many options it has.
COUNTS = {BASE: 193, "sdxl_train_network.py": 196, "flux_train_network.py": 215, "sd3_train_network.py": 218}


def recorded(script: str) -> dict[str, dict[str, Any]]:
    """Name -> ``flag``, ``type``, ``default``, ``choices``, ``nargs``, as far as each is said."""
    found = json.loads((RECORDED / "options.json").read_text(encoding="utf-8"))
    return found[BASE] | found[script]


def write_checkout(folder: Path) -> Path:
    """Scripts that declare the recorded options in sd-scripts' way, and train nothing."""
    found = json.loads((RECORDED / "options.json").read_text(encoding="utf-8"))
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    for name in ("lora", "lora_flux", "lora_sd3"):
        (folder / "networks" / f"{name}.py").touch()
    for script, own in found.items():
        begin = "argparse.ArgumentParser()" if script == BASE else "train_network.setup_parser()"
        lines = ["import argparse", "from pathlib import Path", *([] if script == BASE else ["import train_network"])]
        lines += ["", "def int_or_float(value):", "    return int(value) if float(value) >= 1 else float(value)", ""]
        lines += ["def setup_parser():", f"    parser = {begin}"]
        for name, said in own.items():
            parts = [repr(f"--{name}")]
            parts += ["action='store_true'"] if said.get("flag") else []
            parts += [f"type={said['type']}"] if "type" in said else []
            parts += [f"{one}={said[one]!r}" for one in ("default", "choices", "nargs") if one in said]
            lines.append(f"    parser.add_argument({', '.join(parts)})")
        lines += ["    return parser", ""]
        (folder / script).write_text("\n".join(lines), encoding="utf-8")
    return folder
