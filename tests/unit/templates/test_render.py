"""Filling and cleaning: the fast way must give what the rules give."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.templates import Generation, Renderer, ResolvedTemplate, Space, normalise, one_line
from sdgen_core.templates.normalise import by_rules
from sdgen_core.templates.parameters import part_of
from sdgen_core.templates.syntax import PLACEHOLDER, placeholders, tokens

messy = st.text(alphabet=" ,\n\tab(\r\u00a0é{\ue000", max_size=30)


@given(messy)
@settings(max_examples=500)
def test_fast_and_by_the_rules(text):
    assert normalise(text) == by_rules(text)


@given(messy)
def test_cleaning_is_idempotent(text):
    assert normalise(normalise(text)) == normalise(text)
    assert one_line(one_line(text)) == one_line(text)
    assert "\n" not in one_line(text)


@pytest.mark.parametrize(
    ("text", "clean", "line"),
    [
        ("  \n , \n", "", ""),
        ("a,b ,c", "a, b, c", "a, b, c"),
        ("a,, ,\n,b", "a, b", "a, b"),
        ("a\n,b", "a, b", "a, b"),
        ("a\n,\nb", "a\n\nb", "a, b"),
        ("a,\n\n\n\nb", "a,\n\nb", "a, b"),
        ("a,   b   c", "a, b   c", "a, b   c"),
        ("a,\tb", "a, \tb", "a, \tb"),
        ("  a  \n  b  ", "a\nb", "a, b"),
        (",a,", "a", "a"),
        ("a\r\nb", "a\nb", "a, b"),
        ("<lora:x:0.8>,(a:1.2),[b|c]", "<lora:x:0.8>, (a:1.2), [b|c]", "<lora:x:0.8>, (a:1.2), [b|c]"),
    ],
)
def test_cleaning(text, clean, line):
    assert normalise(text) == clean
    assert one_line(text) == line


def resolved(prompt: str, values: dict, removed=(), negative="") -> ResolvedTemplate:
    return ResolvedTemplate("T", "T", "t", "", (), prompt, negative, values, Generation(), removed=tuple(removed))


def slow_fill(text: str, values: dict, choice: dict, removed=()) -> str:
    """The definition: replace from left to right in one pass, then clean."""

    def put(m):
        name, part = m[1], m[3]
        if name in values:
            return part_of(values[name][choice[name]], part)
        return "" if name in removed else m[0]

    return by_rules(PLACEHOLDER.sub(put, text))


value = st.one_of(messy, st.dictionaries(st.sampled_from(["main", "p", "q"]), messy, max_size=3))
pieces = st.one_of(messy, st.sampled_from(["{A}", "{B}", "{A:p}", "{B:main}", "{C}", "{B[k0]}", "{R}", "{A", "}"]))


@given(
    st.lists(pieces, max_size=8).map("".join),
    st.fixed_dictionaries({n: st.dictionaries(st.sampled_from(["k0", "k1", "k2"]), value, min_size=1) for n in "AB"}),
    st.data(),
)
@settings(max_examples=600)
def test_rendering_is_replacing_and_cleaning(text, values, data):
    renderer = Renderer(resolved(text, values, removed=["R"], negative=text))
    for _ in range(3):
        choice = {n: data.draw(st.sampled_from(sorted(pool))) for n, pool in values.items()}
        wanted = slow_fill(text, values, choice, removed=["R"])
        assert renderer.render(choice) == (wanted, wanted)


@given(st.lists(st.one_of(st.text(max_size=10), pieces), max_size=10).map("".join))
def test_tokens_put_together_are_the_text(text):
    assert "".join(t if isinstance(t, str) else t.raw for t in tokens(text)) == text
    assert all(text[p.start :].startswith(p.raw) for p in placeholders(text))


@pytest.mark.parametrize("mode", ["combinatorial", "random"])
@pytest.mark.parametrize("maximum", [50, -1])
@pytest.mark.parametrize("edge", ["", ",\n"])
def test_in_bulk(mode, maximum, edge):
    values = {
        n: {f"k{i}": f"{n}{i}" + (edge if i % 2 else "") for i in range(size)}
        for n, size in {"A": 4, "B": 5, "C": 6}.items()
    }
    template = ResolvedTemplate(
        "T", "T", "t", "", (), "x {A}, {B}{C[$0]} {A}", "n", values, Generation(mode=mode, max_images=maximum)
    )
    space, renderer = Space(template, 3), Renderer(template)
    wanted = [renderer.render(space.choice(i)) for i in range(space.size)]
    assert list(renderer.render_many(space)) == wanted
    assert list(renderer.render_many(Space(template, 3), 7, 13)) == wanted[7:13]


@pytest.mark.parametrize("text", ["{A}{B}{A}", "start {B}, {A}{A}{B} end", "{A}, {A}, {A}, {B}", "{B}"])
def test_in_bulk_with_many_long_values(text):
    """Tables of texts stay small: placeholders with many values do not share one."""
    values = {"A": {f"k{i}": f"A{i}" for i in range(30)}, "B": {f"k{i}": f"B{i} " + "long " * 30 for i in range(3000)}}
    template = resolved(text, values)
    space, renderer = Space(template, 3), Renderer(template)
    wanted = [renderer.render(space.choice(i)) for i in range(2980, 3000)]
    assert list(renderer.render_many(space, 2980, 3000)) == wanted


def test_parts():
    values = {"X": {"a": {"main": "m", "p": "part"}, "b": {"z": "last", "c": "first"}, "c": "plain", "d": {}}}
    renderer = Renderer(resolved("{X}|{X:p}|{X:main}", values))
    assert [renderer.render({"X": k}).prompt for k in "abcd"] == ["m|part|m", "first||", "plain||plain", "||"]


def test_values_are_not_filled_again():
    values = {"A": {"k": "{B} @Hero"}, "B": {"k": "b"}}
    assert Renderer(resolved("{A} {B}", values)).render({"A": "k", "B": "k"}).prompt == "{B} @Hero b"


def test_many_kinds_of_edges_share_a_bounded_table():
    pool = {f"k{i}": " " * (i % 7) + "," * (i % 3) + f"v{i}" + "\n" * (i % 5) for i in range(210)}
    values = {"A": pool, "B": pool, "C": pool}
    renderer = Renderer(resolved("x {A} y {B}{C}", values))
    for i in range(210):
        choice = {"A": f"k{i}", "B": f"k{i * 11 % 210}", "C": f"k{i * 17 % 210}"}
        assert renderer.render(choice).prompt == slow_fill("x {A} y {B}{C}", values, choice)
