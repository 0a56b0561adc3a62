"""What people may set about scoring: ``"scoring": {…}`` in SDGen's settings, and single settings that a command was given."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import Place, SDGenError, nearest_names
from .cascade.rules import CascadeSettings
from .classes import Thresholds
from .texts.wording import Wording

#: Whether prompts that were never read go through the model: all, none, or those of a session when that does not take long.
PromptScores = Literal["auto", "on", "off"]


class ScoringSettings(BaseModel):
    """``thresholds`` of classes, ``wording``: placeholder -> phrasings with ``{}``, or "not assessable"; ``cascade``: who looks again at
    what is unsure; without it nobody does. ``prompt_scores``: whether images are held against their whole prompts; "auto" when reading
    the new prompts of a session takes no longer than ``prompt_seconds``. ``aesthetic_head``: path of a head for a score of its own;
    ``efficientnet``: that of weights of EfficientNet-lite0, for own classifiers that were trained on its features.
    """

    model_config = ConfigDict(extra="forbid")

    thresholds: Thresholds = Thresholds()
    wording: Wording | None = None
    cascade: CascadeSettings | None = None
    prompt_scores: PromptScores = "auto"
    prompt_seconds: float = Field(default=60.0, gt=0)
    aesthetic_head: str = ""
    efficientnet: str = ""

    @classmethod
    def read(cls, value: Mapping[str, Any], file: str) -> ScoringSettings:
        """Settings as they stand in ``file``. Raises ``bad-settings`` with the name of what is wrong, and the nearest valid name."""
        return _checked(value, "bad-settings", "setting 'scoring.{}'", Place(file))

    @classmethod
    def given(cls, value: Mapping[str, Any], more: Iterable[str]) -> ScoringSettings:
        """The settings ``value``, changed by ``more``: "thresholds.success=0.9". What stands behind "=" is JSON, or else text.

        Raises ``bad-option``.
        """
        out = dict(value)
        for text in more:
            name, sign, said = text.partition("=")
            path = name.strip().split(".")
            if not sign or not all(path):
                raise SDGenError("bad-option", f"--set {text!r} is not NAME=VALUE, such as thresholds.success=0.9")
            _put(out, path, _value(said.strip()), name)
        return _checked(out, "bad-option", "--set {}", None)


def _put(into: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    """Set what ``path`` names; dictionaries on the way are copied, for they belong to somebody else."""
    for part in path[:-1]:
        below = into.get(part)
        if below is not None and not isinstance(below, Mapping):
            raise SDGenError("bad-option", f"--set {name}: {part!r} has no settings below it")
        into[part] = dict(below or {})
        into = into[part]
    into[path[-1]] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(value: Mapping[str, Any], code: str, form: str, place: Place | None) -> ScoringSettings:
    try:
        return ScoringSettings.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        loc = first["loc"]
        what = form.format(".".join(map(str, loc)))
        if first["type"] == "extra_forbidden":
            near = nearest_names(str(loc[-1]), _names(loc[:-1]))
            raise SDGenError(code, f"{what}: there is no such setting", place=place, nearest=near) from error
        raise SDGenError(code, f"{what}: {first['msg']}", place=place) from error


def _names(path: Iterable[int | str]) -> list[str]:
    """The settings below ``path``."""
    at: type[BaseModel] = ScoringSettings
    for part in path:
        field = at.model_fields.get(str(part))
        models = [] if field is None else [field.annotation, *typing.get_args(field.annotation)]
        at = next((one for one in models if isinstance(one, type) and issubclass(one, BaseModel)), BaseModel)
    return list(at.model_fields)
