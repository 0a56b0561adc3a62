"""What ``dev.py demo`` and ``dev.py serve`` run with the virtual environment's Python: ComfyUI with SDGen in it.

The demo does what a user's browser does: it starts ComfyUI, posts the demo workflow once, and looks at SDGen's routes
until the session has ended. It then looks at the files as a user would, and lets the pixel reader of
``examples/demo`` judge them."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..comfy.client import ComfyClient
from ..comfy.press import submit
from ..comfy.runtime import ComfyServer
from ..errors import SDGenError, shown
from ..sessions.compile import PLANNER, Prompt, nodes_of
from .connection import Remote
from .order import attend
from .output import session_table

WORKFLOW = Path("workflows/api/txt2img_session.json")
DEMO = Path("examples/demo")
DEFAULT_PORT = 8188
FIRST_PICTURES = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes as everywhere: 0 done, 1 failed, 2 usage, 130 interrupted."""
    import typer

    options, more = _parser().parse_known_args(arguments)
    if more and options.command != "serve":
        _parser().error(f"unknown: {' '.join(more)}")
    try:
        return demo(options) if options.command == "demo" else serve(options, [word for word in more if word != "--"])
    except SDGenError as error:
        print(f"error: {error} [{error.code}]\n{error.hint}", file=sys.stderr)
        return 1
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py", description="ComfyUI with SDGen in it.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="make the demo session and judge its pictures")
    demo.add_argument("--keep", action="store_true", help="leave ComfyUI up afterwards, until Ctrl-C")
    serve = commands.add_parser("serve", help="ComfyUI with SDGen, for a person; what else is given goes to ComfyUI")
    device = serve.add_mutually_exclusive_group()
    device.add_argument("--gpu", action="store_true", help="let ComfyUI choose a GPU (the default where there is one)")
    device.add_argument("--cpu", action="store_true", help="run on the CPU")
    serve.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="address to listen on")
    for command in (demo, serve):
        command.add_argument("--port", type=int, default=0 if command is demo else DEFAULT_PORT)
        command.add_argument("--root", type=Path, required=True, help="the working copy of SDGen")
        command.add_argument("--comfyui", type=Path, required=True, help="the ComfyUI checkout")
        command.add_argument("--base", type=Path, required=True, help="the folder that ComfyUI may write to")
        command.add_argument("--models", type=Path, action="append", default=[], help="a further models folder")
        command.add_argument("--packages", type=Path, help="packages that only this ComfyUI pins")
    return parser


def _server(options: argparse.Namespace, **more: Any) -> ComfyServer:
    """The server of a command; the demo checkpoint is in the base's own models folder."""
    print(f"Starting ComfyUI from {shown(options.comfyui)} ...", flush=True)
    places = {"pack": options.root, "models": options.models, "packages": options.packages}
    return ComfyServer(options.comfyui, options.base, port=options.port, **places, **more)


def serve(options: argparse.Namespace, extra: list[str]) -> int:
    """Run ComfyUI until it ends or Ctrl-C."""
    cpu = options.cpu or not (options.gpu or sys.platform == "darwin" or shutil.which("nvidia-smi"))
    with _server(options, cpu=cpu, host=options.listen, extra_args=extra) as server:
        _tell_address(server)
        return _until_interrupted(server)


def demo(options: argparse.Namespace) -> int:
    """Make the demo session; 0 only if every planned image is there."""
    with _server(options) as server:
        print(f"ComfyUI is up at {server.url} after {server.start_seconds:.0f} s.", flush=True)
        try:
            complete = _demo_session(options.root, server.client)
        except SDGenError:
            if not server.running:
                print(f"ComfyUI died. The end of its log, {server.log}:\n{server.log_tail()}", file=sys.stderr)
            raise
        if options.keep:
            _tell_address(server)
            _until_interrupted(server)
    return 0 if complete else 1


def _tell_address(server: ComfyServer) -> None:
    print(f"\nComfyUI with SDGen: {server.url}\nlog: {shown(server.log)}\nCtrl-C stops it.", flush=True)


def _until_interrupted(server: ComfyServer) -> int:
    try:
        status = server.wait()
    except KeyboardInterrupt:
        print("stopping ...", flush=True)
        return 0
    print(f"ComfyUI ended with status {status}; its log: {server.log}", file=sys.stderr)
    return 1


def _demo_session(root: Path, client: ComfyClient) -> bool:
    graph: Prompt = json.loads((root / WORKFLOW).read_text(encoding="utf-8"))
    planner = nodes_of(graph, PLANNER)[0]
    graph[planner]["inputs"]["on_existing"] = "new"  # a demo of yesterday is not a result of today
    began = time.monotonic()
    session = submit(client, graph, planner)
    print(f"One POST /prompt: {session['planned']} images planned.", flush=True)
    status = attend(Remote(client), session)
    seconds = time.monotonic() - began
    print()
    session_table(status)
    pictures = saved_pictures(Path(status["folder"]))
    for number, picture in enumerate(pictures[:FIRST_PICTURES]):
        print(f"{'first pictures' if number == 0 else '':<16}  {shown(picture.path)}")
    print(f"{'whole session':<16}  {seconds:.1f} s")
    for failure in status.get("failures", ()):
        print(f"failed: image {failure['index']}: {failure.get('message', '')}", file=sys.stderr)
    there = sum(picture.path.is_file() for picture in pictures)
    if there:
        print(judge(root / DEMO, [picture for picture in pictures if picture.path.is_file()]))
    complete = status["state"] == "completed" and there == status["planned"] == len({p.path for p in pictures})
    print(f"{there} of {status['planned']} planned images are there." + ("" if complete else " The demo FAILED."))
    return bool(complete)


@dataclass(frozen=True)
class Picture:
    """An image of a session: its file, and the value of each placeholder it was made with."""

    path: Path
    values: dict[str, Any]


def saved_pictures(folder: Path) -> list[Picture]:
    """The images of a session's manifest, in its order."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return [Picture(folder / image["filename"], image["applied_variations"]) for image in manifest["images"]]


def judge(demo: Path, pictures: Sequence[Picture]) -> str:
    """What the pixel reader says of demo pictures: how many show the colour and shape of their prompt.

    The values that the demo model has learned wrongly on purpose are counted for themselves.
    """
    reader, shapes = _load(demo / "reader.py"), _load(demo / "shapes.py")
    defects = {(defect.colour, defect.shape) for defect in shapes.DEFECTS}
    right: dict[bool, list[bool]] = {False: [], True: []}
    for picture in pictures:
        wanted = (picture.values["Colour"], picture.values["Shape"])
        seen = reader.read(picture.path)
        right[wanted in defects].append((seen.colour, seen.shape) == wanted)
    healthy, planted = right[False], right[True]
    share = f" ({100 * sum(healthy) / len(healthy):.0f} %)" if healthy else ""
    names = ", ".join(" ".join(defect) for defect in sorted(defects))
    return (
        f"Read from the pixels: {sum(healthy)} of {len(healthy)} right{share};"
        f" of the values that are wrong on purpose ({names}): {sum(planted)} of {len(planted)} right."
    )


def _load(file: Path) -> ModuleType:
    """A module of the examples, which are no package."""
    name = f"sdgen_example_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise SDGenError("missing-file", f"there is no {shown(file)}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # end in order: the server must not outlive us
    sys.exit(main())
