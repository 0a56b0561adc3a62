"""Everything the index knows about a few images: what a viewer, a route or a script shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .fields import MARKS, VERDICTS
from .records import unsigned
from .sql import as_list
from .store import Store

if TYPE_CHECKING:
    from .machine import Machine

_MARK = (None, *MARKS)
_VERDICT = (None, *VERDICTS)
_IMAGE = (
    "SELECT image.id, session.slug, coalesce(session.title, session.name), session.folder, file, number, batch, created, seed,"
    " image.width, image.height, image.bytes, model.text, sampler.text, scheduler.text, image.steps, image.cfg, positive,"
    " prompt.negative, mark, image.failed, image.rating, image.note, image.missing, broken, thumb FROM image_and_said AS image"
    " JOIN session ON session.id = image.session"
    " LEFT JOIN term AS model ON model.id = image.model LEFT JOIN term AS sampler ON sampler.id = image.sampler"
    " LEFT JOIN term AS scheduler ON scheduler.id = image.scheduler LEFT JOIN prompt ON prompt.id = image.prompt"
    " WHERE image.id IN (SELECT value FROM json_each(?))"
)
_NAMES = (
    "id", "session", "session_name", "path", "file", "number", "batch", "created", "seed", "width", "height", "bytes", "model", "sampler",
    "scheduler", "steps", "cfg", "prompt", "negative", "mark", "failed", "rating", "note", "missing", "broken", "thumb",
)  # fmt: skip
_VALUES = (
    "SELECT image, placeholder.name, key, text, verdict, score FROM image_value JOIN value ON value.id = image_value.value"
    " JOIN placeholder ON placeholder.id = value.placeholder WHERE image IN (SELECT value FROM json_each(?)) ORDER BY placeholder.id"
)
_TAGS = "SELECT image, name FROM image_tag JOIN tag ON tag.id = tag WHERE image IN (SELECT value FROM json_each(?)) ORDER BY name"


def details(store: Store, images: Sequence[int], machine: Machine | None = None) -> list[dict[str, Any]]:
    """A map for each of ``images``, in their order; ids that there are not are left out.

    ``created`` is in Unix milliseconds, ``values`` is placeholder -> ``{"key", "text", "verdict", "score"}``; what is not known is None.
    With ``machine`` there is also a ``machine``: what ``Machine.details`` says, None where it says nothing.
    """
    asked = (as_list(images),)
    found: dict[int, dict[str, Any]] = {}
    for row in store.rows(_IMAGE, asked):
        one = dict(zip(_NAMES, row, strict=True))
        one["path"] = str(Path(one["path"]) / one["file"])
        one["seed"] = None if one["seed"] is None else unsigned(one["seed"])
        one["mark"] = _MARK[one["mark"]]
        one["rating"] = one["rating"] or None
        one |= {flag: bool(one[flag]) for flag in ("failed", "missing", "broken")}
        found[one["id"]] = {**one, "tags": [], "values": {}}
    for image, name, key, text, verdict, score in store.rows(_VALUES, asked):
        found[image]["values"][name] = {"key": key, "text": text, "verdict": _VERDICT[verdict], "score": score}
    for image, name in store.rows(_TAGS, asked):
        found[image]["tags"].append(name)
    if machine is not None:
        told = machine.details(list(found))
        for image, one in found.items():
            one["machine"] = told.get(image)
    return [found[image] for image in images if image in found]
