"""Values of placeholders in words that a model of images and texts was trained on.

A value is written for an image generator: with weights, LoRA tags and words of praise. What is left without them is put into several
phrasings, after the prompt ensembles of Radford et al., "Learning transferable visual models from natural language supervision" (2021).
Some things are not said about an image at all: praise, negations, numbers of things, left and right. These values are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, RootModel, StringConstraints

from .cleaning import cleaned, not_assessable
from .kinds import KINDS, PREPOSITIONS, kind_of, named

__all__ = [
    "KINDS", "Texts", "ValueText", "Wording", "cleaned", "in_words", "kind_of", "neutral", "not_assessable", "not_shown", "templates",
]  # fmt: skip

#: ``{}`` is the value, ``{a}`` the value with an article where it lacks one, ``{in}`` the value as a place, ``{does}`` as what one does.
_TEMPLATES = {
    "hair": ["a person with {a}", "a photo of someone with {a}", "a portrait, {}", "{}"],
    "eyes": ["a person with {}", "a close-up of someone with {}", "a portrait, {}", "{}"],
    "face": ["a person's face, {}", "a portrait of a person, {}", "a photo of someone, {}", "{}"],
    "clothing": ["a person wearing {a}", "a photo of someone in {a}", "someone dressed in {a}", "{}"],
    "pose": ["a person {does}", "a photo of someone {does}", "a person's pose, {}", "{}"],
    "place": ["a photo taken {in}", "a scene {in}", "somebody {in}", "{}"],
    "background": ["a picture with {a}", "something in front of {a}", "behind it {a}", "{}"],
    "style": ["an image, {}", "a picture in this style, {}", "artwork, {}", "{}"],
    "light": ["a photo, {}", "a scene, {}", "a picture, {}", "{}"],
    "framing": ["a photo, {}", "a photo of someone, {}", "a picture, {}", "{}"],
    "colour": ["{a} object", "something {}", "the colour {}", "{}"],
    "person": ["a photo of {a}", "a picture of {a}", "a portrait of {a}", "{}"],
    "object": ["a photo of {a}", "a picture of {a}", "{a}", "{}"],
    "other": ["a photo, {}", "a picture, {}", "an image that shows {}", "{}"],
}
#: The same without any value: what an image is compared with when a placeholder has one value, and what an empty value looks like.
_NEUTRAL = {"place": ["a photo", "a scene", "somebody"], "colour": ["an object", "something", "a picture"]}
_NEUTRAL_PERSON = ["a person", "a photo of someone", "a portrait"]
_NEUTRAL_OTHER = ["a photo", "a picture", "an image"]
#: Kinds of things that somebody has on or about them.
_WORN = ("hair", "eyes", "face", "clothing")

#: A state, not a piece of clothing.
_UNDRESSED = ["{a} person", "a photo of someone {}", "someone {}", "{}"]

_Template = Annotated[str, StringConstraints(min_length=2, max_length=200, pattern=r"\{(a|in|does)?\}")]


class Wording(RootModel[dict[str, Annotated[list[_Template], Field(min_length=1)] | Literal["not assessable"]]]):
    """The user's own phrasings: placeholder (as templates write it, in any case) -> templates with ``{}``, or "not assessable"."""

    root: dict[str, Annotated[list[_Template], Field(min_length=1)] | Literal["not assessable"]] = {}

    def of(self, placeholder: str) -> list[str] | Literal["not assessable"] | None:
        """What is said about a placeholder, None for nothing."""
        return next((said for name, said in self.root.items() if name.casefold() == placeholder.casefold()), None)


@dataclass(frozen=True)
class ValueText:
    """``phrases`` for a model; none and a ``reason`` (one of ``cleaning.REASONS``, or "setting") for a value that is not judged. An
    empty value has both: it is judged by the absence of the others."""

    phrases: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Texts:
    """The values of a placeholder by key, what kind of thing they are, and phrases that say none of them."""

    kind: str
    values: Mapping[str, ValueText]
    neutral: tuple[str, ...]


def in_words(
    placeholder: str, texts: Mapping[str, str], wording: Wording | None = None, avoided: bool = False
) -> Texts:
    """All values of a placeholder, by key. Several parts of a value are JSON, as the catalog keeps them. Values that are ``avoided`` (see
    ``not_shown``) are negations, whatever they say."""
    said = wording.of(placeholder) if wording else None
    if avoided or said == "not assessable":
        return Texts("other", dict.fromkeys(texts, ValueText((), "negation" if avoided else "setting")), ())
    clean = {key: cleaned(text) for key, text in texts.items()}
    kind = kind_of(placeholder, clean.values())
    words = tuple(neutral(kind))
    values: dict[str, ValueText] = {}
    for key, text in texts.items():
        reason = not_assessable(placeholder, text)
        if reason:
            values[key] = ValueText(words if reason == "empty" else (), reason)
        else:
            values[key] = ValueText(_phrases(placeholder, kind, clean[key], said))
    return Texts(kind, values, words)


def templates(kind: str) -> list[str]:
    """Phrasings for a kind of value. Raises ``KeyError`` for what is none of ``KINDS``."""
    return list(_TEMPLATES[kind])


def neutral(kind: str) -> list[str]:
    """Texts about the same thing that name no value."""
    return list(_NEUTRAL_PERSON if kind in (*_WORN, "pose") else _NEUTRAL.get(kind, _NEUTRAL_OTHER))


def not_shown(placeholder: str, prompt: str, negative: str) -> bool:
    """Whether a template only says what images must not show with a placeholder: it stands in the negative prompt alone."""
    name = re.compile(r"\{" + re.escape(placeholder) + r"[}:\[|]")
    return bool(name.search(negative)) and not name.search(prompt)


# ---- phrases -----------------------------------------------------------------------------------------------------------

#: Tokens that a value may have: CLIP reads 77, a phrasing takes some.
_TOKENS, _PIECES = 60, 3
_DETERMINED = re.compile(
    r"(?:an?|the|some|his|her|its|their|one|two|three|four|five|\d+)\b|hair\b|[A-Z]"
    r"|.*(?:[^s]s|hair|clothing|lingerie|armou?r|underwear|jewell?ery)$"
)
_BODY = re.compile(
    r"(?:completely |fully |half[- ])?(?:nude|naked|topless|bottomless|shirtless|barefoot|undressed)", re.IGNORECASE
)
_VOWEL = re.compile(r"[aeio]|u(?!ni)", re.IGNORECASE)
_SLOT = re.compile(r"\{(?:a|in|does)?\}")
_DOING = re.compile(r"\w+(?:ing|ed)\b", re.IGNORECASE)
_LEADING = re.compile(r"^(?:with|wearing|dressed in|having|has)\s+", re.IGNORECASE)


def _phrases(placeholder: str, kind: str, text: str, own: list[str] | None) -> tuple[str, ...]:
    text = named(placeholder, kind, text)
    out: dict[str, None] = {}
    for piece in _pieces(text):
        if kind in _WORN:
            piece = _LEADING.sub("", piece) or piece
        placed = piece.split(" ", 1)[0].lower() in PREPOSITIONS
        phrasings = own or templates("place" if placed and kind in ("background", "other") else kind)
        if not own and kind == "clothing" and _BODY.fullmatch(piece):
            phrasings = _UNDRESSED
        for template in phrasings:
            out[_filled(template, piece, placed)] = None
    return tuple(out)


def _filled(template: str, text: str, placed: bool) -> str:
    first = text.split(",", 1)[0]
    bare = placed or bool(_DETERMINED.match(first))
    article = text if bare else f"{'an' if _VOWEL.match(text) else 'a'} {text}"
    where = text if placed else f"in {article}"
    does = text if placed or _DOING.match(text) else f"with {text}"
    forms = {"{}": text, "{a}": article, "{in}": where, "{does}": does}
    return _SLOT.sub(lambda match: forms[match[0]], template)


def _pieces(text: str) -> list[str]:
    """The value in pieces that a model can read whole, cut at commas, or between words where there are none."""
    pieces, piece, room = list[str](), "", _TOKENS
    for part in re.findall(r"[^,]+,?\s*", text):
        for word in [part] if _tokens(part) <= _TOKENS else re.findall(r"\S+\s*", part):
            size = _tokens(word)
            if size > room and piece:
                pieces.append(piece)
                piece, room = "", _TOKENS
            piece, room = piece + word, room - size
    return [piece.strip(" ,") for piece in (*pieces, piece)[:_PIECES] if piece.strip(" ,")]


def _tokens(text: str) -> int:
    """About how many tokens: common words are one, long ones more, digits and signs one each."""
    return sum(1 + (len(word) - 1) // 7 for word in re.findall(r"[^\W\d_]+|[^\s]", text))
