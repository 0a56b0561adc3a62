"""Exports over HTTP: ordered, watched, fetched, stopped; no path comes or goes, and nothing is left behind."""

from __future__ import annotations

import io
import time
import zipfile

from sdgen_core.server import gallery_export


def ready(running, ticket):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        now = running.ask("GET", f"/sdgen/export/{ticket}").json
        if now["state"] != "running":
            return now
        time.sleep(0.02)
    raise AssertionError("the export does not end")


def left(running):
    return [path.name for path in (running.library.folder / "exports").glob("*")]


def test_an_export_is_made_fetched_and_deleted(start):
    running = start()
    begun = running.ask("POST", "/sdgen/export", {"ids": running.images, "clean": True, "names": "number"})
    assert begun.status == 200 and begun.json["total"] == len(running.images)
    now = ready(running, begun.json["ticket"])
    assert (now["state"], now["done"], now["problem"]) == ("ready", len(running.images), "")
    reply = running.ask("GET", f"/sdgen/export/{begun.json['ticket']}.zip")
    assert reply.status == 200 and len(reply.body) == now["bytes"]
    assert reply.headers["Content-Type"] == "application/zip"
    assert reply.headers["Content-Disposition"].startswith('attachment; filename="sdgen-')
    assert len(zipfile.ZipFile(io.BytesIO(reply.body)).namelist()) == len(running.images) + 1
    assert running.ask("POST", "/sdgen/export/cancel", {"ticket": begun.json["ticket"]}).status == 200
    assert running.ask("GET", f"/sdgen/export/{begun.json['ticket']}.zip").error == (404, "unknown-item")
    assert left(running) == []


def test_what_a_query_finds_is_exported(start):
    running = start()
    found = running.ask("GET", "/sdgen/images/ids?form=json&q=number:0..1").json["total"]
    ticket = running.ask("POST", "/sdgen/export", {"q": "number:0..1"}).json["ticket"]
    assert ready(running, ticket)["total"] == found > 0
    assert running.ask("POST", "/sdgen/export", {"q": "number:99999"}).error == (400, "bad-request")
    assert running.ask("POST", "/sdgen/export", {"q": "rating:x"}).error == (400, "bad-query")
    assert running.ask("POST", "/sdgen/export", {"ids": [1], "q": "x"}).error == (400, "bad-request")
    assert running.ask("POST", "/sdgen/export", {"ids": [1], "names": "../x"}).error == (400, "bad-request")


def test_tickets_are_no_paths(start):
    running = start()
    for ticket in ("..%2f..%2findex.db", "x", "%00", "..%5c"):
        for address in (f"/sdgen/export/{ticket}", f"/sdgen/export/{ticket}.zip"):
            assert running.ask("GET", address).error in ((404, "unknown-item"), (400, "bad-request"))


def test_only_so_many_are_kept_and_only_for_so_long(start, monkeypatch):
    running = start()
    tickets = []
    for _ in range(gallery_export.MOST_KEPT + 1):
        tickets.append(running.ask("POST", "/sdgen/export", {"ids": running.images[:1]}).json["ticket"])
        ready(running, tickets[-1])
    assert running.ask("GET", f"/sdgen/export/{tickets[0]}").status == 404
    assert len(left(running)) == gallery_export.MOST_KEPT
    monkeypatch.setattr(gallery_export, "KEPT", -1.0)
    gallery_export.exports(running.library).sweep()
    assert left(running) == []


def test_what_an_earlier_process_left_is_deleted(tmp_path, monkeypatch):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "old.zip").write_bytes(b"x")
    gallery_export.Exports(tmp_path)
    assert (tmp_path / "exports" / "old.zip").exists()
    monkeypatch.setattr(gallery_export, "KEPT", -1.0)
    gallery_export.Exports(tmp_path)
    assert not (tmp_path / "exports" / "old.zip").exists()
