"""What tests against a real ComfyUI share: post a prompt and wait for it; the server's log beside a failed test."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError

Graph = Mapping[str, Any]


def post_prompt(server: ComfyServer, graph: Graph, **extra: Any) -> str:
    """Queue an API-format graph as a user's browser does; returns the prompt's id."""
    body = {"prompt": graph, "client_id": uuid.uuid4().hex, **extra}
    return server.client.queue_prompt(body)


def wait_for_prompt(server: ComfyServer, prompt_id: str, timeout: float = 60.0) -> dict[str, Any]:
    """The history entry of a prompt, once it has ended in whichever way."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        entry = server.client.history(prompt_id)
        if entry is not None:
            return entry
        assert server.running, f"ComfyUI died:\n{server.log_tail()}"
        time.sleep(0.05)
    pytest.fail(f"prompt {prompt_id} did not end within {timeout} s; the end of the log:\n{server.log_tail()}")


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 60.0, pause: float = 0.05) -> Any:
    """Ask ``condition`` again and again until it is true, and return what it said then; fail after ``timeout``
    seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout} s in vain for: {what}")
        time.sleep(pause)


@pytest.fixture(name="post_prompt", scope="session")
def _post_prompt() -> Callable[..., str]:
    """``post_prompt(server, graph, **more of the body)`` -> prompt id."""
    return post_prompt


@pytest.fixture(name="wait_for_prompt", scope="session")
def _wait_for_prompt() -> Callable[..., dict[str, Any]]:
    """``wait_for_prompt(server, prompt_id, timeout=60)`` -> history entry."""
    return wait_for_prompt


@pytest.fixture(name="wait_until", scope="session")
def _wait_until() -> Callable[..., Any]:
    """``wait_until(condition, what, timeout=60)`` -> the first true value of ``condition()``."""
    return wait_until


@pytest.fixture
def run_prompt() -> Callable[..., dict[str, Any]]:
    """``run_prompt(server, graph, timeout=60)``: queue a graph, wait, and return its history entry."""

    def run(server: ComfyServer, graph: Graph, timeout: float = 60.0, **extra: Any) -> dict[str, Any]:
        return wait_for_prompt(server, post_prompt(server, graph, **extra), timeout)

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Put the end of the log of every server that a failed test used into its report."""
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]
    if report.when == "call" and report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, ComfyServer):
                report.sections.append((f"log of the ComfyUI server {name!r}", value.log_tail(60)))
    return report  # type: ignore[return-value]


# ---- sessions of stub images ----------------------------------------------------------------------------------------


class Stub:
    """Orders sessions of flat images (colour = seed) on a server and looks at what became of them."""

    def __init__(self, server: ComfyServer) -> None:
        self.server = server
        self.client = server.client

    def graph(
        self, images: int = 12, *, name: str = "", text: str | None = None, planner: Graph | None = None, **stub: Any
    ) -> dict[str, Any]:
        """A graph of planner, stub image and save node; ``stub`` sets the image node's widgets."""
        values = "\n".join(f"    v{n}: value {n}" for n in range(images))
        template = text or STUB_TEMPLATE.format(name=name or "stub", values=values)
        return {
            "1": node("SDGenTemplate", file="(the text below)", text=template, theme="", style="", mode="as written", limit=0),
            "2": node(
                "SDGenSessionPlan",
                **{
                    "template": ["1", 0], "name": name, "on_existing": "resume", "count": 0, "width": 16, "height": 16,
                    "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "item": "", **(planner or {}),
                },
            ),
            "3": node("StubLoader", ckpt_name="stub"),
            "4": node(
                "StubImage", **{"seed": ["2", 2], "text": ["2", 0], "fail_at": "", "wait": 0.0, "batch": 1, "loads": ["3", 0], **stub}
            ),
            "5": node("SDGenSessionSave", images=["4", 0], file_name=["2", 10], item=""),
        }  # fmt: skip

    def press(self, graph: Graph, **body: Any) -> dict[str, Any]:
        """Queue the graph once; the planner's report."""
        entry = self.entry(post_prompt(self.server, graph, **body))
        assert entry["status"]["status_str"] == "success", entry["status"]
        return entry["outputs"]["2"]["sdgen"][0]

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """What the history says of a prompt, once it has ended."""
        return wait_for_prompt(self.server, prompt_id)

    def refused(self, graph: Graph) -> str:
        """Queue a graph that cannot become a session; the error's text, from ComfyUI's validation or from the planner."""
        from sdgen_core.comfy.client import failure

        try:
            prompt_id = post_prompt(self.server, graph)
        except SDGenError as error:
            assert error.code == "rejected-prompt", error
            return str(error)
        fate = failure(wait_for_prompt(self.server, prompt_id))
        assert fate is not None, "the graph was accepted"
        return fate[1]

    def status(self, session: str) -> dict[str, Any]:
        return self.client.get(f"/sdgen/sessions/{session}")

    def act(self, session: str, action: str, **body: Any) -> dict[str, Any]:
        return self.client.post(f"/sdgen/sessions/{session}/{action}", body)

    def wait(self, session: str, *states: str, timeout: float = 120.0) -> dict[str, Any]:
        """Wait until the session is in one of ``states`` (completed when none is named)."""
        wanted = states or ("completed",)

        def reached() -> dict[str, Any] | None:
            status = self.status(session)
            return status if status["state"] in wanted else None

        return wait_until(reached, f"session {session} to be {' or '.join(wanted)}", timeout)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node of an API graph."""
    return {"class_type": class_type, "inputs": inputs}


STUB_TEMPLATE = """
type: prompt
name: {name}
version: '2.0'
prompt: "a picture of {{Value}}"
negative_prompt: "not {{Value}}"
imports:
  Value:
{values}
generation: {{mode: combinatorial, seed: 1000, seed_mode: progressive, max_images: -1}}
"""


@pytest.fixture
def stub_server(comfy_factory: Callable[..., ComfyServer]) -> Callable[..., ComfyServer]:
    """``stub_server(base=None, **options)``: a server with the stub nodes, not started yet."""

    def make(base: Path | None = None, **options: Any) -> ComfyServer:
        server = comfy_factory(base, **options)
        target = server.base / "custom_nodes" / "stub_nodes"
        if not target.is_dir():
            shutil.copytree(Path(__file__).parent / "stub_nodes", target)
        return server

    return make


@pytest.fixture(scope="module")
def stub(_new_server: Callable[..., ComfyServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    """Stub sessions on one running server, shared by the tests of a file."""
    base = tmp_path_factory.mktemp("stub")
    shutil.copytree(Path(__file__).parent / "stub_nodes", base / "custom_nodes" / "stub_nodes")
    (base / "models" / "checkpoints").mkdir(parents=True)
    for name in ("stub_a.safetensors", "stub_b.safetensors"):
        (base / "models" / "checkpoints" / name).write_bytes(name.encode())
    with _new_server(base) as server:
        yield Stub(server)


@pytest.fixture(scope="session")
def stub_of() -> type[Stub]:
    """``stub_of(server)``: stub sessions on a server of the test's own."""
    return Stub


# ---- what tests of faults share ---------------------------------------------------------------------------------------


def write_settings(server: ComfyServer, **values: Any) -> None:
    """Give a server that is not started yet settings of SDGen's."""
    folder = server.base / "user" / "sdgen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(values), encoding="utf-8")


def wait_for_images(stub: Stub, session: str, count: int) -> dict[str, Any]:
    """Wait until ``count`` images are made."""
    deadline = time.monotonic() + 60
    while (status := stub.status(session))["done"] < count:
        assert time.monotonic() < deadline and status["state"] == "running", status
        time.sleep(0.02)
    return status


def check_whole(stub: Stub, session: str, count: int) -> None:
    """Every image of the plan is there once, whole, in manifest and ledger."""
    status = stub.status(session)
    assert (status["state"], status["done"], status["failed"]) == ("completed", count, 0), status
    verified = stub.act(session, "verify", hashes=True)["verify"]
    assert verified["ok"], verified
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(p.name for p in Path(status["folder"]).glob("*.png"))
    assert [i["filename"] for i in manifest["images"]] == files and len(files) == count
    assert [i["sdgen"]["index"] for i in manifest["images"]] == list(range(count))
    for n, name in enumerate(files):
        red, green, blue = Image.open(Path(status["folder"]) / name).convert("RGB").getpixel((0, 0))
        assert red << 16 | green << 8 | blue == 1000 + n
    assert not list(Path(status["folder"]).glob("*.tmp*"))


@pytest.fixture(name="settings", scope="session")
def _settings() -> Callable[..., None]:
    """``settings(server, **values)``: settings of SDGen's for a server that is not started yet."""
    return write_settings


@pytest.fixture(name="done", scope="session")
def _done() -> Callable[..., dict[str, Any]]:
    """``done(stub, session, count)`` -> the status, once ``count`` images are made."""
    return wait_for_images


@pytest.fixture(name="whole", scope="session")
def _whole() -> Callable[..., None]:
    """``whole(stub, session, count)``: fails unless each of ``count`` images is there once, as planned."""
    return check_whole
