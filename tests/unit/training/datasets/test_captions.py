"""Captions: of values and of prompts, with the trigger first."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.datasets.captions import caption
from sdgen_core.training.datasets.recipe import Captions

VALUES = {
    "Quality": "masterpiece, best quality",
    "Hair": "(long red hair:1.2)",
    "Outfit": "green coat <lora:coats:0.7>",
    "Count": "1girl",
    "Without": "no hat",
}
PROMPT = "masterpiece, best quality, 1girl, (long red hair:1.2) in the wind, green coat <lora:coats:0.7>, no hat"


def made(placeholder=None, values=VALUES, prompt=PROMPT, **recipe):
    return caption(values, prompt, Captions(**recipe), placeholder)


@pytest.mark.parametrize(
    ("recipe", "learned", "said"),
    [
        ({}, None, "1girl, long red hair, green coat"),  # in the prompt's order, without what nobody sees
        ({"trigger": "sks", "class_word": "woman"}, None, "sks, woman, 1girl, long red hair, green coat"),
        ({"keep": ["Hair", "Quality"]}, None, "long red hair"),
        ({"drop": ["Hair"], "trigger": "sks"}, None, "sks, 1girl, green coat"),
        ({"trigger": "sks", "learned": "replace"}, "Hair", "sks, 1girl, green coat"),
        ({"trigger": "sks", "learned": "keep", "keep": ["Count"]}, "Hair", "sks, 1girl, long red hair"),
        ({"learned": "drop"}, "Hair", "1girl, green coat"),
        ({"keep": ["Quality"]}, None, ""),
        (
            {"unseen": "keep", "keep": ["Outfit", "Quality"]},
            None,
            "masterpiece, best quality, green coat <lora:coats:0.7>",
        ),
        ({"text": "prompt"}, None, "1girl, long red hair in the wind, green coat"),
        ({"text": "prompt", "drop": ["Outfit"], "trigger": "sks"}, None, "sks, 1girl, long red hair in the wind"),
        ({"text": "prompt", "trigger": "sks", "learned": "replace"}, "Hair", "1girl, sks in the wind, green coat"),
        ({"text": "prompt", "trigger": "sks", "learned": "drop"}, "Hair", "sks, 1girl, in the wind, green coat"),
    ],
)
def test_what_a_recipe_says(recipe, learned, said):
    assert made(learned, **recipe) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1girl, solo, long_hair", "1girl, solo, long_hair"),  # what models of tags have learned, and prompts will say
        ("score_9, score_8_up, rating_safe, cat_ears", "cat_ears"),
        ("hatsune miku \\(vocaloid\\)", "hatsune miku (vocaloid)"),
        ("((red, blue)), (green:1.2)", "red, blue, green"),
        ("embedding:foo, girl", "girl"),
        ("^_^, red", "^_^, red"),
        ("日本語, 青い髪", "日本語, 青い髪"),
    ],
)
def test_captions_have_the_words_of_prompts_without_their_signs(value, said):
    assert made(values={"A": value}, prompt=value) == said
    assert made(values={}, prompt=value, text="prompt") == said


def test_of_a_value_of_several_parts_the_main_one_is_said():
    value = json.dumps({"main": "red coat", "lora": "<lora:red:1>"})
    assert made(values={"Coat": value}, prompt="red coat, <lora:red:1>") == "red coat"
    assert made(values={"Coat": value}, prompt="red coat", unseen="keep") == "red coat"


def test_what_is_named_twice_stands_once():
    assert (
        made(values={"A": "red coat, wool", "B": "Wool,\n  snow"}, prompt="", trigger="Red Coat")
        == "Red Coat, wool, snow"
    )


def test_a_longer_value_is_taken_out_before_one_that_is_in_it():
    values = {"Colour": "red", "Hair": "red hair"}
    prompt = "a woman with red hair, red"
    assert made(values=values, prompt=prompt, text="prompt", drop=["Colour", "Hair"]) == "a woman with"
    assert (
        made(values={"Colour": "red"}, prompt="a bored person, red", text="prompt", drop=["Colour"]) == "a bored person"
    )


TEXTS = st.text(st.sampled_from('ab ,\n(<{:1.2)>}\t"é'), max_size=20)


@given(
    st.dictionaries(st.sampled_from(["A", "B", "C"]), TEXTS),
    TEXTS,
    st.builds(
        Captions,
        text=st.sampled_from(["values", "prompt"]),
        trigger=st.sampled_from(["sks", "my  word"]),
        learned=st.sampled_from(["keep", "replace", "drop"]),
        keep=st.lists(st.sampled_from(["A", "B"]), max_size=2),
        drop=st.lists(st.sampled_from(["B", "C"]), max_size=1),
        unseen=st.sampled_from(["drop", "keep"]),
    ),
)
def test_a_caption_is_one_line_with_the_trigger_and_says_nothing_twice(values, prompt, recipe):
    said = caption(values, prompt, recipe, "A")
    assert said == " ".join(said.split()) and "\n" not in said
    assert recipe.trigger in said
    if recipe.text == "values":
        assert said.startswith(recipe.trigger)
        parts = [part.casefold() for part in said.split(", ")]
        assert len(set(parts)) == len(parts) and all(parts)
        assert caption(dict(reversed(values.items())), prompt, recipe, "A") == said
