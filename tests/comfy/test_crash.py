"""Killing ComfyUI and `sdgen generate` at random moments: the files are those of the plan, each made once, and little work is repeated.

``SDGEN_CRASH_ROUNDS`` and ``SDGEN_CRASH_SEED`` set how often and which moments, for instance

    SDGEN_CRASH_ROUNDS=50 python3 dev.py test comfy -k kills -s
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from sdgen_core.comfy.feeder import WINDOW
from sdgen_core.sessions.metadata import is_whole_png

ROUNDS = int(os.environ.get("SDGEN_CRASH_ROUNDS") or 6)
SEED = int(os.environ.get("SDGEN_CRASH_SEED") or 20)
ITEMS = 20 * ROUNDS

TEMPLATE = """
type: prompt
name: crash
version: '2.0'
prompt: "a picture of {Value}"
imports:
  Value:
%s
generation: {mode: combinatorial, seed: 1000, seed_mode: progressive, max_images: -1}
"""


class Generate:
    """`sdgen generate` with the same words every time: the first one orders the session, the others go on with it."""

    def __init__(self, folder):
        self._folder = folder
        self._process = None

    def start(self, stub):
        """Start it, unless it runs already."""
        if self._process is not None and self._process.poll() is None:
            return
        values = "\n".join(f"    v{n}: value {n}" for n in range(ITEMS))
        template, workflow = self._folder / "crash.prompt.yaml", self._folder / "flow.json"
        template.write_text(TEMPLATE % values, encoding="utf-8")
        workflow.write_text(json.dumps(stub.graph(1, wait=0.1)), encoding="utf-8")
        words = ["generate", str(template), "--workflow", str(workflow), "--session-name", "crash", "--json"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sdgen_core.cli", *words, "--server", stub.server.url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def end(self):
        """Its exit code, and what it said."""
        out, errors = self._process.communicate(timeout=300)
        return self._process.returncode, out, errors


@pytest.mark.timeout(120 + 40 * ROUNDS)
def test_kills_lose_nothing_and_repeat_little(stub_server, stub_of, tmp_path, monkeypatch):
    log = tmp_path / "executed.txt"
    monkeypatch.setenv("STUB_LOG", str(log))
    chance = random.Random(SEED)
    server, generate = stub_server(tmp_path / "base"), Generate(tmp_path)
    output = server.base / "output"
    killed, torn, said = {"server": 0, "generate": 0, "both": 0}, 0, []
    for number in range(ROUNDS):
        if not server.running:
            server.start()
        stub = stub_of(server)
        generate.start(stub)
        # somewhere between the start of the program, the order, planning, posting, sampling and saving
        time.sleep(chance.uniform(0.05, 2.5))
        victim = chance.choice(list(killed))
        killed[victim] += 1
        if victim != "server":
            generate.kill()
        if victim != "generate":
            server.kill()
        if victim == "server":
            said.append(generate.end())
        # whatever the moment was, a file under its final name is whole
        files = list(output.rglob("crash_*.png"))
        torn += sum(not is_whole_png(path, crc=True) for path in files)
        assert len(files) < ITEMS, f"all was made before the last kill, in round {number}"
    if not server.running:
        server.start()
    stub = stub_of(server)
    generate.start(stub)
    code, out, errors = generate.end()
    assert code == 0, errors
    (session,) = stub.client.get("/sdgen/sessions")["sessions"]  # not one of the orders made a second one
    verified = stub.act(session["id"], "verify", hashes=True)["verify"]
    server.stop()

    assert torn == 0
    for code, *texts in said:  # it says that the server is gone and what to do, whatever it was doing
        assert code == 1 and "Start ComfyUI" in "".join(texts), texts
    assert json.loads(out)["id"] == session["id"] and session["state"] == "completed"
    assert (session["planned"], session["done"], session["failed"]) == (ITEMS, ITEMS, 0)
    folder = Path(session["folder"])
    assert [p for p in folder.parent.iterdir() if p.is_dir()] == [folder]
    files = sorted(folder.glob("*.png"))
    assert [f.name for f in files] == [f"crash_{n:04d}_seed-{1000 + n}.png" for n in range(ITEMS)]
    assert not list(folder.glob("*.tmp*"))
    for n, path in enumerate(files):
        red, green, blue = Image.open(path).convert("RGB").getpixel((0, 0))
        assert red << 16 | green << 8 | blue == 1000 + n
    assert verified["ok"], verified
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed"
    assert [i["filename"] for i in manifest["images"]] == [f.name for f in files]

    executed = log.read_text(encoding="utf-8").splitlines()
    assert set(executed) == {f"a picture of value {n}" for n in range(ITEMS)}
    repeated = len(executed) - ITEMS
    print(f"{killed}: {ITEMS} images, {repeated} of them begun again")
    assert repeated <= (killed["server"] + killed["both"]) * (WINDOW + 1)
