"""Server-sent events over a real connection: numbers, what was missed, slow readers, ends."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from sdgen_core.server.events import KEPT, WAITING


class Stream:
    """A connection that reads ``/sdgen/events``."""

    def __init__(self, running, last="", size=None):
        self.socket = socket.socket()
        if size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.socket.settimeout(10)
        self.socket.connect((running.host, running.port))
        said = f"GET /sdgen/events HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
        self.socket.sendall(f"{said}Last-Event-ID: {last}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.socket.close()

    def head(self):
        """The lines before the events."""
        lines = []
        while (line := self.file.readline().strip()) != b"":
            lines.append(line.decode())
        return lines

    def blocks(self):
        """The blocks of the stream: field to value, comments as ``""``."""
        block = {}
        while chunk := int(self.file.readline() or b"0", 16):
            text = self.file.read(chunk).decode()
            self.file.readline()
            for line in text.split("\n"):
                if line:
                    name, _, value = line.partition(":")
                    block[name] = value.strip()
                elif block:
                    yield block
                    block = {}

    def events(self):
        return (block for block in self.blocks() if "event" in block)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_events_come_with_numbers_and_signs_of_life(start):
    running = start()
    with Stream(running) as stream:
        head = stream.head()
        assert head[0].endswith("200 OK") and any("text/event-stream" in line for line in head)
        assert any("no-store" in line for line in head)
        blocks = stream.blocks()
        assert set(next(blocks)) == {"retry", "id"}
        running.library.tell("images", added=[7], changed=[], session="ünï\n\n")
        told = next(block for block in blocks if "event" in block)
        assert told["event"] == "images" and json.loads(told["data"]) == {
            "added": [7],
            "changed": [],
            "session": "ünï\n\n",
        }
        assert "" in next(blocks), "a heartbeat"


def test_what_was_missed_comes_first(start):
    running = start()
    with Stream(running) as stream:
        stream.head()
        first = next(stream.blocks())["id"]
    for n in range(5):
        running.hub.send("images", {"n": n})
    with Stream(running, last=first) as stream:
        stream.head()
        events = stream.events()
        missed = [next(events) for _ in range(5)]
        assert [json.loads(event["data"])["n"] for event in missed] == list(range(5))
    with Stream(running, last=missed[2]["id"]) as stream:
        stream.head()
        assert json.loads(next(stream.events())["data"]) == {"n": 3}


def test_of_how_far_scoring_is_only_the_last_word_is_kept(start):
    running = start()
    with Stream(running) as stream:
        stream.head()
        first = next(stream.blocks())["id"]
    for n in range(2 * KEPT):
        running.hub.send("scoring", {"n": n})
    running.hub.send("images", {"n": -1})
    running.hub.send("scoring", {"n": -2})
    with Stream(running, last=first) as stream:
        stream.head()
        events = stream.events()
        told = [(event["event"], json.loads(event["data"])) for event in (next(events), next(events))]
        assert told == [("images", {"n": -1}), ("scoring", {"n": -2})]


@pytest.mark.parametrize("last", ["0-0", "nonsense", "{run}-99999999", "{run}--1", "{run}-x", "{run}-0"])
def test_who_was_away_too_long_reads_all_anew(start, last):
    running = start()
    with Stream(running) as stream:
        stream.head()
        run = next(stream.blocks())["id"].partition("-")[0]
    for n in range(KEPT + 1):
        running.hub.send("images", {"n": n})
    with Stream(running, last=last.replace("{run}", run)) as stream:
        stream.head()
        events = stream.events()
        assert next(events)["event"] == "reload"
        running.hub.send("images", {"n": -1})
        assert json.loads(next(events)["data"]) == {"n": -1}


def test_a_slow_reader_keeps_nobody_waiting(start):
    running = start()
    text = "x" * 20_000
    with Stream(running, size=4096) as slow, Stream(running) as quick:
        quick.head()
        wait_for(lambda: running.hub.readers == 2)
        heard = []

        def listen():
            for event in quick.events():
                heard.append(event)
                if event["event"] == "end":
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        for n in range(3 * WAITING):
            running.hub.send("images", {"n": n, "text": text})
            if n % 100 == 99:
                wait_for(lambda n=n: len(heard) > n)  # the quick one hears all
        running.hub.send("end", {})
        thread.join(10)
        assert len(heard) == 3 * WAITING + 1
        slow.head()
        kinds = []
        for event in slow.events():
            kinds.append(event["event"])
            if event["event"] == "end":
                break
        assert "reload" in kinds and len(kinds) < 3 * WAITING


def test_who_leaves_is_forgotten(start):
    running = start()
    for _ in range(3):
        with Stream(running) as stream:
            stream.head()
            assert running.hub.readers
    wait_for(lambda: running.hub.readers == 0)


def test_the_servers_end_is_the_streams_end(start):
    running = start()
    with Stream(running) as stream, Stream(running, size=4096) as stuck:
        stream.head()
        wait_for(lambda: running.hub.readers == 2)
        for n in range(200):
            running.hub.send("images", {"text": "x" * 50_000, "n": n})
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < 3
        assert not running.hub.readers
        assert stuck.socket.fileno() > 0


def test_sending_costs_the_sender_nothing_and_needs_nobody(start):
    running = start()
    threads = [threading.Thread(target=lambda: [running.hub.send("images", {}) for _ in range(500)]) for _ in range(4)]
    with Stream(running) as stream:
        stream.head()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = []
        for event in stream.events():
            if event["event"] == "reload":
                break
            numbers.append(int(event["id"].rpartition("-")[2]))
            if len(numbers) == 2000:
                break
        assert numbers == sorted(numbers)
