"""The work behind a library: folders read and watched, thumbnails and hashes made, nothing while somebody renders."""

from __future__ import annotations

import threading
import time

import pytest
from PIL import Image

from sdgen_core.catalog import background
from sdgen_core.catalog.library import Library
from sdgen_core.catalog.pictures.shrink import SIZES, SMALL, placeholder
from sdgen_core.errors import SDGenError

from .folders import own_session, png


def until(holds, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    own_session(folder / "20260102_030405-mine", 5)
    return folder


@pytest.fixture
def opened(tmp_path, root, monkeypatch):
    monkeypatch.setattr(background, "_PERIOD", 0.05)
    monkeypatch.setattr(background, "_BUSY_PERIOD", 0.05)
    made = []

    def open_library(*roots, **options):
        library = Library(tmp_path / "catalog", roots or [root], **options)
        made.append(library)
        return library

    yield open_library
    for library in made:
        library.stop()


def value(library, sql):
    return library.catalog.index.store.value(sql)


def test_everything_is_read_and_made_by_itself(opened, root):
    library = opened()
    told = []
    library.heard.append(lambda kind, data: told.append((kind, data)))
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image WHERE phash IS NOT NULL") == 5)
    until(lambda: not library.progress()["running"])
    for (key,) in library.catalog.index.store.rows("SELECT thumb FROM image"):
        for size in SIZES:
            with Image.open(library.thumbnail(key, size)) as image:
                assert image.size == (8, 16)
    last = [data for kind, data in told if kind == "import"][-1]
    assert (last["sessions"], last["images"], last["running"], last["errors"]) == (1, 5, False, [])


def test_files_that_come_and_go_are_noticed(opened, root):
    library = opened()
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image") == 5)
    png(root / "20260102_030405-mine" / "mine_0009_seed-49.png")
    own_session(root / "20260103_030405-more", 2, session="otherotherr")
    until(lambda: value(library, "SELECT count(*) FROM image") == 8)
    (root / "20260102_030405-mine" / "mine_0009_seed-49.png").unlink()
    until(lambda: value(library, "SELECT sum(missing) FROM image") == 1)


def test_nothing_is_made_while_somebody_renders(opened):
    rendering = threading.Event()
    rendering.set()
    library = opened(busy=rendering.is_set)
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image") == 5)  # read all the same, slowly
    until(lambda: not library.progress()["running"])
    time.sleep(0.3)
    assert value(library, "SELECT count(phash) FROM image") == 0
    (key,) = library.catalog.index.store.rows("SELECT thumb FROM image LIMIT 1")[0]
    assert library.thumbnail(key, SMALL).is_file()  # what somebody looks at is made
    assert value(library, "SELECT count(phash) FROM image") == 1
    rendering.clear()
    until(lambda: value(library, "SELECT count(phash) FROM image") == 5)


def test_files_are_known_by_all_of_their_bytes_in_the_end(opened, tmp_path):
    loose = tmp_path / "loose"
    png(loose / "a.png", colour=3)
    library = opened(loose)
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image WHERE hashed=1") == 1)
    image = value(library, "SELECT id FROM image")
    library.catalog.judge([image], "mark", "favourite")
    with (loose / "a.png").open("rb") as file:
        data = file.read()
    (loose / "a.png").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "renamed.png").write_bytes(data)
    library.stop()
    (tmp_path / "catalog" / "index.db").unlink()
    again = opened(tmp_path / "elsewhere")
    again.start()
    until(lambda: again.catalog.find("is:favourite")[0] != [])


def test_a_broken_image_has_a_placeholder_and_is_tried_once(opened, root):
    path = root / "20260102_030405-mine" / "mine_0001_seed-41.png"
    path.write_bytes(path.read_bytes()[:60])
    library = opened()
    library.start()
    until(lambda: value(library, "SELECT count(phash) FROM image") == 4)
    until(lambda: value(library, "SELECT sum(broken) FROM image") == 1)
    key = value(library, "SELECT thumb FROM image WHERE broken=1")
    assert library.thumbnail(key, SMALL) == placeholder(SMALL)
    image = value(library, "SELECT id FROM image WHERE broken=1")
    assert library.file(image) == path  # it can be opened all the same


def test_an_import_can_be_cancelled_and_asked_for_again(opened, root):
    for n in range(30):
        own_session(root / f"202601{n + 1:02}_040506-s{n}", 2, session=f"session{n:04}")
    library = opened()
    told = []

    def cancel(kind, data):
        told.append(data)
        library.cancel_import()

    library.heard.append(cancel)
    library.start()
    until(lambda: told and not library.progress()["running"])
    assert library.progress()["cancelled"]
    library.heard.clear()
    assert library.import_now()["running"]
    until(lambda: not library.progress()["running"])
    assert not library.progress()["cancelled"]
    assert value(library, "SELECT count(*) FROM image") == 65


def test_thumbnails_take_no_more_than_they_may(opened, monkeypatch):
    monkeypatch.setattr("sdgen_core.catalog.pictures.maker._LOOK", 1)
    library = opened(max_thumbs=1)
    library.start()
    until(lambda: value(library, "SELECT count(phash) FROM image") == 5)
    until(lambda: library.pictures.thumbs.size_bytes() <= 1)
    key = value(library, "SELECT thumb FROM image LIMIT 1")
    assert library.thumbnail(key, SMALL).is_file()  # made again for who looks at it


def test_files_outside_of_the_roots_are_not_given(opened, root, tmp_path):
    secret = tmp_path / "root-secret"
    png(secret / "s.png")
    library = opened()
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image") == 5)
    image, file = library.catalog.index.store.rows("SELECT id, file FROM image LIMIT 1")[0]
    path = root / "20260102_030405-mine" / file
    path.unlink()
    path.symlink_to(secret / "s.png")
    with pytest.raises(SDGenError) as caught:
        library.file(image)
    assert caught.value.code == "missing-file"
    with pytest.raises(SDGenError) as caught:
        library.file(999)
    assert caught.value.code == "unknown-item"
    with pytest.raises(ValueError):
        library.thumbnail("../../etc/passwd", SMALL)
    with pytest.raises(SDGenError):
        library.thumbnail("0" * 32, SMALL)


def test_what_was_taken_out_of_the_trash_is_an_image_again(opened, root):
    library = opened()
    library.start()
    until(lambda: value(library, "SELECT count(*) FROM image") == 5 and not library.progress()["running"])
    image, file = library.catalog.index.store.rows("SELECT id, file FROM image LIMIT 1")[0]
    path = root / "20260102_030405-mine" / file
    kept = path.read_bytes()
    library.catalog.judge([image], "mark", "trash")
    assert library.trash.empty([image], permanently=True).removed == [image]
    assert (
        not path.exists()
        and file in (path.parent / "manifest.json").read_text(encoding="utf-8").partition('"removed"')[2]
    )
    path.write_bytes(kept)
    library.import_now(every=True)
    until(lambda: value(library, f"SELECT removed + missing FROM image WHERE id={image}") == 0)
    until(lambda: '"removed"' not in (path.parent / "manifest.json").read_text(encoding="utf-8"))
