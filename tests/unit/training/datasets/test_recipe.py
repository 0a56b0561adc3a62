"""Recipes: what they may say, and what is said of what they may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.recipe import Recipe, named_after


@pytest.mark.parametrize(
    ("said", "message", "near"),
    [
        ({}, "name: Field required", []),
        ({"name": "a", "bset": 0.2}, "bset: a recipe has no such part", ["best"]),
        ({"name": "a", "captions": {"triger": "x"}}, "captions.triger: a recipe has no such part", ["trigger"]),
        ({"name": "a", "apart": {"seed": 2}}, "apart.seed: a recipe has no such part", ["seeds"]),
        ({"name": "a", "best": 20}, "best: Input should be less than or equal to 1", []),
        ({"name": "a", "best": "0.2"}, "best: Input should be a valid number", []),
        ({"name": "a", "repeats": 1.5}, "repeats: Input should be a valid integer", []),
        ({"name": "a", "value": "Colour"}, "value: write Placeholder=Key, such as Colour=Red", []),
        ({"name": "a", "value": "Colour="}, "value: write Placeholder=Key", []),
        ({"name": "a", "captions": {"learned": "replace"}}, "captions: `learned: replace` needs a `trigger`", []),
        ({"name": "a", "captions": {"learned": "drop"}}, "needs a `value` that is learned", []),
        ({"name": "a", "even": True}, "`even` needs placeholders in `balance`", []),
        ({"name": "a", "resolution": [512]}, "resolution", []),
        ({"name": "a", "resolution": 8}, "resolution", []),
        ({"name": "a", "duplicates": 9}, "duplicates: Input should be less than or equal to 8", []),
        ({"name": "a", "files": "move"}, "files: Input should be 'auto', 'link' or 'copy'", []),
        ({"name": "a", "sessions": "coats"}, "sessions: Input should be a valid list", []),
    ],
)
def test_a_wrong_part_is_named(said, message, near):
    with pytest.raises(SDGenError) as error:
        Recipe.of(said)
    assert error.value.code == "bad-recipe" and message in error.value.message
    assert error.value.nearest[: len(near)] == near


def test_a_file_is_read_and_options_win(tmp_path):
    path = tmp_path / "reds.yaml"
    path.write_text(
        "name: reds\nvalue: Colour=red\nbest: 1\ncaptions:\n  trigger: my  word\n  drop: [Mood]\n", encoding="utf-8"
    )
    recipe = Recipe.read(path, {"limit": 5, "captions": {"class_word": "coat"}})
    assert (recipe.best, recipe.limit, recipe.asked) == (1.0, 5, ("Colour", "red"))
    assert (recipe.captions.trigger, recipe.captions.class_word, recipe.captions.drop) == ("my word", "coat", ["Mood"])
    assert Recipe.of(json.loads(recipe.text())) == recipe


def test_a_file_that_a_recipe_names_lies_beside_it(tmp_path):
    path = tmp_path / "reds.yaml"
    path.write_text("name: reds\napart: {file: first/held_out.json}\n", encoding="utf-8")
    assert Recipe.read(path).apart.file == str(tmp_path / "first" / "held_out.json")
    other = str(tmp_path / "other.json")
    assert Recipe.read(path, {"apart": {"file": other}}).apart.file == other


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Colour=red", "Colour red"),
        ("Pose=" + "very " * 50 + "long", ("Pose " + "very " * 50)[:119]),
        (" = ", "images"),
        ("a\n b", "a b"),
    ],
)
def test_what_nobody_named_has_a_name(text, name):
    assert named_after(text) == name and Recipe.of({"name": named_after(text)}).name == name


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("name: [", "bad-recipe", ":1:8"),
        ("- a", "bad-recipe", ""),
        ("name: a\nbset: 1", "bad-recipe", ""),
        (b"name: \xff\xfe\xff", "unreadable-file", None),
        (None, "missing-file", None),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, text, code, where):
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SDGenError) as error:
        Recipe.read(path)
    assert error.value.code == code
    if where is not None:
        assert str(error.value.place).endswith(f"recipe.yaml{where}")


def test_the_recipe_of_the_readme_is_one(tmp_path):
    text = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(text[text.index("name: red coats") :].split("```")[0], encoding="utf-8")
    recipe = Recipe.read(path)
    assert (recipe.asked, recipe.captions.trigger, recipe.resolution) == (("Coat", "Red"), "sks", [832, 1216])
