"""Sessions as people run them, in a real ComfyUI with stub images: lines, changes, themes, axes, whole orders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import read_png_chunks

SDGEN = [sys.executable, "-m", "sdgen_core.cli"]


def sdgen(*arguments, stdin=None):
    command = [*SDGEN, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False, input=stdin
    )


def manifest(status):
    return json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))


def test_sessions_wait_in_line_and_may_be_stopped_there(stub):
    first = stub.press(stub.graph(30, name="first", wait=0.1))
    second = stub.press(stub.graph(3, name="second"))
    third = stub.press(stub.graph(3, name="third"))
    assert (second["state"], third["state"]) == ("planned", "planned")
    assert stub.act(third["id"], "stop")["state"] == "stopped"
    assert stub.act(first["id"], "stop")["state"] == "stopped"
    assert stub.wait(second["id"])["done"] == 3
    assert stub.status(third["id"])["done"] == 0 and manifest(stub.status(third["id"]))["status"] == "aborted"
    done = stub.status(first["id"])["done"]
    assert done < 30
    stub.act(third["id"], "resume")
    assert stub.wait(third["id"])["done"] == 3


def test_a_session_grows_shrinks_and_leaves_out(stub):
    text = "name: grow\nprompt: '{A} {B}'\nimports: {A: [a, b, c], B: [x, y]}\ngeneration: {seed: 50, max_images: 2}\n"
    report = stub.press(stub.graph(name="grow", text=text))
    stub.wait(report["id"])
    assert stub.act("grow", "extend", more=2)["added"] == 2
    assert stub.wait(report["id"])["done"] == 4
    assert stub.act("grow", "extend", seeds="50,51")["added"] == 4 * 2 - 2  # two pairs of value and seed are there
    stub.wait(report["id"])
    stub.act("grow", "extend", more=50)
    status = stub.wait(report["id"])
    seen = {(e["applied_variations"]["A"], e["applied_variations"]["B"], e["seed"]) for e in manifest(status)["images"]}
    assert len(seen) == status["planned"] == len(manifest(status)["images"])
    assert stub.act("grow", "verify", hashes=True)["verify"]["ok"]
    long = stub.press(stub.graph(20, name="long", wait=0.1))
    stub.act("long", "pause")
    assert stub.act("long", "skip", items="18-19")["skipped_now"] == 2
    stub.act("long", "shrink", count=10)
    stub.act("long", "resume")
    assert stub.wait(long["id"])["planned"] == 10
    for action, body, code in (
        ("skip", {"items": "x"}, "bad-request"),
        ("skip", {"items": "99"}, "unknown-item"),
        ("shrink", {"count": 0}, "bad-option"),
        ("extend", {}, "bad-option"),
        ("extend", {"more": 1, "seeds": "1"}, "bad-option"),
        ("move", {"to": "/etc"}, "bad-request"),
        ("rename", {"name": " "}, "bad-request"),
    ):
        with pytest.raises(SDGenError) as caught:
            stub.act("long", action, **body)
        assert caught.value.body["error"] == code, action


def test_a_session_is_renamed_moved_and_taken_in(stub):
    status = stub.wait(stub.press(stub.graph(3, name="walk"))["id"])
    renamed = stub.act(status["id"], "rename", name="ran")
    assert renamed["name"] == "ran" and Path(renamed["folder"]).name.endswith("-ran")
    folder = Path(renamed["folder"])
    assert stub.act("ran", "verify", hashes=True)["verify"]["ok"]
    elsewhere = folder.parent / "aside"
    folder.rename(elsewhere)
    taken = stub.client.post("/sdgen/sessions", {"folder": "aside"})
    assert (taken["id"], taken["folder"], taken["state"]) == (status["id"], str(elsewhere), "completed")
    for name in ("../aside", "nothing", ""):
        with pytest.raises(SDGenError):
            stub.client.post("/sdgen/sessions", {"folder": name})


def test_checkpoints_are_an_axis(stub):
    text = """
name: axes
prompt: "{A} {Model[$9]}"
imports: {A: [a, b, c], Model: {one: stub_a, two: stub_b.safetensors}}
generation: {mode: %s, seed: 50, max_images: 6}
parameters: {sd_model_checkpoint: "{Model}"}
"""
    for mode in ("combinatorial", "random"):
        graph = stub.graph(name=f"axes-{mode}", text=text % mode)
        graph["3"]["inputs"]["ckpt_name"] = ["2", 11]
        report = stub.press(graph)
        assert report["model_loads"] == 2
        status = stub.wait(report["id"])
        files = [Path(status["folder"]) / e["filename"] for e in manifest(status)["images"]]
        models = [json.loads(read_png_chunks(f)["sdgen"])["checkpoint"]["name"] for f in files]
        assert models == sorted(models) and len(set(models)) == 2
        # the loader really ran once for each: the height of the image tells its count
        assert len({Image.open(f).height for f in files}) == 2
        assert "Model: stub_a" in read_png_chunks(files[0])["parameters"]
    graph["1"]["inputs"]["text"] = text.replace("two: stub_b.safetensors", "two: stub_c") % "random"
    assert "stub_c" in stub.refused(graph) and "stub_a.safetensors" in stub.refused(graph)


@pytest.fixture
def library(stub, tmp_path):
    """A template with two themes, and the stub graph as a workflow."""
    for theme in ("gala", "pirates"):
        (tmp_path / theme).mkdir()
        (tmp_path / theme / "theme.yaml").write_text(
            f"imports: {{A: {{k: {theme} k, l: {theme} l}}}}\n", encoding="utf-8"
        )
    (tmp_path / "p.prompt.yaml").write_text(
        "name: p\nprompt: '{A} {B}'\nimports: {A: [a, b, c], B: [x, y]}\nthemes: {enable_autodiscovery: true}\n"
        "generation: {seed: 9}\n",
        encoding="utf-8",
    )
    (tmp_path / "flow.json").write_text(json.dumps(stub.graph(1)), encoding="utf-8")
    return tmp_path


def test_themes_share_a_session(stub, library):
    more = ["--workflow", library / "flow.json", "--server", stub.server.url, "--json"]
    done = sdgen("generate", library / "p.prompt.yaml", "--themes", "gala:2,pirates:1", "--count", 6, *more)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    themes = [e["sdgen"]["theme"] for e in manifest(status)["images"]]
    assert sorted(themes) == ["gala"] * 4 + ["pirates"] * 2 and themes[0] != themes[1]
    assert Path(status["folder"]).name.endswith("-p-gala+pirates-default")
    third = sdgen("generate", library / "p.prompt.yaml", "--extend", status["id"], *more)
    assert third.returncode == 0, third.stderr
    grown = json.loads(third.stdout)
    assert (grown["id"], grown["planned"]) == (status["id"], 12)  # the plain template is one more theme


def test_a_batch_is_one_order(stub, library):
    lines = "# tonight\np.prompt.yaml:gala::3\np.prompt.yaml:pirates\n\np.prompt.yaml:::2\n"
    (library / "night.txt").write_text(lines, encoding="utf-8")
    more = ["--workflow", library / "flow.json", "--server", stub.server.url]
    done = sdgen("batch", library / "night.txt", *more)
    assert done.returncode == 0, done.stderr
    assert "3 runs, 11 images" in done.stdout and done.stdout.count("completed") == 3
    again = sdgen("batch", library / "night.txt", *more, "--json")
    runs = json.loads(again.stdout)["runs"]
    assert [(r["planned"], r["done"], r["state"]) for r in runs] == [(n, n, "completed") for n in (3, 6, 2)]
    overview = sdgen("batch", "-t", library / "p.prompt.yaml", "gala::3", "pirates", "--dry-run")
    assert "2 runs, 9 images" in overview.stdout
    wrong = sdgen("batch", "-", "--dry-run", stdin=f"{library}/p.prompt.yaml:galla\n{library}/q.prompt.yaml\n")
    assert wrong.returncode == 1 and "'gala'" in wrong.stderr and "q.prompt.yaml" in wrong.stderr
    assert "standard input:1" in wrong.stderr or "galla" in wrong.stderr


def test_watching_and_json_lines(stub, library):
    done = sdgen("generate", library / "p.prompt.yaml", "--session-name", "lines", "--jsonl",
                 "--workflow", library / "flow.json", "--server", stub.server.url)  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[-1]["state"] == "completed" and rows[-1]["done"] == 6
    watched = sdgen("sessions", "watch", "lines", "--json", "--server", stub.server.url)
    assert json.loads(watched.stdout.splitlines()[-1])["state"] == "completed"
    sheet = sdgen("sessions", "sheet", "lines", "--x", "A", "--y", "B", "--server", stub.server.url, "--json")
    assert Path(json.loads(sheet.stdout)["file"]).is_file()
    made = sdgen("sessions", "annotate", "lines", "--server", stub.server.url, "--json")
    assert json.loads(made.stdout)["made"] == 6


def test_a_ledger_that_is_lost_comes_back_from_the_folders(stub, stub_server, stub_of):
    with stub_server() as server:
        own = stub_of(server)
        report = own.press(own.graph(12, name="lost", wait=0.1))
        own.wait(report["id"], "running", "completed")
        own.act("lost", "pause")
        before = own.status("lost")
    folder = Path(before["folder"])
    shutil.rmtree(server.base / "user" / "sdgen")
    with server:
        own = stub_of(server)
        assert own.client.get("/sdgen/sessions")["sessions"] == []
        taken = own.client.post("/sdgen/sessions", {"folder": folder.name})
        assert taken["id"] == report["id"] and taken["done"] >= before["done"]
        own.act("lost", "resume")
        status = own.wait(report["id"])
        assert status["done"] == 12 and own.act("lost", "verify", hashes=True)["verify"]["ok"]
