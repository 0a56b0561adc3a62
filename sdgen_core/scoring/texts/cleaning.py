"""Values of placeholders as people would say them: without what is meant for an image generator, and whether an image can show them."""

from __future__ import annotations

import json
import re

from ...errors import SDGenError
from ...sessions.prompt_text import parse_prompt_text
from .kinds import kind_of, listed, plain

#: Why a value is not judged.
REASONS = ("quality", "lora", "negation", "empty", "weight-only", "count", "side")

_TAG = re.compile(r"<\w+:[^>]*>?|\bembedding:[^\s,()]+", re.IGNORECASE)
_MAIN = ("main", "value", "prompt", "text")
_NO_PART = re.compile(r"key|neg(ative)?|loras?|weight|seed", re.IGNORECASE)
_TIMED = re.compile(r"\[([^\[\]:|]*):(?:([^\[\]:|]*):)?\s*[\d.]+\s*\]")
_WEIGHT = re.compile(r":\s*[-+]?[\d.]+\s*(?=[)\]])")
_GIRLS = re.compile(r"(\d+)\+?\s?(girl|boy|other)s?")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_QUALITY = re.compile(
    r"masterpiece|(?:best|high|highest|amazing|good|great|normal|worst|low|bad|top|ultra|perfect|hi)[ -]?(?:quality|res|resolution)"
    r"|(?:ultra|highly|extremely|very|super|insanely|hyper|intricate|finely|fine)?[ -]?(?:detailed|details?)|absurdres|highres|lowres"
    r"|(?:\d+k|u?hd|uhd|hdr|hq|raw)(?: (?:photo|uhd|hdr|resolution|wallpaper|quality))?|(?:ultra|hyper)?[ -]?sharp(?: focus)?"
    r"|award[ -]winning(?: \w+)?|trending on \w+|score \d(?: up)?|(?:very )?aesthetic|newest|professional|beautiful|official art"
    r"|(?:haute|meilleure) qualite|chef[ -]d'oeuvre|(?:tres )?detaille|rating \w+|source \w+"
)
_NEGATION = re.compile(r"(?:no|not|without|non|sans|pas de|never)\s+\S.*|\S+-free")
_COUNT = re.compile(
    r"(?:\d+\+?|two|three|four|five|six|seven|eight|nine|ten|several|many|multiple|deux|trois|quatre|cinq|plusieurs)"
    r"\s+[^\W\d_]+(?:\s[^\W\d_]+)?s|solo|duo|trio"
)
_NOTHING = re.compile(r"none|nothing|null|aucune?|rien|n/a")
#: A number of these is how they are worn, and is seen: two braids.
_COUNTED_IN = ("hair", "eyes", "clothing", "face")
_SIDES = {"left", "right", "gauche", "droite", "droit"}
_PLACED = _SIDES | {"top", "bottom", "center", "centre", "middle", "haut", "bas", "milieu"}
_AROUND = listed(
    "on the from to at in of side hand facing looking turned towards image picture frame corner upper lower far a la le de du cote en"
)


def cleaned(text: str, spoken: bool = True) -> str:
    """A value as people would say it; empty when nothing is left. The main part stands for a value of several parts.

    ``spoken`` False: in the words of prompts, in which a tag such as 1girl or long_hair is what a model has learned.
    """
    found = ((tag, _spoken(tag)) for tag in _bare(_main(text)))
    return ", ".join(said if spoken else tag for tag, said in found if said and not _unsaid(said))


def not_assessable(placeholder: str, text: str) -> str | None:
    """Why a value cannot be seen in an image (one of ``REASONS``), None when it can."""
    whole = _main(text)
    tags = _tags(whole)
    if not any(re.search(r"[^\W\d_]", tag) for tag in tags):
        return "lora" if _TAG.search(whole) else "weight-only" if re.search(r"\d", whole) else "empty"
    if all(_NOTHING.fullmatch(tag.lower()) for tag in tags):
        return "empty"
    reasons = [_unsaid(tag) for tag in tags]
    if all(reasons):
        return reasons[0]
    kind = kind_of(placeholder)
    left = [plain(tag).lower() for tag, reason in zip(tags, reasons, strict=True) if not reason]
    if kind not in _COUNTED_IN and all(_COUNT.fullmatch(tag) for tag in left):
        return "count"
    if all(_is_side(tag, kind) for tag in left):
        return "side"
    return None


def _main(text: str) -> str:
    """The part of a value that stands for it."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        parts = json.loads(text)
    except ValueError:
        return text
    if isinstance(parts, list):
        return ", ".join(map(str, parts))
    if not isinstance(parts, dict):
        return text
    for name in _MAIN:
        if str(parts.get(name) or "").strip():
            return str(parts[name])
    parts = {name: part for name, part in parts.items() if part}
    kept = [part for name, part in parts.items() if not _NO_PART.fullmatch(name)]
    kept = kept or [part for name, part in parts.items() if name.lower().startswith("lora")]
    return ", ".join(_main(json.dumps(part)) if isinstance(part, dict) else str(part) for part in kept)


def _tags(text: str) -> list[str]:
    """What stands between commas, as people would say it."""
    return [said for tag in _bare(text) if (said := _spoken(tag))]


def _bare(text: str) -> list[str]:
    """What stands between commas, without the generator's own signs."""
    words = _unweighted(_TAG.sub(" ", text)).replace("\\", "")
    tags = (_unsigned(tag) for tag in re.split(r"[,;\n]|\bBREAK\b|\bAND\b", words))
    return [tag for tag in tags if tag]


def _unweighted(text: str) -> str:
    """Without attention weights. What no one can parse is taken as near as it gets: of words that change at a step, the last ones."""
    try:
        parts = parse_prompt_text(text).parts
    except SDGenError:
        text = _TIMED.sub(lambda match: match[2] or match[1], text).replace("|", ", ")
        return re.sub(r"[()\[\]]", " ", _WEIGHT.sub("", text))
    return ", ".join("".join(run.text for run in chunk if run.weight > 0) for part in parts for chunk in part.chunks)


def _unsigned(tag: str) -> str:
    tag = re.sub(r"\s+", " ", re.sub(r"\(\s*\)|\{\s*\}|\[\s*\]", " ", tag))
    return re.sub(r":\d*\.\d+$", "", tag.strip()).strip(" .:")  # a weight whose bracket is missing


def _spoken(tag: str) -> str:
    if len(tag) > 3:  # shorter ones may be faces: ^_^
        tag = re.sub(r"[\s_]+", " ", tag).strip(" .:")
    girls = _GIRLS.fullmatch(tag.lower())
    if girls:
        number = int(girls[1])
        word = _NUMBERS[number] if number < len(_NUMBERS) else girls[1]
        tag = f"{word} {girls[2]}{'s' * (number != 1)}"
    return tag


def _unsaid(tag: str) -> str | None:
    """Whether a tag says nothing that is seen."""
    text = plain(tag).lower()
    if _QUALITY.fullmatch(text) or not re.search(r"\w", text):
        return "quality"
    return "negation" if _NEGATION.fullmatch(text) else None


def _is_side(tag: str, kind: str) -> bool:
    words = set(re.findall(r"[^\W\d_]+", tag)) - _AROUND
    return bool(words) and words <= (_SIDES if kind == "clothing" else _PLACED)
