"""The rules of the template language one by one, in the smallest files that show them.

The recorded cases (``test_conformance.py``) show half of the rules; here is every rule, those included that were wrong
in the language's first version and have a better meaning now. A comment such as ``054`` is the number of a rule's case.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from sdgen_core.cli import build_app
from sdgen_core.sessions.naming import FileNames
from sdgen_core.sessions.plan import PlanItem
from sdgen_core.templates import Renderer, load_text, normalise, one_line

COMMON = {
    "coats.yaml": "type: variations\nversion: '1.0'\nname: Coats\nvariations:\n"
    "  Red: red coat\n  Blue: blue coat\n  Green: green coat\n  Black: black coat\n  White: white coat\n",
    "poses.yaml": "Stand: standing\nSit: sitting\nRun: running\n",
    "light.yaml": "Dawn: dawn light\nNoon: noon light\n",
    "hair.yaml": "Bob: {main: short bob, lora: <bob>, negative: long hair}\nWave: {main: long waves, lora: <wave>}\n",
    "hero.chunk.yaml": "type: chunk\nname: Hero\ntemplate: |\n  a hero in a {Coat}, {Pose}\n",
    "q.chunk.yaml": "type: chunk\nname: Q\ntemplate: best quality, sharp\n",
    "camera.yaml": "Wide: wide shot\nTele: close-up\n",
    "place.yaml": "A: default place\n",
    "forest/place.yaml": "A: pine forest\n",
    "forest/coat.yaml": "A: green cloak\n",
    "forest/coat.winter.yaml": "A: fur cloak\n",
    "forest/theme.yaml": "type: theme_config\nversion: '1.0'\nname: forest\nimports:\n  Place: forest/place.yaml\n"
    "  Coat: forest/coat.yaml\n  Coat.winter: forest/coat.winter.yaml\n  Camera: camera.yaml\n",
}
LEAF = "main.prompt.yaml"
IMPORTS = {"Coat": "coats.yaml", "Pose": "poses.yaml", "Light": "light.yaml", "Hair": "hair.yaml"}
COATS = ["red coat", "blue coat", "green coat", "black coat", "white coat"]
Expand = Callable[..., "Outcome"]
Files = Mapping[str, Any]


class Outcome(NamedTuple):
    code: int
    lines: list[dict[str, Any]]
    said: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.code == 0, self.lines
        return [line for line in self.lines if "info" not in line]

    @property
    def prompts(self) -> list[str]:
        return [row["prompt"] for row in self.rows]

    @property
    def negatives(self) -> list[str]:
        return [row["negative"] for row in self.rows]

    @property
    def seeds(self) -> list[int]:
        return [row["seed"] for row in self.rows]

    def values(self, name: str) -> list[Any]:
        return [row["variations"][name] for row in self.rows]

    @property
    def info(self) -> dict[str, Any]:
        return self.lines[0]["info"]

    def fails(self, kind: str, *words: str) -> None:
        assert self.code == 1, self.lines or self.said
        assert len(self.lines) == 1
        assert self.lines[0]["error"] == kind
        for word in words:
            assert word in self.lines[0]["message"]


@cache
def command() -> Any:
    """Built once: building it takes longer than most templates."""
    return get_command(build_app("expand"))


@pytest.fixture
def expand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Expand:
    """``expand(files, *options, leaf=...)``; a file is a text, or data that is written as JSON (which is YAML)."""

    def run(files: Files, *options: str, leaf: str = LEAF) -> Outcome:
        for name, content in {**COMMON, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        out, said = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(said):
            code = command().main(["expand", "--jsonl", leaf, *options], "sdgen", standalone_mode=False)
        lines = [json.loads(line) for line in out.getvalue().splitlines() if line.strip()]
        return Outcome(code or 0, lines, said.getvalue())

    return run


def prompt(text: Any = "an owl", imports: Any = IMPORTS, **fields: Any) -> dict[str, Any]:
    generation = {"mode": "combinatorial", "seed": 100, "seed_mode": "progressive", "max_images": 500}
    generation |= {k: fields.pop(k) for k in tuple(generation) if k in fields}
    head = {"type": "prompt", "version": "2.0", "name": "Case", "imports": imports}
    return {**head, "prompt": text, "generation": generation, **fields}


def template(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "template", "name": "T", "template": text, **fields}


def chunk(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "chunk", "template": text, **fields}


def leaf(*args: Any, **fields: Any) -> dict[str, Any]:
    return {LEAF: prompt(*args, **fields)}


# ---- inheritance


def test_text_goes_through_the_whole_chain(expand: Expand) -> None:  # 002
    out = expand(
        {
            **leaf("an owl\n", implements="b.template.yaml", negative_prompt="ugly"),
            "b.template.yaml": template(
                "wide, {prompt}, sharp", implements="a.template.yaml", negative_prompt="bad, {negprompt}"
            ),
            "a.template.yaml": template("art, {prompt}, end", negative_prompt="lowres, {negprompt}, text, {negprompt}"),
        }
    )
    assert out.prompts == ["art, wide, an owl, sharp, end"]
    assert out.negatives == ["lowres, bad, ugly, text, bad, ugly"]


@pytest.mark.parametrize(
    ("parent", "child", "negative"),
    [
        ("lowres", "ugly", "ugly"),
        ("lowres", None, "lowres"),
        ("lowres", "", "lowres"),
        ("lowres, {negprompt}", "", "lowres"),
        ("lowres, {negprompt}", "ugly", "lowres, ugly"),
        (None, "ugly", "ugly"),
        (None, None, ""),
    ],
)
def test_negative_of_parent_and_child(  # 003, 004
    expand: Expand, parent: str | None, child: str | None, negative: str
) -> None:
    files = {
        **leaf(implements="a.template.yaml", negative_prompt=child),
        "a.template.yaml": template("{prompt}", negative_prompt=parent),
    }
    assert expand(files).negatives == [negative]


def test_a_level_without_negative_uses_up_the_mark(expand: Expand) -> None:
    files = {
        **leaf(implements="b.template.yaml", negative_prompt="ugly"),
        "b.template.yaml": template("{prompt}", implements="a.template.yaml"),
        "a.template.yaml": template("{prompt}", negative_prompt="lowres, {negprompt}"),
    }
    assert expand(files).negatives == ["ugly"]


def test_prompt_of_a_prompt_keeps_the_parents_text(expand: Expand) -> None:  # 006
    files = {
        **leaf("child {Light}", {}, implements="p.prompt.yaml", seed=7, parameters={"steps": 9}),
        "p.prompt.yaml": prompt("parent {Light}", negative_prompt="dull", seed=5, parameters={"steps": 1, "width": 64}),
    }
    out = expand(files, "--parameters")
    assert out.prompts == ["parent dawn light", "parent noon light"]
    assert out.negatives == ["dull"] * 2
    assert out.seeds == [7, 8]
    assert out.rows[0]["parameters"] == {"steps": 9, "width": 64}
    assert "this file's own text is not" in out.said


def test_prompt_of_a_prompt_fills_its_mark(expand: Expand) -> None:
    files = {**leaf("child", implements="p.prompt.yaml"), "p.prompt.yaml": prompt("parent, {prompt}")}
    assert expand(files).prompts == ["parent, child"]


def test_imports_merge_by_name_in_the_parents_place(expand: Expand) -> None:
    files = {
        **leaf("{B} {A} {C}", {"C": ["c"], "B": ["child"]}, implements="a.template.yaml"),
        "a.template.yaml": template("{prompt}", imports={"A": ["a"], "B": ["parent"]}),
    }
    assert expand(files).prompts == ["child a c"]


@pytest.mark.parametrize("used", [True, False])
def test_null_import_of_the_child_takes_the_values_away(expand: Expand, used: bool) -> None:  # 014
    files = {
        **leaf(imports={"Light": None}, implements="a.template.yaml"),
        "a.template.yaml": template("{prompt}, {Light}" if used else "{prompt}", imports={"Light": "light.yaml"}),
    }
    if used:
        expand(files).fails("unresolved-placeholder", "{Light}")
    else:
        assert expand(files).prompts == ["an owl"]


def test_parameters_merge_by_key_only(expand: Expand) -> None:
    files = {
        **leaf(implements="a.template.yaml", parameters={"hires": {"b": 2}, "steps": 30}),
        "a.template.yaml": template("{prompt}", parameters={"hires": {"a": 1}, "width": 64, "steps": 20}),
    }
    assert expand(files, "--parameters").rows[0]["parameters"] == {"hires": {"b": 2}, "width": 64, "steps": 30}


def test_session_name_is_the_leafs(expand: Expand) -> None:
    base = {"a.template.yaml": template("{prompt}", output={"session_name": "from the parent"})}
    mine = {"output": {"session_name": "My own-name"}}
    plain = expand({**leaf(implements="a.template.yaml", name="My first-run"), **base}, "--info")
    assert plain.info["session_name"] == "My_first_run"
    named = expand({**leaf(implements="a.template.yaml", **mine), **base}, "--info")
    assert named.info["session_name"] == "My own-name"


def image_name(session: str, index: int, seed: int) -> str:
    return FileNames(session)(PlanItem(index, "", "", seed, seed, {}, {}, {}, ""), index)


def test_image_names() -> None:
    assert image_name("My run", 0, 42) == "My run_0000_seed-42.png"
    assert image_name("My run", 123, -1) == "My run_0123.png"


@pytest.mark.parametrize("mark", ["{prompt}", "{negprompt}"])
def test_marks_are_ordinary_in_a_prompts_text(expand: Expand, mark: str) -> None:
    expand(leaf(f"an owl {mark}")).fails("unresolved-placeholder", mark)


def test_bare_template(expand: Expand) -> None:  # 098, 100
    """Combinatorial, seed 42, at most ten images; {prompt} is a name like others."""
    files = {"x.template.yaml": template("{prompt}, {Coat}", imports={"Coat": "coats.yaml", "prompt": ["a", "b", "c"]})}
    out = expand(files, leaf="x.template.yaml")
    assert out.prompts == [f"{p}, {c}" for p in "ab" for c in COATS]
    assert out.seeds == list(range(42, 52))
    files = {"x.template.yaml": template("{prompt}, {Coat}", imports={"Coat": "coats.yaml"})}
    expand(files, leaf="x.template.yaml").fails("unresolved-placeholder", "{prompt}")


@pytest.mark.parametrize("links", [["a.template.yaml", "b.template.yaml", "a.template.yaml"], [LEAF]])
def test_circle_is_named(expand: Expand, links: list[str]) -> None:  # 132
    files = {
        **leaf(implements=links[0]),
        **{a: template("{prompt}", implements=b) for a, b in pairwise(links) if a != LEAF},
    }
    expand(files).fails("cycle", *links)


# ---- imports


def test_list_of_files_and_texts(expand: Expand) -> None:  # 008, 010
    """Clashing keys get the path in front; texts are known by the first half of their MD5 and come once."""
    text = "jumping over a fence"
    files = {
        **leaf(
            "{X}",
            {"X": ["v/a.yaml", " v/more.coats.yaml ", text, "'in, quotes'", "'a.yaml", "other.yml", text, " wide "]},
        ),
        "v/a.yaml": {"Red": "one", "Blue": "two"},
        "v/more.coats.yaml": {"Red": "three", "Green": "four"},
    }
    keys = {
        hashlib.md5(raw.encode()).hexdigest()[:8]: raw.strip("'")
        for raw in (text, "'in, quotes'", "'a.yaml", "other.yml", " wide ")
    }
    out = expand(files, "--info")
    assert list(out.info["imports"]["X"].items()) == [
        ("Red", "one"),
        ("Blue", "two"),
        ("v__more_coats__Red", "three"),
        ("Green", "four"),
        *keys.items(),
    ]
    assert expand(files, "--use-fixed", f"X:{next(iter(keys))}").prompts == [text]


def test_yml_in_a_list_is_a_file_when_it_exists(expand: Expand) -> None:  # 008
    files = {**leaf("{X}", {"X": ["v/b.yml"]}), "v/b.yml": {"A": "one"}}
    assert expand(files).prompts == ["one"]


def test_third_clash_takes_the_place_of_the_second(expand: Expand) -> None:
    files = {
        **leaf("{X}", {"X": ["v/a.yaml", "v/b.yaml", "./v/b.yaml"]}),
        "v/a.yaml": {"Red": "one"},
        "v/b.yaml": {"Red": "two"},
    }
    assert expand(files, "--info").info["imports"]["X"] == {"Red": "one", "v__b__Red": "two"}


@pytest.mark.parametrize(
    ("imports", "used", "kind"),
    [
        ({"Gone": "nowhere.yaml"}, False, None),  # 013
        ({"Gone": "nowhere.yaml"}, True, "unresolved-placeholder"),
        ({"Gone": ["nowhere.yaml"]}, False, "missing-file"),
        ({"Gone": {"a": "nowhere.yaml"}}, False, "missing-file"),
    ],
)
def test_missing_file_of_a_parent(expand: Expand, imports: Any, used: bool, kind: str | None) -> None:
    text = "{prompt}, {Gone}" if used else "{prompt}"
    out = expand({**leaf(implements="a.template.yaml"), "a.template.yaml": template(text, imports=imports)})
    if kind is None:
        assert out.prompts == ["an owl"]
        assert "nowhere.yaml" in out.said
    else:
        out.fails(kind, "nowhere.yaml", "Gone")


def test_missing_file_of_the_leaf_counts_even_unused(expand: Expand) -> None:
    expand(leaf(imports={"X": "nowhere.yaml"})).fails("missing-file", "nowhere.yaml", "imports.X")


def test_all_missing_files_of_the_leaf_are_named(expand: Expand) -> None:
    expand(leaf(imports={"X": "one.yaml", "Y": ["two.yaml", "text"], "Z": {"a": "three.yaml"}})).fails(
        "missing-file", "imports.X", "one.yaml", "imports.Y", "two.yaml", "imports.Z", "three.yaml"
    )


def test_missing_parent(expand: Expand) -> None:  # 120
    expand(leaf(implements="none.template.yaml")).fails("missing-file", "none.template.yaml", "implements")


def test_missing_parent_and_missing_import_are_named_together(expand: Expand) -> None:
    expand(leaf(imports={"X": "one.yaml"}, implements="none.template.yaml")).fails(
        "missing-file", "none.template.yaml", "imports.X", "one.yaml"
    )


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"implements": "/etc/a.template.yaml"}, "implements"),
        ({"chunks": {"A": "/etc/a.chunk.yaml"}}, "chunks.A"),
        ({"imports": {"A": ["/etc/a.yaml"]}}, "imports.A"),
        ({"imports": {"A": "C:/etc/a.yaml"}}, "imports.A"),
    ],
)
def test_absolute_paths_are_refused(expand: Expand, fields: dict[str, Any], where: str) -> None:  # 133
    expand(leaf(**fields)).fails("absolute-path", where, "/etc/a.")


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("red hat", ["red hat"]),  # 121
        ({"Red": "red hat", "Blue": "blue hat"}, ["red hat", "blue hat"]),  # 122
        ([1, 2.5, True], ["1", "2.5", "true"]),  # 123
        ({"one": "poses.yaml", "two": "light.yaml"}, ["standing", "sitting", "running", "dawn light", "noon light"]),
        ({"source": "poses.yaml", "weight": 3}, ["standing", "sitting", "running"]),  # 016
    ],
)
def test_import_forms(expand: Expand, entry: Any, values: list[str]) -> None:
    assert expand(leaf("{X}", {"X": entry})).prompts == values


def test_weight_of_an_import_is_its_default(expand: Expand) -> None:  # 016
    imports = {"A": {"source": "light.yaml", "weight": 3}, "B": {"source": "poses.yaml", "weight": 2}}
    out = expand(leaf("{A} {B}", imports))
    assert out.prompts[:2] == ["dawn light standing", "noon light standing"]
    assert expand(leaf("{A[$1]} {B}", imports)).prompts[:2] == ["dawn light standing", "dawn light sitting"]


def test_remove_in_a_prompt(expand: Expand) -> None:  # 092
    out = expand(leaf("an owl, {Coat}, {Pose[Sit]}", {**IMPORTS, "Coat": ["Remove"]}))
    assert out.rows[0]["variations"] == {"Pose": "sitting"}
    assert out.prompts == ["an owl, sitting"]


def test_repeated_key(expand: Expand) -> None:  # 018
    out = expand({**leaf("{X}", {"X": "v.yaml"}), "v.yaml": "A: one\nB: two\nA: three\n"})
    assert out.prompts == ["three", "two"]
    assert "v.yaml:3:1" in out.said
    assert "'A'" in out.said


def test_scalar_values_are_texts(expand: Expand) -> None:  # 124
    files = {**leaf("{X}", {"X": "v.yaml"}), "v.yaml": "A: 1\nB: true\nC: 1.50\nD: {main: 2}\n"}
    assert expand(files).prompts == ["1", "true", "1.50", "2"]


@pytest.mark.parametrize("text", ["A: [1]\n", "variations: {A: {b: [c]}}\n"])
def test_lists_are_no_values(expand: Expand, text: str) -> None:
    expand({**leaf("{X}", {"X": "v.yaml"}), "v.yaml": text}).fails("bad-variation-value", "'A'", "v.yaml", "list")


def test_variation_list(expand: Expand) -> None:  # 125
    text = "type: variations\nname: V\nvariations:\n  - a\n  - Key: b\n"
    out = expand({**leaf("{X}", {"X": "v.yaml"}), "v.yaml": text}, "--use-fixed", "X:Key")
    assert out.prompts == ["b"]


def test_flat_file_may_have_any_keys(expand: Expand) -> None:
    text = "name: a name\ntype: a type\ntrue: yes\n20: twenty\n~: none\n"
    out = expand({**leaf("{X}", {"X": "v.yaml"}), "v.yaml": text}, "--info")
    assert out.info["imports"]["X"] == {
        "name": "a name",
        "type": "a type",
        "True": "yes",
        "20": "twenty",
        "None": "none",
    }


def test_flat_file_may_have_the_key_generation(expand: Expand) -> None:
    files = {**leaf("{X}", {"X": "v.yaml"}), "v.yaml": "generation: young\nsecond: old\n"}
    assert expand(files).prompts == ["young", "old"]


def test_empty_list_that_nobody_uses(expand: Expand) -> None:
    assert expand(leaf(imports={"X": []})).prompts == ["an owl"]


def test_empty_list_in_use_is_an_error(expand: Expand) -> None:
    """It used to give no prompts at all without a word: nobody wants that."""
    expand(leaf("{X} {Light}", {"X": [], **IMPORTS})).fails("unresolved-placeholder", "X")


@pytest.mark.parametrize("text", ["", "# nothing\n", "type: variations\nname: x\nvariations:\n"])
def test_empty_file_is_called_empty(expand: Expand, text: str) -> None:  # 135
    out = expand({**leaf("{X}", {"X": "v.yaml"}), "v.yaml": text})
    assert out.code == 1
    assert "v.yaml" in out.lines[0]["message"]
    assert "empty" in out.lines[0]["message"]


def test_byte_order_mark_and_windows_lines(expand: Expand) -> None:
    text = json.dumps(prompt("{Light}"), indent=1).replace("\n", "\r\n")
    files = {LEAF: "\ufeff" + text, "light.yaml": "\ufeffA: |\r\n  one,\r\n  two\r\n"}
    out = expand(files, "--api")
    assert out.prompts == ["one,\ntwo"]
    assert out.rows[0]["api_prompt"] == "one, two"


def test_leafs_folder_first_then_the_declaring_files(expand: Expand) -> None:  # 007
    files = {
        "leaf/" + LEAF: prompt(imports={}, implements="../base/b.template.yaml"),
        "leaf/v/light.yaml": {"A": "leaf light"},
        "base/b.template.yaml": template("{prompt}, {L}, {P}", imports={"L": "v/light.yaml", "P": "v/pose.yaml"}),
        "base/v/light.yaml": {"A": "base light"},
        "base/v/pose.yaml": {"A": "base pose"},
    }
    out = expand(files, leaf="leaf/" + LEAF)
    assert out.prompts == ["an owl, leaf light, base pose"]
    assert "leaf/v/light.yaml is used" in out.said


# ---- placeholders and parts


def test_grammar_of_placeholders(expand: Expand) -> None:  # 106
    text = "{a|b} { Light } {x-y} {Light[]} {{Light}} {} {Light:} {Light[Dawn] } {:x} {Light[Dawn]}"
    out = expand(leaf(text))
    assert out.prompts == ["{a|b} { Light } {x-y} {Light[]} {dawn light} {} {Light:} {Light[Dawn] } {:x} dawn light"]


def test_names_of_any_script(expand: Expand) -> None:
    assert expand(leaf("{Größe} {été_2} {日本}", {"Größe": ["klein"], "été_2": ["a"], "日本": ["b"]})).prompts == [
        "klein a b"
    ]


def test_selector_may_span_lines(expand: Expand) -> None:
    assert expand(leaf("{Coat[Red,\n Blue;\n $2]}")).prompts == COATS[:2]


def test_selector_may_be_long(expand: Expand) -> None:
    keys = [f"Key number {i}" for i in range(300)]
    files = {**leaf("{X[" + ",".join(keys[:200]) + "]}", {"X": "v.yaml"}), "v.yaml": {k: k for k in keys}}
    assert expand(files).prompts == keys[:200]


def test_unused_imports_have_no_effect(expand: Expand) -> None:  # 108
    out = expand(leaf("{Light}"))
    assert [r["variations"] for r in out.rows] == [{"Light": "dawn light"}, {"Light": "noon light"}]


def test_all_unresolved_names_are_named(expand: Expand) -> None:  # 118
    expand(leaf("{Light} {Nope} {Nix[#1]}")).fails("unresolved-placeholder", "Nope", "Nix", "Coat", "Pose", "Light")


def test_unknown_name_with_a_part_is_empty(expand: Expand) -> None:
    out = expand(leaf("a {Nope:lora} b, {Light[Dawn]}"))
    assert [(r["prompt"], r["variations"]) for r in out.rows] == [("a  b, dawn light", {"Light": "dawn light"})]


def test_parts(expand: Expand) -> None:  # 058
    """{X} is main or the alphabetically first part; a missing part is empty; the choice is the whole map."""
    files = {
        **leaf("{X} / {X:b} / {X:none} / {Y} / {Y:main}", {"X": "x.yaml", "Y": "y.yaml"}),
        "x.yaml": {"A": {"b": "bee", "a": "ay"}},
        "y.yaml": {"E": {}, "F": {"main": "m", "a": "q"}, "G": "plain"},
    }
    out = expand(files)
    assert out.prompts == ["ay / bee /  /  /", "ay / bee /  / m / m", "ay / bee /  / plain / plain"]
    assert out.values("X") == [{"b": "bee", "a": "ay"}] * 3
    assert out.values("Y") == [{}, {"main": "m", "a": "q"}, "plain"]


def test_part_keeps_the_weight(expand: Expand) -> None:  # 060
    out = expand(leaf("{Hair[$9]}, {Light[$5]}, {Hair:lora}"))
    assert out.prompts == [
        "short bob, dawn light, <bob>",
        "long waves, dawn light, <wave>",
        "short bob, noon light, <bob>",
        "long waves, noon light, <wave>",
    ]


def test_parts_are_iterated_alone(expand: Expand) -> None:  # 059
    assert expand(leaf("{Hair:lora}")).prompts == ["<bob>", "<wave>"]


def test_parts_in_random_mode(expand: Expand) -> None:  # 062
    out = expand(leaf("{Hair}, {Hair:lora}", mode="random"))
    assert sorted(out.prompts) == ["long waves, <wave>", "short bob, <bob>"]


def test_negative_is_filled(expand: Expand) -> None:  # 064
    out = expand(leaf("{Hair}", negative_prompt="bad, {Hair:negative}, {Light}"))
    assert out.negatives == [
        "bad, long hair, dawn light",
        "bad, long hair, noon light",
        "bad, dawn light",
        "bad, noon light",
    ]
    out = expand(leaf("{Light[Dawn]}", negative_prompt="bad, {Nope}"))
    assert out.negatives == ["bad, {Nope}"]
    assert "{Nope}" in out.said


def test_negatives_selector_does_not_change_the_prompt(expand: Expand) -> None:
    out = expand(leaf("{Coat[Red]}", negative_prompt="bad, {Coat[Blue]}"))
    assert out.prompts == ["red coat"]


# ---- selectors


@pytest.mark.parametrize(
    ("selector", "values"),
    [
        ("#4,0", "White Red"),
        ("#4,0,9,0", "White Red Red"),  # 019
        ("#1-3", "Blue Green Black"),  # 020
        ("#3-99", "Black White"),
        ("#2-2", "Green"),
        ("# 1 - 2", "Blue Green"),
        (" #1 , 2 ", "Blue Green"),
        ("White,Red", "White Red"),
        (" White , Nope, Red ", "White Red"),  # 022
        ("Red,Red", "Red Red"),
        ("Red,", "Red"),
        ("Red", "Red"),
        ("5", "Red Blue Green Black White"),  # 026
        ("9", "Red Blue Green Black White"),
        ("#0-2;$5", "Red Blue Green"),
        ("Red,Blue;1", "Red Blue"),
        ("#0,1;Green;1", "Red Blue"),  # 030
        ("Green;#2,0;Red", "Green Red"),
        ("Red;Blue", "Blue"),
        ("#0,1;#2-3", "Green Black"),
        ("#2-3;#0", "Red"),
        (";;Red;", "Red"),
        ("$x", "Red Blue Green Black White"),
        (" ", "Red Blue Green Black White"),
        ("keys:White,Red", "White Red"),
        ("key:White", "White"),
        ("indexes:2,0", "Green Red"),
        ("range:1-2", "Blue Green"),
        ("red coat", "Red"),
    ],
)
def test_selectors(expand: Expand, selector: str, values: str) -> None:
    wanted = [f"{v.lower()} coat" for v in values.split()]
    assert expand(leaf("{Coat[" + selector + "]}")).prompts == wanted


@pytest.mark.parametrize("selector", ["nope,nada", "#7,8", "nope", "RED"])  # 021, 024
def test_selector_that_matches_nothing(expand: Expand, selector: str) -> None:
    expand(leaf("{Coat[" + selector + "]}")).fails("empty-choice", selector, "Red, Blue, Green, Black, White")


@pytest.mark.parametrize("selector", ["#2-1", "#0-1,3", "#-1", "#a", "#1-", "#"])
def test_bad_selector(expand: Expand, selector: str) -> None:  # 021
    expand(leaf("{Coat[" + selector + "]}")).fails("bad-selector", selector)


@pytest.mark.parametrize(
    "text", ["{Coat[Red,Nope]}", "{Coat[#0,9]}", "{Coat[Red;1]}", "{Coat[$x]}", "{Coat[#0]}{Coat[#1]}"]
)
def test_odd_selectors_are_told_and_strictly_refused(expand: Expand, text: str) -> None:
    assert "{Coat[" in expand(leaf(text)).said
    expand(leaf(text), "--strict").fails("bad-selector", "{Coat[")


@pytest.mark.parametrize(
    ("text", "count"), [("2", 2), ("2;3", 3), ("random:2", 2), ("limit:3", 3), ("Red,Blue,Green;limit:2", 2)]
)
def test_limit_draws_once_per_run(expand: Expand, text: str, count: int) -> None:
    out = expand(leaf("{Coat[" + text + "]}, {Light}"))
    assert len(set(out.values("Coat"))) == count
    assert len(out.rows) == 2 * count


@pytest.mark.parametrize("mode", ["combinatorial", "random"])
def test_zero_leaves_the_name_out(expand: Expand, mode: str) -> None:  # 028, 029
    out = expand(leaf("{Coat[0]}, {Light}, {Coat}", mode=mode))
    assert sorted(out.prompts) == ["dawn light", "noon light"]


def test_limit_beside_weight_zero(expand: Expand) -> None:
    out = expand(leaf("{Coat[3;$0]}, {Light}, {Pose}"))
    assert len(out.rows) == 6
    assert len(set(out.values("Coat"))) == 3


# ---- loops and weights


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("{Pose} {Light}", ["Pose", "Light"]),
        ("{Light} {Pose}", ["Light", "Pose"]),
        ("{Pose[$2]} {Light}", ["Light", "Pose"]),  # 032
        ("{Pose[$3]} {Light[$2]} {Hair[$3]}", ["Light", "Pose", "Hair"]),
        ("{Hair[$10]} {Pose[$9]} {Light[$ 2]}", ["Light", "Pose", "Hair"]),
        ("{Pose[$2.5]} {Light}", ["Pose", "Light"]),
        ("{Pose} {Light[#0,1;$2]} {Pose[$5]}", ["Light", "Pose"]),
    ],
)
def test_loop_order(expand: Expand, text: str, order: list[str]) -> None:
    """The lowest weight is the outermost loop, ties go by first appearance."""
    found = [r["variations"] for r in expand(leaf(text)).rows]
    seen = {n: list(dict.fromkeys(json.dumps(v[n]) for v in found)) for n in order}
    assert list(found[0]) == order
    digits = [[seen[n].index(json.dumps(v[n])) for n in order] for v in found]
    assert digits == sorted(digits)
    assert len(digits) == len({tuple(d) for d in digits}) == len(found)


@pytest.mark.parametrize("weight", ["$0", "$-1", "weight:0"])  # 033, 034
def test_weight_zero_is_no_loop(expand: Expand, weight: str) -> None:
    out = expand(leaf("{Coat[" + weight + "]} {Pose} {Light}"))
    assert len(out.rows) == 6
    assert list(out.rows[0]["variations"]) == ["Pose", "Light", "Coat"]
    assert len(set(out.values("Coat"))) > 1


def test_only_weight_zero_draws_max_images(expand: Expand) -> None:  # 036
    out = expand(leaf("{Coat[$0]} {Pose[$0]}", max_images=4))
    assert len(set(out.prompts)) == 4


@pytest.mark.parametrize("maximum", [0, -1, 500])  # 038
def test_no_limit(expand: Expand, maximum: int) -> None:
    assert expand(leaf("{Pose}", max_images=maximum)).prompts == ["standing", "sitting", "running"]


# ---- random mode


@pytest.mark.parametrize("maximum", [50, 6, 0, -1])  # 040, 041
def test_random_covers_the_space_without_repeats(expand: Expand, maximum: int) -> None:
    out = expand(leaf("{Pose[$3]} {Light[$0]}", mode="random", max_images=maximum))  # 042: weights do not count
    assert len(out.rows) == len(set(out.prompts)) == 6
    assert out.seeds == list(range(100, 106))


def test_random_counts_equal_values_once(expand: Expand) -> None:
    files = {**leaf("{X}", {"X": "v.yaml"}, mode="random"), "v.yaml": "A: same\nB: same\nC: other\n"}
    assert sorted(expand(files).prompts) == ["other", "same"]


def test_random_repeats_with_its_seed_only(expand: Expand) -> None:
    files = leaf("{Coat} {Pose}", mode="random", max_images=8)
    assert expand(files).rows == expand(files).rows
    assert expand(files, "--variation-seed", "1").prompts != expand(files, "--variation-seed", "2").prompts


# ---- seeds


@pytest.mark.parametrize(("mode", "seeds"), [("fixed", [9, 9]), ("progressive", [9, 10]), ("random", [-1, -1])])
def test_seed_modes(expand: Expand, mode: str, seeds: list[int]) -> None:  # 044, 045
    assert expand(leaf("{Light}", seed=9, seed_mode=mode)).seeds == seeds


def test_progressive_from_a_random_base(expand: Expand) -> None:  # 046
    first, second = expand(leaf("{Light}", seed=-1)).seeds
    assert first >= 0
    assert second == first + 1


@pytest.mark.parametrize(
    ("spec", "seeds"),
    [
        ("5", [5]),
        (" 7 ", [7]),
        ("3#200", [200, 201, 202]),
        (" 2 # 8 ", [8, 9]),
        ("1-3", [1, 2, 3]),
        ("4 - 4", [4]),
        ("-5--3", [-5, -4, -3]),
        ("-1-1", [-1, 0, 1]),
        ("7,3,7", [7, 3, 7]),
        ("1,, 2 ,", [1, 2]),
        ("-1,-2", [-1, -2]),
        ("2#-1", [-1, 0]),
    ],
)
def test_seed_lists(expand: Expand, spec: str, seeds: list[int]) -> None:  # 048
    out = expand(leaf("{Light}", seed_mode="fixed"), "--seeds", spec)
    assert out.seeds == seeds * 2
    assert out.prompts == ["dawn light"] * len(seeds) + ["noon light"] * len(seeds)


@pytest.mark.parametrize("spec", ["-5", "3-1", "0#5", "a", "1,b", "", ",", "1#", "#1", "1-3-5", "1,3-5", "1.5", "1-"])
def test_bad_seed_lists(expand: Expand, spec: str) -> None:  # 052
    expand(leaf("{Light}"), "--seeds", spec).fails("bad-seed-spec", *spec.split(",")[:1])


def test_weight_zero_stays_the_same_over_the_seeds(expand: Expand) -> None:  # 050
    out = expand(leaf("{Pose}, {Coat[$0]}"), "--seeds", "1-4")
    assert out.seeds == [1, 2, 3, 4] * 3
    assert len({(a, b) for a, b in zip(out.values("Pose"), out.values("Coat"), strict=True)}) == 3


def test_random_mode_with_a_seed_list(expand: Expand) -> None:  # 051
    out = expand(leaf("{Coat}, {Pose}", mode="random", max_images=7), "--seeds", "1-3")
    assert out.seeds == [1, 2, 3, 1, 2, 3, 1]
    assert len(set(out.prompts)) == 3


def test_count_cuts_but_does_not_raise(expand: Expand) -> None:  # 053
    assert len(expand(leaf("{Coat}", max_images=3), "--count", "9").rows) == 3
    assert expand(leaf("{Coat}"), "--count", "2").prompts == COATS[:2]


@pytest.mark.parametrize(
    ("fields", "options", "seeds"),
    [
        ({}, [], [100]),
        ({"seed_mode": "random"}, [], [-1]),
        ({}, ["--seeds", "4,2"], [4, 2]),
        ({"max_images": 20}, ["--count", "3"], [100, 101, 102]),
        ({"mode": "random", "max_images": 3}, [], [100, 101, 102]),
    ],
)
def test_prompt_without_placeholder(  # 047
    expand: Expand, fields: dict[str, Any], options: list[str], seeds: list[int]
) -> None:
    assert expand(leaf(**fields), *options).seeds == seeds


# ---- fixed placeholders


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("Coat:Black|Pose:Sit", "black coat sitting"),  # 054
        (" Coat : Black | Pose:Sit ", "black coat sitting"),
        ("Coat:Black|Nope:Red|Pose:Sit", "black coat sitting"),
        ("Coat=Black,Pose=Sit", "black coat sitting"),
        ("Coat:black coat|Pose:#1", "black coat sitting"),
    ],
)
def test_fixed(expand: Expand, spec: str, wanted: str) -> None:
    assert expand(leaf("{Coat[#2,3]} {Pose}"), "--use-fixed", spec).prompts == [wanted]


def test_fixed_beats_keys_that_miss_it(expand: Expand) -> None:  # 055
    assert expand(leaf("{Coat[Red,Blue]}"), "--use-fixed", "Coat:Black").prompts == ["black coat"]


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("Coat:Purple", "unknown-fixed-key", ["Coat", "Purple", "Red, Blue, Green, Black, White"]),  # 056
        ("Coat:red", "unknown-fixed-key", ["Coat", "red"]),
        ("Coat", "bad-fixed-spec", ["Coat"]),
        ("Coat:Red|Pose", "bad-fixed-spec", ["Pose"]),
    ],
)
def test_bad_fixed(expand: Expand, spec: str, kind: str, words: list[str]) -> None:
    expand(leaf("{Coat} {Pose}"), "--use-fixed", spec).fails(kind, *words)


def test_fixed_key_of_an_unused_import_is_checked(expand: Expand) -> None:
    expand(leaf("{Pose}"), "--use-fixed", "Coat:Purple").fails("unknown-fixed-key", "Coat", "Purple", "Black")


# ---- chunks


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@Q, an owl", "best quality, sharp, an owl"),  # 065
        ("{@Q}, an owl", "best quality, sharp, an owl"),  # 066
        ("an owl (@Q:1.2)", "an owl (best quality, sharp:1.2)"),
        ("an owl @Q. Then", "an owl best quality, sharp. Then"),  # 082
        ("@{Q with X:y}, an owl", "best quality, sharp, an owl"),
        ("@{Hero with Coat:tin, Pose:kneeling}", "a hero in a tin, kneeling"),
        ("@{Hero with  Coat: a:b ,Pose:<lora:x:1>}", "a hero in a a:b, <lora:x:1>"),
        ("@{Hero with Coat:[a, b], Pose:{Pose[Sit,Sit]}}", "a hero in a [a, b], sitting"),
        ("@{Hero with Coat:@Q, Pose:p}", "a hero in a best quality, sharp, p"),
        ("@{Hero with Coat:x, {Light[Dawn]}", "@{Hero with Coat:x, dawn light"),
        ("@{Light[Dawn]}", "@dawn light"),
        ("at me@home.org", "at me@home.org"),  # 077
    ],
)
def test_chunk_references(expand: Expand, text: str, wanted: str) -> None:
    out = expand(leaf(text, chunks={"Q": "q.chunk.yaml", "Hero": "hero.chunk.yaml"}), "--count", "1")
    assert out.prompts == [wanted]


def test_chunk_after_a_full_stop(expand: Expand) -> None:
    assert expand(leaf("An owl.@Q", chunks={"Q": "q.chunk.yaml"})).prompts == ["An owl.best quality, sharp"]


def test_chunk_text_is_taken_verbatim(expand: Expand) -> None:
    files = {**leaf("@H, x @H.", chunks={"H": "h.chunk.yaml"}), "h.chunk.yaml": chunk("a b\n")}
    assert expand(files).prompts == ["a b, x a b\n."]


def test_with_narrows_the_whole_prompt(expand: Expand) -> None:  # 068
    out = expand(leaf("@{Hero with Coat:{Coat[Red,White]}, Pose:up}, {Coat}", chunks={"Hero": "hero.chunk.yaml"}))
    assert out.prompts == ["a hero in a red coat, up, red coat", "a hero in a white coat, up, white coat"]


def test_with_replaces_plain_names_only(expand: Expand) -> None:  # 070
    files = {
        **leaf("@{H with Coat:tin can}", chunks={"H": "h.chunk.yaml"}),
        "h.chunk.yaml": chunk("in {Coat[#0,1]} or {Coat}"),
    }
    assert expand(files).prompts == ["in red coat or tin can", "in blue coat or tin can"]


def test_chunk_brings_imports_and_defaults(expand: Expand) -> None:  # 072, 073
    """With > the chunk's own values > its defaults; its paths start at its folder."""
    files = {
        **leaf("@{H with Shoe:boots}, @H", {}, chunks={"H": "c/h.chunk.yaml"}),
        "c/h.chunk.yaml": chunk(
            "{Coat} {Hat} {Shoe}",
            imports={"Coat": "v.yaml", "Shoe": "s.yaml"},
            defaults={"Hat": "cap", "Shoe": "none", "Coat": "none"},
        ),
        "c/v.yaml": {"A": "own coat"},
        "c/s.yaml": {"A": "own shoe"},
    }
    assert expand(files).prompts == ["own coat cap boots, own coat cap own shoe"]


def test_chunks_of_chunks(expand: Expand) -> None:  # 071
    chunks = {"A": "a.chunk.yaml", "B": "b.chunk.yaml"}
    files = {**leaf("@A", chunks=chunks), "a.chunk.yaml": chunk("a(@B)"), "b.chunk.yaml": chunk("b")}
    assert expand(files).prompts == ["a(b)"]
    expand({**files, "b.chunk.yaml": chunk("b(@A)")}).fails("cycle", "a.chunk.yaml", "b.chunk.yaml")


@pytest.mark.parametrize(("text", "wanted"), [("child", "child"), (None, "parent")])
def test_chunk_inheritance(expand: Expand, text: str | None, wanted: str) -> None:  # 074, 075
    files = {
        **leaf("@C", chunks={"C": "c.chunk.yaml"}),
        "c.chunk.yaml": {"type": "chunk", "implements": "p.chunk.yaml", **({"template": text} if text else {})},
        "p.chunk.yaml": chunk("parent"),
    }
    assert expand(files).prompts == [wanted]


def test_chunks_are_inherited_by_name(expand: Expand) -> None:  # 076
    files = {
        **leaf("@A @B", chunks={"A": "child.chunk.yaml"}, implements="t.template.yaml"),
        "t.template.yaml": template("{prompt} / @A", chunks={"A": "parent.chunk.yaml", "B": "b.chunk.yaml"}),
        "child.chunk.yaml": chunk("child"),
        "parent.chunk.yaml": chunk("parent"),
        "b.chunk.yaml": chunk("b"),
    }
    assert expand(files).prompts == ["child b / child"]


@pytest.mark.parametrize(
    ("imports", "reference"),
    [({"kit": {"hero": "hero.chunk.yaml"}}, "@kit.hero"), ({"Hero": "hero.chunk.yaml"}, "@Hero")],
)
def test_chunks_among_the_imports(expand: Expand, imports: Any, reference: str) -> None:  # 078, 080
    out = expand(leaf(f"{reference}, {{Light[Dawn]}}", {**IMPORTS, **imports}))
    assert len(out.rows) == 15
    assert out.prompts[1] == "a hero in a red coat, sitting, dawn light"


@pytest.mark.parametrize("text", ["@Nope", "{@Nope}", "@{Nope with A:b}", "@Nope.part"])
def test_unknown_chunk(expand: Expand, text: str) -> None:
    expand(leaf(text, chunks={"Q": "q.chunk.yaml"})).fails("unknown-chunk", "@Nope", "known chunks: Q")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"type": "chunk"}, "chunk-load"),
        ("", "chunk-load"),
        (chunk("x {prompt}"), "reserved-in-chunk"),
        (chunk("x {negprompt}"), "reserved-in-chunk"),
        (chunk("x", implements="p.chunk.yaml"), "chunk-load"),
        (chunk("x", implements="none.chunk.yaml"), "missing-file"),
        ("type: [chunk\n", "chunk-load"),
    ],
)
def test_bad_chunk_stops_the_run_even_unused(expand: Expand, content: Any, kind: str) -> None:
    files = {
        **leaf(chunks={"X": "x.chunk.yaml"}),
        "x.chunk.yaml": content,
        "p.chunk.yaml": {"type": "scene", "template": "p"},
    }
    expand(files).fails(kind, "chunk X", "x.chunk.yaml")


def test_missing_chunk(expand: Expand) -> None:
    expand(leaf(chunks={"X": "x.chunk.yaml"})).fails("missing-file", "chunks.X", "x.chunk.yaml")


# ---- themes and styles

SCENE = "{prompt}, {Coat}, {Place}, {Camera[Wide]}"
BASE = {"Coat": "coats.yaml", "Place": "place.yaml", "Camera": "camera.yaml"}


def scene(theme: Any = None, block: Any = None, imports: Any = None, **fields: Any) -> dict[str, Any]:
    """A leaf, its template with a ``themes:`` block, and the theme t."""
    block = {"explicit": {"t": "t/theme.yaml", "forest": "forest/theme.yaml"}} if block is None else block
    files = {
        **leaf("x", imports or {}, implements="s.template.yaml", **fields),
        "s.template.yaml": template(SCENE, imports=BASE, themes=block),
    }
    return files if theme is None else {**files, "t/theme.yaml": {"type": "theme_config", "imports": theme}}


@pytest.mark.parametrize(
    ("theme", "style", "wanted"),
    [
        ({**BASE, "Coat": ["Remove"]}, None, "x, default place, wide shot"),
        ({**BASE, "Coat.bare": ["Remove"]}, "bare", "x, default place, wide shot"),  # 090
        ({"Coat.bare": ["Remove"], **BASE}, "bare", "x, default place, wide shot"),  # 091
        (
            {**BASE, "Coat": "forest/coat.yaml", "Coat.bare": ["Remove"]},
            None,
            "x, green cloak, default place, wide shot",
        ),
        ({**BASE, "Coat.default": "forest/coat.yaml"}, None, "x, green cloak, default place, wide shot"),
        ({"Coat.s": "forest/coat.yaml", **BASE}, "s", "x, green cloak, default place, wide shot"),
        ({**BASE, "Coat": ["Remove"], "Coat.s": "forest/coat.yaml"}, "s", "x, green cloak, default place, wide shot"),
    ],
)
def test_themes(expand: Expand, theme: Any, style: str | None, wanted: str) -> None:
    out = expand(scene(theme), "--theme", "t", *(["--style", style] if style else []))
    assert out.prompts == [wanted]


def test_theme_with_style(expand: Expand) -> None:  # 086
    out = expand(scene(), "--theme", "forest", "--style", "winter")
    assert out.prompts == ["x, fur cloak, pine forest, wide shot"]


def test_leafs_own_imports_beat_the_theme(expand: Expand) -> None:  # 089
    out = expand(scene(imports={"Coat": ["my coat"], "Place": ["Remove"]}), "--theme", "forest")
    assert out.prompts == ["x, my coat, wide shot"]


def test_theme_lacks_names(expand: Expand) -> None:  # 088
    words = ["Place", "Camera", "'t'", "t/theme.yaml", "imports: Coat"]
    expand(scene({"Coat": "coats.yaml"}), "--theme", "t").fails("unresolved-placeholder", *words)
    files = scene({"Coat": "forest/coat.yaml"})
    files["t/theme.yaml"]["merge"] = True
    assert expand(files, "--theme", "t").prompts == ["x, green cloak, default place, wide shot"]


def test_themes_file_is_beside_the_theme_when_not_beside_the_leaf(expand: Expand) -> None:
    files = {**scene({**BASE, "Coat": "cloak.yaml"}), "t/cloak.yaml": {"A": "cloak"}}
    assert expand(files, "--theme", "t").prompts == ["x, cloak, default place, wide shot"]


@pytest.mark.parametrize("block", [{"explicit": {"t": "t/theme.yaml"}}, {"enable_autodiscovery": True}])
def test_inherited_themes_are_found_beside_their_template(expand: Expand, block: Any) -> None:
    files = {
        "prompts/" + LEAF: prompt("x", {}, implements="../templates/s.template.yaml"),
        "templates/s.template.yaml": template("{prompt}, {Place}", themes=block),
        "templates/t/theme.yaml": {"imports": {"Place": "place.yaml"}},
        "templates/t/place.yaml": {"A": "theme's place"},
    }
    assert expand(files, "--theme", "t", leaf="prompts/" + LEAF).prompts == ["x, theme's place"]


def test_unknown_theme(expand: Expand) -> None:  # 094
    expand(scene(), "--theme", "nope").fails("unknown-theme", "nope", "t, forest")
    block = {"enable_autodiscovery": True, "search_paths": ["missing", "."]}
    expand(scene(block=block), "--theme", "nope").fails("unknown-theme", "nope", "forest")


def test_earlier_search_path_and_explicit_win(expand: Expand) -> None:  # 093
    found = {"enable_autodiscovery": True, "search_paths": ["missing", "b", "a"]}
    files = {f"{folder}/t/theme.yaml": {"imports": {**BASE, "Coat": [folder]}} for folder in ("a", "b")}
    for folder in ("a", "b", "c"):
        files[f"{folder}/coat.yaml"] = {"A": folder}
    for folder in ("a", "b"):
        files[f"{folder}/t/theme.yaml"] = {"imports": {**BASE, "Coat": f"{folder}/coat.yaml"}}
    files["c/theme.yaml"] = {"imports": {**BASE, "Coat": "c/coat.yaml"}}
    assert expand({**scene(block=found), **files}, "--theme", "t").prompts[0].startswith("x, b,")
    explicit = {**found, "explicit": {"t": "c/theme.yaml"}}
    assert expand({**scene(block=explicit), **files}, "--theme", "t").prompts[0].startswith("x, c,")


def test_childs_themes_block_replaces_the_parents(expand: Expand) -> None:
    files = scene(themes={"explicit": {"wood": "forest/theme.yaml"}})
    assert expand(files, "--theme", "wood").prompts == ["x, green cloak, pine forest, wide shot"]
    expand(files, "--theme", "forest").fails("unknown-theme", "wood")


def test_theme_file_is_the_file_named(expand: Expand) -> None:  # 096
    files = {**scene(BASE, {}), "t/other.yaml": {"imports": {**BASE, "Coat": "forest/coat.yaml"}}}
    out = expand(files, "--theme-file", "t/other.yaml")
    assert out.prompts == ["x, green cloak, default place, wide shot"]
    no_block = {**leaf("{Place}", {}), "t.yaml": {"imports": {"Place": "place.yaml"}}}
    assert expand(no_block, "--theme-file", "t.yaml").prompts == ["default place"]


def test_theme_and_theme_file_exclude_each_other(expand: Expand) -> None:
    out = expand(scene(), "--theme", "forest", "--theme-file", "forest/theme.yaml")
    out.fails("bad-option", "theme")


@pytest.mark.parametrize("entry", [["remove"], ["Remove", "x"], [], {"a": ["x"]}])
def test_theme_lists(expand: Expand, entry: Any) -> None:  # 097
    expand(scene({**BASE, "Coat": entry}), "--theme", "t").fails("bad-remove", "t/theme.yaml", "Coat")


def test_theme_without_imports(expand: Expand) -> None:
    files = {**leaf(imports={}, themes={"explicit": {"t": "t.yaml"}}), "t.yaml": {"name": "t"}}
    assert expand(files, "--theme", "t").prompts == ["an owl"]


def test_theme_replaces_the_imports_of_a_bare_template(expand: Expand) -> None:  # 100
    text = template(
        "{prompt}, {Coat}",
        imports={"prompt": ["a"], "Coat": "coats.yaml"},
        themes={"explicit": {"forest": "forest/theme.yaml"}},
    )
    assert expand({"x.template.yaml": text}, "--theme", "forest", leaf="x.template.yaml").prompts == ["a, green cloak"]


@pytest.mark.parametrize("entry", ["forest/coat.yaml", ["forest/coat.yaml"], {"a": "forest/coat.yaml"}])
@pytest.mark.parametrize(
    ("style", "wanted"), [("winter", "fur cloak"), ("summer", "green cloak"), ("default", "green cloak")]
)
def test_files_per_style(expand: Expand, entry: Any, style: str, wanted: str) -> None:  # 098, 099, 102
    """In a prompt, its own list or an inherited one, and in a bare template."""
    sensitive = {"style_sensitive_placeholders": ["Coat"]}
    default = {"forest/coat.default.yaml": {"A": "never"}}
    own = {**leaf("{Coat}", {"Coat": entry}, **sensitive), **default}
    inherited = {
        **leaf("x", {}, implements="s.template.yaml"),
        "s.template.yaml": template("{prompt}, {Coat}", imports={"Coat": entry}, **sensitive),
    }
    bare = {"x.template.yaml": template("{prompt}, {Coat}", imports={"Coat": entry, "prompt": ["x"]}, **sensitive)}
    assert expand(own, "--style", style).prompts == [wanted]
    assert expand(inherited, "--style", style).prompts == [f"x, {wanted}"]
    assert expand(bare, "--style", style, leaf="x.template.yaml").prompts == [f"x, {wanted}"]


# ---- cleaning up


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        (" \n\t ", ""),
        (" , , \n ,", ""),
        ("a,, b", "a, b"),
        ("a, ,\n, b", "a, b"),
        ("a,\n \n, b", "a, b"),
        ("a,\n,\nb", "a,\nb"),
        ("\n , a", "a"),
        ("a ,\n ", "a"),
        ("a\n, b", "a, b"),
        ("a \t, b", "a, b"),
        ("a,b", "a, b"),
        ("a,\tb", "a, \tb"),
        ("a,   b", "a, b"),
        ("a   b", "a   b"),
        (" a \n  b  ", "a\nb"),
        ("a,  \nb", "a,\nb"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("a\n ,\nb", "a\n\nb"),
        ("(a:1.2) ,[b:c:0.5],<lora:x:0.8>", "(a:1.2), [b:c:0.5], <lora:x:0.8>"),
    ],
)
def test_normalise(text: str, clean: str) -> None:  # 103, 104
    assert normalise(text) == clean == by_the_book(text)


def by_the_book(text: str) -> str:
    """The nine steps of the cleaning, each as plainly as it is worded."""
    if not text.strip():
        return ""
    out, at = "", 0
    while at < len(text):  # 1: runs of commas and white space between them
        end = at
        if text[at] == ",":
            ahead = at + 1
            while ahead < len(text) and (text[ahead] == "," or text[ahead].isspace()):
                end = ahead if text[ahead] == "," else end
                ahead += 1
        out += text[at]
        at = end + 1
    lines = ["" if line.strip() in ("", ",") else line for line in out.split("\n")]  # 2
    text = "\n".join(lines)
    if text.lstrip().startswith(","):  # 3
        text = text.lstrip()[1:].lstrip()
    if text.rstrip().endswith(","):
        text = text.rstrip()[:-1].rstrip()
    pieces = text.split(",")
    pieces = [*(p.rstrip() for p in pieces[:-1]), pieces[-1]]  # 4
    pieces = pieces[:1] + [p if p[:1] in ("\n", " ") and p else " " + p for p in pieces[1:]]  # 5
    pieces = pieces[:1] + [" " + p.lstrip(" ") if p.startswith("  ") else p for p in pieces[1:]]  # 6
    text = "\n".join(line.strip() for line in ",".join(pieces).split("\n"))  # 7
    while "\n\n\n" in text:  # 8
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()  # 9


def test_normalise_follows_the_steps() -> None:
    draw = random.Random(15)
    for _ in range(4000):
        text = "".join(draw.choices(", \n\tab", weights=(5, 4, 3, 1, 2, 1), k=draw.randrange(14)))
        assert normalise(text) == by_the_book(text), repr(text)


def test_filled_prompts_follow_the_steps() -> None:
    """Cleaning the template once and the values once gives what cleaning the filled text gives."""
    draw = random.Random(16)
    for _ in range(150):
        texts = ["".join(draw.choices(", \n\tab", k=draw.randrange(6))) for _ in range(8)]
        frame = "x".join([texts[0], *(f"{texts[k]}{{{n}}}{texts[k + 1]}" for k, n in ((1, "A"), (2, "B"), (3, "A")))])
        values = {"A": {"k": texts[5], "l": texts[6]}, "B": {"k": texts[7]}}
        resolved = load_text(json.dumps({"name": "n", "prompt": frame, "imports": values}))
        for key, text in values["A"].items():
            wanted = by_the_book(frame.replace("{A}", text).replace("{B}", texts[7]))
            assert Renderer(resolved).render({"A": key, "B": "k"}).prompt == wanted, (frame, values)


@pytest.mark.parametrize(
    ("text", "line"), [("a,\nb\n\nc", "a, b, c"), ("a\r\nb", "a, b"), ("a\rb", "ab"), ("a\n,\nb", "a, b")]
)
def test_line_for_the_backend(text: str, line: str) -> None:
    assert one_line(text) == line


def test_api_forms_are_of_one_line(expand: Expand) -> None:
    row = expand(leaf("a\nb", negative_prompt="c,\n\nd"), "--api").rows[0]
    assert (row["prompt"], row["negative"]) == ("a\nb", "c,\n\nd")
    assert (row["api_prompt"], row["api_negative"]) == ("a, b", "c, d")


# ---- parameters and presets

FACE = {"type": "adetailer_config", "version": "2.0", "name": "F", "detector": {"ad_model": "f.pt", "ad_steps": 9}}
HAND = {"version": "1.0", "detectors": [{"ad_model": "h.pt"}, {"ad_model": "i.pt"}]}
UNITS = {"type": "controlnet_config", "version": "1.0", "units": [{"model": "a", "module": "canny"}, {"model": "b"}]}
PRESETS: Files = {"f.adetailer.yaml": FACE, "h.adetailer.yaml": HAND, "c.controlnet.yaml": UNITS}


def test_parameters_are_passed_on(expand: Expand) -> None:
    block = {"sampler": "Euler a", "cfg_scale": 7, "batch_count": 2, "odd": {"a": [1, None]}}
    assert expand(leaf(parameters=block), "--parameters").rows[0]["parameters"] == block


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ("f.adetailer.yaml", [("f.pt", 0.3, 9)]),
        (["f.adetailer.yaml", "h.adetailer.yaml"], [("f.pt", 0.3, 9), ("h.pt", 0.3, 28), ("i.pt", 0.3, 28)]),
        ({"import": "f.adetailer.yaml", "override": {"ad_confidence": 0.5}}, [("f.pt", 0.5, 9)]),
        ([{"import": "f.adetailer.yaml"}, {"ad_steps": 3}], [("f.pt", 0.3, 3)]),
        ({"ad_model": "x", "ad_confidence": 1}, [("x", 1, 28)]),  # 116
        ([{"ad_model": "x"}, {"ad_model": "y"}], [("x", 0.3, 28), ("y", 0.3, 28)]),
        (None, None),  # 114
    ],
)
def test_adetailer(expand: Expand, block: Any, wanted: Any) -> None:
    parameters = expand({**leaf(parameters={"adetailer": block}), **PRESETS}, "--parameters").rows[0]["parameters"]
    if wanted is None:
        assert parameters == {}
        return
    found = parameters["adetailer"]
    assert found["enabled"] is True
    assert [(d["ad_model"], d["ad_confidence"], d["ad_steps"]) for d in found["detectors"]] == wanted
    assert {len(d) for d in found["detectors"]} == {42}


def test_preset_paths_start_at_the_file_that_names_them(expand: Expand) -> None:  # 110
    files = {
        "leaf/" + LEAF: prompt(implements="../t/a.template.yaml", imports={}),
        "t/a.template.yaml": template("{prompt}", parameters={"adetailer": "f.adetailer.yaml"}),
        "t/f.adetailer.yaml": {**FACE, "detector": {"ad_model": "t.pt", "ad_inpaint_width": 640}},
        "leaf/f.adetailer.yaml": FACE,
    }
    found = expand(files, "--parameters", leaf="leaf/" + LEAF).rows[0]["parameters"]["adetailer"]["detectors"]
    assert [(d["ad_model"], d["ad_inpaint_width"], d["ad_inpaint_height"]) for d in found] == [("t.pt", 640, 512)]


@pytest.mark.parametrize(
    ("name", "block", "kind", "words"),
    [
        ("adetailer", {"import": "f.adetailer.yaml", "override": {"nope": 1}}, "bad-preset", ["nope"]),  # 113
        ("adetailer", "none.adetailer.yaml", "missing-file", ["none.adetailer.yaml"]),
        ("adetailer", "empty.adetailer.yaml", "bad-preset", ["empty.adetailer.yaml", "detector"]),
        ("adetailer", "new.adetailer.yaml", "bad-preset", ["new.adetailer.yaml", "3.0"]),
        ("controlnet", {"model": "a", "strength": 2}, "bad-preset", ["strength"]),  # 117
        ("controlnet", {"weight": 2}, "bad-preset", ["model"]),
        ("controlnet", ["c.controlnet.yaml", {"nope": 2}], "bad-preset", ["nope"]),
        ("controlnet", "none.controlnet.yaml", "bad-preset", ["units"]),
    ],
)
def test_bad_presets(expand: Expand, name: str, block: Any, kind: str, words: Sequence[str]) -> None:
    more = {
        "empty.adetailer.yaml": {"version": "2.0"},
        "new.adetailer.yaml": {**FACE, "version": "3.0"},
        "none.controlnet.yaml": {**UNITS, "units": []},
    }
    expand({**leaf(parameters={name: block}), **PRESETS, **more}).fails(kind, *words)


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ({"model": "x", "weight": 0.5}, [("x", "none", 0.5)]),  # 112
        ("c.controlnet.yaml", [("a", "canny", 1.0), ("b", "none", 1.0)]),  # 111
        (["c.controlnet.yaml", {"weight": 0.6}], [("a", "canny", 0.6), ("b", "none", 1.0)]),
        (None, None),  # 114
    ],
)
def test_controlnet(expand: Expand, block: Any, wanted: Any) -> None:
    parameters = expand({**leaf(parameters={"controlnet": block}), **PRESETS}, "--parameters").rows[0]["parameters"]
    if wanted is None:
        assert parameters == {}
        return
    units = parameters["controlnet"]["units"]
    assert [(u["model"], u["module"], u["weight"]) for u in units] == wanted
    assert {len(u) for u in units} == {14}


def image_of(row: dict[str, Any]) -> str:
    return str(row["parameters"]["controlnet"]["units"][0]["image"])


def test_controlnet_image_follows_the_prompts_choice(expand: Expand) -> None:
    block = {"controlnet": {"model": "m", "image": {"Img": None}}}
    out = expand(leaf("{Img}, {Light}", {**IMPORTS, "Img": ["a.png", "b.png"]}, parameters=block), "--parameters")
    assert [image_of(r) for r in out.rows] == out.values("Img") == ["a.png", "a.png", "b.png", "b.png"]


def test_controlnet_image_is_drawn_when_the_prompt_does_not_choose(expand: Expand) -> None:
    block = {"controlnet": {"model": "m", "image": {"Img": None}}}
    out = expand(leaf("{Coat}", {**IMPORTS, "Img": ["a.png", "b.png"]}, parameters=block), "--parameters")
    assert len(out.rows) == 5
    assert [image_of(r) for r in out.rows] == out.values("Img")


def test_controlnet_image_makes_no_more_prompts(expand: Expand) -> None:
    block = {"controlnet": {"model": "m", "image": {"Img": None}}}
    out = expand(leaf("an owl", {"Img": ["a.png", "b.png"]}, parameters=block), "--parameters")
    assert len(out.rows) == 1
    assert [image_of(out.rows[0])] == out.values("Img")


def test_controlnet_image_path_is_recorded(expand: Expand) -> None:
    block = {"controlnet": {"units": [{"model": "m"}, {"model": "n", "image": "poses/a.png"}]}}
    out = expand(leaf("{Light[Dawn]}", parameters=block))
    assert out.rows[0]["variations"] == {"Light": "dawn light", "ControlNetImage_1": "poses/a.png"}


@pytest.mark.parametrize("image", ["{Img}", "data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgo" * 200, None])
def test_other_controlnet_images_are_recorded_under_no_name_of_their_own(expand: Expand, image: str | None) -> None:
    block = {"controlnet": {"units": [{"model": "m", "image": image}]}}
    out = expand(leaf("an owl", {"Img": ["a.png"]}, parameters=block))
    assert "ControlNetImage_0" not in out.rows[0]["variations"]


def test_detector_prompts_are_filled(expand: Expand) -> None:
    block = {"adetailer": {"ad_model": "m", "ad_prompt": "{Light}, {Nope}"}}
    out = expand(leaf("{Light}", parameters=block), "--parameters")
    found = [r["parameters"]["adetailer"]["detectors"][0]["ad_prompt"] for r in out.rows]
    assert found == ["dawn light, {Nope}", "noon light, {Nope}"]


# ---- checks of the leaf


def without(field: str) -> dict[str, Any]:
    return {k: v for k, v in prompt().items() if k != field}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (without("name"), ["name"]),
        (without("prompt"), ["prompt"]),
        (without("generation"), ["generation"]),  # 128
        (prompt(""), ["prompt"]),
        (prompt("  "), ["prompt"]),
        (prompt({"Light": None}), ["prompt"]),  # 130
        ({**without("prompt"), "template": "an owl"}, ["template", "prompt"]),  # 126
        ({**prompt(), "variations": {}}, ["variations", "imports"]),  # 127
        ("", ["empty"]),
    ],
)
def test_structure_of_a_prompt(expand: Expand, content: Any, words: list[str]) -> None:
    expand({LEAF: content}).fails("bad-structure", LEAF, *words)


@pytest.mark.parametrize("field", ["mode", "seed", "seed_mode", "max_images"])
def test_missing_generation_keys_have_defaults(expand: Expand, field: str) -> None:  # 129
    content = prompt("{Light}")
    del content["generation"][field]
    assert len(expand({LEAF: content}).rows) == 2


@pytest.mark.parametrize("name", [LEAF, "light.yaml"])
def test_yaml_errors_have_a_place(expand: Expand, name: str) -> None:  # 134
    expand({**leaf("{Light}"), name: "name: [x\nb: 1\n"}).fails("yaml-syntax", f"{name}:")


def test_unknown_fields_are_told(expand: Expand) -> None:  # 137
    out = expand(leaf("{Light}", base_path="..", max_images=-1))
    assert len(out.rows) == 2
    assert "base_path" in out.said
    expand(leaf("{Light}", base_path=".."), "--strict").fails("schema", "base_path")


def test_schema_warns_of_unknown_fields(expand: Expand) -> None:  # 136
    out = expand(leaf("{Light}", base_path="..", max_images=-1), "--schema")
    assert len(out.rows) == 2
    assert "base_path" in out.said


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2.0},
        {"version": "1.0"},
        {"max_images": -1},
        {"themes": {"enable_autodiscovery": True}},  # 101
        {"mode": "ask", "seed_mode": "ask"},
    ],
)
def test_schema_accepts(expand: Expand, fields: dict[str, Any]) -> None:
    assert expand(leaf("{Light}", **fields), "--schema").code == 0


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"type": None}, "type"),
        ({"version": "3.0"}, "version"),
        ({"seed": -2}, "seed"),
        ({"implements": "a.template"}, "implements"),
        ({"prompt": "x {prompt}"}, "{prompt}"),
        ({"mode": "combinatoral"}, "combinatoral"),
        ({"max_images": 0}, "max_images"),
    ],
)
def test_schema_refuses(expand: Expand, fields: dict[str, Any], word: str) -> None:
    expand(leaf("{Light}", **fields), "--schema").fails("schema", word)


def test_ranges_of_annotations_are_strict_rules(expand: Expand) -> None:
    files = leaf("{Light}", output={"annotations": {"enabled": True, "font_size": 0}})
    assert len(expand(files).rows) == 2
    expand(files, "--schema").fails("schema", "font_size")
