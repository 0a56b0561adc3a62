"""The sums: of everything that is found, and of each session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..fields import VERDICTS
from ..schema import MARK_NUMBER, VERDICT_NUMBER
from .view import View, groups


@dataclass(slots=True)
class SessionTotals:
    """What is found of one session. ``slug`` is its name in addresses.

    ``images`` are those whose file is there, ``bytes`` their size; ``gone`` those whose file is not. Marks, ``failed`` and
    ``judged`` (images with a verdict about any of their values) count both, as the lists of sessions do. ``verdicts`` is how many
    values of images have each verdict; ``rated`` the images with a rating, ``rating`` its mean.
    """

    slug: str
    name: str
    status: str
    theme: str | None
    model: str | None
    started: int
    planned: int | None
    found_planned: int
    images: int
    gone: int
    bytes: int
    favourites: int
    interesting: int
    trash: int
    failed: int
    judged: int
    rated: int
    rating: float | None
    verdicts: dict[str, int]


@dataclass(slots=True)
class Totals:
    """The sums over all sessions, see ``SessionTotals``; ``statuses`` and ``models`` are how many sessions have each status, and how
    many images (gone ones too) come from each model, "" being unknown."""

    sessions: int = 0
    images: int = 0
    gone: int = 0
    bytes: int = 0
    favourites: int = 0
    interesting: int = 0
    trash: int = 0
    failed: int = 0
    judged: int = 0
    rated: int = 0
    rating: float | None = None
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    statuses: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)


_FACTS = ("slug", "name", "status", "theme", "model", "started", "planned", "found_planned")
_SUMMED = ("images", "gone", "bytes", "favourites", "interesting", "trash", "failed", "judged", "rated")


def totals(of: View) -> tuple[Totals, list[SessionTotals]]:
    """All together, and each session in which something is found, the newest first; of the whole library those without images too."""
    counts = _counts(of)
    names = ", ".join(_FACTS).replace("name", "coalesce(title, name)")
    rows = of.store.rows(f"SELECT id, {names} FROM session ORDER BY started DESC, id DESC")
    whole, sessions, stars = Totals(), [], 0
    for number, *facts in rows:
        own = {name: int(column[number]) if number < len(column) else 0 for name, column in counts.items()}
        if of.whole or own["images"] or own["gone"]:
            row: dict[str, Any] = dict(zip(_FACTS, facts, strict=True))
            row.update((name, own[name]) for name in _SUMMED)
            row["rating"] = own["stars"] / own["rated"] if own["rated"] else None
            row["verdicts"] = {verdict: own[verdict] for verdict in VERDICTS}
            sessions.append(SessionTotals(**row))
            stars += own["stars"]
    for session in sessions:
        for name in _SUMMED:
            setattr(whole, name, getattr(whole, name) + getattr(session, name))
        for verdict in VERDICTS:
            whole.verdicts[verdict] += session.verdicts[verdict]
        whole.statuses[session.status] = whole.statuses.get(session.status, 0) + 1
    whole.sessions, whole.rating = len(sessions), stars / whole.rated if whole.rated else None
    whole.models = _models(of)
    return whole, sessions


def _counts(of: View) -> dict[str, Any]:
    """Name -> its count for each session's id."""
    import numpy as np

    columns = {
        name: of.columns[name][of.mask]
        for name in ("session", "missing", "bytes", "mark", "failed", "judged", "rating")
    }
    session, there = columns["session"], columns["missing"] == 0
    many = int(session.max(initial=0)) + 1
    # weights are floating point: exact as long as the sum is below 2**53, which is 9 petabytes
    out: dict[str, Any] = {
        "bytes": np.bincount(session[there], columns["bytes"][there], many),
        "stars": np.bincount(session, columns["rating"], many),
    }
    for name, holds in {
        "images": there,
        "gone": ~there,
        "favourites": columns["mark"] == MARK_NUMBER["favourite"],
        "interesting": columns["mark"] == MARK_NUMBER["interesting"],
        "trash": columns["mark"] == MARK_NUMBER["trash"],
        "failed": columns["failed"] > 0,
        "judged": columns["judged"] > 0,
        "rated": columns["rating"] > 0,
    }.items():
        out[name] = np.bincount(session[holds], minlength=many)
    numbers = [VERDICT_NUMBER[verdict] for verdict in VERDICTS]
    verdicts = np.zeros((max(numbers) + 1) * many, "i8")
    for found in of.judged(tuple(numbers)):
        cells = found.verdicts.astype("i8") * many + of.columns["session"][found.images]
        verdicts += np.bincount(cells, minlength=len(verdicts))
    by_verdict = verdicts.reshape(-1, many)
    return {**out, **{verdict: by_verdict[VERDICT_NUMBER[verdict]] for verdict in VERDICTS}}


def _models(of: View) -> dict[str, int]:
    import numpy as np

    grouped = groups(of, "model")
    images = np.bincount(grouped.of[of.mask], minlength=len(grouped.names)).tolist()
    named = [(name or "", n) for name, n in zip(grouped.names, images, strict=True)]
    return dict(sorted(named, key=lambda row: (-row[1], row[0])))
