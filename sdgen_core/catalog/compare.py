"""The images of a session side by side: columns are the values of one placeholder, rows its seeds or the values of another one.

Everything else in which images of the session differ is an axis of its own. It is locked to one value, or *any*: then a cell may hold
several images. What is the same in all images is no axis.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import SDGenError, nearest_names
from .fields import VERDICTS
from .records import unsigned
from .sql import as_list
from .store import Store

#: The axis of seeds. A placeholder of this name cannot be told from it, and is left out.
SEED = "seed"
#: The key of images that have no value of a placeholder.
NONE = ""
#: The most columns; a screen of more is no comparison.
MOST_COLUMNS = 200

_IMAGES = "SELECT id, seed, missing FROM image INDEXED BY image_session WHERE session = ? ORDER BY number, batch, id"
_VALUES = (
    "SELECT image_value.image, image_value.value, verdict FROM image INDEXED BY image_session"
    " JOIN image_value ON image_value.image = image.id WHERE image.session = ?"
)
_NAMES = (
    "SELECT value.id, placeholder.name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder"
    " WHERE value.id IN (SELECT value FROM json_each(?))"
)
#: What images are made with, besides values and seeds: name in the answer -> how it is read.
_PARAMETERS = {
    "model": "(SELECT text FROM term WHERE id = model)",
    "sampler": "(SELECT text FROM term WHERE id = sampler)",
    "scheduler": "(SELECT text FROM term WHERE id = scheduler)",
    "steps": "steps",
    "cfg": "cfg",
    "width": "width",
    "height": "height",
}
_MADE_WITH = (
    f"SELECT DISTINCT {', '.join(_PARAMETERS.values())} FROM image WHERE id IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True)
class AxisValue:
    """A value of an axis: in how many images of the session, and of these ok, partial and ko."""

    key: str
    text: str
    images: int
    ok: int = 0
    partial: int = 0
    ko: int = 0


@dataclass(frozen=True)
class Axis:
    """Something in which images of the session differ: a placeholder, or ``SEED``."""

    name: str
    values: list[AxisValue]


@dataclass(frozen=True)
class CellImage:
    """An image in a cell, with the verdict about its value of the pivot. ``missing``: its file is gone."""

    id: int
    verdict: str | None
    missing: bool


@dataclass(frozen=True)
class Row:
    """A row: the images of each column's cell."""

    key: str
    text: str
    cells: list[list[CellImage]]


@dataclass(frozen=True)
class Comparison:
    """A page of the matrix, from row ``at`` of ``total``. ``locks``: key of every axis that is neither pivot nor rows, None for any.

    ``constants`` are the values that all images share. ``differs`` names the parameters in which the images of this page differ.
    """

    axes: list[Axis]
    pivot: str
    rows_by: str
    locks: dict[str, str | None]
    columns: list[AxisValue]
    rows: list[Row]
    at: int
    total: int
    constants: dict[str, str]
    differs: list[str]


@dataclass(frozen=True)
class _Image:
    id: int
    missing: bool
    keys: dict[str, str]
    verdicts: dict[str, int]


def session_of(store: Store, slug: str) -> int:
    """The session called so. Raises ``unknown-session``."""
    found = store.value("SELECT id FROM session WHERE slug = ?", (slug,))
    if found is None:
        known = [name for (name,) in store.rows("SELECT slug FROM session")]
        raise SDGenError("unknown-session", f"there is no session {slug!r}", nearest=nearest_names(slug, known))
    return int(found)


def compare(
    store: Store,
    slug: str,
    *,
    pivot: str | None = None,
    rows_by: str | None = None,
    locks: Mapping[str, str | None] | None = None,
    at: int = 0,
    limit: int = 20,
) -> Comparison:
    """The matrix of the session ``slug``. What is not said is chosen: the pivot with the most images that differ in nothing else, the
    seeds as rows where images of other values share them, and the locks that fill most cells.

    Axes that there are not are left out of ``locks``, so that an address outlives a session that got longer. Raises
    ``unknown-session``, ``nothing-to-compare``, and ``unknown-item`` for a pivot or rows that there are not.
    """
    images, texts = _read(store, session_of(store, slug))
    axes, constants = _axes(images, texts)
    placeholders = [name for name in axes if name != SEED]
    if not placeholders:
        raise SDGenError(
            "nothing-to-compare",
            "the images of this session differ in no placeholder",
            hint="Compare needs a session whose template has a placeholder with two values or more.",
        )
    column = _named(pivot, placeholders) or _best_pivot(images, placeholders, list(axes))
    shared = _shares_seeds(images, column)
    others = [name for name in axes if name != column]
    row = _named(rows_by, others) or _usual_rows(axes, others, shared)
    free = [name for name in others if name != row]
    asked = {name: key for name, key in (locks or {}).items() if name in free}
    if not shared and SEED in free:
        asked.setdefault(SEED, None)
    found = {**asked, **_fullest(images, column, row, asked, [name for name in free if name not in asked])}
    cells: dict[str, dict[str, list[CellImage]]] = defaultdict(lambda: defaultdict(list))
    for image in _locked(images, found):
        said = VERDICTS[image.verdicts[column] - 1] if image.verdicts.get(column) else None
        cells[image.keys[row]][image.keys[column]].append(CellImage(image.id, said, image.missing))
    columns = axes[column].values[:MOST_COLUMNS]
    there = [value for value in axes[row].values if value.key in cells] or axes[row].values
    page = there[at : at + limit]
    made = [Row(one.key, one.text, [cells.get(one.key, {}).get(value.key, []) for value in columns]) for one in page]
    shown = [image.id for one in made for cell in one.cells for image in cell]
    return Comparison(
        axes=list(axes.values()),
        pivot=column,
        rows_by=row,
        locks={name: found[name] for name in free},
        columns=columns,
        rows=made,
        at=at,
        total=len(there),
        constants=constants,
        differs=_differs(store, shown),
    )


def constants_of(store: Store, slug: str) -> dict[str, str]:
    """Placeholder -> key of what all images of a session share. Raises ``unknown-session``."""
    images, texts = _read(store, session_of(store, slug))
    return _axes(images, texts)[1]


def _read(store: Store, session: int) -> tuple[list[_Image], dict[tuple[str, str], str]]:
    """The images of a session in its order, and the texts of their values."""
    own = store.rows(_VALUES, (session,))
    names = {row[0]: row[1:] for row in store.rows(_NAMES, (as_list({value for _, value, _ in own}),))}
    keys: dict[int, dict[str, str]] = defaultdict(dict)
    verdicts: dict[int, dict[str, int]] = defaultdict(dict)
    texts: dict[tuple[str, str], str] = {}
    for name, key, text in names.values():
        texts[name, key] = text
    for image, value, verdict in own:
        name, key, _ = names[value]
        if name != SEED:
            keys[image][name] = key
            if verdict:
                verdicts[image][name] = verdict
    every = {name for name, _ in texts} - {SEED}
    blank = dict.fromkeys(every, NONE)
    images = []
    for image, seed, missing in store.rows(_IMAGES, (session,)):
        text = NONE if seed is None else str(unsigned(seed))
        images.append(_Image(image, bool(missing), {**blank, **keys[image], SEED: text}, verdicts[image]))
    return images, texts


def _axes(images: Sequence[_Image], texts: Mapping[tuple[str, str], str]) -> tuple[dict[str, Axis], dict[str, str]]:
    """Name -> axis, placeholders by name and seeds last, and the constants."""
    axes: dict[str, Axis] = {}
    constants: dict[str, str] = {}
    names = sorted(images[0].keys, key=lambda name: (name == SEED, name.casefold())) if images else []
    for name in names:
        counts = Counter(image.keys[name] for image in images)
        if len(counts) < 2 and name != SEED:
            constants[name] = next(iter(counts))
            continue
        said = Counter((image.keys[name], image.verdicts.get(name, 0)) for image in images)
        values = [
            AxisValue(
                key,
                key if name == SEED else texts.get((name, key), key),
                n,
                *(said[key, VERDICTS.index(verdict) + 1] for verdict in ("ok", "partial", "ko")),
            )
            for key, n in counts.items()
        ]
        if name == SEED:
            values.sort(key=lambda value: (value.key == NONE, int(value.key or 0)))
        axes[name] = Axis(name, values)
    return axes, constants


def _named(name: str | None, known: Collection[str]) -> str | None:
    if name and name not in known:
        near = nearest_names(name, known)
        raise SDGenError("unknown-item", f"the images do not differ in {name!r}", nearest=near, hint="")
    return name


def _best_pivot(images: Sequence[_Image], names: Sequence[str], axes: Sequence[str]) -> str:
    """The placeholder in which alone the most images differ from another one; of equal ones that with the fewest values."""

    def worth(name: str) -> tuple[int, int]:
        rest = [other for other in axes if other != name]
        groups: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for image in images:
            groups[tuple([image.keys[other] for other in rest])].add(image.keys[name])
        together = sum(len(values) for values in groups.values() if len(values) > 1)
        return together, -len({image.keys[name] for image in images})

    return max(names, key=worth)


def _shares_seeds(images: Iterable[_Image], pivot: str) -> bool:
    """Whether images of other values of the pivot share a seed."""
    first: dict[str, str] = {}
    return any(first.setdefault(i.keys[SEED], i.keys[pivot]) != i.keys[pivot] for i in images if i.keys[SEED])


def _usual_rows(axes: Mapping[str, Axis], others: Sequence[str], shared: bool) -> str:
    more = [name for name in others if name != SEED]
    if shared or not more:
        return SEED
    return min(more, key=lambda name: len(axes[name].values))


def _locked(images: Iterable[_Image], locks: Mapping[str, str | None]) -> list[_Image]:
    wanted = [(name, key) for name, key in locks.items() if key is not None]
    return [image for image in images if all(image.keys[name] == key for name, key in wanted)]


def _fullest(
    images: Sequence[_Image], column: str, row: str, asked: Mapping[str, str | None], free: Sequence[str]
) -> dict[str, str | None]:
    """The values of the ``free`` axes that fill most cells, those that come first in the session on a tie. Where no two cells can be
    filled so, as in a session of drawn combinations, they are any."""
    cells: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for image in _locked(images, asked):
        combination = tuple([image.keys[name] for name in free])
        cells.setdefault(combination, set()).add((image.keys[column], image.keys[row]))
    best = max(cells, key=lambda combination: len(cells[combination]), default=None)
    if best is None or len(cells[best]) < 2:
        return dict.fromkeys(free)
    return dict(zip(free, best, strict=True))


def _differs(store: Store, images: Sequence[int]) -> list[str]:
    rows = store.rows(_MADE_WITH, (as_list(images),))
    return [name for n, name in enumerate(_PARAMETERS) if len({row[n] for row in rows}) > 1]


def ledger_id(store: Store, slug: str) -> str | None:
    """The id that the session's own record gives it: that of the ledger it was made by. Raises ``unknown-session``."""
    sql = "SELECT key FROM session_key WHERE session = ? AND key LIKE 'i:%'"
    found = store.value(sql, (session_of(store, slug),))
    return None if found is None else str(found)[2:]
