"""The panel's application as a page of its own: whole, from this server only, and nothing else of the disk."""

from __future__ import annotations

import re

import pytest

from sdgen_core.server import page


@pytest.fixture
def shared(start):
    return start()


def test_the_page_and_all_that_it_loads_are_served(shared):
    reply = shared.ask("GET", "/")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/html")
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cache-Control"] == "no-cache"
    (entry,) = re.findall(r'src="(web/[^"]+)"', reply.body.decode())
    waiting, seen = [entry], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        chunk = shared.ask("GET", f"/{name}")
        assert chunk.status == 200, name
        assert (
            chunk.headers["Content-Type"] == "text/javascript; charset=utf-8"
            and "immutable" in chunk.headers["Cache-Control"]
        )
        assert "/scripts/app.js" not in chunk.body.decode(), "that is ComfyUI's"
        imported = {f"web/chunks/{found}" for found in re.findall(r"[\"']\./([\w-]+\.mjs)[\"']", chunk.body.decode())}
        waiting += imported - seen
    assert len(seen) > 1


@pytest.mark.parametrize(
    "path",
    [
        "web/",
        "web/sdgen.js",
        "web/../__init__.py",
        "web/%2e%2e/__init__.py",
        "web/chunks/",
        "web//etc/passwd",
        "web/docs/SDGenTemplate.md",
    ],
)
def test_nothing_else_is(shared, path):
    assert shared.ask("GET", f"/{path}").status == 404


def test_without_a_build_the_sessions_are_listed(start, monkeypatch, tmp_path):
    page._files.cache_clear()
    page._content.cache_clear()
    monkeypatch.setattr(page, "DIST", tmp_path)
    try:
        assert b"<h1>SDGen</h1>" in start().ask("GET", "/").body
    finally:
        page._files.cache_clear()
        page._content.cache_clear()
