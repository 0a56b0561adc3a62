"""XMP sidecars of images: written beside them or into a folder of their own, and read back. Only on demand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError, shown
from ..sessions.files import make_folder, write_atomic
from .exchange import newer
from .fields import check
from .records import surest
from .sql import as_list
from .store import chunks
from .user import Change
from .xml_parts import MOST_BYTES
from .xmp import Said, Sidecar

if TYPE_CHECKING:
    from .catalog import Catalog

_ROWS = (
    "SELECT image.id, slug, folder, file, image.subject FROM image_and_said AS image JOIN session ON session.id = image.session"
    " WHERE image.id IN (SELECT value FROM json_each(?))"
)
_KEYS = "SELECT image, key FROM image_key WHERE image IN (SELECT value FROM json_each(?))"


@dataclass
class Sidecars:
    """What was done: ``changed`` files or judgements, ``unchanged`` files. ``kept`` says which files another program has changed, and
    what of them was left as it is; ``problems`` what could not be written or read."""

    changed: int = 0
    unchanged: int = 0
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Image:
    id: int
    path: Path
    sidecar: Path
    subject: int | None


def _images(catalog: Catalog, ids: Sequence[int], folder: Path | None) -> Iterator[list[_Image]]:
    for some in chunks(ids):
        rows = {row[0]: row for row in catalog.index.store.rows(_ROWS, (as_list(some),))}
        found = []
        for image in some:
            if image in rows:
                _, slug, session, file, subject = rows[image]
                place = Path(session) if folder is None else folder / slug
                found.append(_Image(image, Path(session) / file, place / f"{file}.xmp", subject))
        yield found


def write_sidecars(
    catalog: Catalog, ids: Sequence[int], into: Path | None = None, *, now: Callable[[], float] = time.time
) -> Sidecars:
    """Write what is said about images into ``NAME.png.xmp`` beside each, or into a folder for each session (its slug) in ``into``.

    Only what has changed is written; an image about which nothing was ever said gets none. In a sidecar of another program only the
    fields that are ours to write change. Raises ``disk-full``.
    """
    done = Sidecars()
    for images in _images(catalog, ids, into):
        said = catalog.user.facts({image.subject for image in images if image.subject is not None})
        for image in images:
            try:
                _write(image, Said.of(said.get(image.subject or 0, {})), into is None, now(), done)
            except SDGenError as error:
                if error.code == "disk-full":
                    raise
                done.problems.append(f"{shown(image.sidecar)}: {error.message}")
    return done


def _write(image: _Image, said: Said, beside: bool, now: float, done: Sidecars) -> None:
    data, changed = _content(image.sidecar)
    if data is None and (said == Said() or (beside and not image.path.is_file())):
        return
    document = Sidecar(data)
    before = document.read().written
    if before == said or (before is None and said == Said()):
        done.unchanged += 1
        return
    kept = document.write(said, now)
    make_folder(image.sidecar.parent)
    write_atomic(image.sidecar, document.to_bytes(), durable=False)
    done.changed += 1
    if kept:  # it still says what another program said then
        os.utime(image.sidecar, ns=(changed, changed))
        done.kept.append(f"{shown(image.sidecar)}: {', '.join(kept)}")


def _content(path: Path) -> tuple[bytes | None, int]:
    """A sidecar's bytes and its time in ns; None when there is none. Raises ``bad-sidecar``, ``unreadable-file``."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None, 0
    except OSError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror or error}.") from error


def read_sidecars(catalog: Catalog, ids: Sequence[int], folder: Path | None = None) -> Sidecars:
    """Take over what the sidecars of images say that is newer than what is known, as one step that can be undone.

    ``folder`` as ``into`` of ``write_sidecars``. What another program changed counts from the time of the file.
    """
    done = Sidecars()
    changes: list[Change] = []
    for images in _images(catalog, ids, folder):
        known = catalog.user.facts({image.subject for image in images if image.subject is not None})
        keys: dict[int, list[str]] = {}
        for image, key in catalog.index.store.rows(_KEYS, (as_list(image.id for image in images),)):
            keys.setdefault(image, []).append(key)
        for one in images:
            if one.id in keys:
                own = _changes(one, tuple(sorted(keys[one.id], key=surest)), known.get(one.subject or 0, {}), done)
                changes += own
                done.unchanged += not own and one.sidecar.exists()
    wanted = list(newer(catalog.user, changes))
    if wanted:
        catalog.change(wanted, f"sidecars: {len(wanted)} judgements")
    done.changed = len(wanted)
    return done


def _changes(image: _Image, keys: tuple[str, ...], known: dict[str, str], done: Sidecars) -> list[Change]:
    out = []
    try:
        data, changed = _content(image.sidecar)
        if data is None:
            return []
        for name, (value, at) in Sidecar(data).read().fields(changed / 1e9).items():
            if known.get(name) == value:
                continue
            try:
                check("image", name, value)
            except SDGenError as error:
                done.problems.append(f"{shown(image.sidecar)}: {error.message}")
            else:
                out.append(Change("image", keys, name, value, at))
    except SDGenError as error:
        done.problems.append(f"{shown(image.sidecar)}: {error.message}")
    return out
