"""The command line as a user runs it, against a real ComfyUI."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TEMPLATE = """
name: cli
prompt: "a {Colour} cat"
imports: {Colour: {r: red, g: green, b: blue, w: white}}
generation: {mode: combinatorial, seed: 7, seed_mode: progressive, max_images: -1}
"""

SDGEN = [sys.executable, "-m", "sdgen_core.cli"]


def sdgen(*arguments, **options):
    return subprocess.run(
        [*SDGEN, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture
def files(stub, tmp_path):
    """A template, and the stub graph as a workflow file; ``files(wait=…)`` sets the stub's widgets."""

    def write(**widgets):
        (tmp_path / "cats.prompt.yaml").write_text(TEMPLATE, encoding="utf-8")
        (tmp_path / "flow.json").write_text(json.dumps(stub.graph(1, **widgets)), encoding="utf-8")
        return [tmp_path / "cats.prompt.yaml", "--workflow", tmp_path / "flow.json", "--server", stub.server.url]

    return write


def test_generate_makes_the_session_and_says_so(stub, files):
    done = sdgen("generate", *files(), "--session-name", "made", "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert (status["state"], status["planned"], status["done"]) == ("completed", 4, 4)
    assert len(list(Path(status["folder"]).glob("made_000?_seed-*.png"))) == 4
    again = sdgen("generate", *files(), "--session-name", "made")
    assert again.returncode == 0 and status["id"] in again.stdout


def test_options_reach_the_plan(stub, files):
    done = sdgen("generate", *files(), "--session-name", "opt", "--seeds", "5,9", "--use-fixed", "Colour:g", "--json")
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    assert sorted(p.name for p in folder.glob("*.png")) == ["opt_0000_seed-5.png", "opt_0001_seed-9.png"]
    done = sdgen("generate", *files(), "--session-name", "opt2", "--count", 2, "--json")
    assert json.loads(done.stdout)["planned"] == 2


def test_failed_items_mean_exit_code_1_and_retry_works(stub, files):
    done = sdgen("generate", *files(fail_at="blue"), "--session-name", "half", "--json")
    status = json.loads(done.stdout)
    assert (done.returncode, status["failed"], status["done"]) == (1, 1, 3)
    shown = sdgen("sessions", "show", "half", "--server", stub.server.url)
    assert "told to fail at blue" in shown.stdout and "[node-error]" in shown.stdout
    retried = sdgen("sessions", "retry", status["id"], "--server", stub.server.url, "--json")
    assert json.loads(retried.stdout)["retried"] == 1
    stub.wait(status["id"], "failed")


def test_sessions_can_be_steered(stub, files):
    report = stub.press(stub.graph(20, name="steer", wait=0.3))
    server = ["--server", stub.server.url]
    assert json.loads(sdgen("sessions", "pause", "steer", *server, "--json").stdout)["state"] == "paused"
    listed = json.loads(sdgen("sessions", "list", *server, "--json").stdout)["sessions"]
    assert listed[0]["name"] == "steer" and listed[0]["state"] == "paused"
    assert "steer" in sdgen("sessions", "list", *server).stdout
    assert json.loads(sdgen("sessions", "resume", report["id"], *server, "--json").stdout)["state"] == "running"
    stub.wait(report["id"])
    verified = sdgen("sessions", "verify", "steer", *server, "--hashes")
    assert verified.returncode == 0 and "agree" in verified.stdout
    next(Path(report["folder"]).glob("*.png")).unlink()
    verified = sdgen("sessions", "verify", "steer", *server)
    assert verified.returncode == 1 and "missing: 1" in verified.stdout
    unknown = sdgen("sessions", "show", "stear", *server)
    assert unknown.returncode == 1 and "steer" in unknown.stderr and "[unknown-session]" in unknown.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_pauses_and_exits_with_130(stub, files):
    command = [*SDGEN, "generate", *map(str, files(wait=3.0)), "--session-name", "stopped"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not [s for s in stub.client.get("/sdgen/sessions")["sessions"] if s["name"] == "stopped" and s["done"]]:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "sdgen sessions resume" in errors
    assert stub.status("stopped")["state"] == "paused"
    stub.act("stopped", "resume")
    stub.wait("stopped")


def test_a_dry_run_needs_no_server(files):
    done = sdgen("generate", files()[0], "--dry-run", "--server", "http://127.0.0.1:1")
    assert done.returncode == 0 and "4 images" in done.stdout and "a red cat" in done.stdout
    assert (
        json.loads(sdgen("generate", files()[0], "--dry-run", "--json").stdout)["first"][1]["prompt"] == "a green cat"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda a, tmp: [*a[:-1], "http://127.0.0.1:1"], "no-server"),
        (lambda a, tmp: [*a[:-1], "ftp://x"], "bad-option"),
        (lambda a, tmp: [tmp / "nowhere.prompt.yaml", *a[1:]], "missing-file"),
        (lambda a, tmp: [*a[:2], tmp / "nowhere.json", *a[3:]], "missing-file"),
        (lambda a, tmp: [*a[:2], tmp / "cats.prompt.yaml", *a[3:]], "bad-graph"),
        (lambda a, tmp: [*a, "--use-fixed", "Colour:pink"], "unknown-fixed-key"),
        (lambda a, tmp: [*a, "--seeds", "5-1"], "bad-seed-spec"),
    ],
)
def test_errors_have_codes_and_exit_with_1(files, tmp_path, change, code):
    done = sdgen("generate", *change(files(), tmp_path), "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(done.stdout)["error"] == code
    assert "Traceback" not in done.stderr


def test_a_workflow_without_planner_or_save_node_is_refused(stub, files, tmp_path):
    arguments = files()
    graph = stub.graph(1)
    for drop, code in (("2", "no-planner"), ("5", "no-save-node")):
        (tmp_path / "flow.json").write_text(json.dumps({k: v for k, v in graph.items() if k != drop}), encoding="utf-8")
        done = sdgen("generate", *arguments, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, code)


def test_usage_errors_exit_with_2():
    for arguments in (["generate"], ["generate", "x.prompt.yaml", "--nope"], ["sessions", "show"], ["nonsense"]):
        assert sdgen(*arguments).returncode == 2


def test_a_comfyui_without_sdgen_is_named(files, stub_server):
    with stub_server(pack=False) as bare:
        done = sdgen("generate", *files()[:-1], bare.url, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "no-pack")
        done = sdgen("sessions", "list", "--server", bare.url, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "no-pack")


def test_sessions_without_a_running_comfyui(stub_server, stub_of):
    server = stub_server()
    with server:
        stub = stub_of(server)
        report = stub.press(stub.graph(3, name="offline"))
        stub.wait(report["id"])
    offline = ["--user-dir", server.base / "user"]
    environment = {**os.environ, "SDGEN_SERVER": "http://127.0.0.1:1"}
    assert json.loads(sdgen("sessions", "show", "offline", *offline, "--json", env=environment).stdout)["done"] == 3
    assert sdgen("sessions", "verify", "offline", *offline).returncode == 0
    missing = sdgen("sessions", "list", "--user-dir", server.base / "output", "--json")
    assert json.loads(missing.stdout)["error"] == "missing-file"
