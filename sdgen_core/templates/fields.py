"""What the models of all file kinds are built from: lenient types, and the base class."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


def _scalar_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _no_null_map(value: Any) -> Any:
    return {} if value is None else value


def _no_null_list(value: Any) -> Any:
    return [] if value is None else value


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("must be a whole number")
    return value


Text = Annotated[str, BeforeValidator(_scalar_text), WithJsonSchema({"type": ["string", "number"]})]
Whole = Annotated[int, BeforeValidator(_whole)]
TextList = Annotated[list[Text], BeforeValidator(_no_null_list)]
AnyMap = Annotated[dict[str, Any], BeforeValidator(_no_null_map)]
PathMap = Annotated[dict[str, str], BeforeValidator(_no_null_map)]


class FileModel(BaseModel):
    """Base of all kinds and blocks: unknown fields are kept and reported, not refused.

    ``KIND`` is the kind's name, ``TYPES`` what its ``type:`` may be, ``NAMES`` the file names an editor knows it by.
    ``STRICT`` are fields that the strict rules ask for although loading can do without them. In a ``VARIABLE`` block
    every value may be a placeholder.
    """

    model_config = ConfigDict(extra="allow", defer_build=True, json_schema_extra={"additionalProperties": False})
    KIND: ClassVar[str] = ""
    TYPES: ClassVar[tuple[str, ...]] = ()
    NAMES: ClassVar[tuple[str, ...]] = ()
    STRICT: ClassVar[tuple[str, ...]] = ()
    VARIABLE: ClassVar[bool] = False
