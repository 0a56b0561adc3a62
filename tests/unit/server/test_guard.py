"""Who may do what inside ComfyUI: this machine all, others read, and write with the token."""

from __future__ import annotations

import socket

import pytest

from sdgen_core.server.guard import is_loopback

from .running import WRITING

TOKEN = "long-and-secret"


@pytest.fixture
def elsewhere():
    """An address of this machine that is not its own loopback: who connects from it looks like another machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only chooses the way
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no network")
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            pytest.skip("nobody can connect from there")
    return address


def test_others_read_and_do_not_write(start, elsewhere):
    running = start(comfyui=True)
    assert running.ask("GET", "/sdgen/images", source=elsewhere).status == 200
    reply = running.ask("POST", "/sdgen/undo", {}, source=elsewhere)
    assert reply.error == (403, "write-refused") and "gallery_token" in reply.json["hint"]
    assert running.ask("POST", "/sdgen/undo", {}).status == 200, "this machine may"
    assert running.ask("POST", "/sdgen/images/cards", {"ids": [1]}, source=elsewhere).status == 200, "that asks only"
    assert running.ask("GET", "/sdgen/login?token=", source=elsewhere).status == 403


def test_others_write_with_the_token(start, elsewhere):
    running = start(comfyui=True, token=TOKEN)
    assert running.ask("GET", "/sdgen/images", source=elsewhere).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, source=elsewhere).error == (403, "write-refused")
    wrong = {**WRITING, "Authorization": "Bearer wrong"}
    assert running.ask("POST", "/sdgen/undo", {}, wrong, source=elsewhere).error == (403, "write-refused")
    right = {**WRITING, "Authorization": f"Bearer {TOKEN}"}
    assert running.ask("POST", "/sdgen/undo", {}, right, source=elsewhere).status == 200
    reply = running.ask("GET", f"/sdgen/login?token={TOKEN}", source=elsewhere)
    assert reply.status == 303
    kept = {**WRITING, "Cookie": reply.headers["Set-Cookie"].partition(";")[0]}
    assert running.ask("POST", "/sdgen/undo", {}, kept, source=elsewhere).status == 200
    assert running.ask("POST", "/sdgen/undo", {}).status == 200, "this machine needs none"


def test_a_proxy_of_this_machine_speaks_for_others(start):
    running = start(comfyui=True, token=TOKEN)
    proxied = {"X-Forwarded-For": "10.0.0.7", "Host": "pictures.example"}
    assert running.ask("GET", "/sdgen/images", headers=proxied).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, {**WRITING, **proxied}).error == (403, "write-refused")
    right = {**WRITING, **proxied, "Authorization": f"bearer {TOKEN}"}
    assert running.ask("POST", "/sdgen/undo", {}, right).status == 200


def test_a_page_that_was_named_may_ask(start):
    running = start(comfyui=True, origins=("http://localhost:5173",))
    said = {**WRITING, "Origin": "http://localhost:5173"}
    assert running.ask("POST", "/sdgen/undo", {}, said).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, {**WRITING, "Origin": "http://localhost:5174"}).status == 403


def test_all_pages_may_read_where_somebody_wants_it(start):
    running = start(comfyui=True, origins=("*",))
    said = {"Origin": "https://anywhere.example", "Sec-Fetch-Site": "cross-site"}
    assert running.ask("GET", "/sdgen/images", headers=said).status == 200
    assert running.ask("POST", "/sdgen/undo", {}, {**WRITING, **said}).error == (403, "foreign-origin")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2", "", "example.org", "localhost.example.org"])
def test_not_loopback(host):
    assert not is_loopback(host)
