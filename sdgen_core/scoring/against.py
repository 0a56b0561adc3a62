"""Two sessions, pair by pair: the same seeds and values with other words around them, so that only the formulation differs.

What is compared is what the catalog says of the images, the answers of the cascade with it. Each session's texts were held against its own
images: words around a value that let the model see it everywhere, or nowhere, are taken out there (``levels``) and win nothing here.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .formulations import LEVEL, Comparison, compare, holm
from .material import session_of

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.store import Store

#: What else makes other images of a seed; a difference is said, for it may be what is compared.
_MADE_WITH = ("sampler", "scheduler", "steps", "cfg", "width", "height")
_Pair = Hashable


@dataclass(frozen=True, eq=False)
class _Image:
    """``values``: placeholder -> key and probability, None where it could not be said."""

    seed: int
    values: Mapping[str, tuple[str, float | None]]


@dataclass(frozen=True, eq=False)
class _Side:
    """A session's scored images with a seed; ``texts``: (placeholder, key) -> text; ``made``: what its images were made with."""

    name: str
    images: list[_Image]
    texts: Mapping[tuple[str, str], str]
    made: Mapping[str, frozenset[Any]]

    def keys(self, placeholder: str) -> set[str]:
        return {key for name, key in self.texts if name == placeholder}

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.texts))


def against(catalog: Catalog, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two sessions by their reports (``Scoring.report``): ``second`` against ``first``.

    Gives ``first`` and ``second`` (``session``, ``name``, ``images`` with a seed), ``scorer``, ``paired_by`` (the placeholders whose values
    are the same in both images of a pair, beside the seed), ``differs`` (shared placeholders that have no value in common), ``overall``
    and ``values`` (``formulations.Comparison`` of images and of each value, with ``p_adjusted`` after Holm and ``change``: "better",
    "worse" or None while undecided), and ``remarks``. An image is a success above the threshold ``success`` of the first report, a
    value from ``match`` on. Raises ``not-comparable``.
    """
    _same_scorer(first, second)
    one, other = (_side(catalog, report) for report in (first, second))
    _same_model(one, other)
    shared = [name for name in one.names() if name in other.names()]
    paired = [name for name in shared if one.keys(name) & other.keys(name)]
    differs = [name for name in shared if name not in paired]
    _have_pairs(one, other, paired)
    limits = first["thresholds"]
    judged = [name for name in shared if _is_judged(one, name) and _is_judged(other, name)]
    above = math.nextafter(limits["success"], 2.0)  # a success is above it
    overall = compare(_means(one, paired, judged), _means(other, paired, judged), above)
    rows: list[tuple[dict[str, Any], Comparison]] = []
    for name in judged:
        both = one.keys(name) & other.keys(name)
        keys: list[str | None] = [*both] if both else [None]
        for key in sorted(keys, key=lambda key: one.texts.get((name, key or ""), "")):
            sides = [_outcomes(side, paired, name, key) for side in (one, other)]
            found = compare(sides[0], sides[1], limits["match"])
            if found.pairs:
                texts = [None if key is None else side.texts[name, key] for side in (one, other)]
                words = {"placeholder": name, "key": key, "first_text": texts[0], "second_text": texts[1]}
                rows.append((words, found))
    values: list[dict[str, Any]] = []
    for (words, found), p in zip(rows, holm([found.p for _, found in rows]), strict=True):
        up = "better" if found.only_second > found.only_first else "worse"
        values.append({**words, **asdict(found), "p_adjusted": p, "change": up if p < LEVEL else None})
    return {
        "first": {"session": first["session"], "name": first["name"], "images": len(one.images)},
        "second": {"session": second["session"], "name": second["name"], "images": len(other.images)},
        "scorer": first["scorer"],
        "paired_by": paired,
        "differs": differs,
        "overall": {**asdict(overall), "change": {"second": "better", "first": "worse"}.get(overall.better or "")},
        "values": sorted(values, key=lambda row: (row["p_adjusted"], row["p"], row["placeholder"])),
        "remarks": _remarks(first, second, one, other, values),
    }


# ---- whether they can be compared ----------------------------------------------------------------------------------------------


def _same_scorer(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    if first["session"] == second["session"]:
        raise SDGenError("not-comparable", f"{first['name']} is compared with itself", hint="Name two sessions.")
    if first["identity"] != second["identity"]:
        message = f"{first['name']} was scored by {first['scorer']}, {second['name']} by {second['scorer']}"
        if first["scorer"] == second["scorer"]:
            message = f"{first['name']} and {second['name']} were scored by two models called {first['scorer']}"
        hint = f"Score both with one: `sdgen score {first['session']} {second['session']} --scorer NAME`."
        raise SDGenError("not-comparable", message, hint=hint)


def _same_model(one: _Side, other: _Side) -> None:
    a, b = one.made["model"], other.made["model"]
    if a and b and a != b:
        message = f"{one.name} was made by {_listed(a)}, {other.name} by {_listed(b)}: not the words alone differ"
        raise SDGenError("not-comparable", message, hint="Make both sessions with the same checkpoint.")


def _have_pairs(one: _Side, other: _Side, paired: Sequence[str]) -> None:
    for side in (one, other):
        if not side.images:
            raise SDGenError("not-comparable", f"no scored image of {side.name} has a known seed")
    if not {image.seed for image in one.images} & {image.seed for image in other.images}:
        raise SDGenError("not-comparable", f"{one.name} and {other.name} have no seed in common")
    if not {_pair(image, paired) for image in one.images} & {_pair(image, paired) for image in other.images}:
        names = ", ".join(paired)
        message = f"{one.name} and {other.name} have seeds in common, but no images of one seed and the same {names}"
        raise SDGenError("not-comparable", message)


def _remarks(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    one: _Side,
    other: _Side,
    values: Iterable[Mapping[str, Any]],
) -> list[str]:
    out = []
    for name in _MADE_WITH:
        a, b = one.made[name], other.made[name]
        if a and b and a != b:
            out.append(f"{name} differs: {_listed(a)} and {_listed(b)}")
    bases = [{each["placeholder"]: each["labels"] for each in report["placeholders"]} for report in (first, second)]
    for name in bases[0].keys() & bases[1].keys():
        if bases[0][name] != bases[1][name]:
            counts = f"{bases[0][name]:,} and {bases[1][name]:,} verdicts"
            out.append(f"{name}: the probabilities are made with {counts}; score both sessions again")
    if first["thresholds"] != second["thresholds"]:
        out.append("the sessions were scored with different thresholds; those of the first count")
    changed = [row for row in values if row["first_text"] != row["second_text"]]
    if changed:
        out.append(
            f"{len(changed)} of the values have another text in the second session: each was held against its own"
        )
    return sorted(out)


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names)))


# ---- reading and pairing -------------------------------------------------------------------------------------------------------


def _side(catalog: Catalog, report: Mapping[str, Any]) -> _Side:
    store = catalog.index.store
    session, name, _ = session_of(catalog, report["session"])
    where = "session=? AND missing=0 AND broken=0"
    values: dict[int, dict[str, tuple[str, float | None]]] = {}
    texts: dict[tuple[str, str], str] = {}
    rows = store.rows(
        "SELECT image.id, placeholder.name, key, text, score FROM image JOIN image_value ON image = image.id"
        f" JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder WHERE {where}"
        " ORDER BY placeholder.id, image.id",
        (session,),
    )
    for image, placeholder, key, text, score in rows:
        values.setdefault(image, {})[placeholder] = (key, score)
        texts[placeholder, key] = text
    seeds = store.rows(
        f"SELECT id, seed FROM image WHERE {where} AND seed IS NOT NULL"
        " AND EXISTS(SELECT 1 FROM image_machine WHERE image_machine.image = image.id) ORDER BY id",
        (session,),
    )
    images = [_Image(int(seed), values.get(image, {})) for image, seed in seeds]
    return _Side(name, images, texts, {what: _distinct(store, session, what) for what in ("model", *_MADE_WITH)})


def _distinct(store: Store, session: int, what: str) -> frozenset[Any]:
    term = what in ("model", "sampler", "scheduler")
    column, join = ("term.text", f" JOIN term ON term.id = {what}") if term else (what, "")
    sql = f"SELECT DISTINCT {column} FROM image{join} WHERE session=? AND missing=0 AND {column} IS NOT NULL"
    return frozenset(value for (value,) in store.rows(sql, (session,)))


def _pair(image: _Image, paired: Sequence[str]) -> _Pair:
    return (image.seed, *(image.values.get(name, (None,))[0] for name in paired))


def _is_judged(side: _Side, placeholder: str) -> bool:
    return any(image.values.get(placeholder, ("", None))[1] is not None for image in side.images)


def _means(side: _Side, paired: Sequence[str], judged: Sequence[str]) -> dict[_Pair, float]:
    """Pair -> the mean probability of what both sessions are judged by; where that is nothing, of all values of the image."""
    found = []
    for image in side.images:
        names = judged or list(image.values)
        known = [p for name in names if (p := image.values.get(name, ("", None))[1]) is not None]
        if known:
            found.append((_pair(image, paired), round(sum(known) / len(known), 9)))
    return _together(found)


def _outcomes(side: _Side, paired: Sequence[str], placeholder: str, key: str | None) -> dict[_Pair, float]:
    """Pair -> probability, of images that were asked for a value; None: for any of the placeholder."""
    found = []
    for image in side.images:
        asked, probability = image.values.get(placeholder, (None, None))
        if probability is not None and (key is None or asked == key):
            found.append((_pair(image, paired), probability))
    return _together(found)


def _together(found: Iterable[tuple[_Pair, float]]) -> dict[_Pair, float]:
    """Of several images of one pair the mean counts."""
    out: dict[_Pair, list[float]] = {}
    for pair, number in found:
        out.setdefault(pair, []).append(number)
    return {pair: sum(some) / len(some) for pair, some in out.items()}
