"""Choices, plans and seeds: arithmetic, draws, and that nothing depends on anything else."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Generation, ResolvedTemplate, Space, load_text, parse_fixed_spec, parse_seed_spec
from sdgen_core.templates.streams import Permutation, pick, shuffled, stream_key


def template(pools: dict[str, int], text: str | None = None, **generation) -> ResolvedTemplate:
    generation = {"mode": "combinatorial", "seed": 100, "max_images": -1, **generation}
    return ResolvedTemplate(
        name="T",
        session_name="T",
        source="text",
        source_hash="",
        files=(),
        prompt=" ".join(f"{{{n}}}" for n in pools) if text is None else text,
        negative="",
        values={n: {f"k{i}": f"{n} {i}" for i in range(size)} for n, size in pools.items()},
        generation=Generation(**generation),
    )


def random_run(pools: dict[str, int], n: int, seed: int = 5, text: str | None = None) -> list[dict[str, str]]:
    space = Space(template(pools, text, mode="random", max_images=n), seed)
    return [space.choice(i) for i in range(min(n, space.size))]


pool_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(
    lambda sizes: {f"N{i}": s for i, s in enumerate(sizes)}
)


# ---- combinatorial -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 50**6 - 1))
def test_far_items_of_a_large_space(index):
    space = Space(template({f"N{i}": 50 for i in range(6)}), 1)
    assert space.size == space.full_size == 50**6
    assert space.index(space.choice(index)) == index


def test_a_space_beyond_any_machine():
    space = Space(template({f"N{i}": 1000 for i in range(300)}), 1)
    assert space.size == 10**900
    assert space.index(space.choice(10**899 + 7)) == 10**899 + 7
    drawn = Space(template({f"N{i}": 1000 for i in range(300)}, mode="random"), 1)
    assert drawn.choice(10**899) != drawn.choice(10**899 + 1)


def test_a_space_that_no_number_can_be_written_for():
    with pytest.raises(SDGenError) as caught:
        Space(template({f"N{i}": 1000 for i in range(1400)}), 1)
    assert caught.value.code == "plan-too-large"


def test_out_of_range():
    space = Space(template({"A": 3}), 1)
    for index in (-1, 3):
        with pytest.raises(SDGenError) as caught:
            space.choice(index)
        assert caught.value.code == "unknown-item"


def test_weight_zero_takes_every_value_evenly():
    space = Space(template({"A": 10, "B": 5}, "{A} {B[$0]}"), 3)
    assert space.size == 10
    drawn = [space.choice(i)["B"] for i in range(10)]
    assert sorted(drawn) == sorted([f"k{i}" for i in range(5)] * 2)
    assert space.used(10)["B"] == list(dict.fromkeys(drawn))


def test_all_names_of_weight_zero_make_a_random_run():
    plan = Plan.build(template({"A": 10, "B": 5}, "{A[$0]} {B[$0]}", max_images=20))
    assert plan.count == 20
    assert len({tuple(i.keys.items()) for i in plan.items()}) == 20


# ---- random ------------------------------------------------------------------------------------------------------------------


def test_values_appear_evenly():
    chosen = [c["A"] for c in random_run({"A": 10, "B": 1000}, 1000)]
    counts = {k: chosen.count(k) for k in set(chosen)}
    assert set(counts.values()) == {100}


def test_random_access_equals_walking():
    resolved = template({"A": 7, "B": 6}, mode="random", max_images=40)
    forward = [Space(resolved, 9).choice(i) for i in range(40)]  # each from a fresh space
    one = Space(resolved, 9)
    assert [one.choice(i) for i in reversed(range(40))][::-1] == forward


@given(st.integers(1, 9000), st.integers(0, 2**64))
@settings(max_examples=30)
def test_permutations_are_bijections(size, seed):
    permutation = Permutation(stream_key(seed, "x"), size)
    assert sorted(permutation(i) for i in range(size)) == list(range(size))


def test_streams_never_change():
    """The numbers of every plan ever stored hang on these."""
    key = stream_key(42, "pick", "Höhe")
    assert key.hex() == "8fe4177c34bebe47326b10975fb8df719f89114c253b333e12c2ab921100f210"
    assert shuffled(key, 0, 12) == (5, 4, 2, 9, 7, 11, 8, 10, 1, 6, 3, 0)
    assert [pick(key, i, 5, 1) for i in (0, 4, 5, 10**30)] == [4, 0, 4, 3]
    assert [pick(key, i, 5, 2) for i in (0, 4, 5, 10**30)] == [0, 4, 0, 0]
    assert [pick(key, i, 300, 2) for i in (0, 4, 5, 10**30)] == [pick(key, i, 300, 1) for i in (0, 4, 5, 10**30)]
    assert [Permutation(key, 10**15)(i) for i in range(3)] == [790022757711657, 510456738129911, 377058515457568]


@pytest.mark.parametrize(
    ("algorithm", "sizes", "count", "recorded"),
    [
        (1, {"A": 7, "B": 6, "C": 5}, 210, "00cc4b965704f850ef26bb6ddbcc528adeb8ae4b76dbce3773081414eba599a0"),
        (1, {"A": 70, "B": 300, "C": 1}, 21000, "9c01ebff6b5e0bf48412354eda738ed71379985a204ca3f7305172679c6291dd"),
        (1, {"A": 5000, "B": 3}, 6000, "25721480c570352467b199cdae0eb0a2dfd52f1b8a6db69ef1f7e482af850993"),
        (2, {"A": 7, "B": 6, "C": 5}, 210, "09175549e2db41e9044402e57071efa542758ffa2fd17c96f1ddc612b701ba54"),
        (2, {"A": 70, "B": 300, "C": 1}, 21000, "b467be951d626305bfb3a08745a7af2623c1cc5bafdee907eb0de95e4b5f7d42"),
        (2, {"A": 5000, "B": 3}, 6000, "61744d97f2250e88b90494cf5fb5bf10a7d7f1c1dc43a62a2772c66d942610b5"),
    ],
)
def test_random_runs_never_change(algorithm, sizes, count, recorded):
    """Runs to the end of their space, with redraws and the permutation that comes after them."""
    space = Space(template(sizes, mode="random", max_images=count), 5, algorithm=algorithm)
    rows = [",".join(space.choice(i).values()) for i in range(count)]
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == recorded


# ---- plans -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generation", "build", "wanted"),
    [
        ({}, {}, [100, 101, 102, 103, 104, 105]),
        ({"seed_mode": "fixed"}, {}, [100] * 6),
        ({"seed_mode": "random"}, {}, [-1] * 6),
        ({"seed_mode": "ask"}, {}, [-1] * 6),
        ({"max_images": 4}, {}, [100, 101, 102, 103]),
        ({"max_images": 4}, {"limit": -1, "count": 5}, [100, 101, 102, 103, 104]),
        ({"max_images": 2}, {"count": 4}, [100, 101]),
        ({}, {"seeds": [7, 7, -1]}, [7, 7, -1] * 6),
        ({"max_images": 4}, {"seeds": [7, 8, 9]}, [7, 8, 9] * 4),
        ({"mode": "random", "max_images": 5}, {"seeds": [7, 8]}, [7, 8, 7, 8, 7]),
        ({}, {"count": 0}, []),
    ],
)
def test_seeds_of_a_plan(generation, build, wanted):
    plan = Plan.build(template({"A": 3, "B": 2}, **generation), **build)
    assert [i.requested_seed for i in plan.items()] == wanted
    assert all(i.seed >= 0 and (i.seed == i.requested_seed or i.requested_seed == -1) for i in plan.items())


@pytest.mark.parametrize(
    ("generation", "build", "n"),
    [
        ({"max_images": 500}, {}, 1),
        ({"max_images": 500}, {"seeds": range(5)}, 5),
        ({"max_images": 3}, {"seeds": range(5)}, 5),
        ({"mode": "random", "max_images": 4}, {}, 4),
        ({"mode": "random", "max_images": 4, "seed_mode": "fixed"}, {}, 1),
        ({}, {"count": 6}, 6),
        ({"seed_mode": "fixed"}, {"count": 6}, 1),
    ],
)
def test_prompts_without_placeholders(generation, build, n):
    plan = Plan.build(template({}, "an owl", **generation), **build)
    assert plan.count == n
    assert len({(i.prompt, i.seed) for i in plan.items()}) == n


def test_progressive_from_minus_one_has_a_recorded_base():
    plan = Plan.build(template({"A": 3}, seed=-1))
    seeds = [i.requested_seed for i in plan.items()]
    assert seeds == [plan.base_seed + i for i in range(3)]
    assert Plan.build(template({"A": 3}, seed=-1)).base_seed != plan.base_seed
    assert [i.seed for i in Plan.from_json(plan.to_json()).items()] == seeds


def test_random_seeds_are_new_on_every_run_unless_pinned():
    resolved = template({"A": 3}, seed_mode="random")
    runs = [
        [i.seed for i in Plan.build(resolved, **b).items()]
        for b in ({}, {}, {"variation_seed": 3}, {"variation_seed": 3})
    ]
    assert runs[0] != runs[1]
    assert runs[2] == runs[3]
    assert all(s < 2**53 for run in runs for s in run)


def test_weight_zero_stays_the_same_over_the_seeds_of_a_combination():
    plan = Plan.build(template({"A": 6, "B": 5}, "{A} {B[$0]}"), seeds=range(3))
    assert all(len({i.keys["B"] for i in plan.items(n, n + 3)}) == 1 for n in range(0, 18, 3))


@given(
    pool_sizes,
    st.sampled_from(["combinatorial", "random"]),
    st.sampled_from(["fixed", "progressive", "random"]),
    st.sampled_from([None, range(3), [5, -1]]),
    st.sampled_from([-1, 1, 7, 50]),
    st.sampled_from([None, 0, 5, 60]),
)
@settings(max_examples=80)
def test_a_stored_plan_is_the_same_plan(pools, mode, seed_mode, seeds, maximum, count):
    plan = Plan.build(
        template(pools, mode=mode, seed_mode=seed_mode, max_images=maximum, seed=-1), seeds=seeds, count=count
    )
    text = json.dumps(plan.to_json(), sort_keys=True, allow_nan=False)
    again = Plan.from_json(json.loads(text))
    assert list(again.items()) == list(plan.items())
    assert json.dumps(again.to_json(), sort_keys=True) == text
    assert again.fingerprint() == plan.fingerprint()
    assert [plan.identity(i) for i in range(plan.count)] == [i.identity for i in plan.items()]
    used: dict[str, list[str]] = {n: [] for n in plan.names}
    for item in plan.items():
        for name, key in item.keys.items():
            if key not in used[name]:
                used[name].append(key)
    assert plan.used() == used


def test_identity_is_of_keys_seed_and_parameters():
    items = list(Plan.build(template({"A": 2}, seed_mode="fixed"), seeds=[1, 1, 2]).items())
    assert items[0].identity == items[1].identity
    assert len({i.identity for i in items}) == 4
    moved = Plan.build(template({"B": 1, "A": 1})).item(0), Plan.build(template({"A": 1, "B": 1})).item(0)
    assert moved[0].identity == moved[1].identity


def test_fingerprint_is_of_the_request():
    resolved = template({"A": 2}, seed=-1, seed_mode="random")
    assert Plan.build(resolved).fingerprint() == Plan.build(resolved).fingerprint()
    assert Plan.build(resolved, variation_seed=1).fingerprint() != Plan.build(resolved).fingerprint()
    assert Plan.build(resolved, count=1).fingerprint() != Plan.build(resolved).fingerprint()


@pytest.mark.parametrize(
    "damage",
    [
        {"sdgen_plan": 9},
        {"algorithm": 0},
        {"algorithm": 3},
        {"algorithm": "2"},
        {"resolved": {}},
        {"seeds": "x"},
        {"base_seed": "1"},
        {"count": 1.5},
    ],
)
def test_damaged_plans(damage):
    data = {**Plan.build(template({"A": 2})).to_json(), **damage}
    with pytest.raises(SDGenError) as caught:
        Plan.from_json(data)
    assert caught.value.code == "bad-plan"


@pytest.mark.parametrize(("mode", "maximum"), [("combinatorial", -1), ("random", 30), ("random", -1), ("random", 0)])
@pytest.mark.parametrize("seeds", [None, range(3)])
def test_a_longer_plan_begins_with_the_shorter(mode, maximum, seeds):
    plan = Plan.build(template({"A": 9, "B": 8}, mode=mode, max_images=maximum), seeds=seeds)
    short = plan.cut(12)
    longer = short.longer(6)
    assert [i.identity for i in longer.items()] == [i.identity for i in plan.items(0, 18)]
    assert list(longer.items(0, 12)) == list(short.items())


def test_a_plan_larger_than_len():
    plan = Plan.build(template({f"N{i}": 1000 for i in range(8)}), seeds=range(10))
    assert plan.count == 10**25
    assert plan.item(10**25 - 1).requested_seed == 9
    assert plan.summary()["images"] == 10**25


def test_used_of_a_large_plan_is_quick():
    plan = Plan.build(template({f"N{i}": 50 for i in range(5)}, mode="random", max_images=40000))
    started = time.process_time()
    assert all(len(keys) == 50 for keys in plan.used().values())
    assert time.process_time() - started < 1.0


def test_bad_requests():
    resolved = template({"A": 2})
    for build, code in (({"count": -1}, "bad-option"), ({"seeds": []}, "bad-seed-spec")):
        with pytest.raises(SDGenError) as caught:
            Plan.build(resolved, **build)
        assert caught.value.code == code
    with pytest.raises(SDGenError) as caught:
        Plan.build(resolved).item(2)
    assert caught.value.code == "unknown-item"


# ---- the two one-line grammars -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("42", [42]),
        (" -1 ", None),
        ("1,5, 9,,5", [1, 5, 9, 5]),
        ("100-103", [100, 101, 102, 103]),
        ("3 - 5", [3, 4, 5]),
        ("-5--1", [-5, -4, -3, -2, -1]),
        ("-1-1", [-1, 0, 1]),
        ("5#200", [200, 201, 202, 203, 204]),
        ("2 # -1", [-1, 0]),
        ("-1,3", [-1, 3]),
    ],
)
def test_seed_specs(spec, wanted):
    if wanted is None:
        with pytest.raises(SDGenError):
            parse_seed_spec(spec)
    else:
        assert list(parse_seed_spec(spec)) == wanted


def test_a_million_seeds_cost_nothing():
    assert parse_seed_spec("1000000000000#5") == range(5, 5 + 10**12)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "x",
        "0#5",
        "-3#5",
        "5-1",
        "1.5",
        "1-",
        ",",
        "#",
        "1#",
        "1-2-3",
        "99999999999999999999999",
        "2#18446744073709551615",
    ],
)
def test_bad_seed_specs(spec):
    with pytest.raises(SDGenError) as caught:
        parse_seed_spec(spec)
    assert caught.value.code == "bad-seed-spec"


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("A:x|B:y z", {"A": "x", "B": "y z"}),
        (" A : x:y | ", {"A": "x:y"}),
        ("A=x,B=y", {"A": "x", "B": "y"}),
        ("A=x, y,B=z", {"A": "x, y", "B": "z"}),
        ("A:a=b", {"A": "a=b"}),
        ("", {}),
    ],
)
def test_fixed_specs(spec, wanted):
    assert parse_fixed_spec(spec) == wanted


@pytest.mark.parametrize("spec", ["A", "A:x|B", ":x", "A:", "|"])
def test_bad_fixed_specs(spec):
    with pytest.raises(SDGenError) as caught:
        parse_fixed_spec(spec)
    assert caught.value.code == "bad-fixed-spec"


@pytest.mark.parametrize(
    ("fixed", "wanted"),
    [
        ({"Coat": "Blue"}, ["blue coat"]),
        ({"Coat": "blue coat"}, ["blue coat"]),
        ({"Coat": "#1"}, ["blue coat"]),
        ({"Nobody": "x"}, ["green coat", "black coat"]),
    ],
)
def test_fixed_placeholders(case, fixed, wanted):
    assert case("{Coat[#2,3]}").prompts(fixed=fixed) == wanted


def test_unknown_fixed_key(case):
    error = case("{Coat}").error(fixed={"Coat": "blu"})
    assert (error.code, error.nearest) == ("unknown-fixed-key", ["Blue"])
    assert "Red" in str(error)


def test_models_change_least_often():
    text = """
imports: {A: [a, b], Model: [m, n], V: [v, w], L: [l, k]}
prompt: "{L[$1]} {A[$1]} {V[$2]} {Model[$9]}"
parameters: {vae: "{V}", sd_model: "{Model}", lora: "{L}"}
generation: {seed: 1}
"""
    assert Space(load_text(text), 1).names == ("Model", "V", "L", "A")
