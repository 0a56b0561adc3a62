"""`sdgen catalog`: what it prints, how it ends, and that Ctrl+C ends watching cleanly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.catalog.scan.importer import default_catalog
from sdgen_core.cli.catalog import app

from .folders import SESSIONS, old_session, own_session

PACK = Path(__file__).parents[3]


@pytest.fixture
def command(tmp_path):
    """Runs the command with a catalog of its own."""

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments), "--catalog", str(tmp_path / "catalog")])
        assert result.exit_code == code, result.output
        return result.stdout

    return run


def test_import_status_and_verify(command, tmp_path):
    assert "8 sessions read, 0 unchanged, 0 gone; 13 images, 13 new or changed" in command("import", SESSIONS)
    assert "0 sessions read, 8 unchanged" in command("import", SESSIONS)
    assert "8 sessions read, 0 unchanged, 0 gone; 13 images, 0 new or changed" in command("import", SESSIONS, "--every")
    numbers = json.loads(command("status", "--json"))
    assert (numbers["sessions"], numbers["images"], numbers["unfinished_sessions"]) == (8, 13, 0)
    assert "sessions                8" in command("status")
    assert command("verify") == "nothing is wrong\n"
    db = sqlite3.connect(tmp_path / "catalog" / "index.db")
    db.create_function("sdgen_mix", 2, lambda a, b: 0)
    db.execute("UPDATE session SET images = images + 1 WHERE id = 1")
    db.commit()
    db.close()
    assert "counters of session" in command("verify", code=1)
    assert command("verify", "--repair").endswith("repaired\n")
    assert json.loads(command("verify", "--json")) == {"problems": [], "repaired": False, "left": []}


def test_find(command):
    command("import", SESSIONS)
    every = command("find", "sort:number,file").splitlines()
    assert len(every) == 13
    assert all(Path(line).is_file() for line in every)
    assert len(command("find", "--limit", 2).splitlines()) == 2
    found = json.loads(command("find", "Coat:blue* courier", "--json"))
    assert found["found"] == len(found["images"]) > 0
    first = found["images"][0]
    assert "blue" in first["values"]["Coat"]["text"]
    assert (Path(first["path"]).name, first["mark"], first["tags"]) == (first["file"], None, [])
    assert {image["id"] for image in found["images"]}.isdisjoint(
        image["id"] for image in json.loads(command("find", "-Coat:blue*", "--json"))["images"]
    )
    remarks = json.loads(command("find", "Caot:blue", "--json"))["remarks"]
    assert remarks == ["there is no placeholder 'Caot'; nearest: Coat"]
    assert "verdict:Hair=ko" in command("find", "--fields")
    command("find", "is:favorite", code=1)


def test_export_and_merge(command, tmp_path):
    command("import", SESSIONS)
    file = tmp_path / "said.jsonl"
    assert command("export", file) == f"0 judgements in {file}\n"
    row = {"kind": "image", "keys": ["g:nobody/0/0"], "field": "mark", "value": "trash", "at": 5}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")
    assert command("merge", file) == "1 judgement of 1 taken over\n"
    assert json.loads(command("merge", file, "--json"))["newer"] == 0
    assert json.loads(command("export", file, "--json"))["judgements"] == 1
    with file.open("a", encoding="utf-8") as lines:
        lines.write("torn\n")
    command("merge", file, code=1)
    command("merge", SESSIONS / "nowhere", code=1)


def test_a_damaged_index_is_told_and_made_anew(command, tmp_path):
    root = tmp_path / "root"
    own_session(root / "20260102_030405-mine", 8)
    command("import", root)
    path = tmp_path / "catalog" / "index.db"
    db = sqlite3.connect(path)
    ((page,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='image'")
    ((size,),) = db.execute("PRAGMA page_size")
    db.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\x99" * size
    path.write_bytes(data)
    result = CliRunner().invoke(app, ["verify", "--catalog", str(tmp_path / "catalog")])
    assert result.exit_code == 1 and "catalog-damaged" in result.output
    path.write_bytes(b"no database" * 1000)
    result = CliRunner().invoke(app, ["import", str(root), "--catalog", str(tmp_path / "catalog")])
    assert result.exit_code == 0 and "is made anew" in result.output and "8 images, 8 new" in result.output


def test_lines_of_json(command, tmp_path):
    own_session(tmp_path / "root" / "20260102_030405-mine", 4)
    (tmp_path / "root" / "broken").mkdir()
    (tmp_path / "root" / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    lines = [json.loads(line) for line in command("import", tmp_path / "root", "--json", code=1).splitlines()]
    assert {line["event"] for line in lines} == {"progress", "done"}
    done = lines[-1]
    assert (done["sessions"], done["total"], done["images"], done["written"], done["missing"]) == (2, 2, 4, 4, 0)
    assert [error["code"] for error in done["errors"]] == ["no-manifest"]
    assert done["errors"][0]["folder"].endswith("broken")


def test_a_missing_root(command, tmp_path):
    result = CliRunner().invoke(app, ["import", str(tmp_path / "none"), "--catalog", str(tmp_path / "catalog")])
    assert result.exit_code == 1 and "error[missing-file]" in result.output


def test_the_predecessors_database_beside_the_root_is_found(command, tmp_path):
    old_session(tmp_path / "output")
    (tmp_path / "metadata").mkdir()
    db = sqlite3.connect(tmp_path / "metadata" / "sessions.db")
    db.execute("CREATE TABLE session_metadata(session_id, is_favorite)")
    db.execute("INSERT INTO session_metadata VALUES('20261122_142121-Plain_Run_One', 1)")
    db.commit()
    db.close()
    assert "1 judgement of 1 session from" in command("import", tmp_path / "output")
    (line,) = [
        json.loads(x) for x in command("import", tmp_path / "output", "--json").splitlines() if "judgements" in x
    ]
    assert (line["sessions"], line["changes"]) == (1, 0)


def test_a_wrong_database_is_an_error(command, tmp_path):
    (tmp_path / "x.db").write_bytes(b"nothing")
    old_session(tmp_path / "output")
    text = command("import", tmp_path / "output", "--predecessor-db", tmp_path / "x.db", "--json", code=1)
    assert "not-a-predecessor-db" in text


def test_where_the_catalog_is(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_catalog() == tmp_path / "sdgen" / "catalog"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_catalog() == tmp_path / "local" / "sdgen" / "catalog"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_catalog() == Path.home() / "Library" / "Application Support" / "sdgen" / "catalog"


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl+C cannot be sent to one process there")
def test_watching_until_ctrl_c(tmp_path):
    root = tmp_path / "root"
    old_session(root)
    command = [
        sys.executable,
        "-m",
        "sdgen_core",
        "catalog",
        "import",
        str(root),
        "--watch",
        "--json",
        "--catalog",
        str(tmp_path / "c"),
    ]
    process = subprocess.Popen(command, cwd=PACK, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PACK)})
    lines: list[dict[str, object]] = []
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in process.stdout), daemon=True)

    def wait_for(found: object) -> None:
        deadline = time.monotonic() + 60
        while not found():
            assert time.monotonic() < deadline and process.poll() is None, lines
            time.sleep(0.05)

    try:
        lines.append(json.loads(process.stdout.readline()))
        done = lines[-1]
        while done["event"] != "done":
            done = json.loads(process.stdout.readline())
        assert done["written"] == 3
        reader.start()
        shutil.copytree(SESSIONS / "20261122_142127-named_run", root / "20261122_142127-named_run")
        wait_for(lambda: any(line["event"] == "done" and line["written"] for line in lines))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert sum(line["event"] == "done" for line in lines) == 1
