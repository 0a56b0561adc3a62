"""A classifier of one's own: how long its training takes from verdicts to a file, and whether it is used where it should be.

    python3 dev.py bench classifier

``fit``: features with a spread as CLIP's have, of 8 values, 70 % as asked for; the time is that of all folds. ``drawn``: the demo's
drawings and scorer, once with a word that the scorer takes for another shape than the person does, once without: whole training, and how
often the person agrees on images that nobody judged, before and after.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _report import Reporter

from sdgen_core.scoring.settings import ScoringSettings
from sdgen_core.training.classifier.fit import fit
from sdgen_core.training.classifier.train import Training

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.unit.training.classifier.drawn import MISNAMED, judge, opened, said, scored, scorer, slug_of, write

report = Reporter("classifier")


def fitting(labels: int, width: int, values: int = 8) -> None:
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(values, width))
    asked = rng.integers(0, values, labels)
    truth = (rng.random(labels) < 0.7).astype(float)
    shown = np.where(truth > 0, asked, (asked + rng.integers(1, values, labels)) % values)
    features = middles[shown] + 2 * rng.normal(size=(labels, width)) + 3 * rng.normal(size=width)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    begun = time.perf_counter()
    found = fit(features, asked, truth, values, np.arange(labels) % 5, middles)
    figures = {"seconds": time.perf_counter() - begun, "right": float(((found.held_out >= 0.5) == truth).mean())}
    report(f"fit: {labels} verdicts, {width} numbers", at_most={"seconds": 5.0} if labels <= 200 else None, **figures)


def drawn(folder: Path, misnamed: bool, judged: int) -> None:
    called = MISNAMED if misnamed else None
    truths = write(folder / "root" / "20251120_100000-learn", judged, called)
    later = write(folder / "root" / "20251120_110000-later", 120, called, first=1000)
    library = opened(folder / "catalog", folder / "root")
    try:
        first, second = slug_of(library, "learn"), slug_of(library, "later")
        judge(library, truths, first)
        scored(library, first)

        def agree() -> float:
            used = scored(library, second)["classifier"]
            assert all(one["used"] == misnamed for one in used), used
            found = said(library, second)
            return float(np.mean([(p >= 0.5) == later[file] for file, p in found.items()]))

        before, begun = agree(), time.perf_counter()
        Training(library, scorer(), ScoringSettings()).train()
        figures = {"seconds": time.perf_counter() - begun, "agree_before": before, "agree": agree()}
        report(
            f"drawn: {judged} verdicts, {'a word misunderstood' if misnamed else 'all words understood'}",
            at_most={"seconds": 5.0},
            at_least={"agree": max(before, 0.98)},
            **figures,
        )
    finally:
        library.stop()


def main() -> None:
    for labels, width in ((100, 512), (200, 512), (200, 1152), (1000, 768)):
        fitting(labels, width)
    for misnamed in (True, False):
        for judged in (100, 200):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
                drawn(Path(name), misnamed, judged)


if __name__ == "__main__":
    main()
