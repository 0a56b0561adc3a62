"""Generated files: schema, strict rules and loader agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.templates import Options, load_template
from sdgen_core.templates.documents import read
from sdgen_core.templates.model import KINDS
from sdgen_core.templates.schema import json_schema
from sdgen_core.templates.validate import strict_problems

from .schemas import document, part, valid

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
        texts = json.dumps(value)
        if code is None:  # what an override replaces is not looked at, nor an entry without fields behind others
            assert good or "{}" in texts or ("override" in texts and ("few" in texts or "heavy" in texts))
        elif good:  # what only shows with the files, or between entries: the wrong kind, and changes to nothing
            assert code == "bad-preset"
            entries = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict)]
            wrong_kind = ("controlnet" if name == "adetailer" else "adetailer") in texts
            assert wrong_kind or {"override": None} in entries or (name == "controlnet" and '"model"' not in texts)
        answers.add(good)

    check()
    assert answers == {True, False}
