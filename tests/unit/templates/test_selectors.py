"""Selectors: every form, their precedence, and what is reported."""

from __future__ import annotations

import pytest

ALL = ["red coat", "blue coat", "green coat", "black coat", "white coat"]


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("#4,0", ["white coat", "red coat"]),
        ("#1-3", ["blue coat", "green coat", "black coat"]),
        ("#3-99", ["black coat", "white coat"]),
        ("#0-999999999999999", ALL),
        ("#2", ["green coat"]),
        ("#0,0", ["red coat", "red coat"]),
        ("White,Red", ["white coat", "red coat"]),
        ("Red", ["red coat"]),
        (" Red , Nope ", ["red coat"]),
        ("#0-2;$5", ["red coat", "blue coat", "green coat"]),
        ("Red,Blue;1", ["red coat", "blue coat"]),
        ("#0;Blue;1", ["red coat"]),
        ("9", ALL),
        ("5", ALL),
        ("keys:Red,Blue", ["red coat", "blue coat"]),
        ("key: Blue", ["blue coat"]),
        ("indexes:1,0", ["blue coat", "red coat"]),
        ("range:0-1", ["red coat", "blue coat"]),
        ("weight:3", ALL),
        ("$x", ALL),
        (";;", ALL),
        ("red coat", ["red coat"]),
    ],
)
def test_selection(case, selector, wanted):
    assert case(f"{{Coat[{selector}]}}").prompts() == wanted


@pytest.mark.parametrize(
    ("selector", "n"), [("2", 2), ("limit:3", 3), ("random:1", 1), ("Red,Blue,Green;limit:2", 2), ("3;$0", 1)]
)
def test_draws(case, selector, n):
    found = case(f"{{Coat[{selector}]}}", generation="{mode: combinatorial, seed: 4, max_images: -1}").prompts()
    if "$0" in selector:
        assert len(found) == 3  # all names have weight 0: a random run over the three drawn values
    else:
        assert len(found) == len(set(found)) == n
    if "Red" in selector:
        assert set(found) < set(ALL[:3])


@pytest.mark.parametrize(
    ("selector", "code", "word"),
    [
        ("#2-1", "bad-selector", "backwards"),
        ("#-1", "bad-selector", "neither"),
        ("#0-1,3", "bad-selector", "neither"),
        ("#a", "bad-selector", "neither"),
        ("#", "bad-selector", "neither"),
        ("limit:x", "bad-selector", "number"),
        ("keys:", "bad-selector", "no key"),
        ("#7,8", "empty-choice", "none of the 5"),
        ("#9-12", "empty-choice", "none of the 5"),
        ("Rde", "empty-choice", "'Red'"),
        ("red", "empty-choice", "'Red'"),
        ("foo:3", "empty-choice", "keys: Red"),
        ("Nope;limit:1", "empty-choice", "keys: Red"),
    ],
)
def test_bad_selectors_say_where(case, selector, code, word):
    error = case(f"a\nb {{Coat[{selector}]}}").error()
    assert error.code == code
    assert word in str(error)
    assert (error.place.line, error.place.column) == (6, 5)


def test_unknown_keys_are_remarks_and_in_strict_mode_errors(case):
    project = case("{Coat[Red,Blu,#9]} {Light[#0,7]}")
    warnings = project.load().warnings
    assert any("Blu" in w and "'Blue'" in w for w in warnings)
    assert any("#7" in w for w in warnings)
    assert project.error(strict=True).code == "bad-selector"


def test_limit_is_the_same_for_the_same_seed(case):
    project = case("{Coat[2]}")
    runs = {tuple(project.prompts()) for _ in range(5)}
    assert len(runs) == 1
    others = {tuple(p.prompt for p in project.plan(build={"variation_seed": s}).items()) for s in range(30)}
    assert len(others) > 3


def test_growing_a_limit_keeps_what_was_drawn(case):
    two, three = (set(case(f"{{Coat[{n}]}}").prompts()) for n in (2, 3))
    assert two < three


def test_zero_leaves_out(case):
    assert case("{Coat[0]}, {Light}").prompts() == ["dawn light", "noon light"]


def test_weights_order_the_loops(case):
    keys = [
        list(i.keys.values())
        for i in case(
            "{Coat[#0-1;$9]} {Light[$-3]} {Third[$2]}", imports="{Coat: coats.yaml, Light: light.yaml, Third: [x, y]}"
        )
        .plan()
        .items()
    ]
    assert len(keys) == 4
    assert keys[0][0] == keys[1][0] != keys[2][0]  # Third outermost, Coat fastest
    assert [k[1] for k in keys] == ["Red", "Blue"] * 2


def test_a_later_bare_occurrence_keeps_the_selector(case):
    assert case("{Coat[Red]} and {Coat}").prompts() == ["red coat and red coat"]


def test_a_part_does_not_reset_the_weight(case):
    project = case("{Coat[$9]} {Light} {Coat:main}")
    assert [s.name for s in project.plan().space.slots] == ["Light", "Coat"]


def test_inline_values_can_be_chosen_by_their_text(case):
    assert case("{Hat[red hat,straw hat]}", imports="{Hat: [red hat, top hat, straw hat]}").prompts() == [
        "red hat",
        "straw hat",
    ]


def test_default_weight_of_an_import(case):
    project = case("{Coat} {Light}", imports="{Coat: {source: coats.yaml, weight: 5}, Light: light.yaml}")
    assert project.plan().names == ("Light", "Coat")
    assert case("{Coat[$1]} {Light}").plan().names == ("Coat", "Light")


def test_braces_that_are_no_placeholders(case):
    text = "{a|b} { Coat } {x-y} {Coat[]} {{Light[Dawn]}}"
    assert case(text).prompts() == ["{a|b} { Coat } {x-y} {Coat[]} {dawn light}"]
