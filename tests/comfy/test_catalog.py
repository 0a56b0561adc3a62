"""What a real ComfyUI saves is in the catalog, and whoever watches is told at once."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import aiohttp

from sdgen_core.catalog.pictures.thumbs import Thumbs


def index_of(server):
    return server.base / "user" / "sdgen" / "catalog" / "index.db"


def rows(server, sql, *values):
    with sqlite3.connect(f"file:{index_of(server)}?mode=ro", uri=True) as db:
        return db.execute(sql, values).fetchall()


async def told(url, kind, until, start, timeout=60):
    """The data of the events of a kind, from ``start()`` until ``until(data)``."""
    out = []

    async def listen():
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/ws?clientId=watching") as socket:
            await asyncio.get_running_loop().run_in_executor(None, start)
            async for message in socket:
                event = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
                if event.get("type") == kind:
                    out.append(event["data"])
                    if until(out):
                        return

    await asyncio.wait_for(listen(), timeout)
    return out


def test_images_are_there_when_their_event_is(stub):
    reports = []

    def start():
        reports.append(stub.press(stub.graph(6, name="arrive")))

    def whole(events):
        return len({image for event in events for image in event["added"]}) >= 6

    events = asyncio.run(told(stub.server.url, "sdgen.images", whole, start))
    ids = sorted({image for event in events for image in event["added"]})
    session = reports[0]["id"]
    assert {event["session"] for event in events} == {session}
    found = rows(stub.server, f"SELECT file, number, seed, missing FROM image WHERE id IN ({','.join(map(str, ids))})")
    assert sorted(found, key=lambda row: row[1]) == [
        (f"arrive_{n:04d}_seed-{1000 + n}.png", n, 1000 + n, 0) for n in range(6)
    ]


def test_a_session_of_this_comfyui_is_whole_in_the_catalog(stub, wait_until):
    report = stub.press(stub.graph(5, name="whole"))
    status = stub.wait(report["id"])
    facts = "SELECT status, planned, found_planned, images FROM session WHERE slug=?"
    wait_until(
        lambda: rows(stub.server, facts, report["id"]) == [("completed", 5, 5, 5)], "the session's facts in the catalog"
    )
    unmade = "SELECT count(*) FROM image WHERE session=(SELECT id FROM session WHERE slug=?) AND phash IS NULL"
    wait_until(lambda: rows(stub.server, unmade, report["id"]) == [(0,)], "the hashes of all images")
    thumbs = Thumbs(index_of(stub.server).parent / "thumbs")
    for key, folder in rows(stub.server, "SELECT thumb, folder FROM image JOIN session ON session.id = session"):
        if Path(folder) == Path(status["folder"]):
            assert thumbs.has(key)


def test_sessions_made_before_are_found_at_the_start(stub_server, wait_until, tmp_path):
    server = stub_server(tmp_path / "base")
    old = server.base / "output" / "sdgen" / "20250101_120000-old"
    source = Path(__file__).parents[1] / "data" / "sessions" / "20261122_142121-Plain_Run_One"
    old.parent.mkdir(parents=True)
    shutil.copytree(source, old)
    with server:
        made = "SELECT count(*) FROM sqlite_master WHERE name='image_unseen'"
        wait_until(lambda: index_of(server).is_file() and rows(server, made) == [(1,)], "the catalog's tables")
        wait_until(lambda: rows(server, "SELECT count(*) FROM session WHERE images > 0") == [(1,)], "the old session")
