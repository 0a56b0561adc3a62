"""The "fix" cases: where the recorded answer was wrong, the answer that users want."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .test_conformance import CASES, check_properties, load, rows_of, run, with_verdict

# case number -> prompts, or an error (kind, words of the message)
PROMPTS: dict[str, list[str]] = {
    "007": ["an owl, from the leaf folder"],
    "023": ["frowning / smiling"],
    "041": ["running", "sitting on a bench", "standing"],
    "047": ["an owl on a branch"] * 3,
    "049": ["standing"] * 5 + ["sitting on a bench"] * 5 + ["running"] * 5,
    "059": ["a knight, short bob, <lora:bob:0.7>", "a knight, long waves, <lora:wave:0.8>"],
    "061": ["short bob, <lora:bob:0.7>", "long waves, <lora:wave:0.8>", "plain hair"],
    "067": ["masterpiece, an owl"],
    "071": ["one: outer(inner) two: outer(inner)"],
    "073": ["a hero in a grey coat, standing"],
    "075": ["parent text"],
    "077": ["sign reading hello@example"],
    "083": ["s c"],
    "091": ["a sailor, a harbour"],
    "099": ["a guard, fur coat"],
    "101": ["a courier, green cloak, pine forest, wide shot", "a courier, green cloak, pine forest, close-up"],
    "105": ["wears {Coat} @Hero", "{one|two}", "{ Coat }"],
    "111": ["a portrait"],
    "115": ["a portrait"],
    "121": ["red hat"],
    "123": ["1", "2"],
    "125": ["a", "b"],
    "129": ["an owl"] * 3,
}
ERRORS: dict[str, tuple[str, list[str]]] = {
    "021": ("empty-choice", ["{Coat[#7,8]}", "{Pose[#2-1]}", "backwards", "{Light[#0-1,1]}", "main.prompt.yaml:9:"]),
    "081": ("bad-chunk-argument", ["in snow", "main.prompt.yaml:5:3"]),
    "135": ("bad-structure", ["v.yaml", "is empty"]),
}


def folder_of(number: str) -> Path:
    return next(f for f in CASES.iterdir() if f.name.startswith(number))


def test_every_fix_case_has_its_better_answer() -> None:
    elsewhere = {"015", "025", "027", "029", "035", "039"}
    assert {f.name[:3] for f in with_verdict("fix")} == set(PROMPTS) | set(ERRORS) | elsewhere


@pytest.mark.parametrize("number", PROMPTS)
def test_better_prompts(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = run(folder_of(number), monkeypatch)
    assert code == 0, out
    prompts = [r["prompt"] for r in rows_of(out)]
    if number == "041":  # the whole space, shuffled
        prompts.sort()
    assert prompts == PROMPTS[number]


@pytest.mark.parametrize("number", ERRORS)
def test_better_errors(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = run(folder_of(number), monkeypatch)
    error = json.loads(out)
    assert (code, error["error"]) == (1, ERRORS[number][0])
    for word in ERRORS[number][1]:
        assert word in error["message"]


def rows(number: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> list[dict[str, Any]]:
    code, out = run(folder_of(number), monkeypatch, *more)
    assert code == 0, out
    return rows_of(out)


def test_group_of_files_is_their_union(monkeypatch: pytest.MonkeyPatch) -> None:
    """015: {one: coats.yaml, two: poses.yaml} means the values of both files; a part of a plain value is empty."""
    found = rows("015", monkeypatch)
    assert [r["variations"]["Look"] for r in found] == [
        *("red coat", "blue coat", "green coat", "black coat", "white coat"),
        *("standing", "sitting on a bench", "running"),
    ]
    assert found[0]["prompt"] == "red coat /"


def test_documented_selector_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """025: random:2, limit:1 and keys: work; {Empty[]} is plain text."""
    found = rows("025", monkeypatch)
    assert len(found) == 2 * 1 * 2
    assert {r["variations"]["Light"] for r in found} == {"dawn light", "noon light"}
    assert len({r["variations"]["Coat"] for r in found}) == 2
    assert all(r["prompt"].endswith("{Empty[]}") for r in found)


@pytest.mark.parametrize("number", ["027", "039"])
def test_draws_are_repeatable(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(number)
    first, again, other = (rows(number, monkeypatch, *more) for more in ((), (), ("--variation-seed", "7")))
    assert first == again
    assert first != other
    check_properties(load(folder)["properties"], first)


def test_zero_leaves_the_placeholder_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """029: [0] means "leave it out"."""
    found = rows("029", monkeypatch)
    assert sorted(r["prompt"] for r in found) == ["dawn light", "noon light"]
    assert all(set(r["variations"]) == {"Light"} for r in found)


def test_disagreeing_selectors_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """035: the last one counts, and the user is told."""
    code, out = run(folder_of("035"), monkeypatch, "--info")
    info = json.loads(out.splitlines()[0])["info"]
    assert code == 0
    assert any("{Coat[#0;$9]} and {Coat[#1,2]} disagree" in w and "main.prompt.yaml:9:3" in w for w in info["warnings"])
    assert {r["variations"]["Coat"] for r in rows_of(out)} == {"blue coat", "green coat"}


def test_incomplete_sweep_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """051: max_images cuts the total of a random sweep, and the user is told that the last combination lacks seeds."""
    _, out = run(folder_of("051"), monkeypatch, "--info")
    info = json.loads(out.splitlines()[0])["info"]
    assert any("1 of 3 seeds" in w for w in info["warnings"])


def test_which_file_was_used_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """007: the leaf's folder wins; the other file of that name is mentioned."""
    _, out = run(folder_of("007"), monkeypatch, "--info")
    info = json.loads(out.splitlines()[0])["info"]
    assert any("leaf/vars/light.yaml is used" in w and "shared/vars/light.yaml" in w for w in info["warnings"])


def test_presets_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """111, 115: preset files load, and the map in a ControlNet list overrides the first unit."""
    unit = rows("111", monkeypatch, "--parameters")[0]["parameters"]["controlnet"]["units"][0]
    assert (unit["model"], unit["module"], unit["threshold_a"], unit["weight"]) == ("cn_canny", "canny", 100.0, 0.6)
    detector = rows("115", monkeypatch, "--parameters")[0]["parameters"]["adetailer"]["detectors"][0]
    assert (detector["ad_model"], len(detector)) == ("x", 42)
