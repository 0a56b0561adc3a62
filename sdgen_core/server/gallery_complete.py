"""Completion for the query box: names of fields, placeholders and everything that stands behind a colon, with counts."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..catalog.fields import CLASSES, NO_CLASS, VERDICTS
from ..catalog.naming import sort_key
from ..catalog.query import FIELDS, FLAGS, NO_VERDICT, SORTS, Clause, Query, placeholder_field, write
from ..errors import SDGenError, nearest_names
from .model_facets import Completion, Suggestion
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog

#: Values without a key of their own are named by their text up to this length, and longer ones by its hash.
_READABLE = 60

Kind = Literal["field", "placeholder", "value", "word", "flag", "verdict", "sort"]
#: Fields whose values are names that the snapshot counts.
_NAMED = ("model", "sampler", "scheduler", "session", "theme", "style", "template", "tag")


class _Candidate(NamedTuple):
    """``word`` goes behind ``before``; people know it as ``label``."""

    before: str
    word: str
    label: str
    kind: Kind
    images: int | None = None


def complete(engine: Engine, call: Call) -> Completion:
    """How the query can go on. Raises ``bad-query`` for a field or placeholder that there is not."""
    asked = call.query
    known = _all(engine.library.catalog, asked.field, asked.text)
    return Completion(suggestions=[_suggestion(one) for one in _best(known, asked.text, asked.limit)])


def _best(known: Iterable[_Candidate], text: str, limit: int) -> list[_Candidate]:
    """What begins with ``text``, then what has it inside; each by images, then by name."""
    wanted = text.removeprefix("@").strip('"*').casefold()
    ranked = []
    for one in known:
        label, word = one.label.casefold(), one.word.casefold()
        if wanted in label or wanted in word:
            inside = not (label.startswith(wanted) or word.startswith(wanted))
            ranked.append((inside, -(one.images or 0), sort_key(one.label), one))
    return [one for *_, one in heapq.nsmallest(limit, ranked)]


def _suggestion(one: _Candidate) -> Suggestion:
    word = one.word
    if one.kind in ("value", "word"):
        clause = Clause.model_construct(field="tag", any=(word,))  # as long as it is
        word = write(Query.model_construct(clauses=(clause,), sort=("-created",))).partition(":")[2]
    return Suggestion(text=one.before + word, label=one.label, kind=one.kind, images=one.images)


def _all(catalog: Catalog, field: str, text: str) -> Iterator[_Candidate]:
    if not field:
        yield from _names(catalog)
    elif field == "sort":
        for key in SORTS:
            for sign in ("-",) if text.startswith("-") else ("", "-"):
                yield _Candidate("sort:", sign + key, sign + key, "sort")
    elif field.startswith("@") or field not in FIELDS:
        yield from _values(catalog, field.removeprefix("@"))
    elif field == "is":
        counts = _counted(catalog)["is"]
        for flag in FLAGS:
            yield _Candidate("is:", flag, flag, "flag", counts.get(flag))
    elif field == "verdict":
        for verdict in (*VERDICTS, NO_VERDICT):
            yield _Candidate("verdict:", verdict, verdict, "verdict")
    elif field == "class":
        counts = _counted(catalog)["class"]
        for name in (*CLASSES, NO_CLASS):
            yield _Candidate("class:", name, name, "word", counts.get(name, 0))
    elif field in _NAMED:
        titles = "SELECT slug, coalesce(title, name) FROM session"
        shown = dict(catalog.index.store.rows(titles)) if field == "session" else {}
        for name, images in _counted(catalog)[field].items():
            if name:
                yield _Candidate(f"{field}:", name, shown.get(name, name), "word", images)


def _names(catalog: Catalog) -> Iterator[_Candidate]:
    for name in (*FIELDS, "sort"):
        if name != "value":  # placeholders are written by their own names
            yield _Candidate("", f"{name}:", name, "field")
    for (name,) in catalog.index.store.rows("SELECT name FROM placeholder ORDER BY name"):
        yield _Candidate("", f"{placeholder_field(name)}:", name, "placeholder")


def _values(catalog: Catalog, placeholder: str) -> Iterator[_Candidate]:
    from ..catalog.records import value_key

    store = catalog.index.store
    names = [name for (name,) in store.rows("SELECT name FROM placeholder")]
    same = (name for name in names if name.casefold() == placeholder.casefold())
    name = placeholder if placeholder in names else next(same, None)
    if name is None:
        near = nearest_names(placeholder, [*names, *FIELDS])
        raise SDGenError("bad-query", f"{placeholder!r} is no field and no placeholder", nearest=near)
    sql = "SELECT key, text, images FROM value WHERE placeholder=(SELECT id FROM placeholder WHERE name=?)"
    for key, text, images in store.rows(sql, (name,)):
        word = text if len(text) <= _READABLE and key == value_key(text) else key
        yield _Candidate(f"{placeholder_field(name)}:", word, text, "value", images)


def _counted(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Field -> name -> images in the whole library."""
    from ..catalog.resolve import resolve

    return catalog.snapshot.facets(resolve(catalog.index.store, Query())).fields
