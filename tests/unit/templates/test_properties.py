"""What holds for every template: choices can be read back from prompts, items are numbered without gaps, and no
placeholder's choices depend on another's.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sdgen_core.sessions import plan as plans
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import (
    Generation,
    Options,
    Renderer,
    ResolvedTemplate,
    Space,
    Value,
    load_text,
    normalise,
    one_line,
    parse_choice_spec,
    render,
    streams,
)
from sdgen_core.templates.columns import loop, numbers, type_code
from sdgen_core.templates.normalise import by_rules
from sdgen_core.templates.walk import digits

NAMES = ["A", "B", "Coat", "Höhe", "x_1"]
PARTS = ["lora", "main", "negative"]
MARK = re.compile(r"⟨(\w+)\.(\w+)\.(\w*)⟩")
seeds = st.integers(0, 2**64 - 1)


@dataclass(frozen=True)
class Written:
    """A template as a user writes it: its text for ``load_text``, and every occurrence in it as (name, part)."""

    text: str
    values: dict[str, dict[str, Value]]
    occurrences: list[tuple[str, str | None]]
    noted: str  # the name in the parameter "note"

    def load(self, **options: Any) -> ResolvedTemplate:
        return load_text(self.text, Options(**options))

    def marks(
        self, choice: dict[str, str], occurrences: list[tuple[str, str | None]] | None = None
    ) -> list[tuple[str, str, str]]:
        """The marks that a text of these occurrences (default: the prompt) holds for this choice, in order."""
        out = []
        for name, part in self.occurrences if occurrences is None else occurrences:
            if name not in choice:
                continue
            value = self.values[name][choice[name]]
            if isinstance(value, str):
                parts = [""] if part in (None, "main") else []
            elif part is None:
                parts = ["main" if "main" in value else min(value)]
            else:
                parts = [part] if part in value else []
            out += [(name, choice[name], p) for p in parts]
        return out


@st.composite
def pools(draw: st.DrawFn, name: str) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for k in range(draw(st.integers(1, 6))):
        parts = draw(st.one_of(st.just([]), st.lists(st.sampled_from(PARTS), min_size=1, unique=True)))
        plain = f"⟨{name}.k{k}.⟩"
        out[f"k{k}"] = {p: f"⟨{name}.k{k}.{p}⟩" for p in parts} if parts else plain
    return out


@st.composite
def selectors(draw: st.DrawFn, size: int) -> str:
    """A selector that leaves something of ``size`` values ``k0``, ``k1``, …, or leaves the placeholder out."""
    some = st.lists(st.integers(0, size - 1), min_size=1, max_size=4)
    which = draw(
        st.one_of(
            st.just(""),
            some.map(lambda found: "#" + ",".join(map(str, found))),
            st.integers(0, size - 1).map(lambda first: f"#{first}-{first + 2}"),
            some.map(lambda found: ",".join(f"k{k}" for k in found)),
            st.integers(0, size + 1).map(str),
        )
    )
    draws = draw(st.sampled_from(["", "", "limit:1", "limit:2"]))
    weight = draw(st.sampled_from(["", "$0", "$1", "$2", "$30"]))
    return ";".join(p for p in (which, draws, weight) if p) or "$1"


@st.composite
def written(draw: st.DrawFn, mode: str | None = None) -> Written:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    values = {name: draw(pools(name)) for name in names}
    found: list[tuple[str, str | None]] = []
    text = ""
    for _ in range(draw(st.integers(1, 7))):
        text += draw(st.text(alphabet="ab ,\n(:.", max_size=6))
        name = draw(st.sampled_from(names))
        part = draw(st.one_of(st.none(), st.sampled_from(PARTS)))
        selector = draw(st.one_of(st.none(), selectors(len(values[name])))) if part is None else None
        found.append((name, part))
        text += "{" + name + (f"[{selector}]" if selector else "") + (f":{part}" if part else "") + "}"
    generation = {
        "mode": mode or draw(st.sampled_from(["combinatorial", "random"])),
        "seed": 7,
        "seed_mode": draw(st.sampled_from(["fixed", "progressive", "random"])),
        "max_images": draw(st.sampled_from([-1, 1, 5, 60, 5000])),
    }
    noted = draw(st.sampled_from(names))
    parameters = draw(st.sampled_from([{}, {"note": f"a {{{noted}}}"}, {"adetailer": {"ad_prompt": f"{{{noted}}}"}}]))
    file = {"prompt": f"{text}.", "imports": values, "generation": generation, "parameters": parameters}
    return Written(json.dumps(file, ensure_ascii=False), values, found, noted)


def simple(sizes: dict[str, int], text: str | None = None, **generation: Any) -> ResolvedTemplate:
    return ResolvedTemplate(
        name="T",
        session_name="T",
        source="text",
        source_hash="",
        files=(),
        prompt=" ".join(f"{{{name}}}" for name in sizes) if text is None else text,
        negative="",
        values={name: {f"k{i}": f"{name} {i}" for i in range(size)} for name, size in sizes.items()},
        generation=Generation(**{"mode": "random", "seed": 1, "max_images": -1, **generation}),
    )


# ---- prompts and choices ---------------------------------------------------------------------------------------------


@given(written(), seeds)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_choice_can_be_read_back_from_the_prompt(template, seed):
    plan = Plan.build(template.load(), variation_seed=seed)
    for item in itertools.islice(plan.items(), 60):
        assert MARK.findall(item.prompt) == template.marks(item.keys)
        assert {n: template.values[n][k] for n, k in item.keys.items()} == item.values
        if "note" in item.parameters:
            assert MARK.findall(item.parameters["note"]) == template.marks(item.keys, [(template.noted, None)])
            assert "{" not in item.parameters["note"]


@given(written(), seeds, st.integers(0, 50), st.integers(0, 130))
@settings(max_examples=50, deadline=None)
def test_many_at_once_are_the_same_as_one_by_one(template, seed, start, count):
    resolved = template.load()
    plan = Plan.build(resolved, variation_seed=seed, seeds=[3, -1, 3] if seed % 2 else None)
    stop = min(plan.count, start + count)
    one_by_one = [plan.item(n) for n in range(start, stop)]
    assert [plan.identity(n) for n in range(start, stop)] == [item.identity for item in one_by_one]
    with patch.object(plans, "_FEW", 0), patch.object(plans, "_BLOCK", 7):
        assert list(plan.items(start, stop)) == one_by_one
    space, renderer = Space(resolved, seed), Renderer(resolved)
    stop = min(space.size, start + count)
    rendered = [renderer.render(space.choice(i)) for i in range(start, stop)]
    with patch.object(render, "_BLOCK", 11), patch.object(render, "_TABLE", 300 if seed % 2 else 1 << 18):
        assert list(renderer.render_many(Space(resolved, seed), start, stop)) == rendered


# ---- numbers and combinations ----------------------------------------------------------------------------------------


@given(written("combinatorial"), seeds, st.booleans())
@settings(max_examples=80, deadline=None)
def test_index_and_combination_are_a_bijection(template, seed, fix):
    space = Space(template.load(fixed={template.noted: "k0"} if fix else {}), seed)
    assume(space.combinatorial)
    loops = [slot for slot in space.slots if slot.weight > 0]
    assert [slot.weight for slot in loops] == sorted(slot.weight for slot in loops)
    repeats = any(len(set(slot.pool)) < len(slot.pool) for slot in loops)
    found = [space.choice(i) for i in range(space.size)]
    assert [tuple(c[slot.name] for slot in loops) for c in found] == list(itertools.product(*[s.pool for s in loops]))
    for i, choice in enumerate(found):
        assert space.index(choice) == i or (repeats and found[space.index(choice)].items() >= choice_of(loops, choice))


def choice_of(slots, choice):
    return {slot.name: choice[slot.name] for slot in slots}.items()


@given(written("random"), seeds)
@settings(max_examples=60, deadline=None)
def test_a_random_run_is_the_space_without_repeats(template, seed):
    space = Space(template.load(), seed)
    found = [tuple(space.choice(i).items()) for i in range(min(space.size, 400))]
    assert len(set(found)) == len(found)
    if space.size <= 400:
        wanted = itertools.product(*[[(slot.name, key) for key in slot.pool] for slot in space.slots])
        assert set(found) == set(wanted)


@given(written(), st.data(), seeds)
@settings(max_examples=60, deadline=None)
def test_what_is_chosen_beside_the_template_takes_the_place_of_its_selectors(template, data, seed):
    used = sorted({name for name, _ in template.occurrences})
    name = data.draw(st.sampled_from(used))
    keys = data.draw(st.lists(st.sampled_from(sorted(template.values[name])), min_size=1, unique=True))
    beside = template.load(choices=parse_choice_spec(f"{name}[{','.join(keys)}]"))
    plan = Plan.build(beside, variation_seed=seed)
    assert plan.pools[name] == keys
    others = [n for n in used if n != name]
    alone = Plan.build(template.load(), variation_seed=seed)
    assert [plan.pools.get(n) for n in others] == [alone.pools.get(n) for n in others]
    fixed = Plan.build(template.load(fixed={name: keys[0]}), variation_seed=seed)
    if name in fixed.pools:
        assert set(fixed.pools[name]) == {keys[0]}


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5), st.data())
@settings(max_examples=40, deadline=None)
def test_columns_of_numbers(sizes, data):
    """The arithmetic on whole columns is the arithmetic on numbers."""
    size = 1
    for n in sizes:
        size *= n
    start = data.draw(st.integers(0, size))
    stop = min(size, start + data.draw(st.integers(0, 300)))
    columns, stride = [], size
    for n in sizes:
        stride //= n
        columns.append(loop(start, stop, n, stride))
        assert list(columns[-1]) == [i // stride % n for i in range(start, stop)]
        assert columns[-1].typecode == type_code(n)
    assert numbers(columns, sizes) == list(range(start, stop))
    assert all(digits(i, sizes) == [c[i - start] for c in columns] for i in range(start, stop))


def test_numbers_beyond_64_bits():
    sizes = [60000] * 5
    columns = [loop(59990, 60000, 60000, 1)] * 5
    wanted = [sum(d * 60000**k for k in range(5)) for d in range(59990, 60000)]
    assert numbers(columns, sizes) == wanted


# ---- random draws ----------------------------------------------------------------------------------------------------


small = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 12), min_size=1, max_size=4)


def own_picks(seed: int, name: str, size: int, count: int) -> list[str]:
    key = streams.stream_key(seed, "pick", name)
    return [f"k{streams.pick(key, i, size, streams.ALGORITHM)}" for i in range(count)]


@given(small, seeds, st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_every_placeholder_draws_from_its_own_stream(sizes, seed, count):
    """A combination is what each placeholder drew by itself, unless it was there already: so adding, moving or removing
    a placeholder changes no pick of another, save where a repeat has to be avoided.
    """
    space = Space(simple(sizes, max_images=count), seed)
    count = min(count, space.size)
    own = {name: own_picks(seed, name, size, count) for name, size in sizes.items()}
    there = set()
    for i in range(count):
        found = tuple(space.choice(i)[name] for name in sizes)
        drawn = tuple(own[name][i] for name in sizes)
        assert found == drawn if drawn not in there else found not in there
        there.add(found)


@given(st.permutations(["A", "B", "Coat", "Höhe"]), seeds)
@settings(max_examples=40, deadline=None)
def test_adding_moving_and_removing_a_placeholder(order, seed):
    """The same as seen from outside, up to the first combination that one of the templates would have repeated."""
    sizes = {"A": 5, "B": 40, "Coat": 33, "Höhe": 3}
    count = 100
    own = {name: own_picks(seed, name, size, count) for name, size in sizes.items()}
    runs, first_repeat = [], count
    for names in (list(sizes), order, order[:3]):
        space = Space(simple({n: sizes[n] for n in names}, max_images=count), seed)
        runs.append([space.choice(i) for i in range(count)])
        rows = list(zip(*[own[n] for n in names], strict=True))
        first_repeat = min([first_repeat, *(i for i, row in enumerate(rows) if row in rows[:i])])
    assert first_repeat >= 33  # B or Coat is always there, and a deck repeats nothing
    for added, moved, removed in itertools.islice(zip(*runs, strict=True), first_repeat):
        assert moved == added
        assert removed.items() <= added.items()


@given(small, small, seeds)
@settings(max_examples=40, deadline=None)
def test_weight_zero_and_limits_depend_on_nothing_else(first, second, seed):
    runs = []
    for others in (first, second):
        sizes = {"L": 9, **others, "Z": 7, "M": 1}
        text = "{L[4]}{Z[$0]}{M[$3]}" + "".join(f"{{{name}}}" for name in others)
        space = Space(simple(sizes, text, mode="combinatorial"), seed)
        runs.append((space.pools["L"], [space.choice(i)["Z"] for i in range(min(space.size, 100))]))
    assert runs[0][0] == runs[1][0]
    shared = min(len(zs) for _, zs in runs)
    assert runs[0][1][:shared] == runs[1][1][:shared]


@given(written("random"), st.integers(1, 300), st.integers(1, 300), seeds)
@settings(max_examples=40, deadline=None)
def test_growing_a_random_run_keeps_its_beginning(template, a, b, seed):
    resolved = template.load()

    def run(maximum: int) -> list[Any]:
        grown = replace(resolved, generation=replace(resolved.generation, max_images=maximum))
        return list(Plan.build(grown, variation_seed=seed).items())

    short, long = run(min(a, b)), run(max(a, b))
    assert long[: len(short)] == short


algorithms = st.sampled_from(streams.ALGORITHMS)


@given(st.integers(1, 300), seeds, st.integers(0, 40_000), st.integers(1, 700), algorithms)
@settings(max_examples=60, deadline=None)
def test_draws_are_even_and_the_same_in_bulk(size, seed, start, count, algorithm):
    key = streams.stream_key(seed, "pick", "Höhe")
    drawn = list(streams.picks(key, start, start + count, size, algorithm))
    assert drawn == [streams.pick(key, i, size, algorithm) for i in range(start, start + count)]
    epoch = start // size
    for one in (epoch, epoch + 1):  # every deck has every value once
        assert sorted(streams.picks(key, one * size, one * size + size, size, algorithm)) == list(range(size))


@pytest.mark.parametrize("size", [1, 2, 50, 256, 257, 4096, 4097])
def test_the_first_algorithm_is_one_shuffle_after_another(size):
    key = streams.stream_key(5, "pick", "A")
    drawn = list(streams.picks(key, size // 2, 4 * size, size, 1))
    assert drawn == [streams.shuffled(key, i // size, size)[i % size] for i in range(size // 2, 4 * size)]


def test_products_of_shuffles_are_random():
    """The order of a deck of 4 is any of 24, and so are the orders of two decks of a block, or of two blocks, together."""
    samples, block = 3000, 256
    key = streams.stream_key(7, "pick", "A")
    drawn = list(streams.picks(key, 0, 4 * block * (samples + 1), 4, 2))
    orders = [tuple(drawn[at : at + 4]) for at in range(0, len(drawn), 4)]
    for first, second in ((0, 1), (0, 16), (0, 17), (33, 200), (255, 256)):
        pairs = [(orders[at + first], orders[at + second]) for at in range(0, block * samples, block)]
        assert chi_square(Counter(pair[0] for pair in pairs), samples, 24) < 60  # 23 degrees of freedom: 1 in 25,000
        assert chi_square(Counter(pairs), samples, 24**2) < 740  # 575 degrees of freedom: less likely still


def chi_square(counts: Counter[Any], total: int, cells: int) -> float:
    expected = total / cells
    return sum((n - expected) ** 2 for n in counts.values()) / expected + (cells - len(counts)) * expected


def test_equal_words_keep_the_order(monkeypatch):
    """Shuffles sort by random words; where two are equal, in bulk as one by one, the earlier value comes first."""

    class Words:
        def __init__(self, data: bytes) -> None:
            pass

        def digest(self, size: int) -> bytes:
            return (b"\1\0\0\0" + b"\0\0\0\0" + b"\0\0\0\xff" + b"\0\0\0\0")[:size]

    monkeypatch.setattr(streams.hashlib, "shake_128", Words)
    streams.shuffled.cache_clear()
    try:
        assert streams.shuffled(b"k", 0, 4) == tuple(streams.picks(b"k", 0, 4, 4, 1)) == (1, 3, 0, 2)
    finally:
        streams.shuffled.cache_clear()


# ---- plans -----------------------------------------------------------------------------------------------------------


@given(written(), seeds, st.sampled_from([None, [4], [9, -1, 9], range(5)]), st.sampled_from([None, 0, 3, 90]))
@settings(max_examples=50, deadline=None)
def test_a_plan_survives_json(template, seed, seed_list, count):
    plan = Plan.build(template.load(), variation_seed=seed, seeds=seed_list, count=count)
    text = json.dumps(plan.to_json(), sort_keys=True, allow_nan=False)
    again = Plan.from_json(json.loads(text))
    assert json.dumps(again.to_json(), sort_keys=True) == text
    assert (again.count, again.fingerprint(), again.summary()) == (plan.count, plan.fingerprint(), plan.summary())
    assert list(again.items(0, 90)) == list(plan.items(0, 90))
    used = {name: list(dict.fromkeys(i.keys[name] for i in plan.items())) for name in plan.names}
    assert plan.used() == used


# ---- cleaning --------------------------------------------------------------------------------------------------------


@given(st.one_of(st.text(max_size=60), st.text(alphabet=" ,\n\t\r\u3000\u2028a.", max_size=40)))
@settings(max_examples=600, deadline=None)
def test_cleaning_by_table_is_cleaning_by_the_rules(text):
    assert normalise(text) == by_rules(text)
    assert one_line(text) == by_rules(text.replace("\r", "").replace("\n", ", "))


@given(st.lists(st.sampled_from(["a", "é", ",", " ", "\n", ", ", ",\n", "\n\n", "  ", "\t"]), max_size=14).map("".join))
@settings(max_examples=600, deadline=None)
def test_cleaning_of_what_prompts_are_made_of(text):
    clean = normalise(text)
    assert clean == by_rules(text) == normalise(clean)
    assert one_line(clean) == by_rules(clean.replace("\n", ", "))
