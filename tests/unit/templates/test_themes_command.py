"""`sdgen themes list | show | validate | create`, on folders as users have them."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_template
from sdgen_core.templates.theme_checks import check_theme
from sdgen_core.templates.theme_fit import fits, needs_of
from sdgen_core.templates.theme_folders import theme_at, walk
from sdgen_core.templates.theme_report import report
from sdgen_core.templates.theme_scaffold import create_theme

from .conftest import HEAD, prompt_file

FOREST = """\
type: theme_config
name: Deep forest
description: Trees, moss and mist.
tags: [Nature, green]
period: any
setting: northern woods
mood: calm
imports:
  Place: forest/place.yaml
  Coat: forest/coat.yaml
  Coat.winter: forest/fur.yaml
  Hat: forest/hat.yaml
  Hat.summer: [Remove]
  Shoe: [Remove]
variations: [Place, Coat, Hat, Shoe]
"""
FILES = {
    "themes/forest/theme.yaml": FOREST.replace("forest/", "../themes/forest/"),
    "themes/forest/place.yaml": "Pine: pine forest\nBirch: birch wood\n",
    "themes/forest/place.mist.yaml": "Mist: misty clearing\n",
    "themes/forest/coat.yaml": "Cloak: green cloak\n",
    "themes/forest/fur.yaml": "Fur: fur coat\nWool: wool coat\n",
    "themes/forest/hat.yaml": "Felt: felt hat\n",
    "themes/city/theme.yaml": "imports: {Place: ../themes/city/place.yaml}\ntags: [grey]\n",
    "themes/city/place.yaml": "Square: a square\n",
    "themes/night/night_place.yaml": "Alley: dark alley\n",
    "themes/night/night_place.moon.yaml": "Roof: moonlit roof\n",
    "themes/night/night_hair_color.yaml": "Black: black hair\n",
    "themes/bad/theme.yaml": "imports: {Place: [a\n",
    "variations/hair/hair_color.yaml": "Red: red hair\n",
    "base.template.yaml": (
        f"{HEAD}imports: {{Place: [a street], Coat: [coat], Hat: [cap], Shoe: [shoe]}}\n"
        "themes: {enable_autodiscovery: true, search_paths: [../themes]}\n"
        "template: '{prompt}, {Coat}, {Place}, {Hat}, {Shoe}'\n"
    ),
    "prompts/main.prompt.yaml": prompt_file(
        "a man, {Mood}", implements="../base.template.yaml", imports="{Mood: [x, y]}"
    ),
}


@pytest.fixture
def here(project, monkeypatch):
    project.put(FILES)
    monkeypatch.chdir(project.root)
    return project


def themes(*args: str, code: int = 0):
    result = CliRunner().invoke(build_app("themes"), ["themes", *args])
    assert result.exit_code == code, result.output
    return result


def listed(*args: str):
    return {t["name"]: t for t in json.loads(themes("list", "--json", *args).stdout)["themes"]}


# ---- list


def test_what_is_found(here):
    found = listed()
    assert list(found) == ["bad", "city", "forest", "night"]  # variations/hair is no theme
    forest = found["forest"]
    assert (forest["title"], forest["tags"], forest["mood"]) == ("Deep forest", ["Nature", "green"], "calm")
    assert forest["styles"] == ["mist", "winter", "summer"]
    assert (forest["import_count"], forest["value_count"]) == (3, 7)
    assert forest["path"] == "themes/forest/theme.yaml"
    by_file = [i for i in forest["imports"] if i["by_file"]]
    assert [(i["name"], i["style"], i["files"]) for i in by_file] == [
        ("Place", "mist", ["themes/forest/place.mist.yaml"])
    ]


def test_implicit_themes_and_broken_ones(here):
    found = listed()
    assert found["night"]["implicit"] and found["night"]["styles"] == ["moon"]
    assert [i["name"] for i in found["night"]["imports"]] == ["HairColor", "Place", "Place"]
    assert found["bad"]["errors"][0]["error"] == "yaml-syntax"


def test_a_folder_named_is_looked_at_whole(here):
    assert list(listed("variations/hair")) == ["hair"]
    assert list(listed("themes/city", "themes/forest")) == ["city", "forest"]
    assert json.loads(themes("list", "--json", "nosuch", code=1).stdout)["error"] == "missing-file"


def test_tags(here):
    assert list(listed("--tag", "nature")) == ["forest"]
    assert list(listed("--tag", "Green", "--tag", "nature")) == ["forest"]
    assert list(listed("--tag", "green", "--tag", "grey")) == []
    assert "no theme has the tag grey and the tag green" in themes("list", "--tag", "grey", "--tag", "green").stdout


def test_what_a_template_gets(here):
    found = listed("--template", "prompts/main.prompt.yaml")
    assert set(found) == {"bad", "city", "forest", "night"}
    fit = found["forest"]["fits"]
    assert fit["default"] == {
        "provides": ["Coat", "Place", "Hat"],
        "removes": ["Shoe"],
        "misses": [],
        "broken": [],
        "kept": ["Mood"],
        "as_text": [],
        "unused": [],
    }
    assert fit["summer"]["removes"] == ["Hat", "Shoe"]
    assert found["city"]["fits"]["default"]["misses"] == ["Coat", "Hat", "Shoe"]


def test_a_template_without_themes(here):
    here.put({"alone.prompt.yaml": prompt_file("x")})
    result = themes("list", "--template", "alone.prompt.yaml")
    assert "finds no themes" in result.stdout
    assert listed("--template", "alone.prompt.yaml") == {}


def test_the_views(here):
    full = themes("list", "--template", "prompts/main.prompt.yaml").stdout
    assert "Trees, moss and mist." in full and "misses Coat, Hat, Shoe" in full and "[yaml-syntax]" in full
    assert all(len(line) <= 80 for line in full.splitlines())
    compact = themes("list", "--compact").stdout.splitlines()
    assert len(compact) == 5 and re.search(r"forest +Nature green +3 +3 +7", compact[3])
    assert "error yaml-syntax" in compact[1]
    tree = themes("list", "--tree", "--template", "prompts/main.prompt.yaml").stdout
    assert "winter  (1 import, 2 values)" in tree and "Coat  missing" in tree and "Shoe  removed" in tree
    assert all(len(line) <= 80 for line in tree.splitlines())
    assert themes("list", "--tree", "--compact", code=2)


def test_brackets_in_texts_are_text(here):
    here.put({"themes/odd/theme.yaml": "name: '[red]odd[/]'\ntags: ['[b]']\nimports: {X: themes/odd/x.yaml}\n"})
    here.put({"themes/odd/x.yaml": "'[red]k[/]': '[bold]v'\n"})
    assert "[red]odd[/]" in themes("list").stdout
    assert "[b]" in themes("list", "--compact").stdout
    shown = themes("show", "odd").stdout
    assert "[red]k[/]" in shown and "[bold]v" in shown


# ---- paths


def test_paths_are_resolved_as_some_template_would(here):
    """A theme's paths begin in the prompt's folder, which may be any: the best guess is the one with most files."""
    here.put({"themes/deep/theme.yaml": "imports: {A: ../../variations/hair/hair_color.yaml}\n"})
    here.put({"prompts/sub/x.prompt.yaml": prompt_file("x")})
    assert listed()["deep"]["value_count"] == 1
    here.put({"themes/own/theme.yaml": "imports: {A: a.yaml}\n", "themes/own/a.yaml": "K: v\n"})
    assert listed()["own"]["value_count"] == 1


def test_an_explicit_theme_may_have_any_name_and_name_its_folder(here):
    here.put(
        {
            "x.prompt.yaml": prompt_file(
                "{Place}", themes="{explicit: {wood: themes/forest, town: themes/city/theme.yaml, gone: nosuch.yaml}}"
            )
        }
    )
    found = listed("--template", "x.prompt.yaml")
    assert list(found) == ["wood", "town", "gone"]
    assert found["gone"]["errors"][0]["error"] == "missing-file"
    assert found["wood"]["path"] == "themes/forest/theme.yaml"


# ---- fits are what loading does


CASES = {
    "own import": {"imports": "{Mood: [x, y], Coat: [mine]}"},
    "merge": {"themes": "{search_paths: [../themes], enable_autodiscovery: true, merge: true}"},
    "negative": {"negative_prompt": "'{Coat}, {Gone}'"},
    "parameters": {"parameters": "{steps: '{Gone}', width: '{Hat}'}"},
    "style files": {"style_sensitive_placeholders": "[Place]"},
    "parts": {},
    "chunk": {"chunks": "{C: ../c.chunk.yaml}"},
}
TEXTS = {"parts": "a man {Gone:part} {Coat:part}", "chunk": "a man @C"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("theme", ["forest", "city", "night"])
def test_misses_are_what_loading_misses(here, case, theme):
    here.put({"c.chunk.yaml": "type: chunk\ntemplate: '{Light}, {Coat}'\nimports: {Light: [lamp], Hat: [chunk hat]}\n"})
    blocks = {"implements": "../base.template.yaml", **CASES[case]}
    here.put({"prompts/m.prompt.yaml": prompt_file(TEXTS.get(case, "a man"), **blocks)})
    needs = needs_of(here.root / "prompts/m.prompt.yaml")
    found = next(t for t in needs.themes if t.name == theme)
    about = report(found)
    for style, fit in fits(about, needs, about.styles).items():
        try:
            resolved = load_template(needs.path, Options(theme=theme, style=style))
        except SDGenError as error:
            missing = {n for n in fit.misses if f"{{{n}}} has no import" in str(error)}
            assert missing == set(fit.misses) and fit.misses, (style, str(error))
        else:
            assert fit.complete, (style, fit)
            assert set(fit.removes) <= set(resolved.removed)
            assert set(fit.provides) | {n for n in fit.kept if n[0] != "@"} == set(resolved.values)


def test_chunks_that_a_theme_replaces(here):
    here.put(
        {
            "grain.chunk.yaml": "type: chunk\ntemplate: 'grain {Size}'\nimports: {Size: [fine, coarse]}\n",
            "paint.chunk.yaml": "type: chunk\ntemplate: 'paint {Brush}'\n",
            "t.template.yaml": (
                f"{HEAD}imports: {{look: {{a: grain.chunk.yaml}}, Brush: [soft]}}\n"
                "themes: {explicit: {p: p.yaml, q: q.yaml, r: r.yaml}}\ntemplate: '{prompt} @look.a'\n"
            ),
            "p.yaml": "imports: {look: {a: paint.chunk.yaml}, Brush: [hard]}\n".replace("[hard]", "b.yaml"),
            "b.yaml": "Hard: hard\n",
            "q.yaml": "imports: {Brush: b.yaml}\n",
            "r.yaml": "imports: {look: {a: paint.chunk.yaml}}\n",
            "x.prompt.yaml": prompt_file("x", implements="t.template.yaml"),
        }
    )
    found = listed("--template", "x.prompt.yaml")
    fit = {name: t["fits"]["default"] for name, t in found.items()}
    assert fit["p"]["provides"] == ["Brush", "@look"] and not fit["p"]["misses"]
    assert fit["q"]["misses"] == ["@look"]
    assert fit["r"]["misses"] == ["Brush"]
    assert load_template(here.root / "x.prompt.yaml", Options(theme="p")).prompt.strip() == "x\n paint {Brush}"
    themes("validate", "p", "--template", "x.prompt.yaml")


# ---- show


def test_show(here):
    shown = themes("show", "forest").stdout
    assert "Coat.winter  2 values  themes/forest/fur.yaml" in shown
    assert "Fur   fur coat" in shown and "Shoe  removed: becomes empty text" in shown
    data = json.loads(themes("show", "FOREST", "--style", "winter", "--json").stdout)["themes"][0]
    coat = next(i for i in data["imports"] if i["name"] == "Coat")
    assert (coat["style"], coat["first"]) == ("winter", {"Fur": "fur coat", "Wool": "wool coat"})
    assert themes("show", "themes/forest").stdout == themes("show", "themes/forest/theme.yaml").stdout


def test_show_what_is_not_there(here):
    error = json.loads(themes("show", "forst", "--json", code=1).stdout)
    assert (error["error"], error["nearest"]) == ("unknown-theme", ["forest"])
    error = json.loads(themes("show", "forest", "--style", "wintr", "--json", code=1).stdout)
    assert (error["error"], error["nearest"]) == ("bad-option", ["winter"])


def test_show_for_a_template(here):
    shown = themes("show", "city", "--template", "prompts/main.prompt.yaml").stdout
    assert "misses Coat, Hat, Shoe" in " ".join(shown.split())


def test_themes_of_one_name_are_all_shown(here):
    here.put({"other/themes/city/theme.yaml": "name: Other city\nimports: {A: [x]}\n"})
    assert [t["title"] for t in json.loads(themes("show", "city", "--json").stdout)["themes"]] == ["Other city", "city"]


# ---- validate


def verdict(here, text: str, needs: str | None = None, files: dict[str, str] | None = None):
    here.put({"themes/t/theme.yaml": text, "themes/t/a.yaml": "K: v\n", "themes/t/b.yaml": "K: w\nL: x\n"})
    here.put({f"themes/t/{name}": body for name, body in (files or {}).items()})
    found = theme_at(here.root / "themes/t")
    return check_theme(report(found), needs_of(here.root / needs) if needs else None)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("imports: {A: nosuch.yaml}\n", "missing-file", "nosuch.yaml"),
        ("imports: {A: aa.yaml}\n", "missing-file", "Did you mean 'a.yaml'"),
        ("imports: {A: ../../etc.yaml}\n", "missing-file", "etc.yaml"),
        ("imports: {A: /etc/hosts.yaml}\n", "absolute-path", "/etc/hosts.yaml"),
        ("imports: {A: [remove]}\n", "bad-remove", "[remove]"),
        ("imports: {A: [x, y]}\n", "bad-remove", "list [x, y]"),
        ("imports: {'A B': a.yaml}\n", "schema", "'A B'"),
        ("imports: {A.b.c: a.yaml, A: a.yaml}\n", "schema", "one dot"),
        ("imports: {A: broken.yaml}\n", "yaml-syntax", "broken.yaml:"),
        ("imports: {A: empty.yaml}\n", "bad-structure", "empty"),
        ("imports: {A: }\n", "empty-choice", "imports.A"),
        ("imports: {}\n", "schema", "no imports"),
        ("imports: [a]\n", "bad-structure", "imports"),
        ("tags: 7\nimports: {A: a.yaml}\n", "bad-structure", "tags"),
        ("- a\n", "bad-structure", "no map"),
        ("imports: {A: [\n", "yaml-syntax", "theme.yaml"),
    ],
)
def test_mistakes(here, text, code, words):
    found = verdict(here, text, files={"broken.yaml": "a: [\n", "empty.yaml": ""})
    assert found.errors, found
    assert code in [e.code for e in found.errors]
    assert any(words in str(e) for e in found.errors), [str(e) for e in found.errors]
    assert all(e.place is not None for e in found.errors)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imports: {A: a.yaml}\nvariations: [A, B]\n", "variations lists B"),
        ("imports: {Abc: a.yaml}\nvariations: [Abd]\n", "did you mean 'Abc'"),
        ("imports: {A: a.yaml, B: b.yaml}\nvariations: [A]\n", "does not list B"),
        ("imports: {A.x: a.yaml}\n", "only in the style x"),
        ("imports: {Aa: a.yaml, aA: b.yaml}\n", "differ only in case"),
        ("imports: {A: a.yaml, A: b.yaml}\n", "written twice"),
        ("imports: {A: a.yaml}\nimprots: {}\n", "improts"),
        ("imports: {A: {x: a.yaml, y: b.yaml}}\n", "the key K is in a.yaml and in b.yaml"),
    ],
)
def test_slips(here, text, words):
    found = verdict(here, text)
    assert not found.errors
    assert any(words in w for w in found.warnings), found.warnings


def test_a_good_theme_has_neither(here):
    found = verdict(here, "type: theme_config\nimports: {A: a.yaml, A.x: b.yaml, B: [Remove]}\nvariations: [A, B]\n")
    assert (found.errors, found.warnings) == ([], [])
    assert verdict(here, "merge: true\nimports: {A.x: a.yaml}\n").warnings == []


def test_two_files_of_an_implicit_theme_for_one_name(here):
    here.put({"themes/night/night_hairColor.yaml": "A: b\n"})
    found = check_theme(report(theme_at(here.root / "themes/night")))
    assert any("both mean HairColor" in w for w in found.warnings)


def test_against_a_template(here):
    here.put({"x.prompt.yaml": prompt_file("{A} {B[K]}", themes="{explicit: {t: themes/t/theme.yaml}}")})
    found = verdict(here, "imports: {A: a.yaml, B.x: a.yaml}\n", "x.prompt.yaml")
    assert [e.code for e in found.errors] == ["unresolved-placeholder"]
    assert "lacks B in the style default" in str(found.errors[0])
    found = verdict(here, "imports: {A: a.yaml, B: b.yaml, B.x: c.yaml}\n", "x.prompt.yaml", {"c.yaml": "Z: z\n"})
    assert [e.code for e in found.errors] == ["empty-choice"]  # only the whole shows it: {B[K]} in style x
    found = verdict(here, "imports: {A: a.yaml, B: b.yaml}\n", "x.prompt.yaml", {"b.x.yaml": "K: z\n"})
    assert not found.errors and any("b.x.yaml has no effect" in w for w in found.warnings)


def test_a_theme_that_the_template_does_not_find(here):
    here.put({"x.prompt.yaml": prompt_file("{A}")})
    found = verdict(here, "imports: {A: a.yaml}\n", "x.prompt.yaml")
    assert not found.errors and any("does not lead to this theme" in w for w in found.warnings)


def test_validate_as_a_command(here):
    data = json.loads(themes("validate", "--json", code=1).stdout)
    assert {t["name"]: t["ok"] for t in data["themes"]} == {"bad": False, "city": True, "forest": True, "night": True}
    assert data["errors"] == 1
    assert "4 themes, 1 error" in themes("validate", code=1).stdout
    assert "1 theme, 0 errors" in themes("validate", "forest").stdout
    assert "2 themes, 0 errors" in themes("validate", "forest", "themes/city", "themes/city/theme.yaml").stdout
    assert "4 themes, 1 error" in themes("validate", "themes", code=1).stdout
    result = themes("validate", "forest", "city", "--template", "prompts/main.prompt.yaml", code=1)
    assert "the theme lacks Coat, Hat, Shoe" in " ".join(result.stdout.split())


# ---- create


def test_create_alone(here):
    result = themes("create", "sea", "--style", "storm", "--style", "calm")
    assert "made themes/sea/theme.yaml" in result.stdout
    assert sorted(p.name for p in (here.root / "themes/sea").iterdir()) == [
        "sea_light.yaml",
        "sea_outfit.calm.yaml",
        "sea_outfit.storm.yaml",
        "sea_outfit.yaml",
        "sea_place.yaml",
        "theme.yaml",
    ]
    data = json.loads(themes("validate", "sea", "--json").stdout)
    assert (data["errors"], data["warnings"]) == (0, 0)
    assert listed("--tag", "new")["sea"]["styles"] == ["storm", "calm"]
    text = (here.root / "themes/sea/theme.yaml").read_text(encoding="utf-8")
    assert text.count("#") > 10 and all(len(line) <= 101 for line in text.splitlines())


def test_create_for_a_template_and_render(here):
    here.put(
        {"base.template.yaml": FILES["base.template.yaml"].replace("[coat]", "{Red: red coat, 'No': {main: a, x: b}}")}
    )
    result = themes("create", "sea", "--template", "prompts/main.prompt.yaml", "--style", "storm")
    assert "sdgen expand prompts/main.prompt.yaml --theme sea --style storm" in result.stdout
    verdict = json.loads(themes("validate", "sea", "--template", "prompts/main.prompt.yaml", "--json").stdout)
    assert (verdict["errors"], verdict["warnings"]) == (0, 0)
    source = here.root / "prompts/main.prompt.yaml"
    plain = [i.prompt for i in Plan.build(load_template(source)).items()]
    assert [i.prompt for i in Plan.build(load_template(source, Options(theme="sea"))).items()] == plain
    styled = load_template(source, Options(theme="sea", style="storm")).values["Coat"]
    assert styled == {"Red": "red coat, storm", "No": {"main": "a, storm", "x": "b"}}
    run = CliRunner().invoke(build_app("expand"), ["expand", str(source), "--theme", "sea", "--jsonl"])
    assert run.exit_code == 0 and len(run.stdout.splitlines()) == len(plain)


def test_create_takes_the_style_sensitive_names(here):
    here.put(
        {
            "prompts/s.prompt.yaml": prompt_file(
                "x", implements="../base.template.yaml", style_sensitive_placeholders="[Hat, Place]"
            )
        }
    )
    themes(
        "create",
        "sea",
        "--template",
        "prompts/s.prompt.yaml",
        "--style",
        "storm",
        "--placeholder",
        "Extra",
        "--placeholder",
        "Hat",
    )
    styled = {i["name"] for i in listed()["sea"]["imports"] if i["style"] == "storm"}
    assert styled == {"Hat", "Place"}
    assert "Extra" in [i["name"] for i in listed()["sea"]["imports"]]


def test_create_for_a_template_that_does_not_look_there(here):
    here.put({"x.prompt.yaml": prompt_file("{Coat} {Only}", imports="{Coat: [a]}")})
    result = themes("create", "sea", "--folder", "elsewhere", "--template", "x.prompt.yaml", code=0)
    assert "sdgen expand x.prompt.yaml --theme-file elsewhere/sea/theme.yaml" in result.stdout
    resolved = load_template(here.root / "x.prompt.yaml", Options(theme_file=here.root / "elsewhere/sea/theme.yaml"))
    assert resolved.values["Only"] == {"First": "first only", "Second": "second only", "Third": "third only"}
    assert resolved.values["Coat"] == {"0cc175b9": "a"}  # the prompt's own import stays and is not in the theme
    assert [i["name"] for i in listed("elsewhere")["sea"]["imports"]] == ["Only"]


def test_nothing_is_overwritten(here):
    before = (here.root / "themes/forest/theme.yaml").read_bytes()
    error = json.loads(themes("create", "forest", "--json", code=1).stdout)
    assert error["error"] == "theme-exists" and (here.root / "themes/forest/theme.yaml").read_bytes() == before
    (here.root / "themes/empty").mkdir()
    themes("create", "empty")
    (here.root / "file").write_text("x", encoding="utf-8")
    assert (
        json.loads(themes("create", "x", "--folder", "file", "--json", code=1).stdout)["error"] == "unwritable-folder"
    )


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "CON", "lpt1", "-x", "a.b", "x\\y"])
def test_names_that_cannot_be(here, name):
    with pytest.raises(SDGenError) as caught:
        create_theme(name, here.root / "themes")
    assert caught.value.code == "bad-option"


@pytest.mark.parametrize(
    "options", [{"styles": ["chunk"]}, {"styles": ["default"]}, {"styles": ["a.b"]}, {"placeholders": ["A-B"]}]
)
def test_styles_and_placeholders_that_cannot_be(here, options):
    with pytest.raises(SDGenError) as caught:
        create_theme("x", here.root / "themes", **options)
    assert caught.value.code == "bad-option" and not (here.root / "themes/x").exists()


def test_placeholders_that_differ_only_in_case_get_files_of_their_own(here):
    names = ["HairColor", "Hair_Color", "haircolor", "Yes", "no", "Été", "12"]
    files = create_theme("x", here.root / "themes", placeholders=names)
    assert len({f.name.casefold() for f in files}) == len(names) + 1
    found = check_theme(report(theme_at(here.root / "themes/x")))
    assert not found.errors and set(found.report.names) == set(names)


def test_walking_the_same_folder_twice_finds_everything_once(here):
    found = walk([here.root, here.root / "themes", here.root])
    assert len(found.themes) == 4 and len(found.prompts) == 1
