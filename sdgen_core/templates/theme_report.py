"""Everything about one theme: what its file says, what its imports hold, what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import SDGenError
from .documents import Document, Node
from .imports import ImportReader, is_remove
from .model import ThemeFile
from .resolved import Lora, Value
from .run import Entry, Run, flat
from .styles import files_of, styles_beside
from .theme_folders import FoundTheme, shown_path
from .themes import glob_safe, theme_from


@dataclass(frozen=True)
class ThemeEntry:
    """What a theme says about one placeholder: plainly (``style`` is ""), or for one style.

    ``by_file`` marks a style that is only a file beside the plain one (``coat.winter.yaml``); it acts for placeholders that the
    template calls style-sensitive. ``chunks`` are chunk files in place of values, for ``@Name`` (member "") or ``@Name.member``.
    ``problem`` says why there is nothing.
    """

    name: str
    style: str
    written: str
    files: tuple[Path, ...] = ()
    removed: bool = False
    by_file: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)
    chunks: Mapping[str, Entry] = field(default_factory=dict)
    problem: SDGenError | None = None

    def to_json(self, first: int = 0) -> dict[str, Any]:
        """``first``: how many of the values to show."""
        out: dict[str, Any] = {
            "name": self.name,
            "style": self.style or None,
            "by_file": self.by_file,
            "removed": self.removed,
            "chunk": bool(self.chunks),
            "files": [shown_path(f) for f in self.files],
            "values": len(self.values),
            "problem": None if self.problem is None else self.problem.to_dict(),
        }
        return {**out, "first": dict(islice(self.values.items(), first))} if first else out


@dataclass
class ThemeReport:
    """A theme, read. ``base`` is the folder that its paths were resolved against. ``problems`` are errors of the theme file itself;
    ``warnings`` are remarks, ready to show.
    """

    theme: FoundTheme
    base: Path
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    period: str = ""
    setting: str = ""
    mood: str = ""
    merge: bool = False
    loras: tuple[Lora, ...] = ()
    listed: tuple[str, ...] | None = None
    entries: list[ThemeEntry] = field(default_factory=list)
    problems: list[SDGenError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    document: Document | None = None

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles the theme knows, in order of appearance; "default" is always there and not named."""
        return tuple(dict.fromkeys(e.style for e in self.entries if e.style not in ("", "default")))

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders the theme gives values to, in any style."""
        return tuple(dict.fromkeys(e.name for e in self.entries if not e.removed))

    @property
    def value_count(self) -> int:
        """Values of all entries, the styles' included."""
        return sum(len(e.values) for e in self.entries)

    @property
    def errors(self) -> list[SDGenError]:
        """Everything that is wrong, each once."""
        every = [*self.problems, *(e.problem for e in self.entries if e.problem is not None)]
        return list({f"{e.code} {e}": e for e in every}.values())

    def effective(self, style: str, sensitive: Collection[str] | None = None) -> dict[str, ThemeEntry]:
        """Name -> the entry that acts in ``style``: the style's own, else the plain one. Style files act for ``sensitive`` names
        (None: for all).
        """
        out = {e.name: e for e in self.entries if not e.style}
        for entry in self.entries:
            if entry.style == style and (not entry.by_file or sensitive is None or entry.name in sensitive):
                out[entry.name] = entry
        return out

    def has_tags(self, wanted: Collection[str]) -> bool:
        """Whether the theme has all these tags, in whatever case."""
        return {t.casefold() for t in wanted} <= {t.casefold() for t in self.tags}

    def to_json(self, first: int = 0, style: str | None = None) -> dict[str, Any]:
        """``first``: how many values of an import to show; ``style``: only the imports that act in it."""
        entries = self.entries if style is None else self.effective(style).values()
        return {
            "name": self.theme.name,
            "title": self.title,
            "path": self.theme.shown,
            "implicit": self.theme.implicit,
            "description": self.description,
            "tags": list(self.tags),
            "period": self.period,
            "setting": self.setting,
            "mood": self.mood,
            "merge": self.merge,
            "loras": [lora.to_json() for lora in self.loras],
            "styles": list(self.styles),
            "imports": [e.to_json(first) for e in entries],
            "import_count": len(self.names),
            "value_count": self.value_count,
            "errors": [e.to_dict() for e in self.errors],
            "warnings": list(self.warnings),
        }


def report(theme: FoundTheme) -> ThemeReport:
    """Read a theme with all its files. Mistakes become part of the report; nothing is raised for them."""
    best: ThemeReport | None = None
    for base in theme.bases:
        out = _report(theme, base)
        if best is None or _missing(out) < _missing(best):
            best = out
        if not _missing(best):
            break
    assert best is not None
    return best


def _missing(out: ThemeReport) -> int:
    return sum(e.problem is not None and e.problem.code == "missing-file" for e in out.entries)


def _report(theme: FoundTheme, base: Path) -> ThemeReport:
    run = Run(base, shown_path(base))
    out = ThemeReport(theme, base, title=theme.name)
    try:
        if theme.implicit:
            out.entries = list(_implicit_entries(run, theme))
        else:
            out.entries = list(_explicit_entries(run, theme, out))
    except SDGenError as error:
        out.problems += flat(error)
    for problem in run.problems:
        out.problems.append(problem)
    out.warnings += run.warnings
    return out


def _explicit_entries(run: Run, theme: FoundTheme, out: ThemeReport) -> Iterator[ThemeEntry]:
    document = run.open(theme.path)
    out.document = document
    if document.root.is_null:
        return
    model = run.model(document, ThemeFile)
    out.title = model.name or theme.name
    out.description = " ".join((model.description or "").split())
    out.tags = tuple(model.tags or ())
    out.period, out.setting, out.mood = model.period or "", model.setting or "", model.mood or ""
    out.merge = model.merge
    out.listed = None if model.variations is None else tuple(model.variations)
    try:
        out.loras = theme_from(run, theme.path, theme.name, "default").loras
    except SDGenError as error:  # lists other than [Remove]; what is left can still be shown
        out.problems += flat(error)
    block = document.root.get("imports")
    pairs = block.pairs() if block is not None and block.kind == "map" else []
    said = {key for key, _, _ in pairs}
    for key, _, node in pairs:
        name, _, style = key.partition(".")
        entry = Entry(node, document, True, f"imports.{key}")
        yield from _entries(run, name, style, entry, _written(node), said)


def _implicit_entries(run: Run, theme: FoundTheme) -> Iterator[ThemeEntry]:
    for path in sorted(theme.path.glob(f"{glob_safe(theme.name)}_*")):
        if path.suffix not in (".yaml", ".yml"):
            continue
        thing, _, style = path.name.removesuffix(path.suffix)[len(theme.name) + 1 :].partition(".")
        name = "".join(w[:1].upper() + w[1:] for w in thing.split("_"))
        try:
            document = run.open(path)
        except SDGenError as error:
            yield ThemeEntry(name, style, path.name, (path,), problem=error)
            continue
        entry = Entry(Node("scalar", path.name, None, None), document, True, path.name, True)
        yield _entry(run, name, style, entry, path.name, (path,))


def _written(node: Node) -> str:
    """An import as one line, for people."""
    if node.kind == "scalar":
        return "" if node.is_null else " ".join(str(node.value).split())
    if node.kind == "list":
        return "[" + ", ".join(_written(n) for n in node.value) + "]"
    return "{" + ", ".join(f"{key}: {_written(value)}" for key, _, value in node.pairs()) + "}"


def _entries(run: Run, name: str, style: str, entry: Entry, written: str, said: set[str]) -> Iterator[ThemeEntry]:
    """The entry, and the styles that lie beside its files."""
    if is_remove(entry.node):
        yield ThemeEntry(name, style, written, removed=True)
        return
    files = tuple(dict.fromkeys(files_of(run, entry)))
    plain = _entry(run, name, style, entry, written, files)
    yield plain
    if style or plain.problem is not None:
        return
    for found in dict.fromkeys(s for path in files for s in styles_beside(path)):
        if f"{name}.{found}" in said:
            continue
        styled = tuple(p for p in (_style_file(path, found) for path in files) if p is not None)
        yield _entry(run, name, found, entry, written, styled, by_file=True)


def _entry(
    run: Run, name: str, style: str, entry: Entry, written: str, files: tuple[Path, ...], by_file: bool = False
) -> ThemeEntry:
    reader = ImportReader(run, style or "default", frozenset({name} if by_file else ()))
    try:
        pool = reader.read(name, entry)
    except SDGenError as error:
        return ThemeEntry(name, style, written, files, by_file=by_file, problem=error)
    problem = None
    if pool.missing is not None:
        problem = SDGenError("empty-choice", f"{entry.where}: {pool.missing}", place=entry.place)
    chunks = {"": pool.chunk} if pool.chunk is not None else pool.chunks or {}
    if chunks and len(files) < len(chunks):
        try:
            for chunk in chunks.values():
                run.find(str(chunk.node.value), chunk)
        except SDGenError as error:
            problem = error
    return ThemeEntry(name, style, written, files, by_file=by_file, values=pool.values, chunks=chunks, problem=problem)


def _style_file(path: Path, style: str) -> Path | None:
    for ending in (".yaml", ".yml"):
        styled = path.with_name(f"{path.stem}.{style}{ending}")
        if styled.is_file():
            return styled
    return None
