"""The order of all images by any sort keys: numbers of as few bits as they need, beside each other and the id in one, and sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .naming import sort_key
from .pictures.duplicates import distances
from .records import unsigned

if TYPE_CHECKING:
    from .columns import Ids
    from .snapshot import Snapshot

#: What judging and scoring change.
_OFTEN = {
    "mark", "failed", "rating", "judged", "missing", "broken", "noted", "tagged",
    "class", "flagged", "scored", "match", "promptscore", "aesthetic",
}  # fmt: skip


def stays(sort: Sequence[str], changed: set[str]) -> bool:
    """Whether an order is still right when only these columns changed. A value's score or verdict changes without a column."""
    kinds = {name.lstrip("-").partition(":")[0] for name in sort}
    return not kinds & {"score", "contradicts"} and changed <= _OFTEN - kinds


def ordered(snapshot: Snapshot, sort: Sequence[str]) -> Ids:
    """The ids of all images of ``snapshot`` in the order of these sort keys; those without a value are the last either way."""
    import numpy as np

    alive = np.flatnonzero(snapshot.columns["alive"]).astype("i4")
    keys = [made for name in sort for made in _keys(snapshot, name, alive)]
    keys.append((alive, keys[0][1] and len(keys) == 1))
    ranks = [_ranks(key, down) for key, down in keys]
    bits = [int(rank.max(initial=0)).bit_length() for rank in ranks]
    if sum(bits) > 64:
        found: Ids = alive[np.lexsort(ranks[::-1])]
        return found
    packed = np.zeros(len(alive), "u8")
    for rank, width in zip(ranks, bits, strict=True):
        packed = (packed << np.uint64(width)) | rank
    packed.sort()
    last = (packed & np.uint64((1 << bits[-1]) - 1)).astype("i4")
    if not len(alive):
        return alive
    found = alive[-1] - last if keys[-1][1] else alive[0] + last
    return found


def _ranks(key: Any, down: bool) -> Any:
    """Numbers from 0 on in the order of ``key``, as ``uint64``."""
    import numpy as np

    if not len(key):
        return key.astype("u8")
    if key.dtype.kind == "f":
        key = np.unique(key, return_inverse=True)[1]
    if key.dtype.kind == "u":
        return key.max() - key if down else key - key.min()
    key = key.astype("i8")
    return (key.max() - key if down else key - key.min()).astype("u8")


def _keys(snapshot: Snapshot, name: str, alive: Ids) -> list[tuple[Any, bool]]:
    """What sorts by the sort key ``name``: columns of the images ``alive``, and whether each is to fall."""
    import numpy as np

    down = name.startswith("-")
    kind, _, of = name.removeprefix("-").partition(":")
    columns = snapshot.columns
    if kind == "random":
        return [(mixed(alive, int(of)), down)]
    if kind == "number":
        return [(columns["number"][alive].astype("i8") * 64 + columns["batch"][alive], down)]
    if kind in ("created", "judged", "bytes"):
        return [(columns[kind][alive], down)]
    if kind == "file":
        return [(_file_places(snapshot)[alive], down)]
    if kind == "seed":
        return [(~columns["seeded"][alive], False), (columns["seed"][alive].view("u8"), down)]
    if kind in ("rating", "mark"):
        column, unknown = columns[kind][alive], columns[kind][alive] == 0
    elif kind == "pixels":
        width, height = columns["width"][alive].astype("i8"), columns["height"][alive]
        column, unknown = width * height, (width < 0) | (height < 0)
    elif kind == "like":
        own = snapshot.store.value("SELECT phash FROM image WHERE id=?", (int(of),))
        unknown = ~columns["looked_at"][alive] | (own is None)
        column = distances(columns["phash"][alive].view("u8"), unsigned(own or 0))
    elif kind == "score":
        column = _of_value(snapshot, of, float("nan"), lambda entries: entries.all_scores())[alive]
        unknown = np.isnan(column)
    elif kind == "contradicts":
        column = np.full(snapshot.size, np.nan)
        for entries in snapshot.entries.values():
            if entries.scores is not None:
                column[entries.images] = np.fmax(column[entries.images], entries.contradicts())
        column = column[alive]
        unknown = np.isnan(column)
    elif kind == "value":
        places = _places(_texts(snapshot, of))
        column = _of_value(snapshot, of, -1, lambda entries: places[entries.values])[alive]
        unknown = column < 0
    elif kind in ("model", "sampler", "session"):
        names = snapshot.names.sessions_shown if kind == "session" else snapshot.names.terms[kind]
        column = _places(names)[columns[kind][alive]]
        unknown = column < 0
    else:
        column = columns[kind][alive]
        unknown = np.isnan(column) if column.dtype.kind == "f" else column < 0
    return [(unknown, False), (np.where(unknown, 0, column), down)]


def _places(names: Mapping[int, str]) -> Any:
    """Number -> the place of its name among the different ones; -1 for one without a name, and for the number -1."""
    import numpy as np

    place = {name: n for n, name in enumerate(sorted(set(names.values()), key=sort_key))}
    out = np.full(max(names, default=0) + 2, -1, "i4")
    for number, name in names.items():
        out[number] = place[name]
    return out


def _of_value(snapshot: Snapshot, placeholder: str, none: float, column: Any) -> Any:
    """A number for each image from the entries of a placeholder; ``none`` where there is none."""
    import numpy as np

    out = np.full(snapshot.size, none)
    found = snapshot.store.value("SELECT id FROM placeholder WHERE name=?", (placeholder,))
    if found in snapshot.entries:
        entries = snapshot.entries[found]
        out[entries.images] = column(entries)
    return out


def _texts(snapshot: Snapshot, placeholder: str) -> dict[int, str]:
    sql = "SELECT value.id, text FROM value JOIN placeholder ON placeholder.id = placeholder WHERE name=?"
    return dict(snapshot.store.rows(sql, (placeholder,)))


def _file_places(snapshot: Snapshot) -> Any:
    """Image -> the place of its file's name."""
    import numpy as np

    names = dict(snapshot.store.rows("SELECT id, file FROM image"))
    out = np.full(max(snapshot.size, max(names, default=0) + 1), -1, "i4")
    place = {name: n for n, name in enumerate(sorted(set(names.values())))}
    out[list(names)] = [place[name] for name in names.values()]
    return out


def mixed(ids: Ids, seed: int) -> Any:
    """``store.mix`` for many."""
    import numpy as np

    h = (ids.astype("u8") * np.uint64(0x9E3779B1) + np.uint64(seed * 0x85EBCA77 & 0xFFFFFFFF)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(16))).astype("i8")
