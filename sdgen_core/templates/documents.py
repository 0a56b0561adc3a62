"""YAML files as trees of nodes that know their place, read once and kept while the file does not change.

PyYAML's own composer is recursive in C and dies on deep nesting, and it expands nothing but also limits nothing. Here
the event stream (libyaml's when it is there) is folded into light nodes by a loop: depth, size and alias expansion
are bounded, an alias to an open node is refused, and every node keeps the marks that errors need.

The limits keep the worst file under ten seconds: about 5 microseconds an entry, and half a microsecond an entry that
aliases repeat.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from ..errors import Place, SDGenError, shown
from .yaml_faults import Fault, YamlFault, at, explained, is_tab, without_block, without_tabs

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 1_500_000
MAX_ALIASED = 200_000  # entries that exist only because aliases repeat them
MAX_FAULTS = 5  # faulty blocks put aside in one file before it is given up
_LONGEST_TEXT = 200  # characters of a faulty text that an error carries
_CACHE_BYTES = 96 * 1024 * 1024

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: dict[str | None, list[tuple[str, Any]]] = cast(Any, yaml.SafeLoader).yaml_implicit_resolvers
_TAG = "tag:yaml.org,2002:"
_MAX_BITS = 4096  # Python writes no numbers of more than 4,300 digits, and nobody means one
_PLAIN_TAGS = {
    _TAG + t for t in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "set", "omap", "binary")
}


class Node:
    """One YAML node. ``kind`` is ``map``, ``list`` or ``scalar``; ``value`` the pairs, the items, or the text as
    written.
    """

    __slots__ = ("_merged", "depth", "end", "kind", "plain", "size", "start", "tag", "value")

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
        self.depth = 1
        self._merged: list[tuple[str, Node, Node]] | None = None

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
            if tag == "float" and isinstance(loaded, int):
                return float(loaded)
        except (yaml.YAMLError, ValueError, OverflowError):
            return self.value
        if isinstance(loaded, int) and loaded.bit_length() > _MAX_BITS:
            return self.value
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
        if self._merged is not None:
            return self._merged
        out: dict[str, tuple[str, Node, Node]] = {}
        merges = False
        for key_node, value in self.value:
            if key_node.plain and key_node.value == "<<":
                merges = True
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
        pairs = list(out.values())
        if merges:  # merges of merges are worked out once, not once a look
            self._merged = pairs
        return pairs

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
    """What one reading of a file gave; shared by all runs until the file changes. ``lost`` is the text put aside to make
    the rest readable, None for a sound file.
    """

    __slots__ = ("fault", "lost", "root", "salvaged", "sha256", "text", "values", "warned")

    def __init__(self, text: str, sha256: str) -> None:
        self.text = text
        self.sha256 = sha256
        self.root: Node | None = None
        self.values: Any = None  # cache of the variation reader, see imports.py
        self.warned: list[tuple[str, Any]] = []
        self.fault: Fault | None = None
        self.lost: str | None = None
        self.salvaged: tuple[Parsed | None, list[Fault]] | None = None


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
        """The top node; parsed on first use. Raises ``yaml-syntax``, ``cycle`` or ``too-large``."""
        parsed = self.parsed
        if parsed.root is None:
            if parsed.fault is None:
                try:
                    parsed.root = _fold(parsed.text)
                except YamlFault as e:
                    parsed.fault = e.fault
                else:
                    parsed.warned = [(key, node.start) for key, node in parsed.root.repeated_keys()]
                    return parsed.root
            raise parsed.fault.error(self.name)
        return parsed.root

    def salvage(self) -> tuple[Document | None, list[SDGenError]]:
        """What can be read of a document whose ``root`` raised, and all its faults. None when nothing can."""
        parsed = self.parsed
        if parsed.salvaged is None:
            parsed.salvaged = _salvage(parsed)
        rest, faults = parsed.salvaged
        return None if rest is None else Document(rest, self.path, self.name), [f.error(self.name) for f in faults]

    @property
    def damaged(self) -> bool:
        """Whether this is what was left of a file after faulty blocks were put aside."""
        return self.parsed.lost is not None

    def lost(self, word: str) -> bool:
        """Whether ``word`` stood in a block that was put aside."""
        return self.parsed.lost is not None and re.search(rf"\b{re.escape(word)}\b", self.parsed.lost) is not None

    def release(self) -> None:
        """Forget the tree (a later error parses again): values of variation files are kept in a smaller form."""
        self.parsed.root = None

    def place(self, node: Node | None = None) -> Place:
        if node is None or node.start is None:
            return Place(self.name)
        text = ""
        if node.end is not None and node.end.index - node.start.index <= _LONGEST_TEXT:
            text = self.parsed.text[node.start.index : node.end.index]
            text = "" if "\n" in text else text.strip()
        return Place(self.name, node.start.line + 1, node.start.column + 1, text)

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
        line = node.start.line + self.parsed.text.count("\n", node.start.index, at) + 1
        text = token if len(token) <= _LONGEST_TEXT and "\n" not in token else ""
        return Place(self.name, line, at - self.parsed.text.rfind("\n", 0, at), text)


def _salvage(parsed: Parsed) -> tuple[Parsed | None, list[Fault]]:
    """Put faulty blocks aside until the rest is YAML. Limits and cycles are final."""
    assert parsed.fault is not None
    text, lost = parsed.text, ""
    fault = parsed.fault
    faults = [fault]
    detabbed = False
    while fault.code == "yaml-syntax" and fault.line and len(faults) <= MAX_FAULTS:
        if not detabbed and is_tab(text, fault):
            text, detabbed = without_tabs(text), True
        else:
            step = without_block(text, fault.line)
            if step is None:
                break
            text, aside = step
            lost += aside + "\n"
        try:
            root = _fold(text)
        except YamlFault as e:
            fault = e.fault
            if not any(fault.line == f.line for f in faults):
                faults.append(fault)
            continue
        if root.kind != "map":
            break
        rest = Parsed(text, parsed.sha256)
        rest.root, rest.lost = root, lost
        rest.warned = [(key, node.start) for key, node in root.repeated_keys()]
        return rest, faults
    return None, faults


def fold(text: str, name: str) -> Node:
    """A text as a tree; an empty one gives an empty ``scalar`` of null type. ``name`` stands in errors: ``yaml-syntax``,
    ``cycle``, ``too-large``.
    """
    try:
        return _fold(text)
    except YamlFault as e:
        raise e.fault.error(name) from None


def _fold(text: str) -> Node:
    """Events to nodes, iteratively. Raises ``YamlFault``."""
    anchors: dict[str, Node] = {}
    open_nodes: list[Node] = []
    pending_key: list[Node | None] = []
    root: Node | None = None
    count = aliased = 0
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
                    hint = "Put the text in quotes: at the start of a value * names an anchor (&) of the file."
                    raise at("yaml-syntax", f"alias *{event.anchor} names no anchor", event.start_mark, hint)
                if any(o is node for o in open_nodes):
                    raise at("cycle", f"alias *{event.anchor} stands inside the node it names", event.start_mark)
                aliased += node.size
                if aliased > MAX_ALIASED or node.size > MAX_ALIASED:
                    raise at("too-large", "the aliases of this file expand to too many entries", event.start_mark)
                if len(open_nodes) + node.depth > MAX_DEPTH:
                    raise at("too-large", f"aliases nested more than {MAX_DEPTH} levels deep", event.start_mark)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                done = open_nodes.pop()
                pending_key.pop()
                done.end = event.end_mark
                if open_nodes:
                    open_nodes[-1].size += done.size
                    open_nodes[-1].depth = max(open_nodes[-1].depth, done.depth + 1)
                continue
            elif isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise at(
                        "yaml-syntax",
                        "a second document starts here (---); one file holds one document",
                        event.start_mark,
                    )
                continue
            else:
                continue
            count += 1
            if count > MAX_NODES:
                raise at("too-large", f"more than {MAX_NODES} entries", event.start_mark)
            if not isinstance(event, yaml.AliasEvent):
                if node.tag and node.tag not in _PLAIN_TAGS:
                    hint = "Put the text in quotes: at the start of a value ! names a type."
                    raise at("yaml-syntax", f"the tag {node.tag!r} is not allowed here", event.start_mark, hint)
                if event.anchor:
                    anchors[event.anchor] = node
            if open_nodes:
                parent = open_nodes[-1]
                if parent.kind == "list":
                    parent.value.append(node)
                elif pending_key[-1] is None:
                    if node.kind != "scalar":
                        mark = event.start_mark
                        raise at(
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
                    parent.depth = max(parent.depth, node.depth + 1)
            else:
                root = node
            if node.kind != "scalar" and not isinstance(event, yaml.AliasEvent):
                open_nodes.append(node)
                pending_key.append(None)
                if len(open_nodes) > MAX_DEPTH:
                    raise at("too-large", f"nested more than {MAX_DEPTH} levels deep", event.start_mark)
    except yaml.YAMLError as e:
        raise explained(text, e) from None
    except RecursionError:
        raise at("too-large", "nested too deeply") from None
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
        link = ": it is a link that leads nowhere" if os.path.islink(path) else ""  # noqa: PTH114 - of any name
        raise SDGenError("missing-file", f"the file does not exist: {name}{link}") from None
    _regular(info, name)
    stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
    with _lock:
        hit = _cache.get(key)
        if hit and hit[0] == stamp:
            _cache.move_to_end(key)
            return Document(hit[1], path, name)
    document = Document(parse_bytes(_bytes(path, name), name), path, name)
    size = len(document.parsed.text)
    with _lock:
        _cache[key] = (stamp, document.parsed)
        total = sum(len(p.text) for _, p in _cache.values()) if len(_cache) % 64 == 0 or size > 2**20 else 0
        while total > _CACHE_BYTES and len(_cache) > 1:
            _, (_, old) = _cache.popitem(last=False)
            total -= len(old.text)
    return document


def _regular(info: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise SDGenError("unreadable-file", "this is a folder, not a file", place=Place(name))
    if not stat.S_ISREG(info.st_mode):
        raise SDGenError("unreadable-file", "this is not a regular file", place=Place(name))
    if info.st_size > MAX_BYTES:
        message = f"the file has {info.st_size // 2**20} MiB; {MAX_BYTES // 2**20} are allowed"
        raise SDGenError("too-large", message, place=Place(name))


def _bytes(path: Path, name: str) -> bytes:
    """The file's bytes; waits for nothing (a pipe put in its place, a kernel file) and reads no more than the limit."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
        with os.fdopen(handle, "rb", buffering=0) as file:
            _regular(os.fstat(handle), name)
            parts: list[bytes] = []
            left = MAX_BYTES + 1
            while left > 0 and (part := file.read(min(left, 2**20))):
                parts.append(part)
                left -= len(part)
    except OSError as e:
        raise SDGenError("unreadable-file", f"cannot be read: {e.strerror or e}", place=Place(name)) from None
    if not left:
        raise SDGenError("too-large", f"the file has more than {MAX_BYTES // 2**20} MiB", place=Place(name))
    return b"".join(parts)


def parse_bytes(data: bytes, name: str) -> Parsed:
    """Decode a file's bytes (UTF-8, byte-order mark allowed)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SDGenError("unreadable-file", "the file is UTF-16; save it as UTF-8", place=Place(name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        begin = data.rfind(b"\n", 0, e.start) + 1
        column = len(data[begin : e.start].decode("utf-8-sig", "replace")) + 1
        message = f"byte {data[e.start]:#04x} is no UTF-8 text; save the file as UTF-8"
        raise SDGenError("unreadable-file", message, place=Place(name, line, column)) from None
    return Parsed(plain_lines(text), hashlib.sha256(data).hexdigest())


def plain_lines(text: str) -> str:
    """The text with the line ends of every system as ``\\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def relative(path: Path, base: Path) -> str:
    """``path`` as seen from ``base``, with forward slashes; the absolute path where there is no relative one (other
    drive).
    """
    try:
        return shown(os.path.relpath(path, base))
    except ValueError:
        return shown(path)
