"""What a list shows of each session, from its own row: triggers keep the counters, so that no image is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .records import unsigned
from .schema import TRASH
from .sql import as_list
from .store import Store

#: Thumbnails of a card.
THUMBS = 4


@dataclass
class SessionScores:
    """What machines said of a session's images: ``scored`` of them, so many in each class, ``flagged``, and the ``mean`` score, 0 to 1."""

    scored: int
    success: int
    partial: int
    failed: int
    flagged: int
    mean: float | None


@dataclass  # not frozen: that takes three times as long to make, and a page has hundreds
class SessionCard:
    """What a list shows of a session. ``name`` is its title where somebody gave it one, ``original_name`` what it was made as.

    ``started`` in Unix milliseconds. ``completion``: share of the planned images that are there, or were until they were thrown away
    (``removed``); None when nothing is known to be planned. ``missing`` files are gone without anybody having said so. ``seeds`` are
    the least and the greatest, ``thumbs`` keys of thumbnails, the last images first. ``scores``: None where no machine said anything.
    """

    slug: str
    name: str
    original_name: str
    started: int
    status: str
    planned: int | None
    found_planned: int
    completion: float | None
    images: int
    missing: int
    removed: int
    bytes: int
    favourites: int
    interesting: int
    trash: int
    failed: int
    judged: int
    theme: str | None
    style: str | None
    template: str | None
    model: str | None
    sampler: str | None
    sweep: bool
    seeds: tuple[int, int] | None
    width: int | None
    height: int | None
    favourite: bool
    rating: str | None
    test: bool
    complete: str | None
    note: str | None
    tags: list[str]
    problems: int
    folder_missing: bool
    thumbs: list[str]
    scores: SessionScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; seeds are numbers of up to 64 bits."""
        return dict(vars(self))


_CARD = (
    "SELECT id, slug, coalesce(title, name), name, started, status, planned, found_planned, images, gone - removed, removed, bytes,"
    " favourites, interesting, trash, failed, judged, theme, style, template, model, sampler, sweep, seed_min, seed_max, width, height,"
    " favourite, rating, test, complete, note, json_array_length(problems), missing,"
    " machine_images, machine_success, machine_partial, machine_failed, machine_flagged, machine_points FROM session"
    " WHERE id IN (SELECT value FROM json_each(?))"
)
_TAGS = (
    "SELECT session, name FROM session_tag JOIN tag ON tag.id = session_tag.tag"
    " WHERE session IN (SELECT value FROM json_each(?)) ORDER BY sdgen_sort_key(name)"
)
_THUMBS = (
    f"SELECT thumb FROM image WHERE session = ? AND missing = 0 AND id NOT IN (SELECT image FROM image_said WHERE mark = {TRASH})"
    f" ORDER BY number DESC, batch DESC, id DESC LIMIT {THUMBS}"
)


def session_cards(store: Store, ids: Sequence[int]) -> list[SessionCard]:
    """Cards of sessions, in the order of their ``ids``."""
    asked = (as_list(ids),)
    rows = {row[0]: row[1:] for row in store.rows(_CARD, asked)}
    tags: dict[int, list[str]] = {}
    for session, name in store.rows(_TAGS, asked):
        tags.setdefault(session, []).append(name)
    return [
        _card(rows[i], tags.get(i, []), [thumb for (thumb,) in store.rows(_THUMBS, (i,))]) for i in ids if i in rows
    ]


def _card(row: Sequence[Any], tags: list[str], thumbs: list[str]) -> SessionCard:
    slug, name, original, started, status, planned, found, images, missing, removed, size, *rest = row
    favourites, interesting, trash, failed, judged, theme, style, template, model, sampler, sweep, *rest = rest
    low, high, width, height, favourite, rating, test, complete, note, problems, folder_missing, *scores = rest
    return SessionCard(
        slug=slug,
        name=name,
        original_name=original,
        started=started,
        status=status,
        planned=planned,
        found_planned=found,
        completion=found / planned if planned else None,
        images=images,
        missing=missing,
        removed=removed,
        bytes=size,
        favourites=favourites,
        interesting=interesting,
        trash=trash,
        failed=failed,
        judged=judged,
        theme=theme,
        style=style,
        template=template,
        model=model,
        sampler=sampler,
        sweep=bool(sweep),
        seeds=None if low is None else (unsigned(low), unsigned(high)),
        width=width,
        height=height,
        favourite=bool(favourite),
        rating=rating,
        test=bool(test),
        complete=complete,
        note=note,
        tags=tags,
        problems=problems,
        folder_missing=bool(folder_missing),
        thumbs=thumbs,
        scores=_scores(*scores) if scores[0] else None,
    )


def _scores(scored: int, success: int, partial: int, failed: int, flagged: int, points: int) -> SessionScores:
    known = success + partial + failed
    return SessionScores(scored, success, partial, failed, flagged, points / 1e6 / known if known else None)
