"""What people who are new to the language write, and whether the answer tells them what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.templates import load_text
from sdgen_core.templates.run import TemplateErrors
from sdgen_core.templates.theme_checks import check_theme
from sdgen_core.templates.theme_fit import needs_of
from sdgen_core.templates.theme_report import report

from .conftest import COATS, GENERATION, HEAD, Project, prompt_file


@pytest.mark.parametrize(
    ("entry", "prompts"),
    [
        ("[hair.yaml]", ["the chunk's hair"]),
        ("[hair.yaml, a wig]", ["the chunk's hair", "a wig"]),
        ("{natural: hair.yaml}", ["the chunk's hair"]),
        ("{source: hair.yaml, weight: 2}", ["the chunk's hair"]),
        ("{source: [hair.yaml]}", ["the chunk's hair"]),
    ],
)
def test_files_of_a_chunk_lie_beside_the_chunk(project: Project, entry: str, prompts: list[str]) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("@Head", chunks="{Head: parts/head.chunk.yaml}"),
            "parts/head.chunk.yaml": f"type: chunk\ntemplate: '{{Hair}}'\nimports: {{Hair: {entry}}}\n",
            "hair.yaml": "Own: the prompt's hair\n",
            "parts/hair.yaml": "Own: the chunk's hair\n",
        }
    )
    assert project.prompts() == prompts


def only(errors: SDGenError) -> SDGenError:
    """The error, which holds no others."""
    assert not isinstance(errors, TemplateErrors), str(errors)
    return errors


# ---- texts


@pytest.mark.parametrize("selector", ["Soup;Bread", "keys:Soup;Bread", "Soup;keys:Bread", "$2;Soup;limit:1;Bread"])
def test_keys_behind_a_semicolon(project: Project, selector: str) -> None:
    project.put(
        {"main.prompt.yaml": prompt_file(f"{{Dish[{selector}]}}", imports="{Dish: {Soup: soup, Bread: bread}}")}
    )
    said = f"{{Dish[{selector}]}}: 'Soup' has no effect: 'Bread' takes its place; separate keys with commas"
    (warning,) = project.load().warnings
    assert warning == f"{project.root.as_posix()}/main.prompt.yaml:5:3: {said}"
    assert project.prompts() == ["bread"]
    error = only(project.error(strict=True))
    assert (error.code, error.message) == ("bad-selector", said)


def test_keys_behind_a_semicolon_beside_the_template(project: Project) -> None:
    project.put({"main.prompt.yaml": prompt_file("{Dish}", imports="{Dish: {Soup: soup, Bread: bread}}")})
    (warning,) = project.load(choices={"Dish": "Soup;Bread"}).warnings
    assert "'Soup' has no effect" in warning


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{ Mood }", "{Mood}"),
        ("{Mood }", "{Mood}"),
        ("{Mood [cosy]}", "{Mood[cosy]}"),
        ("{Mood[cosy] }", "{Mood[cosy]}"),
        ("{Mood : main}", "{Mood:main}"),
    ],
)
def test_spaces_in_braces(project: Project, written: str, meant: str) -> None:
    project.put({"main.prompt.yaml": prompt_file(f"a room, {written}", imports="{Mood: [cosy, sad]}")})
    (warning,) = project.load().warnings
    assert warning.endswith(f"main.prompt.yaml:5:11: {written} stays as text; write {meant} without spaces")
    assert project.prompts() == [f"a room, {written}"]
    assert only(project.error(strict=True)).code == "unresolved-placeholder"


@pytest.mark.parametrize("text", ["{a|b}", '{"Mood": 3}', "{ mood }", "{cosy Mood}", "{}", "{ }", "{Mood, Light}"])
def test_other_braces_are_text(project: Project, text: str) -> None:
    project.put({"main.prompt.yaml": prompt_file(text, imports="{Mood: [cosy, sad]}")})
    assert project.load(strict=True).prompt.strip() == text


# ---- styles


STYLED = {
    "main.prompt.yaml": prompt_file(
        "{Sky}", implements="base.template.yaml", themes="{explicit: {winter: winter.yaml}}"
    ),
    "base.template.yaml": f"{HEAD}template: '{{prompt}}'\nimports: {{Sky: [blue]}}\n",
    "winter.yaml": "imports: {Sky: grey, Sky.night: black}\n",
}


def test_a_misspelt_style(project: Project) -> None:
    project.put(STYLED)
    said = "the theme 'winter' has no style 'nite' (styles: night). Did you mean 'night'?"
    assert project.load(theme="winter", style="nite").warnings == (said,)
    assert only(project.error(theme="winter", style="nite", strict=True)).nearest == ["night"]
    for style in (None, "default", "night"):
        assert project.load(theme="winter", style=style, strict=True).warnings == ()


def test_a_style_without_a_theme(project: Project) -> None:
    project.put(STYLED)
    (warning,) = project.load(style="night").warnings
    assert warning == "the style 'night' has no effect: no theme was chosen, and no import has a file for it"


def test_a_style_for_a_theme_without_styles(project: Project) -> None:
    project.put({**STYLED, "winter.yaml": "imports: {Sky: grey}\n"})
    assert project.load(theme="winter", style="night").warnings == ()


def test_styles_that_are_files(project: Project) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file(
                "{Coat}", imports="{Coat: coat.yaml}", style_sensitive_placeholders="[Coat]"
            ),
            "coat.yaml": COATS,
            "coat.formal.yaml": COATS,
            "coat.chunk.yaml": "template: x\n",
        }
    )
    assert project.load(style="formal").warnings == ()
    (warning,) = project.load(style="forml").warnings
    assert warning == "there is no style 'forml' (styles: formal). Did you mean 'formal'?"


# ---- themes


def test_a_list_in_a_theme(project: Project) -> None:
    project.put({**STYLED, "winter.yaml": "imports: {Sky: [grey, white]}\n"})
    error = only(project.error(theme="winter"))
    assert error.code == "bad-remove" and "the theme's entry Sky is the list [grey, white]" in error.message
    assert error.hint == ("In a theme, values are a file, one text or a map {key: text}; [Remove] takes the name out.")
    for entry in ("grey", "{grey: grey, white: white}", "[Remove]", "{source: sky.yaml, weight: 2}", "sky.yaml"):
        project.put({"sky.yaml": "White: white\n", "winter.yaml": f"imports: {{Sky: {entry}}}\n"})
        assert project.load(theme="winter", strict=True).warnings == ()


@pytest.mark.parametrize(
    ("text", "entry"), [("@look.near", "{near: look.chunk.yaml, far: look.chunk.yaml}"), ("@look", "look.chunk.yaml")]
)
def test_chunks_that_a_theme_replaces(project: Project, text: str, entry: str) -> None:
    project.put(
        {
            **STYLED,
            "main.prompt.yaml": STYLED["main.prompt.yaml"].replace("{Sky}", f"{text} {{Sky}}"),
            "base.template.yaml": STYLED["base.template.yaml"].replace("[blue]", f"[blue], look: {entry}"),
            "look.chunk.yaml": "template: a look at\n",
        }
    )
    assert project.prompts() == ["a look at blue"]
    error = only(project.error(theme="winter"))
    assert error.code == "unknown-chunk"
    assert "the theme 'winter' replaces the template's imports, look among them" in error.message
    assert error.hint == "Add look to the theme's imports, or write merge: true in the theme."
    project.put({"winter.yaml": "merge: true\n" + STYLED["winter.yaml"]})
    assert project.prompts(theme="winter") == ["a look at grey"]


def test_a_name_of_a_chunk_in_one_style_of_a_theme(project: Project) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file(
                "@Far", chunks="{Far: far.chunk.yaml}", themes="{explicit: {arctic: arctic.yaml}}"
            ),
            "far.chunk.yaml": "type: chunk\ntemplate: '{Distance}'\nimports: {Distance: [near, far]}\n",
            "arctic.yaml": "type: theme_config\nimports: {Distance.night: dark}\n",
        }
    )
    needs = needs_of(project.root / "main.prompt.yaml")
    theme = report(needs.themes[0])
    assert check_theme(theme, needs).warnings == []
    (warning,) = check_theme(theme).warnings
    assert (
        "Distance is there only in the style night" in warning and "unless its prompt or a chunk brings it" in warning
    )
    project.put({"arctic.yaml": "type: theme_config\nimports: {Sky: grey, Distance.night: [Remove]}\n"})
    assert check_theme(report(needs.themes[0])).warnings == []


# ---- files


@pytest.mark.parametrize(
    "text",
    [
        "name: tab\nimports:\n  Dish: [a]\n\tprompt: '{Dish}'\n",
        "\tname: tab\n\timports:\n\t\tDish: [a]\n\tprompt: '{Dish}'\n",
        "name: open\nimports:\n  Dish: [a\nprompt: '{Dish}'\ngeneration: {}\n",
    ],
)
def test_nothing_is_missing_from_a_damaged_file(project: Project, text: str) -> None:
    error = project.put({"main.prompt.yaml": text}).error()
    assert {e.code for e in getattr(error, "errors", [error])} == {"yaml-syntax"}


def test_generation_is_missing(project: Project) -> None:
    error = only(project.put({"main.prompt.yaml": "name: a\nprompt: b\n"}).error())
    assert error.message == "the field 'generation' is missing"
    block = error.hint.removeprefix("Add ").removesuffix(".")
    assert block == "generation: {mode: combinatorial, seed: -1, seed_mode: progressive, max_images: -1}"
    project.put({"main.prompt.yaml": f"name: a\nprompt: b\n{block}\n"})
    assert project.prompts() == ["b"]


def test_template_in_a_prompt_file(project: Project) -> None:
    error = only(project.put({"main.prompt.yaml": f"{HEAD}template: a\n{GENERATION}"}).error())
    assert error.message == "a prompt file has 'prompt:', not 'template:'"
    assert error.hint == "Rename template: to prompt:, or call the file main.template.yaml."
    error = only(project.put({"main.prompt.yaml": f"{HEAD}template: a\nprompt: b\n{GENERATION}"}).error())
    assert error.hint == "Remove template:, or call the file main.template.yaml."
    error = only(
        project.put({"main.prompt.yaml": f"{HEAD}variations: {{A: [a]}}\nprompt: '{{A}}'\n{GENERATION}"}).error()
    )
    assert error.hint == "Rename variations: to imports:."


def test_template_in_a_parent_with_generation(project: Project) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("a", implements="base.template.yaml"),
            "base.template.yaml": f"{HEAD}template: '{{prompt}}'\n{GENERATION}",
        }
    )
    assert only(project.error()).hint == "Rename template: to prompt:, or remove generation:, which only prompts have."


def test_template_in_a_text(project: Project) -> None:
    with pytest.raises(SDGenError) as caught:
        load_text("prompt: a\ntemplate: b\n", base=project.root)
    assert caught.value.hint == "Remove template:."


@pytest.mark.parametrize("slip", ["promt", "Prompt", "prompts", "pormpt"])
def test_misspelt_prompt_in_a_template(project: Project, slip: str) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("a", implements="base.template.yaml"),
            "base.template.yaml": f"{HEAD}template: 'photo of {{{slip}}}'\n",
        }
    )
    error = only(project.error())
    assert error.nearest == ["{prompt}"] and str(error.place).endswith("base.template.yaml:3:21")


def test_a_template_that_uses_a_name_like_prompt(project: Project) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("a", implements="base.template.yaml"),
            "base.template.yaml": f"{HEAD}template: 'photo of {{Prompts}}'\nimports: {{Prompts: [b]}}\n",
        }
    )
    assert only(project.error()).nearest == []


# ---- parameters


def test_unknown_parameters(project: Project) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("a", implements="base.template.yaml", parameters="{step: 20, width: 512}"),
            "base.template.yaml": f"{HEAD}template: '{{prompt}}'\nparameters: {{my_note: hello}}\n",
        }
    )
    note, warning = project.load().warnings
    assert note.endswith(
        "base.template.yaml:4:14: the parameter 'my_note' is unknown; it is kept in the manifest and has no effect"
    )
    assert warning.endswith(
        "main.prompt.yaml:4:14: the parameter 'step' is unknown and has no effect. Did you mean 'steps'?"
    )
    assert only(project.error(strict=True)).nearest == ["steps"]


# ---- sdgen expand


def expand(*args: str) -> Any:
    return CliRunner().invoke(build_app("expand"), ["expand", *args])


def test_expand_remarks_on_samplers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    project.put({"main.prompt.yaml": prompt_file("a", parameters="{sampler: eulr}")})
    said = (
        "warning: parameters.sampler: in ComfyUI itself there is no sampler 'eulr'. Did you mean 'euler' or 'Euler a'?"
    )
    assert said in expand("main.prompt.yaml").stdout
    assert said in expand("main.prompt.yaml", "--jsonl").stderr


@pytest.mark.parametrize("name", ["foood.prompt.yaml", "food", "Food.yaml"])
def test_expand_of_a_file_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(project.root)
    project.put(
        {f"{folder}food.{kind}": prompt_file("a") for folder in ("", "in/") for kind in ("prompt.yaml", "yaml")}
    )
    assert expand(name).stderr == (
        f"error[missing-file]: the file does not exist: {name}. Did you mean 'food.prompt.yaml'?\n"
        "  Check the path; `sdgen list FOLDER` shows what can be run in a folder.\n"
    )
    assert "Did you mean 'in/food.prompt.yaml'?" in expand(f"in/{name}").stderr
    assert "Did you mean" not in expand(f"out/{name}").stderr


def test_expand_shows_errors_and_remarks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    project.put({"main.prompt.yaml": prompt_file("{mood} { Mood }", imports="{Mood: [cosy]}")})
    error, _, remark, hint = expand("main.prompt.yaml").stderr.splitlines()
    assert error.startswith("main.prompt.yaml:5:3: error[unresolved-placeholder]: the placeholder {mood} has no import")
    assert remark.startswith("main.prompt.yaml:5:10: warning[unresolved-placeholder]: { Mood } stays as text")
    assert hint == "  A placeholder has no spaces inside its braces."
    (row,) = map(json.loads, expand("main.prompt.yaml", "--jsonl").stdout.splitlines())
    assert row["error"] == "unresolved-placeholder"
    assert row["warnings"] == ["main.prompt.yaml:5:10: { Mood } stays as text; write {Mood} without spaces"]


def test_expand_counts_and_indents(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    project.put({"main.prompt.yaml": prompt_file("one\n{A}", imports="{A: [two]}", negative_prompt='"a\\nb"')})
    lines = expand("main.prompt.yaml").stdout.splitlines()
    assert "combinatorial: 1 combination -> 1 image" in lines
    assert lines[-4:] == ["     one", "     two", "     negative: a", "     b"]
    project.put({"main.prompt.yaml": prompt_file("{A}", imports="{A: [two, three]}")})
    assert "combinatorial: 2 combinations x 1 seed -> 2 images" in expand("main.prompt.yaml", "--seeds", "7").stdout
