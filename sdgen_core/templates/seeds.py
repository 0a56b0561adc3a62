"""The one-line grammars of the command line and the nodes: seed lists, fixed placeholders, chosen values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError
from .resolved import Value
from .syntax import parse_selector

_RANGE = re.compile(r"(-?\d+)\s*-\s*(-?\d+)")
MAX_SEED = 2**64 - 1


def _seed(text: str, spec: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,20}", text):
        raise SDGenError("bad-seed-spec", f"{text!r} in {spec!r} is not a whole number")
    value = int(text)
    if not -1 * 2**63 <= value <= MAX_SEED:
        raise SDGenError("bad-seed-spec", f"the seed {value} is outside the 64-bit range")
    return value


def parse_seed_spec(text: str) -> Sequence[int]:
    """``N#S`` (N seeds from S), ``A-B`` (inclusive, negative bounds allowed), ``a,b,c`` (order and repeats kept) or
    one seed.

    Ranges come back as ``range``, so a million seeds cost nothing. Raises ``bad-seed-spec``.
    """
    spec = text.strip()
    if not spec:
        raise SDGenError("bad-seed-spec", "the seed list is empty")
    if "#" in spec:
        left, _, right = (p.strip() for p in spec.partition("#"))
        count, start = _seed(left, spec), _seed(right, spec)
        if count < 1:
            raise SDGenError("bad-seed-spec", f"{spec!r}: the count before # must be at least 1")
        _seed(str(start + count - 1), spec)
        return range(start, start + count)
    if "," in spec:
        seeds = [_seed(p.strip(), spec) for p in spec.split(",") if p.strip()]
        if not seeds:
            raise SDGenError("bad-seed-spec", f"{spec!r} names no seed")
        return seeds
    if "-" in spec:
        m = _RANGE.fullmatch(spec)
        if not m:
            raise SDGenError("bad-seed-spec", f"{spec!r} is not a range A-B")
        first, last = _seed(m[1], spec), _seed(m[2], spec)
        if first > last:
            raise SDGenError("bad-seed-spec", f"the range {spec!r} runs backwards")
        return range(first, last + 1)
    return [_seed(spec, spec)]


def seeds_to_json(seeds: Sequence[int] | None) -> Any:
    """A compact form: ``{"start", "count"}`` for a range, else the list."""
    if isinstance(seeds, range) and seeds.step == 1:
        return {"start": seeds.start, "count": len(seeds)}
    return None if seeds is None else [int(s) for s in seeds]


def seeds_from_json(data: Any) -> Sequence[int] | None:
    if isinstance(data, dict):
        return range(int(data["start"]), int(data["start"]) + int(data["count"]))
    return None if data is None else [int(s) for s in data]


def parse_fixed_spec(text: str) -> dict[str, str]:
    """``Name:key|Other:key``; also the older ``Name=key,Other=key``. Raises ``bad-fixed-spec``."""
    spec = text.strip()
    if not spec:
        return {}
    first = re.match(r"\s*\w+\s*([:=])", spec)
    if not first:
        raise SDGenError("bad-fixed-spec", f'{spec!r} is not "Name:key|Other:key"')
    if first[1] == ":":
        pieces, sign = spec.split("|"), ":"
    else:
        pieces, sign = re.split(r",(?=\s*\w+\s*=)|\|", spec), "="
    out: dict[str, str] = {}
    for piece in pieces:
        if not piece.strip():
            continue
        name, found, key = (p.strip() for p in piece.partition(sign))
        if not found or not name or not key:
            raise SDGenError("bad-fixed-spec", f'{piece.strip()!r} is not "Name{sign}key"')
        out[name] = key
    return out


_CHOICE = re.compile(r"\s*(\w+)\[([^\]]{1,400000})\]\s*")
_HASH = re.compile(r"[0-9a-f]{8}")
_OTHER_FORM = re.compile(r"[$#]|\d+$|(?:random|limit|keys?|index|indexes|indices|weight|range)\s*:", re.IGNORECASE)


def parse_choice_spec(text: str) -> dict[str, str]:
    """``Hair[Red,Blue]; Coat[#0-2]`` -> name -> selector. Raises ``bad-choice-spec``."""
    out: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n;|,":
            at += 1
            continue
        m = _CHOICE.match(text, at)
        if m is None:
            raise SDGenError("bad-choice-spec", f'{text[at : at + 40]!r} is not "Name[Key,Key]"')
        if m[1] in out:
            raise SDGenError("bad-choice-spec", f"{m[1]} is chosen twice")
        errors = parse_selector(m[2]).errors
        if errors:
            raise SDGenError("bad-choice-spec", f"{m[1]}[{m[2]}]: {'; '.join(errors)}")
        out[m[1]] = m[2]
        at = m.end()
    return out


def is_plain(word: str) -> bool:
    """Whether a key or text can stand in a selector as itself: it has no ``,``, ``;``, ``]``, no blank at an end, and does not read
    as another form of selector (``$2``, ``#1``, ``3``, ``limit:2``).
    """
    return bool(word) and word == word.strip() and not re.search(r"[,;\]]", word) and not _OTHER_FORM.match(word)


def is_hash(key: str) -> bool:
    """Whether a key is what a value without one gets: eight hexadecimal digits of its text's hash."""
    return bool(_HASH.fullmatch(key))


def write_selector(
    values: Mapping[str, Value], picked: Sequence[str], draw: int | None = None, weight: int | None = None
) -> str:
    """The selector that takes the keys ``picked`` of ``values``, ``draw`` of them at random; empty when no selector means the same.

    Keys are written as themselves (a value whose key is only a hash of its text: as the text) if all of them can be, else as
    indexes. None at all is ``0``, which leaves the placeholder out. ``parse_selector``'s inverse; the panel's list writes the same.
    Raises ``KeyError`` for a key that is not in ``values``.
    """
    index = {key: i for i, key in enumerate(values)}
    places = [index[key] for key in picked]
    everything = places == list(range(len(values)))
    parts: list[str] = []
    if not places:
        parts.append("0")
    elif not everything:
        words = _words(values, picked)
        parts.append(",".join(words) if words is not None else _indexes(places))
    if draw is not None and draw < len(places):
        parts.append(str(draw) if everything else f"limit:{draw}")
    if weight is not None:
        parts.append(f"${weight}")
    return ";".join(parts)


def _words(values: Mapping[str, Value], picked: Sequence[str]) -> list[str] | None:
    """How a selector names these values; None when one of them it cannot."""
    by_text = {text: key for key, text in reversed(list(values.items())) if isinstance(text, str)}
    out: list[str] = []
    for key in picked:
        text = values[key]
        # a word means the key that is equal to it, else the first value with that text
        if (
            _HASH.fullmatch(key)
            and isinstance(text, str)
            and text not in values
            and by_text[text] == key
            and is_plain(text)
        ):
            out.append(text)
        elif is_plain(key):
            out.append(key)
        else:
            return None
    return out


def _indexes(places: Sequence[int]) -> str:
    if len(places) > 1 and list(places) == list(range(places[0], places[0] + len(places))):
        return f"#{places[0]}-{places[-1]}"
    return "#" + ",".join(map(str, places))


def choice_spec(
    pools: Mapping[str, Mapping[str, Value]],
    chosen: Mapping[str, Sequence[str]],
    draws: Mapping[str, int | None] | None = None,
) -> str:
    """``chosen`` (placeholder -> keys) in the form of ``parse_choice_spec``; ``pools`` holds every value of each placeholder,
    ``draws`` how many of the keys are drawn at random.

    All keys of a name are written too (``#0-4``): in the template a selector may take fewer.
    """
    pieces: list[str] = []
    for name, keys in chosen.items():
        selector = write_selector(pools[name], keys, (draws or {}).get(name))
        pieces.append(f"{name}[{selector or _indexes(range(len(pools[name])))}]")
    return "; ".join(pieces)


@dataclass(frozen=True)
class ThemeShare:
    """One theme of a session, in a style of its own or not, and its share of the images."""

    theme: str
    style: str
    share: int


def parse_theme_spec(text: str) -> list[ThemeShare]:
    """``gala``, ``gala:2, cyberpunk:1`` or ``gala/dark:2, gala``: themes, their styles and shares. Raises ``bad-theme-spec``."""
    out: list[ThemeShare] = []
    for piece in text.split(","):
        if not piece.strip():
            continue
        name, colon, share = (p.strip() for p in piece.partition(":"))
        theme, slash, style = (p.strip() for p in name.partition("/"))
        if not theme or (slash and not style):
            raise SDGenError("bad-theme-spec", f"{piece.strip()!r} names no theme")
        if colon and not (share.isdecimal() and int(share[:9]) > 0 and len(share) < 10):
            raise SDGenError("bad-theme-spec", f"the share {share!r} of {name} is no whole number above 0")
        found = ThemeShare(theme, style, int(share or 1))
        if any((t.theme, t.style) == (theme, style) for t in out):
            raise SDGenError("bad-theme-spec", f"{name} is named twice")
        out.append(found)
    return out
