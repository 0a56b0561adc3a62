"""The template libraries in ``examples/``: everything in them runs, in every theme and style, without a remark."""

from __future__ import annotations

import re
import shlex
from itertools import islice, product
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_template

EXAMPLES = Path(__file__).parents[3] / "examples"
PORTRAIT = EXAMPLES / "portrait"
PROMPTS = sorted(p.relative_to(EXAMPLES).as_posix() for p in EXAMPLES.rglob("*.prompt.yaml"))
PORTRAIT_FILES = sorted(p.relative_to(PORTRAIT).as_posix() for p in PORTRAIT.rglob("*.yaml"))
PORTRAIT_PROMPTS = [name for name in PORTRAIT_FILES if name.endswith(".prompt.yaml")]
THEMES = sorted(p.parent.name for p in PORTRAIT.glob("themes/*/theme.yaml"))


def theme_file(theme: str) -> dict:
    return yaml.safe_load((PORTRAIT / "themes" / theme / "theme.yaml").read_text(encoding="utf-8"))


def styles(theme: str) -> list[str]:
    return list(dict.fromkeys(key.partition(".")[2] for key in theme_file(theme)["imports"] if "." in key))


def load(name: str, root: Path = EXAMPLES, strict: bool = True, **options):
    return load_template(root / name, Options(strict=strict, schema=True, **options))


def sample(plan: Plan) -> list:
    """The first items, and one at the end of the plan."""
    return [*islice(plan.items(), 20), plan.item(plan.count - 1)]


def check(plan: Plan, strange_style: str = "") -> None:
    """``strange_style``: one that not every theme has."""
    assert [w for w in plan.warnings if not strange_style or f"has no style {strange_style!r}" not in w] == []
    for item in sample(plan):
        for text in (item.prompt, item.negative):
            assert not re.search(r"[{}@\[\]]|,\s*,|^\s*,|  |\b(a|an|the|of|in|with|wearing)\s*(,|$)", text), text


@pytest.mark.parametrize("name", PROMPTS)
def test_runs_without_a_remark(name: str) -> None:
    plan = Plan.build(load(name))
    assert plan.count > 1
    assert len({item.prompt for item in sample(plan)}) > 1
    check(plan)


COMBINATIONS = [
    (name, theme, style)
    for theme in THEMES
    for name, style in product(PORTRAIT_PROMPTS, ["default", *styles(theme), "formal"])
]


@pytest.mark.parametrize(("name", "theme", "style"), COMBINATIONS)
def test_every_theme_and_style(name: str, theme: str, style: str) -> None:
    strange = style not in ("default", *styles(theme))
    plan = Plan.build(load(name, PORTRAIT, theme=theme, style=style, strict=not strange))
    check(plan, style if strange else "")
    assert plan.item(0).prompt != Plan.build(load(name, PORTRAIT)).item(0).prompt


@pytest.mark.parametrize("theme", THEMES)
def test_styles_differ(theme: str) -> None:
    """In at least one prompt each style makes something else than the theme alone."""
    for style in styles(theme):
        assert any(
            Plan.build(load(name, PORTRAIT, theme=theme, style=style)).item(0).prompt
            != Plan.build(load(name, PORTRAIT, theme=theme)).item(0).prompt
            for name in PORTRAIT_PROMPTS
        ), style


def test_style_variant_of_a_file() -> None:
    files = {f for f, _ in load("outdoor_portrait.prompt.yaml", PORTRAIT, style="formal").files}
    assert "variations/outfit.formal.yaml" in files and "variations/outfit.yaml" not in files


def test_the_library_shows_what_the_language_has() -> None:
    assert len(list(PORTRAIT.glob("variations/*.yaml"))) == 8
    assert len(THEMES) == 3
    for theme in THEMES:
        data = theme_file(theme)
        assert len(styles(theme)) >= 2
        assert all(data[key] for key in ("name", "description", "tags", "period", "setting", "mood"))
    everything = "".join((PORTRAIT / name).read_text(encoding="utf-8") for name in PORTRAIT_FILES)
    for form in ("[Remove]", "merge: true", "@Sitter", "@{Camera with ", "@finish.film", "{Person:detail}", "[$0]"):
        assert form in everything


def test_no_file_is_dead() -> None:
    used: set[str] = {"themes/" + theme + "/theme.yaml" for theme in THEMES}
    options: list[dict] = [{}, {"style": "formal"}, *({"theme": t, "style": s} for _, t, s in COMBINATIONS)]
    for name in PORTRAIT_PROMPTS:
        used.add(name)
        for chosen in options:
            used.update(file for file, _ in load(name, PORTRAIT, strict=False, **chosen).files)
    assert set(PORTRAIT_FILES) - used == set()


@pytest.mark.parametrize("name", PORTRAIT_FILES)
def test_every_file_begins_with_its_explanation(name: str) -> None:
    first = (PORTRAIT / name).read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"# \S.{20,}", first)


COMMANDS = [
    (name, command)
    for name in PORTRAIT_FILES
    for command in re.findall(r"^#\s+sdgen (expand .*?)(?:\s{3,}.*)?$", (PORTRAIT / name).read_text("utf-8"), re.M)
]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_commands_in_comments_work(name: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PORTRAIT)
    result = CliRunner().invoke(build_app("expand"), [*shlex.split(command), "--strict", "--count", "1"])
    assert result.exit_code == 0, result.output


def test_there_are_commands_in_comments() -> None:
    assert len(COMMANDS) > 8


def test_the_light_study_varies_nothing_but_the_light() -> None:
    plan = Plan.build(load("light_study.prompt.yaml", PORTRAIT))
    lights = yaml.safe_load((PORTRAIT / "variations" / "studio_light.yaml").read_text(encoding="utf-8"))["variations"]
    items = list(plan.items())
    assert [item.keys["Light"] for item in items] == list(lights)
    assert len({tuple((n, k) for n, k in item.keys.items() if n != "Light") for item in items}) == 1
    assert {item.seed for item in items} == {1000}


def test_presets_are_complete_and_filled() -> None:
    item = Plan.build(load("light_study.prompt.yaml", PORTRAIT)).item(0)
    (detector,) = item.parameters["adetailer"]["detectors"]
    assert detector["ad_prompt"].startswith("a Japanese potter in her fifties, calm expression, ")
    assert detector["ad_use_steps"] is False
    (unit,) = item.parameters["controlnet"]["units"]
    assert (unit["weight"], unit["guidance_end"], unit["resize_mode"]) == (0.8, 0.7, "Crop and Resize")


def test_the_table_of_themes_is_true() -> None:
    text = (PORTRAIT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", text, re.M))
    assert rows == {theme: ", ".join(sorted(styles(theme))) for theme in THEMES}
    assert set(re.findall(r"`(\w+\.prompt\.yaml)`", text)) == set(PORTRAIT_PROMPTS)
