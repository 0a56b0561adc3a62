"""The fuzzer's corpus once more, and arbitrary texts: nothing but our own errors, and nothing that takes long."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.templates import documents, load_text, parse_choice_spec, parse_fixed_spec, parse_seed_spec
from sdgen_core.templates.syntax import parse_selector, references, tokens

from .inputs import Case, decode, examine
from .mutate import WORDS, mutate
from .run import CORPUS, CORPUS_BYTES

FILES = sorted(CORPUS.glob("*.txt"))
words = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=12)
texts = st.builds(lambda parts, between: between.join(parts), words, st.sampled_from(["", " ", "\n", ", ", ": "]))


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_corpus(path, tmp_path):
    examine(decode(path.read_bytes()), tmp_path / "files")


def test_the_corpus_stays_small():
    assert len(FILES) > 20
    assert sum(p.stat().st_size for p in FILES) < CORPUS_BYTES + 20_000


def test_inputs_survive_their_file():
    case = Case({"theme": "é"}, {"main.prompt.yaml": b"a\n\n", "sub/b.yaml": b"\xff=== x", "c.txt": b""})
    assert decode(case.encode()) == case
    for path in FILES:
        case = decode(path.read_bytes())
        assert decode(case.encode()) == case


def test_changes_are_repeatable_and_change_something(tmp_path):
    pool = [decode(path.read_bytes()) for path in FILES]
    first, second = (
        [mutate(pool[i % len(pool)], pool, rng) for i in range(100)] for rng in (random.Random(1), random.Random(1))
    )
    assert first == second
    assert sum(case != pool[i % len(pool)] for i, case in enumerate(first)) > 80
    for case in first[:20]:
        examine(decode(case.encode()), tmp_path / "files", ("load", "text"))


@pytest.mark.parametrize(
    "read",
    [
        parse_seed_spec,
        parse_fixed_spec,
        parse_choice_spec,
        parse_selector,
        tokens,
        references,
        load_text,
        lambda text: documents.fold(text, "x.yaml"),
        lambda text: load_text(f"prompt: |\n  {text}\nimports: {{A: [x, y], B: {{k: {{main: m, lora: l}}}}}}"),
    ],
    ids=["seeds", "fixed", "choices", "selector", "tokens", "references", "file", "yaml", "prompt"],
)
@given(texts)
@settings(max_examples=60, deadline=5000)
def test_arbitrary_text(read: Callable[[str], Any], text: str):
    with contextlib.suppress(SDGenError):
        read(text)
