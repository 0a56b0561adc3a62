"""Encoding of prompts as A1111's users write them: LoRAs applied, chunks encoded and joined, and nothing done twice.

A session encodes thousands of texts that are mostly alike. What is remembered hangs on the model and the text encoder themselves
(see :class:`_Memory`): LoRA files read, models with LoRAs applied, chunks encoded. The same objects come out for the same LoRAs, so
that ComfyUI need not patch the weights again for every image.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Place, SDGenError, nearest_names
from ..sessions.embedding_names import SPACE, EmbeddingNames
from ..sessions.parameters import files_called
from ..sessions.parameters_text import model_title
from ..sessions.prompt_text import Chunk, LoraTag, Run, comfy_text, parse_prompt_text, place_of
from . import host
from .lora_files import files_trained_as

#: What a LoRA or an embedding that is not there does.
MISSING = ("error", "warn", "ignore")

#: ComfyUI's conditioning: a list of [tensor [1, tokens, width], values such as the pooled output].
Conditioning = list[list[Any]]

# For each model or text encoder, in bytes: LoRA files in memory, and encoded chunks.
_LORA_FILES, _ENCODED = 1 << 30, 48 << 20
# Models with LoRAs applied, for each model; they share its weights and hold their LoRAs'.
_PATCHED = 4


@dataclass(frozen=True)
class Encoded:
    """What the node gives on, and what its user should know."""

    model: Any
    clip: Any
    conditioning: Conditioning
    warnings: list[str]


def encode_prompt(
    model: Any, clip: Any, text: str, *, loras: bool = True, missing: str = "error", clip_skip: int = 0
) -> Encoded:
    """Encode ``text`` with ``clip``, with its LoRAs applied to both unless ``loras`` is False. ``clip_skip`` counts as A1111 does:
    2 takes the output of the last layer but one; 0 leaves the text encoder as it is.

    Raises ``no-text-encoder``, ``lora-without-model``, ``missing-lora``, ``missing-embedding``, ``ambiguous-file`` and what
    :func:`parse_prompt_text` raises.
    """
    if clip is None:
        raise SDGenError("no-text-encoder", "there is no text encoder to encode the prompt with")
    prompt = parse_prompt_text(text)
    warnings: list[str] = []
    found = [(tag, path) for tag in prompt.loras if (path := _lora_path(tag, missing, warnings))] if loras else []
    if found and model is None:
        raise SDGenError("lora-without-model", f"{found[0][0].place.text} needs the model", place=found[0][0].place)
    model, clip = _patched(model, clip, found, clip_skip)
    conditioning: Conditioning = []
    for part in prompt.parts:
        texts = [_marked(chunk, text, missing, warnings) for chunk in part.chunks]
        conditioning += _part(clip, texts, part.weight)
    return Encoded(model, clip, conditioning, warnings)


def encode_text(clip: Any, text: str) -> Conditioning:
    """Plain text as core's CLIP Text Encode encodes it, remembered. Raises ``no-text-encoder``."""
    if clip is None:
        raise SDGenError("no-text-encoder", "there is no text encoder to encode the prompt with")
    return _encoded(clip, _Text(text, ()))


def files_of(text: str) -> list[str]:
    """The LoRA and embedding files a prompt uses, with what changes when they do; for ComfyUI's cache. Never raises for a prompt."""
    try:
        prompt = parse_prompt_text(text)
        paths = [_lora_path(tag, "ignore", []) for tag in prompt.loras]
        for part in prompt.parts:
            for chunk in part.chunks:
                paths += [host.model_path("embeddings", file) for file in _marked(chunk, text, "ignore", []).files]
    except SDGenError:
        return []
    return [repr(_stamp(path)) for path in paths if path]


# ---- what is remembered ------------------------------------------------------------------------------------------------


class _Recent:
    """The last used of something, up to a total cost. ``None`` is nothing."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._total = 0

    def find(self, key: Hashable) -> Any:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def keep(self, key: Hashable, value: Any, cost: int = 1) -> None:
        self._entries[key] = value, cost
        self._total += cost
        while self._total > self._limit:
            self._total -= self._entries.popitem(last=False)[1][1]


class _Memory:
    """What is remembered for one model or text encoder, kept as an attribute of it: it goes when ComfyUI lets that object go.
    A table of ours would keep both alive, since a patched model holds on to the one it was made from.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = weakref.ref(owner)
        self.files = _Recent(_LORA_FILES)
        self.patched = _Recent(_PATCHED)
        self.encoded = _Recent(_ENCODED)

    @classmethod
    def of(cls, owner: Any) -> _Memory:
        memory = getattr(owner, "_sdgen_memory", None)
        # A copy of an object may have taken the attribute along.
        if not isinstance(memory, cls) or memory._owner() is not owner:
            memory = cls(owner)
            owner._sdgen_memory = memory
        return memory


def _stamp(path: Path) -> tuple[str, int, int]:
    """What changes when a file does."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


def _size(values: Iterable[Any]) -> int:
    """Bytes of the tensors among ``values``."""
    return sum(v.nelement() * v.element_size() for v in values if hasattr(v, "element_size"))


# ---- LoRAs -------------------------------------------------------------------------------------------------------------


def _lora_path(tag: LoraTag, missing: str, warnings: list[str]) -> Path | None:
    """The file of a tag: by its name, else by the name it was trained under, which A1111 writes into prompts by default."""
    known = host.model_files("loras")
    found = files_called(tag.name, known) or files_trained_as(tag.name, known, _lora_file)
    if len(found) > 1:
        raise SDGenError("ambiguous-file", f"the LoRA {tag.name!r} may be any of {', '.join(found)}", place=tag.place)
    path = _lora_file(found[0]) if found else None
    if path is None:
        _tell_missing("missing-lora", f"there is no LoRA {tag.name!r}", missing, warnings, tag.place, tag.name, known)
    elif tag.unused:
        warnings.append(f"{tag.place.text}: {', '.join(tag.unused)} is not applied.")
    return path


def _lora_file(name: str) -> Path | None:
    return host.model_path("loras", name)


def _tell_missing(
    code: str, what: str, missing: str, warnings: list[str], place: Place, name: str, known: Iterable[str]
) -> None:
    """A file that is not there, as the user wants it told."""
    if missing == "error":
        raise SDGenError(code, what, place=place, nearest=nearest_names(name, [*known, *map(model_title, known)]))
    if missing == "warn":
        warnings.append(f"{place}: {what}; it is left out.")


def _patched(model: Any, clip: Any, loras: Sequence[tuple[LoraTag, Path]], clip_skip: int) -> tuple[Any, Any]:
    """Model and text encoder with LoRAs applied in their order, as core's Load LoRA does, and the layer set."""
    # As there, one of no strength is not even looked at.
    files = [(_stamp(path), path, tag) for tag, path in loras if tag.model or tag.text_encoder]
    if not files and not clip_skip:
        return model, clip
    for_clip = (*_state(clip), clip_skip, *((stamp, tag.text_encoder) for stamp, _, tag in files))
    patched_clip = _Memory.of(clip).patched.find(for_clip)
    if not files:
        return model, patched_clip or _kept(clip, for_clip, _at_layer(clip.clone(), clip_skip))
    for_model = (model.patches_uuid, *((stamp, tag.model) for stamp, _, tag in files))
    patched_model = _Memory.of(model).patched.find(for_model)
    if patched_model is None or patched_clip is None:
        new_model, new_clip = model, clip
        for stamp, path, tag in files:
            weights = _lora_weights(model, stamp, path)
            new_model, new_clip = host.with_lora(new_model, new_clip, weights, tag.model, tag.text_encoder)
        patched_model = patched_model or _kept(model, for_model, new_model)
        patched_clip = patched_clip or _kept(clip, for_clip, _at_layer(new_clip, clip_skip))
    return patched_model, patched_clip


def _kept(owner: Any, key: Hashable, patched: Any) -> Any:
    _Memory.of(owner).patched.keep(key, patched)
    return patched


def _at_layer(clip: Any, clip_skip: int) -> Any:
    """A copy of a text encoder, set to give the output of a layer, counted from the last one by A1111's numbers."""
    if clip_skip:
        clip.clip_layer(-clip_skip)
    return clip


def _lora_weights(model: Any, stamp: Hashable, path: Path) -> dict[str, Any]:
    files = _Memory.of(model).files
    weights: dict[str, Any] | None = files.find(stamp)
    if weights is None:
        weights = host.read_weights(path)
        files.keep(stamp, weights, _size(weights.values()))
    return weights


# ---- text --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _embedding_names(files: tuple[str, ...]) -> EmbeddingNames:
    return EmbeddingNames(files)


@dataclass(frozen=True)
class _Text:
    """A chunk in ComfyUI's form, and the embedding files it names."""

    text: str
    files: tuple[str, ...]


def _marked(chunk: Chunk, text: str, missing: str, warnings: list[str]) -> _Text:
    names = _embedding_names(tuple(host.model_files("embeddings")))
    runs: list[Run] = []
    files: list[str] = []
    for run in chunk:
        marked = names.mark(run.text, text)
        runs.append(replace(run, text=marked.text))
        files += marked.files
        for name in marked.missing:
            what = f"there is no embedding {name!r}"
            _tell_missing("missing-embedding", what, missing, warnings, place_of(text, name), name, names.known)
    return _Text(comfy_text(tuple(runs)), tuple(files))


def _part(clip: Any, texts: Sequence[_Text], weight: float) -> Conditioning:
    """The chunks of a part encoded one by one and joined along their tokens, as core's Conditioning (Concat) does; what else belongs
    to a conditioning, such as the pooled output, is the first one's."""
    first, *others = [_encoded(clip, text) for text in texts]
    out: Conditioning = []
    for n, (tokens, values) in enumerate(first):
        values = dict(values)
        if others:
            tokens = host.joined([tokens, *(chunk[n][0] for chunk in others)])
            masks = [values.get("attention_mask"), *(chunk[n][1].get("attention_mask") for chunk in others)]
            if all(mask is not None for mask in masks):
                values["attention_mask"] = host.joined(masks)
        if weight != 1.0:
            values["strength"] = weight
        out.append([tokens, values])
    return out


def _state(clip: Any) -> tuple[Hashable, ...]:
    """What an encoding depends on besides the text: the patched weights, the layer, and the tokenizer's options."""
    return clip.patcher.patches_uuid, clip.layer_idx, repr(sorted(clip.tokenizer_options.items()))


def _encoded(clip: Any, text: _Text) -> Conditioning:
    """One chunk, as core's CLIP Text Encode encodes it. Shared: not to be changed."""
    paths = [path for file in text.files if (path := host.model_path("embeddings", file))]
    key = (*_state(clip), text.text, *map(_stamp, paths))
    # Hooks change weights between steps, behind our back.
    hooked = clip.patcher.forced_hooks is not None or clip.apply_hooks_to_conds is not None
    memory = _Memory.of(clip).encoded
    found: Conditioning | None = None if hooked else memory.find(key)
    if found is None:
        spaced = {file.replace(" ", SPACE): file for file in text.files if " " in file}
        tokens = (_reading(clip, spaced) if spaced else clip).tokenize(text.text)
        found = clip.encode_from_tokens_scheduled(tokens)
        if not hooked:
            memory.keep(key, found, sum(_size([tokens, *values.values()]) for tokens, values in found))
    return found


def _reading(clip: Any, spaced: Mapping[str, str]) -> Any:
    """``clip`` with tokenizers of its own that read the names in ``spaced`` as files whose names have spaces."""
    clip = clip.clone()
    clip.tokenizer = copy.copy(clip.tokenizer)
    for name, tokenizer in list(vars(clip.tokenizer).items()):
        if hasattr(tokenizer, "_try_get_embedding"):
            own = copy.copy(tokenizer)
            own._try_get_embedding = functools.partial(_try_get_embedding, tokenizer, spaced)
            setattr(clip.tokenizer, name, own)
    return clip


def _try_get_embedding(tokenizer: Any, spaced: Mapping[str, str], text: str) -> tuple[Any, str]:
    """In place of the tokenizer's own: the embedding that ``text`` begins with, and the text behind it."""
    name, *rest = text.split()
    if name in spaced:
        return host.read_embedding(tokenizer, spaced[name]), " ".join(rest)
    embedding: tuple[Any, str] = tokenizer._try_get_embedding(text)
    return embedding
