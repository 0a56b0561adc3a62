"""Values chosen beside the template: selectors that count in place of the template's own."""

from __future__ import annotations

import json

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_text, parse_choice_spec

TEXT = """
imports:
  Hair: {Red: red, Blue: blue, Green: green}
  Coat: {Wool: wool coat, Silk: silk coat}
prompt: '{Hair[Red,Blue;$5]} in a {Coat[0]}'
generation: {seed: 1}
"""


def prompts(choices: str) -> list[str]:
    return [i.prompt for i in Plan.build(load_text(TEXT, Options(choices=parse_choice_spec(choices)))).items()]


def test_a_choice_takes_the_place_of_the_selector_and_keeps_its_weight() -> None:
    assert prompts("Hair[Green]; Coat[#0-1]") == ["green in a wool coat", "green in a silk coat"]
    plan = Plan.build(load_text(TEXT, Options(choices=parse_choice_spec("Hair[Green,Red]"))))
    assert [(p["name"], p["weight"], p["selected"]) for p in plan.summary()["placeholders"]] == [("Hair", 5, 2)]


def test_several_forms_of_separators() -> None:
    wanted = {"A": "x,y", "B": "#0-2", "Ça": "3;$2"}
    for text in ("A[x,y]; B[#0-2]; Ça[3;$2]", "A[x,y] B[#0-2]\nÇa[3;$2]", " A[x,y]|B[#0-2] | Ça[3;$2] "):
        assert parse_choice_spec(text) == wanted
    assert parse_choice_spec("  ") == {}


@pytest.mark.parametrize("text", ["Hair", "Hair[]", "Hair[Red", "[Red]", "Hair[#3-1]", "A[x]; A[y]", "Hair:Red"])
def test_bad_forms(text: str) -> None:
    with pytest.raises(SDGenError) as caught:
        parse_choice_spec(text)
    assert caught.value.code == "bad-choice-spec"


def test_unknown_keys_are_remarks_and_an_empty_choice_is_an_error() -> None:
    resolved = load_text(TEXT, Options(choices=parse_choice_spec("Hair[Red,Bleu]; Hat[Any]")))
    assert any("'Blue'" in w for w in resolved.warnings)
    assert any("Hat" in w and "has no effect" in w for w in resolved.warnings)
    with pytest.raises(SDGenError) as caught:
        load_text(TEXT, Options(choices={"Hair": "Bleu"}))
    assert caught.value.code == "empty-choice"
    assert caught.value.nearest == ["Blue"]


def test_choices_travel_with_the_resolved_template() -> None:
    text = json.dumps(load_text(TEXT, Options(choices={"Hair": "Blue"})).to_json())
    assert [i.prompt for i in Plan.build(load_text(text)).items()] == ["blue in a"]
    again = load_text(text, Options(choices={"Hair": "Red"}))
    assert [i.prompt for i in Plan.build(again).items()] == ["red in a"]
