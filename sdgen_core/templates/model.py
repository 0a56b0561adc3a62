"""What each file kind may contain: the one truth for checking files, for the JSON Schemas that editors complete from,
and for the reference pages.

Fields are read leniently here (numbers where a text is meant, missing ``generation`` keys, unknown fields are only
reported). The strict rules are what ``schema`` makes of these models: ``json_schema_extra`` holds the limits that
loading does not enforce, and ``form`` names the form, described there, of fields whose values are read node by node
(``imports``, because tens of thousands of them are read; ``parameters``, because anything may stand there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from .fields import AnyMap, FileModel, PathMap, Text, TextList, Whole

if TYPE_CHECKING:
    KINDS: dict[str, type[FileModel]]

__all__ = [
    "KINDS",
    "AnnotationsBlock",
    "ChunkFile",
    "FileModel",
    "GenerationBlock",
    "OutputBlock",
    "PromptFile",
    "TemplateFile",
    "ThemeFile",
    "ThemesBlock",
    "VariationsFile",
]

_VERSIONS: list[Any] = ["2.0", "1.0", "2.0.0", "1.0.0", 2, 1]


def _type(word: str) -> Any:
    return Field(None, description="The kind of this file.", json_schema_extra={"const": word})


def _name(description: str, example: str) -> Any:
    return Field(min_length=1, description=description, examples=[example], json_schema_extra={"minLength": 1})


_VERSION = Field(
    None, description="Version of the template language.", examples=["2.0"], json_schema_extra={"enum": _VERSIONS}
)
_DESCRIPTION = Field(
    None, description="What this file is for. People read it; it has no effect.", examples=["Portraits by window light"]
)
_IMPLEMENTS = Field(
    None,
    description="The parent file, relative to this file.",
    examples=["../templates/portrait.template.yaml"],
    json_schema_extra={"form": "path"},
)
_IMPORTS: Any = Field(
    default_factory=dict,
    description="Placeholder name → its values, for {Name} in the text.",
    examples=[{"Coat": "variations/coats.yaml", "Light": ["dawn light", "noon light"]}],
    json_schema_extra={"form": "imports"},
)
_CHUNKS: Any = Field(
    default_factory=dict,
    description="Chunk name → chunk file, for @Name in the text.",
    examples=[{"Hero": "chunks/hero.chunk.yaml"}],
    json_schema_extra={"form": "paths"},
)
_PARAMETERS: Any = Field(
    default_factory=dict,
    description="Generation parameters. They win over the planner's widgets; a child's win over its parent's.",
    examples=[{"width": 832, "height": 1216, "steps": 24, "cfg_scale": 6.5, "sampler": "DPM++ 2M Karras"}],
    json_schema_extra={"form": "parameters"},
)
_NEGATIVE = Field(
    None,
    description="Negative prompt; its placeholders take the prompt's choices. {negprompt} in a parent marks where the "
    "child's text goes; without it a child's text replaces the parent's.",
    examples=["blurry, {negprompt}"],
)
_SENSITIVE = Field(
    None,
    description="Imports that have a file per style: with the style winter, coat.winter.yaml is read where it lies "
    "beside coat.yaml.",
    examples=[["Coat"]],
)


_OUTPUT: list[Any] = [{"session_name": "portraits_v2", "filename_keys": ["Coat"]}]
_THEMES: list[Any] = [{"enable_autodiscovery": True, "search_paths": ["themes"]}]


class GenerationBlock(FileModel):
    """How choices and seeds follow each other."""

    mode: Text = Field(
        "combinatorial",
        description="combinatorial: every combination; random: draws that do not repeat. ask counts as random where "
        "nobody can be asked.",
        json_schema_extra={"enum": ["combinatorial", "random", "ask"]},
    )
    seed: Whole = Field(
        -1,
        description="Seed of the first image; -1 picks one at random and records it.",
        examples=[42],
        json_schema_extra={"minimum": -1},
    )
    seed_mode: Text = Field(
        "progressive",
        description="fixed: the seed for all images; progressive: seed + i for image i; random: another one each.",
        json_schema_extra={"enum": ["fixed", "progressive", "random", "ask"]},
    )
    max_images: Whole = Field(
        -1,
        description="Stop after so many images; -1 means no limit.",
        examples=[100],
        json_schema_extra={
            "minimum": -1,
            "if": {"minimum": 0},
            "then": {"minimum": 1},
            "errorMessage": "must be a number of images, or -1 for no limit",
        },
    )
    variation_seed: Whole | None = Field(
        None, description="Seed of the random choices; the first image's seed when absent.", examples=[7]
    )


class AnnotationsBlock(FileModel):
    """Texts drawn onto copies of the images."""

    enabled: bool = Field(False, description="Whether to draw them.")
    keys: list[Text] = Field(
        default_factory=list, description="Placeholders whose values are drawn; all when empty.", examples=[["Coat"]]
    )
    position: Text = Field(
        "bottom-left",
        description="The corner.",
        json_schema_extra={"enum": ["bottom-left", "bottom-right", "top-left", "top-right"]},
    )
    font_size: Whole = Field(16, description="Height of the text in pixels.", json_schema_extra={"minimum": 1})
    background_alpha: Whole = Field(
        180,
        description="How dark the ground of the text is: 0 (clear) to 255 (black).",
        json_schema_extra={"minimum": 0, "maximum": 255},
    )
    text_color: Text = Field(
        "white",
        description="Colour of the text.",
        json_schema_extra={"enum": ["white", "black", "red", "green", "blue", "yellow"]},
    )
    padding: Whole = Field(
        10, description="Pixels between the text and its ground's edge.", json_schema_extra={"minimum": 0}
    )
    margin: Whole = Field(
        20, description="Pixels between the ground and the image's edge.", json_schema_extra={"minimum": 0}
    )


class OutputBlock(FileModel):
    """Names of the session and its files."""

    session_name: Text | None = Field(
        None,
        description="Folder and file prefix, used as written. When absent: the prompt's name with _ for spaces.",
        examples=["portraits_v2"],
    )
    filename_keys: TextList = Field(
        default_factory=list,
        description="Placeholders whose values become part of the file names.",
        examples=[["Coat", "Light"]],
        json_schema_extra={"type": ["array", "null"]},
    )
    annotations: AnnotationsBlock | None = Field(
        None, description="Texts drawn onto copies of the images.", examples=[{"enabled": True, "keys": ["Coat"]}]
    )
    file_name: Text | None = Field(
        None,
        description="Format of the file names; a / begins a sub-folder. May hold {session}, {index}, {seed}, {theme}, "
        "{style} and placeholders.",
        examples=["{session}_{index}_{Hair}"],
    )
    images_per_folder: Whole = Field(
        0, ge=0, description="Spread the images over sub-folders of so many; 0 keeps them together.", examples=[1000]
    )


class ThemesBlock(FileModel):
    """Where the themes of a prompt come from. Paths are relative to the prompt that is run."""

    enable_autodiscovery: bool = Field(
        False, description="Every folder of the search paths with a theme.yaml in it is a theme of that name."
    )
    search_paths: TextList = Field(
        default_factory=list,
        description="Where to look for theme folders; the prompt's own folder when empty.",
        examples=[["themes"]],
        json_schema_extra={"type": ["array", "null"]},
    )
    explicit: PathMap = Field(
        default_factory=dict,
        description="Theme name → its theme.yaml, or the folder of it.",
        examples=[{"pirates": "themes/pirates/theme.yaml"}],
        json_schema_extra={"type": ["object", "null"]},
    )
    merge: bool = Field(
        False, description="Keep inherited imports that a theme does not name, instead of replacing them all."
    )


class PromptFile(FileModel):
    """A runnable prompt. It stands alone, or fills the ``{prompt}`` of the template it implements."""

    KIND: ClassVar[str] = "prompt"
    TYPES: ClassVar[tuple[str, ...]] = ("prompt",)
    NAMES: ClassVar[tuple[str, ...]] = ("*.prompt.yaml", "*.prompt.yml")
    STRICT: ClassVar[tuple[str, ...]] = ("type",)

    type: Text | None = _type("prompt")
    version: Text | None = _VERSION
    name: Text = _name("Name of the prompt; the session is called after it.", "Knight portraits")
    description: Text | None = _DESCRIPTION
    implements: Text | None = _IMPLEMENTS
    imports: AnyMap = _IMPORTS
    chunks: PathMap = _CHUNKS
    parameters: AnyMap = _PARAMETERS
    prompt: str = Field(
        min_length=1,
        description="The text. {Name} is replaced by a value of the import Name, @Name by the chunk Name.",
        examples=["a knight in a {Coat}, {Light[#0-2]}, @Quality"],
        json_schema_extra={"form": "prompt"},
    )
    negative_prompt: str | None = _NEGATIVE
    generation: GenerationBlock = Field(
        description="Mode, seeds and limit; {} has the defaults.",
        examples=[{"mode": "random", "seed": 42, "max_images": 100}],
    )
    output: OutputBlock | None = Field(None, description="Names and texts of the output.", examples=_OUTPUT)
    themes: ThemesBlock | None = Field(
        None,
        description="Where the themes of this prompt come from; the parent's block when absent.",
        examples=_THEMES,
    )
    style_sensitive_placeholders: list[Text] | None = _SENSITIVE
    themable: Any = Field(None, description="Accepted for old files; every prompt is themable.", examples=[True])
    defaults: Any = Field(None, description="Accepted for old files; has no effect in a prompt.", examples=[{}])


class TemplateFile(FileModel):
    """A frame for prompts, with ``{prompt}`` in it. It is not run by itself: prompts implement it."""

    KIND: ClassVar[str] = "template"
    TYPES: ClassVar[tuple[str, ...]] = ("template",)
    NAMES: ClassVar[tuple[str, ...]] = ("*.template.yaml", "*.template.yml")
    STRICT: ClassVar[tuple[str, ...]] = ("type",)

    type: Text | None = _type("template")
    version: Text | None = _VERSION
    name: Text = _name("Name of the template.", "Portrait")
    description: Text | None = _DESCRIPTION
    implements: Text | None = _IMPLEMENTS
    imports: AnyMap = _IMPORTS
    chunks: PathMap = _CHUNKS
    parameters: AnyMap = _PARAMETERS
    template: str = Field(
        min_length=1,
        description="The text; the child's text goes where {prompt} stands.",
        examples=["masterpiece, {prompt}, {Light}"],
        json_schema_extra={"form": "template"},
    )
    negative_prompt: str | None = _NEGATIVE
    output: OutputBlock | None = Field(None, description="Acts only when the template itself is run.", examples=_OUTPUT)
    themes: ThemesBlock | None = Field(
        None, description="Where the themes come from, for prompts without themes:.", examples=_THEMES
    )
    style_sensitive: Any = Field(None, description="Accepted for old files; has no effect.", examples=[True])
    style_sensitive_placeholders: list[Text] | None = _SENSITIVE
    prompts: Any = Field(None, description="Accepted for old files; has no effect.", examples=[{}])
    themable: Any = Field(None, description="Accepted for old files; every prompt is themable.", examples=[True])


class ChunkFile(FileModel):
    """A piece of text for ``@Name``, with the imports and defaults it needs."""

    KIND: ClassVar[str] = "chunk"
    NAMES: ClassVar[tuple[str, ...]] = ("*.chunk.yaml", "*.chunk.yml")
    STRICT: ClassVar[tuple[str, ...]] = ("type",)

    type: Text | None = Field(
        None,
        description="chunk, or a word of your own, as character; a chunk and its parent have the same.",
        examples=["chunk"],
        json_schema_extra={"type": ["string", "number"]},
    )
    version: Text | None = _VERSION
    name: Text | None = Field(
        None, description="Name of the chunk, for people; references use the entry's name.", examples=["Hero"]
    )
    description: Text | None = _DESCRIPTION
    implements: Text | None = Field(
        None,
        description="A chunk to take over, relative to this file: text, imports and defaults.",
        examples=["person.chunk.yaml"],
        json_schema_extra={"form": "path"},
    )
    template: str | None = Field(
        None,
        description="The text. Its placeholders are filled like those of the prompt.",
        examples=["a hero in a {Coat}, {Pose}"],
        json_schema_extra={"form": "chunk_text"},
    )
    imports: AnyMap = Field(
        default_factory=dict,
        description="Values for placeholders of the text that the prompt does not import itself.",
        examples=[{"Pose": "poses.yaml"}],
        json_schema_extra={"form": "imports"},
    )
    defaults: AnyMap = Field(
        default_factory=dict,
        description="Values for placeholders that nothing else fills.",
        examples=[{"Coat": "a grey coat"}],
        json_schema_extra={"form": "imports"},
    )
    chunks: PathMap = _CHUNKS


class VariationsFile(FileModel):
    """The values of one placeholder. A file without ``variations:`` is read as the bare map, or list, of values."""

    KIND: ClassVar[str] = "variations"
    TYPES: ClassVar[tuple[str, ...]] = ("variations",)
    NAMES: ClassVar[tuple[str, ...]] = tuple(
        f"**/{folder}/**/*.{ending}" for folder in ("variations", "themes") for ending in ("yaml", "yml")
    )

    type: Text | None = _type("variations")
    version: Text | None = _VERSION
    name: Text | None = Field(None, description="Name of the set of values, for people.", examples=["Coats"])
    description: Text | None = _DESCRIPTION
    variations: Any = Field(
        description="Key → text, key → {part: text}, or a list of texts. Keys are what selectors, fixed choices and "
        "manifests call a value by.",
        examples=[{"Red": "a red coat", "Bob": {"main": "short bob", "lora": "<lora:bob:0.7>"}}],
        json_schema_extra={"form": "variations"},
    )


class ThemeFile(FileModel):
    """``theme.yaml`` in a theme's folder: the imports that replace those of the templates."""

    KIND: ClassVar[str] = "theme"
    TYPES: ClassVar[tuple[str, ...]] = ("theme_config",)
    NAMES: ClassVar[tuple[str, ...]] = ("theme.yaml",)
    STRICT: ClassVar[tuple[str, ...]] = ("type", "imports")

    type: Text | None = _type("theme_config")
    version: Text | None = _VERSION
    name: Text | None = Field(
        None, description="Name of the theme, for people; a theme is chosen by its folder's name.", examples=["Pirates"]
    )
    description: Text | None = _DESCRIPTION
    imports: AnyMap = Field(
        default_factory=dict,
        description="Name or Name.style → its values, or [Remove] to leave the placeholder out. Name.style counts when "
        "that style is asked for. Paths are relative to the prompt that is run.",
        examples=[{"Coat": "pirates/coat.yaml", "Coat.winter": "pirates/coat.winter.yaml", "Camera": ["Remove"]}],
        json_schema_extra={"form": "theme_imports"},
    )
    lora: Any = Field(
        None,
        description="The LoRA of this theme: a file of ComfyUI's LoRA folders, {name, strength}, or a list of these. It is applied to "
        "model and text encoder of every image made with the theme, whatever the graph.",
        examples=[{"name": "pirates-style", "strength": 0.8}],
        json_schema_extra={"form": "theme_lora"},
    )
    variations: list[Text] | None = Field(
        None,
        description="The placeholders this theme gives values to; each needs an import.",
        examples=[["Coat", "Place"]],
        json_schema_extra={"minItems": 1},
    )
    merge: bool = Field(False, description="Keep inherited imports that this theme does not name.")
    tags: list[Text] | None = Field(None, description="Words to find the theme by.", examples=[["sea", "history"]])
    period: Text | None = Field(None, description="When the theme plays, for lists.", examples=["18th century"])
    setting: Text | None = Field(None, description="Where the theme plays, for lists.", examples=["ships and harbours"])
    mood: Text | None = Field(None, description="How the theme feels, for lists.", examples=["adventurous"])


def __getattr__(name: str) -> Any:
    """``KINDS``: kind → model, of all seven. Made on first use, as those of presets cost every start some time."""
    if name != "KINDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .preset_model import AdetailerFile, ControlnetFile

    models = (PromptFile, TemplateFile, ChunkFile, VariationsFile, ThemeFile, AdetailerFile, ControlnetFile)
    globals()["KINDS"] = kinds = {model.KIND: model for model in models}
    return kinds
