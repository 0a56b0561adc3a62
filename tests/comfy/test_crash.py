"""Killing ComfyUI at random moments: the files are those of the plan, each made once, and little work is repeated."""

import json
import random
import time
from pathlib import Path

from PIL import Image

from sdgen_core.comfy.feeder import WINDOW
from sdgen_core.sessions.metadata import is_whole_png

ITEMS = 200
KILLS = 20


def test_twenty_kills_lose_nothing_and_repeat_little(stub_server, stub_of, tmp_path, monkeypatch):
    log = tmp_path / "executed.txt"
    monkeypatch.setenv("STUB_LOG", str(log))
    base = tmp_path / "base"
    chance = random.Random(20)
    session, kills, torn = "", 0, 0
    while True:
        server = stub_server(base)
        server.start()
        stub = stub_of(server)
        if not session:
            report = stub.press(stub.graph(ITEMS, name="crash", wait=0.05))
            session, folder = report["id"], Path(report["folder"])
        if kills == KILLS:
            status = stub.wait(session, timeout=300)
            break
        # somewhere in the middle of planning, posting, sampling or saving a handful of images
        time.sleep(chance.uniform(0.05, 0.9))
        server.kill()
        kills += 1
        # whatever the moment was, a file under its final name is whole
        torn += sum(not is_whole_png(path, crc=True) for path in folder.glob("*.png"))
    verified = stub.client.post(f"/sdgen/sessions/{session}/verify", {"hashes": True})["verify"]
    server.stop()

    assert torn == 0
    files = sorted(folder.glob("*.png"))
    assert [f.name for f in files] == [f"crash_{n:04d}_seed-{1000 + n}.png" for n in range(ITEMS)]
    assert not list(folder.glob("*.tmp*"))
    for n, path in enumerate(files):
        red, green, blue = Image.open(path).convert("RGB").getpixel((0, 0))
        assert red << 16 | green << 8 | blue == 1000 + n
    assert verified["ok"], verified
    assert status["done"] == ITEMS and status["failed"] == 0
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed"
    assert [i["filename"] for i in manifest["images"]] == [f.name for f in files]

    executed = log.read_text(encoding="utf-8").splitlines()
    assert set(executed) == {f"a picture of value {n}" for n in range(ITEMS)}
    repeated = len(executed) - ITEMS
    assert repeated <= KILLS * (WINDOW + 1), f"{repeated} images made again in {KILLS} kills"
