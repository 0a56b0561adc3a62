"""Several themes in one session, and the order in which models change least."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.estimate import model_loads
from sdgen_core.sessions.mix import Mix, plan_of
from sdgen_core.templates import load_text, parse_theme_spec
from sdgen_core.templates.library import ChosenTemplate, TemplateLibrary, TemplateQuery

from .conftest import graph, make_item, request

TEXT = """
name: cats
prompt: "a {Colour} cat, {Light}"
imports: {Colour: {r: red, g: green, b: blue, w: white}, Light: [dawn, noon, dusk, night, storm]}
generation: {mode: random, seed: 7, max_images: %d}
parameters: {width: 64, height: 64}
"""


def themed(*names, text=TEXT % 10, **more):
    return tuple(replace(load_text(text), theme=name, **more) for name in names)


def themes(mix):
    return [mix.plans[part].resolved.theme for part, _ in mix.order]


@pytest.mark.parametrize(
    ("distribution", "shares", "count", "wanted"),
    [
        ("balanced", (5, 1, 1), 9, {"a": 3, "b": 3, "c": 3}),
        ("weighted", (2, 1, 1), 8, {"a": 4, "b": 2, "c": 2}),
        ("weighted", (1, 1, 1), 8, {"a": 3, "b": 3, "c": 2}),
        ("weighted", (98, 1, 1), 8, {"a": 8}),
        ("weighted", (1, 1, 1), None, {"a": 10, "b": 10, "c": 10}),
        # what one cannot make, the others do
        ("weighted", (5, 1, 1), 26, {"a": 10, "b": 8, "c": 8}),
        ("balanced", (1, 1, 1), 99, {"a": 10, "b": 10, "c": 10}),
    ],
)
def test_shares(distribution, shares, count, wanted):
    mix = Mix.build(themed("a", "b", "c"), shares=shares, distribution=distribution, count=count)
    assert Counter(themes(mix)) == wanted
    assert mix.count == sum(wanted.values()) == len(set(mix.order))


def test_random_shares_repeat_and_follow_the_shares():
    def drawn(seed):
        templates = themed("a", "b", text=(TEXT % 20).replace("seed: 7", f"seed: {seed}"))
        return Counter(themes(Mix.build(templates, shares=(3, 1), distribution="random", count=20)))

    assert drawn(1) == drawn(1)
    many = sum((drawn(seed) for seed in range(60)), Counter())
    assert 800 < many["a"] < 1000 and many.total() == 1200
    assert len({tuple(drawn(seed).items()) for seed in range(20)}) > 1


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(1, 40))
def test_every_beginning_is_a_fair_sample(shares, count):
    mix = Mix.build(themed(*"abcd"[: len(shares)]), shares=shares, count=count)
    names = themes(mix)
    total = Counter(names)
    assert len(names) == min(count, 10 * len(shares))
    for end in range(1, len(names) + 1):
        part = Counter(names[:end])
        assert all(abs(part[n] - end * total[n] / len(names)) <= len(shares) for n in total)


def test_themes_compare_on_equal_seeds_and_draws():
    mix = Mix.build(themed("a", "b", text=(TEXT % 4).replace("seed: 7", "seed: -1")))
    made = {}
    for index in range(mix.count):
        _, n = mix.order[index]
        item = mix.item(index)
        made.setdefault(n, set()).add((item.seed, tuple(item.keys.items())))
    assert len(made) == 4 and all(len(found) == 1 for found in made.values())
    with pytest.raises(SDGenError):
        mix.item(8)


def test_themes_with_models_of_their_own_come_one_after_the_other():
    first, second = themed("a", "b")
    second = replace(second, parameters={**second.parameters, "lora": "b.safetensors"})
    names = themes(Mix.build((first, second)))
    assert names == ["a"] * 10 + ["b"] * 10


def test_drawn_items_are_made_checkpoint_by_checkpoint():
    text = """
name: cats
prompt: "a {Colour} cat"
imports: {Colour: [red, green, blue, white], Model: {A: a.safetensors, B: b.safetensors, C: c.safetensors}}
generation: {mode: random, seed: 7, max_images: 10}
parameters: {sd_model_checkpoint: "{Model}"}
"""
    mix = plan_of(ChosenTemplate((load_text(text),)))
    keys = [mix.item(i).keys["Model"] for i in range(mix.count)]
    assert keys == sorted(keys) and set(keys) == {"A", "B", "C"}
    assert sorted(n for _, n in mix.order) == list(range(10))


def test_a_session_of_two_themes(make):
    sessions = make()
    templates = themed("a", "b", text=TEXT % 3)
    mix = Mix.build(templates)
    row = sessions.submit(request(plan=mix)).session
    assert row.folder.name.endswith("-cats-a+b-default") and row.total == 6
    for item in sessions.ledger.items(row.id):
        make_item(sessions, row.id, item.idx)
    assert sessions.finish_if_done(row.id).state == "completed"
    manifest = json.loads((row.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["snapshot"]["sdgen"]["themes"] == [
        {"theme": "a", "style": "default"},
        {"theme": "b", "style": "default"},
    ]
    assert [e["sdgen"]["theme"] for e in manifest["images"]] == ["a", "b"] * 3
    assert sessions.submit(request(plan=Mix.build(templates))).action == "complete"


def test_values_of_parameters_are_checked_before_anything_runs(make):
    sessions = make()
    steps = (TEXT % 3).replace("height: 64", "height: 64, steps: %s")
    text = (steps % "'{Steps}'").replace("imports: {", "imports: {Steps: {few: '8', many: lots}, ")
    with pytest.raises(SDGenError) as caught:
        sessions.submit(request(text))
    assert caught.value.code == "bad-parameter" and "Steps[many]" in str(caught.value)
    wired = graph()
    wired["3"]["inputs"]["ckpt_name"] = ["2", 11]
    with pytest.raises(SDGenError) as caught:
        sessions.submit(request(TEXT % 3, graph=wired))
    assert caught.value.code == "bad-parameter" and "checkpoint" in str(caught.value)
    done = sessions.submit(request(steps % 5))
    assert any("'steps' has no effect" in w for w in done.warnings)


def test_the_node_and_the_command_line_say_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "theme.yaml").write_text("imports: {Colour: {x: crimson}}\n", encoding="utf-8")
    (tmp_path / "c.prompt.yaml").write_text(
        TEXT % 4 + "themes: {explicit: {a: a/theme.yaml}}\n", encoding="utf-8", newline=""
    )
    library = TemplateLibrary({"t": tmp_path})
    chosen = library.choose(TemplateQuery(file="t/c.prompt.yaml", theme="a:3, a/dark", distribution="random"))
    assert [(t.theme, t.style) for t in chosen.templates] == [("a", "default"), ("a", "dark")]
    again = library.choose(TemplateQuery(text=json.dumps(chosen.to_json())))
    assert again == chosen
    for bad in ({"theme": "a:0"}, {"theme": "a,a"}, {"theme": "/x"}, {"distribution": "evenly"}):
        with pytest.raises(SDGenError):
            library.choose(TemplateQuery(file="t/c.prompt.yaml", **bad))
    assert [(t.theme, t.style, t.share) for t in parse_theme_spec(" a/x : 2 ,b,")] == [("a", "x", 2), ("b", "", 1)]


def test_what_a_session_will_cost(make):
    sessions = make()
    text = (TEXT % 6).replace("parameters: {", "parameters: {steps: 10, ")
    first = sessions.submit(request(text))
    assert first.estimate is not None and first.estimate.seconds is None and first.estimate.model_loads == 1
    for item in sessions.ledger.items(first.session.id):
        make_item(sessions, first.session.id, item.idx)
    spent = sessions.ledger.session(first.session.id).seconds
    bigger = (
        text.replace("steps: 10", "steps: 20")
        .replace("width: 64", "width: 128")
        .replace("max_images: 6", "max_images: 9")
    )
    cost = sessions.submit(request(bigger)).estimate
    assert cost.like == "cats" and cost.seconds == pytest.approx(spent / 6 * 9 * 4, abs=0.1)
    models = "imports: {Model: {A: a.safetensors, B: b.safetensors}, "
    mix = plan_of(
        ChosenTemplate((load_text(text.replace("imports: {", models).replace("{steps", "{model: '{Model}', steps")),))
    )
    assert mix.count == 6 and model_loads(mix) == 2
