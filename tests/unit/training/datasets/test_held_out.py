"""What is set aside for the benchmark is never in the data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.choose import choose
from sdgen_core.training.datasets.held_out import HeldOut, Prompt, set_aside
from sdgen_core.training.datasets.recipe import Apart, Recipe
from sdgen_core.training.datasets.write import write

from .made import Shot


def prompt(text, colour="red", learned=False, **more):
    return Prompt(text, "", {"Colour": {"key": colour, "text": colour}}, learned, False, "s", **more)


PROMPTS = st.lists(
    st.builds(
        prompt,
        st.text("abc", min_size=1, max_size=3),
        st.sampled_from(["red", "blue"]),
        st.booleans(),
        steps=st.integers(1, 3),
    ),
    max_size=40,
    unique_by=lambda one: one.prompt,
)
WANTED = st.builds(Apart, seeds=st.integers(0, 12), prompts=st.integers(0, 12), share=st.floats(0, 0.5))


@given(PROMPTS, st.lists(st.none() | st.integers(0, 2**64 - 1), max_size=60), WANTED, st.randoms())
def test_as_many_as_are_wanted_and_no_more_than_the_share(images, seeds, wanted, random):
    found = set_aside(images, seeds, wanted)
    known = {seed for seed in seeds if seed is not None}
    assert len(found.seeds) == len(set(found.seeds)) == wanted.seeds
    assert set(found.seeds) & known == set(found.apart)
    assert len(found.apart) <= wanted.share * len(known)
    texts = [one.prompt for one in found.prompts]
    assert len(texts) == len(set(texts)) == min(wanted.prompts, len({one.prompt for one in images}))
    assert sum(one.apart for one in found.prompts) <= wanted.share * len({one.prompt for one in images})
    # who asks, and in which order, does not matter
    shuffled = list(images)
    random.shuffle(shuffled)
    assert set_aside(shuffled, reversed(seeds), wanted) == found
    for one in found.prompts:
        assert found.has(None, one.prompt) == one.apart
    assert all(found.has(seed, "no prompt of any") for seed in found.seeds) and not found.has(None, "no prompt of any")


def test_half_of_the_prompts_are_of_the_learned_value_and_all_values_are_seen():
    images = [
        prompt(f"{colour} {n}", colour, colour == "red")
        for colour in ("red", "blue", "green", "grey")
        for n in range(20)
    ]
    found = set_aside(images, [], Apart(seeds=0, prompts=12))
    colours = [one.values["Colour"]["key"] for one in found.prompts]
    assert colours.count("red") == 6 and all(colours.count(other) == 2 for other in ("blue", "green", "grey"))
    # a tenth of the 20 learned prompts, and of the 60 others all six that are asked
    assert sum(one.apart for one in found.prompts if one.learned) == 2
    assert sum(one.apart for one in found.prompts if not one.learned) == 6


def library(made):
    pool = [Shot({"Colour": colour, "Mood": f"mood {n}"}, seed=n) for colour in ("red", "blue") for n in range(30)]
    made.add("coats", pool)
    made.judge("coats", range(60), "value/Colour", "ok")


def test_no_image_of_a_data_set_has_a_seed_or_prompt_of_the_benchmark(made):
    library(made)
    recipe = Recipe.of(
        {"name": "set", "value": "Colour=red", "best": 1.0, "apart": {"seeds": 4, "prompts": 10, "share": 0.2}}
    )
    selection = choose(made.library, recipe)
    held = selection.held_out
    assert len(held.apart) == 4 and {one.learned for one in held.prompts if one.apart} == {True, False}
    assert not {image.seed for image in selection.images} & set(held.seeds)
    assert not {image.prompt for image in selection.images} & {one.prompt for one in held.prompts if one.apart}
    assert len(selection.images) + selection.counts["apart"] == 30
    assert held.learned == {"placeholder": "Colour", "keys": [selection.learned.keys[0]], "text": "red"}
    assert {(one.negative, one.width, one.height) for one in held.prompts} == {("blurry", 64, 64)}
    assert all(("red" in one.prompt) == one.learned for one in held.prompts)


def test_sessions_without_the_learned_value_are_not_benchmarked(made):
    library(made)
    made.add("houses", [Shot({"Roof": f"roof {n}"}, seed=n) for n in range(30)])
    selection = choose(made.library, Recipe.of({"name": "set", "value": "Colour=red", "best": 1.0}))
    assert (selection.considered, selection.counts["other-value"]) == (90, 60)
    assert {tuple(one.values) for one in selection.held_out.prompts} == {("Colour", "Mood")}
    everything = choose(made.library, Recipe.of({"name": "set", "query": "seed:>=0", "best": 1.0}))
    assert {tuple(one.values) for one in everything.held_out.prompts} == {("Colour", "Mood"), ("Roof",)}


def test_what_was_set_aside_once_stays_so(made, tmp_path):
    library(made)
    apart = {"seeds": 4, "prompts": 10, "share": 0.2}
    first = choose(made.library, Recipe.of({"name": "set", "value": "Colour=red", "best": 1.0, "apart": apart}))
    folder = write(made.library, first, tmp_path / "one").folder
    made.add("more", [Shot({"Colour": "red", "Mood": f"mood {n}"}, seed=n) for n in range(200)])
    made.judge("more", range(200), "value/Colour", "ok")
    again = {"name": "set", "value": "Colour=red", "best": 1.0, "apart": {"file": str(folder / "held_out.json")}}
    second = choose(made.library, Recipe.of(again))
    assert second.held_out == first.held_out
    assert not {image.seed for image in second.images} & set(first.held_out.seeds)
    assert {image.seed for image in second.images} - {image.seed for image in first.images}


def test_the_file_is_read_as_it_was_written(tmp_path):
    held = set_aside(
        [prompt(f"p{n}", learned=n % 2 == 0, cfg=1.5, model="m") for n in range(9)], range(30), Apart(seeds=5)
    )
    held = replace(held, learned={"placeholder": "Colour", "keys": ["red"], "text": "red"})
    path = tmp_path / "held_out.json"
    import json

    path.write_text(json.dumps(held.to_json()), encoding="utf-8")
    assert HeldOut.read(path) == held
    for text, code in (("{", "bad-structure"), ('{"form": 7}', "bad-structure"), ('{"form": 1}', "bad-structure")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SDGenError) as error:
            HeldOut.read(path)
        assert error.value.code == code
    with pytest.raises(SDGenError, match="there is no file"):
        HeldOut.read(tmp_path / "none.json")
