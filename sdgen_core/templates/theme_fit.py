"""What a template needs, and what a theme gives it in each style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import shown
from .imports import Memo
from .inherit import kind_of
from .load import Frame, Options, absolute, dress, existing, read_frame
from .names import Dressed
from .parameters import loose_names, parameter_names
from .run import Run, is_file
from .syntax import placeholders
from .theme_folders import FoundTheme
from .themes import THEME_FILE, Theme, implicit_theme, known_themes, theme_from

if TYPE_CHECKING:
    from .theme_report import ThemeReport

#: The themes of a themes: block that were found already: for many templates that inherit one.
Known = dict[tuple[Any, ...], dict[str, Path]]


@dataclass
class Needs:
    """A template as themes see it. ``source`` is what the user called it, ``path`` where that is. ``themes`` are those it can use,
    ``searched`` the folders in which a new one would be found.
    """

    source: Path
    path: Path
    frame: Frame
    themes: tuple[FoundTheme, ...]
    searched: tuple[Path, ...]
    memo: Memo = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.frame.model.name)

    @property
    def own(self) -> frozenset[str]:
        """Imports of the prompt file itself, which beat every theme; of a template run by itself only its prompt."""
        merged = self.frame.merged
        own = set(merged.own_imports)
        return frozenset(own if merged.kind == "prompt" else own & {"prompt"})

    @property
    def sensitive(self) -> frozenset[str]:
        """Placeholders that have a file per style."""
        return frozenset(self.frame.merged.sensitive)

    @property
    def merge(self) -> bool:
        """Whether a theme leaves the imports that it does not name."""
        block = self.frame.merged.themes
        return block is not None and block.merge

    @cached_property
    def plain(self) -> Dressed:
        """The template without a theme."""
        return dress(Run(self.path.parent), self.frame, memo=self.memo)

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders without a theme."""
        return tuple(dict.fromkeys((*_required(self.plain), *_optional(self.plain))))

    @property
    def chunk_imports(self) -> tuple[str, ...]:
        """The chunks in use that an import names: a theme replaces these as well."""
        return _chunk_imports(self.plain)

    def to_bring(self) -> tuple[str, ...]:
        """The placeholders that a theme has to name: neither the prompt's own, nor brought by chunks alone."""
        brought = {n for c in self.plain.book.used.values() for n in (*c.imports, *c.defaults)}
        return tuple(
            n for n in self.names if n not in self.own and (n in self.frame.merged.imports or n not in brought)
        )


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


def needs_of(source: Path, known: Known | None = None) -> Needs:
    """Read a template as far as its themes; its placeholders when they are asked for. Raises what reading its own files raises."""
    path = existing(source)
    run = Run(path.parent, shown(source.parent) if source.parent != Path() else "")
    leaf = run.open(path)
    frame = read_frame(run, leaf, kind_of(leaf, path.name), Options())
    run.check()
    block = frame.merged.themes
    if block is None:
        return Needs(source, path, frame, (), ())
    key = (path.parent, run.theme_folders, block.model_dump_json())
    known = {} if known is None else known
    if key not in known:
        known[key] = known_themes(run, block)
    themes = tuple(_found(name, theme, path.parent) for name, theme in known[key].items())
    searched = tuple(path.parent / s for s in (block.search_paths or ["."])) if block.enable_autodiscovery else ()
    return Needs(source, path, frame, themes, searched)


def _found(name: str, path: Path, base: Path) -> FoundTheme:
    if path.name != THEME_FILE and is_file(path / THEME_FILE):
        path = path / THEME_FILE
    return FoundTheme(name, absolute(path), (base,))


def _required(dressed: Dressed) -> tuple[str, ...]:
    """Names that stand in the prompt as themselves; those of which only parts stand there become empty text without values."""
    return tuple(dict.fromkeys(p.name for p in placeholders(dressed.prompt.string) if p.part is None))


def _optional(dressed: Dressed) -> tuple[str, ...]:
    texts = (*placeholders(dressed.prompt.string), *placeholders(dressed.negative.string))
    names = [p.name for p in texts if p.name != "negprompt"]
    return tuple(dict.fromkeys((*names, *parameter_names(dressed.parameters), *loose_names(dressed.parameters))))


def _chunk_imports(dressed: Dressed) -> tuple[str, ...]:
    used = dict.fromkeys(chunk.name.partition(".")[0] for chunk in dressed.book.used.values())
    return tuple(n for n in used if n in dressed.pools and (dressed.pools[n].chunk or dressed.pools[n].chunks))


def _theme(run: Run, found: FoundTheme, style: str) -> Theme:
    if found.implicit:
        return implicit_theme(run, found.path, found.name, style)
    return theme_from(run, found.path, found.name, style)


def fit(report: ThemeReport, style: str, needs: Needs) -> Fit:
    """What happens to the template's names under the theme in ``style``. Nothing is said of a theme that cannot be read."""
    run = Run(needs.path.parent)
    theme = None
    with run.collecting():
        theme = _theme(run, report.theme, style)
    if theme is None:
        return Fit()
    theme.merge = theme.merge or needs.merge
    dressed = dress(run, needs.frame, theme, style, memo=needs.memo, before=needs.plain)
    given = {*theme.imports, *theme.broken}
    groups: dict[str, list[str]] = {f: [] for f in ("provides", "removes", "misses", "broken", "kept", "as_text")}
    required = _required(dressed)
    for name in dict.fromkeys((*required, *_optional(dressed))):
        if name in needs.own:
            group = "kept"
        elif name in dressed.usable:
            group = "provides" if name in given else "kept"
        elif name in dressed.removed:
            group = "removes"
        elif name in given:
            group = "broken"
        else:
            group = "misses" if name in required else "as_text"
        groups[group].append(name)
    chunks = _chunk_imports(dressed)
    for name in dict.fromkeys((*needs.chunk_imports, *chunks)):
        group = "misses" if name not in chunks else "provides" if name in given and name not in needs.own else "kept"
        groups[group].append(f"@{name}")
    asked = {*required, *_optional(dressed), *chunks}
    unused = tuple(n for n in theme.imports if n not in asked)
    return Fit(**{f: tuple(names) for f, names in groups.items()}, unused=unused)


def fits(report: ThemeReport, needs: Needs, styles: Sequence[str]) -> dict[str, Fit]:
    """Style -> fit, "default" first."""
    return {style: fit(report, style, needs) for style in ("default", *styles)}
