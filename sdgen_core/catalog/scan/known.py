"""What the index has of a session's images, in the form in which they are read: to tell what has changed."""

from __future__ import annotations

from collections.abc import Mapping

from ..index import Index
from ..records import ImageRecord, unsigned
from .images import Known

_ROWS = (
    "SELECT image.id, file, number, batch, created, seed, width, height, bytes, mtime, model.text, sampler.text, scheduler.text,"
    " steps, cfg, prompt.positive, prompt.negative, thumb, phash, missing, removed, broken, hashed FROM image"
    " LEFT JOIN term model ON model.id = image.model LEFT JOIN term sampler ON sampler.id = image.sampler"
    " LEFT JOIN term scheduler ON scheduler.id = image.scheduler LEFT JOIN prompt ON prompt.id = image.prompt WHERE session=?"
)
_KEYS = "SELECT image, key FROM image_key WHERE image IN (SELECT id FROM image WHERE session=?)"
_VALUES = (
    "SELECT image_value.image, placeholder.name, value.key, value.text FROM image_value JOIN value ON value.id = image_value.value"
    " JOIN placeholder ON placeholder.id = value.placeholder WHERE image_value.image IN (SELECT id FROM image WHERE session=?)"
)
#: What another part of the catalog adds later, and what only changes with the file: no reason to write a row again.
_NOT_COMPARED = ("keys", "values", "phash", "hashed", "broken", "thumb")


def known_images(index: Index, session: int) -> dict[str, Known]:
    """File -> what the index has of it."""
    keys: dict[int, list[str]] = {}
    for image, key in index.store.rows(_KEYS, (session,)):
        keys.setdefault(image, []).append(key)
    values: dict[int, dict[str, tuple[str | None, str]]] = {}
    for image, name, key, text in index.store.rows(_VALUES, (session,)):
        values.setdefault(image, {})[name] = (key, text)
    out: dict[str, Known] = {}
    for row in index.store.rows(_ROWS, (session,)):
        image, file, number, batch, created, seed, width, height, size, mtime = row[:10]
        model, sampler, scheduler, steps, cfg, prompt, negative, thumb, phash, *flags = row[10:]
        missing, removed, broken, hashed = map(bool, flags)
        record = ImageRecord(
            file=file,
            number=number,
            keys=tuple(sorted(keys.get(image, ()), key=lambda key: "gsf".find(key[0]))),
            thumb=thumb,
            created=created,
            batch=batch,
            seed=None if seed is None else unsigned(seed),
            width=width,
            height=height,
            bytes=size,
            mtime=mtime,
            model=model,
            sampler=sampler,
            scheduler=scheduler,
            steps=steps,
            cfg=cfg,
            prompt=prompt or "",
            negative=negative or "",
            phash=None if phash is None else unsigned(phash),
            missing=missing,
            removed=removed,
            broken=broken,
            hashed=hashed,
            values=values.get(image, {}),
        )
        out[file] = Known(image, record)
    return out


def differs(record: ImageRecord, known: Known | None) -> bool:
    """Whether the index has to be told about an image."""
    if known is None:
        return True
    before = known.record
    if any(value != getattr(before, name) for name, value in vars(record).items() if name not in _NOT_COMPARED):
        return True
    return not set(record.keys) <= set(before.keys) or not _same_values(record.values, before.values)


def _same_values(new: Mapping[str, tuple[str | None, str]], old: Mapping[str, tuple[str | None, str]]) -> bool:
    """The index has a key for every value; the record of an older session has only texts."""
    if new.keys() != old.keys():
        return False
    return all(text == old[name][1] and key in (None, old[name][0]) for name, (key, text) in new.items())
