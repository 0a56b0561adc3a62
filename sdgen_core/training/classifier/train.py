"""From verdicts to heads in files: what is learnt, tried on images that it had not learnt from, and said of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...catalog.stats.formulas import wilson
from ...errors import SDGenError
from ...scoring.backends.encoders import digest_of
from ...scoring.backends.interface import Backend
from ...scoring.cascade.heads import FORM, Facts, Features, Head, HeadStore, Measures, ValueFacts, verdicts_about
from ...scoring.cascade.own import told, why_not
from ...scoring.embedding.files import EmbeddingStore
from ...scoring.embedding.pipeline import embed
from ...scoring.estimates.calibration import calibration_error
from ...scoring.service import Scoring
from ...sessions.files import make_folder, write_atomic
from .fit import fit, folds_of, groups_of
from .labels import Labels, collect, judged_sessions, placeholders_of
from .tune import Tuning, tune

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...catalog.library import Library
    from ...scoring.settings import ScoringSettings

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Vectors = NDArray[np.float32]

#: What a head may work on.
KINDS = ("scorer", "efficientnet")


@dataclass
class Report:
    """The ``heads`` that were trained, what ``left`` says of placeholders without one, and ``remarks``."""

    heads: list[Head] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def to_dict(self, library: Library) -> dict[str, Any]:
        """For JSON: the facts of each head, and whether it is used."""
        return {"classifiers": [of(head, library) for head in self.heads], "left": self.left, "remarks": self.remarks}


def of(head: Head, library: Library) -> dict[str, Any]:
    """The facts of a head, and what is said of it (``Own``), for JSON."""
    own = told(head, library.catalog, why_not(head))
    return {**head.facts.model_dump(), "used": own.used, "reason": own.reason, "more": own.more}


class Training:
    """Trains heads for a library's sessions, against a scorer. ``backend``: that scorer."""

    def __init__(
        self,
        library: Library,
        backend: Backend,
        settings: ScoringSettings,
        *,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._library, self._backend, self._settings, self._progress = library, backend, settings, progress
        folder = library.folder / "scoring"
        self._store = EmbeddingStore(folder)
        self._scoring = Scoring(library.catalog, library.file, folder, settings)
        self.heads: HeadStore = self._scoring.heads

    def train(
        self,
        sessions: Sequence[str] = (),
        placeholders: Sequence[str] = (),
        kind: str = "scorer",
        tuning: Tuning | None = None,
    ) -> Report:
        """Train a head for each of these placeholders (all that were judged, if none is named), from the verdicts on the images of
        sessions, by their slugs (all that were judged), and write it down in place of the one before.

        ``kind``: one of ``KINDS``; with ``tuning`` the whole network learns too. Raises ``too-few-labels`` where a named placeholder, or
        each, has too few verdicts; ``unknown-session``, ``unknown-placeholder``, ``not-scored``; ``no-features`` and what reading weights
        raises; ``needs-accelerator``.
        """
        if tuning is not None:
            tuning.device()
        encoder = self._scoring.efficientnet(getattr(self._backend, "device", "auto")) if kind != "scorer" else None
        catalog, report = self._library.catalog, Report()
        names = placeholders_of(catalog, placeholders)
        slugs = list(sessions) or judged_sessions(catalog, names)
        found = collect(catalog, self._store, self._backend, self._settings.wording, slugs, names)
        report.remarks += found.remarks
        for name in names:
            labels = found.labels[name]
            if lacks := labels.missing():
                if placeholders:
                    raise SDGenError("too-few-labels", lacks)
                report.left.append(lacks)
                continue
            report.heads.append(self._one(labels, encoder or self._backend, kind, tuning, report))
        if not report.heads:
            message = "; ".join(report.left) or "no value of these sessions was judged"
            raise SDGenError("too-few-labels", message)
        return report

    def _one(self, labels: Labels, encoder: Backend, kind: str, tuning: Tuning | None, report: Report) -> Head:
        import numpy as np

        vectors = self._vectors(labels, encoder, report)
        begun = time.monotonic()
        each = labels.labels
        asked_for = sorted(labels.texts)
        column = {value: at for at, value in enumerate(asked_for)}
        asked = np.array([column[label.value] for label in each], np.int64)
        truth = np.array([label.truth for label in each])
        groups, remark = groups_of([x.key for x in each], [x.seed for x in each], [x.hash for x in each])
        remarks = [remark] if remark else []
        folds = folds_of(groups, asked, truth)
        features = Features(kind=kind, identity=encoder.identity, name=encoder.name, width=encoder.width)
        known = labels.known()
        tried = np.array([label.value in known for label in each])
        if tuning is None:
            texts = None
            if encoder is self._backend:
                texts = np.stack([labels.words[value] for value in asked_for]).astype(np.float64)
            fitted = fit(vectors.astype(np.float64), asked, truth, len(asked_for), folds, texts)
            weights, bias, strength, ours = fitted.weights, fitted.bias, fitted.strength, fitted.held_out
        else:
            ids = [label.id for label in each]
            tuned = tune(
                encoder,
                lambda at: self._library.file(ids[at]),
                vectors,
                asked,
                truth,
                len(asked_for),
                folds,
                tuning,
                lambda text: self._progress(f"{labels.placeholder}: {text}"),
            )
            weights, bias, strength, ours = tuned.weights, tuned.bias, tuned.strength, tuned.held_out
            tried &= np.isfinite(ours)
            features = self._kept(tuned.data, features, labels.placeholder)
            remarks += tuned.remarks
        theirs = np.array([label.without for label in each])
        facts = Facts(
            form=FORM,
            placeholder=labels.placeholder,
            scorer=self._backend.identity,
            scorer_name=self._backend.name,
            features=features,
            values=[
                _value(labels, value, *(part[tried & (asked == at)] for part in (truth, ours, theirs)))
                for at, value in enumerate(asked_for)
            ],
            labels=len(each),
            known=verdicts_about(self._library.catalog, labels.placeholder),
            trained_at=int(time.time() * 1000),
            seconds=round(time.monotonic() - begun, 3),
            strength=strength,
            tried=int(tried.sum()),
            ours=measures(ours[tried], truth[tried], groups[tried]),
            theirs=measures(theirs[tried], truth[tried], groups[tried]),
            remarks=remarks,
        )
        keys = tuple(label.key for label, here in zip(each, tried, strict=True) if here)
        head = Head(facts, weights, bias, keys, truth[tried], ours[tried], theirs[tried], groups[tried])
        self.heads.save(head)
        if not features.tuned:
            self.heads.network(facts.scorer, facts.placeholder).unlink(missing_ok=True)
        return head

    def _vectors(self, labels: Labels, encoder: Backend, report: Report) -> Vectors:
        """(n, width) features of the labels' images; labels whose images cannot be read are left out from now on. Embeds what is new."""
        import numpy as np

        if encoder is self._backend:
            return np.stack(labels.vectors)
        rows: dict[str, list[int]] = {}
        for at, label in enumerate(labels.labels):
            rows.setdefault(label.slug, []).append(at)
        out = np.zeros((len(labels.labels), encoder.width), np.float32)
        good = np.zeros(len(out), bool)
        for slug, mine in rows.items():
            file = self._store.file(encoder.identity, encoder.width, slug)
            keys = [bytes.fromhex(labels.labels[at].key) for at in mine]
            images = [(key, self._library.file(labels.labels[at].id)) for key, at in zip(keys, mine, strict=True)]
            made = embed(images, encoder, file)
            report.remarks += [f"{failure.name}: {failure.error}" for failure in made.failures]
            out[mine], good[mine] = file.vectors(keys)
        labels.labels = [label for label, here in zip(labels.labels, good, strict=True) if here]
        labels.vectors = [vector for vector, here in zip(labels.vectors, good, strict=True) if here]
        if lacks := labels.missing():
            raise SDGenError("too-few-labels", f"of the images that can be read, {lacks}")
        return out[good]

    def _kept(self, data: bytes, features: Features, placeholder: str) -> Features:
        """Write a tuned network beside its head."""
        path = self.heads.network(self._backend.identity, placeholder)
        make_folder(path.parent)
        write_atomic(path, data)
        digest = digest_of(data)
        name = f"{features.name}, trained further"
        return features.model_copy(update={"tuned": digest, "identity": digest[:16], "name": name})


def measures(probabilities: Floats, truth: Floats, groups: Ints) -> Measures:
    """How well n probabilities fit n truths; noughts for none. Of Brier: "Verification of forecasts expressed in terms of probability".

    ``groups`` (n,): images of one group are right or wrong together, so no more than there are groups count for the interval (Wilson's).
    """
    import numpy as np

    accuracy = _accuracy(probabilities, truth) or 0.0
    apart = len(np.unique(groups[truth != 0.5]))
    interval = wilson(accuracy * apart, apart)
    if not len(truth):
        return Measures(accuracy=0, interval=interval, log_loss=0, brier=0, error=0)
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return Measures(
        accuracy=accuracy,
        interval=interval,
        log_loss=float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean()),
        brier=float(((probabilities - truth) ** 2).mean()),
        error=calibration_error(probabilities, truth),
    )


def _accuracy(probabilities: Floats, truth: Floats) -> float | None:
    clear = truth != 0.5
    return float(((probabilities[clear] >= 0.5) == (truth[clear] > 0.5)).mean()) if clear.any() else None


def _value(labels: Labels, value: str, truth: Floats, ours: Floats, theirs: Floats) -> ValueFacts:
    good, half, bad = labels.counts(value)
    return ValueFacts(
        key=value,
        text=labels.texts[value],
        ok=good,
        partial=half,
        ko=bad,
        accuracy=_accuracy(ours, truth),
        accuracy_without=_accuracy(theirs, truth),
    )
