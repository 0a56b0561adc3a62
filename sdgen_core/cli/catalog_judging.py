"""`sdgen catalog judge`, `undo`, `redo`, `empty-trash`, `sidecars`: what is said about images, and what follows from it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SDGenError
from .output import counted, fail, print_json, reporting, visible

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.sidecars import Sidecars
    from ..sessions.ledger import Ledger

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", help="Folder of the catalog's two databases; see `sdgen catalog status`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QueryArgument = Annotated[str, typer.Argument(help="Which images, as for `sdgen catalog find`.")]

sidecars = typer.Typer(no_args_is_help=True, help="Judgements as XMP files beside the images, for other programs.")


@reporting
def judge(
    query: Annotated[
        str | None, typer.Argument(help='Which images, as for `sdgen catalog find`; "" is all but the trash.')
    ] = None,
    session: Annotated[
        list[str] | None, typer.Option("--session", help="Judge these sessions by their ids, not images.")
    ] = None,
    field: Annotated[
        str,
        typer.Option(
            "--field",
            help="mark, rating, failed, note, tag/NAME or value/PLACEHOLDER; of a session favourite, rating, test, complete,"
            " note, name or tag/NAME.",
        ),
    ] = "mark",
    value: Annotated[
        str | None, typer.Option("--value", help='What to say, such as trash, 5, ko; "yes" of tags.')
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take back what was said.")] = False,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Say something about all images that a query finds, or about sessions, as one step that `sdgen catalog undo` takes back."""
    from .catalog import opened

    if clear == (value is not None):
        raise SDGenError("bad-judgement", "say either --value WORD or --clear")
    if (query is None) == (not session):
        raise SDGenError("bad-judgement", "say which: either a query for images or --session ID")
    remarks: tuple[str, ...] = ()
    with opened(catalog) as whole:
        if query is None:
            slugs = list(dict.fromkeys(session or ()))
            done, count = whole.judge_sessions(slugs, field, value), len(slugs)
        else:
            found, remarks = whole.find(query)
            done, count = whole.judge(found, field, value), len(found)
    if json:
        print_json({"label": done.label, "found": count, "changed": len(done.images), "remarks": remarks})
        return
    for remark in remarks:
        print(visible(f"note: {remark}"), file=sys.stderr)
    changed = "" if session else f", {counted(len(done.images), 'image')} changed"
    print(visible(f"{done.label}{changed}"))


@reporting
def undo(catalog: CatalogOption = None, json: JsonOption = False) -> None:
    """Take the last step of judging back."""
    _turn("undo", catalog, json)


@reporting
def redo(catalog: CatalogOption = None, json: JsonOption = False) -> None:
    """Do the step again that was taken back last."""
    _turn("redo", catalog, json)


def _turn(what: str, catalog: Path | None, json: bool) -> None:
    from .catalog import opened

    with opened(catalog) as whole:
        done = whole.undo() if what == "undo" else whole.redo()
    if json:
        print_json({"label": done and done.label, "changed": len(done.images) if done else 0})
    elif done is None:
        print(f"nothing to {what}")
    else:
        print(visible(f"{'taken back' if what == 'undo' else 'done again'}: {done.label}"))


@contextlib.contextmanager
def _ledger(catalog: Catalog, user_dir: Path | None) -> Iterator[Ledger | None]:
    """The ledger of the ComfyUI to whose user folder the catalog belongs, or of the one named."""
    from ..sessions.ledger import Ledger

    folders = [catalog.folder.parent] if user_dir is None else [user_dir / "sdgen", user_dir]
    path = next((folder / "ledger.db" for folder in folders if (folder / "ledger.db").is_file()), None)
    if path is None:
        yield None
        return
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


@reporting
def empty_trash(
    query: Annotated[str | None, typer.Argument(help="Only images in the trash that this finds; else all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    permanently: Annotated[
        bool, typer.Option("--permanently", help="Delete the files: not into the system's trash, no way back.")
    ] = False,
    user_dir: Annotated[
        Path | None, typer.Option("--user-dir", help="ComfyUI's user folder: sessions that run there are left alone.")
    ] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Move the files of images that are marked as trash into the system's trash; manifests, ledger and catalog say so.

    What is said about the images stays. A file taken out of the system's trash is found again by the next import. Exit code 1 when
    something could not be removed.
    """
    from ..catalog.trash import Trash
    from .catalog import opened

    with opened(catalog) as whole, _ledger(whole, user_dir) as ledger:
        roots = [Path(root) for (root,) in whole.index.store.rows("SELECT DISTINCT root FROM session")]
        trash = Trash(whole, lambda: roots, ledger)
        if not dry_run:
            trash.recover()
        found = trash.preview(query)
        if dry_run:
            _say_preview(found.to_dict(), json)
            return
        if not json:
            _say_preview(found.to_dict(), False)
        if not found.images:
            if json:
                print_json(trash.empty([]).to_dict())
            return
        where = "be deleted for good" if permanently else "go into the system's trash"
        if not yes and (json or not typer.confirm(f"{counted(found.images, 'image')} will {where}. Go on?")):
            raise SDGenError("not-removed", "nothing was removed", hint="Say --yes.")
        report = trash.empty(found.ids, permanently)
    if json:
        print_json(report.to_dict())
    else:
        print(f"{counted(len(report.removed), 'image')} removed, {counted(report.files, 'file')}")
        for refused in report.refused:
            print(visible(f"error[{refused.code}]: {refused.path}: {refused.reason}"), file=sys.stderr)
        for problem in report.problems:
            print(visible(f"warning: {problem}"), file=sys.stderr)
    if report.refused or report.problems:
        fail(1)


def _say_preview(found: dict[str, object], json: bool) -> None:
    if json:
        print_json(found)
        return
    sessions, refused = found["sessions"], found["refused"]
    assert isinstance(sessions, list) and isinstance(refused, list)
    for one in sessions:
        print(visible(f"{one['images']:>6,}  {one['bytes'] / 1e6:>9,.1f} MB  {one['name']}"))
    for one in refused:
        print(visible(f"stays: {one['path']}: {one['reason']}"), file=sys.stderr)
    if not sessions:
        print("the trash is empty")


@sidecars.command("write")
@reporting
def write_sidecars(
    query: QueryArgument = "",
    into: Annotated[
        Path | None, typer.Option("--into", help="Into a folder for each session in this one, not beside the images.")
    ] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Write NAME.png.xmp for each image about which something was said: rating (trash is -1), tags, note, verdicts.

    Only what has changed is written. In sidecars of other programs only these fields change, unless the program changed them itself.
    """
    from ..catalog import sidecars as work

    _sidecars(query, catalog, json, "written", lambda whole, ids: work.write_sidecars(whole, ids, into))


@sidecars.command("read")
@reporting
def read_sidecars(
    query: QueryArgument = "",
    folder: Annotated[
        Path | None, typer.Option("--from", help="From the folder that `write --into` was told, not beside the images.")
    ] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Take over ratings, tags and notes of sidecars that are newer than the catalog's own, as one step that can be undone."""
    from ..catalog import sidecars as work

    _sidecars(query, catalog, json, "taken over", lambda whole, ids: work.read_sidecars(whole, ids, folder))


def _sidecars(
    query: str, catalog: Path | None, json: bool, what: str, work: Callable[[Catalog, list[int]], Sidecars]
) -> None:
    """``work`` on what a query finds, trash included: it has a rating of its own there."""
    from ..catalog.query import parse
    from .catalog import opened

    with opened(catalog) as whole:
        found, _ = whole.snapshot.find(parse(query))
        done = work(whole, found.tolist())
    if json:
        print_json(vars(done))
    else:
        print(f"{done.changed:,} {what}, {done.unchanged:,} unchanged")
        for line in (*done.kept, *done.problems):
            print(visible(f"  {line}"), file=sys.stderr)
    if done.problems:
        fail(1)
