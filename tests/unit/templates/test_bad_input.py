"""Whatever a file holds, the answer is a prompt or an ``SDGenError``, soon."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import load_text

from .conftest import prompt_file


def code_of(text: str) -> str | None:
    started = time.process_time()
    try:
        plan = Plan.build(load_text(text), variation_seed=1)
        for n in range(min(3, plan.count)):
            plan.item(n)
        code = None
    except SDGenError as e:
        assert str(e)
        code = e.code
    assert time.process_time() - started < 20
    return code


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("prompt: a\nx: " + "[" * 100_000, "too-large"),
        ("prompt: a\nx: " + "[" * 100_000 + "]" * 100_000, "too-large"),
        ("prompt: a\nx: " + "{a: " * 5000, "too-large"),
        ("- " * 50_000 + "x", "too-large"),
        (BOMB, "too-large"),
        ("a: &a {b: *a}\n", "cycle"),
        ("a: *b\n", "yaml-syntax"),
        ("a: 1\n---\nb: 2\n", "yaml-syntax"),
        ("a: !!python/object/apply:os.system ['x']\n", "yaml-syntax"),
        ("a: !mine x\n", "yaml-syntax"),
        ("? [a, b]\n: c\n", "yaml-syntax"),
        ("a: b: c\n", "yaml-syntax"),
        ("a: 'x\n", "yaml-syntax"),
        ("\tprompt: x\n", "yaml-syntax"),
        ("prompt: \x00\n", "yaml-syntax"),
        ("prompt: \x1b[0m\n", "yaml-syntax"),
        ("", "bad-structure"),
        ("~\n", "bad-structure"),
        ("text\n", "bad-structure"),
        ("prompt: [a]\n", "bad-structure"),
        ("prompt: a\ngeneration: 5\n", "bad-structure"),
        ("prompt: a\ngeneration: {seed: 1e400}\n", "bad-structure"),
        ("prompt: a\nimports: {X: {source: [a], weight: x}}\n", "bad-structure"),
        ("prompt: '{X}'\nimports: {X: [[a]]}\n", "bad-variation-value"),
        ("prompt: a\nthemes: {explicit: [x]}\n", "bad-structure"),
        ("template: no place for a prompt\n", "bad-structure"),
    ],
)
def test_bad_texts(text, code):
    assert code_of(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "prompt: '" + "{X[" * 20_000 + "'\n",
        "prompt: '" + "@{A with " * 20_000 + "'\n",
        "prompt: '" + "{" * 200_000 + "'\n",
        "prompt: '" + "a," * 200_000 + "'\n",
        "prompt: '" + ", " * 200_000 + "'\n",
        "prompt: '" + " " * 500_000 + "x'\n",
        "prompt: |\n" + "  \n" * 200_000 + "  x\n",
        "prompt: '{X[" + ";" * 3000 + "]}'\nimports: {X: [a]}\n",
        "prompt: '{X[#0-" + "9" * 3000 + "]}'\nimports: {X: [a]}\n",
        "prompt: a\ngeneration: {seed: " + "9" * 400 + "}\n",
    ],
)
def test_long_texts_end_soon(text):
    code_of(text)


def test_a_ten_megabyte_file(project):
    values = "".join(f"  key{i}: some value number {i} with a few words\n" for i in range(200_000))
    project.put({"v.yaml": "variations:\n" + values, "main.prompt.yaml": prompt_file("{X}", imports="{X: v.yaml}")})
    assert project.plan().space.size == 200_000


def test_files_that_are_none(project, tmp_path):
    main = prompt_file("{X}", imports="{X: v.yaml}")
    project.put({"main.prompt.yaml": main})
    target = tmp_path / "v.yaml"
    target.mkdir()
    error = project.error()
    assert (error.code, "folder" in str(error)) == ("unreadable-file", True)
    target.rmdir()
    for data, word in ((b"A: \xff\xfe\n", "UTF-8"), ("A: x\n".encode("utf-16"), "UTF-16"), (b"\x00\x01\x02", "")):
        target.write_bytes(data)
        error = project.error()
        assert error.code in ("unreadable-file", "yaml-syntax")
        assert word in str(error)
    target.unlink()
    assert project.error("no/such/file.prompt.yaml").code == "missing-file"
    assert project.error("x" * 5000 + ".prompt.yaml").code == "missing-file"
    assert project.error("nul\0.prompt.yaml").code == "missing-file"
    assert project.error(".").code == "unreadable-file"


@pytest.mark.skipif(sys.platform == "win32", reason="no such files on Windows")
def test_sockets_pipes_and_rights(project, tmp_path, monkeypatch):
    project.put({"main.prompt.yaml": prompt_file("{X}", imports="{X: v.yaml}")})
    monkeypatch.chdir(tmp_path)
    os.mkfifo("v.yaml")
    assert project.error().code == "unreadable-file"
    Path("v.yaml").unlink()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("v.yaml")
        assert project.error().code == "unreadable-file"
    Path("v.yaml").unlink()
    project.put({"v.yaml": "A: x\n"})
    (tmp_path / "v.yaml").chmod(0)
    if os.geteuid():
        assert project.error().code == "unreadable-file"
    (tmp_path / "v.yaml").unlink()
    Path("v.yaml").symlink_to("v.yaml")
    assert project.error().code in ("missing-file", "unreadable-file")


# ---- a small fuzzer; its finds are kept in the lists above -----------------------------------------------------------------------

WORDS = [
    "prompt: ", "imports: ", "generation: ", "chunks: ", "themes: ", "parameters: ", "negative_prompt: ", "implements: ", "output: ",
    "X", "{X}", "{X[", "]}", "@X", "@{X with ", "{@X}", "#0", "$0", "1-2", "limit:2", "a.yaml", "[Remove]", "|\n", "- ", "? ", ": ", "\n",
    "  ", "'", '"', "{", "}", "[", "]", ",", "&a ", "*a", "<<: ", "!!int ", "~", "1.5", "-1", "true", "mode: random", "max_images: 3",
    "seed: ",
    "adetailer: ", "controlnet: ", "model: m", "é", "\t", "#", "%", "source: ", "weight: ", "template: ", "name: ",
]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), max_size=30).map("".join))
@settings(max_examples=400)
def test_fuzz_yaml(text):
    code_of(text)


@given(st.lists(st.sampled_from([w for w in WORDS if "\n" not in w]) | st.text(max_size=3), max_size=20).map("".join))
@settings(max_examples=400)
def test_fuzz_prompts(text):
    import json

    quoted = json.dumps(text)
    code_of(f"prompt: {quoted}\nnegative_prompt: {quoted}\nimports: {{X: [a, b, 'c, d'], Y: {{k: {quoted}}}}}\n")
