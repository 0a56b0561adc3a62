"""The whole network learns: the demo's scorer for a few steps on the processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.backends.encoders import digest_of, tuned
from sdgen_core.scoring.backends.interface import Backend
from sdgen_core.scoring.embedding.decoding import decode
from sdgen_core.scoring.service import Scoring
from sdgen_core.scoring.settings import ScoringSettings
from sdgen_core.training.classifier import tune as module
from sdgen_core.training.classifier.train import Training
from sdgen_core.training.classifier.tune import Tuning, tune

from .drawn import MISNAMED, judge, opened, scored, scorer, slug_of, write

QUICK = Tuning(epochs=2, batch=16, rate=1e-4, patience=1, cpu=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Enough judged images that a fifth of them tries a network."""
    folder = tmp_path_factory.mktemp("tuned")
    truth = write(folder / "root" / "20251120_100000-learn", 120, MISNAMED)
    library = opened(folder / "catalog", folder / "root")
    slug = slug_of(library, "learn")
    judge(library, truth, slug)
    scored(library, slug)
    yield library
    library.stop()


def test_a_whole_network_learns_is_kept_and_used(library):
    told = []
    slug = slug_of(library, "learn")
    work = Training(library, scorer(), ScoringSettings(), progress=told.append)
    before = {name: tensor.clone() for name, tensor in scorer().model.state_dict().items()}
    [head] = work.train(placeholders=["Shape"], tuning=QUICK).heads
    assert [line.split(":")[1] for line in told] == [f" epoch {n}" for n in range(1, len(told) + 1)] and told
    # of the scorer itself nothing was changed
    assert all(tensor.equal(before[name]) for name, tensor in scorer().model.state_dict().items())
    facts = head.facts
    assert facts.features.tuned and facts.features.identity != facts.scorer
    assert 20 <= facts.tried <= 28  # a fifth
    assert "epoch" in facts.remarks[0] and facts.ours.accuracy > 0.8
    network = work.heads.network(facts.scorer, "Shape")
    assert digest_of(network.read_bytes()) == facts.features.tuned
    assert work.heads.paths() == [work.heads.path(facts.scorer, "Shape")]

    # what the head says of an image by the kept network is what it said when it was tried
    rows = dict(library.catalog.index.store.rows("SELECT thumb, id FROM image"))
    encoder = tuned(scorer(), network, facts.features.tuned)
    assert isinstance(encoder, Backend)
    keys = dict.fromkeys(head.keys)
    pixels = np.stack([encoder.prepare(decode(library.file(rows[key]))) for key in keys])
    said = head.probabilities(encoder.encode_images(pixels))
    column = {value.key: at for at, value in enumerate(facts.values)}
    asked = dict(
        library.catalog.index.store.rows(
            "SELECT thumb, key FROM image JOIN image_value ON image = image.id JOIN value ON value.id = value"
            " JOIN placeholder ON placeholder.id = placeholder WHERE name='Shape'"
        )
    )
    own = [said[at, column[asked[key]]] for at, key in enumerate(keys)]
    assert own == pytest.approx(head.ours, abs=0.02)

    # and scoring does so
    used = scored(library, slug)
    [one] = used["classifier"]
    if head.better:
        assert one["used"] and used["placeholders"][0]["methods"] == {"classifier": 120}
        assert (library.folder / "scoring" / facts.features.identity).is_dir()
    else:
        assert not one["used"]
    network.write_bytes(network.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(SDGenError, match="not the network"):
        Scoring(library.catalog, library.file, library.folder / "scoring").encoder(facts.features, scorer(), "Shape")
    # a head alone takes its place
    [again] = work.train(placeholders=["Shape"]).heads
    assert not again.facts.features.tuned and not network.exists()


def numbers(library):
    """What ``tune`` takes of the judged images."""
    backend = scorer()
    rows = library.catalog.index.store.rows("SELECT id, number FROM image ORDER BY number")
    files = [library.file(image) for image, _ in rows]
    features = backend.encode_images(np.stack([backend.prepare(decode(file)) for file in files]))
    asked = np.arange(len(files)) % 4
    truth = (np.arange(len(files)) // 4 % 3 > 0).astype(float)
    return backend, files, features, asked, truth, np.arange(len(files)) // 4 % 5


def test_it_learns_what_a_head_alone_does_not(library):
    """With large steps the log loss where it is to stop goes below that of the head on what the scorer sees."""
    backend, files, features, _, _, folds = numbers(library)
    # what is to be told apart is the brightness of one corner, which the scorer was trained not to look at
    rng = np.random.default_rng(0)
    bright = rng.random(len(files)) < 0.5
    pixels = {}
    for file, is_bright in zip(files, bright, strict=True):
        pixels[file] = backend.prepare(decode(file))
        pixels[file][:, :12, :12] = 2.0 if is_bright else -2.0

    class Corner(type(backend)):
        pass

    changed = Corner(**{name: getattr(backend, name) for name in backend.__dataclass_fields__})
    changed.prepare = lambda file: pixels[file]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "decode", lambda file: file)
        blind = np.zeros_like(features) + rng.normal(0, 0.01, features.shape).astype(np.float32)
        asked = np.zeros(len(files), np.int64)
        said = Tuning(epochs=6, rate=1e-3, head_rate=1e-2, patience=6, cpu=True)
        found = tune(changed, lambda at: files[at], blind, asked, bright.astype(float), 1, folds, said)
    tried = np.isfinite(found.held_out)
    assert tried.sum() == 24
    assert ((found.held_out[tried] >= 0.5) == bright[tried]).mean() > 0.9


def test_images_that_are_gone_are_left_out(library, tmp_path):
    backend, files, features, asked, truth, folds = numbers(library)
    gone = int(np.flatnonzero(folds == 0)[0])
    paths = [tmp_path / "none.png" if at == gone else file for at, file in enumerate(files)]
    found = tune(backend, lambda at: paths[at], features, asked, truth, 4, folds, QUICK)
    assert found.remarks[-1] == "1 images could not be read"


def test_what_is_refused(library, monkeypatch):
    backend, files, features, asked, truth, folds = numbers(library)
    few = np.flatnonzero(np.arange(len(files)) < 80)
    parts = (features[few], asked[few], truth[few], 4, folds[few])

    def fails(work):
        with pytest.raises(SDGenError) as caught:
            work()
        return caught.value

    error = fails(lambda: tune(backend, lambda at: files[at], *parts, QUICK))
    assert error.code == "too-few-labels" and "needs 100" in str(error)

    class Fake:
        name = "fake"

    assert fails(lambda: tune(Fake(), lambda at: files[at], *parts, QUICK)).code == "bad-classifier"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert fails(Tuning().device).code == "needs-accelerator"
    assert Tuning(cpu=True).device() == "cpu"

    def full(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(module._Network, "train", full)
    error = fails(lambda: tune(backend, lambda at: files[at], features, asked, truth, 4, folds, QUICK))
    assert error.code == "scorer-out-of-memory" and "--batch" in error.hint
