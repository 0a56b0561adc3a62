"""Point edits on YAML source: the text around an edit (comments, order, quotes, line breaks) stays as the user wrote it.

Every edit is made twice, in the text and in the data it stands for; ``result`` parses the new text and compares. A file
that cannot be edited safely (aliases, everything inside one pair of braces) raises ``unsafe-edit`` and stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import SDGenError
from ..documents import Document, Node, Parsed, fold
from .texts import lines_of, scalar

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_COMMENT = re.compile(r"[ \t]*#[^\r\n]*")

Path = tuple[str | int, ...]


class Editor:
    """The edits of one file. ``data`` is what the new text must mean; paths are those of the old text."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.document = Document(Parsed(text, ""), None, name)
        self.document.parsed.root = fold(text, name)
        self.root = self.document.parsed.root
        self.data: Any = self.root.python()
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[tuple[int, int, int, str]] = []

    def unsafe(self, why: str, node: Node | None = None) -> SDGenError:
        return SDGenError("unsafe-edit", why, place=self.document.place(node))

    # ---- where things are ----------------------------------------------------------------------------------------

    def flow(self, node: Node) -> bool:
        """Whether a map or list is written in braces or brackets."""
        properties = _PROPERTIES.match(self.text, node.start.index)
        start = properties.end() if properties else node.start.index
        return node.kind != "scalar" and self.text[start : start + 1] in ("{", "[")

    def end(self, node: Node) -> int:
        """Where a node's own text ends; the parser's marks of blocks run on over comments and empty lines."""
        if node.kind != "scalar" and not self.flow(node):
            children = [child for pair in node.value for child in pair] if node.kind == "map" else node.value
            last = children[-1]
            if last.start.index < node.start.index:
                raise self.unsafe("an alias ends this block; write its values out first", node)
            return self.end(last)
        stop: int = node.end.index
        start: int = node.start.index
        return start + len(self.text[start:stop].rstrip())

    def line_start(self, index: int) -> int:
        return max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1

    def line_end(self, index: int) -> int:
        """The end of the line, before its line break."""
        found = re.compile(r"[\r\n]|\Z").search(self.text, index)
        return found.start() if found else len(self.text)

    def next_line(self, index: int) -> int:
        found = re.compile(r"\r\n|\r|\n|\Z").search(self.text, index)
        return found.end() if found else len(self.text)

    def alone(self, node: Node) -> bool:
        """Whether nothing but space stands before a node in its line."""
        return not self.text[self.line_start(node.start.index) : node.start.index].strip()

    def source(self, node: Node) -> str:
        return self.text[node.start.index : self.end(node)]

    def comments(self, start: int, end: int) -> list[str]:
        """The comments that stand in lines of their own, or behind something, in a stretch between two nodes."""
        return [line[line.index("#") :].strip() for line in lines_of(self.text[start:end]) if "#" in line]

    def trailing_comment(self, end: int) -> str:
        """The comment behind ``end`` in the same line, with the space before it."""
        found = _COMMENT.fullmatch(self.text, end, self.line_end(end))
        return found[0] if found else ""

    # ---- edits ---------------------------------------------------------------------------------------------------

    def replace(self, start: int, end: int, new: str, first: bool = False) -> None:
        """Other text for ``[start, end)``; ``first`` puts it before other edits of the same place."""
        self._edits.append((start, end, 0 if first else 1, re.sub(r"\r?\n", self.newline, new)))

    def rename(self, path: Path, new: str) -> None:
        """Another name for a key; its place in the map stays."""
        parent, key_node = self._key(path)
        self.replace(key_node.start.index, self.end(key_node), scalar(new))
        pairs = [(new if k == path[-1] else k, v) for k, v in parent.items()]
        parent.clear()
        parent.update(pairs)

    def set(self, path: Path, value: Any, source: str) -> None:
        """Another value, written as ``source``."""
        node = self.node(path)
        self.replace(node.start.index, self.end(node), source)
        self._at(path[:-1])[path[-1]] = value

    def rewrite(self, path: Path, key: str, value: Any, source: str) -> None:
        """Another key and another value in the place of a pair; ``source`` is what stands behind the colon."""
        parent, key_node = self._key(path)
        self.replace(key_node.start.index, self.end(self.node(path)), f"{scalar(key)}:{source}")
        pairs = [(key, value) if k == path[-1] else (k, v) for k, v in parent.items()]
        parent.clear()
        parent.update(pairs)

    def mean(self, path: Path, value: Any) -> None:
        """The value that the caller's own ``replace`` edits give a path."""
        self._at(path[:-1])[path[-1]] = value

    def comment_out(self, path: Path) -> None:
        """Turn a key and its value into comments."""
        parent, key_node = self._key(path)
        if not self.alone(key_node):
            raise self.unsafe(f"{path[-1]!r} does not begin its line", key_node)
        column = key_node.start.index - self.line_start(key_node.start.index)
        at, end = key_node.start.index, self.end(self.node(path))
        while at < end:
            line = self.text[self.line_start(at) : self.line_end(at)]
            indent = min(column, len(line) - len(line.lstrip()))
            self.replace(self.line_start(at) + indent, self.line_start(at) + indent, "# ")
            at = self.next_line(at)
        del parent[str(path[-1])]

    def remove(self, path: Path) -> None:
        """Take a key and its value out: whole lines in a block, up to the comma in braces."""
        parent, key_node = self._key(path)
        end = self.end(self.node(path))
        if self.alone(key_node) and not self.flow(self.node(path[:-1])):
            if tail := self.trailing_comment(end):
                self.replace(key_node.start.index, end + len(tail) - len(tail.lstrip()), "")
            else:
                start, stop = self.line_start(key_node.start.index), self.next_line(end)
                if not self.text[self.line_start(max(0, start - 1)) : start].strip():
                    blank = self.next_line(stop)  # two empty lines would meet
                    stop = blank if not self.text[stop:blank].strip() else stop
                self.replace(start, stop, "")
        else:
            pairs = self.node(path[:-1]).value
            position = next(i for i, (k, _) in enumerate(pairs) if k is key_node)
            if position:
                self.replace(self.end(pairs[position - 1][1]), end, "")
            elif len(pairs) > 1:
                self.replace(key_node.start.index, pairs[1][0].start.index, "")
            else:
                raise self.unsafe(f"{path[-1]!r} is alone in its map", key_node)
        del parent[str(path[-1])]

    def insert_first(self, pairs: dict[str, str]) -> None:
        """New first keys of the file."""
        first = self._block_root()
        start = self.line_start(first.start.index)
        indent = self.text[start : first.start.index]
        self.replace(start, start, "".join(f"{indent}{k}: {scalar(v)}\n" for k, v in pairs.items()), first=True)
        self.data = {**pairs, **self.data}

    def append(self, key: str, value: Any, source: str) -> None:
        """A new last key of the file."""
        first = self._block_root()
        start = self.line_start(first.start.index)
        at = self.next_line(self.end(self.root))
        lead = "" if self.text[:at].endswith(("\n", "\r")) else "\n"
        self.replace(at, at, f"{lead}{self.text[start : first.start.index]}{key}: {source}\n")
        self.data[key] = value

    def _block_root(self) -> Node:
        if self.flow(self.root) or not self.root.value or not self.alone(self.root.value[0][0]):
            raise self.unsafe("the whole file stands in braces")
        first: Node = self.root.value[0][0]
        return first

    def node(self, path: Path) -> Node:
        """The node at ``path``. Raises ``unsafe-edit`` when it stands elsewhere in the file (an alias)."""
        node, low = self.root, -1
        for step in path:
            if node.kind == "map":
                pair = next(((k, v) for key, k, v in node.pairs() if key == step), None)
                if pair is None:
                    raise KeyError(step)
                low, node = pair[0].start.index, pair[1]
            else:
                node = node.value[step]
            if node.start.index < low:
                raise self.unsafe(f"{step!r} is an alias; write its values out first", node)
            low = node.start.index
        return node

    def node_key(self, path: Path) -> Node:
        """The key of the pair at ``path``."""
        return self._key(path)[1]

    def _key(self, path: Path) -> tuple[dict[str, Any], Node]:
        parent = self.node(path[:-1])
        hits = [k for k, _ in parent.value if k.key_text() == path[-1]]
        if len(hits) != 1:
            raise self.unsafe(f"the key {path[-1]!r} is written {len(hits)} times", hits[0] if hits else parent)
        self.node(path)
        return self._at(path[:-1]), hits[0]

    def _at(self, path: Path) -> Any:
        data = self.data
        for step in path:
            data = data[step]
        return data

    @property
    def changed(self) -> bool:
        return bool(self._edits)

    def result(self) -> str:
        """The new text. Raises ``unsafe-edit`` when it does not mean what was intended."""
        out: list[str] = []
        at = 0
        for start, end, _, new in sorted(self._edits, key=lambda e: e[:3]):
            if start < at:
                raise self.unsafe("two edits meet in one place")
            out += [self.text[at:start], new]
            at = end
        text = "".join([*out, self.text[at:]])
        try:
            meant = fold(text, self.name).python()
        except SDGenError:
            meant = None
        if json.dumps(meant) != json.dumps(self.data):  # also the order of keys
            raise self.unsafe("the file is laid out in a way that cannot be edited safely")
        return text
