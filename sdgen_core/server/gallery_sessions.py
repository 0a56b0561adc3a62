"""Sessions of the library over HTTP. (``/sdgen/sessions`` are the orders that ComfyUI works at.)"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gallery_cards import thumb_urls
from .gallery_library import without_paths
from .gallery_pages import version
from .model_sessions import SessionBounds, SessionCard, SessionDetails, SessionList
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.session_cards import SessionCard as Known


def sessions(engine: Engine, call: Call) -> SessionList:
    """A page of sessions. Raises ``bad-query``, and ``unknown-session`` for a page behind none."""
    from ..catalog.sessions import list_sessions

    now = version(engine)
    page = list_sessions(engine.library.catalog, call.query)
    return SessionList(
        sessions=[SessionCard(**_card(card)) for card in page.sessions],
        total=page.total,
        next=page.next,
        bounds=SessionBounds(images=page.bounds.images, counts=page.bounds.counts),
        version=now,
    )


def session(engine: Engine, call: Call) -> SessionDetails:
    """All about a session. Raises ``unknown-session``."""
    from ..catalog.session_facts import session_facts

    now = version(engine)
    found = session_facts(engine.library.catalog, call.path["slug"])
    own = {name: value for name, value in vars(found).items() if name not in ("card", "seeds", "problems")}
    return SessionDetails(
        **_card(found.card),
        **{
            **own,
            "folder": Path(found.folder).name,
            "base_seed": None if found.base_seed is None else str(found.base_seed),
            "placeholders": [
                {**vars(one), "values": [vars(value) for value in one.values]} for one in found.placeholders
            ],
            "seed_counts": [{"seed": str(seed), "images": images} for seed, images in found.seeds],
            "gaps": [{"first": first, "last": last} for first, last in found.gaps],
            "problem_texts": [without_paths(engine.library, text) for text in found.problems],
        },
        seconds=found.seconds,
        version=now,
    )


def _card(card: Known) -> dict[str, Any]:
    seeds = None if card.seeds is None else {"least": str(card.seeds[0]), "greatest": str(card.seeds[1])}
    scores = None if card.scores is None else vars(card.scores)
    return {**vars(card), "seeds": seeds, "thumbs": [thumb_urls(key) for key in card.thumbs], "scores": scores}
