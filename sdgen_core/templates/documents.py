"""YAML files as trees of nodes that know their place, read once and kept while the file does not change.

PyYAML's own composer is recursive in C and dies on deep nesting, and it expands nothing but also limits nothing. Here
the event stream (libyaml's when it is there) is folded into light nodes by a loop: depth, size and alias expansion
are bounded, an alias to an open node is refused, and every node keeps the marks that errors need.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from ..errors import Place, SDGenError, shown

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 4_000_000
_CACHE_BYTES = 96 * 1024 * 1024

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: dict[str | None, list[tuple[str, Any]]] = cast(Any, yaml.SafeLoader).yaml_implicit_resolvers
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {
    _TAG + t for t in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "set", "omap", "binary")
}


class Node:
    """One YAML node. ``kind`` is ``map``, ``list`` or ``scalar``; ``value`` the pairs, the items, or the text as
    written.
    """

    __slots__ = ("end", "kind", "plain", "size", "start", "tag", "value")

    def __init__(
        self, kind: str, value: Any, start: Any, end: Any, tag: str | None = None, plain: bool = False
    ) -> None:
        self.kind = kind
        self.value = value
        self.start = start
        self.end = end
        self.tag = tag
        self.plain = plain
        self.size = 1

    def resolved_tag(self) -> str:
        """The YAML 1.1 type of a scalar, without its prefix: ``str``, ``int``, ``float``, ``bool``, ``null``, ..."""
        if self.tag:
            return self.tag.removeprefix(_TAG)
        if not self.plain:
            return "str"
        text: str = self.value
        for tag, pattern in _RESOLVERS.get(text[0] if text else "", ()):
            if pattern.match(text):
                return str(tag).removeprefix(_TAG)
        return "str"

    @property
    def is_null(self) -> bool:
        return self.kind == "scalar" and self.resolved_tag() == "null"

    @property
    def is_text(self) -> bool:
        return self.kind == "scalar" and self.resolved_tag() == "str"

    def python(self) -> Any:
        """The typed value, as a YAML 1.1 safe loader would give it, with every mapping key turned into text."""
        if self.kind == "map":
            return {key: value.python() for key, _, value in self.pairs()}
        if self.kind == "list":
            return [item.python() for item in self.value]
        return self.scalar()

    def scalar(self) -> Any:
        tag = self.resolved_tag()
        if tag == "str":
            return self.value
        if tag == "null":
            return None
        try:
            loaded = yaml.safe_load(self.value)
        except (yaml.YAMLError, ValueError):
            return self.value
        if tag == "float" and isinstance(loaded, int):
            return float(loaded)
        if isinstance(loaded, float) and not math.isfinite(loaded):
            return self.value  # JSON knows no infinity
        return loaded if isinstance(loaded, (bool, int, float)) else self.value

    def key_text(self) -> str:
        """A mapping key as text: ``20`` gives "20", ``true`` gives "True", as users' old key names expect."""
        return self.value if self.is_text else str(self.scalar())

    def pairs(self) -> list[tuple[str, Node, Node]]:
        """(key text, key node, value node) with merge keys applied; a repeated key keeps the first place and the last
        value.
        """
        out: dict[str, tuple[str, Node, Node]] = {}
        for key_node, value in self.value:
            if key_node.plain and key_node.value == "<<":
                sources = value.value if value.kind == "list" else [value]
                for source in sources:
                    if source.kind == "map":
                        for entry in source.pairs():
                            out.setdefault(entry[0], entry)
        for key_node, value in self.value:
            if key_node.plain and key_node.value == "<<":
                continue
            key = key_node.key_text()
            out[key] = (key, key_node, value)
        return list(out.values())

    def get(self, key: str) -> Node | None:
        if self.kind != "map":
            return None
        for name, _, value in self.pairs():
            if name == key:
                return value
        return None

    def at(self, path: tuple[str | int, ...]) -> Node:
        """The node at ``path``, or the deepest existing one above it."""
        node = self
        for step in path:
            if node.kind == "map" and (child := node.get(str(step))) is not None:
                node = child
            elif node.kind == "list" and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                break
        return node

    def repeated_keys(self) -> Iterator[tuple[str, Node]]:
        """Keys written twice in one mapping, anywhere below this node."""
        stack, seen = [self], {id(self)}
        while stack:
            node = stack.pop()
            children: list[Node] = []
            if node.kind == "map":
                known: set[str] = set()
                for key_node, value in node.value:
                    key = key_node.value
                    if key in known and key != "<<":
                        yield key, key_node
                    known.add(key)
                    children.append(value)
            elif node.kind == "list":
                children = node.value
            for child in children:
                if child.kind != "scalar" and id(child) not in seen:
                    seen.add(id(child))
                    stack.append(child)


class Parsed:
    """What one reading of a file gave; shared by all runs until the file changes."""

    __slots__ = ("root", "sha256", "text", "values", "warned")

    def __init__(self, text: str, sha256: str) -> None:
        self.text = text
        self.sha256 = sha256
        self.root: Node | None = None
        self.values: Any = None  # cache of the variation reader, see imports.py
        self.warned: list[tuple[str, Any]] = []


class Document:
    """A YAML source as one run sees it: its ``path`` (None for text typed in a node) and the name shown in messages."""

    __slots__ = ("name", "parsed", "path")

    def __init__(self, parsed: Parsed, path: Path | None, name: str) -> None:
        self.parsed = parsed
        self.path = path
        self.name = name

    @property
    def folder(self) -> Path | None:
        return None if self.path is None else self.path.parent

    @property
    def root(self) -> Node:
        """The top node; parsed on first use. Raises ``yaml-syntax`` or ``too-large``."""
        if self.parsed.root is None:
            self.parsed.root = fold(self.parsed.text, self.name)
            self.parsed.warned = [(key, node.start) for key, node in self.parsed.root.repeated_keys()]
        return self.parsed.root

    def release(self) -> None:
        """Forget the tree (a later error parses again): values of variation files are kept in a smaller form."""
        self.parsed.root = None

    def place(self, node: Node | None = None) -> Place:
        if node is None or node.start is None:
            return Place(self.name)
        return Place(self.name, node.start.line + 1, node.start.column + 1)

    def place_in(self, node: Node, offset: int, token: str) -> Place:
        """The place of ``token``, which stands at ``offset`` of the scalar's text, whatever style the scalar is
        written in.
        """
        nth = node.value.count(token, 0, offset) if token else 0
        at = node.start.index
        for _ in range(nth + 1):
            found = self.parsed.text.find(token, at, node.end.index)
            if found < 0:
                return self.place(node)
            at = found + 1
        at -= 1
        line = self.parsed.text.count("\n", 0, at) + 1
        return Place(self.name, line, at - self.parsed.text.rfind("\n", 0, at))


def fold(text: str, name: str) -> Node:
    """Events to nodes, iteratively. An empty document gives an empty ``scalar`` of null type."""

    def fail(code: str, message: str, mark: Any = None) -> SDGenError:
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        return SDGenError(code, message, place=place)

    anchors: dict[str, Node] = {}
    open_nodes: list[Node] = []
    pending_key: list[Node | None] = []
    root: Node | None = None
    count = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            node: Node | None = None
            if isinstance(event, yaml.ScalarEvent):
                tag = event.tag if event.tag and event.tag != "!" else None
                plain = tag is None and bool(event.implicit[0])
                node = Node("scalar", event.value, event.start_mark, event.end_mark, tag, plain)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
                node = Node(kind, [], event.start_mark, event.end_mark, event.tag)
            elif isinstance(event, yaml.AliasEvent):
                node = anchors.get(str(event.anchor))
                if node is None:
                    raise fail("yaml-syntax", f"alias *{event.anchor} names no anchor", event.start_mark)
                if any(o is node for o in open_nodes):
                    raise fail("cycle", f"alias *{event.anchor} stands inside the node it names", event.start_mark)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                done = open_nodes.pop()
                pending_key.pop()
                done.end = event.end_mark
                if open_nodes:
                    open_nodes[-1].size += done.size
                if done.size > MAX_NODES:
                    raise fail("too-large", "the aliases of this file expand to millions of entries", done.start)
                continue
            elif isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise fail(
                        "yaml-syntax",
                        "a second document starts here (---); one file holds one document",
                        event.start_mark,
                    )
                continue
            else:
                continue
            count += 1
            if count > MAX_NODES:
                raise fail("too-large", f"more than {MAX_NODES} entries", event.start_mark)
            if not isinstance(event, yaml.AliasEvent):
                if node.tag and node.tag not in _PLAIN_TAGS:
                    raise fail("yaml-syntax", f"the tag {node.tag!r} is not allowed here", event.start_mark)
                if event.anchor:
                    anchors[event.anchor] = node
            if open_nodes:
                parent = open_nodes[-1]
                if parent.kind == "list":
                    parent.value.append(node)
                elif pending_key[-1] is None:
                    if node.kind != "scalar":
                        mark = event.start_mark
                        raise fail(
                            "yaml-syntax",
                            "a mapping key must be plain text (quote a value that starts with { or [)",
                            mark,
                        )
                    pending_key[-1] = node
                else:
                    parent.value.append((pending_key[-1], node))
                    pending_key[-1] = None
                if node.kind == "scalar" or isinstance(event, yaml.AliasEvent):
                    parent.size += node.size
            else:
                root = node
            if node.kind != "scalar" and not isinstance(event, yaml.AliasEvent):
                open_nodes.append(node)
                pending_key.append(None)
                if len(open_nodes) > MAX_DEPTH:
                    raise fail("too-large", f"nested more than {MAX_DEPTH} levels deep", event.start_mark)
    except yaml.MarkedYAMLError as e:
        problem = ", ".join(p for p in (e.context, e.problem) if p) or "not valid YAML"
        raise fail("yaml-syntax", problem, e.problem_mark or e.context_mark) from None
    except yaml.YAMLError as e:  # reader errors carry a position but no mark
        raise fail("yaml-syntax", str(e).splitlines()[0] if str(e) else "not valid YAML") from None
    except RecursionError:
        raise fail("too-large", "nested too deeply") from None
    return root if root is not None else Node("scalar", "", None, None, None, True)


_lock = threading.Lock()
_cache: OrderedDict[str, tuple[tuple[int, int, int], Parsed]] = OrderedDict()


def read(path: Path, name: str) -> Document:
    """Read a file, from the cache when its time and size are unchanged.

    Raises ``missing-file``, ``unreadable-file`` (folder, device, no permission, not UTF-8) or ``too-large``.
    """
    key = str(path)
    try:
        info = path.stat()
    except PermissionError:
        raise SDGenError("unreadable-file", "no permission to read this file", place=Place(name)) from None
    except (OSError, ValueError):
        raise SDGenError("missing-file", f"the file does not exist: {name}") from None
    if stat.S_ISDIR(info.st_mode):
        raise SDGenError("unreadable-file", "this is a folder, not a file", place=Place(name))
    if not stat.S_ISREG(info.st_mode):
        raise SDGenError("unreadable-file", "this is not a regular file", place=Place(name))
    if info.st_size > MAX_BYTES:
        raise SDGenError(
            "too-large",
            f"the file has {info.st_size // 2**20} MiB; {MAX_BYTES // 2**20} are allowed",
            place=Place(name),
        )
    stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
    with _lock:
        hit = _cache.get(key)
        if hit and hit[0] == stamp:
            _cache.move_to_end(key)
            return Document(hit[1], path, name)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise SDGenError("unreadable-file", f"cannot be read: {e.strerror or e}", place=Place(name)) from None
    document = Document(parse_bytes(data, name), path, name)
    with _lock:
        _cache[key] = (stamp, document.parsed)
        total = sum(len(p.text) for _, p in _cache.values()) if len(_cache) % 64 == 0 or len(data) > 2**20 else 0
        while total > _CACHE_BYTES and len(_cache) > 1:
            _, (_, old) = _cache.popitem(last=False)
            total -= len(old.text)
    return document


def parse_bytes(data: bytes, name: str) -> Parsed:
    """Decode a file's bytes (UTF-8, byte-order mark allowed)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SDGenError("unreadable-file", "the file is UTF-16; save it as UTF-8", place=Place(name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        message = f"not UTF-8 text (byte {e.start}); save the file as UTF-8"
        raise SDGenError("unreadable-file", message, place=Place(name, line)) from None
    return Parsed(text.replace("\r\n", "\n"), hashlib.sha256(data).hexdigest())


def relative(path: Path, base: Path) -> str:
    """``path`` as seen from ``base``, with forward slashes; the absolute path where there is no relative one (other
    drive).
    """
    try:
        return shown(os.path.relpath(path, base))
    except ValueError:
        return shown(path)
