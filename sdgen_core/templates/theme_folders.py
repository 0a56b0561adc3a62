"""Finding themes: below folders, and as a template finds them.

A theme is a ``theme.yaml``, or an *implicit* one: a folder ``NAME`` with files ``NAME_thing.yaml`` and no ``theme.yaml``. Below a
folder, implicit ones count only where themes are expected (beside a ``theme.yaml``, in a folder whose name speaks of themes), for
``hair/hair_color.yaml`` is more often a folder of variations.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SDGenError, nearest_names, shown
from . import documents
from .themes import THEME_FILE, glob_safe

#: Folders that never hold a user's templates and are costly to walk.
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})

_PROMPTS = (".prompt.yaml", ".prompt.yml")


@dataclass(frozen=True)
class FoundTheme:
    """A theme by the ``name`` that ``--theme`` knows. ``path`` is its file, or the folder of an implicit theme.

    ``bases`` are folders its paths may be relative to: those of templates that may use it, likeliest first.
    """

    name: str
    path: Path
    bases: tuple[Path, ...]

    @property
    def implicit(self) -> bool:
        return self.path.suffix not in (".yaml", ".yml")

    @property
    def shown(self) -> str:
        return shown_path(self.path)


@dataclass
class Found:
    """What a walk met: themes, and the prompt files, both sorted by path."""

    themes: list[FoundTheme] = field(default_factory=list)
    prompts: list[Path] = field(default_factory=list)


def shown_path(path: Path) -> str:
    """A path as messages show it: relative to the current folder when it lies below it."""
    below = documents.relative(path, Path.cwd())
    return shown(path) if below.startswith("..") else below


def walk(folders: Iterable[Path]) -> Found:
    """Themes and prompts below ``folders``; hidden folders and what cannot be read are left out. Raises
    ``missing-file`` for a folder that is not there.
    """
    found = Found()
    seen: set[Path] = set()
    for given in folders:
        top = Path(os.path.normpath(given.absolute()))
        if not top.is_dir():
            raise SDGenError("missing-file", f"there is no folder {shown(given)}", hint="Name a folder of templates.")
        explicit: list[Path] = []
        implicit: list[Path] = []
        prompts: list[Path] = []
        for name, folders_in, files in os.walk(top):
            folder = Path(name)
            folders_in[:] = sorted(f for f in folders_in if not f.startswith(".") and f not in _SKIPPED)
            prompts += [folder / f for f in files if f.lower().endswith(_PROMPTS)]
            if folder in seen:
                continue
            if THEME_FILE in files:
                explicit.append(folder)
            elif any(f.startswith(f"{folder.name}_") and f.endswith((".yaml", ".yml")) for f in files):
                implicit.append(folder)
            seen.add(folder)
        themed = {folder.parent for folder in explicit}
        implicit = [f for f in implicit if f == top or f.parent in themed or "theme" in f.parent.name.lower()]
        leaves = sorted({p.parent for p in prompts})
        for folder in sorted((*explicit, *implicit)):
            path = folder if folder in implicit else folder / THEME_FILE
            found.themes.append(FoundTheme(folder.name, path, _bases(folder, top, leaves)))
        found.prompts += sorted(set(prompts).difference(found.prompts))
    return found


def _bases(folder: Path, top: Path, leaves: list[Path]) -> tuple[Path, ...]:
    """Where paths of a theme may start: beside the theme, above it up to ``top``, and where prompts lie."""
    above = [folder, *(p for p in folder.parents if p == top or top in p.parents)]
    return tuple(dict.fromkeys((*above, *leaves)))


def theme_at(path: Path) -> FoundTheme | None:
    """The theme that ``path`` (a theme file, or a theme's folder) is, else None."""
    path = Path(os.path.normpath(path.absolute()))
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        name = path.parent.name if path.name == THEME_FILE else path.stem
        return FoundTheme(name, path, (path.parent, *path.parents[1:3]))
    if (path / THEME_FILE).is_file():
        return FoundTheme(path.name, path / THEME_FILE, (path, *path.parents[:2]))
    if path.is_dir() and next(path.glob(f"{glob_safe(path.name)}_*.y*ml"), None) is not None:
        return FoundTheme(path.name, path, (path, *path.parents[:2]))
    return None


def named(name: str, themes: Iterable[FoundTheme]) -> list[FoundTheme]:
    """The themes called ``name``, several when folders hold one each. Raises ``unknown-theme``."""
    known = list(themes)
    hits = [t for t in known if t.name == name] or [t for t in known if t.name.casefold() == name.casefold()]
    if not hits:
        names = sorted({t.name for t in known})
        listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "") or "none"
        raise SDGenError(
            "unknown-theme",
            f"the theme {name!r} is unknown (found: {listed})",
            nearest=nearest_names(name, names),
            hint="Name a folder to look in, a theme's folder, or its theme.yaml; `sdgen themes list` shows what is found.",
        )
    return hits
