"""What each file kind may contain: the one truth for checking files and for the JSON Schemas that editors complete
from.

Fields are read leniently (numbers where a text is meant, missing ``generation`` keys, unknown fields are only
reported); the extra rules of a strict check are in ``strict_problems``. Values of variation files are converted node
by node in ``imports``, because tens of thousands of them are read; ``VariationsFile`` describes the same rules for
the schema.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _scalar_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _no_null_map(value: Any) -> Any:
    return {} if value is None else value


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("must be a whole number")
    return value


Text = Annotated[str, BeforeValidator(_scalar_text)]
Whole = Annotated[int, BeforeValidator(_whole)]
ImportMap = Annotated[dict[str, Any], BeforeValidator(_no_null_map)]
PathMap = Annotated[dict[str, str], BeforeValidator(_no_null_map)]

_IMPORTS: Any = Field(
    default_factory=dict,
    description="Placeholder name -> values: a file, a list of files and texts, a map key: text, or [Remove].",
    json_schema_extra={"additionalProperties": True},
)
_CHUNKS: Any = Field(default_factory=dict, description="Chunk name -> chunk file, for @Name in the text.")
_PARAMETERS: Any = Field(
    default_factory=dict, description="Generation parameters: width, height, steps, cfg_scale, sampler, scheduler, ..."
)
_IMPLEMENTS = Field(None, description="The parent file, relative to this file.")
_NEGATIVE = Field(None, description="Negative prompt; {negprompt} in a template marks where a child's text goes.")


class FileModel(BaseModel):
    """Base of all kinds: unknown fields are kept and reported, not refused."""

    model_config = ConfigDict(extra="allow", defer_build=True, json_schema_extra={"additionalProperties": False})
    KIND: ClassVar[str] = ""
    TYPES: ClassVar[tuple[str, ...]] = ()


class GenerationBlock(FileModel):
    """How choices and seeds follow each other."""

    mode: Text = Field(
        "combinatorial",
        description="Every combination, or random draws.",
        json_schema_extra={"enum": ["combinatorial", "random", "ask"]},
    )
    seed: Whole = Field(-1, description="First seed; -1 picks one at random and records it.")
    seed_mode: Text = Field(
        "progressive",
        description="seed for all, seed + i, or a random one each.",
        json_schema_extra={"enum": ["fixed", "progressive", "random", "ask"]},
    )
    max_images: Whole = Field(-1, description="Stop after so many images; -1 means no limit.")
    variation_seed: Whole | None = Field(None, description="Seed of the random choices; the seed when absent.")


class AnnotationsBlock(FileModel):
    """Texts drawn onto copies of the images."""

    enabled: bool = False
    keys: list[Text] = Field(default_factory=list)
    position: Text = Field(
        "bottom-left", json_schema_extra={"enum": ["bottom-left", "bottom-right", "top-left", "top-right"]}
    )
    font_size: Annotated[Whole, Field(gt=0)] = 16
    background_alpha: Annotated[Whole, Field(ge=0, le=255)] = 180
    text_color: Text = "white"
    padding: Annotated[Whole, Field(ge=0)] = 10
    margin: Annotated[Whole, Field(ge=0)] = 20


class OutputBlock(FileModel):
    """Names of the session and its files."""

    session_name: Text | None = None
    filename_keys: Annotated[list[Text], BeforeValidator(lambda v: [] if v is None else v)] = Field(
        default_factory=list, description="Placeholders whose keys become part of the file names."
    )
    annotations: AnnotationsBlock | None = None
    file_name: Text | None = Field(
        None, description="Format of the file names: {session}_{index}_{Hair}; a / begins a sub-folder."
    )
    images_per_folder: Annotated[Whole, Field(ge=0)] = Field(
        0, description="Spread the images over sub-folders of so many; 0 keeps them together."
    )


class ThemesBlock(FileModel):
    """Where the themes of this prompt come from."""

    enable_autodiscovery: bool = False
    search_paths: Annotated[list[Text], BeforeValidator(lambda v: [] if v is None else v)] = Field(default_factory=list)
    explicit: PathMap = Field(default_factory=dict)
    merge: bool = Field(
        False, description="Keep inherited imports that a theme does not name, instead of replacing them all."
    )


class PromptFile(FileModel):
    """A runnable prompt: ``X.prompt.yaml``."""

    KIND: ClassVar[str] = "prompt"
    TYPES: ClassVar[tuple[str, ...]] = ("prompt",)

    type: Text | None = Field(None, json_schema_extra={"const": "prompt"})
    version: Text | None = None
    name: Text = Field(min_length=1)
    description: Text | None = None
    implements: Text | None = _IMPLEMENTS
    imports: ImportMap = _IMPORTS
    chunks: PathMap = _CHUNKS
    parameters: ImportMap = _PARAMETERS
    prompt: str = Field(min_length=1, description="The text; {Name} is replaced by a value of the import Name.")
    negative_prompt: str | None = _NEGATIVE
    generation: GenerationBlock
    output: OutputBlock | None = None
    themes: ThemesBlock | None = None
    style_sensitive_placeholders: list[Text] | None = None
    themable: Any = Field(None, description="Accepted for old files; every prompt is themable.")
    defaults: Any = Field(None, description="Accepted for old files; has no effect in a prompt.")


class TemplateFile(FileModel):
    """A reusable frame with ``{prompt}`` in it: ``X.template.yaml``."""

    KIND: ClassVar[str] = "template"
    TYPES: ClassVar[tuple[str, ...]] = ("template",)

    type: Text | None = Field(None, json_schema_extra={"const": "template"})
    version: Text | None = None
    name: Text = Field(min_length=1)
    description: Text | None = None
    implements: Text | None = _IMPLEMENTS
    imports: ImportMap = _IMPORTS
    chunks: PathMap = _CHUNKS
    parameters: ImportMap = _PARAMETERS
    template: str = Field(min_length=1, description="The text; must contain {prompt}, where the child's text goes.")
    negative_prompt: str | None = _NEGATIVE
    output: OutputBlock | None = None
    themes: ThemesBlock | None = None
    style_sensitive: Any = None
    style_sensitive_placeholders: list[Text] | None = Field(
        None, description="Imports that have a file per style: coat.winter.yaml beside coat.yaml."
    )
    prompts: Any = None
    themable: Any = None


class ChunkFile(FileModel):
    """A piece of text for ``@Name``: ``X.chunk.yaml``."""

    KIND: ClassVar[str] = "chunk"

    type: Text | None = None
    version: Text | None = None
    name: Text | None = None
    description: Text | None = None
    implements: Text | None = _IMPLEMENTS
    template: str | None = None
    imports: ImportMap = _IMPORTS
    defaults: ImportMap = Field(default_factory=dict, description="Values for placeholders that nothing else fills.")
    chunks: PathMap = _CHUNKS


class VariationsFile(FileModel):
    """Values of one placeholder; a file without ``variations`` is taken as the bare map of values."""

    KIND: ClassVar[str] = "variations"
    TYPES: ClassVar[tuple[str, ...]] = ("variations",)

    type: Text | None = Field(None, json_schema_extra={"const": "variations"})
    version: Text | None = None
    name: Text | None = None
    description: Text | None = None
    variations: dict[str, str | int | float | bool | dict[str, str | int | float | bool | None] | None] | list[Any] = (
        Field(description="key: text, key: {part: text}, or a list of texts.")
    )


class ThemeFile(FileModel):
    """``theme.yaml``: the imports that replace those of the templates."""

    KIND: ClassVar[str] = "theme"
    TYPES: ClassVar[tuple[str, ...]] = ("theme_config",)

    type: Text | None = Field(None, json_schema_extra={"const": "theme_config"})
    version: Text | None = None
    name: Text | None = None
    description: Text | None = None
    imports: ImportMap = Field(
        default_factory=dict,
        description="Name or Name.style -> file, or [Remove].",
        json_schema_extra={"additionalProperties": True},
    )
    variations: list[Text] | None = None
    merge: bool = Field(False, description="Keep inherited imports that this theme does not name.")
    tags: list[Text] | None = None
    period: Text | None = None
    setting: Text | None = None
    mood: Text | None = None


KINDS: dict[str, type[FileModel]] = {
    "prompt": PromptFile,
    "template": TemplateFile,
    "chunk": ChunkFile,
    "variations": VariationsFile,
    "theme": ThemeFile,
}


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file kind, for editors."""
    schema = KINDS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
