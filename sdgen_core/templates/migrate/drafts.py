"""YAML files of the drafts between the first version and today's, edited in place.

A file is only touched where it says something that is not read today, or not read as it was meant.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import SDGenError, shown
from ..documents import Node
from ..imports import is_chunk, is_path
from .characters import ChunkMigration, is_character
from .draft_files import TextFile
from .draft_texts import Rules, names_in_order, placeholder_name
from .draft_values import FIELDS, edit_values
from .editor import Editor
from .project import Project, key_of

_OURS = re.compile(r"^(prompt|template|variations|imports|fields|generation)\s*:", re.MULTILINE)


def looks_like_ours(path: Path, text: str) -> bool:
    """Whether a file that cannot be parsed is one of ours, so that its owner wants to know."""
    return bool(re.search(r"\.(prompt|template|chunk|char)\.ya?ml$", path.name) or _OURS.search(text))


class Drafts:
    """Migrates YAML files, each once, with what they need."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.convert_yaml = self.convert

    def convert(self, path: Path) -> None:
        """Plan what a YAML file needs; problems are collected, not raised."""
        if key_of(path) in self.project.seen:
            return
        self.project.seen.add(key_of(path))
        try:
            self._convert(path)
        except SDGenError as e:
            self.project.plan.problem(e)

    def _convert(self, path: Path) -> None:
        old = self.project.text(path)
        try:
            editor = Editor(old.text, shown(path))
        except SDGenError:
            if looks_like_ours(path, old.text):
                raise
            return
        root = editor.root
        if root.kind != "map":
            return
        kind = kind_of(path, root)
        if kind == "character":
            ChunkMigration(editor, path, self.project, self.rules).run()
        elif kind == "values":
            edit_values(editor, self.project.plan)
            self.project.edited(path, "values", editor.result())
        elif kind in ("prompt", "template", "chunk"):
            TextFile(editor, path, kind, self).run()
            self.project.edited(path, kind, editor.result())

    def rules(self, path: Path, blocks: list[Node | None], base: str | None) -> Rules:
        """What the names of some ``imports`` blocks mean for the texts of ``path``."""
        chunks: dict[str, list[str]] = {}
        parts: dict[str, list[str]] = {}
        for block in blocks:
            for name, _, node in block.pairs() if block is not None and block.kind == "map" else []:
                parts.setdefault(name, [])
                if node.kind != "scalar" or not is_path(str(node.value)):
                    continue
                found = self.project.find(str(node.value), path.parent, base, above=True)
                root = self.root(found) if found is not None else None
                if found is None or root is None:
                    continue
                if is_character(found, root) or is_chunk(found.name):
                    chunks[name] = self._placeholders(found, 0)
                    del parts[name]
                else:
                    parts[name] = _parts(root)
        return Rules(chunks={n: c for n, c in chunks.items() if n not in parts}, parts=parts)

    def sources(self, path: Path) -> list[Node] | None:
        """The paths that a combined file (``type: multi-field``) puts together; None for any other file."""
        root = self.root(path)
        node = root.get("sources") if root is not None and kind_of(path, root) == "combined" else None
        return None if node is None or node.kind != "list" else list(node.value)

    def root(self, path: Path) -> Node | None:
        try:
            root = self.project.document(path).root
        except SDGenError:
            return None
        return root if root.kind == "map" else None

    def _placeholders(self, path: Path, depth: int) -> list[str]:
        """The placeholders of a character's or chunk's text, its own or its parent's."""
        root = self.root(path)
        if root is None or depth > 20:
            return []
        text = root.get("template") or root.get("output")
        if text is not None and text.kind == "scalar":
            dotted = re.sub(r"\{(\w+(?:\.\w+)+)\}", lambda m: "{" + placeholder_name(m[1]) + "}", str(text.value))
            return names_in_order(dotted)
        parent = root.get("implements")
        found = self.project.find(str(parent.value), path.parent, above=True) if parent is not None else None
        return self._placeholders(found, depth + 1) if found is not None else []


def kind_of(path: Path, root: Node) -> str:
    """``prompt``, ``template``, ``chunk``, ``character``, ``values``, ``combined`` or '' (not ours, or nothing to do)."""
    if is_character(path, root):
        return "character"
    word = root.get("type")
    kind = str(word.value) if word is not None and word.kind == "scalar" else ""
    name = path.name.lower()
    if kind in ("multi-field", "multi_field") and root.get("sources") is not None:
        return "combined"
    if kind == "chunk" or ".chunk." in name:
        return "chunk"
    if kind == "template" or ".template." in name:
        return "template" if root.get("template") is not None else ""
    text = root.get("prompt") or root.get("template")
    if ".prompt." in name or (text is not None and text.kind == "scalar" and (kind == "prompt" or _has_values(root))):
        return "prompt"
    plain = kind == "" and root.get("variations") is not None and root.get("imports") is None
    if plain or kind in ("variations", "multi_field", "multi-field"):
        return "values"
    return ""


def _has_values(root: Node) -> bool:
    return any(root.get(n) is not None for n in ("imports", "variations", "generation", "implements"))


def _parts(root: Node) -> list[str]:
    """The parts of a values file's values, in order; none for plain texts. Knows the old and today's forms."""
    block = root.get("variations") or root
    values = [v for _, _, v in block.pairs()] if block.kind == "map" else []
    for item in block.value if block.kind == "list" else []:
        if (fields := item.get("fields")) is not None:
            values.append(fields)
        elif item.kind == "map" and item.get("value") is None:
            values += [v for _, _, v in item.pairs()]
    out: dict[str, None] = {}
    for value in values:
        names = [k for k, _, _ in value.pairs()] if value.kind == "map" else []
        if not set(names) <= FIELDS:
            out.update(dict.fromkeys(map(placeholder_name, names)))
    return list(out)
