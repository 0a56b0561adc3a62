"""The regression, and the folds that it is tried on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.training.classifier import fit as module
from sdgen_core.training.classifier.fit import FOLDS, fit, folds_of, groups_of, probabilities, will_do


def told(n=150, k=4, width=40, right=0.7, noise=0.6, seed=0):
    """Images of k values with noise: features, what was asked, truth, what is shown."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(k, width)) / width**0.5
    asked = np.arange(n) % k
    truth = (rng.random(n) < right).astype(float)
    shown = np.where(truth > 0, asked, (asked + rng.integers(1, k, n)) % k)
    return middles[shown] + noise * rng.normal(size=(n, width)) / width**0.5, asked, truth, shown


def alone(n):
    """Folds without groups."""
    return np.arange(n) % FOLDS


def test_it_says_what_new_images_show():
    features, asked, truth, _ = told()
    fitted = fit(features, asked, truth, 4, alone(len(truth)))
    new, wanted, right, shown = told(n=400, seed=1)
    found = probabilities(new, fitted.weights, fitted.bias)
    assert found.sum(1) == pytest.approx(1)
    assert (found[:, :4].argmax(1) == shown).mean() > 0.95
    own = found[np.arange(400), wanted]
    assert ((own >= 0.5) == right).mean() > 0.95
    assert ((fitted.held_out >= 0.5) == truth).mean() > 0.9


def test_the_search_ends_where_torchs_does():
    import torch

    features, asked, truth, _ = told(n=60, noise=1.5)
    truth[::7] = 0.5
    x = module._turned(features)[0]
    texts = np.random.default_rng(4).normal(size=(60, 5))
    found = module._solve(module._Rows(x, texts, asked, truth), 1.0, None)

    def loss(both):
        both, share = both[:-1].reshape(5, -1), both[-1]
        logits = torch.from_numpy(x) @ both[:, :-1].T + both[:, -1] + share * torch.from_numpy(texts)
        p = torch.softmax(logits, 1)[torch.arange(60), torch.from_numpy(asked)]
        t = torch.from_numpy(truth)
        penalty = (both[:, :-1] ** 2).sum() + module._BIAS * ((both[:, -1] ** 2).sum() + share**2)
        return -(t * p.log() + (1 - t) * (1 - p).log()).sum() + penalty / 2

    theirs = torch.zeros(5 * (x.shape[1] + 1) + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([theirs], max_iter=500, line_search_fn="strong_wolfe")

    def step():
        search.zero_grad()
        out = loss(theirs)
        out.backward()
        return out

    search.step(step)
    ours = np.concatenate([found.weights, found.bias[:, None]], 1).ravel()
    ended = loss(torch.from_numpy(np.append(ours, found.share)))
    assert ended.item() == pytest.approx(loss(theirs).item(), rel=1e-3)


def test_no_teaches_that_a_value_is_not_there():
    """Of the first value there are only failures, which show the second."""
    features, asked, truth, shown = told(n=200)
    truth[asked == 0], shown[asked == 0] = 0, 1
    middle = [features[(shown == at) & (asked == at)].mean(0) for at in (1, 2, 3)]
    features[asked == 0] = middle[0] + 0.1 * np.random.default_rng(3).normal(size=features[asked == 0].shape)
    fitted = fit(features, asked, truth, 4, alone(200))
    found = probabilities(np.array(middle), fitted.weights, fitted.bias)
    assert found[0, 0] < 0.1 and found[0, 1] > 0.8


def test_texts_tell_what_few_labels_do_not_and_labels_go_first():
    """With texts, eight labels a value do; and where all texts name another value, they do no harm."""
    middles = np.random.default_rng(99).normal(size=(4, 40)) / 40**0.5
    new, wanted, right, _ = told(n=400, seed=1, noise=1.5)

    def good(n, texts):
        features, asked, truth, _ = told(n=n, seed=2, noise=1.5)
        fitted = fit(features, asked, truth, 4, alone(n), texts)
        own = probabilities(new, fitted.weights, fitted.bias)[np.arange(400), wanted]
        return ((own >= 0.5) == right).mean()

    assert good(32, middles) > good(32, None) + 0.05
    assert good(200, np.roll(middles, 1, 0)) > good(200, None) - 0.03


def test_images_that_show_none_of_the_values():
    """One value alone: what is not it has a class of its own."""
    features, _, _, shown = told(n=200)
    one = np.zeros(200, np.int64)
    is_first = shown == 0
    fitted = fit(features, one, is_first.astype(float), 1, alone(200))
    assert fitted.weights.shape == (2, 40)
    assert ((fitted.held_out >= 0.5) == is_first).mean() > 0.9


def test_twins_do_not_tell_of_each_other():
    """Features say nothing about truth but who is whose twin: only folds that cut twins apart would seem to know it."""
    rng = np.random.default_rng(0)
    pair = np.arange(200) // 2
    features = rng.normal(size=(100, 300))[pair] + 0.01 * rng.normal(size=(200, 300))
    truth = (rng.random(100) < 0.5).astype(float)[pair]
    asked = np.zeros(200, np.int64)
    cut = fit(features, asked, truth, 1, alone(200)).held_out
    groups, remark = groups_of([str(n) for n in range(200)], pair.tolist(), [None] * 200)
    whole = fit(features, asked, truth, 1, folds_of(groups, asked, truth)).held_out
    assert remark == ""
    assert ((cut >= 0.5) == truth).mean() > 0.9
    assert ((whole >= 0.5) == truth).mean() < 0.65


def test_a_label_has_no_part_in_what_is_said_of_it():
    features, asked, truth, _ = told()
    folds = alone(len(truth))
    before = fit(features, asked, truth, 4, folds).held_out
    other = truth.copy()
    other[folds == 2] = 1 - other[folds == 2]
    after = fit(features, asked, other, 4, folds)
    assert after.held_out[folds == 2] == pytest.approx(before[folds == 2], abs=1e-9)


def test_images_that_are_all_alike_end_it_not():
    asked, truth = np.arange(40) % 2, np.arange(40) // 2 % 2.0
    fitted = fit(np.ones((40, 8)), asked, truth, 2, alone(40))
    assert np.isfinite(fitted.weights).all() and fitted.held_out == pytest.approx([0.5] * 40, abs=0.05)


# ---- groups and folds -------------------------------------------------------------------------------------------------------------


def keys(n):
    return [f"{at:032x}" for at in range(n)]


def test_near_duplicates_one_seed_and_one_content_are_together():
    seeds = [*range(3, 33)]
    seeds[5] = seeds[4]
    hashes = [(at * 0x9E3779B97F4A7C15) % (1 << 64) - (1 << 63) for at in range(30)]
    hashes[8] = hashes[7] ^ 0b101
    names = keys(30)
    names[11] = names[10]
    groups, remark = groups_of(names, seeds, hashes)
    assert remark == ""
    assert groups[4] == groups[5] and groups[7] == groups[8] and groups[10] == groups[11]
    assert len(set(groups.tolist())) == 27


def test_one_seed_for_all_images_is_said():
    groups, remark = groups_of(keys(30), [7] * 30, [None] * 30)
    assert will_do(groups) and "too few seeds" in remark
    groups, remark = groups_of(keys(30), [7] * 30, [5] * 30)
    assert len(set(groups.tolist())) == 30 and "alike" in remark
    groups, remark = groups_of(keys(30), list(range(30)), [5] * 30)
    assert len(set(groups.tolist())) == 30 and "look alike" in remark


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.none() | st.integers(0, 30), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])
        ),
        min_size=1,
        max_size=120,
    )
)
def test_groups_are_whole_in_folds(rows):
    names, seeds, asked, truth = zip(*rows, strict=True)
    groups, _ = groups_of([str(name) for name in names], seeds, [None] * len(rows))
    folds = folds_of(groups, np.array(asked), np.array(truth))
    assert set(folds.tolist()) <= set(range(FOLDS))
    for group in set(groups.tolist()):
        assert len(set(folds[groups == group].tolist())) == 1
    for name in set(names):  # whatever way was taken: one content is in one fold
        assert len({fold for own, fold in zip(names, folds.tolist(), strict=True) if own == name}) == 1
    assert (folds_of(groups, np.array(asked), np.array(truth)) == folds).all()


def test_folds_are_even_where_groups_allow_it():
    asked, truth = np.arange(200) % 4, (np.arange(200) // 4 % 3 > 0).astype(float)
    folds = folds_of(np.arange(200) // 2, asked, truth)
    for value in range(4):
        for good in (0.0, 1.0):
            counts = np.bincount(folds[(asked == value) & (truth == good)], minlength=FOLDS)
            assert counts.max() - counts.min() <= 4
