"""`sdgen sessions …`: look at sessions, steer and change them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .connection import access
from .output import ACTIVE, fail, print_json, print_table, reporting, session_row, session_table, working

app = typer.Typer(no_args_is_help=True, help="Look at sessions and steer them.")

ServerOption = Annotated[
    str | None, typer.Option("--server", help="Address of ComfyUI, else SDGEN_SERVER, else port 8188 here.")
]
UserDirOption = Annotated[
    Path | None, typer.Option("--user-dir", help="ComfyUI's user folder: works without a running ComfyUI.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionArgument = Annotated[str, typer.Argument(help="Id, name or folder name of a session.")]
FolderArgument = Annotated[
    str, typer.Argument(help="Id, name or folder name of a session, or the path of any session folder.")
]
StateOption = Annotated[
    str | None, typer.Option("--state", help="Only planned, running, paused, completed, failed or stopped ones.")
]


@app.command("list")
@reporting
def list_sessions(
    server: ServerOption = None, user_dir: UserDirOption = None, state: StateOption = None, json: JsonOption = False
) -> None:
    """All sessions, newest first."""
    sessions = access(server, user_dir).list(state)
    if json:
        print_json({"sessions": sessions})
    elif not sessions:
        print("no sessions")
    else:
        print_table(
            ["id", "name", "state", "done", "failed", "planned", "s/image", "created"], map(session_row, sessions)
        )


@app.command()
@reporting
def show(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """One session with its failures."""
    details = access(server, user_dir).show(session)
    if json:
        print_json(details)
        return
    session_table(details)
    for failure in details["failures"]:
        print(f"failed {failure['index']}: {failure.get('message', '')} [{failure.get('error', '')}]")


@app.command()
@reporting
def pause(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """Stop making images for now; nothing is lost."""
    _print(access(server, user_dir).act(session, "pause"), json)


@app.command()
@reporting
def resume(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """Go on with what is left."""
    _print(access(server, user_dir).act(session, "resume"), json)


@app.command()
@reporting
def stop(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """End a session before its end; its images stay, and `resume` takes it up again."""
    _print(access(server, user_dir).act(session, "stop"), json)


@app.command()
@reporting
def retry(
    session: SessionArgument,
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="Also the images that were skipped.")] = False,
    json: JsonOption = False,
) -> None:
    """Make the failed images again, and those whose file is gone."""
    _print(access(server, user_dir).act(session, "retry", skipped=skipped), json, "retried")


@app.command()
@reporting
def skip(
    session: SessionArgument,
    items: Annotated[str, typer.Argument(help="Numbers of images, from 0: 5,7-9.")],
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Leave images out that wait or failed."""
    _print(access(server, user_dir).act(session, "skip", items=items), json, "skipped_now")


@app.command()
@reporting
def extend(
    session: SessionArgument,
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    more: Annotated[
        int | None, typer.Option("--more", min=1, help="So many further images of the same template.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Every combination on further seeds: 1-4, 7,42, 20#1000.")] = "",
    json: JsonOption = False,
) -> None:
    """Add images to a session. For other values or themes: `sdgen generate FILE --extend SESSION`."""
    _print(access(server, user_dir).act(session, "extend", more=more or 0, seeds=seeds), json, "added")


@app.command()
@reporting
def shrink(
    session: SessionArgument,
    count: Annotated[int, typer.Argument(min=1, help="Images to keep planned.")],
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Plan only the first COUNT images; those that are made stay."""
    _print(access(server, user_dir).act(session, "shrink", count=count), json, "removed")


@app.command()
@reporting
def rename(
    session: SessionArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Give a session and its folder another name; its files keep theirs."""
    _print(access(server, user_dir).act(session, "rename", name=name), json)


@app.command()
@reporting
def move(
    session: SessionArgument,
    to: Annotated[
        str, typer.Argument(help="Last part of a folder of the setting session_folders; with --user-dir any folder.")
    ],
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Move a session's folder, also to another disk."""
    with working("moving the files"):
        status = access(server, user_dir).act(session, "move", to=to)
    _print(status, json)


@app.command()
@reporting
def rebuild(
    folder: Annotated[str, typer.Argument(help="Name of a session folder; with --user-dir its path.")],
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Make ledger and manifest anew from a session's folder: after a loss, or from another machine."""
    with working("reading the images"):
        status = access(server, user_dir).take_in(folder)
    _print(status, json)


@app.command()
@reporting
def watch(
    session: Annotated[
        str | None, typer.Argument(help="Id, name or folder name; all that are in line when left out.")
    ] = None,
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per change.")] = False,
) -> None:
    """Show the progress until nothing runs any more; Ctrl-C only ends the watching."""
    from .progress import follow

    sessions = access(server, user_dir)
    names = [session] if session else [s["id"] for s in sessions.list(None) if s["state"] in ACTIVE]
    if not names:
        print("no session runs", file=sys.stderr)
        return
    ended = follow(sessions, [sessions.show(name) for name in names], lines=json)
    if any(status["state"] != "completed" for status in ended):
        fail()


@app.command()
@reporting
def verify(
    session: SessionArgument,
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    hashes: Annotated[bool, typer.Option("--hashes", help="Read every file and compare its hash.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="First rebuild the manifest from what is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare files, manifest and ledger; exit code 1 when they do not agree."""
    with working("reading the files" if hashes else "looking at the files"):
        result = access(server, user_dir).act(session, "verify", hashes=hashes, repair=repair)
    report: dict[str, Any] = result["verify"]
    if json:
        print_json(result)
    else:
        session_table(result)
        for name, found in report.items():
            if found and isinstance(found, list):
                print(
                    f"{name.replace('_', ' ')}: {len(found)}: {', '.join(map(str, found[:10]))}{' …' if len(found) > 10 else ''}"
                )
        print("files, manifest and ledger agree" if report["ok"] else "they do not agree")
    if not report["ok"]:
        fail()


@app.command()
@reporting
def sheet(
    session: FolderArgument,
    x: Annotated[
        str, typer.Option("--x", help="Axis across: a placeholder, seed, theme, checkpoint or a parameter.")
    ] = "",
    y: Annotated[str, typer.Option("--y", help="Axis down.")] = "",
    fix: Annotated[list[str] | None, typer.Option("--fix", help="AXIS:VALUE for the others; repeatable.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write: .png, or .html for a page that pivots.")
    ] = None,
    size: Annotated[int, typer.Option("--size", min=16, max=2048, help="Pixels of a cell's longer side.")] = 256,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="Read the PNGs for parameters and checkpoint.")
    ] = False,
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Compare images: a sheet of any two axes, as a picture or as a page of its own."""
    from ..errors import SDGenError, shown
    from ..sessions.files import write_atomic
    from ..sessions.naming import safe_name
    from ..sessions.sheet import parse_fixed, png_bytes, read_sheet, sheet_image, sheet_page

    folder = _folder(session, server, user_dir)
    with working("reading the images"):
        found = read_sheet(folder, parameters=parameters)
        first = x or next(iter(found.axes), "seed")
        second = y or next((a for a in found.axes if a != first), first)
        target = out or folder / "sheets" / safe_name(f"{first}_{second}.png")  # apart from the session's own images
        if out is None:
            target.parent.mkdir(exist_ok=True)
        if target.suffix.lower() in (".html", ".htm"):
            write_atomic(target, sheet_page(found, x=first, y=second, size=size).encode("utf-8"))
        elif target.suffix.lower() == ".png":
            write_atomic(target, png_bytes(sheet_image(found, first, second, parse_fixed(fix or []), size=size)))
        else:
            raise SDGenError("bad-option", f"{shown(target)} is neither .png nor .html")
    if json:
        print_json({"file": str(target), "x": first, "y": second, "axes": {a: found.values[a] for a in found.axes}})
    else:
        print(f"{shown(target)}\naxes: {', '.join(f'{a} ({len(found.values[a])})' for a in found.axes)}")


@app.command()
@reporting
def annotate(
    session: FolderArgument,
    keys: Annotated[
        list[str] | None, typer.Option("--key", help="A placeholder to show; repeatable. All when left out.")
    ] = None,
    position: Annotated[
        str, typer.Option("--position", help="bottom-left, bottom-right, top-left, top-right.")
    ] = "bottom-left",
    font_size: Annotated[int, typer.Option("--font-size", min=4, max=500)] = 16,
    background_alpha: Annotated[int, typer.Option("--background-alpha", min=0, max=255)] = 180,
    text_color: Annotated[
        str, typer.Option("--text-color", help="white, black, red, green, blue or yellow.")
    ] = "white",
    server: ServerOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the values onto copies of the images: NAME_annotated.png beside NAME.png."""
    from ..errors import SDGenError, nearest_names
    from ..sessions.annotate import COLOURS, POSITIONS, Annotations, annotate_session

    for name, given, known in (("position", position, POSITIONS), ("text colour", text_color, list(COLOURS))):
        if given not in known:
            raise SDGenError("bad-option", f"{given!r} is no {name}", nearest=nearest_names(given, known))
    settings = Annotations(tuple(keys or ()), position, font_size, background_alpha, text_color)
    with working("drawing"):
        made, wrong = annotate_session(_folder(session, server, user_dir), settings)
    if json:
        print_json({"made": made, "broken": wrong})
    else:
        print(f"{made:,} copies")
        for message in wrong:
            print(message, file=sys.stderr)
    if wrong:
        fail()


def _folder(session: str, server: str | None, user_dir: Path | None) -> Path:
    """The folder of a session: a path as it is, else that of the session with this id or name."""
    folder = Path(session)
    return folder if folder.is_dir() else Path(access(server, user_dir).show(session)["folder"])


def _print(status: dict[str, Any], json: bool, figure: str | None = None) -> None:
    """A session after an action; ``figure`` is what the action counted."""
    if json:
        print_json(status)
        return
    session_table(status)
    if figure is not None:
        print(f"{figure.replace('_', ' ')}: {status[figure]:,}")
