"""What a data set is to be made of, as a person, a node or the improvement loop says it."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...catalog.pictures.duplicates import MAX_DISTANCE
from ...catalog.query import DUPLICATE, MOST_VALUES
from ...errors import Place, SDGenError, nearest_names, shown

_Share = Annotated[float, Field(ge=0, le=1)]
_Word = Annotated[str, Field(max_length=200)]
_Side = Annotated[int, Field(ge=64, le=4096)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_NAME = 120  # characters


def _one_line(text: str) -> str:
    return " ".join(text.split())


class Captions(BaseModel):
    """How a caption is made. ``text``: of the values, or the prompt without what is meant for the generator alone.

    ``trigger`` stands first, then ``class_word`` ("sks", "woman"). ``learned`` is the value that is learned: it stays in the caption
    (keep), the trigger stands for it (replace), or nothing does (drop). ``keep``: only these placeholders, ``drop``: all but these.
    ``unseen``: LoRA tags, quality words and negations, which no image shows, go (drop) or stay as the values have them (keep).
    """

    model_config = _STRICT

    text: Literal["values", "prompt"] = "values"
    trigger: _Word = ""
    class_word: _Word = ""
    learned: Literal["keep", "replace", "drop"] = "keep"
    keep: list[_Word] = []
    drop: list[_Word] = []
    unseen: Literal["drop", "keep"] = "drop"

    _tidy = field_validator("trigger", "class_word")(_one_line)

    @model_validator(mode="after")
    def _replaced_by_something(self) -> Captions:
        if self.learned == "replace" and not self.trigger:
            raise ValueError("`learned: replace` needs a `trigger` that stands for the value")
        return self


class Apart(BaseModel):
    """What is set aside for the benchmark: up to so many ``seeds`` and ``prompts``, of those that the images have at most the ``share``;
    seeds that are missing are new ones. ``file``: a ``held_out.json`` of before whose seeds and prompts stay set aside, in place of that.
    """

    model_config = _STRICT

    seeds: int = Field(default=8, ge=0, le=1000)
    prompts: int = Field(default=16, ge=0, le=1000)
    share: float = Field(default=0.1, ge=0, le=0.5)
    file: str = ""


class Recipe(BaseModel):
    """``name`` is that of the folder. Which images: of ``sessions`` (ids, names, titles), of a ``theme``, found by a ``query``, having a
    ``value`` ("Placeholder=Key", the one that is learned); all that are said must hold.

    Of those the ``best`` share by score and verdict, in each combination of the values of ``balance``, though not fewer than
    ``at_least`` where so many are good enough; machines' scores count from ``minimum`` on. ``duplicates``: images of one caption
    whose perceptual hashes differ in so many bits are one (None: all stay). Of each value of a placeholder of ``balance`` at most
    ``factor`` times as many as of its rarest; ``limit``: at most so many images in all.

    ``repeats`` of each image an epoch; ``even``: each combination of ``balance`` has a folder of its own, the small ones with more
    repeats. ``resolution``: one side or [width, height] in pixels; None: that of most images. ``files``: hard links where they work
    (auto), or an error where they do not (link), or copies.
    """

    model_config = _STRICT

    name: str = Field(min_length=1, max_length=_NAME)
    sessions: list[_Word] = Field(default=[], max_length=MOST_VALUES)
    theme: _Word = ""
    query: str = Field(default="", max_length=20_000)
    value: str = Field(default="", max_length=2_000)
    best: float = Field(default=0.2, gt=0, le=1)
    minimum: _Share = 0.5
    at_least: int = Field(default=10, ge=0, le=100_000)
    limit: int | None = Field(default=None, ge=1, le=100_000)
    duplicates: int | None = Field(default=DUPLICATE, ge=0, le=MAX_DISTANCE)
    balance: list[_Word] = []
    factor: float = Field(default=1.5, ge=1, le=1000)
    apart: Apart = Apart()
    captions: Captions = Captions()
    repeats: int = Field(default=1, ge=1, le=1000)
    even: bool = False
    resolution: _Side | Annotated[list[_Side], Field(min_length=2, max_length=2)] | None = None
    files: Literal["auto", "link", "copy"] = "auto"

    @field_validator("value")
    @classmethod
    def _has_both(cls, text: str) -> str:
        if text and not all(part.strip() for part in (text.partition("=")[::2])):
            raise ValueError("write Placeholder=Key, such as Colour=Red")
        return text

    @model_validator(mode="after")
    def _something_to_learn(self) -> Recipe:
        if self.captions.learned != "keep" and not self.value:
            raise ValueError(f"`captions.learned: {self.captions.learned}` needs a `value` that is learned")
        if self.even and not self.balance:
            raise ValueError("`even` needs placeholders in `balance`")
        return self

    @property
    def asked(self) -> tuple[str, str] | None:
        """Placeholder and key (or text) of the value that is learned."""
        name, sign, key = self.value.partition("=")
        return (name.strip(), key.strip()) if sign else None

    @classmethod
    def of(cls, value: Mapping[str, Any], place: Place | None = None) -> Recipe:
        """A recipe of a map. Raises ``bad-recipe`` with the name of what is wrong, and the nearest valid name."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            path = [part for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
            what = ".".join(map(str, path)) or "the recipe"
            if first["type"] == "extra_forbidden":
                near = nearest_names(str(path[-1]), _names(path[:-1]))
                raise SDGenError(
                    "bad-recipe", f"{what}: a recipe has no such part", place=place, nearest=near
                ) from error
            said = first["msg"].removeprefix("Value error, ")
            raise SDGenError("bad-recipe", f"{what}: {said}", place=place) from error

    @classmethod
    def read(cls, path: Path, more: Mapping[str, Any] | None = None) -> Recipe:
        """A recipe in a file, YAML or JSON; ``more`` wins. A file that it names is looked for beside it.

        Raises ``missing-file``, ``unreadable-file``, ``bad-recipe``.
        """
        place = Place(shown(path))
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError as error:
            raise SDGenError("missing-file", f"there is no file {shown(path)}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SDGenError("unreadable-file", f"{shown(path)} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = Place(shown(path), mark.line + 1, mark.column + 1) if mark else place
            raise SDGenError("bad-recipe", f"no YAML: {getattr(error, 'problem', error)}", place=at) from error
        if not isinstance(value, Mapping):
            raise SDGenError("bad-recipe", "a recipe is a map: name: …, sessions: […]", place=place)
        found = merged(value, more or {})
        apart = found.get("apart")
        if isinstance(apart, dict) and isinstance(apart.get("file"), str) and apart["file"]:
            apart["file"] = str(path.absolute().parent / Path(apart["file"]).expanduser())  # beside the recipe
        return cls.of(found, place)

    def text(self) -> str:
        """The recipe as JSON, always the same for the same one: by it a folder is known to be of this recipe."""
        return json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)


def named_after(text: str) -> str:
    """A name for a data set that nobody named, after its value (Placeholder=Key), theme or session."""
    return _one_line(text.replace("=", " "))[:_NAME].rstrip() or "images"


def merged(value: Mapping[Any, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with ``more`` in it; what is a map in both is merged."""
    out = {str(name): said for name, said in value.items()}
    for name, said in more.items():
        below = out.get(name)
        out[name] = merged(below, said) if isinstance(below, Mapping) and isinstance(said, Mapping) else said
    return out


def _names(path: Iterable[int | str]) -> list[str]:
    """The parts of a recipe below ``path``."""
    at: type[BaseModel] = Recipe
    for part in path:
        field = at.model_fields.get(str(part))
        models = [] if field is None else [field.annotation, *typing.get_args(field.annotation)]
        at = next((one for one in models if isinstance(one, type) and issubclass(one, BaseModel)), BaseModel)
    return list(at.model_fields)
