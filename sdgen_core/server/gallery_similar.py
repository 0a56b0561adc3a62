"""Images that look alike over HTTP: like one, and in groups."""

from __future__ import annotations

from .gallery_cards import cards
from .gallery_images import image_id
from .gallery_pages import find, question, version
from .model_facets import Duplicates
from .model_images import Similar, SimilarImage
from .route import Call, Engine


def similar(engine: Engine, call: Call) -> Similar:
    """What looks most like an image, among all that is there and not in the trash. Raises ``unknown-item``."""
    image, catalog, now = image_id(call), engine.library.catalog, version(engine)
    near = dict(catalog.similar(image, call.query.limit))
    images = [SimilarImage(image=card, distance=near[card.id]) for card in cards(catalog.index.store, list(near))]
    hashed = catalog.index.store.value("SELECT phash IS NOT NULL FROM image WHERE id=?", (image,))
    return Similar(images=images, hashed=bool(hashed), version=now)


def duplicates(engine: Engine, call: Call) -> Duplicates:
    """Groups of images that look alike among what a query finds. Raises ``bad-query``."""
    query, catalog, now = question(call.query.q), engine.library.catalog, version(engine)
    with catalog.snapshot.still():
        found = find(catalog, query)
        unhashed = int((~catalog.snapshot.columns["looked_at"][found.ids]).sum())
    groups = sorted(catalog.duplicates(query, call.query.distance), key=lambda group: (-len(group), group[0]))
    return Duplicates(
        groups=groups[: call.query.limit],
        total=len(groups),
        images=sum(map(len, groups)),
        unhashed=unhashed,
        remarks=list(found.remarks),
        version=now,
    )
