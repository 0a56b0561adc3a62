"""The OpenAPI 3.1 document of the routes, made from the table and its models.

OpenAPI: https://spec.openapis.org/oas/v3.1.0.html; its schemas are JSON Schema 2020-12, which pydantic makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .answers import STATUS
from .guard import COOKIE
from .route import Route

Json = dict[str, Any]

#: A named part of a route's path: its name, and the regular expression that it may have.
PART = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})*))?\}")
_SCHEMAS = "#/components/schemas/"


class Error(BaseModel):
    """What went wrong: a code that never changes its meaning, words for people, and what to do about it."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(description="The code, in lower case with hyphens.")
    message: str
    hint: str
    nearest: list[str] = Field([], description="Valid names most like the wrong one.")
    file: str = ""
    line: int = 0
    column: int = 0


#: The one path that is for browsers' windows, and no route of the table.
LOGIN: Json = {
    "/sdgen/login": {
        "get": {
            "operationId": "get_login",
            "summary": "Keep the token in this browser, and go to the server's start page",
            "tags": ["login"],
            "parameters": [{"name": "token", "in": "query", "required": True, "schema": {"type": "string"}}],
            "responses": {
                "303": {"description": "The browser has the token"},
                "403": {"$ref": "#/components/responses/Error403"},
            },
        }
    }
}


def document(routes: Iterable[Route], *, more: Mapping[str, Json]) -> Json:
    """The document of ``routes``; ``more`` are paths that the table does not hold, described already."""
    from pydantic.json_schema import models_json_schema

    table = list(routes)
    asked = dict.fromkeys(model for route in table for model in (route.query, route.body) if model)
    given = dict.fromkeys(route.answer for route in table if route.answer)
    wanted: list[Any] = [(model, "validation") for model in asked]
    wanted += [(model, "serialization") for model in (Error, *given)]
    refs, whole = models_json_schema(wanted, ref_template=_SCHEMAS + "{model}")
    schemas: Json = whole["$defs"]
    paths: dict[str, Json] = {}
    for route in table:
        path = PART.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, refs, schemas)
    for model in dict.fromkeys(route.query for route in table if route.query):
        schemas.pop(_name(refs[model, "validation"]), None)  # its fields are parameters
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SDGen",
            "version": _version(),
            "description": "Sessions, images and judgements. Reading needs nothing of a program of the same machine; writing needs"
            " `Content-Type: application/json` and `X-SDGen: 1`, and from other machines the token.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": {**paths, **more},
        "components": {
            "schemas": schemas,
            "responses": {
                f"Error{status}": {
                    "description": HTTPStatus(status).phrase,
                    "content": {"application/json": {"schema": {"$ref": f"{_SCHEMAS}Error"}}},
                }
                for status in sorted({400, *STATUS.values()})
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`gallery_token` of SDGen's settings."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by /sdgen/login."},
            },
        },
        "security": [{}, {"token": []}, {"cookie": []}],
    }


def _operation(route: Route, refs: Mapping[Any, Json], schemas: Json) -> Json:
    parameters = [_part(name, pattern) for name, pattern in PART.findall(route.path)]
    if route.query:
        parameters += _parameters(schemas[_name(refs[route.query, "validation"])])
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[2]],
        "parameters": parameters,
        "responses": _responses(route, refs),
    }
    if route.writes:
        header = {"type": "string", "const": "1"}
        parameters.append({"name": "X-SDGen", "in": "header", "required": True, "schema": header})
        empty = {"type": "object", "additionalProperties": False}
        schema = refs[route.body, "validation"] if route.body else empty
        operation["requestBody"] = {
            "required": bool(route.body and any(f.is_required() for f in route.body.model_fields.values())),
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _responses(route: Route, refs: Mapping[Any, Json]) -> Json:
    headers = {"ETag": {"schema": {"type": "string"}}} if route.version or route.types else {}
    content: Json = {name: {} for name in route.types}
    if route.answer:
        content["application/json"] = {"schema": refs[route.answer, "serialization"]}
    out: Json = {"200": {"description": "Done" if route.writes else "Found", "headers": headers, "content": content}}
    if route.version or route.types:
        out["304"] = {"description": "What the ETag names has not changed"}
    for status in sorted({400, *STATUS.values()} - {405} - ({413} if not route.writes else set())):
        out[str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    return out


def _part(name: str, pattern: str) -> Json:
    schema: Json = {"type": "string", "minLength": 1}
    if pattern:
        schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(model: Json) -> list[Json]:
    """The fields of a query's schema as parameters; one that holds a list is repeated."""
    out: list[Json] = []
    for name, field in model.get("properties", {}).items():
        schema = {key: value for key, value in field.items() if key not in ("description", "title")}
        if schema.get("default", 0) is None:  # nobody can say null in an address: the parameter is left out
            del schema["default"]
        kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del schema["anyOf"]
            schema.update(kinds[0])
        elif kinds:
            schema["anyOf"] = kinds
        parameter = {"name": name, "in": "query", "required": name in model.get("required", ()), "schema": schema}
        if "description" in field:
            parameter["description"] = field["description"]
        out.append(parameter)
    return out


def _operation_id(route: Route) -> str:
    words = re.findall(r"\w+", PART.sub(r"\1", route.path.removeprefix("/sdgen/")))
    return "_".join([route.method.lower(), *words])


def _name(ref: Json) -> str:
    return str(ref["$ref"]).removeprefix(_SCHEMAS)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sdgen")
    except PackageNotFoundError:  # inside ComfyUI the pack is a folder
        return "0"
