"""The strict rules of a file kind, beyond what loading needs: what a careful author wants to be told."""

from __future__ import annotations

from typing import Any

from ..errors import SDGenError, nearest_names
from .documents import Document
from .model import FileModel

VERSIONS = ("1.0", "2.0", "1.0.0", "2.0.0")


def strict_problems(document: Document, kind: type[FileModel]) -> list[SDGenError]:
    """All violations in one file, with their places. The code is ``schema`` throughout."""
    root = document.root
    out: list[SDGenError] = []

    def add(message: str, key: str | None = None, nearest: list[str] | None = None) -> None:
        node = root.get(key) if key is not None else None
        out.append(SDGenError("schema", message, place=document.place(node), nearest=nearest or []))

    if root.kind != "map":
        add("the file is empty or no map of fields")
        return out
    data: dict[str, Any] = root.python()
    fields = kind.model_fields
    for key in data:
        if key not in fields:
            add(f"the field {key!r} is unknown", key, nearest_names(key, fields))
    for name, field in fields.items():
        if field.is_required() and data.get(name) in (None, ""):
            add(f"the field {name!r} is missing", name if name in data else None)
    if kind.TYPES and data.get("type") not in kind.TYPES:
        given = "is missing" if data.get("type") is None else f"is {data['type']!r}"
        add(f"the field 'type' {given}; it must be {' or '.join(map(repr, kind.TYPES))}", "type")
    version = data.get("version")
    if version is not None and str(version) not in VERSIONS:
        add(f"the version {version!r} is unknown", "version")
    implements = data.get("implements")
    if isinstance(implements, str) and not implements.endswith((".yaml", ".yml")):
        add("implements names no .yaml file", "implements")
    text = data.get("prompt")
    if kind.KIND == "prompt" and isinstance(text, str):
        if not text.strip():
            add("the field 'prompt' is blank", "prompt")
        if "{prompt}" in text:
            add("a prompt cannot contain {prompt}", "prompt")
    generation = data.get("generation")
    if isinstance(generation, dict) and isinstance(generation.get("seed"), int) and generation["seed"] < -1:
        add("generation.seed is below -1", "generation")
    return out
