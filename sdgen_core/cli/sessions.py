"""`sdgen sessions list | show | pause | resume | retry | verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .connection import access
from .output import fail, print_json, print_table, reporting, session_row, session_table, working

app = typer.Typer(no_args_is_help=True, help="Look at sessions and steer them.")

ServerOption = Annotated[
    str | None, typer.Option("--server", help="Address of ComfyUI, else SDGEN_SERVER, else port 8188 here.")
]
UserDirOption = Annotated[
    Path | None, typer.Option("--user-dir", help="ComfyUI's user folder: works without a running ComfyUI.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionArgument = Annotated[str, typer.Argument(help="Id, name or folder name of a session.")]
StateOption = Annotated[
    str | None, typer.Option("--state", help="Only running, paused, completed, failed or stopped ones.")
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
    """Stop making images; nothing is lost."""
    _act(session, "pause", server, user_dir, json)


@app.command()
@reporting
def resume(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """Go on with what is left."""
    _act(session, "resume", server, user_dir, json)


@app.command()
@reporting
def retry(
    session: SessionArgument, server: ServerOption = None, user_dir: UserDirOption = None, json: JsonOption = False
) -> None:
    """Make the failed images again."""
    _act(session, "retry", server, user_dir, json)


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
        result = access(server, user_dir).verify(session, hashes, repair)
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


def _act(session: str, action: str, server: str | None, user_dir: Path | None, json: bool) -> None:
    status = access(server, user_dir).act(session, action)
    if json:
        print_json(status)
    else:
        session_table(status)
