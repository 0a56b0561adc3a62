"""The one-line grammars of the command line and the nodes: seed lists, fixed placeholders, chosen values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import SDGenError
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


def is_plain_key(key: str) -> bool:
    """Whether a key can stand in a selector as itself: it has no ``,``, ``;``, ``]``, line break or blank at an end, and does not
    read as another form of selector (``$2``, ``#1``, ``3``, ``limit:2``).
    """
    return bool(key) and key == key.strip() and not re.search(r"[,;\]\r\n]", key) and not _OTHER_FORM.match(key)


def choice_spec(pools: Mapping[str, Iterable[str]], chosen: Mapping[str, Sequence[str]]) -> str:
    """``chosen`` (placeholder -> keys) as ``parse_choice_spec`` reads it; ``pools`` holds all keys of each placeholder, in order.

    The keys of a name are written as themselves if all of them can be, else as indexes (``#0,2``). No keys at all is ``[0]``, which
    leaves the placeholder out. Raises ``KeyError`` for a name or key that is not in ``pools``.
    """
    pieces: list[str] = []
    for name, keys in chosen.items():
        if all(map(is_plain_key, keys)):
            inside = ",".join(keys) or "0"
        else:
            index = {key: i for i, key in enumerate(pools[name])}
            inside = "#" + ",".join(str(index[key]) for key in keys)
        pieces.append(f"{name}[{inside}]")
    return "; ".join(pieces)
