"""SDGen's routes about templates, asked over HTTP: what they answer, and that only names lead to files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sdgen_core.server import routes
from sdgen_core.templates.library import Listings, TemplateLibrary

BASE = """\
name: base
template: '{prompt}'
imports: {Hair: hair.yaml}
themes: {enable_autodiscovery: true, search_paths: [themes], explicit: {pirates: themes/pirates.yaml}}
"""
PROMPT = """\
name: portrait
implements: base.template.yaml
prompt: 'a {Hair[Red,Blue;$5]} {Who} {Where} {Gone[0]}'
imports:
  Who: [woman, old man]
  Where: {sea: {main: at sea, light: blue}}
  Gone: [x]
style_sensitive_placeholders: [Hair]
generation: {seed: 1}
"""
HEADERS = {"X-SDGen": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "mine/a.prompt.yaml": PROMPT,
        "mine/base.template.yaml": BASE,
        "mine/hair.yaml": "variations: {Red: red, Blue: blue, Green: green}\n",
        "mine/hair.winter.yaml": "variations: {White: white}\n",
        "mine/themes/pirates.yaml": "name: The pirates\ntags: [sea]\nimports: {Hair: hair.yaml, Hair.night: night.yaml}\n",
        "mine/night.yaml": "variations: {Red: loose, Blue: tied}\n",
        "mine/themes/space/theme.yaml": "imports: {Hair: hair.yaml, Who.day: [x], Gone: [Remove]}\n",
        "mine/themes/rock/rock_hair.yaml": "a: b\n",
        "mine/themes/rock/rock_hair.loud.yaml": "a: b\n",
        "mine/themes/torn/theme.yaml": "imports: {\n",
        "secret.prompt.yaml": PROMPT,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(folder: Path) -> Ask:
    """``ask(method, path, body)`` -> status and JSON of the routes over the folder ``mine``."""
    engine: Any = SimpleNamespace(
        token=None, sessions=None, templates=Listings(TemplateLibrary({"mine": folder / "mine"}))
    )

    def run(method: str, path: str, body: Any = None, headers: dict[str, str] = HEADERS) -> tuple[int, Any]:
        async def talk() -> tuple[int, Any]:
            table = web.RouteTableDef()
            routes.register(table, lambda: engine)
            app = web.Application()
            app.add_routes(table)
            async with TestClient(TestServer(app)) as client:
                answer = await client.request(method, path, json=body, headers=headers)
                return answer.status, await answer.json()

        talking: Awaitable[tuple[int, Any]] = talk()
        return asyncio.run(talking)  # type: ignore[arg-type]

    return run


def test_the_list_comes_again_only_when_a_file_has_changed(ask: Ask, folder: Path) -> None:
    status, first = ask("GET", "/sdgen/templates")
    assert status == 200 and first["templates"] == ["mine/a.prompt.yaml"]
    since = f"/sdgen/templates?since={first['version']}"
    assert ask("GET", since) == (200, {"version": first["version"]})
    changes: list[Callable[[], object]] = [
        lambda: (folder / "mine" / "b.prompt.yaml").write_text("x", encoding="utf-8"),
        lambda: (folder / "mine" / "hair.yaml").write_text("variations: {Red: crimson}\n", encoding="utf-8"),
        lambda: os.utime(folder / "mine" / "themes" / "pirates.yaml", (1, 1)),
        lambda: (folder / "mine" / "b.prompt.yaml").unlink(),
    ]
    seen = {first["version"]}
    for change in changes:
        change()
        for _ in range(200):  # a listing counts for four times as long as it took
            answer = ask("GET", since)[1]
            if answer["version"] not in seen:
                break
        assert answer["version"] not in seen and "templates" in answer
        seen.add(answer["version"])
    (folder / "mine" / "notes.txt").write_text("x", encoding="utf-8")
    assert ask("GET", since)[1]["version"] == answer["version"]


def test_choices_tell_every_value_and_what_the_template_says(ask: Ask) -> None:
    status, answer = ask("POST", "/sdgen/templates/choices", {"file": "mine/a.prompt.yaml", "choices": "Hair[Nope]"})
    assert status == 200 and answer["name"] == "portrait"
    rows = {row["name"]: row for row in answer["placeholders"]}
    assert list(rows) == ["Hair", "Who", "Where", "Gone"]
    assert rows["Hair"] == {
        "name": "Hair",
        "values": [["Red", "red"], ["Blue", "blue"], ["Green", "green"]],
        "selector": "Red,Blue;$5",
        "weight": 5,
    }
    assert [text for _, text in rows["Who"]["values"]] == ["woman", "old man"]
    assert rows["Where"]["values"] == [["sea", {"main": "at sea", "light": "blue"}]]
    assert (rows["Gone"]["selector"], rows["Gone"]["weight"]) == ("0", 1)


def test_choices_follow_the_theme(ask: Ask) -> None:
    query = {"file": "mine/a.prompt.yaml", "theme": "pirates", "style": "night"}
    _, answer = ask("POST", "/sdgen/templates/choices", query)
    assert [text for _, text in answer["placeholders"][0]["values"]] == ["loose", "tied"]


def test_themes_come_with_their_styles(ask: Ask) -> None:
    status, answer = ask("POST", "/sdgen/templates/themes", {"file": "mine/a.prompt.yaml", "theme": "typo"})
    assert status == 200
    themes = {theme["name"]: theme for theme in answer["themes"]}
    assert list(themes) == ["", "pirates", "rock", "space", "torn"]
    assert {name: theme["styles"] for name, theme in themes.items()} == {
        "": ["winter"],
        "pirates": ["night", "winter"],
        "rock": ["loud"],
        "space": ["day", "winter"],
        "torn": [],
    }
    assert (themes["pirates"]["title"], themes["pirates"]["tags"]) == ("The pirates", ["sea"])
    assert "theme.yaml:" in themes["torn"]["problem"]
    _, texts = ask("POST", "/sdgen/templates/themes", {"text": "prompt: x\nimplements: a.prompt.yaml\n"})
    assert [theme["name"] for theme in texts["themes"]] == list(themes)


def test_a_typed_text_offers_no_theme_outside_of_the_folders(ask: Ask, folder: Path) -> None:
    (folder / "outside" / "space").mkdir(parents=True)
    (folder / "outside" / "space" / "theme.yaml").write_text("name: secret\n", encoding="utf-8")
    text = (
        "themes: {enable_autodiscovery: true, search_paths: [../outside], explicit: {up: ../outside/space/theme.yaml}}"
    )
    assert [t["name"] for t in ask("POST", "/sdgen/templates/themes", {"text": text})[1]["themes"]] == [""]
    status, error = ask("POST", "/sdgen/templates/themes", {"text": "implements: ../secret.prompt.yaml"})
    assert (status, error["error"]) == (400, "outside-folders")
    status, error = ask("POST", "/sdgen/templates/themes", {"text": "themes: [a]"})
    assert (status, error["error"]) == (400, "bad-structure")


def test_preview_counts_with_the_choices_and_warns(ask: Ask) -> None:
    query = {"file": "mine/a.prompt.yaml", "choices": "Hair[Green,Gren]; Who[woman]; Ghost[x]"}
    status, answer = ask("POST", "/sdgen/templates/preview", query)
    assert status == 200 and answer["images"] == 1
    assert {p["name"]: p["selected"] for p in answer["placeholders"]} == {"Hair": 1, "Who": 1, "Where": 1}
    assert answer["left_out"] == ["Gone"]
    assert any("Gren" in w for w in answer["warnings"]) and any("Ghost" in w for w in answer["warnings"])


def test_preview_of_several_themes_is_that_of_their_mix(ask: Ask, folder: Path) -> None:
    for theme, hair in {"gala": "Red: festive red", "sand": "Red: dusty red, Blue: dusty blue"}.items():
        own = folder / "mine" / "themes" / theme
        own.mkdir()
        (own / "hair.yaml").write_text(f"variations: {{{hair}}}\n", encoding="utf-8")
        (own / "theme.yaml").write_text(
            f"imports: {{Hair: themes/{theme}/hair.yaml, Gone: [Remove]}}\n", encoding="utf-8"
        )
    query: dict[str, Any] = {"file": "mine/a.prompt.yaml", "theme": "gala:1, sand:3", "limit": 4}
    shares = {}
    for distribution in ("weighted", "balanced"):
        status, answer = ask("POST", "/sdgen/templates/preview", {**query, "distribution": distribution})
        assert status == 200, answer
        shares[distribution] = {t["theme"]: t["images"] for t in answer["themes"]}
        assert answer["images"] == 4
        assert answer["combinations"] == 2 * (1 + 2)
        assert {p["name"]: (p["least"], p["selected"]) for p in answer["placeholders"]}["Hair"] == (1, 2)
        assert {item["prompt"].split()[1] for item in answer["first"]} == {"festive", "dusty"}
    assert shares == {"weighted": {"gala": 1, "sand": 3}, "balanced": {"gala": 2, "sand": 2}}
    status, error = ask("POST", "/sdgen/templates/preview", {**query, "theme": "gala, sandd:3"})
    assert status == 400 and "sandd" in error["message"] and "'sand'" in str(error)


def test_an_error_names_files_as_the_list_does(ask: Ask, folder: Path) -> None:
    broken = PROMPT.replace("{Who}", "{Whoo} {Hare}")
    (folder / "mine" / "b.prompt.yaml").write_text(broken, encoding="utf-8")
    for path in ("preview", "choices"):
        status, error = ask("POST", f"/sdgen/templates/{path}", {"file": "mine/b.prompt.yaml"})
        assert status == 400
        assert [(e["file"], e["line"]) for e in error["errors"]] == [("mine/b.prompt.yaml", 3)] * 2
        assert error["errors"][0]["message"].startswith("mine/b.prompt.yaml:3:")
        assert str(folder) not in str(error)


@pytest.mark.parametrize("path", ["preview", "choices", "themes"])
@pytest.mark.parametrize(
    "name", ["mine/../secret.prompt.yaml", "C:secret.prompt.yaml", "/etc/passwd", "mine/..\\secret.prompt.yaml", "mine"]
)
def test_no_name_leads_out(ask: Ask, path: str, name: str) -> None:
    status, error = ask("POST", f"/sdgen/templates/{path}", {"file": name})
    assert (status, error["error"]) == (404, "unknown-template")


@pytest.mark.parametrize("path", ["preview", "choices", "themes"])
def test_a_foreign_page_cannot_ask(ask: Ask, path: str) -> None:
    assert ask("POST", f"/sdgen/templates/{path}", {"file": "mine/a.prompt.yaml"}, headers={})[0] == 400
