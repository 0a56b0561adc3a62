"""A person judges, a classifier learns, scoring uses it where it is better: the demo's scorer, and drawings of which the truth is known."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest

from sdgen_core.catalog.stats.formulas import wilson
from sdgen_core.errors import SDGenError
from sdgen_core.scoring.cascade.rules import CascadeSettings
from sdgen_core.scoring.page import page
from sdgen_core.scoring.service import Scoring
from sdgen_core.scoring.settings import ScoringSettings
from sdgen_core.training.classifier.train import Training, measures, of

from .drawn import MISNAMED, judge, opened, said, scored, scorer, slug_of, write


class Drawn:
    """Two sessions, the first of which is judged. ``called``: see ``drawn.write``."""

    def __init__(self, folder, called=None, judged=120):
        root = folder / "root"
        self.folder = folder
        self.first_truth = write(root / "20251120_100000-learn", 120, called)
        self.truth = write(root / "20251120_110000-later", 80, called, first=1000)
        self.library = opened(folder / "catalog", root)
        self.first, self.later = slug_of(self.library, "learn"), slug_of(self.library, "later")
        if judged:
            judge(self.library, self.first_truth, self.first, most=judged)

    def score(self, slug=None, **settings):
        return scored(self.library, slug or self.later, **settings)

    def train(self, *sessions, settings=None, **more):
        return Training(self.library, scorer(), ScoringSettings(**(settings or {}))).train(sessions, **more)

    def right(self):
        """How many of the later images are judged as the person would, and the mean of the squared errors."""
        found = said(self.library, self.later)
        assert len(found) == 80
        good = [(p >= 0.5) == self.truth[file] for file, p in found.items()]
        return np.mean(good), np.mean([(p - self.truth[file]) ** 2 for file, p in found.items()])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both sessions with a word that the scorer takes for another shape, embedded once."""
    drawn = Drawn(tmp_path_factory.mktemp("misnamed"), MISNAMED)
    drawn.score(drawn.first), drawn.score()
    drawn.library.stop()
    return drawn


@pytest.fixture
def misnamed(made, tmp_path):
    """The two sessions, the first judged, both scored. The images stay where they are: the catalog is a copy."""
    shutil.copytree(made.folder / "catalog", tmp_path / "catalog")
    drawn = copy.copy(made)
    drawn.library = opened(tmp_path / "catalog", made.folder / "root")
    yield drawn
    drawn.library.stop()


def test_it_is_used_where_the_scorer_takes_a_word_for_something_else(misnamed):
    before = misnamed.right()
    assert before[0] < 0.97
    report = misnamed.train()
    [head] = report.heads
    assert head.facts.placeholder == "Shape" and head.better and report.left == []
    assert head.facts.ours.brier < head.facts.theirs.brier and head.facts.ours.accuracy > head.facts.theirs.accuracy
    found = misnamed.score()
    shape, colour = found["placeholders"]
    assert (shape["methods"], colour["methods"]) == ({"classifier": 80}, {"clip": 80})
    [tier] = found["cascade"]
    assert (tier["name"], tier["asked"], tier["answered"], tier["failures"]) == ("classifier", 80, 80, [])
    [own] = found["classifier"]
    assert own["used"] and own["reason"] == "" and (own["labels"], own["tried"], own["more"]) == (120, 120, 0)
    after = misnamed.right()
    assert after[0] >= 0.98 and after[1] < before[1] / 2
    assert "your classifier, from 120 verdicts" in page(found, lambda *_: [])
    # who does not want it leaves the tier out
    found = misnamed.score(cascade=CascadeSettings(tiers=["crops", "vlm"]).model_dump())
    assert found["placeholders"][0]["methods"] == {"clip": 80} and found["classifier"] == []
    assert misnamed.right() == pytest.approx(before)


def test_it_is_not_used_where_the_scorer_is_as_good(tmp_path):
    drawn = Drawn(tmp_path)
    try:
        drawn.score(drawn.first), drawn.score()
        before = drawn.right()
        [head] = drawn.train().heads
        assert head.facts.ours.accuracy > 0.95 and not head.better
        found = drawn.score()
        assert found["placeholders"][0]["methods"] == {"clip": 80} and found["cascade"] == []
        [own] = found["classifier"]
        assert not own["used"] and "not better" in own["reason"]
        assert drawn.right() == before
    finally:
        drawn.library.stop()


def test_a_value_that_was_hardly_judged_is_left_to_the_scorer(misnamed):
    rows = misnamed.library.catalog.index.store.rows(
        "SELECT image.id FROM image JOIN session ON session.id = session JOIN image_value ON image = image.id"
        " JOIN value ON value.id = value WHERE slug=? AND text='triangle' ORDER BY number",
        (misnamed.first,),
    )
    misnamed.library.catalog.judge([image for (image,) in rows[3:]], "value/Shape", None)
    [head] = misnamed.train().heads
    assert {value.text for value in head.facts.values if value.known} == {"circle", "ring", "cross"}
    assert (head.facts.labels, head.facts.tried) == (93, 90)
    assert misnamed.score()["placeholders"][0]["methods"] == {"classifier": 60, "clip": 20}


def test_newer_verdicts_are_told_and_nothing_is_trained_for_them(misnamed):
    [head] = misnamed.train().heads
    trained = misnamed.score()
    judge(misnamed.library, misnamed.truth, misnamed.later, most=10)
    found = misnamed.score()
    assert found["classifier"] == [{**trained["classifier"][0], "more": 10}]
    assert of(head, misnamed.library)["more"] == 10
    [again] = misnamed.train().heads
    assert again.facts.labels == 130 and misnamed.score()["classifier"][0]["more"] == 0
    # of one session alone
    [one] = misnamed.train(misnamed.first).heads
    assert one.facts.labels == 120 and misnamed.score()["classifier"][0]["more"] == 0


def test_what_it_is_better_than_stays_the_scorer(misnamed):
    """Scores that the classifier gave are not taken for the scorer's when it is trained again."""
    [first] = misnamed.train().heads
    misnamed.score(misnamed.first)
    [again] = misnamed.train().heads
    assert again.facts.theirs == first.facts.theirs and again.better


def test_what_a_closer_look_said_counts_as_said_without_it():
    from sdgen_core.training.classifier.labels import _later

    def of(method, probability=0.9, identity="a"):
        return {"identity": identity, "values": {"Hair": {"probability": probability, "method": method}}}

    assert _later(of("vlm:tiny"), "a", "Hair", 0.3) == _later(of("crop:face"), "a", "Hair", 0.3) == 0.9
    for first in (of("clip"), of("classifier"), of("vlm:tiny", identity="b"), of("vlm:tiny", None), {}):
        assert _later(first, "a", "Hair", 0.3) == 0.3
    assert _later(of("vlm:tiny"), "a", "Hat", 0.3) == 0.3


# ---- what cannot be done ---------------------------------------------------------------------------------------------------------


def fails(work):
    with pytest.raises(SDGenError) as caught:
        work()
    return caught.value


def test_too_few_verdicts_are_counted(tmp_path):
    drawn = Drawn(tmp_path, judged=0)
    try:
        assert fails(drawn.train).code == "too-few-labels"
        drawn.score(drawn.first)
        good = dict.fromkeys(drawn.first_truth, True)
        judge(drawn.library, good, drawn.first, most=16)
        error = fails(drawn.train)
        assert error.code == "too-few-labels"
        assert "16 ok, 0 partial and 0 ko" in str(error) and "4 more, at least 4 ko" in str(error)
        judge(drawn.library, good, drawn.first)
        assert "all of one kind" in str(fails(lambda: drawn.train(placeholders=["Shape"])))
        judge(drawn.library, drawn.first_truth, drawn.first)
        error = fails(lambda: drawn.train(placeholders=["Shape", "Colour"]))
        assert error.code == "too-few-labels" and str(error).startswith("Colour has 0 ok")
        judge(drawn.library, drawn.first_truth, drawn.first, "Colour", most=3)
        report = drawn.train()
        assert [head.facts.placeholder for head in report.heads] == ["Shape"]
        [left] = report.left
        assert "about values with fewer than 4" in left or "Colour has" in left
    finally:
        drawn.library.stop()


def test_images_that_were_never_scored(tmp_path):
    drawn = Drawn(tmp_path)
    try:
        error = fails(drawn.train)
        assert error.code == "not-scored" and "120" in str(error)
        judge(drawn.library, drawn.truth, drawn.later, most=20)
        drawn.score(drawn.first)
        report = drawn.train()
        assert report.heads[0].facts.labels == 120
        [remark] = report.remarks
        assert remark.startswith("20 judged images of later") and drawn.later in remark
    finally:
        drawn.library.stop()


def test_names_that_nobody_knows(misnamed):
    error = fails(lambda: misnamed.train(placeholders=["Shap"]))
    assert error.code == "unknown-placeholder" and list(error.nearest) == ["Shape"]
    assert fails(lambda: misnamed.train("nowhere")).code == "unknown-session"
    assert fails(lambda: misnamed.train(kind="efficientnet")).code == "no-features"


def test_heads_that_do_not_fit_are_not_used_and_say_why(misnamed):
    [head] = misnamed.train().heads
    heads = Scoring(misnamed.library.catalog, misnamed.library.file, misnamed.library.folder / "scoring").heads
    path = heads.path(head.facts.scorer, "Shape")
    clip = {"clip": 80}

    def said_of():
        found = misnamed.score()
        assert found["placeholders"][0]["methods"] == clip
        [own] = found["classifier"]
        assert not own["used"]
        return own["reason"]

    other = path.parent.with_name("0" * 16)
    path.parent.rename(other)
    assert "was trained for the scorer" in said_of()
    other.rename(path.parent)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert "damaged" in said_of()
    features = head.facts.features.model_copy(update={"identity": "1" * 16})
    heads.save(type(head)(head.facts.model_copy(update={"features": features}), *list(vars(head).values())[1:]))
    assert "other weights" in said_of()
    path.write_bytes(whole)
    assert misnamed.score()["placeholders"][0]["methods"] == {"classifier": 80}


# ---- other features --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """EfficientNet-lite0 that has learnt nothing: random features tell shapes all the same."""
    import timm
    import torch

    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    torch.save(net.state_dict(), path)
    return path


def test_features_of_efficientnet(misnamed, weights, tmp_path):
    """Trained on, used for new images, and not used when the file is gone or another."""
    own = {"efficientnet": str(weights)}
    [head] = misnamed.train(settings=own, kind="efficientnet").heads
    assert head.facts.features.name == "timm tf_efficientnet_lite0" and head.weights.shape == (5, 1280)
    assert head.better and head.facts.ours.accuracy > head.facts.theirs.accuracy
    assert misnamed.score(**own)["placeholders"][0]["methods"] == {"classifier": 80}
    [said] = misnamed.score()["classifier"]
    assert not said["used"] and "scoring.efficientnet" in said["reason"]
    [said] = misnamed.score(efficientnet=str(tmp_path / "none.pth"))["classifier"]
    assert not said["used"] and "none.pth" in said["reason"]


def test_other_names_and_other_files_of_weights(weights, tmp_path):
    import torch

    from sdgen_core.scoring.backends.encoders import efficientnet

    first = efficientnet(weights, "cpu")
    pixels = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    state = torch.load(weights, weights_only=True)
    plain = tmp_path / "plain.pth"
    torch.save({f"_{at}.{name.split('.')[-1]}": tensor for at, (name, tensor) in enumerate(state.items())}, plain)
    assert efficientnet(plain, "cpu").encode_images(pixels) == pytest.approx(first.encode_images(pixels), abs=1e-6)
    wrong = tmp_path / "wrong.pth"
    torch.save(dict(list(state.items())[5:]), wrong)
    assert fails(lambda: efficientnet(wrong, "cpu")).code == "scorer-wrong-kind"
    wrong.write_bytes(b"nothing")
    assert fails(lambda: efficientnet(wrong, "cpu")).code == "scorer-bad-file"


def test_measures_against_hand():
    said = measures(np.array([0.9, 0.2, 0.6, 0.5]), np.array([1.0, 0.0, 0.0, 0.5]), np.arange(4))
    assert said.accuracy == pytest.approx(2 / 3)
    assert said.brier == pytest.approx((0.01 + 0.04 + 0.36) / 4)
    assert said.log_loss == pytest.approx(-(np.log(0.9) + np.log(0.8) + np.log(0.4) + np.log(0.5)) / 4)
    assert said.interval == pytest.approx(wilson(2, 3))
    nothing = measures(np.empty(0), np.empty(0), np.empty(0, np.int64))
    assert (nothing.accuracy, nothing.interval) == (0, (0, 1))


def test_twins_do_not_make_the_interval_narrower():
    truth = np.tile([1.0, 0.0, 1.0, 0.0], 10)
    said = np.where(np.arange(40) % 10 == 0, 1 - truth, truth)  # one of ten is wrong
    alone = measures(said, truth, np.arange(40))
    twins = measures(said, truth, np.arange(40) // 4)
    assert alone.accuracy == twins.accuracy == pytest.approx(0.9)
    assert alone.interval == pytest.approx(wilson(36, 40)) and twins.interval == pytest.approx(wilson(9, 10))
    assert twins.interval[0] < alone.interval[0] and twins.interval[1] > alone.interval[1]
