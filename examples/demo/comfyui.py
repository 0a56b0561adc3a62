"""Brings a ComfyUI folder's own modules into this process: training builds on them, evaluation runs its nodes."""

from __future__ import annotations

import sys
from pathlib import Path


def use(folder: Path, *, cpu: bool) -> None:
    """Make `comfy`, `nodes` and `folder_paths` of the ComfyUI in `folder` importable. Call before importing torch
    users of it.

    ComfyUI is an application, not an installable package: its folder has to be on the module path, and it reads its
    settings from the command line at import, so that is kept from it. Raises FileNotFoundError when it is no ComfyUI.
    """
    folder = folder.resolve()
    if not (folder / "comfy" / "sd.py").is_file():
        raise FileNotFoundError(f"{folder} is not a ComfyUI folder (it has no comfy/sd.py)")
    sys.path.insert(0, str(folder))
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        import comfy.cli_args  # type: ignore[import-not-found,unused-ignore]

        comfy.cli_args.args.cpu = cpu
    finally:
        sys.argv = arguments
