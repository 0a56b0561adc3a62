"""What is known of a session before a model looks at it: its images, what each was asked to show, and what people said of that.

Images and verdicts are those of the catalog; the values that could have been asked for are those of the manifest, for an image is held
against what it might show instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.fields import VERDICTS
from ..catalog.records import value_key, value_text
from ..errors import SDGenError, nearest_names
from ..sessions.reading import load_manifest
from .estimates.values import Values
from .texts.wording import not_shown

if TYPE_CHECKING:
    from ..catalog.catalog import Catalog
    from ..catalog.store import Store

#: Values of a placeholder that no image was asked for and that are looked for all the same: more would cost time and tell nothing new.
MOST_UNUSED = 64
_VERDICTS = (None, *VERDICTS)


@dataclass(frozen=True, eq=False)
class Material:
    """A session of n images whose files are there, in the session's order.

    ``ids`` in the index; ``keys``: ``image.thumb``, by which embeddings and scores are kept; ``prompts``: positive ones;
    ``placeholders``; ``verdicts``: placeholder -> what people said of each image's value (one of ``fields.VERDICTS``, or None).
    Besides them: ``broken`` files, of which an import could not read the head, and how many are ``missing`` that nobody threw away.
    """

    slug: str
    name: str
    ids: list[int]
    keys: list[str]
    prompts: list[str]
    placeholders: tuple[Values, ...]
    verdicts: Mapping[str, list[str | None]]
    broken: tuple[Path, ...] = ()
    missing: int = 0


def read(catalog: Catalog, slug: str) -> Material:
    """A session by its slug, as it is now. Raises ``unknown-session`` with the nearest slugs."""
    store = catalog.index.store
    session, name, folder = session_of(catalog, slug)
    images = store.rows(
        "SELECT image.id, thumb, coalesce(positive, '') FROM image LEFT JOIN prompt ON prompt.id = prompt"
        " WHERE session=? AND missing=0 AND broken=0 ORDER BY number, batch, image.id",
        (session,),
    )
    row = {image: n for n, (image, _, _) in enumerate(images)}
    asked: dict[str, list[str | None]] = {}
    verdicts: dict[str, list[str | None]] = {}
    texts: dict[str, dict[str, str]] = {}
    for image, placeholder, key, text, verdict in _values(store, session):
        if image in row:
            asked.setdefault(placeholder, [None] * len(row))[row[image]] = key
            verdicts.setdefault(placeholder, [None] * len(row))[row[image]] = _VERDICTS[verdict]
            texts.setdefault(placeholder, {})[key] = text
    others, prompt, negative = _recorded(Path(folder))
    placeholders = [
        Values.of(each, {**used, **unused(others.get(each, {}), used)}, asked[each], not_shown(each, prompt, negative))
        for each, used in texts.items()
    ]
    ids, keys, prompts = (list(column) for column in zip(*images, strict=True)) if images else ([], [], [])
    broken, missing = _lost(store, session, Path(folder))
    return Material(slug, name, ids, keys, prompts, tuple(placeholders), verdicts, broken, missing)


def _lost(store: Store, session: int, folder: Path) -> tuple[tuple[Path, ...], int]:
    rows = store.rows(
        "SELECT file, missing FROM image WHERE session=? AND removed=0 AND (missing=1 OR broken=1) ORDER BY number, batch",
        (session,),
    )
    return tuple(folder / file for file, missing in rows if not missing), sum(missing for _, missing in rows)


def session_of(catalog: Catalog, slug: str) -> tuple[int, str, str]:
    """A session's id in the index, its name and its folder. Raises ``unknown-session`` with the nearest slugs."""
    store = catalog.index.store
    rows = store.rows("SELECT id, coalesce(title, name), folder FROM session WHERE slug=?", (slug,))
    if not rows:
        near = nearest_names(slug, [known for (known,) in store.rows("SELECT slug FROM session")])
        raise SDGenError("unknown-session", f"there is no session {slug!r}", nearest=near)
    session, name, folder = rows[0]
    return int(session), str(name), str(folder)


def slug_of(catalog: Catalog, given: str, hint: str) -> str:
    """The session that is meant, by id, name or title. Raises ``unknown-session`` with the ids when several are called so, else with
    the nearest names and this ``hint``."""
    rows = catalog.index.store.rows
    found = rows("SELECT slug FROM session WHERE slug=?", (given,))
    found = found or rows("SELECT slug FROM session WHERE missing=0 AND ? IN (name, title)", (given,))
    if len(found) == 1:
        return str(found[0][0])
    if found:
        ids = ", ".join(slug for (slug,) in found[:5])
        message = f"{len(found):,} sessions are called {given!r}: {ids}"
        raise SDGenError("unknown-session", message, hint="Give an id in place of the name.")
    known = [name for row in rows("SELECT slug, name, title FROM session WHERE missing=0") for name in row if name]
    near = nearest_names(given, known)
    raise SDGenError("unknown-session", f"there is no session {given!r}", hint=hint, nearest=near)


def _values(store: Store, session: int) -> list[Any]:
    return store.rows(
        "SELECT image, placeholder.name, key, text, verdict FROM image JOIN image_value ON image = image.id"
        " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE session=? AND missing=0 AND broken=0 ORDER BY placeholder.id, image",
        (session,),
    )


def _recorded(folder: Path) -> tuple[dict[str, dict[str, str]], str, str]:
    """Placeholder -> key -> text of all values that the session's record names, and its template's prompt and negative prompt; nothing
    where there is no record."""
    try:
        data = load_manifest(folder)
    except (SDGenError, OSError):
        return {}, "", ""
    template = data.snapshot.get("resolved_template")
    prompts = template if isinstance(template, Mapping) else {}
    own = data.snapshot.get("sdgen")
    named = own.get("keys") if isinstance(own, Mapping) else None
    out: dict[str, dict[str, str]] = {}
    for placeholder, known in data.variations.items():
        texts = [_clean(value_text(value)) for value in known["available"]]
        said = named.get(placeholder) if isinstance(named, Mapping) else None
        keys = said.get("available_keys") if isinstance(said, Mapping) else None
        if not isinstance(keys, list) or len(keys) != len(texts):
            keys = [value_key(text) for text in texts]
        out[placeholder] = dict(zip((_clean(str(key)) for key in keys), texts, strict=True))
    return out, _clean(str(prompts.get("prompt") or "")), _clean(str(prompts.get("negative") or ""))


def _clean(text: str) -> str:
    """A text without halves of characters, which JSON may hold and no file of ours can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unused(available: Mapping[str, str], used: Mapping[str, str]) -> dict[str, str]:
    """The values, key -> text, that were not asked for; of very many always the same few."""
    known = set(used.values())
    left = [key for key, text in available.items() if key not in used and text not in known]
    left.sort(key=lambda key: hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    chosen = set(left[:MOST_UNUSED])
    return {key: text for key, text in available.items() if key in chosen}
