"""The value lists of the first version: ``.txt`` files with ``key→value``, ``1→value`` or plain values, one a line.

What a line meant is reproduced exactly: keys were lower-cased and reduced to word characters, a number or nothing
before the arrow took its key from the value, a key that came again replaced the earlier value at the earlier place, and
``{|a|b}`` stood for the line without and with each alternative.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import Place, SDGenError, shown
from .plan import Plan
from .texts import HEADER, comment, lines_of, scalar

ARROW = "→"
MAX_ALTERNATIVES = 10_000
MAX_KEY = 100
_OPTIONS = re.compile(r"\{\|([^}]*)\}")
_LEFT = re.compile(r"\{[^}]+\}")


@dataclass
class _Entry:
    key: str
    value: str
    line: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ValueList:
    """A list read: the values in the order in which the first version used them, and the new file's text."""

    values: dict[str, str]
    text: str


def plain_key(text: str) -> str:
    """The key that the first version made of a text: lower case, word characters and single underscores."""
    words = re.sub(r"[^\w\s-]", "", text.lower())
    return re.sub(r"_+", "_", re.sub(r"[\s-]+", "_", words)).strip("_") or "unnamed"


def alternatives(text: str) -> list[str]:
    """``red{|, torn|, wet}`` -> ``red``, ``red, torn``, ``red, wet``. What is empty as a whole is no value.

    Raises ``too-large`` for more than 10,000 combinations.
    """
    pieces = _OPTIONS.split(text)
    if len(pieces) == 1:
        return [text]
    options = [["", *(o.strip() for o in inner.split("|") if o.strip())] for inner in pieces[1::2]]
    count = 1
    for inner in options:
        count *= len(inner)
        if count > MAX_ALTERNATIVES:
            raise SDGenError("too-large", f"the alternatives of one line make more than {MAX_ALTERNATIVES:,} values")
    out: dict[str, None] = {}
    for combination in itertools.product(*options):
        whole = "".join(a + b for a, b in itertools.zip_longest(pieces[::2], combination, fillvalue=""))
        whole = re.sub(r"^,|,$", "", re.sub(r",+", ",", whole)).strip()
        if whole:
            out[whole] = None
    return list(out)


def _line_values(line: str) -> list[tuple[str, str]]:
    """(key, value) pairs of one line that is neither empty nor a comment."""
    key, arrow, value = line.partition(ARROW)
    key, value = (key.strip(), value.strip()) if arrow else ("", line)
    found = alternatives(value)
    if not key or key.isdigit():
        return [(plain_key(v), v) for v in found]
    return [(plain_key(key if len(found) == 1 else f"{key}_{v}"), v) for v in found]


def read_list(text: str, path: Path, plan: Plan) -> ValueList | None:
    """The values of a list and its new text; None, with a problem, when there are none."""
    name = shown(path)
    entries: dict[str, _Entry] = {}
    layout: list[_Entry | str] = []
    for number, raw in enumerate(lines_of(text), 1):
        line = raw.strip()
        place = Place(name, number)
        if not line or line.startswith("#"):
            layout.append(line)
            continue
        try:
            found = _line_values(line)
        except SDGenError as e:
            plan.problem(SDGenError(e.code, e.message, place=place))
            layout.append(f"# {line}")
            continue
        if not found:
            layout.append(f"# {line}")
            plan.remark("the line gives no value", place)
        for key, value in found:
            if left := _LEFT.search(value):
                plan.lost(
                    f"the value holds {left[0]}, which the first version filled or took out of the prompt; now it stays",
                    place,
                    "Values are not filled a second time: write the text out, or take the braces out of the value.",
                )
            before = entries.get(key)
            if before is None:
                entries[key] = entry = _Entry(key, value, number)
                layout.append(entry)
            elif before.value != value:
                before.notes.append(f"line {before.line} was: {before.value}")
                plan.remark(f"has the key {key!r} of line {before.line} again; this value counts, as it did", place)
                before.value, before.line = value, number
    if not entries:
        plan.problem(SDGenError("not-migratable", "the list holds no values", place=Place(name)))
        return None
    values: dict[str, str] = {}
    taken = set(entries)
    out = [HEADER.format(path.name) + "\n", "type: variations\n", "version: '2.0'\n"]
    out += [f"name: {scalar(path.stem)}\n", "variations:\n"]
    for item in layout:
        if isinstance(item, str):
            out.append(comment(item[1:].removeprefix(" "), "  ") if item else "\n")
            continue
        short = _short(item.key, taken)
        taken.add(short)
        values[short] = item.value
        out += [comment(note, "  ") for note in item.notes]
        out.append(f"  {scalar(short)}: {scalar(item.value)}\n")
    while out[-1] == "\n":
        out.pop()
    return ValueList(values, "".join(out))


def _short(key: str, taken: Collection[str]) -> str:
    """A key of a whole sentence cut down: YAML's keys are short."""
    if len(key) <= MAX_KEY:
        return key
    short, number = key[:MAX_KEY], 2
    while short in taken:
        short, number = f"{key[:MAX_KEY]}_{number}", number + 1
    return short
