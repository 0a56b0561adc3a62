"""Deliberate mistakes: the schema and the strict rules made of it find each at its place."""

from __future__ import annotations

import re
import time

import jsonschema
import pytest
from jsonschema.exceptions import best_match

from sdgen_core.templates.model import KINDS
from sdgen_core.templates.schema import json_schema
from sdgen_core.templates.validate import strict_problems

from .schemas import VALIDATORS, document, valid

PROMPT = "type: prompt\nname: x\ngeneration: {}\n"
#: kind, text, the path of the mistake, its line, words of the message
WRONG: list[tuple[str, str, str, int, str]] = [
    ("prompt", "name: x\nprompt: x\ngeneration: {}\n", "type", 0, "missing"),
    ("prompt", "type: template\nname: x\nprompt: x\ngeneration: {}\n", "type", 1, "it must be 'prompt'"),
    ("prompt", "type: prompt\nname: x\ngeneration: {}\n", "prompt", 0, "missing"),
    ("prompt", "type: prompt\nprompt: x\ngeneration: {}\n", "name", 0, "missing"),
    ("prompt", "type: prompt\nname: x\nprompt: x\n", "generation", 0, "missing"),
    ("prompt", PROMPT + "prompt: {X}\n", "prompt", 4, "must be a text"),
    ("prompt", PROMPT + "prompt: ' '\n", "prompt", 4, "blank"),
    ("prompt", PROMPT + "prompt: 'a {prompt}'\n", "prompt", 4, "{prompt}"),
    ("prompt", PROMPT + "prompt: x\nbase_path: ..\n", "base_path", 5, "unknown"),
    ("prompt", PROMPT + "prompt: x\ntemplate: y\n", "template", 5, "write 'prompt:'"),
    (
        "prompt",
        PROMPT + "template: y\n",
        "template",
        4,
        "write 'prompt:'",
    ),  # that prompt: is missing goes without saying
    ("prompt", PROMPT + "prompt: x\nvariations: {A: a}\n", "variations", 5, "write 'imports:'"),
    ("prompt", PROMPT + "prompt: x\nversion: '3.0'\n", "version", 5, "'2.0'"),
    ("prompt", PROMPT + "prompt: x\nimplements: a.template\n", "implements", 5, ".yaml"),
    ("prompt", PROMPT + "prompt: x\nimports: [a.yaml]\n", "imports", 5, "must be a map"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A: []\n", "imports.A", 6, "empty"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A: {}\n", "imports.A", 6, "empty"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A: [a, [b]]\n", "imports.A[1]", 6, "found a list"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A: {source: a.yaml, weight: high}\n", "imports.A.weight", 6, "whole"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A:\n    B: [b]\n", "imports.A.B", 7, "text or a map"),
    ("prompt", PROMPT + "prompt: x\nimports:\n  A:\n    B: {c: [d]}\n", "imports.A.B.c", 7, "must be a text"),
    ("prompt", PROMPT + "prompt: x\nchunks:\n  A: hero.txt\n", "chunks.A", 6, ".yaml"),
    ("prompt", PROMPT + "prompt: x\nparameters:\n  steps: many\n", "parameters.steps", 6, "from 1 to 10000"),
    ("prompt", PROMPT + "prompt: x\nparameters:\n  width: 4\n", "parameters.width", 6, "from 16"),
    ("prompt", PROMPT + "prompt: x\nparameters:\n  cfg: [1]\n", "parameters.cfg", 6, "from 0 to 100"),
    (
        "prompt",
        PROMPT + "prompt: x\nparameters:\n  adetailer: 5\n",
        "parameters.adetailer",
        6,
        "a text, a list or a map",
    ),
    ("prompt", PROMPT + "prompt: x\nparameters:\n  adetailer: true\n", "parameters.adetailer", 6, "off"),
    (
        "prompt",
        PROMPT + "prompt: x\nparameters:\n  adetailer: [a.yaml, {ad_steps: few}]\n",
        "parameters.adetailer[1].ad_steps",
        6,
        "1 or more",
    ),
    (
        "prompt",
        PROMPT + "prompt: x\nparameters:\n  adetailer: {import: a.yaml, override: {steps: 3}}\n",
        "parameters.adetailer.override.steps",
        6,
        "'ad_steps'",
    ),
    ("prompt", PROMPT + "prompt: x\nparameters:\n  controlnet: {weight: 1}\n", "parameters.controlnet", 6, "model:"),
    (
        "prompt",
        PROMPT + "prompt: x\nparameters:\n  controlnet: [{model: m, strength: 1}]\n",
        "parameters.controlnet[0].strength",
        6,
        "unknown",
    ),
    ("prompt", PROMPT.replace("{}", "{mode: combinatoral}") + "prompt: x\n", "generation.mode", 3, "'combinatorial'"),
    ("prompt", PROMPT.replace("{}", "{seed: '42'}") + "prompt: x\n", "generation.seed", 3, "whole number"),
    ("prompt", PROMPT.replace("{}", "{seed: -2}") + "prompt: x\n", "generation.seed", 3, "-1 or more"),
    ("prompt", PROMPT.replace("{}", "{seed: 1.5}") + "prompt: x\n", "generation.seed", 3, "whole number"),
    ("prompt", PROMPT.replace("{}", "{max_images: 0}") + "prompt: x\n", "generation.max_images", 3, "no limit"),
    ("prompt", PROMPT.replace("{}", "{seedmode: fixed}") + "prompt: x\n", "generation.seedmode", 3, "'seed_mode'"),
    ("prompt", PROMPT.replace("{}", "[]") + "prompt: x\n", "generation", 3, "must be a map"),
    ("prompt", PROMPT + "prompt: x\noutput: {filename_keys: Coat}\n", "output.filename_keys", 5, "must be a list"),
    (
        "prompt",
        PROMPT + "prompt: x\noutput:\n  annotations:\n    background_alpha: 300\n",
        "output.annotations.background_alpha",
        7,
        "255 or less",
    ),
    ("prompt", PROMPT + "prompt: x\noutput: {annotations: {keys: A}}\n", "output.annotations.keys", 5, "a list"),
    ("prompt", PROMPT + "prompt: x\nthemes: {search_path: [x]}\n", "themes.search_path", 5, "'search_paths'"),
    ("prompt", PROMPT + "prompt: x\nthemes: {explicit: [x]}\n", "themes.explicit", 5, "must be a map"),
    ("template", "type: template\nname: x\ntemplate: y\n", "template", 3, "must contain {prompt}"),
    ("template", "type: template\nname: x\ntemplate: '{prompt}'\ngeneration: {}\n", "generation", 4, "a prompt file"),
    ("template", "type: template\nname: x\nprompt: '{prompt}'\ntemplate: '{prompt}'\n", "prompt", 3, "'template:'"),
    ("chunk", "type: chunk\nname: x\n", "", 1, "template: or implements:"),
    ("chunk", "type: chunk\nimplements:\n", "", 1, "template: or implements:"),
    ("chunk", "template: x\n", "type", 0, "missing"),
    ("chunk", "type: chunk\ntemplate: 'x {negprompt}'\n", "template", 2, "{negprompt}"),
    ("chunk", "type: chunk\ntemplate: x\ndefaults: {A: [[x]]}\n", "defaults.A[0]", 3, "a list"),
    ("variations", "type: variations\nname: x\n", "variations", 0, "missing"),
    ("variations", "type: variations\nvariations: {}\n", "variations", 2, "empty"),
    ("variations", "type: variations\nvariations: red\n", "variations", 2, "map or a list"),
    ("variations", "type: variations\nvalues: {}\nvariations: {A: a}\n", "values", 2, "unknown"),
    ("variations", "type: variations\nvariations:\n  A: [x]\n", "variations.A", 3, "text or a map"),
    ("variations", "type: variations\nvariations:\n  A:\n", "variations.A", 3, "empty"),
    ("variations", "type: variations\nvariations:\n  ' ': a\n", "variations. ", 3, "blank"),
    ("variations", "A: a\nB:\n  c: [d]\n", "B.c", 3, "must be a text"),
    ("variations", "- a\n- [b]\n", "[1]", 2, "text or a map"),
    ("variations", "type: prompt\nA: a\n", "type", 1, "another kind"),
    ("variations", "A: a\ngeneration: b\n", "generation", 2, "this is a prompt"),
    ("theme", "type: theme_config\n", "imports", 0, "missing"),
    ("theme", "type: theme_config\nimports: {}\n", "imports", 2, "empty"),
    ("theme", "type: theme_config\nimports:\n  A: [a.yaml]\n", "imports.A[0]", 3, "[Remove]"),
    ("theme", "type: theme_config\nimports:\n  A.b.c: a.yaml\n", "imports.A.b.c", 3, "Name.style"),
    ("theme", "type: theme_config\nimports: {A: a.yaml}\nvariations: []\n", "variations", 3, "empty"),
    ("theme", "type: theme_config\nimports: {A: a.yaml}\ntags: sea\n", "tags", 3, "must be a list"),
    ("adetailer", "type: adetailer_config\nversion: '2.0'\n", "", 1, "'detector'"),
    ("adetailer", "type: adetailer_config\ndetector:\n", "", 1, "'detector'"),
    ("adetailer", "detector: {}\n", "type", 0, "missing"),
    ("adetailer", "type: {a: b}\ndetector: {}\n", "type", 1, "'adetailer_config'"),
    ("adetailer", "type: adetailer_config\nversion: 3\ndetector: {}\n", "version", 2, "'2.0'"),
    ("adetailer", "type: adetailer_config\ndetectors: []\n", "detectors", 2, "empty"),
    ("adetailer", "type: adetailer_config\ndetector: {ad_mask_k: 1}\n", "detector.ad_mask_k", 2, "'ad_mask_k_largest'"),
    ("adetailer", "type: adetailer_config\ndetector:\n  ad_confidence: 40\n", "detector.ad_confidence", 3, "0 to 1"),
    (
        "adetailer",
        "type: adetailer_config\ndetector:\n  ad_use_steps: 1\n",
        "detector.ad_use_steps",
        3,
        "true or false",
    ),
    ("adetailer", "type: adetailer_config\ndetector:\n  ad_prompt: {a: b}\n", "detector.ad_prompt", 3, "placeholder"),
    ("controlnet", "type: controlnet_config\nunits: []\n", "units", 2, "empty"),
    ("controlnet", "type: controlnet_config\nunits:\n  - weight: 1\n", "units[0].model", 3, "missing"),
    ("controlnet", "type: controlnet_config\nunits: [{model: ''}]\n", "units[0].model", 2, "must be a text"),
    ("controlnet", "type: controlnet_config\nversion: 2.0\nunits: [{model: m}]\n", "version", 2, "'1.0'"),
    ("controlnet", "type: controlnet_config\nunits: [{model: m, threshold: 1}]\n", "units[0].threshold", 2, "unknown"),
]


def dotted(error: jsonschema.ValidationError) -> str:
    """The place of a validator's error, in our words; a missing or unknown field is named with it."""
    path = list(error.absolute_path)
    if error.validator == "required":
        path.append(next(n for n in error.validator_value if n not in error.instance))
    elif error.validator == "additionalProperties" and error.validator_value is False:
        path.append(next(n for n in error.instance if n not in error.schema["properties"]))
    elif "propertyNames" in list(error.absolute_schema_path):
        path.append(error.instance)
    return re.sub(r"\.\[", "[", ".".join(f"[{p}]" if isinstance(p, int) else str(p) for p in path))


@pytest.mark.parametrize(("kind", "text", "path", "line", "words"), WRONG, ids=[f"{w[0]}-{w[2]}-{w[4]}" for w in WRONG])
def test_a_mistake_is_found_where_it_is(kind: str, text: str, path: str, line: int, words: str) -> None:
    doc = document(text)
    (problem,) = strict_problems(doc, KINDS[kind])
    assert problem.code == "schema"
    assert words in str(problem)
    assert path in str(problem)
    assert problem.place is not None
    assert problem.place.line == line
    for validator in VALIDATORS:
        found = validator(json_schema(kind)).iter_errors(doc.root.python())
        error = best_match(found)
        assert error is not None
        while error.context:  # the alternative meant
            error = min(error.context, key=lambda e: -len(e.absolute_path))
        # a placeholder's own limits lie below the field that may be one
        assert dotted(error) == path or error.validator in ("required", "type"), dotted(error)
        assert dotted(error).startswith(path.rpartition(".")[0])


def test_a_theme_covers_what_it_lists() -> None:
    doc = document("type: theme_config\nimports: {Coat.winter: a.yaml, Place: b.yaml}\nvariations: [Coat, Plaice]\n")
    (problem,) = strict_problems(doc, KINDS["theme"])
    assert "'Plaice'" in problem.message
    assert problem.nearest == ["Place"]
    assert valid(doc.root.python(), json_schema("theme"))  # a rule between two fields, which no schema can hold


def test_all_problems_are_told_at_once() -> None:
    doc = document("type: prompt\nprompt: x\nimport: {}\ngeneration: {sed: 1, mode: x}\n")
    lines = [(p.place.line if p.place else 0) for p in strict_problems(doc, KINDS["prompt"])]
    assert lines == [0, 3, 4, 4]


@pytest.mark.parametrize(("text", "words"), [("", "empty"), ("- a\n", "must be a map"), ("text\n", "no map")])
def test_what_is_no_file_of_fields(text: str, words: str) -> None:
    (problem,) = strict_problems(document(text), KINDS["prompt"])
    assert words in str(problem)


def test_an_alias_is_checked_once() -> None:
    levels = "".join(f"{n}: &{n} [{', '.join([f'*{m}'] * 8)}]\n" for m, n in ("ab", "bc", "cd", "de"))
    doc = document(f"type: chunk\ntemplate: x\ndefaults:\n  X: {{k: &a [1]}}\n{levels}chunks: *e\n")
    assert len(strict_problems(doc, KINDS["chunk"])) < 20


def test_deep_nesting_is_checked() -> None:
    deep = "{source: " * 55 + "[]" + "}" * 55
    (problem,) = strict_problems(document(PROMPT + f"prompt: x\nimports: {{X: {deep}}}\n"), KINDS["prompt"])
    assert "is empty" in problem.message


def test_a_large_file_is_checked_soon() -> None:
    doc = document("variations:\n" + "".join(f"  key{i}: value {i}\n" for i in range(50_000)) + "  bad: [x]\n")
    _ = doc.root
    started = time.process_time()
    (problem,) = strict_problems(doc, KINDS["variations"])
    assert time.process_time() - started < 5
    assert problem.place is not None
    assert problem.place.line == 50_002
