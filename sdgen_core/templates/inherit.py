"""Merging a file with its parents (``implements``), from the root down to the leaf."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Place, SDGenError, nearest_names
from .chunks import MAX_TEXT
from .documents import Document
from .model import ChunkFile, FileModel, PromptFile, TemplateFile, ThemesBlock
from .run import Entry, Run, is_file
from .syntax import placeholders
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
    """One file of the chain, checked. ``text`` is None where it could not be read; ``imports_name`` is the field that
    holds the imports.
    """

    document: Document
    kind: str
    model: Any
    path: Path | None
    text: Text | None
    imports_name: str = "imports"


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
    if node is None or node.is_null:
        return TemplateFile
    for kind in (TemplateFile, PromptFile, ChunkFile):
        if node.kind == "scalar" and node.value == kind.KIND:
            return kind
    word = repr(node.value) if node.kind == "scalar" else f"a {node.kind}"
    raise SDGenError("bad-structure", f"a file of type {word} cannot be a parent", place=document.place(node))


def chain(run: Run, leaf: Document, leaf_kind: type[FileModel]) -> list[Layer]:
    """The files from the root parent to the leaf. Faults of the files are recorded; where a parent cannot be read at all,
    the chain begins with its child and the run is ``partial``. Raises only what makes the leaf itself unusable.
    """
    layers = [_layer(run, leaf, leaf_kind, True)]
    seen: list[Path] = [] if leaf.path is None else [leaf.path]
    while True:
        document = layers[0].document
        node = document.root.get("implements")
        implements = layers[0].model.implements
        if not implements or node is None:
            run.partial = run.partial or document.lost("implements")
            return layers
        try:
            if len(layers) > MAX_CHAIN:
                message = f"more than {MAX_CHAIN} files implement each other"
                raise SDGenError("too-large", message, place=document.place(node))
            path = run.find(implements, Entry(node, document, document is leaf, "implements"), only_own=True)
            assert path is not None
            if path in seen:
                circle = " -> ".join(run.name_of(p) for p in [*seen[seen.index(path) :], path])
                raise SDGenError("cycle", f"implements goes in a circle: {circle}", place=document.place(node))
            seen.append(path)
            parent = run.salvage(path)
            layers.insert(0, _layer(run, parent, kind_of(parent, None)))
        except SDGenError as error:
            run.problem(error)
            run.partial = True
            return layers


def _or_else(document: Document, leaf: bool) -> str:
    """The other way out of a template: in a prompt file."""
    if not leaf:
        return ", or remove generation:, which only prompts have."
    if document.path is None or not is_file(document.path):
        return "."
    return f", or call the file {document.path.name.partition('.')[0]}.template.yaml."


def _slip(names: Iterable[str]) -> str | None:
    """The name that was most likely meant to be ``prompt``."""
    folded = {name.casefold(): name for name in names}
    hits = difflib.get_close_matches("prompt", folded, n=1, cutoff=0.8)
    return folded[hits[0]] if hits else None


def _layer(run: Run, document: Document, kind: type[FileModel], leaf: bool = False) -> Layer:
    """One file, checked as far as it can be."""
    root = document.root
    data = root.python()
    field_name = "prompt" if kind is PromptFile else "template"
    imports_name = "imports"
    if kind is PromptFile and isinstance(data, dict):
        # the two mistakes people make most; what was meant is clear
        for wrong, right in (("template", "prompt"), ("variations", "imports")):
            if data.get(wrong) is None:
                continue
            message = f"a prompt file has '{right}:', not '{wrong}:'"
            place = next(document.place(key_node) for key, key_node, _ in root.pairs() if key == wrong)
            hint = f"Rename {wrong}: to {right}:" if data.get(right) is None else f"Remove {wrong}:"
            hint += _or_else(document, leaf) if wrong == "template" else "."
            run.problem(SDGenError("bad-structure", message, place=place, hint=hint))
            value = data.pop(wrong)
            if data.get(right) is None:
                data[right] = value
                field_name = wrong if wrong == "template" else field_name
                imports_name = wrong if wrong == "variations" else imports_name
    model: Any = run.rough_model(document, kind, data=data)
    node = root.get(field_name)
    text = Text.of(document, node) if node is not None and node.kind == "scalar" and not node.is_null else None
    if isinstance(model, PromptFile) and text is not None and text.string and not text.string.strip():
        run.problem(SDGenError("bad-structure", "the field 'prompt' is empty", place=document.place(node)))
    if isinstance(model, TemplateFile) and text is not None and text.string and "{prompt}" not in text.string:
        message = "a template's text must contain {prompt}, where the child's text goes"
        where: Place | None = document.place(node)
        near: list[str] = []
        slip = _slip(p.name for p in placeholders(text.string) if p.name not in model.imports)
        if slip is not None:  # read as it was meant, so that nothing else is said about it
            raw = f"{{{slip}}}"
            where, near = text.place(text.string.find(raw), raw), ["{prompt}"]
            text = text.replace(raw, Text("{prompt}"))
        run.problem(SDGenError("bad-structure", message, place=where, nearest=near))
    if isinstance(model, ChunkFile) and node is None and not document.damaged:
        run.problem(SDGenError("bad-structure", "the field 'template' is missing", place=document.place()))
    if model.type and model.TYPES and model.type not in model.TYPES:
        expected = " or ".join(map(repr, model.TYPES))
        run.warn(
            f"the type is {model.type!r}; {expected} was expected",
            document.place(root.get("type")),
            "schema",
            nearest_names(model.type, model.TYPES),
        )
    return Layer(document, kind.KIND, model, document.path, text, imports_name)


def merge(run: Run, layers: list[Layer]) -> Merged:
    """Fold the chain; texts keep the places they came from. A text that could not be read counts as a bare frame, or as
    nothing in a prompt. Raises ``too-large``.
    """
    merged: Merged | None = None
    for layer in layers:
        document, model, leaf = layer.document, layer.model, layer is layers[-1]
        root = document.root
        text = layer.text if layer.text is not None else Text("" if layer.kind == "prompt" else "{prompt}")
        negative_node = root.get("negative_prompt")
        has_negative = negative_node is not None and negative_node.kind == "scalar" and not negative_node.is_null
        negative = Text.of(document, negative_node) if negative_node is not None and has_negative else None
        if merged is None:
            merged = Merged(text, negative, layer.kind)
        else:
            merged.text = _merge_text(run, merged, text, layer)
            if merged.negative is not None and "{negprompt}" in merged.negative.string:
                merged.negative = _put(merged.negative, "{negprompt}", negative or Text(""), layer)
            elif negative:
                merged.negative = negative
            merged.kind = layer.kind
        if len(merged.text.string) > MAX_TEXT:
            raise _too_long(layer)
        for name, entry in _entries(layer, layer.imports_name, leaf).items():
            merged.imports[name] = entry
            if leaf:
                merged.own_imports[name] = entry
        merged.chunks.update(_entries(layer, "chunks", leaf))
        merged.parameters.update({k: (v, document) for k, v in getattr(model, "parameters", {}).items()})
        if getattr(model, "themes", None) is not None:
            merged.themes = model.themes
            run.theme_folders = () if document.folder is None else (document.folder,)
        merged.sensitive += getattr(model, "style_sensitive_placeholders", None) or []
    assert merged is not None
    return merged


def _entries(layer: Layer, block_name: str, own: bool) -> dict[str, Entry]:
    block = layer.document.root.get(block_name)
    if block is None or block.kind != "map":
        return {}
    return {key: Entry(node, layer.document, own, f"{block_name}.{key}") for key, _, node in block.pairs()}


def _put(frame: Text, mark: str, text: Text, layer: Layer) -> Text:
    if len(frame.string) + frame.string.count(mark) * len(text.string) > 4 * MAX_TEXT:
        raise _too_long(layer)
    return frame.replace(mark, text)


def _too_long(layer: Layer) -> SDGenError:
    message = f"the merged text has more than {MAX_TEXT:,} characters"
    return SDGenError("too-large", message, place=layer.document.place())


def _merge_text(run: Run, merged: Merged, text: Text, layer: Layer) -> Text:
    if "{prompt}" in merged.text.string:
        return _put(merged.text, "{prompt}", text, layer)
    if layer.text is None:
        return merged.text
    if merged.kind == "template":  # that was said; both texts are checked
        end = len(merged.text.string)
        return merged.text.splice([(end, end, text)])
    place = layer.document.place(layer.document.root.get("implements"))
    if layer.kind == "prompt":
        run.note("the parent's text has no {prompt}, so it is used and this file's own text is not", place)
        return merged.text
    run.note("the parent's text has no {prompt}; this file's text replaces it", place)
    return text
