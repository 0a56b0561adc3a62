"""What there is to learn from: judged images of sessions that were scored, and what is said of them without a classifier."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...catalog.machine import Machine
from ...catalog.sql import as_list
from ...errors import SDGenError, nearest_names
from ...scoring.cascade.heads import LEAST_OF_VALUE
from ...scoring.cascade.session import claims_of
from ...scoring.embedding.files import EmbeddingStore
from ...scoring.embedding.texts import TEXTS, TextVectors
from ...scoring.estimates.calibration import LEAST_LABELS, LEAST_OF_EACH
from ...scoring.estimates.values import PlaceholderScores, calibrate, describe, score, truths
from ...scoring.material import Material, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...catalog.catalog import Catalog
    from ...scoring.backends.interface import Backend
    from ...scoring.cascade.rules import Claim
    from ...scoring.estimates.values import Described
    from ...scoring.texts.wording import Wording

    Floats = NDArray[np.float64]
    Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Label:
    """An image, by content ``key``, ``id`` and session ``slug``, that was asked for a ``value``, and how true it is that it shows it, 0 to
    1; ``without``: how probable that is without a classifier. ``seed`` and perceptual ``hash`` (64 bits, signed) where they are known."""

    key: str
    id: int
    slug: str
    value: str
    truth: float
    without: float
    seed: int | None
    hash: int | None


@dataclass
class Labels:
    """The labels of a placeholder, with the ``vectors`` (n, width) of their images by the scorer; the ``texts`` of values, and what the
    scorer makes of them: ``words`` (width,)."""

    placeholder: str
    labels: list[Label] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    words: dict[str, Vectors] = field(default_factory=dict)

    def counts(self, value: str) -> tuple[int, int, int]:
        """How many images that were asked for a value are ok, partial and ko."""
        said = [label.truth for label in self.labels if label.value == value]
        return said.count(1.0), said.count(0.5), said.count(0.0)

    def known(self) -> set[str]:
        """The values that a head would tell."""
        return {value for value in self.texts if sum(self.counts(value)) >= LEAST_OF_VALUE}

    def missing(self) -> str:
        """What is missing for a head, in words; empty where nothing is."""
        known = self.known()
        good, half, bad = (sum(self.counts(value)[at] for value in known) for at in range(3))
        lacks = {name: LEAST_OF_EACH - have for name, have in (("ok", good), ("ko", bad)) if have < LEAST_OF_EACH}
        more = max(LEAST_LABELS - good - half - bad, sum(lacks.values()))
        if more <= 0:
            return ""
        of_them = " and ".join(f"{least} {name}" for name, least in lacks.items())
        wanted = f"{more} more" + (f", at least {of_them}" if lacks else "")
        have = f"{good} ok, {half} partial and {bad} ko"
        if rest := len(self.labels) - good - half - bad:
            have += f" (and {rest} about values with fewer than {LEAST_OF_VALUE} verdicts)"
        if good + bad and not (good and bad):
            have += ", all of one kind, from which nothing can be told apart"
        return f"{self.placeholder} has {have}: a classifier needs {wanted}"


@dataclass
class Found:
    """``labels`` by placeholder; ``remarks`` on what could not be used; ``unseen``: judged images without an embedding."""

    labels: dict[str, Labels]
    remarks: list[str]
    unseen: int = 0


def placeholders_of(catalog: Catalog, given: Sequence[str]) -> list[str]:
    """The placeholders that are meant; all with verdicts where none is given. Raises ``unknown-placeholder``."""
    rows = catalog.index.store.rows
    known = [name for (name,) in rows("SELECT name FROM placeholder")]
    for name in given:
        if name not in known:
            near = nearest_names(name, known)
            raise SDGenError("unknown-placeholder", f"no image has a placeholder {name!r}", nearest=near)
    judged = rows(
        "SELECT DISTINCT name FROM value_verdict JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE value_verdict.images > 0 AND verdict BETWEEN 1 AND 3 ORDER BY name"
    )
    return list(dict.fromkeys(given)) or [name for (name,) in judged]


def judged_sessions(catalog: Catalog, placeholders: Iterable[str]) -> list[str]:
    """The slugs of all sessions with verdicts about these placeholders, most verdicts first."""
    rows = catalog.index.store.rows(
        "SELECT slug FROM image_said CROSS JOIN image_value ON image_value.image = image_said.image AND verdict BETWEEN 1 AND 3"
        " JOIN session ON session.id = image_said.session JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE verdicts > 0 AND placeholder.name IN (SELECT value FROM json_each(?)) GROUP BY session.id ORDER BY count(*) DESC, slug",
        (json.dumps(list(placeholders)),),
    )
    return [slug for (slug,) in rows]


def collect(
    catalog: Catalog,
    store: EmbeddingStore,
    backend: Backend,
    wording: Wording | None,
    sessions: Sequence[str],
    placeholders: Sequence[str],
    wait: Callable[[], None] = lambda: None,
) -> Found:
    """The labels of these placeholders in the sessions of these slugs.

    A content that is in several sessions counts once. Raises ``unknown-session``, ``not-scored`` where no judged image has an embedding
    of this model, and what the model and the embeddings raise.
    """
    found = Found({name: Labels(name) for name in placeholders}, [])
    texts = TextVectors(store.file(backend.identity, backend.width, TEXTS), backend, wait=wait)
    looked = [_look(catalog, store, backend, wording, texts, slug, set(placeholders), found) for slug in sessions]
    judged = [one for session in looked for one in session]
    calibrations = calibrate((each.said, each.truth) for each in judged)
    machine = Machine(catalog)
    for each in judged:
        said = score(each.vectors, [each.described], backend.scale, calibrations)[0]
        _add(found.labels[said.name], each, said, catalog, machine, backend.identity)
    if found.unseen and not any(labels.labels for labels in found.labels.values()):
        raise SDGenError("not-scored", f"none of the {found.unseen:,} judged images was seen by {backend.name}")
    return found


@dataclass(frozen=True, eq=False)
class _Judged:
    """A placeholder in the n images of a session that have embeddings."""

    material: Material
    described: Described
    vectors: Vectors
    said: PlaceholderScores
    truth: Floats


def _look(
    catalog: Catalog,
    store: EmbeddingStore,
    backend: Backend,
    wording: Wording | None,
    texts: TextVectors,
    slug: str,
    wanted: set[str],
    found: Found,
) -> list[_Judged]:
    import numpy as np

    material = read(catalog, slug)
    vectors, there = store.file(backend.identity, backend.width, slug).vectors(
        [bytes.fromhex(key) for key in material.keys]
    )
    mine = [each for each in material.placeholders if each.name in wanted]
    judged = np.zeros(len(there), bool)
    for each in mine:
        judged |= np.isfinite(truths(material.verdicts[each.name]))
    unseen = int((judged & ~there).sum())
    found.unseen += unseen
    if unseen:
        text = f"{unseen:,} judged images of {material.name} were not seen by the scorer: `sdgen score {slug}`"
        found.remarks.append(text)
    rows = there.nonzero()[0].tolist()
    seen = replace(material, ids=[material.ids[n] for n in rows], keys=[material.keys[n] for n in rows])
    mine = [replace(each, asked=each.asked[there]) for each in mine]
    described = describe(mine, texts, wording)
    truth = {each.name: truths(material.verdicts[each.name])[there] for each in mine}
    said = score(vectors[there], described, backend.scale)
    return [_Judged(seen, of, vectors[there], one, truth[one.name]) for of, one in zip(described, said, strict=True)]


def _add(
    labels: Labels, judged: _Judged, said: PlaceholderScores, catalog: Catalog, machine: Machine, scorer: str
) -> None:
    """The labels of a session: images that people judged and that the first tier has something to be asked about."""
    import numpy as np

    ids, keys = judged.material.ids, judged.material.keys
    claims = claims_of(said, judged.described, keys)
    known = {label.key for label in labels.labels}
    rows: dict[int, Claim] = {
        at: claim
        for at in np.flatnonzero(np.isfinite(judged.truth)).tolist()
        if (claim := claims[at]) is not None and keys[at] not in known
    }
    facts = dict(_facts(catalog, [ids[at] for at in rows]))
    later = machine.details([ids[at] for at in rows])
    for at, claim in rows.items():
        seed, hash = facts[ids[at]]
        without = _later(later.get(ids[at], {}), scorer, labels.placeholder, claim.probability)
        labels.labels.append(
            Label(keys[at], ids[at], judged.material.slug, claim.value, float(judged.truth[at]), without, seed, hash)
        )
        labels.vectors.append(judged.vectors[at])
        labels.texts[claim.value] = judged.described.values.texts[claim.value]
        labels.words[claim.value] = judged.described.vectors[said.keys.index(claim.value)]


def _facts(catalog: Catalog, ids: Sequence[int]) -> list[tuple[int, tuple[int | None, int | None]]]:
    sql = "SELECT id, seed, phash FROM image WHERE id IN (SELECT value FROM json_each(?))"
    return [(image, (seed, hash)) for image, seed, hash in catalog.index.store.rows(sql, (as_list(list(ids)),))]


def _later(details: Mapping[str, Any], scorer: str, placeholder: str, first: float) -> float:
    """What crops or a vision-language model said of an image when they were asked; else what the ``first`` tier says."""
    said = details["values"].get(placeholder) if details.get("identity") == scorer else None
    if said and said["probability"] is not None and str(said["method"]).startswith(("crop:", "vlm:")):
        return float(said["probability"])
    return first
