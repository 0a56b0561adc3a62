"""The strict rules of a file kind, beyond what loading needs: what a careful author wants to be told.

They are the JSON Schema of the kind (``schema``, made from the models), read over the file's nodes, so that each problem
has its place; an editor that uses the exported schema shows the same ones. What no schema can say stands in
``_BETWEEN_FIELDS``. Unknown fields are problems here and remarks when a file is only loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Place, SDGenError, nearest_names
from .documents import Document, Node
from .model import FileModel, ThemeFile

Schema = dict[str, Any]

_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "empty",
}

#: (kind, field of another kind) -> what the author most likely means.
_MEANT = {
    ("prompt", "template"): "prompt:",
    ("prompt", "variations"): "imports:",
    ("template", "prompt"): "template:",
    ("template", "variations"): "imports:",
}


class UnknownField(SDGenError):
    """A field that no file of the kind has: a remark when the file is only loaded."""


def strict_problems(document: Document, kind: type[FileModel]) -> list[SDGenError]:
    """All violations in one file, with their places. The code is ``schema`` throughout."""
    from .schema import json_schema  # only a strict check needs the schemas, and every start would wait for them

    check = _Check(document, json_schema(kind.KIND), kind.KIND)
    if document.root.is_null or (document.root.kind == "scalar" and kind.KIND != "variations"):
        check.add((), None, "the file is empty or no map of fields")
    else:
        check.walk(document.root, check.schema, ())
        for rule in _BETWEEN_FIELDS.get(kind.KIND, ()):
            rule(check)
    return check.problems


@dataclass
class _Check:
    """One reading of a file against a schema."""

    document: Document
    schema: Schema
    kind: str
    problems: list[SDGenError] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def add(
        self,
        path: tuple[str | int, ...],
        node: Node | None,
        problem: str,
        nearest: Sequence[str] = (),
        error: type[SDGenError] = SDGenError,
    ) -> None:
        """Record a problem of the field at ``path``: its name and ``problem`` make the message."""
        message = f"the field {_dotted(path)!r}{'' if problem[:1] == ':' else ' '}{problem}" if path else problem
        place = self.document.place(node) if node is not None else Place(self.document.name)
        self.problems.append(error("schema", message, place=place, nearest=nearest))

    def fits(self, node: Node, schema: Schema) -> bool:
        """Whether ``node`` has no problem with ``schema``."""
        try:
            _Trial(self.document, self.schema, self.kind).walk(node, schema, ())
        except _Misfit:
            return False
        return True

    def walk(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> None:
        """Record every violation of ``schema`` at or below ``node``."""
        if node.kind != "scalar":  # an alias may bring the same node to many places
            if (id(node), id(schema)) in self._seen:
                return
            self._seen.add((id(node), id(schema)))
        if "$ref" in schema:
            self.walk(node, self.schema["$defs"][schema["$ref"].rpartition("/")[2]], path)
            return
        before = len(self.problems)
        if not self._type(node, schema, path):
            return
        for part in schema.get("allOf", ()):
            self.walk(node, part, path)
        if "anyOf" in schema:
            self._any(node, schema, path)
        if "if" in schema:
            branch = schema.get("then" if self.fits(node, schema["if"]) else "else")
            if branch is not None:
                self.walk(node, branch, path)
        if "not" in schema and self.fits(node, schema["not"]):
            self.add(path, node, "is not allowed here")
        if node.kind == "map":
            self._map(node, schema, path)
        elif node.kind == "list":
            self._list(node, schema, path)
        else:
            self._scalar(node, schema, path)
        if "errorMessage" in schema and len(self.problems) > before:
            del self.problems[before:]
            self.add(path, node, _instead(schema, "") if path else schema["errorMessage"])

    def _type(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> bool:
        """Check ``type``, ``enum`` and ``const``."""
        wanted = schema.get("type")
        if wanted is not None:
            types = [wanted] if isinstance(wanted, str) else wanted
            if not any(_is(node, t) for t in types):
                message = "is empty" if node.is_null else f"must be {_types_text(types)} (found {_short(node)})"
                self.add(path, node, _instead(schema, message))
                return False
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values is not None:
            given = node.scalar() if node.kind == "scalar" else node
            if not any(_same(given, v) for v in values):
                texts = [v for v in values if isinstance(v, str)] or [str(v).lower() for v in values]
                message = f"is {_short(node)}; it must be {_or([repr(t) for t in texts])}"
                near = nearest_names(given, texts) if isinstance(given, str) and len(texts) > 1 else []
                self.add(path, node, _instead(schema, message), near)
                return False
        return True

    def _any(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> None:
        """At least one alternative must fit; else the problems of the one meant, which the type of the value tells."""
        meant = [part for part in schema["anyOf"] if any(_is(node, t) for t in self._types(part))]
        if len(meant) == 1:
            self.walk(node, meant[0], path)
        elif not any(self.fits(node, part) for part in meant):
            types = [t for part in schema["anyOf"] for t in self._types(part)]
            self.add(path, node, f"must be {_types_text(types)} (found {_short(node)})")

    def _types(self, schema: Schema) -> list[str]:
        """The types that a schema takes at most."""
        if "$ref" in schema:
            return self._types(self.schema["$defs"][schema["$ref"].rpartition("/")[2]])
        if "enum" in schema:
            return [t for t in _WORDS if any(_has_type(v, t) for v in schema["enum"])]
        wanted = schema.get("type", list(_WORDS))
        return [wanted] if isinstance(wanted, str) else wanted

    def _map(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> None:
        pairs = node.pairs()
        properties = schema.get("properties", {})
        names = schema.get("propertyNames")
        rest = schema.get("additionalProperties")
        size = len(pairs)
        if size < schema.get("minProperties", 0):
            self.add(path, node, "is empty")
        if size > schema.get("maxProperties", size):
            self.add(path, node, "has too many entries")
        keys = {key for key, _, _ in pairs}
        meant = {_MEANT.get((self.kind, key), "").rstrip(":") for key in keys} if not path else set()
        for name in schema.get("required", ()):
            if name not in keys and name not in meant:
                self.add((*path, name), node if path else None, "is missing")
        for key, key_node, value in pairs:
            here = (*path, key)
            if names is not None:
                self.walk(Node("scalar", key, key_node.start, key_node.end), names, here)
            if key in properties:
                self.walk(value, properties[key], here)
            elif rest is False:
                home = "" if path else self._home(key)
                near = [] if home else nearest_names(key, properties)
                self.add(here, key_node, f"is unknown{home}", near, SDGenError if home else UnknownField)
            elif isinstance(rest, dict):
                self.walk(value, rest, here)

    def _home(self, key: str) -> str:
        """What to do with a field that stands in the wrong kind of file."""
        if (self.kind, key) in _MEANT:
            return f" in a {self.kind} file; write {_MEANT[self.kind, key]!r}"
        from .model import KINDS

        homes = [name for name, model in KINDS.items() if key in model.model_fields]
        return f" in a {self.kind} file; it belongs into a {_or(homes)} file" if homes else ""

    def _list(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> None:
        size = len(node.value)
        if size < schema.get("minItems", 0):
            self.add(path, node, "is empty")
        if "items" in schema:
            before = len(self.problems)
            for index, item in enumerate(node.value):
                self.walk(item, schema["items"], (*path, index))
            if len(self.problems) > before:
                return
        if size > schema.get("maxItems", size):
            self.add(path, node, f"has {size} entries; {schema['maxItems']} may stand there")

    def _scalar(self, node: Node, schema: Schema, path: tuple[str | int, ...]) -> None:
        value = node.scalar()
        if isinstance(value, str):
            if len(value) < schema.get("minLength", 0):
                self.add(path, node, "is empty")
            elif "pattern" in schema and not re.search(schema["pattern"], value):
                message = schema.get("patternErrorMessage", "is not of the right form")
                self.add(path, node, f": {message} (found {_short(node)})")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < schema.get("minimum", value):
                self.add(path, node, f"is {value}; it must be {schema['minimum']} or more")
            if value > schema.get("maximum", value):
                self.add(path, node, f"is {value}; it must be {schema['maximum']} or less")


class _Misfit(Exception):
    """The first problem of a trial, which is enough to know."""


class _Trial(_Check):
    """A reading that only wants to know whether there is a problem."""

    def add(self, *_: object) -> None:
        raise _Misfit


def _covered(check: _Check) -> None:
    """Every placeholder that a theme lists under ``variations`` has an import."""
    root = check.document.root
    listed, imports = root.get("variations"), root.get("imports")
    if listed is None or listed.kind != "list" or imports is None or imports.kind != "map":
        return
    known = list(dict.fromkeys(key.partition(".")[0] for key, _, _ in imports.pairs()))
    for index, node in enumerate(listed.value):
        if node.kind == "scalar" and not node.is_null and str(node.value) not in known:
            near = nearest_names(str(node.value), known)
            check.add(("variations", index), node, f"names {node.value!r}, which no import gives values to", near)


#: Rules between fields, which a schema cannot hold.
_BETWEEN_FIELDS: dict[str, tuple[Callable[[_Check], None], ...]] = {ThemeFile.KIND: (_covered,)}


def _types_text(types: Sequence[str]) -> str:
    """JSON types in words; where a text may stand, so may what YAML takes for a number."""
    plain = [t for t in types if t != "null" and not ("string" in types and t in ("number", "boolean"))]
    return _or([_WORDS[t] for t in dict.fromkeys(plain)] or ["empty"])


def _instead(schema: Schema, message: str) -> str:
    """The schema's own words for a problem, if it has any."""
    return f": {schema['errorMessage']}" if "errorMessage" in schema else message


def _dotted(path: tuple[str | int, ...]) -> str:
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
    return out


def _is(node: Node, wanted: str) -> bool:
    if node.kind != "scalar":
        return wanted == ("object" if node.kind == "map" else "array")
    return _has_type(node.scalar(), wanted)


def _has_type(value: Any, wanted: str) -> bool:
    """Whether a scalar is of a JSON type."""
    if value is None or isinstance(value, bool):
        return wanted == ("null" if value is None else "boolean")
    if isinstance(value, (int, float)):
        return wanted == "number" or (wanted == "integer" and value == int(value))
    return wanted == "string"


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON means it: 1 and 1.0 are, 1 and true are not."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _or(words: list[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _short(node: Node) -> str:
    if node.kind != "scalar":
        return "a map" if node.kind == "map" else "a list"
    if node.is_null:
        return "nothing"
    text = repr(node.scalar())
    return text if len(text) <= 60 else text[:57] + "..."
