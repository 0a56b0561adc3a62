"""Probabilities of values from embeddings: right where the truth is known, the same in any order, and honest about what cannot be said."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.aesthetic import load_head
from sdgen_core.scoring.classes import failing, value_rates
from sdgen_core.scoring.estimates import levels
from sdgen_core.scoring.estimates.calibration import Calibration, auc, calibration_error, features
from sdgen_core.scoring.estimates.levels import believed, estimate
from sdgen_core.scoring.estimates.values import Values, calibrate, describe, normalised, prompt_scores, score, truths
from sdgen_core.scoring.texts.wording import Wording

from .simulated import SCALE, WIDTH, encode, meaning, scored, session
from .test_calibration import world

#: Of images, so that a model is wrong in some of them.
NOISE = 2.5
COLOURS = ["red", "blue", "green", "yellow", "purple", "orange", "pink", "black", "white", "grey", "brown", "cyan"]
OUTFITS = ["a red dress", "a blue coat", "a suit", "a kimono"]
WORLD = {"HairColor": COLOURS[:6], "Outfit": OUTFITS, "Pose": ["standing", "sitting", "kneeling"]}


def by_key(said, key):
    return said.probabilities[said.asked == said.keys.index(key)]


def test_without_verdicts_images_are_judged_well():
    """Good images come out high, others low, and as often right as is said; the value that fails does too."""
    embeddings, values, truth = session(1, WORLD, 400, fails={"blue": 0.1})
    for name, said in scored(embeddings, values).items():
        assert not said.calibrated and said.method == "clip" and said.reason is None
        p, is_there = said.probabilities, truth[name]
        assert ((p >= 0.5) == (is_there > 0)).mean() > 0.95
        assert p[is_there > 0].mean() > 0.9 and p[is_there == 0].mean() < 0.2
        assert calibration_error(p, is_there) < 0.05
        assert said.separation > 0.75
    assert by_key(scored(embeddings, values)["HairColor"], "blue").mean() < 0.25


def test_values_that_share_words_are_told_apart_by_the_others():
    """Of 48 values made of two words each, two fail often, and show a value that shares one of the words."""
    names = [
        f"{colour} {thing}" for colour in COLOURS[:8] for thing in ("robe", "gown", "cloak", "tunic", "cape", "sari")
    ]
    wrong = {"purple cape": "purple gown", "green cloak": "yellow cloak"}
    for seed in range(3):
        embeddings, values, truth = session(
            seed, {"Outfit": names}, 48 * 40, right=1.0, fails={"purple cape": 0.0, "green cloak": 0.6}, instead=wrong
        )
        said = scored(embeddings, values)["Outfit"]
        assert ((said.probabilities >= 0.5) == (truth["Outfit"] > 0)).mean() > 0.99
        rates = {rate.key: rate for rate in value_rates([said])}
        assert {rate.key for rate in failing(list(rates.values()), 2)} == set(wrong)
        assert max(rates[key].high for key in wrong) < min(rate.low for key, rate in rates.items() if key not in wrong)
        assert not said.groups


@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_three_images_are_enough(right):
    """One image of each value, nothing known before: over many such sessions hits are high and misses low."""
    found = []
    for seed in range(20):
        embeddings, values, truth = session(seed, {"HairColor": COLOURS[:3]}, 3, right=right)
        found += zip(scored(embeddings, values)["HairColor"].probabilities, truth["HairColor"], strict=True)
    p, is_there = np.array(found).T
    assert ((p >= 0.5) == (is_there > 0)).mean() > 0.9
    assert not (is_there > 0).any() or p[is_there > 0].mean() > 0.85
    assert not (is_there == 0).any() or p[is_there == 0].mean() < 0.2


@pytest.mark.parametrize("values", [4, 12, 40])
def test_without_verdicts_probabilities_are_no_worse_than_a_softmax(values):
    """In the world of the calibration tests: every text and image at a level of its own."""
    errors, plain, apart = [], [], []
    for seed in range(10):
        similarities, asked, truth = world(seed, values, 600)
        p = estimate(similarities, asked, SCALE).probabilities(similarities, asked)
        errors.append(calibration_error(p, truth))
        apart.append(auc(p, truth))
        plain.append(calibration_error(1 / (1 + np.exp(-features(similarities, asked, SCALE)[:, 0])), truth))
    assert np.mean(errors) < 0.07 and np.mean(errors) < np.mean(plain)
    assert np.mean(apart) > 0.96


@pytest.mark.parametrize("values", [4, 12, 40])
def test_a_hundred_verdicts_calibrate(values):
    """Fitted on one session's first hundred images, right on another session's: on average within 5 %."""
    names = [f"{colour} {thing}" for thing in ("robe", "gown", "cloak", "tunic") for colour in COLOURS][:values]
    errors = []
    for seed in range(8):
        shape = {"Outfit": names}
        embeddings, of, truth = session(seed, shape, 500, right=0.66, noise=NOISE)
        said = scored(embeddings, of)["Outfit"]
        judged = truth["Outfit"].copy()
        judged[100:] = np.nan
        fitted = calibrate([(said, judged)])
        assert fitted["Outfit"].labels == 100
        again = {name: Calibration(**json.loads(json.dumps(one.to_dict()))) for name, one in fitted.items()}
        embeddings, of, truth = session(1000 + seed, shape, 1500, right=0.66, noise=NOISE)
        said = scored(embeddings, of, again)["Outfit"]
        assert said.calibrated and said.summary()["labels"] == 100
        errors.append(calibration_error(said.probabilities, truth["Outfit"]))
    assert np.mean(errors) <= 0.05


def test_verdicts_of_several_sessions_count_together():
    judged = []
    for seed in range(4):
        embeddings, values, truth = session(seed, {"Pose": WORLD["Pose"]}, 30)
        said = scored(embeddings, values)["Pose"]
        verdicts = truths(["ok" if there else "ko" for there in truth["Pose"]][:20] + [None] * 5 + ["no-effect"] * 5)
        judged.append((said, verdicts))
    assert calibrate(judged)["Pose"].labels == 80
    assert truths(["ok", "partial", "ko", "unintended", None])[:3].tolist() == [1, 0.5, 0]
    assert calibrate(judged[:1])["Pose"].labels == 20 if judged[0][1][:20].sum() <= 16 else True


def test_order_of_images_and_values_does_not_matter():
    embeddings, values, _ = session(3, WORLD, 120)
    before = scored(embeddings, values)
    rng = np.random.default_rng(0)
    rows = rng.permutation(120)
    turned = []
    for one in values:
        keys = list(one.texts)
        order = rng.permutation(len(keys))
        place = np.argsort(order)
        turned.append(Values(one.name, {keys[n]: one.texts[keys[n]] for n in order}, place[one.asked[rows]]))
    after = scored(embeddings[rows], turned[::-1])
    for name, said in before.items():
        assert np.allclose(after[name].probabilities, said.probabilities[rows], atol=1e-6)
        assert after[name].separation == pytest.approx(said.separation)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 12), st.integers(0, 10**6), st.floats(0.001, 1), st.data())
def test_probabilities_keep_to_their_bounds_and_rise(k, n, seed, size, data):
    """Whatever the similarities: from 0 to 1, and never lower for an image that looks more like its value."""
    rng = np.random.default_rng(seed)
    similarities = rng.normal(0, size, (n, k)).clip(-1, 1)
    asked = rng.integers(0, k, n)
    levels = estimate(similarities, asked, SCALE)
    p = levels.probabilities(similarities, asked)
    assert ((p >= 0) & (p <= 1)).all()
    more = similarities.copy()
    more[np.arange(n), asked] += data.draw(st.floats(0, 1))
    assert (levels.probabilities(more, asked) >= p - 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 3))
def test_calibrated_probabilities_rise_too(seed, slope):
    """Even when verdicts say the opposite of the model."""
    from sdgen_core.scoring.estimates.calibration import fit

    rng = np.random.default_rng(seed)
    similarities = rng.normal(0.2, 0.03, (60, 4))
    asked = rng.integers(0, 4, 60)
    found = features(similarities, asked, SCALE)
    truth = (rng.random(60) < 1 / (1 + np.exp(-slope * found[:, 1] / 3))).astype(float)
    fitted = fit(found, truth)
    if fitted:
        more = similarities.copy()
        more[np.arange(60), asked] += 0.01
        assert (fitted.probabilities(features(more, asked, SCALE)) >= fitted.probabilities(found) - 1e-9).all()


def test_what_cannot_be_judged_is_said():
    embeddings, _, _ = session(4, {"Pose": WORLD["Pose"]}, 4)
    asked = np.array([0, 1, 1, -1])
    said = scored(
        embeddings,
        [
            Values("Side", {"l": "left", "r": "right"}, asked),
            Values("Quality", {"a": "masterpiece", "b": "8k"}, asked),
            Values("Mood", {"a": "happy", "b": "sad"}, asked),
            Values("Hat", {"a": "a hat", "b": "no hat"}, asked),
            Values("Unused", {"a": "a hat", "b": "a cap"}, np.full(4, -1)),
            Values("Nothing", {}, np.full(4, -1)),
        ],
        wording=Wording.model_validate({"Mood": "not assessable"}),
    )
    reasons = {name: one.reason for name, one in said.items()}
    assert reasons == {
        "Side": "side", "Quality": "quality", "Mood": "setting", "Hat": None, "Unused": "nothing-asked", "Nothing": "nothing-asked",
    }  # fmt: skip
    assert said["Hat"].reasons == {"b": "negation"}
    assert np.isfinite(said["Hat"].probabilities).tolist() == [True, False, False, False]
    json.dumps([one.summary() for one in said.values()])


def test_one_value_is_compared_with_texts_that_say_none():
    embeddings, values, _ = session(5, {"Person": ["a dragon"], "Pose": WORLD["Pose"]}, 60)
    without, others, _ = session(6, {"Pose": WORLD["Pose"]}, 60)
    said = scored(embeddings, values)["Person"]
    assert said.contrast == "neutral" and not said.calibrated and said.features is None
    assert said.probabilities.mean() > 0.8
    not_there = scored(without, [Values("Person", {"a dragon": "a dragon"}, np.zeros(60, int)), *others])["Person"]
    assert not_there.probabilities.mean() < said.probabilities.mean() - 0.3


def test_an_empty_value_is_there_when_the_others_are_not():
    embeddings, values, truth = session(7, {"Hat": ["a straw hat", "a crown", ""], "Pose": WORLD["Pose"]}, 300)
    said = scored(embeddings, values)["Hat"]
    assert said.reasons == {} and said.contrast == "values"
    for key in said.keys:
        own = said.asked == said.keys.index(key)
        assert auc(said.probabilities[own], truth["Hat"][own]) > 0.9
    assert by_key(said, "")[truth["Hat"][said.asked == 2] > 0].mean() > 0.7


def test_two_words_for_one_thing_are_judged_together():
    """ "grey" and "gray" are the same to the model; images of either are not failures for looking like the other."""

    def same(texts):
        return encode([text.replace("gray", "grey") for text in texts])

    embeddings, values, truth = session(8, {"HairColor": ["red", "blue", "green", "grey"]}, 200)
    asked = values[0].asked.copy()
    asked[np.flatnonzero(asked == 3)[::2]] = 4
    both = Values("HairColor", {text: text for text in ("red", "blue", "green", "grey", "gray")}, asked)
    (said,) = score(embeddings, describe([both], same), SCALE)
    ((keys, apart),) = said.groups
    assert set(keys) == {"grey", "gray"} and apart is None  # their texts are one
    assert ((said.probabilities >= 0.5) == (truth["HairColor"] > 0)).mean() > 0.95
    few = Values("HairColor", both.texts, asked[:9])
    (said,) = score(embeddings[:9], describe([few], same), SCALE)
    assert said.groups == ((("grey", "gray"), None),)
    (said,) = score(
        embeddings, describe([Values("HairColor", {"grey": "grey", "gray": "gray"}, asked % 2)], same), SCALE
    )
    assert said.reason == "alike" and np.isnan(said.probabilities).all()


def test_words_that_a_model_hardly_tells_apart_are_found_in_the_images():
    """Their texts differ, but images of either look like both."""
    texts = ["red", "blue", "green", "grey", "silver"]
    embeddings, values, _ = session(11, {"HairColor": texts[:4]}, 300)
    asked = values[0].asked.copy()
    asked[np.flatnonzero(asked == 3)[::2]] = 4
    (described,) = describe([Values("HairColor", {text: text for text in texts}, asked)], encode)
    turned = described.vectors.copy()
    turned[4] = normalised(turned[3] + 0.4 * (turned[4] - turned[3]))
    (said,) = score(embeddings, [replace(described, vectors=turned)], SCALE)
    ((keys, apart),) = said.groups
    assert set(keys) == {"grey", "silver"} and 0.3 < apart < 0.7


@pytest.mark.parametrize("images", [0, 1, 2])
def test_hardly_any_images(images):
    embeddings, values, _ = session(0, {"HairColor": COLOURS, "Hat": ["a crown", ""]}, images)
    for said in scored(embeddings, values).values():
        assert said.probabilities.shape == (images,)
        assert ((said.probabilities >= 0) & (said.probabilities <= 1)).all()
        assert said.reason == ("nothing-asked" if not images else None)


def test_a_value_that_is_made_as_another_is_a_failure():
    """Images of it look just like those of the other value, but the model knows the words apart."""
    embeddings, values, _ = session(9, {"HairColor": COLOURS[:4]}, 200, right=1.0)
    asked = values[0].asked.copy()
    asked[np.flatnonzero(asked == 0)[::2]] = 4
    (said,) = score(embeddings, describe([Values("HairColor", {t: t for t in COLOURS[:5]}, asked)], encode), SCALE)
    assert said.groups == ()
    assert by_key(said, COLOURS[4]).mean() < 0.1 and by_key(said, COLOURS[0]).mean() > 0.9


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_generator_that_likes_one_value_does_not_raise_its_level(share):
    """Most images show one value, whatever they were asked for: those that were asked for it are right, the others are not."""
    rng = np.random.default_rng(0)
    _, values, _ = session(0, {"HairColor": COLOURS}, 300)
    shows_red = rng.random(300) < share
    texts = [COLOURS[0] if red else COLOURS[n] for red, n in zip(shows_red, values[0].asked, strict=True)]
    embeddings, _, _ = session(1, {}, 300)
    embeddings = normalised(embeddings + 0.25 * np.array([meaning(text) for text in texts])).astype(np.float32)
    said = scored(embeddings, values)["HairColor"]
    is_there = np.array([text == said.keys[n] for text, n in zip(texts, said.asked, strict=True)])
    assert ((said.probabilities >= 0.5) == is_there).mean() > 0.95
    assert by_key(said, COLOURS[0]).mean() > 0.8


def test_a_model_that_sees_nothing_says_so():
    rng = np.random.default_rng(0)
    embeddings = normalised(rng.normal(size=(400, WIDTH))).astype(np.float32)
    _, values, _ = session(10, {"Pose": WORLD["Pose"], "HairColor": COLOURS}, 400)
    said = scored(embeddings * 0.01 + normalised(np.ones(WIDTH)), values)
    assert {one.reason for one in said.values()} == {"unseen"}
    assert all(np.isnan(one.probabilities).all() and one.features is not None for one in said.values())


def test_every_phrase_goes_through_the_model_once():
    calls = []

    def watched(texts):
        calls.extend(texts)
        return encode(texts)

    _, values, _ = session(0, {**WORLD, "OtherPose": WORLD["Pose"]}, 3)
    found = describe(values, watched)
    assert len(calls) == len(set(calls))
    for one in found:
        assert np.allclose(np.linalg.norm(one.vectors, axis=1), 1, atol=1e-5)
    assert describe([], watched) == []
    assert describe([Values("S", {"l": "left"}, np.array([0]))], lambda texts: encode(texts))[0].vectors.shape == (
        1,
        WIDTH,
    )


def test_values_by_key():
    values = Values.of("Pose", {"a": "standing", "b": "sitting"}, ["b", None, "a"])
    assert values.asked.tolist() == [1, -1, 0]
    with pytest.raises(KeyError):
        Values.of("Pose", {"a": "standing"}, ["c"])


def test_another_width_is_refused():
    embeddings, values, _ = session(0, {"Pose": WORLD["Pose"]}, 6)
    with pytest.raises(ValueError, match="128"):
        score(embeddings[:, :128], describe(values, encode), SCALE)


def test_believed_levels_are_the_models_own_temperature():
    levels = believed(5, 50.0)
    assert levels.effect / levels.noise**2 == pytest.approx(50.0)
    assert sum(levels.shares) == pytest.approx(1) and not levels.fitted


def test_clipscore():
    images = normalised(np.array([[1.0, 0.0], [1.0, 1.0]])).astype(np.float32)
    prompts = normalised(np.array([[1.0, 0.0], [-1.0, 0.0]])).astype(np.float32)
    assert prompt_scores(images, prompts) == pytest.approx([2.5, 0.0])


def layers(*sizes):
    torch.manual_seed(0)
    return torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in pairwise(sizes)))


@pytest.mark.parametrize("kind", ["linear.pth", "linear.safetensors", "mlp.pth", "mlp.safetensors"])
def test_an_aesthetic_head_gives_what_torch_gives(tmp_path, kind):
    model = layers(16, 8, 4, 1) if kind.startswith("mlp") else torch.nn.Linear(16, 1)
    state = {
        ("layers." if kind.startswith("mlp") else "") + name: tensor for name, tensor in model.state_dict().items()
    }
    path = tmp_path / kind
    save_file(state, path) if kind.endswith("safetensors") else torch.save(state, path)
    images = normalised(np.random.default_rng(0).normal(size=(5, 16))).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()[:, 0]
    assert load_head(path, 16).scores(images) == pytest.approx(expected, abs=1e-5)


class NoWeights:
    """What a file from strangers might hold."""


def test_a_file_that_is_no_aesthetic_head_is_named(tmp_path):
    bad = {
        "wide.pth": layers(8, 1).state_dict(),
        "two.pth": layers(16, 2).state_dict(),
        "torn.pth": {"layers.0.weight": torch.zeros(4, 16), "layers.2.weight": torch.zeros(1, 5)},
        "relu.pth": {f"layers.{n}.weight": torch.zeros(1 if n == 6 else 16, 16) for n in (0, 3, 6)},
        "conv.pth": {"0.weight": torch.zeros(4, 16, 3, 3)},
        "other.pth": {"visual.proj": torch.zeros(4, 4)},
        "nan.pth": {"weight": torch.full((1, 16), float("nan"))},
        "empty.pth": {},
        "list.pth": [torch.zeros(1, 16)],
        "code.pth": NoWeights(),
    }
    for name, content in bad.items():
        torch.save(content, tmp_path / name)
    (tmp_path / "text.safetensors").write_bytes(b"no weights at all")
    (tmp_path / "text.pth").write_bytes(b"no weights at all")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(SDGenError) as error:
            load_head(path, 16)
        assert error.value.code == "bad-aesthetic-head" and path.name in error.value.message
    with pytest.raises(SDGenError) as error:
        load_head(tmp_path / "gone.pth", 16)
    assert error.value.code == "missing-file"


def test_the_next_image_of_many_values_does_not_need_the_texts_again(monkeypatch):
    """And what is summed up before the steps is what each step would sum up."""
    rng = np.random.default_rng(3)
    texts = rng.normal(1, 1, (30, 16))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    near, asked = texts @ texts.T, rng.integers(0, 30, 80)
    similarities = (rng.normal(1, 0.3, (80, 16)) + texts[asked]) @ texts.T / 8
    levels.estimate(similarities[:-1], asked[:-1], SCALE, near=near)
    made = []
    monkeypatch.setattr(np.linalg, "pinv", lambda *given, **how: made.append(given))
    now = levels.estimate(similarities, asked, SCALE, near=near)
    assert not made
    monkeypatch.undo()
    around = similarities - similarities.mean(1, keepdims=True)
    corrected, shown = levels._shown(now, around - now.texts, asked)
    apart = np.linalg.pinv(now.together, rcond=1e-9, hermitian=True)
    before = levels.believed(30, SCALE, near=near)
    leaning, spread = around.sum(0) @ apart, float(((around @ apart) * around).sum())
    step = levels._better(now, before, around, asked, (apart, leaning, spread))
    rest = ((corrected @ apart) * corrected).sum() - 2 * step.effect * (shown * corrected).sum()
    rest += step.effect**2 * (shown.sum(0) @ now.together.diagonal())
    noise = (rest + before.noise**2 * levels._NOISE_WEIGHT) / (80 * 29 + levels._NOISE_WEIGHT)
    assert step.noise == pytest.approx(noise**0.5, rel=1e-9)
    high = (around - step.effect * (shown @ now.together)).sum(0) / (80 + levels._LEVEL_WEIGHT)
    assert step.texts == pytest.approx(high - high.mean(), abs=1e-12)
