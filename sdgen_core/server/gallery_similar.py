"""Images that look alike over HTTP: like one, and in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .gallery_cards import cards
from .gallery_images import image_id
from .gallery_pages import question, results, version
from .model_facets import Duplicates
from .model_images import Similar, SimilarImage
from .route import Call, Engine

if TYPE_CHECKING:
    from ..catalog.store import Store


def similar(engine: Engine, call: Call) -> Similar:
    """What looks most like an image, among all that is not in the trash. Raises ``unknown-item``."""
    from ..catalog.pictures.duplicates import nearest

    image, catalog, now = image_id(call), engine.library.catalog, version(engine)
    store = catalog.index.store
    if not store.value("SELECT 1 FROM image WHERE id=?", (image,)):
        raise SDGenError("unknown-item", f"there is no image {image}", hint="")
    own, hashes = _hashes(store, [image])
    if not len(own):
        return Similar(images=[], hashed=False, version=now)
    others, all_hashes = _hashes(
        store, [other for other in results(catalog).of(question("")).ids.tolist() if other != image]
    )
    found, distances = nearest(all_hashes, int(hashes[0]), call.query.limit)
    near = dict(zip(others[found].tolist(), distances.tolist(), strict=True))
    images = [SimilarImage(image=card, distance=near[card.id]) for card in cards(store, list(near))]
    return Similar(images=images, hashed=True, version=now)


def duplicates(engine: Engine, call: Call) -> Duplicates:
    """Groups of images that look alike among what a query finds. Raises ``bad-query``."""
    from ..catalog.pictures.duplicates import near_groups

    catalog, now = engine.library.catalog, version(engine)
    result = results(catalog).of(question(call.query.q, "created"))
    ids, hashes = _hashes(catalog.index.store, result.ids.tolist())
    groups = sorted(near_groups(hashes, call.query.distance), key=lambda group: (-len(group), group[0]))
    return Duplicates(
        groups=[ids[group].tolist() for group in groups[: call.query.limit]],
        total=len(groups),
        images=sum(map(len, groups)),
        unhashed=len(result.ids) - len(ids),
        remarks=list(result.remarks),
        version=now,
    )


def _hashes(store: Store, images: Sequence[int]) -> tuple[Any, Any]:
    """Those of ``images`` whose perceptual hash is known, in their order, and the hashes."""
    import numpy as np

    from ..catalog.sql import as_list

    sql = "SELECT id, phash FROM image WHERE id IN (SELECT value FROM json_each(?)) AND phash IS NOT NULL"
    known = dict(store.rows(sql, (as_list(images),)))
    ids = [image for image in images if image in known]
    return np.array(ids, "i8"), np.array([known[image] for image in ids], "i8").view("u8")
