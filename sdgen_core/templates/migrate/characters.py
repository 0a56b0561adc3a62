"""Characters of the drafts as chunks.

A ``.char.template.yaml`` had a text (``output``) with ``{category.field}`` in it and ``fields`` that describe each; a
``.char.yaml`` implemented it and gave values. Today both are chunks: the text with ``{category_field}``, the values under
``defaults``, where a ``with`` still overrides them. An empty value meant that the template's own counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import SDGenError, nearest_names
from ..documents import Node
from ..imports import is_chunk
from .draft_texts import Rules, placeholder_name, substitutions
from .editor import Editor
from .plan import Plan
from .project import Project, key_of
from .texts import HEADER, literal, scalar

_TYPES = ("character", "character_template", "chunk_template")
_KNOWN = (
    "type",
    "version",
    "name",
    "description",
    "implements",
    "template",
    "output",
    "fields",
    "imports",
    "chunks",
    "defaults",
)
_SPEC = {"type", "description", "required", "default", "example"}
_DOTTED = re.compile(r"\{(\w+(?:\.\w+)+)\}")

RulesOf = Callable[[Path, list[Node | None], str | None], Rules]


def is_character(path: Path, root: Node) -> bool:
    """Whether a YAML file is a character, or a chunk in the same old form."""
    kind = root.get("type")
    word = str(kind.value) if kind is not None and kind.kind == "scalar" else ""
    named = re.search(r"\.(char|char\.template|chunk\.template)\.ya?ml$", path.name) is not None
    return named or word in _TYPES or (root.get("fields") is not None and (word == "chunk" or is_chunk(path.name)))


def chunk_path(path: Path) -> Path:
    """``emma.char.yaml`` -> ``emma.chunk.yaml``, ``woman.char.template.yaml`` -> ``woman_template.chunk.yaml``."""
    stem = re.sub(r"\.ya?ml$", "", path.name)
    if is_chunk(path.name):
        return path
    stem = re.sub(r"\.(char|chunk)\.template$", "_template", stem)
    return path.with_name(re.sub(r"\.char$", "", stem) + ".chunk.yaml")


class ChunkMigration:
    """One character on its way. A file that is called a chunk already is edited in place."""

    def __init__(self, editor: Editor, path: Path, project: Project, rules: RulesOf) -> None:
        self.editor = editor
        self.path = path
        self.project = project
        self.rules = rules
        self.told = Plan()
        self.target = chunk_path(path)
        project.chunks[key_of(path)] = self.target

    def run(self) -> None:
        editor, root = self.editor, self.editor.root
        text_key = "template" if root.get("template") is not None else "output"
        text = root.get(text_key)
        spelled = self._fields(text_key if text is not None else None)
        for key in [k for k, _, _ in root.pairs() if k not in _KNOWN]:
            self.told.remark(
                f"{key}: has no place in a chunk and is a comment now", editor.document.place(editor.node_key((key,)))
            )
            editor.comment_out((key,))
        if text is not None:
            self._text(text_key, spelled)
        elif root.get("implements") is None:
            message = "the character has neither a text (template:, output:) nor implements:"
            raise SDGenError("not-migratable", message, place=editor.document.place())
        self._parent()
        if (kind := root.get("type")) is None:
            editor.insert_first({"type": "chunk"})
        elif kind.value != "chunk":
            editor.set(("type",), "chunk", "chunk")
        if text is not None and text_key == "output":
            editor.rename(("output",), "template")
        if self.target == self.path:
            self.project.edited(self.path, "chunk", editor.result())
            self.project.plan.tell(self.told)
        else:
            header = HEADER.format(self.path.name) + editor.newline
            self.project.add_new(self.target, "chunk", header + editor.result(), self.path, self.told)

    def _text(self, key: str, spelled: dict[str, str]) -> None:
        """Dotted names and the drafts' selectors; values that hold placeholders go into the text."""
        editor = self.editor
        old = str(editor.node((key,)).value)
        new = _DOTTED.sub(lambda m: "{" + placeholder_name(m[1]) + "}", old)
        for name, value in spelled.items():
            new = new.replace("{" + name + "}", value)
        rules = self.rules(self.path, [editor.root.get("imports"), editor.root.get("chunks")], None)
        rules.digits = True
        found = substitutions(new, rules)
        for s in reversed(found):
            new = new[: s.start] + s.new + new[s.start + len(s.old) :]
            if s.unclear:
                self.told.lost(f"{s.old}: {s.unclear}; it stays as it is", editor.document.place(editor.node((key,))))
        if new == old:
            return
        node = editor.node((key,))
        source = editor.source(node)
        for m in reversed(list(_DOTTED.finditer(source))):
            source = source[: m.start()] + "{" + placeholder_name(m[1]) + "}" + source[m.end() :]
        if new == _DOTTED.sub(lambda m: "{" + placeholder_name(m[1]) + "}", old):
            editor.set((key,), new, source)
        else:
            editor.set((key,), new, literal(new, ""))

    def _parent(self) -> None:
        node = self.editor.root.get("implements")
        if node is None or node.is_null:
            return
        text = str(node.value)
        found = self.project.find(text, self.path.parent, above=True)
        if found is None:
            near = nearest_names(re.split(r"[/\\]", text)[-1], [f.name for f in self.project.files])
            message = f"implements: there is no file {text}"
            place = self.editor.document.place(node)
            self.told.problem(SDGenError("missing-file", message, place=place, nearest=near))
            return
        self.project.convert_yaml(found)
        target = self.project.chunks.get(key_of(found), found)
        written = self.project.written(target, self.path.parent, self.editor.document.place(node))
        if written != text:
            self.editor.set(("implements",), written, scalar(written))

    # ---- fields --------------------------------------------------------------------------------------------------

    def _fields(self, text_key: str | None) -> dict[str, str]:
        """``fields`` as ``defaults``. Gives the values that hold placeholders themselves: they belong into the text."""
        editor, root = self.editor, self.editor.root
        fields = root.get("fields")
        wanted: list[str] = []
        if text_key is not None:
            found = _DOTTED.findall(str(editor.node((text_key,)).value))
            wanted = list(dict.fromkeys(map(placeholder_name, found)))
        if fields is None or fields.kind != "map":
            return {}
        editor.node(("fields",))
        if editor.flow(fields):
            raise editor.unsafe("fields: stands in braces; write it as a block", fields)
        lines: list[str] = []
        data: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        at = fields.start.index
        for path, key_node, value in _leaves(fields, ()):
            lines += [f"  {c}" for c in editor.comments(at, key_node.start.index)]
            name = placeholder_name(".".join(path))
            at = editor.end(value)
            tail = editor.trailing_comment(at) if at < editor.end(fields) else ""  # the last one stays where it is
            at += len(tail)
            if value.kind == "map":
                spec = value.python()
                told = [str(spec["description"])] if spec.get("description") else []
                told += [
                    f"{k}: {v}" for k, v in spec.items() if k in ("required", "example") and v not in (None, "", False)
                ]
                lines += [f"  # {' '.join(t.split())}" for t in told]
                inner = value.get("default")
                if inner is None or inner.kind != "scalar":
                    value = Node("scalar", "", value.start, value.start)
                    written = "''"
                else:
                    value, written = inner, editor.source(inner)
            else:
                written = editor.source(value)
                if value.kind != "scalar":
                    raise editor.unsafe(f"the field {'.'.join(path)} is no text", value)
            text = "" if value.is_null else str(value.value)
            if "{" in text and text_key is not None:
                spelled[name] = text
                lines.append(f"  # {name} stood here; it is in the text now: {' '.join(text.split())}")
            elif not text and text_key is None:
                lines.append(f"  # {name}: empty, so the value of the chunk it implements counts{tail}")
            else:
                if "{" in text:
                    message = f"the field {'.'.join(path)} holds a placeholder, and values are not filled a second time"
                    self.told.lost(message, editor.document.place(value), "Write the placeholder into the text.")
                data[name] = value.python() if not value.is_null else ""
                lines.append(f"  {name}: {written if text else repr('')}{tail}")
        for name in wanted:
            if name not in data and name not in spelled and not self._imported(name):
                data[name] = ""
                lines.append(f"  {name}: ''")
        if data:
            editor.rewrite(("fields",), "defaults", data, "\n" + "\n".join(lines))
        else:
            editor.rewrite(("fields",), "defaults", {}, " {}" + "".join(f"\n{line}" for line in lines))
        return spelled

    def _imported(self, name: str) -> bool:
        block = self.editor.root.get("imports")
        return block is not None and block.get(name) is not None


def _leaves(node: Node, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Node, Node]]:
    """The fields with their paths; a map of nothing but ``type``, ``default``, ... describes one field."""
    out: list[tuple[tuple[str, ...], Node, Node]] = []
    for key, key_node, value in node.pairs():
        inner = {k for k, _, _ in value.pairs()} if value.kind == "map" else set()
        if value.kind != "map" or (inner and inner <= _SPEC and "type" in inner):
            out.append(((*path, key), key_node, value))
        else:
            out += _leaves(value, (*path, key))
    return out
