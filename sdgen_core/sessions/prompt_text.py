"""A prompt as A1111's users write it, taken apart the way A1111 takes it apart.

The order is A1111's: ``<lora:…>`` tags come out first, then ``AND`` splits the text into parts, then ``BREAK`` splits each part into
chunks and brackets give weights: ``(x)`` × 1.1, ``[x]`` ÷ 1.1, ``(x:1.3)`` × 1.3; nested ones multiply, one that is never closed
goes on to the end, and a backslash takes the meaning from a bracket or a backslash. Alternation and scheduling, which change the
prompt between steps, are recognised and refused.

:func:`comfy_text` writes a chunk for ComfyUI's tokenizers, which read other rules: there a number in brackets replaces what stands
outside of them, square brackets mean nothing, and only ``\\(`` and ``\\)`` are escapes. Each run of one weight is therefore written
by itself, ``(text:weight)``, never nested.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import Place, SDGenError, nearest_names


@dataclass(frozen=True)
class Run:
    """Text of one weight, without brackets and escapes."""

    text: str
    weight: float = 1.0


#: What is encoded at once: the text between two ``BREAK``.
Chunk = tuple[Run, ...]


@dataclass(frozen=True)
class Part:
    """The text between two ``AND``, with the weight written behind it."""

    chunks: tuple[Chunk, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class LoraTag:
    """``<lora:name:…>``: strengths for the diffusion model and the text encoder; ``unused`` are arguments that only extensions of
    A1111 know, such as ``lbw=…``."""

    name: str
    model: float
    text_encoder: float
    unused: tuple[str, ...]
    place: Place


@dataclass(frozen=True)
class PromptText:
    """A whole prompt: ``parts`` in their order, at least one, each with at least one chunk; ``loras`` as they stand."""

    parts: tuple[Part, ...]
    loras: tuple[LoraTag, ...] = ()


def parse_prompt_text(text: str) -> PromptText:
    """Take ``text`` apart. Raises ``bad-prompt-tag``, ``bad-prompt-weight`` and ``prompt-scheduling``, with their place."""
    source = _Source(text, range(len(text)))
    loras, rest = _without_tags(source)
    split = list(_split(rest, _AND))
    parts = []
    for piece in split:
        weight = 1.0
        if len(split) > 1:
            piece, weight = _part_weight(piece)
        if loras or len(split) > 1:
            piece = piece.stripped()
        _refuse_schedules(piece)
        parts.append(Part(tuple(_chunks(piece)), weight))
    kept = tuple(part for part in parts if part.weight)
    if not kept:
        raise SDGenError(
            "bad-prompt-weight", "all parts of the prompt have the weight 0", place=source.place(0, len(text))
        )
    return PromptText(kept, tuple(loras))


def comfy_text(chunk: Chunk) -> str:
    """A chunk as ComfyUI's tokenizers read it: plain text as it is, all else as ``(text:weight)``."""
    out = ""
    for run in chunk:
        text = run.text.replace("(", "\\(").replace(")", "\\)")
        if run.weight != 1.0:
            if out.endswith("\\"):
                out += " "  # a backslash of the text must not make an escape of our bracket
            text = f"({text}:{run.weight!r})"
        out += text
    return out


def place_of(text: str, words: str) -> Place:
    """The first place of ``words`` in a prompt."""
    start = text.find(words)
    return _place_in(text, start, start + len(words)) if start >= 0 else Place("prompt", text=words)


def _place_in(text: str, start: int, end: int) -> Place:
    line = text.count("\n", 0, start) + 1
    excerpt = " ".join(text[start:end].split())
    return Place(
        "prompt", line, start - text.rfind("\n", 0, start), excerpt if len(excerpt) <= 80 else excerpt[:79] + "…"
    )


@dataclass(frozen=True)
class _Source:
    """A piece of the prompt; ``at[i]`` is where its i-th character stands in the whole, ``whole`` the text as written."""

    text: str
    at: Sequence[int]
    whole: str = ""

    def __getitem__(self, span: slice) -> _Source:
        return _Source(self.text[span], self.at[span], self.whole or self.text)

    def stripped(self) -> _Source:
        start = len(self.text) - len(self.text.lstrip())
        return self[start : max(start, len(self.text.rstrip()))]

    def place(self, start: int, end: int) -> Place:
        if start >= end or start >= len(self.at):
            return Place("prompt")
        return _place_in(self.whole or self.text, self.at[start], self.at[end - 1] + 1)


def _split(source: _Source, pattern: re.Pattern[str]) -> Iterator[_Source]:
    start = 0
    for match in pattern.finditer(source.text):
        yield source[start : match.start()]
        start = match.end()
    yield source[start:]


# ---- <lora:…> ----------------------------------------------------------------------------------------------------------

_TAG = re.compile(r"<(\w+):([^>]+)>")
_OPEN_TAG = re.compile(r"<(?:lora|lyco|hypernet):[^>]*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*", re.ASCII)
_LORA_TAGS = ("lora", "lyco")


def _without_tags(source: _Source) -> tuple[list[LoraTag], _Source]:
    """The LoRA tags, and the text without them."""
    loras: list[LoraTag] = []
    text, at, start = "", list[int](), 0
    for match in _TAG.finditer(source.text):
        loras.append(_lora(match, source.place(*match.span())))
        text += source.text[start : match.start()]
        at += source.at[start : match.start()]
        start = match.end()
    rest = _Source(text + source.text[start:], [*at, *source.at[start:]], source.text)
    if unclosed := _OPEN_TAG.search(rest.text):
        place = rest.place(*unclosed.span())
        raise SDGenError("bad-prompt-tag", f"the tag {place.text!r} is never closed by '>'", place=place)
    return loras, rest


def _lora(match: re.Match[str], place: Place) -> LoraTag:
    """A tag's meaning by A1111: ``<lora:name:text encoder:model>``, the second number as the first when it is left out."""
    kind, name, *arguments = (match[1].casefold(), *(word.strip() for word in match[2].split(":")))
    if kind == "hypernet":
        hint = "Apply it with core's HypernetworkLoader node and take the tag out of the prompt."
        raise SDGenError("bad-prompt-tag", f"{match[0]} names a hypernetwork", place=place, hint=hint)
    if kind not in _LORA_TAGS:
        raise SDGenError(
            "bad-prompt-tag", f"{match[0]} is no tag known here", place=place, nearest=nearest_names(kind, _LORA_TAGS)
        )
    if not name:
        raise SDGenError("bad-prompt-tag", f"{match[0]} names no file", place=place)
    numbers: list[float] = []
    named: dict[str, float] = {}
    unused: list[str] = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals:
            if key in ("te", "unet"):
                named[key] = _strength(value, match[0], place)
            else:
                unused.append(argument)
        elif not numbers or (len(numbers) == 1 and _NUMBER.fullmatch(argument)):
            numbers.append(_strength(argument, match[0], place))
        else:
            unused.append(argument)
    first = named.get("te", numbers[0] if numbers else 1.0)
    second = named.get("unet", numbers[1] if len(numbers) > 1 else first)
    return LoraTag(name, second, first, tuple(unused), place)


def _strength(text: str, tag: str, place: Place) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise SDGenError("bad-prompt-tag", f"{text!r} in {tag} is no strength", place=place)
    return number


# ---- AND ---------------------------------------------------------------------------------------------------------------

_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r"\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*\Z", re.ASCII)


def _part_weight(piece: _Source) -> tuple[_Source, float]:
    """``text :1.2`` → text and 1.2. ComfyUI averages parts by their weights, so there can be no part below zero."""
    match = _PART_WEIGHT.search(piece.text)
    if match is None:
        return piece, 1.0
    weight = float(match[1])
    if weight < 0 or not math.isfinite(weight):
        raise SDGenError(
            "bad-prompt-weight", f"a part of AND cannot have the weight {match[1]}", place=piece.place(*match.span())
        )
    return piece[: match.start()], weight


# ---- [from:to:when] and [a|b] ------------------------------------------------------------------------------------------

_MARKS = re.compile(r"\\.|[()\[\]:|]", re.DOTALL)
_WHEN = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)


@dataclass
class _Bracket:
    """An open bracket; ``colon`` is where the last colon stands directly in it."""

    kind: str
    start: int
    colons: int = 0
    colon: int = 0
    bars: int = 0


def _refuse_schedules(piece: _Source) -> None:
    """Raise ``prompt-scheduling`` for square brackets that hold a ``|``, or one or two colons and a number behind the last one,
    outside of brackets within them."""
    opened: list[_Bracket] = []
    for match in _MARKS.finditer(piece.text):
        mark, position = match[0], match.start()
        if mark in "([":
            opened.append(_Bracket(mark, position))
        elif not opened:
            continue
        elif mark == ":":
            opened[-1].colons += 1
            opened[-1].colon = position
        elif mark == "|":
            opened[-1].bars += 1
        elif opened[-1].kind + mark in ("()", "[]"):
            inner = opened.pop()
            timed = inner.colons in (1, 2) and _WHEN.fullmatch(piece.text, inner.colon + 1, position)
            if inner.kind == "[" and (inner.bars or timed):
                place = piece.place(inner.start, position + 1)
                what = "alternates words from step to step" if inner.bars else "changes the prompt at a step"
                raise SDGenError("prompt-scheduling", f"{place.text} {what}", place=place)


# ---- brackets and BREAK ------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\\[\\()\[\]]?|[()\[\]]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:", re.ASCII)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ROUND, _SQUARE = 1.1, 1 / 1.1


def _chunks(piece: _Source) -> Iterator[Chunk]:
    """The chunks of a part. As in A1111 one that is empty counts, but not at the end."""
    chunks: list[list[Run]] = [[]]
    for run in _runs(piece):
        if run is None:
            chunks.append([])
        elif chunks[-1] and chunks[-1][-1].weight == run.weight:
            chunks[-1][-1] = Run(chunks[-1][-1].text + run.text, run.weight)
        else:
            chunks[-1].append(run)
    if len(chunks) > 1 and not any(run.text.strip() for run in chunks[-1]):
        chunks.pop()
    return map(tuple, chunks)


def _runs(piece: _Source) -> Iterator[Run | None]:
    """The text with its weights, None for each ``BREAK``."""
    texts: list[str | None] = []
    weights: list[float] = []
    opened: dict[str, list[tuple[int, int]]] = {"(": [], "[": []}

    def close(kind: str, factor: float) -> None:
        first, _ = opened[kind].pop()
        for n in range(first, len(weights)):
            weights[n] *= factor

    for match in _TOKEN.finditer(piece.text):
        token = match[0]
        if token in opened:
            opened[token].append((len(texts), match.start()))
        elif match[1] is not None and opened["("]:
            close("(", _emphasis(match[1], piece, (opened["("][-1][1], match.end())))
        elif token == ")" and opened["("]:
            close("(", _ROUND)
        elif token == "]" and opened["["]:
            close("[", _SQUARE)
        else:
            plain = token[1:] if token[0] == "\\" else token
            for n, word in enumerate(_BREAK.split(plain)):
                texts += [None, word] if n else [word]
                weights += [1.0, 1.0] if n else [1.0]
    for kind, factor in (("(", _ROUND), ("[", _SQUARE)):
        while opened[kind]:
            close(kind, factor)
    for text, weight in zip(texts, weights, strict=True):
        if not math.isfinite(weight):
            raise SDGenError(
                "bad-prompt-weight", "the weights in one another are too large", place=piece.place(0, len(piece.text))
            )
        if text != "":
            yield None if text is None else Run(text, weight)


def _emphasis(written: str, piece: _Source, span: tuple[int, int]) -> float:
    """The number of ``(text:number)``."""
    try:
        return float(written)
    except ValueError:
        raise SDGenError("bad-prompt-weight", f"{written!r} is no weight", place=piece.place(*span)) from None
