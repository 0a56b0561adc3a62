"""The small grammar inside prompt texts: placeholders, their selectors, and chunk references.

::

    placeholder := "{" NAME [ "[" SELECTOR "]" ] [ ":" PART ] "}"      NAME, PART: Unicode word characters
    selector    := part { ";" part }
    part        := "$" INT | "#" A "-" B | "#" I { "," I } | DIGITS | WORD ":" ... | KEY { "," KEY }
    reference   := "@" NAME [ "." NAME ] | "{@" ... "}" | "@{" NAME "with" PLACEHOLDER ":" value { "," ... } "}"

Anything else in braces is plain text. One parser serves counting, checking, selecting and rendering.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

# a selector ends at the first "]"; looking for it stops where the next "{Name[" begins, so that text with many opened and never
# closed selectors costs no more than its length
PLACEHOLDER = re.compile(r"\{(\w+)(?:\[((?:[^\]{]|\{(?!\w+\[))+)\])?(?::(\w+))?\}")
REFERENCE = re.compile(r"\{@(\w+)(?:\.(\w+))?\}|(?<![\w@])@(\w+)(?:\.(\w+))?|@\{(\w+)\s+with\s|@\{(\w+)\}")
_WORD = re.compile(r"(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_BRACE = re.compile(r"[{}]")
_INT = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True)
class Placeholder:
    """One occurrence: ``{name[selector]:part}`` at ``start`` of the text it was found in."""

    name: str
    selector: str | None
    part: str | None
    start: int
    raw: str


def tokens(text: str) -> list[str | Placeholder]:
    """Plain texts and placeholders in order; plain texts may be missing between two placeholders."""
    out: list[str | Placeholder] = []
    at = 0
    for m in PLACEHOLDER.finditer(text):
        if m.start() > at:
            out.append(text[at : m.start()])
        out.append(Placeholder(m[1], m[2], m[3], m.start(), m[0]))
        at = m.end()
    if at < len(text):
        out.append(text[at:])
    return out


@lru_cache(maxsize=16)
def placeholders(text: str) -> tuple[Placeholder, ...]:
    """The occurrences in a text, in order; asked for again and again for the same few texts."""
    return tuple(t for t in tokens(text) if isinstance(t, Placeholder))


@dataclass(frozen=True)
class Selector:
    """What stands in the brackets. At most one of ``indexes`` and ``keys`` acts; ``draw`` (written ``limit:N``) acts
    after them.

    ``span`` is a range of indexes kept apart from ``indexes`` so that ``#0-999999999`` costs nothing. ``errors`` make
    the selector unusable, ``remarks`` are parts that were understood but have no effect.
    """

    indexes: tuple[int, ...] | None = None
    span: tuple[int, int] | None = None
    keys: tuple[str, ...] | None = None
    limit: int | None = None
    draw: int | None = None
    weight: int | None = None
    errors: tuple[str, ...] = field(default=())
    remarks: tuple[str, ...] = field(default=())

    @property
    def leaves_out(self) -> bool:
        """``[0]``: the placeholder is left out, as the language's first version meant it."""
        return self.draw == 0 or (self.limit == 0 and self.indexes is None and self.span is None and self.keys is None)


@lru_cache(maxsize=4096)
def parse_selector(text: str) -> Selector:
    """Parse the inside of the brackets; never raises, problems are listed in the result."""
    indexes: tuple[int, ...] | None = None
    span: tuple[int, int] | None = None
    keys: tuple[str, ...] | None = None
    limit = draw = weight = None
    errors: list[str] = []
    remarks: list[str] = []

    def replaced(old: tuple[str, ...] | None, new: tuple[str, ...]) -> tuple[str, ...]:
        """``new`` keys, which take the place of those that stood before them."""
        if old and new:
            said = f"{', '.join(old)!r} has no effect: {', '.join(new)!r} takes its place"
            remarks.append(said + "; separate keys with commas")
        return new

    for part in (p.strip() for p in text.split(";")):
        if not part:
            continue
        if word := _WORD.fullmatch(part):
            kind, rest = word[1].lower(), word[2].strip()
            if kind in ("random", "limit"):
                if rest.isdecimal() and len(rest) < 19:
                    draw = int(rest)
                else:
                    errors.append(f"{part!r} needs a number")
                continue
            if kind in ("key", "keys"):
                keys = replaced(keys, tuple(k for k in (k.strip() for k in rest.split(",")) if k))
                if not keys:
                    errors.append(f"{part!r} names no key")
                continue
            part = ("$" if kind == "weight" else "#") + rest
        if part[0] == "$":
            if _INT.fullmatch(part[1:].strip()):
                weight = max(0, int(part[1:]))
            else:
                remarks.append(f"the weight {part!r} is not a whole number and counts as 1")
        elif part[0] == "#":
            body = part[1:]
            ends = [e.strip() for e in body.split("-")]
            if "," not in body and len(ends) == 2 and all(e.isdecimal() and len(e) < 19 for e in ends):
                if int(ends[0]) > int(ends[1]):
                    errors.append(f"the range {part!r} runs backwards")
                else:
                    span, indexes = (int(ends[0]), int(ends[1])), None
            else:
                items = [i.strip() for i in body.split(",")]
                if items and all(i.isdecimal() and len(i) < 19 for i in items):
                    indexes, span = tuple(map(int, items)), None
                else:
                    errors.append(f"{part!r} is neither a list (#0,2) nor a range (#1-4) of indexes")
        elif part.isdecimal() and len(part) < 19:
            limit = int(part)
        else:
            keys = replaced(keys, tuple(k for k in (k.strip() for k in part.split(",")) if k))
            if not keys:
                errors.append(f"{part!r} names no key")
    if (indexes is not None or span is not None) and keys is not None:
        remarks.append("keys are ignored beside indexes")
    if limit is not None and (indexes is not None or span is not None or keys is not None):
        remarks.append(f"the limit {limit} is ignored beside a choice; write limit:{limit} to draw from the choice")
    return Selector(indexes, span, keys, limit, draw, weight, tuple(errors), tuple(remarks))


@dataclass(frozen=True)
class Choice:
    """The outcome of a selector over a name's keys: the pool in order, and what the selector named that is not
    there.
    """

    pool: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def choose(
    selector: Selector, keys: Sequence[str], texts: dict[str, str], draw_order: Sequence[int] | None = None
) -> Choice:
    """Apply a selector. ``texts`` maps a plain value's text to its key, so that inline values can be named by their
    text.

    ``draw_order`` is a shuffle of ``range(len(chosen))`` for limits, given by the caller's stream; without it limits
    take the first. The drawn values keep their order. Raises nothing: an empty pool is the caller's error to report.
    """
    chosen: list[str]
    unknown: list[str] = []
    if selector.span is not None:
        chosen = list(keys[selector.span[0] : selector.span[1] + 1])
        if not chosen:
            unknown.append(f"#{selector.span[0]}-{selector.span[1]}")
    elif selector.indexes is not None:
        chosen = [keys[i] for i in selector.indexes if i < len(keys)]
        unknown = [f"#{i}" for i in selector.indexes if i >= len(keys)]
    elif selector.keys is not None:
        chosen = []
        known = set(keys)
        for key in selector.keys:
            if key in known:
                chosen.append(key)
            elif key in texts:
                chosen.append(texts[key])
            else:
                unknown.append(key)
    else:
        chosen = list(keys)
    limit = selector.draw
    if limit is None and selector.indexes is None and selector.span is None and selector.keys is None:
        limit = selector.limit
    if limit is not None and limit < len(chosen):
        order = draw_order if draw_order is not None else range(len(chosen))
        chosen = [chosen[i] for i in sorted(order[:limit])]
    return Choice(tuple(chosen), tuple(unknown))


def deciding(found: Sequence[Placeholder]) -> dict[str, Placeholder]:
    """Per name the occurrence whose selector counts: the last one that carries a selector."""
    out: dict[str, Placeholder] = {}
    for p in found:
        if p.selector is not None:
            out[p.name] = p
    return out


def deciding_in(prompt: Sequence[Placeholder], negative: Sequence[Placeholder]) -> dict[str, Placeholder]:
    """The occurrences that count over prompt and negative prompt: the negative's only for names that the prompt does not use."""
    used = {p.name for p in prompt}
    return {**deciding([p for p in negative if p.name not in used]), **deciding(prompt)}


@dataclass(frozen=True)
class Reference:
    """One chunk reference at ``[start, end)``; ``arguments`` are (name, start, end) of each value's text, ``bad`` odd
    pieces.
    """

    name: str
    member: str | None
    start: int
    end: int
    arguments: tuple[tuple[str, int, int], ...] = ()
    bad: tuple[str, ...] = ()
    optional: bool = False


def references(text: str) -> list[Reference]:
    """Chunk references in order. ``@word`` counts only at the start of a word, so e-mail addresses are text."""
    out: list[Reference] = []
    closing: dict[int, int] | None = None
    at = 0
    while m := REFERENCE.search(text, at):
        at = m.end()
        if m[1]:
            out.append(Reference(m[1], m[2], m.start(), m.end()))
        elif m[3]:
            out.append(Reference(m[3], m[4], m.start(), m.end()))
        elif m[6]:
            out.append(Reference(m[6], None, m.start(), m.end(), optional=True))
        else:
            if closing is None:
                closing = _closing_braces(text)
            end = closing.get(m.start() + 1, -1)
            if end < m.end():
                continue  # unbalanced: plain text
            arguments, bad = _arguments(text, m.end(), end)
            out.append(Reference(m[5], None, m.start(), end + 1, arguments, bad))
            at = end + 1
    return out


def _closing_braces(text: str) -> dict[int, int]:
    """Place of each ``{`` -> place of the ``}`` that closes it; braces without partner are left out."""
    out: dict[int, int] = {}
    opened: list[int] = []
    for m in _BRACE.finditer(text):
        if m[0] == "{":
            opened.append(m.start())
        elif opened:
            out[opened.pop()] = m.start()
    return out


def _arguments(text: str, start: int, end: int) -> tuple[tuple[tuple[str, int, int], ...], tuple[str, ...]]:
    """Split ``P:value, Q:value`` at commas outside brackets and quotes."""
    pieces: list[tuple[int, int]] = []
    depth, quote, begin = 0, "", start
    last = ""  # the last character that is no space
    for i in range(start, end):
        c = text[i]
        if quote:
            if c == quote:
                quote = ""
        elif c in "\"'" and last == ":" and text.find(c, i + 1, end) > 0:
            quote = c
        elif c in "{[(":
            depth += 1
        elif c in "}])":
            depth = max(0, depth - 1)
        elif c == "," and depth == 0:
            pieces.append((begin, i))
            begin = i + 1
        if not c.isspace():
            last = c
    pieces.append((begin, end))
    arguments: list[tuple[str, int, int]] = []
    bad: list[str] = []
    for a, b in pieces:
        piece = text[a:b]
        if not piece.strip():
            continue
        colon = piece.find(":")
        name = piece[:colon].strip()
        if colon < 0 or not re.fullmatch(r"\w+", name):
            bad.append(piece.strip())
            continue
        a += colon + 1
        while a < b and text[a].isspace():
            a += 1
        while b > a and text[b - 1].isspace():
            b -= 1
        if b - a >= 2 and text[a] in "\"'" and text[b - 1] == text[a]:
            a, b = a + 1, b - 1
        arguments.append((name, a, b))
    return tuple(arguments), tuple(bad)
