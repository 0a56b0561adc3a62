"""`sdgen catalog find`, `export`, `merge`: what is in the catalog, and judgements as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .output import counted, fail, print_json, print_table, reporting, visible

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", help="Folder of the catalog's two databases; see `sdgen catalog status`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@reporting
def find(
    query: Annotated[
        str,
        typer.Argument(
            help='Such as "Hair:Red,Blue -Coat:Trench is:favourite model:dream* smil -blurry date:7d sort:-rating"; nothing:'
            " all. Trash and files that are gone are left out unless the query speaks of them."
        ),
    ] = "",
    fields: Annotated[bool, typer.Option("--fields", help="List what a query can ask for, and the sort keys.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many images; 0: all.")] = 0,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """The files of the images that a query finds, one a line, in its order."""
    from ..catalog.details import details
    from ..catalog.query import FIELDS, SORTS
    from .catalog import opened

    if fields:
        known = [{"field": spec.name, "meaning": spec.doc, "example": spec.example} for spec in FIELDS.values()]
        if json:
            print_json({"fields": known, "sort": SORTS})
        else:
            print_table(["field", "what it asks for", "example"], [list(row.values()) for row in known])
            print(f"sort: {', '.join(SORTS)}, value:NAME, score:NAME, random:NUMBER; - before one turns it round")
        return
    with opened(catalog) as whole:
        found, remarks = whole.find(query)
        images = details(whole.index.store, found[:limit] if limit else found)
    if json:
        print_json({"query": query, "found": len(found), "remarks": remarks, "images": images})
        return
    for remark in remarks:
        print(visible(f"note: {remark}"), file=sys.stderr)
    for image in images:
        print(visible(image["path"]))


@reporting
def export(
    file: Annotated[Path, typer.Argument(help="File of JSON lines to write; one that is there is replaced.")],
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Write every judgement (marks, verdicts, tags, notes, ratings, saved queries) into a file, to keep or for another machine."""
    from .catalog import opened

    with opened(catalog) as whole:
        lines = whole.export_judgements(file)
    if json:
        print_json({"file": str(file), "judgements": lines})
    else:
        print(f"{counted(lines, 'judgement')} in {visible(str(file))}")


@reporting
def merge(
    file: Annotated[Path, typer.Argument(help="A file that `sdgen catalog export` wrote.")],
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Take over the judgements of a file that are newer than the catalog's own. Exit code 1 when lines of it cannot be used."""
    from .catalog import opened

    with opened(catalog) as whole:
        done = whole.import_judgements(file)
    if json:
        print_json({"file": str(file), "lines": done.lines, "newer": done.newer, "problems": done.problems})
    else:
        print(f"{counted(done.newer, 'judgement')} of {done.lines:,} taken over")
        for problem in done.problems:
            print(visible(f"  {problem}"), file=sys.stderr)
    if done.problems:
        fail(1)
