"""Images that are scored as they are made, before they are files.

A model sees the pixels. What it says waits for the save node, which writes it into the file and the manifest, and for the catalog, which
keeps it with the embedding. Only the very picture that was looked at is meant: of one that was changed before it was saved nothing is kept.

How high each text stands by itself (``levels``) is told by many images, not by one: those that the session made before are looked at with
it, so the first ones are judged by what is believed of the model, and later ones better. When the session is over it is scored as a
whole, for which no image is read: then the catalog says of every image what ``sdgen score`` says.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.records import value_text
from ..catalog.score_columns import ImageScores, Scorer, ValueScores, numbers
from ..errors import SDGenError
from ..sessions.items import parse_token
from .aesthetic import AestheticHead, load_head
from .classes import Classes, classify
from .embedding.decoding import upright
from .embedding.files import EmbeddingStore
from .embedding.texts import TEXTS, TextVectors
from .estimates.calibration import Calibration
from .estimates.values import Described, PlaceholderScores, Values, describe, score
from .material import read, unused
from .prompts import Prompts, hold
from .settings import ScoringSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from ..catalog.arrivals import Arrived
    from ..catalog.library import Library
    from ..sessions.items import LoadedSession
    from ..sessions.ledger import ItemRow
    from .backends.interface import Backend

    Floats = NDArray[np.float64]
    Vectors = NDArray[np.float32]

log = logging.getLogger("sdgen")

#: Images of a session that are looked at together with a new one. In simulations (8 values, 1000 images, a quarter of them wrong) as many
#: move a probability by a thousandth on average from what all of them say, and cost a millisecond or two.
COMPANY = 96
#: Sessions whose images are remembered, attempts whose images may still come to the save node, and images on their way to the catalog.
_SESSIONS, _ATTEMPTS, _IMAGES = 4, 64, 1024


@dataclass(frozen=True, eq=False)
class _Looked:
    """One image, the ``n``-th of those that came together: its ``vector``, a ``digest`` of its pixels, what is said of it for its file, and
    the same as columns of one."""

    n: int
    scorer: str
    by: Scorer
    vector: Vectors
    digest: bytes
    said: dict[str, Any]
    columns: ImageScores


class _Company:
    """A session's images so far, as one model saw them: the last ones, each with what it was asked for."""

    def __init__(self, described: list[Described], calibrations: dict[str, Calibration], head: AestheticHead | None):
        self.described, self.calibrations, self.head = described, calibrations, head
        self.rows: list[tuple[Vectors, Mapping[str, str]]] = []

    def look(self, vectors: Vectors, asked: Sequence[Mapping[str, str]], scale: float) -> tuple[PlaceholderScores, ...]:
        """What n new images show, judged among those before. They are among them from now on."""
        import numpy as np

        n = len(vectors)
        self.rows = [*self.rows, *zip(vectors, asked, strict=True)][-max(n, COMPANY) :]
        every = np.stack([vector for vector, _ in self.rows])
        columns = [
            replace(one, values=Values.of(one.values.name, one.values.texts, self._asked(one.values)))
            for one in self.described
        ]
        return tuple(
            replace(said, asked=said.asked[-n:], probabilities=said.probabilities[-n:], features=None)
            for said in score(every, columns, scale, self.calibrations)
        )

    def _asked(self, of: Values) -> list[str | None]:
        return [key if (key := keys.get(of.name)) in of.texts else None for _, keys in self.rows]


class LiveScoring:
    """Scores of images on their way into the sessions of a library. ``folder``: where embeddings are kept; ``whole`` is called with a
    session's slug and a scorer's name when all of it is to be scored. Safe for many threads."""

    def __init__(
        self,
        library: Library,
        folder: Path,
        settings: Callable[[], ScoringSettings],
        whole: Callable[[str, str], object],
    ) -> None:
        self._library, self._settings, self._whole = library, settings, whole
        self._store = EmbeddingStore(folder)
        self._lock = threading.Lock()
        self._companies: OrderedDict[tuple[str, str, int], _Company] = OrderedDict()
        self._waiting: OrderedDict[str, list[_Looked]] = OrderedDict()
        self._saved: OrderedDict[tuple[str, int, int], _Looked] = OrderedDict()
        self._fresh: dict[str, str] = {}

    def look(
        self,
        session: LoadedSession,
        items: Sequence[ItemRow],
        images: Sequence[Image],
        scorer: str,
        backend: Backend,
        token: str = "",
    ) -> list[dict[str, Any]]:
        """What ``scorer``'s model says of images made for items of a session: of several items one image each, else all are of one.

        ``{"scorer", "identity", "score", "class", "flagged", "prompt_score", "aesthetic", "values": {placeholder: {"probability",
        "calibrated"} or {"reason"}}}``; numbers are None where nothing can be said. With the ``token`` of an attempt it is kept for who
        saves these images. Raises ``not-batchable``, and what the model and the embeddings raise.
        """
        if len(items) > 1 and len(items) != len(images):
            raise SDGenError("not-batchable", f"a batch of {len(items)} items came with {len(images)} images")
        each = list(items) if len(items) > 1 else [items[0]] * len(images)
        settings = self._settings()
        vectors = seen(backend, images)
        planned = [session.asked(item) for item in each]
        texts = TextVectors(self._store.file(backend.identity, backend.width, TEXTS), backend)
        with self._lock:
            company = self._company(session, backend, settings, texts)
            placeholders = company.look(vectors, [one.keys for one in planned], backend.scale)
        prompts = hold(vectors, [one.prompt for one in planned], texts, settings.prompt_scores, settings.prompt_seconds)
        classes = classify(placeholders, len(images), settings.thresholds)
        pleasing = company.head.scores(vectors) if company.head else None
        by = Scorer(backend.identity, backend.name)
        looked = [
            _one(scorer, by, vectors[n], _digest(image), placeholders, classes, prompts, pleasing, n)
            for n, image in enumerate(images)
        ]
        if token:
            with self._lock:
                # another node may have looked at other images of this attempt, or at the same
                before = self._waiting.get(token, [])
                _keep(self._waiting, token, [*before, *looked][-_IMAGES:], _ATTEMPTS)
        return [one.said for one in looked]

    def scores_of(self, folder: Path, token: str, images: Sequence[Image]) -> list[dict[str, Any] | None]:
        """What was said last of the images of an attempt, as they are saved into a session's ``folder``; None for those nobody looked at.

        Of one item they may come in another order than they were looked at: all were to show the same.
        """
        with self._lock:
            looked = self._waiting.pop(token, [])
            if not looked:
                return []
            _, indexes = parse_token(token)
            out: list[dict[str, Any] | None] = []
            for n, image in enumerate(images):
                digest = _digest(image)
                same = [one for one in looked if one.digest == digest and (one.n == n or len(indexes) == 1)]
                one = max(reversed(same), key=lambda one: one.n == n, default=None)  # of equals the last
                out.append(None if one is None else one.said)
                if one is not None:
                    place = (indexes[n], 0) if len(indexes) > 1 else (indexes[0], n)
                    _keep(self._saved, (os.path.realpath(folder), *place), one, _IMAGES)
        if None in out:
            log.warning("SDGen: a picture was changed after it was scored: its scores are not kept")
        return out

    def arrived(self, what: Arrived) -> None:
        """Images are in the catalog, or a session is over. What fails is left to the next time the session is scored."""
        try:
            self._arrived(what)
        except Exception as error:  # the catalog has more to take in
            log.warning("SDGen: scores of session %s are not in the catalog: %s", what.slug, error)

    def _arrived(self, what: Arrived) -> None:
        found: dict[Scorer, list[tuple[str, _Looked]]] = {}
        with self._lock:
            for key, entry in what.images:
                own = entry.get("sdgen") or {}
                place = (str(what.folder), own.get("index", -1), own.get("batch_index", 0))
                if (one := self._saved.pop(place, None)) is not None:
                    found.setdefault(one.by, []).append((key, one))
                    self._fresh[what.slug] = one.scorer
            whole = self._fresh.pop(what.slug, None) if what.over else None
        for by, some in found.items():
            import numpy as np

            vectors = np.stack([one.vector for _, one in some])
            file = self._store.file(by.identity, vectors.shape[1], what.slug)
            file.append([bytes.fromhex(key) for key, _ in some], vectors)
            changed = [
                image
                for key, one in some
                for image in self._library.catalog.machine.write(what.slug, by, replace(one.columns, keys=[key]))
            ]
            self._library.tell("images", added=[], changed=changed, session=what.slug)
        if whole:
            self._whole(what.slug, whole)

    # ---- a session's images --------------------------------------------------------------------------------------------------

    def _company(
        self, session: LoadedSession, backend: Backend, settings: ScoringSettings, texts: TextVectors
    ) -> _Company:
        place = (session.id, backend.identity, len(session.parts))  # with a part more there may be other values
        if place in self._companies:
            self._companies.move_to_end(place)
            return self._companies[place]
        placeholders = []
        for name, (choices, keys) in session.choices().items():
            every = {key: value_text(value) for key, value in choices.items()}
            used = {key: every[key] for key in keys}
            placeholders.append(Values.of(name, {**used, **unused(every, used)}, []))
        fits = self._library.catalog.machine.calibrations(backend.identity)
        head = settings.aesthetic_head
        company = _Company(
            describe(placeholders, texts, settings.wording),
            {name: Calibration(**said) for name, said in fits.items()},
            load_head(Path(head).expanduser(), backend.width) if head else None,
        )
        earlier = [self._companies.pop(other) for other in list(self._companies) if other[:2] == place[:2]]
        company.rows.extend(earlier[0].rows if earlier else self._before(session, backend))
        _keep(self._companies, place, company, _SESSIONS)
        return company

    def _before(self, session: LoadedSession, backend: Backend) -> list[tuple[Vectors, dict[str, str]]]:
        """The last images of a session that the model saw before this program began."""
        catalog = self._library.catalog
        slugs = catalog.index.store.rows("SELECT slug FROM session WHERE folder=?", (os.path.realpath(session.folder),))
        file = self._store.file(backend.identity, backend.width, slugs[0][0]) if slugs else None
        if file is None or not file.path.is_file():
            return []
        material = read(catalog, slugs[0][0])
        keys = [bytes.fromhex(key) for key in material.keys[-COMPANY:]]
        first = len(material.keys) - len(keys)
        vectors, there = file.vectors(keys)
        asked: list[dict[str, str]] = [{} for _ in keys]
        for values in material.placeholders:
            names = list(values.texts)
            for n, key in enumerate(values.asked[first:].tolist()):
                if key >= 0:
                    asked[n][values.name] = names[key]
        return [(vectors[n], asked[n]) for n in there.nonzero()[0].tolist()]


def seen(backend: Backend, images: Sequence[Image]) -> Vectors:
    """(n, width) embeddings of images, to the digit as a file of embeddings keeps them."""
    import numpy as np

    found = backend.encode_images(np.stack([backend.prepare(upright(image)) for image in images]))
    out: Vectors = found.astype("<f2").astype(np.float32)
    return out


def against(backend: Backend, images: Sequence[Image], values: Sequence[str], settings: ScoringSettings) -> Floats:
    """(n, k) probabilities that each of n images shows each of k ``values`` rather than another of them: a softmax of the cosines at the
    model's temperature. One value is held against texts that say none; values that cannot be seen are NaN.

    Raises ``nothing-to-score`` when no value can be seen.
    """
    import numpy as np

    texts = {value: value for value in values}
    [described] = describe([Values.of("values", texts, [])], backend.encode_texts, settings.wording)
    some = [n for n, value in enumerate(values) if described.words.values[value].phrases]
    if not some:
        reasons = ", ".join(f"{value!r} ({described.words.values[value].reason})" for value in values)
        raise SDGenError(
            "nothing-to-score", f"none of these can be seen in an image: {reasons}", hint="Type what can be seen."
        )
    vectors = described.vectors[some]
    if len(some) == 1:
        vectors = np.concatenate([vectors, described.neutral[None]])
    logits = (seen(backend, images) @ vectors.T).astype(np.float64) * backend.scale
    weights = np.exp(logits - logits.max(1, keepdims=True))
    out = np.full((len(images), len(values)), np.nan)
    out[:, some] = (weights / weights.sum(1, keepdims=True))[:, : len(some)]
    return out


def _one(
    scorer: str,
    by: Scorer,
    vector: Vectors,
    digest: bytes,
    placeholders: Sequence[PlaceholderScores],
    classes: Classes,
    prompts: Prompts,
    pleasing: Floats | None,
    n: int,
) -> _Looked:
    """What is said of the n-th of some images."""
    values: dict[str, ValueScores] = {}
    told: dict[str, dict[str, Any]] = {}
    for said in placeholders:
        at = int(said.asked[n])
        if at < 0:
            continue
        [probability] = numbers([float(said.probabilities[n])])
        reason = said.reason or said.reasons.get(said.keys[at])
        values[said.name] = ValueScores(
            [said.keys[at]], [float(said.probabilities[n])], said.reason or said.method, said.calibrated
        )
        told[said.name] = (
            {"reason": reason or "unsure"}
            if probability is None
            else {"probability": probability, "calibrated": said.calibrated}
        )
    columns = ImageScores(
        [""],
        [str(classes.classes[n])],
        [float(classes.scores[n])],
        [bool(classes.flagged[n])],
        [float(prompts.scores[n])],
        None if pleasing is None else [float(pleasing[n])],
        values,
    )
    [total, prompt] = numbers([columns.scores[0], float(prompts.scores[n])])
    said_of = {
        "scorer": by.name,
        "identity": by.identity,
        "score": total,
        "class": columns.classes[0],
        "flagged": columns.flagged[0],
        "prompt_score": prompt,
        "aesthetic": None if pleasing is None else numbers([float(pleasing[n])])[0],
        "values": told,
    }
    return _Looked(n, scorer, by, vector, digest, said_of, columns)


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(
        image.tobytes(), digest_size=16, person=f"{image.mode}{image.size[0]}".encode()[:16]
    ).digest()


def _keep(where: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > most:
        where.popitem(last=False)
