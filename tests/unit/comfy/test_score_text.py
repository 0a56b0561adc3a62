"""What the score nodes say and give on."""

import json

import pytest

from sdgen_core.comfy.score_session import brief, failing_text, figures
from sdgen_core.comfy.score_text import image_text, mean_score


def rate(key, matching, images, high):
    return {
        "placeholder": "Colour", "key": f"{len(key):010x}", "text": key, "matching": matching, "images": images, "rate": matching / images,
        "low": 0.0, "high": high, "mean": 0.1,
    }  # fmt: skip


def session(name="cats", *, success=3, partial=1, failed=0, none=0, mean=0.8, **more):
    counts = {"success": success, "partial": partial, "failed": failed, "none": none}
    known = success + partial + failed
    return {
        "session": name, "name": name, "images": known + none, "classes": counts, "mean": mean if known else None,
        "embedded": 0, "complete": False, "flagged": 1, "failures": [], "failing": [], "placeholders": [{}], **more,
    }  # fmt: skip


def report(*sessions, **more):
    return {"sessions": list(sessions), "failed": [], "cancelled": [], "ordered": [], **more}


def test_an_image_in_a_line():
    values = {"Colour": {"probability": 0.961, "calibrated": False}, "Quality": {"reason": "quality"}}
    said = {"score": 0.961, "class": "success", "values": values}
    assert image_text(said) == "96 % (success): Colour 96 %, Quality not judged (quality)"
    assert image_text({"score": None, "class": "none", "values": {}}) == "nothing to judge"
    many = {f"P{n}": {"probability": 0.5, "calibrated": False} for n in range(11)}
    assert image_text({**said, "values": many}).endswith("P7 50 %, 3 more")


def test_images_of_which_nothing_can_be_said_are_in_no_mean():
    assert mean_score([{"score": 0.5}, {"score": None}, {"score": 1.0}]) == 0.75
    assert mean_score([]) == mean_score([{"score": None}]) == 0.0


def test_figures_are_those_of_all_images_that_were_judged():
    success, mean, text = figures(report(session(), session(success=0, partial=0, failed=4, mean=0.1, none=2)))
    assert (success, mean) == (3 / 8, pytest.approx((4 * 0.8 + 4 * 0.1) / 8))
    assert text == "10 images: 3 success, 1 partial, 4 failed, 2 none; success 38 %, mean 45 %"


def test_nothing_judged_is_said_and_gives_noughts():
    success, mean, text = figures(report(session(success=0, partial=0, none=2)))
    assert (success, mean, text) == (0.0, 0.0, "2 images: 2 none; nothing could be judged")
    assert figures(report(ordered=["a", "b"])) == (0.0, 0.0, "ordered: 2 sessions; scored whenever nothing renders")
    assert figures(report(cancelled=["a"]))[2] == "cancelled: 1 session"


def test_what_could_not_be_scored_is_named():
    failures = [{"file": "a.png", "message": f"no {n}.png", "error": "broken-image", "hint": ""} for n in range(5)]
    failed = [{"session": "20251120_100000-dogs", "name": "dogs", "error": "x", "message": "no images", "hint": ""}]
    text = figures(report(session(failures=failures), failed=failed))[2]
    assert text.splitlines()[1:] == [
        "not scored: no 0.png", "not scored: no 1.png", "not scored: no 2.png", "and 2 more files", "dogs: no images",
    ]  # fmt: skip


def test_the_values_that_fail_most_surely_come_first():
    one = session(failing=[rate("red", 3, 20, 0.36), rate("blue", 9, 20, 0.66)])
    other = session("dogs", failing=[rate("green", 0, 40, 0.09)])
    assert failing_text(report(one)).splitlines()[0] == "Colour: red (3 of 20 images, 0 to 36 %)"
    assert [line.split(" (")[0] for line in failing_text(report(one, other)).splitlines()] == [
        "dogs, Colour: green", "cats, Colour: red", "cats, Colour: blue",
    ]  # fmt: skip
    assert failing_text(report()) == ""
    long = session(failing=[rate("a very\nlong " + "and " * 200, 0, 9, 0.3)])
    assert (
        failing_text(report(long)).startswith("Colour: a very long and and") and len(failing_text(report(long))) < 120
    )


def test_of_several_sessions_only_what_matters_is_given_on():
    failing = [rate(f"colour {n}", n, 20, 0.1 + n / 100) for n in range(9)]
    failures = [{"file": f"{n}.png", "message": "no", "error": "broken-image", "hint": ""} for n in range(5)]
    one = session(failing=failing, failures=failures, rates=[failing[0]] * 900)
    whole = report(one, cancelled=["b"])
    assert brief(whole) == whole
    said = brief(report(*[one] * 1000, cancelled=["b"]))
    assert said["cancelled"] == ["b"] and len(json.dumps(said)) < 1_000_000
    assert said["sessions"][999] == {
        "session": "cats", "name": "cats", "images": 4, "embedded": 0, "classes": one["classes"], "mean": 0.8, "complete": False,
        "flagged": 1, "failing": failing[:3], "failed_files": 5,
    }  # fmt: skip
