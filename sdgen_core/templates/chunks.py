"""Chunks: named pieces of text, put in for ``@Name``, with their own imports, defaults, chunks and parents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SDGenError, nearest_names
from .documents import Document
from .model import ChunkFile
from .run import Entry, Run, few
from .syntax import Reference, placeholders, references
from .text import Text

RESERVED = ("{prompt}", "{negprompt}", "{loras}")
MAX_TEXT = 1_000_000
MAX_CHAIN = 50
MAX_EXPANSIONS = 5000


@dataclass
class Chunk:
    """One chunk file, merged with its parents. ``chunks`` are the references its text may use besides the prompt's. A
    ``broken`` one is not whole, because what is wrong with it was reported.
    """

    name: str
    text: Text
    kind: str
    path: Path
    imports: dict[str, Entry] = field(default_factory=dict)
    defaults: dict[str, Entry] = field(default_factory=dict)
    chunks: dict[str, Entry] = field(default_factory=dict)
    broken: bool = False


class ChunkBook:
    """Loads chunk files on demand and expands references. ``used`` collects the chunks that an expansion really
    used.
    """

    def __init__(
        self,
        run: Run,
        chunks: dict[str, Entry],
        groups: dict[str, dict[str, Entry]],
        replaced: Mapping[str, str] | None = None,
    ) -> None:
        """``replaced``: import that a theme replaced -> the theme."""
        self._run = run
        self._replaced = replaced or {}
        self._chunks = chunks
        self._groups = groups
        self._loaded: dict[Path, Chunk | None] = {}
        self.used: dict[Path, Chunk] = {}
        self._expansions = 0

    @property
    def names(self) -> list[str]:
        return [*self._chunks, *(f"{g}.{m}" for g, members in self._groups.items() for m in members)]

    def has(self, name: str) -> bool:
        return name in self._chunks

    def load_all(self) -> None:
        """Load every declared chunk, used or not; failures become problems that name chunk and path."""
        for name, entry in self._chunks.items():
            self.load(name, entry)

    def load(self, name: str, entry: Entry) -> Chunk | None:
        """The chunk an entry names; None when it cannot be used, which was recorded."""
        with self._run.collecting():
            node = entry.node
            if node.kind != "scalar" or node.is_null:
                raise SDGenError("chunk-load", f"{entry.where}: the chunk {name} needs a file path", place=entry.place)
            path = self._run.find(str(node.value), entry)
            if path is None:
                raise SDGenError("missing-file", f"{entry.where}: no such file", place=entry.place)
            return self._load(name, path, ())
        return None

    def _load(self, name: str, path: Path, chain: tuple[Path, ...]) -> Chunk | None:
        shown = self._run.name_of(path)
        if path in chain or len(chain) > MAX_CHAIN:
            circle = " -> ".join(
                self._run.name_of(p) for p in (*chain[chain.index(path) if path in chain else 0 :], path)
            )
            raise SDGenError("cycle", f"the chunk {name} implements itself: {circle}")
        if path in self._loaded:
            return self._loaded[path]
        self._loaded[path] = None
        try:
            chunk = self._read(name, path, shown, chain)
        except SDGenError as e:
            if e.code in ("chunk-load", "missing-file") and not e.message.startswith("chunk "):
                message = f"chunk {name} ({shown}): {e.message}"
                raise SDGenError(e.code, message, place=e.place, nearest=e.nearest, hint=e.hint) from None
            raise
        self._loaded[path] = chunk
        return chunk

    def _read(self, name: str, path: Path, shown: str, chain: tuple[Path, ...]) -> Chunk:
        """One chunk file with its parents. Mistakes that leave something to use are recorded, others raised."""
        run = self._run
        failures = run.failures
        prefix = f"chunk {name} ({shown}): "
        document = run.salvage(path, "chunk-load", prefix)
        model = run.rough_model(document, ChunkFile, "chunk-load", prefix=prefix)
        kind = model.type or "chunk"
        root = document.root
        chunk = Chunk(name, Text(""), kind, path)
        if model.implements:
            parent = self._parent(chunk, model.implements, document, prefix, (*chain, path))
            if parent is None:
                run.unsure.add(document.name)
            else:
                chunk.text = parent.text
                chunk.imports.update(parent.imports)
                chunk.defaults.update(parent.defaults)
                chunk.chunks.update(parent.chunks)
        node = root.get("template")
        if node is not None and node.kind == "scalar" and not node.is_null:
            chunk.text = Text.of(document, node)
        elif node is None and not model.implements and not document.damaged:
            run.problem(SDGenError("chunk-load", f"{prefix}the field 'template' is missing", place=document.place()))
        for reserved in RESERVED:
            at = chunk.text.string.find(reserved)
            if at >= 0:
                message = f"{prefix}{reserved} cannot stand in a chunk"
                run.problem(SDGenError("reserved-in-chunk", message, place=chunk.text.place(at, reserved)))
                chunk.text = chunk.text.replace(reserved, Text(""))
        for field_name, into in (("imports", chunk.imports), ("defaults", chunk.defaults), ("chunks", chunk.chunks)):
            block = root.get(field_name)
            if block is not None and block.kind == "map":
                into.update(
                    {
                        k: Entry(v, document, False, f"chunk {name} ({shown}), {field_name}.{k}", True)
                        for k, _, v in block.pairs()
                    }
                )
        chunk.broken = run.failures > failures
        return chunk

    def _parent(
        self, chunk: Chunk, implements: str, document: Document, prefix: str, chain: tuple[Path, ...]
    ) -> Chunk | None:
        run = self._run
        node = document.root.get("implements")
        assert node is not None
        with run.collecting():
            where = prefix.removesuffix(": ") + ", implements"
            path = run.find(implements, Entry(node, document, False, where), only_own=True)
            assert path is not None
            parent = self._load(chunk.name, path, chain)
            if parent is not None and parent.kind != chunk.kind:
                message = f"{prefix}its type is {chunk.kind!r}, but the type of {run.name_of(path)} is {parent.kind!r}"
                run.problem(SDGenError("chunk-load", message, place=document.place(node)))
            return parent
        return None

    def expand(self, text: Text, *, lenient: bool = False) -> Text:
        """The text with all references replaced, also those inside chunks. ``lenient`` leaves unknown names alone
        (negative prompts). What is wrong is recorded, and the reference becomes nothing. Raises ``too-large``.
        """
        return self._expand(text, self._chunks, (), lenient, 0)

    def _expand(self, text: Text, scope: dict[str, Entry], stack: tuple[Path, ...], lenient: bool, depth: int) -> Text:
        if depth > MAX_CHAIN:
            raise SDGenError("too-large", f"chunk references nested more than {MAX_CHAIN} deep", place=text.place(0))
        edits: list[tuple[int, int, Text]] = []
        length = len(text.string)
        for ref in references(text.string):
            raw = text.string[ref.start : ref.end]
            found = self._resolve(ref, scope)
            if found is None:
                if not (ref.optional or lenient or self._run.full or self._run.unknown(ref.name)):
                    self._run.problem(self._unknown(ref, raw, text, scope))
                continue
            entry, end = found
            label = ref.name if ref.member is None or end < ref.end else f"{ref.name}.{ref.member}"
            chunk = self.load(label, entry)
            if chunk is None:
                edits.append((ref.start, end, Text("")))
                continue
            if chunk.path in stack or len(stack) > MAX_CHAIN:
                circle = " -> ".join(self._run.name_of(p) for p in (*stack, chunk.path))
                message = f"the chunk {label} contains itself: {circle}"
                self._run.problem(SDGenError("cycle", message, place=text.place(ref.start, raw)))
                edits.append((ref.start, end, Text("")))
                continue
            self.used[chunk.path] = chunk
            self._expansions += 1 + len(ref.arguments)
            if self._expansions > MAX_EXPANSIONS:
                message = f"more than {MAX_EXPANSIONS} chunk references and values for them in one prompt"
                raise SDGenError("too-large", message, place=text.place(ref.start, raw))
            for piece in ref.bad:
                message = f"{piece[:80]!r} in {raw:.80} has no 'Name:' before it; quote a value that holds a comma"
                self._run.problem(SDGenError("bad-chunk-argument", message, place=text.place(ref.start, raw)))
            body = chunk.text
            arguments: list[tuple[str, Text]] = []
            for name, start, stop in ref.arguments:
                literal = "{" + name + "}"
                if literal not in body.string and not chunk.broken:
                    self._run.warn(
                        f"{literal} does not occur in the chunk {label}",
                        text.place(ref.start, raw),
                        "bad-chunk-argument",
                        nearest_names(name, [p.name for p in placeholders(chunk.text.string)]),
                    )
                # a value belongs to the text that says it: it is expanded there, and put in when the chunk is done
                mark = f"\0{len(arguments)}\0"
                arguments.append((mark, self._expand(text.cut(start, stop), scope, stack, lenient, depth + 1)))
                body = body.replace(literal, Text(mark))
            body = self._expand(body, {**self._chunks, **chunk.chunks}, (*stack, chunk.path), lenient, depth + 1)
            for mark, value in arguments:
                if body.string.count(mark) * len(value.string) > MAX_TEXT:
                    raise SDGenError(
                        "too-large",
                        f"chunks expand to more than {MAX_TEXT:,} characters",
                        place=text.place(ref.start, raw),
                    )
                body = body.replace(mark, value)
            edits.append((ref.start, end, body))
            length += len(body.string)
            if length > MAX_TEXT:
                raise SDGenError(
                    "too-large", f"chunks expand to more than {MAX_TEXT:,} characters", place=text.place(ref.start, raw)
                )
        return text.splice(edits) if edits else text

    def _resolve(self, ref: Reference, scope: dict[str, Entry]) -> tuple[Entry, int] | None:
        """The entry a reference means, and where it ends (``@Hero.next`` without a group Hero is ``@Hero`` and
        text).
        """
        if ref.member is not None:
            if ref.name in self._groups and ref.member in self._groups[ref.name]:
                return self._groups[ref.name][ref.member], ref.end
            if ref.name in scope and not ref.arguments and self._plain_dot(ref):
                return scope[ref.name], ref.end - len(ref.member) - 1
            return None
        return (scope[ref.name], ref.end) if ref.name in scope else None

    @staticmethod
    def _plain_dot(ref: Reference) -> bool:
        return ref.member is not None and ref.end - ref.start == 2 + len(ref.name) + len(ref.member)

    def _unknown(self, ref: Reference, raw: str, text: Text, scope: dict[str, Entry]) -> SDGenError:
        full = ref.name if ref.member is None else f"{ref.name}.{ref.member}"
        known = list(dict.fromkeys([*scope, *self.names]))
        if ref.name in self._replaced:
            return SDGenError(
                "unknown-chunk",
                f"@{full} is there only without a theme: the theme {self._replaced[ref.name]!r} replaces the template's "
                f"imports, {ref.name} among them",
                place=text.place(ref.start, raw),
                hint=f"Add {ref.name} to the theme's imports, or write merge: true in the theme.",
            )
        listed = "known chunks: " + few(known) if known else "no chunks are declared"
        return SDGenError(
            "unknown-chunk",
            f"@{full} is not a chunk ({listed})",
            place=text.place(ref.start, raw),
            nearest=nearest_names(full, known),
        )
