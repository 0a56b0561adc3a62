"""The exported schemas: sound, right for all real files, and the same as the documentation and what the command writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.parameters import _SYNONYMS, ParameterRules, Parameters
from sdgen_core.sessions.samplers import SAMPLERS, SCHEDULERS, comfy_sampler, comfy_scheduler
from sdgen_core.templates import Options, load_template
from sdgen_core.templates.documents import read
from sdgen_core.templates.model import KINDS
from sdgen_core.templates.parameters import KNOWN
from sdgen_core.templates.preset_model import Detector, ParametersBlock, UnitFields
from sdgen_core.templates.presets import _fields
from sdgen_core.templates.reference import EXAMPLES, FORM_EXAMPLES, pages
from sdgen_core.templates.schema import FORMS, KEYWORDS, REMARKS, editor_settings, json_schema, schema_name
from sdgen_core.templates.validate import strict_problems

from .schemas import VALIDATORS, document, kind_of, part, valid

ROOT = Path(__file__).parents[3]


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


# ---- parameters and presets are those of the other rooms


def test_parameter_names_are_those_that_sessions_know() -> None:
    assert set(ParametersBlock.model_fields) == KNOWN >= {*Parameters().to_dict(), *_SYNONYMS}


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
        assert valid(
            value,
            part({"theme_import": "theme", "theme_loras": "theme", "values": "variations"}.get(form, "prompt"), form),
        )


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
