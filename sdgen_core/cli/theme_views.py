"""How themes look on a terminal: full, one line each, as a tree, in detail, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ..errors import SDGenError
from ..templates.seeds import is_hash
from ..templates.theme_folders import shown_path
from .output import styled

if TYPE_CHECKING:
    from ..templates import Value
    from ..templates.theme_checks import Verdict
    from ..templates.theme_fit import Fit
    from ..templates.theme_report import ThemeEntry, ThemeReport

_Rows = list[tuple[RenderableType, RenderableType]]
Fitted = Iterable[tuple["ThemeReport", "dict[str, Fit]"]]

_FIRST = 3  # values shown of an import

_ERROR = Text("error", "red")
_WARNING = Text("warning", "yellow")


def _console() -> Console:
    return Console(highlight=False)


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _headline(report: ThemeReport) -> Text:
    title = f"  {report.title}" if report.title not in ("", report.theme.name) else ""
    return styled((report.theme.name, "bold"), title, ("".join(f"  #{tag}" for tag in report.tags), "cyan"))


def _grid(rows: Iterable[tuple[RenderableType, RenderableType]]) -> Padding:
    """Labels and texts, two blanks in."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(label, value)
    return Padding(grid, (0, 0, 0, 2))


def _facts(report: ThemeReport) -> _Rows:
    rows: _Rows = []
    if report.description:
        rows.append(("", styled(report.description)))
    for label in ("period", "setting", "mood"):
        if getattr(report, label):
            rows.append((label, styled(getattr(report, label))))
    if report.styles:
        rows.append(("styles", styled(", ".join(report.styles))))
    if report.loras:
        rows.append(("lora", styled(", ".join(f"{lora.name} × {lora.strength:g}" for lora in report.loras))))
    if report.merge:
        rows.append(("merge", styled("keeps what templates import for other names")))
    return rows


def _errors(errors: Iterable[SDGenError]) -> _Rows:
    return [(_ERROR, styled(str(e), (f" [{e.code}]", "dim"))) for e in errors]


def _fit_text(fit: Fit) -> Text:
    text = Text()
    for word, names, style in (
        ("misses", fit.misses, "bold red"),
        ("cannot give", fit.broken, "bold red"),
        ("gives", fit.provides, ""),
        ("removes", fit.removes, "yellow"),
        ("keeps", fit.kept, "dim"),
        ("leaves unfilled", fit.as_text, "yellow"),
    ):
        if names:
            text.append_text(styled(" · " if text else "", (f"{word} {', '.join(names)}", style)))
    return text if text else styled("the template uses no placeholder")


def _fit_rows(fits: Mapping[str, Fit]) -> _Rows:
    """One row for each kind of fit, named by its styles."""
    alike: dict[Fit, list[str]] = {}
    for style, fit in fits.items():
        alike.setdefault(fit, []).append(style)
    every = len(alike) == 1 and len(fits) > 1
    return [(styled("every style" if every else "\n".join(s)), _fit_text(f)) for f, s in alike.items()]


def full(themes: Fitted) -> None:
    """Some lines a theme."""
    console = _console()
    total = 0
    for report, fits in themes:
        total += 1
        names = ", ".join(report.names)
        imports = f"{len(report.names)} with {_many(report.value_count, 'value')}" + (f": {names}" if names else "")
        console.print(_headline(report))
        rows = [*_facts(report), ("imports", styled(imports)), ("file", styled(report.theme.shown)), *_fit_rows(fits)]
        console.print(_grid([*rows, *_errors(report.errors)]))
    console.print(f"\n{_many(total, 'theme')}", style="dim")


def compact(themes: Fitted) -> None:
    """One line a theme."""
    table = Table("theme", "tags", "styles", "imports", "values", box=None, header_style="bold", pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for column in table.columns[:2]:
        column.no_wrap, column.overflow = True, "ellipsis"
    rows = list(themes)
    if any(fits for _, fits in rows) or any(report.errors for report, _ in rows):
        table.add_column("", no_wrap=True, overflow="ellipsis")
    for report, fits in rows:
        misses = list(dict.fromkeys(n for fit in fits.values() for n in (*fit.misses, *fit.broken)))
        if report.errors:
            state = styled((f"error {report.errors[0].code}", "red"))
        elif misses:
            state = styled((f"misses {', '.join(misses)}", "red"))
        else:
            state = styled("fits" if fits else "")
        cells = [styled(report.theme.name), styled((" ".join(report.tags), "cyan"))]
        cells += map(styled, (str(len(report.styles)), str(len(report.names)), f"{report.value_count:,}"))
        table.add_row(*cells, *([state] if len(table.columns) > 5 else []))
    _console().print(table)


def tree(themes: Fitted) -> None:
    """Themes, their styles, and what each style imports itself."""
    rows = list(themes)
    root = Tree(_many(len(rows), "theme"), guide_style="dim")
    for report, fits in rows:
        branch = root.add(_headline(report))
        for style in ("default", *report.styles):
            entries = [e for e in report.entries if (e.style or "default") == style]
            values = sum(len(e.values) for e in entries)
            count = sum(not e.removed for e in entries)
            node = branch.add(styled(f"{style}  ({_many(count, 'import')}, {_many(values, 'value')})"))
            for entry in entries:
                node.add(_leaf(entry))
            if style in fits:
                for name in fits[style].misses:
                    node.add(styled((f"{name}  missing", "bold red")))
        for error in report.problems:
            branch.add(styled((f"error: {error} [{error.code}]", "red")))
    _console().print(root)


def _leaf(entry: ThemeEntry) -> Text:
    if entry.removed:
        return styled((f"{entry.name}  removed", "yellow"))
    if entry.problem is not None:
        return styled((f"{entry.name}  {entry.problem.message}", "red"))
    what = "chunk" if entry.chunks else _many(len(entry.values), "value")
    return styled(entry.name, (f"  {what}  {', '.join(p.name for p in entry.files)}", "dim"))


def details(report: ThemeReport, style: str | None, fits: Mapping[str, Fit]) -> None:
    """A theme with its imports and their first values."""
    console = _console()
    console.print(_headline(report))
    places: _Rows = [("file", styled(report.theme.shown))]
    if not report.theme.implicit and report.base != report.theme.path.parent:
        places.append(("paths from", styled(shown_path(report.base))))
    console.print(_grid([*_facts(report), *places, *_fit_rows(fits)]))
    entries = list(report.effective(style).values()) if style else report.entries
    for entry in entries:
        _import(console, entry)
    ends = [*_errors(report.errors), *((_WARNING, styled(w)) for w in report.warnings)]
    if ends:
        console.print()
        console.print(_grid(ends))


def _import(console: Console, entry: ThemeEntry) -> None:
    """One import: its name, count and files, and its first values below."""
    files = ", ".join(shown_path(p) for p in entry.files) or entry.written
    if entry.removed:
        rest = ("  removed: becomes empty text", "yellow")
    elif entry.problem is not None:
        rest = (f"  {entry.problem.message}", "red")
    else:
        what = "a chunk" if entry.chunks else _many(len(entry.values), "value")
        rest = (f"  {what}  {files}", "dim")
    console.print(styled("\n", (entry.name, "bold"), (f".{entry.style}" if entry.style else "", "cyan"), rest))
    if not entry.values:
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, max_width=30)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for key, value in islice(entry.values.items(), _FIRST):
        grid.add_row(styled("" if is_hash(key) else key), _one_line(value))
    if len(entry.values) > _FIRST:
        grid.add_row("…", "")
    console.print(Padding(grid, (0, 0, 0, 2)))


def _one_line(value: Value) -> Text:
    """A value as one line; of several parts the main one, and the names of the others."""
    if isinstance(value, str):
        return styled(" ".join(value.split()))
    main = "main" if "main" in value else min(value, default="")
    others = ", ".join(part for part in value if part != main)
    return styled(" ".join(value.get(main, "").split()), (f"  + {others}" if others else "", "dim"))


def verdicts(found: Iterable[Verdict]) -> None:
    """What a check found, theme by theme."""
    console = _console()
    errors = warnings = total = 0
    for verdict in found:
        report = verdict.report
        total += 1
        errors, warnings = errors + len(verdict.errors), warnings + len(verdict.warnings)
        state = ("ok", "green") if not verdict.errors else (_many(len(verdict.errors), "error"), "bold red")
        styles = f", {_many(len(report.styles), 'style')}" if report.styles else ""
        counts = f"  {_many(len(report.names), 'import')}, {_many(report.value_count, 'value')}{styles}"
        console.print(styled((report.theme.name, "bold"), "  ", state, (counts, "dim")))
        rows: _Rows = []
        for error in verdict.errors:
            rows.append((_ERROR, styled(str(error), (f" [{error.code}]\n{error.hint}", "dim"))))
        rows += [(_WARNING, styled(w)) for w in verdict.warnings]
        if rows:
            console.print(_grid(rows))
    console.print(f"{_many(total, 'theme')}, {_many(errors, 'error')}, {_many(warnings, 'warning')}", style="dim")
