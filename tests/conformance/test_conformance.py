"""Recorded cases of the template language: what users' files have always meant must stay.

Each folder holds a prompt with its files, ``case.json`` and the recorded answer. Verdict "keep": the recorded answer is right.
Verdict "fix": it is not; ``test_better.py`` holds the right one.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app

CASES = Path(__file__).parent / "cases"


def load(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "case.json").read_text(encoding="utf-8"))


def with_verdict(verdict: str) -> list[Path]:
    return [f for f in sorted(CASES.iterdir()) if load(f)["verdict"] == verdict]


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple[int, str]:
    meta = load(folder)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(build_app("expand"), ["expand", "--jsonl", meta["template"], *meta["args"], *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def rows_of(text: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [r for r in rows if "info" not in r]


def key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def check_properties(wanted: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    chosen = [r["variations"] for r in rows]
    for name, value in wanted.items():
        if name == "count":
            assert len(rows) == value
        elif name == "max_count":
            assert 0 < len(rows) <= value
        elif name == "seeds":
            assert [r["seed"] for r in rows] == value
        elif name == "unique":
            assert len({key(v) for v in chosen}) == len(chosen)
        elif name == "combinations":
            assert len({key(v) for v in chosen}) == value
        elif name == "distinct":
            assert {n: len({key(v[n]) for v in chosen}) for n in value} == value
        elif name == "subset":
            assert all({v[n] for v in chosen} <= set(allowed) for n, allowed in value.items())
        elif name in ("full_product", "full_product_any_order"):
            got = [tuple(v[n] for n in value) for v in chosen]
            assert sorted(got) == sorted(itertools.product(*[{v[n] for v in chosen} for n in value]))
        elif name == "order":
            got = [tuple(v[n] for n in value) for v in chosen]
            assert got == list(itertools.product(*[list(dict.fromkeys(v[n] for v in chosen)) for n in value]))
        elif name == "constant_within":
            assert len({(key(v[value["group"]]), key(v[value["name"]])) for v in chosen}) == len(
                {key(v[value["group"]]) for v in chosen}
            )
        else:
            pytest.fail(f"unknown property {name}")


@pytest.mark.parametrize("folder", with_verdict("keep"), ids=lambda f: f.name)
def test_kept_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = load(folder)
    code, out = run(folder, monkeypatch)
    if meta.get("error_kind"):
        assert code == 1
        error = json.loads(out)
        assert error["error"] == meta["error_kind"]
        for name in meta.get("mentions", []):
            assert name in error["message"]
        return
    assert code == 0, out
    rows = rows_of(out)
    if meta["compare"] == "properties":
        check_properties(meta["properties"], rows)
        return
    wanted = rows_of((folder / "expected.jsonl").read_text(encoding="utf-8"))
    if meta["compare"] == "unordered":
        for row in rows + wanted:
            row.pop("index", None)
        rows, wanted = sorted(rows, key=key), sorted(wanted, key=key)
    assert [{f: row.get(f) for f in w} for row, w in itertools.zip_longest(rows, wanted, fillvalue={})] == wanted
