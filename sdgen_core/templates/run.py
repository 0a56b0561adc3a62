"""One loading of one template: which folder is the leaf's, which files were read, what was odd, what was wrong.

Problems are collected where the reading can go on, so that a user sees all mistakes of a file set at once.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Place, SDGenError, nearest_names, shown
from . import documents
from .documents import Document, Node

if TYPE_CHECKING:
    from .model import FileModel

M = TypeVar("M", bound="FileModel")

_ABSOLUTE = re.compile(r"^(?:[\\/~]|[A-Za-z]:[\\/])")


class TemplateErrors(SDGenError):
    """Several errors of one file set; ``errors`` holds each, the code is the first one's."""

    def __init__(self, errors: list[SDGenError]) -> None:
        self.errors = errors
        text = f"{len(errors)} problems: " + " | ".join(str(e) for e in errors)
        super().__init__(errors[0].code, text, hint=errors[0].hint)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "errors": [e.to_dict() for e in self.errors]}


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
    """The state of one loading. ``base`` is the leaf's folder, None for text typed in a node."""

    base: Path | None
    shown_base: str = ""
    strict: bool = False
    warnings: list[str] = field(default_factory=list)
    problems: list[SDGenError] = field(default_factory=list)
    files: dict[Path, tuple[str, str]] = field(default_factory=dict)
    within: tuple[Path, ...] = ()
    """Folders that files must lie in; empty: anywhere. For texts that come from a client."""
    _told: set[str] = field(default_factory=set)

    # ---- odd and wrong things
    # -----------------------------------------------------------------------------------------------

    def warn(self, message: str, place: Place | None = None, code: str = "bad-structure") -> None:
        """Record a remark once; in strict mode it is a problem."""
        text = f"{place}: {message}" if place else message
        if text in self._told:
            return
        self._told.add(text)
        if self.strict:
            self.problems.append(SDGenError(code, message, place=place))
        else:
            self.warnings.append(text)

    def note(self, message: str, place: Place | None = None) -> None:
        """Record a remark that is no mistake, in strict mode neither."""
        text = f"{place}: {message}" if place else message
        if text not in self._told:
            self._told.add(text)
            self.warnings.append(text)

    def problem(self, error: SDGenError) -> None:
        key = f"{error.code} {error}"
        if key not in self._told:
            self._told.add(key)
            self.problems.append(error)

    def check(self) -> None:
        """Raise what was collected, if anything."""
        problems, self.problems = self.problems, []
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise TemplateErrors(problems)

    # ---- files
    # ---------------------------------------------------------------------------------------------------------------

    def open(self, path: Path) -> Document:
        """Read a file and remember it as one of the template's sources."""
        name = self.name_of(path)
        if not self.allowed(path):
            raise SDGenError("outside-folders", f"{name} lies outside of the template folders")
        document = documents.read(path, name)
        _ = document.parsed.root is None and document.parsed.values is None and document.root
        self.files.setdefault(
            path, (documents.relative(path, self.base) if self.base else name, document.parsed.sha256)
        )
        for key, mark in document.parsed.warned:
            place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
            self.warn(f"the key {key!r} is written twice; the last one counts", place)
        return document

    def allowed(self, path: Path) -> bool:
        """Whether a file or folder may be looked at. Lexical: a link inside a template folder is the user's own."""
        path = Path(os.path.normpath(path))
        return not self.within or any(path.is_relative_to(os.path.normpath(folder)) for folder in self.within)

    def name_of(self, path: Path) -> str:
        """A path as messages show it: relative to where the user named the leaf."""
        if self.base is None:
            return shown(path)
        rel = documents.relative(path, self.base)
        return shown(Path(self.shown_base) / rel) if not rel.startswith("..") else documents.relative(path, Path.cwd())

    def find(self, text: str, entry: Entry, *, only_own: bool = False, missing_ok: bool = False) -> Path | None:
        """The file a relative path means: the leaf's folder first, then the folder of the file that says it.

        ``entry.own_first`` swaps the two, ``only_own`` drops the first (``implements``, presets). Raises
        ``absolute-path``, ``no-base-folder`` and, unless ``missing_ok``, ``missing-file``.
        """
        clean = text.strip().replace("\\", "/")
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
        found = [c for c in candidates if _is_there(c)]
        if not found:
            if missing_ok:
                return None
            raise self.missing(clean, entry, candidates)
        if len(found) > 1:
            used, other = (self.name_of(f) for f in found)
            self.note(f"{where}{used} is used; {other} has the same relative path", entry.place)
        return found[0]

    def missing(self, text: str, entry: Entry, candidates: list[Path]) -> SDGenError:
        near: list[str] = []
        for candidate in candidates:
            try:
                names = [p.name for p in candidate.parent.iterdir() if p.suffix in (".yaml", ".yml")][:2000]
            except (OSError, ValueError):
                continue
            folder = text.rpartition("/")[0]
            near += [f"{folder}/{n}" if folder else n for n in nearest_names(candidate.name, names)]
        looked = " and ".join(dict.fromkeys(self.name_of(c) for c in candidates))
        where = f"{entry.where}: " if entry.where else ""
        message = f"{where}the file {text} does not exist (looked for {looked})"
        return SDGenError("missing-file", message, place=entry.place, nearest=list(dict.fromkeys(near))[:3])

    # ---- checking against the model
    # ------------------------------------------------------------------------------------------

    def model(self, document: Document, kind: type[M], code: str = "bad-structure") -> M:
        """The file as a model. Raises with all violations; reports unknown fields as remarks."""
        from pydantic import ValidationError

        data = document.root.python()
        if not isinstance(data, dict):
            what = "empty" if data is None else "no map of fields"
            raise SDGenError(code, f"the file is {what}; a {kind.KIND} file was expected", place=document.place())
        try:
            model = kind.model_validate(data)
        except ValidationError as e:
            for item in e.errors(include_url=False):
                self.problem(_violation(document, item, code))
            self.check()
            raise
        self._unknown(document, model, ())
        return model

    def _unknown(self, document: Document, model: Any, path: tuple[str, ...]) -> None:
        for field_name in model.model_extra or {}:
            known = [n for n in type(model).model_fields if n not in ("themable",)]
            near = nearest_names(field_name, known)
            text = f"the field {'.'.join((*path, field_name))!r} is unknown and has no effect"
            if near:
                text += "; did you mean " + " or ".join(repr(n) for n in near) + "?"
            node = document.root.at((*path, field_name))
            self.warn(text, document.place(node), "schema")
        for field_name in type(model).model_fields:
            inner = getattr(model, field_name)
            if hasattr(inner, "model_extra"):
                self._unknown(document, inner, (*path, field_name))


def _violation(document: Document, item: Any, code: str) -> SDGenError:
    loc = tuple(p for p in item["loc"])
    dotted = ".".join(str(p) for p in loc)
    node = document.root.at(loc)
    if item["type"] == "missing":
        return SDGenError(
            code, f"the field {dotted!r} is missing", place=document.place(node if len(loc) > 1 else None)
        )
    hint = None
    given = item.get("input")
    if item["type"] == "string_type" and isinstance(given, dict):
        hint = "YAML reads an unquoted { as a map: put the text in quotes, or write it as a block after |."
    if item["type"] == "string_too_short":
        return SDGenError(code, f"the field {dotted!r} is empty", place=document.place(node))
    problem = str(item["msg"]).removeprefix("Value error, ")
    return SDGenError(
        code,
        f"the field {dotted!r}: {problem[:1].lower()}{problem[1:]} (found {_short(given)})",
        place=document.place(node),
        hint=hint,
    )


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _joined(base: Path, text: str) -> Path:
    import os.path

    return Path(os.path.normpath(base / text))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
