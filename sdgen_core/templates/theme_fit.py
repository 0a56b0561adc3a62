"""What a template needs, and what a theme gives it in each style."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, shown
from .chunks import ChunkBook
from .imports import ImportReader, is_chunk
from .inherit import Merged, chain, kind_of, merge
from .parameters import loose_names, parameter_names
from .run import Entry, Run
from .syntax import placeholders
from .text import Text
from .theme_folders import FoundTheme
from .themes import THEME_FILE, known_themes

if TYPE_CHECKING:
    from .theme_report import ThemeReport

#: Imports that are chunk files: name -> member ("" for a single chunk) -> where it is said.
_ChunkImports = Mapping[str, Mapping[str, Entry]]


@dataclass(frozen=True)
class _Uses:
    """What an expanded text asks for: ``required`` names stand in the prompt, ``optional`` ones only in the negative prompt or the
    parameters. ``brought`` names come with the chunks used, ``chunks`` are the chunk imports used.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    brought: frozenset[str]
    chunks: frozenset[str]


@dataclass(frozen=True)
class Needs:
    """A template as themes see it. ``uses`` is what it asks for without a theme.

    ``own`` names are imported by the prompt file itself and beat every theme; ``inherited`` ones come from its templates and are
    replaced by a theme. ``sensitive`` names have a file per style. ``themes`` are those it can use, ``searched`` the folders in
    which a new one would be found by itself.
    """

    path: Path
    name: str
    merged: Merged
    chunk_imports: _ChunkImports
    uses: _Uses
    own: frozenset[str]
    inherited: frozenset[str]
    sensitive: frozenset[str]
    merge: bool
    themes: tuple[FoundTheme, ...]
    searched: tuple[Path, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders of the template without a theme."""
        return (*self.uses.required, *self.uses.optional)


@dataclass(frozen=True)
class Fit:
    """What one style of a theme means for one template: names by what happens to them; chunks are written ``@Name``.

    ``broken`` are provided in name only: their file is missing or unusable. ``as_text`` stay unfilled, which only a negative prompt
    or a parameter allows. ``kept`` come from elsewhere (the prompt itself, its chunks, a merged template). ``unused`` are imports
    that the template does not ask for.
    """

    provides: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    as_text: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.misses and not self.broken

    def to_json(self) -> dict[str, list[str]]:
        return {name: list(names) for name, names in vars(self).items()}


def needs_of(source: Path) -> Needs:
    """Read a template as far as its placeholders and themes. Raises what reading its files raises."""
    path = Path(os.path.normpath(source.absolute()))
    run = Run(path.parent, shown(source.parent) if source.parent != Path() else "")
    leaf = run.open(path)
    layers = chain(run, leaf, kind_of(leaf, path.name))
    merged = merge(run, layers)
    run.check()
    chunk_imports = _chunk_imports(run, merged)
    uses = _uses(run, merged, chunk_imports)
    run.check()
    block = merged.themes
    themes = known_themes(run, block) if block is not None else {}
    own = set(merged.own_imports) if merged.kind == "prompt" else {"prompt"} & set(merged.own_imports)
    discovers = block is not None and block.enable_autodiscovery
    return Needs(
        path=path,
        name=layers[-1].model.name,
        merged=merged,
        chunk_imports=chunk_imports,
        uses=uses,
        own=frozenset(own),
        inherited=frozenset(set(merged.imports) - own),
        sensitive=frozenset(merged.sensitive),
        merge=block is not None and block.merge,
        themes=tuple(_found(name, theme, path.parent) for name, theme in themes.items()),
        searched=tuple(path.parent / s for s in (block.search_paths or ["."])) if block and discovers else (),
    )


def _found(name: str, path: Path, base: Path) -> FoundTheme:
    path = Path(os.path.normpath(path))
    return FoundTheme(name, path / THEME_FILE if (path / THEME_FILE).is_file() else path, (base,))


def _chunk_imports(run: Run, merged: Merged) -> _ChunkImports:
    reader = ImportReader(run, "default", frozenset())
    out: dict[str, Mapping[str, Entry]] = {}
    for name, entry in merged.imports.items():
        if entry.node.is_text and is_chunk(entry.node.value):
            out[name] = {"": entry}
        elif entry.node.kind == "map":
            try:
                pool = reader.read(name, entry)
            except SDGenError:
                continue  # a bad import is found by whoever uses it
            if pool.chunks:
                out[name] = pool.chunks
    return out


def _uses(run: Run, merged: Merged, chunk_imports: _ChunkImports) -> _Uses:
    single = {n: members[""] for n, members in chunk_imports.items() if "" in members}
    groups = {n: dict(members) for n, members in chunk_imports.items() if "" not in members}
    book = ChunkBook(run, {**single, **merged.chunks}, groups)
    text = book.expand(merged.text)
    negative = book.expand(merged.negative or Text(""), lenient=True)
    required = dict.fromkeys(p.name for p in placeholders(text.string))
    parameters: dict[str, Any] = {name: value for name, (value, _) in merged.parameters.items()}
    more = [p.name for p in placeholders(negative.string) if p.name != "negprompt"]
    more += [*parameter_names(parameters), *loose_names(parameters)]
    used = {chunk.name.partition(".")[0] for chunk in book.used.values()}
    return _Uses(
        required=tuple(required),
        optional=tuple(n for n in dict.fromkeys(more) if n not in required),
        brought=frozenset(n for c in book.used.values() for n in (*c.imports, *c.defaults)),
        chunks=frozenset(n for n in used if n in chunk_imports and n not in merged.chunks),
    )


def fit(report: ThemeReport, style: str, needs: Needs) -> Fit:
    """What happens to the template's names under the theme in ``style``."""
    entries = report.effective(style, needs.sensitive)
    removed = {n for n, e in entries.items() if e.removed}
    usable = {n for n, e in entries.items() if e.values}
    merged = report.merge or needs.merge
    chunks = {n: e.chunks for n, e in entries.items() if e.chunks}
    leafs = {n: m for n, m in needs.chunk_imports.items() if n in needs.own}
    staying = {n: m for n, m in needs.chunk_imports.items() if n in leafs or (merged and n not in removed)}
    uses = needs.uses
    if chunks or staying != needs.chunk_imports:
        # when this fails, loading the template says why; the names without a theme are then the best there is
        with suppress(SDGenError):
            uses = _uses(Run(needs.path.parent), needs.merged, {**staying, **chunks, **leafs})
    groups: dict[str, list[str]] = {f: [] for f in ("provides", "removes", "misses", "broken", "kept", "as_text")}
    for name in (*uses.required, *uses.optional):
        if name in needs.own:
            group = "kept"
        elif name in usable:
            group = "provides"
        elif name in removed:
            group = "removes"
        elif name in uses.brought or (merged and name in needs.inherited and name not in entries):
            group = "kept"
        elif name in entries:
            group = "broken"
        else:
            group = "misses" if name in uses.required else "as_text"
        groups[group].append(name)
    for name in sorted(uses.chunks | needs.uses.chunks):
        given = "kept" if name in staying else "broken" if name in chunks and entries[name].problem else "provides"
        groups[given if name in staying or name in chunks else "misses"].append(f"@{name}")
    asked = {*uses.required, *uses.optional, *uses.chunks}
    unused = tuple(n for n, e in entries.items() if n not in asked and not e.removed)
    return Fit(**{f: tuple(names) for f, names in groups.items()}, unused=unused)


def fits(report: ThemeReport, needs: Needs, styles: Sequence[str]) -> dict[str, Fit]:
    """Style -> fit, "default" first."""
    return {style: fit(report, style, needs) for style in ("default", *styles)}


def styles_for(needs: Needs, report: ThemeReport | None) -> list[str]:
    """The styles that make a difference to the template: those of the theme (None: without one), and files of its own
    style-sensitive imports.
    """
    from .theme_report import named_files, styles_beside

    out: dict[str, None] = {}
    if report is not None:
        entries = [e for e in report.entries if not e.by_file or e.name in needs.sensitive]
        out.update(dict.fromkeys(e.style for e in entries if e.style not in ("", "default")))
    staying = needs.own if report is not None and not (report.merge or needs.merge) else needs.own | needs.inherited
    run = Run(needs.path.parent)
    for name in needs.merged.imports:
        if name in needs.sensitive and name in staying:
            files = named_files(run, needs.merged.imports[name])
            out.update(dict.fromkeys(style for file in files for style in styles_beside(file)))
    return list(out)
