"""`sdgen list`: what can be run, what it makes, what is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app

FILES = {
    "a.prompt.yaml": "name: Coats\nprompt: 'a {Coat[Red,Blue]} {Only} {Light}'\n"
    "imports: {Coat: coat.yaml, Only: [x], Light: [dawn, noon, dusk]}\ngeneration: {max_images: 5}\n",
    "coat.yaml": "Red: red\nBlue: blue\nGreen: green\n",
    "deep/er/b.prompt.yml": "name: Random\nprompt: '{X}'\nimports: {X: [a, b, c]}\ngeneration: {mode: random, max_images: 2}\n",
    "c.prompt.yaml": "name: Broken\nprompt: |\n  {Coatt}\nimports: {Coat: coat.yaml}\ngeneration: {}\n",
    "d.prompt.yaml": "name: [\n",
    "e.prompt.yaml": "name: Themed\nprompt: '{Place}'\nthemes: {explicit: {bad: nosuch.yaml, sea: sea.yaml}}\ngeneration: {}\n",
    "sea.yaml": "imports: {Place: place.yaml}\n",
    "place.yaml": "A: a\nB: b\n",
    "base.template.yaml": "name: Base\ntemplate: '{prompt}'\n",
    ".hidden/f.prompt.yaml": "name: Hidden\nprompt: x\ngeneration: {}\n",
    "node_modules/g.prompt.yaml": "name: Alien\nprompt: x\ngeneration: {}\n",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def command(*args: str, code: int = 0):
    result = CliRunner().invoke(build_app("list"), ["list", *args])
    assert result.exit_code == code, result.output
    return result.stdout


def rows(*args: str) -> dict[str, dict]:
    return {row["path"]: row for row in json.loads(command("--json", *args))["prompts"]}


def test_what_is_listed(here):
    found = rows()
    assert list(found) == ["a.prompt.yaml", "c.prompt.yaml", "d.prompt.yaml", "deep/er/b.prompt.yml", "e.prompt.yaml"]
    assert found["a.prompt.yaml"] == {
        "name": "Coats",
        "path": "a.prompt.yaml",
        "themes": [],
        "placeholders": [
            {"name": "Coat", "available": 3, "selected": 2},
            {"name": "Only", "available": 1, "selected": 1},
            {"name": "Light", "available": 3, "selected": 3},
        ],
        "mode": "combinatorial",
        "combinations": 6,
        "images": 5,
        "with_theme": None,
    }
    assert (found["deep/er/b.prompt.yml"]["mode"], found["deep/er/b.prompt.yml"]["images"]) == ("random", 2)


def test_broken_ones_stop_nothing(here):
    found = rows()
    assert found["c.prompt.yaml"]["name"] == "Broken"
    assert found["c.prompt.yaml"]["error"]["error"] == "unresolved-placeholder"
    assert found["d.prompt.yaml"]["error"]["error"] == "yaml-syntax"


def test_a_prompt_that_is_whole_only_with_a_theme(here):
    row = rows()["e.prompt.yaml"]
    assert (row["with_theme"], row["images"], row["themes"]) == ("sea", 2, ["bad", "sea"])
    assert "needs a theme, counted with sea" in " ".join(command().split())


def test_on_paper(here):
    text = command()
    assert "Coats  a.prompt.yaml\n  5 images of 6 combinations · Coat 2/3, Light 3, 1 with one value" in text
    assert "  broken unresolved-placeholder at 3:3: the placeholder {Coatt} has no import" in text
    assert "5 prompts, 2 of them broken" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_texts_of_users_cannot_steer_the_terminal(here):
    write(here, {"x/odd.prompt.yaml": 'name: "[red]x[/]\\e[2J"\nprompt: x\ngeneration: {}\n'})
    text = command("x")
    assert "[red]x[/]\\x1b[2J" in text and "\x1b" not in text


def test_folders(here):
    assert list(rows("deep")) == ["deep/er/b.prompt.yml"]
    assert list(rows("deep", "deep/er")) == ["deep/er/b.prompt.yml"]
    (here / "empty").mkdir()
    assert "no prompts here" in command("empty")
    assert json.loads(command("--json", "nosuch", code=1))["error"] == "missing-file"


def test_template_folders_of_a_comfyui(here, tmp_path_factory):
    user = tmp_path_factory.mktemp("user")
    write(user, {"sdgen/templates/own.prompt.yaml": "name: Own\nprompt: x\ngeneration: {}\n"})
    settings = {"template_folders": [str(here / "deep"), str(here / "gone")]}
    write(user, {"sdgen/settings.json": json.dumps(settings)})
    for folder in (user, user / "sdgen"):
        names = {row["name"] for row in rows("--user-dir", str(folder)).values()}
        assert {"Own", "Random", "demo shapes"} <= names and "Coats" not in names
    assert json.loads(command("--json", "--user-dir", str(user / "no"), code=1))["error"] == "missing-file"
    write(user, {"sdgen/settings.json": "{"})
    assert json.loads(command("--json", "--user-dir", str(user), code=1))["error"] == "bad-settings"


def test_many_themes_are_not_all_named(here):
    themes = ", ".join(f"t{i}: sea.yaml" for i in range(50))
    write(here, {"m/m.prompt.yaml": f"name: M\nprompt: x\nthemes: {{explicit: {{{themes}}}}}\ngeneration: {{}}\n"})
    assert "50 themes (t0, t1, t2, …)" in command("m")
    assert len(rows("m")["m/m.prompt.yaml"]["themes"]) == 50
