"""``sdgen validate``: what is wrong with templates, before a GPU runs."""

from __future__ import annotations

import json
import platform
import unicodedata
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import SDGenError, shown
from ..templates.check import check_paths
from ..templates.findings import Finding, Report
from ..templates.run import few
from .output import counted, fail, reporting, visible

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_KINDS = {"variations": "variation file", "adetailer": "ADetailer preset", "controlnet": "ControlNet preset"}
_FEW = 10  # names of a list in the summary


class Format(str, Enum):
    """Forms of the report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"


@reporting
def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders to check.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Check the folders below as well.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    theme: Annotated[str | None, typer.Option("--theme", "-t", help="Of the themes check only this one.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="Form of the report.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the report to a file.")] = None,
) -> None:
    """Check prompts with all they use, under every theme they know, and library files by themselves. Exits with 1 when
    there are errors.
    """
    report = check_paths(paths, recursive=recursive, strict=strict, theme=theme)
    if format is Format.JSON:
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    elif format is Format.SARIF:
        from .sarif import sarif

        text = json.dumps(sarif(report), indent=2, ensure_ascii=False) + "\n"
    elif format is Format.MARKDOWN:
        text = markdown(report)
    else:
        text = "\n".join(as_text(report, colour=out is None)) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text)
        typer.echo(f"{shown(out)}: {counts(report)}")
    if report.count("error"):
        fail(1)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SDGenError("unwritable-folder", f"{shown(path)} cannot be written: {error.strerror}") from error


# ---- text
# ------------------------------------------------------------------------------------------------------------------------


def as_text(report: Report, colour: bool = False) -> Iterator[str]:
    """The report as a compiler prints it."""
    folder = "" if report.root == Path.cwd() else shown(report.root) + "/"
    for finding in report.findings:
        yield from finding_lines(finding, folder + finding.file, colour)
        yield ""
    yield from summary(report)


def finding_lines(finding: Finding, file: str, colour: bool = False) -> Iterator[str]:
    """One finding: place, message, the line with a caret below the text at fault, what to do, and who reaches it."""
    place = f"{file}:{finding.line}:{finding.column}" if finding.line else file
    level = f"{finding.level}[{finding.code}]"
    if colour:
        level = typer.style(level, fg=_COLOURS[finding.level], bold=True)
    yield f"{visible(place)}: {level}: {visible(finding.said)}"
    if finding.source:
        number = str(finding.line)
        before = finding.source[: finding.column - 1]
        yield f"  {number} | {visible(finding.source)}"
        if finding.column:
            gap = "".join(c if c == "\t" else " " * _width(c) for c in before)
            yield f"  {' ' * len(number)} | {gap}{'^' * max(1, sum(map(_width, finding.text)))}"
    yield f"  {visible(finding.hint)}"
    if finding.reached_by:
        yield f"  reached by {_names(finding.reached_by)}"


def _width(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1


def _names(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def counts(report: Report) -> str:
    """ "2 errors, 1 warning in 12 files"."""
    parts = [
        counted(report.count(level) + (report.more if level == "error" else 0), level) for level in ("error", "warning")
    ]
    if notes := report.count("note"):
        parts.append(counted(notes, "note"))
    return f"{', '.join(parts)} in {counted(len(report.files), 'file')}"


def summary(report: Report) -> Iterator[str]:
    """What was checked, and what was not."""
    kinds = Counter(f.kind for f in report.files)
    checked = ", ".join(counted(n, _KINDS.get(kind, kind)) for kind, n in kinds.items())
    looks = f"; {counted(report.combinations, 'look')} under themes and styles" if report.combinations else ""
    yield counts(report) + (f" ({checked}{looks})" if checked else "")
    if report.more:
        yield f"{counted(report.more, 'error')} more in the same files"
    if unused := report.unused:
        yield f"{counted(len(unused), 'file')} that no prompt uses: {visible(few(unused, _FEW))}"
    if report.skipped:
        yield f"{counted(len(report.skipped), 'file')} skipped, no kind of SDGen's: {visible(few(sorted(report.skipped), _FEW))}"


# ---- markdown
# --------------------------------------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """A report to paste into an issue. Users' texts stand in code blocks only: an @Name in plain text calls a person."""
    lines = [f"## sdgen validate: {counts(report)}", ""]
    by_file: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_file.setdefault(finding.file, []).append(finding)
    for file, findings in by_file.items():
        body = [visible(line) for f in findings for line in finding_lines(f, file)]
        lines += [f"### {_code(file)}", *_block(body), ""]
    lines += ["### What was checked", *_block(list(summary(report))), ""]
    lines.append(f"SDGen {version()}, Python {platform.python_version()}, {platform.system()}")
    return "\n".join(lines) + "\n"


def _block(lines: list[str]) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in _ticks(line)), default=0))
    return [f"{fence}text", *lines, fence]


def _ticks(line: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in line).split()


def _code(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in _ticks(text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def version() -> str:
    """The installed version of the package; of a plain checkout: unknown."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("sdgen")
    except PackageNotFoundError:
        return "(unknown version)"
