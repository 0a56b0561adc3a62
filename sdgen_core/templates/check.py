"""Checking files before anything runs: prompts with everything they reach, under every theme they know, and library files
by themselves.

A finding is reported once, however many prompts reach it. Each file is parsed once, and what an import brings is read once
for all prompts of a folder; a theme then costs a prompt only a look at its names and selectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import SDGenError, shown
from .check_prompts import PromptCheck, look
from .chunks import ChunkBook
from .documents import Document, Node, Parsed
from .findings import CheckedFile, Collector, Report
from .imports import ImportReader, variation_values
from .load import Options, absolute, dress, read_frame
from .model import KINDS
from .presets import expand_presets
from .run import Entry, Run, flat, is_folder
from .themes import THEME_FILE, theme_from
from .validate import strict_problems

#: Folders that never hold a user's templates and are costly to walk.
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
_ENDINGS = (".yaml", ".yml")
_WORDS = ("prompt", "template", "chunk", "adetailer", "controlnet")  # in names: x.prompt.yaml
_TYPES = {
    **{word: word for word in ("prompt", "template", "chunk", "variations")},
    "theme_config": "theme",
    "adetailer_config": "adetailer",
    "controlnet_config": "controlnet",
}


def check_paths(
    paths: Sequence[Path],
    *,
    recursive: bool = False,
    strict: bool = False,
    theme: str | None = None,
    root: Path | None = None,
) -> Report:
    """Check files, and the YAML files of folders (of all folders below with ``recursive``).

    ``strict``: remarks and breaches of the strict rules are errors. ``theme``: of the themes only this one. ``root``: what
    names are relative to (the current folder; where a path lies elsewhere, the folder that holds all). Raises
    ``missing-file`` for a path that is not there, and ``unknown-theme``.
    """
    given = [_there(p) for p in paths]
    check = _Check(Collector(root or _root(given), strict), theme)
    for path, named in _files(given, recursive):
        check.add(path, named)
    return check.report()


def _there(path: Path) -> Path:
    out = absolute(path)
    if not os.path.lexists(out):  # a link that leads nowhere is a finding, not a misspelling
        raise SDGenError("missing-file", f"there is no file or folder {shown(path)}", hint="Name files or folders.")
    return out


def _root(paths: Sequence[Path]) -> Path:
    here = Path.cwd()
    if all(p.is_relative_to(here) for p in paths):
        return here
    try:
        return Path(os.path.commonpath([p if is_folder(p) else p.parent for p in paths]))
    except ValueError:  # two drives
        return here


def _files(paths: Iterable[Path], recursive: bool) -> Iterator[tuple[Path, bool]]:
    """Every file once, and whether it was named, not met in a folder."""
    seen: set[Path] = set()
    for given in paths:
        if not is_folder(given):
            if given not in seen:
                seen.add(given)
                yield given, True
            continue
        for name, folders, files in os.walk(given):
            folders[:] = sorted(f for f in folders if recursive and not f.startswith(".") and f not in _SKIPPED)
            for file in sorted(files):
                path = Path(name, file)
                if file.lower().endswith(_ENDINGS) and not file.startswith(".") and path not in seen:
                    seen.add(path)
                    yield path, False


def kind_by_name(path: Path) -> str | None:
    """The kind that a file's name says, or its folder's."""
    name = path.name.lower()
    for word in _WORDS:
        if name.endswith((f".{word}.yaml", f".{word}.yml")):
            return word
    if name == THEME_FILE:
        return "theme"
    return "variations" if "variations" in path.parts[:-1] else None


def kind_by_content(root: Node) -> str | None:
    """The kind that ``type:`` says, or fields that only one kind has."""
    if root.kind != "map":
        return None
    said = root.get("type")
    if said is not None and said.kind == "scalar":
        return _TYPES.get(str(said.value))
    if root.get("prompt") is not None and root.get("generation") is not None:
        return "prompt"
    return "variations" if root.get("variations") is not None else None


class _Check:
    """One check of many files: ``add`` all of them, then ask for the ``report``."""

    def __init__(self, collector: Collector, theme: str | None) -> None:
        self._all = collector
        self._prompts = PromptCheck(collector, theme)
        self._kinds: dict[Path, str] = {}
        self._unknown: dict[Path, str] = {}  # why a file is none of ours, unless a prompt uses it
        self._schema: dict[Path, list[SDGenError]] = {}

    def add(self, path: Path, named: bool) -> None:
        """Take a file into the check. A ``named`` one is checked as values when nothing says what it is."""
        run = self._all.run(path.parent)
        name = self._all.name(path)
        kind = kind_by_name(Path(name))
        try:
            document, errors = run.parts(path)
        except SDGenError as error:
            if kind is None and not named:
                self._unknown[path] = flat(error)[0].text
            else:
                self._kinds[path] = kind or "variations"
                self._all.add(flat(error), name)
            return
        kind = kind or kind_by_content(document.root) or ("variations" if named else None)
        if kind is None:
            self._unknown[path] = "neither its name nor type: says what it is, and no prompt uses it"
        else:
            self._kinds[path] = kind
        if not errors:  # now, as long as the tree is there
            self._schema[path] = strict_problems(document, KINDS[kind or "variations"])
        if kind == "variations":
            self._all.add(errors, name)
            with run.collecting():
                variation_values(run, document)
            self._all.take(run)

    def report(self) -> Report:
        """Check what was added. Raises ``unknown-theme``."""
        collector, readers = self._all, self._all.readers
        of_kind = {kind: [p for p, k in self._kinds.items() if k == kind] for kind in KINDS}
        for path in of_kind["prompt"]:
            self._prompts.check(path)
        self._prompts.finish()
        alone = {"template": self._template, "chunk": self._chunk, "theme": self._theme}
        for kind in ("template", "chunk", "theme", "adetailer", "controlnet"):
            for path in of_kind[kind]:
                if path not in readers:
                    run = collector.run(path.parent)
                    with run.collecting():
                        run = alone.get(kind, self._preset)(run, path)
                    collector.take(run)
        for path, reason in self._unknown.items():
            if path in readers:
                self._kinds[path] = "variations"
            else:
                collector.report.skipped[collector.name(path)] = reason
        for path, kind in self._kinds.items():
            name = collector.name(path)
            collector.add_schema(self._schema.get(path, ()), name)
            collector.report.files.append(CheckedFile(name, kind, used=kind == "prompt" or path in readers))
        return collector.finished()

    # ---- library files that no prompt reaches
    # --------------------------------------------------------------------------------

    def _template(self, run: Run, path: Path) -> Run:
        frame = read_frame(run, run.salvage(path), KINDS["template"], Options())
        look(run, dress(run, frame, alone=True))
        return run

    def _chunk(self, run: Run, path: Path) -> Run:
        name = path.name.split(".")[0]
        book = ChunkBook(run, {name: _entry_of(path)}, {})
        chunk = book.load(name, _entry_of(path))
        if chunk is not None:
            book.expand(chunk.text, lenient=True)
            reader = ImportReader(run, "default", frozenset())
            for used in (chunk, *book.used.values()):
                for placeholder, entry in (*used.imports.items(), *used.defaults.items()):
                    with run.collecting():
                        reader.read(placeholder, entry)
        return run

    def _theme(self, run: Run, path: Path) -> Run:
        """No prompt says where its paths begin: beside it, in a folder above, or where prompts lie, whichever fits best."""
        root = self._all.report.root
        above = [p for p in path.parents if p.is_relative_to(root)] or [path.parent]
        prompts = [p.parent for p, kind in self._kinds.items() if kind == "prompt"]
        tried: list[tuple[int, Run]] = []
        for base in list(dict.fromkeys((*above, *prompts)))[:50]:
            run = self._all.run(base)
            missing = 0
            with run.collecting():
                styles = theme_from(run, path, path.parent.name, "default").styles
                for style in ("default", *styles):
                    theme = theme_from(run, path, path.parent.name, style)
                    reader = ImportReader(run, style, frozenset())
                    for name, entry in theme.imports.items():
                        with run.collecting():
                            missing += reader.read(name, entry).missing is not None
            missing += sum(p.code == "missing-file" for p in run.problems)
            tried.append((missing, run))
            if not missing:
                break
        return min(tried, key=lambda t: t[0])[1]

    def _preset(self, run: Run, path: Path) -> Run:
        entry = _entry_of(path)
        expand_presets(run, {self._kinds[path]: (path.name, entry.document)})
        return run


def _entry_of(path: Path) -> Entry:
    """An entry that names a file of its own folder."""
    return Entry(
        Node("scalar", path.name, None, None), Document(Parsed("", ""), path, path.name), True, path.name, True
    )
