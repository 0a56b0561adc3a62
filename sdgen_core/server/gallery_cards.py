"""Images as lists show them: few columns, no texts, so that a page of hundreds costs a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..catalog.fields import MARKS
from .model_images import Card

if TYPE_CHECKING:
    from ..catalog.store import Store

_MARK = (None, *MARKS)
_NAMES = (
    "id", "session", "file", "number", "created", "width", "height", "seed", "mark", "failed", "rating", "judged", "missing", "broken",
    "thumb",
)  # fmt: skip
_CARDS = (
    "SELECT image.id, session.slug, file, number, created, image.width, image.height, seed, mark, image.failed, image.rating,"
    " image.judged, image.missing, broken, thumb FROM image_and_said AS image JOIN session ON session.id = image.session"
    " WHERE image.id IN (SELECT value FROM json_each(?))"
)


def cards(store: Store, images: Sequence[int]) -> list[Card]:
    """The cards of ``images`` in their order; ids that there are not are left out."""
    from ..catalog.records import unsigned
    from ..catalog.sql import as_list

    found: dict[int, Card] = {}
    for row in store.rows(_CARDS, (as_list(images),)):
        one = dict(zip(_NAMES, row, strict=True))
        one["seed"] = None if one["seed"] is None else str(unsigned(one["seed"]))
        one["mark"] = _MARK[one["mark"]]
        one["rating"] = one["rating"] or None
        found[one["id"]] = Card(**one, thumbs=thumb_urls(one["thumb"]))
    return [found[image] for image in images if image in found]


def thumb_urls(key: str) -> dict[str, Any]:
    """Where the thumbnails of a key are."""
    return {"small": f"/sdgen/thumbs/{key}-256.webp", "large": f"/sdgen/thumbs/{key}-512.webp"}
