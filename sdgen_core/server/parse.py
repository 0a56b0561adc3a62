"""What a request says, by the models of its route. Everything raises ``bad-request`` with the field's name and what is expected."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import SDGenError, nearest_names

_LONGEST = 80  # characters of a wrong value that a message repeats
_SEQUENCES = (list, tuple, set, frozenset, Sequence)


def parse_query(model: type[BaseModel] | None, pairs: Iterable[tuple[str, str]]) -> BaseModel | None:
    """The query of an address. A field that holds a sequence may be given several times, any other one once."""
    values: dict[str, Any] = {}
    many = {name for name, field in _fields(model).items() if _holds_many(field.annotation)}
    for name, value in pairs:
        _check_text(name, value)
        if name in many:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise SDGenError("bad-request", f"{name} is given twice")
        else:
            values[name] = value
    return _validated(model, values)


def parse_body(model: type[BaseModel] | None, body: bytes) -> BaseModel | None:
    """The JSON object that is a request's body; no body at all is an empty one. A body nested deeper than anything of ours is none."""
    from pydantic_core import from_json

    try:
        values = from_json(body, allow_inf_nan=False) if body.strip() else {}
    except ValueError as error:
        raise SDGenError("bad-request", f"the body is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise SDGenError("bad-request", "the body must be a JSON object")
    if b"\\u0000" in body:
        _check_texts("body", values)
    return _validated(model, values, body)


def parse_path(parts: Mapping[str, str]) -> Mapping[str, str]:
    """The parts of the path that have names."""
    for name, value in parts.items():
        _check_text(name, value)
    return parts


def _validated(model: type[BaseModel] | None, values: dict[str, Any], json: bytes = b"") -> BaseModel | None:
    known = _fields(model)
    for name in values:
        if name not in known:
            asked = f"there is no field {_cut(name)} here"
            raise SDGenError("bad-request", asked, nearest=nearest_names(name, known), hint=_listed(known))
    if model is None:
        return None
    try:
        # strict models take a list for a tuple when they know that it comes from JSON
        return model.model_validate_json(json) if values and json else model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SDGenError("bad-request", _said(first)) from error


def _fields(model: type[BaseModel] | None) -> Mapping[str, Any]:
    """The model's fields by the names that requests know them by."""
    return {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}


def _said(error: Any) -> str:
    """One of pydantic's errors as a sentence about a field."""
    name = ".".join(str(part) for part in error["loc"]) or "the request"
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        return f"there is no field {name} here"
    must = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be", 1)
    if must == error["msg"]:
        return f"{name}: {must}"
    return f"{name} {must}, not {_cut(error['input'])}"


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _listed(known: Mapping[str, Any]) -> str:
    return f"Fields: {', '.join(known)}." if known else "It takes no fields."


def _holds_many(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_holds_many(one) for one in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _holds_many(typing.get_args(annotation)[0])
    return (origin or annotation) in _SEQUENCES


def _check_text(name: str, value: str) -> None:
    """Neither databases nor file systems agree about what a NUL in a text means."""
    if "\0" in name or "\0" in value:
        raise SDGenError("bad-request", f"{_cut(name)} holds a NUL character")


def _check_texts(name: str, value: object) -> None:
    if isinstance(value, str):
        _check_text(name, value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(str(key), str(key))
            _check_texts(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(name, inner)
