"""Merging a file with its parents (``implements``), from the root down to the leaf."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SDGenError
from .chunks import MAX_TEXT
from .documents import Document
from .model import ChunkFile, FileModel, PromptFile, TemplateFile, ThemesBlock
from .run import Entry, Run
from .text import Text

MAX_CHAIN = 100


@dataclass
class Merged:
    """The chain merged so far. Names keep the place their first declaration gave them."""

    text: Text
    negative: Text | None
    kind: str
    imports: dict[str, Entry] = field(default_factory=dict)
    chunks: dict[str, Entry] = field(default_factory=dict)
    parameters: dict[str, tuple[Any, Document]] = field(default_factory=dict)
    themes: ThemesBlock | None = None
    sensitive: list[str] = field(default_factory=list)
    own_imports: dict[str, Entry] = field(default_factory=dict)


@dataclass
class Layer:
    """One file of the chain, checked."""

    document: Document
    kind: str
    model: Any
    path: Path | None


def kind_of(document: Document, leaf_name: str | None) -> type[FileModel]:
    """What a file is. A leaf goes by its name, a parent by its ``generation`` and ``type`` fields."""
    root = document.root
    if root.kind != "map":
        what = "empty" if root.is_null else "no map of fields"
        raise SDGenError("bad-structure", f"the file is {what}", place=document.place())
    if leaf_name is not None:
        return TemplateFile if ".template." in leaf_name else PromptFile
    if root.get("generation") is not None:
        return PromptFile
    node = root.get("type")
    word = None if node is None or node.is_null else str(node.value)
    if word is None or word == "template":
        return TemplateFile
    if word == "prompt":
        return PromptFile
    if word == "chunk":
        return ChunkFile
    raise SDGenError(
        "bad-structure", f"a file of type {word!r} cannot be a parent", place=document.place(node), nearest=[]
    )


def chain(run: Run, leaf: Document, leaf_kind: type[FileModel]) -> list[Layer]:
    """The files from the root parent to the leaf. Raises ``cycle``, ``missing-file``, ``bad-structure``."""
    layers: list[Layer] = []
    document, kind = leaf, leaf_kind
    seen: list[Path] = []
    while True:
        if document.path is not None:
            if document.path in seen:
                circle = " -> ".join(run.name_of(p) for p in [*seen[seen.index(document.path) :], document.path])
                raise SDGenError(
                    "cycle",
                    f"implements goes in a circle: {circle}",
                    place=document.place(document.root.get("implements")),
                )
            seen.append(document.path)
        layer = _layer(run, document, kind)
        layers.insert(0, layer)
        implements = layer.model.implements
        if not implements:
            return layers
        if len(layers) > MAX_CHAIN:
            raise SDGenError("too-large", f"more than {MAX_CHAIN} files implement each other", place=document.place())
        node = document.root.get("implements")
        assert node is not None
        path = run.find(implements, Entry(node, document, layer is layers[-1], "implements"), only_own=True)
        assert path is not None
        document = run.open(path)
        kind = kind_of(document, None)


def _layer(run: Run, document: Document, kind: type[FileModel]) -> Layer:
    root = document.root
    if kind is PromptFile and root.kind == "map":
        # the two mistakes people make most, named before the model complains about what they lead to
        if (node := root.get("template")) is not None:
            raise SDGenError(
                "bad-structure", "a prompt file has 'prompt:', not 'template:'", place=document.place(node)
            )
        if (node := root.get("variations")) is not None:
            raise SDGenError(
                "bad-structure", "a prompt file has 'imports:', not 'variations:'", place=document.place(node)
            )
    model: Any = run.model(document, kind)
    if isinstance(model, PromptFile) and not model.prompt.strip():
        raise SDGenError("bad-structure", "the field 'prompt' is empty", place=document.place(root.get("prompt")))
    if isinstance(model, TemplateFile) and "{prompt}" not in model.template:
        node = root.get("template")
        raise SDGenError(
            "bad-structure",
            "a template's text must contain {prompt}, where the child's text goes",
            place=document.place(node),
        )
    if isinstance(model, ChunkFile) and model.template is None:
        raise SDGenError("bad-structure", "the field 'template' is missing", place=document.place())
    if model.type and model.TYPES and model.type not in model.TYPES:
        run.warn(
            f"the type is {model.type!r}; {' or '.join(map(repr, model.TYPES))} was expected",
            document.place(root.get("type")),
            "schema",
        )
    return Layer(document, kind.KIND, model, document.path)


def merge(run: Run, layers: list[Layer]) -> Merged:
    """Fold the chain; texts keep the places they came from."""
    merged: Merged | None = None
    for layer in layers:
        document, model, leaf = layer.document, layer.model, layer is layers[-1]
        root = document.root
        text_node = root.get("prompt" if layer.kind == "prompt" else "template")
        assert text_node is not None
        text = Text.of(document, text_node)
        negative_node = root.get("negative_prompt")
        has_negative = negative_node is not None and negative_node.kind == "scalar" and not negative_node.is_null
        negative = Text.of(document, negative_node) if negative_node is not None and has_negative else None
        if merged is None:
            merged = Merged(text, negative, layer.kind)
        else:
            merged.text = _merge_text(run, merged, text, layer)
            if merged.negative is not None and "{negprompt}" in merged.negative.string:
                merged.negative = merged.negative.replace("{negprompt}", negative or Text(""))
            elif negative:
                merged.negative = negative
            merged.kind = layer.kind
        if len(merged.text.string) > MAX_TEXT:
            raise SDGenError(
                "too-large", f"the merged text has more than {MAX_TEXT:,} characters", place=document.place()
            )
        for name, entry in _entries(layer, "imports", leaf).items():
            merged.imports[name] = entry
            if leaf:
                merged.own_imports[name] = entry
        merged.chunks.update(_entries(layer, "chunks", leaf))
        merged.parameters.update({k: (v, document) for k, v in getattr(model, "parameters", {}).items()})
        if getattr(model, "themes", None) is not None:
            merged.themes = model.themes
        merged.sensitive += getattr(model, "style_sensitive_placeholders", None) or []
    assert merged is not None
    return merged


def _entries(layer: Layer, block_name: str, own: bool) -> dict[str, Entry]:
    block = layer.document.root.get(block_name)
    if block is None or block.kind != "map":
        return {}
    return {key: Entry(node, layer.document, own, f"{block_name}.{key}") for key, _, node in block.pairs()}


def _merge_text(run: Run, merged: Merged, text: Text, layer: Layer) -> Text:
    if "{prompt}" in merged.text.string:
        if len(merged.text.string) + merged.text.string.count("{prompt}") * len(text.string) > 4 * MAX_TEXT:
            raise SDGenError(
                "too-large", f"the merged text has more than {MAX_TEXT:,} characters", place=layer.document.place()
            )
        return merged.text.replace("{prompt}", text)
    place = layer.document.place(layer.document.root.get("implements"))
    if layer.kind == "prompt":
        run.note("the parent's text has no {prompt}, so it is used and this file's own text is not", place)
        return merged.text
    run.note("the parent's text has no {prompt}; this file's text replaces it", place)
    return text
