"""Only what is unsure is asked again; what a tier cannot say leaves the result of the one before."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor
from pydantic import ValidationError

from sdgen_core.errors import CODES, SDGenError
from sdgen_core.scoring.cascade import rules as module
from sdgen_core.scoring.cascade import store as cascade_store
from sdgen_core.scoring.cascade import tiers as cascade_tiers
from sdgen_core.scoring.cascade.classifier import ClassifierTier, beats
from sdgen_core.scoring.cascade.crops import Box
from sdgen_core.scoring.cascade.detectors import DetectorSettings
from sdgen_core.scoring.cascade.rules import Answer, CascadeSettings, Claim, cascade, is_unsure
from sdgen_core.scoring.cascade.session import claims_of, contrast_of, look_again
from sdgen_core.scoring.cascade.store import CascadeStore, Crop, Said
from sdgen_core.scoring.cascade.tiers import Contrast, CropTier, VlmTier
from sdgen_core.scoring.estimates.calibration import fit
from sdgen_core.scoring.estimates.values import Values, describe, score
from sdgen_core.scoring.vlm import client as vlm_client
from sdgen_core.scoring.vlm.settings import VlmSettings
from tests.unit.scoring.vlm_server import FakeVlmServer, Reply, chat, error, yes

COLOURS = {"Red": "red", "Green": "lime", "Blue": "blue"}


def claim(image="a", probability=0.5, value="Red", **more):
    return Claim(image, "Hair", value, f"{value.lower()} hair", "hair", probability, False, **more)


class SimulatedTier:
    """A tier whose answers a test gives: claim -> probability, a code, or an exception to raise."""

    every = False

    def __init__(self, name, answers):
        self.name, self.answers, self.asked = name, answers, []

    def serves(self, claim):
        return True

    def answer(self, claims, run):
        for each in claims:
            if run.stopped():
                return
            self.asked.append(each)
            said = self.answers(each)
            if isinstance(said, Exception):
                raise said
            if isinstance(said, str):
                run.fail(each, said, f"image {each.image}")
            else:
                run.answer(each, Answer(said, self.name, True))


# ---- who is asked what ------------------------------------------------------------------------------------------------------


def test_only_what_is_unsure_is_asked_and_only_what_stays_unsure_goes_on():
    claims = [claim(str(n), n / 10) for n in range(11)]
    crops = SimulatedTier("crops", lambda c: 0.95 if c.probability < 0.5 else 0.55)
    vlm = SimulatedTier("vlm", lambda c: 0.05)
    out = cascade(claims, CascadeSettings(low=0.25, high=0.75), [vlm, crops])
    assert {c.image for c in crops.asked} == {"3", "4", "5", "6", "7"}
    assert {c.image for c in vlm.asked} == {"5", "6", "7"}
    asked = {"3": "crops", "4": "crops", "5": "vlm", "6": "vlm", "7": "vlm"}
    assert {c.image: answer.method for c, answer in out.answers.items()} == {
        c.image: asked.get(c.image, "clip") for c in claims
    }
    assert [report.name for report in out.tiers] == ["crops", "vlm"]


def test_a_tie_is_asked_even_when_the_probability_is_sure_until_a_tier_has_decided_it():
    tie, apart = claim("tie", 0.95, margin=-0.2), claim("apart", 0.95, margin=3.0)
    settings = CascadeSettings()
    assert is_unsure(tie, Answer(0.95, "clip", True), settings)
    assert not is_unsure(apart, Answer(0.95, "clip", True), settings)
    assert not is_unsure(tie, Answer(0.95, "crop:hair", True), settings)
    crops, vlm = SimulatedTier("crops", lambda c: 0.9), SimulatedTier("vlm", lambda c: 0.9)
    cascade([tie, apart], settings, [crops, vlm])
    assert (crops.asked, vlm.asked) == ([tie], [])


def test_a_band_from_nought_to_one_asks_about_everything():
    claims = [claim("a", 0.0), claim("b", 1.0)]
    tier = SimulatedTier("vlm", lambda c: 0.5)
    cascade(claims, CascadeSettings(low=0, high=1), [tier])
    assert tier.asked == claims


def test_settings_decide_which_tiers_in_which_order():
    crops, vlm = SimulatedTier("crops", lambda c: 0.5), SimulatedTier("vlm", lambda c: 0.5)
    out = cascade([claim()], CascadeSettings(tiers=["vlm", "crops"]), [crops, vlm])
    assert [report.name for report in out.tiers] == ["vlm", "crops"]
    assert cascade([claim()], CascadeSettings(tiers=["vlm"]), [crops, vlm]).answers[claim()].method == "vlm"
    assert cascade([claim()], CascadeSettings(tiers=[]), [crops, vlm]).answers[claim()].method == "clip"


@pytest.mark.parametrize(
    "wrong",
    [{"low": 0.8, "high": 0.2}, {"tiers": ["crops", "crops"]}, {"tiers": ["clip"]}, {"images": {"vlm": 0}}, {"seconds": {"vlm": -1}},
     {"low": 2}, {"vlm": {"url": "not an address"}}, {"lwo": 0.3}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        CascadeSettings.model_validate(wrong)


def test_of_too_many_images_those_are_asked_of_which_most_is_to_be_learnt():
    claims = [claim("far", 0.7), claim("near", 0.52), claim("near", 0.74, value="Blue"), claim("middle", 0.4)]
    tier = SimulatedTier("vlm", lambda c: 0.9)
    out = cascade(claims, CascadeSettings(images={"vlm": 2}), [tier])
    assert [c.image for c in tier.asked] == ["near", "near", "middle"]
    assert (out.tiers[0].asked, out.tiers[0].left_out) == (3, 1)
    assert out.answers[claims[0]].method == "clip"


def test_a_tier_that_fails_leaves_the_result_of_the_one_before():
    claims = [claim(str(n)) for n in range(6)]
    crops = SimulatedTier("crops", lambda c: "no-region" if c.image == "2" else 0.6)
    vlm = SimulatedTier("vlm", lambda c: SDGenError("vlm-unreachable", "gone") if c.image == "4" else 0.9)
    last = SimulatedTier("classifier", lambda c: RuntimeError("CUDA"))
    out = cascade(claims, CascadeSettings(), [crops, vlm, last])
    assert [out.answers[c].method for c in claims] == ["vlm", "vlm", "vlm", "vlm", "crops", "crops"]
    one, two, three = out.tiers
    assert one.failures == {"no-region": (1, "image 2")}
    assert (two.gave_up.code, two.answered, two.not_reached) == ("vlm-unreachable", 4, 2)
    assert three.gave_up.code == "tier-failed"
    assert "RuntimeError: CUDA" in str(three.gave_up)
    assert out.tiers[1].to_dict()["gave_up"]["error"] == "vlm-unreachable"
    assert not out.cancelled


def test_stopping_keeps_what_there_is():
    stop = threading.Event()
    tier = SimulatedTier("crops", lambda c: stop.set() or 0.9 if c.image == "2" else 0.9)
    later = SimulatedTier("vlm", lambda c: 0.9)
    seen = []
    out = cascade(
        [claim(str(n)) for n in range(5)],
        CascadeSettings(),
        [tier, later],
        stop=stop.is_set,
        progress=lambda *told: seen.append(told),
    )
    assert out.cancelled
    assert (out.tiers[0].answered, out.tiers[0].not_reached) == (3, 2)
    assert later.asked == []
    assert seen == [("crops", 1, 5), ("crops", 2, 5), ("crops", 3, 5)]


def test_a_tier_out_of_time_leaves_the_rest_to_the_next(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    slow = SimulatedTier("crops", lambda c: now.append(now.pop() + 1.0) or 0.9)
    later = SimulatedTier("vlm", lambda c: 0.9)
    out = cascade([claim(str(n)) for n in range(50)], CascadeSettings(seconds={"crops": 5.5}), [slow, later])
    assert [(report.answered, report.not_reached, report.seconds) for report in out.tiers] == [
        (6, 44, 6.0),
        (44, 0, 0.0),
    ]
    assert not out.cancelled


said = st.one_of(st.floats(0, 1), st.sampled_from(["no-region", "vlm-refused"]))


@given(
    st.lists(st.tuples(st.floats(0, 1), said, said), max_size=30, unique_by=lambda each: each[0]), st.integers(1, 40)
)
def test_every_claim_is_accounted_for(table, limit):
    claims = [claim(str(n % 7), p) for n, (p, _, _) in enumerate(table)]
    one = SimulatedTier("crops", lambda c: table[claims.index(c)][1])
    two = SimulatedTier("vlm", lambda c: table[claims.index(c)][2])
    settings = CascadeSettings(images={"vlm": limit})
    out = cascade(claims, settings, [one, two])
    assert set(out.answers) == set(claims)
    for report in out.tiers:
        assert report.asked == report.answered + sum(n for n, _ in report.failures.values()) + report.not_reached
        assert set(report.failures) <= set(CODES)
        report.to_dict()
    for n, (each, answer) in enumerate(out.answers.items()):
        wanted = Answer(each.probability, "clip", False)
        if each in one.asked and not isinstance(table[n][1], str):
            wanted = Answer(table[n][1], "crops", True)
        if each in two.asked and not isinstance(table[n][2], str):
            wanted = Answer(table[n][2], "vlm", True)
        assert answer == wanted
        assert (each in one.asked) == (settings.low <= each.probability <= settings.high)


def test_the_better_the_second_tier_the_more_is_right_in_the_end():
    """Simulated: what is seen is the truth and noise, each tier has its own; probabilities are calibrated."""
    rng = np.random.default_rng(7)
    n = 4000
    truth = rng.random(n) < 0.6

    def tier(noise):
        x = truth + rng.normal(0, noise, n)
        logit = (x - 0.5) / noise**2 + np.log(0.6 / 0.4)
        return 1 / (1 + np.exp(-logit))

    first = tier(0.8)
    claims = [claim(f"{at:05}", float(p)) for at, p in enumerate(first)]
    rates = {}
    for noise in (0.8, 0.4, 0.2):
        second = tier(noise)
        asked = SimulatedTier("crops", lambda c, second=second: float(second[int(c.image)]))
        out = cascade(claims, CascadeSettings(), [asked])
        final = np.array([out.answers[c].probability for c in claims])
        rates[noise] = ((final > 0.5) == truth).mean()
        assert len(asked.asked) == ((first > 0.25) & (first < 0.75)).sum()
    alone = ((first > 0.5) == truth).mean()
    assert alone + 0.05 < rates[0.4] < rates[0.2]
    assert rates[0.8] < rates[0.4]


# ---- the store --------------------------------------------------------------------------------------------------------------


def test_answers_and_crops_survive(tmp_path):
    path = tmp_path / "scoring" / "cascade.db"
    store = CascadeStore(path)
    vector = np.linspace(-1, 1, 8, dtype=np.float32)
    store.say("a", "Red?", "m", Said(0.75, "tokens", "", "Yes"))
    store.say("a", "Blue?", "m", Said(None, "", "refused", "I can't"))
    store.keep_crops("maker", {("a", "hair"): Crop("hair", vector), ("b", "hair"): Crop("", None)})
    again = CascadeStore(path)  # the first was never closed, as after a kill
    assert again.said(["a", "b"], "m") == {
        ("a", "Red?"): Said(0.75, "tokens", "", "Yes"),
        ("a", "Blue?"): Said(None, "", "refused", "I can't"),
    }
    assert again.said(["a"], "other") == {}
    found = again.crops([str(n) for n in range(2000)] + ["a", "b"], "maker")
    assert np.abs(found["a", "hair"].vector - vector).max() < 1e-3
    assert found["b", "hair"].vector is None
    assert again.crops(["a"], "other") == {}


def test_a_damaged_file_is_put_aside(tmp_path):
    path = tmp_path / "cascade.db"
    path.write_bytes(b"this is no database, but long enough to be looked at as one" * 20)
    store = CascadeStore(path)
    assert store.trouble == ""
    store.say("a", "?", "m", Said(0.5, "text", "", ""))
    assert CascadeStore(path).said(["a"], "m")
    assert (tmp_path / "cascade.db.damaged").exists()


def test_what_cannot_be_kept_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cascade_store, "_PATIENCE", 0.05)
    (tmp_path / "file").write_bytes(b"")
    for path in (None, tmp_path / "file" / "cascade.db"):
        store = CascadeStore(path)
        store.say("a", "?", "m", Said(0.5, "text", "", ""))
        assert store.said(["a"], "m") == {}
        assert bool(store.trouble) == (path is not None)
    path = tmp_path / "locked.db"
    store = CascadeStore(path)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        store.say("a", "?", "m", Said(0.5, "text", "", ""))
    other.close()
    assert "locked" in store.trouble
    store.close()
    store.close()


# ---- crops -------------------------------------------------------------------------------------------------------------------


class SimulatedBackend:
    """Sees nothing but the mean colour of an image: a model of which every answer is known."""

    name, identity, width, scale = "mean colour", "0123456789abcdef", 3, 20.0

    def __init__(self):
        self.seen, self.broken = 0, False

    def prepare(self, image):
        assert image.mode == "RGB"
        assert image.width == image.height
        return np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float32).transpose(2, 0, 1) / 255

    def encode_images(self, batch):
        if self.broken:
            raise SDGenError("tier-failed", "no memory")
        self.seen += len(batch)
        mean = batch.mean((2, 3)) + 1e-3
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)

    def encode_texts(self, texts):
        raise AssertionError("texts are given")

    def release(self):
        pass


class SimulatedDetector:
    name, identity = "simulated", "fedcba9876543210"

    def __init__(self, boxes=None):
        self.calls = 0
        self._boxes = [Box("face", 0.9, 90, 60, 110, 80)] if boxes is None else boxes

    def boxes(self, image):
        self.calls += 1
        if isinstance(self._boxes, Exception):
            raise self._boxes
        return self._boxes


def portrait(colour):
    """A white image with a small head of this colour."""
    out = Image.new("RGB", (200, 300), "white")
    out.paste(colour, (76, 44, 124, 100))
    return out


CONTRAST = {"Hair": Contrast({"Red": 0, "Green": 1, "Blue": 2}, np.eye(3, dtype=np.float32))}
SHOWN = {f"{n:02}": list(COLOURS)[n % 3] for n in range(60)}


def crop_tier(open_image=None, detector=None, store=None, backend=None, contrasts=CONTRAST):
    return CropTier(
        detector or SimulatedDetector(),
        backend or SimulatedBackend(),
        contrasts,
        open_image or (lambda key: portrait(COLOURS[SHOWN[key]])),
        store or CascadeStore(None),
    )


def asked_for(key):
    """What each image was asked for: two in three show it."""
    n = int(key)
    return list(COLOURS)[(n + (n // 3 % 3 == 0)) % 3]


CLAIMS = [claim(key, 0.5, value=asked_for(key)) for key in SHOWN]


def test_the_crop_shows_what_the_whole_image_hides():
    out = cascade(CLAIMS, CascadeSettings(), [crop_tier()])
    for each, answer in out.answers.items():
        assert answer.method == "crop:hair"
        assert not answer.calibrated
        assert (answer.probability > 0.5) == (SHOWN[each.image] == each.value)
    assert out.tiers[0].answered == 60


def test_a_calibration_for_the_region_makes_calibrated_probabilities():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 2, (200, 3))
    calibration = fit(features, (features[:, 0] + rng.normal(0, 1, 200) > 0).astype(float))
    contrast = {"Hair": replace(CONTRAST["Hair"], calibrations={"hair": calibration})}
    out = cascade(CLAIMS, CascadeSettings(), [crop_tier(contrasts=contrast)])
    assert all(answer.calibrated for answer in out.answers.values())
    assert all((a.probability > 0.5) == (SHOWN[c.image] == c.value) for c, a in out.answers.items())


def test_the_detector_waits_before_each_image_and_that_time_is_not_its_own(monkeypatch):
    events, detector, now = [], SimulatedDetector(), [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def wait():
        events.append("wait")
        now[0] += 100

    def open_image(key):
        events.append(key)
        return portrait(COLOURS[SHOWN[key]])

    images = list(dict.fromkeys(each.image for each in CLAIMS))
    settings = CascadeSettings(seconds={"crops": 1.0})
    out = cascade(CLAIMS, settings, [crop_tier(open_image, detector)], wait=wait)
    assert [event for event in events if event != "wait"] and detector.calls == len(images) == 60
    for before, event in pairwise(events):
        assert event == "wait" or before == "wait"
    assert out.tiers[0].not_reached == 0


def test_crops_are_made_once(tmp_path):
    backend, detector = SimulatedBackend(), SimulatedDetector()
    first = cascade(
        CLAIMS,
        CascadeSettings(),
        [crop_tier(store=CascadeStore(tmp_path / "c.db"), backend=backend, detector=detector)],
    )
    assert (backend.seen, detector.calls) == (60, 60)

    def never(key):
        raise AssertionError("no image is needed")

    again = crop_tier(never, detector, CascadeStore(tmp_path / "c.db"), backend)
    second = cascade(CLAIMS, CascadeSettings(), [again])
    assert (backend.seen, detector.calls) == (60, 60)
    assert second.tiers[0].kept == 60
    assert [a.probability for a in second.answers.values()] == pytest.approx(
        [a.probability for a in first.answers.values()], abs=1e-2
    )


def test_after_stopping_only_the_rest_is_made(tmp_path):
    stop = threading.Event()
    opened = []

    def open_image(key):
        opened.append(key)
        if len(opened) == 20:
            stop.set()
        return portrait(COLOURS[SHOWN[key]])

    backend = SimulatedBackend()
    first = cascade(
        CLAIMS,
        CascadeSettings(),
        [crop_tier(open_image, store=CascadeStore(tmp_path / "c.db"), backend=backend)],
        stop=stop.is_set,
    )
    assert first.cancelled
    assert (first.tiers[0].answered, first.tiers[0].not_reached) == (20, 40)
    second = cascade(CLAIMS, CascadeSettings(), [crop_tier(store=CascadeStore(tmp_path / "c.db"), backend=backend)])
    assert (second.tiers[0].kept, second.tiers[0].answered, backend.seen) == (20, 60, 60)


def test_claims_of_one_image_share_its_crop():
    both = [claim("00", 0.5), Claim("00", "Braids", "Red", "red braids", "hair", 0.5, False)]
    backend, detector = SimulatedBackend(), SimulatedDetector()
    contrasts = {"Hair": CONTRAST["Hair"], "Braids": CONTRAST["Hair"]}
    out = cascade(both, CascadeSettings(), [crop_tier(backend=backend, detector=detector, contrasts=contrasts)])
    assert (backend.seen, detector.calls, out.tiers[0].answered) == (1, 1, 2)


@pytest.mark.parametrize("kind", ["place", "style", "background", "other"])
def test_what_is_nowhere_in_particular_is_not_cropped(kind):
    nowhere = Claim("00", "Hair", "Red", "red", kind, 0.5, False)
    out = cascade([nowhere], CascadeSettings(), [crop_tier()])
    assert out.tiers[0].asked == 0


def test_a_value_without_others_or_that_nobody_knows_is_not_cropped():
    alone = {"Hair": Contrast({"Red": 0}, np.eye(3, dtype=np.float32)[:1])}
    assert cascade([claim()], CascadeSettings(), [crop_tier(contrasts=alone)]).tiers[0].asked == 0
    assert cascade([claim(value="Pink")], CascadeSettings(), [crop_tier()]).tiers[0].asked == 0
    assert cascade([claim()], CascadeSettings(), [crop_tier(contrasts={})]).tiers[0].asked == 0


def test_images_without_a_face_or_that_are_broken_are_named_and_the_rest_goes_on():
    def open_image(key):
        if key == "05":
            raise SDGenError("broken-image", "05.png cannot be decoded")
        if key == "06":
            raise SyntaxError("broken PNG")
        return portrait(COLOURS[SHOWN[key]]) if key != "07" else Image.new("RGB", (8, 8))

    out = cascade(CLAIMS, CascadeSettings(), [crop_tier(open_image)])
    report = out.tiers[0]
    assert report.answered == 57
    assert {code: n for code, (n, _) in report.failures.items()} == {"broken-image": 2, "no-region": 1}
    assert "05.png" in report.failures["broken-image"][1]
    assert {c.image for c, answer in out.answers.items() if answer.method == "clip"} == {"05", "06", "07"}


def test_crops_in_which_nothing_stands_out_say_nothing():
    rng = np.random.default_rng(3)

    def noise(key):
        level = rng.integers(90, 110, 3)
        return Image.new("RGB", (200, 300), tuple(int(v) for v in level))

    out = cascade(CLAIMS, CascadeSettings(), [crop_tier(noise)])
    assert out.tiers[0].answered == 0
    assert "stands out" in out.tiers[0].failures["no-region"][1]


@pytest.mark.parametrize(
    ("detector", "code"),
    [(DetectorSettings(path="/nowhere/face.pt"), "detector-missing"),
     (SimulatedDetector(SDGenError("detector-unusable", "another layout")), "detector-unusable"),
     (SimulatedDetector(RuntimeError("bad")), "tier-failed")],
)  # fmt: skip
def test_a_detector_that_does_not_work_costs_its_tier_only(detector, code):
    out = cascade(CLAIMS, CascadeSettings(), [crop_tier(detector=detector), SimulatedTier("vlm", lambda c: 0.9)])
    assert out.tiers[0].gave_up.code == code
    assert {answer.method for answer in out.answers.values()} == {"vlm"}


def test_a_model_that_fails_keeps_the_crops_before():
    backend = SimulatedBackend()

    def open_image(key):
        backend.broken = int(key) >= 40
        return portrait(COLOURS[SHOWN[key]])

    out = cascade(CLAIMS, CascadeSettings(), [crop_tier(open_image, backend=backend)])
    assert out.tiers[0].gave_up.code == "tier-failed"
    assert out.tiers[0].answered == 32


# ---- the vision-language model ------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(vlm_client, "_BACK_OFF", 0.01)


def colour_reader(request):
    """The FAKE model server reads the head's colour; so it is right, unlike a real one."""
    pixel = np.array(request.image.convert("RGB").getpixel((100, 70)))
    shown = min(COLOURS, key=lambda name: np.abs(np.array(ImageColor.getrgb(COLOURS[name])) - pixel).sum())
    return yes(0.95) if shown.lower() in request.question else yes(0.03)


def vlm_tier(server, store=None, **more):
    settings = VlmSettings(url=server.url, **{"model": "tiny-vlm", "timeout_s": 30, "retries": 1, **more})
    return VlmTier(settings, lambda key: portrait(COLOURS[SHOWN[key]]), store or CascadeStore(None))


def test_the_model_server_decides_what_is_unsure():
    with FakeVlmServer(colour_reader) as server:
        out = cascade([*CLAIMS, claim("00", 0.9, value="Blue")], CascadeSettings(), [vlm_tier(server)])
    assert len(server.asked) == 60
    for each in CLAIMS:
        answer = out.answers[each]
        assert (answer.method, answer.calibrated) == ("vlm:tiny-vlm", False)
        assert (answer.probability > 0.5) == (SHOWN[each.image] == each.value)
    assert server.asked[0].question.startswith("Does this image show a person with")


def test_answers_and_refusals_are_kept_failures_are_not(tmp_path):
    def answer(request):
        if "green" in request.question:
            return chat("I'm sorry, I can't help with that.")
        return error(413, "too large") if "blue" in request.question else yes()

    some = [claim("00", value=value) for value in COLOURS] + [claim("01", value="Red")]
    with FakeVlmServer(answer) as server:
        store = CascadeStore(tmp_path / "c.db")
        first = cascade(some, CascadeSettings(), [vlm_tier(server, store, concurrency=1)])
        assert {code: n for code, (n, _) in first.tiers[0].failures.items()} == {"vlm-refused": 1, "vlm-too-large": 1}
        server.requests.clear()
        second = cascade(some, CascadeSettings(), [vlm_tier(server, CascadeStore(tmp_path / "c.db"), concurrency=1)])
        assert [request.question for request in server.asked] == [
            "Does this image show a person with blue hair? Answer yes or no."
        ]
        assert (second.tiers[0].kept, second.tiers[0].answered) == (2, 2)
        assert second.answers == first.answers
        server.requests.clear()
        cascade(some, CascadeSettings(), [vlm_tier(server, CascadeStore(tmp_path / "c.db"), model="another")])
        assert len(server.asked) == 4


def test_thinking_that_was_cut_off_is_asked_again(tmp_path):
    with FakeVlmServer(lambda request: chat("<think>Well", finish="length")) as server:
        for _ in range(2):
            out = cascade([claim("00")], CascadeSettings(), [vlm_tier(server, CascadeStore(tmp_path / "c.db"))])
            assert out.tiers[0].failures["vlm-unclear"][0] == 1
        assert len(server.asked) == 4


def test_without_token_probabilities_the_method_says_so():
    with FakeVlmServer(lambda request: chat("No.")) as server:
        out = cascade([claim("00")], CascadeSettings(), [vlm_tier(server)])
    answer = out.answers[claim("00")]
    assert (answer.method, answer.probability) == ("vlm:tiny-vlm (text)", pytest.approx(0.15))


def test_a_server_that_is_not_there_leaves_the_crops():
    with FakeVlmServer(colour_reader) as server:
        tier = vlm_tier(server)
    out = cascade(CLAIMS, CascadeSettings(low=0, high=1), [crop_tier(), tier])
    assert out.tiers[1].gave_up.code == "vlm-unreachable"
    assert {answer.method for answer in out.answers.values()} == {"crop:hair"}


def test_an_absence_is_not_asked_about():
    absent = Claim("00", "Hat", "None", "", "clothing", 0.5, False)
    with FakeVlmServer(colour_reader) as server:
        assert cascade([absent], CascadeSettings(), [vlm_tier(server)]).tiers[0].asked == 0
        assert server.requests == []


def test_stopping_in_the_middle_of_an_answer_loses_that_answer_only(tmp_path):
    stop = threading.Event()

    def answer(request):
        if len(server.asked) == 11:
            stop.set()
            return Reply(yes().body, delay=3)
        return colour_reader(request)

    with FakeVlmServer(answer) as server:
        store = CascadeStore(tmp_path / "c.db")
        first = cascade(CLAIMS, CascadeSettings(), [vlm_tier(server, store, concurrency=1)], stop=stop.is_set)
        assert first.cancelled
        assert (first.tiers[0].answered, first.tiers[0].not_reached) == (10, 50)
        server.answer = colour_reader
        server.requests.clear()
        second = cascade(CLAIMS, CascadeSettings(), [vlm_tier(server, CascadeStore(tmp_path / "c.db"))])
        assert (second.tiers[0].kept, second.tiers[0].answered) == (10, 60)
        assert len(server.asked) == 50


# ---- the classifier ----------------------------------------------------------------------------------------------------------


class SimulatedClassifier:
    def __init__(self, held_out, answers=lambda c: 0.9):
        self._held_out, self._answers = held_out, answers

    def held_out(self, placeholder):
        return self._held_out if placeholder == "Hair" else {}

    def knows(self, claim):
        return claim.value in COLOURS

    def probabilities(self, claims):
        return [self._answers(c) for c in claims]


def judged(noise, n=60):
    rng = np.random.default_rng(5)
    truth = {f"{at:02}": float(rng.random() < 0.6) for at in range(n)}
    said = {key: float(np.clip(t + rng.normal(0, noise), 0, 1)) for key, t in truth.items()}
    return said, {(key, "Hair"): t for key, t in truth.items()}


def test_the_classifier_answers_only_where_it_is_better_on_images_it_had_not_learnt_from():
    good, truth = judged(0.1)
    bad = {(key, "Hair"): 0.5 for key in good}
    hat = Claim("00", "Hat", "Cap", "a cap", "clothing", 0.5, False)
    out = cascade([*CLAIMS, hat], CascadeSettings(), [ClassifierTier(SimulatedClassifier(good), bad, truth)])
    assert {answer.method for c, answer in out.answers.items() if c != hat} == {"classifier"}
    assert out.answers[hat].method == "clip"
    as_good = {key: truth[key] for key in bad}
    assert (
        cascade(CLAIMS, CascadeSettings(), [ClassifierTier(SimulatedClassifier(good), as_good, truth)]).tiers[0].asked
        == 0
    )


def test_what_the_classifier_cannot_say_stays():
    good, truth = judged(0.1)
    bad = {(key, "Hair"): 0.5 for key in good}
    odd = iter([None, float("nan"), 7.0, 0.9] * 15)
    out = cascade(
        CLAIMS, CascadeSettings(), [ClassifierTier(SimulatedClassifier(good, lambda c: next(odd)), bad, truth)]
    )
    assert (out.tiers[0].answered, out.tiers[0].failures["tier-failed"][0]) == (15, 45)


def test_better_by_chance_is_not_better():
    truth = [0.0, 1.0] * 30
    assert beats([0.1, 0.9] * 30, [0.4, 0.6] * 30, truth)
    assert not beats([0.4, 0.6] * 30, [0.1, 0.9] * 30, truth)
    assert not beats([0.4, 0.6] * 30, [0.4, 0.6] * 30, truth)
    assert not beats([0.1, 0.9] * 5, [0.4, 0.6] * 5, truth[:10])
    assert not beats([0.01, 0.99] * 30, [0.05, 0.95] * 30, truth)  # and by so little that nobody would see it
    one_lucky = [0.5] * 59 + [1.0]
    assert not beats(one_lucky, [0.5] * 60, truth)
    assert not beats([], [], [])


# ---- from tier 1 ---------------------------------------------------------------------------------------------------------------


def scored(keys, seen=(50, 20, 150, 120)):
    """A session of 60 portraits, asked for these values: what tier 1 says of them, from the mean colour of what it sees."""
    texts = {"Red": "(red:1.2)", "Green": "green", "Blue": "blue", "Good": "masterpiece"}

    def encode(phrases):
        return np.array([[("red" in p), ("green" in p), ("blue" in p)] for p in phrases], np.float32) + 0.1

    described = describe([Values.of("HairColor", texts, keys)], encode)
    backend = SimulatedBackend()
    whole = [portrait(COLOURS[SHOWN[key]]).crop(seen).resize((64, 64)) for key in SHOWN]
    images = backend.encode_images(np.stack([backend.prepare(image) for image in whole]))
    return score(images, described, backend.scale), described


ASKED = [None if key == "05" else "Good" if key == "06" else asked_for(key) for key in SHOWN]


def test_scores_become_claims_and_what_they_are_compared_with():
    (scores,), (described,) = scored(ASKED)
    claims = claims_of(scores, described, list(SHOWN))
    assert [n for n, c in enumerate(claims) if c is None] == [5, 6]
    claims = [c for c in claims if c]
    assert {c.words for c in claims} == {"red hair", "green hair", "blue hair"}
    assert {(c.placeholder, c.kind) for c in claims} == {("HairColor", "hair")}
    assert all(0 <= c.probability <= 1 for c in claims)
    contrast = contrast_of(scores, described)
    assert set(contrast.column) == {"Red", "Green", "Blue"}
    assert contrast.vectors.shape == (3, 3)
    assert np.linalg.norm(contrast.vectors, axis=1) == pytest.approx(1)
    grouped = contrast_of(replace(scores, groups=((("Red", "Blue"), 0.5),)), described)
    assert grouped.column["Red"] == grouped.column["Blue"] != grouped.column["Green"]
    assert grouped.vectors.shape == (2, 3)
    assert contrast_of(replace(scores, contrast="neutral"), described).vectors.shape == (4, 3)


def test_a_session_is_looked_at_again(monkeypatch):
    monkeypatch.setattr(cascade_tiers, "load", lambda settings: SimulatedDetector())
    settings = CascadeSettings(low=0, high=1, tiers=["crops"], detector=DetectorSettings(path="any"))

    def open_image(key):
        if key == "07":
            raise SDGenError("broken-image", "07.png")
        return portrait(COLOURS[SHOWN[key]])

    hidden = scored(ASKED, (0, 0, 1200, 1800))  # of so much around the head that tier 1 sees nothing of it
    assert hidden[0][0].reason == "unseen"
    for scores, described in (scored(ASKED), hidden):
        before = scores[0].probabilities.copy()
        (again,), report = look_again(
            scores, described, list(SHOWN), settings, SimulatedBackend(), open_image, CascadeStore(None)
        )
        assert report.tiers[0].answered == 57
        assert again.scores.reason is None
        for n, (key, asked) in enumerate(zip(SHOWN, ASKED, strict=True)):
            if asked in (None, "Good") or key == "07":
                assert again.methods[n] == (scores[0].reason or "clip")
                assert np.array_equal(again.scores.probabilities[n], before[n], equal_nan=True)
            else:
                assert again.methods[n] == "crop:hair"
                assert (again.scores.probabilities[n] > 0.5) == (SHOWN[key] == asked)
        assert again.calibrated == [False] * 60
        assert np.array_equal(scores[0].probabilities, before, equal_nan=True)


@pytest.mark.parametrize("seen", [(50, 20, 150, 120), (0, 0, 1200, 1800)])
def test_without_tiers_all_stays_as_it_was(seen):
    scores, described = scored(ASKED, seen)
    (again,), report = look_again(
        scores, described, list(SHOWN), CascadeSettings(), SimulatedBackend(), portrait, CascadeStore(None)
    )
    assert report.tiers == []
    assert np.array_equal(again.scores.probabilities, scores[0].probabilities, equal_nan=True)
    assert again.scores.reason == scores[0].reason
    assert set(again.methods) == {scores[0].reason or "clip"}
