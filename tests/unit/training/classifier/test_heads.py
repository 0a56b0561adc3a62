"""Heads as files, and which of them are used."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.cascade.classifier import beats
from sdgen_core.scoring.cascade.heads import FORM, Facts, Features, Head, HeadStore, Measures, ValueFacts, read

SCORER = "a" * 16


def head(placeholder="Hair", scorer=SCORER, n=40, good=True):
    measured = Measures(accuracy=0.9, interval=(0.8, 0.95), log_loss=0.2, brier=0.1, error=0.03)
    values = [
        ValueFacts(key=key, text=key.lower(), ok=20, partial=0, ko=10, accuracy=0.9, accuracy_without=None)
        for key in ("Red", "Bäume ünd Blüten")
    ]
    facts = Facts(
        form=FORM,
        placeholder=placeholder,
        scorer=scorer,
        scorer_name="fake",
        features=Features(kind="scorer", identity=scorer, name="fake", width=5),
        values=values,
        labels=60,
        known=60,
        trained_at=1,
        seconds=0.1,
        strength=1.0,
        tried=n,
        ours=measured,
        theirs=measured,
    )
    rng = np.random.default_rng(1)
    truth = np.arange(n) % 2.0
    ours, theirs = np.clip(truth, 0.1, 0.9), np.full(n, 0.5)
    found = (ours, theirs) if good else (theirs, ours)
    keys = tuple(f"{at:032x}" for at in range(n))
    return Head(facts, rng.normal(size=(3, 5)), rng.normal(size=3), keys, truth, *found, np.arange(n) // 2)


def test_what_is_written_is_read(tmp_path):
    store, one = HeadStore(tmp_path), head()
    assert store.load(SCORER, "Hair") is None
    path = store.save(one)
    again = store.load(SCORER, "Hair")
    assert again.facts == one.facts and again.keys == one.keys and again.better
    for name in ("weights", "bias", "truth", "ours", "theirs", "groups"):
        assert getattr(again, name) == pytest.approx(getattr(one, name), abs=1e-6)
    vectors = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    said = again.probabilities(vectors)
    assert said.shape == (4, 3) and said.sum(1) == pytest.approx(1)
    assert store.paths() == [path] and store.forget(SCORER, "Hair") and not store.forget(SCORER, "Hair")
    assert store.paths() == []


def test_a_head_of_another_scorer_or_placeholder_is_not_taken(tmp_path):
    store = HeadStore(tmp_path)
    path = store.save(head())
    for scorer, placeholder in (("b" * 16, "Hair"), (SCORER, "Hat")):
        other = store.path(scorer, placeholder)
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(path.read_bytes())
        with pytest.raises(SDGenError) as caught:
            store.load(scorer, placeholder)
        assert caught.value.code == "bad-classifier" and "Hair" in str(caught.value)
    assert store.others("c" * 16, "Hair") == ["fake", "fake"]


def changed(data, facts=None, **columns):
    """The file with other facts or tensors."""
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    said = {**json.loads(metadata["sdgen"]), **(facts or {})}
    return save({**load(data), **columns}, {"sdgen": json.dumps(said)})


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: b"", "damaged"),
        (lambda data: save({"weights": np.ones(3)}), "no head"),
        (lambda data: changed(data, {"form": FORM + 1}), "newer"),
        (lambda data: changed(data, {"values": 3}), "no head"),
        (lambda data: changed(data, weights=np.ones((3, 6), np.float32)), "another shape"),
        (lambda data: changed(data, ours=np.ones(3, np.float32)), "another shape"),
        (lambda data: changed(data, bias=np.full(3, np.nan, np.float32)), "none"),
    ],
)
def test_a_damaged_file_is_said(tmp_path, damage, word):
    path = HeadStore(tmp_path).save(head())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SDGenError) as caught:
        read(path)
    assert caught.value.code == "bad-classifier" and word in str(caught.value)


def test_what_a_few_seeds_say_is_chance_however_many_images_they_have():
    seeds = np.arange(60) // 15  # three of four go well, the fourth does not
    truth = np.ones(60)
    ours, theirs = np.where(seeds < 3, 0.7, 0.3), np.full(60, 0.5)
    assert beats(ours.tolist(), theirs.tolist(), truth.tolist())
    assert not beats(ours.tolist(), theirs.tolist(), truth.tolist(), seeds.tolist())
    # where the images of a seed differ as others do, it makes no difference
    mixed = (np.arange(60) % 15).tolist()
    assert beats(ours.tolist(), theirs.tolist(), truth.tolist(), mixed)
    assert not beats(ours.tolist(), theirs.tolist(), truth.tolist(), [7] * 60)  # one alone tells nothing


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_each_placeholder_has_a_file_of_its_own(tmp_path_factory, one, other):
    store = HeadStore(tmp_path_factory.getbasetemp())
    paths = {str(store.path(SCORER, name)).lower() for name in (one, other)}
    paths |= {str(store.network(SCORER, name)).lower() for name in (one, other)}
    assert len(paths) == (2 if one == other else 4)
    assert all(len(path.rsplit("/", 1)[-1].encode()) < 100 for path in paths)
