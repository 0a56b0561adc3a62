"""``sdgen migrate``: files of earlier versions become current ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SDGenError, shown
from .output import fail, print_json, reporting

if TYPE_CHECKING:
    from ..templates.migrate import Plan

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@reporting
def migrate(
    path: Annotated[
        Path, typer.Argument(help="A config (.json), a value list (.txt), a YAML draft, or a folder of them.")
    ],
    write: Annotated[bool, typer.Option("--write", help="Write the files; what changes is kept as NAME.bak.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how old files would become current ones, or (--write) make them so.

    New files are written beside the old ones, which stay. Exit code 0 when everything was carried over, 1 when something
    needs a hand.
    """
    from ..templates.migrate import migrate as plan_migration

    plan = plan_migration(path)
    if not json and not write:
        _print_diffs(plan)
    if write:
        plan.write()
    if json:
        print_json({"written": write, **plan.to_dict()})
    else:
        _print_report(plan, path, write)
    if plan.problems:
        fail()


def _print_diffs(plan: Plan) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for change in plan.changes:
        for line in change.diff().splitlines():
            style = "bold" if line.startswith(("---", "+++")) else _COLOURS.get(line[:1], "")
            console.print(Text(line, style))
        console.print()


def _print_report(plan: Plan, path: Path, written: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def say(style: str, head: str, text: str = "") -> None:
        console.print(Text.assemble((head, style), text))

    for change in plan.changes if written else ():
        origin = f" from {shown(change.source)}" if change.source else f" (before: {shown(change.backup or '')})"
        say("green", "written ", f"{shown(change.path)}{origin}")
    for remark in plan.remarks:
        say("yellow", "note ", remark)
    for problem in plan.problems:
        say("red", "by hand ", _told(problem))
    new = sum(c.old is None for c in plan.changes)
    edited = len(plan.changes) - new
    if not plan.changes:
        summary = f"nothing to migrate in {shown(path)} ({_count(plan.looked_at, 'file')} looked at)"
    elif written:
        summary = f"{_count(new, 'new file')}, {_count(edited, 'file')} changed"
    else:
        summary = f"{_count(new, 'new file')}, {_count(edited, 'file')} to change; nothing is written without --write"
    if plan.problems:
        summary += f"; {_count(len(plan.problems), 'thing')} to do by hand"
    say("bold", summary)


def _told(problem: SDGenError) -> str:
    return f"{problem} [{problem.code}]\n        {problem.hint}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
