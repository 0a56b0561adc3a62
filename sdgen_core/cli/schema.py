"""``sdgen schema export``: JSON Schemas for editors, and the reference pages, both made from the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SDGenError, shown
from .output import print_json, reporting

app = typer.Typer(no_args_is_help=True, help="Export what every kind of file may contain.")

FORMATS = ("json-schema", "markdown")


@app.callback()
def schema() -> None:
    """Export what every kind of file may contain."""


@app.command()
@reporting
def export(
    format: Annotated[str, typer.Option("--format", help="json-schema or markdown.")] = FORMATS[0],
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="Only this kind of file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write files into this folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Print schemas or reference pages, or write them into a folder: --out .vscode sets up VS Code."""
    from ..templates.model import KINDS

    if format not in FORMATS:
        raise typer.BadParameter(f"--format is {' or '.join(FORMATS)}")
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}")
    kinds = list(KINDS) if kind is None else [kind]
    if format == "markdown":
        _pages(kinds, whole=kind is None, out=out, json=json)
    else:
        _schemas(kinds, whole=kind is None, out=out, json=json)


def _pages(kinds: list[str], *, whole: bool, out: Path | None, json: bool) -> None:
    from ..templates.reference import pages

    wanted = {name: text for name, text in pages().items() if whole or name.removesuffix(".md") in kinds}
    if out is None:
        print("\n".join(wanted.values()), end="")
    else:
        _say([_write(out / name, text) for name, text in wanted.items()], json)


def _schemas(kinds: list[str], *, whole: bool, out: Path | None, json: bool) -> None:
    from ..templates.schema import editor_settings, json_schema, schema_name, settings_place

    schemas = {kind: json_schema(kind) for kind in kinds}
    if out is None:
        print_json(schemas if whole else schemas[kinds[0]])
        return
    written = [_write(out / schema_name(kind), _json(schema)) for kind, schema in schemas.items()]
    file, folder = settings_place(out)
    if whole:
        written.append(_write(file, _json(editor_settings(folder))))
    _say(written, json)
    if whole and not json and file.name != "settings.json":
        print(f"copy the entries of {shown(file)} into .vscode/settings.json")


def _json(value: Any) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as e:
        raise SDGenError("unwritable-folder", f"{shown(file)} cannot be written: {e.strerror or e}") from None
    return shown(file)


def _say(written: list[str], json: bool) -> None:
    if json:
        print_json({"written": written})
    else:
        print("\n".join(f"wrote {name}" for name in written))
