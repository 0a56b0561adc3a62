"""SDGen's routes inside a real ComfyUI: both addresses of each, who may ask, the document, and events."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request

import aiohttp
import pytest
from openapi_spec_validator import validate

WRITING = {"Content-Type": "application/json", "X-SDGen": "1"}
TOKEN = "long-and-secret"


def ask(url, path, body=None, **headers):
    """Status, headers and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {**(WRITING if data else {}), **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        said = error.read()
        return error.code, error.headers, json.loads(said) if said.startswith(b"{") else {}


@pytest.fixture(scope="module")
def images(stub):
    """The url of a ComfyUI with a few images in its catalog."""
    stub.wait(stub.press(stub.graph(4, name="routes"))["id"])
    for _ in range(200):
        if ask(stub.server.url, "/sdgen/images")[2]["total"] >= 4:
            return stub.server.url
    raise AssertionError("the images are not in the catalog")


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_the_document_is_served(stub, prefix):
    status, headers, document = ask(stub.server.url, f"{prefix}/sdgen/openapi.json")
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    validate(document)
    assert ask(stub.server.url, f"{prefix}/sdgen/openapi.json", **{"If-None-Match": headers["ETag"]})[0] == 304


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_reading_and_judging(images, prefix):
    status, headers, page = ask(images, f"{prefix}/sdgen/images?limit=2")
    assert status == 200 and len(page["images"]) == 2 and headers["X-Content-Type-Options"] == "nosniff"
    image = page["images"][0]
    body = {"ids": [image["id"]], "field": "mark", "value": "favourite"}
    assert ask(images, f"{prefix}/sdgen/judge", body)[0] == 200
    assert ask(images, f"{prefix}/sdgen/images?q=is:favourite")[2]["total"] == 1
    assert ask(images, f"{prefix}/sdgen/undo", {})[0] == 200
    assert ask(images, f"{prefix}/sdgen/images?q=is:favourite")[2]["total"] == 0
    for path in (f"/sdgen/images/{image['id']}/file", image["thumbs"]["small"]):
        with urllib.request.urlopen(f"{images}{prefix}{path}") as answer:
            assert answer.status == 200 and answer.headers["Content-Type"].startswith("image/")


def test_a_page_of_elsewhere_may_nothing(images):
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        for path, body in (("/sdgen/images", None), ("/api/sdgen/images", None), ("/sdgen/undo", {})):
            status, _, said = ask(images, path, body, **headers)
            assert status == 403 and said.get("error", "foreign-origin") in ("foreign-origin", "foreign-host")
    assert ask(images, "/sdgen/undo", {}, **{"Content-Type": "text/plain"})[2]["error"] == "bad-request"
    assert ask(images, "/sdgen/images", **{"Origin": images})[0] == 200


def test_events_come_by_the_websocket(images):
    async def told():
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{images}/ws?clientId=looking") as events:
            image = ask(images, "/sdgen/images?limit=1")[2]["images"][0]["id"]
            body = {"ids": [image], "field": "rating", "value": "4"}
            assert (await asyncio.to_thread(ask, images, "/sdgen/judge", body))[0] == 200
            async for message in events:
                event = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
                if event.get("type") == "sdgen.images" and image in event["data"]["changed"]:
                    return True

    assert asyncio.run(asyncio.wait_for(told(), 30))


def test_packed_answers_are_packed_once(stub_server):
    """ComfyUI can pack answers itself; then ours, which are packed already, stay as they are."""
    import gzip

    with stub_server(extra_args=["--enable-compress-response-body"]) as server:
        request = urllib.request.Request(f"{server.url}/sdgen/openapi.json", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers.get_all("Content-Encoding") == ["gzip"]
            assert "paths" in json.loads(gzip.decompress(answer.read()))


def test_others_need_the_token_to_write(stub_server, settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only chooses the way
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no network")
    server = stub_server(host="0.0.0.0")
    settings(server, gallery_token=TOKEN)
    with server:
        port = server.url.rpartition(":")[2]

        async def status(method, path, **headers):
            """Asked from the address of the network, as another machine would."""
            connector = aiohttp.TCPConnector(local_addr=(address, 0))
            async with aiohttp.ClientSession(connector=connector) as client:
                said = {**WRITING, **headers}
                async with client.request(method, f"http://127.0.0.1:{port}{path}", data="{}", headers=said) as answer:
                    return answer.status

        assert asyncio.run(status("GET", "/sdgen/images")) == 200
        assert asyncio.run(status("POST", "/sdgen/undo")) == 403
        assert asyncio.run(status("POST", "/sdgen/undo", Authorization="Bearer wrong")) == 403
        assert asyncio.run(status("POST", "/sdgen/undo", Authorization=f"Bearer {TOKEN}")) == 200
        assert ask(f"http://127.0.0.1:{port}", "/sdgen/undo", {})[0] == 200, "this machine needs none"
