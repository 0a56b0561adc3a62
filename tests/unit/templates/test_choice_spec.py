"""Chosen values as a text, and back: what the command line shows and the node's list writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.templates import Options, load_text, parse_choice_spec
from sdgen_core.templates.imports import inline_key
from sdgen_core.templates.seeds import choice_spec, is_plain, write_selector
from sdgen_core.templates.space import selected
from sdgen_core.templates.syntax import parse_selector

ODD = ["Red", "red", "7", "٣", "#1", "$2", "limit:3", "KEYS : a", "index:0", "a,b", " x", "x ", "", "a;b", "a]b", "{x}"]
WORDS = st.one_of(
    st.text(max_size=12), st.text(alphabet="aA0,;][#$-: \t\n", max_size=6), st.sampled_from(ODD), st.just("deadbeef")
)


@st.composite
def placeholder(draw):
    """The values of one placeholder: with keys of their own, and written in place with a hash for a key."""
    values = draw(st.dictionaries(WORDS, st.one_of(WORDS, st.just({"main": "x"})), max_size=6))
    values |= {inline_key(text): text for text in draw(st.lists(WORDS, min_size=not values, max_size=3))}
    return values


@st.composite
def pools_and_choices(draw):
    pools = draw(st.dictionaries(st.text(alphabet="ABab_1é", min_size=1, max_size=4), placeholder(), max_size=4))
    chosen = {n: draw(st.lists(st.sampled_from(list(p)), max_size=8)) for n, p in pools.items() if draw(st.booleans())}
    return pools, chosen


@given(pools_and_choices())
def test_what_is_written_reads_back_as_the_same_keys(case):
    pools, chosen = case
    back = parse_choice_spec(choice_spec(pools, chosen))
    assert list(back) == list(chosen)
    for name, text in back.items():
        selector = parse_selector(text)
        assert not selector.errors and not selector.remarks
        result = selected(name, selector, list(pools[name]), pools[name], 1)
        assert result.pool == tuple(chosen[name]) and not result.unknown
        assert selector.leaves_out == (not chosen[name])


@given(placeholder(), st.data())
def test_a_selector_with_a_draw_and_a_weight(values, data):
    picked = data.draw(st.lists(st.sampled_from(list(values)), max_size=8))
    draw = data.draw(st.one_of(st.none(), st.integers(1, 9)))
    weight = data.draw(st.one_of(st.none(), st.integers(0, 9)))
    selector = parse_selector(write_selector(values, picked, draw, weight))
    assert not selector.errors and selector.weight == weight
    result = selected("X", selector, list(values), values, 1)
    assert not result.unknown and len(result.pool) == min(len(picked), len(picked) if draw is None else draw)
    assert draw is not None or result.pool == tuple(picked)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, ""),
        ({"Hair": ["Red"]}, "Hair[Red]"),
        ({"Hair": ["Blue", "Red"], "Coat": ["a,b"]}, "Hair[Blue,Red]; Coat[#0]"),
        ({"Coat": ["7", "a,b"]}, "Coat[#2,0]"),
        ({"Coat": ["plain"]}, "Coat[plain]"),
        ({"Coat": []}, "Coat[0]"),
        ({"Hair": ["Red", "Blue"]}, "Hair[#0-1]"),
    ],
)
def test_forms(chosen, wanted):
    pools = {"Hair": {"Red": "r", "Blue": "b"}, "Coat": {"a,b": "1", "plain": "2", "7": "3"}}
    assert choice_spec(pools, chosen) == wanted


def test_draws():
    pools = {"Hair": {"Red": "r", "Blue": "b", "Grey": "g"}}
    assert choice_spec(pools, {"Hair": ["Red", "Blue"]}, {"Hair": 1}) == "Hair[Red,Blue;limit:1]"
    assert choice_spec(pools, {"Hair": list(pools["Hair"])}, {"Hair": 1}) == "Hair[1]"


def test_thousands_of_keys_survive():
    values = {f"a rather long key, number {i}": "" for i in range(10_000)}
    picked = list(values)[::2]
    spec = choice_spec({"X": values}, {"X": picked})
    assert parse_selector(parse_choice_spec(spec)["X"]).indexes == tuple(range(0, 10_000, 2))


def test_unknown_keys_are_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        choice_spec({"X": {"a": ""}}, {"X": ["b"]})


def test_a_choice_acts_as_written():
    text = "prompt: '{Coat}'\nimports: {Coat: {'a, b': x, '2': y, z: w}}\n"
    pools = load_text(text).values
    spec = choice_spec(pools, {"Coat": ["2", "a, b"]})
    resolved = load_text(text, Options(choices=parse_choice_spec(spec)))
    assert not resolved.warnings and spec == "Coat[#1,0]"


@pytest.mark.parametrize("word", ["", " a", "a ", "a,b", "a;b", "a]", "$x", "#", "12", "limit: x", "Weight:2"])
def test_words_that_cannot_stand_as_themselves(word):
    assert not is_plain(word)


@pytest.mark.parametrize("word", ["a", "Red", "2 cats", "a[b", "{x}", "light: dawn", "12a", "-1", "a-b", "é"])
def test_words_that_can(word):
    assert is_plain(word)
