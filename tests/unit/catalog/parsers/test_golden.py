"""The chunks of real programs → the facts expected of them: one file a case in tests/data/parsers."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from sdgen_core.catalog.parsers import ImageFacts, parse, parse_a1111, parse_comfyui, parse_invokeai, parse_sdgen

FOLDER = Path(__file__).parents[3] / "data" / "parsers"
CASES = sorted(FOLDER.glob("*.json"))


def case(name):
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found["chunks"], found["facts"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path):
    chunks, facts = case(path.stem)
    expected = {f.name: f.default for f in fields(ImageFacts)} | {"keys": {}, "values": {}} | facts
    expected["loras"] = tuple(tuple(lora) for lora in expected["loras"])
    assert asdict(parse(chunks)) == expected


def test_the_folder_has_a_case_of_every_program():
    assert {case(path.stem)[1]["source"] for path in CASES} == {"", "sdgen", "comfyui", "a1111", "invokeai"}


def test_each_parser_is_silent_about_the_others_files():
    own = {"sdgen": parse_sdgen, "comfyui": parse_comfyui, "a1111": parse_a1111, "invokeai": parse_invokeai}
    chunks = {
        name: case(f"{name}-{one}")[0] for name, one in zip(own, ("record-only", "nan", "classic", "3"), strict=True)
    }
    for name, parser in own.items():
        assert {other for other, texts in chunks.items() if parser(texts) is not None} == {name}


def test_each_parser_leaves_alone_what_it_was_given():
    for path in CASES:
        chunks, _ = case(path.stem)
        before = dict(chunks)
        assert parse(chunks) == parse(chunks)
        assert chunks == before


def test_the_graph_leads_and_the_text_completes():
    chunks, _ = case("comfyui-with-a1111-text")
    facts = parse(chunks)
    assert (facts.steps, facts.model_hash) == (20, "6ce0161689")
    assert parse_a1111(chunks).steps == 99
    assert parse_comfyui(chunks).model_hash is None


def test_what_the_planner_offered_counts_where_some_pass_took_it():
    chunks, _ = case("sdgen-hires-two-passes")
    assert parse_comfyui(chunks).denoise == 1.0  # the first pass
    assert parse(chunks).denoise == 0.55  # the second one's, which the planner gives
    chunks, _ = case("sdgen-planner-not-used")
    assert parse_sdgen(chunks).steps == 28
    assert parse(chunks).steps == 8
