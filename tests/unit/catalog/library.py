"""Small libraries of images for the catalog's tests, straight into the databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.records import ImageRecord, SessionRecord, generation_key
from sdgen_core.catalog.user import Change, UserStore


def session(folder: Path, name: str, *, planned: int | None = None, started: int = 1_000) -> SessionRecord:
    """A session in a folder of its own below ``folder``, which need not exist."""
    return SessionRecord(
        slug=name,
        keys=(f"i:{name}", f"d:{name}"),
        folder=folder / name,
        root=folder,
        stamp="1",
        name=name,
        started=started,
        status="completed",
        planned=planned,
    )


def image(session: str, number: int, values: Mapping[str, str] | None = None, **more: object) -> ImageRecord:
    """An image of a session; ``values`` is placeholder -> key, and the texts are the keys in words."""
    record = ImageRecord(
        file=f"{session}_{number:04}.png",
        number=number,
        keys=(generation_key(session, number), f"f:{session}-{number}"),
        thumb=f"{number:016x}",
        created=1_000 + number,
        seed=number,
        width=64,
        height=96,
        bytes=1_000,
        prompt=", ".join(f"a {key}" for key in (values or {}).values()),
        values={name: (key, f"a {key}") for name, key in (values or {}).items()},
    )
    for name, value in more.items():
        setattr(record, name, value)
    return record


def keys_of(index: Index, image: int) -> tuple[str, ...]:
    """The keys of an image, the surest first."""
    found = index.store.rows("SELECT key FROM image_key WHERE image=? ORDER BY key DESC", (image,))
    return tuple(sorted((key for (key,) in found), key=lambda key: "gsf".find(key[0])))


def judge(user: UserStore, index: Index, image: int, field: str, value: str | None) -> None:
    """One judgement of one image, mirrored."""
    step = user.change([Change("image", keys_of(index, image), field, value)], field)
    if step:
        index.apply(step.events)


def judged(index: Index) -> list[tuple[object, ...]]:
    """Everything that people said, as the index has it, by file."""
    marks = index.store.rows("SELECT file, mark, failed, rating, note, judged FROM image_and_said ORDER BY file")
    values = index.store.rows(
        "SELECT file, placeholder.name, verdict FROM image_value JOIN image ON image.id = image JOIN value ON value.id = value"
        " JOIN placeholder ON placeholder.id = placeholder WHERE verdict > 0 ORDER BY 1, 2"
    )
    tags = index.store.rows(
        "SELECT file, name FROM image_tag JOIN image ON image.id = image JOIN tag ON tag.id = tag ORDER BY 1, 2"
    )
    return [*marks, *values, *tags]
