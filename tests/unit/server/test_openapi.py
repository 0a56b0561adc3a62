"""The OpenAPI document: valid, whole, and true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from openapi_spec_validator import validate

from sdgen_core.server import routes, table
from sdgen_core.server.answers import STATUS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def document():
    return routes.whole_document()


def test_the_document_is_valid(document):
    validate(document)


def test_every_route_is_in_it(document):
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    known = {(route.method, re.sub(r":[^{}]*(\{[^}]*\})?[^{}]*\}", "}", route.path)) for route in table.TABLE}
    assert told - known == {("GET", "/sdgen/login"), ("GET", "/sdgen/events")}
    assert known <= told
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


def test_every_status_is_in_it(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path in ("/sdgen/login", "/sdgen/events"):
                continue
            wanted = {"200", "400", *map(str, STATUS.values())} - {"405"} - ({"413"} if method == "get" else set())
            assert wanted <= set(operation["responses"]), (method, path)
            assert ("requestBody" in operation) == (method == "post")
            assert any(p["name"] == "X-SDGen" for p in operation["parameters"]) == (method == "post")


def test_it_is_served_as_it_is(shared, document):
    assert shared.ask("GET", "/sdgen/openapi.json").json == document


def test_answers_are_what_the_document_says(shared, document):
    """Every route that can be answered without ComfyUI, asked once."""
    card = shared.ask("GET", "/sdgen/images?limit=1").json["images"][0]
    key = card["thumb"]
    parts = {"id": card["id"], "key": key, "size": 256, "session": "one", "other": "two"}
    parts |= {"slug": card["session"], "ticket": "none", "run": "abcdefgh", "dataset": "mine", "loop": "mine"}
    bodies = {
        "/sdgen/images/find": {"query": {}},
        "/sdgen/images/cards": {"ids": [card["id"], 999]},
        "/sdgen/judge": {"ids": [card["id"]], "field": "value/Hair", "value": "ok"},
        "/sdgen/judge/sessions": {"sessions": [card["session"]], "field": "note", "value": "seen"},
        "/sdgen/queries": {"name": "mine", "q": "is:failed"},
        "/sdgen/undo": {},
        "/sdgen/redo": {},
    }
    tables = ("totals", "sessions", "values", "groups", "failing", "pairs", "impact", "dead", "stability")
    answered = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "post" and path not in bodies:
                continue
            for name in tables if "{table}" in path else ("",):
                if path == "/sdgen/events":
                    continue
                reply = shared.ask(method.upper(), path.format(**parts, table=name), bodies.get(path))
                described = operation["responses"][str(reply.status)]
                if "$ref" in described:
                    described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
                kind = reply.headers["Content-Type"].partition(";")[0]
                assert kind in described["content"], (path, reply.status, reply.body[:200])
                if kind == "application/json" and "schema" in described["content"][kind]:
                    schema = {**described["content"][kind]["schema"], "components": document["components"]}
                    jsonschema.validate(reply.json, schema, cls=jsonschema.Draft202012Validator)
                if reply.status == 200:
                    answered.add((method, path))
    assert len(answered) > 22, answered


def test_no_two_models_have_one_name():
    """In the document one would stand for both."""
    met = {}
    for route in table.TABLE:
        for model in filter(None, (route.query, route.body, route.answer)):
            assert met.setdefault(model.__name__, model) is model, route.path


def test_comfyuis_start_does_not_wait_for_the_table():
    """The models of all routes take longer to make than the whole pack may take to load."""
    code = "import sys; import sdgen_core.server.routes; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "sdgen_core.server.endpoint" in loaded
    assert not loaded & {"sdgen_core.server.table", "sdgen_core.server.gallery", "numpy", "PIL", "aiohttp", "torch"}
