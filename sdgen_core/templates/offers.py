"""The themes a template can be given, with their styles, for lists to choose from.

Only the template's own files and each ``theme.yaml`` are read, not the values: a list of fifty themes must come at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import SDGenError
from .documents import Document, Node, Parsed
from .imports import is_remove
from .inherit import MAX_CHAIN, chain, kind_of, merge
from .model import ThemesBlock
from .run import Entry, Run
from .styles import files_of, styles_beside
from .themes import THEME_FILE, glob_safe, known_themes


@dataclass
class ThemeOffer:
    """A theme (``name`` "" is none) and its styles besides the default one; ``title`` and ``tags`` as its file says them.
    ``problem`` says why the theme's file cannot be read.
    """

    name: str
    title: str = ""
    tags: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "tags": list(self.tags), "styles": list(self.styles)}


def offers(source: Path) -> list[ThemeOffer]:
    """What can be chosen for a template file: no theme first. Raises what reading the template itself raises."""
    run = Run(source.parent)
    leaf = run.open(source)
    merged = merge(run, chain(run, leaf, kind_of(leaf, source.name)))
    run.check()
    own = [(name, "", merged.imports[name]) for name in merged.sensitive if name in merged.imports]
    none = ThemeOffer("", styles=_styles(run, own, merged.sensitive))
    themes = known_themes(run, merged.themes) if merged.themes is not None else {}
    return [none, *(_offer(run, name, path, merged.sensitive) for name, path in themes.items())]


def offers_for_text(text: str, base: Path, within: Sequence[Path]) -> list[ThemeOffer]:
    """The same for a text typed in a node, by its own ``themes:`` block or the one it inherits. Files outside of ``within`` are
    not looked at.
    """
    run = Run(base, within=tuple(within))
    document = Document(Parsed(text.replace("\r\n", "\n"), ""), base / "text.prompt.yaml", "text")
    for _ in range(MAX_CHAIN):
        block, parent = document.root.get("themes"), document.root.get("implements")
        if block is not None:
            try:
                themes = ThemesBlock.model_validate(block.python() or {})
            except ValidationError as error:
                message = f"themes: {error.errors()[0]['msg']}"
                raise SDGenError("bad-structure", message, place=document.place(block)) from None
            found = known_themes(run, themes)
            return [ThemeOffer(""), *(_offer(run, name, path, ()) for name, path in found.items() if run.allowed(path))]
        path = None
        if parent is not None and parent.is_text:
            path = run.find(parent.value, Entry(parent, document, where="implements"), only_own=True)
        if path is None:
            break
        document = run.open(path)
    return [ThemeOffer("")]


#: A placeholder, the style ("" when it is said plainly), and what is said.
_Said = tuple[str, str, Entry]


def _offer(run: Run, name: str, path: Path, sensitive: Collection[str]) -> ThemeOffer:
    out = ThemeOffer(name)
    try:
        if path.is_dir() and not (path / THEME_FILE).is_file():
            said = list(_implicit(name, path))
        else:
            said = list(_explicit(run, path / THEME_FILE if path.is_dir() else path, out))
    except SDGenError as error:
        out.problem = str(error)
    else:
        out.styles = _styles(run, said, sensitive)
    return out


def _explicit(run: Run, path: Path, out: ThemeOffer) -> Iterator[_Said]:
    document = run.open(path)
    name, tags, block = (document.root.get(key) for key in ("name", "tags", "imports"))
    if name is not None and name.is_text:
        out.title = name.value
    if tags is not None and tags.kind == "list":
        out.tags = tuple(str(tag.value) for tag in tags.value if tag.kind == "scalar")
    for key, _, node in block.pairs() if block is not None and block.kind == "map" else []:
        placeholder, _, style = key.partition(".")
        yield placeholder, style, Entry(node, document, where=f"imports.{key}")


def _implicit(name: str, folder: Path) -> Iterator[_Said]:
    for path in sorted(folder.glob(f"{glob_safe(name)}_*")):
        if path.suffix in (".yaml", ".yml"):
            thing, _, style = path.name.removesuffix(path.suffix)[len(name) + 1 :].partition(".")
            node = Node("scalar", path.name, None, None)
            placeholder = "".join(word[:1].upper() + word[1:] for word in thing.split("_"))
            yield placeholder, style, Entry(node, Document(Parsed("", ""), path, path.name), own_first=True)


def _styles(run: Run, said: Sequence[_Said], sensitive: Collection[str]) -> tuple[str, ...]:
    """The styles that are named, then those that are files beside the plain ones of ``sensitive`` placeholders."""
    found = [style for _, style, _ in said]
    for name, style, entry in said:
        if name in sensitive and not style and not is_remove(entry.node):
            found += [style for path in files_of(run, entry) for style in styles_beside(path)]
    return tuple(style for style in dict.fromkeys(found) if style not in ("", "default"))
