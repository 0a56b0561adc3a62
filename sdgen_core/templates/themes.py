"""Themes replace a template's imports; styles choose among a theme's entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SDGenError, nearest_names
from .documents import Node
from .imports import is_remove
from .model import ThemeFile, ThemesBlock
from .run import Entry, Run

THEME_FILE = "theme.yaml"


@dataclass
class Theme:
    """A theme for one style: what it sets and what it removes."""

    name: str
    shown: str
    imports: dict[str, Entry] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    merge: bool = False


def known_themes(run: Run, block: ThemesBlock) -> dict[str, Path]:
    """Theme name -> ``theme.yaml`` or, for implicit themes, their folder; explicit ones first. Unreadable folders are
    skipped.
    """
    if run.base is None:
        raise SDGenError("no-base-folder", "themes cannot be found: this text has no folder")
    out = {name: run.base / path.replace("\\", "/") for name, path in block.explicit.items()}
    if block.enable_autodiscovery:
        for search in block.search_paths or ["."]:
            try:
                folders = sorted(p for p in (run.base / search).iterdir() if p.is_dir() and run.allowed(p))
            except OSError:
                continue
            for folder in folders:
                if (folder / THEME_FILE).is_file():
                    out.setdefault(folder.name, folder / THEME_FILE)
                elif next(folder.glob(f"{glob_safe(folder.name)}_*.y*ml"), None) is not None:
                    out.setdefault(folder.name, folder)
    return out


def glob_safe(name: str) -> str:
    import glob

    return glob.escape(name)


def load_theme(run: Run, block: ThemesBlock | None, prompt_name: str, name: str, style: str) -> Theme:
    """The theme called ``name``. Raises ``not-themable``, ``unknown-theme``, ``missing-file``, ``bad-remove``."""
    if block is None:
        raise SDGenError(
            "not-themable", f"the prompt {prompt_name!r} has no themes: block, neither its own nor an inherited one"
        )
    themes = known_themes(run, block)
    if name not in themes:
        listed = ", ".join(themes) or "none"
        raise SDGenError(
            "unknown-theme",
            f"the theme {name!r} is unknown (known themes: {listed})",
            nearest=nearest_names(name, themes),
        )
    path = themes[name]
    if path.is_dir() and not (path / THEME_FILE).is_file():
        return implicit_theme(run, path, name, style)
    return theme_from(run, path, name, style)


def theme_from(run: Run, path: Path, name: str, style: str) -> Theme:
    """Read ``path`` (a file, or a folder with ``theme.yaml`` in it) for one style; the order of its keys does not
    matter.
    """
    if path.is_dir():
        path = path / THEME_FILE
    document = run.open(path)
    if document.root.is_null:
        return Theme(name, document.name)
    model = run.model(document, ThemeFile)
    theme = Theme(name, document.name, merge=model.merge)
    block = document.root.get("imports")
    plain: dict[str, Entry | None] = {}
    styled: dict[str, Entry | None] = {}
    for key, _, node in block.pairs() if block is not None and block.kind == "map" else []:
        base, dot, of_style = key.partition(".")
        if dot and of_style != style:
            _check(run, key, Entry(node, document, False, f"imports.{key}"))
            continue
        entry = Entry(node, document, False, f"imports.{key}")
        _check(run, key, entry)
        (styled if dot else plain)[base] = None if is_remove(node) else entry
    for base, wanted in {**plain, **styled}.items():
        if wanted is None:
            theme.removed.append(base)
        else:
            theme.imports[base] = wanted
    run.check()
    return theme


def _check(run: Run, key: str, entry: Entry) -> None:
    stack: list[Node] = [entry.node]
    while stack:
        node = stack.pop()
        if node.kind == "map":
            stack += [v for _, _, v in node.pairs()]
        elif node.kind == "list" and not is_remove(node):
            items = ", ".join(str(n.value) if n.kind == "scalar" else "..." for n in node.value)
            message = f"the theme's entry {key} is the list [{items}]; only [Remove] is allowed"
            run.problem(SDGenError("bad-remove", message, place=entry.document.place(node)))


def implicit_theme(run: Run, folder: Path, name: str, style: str) -> Theme:
    """A folder without ``theme.yaml``: ``NAME_hair_color.yaml`` is the import HairColor, ``NAME_outfit.sexy.yaml``
    its style.
    """
    theme = Theme(name, run.name_of(folder))
    styled: dict[str, Entry] = {}
    for path in sorted(folder.glob(f"{glob_safe(name)}_*")):
        if path.suffix not in (".yaml", ".yml"):
            continue
        thing, _, of_style = path.name.removesuffix(path.suffix)[len(name) + 1 :].partition(".")
        base = "".join(w[:1].upper() + w[1:] for w in thing.split("_"))
        if of_style and of_style != style:
            continue
        entry = Entry(Node("scalar", path.name, None, None), run.open(path), False, f"{name}/{path.name}", True)
        (styled if of_style else theme.imports)[base] = entry
    theme.imports.update(styled)
    return theme
