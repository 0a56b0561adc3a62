"""What a person looks for: one query, as a text and as JSON.

    Hair:Red,Blue -Coat:Trench seed:100..199 is:favourite model:dream* "wet street" -blurry verdict:Hair=ko sort:-rating

All clauses must hold; of the values in a clause one; a minus turns a clause round. ``FIELDS`` is the table of everything that can be
asked; the documentation is made of it. A name that is in no table is a placeholder's (``@name`` where it is in the table too). One that
is not a plain word stands in quotes: ``@"wet hair":Red``, ``verdict:"wet hair"=ko``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import SDGenError, nearest_names
from .fields import CLASSES, MARKS, NO_CLASS, VERDICTS

MOST_CLAUSES = 100
MOST_VALUES = 1_000


@dataclass(frozen=True)
class FieldSpec:
    """One thing that can be asked. ``kind`` says what its values look like: words, a number, a date, flags, …"""

    name: str
    kind: str
    doc: str
    example: str


def _table(*fields: FieldSpec) -> dict[str, FieldSpec]:
    return {field.name: field for field in fields}


#: Flags of ``is:``.
FLAGS = (
    *MARKS,
    "marked",
    "failed",
    "judged",
    "tagged",
    "noted",
    "missing",
    "broken",
    "landscape",
    "portrait",
    "square",
    "duplicate",
    "scored",
    "flagged",
)
#: Bits in which the perceptual hashes of two images differ at most that are near-duplicates; and of one and others ``like`` it, if
#: nothing is said. From 10 or so on different images begin to meet by chance.
DUPLICATE, LIKE = 4, 8
#: A placeholder that has no verdict yet.
NO_VERDICT = "none"

FIELDS = _table(
    FieldSpec("value", "values", "value of a placeholder, by key or text", "Hair:Red,Blue"),
    FieldSpec("text", "text", "words of the prompt: beginnings, or a phrase in quotes", '"wet street" neon'),
    FieldSpec("negative", "text", "words of the negative prompt", "negative:blurry"),
    FieldSpec("is", "flags", "marks and states: " + ", ".join(FLAGS), "is:favourite"),
    FieldSpec("verdict", "verdict", f"verdicts about values: {', '.join(VERDICTS)}, {NO_VERDICT}", "verdict:Hair=ko,partial"),
    FieldSpec("score", "score", "score of a placeholder's value, 0 to 1", "score:Hair<0.5"),
    FieldSpec("contradicts", "score", "how surely the machine contradicts the verdict about a value, 0 to 1", "contradicts:Hair>0.5"),
    FieldSpec("class", "class", f"the machine's class: {', '.join(CLASSES)}, {NO_CLASS}", "class:failed"),
    FieldSpec("match", "number", "mean score of the image's values, 0 to 1", "match:<0.5"),
    FieldSpec("promptscore", "number", "the machine's score of the whole prompt", "promptscore:>=0.3"),
    FieldSpec("aesthetic", "number", "the machine's aesthetic score", "aesthetic:>=6"),
    FieldSpec("like", "like", f"images that look like the one with this id, in up to so many of 64 bits (else {LIKE})", "like:4711/6"),
    FieldSpec("tag", "words", "free tag", "tag:poster"),
    FieldSpec("session", "words", "session, by id or name", "session:portrait*"),
    FieldSpec("theme", "words", "theme of the session", "theme:gala"),
    FieldSpec("style", "words", "style of the session", "style:cartoon"),
    FieldSpec("template", "words", "name of the template", "template:portrait"),
    FieldSpec("model", "words", "checkpoint", "model:dream*"),
    FieldSpec("sampler", "words", "sampler, by ComfyUI's name", "sampler:euler"),
    FieldSpec("scheduler", "words", "scheduler", "scheduler:karras"),
    FieldSpec("date", "date", "day, month, year, from..to, today, yesterday, or the last days as 7d", "date:2026-11-01..2026-11-07"),
    FieldSpec("seed", "number", "seed", "seed:100..199"),
    FieldSpec("number", "number", "place in the session", "number:0..9"),
    FieldSpec("width", "number", "width in pixels", "width:>=1024"),
    FieldSpec("height", "number", "height in pixels", "height:<=768"),
    FieldSpec("steps", "number", "sampling steps", "steps:20..30"),
    FieldSpec("cfg", "number", "guidance scale", "cfg:4.5"),
    FieldSpec("rating", "number", "rating from 1 to 5; 0 is none", "rating:>=4"),
    FieldSpec("bytes", "number", "size of the file in bytes", "bytes:>2000000"),
)  # fmt: skip

#: Sort keys; ``-`` before one turns it round. ``random:7`` is an order of its own for every number, ``value:Hair`` one by text,
#: ``like:4711`` puts first what looks most like an image: the order of a query for that which has no other.
SORTS = (
    "created", "number", "file", "seed", "rating", "mark", "judged", "bytes", "pixels", "steps", "cfg", "model", "sampler", "session",
    "match", "promptscore", "aesthetic", "contradicts",
)  # fmt: skip
_SORT = re.compile(r"-?(?:random:\d{1,18}|(?:value|score):.+|like:\d{1,18})")

Short = Annotated[str, Field(max_length=2_000)]


class Clause(BaseModel):
    """One condition: ``field`` (of ``FIELDS``), for values, verdicts and scores the placeholder's ``name``, and what it may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Short
    any: tuple[Short, ...] = Field(min_length=1, max_length=MOST_VALUES)
    name: Short | None = None
    negate: bool = False


NEWEST = ("-created",)


def usual_sort(clauses: Iterable[Clause]) -> tuple[str, ...]:
    """The order of what is found by ``clauses`` when none is said: what looks most like the image asked for, or the newest first."""
    liked = next((clause for clause in clauses if clause.field == "like" and not clause.negate), None)
    return NEWEST if liked is None else (f"like:{liked.any[0].partition('/')[0]}",)


class Query(BaseModel):
    """Clauses that must all hold, and the order of what is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clauses: tuple[Clause, ...] = Field(default=(), max_length=MOST_CLAUSES)
    sort: tuple[Short, ...] = Field(default=NEWEST, max_length=5)

    @model_validator(mode="after")
    def _nearest_first(self) -> Query:
        if "sort" not in self.model_fields_set:
            object.__setattr__(self, "sort", usual_sort(self.clauses))
        return self

    def without(self, clause: Clause) -> Query:
        """The query without one of its clauses."""
        return self.model_copy(update={"clauses": tuple(c for c in self.clauses if c is not clause)})

    def with_defaults(self) -> Query:
        """The query as people mean it: without trash and files that are gone, unless it speaks of them."""
        said = {value for clause in self.clauses if clause.field == "is" for value in clause.any}
        more = [Clause(field="is", any=(flag,), negate=True) for flag in ("trash", "missing") if flag not in said]
        return self.model_copy(update={"clauses": (*self.clauses, *more)})


# ---- the text --------------------------------------------------------------------------------------------------------------

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_FIELD = rf"@?(?:\w+|{_QUOTED})"
_TOKEN = re.compile(
    rf"\s*(?P<minus>-?)(?:(?P<field>{_FIELD}):(?P<head>\w+(?=[=<>]))?(?P<sign>=(?=[^<>=]))?(?P<values>(?:{_QUOTED}\*?|[^\s,\"])+"
    rf"(?:,(?:{_QUOTED}\*?|[^\s,\"])+)*)|(?P<open>{_FIELD}):(?=\s|$)|(?P<phrase>{_QUOTED}\*?)|(?P<word>[^\s\"]+))"
)
_VALUE = re.compile(rf"(?P<quoted>{_QUOTED})(?P<star>\*?)|[^,\"]+")
_PLAIN = re.compile(r"[^\s,\"\\]+")
#: A placeholder in quotes before verdicts or a score.
_OF = re.compile(rf"(?P<name>{_QUOTED})(?=[=<>])(?:=(?=[^<>=]))?")
_WORD = re.compile(r"\w+")
_NAMED = ("verdict", "score", "contradicts")
#: Fields whose whole numbers have others between them.
_FRACTIONS = ("cfg", "score", "contradicts", "match", "promptscore", "aesthetic")


def parse(text: str) -> Query:
    """The query that ``text`` means. Raises ``bad-query`` with the column."""
    clauses: list[Clause] = []
    sort: tuple[str, ...] = ()
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise SDGenError("bad-query", f"column {at + 1}: {text[at : at + 20].strip()!r} cannot be read")
        if found["open"]:
            raise _no_value(found["open"], found.start("open") + 1)
        at = found.end()
        negate = bool(found["minus"])
        if found["word"] or found["phrase"]:
            word = f"{found['word'].rstrip('*')}*" if found["word"] else _unquoted(found["phrase"])
            clauses.append(Clause(field="text", any=(word,), negate=negate))
            continue
        field, head, said = found["field"], found["head"], found["values"]
        if field in _NAMED and not head and (of := _OF.match(said)):
            head, said = _unquoted(of["name"]), said[of.end() :]
        values = tuple(_values(said))
        if field == "sort":
            sort = values
            continue
        name = None
        if field.startswith("@") or field not in FIELDS or field == "value":
            bare = field.removeprefix("@")
            field, name = "value", _unquoted(bare) if bare.startswith('"') else bare
            values = (head + (found["sign"] or "") + values[0], *values[1:]) if head else values
        elif field in _NAMED:
            name = head
        elif head:
            values = (head + (found["sign"] or "") + values[0], *values[1:])
        if len(values) > MOST_VALUES or len(clauses) >= MOST_CLAUSES:
            raise SDGenError("bad-query", f"more than {MOST_CLAUSES} clauses, or {MOST_VALUES} values in one")
        clauses.append(Clause(field=field, name=name, any=values, negate=negate))
    query = Query(clauses=tuple(clauses), sort=sort) if sort else Query(clauses=tuple(clauses))
    check(query)
    return query


def _no_value(field: str, column: int) -> SDGenError:
    spec = FIELDS.get(field)
    example = f", as in {spec.example}" if spec else ""
    hint = f"Write one behind the colon{example}. To look for the text itself, put it in quotes."
    return SDGenError("bad-query", f"column {column}: {field}: has no value yet", hint=hint)


def _values(text: str) -> Iterator[str]:
    for found in _VALUE.finditer(text):
        yield _unquoted(found[0]) if found["quoted"] else found[0]


def _unquoted(text: str) -> str:
    star = "*" if text.endswith("*") else ""
    inner: str = re.sub(r"\\(.)", r"\1", text.removesuffix("*")[1:-1])
    return inner + star


def write(query: Query) -> str:
    """The text of a query; ``parse``'s inverse."""
    out = []
    for clause in query.clauses:
        minus = "-" if clause.negate else ""
        if clause.field == "text" and len(clause.any) == 1:
            out.append(minus + _quoted(clause.any[0], word=True))
            continue
        values = ",".join(_quoted(value) for value in clause.any)
        if clause.field == "value":
            out.append(f"{minus}@{_name(clause.name or '')}:{values}")
        elif clause.name is not None:
            sign = "" if values[0] in "<>" else "="
            out.append(f"{minus}{clause.field}:{_name(clause.name)}{sign}{values}")
        else:
            out.append(f"{minus}{clause.field}:{values}")
    if query.sort != usual_sort(query.clauses):
        out.append("sort:" + ",".join(_quoted(key) for key in query.sort))
    return " ".join(out)


def placeholder_field(name: str) -> str:
    """A placeholder's name as a person would write it before the colon."""
    plain = _WORD.fullmatch(name) and name not in FIELDS and name != "sort"
    return name if plain else f"@{_name(name)}"


def _name(name: str) -> str:
    """A placeholder's name, in quotes unless it is a plain word."""
    if _WORD.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _quoted(value: str, word: bool = False) -> str:
    star = "*" if value.endswith("*") else ""
    inner = value.removesuffix("*")
    if word and star and _PLAIN.fullmatch(inner) and ":" not in inner and not inner.startswith("-"):
        return inner
    if not word and _PLAIN.fullmatch(value) and not re.match(r"\w+[=<>]", value) and value[0] not in "=":
        return value
    escaped = inner.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"{star}'


# ---- what values mean ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; None is no bound."""

    low: float | None
    high: float | None

    def __contains__(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


_NUMBER = re.compile(
    r"(?P<sign>[<>]=?|=)?(?P<one>-?\d+(?:\.\d+)?)|(?P<low>-?\d+(?:\.\d+)?)?\.\.(?P<high>-?\d+(?:\.\d+)?)?"
)
_LIKE = re.compile(r"(\d{1,18})(?:/(\d{1,2}))?")
_DAYS = re.compile(r"(\d{1,5})d")
_DAY = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?))?)?")
#: The smallest step between two numbers that are compared: seeds and sizes are whole, others have few digits.
_STEP = 1e-9


def number_range(field: str, text: str) -> Range:
    """``5``, ``>=5``, ``<5``, ``1..5``, ``..5`` or ``5..``. Raises ``bad-query``."""
    found = _NUMBER.fullmatch(text)
    if found is None or text == "..":
        raise SDGenError("bad-query", f"{field}:{text} is no number and no range such as 1..5 or >=5")
    if found["one"] is None:
        return Range(*(_number(found[end]) for end in ("low", "high")))
    number = _number(found["one"])
    assert number is not None
    whole = isinstance(number, int)
    step = 1 if whole and field not in _FRACTIONS else _STEP
    return {
        ">": Range(number + step, None),
        ">=": Range(number, None),
        "<": Range(None, number - step),
        "<=": Range(None, number),
    }.get(found["sign"] or "=", Range(number, number))


def _number(text: str | None) -> int | float | None:
    return None if text is None else float(text) if "." in text else int(text)


def likeness(text: str) -> tuple[int, int]:
    """The image and the distance of ``4711`` or ``4711/6``. Raises ``bad-query``."""
    found = _LIKE.fullmatch(text)
    if found is None or int(found[2] or 0) > 64:
        raise SDGenError("bad-query", f"like:{text} is no image's id, or one with a distance of 0 to 64 such as 4711/6")
    return int(found[1]), int(found[2] or LIKE)


def date_range(text: str, now: datetime | None = None) -> Range:
    """Unix milliseconds of a date in local time, whole days. Raises ``bad-query``."""
    now = now or datetime.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday"):
        first = midnight - timedelta(days=text == "yesterday")
        return _span(first, first + timedelta(days=1))
    try:
        if days := _DAYS.fullmatch(text):
            return _span(midnight - timedelta(days=int(days[1]) - 1), None)
        low, dots, high = text.partition("..")
        if not dots:
            return _span(*_period(low))
        return _span(_period(low)[0] if low else None, _period(high)[1] if high else None)
    except (ValueError, OverflowError, OSError):
        message = f"date:{text} is no day, month, year, from..to, today, yesterday or number of days such as 7d"
        raise SDGenError("bad-query", message) from None


def _period(text: str) -> tuple[datetime, datetime]:
    """The first moment of a day, month or year, and the first after it."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    first = datetime(year, month, day)
    if found[3]:
        return first, first + timedelta(days=1)
    if found[2]:
        return first, datetime(year + month // 12, month % 12 + 1, 1)
    return first, datetime(year + 1, 1, 1)


def _span(first: datetime | None, after: datetime | None) -> Range:
    return Range(
        None if first is None else int(first.timestamp() * 1000),
        None if after is None else int(after.timestamp() * 1000) - 1,
    )


def check(query: Query) -> None:
    """Raises ``bad-query`` for fields, flags, verdicts, numbers, dates and sort keys that there are not."""
    for clause in query.clauses:
        spec = FIELDS.get(clause.field)
        if spec is None:
            near = nearest_names(clause.field, FIELDS)
            raise SDGenError("bad-query", f"{clause.field!r} is nothing that can be asked for", nearest=near)
        if clause.field == "value" and not clause.name:
            raise SDGenError("bad-query", "a value needs the name of its placeholder")
        if clause.name is not None and clause.field not in ("value", *_NAMED):
            raise SDGenError("bad-query", f"{clause.field} has no placeholder")
        for value in clause.any:
            if not value:
                raise SDGenError("bad-query", f"{clause.field}: a value is empty")
            if spec.kind in ("number", "score"):
                number_range(clause.field, value)
            elif spec.kind == "date":
                date_range(value)
            elif spec.kind == "like":
                likeness(value)
            elif spec.kind == "flags" and value not in FLAGS:
                raise SDGenError("bad-query", f"is:{value} is not known", nearest=nearest_names(value, FLAGS))
            elif spec.kind == "verdict" and value not in (*VERDICTS, NO_VERDICT):
                near = nearest_names(value, (*VERDICTS, NO_VERDICT))
                raise SDGenError("bad-query", f"{value!r} is no verdict", nearest=near)
            elif spec.kind == "class" and value not in (*CLASSES, NO_CLASS):
                near, hint = (
                    nearest_names(value, (*CLASSES, NO_CLASS)),
                    "A placeholder of this name is asked for as @class:…",
                )
                raise SDGenError("bad-query", f"{value!r} is no class", nearest=near, hint=hint)
    for key in query.sort:
        if key.removeprefix("-") not in SORTS and not _SORT.fullmatch(key):
            raise SDGenError("bad-query", f"sort:{key} is not known", nearest=nearest_names(key.lstrip("-"), SORTS))
