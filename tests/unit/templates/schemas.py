"""Schemas in tests: files from texts, and the answer of a real validator."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from sdgen_core.templates.documents import Document, Parsed
from sdgen_core.templates.schema import json_schema

VALIDATORS = (jsonschema.Draft7Validator, jsonschema.Draft202012Validator)


def document(text: str) -> Document:
    return Document(Parsed(text, ""), None, "f.yaml")


@cache
def validators(schema: str) -> tuple[Any, ...]:
    return tuple(validator(json.loads(schema)) for validator in VALIDATORS)


def valid(instance: Any, schema: dict[str, Any]) -> bool:
    """The answer of both dialects, which must be one."""
    answers = {v.is_valid(instance) for v in validators(json.dumps(schema))}
    assert len(answers) == 1
    return answers.pop()


def part(kind: str, name: str) -> dict[str, Any]:
    """A definition of a kind's schema as a schema of its own."""
    whole = json_schema(kind)
    return {"$schema": whole["$schema"], "allOf": [{"$ref": f"#/$defs/{name}"}], "$defs": whole["$defs"]}


def kind_of(path: Path, root: Any) -> str:
    for kind in ("prompt", "template", "chunk", "adetailer", "controlnet"):
        if re.search(rf"\.{kind}\.ya?ml$", path.name):
            return kind
    word = root.get("type")
    return "theme" if path.name == "theme.yaml" or (word and word.value == "theme_config") else "variations"
