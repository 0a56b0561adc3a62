"""Sessions are scored: their images are embedded, held against the values they were asked for, and the catalog is told.

What costs time is kept in ``folder``: embeddings of images and of texts, by model. All else is made anew each time, so that verdicts,
other words for a value or other thresholds need no image. A report of each session lies beside its embeddings.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.machine import Machine
from ..catalog.score_columns import ImageScores, Scorer, ValueScores
from ..errors import SDGenError, nearest_names, shown
from ..sessions.files import write_atomic
from ..sessions.naming import safe_name
from .aesthetic import AestheticHead, load_head
from .against import against
from .backends.encoders import efficientnet, tuned
from .cascade.heads import Features, Head, HeadStore
from .cascade.own import Own, own_tier
from .cascade.rules import CascadeSettings, Tier
from .cascade.session import LookedAgain, look_again
from .cascade.store import CascadeStore
from .classes import Classes, classify, failing, value_rates
from .embedding.decoding import decode
from .embedding.files import EmbeddingFile, EmbeddingStore
from .embedding.pipeline import BATCH, Failure, Progress, embed
from .embedding.pipeline import Report as Embedded
from .embedding.texts import TEXTS, Cancelled, TextVectors
from .estimates.calibration import Calibration
from .estimates.values import (
    Described,
    PlaceholderScores,
    Values,
    calibrate,
    describe,
    score,
    truths,
)
from .material import Material, read, session_of
from .prompts import Prompts, hold
from .settings import ScoringSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..catalog.catalog import Catalog
    from .backends.interface import Backend

    Vectors = NDArray[np.float32]
    Floats = NDArray[np.float64]

log = logging.getLogger("sdgen")

#: Of reports; those of another form are made anew.
FORM = 2
#: Where the user's own classifier is, in the folder of embeddings.
HEADS = "classifier"
#: Content keys, by which the cascade knows images.
_KEY = re.compile(r"\b[0-9a-f]{32}\b")
#: Sessions that a placeholder's calibration is fitted to, those with most verdicts about it first: beyond them nothing changes any more.
MOST_JUDGED = 40
#: Sessions and placeholders of which the judged images are remembered: a few numbers each.
_REMEMBERED = 4096
#: What is remembered, by catalog: file of embeddings and placeholder -> what it depends on, and what was found (see ``_calibrate``).
_memory: weakref.WeakKeyDictionary[Catalog, OrderedDict[tuple[str, str], tuple[object, _JudgedImages | None]]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A session's images that have embeddings, ``vectors`` (n, width), and what one look at them says; ``aesthetic``: (n,)."""

    material: Material
    vectors: Vectors
    described: list[Described]
    placeholders: tuple[PlaceholderScores, ...]
    prompts: Prompts
    aesthetic: Floats | None


#: Judged images of a session: what is said of a placeholder in them, and the truths.
_JudgedImages = tuple[PlaceholderScores, "Floats"]
_PRIME = 2147483647
#: What is wrong with the files or the record of a session, and not with the model.
_ITS_OWN = frozenset(
    {"bad-embeddings", "unreadable-file", "unwritable-folder", "embeddings-locked", "disk-full", "unknown-session"}
)


def _only_judged(said: PlaceholderScores, truth: Floats) -> _JudgedImages | None:
    """Those images of a session that people judged; None where there is nothing to calibrate with."""
    import numpy as np

    if said.features is None:
        return None
    rows = np.isfinite(truth)
    features, asked = said.features[rows], said.asked[rows]
    return replace(said, features=features, asked=asked, probabilities=said.probabilities[rows]), truth[rows]


class Scoring:
    """Scores the sessions of a catalog. ``file`` gives an image's path by its id, ``folder`` is where embeddings and reports are kept.

    Safe for many threads; two that score the same session do the work twice.
    """

    def __init__(
        self,
        catalog: Catalog,
        file: Callable[[int], Path],
        folder: Path,
        settings: ScoringSettings | None = None,
    ) -> None:
        self._settings = said = settings or ScoringSettings()
        self._catalog, self._file, self._folder = catalog, file, folder
        self._thresholds, self._wording, self._cascade = said.thresholds, said.wording, said.cascade
        self._store, self._machine = EmbeddingStore(folder), Machine(catalog)
        self.heads = HeadStore(folder / HEADS)

    def score(
        self,
        slug: str,
        backend: Backend,
        *,
        batch: int = BATCH,
        threads: int | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[Progress], None] = lambda _: None,
        wait: Callable[[], None] = lambda: None,
        written: Callable[[list[int]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Score a session, as far as its images can be read, and give its report (see ``report``).

        ``written`` is called with the ids of the images that have other scores now; the other arguments are those of ``pipeline.embed``.
        What was cancelled has its embeddings kept and says nothing about images yet.
        Raises ``unknown-session``, ``nothing-to-score``, and what the model, the embeddings and the catalog raise.
        """
        begun = time.monotonic()
        material = read(self._catalog, slug)
        if not material.ids:
            lost = len(material.broken), material.missing
            why = f" that can be read: {lost[0]} are broken, {lost[1]} are gone" if any(lost) else ""
            raise SDGenError("nothing-to-score", f"session {material.name} has no images{why}")
        head = self._head(backend)
        file = self._store.file(backend.identity, backend.width, slug)
        paths, gone = self._unseen(material, file)
        embedded = embed(
            paths, backend, file, batch=batch, threads=threads, cancelled=cancelled, progress=progress, wait=wait
        )
        embedded.failures += gone
        for path in material.broken:
            error = SDGenError("broken-image", f"{shown(path)} is empty, or no image from its first bytes on.")
            embedded.failures.append(Failure(b"", shown(path), error))
        embedded.known = len(material.ids) - len(paths) - len(gone)
        try:
            if embedded.cancelled:
                raise Cancelled
            seen = self._looked_at(material, backend, file, head, cancelled, wait)
            again, tiers, own = self._looked_again(seen, backend, cancelled, wait)
            placeholders = tuple(one.scores for one in again)
        except Cancelled:
            return {**_report(material, backend, embedded, begun), "cancelled": True}
        classes = classify(placeholders, len(seen.material.ids), self._thresholds)
        scorer = Scorer(backend.identity, backend.name)
        written(self._machine.write(slug, scorer, _columns(seen, again, classes)))
        report = _report(material, backend, embedded, begun)
        report |= self._said(slug, placeholders, classes, seen)
        report["cascade"] = tiers
        report["classifier"] = [one.to_dict() for one in own]
        for said, one in zip(report["placeholders"], again, strict=True):
            said["methods"] = dict(
                Counter(method for method, at in zip(one.methods, one.scores.asked.tolist(), strict=True) if at >= 0)
            )
        write_atomic(self._report_path(backend.identity, slug), json.dumps(report, ensure_ascii=False).encode("utf-8"))
        return report

    def report(self, slug: str) -> dict[str, Any]:
        """What was last said of a session: ``images`` of which ``embedded`` now and ``failures`` (file, error), ``classes``, ``mean``,
        ``complete``, ``placeholders`` (``PlaceholderScores.summary``, and ``methods``: how often each gave the probability), ``rates`` of
        values and those ``failing``, ``agreement`` with people, ``classifier`` (``Own`` of each head), ``prompts`` (``Prompts.summary``)
        and their mean ``prompt_score``, ``aesthetic`` (None without a head), ``thresholds``. Raises ``not-scored``."""
        paths = self._folder.glob(f"*/{self._report_path('', slug).name}")
        found = [report for path in paths if (report := _read(path))]
        if not found:
            known = {path.name.removesuffix(".json") for path in self._folder.glob("*/*.json")}
            raise SDGenError(
                "not-scored",
                f"session {slug!r} was not scored",
                nearest=nearest_names(slug, sorted(known)),
            )
        return max(found, key=lambda report: int(report["at"]))

    def against(self, first: str, second: str) -> dict[str, Any]:
        """The second session held against the first, see ``against``. Raises ``not-scored`` and ``not-comparable``."""
        return against(self._catalog, self.report(first), self.report(second))

    def weakest(self, report: dict[str, Any], placeholder: str, key: str, limit: int) -> list[tuple[str, str, float]]:
        """Images of a reported session that least show a value that they were asked for, below ``match``: content key, file, score. The
        least first."""
        session = session_of(self._catalog, report["session"])[0]
        return self._catalog.index.store.rows(
            "SELECT thumb, file, score FROM image JOIN image_value ON image = image.id JOIN value ON value.id = value"
            " JOIN placeholder ON placeholder.id = placeholder"
            " WHERE session=? AND placeholder.name=? AND key=? AND score<? ORDER BY score, number LIMIT ?",
            (session, placeholder, key, report["thresholds"]["match"], limit),
        )

    # ---- parts of it ---------------------------------------------------------------------------------------------------------

    def _head(self, backend: Backend) -> AestheticHead | None:
        """The aesthetic head that is set. Raises what ``load_head`` raises."""
        path = self._settings.aesthetic_head
        return load_head(Path(path).expanduser(), backend.width) if path else None

    def _unseen(self, material: Material, file: EmbeddingFile) -> tuple[list[tuple[bytes, Path]], list[Failure]]:
        """The files by key of the images without an embedding, and those that are not where they should be. The others need no file."""
        keys = [bytes.fromhex(key) for key in material.keys]
        found, gone = [], []
        for image, key, seen in zip(material.ids, keys, file.vectors(keys)[1].tolist(), strict=True):
            if seen:
                continue
            try:
                found.append((key, self._file(image)))
            except SDGenError as error:
                gone.append(Failure(key, f"image {image}", error))
        return found, gone

    def _looked_at(
        self,
        material: Material,
        backend: Backend,
        file: EmbeddingFile,
        head: AestheticHead | None,
        cancelled: Callable[[], bool],
        wait: Callable[[], None],
    ) -> _Seen:
        """What is said of those images of a session that have embeddings."""
        found, vectors = _embedded(material, file)
        words = self._store.file(backend.identity, backend.width, TEXTS)
        texts = TextVectors(words, backend, cancelled, wait)
        described = describe(found.placeholders, texts, self._wording)
        calibrations = self._calibrate(backend, found, vectors, described, texts, cancelled)
        placeholders = score(vectors, described, backend.scale, calibrations)
        prompts = hold(vectors, found.prompts, texts, self._settings.prompt_scores, self._settings.prompt_seconds)
        return _Seen(found, vectors, described, placeholders, prompts, head.scores(vectors) if head else None)

    def _looked_again(
        self, seen: _Seen, backend: Backend, cancelled: Callable[[], bool], wait: Callable[[], None]
    ) -> tuple[list[LookedAgain], list[dict[str, Any]], list[Own]]:
        """What the further tiers of the cascade say of what is unsure, what became of each tier, and of the user's own heads."""
        found = seen.material
        settings = self._cascade or CascadeSettings()
        more: list[Tier] = []
        own: list[Own] = []
        if "classifier" in settings.tiers:
            more, own = own_tier(
                self.heads,
                backend,
                [one.name for one in seen.placeholders],
                self._catalog,
                lambda head: self._features(head, seen, backend, cancelled, wait),
            )
        ids = dict(zip(found.keys, found.ids, strict=True))
        store = CascadeStore(self._folder / "cascade.db" if self._cascade else None)
        try:
            again, report = look_again(
                seen.placeholders,
                seen.described,
                found.keys,
                settings,
                backend,
                lambda key: decode(self._file(ids[key])),
                store,
                more=more,
                stop=cancelled,
                wait=wait,
            )
        finally:
            store.close()
        tiers = [tier.to_dict() for tier in report.tiers]
        for failure in (failure for tier in tiers for failure in tier["failures"]):
            failure["message"] = _KEY.sub(lambda match: self._named(ids.get(match[0]), match[0]), failure["message"])
        return again, tiers, own

    def _features(
        self,
        head: Head,
        seen: _Seen,
        backend: Backend,
        cancelled: Callable[[], bool],
        wait: Callable[[], None],
    ) -> Mapping[str, Vectors]:
        """What a head works on, by the images' keys. Raises ``Cancelled``, and what the model raises."""
        keys = seen.material.keys
        encoder = self.encoder(head.facts.features, backend, head.facts.placeholder)
        if encoder is backend:
            return dict(zip(keys, seen.vectors, strict=True))
        file = self._store.file(encoder.identity, encoder.width, seen.material.slug)
        try:
            images = self._unseen(seen.material, file)[0]
            if embed(images, encoder, file, cancelled=cancelled, wait=wait).cancelled:
                raise Cancelled
        finally:
            encoder.release()
        vectors, there = file.vectors([bytes.fromhex(key) for key in keys])
        return {key: vector for key, vector, known in zip(keys, vectors, there, strict=True) if known}

    def encoder(self, features: Features, backend: Backend, placeholder: str) -> Backend:
        """The model that made a head's features: the scorer itself, or another. Raises ``no-features`` and ``bad-classifier``, and what
        reading weights raises."""
        made = backend if features.kind == "scorer" else self.efficientnet(getattr(backend, "device", "auto"))
        if features.tuned:
            made = tuned(made, self.heads.network(backend.identity, placeholder), features.tuned)
        if made.identity != features.identity:
            message = f"its head was trained on features of other weights than those of {made.name}"
            raise SDGenError("bad-classifier", message)
        return made

    def efficientnet(self, device: str) -> Backend:
        """The model of the setting ``efficientnet``. Raises ``no-features``, and what reading weights raises."""
        if not self._settings.efficientnet:
            raise SDGenError("no-features", "the setting `scoring.efficientnet` names no weights")
        return efficientnet(Path(self._settings.efficientnet).expanduser(), device)

    def _named(self, image: int | None, key: str) -> str:
        """The name of an image's file, for people; its key where there is none any more."""
        try:
            return key if image is None else self._file(image).name
        except SDGenError:
            return key

    def _calibrate(
        self,
        backend: Backend,
        here: Material,
        vectors: Vectors,
        described: Sequence[Described],
        encode: TextVectors,
        cancelled: Callable[[], bool],
    ) -> Mapping[str, Calibration]:
        """Calibrations of the placeholders of a session, from what people said about it and about others with the same placeholders.

        What other sessions tell is remembered as long as the catalog is open, and made anew when their images, embeddings or verdicts, or
        the words for values, are others. A session whose embeddings cannot be read tells nothing: that is said when it is scored itself.
        Raises ``Cancelled``.
        """
        wanted = {each.name for each in here.placeholders}
        judged = [(said, truths(here.verdicts[said.name])) for said in score(vectors, described, backend.scale)]
        for slug, stamps in self._judged(wanted).items():
            if slug == here.slug:
                continue
            if cancelled():
                raise Cancelled
            judged += self._told_by(slug, stamps, backend, encode)
        found = calibrate(judged)
        scorer = Scorer(backend.identity, backend.name)
        for name in wanted:
            fitted = found.get(name)
            self._machine.save_calibration(scorer, name, fitted.to_dict() if fitted else None)
        return found

    def _told_by(
        self, slug: str, stamps: Mapping[str, object], backend: Backend, encode: TextVectors
    ) -> list[_JudgedImages]:
        """What a judged session tells of some placeholders, whose verdicts have these ``stamps``."""
        known = _memory.setdefault(self._catalog, OrderedDict())
        try:
            file = self._store.file(backend.identity, backend.width, slug)
            if not any(file.stamp()):
                return []
            state = (file.stamp(), self._wording, backend.scale)
            wanted = {name: (stamp, state) for name, stamp in stamps.items()}
            if any(known.get((str(file.path), name), (None,))[0] != stamp for name, stamp in wanted.items()):
                other, others = _embedded(read(self._catalog, slug), file, set(wanted))
                told = score(others, describe(other.placeholders, encode, self._wording), backend.scale)
                found = {said.name: _only_judged(said, truths(other.verdicts[said.name])) for said in told}
                for name, stamp in wanted.items():
                    known[str(file.path), name] = stamp, found.get(name)
                while len(known) > _REMEMBERED:
                    known.popitem(last=False)
            return [one for name in wanted if (one := known[str(file.path), name][1]) is not None]
        except SDGenError as error:
            if error.code not in _ITS_OWN:
                raise
            log.warning("SDGen: verdicts about session %s are not used: %s", slug, error)
            return []

    def _judged(self, placeholders: Iterable[str]) -> dict[str, dict[str, object]]:
        """Slugs of sessions with verdicts about these placeholders, most verdicts first, and of each placeholder's images and verdicts
        something that changes with them. Of each placeholder ``MOST_JUDGED`` sessions at most."""
        # So many verdicts would have to change by chance in the same way that the sum of their squares in a field of primes stays.
        mixed = f"(image.id * 7919 + value.id * 104729 + verdict * 1299709) % {_PRIME}"
        rows = self._catalog.index.store.rows(
            f"SELECT slug, placeholder.name, count(*), sum({mixed} * ({mixed}) % {_PRIME}), session.stamp, session.images, gone"
            " FROM image_said"
            " CROSS JOIN image_value ON image_value.image = image_said.image AND verdict > 0"
            " JOIN image ON image.id = image_said.image JOIN session ON session.id = image_said.session"
            " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
            " WHERE verdicts > 0 AND placeholder.name IN (SELECT value FROM json_each(?))"
            " GROUP BY session.id, placeholder.id ORDER BY 3 DESC, slug",
            (json.dumps(list(placeholders)),),
        )
        out: dict[str, dict[str, object]] = {}
        chosen: dict[str, int] = {}
        for slug, name, *stamp in rows:
            chosen[name] = chosen.get(name, 0) + 1
            if chosen[name] <= MOST_JUDGED:
                out.setdefault(slug, {})[name] = tuple(stamp)
        return out

    def _said(
        self, slug: str, placeholders: Sequence[PlaceholderScores], classes: Classes, seen: _Seen
    ) -> dict[str, Any]:
        rates = value_rates(placeholders, self._thresholds)
        texts = {each.name: each.texts for each in seen.material.placeholders}
        return {
            "classes": classes.counts,
            "mean": classes.mean,
            "complete": classes.complete,
            "flagged": int(classes.flagged.sum()),
            "thresholds": self._thresholds.model_dump(),
            "prompt_score": seen.prompts.mean,
            "prompts": seen.prompts.summary(),
            "aesthetic": self._pleasing(seen.aesthetic),
            "placeholders": [_in_words(each.summary(), texts[each.name]) for each in placeholders],
            "rates": [asdict(rate) | {"text": texts[rate.placeholder][rate.key]} for rate in rates],
            "failing": [asdict(rate) | {"text": texts[rate.placeholder][rate.key]} for rate in failing(rates)],
            "agreement": [
                one.to_dict() for one in self._machine.agreement(f'session:"{slug}"', self._thresholds.match)
            ],
        }

    def _pleasing(self, scores: Floats | None) -> dict[str, Any] | None:
        if scores is None or not len(scores):
            return None
        numbers = {"mean": scores.mean(), "lowest": scores.min(), "highest": scores.max()}
        return {"head": Path(self._settings.aesthetic_head).name} | {name: float(n) for name, n in numbers.items()}

    def _report_path(self, identity: str, slug: str) -> Path:
        return self._folder / identity / f"{safe_name(slug)}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """A report; None for what is none, or of another form: the session is to be scored again."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and found.get("form") == FORM:
            return found
    return None


def _in_words(summary: dict[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A placeholder's summary with the texts of its values: the key of a value of which only the text is known says nothing to people."""
    values = [{**value, "text": texts[value["key"]]} for value in summary["values"]]
    alike = [{**group, "texts": [texts[key] for key in group["keys"]]} for group in summary["alike"]]
    return {**summary, "values": values, "alike": alike}


def _embedded(material: Material, file: EmbeddingFile, only: set[str] | None = None) -> tuple[Material, Vectors]:
    """A session without the images that have no embedding, and the embeddings of the others; ``only`` these placeholders."""
    vectors, there = file.vectors([bytes.fromhex(key) for key in material.keys])
    rows = there.nonzero()[0].tolist()

    def those(column: Sequence[Any]) -> list[Any]:
        return [column[n] for n in rows]

    placeholders = tuple(
        Values(each.name, each.texts, each.asked[there], each.avoided)
        for each in material.placeholders
        if only is None or each.name in only
    )
    found = Material(
        material.slug,
        material.name,
        those(material.ids),
        those(material.keys),
        those(material.prompts),
        placeholders,
        {name: those(column) for name, column in material.verdicts.items()},
    )
    return found, vectors[there]


def _columns(seen: _Seen, again: Sequence[LookedAgain], classes: Classes) -> ImageScores:
    values = {
        one.scores.name: ValueScores(
            [one.scores.keys[n] if n >= 0 else None for n in one.scores.asked.tolist()],
            one.scores.probabilities.tolist(),
            one.methods,
            one.calibrated,
        )
        for one in again
    }
    return ImageScores(
        seen.material.keys,
        classes.classes.tolist(),
        classes.scores.tolist(),
        classes.flagged.tolist(),
        seen.prompts.scores.tolist(),
        None if seen.aesthetic is None else seen.aesthetic.tolist(),
        values,
    )


def _report(material: Material, backend: Backend, embedded: Embedded, begun: float) -> dict[str, Any]:
    """What is said of any run, also of one that was cancelled."""
    return {
        "form": FORM,
        "session": material.slug,
        "name": material.name,
        "scorer": backend.name,
        "identity": backend.identity,
        "scale": backend.scale,
        "at": int(time.time() * 1000),
        "seconds": round(time.monotonic() - begun, 3),
        "images": len(material.ids),
        "missing": material.missing,
        "known": embedded.known,
        "embedded": embedded.made,
        "cancelled": embedded.cancelled,
        "failures": [{"file": one.name, **one.error.to_dict()} for one in embedded.failures],
    }
