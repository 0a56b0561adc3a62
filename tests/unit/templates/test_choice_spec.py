"""Chosen keys as a text, and back: what the command line shows and the node's list writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.templates import Options, load_text, parse_choice_spec
from sdgen_core.templates.seeds import choice_spec, is_plain_key
from sdgen_core.templates.space import selected
from sdgen_core.templates.syntax import parse_selector

KEYS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="aA0,;][#$-: \t\n", max_size=6),
    st.sampled_from(
        [
            "Red",
            "red",
            "7",
            "٣",
            "#1",
            "$2",
            "limit:3",
            "KEYS : a",
            "index:0",
            "a,b",
            " x",
            "x ",
            "",
            "a;b",
            "a]b",
            "{x}",
        ]
    ),
)


@st.composite
def pools_and_choices(draw):
    pools = draw(
        st.dictionaries(
            st.text(alphabet="ABab_1é", min_size=1, max_size=4),
            st.lists(KEYS, min_size=1, max_size=8, unique=True),
            max_size=4,
        )
    )
    chosen = {n: draw(st.lists(st.sampled_from(p), max_size=8)) for n, p in pools.items() if draw(st.booleans())}
    return pools, chosen


@given(pools_and_choices())
def test_what_is_written_reads_back_as_the_same_keys(case):
    pools, chosen = case
    spec = choice_spec(pools, chosen)
    back = parse_choice_spec(spec)
    assert list(back) == list(chosen)
    for name, text in back.items():
        selector = parse_selector(text)
        assert not selector.errors and not selector.remarks
        if not chosen[name]:
            assert selector.leaves_out
            continue
        # the text of the last value is a key of the first: keys count before texts
        pool = {key: pools[name][0] for key in pools[name]}
        result = selected(name, selector, pools[name], pool, 1)
        assert result.pool == tuple(chosen[name]) and not result.unknown


@given(pools_and_choices())
def test_keys_are_written_as_themselves_where_that_is_possible(case):
    pools, chosen = case
    spec = choice_spec(pools, chosen)
    for name, keys in chosen.items():
        if keys and all(k.isalpha() for k in keys):
            assert f"{name}[{','.join(keys)}]" in spec


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, ""),
        ({"Hair": ["Red"]}, "Hair[Red]"),
        ({"Hair": ["Blue", "Red"], "Coat": ["a,b"]}, "Hair[Blue,Red]; Coat[#0]"),
        ({"Coat": ["7", "a,b"]}, "Coat[#2,0]"),
        ({"Coat": ["plain"]}, "Coat[plain]"),
        ({"Coat": []}, "Coat[0]"),
    ],
)
def test_forms(chosen, wanted):
    assert choice_spec({"Hair": ["Red", "Blue"], "Coat": ["a,b", "plain", "7"]}, chosen) == wanted


def test_a_thousand_keys_survive():
    keys = [f"a rather long key, number {i}" for i in range(5000)]
    spec = choice_spec({"X": keys}, {"X": keys})
    assert parse_selector(parse_choice_spec(spec)["X"]).indexes == tuple(range(5000))


def test_unknown_keys_are_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        choice_spec({"X": ["a"]}, {"X": ["b,"]})


def test_a_choice_acts_as_written():
    text = "prompt: '{Coat}'\nimports: {Coat: {'a, b': x, '2': y, z: w}}\n"
    pools = load_text(text).values
    spec = choice_spec(pools, {"Coat": ["2", "a, b"]})
    resolved = load_text(text, Options(choices=parse_choice_spec(spec)))
    assert not resolved.warnings and spec == "Coat[#1,0]"


@pytest.mark.parametrize("key", ["", " a", "a ", "a,b", "a;b", "a]", "a\nb", "$x", "#", "12", "limit: x", "Weight:2"])
def test_keys_that_cannot_stand_as_themselves(key):
    assert not is_plain_key(key)


@pytest.mark.parametrize("key", ["a", "Red", "2 cats", "a[b", "{x}", "light: dawn", "12a", "-1", "a-b", "é"])
def test_keys_that_can(key):
    assert is_plain_key(key)
