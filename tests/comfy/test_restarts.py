"""ComfyUI stopped and started again: unfinished sessions, a clock that goes back, older and newer surroundings.
Nothing is lost or made twice, and each says what to do."""

import shutil
import sqlite3
from pathlib import Path

SESSION_1 = Path(__file__).parents[1] / "data" / "ledgers" / "session1"


def test_unfinished_sessions_after_a_start(stub_server, stub_of, settings, done, whole):
    server = stub_server()
    with server:
        stub = stub_of(server)
        session = stub.press(stub.graph(60, name="later", wait=0.1))["id"]
        done(stub, session, 3)
    for mode, more in (("ask", "press Resume"), ("off", "restarted")):
        settings(server, resume_on_start=mode)
        with server:
            stub = stub_of(server)
            status = stub.wait(session, "paused")
            assert status["done"] < 60 and "restarted" in status["reason"] and more in status["reason"]
            stub.act(session, "resume")
            done(stub, session, status["done"] + 3)
    settings(server, resume_on_start="auto")
    with server:
        stub = stub_of(server)
        stub.wait(session)
        whole(stub, session, 60)


CLOCK = """
import time
real, calls = time.time, [0]
def back():
    calls[0] += 1
    return real() - 60 * calls[0]
time.time = back
NODE_CLASS_MAPPINGS = {}
"""


def test_a_clock_that_goes_backwards(stub_server, stub_of, done, whole):
    server = stub_server()
    clock = server.base / "custom_nodes" / "aaa_clock"  # every look at it is a minute earlier than the one before
    clock.mkdir(parents=True)
    (clock / "__init__.py").write_text(CLOCK, encoding="utf-8")
    with server:
        stub = stub_of(server)
        first = stub.press(stub.graph(20, name="first", wait=0.05))
        second = stub.press(stub.graph(4, name="second"))
        assert second["state"] == "planned"
        status = done(stub, first["id"], 3)
        assert (status["images_per_minute"] or 1) > 0 and (status["eta_seconds"] or 0) >= 0
        assert stub.status(second["id"])["done"] == 0
        done(stub, first["id"], 6)
    with server:  # in the middle, and with the true time again
        shutil.rmtree(clock)
        stub = stub_of(server)
        stub.wait(first["id"])
        stub.wait(second["id"])
        whole(stub, first["id"], 20)
        whole(stub, second["id"], 4)
        assert [s["id"] for s in stub.client.get("/sdgen/sessions")["sessions"]] == [second["id"], first["id"]]


def test_a_session_of_the_first_schema_goes_on(stub_server, stub_of, whole):
    """Killed in the middle under SDGen 1 of the ledger: four images in ComfyUI's queue, no ``sdgen-session.json``."""
    server = stub_server()
    folder = server.base / "output" / "sdgen" / "20261122_222011-older"
    shutil.copytree(SESSION_1 / "session", folder)
    made = {p.name: p.read_bytes() for p in folder.glob("*.png")}
    (server.base / "user" / "sdgen").mkdir(parents=True)
    database = sqlite3.connect(server.base / "user" / "sdgen" / "ledger.db")
    script = (SESSION_1 / "ledger.sql").read_text(encoding="utf-8")
    database.executescript(script.replace("'FOLDER'", f"'{folder}'"))
    database.close()
    with server:
        stub = stub_of(server)
        stub.wait("older")
        whole(stub, "older", 8)
        assert len(made) == 3 and all((folder / name).read_bytes() == data for name, data in made.items())
        # and it can be taken up again without its ledger, extended, renamed
        assert (folder / "sdgen-session.json").is_file()
        assert stub.act("older", "extend", seeds="5")["added"] == 8
        stub.wait("older")
        assert stub.act("older", "rename", name="renewed")["name"] == "renewed"
        assert stub.act("renewed", "verify", hashes=True)["verify"]["ok"]


#: What an update may do to a node: it wants more than before, or it is gone.
UPDATES = {
    "Required input is missing": lambda nodes: (nodes / "__init__.py").write_text(
        (nodes / "__init__.py")
        .read_text(encoding="utf-8")
        .replace('"wait": (', '"quality": ("INT", {}), "wait": (', 1),
        encoding="utf-8",
    ),
    "does not exist": shutil.rmtree,
}


def test_comfyui_is_updated_between_two_resumes(stub_server, stub_of, done, whole, tmp_path):
    server = stub_server()
    nodes = server.base / "custom_nodes" / "stub_nodes"
    with server:
        stub = stub_of(server)
        session = stub.press(stub.graph(40, name="update", wait=0.1))["id"]
        done(stub, session, 3)
        stub.act(session, "pause")
    shutil.copytree(nodes, tmp_path / "before")
    for number, (words, update) in enumerate(UPDATES.items(), 1):
        update(nodes)
        with server:
            stub = stub_of(server)
            stub.act(session, "resume")
            status = stub.wait(session, "paused")
            assert "8 images in a row" in status["reason"] and words in status["reason"], status["reason"]
            assert status["reason"].endswith("then retry the failed images.")
            assert status["failed"] == 8 * number
            assert {failure["error"] for failure in status["failures"]} == {"rejected-prompt"}
    shutil.copytree(tmp_path / "before", nodes)
    with server:
        stub = stub_of(server)
        assert stub.act(session, "retry")["retried"] == 16
        stub.wait(session)
        whole(stub, session, 40)
