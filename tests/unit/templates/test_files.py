"""Files: inheritance, imports in all forms, paths, variation files."""

from __future__ import annotations

import hashlib
import json

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.templates import ResolvedTemplate, Space, load_text

from .conftest import COATS, GENERATION, HEAD, LIGHT, prompt_file


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()[:8]


# ---- imports -----------------------------------------------------------------------------------------------------------------


def values(project, name="X"):
    return dict(project.load().values[name])


def test_list_of_files_and_texts(case):
    files = {"v/a.yaml": "K: one\n", "v/more.coats.yaml": "K: two\nL: three\n", "w.yml": "M: four\n"}
    project = case(
        "{X}",
        files,
        imports="{X: [v/a.yaml, ./v/more.coats.yaml, w.yml, 'jumping, over', '\"quoted\"', 'jumping, over']}",
    )
    assert values(project) == {
        "K": "one",
        "v__more_coats__K": "two",
        "L": "three",
        "M": "four",
        md5("jumping, over"): "jumping, over",
        md5('"quoted"'): "quoted",
    }


def test_a_missing_yml_in_a_list_is_text_with_a_remark(case):
    project = case("{X}", imports="{X: [gone.yml]}")
    assert project.prompts() == ["gone.yml"]
    assert any("gone.yml" in w for w in project.load().warnings)


def test_a_missing_yaml_in_a_list_is_an_error(case):
    error = case("{X}", {"vars/poses.yaml": LIGHT}, imports="{X: [vars/pose.yaml]}").error()
    assert error.code == "missing-file"
    assert error.nearest == ["vars/poses.yaml"]
    assert "imports.X[0]" in str(error)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("red hat", ["red hat"]),
        ("{Red: red hat, Blue: blue hat}", ["red hat", "blue hat"]),
        ("{Red: {main: red hat, lora: x}}", ["red hat"]),
        ('"Red: red hat\\nBlue: blue hat"', ["red hat", "blue hat"]),
        ("[1, 2.50, yes]", ["1", "2.50", "yes"]),
        ("[{Red: red hat}, {Blue: blue hat}]", ["red hat", "blue hat"]),
        ("{source: light.yaml, weight: 3}", ["dawn light", "noon light"]),
        ("{source: [light.yaml, dusk]}", ["dawn light", "noon light", "dusk"]),
        ("5", ["5"]),
    ],
)
def test_inline_forms(case, form, wanted):
    assert case("{X}", imports=f"{{X: {form}}}", files={"light.yaml": LIGHT}).prompts() == wanted


def test_remove_in_a_prompt(case):
    assert case("a {X}, b", imports="{X: [Remove]}").prompts() == ["a, b"]


def test_empty_imports(case):
    error = case("a {X}", imports="{X: }").error()
    assert (error.code, "empty" in str(error)) == ("unresolved-placeholder", True)
    assert case("a", imports="{X: }").prompts() == ["a"]
    error = case("a {X}", imports="{X: []}").error()
    assert (error.code, "empty list" in str(error)) == ("unresolved-placeholder", True)
    assert case("a", imports="{X: []}").prompts() == ["a"]


def test_inherited_missing_file_matters_only_when_used(project):
    template = HEAD + "type: template\nimports: {Gone: nowhere.yaml}\ntemplate: '{prompt}'\n"
    project.put({"a.template.yaml": template, "main.prompt.yaml": prompt_file("an owl", implements="a.template.yaml")})
    assert project.prompts() == ["an owl"]
    assert any("nowhere.yaml" in w for w in project.load().warnings)
    project.put({"main.prompt.yaml": prompt_file("an owl {Gone}", implements="a.template.yaml")})
    error = project.error()
    assert error.code == "unresolved-placeholder"
    assert "nowhere.yaml" in str(error)


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        ("variations: [a, [b]]\n", "bad-variation-value", "item"),
        ("A: [x]\n", "bad-variation-value", "list"),
        ("A: {p: {q: r}}\n", "bad-variation-value", "part 'p'"),
        ("type: variations\nname: X\n", "bad-structure", "'variations' is missing"),
        ("just text\n", "bad-structure", "single text"),
        ("variations:\n", "bad-variation-value", "empty"),
        ("{}\n", "bad-structure", "no values"),
        (GENERATION, "bad-structure", "another kind"),
    ],
)
def test_bad_variation_files(case, content, code, word):
    error = case("{X}", {"v.yaml": content}, imports="{X: v.yaml}").error()
    assert error.code == code
    assert word in str(error)
    assert "v.yaml" in str(error)


def test_values_keep_what_was_written(case):
    project = case(
        "{X}", {"v.yaml": "a: 1.50\nb: 007\nc: on\nd: 12:30:00\ne: 2020-01-01\n20: x\ntrue: y\n"}, imports="{X: v.yaml}"
    )
    assert values(project) == {
        "a": "1.50",
        "b": "007",
        "c": "on",
        "d": "12:30:00",
        "e": "2020-01-01",
        "20": "x",
        "True": "y",
    }


def test_repeated_keys_are_reported(case):
    project = case("{X}", {"v.yaml": "A: one\nB: two\nA: three\n"}, imports="{X: v.yaml}")
    assert values(project) == {"A": "three", "B": "two"}
    for _ in range(2):  # also when the file comes from the cache
        assert any("v.yaml:3:1" in w and "'A'" in w for w in project.load().warnings)


def test_anchors_and_merge_keys(case):
    content = "variations:\n  A: &a {main: x, lora: l}\n  B: {<<: *a, main: y}\n"
    assert values(case("{X}", {"v.yaml": content}, imports="{X: v.yaml}"))["B"] == {"main": "y", "lora": "l"}


def test_a_changed_file_is_read_again(case):
    project = case("{Light}")
    assert len(project.prompts()) == 2
    project.put({"light.yaml": LIGHT + "Dusk: dusk light\n"})
    assert len(project.prompts()) == 3


def test_crlf_and_bom(case):
    project = case("{X}")
    (project.root / "v.yaml").write_bytes(b"\xef\xbb\xbfA: |\r\n  one\r\n  two\r\n")
    project.put({"main.prompt.yaml": prompt_file("{X}", imports="{X: v.yaml}").replace("\n", "\r\n")})
    assert project.prompts() == ["one\ntwo"]


# ---- paths -------------------------------------------------------------------------------------------------------------------


def test_declaring_folder_comes_second(project):
    template = HEAD + "imports: {L: vars/l.yaml}\ntemplate: '{prompt}, {L}'\n"
    project.put({"shared/a.template.yaml": template, "shared/vars/l.yaml": "A: from shared\n"})
    project.put({"leaf/main.prompt.yaml": prompt_file("x", implements="../shared/a.template.yaml")})
    assert project.prompts("leaf/main.prompt.yaml") == ["x, from shared"]
    project.put({"leaf/vars/l.yaml": "A: from leaf\n"})
    assert project.prompts("leaf/main.prompt.yaml") == ["x, from leaf"]


@pytest.mark.parametrize("path", ["/etc/x.yaml", "C:\\x.yaml", "\\\\server\\x.yaml", "~/x.yaml"])
def test_absolute_paths_are_refused(case, path):
    error = case("{X}", imports=f"{{X: '{path}'}}").error()
    assert error.code == "absolute-path"
    assert path in str(error)


def test_backslashes_are_slashes(case):
    assert case("{X}", {"vars/a.yaml": "A: one\n"}, imports="{X: 'vars\\a.yaml'}").prompts() == ["one"]


def test_a_relative_leaf_is_found_once(project, monkeypatch):
    from pathlib import Path

    from sdgen_core.templates import load_template

    project.put({"a/main.prompt.yaml": prompt_file("{L}", imports="{L: l.yaml}"), "a/l.yaml": "A: one\n"})
    monkeypatch.chdir(project.root)
    resolved = load_template(Path("a/main.prompt.yaml"))
    assert (resolved.source, resolved.files[0][0]) == ("a/main.prompt.yaml", "l.yaml")
    project.put({"a/l.yaml": "A: [x]\n"})
    with pytest.raises(SDGenError) as caught:
        load_template(Path("a/main.prompt.yaml"))
    assert str(caught.value).startswith("a/l.yaml:1:4")


# ---- inheritance -------------------------------------------------------------------------------------------------------------


def chain(project, *templates: str, text: str = "an owl", **blocks: str):
    """templates from the root down; each implements the one before."""
    for n, body in enumerate(templates):
        parent = f"implements: t{n - 1}.template.yaml\n" if n else ""
        project.put({f"t{n}.template.yaml": f"{HEAD}{parent}{body}\n"})
    return project.put(
        {"main.prompt.yaml": prompt_file(text, implements=f"t{len(templates) - 1}.template.yaml", **blocks)}
    )


def test_chain_of_templates(project):
    chain(project, "template: 'A {prompt}, z'", "template: 'B {prompt}'")
    assert project.prompts() == ["A B an owl, z"]


@pytest.mark.parametrize(
    ("parent", "child", "wanted"),
    [
        ("'low, {negprompt}, text'", "'blurry'", "low, blurry, text"),
        ("'low, {negprompt}, {negprompt}'", "'blurry'", "low, blurry, blurry"),
        ("'low, {negprompt}, text'", None, "low, text"),
        ("'low'", "'blurry'", "blurry"),
        ("'low'", "''", "low"),
        ("'low'", None, "low"),
        (None, "'blurry, {negprompt}'", "blurry"),
    ],
)
def test_negative_prompts(project, parent, child, wanted):
    blocks = {} if child is None else {"negative_prompt": child}
    chain(project, "template: '{prompt}'" + (f"\nnegative_prompt: {parent}" if parent else ""), **blocks)
    assert next(iter(project.plan().items())).negative == wanted


def test_negative_is_filled_with_the_same_choice(case):
    project = case("{Coat[Red,Blue]}", negative_prompt="'bad {Coat}, {Light}, {Coat:lora}, {nope}'")
    items = list(project.plan().items())
    assert [(i.prompt, i.negative) for i in items] == [
        ("red coat", "bad red coat, dawn light, {nope}"),
        ("red coat", "bad red coat, noon light, {nope}"),
        ("blue coat", "bad blue coat, dawn light, {nope}"),
        ("blue coat", "bad blue coat, noon light, {nope}"),
    ]
    assert any("{nope}" in w for w in project.load().warnings)


def test_merging_of_maps(project):
    chain(
        project,
        "template: '{prompt} {A} {B}'\nimports: {A: [a1], B: [b1]}\nparameters: {width: 1, steps: 2}",
        imports="{B: [b2]}",
        parameters="{steps: 3, cfg_scale: 4.5}",
    )
    item = project.plan().item(0)
    assert item.prompt == "an owl\n a1 b2".replace("\n ", "\n")
    assert item.parameters == {"width": 1, "steps": 3, "cfg_scale": 4.5}


def test_prompt_implements_prompt(project):
    project.put({"base.prompt.yaml": prompt_file("parent {L}", imports="{L: [x]}", negative_prompt="'neg'")})
    project.put({"main.prompt.yaml": prompt_file("child", implements="base.prompt.yaml")})
    item = project.plan().item(0)
    assert (item.prompt, item.negative) == ("parent x", "neg")
    assert any("no {prompt}" in w for w in project.load().warnings)


def test_cycles_are_named(project):
    for a, b in (("x", "y"), ("y", "x")):
        project.put({f"{a}.template.yaml": f"{HEAD}implements: {b}.template.yaml\ntemplate: '{{prompt}}'\n"})
    project.put({"main.prompt.yaml": prompt_file("o", implements="x.template.yaml")})
    error = project.error()
    assert error.code == "cycle"
    circle = str(error).replace(f"{project.root.as_posix()}/", "")
    assert "x.template.yaml -> y.template.yaml -> x.template.yaml" in circle


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (HEAD + "template: 'x {prompt}'\n" + GENERATION, "'prompt:', not 'template:'"),
        (HEAD + "prompt: x\nvariations: {}\n" + GENERATION, "'imports:', not 'variations:'"),
        (HEAD + "prompt: {X}\n" + GENERATION, "'prompt'"),
        (HEAD + "prompt: ''\n" + GENERATION, "'prompt' is empty"),
        (HEAD + "prompt: '  '\n" + GENERATION, "'prompt' is empty"),
        ("prompt: x\n" + GENERATION, "'name' is missing"),
        (HEAD + "prompt: x\n", "'generation' is missing"),
        (HEAD + "prompt: x\ngeneration: {seed: abc}\n", "generation.seed"),
        (HEAD + "prompt: x\ngeneration: {seed: 1.5}\n", "generation.seed"),
        (HEAD + "prompt: x\nimports: [a]\n" + GENERATION, "'imports'"),
        ("[]\n", "no map"),
        ("", "empty"),
    ],
)
def test_bad_prompt_files(project, text, word):
    error = project.put({"main.prompt.yaml": text}).error()
    assert error.code == "bad-structure"
    assert word in str(error)
    assert str(error).startswith(str(project.root.as_posix())) or "main.prompt.yaml" in str(error)


def test_all_problems_at_once(case):
    error = case("{Coat} {Nope} {Coatt} {Light[#9]}").error()
    assert [e.code for e in error.errors] == ["unresolved-placeholder", "unresolved-placeholder", "empty-choice"]
    assert error.errors[1].nearest == ["Coat"]
    assert [e.place.column for e in error.errors] == [10, 17, 25]


def test_unknown_fields_are_remarks(case):
    project = case("x", negativ_prompt="oops", base_path="..")
    assert any("'negativ_prompt'" in w and "'negative_prompt'" in w for w in project.load().warnings)
    assert project.error(strict=True).code == "schema"
    assert project.error(schema=True).code == "schema"


def test_template_run_directly(project):
    project.put({"a.template.yaml": HEAD + "template: 'T {prompt}'\nimports: {prompt: [one, two]}\n"})
    items = list(project.plan("a.template.yaml").items())
    assert [(i.prompt, i.requested_seed) for i in items] == [("T one", 42), ("T two", 43)]
    project.put({"a.template.yaml": HEAD + "template: 'T {prompt}'\n"})
    error = project.error("a.template.yaml")
    assert error.code == "unresolved-placeholder"
    assert "implements" in str(error)


def test_session_names(case):
    assert case("x").load().session_name == "Case"
    project = case("x", output="{session_name: My Session}")
    assert project.load().session_name == "My Session"
    project.put({"n.prompt.yaml": prompt_file("x").replace("name: Case", "name: Plain Run-One")})
    assert project.load("n.prompt.yaml").session_name == "Plain_Run_One"


# ---- text typed in a node ----------------------------------------------------------------------------------------------------


def test_typed_text():
    resolved = load_text("prompt: a {X}\nimports: {X: [b, c]}\n")
    assert Space(resolved, 1).size == 2
    assert resolved.source == "text"


def test_typed_text_has_no_folder(tmp_path):
    with pytest.raises(SDGenError) as caught:
        load_text("prompt: a {X}\nimports: {X: x.yaml}\n")
    assert caught.value.code == "no-base-folder"
    (tmp_path / "x.yaml").write_text(COATS, encoding="utf-8")
    assert Space(load_text("prompt: a {X}\nimports: {X: x.yaml}\n", base=tmp_path), 1).size == 5


def test_json_round_trip(case):
    resolved = case("{Coat[2]} {Light}", negative_prompt="'{Coat}'", parameters="{steps: 20}").load()
    text = json.dumps(resolved.to_json(), sort_keys=True, allow_nan=False)
    again = load_text(text)
    assert again == resolved
    assert json.dumps(again.to_json(), sort_keys=True) == text


@pytest.mark.parametrize(
    "text",
    ['{"sdgen_resolved": 2}', '{"sdgen_resolved": 1}', '{"sdgen_resolved": 1', '{"sdgen_resolved": 1, "values": 3}'],
)
def test_damaged_json(text):
    with pytest.raises(SDGenError) as caught:
        load_text(text)
    assert caught.value.code == "bad-plan"


def test_source_hash_follows_every_file(case):
    project = case("{Light}")
    before = project.load()
    assert [f for f, _ in before.files] == ["coats.yaml", "light.yaml", "main.prompt.yaml"]
    project.put({"light.yaml": LIGHT + "# a remark\n"})
    assert project.load().source_hash != before.source_hash
    assert ResolvedTemplate.from_json(before.to_json()) == before


def test_a_list_of_values_that_are_spelt_out(case):
    project = case(
        "{X}",
        {
            "v.yaml": """
variations:
- {key: Red, value: red coat, weight: 2}
- {value: blue}
- {key: Green, value: {main: green, lora: x}}
- plain
- Grey: grey coat
- {key: only a key}
"""
        },
        imports="{X: v.yaml}",
    )
    resolved = project.load()
    assert resolved.values["X"] == {
        "Red": "red coat",
        "value": "blue",
        "Green": {"main": "green", "lora": "x"},
        "plain": "plain",
        "Grey": "grey coat",
        "key": "only a key",
    }
    assert any("v.yaml:3:" in w and "a weight of a single value has no effect" in w for w in resolved.warnings)
