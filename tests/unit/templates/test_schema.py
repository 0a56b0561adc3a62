"""The exported schemas: judged by a real JSON-Schema validator, by the loader, and by the strict rules made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.exceptions import best_match
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.parameters import _RECORDED_ONLY, _SYNONYMS, ParameterRules, Parameters
from sdgen_core.sessions.samplers import SAMPLERS, SCHEDULERS, comfy_sampler, comfy_scheduler
from sdgen_core.templates import Options, load_template
from sdgen_core.templates.documents import Document, Parsed, read
from sdgen_core.templates.model import KINDS
from sdgen_core.templates.preset_model import Detector, ParametersBlock, UnitFields
from sdgen_core.templates.presets import _fields
from sdgen_core.templates.reference import EXAMPLES, FORM_EXAMPLES, pages
from sdgen_core.templates.schema import FORMS, KEYWORDS, REMARKS, editor_settings, json_schema, schema_name
from sdgen_core.templates.validate import strict_problems

ROOT = Path(__file__).parents[3]
VALIDATORS = (jsonschema.Draft7Validator, jsonschema.Draft202012Validator)


def document(text: str) -> Document:
    return Document(Parsed(text, ""), None, "f.yaml")


@cache
def validators(schema: str) -> tuple[Any, ...]:
    return tuple(validator(json.loads(schema)) for validator in VALIDATORS)


def valid(instance: Any, schema: dict[str, Any]) -> bool:
    """The answer of both dialects, which must be one."""
    answers = {v.is_valid(instance) for v in validators(json.dumps(schema))}
    assert len(answers) == 1
    return answers.pop()


def part(kind: str, name: str) -> dict[str, Any]:
    """A definition of a kind's schema as a schema of its own."""
    whole = json_schema(kind)
    return {"$schema": whole["$schema"], "allOf": [{"$ref": f"#/$defs/{name}"}], "$defs": whole["$defs"]}


def kind_of(path: Path, root: Any) -> str:
    for kind in ("prompt", "template", "chunk", "adetailer", "controlnet"):
        if re.search(rf"\.{kind}\.ya?ml$", path.name):
            return kind
    word = root.get("type")
    return "theme" if path.name == "theme.yaml" or (word and word.value == "theme_config") else "variations"


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside ``schema``, itself included."""
    if isinstance(schema, list):
        for inner in schema:
            yield from subschemas(inner)
    elif isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            if key in ("properties", "$defs"):
                for named in inner.values():
                    yield from subschemas(named)
            elif key not in ("default", "examples", "enum", "const"):
                yield from subschemas(inner)


# ---- the schemas themselves


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_sound(kind: str) -> None:
    schema = json_schema(kind)
    for validator in VALIDATORS:
        validator.check_schema(schema)
    assert schema["$id"] == schema_name(kind)
    assert "://" not in json.dumps({k: v for k, v in schema.items() if k != "$schema"})
    for inner in subschemas(schema):
        assert set(inner) <= KEYWORDS | REMARKS
        if "$ref" in inner:
            assert len(inner) == 1, "draft-07 skips what stands beside a $ref"
            assert inner["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        assert "\\w" not in inner.get("pattern", "")
        re.compile(inner.get("pattern", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_explained(kind: str) -> None:
    schema = json_schema(kind)
    for inner in subschemas(schema):
        if inner.get("additionalProperties") is False:
            assert inner["description"]
            for name, field in inner["properties"].items():
                assert field["description"].endswith("."), name
                assert {"default", "examples", "const", "enum"} & set(field), name
        for name, field in inner.get("properties", {}).items():
            whole = {"$schema": schema["$schema"], **field, "$defs": schema["$defs"]}
            for example in [*field.get("examples", ()), *([field["default"]] if "default" in field else ())]:
                assert valid(example, whole) or name == "type", (name, example)


def test_kinds() -> None:
    assert list(KINDS) == ["prompt", "template", "chunk", "variations", "theme", "adetailer", "controlnet"]
    assert all(kind == model.KIND and model.NAMES for kind, model in KINDS.items())
    assert set(FORMS) >= set(FORM_EXAMPLES)


# ---- real files


def example_files() -> list[Path]:
    return sorted(p for p in (ROOT / "examples").rglob("*.y*ml"))


def test_there_are_examples_of_every_kind() -> None:
    assert {kind_of(p, read(p, p.name).root) for p in example_files()} == set(KINDS)


@pytest.mark.parametrize("path", example_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_examples_validate(path: Path) -> None:
    doc = read(path, path.name)
    kind = kind_of(path, doc.root)
    assert [str(p) for p in strict_problems(doc, KINDS[kind])] == []
    assert valid(doc.root.python(), json_schema(kind))


CASES = sorted((ROOT / "tests" / "conformance" / "cases").iterdir())


@pytest.mark.parametrize("folder", CASES, ids=lambda f: f.name)
def test_conformance_files(folder: Path) -> None:
    meta = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    for path in folder.rglob("*.y*ml"):
        try:
            doc = read(path, path.name)
            kind = kind_of(path, doc.root)
        except SDGenError:
            continue
        problems = strict_problems(doc, KINDS[kind])
        assert valid(doc.root.python(), json_schema(kind)) == (not problems), [str(p) for p in problems]
    args = dict(zip(meta["args"], meta["args"][1:], strict=False))
    file = args.get("--theme-file")
    options = Options(
        theme=args.get("--theme"),
        theme_file=folder / file if file else None,
        style=args.get("--style"),
        strict=True,
        schema=True,
    )
    try:
        resolved = load_template(folder / meta["template"], options)
    except SDGenError:
        return
    for name, _ in resolved.files:
        path = (folder / meta["template"]).parent / name
        doc = read(path, name)
        assert valid(doc.root.python(), json_schema(kind_of(path, doc.root))), name


def test_most_conformance_files_are_accepted() -> None:
    """So that the test above cannot pass by refusing everything."""
    good: dict[str, int] = dict.fromkeys(KINDS, 0)
    for folder in CASES:
        for path in folder.rglob("*.y*ml"):
            try:
                doc = read(path, path.name)
                kind = kind_of(path, doc.root)
            except SDGenError:
                continue
            good[kind] += valid(doc.root.python(), json_schema(kind))
    assert all(count >= least for count, least in zip(good.values(), (60, 12, 9, 130, 10, 1, 1), strict=True)), good


# ---- deliberate mistakes

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
    ("adetailer", "detector: {}\n", "type", 0, "missing"),
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


def test_a_large_file_is_checked_soon() -> None:
    import time

    doc = document("variations:\n" + "".join(f"  key{i}: value {i}\n" for i in range(50_000)) + "  bad: [x]\n")
    _ = doc.root
    started = time.process_time()
    (problem,) = strict_problems(doc, KINDS["variations"])
    assert time.process_time() - started < 5
    assert problem.place is not None
    assert problem.place.line == 50_002


# ---- generated files: schema, strict rules and loader agree

NAMES = st.sampled_from(
    ["Coat", "Light", "main", "lora", "source", "weight", "type", "name", "variations", "Ä", "a.b", " "]
)
SCALARS = st.one_of(
    st.sampled_from(
        ["red coat", "a.yaml", "b.yml", "h.chunk.yaml", "Remove", "{Coat}", "", "key: text", "variations", "5"]
    ),
    st.integers(-3, 9),
    st.sampled_from([0.5, 2.0, True, False, None]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)

#: kind -> a good file, from which fields are dropped, changed and added
GOOD: dict[str, dict[str, Any]] = {
    "prompt": {
        "type": "prompt",
        "version": "2.0",
        "name": "x",
        "prompt": "a {Coat}",
        "imports": {"Coat": ["a", "b"]},
        "chunks": {"Hero": "h.chunk.yaml"},
        "parameters": {"steps": 5, "sampler": "euler", "adetailer": {"ad_model": "m"}, "controlnet": {"model": "m"}},
        "generation": {"mode": "random", "seed": 1, "seed_mode": "fixed", "max_images": 3},
        "output": {"filename_keys": ["Coat"], "annotations": {"keys": []}},
        "themes": {"enable_autodiscovery": True, "explicit": {"a": "a/theme.yaml"}},
    },
    "template": {
        "type": "template",
        "name": "x",
        "template": "{prompt}",
        "imports": {"Coat": "a.yaml"},
        "parameters": {},
    },
    "chunk": {"type": "chunk", "template": "x", "imports": {"Coat": "a"}, "defaults": {"Light": {"source": "a.yaml"}}},
    "variations": {"type": "variations", "version": 1.0, "name": "x", "variations": {"Red": "a", "Bob": {"main": "b"}}},
    "theme": {"type": "theme_config", "imports": {"Coat": "a.yaml", "Coat.winter": ["Remove"]}, "tags": ["sea"]},
    "adetailer": {
        "type": "adetailer_config",
        "version": "2.0",
        "detector": {"ad_steps": 3, "ad_prompt": "x"},
        "detectors": [{}],
    },
    "controlnet": {"type": "controlnet_config", "units": [{"model": "m", "weight": 0.5, "image": "a.png"}]},
}


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with up to two changes at any depth."""
    value = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(0, 2))):
        holder: Any = value
        while True:
            inner = [
                v
                for v in (holder.values() if isinstance(holder, dict) else holder)
                if isinstance(v, (dict, list)) and v
            ]
            if not inner or draw(st.booleans()):
                break
            holder = draw(st.sampled_from(inner))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        what = draw(st.sampled_from(["drop", "change", "add"]))
        if what == "add":
            if isinstance(holder, dict):
                holder[draw(NAMES | st.sampled_from(["ad_confidence", "model", "import", "weight", "nope"]))] = draw(
                    VALUES
                )
            else:
                holder.append(draw(VALUES))
        elif keys:
            key = draw(st.sampled_from(keys))
            if what == "drop":
                del holder[key]
            else:
                holder[key] = draw(VALUES)
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_strict_rules_and_schema_agree(kind: str) -> None:
    schema = json_schema(kind)
    answers = set()

    @given(changed(GOOD[kind]) | VALUES)
    @settings(max_examples=150, deadline=None)
    def check(value: Any) -> None:
        doc = document(yaml.safe_dump(value, allow_unicode=True))
        problems = [p for p in strict_problems(doc, KINDS[kind]) if "no import gives values" not in p.message]
        assert all(p.code == "schema" for p in problems)
        assert valid(doc.root.python(), schema) == (not problems)
        answers.add(not problems)

    check()
    assert answers == {True, False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    files = {
        "a.yaml": "A: a\nB: b\n",
        "b.yml": "type: variations\nvariations: [x, y]\n",
        "h.chunk.yaml": "type: chunk\ntemplate: h\n",
        "f.adetailer.yaml": "type: adetailer_config\ndetector: {ad_model: m}\n",
        "c.controlnet.yaml": "type: controlnet_config\nunits: [{model: m}]\n",
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def accepted(folder: Path, data: dict[str, Any], **options: Any) -> str | None:
    """The code of what the loader says to a prompt in strict mode; None when it has nothing to say."""
    path = folder / "main.prompt.yaml"
    whole = {"type": "prompt", "name": "x", "prompt": "x {X}", "imports": {"X": ["y"]}, "generation": {}, **data}
    path.write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    try:
        load_template(path, Options(strict=True, **options))
    except SDGenError as e:
        return e.code
    return None


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_what_the_loader_takes_as_an_import_is_valid(folder: Path, value: Any) -> None:
    code = accepted(folder, {"imports": {"X": value}})
    good = valid(value, part("prompt", "import"))
    if code is None:  # an empty map is nothing to the loader, and a mistake to the strict rules
        assert good or "{}" in json.dumps(value)
    if good:  # null and chunks give no values; a text such as a.yaml within a map names a file that may be missing
        assert code in (None, "unresolved-placeholder", "missing-file", "bad-variation-value", "bad-structure"), code


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_what_the_loader_takes_as_a_themes_import_is_valid(folder: Path, value: Any) -> None:
    (folder / "t.yaml").write_text(yaml.safe_dump({"imports": {"X": value}}), encoding="utf-8")
    path = folder / "template.template.yaml"
    path.write_text("name: t\ntemplate: '{prompt} {X}'\nimports: {X: [y]}\n", encoding="utf-8")
    code = accepted(
        folder,
        {"implements": path.name, "prompt": "x", "imports": {}},
        theme_file=folder / "t.yaml",
    )
    if code is None:
        assert valid(value, part("theme", "theme_import")) or "{}" in json.dumps(value)


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_what_the_loader_takes_as_variations_is_valid(folder: Path, value: Any) -> None:
    (folder / "v.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    code = accepted(folder, {"imports": {"X": "v.yaml"}})
    doc = read(folder / "v.yaml", "v.yaml")
    problems = [p for p in strict_problems(doc, KINDS["variations"]) if "blank" not in p.message]
    headed = doc.root.kind == "map" and doc.root.get("variations") is not None  # then other fields are no values
    if code is None and not headed:
        assert problems == [] or "{}" in json.dumps(value)
    if not problems:
        assert code is None or doc.root.python() == []


PRESETS = st.one_of(
    st.sampled_from(["f.adetailer.yaml", "c.controlnet.yaml", None, False, 5]),
    st.fixed_dictionaries(
        {},
        optional={
            "import": st.sampled_from(["f.adetailer.yaml", "c.controlnet.yaml"]),
            "override": st.sampled_from([None, {"ad_confidence": 0.5}, {"weight": 0.5}, {"nope": 1}]),
            "ad_model": st.sampled_from(["m", "{X}"]),
            "ad_steps": st.sampled_from([3, "{X}", {"X": None}, "few"]),
            "model": st.just("m"),
            "weight": st.sampled_from([0.5, "{X}", "heavy"]),
            "image": st.sampled_from(["a.png", {"X": None}]),
            "nope": st.just(1),
        },
    ),
)


@pytest.mark.parametrize("name", ["adetailer", "controlnet"])
def test_preset_forms_are_those_of_the_loader(folder: Path, name: str) -> None:
    answers = set()

    @given(PRESETS | st.lists(PRESETS, max_size=2))
    @settings(max_examples=150, deadline=None)
    def check(value: Any) -> None:
        code = accepted(folder, {"parameters": {name: value}})
        good = valid({name: value}, part("prompt", "ParametersBlock"))
        if code is None:
            assert good
        if (
            good and code is not None
        ):  # files of the wrong kind, and overrides of nothing, are only seen with their files
            texts = json.dumps(value)
            assert code == "bad-preset"
            assert ("controlnet" if name == "adetailer" else "adetailer") in texts or "model" not in texts
        answers.add(good)

    check()
    assert answers == {True, False}


# ---- parameters and presets are those of the other rooms


def test_parameter_names_are_those_that_sessions_know() -> None:
    known = {*Parameters().to_dict(), *_SYNONYMS, *_RECORDED_ONLY}
    assert set(ParametersBlock.model_fields) == known


@pytest.mark.parametrize(
    "name", ["width", "height", "steps", "cfg", "cfg_scale", "guidance", "denoise", "denoising_strength"]
)
def test_parameter_limits_are_those_that_sessions_check(name: str) -> None:
    rules = ParameterRules(Parameters(), list(SAMPLERS), list(SCHEDULERS))
    for value in (
        0,
        1,
        0.5,
        -1,
        15,
        16,
        100,
        101,
        512.0,
        512.5,
        10000,
        10001,
        16384,
        16385,
        "512",
        "x",
        True,
        [1],
        None,
    ):
        try:
            rules.resolve({name: value})
            taken = True
        except SDGenError:
            taken = False
        written = isinstance(value, str)  # a schema does not look into quoted numbers
        assert written or valid({name: value}, part("prompt", "ParametersBlock")) == taken, value
    for placeholder in ("{Steps}", {"Steps": None}, {"Steps:main": None}):
        assert valid({name: placeholder}, part("prompt", "ParametersBlock"))


def test_sampler_examples_are_understood() -> None:
    fields = json_schema("prompt")["$defs"]["ParametersBlock"]["properties"]
    for name in (*fields["sampler"]["examples"], *fields["sampler_name"]["examples"]):
        comfy_sampler(name, list(SAMPLERS))
    for name in (*fields["scheduler"]["examples"], *fields["schedule_type"]["examples"]):
        comfy_scheduler(name, list(SCHEDULERS))


def test_preset_tables_come_from_the_models() -> None:
    assert list(_fields("detector")) == list(Detector.model_fields)
    assert list(_fields("unit")) == list(UnitFields.model_fields)
    for model in (Detector, UnitFields):
        for name, field in model.model_fields.items():
            assert valid({name: field.default}, part("prompt", model.__name__)) or name == "model"


# ---- reference pages


def test_reference_pages_are_up_to_date() -> None:
    folder = ROOT / "web" / "docs" / "reference"
    committed = {p.name: p.read_text(encoding="utf-8") for p in folder.iterdir()}
    assert committed == pages(), "run: sdgen schema export --format markdown --out web/docs/reference"


@pytest.mark.parametrize("kind", KINDS)
def test_reference_examples(kind: str) -> None:
    doc = document(EXAMPLES[kind])
    assert strict_problems(doc, KINDS[kind]) == []
    assert valid(doc.root.python(), json_schema(kind))


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, rows in FORM_EXAMPLES.items() for text, _ in rows])
def test_reference_forms(form: str, text: str) -> None:
    value = document(text).root.python()
    if form in ("adetailer", "controlnet"):
        assert valid({form: value}, part("prompt", "ParametersBlock"))
    else:
        assert valid(value, part({"theme_import": "theme", "values": "variations"}.get(form, "prompt"), form))


# ---- the command


def run(*args: str) -> Any:
    return CliRunner().invoke(build_app("schema"), ["schema", "export", *args])


def test_export_prints_one_document() -> None:
    assert json.loads(run().stdout) == {kind: json_schema(kind) for kind in KINDS}
    assert json.loads(run("--kind", "theme", "--format", "json-schema").stdout) == json_schema("theme")
    assert run("--format", "markdown", "--kind", "chunk").stdout == pages()["chunk.md"]


def test_export_writes_what_vs_code_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--out", ".vscode")
    names = sorted([*map(schema_name, KINDS), "settings.json"])
    assert sorted(p.name for p in Path(".vscode").iterdir()) == names
    assert [line.removeprefix("wrote .vscode/") for line in sorted(result.stdout.splitlines())] == names
    for kind in KINDS:
        assert json.loads(Path(".vscode", schema_name(kind)).read_text(encoding="utf-8")) == json_schema(kind)
    settings_text = Path(".vscode/settings.json").read_text(encoding="utf-8")
    assert settings_text == (ROOT / "examples" / "vscode" / "settings.json").read_text(encoding="utf-8")
    for file in json.loads(settings_text)["yaml.schemas"]:
        assert Path(file).is_file()
    assert "sdgen.settings.json" not in run("--out", ".vscode").stdout  # ours may be written again


def test_export_leaves_the_users_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".vscode").mkdir()
    Path(".vscode/settings.json").write_text('{"editor.tabSize": 2}', encoding="utf-8")
    result = run("--out", ".vscode")
    assert json.loads(Path(".vscode/settings.json").read_text(encoding="utf-8")) == {"editor.tabSize": 2}
    assert json.loads(Path(".vscode/sdgen.settings.json").read_text(encoding="utf-8")) == editor_settings("./.vscode")
    assert "copy the entries" in result.stdout


def test_export_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run("--out", "a/b")
    assert json.loads(Path("a/b/sdgen.settings.json").read_text(encoding="utf-8")) == editor_settings("./a/b")
    written = json.loads(run("--out", "../other", "--json").stdout)["written"]
    assert written[-1] == "../other/sdgen.settings.json"
    beside = (tmp_path / "other").as_uri()
    assert json.loads(Path(written[-1]).read_text(encoding="utf-8")) == editor_settings(beside)
    assert run("--kind", "theme", "--out", "one").stdout == "wrote one/sdgen.theme.schema.json\n"


def test_export_mistakes(tmp_path: Path) -> None:
    assert run("--kind", "themes").exit_code == 2
    assert run("--format", "xml").exit_code == 2
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    result = run("--out", str(file), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "unwritable-folder"
