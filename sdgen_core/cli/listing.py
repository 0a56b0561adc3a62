"""`sdgen list`: the prompts that can be run, what they would make, and which are broken."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import Place, SDGenError, shown
from .output import print_json, reporting, styled, track

if TYPE_CHECKING:
    from rich.text import Text

    from ..templates import ResolvedTemplate
    from ..templates.theme_fit import Known

UserDirOption = Annotated[
    Path | None, typer.Option("--user-dir", help="ComfyUI's user folder: look in the template folders of its settings.")
]

PACK = Path(__file__).resolve().parents[2]


@reporting
def list_prompts(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders to look in; the current one when none is named.")
    ] = None,
    user_dir: UserDirOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The prompts that can be run, with what they would make; broken ones with their error."""
    from ..templates.theme_folders import walk

    prompts = walk(folders_of(folders, user_dir)).prompts
    known: Known = {}
    rows = [describe(path, known) for path in track(prompts, "reading prompts")]
    if json:
        print_json({"prompts": rows})
    elif rows:
        _print(rows)
    else:
        print("no prompts here (*.prompt.yaml)")


def folders_of(folders: list[Path] | None, user_dir: Path | None) -> list[Path]:
    """Where to look: the folders named, those of a ComfyUI's settings, else the current one."""
    out = list(folders or ())
    if user_dir is not None:
        from ..comfy.settings import Settings

        own = user_dir / "sdgen" if (user_dir / "sdgen").is_dir() else user_dir
        if not own.is_dir():
            raise SDGenError(
                "missing-file", f"there is no folder {shown(user_dir)}", hint="Name ComfyUI's user folder."
            )
        roots = Settings.load(own / "settings.json").template_roots(own, PACK)
        out += [root for root in roots.values() if root.is_dir()]
    return out if folders or user_dir else [Path()]


def describe(path: Path, known: Known) -> dict[str, Any]:
    """A prompt as ``--json`` prints it. A broken one has an ``error``; ``with_theme`` names the theme it cannot do without.
    ``known`` keeps what was found for the next one.
    """
    from ..sessions.plan import Plan
    from ..templates.theme_fit import needs_of
    from ..templates.theme_folders import shown_path

    row: dict[str, Any] = {"name": None, "path": shown_path(path)}
    try:
        needs = needs_of(Path(row["path"]), known)
        row |= {"name": needs.name, "themes": [t.name for t in needs.themes]}
        resolved = _load(Path(row["path"]), row["themes"])
        summary = Plan.build(resolved).summary()
    except SDGenError as error:
        return {**row, "error": error.to_dict()}
    numbers = {name: summary[name] for name in ("mode", "combinations", "images")}
    placeholders = [{k: p[k] for k in ("name", "available", "selected")} for p in summary["placeholders"]]
    return {**row, "placeholders": placeholders, **numbers, "with_theme": resolved.theme}


def _load(path: Path, themes: list[str]) -> ResolvedTemplate:
    """The prompt without a theme, or with the first that makes it whole: some placeholders have values in themes only."""
    from ..templates import Options, load_template

    try:
        return load_template(path)
    except SDGenError as error:
        if error.code == "unresolved-placeholder":
            for theme in themes:
                with suppress(SDGenError):
                    return load_template(path, Options(theme=theme))
        raise


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    for row in rows:
        headline = styled((row["name"] or "", "bold"), "  " if row["name"] else "", (row["path"], "dim"))
        headline.overflow = "fold"
        console.print(headline)
        text = _error_line(row) if "error" in row else _numbers(row)
        if "error" in row:
            text.truncate(console.width - 2, overflow="ellipsis")
        console.print(Padding(text, (0, 0, 0, 2)))
    broken = sum("error" in row for row in rows)
    console.print(f"{len(rows):,} prompts" + (f", {broken:,} of them broken" if broken else ""), style="dim")


def _numbers(row: dict[str, Any]) -> Text:
    images, combinations = row["images"], row["combinations"]
    of = ""
    if combinations != images:
        number = f"{combinations:,}" if combinations < 10**12 else f"{combinations:.1e}"
        of = f" of {number} combination" + ("s" if combinations != 1 else "")
    choices = [
        f"{p['name']} {p['selected']:,}" + (f"/{p['available']:,}" if p["selected"] != p["available"] else "")
        for p in row["placeholders"]
        if p["available"] > 1
    ]
    single = len(row["placeholders"]) - len(choices)
    if single:
        choices.append(f"{single} with one value")
    themes = row["themes"]
    parts = [
        ", ".join(choices),
        f"{len(themes)} themes ({', '.join(themes[:3])}, …)" if len(themes) > 4 else "",
        f"themes {', '.join(themes)}" if 0 < len(themes) < 5 else "",
        f"needs a theme, counted with {row['with_theme']}" if row["with_theme"] else "",
    ]
    more = "".join(f" · {part}" for part in parts if part)
    return styled((f"{images:,} image" + ("s" if images != 1 else ""), "green"), of, more)


def _error_line(row: dict[str, Any]) -> Text:
    """The first error, by its place in the prompt or in another file beside it."""
    error = row["error"].get("errors", [row["error"]])[0]
    more = len(row["error"].get("errors", ())) - 1
    message = " ".join(error["message"].split())
    place = ""
    if "file" in error:
        full = str(Place(error["file"], error["line"], error["column"]))
        message = message.removeprefix(f"{full}: ")
        place = full.removeprefix(f"{row['path']}:").removeprefix(f"{row['path'].rpartition('/')[0]}/")
    return styled(
        (f"broken {error['error']}", "red"),
        f" and {more} more" if more > 0 else "",
        f" at {place}: " if place and place != row["path"] else ": ",
        message,
    )
