"""What ``imports:`` can say about a name, and variation files.

Keys are identities: file keys as written, inline texts by the first eight hex digits of their MD5 (what users' fixed
placeholders and manifests have always used), file keys that clash by a prefix made of the file's path.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import SDGenError
from .documents import Document, Node
from .resolved import Value
from .run import MAX_PROBLEMS, Entry, Run, flat, is_file, together

REMOVE = "[Remove]"
_KEY_LINE = re.compile(r"\s*[^:#\s][^:]*:\s+\S.*")


@dataclass
class Pool:
    """The ordered values of one name. ``missing`` explains why there are none, ``nearest`` are the files that may have
    been meant; ``chunks`` and ``chunk`` are chunk files, not values. A ``broken`` pool is not whole, because what is
    wrong with it was reported.
    """

    values: dict[str, Value] = field(default_factory=dict)
    weight: int | None = None
    missing: str | None = None
    nearest: list[str] = field(default_factory=list)
    removed: bool = False
    chunks: dict[str, Entry] | None = None
    chunk: Entry | None = None
    broken: bool = False


class _Faults:
    """Collects what is wrong in one import or file, to raise it together."""

    def __init__(self) -> None:
        self.errors: list[SDGenError] = []

    def add(self, error: SDGenError) -> None:
        if len(self.errors) <= MAX_PROBLEMS:
            self.errors += flat(error)

    def check(self) -> None:
        if self.errors:
            raise together(self.errors)


def inline_key(raw: str) -> str:
    """The key of an inline text."""
    return hashlib.md5(raw.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]


def is_path(text: str) -> bool:
    clean = text.strip()
    return clean.endswith((".yaml", ".yml")) and clean[:1] not in "\"'" and "\n" not in clean


def is_chunk(text: str) -> bool:
    return text.strip().endswith((".chunk.yaml", ".chunk.yml"))


def is_remove(node: Node) -> bool:
    """The list ``[Remove]``."""
    return (
        node.kind == "list"
        and len(node.value) == 1
        and node.value[0].kind == "scalar"
        and node.value[0].value == "Remove"
    )


def clash_prefix(path: str) -> str:
    """``v/more.coats.yaml`` -> ``v__more_coats``: what a key gets in front when an earlier file has the same key."""
    clean = re.sub(r"^\.\./+", "", path.strip())
    clean = clean.removeprefix("./")
    for ending in (".yaml", ".yml"):
        clean = clean.removesuffix(ending)
    return clean.replace("/", "__").replace(".", "_")


#: What was read for (leaf's folder, file that says it, where, style): for checks of many templates at once.
Memo = dict[tuple[Path | None, Path, str, str], tuple[Pool | SDGenError, Run]]


class ImportReader:
    """Reads import entries for one run. ``style`` other than default looks for ``file.STYLE.yaml`` of ``sensitive``
    names. With a ``memo`` each entry is read once.
    """

    def __init__(self, run: Run, style: str, sensitive: frozenset[str], memo: Memo | None = None) -> None:
        self._run = run
        self._style = style
        self._sensitive = sensitive
        self._memo = memo

    def read(self, name: str, entry: Entry) -> Pool:
        """Raises all that is wrong with the import together: own missing files, bad values, bad list items."""
        path = entry.document.path
        if self._memo is None or path is None:
            return self._read(name, entry)
        key = (self._run.base, path, entry.where, self._style if name in self._sensitive else "")
        known = self._memo.get(key)
        if known is None:
            aside = self._run.aside()
            found: Pool | SDGenError
            try:
                found = ImportReader(aside, self._style, self._sensitive).read(name, entry)
            except SDGenError as error:
                found = error
            known = self._memo[key] = found, aside
        found, aside = known
        self._run.take(aside)
        if isinstance(found, SDGenError):
            raise found
        return found

    def _read(self, name: str, entry: Entry) -> Pool:
        node = entry.node
        if node.kind == "scalar":
            if node.is_null:
                return Pool(missing="its import is empty")
            if not is_path(node.value):
                return Pool(self._inline(entry, node))
            if is_chunk(node.value):
                return Pool(chunk=entry)
            try:
                path = self._path(name, node.value, entry)
            except SDGenError as error:
                if entry.own or error.code != "missing-file":
                    raise
                # an inherited file that is missing matters to those who use the name
                self._run.warn(error.message, entry.place, "missing-file", error.nearest)
                text = f"the file {node.value.strip()} of {entry.where} ({entry.place}) does not exist"
                return Pool(missing=text, nearest=error.nearest, broken=self._run.strict)
            return Pool(dict(self._values(path)))
        if is_remove(node):
            return Pool(removed=True)
        if node.kind == "list":
            values = self._list(name, entry)
            return Pool(values, missing=None if values else f"{entry.where} is an empty list")
        return self._map(name, entry)

    def _path(self, name: str, text: str, entry: Entry) -> Path:
        path = self._run.find(text, entry)
        assert path is not None
        if name in self._sensitive and self._style != "default":
            for ending in (".yaml", ".yml"):
                styled = f"{str(path).removesuffix(path.suffix)}.{self._style}{ending}"
                if not set(self._style) & set("/\\:") and is_file(styled):
                    return Path(styled)
        return path

    def _inline(self, entry: Entry, node: Node) -> dict[str, Value]:
        """A text that is no path: one value, or one per line when every line reads ``key: text``."""
        raw = str(node.value)
        lines = [line for line in raw.splitlines() if line.strip()]
        if len(lines) > 1 and all(_KEY_LINE.fullmatch(line) for line in lines):
            out: dict[str, Value] = {}
            for line in lines:
                key, _, text = line.partition(":")
                out[key.strip()] = text.strip().strip("\"'")
            return out
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", raw.strip()):
            self._run.warn(
                f"{entry.where}: {raw.strip()!r} is read as a text, because a file name ends in .yaml", entry.place
            )
        return {inline_key(raw): raw.strip("\"'")}

    def _file(self, name: str, text: str, entry: Entry) -> dict[str, Value]:
        return self._values(self._path(name, text, entry))

    def _values(self, path: Path) -> dict[str, Value]:
        """A file's values. Raises all that is wrong with it together, YAML mistakes and bad values alike."""
        faults = _Faults()
        document, faults.errors = self._run.parts(path)
        values: dict[str, Value] = {}
        try:
            values = variation_values(self._run, document)
        except SDGenError as error:
            faults.add(error)
        faults.check()
        self._run.spend(len(values))
        return values

    def _list(self, name: str, entry: Entry) -> dict[str, Value]:
        out: dict[str, Value] = {}
        faults = _Faults()
        for position, node in enumerate(entry.node.value):
            item = replace(entry, node=node, where=f"{entry.where}[{position}]")
            try:
                self._item(name, out, item, position)
            except SDGenError as error:
                faults.add(error)
                if error.code == "too-large":
                    break
        faults.check()
        return out

    def _item(self, name: str, out: dict[str, Value], item: Entry, position: int) -> None:
        node = item.node
        if node.kind == "map":
            merge_clash(out, self._map(name, item).values, f"{position}")
        elif node.kind == "list":
            raise SDGenError("bad-variation-value", f"{item.where}: a list inside a list", place=item.place)
        elif node.is_null:
            self._run.warn(f"{item.where} is empty and gives no value", item.place, "bad-variation-value")
        elif is_path(node.value) and (node.value.strip().endswith(".yaml") or self._exists(node.value, item)):
            merge_clash(out, self._file(name, node.value, item), clash_prefix(node.value))
        else:
            if is_path(node.value):
                self._run.warn(
                    f"{item.where}: there is no file {node.value.strip()}; it is read as a text",
                    item.place,
                    "missing-file",
                )
            out[inline_key(node.value)] = node.value.strip("\"'")

    def _exists(self, text: str, entry: Entry) -> bool:
        return self._run.find(text, entry, missing_ok=True) is not None

    def _map(self, name: str, entry: Entry) -> Pool:
        pairs = entry.node.pairs()
        keys = {key for key, _, _ in pairs}
        if "source" in keys and keys <= {"source", "weight"}:
            inner = {key: node for key, _, node in pairs}
            pool = self.read(name, replace(entry, node=inner["source"], where=f"{entry.where}.source"))
            if "weight" in inner:
                weight = inner["weight"].scalar() if inner["weight"].kind == "scalar" else None
                if not isinstance(weight, int) or isinstance(weight, bool):
                    raise SDGenError(
                        "bad-structure",
                        f"{entry.where}.weight is not a whole number",
                        place=entry.document.place(inner["weight"]),
                    )
                pool.weight = max(0, weight)
            return pool
        paths = [(key, node) for key, _, node in pairs if node.is_text and is_path(node.value)]
        if pairs and len(paths) == len(pairs):
            if any(is_chunk(node.value) for _, node in paths):
                return Pool(
                    chunks={key: replace(entry, node=node, where=f"{entry.where}.{key}") for key, node in paths},
                )
            out: dict[str, Value] = {}
            faults = _Faults()
            for key, node in paths:
                item = replace(entry, node=node, where=f"{entry.where}.{key}")
                try:
                    merge_clash(out, self._file(name, node.value, item), key)
                except SDGenError as error:
                    faults.add(error)
            faults.check()
            return Pool(out)
        values = _values(self._run, entry.document, entry.node)
        if not values:
            return Pool(missing=f"{entry.where} is an empty map")
        return Pool(values)


def merge_clash(out: dict[str, Value], new: dict[str, Value], prefix: str) -> None:
    """Add ``new``; a key that is there already gets ``prefix__`` in front."""
    for key, value in new.items():
        out[f"{prefix}__{key}" if key in out else key] = value


def _is_map(node: Node | None) -> bool:
    return node is not None and node.kind == "map"


def variation_values(run: Run, document: Document) -> dict[str, Value]:
    """The values of a variation file, parsed once per file version. Raises ``bad-structure``, or all its
    ``bad-variation-value`` together.
    """
    cached = document.parsed.values
    if isinstance(cached, dict):
        return cached
    root = document.root
    if root.kind == "scalar":
        what = "is empty" if root.is_null else "holds a single text, not a map of values"
        raise SDGenError("bad-structure", f"the variation file {what}", place=document.place())
    inner = root
    if root.kind == "map":
        found = root.get("variations")
        kind = root.get("type")
        word = kind.value if kind is not None and kind.kind == "scalar" else None
        if found is not None:
            inner = found
        elif word == "variations" and not document.lost("variations"):
            raise SDGenError("bad-structure", "the field 'variations' is missing", place=document.place(root))
        elif word in ("prompt", "template", "theme_config") or _is_map(root.get("generation")):
            raise SDGenError("bad-structure", "this is no variation file but another kind", place=document.place(root))
    before = run.oddities
    if inner.kind == "scalar":
        what = "is empty" if inner.is_null else "is not a map"
        raise SDGenError("bad-variation-value", f"'variations' {what}", place=document.place(inner))
    values = _values(run, document, inner)
    if not values and not document.damaged:
        raise SDGenError("bad-structure", "the variation file holds no values", place=document.place(inner))
    if run.oddities == before and not run.strict and not document.damaged:
        document.parsed.values = values
        document.release()
    return values


def _values(run: Run, document: Document, node: Node) -> dict[str, Value]:
    """The values of a map ``key: value`` or of a list of texts and such maps. Raises all bad ones together."""
    values: dict[str, Value] = {}
    faults = _Faults()
    for item in [node] if node.kind == "map" else node.value:
        if item.kind == "map":
            pairs = item.pairs() if item is node else _spelt_out(run, document, item)
            for key, _, value in pairs:
                try:
                    values[key] = _value(run, document, key, value)
                except SDGenError as error:
                    faults.add(error)
        elif item.kind == "scalar" and not item.is_null:
            values[item.value.strip()] = item.value
        else:
            message = "an item of the list is neither a text nor 'key: text'"
            faults.add(SDGenError("bad-variation-value", message, place=document.place(item)))
    faults.check()
    return values


def _spelt_out(run: Run, document: Document, item: Node) -> list[tuple[str, Node, Node]]:
    """The pairs of a map in a list of values; ``{key: Red, value: red coat, weight: 2}`` is the pair ``Red: red coat``."""
    found = {key: value for key, _, value in item.pairs()}
    if "value" not in found or not found.keys() <= {"key", "value", "weight"} or len(found) < 2:
        return item.pairs()
    if "weight" in found:
        run.warn("a weight of a single value has no effect", document.place(found["weight"]), "bad-variation-value")
    key = found.get("key", found["value"])
    return [(key.key_text(), key, found["value"])] if key.kind == "scalar" else item.pairs()


def _value(run: Run, document: Document, key: str, node: Node) -> Value:
    if node.kind == "scalar":
        if node.is_null:
            run.warn(f"the value of {key!r} is empty", document.place(node), "bad-variation-value")
            return ""
        return str(node.value)
    if node.kind == "map":
        parts: dict[str, str] = {}
        for part, _, inner in node.pairs():
            if inner.kind != "scalar":
                text = f"the part {part!r} of {key!r} is a {inner.kind}, not a text"
                raise SDGenError("bad-variation-value", text, place=document.place(inner))
            parts[part] = "" if inner.is_null else str(inner.value)
        return parts
    raise SDGenError("bad-variation-value", f"the value of {key!r} is a list, not a text", place=document.place(node))
