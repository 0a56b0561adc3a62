"""Images over HTTP: lists, everything about one, its file, its thumbnails, what looks like it."""

from __future__ import annotations

import re
from typing import Any

from ..catalog.query import Query
from ..catalog.records import NO_IMAGE
from ..errors import SDGenError, shown
from . import gallery_pages as pages
from .gallery_cards import cards, thumb_urls
from .gallery_pages import checked, question, version
from .model_images import Cards, Ids, ImageDetails, ImagesPage, Metadata
from .route import Call, Engine, File

_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_UNKNOWN = "application/octet-stream"
#: The most of one text of a file that is given, in characters; the largest canvases have 2 MiB.
_LONGEST = 8 << 20
_DEEPEST = 100
#: Ids that are written at a time.
_PIECE = 5_000
_MAPS = ("prompt", "workflow", "sdgen")


def image_id(call: Call) -> int:
    """The image in a route's path. Raises ``unknown-item``."""
    text = call.path["id"]
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise SDGenError("unknown-item", f"there is no image {text!r}", hint="Images are named by their numbers.")
    return int(text)


# ---- lists -----------------------------------------------------------------------------------------------------------------


def page(engine: Engine, call: Call) -> ImagesPage:
    """A page of what a query finds. Raises ``bad-query``, and ``bad-request`` for a cursor that is none."""
    return _page(engine, question(call.query.q, call.query.sort), call.query.after, call.query.limit)


def find(engine: Engine, call: Call) -> ImagesPage:
    """The same for a query in its JSON form."""
    return _page(engine, checked(call.body.query), call.body.after, call.body.limit)


def _page(engine: Engine, query: Query, after: str | None, limit: int) -> ImagesPage:
    catalog, now = engine.library.catalog, version(engine)
    found = pages.page(catalog, query, after, limit)
    images = cards(catalog.index.store, found.ids)
    return ImagesPage(images=images, total=found.total, next=found.next, remarks=list(found.remarks), version=now)


def ids(engine: Engine, call: Call) -> File:
    """The ids of everything that is found, in order: JSON, or little-endian int32 one behind the other."""
    query, now = question(call.query.q, call.query.sort), version(engine)
    found = pages.find(engine.library.catalog, query)
    if call.query.form == "binary":
        return File(found.ids.tobytes(), _UNKNOWN)
    rest = Ids(ids=[], total=len(found.ids), remarks=list(found.remarks), version=now).model_dump_json(exclude={"ids"})
    # In pieces: one long piece of C code would hold up all other threads.
    pieces = (found.ids[at : at + _PIECE].tolist() for at in range(0, len(found.ids), _PIECE))
    numbers = ",".join(",".join(map(str, piece)) for piece in pieces)
    return File(f'{{"ids":[{numbers}],{rest[1:]}'.encode(), "application/json")


def cards_of(engine: Engine, call: Call) -> Cards:
    """The cards of images."""
    now = version(engine)
    return Cards(images=cards(engine.library.catalog.index.store, call.body.ids), version=now)


# ---- one image -------------------------------------------------------------------------------------------------------------


def show(engine: Engine, call: Call) -> ImageDetails:
    """Everything about an image. Raises ``unknown-item``."""
    from ..catalog.details import details

    image = image_id(call)
    found = details(engine.library.catalog.index.store, [image])
    if not found:
        raise SDGenError("unknown-item", f"there is no image {image}", hint=NO_IMAGE)
    seed, judged = found[0]["seed"], sum(value["verdict"] is not None for value in found[0]["values"].values())
    return ImageDetails(
        **{name: value for name, value in found[0].items() if name not in ("path", "seed")},
        seed=None if seed is None else str(seed),
        judged=judged,
        thumbs=thumb_urls(found[0]["thumb"]),
    )


def file(engine: Engine, call: Call) -> File:
    """The original. Its type is what its first bytes say. Raises ``unknown-item`` and ``missing-file``."""
    image = image_id(call)
    path = engine.library.file(image)
    with path.open("rb") as handle:
        kind = _kind(handle.read(12))
    if call.query.download:  # a browser keeps what it is not told to be an image
        return File(path, _UNKNOWN, name=f"sdgen-{image}.{'jpg' if kind == 'jpeg' else kind or 'bin'}")
    return File(path, _TYPES.get(kind, _UNKNOWN))


def _kind(start: bytes) -> str:
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if start.startswith(b"RIFF") and start[8:] == b"WEBP" else ""


def thumbnail(engine: Engine, call: Call) -> File:
    """A thumbnail. Raises ``unknown-item`` for a key or size that there is not."""
    key, size = call.path["key"], call.path["size"]
    unknown = SDGenError("unknown-item", f"there is no thumbnail {key}-{size}", hint="")
    if not re.fullmatch(r"[0-9]{1,4}", size):
        raise unknown
    try:
        made = engine.library.thumbnail(key, int(size))
    except ValueError:
        raise unknown from None
    # a placeholder may give way to the picture, when its file is back
    return File(made, "image/webp", immutable=not isinstance(made, bytes))


# ---- what a file says ------------------------------------------------------------------------------------------------------


def metadata(engine: Engine, call: Call) -> Metadata:
    """The texts in an image's file. Raises ``unknown-item``, ``missing-file``, ``broken-image`` and ``unreadable-file``."""
    from ..catalog.parsers import parse
    from ..catalog.scan.headers import read_header
    from ..sessions.metadata import clean_text

    path = engine.library.file(image_id(call))
    try:
        header = read_header(path)
    except SDGenError as error:  # says where the file is
        raise SDGenError(error.code, error.message.replace(shown(path), path.name), hint=error.hint) from error
    texts = {clean_text(name): clean_text(text) for name, text in header.chunks.items() if len(text) <= _LONGEST}
    maps = {name: made for name in _MAPS if (made := _map(texts.get(name))) is not None}
    return Metadata(
        format=header.format,
        width=header.width,
        height=header.height,
        source=parse(header.chunks).source,
        parameters=texts.get("parameters"),
        texts={name: text for name, text in texts.items() if name not in maps and name != "parameters"},
        left_out=[clean_text(name) for name, text in header.chunks.items() if len(text) > _LONGEST],
        **{name: maps.get(name) for name in _MAPS},
    )


def _map(text: str | None) -> dict[str, Any] | None:
    """The JSON object that a text is; None when it is none, or nested deeper than anybody means."""
    from ..catalog.parsers.facts import json_map
    from ..sessions.metadata import strict_value

    found = json_map(text)
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return None if level or not found else strict_value(found)
