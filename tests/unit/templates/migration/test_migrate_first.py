"""Migration of the first version: JSON configs and ``.txt`` lists. The expected prompts are worked out by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.templates import load_template
from sdgen_core.templates.migrate import migrate
from sdgen_core.templates.migrate.lists import alternatives, plain_key

from .tools import legacy, migrated, prompts, put, rows, tree


def config(template: str, **more: Any) -> dict[str, Any]:
    generation = {"mode": "combinatorial", "seed": 1, "seed_mode": "fixed", "max_images": 100}
    return {
        "version": "1.0",
        "prompt": {"template": template, "negative": more.pop("negative", "")},
        "generation": {**generation, **more.pop("generation", {})},
        **more,
    }


def test_the_sample_project(tmp_path):
    root = legacy("first", tmp_path)
    before = tree(root)
    plan = migrated(root)
    assert {k: v for k, v in tree(root).items() if k in before} == before, "the old files stay as they are"
    assert sorted(c.path.relative_to(root).as_posix() for c in plan.changes) == [
        "configs/owls.prompt.yaml",
        "configs/random_owls.prompt.yaml",
        "configs/small.prompt.yaml",
        "variations/faults.yaml",
        "variations/moods.yaml",
        "variations/more_perches.yaml",
        "variations/perches.yaml",
        "variations/plumage.yaml",
        "variations/weather.yaml",
    ]
    assert [(p.code, p.place.line) for p in plan.problems] == [("not-carried-over", 5), ("not-carried-over", 9)]
    assert [p.message.split(":")[0] for p in plan.problems] == ["model", "api_url"]

    # Plumage #0 and #2, Mood priority 2, Perch two at random with priority 5, Fault (only in the negative) innermost
    found = rows(root / "configs/owls.prompt.yaml")
    perches = list(dict.fromkeys(p.split("on a ")[1].removesuffix(", sharp focus") for p, _, _ in found))
    assert len(perches) == 2 and set(perches) < {"vieux chêne, écorce", "toit d'église", "mossy post", "barn roof"}
    expected = []
    for plumage in ("white feathers, black spots", "grey feathers"):
        for mood in ("calm", "curious", "curious, head tilted"):
            for perch in perches:
                for fault in ("bad wings", "extra legs"):
                    prompt = f"{plumage} owl, {mood}, on a {perch}, sharp focus"
                    expected.append((prompt, f"blurry, {fault}, {mood}", 42 + len(expected)))
    assert found == expected

    assert rows(root / "configs/small.prompt.yaml") == [
        ("calm, owl", "", 7),
        ("curious, owl", "", 7),
        ("curious, head tilted, owl", "", 7),
    ]
    random = load_template(root / "configs/random_owls.prompt.yaml")
    assert (random.generation.mode, random.generation.max_images, random.session_name) == ("random", 5, "random owls")
    assert len(set(rows(root / "configs/random_owls.prompt.yaml"))) == 5
    assert random.parameters == {
        "width": 512, "height": 768, "steps": 30, "cfg_scale": 7.0, "sampler": "DPM++ 2M Karras",
    }  # fmt: skip
    owls = load_template(root / "configs/owls.prompt.yaml")
    assert owls.output.filename_keys == ("Plumage", "Hair_Perch")
    assert owls.parameters["sampler"] == "DPM++ 2M Karras"


def test_comments_and_order_of_a_list_stay(tmp_path):
    put(tmp_path, {"a.txt": "# Title\nb→two\n\n## part\n1→One Thing\nplain, value\n# end\n"})
    migrated(tmp_path / "a.txt")
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == (
        "# migrated from a.txt by sdgen migrate\ntype: variations\nversion: '2.0'\nname: a\nvariations:\n"
        "  # Title\n  b: two\n\n  # # part\n  one_thing: One Thing\n  plain_value: plain, value\n  # end\n"
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("red", ["red"]),
        ("{|a|b}", ["a", "b"]),  # what is empty as a whole is no value
        ("x{|, a}", ["x", "x, a"]),
        ("x,{|a},{|b|c,d}", ["x", "x,b", "x,c,d", "x,a", "x,a,b", "x,a,c,d"]),
        ("x{| a | a |}y", ["xy", "xay"]),
        ("{|}", []),
        ("{a|b}", ["{a|b}"]),
    ],
)
def test_alternatives(text, values):
    assert alternatives(text) == values


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Red Hat", "red_hat"),
        ("  A--b  c ", "a_b_c"),
        ("l'été d'or!", "lété_dor"),
        ("(x:1.2)", "x12"),
        ("…", "unnamed"),
    ],
)
def test_keys(text, key):
    assert plain_key(text) == key


OPTIONS = {
    "{A}": ["a0", "a1", "a2", "a3"],
    "{A:#|2|0}": ["a2", "a0"],
    "{A:#|1|1|9}": ["a1"],
    "{A:#|9}": ["a0", "a1", "a2", "a3"],  # nothing was left: all values
    "{A:99}": ["a0", "a1", "a2", "a3"],
    "{A:$3}": ["a0", "a1", "a2", "a3"],
    "{A:#|3$3}": ["a3"],
    "{A:odd}": ["a0", "a1", "a2", "a3"],
}


@pytest.mark.parametrize("placeholder", OPTIONS)
def test_options(tmp_path, placeholder):
    put(tmp_path, {"a.txt": "a0\na1\na2\na3\n", "c.json": config(f"an {placeholder} owl", variations={"A": "a.txt"})})
    plan = migrated(tmp_path)
    assert prompts(tmp_path / "c.prompt.yaml") == [f"an {v} owl" for v in OPTIONS[placeholder]]
    assert len(plan.problems) == (placeholder == "{A:odd}")


def test_a_number_draws_so_many(tmp_path):
    put(tmp_path, {"a.txt": "a0\na1\na2\na3\n", "c.json": config("{A:3}", variations={"A": "a.txt"})})
    migrated(tmp_path)
    found = prompts(tmp_path / "c.prompt.yaml")
    assert len(found) == 3 == len(set(found)) and set(found) < {"a0", "a1", "a2", "a3"}


@pytest.mark.parametrize(
    ("template", "negative", "written", "expected"),
    [
        # priorities: 0 when not said, low ones outside; 0 and negative ones need other numbers today
        ("{A} {B}", "", "{A} {B}", "ab"),
        ("{A:$2} {B}", "", "{A[$2]} {B}", "ba"),
        ("{A:$1} {B}", "", "{A[$2]} {B}", "ba"),
        ("{A:$0} {B:$7}", "", "{A} {B[$8]}", "ab"),
        ("{A} {B:$-1}", "", "{A[$2]} {B}", "ba"),
        ("{B} {A:$3}", "no {C}", "{B} {A[$3]}", "bac"),
        ("{B:$3} {A}", "no {C}", "{B[$3]} {A}", "abc"),
    ],
)
def test_priorities(tmp_path, template, negative, written, expected):
    variations = {"A": "a.txt", "B": "b.txt", "C": "c.txt"}
    put(tmp_path, {f"{n}.txt": f"{n}0\n{n}1\n" for n in "abc"})
    put(tmp_path, {"x.json": config(template, negative=negative, variations=variations)})
    migrated(tmp_path)
    source = (tmp_path / "x.prompt.yaml").read_text(encoding="utf-8")
    assert f"prompt: '{written}'" in source
    resolved = rows(tmp_path / "x.prompt.yaml")
    texts = [" ".join((p, n)) for p, n, _ in resolved]
    order = [[t[t.index(f"{n}0" if f"{n}0" in t else f"{n}1") :][:2] for n in expected] for t in texts]
    assert order == [list(c) for c in itertools.product(*([f"{n}0", f"{n}1"] for n in expected))]


def test_the_last_occurrence_counts_and_the_prompt_before_the_negative(tmp_path):
    put(tmp_path, {"a.txt": "a0\na1\na2\n", "b.txt": "b0\nb1\n"})
    text = "{A:#|0} {A:#|2}, {B:#|1} {B}"
    put(tmp_path, {"x.json": config(text, negative="{A:#|1}", variations={"A": "a.txt", "B": "b.txt"})})
    migrated(tmp_path)
    assert rows(tmp_path / "x.prompt.yaml") == [("a2 a2, b0 b0", "a2", 1), ("a2 a2, b1 b1", "a2", 1)]


def test_left_out_names(tmp_path):
    put(tmp_path, {"a.txt": "a0\na1\n"})
    put(tmp_path, {"x.json": config("owl, {A}, {B:0}", negative="bad, {Gone}", variations={"A": "a.txt"})})
    plan = migrated(tmp_path)
    assert rows(tmp_path / "x.prompt.yaml") == [("owl, a0", "bad", 1), ("owl, a1", "bad", 1)]
    assert plan.problems == [] and sum("has no values" in r for r in plan.remarks) == 2


def test_line_breaks_were_spaces(tmp_path):
    put(tmp_path, {"a.txt": "a0\n", "x.json": config("a  big\n\n {A}\nhouse,\nnight", variations={"A": "a.txt"})})
    migrated(tmp_path)
    assert prompts(tmp_path / "x.prompt.yaml") == ["a big a0 house, night"]


def test_a_key_in_two_lists(tmp_path):
    """It was one value, the later text at the earlier place; today both lists keep theirs, and indexes follow."""
    put(tmp_path, {"a.txt": "x→one\ny→two\n", "b.txt": "x→three\nz→four\n"})
    put(tmp_path, {"c.json": config("{A:#|0|2}", variations={"A": ["a.txt", "b.txt"]})})
    plan = migrated(tmp_path)
    assert prompts(tmp_path / "c.prompt.yaml") == ["three", "four"]
    assert any("several lists" in r for r in plan.remarks)


@pytest.mark.parametrize(
    "path", ["D:\\old\\lists\\a.txt", "/mnt/d/old/lists/a.txt", "./lists/a.txt", "lists\\a.txt", "../p/lists/a.txt"]
)
def test_paths_of_old_machines(tmp_path, path):
    root = put(
        tmp_path / "p",
        {"lists/a.txt": "a0\n", "more/a.txt": "other\n", "c.json": config("{A}", variations={"A": path})},
    )
    migrated(root)
    assert prompts(root / "c.prompt.yaml") == ["a0"]
    assert "A: lists/a.yaml" in (root / "c.prompt.yaml").read_text(encoding="utf-8")


def test_a_config_alone_brings_its_lists(tmp_path):
    root = put(
        tmp_path,
        {
            "configs/c.json": config("{A}", variations={"A": "../lists/a.txt"}),
            "lists/a.txt": "a0\n",
            "lists/b.txt": "b→b\n",
        },
    )
    plan = migrated(root / "configs" / "c.json")
    assert sorted(c.path.name for c in plan.changes) == ["a.yaml", "c.prompt.yaml"]
    assert prompts(root / "configs" / "c.prompt.yaml") == ["a0"]


@pytest.mark.parametrize(
    "data",
    [
        {"prompt": "{A} owl", "variations": {"A": ["red", "blue"]}, "generation": {"seed": 3}},
        {
            "prompt_template": "{A} owl",
            "variation_files": {"A": "a.txt"},
            "seed": 3,
            "generation_mode": "combinatorial",
        },
        {"prompt": {"text": "{A} owl"}, "imports": {"A": {"file": "a.txt"}}, "generation": {"seed": 3, "count": "2"}},
        {"template": "{A} owl", "placeholders": {"A": {"r": "red", "b": "blue"}}, "generation": {"seed": 3.0}},
        {"prompt": "{A} owl", "imports": {"A": "x/a.yaml"}, "generation": {"seed": 3, "seed_mode": "progressive"}},
    ],
)
def test_field_names_that_mean_the_same(tmp_path, data):
    put(tmp_path, {"a.txt": "red\nblue\n", "x/a.yaml": "r: red\nb: blue\n", "c.json": data})
    plan = migrate(tmp_path / "c.json")
    plan.write()
    assert plan.problems == []
    assert rows(tmp_path / "c.prompt.yaml") == [("red owl", "", 3), ("blue owl", "", 4)]


def test_what_is_not_understood_is_kept_and_told(tmp_path):
    data = config(
        "{A}",
        variations={"A": "a.txt", "B": "gone.txt", "C": {"x": [1]}},
        generation={"mode": "shuffle", "seed": "?", "wishes": 3},
        output={"session_name": "s", "colour": "red"},
        parameters={"steps": -1, "strange": {"a": [1, "b: c"]}},
        extra=[1, {"two": "# three"}],
        nothing=None,
    )
    put(tmp_path, {"a.txt": "a0\n", "c.json": data})
    plan = migrated(tmp_path)
    assert sorted(p.message.split(":")[0] for p in plan.problems) == sorted(
        [
            "variations.B",
            "variations.C",
            "generation.mode",
            "generation.seed",
            "generation.wishes",
            "output.colour",
            "extra",
        ]
    )
    assert all(p.place and p.place.line for p in plan.problems)
    source = (tmp_path / "c.prompt.yaml").read_text(encoding="utf-8")
    for line in (
        "#   variations.B: gone.txt",
        "#   variations.C: {x: [1]}",
        "#   generation.mode: shuffle",
        "#   generation.seed: '?'",
        "#   generation.wishes: 3",
        "#   output.colour: red",
        "#   extra: [1, {two: '# three'}]",
    ):
        assert line + "\n" in source
    assert load_template(tmp_path / "c.prompt.yaml").parameters["strange"] == {"a": [1, "b: c"]}
    assert load_template(tmp_path / "c.prompt.yaml").parameters["steps"] == 30


def test_braces_left_in_a_value_are_told(tmp_path):
    put(tmp_path, {"a.txt": "fine\nwith {Other} in it\n"})
    (problem,) = migrated(tmp_path / "a.txt").problems
    assert (problem.code, problem.place.line) == ("not-carried-over", 2) and "{Other}" in problem.message


@pytest.mark.parametrize(
    ("data", "remark"),
    [
        ("é→façade\n".encode(), ""),
        ("\ufeffé→façade\n".encode(), "byte-order mark"),
        ("\ufeffé→façade\r\n".encode("utf-16-le"), "UTF-16"),
        ("façade\r\n".encode("cp1252"), "cp1252"),
    ],
)
def test_encodings(tmp_path, data, remark):
    put(tmp_path, {"a.txt": data})
    plan = migrated(tmp_path / "a.txt")
    assert (tmp_path / "a.yaml").read_bytes().endswith("façade\n".encode())
    assert [remark in r for r in plan.remarks] == ([True] if remark else [])


def test_long_sentences_get_short_keys(tmp_path):
    put(tmp_path, {"a.txt": "".join(f"1→{'word ' * 400}{i}\n" for i in range(3))})
    migrated(tmp_path / "a.txt")
    put(tmp_path, {"c.json": config("{A}", variations={"A": "a.txt"})})
    migrated(tmp_path / "c.json")
    assert [p[-1] for p in prompts(tmp_path / "c.prompt.yaml")] == ["0", "1", "2"]


# ---- any list, any placeholders --------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="{},→\u2028\u2029\x85"),
    min_size=1,
    max_size=12,
).filter(lambda t: t.strip() and not t.strip().startswith("#") and t.strip("\ufeff") == t)


@st.composite
def old_lists(draw: Any) -> tuple[str, list[str]]:
    """A list's text and its values. Keys are made distinct by a number, so that no value replaces another."""
    lines: list[str] = []
    values: list[str] = []
    for number in range(draw(st.integers(1, 6))):
        lines += draw(st.lists(st.sampled_from(["", "   ", "# a comment", "#"]), max_size=2))
        value = f"{draw(TEXT).strip()} n{number}n"
        arrow = draw(st.sampled_from(["→", " → "]))
        options = draw(st.sampled_from([[], ["o", "p q"]]))
        written = value + ("{|" + "|".join(f" {o}" for o in options) + "}" if options else "")
        values += [value] + [value + o for o in options]
        form = draw(st.sampled_from(["plain", "number", "key"]))
        head = {"plain": "", "number": f"{number}{arrow}", "key": f"{draw(TEXT)} k{number}k{arrow}"}[form]
        lines.append(head + written)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from(["", end])), values


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(old_lists())
def test_any_list_keeps_its_values_in_order(tmp_path_factory, sample):
    text, values = sample
    root = put(tmp_path_factory.mktemp("list"), {"a.txt": text, "c.json": config("{A}", variations={"A": "a.txt"})})
    plan = migrate(root)
    plan.write()
    assert plan.problems == []
    found = load_template(root / "c.prompt.yaml").values["A"]
    assert list(found.values()) == values


@st.composite
def old_prompts(draw: Any) -> tuple[str, list[str]]:
    """A prompt of distinct placeholders with options, and its images' prompts, by plain loops."""
    names = draw(st.lists(st.sampled_from(["A", "B", "C", "Hair Cut", "é"]), min_size=1, max_size=4, unique=True))
    loops: list[tuple[int, int, list[str]]] = []
    pieces: list[str] = []
    for position, name in enumerate(names):
        priority = draw(st.none() | st.integers(-2, 9))
        indexes = draw(st.none() | st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
        option = "" if indexes is None else "#|" + "|".join(map(str, indexes))
        option += "" if priority is None else f"${priority}"
        pieces.append("{" + name + (f":{option}" if option else "") + "}")
        values = [f"{name}{i}" for i in (range(3) if indexes is None else indexes)]
        loops.append((priority or 0, position, values))
    expected = []
    order = sorted(loops)
    for chosen in itertools.product(*(values for _, _, values in order)):
        row = {position: value for (_, position, _), value in zip(order, chosen, strict=True)}
        expected.append(", ".join(row[i] for i in range(len(names))))
    return ", ".join(pieces), expected


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(old_prompts())
def test_any_prompt_makes_the_same_images_in_order(tmp_path_factory, sample):
    text, expected = sample
    names = ["A", "B", "C", "Hair Cut", "é"]
    variations = {n: f"{i}.txt" for i, n in enumerate(names)}
    root = put(tmp_path_factory.mktemp("prompt"), {f"{i}.txt": f"{n}0\n{n}1\n{n}2\n" for i, n in enumerate(names)})
    put(root, {"c.json": config(text, variations=variations, generation={"max_images": -1})})
    plan = migrate(root)
    plan.write()
    assert plan.problems == []
    assert prompts(root / "c.prompt.yaml") == expected


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("c.json", '{"prompt": "x",\n "variations": {,}}', "bad-json"),
        ("c.json", "[" * 100_000, "bad-json"),
        ("c.json", '{"prompt": NaN', "bad-json"),
        ("c.json", "", "bad-json"),
        ("c.json", '["prompt"]', "not-migratable"),
        ("c.json", '{"name": "package", "version": "1"}', "not-migratable"),
        ("c.json", b"\x80\x81\x8d\x8f\x90", "unreadable-file"),
        ("a.txt", b"\x00\x01\x02", "unreadable-file"),
        ("a.txt", "# only a comment\n\n", "not-migratable"),
        ("a.txt", "", "not-migratable"),
        ("a.csv", "a,b", "not-migratable"),
        ("a.txt", "x" + "{|a|b|c}" * 20, "too-large"),
    ],
)
def test_one_bad_file(tmp_path, name, content, code):
    put(tmp_path, {name: content})
    try:
        problems = migrate(tmp_path / name).problems
    except SDGenError as error:
        problems = [error]
    assert problems[0].code == code
    assert tree(tmp_path).keys() == {name}


def test_json_of_others_is_left_alone(tmp_path):
    session = {"generation_info": {}, "prompt": {"template": "{A}"}, "variations": {"A": {"count": 1}}}
    put(
        tmp_path,
        {
            "package.json": {"name": "x", "scripts": {}},
            "tsconfig.json": '{"compilerOptions": {}, // a comment\n}',
            "notes.txt": "some notes\nof mine\n",
            "requirements.txt": "a→b\n",
            "out/metadata.json": session,
            "out/session_config.txt": "a→b\n",
            "copy.json": session,
            ".hidden/x.txt": "a→b\n",
        },
    )
    plan = migrate(tmp_path)
    assert (plan.changes, plan.problems) == ([], [])
    assert len(plan.remarks) == 1 and "notes.txt" in plan.remarks[0]


def test_a_missing_list_names_the_nearest(tmp_path):
    put(tmp_path, {"moods.txt": "a→b\n", "c.json": config("{A}", variations={"A": "lists/mods.txt"})})
    problems = migrate(tmp_path).problems
    assert problems[0].code == "missing-file" and problems[0].nearest == ["moods.txt"]
    assert "not-carried-over" in [p.code for p in problems] and "unresolved-placeholder" in [p.code for p in problems]


def test_two_sources_of_one_file(tmp_path):
    put(
        tmp_path,
        {"c.json": config("a {A}", variations={"A": ["x"]}), "c.prompt.json": config("b {A}", variations={"A": ["x"]})},
    )
    plan = migrate(tmp_path)
    assert [c.path.name for c in plan.changes] == ["c.prompt.yaml"]
    assert [p.code for p in plan.problems] == ["target-exists"]


def test_values_that_are_there_already(tmp_path):
    """The user has made the YAML himself: the same values are welcome, others are refused."""
    put(tmp_path, {"a.txt": "One\nTwo\n", "a.yaml": "one: One\ntwo: Two\n", "b.txt": "b→b\n", "b.yaml": "b: c\n"})
    before = tree(tmp_path)
    plan = migrate(tmp_path)
    assert [(p.code, Path(p.place.file).name) for p in plan.problems] == [("target-exists", "b.yaml")]
    plan.write()
    assert tree(tmp_path) == before


# ---- anything at all -------------------------------------------------------------------------------------------------

FIELDS = [
    *(
        "prompt",
        "template",
        "negative",
        "negative_prompt",
        "prompt_template",
        "variations",
        "variation_files",
        "imports",
    ),
    *("generation", "mode", "seed", "seed_mode", "max_images", "count", "parameters", "settings", "steps", "width"),
    *(
        "sampler",
        "sampler_name",
        "output",
        "session_name",
        "filename_keys",
        "annotations",
        "name",
        "description",
        "version",
    ),
    *("model", "checkpoint", "implements", "chunks", "themes", "A", "file", "values", "strange", "a b"),
]


@st.composite
def configs(draw: Any) -> tuple[dict[str, Any], list[str]]:
    """JSON of known field names in any arrangement. Every text in it holds a word that nothing else holds."""
    words: list[str] = []

    def word(kind: str) -> Any:
        words.append(f"w{len(words)}w")
        return {"text": words[-1], "path": f"{words[-1]}.txt", "odd": f"{{{words[-1]}:2}} # {words[-1]}"}[kind]

    leaf = st.sampled_from(["text", "path", "odd"]).map(lambda kind: ("word", kind)) | st.integers(-1, 3) | st.none()
    shape = st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    )

    def filled(value: Any) -> Any:
        if isinstance(value, tuple):
            return word(value[1])
        if isinstance(value, list):
            return [filled(v) for v in value]
        return {k: filled(v) for k, v in value.items()} if isinstance(value, dict) else value

    data = filled(draw(st.dictionaries(st.sampled_from(FIELDS), shape, max_size=6)))
    data.setdefault("prompt", "an {A:1} owl")
    data.setdefault("variations", {"A": ["red"]})
    return data, words


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(configs())
def test_nothing_is_dropped_silently(tmp_path_factory, sample):
    data, words = sample
    root = put(tmp_path_factory.mktemp("any"), {"c.json": data})
    plan = migrate(root / "c.json")
    if [p.code for p in plan.problems] == ["not-migratable"]:
        assert plan.changes == []
        return
    said = " ".join([*(c.new for c in plan.changes), *plan.remarks, *map(str, plan.problems)])
    assert [w for w in words if w not in said] == []


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["a.txt", "c.json", "x.prompt.yaml", "v.yaml", "h.char.yaml"]),
    st.binary(max_size=60) | st.text(max_size=60),
)
def test_any_bytes_give_an_answer(tmp_path_factory, name, content):
    root = put(
        tmp_path_factory.mktemp("bytes"),
        {name: content if isinstance(content, bytes) else content.encode("utf-8", "replace")},
    )
    plan = migrate(root / name)
    plan.write()
    assert migrate(root / name).changes == []
