"""`sdgen themes list | show | validate | create`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
from .listing import UserDirOption, folders_of
from .output import fail, print_json, reporting, working

if TYPE_CHECKING:
    from ..templates.theme_fit import Fit, Needs
    from ..templates.theme_folders import FoundTheme
    from ..templates.theme_report import ThemeReport

app = typer.Typer(no_args_is_help=True, help="Find, check and create themes.")

FoldersArgument = Annotated[
    list[Path] | None, typer.Argument(help="Folders to look in; the current one when none is named.")
]
TemplateOption = Annotated[
    Path | None, typer.Option("--template", help="A prompt file: only its themes, and what they give it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
@reporting
def list_themes(
    folders: FoldersArgument = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only themes with this tag; with several: all.")
    ] = None,
    template: TemplateOption = None,
    compact: Annotated[bool, typer.Option("--compact", help="One line a theme.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="Themes, their styles, their imports.")] = False,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """The themes below folders, or those of one template."""
    if compact and tree:
        raise typer.BadParameter("--compact and --tree exclude each other")
    from ..templates.theme_fit import fits
    from ..templates.theme_report import report

    with working("reading themes"):
        needs = _needs(template)
        reports = [r for r in map(report, _themes(folders, user_dir, needs)) if r.has_tags(tag or ())]
        fitted = [(r, fits(r, needs, r.styles) if needs else {}) for r in reports]
    if json:
        rows = [{**r.to_json(), **_fits_json(f)} for r, f in fitted]
        print_json({"themes": rows, **({"template": needs.name} if needs else {})})
        return
    from . import theme_views

    if not reports:
        print(_nothing(tag, needs))
    elif compact:
        theme_views.compact(fitted)
    elif tree:
        theme_views.tree(fitted)
    else:
        theme_views.full(fitted)


@app.command()
@reporting
def show(
    name: Annotated[str, typer.Argument(help="A theme's name, its folder or its theme.yaml.")],
    folders: FoldersArgument = None,
    style: Annotated[str | None, typer.Option("--style", "-s", help="What acts in this style only.")] = None,
    template: TemplateOption = None,
    user_dir: UserDirOption = None,
    json: JsonOption = False,
) -> None:
    """Everything about a theme: imports, files, first values, styles, problems."""
    from ..templates.theme_fit import fits
    from ..templates.theme_report import report

    with working("reading themes"):
        needs = _needs(template)
        found = _chosen([name], folders, user_dir, needs)
        reports = [report(t) for t in found]
        for one in reports:
            _check_style(one, style)
        fitted = [(r, fits(r, needs, (style,) if style else r.styles) if needs else {}) for r in reports]
    if json:
        print_json({"themes": [{**r.to_json(5, style), **_fits_json(f)} for r, f in fitted]})
        return
    from . import theme_views

    for one, fit in fitted:
        theme_views.details(one, style, fit)


@app.command()
@reporting
def validate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|PATH]...",
            help="Themes, or folders of themes; all of the current folder's when none is named.",
        ),
    ] = None,
    template: TemplateOption = None,
    json: JsonOption = False,
) -> None:
    """Check themes before they are used; exit code 1 when one has errors."""
    from ..templates.theme_checks import check_theme
    from ..templates.theme_report import report

    with working("checking themes"):
        needs = _needs(template)
        found = _chosen(names, None, None, needs) if names else _themes(None, None, needs)
        verdicts = [check_theme(report(t), needs) for t in found]
    errors = sum(len(v.errors) for v in verdicts)
    warnings = sum(len(v.warnings) for v in verdicts)
    if json:
        print_json({"themes": [v.to_json() for v in verdicts], "errors": errors, "warnings": warnings})
    elif not verdicts:
        print(_nothing(None, needs))
    else:
        from . import theme_views

        theme_views.verdicts(verdicts)
    if errors:
        fail()


@app.command()
@reporting
def create(
    name: Annotated[str, typer.Argument(help="The theme's name, which is its folder's too.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to make it; else where the template looks, else ./themes.")
    ] = None,
    style: Annotated[list[str] | None, typer.Option("--style", help="A style; may be given several times.")] = None,
    placeholder: Annotated[
        list[str] | None, typer.Option("--placeholder", help="A placeholder to give values to; several times.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option("--template", help="A prompt file: its placeholders, with the values they have now.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a new theme that works at once, with comments that explain it. Nothing is overwritten."""
    from ..templates.theme_folders import shown_path
    from ..templates.theme_scaffold import create_theme

    needs = _needs(template)
    if folder is None:
        folder = (
            next((f for f in needs.searched if f.is_dir()), needs.path.parent / "themes") if needs else Path("themes")
        )
    files = create_theme(name, folder, placeholders=placeholder or (), styles=style or (), needs=needs)
    if json:
        print_json({"name": name, "files": [shown_path(f) for f in files]})
        return
    for file in files:
        print(f"made {shown_path(file)}")
    place = _quoted(shown_path(folder / name))
    print("\nWrite your own texts, then:")
    print(f"  sdgen themes validate {place}" + (f" --template {_quoted(shown(template))}" if template else ""))
    use = f"--theme-file {_quoted(shown_path(files[0]))}"
    if template is not None:
        after = _needs(template)
        if after and any(t.name == name and t.path.samefile(files[0]) for t in after.themes):
            use = f"--theme {name}"
    extra = f" --style {style[0]}" if style else ""
    print(f"  sdgen expand {_quoted(shown(template)) if template else 'YOUR.prompt.yaml'} {use}{extra}")


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _needs(template: Path | None) -> Needs | None:
    if template is None:
        return None
    from ..templates.theme_fit import needs_of

    return needs_of(template)


def _themes(folders: list[Path] | None, user_dir: Path | None, needs: Needs | None) -> list[FoundTheme]:
    from ..templates.theme_folders import walk

    if needs is None:
        return walk(folders_of(folders, user_dir)).themes
    if not folders:
        return list(needs.themes)
    tops = [f.resolve() for f in folders]
    return [t for t in needs.themes if any(top in t.path.resolve().parents for top in tops)]


def _chosen(
    names: list[str], folders: list[Path] | None, user_dir: Path | None, needs: Needs | None
) -> list[FoundTheme]:
    """Themes by name or path; a folder that is no theme stands for the themes below it."""
    from ..templates.theme_folders import named, theme_at, walk

    out: list[FoundTheme] = []
    known: list[FoundTheme] | None = None
    for name in names:
        path = Path(name)
        theme = theme_at(path) if needs is None or path.exists() else None
        if theme is not None and needs is not None:
            theme = next((t for t in needs.themes if t.path == theme.path), theme)
        if theme is not None:
            out.append(theme)
        elif path.is_dir() and (below := walk([path]).themes):
            out += below
        else:
            if known is None:  # a theme that the template does not find can be judged against it all the same
                known = [*(needs.themes if needs else ()), *walk(folders_of(folders, user_dir)).themes]
            hits = named(name, known)
            out += hits[:1] if needs is not None and hits[0] in needs.themes else hits
    return list({theme.path: theme for theme in out}.values())


def _check_style(report: ThemeReport, style: str | None) -> None:
    from ..errors import nearest_names

    if style and style != "default" and style not in report.styles:
        listed = ", ".join(report.styles) or "none"
        raise SDGenError(
            "bad-option",
            f"the theme {report.theme.name!r} has no style {style!r} (styles: {listed})",
            nearest=nearest_names(style, report.styles),
        )


def _fits_json(fits: dict[str, Fit]) -> dict[str, Any]:
    return {"fits": {style: fit.to_json() for style, fit in fits.items()}} if fits else {}


def _nothing(tags: list[str] | None, needs: Needs | None) -> str:
    if needs is not None and not needs.themes:
        return (
            f"the template {needs.name!r} finds no themes: it has no themes: block, or there are none where that looks"
        )
    if tags:
        return f"no theme has the tag {' and the tag '.join(tags)}"
    return "no themes here; `sdgen themes create NAME` makes one"
