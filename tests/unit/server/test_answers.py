"""How answers come: ETags, packing, files, errors."""

from __future__ import annotations

import gzip
import os

import pytest

from .running import WRITING


def test_what_has_not_changed_is_not_answered_again(start, monkeypatch):
    running = start()
    running.ask("GET", "/sdgen/images?limit=2")  # SQLite counts the first look of a connection as a change
    first = running.ask("GET", "/sdgen/images?limit=2")
    tag = first.headers["ETag"]
    assert first.status == 200 and first.headers["Cache-Control"] == "no-cache"
    asked = []
    find = type(running.library.catalog.snapshot).find
    monkeypatch.setattr(
        type(running.library.catalog.snapshot), "find", lambda *all, **more: asked.append(1) or find(*all, **more)
    )
    again = running.ask("GET", "/sdgen/images?limit=2", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag) and not asked
    running.ask("POST", "/sdgen/judge", {"ids": running.images[:1], "field": "mark", "value": "favourite"})
    later = running.ask("GET", "/sdgen/images?limit=2", headers={"If-None-Match": tag})
    assert later.status == 200 and later.headers["ETag"] != tag and asked


def test_large_answers_are_packed_for_who_asks(shared):
    path = "/sdgen/openapi.json"
    plain = shared.ask("GET", path)
    assert "Content-Encoding" not in plain.headers and plain.headers["Vary"] == "Accept-Encoding"
    packed = shared.ask("GET", path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < len(plain.body) / 4
    assert gzip.decompress(packed.body) == plain.body and packed.headers["ETag"] == plain.headers["ETag"]
    for refused in ("gzip;q=0", "br", "identity"):
        assert "Content-Encoding" not in shared.ask("GET", path, headers={"Accept-Encoding": refused}).headers
    small = shared.ask("GET", "/sdgen/import", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    head = shared.ask("HEAD", path, headers={"Accept-Encoding": "gzip"})
    assert (head.status, head.body) == (200, b"")


def test_files_come_whole_whatever_their_size(start):
    running = start()
    path = running.root / "one" / "mine_0000_seed-40.png"
    image = running.library.catalog.index.store.rows(
        "SELECT image.id FROM image JOIN session s ON s.id=session WHERE file=? AND s.folder=?",
        (path.name, str(path.parent)),
    )[0][0]
    png = path.read_bytes()
    for size in (len(png), 256 << 10, (256 << 10) + 1, 5_000_000):
        content = png + os.urandom(size - len(png))
        path.write_bytes(content)
        reply = running.ask("GET", f"/sdgen/images/{image}/file")
        assert reply.status == 200 and reply.body == content
        assert reply.headers["Content-Length"] == str(size) and reply.headers["Content-Type"] == "image/png"
        assert reply.headers["Cache-Control"] == "no-cache" and "Content-Disposition" not in reply.headers
        again = running.ask("GET", f"/sdgen/images/{image}/file", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        head = running.ask("HEAD", f"/sdgen/images/{image}/file")
        assert (head.status, head.headers["Content-Length"], head.body) == (200, str(size), b"")
    kept = running.ask("GET", f"/sdgen/images/{image}/file?download=true")
    assert kept.headers["Content-Disposition"].startswith("attachment; filename=")
    path.unlink()
    assert running.ask("GET", f"/sdgen/images/{image}/file").error == (404, "missing-file")


def test_a_reader_who_leaves_leaves_nothing_open(start, caplog):
    psutil = pytest.importorskip("psutil")
    running = start()
    path = running.root / "one" / "mine_0000_seed-40.png"
    path.write_bytes(path.read_bytes() + os.urandom(30_000_000))
    ask = b"GET /sdgen/images/%d/file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    import socket
    import time

    for image in running.images:
        with socket.create_connection((running.host, running.port)) as connection:
            connection.sendall(ask % image)
            connection.recv(1000)
    deadline = time.monotonic() + 10
    while any(file.path == str(path) for file in psutil.Process().open_files()):
        assert time.monotonic() < deadline, "the file stays open"
        time.sleep(0.05)
    assert not caplog.records
    assert running.ask("GET", "/sdgen/images").status == 200


def test_thumbnails_are_for_ever(shared):
    card = shared.ask("GET", "/sdgen/images?limit=1").json["images"][0]
    for url in card["thumbs"].values():
        reply = shared.ask("GET", url)
        assert reply.status == 200 and reply.headers["Content-Type"] == "image/webp"
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/sdgen/images?limt=3", None, ("limt", "limit")),
        ("GET", "/sdgen/images?limit=x", None, ("limit", "integer", "'x'")),
        ("GET", "/sdgen/images?limit=1&limit=2", None, ("limit", "twice")),
        ("POST", "/sdgen/judge", {"id": [1]}, ("id", "ids")),
        ("POST", "/sdgen/judge", {"ids": ["1"], "field": "mark", "value": None}, ("ids.0", "integer")),
        ("POST", "/sdgen/judge", {"ids": [1], "value": None}, ("field", "missing")),
        ("POST", "/sdgen/undo", {"steps": 3}, ("steps", "no fields")),
        ("POST", "/sdgen/sessions/x/pause", {"now": True}, ("now", "no fields")),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(shared, method, path, body, words):
    reply = shared.ask(method, path, body)
    assert reply.error == (400, "bad-request")
    assert all(word in str(reply.json) for word in words), reply.json


def test_an_empty_body_is_an_empty_object(shared):
    for body in (b"", b"{}", b" \n"):
        assert shared.ask("POST", "/sdgen/undo", body, WRITING).status == 200


def test_what_is_comfyuis_is_said(shared):
    asked = (("GET", "/sdgen/sessions"), ("GET", "/sdgen/sessions/x/sheet"), ("GET", "/sdgen/templates"))
    for method, path in (*asked, ("POST", "/sdgen/sessions/x/pause"), ("POST", "/sdgen/templates/themes")):
        assert shared.ask(method, path, {} if method == "POST" else None).error == (404, "needs-comfyui")


def test_an_address_that_is_none(shared):
    assert shared.ask("GET", "/sdgen/nothing").error == (404, "unknown-route")
    assert shared.ask("GET", "/sdgen/").error == (404, "unknown-route")
    for method, path in (("DELETE", "/sdgen/images"), ("POST", "/sdgen/images"), ("GET", "/sdgen/undo"), ("PUT", "/")):
        reply = shared.ask(method, path, {} if method == "POST" else None)
        assert reply.error == (405, "wrong-method") and reply.headers["Allow"], (method, path)
