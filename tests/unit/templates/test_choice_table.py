"""The node's dialog and the server mean the same by a selector: both are tested with one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.templates import parse_choice_spec
from sdgen_core.templates.seeds import write_selector
from sdgen_core.templates.space import selected
from sdgen_core.templates.syntax import parse_selector

TABLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "choice_specs.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", TABLE["texts"], ids=lambda c: c["text"])
def test_texts(case: dict[str, Any]) -> None:
    assert list(parse_choice_spec(case["text"]).items()) == [tuple(pair) for pair in case["choices"]]


@pytest.mark.parametrize("text", TABLE["bad_texts"])
def test_bad_texts(text: str) -> None:
    with pytest.raises(SDGenError):
        parse_choice_spec(text)


def check_meaning(case: dict[str, Any]) -> None:
    """The selector takes these values; with a draw, so many of them."""
    pool = dict(case["values"])
    keys = tuple(pool)
    selector = parse_selector(case["selector"])
    assert not selector.errors
    wanted = [keys[place] for place in case["picked"]]
    got = selected("X", selector, keys, pool, 1)
    assert selector.weight == case["weight"]
    if selector.leaves_out:
        assert wanted == []
        return
    draw = case["draw"]
    if draw is not None and draw < len(wanted):
        assert len(got.pool) == draw and set(got.pool) <= set(wanted)
        every = {key for seed in range(200) for key in selected("X", selector, keys, pool, seed).pool}
        assert every == set(wanted)
    else:
        assert list(got.pool) == wanted
    assert list(got.unknown) == case.get("unknown", [])


@pytest.mark.parametrize("case", TABLE["reads"], ids=lambda c: c["selector"])
def test_reads(case: dict[str, Any]) -> None:
    check_meaning(case)


@pytest.mark.parametrize("case", TABLE["writes"], ids=lambda c: c["selector"])
def test_writes(case: dict[str, Any]) -> None:
    check_meaning(case)
    pool = dict(case["values"])
    keys = [list(pool)[place] for place in case["picked"]]
    assert write_selector(pool, keys, case["draw"], case["weight"]) == case["selector"]
