"""What a check of files found: each finding once, with what reaches it, for every form of report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CODES, Place, SDGenError
from . import documents
from .run import MAX_PROBLEMS, Run, few

LEVELS = ("error", "warning", "note")
_LONGEST_LINE = 500  # characters; longer source lines are not kept with a finding


@dataclass
class Finding:
    """One thing to look at. ``level`` is error, warning or note; ``line`` and ``column`` count from 1, 0 is the whole file.

    ``text`` is what stands there, ``source`` the line. ``under`` are the themes and styles under which alone it shows, as
    "theme NAME, style STYLE"; ``reached_by`` the prompts that read the file.
    """

    level: str
    code: str
    message: str
    hint: str
    file: str
    line: int = 0
    column: int = 0
    text: str = ""
    nearest: list[str] = field(default_factory=list)
    source: str = ""
    under: list[str] = field(default_factory=list)
    reached_by: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, level: str, error: SDGenError, file: str) -> Finding:
        """``file`` is named when the error has no place."""
        place = error.place or Place(file)
        return cls(
            level,
            error.code,
            error.message,
            error.hint or CODES[error.code].hint,
            place.file,
            place.line,
            place.column,
            place.text,
            error.nearest,
        )

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.column, self.text)

    @property
    def said(self) -> str:
        """The message with the themes concerned and the nearest valid names."""
        under = f" (under {few(self.under, 6)})" if self.under else ""
        return SDGenError(self.code, self.message + under, nearest=self.nearest).text


@dataclass
class CheckedFile:
    """A file of a known kind, how much was found in it, and whether a prompt uses it (prompts use themselves)."""

    file: str
    kind: str
    errors: int = 0
    warnings: int = 0
    used: bool = False


@dataclass
class Report:
    """What a check found, sorted by file and line. ``root`` is the folder that names are relative to; ``skipped`` are YAML
    files that are none of ours, with the reason; ``combinations`` is how often a prompt was looked at under a theme or
    style; ``more`` findings were counted and not kept.
    """

    root: Path
    files: list[CheckedFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    combinations: int = 0
    more: int = 0

    def count(self, level: str) -> int:
        return sum(f.level == level for f in self.findings)

    @property
    def unused(self) -> list[str]:
        """Library files that no prompt uses; empty when no prompt was checked."""
        if not any(f.kind == "prompt" for f in self.files):
            return []
        return [f.file for f in self.files if not f.used]

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": not self.count("error"),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("note"),
            "more": self.more,
            "combinations": self.combinations,
            "findings": [dict(vars(f)) for f in self.findings],
            "files": [dict(vars(f)) for f in self.files],
            "unused": self.unused,
            "skipped": [{"file": f, "reason": r} for f, r in sorted(self.skipped.items())],
        }


class Collector:
    """Gathers what the runs of one check met. ``root``: the folder that names are relative to; ``strict`` as in ``Run``."""

    def __init__(self, root: Path, strict: bool) -> None:
        self.strict = strict
        self.report = Report(root)
        self.readers: dict[Path, dict[str, None]] = {}
        """File -> names of the prompts that read it."""
        self._found: dict[tuple[Any, ...], Finding] = {}
        self._names: dict[Path, str] = {}
        self._opened: dict[str, Path] = {}

    def run(self, folder: Path) -> Run:
        """A fresh run for a file of ``folder``."""
        return Run(folder, strict=self.strict, root=self.report.root, _names=self._names)

    def name(self, path: Path) -> str:
        """A file's name in findings."""
        name = self.run(path.parent).name_of(path)
        self._opened[name] = path
        return name

    def take(self, run: Run, prompt: str = "", under: str = "", level: str = "error") -> None:
        """Keep what a run met. ``prompt``: whose run it was; ``under``: with which theme and style."""
        for path in run.files:
            self._opened[run.name_of(path)] = path
            if prompt:
                self.readers.setdefault(path, {})[prompt] = None
        self.add(run.problems, prompt, under, level)
        for remark in run.remarks:
            self.add([remark.error], prompt, under, "note" if remark.note else "warning")
        self.report.more += run.more

    def add(self, errors: Iterable[SDGenError], name: str, under: str = "", level: str = "error") -> None:
        """Keep errors that are not there yet; ``name`` is the file of those without a place. What shows under themes only
        is one finding for all of them, though each says it with other values.
        """
        for error in errors:
            new = Finding.of(level, error, name)
            place = (new.code, new.file, new.line, new.column)
            key = (*place, new.message)
            if not under:
                self.keep(new)
            elif key not in self._found:
                known = self._found.setdefault((*place, None), new)
                if under not in known.under:
                    known.under.append(under)

    def keep(self, finding: Finding) -> None:
        """Keep a finding made elsewhere."""
        self._found.setdefault((finding.code, finding.file, finding.line, finding.column, finding.message), finding)

    def add_schema(self, problems: Sequence[SDGenError], name: str) -> None:
        """Keep breaches of the strict rules where nothing else was said about the place or the field."""
        here = [f for f in self._found.values() if f.file == name and f.level != "note"]
        messages = {f.message for f in here}
        whole = any(f.level == "error" and not f.line for f in here)
        level = "error" if self.strict else "warning"
        for problem in problems[:MAX_PROBLEMS]:
            new = Finding.of(level, problem, name)
            if new.message in messages or (whole and not new.line and not new.message.startswith("the field")):
                continue
            if not any(_covers(f, new.place) or _covers(new, f.place) for f in here):
                self.keep(new)
        self.report.more += len(problems[MAX_PROBLEMS:])

    def finished(self) -> Report:
        """The report, sorted and counted, each finding with its source line and the prompts that reach it."""
        report = self.report
        wrong = {f.place for f in self._found.values() if f.level == "error"}
        report.findings = [
            f for f in self._found.values() if f.level == "error" or f.code != "missing-file" or f.place not in wrong
        ]
        report.findings.sort(key=lambda f: (f.file, f.line, f.column, LEVELS.index(f.level), f.message))
        report.files.sort(key=lambda f: f.file)
        files = {f.file: f for f in report.files}
        lines: dict[str, list[str]] = {}
        for finding in report.findings:
            path = self._opened.get(finding.file)
            if path is not None and not finding.reached_by:
                finding.reached_by = [n for n in self.readers.get(path, ()) if n != finding.file]
            if path is not None and finding.line:
                if finding.file not in lines:
                    lines[finding.file] = _lines(path, finding.file)
                source = lines[finding.file][finding.line - 1 : finding.line]
                if source and len(source[0]) <= _LONGEST_LINE:
                    finding.source = source[0]
            if finding.file in files:
                files[finding.file].errors += finding.level == "error"
                files[finding.file].warnings += finding.level == "warning"
        return report


def _covers(finding: Finding, place: Place) -> bool:
    """Whether ``place`` lies in the text at fault."""
    if not finding.line or finding.line != place.line:
        return False
    return finding.column <= place.column < finding.column + max(1, len(finding.text))


def _lines(path: Path, name: str) -> list[str]:
    try:
        return documents.read(path, name).parsed.text.split("\n")
    except SDGenError:
        return []
