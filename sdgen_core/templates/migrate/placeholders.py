"""The first version's placeholders, ``{Name:option}``, as today's ``{Name[selector]}``.

Options were: ``N`` (N at random), ``0`` (leave the name out), ``#|1|5`` (indexes from zero), each with ``$P`` behind it or
``$P`` alone (loop priority: 0 when not said, the highest in the innermost loop, equal ones in order of appearance). The
last occurrence of a name decided, and the prompt decided before the negative prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..syntax import PLACEHOLDER

_OLD = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}")


@dataclass(frozen=True)
class _Use:
    """One occurrence. ``indexes`` and ``limit`` exclude each other; ``said`` tells whether a priority was written."""

    name: str
    start: int
    end: int
    option: str = ""
    indexes: tuple[int, ...] | None = None
    limit: int | None = None
    priority: int = 0
    said: bool = False
    odd: bool = False


@dataclass
class Converted:
    """The texts of today, the names that had to change, and what a user should know or mend."""

    prompt: str
    negative: str
    renamed: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def _use(found: re.Match[str]) -> _Use:
    option = found[2] or ""
    use = _Use(found[1], found.start(), found.end(), option)
    body, dollar, weight = option.rpartition("$")
    body, weight = (body.strip(), weight.strip()) if dollar else (option.strip(), "")
    try:
        use = replace(use, priority=int(weight) if dollar else 0, said=bool(dollar))
    except ValueError:
        use = replace(use, odd=True)
    try:
        if body.startswith("#|"):
            indexes = (int(i) for i in body[2:].split("|") if i.strip())
            return replace(use, indexes=tuple(dict.fromkeys(i for i in indexes if i >= 0)) or None)
        limit = int(body) if body else None
        return replace(use, limit=limit, odd=use.odd or (limit or 0) < 0)
    except ValueError:
        return replace(use, odd=True)


def _uses(text: str) -> list[_Use]:
    """Old placeholders of a text; what is written in today's form with a selector is left to today's rules."""
    out = []
    for found in _OLD.finditer(text):
        today = PLACEHOLDER.fullmatch(found[0])
        if today is None or today[2] is None:
            out.append(_use(found))
    return out


def convert(prompt: str, negative: str, known: Mapping[str, Sequence[int] | None], combinatorial: bool) -> Converted:
    """Both texts in today's form.

    ``known`` has the names with values, in the order of the file; each maps the index that the first version counted to
    today's (None: the values are not known here).
    """
    out = Converted(prompt, negative)
    uses, more = _uses(prompt), _uses(negative)
    deciding = {u.name: u for u in more} | {u.name: u for u in uses}
    out.renamed = _new_names([*known, *deciding])
    first = list(dict.fromkeys(u.name for u in uses))
    last = [n for n in known if n in deciding and n not in first]
    weights = _weights(first, last, deciding, known) if combinatorial else {}
    if combinatorial and any(u.said and weights.get(n) not in (None, u.priority) for n, u in deciding.items()):
        listed = ", ".join(f"{out.renamed.get(n, n)} {w}" for n, w in weights.items())
        out.remarks.append(f"loop priorities are renumbered to keep the order of the loops: {listed}")
    for name, use in deciding.items():
        others = {u.option for u in (*uses, *more) if u.name == name} - {use.option, ""}
        if others:
            counted = f"{{{name}:{use.option}}}" if use.option else f"{{{name}}}"
            out.remarks.append(f"{{{name}}} is written with different options; {counted} counted")
        if use.odd:
            out.lost.append(
                f"the option of {{{name}:{use.option}}} is not understood; it had no effect and is left out"
            )

    def rewrite(text: str, found: list[_Use], deciders: list[_Use], negative_text: bool) -> str:
        parts: list[str] = []
        at = 0
        for use in found:
            parts += [text[at : use.start], _today(use, use in deciders, negative_text, known, weights, out)]
            at = use.end
        return "".join([*parts, text[at:]])

    out.prompt = rewrite(prompt, uses, [deciding[n] for n in first], False)
    out.negative = rewrite(negative, more, [u for n, u in deciding.items() if n not in first], True)
    out.renamed = {old: new for old, new in out.renamed.items() if old != new}
    return out


def _today(
    use: _Use,
    decides: bool,
    negative_text: bool,
    known: Mapping[str, Sequence[int] | None],
    weights: Mapping[str, int],
    out: Converted,
) -> str:
    name = out.renamed[use.name]
    if use.name not in known:
        if negative_text or use.limit == 0:
            out.remarks.append(f"{{{use.name}}} has no values and was taken out of the text; so it is now")
            return ""
        out.lost.append(f"{{{use.name}}} has no list of values")
        return "{" + use.name + "}"
    if not decides:
        return "{" + name + "}"
    parts: list[str] = []
    if use.indexes is not None:
        parts += _indexes(use, known[use.name], out)
    elif use.limit is not None and use.limit >= 0:
        parts.append(str(use.limit))
    if use.name in weights and use.limit != 0 and weights[use.name] != 1:
        parts.append(f"${weights[use.name]}")
    elif use.said and not weights and use.priority > 1:
        parts.append(f"${use.priority}")
    return "{" + name + (f"[{';'.join(parts)}]" if parts else "") + "}"


def _indexes(use: _Use, today: Sequence[int] | None, out: Converted) -> list[str]:
    assert use.indexes is not None
    indexes = list(use.indexes)
    if today is not None:
        gone = [i for i in indexes if i >= len(today)]
        indexes = [today[i] for i in indexes if i < len(today)]
        if gone:
            tail = "" if indexes else "; nothing was left, so all values counted, as they do now"
            listed = ", ".join(map(str, gone))
            out.remarks.append(
                f"{{{use.name}:{use.option}}}: there is no index {listed} (there are {len(today)}){tail}"
            )
    return ["#" + ",".join(map(str, indexes))] if indexes else []


def _weights(
    first: list[str], last: list[str], deciding: Mapping[str, _Use], known: Mapping[str, object]
) -> dict[str, int]:
    """Name -> loop weight. The numbers that were written stay where they give the same order.

    They cannot where today's rules differ: a name without a number weighs 1 (not 0), 0 means "one at random", and
    names that only the negative prompt has (``last``) were the innermost loops.
    """
    loops = [n for n in first if n in known and deciding[n].limit != 0]
    inner = [n for n in last if deciding[n].limit != 0]
    wanted = sorted(loops, key=lambda n: deciding[n].priority) + inner
    appearance = loops + [n for n in deciding if n in inner]
    written = {n: deciding[n].priority if deciding[n].said and n in loops else 1 for n in appearance}
    top = max(written.values(), default=1)
    for numbers in (written, written | {n: top + 1 + i for i, n in enumerate(inner)}):
        if min(numbers.values(), default=1) >= 1 and sorted(appearance, key=numbers.__getitem__) == wanted:
            return numbers
    lowest = min(0, *(deciding[n].priority for n in loops)) if loops else 0
    out = {n: deciding[n].priority - lowest + 1 for n in loops}
    top = max(out.values(), default=0)
    return out | {n: top + 1 + i for i, n in enumerate(inner)}


def _new_names(names: Sequence[str]) -> dict[str, str]:
    """Names of today for names that held spaces or signs."""
    out: dict[str, str] = {}
    taken = {n for n in names if re.fullmatch(r"\w+", n)}
    for name in dict.fromkeys(names):
        new = name
        if name not in taken:
            base = re.sub(r"\W+", "_", name).strip("_") or "Name"
            new, number = base, 2
            while new in taken:
                new, number = f"{base}_{number}", number + 1
            taken.add(new)
        out[name] = new
    return out
