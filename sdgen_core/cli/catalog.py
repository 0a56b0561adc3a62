"""`sdgen catalog …`: bring folders of images into the catalog, and check it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
from .catalog_find import export, find, merge
from .catalog_judging import empty_trash, judge, redo, sidecars, undo
from .catalog_sessions import session, sessions
from .output import counted, fail, print_error, print_event, print_json, progress_events, reporting, visible
from .stats import stats

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.scan.report import Progress, Report

app = typer.Typer(no_args_is_help=True, help="The catalog of all sessions and images.")
app.command(context_settings={"ignore_unknown_options": True})(find)  # a clause may begin with a minus
app.command()(stats)
app.command()(export)
app.command()(merge)
app.command()(sessions)
app.command()(session)
app.command(context_settings={"ignore_unknown_options": True})(judge)
app.command()(undo)
app.command()(redo)
app.command()(empty_trash)
app.add_typer(sidecars, name="sidecars")

CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help="Folder of the catalog's two databases: that of ComfyUI's panel is sdgen/catalog in ComfyUI's user folder."
        " Else one among your own application data.",
    ),
]


@contextlib.contextmanager
def opened(folder: Path | None) -> Iterator[Catalog]:
    """A catalog, which is made if there is none; what was repaired at opening is said."""
    from ..catalog.catalog import Catalog
    from ..catalog.scan.importer import default_catalog
    from ..catalog.store import Damaged

    catalog = Catalog(folder or default_catalog())
    try:
        for said in catalog.remarks:
            print(f"warning: {said}", file=sys.stderr)
        yield catalog
    except Damaged as error:
        hint = "Delete index.db and import again: it is made of what the folders say; judgements are in user.db."
        raise SDGenError(
            "catalog-damaged", f"{shown(catalog.folder)}: index.db is damaged: {error}", hint=hint
        ) from error
    finally:
        catalog.close()


@app.command("import")
@reporting
def import_folders(
    roots: Annotated[
        list[Path], typer.Argument(help="Folders with sessions in them, at any depth.", metavar="ROOT...")
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking for changes every 2 seconds, until Ctrl+C.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--every", help="Look at every image's size and time: sees images overwritten in place.")
    ] = False,
    predecessor_db: Annotated[
        Path | None,
        typer.Option(
            "--predecessor-db",
            help="The predecessor's sessions.db with favourites, ratings, tags and notes; else metadata/sessions.db"
            " beside a root, if there is one.",
        ),
    ] = None,
    catalog: CatalogOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for every step.")] = False,
) -> None:
    """Find sessions and images below folders and read what is new or has changed there.

    Any version's manifests are read, and images without any. Nothing in the folders is changed. An import that was interrupted goes
    on where it was. Exit code 1 when something could not be read.
    """
    from ..catalog.scan.importer import Importer
    from ..catalog.scan.predecessor_db import find_databases, import_judgements

    errors = 0
    with opened(catalog) as whole:
        index = whole.index
        with _shown(json) as tell:
            report = Importer(index, progress=tell).run(roots, every=every)
        errors += _say(report, json)
        for path in [predecessor_db] if predecessor_db else find_databases(roots):
            done = import_judgements(index, path)
            changes = len(done.step.events) if done.step else 0
            if json:
                found = {"sessions": done.sessions, "changes": changes, "problems": done.problems}
                print_event("judgements", {"file": str(path), **found})
            else:
                print(f"{counted(changes, 'judgement')} of {counted(done.sessions, 'session')} from {path}")
                for problem in done.problems:
                    print(visible(f"  {problem}"), file=sys.stderr)
        if watch:
            _watch(Importer(index), roots, json)
    if errors:
        fail(1)


def _watch(importer: Any, roots: list[Path], json: bool) -> None:
    from ..catalog.scan.watch import PERIOD, Watch

    watch = Watch(importer, roots)
    if not json:
        print("watching; Ctrl+C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(PERIOD)
            try:
                for report in watch.look():
                    _say(report, json)
            except SDGenError as error:
                if error.code != "catalog-locked":  # another import; the next look finds what this one did not
                    raise
                print_error(error)


@contextlib.contextmanager
def _shown(json: bool) -> Iterator[Callable[[Progress], None]]:
    """What shows the progress: lines of JSON, a bar on a terminal, or nothing."""
    if json:
        yield progress_events(lambda progress: progress.to_dict())
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("sessions", total=None, more="")

        def show(progress: Any) -> None:
            more = f"{counted(progress.images, 'image')} · {progress.rate:,.0f} a second"
            bar.update(task, total=progress.total, completed=progress.sessions, more=more)

        yield show


def _say(report: Report, json: bool) -> int:
    """Tell what an import did; gives the number of its errors."""
    if json:
        print_event("done", report.to_dict())
        return len(report.errors)
    done = report.progress
    print(
        f"{counted(done.sessions, 'session')} read, {done.unchanged:,} unchanged, {report.missing:,} gone; "
        f"{counted(done.images, 'image')}, {done.written:,} new or changed, {done.rate:,.0f} a second"
    )
    for error in report.errors:
        print(visible(f"error[{error['code']}]: {error['message']}"), file=sys.stderr)
    return len(report.errors)


@app.command()
@reporting
def status(
    catalog: CatalogOption = None, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """What is in the catalog, in numbers."""
    from ..catalog.check import status as numbers

    with opened(catalog) as whole:
        found = numbers(whole.index)
    if json:
        print_json(found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        lines = [f"{value:,}"] if isinstance(value, int) else value if isinstance(value, list) else [value]
        print(f"{name.replace('_', ' '):<{width}}  {visible(', '.join(lines))}")


@app.command()
@reporting
def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is wrong.")] = False,
    catalog: CatalogOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count everything anew and compare; the search table too. Exit code 1 when something is wrong and stays so."""
    from ..catalog.check import verify as check

    with opened(catalog) as whole:
        found = check(whole.index, repair=repair)
        left = check(whole.index, repair=False) if repair and found else found
    if json:
        print_json({"problems": found, "repaired": repair, "left": left})
    else:
        for problem in found:
            print(visible(problem))
        print("nothing is wrong" if not found else "repaired" if not left else f"{counted(len(left), 'problem')} left")
    if left:
        fail(1)
