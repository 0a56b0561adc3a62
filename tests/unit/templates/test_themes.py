"""Themes, styles and style files."""

from __future__ import annotations

import pytest

from .conftest import HEAD, prompt_file

FOREST = """\
type: theme_config
imports:
  Place: forest/place.yaml
  Coat: forest/coat.yaml
  Coat.winter: forest/coat.winter.yaml
  Hat.winter: forest/hat.yaml
  Shoe: [Remove]
  Shoe.winter: forest/shoe.yaml
  Belt.winter: [Remove]
  Belt: forest/belt.yaml
"""
FILES = {
    "forest/theme.yaml": FOREST,
    "forest/place.yaml": "A: pine forest\n",
    "forest/coat.yaml": "A: green cloak\n",
    "forest/coat.winter.yaml": "A: fur cloak\n",
    "forest/hat.yaml": "A: fur hat\n",
    "forest/shoe.yaml": "A: snow shoe\n",
    "forest/belt.yaml": "A: belt\n",
    "place.yaml": "A: a street\n",
    "coat.yaml": "A: coat\n",
    "shoe.yaml": "A: shoe\n",
    "belt.yaml": "A: plain belt\n",
}
IMPORTS = "imports: {Place: place.yaml, Coat: coat.yaml, Shoe: shoe.yaml, Belt: belt.yaml}\n"


def themed(
    project,
    themes="{explicit: {forest: forest/theme.yaml}}",
    text="{prompt}, {Coat}, {Place}, {Shoe}, {Belt}",
    **blocks,
):
    template = f"{HEAD}{IMPORTS}themes: {themes}\ntemplate: '{text}'\n"
    project.put(FILES).put({"t.template.yaml": template})
    return project.put({"main.prompt.yaml": prompt_file("x", implements="t.template.yaml", **blocks)})


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "x, coat, a street, shoe, plain belt"),
        ({"theme": "forest"}, "x, green cloak, pine forest, belt"),
        ({"theme": "forest", "style": "winter"}, "x, fur cloak, pine forest, snow shoe"),
        ({"theme": "forest", "style": "nosuch"}, "x, green cloak, pine forest, belt"),
        ({"theme": "forest", "style": "default"}, "x, green cloak, pine forest, belt"),
    ],
)
def test_replacement(project, options, wanted):
    assert themed(project).prompts(**options) == [wanted]


def test_the_leaf_wins(project):
    themed(project, imports="{Coat: [own coat], Shoe: [own shoe], Place: [Remove]}")
    assert project.prompts(theme="forest") == ["x, own coat, own shoe, belt"]


def test_a_theme_that_changes_nothing_says_why(project):
    themed(project, text="{prompt}, {Coat}", imports={"Coat": "own.yaml"}).put({"own.yaml": "A: own coat\n"})
    (said,) = project.load(theme="forest", strict=True).warnings
    assert "the theme 'forest' has no effect" in said and "(Coat)" in said
    themed(project, text="{prompt}, {Coat}, {Place}", imports={"Coat": "own.yaml"})
    assert not project.load(theme="forest").warnings  # it has: the place


def test_what_is_recorded(project):
    resolved = themed(project).load(theme="forest", style="winter")
    assert (resolved.theme, resolved.style, resolved.removed) == ("forest", "winter", ("Belt",))
    assert themed(project).load().style == "default"


def test_a_theme_that_lacks_an_import_is_named(project):
    error = themed(project, text="{prompt} {Coat} {Gone}", imports="{Other: [x]}").error(theme="forest")
    assert error.code == "unresolved-placeholder"
    assert "'forest'" in str(error) and "{Gone}" in str(error)


@pytest.mark.parametrize("where", ["theme", "block"])
def test_opt_in_merge(project, where):
    themed(project, themes="{explicit: {forest: forest/theme.yaml}" + (", merge: true}" if where == "block" else "}"))
    short = "imports:\n  Coat: forest/coat.yaml\n  Shoe: [Remove]\n"
    project.put({"forest/theme.yaml": short + ("merge: true\n" if where == "theme" else "")})
    assert project.prompts(theme="forest") == ["x, green cloak, a street, plain belt"]


def test_discovery(project):
    themed(project, themes="{enable_autodiscovery: true, search_paths: [nowhere, .]}")
    project.put(
        {
            "city/city_place.yaml": "A: a bridge\n",
            "city/city_coat.yaml": "A: jacket\n",
            "city/city_coat.rain.yaml": "A: raincoat\n",
        }
    )
    project.put({"city/city_shoe.yaml": "A: boot\n", "city/city_belt.yaml": "A: strap\n"})
    assert project.prompts(theme="forest") == ["x, green cloak, pine forest, belt"]
    assert project.prompts(theme="city") == ["x, jacket, a bridge, boot, strap"]  # a folder of files without theme.yaml
    assert project.prompts(theme="city", style="rain") == ["x, raincoat, a bridge, boot, strap"]


def test_theme_file_is_the_file_named(project):
    themed(project)
    other = project.root / "forest" / "other.yaml"
    other.write_text(FOREST.replace("place.yaml", "hat.yaml"), encoding="utf-8")
    resolved = project.load(theme_file=other)
    assert resolved.theme is None
    assert project.prompts(theme_file=other) == ["x, green cloak, fur hat, belt"]


def test_theme_paths_may_be_relative_to_the_theme(project):
    themed(project).put({"forest/theme.yaml": FOREST.replace("forest/", "")})
    # the leaf's folder comes first: its coat.yaml and place.yaml are found there, the rest beside the theme
    assert project.prompts(theme="forest", style="winter") == ["x, fur cloak, a street, shoe"]


@pytest.mark.parametrize(
    ("theme", "code", "word"),
    [
        ("imports:\n  Coat: [remove]\n", "bad-remove", "Coat"),
        ("imports:\n  Coat.x: [a.yaml, b.yaml]\n", "bad-remove", "a.yaml"),
        ("imports: [a]\n", "bad-structure", "imports"),
        ("", "unresolved-placeholder", "forest"),
    ],
)
def test_bad_themes(project, theme, code, word):
    error = themed(project).put({"forest/theme.yaml": theme}).error(theme="forest")
    assert error.code == code
    assert word in str(error)


def test_unknown_and_missing_themes(project):
    themed(project)
    error = project.error(theme="forst")
    assert (error.code, error.nearest) == ("unknown-theme", ["forest"])
    assert themed(project, themes="{explicit: {a: a/theme.yaml}}").error(theme="a").code == "missing-file"
    project.put({"main.prompt.yaml": prompt_file("x")})
    error = project.error(theme="forest")
    assert error.code == "not-themable"
    assert project.error(theme="a", theme_file=project.root / "x").code == "bad-option"


def test_style_files_of_a_prompt_and_of_its_template(project):
    project.put({"coat.yaml": "A: coat\n", "coat.winter.yaml": "A: fur coat\n", "hat.yaml": "A: hat\n"})
    imports = "{Coat: coat.yaml, Hat: [hat.yaml]}"
    project.put(
        {"main.prompt.yaml": prompt_file("{Coat} {Hat}", imports=imports, style_sensitive_placeholders="[Coat, Hat]")}
    )
    assert project.prompts() == ["coat hat"]
    assert project.prompts(style="winter") == ["fur coat hat"]
    project.put({"hat.winter.yaml": "A: fur hat\n"})
    assert project.prompts(style="winter") == ["fur coat fur hat"]
    template = f"{HEAD}imports: {imports}\nstyle_sensitive_placeholders: [Coat]\ntemplate: '{{prompt}} {{Coat}}'\n"
    project.put({"t.template.yaml": template, "main.prompt.yaml": prompt_file("x", implements="t.template.yaml")})
    assert project.prompts(style="winter") == ["x\nfur coat"]


def test_template_run_directly_yields_to_its_theme(project):
    themed(project)
    text = (
        (project.root / "t.template.yaml").read_text(encoding="utf-8").replace("imports: {", "imports: {prompt: [p], ")
    )
    project.put({"t.template.yaml": text})
    assert project.prompts("t.template.yaml", theme="forest") == ["p, green cloak, pine forest, belt"]
