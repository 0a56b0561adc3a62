"""Themes replace a template's imports; styles choose among a theme's entries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Place, SDGenError, nearest_names
from .documents import Document, Node
from .imports import is_remove
from .model import ThemeFile, ThemesBlock
from .resolved import Lora
from .run import Entry, Run, few, is_file, is_folder

THEME_FILE = "theme.yaml"
#: Strengths beyond these are refused by ComfyUI's Load LoRA.
MAX_STRENGTH = 100.0
_NO_LIST = "In a theme, values are a file, one text or a map {key: text}; [Remove] takes the name out."


@dataclass
class Theme:
    """A theme for one style: what it sets and what it removes. ``broken`` are names whose entries are faulty, ``styles``
    those that the theme has entries for, besides the default one; ``place`` is where its imports stand; ``loras`` are applied to the
    model while the theme is in use.
    """

    name: str
    shown: str
    imports: dict[str, Entry] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    merge: bool = False
    broken: set[str] = field(default_factory=set)
    styles: tuple[str, ...] = ()
    place: Place | None = None
    loras: tuple[Lora, ...] = ()


def known_themes(run: Run, block: ThemesBlock) -> dict[str, Path]:
    """Theme name -> ``theme.yaml`` or, for implicit themes, their folder; explicit ones first. Paths begin in the leaf's
    folder, else beside the file with the themes: block. Unreadable folders are skipped.
    """
    if run.base is None:
        raise SDGenError("no-base-folder", "themes cannot be found: this text has no folder")
    bases = list(dict.fromkeys((run.base, *run.theme_folders)))
    out: dict[str, Path] = {}
    for name, text in block.explicit.items():
        paths = [base / text.replace("\\", "/") for base in bases]
        out[name] = next((p for p in paths if run.allowed(p) and (is_file(p) or is_folder(p))), paths[0])
    if not block.enable_autodiscovery:
        return out
    searched = [os.path.normpath(b / s.replace("\\", "/")) for b in bases for s in block.search_paths or ["."]]
    for search in dict.fromkeys(searched):
        try:
            folders = sorted(p for p in Path(search).iterdir() if is_folder(p) and run.allowed(p))
        except (OSError, ValueError):
            continue
        for folder in folders:
            if is_file(folder / THEME_FILE):
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
        listed = few(themes) or "none"
        raise SDGenError(
            "unknown-theme",
            f"the theme {name!r} is unknown (known themes: {listed})",
            nearest=nearest_names(name, themes),
        )
    path = themes[name]
    if is_folder(path) and not is_file(path / THEME_FILE):
        return implicit_theme(run, path, name, style)
    return theme_from(run, path, name, style)


def theme_from(run: Run, path: Path, name: str, style: str) -> Theme:
    """Read ``path`` (a file, or a folder with ``theme.yaml`` in it) for one style; the order of its keys does not
    matter. Mistakes that leave something to use are recorded, others raised.
    """
    if is_folder(path):
        path = path / THEME_FILE
    document = run.salvage(path)
    if document.root.is_null:
        return Theme(name, document.name)
    model = run.rough_model(document, ThemeFile)
    theme = Theme(name, document.name, merge=model.merge, loras=_loras(run, document))
    block = None
    for key, key_node, node in document.root.pairs():
        if key == "imports":
            block, theme.place = node, document.place(key_node)
    plain: dict[str, Entry | None] = {}
    styled: dict[str, Entry | None] = {}
    styles: dict[str, None] = {}
    for key, _, node in block.pairs() if block is not None and block.kind == "map" else []:
        base, dot, of_style = key.partition(".")
        entry = Entry(node, document, False, f"imports.{key}")
        sound = _check(run, key, entry)
        if dot:
            styles[of_style] = None
            if of_style != style:
                continue
        if sound:
            (styled if dot else plain)[base] = None if is_remove(node) else entry
        else:
            theme.broken.add(base)
    for base, wanted in {**plain, **styled}.items():
        if wanted is None:
            theme.removed.append(base)
        else:
            theme.imports[base] = wanted
    theme.styles = tuple(s for s in styles if s != "default")
    return theme


def _check(run: Run, key: str, entry: Entry) -> bool:
    """Record lists that are not ``[Remove]``; whether there are none."""
    sound = True
    stack: list[Node] = [entry.node]
    while stack:
        node = stack.pop()
        if node.kind == "map":
            stack += [v for _, _, v in node.pairs()]
        elif node.kind == "list" and not is_remove(node):
            items = few(str(n.value) if n.kind == "scalar" else "..." for n in node.value)
            message = f"the theme's entry {key} is the list [{items}]; of lists a theme has only [Remove]"
            only = node.value[0] if len(node.value) == 1 else None
            near = nearest_names(str(only.value), ["Remove"]) if only is not None and only.kind == "scalar" else []
            place = entry.document.place(node)
            hint = None if near else _NO_LIST
            run.problem(SDGenError("bad-remove", message, place=place, nearest=[f"[{n}]" for n in near], hint=hint))
            sound = False
    return sound


def _loras(run: Run, document: Document) -> tuple[Lora, ...]:
    """The LoRAs of ``lora:``: a name, ``{name, strength}``, or a list of these. Mistakes are recorded."""
    node = document.root.get("lora")
    if node is None or node.is_null:
        return ()
    entries = node.value if node.kind == "list" else [node]
    found = []
    for entry in entries:
        with run.collecting():
            found.append(_lora(document, entry))
    return tuple(found)


def _lora(document: Document, node: Node) -> Lora:
    form = "write a name, {name, strength}, or a list of these"
    if node.is_text and node.value.strip():
        return Lora(node.value.strip())
    if node.kind != "map":
        raise SDGenError("bad-structure", f"lora: {form}", place=document.place(node))
    given: dict[str, Node] = {}
    for key, key_node, value in node.pairs():
        if key not in ("name", "strength"):
            place, near = document.place(key_node), nearest_names(key, ["name", "strength"])
            raise SDGenError("bad-structure", f"lora: unknown field {key!r}", place=place, nearest=near)
        given[key] = value
    name, strength = given.get("name"), given.get("strength")
    if name is None or not name.is_text or not name.value.strip():
        raise SDGenError("bad-structure", f"lora: the name is missing; {form}", place=document.place(name or node))
    if strength is None or strength.is_null:
        return Lora(name.value.strip())
    number = strength.scalar() if strength.kind == "scalar" else None
    if isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > MAX_STRENGTH:
        message = f"lora: the strength must be a number from {-MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
        raise SDGenError("bad-structure", message, place=document.place(strength))
    return Lora(name.value.strip(), float(number))


def implicit_theme(run: Run, folder: Path, name: str, style: str) -> Theme:
    """A folder without ``theme.yaml``: ``NAME_hair_color.yaml`` is the import HairColor, ``NAME_outfit.sexy.yaml``
    its style.
    """
    theme = Theme(name, run.name_of(folder))
    styled: dict[str, Entry] = {}
    styles: dict[str, None] = {}
    for path in sorted(folder.glob(f"{glob_safe(name)}_*")):
        if path.suffix not in (".yaml", ".yml"):
            continue
        thing, _, of_style = path.name.removesuffix(path.suffix)[len(name) + 1 :].partition(".")
        base = "".join(w[:1].upper() + w[1:] for w in thing.split("_"))
        if of_style:
            styles[of_style] = None
            if of_style != style:
                continue
        try:
            document = run.open(path)
        except SDGenError as error:
            run.problem(error)
            theme.broken.add(base)
            continue
        entry = Entry(Node("scalar", path.name, None, None), document, False, f"{name}/{path.name}", True)
        (styled if of_style else theme.imports)[base] = entry
    theme.imports.update(styled)
    theme.styles = tuple(s for s in styles if s != "default")
    return theme
