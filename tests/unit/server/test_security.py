"""What a stranger, a foreign page or a broken client may try: each is really tried over a real port."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sqlite3
import threading
import zlib

import pytest
from PIL import Image

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.server import table

from ..catalog.folders import own_session
from .running import WRITING

MARK = {"ids": [1], "field": "mark", "value": "favourite"}


def state(running):
    """Everything that the library keeps, row by row, and the files of its folders."""
    rows = []
    for name in ("user.db", "index.db"):
        with contextlib.closing(sqlite3.connect(running.library.folder / name)) as db:
            rows += list(db.iterdump())
    files = {str(path): path.stat().st_mtime_ns for path in running.root.rglob("*")}
    return rows, files


# ---- names and paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["/sdgen/images/{}/file", "/sdgen/images/{}", "/sdgen/images/{}/metadata"])
@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fuser.db",
        "..%5c..%5cuser.db",
        "C:",
        "C:%5cWindows%5cwin.ini",
        "%5c%5cserver%5cshare",
        "%2f%2fserver%2fshare",
        "/etc/passwd",
        "%00",
        "1%00.png",
        "-1",
        "0",
        "1e3",
        "9" * 5000,
        "%ff%fe",
        "%ed%a0%80",
        "%ef%bc%91",
        "NUL",
        "CON.png",
    ],
)
def test_an_id_leads_to_nothing_but_images(shared, pattern, name):
    reply = shared.ask("GET", pattern.format(name))
    assert reply.status in (400, 404) and reply.json["error"] in ("unknown-item", "unknown-route", "bad-request")
    assert str(shared.root).encode() not in reply.body and b"root:" not in reply.body


@pytest.mark.parametrize(
    "name",
    [
        "../../user.db",
        "..%2f..%2fuser",
        "%2e%2e%2fuser",
        "C:x",
        "%5c%5cserver%5cshare",
        "0" * 32 + "%00",
        "%00",
        "0" * 31 + "/",
        "*",
        "?",
    ],
)
@pytest.mark.parametrize("size", ["256", "-1", "0", "99999", "256%00", "../256"])
def test_a_key_leads_to_nothing_but_thumbnails(shared, name, size):
    reply = shared.ask("GET", f"/sdgen/thumbs/{name}-{size}.webp")
    assert reply.status in (400, 404) and str(shared.root).encode() not in reply.body


def test_links_lead_out_of_no_folder(start):
    running = start()
    secret = running.root.parent / "secret.png"
    secret.write_bytes((running.root / "one" / "mine_0000_seed-40.png").read_bytes())
    image = running.library.catalog.index.store.rows("SELECT id FROM image WHERE file LIKE '%0000%'")[0][0]
    assert running.ask("GET", f"/sdgen/images/{image}/file").status == 200
    for session in ("one", "two"):
        own = running.root / session / "mine_0000_seed-40.png"
        own.unlink()
        try:
            own.symlink_to(secret)
        except OSError:
            pytest.skip("this system lets nobody make links")
    reply = running.ask("GET", f"/sdgen/images/{image}/file")
    assert reply.error == (404, "missing-file") and str(running.root.parent) not in reply.json["message"]


def test_a_folder_whose_name_begins_alike_is_another_one(tmp_path):
    """``out-secret`` is not in ``out``, though its path begins with the same letters."""
    own_session(tmp_path / "out-secret" / "one", 1)
    library = Library(tmp_path / "catalog", [tmp_path / "out"])
    (tmp_path / "out").mkdir()
    try:
        index = library.catalog.index
        Importer(index).run([tmp_path / "out-secret"])
        with index.store.write() as db:
            db.execute("UPDATE session SET root=?", (str(tmp_path / "out"),))
        with pytest.raises(SDGenError) as caught:
            library.file(1)
        assert caught.value.code == "missing-file"
    finally:
        library.stop()


# ---- pages of others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain", "X-SDGen": "1"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json"},
        {"X-SDGen": "1"},
        {},
    ],
)
def test_a_form_of_another_page_changes_nothing(shared, headers):
    before = state(shared)
    reply = shared.ask("POST", "/sdgen/judge", MARK, headers)
    assert reply.error == (400, "bad-request") and "X-SDGen" in reply.json["message"]
    assert state(shared) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "file://"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}@evil.example"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_a_foreign_origin_is_refused(shared, headers):
    said = {name: value.replace("{port}", str(shared.port)) for name, value in headers.items()}
    before = state(shared)
    assert shared.ask("POST", "/sdgen/judge", MARK, {**WRITING, **said}).error == (403, "foreign-origin")
    assert state(shared) == before
    if "Sec-Fetch-Mode" not in said:
        assert shared.ask("GET", "/sdgen/images", headers=said).error == (403, "foreign-origin")


def test_our_own_pages_may_ask(shared):
    said = {"Origin": f"http://127.0.0.1:{shared.port}", "Sec-Fetch-Site": "same-origin"}
    assert shared.ask("POST", "/sdgen/judge", {**MARK, "value": None}, {**WRITING, **said}).status == 200
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert shared.ask("GET", "/", headers=linked).status == 200, "a link may lead here"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost.evil.example", "", "127.0.0.1.evil.example:{port}", "["]
)
def test_a_name_that_was_made_to_lead_here_is_refused(shared, host):
    name = host.replace("{port}", str(shared.port))
    for method, path, said in (("GET", "/sdgen/images", {}), ("GET", "/", {}), ("POST", "/sdgen/judge", WRITING)):
        reply = shared.ask(method, path, MARK if said else None, {**said, "Host": name})
        assert reply.status in (400, 403), (method, path)
        assert reply.status == 400 or reply.json["error"] == "foreign-host"
    if name:
        origin = {"Origin": f"http://{name}", "Host": name}
        assert shared.ask("POST", "/sdgen/judge", MARK, {**WRITING, **origin}).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{port}", "127.0.0.1", "[::1]:{port}", "a.localhost"])
def test_names_of_this_machine_are_good(shared, host):
    reply = shared.ask("GET", "/sdgen/images", headers={"Host": host.replace("{port}", str(shared.port))})
    assert reply.status == 200


def test_reading_changes_nothing(start):
    running = start()
    running.ask("POST", "/sdgen/judge", {**MARK, "ids": running.images[:2]})
    image = running.images[0]
    key = running.library.catalog.index.store.value("SELECT thumb FROM image WHERE id=?", (image,))
    # The first thumbnail decodes the image, and what that tells is written down, as the work behind would have done.
    assert running.ask("GET", f"/sdgen/thumbs/{key}-256.webp").status == 200
    before = state(running)
    slug = running.library.catalog.index.store.value("SELECT slug FROM session LIMIT 1")
    parts = {
        "id": image,
        "session": "one",
        "other": "two",
        "slug": slug,
        "key": key,
        "size": 256,
        "table": "values",
        "ticket": "x" * 22,
        "run": "abcdefgh",
        "dataset": "mine",
        "loop": "mine",
    }
    asked = []
    for route in table.TABLE:
        if route.method == "GET":
            path = route.path.format(**parts)
            for method in ("GET", "HEAD"):
                reply = running.ask(method, path)
                assert reply.status in (200, 400, 404), (method, path, reply.body)
                asked.append((path, reply.status))
    assert sum(status == 200 for _, status in asked) > 20, asked
    for path in ("/sdgen/judge", "/sdgen/undo", "/sdgen/redo", "/sdgen/import/cancel"):
        assert running.ask("GET", path, headers=WRITING).status in (404, 405)
    assert state(running) == before


# ---- the token -------------------------------------------------------------------------------------------------------------

TOKEN = "long-and-secret"


def test_a_token_is_needed_by_everybody_and_for_everything(start):
    running = start(token=TOKEN)
    for path in ("/", "/sdgen/images", "/sdgen/openapi.json", "/sdgen/events", "/sdgen/images/1/file"):
        reply = running.ask("GET", path)
        assert reply.error == (401, "token-needed") and reply.headers["WWW-Authenticate"].startswith("Bearer")
        for wrong in ("Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
            said = wrong.encode().decode("latin-1")
            assert running.ask("GET", path, headers={"Authorization": said}).status == 401, wrong
    assert running.ask("POST", "/sdgen/undo", {}).status == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert running.ask("GET", "/sdgen/images", headers=bearer).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, {**WRITING, **bearer}).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, bearer).error == (400, "bad-request")
    foreign = {**WRITING, **bearer, "Origin": "https://evil.example"}
    assert running.ask("POST", "/sdgen/undo", {}, foreign).error == (403, "foreign-origin")
    thumb = running.ask("GET", "/sdgen/images?limit=1", headers=bearer).json["images"][0]["thumbs"]["small"]
    kept = running.ask("GET", thumb, headers=bearer).headers["Cache-Control"]
    assert "private" in kept and "public" not in kept
    proxied = {**bearer, "Host": "pictures.example", "X-Forwarded-For": "10.1.2.3"}
    assert running.ask("GET", "/sdgen/images", headers=proxied).status == 200, "a proxy that has the token"


def test_a_browser_keeps_the_token_where_no_script_reads_it(start):
    running = start(token=TOKEN)
    for path in ("/?token=wrong", "/sdgen/login?token=wrong", "/sdgen/login"):
        reply = running.ask("GET", path)
        assert reply.error == (403, "wrong-token") and "Set-Cookie" not in reply.headers
    reply = running.ask("GET", f"/?token={TOKEN}")
    assert reply.status == 303 and "token" not in reply.headers["Location"]
    cookie = reply.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/")) and TOKEN not in cookie
    kept = {"Cookie": cookie.partition(";")[0]}
    assert running.ask("GET", "/", headers=kept).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, {**WRITING, **kept}).status == 200
    assert running.ask("GET", "/", headers={"Cookie": f"sdgen_token={TOKEN}"}).status == 401
    foreign = {**WRITING, **kept, "Sec-Fetch-Site": "cross-site"}
    assert running.ask("POST", "/sdgen/undo", {}, foreign).error == (403, "foreign-origin")


def test_without_a_token_there_is_no_login(shared):
    for path in ("/?token=", "/?token=x", "/sdgen/login?token="):
        assert shared.ask("GET", path).error == (403, "wrong-token")


def test_a_proxied_request_is_not_one_of_this_machine(shared):
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        reply = shared.ask("POST", "/sdgen/undo", {}, {**WRITING, name: "127.0.0.1"})
        assert reply.error == (403, "write-refused")


# ---- what is too much ------------------------------------------------------------------------------------------------------


def test_a_huge_body_is_not_read(shared):
    head = "POST /sdgen/judge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-SDGen: 1\r\n"
    said = shared.raw(f"{head}Content-Length: 9999999999\r\n\r\n{{".encode(), timeout=1)
    assert b" 413 " in said.split(b"\r\n")[0] and b"body-too-large" in said


def test_a_chunked_body_ends_at_the_limit(shared):
    head = "POST /sdgen/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-SDGen: 1\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with socket.create_connection((shared.host, shared.port), timeout=5) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        with contextlib.suppress(ConnectionError):
            for _ in range(16):  # one more goes over 1 MiB; the body never ends
                connection.sendall(chunk)
                sent += 65536
            connection.sendall(chunk)
        assert b" 413 " in connection.recv(65536)


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}garbage\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: 2, 3\r\n\r\n{}",
    ],
)
def test_a_body_that_is_no_http_is_refused(shared, rest, caplog):
    head = b"POST /sdgen/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-SDGen: 1\r\n"
    parts = rest.partition(b"\r\n\r\n")
    for pieces in ((head + rest,), (head + parts[0] + parts[1], parts[2])):
        said = shared.raw(*pieces, timeout=1)
        # aiohttp answers what it cannot read, or waits with the one who sent it for the rest of the body
        assert b" 400 " in said.split(b"\r\n")[0] or (not said and len(pieces) == 2), said
    assert not [record for record in caplog.records if record.name == "sdgen"]
    assert shared.ask("GET", "/sdgen/images").status == 200


def test_who_leaves_amid_a_body_leaves_nothing(shared, caplog):
    head = b"POST /sdgen/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-SDGen: 1\r\n"
    for _ in range(5):
        with socket.create_connection((shared.host, shared.port), timeout=5) as connection:
            connection.sendall(head + b"Content-Length: 1000\r\n\r\n{")
    assert shared.ask("GET", "/sdgen/images").status == 200
    assert not caplog.records


def test_a_packed_body_is_not_unpacked(shared):
    packer = zlib.compressobj(wbits=31)
    body = packer.compress(b" " * (64 << 20)) + packer.flush()
    reply = shared.ask("POST", "/sdgen/undo", body, {**WRITING, "Content-Encoding": "gzip"})
    assert reply.error == (400, "bad-request")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 390_000,
        b'{"a":' * 60_000 + b"1" + b"}" * 60_000,
        b'{"ids": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"ids": [NaN]}',
        b'{"ids": [1e999]}',
        b'{"ids": [' + b"9" * 100_000 + b"]}",
        b'{"ids": [-1]}',
        b'{"ids": [9223372036854775808]}',
        b'{"ids": [1], "field": "note", "value": "\\ud800"}',
        b'{"ids": [1], "field": "note", "value": "a\xff"}',
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"{}{}",
        b'{"ids": [1], "field": "mark", "value": "x\\u0000"}',
        b'{"ids": [1], "field": "tag/a\\u0000b", "value": "yes"}',
    ],
)
def test_a_body_that_is_no_request_is_a_bad_request(shared, body):
    before = state(shared)
    reply = shared.ask("POST", "/sdgen/judge", body)
    assert reply.error == (400, "bad-request")
    assert len(reply.body) < 2000
    assert state(shared) == before


@pytest.mark.parametrize("limit", ["-1", "0", "99999999", "1e3", "9" * 400, "-0", "%00", "", "1&limit=2", "%ef%bc%91"])
def test_a_limit_is_held(shared, limit):
    reply = shared.ask("GET", f"/sdgen/images?limit={limit}")
    assert reply.status == 400 and reply.json["error"] == "bad-request" and "limit" in reply.json["message"]


@pytest.mark.parametrize(
    "query",
    ["rating:99999999999999999999", '"' * 999, "(" * 999, "%22%00", "'; DROP TABLE image; --", "* NOT", "a" * 3000],
)
def test_a_query_is_parsed_never_run(shared, query):
    from urllib.parse import quote

    reply = shared.ask("GET", f"/sdgen/images?q={quote(query, safe='%')}")
    assert reply.status in (200, 400), reply.body
    assert shared.ask("GET", "/sdgen/images").json["total"] == 6


def test_many_idle_connections_keep_nobody_waiting(shared):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection((shared.host, shared.port), timeout=5))
            connection.sendall(b"POST /sdgen/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-SDGen: 1\r\nContent-Type: appli")
        assert shared.ask("GET", "/sdgen/images").status == 200


# ---- what is shown ---------------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


def test_html_in_names_and_prompts_stays_text(start, monkeypatch):
    monkeypatch.setattr(
        "sdgen_core.server.app.page_file", lambda name, packs: None
    )  # the page that is made by the server
    running = start()
    with running.library.catalog.index.store.write() as db:
        db.execute("UPDATE session SET name=?", (HOSTILE,))
        db.execute("UPDATE prompt SET positive=?", (HOSTILE,))
    page = running.ask("GET", "/")
    assert b"<script" not in page.body and b"<img" not in page.body and b"&lt;script&gt;" in page.body
    policy = page.headers["Content-Security-Policy"]
    assert (
        "default-src 'none'" in policy
        and "script" not in policy
        and page.headers["X-Content-Type-Options"] == "nosniff"
    )
    assert b"http://" not in page.body and b"https://" not in page.body, "nothing of elsewhere"
    for path in ("/sdgen/images", f"/sdgen/images/{running.images[0]}", "/sdgen/statistics/sessions"):
        reply = running.ask("GET", path)
        assert (
            reply.headers["Content-Type"] == "application/json" and reply.headers["X-Content-Type-Options"] == "nosniff"
        )
    reply = running.ask("GET", f"/sdgen/nothing/{HOSTILE.replace(' ', '%20')}")
    assert reply.status == 404 and reply.headers["Content-Type"].startswith("application/json")


def test_files_that_are_no_images_are_kept_not_shown(start):
    running = start()
    path = running.root / "one" / "mine_0000_seed-40.png"
    image = running.library.catalog.index.store.rows(
        "SELECT image.id FROM image JOIN session s ON s.id=session WHERE file=? AND s.folder=?",
        (path.name, str(path.parent)),
    )[0][0]
    for content in (b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"):
        path.write_bytes(content)
        reply = running.ask("GET", f"/sdgen/images/{image}/file")
        assert reply.status == 200 and reply.body == content
        assert reply.headers["Content-Disposition"].startswith("attachment")
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in reply.headers["Content-Security-Policy"]


def test_a_decompression_bomb_is_a_placeholder(start):
    running = start()
    bomb = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(bomb, "PNG")
    path = running.root / "one" / "mine_0000_seed-40.png"
    path.write_bytes(bomb.getvalue())
    os.utime(path, (1, 1))
    image, key = running.library.catalog.index.store.rows(
        "SELECT image.id, thumb FROM image JOIN session s ON s.id=session WHERE file=? AND s.folder=?",
        (path.name, str(path.parent)),
    )[0]
    reply = running.ask("GET", f"/sdgen/thumbs/{key}-256.webp")
    assert reply.status == 200 and reply.headers["Content-Type"] == "image/webp"
    assert max(Image.open(io.BytesIO(reply.body)).size) <= 512
    assert "immutable" not in reply.headers["Cache-Control"]
    assert running.ask("GET", f"/sdgen/images/{image}/file").status == 200, "the file can still be opened"


def test_what_goes_wrong_is_told_to_the_log_only(start, caplog, monkeypatch):
    running = start()
    secret = "secret-of-the-machine"

    def broken(*asked, **more):
        raise ZeroDivisionError(secret)

    monkeypatch.setattr(type(running.library.catalog.snapshot), "find", broken)
    reply = running.ask("GET", "/sdgen/images")
    assert (
        reply.error == (500, "internal-error") and secret not in str(reply.json) and "Traceback" not in str(reply.json)
    )
    assert any(secret in str(record.exc_info) for record in caplog.records)


def test_a_locked_catalog_is_said(start, monkeypatch):
    running = start()

    def locked(*asked, **more):
        raise SDGenError("catalog-locked", "another program writes")

    monkeypatch.setattr(running.library.catalog, "judge", locked)
    reply = running.ask("POST", "/sdgen/judge", {**MARK, "ids": running.images[:1]})
    assert reply.error == (503, "catalog-locked") and reply.headers["Retry-After"]


def test_json_of_errors_holds_no_paths_of_this_machine(start):
    running = start()
    for path in list(running.root.rglob("*.png")):
        path.unlink()
    for image in running.images:
        for what in ("file", "metadata"):
            reply = running.ask("GET", f"/sdgen/images/{image}/{what}")
            assert reply.status in (400, 404) and str(running.root.parent) not in json.dumps(reply.json)


def test_slow_questions_keep_nobody_waiting(start, monkeypatch):
    from sdgen_core.catalog.stats import report

    running = start()
    go, begun = threading.Event(), threading.Semaphore(0)

    def patient(*asked, **more):
        begun.release()
        assert go.wait(20)
        raise SDGenError("bad-query", "enough")

    monkeypatch.setattr(report, "rows_of", patient)
    threads = [
        threading.Thread(target=running.ask, args=("GET", f"/sdgen/statistics/values?limit={n}")) for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    try:
        assert begun.acquire(timeout=10)
        assert running.ask("GET", "/sdgen/images").status == 200
        assert running.ask("POST", "/sdgen/undo", {}).status == 200
    finally:
        go.set()
        for thread in threads:
            thread.join()
