"""What a request says, by the models of its route. Everything raises ``bad-request`` with the field's name and what is expected."""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import SDGenError, nearest_names

_FEW = 100  # mistakes
_ODD = (b"NaN", b"Infinity", b"\\u0000")  # JSON's parser takes them, and nobody here does

_BRIEF = reprlib.Repr()  # of a wrong value, as a message repeats it
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80
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
    return _parsed(model, values)


def parse_body(model: type[BaseModel] | None, body: bytes) -> BaseModel | None:
    """The JSON object that is a request's body; no body at all is an empty one. A body nested deeper than anything of ours is none."""
    from pydantic_core import from_json

    text = body.strip() or b"{}"
    if not text.startswith(b"{"):
        raise SDGenError("bad-request", "the body must be a JSON object")
    if model is not None and not any(word in text for word in _ODD):
        return _validated(model, lambda: model.model_validate_json(text))
    try:
        values = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise SDGenError("bad-request", f"the body is no JSON: {error}") from error
    _check_texts("body", values)
    return _parsed(model, values)


def parse_path(parts: Mapping[str, str]) -> Mapping[str, str]:
    """The parts of the path that have names."""
    for name, value in parts.items():
        _check_text(name, value)
    return parts


def _parsed(model: type[BaseModel] | None, values: dict[str, Any]) -> BaseModel | None:
    if model is not None:
        return _validated(model, lambda: model.model_validate(values))
    for name in values:
        raise _unknown(name, {})
    return None


def _validated(model: type[BaseModel], validate: Callable[[], BaseModel]) -> BaseModel:
    try:
        return validate()
    except ValidationError as error:
        if error.error_count() > _FEW:  # each would be made an object
            raise SDGenError("bad-request", f"{error.error_count():,} values are not what they must be") from None
        found = error.errors(include_url=False, include_context=False)
        for one in found:
            if one["type"] == "extra_forbidden" and len(one["loc"]) == 1:
                raise _unknown(str(one["loc"][0]), _fields(model)) from None
        raise SDGenError("bad-request", _said(found[0])) from None


def _unknown(name: str, known: Mapping[str, Any]) -> SDGenError:
    fields = f"Fields: {', '.join(known)}." if known else "It takes no fields."
    asked = f"there is no field {_cut(name)} here"
    return SDGenError("bad-request", asked, nearest=nearest_names(name, known), hint=fields)


def _fields(model: type[BaseModel] | None) -> Mapping[str, Any]:
    """The model's fields by the names that requests know them by."""
    return {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}


def _said(error: Any) -> str:
    """One of pydantic's errors as a sentence about a field."""
    name = ".".join(str(part) for part in error["loc"]) or "the body"
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        return f"there is no field {name} here"
    must = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be", 1)
    if must == error["msg"]:
        return f"{name}: {must}"
    return f"{name} {must}, not {_cut(error['input'])}"


def _cut(value: object) -> str:
    return _BRIEF.repr(value)


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
