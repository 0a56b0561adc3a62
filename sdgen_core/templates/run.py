"""One loading of one template: which folder is the leaf's, which files were read, what was odd, what was wrong.

Problems are collected wherever the reading can go on, so that a user sees all mistakes of a file set at once; what only
follows from a mistake (a name whose import could not be read) is not reported again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Place, SDGenError, nearest_names, shown
from . import documents
from .documents import Document, Node

if TYPE_CHECKING:
    from .model import FileModel

M = TypeVar("M", bound="FileModel")

#: What to write for a field that is missing.
_MISSING = {
    "generation": "Add generation: {mode: combinatorial, seed: -1, seed_mode: progressive, max_images: -1}.",
}

_ABSOLUTE = re.compile(r"[\\/~]|[A-Za-z]:")
MAX_PROBLEMS = 200  # of one loading; more are counted, not kept
MAX_VALUES = 3_000_000  # values that one loading may put together

#: What stands for a required field that is missing or wrong, so that the rest of the file can be checked.
_STAND_INS: dict[str, Any] = {"name": "-", "prompt": "-", "template": "{prompt}", "generation": {}}


class TemplateErrors(SDGenError):
    """Several errors of one file set: ``errors`` holds each, in the order of the files; ``more`` were not kept. The code
    is that of the error found first.
    """

    def __init__(self, errors: list[SDGenError], code: str | None = None, more: int = 0) -> None:
        self.errors = errors
        self.more = more
        lines = [f"{len(errors) + more} problems:", *map(str, errors)]
        if more:
            lines.append(f"... and {more} more")
        super().__init__(code or errors[0].code, "\n".join(lines), hint=errors[0].hint)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "errors": [e.to_dict() for e in self.errors]}


def is_file(path: Path | str) -> bool:
    """Whether there is such a file. ``Path.is_file`` raises for names that are too long or hold NUL, this does not."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether there is such a folder; raises for no name."""
    return os.path.isdir(path)  # noqa: PTH112


def few(names: Iterable[str], most: int = 30) -> str:
    """Names for a message, not all of very many."""
    first = list(islice(names, most + 1))
    return ", ".join(first[:most]) + (", ..." if len(first) > most else "")


def flat(error: SDGenError) -> list[SDGenError]:
    """The single errors of one that may hold several."""
    return list(error.errors) if isinstance(error, TemplateErrors) else [error]


def together(errors: list[SDGenError]) -> SDGenError:
    """One error for several; a single one stays itself."""
    return errors[0] if len(errors) == 1 else TemplateErrors(errors)


@dataclass(frozen=True)
class Remark:
    """Something odd that stops nothing. Strict mode takes it for an error, unless it is a ``note``: no mistake at all."""

    error: SDGenError
    note: bool = False


@dataclass(frozen=True)
class Entry:
    """Something a file says about a name: the value's node, and the file, whose folder its paths may be relative to."""

    node: Node
    document: Document
    own: bool = False  # written in the leaf file itself
    where: str = ""  # "imports.Pose", for messages
    own_first: bool = False  # paths: the declaring file's folder before the leaf's (chunks, implicit themes)

    @property
    def place(self) -> Place:
        return self.document.place(self.node)


@dataclass
class Run:
    """The state of one loading. ``base`` is the leaf's folder, None for text typed in a node.

    ``within``: folders that files must lie in; empty: anywhere. For texts that come from a client. ``root``: the folder
    that names in messages are relative to, when it is not to follow from how the user named the leaf.
    """

    base: Path | None
    shown_base: str = ""
    strict: bool = False
    remarks: list[Remark] = field(default_factory=list)
    problems: list[SDGenError] = field(default_factory=list)
    files: dict[Path, tuple[str, str]] = field(default_factory=dict)
    within: tuple[Path, ...] = ()
    root: Path | None = None
    theme_folders: tuple[Path, ...] = ()
    """Where paths of the themes: block begin besides the leaf's folder: beside the file that says it."""
    partial: bool = False
    """A file that may declare names could not be read: an unknown name may be no mistake of its own."""
    unsure: set[str] = field(default_factory=set)
    """Files whose parent could not be read: names in their texts may be declared there."""
    failures: int = 0
    """Problems met, repeated ones too: a reader that sees it grow knows that its result is not whole."""
    oddities: int = 0
    """Remarks made, repeated ones too."""
    more: int = 0
    _first: str | None = None
    _told: set[str] = field(default_factory=set)
    _wrong: set[str] = field(default_factory=set)
    _names: dict[Path, str] = field(default_factory=dict)
    _order: dict[str, int] = field(default_factory=dict)
    _damaged: list[Document] = field(default_factory=list)
    _values: int = 0

    # ---- odd and wrong things
    # -----------------------------------------------------------------------------------------------

    @property
    def warnings(self) -> list[str]:
        """The remarks, ready to show."""
        return [str(r.error) for r in self.remarks]

    def warn(
        self,
        message: str,
        place: Place | None = None,
        code: str = "bad-structure",
        nearest: Iterable[str] = (),
        hint: str | None = None,
    ) -> None:
        """Record a remark once; in strict mode it is a problem."""
        self._remark(SDGenError(code, message, place=place, nearest=nearest, hint=hint), note=False)

    def note(self, message: str, place: Place | None = None, code: str = "bad-structure") -> None:
        """Record a remark that is no mistake, in strict mode neither."""
        self._remark(SDGenError(code, message, place=place), note=True)

    def _remark(self, error: SDGenError, note: bool) -> None:
        key = str(error)
        self.oddities += 1
        if key in self._told or self.full:
            return
        self._told.add(key)
        if self.strict and not note:
            failures = self.failures
            self.problem(error)
            self.failures = failures  # what was read is whole all the same
        elif not self.crowded:
            self.remarks.append(Remark(error, note))

    def problem(self, error: SDGenError) -> None:
        """Record an error once (each of several that one holds)."""
        for single in flat(error):
            self.failures += 1
            key = f"{single.code} {single}"
            if key in self._wrong:
                continue
            if self.full:
                self.more += 1
                continue
            self._wrong.add(key)
            self._first = self._first or single.code
            self.problems.append(single)

    @property
    def full(self) -> bool:
        """Whether so much is wrong that looking for more is a waste of time."""
        return len(self.problems) >= MAX_PROBLEMS

    @property
    def crowded(self) -> bool:
        """Whether there are so many remarks that no more are kept."""
        return len(self.remarks) >= MAX_PROBLEMS

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """What fails inside is recorded, and the reading goes on behind."""
        try:
            yield
        except SDGenError as error:
            self.problem(error)

    def unknown(self, name: str) -> bool:
        """Whether ``name`` may have been declared where a file could not be read."""
        return self.partial or any(d.lost(name) for d in self._damaged)

    def spend(self, values: int) -> None:
        """Count values put together. Raises ``too-large`` when the imports explode."""
        self._values += values
        if self._values > MAX_VALUES:
            raise SDGenError("too-large", f"the imports hold more than {MAX_VALUES:,} values together")

    def aside(self) -> Run:
        """A run of the same place for a part of the reading, whose outcome several runs can ``take``."""
        return replace(
            self,
            remarks=[],
            problems=[],
            files={},
            _told=set(),
            _wrong=set(),
            _values=0,
            oddities=0,
            more=0,
        )

    def take(self, part: Run) -> None:
        """Add what a part of the reading met."""
        self.files.update(part.files)
        for remark in part.remarks:
            self._remark(remark.error, remark.note)
        for problem in part.problems:
            self.problem(problem)

    def check(self) -> None:
        """Raise what was collected, if anything, in the order of the files and their lines, with the remarks."""
        error = self.error()
        if error is not None:
            error.remarks = [r.error for r in self.remarks]
            self.problems, self.more = [], 0
            self._wrong.clear()
            raise error

    def error(self) -> SDGenError | None:
        """What was collected, as one error."""
        if len(self.problems) < 2:
            return self.problems[0] if self.problems else None
        return TemplateErrors(sorted(self.problems, key=self._rank), self._first, self.more)

    def _rank(self, error: SDGenError) -> tuple[int, int, int]:
        place = error.place
        if place is None:
            return -1, 0, 0
        return self._order.setdefault(place.file, len(self._order)), place.line, place.column

    # ---- files
    # ---------------------------------------------------------------------------------------------------------------

    def open(self, path: Path) -> Document:
        """Read a file and remember it as one of the template's sources. Raises what is wrong with it."""
        document = self._open(path)
        _ = document.parsed.root is None and document.parsed.values is None and document.root
        self._repeated(document)
        return document

    def salvage(self, path: Path, code: str | None = None, prefix: str = "") -> Document:
        """As ``open``, but YAML mistakes are recorded (under ``code``, where one is given) and what is left of the file
        is read. Raises when nothing is.
        """
        return self.sound(self._open(path), code, prefix)

    def sound(self, document: Document, code: str | None = None, prefix: str = "") -> Document:
        """The document, or what is left of it when there are YAML mistakes, which are recorded."""

        def named(error: SDGenError) -> SDGenError:
            if code is None:
                return error
            return SDGenError(code, f"{prefix}{error.message}", place=error.place, hint=error.hint)

        try:
            rest, errors = self._parts(document)
        except SDGenError as e:
            raise together([named(single) for single in flat(e)]) from None
        for error in errors:
            self.problem(named(error))
        if errors:
            self._damaged.append(rest)
        return rest

    def parts(self, path: Path) -> tuple[Document, list[SDGenError]]:
        """What can be read of a file, and its YAML mistakes. Raises when nothing can."""
        return self._parts(self._open(path))

    def _parts(self, document: Document) -> tuple[Document, list[SDGenError]]:
        errors: list[SDGenError] = []
        try:
            _ = document.parsed.root is None and document.parsed.values is None and document.root
        except SDGenError:
            rest, errors = document.salvage()
            if rest is None:
                raise together(errors) from None
            document = rest
        self._repeated(document)
        return document, errors

    def _open(self, path: Path) -> Document:
        name = self.name_of(path)
        self._order.setdefault(name, len(self._order))
        if not self.allowed(path):
            raise SDGenError("outside-folders", f"{name} lies outside of the template folders")
        document = documents.read(path, name)
        if path not in self.files:
            relative = documents.relative(path, self.base) if self.base else name
            self.files[path] = (relative, document.parsed.sha256)
        return document

    def _repeated(self, document: Document) -> None:
        for key, mark in document.parsed.warned:
            place = Place(document.name, mark.line + 1, mark.column + 1, key) if mark else Place(document.name)
            self.warn(f"the key {key!r} is written twice; the last one counts", place, "repeated-key")

    def allowed(self, path: Path) -> bool:
        """Whether a file or folder may be looked at. Lexical: a link inside a template folder is the user's own."""
        if not self.within:
            return True
        path = Path(os.path.normpath(path))
        return any(path.is_relative_to(os.path.normpath(folder)) for folder in self.within)

    def name_of(self, path: Path) -> str:
        """A path as messages show it: relative to where the user named the leaf, or to ``root``."""
        name = self._names.get(path)
        if name is None:
            name = self._names[path] = self._name(path)
        return name

    def _name(self, path: Path) -> str:
        if self.root is not None:
            return documents.relative(path, self.root)
        if self.base is None:
            return shown(path)
        rel = documents.relative(path, self.base)
        if not rel.startswith(".."):
            return shown(Path(self.shown_base) / rel)
        try:
            return documents.relative(path, Path.cwd())
        except OSError:  # the current folder was removed
            return shown(path)

    def find(self, text: str, entry: Entry, *, only_own: bool = False, missing_ok: bool = False) -> Path | None:
        """The file a relative path means: the leaf's folder first, then the folder of the file that says it.

        ``entry.own_first`` swaps the two, ``only_own`` drops the first (``implements``, presets). Raises
        ``absolute-path``, ``no-base-folder`` and, unless ``missing_ok``, ``missing-file``.
        """
        clean = text.strip().replace("\\", "/").replace("\0", "")  # no file system has NUL in a name
        where = f"{entry.where}: " if entry.where else ""
        if _ABSOLUTE.match(text.strip()):
            raise SDGenError("absolute-path", f"{where}{text.strip()} is an absolute path", place=entry.place)
        own = entry.document.folder
        if own is None and self.base is None:
            raise SDGenError(
                "no-base-folder", f"{where}{clean} cannot be found: this text has no folder", place=entry.place
            )
        bases = [own] if only_own else [own, self.base] if entry.own_first else [self.base, own]
        candidates: list[Path] = []
        for base in bases:
            if base is not None:
                candidate = _joined(base, clean)
                if candidate not in candidates:
                    candidates.append(candidate)
        if not all(self.allowed(c) for c in candidates):
            candidates = [c for c in candidates if self.allowed(c)]
            if not candidates:
                message = f"{where}{clean} lies outside of the template folders"
                raise SDGenError("outside-folders", message, place=entry.place)
        found = [c for c in candidates if os.path.exists(c)]  # noqa: PTH110 - as above
        if not found:
            if missing_ok:
                return None
            raise self.missing(clean, entry, candidates)
        if len(found) > 1:
            used, other = (self.name_of(f) for f in found)
            self.note(f"{where}{used} is used; {other} has the same relative path", entry.place, "two-files")
        return found[0]

    def missing(self, text: str, entry: Entry, candidates: list[Path]) -> SDGenError:
        """The error of a path that leads nowhere, with the names it may have meant."""
        near: list[str] = []
        for candidate in [] if self.full else candidates:
            try:
                names = [p.name for p in islice(candidate.parent.iterdir(), 2000) if p.suffix in (".yaml", ".yml")]
            except (OSError, ValueError):
                continue
            folder = text[: text.rfind("/") + 1]
            stems = {_stem(n): n for n in names}  # all endings are alike
            near += [folder + stems[stem] for stem in nearest_names(_stem(candidate.name), stems)]
        looked = " and ".join(dict.fromkeys(self.name_of(c) for c in candidates))
        where = f"{entry.where}: " if entry.where else ""
        message = f"{where}the file {text} does not exist (looked for {looked})"
        return SDGenError("missing-file", message, place=entry.place, nearest=list(dict.fromkeys(near))[:3])

    # ---- checking against the model
    # ------------------------------------------------------------------------------------------

    def model(self, document: Document, kind: type[M], code: str = "bad-structure") -> M:
        """The file as a model. Raises with all violations; reports unknown fields as remarks."""
        model, errors = self._validated(document, kind, code, "", document.root.python())
        if errors:
            raise together(errors)
        return model

    def rough_model(
        self, document: Document, kind: type[M], code: str = "bad-structure", *, prefix: str = "", data: Any = None
    ) -> M:
        """As ``model``, but violations are recorded, and the fields concerned are read as if they were not there. Raises
        only for a file that is no map at all. ``data`` stands for the file's own data.
        """
        model, errors = self._validated(document, kind, code, prefix, document.root.python() if data is None else data)
        for error in errors:
            self.problem(error)
        return model

    def _validated(
        self, document: Document, kind: type[M], code: str, prefix: str, data: Any
    ) -> tuple[M, list[SDGenError]]:
        from pydantic import ValidationError

        if not isinstance(data, dict):
            what = "empty" if data is None else "no map of fields"
            message = f"{prefix}the file is {what}; a {kind.KIND} file was expected"
            raise SDGenError(code, message, place=document.place())
        errors: list[SDGenError] = []
        try:
            model = kind.model_validate(data)
        except ValidationError as e:
            faulty: set[str] = set()
            for item in e.errors(include_url=False)[:MAX_PROBLEMS]:
                faulty.add(str(item["loc"][0]) if item["loc"] else "")
                # a field that is missing from a damaged file may stand in what could not be read
                if not (item["type"] == "missing" and document.damaged):
                    errors.append(_violation(document, kind, item, code, prefix))
            rest = {k: v for k, v in data.items() if k not in faulty}
            rest |= {k: v for k, v in _STAND_INS.items() if k in faulty}
            try:
                model = kind.model_validate(rest)
            except ValidationError:
                unusable = SDGenError(code, f"{prefix}nothing of this file can be used", place=document.place())
                raise together(errors or [unusable]) from None
        self._unknown(document, model, ())
        return model, errors

    def _unknown(self, document: Document, model: Any, path: tuple[str, ...]) -> None:
        extra = model.model_extra or {}
        if extra:
            known = [n for n in type(model).model_fields if n not in ("themable",)]
            for field_name, key_node, _ in document.root.at(path).pairs():
                if field_name in extra:
                    text = f"the field {'.'.join((*path, field_name))!r} is unknown and has no effect"
                    self.warn(text, document.place(key_node), "schema", nearest_names(field_name, known))
        for field_name in type(model).model_fields:
            inner = getattr(model, field_name)
            if hasattr(inner, "model_extra"):
                self._unknown(document, inner, (*path, field_name))


_WANTED = {
    "dict_type": "a map of names and values",
    "model_type": "a map of fields",
    "model_attributes_type": "a map of fields",
    "list_type": "a list",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
}


def _violation(document: Document, kind: type[FileModel], item: Any, code: str, prefix: str) -> SDGenError:
    """A violation of the model in the words of a template's author."""
    loc = tuple(p for p in item["loc"])
    dotted = ".".join(str(p) for p in loc)
    node = document.root.at(loc)
    place = document.place(node)
    message = f"{prefix}the field {dotted!r} "
    if item["type"] == "missing":
        if len(loc) == 1:
            place = document.place()
            written = {key: key_node for key, key_node, _ in document.root.pairs() if key not in kind.model_fields}
            for near in nearest_names(dotted, written, 1):
                place = document.place(written[near])
                return SDGenError(code, f"{message}is missing, and {near!r} is no field", place=place, nearest=[dotted])
        return SDGenError(code, f"{message}is missing", place=place, hint=_MISSING.get(dotted))
    if item["type"] == "string_too_short":
        return SDGenError(code, f"{message}is empty", place=place)
    given = item.get("input")
    hint = None
    if item["type"] == "string_type" and isinstance(given, dict):
        hint = "YAML reads an unquoted { as a map: put the text in quotes, or write it as a block after |."
    wanted = _WANTED.get(item["type"])
    if wanted is not None:
        problem = f"must be {wanted}"
    else:
        problem = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return SDGenError(code, f"{message}{problem} (found {_short(given)})", place=place, hint=hint)


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _stem(name: str) -> str:
    return name.removesuffix(".yaml").removesuffix(".yml")


def _joined(base: Path, text: str) -> Path:
    return Path(os.path.normpath(base / text))
