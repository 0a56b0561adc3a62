"""From similarities to probabilities: against plain readings of the formulas, and in worlds of which the truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.scoring.estimates.calibration import (
    Calibration,
    auc,
    background,
    calibration_error,
    features,
    fit,
    told_apart,
)


def world(seed, values, images, right=0.66):
    """Similarities as a CLIP model gives them: every text and every image has its own level, the value that is shown adds to it.

    Two in three images show what they were asked for, the others another value of the placeholder.
    """
    rng = np.random.default_rng(seed)
    asked = rng.integers(0, values, images)
    truth = (rng.random(images) < right).astype(float)
    shown = np.where(truth > 0, asked, (asked + rng.integers(1, values, images)) % values)
    levels = 0.2 + rng.normal(0, 0.02, values) + rng.normal(0, 0.015, images)[:, None]
    similarities = levels + rng.normal(0, 0.02, (images, values))
    similarities[np.arange(images), shown] += 0.06
    return similarities, asked, truth


@st.composite
def tables(draw):
    k = draw(st.integers(2, 6))
    row = st.lists(st.floats(-1, 1, width=32), min_size=k, max_size=k)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    asked = draw(st.lists(st.integers(0, k - 1), min_size=len(rows), max_size=len(rows)))
    return np.array(rows, np.float64), np.array(asked), draw(st.sampled_from([1.0, 20.0, 100.0]))


@given(tables())
def test_features_are_what_they_say(table):
    similarities, asked, scale = table
    for row, own, found in zip(similarities, asked, features(similarities, asked, scale), strict=True):
        others = np.delete(row, own)
        top = max(row * scale)
        softmax = np.exp(row * scale - top) / np.exp(row * scale - top).sum()
        if 1e-9 < softmax[own] < 1 - 1e-9:
            assert found[0] == pytest.approx(np.log(softmax[own] / (1 - softmax[own])), abs=1e-4)
        assert found[1] == pytest.approx((row[own] - others.mean()) * scale, abs=1e-6)
        assert found[2] == pytest.approx((row[own] - others.max()) * scale, abs=1e-6)


def test_one_value_alone_is_told_from_nothing():
    with pytest.raises(ValueError, match="others"):
        features(np.ones((3, 1)), np.zeros(3, int), 100.0)


scored = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 0.5, 1.0])), max_size=30)


@given(scored)
def test_auc_counts_pairs(pairs):
    scores, truth = (np.array(column, float) for column in zip(*pairs, strict=True)) if pairs else (np.empty(0),) * 2
    good, bad = scores[truth == 1], scores[truth == 0]
    wins = [(g > b) + (g == b) / 2 for g in good for b in bad]
    assert auc(scores, truth) == pytest.approx(sum(wins) / len(wins) if wins else 0.5)


@given(tables())
def test_background_is_a_share_of_the_others(table):
    said, asked, _ = table
    found = background(said, np.arange(len(said)), asked)
    for row, (value, number) in enumerate(zip(asked, found, strict=True)):
        others = said[asked != value, value]
        own = said[row, value]
        share = (sum((others < own) + (others == own) / 2) + 0.5) / (len(others) + 1) if len(others) else 0.5
        assert number == pytest.approx(share)


def test_background_needs_no_verdict_and_orders_images_well():
    similarities, asked, truth = world(1, 12, 3000)
    own = similarities - similarities.mean(1, keepdims=True)
    found = background(own, np.arange(3000), asked)
    assert auc(found, truth) > 0.9
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("values", [4, 12, 40])
def test_a_hundred_verdicts_make_probabilities(values):
    """A probability is met by the share of successes within 5 % on average, whatever the placeholder; a softmax of 40 values is not."""
    errors, plain, apart = [], [], []
    for seed in range(20):
        similarities, asked, truth = world(seed, values, 5000)
        found = features(similarities, asked, 100.0)
        fitted = fit(found[:100], truth[:100])
        assert fitted is not None and fitted.labels == 100
        later = fitted.probabilities(found[100:])
        errors.append(calibration_error(later, truth[100:]))
        apart.append(auc(later, truth[100:]))
        plain.append(calibration_error(1 / (1 + np.exp(-found[100:, 0])), truth[100:]))
    assert np.mean(errors) <= 0.05
    assert max(errors) <= 0.12  # a hundred labels are few: chance alone moves them
    assert np.mean(apart) > 0.93
    assert np.mean(errors) < np.mean(plain) / 2


def test_the_error_that_is_told_is_the_one_on_other_images():
    """Of labels that were held out, so that it does not flatter: on average over worlds close to that on thousands of others."""
    told, real = [], []
    for seed in range(30):
        similarities, asked, truth = world(seed, 12, 4000)
        found = features(similarities, asked, 100.0)
        fitted = fit(found[:200], truth[:200])
        told.append(fitted.error)
        real.append(calibration_error(fitted.probabilities(found[200:]), truth[200:]))
        assert abs(fitted.auc - auc(fitted.probabilities(found[200:]), truth[200:])) < 0.1
    assert abs(np.mean(told) - np.mean(real)) < 0.03


def test_too_few_labels_make_no_calibration():
    similarities, asked, truth = world(3, 4, 200)
    found = features(similarities, asked, 100.0)
    assert fit(found[:19], truth[:19]) is None
    assert fit(found, np.ones(200)) is None
    three = np.ones(200)
    three[:3] = 0
    assert fit(found, three) is None


def test_labels_without_a_mistake_stay_finite_and_order_kept():
    rng = np.random.default_rng(0)
    truth = np.repeat([0.0, 1.0], 50)
    found = np.stack([truth * 10 + rng.normal(0, 0.1, 100)] * 3, 1)
    fitted = fit(found, truth)
    p = fitted.probabilities(found)
    assert (p[50:] > 0.95).all() and (p[:50] < 0.05).all() and np.isfinite(p).all()


def test_features_that_say_nothing_give_the_share_of_successes():
    truth = np.array([1.0] * 70 + [0.0] * 30)
    fitted = fit(np.zeros((100, 3)), truth)
    assert fitted.probabilities(np.zeros((1, 3)))[0] == pytest.approx(0.7, abs=0.01)
    assert fitted.auc == pytest.approx(0.5, abs=0.1)


def test_a_partial_success_is_a_half():
    rng = np.random.default_rng(4)
    truth = rng.choice([0.0, 0.5, 1.0], 300)
    found = np.stack([truth * 4 + rng.normal(0, 1, 300)] * 3, 1)
    fitted = fit(found, truth)
    assert fitted.probabilities(np.full((1, 3), 2.0))[0] == pytest.approx(0.5, abs=0.06)


def test_a_calibration_is_kept_as_json():
    similarities, asked, truth = world(5, 6, 300)
    found = features(similarities, asked, 100.0)
    fitted = fit(found, truth)
    again = Calibration(**json.loads(json.dumps(fitted.to_dict())))
    assert np.allclose(again.probabilities(found), fitted.probabilities(found), atol=1e-12)


def test_calibration_error():
    truth = np.array([1.0, 0.0] * 100)
    assert calibration_error(np.full(200, 0.5), truth) == pytest.approx(0)
    assert calibration_error(np.full(200, 0.9), truth) == pytest.approx(0.4)
    assert calibration_error(np.empty(0), np.empty(0)) == 0


def test_values_that_look_the_same_are_told():
    """Images of two words for one thing: the model gives both the same similarity but for noise."""
    rng = np.random.default_rng(6)
    asked = rng.integers(0, 3, 600)
    shown = np.where(asked == 2, 1, asked)  # the third is another word for the second
    similarities = rng.normal(0.2, 0.01, (600, 3))
    similarities[np.arange(600), shown] += 0.05
    similarities[np.arange(600), np.where(shown == 1, 2, shown)] += 0.05 * (shown == 1)
    assert told_apart(similarities, asked, (0, 1)) > 0.99
    assert told_apart(similarities, asked, (1, 2)) == pytest.approx(0.5, abs=0.08)
