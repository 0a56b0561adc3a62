"""The catalog's routes on a real port: every one answers what the OpenAPI document says, with its version, and is told of."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import re
import threading
from urllib.parse import parse_qsl, quote

import jsonschema
import numpy as np
import pytest
from PIL import Image

from sdgen_core.server import gallery, gallery_export, gallery_training
from sdgen_core.server.parse import parse_query
from sdgen_core.server.routes import whole_document

from ..catalog.library import image, session
from ..catalog.test_plans import statements, whole_tables
from .gallery import Gallery

DOCUMENT = whole_document()


def described(method, path):
    """The described path of an address, and its description."""
    for name, operations in DOCUMENT["paths"].items():
        fitting = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(name))
        if method.lower() in operations and re.fullmatch(fitting, path.partition("?")[0]):
            return name, operations[method.lower()]
    raise LookupError(path)


def fits(reply, method, path):
    """Whether an answer in JSON is what the document says."""
    name, operation = described(method, path)
    responses = operation["responses"]
    response = responses[str(reply.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(reply.json)
    return name


def paths(images):
    """An address or a body for every route, by its method and described path."""
    first = images[0]
    return [
        ("GET", "/sdgen/catalog", None),
        ("GET", "/sdgen/images?q=" + quote("Hair:Red sort:number") + "&limit=2", None),
        ("POST", "/sdgen/images/find", {"query": {"clauses": [{"field": "value", "name": "Hair", "any": ["Red"]}]}}),
        ("GET", "/sdgen/images/ids?form=json", None),
        ("POST", "/sdgen/images/cards", {"ids": images}),
        ("GET", f"/sdgen/images/{first}", None),
        ("GET", f"/sdgen/images/{first}/similar", None),
        ("GET", f"/sdgen/images/{first}/metadata", None),
        ("GET", "/sdgen/library/sessions?theme=&theme=gala&rating=none&sort=-images", None),
        ("GET", "/sdgen/library/sessions/abcdefghjk", None),
        ("GET", "/sdgen/facets?q=" + quote("-is:failed"), None),
        ("GET", "/sdgen/complete?field=Hair&text=r", None),
        *(("GET", f"/sdgen/statistics/{name}" + ("?by=day" if name == "groups" else ""), None) for name in TABLES),
        ("GET", "/sdgen/duplicates", None),
        ("GET", "/sdgen/review", None),
        ("POST", "/sdgen/judge", {"ids": images[:2], "field": "value/Hair", "value": "ok"}),
        ("POST", "/sdgen/judge/sessions", {"sessions": ["abcdefghjk"], "field": "favourite", "value": "yes"}),
        ("POST", "/sdgen/undo", {}),
        ("POST", "/sdgen/redo", {}),
        ("GET", "/sdgen/history", None),
        ("GET", "/sdgen/queries", None),
        ("POST", "/sdgen/queries", {"name": "mine", "q": "is:failed"}),
        ("POST", "/sdgen/judgements", {"text": '{"sdgen_judgements": 1}\n'}),
        ("GET", "/sdgen/trash", None),
        ("POST", "/sdgen/trash/preview", {"q": "Hair:Red"}),
        ("POST", "/sdgen/trash/empty", {"ids": images[:1]}),
        ("GET", "/sdgen/scorers", None),
        ("GET", "/sdgen/scoring", None),
        ("POST", "/sdgen/scoring/cancel", {}),
        ("GET", "/sdgen/scoring/agreement", None),
        ("GET", "/sdgen/scoring/values", None),
        ("GET", f"/sdgen/images/{images[0]}/scores", None),
        ("GET", "/sdgen/scoring/failed", None),
        ("POST", "/sdgen/scoring/failed", {"q": "Hair:Red"}),
        ("GET", "/sdgen/import", None),
        ("POST", "/sdgen/import", {"every": True}),
        ("POST", "/sdgen/import/cancel", {}),
    ]


TRAINING = [
    ("GET", "/sdgen/training/trainers", None),
    ("GET", "/sdgen/training/datasets", None),
    ("POST", "/sdgen/training/datasets/preview", {"recipe": {"name": "red", "value": "Hair=Red"}}),
    ("GET", "/sdgen/training/runs", None),
    ("GET", "/sdgen/training/improvements", None),
]
TABLES = sorted(gallery.library.TABLES)
#: Routes that answer with files alone. Those of exports, which need tickets, of comparing, which need more than one image of a
#: kind, of scoring, which need a model, and of training have tests of their own.
FILES = {
    "/sdgen/images/{id}/file",
    "/sdgen/thumbs/{key}-{size}.webp",
    "/sdgen/judgements",
}


def test_every_route_answers_as_the_document_says(start):
    running = start()
    met = set()
    for method, path, body in [*paths(running.images), *TRAINING]:
        reply = running.ask(method, path, body)
        assert reply.status == 200, (path, reply.body)
        met.add((method, fits(reply, method, path)))
    table = {(route.method, route.path) for route in gallery.ROUTES}
    elsewhere = {(route.method, route.path) for route in gallery_export.ROUTES}
    elsewhere |= {("GET", "/sdgen/compare"), ("POST", "/sdgen/compare/queue")}
    scores = "/sdgen/library/sessions/{session}/scores"
    elsewhere |= {("POST", "/sdgen/scoring"), ("GET", scores), ("GET", f"{scores}/against/{{other}}")}
    elsewhere |= {(route.method, route.path) for route in gallery_training.ROUTES} - met
    assert table - met == {("GET", path) for path in FILES} | elsewhere


def test_no_route_reads_the_whole_table_of_images(tmp_path):
    """Asked when the columns are in memory: reading those is reading all, once."""
    library = Gallery(tmp_path)
    images = library.imported(4)
    library.put(200)
    library.catalog.snapshot.refresh()
    store = library.catalog.index.store
    with statements(store.reader(), store._writer) as asked:
        for method, address, body in paths(images):
            path, _, query = address.partition("?")
            said = parse_query(library.route(method, path)[0].query, parse_qsl(query))
            library.ask(method, path, body, **(said.model_dump(mode="json", exclude_unset=True) if said else {}))
    assert any("FROM image JOIN session" in statement for statement in asked)
    assert whole_tables(library.catalog, asked) == []
    library.close()


def test_files_are_what_they_are(shared):
    first = shared.images[0]
    card = shared.ask("GET", "/sdgen/images?limit=1").json["images"][0]
    own = shared.ask("GET", f"/sdgen/images/{first}/file")
    assert (own.status, own.headers["Content-Type"]) == (200, "image/png")
    assert own.body == shared.library.file(first).read_bytes()
    kept = shared.ask("GET", f"/sdgen/images/{first}/file?download=1")
    assert kept.headers["Content-Disposition"].startswith(f'attachment; filename="sdgen-{first}.png"')
    for url, size in ((card["thumbs"]["small"], 256), (card["thumbs"]["large"], 512)):
        thumb = shared.ask("GET", url)
        assert (thumb.status, thumb.headers["Content-Type"], str(size) in url) == (200, "image/webp", True)
        assert "immutable" in thumb.headers["Cache-Control"]
    judgements = shared.ask("GET", "/sdgen/judgements")
    assert "attachment" in judgements.headers["Content-Disposition"]
    assert json.loads(judgements.body.splitlines()[0])["sdgen_judgements"] == 1
    rates = shared.ask("GET", "/sdgen/statistics/values?form=csv")
    assert rates.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert rates.body.startswith(b"group,placeholder,key")


def test_the_id_vector_is_packed(start):
    running = start(images=2)
    index = running.library.catalog.index
    number = index.put_session(session(running.root, "many"))
    index.put_images(number, [image("many", n) for n in range(20_000)])
    plain = running.ask("GET", "/sdgen/images/ids")
    packed = running.ask("GET", "/sdgen/images/ids", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 2
    ids = np.frombuffer(gzip.decompress(packed.body), "<i4")
    assert len(ids) == running.ask("GET", "/sdgen/images?limit=1").json["total"] == 20_004
    assert ids.tobytes() == plain.body


def test_what_has_not_changed_is_not_sent_again(start):
    running = start()
    for path in ("/sdgen/images", "/sdgen/facets", "/sdgen/images/ids", "/sdgen/statistics/values", "/sdgen/history"):
        running.ask("GET", path)  # the columns are read
        tag = running.ask("GET", path).headers["ETag"]
        assert running.ask("GET", path, **{"If-None-Match": tag}).status == 304
        running.ask("POST", "/sdgen/judge", {"ids": running.images[:1], "field": "note", "value": path})
        assert running.ask("GET", path, **{"If-None-Match": tag}).status == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/sdgen/images/999999", 404, "unknown-item"),
        ("/sdgen/images/none", 404, "unknown-item"),
        ("/sdgen/images/999999/file", 404, "unknown-item"),
        ("/sdgen/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd/file", 404, "unknown-item"),
        ("/sdgen/thumbs/0000000000000000-256.webp", 404, "unknown-item"),
        ("/sdgen/thumbs/..%2f..%2fuser-256.webp", 404, "unknown-item"),
        ("/sdgen/images?q=is:favorite", 400, "bad-query"),
        ("/sdgen/images?after=x", 400, "bad-request"),
        ("/sdgen/images?limit=0", 400, "bad-request"),
        ("/sdgen/images?limit=-1", 400, "bad-request"),
        ("/sdgen/images?page=2", 400, "bad-request"),
        ("/sdgen/images?q=a%00b", 400, "bad-request"),
        ("/sdgen/facets?placeholder=Nobody", 404, "unknown-item"),
        ("/sdgen/complete?field=Nobody", 400, "bad-query"),
        ("/sdgen/statistics/nobody", 404, "unknown-item"),
        ("/sdgen/statistics/values?by=colour", 400, "bad-request"),
        ("/sdgen/duplicates?distance=9", 400, "bad-request"),
        ("/sdgen/history?limit=1e3", 400, "bad-request"),
    ],
)
def test_errors_have_their_status(shared, path, status, code):
    reply = shared.ask("GET", path)
    assert reply.error == (status, code)
    fits(reply, "GET", path)


def test_clients_are_told_what_was_judged(start):
    running = start()
    connection = http.client.HTTPConnection(running.host, running.port, timeout=20)
    connection.request("GET", "/sdgen/events")
    stream = connection.getresponse()
    said: list[bytes] = []
    seen = threading.Event()

    def listen():
        for line in stream:
            said.append(line)
            if line.startswith(b"data:") and b"changed" in line:
                seen.set()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    images = running.images[:2]
    running.ask("POST", "/sdgen/judge", {"ids": images, "field": "mark", "value": "favourite"})
    assert seen.wait(10), said
    told = json.loads(said[-1].removeprefix(b"data:"))
    assert told["changed"] == images
    connection.close()


def test_a_broken_image_has_a_placeholder_and_stays_openable(start):
    running = start(images=1)
    path = running.library.file(running.images[0])
    path.write_bytes(path.read_bytes()[:60])
    running.scan()
    card = next(c for c in running.ask("GET", "/sdgen/images").json["images"] if c["id"] == running.images[0])
    thumb = running.ask("GET", card["thumbs"]["small"])
    assert thumb.status == 200
    assert "immutable" not in thumb.headers["Cache-Control"]
    assert Image.open(io.BytesIO(thumb.body)).format == "WEBP"
    assert running.ask("GET", f"/sdgen/images/{card['id']}/file").status == 200
