"""Chunks in all forms."""

from __future__ import annotations

import itertools

import pytest

HERO = "type: chunk\nname: Hero\ntemplate: |\n  a hero in a {Coat}, {Light}\n"


def chunk(text: str, **more: str) -> str:
    return f"type: chunk\ntemplate: '{text}'\n" + "".join(f"{k}: {v}\n" for k, v in more.items())


def with_chunks(case, text, files, **blocks):
    declared = ", ".join(f"{name.split('.')[0]}: {name}" for name in files if ".chunk." in name)
    return case(text, files, chunks=f"{{{declared}}}", **blocks)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@Hero, x", "a hero in a red coat, dawn light, x"),
        ("{@Hero}, x", "a hero in a red coat, dawn light, x"),
        ("@Hero. Then", "a hero in a red coat, dawn light\n. Then"),
        ("@Hero.next", "a hero in a red coat, dawn light\n.next"),
        ("(@Hero:1.2)", "(a hero in a red coat, dawn light\n:1.2)"),
        ("@{Hero with Coat:cape}", "a hero in a cape, dawn light"),
        ("@{Hero with Coat:{Coat[Blue]}, Light:lit by {Light}}", "a hero in a blue coat, lit by dawn light"),
        ("@{Hero  with  Coat: <lora:c:0.8> , Light:x}", "a hero in a <lora:c:0.8>, x"),
        ("@{Hero with Coat:(big, red) cape}", "a hero in a (big, red) cape, dawn light"),
        ('@{Hero with Coat:"cape, long", Light:x}', "a hero in a cape, long, x"),
        ("@{Hero}", "a hero in a red coat, dawn light"),
        ("@{Hero with Coat:@{Hero with Coat:cape, Light:x}, Light:y}", "a hero in a a hero in a cape, x, y"),
        ("@{Hero with Coat:{x}", "@{Hero with Coat:{x}"),
        ("me@Hero and a@b.c", "me@Hero and a@b.c"),
    ],
)
def test_forms(case, text, wanted):
    project = with_chunks(case, text, {"Hero.chunk.yaml": HERO})
    if "{x}" in wanted:  # unbalanced braces are text, and the placeholder in it is none of ours
        assert project.error().code == "unresolved-placeholder"
    else:
        assert project.prompts()[0] == wanted


def test_nested_chunks_and_their_own_chunks(case):
    files = {
        "A.chunk.yaml": chunk("outer(@B) {@C}", chunks="{C: sub/c.chunk.yaml}"),
        "B.chunk.yaml": chunk("inner"),
        "sub/c.chunk.yaml": chunk("deep {X}", imports="{X: x.yaml}"),
        "sub/x.yaml": "K: from the chunk folder\n",
        "x.yaml": "K: from the leaf folder\n",
    }
    project = case("@A", files, chunks="{A: A.chunk.yaml, B: B.chunk.yaml}")
    assert project.prompts() == ["outer(inner) deep from the chunk folder"]


def test_cycles_are_named(case):
    files = {"A.chunk.yaml": chunk("@B"), "B.chunk.yaml": chunk("@A")}
    error = with_chunks(case, "@A", files).error()
    assert error.code == "cycle"
    assert "B.chunk.yaml" in str(error)


def test_exploding_chunks_are_refused(case):
    names = "ABCDEFGHIJKL"
    files = {f"{n}.chunk.yaml": chunk(" ".join(f"@{m}" for _ in range(10))) for n, m in itertools.pairwise(names)}
    files["L.chunk.yaml"] = chunk("some words")
    assert with_chunks(case, "@A", files).error().code == "too-large"


def test_values_come_from_prompt_then_chunk_then_defaults(case):
    files = {
        "H.chunk.yaml": chunk(
            "{Coat} {Hat} {Shoe}", imports="{Coat: [chunk coat], Hat: [chunk hat]}", defaults="{Hat: x, Shoe: red shoe}"
        ),
    }
    assert with_chunks(case, "@H", files, imports="{Coat: [prompt coat]}").prompts() == [
        "prompt coat chunk hat red shoe"
    ]
    assert with_chunks(case, "@{H with Hat:top hat}", files, imports="{Coat: [c]}").prompts() == ["c top hat red shoe"]


def test_inheritance(case):
    files = {
        "p.chunk.yaml": "type: character\ntemplate: parent {X}\ndefaults: {X: from parent}\n",
        "q.chunk.yaml": "type: character\nimplements: p.chunk.yaml\n",
        "C.chunk.yaml": "type: character\nimplements: q.chunk.yaml\ntemplate: child {X}\n",
        "D.chunk.yaml": "type: scene\nimplements: p.chunk.yaml\n",
    }
    assert case("@C", files, chunks="{C: C.chunk.yaml}").prompts() == ["child from parent"]
    assert case("@C", files, chunks="{C: q.chunk.yaml}").prompts() == ["parent from parent"]
    error = case("x", files, chunks="{D: D.chunk.yaml}").error()
    assert error.code == "chunk-load"
    assert "'scene'" in str(error) and "p.chunk.yaml" in str(error)


def test_child_declares_over_parent(project, case):
    files = {
        "t.template.yaml": "name: T\nchunks: {Q: one.chunk.yaml, R: two.chunk.yaml}\ntemplate: '{prompt} @Q @R'\n",
        "one.chunk.yaml": chunk("one"),
        "two.chunk.yaml": chunk("two"),
    }
    assert case("x", files, implements="t.template.yaml", chunks="{Q: two.chunk.yaml}").prompts() == [
        "x\n two two".replace("\n ", "\n")
    ]


def test_groups_vary_like_other_chunks(case):
    files = {"q.chunk.yaml": chunk("best {Light}"), "v.yaml": "A: x\n"}
    project = case(
        "@quality.good, x", files, imports="{Light: light.yaml, quality: {good: q.chunk.yaml, plain: v.yaml}}"
    )
    assert project.prompts() == ["best dawn light, x", "best noon light, x"]
    error = case("@quality.bad", files, imports="{quality: {good: q.chunk.yaml}}").error()
    assert error.code == "unknown-chunk"
    assert error.nearest == ["quality.good"] or "quality.good" in str(error)


def test_chunk_file_under_imports(case):
    files = {"q.chunk.yaml": chunk("best")}
    assert case("@Q, x", files, imports="{Q: q.chunk.yaml}").prompts() == ["best, x"]
    error = case("{Q}, x", files, imports="{Q: q.chunk.yaml}").error()
    assert error.code == "unresolved-placeholder"
    assert "@Q" in str(error)


@pytest.mark.parametrize(
    ("text", "files", "code", "word"),
    [
        ("x @Nope", {}, "unknown-chunk", "Hero"),
        ("@Heroo", {}, "unknown-chunk", "'Hero'"),
        ("@{Hero with cape}", {}, "bad-chunk-argument", "cape"),
        ("@Q", {"Q.chunk.yaml": "type: chunk\nname: Q\n"}, "chunk-load", "template"),
        ("@Q", {"Q.chunk.yaml": ""}, "chunk-load", "empty"),
        ("@Q", {"Q.chunk.yaml": chunk("x {prompt}")}, "reserved-in-chunk", "{prompt}"),
        ("x", {"Q.chunk.yaml": "a: [\n"}, "chunk-load", "Q.chunk.yaml"),
        ("@Q", {"Q.chunk.yaml": "implements: Q.chunk.yaml\n"}, "cycle", "implements itself"),
    ],
)
def test_errors(case, text, files, code, word):
    error = with_chunks(case, text, {"Hero.chunk.yaml": HERO, **files}).error()
    assert error.code == code
    assert word in str(error)


def test_missing_chunk_names_chunk_and_path(case):
    error = case("x", chunks="{Hero: hreo.chunk.yaml}").error()
    assert error.code == "missing-file"
    assert "chunks.Hero" in str(error) and "hreo.chunk.yaml" in str(error)


def test_errors_in_a_chunk_name_its_file(case):
    error = with_chunks(case, "@Q", {"Q.chunk.yaml": "type: chunk\ntemplate: |\n  first\n  second {Nope}\n"}).error()
    assert error.place.file.endswith("Q.chunk.yaml")
    assert (error.place.line, error.place.column) == (4, 10)


def test_chunks_in_the_negative_prompt(case):
    project = with_chunks(case, "x", {"Q.chunk.yaml": chunk("low {Light}")}, negative_prompt="'@Q, @nobody'")
    assert [i.negative for i in project.plan().items()] == ["low dawn light, @nobody", "low noon light, @nobody"]


def test_selectors_in_a_chunk_are_not_replaced(case):
    project = with_chunks(case, "@{Q with Coat:cape}", {"Q.chunk.yaml": chunk("{Coat} {Coat[Red]}")})
    assert project.prompts() == ["cape red coat"]
