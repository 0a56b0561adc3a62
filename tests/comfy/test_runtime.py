"""A ComfyUI of our own: it starts, stops, dies with all its children, says why it did not start, and starts again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sdgen_core.comfy.runtime import ComfyServer, free_port, write_model_paths
from sdgen_core.errors import SDGenError

Factory = Callable[..., ComfyServer]

# A custom node whose import starts a process in a session of its own, as a training run is started.
SPAWNING_NODE = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(__file__).with_suffix(".pid").write_text(str(child.pid))
NODE_CLASS_MAPPINGS = {}
"""


def ended(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def answers(url: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_start_answer_stop_and_start_again_on_the_same_base(comfy_factory: Factory, demo_models: Path) -> None:
    server = comfy_factory(pack=False)
    server.start()
    first_pid = server.pid
    assert server.running
    stats = server.client.get("/system_stats")
    assert stats["devices"][0]["type"] == "cpu"
    choices = server.client.get("/object_info/CheckpointLoaderSimple")["CheckpointLoaderSimple"]["input"]["required"]
    assert "sdgen-demo.safetensors" in choices["ckpt_name"][0]
    assert "To see the GUI go to" in server.log_text()
    server.stop()
    assert not server.running
    assert ended(first_pid)
    assert not answers(server.url)
    server.stop()  # a second time does no harm

    again = comfy_factory(base=server.base, pack=False)
    again.start()
    assert again.pid != first_pid
    assert again.log_text().count("To see the GUI go to") == 1, "the log of this start only"
    again.kill()
    assert not answers(again.url)


def test_nothing_is_written_outside_of_the_base(comfy_factory: Factory, comfyui_folder: Path) -> None:
    def files() -> set[Path]:
        return {p for p in comfyui_folder.rglob("*") if "__pycache__" not in p.parts}

    before = files()
    with comfy_factory(pack=False) as server:
        assert (server.base / "user" / "comfyui.db").is_file()
    assert files() == before


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.skipif(sys.platform == "win32", reason="the child's own session is a POSIX notion")
def test_no_child_outlives_the_server(comfy_factory: Factory, how: str) -> None:
    server = comfy_factory(pack=False)
    node = server.base / "custom_nodes" / "spawns.py"
    node.write_text(SPAWNING_NODE, encoding="utf-8")
    server.start()
    child = int(node.with_suffix(".pid").read_text(encoding="utf-8"))
    assert psutil.pid_exists(child)
    getattr(server, how)()
    assert ended(server.pid)
    assert ended(child)


def test_a_server_that_dies_at_its_start_says_why(comfy_factory: Factory) -> None:
    server = comfy_factory(pack=False, extra_args=["--no-such-option"])
    began = time.monotonic()
    with pytest.raises(SDGenError) as error:
        server.start(timeout=120)
    assert error.value.code == "server-start-failed"
    assert "unrecognized arguments: --no-such-option" in str(error.value)
    assert str(server.log) in str(error.value)
    assert not server.running
    assert time.monotonic() - began < 60, "noticed at once, not when the time was over"


def test_a_server_that_does_not_come_up_in_time_is_ended(comfy_factory: Factory) -> None:
    server = comfy_factory(pack=False)
    (server.base / "custom_nodes" / "sleeps.py").write_text("import time; time.sleep(600)", encoding="utf-8")
    with pytest.raises(SDGenError) as error:
        server.start(timeout=12)
    assert error.value.code == "server-start-failed"
    assert "in time" in str(error.value)
    assert not server.running
    assert ended(server.pid)


def test_a_pack_that_cannot_be_loaded_is_no_success(comfy_factory: Factory, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__init__.py").write_text("import no_such_module_anywhere", encoding="utf-8")
    server = comfy_factory(pack=False)
    server.pack = pack
    with pytest.raises(SDGenError) as error:
        server.start()
    assert error.value.code == "server-start-failed"
    assert "no_such_module_anywhere" in str(error.value)
    assert not server.running


def test_a_python_that_is_not_there(comfy_factory: Factory, tmp_path: Path) -> None:
    with pytest.raises(SDGenError) as error:
        comfy_factory(pack=False, python=tmp_path / "python").start()
    assert error.value.code == "server-start-failed"


def test_a_folder_without_comfyui(tmp_path: Path) -> None:
    with pytest.raises(SDGenError) as error:
        ComfyServer(tmp_path, tmp_path / "base").start()
    assert error.value.code == "comfyui-not-found"


def test_a_taken_port_is_named(comfy_factory: Factory) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SDGenError) as error:
            comfy_factory(pack=False, port=port).start()
    assert error.value.code == "port-in-use"
    assert str(port) in str(error.value)


def test_two_servers_never_share_a_base(comfy: ComfyServer, comfy_factory: Factory) -> None:
    with pytest.raises(SDGenError) as error:
        comfy_factory(base=comfy.base).start()
    assert error.value.code == "server-running"
    assert comfy.url in str(error.value)
    assert comfy.running


def test_a_stale_note_of_a_killed_server_does_no_harm(comfy_factory: Factory) -> None:
    server = comfy_factory(pack=False)
    note = {"url": f"http://127.0.0.1:{free_port()}", "pid": os.getpid()}
    (server.base / "server.json").write_text(json.dumps(note), encoding="utf-8")
    with server:
        assert server.running


def test_the_end_of_the_parent_ends_the_server(comfyui_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from sdgen_core.comfy.runtime import ComfyServer;"
        "s = ComfyServer(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).start(); print(s.pid); sys.exit(3)"
    )
    command = [sys.executable, "-c", script, str(comfyui_folder), str(tmp_path / "base")]
    parent = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert parent.returncode == 3, parent.stderr
    assert ended(int(parent.stdout))


def test_model_paths_name_only_kinds_with_models(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name in ("checkpoints/put_checkpoints_here", "loras/a.safetensors", "vae/deep/b.safetensors"):
        (models / name).parent.mkdir(parents=True, exist_ok=True)
        (models / name).touch()
    target = tmp_path / "paths.yaml"
    assert write_model_paths(target, [tmp_path / "none", models])
    sections = json.loads(target.read_text(encoding="utf-8"))
    assert list(sections.values()) == [{"base_path": str(models), "loras": "loras", "vae": "vae"}]
    assert not write_model_paths(target, [tmp_path / "none"])
    assert not target.exists()
