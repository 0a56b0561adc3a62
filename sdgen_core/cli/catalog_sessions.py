"""`sdgen catalog sessions`, `session`: the list of sessions, and all about one."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from .output import counted, print_json, print_table, reporting, visible

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", help="Folder of the catalog's two databases; see `sdgen catalog status`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Rating(str, Enum):
    """``sessions.Rating``."""

    like = "like"
    dislike = "dislike"
    none = "none"


class Complete(str, Enum):
    """``sessions.Complete``."""

    yes = "yes"
    no = "no"
    none = "none"


def _names(what: str) -> Any:
    return typer.Option(f"--{what}", help=f'Only of this {what}; "" is none. Several: one of them.')


@reporting
def sessions(
    text: Annotated[
        str,
        typer.Argument(help="Words, or beginnings of words, of name, note, template, theme or tags."),
    ] = "",
    date: Annotated[str | None, typer.Option("--date", help="Day, month, year, from..to, today, 7d.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="With this tag; several: with all of them.")] = None,
    no_tag: Annotated[list[str] | None, typer.Option("--no-tag", help="Without this tag.")] = None,
    theme: Annotated[list[str] | None, _names("theme")] = None,
    style: Annotated[list[str] | None, _names("style")] = None,
    template: Annotated[list[str] | None, _names("template")] = None,
    model: Annotated[list[str] | None, _names("model")] = None,
    sampler: Annotated[list[str] | None, _names("sampler")] = None,
    status: Annotated[list[str] | None, _names("status")] = None,
    rating: Annotated[list[Rating] | None, typer.Option("--rating", help="Only with this rating.")] = None,
    complete: Annotated[list[Complete] | None, typer.Option("--complete", help="Only marked so.")] = None,
    favourite: Annotated[
        bool | None, typer.Option("--favourite/--no-favourite", help="Only favourites, or no.")
    ] = None,
    test: Annotated[bool | None, typer.Option("--test/--no-test", help="Only tests, or none.")] = None,
    sweep: Annotated[bool | None, typer.Option("--sweep/--no-sweep", help="Only seed sweeps, or none.")] = None,
    problems: Annotated[
        bool | None, typer.Option("--problems/--no-problems", help="Only with something unreadable, or without.")
    ] = None,
    missing: Annotated[
        bool | None, typer.Option("--missing/--no-missing", help="Only with folder or files gone, or without.")
    ] = None,
    images_min: Annotated[int | None, typer.Option("--images-min", min=0, help="At least so many images.")] = None,
    images_max: Annotated[int | None, typer.Option("--images-max", min=0, help="At most so many images.")] = None,
    sort: Annotated[str, typer.Option("--sort", help="Column to sort by; - before it turns it round.")] = "-started",
    after: Annotated[str | None, typer.Option("--after", help="Go on behind the session with this id.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many sessions.")] = 100,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """The sessions of the catalog with their counters, the newest first."""
    from ..catalog.sessions import SessionQuery, list_sessions
    from .catalog import opened

    lists = {"tags": tag, "no_tags": no_tag, "theme": theme, "style": style, "template": template, "model": model}
    lists |= {"sampler": sampler, "status": status}
    query = SessionQuery(
        text=text,
        date=date,
        favourite=favourite,
        test=test,
        sweep=sweep,
        problems=problems,
        missing=missing,
        images_min=images_min,
        images_max=images_max,
        sort=sort,
        after=after,
        limit=limit,
        rating=tuple(one.value for one in rating or ()),
        complete=tuple(one.value for one in complete or ()),
        **{name: tuple(names or ()) for name, names in lists.items()},
    )
    with opened(catalog) as whole:
        page = list_sessions(whole, query)
    if json:
        print_json(page.to_dict())
        return
    rows = [
        [
            card.slug,
            card.name,
            _day(card.started),
            card.status,
            f"{card.images:,}",
            "-" if card.completion is None else f"{100 * card.completion:.0f} %",
            card.favourites,
            card.judged,
            card.rating or "",
            ", ".join(card.tags),
        ]
        for card in page.sessions
    ]
    headings = ["id", "name", "started", "status", "images", "complete", "favourites", "judged", "rating", "tags"]
    print_table(headings, [[visible(str(cell)).replace("[", r"\[") for cell in row] for row in rows])
    print(f"{counted(page.total, 'session')}" + (f", go on with --after {page.next}" if page.next else ""))


@reporting
def session(
    slug: Annotated[str, typer.Argument(help="Id of a session, as `sdgen catalog sessions` lists it.")],
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """All about one session: values with their counts, seeds, gaps, what is wrong with it."""
    from ..catalog.session_facts import session_facts
    from .catalog import opened

    with opened(catalog) as whole:
        facts = session_facts(whole, slug)
    if json:
        print_json(facts.to_dict())
        return
    card = facts.card
    planned = "" if card.planned is None else f" of {card.planned:,} planned"
    gone = [f"{n:,} {what}" for n, what in ((card.removed, "removed"), (card.missing, "missing")) if n]
    lines: list[tuple[str, Any]] = [
        ("session", f"{card.name}  [{card.slug}]"),
        ("folder", facts.folder + ("  (gone)" if card.folder_missing else "")),
        ("started", _day(card.started)),
        ("status", card.status),
        ("images", ", ".join([f"{card.images:,}{planned}", *gone])),
        ("gaps", ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in facts.gaps[:20]) + _more(facts.gap_count, 20)),
        ("seeds", "" if card.seeds is None else f"{facts.seed_count:,} from {card.seeds[0]} to {card.seeds[1]}"),
        ("models", _counts(facts.models)),
        ("samplers", _counts(facts.samplers)),
        ("theme", card.theme),
        ("tags", ", ".join(card.tags)),
        ("note", card.note),
        *(("problem", problem) for problem in facts.problems),
        *(("missing", file) for file in facts.missing_files[:20]),
    ]
    for name, value in lines:
        if value:
            print(f"{name:<9} {visible(str(value))}")
    for placeholder in facts.placeholders:
        available = "" if placeholder.available is None else f" ({placeholder.used} of {placeholder.available} values)"
        print(visible(f"{placeholder.name}{available}"))
        for value in placeholder.values[:20]:
            said = ", ".join(f"{verdict} {n:,}" for verdict, n in value.verdicts.items() if n)
            text = value.text.replace("\n", " ")
            print(visible(f"  {value.images:>5,}  {text[:60]}" + (f"  [{said}]" if said else "")))
        if len(placeholder.values) > 20:
            print(f"  … {len(placeholder.values) - 20:,} more")


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name or 'unknown'} {n:,}" for name, n in list(counts.items())[:20])


def _more(count: int, shown: int) -> str:
    return f" … {count - shown:,} more" if count > shown else ""
