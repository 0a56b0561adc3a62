"""JSON Schemas of all file kinds, made from the models: for editors, and for the strict rules.

Dialect: draft-07, because VS Code's YAML extension (Red Hat's yaml-language-server) knew nothing newer until 2026. Only
keywords are used that mean the same in draft 2020-12, so either validator gives the same answer; ``KEYWORDS`` lists them.
``patternErrorMessage`` and ``errorMessage`` are the extension's own (validators skip unknown keywords); the strict rules
say the same words.

Where a field takes several types, its limits stand side by side in one schema (``items`` acts on lists only, ``pattern``
on texts only) instead of in alternatives: then every validator names the place that is wrong, not the whole field.
Patterns avoid ``\\w``, which means less in an editor than in the template language.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .fields import FileModel
from .model import KINDS
from .preset_model import ControlnetBlock, DetectorEntry, UnitEntry

DIALECT = "http://json-schema.org/draft-07/schema#"

#: Every keyword of the schemas that says something about a file.
KEYWORDS = frozenset(
    {
        "$ref", "type", "enum", "const", "pattern", "minLength", "minimum", "maximum", "items", "minItems",
        "maxItems", "properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties", "allOf",
        "anyOf", "not", "if", "then", "else",
    }
)  # fmt: skip

#: Keywords for people and editors.
REMARKS = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "examples", "errorMessage", "patternErrorMessage"}
)

_SCALAR = ["string", "number", "boolean"]
_PLACEHOLDER = r"\{[^{}]+\}"
_NUMBER = r"^\s*[+-]?[0-9.]+\s*$"
_TYPES = [word for kind in KINDS.values() for word in kind.TYPES]


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _text(pattern: str, message: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "patternErrorMessage": message}


def _not_in(words: str, message: str) -> dict[str, Any]:
    return {"pattern": rf"^(?![\s\S]*\{{(?:{words})\}})", "patternErrorMessage": message}


def _map_of(name: str, **more: Any) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": _ref(name), **more}


def _value_map(value: str) -> dict[str, Any]:
    """``{source, weight}``, or key → value."""
    return {
        "minProperties": 1,
        "properties": {
            "source": {"description": "The values: a file, or any other form."},
            "weight": {
                "description": "Loop weight of the placeholder: the highest changes fastest, 0 is drawn per image."
            },
        },
        "if": {"required": ["source"], "propertyNames": {"enum": ["source", "weight"]}},
        "then": {"properties": {"source": _ref(value), "weight": {"type": "integer"}}},
        "else": {"additionalProperties": _ref("value")},
    }


def _or_null(name: str) -> dict[str, Any]:
    return {"anyOf": [_ref(name), {"type": "null"}]}


def _also(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": list(schemas)}


_YAML = {"pattern": r"\.ya?ml\s*$", "patternErrorMessage": "must name a .yaml file"}
_PATH = {"type": "string", **_YAML}
_NAMED = {"pattern": r"\S", "patternErrorMessage": "must name a LoRA"}
_NOT_TRUE = {"not": {"const": True}, "errorMessage": "false is off; to switch it on, name a preset"}

#: Forms of values that are read node by node; ``form`` of a field, and what these refer to.
FORMS: dict[str, dict[str, Any]] = {
    "path": {**_PATH, "type": ["string", "null"]},
    "paths": {"type": ["object", "null"], "additionalProperties": _PATH},
    "prompt": {
        "type": "string",
        **_also(
            {"pattern": r"\S", "patternErrorMessage": "must not be blank"},
            _not_in("prompt", "a prompt cannot contain {prompt}"),
        ),
    },
    "template": _text(r"\{prompt\}", "must contain {prompt}, where the child's text goes"),
    "chunk_text": {
        "type": "string",
        **_not_in("prompt|negprompt|loras", "{prompt}, {negprompt} and {loras} cannot stand in a chunk"),
    },
    "imports": _map_of("import"),
    "import": {
        "description": "The values of a placeholder: a file, a text, a list of both, a map key → text, several files by "
        "name, {source, weight}, or [Remove].",
        "type": [*_SCALAR, "array", "object", "null"],
        "minItems": 1,
        "items": {
            "type": [*_SCALAR, "object"],
            "description": "A file of values, one value, or a map key → text.",
            **_also(_ref("import_map")),
        },
        **_also(_ref("import_map")),
    },
    "import_map": _value_map("import"),
    "theme_imports": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {
            "pattern": r"^[^.\s]+(\.[^.\s]+)?$",
            "patternErrorMessage": "is neither Name nor Name.style",
        },
        "additionalProperties": _ref("theme_import"),
    },
    "theme_import": {
        "description": "The values of a placeholder: a file, a text, a map key → text, several files by name, "
        "{source, weight}, or [Remove] to leave it out.",
        "type": [*_SCALAR, "array", "object", "null"],
        "minItems": 1,
        "maxItems": 1,
        "items": {"const": "Remove", "errorMessage": "the only list of a theme's import is [Remove]"},
        **_also(_value_map("theme_import")),
    },
    "theme_lora": _also(_ref("theme_loras")),
    "theme_loras": {
        "description": "A name, {name, strength}, or a list of these.",
        "type": ["string", "object", "array", "null"],
        **_NAMED,
        "minItems": 1,
        "items": {"type": ["string", "object"], **_NAMED, **_also(_ref("theme_lora_entry"))},
        **_also(_ref("theme_lora_entry")),
    },
    "theme_lora_entry": {
        "description": "A LoRA and its strength.",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                **_NAMED,
                "description": "A file of ComfyUI's LoRA folders.",
                "examples": ["pirates-style"],
            },
            "strength": {
                "type": ["number", "null"],
                "minimum": -100,
                "maximum": 100,
                "description": "How much of it, on model and text encoder alike.",
                "default": 1.0,
            },
        },
        "additionalProperties": False,
    },
    "value": {
        "description": "A text, or a map part → text: {X} takes the part main, {X:lora} the part lora.",
        "type": [*_SCALAR, "object"],
        "additionalProperties": {"type": [*_SCALAR, "null"]},
    },
    "values": {
        "type": ["object", "array"],
        "minProperties": 1,
        "propertyNames": {"pattern": r"\S", "patternErrorMessage": "is a blank key"},
        "minItems": 1,
        "items": {
            "type": [*_SCALAR, "object"],
            "description": "A text, or key: text.",
            "minProperties": 1,
            "additionalProperties": _ref("value"),
        },
    },
    "variations": {**_also(_ref("values")), "additionalProperties": _ref("value")},
    "flat_variations": {
        "description": "Values without a head: the whole file is the map, or the list.",
        **_also(_ref("values")),
        "propertyNames": {"pattern": "^(?!generation$)", "patternErrorMessage": "this is a prompt, not values"},
        "properties": {
            "type": {
                **_also(_ref("value")),
                "not": {"enum": _TYPES},
                "errorMessage": "this is the head of another kind of file, or 'variations:' is missing",
                "examples": ["variations"],
            },
            "variations": {"description": "The values, below a head."},
        },
        "additionalProperties": _ref("value"),
    },
    "parameters": _or_null("ParametersBlock"),
    "detectors": {"type": "array", "minItems": 1, "items": _ref("Detector")},
    "detector_fields": _or_null("Detector"),
    "unit_fields": _or_null("UnitFields"),
    "adetailer": {
        "type": ["string", "array", "object", "boolean", "null"],
        **_YAML,
        "minProperties": 1,
        "items": {"type": ["string", "object"], **_YAML, "minProperties": 1, **_also(_ref("DetectorEntry"))},
        **_also(_ref("DetectorEntry"), _NOT_TRUE),
    },
    "controlnet": {
        "type": ["string", "array", "object", "boolean", "null"],
        **_YAML,
        "items": {"type": ["string", "object"], **_YAML, "minProperties": 1, **_also(_ref("UnitEntry"))},
        **_also(
            _ref("ControlnetBlock"),
            _NOT_TRUE,
            {
                "if": {"type": "object"},
                "then": {"anyOf": [{"required": ["model"]}, {"required": ["import"]}, {"required": ["units"]}]},
                "errorMessage": "a unit needs model: or import:",
            },
        ),
    },
}

#: Blocks that stand where other types may stand too: their limits act on maps only.
_AMONG_OTHERS = (DetectorEntry, UnitEntry, ControlnetBlock)

#: What a kind's file must be besides the fields of its model.
_EXTRA: dict[str, dict[str, Any]] = {
    "chunk": {
        "anyOf": [
            {"required": ["template"]},
            {"required": ["implements"], "properties": {"implements": {"type": "string"}}},
        ],
        "errorMessage": "a chunk needs template: or implements:",
    },
    "adetailer": {
        "anyOf": [
            {"required": ["detector"], "properties": {"detector": {"type": "object"}}},
            {"required": ["detectors"]},
        ],
        "errorMessage": "the field 'detector' (or a list 'detectors') is missing",
    },
}


def schema_name(kind: str) -> str:
    """The file name of a kind's schema, which is its ``$id`` too."""
    return f"sdgen.{kind}.schema.json"


@cache
def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a file kind. It is shared: do not change it."""
    definitions: dict[str, Any] = {}
    body = _of_model(KINDS[kind], definitions)
    if kind == "variations":
        # a file with variations: has a head; one without is the bare values
        definitions["variations_file"] = body
        body = {
            "description": body["description"],
            "if": {"type": "object", **_headed()},
            "then": _ref("variations_file"),
            "else": _ref("flat_variations"),
        }
    if kind in _EXTRA:
        body["allOf"] = [_EXTRA[kind]]
    wanted = [body, *definitions.values()]
    while wanted:
        for name in _references(wanted.pop()):
            if name not in definitions:
                made = FORMS[name] if name in FORMS else _of_model(_known()[name], definitions)
                definitions[name] = made
                wanted.append(made)
    head = {"$schema": DIALECT, "$id": schema_name(kind), "title": f"SDGen {kind} file"}
    return {**head, **body, "$defs": dict(sorted(definitions.items()))}


def _headed() -> dict[str, Any]:
    named = {"required": ["type"], "properties": {"type": {"const": "variations"}}}
    return {"anyOf": [{"required": ["variations"]}, named]}


def _of_model(model: type[FileModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; blocks it is made of go into ``definitions``."""
    body = model.model_json_schema(schema_generator=_Generator)
    for name, block in body.pop("$defs", {}).items():
        definitions.setdefault(name, _finish(block, _known()[name]))
    return _finish(body, model)


def _known(model: type[FileModel] = FileModel) -> dict[str, type[FileModel]]:
    """All models by their names."""
    return {m.__name__: m for sub in model.__subclasses__() for m in (sub, *_known(sub).values())}


def _finish(body: dict[str, Any], model: type[FileModel]) -> dict[str, Any]:
    body.pop("title", None)
    if issubclass(model, _AMONG_OTHERS):
        del body["type"]
    out = {**body, "description": " ".join((model.__doc__ or "").split()).replace("``", "")}
    required = [*out.get("required", ()), *model.STRICT]
    if required:
        out["required"] = [name for name in out["properties"] if name in required]
    for name, info in model.model_fields.items():
        if info.examples:  # as they are written: pydantic sorts their keys
            out["properties"][info.alias or name]["examples"] = info.examples
    out["properties"] = {name: _field(field, model.VARIABLE) for name, field in out["properties"].items()}
    return out


def _field(field: dict[str, Any], variable: bool) -> dict[str, Any]:
    """One property: its form put in, and what editors would only be confused by left out."""
    notes: dict[str, Any] = {k: field[k] for k in ("description", "default", "examples") if k in field}
    rest = {k: v for k, v in field.items() if k not in notes}
    if notes.get("default", 0) in (None, [], {}):
        del notes["default"]
    if "form" in rest:
        rest = FORMS[rest["form"]]
    elif "const" in rest or "enum" in rest:
        rest.pop("type", None)
    elif "$ref" in rest:
        rest = _also(rest)
    elif variable and rest:
        rest = _variable(rest)
    return {**notes, **rest}


def _variable(rest: dict[str, Any]) -> dict[str, Any]:
    """A value that may also be a placeholder: as text, or as the map ``{Name: null}`` that YAML reads without quotes."""
    types = [rest["type"]] if isinstance(rest["type"], str) else list(rest["type"])
    out = {
        **rest,
        "type": [*types, "object"],
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": {"type": "null"},
        "errorMessage": "must be a text, or a placeholder as {Name}",
    }
    if "string" not in types:
        out["type"].insert(-1, "string")
        out["pattern"] = f"{_NUMBER}|{_PLACEHOLDER}" if "null" in types else _PLACEHOLDER
        out["errorMessage"] = f"must be {_span(types[0], rest)}, or a placeholder as {{Name}}"
    return out


def _span(kind: str, limits: dict[str, Any]) -> str:
    """What a number or a switch may be, in words."""
    if kind == "boolean":
        return "true or false"
    low, high = limits.get("minimum"), limits.get("maximum")
    text = "a whole number" if kind == "integer" else "a number"
    if low is not None:
        text += f" from {low:g} to {high:g}" if high is not None else f", {low:g} or more"
    return text


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for part in schema for name in _references(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return own + [
        name for key, part in schema.items() if key not in ("default", "examples") for name in _references(part)
    ]


class _Generator(GenerateJsonSchema):
    """pydantic's generator, without titles made of field names; ``X | None`` as a list of types."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        inner = self.generate_inner(schema["schema"])
        kind = inner.get("type")
        if kind is None:
            return {"anyOf": [inner, {"type": "null"}]}
        return {**inner, "type": [*([kind] if isinstance(kind, str) else kind), "null"]}


# ---- editors


def settings_place(out: Path) -> tuple[Path, str]:
    """Where VS Code's settings go when schemas go into ``out``, and how they name that folder.

    A folder .vscode is the editor's own: its settings.json is written if there is none yet or it is ours. Elsewhere, and
    beside settings of the user's, the file is called sdgen.settings.json, to be copied from. Paths are relative to the
    folder that VS Code opens: that of .vscode, else the current one.
    """
    target = Path(os.path.normpath(out.absolute()))
    own = target.name == ".vscode"
    opened = target.parent if own else Path.cwd()
    inside = target.is_relative_to(opened)
    folder = f"./{target.relative_to(opened).as_posix()}".removesuffix("/.") if inside else target.as_uri()
    file = out / "settings.json"
    if not own or (file.exists() and _other(file, editor_settings(folder))):
        file = out / "sdgen.settings.json"
    return file, folder


def _other(file: Path, settings: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")) != settings)
    except (OSError, ValueError):
        return True


def editor_settings(folder: str) -> dict[str, Any]:
    """VS Code's settings for the YAML extension: which schema of ``folder`` is for which files.

    YAML 1.1 is what templates are read as. Values lie in folders called variations and themes; other kinds keep their names
    there.
    """
    others = [f"!{name}" for kind, model in KINDS.items() if kind != "variations" for name in model.NAMES]
    return {
        "yaml.yamlVersion": "1.1",
        "yaml.schemas": {
            f"{folder}/{schema_name(kind)}": [*model.NAMES, *(others if kind == "variations" else ())]
            for kind, model in KINDS.items()
        },
    }
