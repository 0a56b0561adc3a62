"""Merging in a process of its own, with the code of a ComfyUI that need not run.

``merge_beside`` starts this file's module with the same Python; the job comes as JSON on its standard input, and lines of JSON go out
on the standard output that it was given. What ComfyUI prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ...comfy.processes import kill_tree, process_options
from ...errors import CODES, SDGenError, shown
from ...sessions.files import leftovers
from .arithmetic import Applied
from .merge import Merged, Progress, check_merge, merge

PACK = Path(__file__).absolute().parents[3]


def find_comfyui(named: Path | None = None) -> Path:
    """The folder of a ComfyUI: the one named, else SDGEN_COMFYUI, else the one that this pack is installed in, else a working copy's own.

    Raises ``comfyui-not-found``.
    """
    variable = os.environ.get("SDGEN_COMFYUI")
    wanted = named or (Path(variable) if variable else None)
    around = [pack.parents[1] for pack in (PACK, PACK.resolve()) if pack.parent.name == "custom_nodes"]
    for folder in [wanted] if wanted else [*around, PACK / ".comfyui"]:
        if (folder / "comfy" / "lora.py").is_file():
            return folder.resolve()
    raise SDGenError(
        "comfyui-not-found",
        f"There is no ComfyUI in {shown(wanted)}." if wanted else "No ComfyUI was found, whose code is needed.",
        hint="Name its folder, the one with main.py in it, with --comfyui DIR or the environment variable SDGEN_COMFYUI.",
    )


def merge_beside(
    comfyui: Path,
    checkpoint: Path,
    loras: Sequence[Applied],
    output: Path,
    *,
    replace: bool = False,
    partly: bool = False,
    progress: Progress = lambda done, total: None,
) -> Merged:
    """As :func:`.merge.merge`, in a process that has ComfyUI's code. Raises the same, and ``comfyui-not-usable`` when it cannot start."""
    check_merge(checkpoint, loras, output, replace=replace)
    job = {
        "comfyui": str(comfyui),
        "checkpoint": str(checkpoint.absolute()),
        "loras": [[str(a.path.absolute()), a.strength, a.text_encoder] for a in loras],
        "output": str(output.absolute()),
        "replace": replace,
        "partly": partly,
    }
    # PACK first: the child must run this code. `-P` is not in Python 3.10, and the folder it starts in is ComfyUI's anyway.
    path = os.pathsep.join(filter(None, [str(PACK), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=comfyui,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        **process_options(),
    )
    try:
        return _followed(process, json.dumps(job).encode(), progress, comfyui)
    finally:
        kill_tree(process)
        for left in leftovers(output.parent):  # of a process that had no time to tidy up
            if left.name.startswith(f"{output.name}."):
                left.unlink(missing_ok=True)


def _followed(process: subprocess.Popen[bytes], job: bytes, progress: Progress, comfyui: Path) -> Merged:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    printed: list[bytes] = []
    reader = threading.Thread(target=lambda pipe: printed.extend(pipe), args=(process.stderr,), daemon=True)
    reader.start()
    with contextlib.suppress(OSError):  # it has ended already, and its last line says why
        process.stdin.write(job)
        process.stdin.close()
    for line in process.stdout:
        said = json.loads(line)
        if "done" in said:
            progress(*said["done"])
        elif "merged" in said:
            return Merged.from_json(said["merged"])
        elif said["error"] in CODES:
            raise SDGenError(said["error"], said["message"], hint=said["hint"])
    process.wait()
    reader.join(5)
    tail = b"".join(printed).decode("utf-8", "replace").strip().splitlines()[-1:] or ["it printed nothing"]
    raise SDGenError("comfyui-not-usable", f"ComfyUI's code in {shown(comfyui)} cannot be used: {tail[0].strip()}")


def _main() -> int:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what others print is no answer

    def say(**said: Any) -> None:
        _line(out, said)

    job = json.loads(sys.stdin.buffer.read())
    sys.path.insert(0, job["comfyui"])  # before ours, which has a folder `nodes` as well
    import comfy.cli_args

    comfy.cli_args.args.cpu = True  # sums of single tensors; the card is left to whoever renders
    loras = [Applied(Path(path), strength, text) for path, strength, text in job["loras"]]
    try:
        made = merge(
            Path(job["checkpoint"]),
            loras,
            Path(job["output"]),
            replace=job["replace"],
            partly=job["partly"],
            progress=lambda done, total: say(done=[done, total]),
        )
        say(merged=made.to_json())
    except SDGenError as error:
        say(error=error.code, message=str(error), hint=error.hint)
    return 0


def _line(out: IO[bytes], said: dict[str, Any]) -> None:
    out.write(json.dumps(said).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(_main())
