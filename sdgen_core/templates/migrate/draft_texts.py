"""The prompt texts of the drafts between the first version and today's: selectors and characters.

``{X[1,5]}`` meant indexes, ``[range:1-4]`` a range, ``[all]`` all values; ``{HERO with look=LOOKS[a,b]}`` put values into the
fields of a character. A value of several fields (a *multi-field* value) set all of them at once, whatever the name before
the equals sign said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..syntax import placeholders

_TOKEN = re.compile(
    r"(?<!@)\{(?P<chunk>\w+)\s+with\s+(?P<fields>[^{}]*)\}"
    r"|\{(?P<name>\w+)\[(?P<selector>[^\]{}]+)\](?P<part>(?::\w+)?)\}"
    r"|(?<!@)\{(?P<plain>\w+)\}"
)
_FIELD = re.compile(r"""\s*([\w.]+)\s*=\s*(?:(\w+)(?:\[([^\]]*)\])?|"([^"]*)"|'([^']*)')\s*(?:,|$)""")
_RANGE = re.compile(r"range:\s*(\d{1,9})\s*-\s*(\d{1,9})")
MAX_INDEXES = 1000


class Unclear(Exception):
    """Something in a text that has no equivalent; the message says what."""


@dataclass
class Rules:
    """How one file's texts are to be read. ``digits``: a bare number is an index (drafts), not a count (today)."""

    digits: bool = False
    index_base: int = 0
    chunks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Character or chunk name -> the placeholders of its text."""
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Import name -> the parts of its values, empty for plain texts."""


@dataclass
class Substitution:
    """``old`` at ``start`` of a text becomes ``new``; with ``unclear`` it stays and somebody has to look."""

    start: int
    old: str
    new: str
    unclear: str = ""


def placeholder_name(path: str) -> str:
    """``appearance.hair`` -> ``appearance_hair``."""
    return re.sub(r"\W+", "_", path).strip("_")


def substitutions(text: str, rules: Rules) -> list[Substitution]:
    """What changes in a text, in order."""
    out: list[Substitution] = []
    for m in _TOKEN.finditer(text):
        try:
            if m["chunk"]:
                new = _character(m["chunk"], m["fields"], rules)
            elif m["name"]:
                selector = today_selector(m["selector"], rules)
                new = "{" + m["name"] + (f"[{selector}]" if selector else "") + m["part"] + "}"
            else:
                new = "@" + m["plain"] if m["plain"] in rules.chunks else m[0]
                if new != m[0] and re.match(r"[\w.]", text[m.end() : m.end() + 1]):
                    new = "{@" + m["plain"] + "}"
        except Unclear as e:
            out.append(Substitution(m.start(), m[0], m[0], str(e)))
            continue
        if new != m[0]:
            out.append(Substitution(m.start(), m[0], new))
    return out


def today_selector(text: str, rules: Rules) -> str:
    """A draft's selector in today's form, '' for all values. Raises ``Unclear`` for mixtures that nothing says today."""
    parts = [p.strip() for p in text.split(";")]
    digits = rules.digits and len(parts) == 1  # a ; is today's form
    out = [_choice(p, digits, rules) if p[:1] not in ("$", "#") else p for p in parts]
    return text if out == parts else ";".join(p for p in out if p)


def _choice(part: str, digits: bool, rules: Rules) -> str:
    items = [i.strip() for i in part.split(",") if i.strip()]
    ranges = [_RANGE.fullmatch(i) for i in items]
    numbers = [digits and i.isdecimal() and len(i) < 10 for i in items]
    if digits and items == ["all"]:
        return ""
    if not any(ranges) and not any(numbers):
        if digits and len(items) > 1 and any(i == "all" or i.startswith("random:") for i in items):
            raise Unclear(f"[{part}] mixes choices that cannot be mixed today")
        return part
    if not all(r or n for r, n in zip(ranges, numbers, strict=True)):
        raise Unclear(f"[{part}] mixes indexes with other choices, which cannot be mixed today")
    if len(items) == 1 and ranges[0]:
        low, high = (int(e) - rules.index_base for e in ranges[0].groups())
        return f"#{max(0, low)}-{high}"
    indexes: list[int] = []
    for item, found in zip(items, ranges, strict=True):
        low, high = (int(found[1]), int(found[2])) if found else (int(item), int(item))
        if high - low > MAX_INDEXES:
            raise Unclear(f"[{part}] has a range too long to be written as a list")
        indexes += range(low - rules.index_base, high - rules.index_base + 1)
    return "#" + ",".join(map(str, dict.fromkeys(i for i in indexes if i >= 0)))


def _character(name: str, fields: str, rules: Rules) -> str:
    arguments: list[str] = []
    at = 0
    while fields[at:].strip():
        m = _FIELD.match(fields, at)
        if m is None:
            raise Unclear(f"{fields[at:].strip()!r} is no field=SOURCE[choice]")
        at = m.end()
        arguments += _arguments(name, m, rules)
    return f"@{{{name} with {', '.join(arguments)}}}" if arguments else f"@{name}"


def _arguments(name: str, m: re.Match[str], rules: Rules) -> list[str]:
    """What one ``field=SOURCE[choice]`` becomes: an argument for each placeholder it fills."""
    known = rules.chunks.get(name)
    field_name, source = placeholder_name(m[1]), m[2]
    if source is None:
        literal = m[4] if m[4] is not None else m[5]
        return [f'{_target(name, field_name, known)}:"{literal}"']
    selector = today_selector(m[3], rules) if m[3] else ""
    choice = f"[{selector}]" if selector else ""
    parts = rules.parts.get(source)
    if not parts:
        return [f"{_target(name, field_name, known)}:{{{source}{choice}}}"]
    used = [p for p in parts if known is None or p in known]
    carrier = "main" if "main" in parts else min(parts)
    if choice and carrier not in used:
        raise Unclear(f"the choice {source}{choice} cannot be said, because {name} has no {carrier}")
    return [f"{p}:{{{source}{choice}}}" if choice and p == carrier else f"{p}:{{{source}:{p}}}" for p in used]


def _target(name: str, wanted: str, known: Sequence[str] | None) -> str:
    """The placeholder of a character that a field's short name means."""
    if known is None or wanted in known:
        return wanted
    hits = [k for k in known if k.endswith(f"_{wanted}")] or [k for k in known if k.startswith(f"{wanted}_")]
    if len(hits) != 1:
        which = f"could be {' or '.join(hits)}" if hits else f"is none of {', '.join(known)}"
        raise Unclear(f"the field {wanted} of {name} {which}")
    return hits[0]


def names_in_order(text: str) -> list[str]:
    """The placeholders of a text as they come, each once."""
    return list(dict.fromkeys(p.name for p in placeholders(text)))
