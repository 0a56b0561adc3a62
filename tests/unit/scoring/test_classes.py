"""Classes of images and sessions, and the values that fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdgen_core.scoring.classes import Thresholds, classify, failing, value_rates
from sdgen_core.scoring.estimates.values import PlaceholderScores

from .simulated import scored, session

NAN = float("nan")


def said(name, probabilities, asked=None, keys=("a", "b")):
    asked = np.zeros(len(probabilities), int) if asked is None else np.array(asked)
    return PlaceholderScores(name, "other", keys, asked, np.array(probabilities, float), None, {})


def test_classes_by_the_mean_of_what_could_be_judged():
    one = said("One", [0.9, 0.8, 0.5, 0.4, NAN, NAN, 0.8])
    other = said("Other", [0.9, 0.8, 0.5, 0.5, 0.9, NAN, 0.8])
    third = said("Third", [NAN, NAN, NAN, NAN, NAN, NAN, 0.8])
    found = classify([one, other, third], 7)
    assert found.classes.tolist() == ["success", "partial", "partial", "failed", "success", "none", "partial"]
    assert found.scores.tolist()[:5] == [0.9, 0.8, 0.5, 0.45, 0.9]
    assert np.isnan(found.scores[5])
    assert found.counts == {"success": 2, "partial": 3, "failed": 1, "none": 1}
    assert found.mean == pytest.approx((0.9 + 0.8 + 0.5 + 0.45 + 0.9 + 0.8) / 6)
    assert not found.complete


def test_an_image_is_flagged_when_too_few_values_match():
    columns = [said(str(n), [0.9, 0.9 if n < 7 else 0.1, 0.9 if n < 6 else 0.1, NAN]) for n in range(10)]
    found = classify(columns, 4)
    assert found.flagged.tolist() == [False, False, True, False]
    assert found.matching[:3].tolist() == [1.0, 0.7, 0.6]
    assert classify(columns, 4, Thresholds(match=0.05)).flagged.tolist() == [False] * 4


def test_a_session_is_complete_above_its_threshold():
    assert not classify([said("A", [0.75, 0.75])], 2).complete
    assert classify([said("A", [0.75, 0.76])], 2).complete
    assert classify([said("A", [0.6, 0.6])], 2, Thresholds(session_complete=0.5)).complete


def test_nothing_to_judge():
    for columns, images in (([], 3), ([said("A", [NAN] * 3)], 3), ([], 0)):
        found = classify(columns, images)
        assert found.classes.tolist() == ["none"] * images
        assert found.mean is None and not found.complete and not found.flagged.any()
    assert value_rates([said("A", [NAN])]) == []


@pytest.mark.parametrize(
    "bad", [{"success": 1.1}, {"partial": -0.1}, {"success": 0.4}, {"partial": 0.9}, {"sucess": 0.9}, {"match": "x"}]
)
def test_thresholds_are_checked(bad):
    with pytest.raises(ValidationError):
        Thresholds.model_validate(bad)


@given(st.lists(st.lists(st.one_of(st.just(NAN), st.floats(0, 1)), min_size=4, max_size=4), max_size=5))
def test_classes_are_what_they_say(columns):
    found = classify([said(str(n), column) for n, column in enumerate(columns)], 4)
    for row in range(4):
        known = [column[row] for column in columns if column[row] == column[row]]
        if not known:
            assert found.classes[row] == "none"
            continue
        mean = round(sum(known) / len(known), 9)
        expected = "success" if mean > 0.8 else "failed" if mean < 0.5 else "partial"
        if min(abs(mean - 0.8), abs(mean - 0.5)) > 1e-8:
            assert found.classes[row] == expected
        assert found.scores[row] == pytest.approx(mean, abs=1e-8)
    assert sum(found.counts.values()) == 4


def test_rates_have_their_intervals():
    rows = value_rates([said("A", [0.9] * 17 + [0.1] * 3 + [0.9], [0] * 20 + [1])])
    assert [(row.key, row.images, row.matching) for row in rows] == [("a", 20, 17), ("b", 1, 1)]
    assert (rows[0].low, rows[0].high) == pytest.approx((0.640, 0.948), abs=1e-3)  # 17 of 20
    assert rows[0].mean == pytest.approx(0.78)
    assert failing(rows) == rows[:1]


def test_planted_failures_are_found_and_no_other():
    """Two of many values that the generator makes wrongly come first, with intervals that lie below those of all others."""
    things = ["a star", "a ring", "a cube", "a bell", "a kite", "a drum", "a lamp", "a rose"]
    colours = ["red", "blue", "green", "yellow", "pink", "cyan"]
    embeddings, values, _ = session(
        3, {"Thing": things, "Colour": colours}, 240, right=0.96, fails={"a kite": 0.1, "green": 0.3}
    )
    rates = value_rates(scored(embeddings, values).values())
    first = failing(rates)[:2]
    assert {(rate.placeholder, rate.key) for rate in first} == {("Thing", "a kite"), ("Colour", "green")}
    assert max(rate.high for rate in first) < min(rate.low for rate in rates if rate not in first)
