"""What a session saves is in the catalog at once, with the facts that a later scan would find."""

from __future__ import annotations

import threading
import time

import pytest

from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.details import details
from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer

from .conftest import TEMPLATE, make_item, request


class Heard:
    """What a library told, and a way to wait for it."""

    def __init__(self, library):
        self.told = []
        self._came = threading.Condition()
        library.heard.append(self)

    def __call__(self, kind, data):
        with self._came:
            self.told.append((kind, data))
            self._came.notify_all()

    def wait(self, what, timeout=20.0):
        with self._came:
            assert self._came.wait_for(lambda: any(what(kind, data) for kind, data in self.told), timeout), self.told
        return next(data for kind, data in self.told if what(kind, data))

    def images(self, count):
        def ids():
            return [i for kind, data in self.told if kind == "images" for i in data["added"]]

        with self._came:
            assert self._came.wait_for(lambda: len(set(ids())) >= count, 20.0), self.told
        return list(dict.fromkeys(ids()))


def until(holds, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def library(make, tmp_path):
    sessions = make()
    made = Library(tmp_path / "catalog", [sessions.root])
    made.follow(sessions)
    made.sessions = sessions
    yield made
    made.stop()


def test_saved_images_arrive_with_everything_that_a_scan_finds(library):
    heard = Heard(library)
    sessions = library.sessions
    session = sessions.submit(request()).session.id
    sessions.begin(session)
    for idx in range(4):
        make_item(sessions, session, idx, size=2)
    ids = heard.images(8)
    store = library.catalog.index.store
    arrived = details(store, ids)
    assert [image["values"]["Colour"]["key"] for image in arrived] == ["r", "r", "g", "g", "b", "b", "w", "w"]
    assert {image["session"] for image in arrived} == {session}
    assert all(image["model"] == "m" and image["sampler"] and image["steps"] for image in arrived)
    sessions.finish_if_done(session)
    heard.wait(lambda kind, data: kind == "sessions")
    until(lambda: store.value("SELECT status FROM session") == "completed")
    until(lambda: not library._arrivals.folders())
    Importer(library.catalog.index).run([sessions.root], every=True)
    scanned = details(store, ids)
    assert scanned == arrived
    assert store.value("SELECT count(*) FROM image") == 8
    assert recount(library.catalog.index, repair=False) == []


def test_pixels_that_are_there_are_not_read_again(library, monkeypatch):
    heard = Heard(library)
    sessions = library.sessions
    session = sessions.submit(request()).session.id
    sessions.begin(session)
    monkeypatch.setattr(type(library.pictures.thumbs), "make_from_file", None)
    monkeypatch.setattr(type(library.pictures.thumbs), "_from_file", None)
    make_item(sessions, session, 0)
    make_item(sessions, session, 1)
    ids = heard.images(2)
    store = library.catalog.index.store
    until(lambda: store.value("SELECT count(*) FROM image WHERE phash IS NOT NULL") == 2)
    for image in details(store, ids):
        assert library.pictures.thumbs.has(image["thumb"])
        assert (image["width"], image["height"]) == (8, 8)  # of the pixels, whatever was ordered


def test_an_image_that_is_made_again_keeps_what_was_said(library):
    heard = Heard(library)
    sessions = library.sessions
    session = sessions.submit(request()).session.id
    sessions.begin(session)
    make_item(sessions, session, 0)
    (image,) = heard.images(1)
    library.catalog.judge([image], "mark", "favourite")
    make_item(sessions, session, 0)  # the same item once more, as after a crash
    until(lambda: len([k for k, d in heard.told if k == "images"]) >= 2)
    assert library.catalog.find("is:favourite")[0] == [image]


def test_a_session_that_is_extended_is_unfinished_again(library):
    sessions = library.sessions
    session = sessions.submit(request(TEMPLATE % 2)).session.id
    sessions.begin(session)
    for idx in range(2):
        make_item(sessions, session, idx)
    sessions.finish_if_done(session)
    facts = "SELECT status, planned, found_planned FROM session"
    store = library.catalog.index.store
    until(lambda: store.rows(facts) == [("completed", 2, 2)])
    more = sessions.submit(request(TEMPLATE % 4, on_existing="extend", name=session))
    assert more.added == 2
    sessions.begin(session)
    make_item(sessions, session, 2)
    until(lambda: store.rows(facts) == [("ongoing", 4, 3)])


def test_a_catalog_that_cannot_be_opened_stops_no_session(make, tmp_path, caplog):
    sessions = make()
    (tmp_path / "catalog").write_text("a file is in the way", encoding="utf-8")
    library = Library(tmp_path / "catalog", [sessions.root])
    library.follow(sessions)
    session = sessions.submit(request()).session.id
    sessions.begin(session)
    assert len(make_item(sessions, session, 0)) == 1
    until(lambda: "the catalog takes in what was saved later" in caplog.text)
    (tmp_path / "catalog").unlink()
    heard = Heard(library)
    make_item(sessions, session, 1)
    until(lambda: library.catalog.index.store.value("SELECT count(*) FROM image") == 2)
    heard.wait(lambda kind, data: kind == "images")
    library.stop()
