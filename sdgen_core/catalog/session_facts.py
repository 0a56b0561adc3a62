"""Everything the catalog knows about one session: values with their counts, seeds, gaps, dates, what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from .fields import VERDICTS
from .records import unsigned
from .session_cards import SessionCard, session_cards
from .store import Store

if TYPE_CHECKING:
    from .catalog import Catalog

#: The most gaps, seeds and missing files that are listed; how many there are is said besides.
MOST = 500

_FACTS = (
    "SELECT id, folder, prompt, negative, mode, seed_mode, base_seed, combinations, scheduler, vae, cfg, steps, placeholders, problems"
    " FROM session WHERE slug = ?"
)
_NAMES = ("folder", "prompt", "negative", "mode", "seed_mode", "combinations", "scheduler", "vae", "cfg", "steps")
_VALUES = (
    "SELECT placeholder.name, key, text, verdict, count(*), sum(1 - missing) FROM image INDEXED BY image_session"
    " JOIN image_value ON image_value.image = image.id JOIN value ON value.id = image_value.value"
    " JOIN placeholder ON placeholder.id = value.placeholder WHERE image.session = ? GROUP BY value.id, verdict"
)
#: Of images that are there.
_TERMS = (
    "SELECT coalesce(text, ''), count(*) FROM image INDEXED BY image_session LEFT JOIN term ON term.id = image.{0}"
    " WHERE session = ? AND missing = 0 GROUP BY image.{0} ORDER BY 2 DESC, 1"
)
_SEEDS = (
    "SELECT seed, count(*) FROM image INDEXED BY image_session WHERE session = ? AND missing = 0 AND seed IS NOT NULL"
    " GROUP BY seed ORDER BY seed < 0, seed"
)
_NUMBERS = (
    "SELECT DISTINCT number FROM image INDEXED BY image_session WHERE session = ? AND number >= 0 AND number < ?"
    " AND (missing = 0 OR removed = 1) ORDER BY number"
)
_FILES = (
    "SELECT file FROM image INDEXED BY image_session WHERE session = ? AND missing = 1 AND removed = 0"
    " ORDER BY number, batch, id LIMIT ?"
)
_DATES = "SELECT min(created), max(created) FROM image INDEXED BY image_session WHERE session = ? AND missing = 0"


@dataclass(frozen=True)
class ValueFacts:
    """A value in one session: how many of its images are there, and how often each verdict was given, also about removed images."""

    key: str
    text: str
    images: int
    verdicts: dict[str, int]


@dataclass(frozen=True)
class PlaceholderFacts:
    """A placeholder: how many values it had to choose from, how many were planned (both None when no record says so), and those of
    the images, most images first."""

    name: str
    available: int | None
    used: int | None
    values: list[ValueFacts]


@dataclass(frozen=True)
class SessionFacts:
    """All about a session. Counts of ``models``, ``samplers`` and ``seeds`` are of images whose file is there, "" being unknown.

    ``gaps`` are the numbers of planned images that are not there, as ranges with both ends, ``gap_images`` how many images that is; an
    image that was thrown away is no gap. ``first`` and ``last`` in Unix milliseconds: when the first and the last image were made.
    ``problems`` say in words what could not be read. Lists are cut at ``MOST``; ``gap_count``, ``seed_count`` and the card's
    ``missing`` are whole.
    """

    card: SessionCard
    folder: str
    prompt: str | None
    negative: str | None
    mode: str | None
    seed_mode: str | None
    base_seed: int | None
    combinations: str | None
    scheduler: str | None
    vae: str | None
    cfg: float | None
    steps: int | None
    placeholders: list[PlaceholderFacts]
    models: dict[str, int]
    samplers: dict[str, int]
    seeds: list[tuple[int, int]]
    seed_count: int
    gaps: list[tuple[int, int]]
    gap_count: int
    gap_images: int
    first: int | None
    last: int | None
    problems: list[str]
    missing_files: list[str]

    @property
    def seconds(self) -> float | None:
        """From the first image to the last."""
        return None if self.first is None or self.last is None else (self.last - self.first) / 1000

    def to_dict(self) -> dict[str, Any]:
        """For JSON; seeds are numbers of up to 64 bits."""
        placeholders = [{**vars(p), "values": [dict(vars(value)) for value in p.values]} for p in self.placeholders]
        own = {**vars(self), "placeholders": placeholders, "seconds": self.seconds}
        del own["card"]
        return {**self.card.to_dict(), **own}


def session_facts(catalog: Catalog, slug: str) -> SessionFacts:
    """All about the session ``slug``. Raises ``unknown-session``."""
    store = catalog.index.store
    rows = store.rows(_FACTS, (slug,))
    if not rows:
        known = [name for (name,) in store.rows("SELECT slug FROM session")]
        raise SDGenError("unknown-session", f"there is no session {slug!r}", nearest=nearest_names(slug, known))
    session, folder, prompt, negative, mode, seed_mode, base_seed, *rest, placeholders, problems = rows[0]
    own = dict(zip(_NAMES, (folder, prompt, negative, mode, seed_mode, *rest), strict=True))
    (card,) = session_cards(store, [session])
    numbers = (number for (number,) in store.rows(_NUMBERS, (session, card.planned or 0)))
    gaps = list(_gaps(numbers, card.planned or 0))
    seeds = [(unsigned(seed), images) for seed, images in store.rows(_SEEDS, (session,))]
    first, last = store.rows(_DATES, (session,))[0]
    return SessionFacts(
        card=card,
        **own,
        base_seed=None if base_seed is None else unsigned(base_seed),
        placeholders=_placeholders(store, session, json.loads(placeholders)),
        models=dict(store.rows(_TERMS.format("model"), (session,))),
        samplers=dict(store.rows(_TERMS.format("sampler"), (session,))),
        seeds=seeds[:MOST],
        seed_count=len(seeds),
        gaps=gaps[:MOST],
        gap_count=len(gaps),
        gap_images=sum(high - low + 1 for low, high in gaps),
        first=first,
        last=last,
        problems=json.loads(problems),
        missing_files=[file for (file,) in store.rows(_FILES, (session, MOST))],
    )


def _gaps(numbers: Iterable[int], planned: int) -> Iterable[tuple[int, int]]:
    """Ranges between ascending ``numbers``, from 0 to below ``planned``."""
    expected = 0
    for number in (*numbers, planned):
        if number > expected:
            yield expected, number - 1
        expected = number + 1


def _placeholders(store: Store, session: int, written: Sequence[dict[str, Any]]) -> list[PlaceholderFacts]:
    """Those that the session's record names, in its order, then those that only images have."""
    found: dict[str, dict[tuple[str, str], tuple[int, dict[str, int]]]] = {one["name"]: {} for one in written}
    for name, key, text, verdict, rows, there in store.rows(_VALUES, (session,)):
        values = found.setdefault(name, {})
        images, verdicts = values.get((key, text), (0, dict.fromkeys(VERDICTS, 0)))
        if verdict:
            verdicts[VERDICTS[verdict - 1]] = rows
        values[key, text] = (images + there, verdicts)
    counts = {one["name"]: one for one in written}
    out = []
    for name, values in found.items():
        known = counts.get(name, {})
        facts = [ValueFacts(key, text, images, verdicts) for (key, text), (images, verdicts) in values.items()]
        facts.sort(key=lambda value: (-value.images, value.text))
        out.append(PlaceholderFacts(name, known.get("available"), known.get("used"), facts))
    return out
