"""What people may set about scoring: ``"scoring": {…}`` in SDGen's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import Place, SDGenError
from .cascade.rules import CascadeSettings
from .classes import Thresholds
from .texts.wording import Wording


class ScoringSettings(BaseModel):
    """``thresholds`` of classes, ``wording``: placeholder -> phrasings with ``{}``, or "not assessable"; ``cascade``: who looks again at
    what is unsure; without it nobody does."""

    model_config = ConfigDict(extra="forbid")

    thresholds: Thresholds = Thresholds()
    wording: Wording | None = None
    cascade: CascadeSettings | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any], file: str) -> ScoringSettings:
        """Settings as they stand in ``file``. Raises ``bad-settings`` with the name of what is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, ("scoring", *first["loc"])))
            raise SDGenError("bad-settings", f"setting {name!r}: {first['msg']}", place=Place(file)) from error
